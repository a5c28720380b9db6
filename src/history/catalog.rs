//! Every run that this repository knows: recorded in results, in the workspace's dataset, in history; and which of them a
//! RUN that somebody typed means.
//!
//! A run is its `experiment/run_id`. In results that is what `run.json` says, as `ingest` has it; in the dataset and in
//! history it is the folder's name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{Change, History};
use crate::dataset::location::Place;
use crate::dvc::hash::DataVersion;
use crate::formats::json::Value;
use crate::git::Oid;
use crate::project::dir::Workspace;
use crate::project::state::run_of;
use crate::project::{Project, ProjectError, Source};
use crate::run::discover::{DuplicateRuns, LeftOut, RunDir, is_run};
use crate::run::resolve::{Candidate, ResolveError, ResolvedRun, RunQuery, resolve};
use crate::run::{RunKey, StartTime};

/// A run that is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sighting {
    /// Its directory under results, relative to the project: the first, if several have its name.
    pub recorded: Option<String>,
    /// Whether its folder is in the workspace's dataset.
    pub in_dataset: bool,
    /// Whether history knows it.
    pub in_history: bool,
}

/// A run and where it was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// The run.
    pub key: RunKey,
    /// Where it was seen.
    pub seen: Sighting,
}

impl Candidate for Known {
    fn key(&self) -> Option<&RunKey> {
        Some(&self.key)
    }

    fn dir(&self) -> Option<&Path> {
        self.seen.recorded.as_deref().map(Path::new)
    }
}

/// All runs.
#[derive(Debug)]
pub struct Catalog {
    runs: BTreeMap<RunKey, Sighting>,
    /// The dataset's history.
    pub history: History,
    /// The selected run.
    pub selected: Option<RunKey>,
    /// The dataset's directory, relative to the project.
    pub out_dir: String,
    /// The names that several recorded runs have which differ.
    pub duplicates: DuplicateRuns,
    /// Recorded runs, and data versions' lists of files, that are left out.
    pub left_out: Vec<LeftOut>,
}

/// What a RUN means.
#[derive(Debug, Clone)]
pub struct Target {
    /// The run.
    pub key: RunKey,
    /// The commit of the tag that was typed.
    pub commit: Option<Oid>,
    /// The directory that was typed.
    pub dir: Option<PathBuf>,
}

impl Catalog {
    /// All runs, by name.
    pub fn runs(&self) -> impl Iterator<Item = Known> + '_ {
        self.runs.iter().map(|(key, seen)| Known { key: key.clone(), seen: seen.clone() })
    }

    /// All runs' names.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.runs.keys().map(ToString::to_string).collect()
    }

    /// A run by its name.
    #[must_use]
    pub fn get(&self, key: &RunKey) -> Option<Known> {
        self.runs.get(key).map(|seen| Known { key: key.clone(), seen: seen.clone() })
    }
}

impl Project {
    /// Every run that this repository knows.
    pub fn catalog(&self) -> Result<Catalog, ProjectError> {
        let history = self.history()?;
        let out_dir = self.dataset_dir()?;
        let mut runs: BTreeMap<RunKey, Sighting> = BTreeMap::new();
        let workspace = Workspace { root: self.root.clone(), config: self.config()? };
        let mut recorded = workspace.discover()?;
        for run in &recorded.runs {
            match &run.key {
                Some(key) => {
                    runs.entry(key.clone()).or_default().recorded.get_or_insert_with(|| workspace.shown(&run.dir));
                }
                None => {
                    let why = "its run_id or experiment cannot name a directory".into();
                    recorded.left_out.push(LeftOut { path: run.dir.clone(), why });
                }
            }
        }
        let duplicates = workspace.duplicates(&recorded.runs);
        for key in run_folders(&self.root.join(&out_dir)) {
            runs.entry(key).or_default().in_dataset = true;
        }
        for key in history.all_runs().into_keys() {
            runs.entry(key).or_default().in_history = true;
        }
        let keys: Vec<RunKey> = runs.keys().cloned().collect();
        let run_dir = match self.state(&Source::WorkTree) {
            Ok(state) => state.run_dir().map(str::to_owned),
            // A pipeline that cannot be read selects nothing; `status` says what is wrong with it.
            Err(_) => None,
        };
        let selected = run_dir.as_deref().and_then(|run_dir| {
            let dir = self.root.join(run_dir);
            if is_run(&dir) { RunDir::read(&dir).key } else { run_of(run_dir, &keys) }
        });
        let mut left_out = recorded.left_out;
        let cache = self.cache()?;
        for (version, why) in &history.left_out {
            left_out.push(LeftOut { path: cache.listing_path(*version), why: why.clone() });
        }
        Ok(Catalog { runs, history, selected, out_dir, duplicates, left_out })
    }

    /// The dataset's directory, relative to the project: what the pipeline says, else what `dvc.lock` does.
    pub fn dataset_dir(&self) -> Result<String, ProjectError> {
        if let Ok(state) = self.state(&Source::WorkTree) {
            if let Some(wanted) = state.wanted {
                return Ok(wanted.out_dir);
            }
            if let Some(locked) = state.locked {
                return Ok(locked.out_dir);
            }
        }
        Ok(crate::dvc::stage::DEFAULT_OUT_DIR.to_owned())
    }

    /// The run that a RUN means.
    pub fn resolve_run(&self, catalog: &Catalog, cwd: &Path, query: &str) -> Result<Target, ProjectError> {
        self.resolve_among(catalog, cwd, query, &catalog.runs().collect::<Vec<_>>())
    }

    /// The run that a RUN means among some of the known runs.
    pub fn resolve_among(
        &self,
        catalog: &Catalog,
        cwd: &Path,
        query: &str,
        known: &[Known],
    ) -> Result<Target, ProjectError> {
        let tag = |name: &str| catalog.history.tags.iter().find(|tag| tag.tag.name == name);
        let start = |run: &Known| self.start_time(catalog, run);
        let found = match resolve(RunQuery { text: query, cwd }, known, |name| tag(name).is_some(), start)? {
            ResolvedRun::Run(run) | ResolvedRun::RunAt(run) => {
                Some(Target { key: run.key.clone(), commit: None, dir: None })
            }
            ResolvedRun::Dir(dir) => self.typed_dir(catalog, dir),
            ResolvedRun::Tag(name) => {
                tag(&name).map(|tag| Target { key: tag.name.run.clone(), commit: tag.tag.commit.clone(), dir: None })
            }
        };
        Ok(found.ok_or_else(|| ResolveError::NotFound { query: query.into(), near: Vec::new() })?)
    }

    fn typed_dir(&self, catalog: &Catalog, dir: PathBuf) -> Option<Target> {
        let real = dir.canonicalize().ok()?;
        if !is_run(&real) {
            return None;
        }
        let dataset = self.root.join(&catalog.out_dir).canonicalize();
        if let Some(folder) = dataset.ok().and_then(|dataset| real.strip_prefix(dataset).ok()) {
            // By its folder: what its own metadata says may be the name that it was recorded under.
            let key: RunKey = folder.to_str()?.parse().ok()?;
            return catalog.get(&key).map(|known| Target { key: known.key, commit: None, dir: None });
        }
        Some(Target { key: RunDir::read(&real).key?, commit: None, dir: Some(dir) })
    }

    /// When a run began, as its recorder wrote it.
    pub fn start_time(&self, catalog: &Catalog, run: &Known) -> StartTime {
        let run_json = self.place(catalog, run, None).ok().flatten().and_then(|place| place.run_json());
        let text = run_json.as_ref().and_then(|run| run.get("start_time")).and_then(Value::as_str);
        text.map_or_else(StartTime::default, StartTime::new)
    }

    /// Where a run's bytes lie: at a commit where one is named, else the dataset, the cache, results; `None` where this
    /// clone has them nowhere.
    pub fn place(&self, catalog: &Catalog, run: &Known, commit: Option<&Oid>) -> Result<Option<Place>, ProjectError> {
        if let Some(commit) = commit {
            return match self.version_at(commit)? {
                Some(version) => self.cached_run(&catalog.history, version, &run.key),
                None => Ok(None),
            };
        }
        if run.seen.in_dataset {
            return Ok(Some(Place::Dataset(run.key.under(&self.root.join(&catalog.out_dir)))));
        }
        if let Some(version) = self.newest_version(catalog, &run.key)
            && let Some(place) = self.cached_run(&catalog.history, version, &run.key)?
        {
            return Ok(Some(place));
        }
        Ok(run.seen.recorded.as_ref().map(|dir| Place::Recorded(self.root.join(dir))))
    }

    /// The data version of the newest commit that brought a run, else the one its newest tag names.
    #[must_use]
    pub fn newest_version(&self, catalog: &Catalog, run: &RunKey) -> Option<DataVersion> {
        let change: Option<&Change> = catalog.history.newest(run);
        change
            .map(|change| change.locked.version)
            .or_else(|| catalog.history.tags_of(run).last().and_then(|tag| tag.record.as_ref()).map(|r| r.data))
    }

    /// Where the bytes of what somebody typed lie; an error that says how to get them where that is nowhere here.
    pub fn locate(&self, catalog: &Catalog, target: &Target) -> Result<Place, ProjectError> {
        if let Some(dir) = &target.dir {
            return Ok(Place::Recorded(dir.clone()));
        }
        let not_here = || ProjectError::RunNotHere { run: target.key.to_string() };
        let known = catalog.get(&target.key).ok_or_else(not_here)?;
        let place = self.place(catalog, &known, target.commit.as_ref())?.ok_or_else(not_here)?;
        match catalog.duplicates.of(&target.key) {
            Some(duplicates) if matches!(place, Place::Recorded(_)) => Err(ResolveError::from(duplicates).into()),
            _ => Ok(place),
        }
    }
}

/// The run folders two levels below a directory.
fn run_folders(root: &Path) -> Vec<RunKey> {
    let mut out = Vec::new();
    for experiment in dirs(root) {
        out.extend(dirs(&root.join(&experiment)).iter().filter_map(|run| RunKey::new(&experiment, run).ok()));
    }
    out
}

/// The names of the directories in a directory, sorted; links to directories count, hidden ones do not.
fn dirs(dir: &Path) -> Vec<String> {
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
