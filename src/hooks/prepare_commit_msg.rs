//! prepare-commit-msg: the trailers of the runs that the commit introduces.
//!
//! Our trailers are removed from the message that git passes (an amended commit's, a template, a picked or squashed
//! one's) and added again as they are right for this commit, once each. A commit that introduces no run, with a
//! message that names none, is left alone after a comparison of object ids.

use std::path::Path;

use super::HookContext;
use crate::app::{App, CommandOutcome};
use crate::commit::message;
use crate::error::{Error, ExitKind};
use crate::git::{CommitMessage, Repo, add_trailers};
use crate::history;
use crate::project::Project;
use crate::support::fs;

/// Runs the event: the message's file, then where the message comes from, then of which commit.
pub fn run(hook: &mut HookContext<'_>) -> Result<CommandOutcome, Error> {
    let args = hook.args.clone();
    let Some(file) = args.first() else {
        return Err(Error::new(ExitKind::Usage, "usage", "prepare-commit-msg needs the path of the message file"));
    };
    let app = hook.app;
    let path = app.cwd.join(file);
    let projects = hook.projects()?;
    let Some(Project { repo, .. }) = projects.first() else { return Ok(CommandOutcome::Done) };
    let bytes = fs::read(&path)?;
    let mut message = CommitMessage::parse(&bytes);
    let words: Vec<&str> = args.iter().skip(1).filter_map(|a| a.to_str()).collect();
    let mut all_trailers = Vec::new();
    for project in &*projects {
        all_trailers.extend(message::build_trailers(project, &words, &message, &app.ui)?);
    }
    let trailers = all_trailers;
    let dropped = message.drop_lines(history::is_trailer);
    if trailers.is_empty() && !dropped {
        return Ok(CommandOutcome::Done);
    }
    let new = if trailers.is_empty() { message.to_bytes() } else { add_trailers(repo, &message, &trailers)? };
    // An unchanged file keeps its time, which editors compare.
    if new != bytes {
        fs::write_atomic(&path, &new)?;
    }
    Ok(CommandOutcome::Done)
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
