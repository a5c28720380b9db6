//! A committed run that is ingested again keeps its committed files.
//!
//! A newer capture-hook can derive other bytes from the same rows. That does not make it another run or another data
//! version: if the recorder's files are the committed ones, the committed folder is checked out.

use super::ingest_work::{IngestWork, PATIENCE};
use super::{ALLOW_LOSS, CommitRefused, ValidRun, kept};
use crate::dataset::get::{GetError, GetRequest, get_run};
use crate::dataset::native;
use crate::dataset::native::NativeError;
use crate::dataset::runs::{RefusedPath, split_refused};
use crate::dvc::file_list::{FileEntry, FileList};
use crate::dvc::hash::DataVersion;
use crate::dvc::leftovers;
use crate::history::rebuilt;
use crate::ingest::is_derived;
use crate::project::{DatasetRecord, Project, workspace};
use crate::run::RunKey;
use crate::support::process::shell_quote;
use crate::sync::{self, SyncOutcome, SyncScope};

/// The files that a data version has of a run; empty if it does not hold the run.
pub(super) fn committed_files(
    project: &Project,
    version: DataVersion,
    run: &ValidRun,
) -> Result<Vec<FileEntry>, CommitRefused> {
    Ok(project.file_lists()?.run_entries(version, &run.key).unwrap_or_default())
}

/// Puts a run's committed folder back, if the one that was just made differs from it in derived files alone.
pub(super) fn keep_committed(
    work: &IngestWork<'_>,
    run: &ValidRun,
    version: DataVersion,
    committed: &[FileEntry],
) -> Result<(), CommitRefused> {
    let (project, reporter) = (work.project, work.reporter);
    let dataset = project.root.join(&work.stage.out_dir);
    let made = native::list_run_entries(&dataset, &run.key)?;
    let (prefix, run_dir) = (format!("{}/", run.key), project.root.join(&run.run_dir));
    let derived =
        |entry: &FileEntry| entry.relpath.strip_prefix(&prefix).is_some_and(|name| is_derived(name, &run_dir));
    // Of what the recorder, or the user, put there.
    let given = |files: &[FileEntry]| files.iter().filter(|file| !derived(file)).cloned().collect::<Vec<_>>();
    if made == committed || given(&made) != given(committed) {
        return Ok(());
    }
    reporter.show_status(&format!("{} is already committed; its files are kept", run.key));
    let to = run.key.dir_under(&dataset);
    let progress = reporter.start_progress(&format!("fetching {}", run.key), None);
    let request = GetRequest { run: &run.key, version, to: &to, replace: true };
    let dvc = project.dvc()?;
    rebuilt::read_file_list(project, &dvc, version)
        .map_err(GetError::from)
        .and_then(|file_list| get_run(&dvc, &file_list, request, progress.as_ref()))
        .map(drop)
        .map_err(|source| CommitRefused::Committed { run: run.key.clone(), source: Box::new(source) })
}

/// Sees to it that the runs of the committed data version, all but `run`, are in the workspace. Gives those that no
/// checkout takes, if the user says that runs may be dropped.
pub(super) fn check_out_committed_runs(
    work: &IngestWork<'_>,
    dataset_record: &DatasetRecord,
    run: &RunKey,
) -> Result<Vec<RefusedPath>, CommitRefused> {
    let IngestWork { project, reporter, stage, .. } = *work;
    let all = rebuilt::read_file_list(project, &project.dvc()?, dataset_record.version)?;
    let (file_list, refused) = split_refused(all.clone());
    let may_go = !refused.is_empty() && kept::loss_is_intended(project)?;
    leftovers::remove_leftovers(&project.root, &stage.out_dir, PATIENCE).map_err(NativeError::from)?;
    let missing = || first_missing(project, &file_list, &stage.out_dir, run);
    // No hook runs after `git reset`: runs of another version would slip into this one.
    let mut synced = None;
    let moves = dataset_record.out_dir != stage.out_dir;
    if !moves && (!workspace::is_workspace_at(project, Some(dataset_record.version))? || missing().is_some()) {
        reporter.show_status("checking out the committed runs first");
        synced = Some(sync::sync_holding_mutex(project, dataset_record, SyncScope::All, reporter)?);
    }
    let Some(file) = missing() else {
        // Who committed them has them in the workspace.
        let refused_missing = !may_go && first_missing(project, &all, &stage.out_dir, run).is_some();
        return match refused.first().filter(|_| refused_missing) {
            None => Ok(refused),
            Some(refusal) => Err(CommitRefused::NotInWorkspace {
                why: format!("cannot check out {refusal}"),
                advice: format!("to drop it from the dataset: `git -c {ALLOW_LOSS}=true commit`"),
            }),
        };
    };
    let (why, advice) = match synced {
        _ if moves => (
            format!("{} is the new dataset directory, but {file} is not in it", stage.out_dir),
            format!(
                "move the dataset there: `mv {} {}`; to start with an empty one: `git -c {ALLOW_LOSS}=true commit`",
                shell_quote(&dataset_record.out_dir),
                shell_quote(&stage.out_dir)
            ),
        ),
        Some(SyncOutcome::Missing { why, .. } | SyncOutcome::TooLarge { reason: why }) => {
            (why, "run `capture-hook pull`, then run the same command again".into())
        }
        _ => (format!("something else is at the path of {file}"), "move it away, then run `capture-hook pull`".into()),
    };
    Err(CommitRefused::NotInWorkspace { why, advice })
}

/// The first file of a listing that is not in the workspace, `except` one run's.
fn first_missing(project: &Project, file_list: &FileList, out_dir: &str, except: &RunKey) -> Option<String> {
    let root = project.root.join(out_dir);
    let prefix = format!("{except}/");
    let is_file = |path: &str| std::fs::metadata(root.join(path)).is_ok_and(|meta| meta.is_file());
    let mut files = file_list.entries().iter().map(|entry| entry.relpath.as_str());
    files.find(|path| !path.starts_with(&prefix) && !is_file(path)).map(str::to_owned)
}
