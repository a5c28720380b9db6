//! Why git would not commit a file of the working tree: it is ignored, or a flag of the index hides its changes.
//! Nothing is changed here.

use std::path::Path;

use git2::{IndexEntryExtendedFlag, IndexEntryFlag};

use crate::git::error::GitError;
use crate::git::repo::Repo;

/// A flag of the index that hides a file's changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HidingFlag {
    /// The file need not exist in the working tree (set by a sparse checkout).
    SkipWorktree,
    /// Git assumes that the file has not changed.
    AssumeUnchanged,
}

impl HidingFlag {
    /// The name in `git update-index --no-…`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::SkipWorktree => "skip-worktree",
            Self::AssumeUnchanged => "assume-unchanged",
        }
    }
}

impl Repo {
    /// Returns the rule that ignores a file, as `git check-ignore -v` prints it (`.gitignore:3:*.lock`); `None` if
    /// there is none, or the file is tracked.
    pub fn why_ignored(&self, path: &str) -> Result<Option<String>, GitError> {
        if self.index_entry(path)?.is_some() {
            return Ok(None);
        }
        self.ignoring_rule(path)
    }

    /// Returns the rule that matches a file, tracked or not.
    pub fn ignoring_rule(&self, path: &str) -> Result<Option<String>, GitError> {
        let cmd =
            self.git_cmd(["check-ignore", "-v", "-z", "--stdin", "--no-index"]).stdin(format!("{path}\0").into_bytes());
        let output = cmd.run(self.env())?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let [source, line, pattern, _] = text.splitn(4, '\0').collect::<Vec<_>>()[..] else { return Ok(None) };
        // `-v` also prints a negative rule (`!pattern`), which does not ignore the file.
        let rule = (output.success() && !pattern.starts_with('!')).then(|| format!("{source}:{line}:{pattern}"));
        Ok(rule)
    }

    /// Returns the flag that hides a tracked file's changes, if any.
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
        // git-ls-files(1), `-v`: `S` is skip-worktree, a lower-case letter is assume-unchanged.
        let output = self.query_git(["--literal-pathspecs", "ls-files", "-v", "-z", "--full-name", "--", path])?.stdout;
        Ok(match output.first() {
            Some(b'S' | b's') => Some(HidingFlag::SkipWorktree),
            Some(mark) if mark.is_ascii_lowercase() => Some(HidingFlag::AssumeUnchanged),
            _ => None,
        })
    }
}
