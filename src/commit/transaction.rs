//! What a commit of runs changes, kept until it succeeded: files, the runs' directories, what the index holds.
//!
//! The code that puts runs into a commit begins a [`CommitTransaction`], hands it on, and ends with
//! [`CommitTransaction::finish`] or, whatever failed and however far it came, with [`CommitTransaction::roll_back`].

use std::path::Path;

use super::ValidRun;
use crate::dataset::metrics_files;
use crate::dvc::lockfile;
use crate::git::{GitEntry, Repo};
use crate::project::{Project, ProjectError, Reporter};
use crate::support::fs::FsError;
use crate::support::transaction::Transaction;

/// What was there before. Paths are relative to the project's root.
#[must_use]
pub struct CommitTransaction {
    files: Transaction,
    /// What the index held of files that were staged, as git names them.
    staged: Vec<(String, Option<GitEntry>)>,
}

impl CommitTransaction {
    /// Of a project, nothing kept yet.
    pub fn new(project: &Project) -> Self {
        Self { files: Transaction::new(&project.root), staged: Vec::new() }
    }

    /// Keeps a file; what was kept first is what counts.
    pub fn keep_file(&mut self, file: &str) -> Result<(), FsError> {
        self.files.keep_file(file)
    }

    /// Keeps all that an ingest of these runs writes.
    pub(super) fn keep_dataset(&mut self, out_dir: &str, runs: &[ValidRun]) -> Result<(), FsError> {
        let above = Path::new(out_dir).parent().unwrap_or(Path::new(""));
        self.files.keep_file(lockfile::FILE)?;
        self.files.keep_file(above.join(".gitignore"))?;
        self.keep_metrics_files()?;
        for run in runs {
            // The copy must not be in the dataset, which DVC is about to take whole.
            self.files.keep_dir(run.key.dir_under(Path::new(out_dir)), above)?;
        }
        Ok(())
    }

    /// Keeps the files of `dvc metrics` and `dvc plots`.
    pub fn keep_metrics_files(&mut self) -> Result<(), FsError> {
        let files = metrics_files::writable_files(self.files.root())?;
        files.iter().try_for_each(|file| self.files.keep_file(*file))
    }

    /// Stages files, as git names them, and keeps what the index held of them.
    pub fn stage_files(
        &mut self,
        repo: &mut Repo,
        paths: &[String],
        reporter: &dyn Reporter,
    ) -> Result<(), ProjectError> {
        for path in paths {
            // The first entry counts: a later one would be our own change.
            if self.staged.iter().all(|(known, _)| known != path) {
                self.staged.push((path.clone(), repo.index_entry(path)?));
            }
        }
        Ok(repo.stage_files(paths, &|line| reporter.show_status(line))?)
    }

    /// The work succeeded: nothing is put back.
    pub fn finish(self) {
        self.files.finish();
    }

    /// Puts everything back as it was; warns of what cannot be put back.
    pub fn roll_back(self, repo: &mut Repo, reporter: &dyn Reporter) {
        let files = self.files.roll_back().map_err(ProjectError::from);
        let staged = repo.restore_entries(&self.staged, &|line| reporter.show_status(line)).map_err(ProjectError::from);
        // The index is restored even if a file cannot be.
        for error in [files, staged].into_iter().filter_map(Result::err) {
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
            reporter.show_warning(&format!("cannot restore the state before: {error}{cause}"));
        }
    }
}
