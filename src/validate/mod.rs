//! The rules: rows in, findings out.
//!
//! [`scan`] is the one pass over a run's bytes. It judges every row by every rule and hands the rows on to a [`RowSink`];
//! [`validate_run`] is the same pass with nobody behind it. Bad data is a finding in the [`ValidationReport`], never an `Err`: an error
//! means that the disk failed us, or the sink.

use std::path::Path;

use serde::Serialize;

use crate::error::ExitKind::{Io, Setup};
use crate::error::{Explain, Explanation};
use crate::run::RunKey;
use crate::run::include::IncludePatterns;
use crate::run::layout::RunLayout;
use crate::run::meta::RunMeta;
use crate::run::rows::{EpisodeRows, StepRows};
use crate::support::fs::FsError;
use crate::support::progress::Progress;
use crate::support::text::find_near;

mod code;
mod episodes;
mod findings;
mod ids;
mod manifest;
mod report;
mod rows;
mod scan;
mod seeds;
mod single;
mod steps;

pub use code::{Code, Severity};
pub use report::{IgnoredFinding, StreamReport, ValidationFinding, ValidationReport};
pub use single::{BrokenRule, RowChecker};

/// What a scan takes: which run, and what counts.
#[derive(Debug, Clone, Default)]
pub struct ValidateOptions {
    ignore: Vec<Code>,
    deny: Vec<Code>,
    /// What named these codes.
    named_by: String,
    /// Which files beside the recorder's belong to the run.
    pub include: IncludePatterns,
    /// Hash every file (needed for a manifest); without it only files whose hash a manifest names are hashed.
    pub hash: bool,
    /// Work on the calling thread alone; without it several share the work. For one of many runs that are read at once.
    pub one_thread: bool,
}

/// A setting that validation cannot follow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OptionsError {
    /// No such code.
    #[error("`{name}` in [validate] {list} is no code of a finding")]
    Unknown {
        /// What was written.
        name: String,
        /// In which list: `ignore` or `deny`.
        list: &'static str,
        /// The code that was meant, perhaps.
        suggestion: Option<&'static str>,
    },
    /// A code that must not be ignored.
    #[error(
        "`{0}` cannot be ignored: what cannot be read, is not safe, or is another run's, never gets into the dataset"
    )]
    NotIgnorable(Code),
    /// A code in both lists.
    #[error("`{0}` is in both lists of [validate], ignore and deny")]
    Both(Code),
}

impl Explain for OptionsError {
    fn explain(&self) -> Explanation {
        Setup.code("invalid_config").hint(match self {
            Self::Unknown { suggestion: Some(meant), .. } => format!("did you mean `{meant}`?"),
            Self::Unknown { .. } => "`capture-hook validate --help` lists the codes".into(),
            Self::NotIgnorable(code) => format!("remove `{code}` from [validate] ignore in capture-hook.toml"),
            Self::Both(code) => format!("remove `{code}` from one of them in capture-hook.toml"),
        })
    }
}

impl ValidateOptions {
    /// Options from the `[validate]` lists of the settings; `by` is the file that holds them, or who else names the codes.
    pub fn new(ignore: &[String], deny: &[String], by: &str) -> Result<Self, OptionsError> {
        let read = |list: &'static str, names: &[String]| {
            names
                .iter()
                .map(|name| name.parse().map_err(|()| unknown_code(name, list)))
                .collect::<Result<Vec<Code>, _>>()
        };
        let (ignore, deny) = (read("ignore", ignore)?, read("deny", deny)?);
        if let Some(code) = ignore.iter().find(|code| !code.is_ignorable()) {
            return Err(OptionsError::NotIgnorable(*code));
        }
        if let Some(code) = ignore.iter().find(|code| deny.contains(code)) {
            return Err(OptionsError::Both(*code));
        }
        Ok(Self { ignore, deny, named_by: by.into(), ..Self::default() })
    }
}

fn unknown_code(name: &str, list: &'static str) -> OptionsError {
    let suggestion = find_near(name, Code::ALL.iter().map(|code| (code.as_str(), code.as_str()))).first().copied();
    OptionsError::Unknown { name: name.into(), list, suggestion }
}

/// Why a sink would not go on.
pub type SinkError = Box<dyn std::error::Error + Send + Sync>;

/// Takes the rows of a scan. Called on the scanning thread; a sink that works long has a thread of its own.
pub trait RowSink {
    /// Whether rows are wanted at all.
    fn wants_rows(&self) -> bool {
        true
    }

    /// The run whose rows follow. Not called, nor anything else, where `run.json` does not say which run it is.
    fn begin_run(&mut self, key: &RunKey, meta: &RunMeta) -> Result<(), SinkError>;

    /// Step rows, in file order. Gives back a batch, empty or not, whose memory is used again.
    fn take_steps(&mut self, rows: StepRows) -> Result<StepRows, SinkError>;

    /// Episode rows, in file order, matched to their steps. Gives back a batch whose memory is used again.
    fn take_episodes(&mut self, rows: EpisodeRows) -> Result<EpisodeRows, SinkError>;
}

/// A sink that wants nothing.
pub struct NoSink;

impl RowSink for NoSink {
    fn wants_rows(&self) -> bool {
        false
    }

    fn begin_run(&mut self, _: &RunKey, _: &RunMeta) -> Result<(), SinkError> {
        Ok(())
    }

    fn take_steps(&mut self, rows: StepRows) -> Result<StepRows, SinkError> {
        Ok(rows)
    }

    fn take_episodes(&mut self, rows: EpisodeRows) -> Result<EpisodeRows, SinkError> {
        Ok(rows)
    }
}

/// A file of a run as the scan met it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScannedFile {
    /// Its name in the run's directory.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// Lower-case hexadecimal SHA-256 of its bytes; empty where [`ValidateOptions::hash`] was not set.
    pub sha256: String,
    /// Rows in it, for a file of rows.
    pub rows: Option<u64>,
}

/// The seeds of a run's steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct SeedSummary {
    /// How many different ones.
    pub unique_count: u64,
    /// The smallest.
    pub min: i64,
    /// The largest.
    pub max: i64,
}

/// What a scan gives.
#[derive(Debug)]
pub struct RunScan {
    /// What was found.
    pub report: ValidationReport,
    /// The run's name, where `run.json` gives a safe one.
    pub key: Option<RunKey>,
    /// The run's metadata, where `run.json` could be read.
    pub meta: Option<RunMeta>,
    /// The bytes of `run.json`, where it is there.
    pub run_json: Option<Vec<u8>>,
    /// The bytes of `manifest.json`, where it is there.
    pub manifest: Option<Vec<u8>>,
    /// What lies in the directory.
    pub layout: RunLayout,
    /// Every file of the run, sorted by path: `run.json`, all shards, `manifest.json`, parquet, and those beside them.
    pub files: Vec<ScannedFile>,
    /// The steps' seeds; none where no step has one.
    pub seeds: Option<SeedSummary>,
    stamps: scan::FileStamps,
}

/// Why a scan came to no end.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// The disk failed.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// A file changed while it was read, or came or went.
    #[error("{file} in {run_dir} changed while the run was read")]
    Changed {
        /// The run's directory.
        run_dir: String,
        /// The file.
        file: String,
    },
    /// The sink would not go on.
    #[error("the rows of {run_dir} could not be passed on")]
    Sink {
        /// The run's directory.
        run_dir: String,
        /// Why.
        source: SinkError,
    },
}

impl Explain for ScanError {
    fn explain(&self) -> Explanation {
        match self {
            Self::Fs(error) => error.explain(),
            Self::Changed { .. } => {
                Io.code("run_changed").hint("wait until the recorder is done, then run the same command again")
            }
            Self::Sink { .. } => Io.code("io"),
        }
    }
}

/// Judges a run. `shown_as` is the run's directory as the report names it.
pub fn validate_run(
    run_dir: &Path,
    shown_as: &str,
    options: &ValidateOptions,
    progress: &dyn Progress,
) -> Result<ValidationReport, ScanError> {
    scan_run(run_dir, shown_as, options, &mut NoSink, progress).map(|scan| scan.report)
}

/// Reads every byte of a run once: judges it, and hands its rows on.
pub fn scan_run(
    run_dir: &Path,
    shown_as: &str,
    options: &ValidateOptions,
    sink: &mut dyn RowSink,
    progress: &dyn Progress,
) -> Result<RunScan, ScanError> {
    scan::scan_run_dir(run_dir, shown_as, options, sink, progress)
}

impl RunScan {
    /// Makes sure that the run is still as it was when it was scanned: the same files, of the same size, time and
    /// identity. For whoever copies the files afterwards, to call when the copies are made.
    pub fn check_unchanged(&self) -> Result<(), ScanError> {
        self.stamps.check_unchanged(&self.layout, &self.report.run_dir)
    }
}
