//! `capture-hook pull`: data back into the workspace.

use serde::Serialize;

use crate::app::{App, Outcome};
use crate::dvc::fetch;
use crate::error::{Error, Kind};
use crate::output::human;
use crate::project::sync::{Reach, Synced, size};
use crate::project::{Project, Source};
use crate::run::RunKey;

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
}

/// Runs the command.
pub fn run(app: &App, args: &Args) -> Result<Outcome, Error> {
    let project = app.project()?;
    let Some(locked) = project.locked(&Source::WorkTree)? else {
        return Err(Error::new(Kind::Setup, "no_dataset", "dvc.lock holds no dataset: nothing was ingested yet")
            .hint("record a run, then `capture-hook select RUN` and commit"));
    };
    let mut pulled = Vec::new();
    if args.runs.is_empty() {
        pulled.push(taken(project.sync(Reach::All, &app.ui)?, None, locked.out_dir.clone())?);
    } else {
        let listing = fetch::listing(&project.root, project.dvc_settings()?, locked.version, || project.dvc())?;
        let known: Vec<RunKey> = listing.runs().map(|run| run.key).collect();
        for query in &args.runs {
            let run = one_of(app, &project, query, &known)?;
            let synced = project.pull_run(&locked, &run, &app.ui)?;
            let one = taken(synced, Some(run.to_string()), format!("{}/{run}", locked.out_dir))?;
            if !app.ui.json() {
                tell(app, &one);
                app.ui.data(&format!("{}\n", human::plain(&one.path)));
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
    let mut pulled = Pulled { run, path, complete: true, changed: 0, missing_bytes: 0, unsaved: Vec::new() };
    match synced {
        Synced::Nothing => {}
        Synced::Done { changed } => pulled.changed = changed,
        Synced::Partly { missing } => (pulled.complete, pulled.missing_bytes) = (false, missing),
        Synced::Unsaved { kept } => (pulled.complete, pulled.unsaved) = (false, kept),
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
    } else if !pulled.complete {
        app.ui.hint("keep them with `dvc commit`, or drop them with `dvc checkout --force`, then run it again");
    } else {
        let what = pulled.run.as_deref().map_or_else(|| "the dataset".into(), human::plain);
        let files = if pulled.changed > 0 { format!("; files changed: {}", pulled.changed) } else { String::new() };
        app.ui.status(&format!("{what} is as dvc.lock says{files}"));
    }
}

/// The one run of the data version that the user means.
fn one_of(app: &App, project: &Project, query: &str, known: &[RunKey]) -> Result<RunKey, Error> {
    let query = query.trim_end_matches('/');
    let exact = |key: &&RunKey| key.to_string() == query || key.run_id() == query;
    let begins = |key: &&RunKey| key.run_id().starts_with(query) || key.to_string().starts_with(query);
    for found in [known.iter().filter(exact).collect::<Vec<_>>(), known.iter().filter(begins).collect()] {
        match found.as_slice() {
            [] => {}
            [one] => return Ok((*one).clone()),
            several => {
                let names: Vec<String> = several.iter().map(ToString::to_string).collect();
                let message = format!("`{query}` means {} runs: {}", names.len(), names.join(", "));
                return Err(Error::new(Kind::Setup, "ambiguous_run", message).hint("type more of the name"));
            }
        }
    }
    // A path, a tag, `latest`: as every command takes them.
    let run = project.resolve_run(&project.catalog()?, &app.cwd, query)?.key;
    if known.contains(&run) {
        return Ok(run);
    }
    let name = human::plain(&run.to_string());
    Err(Error::new(Kind::Setup, "no_such_run", format!("the checked-out data version holds no run {name}"))
        .hint(format!("`capture-hook log {name}` lists the commits that hold it")))
}
