//! JSON as Python's `json` reads and writes it, to the byte.
//!
//! Every recorder in use is Python, so what we hash and compare must be what Python gives: bare `NaN` and `Infinity`
//! tokens, integers of any size, lone surrogates (`"\ud800"`), the last of duplicate keys in the place of the first,
//! floats as `repr` prints them. [`parse`] accepts what `json.loads` accepts of UTF-8 text and refuses the rest with a
//! byte offset; [`JsonValue::to_canonical`] is `json.dumps(v, sort_keys=True, separators=(",", ":"))`,
//! [`JsonValue::config_hash`] its SHA-256.
//! For our own output use `serde_json`: this is not strict JSON.

use std::collections::HashMap;
use std::fmt;

use sha2::{Digest, Sha256};

use crate::support::text::to_hex;

mod dump;
pub(super) mod parse;
pub mod scanner;

pub use dump::{JsonLayout, write_f32, write_f64, write_str};
pub use parse::parse;
pub use scanner::{MAX_DEPTH, ParseError, ParseReason};

/// A JSON value.
#[derive(Debug, Clone, PartialEq)]
pub enum JsonValue {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// An integer: a number without a fraction and an exponent.
    Int(i64),
    /// An integer outside [`i64`]: its decimal digits without leading zeros, with a `-` if negative.
    BigInt(String),
    /// A number with a fraction or an exponent, and `NaN`, `Infinity`, `-Infinity`.
    Float(f64),
    /// Text.
    Text(JsonText),
    /// `[…]`
    Array(Vec<JsonValue>),
    /// `{…}`
    Object(JsonObject),
}

impl JsonValue {
    /// A member of an object; `None` for any other value.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&JsonValue> {
        self.as_object()?.get(key)
    }

    /// The text; `None` if it holds a lone surrogate.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => text.as_str(),
            _ => None,
        }
    }

    /// The value as a 64-bit integer; an integral float counts, a bool does not.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Int(int) => Some(*int),
            Self::Float(float) => float_to_int(*float),
            _ => None,
        }
    }

    /// The value as a number; an integer counts.
    #[must_use]
    #[allow(clippy::cast_precision_loss)]
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Int(int) => Some(*int as f64),
            Self::BigInt(digits) => digits.parse().ok(),
            Self::Float(float) => Some(*float),
            _ => None,
        }
    }

    /// A bool.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(bool) => Some(*bool),
            _ => None,
        }
    }

    /// The items of an array.
    #[must_use]
    pub fn as_array(&self) -> Option<&[JsonValue]> {
        match self {
            Self::Array(items) => Some(items),
            _ => None,
        }
    }

    /// An object.
    #[must_use]
    pub fn as_object(&self) -> Option<&JsonObject> {
        match self {
            Self::Object(object) => Some(object),
            _ => None,
        }
    }

    /// Whether it is `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The kind of value for messages, with its article: `null`, `a bool`, `an int`, …
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a bool",
            Self::Int(_) | Self::BigInt(_) => "an int",
            Self::Float(_) => "a float",
            Self::Text(_) => "a text",
            Self::Array(_) => "a list",
            Self::Object(_) => "an object",
        }
    }

    /// Returns byte for byte what Python's `json.dumps(value, sort_keys=True, separators=(",", ":"))` gives.
    #[must_use]
    pub fn to_canonical(&self) -> String {
        self.dump_with(JsonLayout::CANONICAL)
    }

    /// Returns the lower-case hexadecimal SHA-256 of [`JsonValue::to_canonical`].
    #[must_use]
    pub fn config_hash(&self) -> String {
        to_hex(&Sha256::digest(self.to_canonical().as_bytes()))
    }

    /// Returns the value as text in a layout.
    #[must_use]
    pub fn dump_with(&self, layout: JsonLayout) -> String {
        dump::dump_value(self, layout)
    }

    /// Returns the nearest value of strict JSON, for printing: non-finite numbers become `null`, integers beyond 64
    /// bits floats, lone surrogates U+FFFD.
    #[must_use]
    pub fn to_strict(&self) -> serde_json::Value {
        use serde_json::Value as Strict;
        match self {
            Self::Null => Strict::Null,
            Self::Bool(bool) => Strict::Bool(*bool),
            Self::Int(int) => Strict::from(*int),
            Self::BigInt(digits) => match digits.parse::<u64>() {
                Ok(int) => Strict::from(int),
                Err(_) => self.as_f64().map_or(Strict::Null, Strict::from),
            },
            Self::Float(float) => Strict::from(*float),
            Self::Text(text) => Strict::String(text.to_string()),
            Self::Array(items) => Strict::Array(items.iter().map(JsonValue::to_strict).collect()),
            Self::Object(object) => {
                Strict::Object(object.iter().map(|(key, value)| (key.to_string(), value.to_strict())).collect())
            }
        }
    }
}

/// Returns the integer that a float equals, if 64 bits hold it.
#[must_use]
#[allow(clippy::cast_possible_truncation)]
pub fn float_to_int(float: f64) -> Option<i64> {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0; // 2^63, exact
    (float.trunc() == float && (-LIMIT..LIMIT).contains(&float)).then_some(float as i64)
}

/// Text that may hold lone surrogates, as Python's `str` may. Ordered by code point, as Python orders it.
///
/// Held as generalised UTF-8: code points in UTF-8's scheme, surrogates included. Its byte order is code point order.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct JsonText(Vec<u8>);

impl JsonText {
    /// The text; `None` if it holds a lone surrogate.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// Generalised UTF-8.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The code points, surrogates included.
    pub fn code_points(&self) -> impl Iterator<Item = u32> {
        dump::code_points(&self.0)
    }

    /// Adds a code point, which may be a surrogate.
    fn push_code_point(&mut self, code_point: u32) {
        match char::from_u32(code_point) {
            Some(char) => self.0.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes()),
            // A surrogate: the three bytes of UTF-8's scheme, which UTF-8 itself forbids.
            None => {
                let low = |shift: u32| u8::try_from(code_point >> shift & 0x3f).unwrap_or_default() | 0x80;
                self.0.extend_from_slice(&[0xed, low(6), low(0)]);
            }
        }
    }
}

impl From<&str> for JsonText {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }
}

impl From<String> for JsonText {
    fn from(text: String) -> Self {
        Self(text.into_bytes())
    }
}

impl fmt::Display for JsonText {
    /// Lone surrogates show as U+FFFD.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.as_str() {
            Some(text) => f.write_str(text),
            None => self.code_points().try_for_each(|c| {
                use fmt::Write;
                f.write_char(char::from_u32(c).unwrap_or(char::REPLACEMENT_CHARACTER))
            }),
        }
    }
}

impl fmt::Debug for JsonText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Vec::new();
        dump::write_text(&mut out, &self.0);
        f.write_str(&String::from_utf8_lossy(&out))
    }
}

/// An object: its members in the order of their first appearance, each key once.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct JsonObject {
    members: Vec<(JsonText, JsonValue)>,
}

impl JsonObject {
    /// Makes an object without members.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many members it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether it has no members.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// A member's value.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&JsonValue> {
        self.members.iter().find(|(member_key, _)| member_key.0 == key.as_bytes()).map(|(_, value)| value)
    }

    /// Sets a member: in place if the key exists, else at the end.
    pub fn insert(&mut self, key: impl Into<JsonText>, value: impl Into<JsonValue>) {
        let (key, value) = (key.into(), value.into());
        match self.members.iter_mut().find(|(existing, _)| *existing == key) {
            Some((_, existing)) => *existing = value,
            None => self.members.push((key, value)),
        }
    }

    /// Sets a member and returns the object; see [`JsonObject::insert`].
    #[must_use]
    pub fn with_member(mut self, key: impl Into<JsonText>, value: impl Into<JsonValue>) -> Self {
        self.insert(key, value);
        self
    }

    /// The members, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&JsonText, &JsonValue)> {
        self.members.iter().map(|(key, value)| (key, value))
    }

    /// Makes an object of members as read: of duplicate keys the last value, in the place of the first.
    fn from_read(mut members: Vec<(JsonText, JsonValue)>) -> Self {
        // Up to 16 keys comparing each pair is faster than hashing; beyond, it must not take quadratic time.
        let unique = if members.len() <= 16 {
            members.iter().enumerate().all(|(i, (key, _))| members[..i].iter().all(|(other, _)| other != key))
        } else {
            let mut seen = std::collections::HashSet::with_capacity(members.len());
            members.iter().all(|(key, _)| seen.insert(key.as_bytes()))
        };
        // Rare: only duplicate keys cost a map.
        if !unique {
            let mut positions: HashMap<JsonText, usize> = HashMap::new();
            let mut last_values: Vec<(JsonText, JsonValue)> = Vec::new();
            for (key, value) in members {
                match positions.get(&key).and_then(|&at| last_values.get_mut(at)) {
                    Some(existing) => existing.1 = value,
                    None => {
                        positions.insert(key.clone(), last_values.len());
                        last_values.push((key, value));
                    }
                }
            }
            members = last_values;
        }
        Self { members }
    }
}

impl<K: Into<JsonText>, V: Into<JsonValue>> FromIterator<(K, V)> for JsonObject {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(members: I) -> Self {
        Self::from_read(members.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
    }
}

impl From<bool> for JsonValue {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for JsonValue {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<u64> for JsonValue {
    fn from(value: u64) -> Self {
        i64::try_from(value).map_or_else(|_| Self::BigInt(value.to_string()), Self::Int)
    }
}

impl From<f64> for JsonValue {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl From<&str> for JsonValue {
    fn from(value: &str) -> Self {
        Self::Text(value.into())
    }
}

impl From<String> for JsonValue {
    fn from(value: String) -> Self {
        Self::Text(value.into())
    }
}

impl From<JsonText> for JsonValue {
    fn from(value: JsonText) -> Self {
        Self::Text(value)
    }
}

impl From<JsonObject> for JsonValue {
    fn from(value: JsonObject) -> Self {
        Self::Object(value)
    }
}

impl<T: Into<JsonValue>> From<Vec<T>> for JsonValue {
    fn from(value: Vec<T>) -> Self {
        Self::Array(value.into_iter().map(Into::into).collect())
    }
}

impl<T: Into<JsonValue>> From<Option<T>> for JsonValue {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}
