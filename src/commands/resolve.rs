//! `capture-hook resolve`: settles a run that both sides of a merge changed, and unites all others.

use crate::app::{App, CommandOutcome};
use crate::commit::resolve;
use crate::commit::resolve::{ConflictOutcome, resolve_hint};
use crate::dataset::merge::lockfile::RunChoice;
use crate::error::Error;
use crate::git::GitOperation;
use crate::output::json::ResolveJson;
use crate::project::{Project, ProjectError};
use crate::support::process::shell_quote;

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
    #[arg(value_name = "RUN", add = super::complete::run_candidates())]
    pub run: String,
    /// Which files it is to have.
    #[command(flatten)]
    pub side: SideArgs,
}

/// Whose files.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub struct SideArgs {
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

/// Runs the command.
pub fn run(app: &App, args: &Args) -> Result<CommandOutcome, Error> {
    let mut project = app.open_project()?;
    let choice = match args.side {
        SideArgs { theirs: true, .. } => RunChoice::Theirs,
        SideArgs { both: true, .. } => RunChoice::Both,
        SideArgs { .. } => RunChoice::Ours,
    };
    let outcome = resolve::resolve_conflict(&mut project, &app.cwd, &args.run, choice, &app.ui)?;
    if app.ui.json() {
        app.ui.print_json(&ResolveJson {
            run: outcome.run.to_string(),
            choice: resolve::choice_name(choice),
            kept_as: outcome.kept_as.as_ref().map(ToString::to_string),
            resolved: outcome.record.is_some(),
            data_version: outcome.record.as_ref().map(|dataset_record| dataset_record.version.to_string()),
            disputed: outcome.disputed.iter().map(ToString::to_string).collect(),
        });
        return Ok(CommandOutcome::Done);
    }
    let run = &outcome.run;
    match (choice, &outcome.kept_as) {
        (RunChoice::Ours, _) => app.ui.print_line(&format!("{run}: our files stay")),
        (RunChoice::Theirs, _) => app.ui.print_line(&format!("{run}: their files stay")),
        (RunChoice::Both, Some(name)) => app.ui.print_line(&format!("{run}: our files stay; theirs are {name}")),
        (RunChoice::Both, None) => app.ui.print_line(&format!("{run}: the files of the side that has it stay")),
    }
    report_remaining(app, &project, &outcome)?;
    Ok(CommandOutcome::Done)
}

/// What is left to do.
fn report_remaining(app: &App, project: &Project, outcome: &ConflictOutcome) -> Result<(), Error> {
    for conflict in &outcome.others {
        app.ui.warn(&format!("dvc.lock stays in conflict: {conflict}"));
    }
    for run in &outcome.disputed {
        app.ui.status(&format!("{run} is disputed still"));
        app.ui.hint(&resolve_hint(run));
    }
    let Some(dataset_record) = &outcome.record else { return Ok(()) };
    app.ui.status(&format!("dvc.lock holds every other run of both sides: data version {}", dataset_record.version));
    let mut remaining: Vec<String> = project
        .repo
        .index_conflicts(false)
        .map_err(ProjectError::from)?
        .into_iter()
        .map(|(path, ..)| shell_quote(path))
        .collect();
    remaining.dedup();
    let conclude = match project.repo.current_operation() {
        Some(GitOperation::Rebase) => "git rebase --continue",
        Some(GitOperation::CherryPick) => "git cherry-pick --continue",
        Some(GitOperation::Revert) => "git revert --continue",
        _ => "git commit",
    };
    app.ui.hint(&match remaining.as_slice() {
        [] => format!("`{conclude}` concludes it"),
        remaining => format!("settle what else is in conflict ({}), then `{conclude}`", remaining.join(", ")),
    });
    Ok(())
}
