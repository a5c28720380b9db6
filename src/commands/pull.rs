//! `capture-hook pull`: data back into the workspace.

use serde::Serialize;

use crate::app::{App, Outcome};
use crate::dvc::fetch;
use crate::error::{Error, Kind};
use crate::project::catalog::{Catalog, Known, RunError, Sighting};
use crate::project::sync::{Reach, Synced, size};
use crate::project::{Project, Source};
use crate::run::RunKey;
use crate::run::resolve::ResolveError;
use crate::support::process::quoted;

/// Arguments of `pull`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Without RUN, the whole dataset of the checked-out commit comes, whatever its size.
A run of another revision: `capture-hook get RUN --rev REV`.

Examples:
  capture-hook pull
  capture-hook pull demo/r1")]
pub struct Args {
    /// Runs of the checked-out data version: <experiment>/<run_id>, a run id, the beginning of one, a tag, latest.
    #[arg(value_name = "RUN|TAG", add = super::complete::runs_and_tags())]
    pub runs: Vec<String>,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Shown {
    data_version: String,
    complete: bool,
    pulled: Vec<Pulled>,
}

/// What became of a run, or of the whole dataset.
#[derive(Serialize)]
struct Pulled {
    run: Option<String>,
    path: String,
    complete: bool,
    changed: usize,
    missing_bytes: u64,
    unsaved: Vec<String>,
    refused: Vec<String>,
}

/// Runs the command.
pub fn run(app: &App, args: &Args) -> Result<Outcome, Error> {
    let mut project = app.project()?;
    project.share_cache(&app.ui)?;
    let Some(locked) = project.locked(&Source::WorkTree)? else {
        return Err(Error::new(Kind::Setup, "no_dataset", "dvc.lock holds no dataset: nothing was ingested yet")
            .hint("record a run, then `capture-hook select RUN` and commit"));
    };
    let mut pulled = Vec::new();
    if args.runs.is_empty() {
        pulled.push(taken(project.sync(Reach::All, &app.ui)?, None, locked.out_dir.clone())?);
    } else {
        let listing = fetch::listing(&project.root, project.dvc_settings()?, locked.version, || project.dvc())?;
        let catalog = project.catalog()?;
        let known = |key| catalog.get(&key).unwrap_or(Known { key, seen: Sighting::default() });
        let held: Vec<Known> = listing.runs().map(|run| known(run.key)).collect();
        for query in &args.runs {
            let run = held_run(app, &project, &catalog, query, &held)?;
            let synced = project.pull_run(&locked, &run, &app.ui)?;
            let one = taken(synced, Some(run.to_string()), format!("{}/{run}", locked.out_dir))?;
            if !app.ui.json() {
                tell(app, &one);
                app.ui.value(&one.path);
            }
            pulled.push(one);
        }
    }
    let complete = pulled.iter().all(|one| one.complete);
    if app.ui.json() {
        app.ui.data_json(&Shown { data_version: locked.version.to_string(), complete, pulled });
    } else if args.runs.is_empty() {
        pulled.iter().for_each(|all| tell(app, all));
    }
    Ok(if complete { Outcome::Done } else { Outcome::Wanting })
}

fn taken(synced: Synced, run: Option<String>, path: String) -> Result<Pulled, Error> {
    let mut pulled =
        Pulled { run, path, complete: true, changed: 0, missing_bytes: 0, unsaved: Vec::new(), refused: Vec::new() };
    match synced {
        Synced::Nothing => {}
        Synced::Done { changed } => pulled.changed = changed,
        Synced::Partly { missing } => (pulled.complete, pulled.missing_bytes) = (false, missing),
        Synced::Unsaved { kept } => (pulled.complete, pulled.unsaved) = (false, kept),
        Synced::Refused { changed, paths } => {
            (pulled.complete, pulled.changed, pulled.refused) = (false, changed, paths);
        }
        Synced::Missing { why } => {
            return Err(Error::new(Kind::Program, "data_missing", format!("data could not be had: {why}"))
                .hint("`dvc remote list` shows where it is looked for; it may not have been pushed yet"));
        }
    }
    Ok(pulled)
}

fn tell(app: &App, pulled: &Pulled) {
    for path in &pulled.unsaved {
        app.ui.warn(&format!("left as it is, with edits that DVC has not saved: {path}"));
    }
    if pulled.missing_bytes > 0 {
        app.ui.warn(&format!("{} are still missing", size(pulled.missing_bytes)));
    } else if !pulled.refused.is_empty() {
        app.ui.status(&format!("all else of the dataset is as dvc.lock says; files changed: {}", pulled.changed));
    } else if !pulled.complete {
        app.ui.hint("keep them with `dvc commit`, or drop them with `dvc checkout --force`, then run it again");
    } else {
        let what = pulled.run.as_deref().unwrap_or("the dataset");
        let files = if pulled.changed > 0 { format!("; files changed: {}", pulled.changed) } else { String::new() };
        app.ui.status(&format!("{what} is as dvc.lock says{files}"));
    }
}

/// The run of the data version that the user means.
fn held_run(app: &App, project: &Project, catalog: &Catalog, query: &str, held: &[Known]) -> Result<RunKey, Error> {
    let target = match project.resolve_among(catalog, &app.cwd, query, held) {
        Err(RunError::Resolve(error @ ResolveError::NotFound { .. })) => {
            project.resolve_run(catalog, &app.cwd, query).map_err(|_| error)?
        }
        other => other?,
    };
    if held.iter().any(|run| run.key == target.key) {
        return Ok(target.key);
    }
    let run = target.key;
    let typed = quoted(run.to_string());
    Err(Error::new(Kind::Setup, "no_such_run", format!("the checked-out data version holds no run {run}"))
        .hint(format!("`capture-hook log {typed}` lists the commits that hold it")))
}
