//! Runs in groups: those that differ in nothing but their seeds are one line.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use unicode_width::UnicodeWidthStr;

use super::RunSort;
use crate::app::App;
use crate::formats::json::JsonValue;
use crate::history::listed_runs::ListedRun;
use crate::history::run_groups::{MeanInterval, RunGroup, RunGroups, comparable_text, group_runs};
use crate::output::json::{GroupKeyJson, GroupMetricJson, MeanJson, RunGroupJson};
use crate::output::table::{Cell, ColumnStyle, TextTable, shorten_text};
use crate::output::{StyledText, human};
use crate::support::text::format_count;
use crate::support::visible::escape_control;

/// The widest value of a configuration, in columns.
const VALUE_WIDTH: usize = 20;

/// The groups in the order asked for; without a figure to sort by, in the order of the runs.
pub(super) fn sorted_groups(runs: &[ListedRun], by: RunSort) -> RunGroups {
    let mut found = group_runs(runs);
    let mean = |of: Option<MeanInterval>| of.map(|of| of.mean);
    found.groups.sort_by(|a, b| match by {
        RunSort::Time | RunSort::Name => Ordering::Equal,
        RunSort::Reward => compare_known(mean(b.reward), mean(a.reward)),
        RunSort::Success => compare_known(mean(b.success), mean(a.success)),
        RunSort::Steps => compare_known(mean(a.steps), mean(b.steps)),
    });
    // What is not known comes last, whatever the order.
    let is_unknown = |group: &RunGroup| match by {
        RunSort::Time | RunSort::Name => false,
        RunSort::Reward => group.reward.is_none(),
        RunSort::Success => group.success.is_none(),
        RunSort::Steps => group.steps.is_none(),
    };
    found.groups.sort_by_key(is_unknown);
    found
}

fn compare_known(a: Option<f64>, b: Option<f64>) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) => a.total_cmp(&b),
        _ => Ordering::Equal,
    }
}

/// The table: the keys in which groups differ, how many runs, and the means.
pub(super) fn render_groups(found: &RunGroups, width: usize) -> StyledText {
    let groups = &found.groups;
    if groups.is_empty() {
        return StyledText::new();
    }
    let headings = short_headings(&found.differing);
    let declared = declared_headings(groups);
    let declared_titles: Vec<String> = declared.iter().map(|name| name.to_uppercase()).collect();
    let values: Vec<Vec<String>> = found.differing.iter().map(|key| value_texts(groups, key)).collect();
    let one_experiment = groups.windows(2).all(|pair| matches!(pair, [a, b] if a.experiment == b.experiment));
    let mut columns = vec![ColumnStyle::Left("EXPERIMENT")];
    columns.extend(headings.iter().map(|heading| ColumnStyle::Spare(heading)));
    columns.extend(["RUNS", "STEPS", "SUCCESS", "REWARD"].map(ColumnStyle::Right));
    columns.extend(declared_titles.iter().map(|title| ColumnStyle::SpareRight(title)));
    let mut table = TextTable::new(columns);
    for (at, group) in groups.iter().enumerate() {
        // A column of empty cells is left out.
        let show_experiment = !one_experiment || found.differing.is_empty();
        let mut cells: Vec<Cell> = vec![if show_experiment { (&group.experiment).into() } else { "".into() }];
        cells.extend(values.iter().map(|texts| Cell::from(texts.get(at).map_or("", String::as_str))));
        let mean = |of: fn(&RunGroup) -> Option<MeanInterval>, format: fn(f64) -> String| {
            let any = groups.iter().any(|group| of(group).is_some());
            Cell::from(if any { mean_text(of(group), group.runs.len(), format) } else { String::new() })
        };
        cells.extend([
            Cell::from(format_count(group.runs.len() as u64)),
            mean(|group| group.steps, format_steps),
            mean(|group| group.success, human::format_percent),
            mean(|group| group.reward, human::format_number),
        ]);
        cells.extend(declared.iter().map(|name| {
            let metric = group.declared.iter().find(|metric| metric.name == **name);
            Cell::from(mean_text(metric.and_then(|metric| metric.mean), group.runs.len(), human::format_number))
        }));
        table.push_row(cells);
    }
    let mut out = table.render_text(width);
    let cut = table.dropped_columns(width);
    let names: Vec<&str> = cut
        .iter()
        // The first column is the experiment.
        .filter_map(|at| {
            let at = at.checked_sub(1)?;
            let behind = found.differing.len() + 4;
            found.differing.get(at).map(String::as_str).or_else(|| declared.get(at.checked_sub(behind)?).copied())
        })
        .collect();
    if !names.is_empty() {
        out.end_line().push_str(not_shown(&names, width)).end_line();
    }
    out
}

/// Says which columns are not shown: as many names as a line has room for.
pub(super) fn not_shown(names: &[&str], width: usize) -> String {
    let line = |shown: usize| {
        let more = names.len() - shown;
        let shortened = names.iter().take(shown).map(|name| shorten_text(&escape_control(name), 32));
        let shown_names = shortened.collect::<Vec<String>>().join(", ");
        let which = match (shown, more) {
            (0, _) => format!("{more} columns"),
            (_, 0) => shown_names,
            _ => format!("{shown_names} and {more} more"),
        };
        format!("no room for {which}: --json has all")
    };
    (0..=names.len()).rev().map(line).find(|line| line.width() <= width).unwrap_or_else(|| line(0))
}

fn declared_headings(groups: &[RunGroup]) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for metric in groups.iter().flat_map(|group| &group.declared) {
        if !names.contains(&metric.name.as_str()) {
            names.push(&metric.name);
        }
    }
    names
}

/// The last part of each key, if no other key ends so; else the whole key.
fn short_headings(keys: &[String]) -> Vec<String> {
    let last = |key: &str| key.rsplit('.').next().unwrap_or(key).to_owned();
    let is_unique = |short: &str| keys.iter().filter(|key| last(key) == short).count() == 1;
    keys.iter()
        .map(|key| {
            let short = last(key);
            let heading = if !key.ends_with('"') && is_unique(&short) { &short } else { key };
            shorten_text(&escape_control(heading), VALUE_WIDTH)
        })
        .collect()
}

/// The groups' values of a key. Numbers are rounded if none then looks like another.
fn value_texts(groups: &[RunGroup], key: &str) -> Vec<String> {
    let texts = |is_rounded: bool| -> Vec<String> {
        groups.iter().map(|group| value_text(group.config.get(key), is_rounded)).collect()
    };
    let (exact, rounded) = (texts(false), texts(true));
    let count = |texts: &[String]| texts.iter().collect::<BTreeSet<_>>().len();
    let chosen = if count(&rounded) == count(&exact) { rounded } else { exact };
    chosen.iter().map(|text| shorten_text(text, VALUE_WIDTH)).collect()
}

fn value_text(value: Option<&JsonValue>, is_rounded: bool) -> String {
    match value {
        None => "(none)".into(),
        Some(JsonValue::Text(text)) => escape_control(text),
        Some(JsonValue::Float(float)) if is_rounded => human::format_number(*float),
        // As it is compared: `10` for `10.0`.
        Some(other) => escape_control(comparable_text(other)),
    }
}

/// `1.5 ± 0.2`, with the number of runs if it is not that of the group.
fn mean_text(mean: Option<MeanInterval>, runs: usize, format: fn(f64) -> String) -> String {
    let Some(MeanInterval { n, mean, half_width }) = mean else { return "-".into() };
    let interval = half_width.map(|half| format!(" ± {}", format(half))).unwrap_or_default();
    let of = if n == runs { String::new() } else { format!(" (of {n})") };
    format!("{}{interval}{of}", format(mean))
}

fn format_steps(steps: f64) -> String {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    if steps >= 100.0 { format_count(steps.round() as u64) } else { human::format_number(steps) }
}

/// Says which runs could not be grouped.
pub(super) fn report_ungrouped(app: &App, found: &RunGroups) {
    let count = found.left_out.len();
    if count == 0 {
        return;
    }
    let runs = if count == 1 { "1 run is".into() } else { format!("{} runs are", format_count(count as u64)) };
    let their = if count == 1 { "its" } else { "their" };
    app.ui.warn(&format!("{runs} in no group: {their} configuration is not in this clone"));
    app.ui.hint("fetch data that is not in this clone with `capture-hook pull RUN`");
}

pub(super) fn groups_json(found: &RunGroups) -> Vec<RunGroupJson> {
    let mean = |of: Option<MeanInterval>| {
        of.map(|MeanInterval { n, mean, half_width }| MeanJson {
            n,
            mean,
            low: half_width.map(|half| mean - half),
            high: half_width.map(|half| mean + half),
        })
    };
    let group_json = |group: &RunGroup| RunGroupJson {
        experiment: group.experiment.clone(),
        config: found
            .differing
            .iter()
            .filter_map(|key| Some((key, group.config.get(key)?)))
            .map(|(key, value)| GroupKeyJson { key: key.clone(), value: value.to_strict() })
            .collect(),
        runs: group.runs.iter().map(ToString::to_string).collect(),
        reward: mean(group.reward),
        success: mean(group.success),
        steps: mean(group.steps),
        declared: group
            .declared
            .iter()
            .map(|metric| GroupMetricJson {
                name: metric.name.clone(),
                unit: metric.unit.clone(),
                mean: mean(metric.mean),
            })
            .collect(),
    };
    found.groups.iter().map(group_json).collect()
}
