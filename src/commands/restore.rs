//! `capture-hook restore`: puts removed runs back into the dataset, by one commit.

use std::collections::BTreeMap;

use super::remove::report_change;
use crate::app::{App, CommandOutcome};
use crate::commit::remove::{RunChange, change_runs, files_to_restore, find_clean_dataset};
use crate::error::Error;
use crate::history::catalog;
use crate::history::committed::find_committed_run;
use crate::history::erased;

/// Arguments of `restore`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Makes one commit whose data version holds these runs as the newest commit that introduced each of them does, or as REV does. The
files come from DVC's cache, or are fetched from the remote.

Examples:
  capture-hook restore demo/r1
  capture-hook restore demo/r1 --rev v1.0")]
pub struct Args {
    /// Runs that an earlier data version holds.
    #[arg(value_name = "RUN", required = true, add = super::complete::run_candidates())]
    pub runs: Vec<String>,
    /// The revision whose files the runs get.
    #[arg(long, value_name = "REV")]
    pub rev: Option<String>,
    /// The commit message.
    #[arg(short, long, value_name = "MSG")]
    pub message: Option<String>,
}

/// Runs the command.
pub fn run(app: &App, args: &Args) -> Result<CommandOutcome, Error> {
    let mut project = app.open_project()?;
    find_clean_dataset(&project)?;
    let catalog = catalog::load_catalog(&project)?;
    let mut found = BTreeMap::new();
    for query in &args.runs {
        let run = find_committed_run(&project, &catalog, &app.cwd, query, args.rev.as_deref())?;
        let files = files_to_restore(&project, &run)?;
        if let Some(found) = erased::find_record(&project, &run.key, &files)? {
            return Err(erased::erased_error(&found).into());
        }
        found.insert(run.key, files);
    }
    let (runs, files): (Vec<_>, Vec<_>) = found.into_iter().unzip();
    let change =
        RunChange { runs: &runs, files: files.concat(), reason: None, message: args.message.as_deref(), records: &[] };
    let outcome = change_runs(&mut project, change, &app.ui)?;
    report_change(app, &project, "restored", &runs, &outcome.record.version.to_string())?;
    Ok(CommandOutcome::Done)
}
