//! Directories that are not for data: those that a caller lists, and Python environments, which can have any name. The
//! disk is only read.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::support::names;

/// A directory that is not for data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffLimits {
    /// Its absolute path.
    pub dir: PathBuf,
    /// What it is, for messages: `DVC's cache`.
    pub what: &'static str,
}

/// Finds Python environments in a project; each directory is looked at once.
#[derive(Debug, Default)]
pub struct PythonEnvs {
    seen: HashMap<PathBuf, bool>,
}

impl PythonEnvs {
    /// Returns the environment below `root` that contains a directory, existing or not. Both paths are free of links.
    pub fn find_around(&mut self, root: &Path, dir: &Path) -> Option<PathBuf> {
        let is_below = |at: &&Path| *at != root && at.starts_with(root);
        if let Some(env) = dir.ancestors().take_while(is_below).find(|at| self.is_known_env(at)) {
            return Some(env.to_path_buf());
        }
        // A project can be an environment itself: then only its programs and packages are refused, not its data.
        let first = dir.strip_prefix(root).ok()?.components().next()?.as_os_str();
        let own = ["bin", "scripts", "lib", "lib64", "include"]
            .iter()
            .any(|own| names::is_same_name(own, &first.to_string_lossy()));
        (own && self.is_known_env(root)).then(|| root.join(first))
    }

    fn is_known_env(&mut self, dir: &Path) -> bool {
        if let Some(known) = self.seen.get(dir) {
            return *known;
        }
        let is_env = is_environment(dir);
        self.seen.insert(dir.to_path_buf(), is_env);
        is_env
    }
}

/// Whether a directory is a Python environment, of `venv` (`pyvenv.cfg`) or conda (`conda-meta`).
#[must_use]
pub fn is_environment(dir: &Path) -> bool {
    ["pyvenv.cfg", "conda-meta"].iter().any(|mark| dir.join(mark).symlink_metadata().is_ok())
}
