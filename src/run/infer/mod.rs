//! A schema to start from, made out of a run's rows: what is always a whole number, which lists have one size, what is
//! sometimes absent.
//!
//! Rows of any recorder are read, whatever their `schema_version`. What the rows cannot tell (ranges, units, what a
//! summary must equal) is left to the user; so is what the rows lack for the format. Nothing is written, and `ingest`
//! never infers: a run is checked against what it declares.

mod columns;
mod core_fields;
mod meanings;
mod notes;
mod observe;

use std::path::Path;

pub use self::notes::{InferNote, NoteKind};

use self::columns::{DraftColumn, FieldColumns, draft_columns};
use self::core_fields::CoreChecks;
use self::notes::Notes;
use self::observe::SeenObjects;
use crate::error::ExitKind::CheckFailed;
use crate::error::{Explain, Explanation};
use crate::formats::json;
use crate::formats::json::{JsonLayout, JsonObject, JsonValue};
use crate::run::layout::{RUN_JSON, RunLayout, RunStream};
use crate::run::open;
use crate::run::reader::{LineSource, StreamEvent};
use crate::run::schema::{ColumnType, MAX_COLUMNS, MAX_SCHEMA_BYTES, RunSchema, SCHEMA_JSON, SchemaVersion};
use crate::support::fs::FsError;
use crate::support::progress::Progress;
use crate::support::text::{format_count, format_plural, shell_quote};

/// How many rows of each file are read, unless all are asked for.
pub const ROWS_PER_FILE: u64 = 10_000;
/// How many bytes of each file are read then, in rows: 64 MiB.
const BYTES_PER_FILE: u64 = 64 << 20;

/// A schema to start from.
#[derive(Debug)]
pub struct InferredSchema {
    /// The text of a `schema.json`, with a line break at its end.
    pub text: String,
    /// What the user has to know, faults first.
    pub notes: Vec<InferNote>,
    /// How many rows of steps were read, and of episodes.
    pub rows: (u64, u64),
    /// Whether all rows were read.
    pub is_complete: bool,
}

/// A run of which no schema can be made.
#[derive(Debug, thiserror::Error)]
pub enum InferError {
    /// There is no row to look at.
    #[error("cannot infer a schema: {run_dir} has no row of steps")]
    NoSteps {
        /// The run's directory.
        run_dir: String,
        /// A file that looks like one of steps, without gzip.
        plain: Option<String>,
    },
    /// The fields of the rows cannot be declared.
    #[error("cannot infer a schema: {why}")]
    NotDeclared {
        /// Why not.
        why: String,
    },
    /// The run cannot be read.
    #[error(transparent)]
    Fs(#[from] FsError),
}

impl Explain for InferError {
    fn explain(&self) -> Explanation {
        match self {
            Self::NoSteps { plain: Some(plain), .. } => {
                CheckFailed.code("nothing_to_infer").hint(format!("compress the rows: `gzip {plain}`"))
            }
            Self::NoSteps { plain: None, .. } => {
                CheckFailed.code("nothing_to_infer").hint("write one JSON object a line to steps.jsonl.gz")
            }
            Self::NotDeclared { .. } => CheckFailed.code("nothing_to_infer").hint("write a schema.json by hand"),
            Self::Fs(error) => error.explain(),
        }
    }
}

/// What to type to make a schema for a run that has none.
#[must_use]
pub fn infer_hints(run: &str) -> [String; 2] {
    let run = shell_quote(run);
    [
        format!("make one out of the rows: `capture-hook schema infer {run} > {SCHEMA_JSON}`, and edit it"),
        format!("then put it beside the run: `capture-hook schema add {run} {SCHEMA_JSON}`"),
    ]
}

/// Makes a schema of a run's rows. `shown_as` names the run's directory in messages. Without `all`, at most
/// [`ROWS_PER_FILE`] rows of each file are read.
pub fn infer_schema(
    run_dir: &Path,
    shown_as: &str,
    all: bool,
    progress: &dyn Progress,
) -> Result<InferredSchema, InferError> {
    let layout = RunLayout::open(run_dir)?;
    let mut reader = RowReader { layout: &layout, all, progress, notes: Notes::default(), is_complete: true };
    let mut steps = SeenSteps::default();
    reader.read_rows(RunStream::Steps, &mut |row| steps.observe(row))?;
    let mut episodes = SeenObjects::default();
    let mut episode_checks = CoreChecks::default();
    reader.read_rows(RunStream::Episodes, &mut |row| {
        episode_checks.observe(row, RunStream::Episodes);
        episodes.observe(row);
    })?;
    let RowReader { mut notes, is_complete, .. } = reader;
    if steps.rows.count + steps.first_rows.count == 0 {
        let plain = layout.unrecognized.iter().find(|name| *name == "steps.jsonl").cloned();
        return Err(InferError::NoSteps { run_dir: shown_as.into(), plain });
    }
    note_run_json(run_dir, &mut notes);
    let rows = (steps.rows.count + steps.first_rows.count, episodes.count);
    let drafts = steps.finish(&mut notes);
    episode_checks.finish(RunStream::Episodes, &mut notes);
    let mut step_fields = draft_columns(&drafts.rows, RunStream::Steps, core_fields::STEP_FIELDS, &[], &mut notes);
    let more = drafts.more_fields(&step_fields, &mut notes);
    step_fields.extend(more);
    let mut episode_fields =
        draft_columns(&episodes, RunStream::Episodes, core_fields::EPISODE_FIELDS, &[], &mut notes);
    meanings::apply_to_steps(&mut step_fields, &drafts.rows, &mut notes);
    meanings::apply_to_episodes(&mut episode_fields, &step_fields, &episodes, &mut notes);
    let text = fit_text(step_fields, episode_fields, drafts.reset_rows, &mut notes)?;
    if !is_complete {
        let count = format_count(ROWS_PER_FILE);
        notes.add_check(format!("only the first {count} rows of each file were read: `--all` reads every row"));
    }
    notes.add_check(
        "ranges and units are not in the rows: add `min`, `max` and `unit` where the simulator has them".into(),
    );
    Ok(InferredSchema { text, notes: notes.finish(), rows, is_complete })
}

/// What was seen in the rows of steps.
#[derive(Debug, Default)]
struct SeenSteps {
    rows: SeenObjects,
    /// Rows of step 0.
    first_rows: SeenObjects,
    checks: CoreChecks,
}

/// The steps' rows, and what the rows of step 0 are.
struct StepDrafts {
    rows: SeenObjects,
    first_rows: SeenObjects,
    reset_rows: bool,
}

impl SeenSteps {
    fn observe(&mut self, row: &JsonObject) {
        self.checks.observe(row, RunStream::Steps);
        match row.get("step") {
            Some(JsonValue::Int(0)) => self.first_rows.observe(row),
            _ => self.rows.observe(row),
        }
    }

    fn finish(self, notes: &mut Notes) -> StepDrafts {
        let Self { rows, first_rows, checks } = self;
        checks.finish(RunStream::Steps, notes);
        // The state after `reset()` has no action and no reward; a first step has both.
        let is_absent = |(name, seen): &(String, observe::Seen)| {
            seen.count > 0 && !rows.is_optional(seen) && first_rows.get(name).is_none_or(|first| first.count == 0)
        };
        let reset_rows = first_rows.count > 0 && rows.members.iter().any(is_absent);
        if first_rows.count > 0 && rows.count == 0 {
            notes.add_fault("every `step` is 0: steps count 1, 2, 3, …".into());
        } else if reset_rows {
            notes.add_check("step 0 is taken as the state after `reset()`: `reset_rows`".into());
        } else if first_rows.count > 0 {
            notes.add_fault("`step` begins at 0 with a whole step: let it count from 1".into());
        }
        StepDrafts { rows, first_rows, reset_rows }
    }
}

impl StepDrafts {
    /// The columns of what only the rows of step 0 have.
    fn more_fields(&self, fields: &[FieldColumns], notes: &mut Notes) -> Vec<FieldColumns> {
        let mut known: Vec<&str> = fields.iter().map(|field| field.field.as_str()).collect();
        known.extend(core_fields::STEP_FIELDS);
        let mut more = draft_columns(&self.first_rows, RunStream::Steps, &known, fields, notes);
        for column in more.iter_mut().flat_map(|field| &mut field.columns) {
            column.nullable = true;
        }
        more
    }
}

/// Reads a run's rows, as many as are asked for.
struct RowReader<'a> {
    layout: &'a RunLayout,
    all: bool,
    progress: &'a dyn Progress,
    notes: Notes,
    is_complete: bool,
}

impl RowReader<'_> {
    fn read_rows(&mut self, stream: RunStream, take: &mut dyn FnMut(&JsonObject)) -> Result<(), FsError> {
        for shard in &self.layout.shards(stream).files {
            let mut file = OpenShard { rows: 0, bytes: 0, skipped: 0 };
            let mut source = LineSource::new(&self.layout.dir, [shard.name.as_str()], false, self.progress);
            while let Some(event) = source.next(Vec::new())? {
                match event {
                    StreamEvent::Begin(_) | StreamEvent::End(_) => {}
                    StreamEvent::TooLong => file.skipped += 1,
                    StreamEvent::Damaged { .. } => {
                        self.notes.add_fault(format!("{} is damaged: its rows up to there were read", shard.name));
                        break;
                    }
                    StreamEvent::Lines(block) => file.take_lines(&block, self.all, take),
                }
                if !self.all && file.is_enough() {
                    self.is_complete = false;
                    break;
                }
            }
            if file.skipped > 0 {
                let lines = format_plural(file.skipped, "line");
                self.notes.add_fault(format!("{}: {lines} left out that are no JSON objects", shard.name));
            }
        }
        Ok(())
    }
}

/// A file of rows, and how much of it was read.
struct OpenShard {
    rows: u64,
    bytes: u64,
    skipped: u64,
}

impl OpenShard {
    fn is_enough(&self) -> bool {
        self.rows >= ROWS_PER_FILE || self.bytes >= BYTES_PER_FILE
    }

    fn take_lines(&mut self, block: &[u8], all: bool, take: &mut dyn FnMut(&JsonObject)) {
        for line in block.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()) {
            if !all && self.is_enough() {
                return;
            }
            self.bytes += line.len() as u64;
            match json::parse(line) {
                Ok(JsonValue::Object(row)) => {
                    self.rows += 1;
                    take(&row);
                }
                // Neither is a row; how many there are is reported.
                Ok(_) | Err(_) => self.skipped += 1,
            }
        }
    }
}

/// Says what `run.json` must say for its `schema.json` to count.
fn note_run_json(run_dir: &Path, notes: &mut Notes) {
    // A file that cannot be read is what `validate` reports.
    let bytes = open::read_small_file(run_dir, RUN_JSON).ok().flatten().unwrap_or_default();
    let version = json::parse(&bytes).ok().and_then(|raw| raw.get("schema_version").cloned());
    let version = version.as_ref();
    let declared = SchemaVersion::V2.as_str();
    if version.and_then(JsonValue::as_str) == Some(declared) {
        return;
    }
    let says = match version {
        Some(version) => format!("says \"schema_version\": {}", version.to_canonical()),
        None => "has no `schema_version`".into(),
    };
    notes.add_fault(format!("run.json {says}: a schema.json counts with \"schema_version\": \"{declared}\""));
}

/// The text of the schema. What is too much for one is kept as JSON, else left out, the largest field first.
fn fit_text(
    mut steps: Vec<FieldColumns>,
    mut episodes: Vec<FieldColumns>,
    reset_rows: bool,
    notes: &mut Notes,
) -> Result<String, InferError> {
    for (fields, stream) in [(&mut steps, RunStream::Steps), (&mut episodes, RunStream::Episodes)] {
        while fields.iter().map(|field| field.columns.len()).sum::<usize>() > MAX_COLUMNS {
            shrink_fields(fields, stream, notes);
        }
    }
    loop {
        let text = render_schema(&steps, &episodes, reset_rows);
        if text.len() <= MAX_SCHEMA_BYTES {
            // Whatever the rows hold, what is printed can be used.
            RunSchema::parse(text.as_bytes()).map_err(|error| InferError::NotDeclared { why: error.to_string() })?;
            return Ok(text);
        }
        if episodes.len() > steps.len() {
            shrink_fields(&mut episodes, RunStream::Episodes, notes);
        } else {
            shrink_fields(&mut steps, RunStream::Steps, notes);
        }
    }
}

/// Makes one column of the field with the most columns; leaves the last field out if each has one column.
fn shrink_fields(fields: &mut Vec<FieldColumns>, stream: RunStream, notes: &mut Notes) {
    let largest = fields.iter_mut().max_by_key(|field| field.columns.len());
    if let Some(FieldColumns { field, columns }) = largest
        && columns.len() > 1
        && let Some(first) = columns.first().cloned()
    {
        let count = columns.len();
        notes.add_check(format!(
            "`{}` of {} would be {count} columns: declared as one `json`",
            field.escape_debug(),
            stream.stem()
        ));
        // The name of its first column is in use by no other.
        let path = first.path.iter().take(1).cloned().collect();
        let nullable = columns.iter().any(|column| column.nullable);
        let kind = ColumnType::Json;
        *columns =
            vec![DraftColumn { kind, path, nullable, shape: None, is_non_finite: false, more: Vec::new(), ..first }];
    } else if let Some(field) = fields.pop() {
        notes.add_check(format!("`{}` of {} is left out: too many columns", field.field.escape_debug(), stream.stem()));
    }
}

/// A column a line, for people.
fn render_schema(steps: &[FieldColumns], episodes: &[FieldColumns], reset_rows: bool) -> String {
    let line = |value: JsonValue| value.dump_with(JsonLayout { sort_keys: false, compact: false, indent: None });
    let columns_of = |fields: &[FieldColumns]| {
        let columns = fields.iter().flat_map(|field| &field.columns);
        let lines: Vec<String> = columns
            .map(|column| format!("    {}: {}", line(column.name.as_str().into()), line(column.to_json().into())))
            .collect();
        if lines.is_empty() { "{}".to_owned() } else { format!("{{\n{}\n  }}", lines.join(",\n")) }
    };
    let mut members = vec!["\"format\": 1".to_owned()];
    if reset_rows {
        members.push("\"reset_rows\": true".into());
    }
    members.push(format!("\"steps\": {}", columns_of(steps)));
    members.push(format!("\"episodes\": {}", columns_of(episodes)));
    members.extend(meanings::plot_of(steps).map(|plot| format!("\"plot\": {}", line(plot))));
    format!("{{\n  {}\n}}\n", members.join(",\n  "))
}

#[cfg(test)]
mod tests;
