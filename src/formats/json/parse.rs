//! Parses JSON as Python's `json.loads` does: what it accepts gives the same value, and what it refuses is an error
//! with its byte offset. The whole value is built in memory; [`super::scanner`] looks at a text without building it.

use super::scanner::{JsonCursor, ParseError, ParseReason, TokenKind, parse_float, parse_int};
use super::{JsonObject, JsonText, JsonValue};

/// Parses one JSON value, with white space around it.
pub fn parse(bytes: &[u8]) -> Result<JsonValue, ParseError> {
    // The whole text first, so that its pieces need no check of their own.
    if let Err(error) = std::str::from_utf8(bytes) {
        return Err(ParseError { offset: error.valid_up_to(), reason: ParseReason::Utf8 });
    }
    // `json.loads` refuses a byte order mark with an error of its own.
    if bytes.starts_with(b"\xef\xbb\xbf") {
        return Err(ParseError { offset: 0, reason: ParseReason::Bom });
    }
    let mut cursor = JsonCursor::new(bytes);
    let value = parse_value(&mut cursor, 0)?;
    cursor.skip_space();
    if cursor.offset() < bytes.len() {
        return cursor.fail_here(ParseReason::Trailing);
    }
    Ok(value)
}

fn parse_value(cursor: &mut JsonCursor<'_>, depth: usize) -> Result<JsonValue, ParseError> {
    cursor.skip_space();
    let start = cursor.offset();
    // Checks the depth, too: this parser is recursive, and a hostile text must not overflow the stack.
    let kind = cursor.take_opening(depth)?;
    let token = cursor.taken_from(start);
    Ok(match kind {
        TokenKind::Null => JsonValue::Null,
        TokenKind::Bool(value) => JsonValue::Bool(value),
        TokenKind::Int => match parse_int(token) {
            Some(int) => JsonValue::Int(int),
            // Only overflow fails here, because the scanner has checked the digits.
            None => JsonValue::BigInt(String::from_utf8_lossy(token).into_owned()),
        },
        // Overflow gives infinity, as in Python.
        TokenKind::Float => JsonValue::Float(parse_float(token)),
        TokenKind::Text => JsonValue::Text(unescape(token)),
        TokenKind::List => parse_array(cursor, depth)?,
        TokenKind::Object => parse_object(cursor, depth)?,
    })
}

/// Parses the rest of a list after its opening bracket.
fn parse_array(cursor: &mut JsonCursor<'_>, depth: usize) -> Result<JsonValue, ParseError> {
    let mut items = Vec::new();
    cursor.skip_space();
    if cursor.take_byte(b']') {
        return Ok(JsonValue::Array(items));
    }
    loop {
        items.push(parse_value(cursor, depth + 1)?);
        cursor.skip_space();
        if cursor.take_byte(b']') {
            return Ok(JsonValue::Array(items));
        }
        cursor.expect_byte(b',')?;
    }
}

/// Parses the rest of an object after its opening bracket.
fn parse_object(cursor: &mut JsonCursor<'_>, depth: usize) -> Result<JsonValue, ParseError> {
    let mut members = Vec::new();
    cursor.skip_space();
    if cursor.take_byte(b'}') {
        return Ok(JsonValue::Object(JsonObject::default()));
    }
    loop {
        let key = cursor.take_key()?;
        let key = unescape(cursor.bytes_at(key));
        members.push((key, parse_value(cursor, depth + 1)?));
        cursor.skip_space();
        if cursor.take_byte(b'}') {
            return Ok(JsonValue::Object(JsonObject::from_read(members)));
        }
        cursor.expect_byte(b',')?;
    }
}

/// Decodes a JSON string with its quotes. The scanner has accepted it, so its escapes are complete.
pub(in crate::formats) fn unescape(token: &[u8]) -> JsonText {
    let mut rest = token.get(1..token.len().saturating_sub(1)).unwrap_or_default();
    let mut text = JsonText::default();
    while let Some(at) = rest.iter().position(|byte| *byte == b'\\') {
        text.0.extend_from_slice(&rest[..at]);
        let escape = &rest[at + 1..];
        let mut taken = 1;
        match escape.first() {
            Some(b'u') => {
                let high = hex4(escape, 1);
                taken = 5;
                // A pair of surrogates is one character; a lone one stays, as in Python's `str`.
                let low = Some(hex4(escape, 7)).filter(|_| escape.get(5..7) == Some(b"\\u"));
                match low.filter(|low| (0xd800..0xdc00).contains(&high) && (0xdc00..0xe000).contains(low)) {
                    Some(low) => {
                        text.push_code_point(0x1_0000 + ((high - 0xd800) << 10 | (low - 0xdc00)));
                        taken += 6;
                    }
                    None => text.push_code_point(high),
                }
            }
            Some(b'b') => text.0.push(0x08),
            Some(b'f') => text.0.push(0x0c),
            Some(b'n') => text.0.push(b'\n'),
            Some(b'r') => text.0.push(b'\r'),
            Some(b't') => text.0.push(b'\t'),
            Some(byte) => text.0.push(*byte),
            None => {}
        }
        rest = escape.get(taken..).unwrap_or_default();
    }
    text.0.extend_from_slice(rest);
    text
}

/// The value of four hexadecimal digits.
fn hex4(bytes: &[u8], at: usize) -> u32 {
    let digits = bytes.get(at..at + 4).unwrap_or_default();
    digits.iter().fold(0, |n, digit| n << 4 | char::from(*digit).to_digit(16).unwrap_or_default())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::formats::json::MAX_DEPTH;

    fn canonical_text(text: &str) -> String {
        parse(text.as_bytes()).unwrap_or_else(|e| panic!("{text}: {e}")).to_canonical()
    }

    fn expect_error(text: &[u8]) -> ParseError {
        parse(text).err().unwrap_or_else(|| panic!("taken: {}", String::from_utf8_lossy(text)))
    }

    #[test]
    fn what_python_reads_is_read() {
        assert_eq!(canonical_text(" [ 1 , -0, -0.0, 1e400, NaN,-Infinity ] "), "[1,0,-0.0,Infinity,NaN,-Infinity]");
        assert_eq!(canonical_text("123456789012345678901234567890"), "123456789012345678901234567890");
        assert_eq!(canonical_text("-9223372036854775808"), "-9223372036854775808");
        assert_eq!(canonical_text(r#"{"b": 1, "a": 2, "b": {"a": []}}"#), r#"{"a":2,"b":{"a":[]}}"#);
        assert_eq!(canonical_text(r#""\ud800x\ud83d\ude00\ude00""#), r#""\ud800x\ud83d\ude00\ude00""#);
        assert_eq!(canonical_text(r#""\ud800\ud83d\ude00\u00E9\/""#), r#""\ud800\ud83d\ude00\u00e9/""#);
    }

    #[test]
    fn keys_are_ordered_by_code_point() {
        // UTF-16 order would put U+1F600 (d83d…) before U+FFFD.
        let text = r#"{"\uFFFD": 1, "\ud83d\ude00": 2, "\ud800": 3, "z": 4}"#;
        assert_eq!(canonical_text(text), r#"{"z":4,"\ud800":3,"\ufffd":1,"\ud83d\ude00":2}"#);
    }

    #[test]
    fn a_duplicate_key_keeps_the_first_position_and_the_last_value() {
        let value = parse(br#"{"a": 1, "b": 2, "a": 3}"#).unwrap();
        assert_eq!(value.dump_with(crate::formats::json::JsonLayout::PRETTY), "{\n  \"a\": 3,\n  \"b\": 2\n}");
        let many: Vec<String> = (0..100).map(|i| format!("\"{}\": {i}", i % 50)).collect();
        let value = parse(format!("{{{}}}", many.join(",")).as_bytes()).unwrap();
        assert_eq!(value.get("7").and_then(JsonValue::as_i64), Some(57));
        assert_eq!(value.as_object().map(JsonObject::len), Some(50));
    }

    #[test]
    fn what_python_refuses_is_refused_with_its_offset() {
        let at = |offset, reason| ParseError { offset, reason };
        assert_eq!(expect_error(b""), at(0, ParseReason::End));
        assert_eq!(expect_error(b"[1,]"), at(3, ParseReason::Unexpected));
        assert_eq!(expect_error(b"{\"a\":1,}"), at(7, ParseReason::Unexpected));
        assert_eq!(expect_error(b"01"), at(1, ParseReason::Trailing));
        assert_eq!(expect_error(b"1."), at(1, ParseReason::Trailing));
        assert_eq!(expect_error(b"-"), at(1, ParseReason::End));
        assert_eq!(expect_error(b"-NaN"), at(1, ParseReason::Unexpected));
        assert_eq!(expect_error(b"\"a\nb\""), at(2, ParseReason::Control));
        assert_eq!(expect_error(b"\"\\x\""), at(2, ParseReason::Escape));
        assert_eq!(expect_error(b"\"\\u12g4\""), at(3, ParseReason::Escape));
        assert_eq!(expect_error(b"\xef\xbb\xbf1"), at(0, ParseReason::Bom));
        assert_eq!(expect_error(b"[\"\xff\"]"), at(2, ParseReason::Utf8));
        assert_eq!(expect_error(b"{\"a\": 1"), at(7, ParseReason::End));
        assert_eq!(expect_error(b"1 2"), at(2, ParseReason::Trailing));
        assert_eq!(expect_error(b"\x0c1"), at(0, ParseReason::Unexpected));
    }

    #[test]
    fn depth_is_limited() {
        let nested = |n: usize| [vec![b'['; n], vec![b']'; n]].concat();
        assert!(parse(&nested(MAX_DEPTH)).is_ok());
        assert_eq!(expect_error(&nested(MAX_DEPTH + 1)).reason, ParseReason::Depth);
        assert_eq!(expect_error(&vec![b'['; 5_000_000]).reason, ParseReason::Depth);
    }

    #[test]
    fn numbers_are_ints_by_the_contracts_rule() {
        let int = |text: &str| parse(text.as_bytes()).unwrap().as_i64();
        assert_eq!(int("2.0"), Some(2));
        assert_eq!(int("2.5"), None);
        assert_eq!(int("true"), None);
        assert_eq!(int("9223372036854775807"), Some(i64::MAX));
        assert_eq!(int("9223372036854775808"), None);
        assert_eq!(int("9223372036854775808.0"), None);
        assert_eq!(int("-9223372036854775808.0"), Some(i64::MIN));
        assert_eq!(int("NaN"), None);
    }
}
