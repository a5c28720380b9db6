//! Selects a run in `params.yaml` (or the params file that `dvc.yaml` names): one value changes, and no other byte.

use std::path::{Path, PathBuf};

use crate::dataset::stage::{PARAMS_YAML, is_selection};
use crate::dvc::stage::PARAMS_FILE;
use crate::error::ExitKind::Usage;
use crate::error::{Explain, Explanation};
use crate::formats::ParamsError;
use crate::formats::edit::{ParamLeaf, set_param};
use crate::project::ProjectError;
use crate::project::dir::ProjectDir;
use crate::run::discover::RunDir;
use crate::support::beneath::RootDir;
use crate::support::fs::FsError;
use crate::support::path::{normalize_path, path_below};
use crate::support::{limits, parallel};

/// What stands for no run, as in `params.yaml` of a new repository.
pub const NO_SELECTION: &str = "results/<experiment>/<run_id>";

/// What a selection changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelectionChange {
    /// The params file, relative to the root.
    pub file: String,
    /// The value before.
    pub old: Option<String>,
    /// The value now: the run's directory, relative to the root, with `/`.
    pub new: String,
    /// Whether the file was written.
    pub changed: bool,
}

/// A run that cannot be selected.
#[derive(Debug, thiserror::Error)]
pub enum SelectError {
    /// It lies elsewhere.
    #[error("{run} is outside the project {root}")]
    Outside {
        /// The run's directory.
        run: String,
        /// The project's.
        root: String,
    },
    /// Its path cannot be written into a file.
    #[error("the path {0} is not UTF-8")]
    NotText(String),
    /// Its path would read as no selection.
    #[error("the path {} looks like a placeholder, so a params file that names it selects no run", .0.escape_debug())]
    Placeholder(String),
    /// The project.
    #[error(transparent)]
    Project(#[from] ProjectError),
    /// The params file.
    #[error(transparent)]
    Params(#[from] ParamsError),
    /// Input or output.
    #[error(transparent)]
    Fs(#[from] FsError),
}

impl Explain for SelectError {
    fn explain(&self) -> Explanation {
        match self {
            Self::Outside { .. } => {
                Usage.code("run_outside_project").hint("copy the run's directory to results/ first")
            }
            Self::NotText(_) => Usage.code("path_not_utf8").hint("rename the run's directory"),
            Self::Placeholder(_) => {
                Usage.code("path_is_placeholder").hint("rename the run's directory to a name without `<…>`")
            }
            Self::Project(error) => error.explain(),
            Self::Params(error @ ParamsError::Invalid { .. }) => {
                error.explain().hint("set ingest_capture.run_dir there by hand; nothing was changed")
            }
            Self::Params(error) => error.explain(),
            Self::Fs(error) => error.explain(),
        }
    }
}

/// Where the project's directories really lie: resolved once for all runs.
struct RealDirs<'a> {
    project_dir: &'a ProjectDir,
    root: Option<PathBuf>,
    /// The results directory relative to the root by its name, and where it really lies. It may be a link to a larger disk:
    /// below it a run is named by it.
    results: Option<(PathBuf, PathBuf)>,
}

impl<'a> RealDirs<'a> {
    fn resolve(project_dir: &'a ProjectDir) -> Self {
        // A directory that cannot be resolved contains nothing.
        let results_dir = project_dir.results_dir();
        let results = path_below(&project_dir.root, &normalize_path(&results_dir)).zip(results_dir.canonicalize().ok());
        Self { project_dir, root: project_dir.root.canonicalize().ok(), results }
    }

    fn run_dir(&self, run: &Path) -> Result<String, SelectError> {
        let root = &self.project_dir.root;
        let named_path = path_below(root, run);
        let real_path = self.real_path(run).filter(|real_path| {
            // Behind a link the run may have another name: then the link is what is selected.
            named_path.as_ref() == Some(real_path) || RunDir::read(&root.join(real_path)).key == RunDir::read(run).key
        });
        let Some(path) = real_path.or(named_path) else {
            return Err(SelectError::Outside { run: run.display().to_string(), root: root.display().to_string() });
        };
        let parts: Option<Vec<&str>> = path.components().map(|part| part.as_os_str().to_str()).collect();
        let path = parts.ok_or_else(|| SelectError::NotText(run.display().to_string()))?.join("/");
        if is_selection(&path) { Ok(path) } else { Err(SelectError::Placeholder(path)) }
    }

    /// Where a run's directory really lies, relative to the root; `None` if that is outside.
    fn real_path(&self, run: &Path) -> Option<PathBuf> {
        // A directory that cannot be resolved keeps the path by which the user named it.
        let real = run.canonicalize().ok()?;
        let in_results = self.results.as_ref().and_then(|(name, dir)| Some(name.join(path_below(dir, &real)?)));
        in_results.or_else(|| path_below(self.root.as_ref()?, &real))
    }
}

impl ProjectDir {
    /// A run's directory as the params file names it: relative to the root with `/`, by the directory itself and not by
    /// a link to it. An error if no params file can name it.
    pub fn run_dir(&self, run: &Path) -> Result<String, SelectError> {
        RealDirs::resolve(self).run_dir(run)
    }

    /// The same of many runs, in their order.
    pub fn run_dirs(&self, runs: &[&PathBuf]) -> Vec<Result<String, SelectError>> {
        let dirs = RealDirs::resolve(self);
        parallel::map(runs, |run| dirs.run_dir(run))
    }

    /// Points the params file at a run's directory (absolute, without `..`). The file is written whole, at once.
    pub fn select_run(&self, run: &Path) -> Result<SelectionChange, SelectError> {
        let new = self.run_dir(run)?;
        self.write_selection(new)
    }

    /// Selects no run: the params file gets the placeholder of a new one.
    pub fn clear_selection(&self) -> Result<SelectionChange, SelectError> {
        self.write_selection(NO_SELECTION.to_owned())
    }

    fn write_selection(&self, new: String) -> Result<SelectionChange, SelectError> {
        let file = self.params_file()?;
        let files = RootDir::new(&self.root);
        let existing = files.read(&file, limits::TEXT)?;
        let missing = existing.is_none();
        let bytes = match existing {
            Some(bytes) => bytes,
            // A new file explains itself.
            None if file == PARAMS_FILE => self.empty_params(&file, PARAMS_YAML.as_bytes().to_vec())?,
            None => self.empty_params(&file, Vec::new())?,
        };
        let leaf = ParamLeaf { file: &file, section: "ingest_capture", key: "run_dir" };
        let edited = set_param(leaf, &bytes, &new)?;
        // A file that does not exist is written even if the text needs no change.
        let changed = missing || edited.bytes != bytes;
        if changed {
            files.write_atomic(&file, &edited.bytes)?;
        }
        Ok(SelectionChange { file, old: edited.old.filter(|_| !missing), new, changed })
    }
}
