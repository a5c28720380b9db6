//! Reports on a repository without changing it: how far the selected run is, and whether commits, trailers and tags
//! are right.
//!
//! It reads history, the workspace and the remotes, so it is above the rooms that write them.

pub mod check;
pub mod status;
