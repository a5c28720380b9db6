//! A run on disk: its name, its files, its metadata, its rows.
//!
//! Bytes and paths in, values out. This room knows the formats of all three recorders in use. It says what can be read
//! and what cannot; rules about good data are in `validate`. It writes nothing.

mod beside;
pub mod dataset_dir;
pub mod declared_files;
pub mod discover;
pub mod fast;
mod file_names;
pub mod gzip;
mod ids;
pub mod include;
pub mod infer;
pub mod layout;
pub mod meta;
pub mod open;
pub mod reader;
pub mod resolve;
pub mod row;
pub mod rows;
pub mod schema;
pub mod simulator;
mod start_time;
pub mod strict;
pub mod tag_names;

pub use ids::{RunKey, UnsafeId, why_unsafe};
pub use start_time::StartTime;
