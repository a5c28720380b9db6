//! The history of one revision: its runs, each in its newest version, and its run tags. Branches beside it do not count, so
//! that every clone with the same commits, tags and data sees the same.
//!
//! A file list that this clone lacks is fetched if the remote is a directory, else made again from a neighbouring one, as far
//! as that can be verified.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::dvc::hash::DataVersion;
use crate::git::{CommitRange, Oid};
use crate::history::{self, DatasetCommit, History, RunTag, rebuilt};
use crate::project::{GitTree, Project, ProjectError, state};
use crate::report::error::ReportError;
use crate::run::RunKey;

/// A run's newest version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewestVersion {
    /// The change that introduced it, as an index into the history's; `None` if this clone does not know.
    pub change: Option<usize>,
    /// The data version.
    pub version: DataVersion,
}

/// The history of a revision.
pub struct RevHistory {
    /// The history.
    pub history: History,
    /// The revision's commit.
    pub commit: Oid,
    /// Whether the revision is HEAD because no other was asked for.
    is_head: bool,
    /// Its data version.
    version: Option<DataVersion>,
    /// Every commit that it reaches.
    reachable: HashSet<Oid>,
    /// The changes that introduced each run, newest first.
    changes: BTreeMap<RunKey, Vec<usize>>,
}

impl RevHistory {
    /// Loads the history of a revision, HEAD without one.
    pub fn load(project: &Project, rev: Option<&str>) -> Result<Self, ReportError> {
        let commit = match rev {
            Some(rev) => project.repo.resolve_commit(rev)?,
            None => project.repo.head()?.ok_or(ReportError::NoCommit)?,
        };
        let range = CommitRange { include: vec![commit.clone()], ..CommitRange::default() };
        let mut history = history::load_history_in(project, &range)?;
        if history.dataset_commits.iter().any(|change| change.partial) {
            get_missing_lists(project, &history)?;
            history = history::load_history_in(project, &range)?;
        }
        let mut changes: BTreeMap<RunKey, Vec<usize>> = BTreeMap::new();
        for (at, change) in history.dataset_commits.iter().enumerate() {
            for run in &change.introduced {
                changes.entry(run.clone()).or_default().push(at);
            }
        }
        let reachable = project.repo.walk_commits(&range)?.into_iter().collect();
        let version = project.data_version_at(&commit)?;
        Ok(Self { history, commit, is_head: rev.is_none(), version, reachable, changes })
    }

    /// Every run that it holds or held.
    pub fn runs(&self, project: &Project) -> Result<BTreeMap<RunKey, NewestVersion>, ReportError> {
        let mut keys: BTreeSet<RunKey> = self.changes.keys().cloned().collect();
        keys.extend(self.history.dataset_commits.iter().flat_map(|change| change.removed.iter().cloned()));
        // Those that only file lists or tags name.
        keys.extend(self.history.all_runs().into_keys());
        let mut runs = BTreeMap::new();
        for key in keys {
            if let Some(newest) = self.find_newest(project, &key)? {
                runs.insert(key, newest);
            }
        }
        Ok(runs)
    }

    /// A run's newest version; `None` if this history has none.
    pub fn find_newest(&self, project: &Project, run: &RunKey) -> Result<Option<NewestVersion>, ReportError> {
        let changes = self.changes.get(run).map(Vec::as_slice).unwrap_or_default();
        let of_change = |at: usize| {
            let change = self.history.dataset_commits.get(at)?;
            Some(NewestVersion { change: Some(at), version: change.record.version })
        };
        if let [first, rest @ ..] = changes {
            // A merge can have kept an older version than the newest that was committed.
            let held = self.version.filter(|_| !rest.is_empty());
            let is_held = |at: &&usize| {
                let version = self.history.dataset_commits.get(**at).map(|change| change.record.version);
                held.zip(version).is_some_and(|(held, version)| self.history.has_same_files(held, version, run))
            };
            return Ok(of_change(*changes.iter().find(is_held).unwrap_or(first)));
        }
        // Of any other commit it is known what it introduced.
        let partial = self.history.dataset_commits.iter().filter(|change| change.partial);
        let mut versions = self.version.into_iter().chain(partial.map(|change| change.record.version));
        if let Some(version) = versions.find(|version| self.history.holds_run(*version, run) == Some(true)) {
            return Ok(Some(NewestVersion { change: None, version }));
        }
        for tag in self.tags_of(run).into_iter().rev() {
            if let Some(newest) = self.version_of_tag(project, tag)? {
                return Ok(Some(newest));
            }
        }
        Ok(None)
    }

    /// The version that a run's tag names; `None` if its commit holds none.
    pub fn version_of_tag(&self, project: &Project, tag: &RunTag) -> Result<Option<NewestVersion>, ReportError> {
        let Some(commit) = &tag.tag.commit else { return Ok(None) };
        let Some(version) = project.data_version_at(commit)? else { return Ok(None) };
        let changes = self.changes.get(&tag.name.run).map(Vec::as_slice).unwrap_or_default();
        let change_of = |is_it: &dyn Fn(&DatasetCommit) -> bool| {
            changes.iter().copied().find(|at| self.history.dataset_commits.get(*at).is_some_and(is_it))
        };
        let run = &tag.name.run;
        let change = change_of(&|change| change.commit.id == *commit)
            .or_else(|| change_of(&|change| self.history.has_same_files(change.record.version, version, run)));
        Ok(Some(NewestVersion { change, version }))
    }

    /// Of how many data versions this clone lacks what is needed to know their runs.
    #[must_use]
    pub fn count_missing_lists(&self) -> usize {
        self.history.dataset_commits.iter().filter(|change| change.partial).count()
    }

    /// Whether it holds a commit.
    #[must_use]
    pub fn has_commit(&self, commit: &Oid) -> bool {
        self.reachable.contains(commit)
    }

    /// The tags of a run whose commits it holds, lowest version first.
    #[must_use]
    pub fn tags_of(&self, run: &RunKey) -> Vec<&RunTag> {
        let mut tags = self.history.tags_of(run);
        tags.retain(|tag| tag.tag.commit.as_ref().is_some_and(|commit| self.has_commit(commit)));
        tags
    }

    /// The names of the tags of each commit: the one that stands for all its runs first, then those of runs.
    #[must_use]
    pub fn index_tags(&self) -> HashMap<&Oid, Vec<&str>> {
        let of_all = self.history.version_tags.iter().map(|tag| &tag.tag);
        let mut by_commit: HashMap<&Oid, Vec<&str>> = HashMap::new();
        for tag in of_all.chain(self.history.tags.iter().map(|tag| &tag.tag)) {
            if let Some(commit) = &tag.commit {
                by_commit.entry(commit).or_default().push(&tag.name);
            }
        }
        by_commit
    }

    /// Whether a checkout of HEAD holds this version of a run.
    #[must_use]
    pub fn is_checked_out(&self, run: &RunKey, version: DataVersion) -> bool {
        self.is_head && self.version.is_some_and(|held| self.history.has_same_files(held, version, run))
    }

    /// Whether this clone knows everything that a commit changed.
    pub fn knows_change(&self, project: &Project, change: &DatasetCommit) -> Result<bool, ProjectError> {
        Ok(!change.partial && state::knows_parents(project, &change.commit)?)
    }
}

/// Gets the file lists that the history's commits need, as far as that takes no program.
fn get_missing_lists(project: &Project, history: &History) -> Result<(), ProjectError> {
    let mut versions = BTreeSet::new();
    for change in history.dataset_commits.iter().filter(|change| change.partial) {
        versions.insert(change.record.version);
        for parent in change.commit.parents.iter().filter(|parent| state::knows_lockfile(project, parent)) {
            versions.extend(history::read_readable_record(project, parent)?.map(|record| record.version));
        }
    }
    // A list that cannot be fetched may be made again below; one that cannot leaves its commit's changes not known.
    if let Ok(dvc) = project.dvc()
        && dvc.settings().default_remote().is_some_and(|remote| remote.dir.is_some())
    {
        versions.retain(|version| dvc.fetch_file_list(*version).is_err());
    }
    rebuilt::rebuild_file_lists(project, versions, None)
}

/// The dataset's title in the settings of a commit.
#[must_use]
pub fn read_title(project: &Project, commit: &Oid) -> Option<String> {
    // Settings that cannot be read give no title: that is no reason to show no runs.
    project.read_config_at(&GitTree::Commit(commit.clone())).ok()?.dataset.title
}
