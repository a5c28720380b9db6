//! Writes JSON as Python's `json.dumps` does (`ensure_ascii=True`), to the byte: hashes of the recorder depend on it.
//! It writes to memory only.

use std::io::Write;

use super::{JsonObject, JsonValue};

/// The layout of JSON text: the arguments of `json.dumps`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JsonLayout {
    /// `sort_keys`: by code point.
    pub sort_keys: bool,
    /// No space after `,` and `:` (`separators=(",", ":")`).
    pub compact: bool,
    /// `indent`: spaces per level, each item on its own line.
    pub indent: Option<usize>,
}

impl JsonLayout {
    /// `sort_keys=True, separators=(",", ":")`: the text that is hashed.
    pub const CANONICAL: Self = Self { sort_keys: true, compact: true, indent: None };
    /// `sort_keys=True`: the lines of the current recorder.
    pub const LINE: Self = Self { sort_keys: true, compact: false, indent: None };
    /// `indent=2`: files for people.
    pub const PRETTY: Self = Self { sort_keys: false, compact: false, indent: Some(2) };
}

pub(crate) fn dump_value(value: &JsonValue, layout: JsonLayout) -> String {
    let mut out = Vec::new();
    write_value(&mut out, value, layout, 0);
    // Everything written is ASCII, so this cannot fail.
    String::from_utf8(out).unwrap_or_default()
}

fn write_value(out: &mut Vec<u8>, value: &JsonValue, layout: JsonLayout, depth: usize) {
    match value {
        JsonValue::Null => out.extend_from_slice(b"null"),
        JsonValue::Bool(true) => out.extend_from_slice(b"true"),
        JsonValue::Bool(false) => out.extend_from_slice(b"false"),
        JsonValue::Int(int) => {
            // Writing to memory cannot fail, here and below.
            let _ = write!(out, "{int}");
        }
        JsonValue::BigInt(digits) => out.extend_from_slice(digits.as_bytes()),
        JsonValue::Float(float) => write_f64(out, *float),
        JsonValue::Text(text) => write_text(out, text.as_bytes()),
        JsonValue::Array(items) => {
            out.push(b'[');
            for (i, item) in items.iter().enumerate() {
                write_separator(out, layout, i, depth + 1);
                write_value(out, item, layout, depth + 1);
            }
            write_close(out, layout, items.len(), depth, b']');
        }
        JsonValue::Object(object) => write_object(out, object, layout, depth),
    }
}

fn write_object(out: &mut Vec<u8>, object: &JsonObject, layout: JsonLayout, depth: usize) {
    let mut members: Vec<_> = object.iter().collect();
    if layout.sort_keys {
        // By bytes of generalised UTF-8, which is Python's order by code point.
        members.sort_by_key(|(key, _)| *key);
    }
    out.push(b'{');
    for (i, (key, value)) in members.iter().enumerate() {
        write_separator(out, layout, i, depth + 1);
        write_text(out, key.as_bytes());
        // Python's default separators have a blank after the colon.
        out.extend_from_slice(if layout.compact { b":" } else { b": " });
        write_value(out, value, layout, depth + 1);
    }
    write_close(out, layout, members.len(), depth, b'}');
}

/// Writes what stands before the `i`th item.
fn write_separator(out: &mut Vec<u8>, layout: JsonLayout, i: usize, depth: usize) {
    match layout.indent {
        Some(indent) => {
            out.extend_from_slice(if i > 0 { b",\n" } else { b"\n" });
            out.resize(out.len() + indent * depth, b' ');
        }
        None if i == 0 => {}
        None => out.extend_from_slice(if layout.compact { b"," } else { b", " }),
    }
}

fn write_close(out: &mut Vec<u8>, layout: JsonLayout, items: usize, depth: usize, bracket: u8) {
    if let (Some(indent), true) = (layout.indent, items > 0) {
        out.push(b'\n');
        out.resize(out.len() + indent * depth, b' ');
    }
    out.push(bracket);
}

/// Writes a float as Python's `repr` does, non-finite ones as the tokens `NaN`, `Infinity`, `-Infinity`.
///
/// The shortest digits that read back as the same number; with an exponent (of two digits at least) below 1e-4 and from
/// 1e16 on.
pub fn write_f64(out: &mut Vec<u8>, float: f64) {
    if !float.is_finite() {
        return write_non_finite(out, float);
    }
    // `zmij` and Python give the shortest digits that read back as the same number; of several the nearest, of two
    // equally near the even one. The standard library does not: 1059438285926254.25 is ….2 here.
    write_digits(out, zmij::Buffer::new().format_finite(float).as_bytes(), float == 0.0 || float.abs() >= 1e-4);
}

/// Writes a single-precision float as [`write_f64`] does, with the shortest digits that read back as the same single-precision
/// number: `0.1` instead of `0.10000000149011612`.
pub fn write_f32(out: &mut Vec<u8>, float: f32) {
    if !float.is_finite() {
        return write_non_finite(out, f64::from(float));
    }
    write_digits(out, zmij::Buffer::new().format_finite(float).as_bytes(), float == 0.0 || float.abs() >= 1e-4);
}

fn write_non_finite(out: &mut Vec<u8>, float: f64) {
    out.extend_from_slice(match float {
        f if f.is_nan() => b"NaN".as_slice(),
        f if f > 0.0 => b"Infinity",
        _ => b"-Infinity",
    });
}

/// Writes `zmij`'s digits as Python lays them out. `is_plain`: the number is 0, or 1e-4 at least.
fn write_digits(out: &mut Vec<u8>, text: &[u8], is_plain: bool) {
    let (digits, exponent) = match text.iter().position(|b| *b == b'e') {
        Some(at) => (&text[..at], text.get(at + 1..).unwrap_or_default()),
        None => (text, b"".as_slice()),
    };
    // Python writes no exponent from 1e-4 on, and `zmij` none below 1e16.
    if exponent.is_empty() && is_plain {
        out.extend_from_slice(digits);
        return;
    }
    let (sign, digits) = match digits.split_first() {
        Some((b'-', rest)) => (b"-".as_slice(), rest),
        _ => (b"".as_slice(), digits),
    };
    out.extend_from_slice(sign);
    if exponent.is_empty() {
        // `zmij` writes `0.0000ddd`; Python writes an exponent below 1e-4.
        let zeros = digits.iter().position(|b| !matches!(b, b'0' | b'.')).unwrap_or(2);
        let mut digits = digits.iter().skip(zeros).copied();
        out.extend(digits.next());
        if let Some(second) = digits.next() {
            out.extend([b'.', second]);
            out.extend(digits);
        }
        let _ = write!(out, "e-{:02}", zeros - 1);
    } else {
        // Python writes `1e+16`, not `1.0e+16`, and two digits of exponent at least.
        out.extend_from_slice(digits.strip_suffix(b".0").unwrap_or(digits));
        let (sign, exponent) = match exponent.split_first() {
            Some((b'-', rest)) => (b'-', rest),
            Some((b'+', rest)) => (b'+', rest),
            _ => (b'+', exponent),
        };
        out.extend_from_slice(&[b'e', sign]);
        if exponent.len() < 2 {
            out.push(b'0');
        }
        out.extend_from_slice(exponent);
    }
}

/// Writes text in quotes; everything except printable ASCII is escaped.
pub fn write_str(out: &mut Vec<u8>, text: &str) {
    write_text(out, text.as_bytes());
}

/// Writes generalised UTF-8 (with lone surrogates) like [`write_str`].
pub(crate) fn write_text(out: &mut Vec<u8>, text: &[u8]) {
    let is_plain = |b: &u8| matches!(b, b' '..=b'~') && *b != b'"' && *b != b'\\';
    out.push(b'"');
    // For speed: nearly all keys and texts are plain.
    if text.iter().all(is_plain) {
        out.extend_from_slice(text);
    } else {
        for c in code_points(text) {
            match c {
                0x22 => out.extend_from_slice(b"\\\""),
                0x5c => out.extend_from_slice(b"\\\\"),
                0x0a => out.extend_from_slice(b"\\n"),
                0x0d => out.extend_from_slice(b"\\r"),
                0x09 => out.extend_from_slice(b"\\t"),
                0x0c => out.extend_from_slice(b"\\f"),
                0x08 => out.extend_from_slice(b"\\b"),
                0x20..=0x7e => out.push(u8::try_from(c).unwrap_or_default()),
                ..=0xffff => {
                    let _ = write!(out, "\\u{c:04x}");
                }
                _ => {
                    // A surrogate pair, as Python writes characters beyond U+FFFF.
                    let above = c - 0x1_0000;
                    let _ = write!(out, "\\u{:04x}\\u{:04x}", 0xd800 + (above >> 10), 0xdc00 + (above & 0x3ff));
                }
            }
        }
    }
    out.push(b'"');
}

/// Returns the code points of generalised UTF-8, surrogates included.
pub(crate) fn code_points(text: &[u8]) -> impl Iterator<Item = u32> {
    let mut bytes = text.iter().map(|b| u32::from(*b));
    std::iter::from_fn(move || {
        let first = bytes.next()?;
        let (more, start) = match first {
            0..0x80 => (0, first),
            0x80..0xe0 => (1, first & 0x1f),
            0xe0..0xf0 => (2, first & 0x0f),
            _ => (3, first & 0x07),
        };
        Some(bytes.by_ref().take(more).fold(start, |c, b| c << 6 | b & 0x3f))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_written_as_python_repr() {
        let cases: &[(f64, &str)] = &[
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (-1.5, "-1.5"),
            (1e-5, "1e-05"),
            (1.25e-5, "1.25e-05"),
            (0.0001, "0.0001"),
            (0.00012, "0.00012"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (123_456_789_012_345_680.0, "1.2345678901234568e+17"),
            (1_234_567_890_123_456.7, "1234567890123456.8"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "Infinity"),
            (f64::NEG_INFINITY, "-Infinity"),
        ];
        for (float, expected) in cases {
            let mut out = Vec::new();
            write_f64(&mut out, *float);
            assert_eq!(String::from_utf8_lossy(&out), *expected);
        }
    }

    #[test]
    #[allow(clippy::unwrap_used, clippy::cast_possible_truncation)]
    fn single_floats_read_back_as_the_same_bits() {
        let text_of = |float: f32| {
            let mut out = Vec::new();
            write_f32(&mut out, float);
            String::from_utf8(out).unwrap()
        };
        let cases: &[(f32, &str)] = &[
            (0.1, "0.1"),
            (-0.0, "-0.0"),
            (-4.8, "-4.8"),
            (0.418_879_03, "0.41887903"),
            (1e-5, "1e-05"),
            (0.000_123_4, "0.0001234"),
            (16_777_216.0, "16777216.0"),
            (1e20, "1e+20"),
            (f32::MAX, "3.4028235e+38"),
            (f32::from_bits(1), "1e-45"),
            (f32::NAN, "NaN"),
            (f32::NEG_INFINITY, "-Infinity"),
        ];
        for (float, expected) in cases {
            assert_eq!(text_of(*float), *expected);
        }
        // Every 997th number: readers parse a double and round it to single precision.
        for bits in (0..0x7f80_0000_u32).step_by(997) {
            let float = f32::from_bits(bits);
            let double: f64 = text_of(float).parse().unwrap();
            assert_eq!((double as f32).to_bits(), bits, "{float}");
        }
    }

    #[test]
    fn text_is_escaped_as_python_does() {
        let mut out = Vec::new();
        write_str(&mut out, "a\"\\\n\t\u{7f}\u{1}é😀");
        assert_eq!(String::from_utf8_lossy(&out), r#""a\"\\\n\t\u007f\u0001\u00e9\ud83d\ude00""#);
    }
}
