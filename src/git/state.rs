//! Which operation git is in the middle of: a merge, a rebase, a cherry-pick, a bisection.
//!
//! Git's marks are read in the working tree's own git directory, as `git rev-parse --git-path` finds them, so that a
//! linked working tree does not see another one's rebase. The formats are git's private ones; a file that cannot be
//! read counts as "no operation".

use crate::git::read::Oid;
use crate::git::repo::Repo;
use crate::support::env::Env;
use crate::support::fs;

/// A git operation in progress.
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
    /// Returns the operation in progress. During a rebase it is the rebase, whatever its current step does.
    #[must_use]
    pub fn current_operation(&self) -> Option<GitOperation> {
        let marks = [
            // The order matters: a rebase also leaves CHERRY_PICK_HEAD and the like.
            ("rebase-merge", GitOperation::Rebase),
            ("rebase-apply", GitOperation::Rebase),
            ("MERGE_HEAD", GitOperation::Merge),
            ("CHERRY_PICK_HEAD", GitOperation::CherryPick),
            ("REVERT_HEAD", GitOperation::Revert),
            ("BISECT_LOG", GitOperation::Bisect),
        ];
        marks.iter().find(|(name, _)| self.git_dir.join(name).exists()).map(|(_, operation)| *operation)
    }

    /// Whether a rebase (or `git am`) is in progress.
    #[must_use]
    pub fn is_rebasing(&self) -> bool {
        self.current_operation() == Some(GitOperation::Rebase)
    }

    /// Whether the current step of a rebase adds its change to the commit before (`fixup`, `squash`).
    #[must_use]
    pub fn is_squashing(&self) -> bool {
        let step = self.rebase_step().unwrap_or_default();
        matches!(step.split_ascii_whitespace().next(), Some("fixup" | "f" | "squash" | "s"))
    }

    /// Returns the merge commit that the current step of `git rebase --rebase-merges` makes again.
    #[must_use]
    pub fn remade_merge(&self) -> Option<Oid> {
        let step = self.rebase_step()?;
        let mut words = step.split_ascii_whitespace();
        let (command, option, original) = (words.next()?, words.next()?, words.next()?);
        // Only `-C` and `-c` are followed by the original merge.
        let is_remade_merge = matches!(command, "merge" | "m") && matches!(option, "-C" | "-c");
        if is_remade_merge { self.find_commit_id(original).ok().flatten() } else { None }
    }

    /// Returns the current step of the rebase, a line of its todo list.
    fn rebase_step(&self) -> Option<String> {
        let steps_done = fs::read_optional(&self.git_dir.join("rebase-merge/done")).ok().flatten()?;
        let steps_done = String::from_utf8_lossy(&steps_done);
        steps_done.lines().rfind(|line| !line.trim().is_empty() && !line.starts_with('#')).map(str::to_owned)
    }

    /// Returns the merge strategy options (`-X`) of the rebase in progress.
    #[must_use]
    pub fn rebase_options(&self) -> Vec<String> {
        let options = fs::read_optional(&self.git_dir.join("rebase-merge/strategy_opts")).ok().flatten();
        let options = String::from_utf8_lossy(&options.unwrap_or_default()).into_owned();
        // Each option is quoted; older versions of git also wrote its dashes.
        let unquote = |word: &str| word.trim_matches(['"', '\'', '-']).to_owned();
        options.split_ascii_whitespace().map(unquote).collect()
    }
}

/// Returns the branches that the calling `git merge` merges, from `GITHEAD_<id>` in the environment: each commit's id,
/// and the user's name for it. Programs that the merge starts inherit the variables, for example `git stash apply`.
pub fn merged_branches(env: &Env) -> impl Iterator<Item = (&str, &str)> {
    env.iter().filter_map(|(name, value)| Some((name.to_str()?.strip_prefix("GITHEAD_")?, value.to_str()?)))
}
