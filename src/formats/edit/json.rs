//! One parameter of a `params.json`, to the byte: a scanner finds where the value is, the raw text is spliced.

use std::ops::Range;

use super::{EditedParams, ParamLeaf, Splice, line_break};
use crate::formats::edit::toml::{sorted_text, with_leaf};
use crate::formats::value::{ParamsValue, from_json};
use crate::formats::{ParamsError, checked_text, parse_json};

pub(crate) fn set_json(leaf: ParamLeaf<'_>, bytes: &[u8], text: &str) -> Result<EditedParams, ParamsError> {
    let to_json_string = |text: &str| serde_json::Value::from(text).to_string();
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
    let scan = JsonScan { bytes };
    let members_of = |span: &Range<usize>, what: &str| {
        let members = scan
            .read_members(span.start)
            .ok_or_else(|| leaf.refuse_edit(line_at(span.start), format!("{what} is not an object")))?;
        let mut seen = std::collections::HashSet::new();
        match members.iter().find(|m| !seen.insert(m.name.as_str())) {
            Some(duplicate) => {
                Err(leaf.refuse_edit(line_at(duplicate.value.start), format!("`{}` is written twice", duplicate.name)))
            }
            None => Ok(members),
        }
    };
    let root = scan.skip_space(0)..bytes.len();
    let sections = members_of(&root, "the file")?;
    let splice = match sections.iter().find(|m| m.name == leaf.section) {
        None => {
            let member =
                format!("{}: {{{}: {}}}", to_json_string(leaf.section), to_json_string(leaf.key), to_json_string(text));
            scan.insert_member(root.start, &member)
        }
        Some(section) => {
            let members = members_of(&section.value, &format!("`{}`", leaf.section))?;
            match members.iter().find(|m| m.name == leaf.key) {
                None => scan.insert_member(
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
    if sorted_text(&read(&new)?) != with_leaf(&before, leaf, text) {
        return Err(leaf
            .refuse_edit(line_at(splice.at.start), format!("`{}` cannot be changed without changing more", leaf.key)));
    }
    let old = before.get(leaf.section).and_then(|s| s.get(leaf.key)).and_then(ParamsValue::as_str).map(str::to_owned);
    Ok(EditedParams { bytes: new, old })
}

/// A member of an object, and where its value is.
struct JsonMember {
    name: String,
    value: Range<usize>,
}

/// Finds places in a text that a JSON parser has accepted.
struct JsonScan<'a> {
    bytes: &'a [u8],
}

impl JsonScan<'_> {
    fn skip_space(&self, mut at: usize) -> usize {
        while self.bytes.get(at).is_some_and(u8::is_ascii_whitespace) {
            at += 1;
        }
        at
    }

    /// The end of the string that starts here.
    fn string_end(&self, start: usize) -> Option<usize> {
        let mut at = start + 1;
        loop {
            match self.bytes.get(at)? {
                b'"' => return Some(at + 1),
                b'\\' => at += 2,
                _ => at += 1,
            }
        }
    }

    /// The end of the value that starts here.
    fn value_end(&self, start: usize) -> Option<usize> {
        let mut depth = 0_usize;
        let mut at = start;
        loop {
            match self.bytes.get(at) {
                Some(b'"') => at = self.string_end(at)?,
                Some(b'{' | b'[') => {
                    depth += 1;
                    at += 1;
                }
                Some(b'}' | b']') if depth == 0 => return Some(at),
                Some(b'}' | b']') => {
                    depth -= 1;
                    at += 1;
                }
                Some(b',') if depth == 0 => return Some(at),
                Some(b) if depth == 0 && b.is_ascii_whitespace() => return Some(at),
                Some(_) => at += 1,
                None => return (depth == 0).then_some(at),
            }
            if depth == 0 && self.bytes.get(at.wrapping_sub(1)).is_some_and(|b| b"\"}]".contains(b)) {
                return Some(at);
            }
        }
    }

    /// The members of the object that starts here.
    fn read_members(&self, start: usize) -> Option<Vec<JsonMember>> {
        if self.bytes.get(start) != Some(&b'{') {
            return None;
        }
        let mut out = Vec::new();
        let mut at = self.skip_space(start + 1);
        while self.bytes.get(at) == Some(&b'"') {
            let end = self.string_end(at)?;
            let name = serde_json::from_slice(self.bytes.get(at..end)?).ok()?;
            let value = self.skip_space(self.skip_space(end) + 1);
            let value_end = self.value_end(value)?;
            out.push(JsonMember { name, value: value..value_end });
            at = self.skip_space(value_end);
            if self.bytes.get(at) == Some(&b',') {
                at = self.skip_space(at + 1);
            }
        }
        (self.bytes.get(at) == Some(&b'}')).then_some(out)
    }

    /// A new first member of the object that starts here, on a line of its own where the object has lines.
    fn insert_member(&self, start: usize, member: &str) -> Splice {
        let first = self.skip_space(start + 1);
        let gap = self.bytes.get(start + 1..first).unwrap_or_default();
        let empty = self.bytes.get(first) == Some(&b'}');
        let text = match gap.iter().rposition(|b| *b == b'\n') {
            _ if empty => member.to_owned(),
            Some(at) => {
                let indent = String::from_utf8_lossy(gap.get(at + 1..).unwrap_or_default()).into_owned();
                format!("{}{indent}{member},", line_break(self.bytes))
            }
            None => format!("{member}, "),
        };
        Splice { at: start + 1..start + 1, text }
    }
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
