//! The summaries of episodes: read beside the steps that they sum up, or made of the steps if the run has none.

use super::ScanContext;
use super::lines::{NamedFile, StreamReader, SummaryLines, is_blank, report_damage};
use super::streams::StreamScan;
use crate::run::declared_files::{MAX_NAMED_FILES, row_files};
use crate::run::reader::StreamEvent;
use crate::run::row::{FieldSlot, ParsedRow};
use crate::run::schema::CellPlace;
use crate::validate::code::Code;
use crate::validate::episodes::{EpisodeSegment, EpisodeSummary, episode_key};
use crate::validate::findings::{FindingCollector, LineRef};
use crate::validate::rows::{is_whole_row, line_ref, report_bad_line, report_faults, report_too_long, too_long};
use crate::validate::steps::flags_of;
use crate::validate::{RowSink, ScanError};

impl StreamScan {
    /// Reads the episodes' stream up to the next usable summary; false at its end.
    pub(super) fn next_summary(
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
        if !row.faults.is_empty()
            || context.run_id.is_some_and(|id| id != row.run_id && row.present.contains(FieldSlot::RUN_ID))
        {
            report_faults(row, context.run_id, self.schema.row_versions(), location, findings);
        }
        let agent = match self.summary_agent() {
            Some((slot, at)) if row.is_good(slot) => Ok(row.texts.get(at).map(String::as_str)),
            Some(_) => Err(()),
            None => Ok(None),
        };
        let (true, Ok(agent)) = (row.is_good(FieldSlot::EPISODE_ID), agent) else {
            self.mark_lost_summary();
            return false;
        };
        self.episodes_rows += 1;
        let key = episode_key(&row.episode_id, agent);
        if !self.schema.is_plume() {
            if self.summed_up.contains(&key) {
                findings.add_finding(
                    Code::DuplicateEpisode,
                    LineRef { episode: Some(&row.episode_id), ..location },
                    || "the episode has a summary already; every episode needs an id of its own".into(),
                );
                return false;
            }
            self.summed_up.insert(&key);
            for (column, path) in row_files(&self.schema, row) {
                if self.named_files.contains_key(path) {
                    continue;
                }
                if self.named_files.len() < MAX_NAMED_FILES {
                    self.named_files.insert(path.to_owned(), NamedFile { file, line: reading.line, column });
                } else {
                    let name = self.schema.episodes.column(column).map_or("", |column| column.name.as_str());
                    let line_ref = LineRef { episode: Some(&row.episode_id), hard: true, ..location };
                    findings.add_finding(Code::OutOfRange, line_ref, || {
                        format!("`{name}` names one more file; a run can name {MAX_NAMED_FILES}")
                    });
                }
            }
        }
        let record = (self.to_sink && is_whole_row(row)).then(|| self.episode_batch.push(row));
        let summary = EpisodeSummary {
            record,
            file,
            line: reading.line,
            steps: row.is_good(FieldSlot::COUNT).then_some(row.count),
            flags: flags_of(row),
            values: self.rules.recorded(&self.schema, row),
        };
        self.matcher.add_summary(&key, summary, findings);
        true
    }

    /// Passes on the summaries that are matched to their steps.
    pub(super) fn settle_indices(
        &mut self,
        context: &ScanContext<'_>,
        sink: &mut dyn RowSink,
    ) -> Result<(), ScanError> {
        for (record, index) in self.matcher.matched.drain(..) {
            self.episode_batch.set_index(record, index, sink).map_err(|e| context.sink_error(e))?;
        }
        Ok(())
    }

    /// The slot and place of a summary's agent, if episodes are told apart by it.
    fn summary_agent(&self) -> Option<(FieldSlot, usize)> {
        self.schema.agent()?;
        let index = self.schema.episodes.find("agent")?;
        match self.schema.episodes.place(index)? {
            CellPlace::Text(at) => Some((FieldSlot::of_column(index), at)),
            _ => None,
        }
    }

    /// Makes an episode's summary of its steps; `last` is the row of its last one.
    pub(super) fn derive_summary(
        &mut self,
        segment: &EpisodeSegment,
        last: &ParsedRow,
        context: &ScanContext<'_>,
        findings: &mut FindingCollector<'_>,
        sink: &mut dyn RowSink,
    ) -> Result<(), ScanError> {
        self.episodes_rows += 1;
        // Of an episode with a fault, which was reported, nothing is made.
        if segment.partial || segment.broken || segment.totals.any_lost() {
            return Ok(());
        }
        let mut row = ParsedRow::default();
        row.clear_for(&self.schema.episodes);
        row.episode_id.clone_from(&last.episode_id);
        row.count = i64::try_from(segment.rows).unwrap_or(i64::MAX);
        (row.terminated, row.truncated) = (last.terminated, last.truncated);
        if let (Some((slot, at)), Some(agent)) = (self.summary_agent(), self.step_agent(last)) {
            row.present.insert(slot);
            if let Some(text) = row.texts.get_mut(at) {
                text.push_str(agent);
            }
        }
        if let Err(column) = self.rules.fill_row(&segment.totals, &self.schema, &mut row) {
            let location =
                LineRef { episode: Some(&last.episode_id), hard: true, ..line_ref(segment.file, segment.line) };
            findings.add_finding(Code::MissingField, location, || {
                format!("`{column}` of the episode's summary is not known: no step has a value")
            });
            return Ok(());
        }
        if self.to_sink {
            let number = self.episode_batch.push(&row);
            self.episode_batch.set_index(number, segment.index, sink).map_err(|e| context.sink_error(e))?;
        }
        Ok(())
    }

    fn step_agent<'a>(&self, row: &'a ParsedRow) -> Option<&'a str> {
        match self.schema.steps.place(self.schema.agent()?)? {
            CellPlace::Text(at) => row.texts.get(at).map(String::as_str),
            _ => None,
        }
    }
}
