//! What commands that move or verify data print.

use serde::Serialize;

/// `get`
#[derive(Debug, Serialize)]
pub struct GetJson {
    /// The run.
    pub run: String,
    /// The data version that it was taken from.
    pub data_version: String,
    /// The commit whose data version that is; `null` where only a tag's message tells.
    pub commit: Option<String>,
    /// Where it was put.
    pub path: String,
    /// How many files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Whether something was fetched from the remote.
    pub fetched: bool,
}

/// `verify`
#[derive(Debug, Serialize)]
pub struct VerifyJson {
    /// Whether everything is as it should be.
    pub ok: bool,
    /// What was proved: `workspace` or `cache`.
    pub source: &'static str,
    /// The data version it was held against; `null` where none is committed.
    pub data_version: Option<String>,
    /// The commit of that data version, where a revision was asked for.
    pub commit: Option<String>,
    /// How many runs were looked at.
    pub runs: u64,
    /// How many files were read.
    pub files: u64,
    /// How many bytes were read.
    pub bytes: u64,
    /// What is not as it should be.
    pub findings: Vec<VerifyFindingJson>,
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct VerifyFindingJson {
    /// The run; `null` for a file that lies in none.
    pub run: Option<String>,
    /// The file, relative to the dataset; a run's folder with `/` at its end, where nothing of the run is there.
    pub file: String,
    /// `missing`, `extra`, `changed`, `unreadable`, `manifest`, `rows`.
    pub problem: &'static str,
    /// In words.
    pub message: String,
}

/// `publish`
#[derive(Debug, Serialize)]
pub struct PublishJson {
    /// The runs.
    pub runs: Vec<String>,
    /// The commit that HEAD is now.
    pub commit: String,
    /// Whether it was made; not if everything was committed already.
    pub committed: bool,
    /// The data version.
    #[serde(rename = "data")]
    pub data_version: String,
    /// Whether git pushed.
    pub pushed: bool,
}

/// `push`
#[derive(Debug, Serialize)]
pub struct PushJson<'a> {
    /// The data versions that the commits need.
    pub versions: Vec<PushedVersionJson<'a>>,
    /// What was sent, in words.
    #[serde(rename = "said")]
    pub message: &'a str,
}

/// A data version that a commit needs.
#[derive(Debug, Serialize)]
pub struct PushedVersionJson<'a> {
    /// The data version.
    pub version: String,
    /// A commit that needs it.
    pub commit: &'a str,
}

/// `pull`
#[derive(Debug, Serialize)]
pub struct PullJson {
    /// The checked-out data version.
    pub data_version: String,
    /// Whether all that was asked for is in the workspace.
    pub complete: bool,
    /// Each run, or the whole dataset.
    pub pulled: Vec<PulledJson>,
}

/// What became of a run, or of the whole dataset.
#[derive(Debug, Serialize)]
pub struct PulledJson {
    /// The run; `null` for the whole dataset.
    pub run: Option<String>,
    /// Where it is.
    pub path: String,
    /// Whether it is as `dvc.lock` says.
    pub complete: bool,
    /// How many files were changed in the workspace.
    pub changed: usize,
    /// How many bytes are missing still.
    pub missing_bytes: u64,
    /// Files with local changes, which stay.
    pub unsaved: Vec<String>,
    /// Files that no checkout takes.
    pub refused: Vec<String>,
}
