//! The committed run that a user names, with the data version to read it from.

use std::path::Path;

use crate::dvc::hash::DataVersion;
use crate::error::ExitKind::Setup;
use crate::error::{Explain, Explanation};
use crate::git::Oid;
use crate::history::catalog::{self, Catalog, RunTarget};
use crate::history::{new_runs, rebuilt};
use crate::project::{Project, ProjectError};
use crate::run::RunKey;

/// A run of a data version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommittedRun {
    /// The run.
    pub key: RunKey,
    /// The commit whose data version it is; `None` if only a tag's message names the version.
    pub commit: Option<Oid>,
    /// The data version that holds it.
    pub version: DataVersion,
}

/// Why there is no such run.
#[derive(Debug, thiserror::Error)]
pub enum CommittedRunError {
    /// The revision has no dataset.
    #[error("`{}` holds no data version", rev.escape_debug())]
    NoDataVersion {
        /// As typed.
        rev: String,
    },
    /// The run was recorded, and not committed.
    #[error("no commit holds {run}")]
    NotCommitted {
        /// The run.
        run: RunKey,
        /// Whether it is known to be invalid.
        is_invalid: bool,
    },
    /// The project.
    #[error(transparent)]
    Project(#[from] ProjectError),
}

impl CommittedRunError {
    /// For a run that is in no commit.
    #[must_use]
    pub fn not_committed(project: &Project, catalog: &Catalog, run: RunKey) -> Self {
        let is_invalid = new_runs::is_run_invalid(project, catalog, &run);
        Self::NotCommitted { run, is_invalid }
    }
}

impl Explain for CommittedRunError {
    fn explain(&self) -> Explanation {
        match self {
            Self::NoDataVersion { .. } => {
                Setup.code("no_data_version").hint("see the commits that hold one: `capture-hook log`")
            }
            Self::NotCommitted { run, is_invalid } => {
                let advice = new_runs::advise(*is_invalid, &run.to_string());
                Setup.code("not_committed").hint(format!("it is only in the workspace; {advice}"))
            }
            Self::Project(error) => error.explain(),
        }
    }
}

/// The data version of a revision that the user typed.
pub fn find_version_at(project: &Project, rev: &str) -> Result<(Oid, DataVersion), CommittedRunError> {
    let commit = project.repo.resolve_commit(rev).map_err(ProjectError::from)?;
    match project.data_version_at(&commit)? {
        Some(version) => Ok((commit, version)),
        None => Err(CommittedRunError::NoDataVersion { rev: rev.to_owned() }),
    }
}

/// The run that the user means: of a revision, of the tag that was typed, else as HEAD's data version holds it, else the
/// newest that is committed. For what must be the same in every clone of a commit, whatever lists it has.
pub fn find_current_run(
    project: &Project,
    catalog: &Catalog,
    cwd: &Path,
    query: &str,
    rev: Option<&str>,
) -> Result<CommittedRun, CommittedRunError> {
    let key = match catalog::resolve_query(project, catalog, cwd, query) {
        Ok(RunTarget { key, commit: None, .. }) => Some(key),
        Ok(_) => None,
        // A fresh clone without any list does not know a run that no message names.
        Err(_) => query.parse::<RunKey>().ok(),
    };
    if rev.is_none()
        && let Some(key) = key
        && let Some(head) = project.repo.head().map_err(ProjectError::from)?
        && let Some(version) = project.data_version_at(&head)?
        // A list that cannot be fetched says nothing; then the newest commit that is known to hold the run must do.
        && project.dvc().is_ok_and(|dvc| rebuilt::ensure_file_list(project, &dvc, version).is_ok())
        && catalog.history.holds_run(version, &key) == Some(true)
    {
        return Ok(CommittedRun { key, commit: Some(head), version });
    }
    find_committed_run(project, catalog, cwd, query, rev)
}

/// The run that the user means: of a revision, of the tag that was typed, else the newest that is committed.
pub fn find_committed_run(
    project: &Project,
    catalog: &Catalog,
    cwd: &Path,
    query: &str,
    rev: Option<&str>,
) -> Result<CommittedRun, CommittedRunError> {
    if let Some(rev) = rev {
        let (commit, version) = find_version_at(project, rev)?;
        // A run that only this revision knows is not in the catalog if its file list was not in this clone.
        if let Ok(key) = query.parse::<RunKey>()
            && catalog.get(&key).is_none()
        {
            return Ok(CommittedRun { key, commit: Some(commit), version });
        }
        let target = catalog::resolve_query(project, catalog, cwd, query)?;
        return Ok(CommittedRun { key: target.key, commit: Some(commit), version });
    }
    let target = catalog::resolve_query(project, catalog, cwd, query)?;
    // A tag names its own commit, which may hold older data than the newest commit of the run.
    if let Some(commit) = target.commit
        && let Some(version) = project.data_version_at(&commit)?
    {
        return Ok(CommittedRun { key: target.key, commit: Some(commit), version });
    }
    let change = catalog.history.latest_commit(&target.key);
    // There can be a version without a commit: the one that only a tag names.
    match catalog::find_latest_version(catalog, &target.key) {
        Some(version) => {
            Ok(CommittedRun { commit: change.map(|change| change.commit.id.clone()), key: target.key, version })
        }
        None => Err(CommittedRunError::not_committed(project, catalog, target.key)),
    }
}
