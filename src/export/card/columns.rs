//! The columns of a table as a reader of a card meets them.

use crate::export::meanings::column_meaning;
use crate::run::layout::RunStream;
use crate::run::schema::{Column, RunSchema, TableColumn, TableSource};

/// A column of a table.
pub(super) struct ShownColumn {
    /// Its name.
    pub(super) name: String,
    /// Its type.
    pub(super) kind: String,
    /// The unit of its values.
    pub(super) unit: Option<String>,
    /// What it is.
    pub(super) meaning: Option<String>,
}

/// The columns of a stream's table, in order.
pub(super) fn show_columns(schema: &RunSchema, stream: RunStream) -> Vec<ShownColumn> {
    schema.table_columns(stream).iter().map(|column| show_column(schema, stream, column)).collect()
}

fn show_column(schema: &RunSchema, stream: RunStream, column: &TableColumn) -> ShownColumn {
    let declared = match column.source {
        TableSource::Column(index) => schema.stream(stream).column(index),
        _ => None,
    };
    let kind = match (column.source, declared) {
        (_, Some(declared)) => describe_kind(declared),
        (TableSource::EpisodeIndex | TableSource::Count, _) => "int64".into(),
        (TableSource::Terminated | TableSource::Truncated, _) => "bool".into(),
        (TableSource::Extra, _) => "json".into(),
        (TableSource::Undeclared(kind), _) => kind.as_str().into(),
        _ => "string".into(),
    };
    let meaning = match (column.source, declared.and_then(|declared| declared.description.clone())) {
        (TableSource::Undeclared(_), _) => Some("Not recorded".into()),
        (_, Some(description)) => Some(description),
        _ => column_meaning(stream, &column.name, schema.is_plume(), schema.reset_rows),
    };
    ShownColumn { name: column.name.clone(), kind, unit: declared.and_then(|declared| declared.unit.clone()), meaning }
}

/// A column's type in words: `float64`, `list of float64`, `float32, 7 x 7 x 3`.
fn describe_kind(column: &Column) -> String {
    let kind = column.kind.as_str();
    match column.shape.as_deref() {
        None => kind.to_owned(),
        Some([]) => format!("list of {kind}"),
        Some(shape) => {
            let sizes: Vec<String> = shape.iter().map(ToString::to_string).collect();
            format!("{kind}, {}", sizes.join(" x "))
        }
    }
}
