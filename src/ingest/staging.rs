//! Folders in the making: on the dataset's file system, out of sight of DVC and of readers.
//!
//! A lock file beside each folder shows that its process is alive; leftovers of killed processes are removed by the
//! next one. Only those of the same machine: some cluster file systems keep locks local to a machine, so a folder's
//! name holds the machine's. A finished folder is moved away by `ingest::place`.

use std::fs::TryLockError;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::IngestRequest;
use crate::support::aside::temp_dir_for;
use crate::support::fs;
use crate::support::fs::{At, FsError, remove_all};

/// A folder in the making, removed on drop.
pub(super) struct StagingDir {
    dir: PathBuf,
    name: String,
    _lock: std::fs::File,
}

/// Returns the prefix of this machine's folders.
fn staging_prefix() -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    format!(".capture-hook-ingest-{}-", host.chars().take(64).map(plain).collect::<String>())
}

impl StagingDir {
    pub(super) fn open(request: &IngestRequest) -> Result<Self, FsError> {
        let dir = staging_dir(request)?;
        let prefix = staging_prefix();
        remove_leftovers(&dir, &prefix);
        loop {
            let lock_file = fs::create_temp_file(&dir, &prefix, ".lock")?;
            let (file, path) = lock_file.keep().map_err(|e| e.error).at("write in", &dir)?;
            // On a file system without locks leftovers stay; nothing else depends on the lock.
            let _ = file.lock();
            // Between creating and locking, another process can have removed it as a leftover.
            if !path.exists() {
                continue;
            }
            let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            let staging = Self { dir, name, _lock: file };
            fs::create_dir_all(&staging.run_dir())?;
            return Ok(staging);
        }
    }

    pub(super) fn run_dir(&self) -> PathBuf {
        self.dir.join(&self.name)
    }
}

impl Drop for StagingDir {
    fn drop(&mut self) {
        // What cannot be removed now is a leftover for the next process.
        let _ = remove_all(&self.run_dir());
        let _ = remove_all(&self.dir.join(format!("{}.lock", self.name)));
    }
}

/// Returns the directory for the folders: the one for temporary files; beside the dataset if that one is on another
/// file system; inside the dataset if that is a file system of its own.
fn staging_dir(request: &IngestRequest) -> Result<PathBuf, FsError> {
    let beside = request.out_dir.parent().unwrap_or(&request.root);
    fs::create_dir_all(beside)?;
    let dataset = if request.out_dir.is_dir() { &request.out_dir } else { beside };
    let dir = temp_dir_for(dataset);
    let device = |path: &Path| std::fs::metadata(path).map(|meta| meta.dev()).ok();
    Ok(if dir == dataset && device(beside) == device(dataset) { beside.to_path_buf() } else { dir })
}

/// Removes the folders of killed processes. A failure leaves them for the next time.
fn remove_leftovers(dir: &Path, prefix: &str) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(stem) = name.strip_suffix(".lock").filter(|stem| stem.starts_with(prefix)) else { continue };
        let Ok(lock_file) = fs::open(&entry.path()) else { continue };
        match lock_file.try_lock() {
            Ok(()) => {
                // Its process is gone. The lock file is removed last, so that a second attempt still finds the folder.
                if remove_all(&dir.join(stem)).is_ok() {
                    let _ = remove_all(&entry.path());
                }
            }
            Err(TryLockError::WouldBlock | TryLockError::Error(_)) => {}
        }
    }
}
