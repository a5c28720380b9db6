//! The dataset through history: which commit introduced which runs, and which data version holds them.
//!
//! Read from commits and DVC's `.dir` objects, not from tags, so a run is found even if its tag is lost or a server
//! squashed its commit. If a `.dir` object is not in this clone, the commit's trailers are used instead, and
//! [`DatasetCommit::partial`] is set. Nothing is fetched. The cost is one tree look-up per commit; each distinct
//! `.dir` is read once, and parsed only if it differs from its parent's.

pub mod catalog;
pub mod changes;
pub mod committed;
pub mod compare;
pub mod fetched_lists;
pub mod foreign;
pub mod hashed_runs;
pub mod introduced;
pub mod listed_runs;
pub mod loss;
pub mod named_schema;
pub mod origin;
pub mod rebuilt;
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

pub use tags::{RunTag, VersionTag};
pub use trailers::{AllRunsTrailer, RunTrailers, parse_all_trailers, parse_trailers, tag_message};

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::dataset::diff::RunDiff;
use crate::dataset::file_lists::{FileListCache, VersionDiff};
use crate::dvc::cache::Cache;
use crate::dvc::file_list::FileEntry;
use crate::dvc::hash::DataVersion;
use crate::git::{Commit, CommitRange, Oid};
use crate::history;
use crate::project::{DatasetRecord, GitTree, Project, ProjectError, state};
use crate::run::RunKey;

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
    /// The indexes in `tags` of each run's tags, lowest version first.
    tags_by_run: HashMap<RunKey, Vec<usize>>,
    /// Runs that no change is known to have introduced, and that data versions at the edge of what is known hold.
    unattributed_runs: BTreeSet<RunKey>,
    file_lists: RefCell<FileListCache>,
}

impl History {
    /// A run's files in a data version, empty if it does not hold the run; `None` if this clone does not have the
    /// version's file list, or it is damaged.
    #[must_use]
    pub fn run_entries(&self, version: DataVersion, run: &RunKey) -> Option<Vec<FileEntry>> {
        self.file_lists.borrow_mut().run_entries(version, run)
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
        self.tags.iter().filter(|tag| tag.tag.commit.as_ref() == Some(commit)).collect()
    }

    /// The tag that stands for all runs of a commit, if there is one.
    #[must_use]
    pub fn version_tag_at(&self, commit: &Oid) -> Option<&VersionTag> {
        self.version_tags.iter().find(|tag| tag.tag.commit.as_ref() == Some(commit))
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
    let tips = project.repo.ref_tips()?;
    load_history_in(project, &CommitRange { include: tips, ..CommitRange::default() })
}

/// The dataset's history in a range of commits; what is another project's, merged in, is left out.
pub fn load_history_in(project: &Project, range: &CommitRange) -> Result<History, ProjectError> {
    let mut commits = project.repo.walk_commits(range)?;
    let lockfile = project.git_path(crate::dvc::lockfile::FILE);
    // At once: a partial clone would fetch each of these files when it is read below.
    project.repo.fetch_files(&commits, std::slice::from_ref(&lockfile))?;
    let foreign = foreign::find_foreign_commits(project, &commits)?;
    commits.retain(|id| !foreign.contains(id));
    let mut entries: HashMap<Oid, Option<Oid>> = HashMap::with_capacity(commits.len());
    let mut entry = |id: &Oid| -> Result<Option<Oid>, ProjectError> {
        if let Some(known) = entries.get(id) {
            return Ok(known.clone());
        }
        let found = project.repo.entry_at(id, &lockfile)?.map(|entry| entry.id);
        entries.insert(id.clone(), found.clone());
        Ok(found)
    };
    let mut drafts = Vec::new();
    for id in &commits {
        let Some(blob) = entry(id)? else { continue };
        let commit = project.repo.read_commit(id)?;
        // Object ids are compared before any lock is parsed: most commits do not change it.
        let mut same = false;
        for parent in &commit.parents {
            // A shallow clone does not have the parents of its last commits, nor a partial one their trees.
            same |= state::knows_lockfile(project, parent) && entry(parent)?.as_ref() == Some(&blob);
        }
        if same {
            continue;
        }
        let Some(record) = read_readable_record(project, id)? else { continue };
        let mut parents = Vec::new();
        for parent in &commit.parents {
            if state::knows_lockfile(project, parent) {
                parents.push(read_readable_record(project, parent)?);
            }
        }
        // A lock may differ in what is not about the data, such as the text of the command.
        let unchanged = |p: &Option<DatasetRecord>| {
            p.as_ref().is_some_and(|p| p.version == record.version && p.run_dir == record.run_dir)
        };
        if !parents.iter().any(unchanged) {
            drafts.push((commit, record, parents));
        }
    }
    let head = project.repo.head()?;
    let on_head: HashSet<Oid> = match head {
        Some(head) => project
            .repo
            .walk_commits(&CommitRange { include: vec![head], ..CommitRange::default() })?
            .into_iter()
            .collect(),
        None => HashSet::new(),
    };
    let cache = project.open_cache()?;
    let diffs = diff_drafts(&cache, &drafts);
    let (mut unattributed_runs, mut left_out) = (BTreeSet::new(), BTreeMap::new());
    let dataset_commits: Vec<DatasetCommit> = drafts
        .into_iter()
        .zip(diffs)
        .map(|((commit, record, _), found)| {
            let on_head = on_head.contains(&commit.id);
            unattributed_runs.extend(found.unattributed_runs);
            left_out.extend(found.left_out.map(|why| (record.version, why)));
            let (partial, diff) = match found.diff {
                Some(diff) => (false, diff),
                None => (true, diff_from_trailers(&commit, &record)),
            };
            let (introduced, removed) = (diff.introduced.into_iter().collect(), diff.removed.into_iter().collect());
            DatasetCommit { commit, record, introduced, removed, partial, on_head }
        })
        .collect();
    let file_lists = RefCell::new(FileListCache::new(cache));
    let mut tags = tags::run_tags(project)?;
    tags.retain(|tag| tag.tag.commit.as_ref().is_none_or(|commit| !foreign.contains(commit)));
    let mut version_tags = tags::version_tags(project)?;
    version_tags.retain(|tag| tag.tag.commit.as_ref().is_none_or(|commit| !foreign.contains(commit)));
    let (latest_by_run, tags_by_run) = (index_latest(&dataset_commits), index_tags(&tags));
    Ok(History {
        dataset_commits,
        tags,
        version_tags,
        left_out,
        latest_by_run,
        tags_by_run,
        unattributed_runs,
        file_lists,
    })
}

/// What a commit's `dvc.lock` says; one that cannot be understood says nothing here (`check` reports it).
pub(crate) fn read_readable_record(project: &Project, commit: &Oid) -> Result<Option<DatasetRecord>, ProjectError> {
    match project.dataset_record(&GitTree::Commit(commit.clone())) {
        Err(ProjectError::Lockfile(_)) => Ok(None),
        other => other,
    }
}

/// The index of the newest commit that introduced each run.
fn index_latest(commits: &[DatasetCommit]) -> HashMap<RunKey, usize> {
    let mut latest = HashMap::new();
    for (at, commit) in commits.iter().enumerate() {
        for run in &commit.introduced {
            // Commits are sorted newest first, so the first one that is seen stays.
            latest.entry(run.clone()).or_insert(at);
        }
    }
    latest
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

/// What each change introduced over its parents; worked out by several threads, each on a stretch of history.
fn diff_drafts(cache: &Cache, drafts: &[CommitDraft]) -> Vec<VersionDiff> {
    // One thread if the system does not say how many can run.
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    // At least 1: `chunks` panics at 0, the length without commits.
    let part_length = drafts.len().div_ceil(threads).max(1);
    let diff_part = |drafts: &[CommitDraft]| {
        // One for each thread: commits in a row share their lists, so threads need not share a lock.
        let mut file_lists = FileListCache::new(cache.clone());
        let old_versions =
            |parents: &[Option<DatasetRecord>]| parents.iter().flatten().map(|p| p.version).collect::<Vec<_>>();
        let found =
            drafts.iter().map(|(_, record, parents)| file_lists.diff_against(record.version, old_versions(parents)));
        found.collect::<Vec<_>>()
    };
    std::thread::scope(|scope| {
        let diff_part = &diff_part;
        let workers: Vec<_> = drafts.chunks(part_length).map(|part| scope.spawn(move || diff_part(part))).collect();
        // A thread that panicked has no result: its stretch counts as not known.
        let parts = workers.into_iter().zip(drafts.chunks(part_length));
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
    RunDiff { introduced: trailers.map(|run_trailers| run_trailers.run).collect(), ..RunDiff::default() }
}
