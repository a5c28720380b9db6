//! Verifies an export, wherever it came from: every byte, every statement, nothing left over.
//!
//! Needs neither git nor DVC. The export is a stranger's: no link in it is followed, no path leads out of it, and only
//! what its own lists say is compared. That shows that it is whole and agrees with itself; only a verified signature shows
//! who vouches for it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::dvc::lockfile;
use crate::error::ExitKind::{CheckFailed, Setup};
use crate::error::{Explain, Explanation};
use crate::export::attestation::{CheckedSignature, SignatureVerifier, check_signatures};
use crate::export::attested::{ENVELOPE_SUFFIX, STATEMENT_SUFFIX};
use crate::export::dsse::why_other_payload;
use crate::export::layout::{CHECKSUMS, PROVENANCE, RO_CRATE, TOP_FILES, is_export};
use crate::export::sign::{SignError, SignatureScheme};
use crate::export::statement::{
    AttestationFinding, AttestationProblem, ParsedStatement, check_statement, parse_statement,
};
use crate::project::PIPELINE_FILE;
use crate::run::RunKey;
use crate::support::beneath::{FileKind, RootDir};
use crate::support::blocks::read_blocks;
use crate::support::checksums::{InvalidChecksum, parse_checksums};
use crate::support::fs::FsError;
use crate::support::names::is_safe_path;
use crate::support::parallel;
use crate::support::percent::percent_decode;
use crate::support::progress::Progress;
use crate::support::text::to_hex;

/// The most bytes of the list and of a statement: some hundred thousand files.
const MAX_LIST: u64 = 64 << 20;

/// What is wrong with a file of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExportProblem {
    /// It is listed, and not there.
    Missing,
    /// It is there, and not listed.
    Extra,
    /// Its bytes are not those that are listed.
    Changed,
    /// It cannot be read, or is a link.
    Unreadable,
    /// A run's statement contradicts the run's files.
    Statement,
    /// A run has no statement.
    NoStatement,
    /// A signature is not of the statement that it lies beside, or not by somebody who is trusted.
    Signature,
}

impl ExportProblem {
    /// Its stable name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Extra => "extra",
            Self::Changed => "changed",
            Self::Unreadable => "unreadable",
            Self::Statement => "statement",
            Self::NoStatement => "no_statement",
            Self::Signature => "signature",
        }
    }
}

/// Something that is not as the export says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExportFinding {
    /// The file, relative to the export.
    pub file: String,
    /// What is wrong.
    pub problem: ExportProblem,
    /// In words.
    pub message: String,
}

/// What was looked at and what was found.
#[derive(Debug, Default)]
pub struct ExportReport {
    /// Runs with a statement.
    pub runs: BTreeSet<RunKey>,
    /// Files read.
    pub files: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Findings, sorted by file.
    pub findings: Vec<ExportFinding>,
    /// The statements that a signature lies beside, relative to the export.
    pub signed: Vec<String>,
    /// The statements without a signature.
    pub unsigned: Vec<String>,
    /// What came of each signature.
    pub signatures: Vec<CheckedSignature>,
    /// Files that a statement names and that were left out, as the user said.
    pub left_out: Vec<String>,
    /// The files of the findings: one fault, one finding.
    reported: BTreeSet<String>,
}

/// A directory that is no export.
#[derive(Debug, thiserror::Error)]
pub enum NotAnExport {
    /// It has no list.
    #[error("{} has no {CHECKSUMS}: it is no export", dir.display())]
    NoList {
        /// The directory.
        dir: PathBuf,
    },
    /// It has all else of an export.
    #[error("{CHECKSUMS} is missing in {}", dir.display())]
    ListGone {
        /// The directory.
        dir: PathBuf,
    },
    /// The list cannot be read as one.
    #[error("{CHECKSUMS}: {0}")]
    InvalidList(#[from] InvalidChecksum),
    /// The list names one file twice, or a file outside.
    #[error("{CHECKSUMS} names {} {why}", path.escape_debug())]
    InvalidPath {
        /// The path.
        path: String,
        /// Why it is not taken.
        why: &'static str,
    },
    /// A signature cannot be verified: its program is missing or failed.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// It cannot be read.
    #[error(transparent)]
    Fs(#[from] FsError),
}

impl Explain for NotAnExport {
    fn explain(&self) -> Explanation {
        match self {
            Self::NoList { .. } => Setup.code("not_an_export").hint("make one: `capture-hook export RUN -o DIR`"),
            Self::ListGone { .. } | Self::InvalidList(_) | Self::InvalidPath { .. } => {
                CheckFailed.code("invalid_export").hint("get the export again from where it was published")
            }
            Self::Sign(error) => error.explain(),
            Self::Fs(error) => error.explain(),
        }
    }
}

/// What to hold an export against.
pub struct ExportTrust<'a> {
    /// The names of files that may be missing in the runs' folders.
    pub without: &'a [String],
    /// With what signatures are verified.
    pub verifier: &'a SignatureVerifier,
    /// Whether every statement must have a verified signature. If not, one by a key that is not trusted is no
    /// finding.
    pub must_be_signed: bool,
}

/// Verifies an export.
pub fn verify_export(
    dir: &Path,
    trust: &ExportTrust<'_>,
    progress: &dyn Progress,
) -> Result<ExportReport, NotAnExport> {
    let root = RootDir::new(dir);
    let Some(text) = root.read(CHECKSUMS, MAX_LIST)? else {
        let dir = dir.to_path_buf();
        return Err(if is_export(&dir) { NotAnExport::ListGone { dir } } else { NotAnExport::NoList { dir } });
    };
    let listed = read_list(&text)?;
    let mut report = ExportReport::default();
    let mut present = Vec::new();
    list_files(root, Path::new(""), &mut present, &mut report);
    let present: BTreeSet<String> = present.into_iter().collect();
    let jobs: Vec<(&String, &String)> = listed.iter().filter(|(path, _)| present.contains(*path)).collect();
    let hashed = parallel::map(&jobs, |(path, _)| hash_file(root, path, progress));
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    for ((path, expected), hashed) in jobs.into_iter().zip(hashed) {
        match hashed {
            Ok((sha256, bytes)) => {
                report.files += 1;
                report.bytes += bytes;
                if sha256 != *expected {
                    let message = format!("its SHA-256 is {sha256}, {CHECKSUMS} says {expected}");
                    report.push(path, ExportProblem::Changed, message);
                }
                found.insert(path.clone(), sha256);
            }
            Err(error) => report.push(path, ExportProblem::Unreadable, error.to_string()),
        }
    }
    for path in listed.keys().filter(|path| !present.contains(*path)) {
        // A link or a pipe in its place was reported when the files were listed.
        if !report.reported.contains(path) {
            report.push(path, ExportProblem::Missing, format!("{CHECKSUMS} names it, but it does not exist"));
        }
    }
    for name in TOP_FILES.into_iter().filter(|name| !present.contains(*name) && !listed.contains_key(*name)) {
        report.push(name, ExportProblem::Missing, "every export has it".into());
    }
    let is_signature = |path: &str| is_signature_of(path, &listed);
    for path in present.iter().filter(|path| !listed.contains_key(*path) && *path != CHECKSUMS) {
        if !is_signature(path) {
            report.push(path, ExportProblem::Extra, format!("{CHECKSUMS} does not name it"));
        }
    }
    check_statements(root, &found, &present, trust.without, &mut report);
    check_crate(root, &found, &mut report);
    check_signed(root, &present, trust, &mut report)?;
    report.findings.sort();
    Ok(report)
}

impl ExportReport {
    fn push(&mut self, file: &str, problem: ExportProblem, message: String) {
        self.reported.insert(file.to_owned());
        self.findings.push(ExportFinding { file: file.to_owned(), problem, message });
    }
}

fn read_list(text: &[u8]) -> Result<BTreeMap<String, String>, NotAnExport> {
    let mut listed = BTreeMap::new();
    for (sha256, path) in parse_checksums(text)? {
        let invalid = |why| NotAnExport::InvalidPath { path: path.clone(), why };
        if !is_safe_path(&path) {
            return Err(invalid("which is outside the export"));
        }
        if listed.insert(path.clone(), sha256).is_some() {
            return Err(invalid("twice"));
        }
    }
    Ok(listed)
}

/// All regular files below a directory; anything that is neither a file nor a directory is a finding.
fn list_files(root: RootDir<'_>, dir: &Path, files: &mut Vec<String>, report: &mut ExportReport) {
    let mut unreadable = |path: &Path, message: String| {
        report.push(&path.to_string_lossy(), ExportProblem::Unreadable, message);
    };
    let names = match root.list_dir(dir) {
        Ok(names) => names,
        Err(error) => return unreadable(dir, error.to_string()),
    };
    let mut dirs = Vec::new();
    for name in names {
        let path = dir.join(name);
        match (root.file_kind(&path), path.to_str()) {
            (Ok(FileKind::Directory), _) => dirs.push(path),
            (Ok(FileKind::File), Some(name)) => files.push(name.to_owned()),
            (Ok(FileKind::File), None) => unreadable(&path, "its name is not UTF-8".into()),
            (Ok(_), _) => unreadable(&path, "it is not a regular file, and no export has such a thing".into()),
            (Err(error), _) => unreadable(&path, error.to_string()),
        }
    }
    for dir in dirs {
        list_files(root, &dir, files, report);
    }
}

fn hash_file(root: RootDir<'_>, path: &str, progress: &dyn Progress) -> Result<(String, u64), std::io::Error> {
    let file = root.open(path).map_err(|error| error.source)?;
    let mut file = file.ok_or_else(|| std::io::Error::from(std::io::ErrorKind::NotFound))?;
    let mut hash = Sha256::new();
    let bytes = read_blocks(&mut file, |block| {
        hash.update(block);
        progress.advance_by(block.len() as u64);
        Ok(())
    })?;
    Ok((to_hex(&hash.finalize()), bytes))
}

/// Whether a file is a signature or an envelope beside a listed statement.
fn is_signature_of(path: &str, listed: &BTreeMap<String, String>) -> bool {
    let mut extensions = SignatureScheme::ALL.into_iter().map(SignatureScheme::extension);
    let of_statement = extensions.find_map(|extension| path.strip_suffix(extension)).map(str::to_owned);
    let of_envelope = || path.strip_suffix(ENVELOPE_SUFFIX).map(|stem| format!("{stem}{STATEMENT_SUFFIX}"));
    of_statement
        .or_else(of_envelope)
        .is_some_and(|statement| is_statement(&statement) && listed.contains_key(&statement))
}

fn is_statement(path: &str) -> bool {
    path.starts_with(&format!("{PROVENANCE}/")) && path.ends_with(STATEMENT_SUFFIX)
}

/// Every statement against the files of its run, and every run against the statements.
fn check_statements(
    root: RootDir<'_>,
    found: &BTreeMap<String, String>,
    present: &BTreeSet<String>,
    without: &[String],
    report: &mut ExportReport,
) {
    let mut runs: BTreeMap<RunKey, BTreeMap<String, String>> = BTreeMap::new();
    for (path, sha256) in found {
        let parts: Vec<&str> = path.splitn(3, '/').collect();
        match parts.as_slice() {
            [_] | [PROVENANCE, ..] => {}
            [experiment, run_id, name] => match RunKey::new(experiment, run_id) {
                Ok(run) => drop(runs.entry(run).or_default().insert((*name).to_owned(), sha256.clone())),
                Err(error) => report.push(path, ExportProblem::Extra, format!("it belongs to no run: {error}")),
            },
            _ => report.push(path, ExportProblem::Extra, "it belongs to no run".into()),
        }
    }
    for path in found.keys().filter(|path| is_statement(path)) {
        let mut schemes = SignatureScheme::ALL.into_iter();
        let has_signature = schemes.any(|scheme| present.contains(&format!("{path}{}", scheme.extension())));
        if has_signature {
            report.signed.push(path.clone())
        } else {
            report.unsigned.push(path.clone())
        }
        let statement = root.read(path, MAX_LIST).map_err(|error| error.to_string());
        let statement =
            statement.and_then(|bytes| parse_statement(&bytes.unwrap_or_default()).map_err(|e| e.to_string()));
        let statement = match statement {
            Ok(statement) => statement,
            Err(why) => {
                report.push(path, ExportProblem::Statement, why);
                continue;
            }
        };
        let expected = run_of_statement(path, &statement.run);
        let Some(run) = expected else {
            let message = format!("it is the statement of `{}`, which has another place", statement.run);
            report.push(path, ExportProblem::Statement, message);
            continue;
        };
        let files = runs.get(&run).cloned().unwrap_or_default();
        for finding in check_statement(&statement, path, &run, &files) {
            let name = finding.file.strip_prefix(&format!("{run}/")).unwrap_or_default();
            if finding.problem == AttestationProblem::Missing && without.iter().any(|left_out| left_out == name) {
                report.left_out.push(finding.file);
            // One fault, one finding: what differs from the list is reported already.
            } else if !report.reported.contains(&finding.file) {
                report.push(&finding.file, ExportProblem::Statement, finding.message);
            }
        }
        check_commit_files(path, &statement, found, report);
        report.runs.insert(run);
    }
    let runs: Vec<RunKey> = runs.into_keys().filter(|run| !report.runs.contains(run)).collect();
    for run in runs {
        let message = "no statement names its files, so nothing shows that they are all of the run".to_owned();
        report.push(&format!("{run}/"), ExportProblem::NoStatement, message);
    }
}

/// What of RO-Crate's description is compared.
#[derive(Deserialize)]
struct CrateGraph {
    #[serde(rename = "@graph")]
    entities: Vec<CrateEntity>,
}

#[derive(Deserialize)]
struct CrateEntity {
    #[serde(rename = "@id")]
    id: String,
    #[serde(rename = "hasPart", default)]
    parts: Option<CrateParts>,
}

/// A single reference is no list.
#[derive(Deserialize)]
#[serde(untagged)]
enum CrateParts {
    Many(Vec<CrateReference>),
    One(CrateReference),
}

#[derive(Deserialize)]
struct CrateReference {
    #[serde(rename = "@id")]
    id: String,
}

/// Every run that RO-Crate's description names must be there: no other list has a run that was removed with its statement.
fn check_crate(root: RootDir<'_>, found: &BTreeMap<String, String>, report: &mut ExportReport) {
    // One that is missing or changed is reported already.
    if !found.contains_key(RO_CRATE) || report.reported.contains(RO_CRATE) {
        return;
    }
    let text = root.read(RO_CRATE, MAX_LIST).map_err(|error| error.to_string());
    let graph = text.and_then(|text| {
        serde_json::from_slice::<CrateGraph>(&text.unwrap_or_default()).map_err(|error| error.to_string())
    });
    let graph = match graph {
        Ok(graph) => graph,
        Err(why) => return report.push(RO_CRATE, ExportProblem::Unreadable, why),
    };
    let parts = graph.entities.into_iter().filter(|entity| entity.id == "./").filter_map(|entity| entity.parts);
    let parts = parts.flat_map(|parts| match parts {
        CrateParts::Many(parts) => parts,
        CrateParts::One(part) => vec![part],
    });
    let runs: BTreeSet<RunKey> =
        parts.filter_map(|part| percent_decode(part.id.strip_suffix('/')?)?.parse().ok()).collect();
    for run in runs.difference(&report.runs.clone()) {
        let folder = format!("{run}/");
        if !report.reported.contains(&folder) {
            report.push(&folder, ExportProblem::Missing, format!("{RO_CRATE} names this run, but it does not exist"));
        }
    }
}

/// The files of a run's commit that lie in the export, against the run's statement.
fn check_commit_files(
    path: &str,
    statement: &ParsedStatement,
    found: &BTreeMap<String, String>,
    report: &mut ExportReport,
) {
    let commit = statement.commit.as_deref().unwrap_or_default();
    for (name, expected) in &statement.commit_files {
        // Of several commits, each has a folder.
        let places = [format!("{PROVENANCE}/{name}"), format!("{PROVENANCE}/{commit}/{name}")];
        let Some((place, sha256)) = places.iter().find_map(|place| Some((place, found.get(place)?))) else {
            // Others are named only, such as the lock files of the repository.
            let is_exported = [lockfile::FILE, PIPELINE_FILE].contains(&name.as_str());
            let of_several = found.keys().any(|path| path.starts_with(&format!("{PROVENANCE}/{commit}/")));
            if let Some(place) = places.get(usize::from(of_several)).filter(|_| is_exported)
                && !places.iter().any(|place| report.reported.contains(place))
            {
                report.push(place, ExportProblem::Missing, format!("{path} names it, but it does not exist"));
            }
            continue;
        };
        if sha256 != expected && !report.reported.contains(place) {
            let message = format!("its SHA-256 is {sha256}, {path} says {expected}");
            report.push(place, ExportProblem::Statement, message);
        }
    }
}

/// Every statement against its signatures, and against the envelope beside it.
fn check_signed(
    root: RootDir<'_>,
    present: &BTreeSet<String>,
    trust: &ExportTrust<'_>,
    report: &mut ExportReport,
) -> Result<(), NotAnExport> {
    let statements: Vec<String> = report.signed.iter().chain(&report.unsigned).cloned().collect();
    let checked = parallel::map(&statements, |path| check_signatures_of(root, path, present, trust.verifier));
    for checked in checked {
        let (signatures, findings) = checked?;
        report.signatures.extend(signatures);
        for finding in findings {
            let is_unknown =
                matches!(finding.problem, AttestationProblem::NotVerified | AttestationProblem::UnknownKey);
            if trust.must_be_signed || !is_unknown {
                report.push(&finding.file, ExportProblem::Signature, finding.message);
            }
        }
    }
    Ok(())
}

fn check_signatures_of(
    root: RootDir<'_>,
    path: &str,
    present: &BTreeSet<String>,
    verifier: &SignatureVerifier,
) -> Result<(Vec<CheckedSignature>, Vec<AttestationFinding>), NotAnExport> {
    let read = |path: &str| root.read(path, MAX_LIST).map(Option::unwrap_or_default);
    let statement = read(path)?;
    let mut signatures = Vec::new();
    for scheme in SignatureScheme::ALL {
        let file = format!("{path}{}", scheme.extension());
        if present.contains(&file) {
            let bytes = read(&file)?;
            signatures.push((scheme, file, bytes));
        }
    }
    let (checked, mut findings) = check_signatures(verifier, path, &statement, &signatures)?;
    let envelope = path.strip_suffix(STATEMENT_SUFFIX).map(|stem| format!("{stem}{ENVELOPE_SUFFIX}"));
    if let Some(file) = envelope.filter(|envelope| present.contains(envelope))
        && let Some(message) = why_other_payload(&read(&file)?, &statement)
    {
        let (problem, message) = (AttestationProblem::OtherEnvelope, message.to_owned());
        findings.push(AttestationFinding { file, problem, message });
    }
    Ok((checked, findings))
}

/// The run that a statement at this path is of: the only one's is `provenance/run…`, others have the run's name.
fn run_of_statement(path: &str, said: &str) -> Option<RunKey> {
    let stem = path.strip_prefix(PROVENANCE)?.strip_prefix('/')?.strip_suffix(STATEMENT_SUFFIX)?;
    (stem == "run" || stem == said).then(|| said.parse().ok()).flatten()
}
