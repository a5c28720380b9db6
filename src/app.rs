//! What a command is handed: where it was called, the environment, and the way to the user.

use std::path::PathBuf;

use crate::output::Ui;
use crate::support::env::Env;

/// What a command did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Done: exit code 0.
    Done,
    /// Looked, and found wanting: exit code 1. The command has said what.
    Wanting,
}

/// What a command is handed.
pub struct App {
    /// The directory to work in (`-C`, else the process's), absolute.
    pub cwd: PathBuf,
    /// The environment.
    pub env: Env,
    /// The way to the user.
    pub ui: Ui,
}
