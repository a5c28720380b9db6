//! `capture-hook runs`: lists all known runs, with the metrics by which they are compared.

use std::cmp::Ordering;
use std::sync::atomic::{AtomicUsize, Ordering as Order};
use std::sync::{Mutex, PoisonError};

use anstyle::{AnsiColor, Style};

use super::complete;
use crate::app::{App, CommandOutcome};
use crate::columnar::{DeclaredMetric, FigureSet, RunMetrics};
use crate::dataset::location::RunLocation;
use crate::error::{Error, Explain};
use crate::formats::json::JsonValue;
use crate::history::DatasetCommit;
use crate::history::catalog::{self, Catalog, CatalogRun};
use crate::output::json::{RunJson, RunsJson};
use crate::output::table::{Cell, ColumnStyle, TextTable, styled_cell};
use crate::output::{StyledText, human};
use crate::project::Project;
use crate::run::StartTime;
use crate::support::progress::Progress;
use crate::support::text::format_count;
use crate::{columnar, hooks};

/// Arguments of `runs`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  capture-hook runs                                all runs, newest first
  capture-hook runs -e nav --sort reward           the best run of an experiment on top
  capture-hook runs --new                          runs that are recorded and not committed
  capture-hook runs --json | jq -r '.runs[].run'

STATE: `new` is only recorded; `ingested` is in the dataset, but not committed; `committed` is in history, and its data is in
this clone; `elsewhere` is in history, but its data is not in this clone (`capture-hook pull RUN` fetches it). `*` marks the
selected run. SUCCESS is the share of episodes that succeeded, if the runs say so; REWARD is the mean reward of an episode;
metrics that a run's schema.json declares follow, as far as the terminal is wide. For a `new` run they are shown after it is
ingested (`capture-hook show RUN` computes them).")]
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
    let project = app.open_project()?;
    let catalog = catalog::load_catalog(&project)?;
    let selected_runs: Vec<CatalogRun> = catalog
        .runs()
        .filter(|run| args.experiment.as_deref().is_none_or(|e| run.key.experiment() == e))
        .filter(|run| !args.new || !run.sources.in_history)
        .collect();
    // The threads finish in any order; sorting makes the output the same each time.
    let mut rows = run_rows(app, &project, &catalog, &selected_runs)?;
    sort_rows(&mut rows, args.sort);
    if app.ui.json() {
        app.ui.print_json(&RunsJson { runs: rows });
    } else if rows.is_empty() {
        report_no_runs(app, args, &project, &catalog)?;
    } else {
        let pager = project.repo.config_value("core.pager")?;
        app.ui.page_text(&render_table(app, &rows), &app.env, pager.as_deref());
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

/// Each run's row. What is in files is read by several threads.
fn run_rows(
    app: &App,
    project: &Project,
    catalog: &Catalog,
    catalog_runs: &[CatalogRun],
) -> Result<Vec<RunJson>, Error> {
    let mut drafts = Vec::new();
    for catalog_run in catalog_runs {
        let change = catalog.history.latest_commit(&catalog_run.key);
        let location = catalog::find_run_location(project, catalog, catalog_run, None)?;
        drafts.push((draft_row(catalog, catalog_run, change, location.as_ref()), location));
    }
    let bar = app.ui.progress("reading runs", None);
    let (next_index, finished) = (AtomicUsize::new(0), Mutex::new(Vec::with_capacity(drafts.len())));
    let work = || {
        loop {
            // The counter only hands out indices, and the rows are behind the lock: no other order is needed.
            let at = next_index.fetch_add(1, Order::Relaxed);
            let Some((row, location)) = drafts.get(at) else { break };
            let mut row = row.clone();
            if let Some(location) = location {
                fill_from_files(&mut row, location);
            }
            bar.advance_by(1);
            // A poisoned lock still guards whole rows: each is pushed at once.
            finished.lock().unwrap_or_else(PoisonError::into_inner).push(row);
        }
    };
    // One thread if their number cannot be found out, and no more than there are runs.
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(drafts.len().max(1));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    Ok(finished.into_inner().unwrap_or_else(PoisonError::into_inner))
}

fn draft_row(
    catalog: &Catalog,
    catalog_run: &CatalogRun,
    change: Option<&DatasetCommit>,
    location: Option<&RunLocation>,
) -> RunJson {
    let key = &catalog_run.key;
    let tags = catalog.history.tags_of(key);
    let record = tags.last().and_then(|tag| tag.record.as_ref());
    let cached_share = match location {
        // The recorder's directory is looked at last: a committed run found there was not found in the cache.
        None | Some(RunLocation::Recorded(_)) if catalog_run.sources.in_history => "none",
        Some(RunLocation::Cache { cache, entries, .. }) if !entries.iter().all(|e| cache.has_object(e.md5)) => "some",
        None => "none",
        Some(_) => "all",
    };
    RunJson {
        run: key.to_string(),
        experiment: key.experiment().into(),
        run_id: key.run_id().into(),
        start_time: None,
        recorded: catalog_run.sources.recorded.clone(),
        // A run in one directory only has no entry.
        duplicates: catalog.duplicates.0.get(key).cloned().unwrap_or_default(),
        in_dataset: catalog_run.sources.in_dataset,
        selected: catalog.selected.as_ref() == Some(key),
        commit: change.map(|c| c.commit.id.to_string()),
        committed_at: change.map(|c| human::format_iso(c.commit.time)),
        data_version: change.map(|c| c.record.version.to_string()).or_else(|| record.map(|r| r.data.to_string())),
        tags: tags.iter().map(|tag| tag.tag.name.clone()).collect(),
        cached: cached_share,
        config_hash: record.and_then(|r| r.config.clone()),
        steps: record.and_then(|r| r.steps),
        episodes: record.and_then(|r| r.episodes),
        metrics: None,
        figures: None,
    }
}

/// What a run's own files add.
fn fill_from_files(row: &mut RunJson, location: &RunLocation) {
    let text = |value: &JsonValue, key: &str| value.get(key).and_then(JsonValue::as_str).map(str::to_owned);
    // A file that cannot be read leaves the tag's record, or `-`: a damaged run must not hide the others.
    if let Some(run) = location.read_run_json() {
        row.start_time = text(&run, "start_time");
        row.config_hash = run.get("env_config").map(JsonValue::config_hash).or(row.config_hash.take());
    }
    if let Some(Ok(metrics)) = location.read_metrics() {
        (row.steps, row.episodes) = (Some(metrics.steps), Some(metrics.episodes));
        row.figures = Some(metrics.figures);
        row.metrics = Some(metrics);
    } else {
        row.figures = location.read_schema().map(|schema| FigureSet::of_schema(&schema));
    }
}

fn sort_rows(rows: &mut [RunJson], by: RunSort) {
    let metric_of = |row: &RunJson, of: fn(&columnar::RunMetrics) -> Option<f64>| row.metrics.as_ref().and_then(of);
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
    rows.sort_by(|a, b| {
        let first = match by {
            RunSort::Time => start_order(b).cmp(&start_order(a)),
            RunSort::Reward => compare_known(metric_of(a, |f| f.mean_reward), metric_of(b, |f| f.mean_reward), false),
            RunSort::Success => {
                compare_known(metric_of(a, |f| f.success_rate), metric_of(b, |f| f.success_rate), false)
            }
            RunSort::Steps => compare_known(metric_of(a, |f| f.mean_steps), metric_of(b, |f| f.mean_steps), true),
            RunSort::Name => Ordering::Equal,
        };
        first.then_with(|| a.run.cmp(&b.run))
    });
}

/// What runs are ordered by in time, `latest` last.
fn start_order(row: &RunJson) -> (StartTime, &str, &str) {
    let start = row.start_time.as_deref().map_or_else(StartTime::default, StartTime::new);
    (start, &row.experiment, &row.run_id)
}

fn render_table(app: &App, rows: &[RunJson]) -> StyledText {
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
    let metric_cell = |row: &RunJson, is_shown: bool, of: fn(&RunMetrics) -> Option<f64>, say: fn(f64) -> String| {
        let metric = row.metrics.as_ref().and_then(of);
        // A column of empty cells is left out.
        Cell::from(if is_shown { metric.map_or_else(|| "-".into(), say) } else { String::new() })
    };
    for row in rows {
        let state: Cell = match run_state(row) {
            "new" => styled_cell("new", YELLOW),
            "ingested" => styled_cell("ingested", YELLOW),
            "elsewhere" => styled_cell("elsewhere", DIM),
            state => styled_cell(state, GREEN),
        };
        let started = row.start_time.as_deref().unwrap_or("-");
        let cells = [
            styled_cell(if row.selected { "*" } else { " " }, GREEN.bold()),
            (&row.run).into(),
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
    table.render_text(app.ui.terminal_width())
}

fn declared_metrics(row: &RunJson) -> impl Iterator<Item = &DeclaredMetric> {
    row.metrics.iter().flat_map(|metrics| metrics.declared.iter().flatten())
}

/// The metrics that the runs' schemas declare, in the order in which they come.
fn declared_names(rows: &[RunJson]) -> Vec<&str> {
    let mut names = Vec::new();
    for metric in rows.iter().flat_map(declared_metrics) {
        if !names.contains(&metric.name.as_str()) {
            names.push(metric.name.as_str());
        }
    }
    names
}

/// Whether any run has such a figure. If it is known of no run which ones it has, it counts as yes.
fn any_has(rows: &[RunJson], of: fn(FigureSet) -> bool) -> bool {
    let mut known = rows.iter().filter_map(|row| row.figures).peekable();
    known.peek().is_none() || known.any(of)
}

fn run_state(row: &RunJson) -> &'static str {
    match (row.commit.is_some() || !row.tags.is_empty(), row.in_dataset, row.recorded.is_some()) {
        (true, ..) if row.cached == "all" => "committed",
        (true, ..) => "elsewhere",
        (false, true, _) => "ingested",
        (false, false, true) => "new",
        // Only a merge's data version holds it.
        (false, false, false) => "elsewhere",
    }
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
