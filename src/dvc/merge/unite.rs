//! Two lists of files made one, run by run.

use std::collections::BTreeMap;

use super::{Clash, three};
use crate::dvc::listing::{Entry, Listing};
use crate::run::RunKey;
use crate::run::layout::{DATASET_INDEX, EPISODES_PARQUET, MANIFEST, STEPS_PARQUET};

/// What three listings make together.
pub(super) struct United {
    pub entries: Vec<Entry>,
    pub clashes: Vec<Clash>,
    pub added: (Vec<RunKey>, Vec<RunKey>),
    pub alike: Vec<RunKey>,
}

/// Whether a run's files on both sides are one recording: they differ only in what ingest makes of the recorder's files,
/// which two versions of capture-hook may make differently.
fn one_recording(ours: &[Entry], theirs: &[Entry]) -> bool {
    let made = |entry: &&Entry| {
        let name = entry.relpath.splitn(3, '/').nth(2).unwrap_or_default();
        matches!(name, STEPS_PARQUET | EPISODES_PARQUET | DATASET_INDEX | MANIFEST)
    };
    let recorded = |entries: &'_ [Entry]| entries.iter().filter(|entry| !made(entry)).cloned().collect::<Vec<_>>();
    let ours = recorded(ours);
    !ours.is_empty() && ours == recorded(theirs)
}

/// Unites two listings run by run, against their common ancestor's.
pub(super) fn unite(base: &Listing, ours: &Listing, theirs: &Listing) -> United {
    /// One run's files, or one file of no run.
    #[derive(Default)]
    struct Part<'a> {
        base: &'a [Entry],
        ours: &'a [Entry],
        theirs: &'a [Entry],
    }
    let mut runs: BTreeMap<RunKey, Part<'_>> = BTreeMap::new();
    for run in base.runs() {
        runs.entry(run.key).or_default().base = run.entries;
    }
    for run in ours.runs() {
        runs.entry(run.key).or_default().ours = run.entries;
    }
    for run in theirs.runs() {
        runs.entry(run.key).or_default().theirs = run.entries;
    }
    let mut united = United { entries: Vec::new(), clashes: Vec::new(), added: Default::default(), alike: Vec::new() };
    for (key, part) in runs {
        if part.base.is_empty() && part.theirs.is_empty() {
            united.added.0.push(key.clone());
        } else if part.base.is_empty() && part.ours.is_empty() {
            united.added.1.push(key.clone());
        }
        match three(Some(part.base), Some(part.ours), Some(part.theirs)) {
            Ok(entries) => united.entries.extend_from_slice(entries.unwrap_or_default()),
            Err(()) if one_recording(part.ours, part.theirs) => {
                united.entries.extend_from_slice(part.ours);
                united.alike.push(key);
            }
            Err(()) => united.clashes.push(Clash::Run(key)),
        }
    }
    let mut files: BTreeMap<&str, [Option<&Entry>; 3]> = BTreeMap::new();
    for (at, list) in [base, ours, theirs].into_iter().enumerate() {
        for entry in list.other() {
            files.entry(&entry.relpath).or_default()[at] = Some(entry);
        }
    }
    for (path, [b, o, t]) in files {
        match three(b, o, t) {
            Ok(entry) => united.entries.extend(entry.cloned()),
            Err(()) => united.clashes.push(Clash::File(path.to_owned())),
        }
    }
    // A file where the other side has a directory.
    united.entries.sort();
    let under =
        |pair: &[Entry]| pair[1].relpath.strip_prefix(&pair[0].relpath).is_some_and(|rest| rest.starts_with('/'));
    let inside: Vec<Clash> =
        united.entries.windows(2).filter(|pair| under(pair)).map(|pair| Clash::File(pair[0].relpath.clone())).collect();
    united.clashes.extend(inside);
    united
}
