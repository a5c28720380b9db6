//! DVC's lock on a project, `.dvc/tmp/lock`: seen, named, and taken by our own writes.
//!
//! Source: `dvc/lock.py`, on `zc.lockfile`: an exclusive `flock` on the file, which then holds the process id. With
//! `core.hardlink_lock` DVC locks by hard links instead; then nothing here writes, and DVC does the work.

use std::fs::File;
use std::io::{Seek, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::error::ExitKind::Program;
use crate::error::{Explain, Explanation};
use crate::support::beneath::{FileKind, Root};
use crate::support::fs::{At, FsError, Refused};
use crate::support::limits;

/// A project that another process works in.
#[derive(Debug, thiserror::Error)]
pub enum LockedError {
    /// Another process holds the lock.
    #[error("another DVC{} is at work in this project; waited {} s for it", holder.map(|pid| format!(" (process {pid})")).unwrap_or_default(), waited.as_secs())]
    Busy {
        /// Its process id, where the lock tells it.
        holder: Option<u32>,
        /// How long was waited.
        waited: Duration,
    },
    /// Input or output.
    #[error(transparent)]
    Fs(#[from] FsError),
}

impl Explain for LockedError {
    fn explain(&self) -> Explanation {
        match self {
            Self::Busy { .. } => Program.code("dvc_busy").hint("wait for it and run the same command again"),
            Self::Fs(error) => error.explain(),
        }
    }
}

/// DVC's scratch space, relative to the project's root.
const TMP: &str = ".dvc/tmp";
/// The lock.
const LOCK: &str = ".dvc/tmp/lock";

/// DVC follows links: where a repository has put one into the place of a file that DVC locks and writes at every command,
/// DVC is not started.
pub fn refuse_links(root: &Path) -> Result<(), FsError> {
    let files = Root::at(root);
    let names = files.names(TMP)?;
    let inner = names.iter().map(|name| Path::new(TMP).join(name));
    for file in [".dvc/config", ".dvc/config.local"].into_iter().map(Into::into).chain(inner) {
        if files.kind(&file)? == FileKind::Link {
            let path = root.join(file);
            return Err(Refused::Link(path.clone()).into()).at("have DVC use", &path);
        }
    }
    Ok(())
}

/// The process that last took the lock.
#[must_use]
pub fn holder(root: &Path) -> Option<u32> {
    let bytes = Root::at(root).read(LOCK, limits::TEXT).ok()??;
    std::str::from_utf8(&bytes).ok()?.trim().parse().ok()
}

/// Whether a process holds the lock right now.
#[must_use]
pub fn is_held(root: &Path) -> bool {
    let Ok(Some(file)) = Root::at(root).open_lock(LOCK) else { return false };
    matches!(file.try_lock(), Err(std::fs::TryLockError::WouldBlock))
}

/// Removes DVC's notes of who reads and writes what (`dvc/rwlock.py`), where a DVC that was killed in the middle of
/// writing them left them broken: every later DVC would refuse to start. Says whether it did.
pub fn mend_notes(root: &Path) -> bool {
    let (files, notes) = (Root::at(root), ".dvc/tmp/rwlock");
    let Ok(Some(guard)) = files.open_lock(".dvc/tmp/rwlock.lock") else { return false };
    // Whoever writes them holds this lock: what is broken now was left so.
    if guard.try_lock().is_err() {
        return false;
    }
    let Ok(Some(bytes)) = files.read(notes, limits::TEXT) else { return false };
    serde_json::from_slice::<serde::de::IgnoredAny>(&bytes).is_err() && files.remove_all(notes).is_ok()
}

/// The lock, held until dropped.
#[derive(Debug)]
pub struct ProjectLock {
    _file: File,
}

impl ProjectLock {
    /// Takes the lock as DVC does, waiting for it at most this long.
    pub fn take(root: &Path, patience: Duration) -> Result<Self, LockedError> {
        let path = root.join(LOCK);
        let mut file = Root::at(root).make_lock(LOCK)?;
        let started = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(std::fs::TryLockError::WouldBlock) if started.elapsed() < patience => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                Err(std::fs::TryLockError::WouldBlock) => {
                    return Err(LockedError::Busy { holder: holder(root), waited: started.elapsed() });
                }
                Err(std::fs::TryLockError::Error(error)) => Err(error).at("lock", &path)?,
            }
        }
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
            let error = ProjectLock::take(&root, Duration::ZERO).unwrap_err();
            let refused = Refused::Link(root.join(link));
            assert!(matches!(error, LockedError::Fs(error) if error.refused() == Some(&refused)), "{link}");
            assert_eq!(refuse_links(&root).unwrap_err().refused(), Some(&refused), "{link}");
            assert!(!is_held(&root) && !mend_notes(&root) && holder(&root).is_none());
            for file in ["lock", "tmp/lock"] {
                assert_eq!(std::fs::read_to_string(theirs.join(file)).unwrap(), "theirs", "{link}");
            }
        }
    }

    #[test]
    fn one_at_a_time_and_the_holder_is_known() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!is_held(dir.path()));
        let lock = ProjectLock::take(dir.path(), Duration::ZERO).unwrap();
        assert!(is_held(dir.path()));
        let error = ProjectLock::take(dir.path(), Duration::from_millis(50)).unwrap_err();
        assert!(matches!(error, LockedError::Busy { holder: Some(pid), .. } if pid == std::process::id()));
        drop(lock);
        ProjectLock::take(dir.path(), Duration::ZERO).unwrap();
    }

    #[test]
    fn broken_notes_go_once_nobody_writes_them() {
        let dir = tempfile::tempdir().unwrap();
        let (notes, guard) = (dir.path().join(".dvc/tmp/rwlock"), dir.path().join(".dvc/tmp/rwlock.lock"));
        assert!(!mend_notes(dir.path()));
        std::fs::create_dir_all(guard.parent().unwrap()).unwrap();
        std::fs::write(&guard, "").unwrap();
        std::fs::write(&notes, "{}").unwrap();
        assert!(!mend_notes(dir.path()) && notes.exists());
        std::fs::write(&notes, "").unwrap();
        let writer = File::open(&guard).unwrap();
        writer.lock().unwrap();
        assert!(!mend_notes(dir.path()) && notes.exists());
        drop(writer);
        assert!(mend_notes(dir.path()) && !notes.exists());
    }
}
