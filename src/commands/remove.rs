//! `capture-hook remove`: takes runs out of the dataset, by one commit.

use std::collections::BTreeSet;

use crate::app::{App, CommandOutcome};
use crate::commit::remove::{RunChange, change_runs, find_clean_dataset};
use crate::error::Error;
use crate::history::catalog::{self, CatalogRun};
use crate::history::rebuilt;
use crate::output::json::RunChangeJson;
use crate::project::Project;
use crate::run::RunKey;
use crate::support::text::format_plural;

/// Arguments of `remove`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Makes one commit whose data version lacks these runs; all other runs stay as they are. Nothing is deleted: earlier data versions
hold the runs, and `capture-hook restore RUN` puts one back. Removing the selected run leaves no run selected.

A merge with a branch that still has the run, unchanged, keeps it removed.

Examples:
  capture-hook remove demo/r1 --reason 'recorded with the wrong seed'
  capture-hook remove demo/r1 demo/r2 -m 'Remove trial runs'")]
pub struct Args {
    /// Runs of HEAD's dataset.
    #[arg(value_name = "RUN", required = true, add = super::complete::run_candidates())]
    pub runs: Vec<String>,
    /// Why, for everybody who looks for the run later.
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// The commit message.
    #[arg(short, long, value_name = "MSG")]
    pub message: Option<String>,
}

/// Runs the command.
pub fn run(app: &App, args: &Args) -> Result<CommandOutcome, Error> {
    let mut project = app.open_project()?;
    let old = find_clean_dataset(&project)?;
    rebuilt::ensure_file_list(&project, &project.dvc()?, old.version)?;
    let catalog = catalog::load_catalog(&project)?;
    let held: Vec<CatalogRun> =
        catalog.runs().filter(|run| catalog.history.holds_run(old.version, &run.key) == Some(true)).collect();
    let mut runs: BTreeSet<RunKey> = BTreeSet::new();
    for query in &args.runs {
        runs.insert(catalog::resolve_query_among(&project, &catalog, &app.cwd, query, &held)?.key);
    }
    let runs: Vec<RunKey> = runs.into_iter().collect();
    // An empty reason says nothing.
    let reason = args.reason.as_deref().map(str::trim).filter(|reason| !reason.is_empty());
    let change = RunChange { runs: &runs, files: Vec::new(), reason, message: args.message.as_deref(), records: &[] };
    let outcome = change_runs(&mut project, change, &app.ui)?;
    report_change(app, &project, "removed", &runs, &outcome.record.version.to_string())?;
    if outcome.selection_cleared {
        app.ui.status("the selected run was removed, so no run is selected now");
        app.ui.hint("select another: `capture-hook select`");
    }
    Ok(CommandOutcome::Done)
}

/// Prints what a commit of removed or restored runs did.
pub(super) fn report_change(
    app: &App,
    project: &Project,
    verb: &str,
    runs: &[RunKey],
    version: &str,
) -> Result<(), Error> {
    let head = project.repo.resolve_commit("HEAD")?;
    if app.ui.json() {
        app.ui.print_json(&RunChangeJson {
            runs: runs.iter().map(ToString::to_string).collect(),
            commit: head.to_string(),
            data_version: version.to_owned(),
        });
        return Ok(());
    }
    let what = match runs {
        [run] => run.to_string(),
        runs => format_plural(runs.len() as u64, "run"),
    };
    app.ui.status(&format!("{verb} {what} in commit {}, data version {version}", head.short()));
    for run in runs {
        app.ui.print_value(run.to_string());
    }
    Ok(())
}
