//! Directories that are not for data: those that somebody names, and Python environments, which go by any name.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::support::names;

/// A directory that is not for data, whatever its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffLimits {
    /// Where it is, absolute.
    pub dir: PathBuf,
    /// What it is: `DVC's cache`.
    pub what: &'static str,
}

/// Python environments in a project, each directory looked at once.
#[derive(Debug, Default)]
pub struct PythonEnvs {
    seen: HashMap<PathBuf, bool>,
}

impl PythonEnvs {
    /// The environment below `root` in which a directory lies, or would lie. Both have no links on their way.
    pub fn find_around(&mut self, root: &Path, dir: &Path) -> Option<PathBuf> {
        let is_below = |at: &&Path| *at != root && at.starts_with(root);
        if let Some(env) = dir.ancestors().take_while(is_below).find(|at| self.is_known_env(at)) {
            return Some(env.to_path_buf());
        }
        // A project may be an environment itself: data is no part of it, its programs and packages are.
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

/// Whether a directory is a Python environment: one of `venv`'s and its like, or one of conda's.
#[must_use]
pub fn is_environment(dir: &Path) -> bool {
    ["pyvenv.cfg", "conda-meta"].iter().any(|mark| dir.join(mark).symlink_metadata().is_ok())
}
