//! `manifest.json`: what a run is, where it came from, and the hash of every file.
//!
//! Made where the recorder made none. It is a function of the run and nothing else, apart from `created_at` where a
//! recorder finalizes: no host, no absolute path. One that is there is never rewritten.

use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::error::ExitKind::CheckFailed;
use crate::error::{Explain, Explanation};
use crate::formats::json;
use crate::formats::json::{Layout, Object, Value};
use crate::run::RunKey;
use crate::run::layout::MANIFEST;
use crate::run::meta::RunMeta;
use crate::support::fs;
use crate::support::fs::{At, FsError};
use crate::support::process::quoted;
use crate::support::progress::Progress;
use crate::validate;
use crate::validate::{Ignored, NoSink, Options, Report, Scan, ScanError, ScannedFile, SeedSummary, StreamReport};

/// What wrote a manifest.
const GENERATOR: &str = env!("CARGO_PKG_NAME");

/// A file that a manifest names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Its name in the run's directory.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// Lower-case hexadecimal SHA-256 of its bytes; empty where the manifest has none.
    pub sha256: String,
    /// Rows in it, for a file of rows.
    pub rows: Option<u64>,
}

impl Entry {
    /// A file as it lies in `dir`.
    pub fn of_file(dir: &Path, name: &str) -> Result<Self, FsError> {
        let path = dir.join(name);
        let mut file = fs::open(&path)?;
        let (mut hash, mut bytes, mut buffer) = (Sha256::new(), 0, vec![0; 256 << 10]);
        loop {
            match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => {
                    hash.update(buffer.get(..n).unwrap_or_default());
                    bytes += n as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error).at("read", &path),
            }
        }
        Ok(Self { path: name.into(), bytes, sha256: json::hex(&hash.finalize()), rows: None })
    }
}

impl From<&ScannedFile> for Entry {
    fn from(file: &ScannedFile) -> Self {
        Self { path: file.path.clone(), bytes: file.bytes, sha256: file.sha256.clone(), rows: file.rows }
    }
}

/// What a manifest says.
pub struct Manifest<'a> {
    /// The run's name.
    pub key: &'a RunKey,
    /// The run's metadata.
    pub meta: &'a RunMeta,
    /// What validation found.
    pub report: &'a Report,
    /// The seeds of the run's steps.
    pub seeds: Option<SeedSummary>,
    /// Every file but the manifest; sorted here.
    pub files: Vec<Entry>,
    /// When it was made, RFC 3339; the run's `start_time` where none is given.
    pub created_at: Option<String>,
}

impl<'a> Manifest<'a> {
    /// The manifest of a scanned run. `None` where `run.json` does not say which run it is.
    #[must_use]
    pub fn of(scan: &'a Scan) -> Option<Self> {
        Some(Self {
            key: scan.key.as_ref()?,
            meta: scan.meta.as_ref()?,
            report: &scan.report,
            seeds: scan.seeds,
            files: scan.files.iter().map(Entry::from).filter(|file| file.path != MANIFEST).collect(),
            created_at: None,
        })
    }

    /// The text of the file.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut files = self.files.clone();
        files.sort();
        let object = Object::new()
            .with("run_id", self.key.run_id())
            .with("experiment", self.key.experiment())
            .with("created_at", self.created_at.as_deref().unwrap_or(&self.meta.start_time))
            .with("git_sha", self.meta.git_sha.clone())
            .with("package_version", self.meta.package_version.clone())
            .with("schema_version", self.meta.schema_version.as_str())
            .with("config_hash", self.meta.env_config.config_hash())
            .with("env_config", self.meta.env_config.clone())
            .with("validation", validation(self.report))
            .with("files", files.iter().map(entry).collect::<Vec<_>>())
            .with("seed_summary", seeds(self.seeds))
            .with("generator", Object::new().with("name", GENERATOR).with("version", env!("CARGO_PKG_VERSION")));
        Value::Object(object).dump(Layout::PRETTY) + "\n"
    }
}

/// The files that a manifest names, whoever wrote it. `None` where it is no manifest.
#[must_use]
pub fn entries(manifest: &[u8]) -> Option<Vec<Entry>> {
    let value = json::parse(manifest).ok()?;
    let unsigned = |value: &Value| value.as_i64().and_then(|n| u64::try_from(n).ok());
    let entry = |file: &Value| {
        Some(Entry {
            path: file.get("path")?.as_str()?.to_owned(),
            bytes: file.get("bytes").and_then(unsigned)?,
            sha256: file.get("sha256").and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase(),
            rows: file.get("rows").and_then(unsigned),
        })
    };
    value.get("files")?.as_array()?.iter().map(entry).collect()
}

/// The report without its findings.
fn validation(report: &Report) -> Object {
    let codes = |codes: &[validate::Code]| codes.iter().map(|code| code.as_str()).collect::<Vec<_>>();
    let stream = |stream: StreamReport| Object::new().with("ok", stream.ok).with("rows", stream.rows);
    let object = Object::new()
        .with("run_dir", report.run_dir.as_str())
        .with("experiment", report.experiment.as_str())
        .with("run_id", report.run_id.as_str())
        .with("ok", report.ok)
        .with("errors", codes(&report.errors))
        .with("warnings", codes(&report.warnings));
    with_ignored(object, &report.ignored).with("steps", stream(report.steps)).with("episodes", stream(report.episodes))
}

/// An object with what validation ignored, where it ignored anything.
#[must_use]
pub fn with_ignored(object: Object, ignored: &[Ignored]) -> Object {
    if ignored.is_empty() {
        return object;
    }
    let one = |one: &Ignored| {
        Object::new().with("code", one.code.as_str()).with("count", one.count).with("by", one.by.as_str())
    };
    object.with("ignored", ignored.iter().map(one).collect::<Vec<_>>())
}

/// What such an object says was ignored.
#[must_use]
pub fn ignored(object: &Value) -> Vec<Ignored> {
    let one = |one: &Value| {
        Some(Ignored {
            code: one.get("code")?.as_str()?.to_owned(),
            count: one.get("count").and_then(Value::as_i64).and_then(|n| u64::try_from(n).ok())?,
            by: one.get("by")?.as_str()?.to_owned(),
        })
    };
    object.get("ignored").and_then(Value::as_array).unwrap_or_default().iter().filter_map(one).collect()
}

fn entry(file: &Entry) -> Object {
    let object =
        Object::new().with("path", file.path.as_str()).with("bytes", file.bytes).with("sha256", file.sha256.as_str());
    match file.rows {
        Some(rows) => object.with("rows", rows),
        None => object,
    }
}

fn seeds(seeds: Option<SeedSummary>) -> Object {
    match seeds {
        Some(seeds) => {
            Object::new().with("unique_count", seeds.unique_count).with("min", seeds.min).with("max", seeds.max)
        }
        None => Object::new(),
    }
}

/// A manifest that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is one.
    #[error("{run_dir} has a {MANIFEST}, which is never rewritten")]
    Exists {
        /// The run's directory.
        run_dir: String,
    },
    /// The run does not say what it is.
    #[error("{run_dir} cannot have a manifest: {why}")]
    NoRun {
        /// The run's directory.
        run_dir: String,
        /// What is wrong, as the first finding says it.
        why: String,
    },
    /// The run could not be read.
    #[error(transparent)]
    Scan(#[from] ScanError),
    /// The file could not be written.
    #[error(transparent)]
    Fs(#[from] FsError),
}

impl Explain for Error {
    fn explain(&self) -> Explanation {
        match self {
            Self::Exists { run_dir } => CheckFailed.code("manifest_exists").hint(format!(
                "`capture-hook validate {}` says whether it agrees with the files; delete it to have a new one made",
                quoted(run_dir)
            )),
            Self::NoRun { run_dir, .. } => CheckFailed
                .code("invalid_run")
                .hint(format!("`capture-hook validate {}` says what is wrong", quoted(run_dir))),
            Self::Scan(error) => error.explain(),
            Self::Fs(error) => error.explain(),
        }
    }
}

/// Writes a missing manifest into a run's directory. `shown_as` names the directory in messages and in the manifest.
pub fn write(run_dir: &Path, shown_as: &str, options: &Options, progress: &dyn Progress) -> Result<Report, Error> {
    let path = run_dir.join(MANIFEST);
    if std::fs::symlink_metadata(&path).is_ok() {
        return Err(Error::Exists { run_dir: shown_as.into() });
    }
    let mut options = options.clone();
    options.hash = true;
    let scan = validate::scan(run_dir, shown_as, &options, &mut NoSink, progress)?;
    let Some(manifest) = Manifest::of(&scan) else {
        let why = scan.report.findings.first().map_or("run.json cannot be used", |finding| &finding.message);
        return Err(Error::NoRun { run_dir: shown_as.into(), why: why.into() });
    };
    fs::write_atomic(&path, manifest.to_text().as_bytes())?;
    Ok(scan.report)
}
