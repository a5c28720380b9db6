//! What git is in the middle of: a merge, a rebase, a pick, a bisection.
//!
//! The marks are looked up where `git rev-parse --git-path` would find them: in the working tree's own git directory,
//! so that a linked worktree does not see its neighbour's rebase.

use super::repo::Repo;

/// An operation of git that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// `git rebase`, `git am`.
    Rebase,
    /// `git merge` that stopped.
    Merge,
    /// `git cherry-pick`.
    CherryPick,
    /// `git revert`.
    Revert,
    /// `git bisect`.
    Bisect,
}

impl Repo {
    /// The operation under way; a rebase hides what it is made of.
    #[must_use]
    pub fn operation(&self) -> Option<Operation> {
        let marks = [
            ("rebase-merge", Operation::Rebase),
            ("rebase-apply", Operation::Rebase),
            ("MERGE_HEAD", Operation::Merge),
            ("CHERRY_PICK_HEAD", Operation::CherryPick),
            ("REVERT_HEAD", Operation::Revert),
            ("BISECT_LOG", Operation::Bisect),
        ];
        marks.iter().find(|(name, _)| self.git_dir.join(name).exists()).map(|(_, operation)| *operation)
    }

    /// Whether a rebase (or `git am`) is under way.
    #[must_use]
    pub fn rebasing(&self) -> bool {
        self.operation() == Some(Operation::Rebase)
    }

    /// Whether the rebase under way is about to put a change into the commit before (`fixup`, `squash`).
    #[must_use]
    pub fn squashing(&self) -> bool {
        let done = crate::support::fs::read_optional(&self.git_dir.join("rebase-merge/done")).ok().flatten();
        let done = String::from_utf8_lossy(&done.unwrap_or_default()).into_owned();
        let step = done.lines().rfind(|line| !line.trim().is_empty() && !line.starts_with('#')).unwrap_or_default();
        matches!(step.split_ascii_whitespace().next(), Some("fixup" | "f" | "squash" | "s"))
    }

    /// Whether several picks or reverts are being worked off.
    #[must_use]
    pub fn sequencing(&self) -> bool {
        self.git_dir.join("sequencer").exists()
    }
}
