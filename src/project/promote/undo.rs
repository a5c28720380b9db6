//! The state that DVC, or the native engine, is about to change, kept until it went well.

use std::path::{Path, PathBuf};

use super::{Recorded, Stop};
use crate::dvc::lock;
use crate::project::{Project, views};
use crate::support::aside::aside;
use crate::support::beneath::{FileKind, Root};
use crate::support::fs::{self, At, FsError};
use crate::support::limits;

/// The state that DVC is about to change, kept until it went well. Paths are relative to the project's root.
pub(super) struct Undo<'a> {
    project: Root<'a>,
    files: Vec<(PathBuf, Option<Vec<u8>>)>,
    /// The runs' folders, each with hard links to its files; without where there was no folder.
    folders: Vec<(PathBuf, Option<tempfile::TempDir>)>,
}

impl<'a> Undo<'a> {
    pub fn before(project: &'a Project, out_dir: &str, runs: &[Recorded]) -> Result<Self, Stop> {
        let project = project.files();
        let above = Path::new(out_dir).parent().unwrap_or(Path::new(""));
        let mut files = Vec::new();
        let views = views::to_write(project)?.iter().map(PathBuf::from);
        for path in [lock::FILE.into(), above.join(".gitignore")].into_iter().chain(views) {
            let bytes = project.read(&path, limits::LOCK)?;
            files.push((path, bytes));
        }
        // Not in the dataset, which DVC is about to take whole.
        let near = project.path().join(above);
        let kept = |folder: &Path| -> Result<Option<tempfile::TempDir>, FsError> {
            if project.kind(folder)? != FileKind::Directory {
                return Ok(None);
            }
            let parent = aside(&near);
            let dir = tempfile::Builder::new().prefix("capture-hook-undo-").tempdir_in(&parent);
            let dir = dir.at("write in", &parent)?;
            fs::link_tree(&project.path().join(folder), &dir.path().join("run"))?;
            Ok(Some(dir))
        };
        let mut folders = Vec::new();
        for run in runs {
            let folder = run.key.under(Path::new(out_dir));
            let kept = kept(&folder)?;
            folders.push((folder, kept));
        }
        Ok(Self { project, files, folders })
    }

    pub fn undo(self) -> Result<(), FsError> {
        let project = self.project;
        for (path, bytes) in &self.files {
            match bytes {
                Some(bytes) if project.read(path, limits::LOCK)?.as_deref() != Some(bytes) => {
                    project.write_atomic(path, bytes)?;
                }
                Some(_) => {}
                None => project.remove_all(path)?,
            }
        }
        for (folder, kept) in &self.folders {
            match kept {
                Some(kept) => project.replace_dir(&kept.path().join("run"), folder)?,
                None => {
                    project.remove_all(folder)?;
                    // The experiment's directory, and the dataset's, where this run was the first.
                    for dir in folder.ancestors().skip(1).take(2) {
                        if !project.remove_empty_dir(dir) {
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
