//! The union of two file lists, run by run.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::{BothChanged, MergeConflict, MergeDecisions, RunChoice, merge_three_way};
use crate::dataset::runs::{entries_of_no_run, entries_of_run, group_by_run};
use crate::dvc::file_list::{FileEntry, FileList};
use crate::run::RunKey;
use crate::run::layout::{DATASET_INDEX, EPISODES_PARQUET, MANIFEST, STEPS_PARQUET};

/// What three file lists make together.
#[derive(Default)]
pub(crate) struct ListUnion {
    pub entries: Vec<FileEntry>,
    pub conflicts: Vec<MergeConflict>,
    pub added: (Vec<RunKey>, Vec<RunKey>),
    pub removed: (Vec<RunKey>, Vec<RunKey>),
    pub same_recordings: Vec<RunKey>,
    pub decided_runs: Vec<(RunKey, RunChoice)>,
    pub renamed_runs: Vec<(RunKey, RunKey)>,
}

/// The other side's files of a run that has the current side's, in a folder beside it whose name is not taken.
fn rename_theirs(
    run: &RunKey,
    files: &[FileEntry],
    is_taken: impl Fn(&RunKey) -> bool,
) -> Option<(RunKey, Vec<FileEntry>)> {
    // A bound, so that the search ends; without a free name the run stays a conflict.
    const TRIES: usize = 1000;
    let name = (1..TRIES).find_map(|n| {
        let end = if n == 1 { String::new() } else { n.to_string() };
        // A name that no run may have is passed over.
        let name = RunKey::new(run.experiment(), &format!("{}-theirs{end}", run.run_id())).ok()?;
        (!is_taken(&name)).then_some(name)
    })?;
    let prefix = format!("{run}/");
    let moved = |entry: &FileEntry| {
        let path = entry.relpath.strip_prefix(&prefix).unwrap_or(&entry.relpath);
        FileEntry { relpath: format!("{name}/{path}"), md5: entry.md5 }
    };
    let files = files.iter().map(moved).collect();
    Some((name, files))
}

/// Whether a run's files on both sides are one recording: they differ only in what ingest makes of the recorder's
/// files, which two versions of capture-hook may make differently.
fn is_same_recording(ours: &[FileEntry], theirs: &[FileEntry]) -> bool {
    let is_derived = |entry: &&FileEntry| {
        // An entry of a run has two folders before its name.
        let name = entry.relpath.splitn(3, '/').nth(2).unwrap_or_default();
        matches!(name, STEPS_PARQUET | EPISODES_PARQUET | DATASET_INDEX | MANIFEST)
    };
    let recorded =
        |entries: &'_ [FileEntry]| entries.iter().filter(|entry| !is_derived(entry)).cloned().collect::<Vec<_>>();
    let ours = recorded(ours);
    // Without recorder files nothing shows that it is one recording.
    !ours.is_empty() && ours == recorded(theirs)
}

/// One run's files on each side.
#[derive(Default)]
struct RunSides<'a> {
    base: &'a [FileEntry],
    ours: &'a [FileEntry],
    theirs: &'a [FileEntry],
}

/// Unites two file lists run by run, against their common ancestor's. If a decision keeps both sides' files of a run,
/// the other side's are in a folder of another name, byte for byte: a run is identified by its folder in a dataset, and
/// what its own `run.json` says is evidence.
pub(crate) fn union_file_lists(
    base: &FileList,
    ours: &FileList,
    theirs: &FileList,
    decisions: &MergeDecisions,
) -> ListUnion {
    let mut runs: BTreeMap<RunKey, RunSides<'_>> = BTreeMap::new();
    for run in group_by_run(base) {
        runs.entry(run.key).or_default().base = run.entries;
    }
    for run in group_by_run(ours) {
        runs.entry(run.key).or_default().ours = run.entries;
    }
    for run in group_by_run(theirs) {
        runs.entry(run.key).or_default().theirs = run.entries;
    }
    let mut union = ListUnion::default();
    let is_taken = |name: &RunKey| [base, ours, theirs].iter().any(|list| !entries_of_run(list, name).is_empty());
    for (key, sides) in runs {
        if sides.base.is_empty() && sides.theirs.is_empty() {
            union.added.0.push(key.clone());
        } else if sides.base.is_empty() && sides.ours.is_empty() {
            union.added.1.push(key.clone());
        }
        if sides.ours.is_empty() && sides.theirs == sides.base {
            union.removed.0.push(key.clone());
        } else if sides.theirs.is_empty() && sides.ours == sides.base {
            union.removed.1.push(key.clone());
        }
        match merge_three_way(Some(sides.base), Some(sides.ours), Some(sides.theirs)) {
            // `None` cannot come of three `Some`.
            Ok(entries) => union.entries.extend_from_slice(entries.unwrap_or_default()),
            Err(BothChanged) => union.add_disputed_run(key, &sides, decisions, is_taken),
        }
    }
    let mut files: BTreeMap<&str, [Option<&FileEntry>; 3]> = BTreeMap::new();
    for (at, list) in [base, ours, theirs].into_iter().enumerate() {
        for entry in entries_of_no_run(list) {
            files.entry(&entry.relpath).or_default()[at] = Some(entry);
        }
    }
    for (path, [b, o, t]) in files {
        match merge_three_way(b, o, t) {
            Ok(entry) => union.entries.extend(entry.cloned()),
            Err(BothChanged) => match decisions.pick_favored(o, t) {
                Some(favored) => union.entries.extend(favored.cloned()),
                None if decisions.virtual_ancestor => {}
                None => union.conflicts.push(MergeConflict::File(path.to_owned())),
            },
        }
    }
    // Runs and other files were added separately; the check that follows needs them sorted.
    union.entries.sort();
    union.add_file_conflicts();
    union
}

impl ListUnion {
    /// A run that both sides changed, in different ways.
    fn add_disputed_run(
        &mut self,
        key: RunKey,
        sides: &RunSides<'_>,
        decisions: &MergeDecisions,
        is_taken: impl Fn(&RunKey) -> bool,
    ) {
        let removed = sides.ours.is_empty() || sides.theirs.is_empty();
        let choice = decisions.choice_for(&key, removed);
        match choice {
            None if is_same_recording(sides.ours, sides.theirs) => {
                self.entries.extend_from_slice(sides.ours);
                self.same_recordings.push(key);
                return;
            }
            None if decisions.virtual_ancestor => return,
            None => {
                self.conflicts.push(MergeConflict::Run(key));
                return;
            }
            Some(RunChoice::Ours) => self.entries.extend_from_slice(sides.ours),
            Some(RunChoice::Theirs) => self.entries.extend_from_slice(sides.theirs),
            // One side removed the run, so the other's files are all there are.
            Some(RunChoice::Both) if removed => {
                self.entries.extend(sides.ours.iter().chain(sides.theirs).cloned());
            }
            Some(RunChoice::Both) => match rename_theirs(&key, sides.theirs, is_taken) {
                Some((name, files)) => {
                    self.entries.extend_from_slice(sides.ours);
                    self.entries.extend(files);
                    self.renamed_runs.push((key.clone(), name));
                }
                None => {
                    self.conflicts.push(MergeConflict::Run(key));
                    return;
                }
            },
        }
        self.decided_runs.extend(choice.map(|choice| (key, choice)));
    }

    /// Conflicts between a file and a directory of the same name on the other side. Neighbours in sorted order do not show
    /// them all: `a-b` comes between `a` and `a/x`.
    fn add_file_conflicts(&mut self) {
        let files: HashSet<&str> = self.entries.iter().map(|entry| entry.relpath.as_str()).collect();
        let dirs = self
            .entries
            .iter()
            .flat_map(|entry| entry.relpath.match_indices('/').filter_map(|(at, _)| entry.relpath.get(..at)));
        let both: BTreeSet<&str> = dirs.filter(|dir| files.contains(dir)).collect();
        self.conflicts.extend(both.into_iter().map(|path| MergeConflict::File(path.to_owned())));
    }
}
