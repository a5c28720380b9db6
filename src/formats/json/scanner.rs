//! Looks at JSON in place, as Python's `json` reads it: where a value ends and of which kind it is, without building
//! it.
//!
//! For a text that is UTF-8 already, of any size. Memory grows with the nesting depth only, which has a limit.
//! `formats::json::parse` builds values with it, so that both accept the same text.

use std::ops::Range;

/// The deepest nesting of lists and objects; Python's default recursion limit is 1000, too.
pub const MAX_DEPTH: usize = 1000;

/// Why a text is not JSON, and at which byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{reason} at byte {offset}")]
pub struct ParseError {
    /// The byte offset, from 0.
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
    /// A byte that is not allowed here.
    #[error("unexpected character")]
    Unexpected,
    /// More text after the value.
    #[error("more text after the value")]
    Trailing,
    /// An unescaped control character in a text.
    #[error("unescaped control character")]
    Control,
    /// A backslash before an unknown character.
    #[error("unknown escape")]
    Escape,
    /// Bytes that are not UTF-8.
    #[error("not UTF-8")]
    Utf8,
    /// A byte order mark before the value.
    #[error("unexpected byte order mark (BOM)")]
    Bom,
    /// Lists and objects nested deeper than [`MAX_DEPTH`].
    #[error("nested too deep (over {MAX_DEPTH} levels)")]
    Depth,
}

/// The kind of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number without fraction and exponent.
    Int,
    /// A number with a fraction or an exponent, `NaN`, `Infinity`, `-Infinity`.
    Float,
    /// Text.
    Text,
    /// `[…]`
    List,
    /// `{…}`
    Object,
}

impl TokenKind {
    /// The kind's name for messages, with its article.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a bool",
            Self::Int => "an int",
            Self::Float => "a float",
            Self::Text => "a text",
            Self::List => "a list",
            Self::Object => "an object",
        }
    }
}

/// A place in a text.
#[derive(Debug, Clone)]
pub struct JsonCursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

type LexResult<T> = Result<T, ParseError>;

impl<'a> JsonCursor<'a> {
    /// Starts at the beginning of a text.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Starts at a byte offset of a text.
    #[must_use]
    pub fn at_offset(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    /// The current byte offset.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.at
    }

    /// Returns the bytes from an earlier offset to here.
    #[must_use]
    pub fn taken_from(&self, start: usize) -> &'a [u8] {
        self.bytes.get(start..self.at).unwrap_or_default()
    }

    /// What is written at a place in the text.
    #[must_use]
    pub fn bytes_at(&self, range: Range<usize>) -> &'a [u8] {
        self.bytes.get(range).unwrap_or_default()
    }

    /// The next byte, not taken.
    #[must_use]
    pub fn peek_byte(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Makes an error at the current offset; at the end of the text it says so.
    pub fn fail_here<T>(&self, reason: ParseReason) -> LexResult<T> {
        let reason = if self.at >= self.bytes.len() { ParseReason::End } else { reason };
        Err(ParseError { offset: self.at, reason })
    }

    /// Skips white space.
    pub fn skip_space(&mut self) {
        while matches!(self.peek_byte(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Takes this byte if it is next.
    pub fn take_byte(&mut self, byte: u8) -> bool {
        let found = self.peek_byte() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// Takes this byte; fails if it is not next.
    pub fn expect_byte(&mut self, byte: u8) -> LexResult<()> {
        if self.take_byte(byte) { Ok(()) } else { self.fail_here(ParseReason::Unexpected) }
    }

    fn take_word(&mut self, word: &[u8]) -> bool {
        let found = self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(word));
        self.at += if found { word.len() } else { 0 };
        found
    }

    /// Takes a text; returns its range, quotes included.
    pub fn take_text(&mut self) -> LexResult<Range<usize>> {
        let start = self.at;
        self.expect_byte(b'"')?;
        loop {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            let plain_len = rest.iter().position(|b| matches!(b, b'"' | b'\\' | 0..0x20)).unwrap_or(rest.len());
            self.at += plain_len;
            match self.peek_byte() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(start..self.at);
                }
                Some(b'\\') => self.take_escape()?,
                _ => return self.fail_here(ParseReason::Control),
            }
        }
    }

    /// Takes a member's key and the colon behind it, with the space around both, and says where the key is, quotes included.
    pub fn take_key(&mut self) -> LexResult<Range<usize>> {
        self.skip_space();
        let key = self.take_text()?;
        self.skip_space();
        self.expect_byte(b':')?;
        self.skip_space();
        Ok(key)
    }

    fn take_escape(&mut self) -> LexResult<()> {
        self.at += 1;
        match self.peek_byte() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => {
                self.at += 1;
                let digits = self.bytes.get(self.at..self.at + 4);
                if !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
                    return self.fail_here(ParseReason::Escape);
                }
                self.at += 4;
            }
            _ => return self.fail_here(ParseReason::Escape),
        }
        Ok(())
    }

    fn take_digits(&mut self) -> usize {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let n = rest.iter().position(|b| !b.is_ascii_digit()).unwrap_or(rest.len());
        self.at += n;
        n
    }

    fn take_number(&mut self) -> LexResult<TokenKind> {
        if self.take_byte(b'-') && self.take_word(b"Infinity") {
            return Ok(TokenKind::Float);
        }
        if !self.take_byte(b'0') && self.take_digits() == 0 {
            return self.fail_here(ParseReason::Unexpected);
        }
        let mut kind = TokenKind::Int;
        // Like Python: a point or an exponent without digits is not part of the number, and what follows then fails.
        let mut ahead = self.clone();
        if ahead.take_byte(b'.') && ahead.take_digits() > 0 {
            (self.at, kind) = (ahead.at, TokenKind::Float);
        }
        let mut ahead = self.clone();
        if ahead.take_byte(b'e') || ahead.take_byte(b'E') {
            // The sign is optional.
            let _ = ahead.take_byte(b'+') || ahead.take_byte(b'-');
            if ahead.take_digits() > 0 {
                (self.at, kind) = (ahead.at, TokenKind::Float);
            }
        }
        Ok(kind)
    }

    /// Takes one value; returns its kind. `depth` is the number of lists and objects around it.
    pub fn take_value(&mut self, depth: usize) -> LexResult<TokenKind> {
        let kind = self.take_opening(depth)?;
        match kind {
            TokenKind::List | TokenKind::Object => self.take_nested(kind, depth)?,
            _ => {}
        }
        Ok(kind)
    }

    /// Takes a whole scalar, or the opening bracket of a list or object.
    pub fn take_opening(&mut self, depth: usize) -> LexResult<TokenKind> {
        match self.peek_byte() {
            Some(b'{' | b'[') if depth >= MAX_DEPTH => self.fail_here(ParseReason::Depth),
            Some(b'{') => {
                self.at += 1;
                Ok(TokenKind::Object)
            }
            Some(b'[') => {
                self.at += 1;
                Ok(TokenKind::List)
            }
            Some(b'"') => self.take_text().map(|_| TokenKind::Text),
            Some(b'-' | b'0'..=b'9') => self.take_number(),
            Some(b't') if self.take_word(b"true") => Ok(TokenKind::Bool(true)),
            Some(b'f') if self.take_word(b"false") => Ok(TokenKind::Bool(false)),
            Some(b'n') if self.take_word(b"null") => Ok(TokenKind::Null),
            Some(b'N') if self.take_word(b"NaN") => Ok(TokenKind::Float),
            Some(b'I') if self.take_word(b"Infinity") => Ok(TokenKind::Float),
            _ => self.fail_here(ParseReason::Unexpected),
        }
    }

    /// Takes the rest of a list or object after its opening bracket, without recursion.
    fn take_nested(&mut self, outer: TokenKind, depth: usize) -> LexResult<()> {
        // The open lists and objects, outermost first: true for an object.
        let mut open_kinds = vec![outer == TokenKind::Object];
        let mut first = true;
        while let Some(&object) = open_kinds.last() {
            self.skip_space();
            if self.take_byte(if object { b'}' } else { b']' }) {
                open_kinds.pop();
                first = false;
                continue;
            }
            // A comma between two items; none before the first or after the last.
            if !first {
                self.expect_byte(b',')?;
                self.skip_space();
            }
            if object {
                self.take_key()?;
            }
            match self.take_opening(depth + open_kinds.len())? {
                kind @ (TokenKind::List | TokenKind::Object) => {
                    open_kinds.push(kind == TokenKind::Object);
                    first = true;
                }
                _ => first = false,
            }
        }
        Ok(())
    }
}

/// An integer's value; `None` beyond 64 bits. `digits` is a number of kind [`TokenKind::Int`].
#[must_use]
pub fn parse_int(digits: &[u8]) -> Option<i64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// A number's value, infinite beyond a double's range. `digits` is a number of kind [`TokenKind::Int`] or [`TokenKind::Float`].
#[must_use]
#[allow(clippy::cast_precision_loss)]
pub fn parse_float(digits: &[u8]) -> f64 {
    match digits {
        b"NaN" => f64::NAN,
        b"Infinity" => f64::INFINITY,
        b"-Infinity" => f64::NEG_INFINITY,
        // For speed: rounds like `str::parse`, but faster.
        _ => fast_float2::parse(digits).unwrap_or(f64::NAN),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::formats::json;

    fn take_whole(bytes: &[u8]) -> LexResult<TokenKind> {
        let mut cursor = JsonCursor::new(bytes);
        cursor.skip_space();
        let kind = cursor.take_value(0)?;
        cursor.skip_space();
        if cursor.offset() < bytes.len() { cursor.fail_here(ParseReason::Trailing) } else { Ok(kind) }
    }

    #[test]
    fn it_agrees_with_the_parser_on_the_corners() {
        for text in [
            "",
            " ",
            "[1,]",
            "{\"a\":1,}",
            "[,1]",
            "01",
            "-",
            "-0",
            "1.",
            ".5",
            "1.e5",
            "1e",
            "1e+",
            "1E5",
            "+1",
            "nul",
            "NaN",
            "-NaN",
            "Infinity",
            "-Infinity",
            "+Infinity",
            "\"\\x\"",
            "\"\\u12g4\"",
            "\"\\ud800\"",
            "\"a\nb\"",
            "{\"a\" : [ ] , \"b\":{ }}",
            "{1:2}",
            "[1 2]",
            "{\"a\" 1}",
            "[[]",
            "[]]",
            "\"",
            "\"\\",
            "\u{feff}1",
            "{,}",
            "[1,,2]",
            "{\"a\":}",
            "[}",
            "{]",
            "[1}",
            "1 2",
            "tru",
            "truefalse",
            "-Inf",
            "\u{a0}1",
            "\u{b}1",
        ] {
            assert_eq!(take_whole(text.as_bytes()).is_ok(), json::parse(text.as_bytes()).is_ok(), "{text:?}");
        }
        for depth in [999, 1000, 1001, 5000] {
            let text = "[".repeat(depth) + &"]".repeat(depth);
            assert_eq!(take_whole(text.as_bytes()).is_ok(), json::parse(text.as_bytes()).is_ok(), "{depth}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]
        #[test]
        fn it_agrees_with_the_parser(text in r#"([\[\]{},:"0-9a-e.+ \\-]|true|NaN|"a":|\\u0|Infinity|null){0,12}"#) {
            let parsed = json::parse(text.as_bytes());
            prop_assert_eq!(take_whole(text.as_bytes()).is_ok(), parsed.is_ok());
        }
    }
}
