//! Python's JSON as JSON that every reader takes: what stands in the columns of unknown fields.
//!
//! Bare `NaN`, `Infinity` and `-Infinity` become the texts `"NaN"`, `"Infinity"`, `"-Infinity"`. So does a number beyond a
//! double's range, which Python reads as infinite and others not at all; an integer of that size becomes a text of its
//! digits. A lone surrogate becomes U+FFFD. All else stays as it is written, digit by digit; what was written, the recorder's
//! own file has.

use crate::formats::json::scanner;

/// Appends a JSON value, or a key with its quotes, which `lex` has taken.
pub fn push_strict(out: &mut String, json: &str) {
    let mut rest = json;
    while let Some(first) = rest.bytes().next() {
        let token = match first {
            b'"' => text(rest),
            b'N' => 3,
            b'I' => 8,
            b'-' | b'0'..=b'9' => number(rest),
            _ => rest.bytes().position(|b| matches!(b, b'"' | b'N' | b'I' | b'-' | b'0'..=b'9')).unwrap_or(rest.len()),
        };
        let (token, behind) = rest.split_at_checked(token).unwrap_or((rest, ""));
        match first {
            b'"' => push_text(out, token),
            b'N' | b'I' => push_quoted(out, token),
            b'-' | b'0'..=b'9' if scanner::float(token.as_bytes()).is_infinite() => {
                let sign = if first == b'-' { "-Infinity" } else { "Infinity" };
                push_quoted(out, if token.contains(['.', 'e', 'E']) { sign } else { token });
            }
            _ => out.push_str(token),
        }
        rest = behind;
    }
}

fn push_quoted(out: &mut String, token: &str) {
    out.push('"');
    out.push_str(token);
    out.push('"');
}

/// How long the number is that stands first.
fn number(rest: &str) -> usize {
    if rest.starts_with("-I") {
        return "-Infinity".len();
    }
    rest.bytes().position(|b| !matches!(b, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E')).unwrap_or(rest.len())
}

/// How long the text is that stands first, with its quotes.
fn text(rest: &str) -> usize {
    let mut at = 1;
    loop {
        let behind = rest.as_bytes().get(at..).unwrap_or_default();
        match memchr::memchr2(b'"', b'\\', behind) {
            Some(n) if behind.get(n) == Some(&b'\\') => at += n + 2,
            Some(n) => return at + n + 1,
            None => return rest.len(),
        }
    }
}

/// Appends a text with its quotes, lone surrogates replaced.
fn push_text(out: &mut String, mut text: &str) {
    let unit = |escape: &str| {
        let hex = escape.strip_prefix("\\u")?.get(..4)?;
        u32::from_str_radix(hex, 16).ok()
    };
    while let Some(at) = text.find('\\') {
        let (before, escape) = text.split_at(at);
        out.push_str(before);
        let low = || escape.get(6..).and_then(unit).is_some_and(|unit| (0xdc00..0xe000).contains(&unit));
        let (written, len) = match unit(escape) {
            Some(0xd800..0xdc00) if low() => (None, 12),
            Some(0xd800..0xe000) => (Some("\\ufffd"), 6),
            Some(_) => (None, 6),
            None => (None, 2),
        };
        let (escape, behind) = escape.split_at_checked(len).unwrap_or((escape, ""));
        out.push_str(written.unwrap_or(escape));
        text = behind;
    }
    out.push_str(text);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::formats::json;
    use crate::formats::json::Value;

    fn strict(json: &str) -> String {
        let mut out = String::new();
        push_strict(&mut out, json);
        out
    }

    #[test]
    fn what_others_cannot_read_becomes_text_and_all_else_stays() {
        let long = "9".repeat(400);
        for (json, wanted) in [
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
            assert_eq!(strict(json), wanted);
            assert_eq!(strict(wanted), wanted, "a second time");
        }
    }

    /// The value with what is no JSON replaced, from the tree of it.
    fn replaced(value: &Value) -> Value {
        match value {
            Value::Float(float) if !float.is_finite() => Value::from(if float.is_nan() {
                "NaN"
            } else if *float > 0.0 {
                "Infinity"
            } else {
                "-Infinity"
            }),
            Value::Array(items) => Value::Array(items.iter().map(replaced).collect()),
            other => other.clone(),
        }
    }

    proptest! {
        /// F9: What a lenient reader takes is rewritten so that a strict one reads the same.
        #[test]
        fn any_json_is_read_by_a_strict_reader(text in r#"\[(("[N\\]?[\\]?"|NaN|-?Infinity|-?[1-9]{1,3}(\.[0-9]{1,2})?(e[+-]?[0-9]{1,3})?|"\\u(d8|dc|00)00"|null|\[\]),){0,6}"end"\]"#) {
            let Ok(value) = json::parse(text.as_bytes()) else { return Ok(()) };
            let strict = strict(&text);
            let read: serde_json::Value = serde_json::from_str(&strict).map_err(|e| TestCaseError::fail(format!("{text}: {strict}: {e}")))?;
            prop_assert!(read.is_array());
            if !text.contains("\\u") {
                prop_assert_eq!(json::parse(strict.as_bytes()).map(|v| v.canonical()), Ok(replaced(&value).canonical()));
            }
        }
    }
}
