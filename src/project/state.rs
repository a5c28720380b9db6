//! Which run is selected and which data version is recorded: in the index, in a commit, in the working tree.
//!
//! `params.yaml` and `dvc.yaml` hold the selection, `dvc.lock` what DVC last recorded. Nothing here reads the
//! dataset, so the cost does not grow with it.

use super::{Project, ProjectError, include};
use crate::dataset::record::DatasetRecord;
use crate::dataset::stage::{ResolvedStage, params_file, parse_ingest_stage};
use crate::dvc::hash::DataVersion;
use crate::dvc::lockfile::{Lockfile, LockfileError};
use crate::dvc::{lockfile, stage};
use crate::error::Explain;
use crate::git::{Commit, GitEntry, GitOperation, Oid};
use crate::support::fs::{At, PathRefusal};
use crate::support::limits;

/// The code of every error that says that conflict markers are in a file.
const MERGE_CONFLICT: &str = "merge_conflict";
/// The setting in which `install` names the first of the merge drivers to git.
pub(crate) const DRIVER_KEY: &str = "merge.capture-lock.driver";

/// A state of the tracked files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GitTree {
    /// What is staged: what a commit will hold.
    Index,
    /// A commit.
    Commit(Oid),
    /// The files as they lie there.
    WorkTree,
}

/// What the stage asks for and what was recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct DatasetState {
    /// The stage as `dvc.yaml` and the parameters give it; `None` if there is no stage.
    pub stage: Option<ResolvedStage>,
    /// What `dvc.lock` holds; `None` if nothing was ingested yet.
    pub record: Option<DatasetRecord>,
    /// Which files beside the recorder's the settings ask for; `None` if the stage does not depend on that.
    pub include: Option<Vec<String>>,
}

impl DatasetState {
    /// The selected run's directory, relative to the project.
    #[must_use]
    pub fn run_dir(&self) -> Option<&str> {
        self.stage.as_ref()?.run_dir.as_deref()
    }

    /// Whether the selected run is in the data version: `dvc.lock` was made from this selection, for this dataset, by
    /// this command. True if no run is selected.
    #[must_use]
    pub fn is_ingested(&self) -> bool {
        let Some(stage) = &self.stage else { return true };
        let Some(run_dir) = &stage.run_dir else { return true };
        self.record.as_ref().is_some_and(|dataset_record| {
            dataset_record.run_dir.as_ref() == Some(run_dir)
                && dataset_record.out_dir == stage.out_dir
                && dataset_record.cmd == stage.stage.command_text()
        })
    }

    /// Whether the data version was made with the files that the settings ask for beside the recorder's, as far as the
    /// stage depends on them.
    #[must_use]
    pub fn include_matches(&self) -> bool {
        let dataset_record = self.record.as_ref().and_then(|dataset_record| dataset_record.include.as_ref());
        self.include.is_none() || self.record.is_none() || dataset_record == self.include.as_ref()
    }
}

impl Project {
    /// What the stage asks for and what was recorded, in one state of the tracked files.
    pub fn dataset_state(&self, tree: &GitTree) -> Result<DatasetState, ProjectError> {
        let stage = resolve_stage(self, tree)?;
        let include = match &stage {
            Some(stage) => read_include(self, tree, &stage.stage)?,
            None => None,
        };
        Ok(DatasetState { stage, record: self.dataset_record(tree)?, include })
    }

    /// What `dvc.lock` says in one state of the tracked files; `None` if there is no such file, or no dataset in it.
    pub fn dataset_record(&self, tree: &GitTree) -> Result<Option<DatasetRecord>, ProjectError> {
        read_record_in(self, &self.prefix, tree)
    }

    /// The data version of a commit, read leniently: a lock that cannot be understood has none.
    pub fn data_version_at(&self, commit: &Oid) -> Result<Option<DataVersion>, ProjectError> {
        match self.dataset_record(&GitTree::Commit(commit.clone())) {
            Ok(dataset_record) => Ok(dataset_record.map(|l| l.version)),
            Err(ProjectError::Lockfile(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Whether this clone can read `dvc.lock` of a commit; not beyond the ends of a shallow or partial one.
#[must_use]
pub fn knows_lockfile(project: &Project, commit: &Oid) -> bool {
    project.repo.knows_file(commit, &project.git_path(lockfile::FILE))
}

/// The patterns that the stage depends on, in one state of the tracked files; `None` if it does not.
fn read_include(
    project: &Project,
    source: &GitTree,
    stage: &stage::Stage,
) -> Result<Option<Vec<String>>, ProjectError> {
    if !include::is_dependency(stage) {
        return Ok(None);
    }
    Ok(Some(project.read_config_at(source)?.ingest.include.patterns().to_vec()))
}

/// The stage as `dvc.yaml` and the parameters give it, in one state of the tracked files; `None` if there is no stage.
pub fn resolve_stage(project: &Project, tree: &GitTree) -> Result<Option<ResolvedStage>, ProjectError> {
    let Some(dvc_yaml) = project.read_file(tree, stage::FILE)? else { return Ok(None) };
    let read = || -> Result<Option<ResolvedStage>, ProjectError> {
        let Some(stage) = parse_ingest_stage(&dvc_yaml)? else { return Ok(None) };
        let params = project.read_file(tree, params_file(&stage))?;
        Ok(Some(ResolvedStage::resolve(&stage, params.as_deref())?))
    };
    read().map_err(|error| explain_missing_driver(project, error))
}

/// A conflict, with what to do if git made it without the merge drivers; any other error as it is.
fn explain_missing_driver(project: &Project, error: ProjectError) -> ProjectError {
    let abort = match project.repo.current_operation() {
        // First: any other error stays as it is, whatever git is in the middle of.
        _ if error.explain().code != MERGE_CONFLICT => None,
        Some(GitOperation::Merge) => Some("git merge --abort"),
        Some(GitOperation::Rebase) => Some("git rebase --abort"),
        Some(GitOperation::CherryPick) => Some("git cherry-pick --abort"),
        Some(GitOperation::Revert) => Some("git revert --abort"),
        Some(GitOperation::Bisect) | None => None,
    };
    match abort {
        // Only if git says that the setting is missing: an error here is no proof of it.
        Some(abort) if matches!(project.repo.config_value(DRIVER_KEY), Ok(None)) => {
            ProjectError::NoDrivers { conflict: Box::new(error), abort }
        }
        _ => error,
    }
}

/// An error if DVC must not work on the stage: it follows links, so an output behind one would be removed and
/// written elsewhere, and it reads what the stage depends on to the end, which a pipe or a device has not.
pub fn check_stage_files(project: &Project, resolved: &ResolvedStage) -> Result<(), ProjectError> {
    let stage = &resolved.stage;
    project.root_files().check_dir(&resolved.out_dir)?;
    for out in &stage.outs {
        match project.root_files().file_kind(&out.path) {
            Err(error) if matches!(error.refusal(), Some(PathRefusal::Link(_))) => return Err(error.into()),
            // Anything else that is odd about it is for DVC to report.
            _ => {}
        }
    }
    for file in stage.deps.iter().chain(stage.params.iter().map(|dep| &dep.file)) {
        let path = project.root.join(file);
        // Links are followed, as DVC follows them. A file that is missing is for DVC to report.
        if std::fs::metadata(&path).is_ok_and(|meta| !meta.is_file() && !meta.is_dir()) {
            return Err(PathRefusal::NotRegular.into()).at("have DVC read", &path).map_err(Into::into);
        }
    }
    Ok(())
}

/// Whether this clone can read `dvc.lock` as it was before a commit: it knows all its parents, or there are none
/// anywhere.
pub fn knows_parents(project: &Project, commit: &Commit) -> Result<bool, ProjectError> {
    // A commit at which a shallow clone ends looks like one without parents.
    let is_cut = commit.parents.is_empty() && project.repo.shallow_ends()?.contains(&commit.id);
    Ok(!is_cut && commit.parents.iter().all(|parent| knows_lockfile(project, parent)))
}

/// Whether a commit's `dvc.lock` of another project in the repository names this data version.
pub fn is_of_other_project(project: &Project, version: DataVersion, commit: &Oid) -> Result<bool, ProjectError> {
    for prefix in project.other_prefixes()? {
        let dataset_record = match read_record_in(project, prefix, &GitTree::Commit(commit.clone())) {
            Err(ProjectError::Lockfile(_)) => None,
            other => other?,
        };
        if dataset_record.is_some_and(|dataset_record| dataset_record.version == version) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What the `dvc.lock` of the project with this prefix says; of the working tree, our own alone.
pub(crate) fn read_record_in(
    project: &Project,
    prefix: &str,
    tree: &GitTree,
) -> Result<Option<DatasetRecord>, ProjectError> {
    let path = format!("{prefix}{}", lockfile::FILE);
    let entry = match tree {
        GitTree::Index => project.repo.index_entry(&path)?,
        GitTree::Commit(id) => project.repo.entry_at(id, &path)?,
        GitTree::WorkTree => {
            let Some(bytes) = project.read_file(tree, lockfile::FILE)? else { return Ok(None) };
            let lockfile = Lockfile::parse(&bytes).map_err(|error| explain_missing_driver(project, error.into()))?;
            return Ok(DatasetRecord::from_lockfile(&lockfile));
        }
    };
    match entry {
        Some(entry) => read_record_of(project, &entry),
        None => Ok(None),
    }
}

/// What the `dvc.lock` of this entry of a tree or of the index says.
pub(crate) fn read_record_of(project: &Project, entry: &GitEntry) -> Result<Option<DatasetRecord>, ProjectError> {
    // By the id of the file's content: commits with the same lock are parsed once.
    if let Some(cached) = project.records.borrow().get(&entry.id) {
        return Ok(cached.clone());
    }
    let refused = |why: String| Err(LockfileError::Unsupported { line: 1, message: why }.into());
    if !entry.is_file() {
        return refused("it is a link; links in a repository are not followed".into());
    }
    // Before it is read into memory: the author of the commit chose its size.
    if project.repo.blob_size(&entry.id)? > limits::LOCKFILE {
        return refused(format!("it is larger than {} MiB", limits::LOCKFILE >> 20));
    }
    let dataset_record = DatasetRecord::from_lockfile(&Lockfile::parse(&project.repo.read_blob(&entry.id)?)?);
    remember_record(project, entry.id.clone(), dataset_record.clone());
    Ok(dataset_record)
}

/// Whether it is known already what a `dvc.lock` says.
pub(crate) fn is_record_known(project: &Project, lockfile: &Oid) -> bool {
    project.records.borrow().contains_key(lockfile)
}

/// Takes over what a `dvc.lock` says, for whoever asks next.
pub(crate) fn remember_record(project: &Project, lockfile: Oid, record: Option<DatasetRecord>) {
    project.records.borrow_mut().insert(lockfile, record);
}
