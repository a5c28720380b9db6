//! `RunRecorder`: plume-nav-sim's recorder, with the work done outside of the simulation's thread.
//!
//! A call turns its record into a line of JSON and passes it to the library's recorder, whose thread compresses and
//! writes without the GIL. A call waits only if that thread is several MiB behind, and then with the GIL released.
//! Flushed rows survive a kill; appended rows survive the end of the interpreter, not a kill.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use capture_hook::formats::json;
use capture_hook::formats::json::{JsonObject, JsonValue};
use capture_hook::project::dir;
use capture_hook::record;
use capture_hook::record::{EncodedLine, RecordOptions, WaitMode};
use capture_hook::run::layout::RUN_JSON;
use memchr::memmem;
use pyo3::exceptions::{PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyType};

use crate::encode::{DefaultMembers, FloatTree, FloatWidth, JsonEncoder};
use crate::errors::to_exception;
use crate::place::{self, CodeArgs};

/// The number of forks that led to this process: a recorder's thread exists in the parent only.
static FORKS: AtomicU64 = AtomicU64::new(0);

/// The recorders of this process that can still hold rows.
static LIVE: Mutex<Vec<Weak<record::RunRecorder>>> = Mutex::new(Vec::new());

/// Records one run: ``<root_dir>/<experiment>/<run_id>/`` with ``run.json``, ``steps.jsonl.gz`` and ``episodes.jsonl.gz``.
///
/// Takes the place of plume-nav-sim's recorder::
///
///     recorder = capture_hook.RunRecorder("results", experiment="demo")
///     env = DataCaptureWrapper(env, recorder, config)
///     ...
///     recorder.finalize()
///
/// Records are plume-nav-sim's dataclasses, pydantic models of the same fields, or plain dicts; numpy scalars and arrays
/// are understood (a ``longdouble`` as the nearest double). A row is written as ``json.dumps(..., sort_keys=True)`` writes it, ``NaN``, ``Infinity`` and
/// ``-Infinity`` as bare tokens, and gets ``run_id`` and ``schema_version`` if it has none.
///
/// Every method may be called from any thread. Rows are compressed and written in a thread of their own and are in the
/// files at most a second (two, if an episode ends at that moment) after they were appended; the files are whole gzip
/// files at every moment, so a process that is killed leaves all rows but those of its last second, and a valid run.
/// Rows wait in memory up to 4 MiB; then ``append_step`` waits for the disk. A forked child cannot use its parent's
/// recorder.
///
/// Args:
///     root_dir: the directory that holds experiments, by convention ``results``.
///     experiment: the experiment's name; ``default`` if none is given.
///     run_id: the run's id. Without one a new run is begun, ``run-<date>-<time>`` in UTC, with ``-2``, ``-3``, … if
///         that exists. An existing run is continued in new shards.
///     rotate_size_bytes: begin a new shard (``steps.part0001.jsonl.gz``, …) once a file has grown to so many
///         compressed bytes; ``None`` or 0: never.
///     schema: what the columns are, as in ``schema.json``: ``{"format": 1, "steps": {"x": {"dtype": "float64",
///         "unit": "m"}}}``. Rows are then dicts of ``episode_id``, ``step`` (from 1), ``terminated``, ``truncated`` and the
///         declared values; ``run.json`` is written at once, and leaving ``with``, :meth:`finalize` or the interpreter's
///         exit ends the run. A run that is continued must have the same schema. Single-precision floats are written
///         with the shortest digits that read back as the same bits.
///
/// Raises:
///     ValueError: the experiment or the run id cannot be a directory's name.
///     RunUsageError: the schema is not valid, or not that of the run which is continued.
///     CaptureHookError: ``capture-hook.toml`` of the project around `root_dir` is not valid.
///     RunIOError: the directory or its files cannot be made.
#[pyclass(module = "capture_hook", frozen, weakref)]
pub struct RunRecorder {
    inner: Arc<record::RunRecorder>,
    root: PathBuf,
    rows: JsonEncoder,
    /// Where floats are doubles, for runs with a schema.
    floats: Option<DeclaredFloats>,
    defaults: Mutex<Arc<DefaultMembers>>,
    forks: u64,
}

/// The places of `float64` columns.
struct DeclaredFloats {
    steps: FloatTree,
    episodes: FloatTree,
}

#[pymethods]
impl RunRecorder {
    #[new]
    #[pyo3(signature = (root_dir, *, experiment=None, run_id=None, rotate_size_bytes=None, schema=None))]
    fn new(
        py: Python<'_>,
        root_dir: PathBuf,
        experiment: Option<String>,
        run_id: Option<String>,
        rotate_size_bytes: Option<i64>,
        schema: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let rotate = match rotate_size_bytes {
            None => None,
            Some(size) => match u64::try_from(size) {
                Ok(size) => (size > 0).then_some(size),
                Err(_) => {
                    return Err(PyValueError::new_err(format!(
                        "rotate_size_bytes is {size}, which is not a file size"
                    )));
                }
            },
        };
        // Absolute, because a simulation can change its working directory.
        let mut options = RecordOptions::new(std::path::absolute(&root_dir)?);
        options.experiment = experiment.filter(|name| !name.is_empty());
        options.run_id = run_id.filter(|name| !name.is_empty());
        options.rotate_size_bytes = rotate;
        options.rules = place::validate_options(dir::find_root(&options.root), CodeArgs::default())
            .map_err(|e| to_exception(py, e))?;
        let encoder = JsonEncoder::with_unsorted_keys();
        options.schema = schema.map(|schema| json_object(schema, &encoder)).transpose()?;
        let inner =
            Arc::new(py.detach(|| record::RunRecorder::create(options)).map_err(|error| to_exception(py, error))?);
        let mut live = LIVE.lock().unwrap_or_else(PoisonError::into_inner);
        // Forget recorders that are gone: a program can make thousands.
        live.retain(|recorder| recorder.strong_count() > 0);
        live.push(Arc::downgrade(&inner));
        drop(live);
        let made = Self {
            root: inner.key().dir_under(&root_dir),
            rows: match inner.schema() {
                None => JsonEncoder::with_sorted_keys().with_positions(),
                Some(_) => JsonEncoder::with_sorted_keys(),
            },
            floats: inner.schema().map(|schema| DeclaredFloats {
                steps: FloatTree::of_stream(&schema.steps),
                episodes: FloatTree::of_stream(&schema.episodes),
            }),
            defaults: Mutex::new(Arc::new(Self::row_defaults(&inner, inner.schema_version()))),
            forks: FORKS.load(Ordering::Relaxed),
            inner,
        };
        if made.floats.is_some() && !made.inner.root().join(RUN_JSON).exists() {
            made.write_run_meta(py, PyDict::new(py).as_any())?;
        }
        Ok(made)
    }

    /// The run's id.
    #[getter]
    fn run_id(&self) -> &str {
        self.inner.key().run_id()
    }

    /// The experiment's name.
    #[getter]
    fn experiment(&self) -> &str {
        self.inner.key().experiment()
    }

    /// The run's directory, ``root_dir / experiment / run_id``.
    #[getter]
    fn root(&self) -> &Path {
        &self.root
    }

    /// write_run_meta($self, meta)
    /// --
    ///
    /// Writes ``run.json``. May be called again, to complete what was not known at first.
    ///
    /// Args:
    ///     meta: a dataclass, a pydantic model or a dict with ``env_config`` (a dict) and, if known, ``start_time``
    ///         (RFC 3339), ``base_seed``, ``episode_seeds``, ``package_version``, ``config_hash``, ``git_sha``, ``system``,
    ///         ``extra``. ``run_id``, ``experiment``, ``start_time`` and ``schema_version`` are added if they are
    ///         missing, and ``system`` is filled in (host, platform, Python's version, process, user) if it is empty.
    ///
    /// Raises:
    ///     TypeError: `meta` is none of these, or holds what JSON cannot.
    ///     RunUsageError: `meta` would make the run invalid.
    ///     RunIOError: the file cannot be written.
    fn write_run_meta(&self, py: Python<'_>, meta: &Bound<'_, PyAny>) -> PyResult<()> {
        self.check_usable()?;
        let payload = meta_payload(meta)?;
        fill_system(&payload)?;
        // Through JSON text: the same conversions as for rows.
        let encoder = JsonEncoder::with_unsorted_keys();
        let encoder = if self.floats.is_some() { encoder } else { encoder.with_positions() };
        let object = json_object(payload.as_any(), &encoder)?;
        py.detach(|| self.inner.write_run_object(&object)).map_err(|error| to_exception(py, error))?;
        if let Some(version) = object.get("schema_version").and_then(JsonValue::as_str) {
            *self.defaults.lock().unwrap_or_else(PoisonError::into_inner) =
                Arc::new(Self::row_defaults(&self.inner, version));
        }
        Ok(())
    }

    /// append_step($self, rec)
    /// --
    ///
    /// Adds a step.
    ///
    /// Args:
    ///     rec: a dataclass, a pydantic model or a dict with ``ts`` (seconds since the epoch), ``episode_id``, ``step``
    ///         (from 1), ``action``, ``reward``, ``terminated``, ``truncated``, ``agent_position`` (``x`` and ``y`` in
    ///         cells, or a pair), ``distance_to_goal`` (cells), and optionally ``observation_summary`` (a list of floats)
    ///         and ``seed``. Further fields are kept.
    ///
    /// A row that would make the run invalid is refused at once: a field that is missing or of another type, a number
    /// that is not finite or beyond 64 bits, a step below 1. What `[validate]` in ``capture-hook.toml`` ignores is taken.
    ///
    /// Raises:
    ///     TypeError: `rec` is none of these, or holds what JSON cannot.
    ///     RunUsageError: the row would make the run invalid (``code`` says by which rule), or the run is finalized.
    ///     RunIOError: writing failed, for this row or an earlier one.
    fn append_step(&self, py: Python<'_>, rec: &Bound<'_, PyAny>) -> PyResult<()> {
        self.append_row(py, rec, RowStream::Steps)
    }

    /// append_episode($self, rec)
    /// --
    ///
    /// Adds an episode's summary, after its steps. With a schema whose columns of episodes all have ``equals`` or are
    /// nullable, summaries are optional: if there is none, they are made of the steps.
    ///
    /// Args:
    ///     rec: a dataclass, a pydantic model or a dict with ``episode_id``, ``terminated``, ``truncated``,
    ///         ``total_steps``, ``total_reward``, ``final_position`` (``x`` and ``y`` in cells, or a pair), and optionally
    ///         ``final_distance_to_goal`` (cells), ``duration_ms`` and ``avg_step_time_ms`` (milliseconds). Further
    ///         fields are kept.
    ///
    /// Raises:
    ///     As :meth:`append_step`.
    fn append_episode(&self, py: Python<'_>, rec: &Bound<'_, PyAny>) -> PyResult<()> {
        self.append_row(py, rec, RowStream::Episodes)
    }

    /// flush($self)
    /// --
    ///
    /// Waits until every row so far is in the files.
    ///
    /// Raises:
    ///     RunUsageError: the run is finalized.
    ///     RunIOError: writing failed.
    fn flush(&self, py: Python<'_>) -> PyResult<()> {
        self.check_usable()?;
        py.detach(|| self.inner.flush()).map_err(|error| to_exception(py, error))
    }

    /// finalize($self, export_parquet=False)
    /// --
    ///
    /// Ends the files, then writes ``manifest.json`` and, if asked, ``steps.parquet`` and ``episodes.parquet``.
    ///
    /// A manifest or a parquet file that cannot be written never makes it raise: it warns (``RuntimeWarning``), since the
    /// capture is complete without them. A second call does nothing.
    ///
    /// Args:
    ///     export_parquet: write the columnar files too.
    ///
    /// Raises:
    ///     RunIOError: rows could not be written.
    #[pyo3(signature = (export_parquet=false), text_signature = "($self, export_parquet=False)")]
    fn finalize(&self, py: Python<'_>, export_parquet: bool) -> PyResult<()> {
        self.check_usable()?;
        let done = py.detach(|| self.inner.finalize_run(export_parquet)).map_err(|error| to_exception(py, error))?;
        for warning in &done.warnings {
            // A C string cannot hold a null byte.
            let message = std::ffi::CString::new(warning.to_string().replace('\0', ""))?;
            PyErr::warn(py, &py.get_type::<pyo3::exceptions::PyRuntimeWarning>(), &message, 1)?;
        }
        Ok(())
    }

    fn __enter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    /// Finalizes the run, even if the block was left by an exception: the rows until then are a run.
    #[pyo3(signature = (exc_type=None, exc_value=None, traceback=None))]
    fn __exit__(
        &self,
        py: Python<'_>,
        exc_type: Option<&Bound<'_, PyType>>,
        exc_value: Option<&Bound<'_, PyAny>>,
        traceback: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let _ = (exc_value, traceback);
        match (self.finalize(py, false), exc_type) {
            // The simulation's own exception must not be hidden by ours.
            (_, Some(_)) => Ok(()),
            (done, None) => done,
        }
    }

    fn __repr__(&self) -> String {
        format!("<RunRecorder {} in {}>", self.inner.key(), self.root.display())
    }
}

#[derive(Clone, Copy)]
enum RowStream {
    Steps,
    Episodes,
}

impl RunRecorder {
    fn append_row(&self, py: Python<'_>, rec: &Bound<'_, PyAny>, stream: RowStream) -> PyResult<()> {
        self.check_usable()?;
        let defaults = Arc::clone(&self.defaults.lock().unwrap_or_else(PoisonError::into_inner));
        // Taken, not borrowed: `write_line` can run Python code that appends another row.
        let mut line = LINE.take();
        line.clear();
        let floats = FloatWidth::of_row(self.floats.as_ref().map(|floats| match stream {
            RowStream::Steps => &floats.steps,
            RowStream::Episodes => &floats.episodes,
        }));
        let formatted = self.rows.write_line(&mut line, rec, &defaults, floats);
        let added = formatted.and_then(|()| {
            let row = match stream {
                RowStream::Steps => EncodedLine::Step { json: &line, ends_episode: ends_episode(&line) },
                RowStream::Episodes => EncodedLine::Episode { json: &line },
            };
            self.append_encoded(py, row)
        });
        LINE.set(line);
        added
    }

    /// Adds a formatted row.
    pub(crate) fn append_encoded(&self, py: Python<'_>, row: EncodedLine<'_>) -> PyResult<()> {
        self.check_usable()?;
        // No room: wait for the disk with the GIL released, so that other Python threads go on.
        let result = match self.inner.append_line(row, WaitMode::Never) {
            Ok(false) => py.detach(|| self.inner.append_line(row, WaitMode::ForRoom)),
            result => result,
        };
        result.map(|_| ()).map_err(|error| to_exception(py, error))
    }

    /// Where floats of steps are doubles; `None` without a schema.
    pub(crate) fn step_floats(&self) -> Option<&FloatTree> {
        self.floats.as_ref().map(|floats| &floats.steps)
    }

    /// What a row gets if it has none: nothing with a schema, since the run's own holds.
    fn row_defaults(inner: &record::RunRecorder, schema_version: &str) -> DefaultMembers {
        match inner.schema() {
            Some(_) => DefaultMembers::default(),
            None => DefaultMembers::new([("run_id", inner.key().run_id()), ("schema_version", schema_version)]),
        }
    }

    fn check_usable(&self) -> PyResult<()> {
        if self.forks == FORKS.load(Ordering::Relaxed) {
            return Ok(());
        }
        Err(PyRuntimeError::new_err("a recorder works only in the process that made it, not in a forked child"))
    }
}

thread_local! {
    /// For speed: the memory of the line that a thread formats, used again for every row.
    static LINE: std::cell::Cell<Vec<u8>> = const { std::cell::Cell::new(Vec::new()) };
}

impl Drop for RunRecorder {
    fn drop(&mut self) {
        if self.check_usable().is_err() {
            // In a forked child the recorder's thread does not exist: joining it would block for ever.
            std::mem::forget(Arc::clone(&self.inner));
        }
    }
}

/// Whether a step is the last of its episode: the recorder's thread then waits a little for the summary.
fn ends_episode(line: &[u8]) -> bool {
    ["\"terminated\": true", "\"truncated\": true"].iter().any(|end| memmem::find(line, end.as_bytes()).is_some())
}

/// Converts a record of metadata into a new dict.
fn meta_payload<'py>(meta: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyDict>> {
    let py = meta.py();
    let made = if meta.hasattr("model_dump")? {
        let arguments = PyDict::new(py);
        arguments.set_item("mode", "json")?;
        meta.call_method("model_dump", (), Some(&arguments))?
    } else if meta.hasattr("to_dict")? {
        meta.call_method0("to_dict")?
    } else if meta.hasattr("__dataclass_fields__")? {
        py.import("dataclasses")?.call_method1("asdict", (meta,))?
    } else {
        meta.clone()
    };
    // A copy, because members are filled in, and the caller's dict must not change.
    Ok(py.get_type::<PyDict>().call1((made,))?.cast_into::<PyDict>()?)
}

/// Converts a dict to an object of JSON, its members in their order.
fn json_object(given: &Bound<'_, PyAny>, encoder: &JsonEncoder) -> PyResult<JsonObject> {
    let mut text = Vec::new();
    encoder.write_document(&mut text, given)?;
    match json::parse(&text) {
        Ok(JsonValue::Object(object)) => Ok(object),
        Ok(other) => Err(PyTypeError::new_err(format!("{} instead of a dict", other.kind()))),
        Err(error) => Err(PyValueError::new_err(error.to_string())),
    }
}

/// Fills in `system` if it is missing, null or all nulls, as plume-nav-sim's recorders do.
fn fill_system(payload: &Bound<'_, PyDict>) -> PyResult<()> {
    let py = payload.py();
    if let Some(system) = payload.get_item("system")? {
        let empty = match system.cast::<PyDict>() {
            Ok(members) => members.values().iter().all(|value| value.is_none()),
            Err(_) => system.is_none(),
        };
        if !empty {
            return Ok(());
        }
    }
    let os = py.import("os")?;
    let environ = os.getattr("environ")?;
    let user = environ.call_method1("get", ("USER",))?;
    let user = if user.is_truthy()? { user } else { environ.call_method1("get", ("USERNAME",))? };
    let version: String = py.import("sys")?.getattr("version")?.extract()?;
    let system = PyDict::new(py);
    system.set_item("hostname", py.import("socket")?.call_method0("gethostname")?)?;
    system.set_item("platform", py.import("platform")?.call_method0("platform")?)?;
    system.set_item("python_version", version.split_whitespace().next().unwrap_or_default())?;
    system.set_item("pid", os.call_method0("getpid")?)?;
    system.set_item("user", user)?;
    payload.set_item("system", system)
}

/// Flushes all recorders, and ends the runs with a schema; called when the interpreter ends.
#[pyfunction]
pub fn _flush_all(py: Python<'_>) {
    let live = LIVE.lock().unwrap_or_else(PoisonError::into_inner).clone();
    py.detach(|| {
        for recorder in live.iter().filter_map(Weak::upgrade) {
            // The recorder reports the failure to the next call; at exit it cannot be reported.
            let _ = match recorder.schema() {
                Some(_) => recorder.finalize_run(false).map(drop),
                None => recorder.flush(),
            };
        }
    });
}

/// Notes that this process is a forked child; called there.
#[pyfunction]
pub fn _forked() {
    FORKS.fetch_add(1, Ordering::Relaxed);
}

/// Registers `_flush_all` at exit and `_forked` after a fork.
pub fn register_functions(module: &Bound<'_, PyModule>) -> PyResult<()> {
    static ONCE: OnceLock<()> = OnceLock::new();
    let py = module.py();
    module.add_class::<RunRecorder>()?;
    module.add_function(wrap_pyfunction!(_flush_all, module)?)?;
    module.add_function(wrap_pyfunction!(_forked, module)?)?;
    // Once per process, even if the module is imported again.
    if ONCE.set(()).is_ok() {
        py.import("atexit")?.call_method1("register", (module.getattr("_flush_all")?,))?;
        let os = py.import("os")?;
        // Not on Windows.
        if os.hasattr("register_at_fork")? {
            let arguments = PyDict::new(py);
            arguments.set_item("after_in_child", module.getattr("_forked")?)?;
            os.call_method("register_at_fork", (), Some(&arguments))?;
        }
    }
    Ok(())
}
