//! What `gc --json` prints.

use serde::Serialize;

/// `gc`
#[derive(Debug, Serialize)]
pub struct GcJson {
    /// Whether the objects were removed; else they would be.
    pub done: bool,
    /// The remote; without, the cache.
    pub remote: Option<String>,
    /// For how many days objects and entries of reflogs are kept.
    pub keep_days: u64,
    /// Runs whose files go.
    pub runs: Vec<GcRunJson>,
    /// What else goes.
    pub others: Vec<GcOtherJson>,
    /// All that goes.
    pub removed: ObjectSumJson,
    /// What something needs.
    pub needed: ObjectSumJson,
    /// What nothing needs and is too young.
    pub recent: ObjectSumJson,
    /// What nothing needs that is known, and another project may.
    pub unknown_kept: ObjectSumJson,
    /// Copies of runs for readers that go.
    pub copies: u64,
    /// The cache's directory, if nothing is removed because other projects can use it.
    pub shared_cache: Option<String>,
    /// Files of DVC's that cannot be parsed: every hash in their text is kept.
    pub unparsed: Vec<String>,
    /// The sister projects whose data is kept.
    pub sisters: Vec<String>,
}

/// Objects in numbers.
#[derive(Debug, Serialize)]
pub struct ObjectSumJson {
    /// How many.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// A run whose files go.
#[derive(Debug, Serialize)]
pub struct GcRunJson {
    /// The run.
    pub run: String,
    /// How many files go.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The data versions that held it.
    pub data_versions: Vec<String>,
    /// Commits that name these, which nothing reaches.
    pub commits: Vec<String>,
}

/// Other objects that go.
#[derive(Debug, Serialize)]
pub struct GcOtherJson {
    /// `file_lists` of old data versions, what a `file` of DVC's named, what an `interrupted` removal left, or `unknown`.
    pub kind: &'static str,
    /// The path of DVC's file.
    pub file: Option<String>,
    /// How many.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Commits that name them, which nothing reaches.
    pub commits: Vec<String>,
}
