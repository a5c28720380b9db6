//! Why hooks could not be installed, or looked at.

use std::path::PathBuf;

use crate::error::ExitKind::Setup;
use crate::error::{Explain, Explanation};
use crate::git::{GitError, HooksDirSource};
use crate::support::fs::FsError;
use crate::support::process::shell_quote;

/// Why hooks could not be installed.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// `core.hooksPath` names a place that other repositories share.
    #[error("git's hooks directory lies outside this repository: {}", dir.display())]
    Outside {
        /// The directory.
        dir: PathBuf,
        /// Who named it.
        named_by: HooksDirSource,
    },
    /// `core.hooksPath` is set to nothing.
    #[error("git runs no hooks in this repository: core.hooksPath is empty")]
    Disabled,
    /// A foreign hook, although we keep one aside already.
    #[error("cannot keep two hooks: {} and the one kept earlier, {}", hook.display(), chained.display())]
    TwoHooks {
        /// The foreign hook in place.
        hook: PathBuf,
        /// The one moved aside.
        chained: PathBuf,
    },
    /// Git.
    #[error(transparent)]
    Git(#[from] GitError),
    /// A file.
    #[error(transparent)]
    Fs(#[from] FsError),
}

impl Explain for InstallError {
    fn explain(&self) -> Explanation {
        match self {
            Self::Outside { named_by: source_of, .. } => {
                let whose = match source_of {
                    HooksDirSource::Outside => "it is set in your own or the system's git settings",
                    _ => "it is set in this repository's settings, or by a link",
                };
                Setup
                    .code("hooks_dir_outside")
                    .hint(format!("{whose}; every repository that uses it would run our hooks"))
                    .hint("for hooks of this repository only: `git config --local core.hooksPath .git/hooks`")
                    .hint("to write there anyway: `capture-hook install --force`")
            }
            Self::Disabled => Setup
                .code("hooks_disabled")
                .hint("find out where it is set: `git config --show-origin core.hooksPath`; unset it there"),
            Self::TwoHooks { chained: kept, .. } => Setup
                .code("two_hooks")
                .hint(format!("remove one of them, or rename the older one: `mv {0} {0}.old`", shell_quote(kept)))
                .hint("or keep the newer one and rename the older: `capture-hook install --force`"),
            Self::Git(error) => error.explain(),
            Self::Fs(error) => error.explain(),
        }
    }
}
