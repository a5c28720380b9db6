//! What git calls, one file per event.
//!
//! The only room that knows what git passes to hooks. Each event compares the few object ids that show whether there
//! is anything to do, exits within milliseconds if not, and else calls the rooms below. A `post-*` event never fails;
//! what it could not do it reports, and writes to `.git/capture-hook/last.json`. Each event serves every DVC project
//! of the repository; one that is not checked out is reported as soon as there is something to do for it.

mod last;
mod manager;
mod post_checkout;
mod post_commit;
mod post_rewrite;
mod pre_commit;
mod pre_push;
mod prepare_commit_msg;
mod tag_report;

use std::ffi::OsString;
use std::io::Read;

pub use tag_report::report_tags;

use crate::app::{App, CommandOutcome};
use crate::error::{Error, ExitKind};
use crate::git::Repo;
use crate::project::{ACTIVE_VAR, Project};
use crate::setup::{shim, survey};
use crate::support::text::format_bytes;
use crate::sync::{self, SyncOutcome, SyncScope};

/// Runs an event with what git passed to it.
pub fn run(app: &App, event: &str, args: &[OsString]) -> Result<CommandOutcome, Error> {
    let Some(mut hook) = HookContext::enter(app, event, args) else { return Ok(CommandOutcome::Done) };
    if event == "commit-msg"
        && let Err(error) = pre_commit::check_merge(&mut hook)
    {
        return hook.fail(error);
    }
    let result = match event {
        "pre-commit" => pre_commit::run(&mut hook),
        "prepare-commit-msg" => prepare_commit_msg::run(&mut hook),
        "commit-msg" => prepare_commit_msg::commit_msg(&hook),
        "post-commit" => post_commit::run(&mut hook),
        "post-rewrite" => post_rewrite::run(&mut hook),
        "post-checkout" => post_checkout::run_post_checkout(&mut hook),
        "post-merge" => post_checkout::run_post_merge(&mut hook),
        "pre-push" => pre_push::run(&mut hook),
        _ => {
            let events = shim::EVENTS.join(", ");
            return Err(Error::new(ExitKind::Usage, "usage", format!("no hook `{event}`"))
                .hint(format!("known hooks: {events}")));
        }
    };
    hook.finish(result)
}

/// An event, what its caller passed, and the projects that it serves.
struct HookContext<'a> {
    app: &'a App,
    event: &'a str,
    args: Vec<OsString>,
    /// What a framework that called us passes on in place of git's standard input.
    stdin: Option<Vec<u8>>,
    /// Opened when the event first asks for them: most of the time there is nothing to do.
    projects: Option<Vec<Project>>,
}

impl<'a> HookContext<'a> {
    /// `None` if hooks are turned off, or if we caused the event ourselves.
    fn enter(app: &'a App, event: &'a str, args: &[OsString]) -> Option<Self> {
        // A git that our own hook started calls hooks again: the outer one does the work.
        if app.env.get_str("CAPTURE_HOOK") == Some("0") || app.env.get(ACTIVE_VAR).is_some() {
            return None;
        }
        let restored = manager::restore_hook_input(event, args, &app.env, || Repo::open(&app.cwd, &app.env).ok());
        let (args, stdin) = match restored {
            Some(input) => (input.args, Some(input.stdin)),
            None => (args.to_vec(), None),
        };
        Some(Self { app, event, args, stdin, projects: None })
    }

    /// Every project of the repository.
    fn projects(&mut self) -> Result<&mut Vec<Project>, Error> {
        if self.projects.is_none() {
            self.projects = Some(self.app.open_projects()?);
        }
        Ok(self.projects.get_or_insert_with(Vec::new))
    }

    /// All that git sends, read to its end in any case: git must not find the pipe closed.
    fn read_stdin(&self) -> Result<Vec<u8>, Error> {
        if let Some(stdin) = &self.stdin {
            return Ok(stdin.clone());
        }
        let mut bytes = Vec::new();
        std::io::stdin()
            .lock()
            .read_to_end(&mut bytes)
            .map_err(|e| Error::new(ExitKind::Io, "io", format!("cannot read what git sends: {e}")))?;
        Ok(bytes)
    }

    /// Serves every project of the repository in turn. One that fails stops no other; the last failure is the
    /// outcome.
    fn for_each_project(
        &mut self,
        serve: impl Fn(&App, &mut Project) -> Result<(), Error>,
    ) -> Result<CommandOutcome, Error> {
        let (app, event) = (self.app, self.event);
        let mut failed = None;
        for project in self.projects()? {
            if let Err(error) = serve(app, project)
                && let Some(earlier) = failed.replace(error)
            {
                warn_failure(app, event, &earlier);
            }
        }
        failed.map_or(Ok(CommandOutcome::Done), Err)
    }

    /// Ends the event. A failure is noted; it fails the event, unless the commit is already made or only its message
    /// failed.
    fn finish(self, result: Result<CommandOutcome, Error>) -> Result<CommandOutcome, Error> {
        match result {
            // The message is worth a warning, not a lost commit: what is missing can be added later.
            Err(error) if self.event.starts_with("post-") || self.event.ends_with("-msg") => {
                self.note_failure(&error);
                warn_failure(self.app, self.event, &error);
                Ok(CommandOutcome::Done)
            }
            Err(error) => self.fail(error),
            Ok(outcome) => Ok(outcome),
        }
    }

    /// Fails the event.
    fn fail(self, error: Error) -> Result<CommandOutcome, Error> {
        self.note_failure(&error);
        Err(error)
    }

    fn note_failure(&self, error: &Error) {
        let state_dir = match self.projects.as_ref().and_then(|projects| projects.first()) {
            Some(project) => Some(project.state_dir()),
            None => Repo::open(&self.app.cwd, &self.app.env).ok().map(|repo| repo.state_dir()),
        };
        if let Some(dir) = state_dir {
            last::write_last_event(&dir, self.event, Some(error));
        }
    }
}

/// Reports a failure that does not fail the event.
fn warn_failure(app: &App, event: &str, error: &Error) {
    app.ui.warn(&format!("{event}: {error}"));
    for cause in error.cause_messages() {
        app.ui.warn(&cause);
    }
    for hint in error.hints() {
        app.ui.hint(hint);
    }
}

/// Warns if git does not call our hooks in this clone, at the end of a command that relies on them. Returns whether it
/// warned; if it is not known, there is no warning.
pub fn warn_unreached(app: &App, repo: &Repo) -> bool {
    let Some(message) = describe_unreached(app, repo) else { return false };
    app.ui.warn(&message);
    app.ui.hint("install them: `capture-hook install`");
    true
}

/// Which of our hooks git does not call in this clone, in words; none if they are turned off on purpose.
#[must_use]
pub fn describe_unreached(app: &App, repo: &Repo) -> Option<String> {
    if app.env.get_str("CAPTURE_HOOK") == Some("0") {
        return None;
    }
    // This is only advice, so a failure here says nothing.
    let events = survey::unreached_events(repo, &app.binary_path().ok()?).ok()?;
    if events.len() == shim::EVENTS.len() {
        return Some(
            "git calls no hook of capture-hook in this clone, so commits ingest no run and pushes send no data".into(),
        );
    }
    let message = format!("git does not call these hooks of capture-hook in this clone: {}", events.join(", "));
    (!events.is_empty()).then_some(message)
}

/// Checks out the data version of the checked-out commit, and reports how far that came.
fn sync_workspace(app: &App, project: &Project, reach: SyncScope) -> Result<(), Error> {
    match sync::sync_workspace(project, reach, &app.ui)? {
        // The reason for a refusal is printed where it is found.
        SyncOutcome::NoDataset | SyncOutcome::Done { .. } | SyncOutcome::Refused { .. } => {}
        SyncOutcome::Partial { files, missing } => {
            let size = if missing == u64::MAX { "size unknown".into() } else { format_bytes(missing) };
            app.ui.status(&format!("{files} files of the dataset are missing ({size}); run `capture-hook pull`"));
        }
        SyncOutcome::LocalChanges { files: local_changes } => {
            app.ui.warn(&format!("local changes are kept: {}", join_first_names(&local_changes)));
            app.ui.hint("keep them with `dvc commit`, or discard them with `capture-hook pull --force`");
        }
        SyncOutcome::TooLarge { reason: what } => {
            app.ui.warn(&format!("the dataset is not checked out: {what} is too much for a hook"));
            app.ui.hint("run `capture-hook pull`");
        }
        SyncOutcome::Missing { why, .. } => {
            app.ui.warn(&format!("the dataset of this commit is not checked out: {why}"));
            app.ui.hint("run `capture-hook pull` when the DVC remote can be reached");
        }
    }
    last::write_last_event(&project.state_dir(), "sync", None);
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
