//! Runs' directories that paths name, with no project around them: a copy, an archive's run, those of an export. What
//! their files say is all that is known of them.

use std::fs::{read_dir, symlink_metadata};
use std::path::{Path, PathBuf};

use crate::app::App;
use crate::dataset::location::RunLocation;
use crate::error::{Error, ExitKind};
use crate::git::GitError;
use crate::history::summary::{RunSummary, SummaryDepth, summarize_run};
use crate::project::dir::ProjectDir;
use crate::project::{Project, ProjectError};
use crate::run::RunKey;
use crate::run::discover::{RunDir, is_run_dir, runs_below};
use crate::run::layout::DATASET_INDEX;
use crate::run::resolve::ResolveError;
use crate::support::process::shell_quote;

/// Where the runs are that the user named.
pub enum FoundRuns<T> {
    /// In the project around the working directory.
    InProject(Box<Project>),
    /// Directories by their paths.
    Lone(T),
}

/// Such a directory.
pub struct LoneRun {
    /// The run's name, as its files say it.
    pub name: String,
    /// The same, if it can be used.
    key: Option<RunKey>,
    location: RunLocation,
    project_dir: ProjectDir,
}

/// The project around the working directory; without one, the run's directory that the path names.
pub fn find_named_run(app: &App, path: Option<&str>) -> Result<FoundRuns<LoneRun>, Error> {
    let error = match open_project(app)? {
        Ok(project) => return Ok(FoundRuns::InProject(Box::new(project))),
        Err(error) => error,
    };
    let Some(path) = path else { return Err(error) };
    let mut dirs = list_run_dirs(app, path)?;
    if dirs.len() > 1 {
        return Err(ResolveError::of_runs_elsewhere(path, &dirs).into());
    }
    match dirs.pop() {
        Some(dir) => Ok(FoundRuns::Lone(LoneRun::new(app, dir)?)),
        None => Err(error),
    }
}

/// The project around the working directory; the runs' directories that the paths name without a project, or if all of
/// them lie outside of it. A path can name an export or any directory of runs, too.
pub fn find_named_runs(app: &App, paths: &[String]) -> Result<FoundRuns<Vec<LoneRun>>, Error> {
    let (project, error) = match open_project(app)? {
        Ok(project) => (Some(project), None),
        Err(error) => (None, Some(error)),
    };
    let is_outside = |path: &String| {
        let dir = app.cwd.join(path);
        let root = project.as_ref().map(|project| project.root.canonicalize());
        // A directory that cannot be resolved is left to the project, which says what is wrong.
        dir.is_dir()
            && root.is_none_or(|root| root.is_ok_and(|root| dir.canonicalize().is_ok_and(|dir| !dir.starts_with(root))))
    };
    let mut runs = Vec::new();
    if !paths.is_empty() && paths.iter().all(is_outside) {
        for path in paths {
            let found = list_run_dirs(app, path)?;
            if found.is_empty() {
                let message = format!("{} holds no run", path.escape_debug());
                return Err(Error::new(ExitKind::Setup, "no_such_run", message)
                    .hint("name the directory of a run, which holds run.json, or a directory of such directories"));
            }
            for dir in found {
                runs.push(LoneRun::new(app, dir)?);
            }
        }
    }
    match (project, error) {
        _ if !runs.is_empty() => Ok(FoundRuns::Lone(runs)),
        (Some(project), _) => Ok(FoundRuns::InProject(Box::new(project))),
        (None, Some(error)) => Err(error),
        (None, None) => Ok(FoundRuns::Lone(runs)),
    }
}

/// The project around the working directory; without one, the inner error.
fn open_project(app: &App) -> Result<Result<Project, Error>, Error> {
    match Project::open(&app.cwd, &app.env) {
        Ok(project) => Ok(Ok(project)),
        Err(error @ (ProjectError::Git(GitError::NotARepository { .. }) | ProjectError::NoDvcProject { .. })) => {
            Ok(Err(error.into()))
        }
        Err(error) => Err(error.into()),
    }
}

/// The run's directory that a path names, or those in that directory; none if it is no such directory.
fn list_run_dirs(app: &App, path: &str) -> Result<Vec<RunDir>, Error> {
    let dir = app.cwd.join(path);
    if is_run_dir(&dir) {
        return Ok(vec![RunDir::read(&dir)]);
    }
    let found = runs_below(&dir)?;
    found.left_out.iter().for_each(|left_out| app.ui.warn(&left_out.to_string()));
    Ok(found.runs)
}

impl LoneRun {
    fn new(app: &App, run: RunDir) -> Result<Self, Error> {
        let name = run.name();
        // With parquet beside them, the rows need not be read again. A link can lead anywhere; recorded runs have none.
        let location = if run.dir.join(DATASET_INDEX).is_file() && !holds_link(&run.dir) {
            RunLocation::Dataset(run.dir)
        } else {
            RunLocation::Recorded(run.dir)
        };
        Ok(Self { name, key: run.key, location, project_dir: ProjectDir::find(&app.cwd)? })
    }

    /// Its directory.
    pub fn dir(&self) -> &Path {
        self.location.dir().unwrap_or(&self.project_dir.root)
    }

    /// Its facts.
    pub fn summarize(&self, app: &App, depth: SummaryDepth) -> Result<RunSummary, Error> {
        let bar = app.ui.progress("reading the run", None);
        Ok(summarize_run(&self.project_dir, &self.location, depth, &bar)?)
    }

    /// The run and where its files are; an error if its name cannot be used.
    pub fn named(&self) -> Result<(RunKey, &RunLocation), Error> {
        match &self.key {
            Some(key) => Ok((key.clone(), &self.location)),
            None => {
                let message = format!("{}: the name of its run cannot be used", self.dir().display());
                Err(Error::new(ExitKind::Usage, "unsafe_run_id", message)
                    .hint(format!("see what is wrong with it: `capture-hook validate {}`", shell_quote(self.dir()))))
            }
        }
    }
}

fn holds_link(dir: &Path) -> bool {
    let entries = read_dir(dir).into_iter().flatten().flatten();
    let mut paths = entries.map(|entry| entry.path());
    paths.any(|path: PathBuf| symlink_metadata(path).is_ok_and(|facts| facts.is_symlink()))
}
