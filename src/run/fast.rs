//! Reads rows fast.
//!
//! All lines of one recorder have the same keys in the same order. A line that the general parser read without a fault
//! becomes the model for the next one: the bytes between the values must be the same again, and the values are read in
//! place. A line that differs, or is not plainly good, goes to the general parser, so the outcome is always that of
//! `run::row`; a property test compares the two.
//!
//! No fault is found here and no error is made: the fast parser only ever says "not mine".

use std::ops::Range;
use std::sync::Arc;

use crate::formats::json::scanner::JsonCursor;
use crate::run::layout::RunStream;
use crate::run::row::{BadLine, FieldSlot, ParsedRow, RowFault, RowParser, SlotSet, push_member};
use crate::run::schema::{CellPlace, ColumnType, RunSchema, SchemaVersion, Storage, StreamSchema};

#[cfg(test)]
mod random_schemas;
mod take;
#[cfg(test)]
mod tests;

use take::{is_plain, take_any_float, take_bool, take_float, take_int, take_json, take_list, take_text};

/// Parses the rows of a stream.
#[derive(Debug)]
pub struct FastParser {
    schema: Arc<RunSchema>,
    stream: RunStream,
    general: RowParser,
    model: Option<LineModel>,
    /// Lines to parse the general way before a line becomes a model again: a model that does not fit costs time.
    wait: u32,
    misses: u32,
}

/// A line that the next line is compared with.
#[derive(Debug, Default)]
struct LineModel {
    /// The bytes between the values (literals), end to end.
    bytes: Vec<u8>,
    values: Vec<ModelValue>,
    /// The literal after the last value.
    tail: Range<usize>,
    run_id: String,
    schema: Option<SchemaVersion>,
    /// The fields that every line like this one has, null or not.
    fields: SlotSet,
}

#[derive(Debug)]
struct ModelValue {
    /// The literal before the value.
    before: Range<usize>,
    take: TakeValue,
}

/// How a value is read.
#[derive(Debug)]
enum TakeValue {
    EpisodeId,
    Terminated,
    Truncated,
    /// `step`, `total_steps`; the least.
    Count(i64),
    Int(ScalarTarget, i64, i64),
    /// A float of this range.
    Float(ScalarTarget, f64, f64),
    /// A single-precision float, or one that need not be finite; the index of its column.
    OddFloat(ScalarTarget, usize),
    Bool(ScalarTarget),
    /// The index of its column.
    Text(ScalarTarget, usize),
    /// Any value.
    Json(ScalarTarget),
    /// The index of its column.
    List(ScalarTarget, usize),
    /// An unknown field's key with its quotes: how many bytes before the value it starts, and its length.
    Unknown(usize, usize),
}

/// Where a column's value goes.
#[derive(Debug, Clone, Copy)]
struct ScalarTarget {
    at: usize,
    slot: FieldSlot,
    nullable: bool,
}

impl FastParser {
    /// Makes a parser for this stream's rows.
    #[must_use]
    pub fn new(schema: Arc<RunSchema>, stream: RunStream) -> Self {
        let general = RowParser::new(Arc::clone(&schema), stream);
        Self { schema, stream, general, model: None, wait: 0, misses: 0 }
    }

    /// Parses one line, with or without its line break. An `Ok` row can have faults.
    pub fn parse(&mut self, line: &[u8], row: &mut ParsedRow) -> Result<(), BadLine> {
        let own = self.schema.stream(self.stream);
        if let Some(model) = &self.model {
            if model.match_line(line, row, own).is_some() {
                self.misses = 0;
                return Ok(());
            }
            // Each model that fails doubles the wait, up to 1023 lines: on a stream without two lines alike the models
            // cost next to nothing.
            self.misses = (self.misses + 1).min(10);
        }
        self.general.parse(line, row)?;
        // Not every line becomes a model, because making one copies the literals.
        if self.wait > 0 {
            self.wait -= 1;
        // A model must be free of faults, so that a line like it is, too. The row of a reset is one of its kind.
        } else if !self.general.irregular
            && row.faults.iter().all(|f| matches!(f, RowFault::Unknown(_)))
            && (row.count > 0 || self.stream == RunStream::Episodes)
        {
            self.model = Some(LineModel::from_line(line, &self.general, row, own, self.stream));
            self.wait = (1 << self.misses) - 1;
        }
        Ok(())
    }
}

impl LineModel {
    fn from_line(line: &[u8], parser: &RowParser, row: &ParsedRow, own: &StreamSchema, stream: RunStream) -> Self {
        let mut model = Self { run_id: row.run_id.clone(), schema: row.schema, ..Self::default() };
        let mut from = 0;
        let bytes_of = |range: Range<usize>| line.get(range).unwrap_or_default();
        for seen in &parser.seen {
            // For speed: run id and schema are the same in every line, so they are a part of the literal.
            if matches!(seen.slot, Some(FieldSlot::RUN_ID | FieldSlot::SCHEMA)) {
                // Null is absent.
                if let Some(slot) = seen.slot.filter(|slot| row.present.contains(*slot)) {
                    model.fields.insert(slot);
                }
                continue;
            }
            let start = model.bytes.len();
            model.bytes.extend_from_slice(bytes_of(from..seen.value.start));
            let take = match seen.slot {
                None => TakeValue::Unknown(seen.value.start - seen.key.start, seen.key.len()),
                Some(slot) => {
                    model.fields.insert(slot);
                    take_of_slot(slot, own, stream)
                }
            };
            model.values.push(ModelValue { before: start..model.bytes.len(), take });
            from = seen.value.end;
        }
        let start = model.bytes.len();
        model.bytes.extend_from_slice(bytes_of(from..line.len()));
        model.tail = start..model.bytes.len();
        model
    }

    fn literal_bytes(&self, range: &Range<usize>) -> &[u8] {
        self.bytes.get(range.clone()).unwrap_or_default()
    }

    /// Parses a line like this one; `None` for any other line, and then `row` holds leftovers.
    ///
    /// One function of 80 lines: it runs for each value of each line, and calls for its arms would cost a part of the time.
    #[inline]
    fn match_line(&self, line: &[u8], row: &mut ParsedRow, own: &StreamSchema) -> Option<()> {
        row.faults.clear();
        row.extra.clear();
        row.bad = SlotSet::default();
        row.lossy = false;
        // All of the model's fields; `take_null` removes those that are null in this line.
        row.present = self.fields;
        let mut at = 0;
        for value in &self.values {
            // One comparison checks all keys, colons and blanks up to the next value.
            let literal = self.literal_bytes(&value.before);
            if !line.get(at..)?.starts_with(literal) {
                return None;
            }
            at += literal.len();
            let rest = line.get(at..)?;
            // What follows the value is compared with the next literal, in every arm.
            at += match &value.take {
                TakeValue::EpisodeId => take_episode_id(rest, row)?,
                TakeValue::Terminated => {
                    let (bool, n) = take_bool(rest)?;
                    row.terminated = bool;
                    n
                }
                TakeValue::Truncated => {
                    let (bool, n) = take_bool(rest)?;
                    row.truncated = bool;
                    n
                }
                // A step below 1 is a fault or a reset, for the general parser.
                TakeValue::Count(least) => {
                    let (int, n) = take_int(rest)?;
                    row.count = int;
                    if int < *least {
                        return None;
                    }
                    n
                }
                TakeValue::Int(target, min, max) => match take_null(rest, *target, row) {
                    0 => {
                        let (int, n) = take_int(rest)?;
                        // Out of range is a fault, which the general parser reports; here and below.
                        if int < *min || int > *max {
                            return None;
                        }
                        row.set_scalar(target.at, int.cast_unsigned());
                        n
                    }
                    n => n,
                },
                TakeValue::Float(target, min, max) => match take_null(rest, *target, row) {
                    0 => {
                        let (float, n) = take_float(rest)?;
                        if float < *min || float > *max {
                            return None;
                        }
                        row.set_scalar(target.at, float.to_bits());
                        n
                    }
                    n => n,
                },
                TakeValue::OddFloat(target, index) => match take_null(rest, *target, row) {
                    0 => {
                        let (float, n) = take_any_float(rest, own.column(*index)?)?;
                        row.set_scalar(target.at, float.to_bits());
                        n
                    }
                    n => n,
                },
                TakeValue::Bool(target) => match take_null(rest, *target, row) {
                    0 => {
                        let (bool, n) = take_bool(rest)?;
                        row.set_scalar(target.at, bool.into());
                        n
                    }
                    n => n,
                },
                TakeValue::Text(target, index) => match take_null(rest, *target, row) {
                    0 => take_text(rest, own.column(*index)?, row.text_mut(target.at)?)?,
                    n => n,
                },
                TakeValue::Json(target) => match take_null(rest, *target, row) {
                    0 => take_json(line, at, row.text_mut(target.at)?)?,
                    n => n,
                },
                TakeValue::List(target, index) => match take_null(rest, *target, row) {
                    0 => take_list(rest, own.column(*index)?, row.lists.get_mut(target.at)?)?,
                    n => n,
                },
                TakeValue::Unknown(before, length) => take_unknown(line, at, (*before, *length), row)?,
            };
        }
        // The tail includes the line break, so the last line of a file without one goes the general way.
        if line.get(at..)? != self.literal_bytes(&self.tail) {
            return None;
        }
        if !row.extra.is_empty() {
            row.extra.push('}');
        }
        row.schema = self.schema;
        // For speed: no copy while the text is the same, which is nearly always.
        if row.run_id != self.run_id {
            row.run_id.clone_from(&self.run_id);
        }
        Some(())
    }
}

/// Returns how a field's value is read.
fn take_of_slot(slot: FieldSlot, own: &StreamSchema, stream: RunStream) -> TakeValue {
    let column = slot.column().and_then(|index| Some((index, own.column(index)?, own.place(index)?)));
    let Some((index, column, place)) = column else {
        return match slot {
            FieldSlot::EPISODE_ID => TakeValue::EpisodeId,
            FieldSlot::TERMINATED => TakeValue::Terminated,
            FieldSlot::TRUNCATED => TakeValue::Truncated,
            _ => TakeValue::Count(i64::from(stream == RunStream::Steps)),
        };
    };
    let target = |at| ScalarTarget { at, slot, nullable: column.nullable };
    match (place, column.storage()) {
        (CellPlace::List(at), _) => TakeValue::List(target(at), index),
        (CellPlace::Text(at), _) if column.kind == ColumnType::Json => TakeValue::Json(target(at)),
        (CellPlace::Text(at), _) => TakeValue::Text(target(at), index),
        (CellPlace::Scalar(at), Storage::Bool) => TakeValue::Bool(target(at)),
        (CellPlace::Scalar(at), Storage::Int) => {
            let (min, max) = column.int_bounds();
            TakeValue::Int(target(at), min, max)
        }
        (CellPlace::Scalar(at), _) if column.kind == ColumnType::Float32 || !column.finite => {
            TakeValue::OddFloat(target(at), index)
        }
        (CellPlace::Scalar(at), _) => {
            let (min, max) = column.float_bounds();
            // A negative time is a warning, which the general parser reports.
            TakeValue::Float(target(at), if column.is_elapsed { min.max(0.0) } else { min }, max)
        }
    }
}

/// Takes a `null` of a column that can be null, and notes that the field has no value; returns its length, 0 for
/// anything else.
#[inline]
fn take_null(rest: &[u8], target: ScalarTarget, row: &mut ParsedRow) -> usize {
    if target.nullable && rest.first() == Some(&b'n') && rest.starts_with(b"null") {
        row.present.remove(target.slot);
        4
    } else {
        0
    }
}

/// Takes an episode's id that is plain: ASCII without escapes. Returns its length with the quotes.
#[inline]
fn take_episode_id(rest: &[u8], row: &mut ParsedRow) -> Option<usize> {
    let inner = rest.strip_prefix(b"\"")?;
    let id = row.episode_id.as_bytes();
    // For speed: the id of the row before, which `row` still holds, needs no copy.
    if inner.get(id.len()) == Some(&b'"') && inner.starts_with(id) && is_plain(id) {
        return Some(id.len() + 2);
    }
    let end = memchr::memchr(b'"', inner)?;
    let id = inner.get(..end).filter(|id| is_plain(id))?;
    row.episode_id.clear();
    row.episode_id.push_str(std::str::from_utf8(id).ok()?);
    Some(end + 2)
}

/// Takes an unknown field's value. Its key is in the literal before it.
fn take_unknown(line: &[u8], at: usize, key: (usize, usize), row: &mut ParsedRow) -> Option<usize> {
    let mut cursor = JsonCursor::at_offset(line, at);
    cursor.take_value(1).ok()?;
    let value = at..cursor.offset();
    std::str::from_utf8(line.get(value.clone())?).ok()?;
    let start = at.checked_sub(key.0)?;
    let (name, _) = push_member(&mut row.extra, line, &(start..start + key.1), &value);
    row.faults.push(RowFault::Unknown(name));
    Some(value.len())
}
