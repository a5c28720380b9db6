//! A run's directory that a path names, with no project around it: a copy, an archive's run, one in an export. What
//! its files say is all that is known of it.

use std::path::Path;

use crate::app::App;
use crate::dataset::location::RunLocation;
use crate::error::Error;
use crate::git::GitError;
use crate::history::summary::{RunSummary, SummaryDepth, summarize_run};
use crate::project::dir::ProjectDir;
use crate::project::{Project, ProjectError};
use crate::run::discover::{RunDir, is_run_dir};
use crate::run::layout::DATASET_INDEX;

/// Where to look for what the user named.
pub enum RunSource {
    /// The project around the working directory.
    Project(Project),
    /// A directory by its path.
    Lone(LoneRun),
}

/// Such a directory.
pub struct LoneRun {
    /// The run's name, as its files say it.
    pub name: String,
    location: RunLocation,
    project_dir: ProjectDir,
}

impl RunSource {
    /// The project around the working directory; without one, the directory that the path names.
    pub fn find(app: &App, query: Option<&str>) -> Result<Self, Error> {
        match Project::open(&app.cwd, &app.env) {
            Ok(project) => Ok(Self::Project(project)),
            Err(error @ (ProjectError::Git(GitError::NotARepository { .. }) | ProjectError::NoDvcProject { .. })) => {
                let dir = query.map(|query| app.cwd.join(query)).filter(|dir| is_run_dir(dir));
                let Some(dir) = dir else { return Err(error.into()) };
                let run = RunDir::read(&dir);
                let name = run.name();
                // With parquet beside it, the rows need not be read again.
                let location = if dir.join(DATASET_INDEX).is_file() {
                    RunLocation::Dataset(dir)
                } else {
                    RunLocation::Recorded(dir)
                };
                Ok(Self::Lone(LoneRun { name, location, project_dir: ProjectDir::find(&app.cwd)? }))
            }
            Err(error) => Err(error.into()),
        }
    }
}

impl LoneRun {
    /// Its directory.
    pub fn dir(&self) -> &Path {
        self.location.dir().unwrap_or(&self.project_dir.root)
    }

    /// Its facts.
    pub fn summarize(&self, app: &App, depth: SummaryDepth) -> Result<RunSummary, Error> {
        let bar = app.ui.progress("reading the run", None);
        Ok(summarize_run(&self.project_dir, &self.location, depth, &bar)?)
    }
}
