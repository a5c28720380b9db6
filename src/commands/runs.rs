//! `capture-hook runs`: every run known, with the figures by which runs are compared.

use std::cmp::Ordering;
use std::sync::atomic::{AtomicUsize, Ordering as Order};
use std::sync::{Mutex, PoisonError};

use anstyle::{AnsiColor, Style};

use super::complete;
use crate::app::{App, Outcome};
use crate::columnar::KeyFigures;
use crate::dataset::location::Place;
use crate::error::{Error, Explain};
use crate::formats::json::Value;
use crate::history::Change;
use crate::history::catalog::{Catalog, Known};
use crate::output::json::{RunRow, Runs};
use crate::output::table::{Cell, Column, Table, styled};
use crate::output::{Text, human};
use crate::project::Project;
use crate::run::StartTime;
use crate::support::progress::Progress;
use crate::{columnar, hooks};

/// Arguments of `runs`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  capture-hook runs                                all runs, newest first
  capture-hook runs -e nav --sort reward           the best run of an experiment on top
  capture-hook runs --new                          runs that are recorded and not committed
  capture-hook runs --json | jq -r '.runs[].run'

STATE: `new` is recorded only, `ingested` in the dataset and not committed, `committed` in history with its data here,
`elsewhere` in history with its data not in this clone (`capture-hook pull RUN` brings it). `*` marks the selected run.
SUCCESS is the share of episodes that reached the goal, REWARD the mean reward of an episode; for a `new` run they are
known once it is ingested (`capture-hook show RUN` works them out).")]
pub struct Args {
    /// Only the runs of this experiment.
    #[arg(short, long, value_name = "EXPERIMENT", add = complete::experiments())]
    experiment: Option<String>,
    /// What comes first: the newest, the highest reward or success, the fewest steps, or by name.
    #[arg(long, value_name = "KEY", default_value = "time")]
    sort: Sort,
    /// Only runs that are in no commit.
    #[arg(long)]
    new: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Sort {
    Time,
    Reward,
    Success,
    Steps,
    Name,
}

/// Runs the command.
pub fn run(app: &App, args: &Args) -> Result<Outcome, Error> {
    let project = app.project()?;
    let catalog = project.catalog()?;
    let wanted: Vec<Known> = catalog
        .runs()
        .filter(|run| args.experiment.as_deref().is_none_or(|e| run.key.experiment() == e))
        .filter(|run| !args.new || !run.seen.in_history)
        .collect();
    let mut rows = facts(app, &project, &catalog, &wanted)?;
    sort(&mut rows, args.sort);
    if app.ui.json() {
        app.ui.data_json(&Runs { runs: rows });
    } else if rows.is_empty() {
        nothing(app, args, &project, &catalog)?;
    } else {
        let pager = project.repo.config("core.pager")?;
        app.ui.page(&table(app, &rows), &app.env, pager.as_deref());
    }
    for run in &catalog.left_out {
        app.ui.warn(&run.to_string());
    }
    if !catalog.duplicates.0.is_empty() {
        app.ui.warn(&catalog.duplicates.to_string());
        catalog.duplicates.explain().hints.iter().for_each(|hint| app.ui.hint(hint));
    }
    hooks::warn_unreached(app, &project.repo);
    Ok(Outcome::Done)
}

/// Each run's row. What lies in files is read by several threads.
fn facts(app: &App, project: &Project, catalog: &Catalog, wanted: &[Known]) -> Result<Vec<RunRow>, Error> {
    let mut drafts = Vec::new();
    for known in wanted {
        let change = catalog.history.newest(&known.key);
        let place = project.place(catalog, known, None)?;
        drafts.push((row(catalog, known, change, place.as_ref()), place));
    }
    let bar = app.ui.progress("reading runs", None);
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::with_capacity(drafts.len())));
    let work = || {
        loop {
            let at = next.fetch_add(1, Order::Relaxed);
            let Some((row, place)) = drafts.get(at) else { break };
            let mut row = row.clone();
            if let Some(place) = place {
                read(&mut row, place);
            }
            bar.advance(1);
            done.lock().unwrap_or_else(PoisonError::into_inner).push(row);
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(drafts.len().max(1));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    Ok(done.into_inner().unwrap_or_else(PoisonError::into_inner))
}

fn row(catalog: &Catalog, known: &Known, change: Option<&Change>, place: Option<&Place>) -> RunRow {
    let key = &known.key;
    let tags = catalog.history.tags_of(key);
    let record = tags.last().and_then(|tag| tag.record.as_ref());
    let here = match place {
        None | Some(Place::Recorded(_)) if known.seen.in_history => "none",
        Some(Place::Cache { cache, entries, .. }) if !entries.iter().all(|e| cache.has(e.md5)) => "some",
        None => "none",
        Some(_) => "all",
    };
    RunRow {
        run: key.to_string(),
        experiment: key.experiment().into(),
        run_id: key.run_id().into(),
        start_time: None,
        recorded: known.seen.recorded.clone(),
        duplicates: catalog.duplicates.0.get(key).cloned().unwrap_or_default(),
        in_dataset: known.seen.in_dataset,
        selected: catalog.selected.as_ref() == Some(key),
        commit: change.map(|c| c.commit.id.to_string()),
        committed_at: change.map(|c| human::iso(c.commit.time)),
        data_version: change.map(|c| c.locked.version.to_string()).or_else(|| record.map(|r| r.data.to_string())),
        tags: tags.iter().map(|tag| tag.tag.name.clone()).collect(),
        here,
        config_hash: record.and_then(|r| r.config.clone()),
        steps: record.and_then(|r| r.steps),
        episodes: record.and_then(|r| r.episodes),
        figures: None,
    }
}

/// What a run's own files add.
fn read(row: &mut RunRow, place: &Place) {
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    if let Some(run) = place.run_json() {
        row.start_time = text(&run, "start_time");
        row.config_hash = run.get("env_config").map(Value::config_hash).or(row.config_hash.take());
    }
    if let Some(Ok(figures)) = place.parquet_figures() {
        (row.steps, row.episodes) = (Some(figures.steps), Some(figures.episodes));
        row.figures = Some(figures);
    }
}

fn sort(rows: &mut [RunRow], by: Sort) {
    let figure = |row: &RunRow, of: fn(&columnar::KeyFigures) -> Option<f64>| row.figures.as_ref().and_then(of);
    // What is not known comes last, whatever the order.
    let known = |a: Option<f64>, b: Option<f64>, up: bool| match (a, b) {
        (Some(a), Some(b)) => {
            if up {
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
            Sort::Time => age(b).cmp(&age(a)),
            Sort::Reward => known(figure(a, |f| f.mean_reward), figure(b, |f| f.mean_reward), false),
            Sort::Success => known(figure(a, |f| f.success_rate), figure(b, |f| f.success_rate), false),
            Sort::Steps => known(figure(a, |f| f.mean_steps), figure(b, |f| f.mean_steps), true),
            Sort::Name => Ordering::Equal,
        };
        first.then_with(|| a.run.cmp(&b.run))
    });
}

/// What runs are ordered by in time, `latest` last.
fn age(row: &RunRow) -> (StartTime, &str, &str) {
    let start = row.start_time.as_deref().map_or_else(StartTime::default, StartTime::new);
    (start, &row.experiment, &row.run_id)
}

fn table(app: &App, rows: &[RunRow]) -> Text {
    const GREEN: Style = AnsiColor::Green.on_default();
    const YELLOW: Style = AnsiColor::Yellow.on_default();
    const DIM: Style = Style::new().dimmed();
    let mut table = Table::new([
        Column::Left(""),
        Column::Left("RUN"),
        Column::Spare("STARTED"),
        Column::Right("STEPS"),
        Column::Right("EPISODES"),
        Column::Right("SUCCESS"),
        Column::Right("REWARD"),
        Column::Left("STATE"),
    ]);
    let count = |n: Option<u64>| n.map_or_else(|| "-".into(), human::count);
    let figure = |row: &RunRow, of: fn(&KeyFigures) -> Option<f64>, say: fn(f64) -> String| {
        row.figures.as_ref().and_then(of).map_or_else(|| "-".into(), say)
    };
    for row in rows {
        let state: Cell = match state(row) {
            "new" => styled("new", YELLOW),
            "ingested" => styled("ingested", YELLOW),
            "elsewhere" => styled("elsewhere", DIM),
            state => styled(state, GREEN),
        };
        let started = row.start_time.as_deref().unwrap_or("-");
        table.row([
            styled(if row.selected { "*" } else { " " }, GREEN.bold()),
            (&row.run).into(),
            started.get(..10).unwrap_or(started).into(),
            count(row.steps).into(),
            count(row.episodes).into(),
            figure(row, |f| f.success_rate, human::percent).into(),
            figure(row, |f| f.mean_reward, human::number).into(),
            state,
        ]);
    }
    table.render(app.ui.width())
}

fn state(row: &RunRow) -> &'static str {
    match (row.commit.is_some() || !row.tags.is_empty(), row.in_dataset, row.recorded.is_some()) {
        (true, ..) if row.here == "all" => "committed",
        (true, ..) => "elsewhere",
        (false, true, _) => "ingested",
        (false, false, true) => "new",
        // Only a merge's data version holds it.
        (false, false, false) => "elsewhere",
    }
}

fn nothing(app: &App, args: &Args, project: &Project, catalog: &Catalog) -> Result<(), Error> {
    let mut experiments: Vec<String> = catalog.runs().map(|run| run.key.experiment().to_owned()).collect();
    experiments.dedup();
    match &args.experiment {
        Some(name) if !experiments.is_empty() => {
            app.ui.status(&format!("there is no such run of experiment `{name}`"));
            app.ui.hint(&format!("experiments: {}", experiments.join(", ")));
        }
        _ if args.new && !experiments.is_empty() => app.ui.status("every recorded run is committed"),
        _ => {
            let results = project.config()?.results_dir;
            app.ui.status("there are no runs yet");
            app.ui.hint(&format!("recorders write them to {results}/<experiment>/<run_id>/"));
        }
    }
    Ok(())
}
