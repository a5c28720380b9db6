//! The keys of dicts, as `json` writes them.

use capture_hook::formats::json::{write_f64, write_str};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyFloat, PyInt, PyString};

use super::{write_integer, write_text};

/// A dict's key.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum JsonKey {
    /// Text without lone surrogates, or a number as `json` writes it.
    Plain(String),
    /// Text with lone surrogates, as quoted JSON.
    Quoted(Vec<u8>),
}

impl JsonKey {
    /// The key as a schema names it; empty for a key with lone surrogates, which none can name.
    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Plain(text) => text,
            Self::Quoted(_) => "",
        }
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Plain(text) => write_str(out, text),
            Self::Quoted(json) => out.extend_from_slice(json),
        }
    }
}

/// Converts a dict's key as `json` does: text as it is, numbers, bools and None as text.
pub(super) fn key_text(key: &Bound<'_, PyAny>) -> PyResult<JsonKey> {
    let mut out = Vec::new();
    if let Ok(text_key) = key.cast::<PyString>() {
        if let Ok(plain) = text_key.to_str() {
            return Ok(JsonKey::Plain(plain.to_owned()));
        }
        write_text(&mut out, text_key)?;
        return Ok(JsonKey::Quoted(out));
    }
    if let Ok(bool) = key.cast::<PyBool>() {
        return Ok(JsonKey::Plain(if bool.is_true() { "true" } else { "false" }.to_owned()));
    }
    if key.is_none() {
        return Ok(JsonKey::Plain("null".to_owned()));
    }
    if let Ok(float) = key.cast::<PyFloat>() {
        write_f64(&mut out, float.value());
    } else if key.is_instance_of::<PyInt>() {
        write_integer(&mut out, key)?;
    } else {
        return Err(PyTypeError::new_err(format!(
            "keys must be str, int, float, bool or None, not {}",
            key.get_type().fully_qualified_name()?
        )));
    }
    Ok(JsonKey::Plain(String::from_utf8_lossy(&out).into_owned()))
}
