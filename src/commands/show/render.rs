//! What `show` prints for people: a fact a line.

use anstyle::{AnsiColor, Style};

use super::REMOTE;
use crate::columnar::{DeclaredMetric, LineCurve, PlotData, RunMetrics};
use crate::history::summary::RunSummary;
use crate::output::json::{ErasedJson, RemovedJson, SeedsJson, ShowColumnsJson, ShowJson, ShowValidationJson};
use crate::output::table::shorten_text;
use crate::output::{StyledText, human, render_sparkline};
use crate::support::text::{format_bytes, format_count, format_plural};
use crate::support::visible::escape_control;
use crate::validate::IgnoredFinding;

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
/// What stands before each value.
const MARGIN: usize = 18;

/// The page of a run, on a terminal of this width.
pub(super) fn render_text(show: &ShowJson, summary: &RunSummary, width: usize) -> StyledText {
    let mut out = StyledText::new();
    out.push_styled(BOLD, &show.run).end_line();
    let mut line = |name: &str, value: StyledText| {
        if !value.is_empty() {
            // 15 columns hold the longest name, `final distance`.
            let mut whole = StyledText::from("  ");
            whole.push_styled(DIM, format!("{name:<15} ")).push_text(&value);
            out.push_wrapped(&whole, width, MARGIN);
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
    line("configuration", show.config_hash.as_ref().map(|hash| short_hash(hash, width)).unwrap_or_default().into());
    for (key, value) in config_lines(summary, width) {
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
fn short_hash(hash: &str, width: usize) -> String {
    const MOST: usize = 48;
    // `sha256:` and the ellipsis stand around it.
    let digits = width.saturating_sub(MARGIN + 8).clamp(12, MOST);
    hash.get(..digits).map_or_else(|| format!("sha256:{hash}"), |start| format!("sha256:{start}…"))
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
fn config_lines(summary: &RunSummary, width: usize) -> Vec<(String, String)> {
    const MOST: usize = 16;
    let Some(meta) = &summary.meta else { return Vec::new() };
    let mut all = crate::history::compare::flatten_value(&meta.env_config);
    let more = all.len().saturating_sub(MOST);
    all.truncate(MOST);
    let mut lines: Vec<(String, String)> = all
        .into_iter()
        .map(|(key, value)| {
            // A long key or value is cut, not wrapped. Both come from the recorder: control characters are escaped.
            let value = shorten_text(&escape_control(value.to_canonical()), width.saturating_sub(MARGIN).clamp(12, 48));
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
