//! The dataset through history: which commit brought which runs, and which data version holds them.
//!
//! Read from commits and DVC's `.dir` objects, not from tags: a run is found where its tag was lost, or a server squashed
//! the commit that brought it. Where a `.dir` object is not in this clone, the commit's own trailers are believed instead,
//! and [`Change::partial`] says so. Nothing is fetched. Cost: a tree look-up a commit, and each distinct `.dir` once.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::tags::RunTag;
use super::{Locked, Project, ProjectError, Source};
use crate::dvc::cache::Cache;
use crate::dvc::version::DataVersion;
use crate::git::{Commit, Oid, Range};
use crate::provenance;
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
#[derive(Debug, Default)]
pub struct History {
    /// Newest first: a commit before its parents.
    pub changes: Vec<Change>,
    /// How many commits were looked at.
    pub commits: usize,
    /// Run tags, by name.
    pub tags: Vec<RunTag>,
    /// What each data version holds, where this clone knows.
    contents: HashMap<DataVersion, Contents>,
}

/// The runs of a data version, each with a mark of its files' names and bytes; sorted by run.
type Contents = Vec<(RunKey, u64)>;

impl History {
    /// The runs of a data version; `None` where this clone does not have its `.dir` object.
    #[must_use]
    pub fn runs(&self, version: DataVersion) -> Option<Vec<&RunKey>> {
        Some(self.contents.get(&version)?.iter().map(|(key, _)| key).collect())
    }

    /// A mark of a run's files in a data version: two are equal where the files are.
    #[must_use]
    pub fn mark(&self, version: DataVersion, run: &RunKey) -> Option<u64> {
        let contents = self.contents.get(&version)?;
        let at = contents.binary_search_by(|(key, _)| key.cmp(run)).ok()?;
        contents.get(at).map(|(_, mark)| *mark)
    }

    /// The tags of a run, lowest version first.
    #[must_use]
    pub fn tags_of(&self, run: &RunKey) -> Vec<&RunTag> {
        let mut tags: Vec<&RunTag> = self.tags.iter().filter(|tag| tag.name.run == *run).collect();
        tags.sort_by_key(|tag| tag.name.version);
        tags
    }

    /// The tags of a commit's runs.
    #[must_use]
    pub fn tags_at(&self, commit: &Oid) -> Vec<&RunTag> {
        self.tags.iter().filter(|tag| tag.tag.commit.as_ref() == Some(commit)).collect()
    }

    /// The newest change that brought a run.
    #[must_use]
    pub fn newest(&self, run: &RunKey) -> Option<&Change> {
        self.changes.iter().find(|change| change.brought.contains(run))
    }

    /// Every run that history knows, each with the newest change that brought it. A run that only data versions of
    /// merges or only tags name has none.
    #[must_use]
    pub fn all_runs(&self) -> BTreeMap<RunKey, Option<&Change>> {
        let mut out: BTreeMap<RunKey, Option<&Change>> = BTreeMap::new();
        for change in &self.changes {
            for run in &change.brought {
                out.entry(run.clone()).or_insert(None).get_or_insert(change);
            }
        }
        for (run, _) in self.contents.values().flatten() {
            if !out.contains_key(run) {
                out.insert(run.clone(), None);
            }
        }
        for tag in &self.tags {
            out.entry(tag.name.run.clone()).or_insert(None);
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

    /// The dataset's history in a range of commits.
    pub fn history_of(&self, range: &Range) -> Result<History, ProjectError> {
        let commits = self.repo.walk(range)?;
        let lock = self.git_path(crate::dvc::lock::FILE);
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
                // A shallow clone does not have the parents of its last commits.
                same |= self.repo.has_object(parent) && entry(parent)?.as_ref() == Some(&blob);
            }
            if same {
                continue;
            }
            let Some(locked) = self.lenient(id)? else { continue };
            let mut parents = Vec::new();
            for parent in &commit.parents {
                if self.repo.has_object(parent) {
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
        let versions: HashSet<DataVersion> = drafts
            .iter()
            .flat_map(|(_, locked, parents)| parents.iter().flatten().chain([locked]).map(|l| l.version))
            .collect();
        let contents = read_all(&self.cache()?, versions.into_iter().collect());
        let head = self.repo.head()?;
        let on_head: HashSet<Oid> = match head {
            Some(head) => self.repo.walk(&Range { include: vec![head], ..Range::default() })?.into_iter().collect(),
            None => HashSet::new(),
        };
        let changes = drafts
            .into_iter()
            .map(|(commit, locked, parents)| {
                let on_head = on_head.contains(&commit.id);
                change(commit, locked, &parents, &contents, on_head)
            })
            .collect();
        Ok(History { changes, commits: commits.len(), tags: self.run_tags()?, contents })
    }

    /// What a commit's `dvc.lock` says; one that cannot be understood says nothing here (`check` reports it).
    pub(super) fn lenient(&self, commit: &Oid) -> Result<Option<Locked>, ProjectError> {
        match self.locked(&Source::Commit(commit.clone())) {
            Err(ProjectError::Lock(_)) => Ok(None),
            other => other,
        }
    }
}

fn change(
    commit: Commit,
    locked: Locked,
    parents: &[Option<Locked>],
    contents: &HashMap<DataVersion, Contents>,
    on_head: bool,
) -> Change {
    let new = contents.get(&locked.version);
    let olds: Vec<Option<&Contents>> = parents.iter().flatten().map(|p| contents.get(&p.version)).collect();
    let known: Vec<&Contents> = olds.iter().copied().flatten().collect();
    let partial = new.is_none() || known.len() < olds.len();
    let (mut brought, mut gone) = (Vec::new(), Vec::new());
    match new {
        Some(new) if !partial => {
            let has = |old: &Contents, key: &RunKey| {
                old.binary_search_by(|(have, _)| have.cmp(key)).ok().and_then(|at| old.get(at)).map(|(_, mark)| *mark)
            };
            brought.extend(
                new.iter()
                    .filter(|(key, mark)| known.iter().all(|old| has(old, key) != Some(*mark)))
                    .map(|(key, _)| key.clone()),
            );
            for old in &known {
                gone.extend(old.iter().map(|(key, _)| key).filter(|key| has(new, key).is_none()).cloned());
            }
        }
        _ => {
            let records = provenance::parse(&commit.message);
            brought.extend(records.into_iter().filter(|r| r.data == locked.version).map(|r| r.run));
        }
    }
    for runs in [&mut brought, &mut gone] {
        runs.sort();
        runs.dedup();
    }
    Change { commit, locked, brought, gone, partial, on_head }
}

/// What these data versions hold, those whose `.dir` object is here and whole; read by several threads.
fn read_all(cache: &Cache, versions: Vec<DataVersion>) -> HashMap<DataVersion, Contents> {
    let next = AtomicUsize::new(0);
    let out = Mutex::new(HashMap::with_capacity(versions.len()));
    let work = || {
        while let Some(version) = versions.get(next.fetch_add(1, Ordering::Relaxed)) {
            // A damaged object is as good as none here; `verify` tells of it.
            let Ok(Some(listing)) = cache.listing(*version) else { continue };
            let mut contents: Contents = listing
                .runs()
                .map(|run| {
                    let mut mark = DefaultHasher::new();
                    for entry in run.entries {
                        (entry.relpath.as_str(), entry.md5).hash(&mut mark);
                    }
                    (run.key, mark.finish())
                })
                .collect();
            contents.sort();
            out.lock().unwrap_or_else(PoisonError::into_inner).insert(*version, contents);
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(versions.len());
    if threads <= 1 {
        work();
    } else {
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(work);
            }
        });
    }
    out.into_inner().unwrap_or_else(PoisonError::into_inner)
}
