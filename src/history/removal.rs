//! Which commit of HEAD's history removed a run, and why.

use std::collections::{BTreeSet, HashMap};

use super::removed::RemovedTrailers;
use super::{DatasetCommit, History};
use crate::dvc::hash::DataVersion;
use crate::git::{Commit, Oid};
use crate::history;
use crate::project::{Project, ProjectError};
use crate::run::RunKey;
use crate::run::discover::{RunDir, is_run_dir};

/// A run that HEAD's history removed.
#[derive(Debug, Clone)]
pub struct RunRemoval<'a> {
    /// The newest commit that removed it.
    pub change: &'a DatasetCommit,
    /// Why, in the words of whoever removed it.
    pub reason: Option<String>,
}

/// The commit that removed the run which a directory holds, relative to the project, if a data version does not hold it: a
/// merge keeps its own side's selection, also of a run that the other side removed.
pub fn find_removed_selection(
    project: &Project,
    version: DataVersion,
    run_dir: &str,
) -> Result<Option<Oid>, ProjectError> {
    let dir = project.root.join(run_dir);
    let Some(run) = is_run_dir(&dir).then(|| RunDir::read(&dir).key).flatten() else { return Ok(None) };
    // Not a look at the run's files: each commit asks this.
    if project.file_lists()?.run_entries(version, &run).is_none_or(|entries| !entries.is_empty()) {
        return Ok(None);
    }
    let history = history::load_history(project)?;
    Ok(history.removal_of(&run).map(|removal| removal.change.commit.id.clone()))
}

pub(super) type MergedVersions = HashMap<usize, Vec<DataVersion>>;

impl DatasetCommit {
    /// Why it removed runs, as its message says; `None` if it removed none.
    #[must_use]
    pub fn removal_reason(&self) -> Option<String> {
        let removed: BTreeSet<RunKey> = self.removed.iter().cloned().collect();
        let trailers = RemovedTrailers::parse(&self.commit.message);
        if trailers.find_named(&removed).is_empty() { None } else { trailers.reason }
    }
}

impl History {
    /// The commit by which HEAD's dataset lacks a run; `None` if it holds the run, or never did. What other branches hold
    /// does not count.
    #[must_use]
    pub fn removal_of(&self, run: &RunKey) -> Option<RunRemoval<'_>> {
        let at = *self.removal_by_run.get(run)?;
        let is_held = match self.head_version.and_then(|version| self.holds_run(version, run)) {
            Some(is_held) => is_held,
            // HEAD's file list is not in this clone: the newest commit that introduces or removes the run decides.
            None => self.dataset_commits.iter().take(at).any(|c| c.on_head && c.introduced.binary_search(run).is_ok()),
        };
        let change = self.dataset_commits.get(at).filter(|_| !is_held)?;
        let trailers = RemovedTrailers::parse(&change.commit.message);
        let removed: BTreeSet<RunKey> = change.removed.iter().cloned().collect();
        let is_named = trailers.find_named(&removed).contains(run);
        Some(RunRemoval { change, reason: trailers.reason.filter(|_| is_named) })
    }

    /// The commits that introduced or removed a run, newest first.
    pub fn changes_of<'a>(&'a self, run: &'a RunKey) -> impl Iterator<Item = &'a DatasetCommit> + 'a {
        let changes = self.dataset_commits.iter().enumerate();
        changes
            .filter(move |(at, change)| change.introduced.binary_search(run).is_ok() || self.is_removed_at(*at, run))
            .map(|(_, change)| change)
    }

    /// Whether a change removed a run. A merge that repeats a removal of one side did not.
    fn is_removed_at(&self, at: usize, run: &RunKey) -> bool {
        let Some(change) = self.dataset_commits.get(at) else { return false };
        let mut parents = self.merged_versions.get(&at).into_iter().flatten();
        change.removed.binary_search(run).is_ok()
            && !parents.any(|version| self.holds_run(*version, run) == Some(false))
    }

    /// The index of the newest commit of HEAD that removed each run.
    pub(super) fn index_removals(&self) -> HashMap<RunKey, usize> {
        let mut newest = HashMap::new();
        for (at, change) in self.dataset_commits.iter().enumerate().filter(|(_, change)| change.on_head) {
            for run in &change.removed {
                // Newest first: the first commit that is seen stays.
                if !newest.contains_key(run) && self.is_removed_at(at, run) {
                    newest.insert(run.clone(), at);
                }
            }
        }
        newest
    }
}

/// The runs that a commit's message says it removes, for a commit whose file lists are not in this clone.
pub(super) fn removed_in_message(commit: &Commit, introduced: &BTreeSet<RunKey>) -> BTreeSet<RunKey> {
    // A squashed commit names a run that it removed and restored in both.
    RemovedTrailers::parse(&commit.message).runs.into_iter().filter(|run| !introduced.contains(run)).collect()
}
