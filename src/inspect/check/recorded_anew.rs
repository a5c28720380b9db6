//! Whether the selected run was recorded again since it was committed.

use super::{CheckFinding, CheckSeverity};
use crate::git::Oid;
use crate::history::new_runs;
use crate::history::removal::find_removed_selection;
use crate::project::{GitTree, Project, ProjectError, held};

/// Whether the run that HEAD selects was recorded again, if its directory is in this clone. The commit
/// itself is right then, but the new recording is in no commit.
pub(super) fn check_recorded_anew(project: &Project, head: &Oid) -> Result<Option<CheckFinding>, ProjectError> {
    // What cannot be read in HEAD is a finding of `check_selection` already.
    let Ok(state) = project.dataset_state(&GitTree::Commit(head.clone())) else { return Ok(None) };
    let (Some(run_dir), Some(dataset_record), true) = (state.run_dir(), &state.record, state.is_ingested()) else {
        return Ok(None);
    };
    let comparison = held::match_recorded_run(project, dataset_record.version, run_dir)?;
    if find_removed_selection(project, dataset_record.version, run_dir)?.is_some() {
        return Ok(None);
    }
    Ok(comparison.mismatch().map(|difference| {
        let is_invalid = new_runs::is_known_invalid(project, &project.root.join(run_dir));
        let (to, advice) = (if is_invalid { "" } else { "to " }, new_runs::advise(is_invalid, run_dir));
        CheckFinding {
            severity: CheckSeverity::Warning,
            code: "recorded_anew",
            commit: Some(head.clone()),
            tag: None,
            run: None,
            message: format!("{run_dir} was recorded again: {difference}; {to}{advice}"),
        }
    }))
}
