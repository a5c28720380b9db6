//! Metrics and plot data from JSON lines: a sink for the validating scan. The same numbers come from parquet in `read`.

use crate::columnar::metrics::{EpisodeColumns, MetricsCollector, RunMetrics};
use crate::columnar::metrics_collect::{PlotCollector, PlotData, StepColumns};
use crate::run::RunKey;
use crate::run::meta::RunMeta;
use crate::run::rows::{EpisodeRows, StepRows};
use crate::validate::{RowSink, SinkError};

/// Collects the metrics and, if asked, the plot data of a run while it is scanned.
#[derive(Debug, Default)]
pub struct MetricsSink {
    metrics: MetricsCollector,
    plot_data: Option<PlotCollector>,
    steps: u64,
    indices: Vec<i64>,
}

impl MetricsSink {
    /// Makes a sink that collects plot data, too.
    #[must_use]
    pub fn with_plot_data() -> Self {
        Self { plot_data: Some(PlotCollector::default()), ..Self::default() }
    }

    /// Returns the metrics, and the plot data if asked for.
    #[must_use]
    pub fn finish(self) -> (RunMetrics, Option<PlotData>) {
        (self.metrics.finish(self.steps), self.plot_data.map(PlotCollector::finish))
    }
}

impl RowSink for MetricsSink {
    fn begin_run(&mut self, _: &RunKey, _: &RunMeta) -> Result<(), SinkError> {
        Ok(())
    }

    fn take_steps(&mut self, rows: StepRows) -> Result<StepRows, SinkError> {
        self.steps += rows.len() as u64;
        if let Some(plot_data) = &mut self.plot_data {
            self.indices.clear();
            for span in &rows.episodes {
                // The collector takes one index per row, as parquet has.
                self.indices.extend(std::iter::repeat_n(span.episode_index, span.rows));
            }
            plot_data.add_steps(StepColumns {
                episode_index: &self.indices,
                reward: &rows.reward,
                distance: &rows.distance_to_goal,
                x: &rows.agent_x,
                y: &rows.agent_y,
                terminated: &rows.terminated,
                truncated: &rows.truncated,
            });
        }
        Ok(rows)
    }

    fn take_episodes(&mut self, rows: EpisodeRows) -> Result<EpisodeRows, SinkError> {
        let distance = &rows.final_distance_to_goal;
        let final_distance: Vec<Option<f64>> = (0..rows.len()).map(|i| distance.get(i)).collect();
        self.metrics.add_episodes(EpisodeColumns {
            terminated: &rows.terminated,
            total_steps: &rows.total_steps,
            total_reward: &rows.total_reward,
            final_distance: &final_distance,
        });
        Ok(rows)
    }
}
