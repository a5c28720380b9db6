//! The one pass over a run: inflating on a thread of its own, parsing and judging on the caller's, summaries read beside
//! the steps that they sum up.

mod files;
mod streams;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

use self::files::judge_layout;
use self::streams::Streams;
use super::{Options, Report, RowSink, Scan, ScanError, ScannedFile, SinkError, StreamReport};
use crate::formats::json::hex;
use crate::run::discover::directory_names;
use crate::run::include::Include;
use crate::run::layout::{Layout, MANIFEST, RUN_JSON, Stream, slash_hint};
use crate::run::meta::RunMeta;
use crate::run::open::Stamp;
use crate::run::schema::SchemaVersion;
use crate::run::{RunKey, why_unsafe};
use crate::support::fs::{At, FsError};
use crate::support::progress::Progress;
use crate::support::{fs, limits};
use crate::validate::code::Code;
use crate::validate::findings::{Collector, FileId, Place};
use crate::validate::manifest::{Found, Manifest};
use crate::validate::rows::shorten;

/// What every file was when it was read.
#[derive(Debug, Clone, Default)]
pub(super) struct Stamps {
    files: BTreeMap<String, Stamp>,
    include: Include,
}

impl Stamps {
    /// Makes sure that the directory holds the same files in the same state.
    pub fn check(&self, layout: &Layout, shown_as: &str) -> Result<(), ScanError> {
        let changed = |file: &str| ScanError::Changed { run_dir: shown_as.to_owned(), file: file.to_owned() };
        let now = Layout::open_with(&layout.dir, &self.include).map_err(|_| changed("the directory"))?;
        let (old, new) = (layout.dataset_files(), now.dataset_files());
        if old != new {
            let new_or_gone = old.iter().find(|n| !new.contains(n)).or_else(|| new.iter().find(|n| !old.contains(n)));
            return Err(changed(new_or_gone.map_or("the directory", String::as_str)));
        }
        for (name, stamp) in &self.files {
            if Stamp::at(&layout.dir.join(name)).ok().as_ref() != Some(stamp) {
                return Err(changed(name));
            }
        }
        Ok(())
    }
}

pub(super) fn run(
    run_dir: &Path,
    shown_as: &str,
    options: &Options,
    sink: &mut dyn RowSink,
    progress: &dyn Progress,
) -> Result<Scan, ScanError> {
    let mut findings = Collector::new(options);
    let layout = match Layout::open_with(run_dir, &options.include) {
        Ok(layout) => layout,
        Err(error) if matches!(error.source.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            findings.add(Code::RunDirNotFound, Place { hard: true, ..Place::default() }, || {
                let hint = slash_hint(shown_as).map(|hint| format!("; {hint}")).unwrap_or_default();
                format!("there is no directory {shown_as}{hint}")
            });
            Layout::absent(run_dir)
        }
        Err(error) => return Err(error.into()),
    };
    let absent = !run_dir.is_dir();
    let mut stamps = Stamps { files: BTreeMap::new(), include: options.include.clone() };
    let run_json = small_file(&layout, layout.run_json, RUN_JSON, &mut stamps)?;
    let manifest_bytes = small_file(&layout, layout.manifest, MANIFEST, &mut stamps)?;
    let manifest = manifest_bytes.as_deref().map(Manifest::read);

    let run_file = findings.new_file(RUN_JSON);
    let meta = if absent { None } else { judge_meta(&layout, run_json.as_deref(), run_file, &mut findings) };
    let names = Names::of(run_dir, meta.as_ref());
    let key = meta.as_ref().and_then(|_| names.judge(run_file, &mut findings));

    let hash = options.hash || manifest.as_ref().is_some_and(Manifest::has_hashes);
    let context = Context {
        layout: &layout,
        hash,
        one_thread: options.one_thread,
        run_id: meta.as_ref().map(|m| m.run_id.as_str()),
        schema: meta.as_ref().and_then(RunMeta::schema).unwrap_or(SchemaVersion::V0_1),
        progress,
        shown_as,
    };
    let mut streams = Streams::new(&context, sink.wants_rows() && key.is_some(), &mut findings);
    if let (true, Some(key), Some(meta)) = (streams.to_sink, &key, &meta) {
        sink.begin(key, meta).map_err(|e| context.sink_error(e))?;
    }
    if !absent {
        judge_layout(&layout, &options.include, streams.losses(), &mut findings);
        streams.read(&context, &mut findings, sink)?;
    }
    let outcome = streams.outcome();
    let mut files = outcome.files;
    stamps.files.extend(outcome.stamps);
    for (name, bytes) in [(RUN_JSON, &run_json), (MANIFEST, &manifest_bytes)] {
        if let Some(bytes) = bytes {
            let sha256 = if hash { hex(&Sha256::digest(bytes)) } else { String::new() };
            files.push(ScannedFile { path: name.into(), bytes: bytes.len() as u64, sha256, rows: None });
        }
    }
    for name in layout.parquet.iter().chain(&layout.included) {
        let wanted = options.hash || manifest.as_ref().is_some_and(|m| m.has_hash(name));
        files.push(opaque_file(&layout, name, wanted, &mut stamps)?);
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    if let Some(manifest) = &manifest {
        let file = findings.file(MANIFEST);
        let (left_out, rows) = (layout.unrecognized.as_slice(), outcome.whole_rows);
        let found = Found { meta: meta.as_ref(), files: &files, left_out, rows };
        manifest.compare(file, &found, &mut findings);
    }
    if !absent {
        stamps.check(&layout, shown_as)?;
    }
    let told = findings.finish();
    let stream = |stream: Stream, rows: u64| {
        let ids = outcome.ids.get(&stream).map(Vec::as_slice).unwrap_or_default();
        StreamReport { ok: !absent && !told.bad_files.iter().any(|id| ids.contains(id)), rows }
    };
    let report = Report {
        run_dir: shown_as.into(),
        experiment: names.experiment,
        run_id: names.run_id,
        ok: told.errors.is_empty(),
        steps: stream(Stream::Steps, outcome.rows[0]),
        episodes: stream(Stream::Episodes, outcome.rows[1]),
        errors: told.errors,
        warnings: told.warnings,
        ignored: told.ignored,
        findings: told.findings,
    };
    Ok(Scan { report, key, meta, run_json, manifest: manifest_bytes, layout, files, seeds: outcome.seeds, stamps })
}

/// A small file's bytes; a link out of the directory and the like is not there.
fn small_file(layout: &Layout, there: bool, name: &str, stamps: &mut Stamps) -> Result<Option<Vec<u8>>, FsError> {
    if !there {
        return Ok(None);
    }
    let path = layout.dir.join(name);
    let file = fs::open(&path)?;
    let stamp = Stamp::of(&file.metadata().at("look at", &path)?);
    stamps.files.insert(name.into(), stamp);
    let mut bytes = Vec::new();
    file.take(limits::RUN_FILE + 1).read_to_end(&mut bytes).at("read", &path)?;
    Ok(Some(bytes))
}

/// A file whose content is not looked at.
fn opaque_file(layout: &Layout, name: &str, hash: bool, stamps: &mut Stamps) -> Result<ScannedFile, FsError> {
    let path = layout.dir.join(name);
    let mut file: File = fs::open(&path)?;
    let stamp = Stamp::of(&file.metadata().at("look at", &path)?);
    let mut sha256 = String::new();
    if hash {
        let mut hasher = Sha256::new();
        let mut chunk = vec![0; 256 << 10];
        loop {
            let n = file.read(&mut chunk).at("read", &path)?;
            if n == 0 {
                break;
            }
            hasher.update(&chunk[..n]);
        }
        sha256 = hex(&hasher.finalize());
    }
    let bytes = stamp.bytes;
    stamps.files.insert(name.into(), stamp);
    Ok(ScannedFile { path: name.into(), bytes, sha256, rows: None })
}

fn judge_meta(layout: &Layout, bytes: Option<&[u8]>, file: FileId, findings: &mut Collector<'_>) -> Option<RunMeta> {
    let place = Place { file: Some(file), hard: true, ..Place::default() };
    let Some(bytes) = bytes else {
        if !layout.escapes.iter().any(|e| e == RUN_JSON) {
            let odd = std::fs::symlink_metadata(layout.dir.join(RUN_JSON)).is_ok();
            let why = if odd { "is there, but is no regular file" } else { "is not there" };
            findings.add(Code::MissingRunJson, place, || format!("{RUN_JSON} {why}"));
        }
        return None;
    };
    if bytes.len() as u64 > limits::RUN_FILE {
        findings.add(Code::InvalidRunJson, place, || format!("larger than {} MiB", limits::RUN_FILE >> 20));
        return None;
    }
    match RunMeta::parse(bytes) {
        Ok(meta) => {
            if meta.schema().is_none() {
                findings.add(Code::UnsupportedSchemaVersion, place, || {
                    format!("schema_version is `{}`; 0.1 and 1.0.0 can be read", shorten(&meta.schema_version))
                });
            }
            Some(meta)
        }
        Err(error) => {
            let place = Place { line: error.at().map(|at| at.line), ..place };
            findings.add(Code::InvalidRunJson, place, || match error.at() {
                Some(at) => format!("{error} ({at})"),
                None => error.to_string(),
            });
            None
        }
    }
}

/// What the run is called.
struct Names {
    experiment: String,
    run_id: String,
}

impl Names {
    /// From `run.json`, else from the directories.
    fn of(run_dir: &Path, meta: Option<&RunMeta>) -> Self {
        let (experiment, run_id) = directory_names(run_dir);
        Self {
            experiment: meta.and_then(|m| m.experiment.clone()).unwrap_or(experiment),
            run_id: meta.map_or(run_id, |m| m.run_id.clone()),
        }
    }

    fn judge(&self, file: FileId, findings: &mut Collector<'_>) -> Option<RunKey> {
        for (name, text) in [("run_id", &self.run_id), ("experiment", &self.experiment)] {
            if let Some(why) = why_unsafe(text) {
                let place = Place { file: Some(file), hard: true, ..Place::default() };
                findings.add(Code::UnsafeRunId, place, || {
                    format!("{name} `{}` cannot name a directory: it {why}", shorten(text))
                });
            }
        }
        RunKey::new(&self.experiment, &self.run_id).ok()
    }
}

/// What every part of the pass looks at.
struct Context<'a> {
    layout: &'a Layout,
    hash: bool,
    one_thread: bool,
    run_id: Option<&'a str>,
    schema: SchemaVersion,
    progress: &'a dyn Progress,
    shown_as: &'a str,
}

impl Context<'_> {
    fn sink_error(&self, source: SinkError) -> ScanError {
        ScanError::Sink { run_dir: self.shown_as.into(), source }
    }
}
