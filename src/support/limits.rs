//! The most bytes, values, files and runs that are read of what a stranger may have written, by kind of file.
//!
//! A larger file is an error that names the limit. The limits are far above what real projects hold; they keep a
//! hostile repository from filling memory. Rows of a run are read line by line and have no limit but a line's
//! (`run::reader`).

/// `capture-hook.toml`, `dvc.yaml`, a params file, `.dvc/config`, ignore rules, the files that show the selected run;
/// in bytes.
pub const TEXT: u64 = 4 << 20;

/// `dvc.lock`, in bytes: it grows with every stage of the project.
pub const LOCKFILE: u64 = 16 << 20;

/// `run.json` and `manifest.json`, in bytes.
pub const RUN_FILE: u64 = 64 << 20;

/// A data version's file list, in bytes: enough for some two million files.
pub const FILE_LIST: u64 = 256 << 20;

/// Values in a file of settings or parameters: each costs some hundred bytes of memory.
pub const VALUES: usize = 200_000;

/// Values in a `dvc.lock`: enough for some ten thousand stages.
pub const LOCKFILE_VALUES: usize = 400_000;

/// Runs that a data version may hold or change.
pub const RUNS: usize = 250_000;

/// Bytes of a file list that a hook reads unasked: some 300,000 files, a second or two of work.
pub const UNASKED_FILE_LIST: u64 = 32 << 20;

/// Files that a hook writes or removes in the workspace unasked: some seconds of work.
pub const UNASKED_FILES: usize = 50_000;
