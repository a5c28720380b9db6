//! `capture-hook uninstall`: removes the hooks and restores earlier ones.

use crate::app::{App, CommandOutcome};
use crate::error::Error;
use crate::git::Repo;
use crate::output::json::UninstallJson;
use crate::setup::hooks;

/// Arguments of `uninstall`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Data, tags, settings and tracked files stay; hooks that existed before ours are restored.

Example:
  capture-hook uninstall")]
pub struct Args {}

/// Runs the command.
pub fn run(app: &App, _args: &Args) -> Result<CommandOutcome, Error> {
    let repo = Repo::open(&app.cwd, &app.env)?;
    let done = hooks::uninstall_hooks(&repo, &app.binary_path()?)?;
    if app.ui.json() {
        app.ui.print_json(&UninstallJson {
            removed: &done.removed,
            restored: &done.restored,
            merge_drivers: done.drivers,
        });
        return Ok(CommandOutcome::Done);
    }
    match done.removed.as_slice() {
        [] => app.ui.status("no hooks of capture-hook are installed here"),
        removed => app.ui.status(&format!("removed: {}", removed.join(", "))),
    }
    if !done.restored.is_empty() {
        app.ui.status(&format!("restored: {}", done.restored.join(", ")));
    }
    if done.drivers {
        app.ui.status("removed the merge drivers from .git/config");
    }
    Ok(CommandOutcome::Done)
}
