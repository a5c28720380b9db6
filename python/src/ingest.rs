//! `ingest`: puts a run into the dataset like the command, with the GIL released; and `find_runs`. The work is done in
//! the library.

use std::path::{Path, PathBuf};

use capture_hook::error::Error;
use capture_hook::ingest;
use capture_hook::ingest::IngestRequest;
use capture_hook::project::dir;
use capture_hook::run::discover::run_directories;
use capture_hook::support::progress::NoProgress;
use pyo3::prelude::*;

use crate::errors::{invalid_run, to_exception};
use crate::place::{self, CodeArgs};
use crate::report::to_python;

/// A run that is in the dataset; can be used as the path of its folder.
#[pyclass(module = "capture_hook", frozen)]
pub struct Ingested {
    /// The run's folder: ``out_dir / experiment / run_id``.
    #[pyo3(get)]
    path: PathBuf,
    /// The experiment's name.
    #[pyo3(get)]
    experiment: String,
    /// The run's id.
    #[pyo3(get)]
    run_id: String,
    /// Whether anything was written; false if the run was in the dataset already.
    #[pyo3(get)]
    changed: bool,
    /// The validation report, as :func:`validate_run_artifacts` returns it.
    #[pyo3(get)]
    report: Py<PyAny>,
}

#[pymethods]
impl Ingested {
    /// ``<experiment>/<run_id>``, as the command names the run.
    #[getter]
    fn run_key(&self) -> String {
        format!("{}/{}", self.experiment, self.run_id)
    }

    fn __fspath__(&self) -> PyResult<&str> {
        self.path.to_str().ok_or_else(|| pyo3::exceptions::PyValueError::new_err("the path is not valid UTF-8"))
    }

    fn __repr__(&self) -> String {
        format!("<Ingested {} in {}>", self.run_key(), self.path.display())
    }
}

/// ingest(run_dir, out_dir, *, ignore=None, deny=None, one_thread=False, force=False)
/// --
///
/// Validates a run by every rule and puts it into the dataset.
///
/// ``<out_dir>/<experiment>/<run_id>/`` gets every file of the recorder byte for byte, a manifest, ``steps.parquet``,
/// ``episodes.parquet`` and ``DATASET_INDEX.json``: what ``capture-hook ingest`` writes, byte for byte. The folder is
/// put in place in one step, the run's directory is not touched. The same run always gives the same bytes; one that is
/// in the dataset already stays unchanged, even if an older version put it there. Several threads and processes can
/// ingest into one dataset at once.
///
/// Args:
///     run_dir: the run's directory, ``<results>/<experiment>/<run_id>``.
///     out_dir: the dataset, by convention ``data/captures``; created if it is missing.
///     ignore, deny: codes of findings that do not count, or that count as errors; by default what
///         ``capture-hook.toml`` of the project around the dataset says.
///     one_thread: whether to work on the calling thread alone, as suits one process of many that ingest at once; by
///         default three threads share the work, and one run takes about half the time. The bytes are the same.
///     force: write parquet, manifest and index again even if the run is in the dataset already.
///
/// Returns:
///     The folder, the run's names and the report.
///
/// Raises:
///     RunNotFoundError: there is no such directory.
///     InvalidRunError: the run breaks the rules; ``report`` says how, and nothing has changed.
///     RunUsageError: the dataset and the run contain each other, or a link leads the dataset elsewhere.
///     RunIOError: the disk failed, or the run changed while it was read.
///
/// The GIL is released while it works.
#[pyfunction]
#[pyo3(
    name = "ingest",
    signature = (run_dir, out_dir, *, ignore=None, deny=None, one_thread=false, force=false),
)]
pub fn ingest_run(
    py: Python<'_>,
    run_dir: PathBuf,
    out_dir: PathBuf,
    ignore: Option<Vec<String>>,
    deny: Option<Vec<String>>,
    one_thread: bool,
    force: bool,
) -> PyResult<Ingested> {
    let mut request =
        build_request(&run_dir, &out_dir, CodeArgs { ignore, deny })?.map_err(|error| to_exception(py, error))?;
    request.options.one_thread = one_thread;
    request.force = force;
    // Other Python threads go on meanwhile.
    let done = py.detach(|| ingest::ingest_run(&request, &NoProgress));
    match done {
        Ok(done) => Ok(Ingested {
            // The path begins as the caller wrote it.
            path: done.key.dir_under(&out_dir),
            experiment: done.key.experiment().to_owned(),
            run_id: done.key.run_id().to_owned(),
            changed: done.changed,
            report: to_python(py, &done.report)?.unbind(),
        }),
        Err(error) => match &error {
            ingest::IngestError::Invalid(report) => {
                let (message, report) = (error.to_string(), to_python(py, report)?);
                Err(invalid_run(py, &message, "invalid_run", report))
            }
            _ => Err(to_exception(py, error)),
        },
    }
}

/// Builds the request to the library; the inner error is the library's, the outer the system's.
fn build_request(run_dir: &Path, out_dir: &Path, codes: CodeArgs) -> std::io::Result<Result<IngestRequest, Error>> {
    let (run_dir, out_dir) = (place::absolute_path(run_dir)?, place::absolute_path(out_dir)?);
    let project = dir::find_root(&out_dir).map(Path::to_path_buf);
    let off_limits = match project.as_deref().map(place::off_limits).transpose() {
        Ok(found) => found.unwrap_or_default(),
        Err(error) => return Ok(Err(error)),
    };
    Ok(place::validate_options(project.as_deref(), codes).map(|options| IngestRequest {
        shown_as: place::display_path(&run_dir, project.as_deref()),
        // Outside of a project, the dataset's parent directory takes the project's place.
        root: project.or_else(|| out_dir.parent().map(Path::to_path_buf)).unwrap_or_else(|| out_dir.clone()),
        run_dir,
        out_dir,
        off_limits,
        options,
        force: false,
    }))
}

/// find_runs(results_dir)
/// --
///
/// The runs below a directory, valid or not.
///
/// Args:
///     results_dir: a directory that holds experiments, ``<results_dir>/<experiment>/<run_id>/``.
///
/// Returns:
///     The directories that hold anything a recorder writes, each once (a link to one that is listed is not), sorted;
///     none if there is no such directory.
///
/// Raises:
///     RunIOError: a directory cannot be listed.
#[pyfunction]
pub fn find_runs(py: Python<'_>, results_dir: PathBuf) -> PyResult<Vec<PathBuf>> {
    let (runs, unread) = py.detach(|| run_directories(&results_dir)).map_err(|error| to_exception(py, error))?;
    match unread.into_iter().next() {
        // Err(to_exception(py, error)), => One directory that cannot be listed is an error: a script must not miss runs
        // unnoticed.
        Some(error) => Err(to_exception(py, error)),
        None => Ok(runs),
    }
}
