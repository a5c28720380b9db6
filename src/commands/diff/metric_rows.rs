//! The metrics of several runs, row by row.

use crate::columnar::{FigureSet, RunMetrics};
use crate::output::human;
use crate::support::text::format_count;

/// A name and each run's value for each metric that at least one run has.
pub(super) fn metric_rows(runs: &[Option<&RunMetrics>]) -> Vec<(String, Vec<String>)> {
    let mut rows = Vec::new();
    for MetricColumn { name, is_shown, value_of } in METRIC_COLUMNS {
        let mut known = runs.iter().flatten().peekable();
        // If no metrics can be read, the names say what is missing.
        if known.peek().is_none() || known.any(|metrics| is_shown(metrics.figures)) {
            let value = |metrics: &Option<&RunMetrics>| metrics.map_or_else(|| "-".into(), value_of);
            rows.push(((*name).to_owned(), runs.iter().map(value).collect()));
        }
    }
    let mut names: Vec<&str> = Vec::new();
    for metric in runs.iter().filter_map(|metrics| metrics.as_ref()?.declared.as_ref()).flatten() {
        if !names.contains(&metric.name.as_str()) {
            names.push(&metric.name);
        }
    }
    for name in names {
        let value = |metrics: &Option<&RunMetrics>| {
            let mut declared = metrics.iter().filter_map(|metrics| metrics.declared.as_ref()).flatten();
            let metric = declared.find(|metric| metric.name == name);
            let value = metric.and_then(|metric| Some((metric.value?, human::format_unit(metric.unit.as_deref()))));
            value.map_or_else(|| "-".into(), |(value, unit)| format!("{}{unit}", human::format_number(value)))
        };
        rows.push((name.to_owned(), runs.iter().map(value).collect()));
    }
    rows
}

/// A metric that every run has, or none of its kind.
struct MetricColumn {
    name: &'static str,
    is_shown: fn(FigureSet) -> bool,
    value_of: fn(&RunMetrics) -> String,
}

const METRIC_COLUMNS: &[MetricColumn] = &[
    MetricColumn { name: "episodes", is_shown: |_| true, value_of: |f| format_count(f.episodes) },
    MetricColumn { name: "steps", is_shown: |_| true, value_of: |f| format_count(f.steps) },
    MetricColumn {
        name: "success",
        is_shown: |figures| figures.success,
        value_of: |f| f.success_rate.map_or_else(|| "-".into(), human::format_percent),
    },
    MetricColumn {
        name: "mean reward",
        is_shown: |figures| figures.reward,
        value_of: |f| human::format_optional(f.mean_reward),
    },
    MetricColumn {
        name: "best reward",
        is_shown: |figures| figures.reward,
        value_of: |f| human::format_optional(f.max_reward),
    },
    MetricColumn { name: "mean steps", is_shown: |_| true, value_of: |f| human::format_optional(f.mean_steps) },
    MetricColumn {
        name: "mean final distance",
        is_shown: |figures| figures.final_distance,
        value_of: |f| human::format_optional(f.mean_final_distance),
    },
];
