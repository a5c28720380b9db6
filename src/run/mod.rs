//! (room)
pub mod json;
