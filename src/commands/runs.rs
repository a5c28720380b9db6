//! `capture-hook runs`: lists all known runs, with the metrics by which they are compared, one by one or in groups.

mod groups;
mod left_out;
mod sum;
pub(super) mod table;

use std::cmp::Ordering;

use anstyle::Style;

use super::complete;
use crate::app::{App, CommandOutcome};
use crate::columnar::RunMetrics;
use crate::error::{Error, Explain};
use crate::history::catalog::{self, Catalog, CatalogRun};
use crate::history::listed_runs::{ListedRemoval, ListedRun, list_runs};
use crate::history::new_runs::ScanLimit;
use crate::history::run_filter::{FilteredRuns, RunFilter};
use crate::history::run_groups::RunGroups;
use crate::hooks;
use crate::output::json::{RemovedJson, RunJson, RunsJson, UnlistedJson};
use crate::output::{StyledText, human};
use crate::project::Project;

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

STATE:
  new        only recorded
  invalid    only recorded, and no commit takes it (see `validate RUN`)
  ingested   in the dataset, but not committed
  committed  in history, and its data is in this clone
  remote     in history, not in this clone (fetch it with `pull RUN`)
  removed    removed from HEAD's dataset (`restore RUN` puts it back)
  erased     removed, and its data is gone for good

`*` marks the selected run. SUCCESS is the share of episodes that succeeded, if the runs say so; REWARD is the mean reward of
an episode; metrics that a run's schema.json declares follow. Columns for which a terminal has no room are left out; into a
pipe all are written. Figures of a remote run are what git knows of it. The rows of new runs are read once, for a short time
at most; with --figures, all of them.

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
    /// Read the rows of all new runs for their figures, however long that takes.
    #[arg(long)]
    figures: bool,
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
    let limit = if args.figures { ScanLimit::All } else { ScanLimit::Short };
    let runs = list_runs(&project, &catalog, &selected_runs, limit, &bar)?;
    drop(bar);
    let unread_count = runs.iter().filter(|run| run.is_unread).count() as u64;
    let FilteredRuns { mut runs, left_out } = match &filter {
        Some(filter) => filter.apply(runs)?,
        None => FilteredRuns { runs, left_out: Vec::new() },
    };
    sort_runs(&mut runs, args.sort);
    let groups = args.group.then(|| groups::sorted_groups(&runs, args.sort));
    let unlisted = catalog.history.count_unlisted();
    if app.ui.json() {
        app.ui.print_json(&RunsJson {
            runs: runs.iter().map(|run| run_json(&catalog, run)).collect(),
            groups: groups.as_ref().map(groups::groups_json),
            left_out: filter.is_some().then(|| left_out::left_out_json(&left_out)),
            unlisted: UnlistedJson { commit_count: unlisted.commits, run_count: unlisted.runs },
            unread: unread_count,
        });
    } else if runs.is_empty() && filter.is_some() && !selected_runs.is_empty() {
        app.ui.status("no run matches");
    } else if runs.is_empty() && unlisted.commits == 0 {
        report_no_runs(app, args, &project, &catalog)?;
    } else if !runs.is_empty() {
        let text = render_runs(app, &catalog, &runs, groups.as_ref());
        let pager = project.repo.config_value("core.pager")?;
        app.ui.page_text(&text, &app.env, pager.as_deref());
        if left_out.is_empty() && groups.is_none() {
            sum::hint_at_fetch(app, &runs);
        }
    }
    left_out::report_left_out(app, &left_out);
    left_out::report_unlisted(app, unlisted);
    left_out::report_unread(app, unread_count, limit);
    if let Some(groups) = &groups {
        groups::report_ungrouped(app, groups);
    }
    report_catalog(app, &catalog);
    hooks::warn_unreached(app, &project.repo);
    Ok(CommandOutcome::Done)
}

/// The table, and what sums it up.
fn render_runs(app: &App, catalog: &Catalog, runs: &[ListedRun], groups: Option<&RunGroups>) -> StyledText {
    let width = app.ui.table_width();
    if let Some(groups) = groups {
        return groups::render_groups(groups, width);
    }
    let (mut text, dropped) = table::render_table(runs, width);
    text.end_line().push_str(sum::sum_up(runs, &catalog.history)).end_line();
    if !dropped.is_empty() {
        let names: Vec<&str> = dropped.iter().map(String::as_str).collect();
        text.push_styled(Style::new().dimmed(), groups::not_shown(&names, width)).end_line();
    }
    text
}

/// Says what the catalog leaves out, and which names are not unique.
fn report_catalog(app: &App, catalog: &Catalog) {
    for run in &catalog.left_out {
        app.ui.warn(&run.to_string());
    }
    if !catalog.duplicates.0.is_empty() {
        app.ui.warn(&catalog.duplicates.to_string());
        catalog.duplicates.explain().hints.iter().for_each(|hint| app.ui.hint(hint));
    }
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
        bytes: run.bytes,
        fetch: run.fetch.clone(),
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
