//! DVC's cache of objects, read natively: `<cache>/files/md5/<2 hex>/<30 hex>[.dir]`.
//!
//! Source of the layout: `dvc/cachemgr.py` and `dvc_data/hashfile/db/local.py`. DVC 2 kept its objects one level up
//! (`<cache>/<2 hex>/…`) and named them by another hash; such objects are never read here: DVC decides about them.

use std::path::{Path, PathBuf};

use md5::{Digest, Md5};

use crate::dvc::file_list::{FileList, FileListError};
use crate::dvc::hash::{DataVersion, DvcHash};
use crate::dvc::settings::DvcSettings;
use crate::error::ExitKind::Io;
use crate::error::{Explain, Explanation};
use crate::support::fs::FsError;
use crate::support::text::format_bytes;
use crate::support::{fs, limits};

/// The mode of a shared cache's directories (source: `dvc_data/hashfile/db/local.py`).
const GROUP_DIR: u32 = 0o2775;

/// The length of the names of the directories that objects are in.
const SHARD_NAME: usize = 2;

/// A cache that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// Input or output.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// An object whose bytes are not what its name says.
    #[error("the cached object {} is damaged", path.display())]
    Damaged {
        /// Where it lies.
        path: PathBuf,
    },
    /// A `.dir` object that cannot be read.
    #[error("{}", path.display())]
    InvalidFileList {
        /// Where it lies.
        path: PathBuf,
        /// What is wrong with it.
        source: FileListError,
    },
}

impl Explain for CacheError {
    fn explain(&self) -> Explanation {
        let again = |path: &Path| format!("remove {}, then run `capture-hook pull`", path.display());
        match self {
            Self::Fs(error) => error.explain(),
            Self::Damaged { path } => Io.code("cache_object_damaged").hint(again(path)),
            Self::InvalidFileList { path, .. } => Io.code("cache_object_not_read").hint(again(path)),
        }
    }
}

/// The cache of one project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cache {
    dir: PathBuf,
    objects: PathBuf,
    /// Whether a group shares it: every member may add objects.
    shared: bool,
}

impl Cache {
    /// The cache that the settings name.
    #[must_use]
    pub fn from_settings(settings: &DvcSettings) -> Self {
        Self { shared: settings.shared, ..Self::in_dir(&settings.cache_dir) }
    }

    /// The cache in a directory (`.dvc/cache`). A directory remote has the same layout.
    #[must_use]
    pub fn in_dir(dir: &Path) -> Self {
        Self { dir: dir.to_path_buf(), objects: dir.join("files").join("md5"), shared: false }
    }

    /// The directory of the cache.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The directory of the objects.
    #[must_use]
    pub(super) fn objects_dir(&self) -> &Path {
        &self.objects
    }

    /// Where a file's bytes lie, or would lie.
    #[must_use]
    pub fn object_path(&self, hash: DvcHash) -> PathBuf {
        self.hashed_path(hash, "")
    }

    /// Where a `.dir` object lies, or would lie.
    #[must_use]
    pub fn file_list_path(&self, version: DataVersion) -> PathBuf {
        self.hashed_path(version.hash(), ".dir")
    }

    fn hashed_path(&self, hash: DvcHash, suffix: &str) -> PathBuf {
        let hex = hash.to_string();
        let (shard, rest) = hex.split_at(2);
        self.objects.join(shard).join(format!("{rest}{suffix}"))
    }

    /// Whether a file's bytes are there (not whether they are whole).
    #[must_use]
    pub fn has_object(&self, hash: DvcHash) -> bool {
        self.object_path(hash).is_file()
    }

    /// Whether a `.dir` object is there.
    #[must_use]
    pub fn has_file_list(&self, version: DataVersion) -> bool {
        self.file_list_path(version).is_file()
    }

    /// A `.dir` object, its bytes checked against its name; `None` if the cache does not have it.
    pub fn read_file_list(&self, version: DataVersion) -> Result<Option<FileList>, CacheError> {
        let Some(bytes) = fs::read_within(&self.file_list_path(version), limits::FILE_LIST)? else { return Ok(None) };
        self.check_list_hash(version, DataVersion::of_list(&bytes))?;
        let path = self.file_list_path(version);
        FileList::parse(&bytes).map(Some).map_err(|source| CacheError::InvalidFileList { path, source })
    }

    /// An error if the bytes of a `.dir` object are of another version than its name says.
    pub fn check_list_hash(&self, version: DataVersion, of_bytes: DataVersion) -> Result<(), CacheError> {
        if version == of_bytes { Ok(()) } else { Err(CacheError::Damaged { path: self.file_list_path(version) }) }
    }

    /// Puts a `.dir` object into the cache, read-only as DVC does.
    pub fn insert_file_list(&self, file_list: &FileList) -> Result<DataVersion, CacheError> {
        self.insert_list_bytes(&file_list.to_bytes())
    }

    /// Puts the bytes of a `.dir` object from elsewhere into the cache, if they are what the version's name says.
    pub fn insert_verified_list(&self, version: DataVersion, bytes: &[u8]) -> Result<(), CacheError> {
        self.check_list_hash(version, DataVersion::of_list(bytes))?;
        self.insert_list_bytes(bytes).map(drop)
    }

    /// Puts the bytes of a `.dir` object into the cache. Its name is worked out while they are written: both grow with
    /// the dataset.
    pub fn insert_list_bytes(&self, bytes: &[u8]) -> Result<DataVersion, CacheError> {
        self.make_dir(&self.objects)?;
        std::thread::scope(|scope| {
            // A list of many runs has megabytes, so it is hashed and written at the same time.
            let hashing = scope.spawn(|| DataVersion::of_list(bytes));
            let temp_file = fs::UnnamedFile::write_read_only(&self.objects, bytes)?;
            // A thread that panicked has named nothing.
            let version = hashing.join().unwrap_or_else(|_| DataVersion::of_list(bytes));
            let path = self.file_list_path(version);
            // An object never changes under its name: one that is there is kept.
            if !path.is_file() {
                if let Some(dir) = path.parent() {
                    self.make_dir(dir)?;
                }
                temp_file.persist_as(&path)?;
            }
            Ok(version)
        })
    }

    /// Copies an object from elsewhere into the cache under its name, whole and read-only as DVC does. `false` if its
    /// bytes are not what the name says: then nothing gets it.
    pub fn insert_verified(&self, hash: DvcHash, from: &Path) -> Result<bool, FsError> {
        let object = self.object_path(hash);
        let dir = object.parent().unwrap_or(&self.objects);
        self.make_dir(dir)?;
        let mut md5 = Md5::new();
        let temp_file = fs::UnnamedFile::copy_read_only(dir, from, |bytes| md5.update(bytes))?;
        if DvcHash::from_digest(md5.finalize().into()) != hash {
            return Ok(false);
        }
        temp_file.persist_as(&object)?;
        Ok(true)
    }

    /// Makes a directory of the cache, and those above it: of a shared one each so that the group may write there, as
    /// DVC does it. One that is there keeps its mode.
    pub fn make_dir(&self, dir: &Path) -> Result<(), FsError> {
        if !self.shared {
            return fs::create_dir_all(dir);
        }
        // Only directories that we make get the mode: those of other users cannot be changed, and need not be.
        let missing: Vec<&Path> = dir.ancestors().take_while(|above| !above.is_dir()).collect();
        // `ancestors` begins with the innermost one, which can only be made last.
        for dir in missing.into_iter().rev() {
            if fs::create_dir(dir)? {
                fs::set_dir_mode(dir, GROUP_DIR)?;
            }
        }
        Ok(())
    }

    /// Removes an object, and gives its size; `None` if the cache lacks it.
    pub fn remove_object(&self, hash: DvcHash) -> Result<Option<u64>, FsError> {
        let Some(size) = self.object_size(hash) else { return Ok(None) };
        // The name alone goes: a hard link of the workspace keeps its bytes.
        fs::remove_all(&self.object_path(hash))?;
        Ok(Some(size))
    }

    /// Takes over every object of another cache that this one lacks. The other one stays as it is.
    pub fn copy_objects_from(&self, other: &Self) -> Result<(), FsError> {
        // A directory that is missing or unreadable has nothing to copy; what is not copied is fetched again.
        let shards = std::fs::read_dir(&other.objects).into_iter().flatten().flatten();
        // What is being made there has no object's name yet.
        let shards = shards.filter(|shard| shard.file_name().len() == SHARD_NAME);
        for object in shards.flat_map(|shard| std::fs::read_dir(shard.path()).into_iter().flatten().flatten()) {
            let from = object.path();
            let (Ok(inner), Ok(kind)) = (from.strip_prefix(&other.objects), object.file_type()) else { continue };
            let to = self.objects.join(inner);
            if kind.is_file() && !to.is_file() {
                self.make_dir(to.parent().unwrap_or(&self.objects))?;
                fs::copy_read_only(&from, &to)?;
            }
        }
        Ok(())
    }

    /// How many bytes are free for the cache; `None` if the system does not say.
    #[must_use]
    pub fn free_bytes(&self) -> Option<u64> {
        fs::free_bytes(&self.dir)
    }

    /// Why so many bytes cannot be fetched, if the disk has no room for them. A full disk stops other programs, too.
    #[must_use]
    pub fn why_no_room(&self, bytes: u64) -> Option<String> {
        let free = self.free_bytes().filter(|free| *free < bytes && bytes != u64::MAX)?;
        Some(self.describe_no_room(bytes, free))
    }

    /// That the disk has no room for so many bytes.
    #[must_use]
    pub fn describe_no_room(&self, bytes: u64, free: u64) -> String {
        format!("{} to fetch, and {} are free for {}", format_bytes(bytes), format_bytes(free), self.dir.display())
    }

    /// A file's size, if the cache has it.
    #[must_use]
    pub fn object_size(&self, hash: DvcHash) -> Option<u64> {
        // An object that cannot be looked at counts as one that the cache lacks.
        std::fs::metadata(self.object_path(hash)).ok().filter(std::fs::Metadata::is_file).map(|meta| meta.len())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn objects_lie_where_dvc_puts_them() {
        let cache = Cache::in_dir(Path::new("/c"));
        let version: DataVersion = "d41d8cd98f00b204e9800998ecf8427e.dir".parse().unwrap();
        assert_eq!(cache.object_path(version.hash()), Path::new("/c/files/md5/d4/1d8cd98f00b204e9800998ecf8427e"));
        assert_eq!(cache.file_list_path(version), Path::new("/c/files/md5/d4/1d8cd98f00b204e9800998ecf8427e.dir"));
    }

    #[test]
    fn a_damaged_file_list_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::in_dir(dir.path());
        let version = FileList::default().data_version();
        assert_eq!(cache.read_file_list(version).unwrap(), None);
        let path = cache.file_list_path(version);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, "[]").unwrap();
        assert_eq!(cache.read_file_list(version).unwrap(), Some(FileList::default()));
        std::fs::write(&path, "[ ]").unwrap();
        assert!(matches!(cache.read_file_list(version), Err(CacheError::Damaged { .. })));
    }

    #[test]
    fn an_object_gets_its_name_only_if_its_bytes_are_right() {
        let dir = tempfile::tempdir().unwrap();
        let (cache, from) = (Cache::in_dir(&dir.path().join("cache")), dir.path().join("object"));
        std::fs::write(&from, "right").unwrap();
        let hash = DvcHash::of_bytes(b"right");
        assert!(cache.insert_verified(hash, &from).unwrap());
        let object = cache.object_path(hash);
        assert_eq!(std::fs::read(&object).unwrap(), b"right");
        assert!(std::fs::metadata(&object).unwrap().permissions().readonly());
        let other = DvcHash::of_bytes(b"other");
        assert!(!cache.insert_verified(other, &from).unwrap());
        let dir = cache.object_path(other).parent().unwrap().to_path_buf();
        assert_eq!(std::fs::read_dir(dir).unwrap().count(), 0, "nothing is left behind");
    }
}
