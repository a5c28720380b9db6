//! A parameter's value, whatever file it came from, and how a plain YAML scalar becomes one.
//!
//! DVC reads YAML with ruamel.yaml under YAML 1.2; [`Value::from_plain`] resolves as that does
//! (`ruamel/yaml/resolver.py`, `implicit_resolvers`). What it reads as a date, or what cannot be told for certain, gives
//! `None`: the caller says that it does not understand it.

use std::fmt;

use super::yaml::{Kind, Node};

/// A value in a params file or in `dvc.lock`.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
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
    List(Vec<Value>),
    /// A mapping, in the file's order.
    Map(Vec<(String, Value)>),
    /// Something that is not resolved here: a date, an alias, a tag, a number out of range.
    Unread,
}

impl Value {
    /// The text, where the value is text.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(text) => Some(text),
            _ => None,
        }
    }

    /// A non-negative whole number.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        match self {
            Self::Int(n) => u64::try_from(*n).ok(),
            _ => None,
        }
    }

    /// The value of a key of a mapping.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        match self {
            Self::Map(entries) => entries.iter().find(|(k, _)| k == key).map(|(_, v)| v),
            _ => None,
        }
    }

    /// The value at a dotted path of keys, as DVC names parameters.
    #[must_use]
    pub fn at(&self, dotted: &str) -> Option<&Value> {
        dotted.split('.').try_fold(self, |value, key| value.get(key))
    }

    /// What a plain scalar means. `None`: a date, or nothing that is read the same everywhere.
    #[must_use]
    pub fn from_plain(text: &str) -> Option<Self> {
        match text {
            "" | "~" | "null" | "Null" | "NULL" => return Some(Self::Null),
            "true" | "True" | "TRUE" => return Some(Self::Bool(true)),
            "false" | "False" | "FALSE" => return Some(Self::Bool(false)),
            "=" | "<<" => return None,
            _ => {}
        }
        if !text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)) {
            return Some(Self::Str(text.to_owned()));
        }
        if let Some(int) = plain_int(text) {
            return int.map(Self::Int);
        }
        if let Some(float) = plain_float(text) {
            return Some(Self::Float(float));
        }
        if looks_like_date(text) { None } else { Some(Self::Str(text.to_owned())) }
    }
}

/// The value of a YAML tree; what [`Node::to_value`] does not resolve is [`Value::Unread`] in its place.
#[must_use]
pub fn lenient(node: &Node) -> Value {
    if node.tag.is_some() {
        return node.to_value().unwrap_or(Value::Unread);
    }
    match &node.kind {
        Kind::Scalar { .. } | Kind::Alias(_) => node.to_value().unwrap_or(Value::Unread),
        Kind::Sequence(items) => Value::List(items.iter().map(lenient).collect()),
        Kind::Mapping(entries) => Value::Map(
            entries.iter().filter_map(|(key, value)| Some((key.text()?.to_owned(), lenient(value)))).collect(),
        ),
    }
}

/// The value of a TOML item.
#[must_use]
pub fn from_toml(item: &toml_edit::Item) -> Value {
    use toml_edit::{Item, Value as Toml};
    fn value(toml: &Toml) -> Value {
        match toml {
            Toml::String(text) => Value::Str(text.value().clone()),
            Toml::Integer(n) => Value::Int((*n.value()).into()),
            Toml::Float(x) => Value::Float(*x.value()),
            Toml::Boolean(b) => Value::Bool(*b.value()),
            Toml::Datetime(_) => Value::Unread,
            Toml::Array(items) => Value::List(items.iter().map(value).collect()),
            Toml::InlineTable(table) => Value::Map(table.iter().map(|(k, v)| (k.to_owned(), value(v))).collect()),
        }
    }
    match item {
        Item::None => Value::Null,
        Item::Value(toml) => value(toml),
        Item::Table(table) => Value::Map(table.iter().map(|(k, v)| (k.to_owned(), from_toml(v))).collect()),
        Item::ArrayOfTables(tables) => Value::List(
            tables.iter().map(|t| Value::Map(t.iter().map(|(k, v)| (k.to_owned(), from_toml(v))).collect())).collect(),
        ),
    }
}

/// The value of a JSON text.
#[must_use]
pub fn from_json(json: &serde_json::Value) -> Value {
    use serde_json::Value as Json;
    match json {
        Json::Null => Value::Null,
        Json::Bool(b) => Value::Bool(*b),
        Json::Number(n) => match (n.as_i128(), n.as_f64()) {
            (Some(n), _) => Value::Int(n),
            (None, Some(x)) => Value::Float(x),
            (None, None) => Value::Unread,
        },
        Json::String(text) => Value::Str(text.clone()),
        Json::Array(items) => Value::List(items.iter().map(from_json).collect()),
        Json::Object(map) => Value::Map(map.iter().map(|(k, v)| (k.clone(), from_json(v))).collect()),
    }
}

/// A whole number as YAML 1.2 and ruamel.yaml write one; the inner `None` is one that does not fit.
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
    let magnitude = i128::from_str_radix(&bare, radix).ok();
    Some(magnitude.map(|n| if negative { -n } else { n }))
}

/// A number with a point or an exponent.
fn plain_float(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    match unsigned {
        ".inf" | ".Inf" | ".INF" => return Some(if text.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY }),
        ".nan" | ".NaN" | ".NAN" if unsigned == text => return Some(f64::NAN),
        _ => {}
    }
    let shape = |c: char| c.is_ascii_digit() || "._eE+-".contains(c);
    if !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') || !unsigned.chars().all(shape) {
        return None;
    }
    text.replace('_', "").parse().ok()
}

fn looks_like_date(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= 8
        && bytes[..4].iter().all(u8::is_ascii_digit)
        && bytes[4] == b'-'
        && bytes[5].is_ascii_digit()
        && bytes.iter().all(|b| b.is_ascii_digit() || b"-:.TtZ+ \t".contains(b))
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(b) => b.fmt(f),
            Self::Int(n) => n.fmt(f),
            Self::Float(x) => write!(f, "{x:?}"),
            Self::Str(text) => f.write_str(text),
            Self::List(_) => f.write_str("a list"),
            Self::Map(_) => f.write_str("a mapping"),
            Self::Unread => f.write_str("something that only DVC reads"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_mean_what_ruamel_reads() {
        let cases = [
            ("0042", Some(Value::Int(42))),
            ("0o17", Some(Value::Int(15))),
            ("1_000", Some(Value::Int(1000))),
            ("1e5", Some(Value::Float(1e5))),
            ("yes", Some(Value::Str("yes".into()))),
            ("13:45", Some(Value::Str("13:45".into()))),
            ("2026-01-01", None),
            ("~", Some(Value::Null)),
            ("a/b", Some(Value::Str("a/b".into()))),
            ("1.2.3", Some(Value::Str("1.2.3".into()))),
            ("-", Some(Value::Str("-".into()))),
        ];
        for (text, want) in cases {
            assert_eq!(Value::from_plain(text), want, "{text}");
        }
    }
}
