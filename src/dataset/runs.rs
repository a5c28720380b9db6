//! A file list grouped by runs: the first two folders of a path are its run, `experiment/run_id`; other files belong
//! to no run.
//!
//! Also finds what a data version holds that must not be checked out; then the whole run is refused.

use std::collections::HashSet;
use std::ops::Range;
use std::path::Path;

use crate::dvc::file_list::{FileEntry, FileList};
use crate::run::RunKey;
use crate::support::names;
use crate::support::names::{RefusedName, SafePaths};

/// What of a data version no checkout takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedPath {
    /// A run's folder, or a file that is in none; relative to the dataset.
    pub path: String,
    /// Which name in it is refused, and why.
    pub why: RefusedName,
}

impl RefusedPath {
    /// Of a file's path, relative to the dataset.
    #[must_use]
    pub fn from_path(path: &str) -> Option<Self> {
        names::find_refused(path).map(|why| Self { path: path.to_owned(), why })
    }
}

impl std::fmt::Display for RefusedPath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.path.escape_debug(), self.why)
    }
}

/// The files of one run in a file list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunEntries<'a> {
    /// Which run.
    pub key: RunKey,
    /// Its files, sorted; `relpath` is relative to the dataset.
    pub entries: &'a [FileEntry],
}

/// The run that a file of the dataset belongs to, by its path.
#[must_use]
pub fn run_of_path(relpath: &str) -> Option<RunKey> {
    run_prefix(relpath).and_then(|prefix| prefix.parse().ok())
}

/// `<experiment>/<run_id>` of a path with at least three components.
fn run_prefix(relpath: &str) -> Option<&str> {
    let first = relpath.find('/')?;
    let second = first + 1 + relpath[first + 1..].find('/')?;
    Some(&relpath[..second])
}

/// The runs, with their files, in the list's order. Files that are in no run's folder are left out.
pub fn group_by_run(file_list: &FileList) -> impl Iterator<Item = RunEntries<'_>> {
    // A sorted list holds what shares a prefix `<experiment>/<run_id>/` together.
    file_list.entries().chunk_by(|a, b| run_prefix(&a.relpath) == run_prefix(&b.relpath)).filter_map(|entries| {
        let key = run_of_path(&entries.first()?.relpath)?;
        Some(RunEntries { key, entries })
    })
}

/// The runs of a list, in its order.
pub fn run_keys(file_list: &FileList) -> impl Iterator<Item = RunKey> {
    group_by_run(file_list).map(|run| run.key)
}

/// One run's files; empty if the list has no such run.
#[must_use]
pub fn entries_of_run<'a>(file_list: &'a FileList, key: &RunKey) -> &'a [FileEntry] {
    // The range was computed from this list, so it exists.
    file_list.entries().get(run_range(file_list, key)).unwrap_or_default()
}

fn run_range(file_list: &FileList, key: &RunKey) -> Range<usize> {
    let (prefix, entries) = (format!("{key}/"), file_list.entries());
    let start = entries.partition_point(|e| e.relpath < prefix);
    let len = entries.get(start..).unwrap_or_default().partition_point(|e| e.relpath.starts_with(&prefix));
    start..start + len
}

/// The files that are in no run's folder.
pub fn entries_of_no_run(file_list: &FileList) -> impl Iterator<Item = &FileEntry> {
    file_list.entries().iter().filter(|entry| run_of_path(&entry.relpath).is_none())
}

/// The list without what no checkout takes, and that. A run is refused as a whole.
#[must_use]
pub fn split_refused(file_list: FileList) -> (FileList, Vec<RefusedPath>) {
    let mut paths = SafePaths::default();
    if file_list.entries().iter().all(|entry| paths.is_safe(&entry.relpath)) {
        return (file_list, Vec::new());
    }
    let (mut safe_entries, mut refused) = (Vec::with_capacity(file_list.len()), Vec::new());
    let is_same_run = |a: &FileEntry, b: &FileEntry| {
        let prefix = run_prefix(&a.relpath);
        prefix.is_some() && prefix == run_prefix(&b.relpath)
    };
    for entries in file_list.entries().chunk_by(is_same_run) {
        match entries.iter().find_map(|entry| RefusedPath::from_path(&entry.relpath)) {
            None => safe_entries.extend_from_slice(entries),
            Some(refusal) => {
                let run = entries.first().and_then(|entry| run_prefix(&entry.relpath)).map(str::to_owned);
                refused.push(RefusedPath { path: run.unwrap_or(refusal.path), why: refusal.why });
            }
        }
    }
    // Sorted, and without a path twice, as the list was.
    (FileList::new(safe_entries).unwrap_or_default(), refused)
}

/// The list without the runs whose folders are not in the dataset: pulled in part, or deleted by hand.
#[must_use]
pub fn without_absent_runs(file_list: &FileList, dataset: &Path) -> FileList {
    let mut present_runs: HashSet<RunKey> = HashSet::new();
    // What cannot be read holds no run, nor does a file beside the experiments.
    for experiment in std::fs::read_dir(dataset).into_iter().flatten().flatten() {
        for run in std::fs::read_dir(experiment.path()).into_iter().flatten().flatten() {
            let name = (experiment.file_name(), run.file_name());
            if let (Some(experiment), Some(run)) = (name.0.to_str(), name.1.to_str())
                && let Ok(key) = RunKey::new(experiment, run)
            {
                present_runs.insert(key);
            }
        }
    }
    if run_keys(file_list).all(|key| present_runs.contains(&key)) {
        return file_list.clone();
    }
    let is_present = |entry: &&FileEntry| run_of_path(&entry.relpath).is_none_or(|key| present_runs.contains(&key));
    // Part of a valid list is valid.
    FileList::new(file_list.entries().iter().filter(is_present).cloned().collect()).unwrap_or_default()
}

/// The run that a `run_dir` names, among the runs of a dataset: its last component is the run id, the one before it the
/// experiment, unless the run's own metadata names another (then the id alone decides, if it is the only one).
#[must_use]
pub fn find_run_of_dir(run_dir: &str, runs: &[RunKey]) -> Option<RunKey> {
    let mut parts = run_dir.trim_end_matches('/').rsplit('/');
    let (run_id, experiment) = (parts.next()?, parts.next());
    let same_id: Vec<&RunKey> = runs.iter().filter(|key| key.run_id() == run_id).collect();
    let exact = same_id.iter().find(|key| Some(key.experiment()) == experiment);
    match (exact, same_id.as_slice()) {
        (Some(key), _) => Some((*key).clone()),
        (None, [only]) => Some((*only).clone()),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::dvc::hash::DvcHash;

    fn make_entry(relpath: &str) -> FileEntry {
        FileEntry { relpath: relpath.into(), md5: DvcHash::of_bytes(relpath.as_bytes()) }
    }

    #[test]
    fn a_refused_run_holds_no_other_back() {
        let paths =
            ["a/r1/x", "a/r1/y", "b/.git /x", "b/.git /y", "b/r2/x", "b/r2/site-packages/z", "loose", "../up", "../x"];
        let all = FileList::new(paths.map(make_entry).to_vec()).unwrap();
        let (safe_list, refused) = split_refused(all);
        assert_eq!(safe_list, FileList::new(["a/r1/x", "a/r1/y", "loose"].map(make_entry).to_vec()).unwrap());
        let refused: Vec<&str> = refused.iter().map(|refusal| refusal.path.as_str()).collect();
        assert_eq!(refused, ["../up", "../x", "b/.git ", "b/r2"]);
        assert_eq!(split_refused(safe_list.clone()), (safe_list, Vec::new()));
    }

    #[test]
    fn runs_stay_together() {
        let file_list =
            FileList::new(["e/r/x", "e/r-1/x", "e/r/a/b", "e/r.1/x", "e/top", "e/r0/x"].map(make_entry).to_vec())
                .unwrap();
        let runs: Vec<_> = group_by_run(&file_list).map(|r| (r.key.to_string(), r.entries.len())).collect();
        assert_eq!(runs, [("e/r-1".into(), 1), ("e/r.1".into(), 1), ("e/r".into(), 2), ("e/r0".into(), 1)]);
        assert_eq!(entries_of_no_run(&file_list).map(|e| e.relpath.as_str()).collect::<Vec<_>>(), ["e/top"]);
        assert_eq!(entries_of_run(&file_list, &"e/r".parse().unwrap()).len(), 2);
    }

    #[test]
    fn a_run_directory_names_its_run() {
        let runs: Vec<RunKey> = ["demo/r1", "nav/r1", "nav/r2"].iter().map(|k| k.parse().unwrap()).collect();
        assert_eq!(find_run_of_dir("results/nav/r1", &runs), Some(runs[1].clone()));
        assert_eq!(find_run_of_dir("results/elsewhere/r2/", &runs), Some(runs[2].clone()));
        assert_eq!(find_run_of_dir("results/elsewhere/r1", &runs), None);
        assert_eq!(find_run_of_dir("r3", &runs), None);
    }
}
