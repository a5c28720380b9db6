//! post-commit: makes the run tags of a new commit; checks out its data if the commit's data was not made here.

use super::HookContext;
use super::tag_report::{RETAG_LATER, report_tags};
use crate::app::{App, CommandOutcome};
use crate::commit::tags;
use crate::error::Error;
use crate::git::{Commit, GitOperation};
use crate::history::{changes, new_runs};
use crate::project::{self, GitTree, Project, workspace};
use crate::sync::SyncScope;

/// How DVC's own experiment commits are titled.
const EXPERIMENT_SUBJECT: &str = "dvc: commit experiment";

/// Runs the event.
pub fn run(hook: &mut HookContext<'_>) -> Result<CommandOutcome, Error> {
    hook.for_each_project(|app, project| tag_and_sync(app, project))
}

fn tag_and_sync(app: &App, project: &Project) -> Result<(), Error> {
    let Some(head) = project.repo.head()? else { return Ok(()) };
    let commit = project.repo.read_commit(&head)?;
    if project.repo.is_rebasing() || commit.subject().starts_with(EXPERIMENT_SUBJECT) {
        return Ok(());
    }
    if !changes::changes_lockfile(project, &commit)? {
        return warn_left_out(app, project, &commit);
    }
    project::require_checked_out(project)?;
    let last_move = project.repo.last_head_move();
    let move_message = last_move.as_ref().map(|m| m.message.as_str()).unwrap_or_default();
    let replayed = matches!(project.repo.current_operation(), Some(GitOperation::CherryPick | GitOperation::Revert))
        || ["cherry-pick", "revert", "commit (cherry-pick)"].iter().any(|how| move_message.starts_with(how));
    // Where no pre-commit has put the data into the workspace (a pick, a revert, a merge), it follows now.
    if !workspace::is_workspace_at(project, project.data_version_at(&head)?)? {
        super::sync_workspace(app, project, SyncScope::Limited)?;
    }
    if replayed {
        return Ok(());
    }
    let amended = last_move.as_ref().filter(|m| m.message.starts_with("commit (amend)")).map(|m| m.old.clone());
    let tagged = tags::tag_commit(project, &head, amended.as_slice(), &app.ui)
        .map_err(|error| Error::from(error).hint(RETAG_LATER))?;
    report_tags(app, tagged);
    Ok(())
}

/// Warns of a commit that selects a run and does not hold it: our pre-commit did not run.
fn warn_left_out(app: &App, project: &Project, commit: &Commit) -> Result<(), Error> {
    if !changes::changes_params(project, commit)? {
        return Ok(());
    }
    let Ok(state) = project.dataset_state(&GitTree::Commit(commit.id.clone())) else { return Ok(()) };
    let Some(run_dir) = state.run_dir().filter(|_| !state.is_ingested()) else { return Ok(()) };
    app.ui.warn(&format!("the commit selects {run_dir} but does not hold its data: the pre-commit hook did not run"));
    app.ui.hint(&new_runs::advise_commit(project, &project.root.join(run_dir), run_dir));
    app.ui.hint("find out why: `capture-hook doctor`");
    Ok(())
}
