//! The general reader of rows: any JSON object, its members in any order, every fault told.

use std::ops::Range;

use super::{BadLine, Fault, Row, SLOTS, Slot};
use crate::formats::json;
use crate::formats::json::scanner::{Cursor, Kind, ParseError};
use crate::formats::json::{Reason, Value, scanner};
use crate::run::layout::Stream;
use crate::run::row::fields::Need::Optional;
use crate::run::row::fields::{Field, Type, XY, fields};
use crate::run::rows::NULL_ELEMENT;
use crate::run::schema::SchemaVersion;
use crate::run::strict::push_strict;

/// A value's place in a line whose layout may be that of the next line too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::run) struct Seen {
    /// What it is; an unknown field has none.
    pub slot: Option<Slot>,
    /// The key with its quotes, where the field is unknown.
    pub key: Range<usize>,
    /// The value.
    pub value: Range<usize>,
}

/// The general reader of rows.
#[derive(Debug)]
pub struct RowParser {
    stream: Stream,
    /// Where each known field's value stands in the line, and what kind it is: the last one, where a key comes twice.
    found: [Option<(Kind, Range<usize>)>; SLOTS],
    /// The values of the line in the order of its bytes; not kept up where `irregular`.
    pub(in crate::run) seen: Vec<Seen>,
    /// The line is no model for the next: a key comes twice, a position has more than x and y, or there are too many.
    pub(in crate::run) irregular: bool,
    /// Where the unknown keys stand in `extra`.
    unknown: Vec<(Range<usize>, Range<usize>)>,
    /// The unknown keys of the position, with their quotes.
    unknown_inside: Vec<String>,
}

/// What no line may begin with, though an editor may have put it there.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// How many values a line may have that is a model for the next.
const MAX_SEEN: usize = 64;

impl RowParser {
    /// A reader of this stream's rows.
    #[must_use]
    pub fn new(stream: Stream) -> Self {
        Self {
            stream,
            found: [const { None }; SLOTS],
            seen: Vec::new(),
            irregular: false,
            unknown: Vec::new(),
            unknown_inside: Vec::new(),
        }
    }

    /// Reads one line (with or without its line break). An `Ok` row may have faults.
    pub fn parse(&mut self, line: &[u8], row: &mut Row) -> Result<(), BadLine> {
        row.clear();
        self.found = [const { None }; SLOTS];
        self.seen.clear();
        self.unknown.clear();
        self.unknown.shrink_to(1 << 10);
        self.irregular = false;
        if let Err(error) = std::str::from_utf8(line) {
            return Err(BadLine::Utf8(error.valid_up_to()));
        }
        self.members(line, row)?;
        for field in fields(self.stream) {
            self.take(line, field, None, row);
            if field.kind == Type::Position && row.good(field.slot) {
                for inner in &XY {
                    self.take(line, inner, Some(field), row);
                }
            }
        }
        self.finish_extra(row);
        Ok(())
    }

    /// Finds the line's fields.
    fn members(&mut self, line: &[u8], row: &mut Row) -> Result<(), BadLine> {
        if line.starts_with(BYTE_ORDER_MARK) {
            return Err(BadLine::Json(ParseError { offset: 0, reason: Reason::Bom }));
        }
        let mut at = Cursor::new(line);
        at.space();
        if at.peek() != Some(b'{') {
            let kind = at.value(0).map_err(BadLine::Json)?;
            ended(&mut at, line)?;
            return Err(BadLine::NotAnObject(kind.name()));
        }
        let table = fields(self.stream);
        self.object(&mut at, line, row, table, 0).map_err(BadLine::Json)?;
        ended(&mut at, line)
    }

    /// Goes through an object's members, whose fields `table` knows.
    fn object(
        &mut self,
        at: &mut Cursor<'_>,
        line: &[u8],
        row: &mut Row,
        table: &'static [Field],
        depth: usize,
    ) -> Result<(), ParseError> {
        at.expect(b'{')?;
        at.space();
        if at.take(b'}') {
            return Ok(());
        }
        let mut nested_extra = None;
        loop {
            at.space();
            let key = at.text()?;
            at.space();
            at.expect(b':')?;
            at.space();
            let start = at.offset();
            let known = table.iter().find(|f| is_key(line.get(key.clone()).unwrap_or_default(), f.name));
            let kind = match known {
                // x and y of a position are fields of their own.
                Some(field) if field.kind == Type::Position && at.peek() == Some(b'{') => {
                    for slot in [Slot::X, Slot::Y] {
                        self.irregular |= self.found[slot as usize].take().is_some();
                    }
                    row.extra_of_position.clear();
                    self.unknown_inside.clear();
                    self.object(at, line, row, &XY, depth + 1)?;
                    Kind::Object
                }
                _ => at.value(depth + 1)?,
            };
            let value = start..at.offset();
            match known {
                Some(field) => {
                    if kind != Kind::Object || field.kind != Type::Position {
                        self.see(Some(field.slot), &key, &value);
                    }
                    if let Some(place) = self.found.get_mut(field.slot as usize) {
                        self.irregular |= place.is_some();
                        *place = Some((kind, value));
                    }
                }
                None if depth == 0 => {
                    self.see(None, &key, &value);
                    self.unknown.push(push_member(&mut row.extra, line, &key, &value));
                }
                None => {
                    self.irregular = true;
                    let inside = nested_extra.get_or_insert_with(String::new);
                    let (key, _) = push_member(inside, line, &key, &value);
                    self.unknown_inside.push(inside.get(key).unwrap_or_default().to_owned());
                }
            }
            at.space();
            if at.take(b'}') {
                break;
            }
            at.expect(b',')?;
        }
        if let Some(mut inside) = nested_extra {
            inside.push('}');
            row.extra_of_position = inside;
        }
        Ok(())
    }

    fn see(&mut self, slot: Option<Slot>, key: &Range<usize>, value: &Range<usize>) {
        if self.seen.len() < MAX_SEEN {
            self.seen.push(Seen { slot, key: key.clone(), value: value.clone() });
        } else {
            self.irregular = true;
        }
    }

    /// Turns a field's value into the row's, or into a fault.
    fn take(&mut self, line: &[u8], field: &Field, outer: Option<&Field>, row: &mut Row) {
        let slot = field.slot;
        let name = || match outer {
            Some(outer) => format!("{}.{}", outer.name, field.name),
            None => field.name.to_owned(),
        };
        let (kind, value) = match self.found.get(slot as usize).and_then(Clone::clone) {
            Some((kind, range)) => (kind, line.get(range).unwrap_or_default()),
            None if field.need == Optional => return,
            None => {
                row.lossy = true;
                return row.fault(slot, Fault::Missing(name()));
            }
        };
        if kind == Kind::Null && field.need == Optional {
            return;
        }
        row.present.add(slot);
        let wrong = |row: &mut Row| {
            row.lossy = true;
            row.fault(slot, Fault::WrongType(name(), field.kind.wanted(), shown(kind, value)));
        };
        match (field.kind, kind) {
            (Type::Text | Type::Schema, Kind::Text) => {
                let Some(text) = decode(value) else {
                    row.lossy = true;
                    return row.fault(slot, Fault::Surrogate(name()));
                };
                match slot {
                    Slot::RunId => row.run_id = text,
                    Slot::EpisodeId => row.episode_id = text,
                    _ => match SchemaVersion::read(text.as_bytes()) {
                        Some(version) => row.schema = Some(version),
                        None => {
                            row.lossy = true;
                            row.fault(slot, Fault::Schema(excerpt(value)));
                        }
                    },
                }
            }
            (Type::Bool, Kind::Bool(bool)) => row.set_bool(slot, bool),
            (Type::Int(least), Kind::Int) => match scanner::int(value) {
                Some(int) => {
                    row.set_int(slot, int);
                    if int < least {
                        row.fault(slot, Fault::OutOfRange(name(), below(&int.to_string(), least)));
                    }
                }
                None => {
                    row.lossy = true;
                    let why = format!("{}, beyond 64 bits", excerpt(value));
                    row.fault(slot, Fault::OutOfRange(name(), why));
                }
            },
            (Type::Int(least), Kind::Float) => {
                let float = scanner::float(value);
                match json::integral(float) {
                    Some(int) => {
                        row.set_int(slot, int);
                        if int < least {
                            row.fault(slot, Fault::OutOfRange(name(), below(&excerpt(value), least)));
                        }
                    }
                    None => {
                        row.lossy = true;
                        let why = excerpt(value);
                        row.fault(
                            slot,
                            if !float.is_finite() {
                                Fault::NonFinite(name(), why)
                            } else if float.trunc() == float {
                                Fault::OutOfRange(name(), format!("{why}, beyond 64 bits"))
                            } else {
                                Fault::WrongType(name(), field.kind.wanted(), why)
                            },
                        );
                    }
                }
            }
            (Type::Float | Type::Positive | Type::Elapsed, Kind::Int | Kind::Float) => {
                let float = number(kind, value);
                row.set_float(slot, float);
                if kind == Kind::Int && !float.is_finite() {
                    row.lossy = true;
                    row.fault(slot, Fault::OutOfRange(name(), format!("{}, beyond a double", excerpt(value))));
                } else if !float.is_finite() {
                    row.fault(slot, Fault::NonFinite(name(), excerpt(value)));
                } else if field.kind == Type::Positive && float < 0.0 {
                    row.fault(slot, Fault::OutOfRange(name(), format!("{}, below 0", excerpt(value))));
                } else if field.kind == Type::Elapsed && float < 0.0 {
                    row.faults.push(Fault::TimeGoesBack(name(), excerpt(value)));
                }
            }
            (Type::Floats, Kind::List) => {
                if let Err(found) = floats(value, &mut row.observation) {
                    row.observation.clear();
                    row.lossy = true;
                    row.fault(slot, Fault::WrongType(name(), field.kind.wanted(), found));
                }
            }
            (Type::Position, Kind::Object) => {}
            _ => wrong(row),
        }
    }

    /// Closes the object of unknown fields; where a key comes twice, the last one holds, as in Python.
    fn finish_extra(&mut self, row: &mut Row) {
        if self.unknown.len() > 1 && self.has_double(&row.extra) {
            self.irregular = true;
            self.drop_doubles(row);
        }
        for (key, _) in &self.unknown {
            row.faults.push(Fault::Unknown(key.clone()));
        }
        if !row.extra_of_position.is_empty() && row.good(Slot::Position) {
            let outer = if self.stream == Stream::Steps { "agent_position" } else { "final_position" };
            let text = format!("\"{outer}\"{}", row.extra_of_position);
            let (key, value) = (0..outer.len() + 2, outer.len() + 2..text.len());
            push_member(&mut row.extra, text.as_bytes(), &key, &value);
            for key in &self.unknown_inside {
                row.faults.push(Fault::UnknownInside(format!("\"{outer}.{}", key.trim_start_matches('"'))));
            }
        }
        row.extra_of_position.clear();
        if !row.extra.is_empty() {
            row.extra.push('}');
        }
    }

    fn has_double(&self, extra: &str) -> bool {
        let mut keys: Vec<&str> = self.unknown.iter().filter_map(|(key, _)| extra.get(key.clone())).collect();
        keys.sort_unstable();
        keys.windows(2).any(|pair| pair.first() == pair.last())
    }

    fn drop_doubles(&mut self, row: &mut Row) {
        let old = std::mem::take(&mut row.extra);
        let all = std::mem::take(&mut self.unknown);
        let key = |i: usize| all.get(i).and_then(|(key, _)| old.get(key.clone())).unwrap_or_default();
        let mut order: Vec<usize> = (0..all.len()).collect();
        order.sort_by_key(|&i| (key(i), i));
        let mut last: Vec<usize> = order
            .iter()
            .zip(order.iter().skip(1).map(Some).chain([None]))
            .filter(|(i, next)| next.is_none_or(|next| key(**i) != key(*next)))
            .map(|(i, _)| *i)
            .collect();
        last.sort_unstable();
        for i in last {
            if let Some((key, value)) = all.get(i) {
                self.unknown.push(push_member(&mut row.extra, old.as_bytes(), key, value));
            }
        }
    }
}

/// Nothing but white space may follow.
fn ended(at: &mut Cursor<'_>, line: &[u8]) -> Result<(), BadLine> {
    at.space();
    if at.offset() < line.len() { at.fail(Reason::Trailing).map_err(BadLine::Json) } else { Ok(()) }
}

/// Whether a key, with its quotes, is this name.
fn is_key(key: &[u8], name: &str) -> bool {
    match key {
        [b'"', inner @ .., b'"'] if !inner.contains(&b'\\') => inner == name.as_bytes(),
        _ => decode(key).is_some_and(|text| text == name),
    }
}

/// The text of a JSON text with its quotes; `None` for one with a lone surrogate.
fn decode(raw: &[u8]) -> Option<String> {
    match raw {
        [b'"', inner @ .., b'"'] if !inner.contains(&b'\\') => std::str::from_utf8(inner).ok().map(str::to_owned),
        _ => match json::parse(raw) {
            Ok(Value::Text(text)) => text.as_str().map(str::to_owned),
            _ => None,
        },
    }
}

/// Adds a member to an object in the making, as every reader takes it, and says where its key and value stand.
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
fn number(kind: Kind, value: &[u8]) -> f64 {
    match kind {
        Kind::Int => scanner::int(value).map_or_else(|| scanner::float(value), |int| int as f64),
        _ => scanner::float(value),
    }
}

/// Reads a list of numbers, of which some may be null; else says what is in it.
pub(in crate::run) fn floats(list: &[u8], out: &mut Vec<f64>) -> Result<(), String> {
    let mut at = Cursor::new(list);
    let strange = |_| "what is no list".to_owned();
    at.expect(b'[').map_err(strange)?;
    at.space();
    if at.take(b']') {
        return Ok(());
    }
    loop {
        at.space();
        let start = at.offset();
        let kind = at.value(1).map_err(strange)?;
        let value = list.get(start..at.offset()).unwrap_or_default();
        match kind {
            Kind::Int | Kind::Float => out.push(number(kind, value)),
            Kind::Null => out.push(NULL_ELEMENT),
            _ => return Err(format!("a list with {} in it", shown(kind, value))),
        }
        at.space();
        if at.take(b']') {
            return Ok(());
        }
        at.expect(b',').map_err(strange)?;
    }
}

/// Why an integer is too small. Only steps begin at 1.
fn below(int: &str, least: i64) -> String {
    let hint = if least == 1 { ": the steps of an episode are counted from 1" } else { "" };
    format!("{int}, below {least}{hint}")
}

/// A value for a message.
fn shown(kind: Kind, value: &[u8]) -> String {
    match kind {
        Kind::Null => "null".into(),
        Kind::List | Kind::Object => kind.name().into(),
        _ => format!("{} {}", kind.name(), excerpt(value)),
    }
}

/// The beginning of a value for a message.
fn excerpt(value: &[u8]) -> String {
    const MOST: usize = 40;
    let text = String::from_utf8_lossy(value);
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.into_owned(),
    }
}
