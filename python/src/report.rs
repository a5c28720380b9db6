//! `validate_run_artifacts`: what `capture-hook validate --json` prints for one run, as a dict. The names in it are
//! frozen.

use std::path::PathBuf;

use capture_hook::project::dir;
use capture_hook::support::progress::NoProgress;
use capture_hook::validate;
use capture_hook::validate::ValidationReport;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use serde_json::Value;

use crate::errors::to_exception;
use crate::place::{self, CodeArgs};

/// validate_run_artifacts(run_dir, *, ignore=None, deny=None)
/// --
///
/// Reads every byte of a run once and reports all that is wrong with it.
///
/// Args:
///     run_dir: the run's directory, ``<results>/<experiment>/<run_id>``.
///     ignore: codes of findings that do not make the run invalid; their number is under ``ignored``.
///         Structure and safety codes cannot be ignored. By default what ``capture-hook.toml`` of the project around the run says.
///     deny: codes of warnings that count as errors; by default likewise.
///
/// Returns:
///     What ``capture-hook validate --json`` prints for the run: a dict with ``run_dir``, ``experiment``, ``run_id``,
///     ``ok``, ``errors`` and ``warnings`` (lists of codes), ``steps`` and ``episodes`` (``{"ok": bool, "rows": int}``),
///     ``findings`` (the first ten of each code, with file, line and episode), and, if something was ignored,
///     ``ignored`` (a list of ``{"code", "count", "by"}``). A directory that is not there is
///     reported too (``run_dir_not_found``).
///
/// Raises:
///     RunIOError: the disk failed, or the run changed while it was read.
///     CaptureHookError: a code in `ignore` or `deny` does not exist, or cannot be ignored.
///
/// The GIL is released while the run is read.
#[pyfunction]
#[pyo3(signature = (run_dir, *, ignore=None, deny=None))]
pub fn validate_run_artifacts(
    py: Python<'_>,
    run_dir: PathBuf,
    ignore: Option<Vec<String>>,
    deny: Option<Vec<String>>,
) -> PyResult<Bound<'_, PyAny>> {
    let run_dir = place::absolute_path(&run_dir)?;
    let root = dir::find_root(&run_dir);
    let options = place::validate_options(root, CodeArgs { ignore, deny }).map_err(|error| to_exception(py, error))?;
    let shown = place::display_path(&run_dir, root);
    let report = py.detach(|| validate::validate_run(&run_dir, &shown, &options, &NoProgress));
    to_python(py, &report.map_err(|error| to_exception(py, error))?)
}

/// Converts a report into a dict.
pub fn to_python<'py>(py: Python<'py>, report: &ValidationReport) -> PyResult<Bound<'py, PyAny>> {
    let value =
        serde_json::to_value(report).map_err(|error| pyo3::exceptions::PyRuntimeError::new_err(error.to_string()))?;
    json_to_python(py, value)
}

fn json_to_python<'py>(py: Python<'py>, value: Value) -> PyResult<Bound<'py, PyAny>> {
    Ok(match value {
        Value::Null => py.None().into_bound(py),
        Value::Bool(bool) => bool.into_pyobject(py)?.to_owned().into_any(),
        // match number.as_i64() { => Beyond signed 64 bits: unsigned, else a float.
        Value::Number(number) => match number.as_i64() {
            Some(int) => int.into_pyobject(py)?.into_any(),
            None => match number.as_u64() {
                Some(int) => int.into_pyobject(py)?.into_any(),
                None => number.as_f64().into_pyobject(py)?.into_any(),
            },
        },
        Value::String(text) => text.into_pyobject(py)?.into_any(),
        Value::Array(items) => {
            let list = PyList::empty(py);
            for item in items {
                list.append(json_to_python(py, item)?)?;
            }
            list.into_any()
        }
        Value::Object(members) => {
            let dict = PyDict::new(py);
            for (key, value) in members {
                dict.set_item(key, json_to_python(py, value)?)?;
            }
            dict.into_any()
        }
    })
}

/// Describes in one line why a run is refused: the codes of its errors and the first finding.
pub fn describe_invalid(report: &ValidationReport) -> String {
    let first = report.findings.iter().find(|finding| report.errors.contains(&finding.code));
    let codes: Vec<&str> = report.errors.iter().map(|code| code.as_str()).collect();
    let at = first.map_or_else(String::new, |finding| {
        let file = finding.file.as_deref().map_or_else(String::new, |file| match finding.line {
            Some(line) => format!(" ({file} line {line})"),
            None => format!(" ({file})"),
        });
        format!("; first: {}{file}", finding.message)
    });
    format!("{} is not a valid run: {}{at}", report.run_dir, codes.join(", "))
}
