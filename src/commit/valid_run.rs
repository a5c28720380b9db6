//! A recorded run that passed validation: only such a run is put into the dataset.

use std::path::Path;

use super::CommitRefused;
use crate::project::{self, Project, Reporter, report_ignored};
use crate::run::RunKey;
use crate::support::parallel;
use crate::support::progress::Progress;
use crate::support::text::{FEW, format_plural};
use crate::validate;
use crate::validate::{IgnoredFinding, ValidateOptions, ValidationReport};

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
    let run = ValidRun::from_report(run_dir, validate_run(project, run_dir, reporter)?)?;
    report_ignored(&run.report, reporter);
    Ok(run)
}

/// Reports what was ignored in runs: of many, in one line for all of them.
pub(super) fn report_ignored_in_runs(runs: &[ValidRun], reporter: &dyn Reporter) {
    if runs.len() <= FEW {
        runs.iter().for_each(|run| report_ignored(&run.report, reporter));
        return;
    }
    let mut all: Vec<IgnoredFinding> = Vec::new();
    for ignored in runs.iter().flat_map(|run| &run.report.ignored) {
        match all.iter_mut().find(|one| (&one.code, &one.by) == (&ignored.code, &ignored.by)) {
            Some(one) => one.count += ignored.count,
            None => all.push(ignored.clone()),
        }
    }
    let Some(what) = IgnoredFinding::describe_all(&all) else { return };
    let count = runs.iter().filter(|run| !run.report.ignored.is_empty()).count() as u64;
    let line = format!("the validation of {} {what}", format_plural(count, "run"));
    if IgnoredFinding::any_is_error(&all) {
        reporter.show_warning(&line);
    } else {
        reporter.show_status(&line);
    }
}

impl ValidRun {
    /// A run with what [`validate_run`] returned.
    pub(super) fn from_report(run_dir: &str, report: ValidationReport) -> Result<Self, CommitRefused> {
        match RunKey::new(&report.experiment, &report.run_id) {
            Ok(key) => Ok(Self { run_dir: run_dir.to_owned(), key, report }),
            Err(_) => Err(CommitRefused::Invalid { report: Box::new(report) }),
        }
    }
}

/// Validates runs, several at once; the results are in their order. An invalid one is a reason to stop.
pub fn validate_runs(
    project: &Project,
    run_dirs: &[String],
    reporter: &dyn Reporter,
) -> Result<Vec<Result<ValidationReport, CommitRefused>>, CommitRefused> {
    if let [run_dir] = run_dirs {
        return Ok(vec![validate_run(project, run_dir, reporter)]);
    }
    let mut options = project::read_validation_options(project)?;
    // With a run for each processor, threads for each run's parts would only wait for each other.
    options.one_thread |= run_dirs.len() >= parallel::processors();
    let progress = reporter.start_counting("validating", run_dirs.len() as u64, "run");
    let root = &project.root;
    Ok(parallel::map(run_dirs, |run_dir| {
        let report = validate_dir(root, run_dir, &options, progress.as_ref());
        progress.count_item();
        report
    }))
}

/// Validates a run; an invalid one is a reason to stop.
fn validate_run(project: &Project, run_dir: &str, reporter: &dyn Reporter) -> Result<ValidationReport, CommitRefused> {
    let options = project::read_validation_options(project)?;
    let progress = reporter.start_progress(&format!("validating {run_dir}"), None);
    validate_dir(&project.root, run_dir, &options, progress.as_ref())
}

fn validate_dir(
    root: &Path,
    run_dir: &str,
    options: &ValidateOptions,
    progress: &dyn Progress,
) -> Result<ValidationReport, CommitRefused> {
    let dir = root.join(run_dir);
    if !dir.is_dir() {
        return Err(CommitRefused::NoSuchRun { run_dir: run_dir.to_owned() });
    }
    let report = validate::validate_run(&dir, run_dir, options, progress)?;
    if report.ok { Ok(report) } else { Err(CommitRefused::Invalid { report: Box::new(report) }) }
}
