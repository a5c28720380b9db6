//! post-checkout and post-merge: check out the data version of the commit that was checked out or merged.

use super::HookContext;
use crate::app::{App, CommandOutcome};
use crate::error::Error;
use crate::git::Oid;
use crate::history::changes;
use crate::project::{self, GitTree, Project, workspace};
use crate::setup::worktree;
use crate::sync::SyncScope;

/// post-checkout: the commit before, the commit after, and `1` if a branch was switched (`0`: only files).
pub fn run_post_checkout(hook: &mut HookContext<'_>) -> Result<CommandOutcome, Error> {
    let words: Vec<&str> = hook.args.iter().filter_map(|a| a.to_str()).collect();
    // `git checkout -- FILE` changes no commit; what it did to `dvc.lock` is local work.
    let [old, new, "1"] = words.as_slice() else { return Ok(CommandOutcome::Done) };
    // pre-commit puts unstaged changes aside and back with `git checkout`.
    if hook.app.env.get("_PRE_COMMIT_SKIP_POST_CHECKOUT").is_some() {
        return Ok(CommandOutcome::Done);
    }
    let (Some(old), Some(new)) = (Oid::parse(old), Oid::parse(new)) else { return Ok(CommandOutcome::Done) };
    hook.for_each_project(|app, project| sync_after_checkout(app, project, &old, &new))
}

fn sync_after_checkout(app: &App, project: &mut Project, old: &Oid, new: &Oid) -> Result<(), Error> {
    if old.is_null() {
        // A fresh clone or working tree: the selected run, to start with.
        if project.dataset_record(&GitTree::WorkTree)?.is_some() {
            project::require_checked_out(project)?;
            worktree::share_cache(project, &app.ui)?;
            super::sync_workspace(app, project, SyncScope::SelectedRun)?;
        }
        return Ok(());
    }
    let changed = old != new && changes::data_version_differs(project, old, new)?;
    if project.repo.is_rebasing() {
        // A rebase with nothing to replay ends here, and git calls no hook afterwards.
        if changed && project.repo.has_ancestor(new, old)? {
            sync_if_ingested(app, project)?;
        } else if changed {
            workspace::mark_sync_pending(project)?;
        }
        return Ok(());
    }
    if changed || workspace::is_sync_pending(project) {
        sync_if_ingested(app, project)?;
    }
    Ok(())
}

/// post-merge: `1` after `git merge --squash`, which commits nothing.
pub fn run_post_merge(hook: &mut HookContext<'_>) -> Result<CommandOutcome, Error> {
    let squash = hook.args.first().is_some_and(|arg| arg == "1");
    hook.for_each_project(|app, project| sync_after_merge(app, project, squash))
}

fn sync_after_merge(app: &App, project: &mut Project, squash: bool) -> Result<(), Error> {
    let Some(head) = project.repo.head()? else { return Ok(()) };
    let changed = if squash {
        changes::lockfile_is_staged(project, &head)?
    } else {
        match project.repo.find_commit_id("ORIG_HEAD")? {
            Some(before) => changes::data_version_differs(project, &before, &head)?,
            None => !workspace::is_workspace_at(project, project.data_version_at(&head)?)?,
        }
    };
    if changed || workspace::is_sync_pending(project) {
        sync_if_ingested(app, project)?;
    }
    Ok(())
}

/// The workspace follows, if there is one: a sparse checkout that leaves the whole project out has none.
fn sync_if_ingested(app: &App, project: &mut Project) -> Result<(), Error> {
    if project.dataset_record(&GitTree::WorkTree)?.is_none() {
        return Ok(());
    }
    project::require_checked_out(project)?;
    worktree::share_cache(project, &app.ui)?;
    super::sync_workspace(app, project, SyncScope::Limited)
}
