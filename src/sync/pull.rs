//! `pull`: fetches and checks out the dataset, or one run of it, because the user asked.
//!
//! Unlike a sync, it compares every existing file with the data version: local changes are reported, and kept unless
//! the user asks to replace them.

use super::forgotten::clear_forgotten;
use super::outcome::{outcome_of_checkout, outcome_of_fetch};
use super::{
    PATIENCE, SyncError, SyncOutcome, SyncScope, check_out_files, drop_removed_files, fetch_objects, sync_workspace,
};
use crate::dataset::checkout::checkout_runs;
use crate::dataset::differences::{
    DatasetComparison, DatasetDifferences, KNOWN_FILES_MARK, compare_dataset, stat_files,
};
use crate::dataset::runs::{entries_of_run, run_keys, split_refused};
use crate::dvc::cache::Cache;
use crate::dvc::checkout::{CheckoutError, CheckoutRequest};
use crate::dvc::file_list::{FileEntry, FileList};
use crate::dvc::hash::DvcHash;
use crate::dvc::link::hash_file;
use crate::dvc::settings::DvcSettings;
use crate::error::ExitKind::CheckFailed;
use crate::history::erased::{find_erasure, split_erased};
use crate::project::mutex::RepoMutex;
use crate::project::{self, DatasetRecord, Project, ProjectError, Reporter, data_dir, workspace};
use crate::run::RunKey;
use crate::support::fs;
use crate::support::names::is_safe_path;

/// The outcome of a pull.
#[derive(Debug)]
pub struct PullOutcome {
    /// The outcome of the sync.
    pub sync: SyncOutcome,
    /// Local changes that were left as they are; relative to the dataset.
    pub local_changes: Vec<String>,
    /// How many files with local changes were replaced or removed.
    pub replaced: usize,
    /// Runs of the data version that were erased, and are not in the workspace.
    pub erased: Vec<RunKey>,
}

/// The runs of a data version, whose file list is fetched if this clone lacks it.
pub fn list_runs(project: &Project, dataset_record: &DatasetRecord) -> Result<Vec<RunKey>, SyncError> {
    let file_list = project.dvc()?.read_file_list(dataset_record.version)?;
    Ok(run_keys(&file_list).collect())
}

/// Pulls the dataset of the checked-out data version, or one run of it. With `force`, local changes are replaced.
pub fn pull_data(
    project: &Project,
    dataset_record: &DatasetRecord,
    run: Option<&RunKey>,
    force: bool,
    reporter: &dyn Reporter,
) -> Result<PullOutcome, SyncError> {
    let before = stat_files(&project.root.join(&dataset_record.out_dir));
    let sync_outcome = match run {
        None => sync_workspace(project, SyncScope::All, reporter)?,
        Some(run) => pull_run(project, dataset_record, run, reporter)?,
    };
    // The user asked for it, so hooks may fetch it again from now on.
    clear_forgotten(project, run)?;
    let mut outcome = PullOutcome { sync: sync_outcome, local_changes: Vec::new(), replaced: 0, erased: Vec::new() };
    if !matches!(
        outcome.sync,
        SyncOutcome::Done { .. } | SyncOutcome::LocalChanges { .. } | SyncOutcome::Refused { .. }
    ) {
        return Ok(outcome);
    }
    let Some(file_list) = project.open_cache()?.read_file_list(dataset_record.version).map_err(ProjectError::from)?
    else {
        return Ok(outcome);
    };
    let (file_list, _) = split_refused(file_list);
    let (file_list, erased) = split_erased(project, &project.open_cache()?, file_list)?;
    outcome.erased = erased.into_iter().map(|found| found.record.run).collect();
    let (cache, known_files) = (project.open_cache()?, project::mark_path(project, KNOWN_FILES_MARK));
    let compare = |before| {
        let progress = reporter.start_progress("comparing", None);
        let comparison = DatasetComparison {
            root: &project.root,
            cache: &cache,
            known_files: &known_files,
            out_dir: &dataset_record.out_dir,
            file_list: &file_list,
            only_run: run,
            before,
            max_bytes: u64::MAX,
        };
        compare_dataset(&comparison, progress.as_ref())
    };
    let mut differences = compare(Some(&before))?;
    // Missing is, after a sync, only what a link of DVC's leads to.
    if !differences.missing.is_empty() || (force && differences.local_changes().next().is_some()) {
        let local = if force { differences.clone() } else { DatasetDifferences::default() };
        let to_replace = DatasetDifferences { missing: differences.missing.clone(), ..local };
        let changes = FileChanges::to_undo(&to_replace, &file_list);
        let _alone = RepoMutex::acquire(&project.state_dir())?;
        match replace_local_changes(project, dataset_record, run, &changes, reporter)? {
            SyncOutcome::Done { changed } => outcome.replaced = changed,
            SyncOutcome::LocalChanges { .. } => {}
            other => {
                outcome.sync = other;
                return Ok(outcome);
            }
        }
        differences = compare(None)?;
    }
    // If something blocks its path, what is missing stays missing.
    outcome.local_changes = differences.local_changes().chain(&differences.missing).cloned().collect();
    if let SyncOutcome::LocalChanges { files: left_files } = &outcome.sync {
        // Of runs that the data version does not hold.
        let exists =
            |file: &&String| std::fs::symlink_metadata(project.root.join(&dataset_record.out_dir).join(file)).is_ok();
        let other_files =
            left_files.iter().filter(|file| file_list.get(file).is_none() && !differences.added.contains(file));
        outcome.local_changes.extend(other_files.filter(exists).cloned());
        // DVC does not say which files it left.
        if !left_files.is_empty() || !outcome.local_changes.is_empty() {
            outcome.sync = SyncOutcome::Done { changed: 0 };
        }
    }
    Ok(outcome)
}

/// Checks out one run of the checked-out data version.
fn pull_run(
    project: &Project,
    dataset_record: &DatasetRecord,
    run: &RunKey,
    reporter: &dyn Reporter,
) -> Result<SyncOutcome, SyncError> {
    data_dir::check_dataset_dir(project, &dataset_record.out_dir)?;
    let (dvc, version) = (project.dvc()?, dataset_record.version);
    let _alone = RepoMutex::acquire(&project.state_dir())?;
    // The entries of one run have no path twice, because the list has none.
    let only = |file_list: &FileList| FileList::new(entries_of_run(file_list, run).to_vec()).unwrap_or_default();
    let to = only(&dvc.read_file_list(version)?);
    let from = match workspace::read_workspace_version(project)? {
        Some(version) => dvc
            .cache()
            .read_file_list(version)
            .map_err(ProjectError::from)?
            .map(|file_list| only(&file_list))
            .unwrap_or_default(),
        None => FileList::default(),
    };
    let from = drop_removed_files(project, from, &dataset_record.out_dir);
    let check_out = || check_out_files(&dvc, &dataset_record.out_dir, &from, &to, usize::MAX);
    let done = check_out()?;
    if done.missing.is_empty() {
        return Ok(outcome_of_checkout(done));
    }
    if let Some(found) = find_erasure(project, run, to.entries())? {
        let why = format!("{run} was erased on purpose: {}", found.describe());
        return Ok(SyncOutcome::Missing { why, explanation: CheckFailed.code("erased") });
    }
    // An unknown size counts as 0, so that it refuses nothing.
    let missing = dvc.size_on_remote(&done.missing).unwrap_or(0);
    if let Some(why) = dvc.cache().why_no_room(missing) {
        return Ok(SyncOutcome::no_room(why));
    }
    reporter.show_status(&format!("fetching {run} of {version}"));
    let fetched = fetch_objects(&dvc, version, std::slice::from_ref(run), reporter);
    outcome_of_fetch(fetched, dvc.settings(), &done.missing, check_out)
}

/// The files that take the place of others.
struct FileChanges {
    /// What is removed: files that were added by hand.
    from: FileList,
    /// What is written: the committed files instead of those with local changes, and missing ones.
    to: FileList,
}

impl FileChanges {
    fn to_undo(differences: &DatasetDifferences, file_list: &FileList) -> Self {
        let files = differences.changed.iter().chain(&differences.missing);
        let to: Vec<FileEntry> = files.filter_map(|file| file_list.get(file)).cloned().collect();
        // A path that no checkout takes is left out: it would stop the whole pull.
        let added = differences.added.iter().filter(|file| is_safe_path(file));
        // The hash does not matter: `force` removes the file whatever it holds.
        let from = added.map(|file| FileEntry { relpath: file.clone(), md5: DvcHash::of_bytes(b"") }).collect();
        Self { from: FileList::new(from).unwrap_or_default(), to: FileList::new(to).unwrap_or_default() }
    }
}

/// Puts the committed files in the place of those with local changes and of missing ones, and removes what was added.
fn replace_local_changes(
    project: &Project,
    dataset_record: &DatasetRecord,
    run: Option<&RunKey>,
    changes: &FileChanges,
    reporter: &dyn Reporter,
) -> Result<SyncOutcome, SyncError> {
    let (dvc, out_dir) = (project.dvc()?, dataset_record.out_dir.as_str());
    let FileChanges { from, to } = changes;
    // Before the checkout, which would use the damaged objects again.
    if let Some(why) = remove_damaged_objects(dvc.settings(), to)? {
        return Ok(SyncOutcome::Missing { why, explanation: CheckFailed.code("data_missing") });
    }
    let (root, settings) = (dvc.root(), dvc.settings());
    let check_out = || {
        let (max_files, patience, force) = (usize::MAX, PATIENCE, true);
        let request = CheckoutRequest { root, settings, out_dir, from, to, max_files, patience, force };
        checkout_runs(&request).map_err(|error| {
            SyncError::from(match error {
                CheckoutError::Unsupported(why) => {
                    CheckoutError::UnsupportedByForce { why, out_dir: out_dir.to_owned() }
                }
                error => error,
            })
        })
    };
    let done = check_out()?;
    if done.missing.is_empty() {
        return Ok(outcome_of_checkout(done));
    }
    reporter.show_status(&format!("fetching data of {}", dataset_record.version));
    let named = run.map(std::slice::from_ref).unwrap_or_default();
    let fetched = fetch_objects(&dvc, dataset_record.version, named, reporter);
    outcome_of_fetch(fetched, settings, &done.missing, check_out)
}

/// Removes objects from the cache whose bytes do not match their names: they were written through a link, and would be
/// put in place again. Why not, if one of them could not be fetched again.
fn remove_damaged_objects(settings: &DvcSettings, file_list: &FileList) -> Result<Option<String>, ProjectError> {
    let cache = Cache::from_settings(settings);
    for md5 in file_list.entries().iter().map(|entry| entry.md5).filter(|md5| cache.has_object(*md5)) {
        let object = cache.object_path(md5);
        if hash_file(&object)?.0 == md5 {
            continue;
        }
        // A remote that is no directory is taken to have it: to ask would need the network.
        let is_on_remote = settings
            .default_remote()
            .is_some_and(|remote| remote.dir.as_deref().is_none_or(|dir| Cache::in_dir(dir).has_object(md5)));
        if !is_on_remote {
            return Ok(Some(format!("{} was changed, and no remote has the committed version", object.display())));
        }
        fs::remove_all(&object)?;
    }
    Ok(None)
}
