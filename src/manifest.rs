//! `manifest.json`: what a run is, where it came from, and the hash of every file.
//!
//! Made if the recorder made none. It depends on the run alone, except `created_at` when a recorder finalizes: no host,
//! no absolute path. An existing manifest is never rewritten. Whether a recorder's manifest is true is checked in
//! `validate::manifest`.

use std::path::Path;

use sha2::{Digest, Sha256};

use crate::error::ExitKind::CheckFailed;
use crate::error::{Explain, Explanation};
use crate::formats::json;
use crate::formats::json::{JsonLayout, JsonObject, JsonValue};
use crate::run::RunKey;
use crate::run::layout::MANIFEST;
use crate::run::meta::RunMeta;
use crate::support::blocks::read_blocks;
use crate::support::fs;
use crate::support::fs::{At, FsError};
use crate::support::process::shell_quote;
use crate::support::progress::Progress;
use crate::support::text::to_hex;
use crate::validate;
use crate::validate::{
    IgnoredFinding, NoSink, RunScan, ScanError, ScannedFile, SeedSummary, StreamReport, ValidateOptions,
    ValidationReport,
};

/// The `generator` of our manifests.
const GENERATOR: &str = env!("CARGO_PKG_NAME");

/// A file in a manifest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ManifestEntry {
    /// Its name in the run's directory.
    pub path: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// Lower-case hexadecimal SHA-256 of its bytes; empty if the manifest has none.
    pub sha256: String,
    /// The number of rows, if it is a file of rows.
    pub rows: Option<u64>,
}

impl ManifestEntry {
    /// Reads and hashes a file of `dir`.
    pub fn of_file(dir: &Path, name: &str) -> Result<Self, FsError> {
        let path = dir.join(name);
        let mut file = fs::open(&path)?;
        let mut hash = Sha256::new();
        let read = read_blocks(&mut file, |block| {
            hash.update(block);
            Ok(())
        });
        let bytes = read.at("read", &path)?;
        Ok(Self { path: name.into(), bytes, sha256: to_hex(&hash.finalize()), rows: None })
    }
}

impl From<&ScannedFile> for ManifestEntry {
    fn from(file: &ScannedFile) -> Self {
        Self { path: file.path.clone(), bytes: file.bytes, sha256: file.sha256.clone(), rows: file.rows }
    }
}

/// The content of a manifest.
pub struct RunManifest<'a> {
    /// The run's name.
    pub key: &'a RunKey,
    /// The run's metadata.
    pub meta: &'a RunMeta,
    /// What validation found.
    pub report: &'a ValidationReport,
    /// The seeds of the run's steps.
    pub seeds: Option<SeedSummary>,
    /// All files except the manifest, in any order.
    pub files: Vec<ManifestEntry>,
    /// The time it was made, RFC 3339; `None` for the run's `start_time`.
    pub created_at: Option<String>,
}

impl<'a> RunManifest<'a> {
    /// Makes the manifest of a scanned run. `None` if `run.json` does not name the run.
    #[must_use]
    pub fn from_scan(scan: &'a RunScan) -> Option<Self> {
        Some(Self {
            key: scan.key.as_ref()?,
            meta: scan.meta.as_ref()?,
            report: &scan.report,
            seeds: scan.seeds,
            files: scan.files.iter().map(ManifestEntry::from).filter(|file| file.path != MANIFEST).collect(),
            created_at: None,
        })
    }

    /// Returns the text of the file.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut files = self.files.clone();
        // By path, whatever order the caller has.
        files.sort();
        let object = JsonObject::new()
            .with_member("run_id", self.key.run_id())
            .with_member("experiment", self.key.experiment())
            .with_member("created_at", self.created_at.as_deref().unwrap_or(&self.meta.start_time))
            .with_member("git_sha", self.meta.git_sha.clone())
            .with_member("package_version", self.meta.package_version.clone())
            .with_member("schema_version", self.meta.schema_version.as_str())
            .with_member("config_hash", self.meta.env_config.config_hash())
            .with_member("env_config", self.meta.env_config.clone())
            .with_member("validation", validation_object(self.report))
            .with_member("files", files.iter().map(entry_object).collect::<Vec<_>>())
            .with_member("seed_summary", seeds_object(self.seeds))
            .with_member(
                "generator",
                JsonObject::new().with_member("name", GENERATOR).with_member("version", env!("CARGO_PKG_VERSION")),
            );
        JsonValue::Object(object).dump_with(JsonLayout::PRETTY) + "\n"
    }
}

/// Returns the files in a manifest of any recorder. `None` if the text is not a manifest.
#[must_use]
pub fn parse_entries(manifest: &[u8]) -> Option<Vec<ManifestEntry>> {
    entries_of(&json::parse(manifest).ok()?)
}

/// The same, of a manifest that is parsed already.
#[must_use]
pub fn entries_of(manifest: &JsonValue) -> Option<Vec<ManifestEntry>> {
    let unsigned = |value: &JsonValue| value.as_i64().and_then(|n| u64::try_from(n).ok());
    let entry = |file: &JsonValue| {
        Some(ManifestEntry {
            path: file.get("path")?.as_str()?.to_owned(),
            bytes: file.get("bytes").and_then(unsigned)?,
            // Another recorder can write upper-case digits.
            sha256: file.get("sha256").and_then(JsonValue::as_str).unwrap_or_default().to_ascii_lowercase(),
            rows: file.get("rows").and_then(unsigned),
        })
    };
    manifest.get("files")?.as_array()?.iter().map(entry).collect()
}

/// Returns the report without its findings, as JSON.
fn validation_object(report: &ValidationReport) -> JsonObject {
    let codes = |codes: &[validate::Code]| codes.iter().map(|code| code.as_str()).collect::<Vec<_>>();
    let stream = |stream: StreamReport| JsonObject::new().with_member("ok", stream.ok).with_member("rows", stream.rows);
    let object = JsonObject::new()
        .with_member("run_dir", report.run_dir.as_str())
        .with_member("experiment", report.experiment.as_str())
        .with_member("run_id", report.run_id.as_str())
        .with_member("ok", report.ok)
        .with_member("errors", codes(&report.errors))
        .with_member("warnings", codes(&report.warnings));
    // Only if something was ignored, so that other manifests keep their bytes.
    with_ignored(object, &report.ignored)
        .with_member("steps", stream(report.steps))
        .with_member("episodes", stream(report.episodes))
}

/// Adds the ignored findings to an object, if there are any.
#[must_use]
pub fn with_ignored(object: JsonObject, ignored: &[IgnoredFinding]) -> JsonObject {
    if ignored.is_empty() {
        return object;
    }
    let one = |one: &IgnoredFinding| {
        JsonObject::new()
            .with_member("code", one.code.as_str())
            .with_member("count", one.count)
            .with_member("by", one.by.as_str())
    };
    object.with_member("ignored", ignored.iter().map(one).collect::<Vec<_>>())
}

/// Returns the ignored findings in such an object; entries of another shape are skipped.
#[must_use]
pub fn parse_ignored(object: &JsonValue) -> Vec<IgnoredFinding> {
    let one = |one: &JsonValue| {
        Some(IgnoredFinding {
            code: one.get("code")?.as_str()?.to_owned(),
            count: one.get("count").and_then(JsonValue::as_i64).and_then(|n| u64::try_from(n).ok())?,
            by: one.get("by")?.as_str()?.to_owned(),
        })
    };
    object.get("ignored").and_then(JsonValue::as_array).unwrap_or_default().iter().filter_map(one).collect()
}

fn entry_object(file: &ManifestEntry) -> JsonObject {
    let object = JsonObject::new()
        .with_member("path", file.path.as_str())
        .with_member("bytes", file.bytes)
        .with_member("sha256", file.sha256.as_str());
    match file.rows {
        Some(rows) => object.with_member("rows", rows),
        None => object,
    }
}

fn seeds_object(seeds: Option<SeedSummary>) -> JsonObject {
    match seeds {
        Some(seeds) => JsonObject::new()
            .with_member("unique_count", seeds.unique_count)
            .with_member("min", seeds.min)
            .with_member("max", seeds.max),
        None => JsonObject::new(),
    }
}

/// A manifest that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// There is one already.
    #[error("{run_dir} already has a {MANIFEST}, which is never rewritten")]
    Exists {
        /// The run's directory.
        run_dir: String,
    },
    /// The run does not name itself.
    #[error("cannot make a manifest for {run_dir}: {why}")]
    NoRun {
        /// The run's directory.
        run_dir: String,
        /// The message of the first finding.
        why: String,
    },
    /// The run cannot be read.
    #[error(transparent)]
    Scan(#[from] ScanError),
    /// The file cannot be written.
    #[error(transparent)]
    Fs(#[from] FsError),
}

impl Explain for ManifestError {
    fn explain(&self) -> Explanation {
        match self {
            Self::Exists { run_dir } => CheckFailed.code("manifest_exists").hint(format!(
                "check it against the files with `capture-hook validate {}`, or delete it to make a new one",
                shell_quote(run_dir)
            )),
            Self::NoRun { run_dir, .. } => CheckFailed
                .code("invalid_run")
                .hint(format!("see all findings with `capture-hook validate {}`", shell_quote(run_dir))),
            Self::Scan(error) => error.explain(),
            Self::Fs(error) => error.explain(),
        }
    }
}

/// Writes a missing manifest into a run's directory. `shown_as` names the directory in messages and in the manifest.
pub fn write_manifest(
    run_dir: &Path,
    shown_as: &str,
    options: &ValidateOptions,
    progress: &dyn Progress,
) -> Result<ValidationReport, ManifestError> {
    let path = run_dir.join(MANIFEST);
    // A dangling link counts, too: it is never replaced.
    if std::fs::symlink_metadata(&path).is_ok() {
        return Err(ManifestError::Exists { run_dir: shown_as.into() });
    }
    // A manifest needs the hash of every file.
    let mut options = options.clone();
    options.hash = true;
    let scan = validate::scan_run(run_dir, shown_as, &options, &mut NoSink, progress)?;
    let Some(manifest) = RunManifest::from_scan(&scan) else {
        let why = scan.report.findings.first().map_or("run.json cannot be used", |finding| &finding.message);
        return Err(ManifestError::NoRun { run_dir: shown_as.into(), why: why.into() });
    };
    fs::write_atomic(&path, manifest.to_text().as_bytes())?;
    Ok(scan.report)
}
