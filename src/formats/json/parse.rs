//! Reading JSON as Python's `json.loads` reads it.

use super::{Object, Text, Value};

/// How deep lists and objects may lie in each other (Python's own limit is about the same).
pub const MAX_DEPTH: usize = 1000;

/// Why text is not JSON, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{reason} at byte {offset}")]
pub struct ParseError {
    /// The byte where it goes wrong, from 0.
    pub offset: usize,
    /// What is wrong.
    pub reason: Reason,
}

/// What is wrong with the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
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
pub fn parse(bytes: &[u8]) -> Result<Value, ParseError> {
    if let Err(error) = std::str::from_utf8(bytes) {
        return Err(ParseError { offset: error.valid_up_to(), reason: Reason::Utf8 });
    }
    if bytes.starts_with(b"\xef\xbb\xbf") {
        return Err(ParseError { offset: 0, reason: Reason::Bom });
    }
    let mut parser = Parser { bytes, at: 0 };
    let value = parser.value(0)?;
    parser.space();
    if parser.at < bytes.len() {
        return parser.fail(Reason::Trailing);
    }
    Ok(value)
}

struct Parser<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Parser<'_> {
    fn fail<T>(&self, reason: Reason) -> Result<T, ParseError> {
        let reason = if self.at >= self.bytes.len() { Reason::End } else { reason };
        Err(ParseError { offset: self.at, reason })
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Takes this byte if it is next.
    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// Takes these bytes if they are next.
    fn word(&mut self, word: &[u8]) -> bool {
        let found = self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(word));
        self.at += if found { word.len() } else { 0 };
        found
    }

    fn value(&mut self, depth: usize) -> Result<Value, ParseError> {
        self.space();
        match self.peek() {
            Some(b'{' | b'[') if depth >= MAX_DEPTH => self.fail(Reason::Depth),
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => self.text().map(Value::Text),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') if self.word(b"true") => Ok(Value::Bool(true)),
            Some(b'f') if self.word(b"false") => Ok(Value::Bool(false)),
            Some(b'n') if self.word(b"null") => Ok(Value::Null),
            Some(b'N') if self.word(b"NaN") => Ok(Value::Float(f64::NAN)),
            Some(b'I') if self.word(b"Infinity") => Ok(Value::Float(f64::INFINITY)),
            _ => self.fail(Reason::Unexpected),
        }
    }

    fn array(&mut self, depth: usize) -> Result<Value, ParseError> {
        self.at += 1;
        let mut items = Vec::new();
        self.space();
        if self.take(b']') {
            return Ok(Value::Array(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            self.space();
            if self.take(b']') {
                return Ok(Value::Array(items));
            }
            if !self.take(b',') {
                return self.fail(Reason::Unexpected);
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value, ParseError> {
        self.at += 1;
        let mut members = Vec::new();
        self.space();
        if self.take(b'}') {
            return Ok(Value::Object(Object::default()));
        }
        loop {
            self.space();
            if self.peek() != Some(b'"') {
                return self.fail(Reason::Unexpected);
            }
            let key = self.text()?;
            self.space();
            if !self.take(b':') {
                return self.fail(Reason::Unexpected);
            }
            members.push((key, self.value(depth + 1)?));
            self.space();
            if self.take(b'}') {
                return Ok(Value::Object(Object::from_read(members)));
            }
            if !self.take(b',') {
                return self.fail(Reason::Unexpected);
            }
        }
    }

    fn text(&mut self) -> Result<Text, ParseError> {
        self.at += 1;
        let mut text = Text::default();
        loop {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            let plain = rest.iter().position(|b| matches!(b, b'"' | b'\\' | 0..0x20)).unwrap_or(rest.len());
            text.0.extend_from_slice(&rest[..plain]);
            self.at += plain;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') => self.escape(&mut text)?,
                Some(_) => return self.fail(Reason::Control),
                None => return self.fail(Reason::End),
            }
        }
    }

    fn escape(&mut self, text: &mut Text) -> Result<(), ParseError> {
        self.at += 1;
        let plain = match self.peek() {
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
                let Some(high) = self.hex4() else { return self.fail(Reason::Escape) };
                self.at += 4;
                let mut code_point = high;
                if (0xd800..0xdc00).contains(&high) {
                    let back = self.at;
                    match self.word(b"\\u").then(|| self.hex4()).flatten() {
                        Some(low) if (0xdc00..0xe000).contains(&low) => {
                            self.at += 4;
                            code_point = 0x1_0000 + ((high - 0xd800) << 10 | (low - 0xdc00));
                        }
                        _ => self.at = back,
                    }
                }
                text.push(code_point);
                return Ok(());
            }
            _ => return self.fail(Reason::Escape),
        };
        text.0.push(plain);
        self.at += 1;
        Ok(())
    }

    fn hex4(&self) -> Option<u32> {
        let digits = self.bytes.get(self.at..self.at.checked_add(4)?)?;
        digits.iter().try_fold(0, |n, d| Some(n << 4 | char::from(*d).to_digit(16)?))
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        self.at - start
    }

    fn number(&mut self) -> Result<Value, ParseError> {
        let start = self.at;
        let negative = self.take(b'-');
        if negative && self.word(b"Infinity") {
            return Ok(Value::Float(f64::NEG_INFINITY));
        }
        if !self.take(b'0') && self.digits() == 0 {
            return self.fail(Reason::Unexpected);
        }
        let mut float = false;
        // As Python does, a point or an `e` without digits behind it is left for what follows to stumble over.
        let back = self.at;
        if self.take(b'.') && self.digits() > 0 {
            float = true;
        } else {
            self.at = back;
        }
        let back = self.at;
        if self.take(b'e') || self.take(b'E') {
            let _ = self.take(b'-') || self.take(b'+');
            if self.digits() > 0 {
                float = true;
            } else {
                self.at = back;
            }
        }
        let text = self.bytes.get(start..self.at).and_then(|t| std::str::from_utf8(t).ok()).unwrap_or_default();
        if float {
            // Overflow gives infinity, as in Python.
            return text.parse().map(Value::Float).or_else(|_| self.fail(Reason::Unexpected));
        }
        Ok(match text.parse() {
            Ok(int) => Value::Int(int),
            Err(_) => Value::BigInt(text.to_owned()),
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn canonical(text: &str) -> String {
        parse(text.as_bytes()).unwrap_or_else(|e| panic!("{text}: {e}")).canonical()
    }

    fn refused(text: &[u8]) -> ParseError {
        parse(text).err().unwrap_or_else(|| panic!("taken: {}", String::from_utf8_lossy(text)))
    }

    #[test]
    fn what_python_reads_is_read() {
        assert_eq!(canonical(" [ 1 , -0, -0.0, 1e400, NaN,-Infinity ] "), "[1,0,-0.0,Infinity,NaN,-Infinity]");
        assert_eq!(canonical("123456789012345678901234567890"), "123456789012345678901234567890");
        assert_eq!(canonical("-9223372036854775808"), "-9223372036854775808");
        assert_eq!(canonical(r#"{"b": 1, "a": 2, "b": {"a": []}}"#), r#"{"a":2,"b":{"a":[]}}"#);
        assert_eq!(canonical(r#""\ud800x\ud83d\ude00\ude00""#), r#""\ud800x\ud83d\ude00\ude00""#);
        assert_eq!(canonical(r#""\ud800\ud83d\ude00\u00E9\/""#), r#""\ud800\ud83d\ude00\u00e9/""#);
    }

    #[test]
    fn keys_are_ordered_by_code_point() {
        // UTF-16 order would put U+1F600 (d83d…) before U+FFFD.
        let text = r#"{"\uFFFD": 1, "\ud83d\ude00": 2, "\ud800": 3, "z": 4}"#;
        assert_eq!(canonical(text), r#"{"z":4,"\ud800":3,"\ufffd":1,"\ud83d\ude00":2}"#);
    }

    #[test]
    fn a_duplicate_key_keeps_the_first_place_and_the_last_value() {
        let value = parse(br#"{"a": 1, "b": 2, "a": 3}"#).unwrap();
        assert_eq!(value.dump(crate::formats::json::Layout::PRETTY), "{\n  \"a\": 3,\n  \"b\": 2\n}");
        let many: Vec<String> = (0..100).map(|i| format!("\"{}\": {i}", i % 50)).collect();
        let value = parse(format!("{{{}}}", many.join(",")).as_bytes()).unwrap();
        assert_eq!(value.get("7").and_then(Value::as_i64), Some(57));
        assert_eq!(value.as_object().map(Object::len), Some(50));
    }

    #[test]
    fn what_python_refuses_is_refused_with_its_place() {
        let at = |offset, reason| ParseError { offset, reason };
        assert_eq!(refused(b""), at(0, Reason::End));
        assert_eq!(refused(b"[1,]"), at(3, Reason::Unexpected));
        assert_eq!(refused(b"{\"a\":1,}"), at(7, Reason::Unexpected));
        assert_eq!(refused(b"01"), at(1, Reason::Trailing));
        assert_eq!(refused(b"1."), at(1, Reason::Trailing));
        assert_eq!(refused(b"-"), at(1, Reason::End));
        assert_eq!(refused(b"-NaN"), at(1, Reason::Unexpected));
        assert_eq!(refused(b"\"a\nb\""), at(2, Reason::Control));
        assert_eq!(refused(b"\"\\x\""), at(2, Reason::Escape));
        assert_eq!(refused(b"\"\\u12g4\""), at(3, Reason::Escape));
        assert_eq!(refused(b"\xef\xbb\xbf1"), at(0, Reason::Bom));
        assert_eq!(refused(b"[\"\xff\"]"), at(2, Reason::Utf8));
        assert_eq!(refused(b"{\"a\": 1"), at(7, Reason::End));
        assert_eq!(refused(b"1 2"), at(2, Reason::Trailing));
        assert_eq!(refused(b"\x0c1"), at(0, Reason::Unexpected));
    }

    #[test]
    fn depth_is_limited() {
        let nested = |n: usize| [vec![b'['; n], vec![b']'; n]].concat();
        assert!(parse(&nested(MAX_DEPTH)).is_ok());
        assert_eq!(refused(&nested(MAX_DEPTH + 1)).reason, Reason::Depth);
        assert_eq!(refused(&vec![b'['; 5_000_000]).reason, Reason::Depth);
    }

    #[test]
    fn numbers_are_ints_where_the_contract_says_so() {
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
