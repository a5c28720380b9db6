//! Episodes: segments of steps against their summaries.
//!
//! Segments and summaries come in file order, side by side, and are matched as they come where the outcome is certain:
//! memory holds only what waits for its partner. The rule (an id's summaries belong to its segments in order; where there
//! are more segments, unfinished ones go without first) decides about the rest at the end.

use std::collections::{HashMap, VecDeque};

use crate::validate::code::Code;
use crate::validate::findings::{Collector, FileId, Place};
use crate::validate::ids::SeenIds;

/// Relative tolerance for sums and distances.
const TOLERANCE: f64 = 1e-6;

/// What is known of an episode's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Flags {
    pub terminated: bool,
    pub truncated: bool,
}

impl Flags {
    pub fn ended(self) -> bool {
        self.terminated || self.truncated
    }
}

/// An episode's last position.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Final {
    pub position: Option<(i64, i64)>,
    pub distance: Option<f64>,
    /// None where a flag could not be read.
    pub flags: Option<Flags>,
}

/// The sum of an episode's rewards.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Rewards {
    sum: f64,
    /// Of their sizes.
    sizes: f64,
    /// As a simulation has it that adds them up, in order, in 32 bits.
    single: f32,
}

impl Rewards {
    /// With one more.
    #[allow(clippy::cast_possible_truncation)]
    pub fn and(self, reward: f64) -> Self {
        Self { sum: self.sum + reward, sizes: self.sizes + reward.abs(), single: self.single + reward as f32 }
    }

    /// What is wrong with a total, if anything.
    fn differs(&self, total: f64) -> Option<String> {
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
pub(super) struct Segment {
    /// Its number in the run, from 0.
    pub index: u64,
    /// Where it starts.
    pub file: FileId,
    pub line: u64,
    /// Where it ends.
    pub last_file: FileId,
    pub rows: u64,
    /// Sum of the rewards; none where one could not be read.
    pub reward: Option<Rewards>,
    pub last: Final,
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

impl Segment {
    /// Whether its last step ended the episode; none where that is not known.
    fn finished(&self) -> Option<bool> {
        if self.open_end { None } else { self.last.flags.map(Flags::ended) }
    }
}

/// A summary.
#[derive(Debug, Clone)]
pub(super) struct Summary {
    /// Its number among those handed on to the sink.
    pub record: Option<u64>,
    pub file: FileId,
    pub line: u64,
    pub steps: Option<i64>,
    pub reward: Option<f64>,
    pub last: Final,
}

/// What is lost of a stream.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Loss {
    /// Nobody knows how many rows.
    pub unbounded: bool,
    /// So many lines that could not be read.
    pub lines: u64,
}

#[derive(Debug, Default)]
struct Waiting {
    segments: VecDeque<Segment>,
    summaries: VecDeque<Summary>,
    /// Something was lost, and the id is not the episode's alone: who belongs to whom is anybody's guess.
    unclear: bool,
}

/// Matches segments and summaries.
pub(super) struct Matcher {
    waiting: HashMap<Box<str>, Waiting>,
    seen: SeenIds,
    told_ambiguous: SeenIds,
    /// Rows were lost in a way that may have shifted who belongs to whom.
    shifted: bool,
    /// Matches not yet fetched: a summary's record and its segment's number.
    pub matched: Vec<(u64, u64)>,
}

impl Matcher {
    pub fn new() -> Self {
        Self {
            waiting: HashMap::new(),
            seen: SeenIds::new(),
            told_ambiguous: SeenIds::new(),
            shifted: false,
            matched: Vec::new(),
        }
    }

    /// Rows were lost, perhaps with whole episodes.
    pub fn shift(&mut self) {
        self.shifted = true;
    }

    /// A segment begins: warns if its id was used before.
    pub fn begin(&mut self, id: &str, place: Place<'_>, findings: &mut Collector<'_>) {
        if !self.seen.has(id) {
            self.seen.add(id);
            return;
        }
        if self.shifted {
            self.waiting.entry(id.into()).or_default().unclear = true;
        }
        if !self.told_ambiguous.has(id) {
            self.told_ambiguous.add(id);
            findings.add(Code::AmbiguousEpisodeId, place, || {
                "several episodes share this id; they are told apart by their order".into()
            });
        }
    }

    /// A segment is complete.
    pub fn segment(&mut self, id: &str, segment: Segment, findings: &mut Collector<'_>) {
        if !self.shifted && segment.finished() == Some(true) {
            match self.waiting.get_mut(id) {
                Some(waiting) if waiting.segments.is_empty() => {
                    if let Some(summary) = waiting.summaries.pop_front() {
                        if waiting.summaries.is_empty() {
                            self.waiting.remove(id);
                        }
                        return self.pair(id, &segment, &summary, findings);
                    }
                }
                _ => {}
            }
        }
        self.waiting.entry(id.into()).or_default().segments.push_back(segment);
    }

    /// A summary was read.
    pub fn summary(&mut self, id: &str, summary: Summary, findings: &mut Collector<'_>) {
        if !self.shifted
            && let Some(waiting) = self.waiting.get_mut(id)
            && waiting.summaries.is_empty()
            && waiting.segments.front().is_some_and(|s| s.finished() == Some(true))
            && let Some(segment) = waiting.segments.pop_front()
        {
            if waiting.segments.is_empty() {
                self.waiting.remove(id);
            }
            return self.pair(id, &segment, &summary, findings);
        }
        let waiting = self.waiting.entry(id.into()).or_default();
        // An id whose segments all found their summaries before rows were lost.
        waiting.unclear |= self.shifted && waiting.segments.is_empty() && self.seen.has(id);
        waiting.summaries.push_back(summary);
    }

    /// Whether there are steps, and none of them ends its episode: so, no summary is missing.
    pub fn only_unfinished(&self) -> bool {
        let mut waiting = self.waiting.values().flat_map(|waiting| &waiting.segments).peekable();
        waiting.peek().is_some() && waiting.all(|segment| segment.finished() != Some(true))
    }

    /// Both streams are at their end: decides about what waits.
    pub fn finish(&mut self, steps: Loss, episodes: Loss, findings: &mut Collector<'_>) {
        let mut lone_segments: Vec<(Box<str>, Segment)> = Vec::new();
        let mut lone_summaries: Vec<(Box<str>, Summary)> = Vec::new();
        let mut waiting: Vec<(Box<str>, Waiting)> = std::mem::take(&mut self.waiting).into_iter().collect();
        waiting.sort_by(|a, b| a.0.cmp(&b.0));
        for (id, mut waiting) in waiting {
            let several = waiting.segments.len() > 1 || waiting.summaries.len() > 1;
            let unclear = waiting.unclear || self.shifted && several;
            for segment in go_without(&mut waiting.segments, &waiting.summaries) {
                lone_segments.push((id.clone(), segment));
            }
            while let (Some(segment), Some(summary)) = (waiting.segments.front(), waiting.summaries.front()) {
                if !unclear {
                    self.pair(&id, segment, summary, findings);
                }
                waiting.segments.pop_front();
                waiting.summaries.pop_front();
            }
            lone_summaries.extend(waiting.summaries.into_iter().map(|s| (id.clone(), s)));
        }
        lone_segments.sort_by_key(|(_, s)| s.index);
        lone_summaries.sort_by_key(|(_, s)| (s.file, s.line));
        Self::tell_segments(&lone_segments, episodes, findings);
        Self::tell_summaries(&lone_summaries, steps, findings);
    }

    fn tell_segments(lone: &[(Box<str>, Segment)], mut episodes: Loss, findings: &mut Collector<'_>) {
        if episodes.unbounded {
            return;
        }
        for (id, segment) in lone {
            let place = Place {
                file: Some(segment.file),
                line: Some(segment.line),
                episode: Some(id),
                rests_on: Some(segment.last_file),
                hard: false,
            };
            let rows = segment.rows;
            match segment.finished() {
                Some(true) if episodes.lines > 0 => episodes.lines -= 1,
                Some(true) => findings.add(Code::StepsWithoutEpisode, place, || {
                    format!("the episode of {} is finished, but has no summary", count(rows, "step"))
                }),
                Some(false) => findings.add(Code::IncompleteEpisode, place, || {
                    format!("the episode breaks off after {}, without a summary", count(rows, "step"))
                }),
                // A row at its end could not be read, which was told.
                None => {}
            }
        }
    }

    fn tell_summaries(lone: &[(Box<str>, Summary)], mut steps: Loss, findings: &mut Collector<'_>) {
        if steps.unbounded {
            return;
        }
        for (id, summary) in lone {
            let wanted = summary.steps.and_then(|n| u64::try_from(n).ok()).unwrap_or(1).max(1);
            if wanted <= steps.lines {
                // Its steps may be among the lines that could not be read.
                steps.lines -= wanted;
                continue;
            }
            let place =
                Place { file: Some(summary.file), line: Some(summary.line), episode: Some(id), ..Place::default() };
            findings.add(Code::EpisodeWithoutSteps, place, || "the summary's episode has no steps".into());
        }
    }

    /// A segment has found its summary: compares them.
    fn pair(&mut self, id: &str, segment: &Segment, summary: &Summary, findings: &mut Collector<'_>) {
        if let Some(record) = summary.record {
            self.matched.push((record, segment.index));
        }
        let place = Place {
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
                findings.add(Code::EpisodeStepsMismatch, place, || {
                    format!("total_steps is {steps}, but there are {}", count(segment.rows, "step"))
                });
                // The end of the episode is lost: all else follows from that.
                let lost_end =
                    steps > rows && segment.finished() == Some(false) && summary.last.flags.is_some_and(Flags::ended);
                if lost_end {
                    return;
                }
            }
        }
        if whole
            && let (Some(total), Some(rewards)) = (summary.reward, segment.reward)
            && let Some(message) = rewards.differs(total)
        {
            findings.add(Code::EpisodeRewardMismatch, place, || message);
        }
        if !(segment.open_end || segment.disordered || segment.after_end) {
            let differences = differences(&summary.last, &segment.last);
            if !differences.is_empty() {
                findings.add(Code::EpisodeFinalMismatch, place, || differences.join("; "));
            }
        }
    }
}

/// Takes out the segments that go without a summary, where there are more segments than summaries: those that are not
/// finished first, and of these the ones that no summary fits.
fn go_without(segments: &mut VecDeque<Segment>, summaries: &VecDeque<Summary>) -> Vec<Segment> {
    let mut excess = segments.len().saturating_sub(summaries.len());
    if excess == 0 {
        return Vec::new();
    }
    let mut unfinished = segments.iter().filter(|s| s.finished() != Some(true)).count();
    let mut next = summaries.iter().peekable();
    let mut out = Vec::new();
    let mut kept = VecDeque::with_capacity(summaries.len());
    for segment in segments.drain(..) {
        let mut without = false;
        if segment.finished() == Some(true) {
            // When all unfinished ones are gone, the last go without.
            without = unfinished == 0 && next.peek().is_none();
        } else {
            if excess > 0 {
                without = unfinished <= excess || !next.peek().is_some_and(|summary| fits(&segment, summary));
            }
            unfinished -= 1;
        }
        if without || next.peek().is_none() {
            excess = excess.saturating_sub(1);
            out.push(segment);
        } else {
            next.next();
            kept.push_back(segment);
        }
    }
    *segments = kept;
    out
}

/// Whether a summary says of itself what the segment is.
fn fits(segment: &Segment, summary: &Summary) -> bool {
    summary.steps.and_then(|n| u64::try_from(n).ok()) == Some(segment.rows)
        && segment.last.flags.zip(summary.last.flags).is_none_or(|(a, b)| a == b)
}

fn differences(said: &Final, is: &Final) -> Vec<String> {
    let mut out = Vec::new();
    if let (Some(said), Some(is)) = (said.flags, is.flags) {
        for (name, said, is) in
            [("terminated", said.terminated, is.terminated), ("truncated", said.truncated, is.truncated)]
        {
            if said != is {
                out.push(format!("{name} is {said}, but {is} at the last step"));
            }
        }
    }
    if let (Some(said), Some(is)) = (said.position, is.position)
        && said != is
    {
        out.push(format!("final_position is ({}, {}), but the last step's is ({}, {})", said.0, said.1, is.0, is.1));
    }
    if let (Some(said), Some(is)) = (said.distance, is.distance)
        && (said - is).abs() > TOLERANCE * said.abs().max(is.abs())
    {
        out.push(format!("final_distance_to_goal is {said}, but the last step's is {is}"));
    }
    out
}

/// `1 step`, `2 steps`.
pub(super) fn count(n: u64, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}
