//! Checks a run of this clone against its attestation: the files in `attestations/`, and the run's bytes in the
//! workspace, else in DVC's cache. Nothing is fetched and nothing is changed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::dataset::location::RunLocation;
use crate::error::ExitKind::Setup;
use crate::error::{Explain, Explanation};
use crate::export::attest::AttestationPaths;
use crate::export::attestation::{CheckedSignature, SignatureVerifier, check_signatures};
use crate::export::dsse;
use crate::export::sign::{SignError, SignatureScheme};
use crate::export::statement::{AttestationFinding, AttestationProblem, check_statement, parse_statement};
use crate::history::catalog::{self, Catalog, RunTarget};
use crate::history::erased::erased_error;
use crate::project::{Project, ProjectError};
use crate::run::RunKey;
use crate::support::beneath::RootDir;
use crate::support::blocks::read_blocks;
use crate::support::fs::{At, FsError};
use crate::support::path::to_slashes;
use crate::support::process::shell_quote;
use crate::support::progress::Progress;
use crate::support::text::to_hex;
use crate::support::{fs, limits, parallel};

/// Why nothing was verified.
#[derive(Debug, thiserror::Error)]
pub enum AttestedRunError {
    /// There is no statement of the run.
    #[error("{run} has no attestation: there is no {}", path.display())]
    NoStatement {
        /// The run.
        run: RunKey,
        /// Where it would be.
        path: PathBuf,
    },
    /// The run's data is not in this clone.
    #[error("the files of {run} are not in this clone: nothing was verified")]
    NotHere {
        /// The run.
        run: RunKey,
    },
    /// A signature.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The project.
    #[error(transparent)]
    Project(#[from] ProjectError),
    /// A file.
    #[error(transparent)]
    Fs(#[from] FsError),
}

impl Explain for AttestedRunError {
    fn explain(&self) -> Explanation {
        match self {
            Self::NoStatement { run, .. } => Setup
                .code("no_attestation")
                .hint(format!("make one with your own key: `capture-hook attest {}`", shell_quote(run.to_string()))),
            Self::NotHere { run } => {
                Setup.code("data_not_here").hint(format!("run `capture-hook pull {}`", shell_quote(run.to_string())))
            }
            Self::Sign(error) => error.explain(),
            Self::Project(error) => error.explain(),
            Self::Fs(error) => error.explain(),
        }
    }
}

/// What was checked, and what was found.
#[derive(Debug)]
pub struct AttestationReport {
    /// The run.
    pub run: RunKey,
    /// The statement's file, relative to the project.
    pub statement: PathBuf,
    /// Its signatures.
    pub signatures: Vec<CheckedSignature>,
    /// The DSSE envelope beside it, whose signature is not verified here.
    pub envelope: Option<PathBuf>,
    /// Whether the files are in DVC's cache rather than in the workspace.
    pub from_cache: bool,
    /// How many files were read.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What is not as the attestation says.
    pub findings: Vec<AttestationFinding>,
}

/// Checks a run against its attestation.
pub fn check_attested_run(
    project: &Project,
    catalog: &Catalog,
    run: &RunKey,
    verifier: &SignatureVerifier,
    progress: &dyn Progress,
) -> Result<AttestationReport, AttestedRunError> {
    let root = RootDir::new(&project.root);
    let paths = AttestationPaths::of_run(run);
    let Some(statement) = root.read(&paths.statement, limits::RUN_FILE)? else {
        return Err(AttestedRunError::NoStatement { run: run.clone(), path: paths.statement });
    };
    let not_here = || AttestedRunError::NotHere { run: run.clone() };
    let known = catalog.get(run).ok_or_else(not_here)?;
    if !known.sources.in_dataset {
        let target = RunTarget { key: run.clone(), commit: None, dir: None };
        if let Some((found, _)) = catalog::find_erased_run(project, catalog, &target)? {
            return Err(erased_error(&found).into());
        }
    }
    let location = match catalog::find_run_location(project, catalog, &known, None)? {
        // What lies in results was not committed, so it is not attested.
        None | Some(RunLocation::Recorded(_)) => return Err(not_here()),
        Some(location) => location,
    };
    let name = to_slashes(&paths.statement);
    let mut signatures = Vec::new();
    for scheme in SignatureScheme::ALL {
        let path = paths.signature(scheme);
        if let Some(bytes) = root.read(&path, limits::TEXT)? {
            signatures.push((scheme, to_slashes(&path), bytes));
        }
    }
    let (signatures, mut findings) = check_signatures(verifier, &name, &statement, &signatures)?;
    let envelope = root.read(&paths.envelope, limits::RUN_FILE)?;
    if let Some(message) = envelope.as_deref().and_then(|envelope| dsse::why_other_payload(envelope, &statement)) {
        let (file, problem) = (to_slashes(&paths.envelope), AttestationProblem::OtherEnvelope);
        findings.push(AttestationFinding { file, problem, message: message.into() });
    }
    let hashed = hash_files(&location, run, progress);
    match parse_statement(&statement) {
        Ok(parsed) => {
            let unreadable: Vec<&String> = hashed.unreadable.iter().map(|finding| &finding.file).collect();
            let differences = check_statement(&parsed, &name, run, &hashed.sha256);
            // One fault, one finding: a file that cannot be read is not missing, too.
            findings.extend(differences.into_iter().filter(|finding| !unreadable.contains(&&finding.file)));
        }
        Err(error) => {
            let (file, message) = (name, error.to_string());
            findings.push(AttestationFinding { file, problem: AttestationProblem::NotAStatement, message });
        }
    }
    findings.extend(hashed.unreadable);
    findings.sort();
    Ok(AttestationReport {
        run: run.clone(),
        statement: paths.statement,
        signatures,
        envelope: envelope.map(|_| paths.envelope),
        from_cache: matches!(location, RunLocation::Cache { .. }),
        files: hashed.sha256.len() as u64,
        bytes: hashed.bytes,
        findings,
    })
}

/// The files of a run, hashed.
struct HashedFiles {
    /// SHA-256 in hex, by the path in the run's folder.
    sha256: BTreeMap<String, String>,
    bytes: u64,
    unreadable: Vec<AttestationFinding>,
}

fn hash_files(location: &RunLocation, run: &RunKey, progress: &dyn Progress) -> HashedFiles {
    let mut files: Vec<(String, PathBuf)> = Vec::new();
    match location {
        RunLocation::Recorded(dir) | RunLocation::Dataset(dir) => list_files(dir, "", &mut files),
        RunLocation::Cache { cache, entries, key } => {
            let prefix = format!("{key}/");
            let names = entries.iter().filter_map(|entry| Some((entry.relpath.strip_prefix(&prefix)?, entry.md5)));
            let present = names.map(|(name, md5)| (name.to_owned(), cache.object_path(md5)));
            files.extend(present.filter(|(_, path)| path.exists()));
        }
    }
    let results = parallel::map(&files, |(_, path)| hash_file(path, progress));
    let mut hashed = HashedFiles { sha256: BTreeMap::new(), bytes: 0, unreadable: Vec::new() };
    for ((name, _), result) in files.into_iter().zip(results) {
        match result {
            Ok((sha256, bytes)) => {
                hashed.bytes += bytes;
                hashed.sha256.insert(name, sha256);
            }
            Err(error) => {
                let (file, problem) = (format!("{run}/{name}"), AttestationProblem::Unreadable);
                hashed.unreadable.push(AttestationFinding { file, problem, message: error.source.to_string() });
            }
        }
    }
    hashed
}

/// Every file below a directory, and everything else that is no directory: a link, a pipe. A name that is not UTF-8 is
/// shown with replacement characters, so that it is a finding.
fn list_files(dir: &Path, prefix: &str, out: &mut Vec<(String, PathBuf)>) {
    // A directory that cannot be read gives no names: the statement's subjects in it are then missing.
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            list_files(&entry.path(), &format!("{name}/"), out);
        } else {
            out.push((name, entry.path()));
        }
    }
}

fn hash_file(path: &Path, progress: &dyn Progress) -> Result<(String, u64), FsError> {
    // A link leads into DVC's cache.
    let mut file = fs::open(path)?;
    let mut sha256 = Sha256::new();
    let read = read_blocks(&mut file, |block| {
        sha256.update(block);
        progress.advance_by(block.len() as u64);
        Ok(())
    });
    let bytes = read.at("read", path)?;
    Ok((to_hex(&sha256.finalize()), bytes))
}
