//! DVC's cache of objects, read natively: `<cache>/files/md5/<2 hex>/<30 hex>[.dir]`.
//!
//! Source of the layout: `dvc/cachemgr.py` and `dvc_data/hashfile/db/local.py`. DVC 2 kept its objects one level up
//! (`<cache>/<2 hex>/…`) and named them by another hash; such objects are never read here: DVC decides about them.

use std::path::{Path, PathBuf};

use crate::dataset::list_bytes::TextFile;
use crate::dvc::file_list::{Listing, ListingError};
use crate::dvc::hash::{DataVersion, Oid};
use crate::dvc::settings::Settings;
use crate::error::ExitKind::Io;
use crate::error::{Explain, Explanation};
use crate::support::fs::FsError;
use crate::support::{fs, limits};

/// The mode of a shared cache's directories (source: `dvc_data/hashfile/db/local.py`).
const GROUP_DIR: u32 = 0o2775;

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
    /// A `.dir` object that is none.
    #[error("{}", path.display())]
    Listing {
        /// Where it lies.
        path: PathBuf,
        /// What is wrong with it.
        source: ListingError,
    },
}

impl Explain for CacheError {
    fn explain(&self) -> Explanation {
        let again = |path: &Path| format!("remove {} and fetch it again: `capture-hook pull`", path.display());
        match self {
            Self::Fs(error) => Explanation { exit: Io, ..error.explain() },
            Self::Damaged { path } => Io.code("cache_object_damaged").hint(again(path)),
            Self::Listing { path, .. } => Io.code("cache_object_not_read").hint(again(path)),
        }
    }
}

/// The cache of one project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cache {
    dir: PathBuf,
    objects: PathBuf,
    /// Whether a group shares it: whoever is in it may add objects.
    shared: bool,
}

impl Cache {
    /// The cache that the settings name.
    #[must_use]
    pub fn of(settings: &Settings) -> Self {
        Self { shared: settings.shared, ..Self::at(&settings.cache_dir) }
    }

    /// The cache in a directory (`.dvc/cache`). A directory remote has the same layout.
    #[must_use]
    pub fn at(dir: &Path) -> Self {
        Self { dir: dir.to_path_buf(), objects: dir.join("files").join("md5"), shared: false }
    }

    /// The directory of the cache.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where a file's bytes lie, or would lie.
    #[must_use]
    pub fn path(&self, oid: Oid) -> PathBuf {
        self.place(oid, "")
    }

    /// Where a `.dir` object lies, or would lie.
    #[must_use]
    pub fn listing_path(&self, version: DataVersion) -> PathBuf {
        self.place(version.oid(), ".dir")
    }

    fn place(&self, oid: Oid, suffix: &str) -> PathBuf {
        let hex = oid.to_string();
        let (shard, rest) = hex.split_at(2);
        self.objects.join(shard).join(format!("{rest}{suffix}"))
    }

    /// Whether a file's bytes are there (not whether they are whole).
    #[must_use]
    pub fn has(&self, oid: Oid) -> bool {
        self.path(oid).is_file()
    }

    /// Whether a `.dir` object is there.
    #[must_use]
    pub fn has_listing(&self, version: DataVersion) -> bool {
        self.listing_path(version).is_file()
    }

    /// A `.dir` object, its bytes checked against its name; `None` where the cache does not have it.
    pub fn listing(&self, version: DataVersion) -> Result<Option<Listing>, CacheError> {
        let Some(bytes) = fs::read_within(&self.listing_path(version), limits::LIST)? else { return Ok(None) };
        self.whole(version, DataVersion::of(&bytes))?;
        let path = self.listing_path(version);
        Listing::parse(&bytes).map(Some).map_err(|source| CacheError::Listing { path, source })
    }

    /// A `.dir` object's text as it lies there, not checked against its name; `None` where the cache does not have it.
    pub fn list(&self, version: DataVersion) -> Result<Option<TextFile>, CacheError> {
        Ok(TextFile::open(&self.listing_path(version))?)
    }

    /// An error where the bytes of a `.dir` object are of another version than its name says.
    pub fn whole(&self, version: DataVersion, of_bytes: DataVersion) -> Result<(), CacheError> {
        if version == of_bytes { Ok(()) } else { Err(CacheError::Damaged { path: self.listing_path(version) }) }
    }

    /// Puts a `.dir` object into the cache, read-only as DVC does.
    pub fn put_listing(&self, listing: &Listing) -> Result<DataVersion, CacheError> {
        self.put_list(&listing.to_bytes())
    }

    /// Puts the bytes of a `.dir` object from elsewhere into the cache, where they are what the version's name says.
    pub fn put_listing_bytes(&self, version: DataVersion, bytes: &[u8]) -> Result<(), CacheError> {
        self.whole(version, DataVersion::of(bytes))?;
        self.put_list(bytes).map(drop)
    }

    /// Puts the bytes of a `.dir` object into the cache. Its name is worked out while they are written: both grow with the
    /// dataset.
    pub fn put_list(&self, bytes: &[u8]) -> Result<DataVersion, CacheError> {
        self.make_dir(&self.objects)?;
        std::thread::scope(|scope| {
            let name = scope.spawn(|| DataVersion::of(bytes));
            let unnamed = fs::Unnamed::write_read_only(&self.objects, bytes)?;
            // A thread that panicked has named nothing.
            let version = name.join().unwrap_or_else(|_| DataVersion::of(bytes));
            let path = self.listing_path(version);
            if !path.is_file() {
                if let Some(dir) = path.parent() {
                    self.make_dir(dir)?;
                }
                unnamed.name(&path)?;
            }
            Ok(version)
        })
    }

    /// Makes a directory of the cache, and those above it: of a shared one each so that the group may write there, as DVC
    /// does it. One that is there keeps its mode.
    pub fn make_dir(&self, dir: &Path) -> Result<(), FsError> {
        if !self.shared {
            return fs::create_dir_all(dir);
        }
        let missing: Vec<&Path> = dir.ancestors().take_while(|above| !above.is_dir()).collect();
        for dir in missing.into_iter().rev() {
            if fs::create_dir(dir)? {
                fs::set_dir_mode(dir, GROUP_DIR)?;
            }
        }
        Ok(())
    }

    /// Takes over every object of another cache that this one lacks. The other one stays as it is.
    pub fn take_over(&self, other: &Self) -> Result<(), FsError> {
        let shards = std::fs::read_dir(&other.objects).into_iter().flatten().flatten();
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

    /// A file's size, where the cache has it.
    #[must_use]
    pub fn size(&self, oid: Oid) -> Option<u64> {
        std::fs::metadata(self.path(oid)).ok().filter(std::fs::Metadata::is_file).map(|meta| meta.len())
    }

    /// Whether the directory holds objects in the layout of DVC 2, which only DVC reads.
    #[must_use]
    pub fn has_legacy_objects(&self) -> bool {
        let shard = |name: &std::ffi::OsStr| {
            name.to_str().is_some_and(|n| n.len() == 2 && n.bytes().all(|b| b.is_ascii_hexdigit()))
        };
        std::fs::read_dir(&self.dir).is_ok_and(|entries| entries.flatten().any(|e| shard(&e.file_name())))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn objects_lie_where_dvc_puts_them() {
        let cache = Cache::at(Path::new("/c"));
        let version: DataVersion = "d41d8cd98f00b204e9800998ecf8427e.dir".parse().unwrap();
        assert_eq!(cache.path(version.oid()), Path::new("/c/files/md5/d4/1d8cd98f00b204e9800998ecf8427e"));
        assert_eq!(cache.listing_path(version), Path::new("/c/files/md5/d4/1d8cd98f00b204e9800998ecf8427e.dir"));
    }

    #[test]
    fn a_damaged_listing_is_not_believed() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path());
        let version = Listing::default().version();
        assert_eq!(cache.listing(version).unwrap(), None);
        let path = cache.listing_path(version);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, "[]").unwrap();
        assert_eq!(cache.listing(version).unwrap(), Some(Listing::default()));
        std::fs::write(&path, "[ ]").unwrap();
        assert!(matches!(cache.listing(version), Err(CacheError::Damaged { .. })));
    }

    /// D2: A cache with objects of DVC 2 is recognised.
    #[test]
    fn the_layout_of_dvc_2_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path());
        std::fs::create_dir_all(dir.path().join("files/md5/ab")).unwrap();
        assert!(!cache.has_legacy_objects());
        std::fs::create_dir_all(dir.path().join("0f")).unwrap();
        assert!(cache.has_legacy_objects());
    }
}
