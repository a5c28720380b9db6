//! The rules for steps in runs that declare their columns: episodes are told apart by their id and agent, and the rows of
//! several may interleave. An id is used once.
//!
//! Memory holds the episodes that have not ended, [`MAX_OPEN`] at most, and of those that have only that they were there.
//! After lines that could not be read, a rule is applied only if the lost lines cannot explain what it finds.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::run::row::{FieldSlot, ParsedRow};
use crate::run::schema::{CellPlace, RunSchema};
use crate::validate::clock::EpisodeTimes;
use crate::validate::code::Code;
use crate::validate::episodes::{EndFlags, EpisodeSegment, episode_key};
use crate::validate::findings::{FileId, FindingCollector, LineRef};
use crate::validate::ids::SeenIds;
use crate::validate::steps::{StepPlacement, flags_of};
use crate::validate::totals::TotalRules;

/// The most episodes that can be open at once.
const MAX_OPEN: usize = 65_536;

/// Episodes that have ended and wait: rows after their end are told from what their summaries must equal.
const MAX_HELD: usize = 256;

/// Checks steps in file order.
pub(super) struct OpenEpisodes {
    rules: Arc<TotalRules>,
    times: EpisodeTimes,
    /// The slot and place of the agent, if episodes have one.
    agent: Option<(FieldSlot, usize)>,
    /// The number of an episode's first row.
    first: i64,
    /// The episode of the row before. For speed: nearly every row is of the same one.
    current: Option<(String, EpisodeSegment)>,
    others: HashMap<String, EpisodeSegment>,
    ended: SeenIds,
    /// The last episodes that have ended, oldest first.
    held: VecDeque<(String, EpisodeSegment)>,
    /// Episodes whose rows after the end were reported.
    reported: SeenIds,
    /// The index of the next episode.
    next: u64,
    /// Lines that could not be read or placed.
    lost: u64,
    /// Places with an unknown number of lost rows.
    gaps: u64,
    /// The episodes with a step 0 that cannot be placed, which was reported: its values are in no total.
    zeroed: SeenIds,
    /// That too many episodes are open was reported.
    is_full: bool,
    key: String,
}

impl OpenEpisodes {
    pub fn new(schema: &RunSchema, rules: Arc<TotalRules>) -> Self {
        let place = |index: usize| match schema.steps.place(index)? {
            CellPlace::Text(at) => Some((FieldSlot::of_column(index), at)),
            _ => None,
        };
        Self {
            rules,
            times: EpisodeTimes::new(schema),
            agent: schema.agent().and_then(place),
            first: i64::from(!schema.reset_rows),
            current: None,
            others: HashMap::new(),
            ended: SeenIds::new(),
            held: VecDeque::new(),
            reported: SeenIds::new(),
            next: 0,
            lost: 0,
            gaps: 0,
            zeroed: SeenIds::new(),
            is_full: false,
            key: String::new(),
        }
    }

    /// Notes that a line could not be read.
    pub fn mark_unread(&mut self) {
        self.lost += 1;
    }

    /// Notes that an unknown number of rows is missing here.
    pub fn mark_gap(&mut self) {
        self.gaps += 1;
    }

    /// The index of the row's episode.
    pub fn index(&self) -> i64 {
        let index = self.current.as_ref().map_or(0, |(_, segment)| segment.index);
        i64::try_from(index).unwrap_or(i64::MAX)
    }

    /// Ends the current episode, if its last row did; returns it as it is now.
    pub fn end_episode(&mut self) -> Option<EpisodeSegment> {
        let has_ended = |segment: &EpisodeSegment| segment.flags.is_some_and(EndFlags::has_ended);
        let (key, segment) = self.current.take_if(|(_, segment)| has_ended(segment))?;
        self.ended.insert(&key);
        self.held.push_back((key, segment.clone()));
        Some(segment)
    }

    /// Returns an episode that ended long ago.
    pub fn take_settled(&mut self) -> Option<(String, EpisodeSegment)> {
        if self.held.len() > MAX_HELD { self.held.pop_front() } else { None }
    }

    /// Returns the episodes that are left, in the order of their first rows; only those that have not ended if the others'
    /// summaries are made already.
    pub fn finish(&mut self, only_open: bool) -> Vec<(String, EpisodeSegment)> {
        let losses = (self.lost, self.gaps);
        let mut all: Vec<_> = self.others.drain().chain(self.current.take()).collect();
        for (_, segment) in &mut all {
            // Rows can have been lost after its last one.
            segment.open_end = segment.losses != losses;
        }
        if !only_open {
            all.extend(self.held.drain(..));
        }
        all.sort_by_key(|(_, segment)| segment.index);
        all
    }

    /// Reports the steps that are earlier than the one before: of the run, or of the episode if episodes interleave.
    pub fn report_times(&self, findings: &mut FindingCollector<'_>) {
        self.times.report_to(findings);
    }

    /// Checks the next row and finds its place.
    pub fn add_row(
        &mut self,
        row: &ParsedRow,
        file: FileId,
        line: u64,
        findings: &mut FindingCollector<'_>,
    ) -> StepPlacement {
        let agent = match self.agent {
            Some((slot, at)) if row.is_good(slot) => row.texts.get(at).map(String::as_str),
            Some(_) => return self.lose_row(),
            None => None,
        };
        if !row.is_good(FieldSlot::EPISODE_ID) {
            return self.lose_row();
        }
        if !row.is_good(FieldSlot::COUNT) {
            let is_zero = row.present.contains(FieldSlot::COUNT) && row.count == 0 && !row.lossy;
            let key = episode_key(&row.episode_id, agent);
            if is_zero && !self.zeroed.contains(&key) {
                self.zeroed.insert(&key);
            }
            return self.lose_row();
        }
        self.set_current(&row.episode_id, agent);
        let line_ref =
            LineRef { file: Some(file), line: Some(line), episode: Some(&row.episode_id), ..LineRef::default() };
        if let Some((_, segment)) = &mut self.current {
            continue_episode(segment, row.count, self.lost, self.gaps, line_ref, findings);
        } else if self.ended.contains(&self.key) {
            self.report_reuse(row.count, line_ref, findings);
            return StepPlacement::Unplaced;
        } else if !self.begin_episode(row, file, line, line_ref, findings) {
            return self.lose_row();
        }
        let losses = (self.lost, self.gaps);
        if let Some((_, segment)) = &mut self.current {
            segment.losses = losses;
            self.times.check_row(row, segment, line_ref);
            if row.count == 0 {
                segment.step = 0;
                segment.last_file = file;
                segment.flags = flags_of(row);
                self.rules.add_reset_row(&mut segment.totals, row);
            } else {
                segment.count_row(&self.rules, row, row.count, file);
            }
        }
        StepPlacement::Same
    }

    fn lose_row(&mut self) -> StepPlacement {
        self.lost += 1;
        StepPlacement::Unplaced
    }

    /// Makes the episode of a row the current one, if it is open; `self.key` is its key then.
    fn set_current(&mut self, id: &str, agent: Option<&str>) {
        if agent.is_none() && self.current.as_ref().is_some_and(|(key, _)| key == id) {
            return;
        }
        self.key.clear();
        match agent {
            None => self.key.push_str(id),
            Some(agent) => self.key.push_str(&episode_key(id, Some(agent))),
        }
        if self.current.as_ref().is_some_and(|(key, _)| *key == self.key) {
            return;
        }
        if let Some((key, segment)) = self.current.take() {
            self.others.insert(key, segment);
        }
        self.current = self.others.remove_entry(&self.key);
        self.times.are_interleaved |= self.current.is_some();
    }

    /// Begins an episode; false if too many are open.
    fn begin_episode(
        &mut self,
        row: &ParsedRow,
        file: FileId,
        line: u64,
        line_ref: LineRef<'_>,
        findings: &mut FindingCollector<'_>,
    ) -> bool {
        if self.others.len() >= MAX_OPEN {
            if !std::mem::replace(&mut self.is_full, true) {
                findings.add_finding(Code::OutOfRange, LineRef { hard: true, ..line_ref }, || {
                    format!("`episode_id` begins one more episode while {MAX_OPEN} have not ended, which is the most")
                });
            }
            return false;
        }
        let missing = row.count - self.first;
        let is_explained = self.gaps > 0 || u64::try_from(missing).is_ok_and(|missing| missing <= self.lost);
        let mut segment = EpisodeSegment::at_row(self.next, file, line, row.count, self.rules.start());
        segment.partial = missing != 0 && is_explained || self.zeroed.contains(&self.key);
        if missing != 0 && !is_explained {
            segment.broken = true;
            let hint = if self.first == 0 && row.count == 1 { ", but reset_rows says that 0 comes first" } else { "" };
            findings.add_finding(Code::StepSequence, line_ref, || {
                format!("the episode's first step is {}{hint}", row.count)
            });
        }
        self.next += 1;
        self.current = Some((self.key.clone(), segment));
        true
    }

    /// Reports a row of an episode that has ended, once for each episode.
    fn report_reuse(&mut self, step: i64, line_ref: LineRef<'_>, findings: &mut FindingCollector<'_>) {
        if self.reported.contains(&self.key) {
            return;
        }
        self.reported.insert(&self.key);
        // What follows from the rows after the end is no further fault.
        if let Some((_, segment)) = self.held.iter_mut().rev().find(|(key, _)| *key == self.key) {
            segment.after_end = true;
        }
        if step <= 1 {
            findings.add_finding(Code::DuplicateEpisode, line_ref, || {
                "an episode of this id has ended before; every episode needs an id of its own".into()
            });
        } else {
            findings.add_finding(Code::StepsAfterEnd, line_ref, || {
                format!("the episode has ended, but goes on with step {step}")
            });
        }
    }
}

/// Checks that a row is the next of its episode.
fn continue_episode(
    segment: &mut EpisodeSegment,
    step: i64,
    lost: u64,
    gaps: u64,
    line_ref: LineRef<'_>,
    findings: &mut FindingCollector<'_>,
) {
    let before = segment.step;
    let next = before.saturating_add(1);
    if step == next {
        return;
    }
    let (lost_before, gaps_before) = segment.losses;
    let lost_since = i64::try_from(lost.saturating_sub(lost_before)).unwrap_or(i64::MAX);
    if step > next && (gaps > gaps_before || step - next <= lost_since) {
        // The rows between could not be read, so neither steps nor sums of the episode are known.
        segment.partial = true;
        return;
    }
    segment.broken = true;
    segment.disordered |= step <= before;
    findings.add_finding(Code::StepSequence, line_ref, || format!("step {step} follows step {before}"));
}
