//! What unneeded objects were: the runs of old data versions, and other outputs.
//!
//! The lists among them name the runs; commits that git still has, and that nothing reaches any more, name the lists.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::dataset::runs::run_of_path;
use crate::dvc::file_list::FileList;
use crate::dvc::hash::{DataVersion, DvcHash};
use crate::dvc::named_objects::{NamedObjects, PATHSPECS};
use crate::dvc::stored_objects::{ObjectName, StoredObject};
use crate::git::{GitError, Oid, Repo};
use crate::project::ProjectError;
use crate::run::RunKey;
use crate::support::limits;

/// The file that ingest puts into each run's folder: a list with one is of a dataset of ours.
const INDEX_FILE: &str = "/DATASET_INDEX.json";

/// What an object was of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum ObjectOwner {
    /// A run.
    Run(RunKey),
    /// The file lists of old data versions.
    FileLists,
    /// Something else that a file of DVC's names: that file's path.
    File(String),
    /// What a removal that was interrupted has left.
    Interrupted,
    /// Not known.
    Unknown,
}

/// Objects with one owner.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OwnedObjects {
    /// The objects.
    pub objects: Vec<StoredObject>,
    /// The data versions, if lists of a dataset name them.
    pub versions: BTreeSet<DataVersion>,
    /// Commits that name them, none of which git reaches any more.
    pub commits: BTreeSet<Oid>,
}

impl OwnedObjects {
    /// Their bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.objects.iter().map(|object| object.size).sum()
    }
}

/// What unneeded objects were of, each object once: of the first run in the order of names, if several had it.
///
/// `proven_only`: what no commit of this repository alone names counts as unknown, although it looks like a dataset. `read_list` reads
/// one of the lists.
pub fn explain_objects<E: From<ProjectError>>(
    repo: &Repo,
    reached: &BTreeSet<Oid>,
    objects: &[StoredObject],
    proven_only: bool,
    read_list: &dyn Fn(ObjectName) -> Result<Option<Vec<u8>>, E>,
) -> Result<BTreeMap<ObjectOwner, OwnedObjects>, E> {
    let mut left: HashMap<ObjectName, StoredObject> = objects.iter().map(|object| (object.name, *object)).collect();
    let mut owned: BTreeMap<ObjectOwner, OwnedObjects> = BTreeMap::new();
    if objects.is_empty() {
        return Ok(owned);
    }
    let borrows = proven_only && repo.borrows_objects().map_err(ProjectError::from)?;
    let named = if borrows { HashMap::new() } else { read_unreached(repo, reached).map_err(ProjectError::from)? };
    let lists: Vec<StoredObject> = objects.iter().filter(|object| object.name.is_list).copied().collect();
    for list in lists {
        let version = DataVersion::new(list.name.hash);
        let places = named.get(&list.name.hash);
        let Some(file_list) = read_list(list.name)?.and_then(|bytes| FileList::parse(&bytes).ok()) else { continue };
        let is_dataset = file_list.entries().iter().any(|entry| entry.relpath.ends_with(INDEX_FILE));
        if places.is_none() && (proven_only || !is_dataset) {
            continue;
        }
        let other = places.and_then(|places| places.first()).map(|(_, path)| ObjectOwner::File(path.clone()));
        let commits = || places.into_iter().flatten().map(|(commit, _)| commit.clone());
        let mut add = |owner: &ObjectOwner, object: StoredObject| {
            let of = owned.entry(owner.clone()).or_default();
            of.objects.push(object);
            of.commits.extend(commits());
            if is_dataset {
                of.versions.insert(version);
            }
        };
        for entry in file_list.entries() {
            let run = run_of_path(&entry.relpath).filter(|_| is_dataset).map(ObjectOwner::Run);
            let owner = run.or_else(|| other.clone()).unwrap_or(ObjectOwner::Unknown);
            let name = ObjectName { hash: entry.md5, is_list: false, layout: list.name.layout };
            if let Some(object) = left.remove(&name) {
                add(&owner, object);
            }
        }
        let owner = if is_dataset { ObjectOwner::FileLists } else { other.unwrap_or(ObjectOwner::Unknown) };
        if let Some(object) = left.remove(&list.name) {
            add(&owner, object);
        }
    }
    for object in objects.iter().filter(|object| left.contains_key(&object.name)) {
        let place = named.get(&object.name.hash).and_then(|places| places.first());
        let owner = place.map_or(ObjectOwner::Unknown, |(_, path)| ObjectOwner::File(path.clone()));
        let of = owned.entry(owner).or_default();
        of.objects.push(*object);
        of.commits.extend(place.map(|(commit, _)| commit.clone()));
    }
    Ok(owned)
}

/// The objects that commits name which git has and does not reach: each with the commit and the path of DVC's file.
fn read_unreached(repo: &Repo, reached: &BTreeSet<Oid>) -> Result<HashMap<DvcHash, BTreeSet<(Oid, String)>>, GitError> {
    let mut commits = repo.list_all_commits()?;
    for reached in repo.walk_with_parents(&Vec::from_iter(reached.iter().cloned()))? {
        commits.remove(&reached.0);
    }
    let versions = repo.list_file_versions(&commits, &BTreeSet::new(), true, &PATHSPECS)?;
    let mut places: BTreeMap<Oid, BTreeSet<(Oid, String)>> = BTreeMap::new();
    for version in versions {
        let Some(commit) = version.commit else { continue };
        let path = String::from_utf8_lossy(&version.path).into_owned();
        places.entry(version.blob).or_default().insert((commit, path));
    }
    let mut named: HashMap<DvcHash, BTreeSet<(Oid, String)>> = HashMap::new();
    repo.read_blobs(&places.keys().cloned().collect(), limits::LOCKFILE, |id, bytes| {
        // What cannot be read explains nothing; what a stage only depended on may be another project's.
        for hash in bytes.map(NamedObjects::read).unwrap_or_default().stored {
            named.entry(hash).or_default().extend(places.get(id).into_iter().flatten().cloned());
        }
    })?;
    Ok(named)
}
