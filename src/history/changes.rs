//! Which commits change the files that define the dataset: found by object ids, before any file is read.

use crate::dvc::{lockfile, stage};
use crate::git::{Commit, Oid};
use crate::project::{Project, ProjectError};

/// Whether a commit changes `dvc.lock` over its first parent.
pub fn changes_lockfile(project: &Project, commit: &Commit) -> Result<bool, ProjectError> {
    changes_file(project, commit, lockfile::FILE)
}

/// Whether a commit changes `params.yaml` over its first parent.
pub fn changes_params(project: &Project, commit: &Commit) -> Result<bool, ProjectError> {
    changes_file(project, commit, stage::PARAMS_FILE)
}

/// Whether the index has another `dvc.lock` than a commit.
pub fn lockfile_is_staged(project: &Project, commit: &Oid) -> Result<bool, ProjectError> {
    let path = project.git_path(lockfile::FILE);
    Ok(project.repo.index_entry(&path)? != project.repo.entry_at(commit, &path)?)
}

/// Whether two commits have different data versions.
pub fn data_version_differs(project: &Project, old: &Oid, new: &Oid) -> Result<bool, ProjectError> {
    let path = project.git_path(lockfile::FILE);
    // Past the end of a shallow or partial clone nothing is known: that counts as no data version.
    let knows_old = project.repo.knows_file(old, &path);
    let before = if knows_old { project.repo.entry_at(old, &path)? } else { None };
    let after = project.repo.entry_at(new, &path)?;
    // Equal blobs settle it without a parse; unequal ones may still name the same version.
    if before.map(|e| e.id) == after.map(|e| e.id) {
        return Ok(false);
    }
    let before = if knows_old { project.data_version_at(old)? } else { None };
    Ok(before != project.data_version_at(new)?)
}

fn changes_file(project: &Project, commit: &Commit, file: &str) -> Result<bool, ProjectError> {
    let path = project.git_path(file);
    let entry = project.repo.entry_at(&commit.id, &path)?;
    match commit.parents.first() {
        Some(parent) if project.repo.knows_file(parent, &path) => Ok(project.repo.entry_at(parent, &path)? != entry),
        // A first commit, or one at the end of what this clone knows: what is there counts as added.
        _ => Ok(entry.is_some()),
    }
}
