//! A directory remote that is missing: a share that is not mounted, a disk that is not connected.

use std::path::PathBuf;

use crate::dvc::settings::{DvcRemote, DvcSettings};
use crate::support::process::shell_quote;

/// A remote whose directory does not exist, or empty although it once held data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the directory {} of the DVC remote `{remote}` {}", dir.display(), if *emptied { "is empty, but data was pushed to it before" } else { "does not exist" })]
pub struct AbsentRemote {
    /// The remote's name.
    pub remote: String,
    /// Its directory.
    pub dir: PathBuf,
    /// Whether the directory is there, with nothing in it.
    pub emptied: bool,
}

impl AbsentRemote {
    /// The default remote, if its directory does not exist.
    #[must_use]
    pub fn from_settings(settings: &DvcSettings) -> Option<Self> {
        let remote = settings.default_remote()?;
        let dir = remote.dir.as_ref().filter(|dir| !dir.is_dir())?;
        Some(Self { remote: remote.name.clone(), dir: dir.clone(), emptied: false })
    }

    /// The same, if there is no data in it. It may be a new one.
    #[must_use]
    pub fn without_data(remote: &DvcRemote) -> Option<Self> {
        let dir = remote.dir.as_ref().filter(|dir| !objects_dir(dir).is_dir())?;
        Some(Self { remote: remote.name.clone(), dir: dir.clone(), emptied: dir.is_dir() })
    }

    /// What to do about it. A user who makes the directory of its objects confirms that it is a new one.
    #[must_use]
    pub fn hints(&self) -> Vec<String> {
        let name = &self.remote;
        vec![
            format!("mount it, or correct its address: `dvc remote modify {} url URL`", shell_quote(name)),
            format!(
                "to start with an empty remote: `mkdir -p {} && capture-hook push --all`",
                shell_quote(objects_dir(&self.dir))
            ),
        ]
    }
}

/// Where a remote keeps its objects.
fn objects_dir(dir: &std::path::Path) -> PathBuf {
    dir.join("files").join("md5")
}
