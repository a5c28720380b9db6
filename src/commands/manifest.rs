//! `capture-hook manifest`: writes a missing `manifest.json` into a run.

use crate::app::{App, CommandOutcome};
use crate::error::Error;
use crate::manifest;
use crate::output::json::ManifestJson;
use crate::project::dir::ProjectDir;
use crate::run::layout::MANIFEST;
use crate::support::process::shell_quote;

/// Arguments of `manifest`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The manifest describes the run, what validation found, and the size and SHA-256 of every file. An existing one is never
rewritten; `ingest` adds one in the dataset if the run has none.

Examples:
  capture-hook manifest demo/r1
  capture-hook manifest results/demo/r1
  capture-hook manifest latest")]
pub struct Args {
    /// The run.
    #[arg(value_name = "RUN", add = super::complete::run_candidates())]
    pub run: String,
}

/// Runs the command.
pub fn run(app: &App, args: &Args) -> Result<CommandOutcome, Error> {
    let project_dir = ProjectDir::find(&app.cwd)?;
    let dir = project_dir.resolve_run(&app.cwd, &args.run)?;
    let shown = project_dir.relative_display(&dir);
    let bar = app.ui.progress("reading", Some(ProjectDir::dir_size(&dir)));
    let report = manifest::write_manifest(&dir, &shown, &project_dir.validate_options()?, &bar)?;
    drop(bar);
    let written = format!("{shown}/{MANIFEST}");
    if app.ui.json() {
        app.ui.print_json(&ManifestJson { manifest: &written, ok: report.ok });
    } else {
        app.ui.print_value(&written);
    }
    // The manifest was asked for and is written, so that an invalid run is a warning and no failure.
    if !report.ok {
        app.ui.warn(&format!("{shown} is not valid; the manifest says so"));
        app.ui.hint(&format!("see what is wrong: `capture-hook validate {}`", shell_quote(&shown)));
    }
    Ok(CommandOutcome::Done)
}
