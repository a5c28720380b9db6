//! The tree of an export: the runs' files as DVC's cache has them, every document, SHA256SUMS; whole or not at all.
//!
//! It is made beside its destination and gets its name last. A run's files are read once: verified, hashed and written
//! in the same pass.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::dataset::get::{RunFiles, fetch_runs};
use crate::dataset::location::RunLocation;
use crate::dvc::cache::Cache;
use crate::dvc::hash::DataVersion;
use crate::export::attested::{AttestationReader, STATEMENT_SUFFIX};
use crate::export::copy::copy_object;
use crate::export::destination::{MadeDirs, check_destination, check_place};
use crate::export::documents::build_documents;
use crate::export::error::ExportError;
use crate::export::gather::{OriginReader, RunFacts, read_provenance, read_run_facts};
use crate::export::layout::{CHECKSUMS, PROVENANCE};
use crate::export::metadata::CommittedMetadata;
use crate::export::select::VersionRuns;
use crate::export::set::{DocumentFile, ExportSet, ExportedFile, ExportedRun, ProvenanceFile};
use crate::export::statement::{build_statement, check_statement, parse_statement};
use crate::export::zip;
use crate::git::Oid;
use crate::history::History;
use crate::history::catalog::find_dataset_dir;
use crate::history::erased::{erased_error, find_erasure};
use crate::history::origin::OriginIndex;
use crate::project::{Project, Reporter};
use crate::run::RunKey;
use crate::run::layout::RUN_JSON;
use crate::support::checksums::checksum_line;
use crate::support::progress::Progress;
use crate::support::text::{format_plural, to_hex};
use crate::support::{fs, parallel};

/// What to export, and where to.
pub struct ExportRequest<'a> {
    /// The runs.
    pub selected: Vec<VersionRuns>,
    /// What the dataset is.
    pub metadata: CommittedMetadata,
    /// The names of files that are left out of every run's folder.
    pub without: &'a [String],
    /// The commit whose attestations are taken along.
    pub head: Oid,
    /// The directory that the user is in.
    pub cwd: &'a Path,
    /// The directory or file that is made.
    pub to: &'a Path,
    /// Whether it is a zip file.
    pub is_zip: bool,
    /// Whether one that is there is replaced.
    pub replace: bool,
}

/// What was exported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportOutcome {
    /// Runs.
    pub runs: u64,
    /// Files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Runs with a signed statement.
    pub signed: u64,
    /// Whether anything was fetched from the remote.
    pub fetched: bool,
    /// What the user should know of it.
    pub warnings: Vec<String>,
}

impl ExportRequest<'_> {
    /// An error if something is at the destination that is not to be replaced. Asked before anything is fetched.
    pub fn check_destination(&self, project: &Project) -> Result<(), ExportError> {
        let taken = [
            (project.repo.git_dir().to_path_buf(), "git's directory"),
            (project.repo.common_dir().to_path_buf(), "git's directory"),
            (project.root.join(".dvc"), "DVC's directory"),
            (project.open_cache()?.dir().to_path_buf(), "DVC's cache"),
            (project.root.join(find_dataset_dir(project)?), "the dataset"),
            (project.root.join(project.read_config()?.results_dir), "the directory of recorded runs"),
        ];
        check_place(self.to, &taken)?;
        check_destination(self.to, self.is_zip, self.replace, &[&project.root, self.cwd])
    }
}

/// Makes the export.
pub fn export_runs(
    project: &Project,
    history: &History,
    request: ExportRequest<'_>,
    reporter: &dyn Reporter,
) -> Result<ExportOutcome, ExportError> {
    request.check_destination(project)?;
    let dvc = project.dvc()?;
    let progress = reporter.start_progress("exporting", None);
    let mut fetched = false;
    for version in &request.selected {
        for run in &version.runs {
            if let Some(found) = find_erasure(project, &run.key, &run.entries)? {
                return Err(erased_error(&found).into());
            }
        }
        fetched |= fetch_runs(&dvc, version.version, &version.runs, progress.as_ref())?;
    }
    let parent = request.to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Before the temporary directory, so that it is dropped after that.
    let _made = MadeDirs::make(parent)?;
    let staging = fs::create_temp_dir(parent, ".capture-hook-export-")?;
    // A folder of its own: the temporary directory is readable by its owner only.
    let root = staging.path().join("export");
    let copied = copy_runs(&dvc.cache(), &request.selected, &root, progress.as_ref())?;
    drop(progress);
    let private_fields = describe_private_fields(&copied, request.without);
    let (set, attested) = gather_set(project, history, &request, copied, &root, reporter)?;
    let mut outcome = ExportOutcome {
        runs: set.runs.len() as u64,
        files: 0,
        bytes: 0,
        signed: attested.iter().filter(|attested| !attested.signatures.is_empty()).count() as u64,
        fetched,
        warnings: request.metadata.warnings.clone(),
    };
    outcome.warnings.extend(attested.iter().filter_map(|attested| attested.warning.clone()));
    outcome.warnings.extend(private_fields);
    let statements = attested.iter().map(|attested| attested.statement.clone());
    let documents = build_documents(&set, statements.collect());
    write_documents(&root, &set, &documents, &attested, &mut outcome)?;
    if request.is_zip {
        let packed = staging.path().join("export.zip");
        zip::write_zip(&root, &packed)?;
        fs::rename(&packed, request.to)?;
    } else {
        // The only change that can be seen: before it, an error leaves nothing behind.
        fs::replace_dir(&root, request.to)?;
    }
    Ok(outcome)
}

/// A run whose files are in the tree.
struct CopiedRun {
    key: RunKey,
    version: DataVersion,
    files: Vec<ExportedFile>,
    facts: RunFacts,
}

fn copy_runs(
    cache: &Cache,
    selected: &[VersionRuns],
    root: &Path,
    progress: &dyn Progress,
) -> Result<Vec<CopiedRun>, ExportError> {
    let mut runs: Vec<(DataVersion, &RunFiles)> =
        selected.iter().flat_map(|version| version.runs.iter().map(|run| (version.version, run))).collect();
    runs.sort_by(|a, b| a.1.key.cmp(&b.1.key));
    // Run by run: two threads that write in one directory wait for each other.
    let copied = parallel::map(&runs, |(version, run)| copy_run(cache, run, *version, root, progress));
    copied.into_iter().collect()
}

fn copy_run(
    cache: &Cache,
    run: &RunFiles,
    version: DataVersion,
    root: &Path,
    progress: &dyn Progress,
) -> Result<CopiedRun, ExportError> {
    let folder = run.key.dir_under(root);
    fs::create_dir_all(&folder)?;
    let mut files = Vec::with_capacity(run.entries.len());
    for entry in &run.entries {
        // A path of a run has two folders, so there is a third part.
        let name = entry.relpath.splitn(3, '/').nth(2).unwrap_or_default();
        let path = folder.join(name);
        if let Some(parent) = path.parent().filter(|parent| *parent != folder) {
            fs::create_dir_all(parent)?;
        }
        let mut out = fs::create_new(&path)?;
        files.push(copy_object(cache, entry, name, (&mut out, &path), progress)?);
    }
    let facts = read_run_facts(&run.key, &RunLocation::Dataset(folder), &files)?;
    Ok(CopiedRun { key: run.key.clone(), version, files, facts })
}

/// The statement of a run, and what signs it.
struct AttestedRun {
    statement: DocumentFile,
    /// Path in the export and content.
    signatures: Vec<(String, Vec<u8>)>,
    warning: Option<String>,
}

/// All facts, and the statement of each run. What is left out is gone from the tree afterwards.
fn gather_set(
    project: &Project,
    history: &History,
    request: &ExportRequest<'_>,
    copied: Vec<CopiedRun>,
    root: &Path,
    reporter: &dyn Reporter,
) -> Result<(ExportSet, Vec<AttestedRun>), ExportError> {
    let mut origins = OriginReader::new(project, OriginIndex::new(project, history));
    let mut runs = Vec::new();
    for run in copied {
        runs.push(origins.describe_run(&run.key, run.version, run.facts, run.files, reporter)?);
    }
    let provenance = read_provenance(project, runs.iter().map(|run| &run.commit.id))?;
    check_provenance_names(&runs, &provenance)?;
    let attested = attest_runs(project, request, &runs, &provenance)?;
    leave_out(request.without, root, &mut runs)?;
    let latest = runs.iter().max_by(|a, b| (a.commit.time, &a.key).cmp(&(b.commit.time, &b.key)));
    let latest = latest.ok_or_else(|| ExportError::NoRuns { what: "no run was asked for".into() })?;
    let (latest_commit, latest_version) = (latest.commit.clone(), latest.version);
    let named = request.metadata.date_published.map(|date| date.at(0, 0, 0, 0));
    let published = named.and_then(|date| jiff::tz::Offset::UTC.to_timestamp(date).ok()).unwrap_or(latest_commit.time);
    let metadata = request.metadata.metadata.clone();
    Ok((ExportSet { metadata, runs, provenance, latest_commit, latest_version, published }, attested))
}

/// Refuses an experiment whose statements would need a folder in the place of a commit's file.
fn check_provenance_names(runs: &[ExportedRun], provenance: &[ProvenanceFile]) -> Result<(), ExportError> {
    let is_taken = |experiment: &str| {
        let folder = format!("{PROVENANCE}/{experiment}");
        provenance.iter().any(|file| file.path.as_ref() == Some(&folder))
    };
    match runs.iter().map(|run| run.key.experiment()).find(|experiment| runs.len() > 1 && is_taken(experiment)) {
        Some(experiment) => Err(ExportError::NameTaken { experiment: experiment.to_owned() }),
        None => Ok(()),
    }
}

/// The statement of each run: the attested one that HEAD holds, if it is of these bytes, else one without a signature.
fn attest_runs(
    project: &Project,
    request: &ExportRequest<'_>,
    runs: &[ExportedRun],
    provenance: &[ProvenanceFile],
) -> Result<Vec<AttestedRun>, ExportError> {
    let attestations = AttestationReader::new(project, &request.head)?;
    let repository = request.metadata.metadata.repository.as_deref();
    let mut by_commit: BTreeMap<&Oid, Vec<&ProvenanceFile>> = BTreeMap::new();
    for file in provenance {
        by_commit.entry(&file.commit).or_default().push(file);
    }
    let mut held = Vec::new();
    for run in runs {
        held.push((run, attestations.read(&run.key)?));
    }
    Ok(parallel::map(&held, |(run, attestation)| {
        // One run's statement needs no name that tells it from others.
        let stem = if runs.len() == 1 { format!("{PROVENANCE}/run") } else { format!("{PROVENANCE}/{}", run.key) };
        let files = by_commit.get(&run.commit.id).map(Vec::as_slice).unwrap_or_default();
        let not_attested = attestation.as_ref().map(|attestation| why_not_attested(&attestation.statement, run));
        let (bytes, signatures) = match (attestation, &not_attested) {
            (Some(attestation), Some(None)) => {
                let beside = attestation.signatures.iter().cloned();
                let signatures = beside.map(|(suffix, bytes)| (format!("{stem}{suffix}"), bytes)).collect();
                (attestation.statement.clone(), signatures)
            }
            _ => (build_statement(run, files, repository), Vec::new()),
        };
        let statement = DocumentFile {
            path: format!("{stem}{STATEMENT_SUFFIX}"),
            description: format!("in-toto statement of the run {}: its files and where they come from", run.key),
            media_type: "application/vnd.in-toto+json",
            bytes,
        };
        let why = not_attested.flatten();
        let warning = why.map(|why| format!("the attestation of {} is not taken along: {why}", run.key));
        AttestedRun { statement, signatures, warning }
    }))
}

/// Why a statement is not one of this run's bytes.
fn why_not_attested(bytes: &[u8], run: &ExportedRun) -> Option<String> {
    let statement = match parse_statement(bytes) {
        Ok(statement) => statement,
        Err(error) => return Some(error.to_string()),
    };
    // Another one's pipeline would be exported than the one that it names.
    if statement.commit.as_deref() != Some(run.commit.id.as_str()) {
        let named = statement.commit.as_deref().unwrap_or("no commit");
        return Some(format!("it names {}, and the run's commit is {}", named.escape_debug(), run.commit.id));
    }
    let files = run.files.iter().map(|file| (file.name.clone(), file.sha256.clone())).collect();
    let findings = check_statement(&statement, "the statement", &run.key, &files);
    findings.first().map(|finding| format!("{}: {}", finding.file, finding.message))
}

/// Takes files out of every run, and out of the tree.
fn leave_out(names: &[String], root: &Path, runs: &mut [ExportedRun]) -> Result<(), ExportError> {
    for name in names {
        let mut is_known = false;
        for run in runs.iter_mut().filter(|run| run.find_file(name).is_some()) {
            is_known = true;
            // A file of a run that was just written here.
            fs::remove_all(&run.key.dir_under(root).join(name))?;
            run.files.retain(|file| file.name != *name);
        }
        if !is_known {
            return Err(ExportError::NoSuchFile { name: name.clone() });
        }
    }
    Ok(())
}

/// Warns of what recorders wrote into `run.json` about the machine and its user, if it is exported.
fn describe_private_fields(copied: &[CopiedRun], without: &[String]) -> Option<String> {
    if without.iter().any(|name| name == RUN_JSON) {
        return None;
    }
    let told = copied.iter().map(|run| &run.facts.private_fields).filter(|fields| !fields.is_empty());
    let runs = format_plural(told.clone().count() as u64, "run");
    let fields: BTreeSet<String> = told.flatten().map(|field| format!("system.{field}")).collect();
    let list = fields.into_iter().collect::<Vec<_>>().join(", ");
    let warning =
        || format!("run.json of {runs} names the machine or its user ({list}); leave it out with `--without run.json`");
    (!list.is_empty()).then(warning)
}

fn write_documents(
    root: &Path,
    set: &ExportSet,
    documents: &[DocumentFile],
    attested: &[AttestedRun],
    outcome: &mut ExportOutcome,
) -> Result<(), ExportError> {
    let mut sums: BTreeMap<String, &str> = BTreeMap::new();
    for run in &set.runs {
        for file in &run.files {
            sums.insert(run.path_of(&file.name), &file.sha256);
            outcome.bytes += file.bytes;
        }
    }
    // Not listed: an ECDSA or OpenPGP signature of the same bytes has other bytes each time.
    let signatures = attested.iter().flat_map(|attested| &attested.signatures);
    let unlisted = signatures.map(|(path, bytes)| (path.as_str(), bytes.as_slice(), false));
    let listed = documents.iter().map(|document| (document.path.as_str(), document.bytes.as_slice(), true));
    let files: Vec<(&str, &[u8], bool)> = listed.chain(unlisted).collect();
    let dirs: BTreeSet<&Path> = files.iter().filter_map(|(path, ..)| Path::new(path).parent()).collect();
    for dir in dirs {
        fs::create_dir_all(&root.join(dir))?;
    }
    let written = parallel::map(&files, |(path, bytes, _)| {
        fs::write_new(&root.join(path), bytes)?;
        Ok(to_hex(&Sha256::digest(bytes)))
    });
    let written = written.into_iter().collect::<Result<Vec<String>, ExportError>>()?;
    for ((path, bytes, is_listed), sha256) in files.iter().zip(&written) {
        outcome.bytes += bytes.len() as u64;
        if *is_listed {
            sums.insert((*path).to_owned(), sha256);
        }
    }
    let lines: String = sums.iter().map(|(path, sha256)| checksum_line(sha256, path)).collect();
    fs::write_new(&root.join(CHECKSUMS), lines.as_bytes())?;
    outcome.bytes += lines.len() as u64;
    // With the list itself.
    outcome.files = set.runs.iter().map(|run| run.files.len() as u64).sum::<u64>() + files.len() as u64 + 1;
    Ok(())
}
