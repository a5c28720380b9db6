//! What an ingest works on, and for how long it waits.

use std::time::Duration;

use super::ValidRun;
use crate::dataset::stage::ResolvedStage;
use crate::project::{DatasetRecord, DatasetState, Project, Reporter};

/// How long to wait for another DVC.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// Runs to put into the dataset, and what decides about them.
pub(super) struct IngestWork<'a> {
    pub(super) project: &'a Project,
    pub(super) reporter: &'a dyn Reporter,
    /// What is selected and versioned before.
    pub(super) state: &'a DatasetState,
    pub(super) stage: &'a ResolvedStage,
    /// The last one is the selected one.
    pub(super) runs: &'a [ValidRun],
    /// What HEAD holds.
    pub(super) head_record: Option<&'a DatasetRecord>,
    /// Whether committed runs get derived files again.
    pub(super) force: bool,
}
