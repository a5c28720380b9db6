//! The rules for steps: segments, their order and their end, time.
//!
//! A segment is a stretch of steps with one episode id. After lines that could not be read, a rule is applied only if
//! the lost lines cannot explain what it finds. Summaries are compared in `episodes`.

use std::sync::Arc;

use crate::run::row::{FieldSlot, ParsedRow};
use crate::validate::clock::Clock;
use crate::validate::code::Code;
use crate::validate::episodes::{EndFlags, EpisodeSegment};
use crate::validate::findings::{FileId, FindingCollector, LineRef};
use crate::validate::totals::TotalRules;

/// The place of a row.
pub(super) enum StepPlacement {
    /// It continues the current segment.
    Same,
    /// It starts a segment; the one before, if any, is complete.
    New(Option<(String, EpisodeSegment)>),
    /// Its segment is not known.
    Unplaced,
}

/// Checks steps in file order.
pub(super) struct StepSequence {
    current: Option<(String, EpisodeSegment)>,
    /// The index of the next segment.
    next: u64,
    /// The number of lines since the last placed row that could not be read.
    unread: i64,
    /// An unknown number of rows is missing before the next one.
    gap: bool,
    /// Whole episodes can be lost since the last `take_shifted`.
    shifted: bool,
    clock: Clock,
    rules: Arc<TotalRules>,
    /// The episode of the row before, if that was its step 0: not placed, but known to belong to it.
    zeroth: Option<String>,
}

impl StepSequence {
    pub fn new(rules: Arc<TotalRules>, clock: Clock) -> Self {
        Self { current: None, next: 0, unread: 0, gap: false, shifted: false, clock, rules, zeroth: None }
    }

    /// Notes that a line could not be read or placed.
    pub fn mark_unread(&mut self) {
        self.unread += 1;
        if let Some((_, segment)) = &mut self.current {
            segment.open_end = true;
        }
    }

    /// Notes that an unknown number of rows is missing here.
    pub fn mark_gap(&mut self) {
        self.gap = true;
        self.shifted = true;
        if let Some((_, segment)) = &mut self.current
            && !segment.flags.is_some_and(EndFlags::has_ended)
        {
            segment.open_end = true;
            segment.partial = true;
        }
    }

    /// Returns whether whole episodes can be lost since the last call.
    pub fn take_shifted(&mut self) -> bool {
        std::mem::take(&mut self.shifted)
    }

    /// The index of the current segment.
    pub fn index(&self) -> i64 {
        i64::try_from(self.next.saturating_sub(1)).unwrap_or(i64::MAX)
    }

    /// Returns the last segment, after all rows.
    pub fn finish(&mut self) -> Option<(String, EpisodeSegment)> {
        let (id, mut segment) = self.current.take()?;
        segment.open_end &= !segment.flags.is_some_and(EndFlags::has_ended);
        Some((id, segment))
    }

    /// Checks the next row and finds its place.
    pub fn add_row(
        &mut self,
        row: &ParsedRow,
        file: FileId,
        line: u64,
        findings: &mut FindingCollector<'_>,
    ) -> StepPlacement {
        self.clock.check_row(row, file, line, findings);
        let zeroth = self.zeroth.take();
        // Reported already as out of range; placed, it would put all later steps out of order.
        if is_step_zero(row) {
            self.zeroth = Some(row.episode_id.clone());
            return StepPlacement::Unplaced;
        }
        if !row.is_good(FieldSlot::EPISODE_ID) || !row.is_good(FieldSlot::COUNT) {
            self.mark_unread();
            return StepPlacement::Unplaced;
        }
        let placed = self.place_row(row, row.count, file, line, findings);
        if zeroth.is_some_and(|id| id == row.episode_id)
            && let Some((_, segment)) = &mut self.current
        {
            segment.partial = true;
        }
        placed
    }

    /// Finds a row's place in its segment.
    fn place_row(
        &mut self,
        row: &ParsedRow,
        step: i64,
        file: FileId,
        line: u64,
        findings: &mut FindingCollector<'_>,
    ) -> StepPlacement {
        if self.unread == 0
            && !self.gap
            && step != 1
            && let Some((id, segment)) = &mut self.current
            && *id == row.episode_id
        {
            // For speed: nearly every row is the next step of its segment.
            if step != segment.step.saturating_add(1) || segment.flags.is_some_and(EndFlags::has_ended) {
                report_out_of_order(id, segment, step, file, line, findings);
            }
            segment.count_row(&self.rules, row, step, file);
            return StepPlacement::Same;
        }
        self.add_row_at_seam(row, step, file, line, findings)
    }

    /// Places a row that can start a segment, or that follows lines that could not be read.
    fn add_row_at_seam(
        &mut self,
        row: &ParsedRow,
        step: i64,
        file: FileId,
        line: u64,
        findings: &mut FindingCollector<'_>,
    ) -> StepPlacement {
        let unread = std::mem::take(&mut self.unread);
        let gap = std::mem::take(&mut self.gap);
        // A first step other than 1 is explained by that many unread lines before it.
        let may_start = step == 1 || gap || step <= 1 + unread;
        if let Some((id, segment)) = &mut self.current
            && *id == row.episode_id
            && step != 1
        {
            let ended = segment.flags.is_some_and(EndFlags::has_ended);
            let next = segment.step.saturating_add(1);
            let follows = step >= next && (gap || step <= next.saturating_add(unread));
            if !may_start || follows && !ended {
                if follows {
                    // The rows between could not be read, so neither steps nor rewards of the episode are known.
                    segment.partial |= unread > 0 || gap;
                    segment.open_end = false;
                    if ended {
                        report_after_end(id, segment, file, line, findings);
                    }
                } else {
                    report_out_of_order(id, segment, step, file, line, findings);
                    segment.partial |= unread > 0;
                }
                self.shifted |= gap || unread > 0 && step != next.saturating_add(unread);
                segment.count_row(&self.rules, row, step, file);
                return StepPlacement::Same;
            }
        }
        let before = self.current.take().map(|(id, mut segment)| {
            // Unread lines between two episodes are the end of the first or the start of the second.
            let ended = segment.flags.is_some_and(EndFlags::has_ended);
            if unread > 0 {
                let own = if step == 1 + unread { 0 } else { unread };
                if ended || own == 0 {
                    segment.open_end = false;
                } else {
                    segment.partial = true;
                }
                self.shifted |= own > 1 || own == 1 && ended;
            }
            (id, segment)
        });
        if before.is_none() && unread > 0 && step != 1 + unread {
            self.shifted = true;
        }
        // From here on: a new segment.
        self.next += 1;
        let mut segment = EpisodeSegment::at_row(self.next - 1, file, line, step, self.rules.start());
        // It begins in the middle, because rows before it were lost.
        segment.partial = step != 1 && may_start;
        if !may_start {
            segment.broken = true;
            let line_ref =
                LineRef { file: Some(file), line: Some(line), episode: Some(&row.episode_id), ..LineRef::default() };
            findings.add_finding(Code::StepSequence, line_ref, || format!("the episode's first step is {step}"));
        }
        segment.count_row(&self.rules, row, step, file);
        self.current = Some((row.episode_id.clone(), segment));
        StepPlacement::New(before)
    }
}

/// Whether a row is a step 0 (steps are counted from 1) and nothing else is wrong with its place.
fn is_step_zero(row: &ParsedRow) -> bool {
    let is_count_usable = row.present.contains(FieldSlot::COUNT) && !row.is_good(FieldSlot::COUNT) && !row.lossy;
    is_count_usable && row.count == 0 && row.is_good(FieldSlot::EPISODE_ID)
}

/// Reports a row of the same episode that is not the next step, or comes after the end.
fn report_out_of_order(
    id: &str,
    segment: &mut EpisodeSegment,
    step: i64,
    file: FileId,
    line: u64,
    findings: &mut FindingCollector<'_>,
) {
    if step == segment.step.saturating_add(1) {
        return report_after_end(id, segment, file, line, findings);
    }
    let before = segment.step;
    segment.broken = true;
    segment.disordered |= step <= before;
    // A wrong step after the end is one fault, not two.
    segment.after_end |= segment.flags.is_some_and(EndFlags::has_ended);
    let line_ref = LineRef { file: Some(file), line: Some(line), episode: Some(id), ..LineRef::default() };
    findings.add_finding(Code::StepSequence, line_ref, || format!("step {step} follows step {before}"));
}

fn report_after_end(
    id: &str,
    segment: &mut EpisodeSegment,
    file: FileId,
    line: u64,
    findings: &mut FindingCollector<'_>,
) {
    if std::mem::replace(&mut segment.after_end, true) {
        return;
    }
    let how = if segment.flags.is_some_and(|f| f.terminated) { "terminated" } else { "truncated" };
    let before = segment.step;
    let line_ref = LineRef { file: Some(file), line: Some(line), episode: Some(id), ..LineRef::default() };
    findings
        .add_finding(Code::StepsAfterEnd, line_ref, || format!("the episode was {how} at step {before}, but goes on"));
}

/// How an episode ended, as a row says; `None` if a flag could not be read.
pub(super) fn flags_of(row: &ParsedRow) -> Option<EndFlags> {
    (row.is_good(FieldSlot::TERMINATED) && row.is_good(FieldSlot::TRUNCATED))
        .then_some(EndFlags { terminated: row.terminated, truncated: row.truncated })
}

impl EpisodeSegment {
    /// Adds a row.
    #[inline]
    pub fn count_row(&mut self, rules: &TotalRules, row: &ParsedRow, step: i64, file: FileId) {
        self.rows += 1;
        self.step = step;
        self.last_file = file;
        rules.add_row(&mut self.totals, row);
        self.flags = flags_of(row);
    }
}
