//! `capture-hook pull`: data back into the workspace.

use crate::app::{App, Outcome};
use crate::error::{Error, Kind};
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
    /// Runs of the checked-out data version: <experiment>/<run_id>, a run id, or the beginning of one.
    #[arg(value_name = "RUN")]
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
        return whole(app, &project);
    }
    let dvc = project.dvc()?;
    let mut known = runs_of(&project, locked.version)?;
    if known.is_none() {
        // The listing itself is not here yet: the smallest thing that brings it is the selected run.
        if let Some(run) = project.selected_run(&locked, None) {
            project.pull_run(&dvc, &locked, &run)?;
        }
        known = runs_of(&project, locked.version)?;
    }
    let known = known.unwrap_or_default();
    for query in &args.runs {
        let run = one_of(query, &known)?;
        project.pull_run(&dvc, &locked, &run)?;
        app.ui.data(&format!("{}/{run}\n", locked.out_dir));
    }
    Ok(Outcome::Done)
}

fn whole(app: &App, project: &Project) -> Result<Outcome, Error> {
    match project.sync(Reach::All, &app.ui)? {
        Synced::Nothing | Synced::Done { .. } => {
            app.ui.status("the dataset is as dvc.lock says");
            Ok(Outcome::Done)
        }
        Synced::Partly { missing } => {
            app.ui.warn(&format!("{} are still missing", size(missing)));
            Ok(Outcome::Wanting)
        }
        Synced::Unsaved => Err(Error::new(
            Kind::Wanting,
            "unsaved_changes",
            "the dataset has edits that DVC has not saved: nothing was changed",
        )
        .hint("keep them with `dvc commit`, or drop them with `dvc checkout --force`, then run it again")),
        Synced::Missing { why } => {
            Err(Error::new(Kind::Program, "data_missing", format!("the data could not be had: {why}"))
                .hint("`dvc remote list` shows where it is looked for; it may not have been pushed yet"))
        }
    }
}

fn runs_of(project: &Project, version: crate::dvc::DataVersion) -> Result<Option<Vec<RunKey>>, Error> {
    Ok(project.listing(version)?.map(|listing| listing.runs().map(|run| run.key).collect()))
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
