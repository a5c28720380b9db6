//! The one door to git.
//!
//! [`Repo`] is opened once, with the variables that git gives to hooks made absolute, and read through libgit2, so
//! reading starts no process. The index, commits and tags are written by the git program, so that the user's settings,
//! signing and other hooks apply. A repository that libgit2 refuses (an extension it does not know) is read through the
//! program, too: slower, with the same answers. Nothing is fetched unless a method says so.

mod caller;
mod config;
mod configured;
mod dirs;
mod error;
mod exclude;
mod file_versions;
mod hidden;
mod holders;
mod hooks_dir;
mod listed_refs;
mod locks;
mod message;
mod partial;
mod read;
mod refs;
mod repo;
mod retained;
mod state;
mod tips;
mod topology;
mod tracked;
mod work_trees;
mod write;

pub use caller::{FavoredSide, GitCall};
pub use configured::ConfiguredHook;
pub use dirs::GitDir;
pub use error::{GitError, UNSHALLOW};
pub use file_versions::{FileVersion, list_entries};
pub use hidden::HidingFlag;
pub use hooks_dir::{HooksDir, HooksDirSource};
pub use listed_refs::{ListedRef, REF_PREFIXES, TagObject};
pub use locks::NotifyFn;
pub use message::{CommitMessage, add_trailers};
pub use read::{Commit, GitEntry, Oid};
pub use refs::{CommitRange, HeadMove, Tag};
pub use repo::Repo;
pub use retained::{RetainedObjects, WorkTreeDirs};
pub use state::{GitOperation, merged_branches};
pub use topology::order_commits;
pub use work_trees::WorkTree;
pub use write::{NewTag, PartialCommit};
