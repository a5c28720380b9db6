//! What all errors have in common: an exit code, a stable code and hints.
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
//! - An error is never dropped in silence: where one is ignored on purpose, a comment says why.

use std::fmt;

/// The class of a failure. Its discriminant is the exit code that scripts rely on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ExitKind {
    /// Looked, and it is not in order: an invalid run, a failed verify.
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
    /// An explanation with this exit code, this stable code and no hint yet.
    #[must_use]
    pub fn code(self, code: &'static str) -> Explanation {
        Explanation { exit: self, code, hints: Vec::new() }
    }

    /// The process exit code for this kind.
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
    /// The same with one more hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// The same with these hints, too.
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

/// A failure on its way to the user.
pub struct Error {
    explanation: Explanation,
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl Error {
    /// An error made on the spot, for a fault that belongs to no room.
    pub fn new(exit: ExitKind, code: &'static str, message: impl Into<String>) -> Self {
        Self { explanation: exit.code(code), source: Box::new(MessageError(message.into())) }
    }

    /// The same error with one more hint.
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

    /// What to do next.
    #[must_use]
    pub fn hints(&self) -> &[String] {
        &self.explanation.hints
    }

    /// The messages of the causes, outermost first, without the error's own.
    #[must_use]
    pub fn cause_messages(&self) -> Vec<String> {
        let mut out = Vec::new();
        let mut next = self.source.source();
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
        write!(f, "{} ({:?}, {})", self.source, self.exit_kind(), self.code())
    }
}

impl<E: Explain + Send + Sync + 'static> From<E> for Error {
    fn from(error: E) -> Self {
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
