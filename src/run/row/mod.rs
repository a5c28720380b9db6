//! One row of a run: its fields, and how a line becomes typed values and faults.
//!
//! This is the general parser, right for every line. `run::fast` reads most lines much faster and must agree with it.
//! Rows of steps and of episodes share one [`ParsedRow`], whose memory is used again for every line. Which fields a row
//! has is declared in `run::schema`; what a fault means for the run is decided in `validate`.

mod extra;
mod list;
mod number;
mod parser;
#[cfg(test)]
mod tests;
mod text;
mod value;

pub use parser::RowParser;
pub(super) use text::push_member;

use std::borrow::Cow;
use std::ops::Range;

use crate::formats::json::scanner::ParseError;
use crate::run::rows::{TextColumn, Values};
pub use crate::run::schema::{FieldSlot, SlotSet};
use crate::run::schema::{SchemaVersion, StreamSchema};

/// What is wrong with a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowFault {
    /// A required field is missing.
    Missing(String),
    /// A value has the wrong type: field, expected, found.
    WrongType(String, Cow<'static, str>, String),
    /// A list has other dimensions: field, expected, found.
    WrongShape(String, String, String),
    /// A number is out of its range, or a text is none of those allowed: field, why.
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
    /// A field of an object that the schema does not know: all names with dots between, quoted.
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
    /// `step`, `total_steps`
    pub count: i64,
    /// `terminated`
    pub terminated: bool,
    /// `truncated`
    pub truncated: bool,
    /// The columns that are bools and numbers, as bits: see [`ParsedRow::int`], [`ParsedRow::float`].
    pub scalars: Vec<u64>,
    /// The columns that are texts.
    pub texts: Vec<String>,
    /// The columns that are lists.
    pub lists: Vec<Values>,
    /// Unknown fields as one JSON object that every reader accepts (see [`push_strict`](super::strict::push_strict));
    /// empty if there are none.
    pub extra: String,
}

impl ParsedRow {
    /// Whether the field exists and has no fault.
    #[must_use]
    #[inline]
    pub fn is_good(&self, slot: FieldSlot) -> bool {
        self.present.contains(slot) && !self.bad.contains(slot)
    }

    /// The bits of a bool or number.
    #[must_use]
    #[inline]
    pub fn scalar(&self, at: usize) -> u64 {
        self.scalars.get(at).copied().unwrap_or_default()
    }

    /// An integer.
    #[must_use]
    #[inline]
    pub fn int(&self, at: usize) -> i64 {
        self.scalar(at).cast_signed()
    }

    /// A float.
    #[must_use]
    #[inline]
    pub fn float(&self, at: usize) -> f64 {
        f64::from_bits(self.scalar(at))
    }

    /// A bool.
    #[must_use]
    #[inline]
    pub fn bool(&self, at: usize) -> bool {
        self.scalar(at) != 0
    }

    /// Sets the bits of a bool or number.
    #[inline]
    pub fn set_scalar(&mut self, at: usize, bits: u64) {
        if let Some(target) = self.scalars.get_mut(at) {
            *target = bits;
        }
    }

    /// Empties the row, and makes room for a stream's columns.
    pub fn clear_for(&mut self, stream: &StreamSchema) {
        self.present = SlotSet::default();
        self.bad = SlotSet::default();
        self.lossy = false;
        self.faults.clear();
        self.run_id.clear();
        self.episode_id.clear();
        self.schema = None;
        (self.count, self.terminated, self.truncated) = (0, false, false);
        self.extra.clear();
        let counts = stream.counts();
        self.scalars.clear();
        self.scalars.resize(counts.scalars, 0);
        self.texts.resize_with(counts.texts, String::new);
        if self.lists.len() != counts.lists {
            let of_lists = stream.columns.iter().filter(|column| column.shape.is_some());
            self.lists = of_lists.map(|column| Values::empty(column.storage())).collect();
        }
        // A single huge row must not hold its memory until the end of the run.
        const KEPT: usize = 64 << 10;
        self.extra.shrink_to(KEPT);
        for text in &mut self.texts {
            text.clear();
            text.shrink_to(KEPT);
        }
        for list in &mut self.lists {
            list.clear();
            list.shrink_to(KEPT);
        }
    }

    fn add_fault(&mut self, slot: FieldSlot, fault: RowFault) {
        self.bad.insert(slot);
        self.faults.push(fault);
    }

    /// A text column's memory.
    #[inline]
    pub(super) fn text_mut(&mut self, at: usize) -> Option<&mut String> {
        self.texts.get_mut(at)
    }
}

/// Adds a text to a column of texts.
pub(super) fn push_text(texts: &mut Values, text: &str) {
    if let Values::Text(texts) = texts {
        TextColumn::push(texts, text);
    }
}
