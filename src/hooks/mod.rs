//! What git calls, one file an event, and how the hooks get into a repository.
//!
//! The only room that knows what git passes to hooks. Each event is thin: it looks at the few object ids that tell whether
//! there is anything to do, leaves in milliseconds where there is not, and else calls into `project`. A `post-*` event
//! never fails; what it could not do it says, and notes in `.git/capture-hook/last.json`. Each serves every DVC project of the
//! repository; one that is not checked out is told of as soon as there is something to do for it.

mod last;
mod manager;
mod post_checkout;
mod post_commit;
mod post_rewrite;
mod pre_commit;
mod pre_push;
mod prepare_commit_msg;

use std::ffi::OsString;
use std::io::Read;

pub use post_commit::say as say_tags;

use crate::app::{App, Outcome};
use crate::error::{Error, ExitKind};
use crate::git::Repo;
use crate::project::{ACTIVE, Project};
use crate::setup::{shim, survey};
use crate::sync::{Reach, Synced, size};

/// Runs an event with what git passed to it.
pub fn run(app: &App, event: &str, args: &[OsString]) -> Result<Outcome, Error> {
    if app.env.text("CAPTURE_HOOK") == Some("0") || app.env.get(ACTIVE).is_some() {
        return Ok(Outcome::Done);
    }
    let told = manager::passed(event, args, &app.env, || Repo::open(&app.cwd, &app.env).ok());
    let args = told.as_ref().map_or(args, |told| &told.args);
    if event == "commit-msg"
        && let Err(error) = pre_commit::merged(app)
    {
        last::note(app, event, Some(&error));
        return Err(error);
    }
    let stdin = || told.as_ref().map_or_else(stdin, |told| Ok(told.stdin.clone()));
    let result = match event {
        "pre-commit" => pre_commit::run(app),
        "prepare-commit-msg" => prepare_commit_msg::run(app, args),
        "commit-msg" => prepare_commit_msg::commit_msg(app, args),
        "post-commit" => post_commit::run(app),
        "post-rewrite" => post_rewrite::run(app, &stdin()?),
        "post-checkout" => post_checkout::checkout(app, args),
        "post-merge" => post_checkout::merge(app, args),
        "pre-push" => pre_push::run(app, args, &stdin()?),
        _ => {
            let known = shim::EVENTS.join(", ");
            return Err(
                Error::new(ExitKind::Usage, "usage", format!("no hook `{event}`")).hint(format!("there are: {known}"))
            );
        }
    };
    match result {
        Ok(outcome) => Ok(outcome),
        // The message is worth a warning, not a lost commit: what is missing can be made up for.
        Err(error) if event.starts_with("post-") || event.ends_with("-msg") => {
            last::note(app, event, Some(&error));
            warn(app, event, &error);
            Ok(Outcome::Done)
        }
        Err(error) => {
            last::note(app, event, Some(&error));
            Err(error)
        }
    }
}

/// Tells of a failure that does not fail the event.
fn warn(app: &App, event: &str, error: &Error) {
    app.ui.warn(&format!("{event}: {error}"));
    for cause in error.causes() {
        app.ui.warn(&cause);
    }
    for hint in error.hints() {
        app.ui.hint(hint);
    }
}

/// Warns if git does not call our hooks in this clone: a command that counts on them, or was typed instead of them, ends so.
/// Says whether it is so; what cannot be told is not warned of.
pub fn warn_unreached(app: &App, repo: &Repo) -> bool {
    let Some(missing) = unreached(app, repo) else { return false };
    app.ui.warn(&missing);
    app.ui.hint("`capture-hook install` puts them in place");
    true
}

/// Which of our hooks git does not call in this clone, in words; none if they are turned off on purpose.
#[must_use]
pub fn unreached(app: &App, repo: &Repo) -> Option<String> {
    if app.env.text("CAPTURE_HOOK") == Some("0") {
        return None;
    }
    let events = survey::unreached(repo, &app.binary().ok()?).ok()?;
    if events.len() == shim::EVENTS.len() {
        return Some(
            "git calls no hook of capture-hook in this clone: a commit ingests no run, a push sends no data".into(),
        );
    }
    let named = format!("git does not call these hooks of capture-hook in this clone: {}", events.join(", "));
    (!events.is_empty()).then_some(named)
}

/// Serves every project of the repository in turn. One that fails holds up no other; the last failure is the outcome.
fn each(app: &App, event: &str, serve: impl Fn(&mut Project) -> Result<(), Error>) -> Result<Outcome, Error> {
    let mut failed = None;
    for mut project in app.projects()? {
        if let Err(error) = serve(&mut project)
            && let Some(before) = failed.replace(error)
        {
            warn(app, event, &before);
        }
    }
    failed.map_or(Ok(Outcome::Done), Err)
}

/// All that git sends, read to its end in any case: git must not find the pipe closed.
fn stdin() -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    std::io::stdin()
        .lock()
        .read_to_end(&mut bytes)
        .map_err(|e| Error::new(ExitKind::Io, "io", format!("cannot read what git sends: {e}")))?;
    Ok(bytes)
}

/// Brings the workspace to the checked-out data version, and tells how far that went.
fn follow(app: &App, project: &Project, reach: Reach) -> Result<(), Error> {
    match project.sync(reach, &app.ui)? {
        // What was refused was said.
        Synced::Nothing | Synced::Done { .. } | Synced::Refused { .. } => {}
        Synced::Partly { files, missing } => {
            let size = if missing == u64::MAX { "size unknown".into() } else { size(missing) };
            app.ui.status(&format!(
                "of the dataset are not here: {files} files ({size}); `capture-hook pull` brings them"
            ));
        }
        Synced::Unsaved { kept } => {
            app.ui.warn(&format!("left as they are, with edits that DVC has not saved: {}", some(&kept)));
            app.ui.hint("keep them with `dvc commit`, or drop them with `capture-hook pull --force`");
        }
        Synced::Left { what } => {
            app.ui.warn(&format!("the dataset is left as it is: {what} is more than a hook does"));
            app.ui.hint("`capture-hook pull` does it");
        }
        Synced::Missing { why } => {
            app.ui.warn(&format!("the dataset of this commit is not here: {why}"));
            app.ui.hint("`capture-hook pull` brings it when the DVC remote can be reached");
        }
    }
    last::note(app, "sync", None);
    Ok(())
}

/// The first few of a list.
fn some(names: &[String]) -> String {
    match names {
        [] => "files of the dataset".into(),
        [one, two, three, rest @ ..] if !rest.is_empty() => format!("{one}, {two}, {three} and {} more", rest.len()),
        names => names.join(", "),
    }
}
