//! Reads the lists of directories from wherever they are: caches, remotes that are directories, and last of all by DVC.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::dvc::cache::Cache;
use crate::dvc::file_list::{FileList, FileListError};
use crate::dvc::hash::{DataVersion, DvcHash};
use crate::dvc::project::DvcProject;
use crate::dvc::settings::DvcSettings;
use crate::dvc::stored_objects::{ObjectLayout, ObjectName};
use crate::project::ProjectError;
use crate::support::env::Env;
use crate::support::{fs, limits};

/// Where lists are looked for, in this order.
pub struct ListReader<'p> {
    stores: Vec<Cache>,
    dvc: Option<DvcProject<'p>>,
    failures: RefCell<Vec<String>>,
}

/// After so many lists in a row that DVC does not fetch, it is not asked for others: it may be offline.
const MOST_FAILURES: usize = 5;

impl<'p> ListReader<'p> {
    /// One that looks into these stores.
    #[must_use]
    pub fn new(stores: Vec<Cache>) -> Self {
        Self { stores, dvc: None, failures: RefCell::default() }
    }

    /// The caches and the directory remotes of the DVC projects at these roots.
    pub fn of_projects(roots: &BTreeSet<PathBuf>, env: &Env) -> Result<Self, ProjectError> {
        let mut dirs: Vec<PathBuf> = Vec::new();
        let settings: Vec<DvcSettings> =
            roots.iter().map(|root| DvcSettings::read(root, env)).collect::<Result<_, _>>()?;
        dirs.extend(settings.iter().map(|settings| settings.cache_dir.clone()));
        dirs.extend(settings.iter().flat_map(|settings| settings.remotes.values()).filter_map(|r| r.dir.clone()));
        let mut seen = BTreeSet::new();
        dirs.retain(|dir| seen.insert(dir.clone()));
        Ok(Self::new(dirs.iter().map(|dir| Cache::in_dir(dir)).collect()))
    }

    /// The same, which has DVC fetch what no directory holds from this project's default remote into its cache.
    #[must_use]
    pub fn with_dvc(mut self, dvc: DvcProject<'p>) -> Self {
        self.dvc = Some(dvc);
        self
    }

    /// The directories that it looks into.
    pub fn dirs(&self) -> impl Iterator<Item = &Path> {
        self.stores.iter().map(Cache::dir)
    }

    /// A list's bytes; `None` if it is nowhere, or damaged wherever it is.
    pub fn read_bytes(&self, list: DataVersion) -> Result<Option<Vec<u8>>, ProjectError> {
        if let Some(bytes) = self.read_stored(list)? {
            return Ok(Some(bytes));
        }
        let has_remote = |dvc: &&DvcProject<'_>| dvc.settings().default_remote().is_some();
        let may_ask = self.failures.borrow().len() < MOST_FAILURES;
        let Some(dvc) = self.dvc.as_ref().filter(has_remote).filter(|_| may_ask) else { return Ok(None) };
        if let Err(error) = dvc.fetch_file_list(list) {
            self.failures.borrow_mut().push(error.describe_with_cause());
            return Ok(None);
        }
        self.failures.borrow_mut().clear();
        let fetched = Self::new(vec![dvc.cache()]);
        fetched.read_stored(list)
    }

    /// Why DVC did not fetch the last lists, in a line.
    #[must_use]
    pub fn why_not_fetched(&self) -> Option<String> {
        self.failures.borrow().first().cloned()
    }

    pub(super) fn read_stored(&self, list: DataVersion) -> Result<Option<Vec<u8>>, ProjectError> {
        for layout in [ObjectLayout::Md5, ObjectLayout::Dos2Unix] {
            let name = ObjectName { hash: list.hash(), is_list: true, layout };
            for store in &self.stores {
                let Some(bytes) = fs::read_within(&store.stored_path(name), limits::FILE_LIST)? else { continue };
                // Old releases named a list by a hash over something else.
                let is_whole = match layout {
                    ObjectLayout::Md5 => DataVersion::of_list(&bytes) == list,
                    ObjectLayout::Dos2Unix => serde_json::from_slice::<serde::de::IgnoredAny>(&bytes).is_ok(),
                };
                if is_whole {
                    return Ok(Some(bytes));
                }
            }
        }
        Ok(None)
    }

    /// A parsed list; `None` if it is nowhere, or cannot be parsed.
    pub fn read_list(&self, list: DataVersion) -> Result<Option<FileList>, ProjectError> {
        Ok(self.read_bytes(list)?.and_then(|bytes| FileList::parse(&bytes).ok()))
    }
}

/// Calls `each` with the hash of every file of a list. Nothing is kept in memory but the list's bytes.
pub fn each_listed_hash(bytes: &[u8], mut each: impl FnMut(DvcHash)) -> Result<(), FileListError> {
    // In a JSON string each quote has a backslash before it, so that these can be nothing but keys.
    const KEY: &[u8] = b"\"md5\": \"";
    let files = memchr::memmem::find_iter(bytes, b"\"relpath\"").count();
    let at_keys: Vec<Option<DvcHash>> = memchr::memmem::find_iter(bytes, KEY)
        .map(|at| bytes.get(at + KEY.len()..at + KEY.len() + 32).and_then(DvcHash::from_hex))
        .collect();
    // What has no file is a list only if it parses as one.
    let has_files = files > 0 && at_keys.len() == files;
    if has_files && bytes.starts_with(b"[") && bytes.ends_with(b"]") && at_keys.iter().all(Option::is_some) {
        at_keys.into_iter().flatten().for_each(each);
        return Ok(());
    }
    FileList::parse(bytes)?.entries().iter().for_each(|entry| each(entry.md5));
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::dvc::file_list::FileEntry;

    fn hashes(bytes: &[u8]) -> Option<Vec<DvcHash>> {
        let mut found = Vec::new();
        each_listed_hash(bytes, |hash| found.push(hash)).ok()?;
        Some(found)
    }

    #[test]
    fn hashes_are_those_of_the_parsed_list() {
        let path = |n: usize| match n % 4 {
            0 => format!("e/r{n:03}/f"),
            1 => format!("e/r{n:03}/\"md5\": \"{}", "0".repeat(32)),
            2 => format!("e/r{n:03}/\"relpath\""),
            _ => format!("e/r{n:03}/ü\u{1f600}"),
        };
        for count in [0, 1, 4, 50] {
            let entries: Vec<FileEntry> =
                (0..count).map(|n| FileEntry { relpath: path(n), md5: DvcHash::of_bytes(&[n as u8]) }).collect();
            let list = FileList::new(entries).unwrap();
            let expected: Vec<DvcHash> = list.entries().iter().map(|entry| entry.md5).collect();
            let bytes = list.to_bytes();
            assert_eq!(hashes(&bytes).unwrap(), expected);
            let loose = String::from_utf8(bytes.clone()).unwrap().replace("\": ", "\":");
            assert_eq!(hashes(loose.as_bytes()).unwrap().len(), expected.len());
            // Half of it is no list.
            assert!(count == 0 || hashes(&bytes[..bytes.len() / 2]).is_none());
        }
        assert!(hashes(b"").is_none() && hashes(b"{}").is_none() && hashes(b"[{\"md5\": 1}]").is_none());
    }

    #[test]
    fn a_damaged_list_is_looked_for_elsewhere() {
        let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let stores = [a.path(), b.path()].map(Cache::in_dir);
        let reader = ListReader::new(stores.to_vec());
        let list = FileList::new(vec![FileEntry { relpath: "e/r/f".into(), md5: DvcHash::of_bytes(b"") }]).unwrap();
        let version = stores[0].insert_file_list(&list).unwrap();
        assert_eq!(reader.read_list(version).unwrap(), Some(list.clone()));
        crate::support::fs::remove_all(&stores[0].file_list_path(version)).unwrap();
        crate::support::fs::write_atomic(&stores[0].file_list_path(version), b"[]").unwrap();
        assert_eq!(reader.read_bytes(version).unwrap(), None);
        stores[1].insert_file_list(&list).unwrap();
        assert_eq!(reader.read_bytes(version).unwrap(), Some(list.to_bytes()));
    }
}
