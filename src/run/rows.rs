//! Rows between the reader and parquet: batches with one vector per column.
//!
//! A batch holds rows that were read completely; a line that could not be read is a finding, not a row. `run_id` and
//! `experiment` are the same for every row of a run and are not repeated here. No Arrow type is used, so that `run` and
//! `validate` do not depend on it.

use crate::run::schema::SchemaVersion;

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
/// memory and becomes null in parquet.
// The payload is ASCII `null`.
pub const NULL_ELEMENT: f64 = f64::from_bits(0x7ff8_0000_6e75_6c6c);

/// Whether a list's element is [`NULL_ELEMENT`].
#[must_use]
#[inline]
pub fn is_null_element(element: f64) -> bool {
    element.to_bits() == NULL_ELEMENT.to_bits()
}

/// Lists of numbers, end to end in one buffer; a list can be null.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ListColumn {
    /// All lists' values, end to end, with NaN, infinities and [`NULL_ELEMENT`].
    pub values: Vec<f64>,
    /// The end offset of each row's list in `values`; a null list is empty.
    pub ends: Vec<usize>,
    /// Whether the row has a list.
    pub valid: Vec<bool>,
}

impl ListColumn {
    /// The list at `i`.
    #[must_use]
    pub fn get(&self, i: usize) -> Option<&[f64]> {
        let start = if i == 0 { 0 } else { *self.ends.get(i - 1)? };
        let list = self.values.get(start..*self.ends.get(i)?)?;
        self.valid.get(i).copied().unwrap_or(false).then_some(list)
    }

    /// Ends a row whose values, if any, were pushed to `values` already.
    pub fn end_row(&mut self, valid: bool) {
        self.ends.push(self.values.len());
        self.valid.push(valid);
    }

    /// Removes all values, keeps the memory.
    pub fn clear(&mut self) {
        self.values.clear();
        self.ends.clear();
        self.valid.clear();
    }
}

/// Consecutive step rows of one episode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EpisodeSpan {
    /// The episode's id.
    pub episode_id: String,
    /// The segment's number in the run, from 0.
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
    /// The step's number in the episode, from 1.
    pub step: Vec<i64>,
    /// Time, in seconds since the Unix epoch.
    pub ts: Vec<f64>,
    /// Action taken.
    pub action: Vec<i64>,
    /// Reward got.
    pub reward: Vec<f64>,
    /// The episode reached its end here.
    pub terminated: Vec<bool>,
    /// The episode was cut off here.
    pub truncated: Vec<bool>,
    /// Position, x.
    pub agent_x: Vec<i64>,
    /// Position, y.
    pub agent_y: Vec<i64>,
    /// Distance to the goal.
    pub distance_to_goal: Vec<f64>,
    /// What the agent saw.
    pub observation_summary: ListColumn,
    /// The episode's seed.
    pub seed: NullableColumn<i64>,
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
        self.ts.clear();
        self.action.clear();
        self.reward.clear();
        self.terminated.clear();
        self.truncated.clear();
        self.agent_x.clear();
        self.agent_y.clear();
        self.distance_to_goal.clear();
        self.observation_summary.clear();
        self.seed.clear();
        self.extra.clear();
    }
}

/// A batch of episode rows, in the order of the episodes' file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EpisodeRows {
    /// The row's schema version, or the run's if the row has none.
    pub schema_version: Vec<SchemaVersion>,
    /// The episode's id.
    pub episode_id: TextColumn,
    /// The index of the segment of steps that this row sums up; null if there is none (an error that a user chose to
    /// ignore).
    pub episode_index: NullableColumn<i64>,
    /// The episode reached its end.
    pub terminated: Vec<bool>,
    /// The episode was cut off.
    pub truncated: Vec<bool>,
    /// How many steps.
    pub total_steps: Vec<i64>,
    /// Sum of the rewards.
    pub total_reward: Vec<f64>,
    /// Last position, x.
    pub final_x: Vec<i64>,
    /// Last position, y.
    pub final_y: Vec<i64>,
    /// Last distance to the goal.
    pub final_distance_to_goal: NullableColumn<f64>,
    /// How long the episode took, in milliseconds.
    pub duration_ms: NullableColumn<f64>,
    /// How long a step took, in milliseconds.
    pub avg_step_time_ms: NullableColumn<f64>,
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
        self.total_reward.clear();
        self.final_x.clear();
        self.final_y.clear();
        self.final_distance_to_goal.clear();
        self.duration_ms.clear();
        self.avg_step_time_ms.clear();
        self.extra.clear();
    }
}
