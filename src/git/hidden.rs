//! What git would not take into a commit, though it lies in the working tree: ignored files, and files whose changes a flag
//! hides.

use std::path::Path;

use git2::{IndexEntryExtendedFlag, IndexEntryFlag};

use crate::git::error::GitError;
use crate::git::repo::Repo;

/// A flag of the index that hides how a file differs from what is staged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HidingFlag {
    /// The file need not be in the working tree (a sparse checkout sets it).
    SkipWorktree,
    /// The file is not looked at.
    AssumeUnchanged,
}

impl HidingFlag {
    /// As `git update-index --no-…` names it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::SkipWorktree => "skip-worktree",
            Self::AssumeUnchanged => "assume-unchanged",
        }
    }
}

impl Repo {
    /// The rule that ignores a file of the working tree, as `git check-ignore -v` names it (`.gitignore:3:*.lock`); `None`
    /// where there is none, or where the file is tracked all the same.
    pub fn why_ignored(&self, path: &str) -> Result<Option<String>, GitError> {
        if self.index_entry(path)?.is_some() {
            return Ok(None);
        }
        self.ignoring_rule(path)
    }

    /// The same, whether the file is tracked or not.
    pub fn ignoring_rule(&self, path: &str) -> Result<Option<String>, GitError> {
        let cmd =
            self.git_cmd(["check-ignore", "-v", "-z", "--stdin", "--no-index"]).stdin(format!("{path}\0").into_bytes());
        let output = cmd.run(self.env())?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let [source, line, pattern, _] = text.splitn(4, '\0').collect::<Vec<_>>()[..] else { return Ok(None) };
        // A rule that excepts the file is told, too.
        let rule = (output.success() && !pattern.starts_with('!')).then(|| format!("{source}:{line}:{pattern}"));
        Ok(rule)
    }

    /// The flag that hides how a tracked file differs; `None` where there is none.
    pub fn hiding_flag(&self, path: &str) -> Result<Option<HidingFlag>, GitError> {
        if let Some(index) = self.lib_index() {
            return Ok(index.get_path(Path::new(path), 0).and_then(|entry| {
                if IndexEntryExtendedFlag::from_bits_truncate(entry.flags_extended).is_skip_worktree() {
                    Some(HidingFlag::SkipWorktree)
                } else {
                    IndexEntryFlag::from_bits_truncate(entry.flags).is_valid().then_some(HidingFlag::AssumeUnchanged)
                }
            }));
        }
        let output = self.query_git(["--literal-pathspecs", "ls-files", "-v", "-z", "--full-name", "--", path])?.stdout;
        Ok(match output.first() {
            Some(b'S' | b's') => Some(HidingFlag::SkipWorktree),
            Some(mark) if mark.is_ascii_lowercase() => Some(HidingFlag::AssumeUnchanged),
            _ => None,
        })
    }
}
