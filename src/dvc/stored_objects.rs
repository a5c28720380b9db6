//! Every object of a cache, or of a remote that is a directory, and their removal.
//!
//! Lists of directories are removed before files: a list whose files are gone would be a broken version, a file without a
//! list is only garbage. What has no object's name is never touched.

#![expect(clippy::disallowed_methods, reason = "objects of DVC's cache")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::dvc::cache::Cache;
use crate::dvc::hash::DvcHash;
use crate::support::durable::DurableBatch;
use crate::support::fs::{At, FsError};
use crate::support::parallel;
use crate::support::progress::Progress;

/// How a store lays out its objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectLayout {
    /// DVC 3: `files/md5/<2 hex>/<30 hex>`.
    Md5,
    /// DVC 2, whose names are MD5s of text with other line ends: `<2 hex>/<30 hex>`.
    Dos2Unix,
}

/// The name of an object in a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectName {
    /// The hash.
    pub hash: DvcHash,
    /// Whether it lists a directory (`.dir`).
    pub is_list: bool,
    /// Where it is.
    pub layout: ObjectLayout,
}

/// An object that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredObject {
    /// Its name.
    pub name: ObjectName,
    /// Its bytes.
    pub size: u64,
    /// When it was put there; `None` if that is not known.
    pub since: Option<SystemTime>,
}

impl ObjectName {
    /// A file in the layout of DVC 3.
    #[must_use]
    pub fn file(hash: DvcHash) -> Self {
        Self { hash, is_list: false, layout: ObjectLayout::Md5 }
    }

    /// A list of a directory in the layout of DVC 3.
    #[must_use]
    pub fn list(hash: DvcHash) -> Self {
        Self { hash, is_list: true, layout: ObjectLayout::Md5 }
    }

    /// The object of a path below a store's directory: `files/md5/d4/1d8c…`.
    #[must_use]
    pub fn of_path(path: &str) -> Option<Self> {
        let (layout, inner) = match path.strip_prefix("files/md5/") {
            Some(inner) => (ObjectLayout::Md5, inner),
            None => (ObjectLayout::Dos2Unix, path),
        };
        let (shard, name) = inner.split_once('/')?;
        Self::in_shard(layout, shard, name)
    }

    fn in_shard(layout: ObjectLayout, shard: &str, name: &str) -> Option<Self> {
        let (rest, is_list) = name.strip_suffix(".dir").map_or((name, false), |rest| (rest, true));
        let hash = DvcHash::from_hex(format!("{shard}{rest}").as_bytes()).filter(|_| shard.len() == 2)?;
        Some(Self { hash, is_list, layout })
    }

    /// Its path below a store's directory.
    #[must_use]
    pub fn to_path(self) -> String {
        let hex = self.hash.to_string();
        let (shard, rest) = hex.split_at(2);
        let base = if self.layout == ObjectLayout::Md5 { "files/md5/" } else { "" };
        format!("{base}{shard}/{rest}{}", if self.is_list { ".dir" } else { "" })
    }
}

impl Cache {
    /// Where an object lies, or would lie.
    #[must_use]
    pub fn stored_path(&self, name: ObjectName) -> PathBuf {
        self.dir().join(name.to_path())
    }

    /// Every object. A directory that cannot be listed is an error: its objects would be left out.
    pub fn list_objects(&self) -> Result<Vec<StoredObject>, FsError> {
        let mut shards: Vec<(ObjectLayout, PathBuf)> = Vec::new();
        for (layout, dir) in [(ObjectLayout::Md5, self.objects_dir()), (ObjectLayout::Dos2Unix, self.dir())] {
            let is_hex = |name: &str| name.len() == 2 && name.bytes().all(|b| b.is_ascii_hexdigit());
            for path in list_dir(dir)? {
                if path.file_name().and_then(|name| name.to_str()).is_some_and(is_hex) && path.is_dir() {
                    shards.push((layout, path));
                }
            }
        }
        let listed = parallel::map(&shards, |(layout, dir)| list_shard(*layout, dir));
        let listed: Vec<Vec<StoredObject>> = listed.into_iter().collect::<Result<_, _>>()?;
        let mut objects: Vec<StoredObject> = listed.into_iter().flatten().collect();
        objects.sort_by_key(|object| object.name);
        Ok(objects)
    }

    /// Removes objects: lists first, and only when that is durable, files. One that is not there any more is no failure.
    pub fn remove_objects(&self, names: &[ObjectName], progress: &dyn Progress) -> Result<(), FsError> {
        for is_list in [true, false] {
            let paths: Vec<PathBuf> =
                names.iter().filter(|name| name.is_list == is_list).map(|name| self.stored_path(*name)).collect();
            if paths.is_empty() {
                continue;
            }
            let durable = DurableBatch::begin(self.dir());
            parallel::try_each_with(durable.writers(), &paths, |path| {
                match std::fs::remove_file(path) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error).at("remove", path)?,
                    _ => progress.count_item(),
                }
                Ok::<_, FsError>(())
            })?;
            let dirs: BTreeSet<&Path> = paths.iter().filter_map(|path| path.parent()).collect();
            durable.sync_dirs(&Vec::from_iter(dirs))?;
        }
        Ok(())
    }
}

fn list_dir(dir: &Path) -> Result<Vec<PathBuf>, FsError> {
    let entries = match std::fs::read_dir(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.at("list", dir)?,
    };
    entries.map(|entry| Ok(entry.at("list", dir)?.path())).collect()
}

fn list_shard(layout: ObjectLayout, dir: &Path) -> Result<Vec<StoredObject>, FsError> {
    let shard = dir.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let mut objects = Vec::new();
    for path in list_dir(dir)? {
        let name = path.file_name().and_then(|name| name.to_str());
        let Some(name) = name.and_then(|name| ObjectName::in_shard(layout, shard, name)) else { continue };
        let meta = match std::fs::symlink_metadata(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            meta => meta.at("read", &path)?,
        };
        // A link or a directory is not DVC's.
        if meta.is_file() {
            objects.push(StoredObject { name, size: meta.len(), since: changed_at(&meta) });
        }
    }
    Ok(objects)
}

/// When a file was put where it is. A hard link, and a copy that keeps times, have an older time of their content.
fn changed_at(meta: &std::fs::Metadata) -> Option<SystemTime> {
    use std::os::unix::fs::MetadataExt;
    use std::time::{Duration, UNIX_EPOCH};
    let moved = u64::try_from(meta.ctime()).ok().map(|seconds| UNIX_EPOCH + Duration::from_secs(seconds));
    Some(moved?.max(meta.modified().ok()?))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::support::progress::NoProgress;

    #[test]
    fn objects_of_both_layouts_are_listed_and_removed_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::in_dir(dir.path());
        assert!(cache.list_objects().unwrap().is_empty());
        let hash = DvcHash::of_bytes(b"x");
        let names: Vec<ObjectName> = [ObjectLayout::Md5, ObjectLayout::Dos2Unix]
            .into_iter()
            .flat_map(|layout| [false, true].map(|is_list| ObjectName { hash, is_list, layout }))
            .collect();
        let shard = &hash.to_string()[..2];
        let others = ["runs/ab/key", &format!("files/md5/{shard}/.tmp"), &format!("{shard}/short"), "files/md5/x/y"];
        let others = others.map(|path| dir.path().join(path));
        for path in names.iter().map(|name| cache.stored_path(*name)).chain(others.clone()) {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "x").unwrap();
        }
        let mut listed: Vec<ObjectName> = cache.list_objects().unwrap().iter().map(|object| object.name).collect();
        let mut expected = names.clone();
        listed.sort();
        expected.sort();
        assert_eq!(listed, expected);
        for name in &names {
            assert_eq!(ObjectName::of_path(&name.to_path()), Some(*name));
        }
        cache.remove_objects(&names[..1], &NoProgress).unwrap();
        assert_eq!(cache.list_objects().unwrap().len(), 3);
        // Again, with what is gone.
        cache.remove_objects(&names, &NoProgress).unwrap();
        assert!(cache.list_objects().unwrap().is_empty());
        assert!(others.iter().all(|path| path.is_file()));
    }

    #[test]
    fn a_file_stays_if_a_list_cannot_be_removed() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::in_dir(dir.path());
        let (list, file) = (ObjectName::list(DvcHash::of_bytes(b"list")), ObjectName::file(DvcHash::of_bytes(b"file")));
        // In the way of its removal.
        std::fs::create_dir_all(cache.stored_path(list).join("x")).unwrap();
        std::fs::create_dir_all(cache.stored_path(file).parent().unwrap()).unwrap();
        std::fs::write(cache.stored_path(file), "x").unwrap();
        cache.remove_objects(&[file, list], &NoProgress).unwrap_err();
        assert!(cache.stored_path(file).is_file());
    }
}
