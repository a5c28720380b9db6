//! What is known of a run of a data version: by its files, and by the history.

use jiff::Timestamp;

use crate::columnar::RunMetrics;
use crate::formats::json::JsonValue;
use crate::git::{Commit, Oid};
use crate::history::summary::ValidationVerdict;
use crate::validate::SeedSummary;

/// What a run's files say of it. What is not known is absent.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunFacts {
    /// The start time as its recorder wrote it.
    pub start_time: Option<String>,
    /// The schema version as its recorder wrote it.
    pub schema_version: Option<String>,
    /// The simulator's name, as far as the recorder says.
    pub simulator: Option<String>,
    /// The simulator's version.
    pub simulator_version: Option<String>,
    /// The commit of the simulator's code.
    pub code_version: Option<String>,
    /// The first seed.
    pub base_seed: Option<i64>,
    /// The seeds of the steps.
    pub seeds: Option<SeedSummary>,
    /// The configuration.
    pub env_config: Option<JsonValue>,
    /// The hash of the configuration.
    pub config_hash: Option<String>,
    /// Steps, without the states after resets.
    pub steps: Option<u64>,
    /// Metrics; their number of steps is that of `steps`, or 0.
    pub metrics: Option<RunMetrics>,
    /// The result of the validation, as its manifest has it.
    pub verdict: Option<ValidationVerdict>,
    /// The SHA-256 of its manifest, in hex.
    pub manifest_sha256: Option<String>,
}

/// Where a run of a data version comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunSource {
    /// The newest commit, reachable from the revision, that introduced it.
    pub commit: Option<SourceCommit>,
    /// The tags of these bytes, lowest version first, and one that stands for all runs of the commit.
    pub tags: Vec<String>,
}

/// A commit that introduced runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceCommit {
    /// The commit.
    pub id: Oid,
    /// Its time, in seconds since the Unix epoch.
    pub time: i64,
    /// The author's name.
    pub author: String,
}

impl SourceCommit {
    /// Its time as ISO 8601; `None` for one that no calendar has.
    #[must_use]
    pub fn time_text(&self) -> Option<String> {
        Timestamp::from_second(self.time).ok().map(|time| time.to_string())
    }

    pub(super) fn of_commit(commit: &Commit) -> Self {
        Self { id: commit.id.clone(), time: commit.time, author: commit.author.clone() }
    }
}
