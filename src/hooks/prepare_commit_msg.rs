//! prepare-commit-msg: the trailers of the runs that the commit will bring.
//!
//! Ours are taken out of whatever message git hands over (an amended commit's, a template, a picked or squashed one's) and
//! put back as they are true for this commit: once each, however the message came about. A commit that brings no run, with
//! a message that names none, is left alone after a comparison of object ids.

use std::ffi::OsString;
use std::path::Path;

use crate::app::{App, Outcome};
use crate::dvc::lockfile;
use crate::error::{Error, ExitKind};
use crate::git::{Message, Oid, Repo, add_trailers};
use crate::history;
use crate::project::{Project, ProjectError, Source};
use crate::support::fs;

/// Runs the event: the message's file, then where the message comes from, then of which commit.
pub fn run(app: &App, args: &[OsString]) -> Result<Outcome, Error> {
    let Some(file) = args.first() else {
        return Err(Error::new(ExitKind::Usage, "usage", "prepare-commit-msg needs the message's file"));
    };
    let projects = app.projects()?;
    let Some(Project { repo, .. }) = projects.first() else { return Ok(Outcome::Done) };
    let path = app.cwd.join(file);
    let bytes = fs::read(&path)?;
    let mut message = Message::parse(&bytes);
    let words: Vec<&str> = args.iter().skip(1).filter_map(|a| a.to_str()).collect();
    let mut all = Vec::new();
    for project in &projects {
        all.extend(trailers(project, &words, &message)?);
    }
    let trailers = all;
    let dropped = message.drop_lines(history::is_trailer);
    if trailers.is_empty() && !dropped {
        return Ok(Outcome::Done);
    }
    let new = if trailers.is_empty() { message.to_bytes() } else { add_trailers(repo, &message, &trailers)? };
    if new != bytes {
        fs::write_atomic(&path, &new)?;
    }
    Ok(Outcome::Done)
}

/// The trailers that are true for the commit in the making.
fn trailers(project: &Project, words: &[&str], message: &Message) -> Result<Vec<String>, Error> {
    let repo = &project.repo;
    let head = repo.head()?;
    let path = project.git_path(lockfile::FILE);
    let staged = repo.index_entry(&path)?.map(|e| e.id);
    let at = |id: &Oid| -> Result<Option<Oid>, ProjectError> { Ok(repo.entry_at(id, &path)?.map(|e| e.id)) };
    let mut parents: Vec<Oid> = head.iter().cloned().chain(repo.merge_heads()?).collect();
    // The commit that is amended over parents which a shallow or partial clone does not know: what it brought, it says.
    let mut over = None;
    if let Some(head) = &head {
        // Whether this amends matters only where HEAD itself brought something.
        let own = repo.commit(head)?;
        let is_known = project.knows_parents(&own)?;
        let mut brings = !is_known || (own.parents.is_empty() && at(head)?.is_some());
        for parent in own.parents.iter().filter(|_| is_known) {
            brings |= at(parent)? != at(head)?;
        }
        if brings && amending(repo, words) {
            if is_known {
                parents = own.parents;
            } else {
                // What git amends at a shallow clone's end has no parents any more.
                parents.retain(|_| !own.parents.is_empty());
                over = Some(own);
            }
        }
    }
    let mut same = over.is_none() && (!parents.is_empty() || staged.is_none());
    for parent in &parents {
        same &= project.knows(parent) && at(parent)? == staged;
    }
    if same {
        return Ok(Vec::new());
    }
    let Some(new) = project.locked(&Source::Index)? else { return Ok(Vec::new()) };
    project.checked_out()?;
    let known: Vec<Oid> = parents.into_iter().filter(|id| project.knows(id)).collect();
    let mut brought = project.brought(Some(&new), &project.locked_at_all(&known)?)?;
    let mut old = history::parse(&message.body);
    if let Some(over) = over
        && let Some(own) = project.version_at(&over.id)?
    {
        brought.runs.extend(project.told_runs(&over.message, own, new.version)?);
        brought.runs.sort();
        brought.runs.dedup();
        // With `--amend -m`, the message is another one.
        old.extend(history::parse(&over.message));
    }
    let mut records = Vec::new();
    for run in &brought.runs {
        let mut record = project.record(run, &new)?;
        // What this clone has no data for, an earlier message may know.
        if let Some(old) = old.iter().find(|old| old.run == *run && old.data == new.version) {
            record.config = record.config.or_else(|| old.config.clone());
            record.manifest = record.manifest.or_else(|| old.manifest.clone());
        }
        records.push(record);
    }
    if brought.partial {
        let kept = old.into_iter().filter(|old| old.data == new.version && !brought.runs.contains(&old.run));
        records.extend(kept);
    }
    Ok(records.iter().flat_map(history::Record::trailers).collect())
}

/// Whether HEAD is about to be replaced. Git says so by `commit HEAD`, unless a message was given (`--amend -m`): then its
/// command line tells, and in a rebase the step that it is at.
fn amending(repo: &Repo, words: &[&str]) -> bool {
    match repo.caller().filter(|call| call.command == "commit") {
        Some(call) => call.amends(),
        None => words == ["commit", "HEAD"] || (repo.rebasing() && repo.squashing()),
    }
}

/// commit-msg: a message in which nothing but our trailers stands is an empty one, and git is to treat it so.
pub fn commit_msg(app: &App, args: &[OsString]) -> Result<Outcome, Error> {
    let Some(path) = args.first().map(|file| app.cwd.join(file)) else { return Ok(Outcome::Done) };
    empty_again(app, &path)
}

fn empty_again(app: &App, path: &Path) -> Result<Outcome, Error> {
    let bytes = fs::read(path)?;
    let mut message = Message::parse(&bytes);
    if !message.drop_lines(history::is_trailer) {
        return Ok(Outcome::Done);
    }
    let repo = Repo::open(&app.cwd, &app.env)?;
    if message.says_nothing(&repo.comment_mark()?) {
        fs::write_atomic(path, &message.to_bytes())?;
    }
    Ok(Outcome::Done)
}
