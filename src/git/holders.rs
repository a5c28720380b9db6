//! Which refs and working trees reach a commit, and whether it was made in this clone.
//!
//! Answered from refs and reflogs, which are local and can have expired: if an answer is uncertain, it is the one that
//! keeps a tag. Nothing is fetched.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::git::error::GitError;
use crate::git::read::Oid;
use crate::git::repo::Repo;
use crate::support::fs;

/// Refs under which git keeps old states for a while; they do not hold a commit.
const OLD_STATES: &[&str] = &["refs/original/", "refs/rewritten/", "refs/bisect/", "refs/stash"];

impl Repo {
    /// Whether a ref, or the HEAD of a working tree, reaches the commit; tags whose names are `ignored` do not count. True
    /// if that is not certain.
    pub fn is_held(&self, commit: &Oid, ignored: fn(&str) -> bool) -> Result<bool, GitError> {
        let contains = format!("--contains={commit}");
        let output = self.query_git(["for-each-ref", &contains, "--format=%(refname)"])?;
        // Not known, for example because the commit is missing here: counts as held.
        if !output.success() {
            return Ok(true);
        }
        let is_holder = |name: &str| {
            let tag = name.strip_prefix("refs/tags/").is_some_and(ignored);
            !tag && !OLD_STATES.iter().any(|old| name.starts_with(old))
        };
        if output.stdout_text().lines().any(is_holder) {
            return Ok(true);
        }
        // A detached HEAD of another working tree is no ref that `for-each-ref` lists.
        let trees = self.query_git(["worktree", "list", "--porcelain"])?;
        let heads = trees.stdout_text();
        for head in heads.lines().filter_map(|line| Oid::parse(line.strip_prefix("HEAD ")?)).filter(|id| !id.is_null())
        {
            if self.has_ancestor(&head, commit)? {
                return Ok(true);
            }
        }
        // Without the list of working trees nothing is certain: the commit counts as held.
        Ok(!trees.success())
    }

    /// Whether a remote's branch once held the commit, by the reflogs of remote-tracking branches: a push without our
    /// hook leaves a trace there, too.
    pub fn was_on_remote(&self, commit: &Oid) -> Result<bool, GitError> {
        let mut positions = BTreeSet::new();
        for log in files_below(&self.common_dir.join("logs/refs/remotes")) {
            let text = fs::read_optional(&log)?.unwrap_or_default();
            let lines = String::from_utf8_lossy(&text).into_owned();
            positions.extend(lines.lines().filter_map(|line| Oid::parse(line.split(' ').nth(1)?)));
        }
        positions.retain(|id| !id.is_null());
        if positions.is_empty() {
            return Ok(false);
        }
        // One `rev-list` for all positions: no output means that one of them reaches the commit.
        let lines: String = positions.iter().map(|id| format!("^{id}\n")).collect();
        let args = ["rev-list", "--max-count=1", "--ignore-missing", "--stdin"];
        let beyond = self.run_git_with(args, format!("{commit}\n{lines}").into_bytes())?;
        Ok(beyond.stdout_text().is_empty())
    }

    /// Whether the commit was made in this clone, by the reflogs of its working trees' HEADs; false if they do not say so.
    #[must_use]
    pub fn was_committed_here(&self, commit: &Oid) -> bool {
        let is_made_here = |line: &str| {
            let (facts, how) = line.split_once('\t').unwrap_or((line, ""));
            facts.split(' ').nth(1) == Some(commit.as_str()) && makes_a_commit(how)
        };
        let logs = self.head_logs().into_iter().filter_map(|log| fs::read_optional(&log).ok().flatten());
        let mut logs = logs.peekable();
        if logs.peek().is_some() {
            return logs.any(|log| String::from_utf8_lossy(&log).lines().any(is_made_here));
        }
        // Without log files, as with reftable, git is asked; a failure leaves no lines, and the answer false.
        let reflog = self
            .query_git(["reflog", "--format=%H %gs", "HEAD"])
            .map(|output| output.stdout_text())
            .unwrap_or_default();
        let mut lines = reflog.lines().filter_map(|line| line.split_once(' '));
        lines.any(|(id, how)| id == commit.as_str() && makes_a_commit(how))
    }

    fn head_logs(&self) -> Vec<PathBuf> {
        let linked = std::fs::read_dir(self.common_dir.join("worktrees")).into_iter().flatten().flatten();
        let dirs = [self.git_dir.clone(), self.common_dir.clone()].into_iter().chain(linked.map(|entry| entry.path()));
        dirs.map(|dir| dir.join("logs/HEAD")).collect()
    }

    /// Whether a tag was made in this clone, by its own reflog; most tags have none.
    #[must_use]
    pub fn was_tagged_here(&self, tag: &str) -> bool {
        // The file is read, because `git reflog` does not show an annotated tag's log.
        let log = fs::read_optional(&self.common_dir.join("logs/refs/tags").join(tag)).ok().flatten();
        let log = log.unwrap_or_default();
        String::from_utf8_lossy(&log).lines().last().is_some_and(|line| line.contains("\ttag: tagging "))
    }
}

/// Returns the files below a directory of git's. Links are skipped.
fn files_below(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut todo = vec![dir.to_path_buf()];
    while let Some(dir) = todo.pop() {
        for entry in std::fs::read_dir(&dir).into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => todo.push(entry.path()),
                Ok(kind) if kind.is_file() => files.push(entry.path()),
                _ => {}
            }
        }
    }
    files
}

/// Whether a reflog message is about making a commit, not about moving to one.
fn makes_a_commit(how: &str) -> bool {
    let by = ["commit", "cherry-pick", "revert", "am"].iter().any(|by| how.starts_with(by));
    let picked = ["(pick)", "(reword)", "(edit)", "(squash)", "(fixup)", "(continue)", "(merge)", "Merge made by"];
    (by || picked.iter().any(|mark| how.contains(mark))) && !how.starts_with("checkout")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// T1: The reflog tells commits that were made here from those that were checked out or fetched.
    #[test]
    fn a_reflog_shows_which_moves_made_a_commit() {
        for how in [
            "commit: x",
            "commit (amend): x",
            "commit (initial): x",
            "rebase (pick): x",
            "rebase -i (fixup): x",
            "merge b: Merge made by the 'ort' strategy.",
            "pull --rebase (pick): x",
            "cherry-pick: x",
        ] {
            assert!(makes_a_commit(how), "{how}");
        }
        for how in [
            "checkout: moving from main to (pick)",
            "clone: from /x",
            "reset: moving to HEAD~1",
            "pull: Fast-forward",
            "merge origin/main: Fast-forward",
            "rebase (start): checkout main",
            "",
        ] {
            assert!(!makes_a_commit(how), "{how}");
        }
    }
}
