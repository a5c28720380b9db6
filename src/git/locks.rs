//! Waits for locks that another git holds.
//!
//! Git creates `X.lock` while it changes `X`, and a second git fails at once: an editor that looks at the repository in
//! the background is enough. Such a call is repeated here for some seconds before it fails. A lock is never removed.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::git::error::GitError;
use crate::git::repo::Repo;
use crate::support::process::{ProcessError, ProcessOutput};

/// How long to wait for another git: longer than any of its short locks, shorter than a user's patience.
const MAX_WAIT: Duration = Duration::from_secs(5);
/// How long to wait before a message says so.
const QUIET_TIME: Duration = Duration::from_secs(1);
/// The time between two looks.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Called with a message when we wait for another git.
pub type NotifyFn<'a> = &'a dyn Fn(&str);

/// A wait of at most [`MAX_WAIT`].
struct LockWait<'a> {
    began: Instant,
    notify: Option<NotifyFn<'a>>,
}

impl<'a> LockWait<'a> {
    fn new(notify: NotifyFn<'a>) -> Self {
        Self { began: Instant::now(), notify: Some(notify) }
    }

    /// Waits for [`POLL_INTERVAL`]; fails after [`MAX_WAIT`].
    fn wait_for(&mut self, repo: &Repo, lock: &Path) -> Result<(), GitError> {
        let waited = self.began.elapsed();
        if waited >= MAX_WAIT {
            return Err(GitError::Locked { lock: lock.to_path_buf(), by: repo.other_git() });
        }
        if waited >= QUIET_TIME
            && let Some(notify) = self.notify.take()
        {
            notify(&format!("another git holds {}: waiting for it", lock.display()));
        }
        std::thread::sleep(POLL_INTERVAL);
        Ok(())
    }
}

impl Repo {
    /// Repeats a call of git for as long as it fails because another git holds a lock, for some seconds at most.
    pub(super) fn retry_while_locked(
        &self,
        notify: NotifyFn<'_>,
        call: impl Fn() -> Result<ProcessOutput, ProcessError>,
    ) -> Result<ProcessOutput, GitError> {
        let mut wait = LockWait::new(notify);
        loop {
            let error = match call() {
                Ok(output) => return Ok(output),
                Err(error) => error,
            };
            match self.held_lock(&error) {
                Some(lock) => wait.wait_for(self, &lock)?,
                None => return Err(error.into()),
            }
        }
    }

    /// Waits, for some seconds at most, until the locks of HEAD and of its branch are free: a commit takes both after
    /// its hooks have run, and fails at once if it cannot.
    pub fn await_head(&self, notify: NotifyFn<'_>) -> Result<(), GitError> {
        let mut wait = LockWait::new(notify);
        while let Some(lock) = self.head_locks().into_iter().find(|lock| lock.exists()) {
            wait.wait_for(self, &lock)?;
        }
        Ok(())
    }

    /// Returns the lock files of HEAD and of its branch.
    fn head_locks(&self) -> Vec<PathBuf> {
        let mut locks = vec![self.git_dir.join("HEAD.lock")];
        // A HEAD that cannot be read (reftable) leaves its own lock alone to wait for.
        let head = crate::support::fs::read_optional(&self.git_dir.join("HEAD")).ok().flatten().unwrap_or_default();
        if let Some(branch) = String::from_utf8_lossy(&head).trim().strip_prefix("ref: refs/heads/") {
            locks.push(lock_file_of(&self.common_dir.join("refs/heads").join(branch)));
        }
        locks
    }

    /// Returns the lock because of which a call of git failed; `None` if it failed for another reason.
    fn held_lock(&self, error: &ProcessError) -> Option<PathBuf> {
        let ProcessError::Failed { output, .. } = error else { return None };
        match parse_lock_path(output) {
            // The lock can be gone by now; then git's message decides.
            Some(lock) => (lock.exists() || output.contains("File exists")).then_some(lock),
            // A translated git quotes paths differently; then look for the usual locks.
            None => [lock_file_of(&self.index_file)].into_iter().chain(self.head_locks()).find(|lock| lock.exists()),
        }
    }
}

fn lock_file_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

/// Returns the lock file in `Unable to create '/r/.git/index.lock': File exists.`
fn parse_lock_path(output: &str) -> Option<PathBuf> {
    output.lines().find_map(|line| {
        let end = line.find(".lock':")? + ".lock".len();
        let start = line.get(..end)?.rfind('\'')? + 1;
        let path = Path::new(line.get(start..end)?);
        path.is_absolute().then(|| path.to_path_buf())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_is_read_from_gits_message() {
        let lock = |message: &str| parse_lock_path(message).map(|path| path.display().to_string());
        let message =
            "fatal: Unable to create '/a b/.git/index.lock': File exists.\n\nAnother git process seems to be running";
        assert_eq!(lock(message).as_deref(), Some("/a b/.git/index.lock"));
        let message =
            "fatal: cannot lock ref 'refs/tags/x': Unable to create '/r/.git/refs/tags/x.lock': File exists.\nAnother";
        assert_eq!(lock(message).as_deref(), Some("/r/.git/refs/tags/x.lock"));
        assert_eq!(lock("fatal: 'x.lock': not a valid name"), None);
        assert_eq!(lock("fatal: pathspec 'dvc.lock' did not match any files"), None);
    }
}
