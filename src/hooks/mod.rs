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

pub use post_commit::report_tags as say_tags;

use crate::app::{App, CommandOutcome};
use crate::error::{Error, ExitKind};
use crate::git::Repo;
use crate::project::{ACTIVE_VAR, Project};
use crate::setup::{shim, survey};
use crate::support::text::format_bytes;
use crate::sync::{self, SyncOutcome, SyncScope};

/// Runs an event with what git passed to it.
pub fn run(app: &App, event: &str, args: &[OsString]) -> Result<CommandOutcome, Error> {
    if app.env.get_str("CAPTURE_HOOK") == Some("0") || app.env.get(ACTIVE_VAR).is_some() {
        return Ok(CommandOutcome::Done);
    }
    let input = manager::restore_hook_input(event, args, &app.env, || Repo::open(&app.cwd, &app.env).ok());
    let args = input.as_ref().map_or(args, |input| &input.args);
    if event == "commit-msg"
        && let Err(error) = pre_commit::check_merge(app)
    {
        last::write_last_event(app, event, Some(&error));
        return Err(error);
    }
    let read_input = || input.as_ref().map_or_else(read_stdin, |input| Ok(input.stdin.clone()));
    let result = match event {
        "pre-commit" => pre_commit::run(app),
        "prepare-commit-msg" => prepare_commit_msg::run(app, args),
        "commit-msg" => prepare_commit_msg::commit_msg(app, args),
        "post-commit" => post_commit::run(app),
        "post-rewrite" => post_rewrite::run(app, &read_input()?),
        "post-checkout" => post_checkout::run_post_checkout(app, args),
        "post-merge" => post_checkout::run_post_merge(app, args),
        "pre-push" => pre_push::run(app, args, &read_input()?),
        _ => {
            let events = shim::EVENTS.join(", ");
            return Err(
                Error::new(ExitKind::Usage, "usage", format!("no hook `{event}`")).hint(format!("there are: {events}"))
            );
        }
    };
    match result {
        Ok(outcome) => Ok(outcome),
        // The message is worth a warning, not a lost commit: what is missing can be made up for.
        Err(error) if event.starts_with("post-") || event.ends_with("-msg") => {
            last::write_last_event(app, event, Some(&error));
            warn_failure(app, event, &error);
            Ok(CommandOutcome::Done)
        }
        Err(error) => {
            last::write_last_event(app, event, Some(&error));
            Err(error)
        }
    }
}

/// Tells of a failure that does not fail the event.
fn warn_failure(app: &App, event: &str, error: &Error) {
    app.ui.warn(&format!("{event}: {error}"));
    for cause in error.cause_messages() {
        app.ui.warn(&cause);
    }
    for hint in error.hints() {
        app.ui.hint(hint);
    }
}

/// Warns if git does not call our hooks in this clone: a command that counts on them, or was typed instead of them, ends so.
/// Says whether it is so; what cannot be told is not warned of.
pub fn warn_unreached(app: &App, repo: &Repo) -> bool {
    let Some(message) = describe_unreached(app, repo) else { return false };
    app.ui.warn(&message);
    app.ui.hint("`capture-hook install` puts them in place");
    true
}

/// Which of our hooks git does not call in this clone, in words; none if they are turned off on purpose.
#[must_use]
pub fn describe_unreached(app: &App, repo: &Repo) -> Option<String> {
    if app.env.get_str("CAPTURE_HOOK") == Some("0") {
        return None;
    }
    let events = survey::unreached_events(repo, &app.binary_path().ok()?).ok()?;
    if events.len() == shim::EVENTS.len() {
        return Some(
            "git calls no hook of capture-hook in this clone: a commit ingests no run, a push sends no data".into(),
        );
    }
    let message = format!("git does not call these hooks of capture-hook in this clone: {}", events.join(", "));
    (!events.is_empty()).then_some(message)
}

/// Serves every project of the repository in turn. One that fails holds up no other; the last failure is the outcome.
fn for_each_project(
    app: &App,
    event: &str,
    serve: impl Fn(&mut Project) -> Result<(), Error>,
) -> Result<CommandOutcome, Error> {
    let mut failed = None;
    for mut project in app.open_projects()? {
        if let Err(error) = serve(&mut project)
            && let Some(earlier) = failed.replace(error)
        {
            warn_failure(app, event, &earlier);
        }
    }
    failed.map_or(Ok(CommandOutcome::Done), Err)
}

/// All that git sends, read to its end in any case: git must not find the pipe closed.
fn read_stdin() -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    std::io::stdin()
        .lock()
        .read_to_end(&mut bytes)
        .map_err(|e| Error::new(ExitKind::Io, "io", format!("cannot read what git sends: {e}")))?;
    Ok(bytes)
}

/// Brings the workspace to the checked-out data version, and tells how far that went.
fn sync_workspace(app: &App, project: &Project, reach: SyncScope) -> Result<(), Error> {
    match sync::sync_workspace(project, reach, &app.ui)? {
        // What was refused was said.
        SyncOutcome::NoDataset | SyncOutcome::Done { .. } | SyncOutcome::Refused { .. } => {}
        SyncOutcome::Partial { files, missing } => {
            let size = if missing == u64::MAX { "size unknown".into() } else { format_bytes(missing) };
            app.ui.status(&format!(
                "of the dataset are not here: {files} files ({size}); `capture-hook pull` brings them"
            ));
        }
        SyncOutcome::LocalChanges { files: local_changes } => {
            app.ui.warn(&format!(
                "left as they are, with edits that DVC has not saved: {}",
                join_first_names(&local_changes)
            ));
            app.ui.hint("keep them with `dvc commit`, or drop them with `capture-hook pull --force`");
        }
        SyncOutcome::TooLarge { reason: what } => {
            app.ui.warn(&format!("the dataset is left as it is: {what} is more than a hook does"));
            app.ui.hint("`capture-hook pull` does it");
        }
        SyncOutcome::Missing { why, .. } => {
            app.ui.warn(&format!("the dataset of this commit is not here: {why}"));
            app.ui.hint("`capture-hook pull` brings it when the DVC remote can be reached");
        }
    }
    last::write_last_event(app, "sync", None);
    Ok(())
}

/// The first few of a list.
fn join_first_names(names: &[String]) -> String {
    match names {
        [] => "files of the dataset".into(),
        [one, two, three, rest @ ..] if !rest.is_empty() => format!("{one}, {two}, {three} and {} more", rest.len()),
        names => names.join(", "),
    }
}
