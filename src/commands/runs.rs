//! `capture-hook runs`: lists all known runs, with the metrics by which they are compared, one by one or in groups.

mod groups;
mod left_out;

use std::cmp::Ordering;

use anstyle::{AnsiColor, Style};

use super::complete;
use crate::app::{App, CommandOutcome};
use crate::columnar::{DeclaredMetric, FigureSet, RunMetrics};
use crate::error::{Error, Explain};
use crate::history::catalog::{self, Catalog, CatalogRun};
use crate::history::listed_runs::{ListedRemoval, ListedRun, ListedState, list_runs};
use crate::history::run_filter::{FilteredRuns, RunFilter};
use crate::hooks;
use crate::output::json::{RemovedJson, RunJson, RunsJson};
use crate::output::table::{Cell, ColumnStyle, TextTable, styled_cell};
use crate::output::{StyledText, human};
use crate::project::Project;
use crate::support::text::format_count;

/// Arguments of `runs`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  capture-hook runs                                all runs, newest first
  capture-hook runs -e nav --sort reward           the best run of an experiment on top
  capture-hook runs --new                          runs that are recorded and not committed
  capture-hook runs --where 'reward > 0 and env_config.sigma == 12'
  capture-hook runs --where 'not (success < 0.5 or seed == 7)'
  capture-hook runs --where 'started >= 2026-01-31 and not tag == null'
  capture-hook runs --group                        runs that differ in their seeds as one line
  capture-hook runs --json | jq -r '.runs[].run'

STATE: `new` is only recorded; `ingested` is in the dataset, but not committed; `committed` is in history, and its data is in
this clone; `remote` is in history, but its data is not in this clone (`capture-hook pull RUN` fetches it); `removed` was
removed from HEAD's dataset (`capture-hook show RUN` says why, `restore RUN` puts it back); `erased` was removed, and its data is
gone for good. `*` marks the selected run. SUCCESS is the share of episodes that succeeded, if the runs say so; REWARD is the mean reward of an episode;
metrics that a run's schema.json declares follow, as far as the terminal is wide. For a `new` run they are shown after it is
ingested (`capture-hook show RUN` computes them).

FILTER compares keys with values: == != < <= > >= and ~ (contains), joined by `and`, `or`, `not` and parentheses. Keys are \
run, experiment, run_id, state, started, steps, episodes, success (0 to 1), reward, seed, seeds (how many), commit, committed, \
author, tag, the other figures as --json names them, declared metrics, and env_config.KEY (KEY or its end alone, if no other \
key has it). Quote a text that is no single word. `null` is no value; a date alone is that day in UTC. Runs of which it is not \
known whether they match are left out, and counted.

--group puts runs of one experiment together if their configuration is the same; keys named seed or seeds, or ending in _seed \
or _seeds, do not count. STEPS, SUCCESS, REWARD and declared metrics are then means over the runs; behind `±` is half of the \
95 % interval (Student's t).")]
pub struct Args {
    /// Only the runs of this experiment.
    #[arg(short, long, value_name = "EXPERIMENT", add = complete::experiment_candidates())]
    experiment: Option<String>,
    /// The order: newest first, highest reward or success first, fewest steps first, or by name.
    #[arg(long, value_name = "KEY", default_value = "time")]
    sort: RunSort,
    /// Only runs that are in no commit.
    #[arg(long)]
    new: bool,
    /// Only runs that match, such as `reward > 0`; see FILTER below.
    #[arg(long = "where", value_name = "FILTER")]
    filter: Option<String>,
    /// One line for all runs of the same configuration, seeds aside.
    #[arg(long)]
    group: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum RunSort {
    Time,
    Reward,
    Success,
    Steps,
    Name,
}

/// Runs the command.
pub fn run(app: &App, args: &Args) -> Result<CommandOutcome, Error> {
    // First: a mistake in it needs no repository.
    let filter = args.filter.as_deref().map(RunFilter::parse).transpose()?;
    let project = app.open_project()?;
    let catalog = catalog::load_catalog(&project)?;
    let selected_runs: Vec<CatalogRun> = catalog
        .runs()
        .filter(|run| args.experiment.as_deref().is_none_or(|e| run.key.experiment() == e))
        .filter(|run| !args.new || !run.sources.in_history)
        .collect();
    let bar = app.ui.progress("reading runs", None);
    let runs = list_runs(&project, &catalog, &selected_runs, &bar)?;
    drop(bar);
    let FilteredRuns { mut runs, left_out } = match &filter {
        Some(filter) => filter.apply(runs)?,
        None => FilteredRuns { runs, left_out: Vec::new() },
    };
    sort_runs(&mut runs, args.sort);
    let groups = args.group.then(|| groups::sorted_groups(&runs, args.sort));
    if app.ui.json() {
        app.ui.print_json(&RunsJson {
            runs: runs.iter().map(|run| run_json(&catalog, run)).collect(),
            groups: groups.as_ref().map(groups::groups_json),
            left_out: filter.is_some().then(|| left_out::left_out_json(&left_out)),
        });
    } else if runs.is_empty() && filter.is_some() && !selected_runs.is_empty() {
        app.ui.status("no run matches");
    } else if runs.is_empty() {
        report_no_runs(app, args, &project, &catalog)?;
    } else {
        let width = app.ui.terminal_width();
        let text =
            groups.as_ref().map_or_else(|| render_table(&runs, width), |groups| groups::render_groups(groups, width));
        let pager = project.repo.config_value("core.pager")?;
        app.ui.page_text(&text, &app.env, pager.as_deref());
    }
    left_out::report_left_out(app, &left_out);
    if let Some(groups) = &groups {
        groups::report_ungrouped(app, groups);
    }
    for run in &catalog.left_out {
        app.ui.warn(&run.to_string());
    }
    if !catalog.duplicates.0.is_empty() {
        app.ui.warn(&catalog.duplicates.to_string());
        catalog.duplicates.explain().hints.iter().for_each(|hint| app.ui.hint(hint));
    }
    hooks::warn_unreached(app, &project.repo);
    Ok(CommandOutcome::Done)
}

fn run_json(catalog: &Catalog, run: &ListedRun) -> RunJson {
    RunJson {
        run: run.key.to_string(),
        experiment: run.key.experiment().into(),
        run_id: run.key.run_id().into(),
        start_time: run.start_time.clone(),
        recorded: run.sources.recorded.clone(),
        // A run in one directory only has no entry.
        duplicates: catalog.duplicates.0.get(&run.key).cloned().unwrap_or_default(),
        in_dataset: run.sources.in_dataset,
        selected: run.is_selected,
        state: run.state().as_str(),
        commit: run.commit.as_ref().map(|commit| commit.id.to_string()),
        committed_at: run.commit.as_ref().map(|commit| human::format_iso(commit.time)),
        data_version: run.data_version.map(|version| version.to_string()),
        removed: run.removal.as_ref().map(removed_json),
        tags: run.tags.clone(),
        cached: run.cached.as_str(),
        config_hash: run.config_hash.clone(),
        steps: run.steps,
        episodes: run.episodes,
        metrics: run.metrics.clone(),
    }
}

fn removed_json(ListedRemoval { commit, reason }: &ListedRemoval) -> RemovedJson {
    RemovedJson {
        commit: commit.id.to_string(),
        committed_at: human::format_iso(commit.time),
        author: commit.author.clone(),
        reason: reason.clone(),
    }
}

fn sort_runs(runs: &mut [ListedRun], by: RunSort) {
    let metric_of = |run: &ListedRun, of: fn(&RunMetrics) -> Option<f64>| run.metrics.as_ref().and_then(of);
    // What is not known comes last, whatever the order.
    let compare_known = |a: Option<f64>, b: Option<f64>, ascending: bool| match (a, b) {
        (Some(a), Some(b)) => {
            if ascending {
                a.total_cmp(&b)
            } else {
                b.total_cmp(&a)
            }
        }
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => Ordering::Equal,
    };
    runs.sort_by(|a, b| {
        let first = match by {
            RunSort::Time => b.start_order().cmp(&a.start_order()),
            RunSort::Reward => compare_known(metric_of(a, |f| f.mean_reward), metric_of(b, |f| f.mean_reward), false),
            RunSort::Success => {
                compare_known(metric_of(a, |f| f.success_rate), metric_of(b, |f| f.success_rate), false)
            }
            RunSort::Steps => compare_known(metric_of(a, |f| f.mean_steps), metric_of(b, |f| f.mean_steps), true),
            RunSort::Name => Ordering::Equal,
        };
        first.then_with(|| a.key.to_string().cmp(&b.key.to_string()))
    });
}

fn render_table(rows: &[ListedRun], width: usize) -> StyledText {
    const GREEN: Style = AnsiColor::Green.on_default();
    const YELLOW: Style = AnsiColor::Yellow.on_default();
    const DIM: Style = Style::new().dimmed();
    let declared = declared_names(rows);
    let headings: Vec<String> = declared.iter().map(|name| name.to_uppercase()).collect();
    let columns = [
        ColumnStyle::Left(""),
        ColumnStyle::Left("RUN"),
        ColumnStyle::Spare("STARTED"),
        ColumnStyle::Right("STEPS"),
        ColumnStyle::Right("EPISODES"),
        ColumnStyle::Right("SUCCESS"),
        ColumnStyle::Right("REWARD"),
    ];
    let metric_columns = headings.iter().map(|heading| ColumnStyle::SpareRight(heading));
    let mut table = TextTable::new(columns.into_iter().chain(metric_columns).chain([ColumnStyle::Left("STATE")]));
    let count = |n: Option<u64>| n.map_or_else(|| "-".into(), format_count);
    let has_success = any_has(rows, |figures| figures.success);
    let has_reward = any_has(rows, |figures| figures.reward);
    let has_start = rows.iter().any(|row| row.start_time.is_some());
    let metric_cell = |row: &ListedRun, is_shown: bool, of: fn(&RunMetrics) -> Option<f64>, say: fn(f64) -> String| {
        let metric = row.metrics.as_ref().and_then(of);
        // A column of empty cells is left out.
        Cell::from(if is_shown { metric.map_or_else(|| "-".into(), say) } else { String::new() })
    };
    for row in rows {
        let state: Cell = match row.state() {
            state @ (ListedState::New | ListedState::Ingested) => styled_cell(state.as_str(), YELLOW),
            state @ (ListedState::Remote | ListedState::Removed | ListedState::Erased) => {
                styled_cell(state.as_str(), DIM)
            }
            ListedState::Committed => styled_cell("committed", GREEN),
        };
        let started = row.start_time.as_deref().unwrap_or(if has_start { "-" } else { "" });
        let cells = [
            styled_cell(if row.is_selected { "*" } else { " " }, GREEN.bold()),
            (&row.key).into(),
            // The date of `2024-05-01T…`; a text that is shorter is shown whole.
            started.get(..10).unwrap_or(started).into(),
            count(row.steps).into(),
            count(row.episodes).into(),
            metric_cell(row, has_success, |f| f.success_rate, human::format_percent),
            metric_cell(row, has_reward, |f| f.mean_reward, human::format_number),
        ];
        let own = declared.iter().map(|name| {
            let metric = declared_metrics(row).find(|metric| metric.name == *name);
            Cell::from(metric.and_then(|metric| metric.value).map_or_else(|| "-".into(), human::format_number))
        });
        table.push_row(cells.into_iter().chain(own).chain([state]));
    }
    table.render_text(width)
}

fn declared_metrics(row: &ListedRun) -> impl Iterator<Item = &DeclaredMetric> {
    row.metrics.iter().flat_map(|metrics| metrics.declared.iter().flatten())
}

/// The metrics that the runs' schemas declare, in the order in which they come.
fn declared_names(rows: &[ListedRun]) -> Vec<&str> {
    let mut names = Vec::new();
    for metric in rows.iter().flat_map(declared_metrics) {
        if !names.contains(&metric.name.as_str()) {
            names.push(metric.name.as_str());
        }
    }
    names
}

/// Whether any run has such a figure. If it is known of no run which ones it has, it counts as yes.
fn any_has(rows: &[ListedRun], of: fn(FigureSet) -> bool) -> bool {
    let mut known = rows.iter().filter_map(|row| row.figures).peekable();
    known.peek().is_none() || known.any(of)
}

fn report_no_runs(app: &App, args: &Args, project: &Project, catalog: &Catalog) -> Result<(), Error> {
    let mut experiments: Vec<String> = catalog.runs().map(|run| run.key.experiment().to_owned()).collect();
    // The catalog is sorted by name, so that equal experiments are neighbours.
    experiments.dedup();
    match &args.experiment {
        Some(name) if !experiments.is_empty() => {
            app.ui.status(&format!("experiment `{name}` has no such run"));
            app.ui.hint(&format!("experiments: {}", experiments.join(", ")));
        }
        _ if args.new && !experiments.is_empty() => app.ui.status("every recorded run is committed"),
        _ => {
            let results = project.read_config()?.results_dir;
            app.ui.status("no runs yet");
            app.ui.hint(&format!("record one to {results}/<experiment>/<run_id>/"));
        }
    }
    Ok(())
}
