//! prepare-commit-msg: the trailers of the runs that the commit will bring.
//!
//! Ours are taken out of whatever message git hands over (an amended commit's, a template, a picked or squashed one's) and
//! put back as they are true for this commit: once each, however the message came about. A commit that brings no run, with
//! a message that names none, is left alone after a comparison of object ids.

use std::path::Path;

use super::HookContext;
use crate::app::{App, CommandOutcome};
use crate::dvc::lockfile;
use crate::error::{Error, ExitKind};
use crate::git::{CommitMessage, Oid, Repo, add_trailers};
use crate::history;
use crate::history::introduced;
use crate::project::state;
use crate::project::{self, GitTree, Project, ProjectError};
use crate::support::fs;

/// Runs the event: the message's file, then where the message comes from, then of which commit.
pub fn run(hook: &mut HookContext<'_>) -> Result<CommandOutcome, Error> {
    let args = hook.args.clone();
    let Some(file) = args.first() else {
        return Err(Error::new(ExitKind::Usage, "usage", "prepare-commit-msg needs the message's file"));
    };
    let path = hook.app.cwd.join(file);
    let projects = hook.projects()?;
    let Some(Project { repo, .. }) = projects.first() else { return Ok(CommandOutcome::Done) };
    let bytes = fs::read(&path)?;
    let mut message = CommitMessage::parse(&bytes);
    let words: Vec<&str> = args.iter().skip(1).filter_map(|a| a.to_str()).collect();
    let mut all_trailers = Vec::new();
    for project in &*projects {
        all_trailers.extend(build_trailers(project, &words, &message)?);
    }
    let trailers = all_trailers;
    let dropped = message.drop_lines(history::is_trailer);
    if trailers.is_empty() && !dropped {
        return Ok(CommandOutcome::Done);
    }
    let new = if trailers.is_empty() { message.to_bytes() } else { add_trailers(repo, &message, &trailers)? };
    if new != bytes {
        fs::write_atomic(&path, &new)?;
    }
    Ok(CommandOutcome::Done)
}

/// The trailers that are true for the commit in the making.
fn build_trailers(project: &Project, words: &[&str], message: &CommitMessage) -> Result<Vec<String>, Error> {
    let repo = &project.repo;
    let head = repo.head()?;
    let path = project.git_path(lockfile::FILE);
    let staged = repo.index_entry(&path)?.map(|e| e.id);
    let entry_id = |id: &Oid| -> Result<Option<Oid>, ProjectError> { Ok(repo.entry_at(id, &path)?.map(|e| e.id)) };
    let mut parents: Vec<Oid> = head.iter().cloned().chain(repo.merge_heads()?).collect();
    // The commit that is amended over parents which a shallow or partial clone does not know: what it brought, it says.
    let mut amended = None;
    if let Some(head) = &head {
        // Whether this amends matters only where HEAD itself brought something.
        let own = repo.read_commit(head)?;
        let is_known = state::knows_parents(project, &own)?;
        let mut introduces_data = !is_known || (own.parents.is_empty() && entry_id(head)?.is_some());
        for parent in own.parents.iter().filter(|_| is_known) {
            introduces_data |= entry_id(parent)? != entry_id(head)?;
        }
        if introduces_data && is_amending(repo, words) {
            if is_known {
                parents = own.parents;
            } else {
                // What git amends at a shallow clone's end has no parents any more.
                parents.retain(|_| !own.parents.is_empty());
                amended = Some(own);
            }
        }
    }
    let mut is_unchanged = amended.is_none() && (!parents.is_empty() || staged.is_none());
    for parent in &parents {
        is_unchanged &= state::knows_lockfile(project, parent) && entry_id(parent)? == staged;
    }
    if is_unchanged {
        return Ok(Vec::new());
    }
    let Some(staged_record) = project.dataset_record(&GitTree::Index)? else { return Ok(Vec::new()) };
    project::require_checked_out(project)?;
    let known: Vec<Oid> = parents.into_iter().filter(|id| state::knows_lockfile(project, id)).collect();
    let mut diff = introduced::diff_over_parents(
        project,
        Some(&staged_record),
        &introduced::read_dataset_records(project, &known)?,
    )?;
    let mut old = history::parse_trailers(&message.body);
    if let Some(amended) = amended
        && let Some(own) = project.data_version_at(&amended.id)?
    {
        diff.introduced.extend(introduced::list_runs_in_trailers(
            project,
            &amended.message,
            own,
            staged_record.version,
        )?);
        diff.introduced.sort();
        diff.introduced.dedup();
        // With `--amend -m`, the message is another one.
        old.extend(history::parse_trailers(&amended.message));
    }
    let mut records = Vec::new();
    for run in &diff.introduced {
        let mut record = introduced::read_run_record(project, run, &staged_record)?;
        // What this clone has no data for, an earlier message may know.
        if let Some(old) = old.iter().find(|old| old.run == *run && old.data == staged_record.version) {
            record.config = record.config.or_else(|| old.config.clone());
            record.manifest = record.manifest.or_else(|| old.manifest.clone());
        }
        records.push(record);
    }
    if diff.partial {
        let kept_records =
            old.into_iter().filter(|old| old.data == staged_record.version && !diff.introduced.contains(&old.run));
        records.extend(kept_records);
    }
    Ok(records.iter().flat_map(history::RunTrailers::trailer_lines).collect())
}

/// Whether HEAD is about to be replaced. Git says so by `commit HEAD`, unless a message was given (`--amend -m`): then its
/// command line tells, and in a rebase the step that it is at.
fn is_amending(repo: &Repo, words: &[&str]) -> bool {
    match repo.find_caller().filter(|call| call.command == "commit") {
        Some(call) => call.is_amend(),
        None => words == ["commit", "HEAD"] || (repo.is_rebasing() && repo.is_squashing()),
    }
}

/// commit-msg: a message in which nothing but our trailers stands is an empty one, and git is to treat it so.
pub fn commit_msg(hook: &HookContext<'_>) -> Result<CommandOutcome, Error> {
    let Some(path) = hook.args.first().map(|file| hook.app.cwd.join(file)) else { return Ok(CommandOutcome::Done) };
    clear_if_only_trailers(hook.app, &path)
}

fn clear_if_only_trailers(app: &App, path: &Path) -> Result<CommandOutcome, Error> {
    let bytes = fs::read(path)?;
    let mut message = CommitMessage::parse(&bytes);
    if !message.drop_lines(history::is_trailer) {
        return Ok(CommandOutcome::Done);
    }
    let repo = Repo::open(&app.cwd, &app.env)?;
    if message.is_blank(&repo.comment_mark()?) {
        fs::write_atomic(path, &message.to_bytes())?;
    }
    Ok(CommandOutcome::Done)
}
