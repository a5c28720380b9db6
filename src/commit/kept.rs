//! That a commit drops no run of its parents' datasets, unless the user says that it is on purpose.

use std::path::Path;

use super::{CommitRefused, loss_is_intended};
use crate::dvc::lockfile;
use crate::dvc::remote::fetch;
use crate::history::loss;
use crate::project::{GitTree, Project};

/// An error if the merge that is being concluded drops runs. Hooks ask where the merge changes nothing else of ours.
pub fn refuse_runs_lost_in_merge(project: &Project) -> Result<(), CommitRefused> {
    if loss::merges_data(project)? { refuse_lost_runs(project) } else { Ok(()) }
}

/// No run of HEAD's data version, or of a branch that is being merged, is missing from the staged one.
pub(crate) fn refuse_lost_runs(project: &Project) -> Result<(), CommitRefused> {
    let merge_heads = project.repo.merge_heads()?;
    let parents: Vec<_> = project.repo.head()?.into_iter().chain(merge_heads.iter().cloned()).collect();
    // Nobody asked to fetch.
    let mut fetch_list = |version| {
        if let Ok(settings) = project.dvc_settings() {
            // Without it, what would be lost is unknown.
            let _ = fetch::read_file_list_unasked(&project.root, settings, version, || project.find_dvc());
        }
    };
    let loss = loss::find_run_loss(project, &GitTree::Index, &parents, &mut fetch_list)?;
    if (loss.runs.is_empty() && loss.unknown.is_empty()) || loss_is_intended(project)? {
        return Ok(());
    }
    project.require_checked_out()?;
    if !loss.runs.is_empty() {
        let runs = loss.runs.into_iter().collect();
        return Err(match merge_heads.is_empty() {
            true => CommitRefused::Lost { runs },
            false => CommitRefused::LostInMerge { runs, was_in_conflict: was_in_conflict(project)? },
        });
    }
    let version = loss.unknown.first().map(ToString::to_string).unwrap_or_default();
    Err(if merge_heads.is_empty() {
        CommitRefused::Unknown { version }
    } else {
        CommitRefused::UnknownInMerge { version }
    })
}

/// Whether `dvc.lock` was in conflict, which `git checkout -m` brings back.
fn was_in_conflict(project: &Project) -> Result<bool, CommitRefused> {
    let path = project.git_path(lockfile::FILE);
    Ok(project.repo.index_conflicts(true)?.iter().any(|(file, ..)| file == Path::new(&path)))
}
