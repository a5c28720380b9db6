//! What git is in the middle of: a merge, a rebase, a pick, a bisection.
//!
//! The marks are looked up where `git rev-parse --git-path` would find them: in the working tree's own git directory,
//! so that a linked worktree does not see its neighbour's rebase.

use crate::git::read::Oid;
use crate::git::repo::Repo;
use crate::support::env::Env;
use crate::support::fs;

/// An operation of git that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GitOperation {
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
    pub fn current_operation(&self) -> Option<GitOperation> {
        let marks = [
            ("rebase-merge", GitOperation::Rebase),
            ("rebase-apply", GitOperation::Rebase),
            ("MERGE_HEAD", GitOperation::Merge),
            ("CHERRY_PICK_HEAD", GitOperation::CherryPick),
            ("REVERT_HEAD", GitOperation::Revert),
            ("BISECT_LOG", GitOperation::Bisect),
        ];
        marks.iter().find(|(name, _)| self.git_dir.join(name).exists()).map(|(_, operation)| *operation)
    }

    /// Whether a rebase (or `git am`) is under way.
    #[must_use]
    pub fn is_rebasing(&self) -> bool {
        self.current_operation() == Some(GitOperation::Rebase)
    }

    /// Whether the rebase under way is about to put a change into the commit before (`fixup`, `squash`).
    #[must_use]
    pub fn is_squashing(&self) -> bool {
        let step = self.rebase_step().unwrap_or_default();
        matches!(step.split_ascii_whitespace().next(), Some("fixup" | "f" | "squash" | "s"))
    }

    /// The merge commit that the rebase under way (`--rebase-merges`) is making again.
    #[must_use]
    pub fn remade_merge(&self) -> Option<Oid> {
        let step = self.rebase_step()?;
        let mut words = step.split_ascii_whitespace();
        let (command, option, original) = (words.next()?, words.next()?, words.next()?);
        let is_remade_merge = matches!(command, "merge" | "m") && matches!(option, "-C" | "-c");
        if is_remade_merge { self.find_commit_id(original).ok().flatten() } else { None }
    }

    /// The line of its plan that the rebase under way is at.
    fn rebase_step(&self) -> Option<String> {
        let steps_done = fs::read_optional(&self.git_dir.join("rebase-merge/done")).ok().flatten()?;
        let steps_done = String::from_utf8_lossy(&steps_done);
        steps_done.lines().rfind(|line| !line.trim().is_empty() && !line.starts_with('#')).map(str::to_owned)
    }

    /// The options of the merge strategy (`-X`) with which the rebase under way was begun.
    #[must_use]
    pub fn rebase_options(&self) -> Vec<String> {
        let options = fs::read_optional(&self.git_dir.join("rebase-merge/strategy_opts")).ok().flatten();
        let options = String::from_utf8_lossy(&options.unwrap_or_default()).into_owned();
        // Each is quoted, and has its dashes where an older git wrote it.
        let unquote = |word: &str| word.trim_matches(['"', '\'', '-']).to_owned();
        options.split_ascii_whitespace().map(unquote).collect()
    }

    /// Whether several picks or reverts are being worked off.
    #[must_use]
    pub fn is_sequencing(&self) -> bool {
        self.git_dir.join("sequencer").exists()
    }
}

/// The branches that the `git merge` which called us merges, as it says in the environment: each commit's id, and what the
/// user called it. Whatever that merge starts finds them there too, `git stash apply` for one.
pub fn merged_branches(env: &Env) -> impl Iterator<Item = (&str, &str)> {
    env.iter().filter_map(|(name, value)| Some((name.to_str()?.strip_prefix("GITHEAD_")?, value.to_str()?)))
}
