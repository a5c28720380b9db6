//! The place of a field in a parsed row: the format's own fields first, then the columns in their order.

use super::MAX_COLUMNS;

/// A field's place in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldSlot(u16);

/// The number of fields that are not columns.
const CORE_FIELDS: u16 = 6;

impl FieldSlot {
    /// `run_id`
    pub const RUN_ID: Self = Self(0);
    /// `episode_id`
    pub const EPISODE_ID: Self = Self(1);
    /// `schema_version`
    pub const SCHEMA: Self = Self(2);
    /// `step`, `total_steps`
    pub const COUNT: Self = Self(3);
    /// `terminated`
    pub const TERMINATED: Self = Self(4);
    /// `truncated`
    pub const TRUNCATED: Self = Self(5);

    /// The slot of a column.
    #[must_use]
    pub fn of_column(index: usize) -> Self {
        Self(u16::try_from(index).unwrap_or(u16::MAX - CORE_FIELDS) + CORE_FIELDS)
    }

    /// The index of the column; `None` for a field of the format.
    #[must_use]
    pub fn column(self) -> Option<usize> {
        self.0.checked_sub(CORE_FIELDS).map(usize::from)
    }

    /// The slot as an index, from 0.
    #[must_use]
    #[inline]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// Words of 64 bits in a set of slots.
const WORDS: usize = (MAX_COLUMNS + CORE_FIELDS as usize + 2).div_ceil(64);

/// A set of slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SlotSet([u64; WORDS]);

impl SlotSet {
    /// Whether the set holds a slot.
    #[must_use]
    #[inline]
    pub fn contains(self, slot: FieldSlot) -> bool {
        self.0.get(slot.index() >> 6).is_some_and(|word| word & (1 << (slot.index() & 63)) != 0)
    }

    /// Adds a slot.
    #[inline]
    pub fn insert(&mut self, slot: FieldSlot) {
        if let Some(word) = self.0.get_mut(slot.index() >> 6) {
            *word |= 1 << (slot.index() & 63);
        }
    }

    /// Removes a slot.
    #[inline]
    pub fn remove(&mut self, slot: FieldSlot) {
        if let Some(word) = self.0.get_mut(slot.index() >> 6) {
            *word &= !(1 << (slot.index() & 63));
        }
    }

    /// Whether the set holds all slots of another.
    #[must_use]
    #[inline]
    pub fn covers(self, other: Self) -> bool {
        self.0.iter().zip(other.0).all(|(own, other)| own & other == other)
    }

    /// Whether the set holds no slot.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }
}
