//! Reads and writes git's settings; one-off settings (`git -c`, `GIT_CONFIG_COUNT`) count.
//!
//! Read through libgit2 if it gives the same answer as git, else by the program. Written to this repository's own file
//! only, never to the user's.

use std::path::Path;

use crate::git::error::GitError;
use crate::git::hooks_dir::resolve_links;
use crate::git::repo::{Repo, read_only_env};
use crate::support::path::normalize_path;

/// Variables that change settings and that libgit2 does not know: with one of them git itself is asked.
const OVERRIDES: &[&str] =
    &["GIT_CONFIG_PARAMETERS", "GIT_CONFIG_COUNT", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM"];

impl Repo {
    /// Returns a setting's value as text; `None` if it is not set.
    pub fn config_value(&self, key: &str) -> Result<Option<String>, GitError> {
        let overridden = OVERRIDES.iter().any(|name| self.env().get(name).is_some());
        if let (Some(lib), false) = (&self.lib, overridden) {
            let read = lib.config().and_then(|mut config| config.snapshot()?.get_string(key));
            match read {
                Ok(value) => return Ok(Some(value)),
                Err(error) if error.code() == git2::ErrorCode::NotFound => return Ok(None),
                // Ask git: a setting without a value, or an include that libgit2 cannot follow.
                Err(_) => {}
            }
        }
        let output = self.query_git(["config", "--get", key])?;
        Ok(output.success().then(|| output.stdout_text()))
    }

    /// Returns a setting as a truth value, by git's rules: anything but false, no, off, 0 or empty is true.
    pub fn config_bool(&self, key: &str) -> Result<Option<bool>, GitError> {
        Ok(self.config_value(key)?.map(|value| {
            let value = value.trim().to_ascii_lowercase();
            !matches!(value.as_str(), "false" | "no" | "off" | "0" | "")
        }))
    }

    /// Returns a setting from this repository's own file alone, which a clone never copies: no stranger can set it.
    pub fn local_config(&self, key: &str) -> Result<Option<String>, GitError> {
        let output = self.query_git(["config", "--local", "--get", key])?;
        Ok(output.success().then(|| output.stdout_text()))
    }

    /// Returns a setting that names a program, a key or a file, with `~` resolved as git does it. Fails if a file of the
    /// working tree sets it, which `include.path` makes possible: a clone would choose what is run and who is trusted.
    pub fn own_path_setting(&self, key: &str) -> Result<Option<String>, GitError> {
        // `--show-scope` needs git 2.26.
        let cmd = self.git_cmd(["config", "--show-scope", "--show-origin", "-z", "--type=path", "--get", key]);
        let output = cmd.run(&read_only_env(self.env()))?;
        match output.exit {
            Some(0) => {}
            Some(1) => return Ok(None),
            _ => return Err(cmd.to_error(&output).into()),
        }
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut parts = text.split('\0');
        let (scope, origin, value) = (parts.next(), parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        // The user's own file counts wherever it is: a home directory can be a working tree.
        if matches!(scope, Some("local" | "worktree"))
            && let Some(file) = origin.strip_prefix("file:")
            && self.is_in_work_tree(Path::new(file))
        {
            let file = normalize_path(Path::new(file));
            return Err(GitError::SettingOfRepository { key: key.to_owned(), file });
        }
        Ok(Some(value.to_owned()))
    }

    /// Whether a path is in the working tree and not in git's own directory: its content can come from a clone. A
    /// relative path is one of the working tree's top.
    #[must_use]
    pub fn is_in_work_tree(&self, path: &Path) -> bool {
        let Some(top) = self.work_tree.as_deref() else { return false };
        let path = resolve_links(&top.join(path));
        let is_in = |dir: &Path| path.starts_with(resolve_links(dir));
        is_in(top) && !is_in(&self.git_dir) && !is_in(&self.common_dir)
    }

    /// Writes a setting into this repository's own file unless it has the value already. Returns whether it wrote.
    pub fn set_local_config(&self, key: &str, value: &str) -> Result<bool, GitError> {
        if self.local_config(key)?.as_deref() == Some(value) {
            return Ok(false);
        }
        self.run_git(["config", "--local", key, value])?;
        Ok(true)
    }

    /// Removes a setting from this repository's own file.
    pub fn unset_local_config(&self, key: &str) -> Result<(), GitError> {
        self.run_git(["config", "--local", "--unset-all", key]).map(drop)
    }

    /// Removes a section from this repository's own file. Returns whether there was one.
    pub fn remove_local_section(&self, section: &str) -> Result<bool, GitError> {
        Ok(self.query_git(["config", "--local", "--remove-section", section])?.success())
    }
}
