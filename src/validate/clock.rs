//! The rule for time: a step is not earlier than the one before it, over the whole run, or in its episode if the rows of
//! several episodes interleave.

use crate::run::row::{FieldSlot, ParsedRow};
use crate::run::schema::{CellPlace, RunSchema};
use crate::validate::code::Code;
use crate::validate::episodes::EpisodeSegment;
use crate::validate::findings::{FileId, FindingCollector, LineRef};
use crate::validate::rows::id_of;

/// Where a row's `ts` is.
#[derive(Debug, Clone, Copy)]
struct TimeField(Option<(FieldSlot, usize)>);

impl TimeField {
    fn new(schema: &RunSchema) -> Self {
        let place = |index: usize| match schema.steps.place(index)? {
            CellPlace::Scalar(at) => Some((FieldSlot::of_column(index), at)),
            _ => None,
        };
        Self(schema.steps.find("ts").and_then(place))
    }

    #[inline]
    fn read(self, row: &ParsedRow) -> Option<f64> {
        self.0.filter(|(slot, _)| row.is_good(*slot)).map(|(_, at)| row.float(at))
    }
}

fn describe_step_back(time: f64, before: f64) -> String {
    format!("ts is {time}, {} s earlier than the step before", before - time)
}

/// Compares each step's `ts` with the one before.
#[derive(Debug)]
pub(super) struct Clock {
    field: TimeField,
    time: f64,
}

impl Clock {
    pub fn new(schema: &RunSchema) -> Self {
        Self { field: TimeField::new(schema), time: f64::NEG_INFINITY }
    }

    /// Warns if a row is earlier than the one before.
    #[inline]
    pub fn check_row(&mut self, row: &ParsedRow, file: FileId, line: u64, findings: &mut FindingCollector<'_>) {
        let Some(time) = self.field.read(row) else { return };
        if time < self.time {
            let line_ref = LineRef { file: Some(file), line: Some(line), episode: id_of(row), ..LineRef::default() };
            let before = self.time;
            findings.add_finding(Code::TimeGoesBack, line_ref, || describe_step_back(time, before));
        }
        self.time = time;
    }
}

/// A step that is earlier than the one before.
#[derive(Debug)]
struct StepBack {
    file: Option<FileId>,
    line: Option<u64>,
    episode: Option<String>,
    message: String,
}

/// Steps back in time: the first few, and how many.
#[derive(Debug, Default)]
struct StepsBack {
    count: u64,
    first: Vec<StepBack>,
}

impl StepsBack {
    fn note(&mut self, time: f64, before: f64, line_ref: LineRef<'_>) {
        // As many as a report shows.
        const KEPT: usize = 10;
        self.count += 1;
        if self.first.len() < KEPT {
            self.first.push(StepBack {
                file: line_ref.file,
                line: line_ref.line,
                episode: line_ref.episode.map(str::to_owned),
                message: describe_step_back(time, before),
            });
        }
    }

    fn report_to(&self, findings: &mut FindingCollector<'_>) {
        let mut left = self.count;
        for StepBack { file, line, episode, message } in &self.first {
            left -= 1;
            let line_ref = LineRef { file: *file, line: *line, episode: episode.as_deref(), ..LineRef::default() };
            findings.add_finding(Code::TimeGoesBack, line_ref, || message.clone());
        }
        if let (1.., Some(first)) = (left, self.first.first()) {
            let line_ref = LineRef { file: first.file, ..LineRef::default() };
            findings.add_findings(Code::TimeGoesBack, line_ref, left, String::new);
        }
    }
}

/// The times of episodes that can interleave. Whether they do is known at the end only.
#[derive(Debug)]
pub(super) struct EpisodeTimes {
    field: TimeField,
    time: f64,
    in_run: StepsBack,
    in_episodes: StepsBack,
    /// Whether a row came of an episode that others' rows had interrupted.
    pub are_interleaved: bool,
}

impl EpisodeTimes {
    pub fn new(schema: &RunSchema) -> Self {
        Self {
            field: TimeField::new(schema),
            time: f64::NEG_INFINITY,
            in_run: StepsBack::default(),
            in_episodes: StepsBack::default(),
            are_interleaved: false,
        }
    }

    /// Compares a row with the one before, and with the one before in its episode.
    #[inline]
    pub fn check_row(&mut self, row: &ParsedRow, segment: &mut EpisodeSegment, line_ref: LineRef<'_>) {
        let Some(time) = self.field.read(row) else { return };
        if time < self.time {
            self.in_run.note(time, self.time, line_ref);
        }
        if time < segment.time {
            self.in_episodes.note(time, segment.time, line_ref);
        }
        (self.time, segment.time) = (time, time);
    }

    pub fn report_to(&self, findings: &mut FindingCollector<'_>) {
        if self.are_interleaved { &self.in_episodes } else { &self.in_run }.report_to(findings);
    }
}
