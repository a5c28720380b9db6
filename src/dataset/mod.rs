//! Our dataset in a DVC project: its data versions, their file lists, and where each run's bytes are.

pub mod agreement;
pub mod checkout;
pub mod diff;
pub mod differences;
pub mod edit_runs;
pub mod file_lists;
pub mod get;
pub mod known_files;
pub mod list_bytes;
pub mod location;
pub mod merge;
pub mod metrics_files;
pub mod native;
pub mod record;
mod run_folders;
pub mod runs;
pub mod stage;
pub mod verified;
pub mod verify;
