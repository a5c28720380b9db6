//! Git's hooks directory: where it is, who set it, and whether it belongs to this repository. Nothing is written here.

use std::path::{Path, PathBuf};

use crate::git::error::GitError;
use crate::git::repo::Repo;
use crate::support::off_limits::OffLimits;

/// Who set the hooks directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HooksDirSource {
    /// No setting: `hooks` in the git directory.
    Default,
    /// `core.hooksPath` of this repository.
    Repository,
    /// `core.hooksPath` of the user or the system.
    Outside,
}

/// The hooks directory in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HooksDir {
    /// Its absolute path.
    pub path: PathBuf,
    /// Who set it.
    pub source: HooksDirSource,
    /// Whether it is in the working tree or the git directory.
    pub inside: bool,
    /// Whether `core.hooksPath` is set to an empty value: git then runs no hook at all.
    pub disabled: bool,
}

impl Repo {
    /// Returns the hooks directory of this working tree.
    pub fn hooks_dir(&self) -> Result<HooksDir, GitError> {
        // `--show-scope` needs git 2.26.
        let setting = self.query_git(["config", "--show-scope", "--get", "core.hooksPath"])?;
        let (source, disabled) = if setting.success() {
            let text = setting.stdout_text();
            let (scope, value) = text.split_once('\t').unwrap_or((&text, ""));
            let is_own = matches!(scope, "local" | "worktree");
            (if is_own { HooksDirSource::Repository } else { HooksDirSource::Outside }, value.is_empty())
        } else {
            (HooksDirSource::Default, false)
        };
        let base = self.work_tree.as_deref().unwrap_or(&self.git_dir);
        let path = if disabled {
            self.common_dir.join("hooks")
        } else {
            let output = self.run_git(["rev-parse", "--git-path", "hooks"])?;
            base.join(output.stdout_text())
        };
        let inside = [self.work_tree.as_deref(), Some(&self.common_dir)]
            .into_iter()
            .flatten()
            .any(|root| resolve_links(&path).starts_with(resolve_links(root)));
        Ok(HooksDir { path, source, inside, disabled })
    }

    /// Returns the directories whose files git uses or runs: no place for data.
    pub fn off_limits(&self) -> Result<Vec<OffLimits>, GitError> {
        let git_dir_limits = |dir: &Path| OffLimits { dir: dir.to_path_buf(), what: "git's directory" };
        let hooks = OffLimits { dir: self.hooks_dir()?.path, what: "git's hooks" };
        Ok(vec![hooks, git_dir_limits(&self.git_dir), git_dir_limits(&self.common_dir)])
    }
}

/// Returns the path with links resolved as far as it exists.
pub(super) fn resolve_links(path: &Path) -> PathBuf {
    let mut missing = Vec::new();
    let mut at = path;
    loop {
        if let Ok(found) = at.canonicalize() {
            return missing.into_iter().rev().fold(found, |p: PathBuf, name| p.join(name));
        }
        match (at.parent(), at.file_name()) {
            (Some(parent), Some(name)) => {
                missing.push(name);
                at = parent;
            }
            _ => return path.to_path_buf(),
        }
    }
}
