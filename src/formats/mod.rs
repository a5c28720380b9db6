//! File formats: params files are read whole ([`load_params`]) and edited in one place to the byte (`edit`); JSON as
//! Python writes it, YAML, DVC's INI.
//!
//! DVC reads parameters from YAML, TOML, JSON and Python files; Python files are never read here, because that would
//! run code. What is read here means the same to DVC; anything else is an error with its line. Nothing here knows about
//! runs, DVC projects or git.

pub mod conflict_markers;
pub mod edit;
pub mod ini;
pub mod json;
pub mod value;
pub mod yaml;
pub mod yaml_scalar;

pub use value::ParamsValue;

use crate::error::ExitKind::Setup;
use crate::error::{Explain, Explanation};
use crate::formats::conflict_markers::find_conflict_marker;
use crate::support::plain_text::{first_odd, too_much_to_read};
use crate::support::process::shell_quote;

/// A params file that cannot be read or edited.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParamsError {
    /// The file holds conflict markers of git.
    #[error("{file}:{line}: unresolved merge conflict")]
    Conflict {
        /// The file, as the caller named it.
        file: String,
        /// The line, from 1.
        line: usize,
    },
    /// The text is not valid in its format, or holds something that is not read here.
    #[error("{file}:{line}: {message}")]
    Invalid {
        /// The file, as the caller named it.
        file: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong there.
        message: String,
    },
    /// The file is binary.
    #[error("{file} is not text: it is encrypted, or in another encoding than UTF-8")]
    NotText {
        /// The file, as the caller named it.
        file: String,
    },
    /// The file's format is not read here.
    #[error("{file}: parameters are read from .yaml, .yml, .toml and .json files only")]
    Format {
        /// The file, as the caller named it.
        file: String,
    },
}

impl Explain for ParamsError {
    fn explain(&self) -> Explanation {
        match self {
            Self::Conflict { file, .. } => {
                Setup.code("merge_conflict").hint(format!("resolve it, then `git add {}`", shell_quote(file)))
            }
            // Git's filters (git-crypt, `working-tree-encoding`) are not run: the hooks read what a commit holds.
            Self::NotText { .. } => Setup.code("invalid_params").hint(
                "an encrypted file must be unlocked here, and hooks read what git holds of it: keep `ingest_capture` in a \
                 file that is not encrypted, and name that one in dvc.yaml (`vars`, and `params` of the stage)",
            ),
            Self::Invalid { file, .. } => Setup
                .code("invalid_params")
                .hint(format!("see what was changed in it: `git diff HEAD -- {}`", shell_quote(file))),
            Self::Format { .. } => Setup
                .code("invalid_params")
                .hint("name a file of another format in dvc.yaml (`vars`, and `params` of the stage)"),
        }
    }
}

/// The format of a params file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParamsFormat {
    /// `.yaml`, `.yml`
    Yaml,
    /// `.toml`
    Toml,
    /// `.json`
    Json,
}

impl ParamsFormat {
    /// Returns the format for a file name; DVC reads unknown extensions as YAML. Extensions are Python's
    /// (`os.path.splitext`): `.json` is a name without one.
    pub fn from_file_name(file: &str) -> Result<Self, ParamsError> {
        // Like `splitext`: leading dots do not begin an extension.
        let name = file.rsplit('/').next().unwrap_or(file).trim_start_matches('.');
        match name.rsplit_once('.').map(|(_, ext)| ext.to_ascii_lowercase()).as_deref() {
            Some("toml") => Ok(Self::Toml),
            Some("json") => Ok(Self::Json),
            // Err( => Reading a Python file would run it.
            Some("py") => Err(ParamsError::Format { file: file.to_owned() }),
            // DVC's own default (`LOADERS` in `dvc/utils/serialize/__init__.py`).
            _ => Ok(Self::Yaml),
        }
    }
}

/// Returns the values of a params file. An empty file is an empty mapping. `file` names it in errors, and its extension
/// decides the format.
pub fn load_params(file: &str, bytes: &[u8]) -> Result<ParamsValue, ParamsError> {
    let format = ParamsFormat::from_file_name(file)?;
    refuse_binary(file, bytes)?;
    if let Some(line) = find_conflict_marker(bytes) {
        return Err(ParamsError::Conflict { file: file.to_owned(), line });
    }
    let invalid = |line: usize, message: String| ParamsError::Invalid { file: file.to_owned(), line, message };
    let value = match format {
        ParamsFormat::Yaml => {
            let root = yaml::parse_document(bytes).map_err(|e| invalid(e.line, e.message))?;
            let Some(root) = root.filter(|root| !root.is_null()) else { return Ok(ParamsValue::Map(Vec::new())) };
            // ruamel.yaml fails on duplicate keys; other readers take the first or the last.
            if let Some((key, line)) = root.duplicate_key() {
                return Err(invalid(line, format!("`{key}` is written twice")));
            }
            root.to_partial_value()
        }
        ParamsFormat::Toml => {
            let text = checked_text(bytes).map_err(|(line, message)| invalid(line, message))?;
            let table: toml_edit::DocumentMut = text.parse().map_err(|e: toml_edit::TomlError| {
                let before = e.span().and_then(|s| text.get(..s.start)).unwrap_or_default();
                invalid(before.matches('\n').count() + 1, e.message().trim().to_owned())
            })?;
            value::from_toml(table.as_item())
        }
        ParamsFormat::Json => {
            let text = checked_text(bytes).map_err(|(line, message)| invalid(line, message))?;
            value::from_json(&parse_json(text).map_err(|(line, message)| invalid(line, message))?)
        }
    };
    match value {
        ParamsValue::Map(_) => Ok(value),
        _ => Err(invalid(1, "not a mapping".into())),
    }
}

/// Refuses binary bytes by git's own test, a null byte near the beginning; encrypted files look so.
fn refuse_binary(file: &str, bytes: &[u8]) -> Result<(), ParamsError> {
    // Git's `FIRST_FEW_BYTES` (`xdiff-interface.c`).
    const LOOKED_AT: usize = 8000;
    let is_binary = bytes.iter().take(LOOKED_AT).any(|byte| *byte == 0);
    if is_binary { Err(ParamsError::NotText { file: file.to_owned() }) } else { Ok(()) }
}

/// Returns the text of a TOML or JSON file, or the line and the reason why it is not read.
fn checked_text(bytes: &[u8]) -> Result<&str, (usize, String)> {
    if let Some(why) = too_much_to_read(bytes) {
        return Err((1, why));
    }
    let text =
        std::str::from_utf8(bytes).map_err(|error| (line_at(bytes, error.valid_up_to()), "not UTF-8".to_owned()))?;
    match first_odd(text) {
        Some(odd) => Err((odd.line, odd.to_string())),
        None => Ok(text),
    }
}

/// Parses JSON as DVC does, with Python's `json`.
fn parse_json(text: &str) -> Result<crate::formats::json::JsonValue, (usize, String)> {
    crate::formats::json::parse(text.as_bytes()).map_err(|e| (line_at(text.as_bytes(), e.offset), e.reason.to_string()))
}

/// Returns the line, from 1, of a byte offset.
fn line_at(bytes: &[u8], at: usize) -> usize {
    bytes.iter().take(at).filter(|b| **b == b'\n').count() + 1
}
