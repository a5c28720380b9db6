//! The library's errors as Python exceptions: the classes of `capture_hook/errors.py`, with `code` and `hints` set.
//! Messages are escaped for terminals.

use capture_hook::error::{Error, ExitKind};
use capture_hook::load::LoadError;
use capture_hook::support::visible::escape_control;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

/// Converts an error of the library into the Python exception for its kind.
pub fn to_exception(py: Python<'_>, error: impl Into<Error>) -> PyErr {
    let error = error.into();
    let class = match (error.exit_kind(), error.code()) {
        (_, "run_dir_not_found" | "run_not_found") => "RunNotFoundError",
        (_, "link_not_followed" | "not_a_regular_file" | "file_too_large" | "path_outside_project") => "RunIOError",
        (_, "dataset_misplaced") => "RunUsageError",
        (ExitKind::CheckFailed, _) => "InvalidRunError",
        (ExitKind::Usage, _) => "RunUsageError",
        (ExitKind::Io, _) => "RunIOError",
        (ExitKind::Setup | ExitKind::Program, _) => "CaptureHookError",
    };
    // If the exception itself cannot be made, that failure is raised instead.
    new_exception(py, class, &message_of(&error), error.code(), error.hints()).unwrap_or_else(|error| error)
}

/// Converts an error of reading a dataset: what data it lacks, or is damaged, is no fault of a run.
pub fn load_exception(py: Python<'_>, error: LoadError) -> PyErr {
    let is_of_data = !matches!(&error, LoadError::Project(_) | LoadError::Revision(_) | LoadError::Interrupted);
    let error = Error::from(error);
    let class = match (error.exit_kind(), error.code()) {
        (_, "no_such_run") => "UnknownRunError",
        (_, "erased") => "ErasedRunError",
        (_, "ambiguous_run") | (ExitKind::Usage, _) => "RunUsageError",
        _ if is_of_data => "DatasetError",
        _ => return to_exception(py, error),
    };
    new_exception(py, class, &message_of(&error), error.code(), error.hints()).unwrap_or_else(|error| error)
}

/// An error's message with its causes.
fn message_of(error: &Error) -> String {
    let mut message = error.to_string();
    for cause in error.cause_messages() {
        // A cause that the message quotes already is not repeated.
        if !message.contains(&cause) {
            message.push_str(": ");
            message.push_str(&cause);
        }
    }
    message
}

/// Makes the exception for an invalid run, with its report.
pub fn invalid_run(py: Python<'_>, message: &str, code: &str, report: Bound<'_, PyAny>) -> PyErr {
    let made = new_exception(py, "InvalidRunError", message, code, &[]);
    match made {
        Ok(error) => match error.value(py).setattr("report", report) {
            Ok(()) => error,
            Err(error) => error,
        },
        Err(error) => error,
    }
}

/// Makes the exception for a run that does not exist.
pub fn not_found(py: Python<'_>, message: &str) -> PyErr {
    new_exception(py, "RunNotFoundError", message, "run_dir_not_found", &[]).unwrap_or_else(|error| error)
}

/// Makes the exception for a call that cannot be meant.
pub fn usage_error(py: Python<'_>, message: &str, code: &str) -> PyErr {
    new_exception(py, "RunUsageError", message, code, &[]).unwrap_or_else(|error| error)
}

fn new_exception(py: Python<'_>, class: &str, message: &str, code: &str, hints: &[String]) -> PyResult<PyErr> {
    let made = py.import("capture_hook.errors")?.getattr(class)?.call1((escape_control(message),))?;
    made.setattr("code", code)?;
    // A traceback goes to a terminal, and an error can quote text of a repository.
    made.setattr("hints", PyTuple::new(py, hints.iter().map(escape_control))?)?;
    // Notes are shown below the message in a traceback, from Python 3.11 on.
    if made.hasattr("add_note")? {
        for hint in hints {
            made.call_method1("add_note", (format!("hint: {}", escape_control(hint)),))?;
        }
    }
    Ok(PyErr::from_value(made))
}
