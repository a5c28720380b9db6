//! Metrics and plot data from a run's `steps.parquet` and `episodes.parquet`. Only the needed columns are read; no rule
//! is checked.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::file::statistics::Statistics;

use crate::columnar::ColumnarError;
use crate::columnar::metrics::{EpisodeColumns, MetricsCollector, RunMetrics, SUCCESS};
use crate::columnar::metrics_rows::count_steps;
use crate::columnar::planned::PlannedColumn;
use crate::columnar::plot_data::{PlotCollector, PlotData, StepColumns};
use crate::columnar::schema::SCHEMA_KEY;
use crate::run::schema::RunSchema;
use crate::support::fs;

/// Returns the number of rows of a parquet file, from its footer alone.
pub fn count_parquet_rows(path: &Path) -> Result<u64, ColumnarError> {
    let builder = open_parquet(path)?;
    Ok(u64::try_from(builder.metadata().file_metadata().num_rows()).unwrap_or(0))
}

/// Returns the metrics of a run, from its `episodes.parquet` and, for the number of steps, its `steps.parquet`.
pub fn read_run_metrics(steps: &Path, episodes: &Path) -> Result<RunMetrics, ColumnarError> {
    let path = episodes;
    let file = open_parquet(path)?;
    let schema = read_file_schema(&file, path)?;
    let mut metrics = MetricsCollector::new(&schema);
    for batch in open_batches(file, path, &["terminated", "total_steps"], metrics.columns())? {
        let batch = BatchColumns { batch: batch.map_err(|e| unreadable_file(path, e))?, path };
        metrics.add_episodes(EpisodeColumns {
            terminated: &batch.bool_column("terminated")?,
            total_steps: &batch.int_column("total_steps")?,
            numbers: &batch.numbers(metrics.columns())?,
        });
    }
    Ok(metrics.finish(count_parquet_steps(steps, &schema)?))
}

/// Returns the number of steps in a run's `steps.parquet`: from its footer, if every row is a step.
fn count_parquet_steps(path: &Path, schema: &RunSchema) -> Result<u64, ColumnarError> {
    if !schema.reset_rows {
        return count_parquet_rows(path);
    }
    let mut steps = 0;
    for batch in open_batches(open_parquet(path)?, path, &["step"], &[])? {
        let batch = BatchColumns { batch: batch.map_err(|e| unreadable_file(path, e))?, path };
        steps += count_steps(schema, &batch.int_column("step")?);
    }
    Ok(steps)
}

/// Returns the largest finite `ts` of a `steps.parquet`, in seconds since the Unix epoch; `None` if no step has one.
pub fn read_latest_ts(path: &Path) -> Result<Option<f64>, ColumnarError> {
    let file = open_parquet(path)?;
    if let Some(latest) = latest_ts_of_footer(&file) {
        return Ok(Some(latest));
    }
    let mut latest: Option<f64> = None;
    for batch in open_batches(file, path, &["ts"], &[])? {
        let batch = BatchColumns { batch: batch.map_err(|e| unreadable_file(path, e))?, path };
        let times = batch.typed_column("ts", &DataType::Float64)?;
        let finite = times.as_primitive::<Float64Type>().iter().flatten().filter(|time| time.is_finite());
        latest = finite.chain(latest).reduce(f64::max);
    }
    Ok(latest)
}

/// The largest `ts` that the footer's statistics give; `None` if they leave it open.
fn latest_ts_of_footer(file: &ParquetRecordBatchReaderBuilder<File>) -> Option<f64> {
    let mut latest: Option<f64> = None;
    for group in file.metadata().row_groups() {
        let chunk = group.columns().iter().find(|chunk| chunk.column_path().string() == "ts")?;
        let Some(Statistics::Double(times)) = chunk.statistics() else { return None };
        // Without a bound there is a NaN among them, or nothing but nulls.
        let max = times.max_opt().copied().filter(|max| max.is_finite())?;
        latest = Some(latest.map_or(max, |latest| latest.max(max)));
    }
    latest
}

/// Returns the plot data of a run, from its `steps.parquet` and, if success is declared, its `episodes.parquet`.
pub fn read_plot_data(steps: &Path, episodes: &Path) -> Result<PlotData, ColumnarError> {
    let path = steps;
    let file = open_parquet(path)?;
    let schema = read_file_schema(&file, path)?;
    let mut collector = PlotCollector::new(&schema);
    let core = ["episode_index", "step", "terminated", "truncated"];
    for batch in open_batches(file, path, &core, collector.columns())? {
        let batch = BatchColumns { batch: batch.map_err(|e| unreadable_file(path, e))?, path };
        let numbers = batch.numbers(collector.columns())?;
        collector.add_steps(StepColumns {
            episode_index: &batch.int_column("episode_index")?,
            step: &batch.int_column("step")?,
            terminated: &batch.bool_column("terminated")?,
            truncated: &batch.bool_column("truncated")?,
            numbers: &numbers,
        });
    }
    if !schema.is_plume() && schema.episodes.find(SUCCESS).is_some() {
        read_successes(episodes, &mut collector)?;
    }
    Ok(collector.finish())
}

fn read_successes(path: &Path, collector: &mut PlotCollector) -> Result<(), ColumnarError> {
    for batch in open_batches(open_parquet(path)?, path, &["episode_index", SUCCESS], &[])? {
        let batch = BatchColumns { batch: batch.map_err(|e| unreadable_file(path, e))?, path };
        let indices = batch.typed_column("episode_index", &DataType::Int64)?;
        let success = batch.typed_column(SUCCESS, &DataType::Boolean)?;
        for (index, success) in indices.as_primitive::<Int64Type>().iter().zip(success.as_boolean().iter()) {
            // A summary without steps, or whose success is not known.
            let (Some(index), Some(success)) = (index, success) else { continue };
            collector.add_success(index, success);
        }
    }
    Ok(())
}

/// Returns the declaration in a file's footer; a file without one is plume-nav-sim's.
fn read_file_schema(
    file: &ParquetRecordBatchReaderBuilder<File>,
    path: &Path,
) -> Result<Arc<RunSchema>, ColumnarError> {
    let pairs = file.metadata().file_metadata().key_value_metadata();
    let text = pairs.into_iter().flatten().find(|pair| pair.key == SCHEMA_KEY).and_then(|pair| pair.value.as_ref());
    let Some(text) = text else { return Ok(RunSchema::plume()) };
    RunSchema::parse(text.as_bytes())
        .map(Arc::new)
        .map_err(|e| unreadable_file(path, format!("the declaration of its columns: {e}")))
}

fn open_parquet(path: &Path) -> Result<ParquetRecordBatchReaderBuilder<File>, ColumnarError> {
    let file = fs::open(path).map_err(|error| ColumnarError::Open { path: path.into(), source: error.source })?;
    ParquetRecordBatchReaderBuilder::try_new(file).map_err(|e| unreadable_file(path, e))
}

/// Reads the named columns and the planned ones, no others.
fn open_batches(
    builder: ParquetRecordBatchReaderBuilder<File>,
    path: &Path,
    columns: &[&str],
    planned: &[PlannedColumn],
) -> Result<ParquetRecordBatchReader, ColumnarError> {
    let names = columns.iter().copied().chain(planned.iter().map(|column| column.name.as_str()));
    let mask = ProjectionMask::columns(builder.parquet_schema(), names);
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

    /// Returns the planned columns as numbers; a null is a NaN, a bool 0 or 1.
    fn numbers(&self, planned: &[PlannedColumn]) -> Result<Vec<Vec<f64>>, ColumnarError> {
        let numbers = |planned: &PlannedColumn| {
            let column = self.typed_column(&planned.name, &DataType::Float64)?;
            let floats = column.as_primitive::<Float64Type>();
            if floats.null_count() == 0 {
                return Ok(floats.values().to_vec());
            }
            Ok(floats.iter().map(|float| float.unwrap_or(f64::NAN)).collect())
        };
        planned.iter().map(numbers).collect()
    }

    fn bool_column(&self, name: &str) -> Result<Vec<bool>, ColumnarError> {
        let column = self.typed_column(name, &DataType::Boolean)?;
        let bools: &BooleanArray = column.as_boolean();
        // A null counts as false.
        Ok((0..bools.len()).map(|i| bools.is_valid(i) && bools.value(i)).collect())
    }
}
