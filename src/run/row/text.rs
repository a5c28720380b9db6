//! Texts of a row, and values as messages show them.

use std::ops::Range;

use crate::formats::json;
use crate::formats::json::JsonValue;
use crate::formats::json::scanner::TokenKind;
use crate::run::schema::Column;
use crate::run::strict::push_strict;

/// Decodes a JSON text with its quotes; `None` if it holds a lone surrogate.
pub(super) fn decode_text(raw: &[u8]) -> Option<String> {
    match raw {
        [b'"', inner @ .., b'"'] if !inner.contains(&b'\\') => std::str::from_utf8(inner).ok().map(str::to_owned),
        _ => match json::parse(raw) {
            Ok(JsonValue::Text(text)) => text.as_str().map(str::to_owned),
            _ => None,
        },
    }
}

pub(super) fn describe_not_allowed(bytes: &[u8], column: &Column) -> String {
    const MOST: usize = 8;
    let mut names: Vec<&str> = column.allowed.iter().take(MOST).map(String::as_str).collect();
    if column.allowed.len() > MOST {
        names.push("…");
    }
    format!("{}, which is none of {}", excerpt_of(bytes), names.join(", "))
}

/// Describes a value for a message.
pub(super) fn describe_value(kind: TokenKind, value: &[u8]) -> String {
    match kind {
        TokenKind::Null => "null".into(),
        TokenKind::List | TokenKind::Object => kind.name().into(),
        _ => format!("{} {}", kind.name(), excerpt_of(value)),
    }
}

/// Returns the beginning of a value for a message.
pub(super) fn excerpt_of(value: &[u8]) -> String {
    // Enough to recognize a value; a text of a megabyte must not fill the terminal.
    const MOST: usize = 40;
    let text = String::from_utf8_lossy(value);
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.into_owned(),
    }
}

/// Appends a member to an object without closing brace, as JSON that every reader accepts; returns the ranges of its
/// key and value.
pub(in crate::run) fn push_member(
    object: &mut String,
    line: &[u8],
    key: &Range<usize>,
    value: &Range<usize>,
) -> (Range<usize>, Range<usize>) {
    let text = |range: &Range<usize>| {
        line.get(range.clone()).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
    };
    object.push_str(if object.is_empty() { "{" } else { ", " });
    let start = object.len();
    push_strict(object, text(key));
    let key_end = object.len();
    object.push_str(": ");
    let value_start = object.len();
    push_strict(object, text(value));
    (start..key_end, value_start..object.len())
}
