//! What one run's files say, cut down to what a page has room for. Each file is read once, by one of several threads; a run
//! whose files are missing or damaged has what its commit and tag say, and hides no other.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::columnar::{self, FigureSet, PlotData, RunDetails, RunMetrics};
use crate::dataset::location::RunLocation;
use crate::dvc::cache::Cache;
use crate::dvc::file_list::FileEntry;
use crate::dvc::link::hash_file;
use crate::formats::json::{self, JsonValue};
use crate::history::RunTrailers;
use crate::history::compare::flatten_value;
use crate::history::run_groups::config_text;
use crate::history::summary::{RunSummary, SummaryDepth, ValidationVerdict, read_verdict, summarize_run};
use crate::project::ProjectError;
use crate::project::dir::ProjectDir;
use crate::report::data::{CurveData, EpisodesData, MissingData, Num, PathsData};
use crate::report::thin::{LeftOutParts, Limits, make_curves, make_paths};
use crate::run::RunKey;
use crate::run::layout::{DATASET_INDEX, EPISODES_PARQUET, MANIFEST, RUN_JSON, STEPS_PARQUET};
use crate::run::meta::RunMeta;
use crate::run::schema::{RunSchema, SCHEMA_JSON};
use crate::run::simulator::RunSimulator;
use crate::support::progress::Progress;
use crate::support::text::to_hex;

/// The files that are read; the others of a run may be missing.
const NEEDED: [&str; 6] = [RUN_JSON, SCHEMA_JSON, MANIFEST, DATASET_INDEX, STEPS_PARQUET, EPISODES_PARQUET];

/// A committed run to read.
#[derive(Debug)]
pub struct RunSource {
    /// The run.
    pub key: RunKey,
    /// Its files in the data version; `None` if this clone lacks the version's list.
    pub entries: Option<Vec<FileEntry>>,
    /// What its tag or commit says.
    pub record: Option<RunTrailers>,
    /// What fetches its data.
    pub fetch_command: Option<String>,
    /// Why its data was erased, if it was.
    pub erased: Option<String>,
}

/// What is known of a run.
#[derive(Debug, Default)]
pub struct RunFacts {
    /// Why its data is missing.
    pub missing: Option<MissingData>,
    /// Whether that is because it is not in this clone.
    pub is_absent: bool,
    /// The start time as written.
    pub start_time: Option<String>,
    /// The schema version as written.
    pub schema_version: Option<String>,
    /// The simulator's commit as written.
    pub code_version: Option<String>,
    /// What recorded it.
    pub simulator: RunSimulator,
    /// The first seed.
    pub base_seed: Option<i64>,
    /// The configuration, flat, by key; `None` if it is not known.
    pub config: Option<Vec<(String, JsonValue)>>,
    /// A text that is the same for runs that differ in nothing but their seeds; `None` if that is not known.
    pub group: Option<String>,
    /// The configuration's hash.
    pub config_hash: Option<String>,
    /// The manifest's hash.
    pub manifest: Option<String>,
    /// Metrics.
    pub metrics: Option<RunMetrics>,
    /// Which metrics such a run has.
    pub figures: Option<FigureSet>,
    /// Steps.
    pub steps: Option<u64>,
    /// Episodes.
    pub episodes: Option<u64>,
    /// Curves.
    pub curves: Vec<CurveData>,
    /// Paths.
    pub paths: Option<PathsData>,
    /// The first episodes.
    pub episode_list: Option<EpisodesData>,
    /// The verdict.
    pub verdict: Option<ValidationVerdict>,
    /// How many files it has.
    pub files: Option<usize>,
    /// Their size, if all are here.
    pub bytes: Option<u64>,
    /// What was left out.
    pub left_out: LeftOutParts,
}

/// Reads a committed run: of the cache, else of its folder in the workspace if that holds these very bytes.
#[must_use]
pub fn read_committed_run(source: &RunSource, cache: &Cache, workspace: &Path, limits: &Limits) -> RunFacts {
    let record = source.record.as_ref();
    let mut facts = RunFacts {
        config_hash: record.and_then(|record| record.config.clone()),
        manifest: record.and_then(|record| record.manifest.clone()),
        steps: record.and_then(|record| record.steps),
        episodes: record.and_then(|record| record.episodes),
        files: source.entries.as_ref().map(Vec::len),
        ..RunFacts::default()
    };
    let missing = |reason: &str| MissingData { reason: reason.into(), command: source.fetch_command.clone() };
    let Some(entries) = &source.entries else {
        facts.missing = Some(missing("The list of its files is not in this clone."));
        facts.is_absent = true;
        return facts;
    };
    let location = find_location(source, entries, cache, workspace);
    if let (None, Some(why)) = (&location, &source.erased) {
        facts.missing = Some(MissingData { reason: format!("It was erased on purpose: {why}."), command: None });
        return facts;
    }
    let Some(location) = location else {
        facts.missing = Some(missing("Its data is not in this clone."));
        facts.is_absent = true;
        return facts;
    };
    facts.bytes = entries.iter().map(|entry| cache.object_size(entry.md5)).sum();
    read_files(&mut facts, &location, limits);
    facts
}

fn find_location(source: &RunSource, entries: &[FileEntry], cache: &Cache, workspace: &Path) -> Option<RunLocation> {
    let prefix = format!("{}/", source.key);
    let name_of = |entry: &FileEntry| entry.relpath.strip_prefix(&prefix).map(str::to_owned);
    let needed: Vec<(&FileEntry, String)> = entries
        .iter()
        .filter_map(|entry| Some((entry, name_of(entry)?)))
        .filter(|(_, name)| NEEDED.contains(&name.as_str()))
        .collect();
    if needed.iter().all(|(entry, _)| cache.has_object(entry.md5)) {
        return Some(RunLocation::Cache { cache: cache.clone(), entries: entries.to_vec(), key: source.key.clone() });
    }
    let dir = source.key.dir_under(workspace);
    // Each file is hashed: a folder can hold another version of the run.
    let is_same = |entry: &FileEntry, path: PathBuf| hash_file(&path).is_ok_and(|(hash, _)| hash == entry.md5);
    needed.iter().all(|(entry, name)| is_same(entry, dir.join(name))).then_some(RunLocation::Dataset(dir))
}

fn read_files(facts: &mut RunFacts, location: &RunLocation, limits: &Limits) {
    let meta = location.read_bytes(RUN_JSON).and_then(|bytes| RunMeta::parse(&bytes).ok());
    let manifest_bytes = location.read_bytes(MANIFEST);
    let manifest = manifest_bytes.as_deref().and_then(|bytes| json::parse(bytes).ok());
    let index = location.read_index();
    if facts.manifest.is_none() {
        facts.manifest = manifest_bytes.map(|bytes| to_hex(&Sha256::digest(&bytes)));
    }
    let schema = meta.as_ref().and_then(|meta| location.read_schema_of(&meta.raw));
    facts.verdict = read_verdict(manifest.as_ref(), index.as_ref());
    facts.figures = schema.as_deref().map(FigureSet::of_schema);
    fill_meta(facts, meta.as_ref(), schema.as_deref(), manifest.as_ref(), limits);
    let parquet = location.find_file(STEPS_PARQUET).zip(location.find_file(EPISODES_PARQUET));
    let details = parquet.map(|(steps, episodes)| columnar::read_run_details(&steps, &episodes, limits.episodes));
    match details {
        Some(Ok(RunDetails { metrics, plot_data, episode_ids })) => {
            fill_rows(facts, metrics, &plot_data, &episode_ids, limits);
        }
        Some(Err(_)) => {
            let command = Some("capture-hook verify".to_owned());
            facts.missing = Some(MissingData { reason: "Its parquet files cannot be read.".into(), command });
        }
        None => {
            let reason = "Its data version holds no parquet files of it.".to_owned();
            facts.missing = Some(MissingData { reason, command: None });
        }
    }
}

/// Reads a run's directory; one of recorder files is scanned.
pub fn read_run_dir(
    project_dir: &ProjectDir,
    location: &RunLocation,
    limits: &Limits,
    progress: &dyn Progress,
) -> Result<RunFacts, ProjectError> {
    let summary = summarize_run(project_dir, location, SummaryDepth::PlotData, progress)?;
    let RunSummary { meta, schema, verdict, metrics, plot_data, files, .. } = summary;
    let mut facts = RunFacts {
        verdict,
        figures: schema.as_deref().map(FigureSet::of_schema),
        files: Some(files.len()),
        bytes: files.iter().map(|(_, bytes)| *bytes).sum(),
        ..RunFacts::default()
    };
    fill_meta(&mut facts, meta.as_ref(), schema.as_deref(), location.read_manifest().as_ref(), limits);
    match metrics.zip(plot_data) {
        Some((metrics, plot_data)) => fill_rows(&mut facts, metrics, &plot_data, &[], limits),
        None => {
            let reason = "Its rows cannot be read.".to_owned();
            facts.missing = Some(MissingData { reason, command: Some("capture-hook validate".into()) });
        }
    }
    Ok(facts)
}

fn fill_meta(
    facts: &mut RunFacts,
    meta: Option<&RunMeta>,
    schema: Option<&RunSchema>,
    manifest: Option<&JsonValue>,
    limits: &Limits,
) {
    // A file that cannot be read leaves what the commit and the tag say.
    let Some(meta) = meta else { return };
    let left_out = &mut facts.left_out;
    let mut cut = |text: Option<&str>| text.map(|text| left_out.cut_text(text, limits.text));
    let simulator = RunSimulator::read(meta, schema, manifest);
    facts.start_time = cut(Some(&meta.start_time));
    facts.schema_version = cut(Some(&meta.schema_version));
    facts.code_version = cut(meta.git_sha.as_deref());
    facts.simulator = RunSimulator {
        name: cut(simulator.name.as_deref()),
        version: cut(simulator.version.as_deref()),
        git_sha: simulator.git_sha,
    };
    facts.base_seed = meta.base_seed;
    facts.config_hash = Some(meta.env_config.config_hash());
    let mut config = flatten_value(&meta.env_config);
    // Sorted first, so that runs with the same keys keep the same ones.
    config.sort_by(|a, b| a.0.cmp(&b.0));
    let comparable = config_text(config.iter().map(|(key, value)| (key, value)));
    facts.group = Some(to_hex(&Sha256::digest(comparable.as_bytes())));
    left_out.config_keys += config.len().saturating_sub(limits.config_keys);
    config.truncate(limits.config_keys);
    facts.config = Some(config);
}

fn fill_rows(
    facts: &mut RunFacts,
    metrics: RunMetrics,
    plot_data: &PlotData,
    episode_ids: &[(i64, String)],
    limits: &Limits,
) {
    (facts.steps, facts.episodes) = (Some(metrics.steps), Some(metrics.episodes));
    facts.figures = Some(metrics.figures);
    facts.metrics = Some(metrics);
    facts.curves = make_curves(plot_data, limits, &mut facts.left_out);
    facts.paths = make_paths(plot_data, limits, &mut facts.left_out);
    facts.episode_list = Some(list_episodes(plot_data, episode_ids, limits, &mut facts.left_out));
}

fn list_episodes(
    plot_data: &PlotData,
    episode_ids: &[(i64, String)],
    limits: &Limits,
    left_out: &mut LeftOutParts,
) -> EpisodesData {
    let of = plot_data.episodes.len();
    left_out.episodes |= of > limits.episodes;
    let listed = plot_data.episodes.get(..limits.episodes.min(of)).unwrap_or_default();
    let ids = listed.iter().map(|episode| {
        let (_, id) = episode_ids.iter().find(|(index, _)| *index == episode.index)?;
        Some(left_out.cut_text(id, limits.text))
    });
    let has_reward = plot_data.reward.is_some();
    EpisodesData {
        of,
        ids: (!episode_ids.is_empty()).then(|| ids.collect()),
        index: listed.iter().map(|episode| episode.index).collect(),
        steps: listed.iter().map(|episode| episode.steps).collect(),
        reward: listed
            .iter()
            .map(|episode| if has_reward { Num::without_noise(episode.reward) } else { Num::UNKNOWN })
            .collect(),
        success: listed.iter().map(|episode| episode.success.map(u8::from)).collect(),
        end: listed
            .iter()
            .map(|episode| match (episode.terminated, episode.truncated) {
                (true, _) => 0,
                (false, true) => 1,
                (false, false) => 2,
            })
            .collect(),
    }
}
