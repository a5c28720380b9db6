//! Collects findings: the first ten of each code, how many say the same, and the number of all.
//!
//! If a file turns out to be corrupt, findings from its first garbled line on are consequences and are dropped, so that
//! one fault gives one code. Messages are built only for findings that are kept.

use std::collections::BTreeMap;

use super::ValidateOptions;
use crate::validate::code::{Code, Severity};
use crate::validate::report::{FindingGroup, IgnoredFinding, ValidationFinding};

/// The number of findings that are kept per code.
const MAX_KEPT: usize = 10;
/// The number of findings of a code in a file whose messages are compared: a million rows can lack one field.
const MAX_COMPARED: u64 = 1_000;

/// A file of the run, by its place in the report.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FileId(u32);

/// The place of a finding.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct LineRef<'a> {
    /// The file.
    pub file: Option<FileId>,
    /// The line, from 1.
    pub line: Option<u64>,
    /// The episode.
    pub episode: Option<&'a str>,
    /// The file of steps on which a finding about an episode depends.
    pub rests_on: Option<FileId>,
    /// Something could not be read, so settings cannot ignore it.
    pub hard: bool,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct FindingKey {
    code: Code,
    file: Option<FileId>,
    rests_on: Option<FileId>,
    garbled: bool,
    /// `None` if settings ignore it.
    severity: Option<Severity>,
}

/// Findings of one key.
#[derive(Debug, Default)]
struct FindingTray {
    count: u64,
    findings: Vec<ValidationFinding>,
    /// By message; at most [`MAX_KEPT`].
    same: Vec<SameFindings>,
    compared: u64,
}

/// Findings with one message, but for the numbers and texts in it.
#[derive(Debug)]
struct SameFindings {
    /// What they have in common: [`common_words`].
    words: String,
    /// The first, with the number of all.
    first: ValidationFinding,
    /// Their files, each once; at most [`MAX_KEPT`].
    files: Vec<String>,
}

impl FindingTray {
    /// Adds findings to those that say the same; left out if there are too many other messages.
    fn add_same(&mut self, new: SameFindings) {
        if let Some(same) = self.same.iter_mut().find(|same| same.words == new.words) {
            same.first.count = same.first.count.saturating_add(new.first.count);
            for file in new.files {
                if same.files.len() < MAX_KEPT && !same.files.contains(&file) {
                    same.files.push(file);
                }
            }
        } else if self.same.len() < MAX_KEPT {
            self.same.push(new);
        }
    }
}

/// Collects the findings of one run.
pub(super) struct FindingCollector<'o> {
    options: &'o ValidateOptions,
    files: Vec<CheckedFile>,
    groups: BTreeMap<FindingKey, FindingTray>,
}

struct CheckedFile {
    name: String,
    garbled: bool,
    corrupt: bool,
}

/// All findings, sorted for the report.
#[derive(Default)]
pub(super) struct CollectedFindings {
    pub findings: Vec<ValidationFinding>,
    pub groups: Vec<FindingGroup>,
    pub errors: Vec<Code>,
    pub warnings: Vec<Code>,
    /// Findings that settings ignore.
    pub ignored: Vec<IgnoredFinding>,
    /// Files that hold an error.
    pub bad_files: Vec<FileId>,
}

impl<'o> FindingCollector<'o> {
    pub fn new(options: &'o ValidateOptions) -> Self {
        Self { options, files: Vec::new(), groups: BTreeMap::new() }
    }

    /// Registers a file, once; the report lists findings in the order of registration.
    pub fn register_file(&mut self, name: &str) -> FileId {
        let at = self.files.iter().position(|f| f.name == name).unwrap_or_else(|| {
            self.files.push(CheckedFile { name: name.to_owned(), garbled: false, corrupt: false });
            self.files.len() - 1
        });
        FileId(u32::try_from(at).unwrap_or(u32::MAX))
    }

    /// Registers a file that is not registered yet: no search through thousands of shards.
    pub fn new_file(&mut self, name: &str) -> FileId {
        self.files.push(CheckedFile { name: name.to_owned(), garbled: false, corrupt: false });
        FileId(u32::try_from(self.files.len() - 1).unwrap_or(u32::MAX))
    }

    /// Adds a finding.
    pub fn add_finding(&mut self, code: Code, line_ref: LineRef<'_>, message: impl FnOnce() -> String) {
        self.add_findings(code, line_ref, 1, message);
    }

    /// Adds a finding that stands for `count` of them.
    pub fn add_findings(&mut self, code: Code, line_ref: LineRef<'_>, count: u64, message: impl FnOnce() -> String) {
        let severity = self.severity_of(code, line_ref.hard);
        // No line is read from a corrupt file any more: a late finding on one is a consequence.
        if self.is_corrupt(line_ref.rests_on) || line_ref.line.is_some() && self.is_corrupt(line_ref.file) {
            return;
        }
        let file = line_ref.file.and_then(|id| self.files.get_mut(id.0 as usize));
        let mut garbled = false;
        if let Some(file) = file
            && line_ref.line.is_some()
        {
            file.garbled |= garbles_rows(code) && severity.is_some();
            garbled = file.garbled;
        }
        let key = FindingKey { code, file: line_ref.file, rests_on: line_ref.rests_on, garbled, severity };
        let tray = self.groups.entry(key).or_default();
        tray.count = tray.count.saturating_add(count);
        if let Some(severity) = severity
            // For speed: the messages of very many findings are never built.
            && tray.compared < MAX_COMPARED
        {
            tray.compared += 1;
            let finding = ValidationFinding {
                severity,
                code,
                file: line_ref.file.and_then(|id| self.files.get(id.0 as usize)).map(|f| f.name.clone()),
                line: line_ref.line,
                episode_id: line_ref.episode.map(str::to_owned),
                message: message(),
                count,
            };
            if tray.findings.len() < MAX_KEPT {
                tray.findings.push(finding.clone());
            }
            let words = common_words(&finding.message);
            tray.add_same(SameFindings { words, files: finding.file.clone().into_iter().collect(), first: finding });
        }
    }

    /// Marks a file as corrupt, and drops the findings that follow from it, now and later.
    pub fn mark_corrupt(&mut self, file: FileId) {
        self.groups.retain(|key, _| {
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

    fn severity_of(&self, code: Code, hard: bool) -> Option<Severity> {
        // No code is in both lists: `ValidateOptions::new` refuses that.
        if self.options.deny.contains(&code) {
            Some(Severity::Error)
        } else if self.options.ignore.contains(&code) && !hard {
            None
        } else {
            Some(code.severity())
        }
    }

    pub fn finish(self) -> CollectedFindings {
        let mut collected = CollectedFindings::default();
        let order = |name: Option<&str>| self.files.iter().position(|f| Some(f.name.as_str()) == name);
        let mut all: BTreeMap<Code, (Severity, FindingTray)> = BTreeMap::new();
        let mut ignored: BTreeMap<Code, u64> = BTreeMap::new();
        for (key, tray) in self.groups {
            let Some(severity) = key.severity else {
                let count = ignored.entry(key.code).or_default();
                *count = count.saturating_add(tray.count);
                continue;
            };
            if let (Severity::Error, Some(file)) = (severity, key.file) {
                collected.bad_files.push(file);
            }
            let (_, into) = all.entry(key.code).or_insert((severity, FindingTray::default()));
            into.count = into.count.saturating_add(tray.count);
            into.findings.extend(tray.findings);
            // The trays come in the order of files.
            for finding in tray.same {
                into.add_same(finding);
            }
        }
        for (code, (severity, mut tray)) in all {
            match severity {
                Severity::Error => collected.errors.push(code),
                Severity::Warning => collected.warnings.push(code),
            }
            tray.same.sort_by_key(|same| (order(same.first.file.as_deref()), same.first.line));
            collected.groups.extend(group_findings(code, severity, tray.count, tray.same));
            tray.findings.sort_by_key(|f| (order(f.file.as_deref()), f.line));
            // Groups of one code are joined here, so there can be more than ten again.
            tray.findings.truncate(MAX_KEPT);
            collected.findings.extend(tray.findings.into_iter().map(|f| ValidationFinding { count: tray.count, ..f }));
        }
        let by = &self.options.named_by;
        collected.ignored = ignored
            .into_iter()
            .map(|(code, count)| IgnoredFinding { code: code.as_str().into(), count, by: by.clone() })
            .collect();
        // Errors before warnings, then in the order of files and lines.
        collected.findings.sort_by_key(|f| (f.severity, order(f.file.as_deref()), f.line, f.code));
        collected.groups.sort_by_key(|group| group.severity);
        collected
    }
}

/// A group for each message, and one for the rest of `total`.
fn group_findings(code: Code, severity: Severity, total: u64, same: Vec<SameFindings>) -> Vec<FindingGroup> {
    let rest = total.saturating_sub(same.iter().map(|same| same.first.count).sum());
    let mut groups: Vec<FindingGroup> = same
        .into_iter()
        .map(|SameFindings { first, files, .. }| FindingGroup {
            severity,
            code,
            message: Some(first.message),
            count: first.count,
            at_least: rest > 0,
            files,
            line: first.line,
            episode_id: first.episode_id,
        })
        .collect();
    if rest > 0 {
        let (message, files, line, episode_id) = (None, Vec::new(), None, None);
        groups.push(FindingGroup { severity, code, message, count: rest, at_least: false, files, line, episode_id });
    }
    groups
}

/// A message without the numbers and the quoted texts in it, which are of one row. The names of fields, in backticks, stay.
fn common_words(message: &str) -> String {
    let mut words = String::with_capacity(message.len());
    for (at, part) in message.split('`').enumerate() {
        if at % 2 == 1 {
            words.extend(["`", part, "`"]);
            continue;
        }
        let outside = part.split('"').step_by(2).flat_map(|text| text.split(' '));
        let mut is_counted = false;
        for word in outside {
            let is_number = word.contains(|c: char| c.is_ascii_digit());
            // `1 step` and `2 steps` are the same word.
            let word = if is_counted { word.trim_end_matches(',').trim_end_matches('s') } else { word };
            words.push_str(if is_number { "0 " } else { word });
            is_counted = is_number;
        }
    }
    words
}

/// Whether a finding on a line can be the first sign of corrupt bytes.
fn garbles_rows(code: Code) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_that_differ_in_numbers_and_texts_alone_are_one() {
        for (a, b) in [
            ("`speed` is -0.2, below 0", "`speed` is -1e-16, below 0"),
            ("`x` is a text \"a b\" instead of a number", "`x` is a text \"\" instead of a number"),
            ("breaks off after 20 steps, without", "breaks off after 1 step, without"),
        ] {
            assert_eq!(common_words(a), common_words(b));
        }
        for (a, b) in [
            ("`x[0]` is missing", "`x[1]` is missing"),
            ("`x` is -1, below 0", "`x` is 1, above 0"),
            ("`a` and `b`", "`a` or `b`"),
        ] {
            assert_ne!(common_words(a), common_words(b));
        }
    }
}
