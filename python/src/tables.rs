//! `load_steps` and `load_episodes`: a run's rows as Arrow tables, passed to Python through the PyCapsule interface.
//!
//! The columns are those of the dataset's parquet files. The scan's vectors become Arrow buffers without a copy, and
//! Python gets their addresses: pyarrow, Polars, pandas and DuckDB read the memory that the scan filled. No parquet
//! file is read here.

use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, ListArray, RecordBatch, RecordBatchIterator, StringArray,
};
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ffi::FFI_ArrowSchema;
use arrow::ffi_stream::FFI_ArrowArrayStream;
use capture_hook::project::dir;
use capture_hook::run::RunKey;
use capture_hook::run::meta::RunMeta;
use capture_hook::run::rows::{EpisodeRows, ListColumn, NullableColumn, StepRows, TextColumn};
use capture_hook::run::schema::SchemaVersion;
use capture_hook::support::progress::NoProgress;
use capture_hook::validate;
use capture_hook::validate::{Code, RowSink, SinkError};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;

use crate::errors;
use crate::place::{self, CodeArgs};
use crate::report::{describe_invalid, to_python};

/// Rows as an Arrow table. Give it to whatever takes Arrow data::
///
///     pyarrow.table(table)    polars.DataFrame(table)    pandas.DataFrame.from_arrow(table)
///     duckdb.sql("select episode_index, sum(reward) from table group by all")
///
/// Each reads the same memory, without a copy; it lives as long as anyone holds it.
#[pyclass(module = "capture_hook", frozen)]
pub struct ArrowTable {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
}

#[pymethods]
impl ArrowTable {
    /// How many rows.
    #[getter]
    fn num_rows(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    /// How many columns.
    #[getter]
    fn num_columns(&self) -> usize {
        self.schema.fields().len()
    }

    /// The columns' names, in order.
    #[getter]
    fn column_names(&self) -> Vec<&str> {
        self.schema.fields().iter().map(|field| field.name().as_str()).collect()
    }

    fn __len__(&self) -> usize {
        self.num_rows()
    }

    fn __repr__(&self) -> String {
        format!("<ArrowTable: {} rows, {}>", self.num_rows(), self.column_names().join(", "))
    }

    /// The schema, as a capsule of the Arrow C data interface.
    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        let schema = FFI_ArrowSchema::try_from(self.schema.as_ref()).map_err(arrow_failure)?;
        PyCapsule::new_with_value(py, schema, c"arrow_schema")
    }

    /// The rows, as a capsule of the Arrow C stream interface. The table may be asked again and again.
    ///
    /// Args:
    ///     requested_schema: not followed, as the interface allows: the columns come with the types they have.
    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        // The interface allows to ignore the request.
        let _ = requested_schema;
        let batches: Vec<Result<RecordBatch, ArrowError>> = self.batches.iter().cloned().map(Ok).collect();
        let reader = RecordBatchIterator::new(batches, Arc::clone(&self.schema));
        PyCapsule::new_with_value(py, FFI_ArrowArrayStream::new(Box::new(reader)), c"arrow_array_stream")
    }
}

/// load_steps(run_dir, *, check=True)
/// --
///
/// A run's steps, of all shards in order.
///
/// Args:
///     run_dir: a run's directory, as it was recorded or in the dataset.
///     check: refuse an invalid run. Without, the rows that could be read in full are given.
///
/// Returns:
///     An Arrow table with the columns of ``steps.parquet``: ``schema_version``, ``experiment``, ``run_id``,
///     ``episode_id`` (text), ``episode_index`` (int, from 0), ``step`` (int, from 1), ``ts`` (float, seconds since the
///     epoch), ``action`` (int), ``reward`` (float), ``terminated``, ``truncated`` (bool), ``agent_x``, ``agent_y`` (int,
///     cells), ``distance_to_goal`` (float, cells), ``observation_summary`` (list of float, may be null; an element that
///     the recorder wrote as null is ``NaN``, and null in ``steps.parquet``), ``seed`` (int, may be null), ``extra`` (JSON
///     text of unknown fields, may be null; ``NaN`` and infinities are texts in it).
///
/// Raises:
///     RunNotFoundError: there is no such directory.
///     InvalidRunError: the run breaks the rules; ``report`` says how.
///     RunIOError: the disk failed, or the run changed while it was read.
///
/// The GIL is released while the run is read.
#[pyfunction]
#[pyo3(signature = (run_dir, *, check=true), text_signature = "(run_dir, *, check=True)")]
pub fn load_steps(py: Python<'_>, run_dir: PathBuf, check: bool) -> PyResult<ArrowTable> {
    load_table(py, &run_dir, check, TableKind::Steps)
}

/// load_episodes(run_dir, *, check=True)
/// --
///
/// A run's episodes, of all shards in order.
///
/// Args:
///     run_dir: a run's directory, as it was recorded or in the dataset.
///     check: refuse an invalid run. Without, the rows that could be read in full are given.
///
/// Returns:
///     An Arrow table with the columns of ``episodes.parquet``: ``schema_version``, ``experiment``, ``run_id``,
///     ``episode_id`` (text), ``episode_index`` (int, from 0), ``terminated``, ``truncated`` (bool), ``total_steps`` (int),
///     ``total_reward`` (float), ``final_x``, ``final_y`` (int, cells), ``final_distance_to_goal`` (float, cells),
///     ``duration_ms``, ``avg_step_time_ms`` (float, milliseconds; these three may be null), ``extra`` (JSON text of
///     unknown fields, may be null).
///
/// Raises:
///     As :func:`load_steps`.
///
/// The GIL is released while the run is read.
#[pyfunction]
#[pyo3(signature = (run_dir, *, check=true), text_signature = "(run_dir, *, check=True)")]
pub fn load_episodes(py: Python<'_>, run_dir: PathBuf, check: bool) -> PyResult<ArrowTable> {
    load_table(py, &run_dir, check, TableKind::Episodes)
}

fn load_table(py: Python<'_>, run_dir: &std::path::Path, check: bool, kind: TableKind) -> PyResult<ArrowTable> {
    let run_dir = place::absolute_path(run_dir)?;
    let root = dir::find_root(&run_dir);
    let options =
        place::validate_options(root, CodeArgs::default()).map_err(|error| errors::to_exception(py, error))?;
    let shown = place::display_path(&run_dir, root);
    let mut sink = TableCollector { kind, schema: kind.table_schema(), key: None, batches: Vec::new() };
    let scanned = py.detach(|| validate::scan_run(&run_dir, &shown, &options, &mut sink, &NoProgress));
    let report = scanned.map_err(|error| errors::to_exception(py, error))?.report;
    if report.errors.contains(&Code::RunDirNotFound) {
        return Err(errors::not_found(py, &format!("there is no run at {shown}")));
    }
    if check && !report.ok {
        return Err(errors::invalid_run(py, &describe_invalid(&report), "invalid_run", to_python(py, &report)?));
    }
    Ok(ArrowTable { schema: sink.schema, batches: sink.batches })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum TableKind {
    Steps,
    Episodes,
}

impl TableKind {
    /// Returns the columns, the same as in the dataset's parquet files.
    fn table_schema(self) -> SchemaRef {
        let text = |name| Field::new(name, DataType::Utf8, false);
        let int = |name| Field::new(name, DataType::Int64, false);
        let float = |name| Field::new(name, DataType::Float64, false);
        let bool = |name| Field::new(name, DataType::Boolean, false);
        let mut fields = vec![text("schema_version"), text("experiment"), text("run_id"), text("episode_id")];
        match self {
            Self::Steps => {
                let list = DataType::List(Arc::new(list_item()));
                fields.extend([int("episode_index"), int("step"), float("ts"), int("action"), float("reward")]);
                fields.extend([bool("terminated"), bool("truncated"), int("agent_x"), int("agent_y")]);
                fields.extend([float("distance_to_goal"), Field::new("observation_summary", list, true)]);
                fields.extend([int("seed").with_nullable(true)]);
            }
            Self::Episodes => {
                fields.extend([int("episode_index").with_nullable(true), bool("terminated"), bool("truncated")]);
                fields.extend([int("total_steps"), float("total_reward"), int("final_x"), int("final_y")]);
                fields.extend(
                    ["final_distance_to_goal", "duration_ms", "avg_step_time_ms"].map(|n| float(n).with_nullable(true)),
                );
            }
        }
        fields.push(text("extra").with_nullable(true));
        Arc::new(Schema::new(fields))
    }
}

fn list_item() -> Field {
    Field::new("element", DataType::Float64, true)
}

/// Collects a scan's rows as Arrow batches.
struct TableCollector {
    kind: TableKind,
    schema: SchemaRef,
    key: Option<RunKey>,
    batches: Vec<RecordBatch>,
}

impl TableCollector {
    fn push_batch(&mut self, columns: Vec<ArrayRef>) -> Result<(), SinkError> {
        self.batches.push(RecordBatch::try_new(Arc::clone(&self.schema), columns)?);
        Ok(())
    }

    /// Returns the columns of version, experiment and run id.
    fn version_names(&self, versions: &[SchemaVersion]) -> Vec<ArrayRef> {
        let rows = versions.len();
        let (experiment, run_id) = self.key.as_ref().map_or(("", ""), |key| (key.experiment(), key.run_id()));
        let repeat =
            |text: &str| -> ArrayRef { Arc::new(StringArray::from_iter_values(std::iter::repeat_n(text, rows))) };
        let versions = StringArray::from_iter_values(versions.iter().map(|version| version.as_str()));
        vec![Arc::new(versions), repeat(experiment), repeat(run_id)]
    }
}

impl RowSink for TableCollector {
    fn begin_run(&mut self, key: &RunKey, _: &RunMeta) -> Result<(), SinkError> {
        self.key = Some(key.clone());
        Ok(())
    }

    fn take_steps(&mut self, mut rows: StepRows) -> Result<StepRows, SinkError> {
        if self.kind == TableKind::Episodes || rows.is_empty() {
            rows.clear();
            return Ok(rows);
        }
        let mut columns = self.version_names(&rows.schema_version);
        let spans = &rows.episodes;
        let ids = spans.iter().flat_map(|span| std::iter::repeat_n(span.episode_id.as_str(), span.rows));
        columns.push(Arc::new(StringArray::from_iter_values(ids)));
        let indexes = spans.iter().flat_map(|span| std::iter::repeat_n(span.episode_index, span.rows));
        columns.push(Arc::new(Int64Array::from_iter_values(indexes)));
        columns.extend([int_array(rows.step), float_array(rows.ts), int_array(rows.action), float_array(rows.reward)]);
        columns.extend([
            bool_array(&rows.terminated),
            bool_array(&rows.truncated),
            int_array(rows.agent_x),
            int_array(rows.agent_y),
        ]);
        columns.extend([
            float_array(rows.distance_to_goal),
            list_array(rows.observation_summary)?,
            nullable_int_array(rows.seed),
        ]);
        columns.push(text_array(&rows.extra));
        self.push_batch(columns)?;
        Ok(StepRows::default())
    }

    fn take_episodes(&mut self, mut rows: EpisodeRows) -> Result<EpisodeRows, SinkError> {
        if self.kind == TableKind::Steps || rows.is_empty() {
            rows.clear();
            return Ok(rows);
        }
        let mut columns = self.version_names(&rows.schema_version);
        columns.push(Arc::new(StringArray::from_iter_values((0..rows.len()).map(|i| rows.episode_id.get(i)))));
        columns.extend([
            nullable_int_array(rows.episode_index),
            bool_array(&rows.terminated),
            bool_array(&rows.truncated),
        ]);
        columns.extend([
            int_array(rows.total_steps),
            float_array(rows.total_reward),
            int_array(rows.final_x),
            int_array(rows.final_y),
        ]);
        columns
            .extend([rows.final_distance_to_goal, rows.duration_ms, rows.avg_step_time_ms].map(nullable_float_array));
        columns.push(text_array(&rows.extra));
        self.push_batch(columns)?;
        Ok(EpisodeRows::default())
    }
}

fn int_array(values: Vec<i64>) -> ArrayRef {
    // The vector becomes the buffer, without a copy.
    Arc::new(Int64Array::new(ScalarBuffer::from(values), None))
}

fn float_array(values: Vec<f64>) -> ArrayRef {
    Arc::new(Float64Array::new(ScalarBuffer::from(values), None))
}

fn bool_array(values: &[bool]) -> ArrayRef {
    Arc::new(BooleanArray::from(values.to_vec()))
}

fn nullable_int_array(column: NullableColumn<i64>) -> ArrayRef {
    Arc::new(Int64Array::new(ScalarBuffer::from(column.values), Some(NullBuffer::from(column.valid))))
}

fn nullable_float_array(column: NullableColumn<f64>) -> ArrayRef {
    Arc::new(Float64Array::new(ScalarBuffer::from(column.values), Some(NullBuffer::from(column.valid))))
}

fn list_array(column: ListColumn) -> Result<ArrayRef, SinkError> {
    let mut offsets = Vec::with_capacity(column.ends.len() + 1);
    offsets.push(0i32);
    for end in column.ends {
        // Arrow's `List` has 32-bit offsets; a batch has far fewer values.
        offsets.push(i32::try_from(end)?);
    }
    let values = float_array(column.values);
    let offsets = OffsetBuffer::new(ScalarBuffer::from(Buffer::from_vec(offsets)));
    let nulls = NullBuffer::from(column.valid);
    Ok(Arc::new(ListArray::try_new(Arc::new(list_item()), offsets, values, Some(nulls))?))
}

/// Converts the unknown fields; an empty text is a null.
fn text_array(texts: &TextColumn) -> ArrayRef {
    let text = |i| Some(texts.get(i)).filter(|text| !text.is_empty());
    Arc::new((0..texts.len()).map(text).collect::<StringArray>())
}

fn arrow_failure(error: ArrowError) -> PyErr {
    PyRuntimeError::new_err(error.to_string())
}
