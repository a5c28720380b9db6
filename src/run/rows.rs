//! Rows between the reader and parquet: batches with one vector per column.
//!
//! A batch holds rows that were read completely; a line that could not be read is a finding, not a row. `run_id` and
//! `experiment` are the same for every row of a run and are not repeated here. No Arrow type is used, so that `run` and
//! `validate` do not depend on it.

use crate::run::schema::{Column, SchemaVersion, Storage, StreamSchema};

/// Texts, end to end in one buffer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TextColumn {
    /// The bytes, valid UTF-8, end to end.
    pub bytes: Vec<u8>,
    /// The end offset of each text in `bytes`.
    pub ends: Vec<usize>,
}

impl TextColumn {
    /// Adds one text.
    pub fn push(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
        self.ends.push(self.bytes.len());
    }

    /// Returns the text at `i`; empty if there is none.
    #[must_use]
    pub fn get(&self, i: usize) -> &str {
        let start = if i == 0 { 0 } else { self.ends.get(i - 1).copied().unwrap_or(0) };
        let bytes = self.ends.get(i).and_then(|&end| self.bytes.get(start..end)).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Removes all values, keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }
}

/// Values that can be null; a null has the default value and no mark in `valid`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NullableColumn<T> {
    /// One value per row.
    pub values: Vec<T>,
    /// Whether the row has one.
    pub valid: Vec<bool>,
}

impl<T: Copy + Default> NullableColumn<T> {
    /// Adds one.
    pub fn push(&mut self, value: Option<T>) {
        self.valid.push(value.is_some());
        self.values.push(value.unwrap_or_default());
    }

    /// The value at `i`.
    #[must_use]
    pub fn get(&self, i: usize) -> Option<T> {
        if self.valid.get(i).copied().unwrap_or(false) { self.values.get(i).copied() } else { None }
    }

    /// Removes all values, keeps the memory.
    pub fn clear(&mut self) {
        self.values.clear();
        self.valid.clear();
    }
}

/// A list element that the recorder wrote as `null`: a NaN with bits that no JSON number gives. It stays a NaN in
/// memory and becomes null in plume-nav-sim's parquet.
// The payload is ASCII `null`.
pub const NULL_ELEMENT: f64 = f64::from_bits(0x7ff8_0000_6e75_6c6c);

/// Whether a list's element is [`NULL_ELEMENT`].
#[must_use]
#[inline]
pub fn is_null_element(element: f64) -> bool {
    element.to_bits() == NULL_ELEMENT.to_bits()
}

/// Values of one type, end to end: a column's, or the elements of its lists.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// Bools.
    Bool(Vec<bool>),
    /// Integers of any width.
    Int(Vec<i64>),
    /// Floats; those of single precision are exact. In lists with NaN, infinities and [`NULL_ELEMENT`].
    Float(Vec<f64>),
    /// Texts.
    Text(TextColumn),
}

impl Values {
    /// No values, of this storage.
    #[must_use]
    pub fn empty(storage: Storage) -> Self {
        match storage {
            Storage::Bool => Self::Bool(Vec::new()),
            Storage::Int => Self::Int(Vec::new()),
            Storage::Float => Self::Float(Vec::new()),
            Storage::Text => Self::Text(TextColumn::default()),
        }
    }

    /// How many values.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Bool(values) => values.len(),
            Self::Int(values) => values.len(),
            Self::Float(values) => values.len(),
            Self::Text(texts) => texts.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes in memory, roughly.
    #[must_use]
    pub fn size(&self) -> usize {
        match self {
            Self::Bool(values) => values.len(),
            Self::Int(values) => values.len() * size_of::<i64>(),
            Self::Float(values) => values.len() * size_of::<f64>(),
            Self::Text(texts) => texts.bytes.len() + texts.ends.len() * size_of::<usize>(),
        }
    }

    /// Removes all values, keeps the memory.
    pub fn clear(&mut self) {
        match self {
            Self::Bool(values) => values.clear(),
            Self::Int(values) => values.clear(),
            Self::Float(values) => values.clear(),
            Self::Text(texts) => texts.clear(),
        }
    }

    /// Gives back memory beyond this many values.
    pub fn shrink_to(&mut self, values: usize) {
        match self {
            Self::Bool(kept) => kept.shrink_to(values),
            Self::Int(kept) => kept.shrink_to(values),
            Self::Float(kept) => kept.shrink_to(values),
            Self::Text(texts) => {
                texts.bytes.shrink_to(values);
                texts.ends.shrink_to(values);
            }
        }
    }

    /// Appends values of the same storage; others are left out.
    pub fn extend_from(&mut self, other: &Self) {
        match (self, other) {
            (Self::Bool(own), Self::Bool(other)) => own.extend_from_slice(other),
            (Self::Int(own), Self::Int(other)) => own.extend_from_slice(other),
            (Self::Float(own), Self::Float(other)) => own.extend_from_slice(other),
            (Self::Text(own), Self::Text(other)) => (0..other.len()).for_each(|i| own.push(other.get(i))),
            _ => {}
        }
    }
}

/// A column of a batch.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnValues {
    /// One value per row; for a column of lists, all elements end to end. A null has the default value.
    pub values: Values,
    /// For a column of lists, the end of each row's list in `values`; a null list is empty.
    pub ends: Option<Vec<usize>>,
    /// Whether each row has a value; empty if every row has one.
    pub valid: Vec<bool>,
}

impl ColumnValues {
    /// An empty column.
    #[must_use]
    pub fn new(column: &Column) -> Self {
        Self { values: Values::empty(column.storage()), ends: column.shape.is_some().then(Vec::new), valid: Vec::new() }
    }

    /// Whether the row has a value.
    #[must_use]
    pub fn is_valid(&self, row: usize) -> bool {
        self.valid.get(row).copied().unwrap_or(true)
    }

    /// The floats; none if it is another column.
    #[must_use]
    pub fn floats(&self) -> &[f64] {
        if let Values::Float(values) = &self.values { values } else { &[] }
    }

    /// The integers; none if it is another column.
    #[must_use]
    pub fn ints(&self) -> &[i64] {
        if let Values::Int(values) = &self.values { values } else { &[] }
    }

    /// The bools; none if it is another column.
    #[must_use]
    pub fn bools(&self) -> &[bool] {
        if let Values::Bool(values) = &self.values { values } else { &[] }
    }

    /// Removes all values, keeps the memory.
    pub fn clear(&mut self) {
        self.values.clear();
        self.valid.clear();
        if let Some(ends) = &mut self.ends {
            ends.clear();
        }
    }

    /// Bytes of lists and texts; other columns have 0.
    #[must_use]
    pub fn long_bytes(&self) -> usize {
        if self.ends.is_some() || matches!(self.values, Values::Text(_)) { self.values.size() } else { 0 }
    }
}

/// Makes the empty columns of a stream.
#[must_use]
pub fn empty_columns(stream: &StreamSchema) -> Vec<ColumnValues> {
    stream.columns.iter().map(ColumnValues::new).collect()
}

/// Consecutive step rows of one episode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EpisodeSpan {
    /// The episode's id.
    pub episode_id: String,
    /// The episode's number in the run, from 0, in the order of first rows.
    pub episode_index: i64,
    /// The number of rows in this batch.
    pub rows: usize,
}

/// A batch of step rows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StepRows {
    /// The row's schema version, or the run's if the row has none.
    pub schema_version: Vec<SchemaVersion>,
    /// `episode_id` and `episode_index` for consecutive rows; the spans' rows add up to [`StepRows::len`].
    pub episodes: Vec<EpisodeSpan>,
    /// The step's number in the episode, from 1; 0 for the state after `reset()`.
    pub step: Vec<i64>,
    /// The episode reached its end here.
    pub terminated: Vec<bool>,
    /// The episode was cut off here.
    pub truncated: Vec<bool>,
    /// The columns of [`RunSchema::steps`](crate::run::schema::RunSchema), in its order.
    pub columns: Vec<ColumnValues>,
    /// The row's unknown fields as one JSON object; empty if there are none (null in parquet).
    pub extra: TextColumn,
}

impl StepRows {
    /// How many rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.step.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.step.is_empty()
    }

    /// Removes all rows, keeps the memory.
    pub fn clear(&mut self) {
        self.schema_version.clear();
        self.episodes.clear();
        self.step.clear();
        self.terminated.clear();
        self.truncated.clear();
        self.columns.iter_mut().for_each(ColumnValues::clear);
        self.extra.clear();
    }

    /// Bytes of lists and texts.
    #[must_use]
    pub fn long_bytes(&self) -> usize {
        self.columns.iter().map(ColumnValues::long_bytes).sum::<usize>() + self.extra.bytes.len()
    }
}

/// A batch of episode rows, in the order of the episodes' file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EpisodeRows {
    /// The row's schema version, or the run's if the row has none.
    pub schema_version: Vec<SchemaVersion>,
    /// The episode's id.
    pub episode_id: TextColumn,
    /// The index of the episode of steps that this row sums up; null if there is none (an error that a user chose to
    /// ignore).
    pub episode_index: NullableColumn<i64>,
    /// The episode reached its end.
    pub terminated: Vec<bool>,
    /// The episode was cut off.
    pub truncated: Vec<bool>,
    /// How many steps.
    pub total_steps: Vec<i64>,
    /// The columns of [`RunSchema::episodes`](crate::run::schema::RunSchema), in its order.
    pub columns: Vec<ColumnValues>,
    /// The row's unknown fields as one JSON object; empty if there are none (null in parquet).
    pub extra: TextColumn,
}

impl EpisodeRows {
    /// How many rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.total_steps.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.total_steps.is_empty()
    }

    /// Removes all rows, keeps the memory.
    pub fn clear(&mut self) {
        self.schema_version.clear();
        self.episode_id.clear();
        self.episode_index.clear();
        self.terminated.clear();
        self.truncated.clear();
        self.total_steps.clear();
        self.columns.iter_mut().for_each(ColumnValues::clear);
        self.extra.clear();
    }

    /// Bytes of lists and texts.
    #[must_use]
    pub fn long_bytes(&self) -> usize {
        let texts = self.episode_id.bytes.len() + self.extra.bytes.len();
        self.columns.iter().map(ColumnValues::long_bytes).sum::<usize>() + texts
    }
}
