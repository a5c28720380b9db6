//! How the workspace's dataset differs from a data version, file by file.
//!
//! Nothing is changed. What is known to be right is not read again (see [`KnownFiles`]). A link into DVC's cache is
//! checked like any other file, because the object could have been changed through it.

use std::collections::{BTreeSet, HashMap};
use std::fs::Metadata;
use std::path::{Path, PathBuf};

use crate::dataset::known_files::{FileStat, KnownFiles};
use crate::dataset::runs::{RunEntries, entries_of_no_run, group_by_run, run_keys, run_of_path};
use crate::dataset::verify::{walk_dir, walk_files};
use crate::dvc::cache::Cache;
use crate::dvc::file_list::{FileEntry, FileList};
use crate::dvc::ignore;
use crate::dvc::link::hash_file;
use crate::run::RunKey;
use crate::support::beneath::RootDir;
use crate::support::fs::FsError;
use crate::support::parallel;
use crate::support::progress::Progress;

/// Files that are known to be right, in the working tree's git directory.
pub const KNOWN_FILES_MARK: &str = "capture-hook-known-files";

/// How many files or folders a thread looks at before it takes the next ones.
const CHUNK: usize = 64;

/// What to compare.
pub struct DatasetComparison<'a> {
    /// The project's root, absolute.
    pub root: &'a Path,
    /// DVC's cache.
    pub cache: &'a Cache,
    /// Where it is noted which files are known to be right: [`KNOWN_FILES_MARK`].
    pub known_files: &'a Path,
    /// The dataset, relative to the project.
    pub out_dir: &'a str,
    /// What it should hold.
    pub file_list: &'a FileList,
    /// Only this run.
    pub only_run: Option<&'a RunKey>,
    /// The files before a checkout: what differs from them was written by it, and is right.
    pub before: Option<&'a FilesBefore>,
    /// The most bytes to read.
    pub max_bytes: u64,
}

/// The files of a dataset at one moment.
pub struct FilesBefore(HashMap<String, FileStat>);

/// How a workspace differs. Paths are relative to the dataset.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DatasetDifferences {
    /// Files with other bytes, or something else in their place.
    pub changed: Vec<String>,
    /// Files that do not exist, or lead to no object of the cache, of runs that are.
    pub missing: Vec<String>,
    /// Files that the data version does not hold, in runs that it holds or in none.
    pub added: Vec<String>,
    /// Runs of which nothing is there.
    pub absent_runs: Vec<RunKey>,
    /// How many files are there.
    pub present: usize,
    /// Bytes that were not read, for there are too many.
    pub unread: u64,
}

impl DatasetDifferences {
    /// What is there and differs: local changes.
    pub fn local_changes(&self) -> impl Iterator<Item = &String> {
        self.changed.iter().chain(&self.added)
    }
}

/// The files of the workspace's dataset, as they are now.
#[must_use]
pub fn stat_files(dataset: &Path) -> FilesBefore {
    let mut names = Vec::new();
    walk_files(dataset, "", &mut names);
    // A link that leads nowhere has no state; whatever is at its path later counts as written.
    let stat =
        |name: String| Some((name.clone(), FileStat::from_metadata(&std::fs::metadata(dataset.join(name)).ok()?)));
    FilesBefore(names.into_iter().filter_map(stat).collect())
}

/// Compares the workspace's dataset with a data version's files, those that no checkout takes left out. `progress`
/// advances by bytes read.
pub fn compare_dataset(
    comparison: &DatasetComparison<'_>,
    progress: &dyn Progress,
) -> Result<DatasetDifferences, FsError> {
    let dataset = comparison.root.join(comparison.out_dir);
    let cache = comparison.cache;
    let mut known = KnownFiles::read(comparison.known_files.to_path_buf());
    let mut found = DatasetDifferences::default();
    let entries = present_entries(comparison, &dataset, &mut found);
    let (mut to_read, mut bytes) = (Vec::new(), 0_u64);
    for (entry, meta) in entries {
        let path = || dataset.join(&entry.relpath);
        let Some(meta) = meta else {
            let to = std::fs::read_link(path());
            // DVC's own link to an object that is gone is no change.
            let missing =
                std::fs::symlink_metadata(path()).is_err() || to.is_ok_and(|to| to == cache.object_path(entry.md5));
            if missing { &mut found.missing } else { &mut found.changed }.push(entry.relpath.clone());
            continue;
        };
        found.present += 1;
        let stat = FileStat::from_metadata(&meta);
        let written = comparison.before.is_some_and(|before| before.0.get(&entry.relpath) != Some(&stat));
        if !meta.is_file() {
            found.changed.push(entry.relpath.clone());
        } else if written || known.is_known(&entry.relpath, entry.md5, &stat) {
            // What was written is not noted: another program may have been at work as well.
        } else if bytes.saturating_add(stat.size) > comparison.max_bytes {
            // Over the limit: counted, not read.
            found.unread = found.unread.saturating_add(stat.size);
        } else {
            bytes += stat.size;
            to_read.push((entry, stat));
        }
    }
    let is_unchanged = parallel::map(&to_read, |(entry, stat)| {
        let md5 = hash_file(&dataset.join(&entry.relpath));
        progress.advance_by(stat.size);
        // A file that cannot be read is not known to be right.
        md5.is_ok_and(|(md5, _)| md5 == entry.md5)
    });
    for ((entry, stat), is_unchanged) in to_read.into_iter().zip(is_unchanged) {
        if is_unchanged {
            known.note_file(&entry.relpath, entry.md5, stat);
        } else {
            found.changed.push(entry.relpath.clone());
        }
    }
    // Files that the list no longer holds are dropped; a look at one run says nothing about the others.
    known.write(|file| comparison.only_run.is_some() || comparison.file_list.get(file).is_some());
    found.added = find_added_files(comparison, &dataset)?;
    found.changed.sort();
    Ok(found)
}

/// Files of committed runs, or of none, that the data version does not hold. DVC alone tells which of them it ignores,
/// so with such rules none is returned.
fn find_added_files(comparison: &DatasetComparison<'_>, dataset: &Path) -> Result<Vec<String>, FsError> {
    if !ignore::rule_files(RootDir::new(comparison.root), comparison.out_dir)?.is_empty() {
        return Ok(Vec::new());
    }
    let names = match comparison.only_run {
        Some(run) => {
            let mut names = Vec::new();
            walk_files(&run.dir_under(dataset), &run.to_string(), &mut names);
            names
        }
        None => list_files(dataset),
    };
    let chunks: Vec<&[String]> = names.chunks(CHUNK).collect();
    let unlisted = parallel::map(&chunks, |names| {
        names.iter().filter(|name| comparison.file_list.get(name).is_none()).collect::<Vec<_>>()
    });
    let unlisted: Vec<&String> = unlisted.into_iter().flatten().collect();
    if unlisted.is_empty() {
        return Ok(Vec::new());
    }
    let runs: BTreeSet<RunKey> = run_keys(comparison.file_list).collect();
    let is_of_known_run = |name: &&&String| run_of_path(name).is_none_or(|run| runs.contains(&run));
    let mut added: Vec<String> = unlisted.iter().filter(is_of_known_run).map(|name| (*name).clone()).collect();
    added.sort();
    Ok(added)
}

/// The files below a directory, as [`walk_files`] finds them, each run's folder by one of several threads.
fn list_files(dataset: &Path) -> Vec<String> {
    let (mut names, mut dirs, mut todo) = (Vec::new(), Vec::new(), vec![(dataset.to_path_buf(), String::new())]);
    for depth in 0..2 {
        for (dir, prefix) in std::mem::take(&mut todo) {
            walk_dir(&dir, &prefix, &mut names, &mut |dir, prefix| {
                if depth == 0 { &mut todo } else { &mut dirs }.push((dir, prefix));
            });
        }
    }
    let chunks: Vec<&[(PathBuf, String)]> = dirs.chunks(CHUNK).collect();
    let below = parallel::map(&chunks, |dirs| {
        let mut names = Vec::new();
        dirs.iter().for_each(|(dir, prefix)| walk_files(dir, prefix, &mut names));
        names
    });
    names.extend(below.into_iter().flatten());
    names
}

/// The files that should be there, with what the file system says of each; runs whose folders are not there are noted.
fn present_entries<'a>(
    comparison: &DatasetComparison<'a>,
    dataset: &Path,
    found: &mut DatasetDifferences,
) -> Vec<(&'a FileEntry, Option<Metadata>)> {
    let is_asked = |run: &RunEntries<'_>| comparison.only_run.is_none_or(|only| *only == run.key);
    let runs: Vec<RunEntries<'a>> = group_by_run(comparison.file_list).filter(is_asked).collect();
    let stat = |entry: &'a FileEntry| (entry, std::fs::metadata(dataset.join(&entry.relpath)).ok());
    let chunks: Vec<&[RunEntries<'a>]> = runs.chunks(CHUNK).collect();
    let looked_at = parallel::map(&chunks, |runs| {
        let look_at = |run: &RunEntries<'a>| run.entries.iter().map(stat).collect::<Vec<_>>();
        runs.iter().map(look_at).collect::<Vec<_>>()
    });
    let mut entries = Vec::with_capacity(comparison.file_list.len());
    for (run, files) in runs.into_iter().zip(looked_at.into_iter().flatten()) {
        // `symlink_metadata`: a link in place of the folder is something that is there.
        let is_there = files.iter().any(|(_, meta)| meta.is_some())
            || std::fs::symlink_metadata(run.key.dir_under(dataset)).is_ok();
        if is_there {
            entries.extend(files);
        } else {
            found.absent_runs.push(run.key);
        }
    }
    if comparison.only_run.is_none() {
        entries.extend(entries_of_no_run(comparison.file_list).map(stat));
    }
    entries
}
