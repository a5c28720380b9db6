//! Which columns a run's rows have: the declaration in a run's `schema.json`, and plume-nav-sim's formats as
//! declarations of the same kind.
//!
//! A run of schema version `2` declares its columns; runs of `0.1` and `1.0.0` have the columns of [`RunSchema::plume`].
//! Readers, rules, batches and parquet follow the declaration. The format of `schema.json` is in `docs/schema.md`.

mod agree;
mod check;
mod column;
mod error;
mod parse;
mod path;
mod plume;
mod slot;
mod table;
#[cfg(test)]
mod tests;
mod tree;

use std::fmt;
use std::sync::Arc;

pub use self::agree::{
    ColumnDisagreement, PinFault, describe_type, find_disagreements, find_pin_faults, has_same_type,
};
pub(super) use self::check::{EPISODE_MEANINGS, RESERVED, STEP_MEANINGS};
pub use self::column::{Bounds, Column, ColumnType, Equals, EqualsFunction, MetricKind, Storage};
pub use self::error::{MAX_COLUMNS, MAX_ELEMENTS, MAX_SCHEMA_BYTES, SchemaError};
pub use self::path::{PathStep, ValuePath};
pub use self::slot::{FieldSlot, SlotSet};
pub use self::table::{TableColumn, TableSource};
pub(super) use self::tree::{Container, ContainerKind, PathTree};

/// The file in which a run declares its columns.
pub const SCHEMA_JSON: &str = "schema.json";

/// A schema version that can be read here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SchemaVersion {
    /// `0.1`: plume-nav-sim's recorder, on PyPI and current.
    V0_1,
    /// `1.0.0`: the first recorder.
    V1_0_0,
    /// `2`: any simulator, with its columns in `schema.json`.
    V2,
}

/// The first number of the newest [`SchemaVersion`].
const NEWEST_MAJOR: u64 = 2;

impl SchemaVersion {
    /// All versions.
    pub const ALL: [Self; 3] = [Self::V0_1, Self::V1_0_0, Self::V2];

    /// The version as recorders write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V0_1 => "0.1",
            Self::V1_0_0 => "1.0.0",
            Self::V2 => "2",
        }
    }

    /// Parses a version as written; `None` for an unknown one.
    #[must_use]
    pub fn read(text: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|v| v.as_str().as_bytes() == text)
    }

    /// Whether a version as written is one that only a newer program can read.
    #[must_use]
    pub fn is_newer(text: &str) -> bool {
        let major: Option<u64> = text.split('.').next().and_then(|number| number.parse().ok());
        major.is_some_and(|major| major > NEWEST_MAJOR)
    }

    /// Whether runs of this version declare their columns in `schema.json`.
    #[must_use]
    pub fn is_declared(self) -> bool {
        self == Self::V2
    }
}

impl fmt::Display for SchemaVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The columns of a run's rows.
#[derive(Debug, Clone)]
pub struct RunSchema {
    /// The simulator's or dataset's name.
    pub name: Option<String>,
    /// What the runs are.
    pub description: Option<String>,
    /// The steps' columns.
    pub steps: StreamSchema,
    /// The episodes' columns. A declared schema has those that follow from the steps, too: `total_reward`, `agent`.
    pub episodes: StreamSchema,
    /// Whether an episode's first row is step 0, the state after `reset()`.
    pub reset_rows: bool,
    /// What to draw.
    pub plot: PlotColumns,
    /// The text of `schema.json`; empty for plume-nav-sim's formats.
    pub text: String,
    is_plume: bool,
}

/// What plots of a run show, as indices of step columns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlotColumns {
    /// The two coordinates of a path.
    pub path: Option<(usize, usize)>,
    /// Columns over steps.
    pub lines: Vec<usize>,
}

impl RunSchema {
    /// Parses the bytes of a `schema.json`.
    ///
    /// # Errors
    /// The text is not JSON, or not a declaration; the message names the column.
    pub fn parse(bytes: &[u8]) -> Result<Self, SchemaError> {
        parse::parse_schema(bytes)
    }

    /// The columns of plume-nav-sim's runs, versions 0.1 and 1.0.0.
    #[must_use]
    pub fn plume() -> Arc<Self> {
        Arc::clone(&plume::PLUME)
    }

    /// Whether this is plume-nav-sim's format, with its own rules for episodes and its own order of columns.
    #[must_use]
    pub fn is_plume(&self) -> bool {
        self.is_plume
    }

    /// The columns of a stream.
    #[must_use]
    pub fn stream(&self, stream: super::layout::RunStream) -> &StreamSchema {
        match stream {
            super::layout::RunStream::Steps => &self.steps,
            super::layout::RunStream::Episodes => &self.episodes,
        }
    }

    /// The schema versions that a row of such a run can have.
    #[must_use]
    pub fn row_versions(&self) -> &'static [SchemaVersion] {
        if self.is_plume { &[SchemaVersion::V0_1, SchemaVersion::V1_0_0] } else { &[SchemaVersion::V2] }
    }

    /// The index of the step column `agent`, if episodes are told apart by it.
    #[must_use]
    pub fn agent(&self) -> Option<usize> {
        if self.is_plume { None } else { self.steps.find("agent") }
    }

    /// The episode columns that a summary must have and that do not follow from the steps. If there is none, a run can be
    /// without summaries.
    pub fn columns_of_summaries(&self) -> impl Iterator<Item = &Column> {
        let follows = |column: &Column| column.name == "agent" && self.agent().is_some();
        let columns = self.episodes.columns.iter();
        columns.filter(move |column| column.equals.is_none() && !column.nullable && !follows(column))
    }

    /// The episode columns that name files of the run.
    pub fn file_columns(&self) -> impl Iterator<Item = usize> {
        self.episodes
            .columns
            .iter()
            .enumerate()
            .filter(|(_, column)| column.kind == ColumnType::File)
            .map(|(index, _)| index)
    }
}

/// The columns of one stream, and how its rows are read.
#[derive(Debug, Clone)]
pub struct StreamSchema {
    /// The columns, in the order of the declaration.
    pub columns: Vec<Column>,
    /// Where each column's value is kept in a row.
    pub(super) places: Vec<CellPlace>,
    /// How many values of each place a row has.
    pub(super) counts: CellCounts,
    /// Objects and arrays with columns inside; the first is the row itself.
    pub(super) containers: Vec<Container>,
    /// The order in which values are checked.
    pub(super) order: Vec<FieldSlot>,
    /// For each column, the containers around it, outermost first, without the row.
    pub(super) outer: Vec<Vec<usize>>,
    /// The name of the row's number: `step`, `total_steps`.
    pub(super) count_name: &'static str,
    /// The least number.
    pub(super) count_least: i64,
    /// Whether a row must have a `run_id`.
    pub(super) needs_run_id: bool,
}

/// Where a column's value is kept in a row and in a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CellPlace {
    /// A bool or number, as bits.
    Scalar(usize),
    /// A text.
    Text(usize),
    /// A list.
    List(usize),
}

/// How many values of each kind a row has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CellCounts {
    /// Bools and numbers.
    pub scalars: usize,
    /// Texts.
    pub texts: usize,
    /// Lists.
    pub lists: usize,
}

impl StreamSchema {
    /// The index of the column of this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// The column at an index.
    #[must_use]
    pub fn column(&self, index: usize) -> Option<&Column> {
        self.columns.get(index)
    }

    /// Where a column's value is kept.
    #[must_use]
    pub fn place(&self, index: usize) -> Option<CellPlace> {
        self.places.get(index).copied()
    }

    /// How many values of each place a row has.
    #[must_use]
    pub fn counts(&self) -> CellCounts {
        self.counts
    }
}
