//! Collects findings: the first ten of each code, and how many there were.
//!
//! Where a file turns out to be corrupt, what was found in it from the first garbled line on is the corruption's doing and
//! is dropped, so that one fault gives one code.

use std::collections::BTreeMap;

use super::Options;
use crate::validate::code::{Code, Severity};
use crate::validate::report::{Finding, Ignored};

/// How many findings of a code are kept.
const KEPT: usize = 10;

/// A file of the run, by the order in which findings are told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FileId(u32);

/// Where a finding is.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Place<'a> {
    /// In which file.
    pub file: Option<FileId>,
    /// On which line, from 1.
    pub line: Option<u64>,
    /// In which episode.
    pub episode: Option<&'a str>,
    /// The file of steps that an episode's finding rests on.
    pub rests_on: Option<FileId>,
    /// Something could not be read, so that settings do not matter.
    pub hard: bool,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    code: Code,
    file: Option<FileId>,
    rests_on: Option<FileId>,
    garbled: bool,
    /// `None` for what settings ignore.
    severity: Option<Severity>,
}

#[derive(Debug, Default)]
struct Tray {
    count: u64,
    kept: Vec<Finding>,
}

/// Findings being collected.
pub(super) struct Collector<'o> {
    options: &'o Options,
    files: Vec<File>,
    trays: BTreeMap<Key, Tray>,
}

struct File {
    name: String,
    garbled: bool,
    corrupt: bool,
}

/// All findings, told.
#[derive(Default)]
pub(super) struct Told {
    pub findings: Vec<Finding>,
    pub errors: Vec<Code>,
    pub warnings: Vec<Code>,
    /// What settings drop.
    pub ignored: Vec<Ignored>,
    /// Files that hold an error.
    pub bad_files: Vec<FileId>,
}

impl<'o> Collector<'o> {
    pub fn new(options: &'o Options) -> Self {
        Self { options, files: Vec::new(), trays: BTreeMap::new() }
    }

    /// Names a file; findings are told in the order in which files are named.
    pub fn file(&mut self, name: &str) -> FileId {
        let at = self.files.iter().position(|f| f.name == name).unwrap_or_else(|| {
            self.files.push(File { name: name.to_owned(), garbled: false, corrupt: false });
            self.files.len() - 1
        });
        FileId(u32::try_from(at).unwrap_or(u32::MAX))
    }

    /// Names a file that was not named before.
    pub fn new_file(&mut self, name: &str) -> FileId {
        self.files.push(File { name: name.to_owned(), garbled: false, corrupt: false });
        FileId(u32::try_from(self.files.len() - 1).unwrap_or(u32::MAX))
    }

    /// Adds a finding.
    pub fn add(&mut self, code: Code, place: Place<'_>, message: impl FnOnce() -> String) {
        self.add_many(code, place, 1, message);
    }

    /// Adds a finding that stands for `count`.
    pub fn add_many(&mut self, code: Code, place: Place<'_>, count: u64, message: impl FnOnce() -> String) {
        let severity = self.severity(code, place.hard);
        // Of a corrupt file no more lines are read: what is told of one rests on what was read before.
        if self.is_corrupt(place.rests_on) || place.line.is_some() && self.is_corrupt(place.file) {
            return;
        }
        let file = place.file.and_then(|id| self.files.get_mut(id.0 as usize));
        let mut garbled = false;
        if let Some(file) = file
            && place.line.is_some()
        {
            file.garbled |= garbles(code) && severity.is_some();
            garbled = file.garbled;
        }
        let key = Key { code, file: place.file, rests_on: place.rests_on, garbled, severity };
        let tray = self.trays.entry(key).or_default();
        tray.count = tray.count.saturating_add(count);
        if let Some(severity) = severity
            && tray.kept.len() < KEPT
        {
            tray.kept.push(Finding {
                severity,
                code,
                file: place.file.and_then(|id| self.files.get(id.0 as usize)).map(|f| f.name.clone()),
                line: place.line,
                episode_id: place.episode.map(str::to_owned),
                message: message(),
                count: 0,
            });
        }
    }

    /// A file is corrupt: drops what the corruption made, and what it will make.
    pub fn corrupt(&mut self, file: FileId) {
        self.trays.retain(|key, _| {
            let made = key.file == Some(file) && (key.garbled || key.rests_on.is_some());
            !made && key.rests_on != Some(file)
        });
        if let Some(file) = self.files.get_mut(file.0 as usize) {
            file.corrupt = true;
        }
    }

    fn is_corrupt(&self, file: Option<FileId>) -> bool {
        file.and_then(|id| self.files.get(id.0 as usize)).is_some_and(|f| f.corrupt)
    }

    fn severity(&self, code: Code, hard: bool) -> Option<Severity> {
        if self.options.deny.contains(&code) {
            Some(Severity::Error)
        } else if self.options.ignore.contains(&code) && !hard {
            None
        } else {
            Some(code.severity())
        }
    }

    pub fn finish(self) -> Told {
        let mut told = Told::default();
        let order = |name: Option<&str>| self.files.iter().position(|f| Some(f.name.as_str()) == name);
        let mut all: BTreeMap<Code, (Severity, Tray)> = BTreeMap::new();
        let mut ignored: BTreeMap<Code, u64> = BTreeMap::new();
        for (key, tray) in self.trays {
            let Some(severity) = key.severity else {
                let count = ignored.entry(key.code).or_default();
                *count = count.saturating_add(tray.count);
                continue;
            };
            if let (Severity::Error, Some(file)) = (severity, key.file) {
                told.bad_files.push(file);
            }
            let (_, into) = all.entry(key.code).or_insert((severity, Tray::default()));
            into.count = into.count.saturating_add(tray.count);
            into.kept.extend(tray.kept);
        }
        for (code, (severity, mut tray)) in all {
            match severity {
                Severity::Error => told.errors.push(code),
                Severity::Warning => told.warnings.push(code),
            }
            tray.kept.sort_by_key(|f| (order(f.file.as_deref()), f.line));
            tray.kept.truncate(KEPT);
            told.findings.extend(tray.kept.into_iter().map(|f| Finding { count: tray.count, ..f }));
        }
        let by = &self.options.by;
        told.ignored = ignored
            .into_iter()
            .map(|(code, count)| Ignored { code: code.as_str().into(), count, by: by.clone() })
            .collect();
        told.findings.sort_by_key(|f| (f.severity, order(f.file.as_deref()), f.line, f.code));
        told
    }
}

/// Whether a finding on a line may be the first sign of bytes that are not what the recorder wrote.
fn garbles(code: Code) -> bool {
    matches!(
        code,
        Code::InvalidUtf8
            | Code::InvalidJson
            | Code::NotAnObject
            | Code::LineTooLong
            | Code::MissingField
            | Code::RunIdMismatch
            | Code::StepSequence
    )
}
