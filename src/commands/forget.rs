//! `capture-hook forget`: drops the local copies of runs.

use std::collections::BTreeSet;

use crate::app::{App, CommandOutcome};
use crate::error::Error;
use crate::history::catalog;
use crate::output::json::{ForgetJson, ForgottenRunJson};
use crate::run::RunKey;
use crate::support::process::shell_quote;
use crate::support::text::{format_bytes, format_plural};
use crate::sync::forget::forget_runs;

/// Arguments of `forget`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Removes the runs' folders from the workspace and their objects from DVC's cache, of every data version: this clone is then as one
that never pulled them. No commit, no tag and nothing on the remote changes, results/ stays as it is, and hooks do not fetch the runs
again unasked. `capture-hook pull RUN` brings a run back.

Each file is looked up on the remote first. A run is kept if one is missing there, if the remote cannot be asked, or if its folder has
local changes. Objects that another run or another output of DVC uses stay.

Examples:
  capture-hook forget demo/r1 demo/r2
  capture-hook pull demo/r1                  fetch it again")]
pub struct Args {
    /// Committed runs.
    #[arg(value_name = "RUN", required = true, add = super::complete::run_candidates())]
    pub runs: Vec<String>,
}

/// Runs the command.
pub fn run(app: &App, args: &Args) -> Result<CommandOutcome, Error> {
    let project = app.open_project()?;
    let catalog = catalog::load_catalog(&project)?;
    let mut runs: BTreeSet<RunKey> = BTreeSet::new();
    for query in &args.runs {
        runs.insert(catalog::resolve_query(&project, &catalog, &app.cwd, query)?.key);
    }
    let outcome = forget_runs(&project, &catalog.history, &runs, &app.ui)?;
    if app.ui.json() {
        let forgotten = outcome.runs.iter().map(|run| ForgottenRunJson {
            run: run.run.to_string(),
            folders: run.folders,
            objects: run.objects,
            bytes: run.bytes,
            kept_objects: run.kept,
        });
        app.ui.print_json(&ForgetJson { runs: forgotten.collect(), cache_kept: outcome.is_shared_cache });
        return Ok(CommandOutcome::Done);
    }
    for run in &outcome.runs {
        let name = run.run.to_string();
        let mut line = if run.objects == 0 && run.folders == 0 {
            format!("{name}: nothing of it was in this clone")
        } else {
            let objects = format_plural(run.objects as u64, "object");
            format!("{name}: dropped {objects} of the cache, {}", format_bytes(run.bytes))
        };
        if run.kept > 0 && !outcome.is_shared_cache {
            line.push_str(&format!("; {} stay, for others use them", format_plural(run.kept as u64, "object")));
        }
        app.ui.status(&line);
        app.ui.print_value(&name);
    }
    if outcome.is_shared_cache {
        let cache = project.open_cache()?;
        app.ui.warn(&format!("nothing was removed from the cache {}: other clones may use it", cache.dir().display()));
    }
    if let [run] = outcome.runs.as_slice() {
        app.ui.hint(&format!("to fetch it again: `capture-hook pull {}`", shell_quote(run.run.to_string())));
    }
    Ok(CommandOutcome::Done)
}
