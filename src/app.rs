//! What a command gets: the directory it was called in, the environment, and the output to the user.

use std::path::{Path, PathBuf};

use crate::error::{Error, ExitKind};
use crate::output::Ui;
use crate::project::{Project, Reporter};
use crate::support::env::Env;
use crate::support::progress::Progress;

/// The result of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandOutcome {
    /// Done: exit code 0.
    Done,
    /// The check failed: exit code 1. The command has printed what it found.
    CheckFailed,
}

/// The context of a command.
pub struct App {
    /// The directory to work in (`-C`, else the process's), absolute.
    pub cwd: PathBuf,
    /// The environment.
    pub env: Env,
    /// The output to the user.
    pub ui: Ui,
    /// The command line's definition, for manual pages and completions.
    pub command: fn() -> clap::Command,
}

impl App {
    /// Returns the path of this program for the hooks; see `own_program_path`.
    pub fn binary_path(&self) -> Result<PathBuf, Error> {
        crate::support::process::own_program_path(&self.env)
            .ok_or_else(|| Error::new(ExitKind::Io, "io", "cannot find the path of this program"))
    }

    /// Makes git ignore what a command made in the working tree, and says so. A failure is a warning: what was made is
    /// complete. `shown_as` names it.
    pub fn exclude_from_git(&self, project: &Project, made: &Path, shown_as: &Path) {
        match project.repo.exclude_path(made) {
            Ok(None) => {}
            Ok(Some(path)) => self.ui.status(&format!("git now ignores {path} in this clone (info/exclude)")),
            Err(error) => {
                self.ui.warn(&format!("cannot make git ignore {}: {error}", shown_as.display()));
                self.ui.hint("do not use `git add -A`: it would add this to the next commit");
            }
        }
    }

    /// Opens all projects of the repository, for a hook.
    pub fn open_projects(&self) -> Result<Vec<Project>, Error> {
        Ok(Project::open_all(&self.cwd, &self.env)?)
    }

    /// Opens the project that contains the working directory.
    pub fn open_project(&self) -> Result<Project, Error> {
        Ok(Project::open(&self.cwd, &self.env)?)
    }
}

impl Reporter for Ui {
    // The rooms below know only this trait, so that they work without a terminal.
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

    fn start_counting(&self, what: &str, count: u64, one: &'static str) -> Box<dyn Progress> {
        Box::new(Ui::progress_of_items(self, what, count, one))
    }
}
