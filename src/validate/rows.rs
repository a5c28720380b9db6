//! From lines to rows: findings for bad lines and faulty rows, and batches of rows for the sink. Rules that need more
//! than one row are in `steps` and `episodes`.

use std::collections::VecDeque;

use super::{RowSink, SinkError};
use crate::formats::json::ParseReason;
use crate::run::reader::MAX_LINE;
use crate::run::row::{BadLine, FieldSlot, ParsedRow, RowFault};
use crate::run::rows::{EpisodeRows, EpisodeSpan, StepRows};
use crate::run::schema::SchemaVersion;
use crate::validate::code::Code;
use crate::validate::findings::{FileId, FindingCollector, LineRef};

/// The most rows in a batch.
const BATCH_ROWS: usize = 8192;

/// List values and text bytes after which a batch is passed on early: it bounds memory for rows with long lists.
const BATCH_VALUES: usize = 512 << 10;

/// Whether a line is longer than [`MAX_LINE`] without its line break.
pub(super) fn too_long(line: &[u8]) -> bool {
    line.len() > MAX_LINE && {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        line.strip_suffix(b"\r").unwrap_or(line).len() > MAX_LINE
    }
}

/// Reports that a line is too long.
pub(super) fn report_too_long(line_ref: LineRef<'_>, findings: &mut FindingCollector<'_>) {
    let line_ref = LineRef { hard: true, ..line_ref };
    findings.add_finding(Code::LineTooLong, line_ref, || {
        format!("the line is longer than {} MiB and was not read", MAX_LINE >> 20)
    });
}

/// Reports why a line is not a row.
pub(super) fn report_bad_line(bad: &BadLine, line_ref: LineRef<'_>, findings: &mut FindingCollector<'_>) {
    let line_ref = LineRef { hard: true, ..line_ref };
    match bad {
        BadLine::Utf8(at) => {
            findings.add_finding(Code::InvalidUtf8, line_ref, || format!("not UTF-8 at byte {at} of the line"))
        }
        BadLine::Json(error) => findings.add_finding(Code::InvalidJson, line_ref, || match error.reason {
            ParseReason::End => "the line ends inside a value".into(),
            _ => format!("{} of the line", error),
        }),
        BadLine::NotAnObject(what) => {
            findings.add_finding(Code::NotAnObject, line_ref, || format!("the line is {what}"))
        }
    }
}

/// Reports a row's faults.
pub(super) fn report_faults(
    row: &ParsedRow,
    run_id: Option<&str>,
    line_ref: LineRef<'_>,
    findings: &mut FindingCollector<'_>,
) {
    let episode = row.is_good(FieldSlot::EpisodeId).then_some(row.episode_id.as_str());
    // Such a row is not placed or not complete, and other rules skip it: settings cannot ignore its faults.
    let hard = row.lossy || !row.is_good(FieldSlot::EpisodeId) || !row.is_good(FieldSlot::Count);
    let line_ref = LineRef { episode, hard, ..line_ref };
    for fault in &row.faults {
        match fault {
            RowFault::Missing(field) => {
                findings.add_finding(Code::MissingField, line_ref, || format!("`{field}` is missing"))
            }
            RowFault::WrongType(field, expected, found) => {
                findings
                    .add_finding(Code::WrongType, line_ref, || format!("`{field}` is {found} instead of {expected}"));
            }
            RowFault::OutOfRange(field, why) => {
                findings.add_finding(Code::OutOfRange, line_ref, || format!("`{field}` is {why}"))
            }
            RowFault::NonFinite(field, value) => {
                findings.add_finding(Code::NonFinite, line_ref, || format!("`{field}` is {value}"))
            }
            RowFault::Surrogate(field) => findings.add_finding(Code::InvalidUtf8, line_ref, || {
                format!("`{field}` holds a lone surrogate, which is not valid in UTF-8")
            }),
            RowFault::Schema(version) => findings.add_finding(Code::UnsupportedSchemaVersion, line_ref, || {
                format!("schema_version is {version}; 0.1 and 1.0.0 can be read")
            }),
            RowFault::NegativeTime(field, value) => {
                findings.add_finding(Code::TimeGoesBack, LineRef { hard: false, ..line_ref }, || {
                    format!("`{field}` is {value}: the clock was set back")
                });
            }
            RowFault::Unknown(name) => {
                report_unknown(row.extra.get(name.clone()).unwrap_or_default(), line_ref, findings)
            }
            RowFault::UnknownInside(name) => report_unknown(name, line_ref, findings),
        }
    }
    if let Some(run_id) = run_id
        && row.is_good(FieldSlot::RunId)
        && row.run_id != run_id
    {
        findings.add_finding(Code::RunIdMismatch, LineRef { hard: false, ..line_ref }, || {
            format!("run_id is `{}`, but `{run_id}` in run.json", shorten_text(&row.run_id))
        });
    }
}

fn report_unknown(name: &str, line_ref: LineRef<'_>, findings: &mut FindingCollector<'_>) {
    findings.add_finding(Code::UnknownField, LineRef { hard: false, ..line_ref }, || {
        format!("the field {name} is in no schema; it is kept")
    });
}

/// Returns the beginning of a text for a message, escaped: 60 characters at most.
pub(super) fn shorten_text(text: &str) -> String {
    let shown = text.escape_debug().to_string();
    match shown.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", shown.get(..end).unwrap_or_default()),
        None => shown,
    }
}

/// Whether a row goes into the columns.
pub(super) fn is_whole_row(row: &ParsedRow) -> bool {
    !row.lossy && row.is_good(FieldSlot::EpisodeId) && row.is_good(FieldSlot::Count)
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

    pub fn push(&mut self, row: &ParsedRow, index: i64, sink: &mut dyn RowSink) -> Result<(), SinkError> {
        let rows = &mut self.rows;
        match rows.episodes.last_mut() {
            // For speed: an episode's id is copied once, not per row.
            Some(span) if span.episode_index == index => span.rows += 1,
            _ => rows.episodes.push(EpisodeSpan { episode_id: row.episode_id.clone(), episode_index: index, rows: 1 }),
        }
        rows.schema_version.push(row.schema.unwrap_or(self.schema));
        rows.step.push(row.int(FieldSlot::Count));
        rows.ts.push(row.float(FieldSlot::Ts));
        rows.action.push(row.int(FieldSlot::Action));
        rows.reward.push(row.float(FieldSlot::Reward));
        rows.terminated.push(row.bool(FieldSlot::Terminated));
        rows.truncated.push(row.bool(FieldSlot::Truncated));
        rows.agent_x.push(row.int(FieldSlot::X));
        rows.agent_y.push(row.int(FieldSlot::Y));
        rows.distance_to_goal.push(row.float(FieldSlot::Distance));
        rows.observation_summary.values.extend_from_slice(&row.observation);
        rows.observation_summary.end_row(row.present.contains(FieldSlot::Observation));
        rows.seed.push(row.present.contains(FieldSlot::Seed).then(|| row.int(FieldSlot::Seed)));
        rows.extra.push(&row.extra);
        let full =
            rows.len() >= BATCH_ROWS || rows.observation_summary.values.len() + rows.extra.bytes.len() >= BATCH_VALUES;
        if full { self.flush(sink) } else { Ok(()) }
    }

    pub fn flush(&mut self, sink: &mut dyn RowSink) -> Result<(), SinkError> {
        if !self.rows.is_empty() {
            self.rows = sink.take_steps(std::mem::take(&mut self.rows))?;
            self.rows.clear();
        }
        Ok(())
    }
}

/// An episode's row that waits for its steps, or for an earlier row that waits.
struct WaitingEpisode {
    row: ParsedRow,
    index: Option<i64>,
    is_matched: bool,
}

/// Episode rows on their way to the sink, in file order.
pub(super) struct EpisodeBatch {
    rows: EpisodeRows,
    schema: SchemaVersion,
    waiting: VecDeque<WaitingEpisode>,
    /// The number of the first waiting row.
    first: u64,
}

impl EpisodeBatch {
    pub fn new(schema: SchemaVersion) -> Self {
        Self { rows: EpisodeRows::default(), schema, waiting: VecDeque::new(), first: 0 }
    }

    /// Takes a row; returns its number.
    pub fn push(&mut self, row: &ParsedRow) -> u64 {
        // A copy, because the parser uses its row again for the next line.
        let row = row.clone();
        self.waiting.push_back(WaitingEpisode { row, index: None, is_matched: false });
        self.first + self.waiting.len() as u64 - 1
    }

    /// Sets the segment to which the row with this number belongs; passes on the rows that are ready.
    pub fn set_index(&mut self, number: u64, index: u64, sink: &mut dyn RowSink) -> Result<(), SinkError> {
        let at = number.checked_sub(self.first).and_then(|at| usize::try_from(at).ok());
        if let Some(record) = at.and_then(|at| self.waiting.get_mut(at)) {
            record.index = i64::try_from(index).ok();
            record.is_matched = true;
        }
        // In file order: a matched row behind one that waits must wait, too.
        while self.waiting.front().is_some_and(|r| r.is_matched) {
            self.pop_first(sink)?;
        }
        Ok(())
    }

    fn pop_first(&mut self, sink: &mut dyn RowSink) -> Result<(), SinkError> {
        let Some(WaitingEpisode { row, index, .. }) = self.waiting.pop_front() else { return Ok(()) };
        self.first += 1;
        let float = |slot| row.present.contains(slot).then(|| row.float(slot));
        let rows = &mut self.rows;
        rows.schema_version.push(row.schema.unwrap_or(self.schema));
        rows.episode_id.push(&row.episode_id);
        rows.episode_index.push(index);
        rows.terminated.push(row.bool(FieldSlot::Terminated));
        rows.truncated.push(row.bool(FieldSlot::Truncated));
        rows.total_steps.push(row.int(FieldSlot::Count));
        rows.total_reward.push(row.float(FieldSlot::Reward));
        rows.final_x.push(row.int(FieldSlot::X));
        rows.final_y.push(row.int(FieldSlot::Y));
        rows.final_distance_to_goal.push(float(FieldSlot::Distance));
        rows.duration_ms.push(float(FieldSlot::Duration));
        rows.avg_step_time_ms.push(float(FieldSlot::AvgStep));
        rows.extra.push(&row.extra);
        let full = rows.len() >= BATCH_ROWS || rows.extra.bytes.len() >= BATCH_VALUES;
        if full { self.flush(sink) } else { Ok(()) }
    }

    fn flush(&mut self, sink: &mut dyn RowSink) -> Result<(), SinkError> {
        if !self.rows.is_empty() {
            self.rows = sink.take_episodes(std::mem::take(&mut self.rows))?;
            self.rows.clear();
        }
        Ok(())
    }

    /// Passes on all waiting rows; there are no further matches.
    pub fn finish(&mut self, sink: &mut dyn RowSink) -> Result<(), SinkError> {
        while !self.waiting.is_empty() {
            self.pop_first(sink)?;
        }
        self.flush(sink)
    }
}

/// Makes the reference to a line.
pub(super) fn line_ref(file: FileId, line: u64) -> LineRef<'static> {
    LineRef { file: Some(file), line: Some(line), ..LineRef::default() }
}
