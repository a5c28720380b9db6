//! Why a sync could not be done.

use crate::dvc::checkout::CheckoutError;
use crate::dvc::program::ProgramError;
use crate::dvc::remote::fetch::FetchError;
use crate::error::ExitKind::Program;
use crate::error::{Explain, Explanation};
use crate::project::ProjectError;
use crate::support::fs;

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
    /// The file list of a data version.
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

/// The code of a file list that cannot be fetched: a program that failed is a failed fetch.
pub(crate) fn explain_fetch(error: &FetchError) -> Explanation {
    match error {
        FetchError::Program { source: ProgramError::Process(_), .. } => Program.code("fetch_failed"),
        error => error.explain(),
    }
}
