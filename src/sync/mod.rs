//! Sync: the workspace follows git. The dataset that `dvc.lock` names is checked out.
//!
//! What is in the cache is checked out natively, touching only what differs. DVC fetches the rest up to
//! `pull.max_bytes`, else only the selected run. Local changes are kept. Nothing here makes a git command fail.

mod error;
pub mod forget;
pub mod forgotten;
pub mod gc;
pub mod local_copies;
mod not_sent;
mod outcome;
mod plan;
pub mod pull;
pub mod push;
pub mod push_target;
pub mod sent;

use std::time::Duration;

pub use error::SyncError;
use error::explain_fetch;
pub use outcome::SyncOutcome;
use outcome::{outcome_of_checkout, outcome_of_dvc, outcome_of_failed_fetch, outcome_of_fetch};
use plan::{SyncFacts, SyncPlan, plan_sync, share_of_bytes};

use crate::dataset::checkout::checkout_runs;
use crate::dataset::list_bytes::{ListBytes, ListFile};
use crate::dataset::runs::{
    RefusedPath, RunEntries, entries_of_run, find_run_of_dir, group_by_run, run_keys, run_of_path, split_refused,
};
use crate::dvc::absent::AbsentRemote;
use crate::dvc::cache::{Cache, CacheError};
use crate::dvc::checkout;
use crate::dvc::checkout::{CheckoutError, CheckoutOutcome, CheckoutRequest};
use crate::dvc::file_list::{FileEntry, FileList};
use crate::dvc::hash::DataVersion;
use crate::dvc::project::DvcProject;
use crate::dvc::remote::fetch::FetchError;
use crate::dvc::settings::DvcSettings;
use crate::history::erased::{FoundRecord, split_erased};
use crate::history::rebuilt;
use crate::project::mutex::RepoMutex;
use crate::project::{DatasetRecord, GitTree, Project, ProjectError, Reporter, data_dir, state, workspace};
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

/// Why nothing is fetched unless the user asks, if that is so: a cloned repository must not choose, through a remote's
/// client, what runs on this machine.
fn why_not_unasked(settings: &DvcSettings, scope: SyncScope) -> Option<String> {
    let stranger = settings.untrusted.first().filter(|_| scope != SyncScope::All)?;
    Some(format!("{stranger}, so data is fetched only when you ask"))
}

/// The message about a cache that git tracks, and what to do.
fn describe_tracked_cache(settings: &DvcSettings) -> String {
    let dir = settings.cache_dir.display();
    format!(
        "git tracks files of DVC's cache {dir}, which others committed (to use another cache: `dvc cache dir --local .dvc/cache`)"
    )
}

/// Says what of a data version is not checked out.
fn warn_refused(refused: &[RefusedPath], reporter: &dyn Reporter) {
    // A commit can hold thousands of such paths; ten show what kind they are.
    const SHOWN: usize = 10;
    for refusal in refused.iter().take(SHOWN) {
        reporter.show_warning(&format!("not checked out: {refusal}"));
    }
    if refused.len() > SHOWN {
        reporter.show_warning(&format!("not checked out, for similar reasons: {} more", refused.len() - SHOWN));
    }
    if !refused.is_empty() {
        reporter.show_hint("inform who committed it; the rest of the dataset is checked out");
    }
}

/// How long to wait for another DVC.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Checks out the data version of the working tree's `dvc.lock`.
pub fn sync_workspace(project: &Project, scope: SyncScope, reporter: &dyn Reporter) -> Result<SyncOutcome, SyncError> {
    let Some(dataset_record) = project.dataset_record(&GitTree::WorkTree)? else { return Ok(SyncOutcome::NoDataset) };
    let _alone = RepoMutex::acquire(&project.state_dir())?;
    sync_holding_mutex(project, &dataset_record, scope, reporter)
}

/// The same, for a caller that holds the mutex already.
pub(crate) fn sync_holding_mutex(
    project: &Project,
    dataset_record: &DatasetRecord,
    scope: SyncScope,
    reporter: &dyn Reporter,
) -> Result<SyncOutcome, SyncError> {
    data_dir::check_dataset_dir(project, &dataset_record.out_dir)?;
    let job = SyncJob { project, dvc: project.dvc()?, dataset_record, scope, reporter };
    let settings = job.dvc.settings();
    // A stranger can commit objects to such a cache, so a hook takes nothing from it.
    if settings.cache_is_tracked && scope != SyncScope::All {
        let why = format!("{}, so data is fetched only when you ask", describe_tracked_cache(settings));
        return Ok(SyncOutcome::unasked(why));
    }
    if let Some(reason) = job.find_long_list()? {
        return Ok(SyncOutcome::TooLarge { reason });
    }
    let mut refused = Vec::new();
    let outcome = match job.sync_natively(&mut refused) {
        Err(SyncError::Checkout(CheckoutError::Unsupported(why))) => match why_not_unasked(settings, scope) {
            Some(why) => Ok(SyncOutcome::unasked(why)),
            None => job.sync_by_dvc(&why),
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
        // Only after a checkout: what was not done stays noted as pending, for the next call.
        workspace::mark_workspace(project, dataset_record.version)?;
        workspace::clear_sync_pending(project)?;
    }
    Ok(outcome)
}

/// A sync under way.
struct SyncJob<'a> {
    project: &'a Project,
    dvc: DvcProject<'a>,
    dataset_record: &'a DatasetRecord,
    scope: SyncScope,
    reporter: &'a dyn Reporter,
}

impl SyncJob<'_> {
    /// What a hook does not look into: the list of the data version, or of what the workspace holds, that is here and
    /// long.
    fn find_long_list(&self) -> Result<Option<String>, ProjectError> {
        let versions = [Some(self.dataset_record.version), workspace::read_workspace_version(self.project)?];
        for version in versions.into_iter().flatten().filter(|_| self.scope != SyncScope::All) {
            let list = ListFile::of_version(&self.dvc.cache(), version).map_err(CacheError::from)?;
            let bytes = list.map_or(0, |list| list.size() as u64);
            if bytes > limits::UNASKED_FILE_LIST {
                return Ok(Some(format!("a file list of {}", format_bytes(bytes))));
            }
        }
        Ok(None)
    }

    /// Has DVC fetch and check out the dataset, which only DVC can: all of what we would refuse is refused before it
    /// starts.
    fn sync_by_dvc(&self, why: &str) -> Result<SyncOutcome, SyncError> {
        let (settings, out_dir) = (self.dvc.settings(), self.dataset_record.out_dir.as_str());
        if settings.cache_is_tracked {
            let why = format!("only DVC can do this ({why}), and {}", describe_tracked_cache(settings));
            return Ok(SyncOutcome::unasked(why));
        }
        let file_list = self.dvc.read_file_list(self.dataset_record.version)?;
        let paths = file_list.entries().iter().map(|entry| entry.relpath.as_str());
        checkout::refuse_unsafe(self.dvc.root(), out_dir, paths)?;
        if let Some(stage) = self.project.dataset_state(&GitTree::WorkTree)?.stage {
            state::check_stage_files(self.project, &stage)?;
        }
        self.project.root_files().check_dir(out_dir)?;
        self.reporter.show_status(&format!("leaving this to DVC: {why}"));
        // The dataset alone: DVC would make any other output of the stage executable if `dvc.lock` says so.
        outcome_of_dvc(self.dvc.find_program()?.pull(&[out_dir]).map(drop))
    }

    /// Checks out what the cache has, and fetches what it lacks, as far as the plan allows. `refused_out` gets what no
    /// checkout takes.
    fn sync_natively(&self, refused_out: &mut Vec<RefusedPath>) -> Result<SyncOutcome, SyncError> {
        let (settings, cache, version) = (self.dvc.settings(), self.dvc.cache(), self.dataset_record.version);
        let config = self.project.read_config()?;
        let why_not = why_not_unasked(settings, self.scope);
        let may_fetch = (config.pull.auto && why_not.is_none()) || self.scope == SyncScope::All;
        if let Some(outcome) = self.fetch_own_list(may_fetch, why_not.as_deref())? {
            return Ok(outcome);
        }
        let to;
        (to, *refused_out) = split_refused(self.dvc.read_file_list(version)?);
        let to = match self.scope {
            SyncScope::All => to,
            SyncScope::Limited | SyncScope::SelectedRun => {
                let dataset = self.project.root.join(&self.dataset_record.out_dir);
                forgotten::without_forgotten(self.project, &cache, &dataset, to)
            }
        };
        let from = self.read_workspace_list(may_fetch)?;
        let max_files = if self.scope == SyncScope::All { usize::MAX } else { limits::UNASKED_FILES };
        let check_out = |to: &FileList| check_out_files(&self.dvc, &self.dataset_record.out_dir, &from, to, max_files);
        // Tried before anything is measured: usually the cache has every object.
        let mut done = check_out(&to)?;
        let mut to = to;
        if !done.missing.is_empty() {
            let erased;
            (to, erased) = split_erased(self.project, &cache, to)?;
            if !erased.is_empty() {
                report_erased(&erased, self.reporter);
                done = check_out(&to)?;
            }
        }
        if to.is_empty() {
            // A dataset without runs is an empty directory: if it does not exist, DVC finds it deleted.
            self.project.root_files().create_dir_all(&self.dataset_record.out_dir)?;
        }
        if done.missing.is_empty() {
            return Ok(outcome_of_checkout(done));
        }
        let facts = self.gather_facts(may_fetch, config.pull.max_bytes, &to, &done.missing);
        match plan_sync(&facts) {
            SyncPlan::NoRoom { needed, free } => return Ok(SyncOutcome::no_room(cache.describe_no_room(needed, free))),
            SyncPlan::FetchAll => {
                let bytes = format_missing(facts.missing_bytes);
                self.reporter.show_status(&format!("fetching data of {version}: {bytes}"));
                let fetched = fetch_missing(&self.dvc, version, &to, self.reporter);
                return outcome_of_fetch(fetched, settings, &done.missing, || check_out(&to));
            }
            SyncPlan::FetchRun(run) => {
                self.reporter.show_status(&format!("fetching {run} of {version}"));
                match fetch_objects(&self.dvc, version, std::slice::from_ref(&run), self.reporter) {
                    Ok(()) => {}
                    Err(SyncError::Dvc(error)) => return outcome_of_failed_fetch(error, settings, &done.missing),
                    Err(error) => return Err(error),
                }
            }
            SyncPlan::CheckoutPart => {}
        }
        let whole_runs = cached_runs(&cache, &to);
        if whole_runs.is_empty() {
            let too_much = || format!("{} to fetch", format_missing(facts.missing_bytes));
            return Ok(SyncOutcome::unasked(why_not.unwrap_or_else(too_much)));
        }
        let done = check_out(&whole_runs)?;
        if !done.local_changes.is_empty() {
            return Ok(SyncOutcome::LocalChanges { files: done.local_changes });
        }
        let missing = missing_bytes(settings, &cache, &to, self.dataset_record);
        Ok(SyncOutcome::Partial { files: count_missing(&cache, to.entries()), missing })
    }

    /// Sees to it that the cache has the file list of the data version. Gives the outcome of a sync that ends here.
    fn fetch_own_list(&self, may_fetch: bool, why_not: Option<&str>) -> Result<Option<SyncOutcome>, SyncError> {
        let (cache, version) = (self.dvc.cache(), self.dataset_record.version);
        if cache.has_file_list(version) {
            return Ok(None);
        }
        if !may_fetch {
            rebuilt::rebuild_file_lists(self.project, [version], Some(self.reporter))?;
            if !cache.has_file_list(version) {
                return Ok(Some(SyncOutcome::unasked(why_not.unwrap_or("pull.auto is off").to_owned())));
            }
        }
        rebuilt::ensure_file_list(self.project, &self.dvc, version)?;
        Ok(self.find_long_list()?.map(|reason| SyncOutcome::TooLarge { reason }))
    }

    /// The file list of what the workspace holds, without what no checkout takes. If the user asked, files that were
    /// removed by hand come back.
    fn read_workspace_list(&self, may_fetch: bool) -> Result<FileList, SyncError> {
        let cache = self.dvc.cache();
        let file_list = match workspace::read_workspace_version(self.project)? {
            Some(version) => match cache.read_file_list(version).map_err(ProjectError::from)? {
                // Without it, no file of the old version could be distinguished from local changes.
                None if may_fetch && rebuilt::ensure_file_list(self.project, &self.dvc, version).is_ok() => {
                    // If it cannot be read even so, all files that differ count as local changes, and are kept.
                    cache.read_file_list(version).ok().flatten().unwrap_or_default()
                }
                file_list => file_list.unwrap_or_default(),
            },
            None => FileList::default(),
        };
        let (file_list, _) = split_refused(file_list);
        Ok(match self.scope {
            SyncScope::All => drop_removed_files(self.project, file_list, &self.dataset_record.out_dir),
            SyncScope::Limited | SyncScope::SelectedRun => file_list,
        })
    }

    /// What the plan is made from, when a checkout found these files missing.
    fn gather_facts(&self, may_fetch: bool, max_bytes: u64, to: &FileList, missing: &[FileEntry]) -> SyncFacts {
        let (settings, cache) = (self.dvc.settings(), self.dvc.cache());
        let missing_bytes = missing_bytes(settings, &cache, to, self.dataset_record);
        let is_missing = |run: &RunKey| missing.iter().any(|entry| run_of_path(&entry.relpath).as_ref() == Some(run));
        let selected_run = find_selected_run(self.dataset_record, Some(to)).filter(is_missing).map(|run| {
            let entries = entries_of_run(to, &run);
            let run_bytes = missing_bytes_on_remote(settings, &cache, entries).unwrap_or_else(|| {
                share_of_bytes(missing_bytes, count_missing(&cache, entries), count_missing(&cache, to.entries()))
            });
            (run, run_bytes)
        });
        let (scope, free_bytes) = (self.scope, cache.free_bytes());
        SyncFacts { scope, may_fetch, max_bytes, missing_bytes, selected_run, free_bytes }
    }
}

/// The files of the runs that the cache holds whole.
fn cached_runs(cache: &Cache, file_list: &FileList) -> FileList {
    let is_cached = |run: &RunEntries<'_>| count_missing(cache, run.entries) == 0;
    let entries = group_by_run(file_list).filter(is_cached).flat_map(|run| run.entries.to_vec());
    // A part of a valid list has no path twice, so this cannot fail.
    FileList::new(entries.collect()).unwrap_or_default()
}

/// How many of these files the cache lacks.
fn count_missing(cache: &Cache, entries: &[FileEntry]) -> usize {
    entries.iter().filter(|entry| !cache.has_object(entry.md5)).count()
}

/// A file list without the files that were removed by hand: they come back when the user asks.
fn drop_removed_files(project: &Project, file_list: FileList, out_dir: &str) -> FileList {
    let dataset = project.root.join(out_dir);
    let exists = |entry: &&FileEntry| std::fs::symlink_metadata(dataset.join(&entry.relpath)).is_ok();
    // The list is copied only if a file is gone; a part of a valid list is valid.
    match file_list.entries().iter().all(|entry| exists(&entry)) {
        true => file_list,
        false => FileList::new(file_list.entries().iter().filter(exists).cloned().collect()).unwrap_or_default(),
    }
}

/// Checks out a dataset; files with local changes stay.
fn check_out_files(
    dvc: &DvcProject<'_>,
    out_dir: &str,
    from: &FileList,
    to: &FileList,
    max_files: usize,
) -> Result<CheckoutOutcome, SyncError> {
    let (root, settings, patience) = (dvc.root(), dvc.settings(), PATIENCE);
    let request = CheckoutRequest { root, settings, out_dir, from, to, max_files, patience, force: false };
    Ok(checkout_runs(&request)?)
}

/// Fetches the objects of runs of a data version, or of all of it if no run is named, into the cache. The workspace is not
/// touched.
fn fetch_objects(
    dvc: &DvcProject<'_>,
    version: DataVersion,
    runs: &[RunKey],
    reporter: &dyn Reporter,
) -> Result<(), SyncError> {
    // A command line with more folders than this can be longer than the system allows.
    const MOST_FOLDERS: usize = 500;
    if let Some(absent) = AbsentRemote::from_settings(dvc.settings()) {
        return Err(FetchError::RemoteAbsent { version, absent }.into());
    }
    let progress = reporter.start_progress("fetching", None);
    let folders: Vec<String> = runs.iter().map(ToString::to_string).collect();
    if folders.is_empty() {
        return Ok(dvc.fetch_objects(version, &[], progress.as_ref())?);
    }
    Ok(folders.chunks(MOST_FOLDERS).try_for_each(|some| dvc.fetch_objects(version, some, progress.as_ref()))?)
}

/// Fetches what the cache lacks of these files of a data version: by one name, if they are all of its files.
fn fetch_missing(
    dvc: &DvcProject<'_>,
    version: DataVersion,
    files: &FileList,
    reporter: &dyn Reporter,
) -> Result<(), SyncError> {
    let cache = dvc.cache();
    let whole = cache.read_file_list(version).map_err(ProjectError::from)?.map(|list| list.len());
    let is_incomplete = |run: &RunEntries<'_>| count_missing(&cache, run.entries) > 0;
    let runs: Vec<RunKey> = match whole == Some(files.len()) {
        true => Vec::new(),
        false => group_by_run(files).filter(is_incomplete).map(|run| run.key).collect(),
    };
    fetch_objects(dvc, version, &runs, reporter)
}

/// Says which runs of a data version are left out, because they were erased.
fn report_erased(erased: &[FoundRecord], reporter: &dyn Reporter) {
    // Ten show what kind they are.
    const SHOWN: usize = 10;
    for found in erased.iter().take(SHOWN) {
        reporter.show_status(&format!("left out, for it was erased: {}: {}", found.record.run, found.describe()));
    }
    if erased.len() > SHOWN {
        reporter.show_status(&format!("left out, for they were erased: {} more runs", erased.len() - SHOWN));
    }
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
            // Names that no run can have select none.
            RunKey::new(experiment, run_id).ok()
        }
    }
}

/// How many bytes of these files the cache lacks, if the remote is a directory and has them all.
fn missing_bytes_on_remote(settings: &DvcSettings, cache: &Cache, entries: &[FileEntry]) -> Option<u64> {
    let remote_cache = Cache::in_dir(settings.default_remote()?.dir.as_ref()?);
    // One size that is unknown (`None`) makes the sum unknown.
    entries.iter().filter(|entry| !cache.has_object(entry.md5)).map(|entry| remote_cache.object_size(entry.md5)).sum()
}

/// About how many bytes of a data version the cache lacks: a directory remote shows the sizes of files; of any other
/// only the whole is known, from `dvc.lock`. `u64::MAX` if neither is known.
fn missing_bytes(settings: &DvcSettings, cache: &Cache, to: &FileList, dataset_record: &DatasetRecord) -> u64 {
    if let Some(bytes) = missing_bytes_on_remote(settings, cache, to.entries()) {
        return bytes;
    }
    let cached_bytes: u64 = to.entries().iter().filter_map(|entry| cache.object_size(entry.md5)).sum();
    match dataset_record.size.map_or(u64::MAX, |size| size.saturating_sub(cached_bytes)) {
        // Files are missing although the recorded size is reached: it is wrong.
        0 if !to.entries().iter().all(|entry| cache.has_object(entry.md5)) => u64::MAX,
        bytes => bytes,
    }
}

/// The size of what is missing, which can be unknown (`u64::MAX`).
#[must_use]
pub fn format_missing(bytes: u64) -> String {
    if bytes == u64::MAX { "an unknown size".into() } else { format_bytes(bytes) }
}
