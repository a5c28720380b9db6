//! Numbers of a row: from their bytes to what a column holds.

use crate::formats::json;
use crate::formats::json::scanner;
use crate::formats::json::scanner::TokenKind;
use crate::run::row::text::excerpt_of;
use crate::run::schema::{Column, ColumnType};

/// Why a number is no integer.
pub(super) enum NotAnInt {
    Beyond64Bits,
    Fraction,
    NonFinite,
}

/// What is wrong with a float.
pub(super) enum FloatFault {
    /// The column cannot hold it.
    Beyond(String),
    NonFinite(f64),
    OutOfRange(f64, String),
    /// A time below 0.
    Negative(f64),
}

/// Converts a number to a column's float.
#[allow(clippy::cast_possible_truncation)]
pub(super) fn take_float(column: &Column, kind: TokenKind, bytes: &[u8]) -> Result<f64, FloatFault> {
    let mut float = parse_number(kind, bytes);
    if kind == TokenKind::Int && !float.is_finite() {
        return Err(FloatFault::Beyond(format!("{}, beyond a double", excerpt_of(bytes))));
    }
    if column.kind == ColumnType::Float32 {
        let single = f64::from(float as f32);
        if float.is_finite() && !single.is_finite() {
            return Err(FloatFault::Beyond(format!("{}, beyond float32", excerpt_of(bytes))));
        }
        float = single;
    }
    if !float.is_finite() && column.finite {
        return Err(FloatFault::NonFinite(float));
    }
    let (min, max) = column.float_bounds();
    if float < min {
        return Err(FloatFault::OutOfRange(float, format!("{}, below {min}", excerpt_of(bytes))));
    }
    if float > max {
        return Err(FloatFault::OutOfRange(float, format!("{}, above {max}", excerpt_of(bytes))));
    }
    if column.is_elapsed && float < 0.0 {
        return Err(FloatFault::Negative(float));
    }
    Ok(float)
}

/// Converts a number to an integer; an integral float counts as one.
pub(super) fn parse_whole(kind: TokenKind, bytes: &[u8]) -> Result<i64, NotAnInt> {
    let is_int = kind == TokenKind::Int;
    let float = scanner::parse_float(bytes);
    let int = if is_int { scanner::parse_int(bytes) } else { json::float_to_int(float) };
    match int {
        Some(int) => Ok(int),
        None if is_int || float.is_finite() && float.trunc() == float => Err(NotAnInt::Beyond64Bits),
        None if float.is_finite() => Err(NotAnInt::Fraction),
        None => Err(NotAnInt::NonFinite),
    }
}

#[allow(clippy::cast_precision_loss)]
pub(super) fn parse_number(kind: TokenKind, value: &[u8]) -> f64 {
    match kind {
        TokenKind::Int => scanner::parse_int(value).map_or_else(|| scanner::parse_float(value), |int| int as f64),
        _ => scanner::parse_float(value),
    }
}

/// Describes an integer outside of its declared range.
pub(super) fn describe_int_range(int: i64, column: &Column) -> Option<String> {
    let (min, max) = column.int_bounds();
    if int < min {
        Some(format!("{int}, below {min}"))
    } else if int > max {
        Some(format!("{int}, above {max}"))
    } else {
        None
    }
}
