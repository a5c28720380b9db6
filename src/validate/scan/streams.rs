//! Reads both streams: steps on the caller's thread, summaries (in `summaries`) beside the steps that they sum up.
//!
//! After each episode of steps one summary is read, so that pairs meet early and memory stays small. Lines that cannot
//! be read are counted as losses, so that later rules do not blame good rows for them. Files other than the two streams
//! are read in `scan`.

use std::collections::BTreeMap;
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

use super::ScanContext;
use super::lines::{NamedFile, StreamReader, SummaryLines, is_blank, report_damage};
use crate::run::layout::{EPISODES, RunStream, STEPS};
use crate::run::open::FileStamp;
use crate::run::reader::{LineSource, StreamEvent};
use crate::run::row::{FieldSlot, ParsedRow};
use crate::run::schema::{CellPlace, RunSchema};
use crate::support::fs::{At, FsError, scratch_dir};
use crate::validate::batch::{EpisodeBatch, StepBatch};
use crate::validate::clock::Clock;
use crate::validate::code::Code;
use crate::validate::episodes::{EpisodeMatcher, LineLoss};
use crate::validate::findings::{FileId, FindingCollector, LineRef};
use crate::validate::ids::SeenIds;
use crate::validate::open_episodes::OpenEpisodes;
use crate::validate::rows::{is_whole_row, line_ref, report_bad_line, report_faults, report_too_long, too_long};
use crate::validate::scan::files::StreamFiles;
use crate::validate::seeds::SeedCounter;
use crate::validate::steps::{StepPlacement, StepSequence};
use crate::validate::totals::TotalRules;
use crate::validate::{RowSink, ScanError, ScannedFile, SeedSummary};

/// The number of blocks that can wait between the threads: 256 KiB each.
const AHEAD: usize = 3;

/// The results of both streams.
pub(super) struct StreamsOutcome {
    pub files: Vec<ScannedFile>,
    pub stamps: BTreeMap<String, FileStamp>,
    pub rows: [u64; 2],
    /// The rows of steps that are the state after a reset.
    pub reset_rows: u64,
    /// The rows, if all could be read.
    pub whole_rows: [Option<u64>; 2],
    pub ids: BTreeMap<RunStream, Vec<FileId>>,
    pub seeds: Option<SeedSummary>,
    /// The files that the episodes name.
    pub named_files: BTreeMap<String, NamedFile>,
}

/// The episodes of the steps, by the rules of the run's schema.
pub(super) enum StepRules {
    /// plume-nav-sim's: an episode is a stretch of rows with one id.
    Sequence(StepSequence),
    /// A declared schema's: episodes can interleave.
    Open(Box<OpenEpisodes>),
}

impl StepRules {
    fn new(schema: &RunSchema, rules: Arc<TotalRules>) -> Self {
        if schema.is_plume() {
            Self::Sequence(StepSequence::new(rules, Clock::new(schema)))
        } else {
            Self::Open(Box::new(OpenEpisodes::new(schema, rules)))
        }
    }

    fn mark_unread(&mut self) {
        match self {
            Self::Sequence(steps) => steps.mark_unread(),
            Self::Open(steps) => steps.mark_unread(),
        }
    }

    fn mark_gap(&mut self) {
        match self {
            Self::Sequence(steps) => steps.mark_gap(),
            Self::Open(steps) => steps.mark_gap(),
        }
    }

    fn add_row(
        &mut self,
        row: &ParsedRow,
        file: FileId,
        line: u64,
        findings: &mut FindingCollector<'_>,
    ) -> StepPlacement {
        match self {
            Self::Sequence(steps) => steps.add_row(row, file, line, findings),
            Self::Open(steps) => steps.add_row(row, file, line, findings),
        }
    }

    fn index(&self) -> i64 {
        match self {
            Self::Sequence(steps) => steps.index(),
            Self::Open(steps) => steps.index(),
        }
    }
}

/// The state of the pass over both streams.
pub(super) struct StreamScan {
    pub to_sink: bool,
    pub schema: Arc<RunSchema>,
    pub rules: Arc<TotalRules>,
    pub steps: StepRules,
    pub matcher: EpisodeMatcher,
    pub seeds: SeedCounter,
    pub seed_summary: Option<SeedSummary>,
    pub steps_loss: LineLoss,
    pub episodes_loss: LineLoss,
    pub steps_rows: u64,
    pub reset_rows: u64,
    pub step_files: StreamFiles,
    pub episode_files: StreamFiles,
    pub step_batch: StepBatch,
    pub episode_batch: EpisodeBatch,
    pub episodes_rows: u64,
    /// Summaries are made of the steps, because the run has none.
    pub is_derived: bool,
    /// The episodes that have a summary, if an id is used once.
    pub summed_up: SeenIds,
    pub named_files: BTreeMap<String, NamedFile>,
    /// The slot and place of the steps' seed.
    seed: Option<(FieldSlot, usize)>,
}

impl StreamScan {
    pub fn new(context: &ScanContext<'_>, to_sink: bool, findings: &mut FindingCollector<'_>) -> Self {
        let schema = Arc::clone(&context.schema);
        let rules = TotalRules::of_schema(&schema);
        let scalar = |index: usize| match schema.steps.place(index)? {
            CellPlace::Scalar(at) => Some((FieldSlot::of_column(index), at)),
            _ => None,
        };
        Self {
            to_sink,
            steps: StepRules::new(&schema, Arc::clone(&rules)),
            matcher: EpisodeMatcher::new(Arc::clone(&rules)),
            is_derived: context.is_derived,
            summed_up: SeenIds::new(),
            named_files: BTreeMap::new(),
            seed: schema.steps.find("seed").and_then(scalar),
            seeds: SeedCounter::new(),
            seed_summary: None,
            steps_loss: LineLoss::default(),
            episodes_loss: LineLoss::default(),
            steps_rows: 0,
            reset_rows: 0,
            episodes_rows: 0,
            step_files: StreamFiles::for_stream(context.layout, RunStream::Steps, findings),
            episode_files: StreamFiles::for_stream(context.layout, RunStream::Episodes, findings),
            step_batch: StepBatch::new(Arc::clone(&schema), context.version),
            episode_batch: EpisodeBatch::new(Arc::clone(&schema), context.version),
            rules,
            schema,
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
        let mut summaries = SummaryLines::new(summaries, StreamReader::new(&self.schema, RunStream::Episodes));
        let mut reading = StreamReader::new(&self.schema, RunStream::Steps);
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
        let unfinished = match &mut self.steps {
            StepRules::Sequence(steps) => steps.finish().into_iter().collect(),
            StepRules::Open(steps) => {
                steps.report_times(findings);
                steps.finish(self.is_derived)
            }
        };
        for (id, segment) in unfinished {
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
            if code == Code::NoEpisodes && (none_due || self.is_derived) {
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
        if self.schema.reset_rows && row.count == 0 && row.is_good(FieldSlot::COUNT) {
            self.reset_rows += 1;
        }
        if !row.faults.is_empty()
            || context.run_id.is_some_and(|id| id != row.run_id && row.present.contains(FieldSlot::RUN_ID))
        {
            report_faults(row, context.run_id, self.schema.row_versions(), line_ref(file, *number), findings);
        }
        if let Some((_, at)) = self.seed.filter(|(slot, _)| row.is_good(*slot)) {
            // For speed: the directory, which the environment names, only if writing failed.
            if let Err(error) = self.seeds.add_seed(row.int(at)) {
                return Err(error).at("write in", &scratch_dir())?;
            }
        }
        match self.steps.add_row(row, file, *number, findings) {
            StepPlacement::Same => {}
            StepPlacement::New(before) => {
                if let StepRules::Sequence(steps) = &mut self.steps
                    && steps.take_shifted()
                {
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
        if let StepRules::Open(steps) = &mut self.steps
            && let Some(segment) = steps.end_episode()
        {
            if self.is_derived {
                return self.derive_summary(&segment, row, context, findings, sink);
            }
            if let Some((key, segment)) = steps.take_settled() {
                self.matcher.add_segment(&key, segment, findings);
            }
            self.next_summary(summaries, context, findings, sink)?;
        }
        Ok(())
    }

    pub fn into_outcome(self) -> StreamsOutcome {
        let mut out = StreamsOutcome {
            files: Vec::new(),
            stamps: BTreeMap::new(),
            rows: [self.steps_rows, self.episodes_rows],
            reset_rows: self.reset_rows,
            whole_rows: [
                (!self.steps_loss.unbounded).then_some(self.steps_rows),
                (!self.episodes_loss.unbounded).then_some(self.episodes_rows),
            ],
            ids: BTreeMap::new(),
            seeds: self.seed_summary,
            named_files: self.named_files,
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
