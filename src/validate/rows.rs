//! From lines to rows: what a line that is none, or a row with faults, means; rows on their way to the sink.

use std::collections::VecDeque;

use super::{RowSink, SinkError};
use crate::formats::json::Reason;
use crate::run::reader::MAX_LINE;
use crate::run::row::{BadLine, Fault, Row, Slot};
use crate::run::rows::{EpisodeRows, EpisodeSpan, StepRows};
use crate::run::schema::SchemaVersion;
use crate::validate::code::Code;
use crate::validate::findings::{Collector, FileId, Place};

/// How many rows a batch holds at most.
const BATCH_ROWS: usize = 8192;

/// How many values of lists, or bytes of text, a batch holds before it goes early.
const BATCH_VALUES: usize = 512 << 10;

/// Whether a line is longer than any that is read.
pub(super) fn too_long(line: &[u8]) -> bool {
    line.len() > MAX_LINE && {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        line.strip_suffix(b"\r").unwrap_or(line).len() > MAX_LINE
    }
}

/// Tells that a line is too long.
pub(super) fn tell_too_long(place: Place<'_>, findings: &mut Collector<'_>) {
    let place = Place { hard: true, ..place };
    findings
        .add(Code::LineTooLong, place, || format!("the line is longer than {} MiB; it was not read", MAX_LINE >> 20));
}

/// Tells why a line is no row.
pub(super) fn tell_bad_line(bad: &BadLine, place: Place<'_>, findings: &mut Collector<'_>) {
    let place = Place { hard: true, ..place };
    match bad {
        BadLine::Utf8(at) => findings.add(Code::InvalidUtf8, place, || format!("not UTF-8 at byte {at} of the line")),
        BadLine::Json(error) => findings.add(Code::InvalidJson, place, || match error.reason {
            Reason::End => "the line ends inside a value".into(),
            _ => format!("{} of the line", error),
        }),
        BadLine::NotAnObject(what) => findings.add(Code::NotAnObject, place, || format!("the line is {what}")),
    }
}

/// Tells a row's faults.
pub(super) fn tell_faults(row: &Row, run_id: Option<&str>, place: Place<'_>, findings: &mut Collector<'_>) {
    let episode = row.good(Slot::EpisodeId).then_some(row.episode_id.as_str());
    let hard = row.lossy || !row.good(Slot::EpisodeId) || !row.good(Slot::Count);
    let place = Place { episode, hard, ..place };
    for fault in &row.faults {
        match fault {
            Fault::Missing(field) => findings.add(Code::MissingField, place, || format!("`{field}` is missing")),
            Fault::WrongType(field, wanted, found) => {
                findings.add(Code::WrongType, place, || format!("`{field}` is {found}, where {wanted} belongs"));
            }
            Fault::OutOfRange(field, why) => findings.add(Code::OutOfRange, place, || format!("`{field}` is {why}")),
            Fault::NonFinite(field, value) => findings.add(Code::NonFinite, place, || format!("`{field}` is {value}")),
            Fault::Surrogate(field) => findings
                .add(Code::InvalidUtf8, place, || format!("`{field}` holds a lone surrogate, which no UTF-8 text can")),
            Fault::Schema(version) => findings.add(Code::UnsupportedSchemaVersion, place, || {
                format!("schema_version is {version}; 0.1 and 1.0.0 can be read")
            }),
            Fault::TimeGoesBack(field, value) => {
                findings.add(Code::TimeGoesBack, Place { hard: false, ..place }, || {
                    format!("`{field}` is {value}: the clock was set back")
                });
            }
            Fault::Unknown(name) => tell_unknown(row.extra.get(name.clone()).unwrap_or_default(), place, findings),
            Fault::UnknownInside(name) => tell_unknown(name, place, findings),
        }
    }
    if let Some(run_id) = run_id
        && row.good(Slot::RunId)
        && row.run_id != run_id
    {
        findings.add(Code::RunIdMismatch, Place { hard: false, ..place }, || {
            format!("run_id is `{}`, but `{run_id}` in run.json", shorten(&row.run_id))
        });
    }
}

fn tell_unknown(name: &str, place: Place<'_>, findings: &mut Collector<'_>) {
    findings.add(Code::UnknownField, Place { hard: false, ..place }, || {
        format!("the field {name} is in no schema; it is kept")
    });
}

/// The beginning of a text for a message.
pub(super) fn shorten(text: &str) -> String {
    let shown = text.escape_debug().to_string();
    match shown.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", shown.get(..end).unwrap_or_default()),
        None => shown,
    }
}

/// Whether a row can be told in columns.
pub(super) fn whole(row: &Row) -> bool {
    !row.lossy && row.good(Slot::EpisodeId) && row.good(Slot::Count)
}

/// Step rows on their way to the sink.
pub(super) struct StepBatch {
    rows: StepRows,
    schema: SchemaVersion,
}

impl StepBatch {
    pub fn new(schema: SchemaVersion) -> Self {
        Self { rows: StepRows::default(), schema }
    }

    pub fn push(&mut self, row: &Row, index: i64, sink: &mut dyn RowSink) -> Result<(), SinkError> {
        let rows = &mut self.rows;
        match rows.episodes.last_mut() {
            Some(span) if span.episode_index == index => span.rows += 1,
            _ => rows.episodes.push(EpisodeSpan { episode_id: row.episode_id.clone(), episode_index: index, rows: 1 }),
        }
        rows.schema_version.push(row.schema.unwrap_or(self.schema));
        rows.step.push(row.int(Slot::Count));
        rows.ts.push(row.float(Slot::Ts));
        rows.action.push(row.int(Slot::Action));
        rows.reward.push(row.float(Slot::Reward));
        rows.terminated.push(row.bool(Slot::Terminated));
        rows.truncated.push(row.bool(Slot::Truncated));
        rows.agent_x.push(row.int(Slot::X));
        rows.agent_y.push(row.int(Slot::Y));
        rows.distance_to_goal.push(row.float(Slot::Distance));
        rows.observation_summary.values.extend_from_slice(&row.observation);
        rows.observation_summary.end_row(row.present.has(Slot::Observation));
        rows.seed.push(row.present.has(Slot::Seed).then(|| row.int(Slot::Seed)));
        rows.extra.push(&row.extra);
        let full =
            rows.len() >= BATCH_ROWS || rows.observation_summary.values.len() + rows.extra.bytes.len() >= BATCH_VALUES;
        if full { self.flush(sink) } else { Ok(()) }
    }

    pub fn flush(&mut self, sink: &mut dyn RowSink) -> Result<(), SinkError> {
        if !self.rows.is_empty() {
            self.rows = sink.steps(std::mem::take(&mut self.rows))?;
            self.rows.clear();
        }
        Ok(())
    }
}

/// An episode's row that waits for its steps, or for an earlier one that does.
struct Record {
    row: Row,
    index: Option<i64>,
    settled: bool,
}

/// Episode rows on their way to the sink, in file order.
pub(super) struct EpisodeBatch {
    rows: EpisodeRows,
    schema: SchemaVersion,
    waiting: VecDeque<Record>,
    /// The number of the first that waits.
    first: u64,
}

impl EpisodeBatch {
    pub fn new(schema: SchemaVersion) -> Self {
        Self { rows: EpisodeRows::default(), schema, waiting: VecDeque::new(), first: 0 }
    }

    /// Takes a row, and gives it a number.
    pub fn push(&mut self, row: &Row) -> u64 {
        let row = row.clone();
        self.waiting.push_back(Record { row, index: None, settled: false });
        self.first + self.waiting.len() as u64 - 1
    }

    /// The row with this number belongs to this segment.
    pub fn settle(&mut self, number: u64, index: u64, sink: &mut dyn RowSink) -> Result<(), SinkError> {
        let at = number.checked_sub(self.first).and_then(|at| usize::try_from(at).ok());
        if let Some(record) = at.and_then(|at| self.waiting.get_mut(at)) {
            record.index = i64::try_from(index).ok();
            record.settled = true;
        }
        while self.waiting.front().is_some_and(|r| r.settled) {
            self.pop(sink)?;
        }
        Ok(())
    }

    fn pop(&mut self, sink: &mut dyn RowSink) -> Result<(), SinkError> {
        let Some(Record { row, index, .. }) = self.waiting.pop_front() else { return Ok(()) };
        self.first += 1;
        let float = |slot| row.present.has(slot).then(|| row.float(slot));
        let rows = &mut self.rows;
        rows.schema_version.push(row.schema.unwrap_or(self.schema));
        rows.episode_id.push(&row.episode_id);
        rows.episode_index.push(index);
        rows.terminated.push(row.bool(Slot::Terminated));
        rows.truncated.push(row.bool(Slot::Truncated));
        rows.total_steps.push(row.int(Slot::Count));
        rows.total_reward.push(row.float(Slot::Reward));
        rows.final_x.push(row.int(Slot::X));
        rows.final_y.push(row.int(Slot::Y));
        rows.final_distance_to_goal.push(float(Slot::Distance));
        rows.duration_ms.push(float(Slot::Duration));
        rows.avg_step_time_ms.push(float(Slot::AvgStep));
        rows.extra.push(&row.extra);
        let full = rows.len() >= BATCH_ROWS || rows.extra.bytes.len() >= BATCH_VALUES;
        if full { self.flush(sink) } else { Ok(()) }
    }

    fn flush(&mut self, sink: &mut dyn RowSink) -> Result<(), SinkError> {
        if !self.rows.is_empty() {
            self.rows = sink.episodes(std::mem::take(&mut self.rows))?;
            self.rows.clear();
        }
        Ok(())
    }

    /// No more matches come: whatever waits goes.
    pub fn finish(&mut self, sink: &mut dyn RowSink) -> Result<(), SinkError> {
        while !self.waiting.is_empty() {
            self.pop(sink)?;
        }
        self.flush(sink)
    }
}

/// Where a row is.
pub(super) fn place(file: FileId, line: u64) -> Place<'static> {
    Place { file: Some(file), line: Some(line), ..Place::default() }
}
