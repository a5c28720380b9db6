//! `capture-hook log`: data versions in history.

use std::collections::BTreeSet;

use anstyle::{AnsiColor, Style};

use super::complete;
use crate::app::{App, CommandOutcome};
use crate::error::Error;
use crate::history::erased::ErasedRuns;
use crate::history::logged_runs::{LoggedRun, list_logged_runs};
use crate::history::{self, DatasetCommit, History, catalog};
use crate::output::json::{LogJson, LogRunJson, LogVersionJson};
use crate::output::table::{ColumnStyle, TextTable, shorten_text, styled_cell};
use crate::output::{StyledText, human};
use crate::run::RunKey;
use crate::support::text::{format_count, format_plural};
use crate::support::visible::escape_control;

/// Arguments of `log`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  capture-hook log                 every commit that changed the dataset, newest first
  capture-hook log nav/r1          only those that introduced or removed this run
  capture-hook log -n 5 --json

TAG is the number of the run's tag on that commit: v1 is capture/<experiment>/<run_id>, v2 is …@v2, `-` is no tag
(`capture-hook tag` makes it again), `all` is one tag for all runs of the commit: captures/ and the data version. DATA is where the run's bytes are: here (DVC's cache), on the remote, erased for good, or not found.
History is read from commits and DVC's .dir objects, so a run is listed even if its tag is lost.")]
pub struct Args {
    /// Only commits that introduced or removed this run.
    #[arg(value_name = "RUN|TAG", add = complete::run_and_tag_candidates())]
    run: Option<String>,
    /// Print at most N data versions.
    #[arg(short = 'n', long, value_name = "N")]
    number: Option<usize>,
}

/// Runs the command.
pub fn run(app: &App, args: &Args) -> Result<CommandOutcome, Error> {
    let project = app.open_project()?;
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
        app.ui.page_text(&render_table(app, &versions, &erased), &app.env, pager.as_deref());
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

/// The characters of a reason that a line has room for; `--json` has all of it.
const MOST_OF_A_REASON: usize = 60;

fn render_table(app: &App, versions: &[LogVersionJson], erased: &BTreeSet<String>) -> StyledText {
    const YELLOW: Style = AnsiColor::Yellow.on_default();
    const GREEN: Style = AnsiColor::Green.on_default();
    const DIM: Style = Style::new().dimmed();
    let mut table = TextTable::new([
        ColumnStyle::Left("COMMIT"),
        ColumnStyle::Left("DATE"),
        ColumnStyle::Left("RUN"),
        ColumnStyle::Right("STEPS"),
        ColumnStyle::Left("TAG"),
        ColumnStyle::Left("DATA"),
        ColumnStyle::Spare("CONFIG"),
    ]);
    for version in versions {
        let commit = version.commit.get(..9).unwrap_or(&version.commit);
        // The date of a time in ISO 8601 (2026-11-24T02:15:50Z).
        let date = version.committed_at.get(..10).unwrap_or_default();
        let style = if version.on_head { YELLOW } else { DIM };
        for run in &version.runs {
            let number = run.tag.as_ref().map(|tag| tag.rsplit_once('@').map_or("v1", |(_, v)| v));
            // In this order: data that is here is of use at once, data on the remote after a download.
            let data = match (run.cache, run.remote) {
                ("all", "all") => styled_cell("here, remote", GREEN),
                ("all", _) => styled_cell("here", GREEN),
                (_, "all") => styled_cell("remote", DIM),
                // Some objects can be left, because other runs have them, too.
                _ if erased.contains(&run.run) => styled_cell("erased", DIM),
                ("some", _) => styled_cell("in part", YELLOW),
                (_, "unknown") => styled_cell("not here", DIM),
                _ => styled_cell("nowhere", AnsiColor::Red.on_default()),
            };
            table.push_row([
                styled_cell(commit, style),
                date.into(),
                (&run.run).into(),
                run.steps.map_or_else(|| "-".into(), format_count).into(),
                number.unwrap_or(if version.tag.is_some() { "all" } else { "-" }).into(),
                data,
                run.config_hash.as_deref().and_then(|hash| hash.get(..8)).unwrap_or("-").into(),
            ]);
        }
        for run in &version.removed {
            let note = if erased.contains(run) { "erased" } else { "removed" };
            let note = styled_cell(note, AnsiColor::Red.on_default());
            table.push_row([styled_cell(commit, style), date.into(), run.into(), "".into(), "".into(), note]);
        }
        if let Some(reason) = version.reason.as_ref().filter(|_| !version.removed.is_empty()) {
            let reason = format!("(reason: {})", shorten_text(&escape_control(reason), MOST_OF_A_REASON));
            table.push_note([styled_cell(commit, style), date.into(), styled_cell(reason, DIM)]);
        }
        if version.runs.is_empty() && version.removed.is_empty() {
            let what = match (version.partial, version.run_count) {
                (true, Some(count)) => {
                    format!("({}; the list of them is not in this clone)", format_plural(count, "run"))
                }
                (true, None) => "(its data version is not in this clone)".into(),
                (false, _) => "(other files)".into(),
            };
            table.push_row([styled_cell(commit, style), date.into(), styled_cell(what, DIM)]);
        }
    }
    table.render_text(app.ui.terminal_width())
}
