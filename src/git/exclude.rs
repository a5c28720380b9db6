//! Whether git ignores a path, and ignoring a path in this clone alone (`info/exclude`). No tracked `.gitignore`
//! is written here.

use std::path::{Component, Path};

use crate::git::error::GitError;
use crate::git::repo::Repo;
use crate::support::fs;

impl Repo {
    /// Whether git ignores a path, relative to the top of the working tree. `None` if git does not know: the path is
    /// behind a link or in another repository.
    pub fn is_ignored(&self, path: &str) -> Result<Option<bool>, GitError> {
        // Git is asked, because a rule can be in many files. `--no-index`: the rules count, tracked or not.
        let output = self.query_git(["check-ignore", "-q", "--no-index", "--", path])?;
        Ok(match output.exit {
            // Some(true), => Exit codes of git-check-ignore(1): 0 ignored, 1 not, 128 fatal.
            Some(0) => Some(true),
            Some(1) => Some(false),
            _ => None,
        })
    }

    /// Makes git ignore an existing directory or file (absolute) in this clone alone, unless it is ignored already or
    /// git tracks it, or a file in it. Returns the path relative to the top, with `/` at the end of a directory, if a
    /// rule was written.
    pub fn exclude_path(&self, path: &Path) -> Result<Option<String>, GitError> {
        let Some(inner) = self.path_in_work_tree(path) else { return Ok(None) };
        let slash = if path.is_dir() { "/" } else { "" };
        // A rule has no effect on files that git tracks already.
        if self.index_holds_below(&inner)?
            || self.index_entry(&inner)?.is_some()
            || self.is_ignored(&inner)? != Some(false)
        {
            return Ok(None);
        }
        let file = self.common_dir().join("info/exclude");
        let mut bytes = fs::read_optional(&file)?.unwrap_or_default();
        if bytes.last().is_some_and(|last| *last != b'\n') {
            bytes.push(b'\n');
        }
        bytes.extend_from_slice(format!("/{}{slash}\n", escape_pattern(&inner)).as_bytes());
        fs::create_dir_all(&self.common_dir().join("info"))?;
        fs::write_atomic(&file, &bytes)?;
        Ok(Some(inner + slash))
    }

    /// Returns a directory's path below the top of the working tree, links resolved; `None` if it is elsewhere, or its
    /// name cannot be written in a rule.
    fn path_in_work_tree(&self, dir: &Path) -> Option<String> {
        let (dir, top) = (dir.canonicalize().ok()?, self.work_tree.as_deref()?.canonicalize().ok()?);
        let inner = dir.strip_prefix(&top).ok()?;
        let is_git_dir = |part: Component<'_>| part.as_os_str().eq_ignore_ascii_case(".git");
        let inner = inner.to_str().filter(|_| !inner.components().any(is_git_dir))?;
        (!inner.is_empty() && !inner.contains(['\n', '\r'])).then(|| inner.to_owned())
    }
}

/// Escapes a path for a rule that matches it alone.
fn escape_pattern(path: &str) -> String {
    let mut out = String::new();
    for c in path.chars() {
        if matches!(c, '\\' | '*' | '?' | '[' | ' ') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// H5: A directory's name becomes a rule that ignores this directory alone.
    #[test]
    fn what_means_something_in_a_rule_is_escaped() {
        assert_eq!(escape_pattern("old/r1"), "old/r1");
        assert_eq!(escape_pattern("a[1]*? \\"), "a\\[1]\\*\\?\\ \\\\");
    }
}
