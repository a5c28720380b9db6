//! Takes files of the project into the cache, many at a time.
//!
//! An object gets its name only when its bytes are durable, so that a name never stands for other bytes; the names become
//! durable last. Until then objects are in a directory of their own in the cache, under numbers; what a
//! killed process leaves there is removed by the next one. DVC passes over such names (`path_to_oid` in
//! `dvc_objects/db.py`). No object that is there is written again.

#![expect(clippy::disallowed_methods, reason = "objects of DVC's cache")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::dvc::cache::Cache;
use crate::dvc::hash::DvcHash;
use crate::dvc::link::{Linker, regular_metadata, set_read_only};
use crate::support::beneath::RootDir;
use crate::support::blocks::read_blocks;
use crate::support::durable::DurableBatch;
use crate::support::fs::{At, FsError};
use crate::support::progress::Progress;
use crate::support::staging::StagingDir;
use crate::support::{fs, parallel};

/// The beginning of the names of directories in which objects are made.
const STAGING_KIND: &str = ".capture-hook-store-";

/// Bytes from which the kernel copies a file: for a small one, asking it to takes more calls than reading and writing.
const LARGE_FILE: u64 = 1 << 20;

/// Removes what killed processes left in a cache.
pub fn remove_store_leftovers(cache: &Cache) -> Result<(), FsError> {
    if cache.objects_dir().is_dir() { StagingDir::create(cache.objects_dir(), STAGING_KIND).map(drop) } else { Ok(()) }
}

/// A file to take into the cache.
pub struct FileToStore {
    /// The name of its bytes.
    pub hash: DvcHash,
    /// Its path in the project.
    pub file: PathBuf,
    /// How many bytes it has.
    pub size: u64,
}

/// An object that the cache lacks.
struct NewObject<'a> {
    object: PathBuf,
    temp_path: PathBuf,
    file: &'a Path,
    size: u64,
}

/// Objects that have their names, which are not durable yet.
#[must_use]
#[derive(Default)]
pub struct StoredObjects {
    /// The directories of the names; `None` without a new object.
    new: Option<(DurableBatch, BTreeSet<PathBuf>)>,
}

impl StoredObjects {
    /// Makes the names durable, and that of a file list that was put into the same cache meanwhile.
    pub fn sync_names(self, file_list: Option<&Path>) -> Result<(), FsError> {
        let list_dir = file_list.and_then(Path::parent).map(Path::to_path_buf);
        let (durable, mut dirs) = match (self.new, &list_dir) {
            (Some(new), _) => new,
            (None, Some(dir)) => (DurableBatch::begin(dir), BTreeSet::new()),
            (None, None) => return Ok(()),
        };
        dirs.extend(list_dir);
        durable.sync_dirs(&Vec::from_iter(dirs))
    }
}

impl Linker {
    /// Takes files of the project into the cache and ties them to their objects. The objects are durable when their names
    /// are. Progress counts the objects that the cache lacked.
    pub fn store_files(
        &mut self,
        files: RootDir<'_>,
        stored: &[FileToStore],
        progress: &dyn Progress,
    ) -> Result<StoredObjects, FsError> {
        // Equal files are one object.
        let objects: BTreeMap<DvcHash, &FileToStore> = stored.iter().map(|file| (file.hash, file)).collect();
        let objects: Vec<&FileToStore> = objects.into_values().collect();
        let missing = parallel::map(&objects, |file| {
            Ok(regular_metadata(&self.cache().object_path(file.hash))?.is_none().then_some(*file))
        });
        let missing: Vec<Option<&FileToStore>> = missing.into_iter().collect::<Result<_, FsError>>()?;
        let missing: Vec<&FileToStore> = missing.into_iter().flatten().collect();
        let added =
            if missing.is_empty() { StoredObjects::default() } else { self.add_objects(files, &missing, progress)? };
        stored.iter().try_for_each(|file| self.tie_file(file.hash, files, &file.file))?;
        Ok(added)
    }

    fn add_objects(
        &self,
        files: RootDir<'_>,
        missing: &[&FileToStore],
        progress: &dyn Progress,
    ) -> Result<StoredObjects, FsError> {
        let cache = self.cache();
        // Those of a new cache have new names, too.
        let made = cache.objects_dir().ancestors().take_while(|dir| !dir.is_dir()).filter_map(Path::parent);
        let made: Vec<PathBuf> = made.map(Path::to_path_buf).collect();
        cache.make_dir(cache.objects_dir())?;
        // In the cache, so that the renames stay on one file system and a shared cache's group is the objects' group.
        let staging = StagingDir::create(cache.objects_dir(), STAGING_KIND)?;
        let temp_dir = staging.path();
        let durable = DurableBatch::begin(&temp_dir);
        let new: Vec<NewObject<'_>> = missing
            .iter()
            .enumerate()
            .map(|(number, file)| NewObject {
                object: cache.object_path(file.hash),
                temp_path: temp_dir.join(number.to_string()),
                file: &file.file,
                size: file.size,
            })
            .collect();
        let may_clone = AtomicBool::new(true);
        parallel::try_each_with(durable.writers(), &new, |new| {
            self.fill_object(new, files, &may_clone)?;
            progress.count_item();
            Ok(())
        })?;
        let temp_paths: Vec<&Path> = new.iter().map(|new| new.temp_path.as_path()).collect();
        durable.sync_files(&temp_paths, missing.iter().map(|file| file.size).sum())?;
        // Some 256, however many objects.
        let shards: BTreeSet<&Path> = new.iter().filter_map(|new| new.object.parent()).collect();
        shards.iter().try_for_each(|shard| cache.make_dir(shard))?;
        parallel::try_each_with(durable.writers(), &new, |new| {
            std::fs::rename(&new.temp_path, &new.object).at("replace", &new.object)
        })?;
        let mut dirs: BTreeSet<PathBuf> =
            shards.into_iter().chain([cache.objects_dir()]).map(Path::to_path_buf).collect();
        dirs.extend(made);
        Ok(StoredObjects { new: Some((durable, dirs)) })
    }

    /// Makes an object under its temporary name, read-only, not durable yet.
    fn fill_object(&self, new: &NewObject<'_>, files: RootDir<'_>, may_clone: &AtomicBool) -> Result<(), FsError> {
        let (full, temp_path) = (files.path().join(new.file), &new.temp_path);
        let hard = self.uses_hard_links()
            // An empty file is copied: hard links to one empty object would reach the file system's limit.
            && regular_metadata(&full)?.is_some_and(|meta| meta.len() > 0);
        if hard && files.hard_link(new.file, temp_path).is_ok() {
            // It still has the mode of the user's file.
            return set_read_only(temp_path);
        }
        let mut source = fs::open(&full)?;
        let mut object = create_read_only(temp_path)?;
        // The blocks are shared if the file system can do that. If it cannot for one file, it cannot for the others.
        if may_clone.load(Ordering::Relaxed) {
            if share_blocks(&object, &source) {
                return Ok(());
            }
            may_clone.store(false, Ordering::Relaxed);
        }
        if new.size > LARGE_FILE {
            return std::io::copy(&mut source, &mut object).at("copy to", temp_path).map(drop);
        }
        read_blocks(&mut source, |block| object.write_all(block)).at("copy to", temp_path).map(drop)
    }
}

#[cfg(target_os = "linux")]
fn share_blocks(to: &File, from: &File) -> bool {
    rustix::fs::ioctl_ficlone(to, from).is_ok()
}

#[cfg(not(target_os = "linux"))]
fn share_blocks(_: &File, _: &File) -> bool {
    false
}

/// A new read-only file, written through this handle.
#[cfg(unix)]
fn create_read_only(path: &Path) -> Result<File, FsError> {
    use std::os::unix::fs::OpenOptionsExt;
    const MODE: u32 = 0o444;
    let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(MODE).open(path).at("write", path)?;
    // The process's mask can forbid others to read; DVC's objects are readable.
    if fs::umask() & MODE != 0 {
        set_read_only(path)?;
    }
    Ok(file)
}

#[cfg(not(unix))]
fn create_read_only(path: &Path) -> Result<File, FsError> {
    std::fs::OpenOptions::new().write(true).create_new(true).open(path).at("write", path)
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use super::*;
    use crate::dvc::link::hash_file;
    use crate::dvc::settings::LinkType;
    use crate::support::progress::NoProgress;

    #[test]
    fn each_link_type_links_as_dvc_does() {
        for types in [
            vec![LinkType::Reflink, LinkType::Copy],
            vec![LinkType::Copy],
            vec![LinkType::Hardlink],
            vec![LinkType::Symlink],
            vec![LinkType::Reflink, LinkType::Symlink],
        ] {
            let dir = tempfile::tempdir().unwrap();
            let mut linker = Linker::new(Cache::in_dir(&dir.path().join("cache")), &types);
            let (a, b) = (dir.path().join("a"), dir.path().join("b"));
            std::fs::write(&a, "text").unwrap();
            let (hash, size) = hash_file(&a).unwrap();
            assert_eq!((hash, size), (DvcHash::of_bytes(b"text"), 4));
            let files = RootDir::new(dir.path());
            linker
                .store_files(files, &[FileToStore { hash, file: "a".into(), size }], &NoProgress)
                .unwrap()
                .sync_names(None)
                .unwrap();
            let object = linker.cache().object_path(hash);
            let mode = |path: &Path| std::fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode(&object), 0o444);
            std::fs::write(&b, "other").unwrap();
            // Twice: a second time changes nothing and leaves nothing behind.
            for _ in 0..2 {
                assert!(linker.link_object(hash, files, Path::new("b")).unwrap());
            }
            for path in [&a, &b] {
                assert_eq!(std::fs::read(path).unwrap(), b"text");
                let meta = std::fs::symlink_metadata(path).unwrap();
                match types.last() {
                    Some(LinkType::Hardlink) => assert_eq!(meta.ino(), std::fs::metadata(&object).unwrap().ino()),
                    Some(LinkType::Symlink) if types.len() == 1 => {
                        assert_eq!(std::fs::read_link(path).unwrap(), object)
                    }
                    Some(LinkType::Copy) => assert!(meta.is_file() && mode(path) & 0o200 != 0),
                    _ => {}
                }
            }
            let names = std::fs::read_dir(dir.path()).unwrap().count();
            assert_eq!((names, std::fs::read_dir(object.parent().unwrap()).unwrap().count()), (3, 1), "{types:?}");
        }
    }

    #[test]
    fn many_files_are_stored_once_each_and_nothing_is_left_beside_them() {
        for kind in [LinkType::Copy, LinkType::Hardlink, LinkType::Symlink] {
            let dir = tempfile::tempdir().unwrap();
            let mut linker = Linker::new(Cache::in_dir(&dir.path().join("cache")), &[kind]);
            let store = |number: usize| {
                let file = PathBuf::from(format!("f{number}"));
                // Two files for each content.
                std::fs::write(dir.path().join(&file), format!("{}", number / 2)).unwrap();
                let (hash, size) = hash_file(&dir.path().join(&file)).unwrap();
                FileToStore { hash, file, size }
            };
            let stored: Vec<FileToStore> = (0..400).map(store).collect();
            // An object that is there is never written again.
            let known = linker.cache().object_path(stored[0].hash);
            std::fs::create_dir_all(known.parent().unwrap()).unwrap();
            std::fs::write(&known, "known").unwrap();
            linker.store_files(RootDir::new(dir.path()), &stored, &NoProgress).unwrap().sync_names(None).unwrap();
            assert_eq!(std::fs::read(&known).unwrap(), b"known");
            for file in &stored[2..] {
                assert_eq!(hash_file(&linker.cache().object_path(file.hash)).unwrap().0, file.hash);
                assert_eq!(hash_file(&dir.path().join(&file.file)).unwrap().0, file.hash, "{kind:?}");
            }
            let names: Vec<_> = std::fs::read_dir(linker.cache().objects_dir()).unwrap().collect();
            assert!(names.iter().all(|name| name.as_ref().unwrap().file_name().len() == 2), "{names:?}");
        }
    }
}
