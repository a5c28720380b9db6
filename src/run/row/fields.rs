//! The fields of rows: their names, types, and whether they are required. The tables only; `parser` applies them.

use super::FieldSlot;
use crate::run::layout::RunStream;

/// The type of a field's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FieldType {
    Text,
    Schema,
    Bool,
    /// A 64-bit integer, at least this.
    Int(i64),
    Float,
    /// A number, at least 0.
    Positive,
    /// A duration: below 0 if the clock was set back, which is a warning.
    Elapsed,
    Floats,
    Position,
}

impl FieldType {
    pub fn expected_text(self) -> &'static str {
        match self {
            Self::Text | Self::Schema => "a text",
            Self::Bool => "a bool",
            Self::Int(_) => "an int",
            Self::Float | Self::Positive | Self::Elapsed => "a number",
            Self::Floats => "a list of numbers",
            Self::Position => "an object with x and y",
        }
    }
}

/// Whether a field is required.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FieldNeed {
    Required,
    /// Can be absent or null.
    Optional,
}

/// A field of a row.
pub(super) struct RowField {
    pub name: &'static str,
    pub slot: FieldSlot,
    pub kind: FieldType,
    pub need: FieldNeed,
}

const fn row_field(name: &'static str, slot: FieldSlot, kind: FieldType, need: FieldNeed) -> RowField {
    RowField { name, slot, kind, need }
}

use FieldNeed::{Optional, Required};

static STEP_FIELDS: [RowField; 13] = [
    row_field("ts", FieldSlot::Ts, FieldType::Float, Required),
    row_field("run_id", FieldSlot::RunId, FieldType::Text, Required),
    row_field("episode_id", FieldSlot::EpisodeId, FieldType::Text, Required),
    row_field("step", FieldSlot::Count, FieldType::Int(1), Required),
    row_field("action", FieldSlot::Action, FieldType::Int(i64::MIN), Required),
    row_field("reward", FieldSlot::Reward, FieldType::Float, Required),
    row_field("terminated", FieldSlot::Terminated, FieldType::Bool, Required),
    row_field("truncated", FieldSlot::Truncated, FieldType::Bool, Required),
    row_field("agent_position", FieldSlot::Position, FieldType::Position, Required),
    row_field("distance_to_goal", FieldSlot::Distance, FieldType::Positive, Required),
    row_field("observation_summary", FieldSlot::Observation, FieldType::Floats, Optional),
    row_field("seed", FieldSlot::Seed, FieldType::Int(i64::MIN), Optional),
    row_field("schema_version", FieldSlot::Schema, FieldType::Schema, Optional),
];

static EPISODE_FIELDS: [RowField; 11] = [
    row_field("run_id", FieldSlot::RunId, FieldType::Text, Required),
    row_field("episode_id", FieldSlot::EpisodeId, FieldType::Text, Required),
    row_field("terminated", FieldSlot::Terminated, FieldType::Bool, Required),
    row_field("truncated", FieldSlot::Truncated, FieldType::Bool, Required),
    row_field("total_steps", FieldSlot::Count, FieldType::Int(0), Required),
    row_field("total_reward", FieldSlot::Reward, FieldType::Float, Required),
    row_field("final_position", FieldSlot::Position, FieldType::Position, Required),
    row_field("final_distance_to_goal", FieldSlot::Distance, FieldType::Positive, Optional),
    row_field("duration_ms", FieldSlot::Duration, FieldType::Elapsed, Optional),
    row_field("avg_step_time_ms", FieldSlot::AvgStep, FieldType::Elapsed, Optional),
    row_field("schema_version", FieldSlot::Schema, FieldType::Schema, Optional),
];

pub(super) static POSITION_FIELDS: [RowField; 2] = [
    row_field("x", FieldSlot::X, FieldType::Int(i64::MIN), Required),
    row_field("y", FieldSlot::Y, FieldType::Int(i64::MIN), Required),
];

/// Returns the fields of a stream's rows.
pub(super) fn stream_fields(stream: RunStream) -> &'static [RowField] {
    match stream {
        RunStream::Steps => &STEP_FIELDS,
        RunStream::Episodes => &EPISODE_FIELDS,
    }
}
