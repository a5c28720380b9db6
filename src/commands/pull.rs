//! `capture-hook pull`: fetches and checks out data.

use crate::app::{App, CommandOutcome};
use crate::error::{Error, ExitKind, Explanation};
use crate::history::catalog;
use crate::history::catalog::{Catalog, CatalogRun, RunSources};
use crate::history::erased::ErasedRuns;
use crate::output::json::{PullJson, PulledJson};
use crate::project::{GitTree, Project, ProjectError};
use crate::run::RunKey;
use crate::run::resolve::ResolveError;
use crate::setup::worktree;
use crate::support::process::shell_quote;
use crate::support::text::format_plural;
use crate::sync::{SyncOutcome, format_missing, pull, sent};
use crate::{hooks, sync};

/// Arguments of `pull`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Without RUN, the whole dataset of the checked-out commit is fetched, whatever its size.
For a run of another revision: `capture-hook get RUN --rev REV`. Local changes are named, and kept without --force.

Examples:
  capture-hook pull
  capture-hook pull demo/r1
  capture-hook pull --force                  replace changed files by the committed ones")]
pub struct Args {
    /// Runs of the checked-out data version; without any, all.
    #[arg(value_name = "RUN|TAG", add = super::complete::run_and_tag_candidates())]
    pub runs: Vec<String>,
    /// Replace changed files, and remove files that were added to committed runs.
    #[arg(long)]
    pub force: bool,
}

/// Runs the command.
pub fn run(app: &App, args: &Args) -> Result<CommandOutcome, Error> {
    let mut project = app.open_project()?;
    // Before anything is fetched: a linked working tree takes what the clone's cache holds already.
    worktree::share_cache(&mut project, &app.ui)?;
    let Some(dataset_record) = project.dataset_record(&GitTree::WorkTree)? else {
        return Err(Error::new(ExitKind::Setup, "no_dataset", "dvc.lock holds no dataset: nothing was ingested yet")
            .hint("record a run, then `capture-hook select RUN` and commit"));
    };
    let mut pulled = Vec::new();
    if args.runs.is_empty() {
        let outcome = pull::pull_data(&project, &dataset_record, None, args.force, &app.ui)?;
        pulled.push(pulled_json(&project, outcome, None, dataset_record.out_dir.clone())?);
    } else {
        let catalog = catalog::load_catalog(&project)?;
        // The catalog lacks a run that only a list holds; its name is enough to fetch it.
        let catalog_run = |key| catalog.get(&key).unwrap_or(CatalogRun { key, sources: RunSources::default() });
        // A short name is looked up among these first, so that runs of other commits make none ambiguous.
        let held_runs: Vec<CatalogRun> =
            pull::list_runs(&project, &dataset_record)?.into_iter().map(catalog_run).collect();
        for query in &args.runs {
            let run = resolve_held_run(app, &project, &catalog, query, &held_runs)?;
            let run_outcome = pull::pull_data(&project, &dataset_record, Some(&run), args.force, &app.ui)?;
            let run_outcome =
                pulled_json(&project, run_outcome, Some(run.to_string()), format!("{}/{run}", dataset_record.out_dir))?;
            // At once, not at the end: a later run may fail, and this one is in the workspace.
            if !app.ui.json() {
                report_pulled(app, args, &run_outcome);
                app.ui.print_value(&run_outcome.path);
            }
            pulled.push(run_outcome);
        }
    }
    let complete = pulled.iter().all(|run_outcome| run_outcome.complete);
    if app.ui.json() {
        app.ui.print_json(&PullJson { data_version: dataset_record.version.to_string(), complete, pulled });
    } else if args.runs.is_empty() {
        pulled.iter().for_each(|outcome| report_pulled(app, args, outcome));
    }
    warn_of_erased(app, &project)?;
    hooks::warn_unreached(app, &project.repo);
    Ok(if complete { CommandOutcome::Done } else { CommandOutcome::CheckFailed })
}

fn pulled_json(
    project: &Project,
    outcome: sync::pull::PullOutcome,
    run: Option<String>,
    path: String,
) -> Result<PulledJson, Error> {
    let mut pulled = PulledJson {
        run,
        path,
        complete: outcome.local_changes.is_empty(),
        changed: outcome.replaced,
        missing_bytes: 0,
        unsaved: outcome.local_changes,
        erased: outcome.erased.iter().map(ToString::to_string).collect(),
        refused: Vec::new(),
    };
    match outcome.sync {
        SyncOutcome::NoDataset => {}
        // `replaced` counts only files with local changes that were replaced; these come on top.
        SyncOutcome::Done { changed } => pulled.changed += changed,
        SyncOutcome::Partial { missing, .. } => (pulled.complete, pulled.missing_bytes) = (false, missing),
        // DVC did not name them.
        SyncOutcome::LocalChanges { .. } => pulled.complete = false,
        SyncOutcome::Refused { changed, paths } => {
            pulled.complete = false;
            pulled.changed += changed;
            pulled.refused = paths;
        }
        SyncOutcome::Missing { why, explanation } => return Err(missing_data(project, &why, explanation)?),
        SyncOutcome::TooLarge { reason } => {
            return Err(missing_data(project, &reason, ExitKind::Setup.code("data_not_fetched"))?);
        }
    }
    Ok(pulled)
}

/// Names the erased runs of which this clone still has bytes.
fn warn_of_erased(app: &App, project: &Project) -> Result<(), Error> {
    let (erased, cache) = (ErasedRuns::load(project)?, project.open_cache()?);
    for (run, count) in erased.still_in(&cache) {
        let objects = format_plural(count as u64, "object");
        app.ui.warn(&format!("{run} was erased, but the cache of this clone still has {objects} of it"));
        let typed = shell_quote(run.to_string());
        app.ui.hint(&format!("erase it here, too: `capture-hook erase {typed} --everywhere`"));
    }
    Ok(())
}

fn missing_data(project: &Project, why: &str, explanation: Explanation) -> Result<Error, Error> {
    if explanation.code == "erased" {
        return Ok(Error::new(explanation.exit, explanation.code, why.to_owned())
            .hint("see what is still known of it: `capture-hook show RUN`"));
    }
    let hint = match sent::find_missing_remote_dir(project)? {
        // There are always two; the second, to start with an empty remote, fetches no data.
        Some(absent) => absent.hints().swap_remove(0),
        None => "check that it was pushed, and the remote's address with `dvc remote list`".into(),
    };
    Ok(Error::new(explanation.exit, explanation.code, format!("cannot fetch the data: {why}")).hint(hint))
}

fn report_pulled(app: &App, args: &Args, pulled: &PulledJson) {
    // Ten lines leave the result in view on a small terminal; `--json` lists all paths.
    const SHOWN: usize = 10;
    for path in pulled.unsaved.iter().take(SHOWN) {
        app.ui.warn(&format!("local changes are kept: {path}"));
    }
    if pulled.unsaved.len() > SHOWN {
        app.ui.warn(&format!("local changes are kept: {} more files", pulled.unsaved.len() - SHOWN));
    }
    let files = if pulled.changed > 0 { format!("; files changed: {}", pulled.changed) } else { String::new() };
    let what = pulled.run.as_deref().unwrap_or("the dataset");
    if pulled.missing_bytes > 0 {
        app.ui.warn(&format!("{} are still missing", format_missing(pulled.missing_bytes)));
    } else if pulled.complete {
        app.ui.status(&format!("{what} matches dvc.lock{files}"));
    } else if !pulled.refused.is_empty() || !pulled.unsaved.is_empty() {
        app.ui.status(&format!("the rest of {what} matches dvc.lock{files}"));
    }
    let other_reason = pulled.missing_bytes > 0 || !pulled.refused.is_empty();
    // The hints below are about local changes. Missing data or refused paths have other causes.
    if pulled.complete || (pulled.unsaved.is_empty() && other_reason) {
        return;
    }
    if args.force {
        app.ui.hint("move them away, then run the same command again");
    } else {
        let typed: String = pulled.run.iter().map(|run| format!(" {}", shell_quote(run))).collect();
        app.ui.hint(&format!(
            "replace them by the committed files with `capture-hook pull --force{typed}`, or keep them with `dvc commit`"
        ));
    }
}

/// The run of the data version that the user means.
fn resolve_held_run(
    app: &App,
    project: &Project,
    catalog: &Catalog,
    query: &str,
    held_runs: &[CatalogRun],
) -> Result<RunKey, Error> {
    let target = match catalog::resolve_query_among(project, catalog, &app.cwd, query, held_runs) {
        // A run of another commit is known, but not held: that is its own error below. If it is unknown there too,
        // the first error stands.
        Err(ProjectError::Resolve(error @ ResolveError::NotFound { .. })) => {
            catalog::resolve_query(project, catalog, &app.cwd, query).map_err(|_| error)?
        }
        // An ambiguous name, for example, is not looked up among more runs: it would stay ambiguous.
        other => other?,
    };
    if held_runs.iter().any(|run| run.key == target.key) {
        return Ok(target.key);
    }
    let run = target.key;
    let typed = shell_quote(run.to_string());
    Err(Error::new(ExitKind::Setup, "no_such_run", format!("the checked-out data version holds no run {run}"))
        .hint(format!("see the commits that hold it: `capture-hook log {typed}`")))
}
