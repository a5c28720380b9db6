//! Reads and writes git's settings; one-off settings (`git -c`, `GIT_CONFIG_COUNT`) count.
//!
//! Read through libgit2 if it gives the same answer as git, else by the program. Written to this repository's own file
//! only, never to the user's.

use crate::git::error::GitError;
use crate::git::repo::Repo;

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
