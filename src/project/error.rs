//! The errors of a project as a whole.

use std::path::PathBuf;

use crate::columnar::ColumnarError;
use crate::dataset::stage::{RUN_DIR, StageError};
use crate::dvc::cache::CacheError;
use crate::dvc::lockfile::LockfileError;
use crate::dvc::settings::SettingsError;
use crate::error::ExitKind::{CheckFailed, Setup, Usage};
use crate::error::{Explain, Explanation};
use crate::formats::ParamsError;
use crate::git::GitError;
use crate::project::config::ConfigError;
use crate::project::pins::PinError;
use crate::run::dataset_dir::MisplacedDataset;
use crate::run::resolve::ResolveError;
use crate::support::fs::FsError;
use crate::support::process::shell_quote;
use crate::validate::{OptionsError, ScanError};

/// A failure of project work.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    /// A git repository without DVC.
    #[error("there is no DVC project in {}", dir.display())]
    NoDvcProject {
        /// The repository's top.
        dir: PathBuf,
    },
    /// A DVC project that git tracks and that is not in the working tree.
    #[error("the DVC project of the working tree {} is not checked out: git tracks {file}, but it is missing", top.display())]
    NotCheckedOut {
        /// The project's settings, relative to the top of the working tree.
        file: String,
        /// The top.
        top: PathBuf,
        /// The command that checks it out.
        command: String,
        /// Whether the environment names git's directory and not the working tree, which is then the current directory.
        adrift: bool,
    },
    /// Several DVC projects, none of which the command is in.
    #[error("there are several DVC projects in this repository: {}", join_dirs(dirs))]
    SeveralProjects {
        /// Relative to the top of the working tree.
        dirs: Vec<String>,
    },
    /// A record of erased runs that only a newer program can read.
    #[error("a newer capture-hook wrote {path}, which says what data must not be sent")]
    NewerErasure {
        /// Relative to the project's root.
        path: String,
    },
    /// Another default remote than the one that is to be set up.
    #[error("the DVC remote is `{name}` already, at {address}")]
    OtherRemote {
        /// Its name.
        name: String,
        /// Its address, without a password.
        address: String,
        /// What gives it the other one.
        command: String,
    },
    /// A DVC project without our stage.
    #[error("dvc.yaml has no stage `capture_ingest`")]
    NoStage,
    /// A dataset that would be recorded without some of its files.
    #[error("{out_dir} is incomplete, and would be recorded so: {file} is missing")]
    IncompleteDataset {
        /// The dataset's directory, relative to the project.
        out_dir: String,
        /// What is missing.
        file: String,
    },
    /// A merge that is not resolved, in a file that decides.
    #[error("{file}:{line}: unresolved merge conflict")]
    Conflict {
        /// Relative to the top of the working tree.
        file: String,
        /// From 1.
        line: usize,
    },
    /// A conflict that git made because it does not know the merge drivers here.
    #[error("{conflict}")]
    NoDrivers {
        /// The conflict.
        conflict: Box<ProjectError>,
        /// What ends the operation that made it: `git merge --abort`.
        abort: &'static str,
    },
    /// A parameter that is no path.
    #[error("{file}: {key} is {found}, not a path")]
    NotAPath {
        /// The parameters' file.
        file: String,
        /// Which parameter.
        key: &'static str,
        /// What it is.
        found: String,
    },
    /// No run is selected.
    #[error("no run is selected: {RUN_DIR} in {file} names no run")]
    NothingSelected {
        /// The parameters' file.
        file: String,
    },
    /// A run that is known, and whose data is not in this clone.
    #[error("the data of {run} is not in this clone")]
    RunNotHere {
        /// The run.
        run: String,
    },
    /// A run whose data was erased for good.
    #[error("the data of {run} was erased on purpose: {why}")]
    RunErased {
        /// The run.
        run: String,
        /// The reason, and where it is written down.
        why: String,
    },
    /// A file that is there, and that nothing can be added to without changing it.
    #[error("cannot add to {file}: {message}")]
    CannotAdd {
        /// Relative to the project.
        file: String,
        /// Why not.
        message: String,
    },
    /// Git.
    #[error(transparent)]
    Git(#[from] GitError),
    /// `capture-hook.toml`.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A schema that `capture-hook.toml` pins.
    #[error(transparent)]
    Pin(#[from] PinError),
    /// DVC's settings.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// `dvc.yaml`, or what it takes from the parameters.
    #[error(transparent)]
    Stage(#[from] StageError),
    /// The parameters.
    #[error(transparent)]
    Params(#[from] ParamsError),
    /// `dvc.lock`.
    #[error(transparent)]
    Lockfile(#[from] LockfileError),
    /// DVC's cache.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// The `[validate]` settings.
    #[error(transparent)]
    Validate(#[from] OptionsError),
    /// The run that the user names.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// A dataset in a directory that cannot hold one.
    #[error(transparent)]
    Misplaced(#[from] MisplacedDataset),
    /// A run that could not be scanned.
    #[error(transparent)]
    Scan(#[from] ScanError),
    /// A run's parquet.
    #[error(transparent)]
    Columnar(#[from] ColumnarError),
    /// A file.
    #[error(transparent)]
    Fs(#[from] FsError),
}

fn join_dirs(dirs: &[String]) -> String {
    let names: Vec<&str> = dirs.iter().map(|dir| if dir.is_empty() { "." } else { dir }).collect();
    names.join(", ")
}

impl Explain for ProjectError {
    fn explain(&self) -> Explanation {
        match self {
            Self::NoDvcProject { .. } => Setup.code("no_dvc_project").hint("set it up: `capture-hook init`"),
            Self::NoStage => Setup.code("no_stage").hint("set it up: `capture-hook init`"),
            Self::NotCheckedOut { adrift: true, .. } => Setup.code("project_not_checked_out").hint(
                "with GIT_DIR alone, git takes this directory as the working tree: unset it, or set GIT_WORK_TREE too",
            ),
            Self::NotCheckedOut { command, .. } => {
                Setup.code("project_not_checked_out").hint(format!("run `{command}`"))
            }
            Self::SeveralProjects { dirs } => {
                let dir = dirs.iter().find(|dir| !dir.is_empty()).map(shell_quote).unwrap_or_default();
                Setup.code("several_projects").hint(format!(
                    "run the command in the directory of one of them, or name it: `capture-hook -C {dir} …`"
                ))
            }
            Self::NewerErasure { .. } => Setup.code("program_too_old").hint("install a newer capture-hook"),
            Self::OtherRemote { command, .. } => Usage
                .code("remote_set")
                .hint(format!("change it: `{command}`; then send all data there: `capture-hook push --all`")),
            Self::IncompleteDataset { .. } => CheckFailed.code("runs_not_here").hint("run `capture-hook pull`"),
            Self::Conflict { file, .. } => {
                Setup.code("merge_conflict").hint(format!("resolve it, then `git add {}`", shell_quote(file)))
            }
            Self::NoDrivers { conflict, abort } => {
                let hint = format!(
                    "this clone has no merge drivers: run `{abort} && capture-hook install`, then \
                     repeat the command"
                );
                Explanation { hints: vec![hint], ..conflict.explain() }
            }
            Self::NotAPath { .. } => {
                Setup.code("invalid_params").hint("put it in quotes, or let `capture-hook select RUN` write it")
            }
            Self::NothingSelected { .. } => Setup
                .code("no_run_selected")
                .hint("select a run: `capture-hook select RUN` (`capture-hook runs` lists them)")
                .hint("or name one: `capture-hook ingest RUN`"),
            Self::RunNotHere { run } => {
                Setup.code("run_not_here").hint(format!("run `capture-hook pull {}`", shell_quote(run)))
            }
            Self::RunErased { run, .. } => CheckFailed
                .code("erased")
                .hint(format!("see what is still known of it: `capture-hook show {}`", shell_quote(run))),
            Self::CannotAdd { .. } => Setup
                .code("cannot_add")
                .hint("add it by hand; to see how it must look, run `capture-hook init` in an empty repository"),
            Self::Git(error) => error.explain(),
            Self::Config(error) => error.explain(),
            Self::Pin(error) => error.explain(),
            Self::Settings(error) => error.explain(),
            Self::Stage(error) => error.explain(),
            Self::Params(error) => error.explain(),
            Self::Lockfile(error) => error.explain(),
            Self::Cache(error) => error.explain(),
            Self::Validate(error) => error.explain(),
            Self::Resolve(error) => error.explain(),
            Self::Misplaced(error) => error.explain(),
            Self::Scan(error) => error.explain(),
            Self::Columnar(error) => error.explain(),
            Self::Fs(error) => error.explain(),
        }
    }
}
