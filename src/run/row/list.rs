//! A list of a row: its elements, row-major, if it has the declared dimensions.

use super::number::{FloatFault, NotAnInt, describe_int_range, parse_number, parse_whole, take_float};
use super::push_text;
use super::text::{decode_text, describe_not_allowed, describe_value, excerpt_of};
use crate::formats::json::scanner::{JsonCursor, TokenKind};
use crate::run::rows::{NULL_ELEMENT, Values};
use crate::run::schema::{Column, MAX_ELEMENTS, Storage};

/// What is wrong with a list: the first fault.
pub(super) enum ListFault {
    /// It is no list, or an element is of another type: what was found.
    WrongType(String),
    /// It has other dimensions: what was found.
    WrongShape(String),
    /// Why an element is out of range, and whether the column cannot hold it.
    OutOfRange(String, bool),
    /// An element is not finite: its text, and whether the column cannot hold it.
    NonFinite(String, bool),
    /// A text holds a lone surrogate.
    Surrogate,
}

/// Parses a list into `out`, which holds what was read before a fault.
pub(super) fn parse_list(json: &[u8], column: &Column, out: &mut Values) -> Result<(), ListFault> {
    let mut reader = ListReader { json, cursor: JsonCursor::new(json), column, out, soft: None };
    match column.shape.as_deref() {
        Some([]) | None => reader.take_any_length()?,
        Some(sizes) => reader.take_dimensions(sizes)?,
    }
    // A fault of one value counts only if the list as a whole could be read.
    reader.soft.map_or(Ok(()), Err)
}

struct ListReader<'a> {
    json: &'a [u8],
    cursor: JsonCursor<'a>,
    column: &'a Column,
    out: &'a mut Values,
    soft: Option<ListFault>,
}

impl ListReader<'_> {
    fn take_any_length(&mut self) -> Result<(), ListFault> {
        self.open_list()?;
        if self.cursor.take_byte(b']') {
            return Ok(());
        }
        loop {
            self.take_element()?;
            if !self.column.is_unlimited && self.out.len() > MAX_ELEMENTS {
                return Err(ListFault::WrongShape(format!("a list of more than {MAX_ELEMENTS}")));
            }
            if self.is_closed()? {
                return Ok(());
            }
        }
    }

    fn take_dimensions(&mut self, sizes: &[usize]) -> Result<(), ListFault> {
        let Some((size, inner)) = sizes.split_first() else { return self.take_element() };
        self.cursor.skip_space();
        if self.cursor.peek_byte() != Some(b'[') {
            return Err(ListFault::WrongShape("a value that is not nested as deep".into()));
        }
        self.open_list()?;
        let mut len = 0;
        if !self.cursor.take_byte(b']') {
            loop {
                len += 1;
                if len > *size {
                    return Err(ListFault::WrongShape(format!("a list of more than {size}")));
                }
                self.take_dimensions(inner)?;
                if self.is_closed()? {
                    break;
                }
            }
        }
        if len == *size { Ok(()) } else { Err(ListFault::WrongShape(format!("a list of {len} instead of {size}"))) }
    }

    fn open_list(&mut self) -> Result<(), ListFault> {
        self.cursor.expect_byte(b'[').map_err(|_| ListFault::WrongType("not a list".into()))?;
        self.cursor.skip_space();
        Ok(())
    }

    /// Whether the list ends here; else takes the comma.
    fn is_closed(&mut self) -> Result<bool, ListFault> {
        self.cursor.skip_space();
        if self.cursor.take_byte(b']') {
            return Ok(true);
        }
        self.cursor.expect_byte(b',').map_err(|_| ListFault::WrongType("not a list".into()))?;
        self.cursor.skip_space();
        Ok(false)
    }

    fn take_element(&mut self) -> Result<(), ListFault> {
        self.cursor.skip_space();
        let start = self.cursor.offset();
        let kind = self.cursor.take_value(1).map_err(|_| ListFault::WrongType("not a list".into()))?;
        let bytes = self.json.get(start..self.cursor.offset()).unwrap_or_default();
        let column = self.column;
        let wrong = || {
            let found = format!("a list with {} in it", describe_value(kind, bytes));
            // A list in place of a number is a dimension too many.
            let is_shape = kind == TokenKind::List && !column.is_unlimited;
            if is_shape { ListFault::WrongShape(found) } else { ListFault::WrongType(found) }
        };
        match (&mut *self.out, column.storage(), kind) {
            (Values::Float(out), Storage::Float, TokenKind::Null) if !column.finite => {
                out.push(if column.is_unlimited { NULL_ELEMENT } else { f64::NAN });
            }
            (Values::Float(out), Storage::Float, TokenKind::Int | TokenKind::Float) => {
                let fault = match take_float(column, kind, bytes) {
                    Ok(float) => {
                        out.push(float);
                        return Ok(());
                    }
                    // The first recorder's lists hold integers of any size.
                    Err(FloatFault::Beyond(_)) if column.is_unlimited => {
                        out.push(parse_number(kind, bytes));
                        return Ok(());
                    }
                    Err(FloatFault::Beyond(why)) => ListFault::OutOfRange(why, true),
                    Err(FloatFault::NonFinite(float)) => {
                        out.push(float);
                        ListFault::NonFinite(excerpt_of(bytes), false)
                    }
                    Err(FloatFault::OutOfRange(float, why)) => {
                        out.push(float);
                        ListFault::OutOfRange(why, false)
                    }
                    Err(FloatFault::Negative(float)) => {
                        out.push(float);
                        return Ok(());
                    }
                };
                self.keep_first(fault);
            }
            (Values::Int(out), Storage::Int, TokenKind::Int | TokenKind::Float) => {
                let range = column.kind.int_range().unwrap_or((i64::MIN, i64::MAX));
                let beyond =
                    || ListFault::OutOfRange(format!("{}, beyond {}", excerpt_of(bytes), column.kind.as_str()), true);
                let fault = match parse_whole(kind, bytes) {
                    Ok(int) if (range.0..=range.1).contains(&int) => {
                        out.push(int);
                        describe_int_range(int, column).map(|why| ListFault::OutOfRange(why, false))
                    }
                    Ok(_) | Err(NotAnInt::Beyond64Bits) => Some(beyond()),
                    Err(NotAnInt::Fraction) => return Err(wrong()),
                    Err(NotAnInt::NonFinite) => Some(ListFault::NonFinite(excerpt_of(bytes), true)),
                };
                if let Some(fault) = fault {
                    self.keep_first(fault);
                }
            }
            (Values::Bool(out), Storage::Bool, TokenKind::Bool(bool)) => out.push(bool),
            (Values::Text(_), Storage::Text, TokenKind::Text) => {
                let Some(text) = decode_text(bytes) else { return Err(ListFault::Surrogate) };
                push_text(self.out, &text);
                if !column.allowed.is_empty() && !column.allowed.contains(&text) {
                    self.keep_first(ListFault::OutOfRange(describe_not_allowed(bytes, column), false));
                }
            }
            _ => return Err(wrong()),
        }
        Ok(())
    }

    /// Keeps the first fault of a value; one that loses the value counts more.
    fn keep_first(&mut self, fault: ListFault) {
        let is_loss =
            |fault: &ListFault| matches!(fault, ListFault::OutOfRange(_, true) | ListFault::NonFinite(_, true));
        if self.soft.as_ref().is_none_or(|kept| is_loss(&fault) && !is_loss(kept)) {
            self.soft = Some(fault);
        }
    }
}
