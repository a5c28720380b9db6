//! post-checkout and post-merge: the workspace follows the data version of what was checked out or merged.

use std::ffi::OsString;

use crate::app::{App, Outcome};
use crate::dvc::lockfile;
use crate::error::Error;
use crate::git::Oid;
use crate::project::{Project, ProjectError, Source};
use crate::sync::Reach;

/// post-checkout: the commit before, the commit after, and `1` where a branch was switched (`0`: files alone).
pub fn checkout(app: &App, args: &[OsString]) -> Result<Outcome, Error> {
    let words: Vec<&str> = args.iter().filter_map(|a| a.to_str()).collect();
    let [old, new, "1"] = words.as_slice() else { return Ok(Outcome::Done) };
    // pre-commit puts unstaged changes aside and back with `git checkout`.
    if app.env.get("_PRE_COMMIT_SKIP_POST_CHECKOUT").is_some() {
        return Ok(Outcome::Done);
    }
    let (Some(old), Some(new)) = (Oid::parse(old), Oid::parse(new)) else { return Ok(Outcome::Done) };
    super::each(app, "post-checkout", |project| checked_out(app, project, &old, &new))
}

fn checked_out(app: &App, project: &mut Project, old: &Oid, new: &Oid) -> Result<(), Error> {
    if old.is_null() {
        // A fresh clone or working tree: the selected run, to start with.
        if project.locked(&Source::WorkTree)?.is_some() {
            project.checked_out()?;
            project.share_cache(&app.ui)?;
            super::follow(app, project, Reach::SelectedRun)?;
        }
        return Ok(());
    }
    let changed = old != new && differs(project, old, new)?;
    if project.repo.rebasing() {
        // What has nothing to replay ends here, and git calls nobody afterwards.
        if changed && project.repo.reaches(new, old)? {
            follow(app, project)?;
        } else if changed {
            project.note_sync_due()?;
        }
        return Ok(());
    }
    if changed || project.sync_due() {
        follow(app, project)?;
    }
    Ok(())
}

/// post-merge: `1` after `git merge --squash`, which commits nothing.
pub fn merge(app: &App, args: &[OsString]) -> Result<Outcome, Error> {
    let squash = args.first().is_some_and(|arg| arg == "1");
    super::each(app, "post-merge", |project| merged(app, project, squash))
}

fn merged(app: &App, project: &mut Project, squash: bool) -> Result<(), Error> {
    let Some(head) = project.repo.head()? else { return Ok(()) };
    let changed = if squash {
        let path = project.git_path(lockfile::FILE);
        project.repo.index_entry(&path)? != project.repo.entry_at(&head, &path)?
    } else {
        match project.repo.find_commit_id("ORIG_HEAD")? {
            Some(before) => differs(project, &before, &head)?,
            None => !project.workspace_is_at(project.version_at(&head)?)?,
        }
    };
    if changed || project.sync_due() {
        follow(app, project)?;
    }
    Ok(())
}

/// The workspace follows, where there is one: a sparse checkout that leaves the whole project out has none.
fn follow(app: &App, project: &mut Project) -> Result<(), Error> {
    if project.locked(&Source::WorkTree)?.is_none() {
        return Ok(());
    }
    project.checked_out()?;
    project.share_cache(&app.ui)?;
    super::follow(app, project, Reach::Limited)
}

/// Whether two commits have different data versions.
fn differs(project: &Project, old: &Oid, new: &Oid) -> Result<bool, ProjectError> {
    let path = project.git_path(lockfile::FILE);
    let known = project.repo.knows_file(old, &path);
    let before = if known { project.repo.entry_at(old, &path)? } else { None };
    let after = project.repo.entry_at(new, &path)?;
    if before.map(|e| e.id) == after.map(|e| e.id) {
        return Ok(false);
    }
    let before = if known { project.version_at(old)? } else { None };
    Ok(before != project.version_at(new)?)
}
