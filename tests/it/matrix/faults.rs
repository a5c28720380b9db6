//! (to come)
pub const CASES: &[super::Case] = &[];
