//! Which directories can be this project's dataset: gives `run::dataset_dir` what it needs to know of git and DVC.

use super::{GitTree, Project, ProjectError};
use crate::run::dataset_dir;
use crate::support::off_limits::OffLimits;

/// The project's directories that are not for data, beside those whose names show it.
pub fn find_off_limits(project: &Project) -> Result<Vec<OffLimits>, ProjectError> {
    let mut found = project.dvc_settings()?.off_limits();
    found.extend(project.repo.off_limits()?);
    Ok(found)
}

/// An error if a directory of the project cannot be the dataset. Asked before anything is written there, by whomever.
pub fn check_dataset_dir(project: &Project, out_dir: &str) -> Result<(), ProjectError> {
    dataset_dir::check_dataset_dir(&project.root, &project.root.join(out_dir), &find_off_limits(project)?)?;
    Ok(())
}

/// An error if a directory lacks a file of the data version that `dvc.lock` names: who records it as the dataset now
/// would leave that out.
pub fn require_complete_dataset(project: &Project, out_dir: &str) -> Result<(), ProjectError> {
    let Some(record) = project.dataset_record(&GitTree::WorkTree)? else { return Ok(()) };
    let missing = match project.open_cache()?.read_file_list(record.version)? {
        Some(file_list) => {
            let dir = project.root.join(out_dir);
            let mut paths = file_list.entries().iter().map(|entry| &entry.relpath);
            // Links are followed, for DVC can link the files of a dataset to its cache.
            paths.find(|path| !dir.join(path).is_file()).cloned()
        }
        None => Some(format!("the file list of data version {}", record.version)),
    };
    missing.map_or(Ok(()), |file| Err(ProjectError::IncompleteDataset { out_dir: out_dir.to_owned(), file }))
}
