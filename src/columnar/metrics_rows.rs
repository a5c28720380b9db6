//! Figures from JSON lines: a sink for the one pass that reads and judges them.

use crate::columnar::metrics::{EpisodeColumns, KeyCollector, KeyFigures};
use crate::columnar::metrics_collect::{Collector, StepColumns, Trace};
use crate::run::RunKey;
use crate::run::meta::RunMeta;
use crate::run::rows::{EpisodeRows, StepRows};
use crate::validate::{RowSink, SinkError};

/// Gathers key figures and, where wanted, the trace of a run while it is scanned.
#[derive(Debug, Default)]
pub struct RowFigures {
    key: KeyCollector,
    trace: Option<Collector>,
    steps: u64,
    indices: Vec<i64>,
}

impl RowFigures {
    /// Gathers the trace too.
    #[must_use]
    pub fn with_trace() -> Self {
        Self { trace: Some(Collector::default()), ..Self::default() }
    }

    /// The figures, and the trace where it was wanted.
    #[must_use]
    pub fn finish(self) -> (KeyFigures, Option<Trace>) {
        (self.key.finish(self.steps), self.trace.map(Collector::finish))
    }
}

impl RowSink for RowFigures {
    fn begin(&mut self, _: &RunKey, _: &RunMeta) -> Result<(), SinkError> {
        Ok(())
    }

    fn steps(&mut self, rows: StepRows) -> Result<StepRows, SinkError> {
        self.steps += rows.len() as u64;
        if let Some(trace) = &mut self.trace {
            self.indices.clear();
            for span in &rows.episodes {
                self.indices.extend(std::iter::repeat_n(span.episode_index, span.rows));
            }
            trace.steps(StepColumns {
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

    fn episodes(&mut self, rows: EpisodeRows) -> Result<EpisodeRows, SinkError> {
        let distance = &rows.final_distance_to_goal;
        let final_distance: Vec<Option<f64>> = (0..rows.len()).map(|i| distance.get(i)).collect();
        self.key.episodes(EpisodeColumns {
            terminated: &rows.terminated,
            total_steps: &rows.total_steps,
            total_reward: &rows.total_reward,
            final_distance: &final_distance,
        });
        Ok(rows)
    }
}
