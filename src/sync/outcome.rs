//! The outcome of a sync, and what the end of a checkout or of a fetch means for it.

use super::SyncError;
use crate::dvc::cache::Cache;
use crate::dvc::checkout::CheckoutOutcome;
use crate::dvc::file_list::FileEntry;
use crate::dvc::program::ProgramError;
use crate::dvc::reason::describe_failure;
use crate::dvc::settings::DvcSettings;
use crate::error::ExitKind::{CheckFailed, Io, Program, Setup};
use crate::error::Explanation;
use crate::support::process::ProcessError;

/// The outcome of a sync.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SyncOutcome {
    /// There is no dataset here.
    NoDataset,
    /// The workspace is as `dvc.lock` says.
    Done {
        /// How many files were written or removed.
        changed: usize,
    },
    /// Only a part was checked out: the rest is too much to fetch unasked.
    Partial {
        /// How many files are missing.
        files: usize,
        /// About how many bytes they have; `u64::MAX` if that is not known.
        missing: u64,
    },
    /// Some files hold work that DVC has not saved, and were left; the rest is as `dvc.lock` says.
    LocalChanges {
        /// Relative to the dataset; empty if DVC itself did the work and did not name them.
        files: Vec<String>,
    },
    /// The workspace is as `dvc.lock` says, but for what no checkout takes, which was reported.
    Refused {
        /// How many files were written or removed.
        changed: usize,
        /// Runs, or files that are in none; relative to the dataset.
        paths: Vec<String>,
    },
    /// Nothing was changed: it is more than a hook does unasked.
    TooLarge {
        /// What is too much.
        reason: String,
    },
    /// Nothing was changed: the data is neither here nor available.
    Missing {
        /// Why.
        why: String,
        /// The code and the exit code of it, for a user who asked for the data.
        explanation: Explanation,
    },
}

impl SyncOutcome {
    /// Data that is not fetched before the user says so.
    pub(super) fn unasked(why: String) -> Self {
        Self::Missing { why, explanation: Setup.code("data_not_fetched") }
    }

    /// Data that the disk has no room for.
    pub(super) fn no_room(why: String) -> Self {
        Self::Missing { why, explanation: Io.code("no_room") }
    }
}

/// The outcome of a checkout that found all its objects.
pub(super) fn outcome_of_checkout(done: CheckoutOutcome) -> SyncOutcome {
    if done.local_changes.is_empty() {
        SyncOutcome::Done { changed: done.written + done.removed }
    } else {
        SyncOutcome::LocalChanges { files: done.local_changes }
    }
}

/// The outcome of a fetch of these missing files. If it succeeded, the checkout is made again.
pub(super) fn outcome_of_fetch(
    fetched: Result<(), SyncError>,
    settings: &DvcSettings,
    missing: &[FileEntry],
    check_out: impl Fn() -> Result<CheckoutOutcome, SyncError>,
) -> Result<SyncOutcome, SyncError> {
    match fetched {
        Ok(()) => {
            let done = check_out()?;
            Ok(if done.missing.is_empty() { outcome_of_checkout(done) } else { not_on_remote(&done.missing) })
        }
        Err(SyncError::Dvc(error)) => outcome_of_failed_fetch(error, settings, missing),
        Err(error) => Err(error),
    }
}

/// What a failure of DVC means: that data is lost, if the remote is a directory that lacks some of it; else that the
/// remote could not be asked.
pub(super) fn outcome_of_failed_fetch(
    error: ProgramError,
    settings: &DvcSettings,
    missing: &[FileEntry],
) -> Result<SyncOutcome, SyncError> {
    let outcome = outcome_of_dvc(Err(error))?;
    let remote_dir = settings.default_remote().and_then(|remote| remote.dir.as_ref()).filter(|dir| dir.is_dir());
    let Some(remote_cache) = remote_dir.map(|dir| Cache::in_dir(dir)) else { return Ok(outcome) };
    let lost: Vec<FileEntry> = missing.iter().filter(|entry| !remote_cache.has_object(entry.md5)).cloned().collect();
    let is_missing = matches!(outcome, SyncOutcome::Missing { .. });
    Ok(if is_missing && !lost.is_empty() { not_on_remote(&lost) } else { outcome })
}

/// Data that the remote lacks: at least one file.
fn not_on_remote(files: &[FileEntry]) -> SyncOutcome {
    let first = files.first().map(|entry| entry.relpath.escape_debug().to_string()).unwrap_or_default();
    let more = match files.len().saturating_sub(1) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let why = format!("the DVC remote does not have {first}{more}");
    SyncOutcome::Missing { why, explanation: CheckFailed.code("data_missing") }
}

/// DVC's failures that are no faults: unsaved edits, data that cannot be fetched.
pub(super) fn outcome_of_dvc(result: Result<(), ProgramError>) -> Result<SyncOutcome, SyncError> {
    match result {
        Ok(()) => Ok(SyncOutcome::Done { changed: 0 }),
        // DVC exits with 255 for every failure, so only its message shows this one.
        Err(ProgramError::Process(ProcessError::Failed { output: stderr, .. }))
            if stderr.contains("without confirmation") =>
        {
            Ok(SyncOutcome::LocalChanges { files: Vec::new() })
        }
        Err(ProgramError::Process(error @ (ProcessError::Failed { .. } | ProcessError::Stopped { .. }))) => {
            Ok(SyncOutcome::Missing { why: describe_failure(&error), explanation: Program.code("fetch_failed") })
        }
        Err(error) => Err(error.into()),
    }
}
