//! The DVC remote: what it lacks, and fetching from it.

pub mod fetch;
pub mod look_up;
pub mod missing;
