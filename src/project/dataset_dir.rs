//! Where this project's dataset may lie: what `run::dataset_dir` must be told of git and DVC.

use super::{GitTree, Project, ProjectError};
use crate::run::dataset_dir::check_dataset_dir;
use crate::support::off_limits::OffLimits;

impl Project {
    /// The project's directories that are not for data, beside those whose names tell it.
    pub fn off_limits(&self) -> Result<Vec<OffLimits>, ProjectError> {
        let mut found = self.dvc_settings()?.off_limits();
        found.extend(self.repo.off_limits()?);
        Ok(found)
    }

    /// An error where a directory of the project cannot be the dataset. Asked before anything is written there, by whomever.
    pub fn check_dataset_dir(&self, out_dir: &str) -> Result<(), ProjectError> {
        check_dataset_dir(&self.root, &self.root.join(out_dir), &self.off_limits()?)?;
        Ok(())
    }

    /// An error if a directory lacks a file of the data version that `dvc.lock` names: who records it as the dataset now would
    /// leave that out.
    pub fn require_complete_dataset(&self, out_dir: &str) -> Result<(), ProjectError> {
        let Some(record) = self.dataset_record(&GitTree::WorkTree)? else { return Ok(()) };
        let missing = match self.open_cache()?.read_file_list(record.version)? {
            Some(file_list) => {
                let dir = self.root.join(out_dir);
                let mut paths = file_list.entries().iter().map(|entry| &entry.relpath);
                paths.find(|path| !dir.join(path).is_file()).cloned()
            }
            None => Some(format!("the list of files of data version {}", record.version)),
        };
        missing.map_or(Ok(()), |file| Err(ProjectError::IncompleteDataset { out_dir: out_dir.to_owned(), file }))
    }
}
