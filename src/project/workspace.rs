//! Notes about the workspace in the working tree's git directory: which data version it was last at, and whether it is
//! to follow a checkout later.

use super::{Project, ProjectError};
use crate::dvc::hash::DataVersion;
use crate::project;
use crate::support::fs;

/// The mark of a sync that is still to be done, in the working tree's git directory.
const SYNC_PENDING_MARK: &str = "capture-hook-sync-due";
/// The data version that the workspace was last at, in the working tree's git directory.
const WORKSPACE_MARK: &str = "capture-hook-at";

/// What is noted about the workspace, to restore it.
#[derive(Debug)]
pub struct WorkspaceNote {
    version: Option<DataVersion>,
    is_pending: bool,
}

impl WorkspaceNote {
    /// What is noted now.
    pub fn read(project: &Project) -> Result<Self, ProjectError> {
        Ok(Self { version: read_workspace_version(project)?, is_pending: is_sync_pending(project) })
    }

    /// Notes this again.
    pub fn restore(&self, project: &Project) -> Result<(), ProjectError> {
        match self.version {
            Some(version) => mark_workspace(project, version)?,
            None => fs::remove_all(&project::mark_path(project, WORKSPACE_MARK))?,
        }
        if self.is_pending { mark_sync_pending(project) } else { clear_sync_pending(project) }
    }
}

/// Notes that the workspace is to follow later: a rebase is under way.
pub fn mark_sync_pending(project: &Project) -> Result<(), ProjectError> {
    // Empty: only that the file exists counts.
    Ok(fs::write_atomic(&project::mark_path(project, SYNC_PENDING_MARK), b"")?)
}

/// Whether a sync was put off.
#[must_use]
pub fn is_sync_pending(project: &Project) -> bool {
    project::mark_path(project, SYNC_PENDING_MARK).exists()
}

/// The data version that the workspace was last at. It may have been changed since.
pub fn read_workspace_version(project: &Project) -> Result<Option<DataVersion>, ProjectError> {
    // No note, or one that cannot be parsed, is the same: the version is unknown.
    let text = fs::read_optional(&project::mark_path(project, WORKSPACE_MARK))?.unwrap_or_default();
    Ok(String::from_utf8_lossy(&text).trim().parse().ok())
}

/// Whether the workspace was last at this data version.
pub fn is_workspace_at(project: &Project, version: Option<DataVersion>) -> Result<bool, ProjectError> {
    Ok(version.is_none() || read_workspace_version(project)? == version)
}

/// Notes the data version that the workspace is at.
pub fn mark_workspace(project: &Project, version: DataVersion) -> Result<(), ProjectError> {
    if is_workspace_at(project, Some(version))? {
        return Ok(());
    }
    Ok(fs::write_atomic(&project::mark_path(project, WORKSPACE_MARK), format!("{version}\n").as_bytes())?)
}

/// Notes that runs were added to the workspace, which makes one data version the next. A workspace that was at neither
/// is to follow yet: a `git reset`, or a rebase that replays nothing, is reported by no hook.
pub(crate) fn note_runs_added(
    project: &Project,
    old_version: Option<DataVersion>,
    new_version: DataVersion,
) -> Result<(), ProjectError> {
    match read_workspace_version(project)? {
        Some(workspace_version)
            if workspace_version != new_version
                && old_version.is_some_and(|old_version| workspace_version != old_version) =>
        {
            mark_sync_pending(project)
        }
        _ => mark_workspace(project, new_version),
    }
}

/// Takes the note of a put-off sync away: the workspace has followed.
pub(crate) fn clear_sync_pending(project: &Project) -> Result<(), ProjectError> {
    Ok(fs::remove_all(&project::mark_path(project, SYNC_PENDING_MARK))?)
}
