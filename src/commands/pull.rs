//! `capture-hook pull`: data back into the workspace.

use serde::Serialize;

use crate::app::{App, Outcome};
use crate::dvc::absent::AbsentRemote;
use crate::dvc::remote::fetch;
use crate::error::{Error, ExitKind};
use crate::history::catalog::{Catalog, Known, Sighting};
use crate::project::{Project, ProjectError, Source};
use crate::run::RunKey;
use crate::run::resolve::ResolveError;
use crate::support::process::quoted;
use crate::sync::{Synced, size};
use crate::{hooks, sync};

/// Arguments of `pull`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Without RUN, the whole dataset of the checked-out commit comes, whatever its size.
A run of another revision: `capture-hook get RUN --rev REV`. Files that were changed by hand are told, and left as they are
without --force.

Examples:
  capture-hook pull
  capture-hook pull demo/r1
  capture-hook pull --force                  the committed files in the place of changed ones")]
pub struct Args {
    /// Runs of the checked-out data version: <experiment>/<run_id>, a run id, the beginning of one, a tag, latest.
    #[arg(value_name = "RUN|TAG", add = super::complete::runs_and_tags())]
    pub runs: Vec<String>,
    /// Replace files that were changed, and remove those that were added to committed runs.
    #[arg(long)]
    pub force: bool,
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
        return Err(Error::new(ExitKind::Setup, "no_dataset", "dvc.lock holds no dataset: nothing was ingested yet")
            .hint("record a run, then `capture-hook select RUN` and commit"));
    };
    let mut pulled = Vec::new();
    if args.runs.is_empty() {
        let all = project.pull(&locked, None, args.force, &app.ui)?;
        pulled.push(taken(&project, all, None, locked.out_dir.clone())?);
    } else {
        let listing = fetch::listing(&project.root, project.dvc_settings()?, locked.version, || project.dvc())?;
        let catalog = project.catalog()?;
        let known = |key| catalog.get(&key).unwrap_or(Known { key, seen: Sighting::default() });
        let held: Vec<Known> = listing.runs().map(|run| known(run.key)).collect();
        for query in &args.runs {
            let run = held_run(app, &project, &catalog, query, &held)?;
            let one = project.pull(&locked, Some(&run), args.force, &app.ui)?;
            let one = taken(&project, one, Some(run.to_string()), format!("{}/{run}", locked.out_dir))?;
            if !app.ui.json() {
                tell(app, args, &one);
                app.ui.value(&one.path);
            }
            pulled.push(one);
        }
    }
    let complete = pulled.iter().all(|one| one.complete);
    if app.ui.json() {
        app.ui.data_json(&Shown { data_version: locked.version.to_string(), complete, pulled });
    } else if args.runs.is_empty() {
        pulled.iter().for_each(|all| tell(app, args, all));
    }
    hooks::warn_unreached(app, &project.repo);
    Ok(if complete { Outcome::Done } else { Outcome::CheckFailed })
}

fn taken(project: &Project, done: sync::pull::Pulled, run: Option<String>, path: String) -> Result<Pulled, Error> {
    let mut pulled = Pulled {
        run,
        path,
        complete: done.kept.is_empty(),
        changed: done.replaced,
        missing_bytes: 0,
        unsaved: done.kept,
        refused: Vec::new(),
    };
    match done.synced {
        Synced::Nothing => {}
        Synced::Done { changed } => pulled.changed += changed,
        Synced::Partly { missing, .. } => (pulled.complete, pulled.missing_bytes) = (false, missing),
        // Which they are, DVC did not tell.
        Synced::Unsaved { .. } => pulled.complete = false,
        Synced::Refused { changed, paths } => {
            pulled.complete = false;
            pulled.changed += changed;
            pulled.refused = paths;
        }
        Synced::Missing { why } | Synced::Left { what: why } => {
            let hint = match AbsentRemote::of(project.dvc_settings()?) {
                Some(absent) => absent.hints().swap_remove(0),
                None => "`dvc remote list` shows where it is looked for; it may not have been pushed yet".into(),
            };
            return Err(
                Error::new(ExitKind::Program, "data_missing", format!("data could not be had: {why}")).hint(hint)
            );
        }
    }
    Ok(pulled)
}

fn tell(app: &App, args: &Args, pulled: &Pulled) {
    const SHOWN: usize = 10;
    for path in pulled.unsaved.iter().take(SHOWN) {
        app.ui.warn(&format!("left as it is, with changes that are in no commit: {path}"));
    }
    if pulled.unsaved.len() > SHOWN {
        app.ui.warn(&format!("left as they are, for such changes: {} more", pulled.unsaved.len() - SHOWN));
    }
    let files = if pulled.changed > 0 { format!("; files changed: {}", pulled.changed) } else { String::new() };
    let what = pulled.run.as_deref().unwrap_or("the dataset");
    if pulled.missing_bytes > 0 {
        app.ui.warn(&format!("{} are still missing", size(pulled.missing_bytes)));
    } else if pulled.complete {
        app.ui.status(&format!("{what} is as dvc.lock says{files}"));
    } else if !pulled.refused.is_empty() || !pulled.unsaved.is_empty() {
        app.ui.status(&format!("all else of {what} is as dvc.lock says{files}"));
    }
    let other_reason = pulled.missing_bytes > 0 || !pulled.refused.is_empty();
    if pulled.complete || (pulled.unsaved.is_empty() && other_reason) {
        return;
    }
    if args.force {
        app.ui.hint("nothing is put in their place: move them away, then run it again");
    } else {
        let typed: String = pulled.run.iter().map(|run| format!(" {}", quoted(run))).collect();
        app.ui.hint(&format!(
            "`capture-hook pull --force{typed}` puts the committed files in their place; `dvc commit` keeps the changes"
        ));
    }
}

/// The run of the data version that the user means.
fn held_run(app: &App, project: &Project, catalog: &Catalog, query: &str, held: &[Known]) -> Result<RunKey, Error> {
    let target = match project.resolve_among(catalog, &app.cwd, query, held) {
        Err(ProjectError::Resolve(error @ ResolveError::NotFound { .. })) => {
            project.resolve_run(catalog, &app.cwd, query).map_err(|_| error)?
        }
        other => other?,
    };
    if held.iter().any(|run| run.key == target.key) {
        return Ok(target.key);
    }
    let run = target.key;
    let typed = quoted(run.to_string());
    Err(Error::new(ExitKind::Setup, "no_such_run", format!("the checked-out data version holds no run {run}"))
        .hint(format!("`capture-hook log {typed}` lists the commits that hold it")))
}
