//! The dataset through history: which commit brought which runs, and which data version holds them.
//!
//! Read from commits and DVC's `.dir` objects, not from tags: a run is found where its tag was lost, or a server squashed
//! the commit that brought it. Where a `.dir` object is not in this clone, the commit's own trailers are believed instead,
//! and [`Change::partial`] says so. Nothing is fetched. Cost: a tree look-up a commit, and each distinct `.dir` read once,
//! but only where it differs from its parent's is it parsed.

pub mod catalog;
pub mod check;
pub mod compare;
pub mod escape;
pub mod foreign;
pub mod introduced;
pub mod loss;
pub mod rebuilt;
pub mod status;
pub mod status_pushed;
pub mod status_workspace;
pub mod summary;
pub mod tag_names;
pub mod trailers;

pub use tag_names::{TAG_PREFIX, TagName, is_tag_of, parse_tag, tag_name};
pub use trailers::{Record, is_trailer, parse, tag_message};

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::commit::tags::RunTag;
use crate::dataset::diff::Delta;
use crate::dataset::file_lists::{Found, Lists};
use crate::dvc::cache::Cache;
use crate::dvc::file_list::Entry;
use crate::dvc::hash::DataVersion;
use crate::git::{Commit, Oid, Range};
use crate::history;
use crate::project::{Locked, Project, ProjectError, Source};
use crate::run::RunKey;

/// A commit that changed what `dvc.lock` says about the dataset.
#[derive(Debug, Clone)]
pub struct Change {
    /// The commit.
    pub commit: Commit,
    /// What its `dvc.lock` says.
    pub locked: Locked,
    /// The runs whose files no parent's data version holds so, sorted.
    pub brought: Vec<RunKey>,
    /// The runs of a parent's data version that are not there any more, sorted.
    pub gone: Vec<RunKey>,
    /// A `.dir` object that was needed is not in this clone: `brought` is what the trailers say, and may not be all.
    pub partial: bool,
    /// Whether HEAD holds it.
    pub on_head: bool,
}

/// The dataset's changes.
#[derive(Debug)]
pub struct History {
    /// Newest first: a commit before its parents.
    pub changes: Vec<Change>,
    /// How many commits were looked at.
    pub commits: usize,
    /// Run tags, by name.
    pub tags: Vec<RunTag>,
    /// Data versions whose lists are here and cannot be looked through, and why not.
    pub left_out: BTreeMap<DataVersion, String>,
    /// Where in `changes` each run was brought last.
    newest: HashMap<RunKey, usize>,
    /// Where in `tags` the tags of each run are, lowest version first.
    tags_by_run: HashMap<RunKey, Vec<usize>>,
    /// Runs that no change is known to have brought, and that data versions at the edge of what is known hold.
    held: BTreeSet<RunKey>,
    lists: RefCell<Lists>,
}

impl History {
    /// A run's files in a data version, empty where it does not hold the run; `None` where this clone does not have the
    /// version's list of files, or it is damaged.
    #[must_use]
    pub fn entries(&self, version: DataVersion, run: &RunKey) -> Option<Vec<Entry>> {
        self.lists.borrow_mut().entries(version, run)
    }

    /// Whether a data version holds a run; `None` where this clone cannot tell.
    #[must_use]
    pub fn holds(&self, version: DataVersion, run: &RunKey) -> Option<bool> {
        self.entries(version, run).map(|entries| !entries.is_empty())
    }

    /// Whether two data versions hold the same files of a run, some at least; false where this clone cannot tell.
    #[must_use]
    pub fn same(&self, a: DataVersion, b: DataVersion, run: &RunKey) -> bool {
        if a == b {
            return true;
        }
        let entries = self.entries(a, run);
        entries.as_ref().is_some_and(|entries| !entries.is_empty()) && entries == self.entries(b, run)
    }

    /// The tags of a run, lowest version first.
    #[must_use]
    pub fn tags_of(&self, run: &RunKey) -> Vec<&RunTag> {
        let places = self.tags_by_run.get(run).into_iter().flatten();
        places.filter_map(|at| self.tags.get(*at)).collect()
    }

    /// The tags of a commit's runs.
    #[must_use]
    pub fn tags_at(&self, commit: &Oid) -> Vec<&RunTag> {
        self.tags.iter().filter(|tag| tag.tag.commit.as_ref() == Some(commit)).collect()
    }

    /// The newest change that brought a run.
    #[must_use]
    pub fn newest(&self, run: &RunKey) -> Option<&Change> {
        self.changes.get(*self.newest.get(run)?)
    }

    /// Every run that history knows, each with the newest change that brought it. A run that only data versions of
    /// merges or only tags name has none.
    #[must_use]
    pub fn all_runs(&self) -> BTreeMap<RunKey, Option<&Change>> {
        let mut out: BTreeMap<RunKey, Option<&Change>> = BTreeMap::new();
        out.extend(self.newest.iter().map(|(run, at)| (run.clone(), self.changes.get(*at))));
        for run in self.held.iter().chain(self.tags_by_run.keys()) {
            out.entry(run.clone()).or_insert(None);
        }
        out
    }
}

impl Project {
    /// The dataset's history: all that HEAD, branches, remote branches and tags reach.
    pub fn history(&self) -> Result<History, ProjectError> {
        let tips = self.repo.tips()?;
        self.history_of(&Range { include: tips, ..Range::default() })
    }

    /// The dataset's history in a range of commits; what is another project's, merged in, is left out.
    pub fn history_of(&self, range: &Range) -> Result<History, ProjectError> {
        let mut commits = self.repo.walk(range)?;
        let lock = self.git_path(crate::dvc::lockfile::FILE);
        self.repo.bring_files(&commits, std::slice::from_ref(&lock))?;
        let foreign = self.foreign(&commits)?;
        commits.retain(|id| !foreign.contains(id));
        let mut entries: HashMap<Oid, Option<Oid>> = HashMap::with_capacity(commits.len());
        let mut entry = |id: &Oid| -> Result<Option<Oid>, ProjectError> {
            if let Some(known) = entries.get(id) {
                return Ok(known.clone());
            }
            let found = self.repo.entry_at(id, &lock)?.map(|entry| entry.id);
            entries.insert(id.clone(), found.clone());
            Ok(found)
        };
        let mut drafts = Vec::new();
        for id in &commits {
            let Some(blob) = entry(id)? else { continue };
            let commit = self.repo.commit(id)?;
            let mut same = false;
            for parent in &commit.parents {
                // A shallow clone does not have the parents of its last commits, nor a partial one their trees.
                same |= self.knows(parent) && entry(parent)?.as_ref() == Some(&blob);
            }
            if same {
                continue;
            }
            let Some(locked) = self.lenient(id)? else { continue };
            let mut parents = Vec::new();
            for parent in &commit.parents {
                if self.knows(parent) {
                    parents.push(self.lenient(parent)?);
                }
            }
            let unchanged = |p: &Option<Locked>| {
                p.as_ref().is_some_and(|p| p.version == locked.version && p.run_dir == locked.run_dir)
            };
            if !parents.iter().any(unchanged) {
                drafts.push((commit, locked, parents));
            }
        }
        let head = self.repo.head()?;
        let on_head: HashSet<Oid> = match head {
            Some(head) => self.repo.walk(&Range { include: vec![head], ..Range::default() })?.into_iter().collect(),
            None => HashSet::new(),
        };
        let cache = self.cache()?;
        let deltas = deltas(&cache, &drafts);
        let (mut held, mut left_out) = (BTreeSet::new(), BTreeMap::new());
        let changes: Vec<Change> = drafts
            .into_iter()
            .zip(deltas)
            .map(|((commit, locked, _), found)| {
                let on_head = on_head.contains(&commit.id);
                held.extend(found.held);
                left_out.extend(found.left_out.map(|why| (locked.version, why)));
                let (partial, delta) = match found.delta {
                    Some(delta) => (false, delta),
                    None => (true, from_trailers(&commit, &locked)),
                };
                let (brought, gone) = (delta.brought.into_iter().collect(), delta.gone.into_iter().collect());
                Change { commit, locked, brought, gone, partial, on_head }
            })
            .collect();
        let lists = RefCell::new(Lists::new(cache));
        let mut tags = self.run_tags()?;
        tags.retain(|tag| tag.tag.commit.as_ref().is_none_or(|commit| !foreign.contains(commit)));
        let (newest, tags_by_run) = (newest(&changes), by_run(&tags));
        Ok(History { changes, commits: commits.len(), tags, left_out, newest, tags_by_run, held, lists })
    }

    /// What a commit's `dvc.lock` says; one that cannot be understood says nothing here (`check` reports it).
    pub(crate) fn lenient(&self, commit: &Oid) -> Result<Option<Locked>, ProjectError> {
        match self.locked(&Source::Commit(commit.clone())) {
            Err(ProjectError::Lock(_)) => Ok(None),
            other => other,
        }
    }
}

/// Where each run was brought last.
fn newest(changes: &[Change]) -> HashMap<RunKey, usize> {
    let mut newest = HashMap::new();
    for (at, change) in changes.iter().enumerate() {
        for run in &change.brought {
            newest.entry(run.clone()).or_insert(at);
        }
    }
    newest
}

/// Where the tags of each run are, lowest version first.
fn by_run(tags: &[RunTag]) -> HashMap<RunKey, Vec<usize>> {
    let mut order: Vec<(usize, &RunTag)> = tags.iter().enumerate().collect();
    order.sort_by_key(|(_, tag)| tag.name.version);
    let mut by_run: HashMap<RunKey, Vec<usize>> = HashMap::new();
    for (at, tag) in order {
        by_run.entry(tag.name.run.clone()).or_default().push(at);
    }
    by_run
}

/// A change that is being looked at: the commit, its data version, its parents' data versions.
type Draft = (Commit, Locked, Vec<Option<Locked>>);

/// What each change brought over its parents; worked out by several threads, each on a stretch of history.
fn deltas(cache: &Cache, drafts: &[Draft]) -> Vec<Found> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let stretch = drafts.len().div_ceil(threads).max(1);
    let look = |drafts: &[Draft]| {
        let mut lists = Lists::new(cache.clone());
        let olds = |parents: &[Option<Locked>]| parents.iter().flatten().map(|p| p.version).collect::<Vec<_>>();
        let found = drafts.iter().map(|(_, locked, parents)| lists.change(locked.version, olds(parents)));
        found.collect::<Vec<_>>()
    };
    std::thread::scope(|scope| {
        let look = &look;
        let workers: Vec<_> = drafts.chunks(stretch).map(|part| scope.spawn(move || look(part))).collect();
        // A thread that panicked says nothing: its stretch counts as not known.
        let parts = workers.into_iter().zip(drafts.chunks(stretch));
        parts.flat_map(|(worker, part)| worker.join().unwrap_or_else(|_| unknown(part.len()))).collect()
    })
}

fn unknown(n: usize) -> Vec<Found> {
    (0..n).map(|_| Found::default()).collect()
}

/// What a commit says of itself, where its lists of files are not here.
fn from_trailers(commit: &Commit, locked: &Locked) -> Delta {
    let records = history::parse(&commit.message).into_iter().filter(|record| record.data == locked.version);
    Delta { brought: records.map(|record| record.run).collect(), ..Delta::default() }
}
