//! `capture-hook log`: data versions in history.

mod screen;

use std::collections::BTreeSet;

use screen::LogRows;

use super::complete;
use crate::app::{App, CommandOutcome};
use crate::error::Error;
use crate::history::erased::ErasedRuns;
use crate::history::logged_runs::{LoggedRun, list_logged_runs};
use crate::history::{self, DatasetCommit, History, catalog};
use crate::output::human;
use crate::output::json::{LogJson, LogRunJson, LogVersionJson};
use crate::run::RunKey;

/// Arguments of `log`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  capture-hook log                 every commit that changed the dataset, newest first
  capture-hook log nav/r1          only those that introduced or removed this run
  capture-hook log -n 1 --runs     each run of the newest one
  capture-hook log -n 5 --json

TAG is the number of the run's tag on that commit: v1 is capture/<experiment>/<run_id>, v2 is …@v2, `-` is no tag
(`capture-hook tag` makes it again), `all` is one tag for all runs of the commit: captures/ and the data version. DATA is where the run's bytes are: here (DVC's cache), on the remote, erased for good, or not found.
A commit of more than five runs is one line: STEPS is their sum, and what is not the same for all of them is counted.
History is read from commits and DVC's .dir objects, so a run is listed even if its tag is lost.")]
pub struct Args {
    /// Only commits that introduced or removed this run.
    #[arg(value_name = "RUN|TAG", add = complete::run_and_tag_candidates())]
    run: Option<String>,
    /// Print at most N data versions.
    #[arg(short = 'n', long, value_name = "N")]
    number: Option<usize>,
    /// A line for each run, also of a commit of many.
    #[arg(long)]
    runs: bool,
}

/// Runs the command.
pub fn run(app: &App, args: &Args) -> Result<CommandOutcome, Error> {
    let project = app.open_project()?;
    let wait = app.ui.wait("reading the history");
    // Declared out here because `history` may borrow from it.
    let catalog;
    let (history, only): (&History, Option<RunKey>) = match &args.run {
        Some(query) => {
            catalog = catalog::load_catalog(&project)?;
            let target = catalog::resolve_query(&project, &catalog, &app.cwd, query)?;
            (&catalog.history, Some(target.key))
        }
        None => (&history::load_history(&project)?, None),
    };
    let most = args.number.unwrap_or(usize::MAX);
    let changes: Vec<&DatasetCommit> = match &only {
        Some(run) => history.changes_of(run).take(most).collect(),
        None => history.dataset_commits.iter().take(most).collect(),
    };
    let logged = list_logged_runs(&project, history, &changes, only.as_ref())?;
    drop(wait);
    let merges: Vec<bool> = changes.iter().map(|change| change.commit.parents.len() > 1).collect();
    let versions: Vec<LogVersionJson> = changes
        .into_iter()
        .zip(logged)
        .map(|(change, runs)| {
            let mut version = version_json(history, change, runs.into_iter().map(run_json).collect());
            if let Some(only) = &only {
                version.removed.retain(|run| *run == only.to_string());
            }
            version
        })
        .collect();
    let erased = ErasedRuns::load(&project)?;
    let erased: BTreeSet<String> = erased.runs().into_iter().map(ToString::to_string).collect();
    if app.ui.json() {
        app.ui.print_json(&LogJson { versions });
    } else if versions.is_empty() {
        match only {
            Some(run) => app.ui.status(&format!("no commit holds {run}")),
            None => app.ui.status("no commit holds a data version yet"),
        }
        app.ui.hint("see what to do next: `capture-hook status`");
    } else {
        let pager = project.repo.config_value("core.pager")?;
        let rows = LogRows { erased: &erased, folds: !args.runs };
        let (text, is_folded) = rows.render_table(&versions, &merges, app.ui.table_width());
        app.ui.page_text(&text, &app.env, pager.as_deref());
        if is_folded {
            app.ui.hint("see each run: `capture-hook log --runs`");
        }
    }
    Ok(CommandOutcome::Done)
}

fn run_json(run: LoggedRun) -> LogRunJson {
    LogRunJson {
        run: run.key.to_string(),
        tag: run.tag,
        config_hash: run.facts.config,
        steps: run.facts.steps,
        episodes: run.facts.episodes,
        cache: run.cache,
        remote: run.remote,
    }
}

fn version_json(history: &History, change: &DatasetCommit, runs: Vec<LogRunJson>) -> LogVersionJson {
    let dataset_record = &change.record;
    LogVersionJson {
        commit: change.commit.id.to_string(),
        committed_at: human::format_iso(change.commit.time),
        author: change.commit.author.clone(),
        subject: change.commit.subject(),
        on_head: change.on_head,
        data_version: dataset_record.version.to_string(),
        tag: history.version_tag_at(&change.commit.id).map(|tag| tag.tag.name.clone()),
        run_count: count_runs(change),
        size: dataset_record.size,
        files: dataset_record.nfiles,
        runs,
        removed: change.removed.iter().map(ToString::to_string).collect(),
        reason: change.removal_reason(),
        partial: change.partial,
    }
}

/// How many runs a commit introduced: as its message says, if this clone lacks the file lists that show it.
fn count_runs(change: &DatasetCommit) -> Option<u64> {
    if !change.partial {
        return Some(change.introduced.len() as u64);
    }
    let recorded = history::parse_all_trailers(&change.commit.message).all_runs;
    recorded.into_iter().find(|recorded| recorded.data == change.record.version).map(|recorded| recorded.count)
}
