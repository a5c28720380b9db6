//! Refuses a commit that drops a run of its parents' datasets, unless the user says that this is intended.

use std::collections::{BTreeSet, HashSet};
use std::path::Path;

use super::{ALLOW_LOSS, CommitRefused, ValidRun};
use crate::dataset::diff::RunDiff;
use crate::dataset::runs::RefusedPath;
use crate::dvc::hash::DataVersion;
use crate::dvc::lockfile;
use crate::git::{GitError, GitOperation};
use crate::history::{loss, rebuilt};
use crate::project::removal_note::RemovalNote;
use crate::project::{self, DatasetRecord, GitTree, Project};
use crate::run::RunKey;

/// No run of HEAD's data version, or of a branch that is being merged, is missing from the staged one.
pub(crate) fn refuse_lost_runs(project: &Project) -> Result<(), CommitRefused> {
    let merge_heads = project.repo.merge_heads()?;
    let parents: Vec<_> = project.repo.head()?.into_iter().chain(merge_heads.iter().cloned()).collect();
    // The user did not ask to fetch.
    let mut fetch_list = |version| {
        if let Ok(dvc) = project.dvc() {
            // Without it, what would be lost is unknown.
            let _ = dvc.read_file_list_unasked(version);
        }
    };
    let loss = loss::find_run_loss(project, &GitTree::Index, &parents, &mut fetch_list)?;
    if (loss.runs.is_empty() && loss.unknown.is_empty()) || loss_is_intended(project)? {
        return Ok(());
    }
    if loss.unknown.is_empty() && is_decided(project, &loss.runs)? {
        return Ok(());
    }
    project::require_checked_out(project)?;
    if !loss.runs.is_empty() {
        let runs = loss.runs.into_iter().collect();
        return Err(match merge_heads.is_empty() {
            true => CommitRefused::Lost { runs },
            false => CommitRefused::LostInMerge { runs, was_in_conflict: was_in_conflict(project)? },
        });
    }
    // Not empty: one of the two lists has entries, and it is not `runs`.
    let version = loss.unknown.first().map(ToString::to_string).unwrap_or_default();
    Err(if merge_heads.is_empty() {
        CommitRefused::Unknown { version }
    } else {
        CommitRefused::UnknownInMerge { version }
    })
}

/// Whether `capture-hook remove` or `resolve` decided that these runs leave by this commit.
fn is_decided(project: &Project, lost: &BTreeSet<RunKey>) -> Result<bool, CommitRefused> {
    let Some(head) = project.repo.head()? else { return Ok(false) };
    let (old, new) = (project.data_version_at(&head)?, project.dataset_record(&GitTree::Index)?);
    let Some((old, new)) = old.zip(new) else { return Ok(false) };
    Ok(RemovalNote::read_of(project, old, new.version)?.is_some_and(|note| lost.is_subset(&note.runs)))
}

/// Whether `dvc.lock` was in conflict, which `git checkout -m` restores.
fn was_in_conflict(project: &Project) -> Result<bool, CommitRefused> {
    let path = project.git_path(lockfile::FILE);
    Ok(project.repo.index_conflicts(true)?.iter().any(|(file, ..)| file == Path::new(&path)))
}

/// What is staged adds nothing to the dataset that no clone would check out. A merged branch's paths are accepted.
pub(super) fn refuse_unsafe_additions(
    project: &Project,
    head: Option<&DatasetRecord>,
    staged: Option<&DatasetRecord>,
) -> Result<(), CommitRefused> {
    let Some(staged) = staged.filter(|staged| head.map(|head| head.version) != Some(staged.version)) else {
        return Ok(());
    };
    // A path that a parent has already cannot be kept out any more; refusing it would block every later commit.
    let mut old_versions: Vec<DataVersion> = head.into_iter().map(|head| head.version).collect();
    for merged in project.repo.merge_heads()? {
        old_versions.extend(project.data_version_at(&merged)?);
    }
    let refused =
        project.file_lists()?.diff_against(staged.version, old_versions).diff.and_then(|mut diff| diff.refused.pop());
    refused.map_or(Ok(()), |refusal| Err(CommitRefused::Refused { refusal }))
}

/// Whether the user allows that runs are dropped, or undoes a commit.
pub(super) fn loss_is_intended(project: &Project) -> Result<bool, GitError> {
    // Read for each commit: `git -c` sets it for one command, and no file should keep it.
    Ok(project.repo.config_bool(ALLOW_LOSS)? == Some(true)
        || project.repo.current_operation() == Some(GitOperation::Revert))
}

/// What the new data version holds differently from the old one; an error if that cannot be known here.
fn diff_versions(project: &Project, old: DataVersion, new: DataVersion) -> Result<RunDiff, CommitRefused> {
    rebuilt::rebuild_file_lists(project, [old, new], None)?;
    let mut file_lists = project.file_lists()?;
    let unknown = [old, new].into_iter().find(|version| file_lists.get(*version).is_none()).unwrap_or(new);
    file_lists.diff_against(new, [old]).diff.ok_or_else(|| CommitRefused::Unknown { version: unknown.to_string() })
}

/// Every run of the old data version but those that were put, or dropped on purpose, is in the new one, with the same
/// files; and nothing has come that no clone checks out.
pub(super) fn check_others_unchanged(
    project: &Project,
    old: DataVersion,
    new: DataVersion,
    ingested: &[ValidRun],
    dropped: &[RefusedPath],
) -> Result<(), CommitRefused> {
    let mut diff = diff_versions(project, old, new)?;
    if let Some(refusal) = diff.refused.pop() {
        return Err(CommitRefused::Refused { refusal });
    }
    diff.removed.retain(|run| dropped.iter().all(|refusal| refusal.path != run.to_string()));
    let mut file_lists = project.file_lists()?;
    let ingested: HashSet<&RunKey> = ingested.iter().map(|run| &run.key).collect();
    let others =
        |runs: BTreeSet<RunKey>| runs.into_iter().filter(|other| !ingested.contains(other)).collect::<Vec<_>>();
    let (lost, mut changed) = (others(diff.removed), others(diff.introduced));
    // Another run may be new, too: several are put one after the other.
    changed.retain(|run| file_lists.run_entries(old, run).is_none_or(|entries| !entries.is_empty()));
    match (lost.is_empty(), changed.is_empty()) {
        (false, _) => Err(CommitRefused::Lost { runs: lost }),
        (true, false) => Err(CommitRefused::Changed { runs: changed }),
        (true, true) => Ok(()),
    }
}
