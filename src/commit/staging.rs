//! What a commit of runs holds beside the selection: staged, or told why git would not take it, before anything is written.

use super::{CommitRefused, Transaction};
use crate::dataset::metrics_files;
use crate::dvc::stage::ResolvedStage;
use crate::dvc::{lockfile, stage};
use crate::project::{GitTree, Project, ProjectError, Reporter};
use crate::support::names::is_safe_path;

impl Project {
    /// The files that a commit of the selection consists of, staged; relative to the top of the working tree.
    pub fn stage_selection(
        &mut self,
        transaction: &mut Transaction,
        reporter: &dyn Reporter,
    ) -> Result<Vec<String>, CommitRefused> {
        let stage = self.dataset_state(&GitTree::WorkTree)?.stage.ok_or(ProjectError::NoStage)?;
        let mut paths = self.results_to_stage(&stage)?;
        paths.push(self.git_path(stage.stage.params_file()));
        transaction.stage_files(&mut self.repo, &paths, reporter)?;
        Ok(paths)
    }

    /// Stages what DVC wrote.
    pub(crate) fn stage_results(
        &mut self,
        stage: &ResolvedStage,
        transaction: &mut Transaction,
        reporter: &dyn Reporter,
    ) -> Result<(), CommitRefused> {
        let paths = self.results_to_stage(stage)?;
        Ok(transaction.stage_files(&mut self.repo, &paths, reporter)?)
    }

    /// What DVC wrote: `dvc.lock`, the dataset's `.gitignore`, and outputs that git is to keep.
    fn results_to_stage(&self, stage: &ResolvedStage) -> Result<Vec<String>, CommitRefused> {
        let mut paths = vec![self.git_path(lockfile::FILE)];
        let (parent, name) = stage.out_dir.rsplit_once('/').unwrap_or(("", &stage.out_dir));
        let ignore = if parent.is_empty() { ".gitignore".to_owned() } else { format!("{parent}/.gitignore") };
        if let Some(work) = self.read_file(&GitTree::WorkTree, &ignore)? {
            let names = |bytes: &[u8]| String::from_utf8_lossy(bytes).lines().any(|line| line == format!("/{name}"));
            let staged = self.read_file(&GitTree::Index, &ignore)?;
            // Where a rule ignores its whole directory, the dataset needs no rule of its own.
            if names(&work)
                && !staged.is_some_and(|bytes| names(&bytes))
                && self.repo.why_ignored(&self.git_path(&ignore))?.is_none()
            {
                paths.push(self.git_path(&ignore));
            }
        }
        paths.extend(self.metrics_files_to_stage()?);
        for out in stage.stage.outs.iter().filter(|out| !out.cache && is_safe_path(&out.path)) {
            if self.root.join(&out.path).exists() {
                paths.push(self.git_path(&out.path));
            }
        }
        Ok(paths)
    }

    /// An error where git would not take one of these files, or one of DVC's views, into a commit: a rule ignores it, or a
    /// flag hides it.
    pub fn check_committable(&self, files: &[&str]) -> Result<(), CommitRefused> {
        for file in files {
            let path = self.git_path(file);
            if let Some(rule) = self.repo.why_ignored(&path)? {
                return Err(CommitRefused::Ignored { file: path, rule, tracked: false });
            }
        }
        let metrics_files = metrics_files::writable_files(self.root_files())?;
        files.iter().chain(metrics_files).try_for_each(|file| self.check_visible_to_git(file))
    }

    /// An error where DVC would refuse its own files because a rule ignores them: it does not ask whether git tracks them.
    pub(crate) fn check_usable_by_dvc(&self) -> Result<(), CommitRefused> {
        for file in [lockfile::FILE, stage::FILE] {
            let path = self.git_path(file);
            if let Some(rule) = self.repo.ignoring_rule(&path)? {
                return Err(CommitRefused::Ignored { file: path, rule, tracked: true });
            }
        }
        Ok(())
    }

    /// An error where a flag hides from git how a file differs.
    pub fn check_visible_to_git(&self, file: &str) -> Result<(), CommitRefused> {
        let path = self.git_path(file);
        let Some(flag) = self.repo.hiding_flag(&path)? else { return Ok(()) };
        let sparse = self.repo.config_bool("core.sparseCheckout")? == Some(true);
        Err(CommitRefused::Hidden { file: path, flag, sparse })
    }
}
