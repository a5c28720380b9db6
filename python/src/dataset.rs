//! The dataset of one revision: which runs it has, and tables of their rows. The classes that users see are in
//! `capture_hook/_dataset.py`.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use arrow::ffi::FFI_ArrowSchema;
use arrow::ffi_stream::FFI_ArrowArrayStream;
use capture_hook::columnar::{RunTable, TableReader, TextLayout};
use capture_hook::load::{LoadContext, LoadError, LoadedVersion};
use capture_hook::run::RunKey;
use capture_hook::run::layout::RunStream;
use capture_hook::support::env::Env;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyDict};

use crate::columns::table_of_columns;
use crate::errors::load_exception;
use crate::place;
use crate::run_facts::{self, describe_column};
use crate::tables::{ArrowTable, arrow_failure};
use crate::waiting::{TerminalReporter, is_interrupted, wait_for};

/// The dataset of one revision.
#[pyclass(module = "capture_hook", frozen, name = "_DatasetVersion")]
pub struct DatasetVersion {
    loaded: Arc<LoadedVersion>,
}

/// Does work on a data version, with the GIL released.
fn load<T: Send + 'static>(
    py: Python<'_>,
    loaded: &Arc<LoadedVersion>,
    work: impl FnOnce(&LoadedVersion, &LoadContext<'_>) -> Result<T, LoadError> + Send + 'static,
) -> PyResult<T> {
    let loaded = Arc::clone(loaded);
    let done = wait_for(py, move |is_cancelled| {
        let (env, reporter) = (Env::snapshot(), TerminalReporter::new());
        work(&loaded, &LoadContext { env: &env, reporter: &reporter, is_cancelled })
    })?;
    done.map_err(|error| load_exception(py, error))
}

#[pymethods]
impl DatasetVersion {
    #[new]
    fn new(py: Python<'_>, path: PathBuf, rev: String) -> PyResult<Self> {
        let cwd = place::absolute_path(&path)?;
        let opened = wait_for(py, move |_| LoadedVersion::open(&cwd, &Env::snapshot(), &rev))?;
        Ok(Self { loaded: Arc::new(opened.map_err(|error| load_exception(py, error))?) })
    }

    /// The project's directory.
    #[getter]
    fn root(&self) -> PathBuf {
        self.loaded.root().to_path_buf()
    }

    /// The revision's commit, in hex.
    #[getter]
    fn commit(&self) -> String {
        self.loaded.commit().to_string()
    }

    /// The data version.
    #[getter]
    fn data_version(&self) -> String {
        self.loaded.version().to_string()
    }

    /// The names of all runs, sorted.
    fn names(&self) -> Vec<String> {
        self.loaded.runs().iter().map(|run| run.key.to_string()).collect()
    }

    /// How many runs there are.
    fn count(&self) -> usize {
        self.loaded.runs().len()
    }

    /// Whether there is a run of exactly this name.
    fn has(&self, name: &str) -> bool {
        name.parse::<RunKey>().is_ok_and(|key| self.loaded.find_run(&key).is_some())
    }

    /// The name of the one run that this means.
    fn find_one(&self, py: Python<'_>, name: &str) -> PyResult<String> {
        self.loaded.find_named_run(name).map(|run| run.key.to_string()).map_err(|error| load_exception(py, error))
    }

    /// A row for each run.
    fn runs_table(&self, py: Python<'_>) -> PyResult<ArrowTable> {
        let batch = load(py, &self.loaded, |loaded, context| {
            Ok(table_of_columns(loaded.list_columns(context)?, loaded.runs().len()))
        })?;
        Ok(ArrowTable::of_batch(batch.map_err(arrow_failure)?))
    }

    /// A row for each commit that changed the dataset.
    fn versions_table(&self, py: Python<'_>) -> PyResult<ArrowTable> {
        let columns = load(py, &self.loaded, |loaded, context| loaded.list_versions(context))?;
        let rows = columns.first().map_or(0, |column| column.values.len());
        Ok(ArrowTable::of_batch(table_of_columns(columns, rows).map_err(arrow_failure)?))
    }

    /// A directory with the files of a run.
    #[pyo3(signature = (name, into=None))]
    fn path(&self, py: Python<'_>, name: &str, into: Option<PathBuf>) -> PyResult<PathBuf> {
        let run = self.loaded.find_named_run(name).map_err(|error| load_exception(py, error))?.clone();
        let into = into.as_deref().map(place::absolute_path).transpose()?;
        load(py, &self.loaded, move |loaded, context| match into {
            Some(into) => loaded.copy_run(&run, &into, context).map(|()| into),
            None => loaded.find_run_dir(&run, context),
        })
    }

    /// The declared columns of an experiment's runs.
    fn schema<'py>(&self, py: Python<'py>, experiment: String) -> PyResult<Bound<'py, PyDict>> {
        let [steps, episodes] =
            load(py, &self.loaded, move |loaded, context| loaded.read_schemas(&experiment, context))?;
        let schema = PyDict::new(py);
        for (name, columns) in [("steps", steps), ("episodes", episodes)] {
            let described = columns.iter().map(|column| describe_column(py, column)).collect::<PyResult<Vec<_>>>()?;
            schema.set_item(name, described)?;
        }
        Ok(schema)
    }

    /// What is known of a run: its configuration as JSON text, and dicts.
    fn facts<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyDict>> {
        let run = self.loaded.find_named_run(name).map_err(|error| load_exception(py, error))?.clone();
        let asked = run.clone();
        let (facts, source) = load(py, &self.loaded, move |loaded, context| loaded.describe_run(&asked, context))?;
        run_facts::describe_run(py, &run, self.loaded.version(), &facts, &source)
    }

    /// The total reward of each episode of a run; nothing if it has none.
    fn rewards(&self, py: Python<'_>, name: &str) -> PyResult<Vec<Option<f64>>> {
        let run = self.loaded.find_named_run(name).map_err(|error| load_exception(py, error))?.key.clone();
        load(py, &self.loaded, move |loaded, context| loaded.read_rewards(&run, context))
    }

    /// The rows of runs; of all without names.
    #[pyo3(signature = (is_steps, names=None, columns=None))]
    fn rows(
        &self,
        py: Python<'_>,
        is_steps: bool,
        names: Option<Vec<String>>,
        columns: Option<Vec<String>>,
    ) -> PyResult<RunRows> {
        let runs = match names {
            Some(names) => {
                let found = self.loaded.find_runs(&names).map_err(|error| load_exception(py, error))?;
                found.into_iter().map(|run| run.key.clone()).collect()
            }
            None => self.loaded.runs().iter().map(|run| run.key.clone()).collect(),
        };
        let stream = if is_steps { RunStream::Steps } else { RunStream::Episodes };
        Ok(RunRows { loaded: Arc::clone(&self.loaded), runs, stream, columns, table: OnceLock::new() })
    }
}

/// Rows of runs, read when they are needed. Give it to whatever takes Arrow data::
///
///     pyarrow.table(rows)    polars.DataFrame(rows)    pandas.DataFrame.from_arrow(rows)
///     duckdb.sql("select run_id, sum(reward) from rows group by all")
///
/// Nothing is read before. ``pyarrow.RecordBatchReader.from_stream(rows)`` reads batch by batch, so that rows that do not fit
/// into memory can be worked on. Every reader begins anew, so the object can be used again. Two threads or more read and
/// decompress a few row groups ahead; the GIL is not held.
///
/// Every file is verified before its first row is given out. An error while rows are read, such as a file that is
/// written meanwhile, is raised by the reader as its own exception, with the message.
#[pyclass(module = "capture_hook", frozen)]
pub struct RunRows {
    loaded: Arc<LoadedVersion>,
    runs: Vec<RunKey>,
    stream: RunStream,
    columns: Option<Vec<String>>,
    table: OnceLock<Arc<RunTable>>,
}

impl RunRows {
    fn open(&self, py: Python<'_>) -> PyResult<&Arc<RunTable>> {
        if self.table.get().is_none() {
            let (runs, stream, columns) = (self.runs.clone(), self.stream, self.columns.clone());
            let table = load(py, &self.loaded, move |loaded, context| {
                loaded.open_table(&runs, stream, columns.as_deref(), context)
            })?;
            // Another thread may have been faster: its table is as good.
            let _ = self.table.set(Arc::new(table));
        }
        self.table.get().ok_or_else(|| pyo3::exceptions::PyRuntimeError::new_err("the table was not opened"))
    }
}

#[pymethods]
impl RunRows {
    /// How many rows, by the footers of the files.
    #[getter]
    fn num_rows(&self, py: Python<'_>) -> PyResult<u64> {
        Ok(self.open(py)?.rows())
    }

    /// How many columns.
    #[getter]
    fn num_columns(&self, py: Python<'_>) -> PyResult<usize> {
        Ok(self.open(py)?.schema().fields().len())
    }

    /// The columns' names, in order.
    #[getter]
    fn column_names(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        Ok(self.open(py)?.schema().fields().iter().map(|field| field.name().clone()).collect())
    }

    /// The names of the runs, in the order of their rows.
    #[getter]
    fn run_names(&self) -> Vec<String> {
        self.runs.iter().map(ToString::to_string).collect()
    }

    fn __repr__(&self) -> String {
        let runs = capture_hook::support::text::format_plural(self.runs.len() as u64, "run");
        format!("<RunRows: {} of {runs}>", self.stream.stem())
    }

    /// The schema, as a capsule of the Arrow C data interface.
    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        let schema = FFI_ArrowSchema::try_from(self.open(py)?.schema().as_ref()).map_err(arrow_failure)?;
        PyCapsule::new_with_value(py, schema, c"arrow_schema")
    }

    /// The rows, as a capsule of the Arrow C stream interface, from the first one on.
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
        let texts = if is_called_by(py, "polars") { TextLayout::Views } else { TextLayout::Plain };
        let reader = TableReader::new(self.open(py)?, texts, Box::new(is_interrupted));
        PyCapsule::new_with_value(py, FFI_ArrowArrayStream::new(Box::new(reader)), c"arrow_array_stream")
    }
}

/// Whether the code that calls belongs to a package. Polars keeps texts as views, pyarrow can do little with them, and neither
/// says so by the interface.
fn is_called_by(py: Python<'_>, package: &str) -> bool {
    let name = py.import("sys").and_then(|sys| {
        let globals = sys.call_method0("_getframe")?.getattr("f_globals")?;
        globals.get_item("__name__")?.extract::<String>()
    });
    // Another interpreter than CPython may have no frames: then the layout is the one that all can read.
    name.is_ok_and(|name| name.split('.').next() == Some(package))
}
