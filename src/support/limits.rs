//! The most bytes that are read of a file that a stranger may have written, kind by kind.
//!
//! A file that is larger is an error that says so: what real projects hold is far below. Rows are read line by line and
//! have no limit but a line's (`run::reader`).

/// `capture-hook.toml`, `dvc.yaml`, a params file, `.dvc/config`, ignore rules, the files that show the selected run.
pub const TEXT: u64 = 4 << 20;

/// `dvc.lock`, which grows with every stage of the project.
pub const LOCKFILE: u64 = 16 << 20;

/// `run.json` and `manifest.json`.
pub const RUN_FILE: u64 = 64 << 20;

/// A data version's list of files, which grows with the dataset: some two million files.
pub const FILE_LIST: u64 = 256 << 20;

/// The values that a text of settings or parameters may hold: each costs some hundred bytes of memory.
pub const VALUES: usize = 200_000;

/// The values that a `dvc.lock` may hold: some ten thousand stages.
pub const LOCKFILE_VALUES: usize = 400_000;

/// The runs that a data version may hold, or change.
pub const RUNS: usize = 250_000;

/// A data version's list that a hook looks into: some 300,000 files, a second or two of work.
pub const UNASKED_FILE_LIST: u64 = 32 << 20;

/// The files that a hook writes or removes in the workspace: some seconds of work.
pub const UNASKED_FILES: usize = 50_000;
