//! What a `gc` is about to remove, noted before the first object goes.
//!
//! When a list is gone, nothing says any more whose files they were that it named. Of a store that others can share, a second
//! `gc` would leave them for ever, had the first one been killed in between.

use std::collections::HashSet;
use std::path::PathBuf;

use crate::dvc::hash::DvcHash;
use crate::dvc::object_store::ObjectStore;
use crate::dvc::stored_objects::ObjectName;
use crate::project::Project;
use crate::support::fs::FsError;
use crate::support::{fs, limits};

/// The note of one store.
pub(super) struct Journal {
    path: PathBuf,
}

impl Journal {
    pub(super) fn of_store(project: &Project, store: &ObjectStore<'_>) -> Self {
        let id = match store {
            ObjectStore::Dir(cache) => cache.dir().to_string_lossy().into_owned(),
            ObjectStore::Remote { name, .. } => format!("remote {name}"),
        };
        Self { path: project.state_dir().join(format!("gc-{}", DvcHash::of_bytes(id.as_bytes()))) }
    }

    /// What a `gc` that was interrupted was about to remove.
    pub(super) fn read(&self) -> Result<HashSet<ObjectName>, FsError> {
        let text = fs::read_within(&self.path, limits::FILE_LIST)?.unwrap_or_default();
        Ok(String::from_utf8_lossy(&text).lines().filter_map(ObjectName::of_path).collect())
    }

    /// Notes what is to be removed, in addition to what is left of the last time.
    pub(super) fn write(&self, names: &[ObjectName]) -> Result<(), FsError> {
        let mut all: Vec<String> =
            self.read()?.into_iter().chain(names.iter().copied()).map(ObjectName::to_path).collect();
        all.sort_unstable();
        all.dedup();
        if let Some(dir) = self.path.parent() {
            fs::create_shared_dir(dir)?;
        }
        fs::write_shared(&self.path, all.join("\n").as_bytes())
    }

    /// All is removed.
    pub(super) fn remove(&self) -> Result<(), FsError> {
        fs::remove_all(&self.path)
    }
}
