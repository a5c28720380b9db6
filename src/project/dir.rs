//! Where a command works: the project around a directory, by the files alone or by the repository.
//!
//! [`ProjectDir`] is for what needs runs and the dataset, but no git: the stage's own `ingest`, `manifest`, `validate`.
//!
//! Reads the working tree's files as they lie there; DVC calls the stage in the project's root, a copy of it included
//! (an experiment's temporary workspace).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::config;
use crate::dataset::stage::{
    DEFAULT_OUT_DIR, OUT_DIR, RUN_DIR, StageError, is_selection, params_file, parse_ingest_stage,
};
use crate::dvc::stage;
use crate::dvc::stage::{PARAMS_FILE, Stage};
use crate::formats;
use crate::git::Repo;
use crate::project::config::Config;
use crate::project::{Project, ProjectError, ROOT_SETTING};
use crate::run::discover;
use crate::run::discover::{DiscoveredRuns, DuplicateRuns, RunDir};
use crate::run::resolve::{ResolveError, ResolvedRun, RunQuery, resolve_run};
use crate::run::tag_names::{is_tag_of, parse_tag_name};
use crate::support::beneath::RootDir;
use crate::support::fs::FsError;
use crate::support::limits;
use crate::support::names::is_safe_path;
use crate::support::notes::Notes;
use crate::support::path::{normalize_path, path_below, to_slashes};
use crate::validate::ValidateOptions;

/// The project around a directory.
#[derive(Debug, Clone)]
pub struct ProjectDir {
    /// Its root: where `.dvc` is, else where `.git` is, else the directory itself. Absolute.
    pub root: PathBuf,
    /// Its settings.
    pub config: Config,
}

/// What `params.yaml` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunSelection {
    /// The selected run's directory, relative to the root; `None` if none is selected.
    pub run_dir: Option<String>,
    /// The dataset's directory, relative to the root.
    pub out_dir: String,
    /// The file that says so.
    pub file: String,
}

impl ProjectDir {
    /// Of an open project.
    pub fn of_project(project: &Project) -> Result<Self, ProjectError> {
        Ok(Self { root: project.root.clone(), config: project.read_config()? })
    }

    /// The project around `cwd`, which is absolute.
    pub fn find(cwd: &Path) -> Result<Self, ProjectError> {
        let root = find_root(cwd).unwrap_or(cwd).to_path_buf();
        let config = match RootDir::new(&root).read(config::FILE, limits::TEXT)? {
            Some(bytes) => Config::parse(&String::from_utf8_lossy(&bytes))?,
            None => Config::default(),
        };
        Ok(Self { root, config })
    }

    /// Where recorders write.
    #[must_use]
    pub fn results_dir(&self) -> PathBuf {
        self.root.join(&self.config.results_dir)
    }

    /// Which findings count.
    pub fn validate_options(&self) -> Result<ValidateOptions, ProjectError> {
        super::validation_options(&self.root, &self.config)
    }

    /// The stage as `dvc.yaml` writes it; `None` if there is none.
    pub fn read_stage(&self) -> Result<Option<Stage>, ProjectError> {
        match RootDir::new(&self.root).read(stage::FILE, limits::TEXT)? {
            Some(bytes) => Ok(parse_ingest_stage(&bytes)?),
            None => Ok(None),
        }
    }

    /// The params file that the stage depends on, relative to the root.
    pub fn params_file(&self) -> Result<String, ProjectError> {
        let stage = self.read_stage()?;
        let file = stage.as_ref().map_or(PARAMS_FILE, params_file);
        if !is_safe_path(file) {
            return Err(StageError::unsupported(format!("the params file `{file}` is outside the project")).into());
        }
        Ok(file.to_owned())
    }

    /// What stands for a params file that does not exist: an error if the stage asks for one.
    pub fn empty_params<T>(&self, file: &str, empty: T) -> Result<T, ProjectError> {
        match self.read_stage()? {
            Some(_) => Err(StageError::NoParamsFile { file: file.to_owned(), key: RUN_DIR.to_owned() }.into()),
            None => Ok(empty),
        }
    }

    /// The values of the parameters that the stage depends on.
    pub fn read_selection(&self) -> Result<RunSelection, ProjectError> {
        let file = self.params_file()?;
        let values = match RootDir::new(&self.root).read(&file, limits::TEXT)? {
            Some(bytes) => formats::load_params(&file, &bytes)?,
            None => self.empty_params(&file, formats::ParamsValue::Map(Vec::new()))?,
        };
        let path = |key: &'static str| match values.at_path(key) {
            None | Some(formats::ParamsValue::Null) => Ok(None),
            Some(formats::ParamsValue::Str(path)) => Ok(Some(path.clone())),
            Some(other) => Err(ProjectError::NotAPath { file: file.clone(), key, found: other.to_string() }),
        };
        let run_dir = path(RUN_DIR)?.filter(|dir| is_selection(dir));
        let out_dir = path(OUT_DIR)?.unwrap_or_else(|| DEFAULT_OUT_DIR.into());
        Ok(RunSelection { run_dir, out_dir, file })
    }

    /// The runs in the results directory, and what is left out of them.
    pub fn discover_runs(&self) -> Result<DiscoveredRuns, FsError> {
        discover::discover_runs(&self.results_dir())
    }

    /// The same; a `run.json` of which is noted what it says is not read again until it changes.
    pub fn discover_noted_runs(&self, notes: &Notes) -> Result<DiscoveredRuns, FsError> {
        discover::discover_noted_runs(&self.results_dir(), notes)
    }

    /// Each of these runs once; an error if several have one name and differ.
    pub fn distinct_runs(&self, runs: Vec<RunDir>) -> Result<Vec<RunDir>, DuplicateRuns> {
        discover::distinct_runs(runs, &self.config.ingest.include, |dir| self.relative_display(dir))
    }

    /// The names that several different ones of these runs share.
    #[must_use]
    pub fn duplicate_runs(&self, runs: &[RunDir]) -> DuplicateRuns {
        discover::duplicate_runs(runs, &self.config.ingest.include, |dir| self.relative_display(dir))
    }

    /// The directory of the recorded run that the user names.
    pub fn resolve_run(&self, cwd: &Path, query: &str) -> Result<PathBuf, ProjectError> {
        let found = self.discover_runs()?.runs;
        let tagged = |name: &str| found.iter().filter_map(|run| run.key.clone()).find(|run| is_tag_of(name, run));
        let is_tag = |name: &str| tagged(name).is_some() || parse_tag_name(name).is_some();
        let key = match resolve_run(RunQuery { text: query, cwd }, &found, is_tag, |run| run.start.clone())? {
            ResolvedRun::Dir(dir) => return Ok(listed_dir(&found, &dir)),
            ResolvedRun::RunAt(run) | ResolvedRun::Run(run @ RunDir { key: None, .. }) => return Ok(run.dir.clone()),
            ResolvedRun::Run(RunDir { key: Some(key), .. }) => key.clone(),
            ResolvedRun::Tag(name) => tagged(&name).ok_or_else(|| run_not_found(query))?,
        };
        let of_name = found.into_iter().filter(|run| run.key.as_ref() == Some(&key)).collect();
        let run = self.distinct_runs(of_name).map_err(ResolveError::from)?.into_iter().next();
        run.map(|run| run.dir).ok_or_else(|| run_not_found(query))
    }

    /// The total size in bytes of the files in a run's directory.
    #[must_use]
    pub fn dir_size(dir: &Path) -> u64 {
        // What cannot be listed or looked at adds nothing.
        let files = std::fs::read_dir(dir).into_iter().flatten().flatten();
        files.filter_map(|file| file.metadata().ok()).filter(std::fs::Metadata::is_file).map(|meta| meta.len()).sum()
    }

    /// A path as messages and the dataset name it: relative to the root with `/` if it lies below it.
    #[must_use]
    pub fn relative_display(&self, path: &Path) -> String {
        path_below(&self.root, path).map_or_else(|| path.display().to_string(), |inside| to_slashes(&inside))
    }
}

/// The root of the project around a path, which is absolute, by the files alone: the nearest directory with `.dvc`,
/// else with `.git`. For what must work without git: the stage itself, in a copy of the project too, and the Python
/// module.
#[must_use]
pub fn find_root(path: &Path) -> Option<&Path> {
    let find_with = |name: &str| path.ancestors().find(|dir| dir.join(name).exists());
    // In this order: a `.dvc` further up wins over a nearer `.git`.
    find_with(".dvc").or_else(|| find_with(".git"))
}

/// The directory, relative to the top of the working tree, of the project that a command at `cwd` works on: the nearest
/// DVC project around it, else the only one, else the one that git's settings name (`capture-hook.root`), else the only
/// one with our stage. `None` if the repository holds no project; an error if there are several to choose from.
pub(super) fn find_in_repo(repo: &Repo, cwd: &Path) -> Result<Option<String>, ProjectError> {
    let top = repo.top()?.to_path_buf();
    // A working directory may be named through a link.
    let real = cwd.canonicalize().ok().filter(|real| !cwd.starts_with(&top) && real.starts_with(&top));
    let cwd = real.as_deref().unwrap_or(cwd);
    let dirs = list_project_dirs(repo, cwd)?;
    // All of them are on one path, so the longest name is the innermost project's.
    let around_cwd = dirs.iter().filter(|dir| cwd.starts_with(top.join(dir))).max_by_key(|dir| dir.len());
    let dir = match (around_cwd, dirs.as_slice()) {
        (Some(dir), _) | (None, [dir]) => dir.clone(),
        (None, []) => return Ok(None),
        (None, _) => match named_dir(repo)?.filter(|named| dirs.contains(named)) {
            Some(named) => named,
            None => {
                // Two at most are looked for: a second one is enough to make the choice unclear.
                let mut with_stage = dirs.iter().filter(|dir| names_the_stage(&top.join(dir)));
                match (with_stage.next(), with_stage.next()) {
                    (Some(only), None) => only.clone(),
                    _ => return Err(ProjectError::SeveralProjects { dirs }),
                }
            }
        },
    };
    Ok(Some(dir))
}

/// The file that makes a directory a DVC project.
pub(super) const DVC_CONFIG: &str = ".dvc/config";

/// Whether DVC would take this directory for a project. If it is not a file, the code that reads it reports that.
pub(crate) fn is_dvc_root(dir: &Path) -> bool {
    std::fs::symlink_metadata(dir.join(DVC_CONFIG)).is_ok_and(|meta| !meta.is_dir())
}

/// The directories of the repository's DVC projects, relative to its top, sorted: those that git tracks, whether they
/// are checked out or not, and those that are in the working tree at its top, around `cwd`, or in the directory that
/// git's settings name.
pub(super) fn list_project_dirs(repo: &Repo, cwd: &Path) -> Result<Vec<String>, ProjectError> {
    let top = repo.top()?;
    let tracked = repo.tracked_files_named(DVC_CONFIG)?;
    let tracked = tracked.iter().filter_map(|path| path.strip_suffix(DVC_CONFIG));
    let mut dirs: BTreeSet<String> = tracked.map(|dir| dir.trim_end_matches('/').to_owned()).collect();
    let around = cwd.ancestors().filter(|dir| is_dvc_root(dir)).filter_map(|dir| dir.strip_prefix(top).ok());
    dirs.extend(around.map(to_slashes));
    dirs.extend(named_dir(repo)?.filter(|dir| is_dvc_root(&top.join(dir))));
    if is_dvc_root(top) {
        dirs.insert(String::new());
    }
    // The names are from the repository, which others can write: none may lead out of it.
    dirs.retain(|dir| dir.is_empty() || is_safe_path(dir));
    Ok(dirs.into_iter().collect())
}

/// The project's directory that git's settings name.
fn named_dir(repo: &Repo) -> Result<Option<String>, ProjectError> {
    let named = repo.config_value(ROOT_SETTING)?.map(|dir| dir.trim_end_matches('/').to_owned());
    Ok(named.filter(|dir| is_safe_path(dir)))
}

/// A directory as what stands before the names of its files: empty, or with a slash at its end.
pub(super) fn prefix_of(dir: &str) -> String {
    if dir.is_empty() { String::new() } else { format!("{dir}/") }
}

fn names_the_stage(dir: &Path) -> bool {
    // Searched as text, so a file that does not parse counts too. One that cannot be read names no stage.
    let bytes = RootDir::new(dir).read(crate::dvc::stage::FILE, limits::TEXT).ok().flatten().unwrap_or_default();
    String::from_utf8_lossy(&bytes).contains(crate::dataset::stage::STAGE)
}

fn run_not_found(query: &str) -> ProjectError {
    ResolveError::NotFound { query: query.into(), near: Vec::new() }.into()
}

/// A directory by the name that it is listed under, if it is; a link to a listed run is that run.
fn listed_dir(found: &[RunDir], dir: &Path) -> PathBuf {
    let dir = normalize_path(dir);
    if found.iter().any(|run| run.dir == dir) {
        return dir;
    }
    let Ok(real) = dir.canonicalize() else { return dir };
    let listed = found.iter().find(|run| run.dir.canonicalize().is_ok_and(|other| other == real));
    listed.map_or(dir, |run| run.dir.clone())
}
