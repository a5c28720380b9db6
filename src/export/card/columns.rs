//! The columns of a table as a reader of a card meets them.

use crate::run::layout::RunStream;
use crate::run::schema::{RunSchema, TableColumn, TableSource};

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
    let of_format = |kind: &str, meaning: &str| ShownColumn {
        name: column.name.clone(),
        kind: kind.into(),
        unit: None,
        meaning: Some(meaning.into()),
    };
    let count = if stream == RunStream::Steps { "Number of the step in its episode" } else { "Number of steps" };
    match column.source {
        TableSource::SchemaVersion => of_format("string", "Version of the format of the recorded rows"),
        TableSource::Experiment => of_format("string", "Experiment of the run"),
        TableSource::RunId => of_format("string", "Name of the run in its experiment"),
        TableSource::EpisodeId => of_format("string", "Name of the episode, as the recorder wrote it"),
        TableSource::EpisodeIndex => of_format("int64", "Number of the episode in its run, from 0"),
        TableSource::Count => of_format("int64", count),
        TableSource::Terminated => of_format("bool", "Whether the episode reached an end of its own"),
        TableSource::Truncated => of_format("bool", "Whether the episode was cut off"),
        TableSource::Extra => of_format("json", "Fields of the row that are no columns"),
        TableSource::Undeclared(kind) => of_format(kind.as_str(), "Not recorded"),
        TableSource::Column(index) => {
            let declared = schema.stream(stream).column(index);
            let shape = declared.and_then(|declared| declared.shape_text()).unwrap_or_default();
            ShownColumn {
                name: column.name.clone(),
                kind: declared.map(|declared| format!("{}{shape}", declared.kind.as_str())).unwrap_or_default(),
                unit: declared.and_then(|declared| declared.unit.clone()),
                meaning: declared.and_then(|declared| declared.description.clone()),
            }
        }
    }
}
