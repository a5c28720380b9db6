//! What all editors of params files share: the parameter to set, the bytes to replace, and the values to compare
//! afterwards. No format is known here.

use crate::formats::{ParamsError, ParamsValue};

/// A params file after the edit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EditedParams {
    /// The file's new bytes.
    pub bytes: Vec<u8>,
    /// The old value; `None` if the parameter was missing or no text.
    pub old: Option<String>,
}

/// The parameter to set.
#[derive(Debug, Clone, Copy)]
pub struct ParamLeaf<'a> {
    /// The file's name for errors; its extension decides the format.
    pub file: &'a str,
    /// The section: `ingest_capture`.
    pub section: &'a str,
    /// The key in it: `run_dir`.
    pub key: &'a str,
}

impl ParamLeaf<'_> {
    pub(crate) fn refuse_edit(&self, line: usize, message: impl Into<String>) -> ParamsError {
        ParamsError::Invalid { file: self.file.to_owned(), line, message: message.into() }
    }
}

/// A replacement of some bytes.
#[derive(Debug)]
pub(crate) struct Splice {
    pub(crate) at: std::ops::Range<usize>,
    pub(crate) text: String,
}

impl Splice {
    pub(crate) fn apply_to(&self, bytes: &[u8]) -> Vec<u8> {
        let mut out = bytes.get(..self.at.start).unwrap_or_default().to_vec();
        out.extend_from_slice(self.text.as_bytes());
        out.extend_from_slice(bytes.get(self.at.end..).unwrap_or_default());
        out
    }
}

/// Returns the line break of a text, by its first line.
pub(crate) fn line_break(bytes: &[u8]) -> &'static str {
    match bytes.iter().position(|b| *b == b'\n') {
        Some(at) if at > 0 && bytes.get(at - 1) == Some(&b'\r') => "\r\n",
        _ => "\n",
    }
}

/// Returns the values with the parameter set, as [`sorted_text`].
pub(crate) fn with_leaf(values: &ParamsValue, leaf: ParamLeaf<'_>, text: &str) -> String {
    let ParamsValue::Map(mut sections) = values.clone() else { return String::new() };
    if !sections.iter().any(|(name, _)| name == leaf.section) {
        sections.push((leaf.section.to_owned(), ParamsValue::Map(Vec::new())));
    }
    for (name, section) in &mut sections {
        if name == leaf.section
            && let ParamsValue::Map(entries) = section
        {
            entries.retain(|(key, _)| key != leaf.key);
            entries.push((leaf.key.to_owned(), ParamsValue::Str(text.to_owned())));
        }
    }
    sorted_text(&ParamsValue::Map(sections))
}

/// Returns values as text for comparing: mappings sorted by key, a NaN equal to itself.
pub(crate) fn sorted_text(value: &ParamsValue) -> String {
    match value {
        ParamsValue::Map(entries) => {
            let mut rows: Vec<String> = entries.iter().map(|(k, v)| format!("{k:?}:{}", sorted_text(v))).collect();
            rows.sort();
            format!("{{{}}}", rows.join(","))
        }
        ParamsValue::List(items) => format!("[{}]", items.iter().map(sorted_text).collect::<Vec<_>>().join(",")),
        other => format!("{other:?}"),
    }
}
