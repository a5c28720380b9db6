//! The errors between us and git, with their exit codes and hints. Errors of the git program itself are
//! [`ProcessError`].

use std::path::PathBuf;

use crate::error::ExitKind::{Io, Program, Setup};
use crate::error::{Explain, Explanation};
use crate::support::fs::FsError;
use crate::support::process::{ProcessError, shell_quote};

/// The command that completes a shallow clone, for hints.
pub const UNSHALLOW: &str = "`git fetch --unshallow` (`fetch-depth: 0` of actions/checkout)";

/// A git operation that failed.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// No repository in this directory or above.
    #[error("{} is not in a git repository", dir.display())]
    NotARepository {
        /// The directory of the search.
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
    /// A name that does not resolve to a commit.
    #[error("`{rev}` is not a commit")]
    NoSuchRevision {
        /// As the user typed it.
        rev: String,
        /// Whether the clone is shallow: then the commit can exist elsewhere.
        shallow: bool,
    },
    /// An object is missing (in a shallow or partial clone) or broken.
    #[error("cannot read {what}")]
    Read {
        /// What was read.
        what: String,
        /// Why not.
        source: git2::Error,
    },
    /// Another git held a lock for all the time that we waited.
    #[error("another git{} holds {}", describe_holder(by.as_ref()), lock.display())]
    Locked {
        /// The lock file.
        lock: PathBuf,
        /// The other git, for a message, if it was found.
        by: Option<String>,
    },
    /// An existing tag that git cannot keep beside a new one: one name is a directory of the other.
    #[error("the tag {by} blocks {tag}: git cannot use one name as the directory of the other")]
    TagConflict {
        /// The new tag.
        tag: String,
        /// The existing tag.
        by: String,
    },
    /// A file of the working tree sets what only the user may set: which program is run, or who is trusted.
    #[error("{} sets git's `{key}`, and it is a file of this repository", file.display())]
    SettingOfRepository {
        /// The setting.
        key: String,
        /// The file.
        file: PathBuf,
    },
    /// A working tree whose files cannot be reached.
    #[error("the working tree {} does not exist", dir.display())]
    WorkTreeGone {
        /// The directory.
        dir: PathBuf,
    },
    /// A directory in which files cannot be looked for.
    #[error("cannot list the directory {}", dir.display())]
    NotListed {
        /// The directory.
        dir: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A ref to an object that is not in this clone.
    #[error("a ref names {id}, which this clone does not have")]
    BrokenRef {
        /// The object.
        id: String,
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
                Setup.code("no_git_repository").hint("run `git init`, then `capture-hook init`")
            }
            Self::Bare { .. } => Setup.code("bare_repository").hint("run the command in a clone with a working tree"),
            Self::Ownership { dir } => {
                let dir = shell_quote(dir);
                Setup
                    .code("dubious_ownership")
                    .hint(format!("if you trust it, run `git config --global --add safe.directory {dir}`"))
            }
            Self::NoProgram => Setup.code("no_git_program").hint("install git, or put it on PATH"),
            Self::NoSuchRevision { shallow: true, .. } => Setup
                .code("no_such_revision")
                .hint(format!("this clone is shallow; fetch the rest of its history and branches with {UNSHALLOW}")),
            Self::NoSuchRevision { .. } => {
                Setup.code("no_such_revision").hint("list commits with `git log --oneline`, runs with `git tag -l 'capture/*'`")
            }
            Self::Read { .. } => Io.code("git_read").hint(format!(
                "fetch it: in a shallow clone with {UNSHALLOW}, in a partial one with `capture-hook log` (hooks fetch nothing)"
            )),
            Self::Locked { lock, .. } => Program
                .code("git_locked")
                .hint("wait until it ends (an editor can have started it), then run the same command again")
                .hint(format!("if no git runs here, a killed one left the lock: remove it with `rm {}`", shell_quote(lock))),
            Self::TagConflict { by, .. } => {
                let (old, new) = (shell_quote(by), shell_quote(format!("{}-old", by.replace('/', "-"))));
                Setup
                    .code("tag_in_the_way")
                    .hint(format!("rename the tag, for example to {new}: `git tag {new} {old} && git tag -d {old}`"))
            }
            Self::SettingOfRepository { .. } => Setup
                .code("setting_of_repository")
                .hint("remove the line, or the setting that reads the file: `git config --show-origin --get-all include.path`"),
            Self::WorkTreeGone { .. } => {
                Setup.code("work_tree_gone").hint("if it was deleted: `git worktree prune`; if it is on another disk, mount that")
            }
            Self::NotListed { dir, .. } => Io
                .code("directory_not_listed")
                .hint(format!("give yourself access to it: `chmod u+rx {}`, as its owner or root", shell_quote(dir)))
                .hint("or move it out of the project, then run the same command again"),
            Self::BrokenRef { .. } => Setup.code("broken_ref").hint("find the ref with `git for-each-ref`, then fetch or delete it"),
            Self::Program(error) => error.explain(),
            Self::Fs(error) => error.explain(),
        }
    }
}
