//! What the DVC remote lacks of data versions, without sending or fetching a file.
//!
//! A directory remote is looked into; for any other DVC is asked (`dvc status --cloud`, in a passing project).

use serde_json::Value;

use super::retrieve::RetrieveError;
use super::{Project, ProjectError};
use crate::dvc::cache::Cache;
use crate::dvc::scratch::Scratch;
use crate::dvc::version::DataVersion;

/// A data version that is not whole on the remote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lack {
    /// The data version.
    pub version: DataVersion,
    /// Files that are not there, relative to the dataset; empty where the list itself is not.
    pub files: Vec<String>,
}

impl Project {
    /// The versions that are not whole on the remote; `None` where no remote is set.
    pub fn remote_lacks(&self, versions: &[DataVersion]) -> Result<Option<Vec<Lack>>, RetrieveError> {
        let settings = self.dvc_settings()?;
        let Some(remote) = settings.remote() else { return Ok(None) };
        match &remote.dir {
            Some(dir) => self.dir_lacks(&Cache::at(dir), versions).map(Some),
            None => self.asked(versions).map(Some),
        }
    }

    fn dir_lacks(&self, remote: &Cache, versions: &[DataVersion]) -> Result<Vec<Lack>, RetrieveError> {
        let mut lacks = Vec::new();
        for version in versions {
            let there = remote.listing(*version).map_err(ProjectError::from)?;
            let files: Vec<String> = match &there {
                Some(listing) => listing
                    .entries()
                    .iter()
                    .filter(|entry| !remote.has(entry.md5))
                    .map(|entry| entry.relpath.clone())
                    .collect(),
                None => Vec::new(),
            };
            if there.is_none() || !files.is_empty() {
                lacks.push(Lack { version: *version, files });
            }
        }
        Ok(lacks)
    }

    fn asked(&self, versions: &[DataVersion]) -> Result<Vec<Lack>, RetrieveError> {
        let settings = self.dvc_settings()?;
        let scratch = Scratch::new(&self.root, settings).map_err(ProjectError::from)?;
        let mut names = Vec::new();
        for version in versions {
            names.push((scratch.add(*version)?, *version));
        }
        let output = self.dvc()?.in_project(scratch.root()).call(["status", "--cloud", "--json"])?;
        let said: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let mut lacks = Vec::new();
        for (name, version) in names {
            let mut files = Vec::new();
            let mut lacking = false;
            for (path, state) in said.as_object().into_iter().flatten() {
                let inner = path.strip_prefix(&name).map(|rest| rest.trim_start_matches('/'));
                if let (Some(inner), Some("new" | "missing")) = (inner, state.as_str()) {
                    lacking = true;
                    files.extend((!inner.is_empty()).then(|| inner.to_owned()));
                }
            }
            if lacking {
                lacks.push(Lack { version, files });
            }
        }
        Ok(lacks)
    }
}
