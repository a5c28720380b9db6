//! `capture-hook pull`: data back into the workspace.

use crate::app::{App, Outcome};
use crate::dvc::fetch;
use crate::error::{Error, Kind};
use crate::project::Source;
use crate::project::sync::{Reach, Synced, size};
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
    /// Runs of the checked-out data version: <experiment>/<run_id>, a run id, or the beginning of one.
    #[arg(value_name = "RUN", add = super::complete::runs())]
    pub runs: Vec<String>,
}

/// Runs the command.
pub fn run(app: &App, args: &Args) -> Result<Outcome, Error> {
    let project = app.project()?;
    let Some(locked) = project.locked(&Source::WorkTree)? else {
        return Err(Error::new(Kind::Setup, "no_dataset", "dvc.lock holds no dataset: nothing was ingested yet")
            .hint("record a run, then `capture-hook select RUN` and commit"));
    };
    if args.runs.is_empty() {
        return tell(app, project.sync(Reach::All, &app.ui)?, "the dataset");
    }
    let listing = fetch::listing(&project.root, project.dvc_settings()?, locked.version, || project.dvc())?;
    let known: Vec<RunKey> = listing.runs().map(|run| run.key).collect();
    let mut outcome = Outcome::Done;
    for query in &args.runs {
        let run = one_of(query, &known)?;
        if tell(app, project.pull_run(&locked, &run, &app.ui)?, &run.to_string())? == Outcome::Wanting {
            outcome = Outcome::Wanting;
        }
        app.ui.data(&format!("{}/{run}\n", locked.out_dir));
    }
    Ok(outcome)
}

fn tell(app: &App, synced: Synced, what: &str) -> Result<Outcome, Error> {
    match synced {
        Synced::Nothing | Synced::Done { changed: 0 } => {
            app.ui.status(&format!("{what} is as dvc.lock says"));
            Ok(Outcome::Done)
        }
        Synced::Done { changed } => {
            app.ui.status(&format!("{what} is as dvc.lock says; files changed: {changed}"));
            Ok(Outcome::Done)
        }
        Synced::Partly { missing } => {
            app.ui.warn(&format!("{} are still missing", size(missing)));
            Ok(Outcome::Wanting)
        }
        Synced::Unsaved { kept } => {
            for path in &kept {
                app.ui.warn(&format!("left as it is, with edits that DVC has not saved: {path}"));
            }
            app.ui.hint("keep them with `dvc commit`, or drop them with `dvc checkout --force`, then run it again");
            Ok(Outcome::Wanting)
        }
        Synced::Missing { why } => {
            Err(Error::new(Kind::Program, "data_missing", format!("data could not be had: {why}"))
                .hint("`dvc remote list` shows where it is looked for; it may not have been pushed yet"))
        }
    }
}

/// The one run of the data version that the user means.
fn one_of(query: &str, known: &[RunKey]) -> Result<RunKey, Error> {
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
    Err(Error::new(Kind::Setup, "no_such_run", format!("the checked-out data version holds no run `{query}`"))
        .hint("`capture-hook runs` lists every run known, `capture-hook log RUN` where it is"))
}
