//! Opening the files of a run, which nobody vouches for, and noticing that one changed.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::path::Path;
use std::time::SystemTime;

use crate::support::fs::{At, FsError};

/// Opens a regular file for reading. Anything else (a pipe, a device, a directory) is an error, and never waited for.
pub fn regular(path: &Path) -> Result<File, FsError> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        // A pipe put in the file's place would block for ever.
        options.custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
    }
    let file = options.open(path).at("open", path)?;
    if !file.metadata().at("look at", path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")).at("open", path);
    }
    Ok(file)
}

/// What tells one state of a file from another without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// The file's size.
    pub bytes: u64,
    modified: Option<SystemTime>,
    identity: (u64, u64),
}

impl Stamp {
    /// The stamp of a file's metadata.
    #[must_use]
    pub fn of(meta: &Metadata) -> Self {
        Self { bytes: meta.len(), modified: meta.modified().ok(), identity: identity(meta) }
    }

    /// The stamp of the file at a path, links followed.
    pub fn at(path: &Path) -> Result<Self, FsError> {
        std::fs::metadata(path).at("look at", path).map(|meta| Self::of(&meta))
    }
}

#[cfg(unix)]
fn identity(meta: &Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt;
    (meta.dev(), meta.ino())
}

#[cfg(not(unix))]
fn identity(_: &Metadata) -> (u64, u64) {
    (0, 0)
}
