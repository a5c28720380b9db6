//! What commands about commits and tags print.

use std::collections::BTreeSet;

use serde::Serialize;

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
    /// When it was committed.
    pub committed_at: String,
    /// Who wrote it.
    pub author: String,
    /// Its message's first line.
    pub subject: String,
    /// Whether HEAD holds it.
    pub on_head: bool,
    /// The data version.
    pub data_version: String,
    /// The dataset's bytes, as `dvc.lock` says.
    pub size: Option<u64>,
    /// The dataset's files, as `dvc.lock` says.
    pub files: Option<u64>,
    /// The runs it brought.
    pub runs: Vec<LogRunJson>,
    /// The runs that its parents had and it has not.
    #[serde(rename = "gone")]
    pub removed: Vec<String>,
    /// Whether this clone lacks what is needed to know for sure what it brought.
    pub partial: bool,
}

/// A run as a commit brought it.
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
    /// Whether its data is on the DVC remote: `all`, `some`, `none`, or `unknown` (not a directory that can be looked into).
    pub remote: &'static str,
}

/// `status`
#[derive(Debug, Serialize)]
pub struct StatusJson {
    /// The selected run; `null` where none is.
    pub run: Option<String>,
    /// What `params.yaml` names.
    pub run_dir: Option<String>,
    /// Whether nothing is pending.
    pub ok: bool,
    /// The way, in order.
    pub steps: Vec<StatusStepJson>,
    /// The next command to type; `null` where nothing is to do.
    pub next: Option<String>,
    /// Other things that want attention.
    pub notes: Vec<String>,
}

/// One step of the way.
#[derive(Debug, Clone, Serialize)]
pub struct StatusStepJson {
    /// `recorded`, `valid`, `ingested`, `committed`, `tagged`, `pushed`; `workspace`: whether the dataset is as `dvc.lock` says.
    pub step: &'static str,
    /// `done`, `pending`, `failed`, or `unknown`.
    pub state: &'static str,
    /// In words.
    pub detail: String,
}

/// `check`
#[derive(Debug, Serialize)]
pub struct CheckJson {
    /// Whether nothing was found.
    pub ok: bool,
    /// How many commits were looked at.
    pub commits: u64,
    /// How many tags were looked at.
    pub tags: u64,
    /// Whether the remote was asked.
    pub remote: bool,
    /// What was found.
    pub findings: Vec<CheckFindingJson>,
}

/// Something that a commit or tag claims and that is not so.
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
    /// In words.
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
    /// The name of the other side's files, where both are kept.
    pub kept_as: Option<String>,
    /// Whether `dvc.lock` is out of conflict.
    #[serde(rename = "settled")]
    pub resolved: bool,
    /// The merged data version, if so.
    pub data_version: Option<String>,
    /// The runs that are disputed still.
    pub disputed: Vec<String>,
}
