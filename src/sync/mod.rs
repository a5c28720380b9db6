//! The workspace follows git: the dataset that `dvc.lock` names is brought to where `dvc.lock` lies.
//!
//! What the cache has is checked out natively, touching only what differs; the rest is fetched by DVC, up to
//! `pull.max_bytes`, else the selected run alone is. Edits in the dataset that DVC has not saved win: those files stay as
//! they are. Nothing here fails a git command.

mod error;
pub mod pull;
pub mod push;
pub mod sent;

use std::time::Duration;

pub use error::SyncError;
use error::explain_fetch;
pub(crate) use error::outcome_of_dvc;

use crate::dataset::checkout::checkout_runs;
use crate::dataset::list_bytes::{ListBytes, ListFile};
use crate::dataset::runs::{
    RefusedPath, entries_of_run, find_run_of_dir, group_by_run, run_keys, run_of_path, split_refused,
};
use crate::dvc::absent::AbsentRemote;
use crate::dvc::cache::{Cache, CacheError};
use crate::dvc::checkout;
use crate::dvc::checkout::{CheckoutError, CheckoutOutcome, CheckoutRequest};
use crate::dvc::file_list::{FileEntry, FileList};
use crate::dvc::program::ProgramError;
use crate::dvc::remote::fetch::FetchError;
use crate::dvc::settings::DvcSettings;
use crate::error::ExitKind::{CheckFailed, Io, Setup};
use crate::error::Explanation;
use crate::history::rebuilt;
use crate::project::data_dir;
use crate::project::mutex::RepoMutex;
use crate::project::state;
use crate::project::workspace;
use crate::project::{DatasetRecord, GitTree, Project, ProjectError, Reporter};
use crate::run::RunKey;
use crate::support::limits;
use crate::support::text::format_bytes;

/// How far a sync may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncScope {
    /// Everything, whatever its size: the user asked.
    All,
    /// Within the settings' limit.
    Limited,
    /// The selected run alone, within the limit, and whatever is here anyway.
    SelectedRun,
}

/// Why nothing is fetched unless the user asks, where that is so: a cloned repository must not choose, by way of a remote's
/// client, what runs on this machine.
fn why_not_unasked(settings: &DvcSettings, scope: SyncScope) -> Option<String> {
    let stranger = settings.untrusted.first().filter(|_| scope != SyncScope::All)?;
    Some(format!("{stranger}, so data comes when you ask for it"))
}

/// What is told of a cache that git tracks, and the way out.
fn describe_tracked_cache(settings: &DvcSettings) -> String {
    let dir = settings.cache_dir.display();
    format!(
        "git tracks files of DVC's cache {dir}, which others put there (`dvc cache dir --local .dvc/cache` takes another one)"
    )
}

/// Says what of a data version is not checked out.
fn warn_refused(refused: &[RefusedPath], reporter: &dyn Reporter) {
    const SHOWN: usize = 10;
    for refusal in refused.iter().take(SHOWN) {
        reporter.show_warning(&format!("not checked out: {refusal}"));
    }
    if refused.len() > SHOWN {
        reporter.show_warning(&format!("not checked out, for such reasons: {} more", refused.len() - SHOWN));
    }
    if !refused.is_empty() {
        reporter.show_hint("tell who committed it; all else of the dataset is not held back by it");
    }
}

/// What became of a sync.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SyncOutcome {
    /// There is no dataset here.
    NoDataset,
    /// The workspace is as `dvc.lock` says.
    Done {
        /// How many files were written or removed.
        changed: usize,
    },
    /// Only a part was brought: the rest is too much to fetch unasked.
    Partial {
        /// How many files are missing.
        files: usize,
        /// About how many bytes they have; `u64::MAX` where that is not known.
        missing: u64,
    },
    /// Some files hold work that DVC has not saved, and were left; the rest is as `dvc.lock` says.
    LocalChanges {
        /// Relative to the dataset; empty where DVC itself did the work and did not tell.
        files: Vec<String>,
    },
    /// The workspace is as `dvc.lock` says, but for what no checkout takes; that was said.
    Refused {
        /// How many files were written or removed.
        changed: usize,
        /// Runs, or files that lie in none; relative to the dataset.
        paths: Vec<String>,
    },
    /// Nothing was changed: it is more than a hook does unasked.
    TooLarge {
        /// What is too much.
        reason: String,
    },
    /// Nothing was changed: the data is neither here nor to be had.
    Missing {
        /// Why.
        why: String,
        /// The code and the exit code of it, for a user who asked for the data.
        explanation: Explanation,
    },
}

impl SyncOutcome {
    /// Data that is not fetched before the user says so.
    fn unasked(why: String) -> Self {
        Self::Missing { why, explanation: Setup.code("data_not_fetched") }
    }

    /// Data that the disk has no room for.
    fn no_room(why: String) -> Self {
        Self::Missing { why, explanation: Io.code("no_room") }
    }
}

/// How long to wait for another DVC.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Brings the workspace to the data version of the working tree's `dvc.lock`.
pub fn sync_workspace(project: &Project, scope: SyncScope, reporter: &dyn Reporter) -> Result<SyncOutcome, SyncError> {
    let Some(dataset_record) = project.dataset_record(&GitTree::WorkTree)? else { return Ok(SyncOutcome::NoDataset) };
    let _alone = RepoMutex::acquire(&project.state_dir())?;
    sync_holding_mutex(project, &dataset_record, scope, reporter)
}

/// The same, by whoever holds the lock already.
pub(crate) fn sync_holding_mutex(
    project: &Project,
    dataset_record: &DatasetRecord,
    scope: SyncScope,
    reporter: &dyn Reporter,
) -> Result<SyncOutcome, SyncError> {
    data_dir::check_dataset_dir(project, &dataset_record.out_dir)?;
    let settings = project.dvc_settings()?;
    if settings.cache_is_tracked && scope != SyncScope::All {
        let why = format!("{}, so data comes when you ask for it", describe_tracked_cache(settings));
        return Ok(SyncOutcome::unasked(why));
    }
    if let Some(reason) = find_long_list(project, settings, dataset_record, scope)? {
        return Ok(SyncOutcome::TooLarge { reason });
    }
    let mut refused = Vec::new();
    let outcome = match sync_natively(project, settings, dataset_record, scope, reporter, &mut refused) {
        Err(SyncError::Checkout(CheckoutError::Unsupported(why))) => match why_not_unasked(settings, scope) {
            Some(why) => Ok(SyncOutcome::unasked(why)),
            None => sync_by_dvc(project, settings, dataset_record, &why, reporter),
        },
        Err(SyncError::Checkout(CheckoutError::TooMany(count))) => {
            Ok(SyncOutcome::TooLarge { reason: format!("{count} files to write or remove") })
        }
        other => other,
    };
    let mut outcome = match outcome {
        Err(SyncError::Fetch(error)) => {
            SyncOutcome::Missing { why: error.describe_with_cause(), explanation: explain_fetch(&error) }
        }
        other => other?,
    };
    warn_refused(&refused, reporter);
    if let (SyncOutcome::Done { changed }, false) = (&outcome, refused.is_empty()) {
        let paths = refused.into_iter().map(|refusal| refusal.path).collect();
        outcome = SyncOutcome::Refused { changed: *changed, paths };
    }
    if !matches!(outcome, SyncOutcome::NoDataset | SyncOutcome::TooLarge { .. } | SyncOutcome::Missing { .. }) {
        workspace::mark_workspace(project, dataset_record.version)?;
        workspace::clear_sync_pending(project)?;
    }
    Ok(outcome)
}

/// What a hook does not look into: the list of the data version, or of what the workspace holds, that is here and long.
fn find_long_list(
    project: &Project,
    settings: &DvcSettings,
    dataset_record: &DatasetRecord,
    scope: SyncScope,
) -> Result<Option<String>, ProjectError> {
    let cache = Cache::from_settings(settings);
    let versions = [Some(dataset_record.version), workspace::read_workspace_version(project)?];
    for version in versions.into_iter().flatten().filter(|_| scope != SyncScope::All) {
        let bytes =
            ListFile::of_version(&cache, version).map_err(CacheError::from)?.map_or(0, |list| list.size() as u64);
        if bytes > limits::UNASKED_FILE_LIST {
            return Ok(Some(format!("a list of files of {}", format_bytes(bytes))));
        }
    }
    Ok(None)
}

/// Has DVC fetch and check out the dataset, which only DVC can: all of what we would refuse is refused before it starts.
fn sync_by_dvc(
    project: &Project,
    settings: &DvcSettings,
    dataset_record: &DatasetRecord,
    why: &str,
    reporter: &dyn Reporter,
) -> Result<SyncOutcome, SyncError> {
    if settings.cache_is_tracked {
        let why = format!("only DVC can do this ({why}), and {}", describe_tracked_cache(settings));
        return Ok(SyncOutcome::unasked(why));
    }
    let file_list = project.dvc()?.read_file_list(dataset_record.version)?;
    let paths = file_list.entries().iter().map(|entry| entry.relpath.as_str());
    checkout::refuse_unsafe(&project.root, &dataset_record.out_dir, paths)?;
    if let Some(stage) = project.dataset_state(&GitTree::WorkTree)?.stage {
        state::check_stage_files(project, &stage)?;
    }
    project.root_files().check_dir(&dataset_record.out_dir)?;
    reporter.show_status(&format!("DVC does this: {why}"));
    // The dataset alone: DVC would make any other output of the stage executable where `dvc.lock` says so.
    outcome_of_dvc(project.find_dvc()?.pull(&[&dataset_record.out_dir]).map(drop))
}

fn sync_natively(
    project: &Project,
    settings: &DvcSettings,
    dataset_record: &DatasetRecord,
    scope: SyncScope,
    reporter: &dyn Reporter,
    refused_out: &mut Vec<RefusedPath>,
) -> Result<SyncOutcome, SyncError> {
    let config = project.read_config()?;
    let why_not = why_not_unasked(settings, scope);
    let may_fetch = (config.pull.auto && why_not.is_none()) || scope == SyncScope::All;
    let cache = Cache::from_settings(settings);
    if !cache.has_file_list(dataset_record.version) {
        if !may_fetch {
            rebuilt::rebuild_file_lists(project, [dataset_record.version], Some(reporter))?;
        }
        if !may_fetch && !cache.has_file_list(dataset_record.version) {
            return Ok(SyncOutcome::unasked(why_not.unwrap_or_else(|| "pull.auto is off".into())));
        }
        rebuilt::ensure_file_list(project, &project.dvc()?, dataset_record.version)?;
        if let Some(reason) = find_long_list(project, settings, dataset_record, scope)? {
            return Ok(SyncOutcome::TooLarge { reason });
        }
    }
    let file_list = project.dvc()?.read_file_list(dataset_record.version)?;
    let to;
    (to, *refused_out) = split_refused(file_list);
    let from = match workspace::read_workspace_version(project)? {
        Some(version) => match cache.read_file_list(version).map_err(ProjectError::from)? {
            // Without it, nothing that the old version held could be told from unsaved work.
            None if may_fetch && rebuilt::ensure_file_list(project, &project.dvc()?, version).is_ok() => {
                cache.read_file_list(version).ok().flatten().unwrap_or_default()
            }
            file_list => file_list.unwrap_or_default(),
        },
        None => FileList::default(),
    };
    let (from, _) = split_refused(from);
    let from = if scope == SyncScope::All { drop_removed_files(project, from, &dataset_record.out_dir) } else { from };
    let max_files = if scope == SyncScope::All { usize::MAX } else { limits::UNASKED_FILES };
    let check_out = |to: &FileList| check_out_files(project, settings, &dataset_record.out_dir, &from, to, max_files);
    let done = check_out(&to)?;
    if done.missing.is_empty() {
        return Ok(outcome_of_checkout(done));
    }
    let missing = missing_bytes(settings, &cache, &to, dataset_record);
    let all = scope == SyncScope::All || (scope == SyncScope::Limited && missing <= config.pull.max_bytes);
    if may_fetch && all {
        if let Some(why) = cache.why_no_room(missing) {
            return Ok(SyncOutcome::no_room(why));
        }
        reporter.show_status(&format!("fetching data of {}: {}", dataset_record.version, format_missing(missing)));
        let fetched = fetch_objects(project, dataset_record, None, reporter);
        return outcome_of_fetch(fetched, settings, &done.missing, || check_out(&to));
    }
    if let Some(run) = find_selected_run(dataset_record, Some(&to)).filter(|_| may_fetch)
        && done.missing.iter().any(|entry| run_of_path(&entry.relpath).as_ref() == Some(&run))
    {
        let entries = entries_of_run(&to, &run);
        let run_bytes = missing_bytes_on_remote(settings, &cache, entries)
            .unwrap_or_else(|| estimate_share(missing, entries.len(), to.len()));
        if let Some(why) = cache.why_no_room(run_bytes) {
            return Ok(SyncOutcome::no_room(why));
        }
        if run_bytes <= config.pull.max_bytes || scope == SyncScope::Limited {
            reporter.show_status(&format!("fetching {run} of {}", dataset_record.version));
            match fetch_objects(project, dataset_record, Some(&run), reporter) {
                Ok(()) => {}
                Err(SyncError::Dvc(error)) => return outcome_of_failed_fetch(error, settings, &done.missing),
                Err(error) => return Err(error),
            }
        }
    }
    // Whole runs only: what the cache has of them now.
    let is_cached = |entries: &[FileEntry]| entries.iter().all(|entry| cache.has_object(entry.md5));
    let whole_runs =
        group_by_run(&to).filter(|run| is_cached(run.entries)).flat_map(|run| run.entries.to_vec()).collect();
    let whole_runs = FileList::new(whole_runs).unwrap_or_default();
    if whole_runs.is_empty() {
        let why = why_not.unwrap_or_else(|| format!("{} to fetch", format_missing(missing)));
        return Ok(SyncOutcome::unasked(why));
    }
    let done = check_out(&whole_runs)?;
    let missing = missing_bytes(settings, &cache, &to, dataset_record);
    let files = to.entries().iter().filter(|entry| !cache.has_object(entry.md5)).count();
    Ok(if done.local_changes.is_empty() {
        SyncOutcome::Partial { files, missing }
    } else {
        SyncOutcome::LocalChanges { files: done.local_changes }
    })
}

/// A listing without the files that were removed by hand: they come back when the user asks.
pub(crate) fn drop_removed_files(project: &Project, file_list: FileList, out_dir: &str) -> FileList {
    let dataset = project.root.join(out_dir);
    let exists = |entry: &&FileEntry| std::fs::symlink_metadata(dataset.join(&entry.relpath)).is_ok();
    match file_list.entries().iter().all(|entry| exists(&entry)) {
        true => file_list,
        false => FileList::new(file_list.entries().iter().filter(exists).cloned().collect()).unwrap_or_default(),
    }
}

pub(crate) fn check_out_files(
    project: &Project,
    settings: &DvcSettings,
    out_dir: &str,
    from: &FileList,
    to: &FileList,
    max_files: usize,
) -> Result<CheckoutOutcome, SyncError> {
    let request = CheckoutRequest {
        root: &project.root,
        settings,
        out_dir,
        from,
        to,
        max_files,
        patience: PATIENCE,
        force: false,
    };
    Ok(checkout_runs(&request)?)
}

/// Brings the objects of a data version, or of one run in it, into the cache. The workspace is not touched.
pub(crate) fn fetch_objects(
    project: &Project,
    dataset_record: &DatasetRecord,
    run: Option<&RunKey>,
    reporter: &dyn Reporter,
) -> Result<(), SyncError> {
    let settings = project.dvc_settings()?;
    if let Some(absent) = AbsentRemote::from_settings(settings) {
        return Err(FetchError::RemoteAbsent { version: dataset_record.version, absent }.into());
    }
    let (version, run) = (dataset_record.version, run.map(ToString::to_string));
    let progress = reporter.start_progress("fetching", None);
    project.dvc()?.fetch_objects(version, run.as_deref(), progress.as_ref())?;
    Ok(())
}

/// The run that `dvc.lock` was made from, by its name in the dataset.
#[must_use]
pub fn find_selected_run(dataset_record: &DatasetRecord, file_list: Option<&FileList>) -> Option<RunKey> {
    let run_dir = dataset_record.run_dir.as_deref()?;
    match file_list {
        Some(file_list) => {
            let runs: Vec<RunKey> = run_keys(file_list).collect();
            find_run_of_dir(run_dir, &runs)
        }
        None => {
            let mut parts = run_dir.trim_end_matches('/').rsplit('/');
            let (run_id, experiment) = (parts.next()?, parts.next()?);
            RunKey::new(experiment, run_id).ok()
        }
    }
}

pub(crate) fn outcome_of_checkout(done: CheckoutOutcome) -> SyncOutcome {
    if done.local_changes.is_empty() {
        SyncOutcome::Done { changed: done.written + done.removed }
    } else {
        SyncOutcome::LocalChanges { files: done.local_changes }
    }
}

/// What became of a fetch of these missing files. If it succeeded, the checkout is made again.
pub(crate) fn outcome_of_fetch(
    fetched: Result<(), SyncError>,
    settings: &DvcSettings,
    missing: &[FileEntry],
    check_out: impl Fn() -> Result<CheckoutOutcome, SyncError>,
) -> Result<SyncOutcome, SyncError> {
    match fetched {
        Ok(()) => {
            let done = check_out()?;
            Ok(if done.missing.is_empty() { outcome_of_checkout(done) } else { not_on_remote(&done.missing) })
        }
        Err(SyncError::Dvc(error)) => outcome_of_failed_fetch(error, settings, missing),
        Err(error) => Err(error),
    }
}

/// What a failure of DVC means: that data is lost, if the remote is a directory that lacks some of it; else that the remote
/// could not be asked.
fn outcome_of_failed_fetch(
    error: ProgramError,
    settings: &DvcSettings,
    missing: &[FileEntry],
) -> Result<SyncOutcome, SyncError> {
    let outcome = outcome_of_dvc(Err(error))?;
    let remote_dir = settings.default_remote().and_then(|remote| remote.dir.as_ref()).filter(|dir| dir.is_dir());
    let Some(remote_cache) = remote_dir.map(|dir| Cache::in_dir(dir)) else { return Ok(outcome) };
    let lost: Vec<FileEntry> = missing.iter().filter(|entry| !remote_cache.has_object(entry.md5)).cloned().collect();
    let is_missing = matches!(outcome, SyncOutcome::Missing { .. });
    Ok(if is_missing && !lost.is_empty() { not_on_remote(&lost) } else { outcome })
}

/// Data that the remote lacks: at least one file.
fn not_on_remote(files: &[FileEntry]) -> SyncOutcome {
    let first = files.first().map(|entry| entry.relpath.escape_debug().to_string()).unwrap_or_default();
    let more = match files.len().saturating_sub(1) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let why = format!("the DVC remote does not have {first}{more}");
    SyncOutcome::Missing { why, explanation: CheckFailed.code("data_missing") }
}

/// How many bytes of these files the cache lacks, if the remote is a directory and has them all.
fn missing_bytes_on_remote(settings: &DvcSettings, cache: &Cache, entries: &[FileEntry]) -> Option<u64> {
    let remote_cache = Cache::in_dir(settings.default_remote()?.dir.as_ref()?);
    entries.iter().filter(|entry| !cache.has_object(entry.md5)).map(|entry| remote_cache.object_size(entry.md5)).sum()
}

/// About how many bytes of a data version the cache lacks: a directory remote tells the sizes of files; of any other only the
/// whole is known, from `dvc.lock`. `u64::MAX` where neither tells.
fn missing_bytes(settings: &DvcSettings, cache: &Cache, to: &FileList, dataset_record: &DatasetRecord) -> u64 {
    if let Some(bytes) = missing_bytes_on_remote(settings, cache, to.entries()) {
        return bytes;
    }
    let cached_bytes: u64 = to.entries().iter().filter_map(|entry| cache.object_size(entry.md5)).sum();
    match dataset_record.size.map_or(u64::MAX, |size| size.saturating_sub(cached_bytes)) {
        0 if !to.entries().iter().all(|entry| cache.has_object(entry.md5)) => u64::MAX,
        bytes => bytes,
    }
}

/// What some of a number of files have of all bytes, if they are alike. What is not known stays so.
fn estimate_share(bytes: u64, count: usize, total: usize) -> u64 {
    if bytes == u64::MAX {
        return bytes;
    }
    let share = u128::from(bytes) * count as u128 / total.max(1) as u128;
    u64::try_from(share).unwrap_or(u64::MAX)
}

/// The size of what is missing, which can be unknown (`u64::MAX`).
#[must_use]
pub fn format_missing(bytes: u64) -> String {
    if bytes == u64::MAX { "an unknown amount".into() } else { format_bytes(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// W6: The estimated share of a small size is not zero.
    #[test]
    fn a_share_of_little_is_not_nothing() {
        assert_eq!(estimate_share(100, 7, 300), 2);
        assert_eq!(estimate_share(u64::MAX, 1, 2), u64::MAX);
        assert_eq!(estimate_share(5, 1, 0), 5);
    }
}
