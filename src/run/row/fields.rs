//! The fields that rows have: their names, types, and whether they must be there.

use super::Slot;
use crate::run::layout::Stream;

/// What a field's value must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Text,
    Schema,
    Bool,
    /// 64-bit, at least this.
    Int(i64),
    Float,
    /// At least 0.
    Positive,
    /// Time that went by: below 0 where the clock was set back, which is told.
    Elapsed,
    Floats,
    Position,
}

impl Type {
    pub fn wanted(self) -> &'static str {
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

/// Whether a field must be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    Required,
    /// May be absent or null.
    Optional,
}

/// A field of a row.
pub(super) struct Field {
    pub name: &'static str,
    pub slot: Slot,
    pub kind: Type,
    pub need: Need,
}

const fn field(name: &'static str, slot: Slot, kind: Type, need: Need) -> Field {
    Field { name, slot, kind, need }
}

use Need::{Optional, Required};

static STEP: [Field; 13] = [
    field("ts", Slot::Ts, Type::Float, Required),
    field("run_id", Slot::RunId, Type::Text, Required),
    field("episode_id", Slot::EpisodeId, Type::Text, Required),
    field("step", Slot::Count, Type::Int(1), Required),
    field("action", Slot::Action, Type::Int(i64::MIN), Required),
    field("reward", Slot::Reward, Type::Float, Required),
    field("terminated", Slot::Terminated, Type::Bool, Required),
    field("truncated", Slot::Truncated, Type::Bool, Required),
    field("agent_position", Slot::Position, Type::Position, Required),
    field("distance_to_goal", Slot::Distance, Type::Positive, Required),
    field("observation_summary", Slot::Observation, Type::Floats, Optional),
    field("seed", Slot::Seed, Type::Int(i64::MIN), Optional),
    field("schema_version", Slot::Schema, Type::Schema, Optional),
];

static EPISODE: [Field; 11] = [
    field("run_id", Slot::RunId, Type::Text, Required),
    field("episode_id", Slot::EpisodeId, Type::Text, Required),
    field("terminated", Slot::Terminated, Type::Bool, Required),
    field("truncated", Slot::Truncated, Type::Bool, Required),
    field("total_steps", Slot::Count, Type::Int(0), Required),
    field("total_reward", Slot::Reward, Type::Float, Required),
    field("final_position", Slot::Position, Type::Position, Required),
    field("final_distance_to_goal", Slot::Distance, Type::Positive, Optional),
    field("duration_ms", Slot::Duration, Type::Elapsed, Optional),
    field("avg_step_time_ms", Slot::AvgStep, Type::Elapsed, Optional),
    field("schema_version", Slot::Schema, Type::Schema, Optional),
];

pub(super) static XY: [Field; 2] =
    [field("x", Slot::X, Type::Int(i64::MIN), Required), field("y", Slot::Y, Type::Int(i64::MIN), Required)];

/// The fields of a stream's rows.
pub(super) fn fields(stream: Stream) -> &'static [Field] {
    match stream {
        Stream::Steps => &STEP,
        Stream::Episodes => &EPISODE,
    }
}
