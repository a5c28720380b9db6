//! Run metrics: the few numbers by which runs are compared.
//!
//! Deterministic: sums are taken in row order. A value that is not finite is left out of sums and means. Plot data is
//! in `metrics_collect`.

use serde::Serialize;

use crate::formats::json::JsonValue;

/// The metrics of a run. `None` if the run has no episode, or no finite value, for a number.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct RunMetrics {
    /// The number of episode summaries.
    pub episodes: u64,
    /// The number of step rows.
    pub steps: u64,
    /// Episodes that ended by reaching the goal (`terminated`).
    pub successes: u64,
    /// `successes` over `episodes`, 0 to 1.
    pub success_rate: Option<f64>,
    /// Mean of the episodes' total rewards.
    pub mean_reward: Option<f64>,
    /// The best total reward.
    pub max_reward: Option<f64>,
    /// Mean steps of an episode.
    pub mean_steps: Option<f64>,
    /// Mean final distance to the goal, in cells.
    pub mean_final_distance: Option<f64>,
    /// The smallest final distance to the goal, in cells.
    pub min_final_distance: Option<f64>,
}

/// The columns of episode rows that key figures need; all of one length.
#[derive(Debug, Clone, Copy)]
pub struct EpisodeColumns<'a> {
    /// Whether the goal was reached.
    pub terminated: &'a [bool],
    /// Steps in the episode.
    pub total_steps: &'a [i64],
    /// Sum of rewards.
    pub total_reward: &'a [f64],
    /// Distance to the goal at the end, if known.
    pub final_distance: &'a [Option<f64>],
}

/// Collects metrics, batch by batch.
#[derive(Debug, Clone, Default)]
pub struct MetricsCollector {
    episodes: u64,
    successes: u64,
    reward: RunningMean,
    steps: RunningMean,
    distance: RunningMean,
}

impl MetricsCollector {
    /// Adds a batch of episode rows.
    pub fn add_episodes(&mut self, rows: EpisodeColumns<'_>) {
        self.episodes += rows.terminated.len() as u64;
        self.successes += rows.terminated.iter().filter(|t| **t).count() as u64;
        rows.total_reward.iter().for_each(|r| self.reward.add_value(*r));
        #[allow(clippy::cast_precision_loss)]
        rows.total_steps.iter().for_each(|s| self.steps.add_value(*s as f64));
        rows.final_distance.iter().flatten().for_each(|d| self.distance.add_value(*d));
    }

    /// Returns the metrics of a run with this many step rows.
    #[must_use]
    pub fn finish(&self, steps: u64) -> RunMetrics {
        #[allow(clippy::cast_precision_loss)]
        let rate = (self.episodes > 0).then(|| self.successes as f64 / self.episodes as f64);
        RunMetrics {
            episodes: self.episodes,
            steps,
            successes: self.successes,
            success_rate: rate,
            mean_reward: self.reward.mean(),
            max_reward: self.reward.max,
            mean_steps: self.steps.mean(),
            mean_final_distance: self.distance.mean(),
            min_final_distance: self.distance.min,
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
        let metrics = MetricsCollector::default().finish(0);
        assert_eq!((metrics.success_rate, metrics.mean_reward, metrics.mean_steps), (None, None, None));
    }

    #[test]
    fn what_is_not_finite_is_left_out_of_means() {
        let mut key = MetricsCollector::default();
        key.add_episodes(EpisodeColumns {
            terminated: &[true, false, false],
            total_steps: &[1, 2, 3],
            total_reward: &[1.0, f64::NAN, 2.0],
            final_distance: &[Some(f64::INFINITY), None, Some(4.0)],
        });
        let metrics = key.finish(6);
        assert_eq!((metrics.episodes, metrics.successes, metrics.mean_reward), (3, 1, Some(1.5)));
        assert_eq!((metrics.mean_final_distance, metrics.mean_steps), (Some(4.0), Some(2.0)));
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
