//! Why a sync could not be done, and which of DVC's failures are no faults.

use super::SyncOutcome;
use crate::dvc::checkout::CheckoutError;
use crate::dvc::program::ProgramError;
use crate::dvc::reason::describe_failure;
use crate::dvc::remote::fetch::FetchError;
use crate::error::ExitKind::Program;
use crate::error::{Explain, Explanation};
use crate::project::ProjectError;
use crate::support::fs;
use crate::support::process::ProcessError;

/// Why a sync could not be done.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// The project.
    #[error(transparent)]
    Project(#[from] ProjectError),
    /// DVC.
    #[error(transparent)]
    Dvc(#[from] ProgramError),
    /// The workspace could not be changed.
    #[error(transparent)]
    Checkout(#[from] CheckoutError),
    /// The list of files of a data version.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// A file.
    #[error(transparent)]
    Fs(#[from] fs::FsError),
}

impl Explain for SyncError {
    fn explain(&self) -> Explanation {
        match self {
            Self::Project(error) => error.explain(),
            Self::Dvc(error) => error.explain(),
            Self::Checkout(error) => error.explain(),
            Self::Fetch(error) => error.explain(),
            Self::Fs(error) => error.explain(),
        }
    }
}

/// DVC's failures that are no faults: unsaved edits, data that cannot be had.
pub(crate) fn outcome_of_dvc(result: Result<(), ProgramError>) -> Result<SyncOutcome, SyncError> {
    match result {
        Ok(()) => Ok(SyncOutcome::Done { changed: 0 }),
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

/// The code of a list of files that cannot be had: a program that failed is a failed fetch.
pub(crate) fn explain_fetch(error: &FetchError) -> Explanation {
    match error {
        FetchError::Program { source: ProgramError::Process(_), .. } => Program.code("fetch_failed"),
        error => error.explain(),
    }
}
