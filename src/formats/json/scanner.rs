//! JSON as Python's `json` reads it, looked at in place: where a value ends and what kind it is, without building it.
//!
//! Accepts exactly what `formats::json::parse` accepts of a text that is UTF-8 already, at any size, in constant memory.

use std::ops::Range;

use super::MAX_DEPTH;
pub use super::{ParseError, Reason};

/// What kind a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// Digits, perhaps with a minus.
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

impl Kind {
    /// The kind's name, with its article.
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
pub struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

type Lexed<T> = Result<T, ParseError>;

impl<'a> Cursor<'a> {
    /// The beginning of a text.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// A place in a text.
    #[must_use]
    pub fn at(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    /// Where we are.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.at
    }

    /// The byte that is next.
    #[must_use]
    pub fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// An error here.
    pub fn fail<T>(&self, reason: Reason) -> Lexed<T> {
        let reason = if self.at >= self.bytes.len() { Reason::End } else { reason };
        Err(ParseError { offset: self.at, reason })
    }

    /// Skips white space.
    pub fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Takes this byte if it is next.
    pub fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// Takes this byte, which must be next.
    pub fn expect(&mut self, byte: u8) -> Lexed<()> {
        if self.take(byte) { Ok(()) } else { self.fail(Reason::Unexpected) }
    }

    fn word(&mut self, word: &[u8]) -> bool {
        let found = self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(word));
        self.at += if found { word.len() } else { 0 };
        found
    }

    /// Takes a text with its quotes and says where it is.
    pub fn text(&mut self) -> Lexed<Range<usize>> {
        let start = self.at;
        self.expect(b'"')?;
        loop {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            let plain = rest.iter().position(|b| matches!(b, b'"' | b'\\' | 0..0x20)).unwrap_or(rest.len());
            self.at += plain;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(start..self.at);
                }
                Some(b'\\') => self.escape()?,
                _ => return self.fail(Reason::Control),
            }
        }
    }

    fn escape(&mut self) -> Lexed<()> {
        self.at += 1;
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => {
                self.at += 1;
                for _ in 0..4 {
                    match self.peek() {
                        Some(b) if b.is_ascii_hexdigit() => self.at += 1,
                        _ => return self.fail(Reason::Escape),
                    }
                }
            }
            _ => return self.fail(Reason::Escape),
        }
        Ok(())
    }

    fn digits(&mut self) -> usize {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let n = rest.iter().position(|b| !b.is_ascii_digit()).unwrap_or(rest.len());
        self.at += n;
        n
    }

    fn number(&mut self) -> Lexed<Kind> {
        if self.take(b'-') && self.word(b"Infinity") {
            return Ok(Kind::Float);
        }
        if !self.take(b'0') && self.digits() == 0 {
            return self.fail(Reason::Unexpected);
        }
        let mut kind = Kind::Int;
        // As Python does: a point or an exponent without digits is not part of the number (and then nothing fits it).
        let mut ahead = self.clone();
        if ahead.take(b'.') && ahead.digits() > 0 {
            (self.at, kind) = (ahead.at, Kind::Float);
        }
        let mut ahead = self.clone();
        if ahead.take(b'e') || ahead.take(b'E') {
            let _ = ahead.take(b'+') || ahead.take(b'-');
            if ahead.digits() > 0 {
                (self.at, kind) = (ahead.at, Kind::Float);
            }
        }
        Ok(kind)
    }

    /// Takes one value and says what kind it is. `depth` is how many lists and objects are open around it.
    pub fn value(&mut self, depth: usize) -> Lexed<Kind> {
        let kind = self.open(depth)?;
        match kind {
            Kind::List | Kind::Object => self.nested(kind, depth)?,
            _ => {}
        }
        Ok(kind)
    }

    /// Takes a scalar whole, and of a list or an object its bracket.
    fn open(&mut self, depth: usize) -> Lexed<Kind> {
        match self.peek() {
            Some(b'{' | b'[') if depth >= MAX_DEPTH => self.fail(Reason::Depth),
            Some(b'{') => {
                self.at += 1;
                Ok(Kind::Object)
            }
            Some(b'[') => {
                self.at += 1;
                Ok(Kind::List)
            }
            Some(b'"') => self.text().map(|_| Kind::Text),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') if self.word(b"true") => Ok(Kind::Bool(true)),
            Some(b'f') if self.word(b"false") => Ok(Kind::Bool(false)),
            Some(b'n') if self.word(b"null") => Ok(Kind::Null),
            Some(b'N') if self.word(b"NaN") => Ok(Kind::Float),
            Some(b'I') if self.word(b"Infinity") => Ok(Kind::Float),
            _ => self.fail(Reason::Unexpected),
        }
    }

    /// Takes the rest of a list or an object whose bracket was taken.
    fn nested(&mut self, outer: Kind, depth: usize) -> Lexed<()> {
        // What is open, outermost first: true for an object.
        let mut open = vec![outer == Kind::Object];
        let mut first = true;
        while let Some(&object) = open.last() {
            self.space();
            if self.take(if object { b'}' } else { b']' }) {
                open.pop();
                first = false;
                continue;
            }
            if !first {
                self.expect(b',')?;
                self.space();
            }
            if object {
                self.text()?;
                self.space();
                self.expect(b':')?;
                self.space();
            }
            match self.open(depth + open.len())? {
                kind @ (Kind::List | Kind::Object) => {
                    open.push(kind == Kind::Object);
                    first = true;
                }
                _ => first = false,
            }
        }
        Ok(())
    }
}

/// An integer's value; `None` beyond 64 bits. `digits` is a number of kind [`Kind::Int`].
#[must_use]
pub fn int(digits: &[u8]) -> Option<i64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// A number's value, infinite beyond a double's range. `digits` is a number of kind [`Kind::Int`] or [`Kind::Float`].
#[must_use]
#[allow(clippy::cast_precision_loss)]
pub fn float(digits: &[u8]) -> f64 {
    match digits {
        b"NaN" => f64::NAN,
        b"Infinity" => f64::INFINITY,
        b"-Infinity" => f64::NEG_INFINITY,
        _ => fast_float2::parse(digits).unwrap_or(f64::NAN),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::formats::json;

    fn lex(bytes: &[u8]) -> Lexed<Kind> {
        let mut cursor = Cursor::new(bytes);
        cursor.space();
        let kind = cursor.value(0)?;
        cursor.space();
        if cursor.offset() < bytes.len() { cursor.fail(Reason::Trailing) } else { Ok(kind) }
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
            assert_eq!(lex(text.as_bytes()).is_ok(), json::parse(text.as_bytes()).is_ok(), "{text:?}");
        }
        for depth in [999, 1000, 1001, 5000] {
            let text = "[".repeat(depth) + &"]".repeat(depth);
            assert_eq!(lex(text.as_bytes()).is_ok(), json::parse(text.as_bytes()).is_ok(), "{depth}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]
        #[test]
        fn it_agrees_with_the_parser(text in r#"([\[\]{},:"0-9a-e.+ \\-]|true|NaN|"a":|\\u0|Infinity|null){0,12}"#) {
            let parsed = json::parse(text.as_bytes());
            prop_assert_eq!(lex(text.as_bytes()).is_ok(), parsed.is_ok());
        }
    }
}
