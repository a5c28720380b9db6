//! `capture-hook install`: installs the git hooks and merge drivers.

use crate::app::{App, CommandOutcome};
use crate::error::Error;
use crate::git::Repo;
use crate::output::json::InstallJson;
use crate::project;
use crate::project::programs;
use crate::setup::hooks::InstallOutcome;
use crate::setup::{hooks, survey, worktree};

/// Arguments of `install`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
An existing hook is kept, and runs before ours.

Examples:
  capture-hook install            in a fresh clone
  CAPTURE_HOOK=0 git commit       one commit without our hooks
  capture-hook uninstall          remove them again")]
pub struct Args {
    /// Also write to a hooks directory outside the repository, and rename the older of two hooks to keep.
    #[arg(long)]
    pub force: bool,
}

/// Runs the command.
pub fn run(app: &App, args: &Args) -> Result<CommandOutcome, Error> {
    let repo = Repo::open(&app.cwd, &app.env)?;
    let done = hooks::install_hooks(&repo, &app.binary_path()?, args.force)?;
    let managers = survey::find_managers(repo.top()?);
    let mut dvc = None;
    // In a sparse checkout, some projects of the repository may not be in the working tree.
    for mut project in app.open_projects()?.into_iter().filter(|project| project::require_checked_out(project).is_ok())
    {
        worktree::share_cache(&mut project, &app.ui)?;
        // The setting is one for the whole clone: after the first project that sets it, it stays as it is.
        dvc = dvc.or(programs::trust_own_venv(&project)?);
    }
    if app.ui.json() {
        app.ui.print_json(&InstallJson {
            dir: &done.dir,
            written: &done.written,
            chained: &done.chained,
            merge_drivers: done.drivers,
            trusted_dvc: dvc,
        });
        return Ok(CommandOutcome::Done);
    }
    for line in describe_changes(&done) {
        app.ui.status(&line);
    }
    if let Some(dvc) = dvc {
        app.ui.status(&format!("set the `dvc` program in .git/config: {}", dvc.display()));
    }
    for manager in managers {
        app.ui.hint(manager.advice());
    }
    Ok(CommandOutcome::Done)
}

/// What was done, a line each.
fn describe_changes(done: &InstallOutcome) -> Vec<String> {
    let mut lines = Vec::new();
    if done.written.is_empty() {
        lines.push(format!("the hooks in {} are in place", done.dir.display()));
    } else {
        lines.push(format!("wrote to {}: {}", done.dir.display(), done.written.join(", ")));
    }
    if !done.chained.is_empty() {
        lines.push(format!("kept the existing hooks, which still run: {}", done.chained.join(", ")));
    }
    if done.drivers {
        lines.push("set up the merge drivers in .git/config".into());
    }
    lines
}
