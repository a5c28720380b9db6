//! DVC's lock on a project, `.dvc/tmp/lock`: who holds it, and holding it ourselves.
//!
//! Source: `dvc/lock.py`, on `zc.lockfile`: an exclusive `flock` on the file, which then holds the process id. With
//! `core.hardlink_lock` DVC locks by hard links instead; then nothing here writes, and DVC does the work.

use std::fs::File;
use std::io::{Seek, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::error::ExitKind::Program;
use crate::error::{Explain, Explanation};
use crate::support::beneath::{FileKind, RootDir};
use crate::support::fs::{At, FsError, PathRefusal};
use crate::support::limits;

/// A project that another process works in.
#[derive(Debug, thiserror::Error)]
pub enum DvcBusy {
    /// Another process holds the lock.
    #[error("another DVC{} is running in this project; waited {} s for it", holder.map(|pid| format!(" (process {pid})")).unwrap_or_default(), waited.as_secs())]
    Held {
        /// Its process id, if the lock holds it.
        holder: Option<u32>,
        /// How long was waited.
        waited: Duration,
    },
    /// Input or output.
    #[error(transparent)]
    Fs(#[from] FsError),
}

impl Explain for DvcBusy {
    fn explain(&self) -> Explanation {
        match self {
            Self::Held { .. } => Program.code("dvc_busy").hint("wait for it, then run the same command again"),
            Self::Fs(error) => error.explain(),
        }
    }
}

/// DVC's scratch space, relative to the project's root.
const TMP_DIR: &str = ".dvc/tmp";
/// The lock.
const MUTEX_FILE: &str = ".dvc/tmp/lock";

/// DVC follows links: if a repository has put one into the place of a file that DVC locks and writes at every command,
/// DVC is not started.
pub fn refuse_links(root: &Path) -> Result<(), FsError> {
    let files = RootDir::new(root);
    let names = files.list_dir(TMP_DIR)?;
    let inner = names.iter().map(|name| Path::new(TMP_DIR).join(name));
    // DVC follows links: one in a cloned repository would make it read or write a file outside of the project.
    for file in [".dvc/config", ".dvc/config.local"].into_iter().map(Into::into).chain(inner) {
        if files.file_kind(&file)? == FileKind::Link {
            let path = root.join(file);
            return Err(PathRefusal::Link(path.clone()).into()).at("have DVC use", &path);
        }
    }
    Ok(())
}

/// The process that last took the lock.
#[must_use]
pub fn read_holder(root: &Path) -> Option<u32> {
    // The process id only makes a message better, so a file that cannot be read is no error.
    let bytes = RootDir::new(root).read(MUTEX_FILE, limits::TEXT).ok()??;
    std::str::from_utf8(&bytes).ok()?.trim().parse().ok()
}

/// Removes DVC's notes of who reads and writes what (`dvc/rwlock.py`), if a DVC that was killed in the middle of
/// writing them left them broken: every later DVC would refuse to start. Says whether it did.
pub fn repair_rwlock(root: &Path) -> bool {
    let (files, rwlock) = (RootDir::new(root), ".dvc/tmp/rwlock");
    // If anything fails here, the caller reports what DVC printed.
    let Ok(Some(guard)) = files.open_lock_file(".dvc/tmp/rwlock.lock") else { return false };
    // A process that writes them holds this lock: if they are broken now, a killed one left them so.
    if guard.try_lock().is_err() {
        return false;
    }
    let Ok(Some(bytes)) = files.read(rwlock, limits::TEXT) else { return false };
    // DVC fails on an empty or half-written rwlock until it is deleted. It holds only the locks of running
    // processes.
    serde_json::from_slice::<serde::de::IgnoredAny>(&bytes).is_err() && files.remove_all(rwlock).is_ok()
}

/// The lock, held until dropped.
#[derive(Debug)]
pub struct DvcMutex {
    _file: File,
}

impl DvcMutex {
    /// Takes the lock as DVC does, waiting for it at most this long.
    pub fn acquire(root: &Path, patience: Duration) -> Result<Self, DvcBusy> {
        let path = root.join(MUTEX_FILE);
        let mut file = RootDir::new(root).create_lock_file(MUTEX_FILE)?;
        let started = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(std::fs::TryLockError::WouldBlock) if started.elapsed() < patience => {
                    // Short compared to any command of DVC, and long enough to leave the processor idle.
                    std::thread::sleep(Duration::from_millis(20));
                }
                Err(std::fs::TryLockError::WouldBlock) => {
                    return Err(DvcBusy::Held { holder: read_holder(root), waited: started.elapsed() });
                }
                Err(std::fs::TryLockError::Error(error)) => Err(error).at("lock", &path)?,
            }
        }
        // Like zc.lockfile: a blank, then the process id. DVC shows it to those that wait.
        file.set_len(0).at("write", &path)?;
        file.rewind().at("write", &path)?;
        writeln!(file, " {}", std::process::id()).at("write", &path)?;
        Ok(Self { _file: file })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_neither_locked_nor_left_to_dvc() {
        for link in [".dvc/tmp/lock", ".dvc/tmp", ".dvc"] {
            let dir = tempfile::tempdir().unwrap();
            let (root, theirs) = (dir.path().join("project"), dir.path().join("theirs"));
            std::fs::create_dir_all(root.join(link).parent().unwrap()).unwrap();
            std::fs::create_dir_all(theirs.join("tmp")).unwrap();
            for file in ["lock", "tmp/lock"] {
                std::fs::write(theirs.join(file), "theirs").unwrap();
            }
            let target = if link.ends_with("lock") { theirs.join("lock") } else { theirs.clone() };
            std::os::unix::fs::symlink(target, root.join(link)).unwrap();
            let error = DvcMutex::acquire(&root, Duration::ZERO).unwrap_err();
            let refused = PathRefusal::Link(root.join(link));
            assert!(matches!(error, DvcBusy::Fs(error) if error.refusal() == Some(&refused)), "{link}");
            assert_eq!(refuse_links(&root).unwrap_err().refusal(), Some(&refused), "{link}");
            assert!(!repair_rwlock(&root) && read_holder(&root).is_none());
            for file in ["lock", "tmp/lock"] {
                assert_eq!(std::fs::read_to_string(theirs.join(file)).unwrap(), "theirs", "{link}");
            }
        }
    }

    #[test]
    fn one_at_a_time_and_the_holder_is_known() {
        let dir = tempfile::tempdir().unwrap();
        let mutex = DvcMutex::acquire(dir.path(), Duration::ZERO).unwrap();
        let error = DvcMutex::acquire(dir.path(), Duration::from_millis(50)).unwrap_err();
        assert!(matches!(error, DvcBusy::Held { holder: Some(pid), .. } if pid == std::process::id()));
        drop(mutex);
        DvcMutex::acquire(dir.path(), Duration::ZERO).unwrap();
    }

    #[test]
    fn a_broken_rwlock_is_removed_once_nobody_writes_it() {
        let dir = tempfile::tempdir().unwrap();
        let (rwlock, guard) = (dir.path().join(".dvc/tmp/rwlock"), dir.path().join(".dvc/tmp/rwlock.lock"));
        assert!(!repair_rwlock(dir.path()));
        std::fs::create_dir_all(guard.parent().unwrap()).unwrap();
        std::fs::write(&guard, "").unwrap();
        std::fs::write(&rwlock, "{}").unwrap();
        assert!(!repair_rwlock(dir.path()) && rwlock.exists());
        std::fs::write(&rwlock, "").unwrap();
        let writer = File::open(&guard).unwrap();
        writer.lock().unwrap();
        assert!(!repair_rwlock(dir.path()) && rwlock.exists());
        drop(writer);
        assert!(repair_rwlock(dir.path()) && !rwlock.exists());
    }
}
