//! Reads both streams: steps on the caller's thread, summaries beside the steps that they sum up.
//!
//! After each segment of steps one summary is read, so that pairs meet early and memory stays small. Lines that cannot
//! be read are counted as losses, so that later rules do not blame good rows for them. Files other than the two streams
//! are read in `scan`.

use std::collections::BTreeMap;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

use super::ScanContext;
use crate::run::fast::FastParser;
use crate::run::gzip::GzipDamage;
use crate::run::layout::{EPISODES, RunStream, STEPS};
use crate::run::open::FileStamp;
use crate::run::reader::{LineSource, StreamEvent};
use crate::run::row::{FieldSlot, ParsedRow};
use crate::support::fs::{At, FsError, scratch_dir};
use crate::validate::code::Code;
use crate::validate::episodes::{EpisodeMatcher, EpisodeSummary, LineLoss};
use crate::validate::findings::{FileId, FindingCollector, LineRef};
use crate::validate::rows::{
    EpisodeBatch, StepBatch, is_whole_row, line_ref, report_bad_line, report_faults, report_too_long, too_long,
};
use crate::validate::scan::files::StreamFiles;
use crate::validate::seeds::SeedCounter;
use crate::validate::steps::{StepPlacement, StepSequence, final_of};
use crate::validate::{RowSink, ScanError, ScannedFile, SeedSummary};

/// The number of blocks that can wait between the threads: 256 KiB each.
const AHEAD: usize = 3;

/// The results of both streams.
pub(super) struct StreamsOutcome {
    pub files: Vec<ScannedFile>,
    pub stamps: BTreeMap<String, FileStamp>,
    pub rows: [u64; 2],
    /// The rows, if all could be read.
    pub whole_rows: [Option<u64>; 2],
    pub ids: BTreeMap<RunStream, Vec<FileId>>,
    pub seeds: Option<SeedSummary>,
}

/// The state of the pass over both streams.
pub(super) struct StreamScan {
    pub to_sink: bool,
    pub steps: StepSequence,
    pub matcher: EpisodeMatcher,
    pub seeds: SeedCounter,
    pub seed_summary: Option<SeedSummary>,
    pub steps_loss: LineLoss,
    pub episodes_loss: LineLoss,
    pub steps_rows: u64,
    pub step_files: StreamFiles,
    pub episode_files: StreamFiles,
    pub step_batch: StepBatch,
    pub episode_batch: EpisodeBatch,
    pub episodes_rows: u64,
}

/// The current place in a stream.
struct StreamReader {
    parser: FastParser,
    row: ParsedRow,
    file: usize,
    line: u64,
    rows_before: u64,
}

impl StreamReader {
    fn new(stream: RunStream) -> Self {
        Self { parser: FastParser::new(stream), row: ParsedRow::default(), file: 0, line: 0, rows_before: 0 }
    }
}

impl StreamScan {
    pub fn new(context: &ScanContext<'_>, to_sink: bool, findings: &mut FindingCollector<'_>) -> Self {
        Self {
            to_sink,
            steps: StepSequence::new(),
            matcher: EpisodeMatcher::new(),
            seeds: SeedCounter::new(),
            seed_summary: None,
            steps_loss: LineLoss::default(),
            episodes_loss: LineLoss::default(),
            steps_rows: 0,
            episodes_rows: 0,
            step_files: StreamFiles::for_stream(context.layout, RunStream::Steps, findings),
            episode_files: StreamFiles::for_stream(context.layout, RunStream::Episodes, findings),
            step_batch: StepBatch::new(context.schema),
            episode_batch: EpisodeBatch::new(context.schema),
        }
    }

    /// The known losses of each stream.
    pub fn stream_losses(&mut self) -> [(RunStream, &mut LineLoss); 2] {
        [(RunStream::Steps, &mut self.steps_loss), (RunStream::Episodes, &mut self.episodes_loss)]
    }

    pub fn read_steps(
        &mut self,
        context: &ScanContext<'_>,
        findings: &mut FindingCollector<'_>,
        sink: &mut dyn RowSink,
    ) -> Result<(), ScanError> {
        let dir = &context.layout.dir;
        let names = self.step_files.names.clone();
        let mut source = LineSource::new(dir, names.iter().map(String::as_str), context.hash, context.progress);
        let names = self.episode_files.names.clone();
        let summaries = LineSource::new(dir, names.iter().map(String::as_str), context.hash, context.progress);
        let mut summaries = SummaryLines {
            source: summaries,
            reading: StreamReader::new(RunStream::Episodes),
            block: Vec::new(),
            at: 0,
            done: false,
        };
        let mut reading = StreamReader::new(RunStream::Steps);
        // Other runs are scanned at the same time: one thread for each is faster in total.
        if context.one_thread {
            let mut spare = Vec::new();
            while let Some(event) = source.next(spare).transpose() {
                let block = self.handle_step_event(event?, &mut reading, &mut summaries, context, findings, sink)?;
                spare = block.unwrap_or_default();
            }
            return self.finish(&mut summaries, context, findings, sink);
        }
        std::thread::scope(|scope| {
            // A few blocks wait at most, and used ones come back: memory does not grow with the run.
            let (events, to_judge): (Sender<Result<StreamEvent, FsError>>, _) = bounded(AHEAD);
            let (spares, to_inflate): (Sender<Vec<u8>>, Receiver<Vec<u8>>) = unbounded();
            scope.spawn(move || {
                while let Some(event) = source.next(to_inflate.try_recv().unwrap_or_default()).transpose() {
                    if events.send(event).is_err() {
                        // The receiver is gone, because it returned an error.
                        return;
                    }
                }
            });
            for event in to_judge {
                if let Some(block) =
                    self.handle_step_event(event?, &mut reading, &mut summaries, context, findings, sink)?
                {
                    // The sender of blocks can have ended already; then the block is dropped.
                    let _ = spares.send(block);
                }
            }
            Ok::<(), ScanError>(())
        })?;
        self.finish(&mut summaries, context, findings, sink)
    }

    fn finish(
        &mut self,
        summaries: &mut SummaryLines<'_>,
        context: &ScanContext<'_>,
        findings: &mut FindingCollector<'_>,
        sink: &mut dyn RowSink,
    ) -> Result<(), ScanError> {
        if let Some((id, segment)) = self.steps.finish() {
            self.matcher.add_segment(&id, segment, findings);
        }
        // The remaining summaries, after the last step.
        while self.next_summary(summaries, context, findings, sink)? {}
        // A run that was stopped in its first episode has no summary, and that is no fault.
        let none_due = self.matcher.only_unfinished() && !self.episodes_loss.unbounded;
        let empty = [
            (Code::NoSteps, STEPS, self.steps_rows, &mut self.steps_loss, &self.step_files),
            (Code::NoEpisodes, EPISODES, self.episodes_rows, &mut self.episodes_loss, &self.episode_files),
        ];
        for (code, base, rows, loss, files) in empty {
            if code == Code::NoEpisodes && none_due {
                continue;
            }
            // A file of 0 bytes is damaged and empty: both are reported.
            let no_bytes = files.ends.len() == 1 && files.ends.iter().all(|(end, _)| end.bytes == 0);
            if rows == 0 && (!loss.unbounded || no_bytes) {
                let file = findings.register_file(base);
                findings.add_finding(code, LineRef { file: Some(file), ..LineRef::default() }, || {
                    "it holds no rows".into()
                });
            }
            loss.unbounded |= rows == 0;
        }
        // After both streams, when all losses are known.
        self.matcher.finish(self.steps_loss, self.episodes_loss, findings);
        self.settle_indices(context, sink)?;
        if self.to_sink {
            self.step_batch
                .flush(sink)
                .and_then(|()| self.episode_batch.finish(sink))
                .map_err(|e| context.sink_error(e))?;
        }
        let seeds = std::mem::replace(&mut self.seeds, SeedCounter::new());
        self.seed_summary = seeds.finish().at("write in", &scratch_dir())?;
        Ok(())
    }

    /// Handles an event of the steps' stream; returns a used block.
    fn handle_step_event(
        &mut self,
        event: StreamEvent,
        reading: &mut StreamReader,
        summaries: &mut SummaryLines<'_>,
        context: &ScanContext<'_>,
        findings: &mut FindingCollector<'_>,
        sink: &mut dyn RowSink,
    ) -> Result<Option<Vec<u8>>, ScanError> {
        match event {
            StreamEvent::Begin(number) => {
                (reading.file, reading.line, reading.rows_before) = (number, 0, self.steps_rows);
                if self.step_files.gaps.get(number).copied().unwrap_or(false) {
                    self.steps.mark_gap();
                    self.matcher.mark_shifted();
                }
            }
            StreamEvent::Lines(block) => {
                let mut rest = block.as_slice();
                while !rest.is_empty() {
                    let end = memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
                    let (line, behind) = rest.split_at(end);
                    rest = behind;
                    self.handle_step_line(line, reading, summaries, context, findings, sink)?;
                }
                return Ok(Some(block));
            }
            StreamEvent::TooLong => self.handle_long_step(reading, findings),
            StreamEvent::Damaged { damage, tail } => {
                // The last line before the damage can be complete, without its line break.
                if tail.trim_ascii().ends_with(b"}") && reading.parser.parse(&tail, &mut reading.row).is_ok() {
                    self.handle_step_line(&tail, reading, summaries, context, findings, sink)?;
                }
                report_damage(&damage, self.step_files.id(reading.file), findings);
                self.step_files.damaged = true;
                self.steps_loss.unbounded = true;
                self.steps.mark_gap();
                self.matcher.mark_shifted();
            }
            StreamEvent::End(end) => self.step_files.ends.push((end, self.steps_rows - reading.rows_before)),
        }
        Ok(None)
    }

    fn handle_long_step(&mut self, reading: &mut StreamReader, findings: &mut FindingCollector<'_>) {
        reading.line += 1;
        self.steps_rows += 1;
        // Such a line can have been any number of rows.
        self.steps_loss.unbounded = true;
        self.steps.mark_unread();
        report_too_long(line_ref(self.step_files.id(reading.file), reading.line), findings);
    }

    fn handle_step_line(
        &mut self,
        line: &[u8],
        reading: &mut StreamReader,
        summaries: &mut SummaryLines<'_>,
        context: &ScanContext<'_>,
        findings: &mut FindingCollector<'_>,
        sink: &mut dyn RowSink,
    ) -> Result<(), ScanError> {
        if too_long(line) {
            self.handle_long_step(reading, findings);
            return Ok(());
        }
        let file = self.step_files.id(reading.file);
        let StreamReader { parser, row, line: number, .. } = reading;
        *number += 1;
        if let Err(bad) = parser.parse(line, row) {
            if is_blank(line) {
                return Ok(());
            }
            self.steps_rows += 1;
            self.steps_loss.lines += 1;
            self.steps.mark_unread();
            report_bad_line(&bad, line_ref(file, *number), findings);
            return Ok(());
        }
        self.steps_rows += 1;
        if !row.faults.is_empty() || context.run_id.is_some_and(|id| id != row.run_id) {
            report_faults(row, context.run_id, line_ref(file, *number), findings);
        }
        if row.is_good(FieldSlot::Seed) {
            self.seeds.add_seed(row.int(FieldSlot::Seed)).at("write in", &scratch_dir())?;
        }
        match self.steps.add_row(row, file, *number, findings) {
            StepPlacement::Same => {}
            StepPlacement::New(before) => {
                if self.steps.take_shifted() {
                    self.matcher.mark_shifted();
                }
                if let Some((id, segment)) = before {
                    self.matcher.add_segment(&id, segment, findings);
                    // One summary per finished segment: usually it is the one of this segment.
                    self.next_summary(summaries, context, findings, sink)?;
                }
                let location = LineRef { episode: Some(&row.episode_id), ..line_ref(file, *number) };
                self.matcher.begin_segment(&row.episode_id, location, findings);
            }
            StepPlacement::Unplaced => {
                self.steps_loss.lines += 1;
                return Ok(());
            }
        }
        if self.to_sink && is_whole_row(row) {
            self.step_batch.push(row, self.steps.index(), sink).map_err(|e| context.sink_error(e))?;
        }
        Ok(())
    }

    /// Reads the episodes' stream up to the next usable summary; false at its end.
    fn next_summary(
        &mut self,
        summaries: &mut SummaryLines<'_>,
        context: &ScanContext<'_>,
        findings: &mut FindingCollector<'_>,
        sink: &mut dyn RowSink,
    ) -> Result<bool, ScanError> {
        while !summaries.done {
            if let Some(line) = summaries.next_line() {
                let (start, end) = line;
                // Taken out for the call, because the line borrows from it.
                let block = std::mem::take(&mut summaries.block);
                let found = block
                    .get(start..end)
                    .is_some_and(|line| self.handle_summary_line(line, &mut summaries.reading, context, findings));
                summaries.block = block;
                if found {
                    self.settle_indices(context, sink)?;
                    return Ok(true);
                }
                continue;
            }
            let spare = std::mem::take(&mut summaries.block);
            summaries.at = 0;
            let reading = &mut summaries.reading;
            match summaries.source.next(spare)? {
                None => summaries.done = true,
                Some(StreamEvent::Lines(block)) => summaries.block = block,
                Some(StreamEvent::Begin(number)) => {
                    (reading.file, reading.line, reading.rows_before) = (number, 0, self.episodes_rows);
                    if self.episode_files.gaps.get(number).copied().unwrap_or(false) {
                        self.matcher.mark_shifted();
                    }
                }
                Some(StreamEvent::TooLong) => {
                    reading.line += 1;
                    self.mark_lost_summary();
                    report_too_long(line_ref(self.episode_files.id(reading.file), reading.line), findings);
                }
                Some(StreamEvent::Damaged { damage, tail }) => {
                    if tail.trim_ascii().ends_with(b"}") && reading.parser.parse(&tail, &mut reading.row).is_ok() {
                        self.handle_summary_line(&tail, reading, context, findings);
                    }
                    report_damage(&damage, self.episode_files.id(reading.file), findings);
                    self.episode_files.damaged = true;
                    self.episodes_loss.unbounded = true;
                    self.matcher.mark_shifted();
                }
                Some(StreamEvent::End(end)) => {
                    self.episode_files.ends.push((end, self.episodes_rows - reading.rows_before))
                }
            }
        }
        Ok(false)
    }

    fn mark_lost_summary(&mut self) {
        self.episodes_rows += 1;
        self.episodes_loss.lines += 1;
        self.matcher.mark_shifted();
    }

    /// Checks a line of the episodes' stream; true for a usable summary.
    fn handle_summary_line(
        &mut self,
        line: &[u8],
        reading: &mut StreamReader,
        context: &ScanContext<'_>,
        findings: &mut FindingCollector<'_>,
    ) -> bool {
        reading.line += 1;
        let file = self.episode_files.id(reading.file);
        let location = line_ref(file, reading.line);
        if too_long(line) {
            self.mark_lost_summary();
            report_too_long(location, findings);
            return false;
        }
        let row = &mut reading.row;
        if let Err(bad) = reading.parser.parse(line, row) {
            if !is_blank(line) {
                self.mark_lost_summary();
                report_bad_line(&bad, location, findings);
            }
            return false;
        }
        if !row.faults.is_empty() || context.run_id.is_some_and(|id| id != row.run_id) {
            report_faults(row, context.run_id, location, findings);
        }
        if !row.is_good(FieldSlot::EpisodeId) {
            self.mark_lost_summary();
            return false;
        }
        self.episodes_rows += 1;
        let record = (self.to_sink && is_whole_row(row)).then(|| self.episode_batch.push(row));
        let summary = EpisodeSummary {
            record,
            file,
            line: reading.line,
            steps: row.is_good(FieldSlot::Count).then(|| row.int(FieldSlot::Count)),
            reward: row.is_good(FieldSlot::Reward).then(|| row.float(FieldSlot::Reward)),
            last: final_of(row),
        };
        self.matcher.add_summary(&row.episode_id, summary, findings);
        true
    }

    /// Passes on the summaries that are matched to their steps.
    fn settle_indices(&mut self, context: &ScanContext<'_>, sink: &mut dyn RowSink) -> Result<(), ScanError> {
        for (record, index) in self.matcher.matched.drain(..) {
            self.episode_batch.set_index(record, index, sink).map_err(|e| context.sink_error(e))?;
        }
        Ok(())
    }

    pub fn into_outcome(self) -> StreamsOutcome {
        let mut out = StreamsOutcome {
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
        for (stream, list) in [(RunStream::Steps, self.step_files), (RunStream::Episodes, self.episode_files)] {
            for (name, (end, rows)) in list.names.iter().zip(list.ends) {
                out.files.push(ScannedFile {
                    path: name.clone(),
                    bytes: end.bytes,
                    sha256: end.sha256.unwrap_or_default(),
                    // The number of rows in a damaged file is not known.
                    rows: (!list.damaged).then_some(rows),
                });
                out.stamps.insert(name.clone(), end.stamp);
            }
            out.ids.insert(stream, list.all);
        }
        out
    }
}

/// The episodes' stream, read one line at a time.
struct SummaryLines<'a> {
    source: LineSource<'a>,
    reading: StreamReader,
    block: Vec<u8>,
    at: usize,
    done: bool,
}

impl SummaryLines<'_> {
    /// Returns the range of the next line in the block.
    fn next_line(&mut self) -> Option<(usize, usize)> {
        let rest = self.block.get(self.at..).filter(|rest| !rest.is_empty())?;
        let end = self.at + memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
        let start = std::mem::replace(&mut self.at, end);
        Some((start, end))
    }
}

fn is_blank(line: &[u8]) -> bool {
    line.iter().all(|b| matches!(b, b' ' | b'\t' | b'\r' | b'\n'))
}

fn report_damage(damage: &GzipDamage, file: FileId, findings: &mut FindingCollector<'_>) {
    let line_ref = LineRef { file: Some(file), hard: true, ..LineRef::default() };
    match damage {
        GzipDamage::Truncated { bytes, inside } => findings.add_finding(Code::TruncatedGzip, line_ref, || {
            format!("the file ends at byte {bytes}, inside {inside}; everything before it was read")
        }),
        GzipDamage::Corrupt { offset, what } => {
            findings.mark_corrupt(file);
            findings.add_finding(Code::CorruptGzip, line_ref, || {
                format!("{what}, near byte {offset}; the rest of this file was not read")
            });
        }
    }
}
