//! The state that a commit of runs is about to change, kept until it went well: files, folders of runs, what the index holds.
//!
//! The one place that undoes. Whoever puts runs into a commit begins an [`Transaction`], hands it on, and calls [`Transaction::roll_back`] where
//! anything failed, whatever it was and however far it came.

use std::path::{Path, PathBuf};

use super::ValidRun;
use crate::dataset::metrics_files;
use crate::dvc::lockfile;
use crate::git::{GitEntry, Repo};
use crate::project::{Project, ProjectError, Reporter};
use crate::support::aside::temp_dir_for;
use crate::support::beneath::{FileKind, RootDir};
use crate::support::fs::{At, FsError};
use crate::support::{fs, limits};

/// What was there before. Paths are relative to the project's root.
#[must_use]
pub struct Transaction {
    root: PathBuf,
    files: Vec<(PathBuf, Option<Vec<u8>>)>,
    /// The runs' folders, each with hard links to its files; without where there was no folder.
    dirs: Vec<(PathBuf, Option<tempfile::TempDir>)>,
    /// What the index held of files that were staged, as git names them.
    staged: Vec<(String, Option<GitEntry>)>,
}

impl Transaction {
    /// Of a project, nothing kept yet.
    pub fn new(project: &Project) -> Self {
        Self { root: project.root.clone(), files: Vec::new(), dirs: Vec::new(), staged: Vec::new() }
    }

    /// Keeps a file; what was kept first is what counts.
    pub fn keep_file(&mut self, file: impl Into<PathBuf>) -> Result<(), FsError> {
        let file = file.into();
        if self.files.iter().all(|(known, _)| *known != file) {
            let bytes = RootDir::new(&self.root).read(&file, limits::LOCKFILE)?;
            self.files.push((file, bytes));
        }
        Ok(())
    }

    /// Keeps all that an ingest of these runs writes.
    pub(crate) fn keep_dataset(&mut self, out_dir: &str, runs: &[ValidRun]) -> Result<(), FsError> {
        let above = Path::new(out_dir).parent().unwrap_or(Path::new(""));
        self.keep_file(lockfile::FILE)?;
        self.keep_file(above.join(".gitignore"))?;
        self.keep_metrics_files()?;
        for run in runs {
            self.keep_dir(run.key.dir_under(Path::new(out_dir)), above)?;
        }
        Ok(())
    }

    /// Keeps the files of DVC's views.
    pub fn keep_metrics_files(&mut self) -> Result<(), FsError> {
        let files = metrics_files::writable_files(RootDir::new(&self.root))?;
        files.iter().try_for_each(|file| self.keep_file(*file))
    }

    fn keep_dir(&mut self, folder: PathBuf, above: &Path) -> Result<(), FsError> {
        if self.dirs.iter().any(|(backup, _)| *backup == folder) {
            return Ok(());
        }
        let backup = match RootDir::new(&self.root).file_kind(&folder)? {
            FileKind::Directory => {
                // Not in the dataset, which DVC is about to take whole.
                let parent = temp_dir_for(&self.root.join(above));
                let dir = tempfile::Builder::new().prefix("capture-hook-undo-").tempdir_in(&parent);
                let dir = dir.at("write in", &parent)?;
                fs::link_tree(&self.root.join(&folder), &dir.path().join("run"))?;
                Some(dir)
            }
            _ => None,
        };
        self.dirs.push((folder, backup));
        Ok(())
    }

    /// Stages files, as git names them, and keeps what the index held of them.
    pub fn stage_files(
        &mut self,
        repo: &mut Repo,
        paths: &[String],
        reporter: &dyn Reporter,
    ) -> Result<(), ProjectError> {
        for path in paths {
            if self.staged.iter().all(|(known, _)| known != path) {
                self.staged.push((path.clone(), repo.index_entry(path)?));
            }
        }
        Ok(repo.stage_files(paths, &|line| reporter.show_status(line))?)
    }

    /// Puts everything back as it was; what cannot be put back is told.
    pub fn roll_back(self, repo: &mut Repo, reporter: &dyn Reporter) {
        let files = self.restore_files().map_err(ProjectError::from);
        let staged = repo.restore_entries(&self.staged, &|line| reporter.show_status(line)).map_err(ProjectError::from);
        for error in [files, staged].into_iter().filter_map(Result::err) {
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
            reporter.show_warning(&format!("the state before could not be put back: {error}{cause}"));
        }
    }

    fn restore_files(&self) -> Result<(), FsError> {
        let project = RootDir::new(&self.root);
        for (folder, backup) in &self.dirs {
            match backup {
                Some(backup) => project.replace_dir(&backup.path().join("run"), folder)?,
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
                Some(bytes) if project.read(path, limits::LOCKFILE)?.as_deref() != Some(bytes) => {
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
