//! The one pass over a run: a thread inflates, the caller's thread parses and checks, and summaries are read beside the
//! steps that they sum up.
//!
//! Every file is read once, and stamped when it is opened; a file that changes meanwhile fails the scan. Nothing is
//! written.

mod declaration;
mod files;
mod lines;
mod streams;
mod summaries;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use self::files::{check_others, check_shards};
use self::streams::StreamScan;
use super::{RowSink, RunScan, ScanError, ScannedFile, SinkError, StreamReport, ValidateOptions, ValidationReport};
use crate::run::discover::directory_names;
use crate::run::include::IncludePatterns;
use crate::run::layout::{MANIFEST, RUN_JSON, RunLayout, RunStream, slash_hint};
use crate::run::meta::RunMeta;
use crate::run::open::FileStamp;
use crate::run::schema::{RunSchema, SCHEMA_JSON, SchemaVersion};
use crate::run::{RunKey, why_unsafe};
use crate::support::blocks::read_blocks;
use crate::support::fs::{At, FsError};
use crate::support::progress::Progress;
use crate::support::text::to_hex;
use crate::support::{fs, limits};
use crate::validate::code::Code;
use crate::validate::findings::{FileId, FindingCollector, LineRef};
use crate::validate::manifest::{RecordedManifest, ScannedRun};
use crate::validate::rows::{shorten_text, what_can_be_read};

/// The stamp of every file when it was opened.
#[derive(Debug, Clone, Default)]
pub(super) struct FileStamps {
    files: BTreeMap<String, FileStamp>,
    include: IncludePatterns,
}

impl FileStamps {
    /// Fails unless the directory holds the same files in the same state.
    pub fn check_unchanged(&self, layout: &RunLayout, shown_as: &str) -> Result<(), ScanError> {
        let changed = |file: &str| ScanError::Changed { run_dir: shown_as.to_owned(), file: file.to_owned() };
        let now = RunLayout::open_with(&layout.dir, &self.include).map_err(|_| changed("the directory"))?;
        let (old, new) = (layout.dataset_files(), now.dataset_files());
        if old != new {
            let first_difference =
                old.iter().find(|n| !new.contains(n)).or_else(|| new.iter().find(|n| !old.contains(n)));
            return Err(changed(first_difference.map_or("the directory", String::as_str)));
        }
        for (name, stamp) in &self.files {
            // A file that cannot be looked at any more counts as changed.
            if FileStamp::from_path(&layout.dir.join(name)).ok().as_ref() != Some(stamp) {
                return Err(changed(name));
            }
        }
        Ok(())
    }
}

/// Reads and checks a run's directory, from its first file to the report. Over 80 lines, because the order of the steps is the
/// order of the findings in the report: it reads best in one place.
pub(super) fn scan_run_dir(
    run_dir: &Path,
    shown_as: &str,
    options: &ValidateOptions,
    sink: &mut dyn RowSink,
    progress: &dyn Progress,
) -> Result<RunScan, ScanError> {
    let mut findings = FindingCollector::new(options);
    let mut layout = open_layout(run_dir, shown_as, options, &mut findings)?;
    let absent = !run_dir.is_dir();
    let mut stamps = FileStamps { files: BTreeMap::new(), include: options.include.clone() };
    let run_json = small_file(&layout, layout.run_json, RUN_JSON, &mut stamps)?;
    let manifest_bytes = small_file(&layout, layout.manifest, MANIFEST, &mut stamps)?;
    let manifest = manifest_bytes.as_deref().map(RecordedManifest::read);

    // Registered first, so that its findings come first in the report.
    let run_file = findings.new_file(RUN_JSON);
    let meta = if absent { None } else { check_meta(&layout, run_json.as_deref(), run_file, &mut findings) };
    let names = RunNames::for_run(run_dir, meta.as_ref());
    let key = meta.as_ref().and_then(|_| names.check_names(run_file, &mut findings));

    let version = version_of(meta.as_ref(), &layout);
    let mut schema = Some(RunSchema::plume());
    if version.is_declared() {
        schema = declaration::take_declaration(&mut layout, &mut stamps, &mut findings)?;
    }
    if let (Some(key), Some(schema)) = (&key, &schema) {
        declaration::check_pin(key, schema, options, &mut findings);
    }
    // Without its declaration a row cannot be read; the streams are left alone.
    let is_readable = schema.is_some();
    let schema = schema.unwrap_or_else(RunSchema::plume);
    let is_derived = is_readable && declaration::is_derived(&layout, &schema, &mut findings);
    // If the recorder's manifest has hashes, they are checked on the way.
    let hash = options.hash || manifest.as_ref().is_some_and(RecordedManifest::has_hashes);
    let context = ScanContext {
        layout: &layout,
        hash,
        one_thread: options.one_thread,
        run_id: meta.as_ref().map(|m| m.run_id.as_str()),
        schema: Arc::clone(&schema),
        version,
        is_derived,
        progress,
        shown_as,
    };
    let mut streams = StreamScan::new(&context, sink.wants_rows() && key.is_some() && is_readable, &mut findings);
    if let (true, Some(key), Some(meta)) = (streams.to_sink, &key, &meta) {
        sink.begin_run(key, meta, &schema).map_err(|e| context.sink_error(e))?;
    }
    if !absent && is_readable {
        check_shards(&layout, is_derived, streams.stream_losses(), &mut findings);
        streams.read_steps(&context, &mut findings, sink)?;
    }
    let mut outcome = streams.into_outcome();
    let named_files = std::mem::take(&mut outcome.named_files);
    declaration::take_named_files(named_files, &schema, &mut layout, &mut stamps, &mut findings)?;
    if !absent {
        check_others(&layout, &stamps.include, &mut findings);
    }
    let mut files = outcome.files;
    stamps.files.extend(outcome.stamps);
    for (name, bytes) in [(RUN_JSON, &run_json), (MANIFEST, &manifest_bytes)] {
        if let Some(bytes) = bytes {
            let sha256 = if hash { to_hex(&Sha256::digest(bytes)) } else { String::new() };
            files.push(ScannedFile { path: name.into(), bytes: bytes.len() as u64, sha256, rows: None });
        }
    }
    for name in layout.parquet.iter().chain(&layout.included) {
        let needs_hash = options.hash || manifest.as_ref().is_some_and(|m| m.has_hash(name));
        files.push(opaque_file(&layout, name, needs_hash, &mut stamps)?);
    }
    // The order in which files were read must not matter.
    files.sort_by(|a, b| a.path.cmp(&b.path));
    if let Some(manifest) = &manifest {
        let file = findings.register_file(MANIFEST);
        let (left_out, rows) = (layout.unrecognized.as_slice(), outcome.whole_rows);
        let has_index = layout.dataset_index;
        let found = ScannedRun { meta: meta.as_ref(), files: &files, left_out, has_index, rows };
        manifest.compare_with(file, &found, &mut findings);
    }
    if !absent {
        stamps.check_unchanged(&layout, shown_as)?;
    }
    let collected = findings.finish();
    let stream = |stream: RunStream, rows: u64| {
        let ids = outcome.ids.get(&stream).map(Vec::as_slice).unwrap_or_default();
        StreamReport { ok: !absent && is_readable && !collected.bad_files.iter().any(|id| ids.contains(id)), rows }
    };
    let report = ValidationReport {
        run_dir: shown_as.into(),
        experiment: names.experiment,
        run_id: names.run_id,
        ok: collected.errors.is_empty(),
        steps: stream(RunStream::Steps, outcome.rows[0]),
        reset_rows: outcome.reset_rows,
        episodes: stream(RunStream::Episodes, outcome.rows[1]),
        errors: collected.errors,
        warnings: collected.warnings,
        ignored: collected.ignored,
        findings: collected.findings,
        groups: collected.groups,
    };
    let schema = is_readable.then_some(schema);
    let seeds = outcome.seeds;
    Ok(RunScan { report, key, meta, schema, run_json, manifest: manifest_bytes, layout, files, seeds, stamps })
}

/// The schema version by which the rows are read. A run of an unknown one, or without a usable `run.json`, which is
/// reported, is read as it looks.
fn version_of(meta: Option<&RunMeta>, layout: &RunLayout) -> SchemaVersion {
    let looks_declared = || layout.unrecognized.iter().any(|name| name == SCHEMA_JSON);
    match meta.map(RunMeta::schema) {
        Some(Some(version)) => version,
        _ if looks_declared() => SchemaVersion::V2,
        _ => SchemaVersion::V0_1,
    }
}

/// What lies in the run's directory. One that does not exist is a finding, and empty.
fn open_layout(
    run_dir: &Path,
    shown_as: &str,
    options: &ValidateOptions,
    findings: &mut FindingCollector<'_>,
) -> Result<RunLayout, ScanError> {
    match RunLayout::open_with(run_dir, &options.include) {
        Err(error) if matches!(error.source.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            findings.add_finding(Code::RunDirNotFound, LineRef { hard: true, ..LineRef::default() }, || {
                let hint = slash_hint(shown_as).map(|hint| format!("; {hint}")).unwrap_or_default();
                format!("the directory {shown_as} does not exist{hint}")
            });
            Ok(RunLayout::absent(run_dir))
        }
        opened => Ok(opened?),
    }
}

/// Reads a small file; `None` if it does not exist or is not a regular file of the run.
fn small_file(
    layout: &RunLayout,
    exists: bool,
    name: &str,
    stamps: &mut FileStamps,
) -> Result<Option<Vec<u8>>, FsError> {
    if !exists {
        return Ok(None);
    }
    let path = layout.dir.join(name);
    let file = fs::open(&path)?;
    let stamp = FileStamp::from_metadata(&file.metadata().at("look at", &path)?);
    stamps.files.insert(name.into(), stamp);
    let mut bytes = Vec::new();
    // One byte more than the limit tells a file that is too large.
    file.take(limits::RUN_FILE + 1).read_to_end(&mut bytes).at("read", &path)?;
    Ok(Some(bytes))
}

/// Stamps, and if asked hashes, a file whose content has no rule.
fn opaque_file(layout: &RunLayout, name: &str, hash: bool, stamps: &mut FileStamps) -> Result<ScannedFile, FsError> {
    let path = layout.dir.join(name);
    let mut file: File = fs::open(&path)?;
    let stamp = FileStamp::from_metadata(&file.metadata().at("look at", &path)?);
    let mut sha256 = String::new();
    if hash {
        let mut hasher = Sha256::new();
        let read = read_blocks(&mut file, |block| {
            hasher.update(block);
            Ok(())
        });
        read.at("read", &path)?;
        sha256 = to_hex(&hasher.finalize());
    }
    let bytes = stamp.bytes;
    stamps.files.insert(name.into(), stamp);
    Ok(ScannedFile { path: name.into(), bytes, sha256, rows: None })
}

fn check_meta(
    layout: &RunLayout,
    bytes: Option<&[u8]>,
    file: FileId,
    findings: &mut FindingCollector<'_>,
) -> Option<RunMeta> {
    let line_ref = LineRef { file: Some(file), hard: true, ..LineRef::default() };
    let Some(bytes) = bytes else {
        if !layout.escapes.iter().any(|e| e == RUN_JSON) {
            // A directory, a pipe or a dangling link of that name.
            let odd = std::fs::symlink_metadata(layout.dir.join(RUN_JSON)).is_ok();
            let why = if odd { "exists, but is not a regular file" } else { "does not exist" };
            findings.add_finding(Code::MissingRunJson, line_ref, || format!("{RUN_JSON} {why}"));
        }
        return None;
    };
    if bytes.len() as u64 > limits::RUN_FILE {
        findings.add_finding(Code::InvalidRunJson, line_ref, || format!("larger than {} MiB", limits::RUN_FILE >> 20));
        return None;
    }
    match RunMeta::parse(bytes) {
        Ok(meta) => {
            if meta.schema().is_none() {
                findings.add_finding(Code::UnsupportedSchemaVersion, line_ref, || {
                    let known = what_can_be_read(&meta.schema_version, &SchemaVersion::ALL);
                    format!("schema_version is `{}`; {known}", shorten_text(&meta.schema_version))
                });
            }
            Some(meta)
        }
        Err(error) => {
            let line_ref = LineRef { line: error.at().map(|at| at.line), ..line_ref };
            findings.add_finding(Code::InvalidRunJson, line_ref, || match error.at() {
                Some(at) => format!("{error} ({at})"),
                None => error.to_string(),
            });
            None
        }
    }
}

/// The names of the run.
struct RunNames {
    experiment: String,
    run_id: String,
}

impl RunNames {
    /// Takes the names from `run.json`, else from the directories.
    fn for_run(run_dir: &Path, meta: Option<&RunMeta>) -> Self {
        let (experiment, run_id) = directory_names(run_dir);
        Self {
            experiment: meta.and_then(|m| m.experiment.clone()).unwrap_or(experiment),
            run_id: meta.map_or(run_id, |m| m.run_id.clone()),
        }
    }

    fn check_names(&self, file: FileId, findings: &mut FindingCollector<'_>) -> Option<RunKey> {
        for (name, text) in [("run_id", &self.run_id), ("experiment", &self.experiment)] {
            if let Some(why) = why_unsafe(text) {
                let line_ref = LineRef { file: Some(file), hard: true, ..LineRef::default() };
                findings.add_finding(Code::UnsafeRunId, line_ref, || {
                    format!("{name} `{}` cannot name a directory: it {why}", shorten_text(text))
                });
            }
        }
        RunKey::new(&self.experiment, &self.run_id).ok()
    }
}

/// The values that every part of the pass uses.
struct ScanContext<'a> {
    layout: &'a RunLayout,
    hash: bool,
    one_thread: bool,
    run_id: Option<&'a str>,
    schema: Arc<RunSchema>,
    version: SchemaVersion,
    /// Summaries are made of the steps.
    is_derived: bool,
    progress: &'a dyn Progress,
    shown_as: &'a str,
}

impl ScanContext<'_> {
    fn sink_error(&self, source: SinkError) -> ScanError {
        ScanError::Sink { run_dir: self.shown_as.into(), source }
    }
}
