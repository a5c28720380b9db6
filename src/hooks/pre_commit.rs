//! pre-commit: ingests the index's selected run into the index's data version, or stops the commit.
//!
//! A commit that changes none of `params.yaml`, `dvc.yaml`, `dvc.lock` and `capture-hook.toml` passes after four
//! comparisons of object ids, unless `select` noted that the selected directory holds another run now. A merge must
//! hold the runs of every side; `git merge` calls commit-msg, not pre-commit, when it commits by itself, so this is
//! checked there.

use super::HookContext;
use crate::app::CommandOutcome;
use crate::error::Error;
use crate::git::merged_branches;
use crate::{commit, project};

/// Runs the event.
pub fn run(hook: &mut HookContext<'_>) -> Result<CommandOutcome, Error> {
    let reporter = &hook.app.ui;
    let mut affected = Vec::new();
    for project in hook.projects()? {
        if commit::is_affected(project)? {
            project::require_checked_out(project)?;
            affected.push(project);
        } else {
            commit::check_merged_data(project, reporter)?;
        }
    }
    commit::prepare_commits(&mut affected, reporter)?;
    Ok(CommandOutcome::Done)
}

/// commit-msg, of a merge that `git merge` commits: it names the branches in the environment.
pub fn check_merge(hook: &mut HookContext<'_>) -> Result<(), Error> {
    if merged_branches(&hook.app.env).next().is_some() {
        let reporter = &hook.app.ui;
        for project in hook.projects()? {
            commit::check_merged_data(project, reporter)?;
        }
    }
    Ok(())
}
