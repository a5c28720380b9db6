//! Puts a finished folder in its place in one step, and refuses places where nothing may be put. What is in the folder
//! is made in `ingest`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::{fs, io};

use super::{Durability, IngestError, IngestRequest, is_derived};
use crate::columnar::same_rows;
use crate::formats::json;
use crate::manifest;
use crate::manifest::ManifestEntry;
use crate::run::layout::{DATASET_INDEX, EPISODES_PARQUET, MANIFEST, STEPS_PARQUET};
use crate::run::{RunKey, dataset_dir};
use crate::support::aside::temp_dir_for;
use crate::support::beneath::{FileKind, RootDir};
use crate::support::fs::{At, FsError, PathRefusal, create_dir_all, has_same_bytes, read_optional};

/// The dataset that runs are put into, looked at once however many they are.
pub(super) struct Destination {
    root: PathBuf,
    /// The dataset's directory as the user names it.
    out_dir: PathBuf,
    /// The same relative to the root.
    inner: PathBuf,
    /// The same without links.
    real: PathBuf,
}

impl Destination {
    /// Refuses a dataset behind a link or in a place that is not for data.
    pub(super) fn open(request: &IngestRequest) -> Result<Self, IngestError> {
        let inner = out_dir_in_root(request);
        if let Ok(inner) = inner {
            RootDir::new(&request.root).check_dir(inner).map_err(linked_error)?;
        }
        let real = dataset_dir::check_dataset_dir(&request.root, &request.out_dir, &request.off_limits)?;
        let inner = inner?.to_path_buf();
        Ok(Self { root: request.root.clone(), out_dir: request.out_dir.clone(), inner, real })
    }

    /// Refuses a run and a dataset that contain each other.
    pub(super) fn refuse_nested(&self, request: &IngestRequest) -> Result<(), IngestError> {
        let run = request.run_dir.canonicalize().at("look at", &request.run_dir)?;
        if run.starts_with(&self.real) || self.real.starts_with(&run) {
            return Err(IngestError::Nested { run: request.shown_as.clone(), out_dir: self.out_dir.clone() });
        }
        Ok(())
    }

    /// Returns the directory for folders in the making: the one for temporary files; beside the dataset if that one is
    /// on another file system; inside the dataset if that is a file system of its own.
    pub(super) fn staging_parent(&self) -> Result<PathBuf, FsError> {
        let beside = self.out_dir.parent().unwrap_or(&self.root);
        create_dir_all(beside)?;
        let dataset = if self.out_dir.is_dir() { &self.out_dir } else { beside };
        let dir = temp_dir_for(dataset);
        let device = |path: &Path| fs::metadata(path).map(|meta| meta.dev()).ok();
        Ok(if dir == dataset && device(beside) == device(dataset) { beside.to_path_buf() } else { dir })
    }

    /// Whether the dataset holds the run of this finished folder already. Makes the directory that the folder is to be
    /// put into.
    pub(super) fn holds_run(&self, folder: &Path, key: &RunKey, request: &IngestRequest) -> Result<bool, IngestError> {
        let (root, destination) = (RootDir::new(&self.root), key.dir_under(&self.out_dir));
        // Checked again while the parents are created: a link can have appeared since `open`.
        root.create_dir_all(self.inner.join(key.experiment())).map_err(linked_error)?;
        let is_same = |name: &str| {
            !request.force && is_derived(name, &request.run_dir) && is_same_derived(name, &destination, folder)
        };
        Ok(root.file_kind(key.dir_under(&self.inner)).map_err(linked_error)? == FileKind::Directory
            && same_files(folder, &destination, is_same))
    }

    /// Puts the finished folder in its place.
    pub(super) fn place_run(&self, folder: &Path, key: &RunKey, durability: Durability) -> Result<(), IngestError> {
        // Each try fails only if another process changed the same folder in that moment.
        const TRIES: usize = 10;
        let (root, target) = (RootDir::new(&self.root), key.dir_under(&self.inner));
        for attempt in 1.. {
            let placed = match durability {
                Durability::Now => root.replace_dir(folder, &target),
                Durability::Later => root.place_dir(folder, &target),
            };
            match placed {
                Ok(()) => break,
                // Another process put the same run there in this moment: look again.
                Err(error)
                    if attempt < TRIES
                        && folder.exists()
                        && matches!(
                            error.source.kind(),
                            io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists | io::ErrorKind::NotFound
                        ) => {}
                Err(error) => return Err(linked_error(error)),
            }
        }
        Ok(())
    }

    /// The directories in which a run's folder, and those above it, have their names.
    pub(super) fn dirs_above(&self, key: &RunKey) -> [PathBuf; 3] {
        let beside = self.out_dir.parent().unwrap_or(&self.root).to_path_buf();
        [self.out_dir.join(key.experiment()), self.out_dir.clone(), beside]
    }
}

/// Returns the dataset's directory relative to the root, by its names. The two can be named through different links
/// above the root.
fn out_dir_in_root(request: &IngestRequest) -> Result<&Path, IngestError> {
    let root = request.root.canonicalize().at("look at", &request.root)?;
    let above: Vec<&Path> = request.out_dir.ancestors().collect();
    let found = above.into_iter().rev().find(|dir| dir.canonicalize().is_ok_and(|dir| dir == root));
    let inner = found.and_then(|dir| request.out_dir.strip_prefix(dir).ok());
    inner.ok_or_else(|| dataset_dir::outside_project(&request.root, &request.out_dir).into())
}

/// Turns a link, or a file in place of a directory, into [`IngestError::Linked`].
fn linked_error(error: FsError) -> IngestError {
    match error.refusal() {
        Some(PathRefusal::Link(path)) => IngestError::Linked(path.clone()),
        _ if error.source.kind() == io::ErrorKind::NotADirectory => IngestError::Linked(error.path),
        _ => IngestError::Fs(error),
    }
}

/// Whether two directories hold regular files of the same names, equal byte for byte or by `is_same_derived`.
fn same_files(new: &Path, old: &Path, is_same_derived: impl Fn(&str) -> bool) -> bool {
    let (Some(ours), Some(theirs)) = (list_files(new), list_files(old)) else { return false };
    let regular = |name: &OsString| fs::metadata(old.join(name)).is_ok_and(|meta| meta.is_file());
    let same = |name: &OsString| {
        has_same_bytes(&new.join(name), &old.join(name)).unwrap_or(false) || name.to_str().is_some_and(&is_same_derived)
    };
    ours == theirs && ours.iter().all(regular) && ours.iter().all(same)
}

/// Returns the files in a directory tree, relative to it, sorted; `None` if it cannot be read.
pub(super) fn list_files(dir: &Path) -> Option<Vec<OsString>> {
    let (mut names, mut open) = (Vec::new(), vec![PathBuf::new()]);
    while let Some(inner) = open.pop() {
        for entry in fs::read_dir(dir.join(&inner)).ok()? {
            let entry = entry.ok()?;
            let path = inner.join(entry.file_name());
            if entry.file_type().ok()?.is_dir() {
                open.push(path);
            } else {
                names.push(path.into_os_string());
            }
        }
    }
    names.sort();
    Some(names)
}

/// Whether a derived file of an older version has the same content about the run as the new one.
fn is_same_derived(name: &str, old: &Path, new: &Path) -> bool {
    let (old_file, new_file) = (old.join(name), new.join(name));
    match name {
        STEPS_PARQUET | EPISODES_PARQUET => same_rows(&old_file, &new_file),
        // Not `source`: the run can have been moved since.
        DATASET_INDEX => same_members(&old_file, &new_file, &["source"]),
        MANIFEST => {
            same_members(&old_file, &new_file, &["files", "generator", "validation"]) && manifest_lists_all(old)
        }
        _ => false,
    }
}

/// Whether two JSON files have the same members, except those in `but`.
fn same_members(old: &Path, new: &Path, but: &[&str]) -> bool {
    let members = |path: &Path| -> Option<BTreeMap<String, String>> {
        let value = json::parse(&read_optional(path).ok()??).ok()?;
        let members = value.as_object()?.iter().map(|(key, value)| (key.to_string(), value.to_canonical()));
        Some(members.filter(|(key, _)| !but.contains(&key.as_str())).collect())
    };
    members(old).is_some_and(|old| Some(old) == members(new))
}

/// Whether a folder's manifest lists every other file with its size and hash.
fn manifest_lists_all(folder: &Path) -> bool {
    let entries =
        read_optional(&folder.join(MANIFEST)).ok().flatten().and_then(|bytes| manifest::parse_entries(&bytes));
    let (Some(entries), Some(names)) = (entries, list_files(folder)) else { return false };
    names.iter().filter(|name| *name != MANIFEST).all(|name| {
        let file = name.to_str().and_then(|name| ManifestEntry::of_file(folder, name).ok());
        let same = |file: &ManifestEntry, entry: &ManifestEntry| {
            (&file.path, file.bytes, &file.sha256) == (&entry.path, entry.bytes, &entry.sha256)
        };
        file.is_some_and(|file| entries.iter().any(|entry| same(&file, entry)))
    })
}
