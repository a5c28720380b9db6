//! The environment, read once at the start and handed down.
//!
//! Nothing else in the crate calls `std::env::var`: a command sees this snapshot only, so that a test can give it any
//! environment, and a child process gets this one and nothing else. It is never written back to the process.

#![expect(clippy::disallowed_methods, reason = "the door to the environment")]

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::support::call_log::CallLog;
use crate::support::prompts::PromptPolicy;

/// The names that `git rev-parse --local-env-vars` prints: they tie a git call to one repository and must not leak to
/// another (DVC's own git calls, a test's scratch repository).
pub const GIT_LOCAL_VARS: &[&str] = &[
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_CONFIG",
    "GIT_CONFIG_PARAMETERS",
    "GIT_CONFIG_COUNT",
    "GIT_OBJECT_DIRECTORY",
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_GRAFT_FILE",
    "GIT_INDEX_FILE",
    "GIT_NO_REPLACE_OBJECTS",
    "GIT_REPLACE_REF_BASE",
    "GIT_PREFIX",
    "GIT_SHALLOW_FILE",
    "GIT_COMMON_DIR",
    "GIT_INTERNAL_SUPER_PREFIX",
];

/// A snapshot of environment variables.
#[derive(Debug, Clone, Default)]
pub struct Env {
    vars: BTreeMap<OsString, OsString>,
    prompts: PromptPolicy,
    calls: CallLog,
}

impl Env {
    /// Reads the environment of this process.
    #[must_use]
    pub fn snapshot() -> Self {
        Self { vars: std::env::vars_os().collect(), ..Self::default() }
    }

    /// Makes an environment of exactly these variables.
    pub fn from_vars<K: Into<OsString>, V: Into<OsString>>(vars: impl IntoIterator<Item = (K, V)>) -> Self {
        Self { vars: vars.into_iter().map(|(k, v)| (k.into(), v.into())).collect(), ..Self::default() }
    }

    /// Sets how programs may prompt the user.
    #[must_use]
    pub fn with_prompts(self, prompts: PromptPolicy) -> Self {
        Self { prompts, ..self }
    }

    /// How programs may prompt the user.
    #[must_use]
    pub fn prompts(&self) -> &PromptPolicy {
        &self.prompts
    }

    /// Sets the log of the programs that are called in this environment.
    #[must_use]
    pub fn logging(self, calls: CallLog) -> Self {
        Self { calls, ..self }
    }

    /// The log of the programs that are called in this environment.
    #[must_use]
    pub fn calls(&self) -> &CallLog {
        &self.calls
    }

    /// A variable's value; an empty one counts as unset.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.vars.get(OsStr::new(name)).map(OsString::as_os_str).filter(|v| !v.is_empty())
    }

    /// A variable's value as text; `None` if unset, empty or not UTF-8.
    #[must_use]
    pub fn get_str(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(OsStr::to_str)
    }

    /// All variables, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&OsString, &OsString)> {
        self.vars.iter()
    }

    /// Sets one variable.
    #[must_use]
    pub fn with_var(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.vars.insert(name.into(), value.into());
        self
    }

    /// Removes one variable.
    #[must_use]
    pub fn without_var(mut self, name: &str) -> Self {
        self.vars.remove(OsStr::new(name));
        self
    }

    /// Removes [`GIT_LOCAL_VARS`]: for DVC, and for calls of git in another repository.
    #[must_use]
    pub fn without_git(mut self) -> Self {
        for name in GIT_LOCAL_VARS {
            self.vars.remove(OsStr::new(name));
        }
        self
    }

    /// Puts a directory in front of `PATH`.
    #[must_use]
    pub fn with_path_first(self, dir: &Path) -> Self {
        let mut dirs = vec![dir.to_path_buf()];
        if let Some(path) = self.get("PATH") {
            dirs.extend(std::env::split_paths(path).filter(|d| d != dir));
        }
        match std::env::join_paths(dirs) {
            Ok(joined) => self.with_var("PATH", joined),
            // self, => A directory with a colon cannot stand in PATH; the program is then found without our help, or
            // not.
            Err(_) => self,
        }
    }

    /// Returns the executables of this name on `PATH`, in its order. Relative entries of `PATH` are skipped, because
    /// they would let a cloned repository choose the program.
    pub fn find_programs(&self, program: &str) -> impl Iterator<Item = PathBuf> {
        std::env::split_paths(self.get("PATH").unwrap_or_default())
            .filter(|dir| dir.is_absolute())
            .map(move |dir| dir.join(program))
            .filter(|path| super::fs::is_executable(path))
    }

    /// Returns the first executable of this name on `PATH`.
    #[must_use]
    pub fn find_program(&self, program: &str) -> Option<PathBuf> {
        self.find_programs(program).next()
    }

    /// The user's home directory, from `HOME` alone.
    #[must_use]
    pub fn home_dir(&self) -> Option<PathBuf> {
        self.get("HOME").map(PathBuf::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_path_entry_never_chooses_a_program() {
        let env = Env::from_vars([("PATH", ".:bin:/bin:/usr/bin")]);
        assert!(env.find_program("sh").is_some_and(|p| p.is_absolute()));
    }

    #[test]
    fn an_empty_variable_counts_as_unset() {
        let env = Env::from_vars([("A", ""), ("B", "b")]);
        assert_eq!((env.get_str("A"), env.get_str("B")), (None, Some("b")));
    }

    #[test]
    fn git_variables_are_stripped() {
        let env = Env::from_vars([("GIT_DIR", "x"), ("GIT_AUTHOR_NAME", "a")]).without_git();
        assert_eq!((env.get_str("GIT_DIR"), env.get_str("GIT_AUTHOR_NAME")), (None, Some("a")));
    }
}
