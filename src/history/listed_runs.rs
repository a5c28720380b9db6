//! Known runs with all by which they are compared: where each comes from, its configuration, seeds and figures.
//!
//! Each file of a run is read once, by several threads. Only parquet is asked for figures, so a run that is recorded and not
//! ingested has none here. A file that is missing or damaged leaves what it would say unknown: one run never hides the
//! others. Nothing is fetched.

use crate::columnar::{FigureSet, RunMetrics};
use crate::dataset::location::RunLocation;
use crate::dvc::hash::DataVersion;
use crate::formats::json::JsonValue;
use crate::git::Oid;
use crate::history::catalog::{self, Catalog, CatalogRun, RunSources};
use crate::history::summary::parse_seeds;
use crate::project::{Project, ProjectError};
use crate::run::{RunKey, StartTime};
use crate::support::parallel;
use crate::support::progress::Progress;
use crate::validate::SeedSummary;

/// A known run. What is not known is absent.
#[derive(Debug, Clone)]
pub struct ListedRun {
    /// The run.
    pub key: RunKey,
    /// Where it was seen.
    pub sources: RunSources,
    /// Where its bytes are; `None` if this clone lacks them.
    pub location: Option<RunLocation>,
    /// How much of its data the dataset and the cache of this clone hold; of a run in no commit, how much results hold.
    pub cached: CachedShare,
    /// Whether `params.yaml` selects it.
    pub is_selected: bool,
    /// The newest commit that introduced it.
    pub commit: Option<ListedCommit>,
    /// That commit's data version, else the one that its newest tag names.
    pub data_version: Option<DataVersion>,
    /// Its tags, lowest version first.
    pub tags: Vec<String>,
    /// Its start time, as its recorder wrote it.
    pub start_time: Option<String>,
    /// The schema version, as its recorder wrote it.
    pub schema_version: Option<String>,
    /// The simulator's version.
    pub package_version: Option<String>,
    /// The simulator's commit.
    pub git_sha: Option<String>,
    /// The first seed.
    pub base_seed: Option<i64>,
    /// The seeds of its steps, as its manifest has them.
    pub seeds: Option<SeedSummary>,
    /// Its configuration.
    pub env_config: Option<JsonValue>,
    /// The hash of its configuration: of `run.json`, else as its newest tag says.
    pub config_hash: Option<String>,
    /// Steps, without the states after resets.
    pub steps: Option<u64>,
    /// Episodes.
    pub episodes: Option<u64>,
    /// Metrics, if its parquet is in this clone.
    pub metrics: Option<RunMetrics>,
    /// Which metrics such a run has, if that is known.
    pub figures: Option<FigureSet>,
}

/// The commit that introduced a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedCommit {
    /// The commit.
    pub id: Oid,
    /// Its time, in seconds since the Unix epoch.
    pub time: i64,
    /// The author's name.
    pub author: String,
}

/// How much of a run's data this clone has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CachedShare {
    /// Every file.
    All,
    /// Some of its files.
    Some,
    /// No file.
    None,
}

impl CachedShare {
    /// `all`, `some` or `none`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Some => "some",
            Self::None => "none",
        }
    }
}

/// How far a known run is, and whether its data is in this clone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListedState {
    /// Only recorded.
    New,
    /// In the dataset, but not committed.
    Ingested,
    /// In history, and its data is in this clone.
    Committed,
    /// In history, but its data is not in this clone.
    Elsewhere,
}

impl ListedState {
    /// All states.
    pub const ALL: [Self; 4] = [Self::New, Self::Ingested, Self::Committed, Self::Elsewhere];

    /// `new`, `ingested`, `committed` or `elsewhere`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Ingested => "ingested",
            Self::Committed => "committed",
            Self::Elsewhere => "elsewhere",
        }
    }
}

impl ListedRun {
    /// How far it is.
    #[must_use]
    pub fn state(&self) -> ListedState {
        let is_committed = self.commit.is_some() || !self.tags.is_empty();
        match (is_committed, self.sources.in_dataset, self.sources.recorded.is_some()) {
            (true, ..) if self.cached == CachedShare::All => ListedState::Committed,
            (true, ..) => ListedState::Elsewhere,
            (false, true, _) => ListedState::Ingested,
            (false, false, true) => ListedState::New,
            // Only a merge's data version holds it.
            (false, false, false) => ListedState::Elsewhere,
        }
    }

    /// What runs are ordered by in time: `latest` comes last.
    #[must_use]
    pub fn start_order(&self) -> (StartTime, &str, &str) {
        let start = self.start_time.as_deref().map_or_else(StartTime::default, StartTime::new);
        (start, self.key.experiment(), self.key.run_id())
    }
}

/// These runs with what their files say, in the given order. Fails only if history or the cache cannot be read.
pub fn list_runs(
    project: &Project,
    catalog: &Catalog,
    runs: &[CatalogRun],
    progress: &dyn Progress,
) -> Result<Vec<ListedRun>, ProjectError> {
    let mut drafts = Vec::with_capacity(runs.len());
    for run in runs {
        // By one thread: the history's cache of file lists is not shared between threads.
        let location = catalog::find_run_location(project, catalog, run, None)?;
        drafts.push(draft_run(catalog, run, location));
    }
    Ok(parallel::map(&drafts, |draft| {
        let mut run = draft.clone();
        read_run_files(&mut run);
        progress.advance_by(1);
        run
    }))
}

/// What the catalog knows of a run.
fn draft_run(catalog: &Catalog, run: &CatalogRun, location: Option<RunLocation>) -> ListedRun {
    let key = &run.key;
    let change = catalog.history.latest_commit(key);
    let tags = catalog.history.tags_of(key);
    let record = tags.last().and_then(|tag| tag.record.as_ref());
    ListedRun {
        key: key.clone(),
        sources: run.sources.clone(),
        location,
        // Until the cache is looked at, in `read_run_files`.
        cached: CachedShare::None,
        is_selected: catalog.selected.as_ref() == Some(key),
        commit: change.map(|change| ListedCommit {
            id: change.commit.id.clone(),
            time: change.commit.time,
            author: change.commit.author.clone(),
        }),
        data_version: change.map(|change| change.record.version).or_else(|| record.map(|record| record.data)),
        tags: tags.iter().map(|tag| tag.tag.name.clone()).collect(),
        start_time: None,
        schema_version: None,
        package_version: None,
        git_sha: None,
        base_seed: None,
        seeds: None,
        env_config: None,
        config_hash: record.and_then(|record| record.config.clone()),
        steps: record.and_then(|record| record.steps),
        episodes: record.and_then(|record| record.episodes),
        metrics: None,
        figures: None,
    }
}

/// Adds what a run's own files say.
fn read_run_files(run: &mut ListedRun) {
    let Some(location) = &run.location else { return };
    run.cached = cached_share(location, run.sources.in_history);
    // A file that cannot be read leaves the tag's record, or what is not known: a damaged run must not hide the others.
    let run_json = location.read_run_json();
    if let Some(run_json) = &run_json {
        let text = |key: &str| run_json.get(key).and_then(JsonValue::as_str).map(str::to_owned);
        run.start_time = text("start_time");
        run.schema_version = text("schema_version");
        run.package_version = text("package_version");
        run.git_sha = text("git_sha");
        run.base_seed = run_json.get("base_seed").and_then(JsonValue::as_i64);
        run.env_config = run_json.get("env_config").cloned();
        run.config_hash = run.env_config.as_ref().map(JsonValue::config_hash).or(run.config_hash.take());
    }
    run.seeds = location.read_manifest().and_then(|manifest| parse_seeds(manifest.get("seed_summary")?));
    if let Some(Ok(metrics)) = location.read_metrics() {
        (run.steps, run.episodes) = (Some(metrics.steps), Some(metrics.episodes));
        run.figures = Some(metrics.figures);
        run.metrics = Some(metrics);
    } else if let Some(run_json) = &run_json {
        run.figures = location.read_schema_of(run_json).map(|schema| FigureSet::of_schema(&schema));
    }
}

fn cached_share(location: &RunLocation, in_history: bool) -> CachedShare {
    match location {
        // The recorder's directory is looked at last: a committed run found there was not found in the cache.
        RunLocation::Recorded(_) if in_history => CachedShare::None,
        RunLocation::Cache { cache, entries, .. } if !entries.iter().all(|e| cache.has_object(e.md5)) => {
            CachedShare::Some
        }
        _ => CachedShare::All,
    }
}
