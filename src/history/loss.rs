//! Whether a commit's dataset holds every run of its parents' datasets.
//!
//! A run that one side of a merge removed earlier is not lost: the common ancestor holds it, and the other side has
//! not changed it since. Any other run of a parent that the commit lacks is lost: `git merge -s ours` or `git
//! checkout --ours dvc.lock` drops what only the other side added.

use std::collections::BTreeSet;

use crate::dataset::runs::run_keys;
use crate::dvc::hash::DataVersion;
use crate::dvc::lockfile;
use crate::git::Oid;
use crate::history::foreign;
use crate::project::{GitTree, Project, ProjectError, state};
use crate::run::RunKey;

/// What a commit's dataset lacks of its parents'.
#[derive(Debug, Default)]
pub struct RunLoss {
    /// Runs that a parent holds and the commit does not, but for those that were removed on purpose.
    pub runs: BTreeSet<RunKey>,
    /// Data versions without whose file lists that is not known in full.
    pub unknown: BTreeSet<DataVersion>,
}

/// What the dataset of a commit, or of the index, lacks of its parents'. `fetch_list` is asked for the file list of a
/// data version that is not in this clone; without it, what is lost stays unknown.
pub fn find_run_loss(
    project: &Project,
    source: &GitTree,
    parents: &[Oid],
    fetch_list: &mut dyn FnMut(DataVersion),
) -> Result<RunLoss, ProjectError> {
    let new = find_version_in(project, source)?;
    let compared_parents = match (new, parents) {
        (Some(_), parents) => parents,
        // Without the stage there is no dataset: the runs of the first parent were given up on purpose.
        (None, [_, merged @ ..]) if matches!(state::resolve_stage(project, source), Ok(Some(_))) => merged,
        (None, _) => &[],
    };
    let mut loss = RunLoss::default();
    let mut finder = LossFinder { project, fetch_list };
    for parent in compared_parents {
        let Some(version) = find_version_of(project, parent)?.filter(|version| Some(*version) != new) else { continue };
        let others: Vec<&Oid> = parents.iter().filter(|other| *other != parent).collect();
        // Another project's history, that comes into a subdirectory, has a dataset of its own.
        if let Some(first) = parents.first().filter(|first| *first != parent)
            && find_version_of(project, first)? == new
            && foreign::has_unrelated_history(project, first, parent)?
        {
            continue;
        }
        // Before the file lists, which may have to be fetched: this needs only `dvc.lock`.
        if is_superseded(project, parent, version, new, &others)? {
            continue;
        }
        let removed = match finder.find_removed_runs(version, new)? {
            Ok(removed) => removed,
            Err(unknown) => {
                loss.unknown.insert(unknown);
                continue;
            }
        };
        for run in removed {
            if !finder.is_removed_by_another(&run, parent, version, &others)? {
                loss.runs.insert(run);
            }
        }
    }
    Ok(loss)
}

/// Looks for lost runs; asks for file lists that are not in this clone.
struct LossFinder<'a> {
    project: &'a Project,
    fetch_list: &'a mut dyn FnMut(DataVersion),
}

impl LossFinder<'_> {
    /// The runs of one data version that another does not hold; the version whose file list cannot be fetched, if one
    /// cannot.
    fn find_removed_runs(
        &mut self,
        old: DataVersion,
        new: Option<DataVersion>,
    ) -> Result<Result<BTreeSet<RunKey>, DataVersion>, ProjectError> {
        for version in [Some(old), new].into_iter().flatten() {
            if !self.has_file_list(version)? {
                return Ok(Err(version));
            }
        }
        let Some(new) = new else {
            // Checked above: the list is here.
            let list = self.project.open_cache()?.read_file_list(old)?.unwrap_or_default();
            return Ok(Ok(run_keys(&list).collect()));
        };
        Ok(self.project.file_lists()?.diff_against(new, [old]).diff.map(|diff| diff.removed).ok_or(old))
    }

    /// Whether another parent has removed a run since a common ancestor, which held it as this parent still does.
    fn is_removed_by_another(
        &mut self,
        run: &RunKey,
        parent: &Oid,
        version: DataVersion,
        others: &[&Oid],
    ) -> Result<bool, ProjectError> {
        let own_entries = self.project.file_lists()?.run_entries(version, run);
        for other in others {
            // What cannot be looked at has removed nothing.
            let theirs = match find_version_of(self.project, other)? {
                Some(theirs) if self.has_file_list(theirs)? => self.project.file_lists()?.run_entries(theirs, run),
                Some(_) => None,
                None => Some(Vec::new()),
            };
            if theirs.is_none_or(|entries| !entries.is_empty()) {
                continue;
            }
            // There are several after criss-cross merges; one that shows the removal is enough.
            for base in self.project.repo.merge_bases(parent, other)? {
                let Some(base_version) = find_version_of(self.project, &base)? else { continue };
                let base_entries = if self.has_file_list(base_version)? {
                    self.project.file_lists()?.run_entries(base_version, run)
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

    /// Whether the file list of a data version is in this clone, fetched if need be.
    fn has_file_list(&mut self, version: DataVersion) -> Result<bool, ProjectError> {
        if !self.project.open_cache()?.has_file_list(version) {
            (self.fetch_list)(version);
        }
        // Asked after the fetch: it can fail, and a list that is here can be damaged.
        Ok(self.project.file_lists()?.get(version).is_some())
    }
}

/// Whether nothing of a parent can be lost, without a look into any list: it holds what a common ancestor with another
/// parent holds, and that one's data version is taken as it is.
fn is_superseded(
    project: &Project,
    parent: &Oid,
    version: DataVersion,
    new: Option<DataVersion>,
    others: &[&Oid],
) -> Result<bool, ProjectError> {
    for other in others {
        if find_version_of(project, other)? != new {
            continue;
        }
        for base in project.repo.merge_bases(parent, other)? {
            if find_version_of(project, &base)? == Some(version) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// The data version of a commit; `None` if it has none, or this clone does not know it.
fn find_version_of(project: &Project, commit: &Oid) -> Result<Option<DataVersion>, ProjectError> {
    if state::knows_lockfile(project, commit) { project.data_version_at(commit) } else { Ok(None) }
}

fn find_version_in(project: &Project, source: &GitTree) -> Result<Option<DataVersion>, ProjectError> {
    match source {
        GitTree::Commit(commit) => find_version_of(project, commit),
        source => Ok(project.dataset_record(source)?.map(|record| record.version)),
    }
}

/// Whether a merge that is being concluded is about the dataset: a merged branch holds another `dvc.lock` than is
/// staged. A comparison of object ids.
pub fn merges_data(project: &Project) -> Result<bool, ProjectError> {
    let heads = project.repo.merge_heads()?;
    if heads.is_empty() {
        return Ok(false);
    }
    let path = project.git_path(lockfile::FILE);
    let staged = project.repo.index_entry(&path)?.map(|entry| entry.id);
    for head in heads {
        if project.repo.entry_at(&head, &path)?.map(|entry| entry.id) != staged {
            return Ok(true);
        }
    }
    Ok(false)
}
