//! One value of a row: from its bytes to what the column holds, or to a fault.

use std::borrow::Cow;

use super::list::{ListFault, parse_list};
use super::number::{FloatFault, NotAnInt, describe_int_range, parse_whole, take_float};
use super::text::{decode_text, describe_not_allowed, describe_value, excerpt_of};
use super::{FieldSlot, ParsedRow, RowFault};
use crate::formats::json::scanner::TokenKind;
use crate::run::schema::{CellPlace, Column, ColumnType, SchemaVersion, Storage};
use crate::run::strict::push_strict;

/// What a line has for a field.
pub(super) struct FieldValue<'a> {
    /// Where it stands, for messages.
    pub name: &'a str,
    pub slot: FieldSlot,
    pub kind: TokenKind,
    /// The value as it is written.
    pub bytes: &'a [u8],
}

impl FieldValue<'_> {
    /// Adds a fault that leaves the row without this value.
    fn add_loss(&self, fault: RowFault, row: &mut ParsedRow) {
        row.lossy = true;
        row.add_fault(self.slot, fault);
    }

    pub fn add_wrong_type(&self, expected: Cow<'static, str>, row: &mut ParsedRow) {
        self.add_loss(RowFault::WrongType(self.name.to_owned(), expected, describe_value(self.kind, self.bytes)), row);
    }

    pub fn take_text(&self, row: &mut ParsedRow) -> Option<String> {
        let text = decode_text(self.bytes);
        if text.is_none() {
            self.add_loss(RowFault::Surrogate(self.name.to_owned()), row);
        }
        text
    }

    pub fn take_version(&self, known: &[SchemaVersion], row: &mut ParsedRow) {
        let Some(text) = self.take_text(row) else { return };
        match SchemaVersion::read(text.as_bytes()).filter(|version| known.contains(version)) {
            Some(version) => row.schema = Some(version),
            None => self.add_loss(RowFault::Schema(excerpt_of(self.bytes)), row),
        }
    }

    /// Takes the row's number.
    pub fn take_count(&self, least: i64, is_plume: bool, row: &mut ParsedRow) {
        if let Some(int) = self.take_int((i64::MIN, i64::MAX), "64 bits", row) {
            row.count = int;
            if int < least {
                let text = if self.kind == TokenKind::Int { int.to_string() } else { excerpt_of(self.bytes) };
                let why = describe_below(&text, least, is_plume);
                row.add_fault(self.slot, RowFault::OutOfRange(self.name.to_owned(), why));
            }
        }
    }

    /// Converts a whole number; an integral float such as `3.0` counts as one. Reports what cannot be held.
    fn take_int(&self, range: (i64, i64), holder: &str, row: &mut ParsedRow) -> Option<i64> {
        match parse_whole(self.kind, self.bytes) {
            Ok(int) if (range.0..=range.1).contains(&int) => return Some(int),
            Ok(_) | Err(NotAnInt::Beyond64Bits) => {
                let why = format!("{}, beyond {holder}", excerpt_of(self.bytes));
                self.add_loss(RowFault::OutOfRange(self.name.to_owned(), why), row);
            }
            Err(NotAnInt::Fraction) => {
                let fault = RowFault::WrongType(self.name.to_owned(), "an int".into(), excerpt_of(self.bytes));
                self.add_loss(fault, row);
            }
            Err(NotAnInt::NonFinite) => {
                self.add_loss(RowFault::NonFinite(self.name.to_owned(), excerpt_of(self.bytes)), row);
            }
        }
        None
    }

    /// Puts a column's value into the row.
    pub fn put_column(&self, column: &Column, place: CellPlace, row: &mut ParsedRow) {
        match (place, column.storage(), self.kind) {
            (CellPlace::List(at), _, TokenKind::List) => self.put_list(column, at, row),
            (CellPlace::List(_), ..) => self.add_wrong_type(list_text(column).into(), row),
            (CellPlace::Text(at), ..) => self.put_text(column, at, row),
            (CellPlace::Scalar(at), Storage::Bool, TokenKind::Bool(bool)) => row.set_scalar(at, bool.into()),
            (CellPlace::Scalar(at), Storage::Int, TokenKind::Int | TokenKind::Float) => self.put_int(column, at, row),
            (CellPlace::Scalar(at), Storage::Float, TokenKind::Int | TokenKind::Float) => {
                self.put_float(column, at, row);
            }
            (CellPlace::Scalar(_), ..) => self.add_wrong_type(column.kind.expected_text().into(), row),
        }
    }

    fn put_text(&self, column: &Column, at: usize, row: &mut ParsedRow) {
        let text = match (column.kind, self.kind) {
            (ColumnType::Json, _) => {
                let mut strict = String::new();
                push_strict(&mut strict, std::str::from_utf8(self.bytes).unwrap_or_default());
                strict
            }
            (_, TokenKind::Text) => match self.take_text(row) {
                Some(text) => text,
                None => return,
            },
            _ => return self.add_wrong_type("a text".into(), row),
        };
        if !column.allowed.is_empty() && !column.allowed.contains(&text) {
            row.add_fault(
                self.slot,
                RowFault::OutOfRange(self.name.to_owned(), describe_not_allowed(self.bytes, column)),
            );
        }
        if let Some(target) = row.text_mut(at) {
            *target = text;
        }
    }

    fn put_int(&self, column: &Column, at: usize, row: &mut ParsedRow) {
        let range = column.kind.int_range().unwrap_or((i64::MIN, i64::MAX));
        let holder = if column.kind == ColumnType::Int64 { "64 bits" } else { column.kind.as_str() };
        let Some(int) = self.take_int(range, holder, row) else { return };
        row.set_scalar(at, int.cast_unsigned());
        if let Some(why) = describe_int_range(int, column) {
            row.add_fault(self.slot, RowFault::OutOfRange(self.name.to_owned(), why));
        }
    }

    fn put_float(&self, column: &Column, at: usize, row: &mut ParsedRow) {
        match take_float(column, self.kind, self.bytes) {
            Ok(float) => row.set_scalar(at, float.to_bits()),
            Err(FloatFault::Beyond(why)) => {
                row.set_scalar(at, f64::INFINITY.to_bits());
                self.add_loss(RowFault::OutOfRange(self.name.to_owned(), why), row);
            }
            Err(FloatFault::NonFinite(float)) => {
                row.set_scalar(at, float.to_bits());
                row.add_fault(self.slot, RowFault::NonFinite(self.name.to_owned(), excerpt_of(self.bytes)));
            }
            Err(FloatFault::OutOfRange(float, why)) => {
                row.set_scalar(at, float.to_bits());
                row.add_fault(self.slot, RowFault::OutOfRange(self.name.to_owned(), why));
            }
            Err(FloatFault::Negative(float)) => {
                row.set_scalar(at, float.to_bits());
                row.faults.push(RowFault::NegativeTime(self.name.to_owned(), excerpt_of(self.bytes)));
            }
        }
    }

    fn put_list(&self, column: &Column, at: usize, row: &mut ParsedRow) {
        let Some(list) = row.lists.get_mut(at) else { return };
        let parsed = parse_list(self.bytes, column, list);
        let name = self.name.to_owned();
        match parsed {
            Ok(()) => {}
            Err(fault) => {
                let (fault, is_lost) = match fault {
                    ListFault::WrongType(found) => (RowFault::WrongType(name, list_text(column).into(), found), true),
                    ListFault::WrongShape(found) => (RowFault::WrongShape(name, list_text(column), found), true),
                    ListFault::OutOfRange(why, is_lost) => (RowFault::OutOfRange(name, why), is_lost),
                    ListFault::NonFinite(text, is_lost) => (RowFault::NonFinite(name, text), is_lost),
                    ListFault::Surrogate => (RowFault::Surrogate(name), true),
                };
                if is_lost {
                    list.clear();
                    self.add_loss(fault, row);
                } else {
                    row.add_fault(self.slot, fault);
                }
            }
        }
    }
}

/// What a column's lists are, for messages.
pub(super) fn list_text(column: &Column) -> String {
    let elements = match column.storage() {
        Storage::Bool => "bools",
        Storage::Int => "ints",
        Storage::Float => "numbers",
        Storage::Text => "texts",
    };
    match column.shape_text() {
        Some(shape) if !column.shape.as_ref().is_some_and(Vec::is_empty) => {
            format!("a list of {elements} of shape {shape}")
        }
        _ => format!("a list of {elements}"),
    }
}

/// Describes a row's number below its minimum.
fn describe_below(int: &str, least: i64, is_plume: bool) -> String {
    let hint = match (least, is_plume) {
        (1, true) => ": the steps of an episode are counted from 1",
        (1, false) => {
            ": the steps of an episode are counted from 1 (with \"reset_rows\": true in schema.json, step 0 is the state \
             after reset)"
        }
        _ => "",
    };
    format!("{int}, below {least}{hint}")
}
