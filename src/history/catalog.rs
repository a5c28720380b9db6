//! All runs that this repository knows: recorded in results, in the workspace's dataset, in history; and which of
//! them a RUN on a command line is.
//!
//! A run is its `experiment/run_id`. In results `run.json` has it; in the dataset and in history it is the folder's
//! name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{DatasetCommit, History};
use crate::dataset::location::RunLocation;
use crate::dataset::runs::find_run_of_dir;
use crate::dvc::hash::DataVersion;
use crate::formats::json::JsonValue;
use crate::git::Oid;
use crate::history;
use crate::history::erased::{self, FoundRecord};
use crate::project::dir::ProjectDir;
use crate::project::{GitTree, Project, ProjectError};
use crate::run::discover::{DuplicateRuns, LeftOut, RunDir, is_run_dir};
use crate::run::resolve::{LATEST, ResolveError, ResolvedRun, RunCandidate, RunQuery, resolve_run};
use crate::run::{RunKey, StartTime};
use crate::support::notes::{NoteFormat, Notes};

/// What the `run.json` of each recorded run says of its name.
const RECORDED_RUNS: NoteFormat = NoteFormat { file: "recorded-runs", version: 1, most_bytes: 32 << 20 };

/// A run that is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunSources {
    /// Its directory under results, relative to the project: the first, if several have its name.
    pub recorded: Option<String>,
    /// Whether its folder is in the workspace's dataset.
    pub in_dataset: bool,
    /// Whether history knows it.
    pub in_history: bool,
}

/// A run and where it was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogRun {
    /// The run.
    pub key: RunKey,
    /// Where it was seen.
    pub sources: RunSources,
}

impl RunCandidate for CatalogRun {
    fn key(&self) -> Option<&RunKey> {
        Some(&self.key)
    }

    fn dir(&self) -> Option<&Path> {
        self.sources.recorded.as_deref().map(Path::new)
    }
}

/// All runs.
#[derive(Debug)]
pub struct Catalog {
    runs: BTreeMap<RunKey, RunSources>,
    /// The dataset's history.
    pub history: History,
    /// The selected run.
    pub selected: Option<RunKey>,
    /// The dataset's directory, relative to the project.
    pub out_dir: String,
    /// The names that several different recorded runs share.
    pub duplicates: DuplicateRuns,
    /// Recorded runs, and data versions' file lists, that are left out.
    pub left_out: Vec<LeftOut>,
}

/// What a RUN means.
#[derive(Debug, Clone)]
pub struct RunTarget {
    /// The run.
    pub key: RunKey,
    /// The commit of the tag that was typed.
    pub commit: Option<Oid>,
    /// The directory that was typed.
    pub dir: Option<PathBuf>,
}

impl Catalog {
    /// All runs, by name.
    pub fn runs(&self) -> impl Iterator<Item = CatalogRun> + '_ {
        self.runs.iter().map(|(key, sources)| CatalogRun { key: key.clone(), sources: sources.clone() })
    }

    /// All runs' names.
    #[must_use]
    pub fn run_names(&self) -> Vec<String> {
        self.runs.keys().map(ToString::to_string).collect()
    }

    /// A run by its name.
    #[must_use]
    pub fn get(&self, key: &RunKey) -> Option<CatalogRun> {
        self.runs.get(key).map(|sources| CatalogRun { key: key.clone(), sources: sources.clone() })
    }
}

/// Every run that this repository knows.
pub fn load_catalog(project: &Project) -> Result<Catalog, ProjectError> {
    let history = history::load_history(project)?;
    let out_dir = find_dataset_dir(project)?;
    let mut runs: BTreeMap<RunKey, RunSources> = BTreeMap::new();
    let workspace = ProjectDir::of_project(project)?;
    let notes = Notes::load(&project.state_dir(), RECORDED_RUNS);
    let mut recorded = workspace.discover_noted_runs(&notes)?;
    notes.save();
    for run in &recorded.runs {
        match &run.key {
            Some(key) => {
                // The first directory of a name is kept; `duplicates` reports those that differ.
                runs.entry(key.clone())
                    .or_default()
                    .recorded
                    .get_or_insert_with(|| workspace.relative_display(&run.dir));
            }
            None => {
                let why = "its run_id or experiment cannot name a directory".into();
                recorded.left_out.push(LeftOut { path: run.dir.clone(), why });
            }
        }
    }
    let duplicates = workspace.duplicate_runs(&recorded.runs);
    for key in list_run_dirs(&project.root.join(&out_dir)) {
        runs.entry(key).or_default().in_dataset = true;
    }
    for key in history.all_runs().into_keys() {
        runs.entry(key).or_default().in_history = true;
    }
    let keys: Vec<RunKey> = runs.keys().cloned().collect();
    let run_dir = match project.dataset_state(&GitTree::WorkTree) {
        Ok(state) => state.run_dir().map(str::to_owned),
        // A pipeline that cannot be read selects nothing; `status` says what is wrong with it.
        Err(_) => None,
    };
    let selected = run_dir.as_deref().and_then(|run_dir| {
        let dir = project.root.join(run_dir);
        // The recorder's directory holds the name; in a clone without it, its path must do.
        if is_run_dir(&dir) { RunDir::read(&dir).key } else { find_run_of_dir(run_dir, &keys) }
    });
    let mut left_out = recorded.left_out;
    let cache = project.open_cache()?;
    for (version, why) in &history.left_out {
        left_out.push(LeftOut { path: cache.file_list_path(*version), why: why.clone() });
    }
    Ok(Catalog { runs, history, selected, out_dir, duplicates, left_out })
}

/// The recorded run that `latest` means.
pub fn find_newest_recorded(project: &Project) -> Result<Option<RunDir>, ProjectError> {
    let notes = Notes::load(&project.state_dir(), RECORDED_RUNS);
    let found = ProjectDir::of_project(project)?.discover_noted_runs(&notes)?;
    notes.save();
    Ok(found.runs.into_iter().max_by(|a, b| (&a.start, &a.key).cmp(&(&b.start, &b.key))))
}

/// The dataset's directory, relative to the project: what the pipeline says, else what `dvc.lock` does.
pub fn find_dataset_dir(project: &Project) -> Result<String, ProjectError> {
    // A pipeline that cannot be read names no directory: then the default is the best guess.
    if let Ok(state) = project.dataset_state(&GitTree::WorkTree) {
        if let Some(stage) = state.stage {
            return Ok(stage.out_dir);
        }
        if let Some(record) = state.record {
            return Ok(record.out_dir);
        }
    }
    Ok(crate::dataset::stage::DEFAULT_OUT_DIR.to_owned())
}

/// The run that a RUN means.
pub fn resolve_query(project: &Project, catalog: &Catalog, cwd: &Path, query: &str) -> Result<RunTarget, ProjectError> {
    resolve_query_among(project, catalog, cwd, query, &catalog.runs().collect::<Vec<_>>())
}

/// The run that a RUN means; without one, the selected run, and without a selection the newest one.
pub fn resolve_or_default(
    project: &Project,
    catalog: &Catalog,
    cwd: &Path,
    query: Option<&str>,
) -> Result<RunTarget, ProjectError> {
    match (query, &catalog.selected) {
        (Some(query), _) => resolve_query(project, catalog, cwd, query),
        (None, Some(selected)) if catalog.get(selected).is_some() => {
            Ok(RunTarget { key: selected.clone(), commit: None, dir: None })
        }
        (None, _) => resolve_query(project, catalog, cwd, LATEST),
    }
}

/// The run that a RUN means among some of the known runs.
pub fn resolve_query_among(
    project: &Project,
    catalog: &Catalog,
    cwd: &Path,
    query: &str,
    candidates: &[CatalogRun],
) -> Result<RunTarget, ProjectError> {
    let tag = |name: &str| catalog.history.tags.iter().find(|tag| tag.tag.name == name);
    let start_time = |run: &CatalogRun| read_start_time(project, catalog, run);
    let resolve =
        |candidates| resolve_run(RunQuery { text: query, cwd }, candidates, |name| tag(name).is_some(), start_time);
    // A run that was removed is the latest one only if all were.
    let is_latest = query == LATEST || query.strip_prefix(LATEST).is_some_and(|rest| rest.starts_with(':'));
    let is_there = |run: &&CatalogRun| catalog.history.removal_of(&run.key).is_none();
    let present: Vec<CatalogRun> = candidates.iter().filter(|_| is_latest).filter(is_there).cloned().collect();
    let resolved = if is_latest { resolve(&present).or_else(|_| resolve(candidates)) } else { resolve(candidates) };
    let target = match resolved? {
        ResolvedRun::Run(run) | ResolvedRun::RunAt(run) => {
            Some(RunTarget { key: run.key.clone(), commit: None, dir: None })
        }
        ResolvedRun::Dir(dir) => find_target_of_dir(project, catalog, dir),
        ResolvedRun::Tag(name) => {
            tag(&name).map(|tag| RunTarget { key: tag.name.run.clone(), commit: tag.tag.commit.clone(), dir: None })
        }
    };
    Ok(target.ok_or_else(|| ResolveError::NotFound { query: query.into(), near: Vec::new() })?)
}

fn find_target_of_dir(project: &Project, catalog: &Catalog, dir: PathBuf) -> Option<RunTarget> {
    // A directory that is gone by now is reported as a run that is not found.
    let real = dir.canonicalize().ok()?;
    if !is_run_dir(&real) {
        return None;
    }
    let dataset = project.root.join(&catalog.out_dir).canonicalize();
    if let Some(folder) = dataset.ok().and_then(|dataset| real.strip_prefix(dataset).ok()) {
        // By its folder: what its own metadata says may be the name that it was recorded under.
        let key: RunKey = folder.to_str()?.parse().ok()?;
        return catalog.get(&key).map(|run| RunTarget { key: run.key, commit: None, dir: None });
    }
    Some(RunTarget { key: RunDir::read(&real).key?, commit: None, dir: Some(dir) })
}

/// When a run began, as its recorder wrote it.
pub fn read_start_time(project: &Project, catalog: &Catalog, run: &CatalogRun) -> StartTime {
    let run_json =
        // A run whose files cannot be read counts as one without a start time: that is no reason to fail.
        find_run_location(project, catalog, run, None).ok().flatten().and_then(|location| location.read_run_json());
    let text = run_json.as_ref().and_then(|run| run.get("start_time")).and_then(JsonValue::as_str);
    text.map_or_else(StartTime::default, StartTime::new)
}

/// Where a run's bytes lie: at the commit if one is given, else the dataset, the cache, results; `None` if this
/// clone has them nowhere.
pub fn find_run_location(
    project: &Project,
    catalog: &Catalog,
    run: &CatalogRun,
    commit: Option<&Oid>,
) -> Result<Option<RunLocation>, ProjectError> {
    if let Some(commit) = commit {
        return match project.data_version_at(commit)? {
            Some(version) => find_cached_run(project, &catalog.history, version, &run.key),
            None => Ok(None),
        };
    }
    if run.sources.in_dataset {
        return Ok(Some(RunLocation::Dataset(run.key.dir_under(&project.root.join(&catalog.out_dir)))));
    }
    if let Some(version) = find_latest_version(catalog, &run.key)
        && let Some(location) = find_cached_run(project, &catalog.history, version, &run.key)?
    {
        return Ok(Some(location));
    }
    // Last, for a directory in results can be recorded into again.
    Ok(run.sources.recorded.as_ref().map(|dir| RunLocation::Recorded(project.root.join(dir))))
}

/// A run in a data version, in this clone's cache; `None` if the cache has none of its files.
fn find_cached_run(
    project: &Project,
    history: &History,
    version: DataVersion,
    key: &RunKey,
) -> Result<Option<RunLocation>, ProjectError> {
    let Some(entries) = history.run_entries(version, key) else { return Ok(None) };
    let cache = project.open_cache()?;
    // One object is enough: each file that is missing is absent from what is shown.
    let any = entries.iter().any(|entry| cache.has_object(entry.md5));
    Ok(any.then(|| RunLocation::Cache { cache, entries, key: key.clone() }))
}

/// The data version of the newest commit that introduced a run, else the one its newest tag names.
#[must_use]
pub fn find_latest_version(catalog: &Catalog, run: &RunKey) -> Option<DataVersion> {
    let commit: Option<&DatasetCommit> = catalog.history.latest_commit(run);
    commit
        .map(|commit| commit.record.version)
        .or_else(|| catalog.history.tags_of(run).last().and_then(|tag| tag.record.as_ref()).map(|r| r.data))
}

/// Where the bytes of the run that the user named lie; an error that says how to get them if this clone lacks them.
pub fn locate_run(project: &Project, catalog: &Catalog, target: &RunTarget) -> Result<RunLocation, ProjectError> {
    if let Some(dir) = &target.dir {
        return Ok(RunLocation::Recorded(dir.clone()));
    }
    let not_in_clone = || ProjectError::RunNotHere { run: target.key.to_string() };
    let run = catalog.get(&target.key).ok_or_else(not_in_clone)?;
    let Some(location) = find_run_location(project, catalog, &run, target.commit.as_ref())? else {
        return Err(find_erased_run(project, catalog, target)?
            .map_or_else(not_in_clone, |(found, _)| erased::erased_error(&found)));
    };
    // What another run has, too, can be left of an erased one.
    if matches!(location, RunLocation::Cache { .. })
        && let Some((found, _)) = find_erased_run(project, catalog, target)?
    {
        return Err(erased::erased_error(&found));
    }
    // Only in results can several runs have one name; a data version holds one of each.
    match catalog.duplicates.for_key(&target.key) {
        Some(duplicates) if matches!(location, RunLocation::Recorded(_)) => Err(ResolveError::from(duplicates).into()),
        _ => Ok(location),
    }
}

/// The record of a run whose data was erased, and where the data was: in a cache that lacks it. `None` if it was not erased,
/// or if this clone still has it.
pub fn find_erased_run(
    project: &Project,
    catalog: &Catalog,
    target: &RunTarget,
) -> Result<Option<(FoundRecord, RunLocation)>, ProjectError> {
    let version = match &target.commit {
        Some(commit) => project.data_version_at(commit)?,
        None => find_latest_version(catalog, &target.key),
    };
    let Some(entries) = version.and_then(|version| catalog.history.run_entries(version, &target.key)) else {
        return Ok(None);
    };
    let Some(found) = erased::find_erasure(project, &target.key, &entries)? else { return Ok(None) };
    let cache = project.open_cache()?;
    Ok(Some((found, RunLocation::Cache { cache, entries, key: target.key.clone() })))
}

/// The run folders two levels below a directory.
fn list_run_dirs(root: &Path) -> Vec<RunKey> {
    let mut out = Vec::new();
    for experiment in list_dirs(root) {
        // A folder whose name is not valid for a run is left out.
        out.extend(list_dirs(&root.join(&experiment)).iter().filter_map(|run| RunKey::new(&experiment, run).ok()));
    }
    out
}

/// The names of the directories in a directory, sorted; links to directories count, hidden ones do not.
fn list_dirs(dir: &Path) -> Vec<String> {
    // A directory that is missing or cannot be read lists as empty: a new clone does not have a dataset yet.
    let mut names: Vec<String> = std::fs::read_dir(dir)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| {
            let kind = entry.file_type();
            kind.is_ok_and(|kind| kind.is_dir() || (kind.is_symlink() && entry.path().is_dir()))
        })
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| !name.starts_with('.'))
        .collect();
    names.sort();
    names
}
