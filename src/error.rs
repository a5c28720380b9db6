//! What every room's errors have in common: a kind (the exit code), a stable code, and hints.
//!
//! Each room has its own `thiserror` enum and implements [`Explain`] for it; a command returns [`Error`], which any of
//! them turns into by `?`. One printer (in `output`) shows it: `error:`, `caused by:`, `hint:`.

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
    /// The process exit code for this kind.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        self as u8
    }
}

/// What a room's error can say beyond its message.
pub trait Explain: std::error::Error {
    /// The class of the failure.
    fn kind(&self) -> ExitKind;
    /// A stable machine-readable name, `snake_case`.
    fn code(&self) -> &'static str;
    /// What to do next, one sentence each, with a command to type where there is one.
    fn hints(&self) -> Vec<String> {
        Vec::new()
    }
}

/// A failure on its way to the user.
pub struct Error {
    kind: ExitKind,
    code: &'static str,
    hints: Vec<String>,
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl Error {
    /// An error made on the spot, for a fault that belongs to no room.
    pub fn new(kind: ExitKind, code: &'static str, message: impl Into<String>) -> Self {
        Self { kind, code, hints: Vec::new(), source: Box::new(Message(message.into())) }
    }

    /// The same error with one more hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// The class of the failure.
    #[must_use]
    pub fn kind(&self) -> ExitKind {
        self.kind
    }

    /// The stable name of the failure.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// What to do next.
    #[must_use]
    pub fn hints(&self) -> &[String] {
        &self.hints
    }

    /// The messages of the causes, outermost first, without the error's own.
    #[must_use]
    pub fn causes(&self) -> Vec<String> {
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
        write!(f, "{} ({:?}, {})", self.source, self.kind, self.code)
    }
}

impl<E: Explain + Send + Sync + 'static> From<E> for Error {
    fn from(error: E) -> Self {
        Self { kind: error.kind(), code: error.code(), hints: error.hints(), source: Box::new(error) }
    }
}

#[derive(Debug)]
struct Message(String);

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Message {}
