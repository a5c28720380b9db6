//! Why an export fails.

use std::path::PathBuf;

use crate::columnar::ColumnarError;
use crate::dataset::get::GetError;
use crate::dvc::remote::fetch::FetchError;
use crate::error::ExitKind::{CheckFailed, Io, Setup, Usage};
use crate::error::{Explain, Explanation};
use crate::git::GitError;
use crate::history::committed::CommittedRunError;
use crate::project::ProjectError;
use crate::run::RunKey;
use crate::support::fs::FsError;
use crate::support::process::shell_quote;

/// A failure of an export.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The destination is taken.
    #[error("{} already exists", path.display())]
    DestinationTaken {
        /// The destination.
        path: PathBuf,
    },
    /// The destination is nothing that an export replaces.
    #[error("{} already exists and is not an export: it is not replaced", path.display())]
    NotReplaced {
        /// The destination.
        path: PathBuf,
    },
    /// The destination is where git, DVC or we look for something else.
    #[error("{} is inside {what}", path.display())]
    Misplaced {
        /// The destination.
        path: PathBuf,
        /// Where it is.
        what: &'static str,
    },
    /// An experiment has the name of a file of the export.
    #[error("the experiment {} has the name of a file or folder that every export has", experiment.escape_debug())]
    NameTaken {
        /// The experiment.
        experiment: String,
    },
    /// No run was asked for that exists.
    #[error("{what}")]
    NoRuns {
        /// What was looked for.
        what: String,
    },
    /// A run was named twice, with other data each time.
    #[error("{run} is asked for twice, of two data versions")]
    TwoVersions {
        /// The run.
        run: RunKey,
    },
    /// A file to leave out that no run has.
    #[error("no run of this export has a file {}", name.escape_debug())]
    NoSuchFile {
        /// Its name.
        name: String,
    },
    /// A fact that the export states is contradicted by another file of the run.
    #[error("{run} contradicts itself: {why}")]
    Contradiction {
        /// The run.
        run: RunKey,
        /// What is not so.
        why: String,
    },
    /// A file that says what the run is cannot be read.
    #[error("cannot read {file} of {run}: {why}")]
    Unreadable {
        /// The run.
        run: RunKey,
        /// The file.
        file: String,
        /// Why not.
        why: String,
    },
    /// A file name in the data version that is not written anywhere.
    #[error("{run} has a file that is not written: {why}")]
    Refused {
        /// The run.
        run: RunKey,
        /// The file and why.
        why: String,
    },
    /// No commit of this clone is known to have introduced the run.
    #[error("this clone does not know which commit introduced {run}")]
    NoOrigin {
        /// The run.
        run: RunKey,
    },
    /// An object of the cache is damaged.
    #[error("{file} is damaged in DVC's cache: its MD5 is {found}, the committed one is {expected} ({})", object.display())]
    Damaged {
        /// The file, relative to the dataset.
        file: String,
        /// The object.
        object: PathBuf,
        /// What its bytes have.
        found: String,
        /// What its name says.
        expected: String,
    },
    /// A zip file cannot be written.
    #[error("cannot write {}", path.display())]
    Zip {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The data is not here and cannot be fetched.
    #[error(transparent)]
    Get(#[from] GetError),
    /// A file list cannot be fetched.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// Parquet.
    #[error(transparent)]
    Columnar(#[from] ColumnarError),
    /// Which run is meant.
    #[error(transparent)]
    Committed(#[from] CommittedRunError),
    /// The project.
    #[error(transparent)]
    Project(#[from] ProjectError),
    /// Git.
    #[error(transparent)]
    Git(#[from] GitError),
    /// A file.
    #[error(transparent)]
    Fs(#[from] FsError),
}

impl Explain for ExportError {
    fn explain(&self) -> Explanation {
        match self {
            Self::DestinationTaken { .. } => {
                Usage.code("destination_taken").hint("name another one with `-o DIR`, or replace it with `--force`")
            }
            Self::NotReplaced { .. } => {
                Usage.code("destination_taken").hint("name another one with `-o DIR`, or remove it yourself")
            }
            Self::Misplaced { .. } => Usage.code("destination_misplaced").hint("name a directory elsewhere with `-o DIR`"),
            Self::NameTaken { .. } => Usage
                .code("export_name_taken")
                .hint("export its runs by `capture-hook get`, or record them under another experiment"),
            Self::NoRuns { .. } => Setup.code("no_such_run").hint("see the runs: `capture-hook runs`"),
            Self::TwoVersions { .. } => {
                Usage.code("several_versions").hint("an export holds a run once: export each version by itself")
            }
            Self::NoSuchFile { .. } => Setup.code("no_such_file").hint("see a run's files: `capture-hook show RUN`"),
            Self::Contradiction { run, .. } => CheckFailed
                .code("run_contradicts_itself")
                .hint(format!("see what is wrong: `capture-hook verify {}`", shell_quote(run.to_string()))),
            Self::Unreadable { run, .. } => CheckFailed
                .code("run_unreadable")
                .hint(format!("see what is wrong: `capture-hook verify {}`", shell_quote(run.to_string()))),
            Self::Refused { .. } => {
                CheckFailed.code("data_damaged").hint("ask who committed it: such a name could lead out of the export")
            }
            Self::NoOrigin { .. } => {
                Setup.code("no_such_commit").hint("fetch the commits and tags of the repository: `git fetch --tags`, and with `--unshallow` in a shallow clone")
            }
            Self::Damaged { object, .. } => CheckFailed.code("data_damaged").hint(format!(
                "remove the damaged object, then export again, which fetches it: `rm -f {}`",
                shell_quote(object)
            )),
            Self::Zip { .. } => Io.code("io"),
            Self::Get(error) => error.explain(),
            Self::Fetch(error) => error.explain(),
            Self::Columnar(error) => error.explain(),
            Self::Committed(error) => error.explain(),
            Self::Project(error) => error.explain(),
            Self::Git(error) => error.explain(),
            Self::Fs(error) => error.explain(),
        }
    }
}
