//! Which objects of the cache or of a remote nothing needs any more, and their removal.
//!
//! Needed is what `history::needed` finds in this repository and in its sister projects. Everything that was put there within
//! the time of `gc.keep` stays, too: another process, or another clone, may be about to name it. Of a store that others can
//! share, only objects go that a commit of this repository is known to have named. If anything cannot be known, nothing is
//! removed.

mod error;
mod journal;
mod keepers;
pub mod sisters;

pub use crate::dvc::hash::DataVersion;
pub use error::{GcError, SISTER_SETTING};

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::dvc::absent::AbsentRemote;
use crate::dvc::cache::Cache;
use crate::dvc::mutex::DvcMutex;
use crate::dvc::object_store::ObjectStore;
use crate::dvc::settings::DvcSettings;
use crate::dvc::store::remove_store_leftovers;
use crate::dvc::stored_objects::{ObjectName, StoredObject};
use crate::history::needed::explained::{ObjectOwner, OwnedObjects, explain_objects};
use crate::history::needed::{ListReader, NeedScope, NeededObjects, find_needed, find_project_roots};
use crate::project::mutex::RepoMutex;
use crate::project::{Project, ProjectError, Reporter};
use crate::support::fs;
use crate::sync::gc::journal::Journal;
use crate::sync::gc::sisters::{Sisters, refuse_unfetched};
use crate::sync::sent;

/// How long another DVC in the project is waited for.
const PATIENCE: Duration = Duration::from_secs(60);
/// Copies of runs that readers made, in the state directory (`load::run_dir`).
const RUN_COPIES: &str = "runs";

/// What is asked for.
#[derive(Debug, Clone, Default)]
pub struct GcRequest {
    /// For how many days objects and entries of reflogs are kept; 0: none for their age.
    pub keep_days: u64,
    /// The remote; `None`: the cache.
    pub remote: Option<GcRemote>,
    /// Whether objects whose origin is not known go, too, if others can share the store.
    pub with_unknown: bool,
    /// Lists that are lost for good.
    pub lost: BTreeSet<DataVersion>,
}

/// Which remote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GcRemote {
    /// The one that `dvc push` uses.
    Default,
    /// One by its name.
    Named(String),
}

/// Objects in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ObjectSum {
    /// How many.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl ObjectSum {
    /// The sum of some objects.
    pub fn of<'a>(objects: impl IntoIterator<Item = &'a StoredObject>) -> Self {
        objects
            .into_iter()
            .fold(Self::default(), |sum, object| Self { objects: sum.objects + 1, bytes: sum.bytes + object.size })
    }
}

/// What is removed and what is kept.
pub struct GcPlan<'p> {
    store: ObjectStore<'p>,
    /// The remote's name; `None`: the cache.
    pub remote: Option<String>,
    /// What goes, by what it was of. What is unknown is here only if it goes.
    pub removed: BTreeMap<ObjectOwner, OwnedObjects>,
    /// What something needs.
    pub needed: ObjectSum,
    /// What nothing needs and was put there within the time that is kept.
    pub recent: ObjectSum,
    /// What nothing needs that is known, and that may be another project's.
    pub unknown_kept: ObjectSum,
    /// Copies of runs for readers that go.
    pub copies: Vec<PathBuf>,
    /// What is needed, and by how much.
    pub by: NeededObjects,
    /// The sister projects that count.
    pub sisters: Vec<PathBuf>,
    /// Why nothing may be removed until the user has said who shares the store.
    pub shared_with: Option<PathBuf>,
}

impl GcPlan<'_> {
    /// What goes, in numbers, without copies.
    #[must_use]
    pub fn removed_sum(&self) -> ObjectSum {
        ObjectSum::of(self.removed.values().flat_map(|owned| &owned.objects))
    }

    /// Removes what the plan says: lists before files. To be called while the locks are held under which it was made.
    pub fn remove(&self, project: &Project, _locks: &GcLocks, reporter: &dyn Reporter) -> Result<(), GcError> {
        if let Some(dir) = &self.shared_with {
            return Err(GcError::SharedCache { dir: dir.clone() });
        }
        let names: Vec<ObjectName> =
            self.removed.values().flat_map(|owned| &owned.objects).map(|object| object.name).collect();
        if !names.is_empty() {
            let journal = Journal::of_store(project, &self.store);
            journal.write(&names)?;
            let progress = reporter.start_counting("removing", names.len() as u64, "object");
            self.store.remove_objects(&names, progress.as_ref())?;
            drop(progress);
            journal.remove()?;
        }
        if self.remote.is_none() {
            remove_store_leftovers(&project.open_cache()?)?;
            for copy in &self.copies {
                fs::remove_all(copy)?;
            }
        }
        Ok(())
    }
}

/// Keeps other processes of ours, and DVC, out of all projects of the repository.
pub struct GcLocks {
    _repo: RepoMutex,
    _dvc: Vec<DvcMutex>,
}

impl GcLocks {
    /// Waits for those that are at work.
    pub fn acquire(project: &Project) -> Result<Self, GcError> {
        let mut roots = find_project_roots(&project.repo).map_err(ProjectError::from)?;
        roots.insert(project.root.clone());
        let mut dvc = Vec::new();
        let repo = RepoMutex::acquire(&project.state_dir())?;
        // They use the same cache.
        for sister in Sisters::read(project)?.projects {
            roots.extend(sister.find_roots()?);
        }
        for root in &roots {
            if DvcSettings::read(root, &project.env).map_err(ProjectError::from)?.hardlink_lock {
                return Err(GcError::HardlinkLock { root: root.clone() });
            }
            dvc.push(DvcMutex::acquire(root, PATIENCE)?);
        }
        Ok(Self { _repo: repo, _dvc: dvc })
    }
}

/// Works out what can go. Removes nothing; lists that only a remote has are fetched.
pub fn make_plan<'p>(
    project: &'p Project,
    request: &GcRequest,
    reporter: &dyn Reporter,
) -> Result<GcPlan<'p>, GcError> {
    let settings = project.dvc_settings()?;
    if settings.cache_is_tracked {
        return Err(GcError::TrackedCache { dir: settings.cache_dir.clone() });
    }
    if let Some(why) =
        settings.unsupported.iter().find(|why| why.starts_with("cache.dir") || why.starts_with("cache.local"))
    {
        return Err(GcError::UnsupportedCache { why: why.clone() });
    }
    let sisters = Sisters::read(project)?;
    let mut scope =
        NeedScope { since: since_seconds(request.keep_days), also: BTreeSet::new(), lost: request.lost.clone() };
    let (store, remote) = match &request.remote {
        None => (ObjectStore::Dir(project.open_cache()?), None),
        Some(remote) => {
            let (store, name) = open_remote(project, remote)?;
            scope.also = refuse_unfetched(&project.repo, reporter)?;
            (store, Some(name))
        }
    };
    let shared_with = match (&store, &remote) {
        (ObjectStore::Dir(cache), None) => find_shared(project, cache)?,
        _ => None,
    };
    let mut roots = find_project_roots(&project.repo).map_err(ProjectError::from)?;
    roots.insert(project.root.clone());
    let lists = ListReader::of_projects(&roots, &project.env)?.with_dvc(project.dvc()?);
    let mut by = find_needed(&project.repo, &scope, &lists, reporter)?;
    for sister in &sisters.projects {
        by.extend(sister.find_needed(&scope, remote.is_some(), reporter)?);
    }
    if remote.is_none() {
        keepers::add_linked_objects(project, &mut by)?;
    }
    let has_unknown = remote.is_some() || shared_with.is_some();
    let objects = store.list_objects()?;
    let mut plan = GcPlan {
        store,
        remote,
        removed: BTreeMap::new(),
        needed: ObjectSum::default(),
        recent: ObjectSum::default(),
        unknown_kept: ObjectSum::default(),
        copies: keepers::find_old_copies(&project.state_dir().join(RUN_COPIES), request.keep_days)?,
        by,
        sisters: sisters.projects.iter().map(|sister| sister.dir.clone()).collect(),
        shared_with: shared_with.filter(|_| !sisters.is_declared),
    };
    let unneeded = plan.sort_objects(&objects, request.keep_days);
    let read_list = |name| plan.store.read_list(name).map_err(GcError::from);
    let mut owned = explain_objects(&project.repo, &plan.by.commits, &unneeded, has_unknown, &read_list)?;
    take_interrupted(&mut owned, &Journal::of_store(project, &plan.store).read()?);
    if has_unknown && !request.with_unknown {
        plan.unknown_kept = ObjectSum::of(owned.remove(&ObjectOwner::Unknown).iter().flat_map(|owned| &owned.objects));
    }
    plan.removed = owned;
    Ok(plan)
}

/// What a `gc` that was interrupted was about to remove is known, although the lists that explained it are gone.
fn take_interrupted(owned: &mut BTreeMap<ObjectOwner, OwnedObjects>, noted: &HashSet<ObjectName>) {
    let unknown = owned.remove(&ObjectOwner::Unknown).unwrap_or_default().objects;
    let (rest, unknown): (Vec<_>, Vec<_>) = unknown.into_iter().partition(|object| noted.contains(&object.name));
    for (owner, objects) in [(ObjectOwner::Interrupted, rest), (ObjectOwner::Unknown, unknown)] {
        if !objects.is_empty() {
            owned.insert(owner, OwnedObjects { objects, ..OwnedObjects::default() });
        }
    }
}

impl GcPlan<'_> {
    /// Counts what stays; returns the rest.
    fn sort_objects(&mut self, objects: &[StoredObject], keep_days: u64) -> Vec<StoredObject> {
        let mut unneeded = Vec::new();
        for object in objects {
            if self.by.contains(object.name) {
                add(&mut self.needed, object);
            } else if is_recent(object.since, keep_days) {
                add(&mut self.recent, object);
            } else {
                unneeded.push(*object);
            }
        }
        unneeded
    }
}

fn add(sum: &mut ObjectSum, object: &StoredObject) {
    sum.objects += 1;
    sum.bytes += object.size;
}

/// From when on entries of reflogs count, in seconds since the Unix epoch.
#[must_use]
pub fn since_seconds(keep_days: u64) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let kept = keep_days.saturating_mul(24 * 60 * 60);
    // With 0 days, none counts for its age.
    if keep_days == 0 { i64::MAX } else { i64::try_from(now.saturating_sub(kept)).unwrap_or_default() }
}

/// Whether something is younger than the time that is kept. A time that is not known, or in the future, counts as young.
fn is_recent(since: Option<SystemTime>, keep_days: u64) -> bool {
    let kept = Duration::from_secs(keep_days.saturating_mul(24 * 60 * 60));
    keep_days > 0 && since.and_then(|since| since.elapsed().ok()).is_none_or(|age| age < kept)
}

/// The remote, if its objects can be listed.
fn open_remote<'p>(project: &'p Project, remote: &GcRemote) -> Result<(ObjectStore<'p>, String), GcError> {
    let dvc = project.dvc()?;
    let settings = dvc.settings();
    let name = match remote {
        GcRemote::Named(name) => name.clone(),
        GcRemote::Default => settings.default_remote_name.clone().ok_or(GcError::NoRemote { name: None })?,
    };
    let found = settings.remotes.get(&name).ok_or_else(|| GcError::NoRemote { name: Some(name.clone()) })?;
    if let Some(why) = settings.unsupported.iter().find(|why| why.starts_with(&format!("remote `{name}` "))) {
        return Err(GcError::UnsupportedRemote { why: why.clone() });
    }
    // A directory that is empty because nothing was sent to it yet has nothing to remove.
    let is_missing = |absent: &AbsentRemote| !absent.emptied;
    let absent = AbsentRemote::without_data(found).filter(is_missing);
    if let Some(absent) = sent::find_absent(project, found)?.or(absent) {
        return Err(GcError::RemoteAbsent(absent));
    }
    let store = match &found.dir {
        Some(dir) => ObjectStore::Dir(Cache::in_dir(dir)),
        None => ObjectStore::Remote { project: dvc, name: name.clone() },
    };
    Ok((store, name))
}

/// The cache's directory, if it is outside of the repository, so that other projects can use it.
fn find_shared(project: &Project, cache: &Cache) -> Result<Option<PathBuf>, GcError> {
    let resolve = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    let dir = resolve(cache.dir());
    for tree in project.repo.find_work_tree_dirs().map_err(ProjectError::from)? {
        let tops = [Some(tree.git_dir), tree.work_tree];
        if tops.iter().flatten().any(|top| dir.starts_with(resolve(top))) {
            return Ok(None);
        }
    }
    Ok(Some(cache.dir().to_path_buf()))
}
