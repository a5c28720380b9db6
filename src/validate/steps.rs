//! The rules for steps: segments, their order and their end, time.

use crate::run::row::{Row, Slot};
use crate::validate::code::Code;
use crate::validate::episodes::{Final, Flags, Rewards, Segment};
use crate::validate::findings::{Collector, FileId, Place};

/// What a row did.
pub(super) enum Step {
    /// It goes on with the current segment.
    Same,
    /// It starts a segment; the one before, if any, is complete.
    New(Option<(String, Segment)>),
    /// It belongs to no segment that could be told.
    Unplaced,
}

/// Steps in file order, judged.
pub(super) struct Steps {
    current: Option<(String, Segment)>,
    /// Number of the next segment.
    next: u64,
    /// Lines since the last placed row that could not be read.
    unread: i64,
    /// Rows may be missing before the next one, nobody knows how many.
    gap: bool,
    /// Whole episodes may be lost since last asked.
    shifted: bool,
    time: f64,
    /// The episode of the row before this one, where that is its step 0: not placed, but known to be of it.
    zeroth: Option<String>,
}

impl Steps {
    pub fn new() -> Self {
        Self { current: None, next: 0, unread: 0, gap: false, shifted: false, time: f64::NEG_INFINITY, zeroth: None }
    }

    /// A line could not be read, or not placed.
    pub fn unread(&mut self) {
        self.unread += 1;
        if let Some((_, segment)) = &mut self.current {
            segment.open_end = true;
        }
    }

    /// Rows are missing here.
    pub fn gap(&mut self) {
        self.gap = true;
        self.shifted = true;
        if let Some((_, segment)) = &mut self.current
            && !segment.last.flags.is_some_and(Flags::ended)
        {
            segment.open_end = true;
            segment.partial = true;
        }
    }

    /// Whether whole episodes may have been lost since last asked.
    pub fn shifted(&mut self) -> bool {
        std::mem::take(&mut self.shifted)
    }

    /// The number of the current segment.
    pub fn index(&self) -> i64 {
        i64::try_from(self.next.saturating_sub(1)).unwrap_or(i64::MAX)
    }

    /// The last segment, when all rows are read.
    pub fn finish(&mut self) -> Option<(String, Segment)> {
        let (id, mut segment) = self.current.take()?;
        segment.open_end &= !segment.last.flags.is_some_and(Flags::ended);
        Some((id, segment))
    }

    /// Judges a row at its place.
    pub fn row(&mut self, row: &Row, file: FileId, line: u64, findings: &mut Collector<'_>) -> Step {
        if row.good(Slot::Ts) {
            let time = row.float(Slot::Ts);
            if time < self.time {
                let place = Place { file: Some(file), line: Some(line), episode: id_of(row), ..Place::default() };
                let before = self.time;
                findings.add(Code::TimeGoesBack, place, || {
                    format!("ts is {time}, {} s earlier than the step before", before - time)
                });
            }
            self.time = time;
        }
        let zeroth = self.zeroth.take();
        if is_step_zero(row) {
            self.zeroth = Some(row.episode_id.clone());
            return Step::Unplaced;
        }
        if !row.good(Slot::EpisodeId) || !row.good(Slot::Count) {
            self.unread();
            return Step::Unplaced;
        }
        let placed = self.place(row, row.int(Slot::Count), file, line, findings);
        if zeroth.is_some_and(|id| id == row.episode_id)
            && let Some((_, segment)) = &mut self.current
        {
            segment.partial = true;
        }
        placed
    }

    /// Finds a row's place in its segment.
    fn place(&mut self, row: &Row, step: i64, file: FileId, line: u64, findings: &mut Collector<'_>) -> Step {
        if self.unread == 0
            && !self.gap
            && step != 1
            && let Some((id, segment)) = &mut self.current
            && *id == row.episode_id
        {
            // The ordinary row.
            if step != segment.step.saturating_add(1) || segment.last.flags.is_some_and(Flags::ended) {
                out_of_order(id, segment, step, file, line, findings);
            }
            count(segment, row, step, file);
            return Step::Same;
        }
        self.row_at_a_seam(row, step, file, line, findings)
    }

    /// A row that may start a segment, or that follows lines that could not be read.
    fn row_at_a_seam(&mut self, row: &Row, step: i64, file: FileId, line: u64, findings: &mut Collector<'_>) -> Step {
        let unread = std::mem::take(&mut self.unread);
        let gap = std::mem::take(&mut self.gap);
        // A first step that is not 1 may follow first steps that could not be read.
        let may_start = step == 1 || gap || step <= 1 + unread;
        if let Some((id, segment)) = &mut self.current
            && *id == row.episode_id
            && step != 1
        {
            let ended = segment.last.flags.is_some_and(Flags::ended);
            let next = segment.step.saturating_add(1);
            let follows = step >= next && (gap || step <= next.saturating_add(unread));
            if !may_start || follows && !ended {
                if follows {
                    // What is between could not be read: neither its steps nor its rewards are known.
                    segment.partial |= unread > 0 || gap;
                    segment.open_end = false;
                    if ended {
                        after_end(id, segment, file, line, findings);
                    }
                } else {
                    out_of_order(id, segment, step, file, line, findings);
                    segment.partial |= unread > 0;
                }
                self.shifted |= gap || unread > 0 && step != next.saturating_add(unread);
                count(segment, row, step, file);
                return Step::Same;
            }
        }
        let before = self.current.take().map(|(id, mut segment)| {
            // Lines between two episodes that could not be read belong to the end of the first or the start of the second.
            let ended = segment.last.flags.is_some_and(Flags::ended);
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
        self.next += 1;
        let mut segment = Segment {
            index: self.next - 1,
            file,
            line,
            last_file: file,
            rows: 0,
            reward: Some(Rewards::default()),
            last: Final { position: None, distance: None, flags: None },
            step,
            partial: step != 1 && may_start,
            open_end: false,
            broken: false,
            disordered: false,
            after_end: false,
        };
        if !may_start {
            segment.broken = true;
            let place =
                Place { file: Some(file), line: Some(line), episode: Some(&row.episode_id), ..Place::default() };
            findings.add(Code::StepSequence, place, || format!("the episode's first step is {step}"));
        }
        count(&mut segment, row, step, file);
        self.current = Some((row.episode_id.clone(), segment));
        Step::New(before)
    }
}

fn id_of(row: &Row) -> Option<&str> {
    row.good(Slot::EpisodeId).then_some(row.episode_id.as_str())
}

/// Whether a row is a step 0, though steps are counted from 1, and nothing else is wrong with its place.
fn is_step_zero(row: &Row) -> bool {
    let told = row.present.has(Slot::Count) && !row.good(Slot::Count) && !row.lossy;
    told && row.int(Slot::Count) == 0 && row.good(Slot::EpisodeId)
}

/// A row of the same episode that is not the next step, or comes after the end.
fn out_of_order(id: &str, segment: &mut Segment, step: i64, file: FileId, line: u64, findings: &mut Collector<'_>) {
    if step == segment.step.saturating_add(1) {
        return after_end(id, segment, file, line, findings);
    }
    let before = segment.step;
    segment.broken = true;
    segment.disordered |= step <= before;
    // A step told twice after the end is one fault, not two.
    segment.after_end |= segment.last.flags.is_some_and(Flags::ended);
    let place = Place { file: Some(file), line: Some(line), episode: Some(id), ..Place::default() };
    findings.add(Code::StepSequence, place, || format!("step {step} follows step {before}"));
}

fn after_end(id: &str, segment: &mut Segment, file: FileId, line: u64, findings: &mut Collector<'_>) {
    if std::mem::replace(&mut segment.after_end, true) {
        return;
    }
    let how = if segment.last.flags.is_some_and(|f| f.terminated) { "terminated" } else { "truncated" };
    let before = segment.step;
    let place = Place { file: Some(file), line: Some(line), episode: Some(id), ..Place::default() };
    findings.add(Code::StepsAfterEnd, place, || format!("the episode was {how} at step {before}, but goes on"));
}

/// Adds a row to its segment.
fn count(segment: &mut Segment, row: &Row, step: i64, file: FileId) {
    segment.rows += 1;
    segment.step = step;
    segment.last_file = file;
    segment.reward = segment.reward.filter(|_| row.good(Slot::Reward)).map(|sum| sum.and(row.float(Slot::Reward)));
    segment.last = final_of(row);
}

/// A row's end: position, distance, flags.
pub(super) fn final_of(row: &Row) -> Final {
    Final {
        position: (row.good(Slot::X) && row.good(Slot::Y)).then(|| (row.int(Slot::X), row.int(Slot::Y))),
        distance: row.good(Slot::Distance).then(|| row.float(Slot::Distance)),
        flags: (row.good(Slot::Terminated) && row.good(Slot::Truncated))
            .then(|| Flags { terminated: row.bool(Slot::Terminated), truncated: row.bool(Slot::Truncated) }),
    }
}
