//! The step of `status` that compares the workspace's dataset with `dvc.lock`.

use std::path::PathBuf;

use crate::dataset::differences::{DatasetComparison, DatasetDifferences, KNOWN_FILES_MARK, compare_dataset};
use crate::dataset::runs::{run_keys, split_refused};
use crate::dvc::cache::Cache;
use crate::dvc::hash::DataVersion;
use crate::inspect::status::{RunStatus, StepState};
use crate::project::{self, DatasetRecord, DatasetState, Project, ProjectError, workspace};
use crate::support::progress::Progress;
use crate::support::text::{format_bytes, format_plural};

/// The most bytes that are read of a dataset because of a `status`. What was read once is not read again.
// 1 GiB bounds how long `status` takes; what is over it is reported as not compared.
const MAX_BYTES: u64 = 1 << 30;

const STEP: &str = "workspace";
/// Fetches what is missing in the workspace, and checks it out.
const PULL: &str = "capture-hook pull";

/// How the workspace's dataset compares with what `dvc.lock` says.
#[derive(Debug)]
pub(super) enum WorkspaceFacts {
    /// The last checkout was not followed yet: until it is, every difference would look like a local change.
    SyncPending,
    /// The file list is not in this clone.
    NoFileList,
    /// Compared file by file; how many runs and files there should be.
    Compared { differences: DatasetDifferences, runs: usize, files: usize },
}

/// What is compared; it needs no repository, so that another thread can do it.
pub(super) struct WorkspaceCheck {
    root: PathBuf,
    cache: Cache,
    known_files: PathBuf,
    record: DatasetRecord,
    is_sync_pending: bool,
}

impl WorkspaceCheck {
    /// Of the workspace's data version; `None` without one.
    pub fn prepare(project: &Project, state: &DatasetState) -> Result<Option<Self>, ProjectError> {
        let Some(record) = state.record.clone() else { return Ok(None) };
        Ok(Some(Self {
            root: project.root.clone(),
            cache: project.open_cache()?,
            known_files: project::mark_path(project, KNOWN_FILES_MARK),
            record,
            is_sync_pending: workspace::is_sync_pending(project),
        }))
    }

    /// Compares.
    pub fn compare(&self, progress: &dyn Progress) -> Result<WorkspaceFacts, ProjectError> {
        if self.is_sync_pending {
            return Ok(WorkspaceFacts::SyncPending);
        }
        let Some(file_list) = self.cache.read_file_list(self.record.version)? else {
            return Ok(WorkspaceFacts::NoFileList);
        };
        // No checkout writes the refused paths, and so they are not missing.
        let (file_list, _) = split_refused(file_list);
        let comparison = DatasetComparison {
            root: &self.root,
            cache: &self.cache,
            known_files: &self.known_files,
            out_dir: &self.record.out_dir,
            file_list: &file_list,
            only_run: None,
            before: None,
            max_bytes: MAX_BYTES,
        };
        let differences = compare_dataset(&comparison, progress)?;
        let (runs, files) = (run_keys(&file_list).count(), file_list.len());
        Ok(WorkspaceFacts::Compared { differences, runs, files })
    }
}

/// Reports how the workspace's dataset stands.
pub(super) fn report_facts(
    project: &Project,
    status: &mut RunStatus,
    dataset_record: &DatasetRecord,
    facts: &WorkspaceFacts,
) -> Result<(), ProjectError> {
    let WorkspaceFacts::Compared { differences, runs, files } = facts else {
        if matches!(facts, WorkspaceFacts::SyncPending) {
            status.add_step(STEP, StepState::Pending, "it does not match the last checkout yet");
        } else {
            status.add_step(STEP, StepState::Unknown, describe_absent(dataset_record));
        }
        status.suggest_next(PULL);
        return Ok(());
    };
    // At the version it was last synced to, a difference is a local change; else it may be old data.
    let old = workspace::read_workspace_version(project)?.filter(|at| *at != dataset_record.version);
    if let Some(old) = old
        && is_behind(project, dataset_record, old, differences)?
    {
        status.add_step(STEP, StepState::Pending, "it holds another commit's data");
        status.suggest_next(PULL);
        return Ok(());
    }
    report_workspace(status, dataset_record, differences, (*runs, *files));
    Ok(())
}

/// How much data is not in this clone.
fn describe_absent(record: &DatasetRecord) -> String {
    let size = record.size.map(|bytes| format!(": {}", format_bytes(bytes))).unwrap_or_default();
    let files = record.nfiles.map(|files| format!(", {}", format_plural(files, "file"))).unwrap_or_default();
    format!("the dataset is not in this clone{size}{files}")
}

/// Whether the workspace, last synced to an older version, does not match this one yet: `git reset`, `stash` and `am`
/// call no hook.
fn is_behind(
    project: &Project,
    dataset_record: &DatasetRecord,
    old: DataVersion,
    differences: &DatasetDifferences,
) -> Result<bool, ProjectError> {
    if differences.local_changes().next().is_some()
        || !differences.missing.is_empty()
        || !differences.absent_runs.is_empty()
    {
        return Ok(true);
    }
    // What only the old version holds is in runs that the new one does not know.
    let (Some(old), Some(new)) =
        (project.open_cache()?.read_file_list(old)?, project.open_cache()?.read_file_list(dataset_record.version)?)
    else {
        return Ok(true);
    };
    let dataset = project.root.join(&dataset_record.out_dir);
    let mut stale = old.entries().iter().filter(|entry| new.get(&entry.relpath).is_none());
    // Not `exists`, which follows links: a dangling link into DVC's cache is there too.
    Ok(stale.any(|entry| std::fs::symlink_metadata(dataset.join(&entry.relpath)).is_ok()))
}

fn report_workspace(
    status: &mut RunStatus,
    record: &DatasetRecord,
    differences: &DatasetDifferences,
    (runs, files): (usize, usize),
) {
    // The order of the arms matters: local changes come before what a plain `pull` fetches, and a run that is
    // absent as a whole is normal, so that it comes last.
    if differences.present == 0 && differences.absent_runs.len() == runs && differences.local_changes().next().is_none()
    {
        status.add_step(STEP, StepState::Unknown, describe_absent(record));
        status.suggest_next(PULL);
    } else if differences.local_changes().next().is_some() {
        let changes =
            [("changed", &differences.changed), ("added", &differences.added), ("missing", &differences.missing)];
        let changes = changes.iter().filter(|(_, files)| !files.is_empty());
        let words: Vec<String> = changes.map(|(what, files)| format!("{what}: {}", describe_first(files))).collect();
        status.add_step(STEP, StepState::Pending, words.join("; "));
        // Only suggested, never done: it overwrites files that may exist nowhere else.
        status.suggest_next("capture-hook pull --force");
        status.notes.push(
            "replace the changed files by the committed ones with `capture-hook pull --force`, or keep them with `dvc commit`"
                .into(),
        );
    } else if !differences.missing.is_empty() {
        status.add_step(STEP, StepState::Pending, format!("missing: {}", describe_first(&differences.missing)));
        status.suggest_next(PULL);
    } else if differences.unread > 0 {
        let detail = format!("not compared: {}", format_bytes(differences.unread));
        status.add_step(STEP, StepState::Unknown, detail);
        status.suggest_next(PULL);
    } else if !differences.absent_runs.is_empty() {
        let present_runs = runs - differences.absent_runs.len();
        let detail = format!("{present_runs} of {runs} runs are here and match dvc.lock");
        status.add_step(STEP, StepState::Done, detail);
        status.notes.push(format!("fetch the other runs: `{PULL}`"));
    } else {
        status.add_step(STEP, StepState::Done, format!("matches dvc.lock, files: {files}"));
    }
}

/// The first of some files, and how many more there are.
fn describe_first(files: &[String]) -> String {
    match files {
        [first, rest @ ..] if !rest.is_empty() => format!("{first} and {} more", rest.len()),
        files => files.join(""),
    }
}
