//! What validation found, in the shape that `--json` prints.

use serde::Serialize;

use super::code::{Code, Severity};

/// The report of one run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The run's directory as the user would name it.
    pub run_dir: String,
    /// The experiment, from `run.json` or the directory; may be unsafe.
    pub experiment: String,
    /// The run id, from `run.json` or the directory; may be unsafe.
    pub run_id: String,
    /// Whether the run is valid: there is no error.
    pub ok: bool,
    /// The codes of all errors, each once, in the order of [`Code`].
    pub errors: Vec<Code>,
    /// The codes of all warnings, each once, in the order of [`Code`].
    pub warnings: Vec<Code>,
    /// The steps' files.
    pub steps: StreamReport,
    /// The episodes' files.
    pub episodes: StreamReport,
    /// The first ten findings of each code, in the order of files and lines.
    pub findings: Vec<Finding>,
}

/// One stream of rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct StreamReport {
    /// Whether its files hold no error.
    pub ok: bool,
    /// Lines read, blank ones apart.
    pub rows: u64,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Whether it makes the run invalid.
    pub severity: Severity,
    /// What it is about.
    pub code: Code,
    /// The file, relative to the run's directory.
    pub file: Option<String>,
    /// The line, from 1.
    pub line: Option<u64>,
    /// The episode.
    pub episode_id: Option<String>,
    /// What is wrong, in words.
    pub message: String,
    /// How many findings of this code there were in all.
    pub count: u64,
}
