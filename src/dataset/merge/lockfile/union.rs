//! Two lists of files made one, run by run.

use std::collections::BTreeMap;

use super::{Choice, Clash, Decided, three};
use crate::dvc::file_list::{Entry, Listing};
use crate::run::RunKey;
use crate::run::layout::{DATASET_INDEX, EPISODES_PARQUET, MANIFEST, STEPS_PARQUET};

/// What three listings make together.
pub(crate) struct United {
    pub entries: Vec<Entry>,
    pub clashes: Vec<Clash>,
    pub added: (Vec<RunKey>, Vec<RunKey>),
    pub alike: Vec<RunKey>,
    pub settled: Vec<(RunKey, Choice)>,
    pub kept: Vec<(RunKey, RunKey)>,
}

/// The other side's files of a run that has the current side's, in a folder beside it whose name is not taken.
fn beside(run: &RunKey, files: &[Entry], taken: impl Fn(&RunKey) -> bool) -> Option<(RunKey, Vec<Entry>)> {
    const TRIES: usize = 1000;
    let name = (1..TRIES).find_map(|n| {
        let end = if n == 1 { String::new() } else { n.to_string() };
        let name = RunKey::new(run.experiment(), &format!("{}-theirs{end}", run.run_id())).ok()?;
        (!taken(&name)).then_some(name)
    })?;
    let own = format!("{run}/");
    let moved = |entry: &Entry| {
        let path = entry.relpath.strip_prefix(&own).unwrap_or(&entry.relpath);
        Entry { relpath: format!("{name}/{path}"), md5: entry.md5 }
    };
    let files = files.iter().map(moved).collect();
    Some((name, files))
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

/// Unites two listings run by run, against their common ancestor's. Where a decision keeps both sides' files of a run, the
/// other side's lie in a folder of another name, byte for byte: a run is told by its folder in a dataset, and what its own
/// `run.json` says is evidence.
pub(crate) fn unite(base: &Listing, ours: &Listing, theirs: &Listing, decided: &Decided) -> United {
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
    let mut united = United {
        entries: Vec::new(),
        clashes: Vec::new(),
        added: Default::default(),
        alike: Vec::new(),
        settled: Vec::new(),
        kept: Vec::new(),
    };
    let taken = |name: &RunKey| [base, ours, theirs].iter().any(|list| !list.run(name).is_empty());
    for (key, part) in runs {
        if part.base.is_empty() && part.theirs.is_empty() {
            united.added.0.push(key.clone());
        } else if part.base.is_empty() && part.ours.is_empty() {
            united.added.1.push(key.clone());
        }
        match three(Some(part.base), Some(part.ours), Some(part.theirs)) {
            Ok(entries) => united.entries.extend_from_slice(entries.unwrap_or_default()),
            Err(()) => {
                let removed = part.ours.is_empty() || part.theirs.is_empty();
                let choice = decided.of(&key, removed);
                match choice {
                    None if one_recording(part.ours, part.theirs) => {
                        united.entries.extend_from_slice(part.ours);
                        united.alike.push(key);
                        continue;
                    }
                    None if decided.ancestor => continue,
                    None => {
                        united.clashes.push(Clash::Run(key));
                        continue;
                    }
                    Some(Choice::Ours) => united.entries.extend_from_slice(part.ours),
                    Some(Choice::Theirs) => united.entries.extend_from_slice(part.theirs),
                    Some(Choice::Both) if removed => {
                        united.entries.extend(part.ours.iter().chain(part.theirs).cloned());
                    }
                    Some(Choice::Both) => match beside(&key, part.theirs, taken) {
                        Some((name, files)) => {
                            united.entries.extend_from_slice(part.ours);
                            united.entries.extend(files);
                            united.kept.push((key.clone(), name));
                        }
                        None => {
                            united.clashes.push(Clash::Run(key));
                            continue;
                        }
                    },
                }
                united.settled.extend(choice.map(|choice| (key, choice)));
            }
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
            Err(()) => match decided.pick(o, t) {
                Some(favored) => united.entries.extend(favored.cloned()),
                None if decided.ancestor => {}
                None => united.clashes.push(Clash::File(path.to_owned())),
            },
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
