//! The fields of a record set: type, shape, unit and description of each column, from the runs' schema.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::export::meanings::column_meaning;
use crate::export::tables::{TableGroup, type_of};
use crate::run::layout::RunStream;
use crate::run::schema::{Bounds, Column, ColumnType, RunSchema, TableColumn, TableSource};

/// Returns the fields of a table. `source` is where all of them come from.
pub(super) fn list_fields(group: &TableGroup<'_>, stream: RunStream, source: &Value) -> Vec<Value> {
    let schemas = distinct_schemas(group);
    let Some(first) = schemas.first() else { return Vec::new() };
    let tables: Vec<Vec<TableColumn>> = schemas.iter().map(|schema| schema.table_columns(stream)).collect();
    let make_field = |column: &TableColumn| {
        let same = |table: &'_ Vec<TableColumn>| table.iter().find(|other| other.name == column.name).cloned();
        let found: Vec<TableColumn> = tables.iter().filter_map(same).collect();
        let declared: Vec<Option<&Column>> =
            schemas.iter().zip(&found).map(|(schema, column)| type_of(schema, stream, column).1).collect();
        let (kind, _) = type_of(first, stream, column);
        let field = FieldFacts { stream, kind, columns: &found, schemas: &schemas, declared: &declared };
        field.to_json(&group.table_name(stream), &column.name, source)
    };
    tables.first().into_iter().flatten().map(make_field).collect()
}

/// The schemas of a group's runs, each once, in the order of the runs.
fn distinct_schemas<'a>(group: &'a TableGroup<'_>) -> Vec<&'a RunSchema> {
    let mut seen = BTreeSet::new();
    let schemas = group.runs.iter().map(|run| &*run.schema);
    schemas.filter(|schema| seen.insert((schema.is_plume(), schema.text.as_str()))).collect()
}

/// A column as each schema of a group has it.
struct FieldFacts<'a> {
    stream: RunStream,
    kind: ColumnType,
    columns: &'a [TableColumn],
    schemas: &'a [&'a RunSchema],
    declared: &'a [Option<&'a Column>],
}

impl FieldFacts<'_> {
    fn to_json(&self, table: &str, name: &str, source: &Value) -> Value {
        let mut field = Map::new();
        field.insert("@type".into(), json!("cr:Field"));
        field.insert("@id".into(), json!(format!("{table}/{name}")));
        field.insert("name".into(), json!(name));
        field.insert("description".into(), json!(self.describe(name)));
        field.insert("dataType".into(), json!(data_type(self.kind)));
        if let Some(shape) = self.shape() {
            field.insert("isArray".into(), json!(true));
            field.insert("arrayShape".into(), json!(array_shape(shape)));
        }
        if let Some(unit) = self.unit() {
            field.insert("unitText".into(), json!(unit));
        }
        let mut source = source.clone();
        if let Value::Object(source) = &mut source {
            source.insert("extract".into(), json!({"column": name}));
        }
        field.insert("source".into(), source);
        Value::Object(field)
    }

    /// The column of the first schema that declares it. Type, shape and unit are the same in all.
    fn first_declared(&self) -> Option<&Column> {
        self.declared.iter().copied().flatten().next()
    }

    fn shape(&self) -> Option<&[usize]> {
        self.first_declared()?.shape.as_deref()
    }

    fn unit(&self) -> Option<&str> {
        self.first_declared()?.unit.as_deref()
    }

    fn describe(&self, name: &str) -> String {
        let mut sentences = vec![self.meaning(name)];
        if let Some(shape) = self.shape().filter(|shape| shape.len() > 1) {
            let sizes: Vec<String> = shape.iter().map(ToString::to_string).collect();
            sentences.push(format!("An array of {}, row by row in one list", sizes.join(" × ")));
        }
        match self.kind {
            ColumnType::Json => sentences.push("The text of a JSON value".into()),
            ColumnType::File => sentences.push("The path of a file in the run's folder".into()),
            _ => {}
        }
        sentences.extend(self.unit().map(|unit| format!("Unit: {unit}")));
        sentences.extend(self.common(range_text).map(|range| format!("Range: {range}")));
        sentences.extend(self.common(allowed_text).map(|texts| format!("One of: {texts}")));
        sentences.extend(self.equals_text());
        if self.columns.iter().all(|column| matches!(column.source, TableSource::Undeclared(_))) {
            sentences.push("Not recorded, so always null".into());
        } else if self.columns.iter().any(|column| column.is_nullable) {
            sentences.push("Can be null".into());
        }
        let ended = sentences.iter().map(|sentence| sentence.trim()).filter(|sentence| !sentence.is_empty());
        let ended =
            ended.map(|text| if text.ends_with(['.', '!', '?', '。']) { text.into() } else { format!("{text}.") });
        ended.collect::<Vec<String>>().join(" ")
    }

    /// What the column is: as its schema says, else what its name means in every run, else where it was recorded.
    fn meaning(&self, name: &str) -> String {
        let declared = || self.declared.iter().copied().flatten();
        if let Some(text) = declared().find_map(|column| column.description.as_deref()) {
            return text.to_owned();
        }
        let is_plume = self.schemas.iter().any(|schema| schema.is_plume());
        let has_resets = self.schemas.iter().any(|schema| schema.reset_rows);
        if let Some(text) = column_meaning(self.stream, name, is_plume, has_resets) {
            return text;
        }
        match self.common(|column| Some(column.path.to_string())) {
            Some(path) => format!("Recorded as {path}"),
            None => String::new(),
        }
    }

    fn equals_text(&self) -> Option<String> {
        let first = self.first_declared()?.equals?;
        let is_same = self.common(|column| column.equals.map(|equals| equals.function.as_str()));
        let column = self.schemas.first()?.steps.column(first.column)?;
        is_same.map(|function| format!("Equals {function}({}) of the episode's steps", column.name))
    }

    /// A fact that every schema states alike.
    fn common<T: PartialEq>(&self, fact: impl Fn(&Column) -> Option<T>) -> Option<T> {
        let mut facts = self.declared.iter().map(|column| column.and_then(&fact));
        let first = facts.next()??;
        facts.all(|other| other.as_ref() == Some(&first)).then_some(first)
    }
}

fn data_type(kind: ColumnType) -> &'static str {
    match kind {
        ColumnType::Bool => "sc:Boolean",
        ColumnType::Int8 => "cr:Int8",
        ColumnType::Int16 => "cr:Int16",
        ColumnType::Int32 => "cr:Int32",
        ColumnType::Int64 => "cr:Int64",
        ColumnType::UInt8 => "cr:UInt8",
        ColumnType::UInt16 => "cr:UInt16",
        ColumnType::UInt32 => "cr:UInt32",
        ColumnType::Float32 => "cr:Float32",
        ColumnType::Float64 => "cr:Float64",
        ColumnType::String | ColumnType::Json | ColumnType::File => "sc:Text",
    }
}

/// The shape of what is loaded: parquet has one list, whatever the dimensions.
fn array_shape(shape: &[usize]) -> String {
    if shape.is_empty() { "-1".into() } else { shape.iter().product::<usize>().to_string() }
}

fn range_text(column: &Column) -> Option<String> {
    let (least, greatest) = match column.bounds? {
        Bounds::Int { min, max } => {
            let (least, greatest) = column.kind.int_range().unwrap_or((i64::MIN, i64::MAX));
            ((min > least).then(|| min.to_string()), (max < greatest).then(|| max.to_string()))
        }
        Bounds::Float { min, max } => (float_text(column.kind, min), float_text(column.kind, max)),
    };
    match (least, greatest) {
        (Some(least), Some(greatest)) => Some(format!("{least} to {greatest}")),
        (Some(least), None) => Some(format!("from {least}")),
        (None, Some(greatest)) => Some(format!("up to {greatest}")),
        (None, None) => None,
    }
}

/// A bound with as few digits as the column's type needs.
#[allow(clippy::cast_possible_truncation)]
fn float_text(kind: ColumnType, bound: f64) -> Option<String> {
    match kind {
        _ if bound.is_infinite() => None,
        ColumnType::Float32 => Some(format!("{:?}", bound as f32)),
        _ => Some(format!("{bound:?}")),
    }
}

fn allowed_text(column: &Column) -> Option<String> {
    (!column.allowed.is_empty()).then(|| column.allowed.join(", "))
}
