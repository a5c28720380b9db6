//! `Capture-Files`: one SHA-256 that stands for every file of a run.
//!
//! It is the SHA-256 of the lines that `sha256sum` prints for the files in the run's folder, sorted by name as bytes:
//! recorder files, manifest, parquet, index. It is worked out only if all of these bytes are in this clone, in the
//! cache or in the workspace. Files are read in blocks, by several threads, and each object once.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::path::Path;

use md5::{Digest, Md5};
use sha2::Sha256;

use crate::dvc::cache::Cache;
use crate::dvc::file_list::FileEntry;
use crate::dvc::hash::DvcHash;
use crate::project::{Project, ProjectError};
use crate::run::RunKey;
use crate::support::beneath::{FileKind, RootDir};
use crate::support::blocks::read_blocks;
use crate::support::checksums::checksum_line;
use crate::support::names::is_safe_path;
use crate::support::progress::Progress;
use crate::support::text::to_hex;
use crate::support::{fs, parallel};

/// A run, and its files in a data version.
#[derive(Debug, Clone)]
pub struct RunEntries {
    /// The run.
    pub run: RunKey,
    /// Its files, paths relative to the dataset.
    pub entries: Vec<FileEntry>,
}

impl RunEntries {
    /// What tells these files from all others: the SHA-256 of their names and MD5s, in hex. No byte of them is read.
    #[must_use]
    pub fn listing_hash(&self) -> String {
        hash_lines(self.entries.iter().map(|entry| (self.name_of(entry), entry.md5.to_string())).collect())
    }

    /// The `Capture-Files` of the run, in hex, by the SHA-256 of each object; `None` if one is not known, or without files.
    #[must_use]
    pub fn files_hash(&self, sha256_of: &HashMap<DvcHash, String>) -> Option<String> {
        let line = |entry| Some((self.name_of(entry), sha256_of.get(&entry.md5)?.clone()));
        let lines: Option<Vec<(&str, String)>> = self.entries.iter().map(line).collect();
        lines.filter(|lines| !lines.is_empty()).map(hash_lines)
    }

    /// Whether the run has a file of this name.
    #[must_use]
    pub fn has_file(&self, name: &str) -> bool {
        self.entries.iter().any(|entry| self.name_of(entry) == name)
    }

    /// The path of a file in the run's folder.
    fn name_of<'a>(&self, entry: &'a FileEntry) -> &'a str {
        let name = entry.relpath.strip_prefix(&self.run.to_string()).and_then(|name| name.strip_prefix('/'));
        // The caller took the entries from the run's folder, so they all begin with its name.
        name.unwrap_or(&entry.relpath)
    }
}

/// Whether the bytes of an object are compared with its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ObjectCheck {
    /// Bytes with another MD5 count as missing.
    Md5,
    /// Any bytes are taken: for a caller that knows which SHA-256 is right. This takes a third of the time.
    Nothing,
}

/// The `Capture-Files` of each run, in hex; `None` if not all of its bytes are in this clone. With the dataset's
/// directory, what the cache lacks is read there. Only bytes with the MD5 of the listing count.
pub fn hash_runs(
    project: &Project,
    out_dir: Option<&str>,
    runs: &[RunEntries],
    progress: &dyn Progress,
) -> Result<Vec<Option<String>>, ProjectError> {
    hash_runs_checked(project, out_dir, runs, ObjectCheck::Md5, progress)
}

/// Whether this is the `Capture-Files` of a run; `None` if not all of its bytes are in the cache.
pub fn has_files_hash(
    project: &Project,
    run: &RunEntries,
    files: &str,
    progress: &dyn Progress,
) -> Result<Option<bool>, ProjectError> {
    let hash = |check| -> Result<Option<String>, ProjectError> {
        Ok(hash_runs_checked(project, None, std::slice::from_ref(run), check, progress)?.pop().flatten())
    };
    // No other bytes have the right SHA-256, so the MD5 need not be looked at.
    match hash(ObjectCheck::Nothing)? {
        Some(actual) if actual == files => Ok(Some(true)),
        // If an object is damaged, its bytes say nothing about the commit.
        Some(_) => Ok(hash(ObjectCheck::Md5)?.map(|actual| actual == files)),
        None => Ok(None),
    }
}

fn hash_runs_checked(
    project: &Project,
    out_dir: Option<&str>,
    runs: &[RunEntries],
    check: ObjectCheck,
    progress: &dyn Progress,
) -> Result<Vec<Option<String>>, ProjectError> {
    // The directory is from `dvc.lock`, which others can write: nothing outside the project is read.
    let out_dir = out_dir.filter(|out_dir| is_safe_path(out_dir));
    let source = ObjectSource { cache: project.open_cache()?, files: project.root_files(), out_dir, check };
    // By object: a stranger's list can name one large object for each of countless files.
    let mut objects: BTreeMap<DvcHash, &FileEntry> = BTreeMap::new();
    for run in runs.iter().filter(|run| run.entries.iter().all(|entry| source.has_object(entry))) {
        objects.extend(run.entries.iter().map(|entry| (entry.md5, entry)));
    }
    let objects: Vec<&FileEntry> = objects.into_values().collect();
    let hashed = parallel::map(&objects, |entry| source.hash_object(entry, progress));
    let known: HashMap<DvcHash, String> =
        objects.iter().zip(hashed).filter_map(|(entry, sha256)| Some((entry.md5, sha256?))).collect();
    Ok(runs.iter().map(|run| run.files_hash(&known)).collect())
}

/// The SHA-256 of the lines for these names and hashes, in hex.
pub fn hash_lines(mut files: Vec<(&str, String)>) -> String {
    files.sort();
    let mut sha256 = Sha256::new();
    for (name, hash) in files {
        sha256.update(checksum_line(&hash, name));
    }
    to_hex(&sha256.finalize())
}

/// Where objects are read.
struct ObjectSource<'a> {
    cache: Cache,
    files: RootDir<'a>,
    out_dir: Option<&'a str>,
    check: ObjectCheck,
}

impl ObjectSource<'_> {
    /// Whether something lies in the object's place, or in that of its file.
    fn has_object(&self, entry: &FileEntry) -> bool {
        self.cache.has_object(entry.md5)
            || self.out_dir.is_some_and(|out_dir| {
                // What cannot be looked at cannot be read either.
                is_safe_path(&entry.relpath)
                    && matches!(self.files.file_kind(Path::new(out_dir).join(&entry.relpath)), Ok(FileKind::File))
            })
    }

    /// The SHA-256 of an object, in hex: from the cache, else from the workspace. `None` if neither has its bytes: what
    /// cannot be read is treated like what is not there, and stops no commit.
    fn hash_object(&self, entry: &FileEntry, progress: &dyn Progress) -> Option<String> {
        let cached = fs::open_optional(&self.cache.object_path(entry.md5)).ok().flatten();
        if let Some(sha256) = cached.and_then(|file| self.hash_file(file, entry.md5, progress)) {
            return Some(sha256);
        }
        let out_dir = self.out_dir.filter(|_| is_safe_path(&entry.relpath))?;
        let file = self.files.open(Path::new(out_dir).join(&entry.relpath)).ok()??;
        self.hash_file(file, entry.md5, progress)
    }

    /// The SHA-256 of a file, in hex; `None` if it is not this object, or cannot be read.
    fn hash_file(&self, mut file: File, md5: DvcHash, progress: &dyn Progress) -> Option<String> {
        let (mut sha256, mut actual) = (Sha256::new(), Md5::new());
        let read = read_blocks(&mut file, |block| {
            sha256.update(block);
            if self.check == ObjectCheck::Md5 {
                actual.update(block);
            }
            progress.advance_by(block.len() as u64);
            Ok(())
        });
        read.ok()?;
        if self.check == ObjectCheck::Md5 && DvcHash::from_digest(actual.finalize().into()) != md5 {
            return None;
        }
        Some(to_hex(&sha256.finalize()))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn entries_of(run: &str, names: &[&str]) -> RunEntries {
        let entry =
            |name: &&str| FileEntry { relpath: format!("{run}/{name}"), md5: DvcHash::of_bytes(name.as_bytes()) };
        RunEntries { run: run.parse().unwrap(), entries: names.iter().map(entry).collect() }
    }

    #[test]
    fn lines_are_sorted_by_name_as_bytes() {
        let files = |order: [usize; 3]| {
            let files = [("Z", "1".repeat(64)), ("a", "2".repeat(64)), ("a\nb", "0".repeat(64))];
            hash_lines(order.map(|at| files[at].clone()).to_vec())
        };
        let text = format!("{}  Z\n{}  a\n\\{}  a\\nb\n", "1".repeat(64), "2".repeat(64), "0".repeat(64));
        assert_eq!(files([0, 1, 2]), to_hex(&Sha256::digest(text)));
        assert_eq!(files([2, 1, 0]), files([0, 1, 2]));
    }

    #[test]
    fn a_listing_is_told_from_others_by_names_and_hashes_alone() {
        let hash = entries_of("demo/r1", &["run.json", "steps.parquet"]).listing_hash();
        // In whatever folder: a run that was renamed has the same files.
        assert_eq!(entries_of("nav/r 2", &["steps.parquet", "run.json"]).listing_hash(), hash);
        assert_ne!(entries_of("demo/r1", &["run.json"]).listing_hash(), hash);
        let mut other = entries_of("demo/r1", &["run.json", "steps.parquet"]);
        other.entries[1].md5 = DvcHash::of_bytes(b"other");
        assert_ne!(other.listing_hash(), hash);
    }
}
