//! `capture-hook get`: one run, of any revision, into any directory.

use std::path::PathBuf;

use super::complete;
use crate::app::{App, CommandOutcome};
use crate::dataset::get::{GetRequest, get_run};
use crate::dataset::runs::entries_of_run;
use crate::error::Error;
use crate::history::catalog;
use crate::history::committed::{CommittedRun, find_committed_run};
use crate::history::erased;
use crate::history::rebuilt;
use crate::output::json::GetJson;
use crate::support::text::{format_bytes, format_plural};

/// Arguments of `get`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  capture-hook get nav/r1                              the newest committed data of a run, into ./r1
  capture-hook get capture/nav/r1@v2 -o /tmp/r1        as that tag has it
  capture-hook get nav/r1 --rev HEAD~3 -o old/r1       as it was three commits ago

The workspace stays as it is. Git is set to ignore a new directory in the working tree (info/exclude). Bytes come from DVC's
cache, else from the remote. They are verified against the data version and the run's manifest before the directory appears.")]
pub struct Args {
    /// The run or its tag.
    #[arg(value_name = "RUN|TAG", add = complete::run_and_tag_candidates())]
    run: String,
    /// The commit, branch or tag whose data to copy.
    #[arg(long, value_name = "REV", add = complete::tag_candidates())]
    rev: Option<String>,
    /// The new directory of the run [default: ./<run_id>].
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Replace the directory if it exists.
    #[arg(long)]
    force: bool,
}

/// Runs the command.
pub fn run(app: &App, args: &Args) -> Result<CommandOutcome, Error> {
    let project = app.open_project()?;
    let catalog = catalog::load_catalog(&project)?;
    let CommittedRun { key, commit, version } =
        find_committed_run(&project, &catalog, &app.cwd, &args.run, args.rev.as_deref())?;
    let output = args.output.clone().unwrap_or_else(|| PathBuf::from(key.run_id()));
    let to = app.cwd.join(&output);
    let bar = app.ui.progress("getting the run", None);
    let request = GetRequest { run: &key, version, to: &to, replace: args.force };
    // First, so that nothing is fetched for a destination that is taken.
    request.check_destination()?;
    let dvc = project.dvc()?;
    let file_list = rebuilt::read_file_list(&project, &dvc, version)?;
    if let Some(found) = erased::find_erasure(&project, &key, entries_of_run(&file_list, &key))? {
        return Err(erased::erased_error(&found).into());
    }
    let outcome = get_run(&dvc, &file_list, request, &bar)?;
    // Off the terminal before anything is printed.
    drop(bar);
    if app.ui.json() {
        app.ui.print_json(&GetJson {
            run: key.to_string(),
            data_version: version.to_string(),
            commit: commit.map(|commit| commit.to_string()),
            path: output.to_string_lossy().into_owned(),
            files: outcome.files,
            bytes: outcome.bytes,
            fetched: outcome.fetched,
        });
    } else {
        app.ui.print_value(&output);
        let from = if outcome.fetched { "the remote" } else { "the cache" };
        let (files, bytes) = (format_plural(outcome.files, "file"), format_bytes(outcome.bytes));
        app.ui.status(&format!("{key}: {files}, {bytes}, from {from}, verified against {version}"));
    }
    app.exclude_from_git(&project, &to, &output);
    Ok(CommandOutcome::Done)
}
