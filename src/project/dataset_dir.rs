//! Where this project's dataset may lie: what `run::dataset_dir` must be told of git and DVC.

use super::{Project, ProjectError};
use crate::run::dataset_dir::{OffLimits, check};

impl Project {
    /// The project's directories that are not for data, beside those whose names tell it.
    pub fn off_limits(&self) -> Result<Vec<OffLimits>, ProjectError> {
        let mut found = self.dvc_settings()?.off_limits();
        found.extend(self.repo.off_limits()?);
        Ok(found)
    }

    /// An error where a directory of the project cannot be the dataset. Asked before anything is written there, by whomever.
    pub fn check_dataset_dir(&self, out_dir: &str) -> Result<(), ProjectError> {
        check(&self.root, &self.root.join(out_dir), &self.off_limits()?)?;
        Ok(())
    }
}
