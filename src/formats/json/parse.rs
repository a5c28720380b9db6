//! Reading JSON as Python's `json.loads` reads it.

use super::{JsonObject, JsonText, JsonValue};

/// How deep lists and objects may lie in each other (Python's own limit is about the same).
pub const MAX_DEPTH: usize = 1000;

/// Why text is not JSON, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{reason} at byte {offset}")]
pub struct ParseError {
    /// The byte where it goes wrong, from 0.
    pub offset: usize,
    /// What is wrong.
    pub reason: ParseReason,
}

/// What is wrong with the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseReason {
    /// The text ends inside a value, or is empty.
    #[error("ends too early")]
    End,
    /// A byte that can begin or continue nothing here.
    #[error("unexpected character")]
    Unexpected,
    /// More text behind the value.
    #[error("more text after the value")]
    Trailing,
    /// A control character in a text, which must be escaped there.
    #[error("unescaped control character")]
    Control,
    /// A backslash with something unknown behind it.
    #[error("unknown escape")]
    Escape,
    /// Bytes that are not UTF-8.
    #[error("not UTF-8")]
    Utf8,
    /// A byte order mark before the value.
    #[error("unexpected byte order mark (BOM)")]
    Bom,
    /// Lists and objects in each other, over [`MAX_DEPTH`].
    #[error("nested too deep (over {MAX_DEPTH} levels)")]
    Depth,
}

/// Reads one JSON value, with white space around it.
pub fn parse(bytes: &[u8]) -> Result<JsonValue, ParseError> {
    if let Err(error) = std::str::from_utf8(bytes) {
        return Err(ParseError { offset: error.valid_up_to(), reason: ParseReason::Utf8 });
    }
    if bytes.starts_with(b"\xef\xbb\xbf") {
        return Err(ParseError { offset: 0, reason: ParseReason::Bom });
    }
    let mut parser = JsonParser { bytes, at: 0 };
    let value = parser.parse_value(0)?;
    parser.skip_space();
    if parser.at < bytes.len() {
        return parser.fail_here(ParseReason::Trailing);
    }
    Ok(value)
}

struct JsonParser<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl JsonParser<'_> {
    fn fail_here<T>(&self, reason: ParseReason) -> Result<T, ParseError> {
        let reason = if self.at >= self.bytes.len() { ParseReason::End } else { reason };
        Err(ParseError { offset: self.at, reason })
    }

    fn peek_byte(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek_byte(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Takes this byte if it is next.
    fn take_byte(&mut self, byte: u8) -> bool {
        let found = self.peek_byte() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// Takes these bytes if they are next.
    fn take_word(&mut self, word: &[u8]) -> bool {
        let found = self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(word));
        self.at += if found { word.len() } else { 0 };
        found
    }

    fn parse_value(&mut self, depth: usize) -> Result<JsonValue, ParseError> {
        self.skip_space();
        match self.peek_byte() {
            Some(b'{' | b'[') if depth >= MAX_DEPTH => self.fail_here(ParseReason::Depth),
            Some(b'{') => self.parse_object(depth),
            Some(b'[') => self.parse_array(depth),
            Some(b'"') => self.parse_text().map(JsonValue::Text),
            Some(b'-' | b'0'..=b'9') => self.parse_number(),
            Some(b't') if self.take_word(b"true") => Ok(JsonValue::Bool(true)),
            Some(b'f') if self.take_word(b"false") => Ok(JsonValue::Bool(false)),
            Some(b'n') if self.take_word(b"null") => Ok(JsonValue::Null),
            Some(b'N') if self.take_word(b"NaN") => Ok(JsonValue::Float(f64::NAN)),
            Some(b'I') if self.take_word(b"Infinity") => Ok(JsonValue::Float(f64::INFINITY)),
            _ => self.fail_here(ParseReason::Unexpected),
        }
    }

    fn parse_array(&mut self, depth: usize) -> Result<JsonValue, ParseError> {
        self.at += 1;
        let mut items = Vec::new();
        self.skip_space();
        if self.take_byte(b']') {
            return Ok(JsonValue::Array(items));
        }
        loop {
            items.push(self.parse_value(depth + 1)?);
            self.skip_space();
            if self.take_byte(b']') {
                return Ok(JsonValue::Array(items));
            }
            if !self.take_byte(b',') {
                return self.fail_here(ParseReason::Unexpected);
            }
        }
    }

    fn parse_object(&mut self, depth: usize) -> Result<JsonValue, ParseError> {
        self.at += 1;
        let mut members = Vec::new();
        self.skip_space();
        if self.take_byte(b'}') {
            return Ok(JsonValue::Object(JsonObject::default()));
        }
        loop {
            self.skip_space();
            if self.peek_byte() != Some(b'"') {
                return self.fail_here(ParseReason::Unexpected);
            }
            let key = self.parse_text()?;
            self.skip_space();
            if !self.take_byte(b':') {
                return self.fail_here(ParseReason::Unexpected);
            }
            members.push((key, self.parse_value(depth + 1)?));
            self.skip_space();
            if self.take_byte(b'}') {
                return Ok(JsonValue::Object(JsonObject::from_read(members)));
            }
            if !self.take_byte(b',') {
                return self.fail_here(ParseReason::Unexpected);
            }
        }
    }

    fn parse_text(&mut self) -> Result<JsonText, ParseError> {
        self.at += 1;
        let mut text = JsonText::default();
        loop {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            let plain_len = rest.iter().position(|b| matches!(b, b'"' | b'\\' | 0..0x20)).unwrap_or(rest.len());
            text.0.extend_from_slice(&rest[..plain_len]);
            self.at += plain_len;
            match self.peek_byte() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') => self.parse_escape(&mut text)?,
                Some(_) => return self.fail_here(ParseReason::Control),
                None => return self.fail_here(ParseReason::End),
            }
        }
    }

    fn parse_escape(&mut self, text: &mut JsonText) -> Result<(), ParseError> {
        self.at += 1;
        let unescaped = match self.peek_byte() {
            Some(b'"') => b'"',
            Some(b'\\') => b'\\',
            Some(b'/') => b'/',
            Some(b'b') => 0x08,
            Some(b'f') => 0x0c,
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'u') => {
                self.at += 1;
                let Some(high) = self.peek_hex4() else { return self.fail_here(ParseReason::Escape) };
                self.at += 4;
                let mut code_point = high;
                if (0xd800..0xdc00).contains(&high) {
                    let start = self.at;
                    match self.take_word(b"\\u").then(|| self.peek_hex4()).flatten() {
                        Some(low) if (0xdc00..0xe000).contains(&low) => {
                            self.at += 4;
                            code_point = 0x1_0000 + ((high - 0xd800) << 10 | (low - 0xdc00));
                        }
                        _ => self.at = start,
                    }
                }
                text.push_code_point(code_point);
                return Ok(());
            }
            _ => return self.fail_here(ParseReason::Escape),
        };
        text.0.push(unescaped);
        self.at += 1;
        Ok(())
    }

    fn peek_hex4(&self) -> Option<u32> {
        let digits = self.bytes.get(self.at..self.at.checked_add(4)?)?;
        digits.iter().try_fold(0, |n, d| Some(n << 4 | char::from(*d).to_digit(16)?))
    }

    fn take_digits(&mut self) -> usize {
        let start = self.at;
        while matches!(self.peek_byte(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        self.at - start
    }

    fn parse_number(&mut self) -> Result<JsonValue, ParseError> {
        let start = self.at;
        let negative = self.take_byte(b'-');
        if negative && self.take_word(b"Infinity") {
            return Ok(JsonValue::Float(f64::NEG_INFINITY));
        }
        if !self.take_byte(b'0') && self.take_digits() == 0 {
            return self.fail_here(ParseReason::Unexpected);
        }
        let mut float = false;
        // As Python does, a point or an `e` without digits behind it is left for what follows to stumble over.
        let before = self.at;
        if self.take_byte(b'.') && self.take_digits() > 0 {
            float = true;
        } else {
            self.at = before;
        }
        let before = self.at;
        if self.take_byte(b'e') || self.take_byte(b'E') {
            let _ = self.take_byte(b'-') || self.take_byte(b'+');
            if self.take_digits() > 0 {
                float = true;
            } else {
                self.at = before;
            }
        }
        let text = self.bytes.get(start..self.at).and_then(|t| std::str::from_utf8(t).ok()).unwrap_or_default();
        if float {
            // Overflow gives infinity, as in Python.
            return text.parse().map(JsonValue::Float).or_else(|_| self.fail_here(ParseReason::Unexpected));
        }
        Ok(match text.parse() {
            Ok(int) => JsonValue::Int(int),
            Err(_) => JsonValue::BigInt(text.to_owned()),
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

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
