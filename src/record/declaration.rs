//! The declaration of a run's columns, `schema.json`: written once, before `run.json` and the rows, and never changed.

use std::fmt;
use std::path::Path;

use super::RecordError;
use crate::formats::json;
use crate::formats::json::{JsonLayout, JsonObject, JsonValue};
use crate::run::RunKey;
use crate::run::layout::{RUN_JSON, STEPS};
use crate::run::meta::RunMeta;
use crate::run::schema::{MAX_SCHEMA_BYTES, RunSchema, SCHEMA_JSON};
use crate::support::{fs, limits};

/// Parses a declaration as it will be written: the same text for the same declaration.
pub(super) fn parse_declaration(schema: &JsonObject) -> Result<RunSchema, RecordError> {
    let mut text = JsonValue::Object(schema.clone()).dump_with(JsonLayout::PRETTY);
    text.push('\n');
    Ok(RunSchema::parse(text.as_bytes())?)
}

/// Writes a run's declaration, if it has none yet. Fails if the run is recorded with another one, or without one.
pub(super) fn write_declaration(dir: &Path, key: &RunKey, schema: &RunSchema) -> Result<(), RecordError> {
    let conflict = |why| RecordError::Schema { run: key.clone(), why };
    let recorded = read_declaration(dir)?;
    match recorded {
        _ if is_of_plume(dir)? => Err(conflict(SchemaConflict::Undeclared)),
        None if has_rows(dir) => Err(conflict(SchemaConflict::Undeclared)),
        None => Ok(fs::write_atomic(&dir.join(SCHEMA_JSON), schema.text.as_bytes())?),
        Some(text) if is_same(&text, schema.text.as_bytes()) => Ok(()),
        Some(_) => Err(conflict(SchemaConflict::Different)),
    }
}

/// Fails if a run that is recorded without a schema has one.
pub(super) fn refuse_declared(dir: &Path, key: &RunKey) -> Result<(), RecordError> {
    // Beside rows of plume-nav-sim's formats the file means nothing.
    if read_declaration(dir)?.is_none() || is_of_plume(dir)? {
        return Ok(());
    }
    Err(RecordError::Schema { run: key.clone(), why: SchemaConflict::Missing })
}

/// Why a run cannot be continued with a schema, or without one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SchemaConflict {
    /// The run has another schema.
    Different,
    /// The run has rows and no schema.
    Undeclared,
    /// The run has a schema, and none was given.
    Missing,
}

impl fmt::Display for SchemaConflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Different => "has another schema",
            Self::Undeclared => "was recorded without a schema",
            Self::Missing => "has a schema, and none is given",
        })
    }
}

fn read_declaration(dir: &Path) -> Result<Option<Vec<u8>>, RecordError> {
    Ok(fs::read_within(&dir.join(SCHEMA_JSON), MAX_SCHEMA_BYTES as u64)?)
}

/// Whether `run.json` says that the run is in one of plume-nav-sim's formats.
fn is_of_plume(dir: &Path) -> Result<bool, RecordError> {
    let text = fs::read_within(&dir.join(RUN_JSON), limits::RUN_FILE)?;
    let version = text.and_then(|text| RunMeta::parse(&text).ok()).and_then(|meta| meta.schema());
    Ok(version.is_some_and(|version| !version.is_declared()))
}

fn has_rows(dir: &Path) -> bool {
    let has = |name: &str| std::fs::symlink_metadata(dir.join(name)).is_ok();
    has(RUN_JSON) || has(STEPS)
}

/// Whether two declarations are the same but for blanks.
fn is_same(text: &[u8], other: &[u8]) -> bool {
    let layout = JsonLayout { sort_keys: false, ..JsonLayout::CANONICAL };
    let normalized = |text: &[u8]| json::parse(text).ok().map(|value| value.dump_with(layout));
    text == other || normalized(text).is_some_and(|text| Some(text) == normalized(other))
}
