//! A run's folder in the dataset: validated, completed with manifest, parquet and index, and put in place in one step.
//!
//! The folder depends on the run alone: no clock, host or absolute path. It is made out of sight of DVC and of readers,
//! and renamed into place. A folder that already holds the run is left alone, so that DVC's links and the data version
//! stay: the recorder's files are equal byte for byte, and derived files have the same content, whatever version wrote
//! them. Nothing is ever written through a link, into the run's directory, or into another run's folder.

use std::io::Write;
use std::path::{Path, PathBuf};

use crate::columnar::{ColumnarError, ParquetSink};
use crate::error::ExitKind::{CheckFailed, Setup, Usage};
use crate::error::{Explain, Explanation};
use crate::formats::json::{JsonLayout, JsonObject, JsonValue};
use crate::manifest::{ManifestEntry, RunManifest};
use crate::run::RunKey;
use crate::run::dataset_dir::MisplacedDataset;
use crate::run::layout::{DATASET_INDEX, EPISODES_PARQUET, MANIFEST, STEPS_PARQUET, slash_hint};
use crate::support::fs;
use crate::support::fs::{At, FsError};
use crate::support::off_limits::OffLimits;
use crate::support::path::{path_below, to_slashes};
use crate::support::process::shell_quote;
use crate::support::progress::Progress;
use crate::support::staging::StagingDir;
use crate::validate::{RunScan, ScanError, ValidateOptions, ValidationReport};
use crate::{manifest, validate};

mod batch;
mod place;

pub use batch::ingest_runs;
use place::Destination;

/// A run to ingest, and the dataset.
#[derive(Debug, Clone)]
pub struct IngestRequest {
    /// The run's directory, absolute.
    pub run_dir: PathBuf,
    /// The run's directory as the user names it.
    pub shown_as: String,
    /// The dataset's directory, absolute.
    pub out_dir: PathBuf,
    /// The project's root, absolute: it contains the dataset, and paths in the dataset are relative to it.
    pub root: PathBuf,
    /// The project's directories that are not for data.
    pub off_limits: Vec<OffLimits>,
    /// Which findings count.
    pub options: ValidateOptions,
    /// Write the derived files again even if the run is in the dataset already.
    pub force: bool,
}

/// A run that is in the dataset now.
#[derive(Debug)]
pub struct IngestOutcome {
    /// Its folder.
    pub destination: PathBuf,
    /// Its name.
    pub key: RunKey,
    /// What validation found.
    pub report: ValidationReport,
    /// Whether anything was written; false if the run was in the dataset already.
    pub changed: bool,
}

/// Why a run is not ingested. The dataset is unchanged then.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// There is no such run.
    #[error("there is no run at {0}")]
    NoRun(String),
    /// The run is not valid.
    #[error("{} is not valid, so it is not ingested{}", .0.run_dir, .0.list_errors())]
    Invalid(Box<ValidationReport>),
    /// The dataset is outside of the project, or in a place that is not for data.
    #[error(transparent)]
    Misplaced(#[from] MisplacedDataset),
    /// The run's folder is behind a link, or a file has its name.
    #[error("{} is not a directory of its own, so nothing is written there", .0.display())]
    Linked(PathBuf),
    /// The run is inside the dataset, or the dataset inside the run.
    #[error("the run {run} and the dataset {} contain each other", out_dir.display())]
    Nested {
        /// The run's directory.
        run: String,
        /// The dataset's directory.
        out_dir: PathBuf,
    },
    /// The run cannot be read.
    #[error(transparent)]
    Scan(ScanError),
    /// The parquet files cannot be written.
    #[error(transparent)]
    Columnar(#[from] ColumnarError),
    /// The disk failed.
    #[error(transparent)]
    Fs(#[from] FsError),
}

impl From<ScanError> for IngestError {
    fn from(error: ScanError) -> Self {
        // An error of the sink is one of writing parquet, with a better message of its own.
        match error {
            ScanError::Sink { run_dir, source } => match source.downcast::<ColumnarError>() {
                Ok(error) => Self::Columnar(*error),
                Err(source) => Self::Scan(ScanError::Sink { run_dir, source }),
            },
            error => Self::Scan(error),
        }
    }
}

impl Explain for IngestError {
    fn explain(&self) -> Explanation {
        match self {
            Self::NoRun(run) => Setup
                .code("run_dir_not_found")
                .hint(slash_hint(run).unwrap_or_else(|| "list the runs with `capture-hook runs`".into())),
            Self::Invalid(report) => CheckFailed
                .code("invalid_run")
                .hint(format!("see all findings with `capture-hook validate {}`", shell_quote(&report.run_dir))),
            Self::Misplaced(error) => error.explain(),
            Self::Linked(path) => {
                Usage.code("dataset_linked").hint(format!("see what is there: `ls -ld {}`", shell_quote(path)))
            }
            Self::Nested { .. } => {
                Usage.code("run_in_dataset").hint("ingest a run from where it was recorded, such as results/demo/r1")
            }
            Self::Scan(error) => error.explain(),
            Self::Columnar(error) => error.explain(),
            Self::Fs(error) => error.explain(),
        }
    }
}

/// Validates a run and puts it into the dataset. Progress is in bytes of the run's files.
pub fn ingest_run(request: &IngestRequest, progress: &dyn Progress) -> Result<IngestOutcome, IngestError> {
    require_run(request)?;
    let destination = Destination::open(request)?;
    destination.refuse_nested(request)?;
    let staging = StagingDir::create(&destination.staging_parent()?, STAGING_KIND)?;
    let folder = staging.path();
    let StagedRun { key, report, .. } = stage_run(&folder, request, progress)?;
    let changed = !destination.holds_run(&folder, &key, request)?;
    if changed {
        destination.place_run(&folder, &key, Durability::Now)?;
    }
    Ok(IngestOutcome { destination: key.dir_under(&request.out_dir), key, report, changed })
}

/// The beginning of the names of directories in which runs' folders are made.
const STAGING_KIND: &str = ".capture-hook-ingest-";

/// When a folder's new name becomes durable.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Durability {
    /// At once.
    Now,
    /// Later, with others.
    Later,
}

/// A run whose folder is made, out of sight.
struct StagedRun {
    key: RunKey,
    report: ValidationReport,
    /// About how many bytes were written.
    bytes: u64,
}

fn require_run(request: &IngestRequest) -> Result<(), IngestError> {
    if request.run_dir.is_dir() { Ok(()) } else { Err(IngestError::NoRun(request.shown_as.clone())) }
}

/// Validates a run and makes its folder in an empty directory.
fn stage_run(folder: &Path, request: &IngestRequest, progress: &dyn Progress) -> Result<StagedRun, IngestError> {
    let mut sink = ParquetSink::new(folder, request.options.one_thread);
    let mut options = request.options.clone();
    options.hash = true;
    let scan = validate::scan_run(&request.run_dir, &request.shown_as, &options, &mut sink, progress)?;
    let (Some(key), true) = (scan.key.clone(), scan.report.ok) else {
        return Err(IngestError::Invalid(Box::new(scan.report)));
    };
    fill_staging(folder, &scan, &key, request, sink)?;
    // The recorder's files, and about as much again in parquet.
    let bytes = scan.files.iter().map(|file| 2 * file.bytes).sum();
    Ok(StagedRun { key, report: scan.report, bytes })
}

/// Whether a file of a run's folder in the dataset was made here, not by the recorder.
#[must_use]
pub fn is_derived(name: &str, run_dir: &Path) -> bool {
    match name {
        STEPS_PARQUET | EPISODES_PARQUET | DATASET_INDEX => true,
        MANIFEST => !run_dir.join(MANIFEST).exists(),
        _ => false,
    }
}

/// Fills the run's folder: recorder files, parquet, index, manifest.
fn fill_staging(
    folder: &Path,
    scan: &RunScan,
    key: &RunKey,
    request: &IngestRequest,
    sink: ParquetSink,
) -> Result<(), IngestError> {
    let recorded = || scan.files.iter().filter(|file| !is_derived(&file.path, &request.run_dir));
    for file in recorded() {
        let (from, to) = (request.run_dir.join(&file.path), folder.join(&file.path));
        if let Some(dir) = to.parent() {
            fs::create_dir_all(dir)?;
        }
        if fs::copy_new(&from, &to)? != file.bytes {
            return Err(changed_error(request, &file.path));
        }
    }
    // After the copies: what was copied is what was validated.
    scan.check_unchanged()?;
    sink.finish()?;
    let Some(meta) = &scan.meta else { return Ok(()) };
    let source = recorded_source(request, key);
    let index = JsonObject::new()
        .with_member("experiment", key.experiment())
        .with_member("run_id", key.run_id())
        .with_member("schema_version", meta.schema_version.as_str())
        .with_member("source", source.as_str())
        .with_member("config_hash", meta.env_config.config_hash())
        .with_member("steps", scan.report.step_count())
        .with_member("episodes", scan.report.episodes.rows);
    // The index holds the ignored findings, because a recorder's own manifest does not.
    let index =
        JsonValue::Object(manifest::with_ignored(index, &scan.report.ignored)).dump_with(JsonLayout::PRETTY) + "\n";
    write_new_file(&folder.join(DATASET_INDEX), index.as_bytes())?;
    if folder.join(MANIFEST).exists() {
        return Ok(());
    }
    let mut files: Vec<ManifestEntry> = recorded().map(ManifestEntry::from).collect();
    for name in [STEPS_PARQUET, EPISODES_PARQUET, DATASET_INDEX] {
        files.push(ManifestEntry::of_file(folder, name)?);
    }
    let report = ValidationReport { run_dir: source, ..scan.report.clone() };
    let manifest = RunManifest { key, meta, report: &report, seeds: scan.seeds, files, created_at: None };
    Ok(write_new_file(&folder.join(MANIFEST), manifest.to_text().as_bytes())?)
}

/// Returns the run's directory for the index: relative to the project, else the run's name.
fn recorded_source(request: &IngestRequest, key: &RunKey) -> String {
    let inside = |path: &Path, root: &Path| path_below(root, path).map(|inside| to_slashes(&inside));
    let real = |path: &Path| path.canonicalize().ok();
    // By its name first: `results` can be a link to a larger disk, outside of the project.
    inside(&request.run_dir, &request.root)
        .or_else(|| inside(&real(&request.run_dir)?, &real(&request.root)?))
        .unwrap_or_else(|| key.to_string())
}

fn write_new_file(path: &Path, bytes: &[u8]) -> Result<(), FsError> {
    fs::create_new(path)?.write_all(bytes).at("write", path)
}

fn changed_error(request: &IngestRequest, file: &str) -> IngestError {
    IngestError::Scan(ScanError::Changed { run_dir: request.shown_as.clone(), file: file.into() })
}
