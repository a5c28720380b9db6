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
    let Some(record) = project.dataset_record(&GitTree::Index)? else { return Ok(()) };
    let parents = parent_versions(project)?;
    // What is compared is new: nothing is.
    if parents.contains(&record.version) {
        return Ok(());
    }
    // A list that is not here is what the check of lost runs reports.
    let agreement = project.file_lists()?.check_agreement(record.version, &parents);
    agreement.map_or(Ok(()), |agreement| refuse_unless_meant(project, agreement, Some(reporter)))
}

/// The same of a data version that was made from `previous` by ingesting these runs, and in which nothing else differs.
pub(super) fn refuse_ingested_schema_conflicts(
    project: &Project,
    new: DataVersion,
    previous: Option<DataVersion>,
    runs: &[ValidRun],
    reporter: &dyn Reporter,
) -> Result<(), CommitRefused> {
    let mut old = parent_versions(project)?;
    old.extend(previous.filter(|previous| !old.contains(previous)));
    let introduced = runs.iter().map(|run| run.key.clone()).collect();
    let agreement = project.file_lists()?.compare_introduced(new, &old, introduced);
    agreement.map_or(Ok(()), |agreement| refuse_unless_meant(project, agreement, Some(reporter)))
}

/// The data versions of HEAD and of the branches that are being merged.
fn parent_versions(project: &Project) -> Result<Vec<DataVersion>, CommitRefused> {
    let mut versions: Vec<DataVersion> = Vec::new();
    for parent in project.repo.head()?.into_iter().chain(project.repo.merge_heads()?) {
        versions.extend(project.data_version_at(&parent)?.filter(|version| !versions.contains(version)));
    }
    Ok(versions)
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
        // What is unknown is reported at the end.
        Some(agreement) => refuse_unless_meant(project, agreement, None),
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

/// An error if runs do not agree; what is not known is reported.
fn refuse_unless_meant(
    project: &Project,
    agreement: SchemaAgreement,
    reporter: Option<&dyn Reporter>,
) -> Result<(), CommitRefused> {
    if let Some(reporter) = reporter {
        let shown = agreement.unknown.iter().take(UNKNOWN_SHOWN);
        shown.for_each(|unknown| reporter.show_warning(&unknown.to_string()));
    }
    // Read for each commit: `git -c` sets it for one command, and no file should keep it.
    if agreement.conflicts.is_empty() || project.repo.config_bool(ALLOW_SCHEMA_CHANGE)? == Some(true) {
        return Ok(());
    }
    Err(CommitRefused::SchemaConflict { conflicts: agreement.conflicts })
}
