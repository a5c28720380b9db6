//! `capture-hook resolve`: resolves a run that both sides of a merge changed, and merges all others.

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
#[command(
    override_usage = "capture-hook resolve RUN --ours|--theirs|--both",
    after_help = "\
For a `git merge` (or rebase, cherry-pick, stash pop) that left dvc.lock in conflict, because both sides changed one run. That
run gets the files you choose; all other runs of both sides stay. `--ours` and `--theirs` mean the same as in git: in a rebase,
theirs is the commit that is replayed.

With `--both`, the other side's files are kept beside the run, byte for byte, in a folder named RUN-theirs.

Examples:
  capture-hook resolve demo/r1 --theirs && git commit
  capture-hook get demo/r1 --rev MERGE_HEAD -o ../their-r1     look at the other side's first"
)]
pub struct Args {
    /// The run.
    #[arg(value_name = "RUN", add = super::complete::run_candidates())]
    pub run: String,
    /// Which side's files it gets.
    #[command(flatten)]
    pub side: SideArgs,
}

/// Whose files.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub struct SideArgs {
    /// Keep the current side's files.
    #[arg(long)]
    pub ours: bool,
    /// Keep the other side's files.
    #[arg(long)]
    pub theirs: bool,
    /// Keep both; the other side's files get a new run id.
    #[arg(long)]
    pub both: bool,
}

/// Runs the command.
pub fn run(app: &App, args: &Args) -> Result<CommandOutcome, Error> {
    let mut project = app.open_project()?;
    let choice = match args.side {
        SideArgs { theirs: true, .. } => RunChoice::Theirs,
        SideArgs { both: true, .. } => RunChoice::Both,
        // clap requires one of the three options, so that this is `--ours`.
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
        (RunChoice::Both, None) => app.ui.print_line(&format!("{run}: the side that has the run keeps its files")),
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
        app.ui.status(&format!("{run} is still in conflict"));
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
    // The index lists a path once for each stage of a conflict, one after another.
    remaining.dedup();
    let conclude = match project.repo.current_operation() {
        Some(GitOperation::Rebase) => "git rebase --continue",
        Some(GitOperation::CherryPick) => "git cherry-pick --continue",
        Some(GitOperation::Revert) => "git revert --continue",
        // A merge, or no operation at all, as after `git stash apply`.
        _ => "git commit",
    };
    app.ui.hint(&match remaining.as_slice() {
        [] => format!("to finish: `{conclude}`"),
        remaining => format!("resolve the other conflicts ({}), then run `{conclude}`", remaining.join(", ")),
    });
    Ok(())
}
