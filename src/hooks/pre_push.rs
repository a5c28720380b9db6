//! pre-push: sends the data of every commit that git pushes to the DVC remote first.
//!
//! Git writes one line per ref to standard input. Deletions need nothing; of the other refs, every commit counts that
//! the remote lacks, as far as this clone knows.

use std::ffi::OsString;

use super::HookContext;
use crate::app::{App, CommandOutcome};
use crate::commit::tags::{self, TagOutcome};
use crate::error::Error;
use crate::git::{CommitRange, Oid};
use crate::history::tags::is_own_name;
use crate::project::config::PushPolicy;
use crate::project::{self, Project, ProjectError};
use crate::sync::push::{self, CheckDepth};

/// One ref of a push.
#[derive(Debug, Clone, PartialEq, Eq)]
struct PushLine {
    local_ref: String,
    local: Oid,
    remote: Option<Oid>,
}

/// Runs the event: the remote's name and address, and git's lines.
pub fn run(hook: &mut HookContext<'_>) -> Result<CommandOutcome, Error> {
    let lines = parse_lines(&hook.read_stdin()?);
    if lines.is_empty() {
        return Ok(CommandOutcome::Done);
    }
    let (app, args) = (hook.app, hook.args.clone());
    let projects = hook.projects()?;
    for project in &*projects {
        upload_data(app, project, &pushed_range(project, &args, &lines)?)?;
    }
    let tags: Vec<Oid> = lines
        .iter()
        .filter(|line| line.local_ref.strip_prefix("refs/tags/").is_some_and(is_own_name))
        .map(|line| line.local.clone())
        .collect();
    // The data is there: that a note of it cannot be written stops no push.
    if let Some(project) = projects.first().filter(|_| !tags.is_empty())
        && let Err(error) = tags::note_pushed_tags(project, &tags)
    {
        super::warn_failure(app, "pre-push", &error.into());
    }
    Ok(CommandOutcome::Done)
}

/// Sends what the DVC remote lacks of one project's data in these commits.
fn upload_data(app: &App, project: &Project, range: &CommitRange) -> Result<(), Error> {
    let required = push::list_required_versions(project, range)?;
    if required.is_empty() {
        return Ok(());
    }
    // Before the policy is read: tags are moved even if no data is sent.
    move_left_tags(app, project, range);
    let policy = project.read_config()?.push.policy;
    if policy == PushPolicy::Off {
        return Ok(());
    }
    match project::require_checked_out(project)
        .map_err(Error::from)
        .and_then(|()| Ok(push::upload_versions(project, &required, CheckDepth::ListsOnly, &app.ui)?))
    {
        Ok(uploaded) => app.ui.detail(&uploaded.message),
        Err(error) if policy == PushPolicy::Warn => super::warn_failure(app, "pre-push", &error),
        Err(error) => return Err(error),
    }
    Ok(())
}

/// Moves the tags that were left behind by a rewrite for which git called no hook. A failure stops no push.
fn move_left_tags(app: &App, project: &Project, range: &CommitRange) {
    let move_tags_of_range = || -> Result<Vec<TagOutcome>, ProjectError> {
        let mut commits = project.repo.walk_commits(range)?;
        commits.reverse();
        tags::move_left_tags(project, &commits, &app.ui)
    };
    match move_tags_of_range() {
        Ok(moved) if moved.is_empty() => {}
        Ok(moved) => {
            super::report_tags(app, moved);
            app.ui.hint("to push the tags too: `git push --follow-tags`");
        }
        Err(error) => super::warn_failure(app, "pre-push", &error.into()),
    }
}

/// The commits that the remote is about to get.
fn pushed_range(project: &Project, args: &[OsString], lines: &[PushLine]) -> Result<CommitRange, ProjectError> {
    let mut range = CommitRange::default();
    for line in lines {
        // A tag of a blob or a tree carries no commit.
        range.include.extend(project.repo.find_commit_id(line.local.as_str())?);
        // Another person's push can have put a commit there that this clone lacks; git will refuse the push then.
        let known = line.remote.iter().filter(|id| project.repo.has_object(id));
        range.exclude.extend(known.cloned());
    }
    // A push to an address without a name has no refs that show what is there.
    if let [name, url, ..] = args
        && name != url
        && let Some(name) = name.to_str()
        // The name becomes a part of a glob pattern.
        && !name.contains(['*', '?', '['])
    {
        range.exclude_refs.push(format!("refs/remotes/{name}/*"));
    }
    Ok(range)
}

/// The lines that push something. Lines that cannot be parsed are skipped.
fn parse_lines(stdin: &[u8]) -> Vec<PushLine> {
    let text = String::from_utf8_lossy(stdin);
    text.lines()
        .filter_map(|line| {
            // The ids and the remote's ref hold no blanks; the local side may be any expression.
            let mut words = line.rsplitn(4, ' ');
            let (remote, _remote_ref, local, local_ref) = (words.next()?, words.next()?, words.next()?, words.next()?);
            let local = Oid::parse(local).filter(|id| !id.is_null())?;
            let remote = Oid::parse(remote).filter(|id| !id.is_null());
            Some(PushLine { local_ref: local_ref.to_owned(), local, remote })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deletions_need_nothing_and_new_refs_have_no_remote_side() {
        let (a, zero) = ("a".repeat(40), "0".repeat(40));
        let text = format!("(delete) {zero} refs/heads/x {a}\nHEAD~1 {a} refs/heads/y {zero}\nnonsense\n");
        let lines = parse_lines(text.as_bytes());
        assert_eq!(lines.len(), 1);
        assert!(lines.iter().all(|line| line.remote.is_none() && line.local_ref == "HEAD~1"));
    }
}
