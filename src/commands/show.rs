//! `capture-hook show`: everything about one run.

use anstyle::{AnsiColor, Style};

use super::complete;
use super::lone_run::{FoundRuns, LoneRun, find_named_run};
use crate::app::{App, CommandOutcome};
use crate::columnar::{DeclaredMetric, LineCurve, PlotData, RunMetrics};
use crate::dataset::location::RunLocation;
use crate::error::Error;
use crate::formats::json::JsonValue;
use crate::history::DatasetCommit;
use crate::history::catalog::{self, Catalog, RunTarget};
use crate::history::commit_facts;
use crate::history::erased::FoundRecord;
use crate::history::listed_runs::{ListedRun, ListedState, list_runs};
use crate::history::new_runs::{self, ScanLimit};
use crate::history::removal::RunRemoval;
use crate::history::summary::{RunSummary, SummaryDepth};
use crate::output::json::{
    ErasedJson, RemovedJson, SeedsJson, ShowColumnsJson, ShowFileJson, ShowHistoryJson, ShowJson, ShowValidationJson,
};
use crate::output::table::shorten_text;
use crate::output::{StyledText, human, render_sparkline};
use crate::project::{Project, ProjectError};
use crate::support::progress::Progress;
use crate::support::text::{format_bytes, format_count, format_plural, shell_quote};
use crate::support::visible::escape_control;
use crate::validate::{IgnoredFinding, SeedSummary};

/// Arguments of `show`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  capture-hook show                         the selected run, else the newest
  capture-hook show latest                  the run that started last
  capture-hook show nav/r1
  capture-hook show capture/nav/r1@v2       a tag: the data as that commit has it
  capture-hook show results/nav/r1          a directory; outside of a project too
  capture-hook show latest:nav --json | jq .figures")]
pub struct Args {
    /// The run or its tag [default: the selected run, else the newest].
    #[arg(value_name = "RUN|TAG", add = complete::run_and_tag_candidates())]
    run: Option<String>,
}

/// Runs the command.
pub fn run(app: &App, args: &Args) -> Result<CommandOutcome, Error> {
    let project = match find_named_run(app, args.run.as_deref())? {
        FoundRuns::InProject(project) => *project,
        FoundRuns::Lone(run) => return show_lone_run(app, &run),
    };
    let catalog = catalog::load_catalog(&project)?;
    let target = catalog::resolve_or_default(&project, &catalog, &app.cwd, args.run.as_deref())?;
    let erased = catalog::find_erased_run(&project, &catalog, &target)?;
    let location = match (catalog::locate_run(&project, &catalog, &target), &erased) {
        // What history knows is shown even so.
        (Err(ProjectError::RunErased { .. }), Some((_, location))) => Some(location.clone()),
        (Err(ProjectError::RunNotHere { .. }), _) => None,
        (location, _) => Some(location?),
    };
    let erased = erased.map(|(found, _)| found);
    let bar = app.ui.progress("reading the run", None);
    let summary = match &location {
        Some(location) => new_runs::summarize_noted_run(&project, location, depth(app), &bar)?,
        None => commit_facts::summarize_from_git(&project, &catalog, &target),
    };
    let mut shown = show_json(&project, &catalog, &target, location.as_ref(), &summary);
    let state = match find_state(&project, &catalog, &target, location.is_some(), &bar)? {
        // Files that were just written are not noted.
        ListedState::New if summary.verdict.as_ref().is_some_and(|verdict| !verdict.ok) => ListedState::Invalid,
        state => state,
    };
    shown.state = Some(state.as_str());
    drop(bar);
    if let Some(found) = erased {
        shown.erased = Some(erased_json(&found));
        if matches!(location, Some(RunLocation::Cache { .. })) {
            shown.source = "erased";
        }
    }
    if app.ui.json() {
        app.ui.print_json(&shown);
    } else {
        let pager = project.repo.config_value("core.pager")?;
        app.ui.page_text(&render_text(&shown, &summary), &app.env, pager.as_deref());
        if let Some(fetch) = shown.fetch.as_ref().filter(|_| location.is_none()) {
            hint_at_remote(app, &project, fetch);
        } else if state == ListedState::Invalid {
            app.ui.hint(&format!("see what is wrong with `capture-hook validate {}`", shell_quote(&shown.run)));
        }
    }
    Ok(CommandOutcome::Done)
}

/// How far a run is, as `runs` lists it; of older data that a tag names, whether that is in this clone.
fn find_state(
    project: &Project,
    catalog: &Catalog,
    target: &RunTarget,
    is_here: bool,
    progress: &dyn Progress,
) -> Result<ListedState, Error> {
    let runs: Vec<_> = catalog.get(&target.key).into_iter().collect();
    let listed = list_runs(project, catalog, &runs, ScanLimit::NotedOnly, progress)?;
    let newest = catalog.history.latest_commit(&target.key).map(|change| &change.commit.id);
    let is_older = target.commit.is_some() && target.commit.as_ref() != newest;
    Ok(match listed.first().map(ListedRun::state) {
        Some(state) if !is_older => state,
        _ if is_here => ListedState::Committed,
        _ => ListedState::Remote,
    })
}

/// Says how to get data that is not in this clone.
fn hint_at_remote(app: &App, project: &Project, fetch: &str) {
    // Settings that cannot be read are `doctor`'s to report.
    if project.dvc_settings().is_ok_and(|settings| settings.default_remote().is_none()) {
        app.ui.warn("no DVC remote is set, so that no data can be fetched");
        app.ui.hint("set the one that has the data: `capture-hook init --remote URL`");
    } else {
        app.ui.hint(&format!("fetch its data with `{fetch}`"));
    }
}

/// How much is read. JSON has no curves, and so the rows need not be read for them.
fn depth(app: &App) -> SummaryDepth {
    if app.ui.json() { SummaryDepth::Metrics } else { SummaryDepth::PlotData }
}

/// Shows a run's directory without a project around it.
fn show_lone_run(app: &App, run: &LoneRun) -> Result<CommandOutcome, Error> {
    let summary = run.summarize(app, depth(app))?;
    let (experiment, run_id) = run.name.split_once('/').unwrap_or(("", &run.name));
    let shown = ShowJson {
        run: run.name.clone(),
        experiment: experiment.into(),
        run_id: run_id.into(),
        source: "directory",
        path: Some(run.dir().to_string_lossy().into_owned()),
        ..summary_json(&summary)
    };
    if app.ui.json() {
        app.ui.print_json(&shown);
    } else {
        app.ui.page_text(&render_text(&shown, &summary), &app.env, None);
    }
    Ok(CommandOutcome::Done)
}

fn show_json(
    project: &Project,
    catalog: &Catalog,
    target: &RunTarget,
    location: Option<&RunLocation>,
    summary: &RunSummary,
) -> ShowJson {
    let change = match &target.commit {
        Some(commit) => catalog.history.dataset_commits.iter().find(|change| change.commit.id == *commit),
        None => catalog.history.latest_commit(&target.key),
    };
    ShowJson {
        run: target.key.to_string(),
        experiment: target.key.experiment().into(),
        run_id: target.key.run_id().into(),
        source: location.map_or(REMOTE, RunLocation::label),
        // A directory outside of the project keeps its absolute path.
        path: location
            .and_then(RunLocation::dir)
            .map(|dir| dir.strip_prefix(&project.root).unwrap_or(dir).to_string_lossy().into_owned()),
        fetch: fetch_command(catalog, target, location.is_some(), summary),
        history: change.map(|change| history_json(catalog, target, change)),
        removed: catalog.history.removal_of(&target.key).map(removed_json),
        ..summary_json(summary)
    }
}

/// The command that fetches what this clone lacks of a run's data.
fn fetch_command(catalog: &Catalog, target: &RunTarget, is_here: bool, summary: &RunSummary) -> Option<String> {
    let is_whole = is_here && summary.files.iter().all(|(_, bytes)| bytes.is_some());
    let history = &catalog.history;
    let tag = target.commit.as_ref().and_then(|commit| {
        history.tags_of(&target.key).into_iter().find(|tag| tag.tag.commit.as_ref() == Some(commit))
    });
    match tag {
        _ if is_whole => None,
        // The run's newest data may be another one.
        Some(tag) => Some(format!("capture-hook get {}", shell_quote(&tag.tag.name))),
        None => history.fetch_command(&target.key),
    }
}

/// What a run's files say of it.
fn summary_json(summary: &RunSummary) -> ShowJson {
    let meta = summary.meta.as_ref();
    let strict = |key: &str| meta.and_then(|m| m.raw.get(key)).filter(|v| !v.is_null()).map(JsonValue::to_strict);
    ShowJson {
        run: String::new(),
        experiment: String::new(),
        run_id: String::new(),
        state: None,
        source: "",
        path: None,
        bytes: summary.bytes.or_else(|| total_bytes(&summary.files)),
        fetch: None,
        history: None,
        removed: None,
        erased: None,
        start_time: meta.map(|m| m.start_time.clone()),
        schema_version: meta.map(|m| m.schema_version.clone()),
        columns: summary.schema.as_ref().filter(|schema| !schema.is_plume()).map(|schema| ShowColumnsJson {
            steps: schema.steps.columns.len() as u64,
            episodes: schema.episodes.columns.len() as u64,
            derived: summary.is_derived,
        }),
        package_version: meta.and_then(|m| m.package_version.clone()),
        git_sha: meta.and_then(|m| m.git_sha.clone()),
        base_seed: meta.and_then(|m| m.base_seed),
        seeds: summary.seeds.map(seeds_json),
        config_hash: summary.config_hash.clone(),
        env_config: meta.map(|m| m.env_config.to_strict()),
        system: strict("system"),
        validation: summary.verdict.as_ref().map(|verdict| ShowValidationJson {
            ok: verdict.ok,
            errors: verdict.errors.clone(),
            warnings: verdict.warnings.clone(),
            ignored: verdict.ignored.clone(),
        }),
        metrics: summary.metrics.clone(),
        files: summary.files.iter().map(|(path, bytes)| ShowFileJson { path: path.clone(), bytes: *bytes }).collect(),
    }
}

fn history_json(catalog: &Catalog, target: &RunTarget, change: &DatasetCommit) -> ShowHistoryJson {
    ShowHistoryJson {
        commit: change.commit.id.to_string(),
        committed_at: human::format_iso(change.commit.time),
        author: change.commit.author.clone(),
        subject: change.commit.subject(),
        data_version: change.record.version.to_string(),
        tags: list_tags(catalog, target, change),
    }
}

fn removed_json(removal: RunRemoval<'_>) -> RemovedJson {
    let commit = &removal.change.commit;
    RemovedJson {
        commit: commit.id.to_string(),
        committed_at: human::format_iso(commit.time),
        author: commit.author.clone(),
        reason: removal.reason,
    }
}

fn erased_json(found: &FoundRecord) -> ErasedJson {
    ErasedJson {
        record: found.record.path(),
        on_head: found.in_head,
        reason: found.record.reason.clone(),
        files: found.record.files.len(),
        bytes: found.record.files.iter().filter_map(|file| file.bytes).sum(),
    }
}

/// The run's own tags, and the one that stands for all runs of its commit.
fn list_tags(catalog: &Catalog, target: &RunTarget, change: &DatasetCommit) -> Vec<String> {
    let own = catalog.history.tags_of(&target.key).into_iter().map(|tag| &tag.tag.name);
    let of_all = catalog.history.version_tag_at(&change.commit.id).map(|tag| &tag.tag.name);
    own.chain(of_all).cloned().collect()
}

fn seeds_json(seeds: SeedSummary) -> SeedsJson {
    SeedsJson { unique_count: seeds.unique_count, min: seeds.min, max: seeds.max }
}

/// The size of all files; `None` if that of one is not known.
fn total_bytes(files: &[(String, Option<u64>)]) -> Option<u64> {
    files.iter().map(|(_, bytes)| *bytes).sum::<Option<u64>>().filter(|_| !files.is_empty())
}

/// What is read of a run whose data is not in this clone.
const REMOTE: &str = "remote";

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();

fn render_text(show: &ShowJson, summary: &RunSummary) -> StyledText {
    let mut out = StyledText::new();
    out.push_styled(BOLD, &show.run).end_line();
    let mut line = |name: &str, value: StyledText| {
        if !value.is_empty() {
            // 15 columns hold the longest name, `final distance`.
            out.push_str("  ").push_styled(DIM, format!("{name:<15} ")).push_text(&value).end_line();
        }
    };
    line("started", show.start_time.as_deref().unwrap_or_default().into());
    line("recorder", describe_recorder(show).into());
    line("columns", show.columns.as_ref().map(describe_columns).unwrap_or_default().into());
    let place = match show.source {
        "erased" => "nowhere any more",
        REMOTE => "remote: its data is not in this clone",
        _ => "DVC's cache",
    };
    line("location", show.path.as_deref().unwrap_or(place).into());
    line("validation", show.validation.as_ref().map(render_verdict).unwrap_or_default());
    line("erased", show.erased.as_ref().map(render_erasure).unwrap_or_default());
    line("removed", show.removed.as_ref().map(render_removal).unwrap_or_default());
    if let Some(history) = &show.history {
        line("commit", render_commit(&history.commit, &history.subject, &history.author, &history.committed_at));
        line("tags", history.tags.join(", ").into());
        line("data version", history.data_version.as_str().into());
    } else {
        let why = if show.source == "directory" { "not known: there is no project around it" } else { "none yet" };
        line("commit", dim_text(why));
    }
    line("configuration", show.config_hash.as_ref().map(|hash| short_hash(hash)).unwrap_or_default().into());
    for (key, value) in config_lines(summary) {
        let mut setting = StyledText::from(key);
        setting.push_str(" ").push_styled(DIM, "=").push_str(format!(" {value}"));
        line("", setting);
    }
    line("seeds", show.seeds.as_ref().map(seed_text).unwrap_or_default().into());
    if let Some(metrics) = &show.metrics {
        let has_agents = summary.schema.as_ref().is_some_and(|schema| schema.agent().is_some());
        metric_lines(metrics, has_agents, &mut |name, value| line(name, value.into()));
    }
    for (name, curve) in summary.plot_data.iter().flat_map(shown_curves) {
        let is_plume = summary.plot_data.as_ref().is_some_and(|plot_data| plot_data.is_plume);
        line(&shorten_text(name, 15), render_curve(curve, is_plume).into());
    }
    if show.source == REMOTE {
        line("size", show.bytes.map_or_else(|| "unknown".into(), format_bytes).into());
        line("unknown", UNKNOWN_WITHOUT_DATA.into());
    } else {
        let bytes: u64 = show.files.iter().filter_map(|file| file.bytes).sum();
        line("files", format!("{}, {}", show.files.len(), format_bytes(bytes)).into());
    }
    out
}

/// What only the files of a run say.
const UNKNOWN_WITHOUT_DATA: &str = "start, recorder, validation, keys of the configuration, seeds";

/// A commit in a line: its id, some words, and in brackets who made it and when.
fn render_commit(commit: &str, words: &str, author: &str, time: &str) -> StyledText {
    // As many digits as `Oid::short` shows.
    let commit = commit.get(..9).unwrap_or(commit);
    let day = time.get(..10).unwrap_or_default();
    let mut text = StyledText::from(format!("{commit}  {words}  "));
    text.push_styled(DIM, format!("({author}, {day})"));
    text
}

fn render_removal(removed: &RemovedJson) -> StyledText {
    // A reason can have several lines.
    let reason = removed.reason.as_deref().map_or_else(|| "no reason given".into(), escape_control);
    render_commit(&removed.commit, &reason, &removed.author, &removed.committed_at)
}

fn render_erasure(erased: &ErasedJson) -> StyledText {
    let reason = erased.reason.as_deref().map_or_else(|| "no reason given".into(), escape_control);
    let mut text = StyledText::from(reason);
    text.push_str("  ").push_styled(DIM, format!("({})", erased.record));
    text
}

fn dim_text(words: &str) -> StyledText {
    let mut text = StyledText::new();
    text.push_styled(DIM, words);
    text
}

/// As much of a hash as a line of 80 columns has room for, and more than anyone compares; `--json` has all of it.
fn short_hash(hash: &str) -> String {
    // 18 columns of margin, `sha256:` and the ellipsis leave 54.
    const DIGITS: usize = 48;
    hash.get(..DIGITS).map_or_else(|| format!("sha256:{hash}"), |start| format!("sha256:{start}…"))
}

fn describe_recorder(show: &ShowJson) -> String {
    let mut parts = Vec::new();
    if let Some(version) = &show.package_version {
        parts.push(format!("package {version}"));
    }
    if let Some(schema) = &show.schema_version {
        parts.push(format!("schema {schema}"));
    }
    if let Some(sha) = &show.git_sha {
        parts.push(format!("code {sha}"));
    }
    parts.join(", ")
}

fn describe_columns(columns: &ShowColumnsJson) -> String {
    let derived = if columns.derived { "; the summaries are made of the steps" } else { "" };
    format!("{} a step, {} an episode{derived}", columns.steps, columns.episodes)
}

fn render_verdict(verdict: &ShowValidationJson) -> StyledText {
    const GOOD: Style = AnsiColor::Green.on_default();
    const BAD: Style = AnsiColor::Red.on_default();
    let mut text = StyledText::new();
    match verdict.ok {
        true => text.push_styled(GOOD, "valid"),
        false => text.push_styled(BAD, "invalid"),
    };
    if !verdict.errors.is_empty() {
        text.push_str(format!(": {}", verdict.errors.join(", ")));
    }
    if !verdict.warnings.is_empty() {
        text.push_str(format!(" (warnings: {})", verdict.warnings.join(", ")));
    }
    if let Some(ignored) = IgnoredFinding::describe_all(&verdict.ignored) {
        text.push_str("; ").push_styled(AnsiColor::Yellow.on_default(), ignored);
    }
    text
}

/// The configuration, a key a line; at most so many that the rest of the page still shows.
fn config_lines(summary: &RunSummary) -> Vec<(String, String)> {
    const MOST: usize = 16;
    let Some(meta) = &summary.meta else { return Vec::new() };
    let mut all = crate::history::compare::flatten_value(&meta.env_config);
    let more = all.len().saturating_sub(MOST);
    all.truncate(MOST);
    let mut lines: Vec<(String, String)> = all
        .into_iter()
        .map(|(key, value)| {
            // A long key or value is cut, not wrapped. Both come from the recorder: control characters are escaped.
            let value = shorten_text(&escape_control(value.to_canonical()), 48);
            (shorten_text(&escape_control(key), 40), value)
        })
        .collect();
    if more > 0 {
        lines.push(("…".into(), format!("{more} more: --json has them all")));
    }
    lines
}

fn seed_text(seeds: &SeedsJson) -> String {
    match (seeds.unique_count, seeds.min == seeds.max) {
        (1, _) | (_, true) => seeds.min.to_string(),
        (n, _) => format!("{} different, {} to {}", format_count(n), seeds.min, seeds.max),
    }
}

fn metric_lines(metrics: &RunMetrics, has_agents: bool, line: &mut impl FnMut(&str, String)) {
    let episodes = format_plural(metrics.episodes, "episode");
    let each = if has_agents { " (one for each agent)" } else { "" };
    let steps = format_plural(metrics.steps, "step");
    let mean = metrics.mean_steps.map(|n| format!(", {} an episode", human::format_number(n))).unwrap_or_default();
    line("episodes", format!("{episodes}{each}, {steps}{mean}"));
    if let (Some(rate), Some(successes)) = (metrics.success_rate, metrics.successes) {
        // plume-nav-sim's runs have a goal; in others, success is what the recorder calls so.
        let what = if metrics.figures.final_distance { "reached the goal" } else { "succeeded" };
        let n = format_count(successes);
        // Git does not say of how many episodes it is known.
        let of = if metrics.judged > 0 { format!(" of {}", format_count(metrics.judged)) } else { String::new() };
        line("success", format!("{} ({n}{of} {what})", human::format_percent(rate)));
    }
    if let (Some(mean), Some(best)) = (metrics.mean_reward, metrics.max_reward) {
        line("reward", format!("{} mean, {} best", human::format_number(mean), human::format_number(best)));
    }
    if let (Some(mean), Some(best)) = (metrics.mean_final_distance, metrics.min_final_distance) {
        line("final distance", format!("{} mean, {} nearest", human::format_number(mean), human::format_number(best)));
    }
    for DeclaredMetric { name, value, unit } in metrics.declared.iter().flatten() {
        let unit = human::format_unit(unit.as_deref());
        let value = value.map_or_else(|| "-".into(), |value| format!("{}{unit}", human::format_number(value)));
        line(&shorten_text(name, 40), value);
    }
}

/// The curves that are shown in a line each: reward if the run has it, else the first line of its plots.
fn shown_curves(plot_data: &PlotData) -> Vec<(&str, &LineCurve)> {
    let reward = plot_data.reward.as_ref().map(|curve| ("reward so far", curve));
    let first = plot_data.lines.first().map(|curve| (curve.name.as_str(), curve));
    if plot_data.is_plume {
        let distance = first.map(|(_, curve)| ("distance", curve));
        return distance.into_iter().chain(reward).collect();
    }
    reward.or(first).into_iter().collect()
}

/// A curve's median in a line, with its first and last value.
fn render_curve(LineCurve { curve, unit, .. }: &LineCurve, is_plume: bool) -> String {
    let values: Vec<f64> = curve.iter().map(|band| band.mid).collect();
    // 32 columns of curve leave 30 of a line of 80 for the two numbers.
    let (Some(first), Some(last), Some(line)) = (values.first(), values.last(), render_sparkline(&values, 32)) else {
        return String::new();
    };
    // The distances of plume-nav-sim are in cells, which goes without saying.
    let unit = unit.as_deref().filter(|_| !is_plume);
    let last = format!("{}{}", human::format_number(*last), human::format_unit(unit));
    format!("{line}  {} → {last} (median)", human::format_number(*first))
}
