//! What validation finds of runs that are recorded and in no commit: whether they are valid, and their figures.
//!
//! A run is read once and noted under the stamps of all files in its directory, the settings of validation and this
//! program's version. Unasked, a run is read only if it is small and as long as others have not taken long already:
//! a list of runs must not wait for gigabytes. What was not read is counted, never guessed.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::columnar::{MetricsSink, RunMetrics};
use crate::dataset::location::RunLocation;
use crate::history::catalog::{self, Catalog};
use crate::history::file_facts::LISTED_RUNS;
use crate::history::summary::{RunSummary, SummaryDepth, ValidationVerdict, summarize_run, verdict_of_report};
use crate::project::dir::ProjectDir;
use crate::project::{Project, ProjectError};
use crate::run::RunKey;
use crate::run::layout::{MANIFEST, parse_shard_name};
use crate::support::notes::{NoteKey, Notes};
use crate::support::packed::{Packer, Unpacker};
use crate::support::progress::{NoProgress, Progress};
use crate::support::stamp::FileStamp;
use crate::support::text::shell_quote;
use crate::validate::{self, IgnoredFinding, SeedSummary, ValidateOptions};

/// How long runs are read unasked, all together.
const SHORT: Duration = Duration::from_millis(600);
/// The most bytes of rows that are read of a run unasked: less than half a second of work.
const SHORT_BYTES: u64 = 8 << 20;
/// The most files of a run that are looked at; one with more is never noted.
const MOST_FILES: usize = 1000;

/// How much is read that is not noted yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScanLimit {
    /// Nothing.
    NotedOnly,
    /// What takes short.
    Short,
    /// Everything.
    All,
}

/// What validation finds of a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ScannedRun {
    /// Whether it is valid.
    pub verdict: ValidationVerdict,
    /// Its figures; `None` if not even its name can be read.
    pub metrics: Option<RunMetrics>,
    /// The seeds of its steps.
    pub seeds: Option<SeedSummary>,
}

/// Reads new runs, and notes what it read.
pub struct NewRunReader<'a> {
    options: ValidateOptions,
    /// On which a verdict depends beside the files.
    settings: Vec<u8>,
    notes: &'a Notes,
    limit: ScanLimit,
    deadline: Instant,
}

/// A run's directory as it is now.
#[derive(Debug, Clone, Copy)]
pub struct RunState {
    /// `None` if it was just written, or holds what cannot be distinguished from another state.
    key: Option<NoteKey>,
    /// How much validation reads.
    bytes: u64,
}

impl<'a> NewRunReader<'a> {
    /// For the runs of a project; `notes` are those of listed runs.
    pub fn new(project_dir: &ProjectDir, notes: &'a Notes, limit: ScanLimit) -> Result<Self, ProjectError> {
        let mut options = project_dir.validate_options()?;
        let settings = format!("{} {options:?}", env!("CARGO_PKG_VERSION")).into_bytes();
        options.one_thread = true;
        Ok(Self { options, settings, notes, limit, deadline: Instant::now() + SHORT })
    }

    /// What is noted of a run, or read now; `None` if it was not read.
    #[must_use]
    pub fn read_run(&self, dir: &Path) -> Option<ScannedRun> {
        // Before the files are read, so that a write in the meantime is noticed.
        let state = self.look_at(dir);
        if let Some(noted) = state.key.and_then(|key| unpack_scan(self.notes.get(&key)?)) {
            return Some(noted);
        }
        let is_short = || state.bytes <= SHORT_BYTES && Instant::now() < self.deadline;
        let is_read = match self.limit {
            ScanLimit::NotedOnly => false,
            ScanLimit::Short => is_short(),
            ScanLimit::All => true,
        };
        if !is_read {
            return None;
        }
        let mut sink = MetricsSink::default();
        let shown_as = dir.display().to_string();
        // A run that cannot be read is one of which nothing is known.
        let scan = validate::scan_run(dir, &shown_as, &self.options, &mut sink, &NoProgress).ok()?;
        let scanned = ScannedRun {
            verdict: verdict_of_report(&scan.report),
            metrics: sink.finish().map(|(metrics, _)| metrics),
            seeds: scan.seeds,
        };
        self.note(state, &scanned);
        Some(scanned)
    }

    /// What a directory holds.
    #[must_use]
    pub fn look_at(&self, dir: &Path) -> RunState {
        let mut seen = SeenFiles::default();
        let is_certain = seen.add_dir(dir, Path::new("")).is_some();
        let path = dir.as_os_str().as_encoded_bytes();
        let key = || NoteKey::of_parts([b"new run".as_slice(), path, &self.settings, &seen.bytes]);
        // Validation hashes the files that a recorder's manifest names.
        let bytes = if seen.has_manifest { seen.all_bytes } else { seen.row_bytes };
        RunState { key: is_certain.then(key), bytes }
    }

    /// Notes what was found of a run that was in this state before it was read.
    pub fn note(&self, state: RunState, scanned: &ScannedRun) {
        if let Some(key) = state.key {
            self.notes.add(key, pack_scan(scanned));
        }
    }
}

/// What to do with a run that is in no commit as it is recorded, as the end of a hint: commit it; but if it is known to be
/// invalid, look at why. `query` is how to name it.
#[must_use]
pub fn advise_commit(project: &Project, dir: &Path, query: &str) -> String {
    advise(is_known_invalid(project, dir), query)
}

/// The same for a run of which it is known whether it is invalid.
#[must_use]
pub fn advise(is_invalid: bool, query: &str) -> String {
    let query = shell_quote(query);
    match is_invalid {
        true => format!("it is invalid; see why: `capture-hook validate {query}`"),
        false => format!("commit it: `capture-hook publish {query}`"),
    }
}

/// The command to type if no run is selected: select the newest one, or see why it is invalid.
pub fn advise_selection(project: &Project) -> Result<String, ProjectError> {
    let Some(newest) = catalog::find_newest_recorded(project)? else { return Ok("capture-hook demo".into()) };
    Ok(match is_known_invalid(project, &newest.dir) {
        true => {
            let path = ProjectDir::of_project(project)?.relative_display(&newest.dir);
            format!("capture-hook validate {}", shell_quote(path))
        }
        false => "capture-hook select latest".into(),
    })
}

/// Whether the recording of a run is known to be invalid.
#[must_use]
pub fn is_run_invalid(project: &Project, catalog: &Catalog, run: &RunKey) -> bool {
    let dir = catalog.get(run).and_then(|run| run.sources.recorded);
    dir.is_some_and(|dir| is_known_invalid(project, &project.root.join(dir)))
}

/// Whether a recorded run is known to be invalid: noted, or read now, if that takes short.
#[must_use]
pub fn is_known_invalid(project: &Project, dir: &Path) -> bool {
    // Whoever asks only wants to advise nothing wrong: what cannot be found out is not known.
    let Ok(project_dir) = ProjectDir::of_project(project) else { return false };
    let notes = Notes::load(&project.state_dir(), LISTED_RUNS);
    let scanned =
        NewRunReader::new(&project_dir, &notes, ScanLimit::Short).ok().and_then(|reader| reader.read_run(dir));
    notes.save();
    scanned.is_some_and(|scanned| !scanned.verdict.ok)
}

/// A run's facts, as [`summarize_run`] finds them. What it finds in the rows of a recorded run is noted, and taken from
/// there if nothing else of the rows is asked for.
pub fn summarize_noted_run(
    project: &Project,
    location: &RunLocation,
    depth: SummaryDepth,
    progress: &dyn Progress,
) -> Result<RunSummary, ProjectError> {
    let project_dir = ProjectDir::of_project(project)?;
    let (RunLocation::Recorded(dir), true) = (location, depth != SummaryDepth::Facts) else {
        return summarize_run(&project_dir, location, depth, progress);
    };
    let notes = Notes::load(&project.state_dir(), LISTED_RUNS);
    let reader = NewRunReader::new(&project_dir, &notes, ScanLimit::NotedOnly)?;
    if depth == SummaryDepth::Metrics
        && let Some(ScannedRun { verdict, metrics, seeds }) = reader.read_run(dir)
    {
        let facts = summarize_run(&project_dir, location, SummaryDepth::Facts, progress)?;
        return Ok(RunSummary { verdict: Some(verdict), metrics, seeds, ..facts });
    }
    let state = reader.look_at(dir);
    let summary = summarize_run(&project_dir, location, depth, progress)?;
    if let Some(scanned) = ScannedRun::of_summary(&summary) {
        reader.note(state, &scanned);
    }
    notes.save();
    Ok(summary)
}

impl ScannedRun {
    /// The part of a summary that validation found.
    fn of_summary(summary: &RunSummary) -> Option<Self> {
        let verdict = summary.verdict.clone()?;
        Some(Self { verdict, metrics: summary.metrics.clone(), seeds: summary.seeds })
    }
}

/// The names and stamps of the files below a directory.
#[derive(Default)]
struct SeenFiles {
    bytes: Vec<u8>,
    count: usize,
    has_manifest: bool,
    row_bytes: u64,
    all_bytes: u64,
}

impl SeenFiles {
    /// `None` if one of them was just written, is a link (whose target can change without it), or if there are too many.
    fn add_dir(&mut self, dir: &Path, below: &Path) -> Option<()> {
        let mut entries: Vec<_> = std::fs::read_dir(dir).ok()?.collect::<Result<_, _>>().ok()?;
        entries.sort_by_key(std::fs::DirEntry::file_name);
        let mut is_certain = true;
        for entry in entries {
            let facts = entry.metadata().ok()?;
            let name = below.join(entry.file_name());
            self.count += 1;
            let bytes = name.as_os_str().as_encoded_bytes();
            self.bytes.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
            self.bytes.extend_from_slice(bytes);
            self.bytes.push(u8::from(facts.is_dir()));
            if facts.is_dir() {
                is_certain &= self.count <= MOST_FILES && self.add_dir(&entry.path(), &name).is_some();
                continue;
            }
            let recorded = name.to_str().filter(|_| below.as_os_str().is_empty());
            self.has_manifest |= recorded == Some(MANIFEST);
            self.all_bytes = self.all_bytes.saturating_add(facts.len());
            if recorded.is_some_and(|name| parse_shard_name(name).is_some()) {
                self.row_bytes = self.row_bytes.saturating_add(facts.len());
            }
            let stamp = FileStamp::new(&facts);
            is_certain &= facts.is_file() && stamp.is_settled() && self.count <= MOST_FILES;
            self.bytes.extend_from_slice(&stamp.to_bytes());
        }
        is_certain.then_some(())
    }
}

fn pack_scan(ScannedRun { verdict, metrics, seeds }: &ScannedRun) -> Vec<u8> {
    let mut packer = Packer::default();
    packer.add_flag(verdict.ok);
    for codes in [&verdict.errors, &verdict.warnings] {
        packer.add_list(codes.iter(), |packer, code| packer.add_text(code));
    }
    packer.add_list(verdict.ignored.iter(), |packer, ignored| {
        packer.add_text(&ignored.code);
        packer.add_number(ignored.count);
        packer.add_text(&ignored.by);
    });
    packer.add_optional(metrics.as_ref(), |packer, metrics| metrics.pack(packer));
    packer.add_optional(seeds.as_ref(), |packer, seeds| seeds.pack(packer));
    packer.into_bytes()
}

fn unpack_scan(bytes: &[u8]) -> Option<ScannedRun> {
    let mut unpacker = Unpacker::new(bytes);
    let text = |unpacker: &mut Unpacker<'_>| unpacker.text().map(str::to_owned);
    // In the order in which they are packed.
    let verdict = ValidationVerdict {
        ok: unpacker.flag()?,
        errors: unpacker.list(text)?,
        warnings: unpacker.list(text)?,
        ignored: unpacker.list(|unpacker| {
            Some(IgnoredFinding { code: text(unpacker)?, count: unpacker.number()?, by: text(unpacker)? })
        })?,
    };
    let metrics = unpacker.optional(RunMetrics::unpack)?;
    let scanned = ScannedRun { verdict, metrics, seeds: unpacker.optional(SeedSummary::unpack)? };
    unpacker.is_done().then_some(scanned)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_noted_comes_back() {
        let ignored = vec![IgnoredFinding { code: "time_goes_back".into(), count: 3, by: "capture-hook.toml".into() }];
        let errors = vec!["missing_field".into(), "row_order".into()];
        let verdict = ValidationVerdict { ok: false, errors, warnings: vec!["x".into()], ignored };
        let metrics = Some(RunMetrics { episodes: 3, mean_reward: Some(0.1 + 0.2), ..RunMetrics::default() });
        let scanned = ScannedRun { verdict, metrics, seeds: Some(SeedSummary { unique_count: 1, min: -1, max: -1 }) };
        let bytes = pack_scan(&scanned);
        assert_eq!(unpack_scan(&bytes), Some(scanned));
        for end in 0..bytes.len() {
            assert!(unpack_scan(&bytes[..end]).is_none(), "{end}");
        }
    }
}
