//! Which runs a commit introduces, and the record of each.
//!
//! A commit introduces every run whose files differ from those in all its parents' data versions, and the selected
//! run if the selection in `dvc.lock` changed. All of this is derived from `dvc.lock` and DVC's `.dir` objects; if
//! this clone lacks those objects, only what `dvc.lock` itself says is known.

use sha2::{Digest, Sha256};

use super::RunTrailers;
use super::index_facts::{IndexFacts, read_object_of};
use crate::dvc::file_list::FileEntry;
use crate::dvc::hash::{DataVersion, DvcHash as ObjectId};
use crate::formats::json;
use crate::git::Oid;
use crate::project::{DatasetRecord, GitTree, Project, ProjectError, state};
use crate::run::RunKey;
use crate::run::layout::DATASET_INDEX;
use crate::support::text::to_hex;
use crate::validate::IgnoredFinding;
use crate::{history, manifest};

/// What one state introduces over others.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CommitDiff {
    /// The runs, in the dataset's order.
    pub introduced: Vec<RunKey>,
    /// Runs of a parent that do not exist any more.
    pub removed: Vec<RunKey>,
    /// Whether a listing that was needed is not in this clone, so that this may not be all.
    pub partial: bool,
}

/// What `new` introduces over its parents.
pub fn diff_over_parents(
    project: &Project,
    new: Option<&DatasetRecord>,
    parents: &[Option<DatasetRecord>],
) -> Result<CommitDiff, ProjectError> {
    let mut commit_diff = CommitDiff::default();
    let Some(new) = new else { return Ok(commit_diff) };
    let same = |parent: &Option<DatasetRecord>| {
        parent.as_ref().is_some_and(|p| p.version == new.version && p.run_dir == new.run_dir)
    };
    if !parents.is_empty() && parents.iter().all(same) {
        return Ok(commit_diff);
    }
    let mut file_lists = project.file_lists()?;
    match file_lists.diff_against(new.version, parents.iter().flatten().map(|parent| parent.version)).diff {
        Some(diff) => {
            commit_diff.introduced = diff.introduced.into_iter().collect();
            commit_diff.removed = diff.removed.into_iter().collect();
        }
        None => commit_diff.partial = true,
    }
    // A run whose files did not change can be selected again, which is a change too.
    let selection_changed = parents.iter().all(|p| p.as_ref().and_then(|p| p.run_dir.as_ref()) != new.run_dir.as_ref());
    if selection_changed
        && let Some(key) = new.run_dir.as_deref().and_then(|dir| file_lists.find_run(new.version, dir))
        && !commit_diff.introduced.contains(&key)
    {
        commit_diff.introduced.push(key);
    }
    commit_diff.introduced.sort();
    Ok(commit_diff)
}

/// What a commit introduces over its parents; if that cannot be found out in this clone, what its message says.
pub fn diff_commit(project: &Project, commit: &Oid) -> Result<CommitDiff, ProjectError> {
    let new = project.dataset_record(&GitTree::Commit(commit.clone()))?;
    if new.is_none() {
        return Ok(CommitDiff::default());
    }
    let commit = project.repo.read_commit(commit)?;
    if !state::knows_parents(project, &commit)? {
        let trailer_runs = new
            .as_ref()
            .map(|new| list_runs_in_trailers(project, &commit.message, new.version, new.version))
            .transpose()?;
        // The default is never taken: a commit without a lock was returned above.
        return Ok(CommitDiff { introduced: trailer_runs.unwrap_or_default(), partial: true, ..CommitDiff::default() });
    }
    let parents = read_dataset_records(project, &commit.parents)?;
    let mut commit_diff = diff_over_parents(project, new.as_ref(), &parents)?;
    if let Some(new) = new.filter(|_| commit_diff.partial) {
        commit_diff.introduced.extend(list_runs_in_trailers(project, &commit.message, new.version, new.version)?);
        commit_diff.introduced.sort();
        // The selected run may be in the list already.
        commit_diff.introduced.dedup();
    }
    Ok(commit_diff)
}

/// The runs that a commit's message says it introduces with its own data version, without those that `new` is known
/// not to hold.
pub fn list_runs_in_trailers(
    project: &Project,
    message: &[u8],
    own_version: DataVersion,
    new: DataVersion,
) -> Result<Vec<RunKey>, ProjectError> {
    let mut file_lists = project.file_lists()?;
    let own_records = history::parse_trailers(message).into_iter().filter(|record| record.data == own_version);
    let mut runs: Vec<RunKey> = own_records.map(|record| record.run).collect();
    runs.retain(|run| file_lists.run_entries(new, run).is_none_or(|entries| !entries.is_empty()));
    runs.sort();
    runs.dedup();
    Ok(runs)
}

/// What `dvc.lock` records in each of these commits. Lockfiles that cannot be parsed are left out.
pub fn read_dataset_records(project: &Project, commits: &[Oid]) -> Result<Vec<Option<DatasetRecord>>, ProjectError> {
    commits
        .iter()
        .map(|id| match project.dataset_record(&GitTree::Commit(id.clone())) {
            Err(ProjectError::Lockfile(_)) => Ok(None),
            other => other,
        })
        .collect()
}

/// The record of a run that a commit introduces, but for the hash of its files; what this clone has no data for is as the
/// commit says.
pub fn read_run_record_at(
    project: &Project,
    run: &RunKey,
    dataset_record: &DatasetRecord,
    commit: &Oid,
) -> Result<RunTrailers, ProjectError> {
    let mut record = read_run_record(project, run, dataset_record)?;
    if record.config.is_none() || record.manifest.is_none() {
        fill_from_message(project, &mut record, commit)?;
    }
    Ok(record)
}

/// Takes over what a commit says of this run and this data, and the record lacks.
pub fn fill_from_message(project: &Project, record: &mut RunTrailers, commit: &Oid) -> Result<(), ProjectError> {
    let mut own_records = history::parse_trailers(&project.repo.read_commit(commit)?.message).into_iter();
    if let Some(own) = own_records.rfind(|own| own.run == record.run && own.data == record.data) {
        // Row counts are in tags only.
        record.fill_from(&RunTrailers { steps: None, episodes: None, ..own });
    }
    Ok(())
}

/// The record of a run in a data version, but for the hash of its files; what this clone has no data for is left out.
pub fn read_run_record(
    project: &Project,
    run: &RunKey,
    dataset_record: &DatasetRecord,
) -> Result<RunTrailers, ProjectError> {
    // Without the file list, the record holds the data version alone.
    let entries = project.file_lists()?.run_entries(dataset_record.version, run).unwrap_or_default();
    read_record_of_files(project, run, (dataset_record.version, Some(&dataset_record.out_dir)), &entries)
}

/// The record of a run that has these files in a data version, but for their hash, which `run_files` works out. With
/// the dataset's directory, what the cache lacks is read there.
pub fn read_record_of_files(
    project: &Project,
    run: &RunKey,
    (version, out_dir): (DataVersion, Option<&str>),
    entries: &[FileEntry],
) -> Result<RunTrailers, ProjectError> {
    let mut record = RunTrailers::new(run.clone(), version);
    let read = |name: &str| -> Result<Option<Vec<u8>>, ProjectError> {
        let relpath = format!("{run}/{name}");
        let Some(entry) = entries.iter().find(|entry| entry.relpath == relpath) else { return Ok(None) };
        read_object(project, entry.md5, out_dir, &relpath)
    };
    if let Some(bytes) = read("manifest.json")? {
        record.manifest = Some(to_hex(&Sha256::digest(&bytes)));
    }
    if let Some(bytes) = read(DATASET_INDEX)? {
        let facts = IndexFacts::parse(&bytes);
        (record.config, record.steps, record.episodes) = (facts.config, facts.steps, facts.episodes);
    }
    Ok(record)
}

/// What the validation of a run that has these files ignored; `None` if this clone lacks the index that says so.
pub fn read_ignored_findings(
    project: &Project,
    run: &RunKey,
    dataset_record: &DatasetRecord,
    entries: &[FileEntry],
) -> Result<Option<Vec<IgnoredFinding>>, ProjectError> {
    let relpath = format!("{run}/{DATASET_INDEX}");
    let Some(entry) = entries.iter().find(|entry| entry.relpath == relpath) else { return Ok(None) };
    let index = read_object(project, entry.md5, Some(&dataset_record.out_dir), &relpath)?
        .and_then(|bytes| json::parse(&bytes).ok());
    Ok(index.map(|index| manifest::parse_ignored(&index)))
}

/// An object's bytes: from the cache, else from the workspace if the same bytes lie there.
fn read_object(
    project: &Project,
    id: ObjectId,
    out_dir: Option<&str>,
    relpath: &str,
) -> Result<Option<Vec<u8>>, ProjectError> {
    read_object_of(&project.open_cache()?, project.root_files(), id, (out_dir, relpath))
}
