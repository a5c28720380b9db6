//! The JSON of commands about commits and tags.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::columnar::RunMetrics;

/// `log`
#[derive(Debug, Serialize)]
pub struct LogJson {
    /// The data versions, newest first.
    pub versions: Vec<LogVersionJson>,
}

/// A commit that changed the dataset.
#[derive(Debug, Serialize)]
pub struct LogVersionJson {
    /// The commit.
    pub commit: String,
    /// The time of the commit.
    pub committed_at: String,
    /// The author's name.
    pub author: String,
    /// Its message's first line.
    pub subject: String,
    /// Whether HEAD contains it.
    pub on_head: bool,
    /// The data version.
    pub data_version: String,
    /// The dataset's bytes, as `dvc.lock` says.
    pub size: Option<u64>,
    /// The dataset's files, as `dvc.lock` says.
    pub files: Option<u64>,
    /// The tag that stands for all of its runs, if they are too many to tag each.
    pub tag: Option<String>,
    /// How many runs it introduced; `null` if this clone cannot know.
    pub run_count: Option<u64>,
    /// The runs that it introduced.
    pub runs: Vec<LogRunJson>,
    /// The runs of its parents that it removed.
    #[serde(rename = "gone")]
    pub removed: Vec<String>,
    /// Why it removed them, as `remove --reason` wrote it into the message; `null` if it says nothing.
    pub reason: Option<String>,
    /// Whether this clone lacks objects that tell for certain what it introduced.
    pub partial: bool,
}

/// A run that a commit introduced.
#[derive(Debug, Serialize)]
pub struct LogRunJson {
    /// `experiment/run_id`.
    pub run: String,
    /// The run's tag on this commit.
    pub tag: Option<String>,
    /// The hash of its configuration.
    pub config_hash: Option<String>,
    /// Step rows.
    pub steps: Option<u64>,
    /// Episode rows.
    pub episodes: Option<u64>,
    /// Whether its data is in this clone's cache: `all`, `some`, `none`.
    pub cache: &'static str,
    /// Whether its data is on the DVC remote: `all`, `some`, `none`, or `unknown` (the remote is no directory).
    pub remote: &'static str,
}

/// `status`
#[derive(Debug, Serialize)]
pub struct StatusJson {
    /// The selected run; `null` if none is selected.
    pub run: Option<String>,
    /// The directory in `params.yaml`.
    pub run_dir: Option<String>,
    /// The newest commit that introduced it.
    pub commit: Option<String>,
    /// That commit's data version.
    pub data_version: Option<String>,
    /// Its tags, oldest version first.
    pub tags: Vec<String>,
    /// The hash of its configuration.
    pub config_hash: Option<String>,
    /// Metrics: of its parquet, if that is in this clone, else as a commit has them.
    #[serde(rename = "figures")]
    pub metrics: Option<RunMetrics>,
    /// How many bytes its data has, as far as `dvc.lock` says it.
    pub bytes: Option<u64>,
    /// The command that fetches its data; `null` if all of it is in this clone, or no commit holds it.
    pub fetch: Option<String>,
    /// Whether nothing is pending.
    pub ok: bool,
    /// The steps, in order.
    pub steps: Vec<StatusStepJson>,
    /// The next command to type; `null` if nothing is pending.
    pub next: Option<String>,
    /// Other notes.
    pub notes: Vec<String>,
}

/// One step of a run, from recorded to pushed.
#[derive(Debug, Clone, Serialize)]
pub struct StatusStepJson {
    /// `recorded`, `valid`, `ingested`, `committed`, `tagged`, `pushed`; `workspace`: whether the dataset matches `dvc.lock`.
    pub step: &'static str,
    /// `done`, `pending`, `failed`, or `unknown`.
    pub state: &'static str,
    /// One line for people.
    pub detail: String,
}

/// `check`
#[derive(Debug, Serialize)]
pub struct CheckJson {
    /// Whether there is no finding.
    pub ok: bool,
    /// The number of commits checked.
    pub commits: u64,
    /// The number of tags checked.
    pub tags: u64,
    /// Whether the remote was asked.
    pub remote: bool,
    /// The problems found.
    pub findings: Vec<CheckFindingJson>,
    /// The runs whose data was erased on purpose, and is gone; with `--remote` only.
    pub erased: Vec<CheckErasedJson>,
}

/// A run whose data was erased on purpose.
#[derive(Debug, Serialize)]
pub struct CheckErasedJson {
    /// The run.
    pub run: String,
    /// Its record.
    pub record: String,
    /// One line for people.
    pub message: String,
}

/// A claim of a commit or tag that is not true.
#[derive(Debug, Serialize)]
pub struct CheckFindingJson {
    /// `error` or `warning`.
    pub severity: &'static str,
    /// `selection_not_ingested`, `trailer_missing`, `trailer_false`, `tag_missing`, `tag_false`, `run_lost`,
    /// `data_missing`, `remote_absent`, `unreadable`, `not_in_clone`.
    pub code: &'static str,
    /// The commit.
    pub commit: Option<String>,
    /// The tag.
    pub tag: Option<String>,
    /// The run.
    pub run: Option<String>,
    /// One line for people.
    pub message: String,
}

/// `tag`
#[derive(Debug, Serialize)]
pub struct TagJson {
    /// Tags that were made.
    pub made: BTreeSet<String>,
    /// Tags that were moved to a commit that brings the same data.
    pub moved: BTreeSet<String>,
    /// Tags that named the same data already.
    #[serde(rename = "there")]
    pub unchanged: BTreeSet<String>,
}

/// `resolve`
#[derive(Debug, Serialize)]
pub struct ResolveJson {
    /// The run.
    pub run: String,
    /// `ours`, `theirs` or `both`.
    pub choice: &'static str,
    /// The name of the other side's files, if both are kept.
    pub kept_as: Option<String>,
    /// Whether `dvc.lock` is out of conflict.
    #[serde(rename = "settled")]
    pub resolved: bool,
    /// The merged data version, if so.
    pub data_version: Option<String>,
    /// The runs that are disputed still.
    pub disputed: Vec<String>,
}
