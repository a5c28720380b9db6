//! Errors that name the path, and the reasons for which a path is refused.

use std::io;
use std::path::{Path, PathBuf};

use crate::error::ExitKind::{Io, Setup};
use crate::error::{Explain, Explanation};
use crate::support::text::shell_quote;

/// A failed operation on a path.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}", path.display())]
pub struct FsError {
    /// What was tried, as a verb: `read`, `write`, `rename`.
    pub action: &'static str,
    /// The path.
    pub path: PathBuf,
    /// Why it failed.
    pub source: io::Error,
}

/// Why a path is not read, written or followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathRefusal {
    /// A link, in a path that a repository names.
    #[error("{} is a link; links in a repository are not followed", .0.display())]
    Link(PathBuf),
    /// A link of a run that leads out of the run's directory.
    #[error("the link leads out of the run's directory")]
    Escape,
    /// A directory, a pipe, a device.
    #[error("not a regular file")]
    NotRegular,
    /// A file with more bytes than are read of its kind.
    #[error("larger than {} MiB", .0 >> 20)]
    TooLarge(u64),
    /// A path that leads out of the project.
    #[error("the path leads out of the project")]
    Outside,
}

impl From<PathRefusal> for io::Error {
    fn from(refused: PathRefusal) -> Self {
        Self::new(io::ErrorKind::InvalidInput, refused)
    }
}

impl FsError {
    /// Why we refused the path; `None` if the system failed.
    #[must_use]
    pub fn refusal(&self) -> Option<&PathRefusal> {
        self.source.get_ref()?.downcast_ref()
    }
}

impl Explain for FsError {
    fn explain(&self) -> Explanation {
        let look = || format!("see what is there: `ls -ld {}`", shell_quote(&self.path));
        match self.refusal() {
            Some(PathRefusal::Link(link)) => Setup
                .code("link_not_followed")
                .hint(format!("see where the link leads: `ls -ld {}`", shell_quote(link)))
                .hint("replace the link by a file or directory of the project"),
            Some(PathRefusal::Escape) => Setup.code("link_not_followed").hint(look()),
            Some(PathRefusal::NotRegular) => Setup.code("not_a_regular_file").hint(look()),
            Some(PathRefusal::TooLarge(_)) => Setup.code("file_too_large").hint(look()),
            Some(PathRefusal::Outside) => {
                Setup.code("path_outside_project").hint("name a file or directory inside of the project")
            }
            None => match self.source.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Io
                    .code("disk_full")
                    .hint("free some disk space and run the same command again; nothing was changed"),
                io::ErrorKind::PermissionDenied => Io.code("permission_denied").hints(how_to_get_access(&self.path)),
                io::ErrorKind::ReadOnlyFilesystem => Io.code("permission_denied"),
                _ => Io.code("io"),
            },
        }
    }
}

/// Hints for "permission denied": group rights, if the path is in a directory that git or we made.
fn how_to_get_access(path: &Path) -> Vec<String> {
    match state_dir(path) {
        Some((dir, group)) => {
            let dir = shell_quote(dir);
            vec![
                format!("as its owner or root, run `chgrp -R {group} {dir} && chmod -R g+rwX {dir}`"),
                "run `git config core.sharedRepository group` to keep new files open to the group".into(),
            ]
        }
        None => vec!["see who owns the path: `ls -ld`".into()],
    }
}

/// Returns our own directory in a git directory, if the path is in it, and the group of the git directory.
fn state_dir(path: &Path) -> Option<(&Path, u32)> {
    use std::os::unix::fs::MetadataExt;
    let dir = path.ancestors().find(|dir| dir.file_name().is_some_and(|name| name == "capture-hook"))?;
    let git = dir.parent().filter(|git| git.join("HEAD").exists())?;
    Some((dir, std::fs::metadata(git).ok()?.gid()))
}

/// Turns an I/O error into one that names the path.
pub trait At<T> {
    /// Adds the verb (`read`, `write`) and the path to an error.
    fn at(self, action: &'static str, path: &Path) -> Result<T, FsError>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, action: &'static str, path: &Path) -> Result<T, FsError> {
        self.map_err(|source| FsError { action, path: path.to_path_buf(), source })
    }
}
