//! Refuses a commit whose dataset holds runs of one experiment that do not agree about their columns, unless the user
//! says that this is intended.

use super::{CommitRefused, ValidRun};
use crate::dataset::agreement::{ALLOW_SCHEMA_CHANGE, SchemaAgreement};
use crate::dvc::hash::DataVersion;
use crate::project::{GitTree, Project, Reporter};
use crate::run::RunKey;
use crate::run::layout::RUN_JSON;
use crate::run::meta::RunMeta;
use crate::run::open::read_small_file;
use crate::run::schema::SCHEMA_JSON;

/// How many runs that cannot be compared are named.
const UNKNOWN_SHOWN: usize = 3;

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
    refuse_unless_meant(project, agreement)
}

/// The same of recorded runs before anything is done with them, as far as it is known then.
pub(super) fn refuse_recorded_schema_conflicts(
    project: &Project,
    runs: &[ValidRun],
    committed: Option<DataVersion>,
) -> Result<(), CommitRefused> {
    // What a merged branch holds is looked at when the new data version is known.
    if !project.repo.merge_heads()?.is_empty() {
        return Ok(());
    }
    let declared = runs.iter().filter_map(|run| Some((run.key.clone(), read_declaration(project, run)?)));
    let recorded: Vec<(RunKey, Vec<u8>)> = declared.collect();
    if recorded.is_empty() {
        return Ok(());
    }
    match project.file_lists()?.check_recorded_agreement(&recorded, committed) {
        Some(agreement) => refuse_unless_meant(project, agreement),
        None => Ok(()),
    }
}

/// The text of the schema that a recorded run declares its columns by; `None` if it is of an older version.
fn read_declaration(project: &Project, run: &ValidRun) -> Option<Vec<u8>> {
    let dir = project.root.join(&run.run_dir);
    // The run was validated: a file that cannot be read now is reported when the run is read again.
    let run_json = read_small_file(&dir, RUN_JSON).ok()??;
    let is_declared = RunMeta::parse(&run_json).ok()?.schema()?.is_declared();
    if is_declared { read_small_file(&dir, SCHEMA_JSON).ok()? } else { None }
}

fn refuse_unless_meant(project: &Project, agreement: SchemaAgreement) -> Result<(), CommitRefused> {
    // Read for each commit: `git -c` sets it for one command, and no file should keep it.
    if agreement.conflicts.is_empty() || project.repo.config_bool(ALLOW_SCHEMA_CHANGE)? == Some(true) {
        return Ok(());
    }
    Err(CommitRefused::SchemaConflict { conflicts: agreement.conflicts })
}
