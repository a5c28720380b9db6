//! Sets one parameter of a `params.toml` and changes no other byte.
//!
//! `toml_edit` gives the position of the value's bytes, and the raw text is spliced; then both texts are parsed and
//! compared, and any other difference is an error. Its own writer is not used, and no file is written here.

use std::ops::Range;

use toml_edit::{Document, Item, TomlError};

use super::splice::{EditedParams, ParamLeaf, Splice, line_break, sorted_text, with_leaf};
use crate::formats::value::from_toml;
use crate::formats::{ParamsError, checked_text};

pub(crate) fn set_toml(leaf: ParamLeaf<'_>, bytes: &[u8], text: &str) -> Result<EditedParams, ParamsError> {
    let source = checked_text(bytes).map_err(|(line_at, message)| leaf.refuse_edit(line_at, message))?;
    let to_error = |e: TomlError, source: &str| {
        let before = e.span().and_then(|s| source.get(..s.start)).unwrap_or_default();
        leaf.refuse_edit(before.matches('\n').count() + 1, e.message().trim().to_owned())
    };
    let document = Document::parse(source).map_err(|e| to_error(e, source))?;
    let line_at = |span: &Range<usize>| source.get(..span.start).unwrap_or_default().matches('\n').count() + 1;
    let nl = line_break(bytes);
    let section = document.as_table().get(leaf.section);
    let value = section.and_then(|s| s.get(leaf.key));
    let splice = match (section, value) {
        (_, Some(item)) => {
            let span =
                item.span().ok_or_else(|| leaf.refuse_edit(1, format!("`{}` is not a single value", leaf.key)))?;
            // An array or table is never replaced by a text.
            if !item.is_value() || item.is_array() || item.is_inline_table() {
                return Err(
                    leaf.refuse_edit(line_at(&span), format!("`{}.{}` is not a single value", leaf.section, leaf.key))
                );
            }
            // Keep the quotes that the user chose, if the text allows it.
            let literal = source.get(span.clone()).is_some_and(|s| s.starts_with('\'') && !s.starts_with("'''"));
            Splice { at: span, text: toml_string(text, literal) }
        }
        (None, None) => {
            // A new table is put at the end of the file, where its header cannot take keys from another table.
            let end = bytes.len();
            let first = if source.is_empty() || source.ends_with('\n') { "" } else { nl };
            let text = format!("{first}[{}]{nl}{} = {}{nl}", leaf.section, leaf.key, toml_string(text, false));
            Splice { at: end..end, text }
        }
        // A dotted or implicit table has no header of its own that a line could follow.
        (Some(Item::Table(table)), None) if !table.is_dotted() && !table.is_implicit() => {
            let span = table.span().ok_or_else(|| leaf.refuse_edit(1, "the table has no position"))?;
            // The line after the header: the first place that certainly belongs to this table.
            let header_end = source.get(span.start..).and_then(|s| s.find('\n')).map(|at| span.start + at + 1);
            let entry = format!("{} = {}", leaf.key, toml_string(text, false));
            match header_end {
                Some(at) => Splice { at: at..at, text: format!("{entry}{nl}") },
                None => Splice { at: bytes.len()..bytes.len(), text: format!("{nl}{entry}") },
            }
        }
        (Some(item), None) => {
            let at = item.span().map_or(1, |span| line_at(&span));
            return Err(leaf.refuse_edit(at, format!("`{}` is not a table that a line can be added to", leaf.section)));
        }
    };
    let old = value.and_then(Item::as_str).map(str::to_owned);
    let new = splice.apply_to(bytes);
    let after_source = std::str::from_utf8(&new).map_err(|_| leaf.refuse_edit(1, "not UTF-8"))?;
    let after = Document::parse(after_source).map_err(|e| to_error(e, after_source))?;
    // The check of the whole edit: parsed again, nothing but this parameter has changed.
    if with_leaf(&from_toml(document.as_item()), leaf, text) != sorted_text(&from_toml(after.as_item())) {
        return Err(
            leaf.refuse_edit(1, format!("`{}.{}` cannot be changed without changing more", leaf.section, leaf.key))
        );
    }
    Ok(EditedParams { bytes: new, old })
}

/// Writes a TOML string, literal (`'…'`) if asked and possible.
fn toml_string(text: &str, literal: bool) -> String {
    if literal && !text.contains('\'') && !text.chars().any(char::is_control) {
        return format!("'{text}'");
    }
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const LEAF: ParamLeaf<'_> = ParamLeaf { file: "params.toml", section: "ingest_capture", key: "run_dir" };

    fn edit_text(source: &str, text: &str) -> String {
        String::from_utf8(set_toml(LEAF, source.as_bytes(), text).unwrap().bytes).unwrap()
    }

    #[test]
    fn only_the_value_changes() {
        let source =
            "# c\r\na = 1979-05-27\r\n[ingest_capture] # s\r\n  run_dir = 'x'   # run_dir = 'y'\r\nout_dir=\"d\"\r\n";
        assert_eq!(edit_text(source, "a/b"), source.replace("'x'", "'a/b'"));
        assert_eq!(
            edit_text("ingest_capture.run_dir = \"\"\"\nx\"\"\" # c\n", "a"),
            "ingest_capture.run_dir = \"a\" # c\n"
        );
        assert_eq!(edit_text("ingest_capture = {run_dir=\"x\"}", "a\n"), "ingest_capture = {run_dir=\"a\\n\"}");
    }

    #[test]
    fn what_is_missing_is_added() {
        assert_eq!(edit_text("", "a"), "[ingest_capture]\nrun_dir = \"a\"\n");
        assert_eq!(edit_text("b = 1", "a"), "b = 1\n[ingest_capture]\nrun_dir = \"a\"\n");
        assert_eq!(
            edit_text("[ingest_capture]\nout_dir = 'd'\n", "a"),
            "[ingest_capture]\nrun_dir = \"a\"\nout_dir = 'd'\n"
        );
    }

    #[test]
    fn what_cannot_be_edited_is_refused() {
        for source in [
            "[ingest_capture]\nrun_dir = 1\nrun_dir = 2\n",
            "ingest_capture = 1\n",
            "[ingest_capture]\nrun_dir = [1]\n",
            "x",
        ] {
            assert!(set_toml(LEAF, source.as_bytes(), "a").is_err(), "{source}");
        }
    }
}
