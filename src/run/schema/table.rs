//! The columns of a run's tables: of its parquet files, and of the tables that Python gets.

use super::column::{Column, ColumnType};
use super::{RunSchema, StreamSchema};
use crate::run::layout::RunStream;

/// Where a table's column comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableSource {
    /// The run's schema version, or the row's.
    SchemaVersion,
    /// The experiment.
    Experiment,
    /// The run's id.
    RunId,
    /// The episode's id.
    EpisodeId,
    /// The episode's number in the run, from 0.
    EpisodeIndex,
    /// `step`, `total_steps`
    Count,
    /// `terminated`
    Terminated,
    /// `truncated`
    Truncated,
    /// The unknown fields, as JSON text.
    Extra,
    /// A declared column, by its index.
    Column(usize),
    /// A column of this type that every table has and this run does not declare: all null.
    Undeclared(ColumnType),
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableColumn {
    /// Its name.
    pub name: String,
    /// Where its values come from.
    pub source: TableSource,
    /// Whether it can hold a null.
    pub is_nullable: bool,
}

/// The columns that every table of declared runs has in the same place, after the episode's index.
const STEP_CORE: [(&str, Option<ColumnType>); 6] = [
    ("step", None),
    ("ts", Some(ColumnType::Float64)),
    ("reward", Some(ColumnType::Float64)),
    ("terminated", None),
    ("truncated", None),
    ("seed", Some(ColumnType::Int64)),
];

const EPISODE_CORE: [(&str, Option<ColumnType>); 5] = [
    ("terminated", None),
    ("truncated", None),
    ("total_steps", None),
    ("total_reward", Some(ColumnType::Float64)),
    ("duration_ms", Some(ColumnType::Float64)),
];

/// plume-nav-sim's tables have the end of an episode behind the reward, and its columns in their own order.
const PLUME_STEP_CORE: [&str; 6] = ["step", "ts", "action", "reward", "terminated", "truncated"];
const PLUME_EPISODE_CORE: [&str; 3] = ["terminated", "truncated", "total_steps"];

impl RunSchema {
    /// The columns of a stream's table, in order.
    #[must_use]
    pub fn table_columns(&self, stream: RunStream) -> Vec<TableColumn> {
        let own = self.stream(stream);
        let is_steps = stream == RunStream::Steps;
        let mut table = vec![
            plain("schema_version", TableSource::SchemaVersion),
            plain("experiment", TableSource::Experiment),
            plain("run_id", TableSource::RunId),
            plain("episode_id", TableSource::EpisodeId),
            // A summary can lack its steps, if settings ignore that.
            TableColumn { is_nullable: !is_steps, ..plain("episode_index", TableSource::EpisodeIndex) },
        ];
        let core: Vec<(&str, Option<ColumnType>)> = match (self.is_plume(), is_steps) {
            (false, true) => STEP_CORE.to_vec(),
            (false, false) => EPISODE_CORE.to_vec(),
            (true, true) => PLUME_STEP_CORE.map(|name| (name, None)).to_vec(),
            (true, false) => PLUME_EPISODE_CORE.map(|name| (name, None)).to_vec(),
        };
        let is_nullable = |column: &Column| column.nullable || is_steps && self.reset_rows;
        table.extend(core.iter().filter_map(|(name, undeclared)| core_column(name, *undeclared, own, is_nullable)));
        let is_core = |name: &str| core.iter().any(|(core, _)| *core == name);
        let declared = own.columns.iter().enumerate().filter(|(_, column)| !is_core(&column.name));
        table.extend(declared.map(|(index, column)| TableColumn {
            name: column.name.clone(),
            source: TableSource::Column(index),
            is_nullable: is_nullable(column),
        }));
        table.push(TableColumn { is_nullable: true, ..plain("extra", TableSource::Extra) });
        table
    }
}

fn plain(name: &str, source: TableSource) -> TableColumn {
    TableColumn { name: name.to_owned(), source, is_nullable: false }
}

fn core_column(
    name: &str,
    undeclared: Option<ColumnType>,
    own: &StreamSchema,
    is_nullable: impl Fn(&Column) -> bool,
) -> Option<TableColumn> {
    let format_field = match name {
        "step" | "total_steps" => Some(TableSource::Count),
        "terminated" => Some(TableSource::Terminated),
        "truncated" => Some(TableSource::Truncated),
        _ => None,
    };
    if let Some(source) = format_field {
        return Some(plain(name, source));
    }
    match (own.find(name), undeclared) {
        (Some(index), _) => {
            let is_nullable = own.column(index).is_some_and(is_nullable);
            Some(TableColumn { is_nullable, ..plain(name, TableSource::Column(index)) })
        }
        (None, Some(kind)) => Some(TableColumn { is_nullable: true, ..plain(name, TableSource::Undeclared(kind)) }),
        (None, None) => None,
    }
}
