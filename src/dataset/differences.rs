//! How the workspace's dataset differs from a data version, file by file.
//!
//! Nothing is changed. What is known to be right is not read again (see [`KnownFiles`]). A link into DVC's cache is
//! checked like any other file, because the object could have been changed through it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::dataset::known_files::{FileStat, KnownFiles};
use crate::dataset::run_folders::{FoundFile, RunFolder};
use crate::dataset::runs::{RunEntries, entries_of_no_run, group_by_run};
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
    let stat = |name: String| Some((name.clone(), FoundFile::at(&dataset.join(name))?.stat));
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
    // DVC alone tells which files it ignores, so with such rules none counts as added.
    let finds_added = ignore::rule_files(RootDir::new(comparison.root), comparison.out_dir)?.is_empty();
    let (entries, unlisted) = look_at_runs(comparison, &dataset, finds_added, &mut found);
    let (mut to_read, mut bytes) = (Vec::new(), 0_u64);
    for (entry, file) in entries {
        let path = || dataset.join(&entry.relpath);
        let Some(FoundFile { stat, is_file }) = file else {
            let to = std::fs::read_link(path());
            // DVC's own link to an object that is gone is no change.
            let missing =
                std::fs::symlink_metadata(path()).is_err() || to.is_ok_and(|to| to == cache.object_path(entry.md5));
            if missing { &mut found.missing } else { &mut found.changed }.push(entry.relpath.clone());
            continue;
        };
        found.present += 1;
        let written = comparison.before.is_some_and(|before| before.0.get(&entry.relpath) != Some(&stat));
        if !is_file {
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
    found.added = unlisted;
    if finds_added && comparison.only_run.is_none() {
        found.added.extend(find_loose_files(comparison.file_list, &dataset));
    }
    found.added.sort();
    found.changed.sort();
    Ok(found)
}

/// Files that the list does not hold and that are in no run's folder: beside experiments or runs, or in a folder whose
/// name no run can have.
fn find_loose_files(file_list: &FileList, dataset: &Path) -> Vec<String> {
    let mut names = Vec::new();
    each_dir(dataset, "", &mut names, &mut |experiment, experiment_path, names| {
        each_dir(&experiment, &experiment_path, names, &mut |dir, path, names| {
            // The folders of listed runs were looked at; others hold no file of this data version.
            if path.parse::<RunKey>().is_err() {
                walk_files(&dir, &path, names);
            }
        });
    });
    names.retain(|name| file_list.get(name).is_none());
    names
}

/// Adds the files in a directory itself; `look_at` gets each directory in it, its path and the names.
fn each_dir(
    dir: &Path,
    prefix: &str,
    names: &mut Vec<String>,
    look_at: &mut dyn FnMut(PathBuf, String, &mut Vec<String>),
) {
    let mut dirs = Vec::new();
    walk_dir(dir, prefix, names, &mut |dir, path| dirs.push((dir, path)));
    dirs.into_iter().for_each(|(dir, path)| look_at(dir, path, names));
}

/// A listed file, and what the file system says of it.
type LookedAt<'a> = (&'a FileEntry, Option<FoundFile>);

/// The files that should be there, and those that should not in the folders of runs; runs whose folders are not there are
/// noted.
fn look_at_runs<'a>(
    comparison: &DatasetComparison<'a>,
    dataset: &Path,
    finds_unlisted: bool,
    found: &mut DatasetDifferences,
) -> (Vec<LookedAt<'a>>, Vec<String>) {
    let is_asked = |run: &RunEntries<'_>| comparison.only_run.is_none_or(|only| *only == run.key);
    let runs: Vec<RunEntries<'a>> = group_by_run(comparison.file_list).filter(is_asked).collect();
    let chunks: Vec<&[RunEntries<'a>]> = runs.chunks(CHUNK).collect();
    let folders = parallel::map(&chunks, |runs| {
        runs.iter().map(|run| RunFolder::look_at(dataset, run, finds_unlisted)).collect::<Vec<_>>()
    });
    let (mut entries, mut unlisted) = (Vec::with_capacity(comparison.file_list.len()), Vec::new());
    for (run, folder) in runs.into_iter().zip(folders.into_iter().flatten()) {
        if folder.is_there {
            entries.extend(run.entries.iter().zip(folder.files));
            unlisted.extend(folder.unlisted);
        } else {
            found.absent_runs.push(run.key);
        }
    }
    if comparison.only_run.is_none() {
        let look_at = |entry: &'a FileEntry| (entry, FoundFile::at(&dataset.join(&entry.relpath)));
        entries.extend(entries_of_no_run(comparison.file_list).map(look_at));
    }
    (entries, unlisted)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::dvc::hash::DvcHash;
    use crate::support::progress::NoProgress;

    const LISTED: [&str; 6] = ["e/gone/a", "e/link/a", "e/r/a", "e/r/b", "e/r/video/x", "loose"];

    fn compare(root: &Path, only_run: Option<&RunKey>) -> DatasetDifferences {
        let entry = |relpath: &str| FileEntry { relpath: relpath.into(), md5: DvcHash::of_bytes(relpath.as_bytes()) };
        let file_list = FileList::new(LISTED.map(entry).to_vec()).unwrap();
        let comparison = DatasetComparison {
            root,
            cache: &Cache::in_dir(&root.join("cache")),
            known_files: &root.join("known"),
            out_dir: "data",
            file_list: &file_list,
            only_run,
            before: None,
            max_bytes: 1 << 20,
        };
        compare_dataset(&comparison, &NoProgress).unwrap()
    }

    #[test]
    fn what_differs_is_found_wherever_it_lies() {
        let dir = tempfile::tempdir().unwrap();
        let write = |file: &str, text: &str| {
            let path = dir.path().join("data").join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        for file in LISTED {
            write(file, file);
        }
        assert_eq!(compare(dir.path(), None), DatasetDifferences { present: 6, ..DatasetDifferences::default() });
        // The folder of a run behind a link is read through it, and the link itself is not of the data version.
        fs::rename(dir.path().join("data/e/link"), dir.path().join("elsewhere")).unwrap();
        symlink("../../elsewhere", dir.path().join("data/e/link")).unwrap();
        fs::remove_dir_all(dir.path().join("data/e/gone")).unwrap();
        fs::remove_file(dir.path().join("data/e/r/b")).unwrap();
        write("e/r/a", "changed");
        for added in ["e/r/new", "e/r/video/y/z", "e/r/.git/config", "e/.git /x", "e/other/x", "e/beside", "beside"] {
            write(added, "");
        }
        symlink("nowhere", dir.path().join("data/e/r/to")).unwrap();
        let found = compare(dir.path(), None);
        assert_eq!(found.changed, ["e/r/a"]);
        assert_eq!(found.missing, ["e/r/b"]);
        assert_eq!(found.absent_runs, ["e/gone".parse().unwrap()]);
        // A run that the data version does not hold is a new one; a folder that can be no run's is not.
        assert_eq!(found.added, ["beside", "e/.git /x", "e/beside", "e/link", "e/r/new", "e/r/to", "e/r/video/y/z"]);
        assert_eq!(found.present, 4);
        let only = compare(dir.path(), Some(&"e/r".parse().unwrap()));
        assert_eq!((only.added.len(), only.missing.len(), only.present), (3, 1, 2));
    }
}
