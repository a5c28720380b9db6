//! Refuses a commit whose dataset holds runs of one experiment that do not agree about their columns, unless the user
//! says that this is intended.

use super::CommitRefused;
use crate::dataset::agreement::ALLOW_SCHEMA_CHANGE;
use crate::dvc::hash::DataVersion;
use crate::history::loss;
use crate::project::{GitTree, Project, Reporter};

/// How many runs that cannot be compared are named.
const UNKNOWN_SHOWN: usize = 3;

/// An error if the merge that is being concluded unites runs whose schemas do not agree. Hooks ask if the merge changes
/// nothing else of ours.
pub fn refuse_schema_conflicts_in_merge(project: &Project, reporter: &dyn Reporter) -> Result<(), CommitRefused> {
    if loss::merges_data(project)? { refuse_staged_schema_conflicts(project, reporter) } else { Ok(()) }
}

/// The runs of the staged data version agree about their columns, as far as its parents' do not differ already.
pub(super) fn refuse_staged_schema_conflicts(project: &Project, reporter: &dyn Reporter) -> Result<(), CommitRefused> {
    match project.dataset_record(&GitTree::Index)? {
        Some(record) => refuse_schema_conflicts(project, record.version, None, reporter),
        None => Ok(()),
    }
}

/// The same of a data version that is to be committed; `previous` is one that it was made from.
pub(super) fn refuse_schema_conflicts(
    project: &Project,
    new: DataVersion,
    previous: Option<DataVersion>,
    reporter: &dyn Reporter,
) -> Result<(), CommitRefused> {
    let mut old: Vec<DataVersion> = previous.into_iter().collect();
    for parent in project.repo.head()?.into_iter().chain(project.repo.merge_heads()?) {
        old.extend(project.data_version_at(&parent)?);
    }
    old.dedup();
    // What is compared is new: nothing is.
    if old.contains(&new) {
        return Ok(());
    }
    // A list that is not here is what the check of lost runs reports.
    let Some(agreement) = project.file_lists()?.check_agreement(new, &old) else { return Ok(()) };
    for unknown in agreement.unknown.iter().take(UNKNOWN_SHOWN) {
        reporter.show_warning(&unknown.to_string());
    }
    // Read for each commit: `git -c` sets it for one command, and no file should keep it.
    if agreement.conflicts.is_empty() || project.repo.config_bool(ALLOW_SCHEMA_CHANGE)? == Some(true) {
        return Ok(());
    }
    Err(CommitRefused::SchemaConflict { conflicts: agreement.conflicts })
}
