//! The set of episode ids seen so far, in little memory.
//!
//! Recorders number their episodes, so ids that differ only in their last digits and follow each other are one range.
//! Any other id is a 128-bit fingerprint under keys that are random for each run: two ids never collide in practice,
//! and no collision can be constructed. Ids are not kept as text.

use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::BuildHasher;

/// The number of ranges that are kept; further ids are fingerprints.
const RANGES: usize = 4096;

/// The most digits that are read as a number: 18 always fit 64 bits.
const DIGITS: usize = 18;

/// A set of ids.
pub(super) struct SeenIds {
    /// Start and end of each range, by the text before the digits and the number of digits.
    ranges: HashMap<(Box<str>, usize), BTreeMap<u64, u64>>,
    count: usize,
    others: HashSet<u128>,
    keys: (RandomState, RandomState),
}

impl SeenIds {
    pub fn new() -> Self {
        Self {
            ranges: HashMap::new(),
            count: 0,
            others: HashSet::new(),
            keys: (RandomState::new(), RandomState::new()),
        }
    }

    /// Whether the set holds an id.
    pub fn contains(&self, id: &str) -> bool {
        let in_range = || {
            let (prefix, digits, number) = split_number(id)?;
            let (_, end) = self.ranges.get(&(prefix.into(), digits))?.range(..=number).next_back()?;
            Some(*end >= number)
        };
        in_range() == Some(true) || self.others.contains(&self.fingerprint_of(id))
    }

    /// Adds an id that is not in the set.
    pub fn insert(&mut self, id: &str) {
        let Some((prefix, digits, number)) = split_number(id) else { return self.insert_other(id) };
        let key = (prefix.into(), digits);
        let before = self.ranges.get(&key).and_then(|ranges| ranges.range(..number).next_back()).map(|(s, e)| (*s, *e));
        match before {
            Some((start, end)) if end + 1 == number => {
                if let Some(ranges) = self.ranges.get_mut(&key) {
                    // The next number: the range grows, without a new entry.
                    ranges.insert(start, number);
                }
            }
            // { => A gap in the numbers: a new range, up to the limit.
            _ if self.count < RANGES => {
                self.count += 1;
                self.ranges.entry(key).or_default().insert(number, number);
            }
            _ => self.insert_other(id),
        }
    }

    fn insert_other(&mut self, id: &str) {
        let fingerprint = self.fingerprint_of(id);
        self.others.insert(fingerprint);
    }

    fn fingerprint_of(&self, id: &str) -> u128 {
        // Two independent 64-bit hashes with random keys.
        u128::from(self.keys.0.hash_one(id)) << 64 | u128::from(self.keys.1.hash_one(id))
    }
}

/// Splits an id into the text before its last digits, the number of digits, and their value.
fn split_number(id: &str) -> Option<(&str, usize, u64)> {
    let digits = id.bytes().rev().take(DIGITS).take_while(u8::is_ascii_digit).count();
    let (prefix, number) = id.split_at_checked(id.len() - digits)?;
    Some((prefix, digits, number.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_known_again_and_others_are_not() {
        let mut seen = SeenIds::new();
        let ids: Vec<String> = (0..20_000)
            .map(|i| match i % 4 {
                0 => format!("ep-{:06}", i / 4),
                1 => format!("ep-{}", 40_000 - i),
                2 => format!("{:x}-x", i * 7919),
                _ => format!("é{}", i * i),
            })
            .collect();
        for id in &ids {
            assert!(!seen.contains(id), "{id}");
            seen.insert(id);
            assert!(seen.contains(id), "{id}");
        }
        assert!(ids.iter().all(|id| seen.contains(id)));
        for id in ["", "ep-", "ep-005000", "ep-00001", "x", "99999999999999999999999"] {
            assert!(!seen.contains(id), "{id}");
        }
    }

    #[test]
    fn numbered_ids_take_no_memory() {
        let mut seen = SeenIds::new();
        for i in 0..100_000 {
            seen.insert(&format!("ep-{i:06}"));
        }
        assert!(seen.count == 1 && seen.others.is_empty());
    }
}
