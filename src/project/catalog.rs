//! Every run that this repository knows: recorded in results, in the workspace's dataset, in history; and which of them a
//! RUN that somebody typed means.
//!
//! A run is its `experiment/run_id`. In results that is what `run.json` says, as `ingest` has it; in the dataset and in
//! history it is the folder's name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::history::{Change, History};
use super::selection::run_of;
use super::{Place, Project, ProjectError, Source};
use crate::dvc::version::DataVersion;
use crate::error::{Explain, Kind};
use crate::git::Oid;
use crate::provenance::parse_tag_name;
use crate::run::RunKey;
use crate::run::json::Value;
use crate::run::layout::RUN_JSON;
use crate::run::meta::RunMeta;
use crate::support::fs::read_optional;

/// A run that is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sighting {
    /// Its directory under results, relative to the project.
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

/// A RUN that means none, or several.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// None.
    #[error("there is no run `{query}`")]
    NoSuchRun {
        /// As typed.
        query: String,
        /// What may have been meant, best first.
        near: Vec<String>,
    },
    /// Several.
    #[error("`{query}` may mean {} runs: {}", candidates.len(), listed(candidates))]
    Ambiguous {
        /// As typed.
        query: String,
        /// All that it may mean.
        candidates: Vec<String>,
    },
    /// It is known, and its data is not in this clone.
    #[error("the data of {run} is not in this clone")]
    NotHere {
        /// The run.
        run: String,
    },
    /// The project.
    #[error(transparent)]
    Project(#[from] ProjectError),
}

fn listed(candidates: &[String]) -> String {
    const MOST: usize = 8;
    let mut text = candidates.iter().take(MOST).cloned().collect::<Vec<_>>().join(", ");
    if candidates.len() > MOST {
        text.push_str(&format!(", and {} more", candidates.len() - MOST));
    }
    text
}

impl Explain for RunError {
    fn kind(&self) -> Kind {
        match self {
            Self::NoSuchRun { .. } | Self::NotHere { .. } => Kind::Setup,
            Self::Ambiguous { .. } => Kind::Usage,
            Self::Project(error) => error.kind(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::NoSuchRun { .. } => "no_such_run",
            Self::Ambiguous { .. } => "ambiguous_run",
            Self::NotHere { .. } => "run_not_here",
            Self::Project(error) => error.code(),
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::NoSuchRun { near, .. } => {
                let meant = near.first().map(|_| format!("did you mean {}?", near.join(" or ")));
                meant.into_iter().chain(["`capture-hook runs` lists the runs there are".into()]).collect()
            }
            Self::Ambiguous { .. } => vec!["type more of its name, or experiment/run_id".into()],
            Self::NotHere { run } => {
                let run = crate::support::process::quoted(run.as_ref());
                vec![format!("`capture-hook pull {run}` brings it")]
            }
            Self::Project(error) => error.hints(),
        }
    }
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

    /// The runs that a text without meaning of its own may mean: by name, by id, by a unique start of either.
    fn candidates(&self, query: &str) -> Vec<&RunKey> {
        let text = query.trim_end_matches('/');
        let name = |key: &&RunKey| key.to_string() == text;
        let id = |key: &&RunKey| key.run_id() == text;
        let starts = |key: &&RunKey| key.run_id().starts_with(text) || key.to_string().starts_with(text);
        let all = || self.runs.keys();
        [all().filter(name).collect(), all().filter(id).collect(), all().filter(starts).collect::<Vec<_>>()]
            .into_iter()
            .find(|found: &Vec<&RunKey>| !found.is_empty())
            .unwrap_or_default()
    }

    fn unknown(&self, query: &str) -> RunError {
        let mut near: Vec<(usize, String)> = self
            .runs
            .keys()
            .map(|key| {
                let name = key.to_string();
                let distance =
                    strsim::damerau_levenshtein(&name, query).min(strsim::damerau_levenshtein(key.run_id(), query));
                (distance, name)
            })
            .filter(|(distance, _)| *distance <= (query.chars().count() / 3).max(2))
            .collect();
        near.sort();
        let best = near.first().map_or(0, |(distance, _)| *distance);
        near.retain(|(distance, _)| *distance <= best + 1);
        near.truncate(3);
        let near = near.into_iter().map(|(_, name)| format!("`{name}`")).collect();
        RunError::NoSuchRun { query: query.into(), near }
    }
}

impl Project {
    /// Every run that this repository knows.
    pub fn catalog(&self) -> Result<Catalog, ProjectError> {
        let history = self.history()?;
        let out_dir = self.dataset_dir()?;
        let mut runs: BTreeMap<RunKey, Sighting> = BTreeMap::new();
        let results = self.config()?.results_dir;
        for (key, dir) in self.recorded_in(&results) {
            runs.entry(key).or_default().recorded.get_or_insert(dir);
        }
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
        let recorded = run_dir.as_deref().and_then(|dir| {
            let dir = dir.trim_end_matches('/');
            runs.iter().find(|(_, seen)| seen.recorded.as_deref() == Some(dir)).map(|(key, _)| key.clone())
        });
        let selected = recorded.or_else(|| run_dir.as_deref().and_then(|dir| run_of(dir, &keys)));
        Ok(Catalog { runs, history, selected, out_dir })
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

    /// The runs recorded under a results directory, each with its directory relative to the project.
    fn recorded_in(&self, results: &str) -> Vec<(RunKey, String)> {
        if !crate::dvc::listing::safe_path(results) {
            return Vec::new();
        }
        let root = self.root.join(results);
        let mut out = Vec::new();
        for experiment in dirs(&root) {
            for run in dirs(&root.join(&experiment)) {
                let dir = root.join(&experiment).join(&run);
                if let Some(key) = key_of(&dir, &experiment, &run) {
                    out.push((key, format!("{results}/{experiment}/{run}")));
                }
            }
        }
        out
    }

    /// The run that a RUN means: a directory, a run's tag, `latest`, `latest:EXPERIMENT`, or (the start of) a name.
    pub fn resolve_run(&self, catalog: &Catalog, cwd: &Path, query: &str) -> Result<Target, RunError> {
        if let Some(target) = self.typed_dir(catalog, cwd, query) {
            return Ok(target);
        }
        let tag = query.strip_prefix("refs/tags/").unwrap_or(query);
        if let Some(name) = parse_tag_name(tag)
            && let Some(tag) = catalog.history.tags.iter().find(|t| t.name == name)
        {
            return Ok(Target { key: name.run, commit: tag.tag.commit.clone(), dir: None });
        }
        if query == "latest" || query.starts_with("latest:") {
            return self.latest(catalog, query);
        }
        match catalog.candidates(query).as_slice() {
            [] => Err(catalog.unknown(query)),
            [key] => Ok(Target { key: (*key).clone(), commit: None, dir: None }),
            many => Err(RunError::Ambiguous {
                query: query.into(),
                candidates: many.iter().map(ToString::to_string).collect(),
            }),
        }
    }

    fn typed_dir(&self, catalog: &Catalog, cwd: &Path, query: &str) -> Option<Target> {
        let dir = cwd.join(query);
        if !dir.join(RUN_JSON).is_file() {
            return None;
        }
        let real = dir.canonicalize().ok()?;
        let dataset = self.root.join(&catalog.out_dir).canonicalize().ok();
        let name = |path: &Path| path.file_name().map(|n| n.to_string_lossy().into_owned());
        let (run, experiment) = (name(&real)?, real.parent().and_then(name).unwrap_or_default());
        if dataset.is_some_and(|dataset| real.starts_with(dataset)) {
            let key = RunKey::new(&experiment, &run).ok()?;
            return catalog.get(&key).map(|known| Target { key: known.key, commit: None, dir: None });
        }
        key_of(&real, &experiment, &run).map(|key| Target { key, commit: None, dir: Some(dir) })
    }

    /// The run that began last, by `start_time`, then name.
    fn latest(&self, catalog: &Catalog, query: &str) -> Result<Target, RunError> {
        let experiment = query.strip_prefix("latest:");
        let newest = catalog
            .runs()
            .filter(|run| experiment.is_none_or(|e| run.key.experiment() == e))
            .map(|run| (self.start_time(catalog, &run).unwrap_or_default(), run.key))
            .max();
        match newest {
            Some((_, key)) => Ok(Target { key, commit: None, dir: None }),
            None => {
                let mut near: Vec<String> =
                    catalog.runs().map(|run| format!("`latest:{}`", run.key.experiment())).collect();
                near.dedup();
                near.truncate(3);
                Err(RunError::NoSuchRun { query: query.into(), near })
            }
        }
    }

    /// When a run began, as its recorder wrote it.
    #[must_use]
    pub fn start_time(&self, catalog: &Catalog, run: &Known) -> Option<String> {
        let place = self.place(catalog, run, None).ok().flatten()?;
        place.run_json()?.get("start_time").and_then(Value::as_str).map(str::to_owned)
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
    pub fn locate(&self, catalog: &Catalog, target: &Target) -> Result<Place, RunError> {
        if let Some(dir) = &target.dir {
            return Ok(Place::Recorded(dir.clone()));
        }
        let not_here = || RunError::NotHere { run: target.key.to_string() };
        let known = catalog.get(&target.key).ok_or_else(not_here)?;
        self.place(catalog, &known, target.commit.as_ref())?.ok_or_else(not_here)
    }
}

/// The name of a run in results: what `run.json` says, else the directories.
fn key_of(dir: &Path, experiment: &str, run: &str) -> Option<RunKey> {
    let bytes = read_optional(&dir.join(RUN_JSON)).ok()??;
    match RunMeta::parse(&bytes) {
        Ok(meta) => RunKey::new(meta.experiment.as_deref().unwrap_or(experiment), &meta.run_id).ok(),
        // Damaged runs are listed too: by their directory.
        Err(_) => RunKey::new(experiment, run).ok(),
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
