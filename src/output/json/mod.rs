//! What `--json` prints: frozen shapes, each with a JSON Schema in `docs/schemas/`.
//!
//! A field may be added; none is renamed, removed or given another meaning. Times are ISO 8601 in UTC, sizes bytes, shares
//! 0 to 1; what is not known is `null`, never left out. Numbers that JSON cannot hold are `null`.

use serde::Serialize;

use crate::columnar::RunMetrics;
use crate::validate::IgnoredFinding;

/// `runs`
#[derive(Debug, Serialize)]
pub struct RunsJson {
    /// Every run known, in the order asked for.
    pub runs: Vec<RunJson>,
}

/// A run as `runs` lists it.
#[derive(Debug, Clone, Serialize)]
pub struct RunJson {
    /// `experiment/run_id`.
    pub run: String,
    /// The experiment.
    pub experiment: String,
    /// The run id.
    pub run_id: String,
    /// When it began, as its recorder wrote it.
    pub start_time: Option<String>,
    /// Its directory under results, relative to the project; `null` where it is not there.
    pub recorded: Option<String>,
    /// All directories under results that have its name, if several do and they differ.
    pub duplicates: Vec<String>,
    /// Whether its folder is in the workspace's dataset.
    pub in_dataset: bool,
    /// Whether `params.yaml` names it.
    pub selected: bool,
    /// The newest commit that brought it.
    pub commit: Option<String>,
    /// When that was.
    pub committed_at: Option<String>,
    /// That commit's data version.
    pub data_version: Option<String>,
    /// Its tags, oldest version first.
    pub tags: Vec<String>,
    /// Whether its data is in this clone: `all`, `some`, `none`.
    #[serde(rename = "here")]
    pub cached: &'static str,
    /// The hash of its configuration.
    pub config_hash: Option<String>,
    /// Step rows.
    pub steps: Option<u64>,
    /// Episode rows.
    pub episodes: Option<u64>,
    /// Key figures, where its parquet is in this clone.
    #[serde(rename = "figures")]
    pub metrics: Option<RunMetrics>,
}

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

/// `show`
#[derive(Debug, Serialize)]
pub struct ShowJson {
    /// `experiment/run_id`.
    pub run: String,
    /// The experiment.
    pub experiment: String,
    /// The run id.
    pub run_id: String,
    /// What was read: `results`, `dataset`, `cache`.
    pub source: &'static str,
    /// Where that is, relative to the project; `null` for the cache.
    pub path: Option<String>,
    /// When it began, as its recorder wrote it.
    pub start_time: Option<String>,
    /// The recorder's schema version.
    pub schema_version: Option<String>,
    /// The simulator's version.
    pub package_version: Option<String>,
    /// The simulator's commit.
    pub git_sha: Option<String>,
    /// The first seed.
    pub base_seed: Option<i64>,
    /// The seeds of the steps.
    pub seeds: Option<SeedsJson>,
    /// The hash of the configuration.
    pub config_hash: Option<String>,
    /// The configuration.
    pub env_config: Option<serde_json::Value>,
    /// Where it was made, as its recorder wrote it.
    pub system: Option<serde_json::Value>,
    /// Where it stands in history; `null` where it is not committed.
    pub history: Option<ShowHistoryJson>,
    /// What validation said; `null` where nothing tells.
    pub validation: Option<ShowValidationJson>,
    /// Key figures; `null` where they cannot be read.
    #[serde(rename = "figures")]
    pub metrics: Option<RunMetrics>,
    /// Its files.
    pub files: Vec<ShowFileJson>,
}

/// Seeds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SeedsJson {
    /// How many different ones.
    pub unique_count: u64,
    /// The smallest.
    pub min: i64,
    /// The largest.
    pub max: i64,
}

/// A run's place in history.
#[derive(Debug, Serialize)]
pub struct ShowHistoryJson {
    /// The newest commit that brought it (the tag's, where a tag was asked for).
    pub commit: String,
    /// When it was committed.
    pub committed_at: String,
    /// Who wrote it.
    pub author: String,
    /// Its message's first line.
    pub subject: String,
    /// The data version.
    pub data_version: String,
    /// The run's tags.
    pub tags: Vec<String>,
}

/// What validation said.
#[derive(Debug, Serialize)]
pub struct ShowValidationJson {
    /// Whether the run is valid.
    pub ok: bool,
    /// Error codes.
    pub errors: Vec<String>,
    /// Warning codes.
    pub warnings: Vec<String>,
    /// What was found and ignored, and who said so.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ignored: Vec<IgnoredFinding>,
}

/// A file of a run.
#[derive(Debug, Serialize)]
pub struct ShowFileJson {
    /// Its name.
    pub path: String,
    /// Its size; `null` where it is not in this clone.
    pub bytes: Option<u64>,
}

/// `diff`
#[derive(Debug, Serialize)]
pub struct DiffJson {
    /// The first run.
    pub a: String,
    /// The second run.
    pub b: String,
    /// Whether both have the same configuration.
    pub same_config: bool,
    /// Configuration keys whose values differ, dotted, sorted.
    pub config: Vec<DiffKeyJson>,
    /// The seeds.
    pub seeds: DiffSeedsJson,
    /// Other metadata that differs: simulator, commit, schema.
    pub metadata: Vec<DiffKeyJson>,
    /// The figures of both.
    #[serde(rename = "figures")]
    pub metrics: DiffMetricsJson,
}

/// A key whose values differ.
#[derive(Debug, Serialize)]
pub struct DiffKeyJson {
    /// The key, dotted.
    pub key: String,
    /// The first run's value; `null` also where it has none (see `in_a`).
    pub a: serde_json::Value,
    /// The second run's value.
    pub b: serde_json::Value,
    /// Whether the first run has the key.
    pub in_a: bool,
    /// Whether the second run has the key.
    pub in_b: bool,
}

/// Both runs' seeds.
#[derive(Debug, Serialize)]
pub struct DiffSeedsJson {
    /// Whether they are the same.
    pub same: bool,
    /// The first run's.
    pub a: Option<SeedsJson>,
    /// The second run's.
    pub b: Option<SeedsJson>,
}

/// Both runs' figures.
#[derive(Debug, Serialize)]
pub struct DiffMetricsJson {
    /// The first run's.
    pub a: Option<RunMetrics>,
    /// The second run's.
    pub b: Option<RunMetrics>,
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

/// `plot`
#[derive(Debug, Serialize)]
pub struct PlotJson {
    /// The run.
    pub run: String,
    /// The picture; `-` for standard output.
    pub path: String,
    /// `svg` or `png`.
    pub format: &'static str,
    /// Episodes drawn or counted.
    pub episodes: u64,
    /// Steps drawn or counted.
    pub steps: u64,
}

/// `config list`, `config get`, `config set`
#[derive(Debug, Serialize)]
pub struct SettingsJson {
    /// The settings.
    pub settings: Vec<SettingJson>,
}

/// A setting.
#[derive(Debug, Serialize)]
pub struct SettingJson {
    /// Its key, dotted.
    pub key: String,
    /// The value that holds.
    pub value: serde_json::Value,
    /// `capture-hook.toml` or `default`.
    pub source: &'static str,
    /// The default.
    pub default: serde_json::Value,
    /// What it is for.
    pub about: &'static str,
}
