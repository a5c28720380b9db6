//! The bytes of runs in this clone: their folders in the workspace of each working tree, and their objects in DVC's cache.
//!
//! All data versions of history that hold a run count, and what the index and the working tree name. A folder is removed
//! only if each file in it is one that some of them hold: anything else is a local change. Folders go before objects, so
//! that no link of the workspace leads nowhere, and no object is written through a link.

mod in_use;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

pub use in_use::find_objects_in_use;

use crate::dvc::cache::Cache;
use crate::dvc::file_list::FileEntry;
use crate::dvc::hash::{DataVersion, DvcHash};
use crate::dvc::link::hash_file;
use crate::dvc::mutex::DvcMutex;
use crate::git::list_entries;
use crate::history::History;
use crate::project::dir::is_dvc_root;
use crate::project::{GitTree, Project, ProjectError};
use crate::run::RunKey;
use crate::support::beneath::{FileKind, RootDir};
use crate::support::fs::FsError;
use crate::sync::{PATIENCE, SyncError};

/// The files of one run, in every data version that holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunCopies {
    /// The run.
    pub run: RunKey,
    /// Its files, each time that they differ, with the data versions that hold exactly these; paths relative to the dataset.
    pub variants: Vec<RunVariant>,
    /// Data versions that hold it, or may, and whose lists are not in this clone.
    pub unknown: BTreeSet<DataVersion>,
}

/// The files that a run has in some data versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunVariant {
    /// Its files.
    pub entries: Vec<FileEntry>,
    /// The data versions, as far as they were looked at: those that introduced the files, and the current ones.
    pub versions: Vec<DataVersion>,
}

impl RunCopies {
    /// Finds the files of a run.
    pub fn find(project: &Project, history: &History, run: &RunKey) -> Result<Self, ProjectError> {
        let mut versions: BTreeSet<DataVersion> = BTreeSet::new();
        for change in history.dataset_commits.iter().filter(|change| change.introduced.binary_search(run).is_ok()) {
            versions.insert(change.record.version);
        }
        versions.extend(history.tags_of(run).iter().filter_map(|tag| tag.record.as_ref()).map(|record| record.data));
        let introducing = versions.clone();
        for tree in [GitTree::Index, GitTree::WorkTree] {
            versions.extend(project.dataset_record(&tree)?.map(|record| record.version));
        }
        if let Some(head) = project.repo.head()? {
            versions.extend(project.data_version_at(&head)?);
        }
        let mut copies = Self { run: run.clone(), variants: Vec::new(), unknown: BTreeSet::new() };
        for version in versions {
            match history.run_entries(version, run) {
                Some(entries) => copies.add_version(version, entries),
                // Without its list, a version that merely stands between others says nothing about the run.
                None if introducing.contains(&version) => drop(copies.unknown.insert(version)),
                None => {}
            }
        }
        Ok(copies)
    }

    /// Adds a data version that holds these files of the run; none if it does not hold the run.
    pub fn add_version(&mut self, version: DataVersion, entries: Vec<FileEntry>) {
        if entries.is_empty() {
            return;
        }
        match self.variants.iter_mut().find(|variant| variant.entries == entries) {
            Some(variant) if variant.versions.contains(&version) => {}
            Some(variant) => variant.versions.push(version),
            None => self.variants.push(RunVariant { entries, versions: vec![version] }),
        }
    }

    /// Every object of the run's files.
    #[must_use]
    pub fn objects(&self) -> BTreeSet<DvcHash> {
        self.variants.iter().flat_map(|variant| &variant.entries).map(|entry| entry.md5).collect()
    }

    /// The hashes that each path has had.
    fn hashes_by_path(&self) -> HashMap<&str, BTreeSet<DvcHash>> {
        let mut hashes: HashMap<&str, BTreeSet<DvcHash>> = HashMap::new();
        for entry in self.variants.iter().flat_map(|variant| &variant.entries) {
            hashes.entry(&entry.relpath).or_default().insert(entry.md5);
        }
        hashes
    }
}

/// A run's folder in the workspace of a working tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFolder {
    /// The project's root there, absolute.
    pub root: PathBuf,
    /// The folder, relative to that root.
    pub dir: PathBuf,
    /// Its files that no data version of the run holds, relative to the dataset.
    pub local_changes: Vec<String>,
}

/// The folders of a run in the workspaces of all working trees of the clone.
pub fn find_run_folders(project: &Project, out_dir: &str, copies: &RunCopies) -> Result<Vec<RunFolder>, ProjectError> {
    let cache = project.open_cache()?;
    let known = copies.hashes_by_path();
    let mut folders = Vec::new();
    for root in list_roots(project)? {
        let dir = copies.run.dir_under(Path::new(out_dir));
        let files = RootDir::new(&root);
        match files.file_kind(&dir) {
            Ok(FileKind::Directory) => {}
            Ok(FileKind::Absent) => continue,
            // A link or a file in the folder's place, or on the path to it, is the user's.
            Ok(_) => {
                let local_changes = vec![copies.run.to_string()];
                folders.push(RunFolder { root, dir, local_changes });
                continue;
            }
            Err(error) if error.source.kind() == std::io::ErrorKind::NotADirectory => continue,
            Err(error) => return Err(error.into()),
        }
        let mut local_changes = Vec::new();
        for path in list_all_files(&root.join(&dir))? {
            let relative = path.strip_prefix(root.join(out_dir)).unwrap_or(&path);
            let hashes = relative.to_str().and_then(|name| known.get(name));
            if !hashes.is_some_and(|hashes| is_one_of(&cache, &path, hashes)) {
                local_changes.push(relative.to_string_lossy().into_owned());
            }
        }
        local_changes.sort();
        folders.push(RunFolder { root, dir, local_changes });
    }
    Ok(folders)
}

/// Everything but directories below a directory, of whatever name and kind: whoever removes it must know of all of it.
fn list_all_files(dir: &Path) -> Result<Vec<PathBuf>, ProjectError> {
    let (mut files, mut todo) = (Vec::new(), vec![dir.to_path_buf()]);
    while let Some(dir) = todo.pop() {
        for (path, kind) in list_entries(&dir)? {
            if kind.is_dir() { todo.push(path) } else { files.push(path) }
        }
    }
    Ok(files)
}

/// Whether a file is one of these objects: a link to one, or the same bytes.
fn is_one_of(cache: &Cache, path: &Path, hashes: &BTreeSet<DvcHash>) -> bool {
    match std::fs::read_link(path) {
        // DVC's own link, dangling or not.
        Ok(to) => hashes.iter().any(|hash| cache.object_path(*hash) == to),
        // A file that cannot be read is not known to be one.
        Err(_) => hash_file(path).is_ok_and(|(hash, _)| hashes.contains(&hash)),
    }
}

/// The roots of the project in all working trees, this one first.
fn list_roots(project: &Project) -> Result<Vec<PathBuf>, ProjectError> {
    let mut roots = vec![project.root.clone()];
    for tree in project.repo.list_work_trees()? {
        // With an empty prefix, `join` leaves a `/` at the end, which this removes.
        let root: PathBuf = tree.path.join(&project.prefix).components().collect();
        if root != project.root && is_dvc_root(&root) {
            roots.push(root);
        }
    }
    Ok(roots)
}

/// Removes folders of runs, each from the workspace of its working tree.
pub fn remove_folders(folders: &[RunFolder], out_dir: &str) -> Result<(), SyncError> {
    let mut by_root: BTreeMap<&Path, Vec<&RunFolder>> = BTreeMap::new();
    for folder in folders {
        by_root.entry(&folder.root).or_default().push(folder);
    }
    for (root, folders) in by_root {
        // A DVC at work there could put back what is removed.
        let _mutex = DvcMutex::acquire(root, PATIENCE).map_err(crate::dvc::checkout::CheckoutError::from)?;
        let files = RootDir::new(root);
        for folder in folders {
            files.remove_all(&folder.dir)?;
            // The experiment's directory; the dataset's own stays.
            if let Some(above) = folder.dir.parent().filter(|above| *above != Path::new(out_dir)) {
                files.remove_empty_dir(above);
            }
        }
    }
    Ok(())
}

/// Whether a cache serves this clone alone, as far as its place says: it is in a working tree of the clone, or in git's
/// directory. Other clones' workspaces can be links into any other one.
pub fn is_own_cache(project: &Project, cache: &Cache) -> Result<bool, ProjectError> {
    // A cache that does not exist yet holds nothing; its path is compared as it is.
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    let dir = real(cache.dir());
    let trees = project.repo.list_work_trees()?.into_iter().map(|tree| tree.path);
    Ok(trees.chain([project.repo.common_dir().to_path_buf()]).any(|above| dir.starts_with(real(&above))))
}

/// How many objects were removed, and their bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RemovedObjects {
    /// Objects.
    pub objects: usize,
    /// Bytes.
    pub bytes: u64,
}

/// Removes objects from a cache; those that it lacks count for nothing.
pub fn remove_objects(cache: &Cache, objects: impl IntoIterator<Item = DvcHash>) -> Result<RemovedObjects, FsError> {
    let mut removed = RemovedObjects::default();
    for hash in objects {
        if let Some(size) = cache.remove_object(hash)? {
            removed.objects += 1;
            removed.bytes += size;
        }
    }
    Ok(removed)
}
