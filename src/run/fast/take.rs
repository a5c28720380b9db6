//! Single values read in place: numbers, texts and lists as recorders write them. A value that is not plainly good for its
//! column is `None`, and the general parser decides.

use crate::formats::json::scanner::JsonCursor;
use crate::run::rows::{NULL_ELEMENT, Values};
use crate::run::schema::{Column, ColumnType, MAX_ELEMENTS};
use crate::run::strict::push_strict;

#[inline]
pub(super) fn take_bool(rest: &[u8]) -> Option<(bool, usize)> {
    if rest.starts_with(b"true") {
        Some((true, 4))
    } else if rest.starts_with(b"false") {
        Some((false, 5))
    } else {
        None
    }
}

/// Takes a text without escapes that the column allows; returns its length with the quotes.
#[inline]
pub(super) fn take_text(rest: &[u8], column: &Column, out: &mut String) -> Option<usize> {
    let inner = rest.strip_prefix(b"\"")?;
    // For speed: often it is the text of the row before.
    if column.allowed.is_empty()
        && !out.is_empty()
        && inner.get(out.len()) == Some(&b'"')
        && inner.starts_with(out.as_bytes())
        && is_plain(out.as_bytes())
    {
        return Some(out.len() + 2);
    }
    let end = memchr::memchr2(b'"', b'\\', inner)?;
    let text = inner.get(..end)?;
    if inner.get(end) != Some(&b'"') || text.iter().any(|b| *b < b' ') {
        return None;
    }
    let text = std::str::from_utf8(text).ok()?;
    if !column.allowed.is_empty() && !column.allowed.iter().any(|allowed| allowed == text) {
        return None;
    }
    out.clear();
    out.push_str(text);
    Some(end + 2)
}

/// Takes any value as text; returns its length.
pub(super) fn take_json(line: &[u8], at: usize, out: &mut String) -> Option<usize> {
    let mut cursor = JsonCursor::at_offset(line, at);
    cursor.take_value(1).ok()?;
    let text = std::str::from_utf8(line.get(at..cursor.offset())?).ok()?;
    out.clear();
    push_strict(out, text);
    Some(text.len())
}

/// Takes a float as a column holds it; not in its range, or not finite where it must be: `None`.
#[inline]
#[allow(clippy::cast_possible_truncation)]
pub(super) fn take_any_float(rest: &[u8], column: &Column) -> Option<(f64, usize)> {
    let (mut float, n) = match take_float(rest) {
        Some(read) => read,
        None if column.finite => return None,
        None => take_non_finite(rest)?,
    };
    if column.kind == ColumnType::Float32 {
        let single = f64::from(float as f32);
        // Beyond single precision is a fault.
        if float.is_finite() && !single.is_finite() {
            return None;
        }
        float = single;
    }
    let (min, max) = column.float_bounds();
    if float < min || float > max || column.is_elapsed && float < 0.0 { None } else { Some((float, n)) }
}

/// Takes one of Python's tokens for floats that are no JSON.
#[inline]
fn take_non_finite(rest: &[u8]) -> Option<(f64, usize)> {
    if rest.starts_with(b"NaN") {
        Some((f64::NAN, 3))
    } else if rest.starts_with(b"Infinity") {
        Some((f64::INFINITY, 8))
    } else if rest.starts_with(b"-Infinity") {
        Some((f64::NEG_INFINITY, 9))
    } else {
        None
    }
}

/// Takes a list of a column; returns its length.
#[inline]
pub(super) fn take_list(rest: &[u8], column: &Column, out: &mut Values) -> Option<usize> {
    let sizes = column.shape.as_deref()?;
    match out {
        Values::Float(out) => {
            out.clear();
            let is_plain = column.kind == ColumnType::Float64 && column.bounds.is_none();
            take_elements(rest, sizes, column, out, |rest| match take_float(rest) {
                Some(read) if is_plain => Some(read),
                None if column.finite => None,
                None if rest.starts_with(b"null") => {
                    Some((if column.is_unlimited { NULL_ELEMENT } else { f64::NAN }, 4))
                }
                _ => take_any_float(rest, column),
            })
        }
        Values::Int(out) => {
            out.clear();
            let (min, max) = column.int_bounds();
            take_elements(rest, sizes, column, out, |rest| take_int(rest).filter(|(int, _)| (min..=max).contains(int)))
        }
        Values::Bool(out) => {
            out.clear();
            take_elements(rest, sizes, column, out, take_bool)
        }
        // Lists of texts are rare: the general parser reads them.
        Values::Text(_) => None,
    }
}

/// Takes a list of these dimensions, or of any length; returns its length in bytes.
#[inline]
fn take_elements<T>(
    rest: &[u8],
    sizes: &[usize],
    column: &Column,
    out: &mut Vec<T>,
    take: impl Fn(&[u8]) -> Option<(T, usize)> + Copy,
) -> Option<usize> {
    if rest.first() != Some(&b'[') {
        return None;
    }
    let (size, inner) = match sizes.split_first() {
        Some((size, inner)) => (Some(*size), inner),
        None => (None, sizes),
    };
    let mut at = 1;
    if rest.get(1) == Some(&b']') {
        return (size.is_none()).then_some(2);
    }
    let mut len = 0;
    loop {
        let value = rest.get(at..)?;
        if inner.is_empty() {
            let (element, n) = take(value)?;
            out.push(element);
            at += n;
        } else {
            at += take_elements(value, inner, column, out, take)?;
        }
        len += 1;
        match rest.get(at)? {
            b']' => break,
            // at += 1 + usize::from => `json.dumps` writes one blank after a comma, compact JSON none; other white
            // space goes the general way.
            b',' => at += 1 + usize::from(rest.get(at + 1) == Some(&b' ')),
            _ => return None,
        }
    }
    // Another length is a fault, which the general parser reports.
    let fits = match size {
        Some(size) => len == size,
        None => column.is_unlimited || len <= MAX_ELEMENTS,
    };
    fits.then_some(at + 1)
}

/// Whether a text between quotes needs no decoding.
#[inline]
pub(super) fn is_plain(text: &[u8]) -> bool {
    text.iter().all(|b| matches!(b, b' '..=b'~') && *b != b'"' && *b != b'\\')
}

/// Takes an integer of at most 18 digits, which never overflows 64 bits. Returns it with its length.
#[inline]
pub(super) fn take_int(rest: &[u8]) -> Option<(i64, usize)> {
    let negative = rest.first() == Some(&b'-');
    let digits = if negative { rest.get(1..)? } else { rest };
    let (mut value, mut n) = (0_i64, 0);
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        // 19 digits could overflow 64 bits: the general parser decides.
        if n == 18 {
            return None;
        }
        value = value * 10 + i64::from(digit);
        n += 1;
    }
    // JSON has no leading zeros. A fraction or exponent after the digits fails at the next literal.
    if n == 0 || n > 1 && digits.first() == Some(&b'0') {
        return None;
    }
    Some((if negative { -value } else { value }, n + usize::from(negative)))
}

/// Powers of ten that a double holds exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];

/// Reads eight digits at once; `None` if one of the eight bytes is no digit. The test is that of the C++ library
/// fast_float (`is_made_of_eight_digits_fast`).
#[inline]
fn eight_digits(bytes: &[u8]) -> Option<u64> {
    let word = u64::from_le_bytes(*bytes.first_chunk()?);
    let digits = word.wrapping_sub(0x3030_3030_3030_3030);
    // A byte that is no digit sets its top bit in one of the two words.
    if (digits | word.wrapping_add(0x4646_4646_4646_4646)) & 0x8080_8080_8080_8080 != 0 {
        return None;
    }
    // Pairs, then fours, then all eight.
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8);
    let fours = (pairs & 0x00ff_00ff_00ff_00ff).wrapping_mul((100 << 16) + 1) >> 16;
    Some((fours & 0x0000_ffff_0000_ffff).wrapping_mul((10_000 << 32) + 1) >> 32)
}

/// Takes a finite number; returns it with its length. Not finite, or not JSON: `None`.
#[inline]
#[allow(clippy::cast_precision_loss)]
pub(super) fn take_float(rest: &[u8]) -> Option<(f64, usize)> {
    let negative = rest.first() == Some(&b'-');
    let start = usize::from(negative);
    let mut at = start;
    let mut mantissa = 0_u64;
    while let Some(digit) = rest.get(at).map(|b| b.wrapping_sub(b'0')).filter(|d| *d < 10) {
        mantissa = mantissa.wrapping_mul(10).wrapping_add(u64::from(digit));
        at += 1;
    }
    let mut digits = at - start;
    let starts_with_zero = rest.get(start) == Some(&b'0');
    // JSON needs a digit before the point, and allows no leading zero.
    if digits == 0 || starts_with_zero && digits > 1 {
        return None;
    }
    // A zero before the point is no significant digit.
    if starts_with_zero {
        digits = 0;
    }
    let mut exponent = 0_i32;
    if rest.get(at) != Some(&b'.') {
        if matches!(rest.get(at), Some(b'e' | b'E')) {
            return None;
        }
        // Not by the mantissa, which wraps to 0 at multiples of 2^64.
        if digits == 0 {
            // `-0` is an integer in JSON, and integers have no negative zero.
            return Some((0.0, at));
        }
    } else {
        at += 1;
        let first = at;
        // For speed: fractions have up to 17 digits.
        while let Some(eight) = rest.get(at..).and_then(eight_digits) {
            mantissa = mantissa.wrapping_mul(100_000_000).wrapping_add(eight);
            at += 8;
        }
        while let Some(digit) = rest.get(at).map(|b| b.wrapping_sub(b'0')).filter(|d| *d < 10) {
            mantissa = mantissa.wrapping_mul(10).wrapping_add(u64::from(digit));
            at += 1;
        }
        // JSON needs a digit after the point.
        if at == first {
            return None;
        }
        digits += at - first;
        exponent = -i32::try_from(at - first).ok()?;
        if matches!(rest.get(at), Some(b'e' | b'E')) {
            let mut cursor = at + 1;
            let minus = rest.get(cursor) == Some(&b'-');
            cursor += usize::from(minus || rest.get(cursor) == Some(&b'+'));
            let (power, n) = take_int(rest.get(cursor..).filter(|r| r.first() != Some(&b'-'))?)
                .or_else(|| take_zero_padded(rest.get(cursor..)?))?;
            // Beyond a double in any case: the general parser decides.
            if power > 400 {
                return None;
            }
            let power = i32::try_from(power).ok()?;
            exponent += if minus { -power } else { power };
            at = cursor + n;
        }
    }
    // Clinger's fast path: mantissa and power of ten are exact doubles, so one operation rounds correctly. More than 19
    // digits would have overflowed the mantissa.
    let value = if digits <= 19 && mantissa < 1 << 53 && exponent.unsigned_abs() <= 22 {
        let power = POWERS.get(exponent.unsigned_abs() as usize)?;
        let value = if exponent < 0 { mantissa as f64 / power } else { mantissa as f64 * power };
        if negative { -value } else { value }
    } else {
        // Too many digits for the exact path: rounded correctly, but slower.
        fast_float2::parse(rest.get(..at)?).ok()?
    };
    // A number too large for a double is a fault, which the general parser reports.
    value.is_finite().then_some((value, at))
}

/// Takes an exponent with a leading zero, as Python writes it: `05`.
fn take_zero_padded(rest: &[u8]) -> Option<(i64, usize)> {
    let rest = rest.strip_prefix(b"0")?;
    take_int(rest).map(|(value, n)| (value, n + 1))
}
