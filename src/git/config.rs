//! Git's settings, with one-off ones (`git -c`, `GIT_CONFIG_COUNT`) honoured.

use crate::git::error::GitError;
use crate::git::repo::Repo;

/// Variables that change which settings hold and that libgit2 does not know.
const OVERRIDES: &[&str] =
    &["GIT_CONFIG_PARAMETERS", "GIT_CONFIG_COUNT", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM"];

impl Repo {
    /// A setting's value as text; `None` where it is not set.
    pub fn config_value(&self, key: &str) -> Result<Option<String>, GitError> {
        let overridden = OVERRIDES.iter().any(|name| self.env().get(name).is_some());
        if let (Some(lib), false) = (&self.lib, overridden) {
            let read = lib.config().and_then(|mut config| config.snapshot()?.get_string(key));
            match read {
                Ok(value) => return Ok(Some(value)),
                Err(error) if error.code() == git2::ErrorCode::NotFound => return Ok(None),
                // A setting without a value, an include that libgit2 cannot follow.
                Err(_) => {}
            }
        }
        let output = self.query_git(["config", "--get", key])?;
        Ok(output.success().then(|| output.stdout_text()))
    }

    /// A setting read as a truth value, by git's rules.
    pub fn config_bool(&self, key: &str) -> Result<Option<bool>, GitError> {
        Ok(self.config_value(key)?.map(|value| {
            let value = value.trim().to_ascii_lowercase();
            !matches!(value.as_str(), "false" | "no" | "off" | "0" | "")
        }))
    }

    /// A setting from this repository's own file alone, which no clone brings along.
    pub fn local_config(&self, key: &str) -> Result<Option<String>, GitError> {
        let output = self.query_git(["config", "--local", "--get", key])?;
        Ok(output.success().then(|| output.stdout_text()))
    }

    /// Writes a setting into this repository's own file, where it does not hold already. Says whether it wrote.
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

    /// Removes a section from this repository's own file; one that is not there is fine. Says whether it was.
    pub fn remove_local_section(&self, section: &str) -> Result<bool, GitError> {
        Ok(self.query_git(["config", "--local", "--remove-section", section])?.success())
    }
}
