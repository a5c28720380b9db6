//! (room)
pub mod workspace;
