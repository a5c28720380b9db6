//! A directory remote that is not where it was: a share that is not mounted, a disk that is not plugged in.

use std::path::PathBuf;

use crate::dvc::settings::{Remote, Settings};
use crate::support::process::quoted;

/// A remote whose directory is not there, or empty although it once held data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the directory {} of the DVC remote `{remote}` {}", dir.display(), if *emptied { "is empty, and data was in it before" } else { "is not there" })]
pub struct AbsentRemote {
    /// The remote's name.
    pub remote: String,
    /// Its directory.
    pub dir: PathBuf,
    /// Whether the directory is there, with nothing in it.
    pub emptied: bool,
}

impl AbsentRemote {
    /// The default remote, if its directory is not there.
    #[must_use]
    pub fn of(settings: &Settings) -> Option<Self> {
        let remote = settings.remote()?;
        let dir = remote.dir.as_ref().filter(|dir| !dir.is_dir())?;
        Some(Self { remote: remote.name.clone(), dir: dir.clone(), emptied: false })
    }

    /// The same, if there is no data in it. It may be a new one.
    #[must_use]
    pub fn without_data(remote: &Remote) -> Option<Self> {
        let dir = remote.dir.as_ref().filter(|dir| !objects(dir).is_dir())?;
        Some(Self { remote: remote.name.clone(), dir: dir.clone(), emptied: dir.is_dir() })
    }

    /// What to do about it. Whoever makes the directory of its objects says that it is meant to be a new one.
    #[must_use]
    pub fn hints(&self) -> Vec<String> {
        let name = &self.remote;
        vec![
            format!("mount it, or correct its address: `dvc remote modify {} url URL`", quoted(name)),
            format!("if it is to begin anew: `mkdir -p {} && capture-hook push --all`", quoted(objects(&self.dir))),
        ]
    }
}

/// Where a remote keeps its objects.
fn objects(dir: &std::path::Path) -> PathBuf {
    dir.join("files").join("md5")
}
