//! post-rewrite: moves run tags after an amend or a rebase, and checks out the data after a rebase.

use super::HookContext;
use crate::app::{App, CommandOutcome};
use crate::commit::tag_moves;
use crate::error::Error;
use crate::git::Oid;
use crate::history::changes;
use crate::project::{self, Project, ProjectError, workspace};
use crate::sync::SyncScope;

/// Runs the event with the pairs that git sends: old commit, new commit, a line each.
pub fn run(hook: &mut HookContext<'_>) -> Result<CommandOutcome, Error> {
    let stdin = hook.read_stdin()?;
    hook.for_each_project(|app, project| retag_and_sync(app, project, &stdin))
}

fn retag_and_sync(app: &App, project: &Project, stdin: &[u8]) -> Result<(), Error> {
    let text = String::from_utf8_lossy(stdin);
    let pairs = text.lines().filter_map(|line| {
        let mut words = line.split_ascii_whitespace();
        Some((Oid::parse(words.next()?)?, Oid::parse(words.next()?)?))
    });
    let mut affected = Vec::new();
    for (old, new) in pairs {
        if changes_lockfile(project, &old)? || changes_lockfile(project, &new)? {
            affected.push((old, new));
        }
    }
    if !affected.is_empty() {
        project::require_checked_out(project)?;
        super::report_tags(app, tag_moves::retag_commits(project, &affected, &app.ui)?);
    }
    if workspace::is_sync_pending(project) || (!affected.is_empty() && project.repo.is_rebasing()) {
        super::sync_workspace(app, project, SyncScope::Limited)?;
    }
    Ok(())
}

fn changes_lockfile(project: &Project, commit: &Oid) -> Result<bool, ProjectError> {
    changes::changes_lockfile(project, &project.repo.read_commit(commit)?)
}
