//! The JSON of commands about recorded runs.

use serde::Serialize;

use crate::columnar::RunMetrics;
use crate::validate::{IgnoredFinding, ValidationReport};

/// `runs`
#[derive(Debug, Serialize)]
pub struct RunsJson {
    /// All known runs that were asked for, in the order asked for.
    pub runs: Vec<RunJson>,
    /// The runs in groups; only with `--group`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub groups: Option<Vec<RunGroupJson>>,
    /// The runs of which it is not known whether they match; only with `--where`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left_out: Option<Vec<LeftOutRunJson>>,
    /// The runs that this clone cannot name.
    pub unlisted: UnlistedJson,
    /// How many new runs have no figures because it takes long to read their rows.
    pub unread: u64,
}

/// Runs of commits whose file list is not in this clone, and which no message and no tag names.
#[derive(Debug, Serialize)]
pub struct UnlistedJson {
    /// How many commits.
    pub commit_count: u64,
    /// How many runs; `null` if a commit does not say it.
    pub run_count: Option<u64>,
}

/// Runs of one experiment and one configuration, seeds aside.
#[derive(Debug, Serialize)]
pub struct RunGroupJson {
    /// The experiment.
    pub experiment: String,
    /// Those keys of the configuration in which the groups differ, sorted; a key that the group lacks is left out.
    pub config: Vec<GroupKeyJson>,
    /// The runs.
    pub runs: Vec<String>,
    /// Mean reward of an episode, over the runs.
    pub reward: Option<MeanJson>,
    /// Share of episodes that succeeded.
    pub success: Option<MeanJson>,
    /// Steps of a run.
    pub steps: Option<MeanJson>,
    /// The metrics that the runs' schemas declare.
    pub declared: Vec<GroupMetricJson>,
}

/// A key of a group's configuration.
#[derive(Debug, Serialize)]
pub struct GroupKeyJson {
    /// The key, dotted.
    pub key: String,
    /// Its value.
    pub value: serde_json::Value,
}

/// A declared metric of a group.
#[derive(Debug, Serialize)]
pub struct GroupMetricJson {
    /// Its name.
    pub name: String,
    /// Its unit, if all runs have the same.
    pub unit: Option<String>,
    /// Its mean over the runs.
    pub mean: Option<MeanJson>,
}

/// A mean over runs, and its 95 % interval by Student's t.
#[derive(Debug, Serialize)]
pub struct MeanJson {
    /// The number of runs with a finite value.
    pub n: usize,
    /// The mean.
    pub mean: f64,
    /// The lower end of the interval; `null` for one run.
    pub low: Option<f64>,
    /// The upper end.
    pub high: Option<f64>,
}

/// A run of which it is not known whether it matches, and one of the keys because of which.
#[derive(Debug, Serialize)]
pub struct LeftOutRunJson {
    /// The run.
    pub run: String,
    /// The key.
    pub key: String,
    /// Why.
    pub reason: LeftOutReason,
}

/// Why a comparison has no result.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LeftOutReason {
    /// The run has no such key, or its value is not in this clone.
    NotKnown,
    /// Its value is of another kind, such as a text beside a number.
    NotComparable,
}

/// A run as `runs` lists it.
#[derive(Debug, Serialize)]
pub struct RunJson {
    /// `experiment/run_id`.
    pub run: String,
    /// The experiment.
    pub experiment: String,
    /// The run id.
    pub run_id: String,
    /// Its start time, as its recorder wrote it.
    pub start_time: Option<String>,
    /// Its directory under results, relative to the project; `null` if there is none.
    pub recorded: Option<String>,
    /// All directories under results with its name, if there are several with different files.
    pub duplicates: Vec<String>,
    /// Whether its folder is in the workspace's dataset.
    pub in_dataset: bool,
    /// Whether `params.yaml` selects it.
    pub selected: bool,
    /// How far it is: `new`, `invalid` (new, and known to be so), `ingested`, `committed`, `remote` (its data is not in this clone), `removed`, `erased`.
    pub state: &'static str,
    /// The newest commit that introduced it.
    pub commit: Option<String>,
    /// The time of that commit.
    pub committed_at: Option<String>,
    /// That commit's data version.
    pub data_version: Option<String>,
    /// The commit by which HEAD's dataset lacks the run; `null` if it was not removed.
    pub removed: Option<RemovedJson>,
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
    /// Metrics: of its data, if that is in this clone, else as a commit has them.
    #[serde(rename = "figures")]
    pub metrics: Option<RunMetrics>,
    /// How many bytes its data has, as far as `dvc.lock` says it.
    pub bytes: Option<u64>,
    /// The command that fetches its data; `null` if all of it is in this clone, or no commit holds it.
    pub fetch: Option<String>,
}

/// The commit that removed a run from HEAD's dataset.
#[derive(Debug, Serialize)]
pub struct RemovedJson {
    /// The commit.
    pub commit: String,
    /// The time of the commit.
    pub committed_at: String,
    /// The author's name.
    pub author: String,
    /// Why, as `remove --reason` wrote it into the message; `null` if it says nothing.
    pub reason: Option<String>,
}

/// What was erased of a run.
#[derive(Debug, Serialize)]
pub struct ErasedJson {
    /// The record, relative to the project's root.
    pub record: String,
    /// Whether HEAD has the record; otherwise another branch has it.
    pub on_head: bool,
    /// Why, as `erase --reason` wrote it into the record; `null` if it says nothing.
    pub reason: Option<String>,
    /// How many files the run had.
    pub files: usize,
    /// Their bytes, as far as the record knows them.
    pub bytes: u64,
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
    /// How far it is, as in `runs`; `null` outside of a project.
    pub state: Option<&'static str>,
    /// What was read: `results`, `dataset`, `cache`; `remote`: only what git knows.
    pub source: &'static str,
    /// Its path relative to the project; `null` for the cache.
    pub path: Option<String>,
    /// How many bytes its data has; `null` if that is not known.
    pub bytes: Option<u64>,
    /// The command that fetches its data; `null` if it is in this clone, or no commit holds it.
    pub fetch: Option<String>,
    /// Its start time, as its recorder wrote it.
    pub start_time: Option<String>,
    /// The recorder's schema version.
    pub schema_version: Option<String>,
    /// The columns that the run declares; absent for plume-nav-sim's runs, which declare none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub columns: Option<ShowColumnsJson>,
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
    /// The machine it was recorded on, as its recorder wrote it.
    pub system: Option<serde_json::Value>,
    /// Its commit and tags; `null` if it is not committed.
    pub history: Option<ShowHistoryJson>,
    /// The commit by which HEAD's dataset lacks the run; `null` if it was not removed.
    pub removed: Option<RemovedJson>,
    /// What was erased, if the run's data is gone on purpose.
    pub erased: Option<ErasedJson>,
    /// The result of validation; `null` if it is not known.
    pub validation: Option<ShowValidationJson>,
    /// Metrics; `null` if they cannot be read. Without the data, as far as git knows them.
    #[serde(rename = "figures")]
    pub metrics: Option<RunMetrics>,
    /// Its files; none if git alone was read.
    pub files: Vec<ShowFileJson>,
}

/// The columns of a run that declares them.
#[derive(Debug, Clone, Serialize)]
pub struct ShowColumnsJson {
    /// How many a step has, without the format's own.
    pub steps: u64,
    /// How many an episode's summary has.
    pub episodes: u64,
    /// Whether the summaries are made of the steps, because the recorder wrote none.
    pub derived: bool,
}

/// Seeds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SeedsJson {
    /// The number of different seeds.
    pub unique_count: u64,
    /// The smallest.
    pub min: i64,
    /// The largest.
    pub max: i64,
}

/// A run's place in history.
#[derive(Debug, Serialize)]
pub struct ShowHistoryJson {
    /// The newest commit that introduced it (the tag's, if a tag was asked for).
    pub commit: String,
    /// The time of the commit.
    pub committed_at: String,
    /// The author's name.
    pub author: String,
    /// Its message's first line.
    pub subject: String,
    /// The data version.
    pub data_version: String,
    /// The run's tags.
    pub tags: Vec<String>,
}

/// The result of validation.
#[derive(Debug, Serialize)]
pub struct ShowValidationJson {
    /// Whether the run is valid.
    pub ok: bool,
    /// Error codes.
    pub errors: Vec<String>,
    /// Warning codes.
    pub warnings: Vec<String>,
    /// Findings that settings ignored.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ignored: Vec<IgnoredFinding>,
}

/// A file of a run.
#[derive(Debug, Serialize)]
pub struct ShowFileJson {
    /// Its name.
    pub path: String,
    /// Its size in bytes; `null` if it is not in this clone.
    pub bytes: Option<u64>,
}

/// `diff`
#[derive(Debug, Serialize)]
pub struct DiffJson {
    /// The first run.
    pub a: String,
    /// The second run.
    pub b: String,
    /// Whether both have the same configuration, by its hash; `null` if a hash is not known.
    pub same_config: Option<bool>,
    /// Configuration keys whose values differ, dotted, sorted; `null` if a configuration is not in this clone.
    pub config: Option<Vec<DiffKeyJson>>,
    /// The seeds.
    pub seeds: DiffSeedsJson,
    /// Other metadata that differs: simulator, commit, schema; `null` if it is not in this clone.
    pub metadata: Option<Vec<DiffKeyJson>>,
    /// Columns that only one run has, or that have another type in the other; absent if neither run declares columns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<Vec<DiffColumnJson>>,
    /// The metrics of both.
    #[serde(rename = "figures")]
    pub metrics: DiffMetricsJson,
}

/// `diff` of more than two runs; each list has one item for each run, in their order.
#[derive(Debug, Serialize)]
pub struct DiffManyJson {
    /// The runs.
    pub runs: Vec<String>,
    /// Whether all have the same configuration, by its hash; `null` if a hash is not known.
    pub same_config: Option<bool>,
    /// Configuration keys whose values differ, dotted, sorted; `null` if a configuration is not in this clone.
    pub config: Option<Vec<DiffManyKeyJson>>,
    /// The seeds.
    pub seeds: DiffManySeedsJson,
    /// Other metadata that differs: simulator, commit, schema; `null` if it is not in this clone.
    pub metadata: Option<Vec<DiffManyKeyJson>>,
    /// Columns that differ; absent if no run declares columns, or if it is not known which ones a run has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<Vec<DiffManyColumnJson>>,
    /// The metrics; `null` if they cannot be read.
    #[serde(rename = "figures")]
    pub metrics: Vec<Option<RunMetrics>>,
}

/// A key whose values differ among several runs.
#[derive(Debug, Serialize)]
pub struct DiffManyKeyJson {
    /// The key, dotted.
    pub key: String,
    /// The values; also `null` for a run without the key (see `present`).
    pub values: Vec<serde_json::Value>,
    /// Whether each run has the key.
    pub present: Vec<bool>,
}

/// The seeds of several runs.
#[derive(Debug, Serialize)]
pub struct DiffManySeedsJson {
    /// Whether they are the same; `null` if some are not known.
    pub same: Option<bool>,
    /// Each run's.
    pub values: Vec<Option<SeedsJson>>,
}

/// A column in which several runs' schemas differ.
#[derive(Debug, Serialize)]
pub struct DiffManyColumnJson {
    /// `steps` or `episodes`.
    pub stream: &'static str,
    /// The column's name.
    pub column: String,
    /// Its type in each run, as `float32[4] in m`; `null` for a run without the column.
    pub types: Vec<Option<String>>,
}

/// A column in which two runs' schemas differ.
#[derive(Debug, Serialize)]
pub struct DiffColumnJson {
    /// `steps` or `episodes`.
    pub stream: &'static str,
    /// The column's name.
    pub column: String,
    /// The first run's type, as `float32[4] in m`; `null` if it has no such column.
    pub a: Option<String>,
    /// The second run's type.
    pub b: Option<String>,
}

/// A key whose values differ.
#[derive(Debug, Serialize)]
pub struct DiffKeyJson {
    /// The key, dotted.
    pub key: String,
    /// The first run's value; also `null` if it has none (see `in_a`).
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
    /// Whether they are the same; `null` if some are not known.
    pub same: Option<bool>,
    /// The first run's.
    pub a: Option<SeedsJson>,
    /// The second run's.
    pub b: Option<SeedsJson>,
}

/// Both runs' metrics.
#[derive(Debug, Serialize)]
pub struct DiffMetricsJson {
    /// The first run's.
    pub a: Option<RunMetrics>,
    /// The second run's.
    pub b: Option<RunMetrics>,
}

/// `plot`
#[derive(Debug, Serialize)]
pub struct PlotJson {
    /// The run.
    pub run: String,
    /// The path of the picture; `-` for standard output.
    pub path: String,
    /// `svg` or `png`.
    pub format: &'static str,
    /// The number of episodes.
    pub episodes: u64,
    /// The number of steps.
    pub steps: u64,
}

/// `select`
#[derive(Debug, Serialize)]
pub struct SelectJson<'a> {
    /// The params file.
    pub file: &'a str,
    /// What it selected before.
    pub old: Option<&'a str>,
    /// What it selects now.
    pub new: &'a str,
    /// Whether the file changed.
    pub changed: bool,
    /// Whether the run is valid.
    pub valid: bool,
    /// Whether its directory holds another recording than the dataset.
    pub recorded_anew: bool,
    /// What validation found and ignored, and who said so.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub ignored: &'a [IgnoredFinding],
}

/// `validate`
#[derive(Debug, Serialize)]
pub struct ValidateJson<'a> {
    /// Whether all runs are valid.
    pub ok: bool,
    /// Each run's report.
    pub runs: &'a [ValidationReport],
}

/// `manifest`
#[derive(Debug, Serialize)]
pub struct ManifestJson<'a> {
    /// The file that was written.
    pub manifest: &'a str,
    /// Whether the run is valid.
    pub ok: bool,
}

/// `ingest`
#[derive(Debug, Serialize)]
pub struct IngestJson {
    /// The runs that are in the dataset now.
    pub runs: Vec<IngestedRunJson>,
}

/// A run that was ingested.
#[derive(Debug, Serialize)]
pub struct IngestedRunJson {
    /// `experiment/run_id`.
    pub run: String,
    /// Its directory in the dataset.
    pub destination: String,
    /// Whether that changed.
    pub changed: bool,
    /// What validation found.
    pub report: ValidationReport,
}
