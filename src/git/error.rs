//! What can go wrong between us and git, and what to do about it.

use std::path::PathBuf;

use crate::error::ExitKind::{Io, Program, Setup};
use crate::error::{Explain, Explanation};
use crate::support::fs::FsError;
use crate::support::process::{ProcessError, shell_quote};

/// How a shallow clone gets the rest of history.
pub const UNSHALLOW: &str = "`git fetch --unshallow` (`fetch-depth: 0` of actions/checkout)";

/// A git operation that failed.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// There is no repository here or above.
    #[error("{} is not in a git repository", dir.display())]
    NotARepository {
        /// Where we looked.
        dir: PathBuf,
    },
    /// The repository has no working tree.
    #[error("the git repository {} has no working tree", dir.display())]
    Bare {
        /// The repository.
        dir: PathBuf,
    },
    /// The repository belongs to another user, and git does not trust it.
    #[error("git does not trust the repository {}: another user owns it", dir.display())]
    Ownership {
        /// The repository.
        dir: PathBuf,
    },
    /// There is no git program.
    #[error("no `git` program found on PATH")]
    NoProgram,
    /// A name that is no commit.
    #[error("`{rev}` names no commit")]
    NoSuchRevision {
        /// As the user typed it.
        rev: String,
        /// Whether the clone is shallow: then the name may be one that was not fetched.
        shallow: bool,
    },
    /// An object that history names is not here (a shallow or partial clone), or is broken.
    #[error("cannot read {what}")]
    Read {
        /// What was read.
        what: String,
        /// Why not.
        source: git2::Error,
    },
    /// Another git is at work, and was for some seconds.
    #[error("another git{} holds {}", describe_holder(by.as_ref()), lock.display())]
    Locked {
        /// The lock file.
        lock: PathBuf,
        /// A git that is at work in the repository, where one is seen.
        by: Option<String>,
    },
    /// A tag of the user's, which git cannot keep together with one of ours.
    #[error("the tag {by} is in the way of {tag}: git keeps no two tags of which one is the other's directory")]
    TagConflict {
        /// The tag that was to be made.
        tag: String,
        /// The one that is there.
        by: String,
    },
    /// A git call failed.
    #[error(transparent)]
    Program(#[from] ProcessError),
    /// A file of the repository could not be read or written.
    #[error(transparent)]
    Fs(#[from] FsError),
}

fn describe_holder(by: Option<&String>) -> String {
    by.map(|by| format!(" ({by})")).unwrap_or_default()
}

impl Explain for GitError {
    fn explain(&self) -> Explanation {
        match self {
            Self::NotARepository { .. } => {
                Setup.code("no_git_repository").hint("`git init` makes one; `capture-hook init` sets it up")
            }
            Self::Bare { .. } => Setup.code("bare_repository").hint("run the command in a clone with a working tree"),
            Self::Ownership { dir } => {
                let dir = shell_quote(dir);
                Setup
                    .code("dubious_ownership")
                    .hint(format!("if you trust it: `git config --global --add safe.directory {dir}`"))
            }
            Self::NoProgram => Setup.code("no_git_program").hint("install git, or put it on PATH"),
            Self::NoSuchRevision { shallow: true, .. } => Setup
                .code("no_such_revision")
                .hint(format!("this clone is shallow, so its history and branches are not all here: {UNSHALLOW}")),
            Self::NoSuchRevision { .. } => {
                Setup.code("no_such_revision").hint("`git log --oneline` lists commits, `git tag -l 'capture/*'` runs")
            }
            Self::Read { .. } => Io.code("git_read").hint(format!(
                "in a shallow clone {UNSHALLOW} brings it, in a partial one `capture-hook log` (hooks fetch nothing)"
            )),
            Self::Locked { lock, .. } => Program
                .code("git_locked")
                .hint("let it end (an editor may have started it), then run the same command again")
                .hint(format!("if no git is at work here, one that was killed left it: `rm {}`", shell_quote(lock))),
            Self::TagConflict { by, .. } => {
                let (old, new) = (shell_quote(by), shell_quote(format!("{}-old", by.replace('/', "-"))));
                Setup
                    .code("tag_in_the_way")
                    .hint(format!("give it another name, such as {new}: `git tag {new} {old} && git tag -d {old}`"))
            }
            Self::Program(error) => error.explain(),
            Self::Fs(error) => error.explain(),
        }
    }
}
