//! `capture-hook push`: data to the DVC remote, without git.

use crate::app::{App, Outcome};
use crate::dvc::remote::missing::Look;
use crate::error::Error;
use crate::git::{Oid, Range};
use crate::project::Project;
use crate::sync::push::Needed;

/// Arguments of `push`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
`git push` does this by itself (pre-push); by hand it is good for large data, before a git push that would time out, and for
a remote that lost data or was replaced: every file is looked up there.

Examples:
  capture-hook push                  what no git remote has yet, and the data of HEAD
  capture-hook push --all            the data of all commits
  capture-hook push HEAD capture/demo/r1
  capture-hook push v1.0..HEAD")]
pub struct Args {
    /// Commits, tags, or ranges A..B. Default: HEAD, and all commits that no git remote has yet.
    #[arg(value_name = "REV", add = super::complete::tags())]
    pub revs: Vec<String>,
    /// All commits that REV (default: HEAD) reaches.
    #[arg(long)]
    pub all: bool,
}

/// Runs the command.
pub fn run(app: &App, args: &Args) -> Result<Outcome, Error> {
    let project = app.project()?;
    let needed = needed(&project, args)?;
    let done = project.upload(&needed, Look::AtFiles, &app.ui)?;
    if !needed.is_empty() {
        super::tag::catch_up(app, &project)?;
    }
    if app.ui.json() {
        let versions: Vec<_> = needed
            .iter()
            .map(|n| serde_json::json!({"version": n.version.to_string(), "commit": n.commit.as_str()}))
            .collect();
        app.ui.data_json(&serde_json::json!({"versions": versions, "said": done.said}));
        return Ok(Outcome::Done);
    }
    app.ui.status(&done.said);
    // What git's remotes have went with its data: the remote lost it since, or is another one.
    let lost = |n: &&Needed| done.sent.contains(&n.version) && project.repo.on_a_remote(&n.commit).unwrap_or(false);
    if !args.all && needed.iter().any(|n| lost(&n)) {
        app.ui.hint("the remote may lack older data, too: `capture-hook push --all` sends it");
    }
    Ok(Outcome::Done)
}

fn needed(project: &Project, args: &Args) -> Result<Vec<Needed>, Error> {
    let mut needed = Vec::new();
    if args.revs.is_empty() {
        let head: Vec<Oid> = project.repo.find_commit_id("HEAD")?.into_iter().collect();
        let exclude_refs = if args.all { Vec::new() } else { vec!["refs/remotes/*".into()] };
        for commit in &head {
            needed.extend(project.needed_by(commit)?);
        }
        needed.extend(project.all_needed(&Range { include: head, exclude: Vec::new(), exclude_refs })?);
    }
    for rev in &args.revs {
        match rev.split_once("..") {
            Some((from, to)) => {
                let end = |rev: &str| project.repo.resolve(if rev.is_empty() { "HEAD" } else { rev });
                let range = Range { include: vec![end(to)?], exclude: vec![end(from)?], exclude_refs: Vec::new() };
                needed.extend(project.all_needed(&range)?);
            }
            None if args.all => {
                let include = vec![project.repo.resolve(rev)?];
                needed.extend(project.all_needed(&Range { include, ..Range::default() })?);
            }
            None => needed.extend(project.needed_by(&project.repo.resolve(rev)?)?),
        }
    }
    needed.sort_by_key(|n| n.version);
    needed.dedup_by_key(|n| n.version);
    Ok(needed)
}
