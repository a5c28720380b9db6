//! The one door to git.
//!
//! [`Repo`] is found once, with the variables that git hands to hooks made absolute, and read through libgit2: no process
//! is started to learn something. What writes the index, a commit or a tag goes through the git program, so that the
//! user's settings, signing and other hooks hold. A repository that libgit2 refuses (an extension it does not know) is
//! read through the program too: slower, never wrong.

mod caller;
mod config;
mod configured;
mod error;
mod exclude;
mod hidden;
mod holders;
mod hooks_dir;
mod locks;
mod message;
mod partial;
mod read;
mod refs;
mod repo;
mod state;
mod tips;
mod tracked;
mod write;

pub use caller::{FavoredSide, GitCall};
pub use configured::ConfiguredHook;
pub use error::{GitError, UNSHALLOW};
pub use hidden::HidingFlag;
pub use hooks_dir::{HooksDir, HooksDirSource};
pub use locks::NotifyFn;
pub use message::{CommitMessage, add_trailers};
pub use read::{Commit, GitEntry, Oid};
pub use refs::{CommitRange, HeadMove, Tag};
pub use repo::Repo;
pub use state::{GitOperation, merged_branches};
pub use write::{NewTag, PartialCommit};
