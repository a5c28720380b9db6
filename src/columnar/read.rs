//! Figures from a run's `steps.parquet` and `episodes.parquet`: only the needed columns are read.

use std::fs::File;
use std::path::Path;

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use crate::columnar::ColumnarError;
use crate::columnar::metrics::{EpisodeColumns, KeyCollector, KeyFigures};
use crate::columnar::metrics_collect::{Collector, StepColumns, Trace};
use crate::support::fs;

/// The rows of a parquet file, from its footer alone.
pub fn parquet_rows(path: &Path) -> Result<u64, ColumnarError> {
    let builder = open(path)?;
    Ok(u64::try_from(builder.metadata().file_metadata().num_rows()).unwrap_or(0))
}

/// Key figures of a run from its `steps.parquet` (of which only the footer is read) and `episodes.parquet`.
pub fn key_figures(steps: &Path, episodes: &Path) -> Result<KeyFigures, ColumnarError> {
    let steps = parquet_rows(steps)?;
    let path = episodes;
    let columns = ["terminated", "total_steps", "total_reward", "final_distance_to_goal"];
    let mut key = KeyCollector::default();
    for batch in batches(path, &columns)? {
        let batch = Columns { batch: batch.map_err(|e| bad(path, e))?, path };
        key.episodes(EpisodeColumns {
            terminated: &batch.bools("terminated")?,
            total_steps: &batch.ints("total_steps")?,
            total_reward: &batch.floats("total_reward")?,
            final_distance: &batch.optional_floats("final_distance_to_goal")?,
        });
    }
    Ok(key.finish(steps))
}

/// The trace of a run from its `steps.parquet`.
pub fn trace(path: &Path) -> Result<Trace, ColumnarError> {
    let columns = ["episode_index", "reward", "terminated", "truncated", "agent_x", "agent_y", "distance_to_goal"];
    let mut collector = Collector::default();
    for batch in batches(path, &columns)? {
        let batch = Columns { batch: batch.map_err(|e| bad(path, e))?, path };
        collector.steps(StepColumns {
            episode_index: &batch.ints("episode_index")?,
            reward: &batch.floats("reward")?,
            distance: &batch.floats("distance_to_goal")?,
            x: &batch.ints("agent_x")?,
            y: &batch.ints("agent_y")?,
            terminated: &batch.bools("terminated")?,
            truncated: &batch.bools("truncated")?,
        });
    }
    Ok(collector.finish())
}

fn open(path: &Path) -> Result<ParquetRecordBatchReaderBuilder<File>, ColumnarError> {
    let file = fs::open(path).map_err(|error| ColumnarError::Open { path: path.into(), source: error.source })?;
    ParquetRecordBatchReaderBuilder::try_new(file).map_err(|e| bad(path, e))
}

fn batches(path: &Path, columns: &[&str]) -> Result<ParquetRecordBatchReader, ColumnarError> {
    let builder = open(path)?;
    let mask = ProjectionMask::columns(builder.parquet_schema(), columns.iter().copied());
    builder.with_projection(mask).with_batch_size(8192).build().map_err(|e| bad(path, e))
}

fn bad(path: &Path, message: impl std::fmt::Display) -> ColumnarError {
    ColumnarError::Unreadable { path: path.into(), message: message.to_string() }
}

struct Columns<'a> {
    batch: RecordBatch,
    path: &'a Path,
}

impl Columns<'_> {
    /// A column as this type. Recorders' own exports may hold a narrower one.
    fn column(&self, name: &str, wanted: &DataType) -> Result<arrow::array::ArrayRef, ColumnarError> {
        let column =
            self.batch.column_by_name(name).ok_or_else(|| bad(self.path, format!("there is no column `{name}`")))?;
        cast(column, wanted).map_err(|e| bad(self.path, format!("column `{name}`: {e}")))
    }

    fn ints(&self, name: &str) -> Result<Vec<i64>, ColumnarError> {
        Ok(self.column(name, &DataType::Int64)?.as_primitive::<Int64Type>().values().to_vec())
    }

    fn floats(&self, name: &str) -> Result<Vec<f64>, ColumnarError> {
        Ok(self.column(name, &DataType::Float64)?.as_primitive::<Float64Type>().values().to_vec())
    }

    fn optional_floats(&self, name: &str) -> Result<Vec<Option<f64>>, ColumnarError> {
        Ok(self.column(name, &DataType::Float64)?.as_primitive::<Float64Type>().iter().collect())
    }

    fn bools(&self, name: &str) -> Result<Vec<bool>, ColumnarError> {
        let column = self.column(name, &DataType::Boolean)?;
        let bools: &BooleanArray = column.as_boolean();
        Ok((0..bools.len()).map(|i| bools.is_valid(i) && bools.value(i)).collect())
    }
}
