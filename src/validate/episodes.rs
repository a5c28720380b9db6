//! Episodes: segments of steps against their summaries.
//!
//! Segments and summaries come in file order, side by side, and are matched as they come where the outcome is certain:
//! memory holds only what waits for its partner. The rule (an id's summaries belong to its segments in order; where there
//! are more segments, unfinished ones go without first) decides about the rest at the end.

use std::collections::{HashMap, VecDeque};

use crate::validate::code::Code;
use crate::validate::findings::{FileId, FindingCollector, LineRef};
use crate::validate::ids::SeenIds;

/// Relative tolerance for sums and distances.
const TOLERANCE: f64 = 1e-6;

/// What is known of an episode's end.
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

/// An episode's last position.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct FinalState {
    pub position: Option<(i64, i64)>,
    pub distance: Option<f64>,
    /// None where a flag could not be read.
    pub flags: Option<EndFlags>,
}

/// The sum of an episode's rewards.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct RewardSum {
    sum: f64,
    /// Of their sizes.
    sizes: f64,
    /// As a simulation has it that adds them up, in order, in 32 bits.
    single: f32,
}

impl RewardSum {
    /// With one more.
    #[allow(clippy::cast_possible_truncation)]
    pub fn add_reward(self, reward: f64) -> Self {
        Self { sum: self.sum + reward, sizes: self.sizes + reward.abs(), single: self.single + reward as f32 }
    }

    /// What is wrong with a total, if anything.
    fn difference_to(&self, total: f64) -> Option<String> {
        let single = f64::from(self.single);
        let near = |sum: f64, slack: f64| (total - sum).abs() <= TOLERANCE * total.abs().max(sum.abs()) + slack;
        if !self.sum.is_finite() || near(self.sum, 1e-9 * self.sizes) || single.is_finite() && near(single, 0.0) {
            return None;
        }
        Some(format!(
            "total_reward is {total}, but the steps' rewards add up to {} ({} in 32-bit floats)",
            self.sum, self.single
        ))
    }
}

/// A segment of steps.
#[derive(Debug, Clone)]
pub(super) struct EpisodeSegment {
    /// Its number in the run, from 0.
    pub index: u64,
    /// Where it starts.
    pub file: FileId,
    pub line: u64,
    /// Where it ends.
    pub last_file: FileId,
    pub rows: u64,
    /// Sum of the rewards; none where one could not be read.
    pub reward: Option<RewardSum>,
    pub last: FinalState,
    /// The last step of the last row.
    pub step: i64,
    /// Rows of it may have been lost, so its totals mean nothing.
    pub partial: bool,
    /// Rows behind its last may have been lost, so its end is not known.
    pub open_end: bool,
    /// Its steps are not 1, 2, 3, …, which was told.
    pub broken: bool,
    /// … and not even in order.
    pub disordered: bool,
    /// It goes on after its end, which was told.
    pub after_end: bool,
}

impl EpisodeSegment {
    /// Whether its last step ended the episode; none where that is not known.
    fn is_finished(&self) -> Option<bool> {
        if self.open_end { None } else { self.last.flags.map(EndFlags::has_ended) }
    }
}

/// A summary.
#[derive(Debug, Clone)]
pub(super) struct EpisodeSummary {
    /// Its number among those handed on to the sink.
    pub record: Option<u64>,
    pub file: FileId,
    pub line: u64,
    pub steps: Option<i64>,
    pub reward: Option<f64>,
    pub last: FinalState,
}

/// What is lost of a stream.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct LineLoss {
    /// Nobody knows how many rows.
    pub unbounded: bool,
    /// So many lines that could not be read.
    pub lines: u64,
}

#[derive(Debug, Default)]
struct UnmatchedEpisodes {
    segments: VecDeque<EpisodeSegment>,
    summaries: VecDeque<EpisodeSummary>,
    /// Something was lost, and the id is not the episode's alone: who belongs to whom is anybody's guess.
    unclear: bool,
}

/// Matches segments and summaries.
pub(super) struct EpisodeMatcher {
    waiting: HashMap<Box<str>, UnmatchedEpisodes>,
    seen: SeenIds,
    reported_ambiguous: SeenIds,
    /// Rows were lost in a way that may have shifted who belongs to whom.
    shifted: bool,
    /// Matches not yet fetched: a summary's record and its segment's number.
    pub matched: Vec<(u64, u64)>,
}

impl EpisodeMatcher {
    pub fn new() -> Self {
        Self {
            waiting: HashMap::new(),
            seen: SeenIds::new(),
            reported_ambiguous: SeenIds::new(),
            shifted: false,
            matched: Vec::new(),
        }
    }

    /// Rows were lost, perhaps with whole episodes.
    pub fn mark_shifted(&mut self) {
        self.shifted = true;
    }

    /// A segment begins: warns if its id was used before.
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
                "several episodes share this id; they are told apart by their order".into()
            });
        }
    }

    /// A segment is complete.
    pub fn add_segment(&mut self, id: &str, segment: EpisodeSegment, findings: &mut FindingCollector<'_>) {
        if !self.shifted && segment.is_finished() == Some(true) {
            match self.waiting.get_mut(id) {
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

    /// A summary was read.
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
        // An id whose segments all found their summaries before rows were lost.
        waiting.unclear |= self.shifted && waiting.segments.is_empty() && self.seen.contains(id);
        waiting.summaries.push_back(summary);
    }

    /// Whether there are steps, and none of them ends its episode: so, no summary is missing.
    pub fn only_unfinished(&self) -> bool {
        let mut waiting = self.waiting.values().flat_map(|waiting| &waiting.segments).peekable();
        waiting.peek().is_some() && waiting.all(|segment| segment.is_finished() != Some(true))
    }

    /// Both streams are at their end: decides about what waits.
    pub fn finish(&mut self, steps: LineLoss, episodes: LineLoss, findings: &mut FindingCollector<'_>) {
        let mut lone_segments: Vec<(Box<str>, EpisodeSegment)> = Vec::new();
        let mut lone_summaries: Vec<(Box<str>, EpisodeSummary)> = Vec::new();
        let mut waiting: Vec<(Box<str>, UnmatchedEpisodes)> = std::mem::take(&mut self.waiting).into_iter().collect();
        waiting.sort_by(|a, b| a.0.cmp(&b.0));
        for (id, mut waiting) in waiting {
            let several = waiting.segments.len() > 1 || waiting.summaries.len() > 1;
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
        if episodes.unbounded {
            return;
        }
        for (id, segment) in lone {
            let line_ref = LineRef {
                file: Some(segment.file),
                line: Some(segment.line),
                episode: Some(id),
                rests_on: Some(segment.last_file),
                hard: false,
            };
            let rows = segment.rows;
            match segment.is_finished() {
                Some(true) if episodes.lines > 0 => episodes.lines -= 1,
                Some(true) => findings.add_finding(Code::StepsWithoutEpisode, line_ref, || {
                    format!("the episode of {} is finished, but has no summary", count_noun(rows, "step"))
                }),
                Some(false) => findings.add_finding(Code::IncompleteEpisode, line_ref, || {
                    format!("the episode breaks off after {}, without a summary", count_noun(rows, "step"))
                }),
                // A row at its end could not be read, which was told.
                None => {}
            }
        }
    }

    fn report_summaries(lone: &[(Box<str>, EpisodeSummary)], mut steps: LineLoss, findings: &mut FindingCollector<'_>) {
        if steps.unbounded {
            return;
        }
        for (id, summary) in lone {
            let steps_needed = summary.steps.and_then(|n| u64::try_from(n).ok()).unwrap_or(1).max(1);
            if steps_needed <= steps.lines {
                // Its steps may be among the lines that could not be read.
                steps.lines -= steps_needed;
                continue;
            }
            let line_ref =
                LineRef { file: Some(summary.file), line: Some(summary.line), episode: Some(id), ..LineRef::default() };
            findings.add_finding(Code::EpisodeWithoutSteps, line_ref, || "the summary's episode has no steps".into());
        }
    }

    /// A segment has found its summary: compares them.
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
            episode: Some(id),
            rests_on: Some(segment.last_file),
            hard: false,
        };
        let whole = !(segment.partial || segment.open_end || segment.broken || segment.after_end);
        if whole && let Some(steps) = summary.steps {
            let rows = i64::try_from(segment.rows).unwrap_or(i64::MAX);
            if steps != rows {
                findings.add_finding(Code::EpisodeStepsMismatch, line_ref, || {
                    format!("total_steps is {steps}, but there are {}", count_noun(segment.rows, "step"))
                });
                // The end of the episode is lost: all else follows from that.
                let lost_end = steps > rows
                    && segment.is_finished() == Some(false)
                    && summary.last.flags.is_some_and(EndFlags::has_ended);
                if lost_end {
                    return;
                }
            }
        }
        if whole
            && let (Some(total), Some(rewards)) = (summary.reward, segment.reward)
            && let Some(message) = rewards.difference_to(total)
        {
            findings.add_finding(Code::EpisodeRewardMismatch, line_ref, || message);
        }
        if !(segment.open_end || segment.disordered || segment.after_end) {
            let differences = list_differences(&summary.last, &segment.last);
            if !differences.is_empty() {
                findings.add_finding(Code::EpisodeFinalMismatch, line_ref, || differences.join("; "));
            }
        }
    }
}

/// Takes out the segments that go without a summary, where there are more segments than summaries: those that are not
/// finished first, and of these the ones that no summary fits.
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
            // When all unfinished ones are gone, the last go without.
            without = unfinished == 0 && next.peek().is_none();
        } else {
            if excess > 0 {
                without = unfinished <= excess || !next.peek().is_some_and(|summary| segment_fits(&segment, summary));
            }
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

/// Whether a summary says of itself what the segment is.
fn segment_fits(segment: &EpisodeSegment, summary: &EpisodeSummary) -> bool {
    summary.steps.and_then(|n| u64::try_from(n).ok()) == Some(segment.rows)
        && segment.last.flags.zip(summary.last.flags).is_none_or(|(a, b)| a == b)
}

fn list_differences(recorded: &FinalState, actual: &FinalState) -> Vec<String> {
    let mut out = Vec::new();
    if let (Some(recorded), Some(actual)) = (recorded.flags, actual.flags) {
        for (name, recorded, actual) in [
            ("terminated", recorded.terminated, actual.terminated),
            ("truncated", recorded.truncated, actual.truncated),
        ] {
            if recorded != actual {
                out.push(format!("{name} is {recorded}, but {actual} at the last step"));
            }
        }
    }
    if let (Some(recorded), Some(actual)) = (recorded.position, actual.position)
        && recorded != actual
    {
        out.push(format!(
            "final_position is ({}, {}), but the last step's is ({}, {})",
            recorded.0, recorded.1, actual.0, actual.1
        ));
    }
    if let (Some(recorded), Some(actual)) = (recorded.distance, actual.distance)
        && (recorded - actual).abs() > TOLERANCE * recorded.abs().max(actual.abs())
    {
        out.push(format!("final_distance_to_goal is {recorded}, but the last step's is {actual}"));
    }
    out
}

/// `1 step`, `2 steps`.
pub(super) fn count_noun(n: u64, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}
