//! Takes runs out of the dataset on purpose, and puts removed ones back, each by one commit.
//!
//! Only the file list and `dvc.lock` change: no file of a run is read, and none is deleted from the cache or the remote.
//! A run that is removed stays in the data versions before, so `restore` can put it back.

use std::cell::OnceCell;
use std::collections::BTreeSet;

use super::publish::commit_paths;
use super::{CommitTransaction, follow, ingest_work::PATIENCE, metrics, publish, staging};
use crate::dataset::edit_runs::{RunEdit, edit_runs};
use crate::dataset::metrics_files;
use crate::dataset::runs::find_run_of_dir;
use crate::dvc::cache::Cache;
use crate::dvc::file_list::FileEntry;
use crate::dvc::hash::DataVersion;
use crate::dvc::lockfile::{self, Lockfile};
use crate::error::ExitKind::Setup;
use crate::error::{Error, Explain, Explanation};
use crate::git::Oid;
use crate::history::committed::CommittedRun;
use crate::history::erased::ErasedRuns;
use crate::history::rebuilt;
use crate::project::dir::ProjectDir;
use crate::project::mutex::RepoMutex;
use crate::project::removal_note::{RemovalNote, WrittenNote};
use crate::project::select::NO_SELECTION;
use crate::project::{DatasetRecord, GitTree, Project, ProjectError, Reporter, workspace};
use crate::run::RunKey;
use crate::support::text::format_plural;
use crate::support::visible::escape_control;

/// Why runs cannot be removed or restored.
#[derive(Debug, thiserror::Error)]
pub enum RemoveError {
    /// HEAD has no dataset.
    #[error("HEAD holds no dataset")]
    NoDataset,
    /// The index or the working tree holds another dataset, or another selection, than HEAD.
    #[error("{file} differs from HEAD's")]
    Uncommitted {
        /// The file.
        file: String,
    },
    /// HEAD's data version does not hold the run.
    #[error("the dataset of HEAD does not hold {run}")]
    NotInDataset {
        /// The run.
        run: RunKey,
    },
    /// The data version to restore from does not hold the run.
    #[error("data version {version} does not hold {run}")]
    NotInDataVersion {
        /// The run.
        run: RunKey,
        /// The data version.
        version: DataVersion,
    },
    /// HEAD's data version holds the run.
    #[error("the dataset of HEAD holds {run} already")]
    InDataset {
        /// The run.
        run: RunKey,
    },
}

impl Explain for RemoveError {
    fn explain(&self) -> Explanation {
        match self {
            Self::NoDataset => Setup.code("no_data_version").hint("see the commits that hold one: `capture-hook log`"),
            Self::Uncommitted { .. } => {
                Setup.code("uncommitted_dataset").hint("commit it, or undo it with `git restore`, then try again")
            }
            Self::NotInDataset { .. } => {
                Setup.code("not_in_dataset").hint("list the runs of the dataset with `capture-hook runs`")
            }
            Self::NotInDataVersion { .. } => {
                Setup.code("not_in_dataset").hint("see which commits introduced the run: `capture-hook log RUN`")
            }
            Self::InDataset { .. } => {
                Setup.code("already_in_dataset").hint("nothing is to be restored: see it with `capture-hook show RUN`")
            }
        }
    }
}

/// A commit that changes which runs the dataset has.
pub struct RunChange<'a> {
    /// The runs.
    pub runs: &'a [RunKey],
    /// Their files if they are restored; if they are removed, none.
    pub files: Vec<FileEntry>,
    /// Why, in the user's words.
    pub reason: Option<&'a str>,
    /// The commit's message; without, one that names the runs.
    pub message: Option<&'a str>,
    /// Other files that the commit has, relative to the project's root, and their bytes.
    pub records: &'a [(String, Vec<u8>)],
}

/// What a change of runs made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunChangeOutcome {
    /// What `dvc.lock` says now.
    pub record: DatasetRecord,
    /// Whether the selected run was removed, so that none is selected now.
    pub selection_cleared: bool,
}

/// The files that a run gets if it is restored from this data version.
pub fn files_to_restore(project: &Project, run: &CommittedRun) -> Result<Vec<FileEntry>, Error> {
    rebuilt::ensure_file_list(project, &project.dvc()?, run.version)?;
    let entries = project.file_lists()?.run_entries(run.version, &run.key).unwrap_or_default();
    if entries.is_empty() {
        return Err(RemoveError::NotInDataVersion { run: run.key.clone(), version: run.version }.into());
    }
    Ok(entries)
}

/// HEAD's dataset, if index and working tree agree with it. What a killed `remove` or `restore` left half done is no
/// difference: the same command finishes it.
pub fn find_clean_dataset(project: &Project) -> Result<DatasetRecord, Error> {
    Ok(find_dataset(project)?.record)
}

/// HEAD's dataset.
struct HeadDataset {
    commit: Oid,
    record: DatasetRecord,
    /// The data version of a change that was killed and is half done: no other can be made now.
    half_done: Option<DataVersion>,
}

fn find_dataset(project: &Project) -> Result<HeadDataset, Error> {
    publish::refuse_during_operation(project)?;
    let head = project.repo.head()?.ok_or(RemoveError::NoDataset)?;
    let record = project.dataset_record(&GitTree::Commit(head.clone()))?.ok_or(RemoveError::NoDataset)?;
    let note = RemovalNote::read_over(project, &record)?;
    let mut half_done = None;
    for tree in [GitTree::Index, GitTree::WorkTree] {
        let state = project.dataset_state(&tree)?;
        let is_recorded = state.record.as_ref() == Some(&record);
        if is_recorded && state.is_ingested() {
            continue;
        }
        let new = note.as_ref().filter(|note| note.explains(&state, &record)).map(|note| note.new);
        if new.is_none() {
            let params = ProjectDir::find(&project.root)?.params_file()?;
            let file = if is_recorded { params } else { lockfile::FILE.into() };
            return Err(RemoveError::Uncommitted { file }.into());
        }
        half_done = new;
    }
    Ok(HeadDataset { commit: head, record, half_done })
}

/// Commits the dataset with other runs; the workspace follows.
pub fn change_runs(
    project: &mut Project,
    change: RunChange<'_>,
    reporter: &dyn Reporter,
) -> Result<RunChangeOutcome, Error> {
    let project_dir = ProjectDir::find(&project.root)?;
    let params = project_dir.params_file()?;
    staging::check_committable(project, &[lockfile::FILE, &params])?;
    project.repo.await_head(&|line| reporter.show_status(line)).map_err(ProjectError::from)?;
    let head = find_dataset(project)?;
    rebuilt::ensure_file_list(project, &project.dvc()?, head.record.version)?;
    check_runs(project, &head.record, &change)?;
    let mutex = RepoMutex::acquire(&project.state_dir())?;
    let mut transaction = CommitTransaction::new(project);
    transaction.keep_file(&params)?;
    transaction.keep_file(lockfile::FILE)?;
    transaction.keep_metrics_files()?;
    let staged = stage_change(project, &head, &change, &mut transaction, reporter);
    let outcome = staged.and_then(|staged| {
        // The hooks that `git commit` calls may need it.
        drop(mutex);
        let subject = change.message.map_or_else(|| describe_change(&change), str::to_owned);
        commit_paths(project, &staged.paths, &subject, reporter)?;
        Ok(RunChangeOutcome { record: staged.record, selection_cleared: staged.selection_cleared })
    });
    // A commit that is made stays, whatever failed after it.
    if outcome.is_err() && project.repo.head().is_ok_and(|now| now.as_ref() == Some(&head.commit)) {
        let _alone = RepoMutex::acquire(&project.state_dir()).ok();
        transaction.roll_back(&mut project.repo, reporter);
    } else {
        transaction.finish();
        // A workspace that does not hold the data, as in a clone that pulled nothing, fetches none for this.
        if workspace::is_workspace_at(project, Some(head.record.version))? {
            follow::follow_data_version(project, reporter)?;
        }
    }
    outcome
}

/// What is ready to be committed.
struct StagedChange {
    /// What `dvc.lock` says now.
    record: DatasetRecord,
    /// The paths to commit.
    paths: Vec<String>,
    selection_cleared: bool,
    /// There until the commit is made.
    _note: WrittenNote,
}

/// Writes and stages the new data version.
fn stage_change(
    project: &mut Project,
    head: &HeadDataset,
    change: &RunChange<'_>,
    transaction: &mut CommitTransaction,
    reporter: &dyn Reporter,
) -> Result<StagedChange, Error> {
    let HeadDataset { commit, record: old, half_done } = head;
    let selected = old.run_dir.as_deref().and_then(|run_dir| find_run_of_dir(run_dir, change.runs));
    let selection_cleared = change.files.is_empty() && selected.is_some();
    let committed = project.read_file(&GitTree::Commit(commit.clone()), lockfile::FILE)?.unwrap_or_default();
    let settings = project.dvc_settings()?;
    // Without records, no size is known.
    let erased = OnceCell::new();
    let records = || ErasedRuns::load(project).unwrap_or_default();
    let edited = edit_runs(RunEdit {
        root: &project.root,
        out_dir: &old.out_dir,
        cache: &project.open_cache()?,
        remote: settings.default_remote().and_then(|remote| remote.dir.as_deref()).map(Cache::in_dir),
        erased_size: &|hash| erased.get_or_init(records).size_of(hash),
        committed: &Lockfile::parse(&committed).map_err(ProjectError::from)?,
        runs: change.runs,
        files: change.files.clone(),
        run_dir: selection_cleared.then_some(NO_SELECTION),
        patience: PATIENCE,
    })?;
    if half_done.is_some_and(|version| version != edited.version) {
        return Err(RemoveError::Uncommitted { file: lockfile::FILE.into() }.into());
    }
    // Before the first file changes: what a killed command left is then known for what it is.
    let reason = change.reason.unwrap_or_default().to_owned();
    let leaving = if change.files.is_empty() { change.runs } else { &[] };
    let runs = leaving.iter().cloned().collect();
    let note = RemovalNote { old: old.version, new: edited.version, reason, runs }.write(project)?;
    let mut paths = vec![project.git_path(lockfile::FILE)];
    if selection_cleared {
        let project_dir = ProjectDir::find(&project.root)?;
        paths.extend(metrics::metrics_files_to_stage(project)?);
        paths.push(project.git_path(&project_dir.params_file()?));
        project_dir.clear_selection()?;
        metrics_files::empty_metrics_files(&project.root).map_err(ProjectError::from)?;
    }
    paths.extend(write_records(project, change.records, transaction)?);
    edited.write_lockfile(&project.root)?;
    transaction.stage_files(&mut project.repo, &paths, reporter)?;
    let record = project.dataset_record(&GitTree::WorkTree)?.ok_or(RemoveError::NoDataset)?;
    Ok(StagedChange { record, paths, selection_cleared, _note: note })
}

/// Writes files that belong to the commit, and gives their names in git.
fn write_records(
    project: &Project,
    records: &[(String, Vec<u8>)],
    transaction: &mut CommitTransaction,
) -> Result<Vec<String>, Error> {
    let files = project.root_files();
    for (path, bytes) in records {
        transaction.keep_file(path)?;
        if let Some((dir, _)) = path.rsplit_once('/') {
            files.create_dir_all(dir)?;
        }
        files.write_atomic(path, bytes)?;
    }
    Ok(records.iter().map(|(path, _)| project.git_path(path)).collect())
}

/// Commits files, and changes nothing else.
pub(super) fn commit_records(
    project: &mut Project,
    records: &[(String, Vec<u8>)],
    message: &str,
    reporter: &dyn Reporter,
) -> Result<(), Error> {
    publish::refuse_during_operation(project)?;
    let before = project.repo.head()?;
    let mutex = RepoMutex::acquire(&project.state_dir())?;
    let mut transaction = CommitTransaction::new(project);
    let staged = write_records(project, records, &mut transaction).and_then(|paths| {
        transaction.stage_files(&mut project.repo, &paths, reporter)?;
        Ok(paths)
    });
    // The hooks that `git commit` calls may need it.
    drop(mutex);
    let done = staged.and_then(|paths| commit_paths(project, &paths, message, reporter).map(drop));
    if done.is_err() && project.repo.head().is_ok_and(|now| now == before) {
        transaction.roll_back(&mut project.repo, reporter);
    } else {
        transaction.finish();
    }
    done
}

/// An error if a run to remove is not in the dataset, or one to restore is.
fn check_runs(project: &Project, old: &DatasetRecord, change: &RunChange<'_>) -> Result<(), Error> {
    for run in change.runs {
        let held = project.file_lists()?.run_entries(old.version, run).is_some_and(|entries| !entries.is_empty());
        match (held, change.files.is_empty()) {
            (false, true) => return Err(RemoveError::NotInDataset { run: run.clone() }.into()),
            (true, false) => return Err(RemoveError::InDataset { run: run.clone() }.into()),
            (true, true) | (false, false) => {}
        }
    }
    Ok(())
}

/// A commit's first line.
fn describe_change(change: &RunChange<'_>) -> String {
    let verb = if change.files.is_empty() { "Remove" } else { "Restore" };
    match change.runs {
        [run] => format!("{verb} {}", escape_control(run)),
        runs => {
            let experiments: BTreeSet<&str> = runs.iter().map(RunKey::experiment).collect();
            let experiments: Vec<&str> = experiments.into_iter().collect();
            let count = format_plural(runs.len() as u64, "run");
            format!("{verb} {count} of {}", escape_control(experiments.join(", ")))
        }
    }
}
