//! The files that a run's own declaration takes into the dataset: `schema.json`, and those that its episodes name.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use crate::formats::json;
use crate::formats::json::JsonValue;
use crate::run::fast::FastParser;
use crate::run::include::IncludePatterns;
use crate::run::layout::{RUN_JSON, RunLayout, RunStream};
use crate::run::reader::{LineSource, StreamEvent};
use crate::run::row::{FieldSlot, ParsedRow};
use crate::run::schema::{CellPlace, MAX_SCHEMA_BYTES, RunSchema, SCHEMA_JSON, SchemaVersion};
use crate::support::fs::FsError;
use crate::support::progress::NoProgress;
use crate::support::{fs, limits};

/// The most files that a run's episodes can name: a listing of more would fill the memory.
pub const MAX_NAMED_FILES: usize = 65_536;

impl RunLayout {
    /// Reads a run's directory; `include` and the run's own declaration select files beside the recorder's. A declaration
    /// that cannot be used selects none.
    pub fn open_declared(dir: &Path, include: &IncludePatterns) -> Result<Self, FsError> {
        let layout = Self::open_with(dir, include)?;
        let version = layout.run_json.then(|| read_version(dir)).flatten();
        if !version.is_some_and(SchemaVersion::is_declared) {
            return Ok(layout);
        }
        let include = include.with_declared([SCHEMA_JSON.to_owned()]);
        let layout = Self::open_with(dir, &include)?;
        let schema = layout.has_included(SCHEMA_JSON).then(|| read_schema(dir)).flatten();
        match schema.filter(|schema| schema.file_columns().next().is_some()) {
            Some(schema) => Self::open_with(dir, &include.with_declared(named_files(&layout, Arc::new(schema))?)),
            None => Ok(layout),
        }
    }

    /// Whether a file beside the recorder's is there and goes into the dataset.
    #[must_use]
    pub fn has_included(&self, name: &str) -> bool {
        self.included.iter().any(|included| included == name)
    }
}

/// Returns the schema version that a run's `run.json` gives.
fn read_version(dir: &Path) -> Option<SchemaVersion> {
    let bytes = read_limited(&dir.join(RUN_JSON), limits::RUN_FILE)?;
    let value = json::parse(&bytes).ok()?;
    SchemaVersion::read(value.get("schema_version").and_then(JsonValue::as_str)?.as_bytes())
}

/// Reads the declaration in a run's directory; `None` if there is no usable one.
#[must_use]
pub fn read_schema(dir: &Path) -> Option<RunSchema> {
    RunSchema::parse(&read_limited(&dir.join(SCHEMA_JSON), MAX_SCHEMA_BYTES as u64)?).ok()
}

fn read_limited(path: &Path, most: u64) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::open(path).ok()?.take(most + 1).read_to_end(&mut bytes).ok()?;
    (bytes.len() as u64 <= most).then_some(bytes)
}

/// Returns the paths in the run that its episodes name.
fn named_files(layout: &RunLayout, schema: Arc<RunSchema>) -> Result<Vec<String>, FsError> {
    let names: Vec<String> = layout.episodes.files.iter().map(|shard| shard.name.clone()).collect();
    let mut source = LineSource::new(&layout.dir, names.iter().map(String::as_str), false, &NoProgress);
    let mut parser = FastParser::new(Arc::clone(&schema), RunStream::Episodes);
    let (mut row, mut files, mut spare) = (ParsedRow::default(), BTreeSet::new(), Vec::new());
    while let Some(event) = source.next(std::mem::take(&mut spare))? {
        let StreamEvent::Lines(block) = event else { continue };
        for line in block.split_inclusive(|byte| *byte == b'\n') {
            if parser.parse(line, &mut row).is_ok() {
                files.extend(row_files(&schema, &row).map(|(_, path)| path.to_owned()));
            }
            // Validation refuses a run that names more.
            if files.len() > MAX_NAMED_FILES {
                return Ok(files.into_iter().collect());
            }
        }
        spare = block;
    }
    Ok(files.into_iter().collect())
}

/// The files that a row of the episodes names, with their columns.
pub fn row_files<'a>(schema: &'a RunSchema, row: &'a ParsedRow) -> impl Iterator<Item = (usize, &'a str)> {
    schema.file_columns().filter_map(|index| {
        let CellPlace::Text(at) = schema.episodes.place(index)? else { return None };
        row.is_good(FieldSlot::of_column(index)).then(|| row.texts.get(at)).flatten().map(|path| (index, path.as_str()))
    })
}
