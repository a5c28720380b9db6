//! `run.json`: what a recorder writes about its run.
//!
//! A required field that is missing or of the wrong type is an error with its line and column; an optional one counts
//! as absent then. Values are not judged here (`validate` does), and texts from the file are not escaped.

use std::fmt;

use crate::formats::json;
use crate::formats::json::scanner::{JsonCursor, ParseError, ParseReason};
use crate::formats::json::{JsonObject, JsonValue};
use crate::run::schema::SchemaVersion;

/// A run's metadata. An optional field of the wrong type counts as absent; `raw` still has it.
#[derive(Debug, Clone, PartialEq)]
pub struct RunMeta {
    /// The schema version as written.
    pub schema_version: String,
    /// The run's id as written; not checked to be a safe name.
    pub run_id: String,
    /// The experiment as written, if any.
    pub experiment: Option<String>,
    /// The start time as written.
    pub start_time: String,
    /// The environment's configuration, an object.
    pub env_config: JsonValue,
    /// The simulator's version.
    pub package_version: Option<String>,
    /// The hash of the configuration, as the recorder wrote it.
    pub config_hash: Option<String>,
    /// The simulator's commit.
    pub git_sha: Option<String>,
    /// The first seed.
    pub base_seed: Option<i64>,
    /// All of `run.json`, an object.
    pub raw: JsonValue,
}

/// A position in a text, as editors count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineColumn {
    /// From 1.
    pub line: u64,
    /// Characters, from 1.
    pub column: u64,
}

impl LineColumn {
    pub(in crate::run) fn at_offset(text: &[u8], offset: usize) -> Self {
        let before = String::from_utf8_lossy(text.get(..offset).unwrap_or(text)).into_owned();
        let count = |text: &str, is_counted: fn(&char) -> bool| text.chars().filter(is_counted).count() as u64 + 1;
        let last = before.rsplit_once('\n').map_or(before.as_str(), |(_, last)| last);
        Self { line: count(&before, |c| *c == '\n'), column: count(last, |_| true) }
    }
}

impl fmt::Display for LineColumn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// Why a `run.json` cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MetaError {
    /// The text is not JSON.
    #[error("not JSON: {reason}")]
    Parse {
        /// What is wrong.
        reason: ParseReason,
        /// Where.
        at: LineColumn,
    },
    /// The text is JSON, but not an object.
    #[error("{0} instead of an object")]
    NotAnObject(&'static str),
    /// A required field is missing.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// A field has the wrong type.
    #[error("`{field}` is {found} instead of {expected}")]
    WrongType {
        /// Which field.
        field: &'static str,
        /// What it must be.
        expected: &'static str,
        /// What it is.
        found: &'static str,
        /// Where.
        at: LineColumn,
    },
    /// A text holds a lone surrogate.
    #[error("`{field}` holds a lone surrogate, which is not valid in UTF-8")]
    Surrogate {
        /// Which field.
        field: &'static str,
        /// Where.
        at: LineColumn,
    },
}

impl MetaError {
    /// The position of the fault; `None` if the file as a whole is at fault.
    #[must_use]
    pub fn at(&self) -> Option<LineColumn> {
        match self {
            Self::Parse { at, .. } | Self::WrongType { at, .. } | Self::Surrogate { at, .. } => Some(*at),
            Self::NotAnObject(_) | Self::Missing(_) => None,
        }
    }
}

impl RunMeta {
    /// Parses the bytes of a `run.json`.
    pub fn parse(bytes: &[u8]) -> Result<Self, MetaError> {
        let raw = json::parse(bytes).map_err(|ParseError { offset, reason }| MetaError::Parse {
            reason,
            at: LineColumn::at_offset(bytes, offset),
        })?;
        let text = |field: &'static str| required_text(&raw, bytes, field);
        if raw.as_object().is_none() {
            return Err(MetaError::NotAnObject(raw.kind()));
        }
        let experiment = match raw.get("experiment") {
            // None, => An explicit null is the same as a missing field.
            None | Some(JsonValue::Null) => None,
            Some(_) => Some(text("experiment")?),
        };
        let schema_version = text("schema_version")?;
        let empty = JsonValue::Object(JsonObject::new());
        let env_config = match raw.get("env_config") {
            Some(config) => config,
            // Required by the formats of plume-nav-sim alone.
            None if SchemaVersion::read(schema_version.as_bytes()).is_none_or(SchemaVersion::is_declared) => &empty,
            None => return Err(MetaError::Missing("env_config")),
        };
        if env_config.as_object().is_none() {
            let (field, at) = ("env_config", position_of(bytes, "env_config"));
            return Err(MetaError::WrongType { field, expected: "an object", found: env_config.kind(), at });
        }
        let optional = |field: &str| raw.get(field).and_then(JsonValue::as_str).map(str::to_owned);
        Ok(Self {
            schema_version,
            run_id: text("run_id")?,
            experiment,
            start_time: text("start_time")?,
            env_config: env_config.clone(),
            package_version: optional("package_version"),
            config_hash: optional("config_hash"),
            git_sha: optional("git_sha"),
            base_seed: raw.get("base_seed").and_then(JsonValue::as_i64),
            raw,
        })
    }

    /// The schema version; `None` if it is unknown here.
    #[must_use]
    pub fn schema(&self) -> Option<SchemaVersion> {
        SchemaVersion::read(self.schema_version.as_bytes())
    }
}

fn required_text(raw: &JsonValue, bytes: &[u8], field: &'static str) -> Result<String, MetaError> {
    let at = || position_of(bytes, field);
    match raw.get(field) {
        None => Err(MetaError::Missing(field)),
        Some(JsonValue::Text(text)) => {
            text.as_str().map(str::to_owned).ok_or_else(|| MetaError::Surrogate { field, at: at() })
        }
        Some(other) => Err(MetaError::WrongType { field, expected: "a text", found: other.kind(), at: at() }),
    }
}

/// Returns the position of a member's value; of the last one if the key is there twice.
fn position_of(object: &[u8], field: &str) -> LineColumn {
    let mut value_offset = 0;
    let mut cursor = JsonCursor::new(object);
    let mut find_members = || -> Result<(), ParseError> {
        cursor.skip_space();
        cursor.expect_byte(b'{')?;
        loop {
            let key = cursor.take_key()?;
            if object.get(key).is_some_and(|key| key == format!("\"{field}\"").as_bytes()) {
                value_offset = cursor.offset();
            }
            cursor.take_value(1)?;
            cursor.skip_space();
            cursor.expect_byte(b',')?;
        }
    };
    // The search ends with an error after the last member; the position found before counts.
    let _ = find_members();
    LineColumn::at_offset(object, value_offset)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const GOOD: &str =
        r#"{"schema_version": "0.1", "run_id": "r1", "start_time": "t", "env_config": {"a": NaN}, "extra": 1}"#;

    #[test]
    fn a_good_one_is_read() {
        let meta = RunMeta::parse(GOOD.as_bytes()).unwrap();
        assert_eq!(
            (meta.run_id.as_str(), meta.experiment.as_deref(), meta.schema()),
            ("r1", None, Some(SchemaVersion::V0_1))
        );
        assert_eq!(meta.raw.get("extra"), Some(&JsonValue::Int(1)));
    }

    #[test]
    fn bad_ones_are_refused() {
        let cases = [
            ("", "not JSON"),
            ("[]", "a list instead of an object"),
            (&GOOD.replace("\"r1\"", "5"), "`run_id` is an int instead of a text (line 1, column 37)"),
            (&GOOD.replace("\"r1\"", "\"\\ud800\""), "lone surrogate"),
            (&GOOD.replace("\"start_time\": \"t\", ", ""), "`start_time` is missing"),
            (&GOOD.replace("{\"a\": NaN}", "null"), "`env_config` is null instead of an object"),
            (&GOOD.replace("\"extra\": 1", "\"experiment\": 3"), "`experiment` is an int"),
            (&GOOD.replace("\"0.1\"", "0.1"), "`schema_version` is a float"),
            (&format!("\u{feff}{GOOD}"), "byte order mark"),
            ("{\n  \"é\": 1,\n  \"é\": nope}", "not JSON: unexpected character (line 3, column 8)"),
            (
                &format!("{{\n\"run_id\": 1,\n{}", &GOOD[1..].replace("\"r1\"", "[]")),
                "is a list instead of a text (line 3, column 36)",
            ),
            (&format!("{GOOD}x"), "more text"),
        ];
        for (text, why) in cases {
            let error = RunMeta::parse(text.as_bytes()).unwrap_err();
            let error = format!("{error} ({})", error.at().map(|at| at.to_string()).unwrap_or_default());
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
