//! Points `params.yaml` (or the params file that `dvc.yaml` names) at a run: one value changes, and not one other byte.

use std::path::{Component, Path};

use super::setup::PARAMS_YAML;
use super::workspace::{Workspace, WorkspaceError};
use crate::dvc::stage::PARAMS_FILE;
use crate::error::{Explain, Kind};
use crate::params::ParamsError;
use crate::params::edit::{Leaf, set};
use crate::support::fs::{self, At, FsError};

/// What a selection changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pointed {
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
    #[error("{run} lies outside the project {root}")]
    Outside {
        /// The run's directory.
        run: String,
        /// The project's.
        root: String,
    },
    /// Its path cannot be written into a file.
    #[error("the path {0} is not UTF-8")]
    NotText(String),
    /// The params file leads out of the project.
    #[error("{0} is a link that leads out of the project")]
    LinkOutside(String),
    /// Where the project is not as it should be.
    #[error(transparent)]
    Workspace(#[from] WorkspaceError),
    /// The params file.
    #[error(transparent)]
    Params(#[from] ParamsError),
    /// Input or output.
    #[error(transparent)]
    Fs(#[from] FsError),
}

impl Explain for SelectError {
    fn kind(&self) -> Kind {
        match self {
            Self::Outside { .. } | Self::NotText(_) => Kind::Usage,
            Self::LinkOutside(_) => Kind::Setup,
            Self::Workspace(error) => error.kind(),
            Self::Params(error) => error.kind(),
            Self::Fs(error) => error.kind(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Outside { .. } => "run_outside_project",
            Self::NotText(_) => "path_not_utf8",
            Self::LinkOutside(_) => "link_outside_project",
            Self::Workspace(error) => error.code(),
            Self::Params(error) => error.code(),
            Self::Fs(error) => error.code(),
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Outside { .. } => vec!["copy the run's directory below results/ first".into()],
            Self::NotText(_) | Self::LinkOutside(_) => Vec::new(),
            Self::Workspace(error) => error.hints(),
            Self::Params(error) => {
                let mut hints = error.hints();
                if matches!(error, ParamsError::NotRead { .. }) {
                    hints.push("nothing was changed; set ingest_capture.run_dir there by hand".into());
                }
                hints
            }
            Self::Fs(error) => error.hints(),
        }
    }
}

/// A run's directory as the params file names it: relative to the root, with `/`.
pub fn written(root: &Path, run: &Path) -> Result<String, SelectError> {
    let inside = run.strip_prefix(root).ok().filter(|rest| rest.components().next().is_some());
    let Some(inside) = inside else {
        return Err(SelectError::Outside { run: run.display().to_string(), root: root.display().to_string() });
    };
    let mut parts = Vec::new();
    for part in inside.components() {
        match part {
            Component::Normal(name) => {
                parts.push(name.to_str().ok_or_else(|| SelectError::NotText(run.display().to_string()))?);
            }
            _ => return Err(SelectError::Outside { run: run.display().to_string(), root: root.display().to_string() }),
        }
    }
    Ok(parts.join("/"))
}

impl Workspace {
    /// Points the params file at a run's directory (absolute, without `..`). The file is written whole, at once.
    pub fn select(&self, run: &Path) -> Result<Pointed, SelectError> {
        let new = written(&self.root, run)?;
        let file = self.params_file()?;
        let mut path = self.root.join(&file);
        if std::fs::symlink_metadata(&path).is_ok_and(|meta| meta.is_symlink()) {
            // The file that is meant changes, the link stays.
            let real = std::fs::canonicalize(&path).at("follow", &path)?;
            let root = std::fs::canonicalize(&self.root).at("follow", &self.root)?;
            if !real.starts_with(root) {
                return Err(SelectError::LinkOutside(file));
            }
            path = real;
        }
        let there = fs::read_optional(&path)?;
        let missing = there.is_none();
        let bytes = there.unwrap_or_else(|| {
            // A new file explains itself.
            if file == PARAMS_FILE { PARAMS_YAML.as_bytes().to_vec() } else { Vec::new() }
        });
        let leaf = Leaf { file: &file, section: "ingest_capture", key: "run_dir" };
        let edited = set(leaf, &bytes, &new)?;
        let changed = missing || edited.bytes != bytes;
        if changed {
            fs::write_atomic(&path, &edited.bytes)?;
        }
        Ok(Pointed { file, old: edited.old.filter(|_| !missing), new, changed })
    }
}
