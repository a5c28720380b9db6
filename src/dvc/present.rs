//! Which of very many objects a cache, or a remote that is a directory, holds at one moment.
//!
//! A directory is listed once instead of looking at each object in it, unless it holds far more than what is asked for.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::dvc::cache::Cache;
use crate::dvc::hash::DvcHash;

/// With fewer objects to ask for, each is looked at.
const MANY: usize = 2_000;
/// How many directories a cache has: one for each first byte.
const SHARDS: usize = 256;

/// The objects that are there.
#[derive(Debug)]
pub struct PresentObjects {
    cache: Cache,
    /// By the first byte of a name; empty if each object is looked at.
    shards: Vec<OnceLock<Shard>>,
    /// The most names that are read of a directory.
    most_names: usize,
}

/// What is known of a directory.
#[derive(Debug)]
enum Shard {
    /// Sorted.
    Listed(Vec<DvcHash>),
    /// It holds too many objects of others, or cannot be listed.
    NotListed,
}

impl PresentObjects {
    /// For so many questions.
    #[must_use]
    pub fn for_many(cache: &Cache, count: usize) -> Self {
        let shards = if count < MANY { 0 } else { SHARDS };
        // A look at an object costs as much as reading some ten names.
        let most_names = 64 + 16 * count / SHARDS;
        Self { cache: cache.clone(), shards: (0..shards).map(|_| OnceLock::new()).collect(), most_names }
    }

    /// Whether the object is there: see [`Cache::has_object`].
    #[must_use]
    pub fn has_object(&self, hash: DvcHash) -> bool {
        let [first, ..] = hash.to_digest();
        let shard = self.shards.get(usize::from(first)).map(|shard| {
            shard.get_or_init(|| {
                self.cache.object_path(hash).parent().map_or(Shard::NotListed, |dir| self.list_dir(dir, first))
            })
        });
        match shard {
            Some(Shard::Listed(objects)) => objects.binary_search(&hash).is_ok(),
            Some(Shard::NotListed) | None => self.cache.has_object(hash),
        }
    }

    fn list_dir(&self, dir: &Path, first: u8) -> Shard {
        let entries = match std::fs::read_dir(dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Shard::Listed(Vec::new()),
            Err(_) => return Shard::NotListed,
        };
        let mut objects = Vec::new();
        let mut hex = format!("{first:02x}").into_bytes();
        for (at, entry) in entries.enumerate() {
            // A list with a gap says nothing of what is not in it.
            let Some(entry) = entry.ok().filter(|_| at < self.most_names) else { return Shard::NotListed };
            let name = entry.file_name();
            hex.truncate(2);
            hex.extend_from_slice(name.as_encoded_bytes());
            let Some(hash) = DvcHash::from_hex(&hex) else { continue };
            let is_file = match entry.file_type() {
                Ok(kind) if !kind.is_symlink() => kind.is_file(),
                // What a link leads to.
                _ => PathBuf::from(dir).join(name).is_file(),
            };
            if is_file {
                objects.push(hash);
            }
        }
        objects.sort_unstable();
        Shard::Listed(objects)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn many_and_few_questions_have_the_same_answers() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::in_dir(dir.path());
        let hashes: Vec<DvcHash> = (0..600_u32).map(|n| DvcHash::of_bytes(&n.to_le_bytes())).collect();
        for (at, hash) in hashes.iter().enumerate() {
            let path = cache.object_path(*hash);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            match at % 6 {
                0 | 1 => std::fs::write(&path, "x").unwrap(),
                // A directory, links to a file and to nothing, and the list of a directory are no objects of this name.
                2 => std::fs::create_dir(&path).unwrap(),
                3 => std::os::unix::fs::symlink("/proc/self/stat", &path).unwrap(),
                4 => std::os::unix::fs::symlink("/nonexistent", &path).unwrap(),
                _ => std::fs::write(path.with_extension("dir"), "x").unwrap(),
            }
        }
        let crowded = dir.path().join("files/md5/00");
        std::fs::create_dir_all(&crowded).unwrap();
        (0..400).for_each(|n| std::fs::write(crowded.join(format!("{n:030x}")), "").unwrap());
        let in_crowd = DvcHash::from_hex(b"00000000000000000000000000000007").unwrap();
        for count in [0, MANY, 1_000_000] {
            let present = PresentObjects::for_many(&cache, count);
            for hash in &hashes {
                assert_eq!(present.has_object(*hash), cache.has_object(*hash), "{hash} of {count}");
            }
            assert!(present.has_object(in_crowd) && !present.has_object(DvcHash::of_bytes(b"absent")));
        }
        let nowhere = PresentObjects::for_many(&Cache::in_dir(&dir.path().join("nowhere")), MANY);
        assert!(!nowhere.has_object(in_crowd));
    }
}
