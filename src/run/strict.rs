//! Turns Python's JSON into JSON that every reader accepts, for the columns of unknown fields.
//!
//! Bare `NaN`, `Infinity` and `-Infinity` become texts. So does a number beyond a double's range, which Python reads as
//! infinite and other readers refuse; an integer of that size becomes a text of its digits. A lone surrogate becomes
//! U+FFFD. All else stays as written, digit by digit. The original stays in the recorder's own file.

use crate::formats::json::scanner;

/// Appends a JSON value, or a key with its quotes, that the scanner has accepted.
pub fn push_strict(out: &mut String, json: &str) {
    let mut rest = json;
    while let Some(first) = rest.bytes().next() {
        let token = match first {
            b'"' => text_len(rest),
            b'N' => 3,
            b'I' => 8,
            b'-' | b'0'..=b'9' => number_len(rest),
            _ => rest.bytes().position(|b| matches!(b, b'"' | b'N' | b'I' | b'-' | b'0'..=b'9')).unwrap_or(rest.len()),
        };
        let (token, after) = rest.split_at_checked(token).unwrap_or((rest, ""));
        match first {
            b'"' => push_text(out, token),
            b'N' | b'I' => push_quoted(out, token),
            b'-' | b'0'..=b'9' if scanner::parse_float(token.as_bytes()).is_infinite() => {
                let sign = if first == b'-' { "-Infinity" } else { "Infinity" };
                push_quoted(out, if token.contains(['.', 'e', 'E']) { sign } else { token });
            }
            _ => out.push_str(token),
        }
        rest = after;
    }
}

fn push_quoted(out: &mut String, token: &str) {
    out.push('"');
    out.push_str(token);
    out.push('"');
}

/// Returns the length of the number at the beginning.
fn number_len(rest: &str) -> usize {
    if rest.starts_with("-I") {
        return "-Infinity".len();
    }
    rest.bytes().position(|b| !matches!(b, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E')).unwrap_or(rest.len())
}

/// Returns the length of the text at the beginning, with its quotes.
fn text_len(rest: &str) -> usize {
    let mut at = 1;
    loop {
        let tail = rest.as_bytes().get(at..).unwrap_or_default();
        match memchr::memchr2(b'"', b'\\', tail) {
            Some(n) if tail.get(n) == Some(&b'\\') => at += n + 2,
            Some(n) => return at + n + 1,
            None => return rest.len(),
        }
    }
}

/// Appends a text with its quotes, and replaces lone surrogates.
fn push_text(out: &mut String, mut text: &str) {
    let code_unit = |escape: &str| {
        let hex = escape.strip_prefix("\\u")?.get(..4)?;
        u32::from_str_radix(hex, 16).ok()
    };
    while let Some(at) = text.find('\\') {
        let (before, escape) = text.split_at(at);
        out.push_str(before);
        let is_low_surrogate =
            || escape.get(6..).and_then(code_unit).is_some_and(|code_unit| (0xdc00..0xe000).contains(&code_unit));
        let (written, len) = match code_unit(escape) {
            // (None, 12), => A pair of escapes, 12 bytes, is one character and stays.
            Some(0xd800..0xdc00) if is_low_surrogate() => (None, 12),
            Some(0xd800..0xe000) => (Some("\\ufffd"), 6),
            Some(_) => (None, 6),
            None => (None, 2),
        };
        let (escape, after) = escape.split_at_checked(len).unwrap_or((escape, ""));
        out.push_str(written.unwrap_or(escape));
        text = after;
    }
    out.push_str(text);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::formats::json;
    use crate::formats::json::JsonValue;

    fn to_strict_text(json: &str) -> String {
        let mut out = String::new();
        push_strict(&mut out, json);
        out
    }

    #[test]
    fn what_others_cannot_read_becomes_text_and_all_else_stays() {
        let long = "9".repeat(400);
        for (json, expected) in [
            ("NaN", r#""NaN""#),
            ("[NaN,Infinity, -Infinity]", r#"["NaN","Infinity", "-Infinity"]"#),
            (r#"{"NaN": NaN, "a-Infinity\"": -0.50e+1}"#, r#"{"NaN": "NaN", "a-Infinity\"": -0.50e+1}"#),
            ("[1e999, -1E+400, 1e-999, 1e308]", r#"["Infinity", "-Infinity", 1e-999, 1e308]"#),
            (&long, &format!("\"{long}\"")),
            ("123456789012345678901234567890", "123456789012345678901234567890"),
            (r#""\ud800x\ud83d\ude00\ude00\\ud800é""#, r#""\ufffdx\ud83d\ude00\ufffd\\ud800é""#),
            (r#"[true, null, "Infinity", "\\"]"#, r#"[true, null, "Infinity", "\\"]"#),
            ("", ""),
        ] {
            assert_eq!(to_strict_text(json), expected);
            assert_eq!(to_strict_text(expected), expected, "a second time");
        }
    }

    /// The value with what is no JSON replaced, from the tree of it.
    fn replace_non_finite(value: &JsonValue) -> JsonValue {
        match value {
            JsonValue::Float(float) if !float.is_finite() => JsonValue::from(if float.is_nan() {
                "NaN"
            } else if *float > 0.0 {
                "Infinity"
            } else {
                "-Infinity"
            }),
            JsonValue::Array(items) => JsonValue::Array(items.iter().map(replace_non_finite).collect()),
            other => other.clone(),
        }
    }

    proptest! {
        /// F9: What a lenient reader takes is rewritten so that a strict one reads the same.
        #[test]
        fn any_json_is_read_by_a_strict_reader(text in r#"\[(("[N\\]?[\\]?"|NaN|-?Infinity|-?[1-9]{1,3}(\.[0-9]{1,2})?(e[+-]?[0-9]{1,3})?|"\\u(d8|dc|00)00"|null|\[\]),){0,6}"end"\]"#) {
            let Ok(value) = json::parse(text.as_bytes()) else { return Ok(()) };
            let strict = to_strict_text(&text);
            let read: serde_json::Value = serde_json::from_str(&strict).map_err(|e| TestCaseError::fail(format!("{text}: {strict}: {e}")))?;
            prop_assert!(read.is_array());
            if !text.contains("\\u") {
                prop_assert_eq!(json::parse(strict.as_bytes()).map(|v| v.to_canonical()), Ok(replace_non_finite(&value).to_canonical()));
            }
        }
    }
}
