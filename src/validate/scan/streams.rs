//! Both streams, being read: steps on the caller's thread, summaries beside the steps that they sum up.

use std::collections::BTreeMap;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

use super::Context;
use crate::run::fast::FastParser;
use crate::run::gzip::Damage;
use crate::run::layout::{EPISODES, STEPS, Stream};
use crate::run::open::Stamp;
use crate::run::reader::{Event, LineSource};
use crate::run::row::{Row, Slot};
use crate::support::fs::{At, FsError};
use crate::validate::code::Code;
use crate::validate::episodes::{Loss, Matcher, Summary};
use crate::validate::findings::{Collector, FileId, Place};
use crate::validate::rows::{
    EpisodeBatch, StepBatch, place, tell_bad_line, tell_faults, tell_too_long, too_long, whole,
};
use crate::validate::scan::files::FileList;
use crate::validate::seeds::Seeds;
use crate::validate::steps::{Step, Steps, final_of};
use crate::validate::{RowSink, ScanError, ScannedFile, SeedSummary};

/// How many blocks may wait between the threads.
const AHEAD: usize = 3;

/// What the streams gave.
pub(super) struct Outcome {
    pub files: Vec<ScannedFile>,
    pub stamps: BTreeMap<String, Stamp>,
    pub rows: [u64; 2],
    /// Rows, where all could be read.
    pub whole_rows: [Option<u64>; 2],
    pub ids: BTreeMap<Stream, Vec<FileId>>,
    pub seeds: Option<SeedSummary>,
}

/// Both streams, being read.
pub(super) struct Streams {
    pub to_sink: bool,
    pub steps: Steps,
    pub matcher: Matcher,
    pub seeds: Seeds,
    pub seed_summary: Option<SeedSummary>,
    pub steps_loss: Loss,
    pub episodes_loss: Loss,
    pub steps_rows: u64,
    pub step_files: FileList,
    pub episode_files: FileList,
    pub step_batch: StepBatch,
    pub episode_batch: EpisodeBatch,
    pub episodes_rows: u64,
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
    pub fn new(context: &Context<'_>, to_sink: bool, findings: &mut Collector<'_>) -> Self {
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

    /// What is known to be missing of each stream.
    pub fn losses(&mut self) -> [(Stream, &mut Loss); 2] {
        [(Stream::Steps, &mut self.steps_loss), (Stream::Episodes, &mut self.episodes_loss)]
    }

    pub fn read(
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
        // A run that was stopped in its first episode has no summary to show.
        let none_due = self.matcher.only_unfinished() && !self.episodes_loss.unbounded;
        let empty = [
            (Code::NoSteps, STEPS, self.steps_rows, &mut self.steps_loss, &self.step_files),
            (Code::NoEpisodes, EPISODES, self.episodes_rows, &mut self.episodes_loss, &self.episode_files),
        ];
        for (code, base, rows, loss, files) in empty {
            if code == Code::NoEpisodes && none_due {
                continue;
            }
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

    pub fn outcome(self) -> Outcome {
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

fn is_blank(line: &[u8]) -> bool {
    line.iter().all(|b| matches!(b, b' ' | b'\t' | b'\r' | b'\n'))
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
