//! The ground floor: doors to the file system, to other programs and to the environment, and helpers for text, names
//! and parallel work.
//!
//! Everything above uses these doors instead of `std`'s, so that limits, atomic writes and escaping hold everywhere.
//! Nothing here knows what a run, a dataset or a hook is.

pub mod address;
pub mod apart;
pub mod aside;
pub mod beneath;
pub mod blocks;
pub mod call_log;
pub mod checksums;
pub mod durable;
pub mod env;
mod files;
pub mod fs;
mod fs_error;
mod git_dir;
pub mod interactive;
pub mod limits;
pub mod names;
pub mod notes;
pub mod off_limits;
pub mod packed;
pub mod parallel;
pub mod path;
pub mod percent;
pub mod plain_text;
pub mod platform;
pub mod process;
pub mod progress;
pub mod prompts;
mod replace;
pub mod staging;
pub mod stamp;
pub mod stderr_events;
pub mod text;
pub mod this_process;
pub mod transaction;
pub mod visible;
