//! What a commit of runs holds beside the selection: staged, or told why git would not take it, before anything is written.

use super::{Stop, Undo};
use crate::dataset::metrics_files;
use crate::dvc::stage::Resolved;
use crate::dvc::{lockfile, stage};
use crate::project::{Hear, Project, ProjectError, Source};
use crate::support::names::safe_path;

impl Project {
    /// The files that a commit of the selection consists of, staged; relative to the top of the working tree.
    pub fn stage_selection(&mut self, undo: &mut Undo, hear: &dyn Hear) -> Result<Vec<String>, Stop> {
        let wanted = self.state(&Source::WorkTree)?.wanted.ok_or(ProjectError::NoStage)?;
        let mut paths = self.results_to_stage(&wanted)?;
        paths.push(self.git_path(wanted.stage.params_file()));
        undo.stage(&mut self.repo, &paths, hear)?;
        Ok(paths)
    }

    /// Stages what DVC wrote.
    pub(crate) fn stage_results(&mut self, wanted: &Resolved, undo: &mut Undo, hear: &dyn Hear) -> Result<(), Stop> {
        let paths = self.results_to_stage(wanted)?;
        Ok(undo.stage(&mut self.repo, &paths, hear)?)
    }

    /// What DVC wrote: `dvc.lock`, the dataset's `.gitignore`, and outputs that git is to keep.
    fn results_to_stage(&self, wanted: &Resolved) -> Result<Vec<String>, Stop> {
        let mut paths = vec![self.git_path(lockfile::FILE)];
        let (parent, name) = wanted.out_dir.rsplit_once('/').unwrap_or(("", &wanted.out_dir));
        let ignore = if parent.is_empty() { ".gitignore".to_owned() } else { format!("{parent}/.gitignore") };
        if let Some(work) = self.file(&Source::WorkTree, &ignore)? {
            let names = |bytes: &[u8]| String::from_utf8_lossy(bytes).lines().any(|line| line == format!("/{name}"));
            let staged = self.file(&Source::Index, &ignore)?;
            // Where a rule ignores its whole directory, the dataset needs no rule of its own.
            if names(&work)
                && !staged.is_some_and(|bytes| names(&bytes))
                && self.repo.why_ignored(&self.git_path(&ignore))?.is_none()
            {
                paths.push(self.git_path(&ignore));
            }
        }
        paths.extend(self.views_to_stage()?);
        for out in wanted.stage.outs.iter().filter(|out| !out.cache && safe_path(&out.path)) {
            if self.root.join(&out.path).exists() {
                paths.push(self.git_path(&out.path));
            }
        }
        Ok(paths)
    }

    /// An error where git would not take one of these files, or one of DVC's views, into a commit: a rule ignores it, or a
    /// flag hides it.
    pub fn takes(&self, files: &[&str]) -> Result<(), Stop> {
        for file in files {
            let path = self.git_path(file);
            if let Some(rule) = self.repo.why_ignored(&path)? {
                return Err(Stop::Ignored { file: path, rule, tracked: false });
            }
        }
        let views = metrics_files::to_write(self.files())?;
        files.iter().chain(views).try_for_each(|file| self.sees(file))
    }

    /// An error where DVC would refuse its own files because a rule ignores them: it does not ask whether git tracks them.
    pub(crate) fn dvc_takes(&self) -> Result<(), Stop> {
        for file in [lockfile::FILE, stage::FILE] {
            let path = self.git_path(file);
            if let Some(rule) = self.repo.ignoring_rule(&path)? {
                return Err(Stop::Ignored { file: path, rule, tracked: true });
            }
        }
        Ok(())
    }

    /// An error where a flag hides from git how a file differs.
    pub fn sees(&self, file: &str) -> Result<(), Stop> {
        let path = self.git_path(file);
        let Some(flag) = self.repo.hiding_flag(&path)? else { return Ok(()) };
        let sparse = self.repo.config_bool("core.sparseCheckout")? == Some(true);
        Err(Stop::Hidden { file: path, flag, sparse })
    }
}
