//! The JSON of the `schema` commands.

use serde::Serialize;

use crate::formats::json::JsonValue;
use crate::run::infer::{InferNote, NoteKind};
use crate::run::schema::{Bounds, Column, RunSchema, Storage, StreamSchema};

/// `schema infer`
#[derive(Debug, Serialize)]
pub struct SchemaInferJson {
    /// The schema, as it would stand in `schema.json`.
    pub schema: serde_json::Value,
    /// How many rows of steps were read.
    pub steps: u64,
    /// How many rows of episodes were read.
    pub episodes: u64,
    /// Whether all rows were read.
    pub complete: bool,
    /// What the rows do not tell, and what in them is not as the format asks.
    pub notes: Vec<InferNoteJson>,
}

/// Something to know about an inferred schema.
#[derive(Debug, Serialize)]
pub struct InferNoteJson {
    /// `fault`: the run stays invalid, whatever the schema says. `check`: to be looked at.
    pub kind: &'static str,
    /// In words.
    pub text: String,
}

impl From<&InferNote> for InferNoteJson {
    fn from(note: &InferNote) -> Self {
        let kind = match note.kind {
            NoteKind::Fault => "fault",
            NoteKind::Check => "check",
        };
        Self { kind, text: note.text.clone() }
    }
}

/// `schema show`
#[derive(Debug, Serialize)]
pub struct SchemaShowJson {
    /// The run or the file.
    pub of: String,
    /// Whether it is in a `schema.json`; else it is plume-nav-sim's, which is built in.
    pub declared: bool,
    /// The name that it has.
    pub name: Option<String>,
    /// What it says of itself.
    pub description: Option<String>,
    /// Whether an episode's first row is step 0, the state after `reset()`.
    pub reset_rows: bool,
    /// The columns of steps.
    pub steps: Vec<SchemaColumnJson>,
    /// The columns of episodes.
    pub episodes: Vec<SchemaColumnJson>,
    /// What is drawn.
    pub plot: SchemaPlotJson,
}

/// What is drawn of a run.
#[derive(Debug, Serialize)]
pub struct SchemaPlotJson {
    /// The two columns of a path.
    pub path: Option<[String; 2]>,
    /// Columns over steps.
    pub lines: Vec<String>,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SchemaColumnJson {
    /// Its name.
    pub column: String,
    /// The type of its values.
    pub dtype: &'static str,
    /// The sizes of a list, `[-1]` for any length; `null` for one value.
    pub shape: Option<Vec<i64>>,
    /// Where it stands in a row.
    pub path: String,
    /// Whether it can be absent or null.
    pub nullable: bool,
    /// The smallest number allowed; `null` for the type's own.
    pub min: Option<serde_json::Number>,
    /// The largest.
    pub max: Option<serde_json::Number>,
    /// Whether `NaN` and infinities are faults.
    pub finite: bool,
    /// The texts that are allowed; empty for any.
    #[serde(rename = "enum")]
    pub allowed: Vec<String>,
    /// The unit.
    pub unit: Option<String>,
    /// What it is.
    pub description: Option<String>,
    /// What it must equal: `last(x)`.
    pub equals: Option<String>,
    /// The figures of a run that are made of it: `mean`, `min`, `max`.
    pub metrics: Vec<&'static str>,
}

/// `schema check`
#[derive(Debug, Serialize)]
pub struct SchemaCheckJson {
    /// The file.
    pub file: String,
    /// Whether it is a valid schema.
    pub ok: bool,
    /// Why it is not.
    pub error: Option<String>,
    /// How many columns of steps it declares.
    pub steps: usize,
    /// How many columns of episodes, those included that follow from the steps.
    pub episodes: usize,
}

/// `schema diff`
#[derive(Debug, Serialize)]
pub struct SchemaDiffJson {
    /// The first run or file.
    pub a: String,
    /// The second.
    pub b: String,
    /// Whether every column that both have is of one dtype, shape and unit.
    pub agree: bool,
    /// The columns of steps, those of A first.
    pub steps: Vec<SchemaDiffColumnJson>,
    /// The columns of episodes.
    pub episodes: Vec<SchemaDiffColumnJson>,
}

/// A column of two schemas.
#[derive(Debug, Serialize)]
pub struct SchemaDiffColumnJson {
    /// Its name.
    pub column: String,
    /// How it stands.
    pub state: ColumnState,
    /// It in the first schema.
    pub a: Option<SchemaColumnJson>,
    /// It in the second.
    pub b: Option<SchemaColumnJson>,
}

/// How a column stands in two schemas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnState {
    /// Declared the same way.
    Same,
    /// Of one type; something else differs, such as its range.
    Changed,
    /// Of another dtype, shape or unit: the schemas do not agree.
    Differs,
    /// In the first schema alone.
    OnlyA,
    /// In the second schema alone.
    OnlyB,
}

/// `schema add`
#[derive(Debug, Serialize)]
pub struct SchemaAddJson<'a> {
    /// The file that was written.
    pub schema: &'a str,
}

impl SchemaColumnJson {
    /// A column of episodes, whose `equals` names columns of `steps`; one of steps has none.
    #[must_use]
    pub fn of_column(column: &Column, steps: &StreamSchema) -> Self {
        let (min, max) = bounds_json(column);
        let size = |size: &usize| i64::try_from(*size).unwrap_or(i64::MAX);
        Self {
            column: column.name.clone(),
            dtype: column.kind.as_str(),
            shape: column
                .shape
                .as_ref()
                .map(|sizes| if sizes.is_empty() { vec![-1] } else { sizes.iter().map(size).collect() }),
            path: column.path.to_string(),
            nullable: column.nullable,
            min,
            max,
            finite: column.finite || column.storage() != Storage::Float,
            allowed: column.allowed.clone(),
            unit: column.unit.clone(),
            description: column.description.clone(),
            equals: column.equals.and_then(|equals| {
                Some(format!("{}({})", equals.function.as_str(), steps.column(equals.column)?.name))
            }),
            metrics: column.metrics.iter().map(|metric| metric.as_str()).collect(),
        }
    }

    /// All columns of a stream.
    #[must_use]
    pub fn of_stream(stream: &StreamSchema, steps: &StreamSchema) -> Vec<Self> {
        stream.columns.iter().map(|column| Self::of_column(column, steps)).collect()
    }
}

/// The bounds of a column that its declaration gives.
fn bounds_json(column: &Column) -> (Option<serde_json::Number>, Option<serde_json::Number>) {
    match column.bounds {
        None => (None, None),
        Some(Bounds::Int { min, max }) => {
            let (least, most) = column.kind.int_range().unwrap_or((i64::MIN, i64::MAX));
            ((min > least).then(|| min.into()), (max < most).then(|| max.into()))
        }
        // An infinite bound means that there is no bound.
        Some(Bounds::Float { min, max }) => (serde_json::Number::from_f64(min), serde_json::Number::from_f64(max)),
    }
}

impl SchemaShowJson {
    /// Of a schema.
    #[must_use]
    pub fn of_schema(of: &str, declared: bool, schema: &RunSchema) -> Self {
        let name_of = |index: usize| schema.steps.column(index).map(|column| column.name.clone()).unwrap_or_default();
        Self {
            of: of.to_owned(),
            declared,
            name: schema.name.clone(),
            description: schema.description.clone(),
            reset_rows: schema.reset_rows,
            steps: SchemaColumnJson::of_stream(&schema.steps, &schema.steps),
            episodes: SchemaColumnJson::of_stream(&schema.episodes, &schema.steps),
            plot: SchemaPlotJson {
                path: schema.plot.path.map(|(x, y)| [name_of(x), name_of(y)]),
                lines: schema.plot.lines.iter().map(|index| name_of(*index)).collect(),
            },
        }
    }
}

impl SchemaInferJson {
    /// Of a schema's text.
    #[must_use]
    pub fn new(value: &JsonValue, rows: (u64, u64), complete: bool, notes: &[InferNote]) -> Self {
        let notes = notes.iter().map(InferNoteJson::from).collect();
        Self { schema: value.to_strict(), steps: rows.0, episodes: rows.1, complete, notes }
    }
}
