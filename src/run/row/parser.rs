//! The general parser of rows: accepts any JSON object, its members in any order, and reports every fault. Slower than
//! `run::fast`, which must agree with it; what a fault means for the run is decided in `validate`.

use std::ops::Range;

use super::{BadLine, FieldSlot, ParsedRow, RowFault, SLOT_COUNT};
use crate::formats::json;
use crate::formats::json::scanner::{JsonCursor, ParseError, TokenKind};
use crate::formats::json::{JsonValue, ParseReason, scanner};
use crate::run::layout::RunStream;
use crate::run::row::fields::FieldNeed::Optional;
use crate::run::row::fields::{FieldType, POSITION_FIELDS, RowField, stream_fields};
use crate::run::rows::NULL_ELEMENT;
use crate::run::schema::SchemaVersion;
use crate::run::strict::push_strict;

/// A value's place in a line that can be the model for the next line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::run) struct SeenValue {
    /// The field; `None` for an unknown one.
    pub slot: Option<FieldSlot>,
    /// The key with its quotes; used for unknown fields.
    pub key: Range<usize>,
    /// The value.
    pub value: Range<usize>,
}

/// The general parser of rows.
#[derive(Debug)]
pub struct RowParser {
    stream: RunStream,
    /// Kind and range of each known field's value in the line; of the last one if a key is there twice, as in Python.
    found: [Option<(TokenKind, Range<usize>)>; SLOT_COUNT],
    /// The line's values in order; incomplete if `irregular`.
    pub(in crate::run) seen: Vec<SeenValue>,
    /// The line cannot be a model: a key is there twice, a position has more than x and y, or there are too many values.
    pub(in crate::run) irregular: bool,
    /// The ranges of unknown keys and values in `extra`.
    unknown: Vec<(Range<usize>, Range<usize>)>,
    /// The unknown keys of the position, with their quotes.
    unknown_inside: Vec<String>,
}

/// A byte order mark, which some editors write; JSON lines have none.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The most values of a line that becomes a model: the recorders write 14 at most.
const MAX_SEEN: usize = 64;

impl RowParser {
    /// Makes a parser for this stream's rows.
    #[must_use]
    pub fn new(stream: RunStream) -> Self {
        Self {
            stream,
            found: [const { None }; SLOT_COUNT],
            seen: Vec::new(),
            irregular: false,
            unknown: Vec::new(),
            unknown_inside: Vec::new(),
        }
    }

    /// Parses one line, with or without its line break. An `Ok` row can have faults.
    pub fn parse(&mut self, line: &[u8], row: &mut ParsedRow) -> Result<(), BadLine> {
        row.clear();
        self.found = [const { None }; SLOT_COUNT];
        self.seen.clear();
        self.unknown.clear();
        // A line with a million unknown keys must not hold its memory until the end of the run.
        self.unknown.shrink_to(1 << 10);
        self.irregular = false;
        // Once for the whole line, so that its pieces need no check.
        if let Err(error) = std::str::from_utf8(line) {
            return Err(BadLine::Utf8(error.valid_up_to()));
        }
        self.parse_members(line, row)?;
        for field in stream_fields(self.stream) {
            self.take_field(line, field, None, row);
            if field.kind == FieldType::Position && row.is_good(field.slot) {
                for inner in &POSITION_FIELDS {
                    self.take_field(line, inner, Some(field), row);
                }
            }
        }
        self.finish_extra(row);
        Ok(())
    }

    /// Finds the fields of the line, without converting values yet.
    fn parse_members(&mut self, line: &[u8], row: &mut ParsedRow) -> Result<(), BadLine> {
        if line.starts_with(BYTE_ORDER_MARK) {
            return Err(BadLine::Json(ParseError { offset: 0, reason: ParseReason::Bom }));
        }
        let mut cursor = JsonCursor::new(line);
        cursor.skip_space();
        if cursor.peek_byte() != Some(b'{') {
            let kind = cursor.take_value(0).map_err(BadLine::Json)?;
            expect_end(&mut cursor, line)?;
            return Err(BadLine::NotAnObject(kind.name()));
        }
        let table = stream_fields(self.stream);
        self.parse_object(&mut cursor, line, row, table, 0).map_err(BadLine::Json)?;
        expect_end(&mut cursor, line)
    }

    /// Finds the members of an object; `table` lists the known ones.
    fn parse_object(
        &mut self,
        cursor: &mut JsonCursor<'_>,
        line: &[u8],
        row: &mut ParsedRow,
        table: &'static [RowField],
        depth: usize,
    ) -> Result<(), ParseError> {
        cursor.expect_byte(b'{')?;
        cursor.skip_space();
        if cursor.take_byte(b'}') {
            return Ok(());
        }
        let mut nested_extra = None;
        loop {
            let key = cursor.take_key()?;
            let start = cursor.offset();
            let known = table.iter().find(|f| is_key(line.get(key.clone()).unwrap_or_default(), f.name));
            let kind = match known {
                // `x` and `y` of a position are fields of their own.
                Some(field) if field.kind == FieldType::Position && cursor.peek_byte() == Some(b'{') => {
                    // A second position replaces the first one completely, with its `x` and `y`.
                    for slot in [FieldSlot::X, FieldSlot::Y] {
                        self.irregular |= self.found[slot as usize].take().is_some();
                    }
                    row.extra_of_position.clear();
                    self.unknown_inside.clear();
                    self.parse_object(cursor, line, row, &POSITION_FIELDS, depth + 1)?;
                    TokenKind::Object
                }
                _ => cursor.take_value(depth + 1)?,
            };
            let value = start..cursor.offset();
            match known {
                Some(field) => {
                    if kind != TokenKind::Object || field.kind != FieldType::Position {
                        self.note_value(Some(field.slot), &key, &value);
                    }
                    if let Some(found) = self.found.get_mut(field.slot as usize) {
                        self.irregular |= found.is_some();
                        *found = Some((kind, value));
                    }
                }
                None if depth == 0 => {
                    self.note_value(None, &key, &value);
                    self.unknown.push(push_member(&mut row.extra, line, &key, &value));
                }
                None => {
                    self.irregular = true;
                    let extra = nested_extra.get_or_insert_with(String::new);
                    let (key, _) = push_member(extra, line, &key, &value);
                    self.unknown_inside.push(extra.get(key).unwrap_or_default().to_owned());
                }
            }
            cursor.skip_space();
            if cursor.take_byte(b'}') {
                break;
            }
            cursor.expect_byte(b',')?;
        }
        if let Some(mut extra) = nested_extra {
            extra.push('}');
            row.extra_of_position = extra;
        }
        Ok(())
    }

    fn note_value(&mut self, slot: Option<FieldSlot>, key: &Range<usize>, value: &Range<usize>) {
        if self.seen.len() < MAX_SEEN {
            self.seen.push(SeenValue { slot, key: key.clone(), value: value.clone() });
        } else {
            self.irregular = true;
        }
    }

    /// Converts a field's value into the row's, or into a fault.
    fn take_field(&mut self, line: &[u8], field: &RowField, outer: Option<&RowField>, row: &mut ParsedRow) {
        let slot = field.slot;
        let (kind, bytes) = match self.found.get(slot as usize).and_then(Clone::clone) {
            Some((kind, range)) => (kind, line.get(range).unwrap_or_default()),
            None if field.need == Optional => return,
            None => {
                row.lossy = true;
                return row.add_fault(slot, RowFault::Missing(full_name(field, outer)));
            }
        };
        if kind == TokenKind::Null && field.need == Optional {
            return;
        }
        row.present.insert(slot);
        let value = FieldValue { field, outer, kind, bytes };
        match (field.kind, kind) {
            (FieldType::Text | FieldType::Schema, TokenKind::Text) => value.put_text(row),
            (FieldType::Bool, TokenKind::Bool(bool)) => row.set_bool(slot, bool),
            (FieldType::Int(least), TokenKind::Int | TokenKind::Float) => value.put_int(least, row),
            (FieldType::Float | FieldType::Positive | FieldType::Elapsed, TokenKind::Int | TokenKind::Float) => {
                value.put_float(row);
            }
            (FieldType::Floats, TokenKind::List) => {
                if let Err(found) = parse_floats(bytes, &mut row.observation) {
                    row.observation.clear();
                    value.add_wrong_type(found, row);
                }
            }
            (FieldType::Position, TokenKind::Object) => {}
            _ => value.add_wrong_type(describe_value(kind, bytes), row),
        }
    }

    /// Closes the object of unknown fields. If a key is there twice, the last one counts, as in Python.
    fn finish_extra(&mut self, row: &mut ParsedRow) {
        if self.unknown.len() > 1 && self.has_duplicate_key(&row.extra) {
            self.irregular = true;
            self.drop_duplicate_keys(row);
        }
        for (key, _) in &self.unknown {
            row.faults.push(RowFault::Unknown(key.clone()));
        }
        if !row.extra_of_position.is_empty() && row.is_good(FieldSlot::Position) {
            let outer = if self.stream == RunStream::Steps { "agent_position" } else { "final_position" };
            let text = format!("\"{outer}\"{}", row.extra_of_position);
            let (key, value) = (0..outer.len() + 2, outer.len() + 2..text.len());
            push_member(&mut row.extra, text.as_bytes(), &key, &value);
            for key in &self.unknown_inside {
                row.faults.push(RowFault::UnknownInside(format!("\"{outer}.{}", key.trim_start_matches('"'))));
            }
        }
        row.extra_of_position.clear();
        if !row.extra.is_empty() {
            row.extra.push('}');
        }
    }

    fn has_duplicate_key(&self, extra: &str) -> bool {
        let mut keys: Vec<&str> = self.unknown.iter().filter_map(|(key, _)| extra.get(key.clone())).collect();
        keys.sort_unstable();
        keys.windows(2).any(|pair| pair.first() == pair.last())
    }

    fn drop_duplicate_keys(&mut self, row: &mut ParsedRow) {
        let old = std::mem::take(&mut row.extra);
        let keys_and_values = std::mem::take(&mut self.unknown);
        let key = |i: usize| keys_and_values.get(i).and_then(|(key, _)| old.get(key.clone())).unwrap_or_default();
        // Sorts indices by key, keeps the last of each key, then restores the order.
        let mut order: Vec<usize> = (0..keys_and_values.len()).collect();
        order.sort_by_key(|&i| (key(i), i));
        let mut last: Vec<usize> = order
            .iter()
            .zip(order.iter().skip(1).map(Some).chain([None]))
            .filter(|(i, next)| next.is_none_or(|next| key(**i) != key(*next)))
            .map(|(i, _)| *i)
            .collect();
        last.sort_unstable();
        for i in last {
            if let Some((key, value)) = keys_and_values.get(i) {
                self.unknown.push(push_member(&mut row.extra, old.as_bytes(), key, value));
            }
        }
    }
}

/// A field's name as faults tell it: `agent.x`.
fn full_name(field: &RowField, outer: Option<&RowField>) -> String {
    match outer {
        Some(outer) => format!("{}.{}", outer.name, field.name),
        None => field.name.to_owned(),
    }
}

/// What a line has for a field.
struct FieldValue<'a> {
    field: &'a RowField,
    /// The object that the field lies in.
    outer: Option<&'a RowField>,
    kind: TokenKind,
    /// The value as it is written.
    bytes: &'a [u8],
}

impl FieldValue<'_> {
    fn name(&self) -> String {
        full_name(self.field, self.outer)
    }

    /// A fault that leaves the row without this value.
    fn add_loss(&self, fault: RowFault, row: &mut ParsedRow) {
        row.lossy = true;
        row.add_fault(self.field.slot, fault);
    }

    fn add_wrong_type(&self, found: String, row: &mut ParsedRow) {
        self.add_loss(RowFault::WrongType(self.name(), self.field.kind.expected_text(), found), row);
    }

    fn put_text(&self, row: &mut ParsedRow) {
        let Some(text) = decode_text(self.bytes) else { return self.add_loss(RowFault::Surrogate(self.name()), row) };
        match self.field.slot {
            FieldSlot::RunId => row.run_id = text,
            FieldSlot::EpisodeId => row.episode_id = text,
            _ => match SchemaVersion::read(text.as_bytes()) {
                Some(version) => row.schema = Some(version),
                None => self.add_loss(RowFault::Schema(excerpt_of(self.bytes)), row),
            },
        }
    }

    /// A whole number; an integral float such as `3.0` counts as one.
    fn put_int(&self, least: i64, row: &mut ParsedRow) {
        let is_int = self.kind == TokenKind::Int;
        let int =
            if is_int { scanner::parse_int(self.bytes) } else { json::float_to_int(scanner::parse_float(self.bytes)) };
        if let Some(int) = int {
            row.set_int(self.field.slot, int);
            if int < least {
                let text = if is_int { int.to_string() } else { excerpt_of(self.bytes) };
                row.add_fault(self.field.slot, RowFault::OutOfRange(self.name(), describe_below(&text, least)));
            }
            return;
        }
        let (float, text) = (scanner::parse_float(self.bytes), excerpt_of(self.bytes));
        if is_int || (float.is_finite() && float.trunc() == float) {
            self.add_loss(RowFault::OutOfRange(self.name(), format!("{text}, beyond 64 bits")), row);
        } else if float.is_finite() {
            self.add_wrong_type(text, row);
        } else {
            self.add_loss(RowFault::NonFinite(self.name(), text), row);
        }
    }

    fn put_float(&self, row: &mut ParsedRow) {
        let (slot, float) = (self.field.slot, parse_number(self.kind, self.bytes));
        row.set_float(slot, float);
        let out_of_range = |why: &str| RowFault::OutOfRange(self.name(), format!("{}, {why}", excerpt_of(self.bytes)));
        if self.kind == TokenKind::Int && !float.is_finite() {
            self.add_loss(out_of_range("beyond a double"), row);
        } else if !float.is_finite() {
            row.add_fault(slot, RowFault::NonFinite(self.name(), excerpt_of(self.bytes)));
        } else if self.field.kind == FieldType::Positive && float < 0.0 {
            row.add_fault(slot, out_of_range("below 0"));
        } else if self.field.kind == FieldType::Elapsed && float < 0.0 {
            row.faults.push(RowFault::NegativeTime(self.name(), excerpt_of(self.bytes)));
        }
    }
}

/// Fails if anything but white space follows.
fn expect_end(cursor: &mut JsonCursor<'_>, line: &[u8]) -> Result<(), BadLine> {
    cursor.skip_space();
    if cursor.offset() < line.len() { cursor.fail_here(ParseReason::Trailing).map_err(BadLine::Json) } else { Ok(()) }
}

/// Whether a key, with its quotes, equals this name.
fn is_key(key: &[u8], name: &str) -> bool {
    match key {
        [b'"', inner @ .., b'"'] if !inner.contains(&b'\\') => inner == name.as_bytes(),
        _ => decode_text(key).is_some_and(|text| text == name),
    }
}

/// Decodes a JSON text with its quotes; `None` if it holds a lone surrogate.
fn decode_text(raw: &[u8]) -> Option<String> {
    match raw {
        [b'"', inner @ .., b'"'] if !inner.contains(&b'\\') => std::str::from_utf8(inner).ok().map(str::to_owned),
        _ => match json::parse(raw) {
            Ok(JsonValue::Text(text)) => text.as_str().map(str::to_owned),
            _ => None,
        },
    }
}

/// Appends a member to an object without closing brace, as JSON that every reader accepts; returns the ranges of its
/// key and value.
pub(in crate::run) fn push_member(
    object: &mut String,
    line: &[u8],
    key: &Range<usize>,
    value: &Range<usize>,
) -> (Range<usize>, Range<usize>) {
    let text = |range: &Range<usize>| {
        line.get(range.clone()).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
    };
    object.push_str(if object.is_empty() { "{" } else { ", " });
    let start = object.len();
    push_strict(object, text(key));
    let key_end = object.len();
    object.push_str(": ");
    let value_start = object.len();
    push_strict(object, text(value));
    (start..key_end, value_start..object.len())
}

#[allow(clippy::cast_precision_loss)]
fn parse_number(kind: TokenKind, value: &[u8]) -> f64 {
    match kind {
        TokenKind::Int => scanner::parse_int(value).map_or_else(|| scanner::parse_float(value), |int| int as f64),
        _ => scanner::parse_float(value),
    }
}

/// Parses a list of numbers and nulls; else returns what it is, for a message.
pub(in crate::run) fn parse_floats(json: &[u8], out: &mut Vec<f64>) -> Result<(), String> {
    let mut cursor = JsonCursor::new(json);
    let not_a_list = |_| "not a list".to_owned();
    cursor.expect_byte(b'[').map_err(not_a_list)?;
    cursor.skip_space();
    if cursor.take_byte(b']') {
        return Ok(());
    }
    loop {
        cursor.skip_space();
        let start = cursor.offset();
        let kind = cursor.take_value(1).map_err(not_a_list)?;
        let value = json.get(start..cursor.offset()).unwrap_or_default();
        match kind {
            TokenKind::Int | TokenKind::Float => out.push(parse_number(kind, value)),
            TokenKind::Null => out.push(NULL_ELEMENT),
            _ => return Err(format!("a list with {} in it", describe_value(kind, value))),
        }
        cursor.skip_space();
        if cursor.take_byte(b']') {
            return Ok(());
        }
        cursor.expect_byte(b',').map_err(not_a_list)?;
    }
}

/// Describes an integer below its minimum; a minimum of 1 is that of a step's number.
fn describe_below(int: &str, least: i64) -> String {
    let hint = if least == 1 { ": the steps of an episode are counted from 1" } else { "" };
    format!("{int}, below {least}{hint}")
}

/// Describes a value for a message.
fn describe_value(kind: TokenKind, value: &[u8]) -> String {
    match kind {
        TokenKind::Null => "null".into(),
        TokenKind::List | TokenKind::Object => kind.name().into(),
        _ => format!("{} {}", kind.name(), excerpt_of(value)),
    }
}

/// Returns the beginning of a value for a message.
fn excerpt_of(value: &[u8]) -> String {
    // Enough to recognize a value; a text of a megabyte must not fill the terminal.
    const MOST: usize = 40;
    let text = String::from_utf8_lossy(value);
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.into_owned(),
    }
}
