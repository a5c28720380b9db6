//! What can be said of a repository without changing it: how far the selected run is, and whether what commits, trailers and
//! tags claim is true.
//!
//! It reads history, the workspace and the remotes, so it stands above the rooms that write them.

pub mod check;
pub mod status;
