//! Commit messages while git prepares them: the text, the comments, and the place for trailers.
//!
//! Trailers are placed by `git interpret-trailers`, whose rules (an existing block, comments, the scissors line) are
//! git's own. Removing our old trailers, and the check whether a message is still blank, are here. What trailers say
//! is not known here.

use crate::git::error::GitError;
use crate::git::repo::Repo;

/// The scissors line: git drops it and everything below (`wt-status.c`, `cut_line`).
const SCISSORS: &str = "------------------------ >8 ------------------------";

/// A commit message in two parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitMessage {
    /// Everything above the scissors line.
    pub body: Vec<u8>,
    /// The scissors line and what follows.
    pub rest: Vec<u8>,
}

impl CommitMessage {
    /// Splits a message at its scissors line.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Self {
        let mut at = 0;
        for line in bytes.split_inclusive(|b| *b == b'\n') {
            let is_scissors = std::str::from_utf8(line).is_ok_and(|l| {
                let l = l.trim_end();
                // The line begins with the user's comment mark, of a few characters.
                l.ends_with(SCISSORS) && l.len() <= SCISSORS.len() + 8 && !l.starts_with('-')
            });
            if is_scissors {
                break;
            }
            at += line.len();
        }
        let (body, rest) = bytes.split_at(at);
        Self { body: body.to_vec(), rest: rest.to_vec() }
    }

    /// Returns the whole message.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        [self.body.as_slice(), &self.rest].concat()
    }

    /// Drops every line of the body for which `is_dropped` is true. Returns whether there was one.
    pub fn drop_lines(&mut self, is_dropped: impl Fn(&str) -> bool) -> bool {
        let before = self.body.len();
        let lines = self.body.split_inclusive(|b| *b == b'\n');
        self.body = lines
            .filter(|line| !std::str::from_utf8(line).is_ok_and(|l| is_dropped(l.trim_end_matches(['\r', '\n']))))
            .flatten()
            .copied()
            .collect();
        self.body.len() != before
    }

    /// Whether the body holds only blank lines and comments.
    #[must_use]
    pub fn is_blank(&self, comment: &str) -> bool {
        self.body.split(|b| *b == b'\n').all(|line| {
            let line = String::from_utf8_lossy(line);
            line.trim().is_empty() || line.starts_with(comment)
        })
    }
}

/// Adds trailers to a message, at the place where git puts them. In a blank message the first line stays free for the
/// subject.
pub fn add_trailers(repo: &Repo, message: &CommitMessage, trailers: &[String]) -> Result<Vec<u8>, GitError> {
    if message.is_blank(&repo.comment_mark()?) {
        let block: String = trailers.iter().map(|t| format!("{t}\n")).collect();
        return Ok([b"\n\n", block.as_bytes(), &message.body, &message.rest].concat());
    }
    let mut args: Vec<String> = ["interpret-trailers", "--no-divider", "--where", "end", "--if-exists", "add"]
        .into_iter()
        .chain(["--if-missing", "add"])
        .map(Into::into)
        .collect();
    for trailer in trailers {
        args.extend(["--trailer".into(), trailer.clone()]);
    }
    Ok(repo.run_git_with(args, message.to_bytes())?.stdout)
}

impl Repo {
    /// Returns what begins a comment line in this user's messages.
    pub fn comment_mark(&self) -> Result<String, GitError> {
        // `core.commentString` came with git 2.45 and is the same setting; `auto` makes git choose, and `#` is its
        // first choice.
        for key in ["core.commentString", "core.commentChar"] {
            if let Some(mark) = self.config_value(key)?
                && !mark.is_empty()
                && mark != "auto"
            {
                return Ok(mark);
            }
        }
        Ok("#".into())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn scissors_cut_the_message_and_nothing_else_does() {
        let text = b"subject\n# ------------------------ >8 ------------------------\ndiff\n";
        let message = CommitMessage::parse(text);
        assert_eq!((message.body.as_slice(), message.to_bytes().as_slice()), (&b"subject\n"[..], &text[..]));
        assert_eq!(CommitMessage::parse(b"a\n-- >8 --\nb").rest, b"");
    }

    #[test]
    fn only_matching_lines_above_the_scissors_are_dropped() {
        let mut message =
            CommitMessage::parse(b"s\n\nA: 1\nB: 2\n; ------------------------ >8 ------------------------\nA: 1\n");
        assert!(message.drop_lines(|line| line == "A: 1"));
        assert!(!message.drop_lines(|line| line == "A: 1"));
        assert_eq!(message.body, b"s\n\nB: 2\n");
        assert!(message.rest.ends_with(b"A: 1\n"));
    }

    #[test]
    fn comments_and_blank_lines_are_blank() {
        assert!(CommitMessage::parse(b"\n# a\n\n").is_blank("#"));
        assert!(!CommitMessage::parse(b"\n# a\nx\n").is_blank("#"));
    }
}
