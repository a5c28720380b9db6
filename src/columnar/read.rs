//! Metrics and plot data from a run's `steps.parquet` and `episodes.parquet`. Only the needed columns are read; no rule
//! is checked.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReader;
use parquet::file::statistics::Statistics;

use crate::columnar::ColumnarError;
use crate::columnar::file::ParquetFile;
use crate::columnar::metrics::{EpisodeColumns, MetricsCollector, RunMetrics, SUCCESS};
use crate::columnar::metrics_rows::count_steps;
use crate::columnar::planned::PlannedColumn;
use crate::columnar::plot_data::{PlotCollector, PlotData, StepColumns};
use crate::columnar::schema::SCHEMA_KEY;
use crate::run::layout::EPISODES_PARQUET;
use crate::run::schema::RunSchema;

/// Returns the number of rows of a parquet file, from its footer alone.
pub fn count_parquet_rows(path: &Path) -> Result<u64, ColumnarError> {
    let builder = ParquetFile::open(path)?;
    Ok(u64::try_from(builder.metadata().file_metadata().num_rows()).unwrap_or(0))
}

/// Returns the metrics of a run, from its `episodes.parquet` and, for the number of steps, its `steps.parquet`.
pub fn read_run_metrics(steps: &Path, episodes: &Path) -> Result<RunMetrics, ColumnarError> {
    let file = ParquetFile::open(episodes)?;
    let schema = read_file_schema(&file, episodes)?;
    let metrics = collect_metrics(file, &schema, episodes)?;
    Ok(metrics.finish(count_parquet_steps(steps, &schema)?))
}

/// Returns the metrics of a run of so many steps, from the bytes of its `episodes.parquet`.
pub fn read_metrics_of_bytes(episodes: Bytes, steps: u64) -> Result<RunMetrics, ColumnarError> {
    let path = Path::new(EPISODES_PARQUET);
    let file = ParquetFile::of_bytes(episodes).map_err(|e| unreadable_file(path, e))?;
    let schema = read_file_schema(&file, path)?;
    Ok(collect_metrics(file, &schema, path)?.finish(steps))
}

fn collect_metrics(file: ParquetFile, schema: &RunSchema, path: &Path) -> Result<MetricsCollector, ColumnarError> {
    let mut metrics = MetricsCollector::new(schema);
    for batch in open_batches(file, path, &["terminated", "total_steps"], metrics.columns())? {
        let batch = BatchColumns { batch: batch.map_err(|e| unreadable_file(path, e))?, path };
        metrics.add_episodes(EpisodeColumns {
            terminated: &batch.bool_column("terminated")?,
            total_steps: &batch.int_column("total_steps")?,
            numbers: &batch.numbers(metrics.columns())?,
        });
    }
    Ok(metrics)
}

/// Returns the number of steps in a run's `steps.parquet`: from its footer, if every row is a step.
fn count_parquet_steps(path: &Path, schema: &RunSchema) -> Result<u64, ColumnarError> {
    if !schema.reset_rows {
        return count_parquet_rows(path);
    }
    let mut steps = 0;
    for batch in open_batches(ParquetFile::open(path)?, path, &["step"], &[])? {
        let batch = BatchColumns { batch: batch.map_err(|e| unreadable_file(path, e))?, path };
        steps += count_steps(schema, &batch.int_column("step")?);
    }
    Ok(steps)
}

/// Returns the largest finite `ts` of a `steps.parquet`, in seconds since the Unix epoch; `None` if no step has one.
pub fn read_latest_ts(path: &Path) -> Result<Option<f64>, ColumnarError> {
    let file = ParquetFile::open_with_statistics(path)?;
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
fn latest_ts_of_footer(file: &ParquetFile) -> Option<f64> {
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
    let file = ParquetFile::open(steps)?;
    let schema = read_file_schema(&file, steps)?;
    let mut collector = PlotCollector::new(&schema);
    add_steps(file, steps, &mut collector)?;
    if has_successes(&schema) {
        let names = ["episode_index", SUCCESS];
        for batch in open_batches(ParquetFile::open(episodes)?, episodes, &names, &[])? {
            let batch = BatchColumns { batch: batch.map_err(|e| unreadable_file(episodes, e))?, path: episodes };
            batch.successes()?.into_iter().for_each(|(index, success)| collector.add_success(index, success));
        }
    }
    Ok(collector.finish())
}

/// All that metrics and plots need of a run, and the names of its episodes.
#[derive(Debug)]
pub struct RunDetails {
    /// The metrics.
    pub metrics: RunMetrics,
    /// The plot data.
    pub plot_data: PlotData,
    /// The recorder's names of the first episodes that have a summary, with the index of each.
    pub episode_ids: Vec<(i64, String)>,
}

/// Returns the metrics, the plot data and the names of so many episodes; each file is opened once.
pub fn read_run_details(steps: &Path, episodes: &Path, most_ids: usize) -> Result<RunDetails, ColumnarError> {
    let (steps_file, episodes_file) = (ParquetFile::open(steps)?, ParquetFile::open(episodes)?);
    let schema = read_file_schema(&steps_file, steps)?;
    let step_rows = u64::try_from(steps_file.metadata().file_metadata().num_rows()).unwrap_or(0);
    let mut collector = PlotCollector::new(&schema);
    add_steps(steps_file, steps, &mut collector)?;
    let mut metrics = MetricsCollector::new(&schema);
    let mut episode_ids = Vec::new();
    let mut names = vec!["terminated", "total_steps", "episode_index", "episode_id"];
    names.extend(has_successes(&schema).then_some(SUCCESS));
    for batch in open_batches(episodes_file, episodes, &names, metrics.columns())? {
        let batch = BatchColumns { batch: batch.map_err(|e| unreadable_file(episodes, e))?, path: episodes };
        metrics.add_episodes(EpisodeColumns {
            terminated: &batch.bool_column("terminated")?,
            total_steps: &batch.int_column("total_steps")?,
            numbers: &batch.numbers(metrics.columns())?,
        });
        if has_successes(&schema) {
            batch.successes()?.into_iter().for_each(|(index, success)| collector.add_success(index, success));
        }
        batch.add_episode_ids(most_ids, &mut episode_ids)?;
    }
    let plot_data = collector.finish();
    // A state after a reset is a row and no step.
    let is_step_rows = !schema.reset_rows;
    let steps = if is_step_rows { step_rows } else { plot_data.episodes.iter().map(|episode| episode.steps).sum() };
    Ok(RunDetails { metrics: metrics.finish(steps), plot_data, episode_ids })
}

/// Whether a run's schema declares which episodes succeeded.
fn has_successes(schema: &RunSchema) -> bool {
    !schema.is_plume() && schema.episodes.find(SUCCESS).is_some()
}

fn add_steps(file: ParquetFile, path: &Path, collector: &mut PlotCollector) -> Result<(), ColumnarError> {
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
    Ok(())
}

/// Returns the declaration in a file's footer; a file without one is plume-nav-sim's.
fn read_file_schema(file: &ParquetFile, path: &Path) -> Result<Arc<RunSchema>, ColumnarError> {
    let pairs = file.metadata().file_metadata().key_value_metadata();
    let text = pairs.into_iter().flatten().find(|pair| pair.key == SCHEMA_KEY).and_then(|pair| pair.value.as_ref());
    let Some(text) = text else { return Ok(RunSchema::plume()) };
    RunSchema::parse(text.as_bytes())
        .map(Arc::new)
        .map_err(|e| unreadable_file(path, format!("the declaration of its columns: {e}")))
}

/// Reads the named columns and the planned ones, no others.
fn open_batches(
    file: ParquetFile,
    path: &Path,
    columns: &[&str],
    planned: &[PlannedColumn],
) -> Result<ParquetRecordBatchReader, ColumnarError> {
    let names = columns.iter().copied().chain(planned.iter().map(|column| column.name.as_str()));
    file.read_columns(names).map_err(|e| unreadable_file(path, e))
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

    /// Returns which episodes succeeded, by index; without a summary that has no steps, or whose success is not known.
    fn successes(&self) -> Result<Vec<(i64, bool)>, ColumnarError> {
        let indices = self.typed_column("episode_index", &DataType::Int64)?;
        let success = self.typed_column(SUCCESS, &DataType::Boolean)?;
        let pairs = indices.as_primitive::<Int64Type>().iter().zip(success.as_boolean().iter());
        Ok(pairs.filter_map(|(index, success)| Some((index?, success?))).collect())
    }

    /// Adds the names of episodes that have steps, up to so many in all.
    fn add_episode_ids(&self, most: usize, out: &mut Vec<(i64, String)>) -> Result<(), ColumnarError> {
        let indices = self.typed_column("episode_index", &DataType::Int64)?;
        let names = self.typed_column("episode_id", &DataType::Utf8)?;
        let pairs = indices.as_primitive::<Int64Type>().iter().zip(names.as_string::<i32>().iter());
        let pairs = pairs.filter_map(|(index, name)| Some((index?, name?.to_owned())));
        out.extend(pairs.take(most.saturating_sub(out.len())));
        Ok(())
    }

    fn bool_column(&self, name: &str) -> Result<Vec<bool>, ColumnarError> {
        let column = self.typed_column(name, &DataType::Boolean)?;
        let bools: &BooleanArray = column.as_boolean();
        // A null counts as false.
        Ok((0..bools.len()).map(|i| bools.is_valid(i) && bools.value(i)).collect())
    }
}
