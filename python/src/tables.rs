//! `load_steps` and `load_episodes`: a run's rows as Arrow tables, passed to Python through the PyCapsule interface.
//!
//! The columns are those of the dataset's parquet files. The scan's vectors become Arrow buffers without a copy, and
//! Python gets their addresses: pyarrow, Polars, pandas and DuckDB read the memory that the scan filled. No parquet
//! file is read here.

use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Float32Array, Float64Array, Int8Array, Int16Array, Int32Array, Int64Array, ListArray,
    RecordBatch, RecordBatchIterator, StringArray, UInt8Array, UInt16Array, UInt32Array, new_null_array,
};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ffi::FFI_ArrowSchema;
use arrow::ffi_stream::FFI_ArrowArrayStream;
use capture_hook::project::dir;
use capture_hook::run::RunKey;
use capture_hook::run::layout::RunStream;
use capture_hook::run::meta::RunMeta;
use capture_hook::run::rows::{ColumnValues, EpisodeRows, NullableColumn, StepRows, TextColumn, Values};
use capture_hook::run::schema::{Column, ColumnType, RunSchema, SchemaVersion, TableColumn, TableSource};
use capture_hook::support::progress::NoProgress;
use capture_hook::support::visible::escape_control;
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

impl ArrowTable {
    /// A table of one batch.
    pub fn of_batch(batch: RecordBatch) -> Self {
        Self { schema: batch.schema(), batches: vec![batch] }
    }
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
        // More names would not be read; and they can be a stranger's.
        const MOST: usize = 20;
        let mut names: Vec<String> = self.column_names().iter().take(MOST).map(escape_control).collect();
        if self.num_columns() > MOST {
            names.push(format!("and {} more", self.num_columns() - MOST));
        }
        format!("<ArrowTable: {} rows, {}>", self.num_rows(), names.join(", "))
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
    load_table(py, &run_dir, check, RunStream::Steps)
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
    load_table(py, &run_dir, check, RunStream::Episodes)
}

fn load_table(py: Python<'_>, run_dir: &std::path::Path, check: bool, stream: RunStream) -> PyResult<ArrowTable> {
    let run_dir = place::absolute_path(run_dir)?;
    let root = dir::find_root(&run_dir);
    let options =
        place::validate_options(root, CodeArgs::default()).map_err(|error| errors::to_exception(py, error))?;
    let shown = place::display_path(&run_dir, root);
    let mut sink = TableCollector::new(stream);
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

/// The Arrow type of a column's values or elements.
fn arrow_type(kind: ColumnType) -> DataType {
    match kind {
        ColumnType::Bool => DataType::Boolean,
        ColumnType::Int8 => DataType::Int8,
        ColumnType::Int16 => DataType::Int16,
        ColumnType::Int32 => DataType::Int32,
        ColumnType::Int64 => DataType::Int64,
        ColumnType::UInt8 => DataType::UInt8,
        ColumnType::UInt16 => DataType::UInt16,
        ColumnType::UInt32 => DataType::UInt32,
        ColumnType::Float32 => DataType::Float32,
        ColumnType::Float64 => DataType::Float64,
        ColumnType::String | ColumnType::Json | ColumnType::File => DataType::Utf8,
    }
}

/// Returns the field of a list's elements.
fn list_item(column: &Column) -> Field {
    Field::new("element", arrow_type(column.kind), column.has_null_elements())
}

/// Returns the columns of a table, the same as in the dataset's parquet files.
fn table_schema(schema: &RunSchema, stream: RunStream) -> SchemaRef {
    let own = schema.stream(stream);
    let field = |column: &TableColumn| {
        let declared = match column.source {
            TableSource::Column(index) => own.column(index),
            _ => None,
        };
        let kind = match (column.source, declared) {
            (TableSource::EpisodeIndex | TableSource::Count, _) => DataType::Int64,
            (TableSource::Terminated | TableSource::Truncated, _) => DataType::Boolean,
            (TableSource::Undeclared(kind), _) => arrow_type(kind),
            (_, Some(declared)) if declared.shape.is_some() => DataType::List(Arc::new(list_item(declared))),
            (_, Some(declared)) => arrow_type(declared.kind),
            _ => DataType::Utf8,
        };
        Field::new(&column.name, kind, column.is_nullable)
    };
    Arc::new(Schema::new(schema.table_columns(stream).iter().map(field).collect::<Vec<_>>()))
}

/// Collects a scan's rows as Arrow batches.
struct TableCollector {
    stream: RunStream,
    run: Option<(RunKey, Arc<RunSchema>)>,
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
}

impl TableCollector {
    fn new(stream: RunStream) -> Self {
        let schema = table_schema(&RunSchema::plume(), stream);
        Self { stream, run: None, schema, batches: Vec::new() }
    }

    /// Adds a batch; `take` makes the columns that are not declared.
    fn push_batch(
        &mut self,
        versions: &[SchemaVersion],
        mut columns: Vec<ColumnValues>,
        mut take: impl FnMut(TableSource) -> ArrayRef,
    ) -> Result<(), SinkError> {
        let Some((key, schema)) = &self.run else { return Err("rows came before the run they belong to".into()) };
        let rows = versions.len();
        let repeat =
            |text: &str| -> ArrayRef { Arc::new(StringArray::from_iter_values(std::iter::repeat_n(text, rows))) };
        let own = schema.stream(self.stream);
        let mut arrays = Vec::new();
        for column in schema.table_columns(self.stream) {
            arrays.push(match column.source {
                TableSource::SchemaVersion => {
                    Arc::new(StringArray::from_iter_values(versions.iter().map(|version| version.as_str())))
                }
                TableSource::Experiment => repeat(key.experiment()),
                TableSource::RunId => repeat(key.run_id()),
                TableSource::Undeclared(kind) => new_null_array(&arrow_type(kind), rows),
                TableSource::Column(index) => {
                    let (Some(declared), Some(values)) = (own.column(index), columns.get_mut(index)) else {
                        return Err("a batch lacks a column of its schema".into());
                    };
                    let empty = ColumnValues::new(declared);
                    column_array(declared, column.is_nullable, rows, std::mem::replace(values, empty))?
                }
                source => take(source),
            });
        }
        self.batches.push(RecordBatch::try_new(Arc::clone(&self.schema), arrays)?);
        Ok(())
    }
}

impl RowSink for TableCollector {
    fn begin_run(&mut self, key: &RunKey, _: &RunMeta, schema: &Arc<RunSchema>) -> Result<(), SinkError> {
        self.schema = table_schema(schema, self.stream);
        self.run = Some((key.clone(), Arc::clone(schema)));
        Ok(())
    }

    fn take_steps(&mut self, mut rows: StepRows) -> Result<StepRows, SinkError> {
        if self.stream == RunStream::Episodes || rows.is_empty() {
            rows.clear();
            return Ok(rows);
        }
        let StepRows { schema_version, episodes, step, terminated, truncated, columns, extra } = rows;
        let mut step = Some(step);
        self.push_batch(&schema_version, columns, |source| match source {
            TableSource::EpisodeId => {
                let ids = episodes.iter().flat_map(|span| std::iter::repeat_n(span.episode_id.as_str(), span.rows));
                Arc::new(StringArray::from_iter_values(ids))
            }
            TableSource::EpisodeIndex => {
                let all = episodes.iter().flat_map(|span| std::iter::repeat_n(span.episode_index, span.rows));
                Arc::new(Int64Array::from_iter_values(all))
            }
            // The vector becomes the buffer, without a copy.
            TableSource::Count => Arc::new(Int64Array::new(ScalarBuffer::from(step.take().unwrap_or_default()), None)),
            TableSource::Terminated => Arc::new(BooleanArray::from(terminated.clone())),
            TableSource::Truncated => Arc::new(BooleanArray::from(truncated.clone())),
            _ => text_array(&extra),
        })?;
        Ok(StepRows::default())
    }

    fn take_episodes(&mut self, mut rows: EpisodeRows) -> Result<EpisodeRows, SinkError> {
        if self.stream == RunStream::Steps || rows.is_empty() {
            rows.clear();
            return Ok(rows);
        }
        let columns = std::mem::take(&mut rows.columns);
        let versions = std::mem::take(&mut rows.schema_version);
        self.push_batch(&versions, columns, |source| match source {
            TableSource::EpisodeId => {
                let ids = (0..rows.episode_id.len()).map(|i| rows.episode_id.get(i));
                Arc::new(StringArray::from_iter_values(ids))
            }
            TableSource::EpisodeIndex => {
                let NullableColumn { values, valid } = std::mem::take(&mut rows.episode_index);
                Arc::new(Int64Array::new(ScalarBuffer::from(values), Some(NullBuffer::from(valid))))
            }
            TableSource::Count => {
                Arc::new(Int64Array::new(ScalarBuffer::from(std::mem::take(&mut rows.total_steps)), None))
            }
            TableSource::Terminated => Arc::new(BooleanArray::from(std::mem::take(&mut rows.terminated))),
            TableSource::Truncated => Arc::new(BooleanArray::from(std::mem::take(&mut rows.truncated))),
            _ => text_array(&rows.extra),
        })?;
        Ok(EpisodeRows::default())
    }
}

/// Converts a declared column.
fn column_array(column: &Column, nullable: bool, rows: usize, values: ColumnValues) -> Result<ArrayRef, SinkError> {
    let nulls = nullable.then(|| match values.valid.is_empty() {
        true => NullBuffer::new_valid(rows),
        false => NullBuffer::from(values.valid),
    });
    let Some(ends) = values.ends else { return Ok(values_array(column.kind, values.values, nulls)) };
    let mut offsets = Vec::with_capacity(ends.len() + 1);
    offsets.push(0i32);
    for end in ends {
        // Arrow's `List` has 32-bit offsets; a batch has far fewer values.
        offsets.push(i32::try_from(end)?);
    }
    let elements = values_array(column.kind, values.values, None);
    let offsets = OffsetBuffer::new(ScalarBuffer::from(Buffer::from_vec(offsets)));
    Ok(Arc::new(ListArray::try_new(Arc::new(list_item(column)), offsets, elements, nulls)?))
}

/// Converts values; those of 64 bits become the buffer without a copy.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn values_array(kind: ColumnType, values: Values, nulls: Option<NullBuffer>) -> ArrayRef {
    macro_rules! narrow {
        ($array:ty, $native:ty, $values:expr) => {
            Arc::new(<$array>::new($values.into_iter().map(|value| value as $native).collect(), nulls))
        };
    }
    match (values, kind) {
        (Values::Bool(values), _) => Arc::new(BooleanArray::new(BooleanBuffer::from(values), nulls)),
        (Values::Int(values), ColumnType::Int8) => narrow!(Int8Array, i8, values),
        (Values::Int(values), ColumnType::Int16) => narrow!(Int16Array, i16, values),
        (Values::Int(values), ColumnType::Int32) => narrow!(Int32Array, i32, values),
        (Values::Int(values), ColumnType::UInt8) => narrow!(UInt8Array, u8, values),
        (Values::Int(values), ColumnType::UInt16) => narrow!(UInt16Array, u16, values),
        (Values::Int(values), ColumnType::UInt32) => narrow!(UInt32Array, u32, values),
        (Values::Int(values), _) => Arc::new(Int64Array::new(ScalarBuffer::from(values), nulls)),
        (Values::Float(values), ColumnType::Float32) => narrow!(Float32Array, f32, values),
        (Values::Float(values), _) => Arc::new(Float64Array::new(ScalarBuffer::from(values), nulls)),
        (Values::Text(texts), _) => {
            let is_valid = |i: usize| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(i));
            Arc::new((0..texts.len()).map(|i| is_valid(i).then(|| texts.get(i))).collect::<StringArray>())
        }
    }
}

/// Converts the unknown fields; an empty text is a null.
fn text_array(texts: &TextColumn) -> ArrayRef {
    let text = |i| Some(texts.get(i)).filter(|text| !text.is_empty());
    Arc::new((0..texts.len()).map(text).collect::<StringArray>())
}

/// An error of Arrow as an exception.
pub fn arrow_failure(error: ArrowError) -> PyErr {
    PyRuntimeError::new_err(error.to_string())
}
