//! Where a run's bytes are, as far as it is known without asking DVC: in the cache, and on a remote that is a
//! directory.

use crate::dvc::cache::Cache;
use crate::dvc::file_list::FileEntry;
use crate::dvc::present::PresentObjects;
use crate::project::{Project, ProjectError};

/// The places to look in.
pub struct DataStores {
    cache: PresentObjects,
    /// The default remote, if it is a directory.
    remote: Option<PresentObjects>,
    has_remote: bool,
}

impl DataStores {
    /// Those of a project, for questions about so many files.
    pub fn for_project(project: &Project, files: usize) -> Result<Self, ProjectError> {
        let settings = project.dvc_settings()?;
        let remote = settings.default_remote().and_then(|remote| remote.dir.as_deref()).map(Cache::in_dir);
        Ok(Self {
            cache: PresentObjects::for_many(&project.open_cache()?, files),
            remote: remote.map(|remote| PresentObjects::for_many(&remote, files)),
            has_remote: settings.default_remote().is_some(),
        })
    }

    /// How many of these files the cache has: `all`, `some` or `none`.
    #[must_use]
    pub fn share_in_cache(&self, entries: &[FileEntry]) -> &'static str {
        stored_share(&self.cache, entries)
    }

    /// The same of the remote; `unknown` if it is no directory.
    #[must_use]
    pub fn share_on_remote(&self, entries: &[FileEntry]) -> &'static str {
        match (&self.remote, self.has_remote) {
            (Some(remote), _) => stored_share(remote, entries),
            (None, true) => "unknown",
            (None, false) => "none",
        }
    }
}

fn stored_share(store: &PresentObjects, entries: &[FileEntry]) -> &'static str {
    match entries.iter().filter(|entry| store.has_object(entry.md5)).count() {
        // Before the comparison with the length: of a run without files, `all` would be misleading.
        0 => "none",
        n if n == entries.len() => "all",
        _ => "some",
    }
}
