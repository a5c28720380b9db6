//! `run.json`: what a run says of itself.

use crate::run::json::{self, Value};
use crate::run::schema::SchemaVersion;

/// A run's metadata. What is optional and of another type than it should be counts as absent; `raw` has it as it was.
#[derive(Debug, Clone, PartialEq)]
pub struct RunMeta {
    /// The schema version as written.
    pub schema_version: String,
    /// The run's id as written; may be unsafe.
    pub run_id: String,
    /// The experiment as written, if it was.
    pub experiment: Option<String>,
    /// When the run began, as written.
    pub start_time: String,
    /// The environment's configuration, an object.
    pub env_config: Value,
    /// The simulator's version.
    pub package_version: Option<String>,
    /// A hash of the configuration that the recorder wrote.
    pub config_hash: Option<String>,
    /// The simulator's commit.
    pub git_sha: Option<String>,
    /// The first seed.
    pub base_seed: Option<i64>,
    /// The whole of `run.json`, an object.
    pub raw: Value,
}

/// Why a `run.json` cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MetaError {
    /// It is not JSON.
    #[error("not JSON: {0}")]
    Parse(#[from] json::ParseError),
    /// It is JSON, but no object.
    #[error("a {0}, where an object belongs")]
    NotAnObject(&'static str),
    /// A required field is not there.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// A field is of another type than it must be.
    #[error("`{field}` is a {found}, where {wanted} belongs")]
    WrongType {
        /// Which field.
        field: &'static str,
        /// What it must be.
        wanted: &'static str,
        /// What it is.
        found: &'static str,
    },
    /// A text holds a lone surrogate.
    #[error("`{0}` holds a lone surrogate, which no UTF-8 text can")]
    Surrogate(&'static str),
}

impl RunMeta {
    /// Reads the bytes of a `run.json`.
    pub fn parse(bytes: &[u8]) -> Result<Self, MetaError> {
        let raw = json::parse(bytes)?;
        if raw.as_object().is_none() {
            return Err(MetaError::NotAnObject(raw.kind()));
        }
        let experiment = match raw.get("experiment") {
            None | Some(Value::Null) => None,
            Some(_) => Some(text(&raw, "experiment")?),
        };
        let env_config = raw.get("env_config").ok_or(MetaError::Missing("env_config"))?;
        if env_config.as_object().is_none() {
            return Err(MetaError::WrongType { field: "env_config", wanted: "an object", found: env_config.kind() });
        }
        let optional = |field: &str| raw.get(field).and_then(Value::as_str).map(str::to_owned);
        Ok(Self {
            schema_version: text(&raw, "schema_version")?,
            run_id: text(&raw, "run_id")?,
            experiment,
            start_time: text(&raw, "start_time")?,
            env_config: env_config.clone(),
            package_version: optional("package_version"),
            config_hash: optional("config_hash"),
            git_sha: optional("git_sha"),
            base_seed: raw.get("base_seed").and_then(Value::as_i64),
            raw,
        })
    }

    /// The schema version, if it is one that we can read.
    #[must_use]
    pub fn schema(&self) -> Option<SchemaVersion> {
        SchemaVersion::read(self.schema_version.as_bytes())
    }
}

fn text(raw: &Value, field: &'static str) -> Result<String, MetaError> {
    match raw.get(field) {
        None => Err(MetaError::Missing(field)),
        Some(Value::Text(text)) => text.as_str().map(str::to_owned).ok_or(MetaError::Surrogate(field)),
        Some(other) => Err(MetaError::WrongType { field, wanted: "a text", found: other.kind() }),
    }
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
        assert_eq!(meta.raw.get("extra"), Some(&Value::Int(1)));
    }

    #[test]
    fn bad_ones_are_refused() {
        let cases = [
            ("", "not JSON"),
            ("[]", "a list, where an object belongs"),
            (&GOOD.replace("\"r1\"", "5"), "`run_id` is a int"),
            (&GOOD.replace("\"r1\"", "\"\\ud800\""), "lone surrogate"),
            (&GOOD.replace("\"start_time\": \"t\", ", ""), "`start_time` is missing"),
            (&GOOD.replace("{\"a\": NaN}", "null"), "`env_config` is a null"),
            (&GOOD.replace("\"extra\": 1", "\"experiment\": 3"), "`experiment` is a int"),
            (&GOOD.replace("\"0.1\"", "0.1"), "`schema_version` is a float"),
            (&format!("\u{feff}{GOOD}"), "byte order mark"),
            (&format!("{GOOD}x"), "more text"),
        ];
        for (text, why) in cases {
            let error = RunMeta::parse(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
