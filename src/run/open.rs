//! Opening the files of a run, which nobody vouches for, and noticing that one changed.

use std::fs::Metadata;
use std::path::Path;
use std::time::SystemTime;

use crate::run::beside::leads_out;
use crate::support::fs::{At, FsError, PathRefusal};
use crate::support::{fs, limits};

/// A small file of a run (`run.json`, `manifest.json`): its bytes, `None` where there is no such file. A link is followed
/// only where it stays inside the run's directory.
pub fn read_small_file(dir: &Path, name: &str) -> Result<Option<Vec<u8>>, FsError> {
    let path = dir.join(name);
    let is_link = std::fs::symlink_metadata(&path).is_ok_and(|meta| meta.is_symlink());
    if is_link && !dir.canonicalize().is_ok_and(|root| !leads_out(&path, &root)) {
        return Err(PathRefusal::Escape.into()).at("read", &path);
    }
    fs::read_within(&path, limits::RUN_FILE)
}

/// What tells one state of a file from another without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileStamp {
    /// The file's size.
    pub bytes: u64,
    modified: Option<SystemTime>,
    identity: (u64, u64),
}

impl FileStamp {
    /// The stamp of a file's metadata.
    #[must_use]
    pub fn from_metadata(meta: &Metadata) -> Self {
        Self { bytes: meta.len(), modified: meta.modified().ok(), identity: file_identity(meta) }
    }

    /// The stamp of the file at a path, links followed.
    pub fn from_path(path: &Path) -> Result<Self, FsError> {
        std::fs::metadata(path).at("look at", path).map(|meta| Self::from_metadata(&meta))
    }
}

#[cfg(unix)]
fn file_identity(meta: &Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt;
    (meta.dev(), meta.ino())
}

#[cfg(not(unix))]
fn file_identity(_: &Metadata) -> (u64, u64) {
    (0, 0)
}
