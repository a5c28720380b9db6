//! The rules for runs: rows in, findings out.
//!
//! [`scan_run`] is the one pass over a run's bytes. It checks every row by every rule and passes the rows on to a
//! [`RowSink`]; [`validate_run`] is the same pass without a sink. Bad data is a finding in the [`ValidationReport`],
//! never an `Err`: an error means that the disk or the sink failed. A run is never changed here.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

use crate::error::ExitKind::{Io, Setup};
use crate::error::{Explain, Explanation};
use crate::run::RunKey;
use crate::run::include::IncludePatterns;
use crate::run::layout::RunLayout;
use crate::run::meta::RunMeta;
use crate::run::rows::{EpisodeRows, StepRows};
use crate::run::schema::RunSchema;
use crate::support::fs::FsError;
use crate::support::progress::Progress;
use crate::support::text::find_near;

mod batch;
mod clock;
mod code;
mod episodes;
mod findings;
mod ids;
mod manifest;
mod open_episodes;
mod report;
mod rows;
mod scan;
mod seeds;
mod single;
mod steps;
mod totals;

pub use code::{Code, Severity};
pub use report::{FindingGroup, IgnoredFinding, StreamReport, ValidationFinding, ValidationReport};
pub use single::{BrokenRule, RowChecker};

/// The options of a scan: which findings count, which files belong to the run.
#[derive(Debug, Clone, Default)]
pub struct ValidateOptions {
    ignore: Vec<Code>,
    deny: Vec<Code>,
    /// What set these codes, for the report.
    named_by: String,
    /// The files beside the recorder's that belong to the run.
    pub include: IncludePatterns,
    /// The schema that each run of an experiment must satisfy, by the experiment's name.
    pub pins: BTreeMap<String, Arc<RunSchema>>,
    /// Hash every file, as a manifest needs; else only files whose hash the recorder's manifest has.
    pub hash: bool,
    /// Use the calling thread alone, because other runs are read at the same time; else several threads share the work.
    pub one_thread: bool,
}

/// An invalid `[validate]` setting.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OptionsError {
    /// There is no such code.
    #[error("`{name}` in [validate] {list} is not a finding's code")]
    Unknown {
        /// The text in the settings.
        name: String,
        /// The list: `ignore` or `deny`.
        list: &'static str,
        /// A code with a similar name, if any.
        suggestion: Option<&'static str>,
    },
    /// A code that cannot be ignored.
    #[error(
        "`{0}` cannot be ignored: a run that cannot be read, is not safe, or is another run's never gets into the dataset"
    )]
    NotIgnorable(Code),
    /// A code in both lists.
    #[error("`{0}` is in both lists of [validate], ignore and deny")]
    Both(Code),
}

impl Explain for OptionsError {
    fn explain(&self) -> Explanation {
        Setup.code("invalid_config").hint(match self {
            Self::Unknown { suggestion: Some(known), .. } => format!("did you mean `{known}`?"),
            Self::Unknown { .. } => "list the codes with `capture-hook validate --help`".into(),
            Self::NotIgnorable(code) => format!("remove `{code}` from [validate] ignore in capture-hook.toml"),
            Self::Both(code) => format!("remove `{code}` from one of them in capture-hook.toml"),
        })
    }
}

impl ValidateOptions {
    /// Makes options from the `[validate]` lists of the settings; `by` names the file or option that holds them.
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
        // Which of the two lists wins would be a guess.
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

/// Why a sink stopped.
pub type SinkError = Box<dyn std::error::Error + Send + Sync>;

/// Takes the rows of a scan. Called on the scanning thread, so a slow sink needs a thread of its own.
pub trait RowSink {
    /// Whether the sink takes rows at all.
    fn wants_rows(&self) -> bool {
        true
    }

    /// Begins the run whose rows follow. Without a usable `run.json` no method is called.
    fn begin_run(&mut self, key: &RunKey, meta: &RunMeta, schema: &Arc<RunSchema>) -> Result<(), SinkError>;

    /// Takes step rows, in file order. Returns a batch whose memory is used again; its rows are ignored.
    fn take_steps(&mut self, rows: StepRows) -> Result<StepRows, SinkError>;

    /// Takes episode rows, in file order, matched to their steps. Returns a batch whose memory is used again.
    fn take_episodes(&mut self, rows: EpisodeRows) -> Result<EpisodeRows, SinkError>;
}

/// A sink that takes no rows.
pub struct NoSink;

impl RowSink for NoSink {
    fn wants_rows(&self) -> bool {
        false
    }

    fn begin_run(&mut self, _: &RunKey, _: &RunMeta, _: &Arc<RunSchema>) -> Result<(), SinkError> {
        Ok(())
    }

    fn take_steps(&mut self, rows: StepRows) -> Result<StepRows, SinkError> {
        Ok(rows)
    }

    fn take_episodes(&mut self, rows: EpisodeRows) -> Result<EpisodeRows, SinkError> {
        Ok(rows)
    }
}

/// A file of a run, as scanned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScannedFile {
    /// Its name in the run's directory.
    pub path: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// Lower-case hexadecimal SHA-256 of its bytes; empty if it was not hashed.
    pub sha256: String,
    /// The number of rows, if it is a file of rows that could be read.
    pub rows: Option<u64>,
}

/// The seeds of a run's steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct SeedSummary {
    /// The number of different seeds.
    pub unique_count: u64,
    /// The smallest.
    pub min: i64,
    /// The largest.
    pub max: i64,
}

/// The result of a scan.
#[derive(Debug)]
pub struct RunScan {
    /// What was found.
    pub report: ValidationReport,
    /// The run's name, if `run.json` has a safe one.
    pub key: Option<RunKey>,
    /// The run's metadata, if `run.json` could be read.
    pub meta: Option<RunMeta>,
    /// The run's columns; `None` if its declaration cannot be used.
    pub schema: Option<Arc<RunSchema>>,
    /// The bytes of `run.json`, if it exists.
    pub run_json: Option<Vec<u8>>,
    /// The bytes of `manifest.json`, if it exists.
    pub manifest: Option<Vec<u8>>,
    /// What lies in the directory.
    pub layout: RunLayout,
    /// Every file of the run, sorted by path: `run.json`, all shards, `manifest.json`, parquet, and those beside them.
    pub files: Vec<ScannedFile>,
    /// The steps' seeds; `None` if no step has one.
    pub seeds: Option<SeedSummary>,
    stamps: scan::FileStamps,
}

/// Why a scan failed.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// The disk failed.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// A file was changed, added or removed during the scan.
    #[error("{file} in {run_dir} changed while the run was read")]
    Changed {
        /// The run's directory.
        run_dir: String,
        /// The file.
        file: String,
    },
    /// The sink failed.
    #[error("cannot pass on the rows of {run_dir}")]
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

/// Validates a run. `shown_as` is the run's directory as the report names it.
pub fn validate_run(
    run_dir: &Path,
    shown_as: &str,
    options: &ValidateOptions,
    progress: &dyn Progress,
) -> Result<ValidationReport, ScanError> {
    scan_run(run_dir, shown_as, options, &mut NoSink, progress).map(|scan| scan.report)
}

/// Reads every byte of a run once, validates it, and passes its rows on to `sink`.
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
    /// Fails unless the run's files are still as scanned: the same files, of the same size, time and identity. To be
    /// called after the files were copied.
    pub fn check_unchanged(&self) -> Result<(), ScanError> {
        self.stamps.check_unchanged(&self.layout, &self.report.run_dir)
    }
}
