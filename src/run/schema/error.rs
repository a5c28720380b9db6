//! Why a declaration cannot be used, and its limits.

use crate::formats::json::{JsonObject, ParseReason};
use crate::run::meta::LineColumn;
use crate::support::text::find_near;

/// The largest `schema.json`: 64 KiB.
pub const MAX_SCHEMA_BYTES: usize = 64 << 10;
/// The most columns of a stream.
pub const MAX_COLUMNS: usize = 256;
/// The most elements of a value; larger ones belong into a `file`.
pub const MAX_ELEMENTS: usize = 4096;

/// A `schema.json` that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// The text is not JSON.
    #[error("not JSON: {reason}")]
    Parse {
        /// What is wrong.
        reason: ParseReason,
        /// Where.
        at: LineColumn,
    },
    /// The text is too large.
    #[error("larger than {} KiB", MAX_SCHEMA_BYTES >> 10)]
    TooLarge,
    /// The text is JSON, but not a declaration.
    #[error("{place} {why}")]
    Invalid {
        /// The key or column, as messages name it.
        place: String,
        /// What is wrong, to be read after it.
        why: String,
    },
}

impl SchemaError {
    /// The position of the fault, if it is one of the text.
    #[must_use]
    pub fn at(&self) -> Option<LineColumn> {
        match self {
            Self::Parse { at, .. } => Some(*at),
            _ => None,
        }
    }

    pub(super) fn invalid(place: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Invalid { place: place.into(), why: why.into() }
    }
}

pub(super) type Result<T> = std::result::Result<T, SchemaError>;

/// Fails on a key that is not known, and names the nearest one that is.
pub(super) fn check_keys(object: &JsonObject, place: &str, known: &[&'static str]) -> Result<()> {
    for (key, _) in object.iter() {
        let shown = key.to_string();
        if known.contains(&shown.as_str()) {
            continue;
        }
        let near = find_near(&shown, known.iter().map(|key| (*key, *key)));
        let hint = match near.first() {
            Some(near) => format!("; did you mean `{near}`?"),
            None => format!("; the keys are {}", known.join(", ")),
        };
        return Err(SchemaError::invalid(place, format!("has an unknown key `{}`{hint}", shown.escape_debug())));
    }
    Ok(())
}
