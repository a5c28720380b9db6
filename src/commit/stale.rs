//! Whether a run that `dvc.lock` names must be ingested again, because its directory holds another recording now or
//! `ingest.include` has changed.

use super::CommitRefused;
use crate::dataset::stage::{ResolvedStage, params_file};
use crate::git::GitOperation;
use crate::history::new_runs;
use crate::history::removal::find_removed_selection;
use crate::project::held::{self, RunMatch};
use crate::project::{DatasetState, GitTree, Project, Reporter, state};
use crate::run::include::SETTING_KEY;
use crate::run::layout::RUN_JSON;

/// Whether the commit must ingest the selected run again. What git itself applies (a merge, a revert) is history's, and
/// is not.
pub(crate) fn is_stale(
    project: &Project,
    staged: &DatasetState,
    stage: &ResolvedStage,
    run_dir: &str,
    reporter: &dyn Reporter,
) -> Result<bool, CommitRefused> {
    if project.repo.current_operation().is_some_and(|operation| operation != GitOperation::Bisect) {
        return Ok(false);
    }
    if is_removed(project, staged, stage, run_dir)? {
        return Ok(false);
    }
    if staged.include_matches() {
        return is_recorded_anew(project, staged, stage, run_dir, reporter);
    }
    let is_recorded_here = project.root.join(run_dir).join(RUN_JSON).is_file();
    if !is_recorded_here {
        reporter.show_warning(&format!(
            "{SETTING_KEY} has changed, but {run_dir} is not in this clone, so its data stays as it is"
        ));
    }
    Ok(is_recorded_here)
}

/// Whether the selected run was removed from the dataset, and this commit does not select it anew: then it stays removed.
fn is_removed(
    project: &Project,
    staged: &DatasetState,
    stage: &ResolvedStage,
    run_dir: &str,
) -> Result<bool, CommitRefused> {
    let Some(record) = &staged.record else { return Ok(false) };
    if held::read_reselected_dir(project)?.is_some() {
        return Ok(false);
    }
    let Some(head) = project.repo.head()? else { return Ok(false) };
    let committed = state::resolve_stage(project, &GitTree::Commit(head)).ok().flatten();
    let is_selected_anew = committed.is_none_or(|committed| committed.run_dir != stage.run_dir);
    Ok(!is_selected_anew && find_removed_selection(project, record.version, run_dir)?.is_some())
}

/// Whether the selected directory holds another run than the one that was ingested from it, and this commit takes it:
/// it holds the params file, or `select` was asked.
fn is_recorded_anew(
    project: &Project,
    staged: &DatasetState,
    stage: &ResolvedStage,
    run_dir: &str,
    reporter: &dyn Reporter,
) -> Result<bool, CommitRefused> {
    let was_selected = held::read_reselected_dir(project)?.is_some_and(|dir| dir == run_dir);
    let params = project.git_path(params_file(&stage.stage));
    let committed = match project.repo.head()? {
        Some(head) => project.repo.entry_at(&head, &params)?,
        None => None,
    };
    let in_commit = project.repo.index_entry(&params)?.map(|entry| entry.id) != committed.map(|entry| entry.id);
    let Some(dataset_record) = staged.record.as_ref().filter(|_| was_selected || in_commit) else {
        return Ok(false);
    };
    let comparison = held::match_recorded_run(project, dataset_record.version, run_dir)?;
    let Some(difference) = comparison.mismatch() else {
        if comparison == RunMatch::Unknown {
            reporter.show_warning(&format!(
                "cannot find out whether {run_dir} is in data version {}: its file list is not in this clone",
                dataset_record.version
            ));
            reporter.show_hint("fetch it: `capture-hook pull`");
        }
        held::clear_reselected(project)?;
        return Ok(false);
    };
    // Git looks at the index before the hook does: what is staged here alone makes no commit.
    if !in_commit && project.repo.query_git(["diff", "--cached", "--quiet"])?.success() {
        reporter.show_warning(&format!("{run_dir} was recorded again and is in no commit: {difference}"));
        reporter.show_hint(&new_runs::advise_commit(project, &project.root.join(run_dir), run_dir));
        return Ok(false);
    }
    reporter.show_status(&format!("{run_dir} was recorded again: {difference}"));
    Ok(true)
}
