//! A parameter's value, whatever file it came from, and how a plain YAML scalar becomes one.
//!
//! DVC reads YAML with ruamel.yaml under YAML 1.2; [`ParamsValue::from_plain`] resolves scalars the same way
//! (`ruamel/yaml/resolver.py`, `implicit_resolvers`). A date, or a value that is not certain, gives `None`, and the
//! caller reports it. If a mapping takes in entries that are not resolved here (a merge `<<`, a key that is an alias),
//! a key that it does not write itself is [`ParamsValue::Unresolved`], never absent.

use std::fmt;

/// The key that takes in another mapping's entries.
pub(crate) const MERGE_KEY: &str = "<<";

/// A value in a params file or in `dvc.lock`.
#[derive(Debug, Clone, PartialEq)]
pub enum ParamsValue {
    /// `null`, `~`, nothing.
    Null,
    /// `true`, `false`.
    Bool(bool),
    /// A whole number.
    Int(i128),
    /// Any other number.
    Float(f64),
    /// Text.
    Str(String),
    /// A list.
    List(Vec<ParamsValue>),
    /// A mapping, in the file's order.
    Map(Vec<(String, ParamsValue)>),
    /// Something that is not resolved here: a date, an alias, a tag, a number out of range.
    Unresolved,
}

impl ParamsValue {
    /// The text; `None` for any other value.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The value as a non-negative whole number.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        match self {
            Self::Int(n) => u64::try_from(*n).ok(),
            _ => None,
        }
    }

    /// The value of a key of a mapping; [`Self::Unresolved`] if the mapping, or a part of it, is.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&ParamsValue> {
        match self {
            Self::Map(entries) => {
                // A key that is written wins over a merged one, as in YAML.
                let written = entries.iter().find(|(k, _)| k == key);
                written.or_else(|| entries.iter().find(|(k, _)| k == MERGE_KEY)).map(|(_, v)| v)
            }
            Self::Unresolved => Some(self),
            _ => None,
        }
    }

    /// The value at a dotted path of keys, as DVC names parameters.
    #[must_use]
    pub fn at_path(&self, dotted: &str) -> Option<&ParamsValue> {
        dotted.split('.').try_fold(self, |value, key| value.get(key))
    }

    /// Resolves a plain scalar; `None` for a date, or for text that readers take for different things.
    #[must_use]
    pub fn from_plain(text: &str) -> Option<Self> {
        match text {
            "" | "~" | "null" | "Null" | "NULL" => return Some(Self::Null),
            "true" | "True" | "TRUE" => return Some(Self::Bool(true)),
            "false" | "False" | "FALSE" => return Some(Self::Bool(false)),
            // return None, => To ruamel.yaml these are the tags `value` and `merge`.
            "=" | "<<" => return None,
            _ => {}
        }
        // For speed: every number and date begins with one of these characters.
        if !text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)) {
            return Some(Self::Str(text.to_owned()));
        }
        if is_float(text) {
            return plain_float(text).map(Self::Float);
        }
        if let Some(int) = plain_int(text) {
            return int.map(Self::Int);
        }
        if looks_like_date(text) { None } else { Some(Self::Str(text.to_owned())) }
    }
}

/// Returns the value of a TOML item; a date becomes [`ParamsValue::Unresolved`].
#[must_use]
pub fn from_toml(item: &toml_edit::Item) -> ParamsValue {
    use toml_edit::{Item, Value as Toml};
    fn value(toml: &Toml) -> ParamsValue {
        match toml {
            Toml::String(text) => ParamsValue::Str(text.value().clone()),
            Toml::Integer(n) => ParamsValue::Int((*n.value()).into()),
            Toml::Float(x) => ParamsValue::Float(*x.value()),
            Toml::Boolean(b) => ParamsValue::Bool(*b.value()),
            Toml::Datetime(_) => ParamsValue::Unresolved,
            Toml::Array(items) => ParamsValue::List(items.iter().map(value).collect()),
            Toml::InlineTable(table) => ParamsValue::Map(table.iter().map(|(k, v)| (k.to_owned(), value(v))).collect()),
        }
    }
    match item {
        Item::None => ParamsValue::Null,
        Item::Value(toml) => value(toml),
        Item::Table(table) => ParamsValue::Map(table.iter().map(|(k, v)| (k.to_owned(), from_toml(v))).collect()),
        Item::ArrayOfTables(tables) => ParamsValue::List(
            tables
                .iter()
                .map(|t| ParamsValue::Map(t.iter().map(|(k, v)| (k.to_owned(), from_toml(v))).collect()))
                .collect(),
        ),
    }
}

/// Returns the value of a JSON value; text with a lone surrogate becomes [`ParamsValue::Unresolved`].
#[must_use]
pub fn from_json(json: &super::json::JsonValue) -> ParamsValue {
    use crate::formats::json::{JsonText, JsonValue as Json};
    match json {
        Json::Null => ParamsValue::Null,
        Json::Bool(b) => ParamsValue::Bool(*b),
        Json::Int(n) => ParamsValue::Int((*n).into()),
        Json::BigInt(digits) => digits.parse().map_or(ParamsValue::Unresolved, ParamsValue::Int),
        Json::Float(x) => ParamsValue::Float(*x),
        Json::Text(text) => text.as_str().map_or(ParamsValue::Unresolved, |text| ParamsValue::Str(text.to_owned())),
        Json::Array(items) => ParamsValue::List(items.iter().map(from_json).collect()),
        Json::Object(map) => {
            let entry = |(key, value): (&JsonText, &Json)| Some((key.as_str()?.to_owned(), from_json(value)));
            ParamsValue::Map(map.iter().filter_map(entry).collect())
        }
    }
}

/// Parses a whole number of YAML 1.2, with ruamel.yaml's `_`; the inner `None` is a number outside of `i128`.
fn plain_int(text: &str) -> Option<Option<i128>> {
    let (negative, digits) = match text.strip_prefix(['-', '+']) {
        Some(rest) => (text.starts_with('-'), rest),
        None => (false, text),
    };
    let (radix, digits) = if let Some(rest) = digits.strip_prefix("0b") {
        (2, rest)
    } else if let Some(rest) = digits.strip_prefix("0o") {
        (8, rest)
    } else if let Some(rest) = digits.strip_prefix("0x") {
        (16, rest)
    } else {
        (10, digits)
    };
    if digits.is_empty() || !digits.chars().all(|c| c == '_' || c.is_digit(radix)) {
        return None;
    }
    let bare: String = digits.chars().filter(|c| *c != '_').collect();
    // Python's integers have no limit; beyond 128 bits the value stays unresolved.
    let magnitude = i128::from_str_radix(&bare, radix).ok();
    Some(magnitude.map(|n| if negative { -n } else { n }))
}

/// Whether ruamel.yaml takes a plain scalar for a number with a point or an exponent. A number that begins with the
/// point needs a sign in its exponent: `.5e3` is text.
fn is_float(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    let power = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match mantissa.split_once('.') {
        Some(("", after)) => {
            let exponent = exponent.is_none_or(|e| e.strip_prefix(['-', '+']).is_some_and(power));
            !after.is_empty() && digits(after) && exponent
        }
        Some((before, after)) => {
            let exponent = exponent.is_none_or(|e| power(e.strip_prefix(['-', '+']).unwrap_or(e)));
            before.starts_with(|c: char| c.is_ascii_digit()) && digits(before) && digits(after) && exponent
        }
        None => {
            let exponent = exponent.is_some_and(|e| power(e.strip_prefix(['-', '+']).unwrap_or(e)));
            mantissa.starts_with(|c: char| c.is_ascii_digit()) && digits(mantissa) && exponent
        }
    }
}

/// Parses such a number; `None` if ruamel.yaml fails on it, too (`._`).
fn plain_float(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    match unsigned {
        ".inf" | ".Inf" | ".INF" => Some(if text.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY }),
        ".nan" | ".NaN" | ".NAN" => Some(f64::NAN),
        // ruamel.yaml drops underscores, too (`construct_yaml_float`).
        _ => text.replace('_', "").parse().ok(),
    }
}

fn looks_like_date(text: &str) -> bool {
    let bytes = text.as_bytes();
    // Wider than ruamel.yaml's pattern: text that could be a date stays unresolved.
    bytes.len() >= 8
        && bytes[..4].iter().all(u8::is_ascii_digit)
        && bytes[4] == b'-'
        && bytes[5].is_ascii_digit()
        && bytes.iter().all(|b| b.is_ascii_digit() || b"-:.TtZ+ \t".contains(b))
}

impl fmt::Display for ParamsValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(b) => b.fmt(f),
            Self::Int(n) => n.fmt(f),
            Self::Float(x) => write!(f, "{x:?}"),
            Self::Str(text) => f.write_str(text),
            Self::List(_) => f.write_str("a list"),
            Self::Map(_) => f.write_str("a mapping"),
            Self::Unresolved => f.write_str("something that only DVC reads"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_mean_what_ruamel_reads() {
        let cases = [
            ("0042", Some(ParamsValue::Int(42))),
            ("0o17", Some(ParamsValue::Int(15))),
            ("1_000", Some(ParamsValue::Int(1000))),
            ("1e5", Some(ParamsValue::Float(1e5))),
            ("1_0.e+5", Some(ParamsValue::Float(1e6))),
            (".5e3", Some(ParamsValue::Str(".5e3".into()))),
            ("-.5e-3", Some(ParamsValue::Float(-0.5e-3))),
            ("+.nan", Some(ParamsValue::Str("+.nan".into()))),
            ("1e", Some(ParamsValue::Str("1e".into()))),
            ("._", None),
            ("yes", Some(ParamsValue::Str("yes".into()))),
            ("13:45", Some(ParamsValue::Str("13:45".into()))),
            ("2026-01-01", None),
            ("~", Some(ParamsValue::Null)),
            ("a/b", Some(ParamsValue::Str("a/b".into()))),
            ("1.2.3", Some(ParamsValue::Str("1.2.3".into()))),
            ("-", Some(ParamsValue::Str("-".into()))),
        ];
        for (text, expected) in cases {
            assert_eq!(ParamsValue::from_plain(text), expected, "{text}");
        }
    }
}
