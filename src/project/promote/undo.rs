//! The state that DVC, or the native engine, is about to change, kept until it went well.

use std::path::{Path, PathBuf};

use super::Stop;
use crate::dvc::lock;
use crate::project::{Project, views};
use crate::run::RunKey;
use crate::support::fs::{self, At, FsError};

/// The state that DVC is about to change, kept until it went well.
pub(super) struct Undo {
    files: Vec<(PathBuf, Option<Vec<u8>>)>,
    folder: PathBuf,
    /// Hard links to the folder's files; `None` where there was no folder.
    kept: Option<tempfile::TempDir>,
}

impl Undo {
    pub fn before(project: &Project, out_dir: &str, run: &RunKey) -> Result<Self, Stop> {
        let mut files = Vec::new();
        let ignore = Path::new(out_dir).parent().unwrap_or(Path::new("")).join(".gitignore");
        let views = views::FILES.iter().map(|file| project.root.join(file));
        for path in [project.root.join(lock::FILE), project.root.join(ignore)].into_iter().chain(views) {
            let bytes = fs::read_optional(&path)?;
            files.push((path, bytes));
        }
        let folder = run.under(&project.root.join(out_dir));
        let kept = if folder.is_dir() {
            let parent = project.root.join(".dvc").join("tmp");
            fs::create_dir_all(&parent)?;
            let dir =
                tempfile::Builder::new().prefix("capture-hook-undo-").tempdir_in(&parent).at("write in", &parent)?;
            link_tree(&folder, &dir.path().join("run"))?;
            Some(dir)
        } else {
            None
        };
        Ok(Self { files, folder, kept })
    }

    pub fn undo(self) -> Result<(), FsError> {
        for (path, bytes) in &self.files {
            match bytes {
                Some(bytes) if fs::read_optional(path)?.as_deref() != Some(bytes) => fs::write_atomic(path, bytes)?,
                Some(_) => {}
                None => fs::remove_all(path)?,
            }
        }
        match &self.kept {
            Some(kept) => fs::replace_dir(&kept.path().join("run"), &self.folder),
            None => {
                fs::remove_all(&self.folder)?;
                // The experiment's directory, and the dataset's, where this run was the first.
                for dir in self.folder.ancestors().skip(1).take(2) {
                    if std::fs::remove_dir(dir).is_err() {
                        break;
                    }
                }
                Ok(())
            }
        }
    }

    pub fn forget(self) {}
}

/// The same files under another name: hard links where the file system can, else copies.
fn link_tree(from: &Path, to: &Path) -> Result<(), FsError> {
    fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from).at("list", from)? {
        let entry = entry.at("list", from)?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().at("look at", &source)?;
        if kind.is_dir() {
            link_tree(&source, &target)?;
        } else if std::fs::hard_link(&source, &target).is_err() {
            std::fs::copy(&source, &target).at("copy", &source)?;
        }
    }
    Ok(())
}
