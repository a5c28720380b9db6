//! The base of all errors: an exit code, a stable code and hints. It holds no room's messages.
//!
//! - A room has one `thiserror` enum with [`Explain`]; a second one only if callers decide by which of them it is (if `dvc`
//!   cannot fetch a list of files, a checkout leaves the workspace alone; if its program fails, the command does).
//! - A variant's exit code, code and hints stand in one arm. One that wraps another error passes on that one's explanation.
//! - A command returns [`Error`], into which `?` turns any of them. One printer (in `output`) shows it: `error:` the message,
//!   `caused by:` its sources, `hint:` what to do next.
//! - Scripts rely on the exit code ([`ExitKind`]) and on the code: neither changes without a note in the changelog.
//! - A message is lower case without a full stop: `cannot VERB OBJECT`, or a plain statement about a named thing. What a
//!   repository can choose is escaped in it.
//! - A hint is one sentence, with the command to type in backticks; the most likely fix comes first.
//! - Bad data is no error: `validate`, `verify` and `check` report it as a finding, and the command ends with exit code 1.
//! - An error is never dropped without a trace: if one is ignored on purpose, a comment says why.

use std::fmt;

/// The class of a failure. Its discriminant is the exit code that scripts rely on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ExitKind {
    /// The check itself worked and found problems: an invalid run, a failed verify.
    CheckFailed = 1,
    /// The command line is wrong.
    Usage = 2,
    /// Not set up: no git repository, DVC project, stage, `dvc` program, or no such run.
    Setup = 3,
    /// A program that was called failed.
    Program = 4,
    /// Input or output failed.
    Io = 5,
}

impl ExitKind {
    /// Returns an explanation with this exit code, this stable code and no hint yet.
    #[must_use]
    pub fn code(self, code: &'static str) -> Explanation {
        Explanation { exit: self, code, hints: Vec::new() }
    }

    /// Returns the exit code of the process, 1 to 5.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        self as u8
    }
}

/// What an error says beyond its message: `Setup.code("merge_conflict").hint("resolve it, then `git add dvc.yaml`")`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The class of the failure.
    pub exit: ExitKind,
    /// A stable machine-readable name, `snake_case`.
    pub code: &'static str,
    /// What to do next, one sentence each, with a command to type if there is one.
    pub hints: Vec<String>,
}

impl Explanation {
    /// Adds a hint after the others.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Adds hints after the others.
    #[must_use]
    pub fn hints(mut self, hints: impl IntoIterator<Item = String>) -> Self {
        self.hints.extend(hints);
        self
    }
}

/// An error that a user can be shown.
pub trait Explain: std::error::Error {
    /// The exit code, the stable code and the hints.
    fn explain(&self) -> Explanation;
}

/// A failure that a command returns, with all that the user sees of it.
pub struct Error {
    explanation: Explanation,
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl Error {
    /// Makes an error from a message, for a failure that no room's enum covers.
    pub fn new(exit: ExitKind, code: &'static str, message: impl Into<String>) -> Self {
        Self { explanation: exit.code(code), source: Box::new(MessageError(message.into())) }
    }

    /// Adds a hint after the others.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.explanation.hints.push(hint.into());
        self
    }

    /// The class of the failure.
    #[must_use]
    pub fn exit_kind(&self) -> ExitKind {
        self.explanation.exit
    }

    /// The stable name of the failure.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.explanation.code
    }

    /// What to do next, the most likely fix first.
    #[must_use]
    pub fn hints(&self) -> &[String] {
        &self.explanation.hints
    }

    /// Returns the messages of the causes, outermost first, without the error's own message.
    #[must_use]
    pub fn cause_messages(&self) -> Vec<String> {
        let mut out = Vec::new();
        let mut next = self.source.source();
        // The outermost message is the error's own; only its sources are collected.
        while let Some(error) = next {
            out.push(error.to_string());
            next = error.source();
        }
        out
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // For `unwrap` and `assert!`: the message, the kind and the code.
        write!(f, "{} ({:?}, {})", self.source, self.exit_kind(), self.code())
    }
}

impl<E: Explain + Send + Sync + 'static> From<E> for Error {
    fn from(error: E) -> Self {
        // Explained at once, because the concrete type is lost here.
        Self { explanation: error.explain(), source: Box::new(error) }
    }
}

#[derive(Debug)]
struct MessageError(String);

impl fmt::Display for MessageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for MessageError {}
