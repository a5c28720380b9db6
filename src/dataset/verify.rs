//! Verifies data byte by byte: against DVC's `.dir` object, each run's manifest, and row counts.
//!
//! Every file is read once, by several threads: MD5 for DVC, SHA-256 if a manifest has one, and rows if it is a
//! shard. Nothing is changed, and nothing but this data is read: a manifest cannot lead out of its run.

mod read_file;
pub mod run_dir;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use crate::dataset::runs::{entries_of_run, run_of_path};
use crate::dvc::cache::Cache;
use crate::dvc::file_list::{FileEntry, FileList};
use crate::dvc::hash::{DataVersion, DvcHash};
use crate::manifest;
use crate::run::RunKey;
use crate::run::layout::{MANIFEST, RunStream, parse_shard_name};
use crate::support::names::{find_refused, is_safe_path};
use crate::support::progress::Progress;
use crate::support::{fs, limits, parallel};
use read_file::{FileFacts, hash_file};

/// What is wrong with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum VerifyProblem {
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

impl VerifyProblem {
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
pub struct VerifyFinding {
    /// The file, relative to the dataset; a run's folder, with `/` at its end, if nothing of the run exists.
    pub file: String,
    /// What is wrong.
    pub problem: VerifyProblem,
    /// In words.
    pub message: String,
}

impl VerifyFinding {
    /// The run that the file belongs to.
    #[must_use]
    pub fn run(&self) -> Option<RunKey> {
        run_of_path(&self.file)
    }
}

/// The file of a finding about the dataset as a whole.
pub const WHOLE_DATASET: &str = ".";

/// What was looked at and what was found.
#[derive(Debug, Default)]
pub struct VerifyReport {
    /// Runs.
    pub runs: u64,
    /// Files read.
    pub files: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Findings, sorted by file.
    pub findings: Vec<VerifyFinding>,
    /// How many of them mean that the bytes are not the committed ones. The others are of files as they were committed.
    pub not_committed: usize,
    /// Objects of the cache whose bytes do not match their names.
    pub damaged: Vec<PathBuf>,
}

impl VerifyReport {
    /// Whether nothing was looked at, for nothing is there.
    #[must_use]
    pub fn found_nothing(&self) -> bool {
        self.files == 0 && self.findings.iter().all(|finding| finding.problem == VerifyProblem::Missing)
    }
}

/// What to prove.
#[derive(Debug)]
pub struct VerifyRequest<'a> {
    /// Where the bytes lie.
    pub source: VerifySource<'a>,
    /// What they should be; `None` if the list is not in this clone or nothing was committed.
    pub file_list: Option<&'a FileList>,
    /// What they should be as a whole, if `file_list` is not known.
    pub version: Option<DataVersion>,
    /// Only these runs.
    pub only: Option<&'a BTreeSet<RunKey>>,
}

/// Where bytes lie.
#[derive(Debug, Clone, Copy)]
pub enum VerifySource<'a> {
    /// The workspace's dataset.
    Workspace(&'a Path),
    /// DVC's cache.
    Cache(&'a Cache),
    /// The directory of one run, outside of every project.
    RunDir(&'a RunKey, &'a Path),
}

impl VerifySource<'_> {
    fn label(self) -> &'static str {
        match self {
            Self::Workspace(_) => "the workspace",
            Self::Cache(_) => "DVC's cache",
            Self::RunDir(..) => "the directory",
        }
    }
}

/// A file to read.
#[derive(Debug)]
struct HashJob {
    file: String,
    path: PathBuf,
    expected: Option<DvcHash>,
    extra: bool,
}

/// Proves the subject. `progress` advances by bytes read.
pub fn verify_data(request: &VerifyRequest<'_>, progress: &dyn Progress) -> VerifyReport {
    let mut report = VerifyReport::default();
    let jobs = collect_jobs(request, &mut report.findings);
    let hashed = parallel::map(&jobs, |job| hash_file(&job.path, &job.file, progress));
    let mut by_run: BTreeMap<RunKey, BTreeMap<String, (&HashJob, FileFacts)>> = BTreeMap::new();
    let mut loose = Vec::new();
    for (job, result) in jobs.iter().zip(hashed) {
        let facts = match result {
            Ok(facts) => facts,
            Err(error) => {
                let problem = if error.kind() == io::ErrorKind::NotFound {
                    VerifyProblem::Missing
                } else {
                    VerifyProblem::Unreadable
                };
                report.findings.push(VerifyFinding { file: job.file.clone(), problem, message: error.to_string() });
                continue;
            }
        };
        report.files += 1;
        report.bytes += facts.bytes;
        if job.extra {
            let message = "not in the committed data version".into();
            report.findings.push(VerifyFinding { file: job.file.clone(), problem: VerifyProblem::Extra, message });
        } else if let Some(expected) = job.expected.filter(|expected| *expected != facts.md5) {
            let message = match request.source {
                VerifySource::Workspace(_) | VerifySource::RunDir(..) => {
                    format!("its MD5 is {}, the committed one is {expected}", facts.md5)
                }
                VerifySource::Cache(_) => {
                    report.damaged.push(job.path.clone());
                    format!("the object {} is damaged: its MD5 is {}", job.path.display(), facts.md5)
                }
            };
            report.findings.push(VerifyFinding { file: job.file.clone(), problem: VerifyProblem::Changed, message });
        }
        match run_of_path(&job.file) {
            Some(run) => {
                // A path of a run has two folders, so there is a third part.
                let name = job.file.splitn(3, '/').nth(2).unwrap_or_default().to_owned();
                by_run.entry(run).or_default().insert(name, (job, facts));
            }
            None => loose.push((job, facts)),
        }
    }
    // With a list every file was compared; with a selection the whole cannot be computed.
    if request.file_list.is_none() && request.only.is_none() && report.files > 0 {
        check_whole_dataset(request, &by_run, &loose, &mut report.findings);
    }
    // One fault, one finding: a file that is known to be wrong is not held against anything else.
    report.not_committed = report.findings.len();
    let known: BTreeSet<String> = report.findings.iter().map(|finding| finding.file.clone()).collect();
    let mut more = Vec::new();
    for (run, files) in &by_run {
        check_manifest(run, files, &mut more);
        check_row_counts(run, files, &mut more);
    }
    report.findings.extend(more.into_iter().filter(|finding| !known.contains(&finding.file)));
    report.runs = by_run.len() as u64;
    // One object can stand for several files.
    report.damaged.sort();
    report.damaged.dedup();
    report.findings.sort();
    report
}

/// The files to read; what is missing or cannot be named is a finding at once.
fn collect_jobs(request: &VerifyRequest<'_>, findings: &mut Vec<VerifyFinding>) -> Vec<HashJob> {
    let is_selected =
        |file: &str| request.only.is_none_or(|only| run_of_path(file).is_some_and(|run| only.contains(&run)));
    let mut jobs = Vec::new();
    let entries: Vec<&FileEntry> = request.file_list.map(|l| l.entries().iter().collect()).unwrap_or_default();
    let entries: Vec<&FileEntry> = entries.into_iter().filter(|entry| is_selected(&entry.relpath)).collect();
    let listed: BTreeSet<&str> = entries.iter().map(|entry| entry.relpath.as_str()).collect();
    let is_same_run = |a: &&FileEntry, b: &&FileEntry| {
        let run = run_of_path(&a.relpath);
        run.is_some() && run == run_of_path(&b.relpath)
    };
    for entries in entries.chunk_by(is_same_run) {
        listed_jobs(request.source, entries, &mut jobs, findings);
    }
    if let VerifySource::Workspace(dir) = request.source {
        let mut names = Vec::new();
        walk_files(dir, "", &mut names);
        for file in names.into_iter().filter(|file| is_selected(file) && !listed.contains(file.as_str())) {
            // A run that no data version holds yet has nothing to be extra to.
            let committed = run_of_path(&file).is_none_or(|run| {
                request.file_list.is_some_and(|file_list| !entries_of_run(file_list, &run).is_empty())
            });
            let extra = request.file_list.is_some() && committed;
            jobs.push(HashJob { path: dir.join(&file), file, expected: None, extra });
        }
    }
    if let VerifySource::RunDir(run, dir) = request.source {
        run_dir::collect_run_dir_jobs(run, dir, &mut jobs, findings);
    }
    jobs
}

/// The files of one run, or one that is in none, as a data version lists them. A run of which nothing is there is one
/// finding.
fn listed_jobs(
    source: VerifySource<'_>,
    entries: &[&FileEntry],
    jobs: &mut Vec<HashJob>,
    findings: &mut Vec<VerifyFinding>,
) {
    let (mut present, mut missing) = (Vec::new(), Vec::new());
    for entry in entries {
        let finding = |problem, message| VerifyFinding { file: entry.relpath.clone(), problem, message };
        if let Some(refused) = find_refused(&entry.relpath) {
            findings.push(finding(VerifyProblem::Unreadable, format!("cannot check it out: {refused}")));
            continue;
        }
        let path = match source {
            // Nothing lists the files of a directory by itself.
            VerifySource::Workspace(dir) | VerifySource::RunDir(_, dir) => dir.join(&entry.relpath),
            VerifySource::Cache(cache) => cache.object_path(entry.md5),
        };
        // Follows a link into the cache; a directory in the file's place counts as missing.
        if path.is_file() {
            present.push(HashJob { file: entry.relpath.clone(), path, expected: Some(entry.md5), extra: false });
        } else {
            missing.push(finding(VerifyProblem::Missing, format!("it is missing from {}", source.label())));
        }
    }
    let run = entries.first().and_then(|entry| run_of_path(&entry.relpath));
    match run.filter(|_| missing.len() == entries.len()) {
        Some(run) => {
            let message = format!("the whole run is missing from {}", source.label());
            findings.push(VerifyFinding { file: format!("{run}/"), problem: VerifyProblem::Missing, message });
        }
        None => findings.extend(missing),
    }
    jobs.extend(present);
}

/// Without the file list, the workspace as a whole is still one data version or another.
fn check_whole_dataset(
    request: &VerifyRequest<'_>,
    by_run: &BTreeMap<RunKey, BTreeMap<String, (&HashJob, FileFacts)>>,
    loose: &[(&HashJob, FileFacts)],
    findings: &mut Vec<VerifyFinding>,
) {
    let Some(version) = request.version else { return };
    let all = by_run.values().flat_map(BTreeMap::values).map(|(job, facts)| (job, facts));
    let entries = all
        .chain(loose.iter().map(|(job, facts)| (job, facts)))
        .map(|(job, facts)| FileEntry { relpath: job.file.clone(), md5: facts.md5 })
        .collect();
    let actual = FileList::new(entries).map(|file_list| file_list.data_version());
    // Paths that make no list cannot be this data version either.
    if actual.ok() != Some(version) {
        let message = format!(
            "the files of the workspace differ from data version {version}; its file list is not in this clone, so it is \
             unknown which files differ"
        );
        findings.push(VerifyFinding { file: WHOLE_DATASET.into(), problem: VerifyProblem::Changed, message });
    }
}

fn check_manifest(run: &RunKey, files: &BTreeMap<String, (&HashJob, FileFacts)>, findings: &mut Vec<VerifyFinding>) {
    let Some((job, _)) = files.get(MANIFEST) else { return };
    // A manifest that cannot be read is the same finding as text that is not a manifest.
    let entries = fs::read_within(&job.path, limits::RUN_FILE).ok().flatten();
    let Some(entries) = entries.as_deref().and_then(manifest::parse_entries) else {
        let message = "it is not a manifest".into();
        findings.push(VerifyFinding { file: job.file.clone(), problem: VerifyProblem::Unreadable, message });
        return;
    };
    // Refused for safety: a manifest must not lead out of its run.
    for entry in entries.iter().filter(|entry| is_safe_path(&entry.path)) {
        let file = format!("{run}/{}", entry.path);
        let mut push_finding = |message: String| {
            findings.push(VerifyFinding { file: file.clone(), problem: VerifyProblem::Manifest, message });
        };
        // Parquet in the dataset is made again; what a recorder's manifest says of its own export is about another
        // file.
        if entry.path.ends_with(".parquet") {
            continue;
        }
        let Some((_, facts)) = files.get(&entry.path) else {
            push_finding("the manifest names it, but it does not exist".into());
            continue;
        };
        if facts.bytes != entry.bytes {
            push_finding(format!("it has {} bytes, the manifest says {}", facts.bytes, entry.bytes));
        } else if !entry.sha256.is_empty() && facts.sha256 != entry.sha256 {
            push_finding(format!("its SHA-256 is {}, the manifest says {}", facts.sha256, entry.sha256));
        } else if let (Some(recorded), Some(Ok(rows))) = (entry.rows, &facts.rows)
            && recorded != *rows
        {
            push_finding(format!("it has {rows} rows, the manifest says {recorded}"));
        }
    }
}

/// The rows of each parquet file against those of its JSON lines.
fn check_row_counts(run: &RunKey, files: &BTreeMap<String, (&HashJob, FileFacts)>, findings: &mut Vec<VerifyFinding>) {
    for stream in [RunStream::Steps, RunStream::Episodes] {
        // Without such files, the summaries were made of the steps: there is nothing to count.
        let is_of_stream = |name: &String| parse_shard_name(name).is_some_and(|(of, _)| of == stream);
        let mut lines = files.keys().any(is_of_stream).then_some(0);
        for (name, (job, facts)) in files {
            match (parse_shard_name(name), &facts.rows) {
                (Some((of, _)), Some(Ok(rows))) if of == stream => lines = lines.map(|n| n + rows),
                (Some((of, _)), Some(Err(error))) if of == stream => {
                    // Part of the lines is unknown, so no row count can be held against them.
                    lines = None;
                    let message = format!("cannot decompress it: {error}");
                    findings.push(VerifyFinding {
                        file: job.file.clone(),
                        problem: VerifyProblem::Unreadable,
                        message,
                    });
                }
                _ => {}
            }
        }
        let name = format!("{}.parquet", stream.stem());
        let Some((job, facts)) = files.get(&name) else { continue };
        match (&facts.rows, lines) {
            (Some(Err(error)), _) => {
                let message = error.clone();
                findings.push(VerifyFinding { file: job.file.clone(), problem: VerifyProblem::Unreadable, message });
            }
            (Some(Ok(rows)), Some(lines)) if *rows != lines => {
                let message = format!("it has {rows} rows, the JSON lines of {run} have {lines}");
                findings.push(VerifyFinding { file: job.file.clone(), problem: VerifyProblem::Rows, message });
            }
            _ => {}
        }
    }
}

/// Every file below a directory, as `/` paths. What DVC never tracks is passed over.
pub(crate) fn walk_files(dir: &Path, prefix: &str, out: &mut Vec<String>) {
    let mut dirs = Vec::new();
    walk_dir(dir, prefix, out, &mut |dir, prefix| dirs.push((dir, prefix)));
    dirs.iter().for_each(|(dir, prefix)| walk_files(dir, prefix, out));
}

/// The files in a directory itself; `each_dir` gets the directories in it, and their paths.
pub(crate) fn walk_dir(dir: &Path, prefix: &str, out: &mut Vec<String>, each_dir: &mut dyn FnMut(PathBuf, String)) {
    // A directory that cannot be read gives no names; listed files in it are found missing by the list.
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let Ok(name) = entry.file_name().into_string() else { continue };
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}/{name}") };
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && !matches!(name.as_str(), ".git" | ".dvc") => each_dir(entry.path(), path),
            Ok(kind) if kind.is_file() || kind.is_symlink() => out.push(path),
            _ => {}
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::support::progress::NoProgress;

    #[test]
    fn missing_extra_and_changed_files_are_findings() {
        let dir = tempfile::tempdir().unwrap();
        let run = dir.path().join("nav/r1");
        std::fs::create_dir_all(&run).unwrap();
        for (name, text) in [("run.json", "{}"), ("notes", "x")] {
            std::fs::write(run.join(name), text).unwrap();
        }
        let entry = |name: &str, text: &str| FileEntry {
            relpath: format!("nav/r1/{name}"),
            md5: DvcHash::of_bytes(text.as_bytes()),
        };
        let file_list = FileList::new(vec![entry("run.json", "{ }"), entry("manifest.json", "{}")]).unwrap();
        let source = VerifySource::Workspace(dir.path());
        let report =
            verify_data(&VerifyRequest { source, file_list: Some(&file_list), version: None, only: None }, &NoProgress);
        let problems: Vec<(&str, VerifyProblem)> =
            report.findings.iter().map(|f| (f.file.as_str(), f.problem)).collect();
        assert_eq!(
            problems,
            [
                ("nav/r1/manifest.json", VerifyProblem::Missing),
                ("nav/r1/notes", VerifyProblem::Extra),
                ("nav/r1/run.json", VerifyProblem::Changed)
            ]
        );
        let only = BTreeSet::from([RunKey::new("nav", "r2").unwrap()]);
        let other = verify_data(
            &VerifyRequest { source, file_list: Some(&file_list), version: None, only: Some(&only) },
            &NoProgress,
        );
        assert!(other.findings.is_empty() && other.files == 0);
    }
}
