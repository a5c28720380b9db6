//! The report of validation, in the shape that `--json` prints: names and order of the fields are frozen. Text for
//! people is made in `output`.

use serde::Serialize;

use crate::validate::code::{Code, Severity};

/// The report of one run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ValidationReport {
    /// The run's directory, as the user names it.
    pub run_dir: String,
    /// The experiment, from `run.json` or the directory; not checked to be a safe name.
    pub experiment: String,
    /// The run id, from `run.json` or the directory; not checked to be a safe name.
    pub run_id: String,
    /// Whether the run is valid: there is no error.
    pub ok: bool,
    /// The codes of all errors, each once, in the order of [`Code`].
    pub errors: Vec<Code>,
    /// The codes of all warnings, each once, in the order of [`Code`].
    pub warnings: Vec<Code>,
    /// Findings that settings ignore.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ignored: Vec<IgnoredFinding>,
    /// The steps' files.
    pub steps: StreamReport,
    /// The rows of the steps' files that are no steps, but the state after a reset.
    #[serde(skip)]
    pub reset_rows: u64,
    /// The episodes' files.
    pub episodes: StreamReport,
    /// The first ten findings of each code, in the order of files and lines.
    pub findings: Vec<ValidationFinding>,
}

impl ValidationReport {
    /// The number of steps, without the states after resets.
    #[must_use]
    pub fn step_count(&self) -> u64 {
        self.steps.rows.saturating_sub(self.reset_rows)
    }
}

/// The findings of one code that settings ignore. Reports always show them, so that a reader sees what the verdict
/// leaves out, and which file says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IgnoredFinding {
    /// The code.
    pub code: String,
    /// The number of findings.
    pub count: u64,
    /// The file or option that names the code.
    pub by: String,
}

impl IgnoredFinding {
    /// Describes several of them: `ignored step_sequence (3 times), as capture-hook.toml says`; `None` if there are
    /// none.
    #[must_use]
    pub fn describe_all(all: &[Self]) -> Option<String> {
        let by = &all.first()?.by;
        let times = |n: u64| if n == 1 { "once".to_owned() } else { format!("{n} times") };
        let codes: Vec<String> = all.iter().map(|one| format!("{} ({})", one.code, times(one.count))).collect();
        Some(format!("ignored {}, as {by} says", codes.join(", ")))
    }

    /// Whether one of them would make the run invalid if it counted.
    #[must_use]
    pub fn any_is_error(all: &[Self]) -> bool {
        all.iter().any(|one| one.code.parse::<Code>().is_ok_and(|code| code.severity() == Severity::Error))
    }
}

/// One stream of rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct StreamReport {
    /// Whether its files hold no error.
    pub ok: bool,
    /// The lines read, without blank ones.
    pub rows: u64,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ValidationFinding {
    /// Whether it makes the run invalid.
    pub severity: Severity,
    /// Its code.
    pub code: Code,
    /// The file, relative to the run's directory.
    pub file: Option<String>,
    /// The line, from 1.
    pub line: Option<u64>,
    /// The episode.
    pub episode_id: Option<String>,
    /// What is wrong, one line; not escaped for a terminal.
    pub message: String,
    /// The number of all findings of this code.
    pub count: u64,
}
