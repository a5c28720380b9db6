//! After a commit or a decision changed the data version, the workspace follows.

use crate::project::{Project, Reporter};
use crate::sync::{self, SyncError, SyncOutcome, SyncScope};

/// Checks out the data version of `dvc.lock`, and reports what keeps it from being complete; that is no failure.
pub(super) fn follow_data_version(project: &Project, reporter: &dyn Reporter) -> Result<(), SyncError> {
    match sync::sync_workspace(project, SyncScope::Limited, reporter)? {
        SyncOutcome::TooLarge { reason: why } | SyncOutcome::Missing { why, .. } => {
            reporter.show_warning(&format!("cannot check out the new data version: {why}"));
            reporter.show_hint("run `capture-hook pull`");
        }
        SyncOutcome::LocalChanges { files } => {
            reporter.show_warning(&format!("local changes are kept: {}", files.join(", ")));
        }
        SyncOutcome::NoDataset
        | SyncOutcome::Done { .. }
        | SyncOutcome::Partial { .. }
        | SyncOutcome::Refused { .. } => {}
    }
    Ok(())
}
