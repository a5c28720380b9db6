//! Why objects that nothing needs cannot be found or removed.

use std::path::PathBuf;

use crate::dvc::absent::AbsentRemote;
use crate::dvc::mutex::DvcBusy;
use crate::dvc::remote::missing::RemoteError;
use crate::error::ExitKind::{CheckFailed, Setup};
use crate::error::{Explain, Explanation};
use crate::history::needed::NeededError;
use crate::project::ProjectError;
use crate::support::fs::FsError;
use crate::support::process::shell_quote;
use crate::support::text::format_plural;

/// The setting that names the projects that share a cache or a remote.
pub const SISTER_SETTING: &str = "capture-hook.sister";

/// Why objects cannot be found or removed.
#[derive(Debug, thiserror::Error)]
pub enum GcError {
    /// It is not known what is needed.
    #[error(transparent)]
    Needed(#[from] NeededError),
    /// The project.
    #[error(transparent)]
    Project(#[from] ProjectError),
    /// The store.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// A DVC that is at work.
    #[error(transparent)]
    Busy(#[from] DvcBusy),
    /// Input or output.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// Other projects can use the cache.
    #[error("the cache {} is outside of this repository: other projects and clones can use it, too", dir.display())]
    SharedCache {
        /// Its directory.
        dir: PathBuf,
    },
    /// Git tracks files of the cache.
    #[error("git tracks files of DVC's cache {}", dir.display())]
    TrackedCache {
        /// Its directory.
        dir: PathBuf,
    },
    /// Only DVC knows the cache.
    #[error("only DVC knows what its cache holds: {why}")]
    UnsupportedCache {
        /// The setting.
        why: String,
    },
    /// A remote that keeps files under their own names.
    #[error("the remote holds no objects of a cache: {why}")]
    UnsupportedRemote {
        /// The setting.
        why: String,
    },
    /// DVC locks in a form that cannot be taken part in.
    #[error("DVC locks {} by hard links (core.hardlink_lock), so it cannot be kept out while objects are removed", root.display())]
    HardlinkLock {
        /// The project.
        root: PathBuf,
    },
    /// There is no such remote.
    #[error("{}", name.as_ref().map_or_else(|| "no default DVC remote is set".to_owned(), |name| format!("there is no DVC remote `{}`", name.escape_debug())))]
    NoRemote {
        /// Its name; `None`: the default one.
        name: Option<String>,
    },
    /// The remote's directory is not there.
    #[error("{0}")]
    RemoteAbsent(AbsentRemote),
    /// Git's remote has commits that this clone does not have.
    #[error(
        "this clone lacks what {} of git's remote `{}` name{} ({first}), so it is not known which data they need",
        format_plural(*refs, "ref"), remote.escape_debug(), if *refs == 1 { "s" } else { "" }
    )]
    NotFetched {
        /// Git's remote.
        remote: String,
        /// How many refs.
        refs: u64,
        /// The first one.
        first: String,
        /// The clone, if it is a sister project's.
        sister: Option<PathBuf>,
    },
    /// A sister project that cannot be read.
    #[error("the sister project {} (git's setting {SISTER_SETTING}) cannot be read: {why}", dir.display())]
    Sister {
        /// Its directory.
        dir: PathBuf,
        /// Why.
        why: String,
    },
}

impl Explain for GcError {
    fn explain(&self) -> Explanation {
        match self {
            Self::Needed(error) => error.explain(),
            Self::Project(error) => error.explain(),
            Self::Remote(error) => error.explain(),
            Self::Busy(error) => error.explain(),
            Self::Fs(error) => error.explain(),
            Self::SharedCache { .. } => Setup
                .code("shared_cache")
                .hint(format!("name a clone of each: `git config --add {SISTER_SETTING} /path/to/clone`"))
                .hint(format!("if there is no other: `git config {SISTER_SETTING} none`")),
            Self::TrackedCache { .. } => {
                Setup.code("cache_is_tracked").hint("have git ignore it: `git rm -r --cached` and .gitignore")
            }
            Self::UnsupportedCache { .. } => {
                Setup.code("cache_unsupported").hint("see which file sets it: `dvc config --list --show-origin`")
            }
            Self::UnsupportedRemote { .. } => {
                Setup.code("remote_unsupported").hint("remove old versions with the store's own means")
            }
            Self::HardlinkLock { .. } => {
                Setup.code("hardlink_lock").hint("set it off for this: `dvc config --local core.hardlink_lock false`")
            }
            Self::NoRemote { .. } => Setup.code("no_dvc_remote").hint("see the remotes: `dvc remote list`"),
            Self::RemoteAbsent(absent) => Setup.code("remote_absent").hints(absent.hints().into_iter().take(1)),
            Self::NotFetched { remote, first, sister, .. } => {
                let dir = sister.as_ref().map(|dir| format!("-C {} ", shell_quote(dir))).unwrap_or_default();
                let remote = shell_quote(remote);
                let explanation =
                    CheckFailed.code("not_fetched").hint(format!("fetch them: `git {dir}fetch --tags {remote}`"));
                if first.starts_with("refs/heads/") || first.starts_with("refs/tags/") {
                    return explanation;
                }
                let namespace = first.split('/').take(2).collect::<Vec<_>>().join("/");
                let to = namespace.trim_start_matches("refs/");
                let refspec = shell_quote(format!("+{namespace}/*:refs/remotes/{to}/*"));
                explanation.hint(format!("other refs than branches and tags: `git {dir}fetch {remote} {refspec}`"))
            }
            Self::Sister { .. } => Setup
                .code("sister_not_read")
                .hint(format!("correct the setting: `git config --get-all {SISTER_SETTING}`")),
        }
    }
}
