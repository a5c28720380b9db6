//! Data against what is recorded about it, byte by byte: DVC's `.dir` object, each run's manifest, and row counts.
//!
//! Every file is read once, by several threads: MD5 for DVC, SHA-256 where a manifest names one, and rows counted where it
//! is a shard. Nothing is changed, and nothing but the named data is read: a manifest cannot lead out of its run.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;
use md5::{Digest, Md5};
use sha2::Sha256;

use crate::dvc::cache::Cache;
use crate::dvc::file_list::{Entry, Listing};
use crate::dvc::hash::{DataVersion, Oid};
use crate::run::RunKey;
use crate::run::layout::{MANIFEST, Stream, shard_name};
use crate::support::names::{refused, safe_path};
use crate::support::progress::Progress;
use crate::support::{fs, limits, parallel};
use crate::{columnar, manifest};

/// What is wrong with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Problem {
    /// It should be there and is not.
    Missing,
    /// It is there and should not be.
    Extra,
    /// Its bytes are not those that were committed.
    Changed,
    /// It cannot be read.
    Unreadable,
    /// It is not what its run's manifest says.
    Manifest,
    /// Its rows are not as many as the JSON lines.
    Rows,
}

impl Problem {
    /// Its stable name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Extra => "extra",
            Self::Changed => "changed",
            Self::Unreadable => "unreadable",
            Self::Manifest => "manifest",
            Self::Rows => "rows",
        }
    }
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The file, relative to the dataset; a run's folder, with `/` at its end, where nothing of the run is there.
    pub file: String,
    /// What is wrong.
    pub problem: Problem,
    /// In words.
    pub message: String,
}

impl Finding {
    /// The run that the file belongs to.
    #[must_use]
    pub fn run(&self) -> Option<RunKey> {
        run_of(&self.file)
    }
}

/// The file of a finding that concerns the dataset as a whole.
pub const WHOLE: &str = ".";

/// What was looked at and what was found.
#[derive(Debug, Default)]
pub struct Verified {
    /// Runs.
    pub runs: u64,
    /// Files read.
    pub files: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Findings, sorted by file.
    pub findings: Vec<Finding>,
    /// How many of them say that the bytes are not the committed ones. The others are of files as they were committed.
    pub not_committed: usize,
    /// Objects of the cache whose bytes are not what their names say.
    pub damaged: Vec<PathBuf>,
}

impl Verified {
    /// Whether nothing was looked at, for nothing is there.
    #[must_use]
    pub fn nothing_here(&self) -> bool {
        self.files == 0 && self.findings.iter().all(|finding| finding.problem == Problem::Missing)
    }
}

/// What to prove.
#[derive(Debug)]
pub struct Subject<'a> {
    /// Where the bytes lie.
    pub store: Store<'a>,
    /// What they should be; `None` where the list is not in this clone or nothing was committed.
    pub listing: Option<&'a Listing>,
    /// What they should be as a whole, where `listing` is not known.
    pub version: Option<DataVersion>,
    /// Only these runs.
    pub only: Option<&'a BTreeSet<RunKey>>,
}

/// Where bytes lie.
#[derive(Debug, Clone, Copy)]
pub enum Store<'a> {
    /// The workspace's dataset.
    Workspace(&'a Path),
    /// DVC's cache.
    Cache(&'a Cache),
}

impl Store<'_> {
    fn words(self) -> &'static str {
        match self {
            Self::Workspace(_) => "the workspace",
            Self::Cache(_) => "DVC's cache",
        }
    }
}

/// A file to read.
#[derive(Debug)]
struct Job {
    file: String,
    path: PathBuf,
    expected: Option<Oid>,
    extra: bool,
}

/// What reading a file gave.
#[derive(Debug)]
struct Facts {
    bytes: u64,
    md5: Oid,
    sha256: String,
    /// Rows of a shard or of a parquet file; why not, where they cannot be counted.
    rows: Option<Result<u64, String>>,
}

/// Proves the subject. `progress` advances by bytes read.
pub fn verify(subject: &Subject<'_>, progress: &dyn Progress) -> Verified {
    let mut out = Verified::default();
    let jobs = jobs(subject, &mut out.findings);
    let read = parallel::map(&jobs, |job| read(&job.path, &job.file, progress));
    let mut by_run: BTreeMap<RunKey, BTreeMap<String, (&Job, Facts)>> = BTreeMap::new();
    let mut loose = Vec::new();
    for (job, result) in jobs.iter().zip(read) {
        let facts = match result {
            Ok(facts) => facts,
            Err(error) => {
                let problem =
                    if error.kind() == io::ErrorKind::NotFound { Problem::Missing } else { Problem::Unreadable };
                out.findings.push(Finding { file: job.file.clone(), problem, message: error.to_string() });
                continue;
            }
        };
        out.files += 1;
        out.bytes += facts.bytes;
        if job.extra {
            let message = "not in the committed data version".into();
            out.findings.push(Finding { file: job.file.clone(), problem: Problem::Extra, message });
        } else if let Some(expected) = job.expected.filter(|expected| *expected != facts.md5) {
            let message = match subject.store {
                Store::Workspace(_) => format!("its MD5 is {}, committed was {expected}", facts.md5),
                Store::Cache(_) => {
                    out.damaged.push(job.path.clone());
                    format!("the object {} is damaged: its MD5 is {}", job.path.display(), facts.md5)
                }
            };
            out.findings.push(Finding { file: job.file.clone(), problem: Problem::Changed, message });
        }
        match run_of(&job.file) {
            Some(run) => {
                let name = job.file.splitn(3, '/').nth(2).unwrap_or_default().to_owned();
                by_run.entry(run).or_default().insert(name, (job, facts));
            }
            None => loose.push((job, facts)),
        }
    }
    if subject.listing.is_none() && subject.only.is_none() && out.files > 0 {
        whole(subject, &by_run, &loose, &mut out.findings);
    }
    // One fault, one finding: a file that is known to be wrong is not held against anything else.
    out.not_committed = out.findings.len();
    let known: BTreeSet<String> = out.findings.iter().map(|finding| finding.file.clone()).collect();
    let mut more = Vec::new();
    for (run, files) in &by_run {
        against_manifest(run, files, &mut more);
        rows(run, files, &mut more);
    }
    out.findings.extend(more.into_iter().filter(|finding| !known.contains(&finding.file)));
    out.runs = by_run.len() as u64;
    out.damaged.sort();
    out.damaged.dedup();
    out.findings.sort();
    out
}

/// The files to read; what is missing or cannot be named is a finding at once.
fn jobs(subject: &Subject<'_>, findings: &mut Vec<Finding>) -> Vec<Job> {
    let wanted = |file: &str| subject.only.is_none_or(|only| run_of(file).is_some_and(|run| only.contains(&run)));
    let mut jobs = Vec::new();
    let entries: Vec<&Entry> = subject.listing.map(|l| l.entries().iter().collect()).unwrap_or_default();
    let entries: Vec<&Entry> = entries.into_iter().filter(|entry| wanted(&entry.relpath)).collect();
    let listed: BTreeSet<&str> = entries.iter().map(|entry| entry.relpath.as_str()).collect();
    for entries in entries.chunk_by(|a, b| a.run().is_some() && a.run() == b.run()) {
        listed_jobs(subject.store, entries, &mut jobs, findings);
    }
    if let Store::Workspace(dir) = subject.store {
        let mut names = Vec::new();
        walk(dir, "", &mut names);
        for file in names.into_iter().filter(|file| wanted(file) && !listed.contains(file.as_str())) {
            // A run that no data version holds yet has nothing to be extra to.
            let committed =
                run_of(&file).is_none_or(|run| subject.listing.is_some_and(|listing| !listing.run(&run).is_empty()));
            let extra = subject.listing.is_some() && committed;
            jobs.push(Job { path: dir.join(&file), file, expected: None, extra });
        }
    }
    jobs
}

/// The files of one run, or one that lies in none, as a data version lists them. A run of which nothing is there is one
/// finding.
fn listed_jobs(store: Store<'_>, entries: &[&Entry], jobs: &mut Vec<Job>, findings: &mut Vec<Finding>) {
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for entry in entries {
        let finding = |problem, message| Finding { file: entry.relpath.clone(), problem, message };
        if let Some(refused) = refused(&entry.relpath) {
            findings.push(finding(Problem::Unreadable, format!("no checkout takes it: {refused}")));
            continue;
        }
        let path = match store {
            Store::Workspace(dir) => dir.join(&entry.relpath),
            Store::Cache(cache) => cache.path(entry.md5),
        };
        if path.is_file() {
            found.push(Job { file: entry.relpath.clone(), path, expected: Some(entry.md5), extra: false });
        } else {
            missing.push(finding(Problem::Missing, format!("it is not in {}", store.words())));
        }
    }
    let run = entries.first().and_then(|entry| entry.run());
    match run.filter(|_| missing.len() == entries.len()) {
        Some(run) => {
            let message = format!("nothing of the run is in {}", store.words());
            findings.push(Finding { file: format!("{run}/"), problem: Problem::Missing, message });
        }
        None => findings.extend(missing),
    }
    jobs.extend(found);
}

fn read(path: &Path, file: &str, progress: &dyn Progress) -> io::Result<Facts> {
    let name = file.rsplit('/').next().unwrap_or(file);
    let mut source = Hashing {
        file: fs::open(path).map_err(|e| e.source)?,
        md5: Md5::new(),
        sha256: Sha256::new(),
        bytes: 0,
        progress,
    };
    let mut rows = shard_name(name).map(|_| count_lines(&mut source));
    // What follows the last line of a damaged shard counts for the hashes too.
    io::copy(&mut source, &mut io::sink())?;
    if name.ends_with(".parquet") {
        rows = Some(columnar::parquet_rows(path).map_err(|error| error.to_string()));
    }
    let md5: [u8; 16] = source.md5.finalize().into();
    Ok(Facts {
        bytes: source.bytes,
        md5: Oid::from_digest(md5),
        sha256: crate::formats::json::hex(&source.sha256.finalize()),
        rows,
    })
}

/// Lines that hold more than blanks, in all gzip members.
fn count_lines(source: &mut Hashing<'_>) -> Result<u64, String> {
    let mut lines = BufReader::with_capacity(1 << 17, MultiGzDecoder::new(BufReader::with_capacity(1 << 17, source)));
    let (mut rows, mut blank) = (0, true);
    loop {
        let chunk = lines.fill_buf().map_err(|error| error.to_string())?;
        if chunk.is_empty() {
            return Ok(rows + u64::from(!blank));
        }
        let mut rest = chunk;
        while let Some(at) = memchr::memchr(b'\n', rest) {
            let (line, after) = rest.split_at(at);
            blank &= line.iter().all(u8::is_ascii_whitespace);
            rows += u64::from(!blank);
            blank = true;
            rest = after.get(1..).unwrap_or_default();
        }
        blank &= rest.iter().all(u8::is_ascii_whitespace);
        let read = chunk.len();
        lines.consume(read);
    }
}

struct Hashing<'a> {
    file: File,
    md5: Md5,
    sha256: Sha256,
    bytes: u64,
    progress: &'a dyn Progress,
}

impl Read for Hashing<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read(buffer)?;
        let read = buffer.get(..n).unwrap_or_default();
        self.md5.update(read);
        self.sha256.update(read);
        self.bytes += n as u64;
        self.progress.advance(n as u64);
        Ok(n)
    }
}

/// Without the list of files, the workspace as a whole is still one data version or another.
fn whole(
    subject: &Subject<'_>,
    by_run: &BTreeMap<RunKey, BTreeMap<String, (&Job, Facts)>>,
    loose: &[(&Job, Facts)],
    findings: &mut Vec<Finding>,
) {
    let Some(version) = subject.version else { return };
    let all = by_run.values().flat_map(BTreeMap::values).map(|(job, facts)| (job, facts));
    let entries = all
        .chain(loose.iter().map(|(job, facts)| (job, facts)))
        .map(|(job, facts)| Entry { relpath: job.file.clone(), md5: facts.md5 })
        .collect();
    let is = Listing::new(entries).map(|listing| listing.version());
    if is.ok() != Some(version) {
        let message = format!(
            "the files of the workspace are not those of data version {version}; its list of files is not in this clone, so \
             that it cannot be told which of them differ"
        );
        findings.push(Finding { file: WHOLE.into(), problem: Problem::Changed, message });
    }
}

fn against_manifest(run: &RunKey, files: &BTreeMap<String, (&Job, Facts)>, findings: &mut Vec<Finding>) {
    let Some((job, _)) = files.get(MANIFEST) else { return };
    let entries = fs::read_within(&job.path, limits::RUN_FILE).ok().flatten();
    let Some(entries) = entries.as_deref().and_then(manifest::entries) else {
        let message = "it is no manifest".into();
        findings.push(Finding { file: job.file.clone(), problem: Problem::Unreadable, message });
        return;
    };
    for entry in entries.iter().filter(|entry| safe_path(&entry.path)) {
        let file = format!("{run}/{}", entry.path);
        let mut wrong = |message: String| {
            findings.push(Finding { file: file.clone(), problem: Problem::Manifest, message });
        };
        // Parquet in the dataset is made anew; what a recorder's manifest says of its own export is about another file.
        if entry.path.ends_with(".parquet") {
            continue;
        }
        let Some((_, facts)) = files.get(&entry.path) else {
            wrong("the manifest names it, and it is not there".into());
            continue;
        };
        if facts.bytes != entry.bytes {
            wrong(format!("it has {} bytes, the manifest says {}", facts.bytes, entry.bytes));
        } else if !entry.sha256.is_empty() && facts.sha256 != entry.sha256 {
            wrong(format!("its SHA-256 is {}, the manifest says {}", facts.sha256, entry.sha256));
        } else if let (Some(said), Some(Ok(rows))) = (entry.rows, &facts.rows)
            && said != *rows
        {
            wrong(format!("it has {rows} rows, the manifest says {said}"));
        }
    }
}

/// The rows of each parquet file against those of its JSON lines.
fn rows(run: &RunKey, files: &BTreeMap<String, (&Job, Facts)>, findings: &mut Vec<Finding>) {
    for stream in [Stream::Steps, Stream::Episodes] {
        let mut lines = Some(0);
        for (name, (job, facts)) in files {
            match (shard_name(name), &facts.rows) {
                (Some((of, _)), Some(Ok(rows))) if of == stream => lines = lines.map(|n| n + rows),
                (Some((of, _)), Some(Err(error))) if of == stream => {
                    lines = None;
                    let message = format!("it cannot be inflated: {error}");
                    findings.push(Finding { file: job.file.clone(), problem: Problem::Unreadable, message });
                }
                _ => {}
            }
        }
        let name = format!("{}.parquet", stream.stem());
        let Some((job, facts)) = files.get(&name) else { continue };
        match (&facts.rows, lines) {
            (Some(Err(error)), _) => {
                let message = error.clone();
                findings.push(Finding { file: job.file.clone(), problem: Problem::Unreadable, message });
            }
            (Some(Ok(rows)), Some(lines)) if *rows != lines => {
                let message = format!("it has {rows} rows, the JSON lines of {run} have {lines}");
                findings.push(Finding { file: job.file.clone(), problem: Problem::Rows, message });
            }
            _ => {}
        }
    }
}

/// The run of a file in the dataset: its first two folders.
pub(crate) fn run_of(file: &str) -> Option<RunKey> {
    let mut parts = file.splitn(3, '/');
    let (experiment, run, _) = (parts.next()?, parts.next()?, parts.next()?);
    RunKey::new(experiment, run).ok()
}

/// Every file below a directory, as `/` paths. What DVC never tracks is passed over.
pub(crate) fn walk(dir: &Path, prefix: &str, out: &mut Vec<String>) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let Ok(name) = entry.file_name().into_string() else { continue };
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}/{name}") };
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && !matches!(name.as_str(), ".git" | ".dvc") => walk(&entry.path(), &path, out),
            Ok(kind) if kind.is_file() || kind.is_symlink() => out.push(path),
            _ => {}
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::support::progress::Silent;
    use std::io::Write;

    fn gz(text: &str) -> Vec<u8> {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        out.write_all(text.as_bytes()).unwrap();
        out.finish().unwrap()
    }

    #[test]
    fn lines_are_counted_over_members_and_blank_ones_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("steps.jsonl.gz");
        std::fs::write(&path, [gz("{}\n\n{}"), gz("\r\n  \n{}\n")].concat()).unwrap();
        let facts = read(&path, "a/b/steps.jsonl.gz", &Silent).unwrap();
        assert_eq!(facts.rows, Some(Ok(3)));
        assert_eq!(facts.bytes, std::fs::metadata(&path).unwrap().len());
    }

    #[test]
    fn missing_extra_and_changed_files_are_told_by_run() {
        let dir = tempfile::tempdir().unwrap();
        let run = dir.path().join("nav/r1");
        std::fs::create_dir_all(&run).unwrap();
        for (name, text) in [("run.json", "{}"), ("notes", "x")] {
            std::fs::write(run.join(name), text).unwrap();
        }
        let entry = |name: &str, text: &str| Entry { relpath: format!("nav/r1/{name}"), md5: Oid::of(text.as_bytes()) };
        let listing = Listing::new(vec![entry("run.json", "{ }"), entry("manifest.json", "{}")]).unwrap();
        let store = Store::Workspace(dir.path());
        let found = verify(&Subject { store, listing: Some(&listing), version: None, only: None }, &Silent);
        let told: Vec<(&str, Problem)> = found.findings.iter().map(|f| (f.file.as_str(), f.problem)).collect();
        assert_eq!(
            told,
            [
                ("nav/r1/manifest.json", Problem::Missing),
                ("nav/r1/notes", Problem::Extra),
                ("nav/r1/run.json", Problem::Changed)
            ]
        );
        let only = BTreeSet::from([RunKey::new("nav", "r2").unwrap()]);
        let other = verify(&Subject { store, listing: Some(&listing), version: None, only: Some(&only) }, &Silent);
        assert!(other.findings.is_empty() && other.files == 0);
    }
}
