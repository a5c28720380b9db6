//! What every editor of a params file works with: the leaf to set, the bytes to replace, and the values to compare after.

use crate::formats::{ParamsError, ParamsValue};

/// A params file after the edit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EditedParams {
    /// The file's new bytes.
    pub bytes: Vec<u8>,
    /// What the parameter was before; `None` where it was not there, or no text.
    pub old: Option<String>,
}

/// What to set.
#[derive(Debug, Clone, Copy)]
pub struct ParamLeaf<'a> {
    /// The file, as errors shall name it; its ending tells its kind.
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

/// The line break that a text uses.
pub(crate) fn line_break(bytes: &[u8]) -> &'static str {
    match bytes.iter().position(|b| *b == b'\n') {
        Some(at) if at > 0 && bytes.get(at - 1) == Some(&b'\r') => "\r\n",
        _ => "\n",
    }
}

/// The values with the leaf set, in an order that does not matter.
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

/// Values as text, mappings sorted by key, for comparing (a NaN equals itself there).
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
