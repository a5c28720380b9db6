//! A `.dir` object as text: in memory, or in its file, of which only the parts in question are read.
//!
//! A list of ten thousand runs has several megabytes. What every commit asks (what differs from the last list, one
//! run's entries) reads little of it, or each part only once.

use std::borrow::Cow;
use std::cell::{Cell, OnceCell};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;

use crate::dvc::cache::Cache;
use crate::dvc::hash::DataVersion;
use crate::support::fs;
use crate::support::fs::{At, FsError};

/// Bytes to look at in parts.
pub trait ListBytes {
    /// How many bytes there are.
    fn size(&self) -> usize;

    /// The bytes in a range, or as many of them as there are.
    fn read_part(&self, range: Range<usize>) -> Result<Cow<'_, [u8]>, FsError>;

    /// All of them.
    fn read_whole(&self) -> Result<Cow<'_, [u8]>, FsError> {
        self.read_part(0..self.size())
    }
}

impl ListBytes for [u8] {
    fn size(&self) -> usize {
        self.len()
    }

    fn read_part(&self, range: Range<usize>) -> Result<Cow<'_, [u8]>, FsError> {
        // A range past the end is cut, as for a file below: callers ask for whole windows.
        let end = range.end.min(self.len());
        Ok(Cow::Borrowed(self.get(range.start.min(end)..end).unwrap_or_default()))
    }
}

/// After how many parts of a file all of it is read and kept: who asks for the entries of many runs would read it again
/// and again.
const MANY_PARTS: u32 = 64;
/// The largest file that is kept so: a list of some ten thousand runs.
const MAX_KEPT: usize = 8 << 20;

/// An open file.
#[derive(Debug)]
pub struct ListFile {
    file: File,
    size: usize,
    path: std::path::PathBuf,
    parts_read: Cell<u32>,
    kept: OnceCell<Vec<u8>>,
}

impl ListFile {
    /// A data version's list as the cache holds it, not checked against its name; `None` if the cache does not have it.
    pub fn of_version(cache: &Cache, version: DataVersion) -> Result<Option<Self>, FsError> {
        Self::open(&cache.file_list_path(version))
    }

    /// Opens a file; `None` if it does not exist.
    pub fn open(path: &Path) -> Result<Option<Self>, FsError> {
        let Some(file) = fs::open_optional(path)? else { return Ok(None) };
        let size = file.metadata().at("look at", path)?.len();
        // This can fail only if `usize` is narrower than 64 bits.
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        Ok(Some(Self { file, size, path: path.to_path_buf(), parts_read: Cell::new(0), kept: OnceCell::new() }))
    }

    fn read_from_file(&self, range: Range<usize>) -> Result<Vec<u8>, FsError> {
        let end = range.end.min(self.size);
        let mut bytes = vec![0; end.saturating_sub(range.start)];
        // `Read` and `Seek` are implemented for `&File`, so `self` need not be mutable.
        let mut file = &self.file;
        file.seek(SeekFrom::Start(range.start as u64)).at("read", &self.path)?;
        file.read_exact(&mut bytes).at("read", &self.path)?;
        Ok(bytes)
    }
}

impl ListBytes for ListFile {
    fn size(&self) -> usize {
        self.size
    }

    fn read_part(&self, range: Range<usize>) -> Result<Cow<'_, [u8]>, FsError> {
        if let Some(kept) = self.kept.get() {
            return kept.as_slice().read_part(range);
        }
        let parts_read = self.parts_read.get().saturating_add(1);
        self.parts_read.set(parts_read);
        if parts_read > MANY_PARTS && self.size <= MAX_KEPT {
            let bytes = self.read_from_file(0..self.size)?;
            return self.kept.get_or_init(|| bytes).as_slice().read_part(range);
        }
        Ok(Cow::Owned(self.read_from_file(range)?))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_file_and_its_bytes_read_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        assert!(ListFile::open(&path).unwrap().is_none());
        let bytes: Vec<u8> = (0..=255).collect();
        std::fs::write(&path, &bytes).unwrap();
        let file = ListFile::open(&path).unwrap().unwrap();
        // So often that the file is kept in memory at the end.
        for _ in 0..MANY_PARTS {
            for range in [0..0, 0..256, 10..20, 250..999, 256..300, 999..1000] {
                assert_eq!(file.read_part(range.clone()).unwrap(), bytes[..].read_part(range).unwrap());
            }
        }
        assert!(file.kept.get().is_some());
        assert_eq!(file.read_whole().unwrap(), &bytes[..]);
    }
}
