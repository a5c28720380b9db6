//! Metrics and plot data from JSON lines: a sink for the validating scan. The same numbers come from parquet in `read`.

use std::sync::Arc;

use crate::columnar::metrics::{EpisodeColumns, MetricsCollector, RunMetrics, SUCCESS};
use crate::columnar::planned::read_numbers;
use crate::columnar::plot_data::{PlotCollector, PlotData, StepColumns};
use crate::run::RunKey;
use crate::run::meta::RunMeta;
use crate::run::rows::{EpisodeRows, StepRows};
use crate::run::schema::RunSchema;
use crate::validate::{RowSink, SinkError};

/// Collects the metrics and, if asked, the plot data of a run while it is scanned.
#[derive(Debug, Default)]
pub struct MetricsSink {
    wants_plot_data: bool,
    collectors: Option<Collectors>,
}

#[derive(Debug)]
struct Collectors {
    schema: Arc<RunSchema>,
    metrics: MetricsCollector,
    plot_data: Option<PlotCollector>,
    steps: u64,
    indices: Vec<i64>,
}

impl MetricsSink {
    /// Makes a sink that collects plot data, too.
    #[must_use]
    pub fn with_plot_data() -> Self {
        Self { wants_plot_data: true, collectors: None }
    }

    /// Returns the metrics, and the plot data if asked for. `None` if no run was read.
    #[must_use]
    pub fn finish(self) -> Option<(RunMetrics, Option<PlotData>)> {
        let Collectors { metrics, plot_data, steps, .. } = self.collectors?;
        Some((metrics.finish(steps), plot_data.map(PlotCollector::finish)))
    }

    fn collectors(&mut self) -> Result<&mut Collectors, SinkError> {
        self.collectors.as_mut().ok_or_else(|| "rows came before the run they belong to".into())
    }
}

impl RowSink for MetricsSink {
    fn begin_run(&mut self, _: &RunKey, _: &RunMeta, schema: &Arc<RunSchema>) -> Result<(), SinkError> {
        self.collectors = Some(Collectors {
            metrics: MetricsCollector::new(schema),
            plot_data: self.wants_plot_data.then(|| PlotCollector::new(schema)),
            schema: Arc::clone(schema),
            steps: 0,
            indices: Vec::new(),
        });
        Ok(())
    }

    fn take_steps(&mut self, rows: StepRows) -> Result<StepRows, SinkError> {
        let collectors = self.collectors()?;
        collectors.steps += count_steps(&collectors.schema, &rows.step);
        if let Some(plot_data) = &mut collectors.plot_data {
            let indices = &mut collectors.indices;
            indices.clear();
            for span in &rows.episodes {
                // The collector takes one index per row, as parquet has.
                indices.extend(std::iter::repeat_n(span.episode_index, span.rows));
            }
            let numbers = read_numbers(plot_data.columns(), &rows.columns);
            plot_data.add_steps(StepColumns {
                episode_index: indices,
                step: &rows.step,
                terminated: &rows.terminated,
                truncated: &rows.truncated,
                numbers: &numbers,
            });
        }
        Ok(rows)
    }

    fn take_episodes(&mut self, rows: EpisodeRows) -> Result<EpisodeRows, SinkError> {
        let Collectors { schema, metrics, plot_data, .. } = self.collectors()?;
        let numbers = read_numbers(metrics.columns(), &rows.columns);
        metrics.add_episodes(EpisodeColumns {
            terminated: &rows.terminated,
            total_steps: &rows.total_steps,
            numbers: &numbers,
        });
        if let (Some(plot_data), false) = (plot_data, schema.is_plume()) {
            let success = schema.episodes.find(SUCCESS).and_then(|index| rows.columns.get(index));
            let bools = success.into_iter().flat_map(|column| column.bools().iter().enumerate());
            for (row, is_success) in bools {
                let is_known = success.is_some_and(|column| column.is_valid(row));
                if let (Some(index), true) = (rows.episode_index.get(row), is_known) {
                    plot_data.add_success(index, *is_success);
                }
            }
        }
        Ok(rows)
    }
}

/// The number of steps among rows, without the states after resets, which are step 0.
pub(super) fn count_steps(schema: &RunSchema, step: &[i64]) -> u64 {
    if schema.reset_rows { step.iter().filter(|step| **step >= 1).count() as u64 } else { step.len() as u64 }
}
