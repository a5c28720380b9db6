//! A recorded run that passed validation: only such a run is put into the dataset.

use super::CommitRefused;
use crate::project::{self, Project, Reporter, report_ignored};
use crate::run::RunKey;
use crate::validate;
use crate::validate::ValidationReport;

/// A recorded run that is valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidRun {
    /// Its directory, relative to the project.
    pub run_dir: String,
    /// Its name in the dataset.
    pub key: RunKey,
    /// What validation found.
    pub report: ValidationReport,
}

/// A recorded run, validated; an invalid one is a reason to stop.
pub fn load_valid_run(project: &Project, run_dir: &str, reporter: &dyn Reporter) -> Result<ValidRun, CommitRefused> {
    ValidRun::from_report(run_dir, validate_run(project, run_dir, reporter)?, reporter)
}

impl ValidRun {
    /// A run with what [`validate_run`] returned; reports what was ignored.
    pub(super) fn from_report(
        run_dir: &str,
        report: ValidationReport,
        reporter: &dyn Reporter,
    ) -> Result<Self, CommitRefused> {
        report_ignored(&report, reporter);
        match RunKey::new(&report.experiment, &report.run_id) {
            Ok(key) => Ok(Self { run_dir: run_dir.to_owned(), key, report }),
            Err(_) => Err(CommitRefused::Invalid { report: Box::new(report) }),
        }
    }
}

/// Validates a run; an invalid one is a reason to stop.
pub fn validate_run(
    project: &Project,
    run_dir: &str,
    reporter: &dyn Reporter,
) -> Result<ValidationReport, CommitRefused> {
    let dir = project.root.join(run_dir);
    if !dir.is_dir() {
        return Err(CommitRefused::NoSuchRun { run_dir: run_dir.to_owned() });
    }
    let options = project::read_validation_options(project)?;
    let progress = reporter.start_progress(&format!("validating {run_dir}"), None);
    let report = validate::validate_run(&dir, run_dir, &options, progress.as_ref())?;
    if report.ok { Ok(report) } else { Err(CommitRefused::Invalid { report: Box::new(report) }) }
}
