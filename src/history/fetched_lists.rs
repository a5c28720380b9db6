//! The file lists that commits need, fetched if this clone lacks them.

use std::collections::BTreeMap;

use crate::dvc::cache::Cache;
use crate::dvc::hash::DataVersion;
use crate::git::Oid;
use crate::history::rebuilt;
use crate::project::{Project, ProjectError, Reporter, state};

/// The lists that commits need, fetched if this clone lacks them.
pub struct FileListFetcher<'p> {
    project: &'p Project,
    cache: Cache,
    reporter: &'p dyn Reporter,
    /// Those that could not be fetched, and why not.
    missing: BTreeMap<DataVersion, String>,
}

impl<'p> FileListFetcher<'p> {
    /// For the commits of a project.
    pub fn new(project: &'p Project, reporter: &'p dyn Reporter) -> Result<Self, ProjectError> {
        Ok(Self { project, cache: project.open_cache()?, reporter, missing: BTreeMap::new() })
    }

    /// Fetches what is needed to find out what a commit introduces: its own list and its parents'.
    pub fn fetch_for(&mut self, commit: &Oid) -> Result<(), ProjectError> {
        for version in self.versions_for(commit)? {
            self.fetch_list(version);
        }
        Ok(())
    }

    /// Makes again what could not be fetched, as far as that can be verified.
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

    /// The lists that were needed for a commit and could not be fetched, and why not.
    pub fn missing_for(&self, commit: &Oid) -> Result<Vec<(DataVersion, &str)>, ProjectError> {
        let versions = self.versions_for(commit)?.into_iter();
        Ok(versions.filter_map(|version| Some((version, self.missing.get(&version)?.as_str()))).collect())
    }

    /// Why a list could not be fetched.
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
        // The data did not change: no list is needed.
        if versions.contains(&own) {
            return Ok(Vec::new());
        }
        versions.push(own);
        Ok(versions)
    }

    /// Fetches one list.
    pub fn fetch_list(&mut self, version: DataVersion) {
        // One that could not be fetched is not tried again: each try can wait for the remote.
        if self.cache.has_file_list(version) || self.missing.contains_key(&version) {
            return;
        }
        let fetched = self.project.dvc().map_err(|error| error.to_string()).and_then(|dvc| {
            self.reporter.show_status(&format!("fetching the file list of {version}"));
            dvc.fetch_file_list(version).map_err(|error| error.describe_with_cause())
        });
        if let Err(why) = fetched {
            self.missing.insert(version, why);
        }
    }
}
