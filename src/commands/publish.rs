//! `capture-hook publish`: select, commit through the hooks, data to the remote, git push.

use std::collections::HashMap;
use std::path::PathBuf;

use crate::app::{App, CommandOutcome};
use crate::commit::publish::{PublishOutcome, PublishRequest};
use crate::commit::{CommitRefused, publish, tags};
use crate::error::{Error, ExitKind};
use crate::git::Oid;
use crate::hooks::report_tags;
use crate::output::human;
use crate::output::json::PublishJson;
use crate::project::Project;
use crate::project::dir::ProjectDir;
use crate::run::discover::RunDir;
use crate::support::text::{FEW, format_bytes, format_plural};
use crate::sync::push::{self, CheckDepth};
use crate::sync::push_target::{PushTarget, push_target};
use crate::validate::ValidationReport;
use crate::{commit, history, hooks};

/// Arguments of `publish`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Without RUN, the selected run. Several runs make one commit, each with its trailers and its tag; the last one stays selected.
Of more than five runs one line says how many were committed, instead of their names. All are validated before anything changes. Only our files are committed (params.yaml, dvc.lock, metrics/), whatever else is
staged.

Examples:
  capture-hook publish                        the selected run
  capture-hook publish latest -m 'Baseline'
  capture-hook publish --force demo/r1        parquet of an older version, written again
  capture-hook publish --all-new --no-push")]
pub struct Args {
    /// The runs; without any, the selected one.
    #[arg(value_name = "RUN", conflicts_with = "all_new", add = super::complete::run_candidates())]
    pub runs: Vec<String>,
    /// All recorded runs that are not committed yet, except invalid ones, which are named.
    #[arg(long)]
    pub all_new: bool,
    /// Write parquet, manifest and index of committed runs again, as this version does.
    #[arg(long, conflicts_with = "all_new")]
    pub force: bool,
    /// The commit message.
    #[arg(short, long, value_name = "MSG")]
    pub message: Option<String>,
    /// Commit only: push neither data nor commits.
    #[arg(long)]
    pub no_push: bool,
}

/// Runs the command.
pub fn run(app: &App, args: &Args) -> Result<CommandOutcome, Error> {
    let mut project = app.open_project()?;
    // First, before anything changes: a commit in the middle of a merge or rebase would conclude its step.
    publish::refuse_during_operation(&project)?;
    let project_dir = ProjectDir::find(&project.root)?;
    if args.force && !commit::can_ingest_many(&project)? {
        let message = "--force works only where the stage's command is `capture-hook ingest`";
        return Err(
            Error::new(ExitKind::Usage, "force_unsupported", message).hint("run the stage's own command instead")
        );
    }
    let detached = project.repo.is_detached()?;
    // Refused before the commit is made, not when it cannot be pushed.
    if detached && !args.no_push && push_target(&project)? != PushTarget::None {
        let message = "HEAD is detached: a commit would be on no branch, and there is no branch to push";
        return Err(Error::new(ExitKind::Setup, "detached_head", message)
            .hint("make a branch with `git switch -c NAME`, then run the same command again")
            .hint("or commit without pushing: `--no-push`"));
    }
    let SelectedRuns { runs, reports, left_out } = select_runs(app, args, &project, &project_dir)?;
    if runs.is_empty() {
        app.ui.status("no new run to publish");
        return Ok(if left_out == 0 { CommandOutcome::Done } else { CommandOutcome::CheckFailed });
    }
    let request = PublishRequest {
        project_dir: &project_dir,
        runs: &runs,
        reports: &reports,
        message: args.message.as_deref(),
        force: args.force,
    };
    let outcome = publish::publish_runs(&mut project, &request, &app.ui)?;
    let head = project.repo.resolve_commit("HEAD")?;
    let is_many = outcome.runs.len() > FEW;
    report_outcome(app, &outcome, &head, runs.iter().map(|run| ProjectDir::dir_size(run)).sum());
    if outcome.committed {
        report_commit(app, &project, &head, &outcome)?;
        if detached {
            app.ui.warn(&format!("HEAD is detached: {} is on no branch", head.short()));
            app.ui.hint("make a branch of it: `git switch -c NAME`");
        }
    }
    let pushed = if args.no_push { false } else { push_all(app, &project, is_many)? };
    if app.ui.json() {
        app.ui.print_json(&PublishJson {
            runs: outcome.runs.iter().map(ToString::to_string).collect(),
            commit: head.to_string(),
            committed: outcome.committed,
            data_version: outcome.record.version.to_string(),
            pushed,
        });
    } else if !is_many {
        for run in &outcome.runs {
            app.ui.print_value(run.to_string());
        }
    } else if outcome.committed && pushed {
        app.ui.hint("see the runs: `capture-hook log -n 1 --runs`");
    } else if outcome.committed && args.no_push {
        app.ui.hint("send data, commit and tags: `git push --follow-tags`");
    }
    // Last, when it stays in view: the next `git commit` or `git push` relies on the hooks.
    hooks::warn_unreached(app, &project.repo);
    Ok(if left_out == 0 { CommandOutcome::Done } else { CommandOutcome::CheckFailed })
}

/// Says what was committed: of many runs, as the result, else as a message before the names of the runs.
fn report_outcome(app: &App, outcome: &PublishOutcome, head: &Oid, bytes: u64) {
    let names: Vec<String> = outcome.runs.iter().map(ToString::to_string).collect();
    let runs = match names.as_slice() {
        [one] => one.clone(),
        many if many.len() <= FEW => format_plural(many.len() as u64, "run"),
        many => human::describe_runs(many.iter().map(String::as_str)),
    };
    let line = match (outcome.committed, names.len()) {
        (true, _) => format!("committed {runs} as {}", head.short()),
        (false, 1) => format!("{runs} is already committed"),
        (false, _) => format!("{runs} are already committed"),
    };
    if names.len() <= FEW || app.ui.json() {
        app.ui.status(&line);
    } else {
        let steps = format_plural(outcome.steps, "step");
        app.ui.print_line(&format!("{line}: {steps}, {}", format_bytes(bytes)));
    }
}

/// Makes the tags that post-commit has not made, and says what is wrong with the commit.
fn report_commit(app: &App, project: &Project, head: &Oid, outcome: &PublishOutcome) -> Result<(), Error> {
    let recorded = history::parse_all_trailers(&project.repo.read_commit(head)?.message);
    if recorded.runs.is_empty() && recorded.all_runs.is_empty() {
        app.ui.warn("the commit has no trailers: the hooks did not run");
    }
    // If post-commit ran, the tags are there, and what kept one from being made was printed.
    let mut tagged = tags::tag_commit(project, head, &[], &app.ui)?;
    tagged.retain(|tag| !was_printed(tag.failure_message().as_deref(), &outcome.printed));
    report_tags(app, tagged);
    Ok(())
}

/// The runs to publish.
#[derive(Default)]
struct SelectedRuns {
    /// Their directories.
    runs: Vec<PathBuf>,
    /// What was found in those that were validated.
    reports: HashMap<PathBuf, ValidationReport>,
    /// How many were left out.
    left_out: usize,
}

fn select_runs(app: &App, args: &Args, project: &Project, project_dir: &ProjectDir) -> Result<SelectedRuns, Error> {
    if !args.all_new {
        if args.runs.is_empty() {
            let selected = project_dir.read_selection()?.run_dir.ok_or(CommitRefused::NothingSelected)?;
            return Ok(SelectedRuns { runs: vec![project_dir.root.join(selected)], ..SelectedRuns::default() });
        }
        let dirs = args.runs.iter().map(|run| project_dir.resolve_run(&app.cwd, run)).collect::<Result<Vec<_>, _>>()?;
        // The same run may be named twice, or lie in two directories with equal files.
        let runs = project_dir.distinct_runs(dirs.iter().map(|dir| RunDir::read(dir)).collect())?;
        let runs = runs.into_iter().map(|run| run.dir).collect();
        return Ok(SelectedRuns { runs, ..SelectedRuns::default() });
    }
    let wait = app.ui.wait("looking for new runs");
    let new = publish::new_runs(project, project_dir)?;
    drop(wait);
    new.left_out.iter().for_each(|line| app.ui.warn(line));
    // On purpose: this is no failure.
    new.removed.iter().for_each(|line| app.ui.status(line));
    let mut selected = SelectedRuns { left_out: new.left_out.len(), ..SelectedRuns::default() };
    let run_dirs: Vec<String> = new.runs.iter().map(|run| project_dir.relative_display(run)).collect();
    let reports = commit::validate_runs(project, &run_dirs, &app.ui)?;
    for (run, report) in new.runs.into_iter().zip(reports) {
        match report {
            Ok(report) => {
                selected.reports.insert(run.clone(), report);
                selected.runs.push(run);
            }
            Err(refused @ CommitRefused::Invalid { .. }) => {
                // One invalid run does not keep the others back; the exit code shows it.
                selected.left_out += 1;
                app.ui.warn(&format!("left out: {refused}"));
            }
            Err(refused) => return Err(refused.into()),
        }
    }
    Ok(selected)
}

/// Data first, then git. Returns whether git pushed.
fn push_all(app: &App, project: &Project, is_many: bool) -> Result<bool, Error> {
    let required = push::list_all_required_versions(project, &publish::unpushed_range(project)?)?;
    // Lists are enough here: a list on the remote vouches for its files. `push` looks up every file.
    let upload = push::upload_versions(project, &required, CheckDepth::ListsOnly, &app.ui)?;
    let target = push_target(project)?;
    // With many runs, one line says what was sent to both remotes.
    if !is_many || target == PushTarget::None {
        app.ui.status(&format!("data: {}", upload.message));
    }
    if target == PushTarget::None {
        app.ui.hint(
            "no git remote to push to: run `git remote add origin URL`, then `git push -u --follow-tags origin HEAD`",
        );
        return Ok(false);
    }
    if !required.is_empty() {
        // Before the branch is pushed: `--follow-tags` sends only tags of commits that are pushed.
        super::tag::move_left_tags(app, project)?;
    }
    let pushed = publish::push_branch(project, &target, &app.ui);
    match &pushed {
        Ok(Some(refs)) => app.ui.status(&format!("pushed {refs}; data: {}", upload.message)),
        // Sent all the same if git's push failed.
        _ if is_many => app.ui.status(&format!("data: {}", upload.message)),
        _ => {}
    }
    pushed.map(|_| true)
}

/// Whether a line that git or a hook printed ends with this message's first line.
fn was_printed(message: Option<&str>, lines: &[String]) -> bool {
    let first_line = message.and_then(|message| message.lines().next());
    first_line.is_some_and(|first_line| lines.iter().any(|line| line.ends_with(first_line)))
}
