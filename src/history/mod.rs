//! The dataset through history: which commit introduced which runs, and which data version holds them.
//!
//! Read from commits and DVC's `.dir` objects, not from tags, so a run is found even if its tag is lost or a server
//! squashed its commit. If a `.dir` object is not in this clone, the commit's trailers are used instead, and
//! [`DatasetCommit::partial`] is set. Nothing is fetched. The cost is one tree look-up per commit; each distinct
//! `.dir` is read once, and parsed only if it differs from its parent's.

pub mod catalog;
pub mod changes;
pub mod commit_facts;
mod commit_reader;
pub mod committed;
pub mod compare;
pub mod erased;
pub mod fetched_lists;
pub mod file_facts;
pub mod foreign;
pub mod hashed_runs;
mod history_notes;
pub mod index_facts;
pub mod introduced;
pub mod listed_runs;
pub mod logged_runs;
pub mod loss;
pub mod named_schema;
pub mod needed;
pub mod new_runs;
pub mod origin;
pub mod rebuilt;
pub mod removal;
pub mod removed;
pub mod run_fields;
pub mod run_files;
pub mod run_filter;
pub mod run_groups;
pub mod run_records;
pub mod stores;
pub mod summary;
pub mod tags;
pub mod trailers;
pub mod unlisted;

pub use tags::{RunTag, VersionTag};
pub use trailers::{AllRunsTrailer, RunTrailers, parse_all_trailers, parse_trailers, tag_message};

use std::cell::RefCell;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::dataset::diff::RunDiff;
use crate::dataset::file_lists::{FileListCache, VersionDiff};
use crate::dvc::cache::Cache;
use crate::dvc::file_list::FileEntry;
use crate::dvc::hash::DataVersion;
use crate::git::{Commit, CommitRange, ListedRef, Oid, REF_PREFIXES};
use crate::history;
use crate::history::commit_reader::CommitReader;
use crate::history::history_notes::{HistoryNotes, ListStamps};
use crate::history::removal::MergedVersions;
use crate::history::tags::VERSION_TAG_PREFIX;
use crate::project::{DatasetRecord, GitTree, Project, ProjectError};
use crate::run::RunKey;
use crate::run::tag_names::TAG_PREFIX;
use crate::support::notes::NoteKey;

/// Whether a line of a message is one of our trailers, well formed.
#[must_use]
pub fn is_trailer(line: &str) -> bool {
    trailers::is_run_trailer(line) || removed::is_removed_trailer(line)
}

/// A commit that changed what `dvc.lock` says about the dataset.
#[derive(Debug, Clone)]
pub struct DatasetCommit {
    /// The commit.
    pub commit: Commit,
    /// What its `dvc.lock` says.
    pub record: DatasetRecord,
    /// The runs whose files no parent's data version holds so, sorted.
    pub introduced: Vec<RunKey>,
    /// The runs of a parent's data version that do not exist any more, sorted.
    pub removed: Vec<RunKey>,
    /// A `.dir` object that was needed is not in this clone: `introduced` is taken from the trailers, and may not be
    /// all.
    pub partial: bool,
    /// Whether HEAD holds it.
    pub on_head: bool,
    /// How much larger its data version is than that of its only parent, as `dvc.lock` has the sizes; `None` if that is
    /// not known, or not the case.
    pub added_bytes: Option<u64>,
}

/// The dataset's changes.
#[derive(Debug)]
pub struct History {
    /// Newest first: a commit before its parents.
    pub dataset_commits: Vec<DatasetCommit>,
    /// Run tags, by name.
    pub tags: Vec<RunTag>,
    /// Tags that stand for all runs of a commit, by name.
    pub version_tags: Vec<VersionTag>,
    /// Data versions whose lists are here and cannot be looked through, and why not.
    pub left_out: BTreeMap<DataVersion, String>,
    /// The index in `dataset_commits` of the newest one that introduced each run.
    latest_by_run: HashMap<RunKey, usize>,
    /// Runs that several of `dataset_commits` introduced.
    introduced_again: BTreeSet<RunKey>,
    /// The index in `dataset_commits` of the newest one of HEAD that removed each run.
    removal_by_run: HashMap<RunKey, usize>,
    /// The data versions of the parents of merges that lack a run of one of them, by their index in `dataset_commits`.
    merged_versions: MergedVersions,
    /// HEAD's data version.
    head_version: Option<DataVersion>,
    /// The indexes in `tags` of each run's tags, lowest version first.
    tags_by_run: HashMap<RunKey, Vec<usize>>,
    /// The indexes in `tags` of the tags of each commit, by name.
    tags_by_commit: HashMap<Oid, Vec<usize>>,
    /// The index in `version_tags` of each commit's first one.
    version_tag_by_commit: HashMap<Oid, usize>,
    /// Runs that no change is known to have introduced, and that data versions at the edge of what is known hold.
    unattributed_runs: BTreeSet<RunKey>,
    file_lists: RefCell<FileListCache>,
    notes: Option<HistoryNotes>,
    list_stamps: RefCell<ListStamps>,
    /// How often runs of each data version were asked for.
    asked: RefCell<HashMap<DataVersion, u32>>,
}

impl History {
    /// A run's files in a data version, empty if it does not hold the run; `None` if this clone does not have the
    /// version's file list, or it is damaged.
    #[must_use]
    pub fn run_entries(&self, version: DataVersion, run: &RunKey) -> Option<Vec<FileEntry>> {
        /// So many runs of a data version are noted; who asks for more is better served by all of its list.
        const MOST_NOTED: u32 = 64;
        let mut file_lists = self.file_lists.borrow_mut();
        let mut asked = self.asked.borrow_mut();
        let asked = asked.entry(version).or_default();
        *asked = asked.saturating_add(1);
        let noted = self.notes.as_ref().filter(|_| *asked <= MOST_NOTED).and_then(|notes| {
            let stamp = self.list_stamps.borrow_mut().get_or_read(version, || file_lists.list_path(version))?;
            Some((notes, stamp))
        });
        let Some((notes, stamp)) = noted else { return file_lists.run_entries(version, run) };
        if let Some(entries) = notes.find_entries(version, &stamp, run) {
            return Some(entries);
        }
        let entries = file_lists.run_entries(version, run)?;
        notes.note_entries(version, &stamp, run, &entries);
        Some(entries)
    }

    /// Writes down which files of runs were asked for, so that their lists need not be opened the next time.
    pub fn save_notes(&self) {
        if let Some(notes) = &self.notes {
            notes.save();
        }
    }

    /// Whether a data version holds a run; `None` if this clone does not know.
    #[must_use]
    pub fn holds_run(&self, version: DataVersion, run: &RunKey) -> Option<bool> {
        self.run_entries(version, run).map(|entries| !entries.is_empty())
    }

    /// Whether two data versions hold the same files of a run, at least one; false if this clone does not know.
    #[must_use]
    pub fn has_same_files(&self, a: DataVersion, b: DataVersion, run: &RunKey) -> bool {
        if a == b {
            return true;
        }
        let entries = self.run_entries(a, run);
        entries.as_ref().is_some_and(|entries| !entries.is_empty()) && entries == self.run_entries(b, run)
    }

    /// The tags of a run, lowest version first.
    #[must_use]
    pub fn tags_of(&self, run: &RunKey) -> Vec<&RunTag> {
        let indexes = self.tags_by_run.get(run).into_iter().flatten();
        indexes.filter_map(|at| self.tags.get(*at)).collect()
    }

    /// The tags of a commit's runs.
    #[must_use]
    pub fn tags_at(&self, commit: &Oid) -> Vec<&RunTag> {
        let indexes = self.tags_by_commit.get(commit).into_iter().flatten();
        indexes.filter_map(|at| self.tags.get(*at)).collect()
    }

    /// The tag that stands for all runs of a commit, if there is one.
    #[must_use]
    pub fn version_tag_at(&self, commit: &Oid) -> Option<&VersionTag> {
        self.version_tags.get(*self.version_tag_by_commit.get(commit)?)
    }

    /// The newest change that introduced a run.
    #[must_use]
    pub fn latest_commit(&self, run: &RunKey) -> Option<&DatasetCommit> {
        self.dataset_commits.get(*self.latest_by_run.get(run)?)
    }

    /// Every run that history knows, each with the newest change that introduced it. A run that only data versions of
    /// merges or only tags name has no such change.
    #[must_use]
    pub fn all_runs(&self) -> BTreeMap<RunKey, Option<&DatasetCommit>> {
        let mut out: BTreeMap<RunKey, Option<&DatasetCommit>> = BTreeMap::new();
        out.extend(self.latest_by_run.iter().map(|(run, at)| (run.clone(), self.dataset_commits.get(*at))));
        for run in self.unattributed_runs.iter().chain(self.tags_by_run.keys()) {
            out.entry(run.clone()).or_insert(None);
        }
        out
    }
}

/// The dataset's history: all that HEAD, branches, remote branches and tags reach.
pub fn load_history(project: &Project) -> Result<History, ProjectError> {
    let reader = CommitReader::with_notes(project);
    let refs = project.repo.list_refs(&REF_PREFIXES)?;
    let commits = reader.walk(&reader.find_tips(&refs)?)?;
    read_history(reader, commits, &refs)
}

/// The dataset's history in a range of commits; what is another project's, merged in, is left out.
pub fn load_history_in(project: &Project, range: &CommitRange) -> Result<History, ProjectError> {
    let reader = CommitReader::with_notes(project);
    let is_whole = range.exclude.is_empty() && range.exclude_refs.is_empty();
    let commits = if is_whole { reader.walk(&range.include)? } else { project.repo.walk_commits(range)? };
    let own_tags = [TAG_PREFIX, VERSION_TAG_PREFIX].map(|prefix| format!("refs/tags/{prefix}"));
    let refs = project.repo.list_refs(&own_tags.each_ref().map(String::as_str))?;
    read_history(reader, commits, &refs)
}

fn read_history(reader: CommitReader<'_>, mut commits: Vec<Oid>, refs: &[ListedRef]) -> Result<History, ProjectError> {
    let project = reader.project();
    let lockfile = project.git_path(crate::dvc::lockfile::FILE);
    // At once: a partial clone would fetch each of these files when it is read below.
    project.repo.fetch_files(&reader.list_unknown(&commits), std::slice::from_ref(&lockfile))?;
    let foreign = foreign::find_foreign(&reader, &commits)?;
    commits.retain(|id| !foreign.contains(id));
    let mut drafts = Vec::new();
    for id in &commits {
        drafts.extend(draft_commit(&reader, id)?);
    }
    let head = project.repo.head()?;
    let head_lockfile = match &head {
        Some(head) => reader.lockfile_of(head)?.flatten(),
        None => None,
    };
    let head_record = head_lockfile.map(|lockfile| reader.record_of(&lockfile)).transpose()?.flatten();
    let head_version = head_record.map(|record| record.version);
    let on_head = reader.ancestors_of(head)?;
    let cache = project.open_cache()?;
    let diffs = diff_drafts(&cache, &drafts, reader.notes());
    let (mut unattributed_runs, mut left_out) = (BTreeSet::new(), BTreeMap::new());
    let mut merged_versions = MergedVersions::new();
    let dataset_commits: Vec<DatasetCommit> = drafts
        .into_iter()
        .zip(diffs)
        .enumerate()
        .map(|(at, ((commit, record, parents), found))| {
            let on_head = on_head.contains(&commit.id);
            unattributed_runs.extend(found.unattributed_runs);
            left_out.extend(found.left_out.map(|why| (record.version, why)));
            let (partial, diff) = match found.diff {
                Some(diff) => (false, diff),
                None => (true, diff_from_trailers(&commit, &record)),
            };
            if parents.len() > 1 && !diff.removed.is_empty() {
                merged_versions.insert(at, parents.iter().flatten().map(|parent| parent.version).collect());
            }
            let (introduced, removed) = (diff.introduced.into_iter().collect(), diff.removed.into_iter().collect());
            let added_bytes = added_bytes(&commit, &record, &parents);
            DatasetCommit { commit, record, introduced, removed, partial, on_head, added_bytes }
        })
        .collect();
    let file_lists = RefCell::new(FileListCache::new(cache));
    let mut tags = tags::run_tags_among(project, reader.read_own_tags(refs, TAG_PREFIX)?)?;
    tags.retain(|tag| tag.tag.commit.as_ref().is_none_or(|commit| !foreign.contains(commit)));
    let mut version_tags = tags::version_tags_among(project, reader.read_own_tags(refs, VERSION_TAG_PREFIX)?)?;
    version_tags.retain(|tag| tag.tag.commit.as_ref().is_none_or(|commit| !foreign.contains(commit)));
    let notes = reader.into_notes();
    let ((latest_by_run, introduced_again), tags_by_run) = (index_latest(&dataset_commits), index_tags(&tags));
    let mut tags_by_commit: HashMap<Oid, Vec<usize>> = HashMap::new();
    for (at, commit) in tags.iter().enumerate().filter_map(|(at, tag)| Some((at, tag.tag.commit.as_ref()?))) {
        tags_by_commit.entry(commit.clone()).or_default().push(at);
    }
    let mut version_tag_by_commit = HashMap::new();
    for (at, commit) in version_tags.iter().enumerate().filter_map(|(at, tag)| Some((at, tag.tag.commit.as_ref()?))) {
        version_tag_by_commit.entry(commit.clone()).or_insert(at);
    }
    let mut history = History {
        dataset_commits,
        tags,
        version_tags,
        left_out,
        latest_by_run,
        introduced_again,
        removal_by_run: HashMap::new(),
        merged_versions,
        head_version,
        tags_by_run,
        tags_by_commit,
        version_tag_by_commit,
        unattributed_runs,
        file_lists,
        notes,
        list_stamps: RefCell::default(),
        asked: RefCell::default(),
    };
    history.removal_by_run = history.index_removals();
    Ok(history)
}

/// A commit with its data version and its parents' data versions, if it changed what `dvc.lock` says about the dataset.
fn draft_commit(reader: &CommitReader<'_>, id: &Oid) -> Result<Option<CommitDraft>, ProjectError> {
    let project = reader.project();
    let lockfile = match reader.lockfile_of(id)? {
        Some(lockfile) => lockfile,
        // What this clone does not know is an error here: the commit is one of its own.
        None => project.repo.entry_at(id, &project.git_path(crate::dvc::lockfile::FILE))?,
    };
    let Some(lockfile) = lockfile else { return Ok(None) };
    // A shallow clone does not have the parents of its last commits, nor a partial one their trees.
    let mut parent_lockfiles = Vec::new();
    for parent in reader.parents_of(id)?.iter() {
        parent_lockfiles.extend(reader.lockfile_of(parent)?);
    }
    // Object ids are compared before any lock is parsed: most commits do not change it.
    if parent_lockfiles.iter().flatten().any(|parent| parent.id == lockfile.id) {
        return Ok(None);
    }
    let Some(record) = reader.record_of(&lockfile)? else { return Ok(None) };
    let mut parents = Vec::new();
    for parent in &parent_lockfiles {
        parents.push(match parent {
            Some(parent) => reader.record_of(parent)?,
            None => None,
        });
    }
    // A lock may differ in what is not about the data, such as the text of the command.
    let unchanged = |p: &Option<DatasetRecord>| {
        p.as_ref().is_some_and(|p| p.version == record.version && p.run_dir == record.run_dir)
    };
    if parents.iter().any(unchanged) {
        return Ok(None);
    }
    Ok(Some((reader.read_commit(id)?, record, parents)))
}

/// How much larger a data version is than its commit's only parent's.
fn added_bytes(commit: &Commit, record: &DatasetRecord, parents: &[Option<DatasetRecord>]) -> Option<u64> {
    let size = record.size?;
    match (commit.parents.as_slice(), parents) {
        ([], []) => Some(size),
        // What a shallow clone does not know of the parent is not zero.
        ([_], [None]) => Some(size),
        ([_], [Some(parent)]) => size.checked_sub(parent.size?),
        _ => None,
    }
}

/// What a commit's `dvc.lock` says; one that cannot be understood says nothing here (`check` reports it).
pub(crate) fn read_readable_record(project: &Project, commit: &Oid) -> Result<Option<DatasetRecord>, ProjectError> {
    match project.dataset_record(&GitTree::Commit(commit.clone())) {
        Err(ProjectError::Lockfile(_)) => Ok(None),
        other => other,
    }
}

/// The index of the newest commit that introduced each run, and the runs that several introduced.
fn index_latest(commits: &[DatasetCommit]) -> (HashMap<RunKey, usize>, BTreeSet<RunKey>) {
    let (mut latest, mut again) = (HashMap::new(), BTreeSet::new());
    for (at, commit) in commits.iter().enumerate() {
        for run in &commit.introduced {
            match latest.entry(run.clone()) {
                // Commits are sorted newest first, so the first one that is seen stays.
                Entry::Occupied(_) => _ = again.insert(run.clone()),
                Entry::Vacant(place) => _ = place.insert(at),
            }
        }
    }
    (latest, again)
}

/// The indexes of each run's tags, lowest version first.
fn index_tags(tags: &[RunTag]) -> HashMap<RunKey, Vec<usize>> {
    let mut order: Vec<(usize, &RunTag)> = tags.iter().enumerate().collect();
    order.sort_by_key(|(_, tag)| tag.name.version);
    let mut by_run: HashMap<RunKey, Vec<usize>> = HashMap::new();
    for (at, tag) in order {
        by_run.entry(tag.name.run.clone()).or_default().push(at);
    }
    by_run
}

/// A change that is being looked at: the commit, its data version, its parents' data versions.
type CommitDraft = (Commit, DatasetRecord, Vec<Option<DatasetRecord>>);

/// What each change introduced over its parents. What is not noted is worked out by several threads, each on a stretch of
/// history.
fn diff_drafts(cache: &Cache, drafts: &[CommitDraft], notes: Option<&HistoryNotes>) -> Vec<VersionDiff> {
    let versions: Vec<(DataVersion, Vec<DataVersion>)> = drafts
        .iter()
        .map(|(_, record, parents)| (record.version, parents.iter().flatten().map(|p| p.version).collect()))
        .collect();
    let Some(notes) = notes else { return diff_versions(cache, &versions) };
    let all_versions = versions.iter().flat_map(|(new, old)| std::iter::once(new).chain(old)).copied();
    // Before the lists are read, so that a change in the meantime is noticed.
    let stamps = ListStamps::read(cache, all_versions);
    let keys: Vec<Option<NoteKey>> = versions.iter().map(|(new, old)| stamps.diff_key(*new, old)).collect();
    let noted: Vec<Option<RunDiff>> = keys.iter().map(|key| notes.find_diff(key.as_ref()?)).collect();
    let unknown: Vec<(DataVersion, Vec<DataVersion>)> =
        versions.into_iter().zip(&noted).filter(|(_, noted)| noted.is_none()).map(|(versions, _)| versions).collect();
    let mut found = diff_versions(cache, &unknown).into_iter();
    let diffs = keys.into_iter().zip(noted).map(|(key, noted)| {
        if let Some(diff) = noted {
            return VersionDiff { diff: Some(diff), ..VersionDiff::default() };
        }
        // As many were worked out as were not noted.
        let found = found.next().unwrap_or_default();
        if let Some(key) = key {
            notes.note_diff(key, &found);
        }
        found
    });
    diffs.collect()
}

fn diff_versions(cache: &Cache, versions: &[(DataVersion, Vec<DataVersion>)]) -> Vec<VersionDiff> {
    // One thread if the system does not say how many can run.
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    // At least 1: `chunks` panics at 0, the length without commits.
    let part_length = versions.len().div_ceil(threads).max(1);
    let diff_part = |part: &[(DataVersion, Vec<DataVersion>)]| {
        // One for each thread: commits in a row share their lists, so threads need not share a lock.
        let mut file_lists = FileListCache::new(cache.clone());
        part.iter().map(|(new, old)| file_lists.diff_against(*new, old.iter().copied())).collect::<Vec<_>>()
    };
    std::thread::scope(|scope| {
        let diff_part = &diff_part;
        let workers: Vec<_> = versions.chunks(part_length).map(|part| scope.spawn(move || diff_part(part))).collect();
        // A thread that panicked has no result: its stretch counts as not known.
        let parts = workers.into_iter().zip(versions.chunks(part_length));
        parts.flat_map(|(worker, part)| worker.join().unwrap_or_else(|_| unknown_diffs(part.len()))).collect()
    })
}

fn unknown_diffs(n: usize) -> Vec<VersionDiff> {
    (0..n).map(|_| VersionDiff::default()).collect()
}

/// The content of a commit's own trailers, for a commit whose file lists are not in this clone.
fn diff_from_trailers(commit: &Commit, record: &DatasetRecord) -> RunDiff {
    let trailers =
        history::parse_trailers(&commit.message).into_iter().filter(|run_trailers| run_trailers.data == record.version);
    let introduced = trailers.map(|run_trailers| run_trailers.run).collect();
    RunDiff { removed: removal::removed_in_message(commit, &introduced), introduced, ..RunDiff::default() }
}
