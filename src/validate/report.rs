//! The report of validation, in the shape that `--json` prints: names and order of the fields are frozen. Text for
//! people is made in `output`.

use serde::Serialize;

use crate::support::text::{format_count, format_plural};
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
    /// All findings, those that say the same as one; errors first, in the order of their codes.
    #[serde(skip)]
    pub groups: Vec<FindingGroup>,
}

impl ValidationReport {
    /// The number of steps, without the states after resets.
    #[must_use]
    pub fn step_count(&self) -> u64 {
        self.steps.rows.saturating_sub(self.reset_rows)
    }

    /// What makes the run invalid, a line each, as every command shows it.
    #[must_use]
    pub fn list_errors(&self) -> String {
        let errors = self.groups.iter().filter(|group| group.severity == Severity::Error);
        errors.map(|group| format!("\n    {group}")).collect()
    }
}

/// Findings of one code that say the same: of how many rows, and where the first is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FindingGroup {
    /// Whether they make the run invalid.
    pub severity: Severity,
    /// Their code.
    pub code: Code,
    /// What is wrong, one line; not escaped for a terminal. `None` for findings whose messages were not compared.
    pub message: Option<String>,
    /// How many there are.
    pub count: u64,
    /// Whether there may be more of them among those whose messages were not compared.
    pub at_least: bool,
    /// The files that they are about, relative to the run's directory; the first one has the first finding.
    pub files: Vec<String>,
    /// The line of the first, from 1.
    pub line: Option<u64>,
    /// The episode of the first.
    pub episode_id: Option<String>,
}

impl FindingGroup {
    /// Describes it without its code: "`x` is missing in 34 rows, first steps.jsonl.gz:1 (ep-0)".
    #[must_use]
    pub fn describe(&self) -> String {
        let Some(message) = &self.message else {
            return format!("{} more, not looked at one by one", format_count(self.count));
        };
        let least = if self.at_least { "at least " } else { "" };
        let episode = self.episode_id.as_ref().map(|id| format!(" ({id})")).unwrap_or_default();
        match (self.files.as_slice(), self.line) {
            ([file, ..], Some(line)) if self.count == 1 => format!("{message}, at {file}:{line}{episode}"),
            ([file, ..], Some(line)) => {
                let rows = format_plural(self.count, "row");
                format!("{message} (in {least}{rows}), first {file}:{line}{episode}")
            }
            ([], _) if self.count == 1 => format!("{message}{episode}"),
            ([], _) => format!("{message} ({least}{} times)", format_count(self.count)),
            ([file], None) if self.count == 1 => format!("{message}, in {file}{episode}"),
            (files, None) => {
                let more = self.count.saturating_sub(files.len() as u64);
                let more = if more > 0 { format!(" and {least}{} more", format_count(more)) } else { String::new() };
                format!("{message}: {}{more}", files.join(", "))
            }
        }
    }
}

impl std::fmt::Display for FindingGroup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code, self.describe())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_says_how_many_rows_and_where_the_first_is() {
        let one = FindingGroup {
            severity: Severity::Error,
            code: Code::MissingField,
            message: Some("`reward` is missing".into()),
            count: 1,
            at_least: false,
            files: vec!["steps.jsonl.gz".into()],
            line: Some(7),
            episode_id: Some("ep-0".into()),
        };
        assert_eq!(one.to_string(), "missing_field: `reward` is missing, at steps.jsonl.gz:7 (ep-0)");
        let many = FindingGroup { count: 1234, ..one.clone() };
        assert_eq!(many.describe(), "`reward` is missing (in 1,234 rows), first steps.jsonl.gz:7 (ep-0)");
        let some = FindingGroup { at_least: true, ..many };
        assert_eq!(some.describe(), "`reward` is missing (in at least 1,234 rows), first steps.jsonl.gz:7 (ep-0)");
        let of_file = FindingGroup { line: None, episode_id: None, ..one };
        assert_eq!(of_file.describe(), "`reward` is missing, in steps.jsonl.gz");
        let of_files = FindingGroup { files: vec!["a".into(), "b/".into()], count: 5, ..of_file.clone() };
        assert_eq!(of_files.describe(), "`reward` is missing: a, b/ and 3 more");
        let of_run = FindingGroup { files: Vec::new(), ..of_file };
        assert_eq!(of_run.describe(), "`reward` is missing");
        let rest = FindingGroup { message: None, count: 58, ..of_run };
        assert_eq!(rest.describe(), "58 more, not looked at one by one");
    }
}
