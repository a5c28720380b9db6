//! What a command is handed: where it was called, the environment, and the way to the user.

use std::path::PathBuf;

use crate::error::{Error, ExitKind};
use crate::output::Ui;
use crate::project::{Project, Reporter};
use crate::support::env::Env;
use crate::support::progress::Progress;

/// What a command did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandOutcome {
    /// Done: exit code 0.
    Done,
    /// The check failed: exit code 1. The command has said what.
    CheckFailed,
}

/// What a command is handed.
pub struct App {
    /// The directory to work in (`-C`, else the process's), absolute.
    pub cwd: PathBuf,
    /// The environment.
    pub env: Env,
    /// The way to the user.
    pub ui: Ui,
    /// The command line's definition, for manual pages and completions.
    pub command: fn() -> clap::Command,
}

impl App {
    /// Where this program lies, for the hooks to find.
    pub fn binary_path(&self) -> Result<PathBuf, Error> {
        crate::support::process::own_program_path(&self.env)
            .ok_or_else(|| Error::new(ExitKind::Io, "io", "cannot tell where this program lies"))
    }

    /// Every project of the repository, for a hook.
    pub fn open_projects(&self) -> Result<Vec<Project>, Error> {
        Ok(Project::open_all(&self.cwd, &self.env)?)
    }

    /// The project that the working directory stands in.
    pub fn open_project(&self) -> Result<Project, Error> {
        Ok(Project::open(&self.cwd, &self.env)?)
    }
}

impl Reporter for Ui {
    fn show_status(&self, line: &str) {
        Ui::status(self, line);
    }

    fn show_warning(&self, line: &str) {
        Ui::warn(self, line);
    }

    fn show_hint(&self, line: &str) {
        Ui::hint(self, line);
    }

    fn relay_line(&self, line: &str) {
        Ui::relay(self, line);
    }

    fn start_progress(&self, what: &str, total: Option<u64>) -> Box<dyn Progress> {
        Box::new(Ui::progress(self, what, total))
    }
}
