//! Metrics and plot data from a run's `steps.parquet` and `episodes.parquet`. Only the needed columns are read; no rule
//! is checked.

use std::fs::File;
use std::path::Path;

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use crate::columnar::ColumnarError;
use crate::columnar::metrics::{EpisodeColumns, MetricsCollector, RunMetrics};
use crate::columnar::metrics_collect::{PlotCollector, PlotData, StepColumns};
use crate::support::fs;

/// Returns the number of rows of a parquet file, from its footer alone.
pub fn count_parquet_rows(path: &Path) -> Result<u64, ColumnarError> {
    let builder = open_parquet(path)?;
    Ok(u64::try_from(builder.metadata().file_metadata().num_rows()).unwrap_or(0))
}

/// Returns the metrics of a run, from the footer of its `steps.parquet` and from its `episodes.parquet`.
pub fn read_run_metrics(steps: &Path, episodes: &Path) -> Result<RunMetrics, ColumnarError> {
    let steps = count_parquet_rows(steps)?;
    let path = episodes;
    let columns = ["terminated", "total_steps", "total_reward", "final_distance_to_goal"];
    let mut key = MetricsCollector::default();
    for batch in open_batches(path, &columns)? {
        let batch = BatchColumns { batch: batch.map_err(|e| unreadable_file(path, e))?, path };
        key.add_episodes(EpisodeColumns {
            terminated: &batch.bool_column("terminated")?,
            total_steps: &batch.int_column("total_steps")?,
            total_reward: &batch.float_column("total_reward")?,
            final_distance: &batch.optional_float_column("final_distance_to_goal")?,
        });
    }
    Ok(key.finish(steps))
}

/// Returns the plot data of a run, from its `steps.parquet`.
pub fn read_plot_data(path: &Path) -> Result<PlotData, ColumnarError> {
    let columns = ["episode_index", "reward", "terminated", "truncated", "agent_x", "agent_y", "distance_to_goal"];
    let mut collector = PlotCollector::default();
    for batch in open_batches(path, &columns)? {
        let batch = BatchColumns { batch: batch.map_err(|e| unreadable_file(path, e))?, path };
        collector.add_steps(StepColumns {
            episode_index: &batch.int_column("episode_index")?,
            reward: &batch.float_column("reward")?,
            distance: &batch.float_column("distance_to_goal")?,
            x: &batch.int_column("agent_x")?,
            y: &batch.int_column("agent_y")?,
            terminated: &batch.bool_column("terminated")?,
            truncated: &batch.bool_column("truncated")?,
        });
    }
    Ok(collector.finish())
}

fn open_parquet(path: &Path) -> Result<ParquetRecordBatchReaderBuilder<File>, ColumnarError> {
    let file = fs::open(path).map_err(|error| ColumnarError::Open { path: path.into(), source: error.source })?;
    ParquetRecordBatchReaderBuilder::try_new(file).map_err(|e| unreadable_file(path, e))
}

fn open_batches(path: &Path, columns: &[&str]) -> Result<ParquetRecordBatchReader, ColumnarError> {
    let builder = open_parquet(path)?;
    let mask = ProjectionMask::columns(builder.parquet_schema(), columns.iter().copied());
    // 8192 rows, like the batches of the scan.
    builder.with_projection(mask).with_batch_size(8192).build().map_err(|e| unreadable_file(path, e))
}

fn unreadable_file(path: &Path, message: impl std::fmt::Display) -> ColumnarError {
    ColumnarError::Unreadable { path: path.into(), message: message.to_string() }
}

struct BatchColumns<'a> {
    batch: RecordBatch,
    path: &'a Path,
}

impl BatchColumns<'_> {
    /// Returns a column, cast to this type: recorders' own exports can have a narrower one.
    fn typed_column(&self, name: &str, expected: &DataType) -> Result<arrow::array::ArrayRef, ColumnarError> {
        let column = self
            .batch
            .column_by_name(name)
            .ok_or_else(|| unreadable_file(self.path, format!("there is no column `{name}`")))?;
        cast(column, expected).map_err(|e| unreadable_file(self.path, format!("column `{name}`: {e}")))
    }

    fn int_column(&self, name: &str) -> Result<Vec<i64>, ColumnarError> {
        Ok(self.typed_column(name, &DataType::Int64)?.as_primitive::<Int64Type>().values().to_vec())
    }

    fn float_column(&self, name: &str) -> Result<Vec<f64>, ColumnarError> {
        Ok(self.typed_column(name, &DataType::Float64)?.as_primitive::<Float64Type>().values().to_vec())
    }

    fn optional_float_column(&self, name: &str) -> Result<Vec<Option<f64>>, ColumnarError> {
        Ok(self.typed_column(name, &DataType::Float64)?.as_primitive::<Float64Type>().iter().collect())
    }

    fn bool_column(&self, name: &str) -> Result<Vec<bool>, ColumnarError> {
        let column = self.typed_column(name, &DataType::Boolean)?;
        let bools: &BooleanArray = column.as_boolean();
        // A null counts as false.
        Ok((0..bools.len()).map(|i| bools.is_valid(i) && bools.value(i)).collect())
    }
}
