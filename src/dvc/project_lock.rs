//! DVC's lock on a project, `.dvc/tmp/lock`: seen, named, and taken by our own writes.
//!
//! Source: `dvc/lock.py`, on `zc.lockfile`: an exclusive `flock` on the file, which then holds the process id. With
//! `core.hardlink_lock` DVC locks by hard links instead; then nothing here writes, and DVC does the work.

use std::fs::{File, OpenOptions};
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::error::{Explain, Kind};
use crate::support::fs::{self, At, FsError};

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
    fn kind(&self) -> Kind {
        match self {
            Self::Busy { .. } => Kind::Program,
            Self::Fs(error) => error.kind(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Busy { .. } => "dvc_busy",
            Self::Fs(error) => error.code(),
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Busy { .. } => vec!["wait for it and run the same command again".into()],
            Self::Fs(error) => error.hints(),
        }
    }
}

fn path(root: &Path) -> PathBuf {
    root.join(".dvc").join("tmp").join("lock")
}

/// The process that last took the lock.
#[must_use]
pub fn holder(root: &Path) -> Option<u32> {
    let bytes = fs::read_optional(&path(root)).ok()??;
    std::str::from_utf8(&bytes).ok()?.trim().parse().ok()
}

/// Whether a process holds the lock right now.
#[must_use]
pub fn is_held(root: &Path) -> bool {
    let Ok(file) = OpenOptions::new().read(true).write(true).open(path(root)) else { return false };
    matches!(file.try_lock(), Err(std::fs::TryLockError::WouldBlock))
}

/// Removes DVC's notes of who reads and writes what (`dvc/rwlock.py`), where a DVC that was killed in the middle of
/// writing them left them broken: every later DVC would refuse to start. Says whether it did.
pub fn mend_notes(root: &Path) -> bool {
    let notes = root.join(".dvc/tmp/rwlock");
    let Ok(guard) = OpenOptions::new().read(true).write(true).open(notes.with_extension("lock")) else { return false };
    // Whoever writes them holds this lock: what is broken now was left so.
    if guard.try_lock().is_err() {
        return false;
    }
    let Ok(Some(bytes)) = fs::read_optional(&notes) else { return false };
    serde_json::from_slice::<serde::de::IgnoredAny>(&bytes).is_err() && std::fs::remove_file(&notes).is_ok()
}

/// The lock, held until dropped.
#[derive(Debug)]
pub struct ProjectLock {
    _file: File,
}

impl ProjectLock {
    /// Takes the lock as DVC does, waiting for it at most this long.
    pub fn take(root: &Path, patience: Duration) -> Result<Self, LockedError> {
        let path = path(root);
        if let Some(dir) = path.parent() {
            fs::create_dir_all(dir)?;
        }
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).at("open", &path)?;
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
