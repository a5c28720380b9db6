//! Run metrics: the few numbers by which runs are compared.
//!
//! Deterministic: sums are taken in row order. A value that is not finite is left out of sums and means. A run has only
//! the figures that its schema declares: without a `success` column there is no success rate. Plot data is in
//! `plot_data`.

use serde::Serialize;

use crate::columnar::planned::{PlannedColumn, PlannedColumns};
use crate::formats::json::JsonValue;
use crate::run::schema::{MetricKind, RunSchema};

/// The metrics of a run. `None` if the run does not have the number, no episode, or no finite value for it.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct RunMetrics {
    /// The number of episode summaries.
    pub episodes: u64,
    /// The number of steps, without the states after resets.
    pub steps: u64,
    /// Episodes that succeeded, as the run itself says.
    pub successes: Option<u64>,
    /// `successes` over the episodes of which success is known, 0 to 1.
    pub success_rate: Option<f64>,
    /// Mean of the episodes' total rewards.
    pub mean_reward: Option<f64>,
    /// The best total reward.
    pub max_reward: Option<f64>,
    /// Mean steps of an episode.
    pub mean_steps: Option<f64>,
    /// Mean final distance to the goal, in cells: of plume-nav-sim's runs.
    pub mean_final_distance: Option<f64>,
    /// The smallest final distance to the goal, in cells: of plume-nav-sim's runs.
    pub min_final_distance: Option<f64>,
    /// The metrics that a run's `schema.json` declares, in its order; `None` for plume-nav-sim's runs, which have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub declared: Option<Vec<DeclaredMetric>>,
    /// Which figures such a run has at all.
    #[serde(skip)]
    pub figures: FigureSet,
    /// The episodes of which success is known.
    #[serde(skip)]
    pub judged: u64,
}

/// A metric that a run's `schema.json` declares.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct DeclaredMetric {
    /// `mean_`, `min_` or `max_`, and the column of the episodes.
    pub name: String,
    /// The value; `None` if no episode has a finite one.
    pub value: Option<f64>,
    /// The column's unit.
    pub unit: Option<String>,
}

/// Which figures a run has, as its schema says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FigureSet {
    /// Whether an episode succeeded or not.
    pub success: bool,
    /// Rewards.
    pub reward: bool,
    /// Final distances to the goal.
    pub final_distance: bool,
}

impl FigureSet {
    /// The figures of runs with this schema.
    #[must_use]
    pub fn of_schema(schema: &RunSchema) -> Self {
        Self {
            success: schema.is_plume() || schema.episodes.find(SUCCESS).is_some(),
            reward: schema.episodes.find(TOTAL_REWARD).is_some(),
            final_distance: schema.is_plume(),
        }
    }
}

/// The episode column that says whether an episode succeeded.
pub(super) const SUCCESS: &str = "success";
/// The episode column of the sum of rewards.
pub const TOTAL_REWARD: &str = "total_reward";

/// The columns of episode rows that metrics need; all of one length.
#[derive(Debug, Clone, Copy)]
pub struct EpisodeColumns<'a> {
    /// Whether the episode reached its end.
    pub terminated: &'a [bool],
    /// Steps in the episode.
    pub total_steps: &'a [i64],
    /// The columns of [`MetricsCollector::columns`], in that order; a value that is absent is a NaN.
    pub numbers: &'a [Vec<f64>],
}

/// Collects metrics, batch by batch.
#[derive(Debug, Clone)]
pub struct MetricsCollector {
    is_plume: bool,
    figures: FigureSet,
    columns: Vec<PlannedColumn>,
    success: Option<usize>,
    reward: Option<usize>,
    metrics: Vec<(MetricKind, usize)>,
    episodes: u64,
    steps: RunningMean,
    terminated: u64,
    means: Vec<RunningMean>,
}

impl MetricsCollector {
    /// Makes a collector for runs with this schema.
    #[must_use]
    pub fn new(schema: &RunSchema) -> Self {
        let mut columns = PlannedColumns::new(&schema.episodes);
        let success = if schema.is_plume() { None } else { columns.place_named(SUCCESS) };
        let reward = columns.place_named(TOTAL_REWARD);
        let declared = schema.episodes.columns.iter().enumerate();
        let metrics = declared
            .flat_map(|(index, column)| column.metrics.iter().map(move |kind| (*kind, index)))
            .filter_map(|(kind, index)| Some((kind, columns.place(index)?)))
            .collect();
        let columns = columns.finish();
        Self {
            is_plume: schema.is_plume(),
            figures: FigureSet::of_schema(schema),
            success,
            reward,
            metrics,
            episodes: 0,
            steps: RunningMean::default(),
            terminated: 0,
            means: vec![RunningMean::default(); columns.len()],
            columns,
        }
    }

    /// The episode columns whose values are needed.
    #[must_use]
    pub fn columns(&self) -> &[PlannedColumn] {
        &self.columns
    }

    /// Adds a batch of episode rows.
    pub fn add_episodes(&mut self, rows: EpisodeColumns<'_>) {
        self.episodes += rows.total_steps.len() as u64;
        self.terminated += rows.terminated.iter().filter(|t| **t).count() as u64;
        #[allow(clippy::cast_precision_loss)]
        rows.total_steps.iter().for_each(|s| self.steps.add_value(*s as f64));
        for (mean, values) in self.means.iter_mut().zip(rows.numbers) {
            values.iter().for_each(|value| mean.add_value(*value));
        }
    }

    /// Returns the metrics of a run with this many steps.
    #[must_use]
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    pub fn finish(&self, steps: u64) -> RunMetrics {
        let mean_of = |at: Option<usize>| at.and_then(|at| self.means.get(at));
        // A success is a 1, so that their sum is their number.
        let successes = match (self.is_plume, mean_of(self.success)) {
            (true, _) => Some((self.terminated, self.episodes)),
            (false, Some(success)) => Some((success.sum as u64, success.n)),
            (false, None) => None,
        };
        let reward = mean_of(self.reward);
        let declared = self.metrics.iter().filter_map(|(kind, at)| {
            let (column, mean) = (self.columns.get(*at)?, self.means.get(*at)?);
            let name = format!("{}_{}", kind.as_str(), column.name);
            Some(DeclaredMetric { name, value: mean.value_of(*kind), unit: column.unit.clone() })
        });
        let declared: Vec<DeclaredMetric> = declared.collect();
        let final_distance = |name: &str| {
            let metric = declared.iter().filter(|_| self.is_plume).find(|metric| metric.name == name);
            metric.and_then(|metric| metric.value)
        };
        RunMetrics {
            episodes: self.episodes,
            steps,
            successes: successes.map(|(n, _)| n),
            success_rate: successes.filter(|(_, all)| *all > 0).map(|(n, all)| n as f64 / all as f64),
            mean_reward: reward.and_then(RunningMean::mean),
            max_reward: reward.and_then(|reward| reward.max),
            mean_steps: self.steps.mean(),
            mean_final_distance: final_distance("mean_final_distance_to_goal"),
            min_final_distance: final_distance("min_final_distance_to_goal"),
            figures: self.figures,
            judged: successes.map_or(0, |(_, judged)| judged),
            declared: (!self.is_plume).then_some(declared),
        }
    }
}

#[derive(Debug, Clone, Default)]
struct RunningMean {
    n: u64,
    sum: f64,
    min: Option<f64>,
    max: Option<f64>,
}

impl RunningMean {
    fn add_value(&mut self, value: f64) {
        if !value.is_finite() {
            return;
        }
        self.n += 1;
        self.sum += value;
        self.min = Some(self.min.map_or(value, |m| m.min(value)));
        self.max = Some(self.max.map_or(value, |m| m.max(value)));
    }

    fn mean(&self) -> Option<f64> {
        #[allow(clippy::cast_precision_loss)]
        (self.n > 0).then(|| self.sum / self.n as f64).filter(|m| m.is_finite())
    }

    fn value_of(&self, kind: MetricKind) -> Option<f64> {
        match kind {
            MetricKind::Mean => self.mean(),
            MetricKind::Min => self.min,
            MetricKind::Max => self.max,
        }
    }
}

/// The simulated grid, as far as `env_config` describes it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct PlumeGrid {
    /// Width and height, in cells.
    pub size: Option<(f64, f64)>,
    /// The position of the plume's source, in cells.
    pub source: Option<(f64, f64)>,
    /// The distance at which the goal counts as reached, in cells.
    pub goal_radius: Option<f64>,
    /// The standard deviation of the plume, in cells.
    pub sigma: Option<f64>,
}

impl PlumeGrid {
    /// Reads the known fields; a value of another type, or beyond 1e9, counts as missing.
    #[must_use]
    pub fn from_env_config(config: &JsonValue) -> Self {
        let pair = |value: Option<&JsonValue>| -> Option<(f64, f64)> {
            match value? {
                JsonValue::Array(xy) => match xy.as_slice() {
                    [x, y] => Some((finite_number(x)?, finite_number(y)?)),
                    _ => None,
                },
                JsonValue::Object(xy) => Some((finite_number(xy.get("x")?)?, finite_number(xy.get("y")?)?)),
                _ => None,
            }
        };
        let plume = config.get("plume_params");
        Self {
            // A grid of less than one cell cannot be drawn.
            size: pair(config.get("grid_size")).filter(|(w, h)| *w >= 1.0 && *h >= 1.0),
            source: pair(config.get("source_location")).or_else(|| pair(plume.and_then(|p| p.get("source_location")))),
            goal_radius: config.get("goal_radius").and_then(finite_number).filter(|r| *r > 0.0),
            sigma: plume.and_then(|p| p.get("sigma")).and_then(finite_number).filter(|s| *s > 0.0),
        }
    }
}

fn finite_number(value: &JsonValue) -> Option<f64> {
    value.as_f64().filter(|v| v.is_finite() && v.abs() < 1e9)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::formats::json::parse;

    #[test]
    fn metrics_of_nothing_are_absent_not_zero() {
        let metrics = MetricsCollector::new(&RunSchema::plume()).finish(0);
        assert_eq!((metrics.success_rate, metrics.mean_reward, metrics.mean_steps), (None, None, None));
        assert_eq!((metrics.successes, metrics.declared), (Some(0), None));
    }

    #[test]
    fn what_is_not_finite_is_left_out_of_means() {
        let mut collector = MetricsCollector::new(&RunSchema::plume());
        let names: Vec<&str> = collector.columns().iter().map(|column| column.name.as_str()).collect();
        assert_eq!(names, ["total_reward", "final_distance_to_goal"]);
        collector.add_episodes(EpisodeColumns {
            terminated: &[true, false, false],
            total_steps: &[1, 2, 3],
            numbers: &[vec![1.0, f64::NAN, 2.0], vec![f64::INFINITY, f64::NAN, 4.0]],
        });
        let metrics = collector.finish(6);
        assert_eq!((metrics.episodes, metrics.successes, metrics.mean_reward), (3, Some(1), Some(1.5)));
        assert_eq!((metrics.mean_final_distance, metrics.mean_steps), (Some(4.0), Some(2.0)));
    }

    #[test]
    fn a_declared_run_has_the_figures_it_declares_and_no_others() {
        let schema = |episodes: &str| {
            let text = format!("{{\"format\": 1, \"steps\": {{}}, \"episodes\": {{{episodes}}}}}");
            RunSchema::parse(text.as_bytes()).unwrap()
        };
        let mut plain = MetricsCollector::new(&schema(""));
        plain.add_episodes(EpisodeColumns { terminated: &[true], total_steps: &[3], numbers: &[] });
        let metrics = plain.finish(3);
        // An episode that is terminated has not succeeded: its pole may have fallen.
        assert_eq!((metrics.successes, metrics.success_rate, metrics.mean_reward), (None, None, None));
        assert_eq!((metrics.declared, metrics.figures), (Some(Vec::new()), FigureSet::default()));

        let mut collector = MetricsCollector::new(&schema(
            r#""success": {"dtype": "bool", "nullable": true, "metrics": ["mean"]},
               "peak": {"dtype": "float32", "unit": "m", "metrics": ["max", "min"]}"#,
        ));
        collector.add_episodes(EpisodeColumns {
            terminated: &[true; 4],
            total_steps: &[1, 2, 3, 4],
            numbers: &[vec![1.0, 0.0, f64::NAN, 1.0], vec![0.5, -1.0, 2.0, f64::INFINITY]],
        });
        let metrics = collector.finish(10);
        // Of one episode it is not known.
        assert_eq!((metrics.successes, metrics.success_rate), (Some(2), Some(2.0 / 3.0)));
        let declared: Vec<_> = metrics.declared.unwrap().into_iter().map(|m| (m.name, m.value, m.unit)).collect();
        let unit = Some("m".to_owned());
        assert_eq!(
            declared,
            [
                ("mean_success".to_owned(), Some(2.0 / 3.0), None),
                ("min_peak".to_owned(), Some(-1.0), unit.clone()),
                ("max_peak".to_owned(), Some(2.0), unit)
            ]
        );
    }

    #[test]
    fn a_strange_configuration_gives_no_grid_and_no_panic() {
        let config = parse(br#"{"grid_size": [1e300, 4], "source_location": "here", "goal_radius": NaN}"#).unwrap();
        assert_eq!(PlumeGrid::from_env_config(&config), PlumeGrid::default());
        assert_eq!(PlumeGrid::from_env_config(&JsonValue::Null), PlumeGrid::default());
        let named = parse(br#"{"plume_params": {"source_location": {"x": 3, "y": 4.5}}}"#).unwrap();
        assert_eq!(PlumeGrid::from_env_config(&named).source, Some((3.0, 4.5)));
    }
}
