//! Sets one parameter of a `params.json` and changes no other byte.
//!
//! The scanner finds the value's bytes, and the raw text is spliced; then both texts are parsed and compared, and any
//! other difference is an error. Nothing is reformatted, and no file is written here.

use std::ops::Range;

use super::splice::{EditedParams, ParamLeaf, Splice, line_break, sorted_text, with_leaf};
use crate::formats::json::parse::unescape;
use crate::formats::json::scanner::{JsonCursor, ParseError};
use crate::formats::value::{ParamsValue, from_json};
use crate::formats::{ParamsError, checked_text, parse_json};

pub(crate) fn set_json(leaf: ParamLeaf<'_>, bytes: &[u8], text: &str) -> Result<EditedParams, ParamsError> {
    let to_json_string = |text: &str| serde_json::Value::from(text).to_string();
    // An empty file is no JSON, but a user can have made one with `touch`.
    if bytes.iter().all(u8::is_ascii_whitespace) {
        let new = format!(
            "{{\n  {}: {{\n    {}: {}\n  }}\n}}\n",
            to_json_string(leaf.section),
            to_json_string(leaf.key),
            to_json_string(text)
        );
        return Ok(EditedParams { bytes: new.into_bytes(), old: None });
    }
    let read = |bytes: &[u8]| -> Result<ParamsValue, ParamsError> {
        let json = checked_text(bytes)
            .and_then(parse_json)
            .map_err(|(line_at, message)| leaf.refuse_edit(line_at, message))?;
        Ok(from_json(&json))
    };
    let line_at = |at: usize| bytes.get(..at).unwrap_or_default().iter().filter(|b| **b == b'\n').count() + 1;
    let before = read(bytes)?;
    let members_of = |start: usize, what: &str| {
        let members = read_members(bytes, start)
            .ok()
            .flatten()
            .ok_or_else(|| leaf.refuse_edit(line_at(start), format!("{what} is not an object")))?;
        let mut seen = std::collections::HashSet::new();
        // Python's `json` takes the last of duplicate keys, other readers the first.
        match members.iter().find(|m| !seen.insert(m.name.as_str())) {
            Some(duplicate) => {
                Err(leaf.refuse_edit(line_at(duplicate.value.start), format!("`{}` is written twice", duplicate.name)))
            }
            None => Ok(members),
        }
    };
    let mut cursor = JsonCursor::new(bytes);
    cursor.skip_space();
    let root = cursor.offset();
    let sections = members_of(root, "the file")?;
    let splice = match sections.iter().find(|m| m.name == leaf.section) {
        None => {
            let member =
                format!("{}: {{{}: {}}}", to_json_string(leaf.section), to_json_string(leaf.key), to_json_string(text));
            insert_member(bytes, root, &member)
        }
        Some(section) => {
            let members = members_of(section.value.start, &format!("`{}`", leaf.section))?;
            match members.iter().find(|m| m.name == leaf.key) {
                None => insert_member(
                    bytes,
                    section.value.start,
                    &format!("{}: {}", to_json_string(leaf.key), to_json_string(text)),
                ),
                Some(member) => {
                    if bytes.get(member.value.start).is_some_and(|b| b"[{".contains(b)) {
                        return Err(leaf.refuse_edit(
                            line_at(member.value.start),
                            format!("`{}` is not a single value", leaf.key),
                        ));
                    }
                    Splice { at: member.value.clone(), text: to_json_string(text) }
                }
            }
        }
    };
    let new = splice.apply_to(bytes);
    // The check of the whole edit: parsed again, nothing but this parameter has changed.
    if sorted_text(&read(&new)?) != with_leaf(&before, leaf, text) {
        return Err(leaf
            .refuse_edit(line_at(splice.at.start), format!("`{}` cannot be changed without changing more", leaf.key)));
    }
    let old = before.get(leaf.section).and_then(|s| s.get(leaf.key)).and_then(ParamsValue::as_str).map(str::to_owned);
    Ok(EditedParams { bytes: new, old })
}

/// A member of an object, and the bytes of its value.
struct JsonMember {
    name: String,
    value: Range<usize>,
}

/// Returns the members of the object that begins at `start`; `None` if no object begins there.
fn read_members(bytes: &[u8], start: usize) -> Result<Option<Vec<JsonMember>>, ParseError> {
    let mut cursor = JsonCursor::at_offset(bytes, start);
    if !cursor.take_byte(b'{') {
        return Ok(None);
    }
    let mut members = Vec::new();
    cursor.skip_space();
    while !cursor.take_byte(b'}') {
        let name = cursor.take_key()?;
        let value = cursor.offset();
        cursor.take_value(1)?;
        let name = unescape(cursor.bytes_at(name)).to_string();
        members.push(JsonMember { name, value: value..cursor.offset() });
        cursor.skip_space();
        if cursor.take_byte(b',') {
            cursor.skip_space();
        }
    }
    Ok(Some(members))
}

/// Inserts a new first member into the object that begins at `start`, on its own line if the object's members have
/// lines.
fn insert_member(bytes: &[u8], start: usize, member: &str) -> Splice {
    let mut cursor = JsonCursor::at_offset(bytes, start + 1);
    cursor.skip_space();
    let gap = cursor.taken_from(start + 1);
    // A new line copies the indentation of the first member.
    let text = match gap.iter().rposition(|b| *b == b'\n') {
        _ if cursor.peek_byte() == Some(b'}') => member.to_owned(),
        Some(at) => {
            let indent = String::from_utf8_lossy(gap.get(at + 1..).unwrap_or_default()).into_owned();
            format!("{}{indent}{member},", line_break(bytes))
        }
        None => format!("{member}, "),
    };
    Splice { at: start + 1..start + 1, text }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const LEAF: ParamLeaf<'_> = ParamLeaf { file: "params.json", section: "ingest_capture", key: "run_dir" };

    fn edit_text(source: &str, text: &str) -> String {
        String::from_utf8(set_json(LEAF, source.as_bytes(), text).unwrap().bytes).unwrap()
    }

    #[test]
    fn only_the_value_changes() {
        let source = "{\r\n\t\"a\": {\"run_dir\": [1e5, \"}\\\"\"]},\r\n\t\"ingest_capture\" : { \"x\": null, \"run_dir\":\"old\" , \"y\": -0.0}}";
        assert_eq!(edit_text(source, "a/\"b"), source.replace("\"old\"", "\"a/\\\"b\""));
        assert_eq!(
            edit_text("{\"ingest_capture\":{\"run_dir\":null}}\n", "a"),
            "{\"ingest_capture\":{\"run_dir\":\"a\"}}\n"
        );
    }

    #[test]
    fn what_is_missing_is_added() {
        assert_eq!(edit_text("{}", "a"), "{\"ingest_capture\": {\"run_dir\": \"a\"}}");
        assert_eq!(
            edit_text("{\n  \"b\": 1\n}\n", "a"),
            "{\n  \"ingest_capture\": {\"run_dir\": \"a\"},\n  \"b\": 1\n}\n"
        );
        assert!(edit_text("", "a").contains("\"run_dir\": \"a\""));
    }

    #[test]
    fn what_cannot_be_edited_is_refused() {
        for source in [
            "[]",
            "{\"ingest_capture\": 1}",
            "{\"ingest_capture\": {\"run_dir\": {}}}",
            "{\"ingest_capture\": {\"run_dir\": 1, \"run_dir\": 2}}",
            "{",
        ] {
            assert!(set_json(LEAF, source.as_bytes(), "a").is_err(), "{source}");
        }
    }
}
