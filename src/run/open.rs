//! Opens the small files of a run, which come from an untrusted source, and notices when a file changed. The streams of
//! rows are opened in `run::reader`.

use std::fs::Metadata;
use std::path::Path;
use std::time::SystemTime;

use crate::run::beside::leads_out;
use crate::support::fs::{At, FsError, PathRefusal};
use crate::support::{fs, limits};

/// Reads a small file of a run (`run.json`, `manifest.json`); `None` if there is no such file. A link is followed only
/// if it stays inside the run's directory; else it is an error.
pub fn read_small_file(dir: &Path, name: &str) -> Result<Option<Vec<u8>>, FsError> {
    let path = dir.join(name);
    // For speed: only a link needs its path resolved.
    let is_link = std::fs::symlink_metadata(&path).is_ok_and(|meta| meta.is_symlink());
    // Refused for safety: the target would be copied into the dataset.
    if is_link && !dir.canonicalize().is_ok_and(|root| !leads_out(&path, &root)) {
        return Err(PathRefusal::Escape.into()).at("read", &path);
    }
    fs::read_within(&path, limits::RUN_FILE)
}

/// Size, time and identity of a file, to notice a change without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileStamp {
    /// The file's size in bytes.
    pub bytes: u64,
    modified: Option<SystemTime>,
    identity: (u64, u64),
}

impl FileStamp {
    /// Makes the stamp from a file's metadata.
    #[must_use]
    pub fn from_metadata(meta: &Metadata) -> Self {
        // A file system without times leaves size and inode.
        Self { bytes: meta.len(), modified: meta.modified().ok(), identity: file_identity(meta) }
    }

    /// Makes the stamp of the file at a path, links followed.
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
