//! Whether the runs of an experiment agree about their columns, in the data version of a commit.

use super::erased::was_erased;
use super::{CheckFinding, CheckSeverity};
use crate::dvc::hash::DataVersion;
use crate::history::DatasetCommit;
use crate::project::{Project, ProjectError, state};

/// The runs that a commit introduces, or unites, and that do not agree about their columns. A warning: the user may
/// have meant it.
pub(super) fn check_schemas(
    project: &Project,
    change: &DatasetCommit,
    findings: &mut Vec<CheckFinding>,
) -> Result<(), ProjectError> {
    let mut old: Vec<DataVersion> = Vec::new();
    for parent in change.commit.parents.iter().filter(|parent| state::knows_lockfile(project, parent)) {
        old.extend(project.data_version_at(parent)?);
    }
    // A list that is not in this clone is a finding of its own.
    let Some(agreement) = project.file_lists()?.check_agreement(change.record.version, &old) else { return Ok(()) };
    let mut warn = |code, run, message| {
        let (commit, severity) = (Some(change.commit.id.clone()), CheckSeverity::Warning);
        findings.push(CheckFinding { severity, code, commit, tag: None, run: Some(run), message });
    };
    for conflict in agreement.conflicts {
        warn("schema_conflict", conflict.a.clone(), conflict.to_string());
    }
    for unknown in agreement.unknown {
        if was_erased(project, &unknown.run)? {
            continue;
        }
        warn("not_in_clone", unknown.run.clone(), unknown.to_string());
    }
    Ok(())
}
