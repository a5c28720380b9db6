//! Known runs with all by which they are compared: where each comes from, its configuration, seeds and figures.
//!
//! Each file of a run is read once, by several threads, and not again until it changes (`file_facts`). Figures come from parquet; of a run
//! that is recorded and not ingested, from its rows (`new_runs`). Of a run whose files are not in this clone, what commits and tags say is known (`commit_facts`). A
//! file that is missing or damaged leaves what it would say unknown: one run never hides the others. Nothing is fetched.

use crate::columnar::{FigureSet, RunMetrics};
use crate::dataset::location::RunLocation;
use crate::dvc::hash::DataVersion;
use crate::dvc::present::PresentObjects;
use crate::formats::json::JsonValue;
use crate::git::{Commit, Oid};
use crate::history::DatasetCommit;
use crate::history::catalog::{self, Catalog, CatalogRun, RunSources};
use crate::history::commit_facts::CommitFactsReader;
use crate::history::erased::ErasedRuns;
use crate::history::file_facts::{FileFacts, LISTED_RUNS, read_noted_facts};
use crate::history::new_runs::{NewRunReader, ScanLimit, ScannedRun};
use crate::history::summary::ValidationVerdict;
use crate::project::dir::ProjectDir;
use crate::project::{Project, ProjectError};
use crate::run::{RunKey, StartTime};
use crate::support::notes::Notes;
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
    /// The commit by which HEAD's dataset lacks it.
    pub removal: Option<ListedRemoval>,
    /// Whether its data was erased for good.
    pub is_erased: bool,
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
    /// How many bytes its data has, as `dvc.lock` says it.
    pub bytes: Option<u64>,
    /// The command that fetches its data, if this clone lacks some of it.
    pub fetch: Option<String>,
    /// Metrics: of its parquet, if that is in this clone, else as a commit has them.
    pub metrics: Option<RunMetrics>,
    /// Which metrics such a run has, if that is known.
    pub figures: Option<FigureSet>,
    /// Whether it is valid, if it is new and that is known.
    pub verdict: Option<ValidationVerdict>,
    /// Whether its rows were not read because that would take long.
    pub is_unread: bool,
}

/// A commit that introduced or removed a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedCommit {
    /// The commit.
    pub id: Oid,
    /// Its time, in seconds since the Unix epoch.
    pub time: i64,
    /// The author's name.
    pub author: String,
}

/// The commit that removed a run from HEAD's dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedRemoval {
    /// The commit.
    pub commit: ListedCommit,
    /// Why.
    pub reason: Option<String>,
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

impl ListedCommit {
    fn of(commit: &Commit) -> Self {
        Self { id: commit.id.clone(), time: commit.time, author: commit.author.clone() }
    }
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
    /// Only recorded, and known to be invalid.
    Invalid,
    /// In the dataset, but not committed.
    Ingested,
    /// In history, and its data is in this clone.
    Committed,
    /// In history, but its data is not in this clone.
    Remote,
    /// In history, and removed from HEAD's dataset.
    Removed,
    /// In history, and its data was erased for good.
    Erased,
}

impl ListedState {
    /// All states.
    pub const ALL: [Self; 7] =
        [Self::New, Self::Invalid, Self::Ingested, Self::Committed, Self::Remote, Self::Removed, Self::Erased];

    /// `new`, `invalid`, `ingested`, `committed`, `remote`, `removed` or `erased`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Invalid => "invalid",
            Self::Ingested => "ingested",
            Self::Committed => "committed",
            Self::Remote => "remote",
            Self::Removed => "removed",
            Self::Erased => "erased",
        }
    }
}

impl ListedRun {
    /// How far it is.
    #[must_use]
    pub fn state(&self) -> ListedState {
        if self.is_erased {
            return ListedState::Erased;
        }
        if self.removal.is_some() {
            return ListedState::Removed;
        }
        let is_committed = self.commit.is_some() || !self.tags.is_empty();
        match (is_committed, self.sources.in_dataset, self.sources.recorded.is_some()) {
            (true, ..) if self.cached == CachedShare::All => ListedState::Committed,
            (true, ..) => ListedState::Remote,
            (false, true, _) => ListedState::Ingested,
            (false, false, true) if self.verdict.as_ref().is_some_and(|verdict| !verdict.ok) => ListedState::Invalid,
            (false, false, true) => ListedState::New,
            // Only a merge's data version holds it.
            (false, false, false) => ListedState::Remote,
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
    limit: ScanLimit,
    progress: &dyn Progress,
) -> Result<Vec<ListedRun>, ProjectError> {
    let mut drafts = Vec::with_capacity(runs.len());
    let mut objects = 0;
    for run in runs {
        // By one thread: the history's cache of file lists is not shared between threads.
        let location = catalog::find_run_location(project, catalog, run, None)?;
        if let Some(RunLocation::Cache { entries, .. }) = &location {
            objects += entries.len();
        }
        drafts.push(draft_run(catalog, run, location));
    }
    // Of a run that was not removed, no record counts.
    if drafts.iter().any(|draft| draft.removal.is_some()) {
        let erased = ErasedRuns::load(project)?;
        drafts.iter_mut().for_each(|draft| draft.is_erased = is_erased(catalog, &erased, draft));
    }
    catalog.history.save_notes();
    let present = PresentObjects::for_many(&project.open_cache()?, objects);
    let notes = Notes::load(&project.state_dir(), LISTED_RUNS);
    let reader = NewRunReader::new(&ProjectDir::of_project(project)?, &notes, limit)?;
    let listed = parallel::map(&drafts, |draft| {
        let mut run = draft.clone();
        if let Some(location) = &draft.location {
            run.cached = cached_share(location, run.sources.in_history, &present);
            fill_from_files(&mut run, read_noted_facts(location, &notes));
            if let (RunLocation::Recorded(dir), ListedState::New) = (location, run.state()) {
                fill_from_rows(&mut run, reader.read_run(dir));
            }
        }
        progress.advance_by(1);
        run
    });
    let listed = fill_from_commits(project, catalog, listed, &notes);
    notes.save();
    Ok(listed)
}

/// Adds what commits say of the runs whose files are not in this clone.
fn fill_from_commits(
    project: &Project,
    catalog: &Catalog,
    mut listed: Vec<ListedRun>,
    notes: &Notes,
) -> Vec<ListedRun> {
    let history = &catalog.history;
    let change_of = |run: &ListedRun| history.latest_commit(&run.key);
    // What was erased on purpose is not shown again.
    let is_unknown = |run: &ListedRun| run.metrics.is_none() && !run.is_erased && run.sources.in_history;
    let reader = CommitFactsReader::new(project, history, notes);
    let changes: Vec<&DatasetCommit> = listed.iter().filter(|run| is_unknown(run)).filter_map(change_of).collect();
    if !changes.is_empty() {
        reader.prepare(&changes);
    }
    for run in &mut listed {
        let is_missing = run.sources.in_history && run.cached != CachedShare::All && !run.is_erased;
        run.fetch = if is_missing { history.fetch_command(&run.key) } else { None };
        let Some(change) = change_of(run) else { continue };
        run.bytes = history.run_bytes(&run.key, change);
        if is_unknown(run) {
            let facts = reader.read_facts(&run.key, change);
            run.config_hash = run.config_hash.take().or(facts.config_hash);
            if let Some(metrics) = facts.metrics {
                (run.steps, run.episodes) = (Some(metrics.steps), Some(metrics.episodes));
                run.figures = run.figures.or(Some(metrics.figures));
                run.metrics = Some(metrics);
            }
        }
    }
    listed
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
        // Until the cache is looked at.
        cached: CachedShare::None,
        is_selected: catalog.selected.as_ref() == Some(key),
        commit: change.map(|change| ListedCommit::of(&change.commit)),
        removal: catalog
            .history
            .removal_of(key)
            .map(|removal| ListedRemoval { commit: ListedCommit::of(&removal.change.commit), reason: removal.reason }),
        data_version: change.map(|change| change.record.version).or_else(|| record.map(|record| record.data)),
        is_erased: false,
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
        bytes: None,
        fetch: None,
        metrics: None,
        figures: None,
        verdict: None,
        is_unread: false,
    }
}

/// Whether the files of a run that HEAD's dataset lacks were erased.
fn is_erased(catalog: &Catalog, erased: &ErasedRuns, run: &ListedRun) -> bool {
    let is_recorded = !erased.is_empty() && erased.of_run(&run.key).next().is_some();
    let entries = run.data_version.filter(|_| is_recorded && run.removal.is_some());
    let entries = entries.and_then(|version| catalog.history.run_entries(version, &run.key)).unwrap_or_default();
    erased.find(&run.key, &entries).is_some()
}

/// Adds what a run's own files say.
fn fill_from_files(run: &mut ListedRun, facts: FileFacts) {
    // What is not known leaves the tag's record: a damaged run must not hide the others.
    run.start_time = facts.start_time;
    run.schema_version = facts.schema_version;
    run.package_version = facts.package_version;
    run.git_sha = facts.git_sha;
    run.base_seed = facts.base_seed;
    run.config_hash = facts.config_hash.or(run.config_hash.take());
    run.env_config = facts.env_config;
    run.seeds = facts.seeds;
    run.figures = facts.figures;
    if let Some(metrics) = facts.metrics {
        (run.steps, run.episodes) = (Some(metrics.steps), Some(metrics.episodes));
        run.metrics = Some(metrics);
    }
}

/// Adds what the rows of a new run say; `None` if they were not read.
fn fill_from_rows(run: &mut ListedRun, scanned: Option<ScannedRun>) {
    run.is_unread = scanned.is_none();
    let Some(scanned) = scanned else { return };
    run.seeds = run.seeds.or(scanned.seeds);
    // Some rows of an invalid run may be missing, or wrong.
    if let Some(metrics) = scanned.metrics.filter(|_| scanned.verdict.ok) {
        (run.steps, run.episodes) = (Some(metrics.steps), Some(metrics.episodes));
        run.figures = Some(metrics.figures);
        run.metrics = Some(metrics);
    }
    run.verdict = Some(scanned.verdict);
}

fn cached_share(location: &RunLocation, in_history: bool, present: &PresentObjects) -> CachedShare {
    match location {
        // The recorder's directory is looked at last: a committed run found there was not found in the cache.
        RunLocation::Recorded(_) if in_history => CachedShare::None,
        RunLocation::Cache { entries, .. } if !entries.iter().all(|e| present.has_object(e.md5)) => CachedShare::Some,
        _ => CachedShare::All,
    }
}
