//! post-rewrite: run tags follow an amend or a rebase; after a rebase the workspace follows too.

use crate::app::{App, Outcome};
use crate::dvc::lockfile;
use crate::error::Error;
use crate::git::Oid;
use crate::project::{Project, ProjectError};
use crate::sync::Reach;

/// Runs the event with the pairs that git sends: old commit, new commit, a line each.
pub fn run(app: &App, stdin: &[u8]) -> Result<Outcome, Error> {
    super::each(app, "post-rewrite", |project| retag_and_follow(app, project, stdin))
}

fn retag_and_follow(app: &App, project: &Project, stdin: &[u8]) -> Result<(), Error> {
    let text = String::from_utf8_lossy(stdin);
    let pairs = text.lines().filter_map(|line| {
        let mut words = line.split_ascii_whitespace();
        Some((Oid::parse(words.next()?)?, Oid::parse(words.next()?)?))
    });
    let mut concerned = Vec::new();
    for (old, new) in pairs {
        if changes_lock(project, &old)? || changes_lock(project, &new)? {
            concerned.push((old, new));
        }
    }
    if !concerned.is_empty() {
        project.checked_out()?;
        super::post_commit::say(app, project.retag(&concerned, &app.ui)?);
    }
    if project.sync_due() || (!concerned.is_empty() && project.repo.rebasing()) {
        super::follow(app, project, Reach::Limited)?;
    }
    Ok(())
}

fn changes_lock(project: &Project, id: &Oid) -> Result<bool, ProjectError> {
    let path = project.git_path(lockfile::FILE);
    let own = project.repo.entry_at(id, &path)?;
    match project.repo.commit(id)?.parents.first() {
        Some(parent) if project.repo.knows_file(parent, &path) => Ok(project.repo.entry_at(parent, &path)? != own),
        _ => Ok(own.is_some()),
    }
}
