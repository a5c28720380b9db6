//! One parameter of a `params.toml`, to the byte: `toml_edit` tells where the value is, the raw text is spliced.

use std::ops::Range;

use toml_edit::{Document, Item, TomlError};

use super::{Edited, Leaf, Splice, line_break};
use crate::formats::value::{Value, from_toml};
use crate::formats::{ParamsError, checked_text};

pub(crate) fn set(leaf: Leaf<'_>, bytes: &[u8], text: &str) -> Result<Edited, ParamsError> {
    let source = checked_text(bytes).map_err(|(line, message)| leaf.refuse(line, message))?;
    let fail = |e: TomlError, source: &str| {
        let before = e.span().and_then(|s| source.get(..s.start)).unwrap_or_default();
        leaf.refuse(before.matches('\n').count() + 1, e.message().trim().to_owned())
    };
    let document = Document::parse(source).map_err(|e| fail(e, source))?;
    let line = |span: &Range<usize>| source.get(..span.start).unwrap_or_default().matches('\n').count() + 1;
    let nl = line_break(bytes);
    let section = document.as_table().get(leaf.section);
    let value = section.and_then(|s| s.get(leaf.key));
    let splice = match (section, value) {
        (_, Some(item)) => {
            let span = item.span().ok_or_else(|| leaf.refuse(1, format!("`{}` is not a single value", leaf.key)))?;
            if !item.is_value() || item.is_array() || item.is_inline_table() {
                return Err(leaf.refuse(line(&span), format!("`{}.{}` is not a single value", leaf.section, leaf.key)));
            }
            let literal = source.get(span.clone()).is_some_and(|s| s.starts_with('\'') && !s.starts_with("'''"));
            Splice { at: span, text: quoted(text, literal) }
        }
        (None, None) => {
            let end = bytes.len();
            let first = if source.is_empty() || source.ends_with('\n') { "" } else { nl };
            let text = format!("{first}[{}]{nl}{} = {}{nl}", leaf.section, leaf.key, quoted(text, false));
            Splice { at: end..end, text }
        }
        (Some(Item::Table(table)), None) if !table.is_dotted() && !table.is_implicit() => {
            let span = table.span().ok_or_else(|| leaf.refuse(1, "a table whose place is not known"))?;
            let header_end = source.get(span.start..).and_then(|s| s.find('\n')).map(|at| span.start + at + 1);
            let entry = format!("{} = {}", leaf.key, quoted(text, false));
            match header_end {
                Some(at) => Splice { at: at..at, text: format!("{entry}{nl}") },
                None => Splice { at: bytes.len()..bytes.len(), text: format!("{nl}{entry}") },
            }
        }
        (Some(item), None) => {
            let at = item.span().map_or(1, |span| line(&span));
            return Err(leaf.refuse(at, format!("`{}` is not a table that a line can be added to", leaf.section)));
        }
    };
    let old = value.and_then(Item::as_str).map(str::to_owned);
    let new = splice.apply(bytes);
    let after_source = std::str::from_utf8(&new).map_err(|_| leaf.refuse(1, "not UTF-8"))?;
    let after = Document::parse(after_source).map_err(|e| fail(e, after_source))?;
    if with(&from_toml(document.as_item()), leaf, text) != sorted(&from_toml(after.as_item())) {
        return Err(leaf.refuse(1, format!("`{}.{}` cannot be changed without changing more", leaf.section, leaf.key)));
    }
    Ok(Edited { bytes: new, old })
}

/// The values with the leaf set, in an order that does not matter.
pub(crate) fn with(values: &Value, leaf: Leaf<'_>, text: &str) -> String {
    let Value::Map(mut sections) = values.clone() else { return String::new() };
    if !sections.iter().any(|(name, _)| name == leaf.section) {
        sections.push((leaf.section.to_owned(), Value::Map(Vec::new())));
    }
    for (name, section) in &mut sections {
        if name == leaf.section
            && let Value::Map(entries) = section
        {
            entries.retain(|(key, _)| key != leaf.key);
            entries.push((leaf.key.to_owned(), Value::Str(text.to_owned())));
        }
    }
    sorted(&Value::Map(sections))
}

/// Values as text, mappings sorted by key, for comparing (a NaN equals itself there).
pub(crate) fn sorted(value: &Value) -> String {
    match value {
        Value::Map(entries) => {
            let mut rows: Vec<String> = entries.iter().map(|(k, v)| format!("{k:?}:{}", sorted(v))).collect();
            rows.sort();
            format!("{{{}}}", rows.join(","))
        }
        Value::List(items) => format!("[{}]", items.iter().map(sorted).collect::<Vec<_>>().join(",")),
        other => format!("{other:?}"),
    }
}

/// A TOML string.
fn quoted(text: &str, literal: bool) -> String {
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

    const LEAF: Leaf<'_> = Leaf { file: "params.toml", section: "ingest_capture", key: "run_dir" };

    fn edited(source: &str, text: &str) -> String {
        String::from_utf8(set(LEAF, source.as_bytes(), text).unwrap().bytes).unwrap()
    }

    #[test]
    fn only_the_value_changes() {
        let source =
            "# c\r\na = 1979-05-27\r\n[ingest_capture] # s\r\n  run_dir = 'x'   # run_dir = 'y'\r\nout_dir=\"d\"\r\n";
        assert_eq!(edited(source, "a/b"), source.replace("'x'", "'a/b'"));
        assert_eq!(
            edited("ingest_capture.run_dir = \"\"\"\nx\"\"\" # c\n", "a"),
            "ingest_capture.run_dir = \"a\" # c\n"
        );
        assert_eq!(edited("ingest_capture = {run_dir=\"x\"}", "a\n"), "ingest_capture = {run_dir=\"a\\n\"}");
    }

    #[test]
    fn what_is_missing_is_added() {
        assert_eq!(edited("", "a"), "[ingest_capture]\nrun_dir = \"a\"\n");
        assert_eq!(edited("b = 1", "a"), "b = 1\n[ingest_capture]\nrun_dir = \"a\"\n");
        assert_eq!(
            edited("[ingest_capture]\nout_dir = 'd'\n", "a"),
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
            assert!(set(LEAF, source.as_bytes(), "a").is_err(), "{source}");
        }
    }
}
