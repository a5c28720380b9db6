//! Where folders are made before they are put in place: on the dataset's file system, out of sight of DVC and of readers.
//!
//! A lock beside each folder says that its maker lives; what the dead left is removed by the next one to come. On the same
//! machine, that is: some cluster file systems keep locks to a machine, and a folder's name says which one made it.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use super::Request;
use crate::support::fs::{At, FsError, create_dir_all, remove_all};

/// A folder in the making, removed when dropped.
pub(super) struct Staging {
    dir: PathBuf,
    name: String,
    _lock: File,
}

/// What the names of this machine's folders begin with.
fn staged() -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    format!(".capture-hook-ingest-{}-", host.chars().take(64).map(plain).collect::<String>())
}

impl Staging {
    pub(super) fn open(request: &Request) -> Result<Self, FsError> {
        let dir = staging_dir(request)?;
        let prefix = staged();
        remove_leftovers(&dir, &prefix);
        loop {
            let lock =
                tempfile::Builder::new().prefix(&prefix).suffix(".lock").tempfile_in(&dir).at("write in", &dir)?;
            let (file, path) = lock.keep().map_err(|e| e.error).at("write in", &dir)?;
            // A file system without locks keeps its leftovers, and that is all.
            let _ = file.lock();
            // Between the two, another process may have taken it for a leftover.
            if !path.exists() {
                continue;
            }
            let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            let staging = Self { dir, name, _lock: file };
            fs::create_dir(staging.folder()).at("create the directory", &staging.folder())?;
            return Ok(staging);
        }
    }

    pub(super) fn folder(&self) -> PathBuf {
        self.dir.join(&self.name)
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // What cannot be removed now is a leftover for the next one to come.
        let _ = remove_all(&self.folder());
        let _ = remove_all(&self.dir.join(format!("{}.lock", self.name)));
    }
}

/// DVC's own scratch space, which git ignores; beside the dataset where that is not the project's or on another file system;
/// in the dataset where that is a file system of its own.
fn staging_dir(request: &Request) -> Result<PathBuf, FsError> {
    let beside = request.out_dir.parent().unwrap_or(&request.root);
    create_dir_all(beside)?;
    let there = if request.out_dir.is_dir() { &request.out_dir } else { beside };
    let dvc = request.root.join(".dvc");
    let scratch = dvc.join("tmp");
    let inside = |path: &Path| {
        let real = |path: &Path| path.canonicalize().ok();
        real(path).zip(real(&request.root)).is_some_and(|(path, root)| path.starts_with(root))
    };
    if dvc.is_dir()
        && inside(&dvc)
        && fs::create_dir_all(&scratch).is_ok()
        && inside(&scratch)
        && same_device(&scratch, there)
    {
        return Ok(scratch);
    }
    Ok(if same_device(beside, there) { beside.to_path_buf() } else { there.to_path_buf() })
}

#[cfg(unix)]
fn same_device(a: &Path, b: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(a).is_ok_and(|a| fs::metadata(b).is_ok_and(|b| a.dev() == b.dev()))
}

#[cfg(not(unix))]
fn same_device(_: &Path, _: &Path) -> bool {
    true
}

/// Removes what processes that were killed have left.
fn remove_leftovers(dir: &Path, prefix: &str) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(stem) = name.strip_suffix(".lock").filter(|stem| stem.starts_with(prefix)) else { continue };
        let Ok(lock) = File::open(entry.path()) else { continue };
        match lock.try_lock() {
            Ok(()) => {
                // Its maker is gone: the lock goes last, so that a second attempt finds the rest.
                if remove_all(&dir.join(stem)).is_ok() {
                    let _ = remove_all(&entry.path());
                }
            }
            Err(TryLockError::WouldBlock | TryLockError::Error(_)) => {}
        }
    }
}
