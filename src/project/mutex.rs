//! Lets one capture-hook at a time work on a repository; all its working trees share the lock.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::support::fs;
use crate::support::fs::{At, FsError};

/// How long to wait for another one of us.
// The error message below names this time.
const PATIENCE: Duration = Duration::from_secs(60);

/// Held until dropped; the system releases it when the process dies.
pub struct RepoMutex {
    _file: File,
}

impl RepoMutex {
    /// Waits for the lock in the state directory.
    pub fn acquire(state_dir: &Path) -> Result<Self, FsError> {
        fs::create_shared_dir(state_dir)?;
        let path = state_dir.join("lock");
        let file = fs::open_lock_file(&path)?;
        let until = Instant::now() + PATIENCE;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _file: file }),
                Err(TryLockError::WouldBlock) if Instant::now() < until => {
                    // The standard library's `lock` waits without a limit, so this asks again and again.
                    std::thread::sleep(Duration::from_millis(50));
                }
                Err(TryLockError::WouldBlock) => {
                    let why = "another capture-hook has been running in this repository for a minute";
                    return Err(std::io::Error::new(std::io::ErrorKind::ResourceBusy, why)).at("lock", &path);
                }
                // A file system without locks: DVC has its own.
                Err(TryLockError::Error(_)) => return Ok(Self { _file: file }),
            }
        }
    }
}
