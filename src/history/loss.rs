//! Whether a commit's dataset holds every run that its parents' datasets hold.
//!
//! What one side of a merge removed on purpose, before, is no loss: the common ancestor held the run, and the other side has
//! not changed it since. Anything else that a parent holds and the commit does not is one: `git merge -s ours`, or
//! `git checkout --ours dvc.lock`, leaves out what only the other side added.

use std::collections::BTreeSet;

use crate::dvc::hash::DataVersion;
use crate::dvc::lockfile;
use crate::git::Oid;
use crate::project::{GitTree, Project, ProjectError};
use crate::run::RunKey;

/// What a commit's dataset lacks of its parents'.
#[derive(Debug, Default)]
pub struct RunLoss {
    /// Runs that a parent holds and the commit does not, but for those that were removed on purpose.
    pub runs: BTreeSet<RunKey>,
    /// Data versions without whose lists of files that is not known in full.
    pub unknown: BTreeSet<DataVersion>,
}

impl Project {
    /// What the dataset of a commit, or of the index, lacks of its parents'. `bring` is asked for the list of files of a data
    /// version that is not in this clone; without it, what is lost stays unknown.
    pub fn find_run_loss(
        &self,
        source: &GitTree,
        parents: &[Oid],
        fetch_list: &mut dyn FnMut(DataVersion),
    ) -> Result<RunLoss, ProjectError> {
        let new = self.version_in(source)?;
        let compared_parents = match (new, parents) {
            (Some(_), parents) => parents,
            // With the stage the dataset goes; that the first parent's is given up is no accident of a run either.
            (None, [_, merged @ ..]) if matches!(self.resolve_stage(source), Ok(Some(_))) => merged,
            (None, _) => &[],
        };
        let mut loss = RunLoss::default();
        for parent in compared_parents {
            let Some(version) = self.version_of(parent)?.filter(|version| Some(*version) != new) else { continue };
            let others: Vec<&Oid> = parents.iter().filter(|other| *other != parent).collect();
            // Another project's history, that comes into a subdirectory, has a dataset of its own.
            if let Some(first) = parents.first().filter(|first| *first != parent)
                && self.version_of(first)? == new
                && self.has_unrelated_history(first, parent)?
            {
                continue;
            }
            if self.is_superseded(parent, version, new, &others)? {
                continue;
            }
            let removed = match self.removed_runs(version, new, fetch_list)? {
                Ok(removed) => removed,
                Err(unknown) => {
                    loss.unknown.insert(unknown);
                    continue;
                }
            };
            for run in removed {
                if !self.removed_by_another(&run, parent, version, &others, fetch_list)? {
                    loss.runs.insert(run);
                }
            }
        }
        Ok(loss)
    }

    /// The runs of one data version that another does not hold; the version whose list of files cannot be had, if one cannot.
    fn removed_runs(
        &self,
        old: DataVersion,
        new: Option<DataVersion>,
        fetch_list: &mut dyn FnMut(DataVersion),
    ) -> Result<Result<BTreeSet<RunKey>, DataVersion>, ProjectError> {
        for version in [Some(old), new].into_iter().flatten() {
            if !self.has_file_list(version, fetch_list)? {
                return Ok(Err(version));
            }
        }
        let Some(new) = new else {
            let list = self.read_file_list(old)?.unwrap_or_default();
            return Ok(Ok(list.runs().map(|run| run.key).collect()));
        };
        Ok(self.file_lists()?.diff_against(new, [old]).diff.map(|diff| diff.removed).ok_or(old))
    }

    /// Whether nothing of a parent can be lost, without a look into any list: it holds what a common ancestor with another
    /// parent holds, and that one's data version is taken as it is.
    fn is_superseded(
        &self,
        parent: &Oid,
        version: DataVersion,
        new: Option<DataVersion>,
        others: &[&Oid],
    ) -> Result<bool, ProjectError> {
        for other in others {
            if self.version_of(other)? != new {
                continue;
            }
            for base in self.repo.merge_bases(parent, other)? {
                if self.version_of(&base)? == Some(version) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Whether another parent has removed a run since a common ancestor, which held it as this parent still does.
    fn removed_by_another(
        &self,
        run: &RunKey,
        parent: &Oid,
        version: DataVersion,
        others: &[&Oid],
        fetch_list: &mut dyn FnMut(DataVersion),
    ) -> Result<bool, ProjectError> {
        let own_entries = self.file_lists()?.run_entries(version, run);
        for other in others {
            // What cannot be looked at has removed nothing.
            let theirs = match self.version_of(other)? {
                Some(theirs) if self.has_file_list(theirs, fetch_list)? => self.file_lists()?.run_entries(theirs, run),
                Some(_) => None,
                None => Some(Vec::new()),
            };
            if theirs.is_none_or(|entries| !entries.is_empty()) {
                continue;
            }
            for base in self.repo.merge_bases(parent, other)? {
                let Some(base_version) = self.version_of(&base)? else { continue };
                let base_entries = if self.has_file_list(base_version, fetch_list)? {
                    self.file_lists()?.run_entries(base_version, run)
                } else {
                    None
                };
                if base_entries.is_some() && base_entries == own_entries {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// The data version of a commit; `None` where it has none, or this clone cannot tell.
    fn version_of(&self, commit: &Oid) -> Result<Option<DataVersion>, ProjectError> {
        if self.knows_lockfile(commit) { self.data_version_at(commit) } else { Ok(None) }
    }

    fn version_in(&self, source: &GitTree) -> Result<Option<DataVersion>, ProjectError> {
        match source {
            GitTree::Commit(commit) => self.version_of(commit),
            source => Ok(self.dataset_record(source)?.map(|record| record.version)),
        }
    }

    /// Whether the list of files of a data version is in this clone, brought if need be.
    fn has_file_list(
        &self,
        version: DataVersion,
        fetch_list: &mut dyn FnMut(DataVersion),
    ) -> Result<bool, ProjectError> {
        if !self.open_cache()?.has_file_list(version) {
            fetch_list(version);
        }
        Ok(self.file_lists()?.get(version).is_some())
    }

    /// Whether a merge that is being concluded concerns the dataset: a merged branch holds another `dvc.lock` than is
    /// staged. A comparison of object ids.
    pub fn merges_data(&self) -> Result<bool, ProjectError> {
        let heads = self.repo.merge_heads()?;
        if heads.is_empty() {
            return Ok(false);
        }
        let path = self.git_path(lockfile::FILE);
        let staged = self.repo.index_entry(&path)?.map(|entry| entry.id);
        for head in heads {
            if self.repo.entry_at(&head, &path)?.map(|entry| entry.id) != staged {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
