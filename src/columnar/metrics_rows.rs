//! Metrics and plot data from JSON lines: a sink for the validating scan. The same numbers come from parquet in `read`.

use std::sync::Arc;

use crate::columnar::metrics::{EpisodeColumns, MetricsCollector, RunMetrics};
use crate::columnar::metrics_collect::{PlotCollector, PlotData, StepColumns};
use crate::run::RunKey;
use crate::run::meta::RunMeta;
use crate::run::rows::{ColumnValues, EpisodeRows, StepRows};
use crate::run::schema::RunSchema;
use crate::validate::{RowSink, SinkError};

/// Collects the metrics and, if asked, the plot data of a run while it is scanned.
#[derive(Debug, Default)]
pub struct MetricsSink {
    schema: Option<Arc<RunSchema>>,
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
    fn begin_run(&mut self, _: &RunKey, _: &RunMeta, schema: &Arc<RunSchema>) -> Result<(), SinkError> {
        self.schema = Some(Arc::clone(schema));
        Ok(())
    }

    fn take_steps(&mut self, rows: StepRows) -> Result<StepRows, SinkError> {
        self.steps += rows.len() as u64;
        let columns = &rows.columns;
        let column = |name: &str| columns.get(self.schema.as_ref()?.steps.find(name)?);
        if let Some(plot_data) = &mut self.plot_data {
            self.indices.clear();
            for span in &rows.episodes {
                // The collector takes one index per row, as parquet has.
                self.indices.extend(std::iter::repeat_n(span.episode_index, span.rows));
            }
            plot_data.add_steps(StepColumns {
                episode_index: &self.indices,
                reward: column("reward").map_or(&[], ColumnValues::floats),
                distance: column("distance_to_goal").map_or(&[], ColumnValues::floats),
                x: column("agent_x").map_or(&[], ColumnValues::ints),
                y: column("agent_y").map_or(&[], ColumnValues::ints),
                terminated: &rows.terminated,
                truncated: &rows.truncated,
            });
        }
        Ok(rows)
    }

    fn take_episodes(&mut self, rows: EpisodeRows) -> Result<EpisodeRows, SinkError> {
        let column = |name: &str| rows.columns.get(self.schema.as_ref()?.episodes.find(name)?);
        let distance = column("final_distance_to_goal");
        let final_distance: Vec<Option<f64>> = distance.map_or_else(Vec::new, |column| {
            let floats = column.floats().iter().enumerate();
            floats.map(|(row, float)| column.is_valid(row).then_some(*float)).collect()
        });
        self.metrics.add_episodes(EpisodeColumns {
            terminated: &rows.terminated,
            total_steps: &rows.total_steps,
            total_reward: column("total_reward").map_or(&[], ColumnValues::floats),
            final_distance: &final_distance,
        });
        Ok(rows)
    }
}
