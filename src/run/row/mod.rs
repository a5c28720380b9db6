//! One row of a run: its fields, and how a line becomes typed values and faults.
//!
//! This is the general parser, right for every line. `run::fast` reads most lines much faster and must agree with it.
//! Rows of steps and of episodes share one [`ParsedRow`], whose memory is used again for every line. What a fault means
//! for the run is decided in `validate`.

mod fields;
mod parser;
#[cfg(test)]
mod tests;

pub use parser::RowParser;
pub(super) use parser::push_member;

use std::ops::Range;

use crate::formats::json::scanner::ParseError;
use crate::run::schema::SchemaVersion;

/// A field's place in a [`ParsedRow`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum FieldSlot {
    /// `run_id`
    RunId,
    /// `episode_id`
    EpisodeId,
    /// `schema_version`
    Schema,
    /// `agent_position`, `final_position`
    Position,
    /// `observation_summary`
    Observation,
    /// `terminated`
    Terminated,
    /// `truncated`
    Truncated,
    /// `step`, `total_steps`
    Count,
    /// `action`
    Action,
    /// `x` of the position
    X,
    /// `y` of the position
    Y,
    /// `seed`
    Seed,
    /// `ts`
    Ts,
    /// `reward`, `total_reward`
    Reward,
    /// `distance_to_goal`, `final_distance_to_goal`
    Distance,
    /// `duration_ms`
    Duration,
    /// `avg_step_time_ms`
    AvgStep,
}

// The slots are ordered by type: a slot minus the first of its type is its index in `bools`, `ints` or `floats`.
const SLOT_COUNT: usize = 17;
const FIRST_BOOL: usize = FieldSlot::Terminated as usize;
const FIRST_INT: usize = FieldSlot::Count as usize;
const FIRST_FLOAT: usize = FieldSlot::Ts as usize;

/// A set of slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SlotSet(pub(super) u32);

impl SlotSet {
    /// Whether the set holds a slot.
    #[must_use]
    #[inline]
    pub fn contains(self, slot: FieldSlot) -> bool {
        self.0 & (1 << slot as u8) != 0
    }

    /// Adds a slot.
    #[inline]
    pub fn insert(&mut self, slot: FieldSlot) {
        self.0 |= 1 << slot as u8;
    }

    /// Whether the set holds no slot.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// What is wrong with a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowFault {
    /// A required field is missing.
    Missing(String),
    /// A value has the wrong type: field, expected, found.
    WrongType(String, &'static str, String),
    /// A number is out of its range: field, why.
    OutOfRange(String, String),
    /// A number is `NaN` or infinite: field, the value.
    NonFinite(String, String),
    /// A text holds a lone surrogate, which UTF-8 cannot hold: field.
    Surrogate(String),
    /// The schema version is unknown: its text.
    Schema(String),
    /// A duration is below 0; the row is still usable: field, value.
    NegativeTime(String, String),
    /// A field that the schema does not know; its name as written, with its quotes, in [`ParsedRow::extra`].
    Unknown(Range<usize>),
    /// A field of the position that the schema does not know: both names with a dot between, quoted.
    UnknownInside(String),
}

/// Why a line cannot be read as a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BadLine {
    /// Not UTF-8, from this byte on.
    Utf8(usize),
    /// Not JSON.
    Json(ParseError),
    /// JSON, but not an object.
    NotAnObject(&'static str),
}

/// One row. A value counts only if its slot is in `present` and not in `bad`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ParsedRow {
    /// Fields that exist and are not null.
    pub present: SlotSet,
    /// Fields that are missing, or whose value breaks a rule.
    pub bad: SlotSet,
    /// Whether a fault keeps the row out of the columns.
    pub lossy: bool,
    /// What is wrong.
    pub faults: Vec<RowFault>,
    /// `run_id`
    pub run_id: String,
    /// `episode_id`
    pub episode_id: String,
    /// `schema_version`, if the row has a known one.
    pub schema: Option<SchemaVersion>,
    /// `observation_summary`; an element that is null is [`NULL_ELEMENT`](super::rows::NULL_ELEMENT).
    pub observation: Vec<f64>,
    /// Unknown fields as one JSON object that every reader accepts (see [`push_strict`](super::strict::push_strict));
    /// empty if there are none.
    pub extra: String,
    /// Unknown fields of the position, as an object without its closing brace.
    extra_of_position: String,
    pub(super) bools: [bool; 2],
    pub(super) ints: [i64; 5],
    pub(super) floats: [f64; 5],
}

impl ParsedRow {
    /// Whether the field exists and has no fault.
    #[must_use]
    #[inline]
    pub fn is_good(&self, slot: FieldSlot) -> bool {
        SlotSet(self.present.0 & !self.bad.0).contains(slot)
    }

    /// A bool's value.
    #[must_use]
    #[inline]
    pub fn bool(&self, slot: FieldSlot) -> bool {
        self.bools.get((slot as usize).wrapping_sub(FIRST_BOOL)).copied().unwrap_or_default()
    }

    /// An integer's value.
    #[must_use]
    #[inline]
    pub fn int(&self, slot: FieldSlot) -> i64 {
        self.ints.get((slot as usize).wrapping_sub(FIRST_INT)).copied().unwrap_or_default()
    }

    /// A number's value.
    #[must_use]
    #[inline]
    pub fn float(&self, slot: FieldSlot) -> f64 {
        self.floats.get((slot as usize).wrapping_sub(FIRST_FLOAT)).copied().unwrap_or_default()
    }

    #[inline]
    pub(super) fn set_bool(&mut self, slot: FieldSlot, value: bool) {
        if let Some(target) = self.bools.get_mut((slot as usize).wrapping_sub(FIRST_BOOL)) {
            *target = value;
        }
    }

    #[inline]
    pub(super) fn set_int(&mut self, slot: FieldSlot, value: i64) {
        if let Some(target) = self.ints.get_mut((slot as usize).wrapping_sub(FIRST_INT)) {
            *target = value;
        }
    }

    #[inline]
    pub(super) fn set_float(&mut self, slot: FieldSlot, value: f64) {
        if let Some(target) = self.floats.get_mut((slot as usize).wrapping_sub(FIRST_FLOAT)) {
            *target = value;
        }
    }

    fn clear(&mut self) {
        self.present = SlotSet::default();
        self.bad = SlotSet::default();
        self.lossy = false;
        self.faults.clear();
        self.run_id.clear();
        self.episode_id.clear();
        self.schema = None;
        self.observation.clear();
        self.extra.clear();
        self.extra_of_position.clear();
        self.bools = Default::default();
        self.ints = Default::default();
        self.floats = Default::default();
        // A single huge row must not hold its memory until the end of the run.
        self.extra.shrink_to(64 << 10);
        self.observation.shrink_to(64 << 10);
    }

    fn add_fault(&mut self, slot: FieldSlot, fault: RowFault) {
        self.bad.insert(slot);
        self.faults.push(fault);
    }
}
