//! A run on disk: its name, its files, its metadata, its rows.
//!
//! Bytes and paths in, values out. This room knows the three recorders in the field and judges nothing beyond what can be
//! read: rules live in `validate`.

mod beside;
pub mod dataset_dir;
pub mod discover;
pub mod fast;
mod file_names;
pub mod gzip;
mod ids;
pub mod include;
pub mod layout;
pub mod meta;
pub mod open;
pub mod reader;
pub mod resolve;
pub mod row;
pub mod rows;
pub mod schema;
mod start_time;
pub mod strict;
pub mod tag_names;

pub use ids::{RunKey, UnsafeId, why_unsafe};
pub use start_time::StartTime;
