//! `capture-hook manifest`: writes a missing `manifest.json` into a run.

use serde_json::json;

use crate::app::{App, Outcome};
use crate::error::Error;
use crate::manifest;
use crate::project::dir::Workspace;
use crate::run::layout::MANIFEST;
use crate::support::process::quoted;

/// Arguments of `manifest`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The manifest says what the run is, what validation found, and the size and SHA-256 of every file. One that is there is
never rewritten; `ingest` adds one to the dataset where the run has none.

Examples:
  capture-hook manifest demo/r1
  capture-hook manifest results/demo/r1
  capture-hook manifest latest")]
pub struct Args {
    /// The run: a path, <experiment>/<run_id>, a run id, a unique prefix of one, latest or latest:<experiment>.
    #[arg(value_name = "RUN", add = super::complete::runs())]
    pub run: String,
}

/// Runs the command.
pub fn run(app: &App, args: &Args) -> Result<Outcome, Error> {
    let place = Workspace::find(&app.cwd)?;
    let dir = place.run(&app.cwd, &args.run)?;
    let shown = place.shown(&dir);
    let bar = app.ui.progress("reading", Some(Workspace::bytes(&dir)));
    let report = manifest::write(&dir, &shown, &place.validation()?, &bar)?;
    drop(bar);
    let written = format!("{shown}/{MANIFEST}");
    if app.ui.json() {
        app.ui.data_json(&json!({"manifest": written, "ok": report.ok}));
    } else {
        app.ui.value(&written);
    }
    if !report.ok {
        app.ui.warn(&format!("{shown} is not valid, and the manifest says so"));
        app.ui.hint(&format!("`capture-hook validate {}` says what is wrong", quoted(&shown)));
    }
    Ok(Outcome::Done)
}
