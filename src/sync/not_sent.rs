//! What is never sent to the remote, and never missed there: the files of runs that were erased on purpose.

use std::collections::{BTreeMap, BTreeSet};

use crate::dvc::cache::Cache;
use crate::dvc::hash::DataVersion;
use crate::dvc::remote::missing::{MissingObjects, SkippedPaths};
use crate::history::erased::{ErasedRuns, Standing, StandingJudge};
use crate::project::{Project, ProjectError};
use crate::run::RunKey;

/// Files that are not sent.
#[derive(Debug, Default)]
pub(super) struct NotSent {
    /// Their paths in each data version.
    pub paths: SkippedPaths,
    /// The runs of which this clone's cache still has some.
    pub still_here: BTreeSet<RunKey>,
}

impl NotSent {
    /// Finds the erased files of these data versions. A run that was put back after it was erased counts as any other.
    pub fn find(project: &Project, versions: impl IntoIterator<Item = DataVersion>) -> Result<Self, ProjectError> {
        let erased = ErasedRuns::load(project)?;
        erased.refuse_newer()?;
        let mut found = Self::default();
        if erased.is_empty() {
            return Ok(found);
        }
        let (judge, cache) = (StandingJudge::new(project)?, project.open_cache()?);
        let remote = project.dvc_settings()?.default_remote().and_then(|remote| remote.dir.as_deref());
        let remote = remote.map(Cache::in_dir);
        for version in versions {
            let mut list = cache.read_file_list(version)?;
            if list.is_none()
                && let Some(remote) = &remote
            {
                list = remote.read_file_list(version)?;
            }
            // Of a version without its list, nothing can be sent.
            let Some(list) = list else { continue };
            let mut failed = None;
            let paths = erased.erased_paths(&list, |record| match judge.judge(record) {
                Ok(standing) => standing != Standing::PutBack,
                Err(error) => {
                    failed = Some(error);
                    false
                }
            });
            if let Some(error) = failed {
                return Err(error);
            }
            for entry in list.entries().iter().filter(|entry| paths.contains(&entry.relpath)) {
                if cache.has_object(entry.md5) {
                    found.still_here.extend(crate::dataset::runs::run_of_path(&entry.relpath));
                }
            }
            if !paths.is_empty() {
                found.paths.insert(version, paths);
            }
        }
        Ok(found)
    }

    /// Takes these files out of what is missing.
    pub fn drop_from(&self, missing: &mut BTreeMap<DataVersion, MissingObjects>) {
        for (version, paths) in &self.paths {
            let Some(objects) = missing.get_mut(version) else { continue };
            objects.files.retain(|file| !paths.contains(file));
            if objects.files.is_empty() && !objects.file_list {
                missing.remove(version);
            }
        }
    }
}
