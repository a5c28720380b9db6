//! `capture-hook push`: sends data to the DVC remote, without git.

use crate::app::{App, CommandOutcome};
use crate::error::Error;
use crate::git::{CommitRange, Oid};
use crate::output::json::{PushJson, PushedVersionJson};
use crate::project::Project;
use crate::sync::push::{self, CheckDepth, RequiredVersion};

/// Arguments of `push`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
`git push` does this too (pre-push). Use this command for large data, before a `git push` that would time out, and for a
remote that lost data or was replaced: every file is looked up there.

Examples:
  capture-hook push                  commits that no git remote has yet, and the data of HEAD
  capture-hook push --all            the data of all commits
  capture-hook push HEAD capture/demo/r1
  capture-hook push v1.0..HEAD")]
pub struct Args {
    /// Commits, tags, or ranges A..B. Default: HEAD, and all commits that no git remote has yet.
    #[arg(value_name = "REV", add = super::complete::tag_candidates())]
    pub revs: Vec<String>,
    /// REV (default: HEAD) and all its ancestors.
    #[arg(long)]
    pub all: bool,
}

/// Runs the command.
pub fn run(app: &App, args: &Args) -> Result<CommandOutcome, Error> {
    let project = app.open_project()?;
    let required = required_versions(&project, args)?;
    // Every file is looked up: this command is also the way to repair a remote that lost some.
    let upload = push::upload_versions(&project, &required, CheckDepth::AllFiles, &app.ui)?;
    if !required.is_empty() {
        // After the upload and before `git push`, which sends only tags of commits that it pushes.
        super::tag::move_left_tags(app, &project)?;
    }
    if app.ui.json() {
        let versions: Vec<_> = required
            .iter()
            .map(|n| PushedVersionJson { version: n.version.to_string(), commit: n.commit.as_str() })
            .collect();
        app.ui.print_json(&PushJson { versions, message: &upload.message });
        return Ok(CommandOutcome::Done);
    }
    app.ui.status(&upload.message);
    // What git's remotes have was pushed with its data: the remote lost it since, or is another one.
    let is_lost = |n: &&RequiredVersion| {
        // Only a hint depends on it: if git does not know, none is given.
        upload.uploaded.contains(&n.version) && project.repo.is_on_remote(&n.commit).unwrap_or(false)
    };
    if !args.all && required.iter().any(|n| is_lost(&n)) {
        app.ui.hint("to send older data that the remote lacks: `capture-hook push --all`");
    }
    Ok(CommandOutcome::Done)
}

fn required_versions(project: &Project, args: &Args) -> Result<Vec<RequiredVersion>, Error> {
    let mut required = Vec::new();
    if args.revs.is_empty() {
        // Empty in a repository without commits: then nothing is required.
        let head: Vec<Oid> = project.repo.find_commit_id("HEAD")?.into_iter().collect();
        // The data of commits that a remote-tracking branch holds was sent with them.
        let exclude_refs = if args.all { Vec::new() } else { vec!["refs/remotes/*".into()] };
        // HEAD's own data is always looked up, even if its commit is on the remote already.
        for commit in &head {
            required.extend(push::find_required_version(project, commit)?);
        }
        required.extend(push::list_all_required_versions(
            project,
            &CommitRange { include: head, exclude: Vec::new(), exclude_refs },
        )?);
    }
    for rev in &args.revs {
        match rev.split_once("..") {
            Some((from, to)) => {
                // As in git, an end that is left out is HEAD.
                let end = |rev: &str| project.repo.resolve_commit(if rev.is_empty() { "HEAD" } else { rev });
                let range =
                    CommitRange { include: vec![end(to)?], exclude: vec![end(from)?], exclude_refs: Vec::new() };
                required.extend(push::list_all_required_versions(project, &range)?);
            }
            None if args.all => {
                let include = vec![project.repo.resolve_commit(rev)?];
                required.extend(push::list_all_required_versions(
                    project,
                    &CommitRange { include, ..CommitRange::default() },
                )?);
            }
            None => required.extend(push::find_required_version(project, &project.repo.resolve_commit(rev)?)?),
        }
    }
    // Many commits share a version; `dedup_by_key` drops only neighbours.
    required.sort_by_key(|n| n.version);
    required.dedup_by_key(|n| n.version);
    Ok(required)
}
