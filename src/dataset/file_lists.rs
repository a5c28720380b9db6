//! The lists of files that data versions name, as they lie in this clone's cache: one run's files in one, and what one
//! brings over others.
//!
//! Lists are compared as bytes, in their files (see `dataset::diff`), so that what every commit asks costs little however
//! many runs there are. They are not checked against their names here: whoever writes from one, or hands data out, does that.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

use super::diff;
use crate::dataset::diff::RunDiff;
use crate::dataset::list_bytes::ListFile;
use crate::dataset::runs::find_run_of_dir;
use crate::dvc::cache::Cache;
use crate::dvc::file_list::FileEntry;
use crate::dvc::hash::DataVersion;
use crate::dvc::remote::fetch;
use crate::git::Oid;
use crate::history::rebuilt;
use crate::project::state;
use crate::project::{Project, ProjectError, Reporter};
use crate::run::RunKey;
use crate::sync::describe_with_cause;

/// The last few lists of files that were looked at.
#[derive(Debug)]
pub struct FileListCache {
    cache: Cache,
    recent: VecDeque<(DataVersion, Rc<ListFile>)>,
}

/// What one data version holds differently from others.
#[derive(Debug, Default)]
pub struct VersionDiff {
    /// What it brought; `None` where a list is not in this clone, or not to be read.
    pub diff: Option<RunDiff>,
    /// The runs it holds, where it is not known which of them it brought.
    pub unattributed_runs: Vec<RunKey>,
    /// Why its list is left out, where it is here and cannot be looked through.
    pub left_out: Option<String>,
}

impl FileListCache {
    /// Those of a cache.
    #[must_use]
    pub fn new(cache: Cache) -> Self {
        Self { cache, recent: VecDeque::new() }
    }

    /// A list; `None` where this clone does not have it.
    pub fn get(&mut self, version: DataVersion) -> Option<Rc<ListFile>> {
        const KEPT: usize = 6;
        if let Some((_, list)) = self.recent.iter().find(|(cached, _)| *cached == version) {
            return Some(list.clone());
        }
        let list = Rc::new(ListFile::of_version(&self.cache, version).ok().flatten()?);
        self.recent.push_front((version, list.clone()));
        self.recent.truncate(KEPT);
        Some(list)
    }

    /// A run's files in a data version, empty where it does not hold the run; `None` where this clone does not have the
    /// version's list of files, or it is damaged.
    pub fn run_entries(&mut self, version: DataVersion, run: &RunKey) -> Option<Vec<FileEntry>> {
        diff::run_entries(&*self.get(version)?, run).ok()
    }

    /// What a data version brings over all of these. Gone is what any of them held.
    pub fn diff_against(
        &mut self,
        new: DataVersion,
        old_versions: impl IntoIterator<Item = DataVersion>,
    ) -> VersionDiff {
        let Some(list) = self.get(new) else { return VersionDiff::default() };
        let mut diff: Option<RunDiff> = None;
        let mut all_known = true;
        for old in old_versions {
            let one = self.get(old).and_then(|old| diff::diff_runs(&*old, &*list).ok());
            match (one, &mut diff) {
                (None, _) => all_known = false,
                (Some(one), Some(all)) => {
                    all.introduced.retain(|run| one.introduced.contains(run));
                    all.removed.extend(one.removed);
                    all.refused.retain(|refusal| one.refused.contains(refusal));
                }
                (Some(one), none) => *none = Some(one),
            }
        }
        if all_known && diff.is_some() {
            return VersionDiff { diff, ..VersionDiff::default() };
        }
        // The first data version, or one whose parents' are not here.
        let (runs, refused) = match diff::list_runs(&*list) {
            Ok(found) => found,
            Err(error) => return VersionDiff { left_out: Some(error.to_string()), ..VersionDiff::default() },
        };
        if all_known {
            let diff = RunDiff { introduced: runs.into_iter().collect(), removed: BTreeSet::new(), refused };
            return VersionDiff { diff: Some(diff), ..VersionDiff::default() };
        }
        VersionDiff { unattributed_runs: runs, ..VersionDiff::default() }
    }

    /// The run of a data version that a `run_dir` names (see [`find_run_of_dir`]).
    pub fn find_run(&mut self, version: DataVersion, run_dir: &str) -> Option<RunKey> {
        let mut parts = run_dir.trim_end_matches('/').rsplit('/');
        if let (Some(run_id), Some(experiment)) = (parts.next(), parts.next())
            && let Ok(run) = RunKey::new(experiment, run_id)
            && self.run_entries(version, &run).is_some_and(|entries| !entries.is_empty())
        {
            return Some(run);
        }
        let (runs, _) = diff::list_runs(&*self.get(version)?).ok()?;
        find_run_of_dir(run_dir, &runs)
    }
}

/// The lists that commits need, fetched where this clone does not have them.
pub struct FileListFetcher<'p> {
    project: &'p Project,
    cache: Cache,
    reporter: &'p dyn Reporter,
    /// Those that could not be had, and why not.
    missing: BTreeMap<DataVersion, String>,
}

impl<'p> FileListFetcher<'p> {
    /// For the commits of a project.
    pub fn new(project: &'p Project, reporter: &'p dyn Reporter) -> Result<Self, ProjectError> {
        Ok(Self { project, cache: project.open_cache()?, reporter, missing: BTreeMap::new() })
    }

    /// Fetches what is needed to tell what a commit brings: its own list and its parents'.
    pub fn fetch_for(&mut self, commit: &Oid) -> Result<(), ProjectError> {
        for version in self.versions_for(commit)? {
            self.fetch_list(version);
        }
        Ok(())
    }

    /// Makes again what could not be fetched, as far as that can be proved.
    pub fn rebuild_missing(&mut self) -> Result<(), ProjectError> {
        rebuilt::rebuild_file_lists(self.project, self.missing.keys().copied(), Some(self.reporter))?;
        self.missing.retain(|version, _| !self.cache.has_file_list(*version));
        Ok(())
    }

    /// Fetches the list of one commit.
    pub fn fetch_at(&mut self, commit: Option<&Oid>) -> Result<(), ProjectError> {
        if let Some(commit) = commit.filter(|commit| state::knows_lockfile(self.project, commit))
            && let Some(version) = self.project.data_version_at(commit)?
        {
            self.fetch_list(version);
        }
        Ok(())
    }

    /// The lists that were needed for a commit and could not be had, and why not.
    pub fn missing_for(&self, commit: &Oid) -> Result<Vec<(DataVersion, &str)>, ProjectError> {
        let versions = self.versions_for(commit)?.into_iter();
        Ok(versions.filter_map(|version| Some((version, self.missing.get(&version)?.as_str()))).collect())
    }

    /// Why a list could not be had.
    #[must_use]
    pub fn why_missing(&self, version: DataVersion) -> Option<&str> {
        self.missing.get(&version).map(String::as_str)
    }

    fn versions_for(&self, commit: &Oid) -> Result<Vec<DataVersion>, ProjectError> {
        let Some(own) = self.project.data_version_at(commit)? else { return Ok(Vec::new()) };
        let mut versions = Vec::new();
        for parent in
            self.project.repo.read_commit(commit)?.parents.iter().filter(|id| state::knows_lockfile(self.project, id))
        {
            versions.extend(self.project.data_version_at(parent)?);
        }
        if versions.contains(&own) {
            return Ok(Vec::new());
        }
        versions.push(own);
        Ok(versions)
    }

    /// Fetches one list.
    pub fn fetch_list(&mut self, version: DataVersion) {
        if self.cache.has_file_list(version) || self.missing.contains_key(&version) {
            return;
        }
        let fetched = self.project.dvc_settings().map_err(|error| error.to_string()).and_then(|settings| {
            self.reporter.show_status(&format!("fetching the list of files of {version}"));
            let dvc = || self.project.find_dvc();
            fetch::fetch_file_list(&self.project.root, settings, version, dvc)
                .map_err(|error| describe_with_cause(&error))
        });
        if let Err(why) = fetched {
            self.missing.insert(version, why);
        }
    }
}
