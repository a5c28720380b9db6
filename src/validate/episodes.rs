//! Episodes: segments of steps compared with their summaries.
//!
//! Both come in file order, side by side, and are matched as they come if the outcome is certain: memory holds only
//! what waits for its partner. The rule: an id's summaries belong to its segments in order; if there are more segments,
//! unfinished ones stay without a summary first. What is not certain is decided at the end. After lost lines nothing is
//! reported that the loss could explain.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::validate::code::Code;
use crate::validate::findings::{FileId, FindingCollector, LineRef};
use crate::validate::ids::SeenIds;
use crate::validate::totals::{Comparable, TotalDifference, TotalRules, TotalValue, Totals};

/// How an episode ended, as one row says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct EndFlags {
    pub terminated: bool,
    pub truncated: bool,
}

impl EndFlags {
    pub fn has_ended(self) -> bool {
        self.terminated || self.truncated
    }
}

/// Consecutive steps of one episode.
#[derive(Debug, Clone)]
pub(super) struct EpisodeSegment {
    /// Its index in the run, from 0.
    pub index: u64,
    /// The file of its first row.
    pub file: FileId,
    pub line: u64,
    /// The file of its last row.
    pub last_file: FileId,
    pub rows: u64,
    /// What its summary must equal.
    pub totals: Totals,
    /// How its last row ends it; `None` if a flag could not be read.
    pub flags: Option<EndFlags>,
    /// Lines and places of unknown size that were lost before its last row, in a run with interleaved episodes.
    pub losses: (u64, u64),
    /// The time of the last row that has one, in a run with interleaved episodes.
    pub time: f64,
    /// The step number of the last row.
    pub step: i64,
    /// Some of its rows can be lost, so its totals are not compared.
    pub partial: bool,
    /// Rows after its last can be lost, so its end is not known.
    pub open_end: bool,
    /// Its steps are not 1, 2, 3, …, which was reported.
    pub broken: bool,
    /// Its steps are not even increasing.
    pub disordered: bool,
    /// It goes on after its end, which was reported.
    pub after_end: bool,
}

impl EpisodeSegment {
    /// Begins an episode at this row, before the row is counted.
    pub fn at_row(index: u64, file: FileId, line: u64, step: i64, totals: Totals) -> Self {
        Self {
            index,
            file,
            line,
            last_file: file,
            rows: 0,
            totals,
            flags: None,
            losses: (0, 0),
            time: f64::NEG_INFINITY,
            step,
            partial: false,
            open_end: false,
            broken: false,
            disordered: false,
            after_end: false,
        }
    }

    /// Whether its last step ended the episode; `None` if that is not known.
    fn is_finished(&self) -> Option<bool> {
        if self.open_end { None } else { self.flags.map(EndFlags::has_ended) }
    }
}

/// A row of the episodes' file.
#[derive(Debug, Clone)]
pub(super) struct EpisodeSummary {
    /// Its number among the rows for the sink.
    pub record: Option<u64>,
    pub file: FileId,
    pub line: u64,
    pub steps: Option<i64>,
    pub flags: Option<EndFlags>,
    /// The values that follow from the steps, in the order of the rules.
    pub values: Vec<Option<TotalValue>>,
}

/// The known losses of a stream.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct LineLoss {
    /// An unknown number of rows is lost.
    pub unbounded: bool,
    /// The number of lines that could not be read.
    pub lines: u64,
}

#[derive(Debug, Default)]
struct UnmatchedEpisodes {
    segments: VecDeque<EpisodeSegment>,
    summaries: VecDeque<EpisodeSummary>,
    /// Rows were lost and several episodes share the id, so the pairs are not certain.
    unclear: bool,
}

/// Matches segments with summaries.
pub(super) struct EpisodeMatcher {
    rules: Arc<TotalRules>,
    waiting: HashMap<Box<str>, UnmatchedEpisodes>,
    seen: SeenIds,
    reported_ambiguous: SeenIds,
    /// Rows were lost, so that the pairs can be shifted.
    shifted: bool,
    /// New matches for the caller to take: a summary's record and its segment's index.
    pub matched: Vec<(u64, u64)>,
}

impl EpisodeMatcher {
    pub fn new(rules: Arc<TotalRules>) -> Self {
        Self {
            rules,
            waiting: HashMap::new(),
            seen: SeenIds::new(),
            reported_ambiguous: SeenIds::new(),
            shifted: false,
            matched: Vec::new(),
        }
    }

    /// Notes that rows were lost, possibly whole episodes.
    pub fn mark_shifted(&mut self) {
        self.shifted = true;
    }

    /// Notes that a segment begins; warns if its id was used before.
    pub fn begin_segment(&mut self, id: &str, line_ref: LineRef<'_>, findings: &mut FindingCollector<'_>) {
        if !self.seen.contains(id) {
            self.seen.insert(id);
            return;
        }
        if self.shifted {
            self.waiting.entry(id.into()).or_default().unclear = true;
        }
        if !self.reported_ambiguous.contains(id) {
            self.reported_ambiguous.insert(id);
            findings.add_finding(Code::AmbiguousEpisodeId, line_ref, || {
                "several episodes share this id; they are matched by their order".into()
            });
        }
    }

    /// Takes a complete segment, and compares it if its summary has come.
    pub fn add_segment(&mut self, id: &str, segment: EpisodeSegment, findings: &mut FindingCollector<'_>) {
        if !self.shifted && segment.is_finished() == Some(true) {
            match self.waiting.get_mut(id) {
                // => An earlier segment of this id could own the summary, so only without one the pair is certain.
                Some(waiting) if waiting.segments.is_empty() => {
                    if let Some(summary) = waiting.summaries.pop_front() {
                        if waiting.summaries.is_empty() {
                            self.waiting.remove(id);
                        }
                        return self.check_pair(id, &segment, &summary, findings);
                    }
                }
                _ => {}
            }
        }
        self.waiting.entry(id.into()).or_default().segments.push_back(segment);
    }

    /// Takes a summary, and compares it if its segment has come.
    pub fn add_summary(&mut self, id: &str, summary: EpisodeSummary, findings: &mut FindingCollector<'_>) {
        if !self.shifted
            && let Some(waiting) = self.waiting.get_mut(id)
            && waiting.summaries.is_empty()
            && waiting.segments.front().is_some_and(|s| s.is_finished() == Some(true))
            && let Some(segment) = waiting.segments.pop_front()
        {
            if waiting.segments.is_empty() {
                self.waiting.remove(id);
            }
            return self.check_pair(id, &segment, &summary, findings);
        }
        let waiting = self.waiting.entry(id.into()).or_default();
        // All segments of this id found their summaries before rows were lost: this one can be of a lost episode.
        waiting.unclear |= self.shifted && waiting.segments.is_empty() && self.seen.contains(id);
        waiting.summaries.push_back(summary);
    }

    /// Whether there are steps and all waiting episodes are unfinished, so that no summary is missing.
    pub fn only_unfinished(&self) -> bool {
        let mut waiting = self.waiting.values().flat_map(|waiting| &waiting.segments).peekable();
        waiting.peek().is_some() && waiting.all(|segment| segment.is_finished() != Some(true))
    }

    /// Decides about all that still waits, after both streams have ended.
    pub fn finish(&mut self, steps: LineLoss, episodes: LineLoss, findings: &mut FindingCollector<'_>) {
        let mut lone_segments: Vec<(Box<str>, EpisodeSegment)> = Vec::new();
        let mut lone_summaries: Vec<(Box<str>, EpisodeSummary)> = Vec::new();
        let mut waiting: Vec<(Box<str>, UnmatchedEpisodes)> = std::mem::take(&mut self.waiting).into_iter().collect();
        // Sorted: the order of a hash map would change the report from run to run.
        waiting.sort_by(|a, b| a.0.cmp(&b.0));
        for (id, mut waiting) in waiting {
            let several = waiting.segments.len() > 1 || waiting.summaries.len() > 1;
            // After losses, the pairs of an id with several episodes can be shifted: they are not compared.
            let unclear = waiting.unclear || self.shifted && several;
            for segment in take_unmatched(&mut waiting.segments, &waiting.summaries) {
                lone_segments.push((id.clone(), segment));
            }
            while let (Some(segment), Some(summary)) = (waiting.segments.front(), waiting.summaries.front()) {
                if !unclear {
                    self.check_pair(&id, segment, summary, findings);
                }
                waiting.segments.pop_front();
                waiting.summaries.pop_front();
            }
            lone_summaries.extend(waiting.summaries.into_iter().map(|s| (id.clone(), s)));
        }
        lone_segments.sort_by_key(|(_, s)| s.index);
        lone_summaries.sort_by_key(|(_, s)| (s.file, s.line));
        Self::report_segments(&lone_segments, episodes, findings);
        Self::report_summaries(&lone_summaries, steps, findings);
    }

    fn report_segments(
        lone: &[(Box<str>, EpisodeSegment)],
        mut episodes: LineLoss,
        findings: &mut FindingCollector<'_>,
    ) {
        // Every missing summary can be among the lost ones.
        if episodes.unbounded {
            return;
        }
        for (id, segment) in lone {
            let line_ref = LineRef {
                file: Some(segment.file),
                line: Some(segment.line),
                episode: Some(shown_id(id)),
                rests_on: Some(segment.last_file),
                hard: false,
            };
            let rows = segment.rows;
            match segment.is_finished() {
                // Each unread line can have been one summary.
                Some(true) if episodes.lines > 0 => episodes.lines -= 1,
                Some(true) => findings.add_finding(Code::StepsWithoutEpisode, line_ref, || {
                    format!("the episode of {} is finished, but has no summary", count_noun(rows, "step"))
                }),
                Some(false) => findings.add_finding(Code::IncompleteEpisode, line_ref, || {
                    format!("the episode breaks off after {}, without a summary", count_noun(rows, "step"))
                }),
                // A row at its end could not be read, which was reported already.
                None => {}
            }
        }
    }

    fn report_summaries(lone: &[(Box<str>, EpisodeSummary)], mut steps: LineLoss, findings: &mut FindingCollector<'_>) {
        // The missing steps can be among the lost ones.
        if steps.unbounded {
            return;
        }
        for (id, summary) in lone {
            let steps_needed = summary.steps.and_then(|n| u64::try_from(n).ok()).unwrap_or(1).max(1);
            if steps_needed <= steps.lines {
                // Its steps can be among the lines that could not be read.
                steps.lines -= steps_needed;
                continue;
            }
            let line_ref = LineRef {
                file: Some(summary.file),
                line: Some(summary.line),
                episode: Some(shown_id(id)),
                ..LineRef::default()
            };
            findings.add_finding(Code::EpisodeWithoutSteps, line_ref, || "the summary's episode has no steps".into());
        }
    }

    /// Compares a segment with its summary.
    fn check_pair(
        &mut self,
        id: &str,
        segment: &EpisodeSegment,
        summary: &EpisodeSummary,
        findings: &mut FindingCollector<'_>,
    ) {
        if let Some(record) = summary.record {
            self.matched.push((record, segment.index));
        }
        let line_ref = LineRef {
            file: Some(summary.file),
            line: Some(summary.line),
            episode: Some(shown_id(id)),
            rests_on: Some(segment.last_file),
            hard: false,
        };
        // Totals are compared only if every row of the episode was read and placed.
        let whole = !(segment.partial || segment.open_end || segment.broken || segment.after_end);
        if whole && let Some(steps) = summary.steps {
            let rows = i64::try_from(segment.rows).unwrap_or(i64::MAX);
            if steps != rows {
                findings.add_finding(Code::EpisodeStepsMismatch, line_ref, || {
                    format!("total_steps is {steps}, but there are {}", count_noun(segment.rows, "step"))
                });
                // The end of the episode is missing: other differences follow from that, so only this one is reported.
                let lost_end = steps > rows
                    && segment.is_finished() == Some(false)
                    && summary.flags.is_some_and(EndFlags::has_ended);
                if lost_end {
                    return;
                }
            }
        }
        let last = !(segment.open_end || segment.disordered || segment.after_end);
        let (others, lasts) = self.rules.differences(&segment.totals, &summary.values, Comparable { whole, last });
        for TotalDifference { code, message } in others {
            findings.add_finding(code, line_ref, || message);
        }
        let mut differences = if last { flag_differences(summary.flags, segment.flags) } else { Vec::new() };
        differences.extend(lasts);
        if !differences.is_empty() {
            findings.add_finding(Code::EpisodeFinalMismatch, line_ref, || differences.join("; "));
        }
    }
}

/// Removes the segments that stay without a summary if there are more segments than summaries: unfinished ones first,
/// and of these the ones that no summary fits.
fn take_unmatched(
    segments: &mut VecDeque<EpisodeSegment>,
    summaries: &VecDeque<EpisodeSummary>,
) -> Vec<EpisodeSegment> {
    let mut excess = segments.len().saturating_sub(summaries.len());
    if excess == 0 {
        return Vec::new();
    }
    let mut unfinished = segments.iter().filter(|s| s.is_finished() != Some(true)).count();
    let mut next = summaries.iter().peekable();
    let mut out = Vec::new();
    let mut unmatched_summaries = VecDeque::with_capacity(summaries.len());
    for segment in segments.drain(..) {
        let mut without = false;
        if segment.is_finished() == Some(true) {
            // All unfinished ones are removed already: the last ones stay without a summary.
            without = unfinished == 0 && next.peek().is_none();
        } else {
            if excess > 0 {
                without = unfinished <= excess || !next.peek().is_some_and(|summary| segment_fits(&segment, summary));
            }
            // Counts those still to come.
            unfinished -= 1;
        }
        if without || next.peek().is_none() {
            excess = excess.saturating_sub(1);
            out.push(segment);
        } else {
            next.next();
            unmatched_summaries.push_back(segment);
        }
    }
    *segments = unmatched_summaries;
    out
}

/// Whether a summary fits a segment by its number of steps and its end.
fn segment_fits(segment: &EpisodeSegment, summary: &EpisodeSummary) -> bool {
    summary.steps.and_then(|n| u64::try_from(n).ok()) == Some(segment.rows)
        && segment.flags.zip(summary.flags).is_none_or(|(a, b)| a == b)
}

fn flag_differences(recorded: Option<EndFlags>, actual: Option<EndFlags>) -> Vec<String> {
    let (Some(recorded), Some(actual)) = (recorded, actual) else { return Vec::new() };
    [("terminated", recorded.terminated, actual.terminated), ("truncated", recorded.truncated, actual.truncated)]
        .into_iter()
        .filter(|(_, recorded, actual)| recorded != actual)
        .map(|(name, recorded, actual)| format!("{name} is {recorded}, but {actual} at the last step"))
        .collect()
}

/// Between an episode's id and its agent: a code point that is no character, so that no text has it.
const BEFORE_AGENT: char = '\u{10ffff}';

/// An episode's key: its id, and its agent if the run distinguishes episodes by it.
pub(super) fn episode_key(id: &str, agent: Option<&str>) -> String {
    match agent {
        Some(agent) => format!("{id}{BEFORE_AGENT}{agent}"),
        None => id.to_owned(),
    }
}

/// The id of an episode's key.
pub(super) fn shown_id(key: &str) -> &str {
    key.rsplit_once(BEFORE_AGENT).map_or(key, |(id, _)| id)
}

/// `1 step`, `2 steps`.
pub(super) fn count_noun(n: u64, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}
