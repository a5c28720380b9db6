//! `capture-hook resolve`: settles a run that both sides of a merge changed, and unites all others.

use serde::Serialize;

use crate::app::{App, Outcome};
use crate::commit::resolve;
use crate::commit::resolve::{Settled, how_to_settle};
use crate::dataset::merge::lockfile::Choice;
use crate::error::Error;
use crate::git::Operation;
use crate::project::{Project, ProjectError};
use crate::support::process::quoted;

/// Arguments of `resolve`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
After `git merge` (or rebase, cherry-pick, stash pop) left dvc.lock in conflict, because both sides have other files in
one run. That run is settled; every other run of either side stays. `--ours` and `--theirs` mean what they mean to git: in a
rebase, theirs is the commit that is replayed.

With `--both`, the other side's files stand beside the run as RUN-theirs: in a folder of that name, byte for byte.

Examples:
  capture-hook resolve demo/r1 --theirs && git commit
  capture-hook get demo/r1 --rev MERGE_HEAD -o ../their-r1     look at the other side's first")]
pub struct Args {
    /// The run.
    #[arg(value_name = "RUN", add = super::complete::runs())]
    pub run: String,
    /// Which files it is to have.
    #[command(flatten)]
    pub side: Side,
}

/// Whose files.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub struct Side {
    /// The current side's files stay.
    #[arg(long)]
    pub ours: bool,
    /// The other side's files stay.
    #[arg(long)]
    pub theirs: bool,
    /// Both stay, the other side's under a new run id.
    #[arg(long)]
    pub both: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Shown {
    run: String,
    choice: &'static str,
    kept_as: Option<String>,
    settled: bool,
    data_version: Option<String>,
    disputed: Vec<String>,
}

/// Runs the command.
pub fn run(app: &App, args: &Args) -> Result<Outcome, Error> {
    let mut project = app.project()?;
    let choice = match args.side {
        Side { theirs: true, .. } => Choice::Theirs,
        Side { both: true, .. } => Choice::Both,
        Side { .. } => Choice::Ours,
    };
    let settled = project.settle(&app.cwd, &args.run, choice, &app.ui)?;
    if app.ui.json() {
        app.ui.data_json(&Shown {
            run: settled.run.to_string(),
            choice: resolve::name(choice),
            kept_as: settled.kept_as.as_ref().map(ToString::to_string),
            settled: settled.locked.is_some(),
            data_version: settled.locked.as_ref().map(|locked| locked.version.to_string()),
            disputed: settled.disputed.iter().map(ToString::to_string).collect(),
        });
        return Ok(Outcome::Done);
    }
    let run = &settled.run;
    match (choice, &settled.kept_as) {
        (Choice::Ours, _) => app.ui.line(&format!("{run}: our files stay")),
        (Choice::Theirs, _) => app.ui.line(&format!("{run}: their files stay")),
        (Choice::Both, Some(name)) => app.ui.line(&format!("{run}: our files stay; theirs are {name}")),
        (Choice::Both, None) => app.ui.line(&format!("{run}: the files of the side that has it stay")),
    }
    tell_rest(app, &project, &settled)?;
    Ok(Outcome::Done)
}

/// What is left to do.
fn tell_rest(app: &App, project: &Project, settled: &Settled) -> Result<(), Error> {
    for clash in &settled.others {
        app.ui.warn(&format!("dvc.lock stays in conflict: {clash}"));
    }
    for run in &settled.disputed {
        app.ui.status(&format!("{run} is disputed still"));
        app.ui.hint(&how_to_settle(run));
    }
    let Some(locked) = &settled.locked else { return Ok(()) };
    app.ui.status(&format!("dvc.lock holds every other run of both sides: data version {}", locked.version));
    let mut left: Vec<String> =
        project.repo.conflicts(false).map_err(ProjectError::from)?.into_iter().map(|(path, ..)| quoted(path)).collect();
    left.dedup();
    let conclude = match project.repo.operation() {
        Some(Operation::Rebase) => "git rebase --continue",
        Some(Operation::CherryPick) => "git cherry-pick --continue",
        Some(Operation::Revert) => "git revert --continue",
        _ => "git commit",
    };
    app.ui.hint(&match left.as_slice() {
        [] => format!("`{conclude}` concludes it"),
        left => format!("settle what else is in conflict ({}), then `{conclude}`", left.join(", ")),
    });
    Ok(())
}
