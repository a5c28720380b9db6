//! The state that DVC, or the native engine, is about to change, kept until it went well.

use std::path::{Path, PathBuf};

use super::{Recorded, Stop};
use crate::dvc::lock;
use crate::project::{Project, views};
use crate::support::fs::{self, At, FsError};

/// The state that DVC is about to change, kept until it went well.
pub(super) struct Undo {
    files: Vec<(PathBuf, Option<Vec<u8>>)>,
    /// The runs' folders, each with hard links to its files; without where there was no folder.
    folders: Vec<(PathBuf, Option<tempfile::TempDir>)>,
}

impl Undo {
    pub fn before(project: &Project, out_dir: &str, runs: &[Recorded]) -> Result<Self, Stop> {
        let mut files = Vec::new();
        let ignore = Path::new(out_dir).parent().unwrap_or(Path::new("")).join(".gitignore");
        let views = views::FILES.iter().map(|file| project.root.join(file));
        for path in [project.root.join(lock::FILE), project.root.join(ignore)].into_iter().chain(views) {
            let bytes = fs::read_optional(&path)?;
            files.push((path, bytes));
        }
        let parent = project.root.join(".dvc").join("tmp");
        let kept = |folder: &Path| -> Result<Option<tempfile::TempDir>, FsError> {
            if !folder.is_dir() {
                return Ok(None);
            }
            fs::create_dir_all(&parent)?;
            let dir = tempfile::Builder::new().prefix("capture-hook-undo-").tempdir_in(&parent);
            let dir = dir.at("write in", &parent)?;
            link_tree(folder, &dir.path().join("run"))?;
            Ok(Some(dir))
        };
        let mut folders = Vec::new();
        for run in runs {
            let folder = run.key.under(&project.root.join(out_dir));
            folders.push((folder.clone(), kept(&folder)?));
        }
        Ok(Self { files, folders })
    }

    pub fn undo(self) -> Result<(), FsError> {
        for (path, bytes) in &self.files {
            match bytes {
                Some(bytes) if fs::read_optional(path)?.as_deref() != Some(bytes) => fs::write_atomic(path, bytes)?,
                Some(_) => {}
                None => fs::remove_all(path)?,
            }
        }
        for (folder, kept) in &self.folders {
            match kept {
                Some(kept) => fs::replace_dir(&kept.path().join("run"), folder)?,
                None => {
                    fs::remove_all(folder)?;
                    // The experiment's directory, and the dataset's, where this run was the first.
                    for dir in folder.ancestors().skip(1).take(2) {
                        if std::fs::remove_dir(dir).is_err() {
                            break;
                        }
                    }
                }
            }
        }
        Ok(())
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
