//! Directories in which files are made before they get their names.
//!
//! A lock file beside each shows that its process is alive; leftovers of killed processes are removed by the next one.
//! Only those of the same machine: some cluster file systems keep locks local to a machine, so a directory's name holds
//! the machine's.

use std::fs::TryLockError;
use std::path::{Path, PathBuf};

use crate::support::fs;
use crate::support::fs::{At, FsError, remove_all};

/// A directory for files in the making, removed on drop.
#[derive(Debug)]
pub struct StagingDir {
    parent: PathBuf,
    name: String,
    _lock: std::fs::File,
}

/// Returns the prefix of this machine's directories of one kind.
fn own_prefix(kind: &str) -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    format!("{kind}{}-", host.chars().take(64).map(plain).collect::<String>())
}

impl StagingDir {
    /// Creates one in `parent`, which exists, and removes those of the same kind that killed processes left there. The
    /// kind is the beginning of its name: `.capture-hook-ingest-`.
    pub fn create(parent: &Path, kind: &str) -> Result<Self, FsError> {
        let prefix = own_prefix(kind);
        remove_leftovers(parent, &prefix);
        loop {
            let lock_file = fs::create_temp_file(parent, &prefix, ".lock")?;
            let (file, path) = lock_file.keep().map_err(|e| e.error).at("write in", parent)?;
            // On a file system without locks leftovers stay; nothing else depends on the lock.
            let _ = file.lock();
            // Between creating and locking, another process can have removed it as a leftover.
            if !path.exists() {
                continue;
            }
            let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            let staging = Self { parent: parent.to_path_buf(), name, _lock: file };
            fs::create_dir_all(&staging.path())?;
            return Ok(staging);
        }
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.parent.join(&self.name)
    }
}

impl Drop for StagingDir {
    fn drop(&mut self) {
        // What cannot be removed now is a leftover for the next process.
        let _ = remove_all(&self.path());
        let _ = remove_all(&self.parent.join(format!("{}.lock", self.name)));
    }
}

/// Removes the directories of killed processes. A failure leaves them for the next time.
fn remove_leftovers(parent: &Path, prefix: &str) {
    for entry in std::fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(stem) = name.strip_suffix(".lock").filter(|stem| stem.starts_with(prefix)) else { continue };
        let Ok(lock_file) = fs::open(&entry.path()) else { continue };
        match lock_file.try_lock() {
            Ok(()) => {
                // Its process is gone. The lock file is removed last, so that a second attempt still finds the directory.
                if remove_all(&parent.join(stem)).is_ok() {
                    let _ = remove_all(&entry.path());
                }
            }
            Err(TryLockError::WouldBlock | TryLockError::Error(_)) => {}
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_process_left_is_removed_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let names = || {
            let names = std::fs::read_dir(dir.path()).unwrap();
            let mut names: Vec<String> = names.map(|name| name.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        };
        let alive = StagingDir::create(dir.path(), ".alive-").unwrap();
        std::fs::write(alive.path().join("file"), "").unwrap();
        // As a killed process leaves it: the lock has ended, the files are there.
        let killed_path = StagingDir::create(dir.path(), ".alive-").unwrap().path();
        std::fs::create_dir(&killed_path).unwrap();
        std::fs::write(killed_path.with_extension("lock"), "").unwrap();
        let other = StagingDir::create(dir.path(), ".other-").unwrap();
        assert_eq!(names().len(), 6);
        drop(StagingDir::create(dir.path(), ".alive-").unwrap());
        assert!(alive.path().join("file").exists() && other.path().exists() && !killed_path.exists());
        assert_eq!(names().len(), 4);
        drop((alive, other));
        assert!(names().is_empty());
    }
}
