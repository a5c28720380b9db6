//! The state that a commit of runs is about to change, kept until it went well: files, folders of runs, what the index holds.
//!
//! The one place that undoes. Whoever puts runs into a commit begins an [`Undo`], hands it on, and calls [`Undo::undo`] where
//! anything failed, whatever it was and however far it came.

use std::path::{Path, PathBuf};

use super::Recorded;
use crate::dataset::metrics_files;
use crate::dvc::lockfile;
use crate::git::{Entry, Repo};
use crate::project::{Hear, Project, ProjectError};
use crate::support::aside::aside;
use crate::support::beneath::{FileKind, Root};
use crate::support::fs::{At, FsError};
use crate::support::{fs, limits};

/// What was there before. Paths are relative to the project's root.
#[must_use]
pub struct Undo {
    root: PathBuf,
    files: Vec<(PathBuf, Option<Vec<u8>>)>,
    /// The runs' folders, each with hard links to its files; without where there was no folder.
    folders: Vec<(PathBuf, Option<tempfile::TempDir>)>,
    /// What the index held of files that were staged, as git names them.
    staged: Vec<(String, Option<Entry>)>,
}

impl Undo {
    /// Of a project, nothing kept yet.
    pub fn new(project: &Project) -> Self {
        Self { root: project.root.clone(), files: Vec::new(), folders: Vec::new(), staged: Vec::new() }
    }

    /// Keeps a file; what was kept first is what counts.
    pub fn keep(&mut self, file: impl Into<PathBuf>) -> Result<(), FsError> {
        let file = file.into();
        if self.files.iter().all(|(kept, _)| *kept != file) {
            let bytes = Root::at(&self.root).read(&file, limits::LOCK)?;
            self.files.push((file, bytes));
        }
        Ok(())
    }

    /// Keeps all that an ingest of these runs writes.
    pub(crate) fn keep_dataset(&mut self, out_dir: &str, runs: &[Recorded]) -> Result<(), FsError> {
        let above = Path::new(out_dir).parent().unwrap_or(Path::new(""));
        self.keep(lockfile::FILE)?;
        self.keep(above.join(".gitignore"))?;
        self.keep_views()?;
        for run in runs {
            self.keep_folder(run.key.under(Path::new(out_dir)), above)?;
        }
        Ok(())
    }

    /// Keeps the files of DVC's views.
    pub fn keep_views(&mut self) -> Result<(), FsError> {
        let views = metrics_files::to_write(Root::at(&self.root))?;
        views.iter().try_for_each(|file| self.keep(*file))
    }

    fn keep_folder(&mut self, folder: PathBuf, above: &Path) -> Result<(), FsError> {
        if self.folders.iter().any(|(kept, _)| *kept == folder) {
            return Ok(());
        }
        let kept = match Root::at(&self.root).kind(&folder)? {
            FileKind::Directory => {
                // Not in the dataset, which DVC is about to take whole.
                let parent = aside(&self.root.join(above));
                let dir = tempfile::Builder::new().prefix("capture-hook-undo-").tempdir_in(&parent);
                let dir = dir.at("write in", &parent)?;
                fs::link_tree(&self.root.join(&folder), &dir.path().join("run"))?;
                Some(dir)
            }
            _ => None,
        };
        self.folders.push((folder, kept));
        Ok(())
    }

    /// Stages files, as git names them, and keeps what the index held of them.
    pub fn stage(&mut self, repo: &mut Repo, paths: &[String], hear: &dyn Hear) -> Result<(), ProjectError> {
        for path in paths {
            if self.staged.iter().all(|(kept, _)| kept != path) {
                self.staged.push((path.clone(), repo.index_entry(path)?));
            }
        }
        Ok(repo.stage(paths, &|line| hear.status(line))?)
    }

    /// Puts everything back as it was; what cannot be put back is told.
    pub fn undo(self, repo: &mut Repo, hear: &dyn Hear) {
        let files = self.undo_files().map_err(ProjectError::from);
        let staged = repo.restore_entries(&self.staged, &|line| hear.status(line)).map_err(ProjectError::from);
        for error in [files, staged].into_iter().filter_map(Result::err) {
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
            hear.warn(&format!("the state before could not be put back: {error}{cause}"));
        }
    }

    fn undo_files(&self) -> Result<(), FsError> {
        let project = Root::at(&self.root);
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
        for (path, bytes) in &self.files {
            match bytes {
                Some(bytes) if project.read(path, limits::LOCK)?.as_deref() != Some(bytes) => {
                    project.write_atomic(path, bytes)?;
                }
                Some(_) => {}
                None => {
                    project.remove_all(path)?;
                    // The directory that was made for it; the project's own is never empty.
                    path.parent().map(|dir| project.remove_empty_dir(dir));
                }
            }
        }
        Ok(())
    }
}
