//! The one pass over a run: inflating on a thread of its own, parsing and judging on the caller's, summaries read beside
//! the steps that they sum up.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use sha2::{Digest, Sha256};

use super::code::Code;
use super::episodes::{Loss, Matcher, Summary};
use super::findings::{Collector, FileId, Place};
use super::manifest::{Found, Manifest};
use super::rows::{EpisodeBatch, StepBatch, place, shorten, tell_bad_line, tell_faults, whole};
use super::seeds::Seeds;
use super::steps::{Step, Steps, final_of};
use super::{Options, Report, RowSink, Scan, ScanError, ScannedFile, SeedSummary, SinkError, StreamReport};
use crate::run::fast::FastParser;
use crate::run::gzip::Damage;
use crate::run::json::hex;
use crate::run::layout::{EPISODES, Layout, MANIFEST, RUN_JSON, STEPS, Scheme, Shards, Stream, shard_name};
use crate::run::meta::{self, RunMeta};
use crate::run::open::{self, Stamp};
use crate::run::reader::{Event, FileEnd, LineSource, MAX_LINE};
use crate::run::row::{Row, Slot};
use crate::run::schema::SchemaVersion;
use crate::run::{RunKey, why_unsafe};
use crate::support::fs::{At, FsError};
use crate::support::progress::Progress;

/// How many blocks may wait between the threads.
const AHEAD: usize = 3;

/// What every file was when it was read.
#[derive(Debug, Clone, Default)]
pub(super) struct Stamps(BTreeMap<String, Stamp>);

impl Stamps {
    /// Makes sure that the directory holds the same files in the same state.
    pub fn check(&self, layout: &Layout, shown_as: &str) -> Result<(), ScanError> {
        let changed = |file: &str| ScanError::Changed { run_dir: shown_as.to_owned(), file: file.to_owned() };
        let now = Layout::open(&layout.dir).map_err(|_| changed("the directory"))?;
        let (old, new) = (layout.recorder_files(), now.recorder_files());
        if let Some(name) = old.iter().find(|n| !new.contains(n)).or_else(|| new.iter().find(|n| !old.contains(n))) {
            return Err(changed(name));
        }
        for (name, stamp) in &self.0 {
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
    let layout = match Layout::open(run_dir) {
        Ok(layout) => layout,
        Err(error) if matches!(error.source.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            findings.add(Code::RunDirNotFound, Place { hard: true, ..Place::default() }, || {
                format!("there is no directory {shown_as}")
            });
            Layout::absent(run_dir)
        }
        Err(error) => return Err(error.into()),
    };
    let absent = !run_dir.is_dir();
    let mut stamps = Stamps::default();
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
        judge_layout(&layout, &mut streams, &mut findings);
        streams.read(&context, &mut findings, sink)?;
    }
    let outcome = streams.outcome();
    let mut files = outcome.files;
    stamps.0.extend(outcome.stamps);
    for (name, bytes) in [(RUN_JSON, &run_json), (MANIFEST, &manifest_bytes)] {
        if let Some(bytes) = bytes {
            let sha256 = if hash { hex(&Sha256::digest(bytes)) } else { String::new() };
            files.push(ScannedFile { path: name.into(), bytes: bytes.len() as u64, sha256, rows: None });
        }
    }
    for name in &layout.parquet {
        let wanted = options.hash || manifest.as_ref().is_some_and(|m| m.has_hash(name));
        files.push(opaque_file(&layout, name, wanted, &mut stamps)?);
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    if let Some(manifest) = &manifest {
        let file = findings.file(MANIFEST);
        let found = Found { meta: meta.as_ref(), files: &files, rows: outcome.whole_rows };
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
    let file = open::regular(&path)?;
    let stamp = Stamp::of(&file.metadata().at("look at", &path)?);
    stamps.0.insert(name.into(), stamp);
    let mut bytes = Vec::new();
    file.take(meta::MAX_BYTES + 1).read_to_end(&mut bytes).at("read", &path)?;
    Ok(Some(bytes))
}

/// A file whose content is not looked at.
fn opaque_file(layout: &Layout, name: &str, hash: bool, stamps: &mut Stamps) -> Result<ScannedFile, FsError> {
    let path = layout.dir.join(name);
    let mut file: File = open::regular(&path)?;
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
    stamps.0.insert(name.into(), stamp);
    Ok(ScannedFile { path: name.into(), bytes, sha256, rows: None })
}

fn judge_meta(layout: &Layout, bytes: Option<&[u8]>, file: FileId, findings: &mut Collector<'_>) -> Option<RunMeta> {
    let place = Place { file: Some(file), hard: true, ..Place::default() };
    let Some(bytes) = bytes else {
        if !layout.escapes.iter().any(|e| e == RUN_JSON) {
            findings.add(Code::MissingRunJson, place, || format!("there is no file {RUN_JSON}"));
        }
        return None;
    };
    if bytes.len() as u64 > meta::MAX_BYTES {
        findings.add(Code::InvalidRunJson, place, || format!("larger than {} MiB", meta::MAX_BYTES >> 20));
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
            findings.add(Code::InvalidRunJson, place, || error.to_string());
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
        let dir = std::path::absolute(run_dir).unwrap_or_else(|_| run_dir.to_path_buf());
        // `..` and links make the written path say little.
        let plain = dir.components().all(|c| !matches!(c, std::path::Component::ParentDir));
        let dir = if plain { dir } else { dir.canonicalize().unwrap_or(dir) };
        let name = |path: Option<&Path>| {
            path.and_then(Path::file_name).map(|n| n.to_string_lossy().into_owned()).unwrap_or_default()
        };
        let experiment = meta.and_then(|m| m.experiment.clone()).unwrap_or_else(|| name(dir.parent()));
        Self { experiment, run_id: meta.map_or_else(|| name(Some(&dir)), |m| m.run_id.clone()) }
    }

    fn judge(&self, file: FileId, findings: &mut Collector<'_>) -> Option<RunKey> {
        for (name, text) in [("run_id", &self.run_id), ("experiment", &self.experiment)] {
            if let Some(why) = why_unsafe(text) {
                let place = Place { file: Some(file), hard: true, ..Place::default() };
                findings.add(Code::UnsafeRunId, place, || {
                    format!("{name} `{}` cannot name a directory: {why}", shorten(text))
                });
            }
        }
        RunKey::new(&self.experiment, &self.run_id).ok()
    }
}

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

/// Tells what is missing and what is strange in the directory.
fn judge_layout(layout: &Layout, streams: &mut Streams, findings: &mut Collector<'_>) {
    for name in &layout.escapes {
        let file = findings.file(name);
        let place = Place { file: Some(file), hard: true, ..Place::default() };
        findings.add(Code::SymlinkEscape, place, || {
            "the link leads out of the run's directory; it was not followed".into()
        });
    }
    judge_shards(layout, Stream::Steps, &mut streams.steps_loss, findings);
    judge_shards(layout, Stream::Episodes, &mut streams.episodes_loss, findings);
    for name in &layout.unrecognized {
        let file = findings.file(name);
        let place = Place { file: Some(file), ..Place::default() };
        findings.add(Code::UnrecognizedFile, place, || "no recorder writes such a file".into());
    }
}

fn judge_shards(layout: &Layout, stream: Stream, loss: &mut Loss, findings: &mut Collector<'_>) {
    let shards = layout.shards(stream);
    let base = findings.file(stream.base());
    let escaped: Vec<u64> = layout
        .escapes
        .iter()
        .filter_map(|e| shard_name(e))
        .filter(|(s, _)| *s == stream)
        .map(|(_, s)| s.number)
        .collect();
    let base_escaped = layout.escapes.iter().any(|e| e == stream.base());
    loss.unbounded |= !escaped.is_empty();
    if !shards.has_base() && !base_escaped {
        let code = if stream == Stream::Steps { Code::MissingSteps } else { Code::MissingEpisodes };
        let place = Place { file: Some(base), hard: true, ..Place::default() };
        let odd = shards.unreadable.iter().any(|n| n == stream.base());
        findings.add(code, place, || {
            let why = if odd { "is there, but is no regular file" } else { "is not there" };
            format!("{} {why}", stream.base())
        });
        loss.unbounded = true;
    }
    let mut known = escaped;
    for name in shards.unreadable.iter().filter(|n| *n != stream.base()) {
        let file = findings.file(name);
        let place = Place { file: Some(file), hard: true, ..Place::default() };
        findings.add(Code::ShardGap, place, || "the shard is there, but is no regular file".into());
        known.extend(shard_name(name).map(|(_, s)| s.number));
        loss.unbounded = true;
    }
    known.extend(shards.files.iter().map(|s| s.number));
    // The base file's absence has a code of its own.
    known.push(0);
    known.sort_unstable();
    for pair in known.windows(2) {
        let (Some(before), Some(after)) = (pair.first(), pair.last()) else { continue };
        let missing = (after - before).saturating_sub(1);
        if missing == 0 {
            continue;
        }
        loss.unbounded = true;
        for n in 0..missing.min(10) {
            let name = missing_name(shards, stream, before + 1 + n, *after);
            let count = if n == 9 { missing - 9 } else { 1 };
            let place = Place { file: Some(base), hard: true, ..Place::default() };
            findings.add_many(Code::ShardGap, place, count, || format!("shard {} is missing: {name}", before + 1 + n));
        }
    }
    for (first, second) in shards.doubles() {
        let file = findings.file(&second.name);
        let place = Place { file: Some(file), ..Place::default() };
        findings.add(Code::UnrecognizedFile, place, || {
            format!("shard {} is there twice; this was read after {}", second.number, first.name)
        });
    }
}

/// What a missing shard would be called, after the fashion of the one behind it.
fn missing_name(shards: &Shards, stream: Stream, number: u64, after: u64) -> String {
    let model = shards.files.iter().find(|s| s.number == after);
    let stem = stream.stem();
    match model.map(|m| (m.scheme, m.name.bytes().filter(u8::is_ascii_digit).count())) {
        Some((Scheme::PartFirst, digits)) => format!("{stem}.part{number:0digits$}.jsonl.gz"),
        Some((_, digits)) => format!("{stem}.jsonl.part{number:0digits$}.gz"),
        None => format!("{stem} part {number}"),
    }
}

/// Which files of a stream follow a gap.
fn gaps_before(shards: &Shards, layout: &Layout, stream: Stream) -> Vec<bool> {
    let lost: Vec<u64> = layout
        .escapes
        .iter()
        .chain(&shards.unreadable)
        .filter_map(|n| shard_name(n))
        .filter(|(s, _)| *s == stream)
        .map(|(_, s)| s.number)
        .collect();
    let mut next = 0;
    shards
        .files
        .iter()
        .map(|shard| {
            let gap = shard.number > next || lost.contains(&shard.number) && shard.number > 0;
            next = shard.number.saturating_add(1);
            gap
        })
        .collect()
}

/// What the streams gave.
struct Outcome {
    files: Vec<ScannedFile>,
    stamps: BTreeMap<String, Stamp>,
    rows: [u64; 2],
    /// Rows, where all could be read.
    whole_rows: [Option<u64>; 2],
    ids: BTreeMap<Stream, Vec<FileId>>,
    seeds: Option<SeedSummary>,
}

/// Both streams, being read.
struct Streams {
    to_sink: bool,
    steps: Steps,
    matcher: Matcher,
    seeds: Seeds,
    seed_summary: Option<SeedSummary>,
    steps_loss: Loss,
    episodes_loss: Loss,
    steps_rows: u64,
    step_files: FileList,
    episode_files: FileList,
    step_batch: StepBatch,
    episode_batch: EpisodeBatch,
    episodes_rows: u64,
}

/// The files of a stream, and what was seen of them.
struct FileList {
    names: Vec<String>,
    ids: Vec<FileId>,
    /// Every file that a finding about this stream may name.
    all: Vec<FileId>,
    gaps: Vec<bool>,
    ends: Vec<(FileEnd, u64)>,
    damaged: bool,
}

impl FileList {
    fn of(layout: &Layout, stream: Stream, findings: &mut Collector<'_>) -> Self {
        let shards = layout.shards(stream);
        // The base file comes first, also where it is not there, for what is told of it.
        let base = findings.new_file(stream.base());
        let ids: Vec<FileId> = shards
            .files
            .iter()
            .map(|s| if s.scheme == Scheme::Base { base } else { findings.new_file(&s.name) })
            .collect();
        let mut all = ids.clone();
        all.push(base);
        let odd = shards.unreadable.iter().chain(&layout.escapes);
        all.extend(odd.filter(|n| shard_name(n).is_some_and(|(s, _)| s == stream)).map(|n| findings.file(n)));
        Self {
            names: shards.files.iter().map(|s| s.name.clone()).collect(),
            ids,
            all,
            gaps: gaps_before(shards, layout, stream),
            ends: Vec::new(),
            damaged: false,
        }
    }

    fn id(&self, number: usize) -> FileId {
        self.ids.get(number).copied().unwrap_or_default()
    }
}

/// A place in a stream that is being read.
struct Reading {
    parser: FastParser,
    row: Row,
    file: usize,
    line: u64,
    rows_before: u64,
}

impl Reading {
    fn new(stream: Stream) -> Self {
        Self { parser: FastParser::new(stream), row: Row::default(), file: 0, line: 0, rows_before: 0 }
    }
}

impl Streams {
    fn new(context: &Context<'_>, to_sink: bool, findings: &mut Collector<'_>) -> Self {
        Self {
            to_sink,
            steps: Steps::new(),
            matcher: Matcher::new(),
            seeds: Seeds::new(),
            seed_summary: None,
            steps_loss: Loss::default(),
            episodes_loss: Loss::default(),
            steps_rows: 0,
            episodes_rows: 0,
            step_files: FileList::of(context.layout, Stream::Steps, findings),
            episode_files: FileList::of(context.layout, Stream::Episodes, findings),
            step_batch: StepBatch::new(context.schema),
            episode_batch: EpisodeBatch::new(context.schema),
        }
    }

    fn read(
        &mut self,
        context: &Context<'_>,
        findings: &mut Collector<'_>,
        sink: &mut dyn RowSink,
    ) -> Result<(), ScanError> {
        let dir = &context.layout.dir;
        let names = self.step_files.names.clone();
        let mut source = LineSource::new(dir, names.iter().map(String::as_str), context.hash, context.progress);
        let names = self.episode_files.names.clone();
        let summaries = LineSource::new(dir, names.iter().map(String::as_str), context.hash, context.progress);
        let mut summaries = Summaries {
            source: summaries,
            reading: Reading::new(Stream::Episodes),
            block: Vec::new(),
            at: 0,
            done: false,
        };
        let mut reading = Reading::new(Stream::Steps);
        if context.one_thread {
            let mut spare = Vec::new();
            while let Some(event) = source.next(spare).transpose() {
                let block = self.steps_event(event?, &mut reading, &mut summaries, context, findings, sink)?;
                spare = block.unwrap_or_default();
            }
            return self.finish(&mut summaries, context, findings, sink);
        }
        std::thread::scope(|scope| {
            let (events, to_judge): (Sender<Result<Event, FsError>>, _) = bounded(AHEAD);
            let (spares, to_inflate): (Sender<Vec<u8>>, Receiver<Vec<u8>>) = unbounded();
            scope.spawn(move || {
                while let Some(event) = source.next(to_inflate.try_recv().unwrap_or_default()).transpose() {
                    if events.send(event).is_err() {
                        // The judge is gone: it has met an error.
                        return;
                    }
                }
            });
            for event in to_judge {
                if let Some(block) = self.steps_event(event?, &mut reading, &mut summaries, context, findings, sink)? {
                    // The other side may be done already.
                    let _ = spares.send(block);
                }
            }
            Ok::<(), ScanError>(())
        })?;
        self.finish(&mut summaries, context, findings, sink)
    }

    fn finish(
        &mut self,
        summaries: &mut Summaries<'_>,
        context: &Context<'_>,
        findings: &mut Collector<'_>,
        sink: &mut dyn RowSink,
    ) -> Result<(), ScanError> {
        if let Some((id, segment)) = self.steps.finish() {
            self.matcher.segment(&id, segment, findings);
        }
        while self.next_summary(summaries, context, findings, sink)? {}
        let empty = [
            (Code::NoSteps, STEPS, self.steps_rows, &mut self.steps_loss, &self.step_files),
            (Code::NoEpisodes, EPISODES, self.episodes_rows, &mut self.episodes_loss, &self.episode_files),
        ];
        for (code, base, rows, loss, files) in empty {
            // A file of no bytes is both: damaged, and nothing to read.
            let no_bytes = files.ends.len() == 1 && files.ends.iter().all(|(end, _)| end.bytes == 0);
            if rows == 0 && (!loss.unbounded || no_bytes) {
                let file = findings.file(base);
                findings.add(code, Place { file: Some(file), ..Place::default() }, || "there is nothing in it".into());
            }
            loss.unbounded |= rows == 0;
        }
        self.matcher.finish(self.steps_loss, self.episodes_loss, findings);
        self.settle(context, sink)?;
        if self.to_sink {
            self.step_batch
                .flush(sink)
                .and_then(|()| self.episode_batch.finish(sink))
                .map_err(|e| context.sink_error(e))?;
        }
        let seeds = std::mem::replace(&mut self.seeds, Seeds::new());
        self.seed_summary = seeds.finish().at("write in", &std::env::temp_dir())?;
        Ok(())
    }

    /// Takes an event of the steps' stream; gives back a block that is done with.
    fn steps_event(
        &mut self,
        event: Event,
        reading: &mut Reading,
        summaries: &mut Summaries<'_>,
        context: &Context<'_>,
        findings: &mut Collector<'_>,
        sink: &mut dyn RowSink,
    ) -> Result<Option<Vec<u8>>, ScanError> {
        match event {
            Event::Begin(number) => {
                (reading.file, reading.line, reading.rows_before) = (number, 0, self.steps_rows);
                if self.step_files.gaps.get(number).copied().unwrap_or(false) {
                    self.steps.gap();
                    self.matcher.shift();
                }
            }
            Event::Lines(block) => {
                let mut rest = block.as_slice();
                while !rest.is_empty() {
                    let end = memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
                    let (line, behind) = rest.split_at(end);
                    rest = behind;
                    self.step_line(line, reading, summaries, context, findings, sink)?;
                }
                return Ok(Some(block));
            }
            Event::TooLong => self.step_too_long(reading, findings),
            Event::Damaged { damage, tail } => {
                // A last line without its break may be whole all the same.
                if tail.trim_ascii().ends_with(b"}") && reading.parser.parse(&tail, &mut reading.row).is_ok() {
                    self.step_line(&tail, reading, summaries, context, findings, sink)?;
                }
                tell_damage(&damage, self.step_files.id(reading.file), findings);
                self.step_files.damaged = true;
                self.steps_loss.unbounded = true;
                self.steps.gap();
                self.matcher.shift();
            }
            Event::End(end) => self.step_files.ends.push((end, self.steps_rows - reading.rows_before)),
        }
        Ok(None)
    }

    fn step_too_long(&mut self, reading: &mut Reading, findings: &mut Collector<'_>) {
        reading.line += 1;
        self.steps_rows += 1;
        // So long a line may have been any number of rows.
        self.steps_loss.unbounded = true;
        self.steps.unread();
        tell_too_long(place(self.step_files.id(reading.file), reading.line), findings);
    }

    fn step_line(
        &mut self,
        line: &[u8],
        reading: &mut Reading,
        summaries: &mut Summaries<'_>,
        context: &Context<'_>,
        findings: &mut Collector<'_>,
        sink: &mut dyn RowSink,
    ) -> Result<(), ScanError> {
        if too_long(line) {
            self.step_too_long(reading, findings);
            return Ok(());
        }
        let file = self.step_files.id(reading.file);
        let Reading { parser, row, line: number, .. } = reading;
        *number += 1;
        if let Err(bad) = parser.parse(line, row) {
            if is_blank(line) {
                return Ok(());
            }
            self.steps_rows += 1;
            self.steps_loss.lines += 1;
            self.steps.unread();
            tell_bad_line(&bad, place(file, *number), findings);
            return Ok(());
        }
        self.steps_rows += 1;
        if !row.faults.is_empty() || context.run_id.is_some_and(|id| id != row.run_id) {
            tell_faults(row, context.run_id, place(file, *number), findings);
        }
        if row.good(Slot::Seed) {
            self.seeds.add(row.int(Slot::Seed)).at("write in", &std::env::temp_dir())?;
        }
        match self.steps.row(row, file, *number, findings) {
            Step::Same => {}
            Step::New(before) => {
                if self.steps.shifted() {
                    self.matcher.shift();
                }
                if let Some((id, segment)) = before {
                    self.matcher.segment(&id, segment, findings);
                    self.next_summary(summaries, context, findings, sink)?;
                }
                let here = Place { episode: Some(&row.episode_id), ..place(file, *number) };
                self.matcher.begin(&row.episode_id, here, findings);
            }
            Step::Unplaced => {
                self.steps_loss.lines += 1;
                return Ok(());
            }
        }
        if self.to_sink && whole(row) {
            self.step_batch.push(row, self.steps.index(), sink).map_err(|e| context.sink_error(e))?;
        }
        Ok(())
    }

    /// Reads on in the episodes' stream up to the next summary that can be placed; false at its end.
    fn next_summary(
        &mut self,
        summaries: &mut Summaries<'_>,
        context: &Context<'_>,
        findings: &mut Collector<'_>,
        sink: &mut dyn RowSink,
    ) -> Result<bool, ScanError> {
        while !summaries.done {
            if let Some(line) = summaries.line() {
                let (start, end) = line;
                let block = std::mem::take(&mut summaries.block);
                let found = block
                    .get(start..end)
                    .is_some_and(|line| self.summary_line(line, &mut summaries.reading, context, findings));
                summaries.block = block;
                if found {
                    self.settle(context, sink)?;
                    return Ok(true);
                }
                continue;
            }
            let spare = std::mem::take(&mut summaries.block);
            summaries.at = 0;
            let reading = &mut summaries.reading;
            match summaries.source.next(spare)? {
                None => summaries.done = true,
                Some(Event::Lines(block)) => summaries.block = block,
                Some(Event::Begin(number)) => {
                    (reading.file, reading.line, reading.rows_before) = (number, 0, self.episodes_rows);
                    if self.episode_files.gaps.get(number).copied().unwrap_or(false) {
                        self.matcher.shift();
                    }
                }
                Some(Event::TooLong) => {
                    reading.line += 1;
                    self.lost_summary();
                    tell_too_long(place(self.episode_files.id(reading.file), reading.line), findings);
                }
                Some(Event::Damaged { damage, tail }) => {
                    if tail.trim_ascii().ends_with(b"}") && reading.parser.parse(&tail, &mut reading.row).is_ok() {
                        self.summary_line(&tail, reading, context, findings);
                    }
                    tell_damage(&damage, self.episode_files.id(reading.file), findings);
                    self.episode_files.damaged = true;
                    self.episodes_loss.unbounded = true;
                    self.matcher.shift();
                }
                Some(Event::End(end)) => self.episode_files.ends.push((end, self.episodes_rows - reading.rows_before)),
            }
        }
        Ok(false)
    }

    fn lost_summary(&mut self) {
        self.episodes_rows += 1;
        self.episodes_loss.lines += 1;
        self.matcher.shift();
    }

    /// Judges a line of the episodes' stream; true for a summary that can be placed.
    fn summary_line(
        &mut self,
        line: &[u8],
        reading: &mut Reading,
        context: &Context<'_>,
        findings: &mut Collector<'_>,
    ) -> bool {
        reading.line += 1;
        let file = self.episode_files.id(reading.file);
        let here = place(file, reading.line);
        if too_long(line) {
            self.lost_summary();
            tell_too_long(here, findings);
            return false;
        }
        let row = &mut reading.row;
        if let Err(bad) = reading.parser.parse(line, row) {
            if !is_blank(line) {
                self.lost_summary();
                tell_bad_line(&bad, here, findings);
            }
            return false;
        }
        if !row.faults.is_empty() || context.run_id.is_some_and(|id| id != row.run_id) {
            tell_faults(row, context.run_id, here, findings);
        }
        if !row.good(Slot::EpisodeId) {
            self.lost_summary();
            return false;
        }
        self.episodes_rows += 1;
        let record = (self.to_sink && whole(row)).then(|| self.episode_batch.push(row));
        let summary = Summary {
            record,
            file,
            line: reading.line,
            steps: row.good(Slot::Count).then(|| row.int(Slot::Count)),
            reward: row.good(Slot::Reward).then(|| row.float(Slot::Reward)),
            last: final_of(row),
        };
        self.matcher.summary(&row.episode_id, summary, findings);
        true
    }

    /// Hands on the summaries that have found their steps.
    fn settle(&mut self, context: &Context<'_>, sink: &mut dyn RowSink) -> Result<(), ScanError> {
        for (record, index) in self.matcher.matched.drain(..) {
            self.episode_batch.settle(record, index, sink).map_err(|e| context.sink_error(e))?;
        }
        Ok(())
    }

    fn outcome(self) -> Outcome {
        let mut out = Outcome {
            files: Vec::new(),
            stamps: BTreeMap::new(),
            rows: [self.steps_rows, self.episodes_rows],
            whole_rows: [
                (!self.steps_loss.unbounded).then_some(self.steps_rows),
                (!self.episodes_loss.unbounded).then_some(self.episodes_rows),
            ],
            ids: BTreeMap::new(),
            seeds: self.seed_summary,
        };
        for (stream, list) in [(Stream::Steps, self.step_files), (Stream::Episodes, self.episode_files)] {
            for (name, (end, rows)) in list.names.iter().zip(list.ends) {
                out.files.push(ScannedFile {
                    path: name.clone(),
                    bytes: end.bytes,
                    sha256: end.sha256.unwrap_or_default(),
                    rows: (!list.damaged).then_some(rows),
                });
                out.stamps.insert(name.clone(), end.stamp);
            }
            out.ids.insert(stream, list.all);
        }
        out
    }
}

/// The episodes' stream, read a line at a time.
struct Summaries<'a> {
    source: LineSource<'a>,
    reading: Reading,
    block: Vec<u8>,
    at: usize,
    done: bool,
}

impl Summaries<'_> {
    /// Where the next line of the block stands.
    fn line(&mut self) -> Option<(usize, usize)> {
        let rest = self.block.get(self.at..).filter(|rest| !rest.is_empty())?;
        let end = self.at + memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
        let start = std::mem::replace(&mut self.at, end);
        Some((start, end))
    }
}

fn too_long(line: &[u8]) -> bool {
    line.len() > MAX_LINE && {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        line.strip_suffix(b"\r").unwrap_or(line).len() > MAX_LINE
    }
}

fn is_blank(line: &[u8]) -> bool {
    line.iter().all(|b| matches!(b, b' ' | b'\t' | b'\r' | b'\n'))
}

fn tell_too_long(place: Place<'_>, findings: &mut Collector<'_>) {
    let place = Place { hard: true, ..place };
    findings
        .add(Code::LineTooLong, place, || format!("the line is longer than {} MiB; it was not read", MAX_LINE >> 20));
}

fn tell_damage(damage: &Damage, file: FileId, findings: &mut Collector<'_>) {
    let place = Place { file: Some(file), hard: true, ..Place::default() };
    match damage {
        Damage::Truncated { bytes, inside } => findings.add(Code::TruncatedGzip, place, || {
            format!("the file ends at byte {bytes}, inside {inside}; what stands before it was read")
        }),
        Damage::Corrupt { offset, what } => {
            findings.corrupt(file);
            findings.add(Code::CorruptGzip, place, || {
                format!("{what}, near byte {offset}; what follows in this file was not read")
            });
        }
    }
}
