//! The metrics of several runs, row by row.

use crate::columnar::{FigureSet, RunMetrics};
use crate::output::human;
use crate::support::text::format_count;

/// A metric of several runs.
pub(super) struct MetricRow {
    pub name: String,
    /// Each run's value in words.
    pub texts: Vec<String>,
    values: Vec<Option<f64>>,
    is_share: bool,
}

impl MetricRow {
    /// The change from the first run to the second one, in words.
    pub(super) fn describe_change(&self) -> String {
        match self.values.as_slice() {
            [Some(before), Some(after)] if self.is_share => human::format_points(*before, *after),
            [Some(before), Some(after)] => human::format_change(*before, *after),
            _ => String::new(),
        }
    }
}

/// The rows of each metric that at least one run has.
pub(super) fn metric_rows(runs: &[Option<&RunMetrics>]) -> Vec<MetricRow> {
    let mut rows = Vec::new();
    for MetricColumn { name, is_shown, value_of, format, is_share } in METRIC_COLUMNS {
        let mut known = runs.iter().flatten().peekable();
        // If no metrics can be read, the names say what is missing.
        if known.peek().is_none() || known.any(|metrics| is_shown(metrics.figures)) {
            let values: Vec<Option<f64>> = runs.iter().map(|metrics| value_of((*metrics)?)).collect();
            let texts = values.iter().map(|value| value.map_or_else(|| "-".into(), format)).collect();
            rows.push(MetricRow { name: (*name).to_owned(), texts, values, is_share: *is_share });
        }
    }
    let mut names: Vec<&str> = Vec::new();
    for metric in runs.iter().filter_map(|metrics| metrics.as_ref()?.declared.as_ref()).flatten() {
        if !names.contains(&metric.name.as_str()) {
            names.push(&metric.name);
        }
    }
    for name in names {
        let metric_of = |metrics: &Option<&RunMetrics>| {
            let mut declared = metrics.iter().filter_map(|metrics| metrics.declared.as_ref()).flatten();
            let metric = declared.find(|metric| metric.name == name)?;
            Some((metric.value?, human::format_unit(metric.unit.as_deref())))
        };
        let found: Vec<Option<(f64, String)>> = runs.iter().map(metric_of).collect();
        let text = |found: &Option<(f64, String)>| {
            found.as_ref().map_or_else(|| "-".into(), |(value, unit)| format!("{}{unit}", human::format_number(*value)))
        };
        let texts = found.iter().map(text).collect();
        // Values in different units have no difference.
        let units: Vec<&String> = found.iter().flatten().map(|(_, unit)| unit).collect();
        let is_one_unit = units.windows(2).all(|pair| pair.first() == pair.last());
        let values =
            found.iter().map(|found| found.as_ref().filter(|_| is_one_unit).map(|(value, _)| *value)).collect();
        rows.push(MetricRow { name: name.to_owned(), texts, values, is_share: false });
    }
    rows
}

/// A metric that every run has, or none of its kind.
struct MetricColumn {
    name: &'static str,
    is_shown: fn(FigureSet) -> bool,
    value_of: fn(&RunMetrics) -> Option<f64>,
    format: fn(f64) -> String,
    /// Whether it is a share of all episodes.
    is_share: bool,
}

impl MetricColumn {
    const fn count(name: &'static str, value_of: fn(&RunMetrics) -> Option<f64>) -> Self {
        Self { name, is_shown: |_| true, value_of, format: format_whole, is_share: false }
    }

    const fn number(
        name: &'static str,
        is_shown: fn(FigureSet) -> bool,
        value_of: fn(&RunMetrics) -> Option<f64>,
    ) -> Self {
        Self { name, is_shown, value_of, format: human::format_number, is_share: false }
    }
}

/// A count, which is far below the integers that a float cannot hold.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn format_whole(value: f64) -> String {
    format_count(value as u64)
}

#[allow(clippy::cast_precision_loss)]
const METRIC_COLUMNS: &[MetricColumn] = &[
    MetricColumn::count("episodes", |metrics| Some(metrics.episodes as f64)),
    MetricColumn::count("steps", |metrics| Some(metrics.steps as f64)),
    MetricColumn {
        name: "success",
        is_shown: |figures| figures.success,
        value_of: |metrics| metrics.success_rate,
        format: human::format_percent,
        is_share: true,
    },
    MetricColumn::number("mean reward", |figures| figures.reward, |metrics| metrics.mean_reward),
    MetricColumn::number("best reward", |figures| figures.reward, |metrics| metrics.max_reward),
    MetricColumn::number("mean steps", |_| true, |metrics| metrics.mean_steps),
    MetricColumn::number(
        "mean final distance",
        |figures| figures.final_distance,
        |metrics| metrics.mean_final_distance,
    ),
];
