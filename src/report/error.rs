//! Why a report cannot be made or checked.

use std::path::PathBuf;

use crate::error::ExitKind::{CheckFailed, Setup, Usage};
use crate::error::{Explain, Explanation};
use crate::git::GitError;
use crate::history::committed::CommittedRunError;
use crate::project::ProjectError;
use crate::run::RunKey;
use crate::run::resolve::ResolveError;
use crate::support::fs::FsError;
use crate::support::process::shell_quote;
use crate::support::text::format_plural;

/// A failure of a report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The repository has no commit.
    #[error("there is no commit yet: a report shows the runs of commits")]
    NoCommit,
    /// The history holds no such run.
    #[error("{what}")]
    NoRuns {
        /// What was looked for.
        what: String,
        /// What to type.
        hint: String,
    },
    /// This clone does not know which runs the history holds.
    #[error("this clone does not know the runs of the history: it lacks the list of files of {}", format_plural(*count as u64, "data version"))]
    ListsMissing {
        /// Of how many data versions.
        count: usize,
    },
    /// A tag names a commit that the history does not hold.
    #[error("the tag {} names a commit that is not in the history of `{}`", tag.escape_debug(), rev.escape_debug())]
    TagElsewhere {
        /// The tag.
        tag: String,
        /// The revision.
        rev: String,
    },
    /// A run was named twice, with other data each time.
    #[error("{run} is asked for twice, of two data versions")]
    TwoVersions {
        /// The run.
        run: RunKey,
    },
    /// A run's directory is not in the project.
    #[error("{} is not in this project", dir.display())]
    Outside {
        /// The directory.
        dir: PathBuf,
    },
    /// The file to write is none of ours.
    #[error("{} exists and is not a report of capture-hook: it is not replaced", path.display())]
    DestinationTaken {
        /// The file.
        path: PathBuf,
    },
    /// There is no file to check.
    #[error("there is no report {}", path.display())]
    NotThere {
        /// The file.
        path: PathBuf,
    },
    /// The file to check is none of ours.
    #[error("{} is not a report of capture-hook: {why}", path.display())]
    NotAReport {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The file to check shows directories that belong to no project.
    #[error("{} shows directories of no project: it is unknown whether they are as they were", path.display())]
    OfDirectories {
        /// The file.
        path: PathBuf,
    },
    /// The file is not what would be made now.
    #[error("{} is outdated: {}", path.display(), differences.join("; "))]
    Outdated {
        /// The file.
        path: PathBuf,
        /// What is new or differs.
        differences: Vec<String>,
        /// What makes it again.
        command: String,
    },
    /// What is missing in this clone keeps from knowing whether the file is current.
    #[error("cannot tell whether {} is current: {why}", path.display())]
    Unknown {
        /// The file.
        path: PathBuf,
        /// What is missing.
        why: String,
        /// What gets it.
        command: String,
    },
    /// Which run is meant.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// Which commit is meant.
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

impl Explain for ReportError {
    fn explain(&self) -> Explanation {
        match self {
            Self::NoCommit => Setup.code("no_data_version").hint("commit a run first: `capture-hook publish RUN`"),
            Self::NoRuns { hint, .. } => Setup.code("no_such_run").hint(hint.clone()),
            Self::ListsMissing { .. } => Setup.code("data_not_here").hint("fetch the data: `capture-hook pull`"),
            Self::TagElsewhere { tag, .. } => Setup
                .code("no_such_revision")
                .hint(format!("name the revision, too: `capture-hook report --rev {0} {0}`", shell_quote(tag))),
            Self::TwoVersions { .. } => Usage
                .code("several_versions")
                .hint("a report holds a run once: make one for each version with `-o FILE`"),
            Self::Outside { .. } => {
                Usage.code("run_outside_project").hint("copy the run's directory to results/ first")
            }
            Self::DestinationTaken { .. } => {
                Usage.code("destination_taken").hint("name another file with `-o FILE`, or replace it with `--force`")
            }
            Self::NotThere { path } => {
                Setup.code("no_report").hint(format!("make it: `capture-hook report -o {}`", shell_quote(path)))
            }
            Self::NotAReport { .. } => {
                CheckFailed.code("not_a_report").hint("name the report's file with `-o FILE`, or make it again")
            }
            Self::OfDirectories { .. } => {
                Setup.code("report_not_checked").hint("make it again with the same directories, and compare the files")
            }
            Self::Outdated { command, .. } => {
                CheckFailed.code("report_outdated").hint(format!("make it again: `{command}`"))
            }
            Self::Unknown { command, .. } => {
                Setup.code("report_not_checked").hint(format!("get what is missing: `{command}`"))
            }
            Self::Resolve(error) => error.explain(),
            Self::Committed(error) => error.explain(),
            Self::Project(error) => error.explain(),
            Self::Git(error) => error.explain(),
            Self::Fs(error) => error.explain(),
        }
    }
}
