//! The general parser of rows: accepts any JSON object, its members in any order, and reports every fault. Slower than
//! `run::fast`, which must agree with it; what a fault means for the run is decided in `validate`.

use std::ops::Range;
use std::sync::Arc;

use super::value::FieldValue;
use super::{BadLine, FieldSlot, ParsedRow, RowFault};
use crate::formats::json::ParseReason;
use crate::formats::json::scanner::{JsonCursor, ParseError, TokenKind};
use crate::run::layout::RunStream;
use crate::run::row::text::{decode_text, describe_value, push_member};
use crate::run::schema::{Column, ContainerKind, PathTree, RunSchema, StreamSchema};

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

/// What a line has for an object or array with columns inside.
#[derive(Debug, Clone)]
pub(super) struct FoundContainer {
    pub kind: TokenKind,
    value: Range<usize>,
    /// The number of elements of an array.
    len: usize,
    /// The members that the schema does not know, as an object without its closing brace.
    pub extra: String,
    /// Their keys, with quotes.
    pub unknown: Vec<String>,
}

/// Whether the columns in a container can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ContainerState {
    Unchecked,
    Good,
    /// It is absent, and can be.
    Absent,
    /// It is not, which was reported.
    Bad,
}

/// The general parser of rows.
#[derive(Debug)]
pub struct RowParser {
    pub(in crate::run) schema: Arc<RunSchema>,
    stream: RunStream,
    /// The column that distinguishes episodes, which every row has.
    agent: Option<usize>,
    /// Kind and range of each known field's value in the line; of the last one if a key is there twice, as in Python.
    found: Vec<Option<(TokenKind, Range<usize>)>>,
    pub(super) containers: Vec<Option<FoundContainer>>,
    states: Vec<ContainerState>,
    /// The line's values in order; incomplete if `irregular`.
    pub(in crate::run) seen: Vec<SeenValue>,
    /// The line cannot be a model: a key is there twice, an object has more than the schema knows, or there are too many
    /// values.
    pub(in crate::run) irregular: bool,
    /// The ranges of unknown keys and values in `extra`.
    pub(super) unknown: Vec<(Range<usize>, Range<usize>)>,
}

/// A byte order mark, which some editors write; JSON lines have none.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The most values of a line that becomes a model.
const MAX_SEEN: usize = 512;

impl RowParser {
    /// Makes a parser for a stream's rows.
    #[must_use]
    pub fn new(schema: Arc<RunSchema>, stream: RunStream) -> Self {
        let own = schema.stream(stream);
        let slots = FieldSlot::of_column(own.columns.len()).index();
        let containers = own.containers.len();
        Self {
            stream,
            agent: schema.agent().filter(|_| stream == RunStream::Steps),
            found: vec![None; slots],
            containers: vec![None; containers],
            states: vec![ContainerState::Unchecked; containers],
            seen: Vec::new(),
            irregular: false,
            unknown: Vec::new(),
            schema,
        }
    }

    /// Parses one line, with or without its line break. An `Ok` row can have faults.
    pub fn parse(&mut self, line: &[u8], row: &mut ParsedRow) -> Result<(), BadLine> {
        let schema = Arc::clone(&self.schema);
        let stream = schema.stream(self.stream);
        row.clear_for(stream);
        self.found.fill(None);
        self.containers.fill(None);
        self.states.fill(ContainerState::Unchecked);
        self.seen.clear();
        self.unknown.clear();
        // A line with a million unknown keys must not hold its memory until the end of the run.
        self.unknown.shrink_to(1 << 10);
        self.irregular = false;
        // Once for the whole line, so that its pieces need no check.
        if let Err(error) = std::str::from_utf8(line) {
            return Err(BadLine::Utf8(error.valid_up_to()));
        }
        self.parse_members(line, row, stream)?;
        for slot in &stream.order {
            match slot.column() {
                Some(index) => self.take_column(line, index, stream, row),
                None => self.take_core(line, *slot, &schema, row),
            }
        }
        self.finish_extra(stream, row);
        Ok(())
    }

    /// Finds the fields of the line, without converting values yet.
    fn parse_members(&mut self, line: &[u8], row: &mut ParsedRow, stream: &StreamSchema) -> Result<(), BadLine> {
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
        self.parse_object(&mut cursor, line, row, stream, 0, 0).map_err(BadLine::Json)?;
        expect_end(&mut cursor, line)
    }

    /// Finds the members of an object of the schema.
    fn parse_object(
        &mut self,
        cursor: &mut JsonCursor<'_>,
        line: &[u8],
        row: &mut ParsedRow,
        stream: &StreamSchema,
        at: usize,
        depth: usize,
    ) -> Result<(), ParseError> {
        let members = match stream.containers.get(at).map(|container| &container.kind) {
            Some(ContainerKind::Object(members)) => members.as_slice(),
            _ => &[],
        };
        cursor.expect_byte(b'{')?;
        cursor.skip_space();
        if cursor.take_byte(b'}') {
            return Ok(());
        }
        let (mut extra, mut unknown) = (String::new(), Vec::new());
        // For speed: members usually come in the order of the declaration.
        let mut hint = 0;
        loop {
            let key = cursor.take_key()?;
            let start = cursor.offset();
            let name = line.get(key.clone()).unwrap_or_default();
            let (after, before) = (hint..members.len(), 0..hint.min(members.len()));
            let known = after.chain(before).find(|i| members.get(*i).is_some_and(|(known, _)| is_key(name, known)));
            match known.and_then(|i| members.get(i)) {
                Some((_, child)) => {
                    hint = known.map_or(0, |i| i + 1);
                    self.parse_known(cursor, line, row, stream, *child, &key, depth)?;
                }
                None => {
                    cursor.take_value(depth + 1)?;
                    let value = start..cursor.offset();
                    if depth == 0 {
                        self.note_value(None, &key, &value);
                        self.unknown.push(push_member(&mut row.extra, line, &key, &value));
                    } else {
                        self.irregular = true;
                        let (key, _) = push_member(&mut extra, line, &key, &value);
                        unknown.push(extra.get(key).unwrap_or_default().to_owned());
                    }
                }
            }
            cursor.skip_space();
            if cursor.take_byte(b'}') {
                break;
            }
            cursor.expect_byte(b',')?;
        }
        if let Some(Some(found)) = self.containers.get_mut(at) {
            (found.extra, found.unknown) = (extra, unknown);
        }
        Ok(())
    }

    /// Takes the value of a field, or finds the values in an object or array of the schema.
    #[allow(clippy::too_many_arguments)]
    fn parse_known(
        &mut self,
        cursor: &mut JsonCursor<'_>,
        line: &[u8],
        row: &mut ParsedRow,
        stream: &StreamSchema,
        child: PathTree,
        key: &Range<usize>,
        depth: usize,
    ) -> Result<(), ParseError> {
        let start = cursor.offset();
        match child {
            PathTree::Leaf(slot) => {
                let kind = cursor.take_value(depth + 1)?;
                let value = start..cursor.offset();
                self.note_value(Some(slot), key, &value);
                if let Some(found) = self.found.get_mut(slot.index()) {
                    self.irregular |= found.is_some();
                    *found = Some((kind, value));
                }
            }
            PathTree::Container(at) => {
                // A second object of that name replaces the first one completely, with all that is in it.
                self.forget_container(at, stream);
                let found = |kind| FoundContainer {
                    kind,
                    value: start..start,
                    len: 0,
                    extra: String::new(),
                    unknown: Vec::new(),
                };
                let kind = match (stream.containers.get(at).map(|container| &container.kind), cursor.peek_byte()) {
                    (Some(ContainerKind::Object(_)), Some(b'{')) => {
                        self.set_container(at, found(TokenKind::Object));
                        self.parse_object(cursor, line, row, stream, at, depth + 1)?;
                        TokenKind::Object
                    }
                    (Some(ContainerKind::Array(elements)), Some(b'[')) => {
                        self.set_container(at, found(TokenKind::List));
                        let len = self.parse_array(cursor, line, row, stream, elements, depth + 1)?;
                        if let Some(Some(found)) = self.containers.get_mut(at) {
                            found.len = len;
                        }
                        TokenKind::List
                    }
                    _ => {
                        let kind = cursor.take_value(depth + 1)?;
                        self.set_container(at, found(kind));
                        kind
                    }
                };
                if let Some(Some(found)) = self.containers.get_mut(at) {
                    (found.kind, found.value) = (kind, start..cursor.offset());
                }
            }
        }
        Ok(())
    }

    /// Finds the elements of an array of the schema; returns how many it has.
    fn parse_array(
        &mut self,
        cursor: &mut JsonCursor<'_>,
        line: &[u8],
        row: &mut ParsedRow,
        stream: &StreamSchema,
        elements: &[PathTree],
        depth: usize,
    ) -> Result<usize, ParseError> {
        cursor.expect_byte(b'[')?;
        cursor.skip_space();
        if cursor.take_byte(b']') {
            return Ok(0);
        }
        let mut len = 0;
        loop {
            let start = cursor.offset();
            match elements.get(len) {
                Some(child) => self.parse_known(cursor, line, row, stream, *child, &(start..start), depth)?,
                None => {
                    self.irregular = true;
                    cursor.take_value(depth + 1)?;
                }
            }
            len += 1;
            cursor.skip_space();
            if cursor.take_byte(b']') {
                return Ok(len);
            }
            cursor.expect_byte(b',')?;
            cursor.skip_space();
        }
    }

    fn set_container(&mut self, at: usize, found: FoundContainer) {
        if let Some(place) = self.containers.get_mut(at) {
            *place = Some(found);
        }
    }

    /// Forgets a container that was found before, with all that is in it.
    fn forget_container(&mut self, at: usize, stream: &StreamSchema) {
        let was_found = self.containers.get_mut(at).is_some_and(|found| found.take().is_some());
        if !was_found {
            return;
        }
        self.irregular = true;
        let children: Vec<PathTree> = match stream.containers.get(at).map(|container| &container.kind) {
            Some(ContainerKind::Object(members)) => members.iter().map(|(_, child)| *child).collect(),
            Some(ContainerKind::Array(elements)) => elements.clone(),
            None => Vec::new(),
        };
        for child in children {
            match child {
                PathTree::Leaf(slot) => {
                    if let Some(found) = self.found.get_mut(slot.index()) {
                        *found = None;
                    }
                }
                PathTree::Container(inner) => self.forget_container(inner, stream),
            }
        }
    }

    fn note_value(&mut self, slot: Option<FieldSlot>, key: &Range<usize>, value: &Range<usize>) {
        if self.seen.len() < MAX_SEEN {
            self.seen.push(SeenValue { slot, key: key.clone(), value: value.clone() });
        } else {
            self.irregular = true;
        }
    }

    fn found_value<'a>(&self, line: &'a [u8], slot: FieldSlot) -> Option<(TokenKind, &'a [u8])> {
        let (kind, range) = self.found.get(slot.index())?.as_ref()?;
        Some((*kind, line.get(range.clone()).unwrap_or_default()))
    }

    /// Converts a field of the format into the row's, or into a fault.
    fn take_core(&mut self, line: &[u8], slot: FieldSlot, schema: &RunSchema, row: &mut ParsedRow) {
        let stream = schema.stream(self.stream);
        let is_optional = slot == FieldSlot::SCHEMA || slot == FieldSlot::RUN_ID && !stream.needs_run_id;
        let name = match slot {
            FieldSlot::RUN_ID => "run_id",
            FieldSlot::EPISODE_ID => "episode_id",
            FieldSlot::SCHEMA => "schema_version",
            FieldSlot::COUNT => stream.count_name,
            FieldSlot::TERMINATED => "terminated",
            _ => "truncated",
        };
        let Some((kind, bytes)) = self.found_value(line, slot) else {
            if !is_optional {
                row.lossy = true;
                row.add_fault(slot, RowFault::Missing(name.to_owned()));
            }
            return;
        };
        if kind == TokenKind::Null && is_optional {
            return;
        }
        row.present.insert(slot);
        let value = FieldValue { name, slot, kind, bytes };
        match (slot, kind) {
            (FieldSlot::RUN_ID, TokenKind::Text) => row.run_id = value.take_text(row).unwrap_or_default(),
            (FieldSlot::EPISODE_ID, TokenKind::Text) => row.episode_id = value.take_text(row).unwrap_or_default(),
            (FieldSlot::SCHEMA, TokenKind::Text) => value.take_version(schema.row_versions(), row),
            (FieldSlot::COUNT, TokenKind::Int | TokenKind::Float) => {
                value.take_count(stream.count_least, schema.is_plume(), row);
            }
            (FieldSlot::TERMINATED, TokenKind::Bool(bool)) => row.terminated = bool,
            (FieldSlot::TRUNCATED, TokenKind::Bool(bool)) => row.truncated = bool,
            (FieldSlot::COUNT, _) => value.add_wrong_type("an int".into(), row),
            (FieldSlot::TERMINATED | FieldSlot::TRUNCATED, _) => value.add_wrong_type("a bool".into(), row),
            _ => value.add_wrong_type("a text".into(), row),
        }
    }

    /// Converts a column's value into the row's, or into a fault.
    fn take_column(&mut self, line: &[u8], index: usize, stream: &StreamSchema, row: &mut ParsedRow) {
        let slot = FieldSlot::of_column(index);
        let Some(column) = stream.column(index) else { return };
        // In the row of a reset there is no action yet and no reward. Where the row's number cannot be right, it is the one
        // fault.
        let is_reset = self.stream == RunStream::Steps
            && !self.schema.is_plume()
            && (row.bad.contains(FieldSlot::COUNT) || row.count == 0 && row.present.contains(FieldSlot::COUNT));
        for at in stream.outer.get(index).into_iter().flatten() {
            match self.check_container(line, *at, stream, is_reset, row) {
                ContainerState::Bad => return row.bad.insert(slot),
                ContainerState::Absent => break,
                _ => {}
            }
        }
        let is_optional = column.nullable || is_reset && self.agent != Some(index);
        let Some((kind, bytes)) = self.found_value(line, slot) else {
            if !is_optional {
                row.lossy = true;
                row.add_fault(slot, RowFault::Missing(column.path.to_string()));
            }
            return;
        };
        if kind == TokenKind::Null && is_optional {
            return;
        }
        row.present.insert(slot);
        self.put_value(column, index, stream, kind, bytes, row);
    }

    fn put_value(
        &self,
        column: &Column,
        index: usize,
        stream: &StreamSchema,
        kind: TokenKind,
        bytes: &[u8],
        row: &mut ParsedRow,
    ) {
        let Some(place) = stream.place(index) else { return };
        // For speed: the name of most values is never needed, and a path of one step needs no formatting.
        let formatted;
        let name = if let [_] = column.path.steps() {
            column.path.field()
        } else {
            formatted = column.path.to_string();
            &formatted
        };
        FieldValue { name, slot: FieldSlot::of_column(index), kind, bytes }.put_column(column, place, row);
    }

    /// Checks once per row that an object or array is what its columns need.
    fn check_container(
        &mut self,
        line: &[u8],
        at: usize,
        stream: &StreamSchema,
        is_reset: bool,
        row: &mut ParsedRow,
    ) -> ContainerState {
        let (Some(state), Some(container)) = (self.states.get(at).copied(), stream.containers.get(at)) else {
            return ContainerState::Bad;
        };
        if state != ContainerState::Unchecked {
            return state;
        }
        let is_optional = container.is_optional || is_reset;
        let name = || container.name.clone();
        let fault = match self.containers.get(at).and_then(Option::as_ref) {
            None if is_optional => Err(ContainerState::Absent),
            None => Ok(RowFault::Missing(name())),
            Some(found) => match (&container.kind, found.kind) {
                (_, TokenKind::Null) if is_optional => Err(ContainerState::Absent),
                (ContainerKind::Object(_), TokenKind::Object) => Err(ContainerState::Good),
                (ContainerKind::Array(elements), TokenKind::List) if elements.len() == found.len => {
                    Err(ContainerState::Good)
                }
                (ContainerKind::Array(_), TokenKind::List) => {
                    let has = format!("a list of {}", found.len);
                    Ok(RowFault::WrongShape(name(), container.expected.clone(), has))
                }
                (_, kind) => {
                    let has = describe_value(kind, line.get(found.value.clone()).unwrap_or_default());
                    Ok(RowFault::WrongType(name(), container.expected.clone().into(), has))
                }
            },
        };
        let state = match fault {
            Err(state) => state,
            Ok(fault) => {
                row.lossy = true;
                row.faults.push(fault);
                ContainerState::Bad
            }
        };
        if let Some(place) = self.states.get_mut(at) {
            *place = state;
        }
        state
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
