//! Locks that another git holds. Git makes a file `X.lock` while it changes `X`, and a second one fails at once: an editor that
//! looks at the repository in the background is enough. Here such a call waits some seconds before it fails.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::git::error::GitError;
use crate::git::repo::Repo;
use crate::support::process::{Output, ProcessError};

/// How long to wait for another git.
const PATIENCE: Duration = Duration::from_secs(5);
/// From when on it is told that we wait.
const QUIET: Duration = Duration::from_secs(1);
/// How often to look.
const PAUSE: Duration = Duration::from_millis(50);

/// Who is told that we wait, and for what.
pub type Told<'a> = &'a dyn Fn(&str);

/// A wait that has an end.
struct Wait<'a> {
    began: Instant,
    told: Option<Told<'a>>,
}

impl<'a> Wait<'a> {
    fn begin(told: Told<'a>) -> Self {
        Self { began: Instant::now(), told: Some(told) }
    }

    /// Waits a moment; an error where that took too long.
    fn on(&mut self, repo: &Repo, lock: &Path) -> Result<(), GitError> {
        let waited = self.began.elapsed();
        if waited >= PATIENCE {
            return Err(GitError::Locked { lock: lock.to_path_buf(), by: repo.other_git() });
        }
        if waited >= QUIET
            && let Some(told) = self.told.take()
        {
            told(&format!("another git holds {}: waiting for it", lock.display()));
        }
        std::thread::sleep(PAUSE);
        Ok(())
    }
}

impl Repo {
    /// Makes a call of git that takes a lock, again and again while another git holds that lock, for some seconds at the most.
    pub(super) fn patiently(
        &self,
        told: Told<'_>,
        call: impl Fn() -> Result<Output, ProcessError>,
    ) -> Result<Output, GitError> {
        let mut wait = Wait::begin(told);
        loop {
            let error = match call() {
                Ok(output) => return Ok(output),
                Err(error) => error,
            };
            match self.held_lock(&error) {
                Some(lock) => wait.on(self, &lock)?,
                None => return Err(error.into()),
            }
        }
    }

    /// Waits, for some seconds at the most, until nobody holds the locks of HEAD and of its branch: a commit takes both after
    /// its hooks have run, and fails at once where it cannot.
    pub fn await_head(&self, told: Told<'_>) -> Result<(), GitError> {
        let mut wait = Wait::begin(told);
        while let Some(lock) = self.head_locks().into_iter().find(|lock| lock.exists()) {
            wait.on(self, &lock)?;
        }
        Ok(())
    }

    /// The lock files of HEAD and of its branch.
    fn head_locks(&self) -> Vec<PathBuf> {
        let mut locks = vec![self.git_dir.join("HEAD.lock")];
        let head = crate::support::fs::read_optional(&self.git_dir.join("HEAD")).ok().flatten().unwrap_or_default();
        if let Some(branch) = String::from_utf8_lossy(&head).trim().strip_prefix("ref: refs/heads/") {
            locks.push(with_lock(&self.common_dir.join("refs/heads").join(branch)));
        }
        locks
    }

    /// The lock for which a call of git failed; `None` where it failed for another reason.
    fn held_lock(&self, error: &ProcessError) -> Option<PathBuf> {
        let ProcessError::Failed { said, .. } = error else { return None };
        match named_lock(said) {
            // It may have gone just now.
            Some(lock) => (lock.exists() || said.contains("File exists")).then_some(lock),
            // In another language git may quote otherwise.
            None => [with_lock(&self.index_file)].into_iter().chain(self.head_locks()).find(|lock| lock.exists()),
        }
    }
}

fn with_lock(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

/// The lock file of `Unable to create '/r/.git/index.lock': File exists.`
fn named_lock(said: &str) -> Option<PathBuf> {
    said.lines().find_map(|line| {
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
    fn the_lock_is_read_from_what_git_says() {
        let lock = |said: &str| named_lock(said).map(|path| path.display().to_string());
        let said =
            "fatal: Unable to create '/a b/.git/index.lock': File exists.\n\nAnother git process seems to be running";
        assert_eq!(lock(said).as_deref(), Some("/a b/.git/index.lock"));
        let said =
            "fatal: cannot lock ref 'refs/tags/x': Unable to create '/r/.git/refs/tags/x.lock': File exists.\nAnother";
        assert_eq!(lock(said).as_deref(), Some("/r/.git/refs/tags/x.lock"));
        assert_eq!(lock("fatal: 'x.lock': not a valid name"), None);
        assert_eq!(lock("fatal: pathspec 'dvc.lock' did not match any files"), None);
    }
}
