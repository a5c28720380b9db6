//! One row of a run: which fields there are, and how a line becomes typed values and faults.
//!
//! This is the general way, right for every line. `run::fast` reads most lines much faster and must agree with it.
//! Both rows, a step's and an episode's, fit one [`Row`], which is used again for every line.

use std::ops::Range;

use super::json::{self, Reason, Value};
use super::layout::Stream;
use super::lex::{self, Cursor, Kind, ParseError};
use super::schema::SchemaVersion;

/// A field's place in a [`Row`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Slot {
    /// `run_id`
    RunId,
    /// `episode_id`
    EpisodeId,
    /// `schema_version`
    Schema,
    /// `agent_position`, `final_position`
    Position,
    /// `observation_summary`
    Observation,
    /// `terminated`
    Terminated,
    /// `truncated`
    Truncated,
    /// `step`, `total_steps`
    Count,
    /// `action`
    Action,
    /// `x` of the position
    X,
    /// `y` of the position
    Y,
    /// `seed`
    Seed,
    /// `ts`
    Ts,
    /// `reward`, `total_reward`
    Reward,
    /// `distance_to_goal`, `final_distance_to_goal`
    Distance,
    /// `duration_ms`
    Duration,
    /// `avg_step_time_ms`
    AvgStep,
}

const SLOTS: usize = 17;
const FIRST_BOOL: usize = Slot::Terminated as usize;
const FIRST_INT: usize = Slot::Count as usize;
const FIRST_FLOAT: usize = Slot::Ts as usize;

/// A set of slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Slots(pub(super) u32);

impl Slots {
    /// Whether the slot is in it.
    #[must_use]
    #[inline]
    pub fn has(self, slot: Slot) -> bool {
        self.0 & (1 << slot as u8) != 0
    }

    /// Puts a slot in.
    #[inline]
    pub fn add(&mut self, slot: Slot) {
        self.0 |= 1 << slot as u8;
    }

    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// What a field's value must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    Text,
    Schema,
    Bool,
    /// 64-bit, at least this.
    Int(i64),
    Float,
    /// At least 0.
    Positive,
    Floats,
    Position,
}

impl Type {
    fn wanted(self) -> &'static str {
        match self {
            Self::Text | Self::Schema => "a text",
            Self::Bool => "a bool",
            Self::Int(_) => "an int",
            Self::Float | Self::Positive => "a number",
            Self::Floats => "a list of numbers",
            Self::Position => "an object with x and y",
        }
    }
}

/// Whether a field must be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    Required,
    /// May be absent or null.
    Optional,
}

struct Field {
    name: &'static str,
    slot: Slot,
    kind: Type,
    need: Need,
}

const fn field(name: &'static str, slot: Slot, kind: Type, need: Need) -> Field {
    Field { name, slot, kind, need }
}

use Need::{Optional, Required};

static STEP: [Field; 13] = [
    field("ts", Slot::Ts, Type::Float, Required),
    field("run_id", Slot::RunId, Type::Text, Required),
    field("episode_id", Slot::EpisodeId, Type::Text, Required),
    field("step", Slot::Count, Type::Int(1), Required),
    field("action", Slot::Action, Type::Int(i64::MIN), Required),
    field("reward", Slot::Reward, Type::Float, Required),
    field("terminated", Slot::Terminated, Type::Bool, Required),
    field("truncated", Slot::Truncated, Type::Bool, Required),
    field("agent_position", Slot::Position, Type::Position, Required),
    field("distance_to_goal", Slot::Distance, Type::Positive, Required),
    field("observation_summary", Slot::Observation, Type::Floats, Optional),
    field("seed", Slot::Seed, Type::Int(i64::MIN), Optional),
    field("schema_version", Slot::Schema, Type::Schema, Optional),
];

static EPISODE: [Field; 11] = [
    field("run_id", Slot::RunId, Type::Text, Required),
    field("episode_id", Slot::EpisodeId, Type::Text, Required),
    field("terminated", Slot::Terminated, Type::Bool, Required),
    field("truncated", Slot::Truncated, Type::Bool, Required),
    field("total_steps", Slot::Count, Type::Int(0), Required),
    field("total_reward", Slot::Reward, Type::Float, Required),
    field("final_position", Slot::Position, Type::Position, Required),
    field("final_distance_to_goal", Slot::Distance, Type::Positive, Optional),
    field("duration_ms", Slot::Duration, Type::Positive, Optional),
    field("avg_step_time_ms", Slot::AvgStep, Type::Positive, Optional),
    field("schema_version", Slot::Schema, Type::Schema, Optional),
];

static XY: [Field; 2] =
    [field("x", Slot::X, Type::Int(i64::MIN), Required), field("y", Slot::Y, Type::Int(i64::MIN), Required)];

fn fields(stream: Stream) -> &'static [Field] {
    match stream {
        Stream::Steps => &STEP,
        Stream::Episodes => &EPISODE,
    }
}

/// What is wrong with a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// A required field is not there.
    Missing(String),
    /// A value is of another type than it must be: field, what it must be, what it is.
    WrongType(String, &'static str, String),
    /// A number is out of its range: field, why.
    OutOfRange(String, String),
    /// A number is `NaN` or infinite: field, the value.
    NonFinite(String, String),
    /// A text holds a lone surrogate, which UTF-8 cannot: field.
    Surrogate(String),
    /// A schema version that we cannot read.
    Schema(String),
    /// A field that the schema does not know; its name as written, with its quotes, in [`Row::extra`].
    Unknown(Range<usize>),
}

/// Why a line is no row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BadLine {
    /// It is not UTF-8, from this byte on.
    Utf8(usize),
    /// It is not JSON.
    Json(ParseError),
    /// It is JSON, but no object.
    NotAnObject(&'static str),
}

/// One row. Values whose slot is in `bad`, or not in `present`, mean nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Row {
    /// Fields that are there and not null.
    pub present: Slots,
    /// Fields that are missing, or whose value breaks a rule.
    pub bad: Slots,
    /// The row has a fault that keeps it from being told in columns.
    pub lossy: bool,
    /// What is wrong.
    pub faults: Vec<Fault>,
    /// `run_id`
    pub run_id: String,
    /// `episode_id`
    pub episode_id: String,
    /// `schema_version`, where the row has one that we can read.
    pub schema: Option<SchemaVersion>,
    /// `observation_summary`
    pub observation: Vec<f64>,
    /// Unknown fields as one JSON object, empty where there are none.
    pub extra: String,
    /// Unknown fields of the position, as an object in the making.
    extra_of_position: String,
    pub(super) bools: [bool; 2],
    pub(super) ints: [i64; 5],
    pub(super) floats: [f64; 5],
}

impl Row {
    /// Whether the field is there and good.
    #[must_use]
    #[inline]
    pub fn good(&self, slot: Slot) -> bool {
        Slots(self.present.0 & !self.bad.0).has(slot)
    }

    /// A bool's value.
    #[must_use]
    #[inline]
    pub fn bool(&self, slot: Slot) -> bool {
        self.bools.get((slot as usize).wrapping_sub(FIRST_BOOL)).copied().unwrap_or_default()
    }

    /// An integer's value.
    #[must_use]
    #[inline]
    pub fn int(&self, slot: Slot) -> i64 {
        self.ints.get((slot as usize).wrapping_sub(FIRST_INT)).copied().unwrap_or_default()
    }

    /// A number's value.
    #[must_use]
    #[inline]
    pub fn float(&self, slot: Slot) -> f64 {
        self.floats.get((slot as usize).wrapping_sub(FIRST_FLOAT)).copied().unwrap_or_default()
    }

    #[inline]
    pub(super) fn set_bool(&mut self, slot: Slot, value: bool) {
        if let Some(place) = self.bools.get_mut((slot as usize).wrapping_sub(FIRST_BOOL)) {
            *place = value;
        }
    }

    #[inline]
    pub(super) fn set_int(&mut self, slot: Slot, value: i64) {
        if let Some(place) = self.ints.get_mut((slot as usize).wrapping_sub(FIRST_INT)) {
            *place = value;
        }
    }

    #[inline]
    pub(super) fn set_float(&mut self, slot: Slot, value: f64) {
        if let Some(place) = self.floats.get_mut((slot as usize).wrapping_sub(FIRST_FLOAT)) {
            *place = value;
        }
    }

    fn clear(&mut self) {
        self.present = Slots::default();
        self.bad = Slots::default();
        self.lossy = false;
        self.faults.clear();
        self.run_id.clear();
        self.episode_id.clear();
        self.schema = None;
        self.observation.clear();
        self.extra.clear();
        self.extra_of_position.clear();
        self.bools = Default::default();
        self.ints = Default::default();
        self.floats = Default::default();
        // One huge row shall not cost its memory for ever.
        self.extra.shrink_to(64 << 10);
        self.observation.shrink_to(64 << 10);
    }

    fn fault(&mut self, slot: Slot, fault: Fault) {
        self.bad.add(slot);
        self.faults.push(fault);
    }
}

/// A value's place in a line whose layout may be that of the next line too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
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
    pub(super) seen: Vec<Seen>,
    /// The line is no model for the next: a key comes twice, a position has more than x and y, or there are too many.
    pub(super) irregular: bool,
    /// Where the unknown keys stand in `extra`.
    unknown: Vec<(Range<usize>, Range<usize>)>,
}

/// How many values a line may have that is a model for the next.
const MAX_SEEN: usize = 64;

impl RowParser {
    /// A reader of this stream's rows.
    #[must_use]
    pub fn new(stream: Stream) -> Self {
        Self { stream, found: [const { None }; SLOTS], seen: Vec::new(), irregular: false, unknown: Vec::new() }
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
                    push_member(inside, line, &key, &value);
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
            (Type::Int(least), Kind::Int) => match lex::int(value) {
                Some(int) => {
                    row.set_int(slot, int);
                    if int < least {
                        row.fault(slot, Fault::OutOfRange(name(), format!("{int}, below {least}")));
                    }
                }
                None => {
                    row.lossy = true;
                    let why = format!("{}, beyond 64 bits", excerpt(value));
                    row.fault(slot, Fault::OutOfRange(name(), why));
                }
            },
            (Type::Int(least), Kind::Float) => {
                let float = lex::float(value);
                match json::integral(float) {
                    Some(int) => {
                        row.set_int(slot, int);
                        if int < least {
                            row.fault(slot, Fault::OutOfRange(name(), format!("{}, below {least}", excerpt(value))));
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
            (Type::Float | Type::Positive, Kind::Int | Kind::Float) => {
                let float = number(kind, value);
                row.set_float(slot, float);
                if kind == Kind::Int && !float.is_finite() {
                    row.lossy = true;
                    row.fault(slot, Fault::OutOfRange(name(), format!("{}, beyond a double", excerpt(value))));
                } else if !float.is_finite() {
                    row.fault(slot, Fault::NonFinite(name(), excerpt(value)));
                } else if field.kind == Type::Positive && float < 0.0 {
                    row.fault(slot, Fault::OutOfRange(name(), format!("{}, below 0", excerpt(value))));
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
        if !row.extra_of_position.is_empty() && row.good(Slot::Position) {
            let outer = if self.stream == Stream::Steps { "agent_position" } else { "final_position" };
            let inside = std::mem::take(&mut row.extra_of_position);
            let text = format!("\"{outer}\"{inside}");
            let (key, value) = (0..outer.len() + 2, outer.len() + 2..text.len());
            self.unknown.push(push_member(&mut row.extra, text.as_bytes(), &key, &value));
        }
        row.extra_of_position.clear();
        if self.unknown.len() > 1 && self.has_double(&row.extra) {
            self.irregular = true;
            self.drop_doubles(row);
        }
        if !row.extra.is_empty() {
            row.extra.push('}');
        }
        for (key, _) in &self.unknown {
            row.faults.push(Fault::Unknown(key.clone()));
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

/// Adds a member to an object in the making, and says where its key and value stand.
pub(super) fn push_member(
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
    object.push_str(text(key));
    let key_end = object.len();
    object.push_str(": ");
    let value_start = object.len();
    object.push_str(text(value));
    (start..key_end, value_start..object.len())
}

#[allow(clippy::cast_precision_loss)]
fn number(kind: Kind, value: &[u8]) -> f64 {
    match kind {
        Kind::Int => lex::int(value).map_or_else(|| lex::float(value), |int| int as f64),
        _ => lex::float(value),
    }
}

/// Reads a list of numbers; else says what is in it.
pub(super) fn floats(list: &[u8], out: &mut Vec<f64>) -> Result<(), String> {
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
            _ => return Err(format!("a list with {} in it", shown(kind, value))),
        }
        at.space();
        if at.take(b']') {
            return Ok(());
        }
        at.expect(b',').map_err(strange)?;
    }
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const STEP: &str = r#"{"ts": 1.5, "run_id": "r", "episode_id": "e", "step": 2, "action": 0, "reward": -0.01, "terminated": false, "truncated": true, "agent_position": {"x": 3, "y": 4}, "distance_to_goal": 5.0, "observation_summary": [0.5, NaN, 2], "seed": 7, "schema_version": "0.1"}"#;

    fn parse(line: &str) -> Result<Row, BadLine> {
        let mut row = Row::default();
        RowParser::new(Stream::Steps).parse(line.as_bytes(), &mut row).map(|()| row)
    }

    #[test]
    fn a_row_is_read_whole() {
        let row = parse(&format!(" {STEP} \r\n")).unwrap();
        assert_eq!((row.faults.as_slice(), row.lossy), (&[][..], false));
        assert_eq!((row.run_id.as_str(), row.episode_id.as_str(), row.schema), ("r", "e", Some(SchemaVersion::V0_1)));
        let ints = [Slot::Count, Slot::Action, Slot::X, Slot::Y, Slot::Seed].map(|s| row.int(s));
        assert_eq!(ints, [2, 0, 3, 4, 7]);
        assert_eq!([Slot::Ts, Slot::Reward, Slot::Distance].map(|s| row.float(s)), [1.5, -0.01, 5.0]);
        assert_eq!((row.bool(Slot::Terminated), row.bool(Slot::Truncated)), (false, true));
        assert!(row.observation.len() == 3 && row.observation[1].is_nan());
        assert_eq!(row.extra, "");
    }

    /// The row with one text replaced; its faults.
    fn faults(from: &str, to: &str) -> Vec<Fault> {
        assert!(STEP.contains(from));
        parse(&STEP.replace(from, to)).unwrap().faults
    }

    #[test]
    fn integral_floats_are_ints_and_bools_are_not() {
        for (from, to) in [
            ("\"step\": 2", "\"step\": 2.0"),
            ("\"step\": 2", "\"step\": 2e0"),
            ("\"seed\": 7", "\"seed\": null"),
            ("\"reward\": -0.01", "\"reward\": 3"),
            ("[0.5, NaN, 2]", "null"),
            ("[0.5, NaN, 2]", "[ ]"),
            ("\"action\": 0", "\"action\": -0"),
            ("\"seed\": 7", "\"seed\": -9223372036854775808"),
            ("\"step\": 2", "\"step\": true, \"step\": 2"),
            ("\"step\"", "\"\\u0073tep\""),
        ] {
            assert_eq!(faults(from, to), [], "{to}");
        }
        for (from, to) in [
            ("\"step\": 2", "\"step\": true"),
            ("\"step\": 2", "\"step\": 2.5"),
            ("\"step\": 2", "\"step\": \"2\""),
            ("\"step\": 2", "\"step\": null"),
            ("\"terminated\": false", "\"terminated\": 0"),
            ("\"run_id\": \"r\"", "\"run_id\": 5"),
            ("[0.5, NaN, 2]", "[0.5, null]"),
            ("[0.5, NaN, 2]", "[true]"),
            ("[0.5, NaN, 2]", "3"),
            ("{\"x\": 3, \"y\": 4}", "[3, 4]"),
            ("\"x\": 3", "\"x\": 3.5"),
            ("\"reward\": -0.01", "\"reward\": true"),
            ("\"0.1\"", "0.1"),
        ] {
            assert!(matches!(faults(from, to)[..], [Fault::WrongType(..)]), "{to}: {:?}", faults(from, to));
        }
    }

    #[test]
    fn ranges_and_finiteness() {
        for (from, to) in [
            ("\"step\": 2", "\"step\": 0"),
            ("\"step\": 2", "\"step\": -1.0"),
            ("\"seed\": 7", "\"seed\": 9223372036854775808"),
            ("\"seed\": 7", "\"seed\": 1e19"),
            ("5.0", "-0.5"),
        ] {
            assert!(matches!(faults(from, to)[..], [Fault::OutOfRange(..)]), "{to}: {:?}", faults(from, to));
        }
        let huge = format!("\"reward\": {}", "9".repeat(400));
        assert!(matches!(faults("\"reward\": -0.01", &huge)[..], [Fault::OutOfRange(..)]));
        for (from, to) in
            [("1.5", "NaN"), ("-0.01", "-Infinity"), ("5.0", "1e999"), ("\"step\": 2", "\"step\": Infinity")]
        {
            assert!(matches!(faults(from, to)[..], [Fault::NonFinite(..)]), "{to}: {:?}", faults(from, to));
        }
        assert_eq!(faults("5.0", "-0.0"), []);
    }

    #[test]
    fn what_is_missing_or_strange_is_told_once() {
        assert_eq!(faults("\"ts\": 1.5, ", ""), [Fault::Missing("ts".into())]);
        assert_eq!(faults("\"x\": 3, ", ""), [Fault::Missing("agent_position.x".into())]);
        assert_eq!(faults("\"0.1\"", "\"9\""), [Fault::Schema("\"9\"".into())]);
        assert_eq!(faults("\"e\"", "\"\\ud800\""), [Fault::Surrogate("episode_id".into())]);
        assert_eq!(faults("\"seed\": 7, ", ""), []);
    }

    #[test]
    fn unknown_fields_are_kept() {
        let extra = |to: &str| parse(&STEP.replace("\"seed\": 7", to)).unwrap().extra;
        assert_eq!(extra(r#""wind": {"u": NaN}, "n":1"#), r#"{"wind": {"u": NaN}, "n": 1}"#);
        assert_eq!(extra(r#""a": 1, "b": 2, "a": 3"#), r#"{"b": 2, "a": 3}"#);
        let nested = parse(&STEP.replace("\"x\": 3", "\"x\": 3, \"z\": [1]")).unwrap();
        assert_eq!(nested.extra, r#"{"agent_position": {"z": [1]}}"#);
        assert!(matches!(nested.faults[..], [Fault::Unknown(_)]));
    }

    #[test]
    fn lines_that_are_no_rows() {
        assert_eq!(parse("[1]"), Err(BadLine::NotAnObject("a list")));
        assert_eq!(parse(" NaN "), Err(BadLine::NotAnObject("a float")));
        for bad in [
            "{",
            "",
            "{\"a\": 1} x",
            "{\"a\": 1}{}",
            "[1",
            "nope",
            "{\"agent_position\": {\"x\": 1,}}",
            "{\"agent_position\": {",
        ] {
            assert!(matches!(parse(bad), Err(BadLine::Json(_))), "{bad}");
        }
        let mut row = Row::default();
        assert_eq!(RowParser::new(Stream::Steps).parse(b"{\"a\": \"\xff\"}", &mut row), Err(BadLine::Utf8(7)));
        let deep = format!("{{\"a\": {}1{}}}", "[".repeat(5000), "]".repeat(5000));
        assert!(matches!(parse(&deep), Err(BadLine::Json(ParseError { reason: Reason::Depth, .. }))));
    }
}
