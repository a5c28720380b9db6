//! `capture-hook push`: data to the DVC remote, without git.

use crate::app::{App, Outcome};
use crate::error::Error;
use crate::git::Range;
use crate::project::Project;
use crate::project::transfer::Needed;

/// Arguments of `push`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
`git push` does this by itself (pre-push); by hand it is good for large data, before a git push that would time out.

Examples:
  capture-hook push                  what no git remote has yet
  capture-hook push HEAD capture/demo/r1
  capture-hook push v1.0..HEAD")]
pub struct Args {
    /// Commits, tags, or ranges A..B. Default: all commits that no git remote has yet.
    #[arg(value_name = "REV", add = super::complete::tags())]
    pub revs: Vec<String>,
}

/// Runs the command.
pub fn run(app: &App, args: &Args) -> Result<Outcome, Error> {
    let project = app.project()?;
    let needed = needed(&project, &args.revs)?;
    let said = project.upload(&needed, &app.ui)?;
    if !needed.is_empty() {
        super::tag::catch_up(app, &project)?;
    }
    if app.ui.json() {
        let versions: Vec<_> = needed
            .iter()
            .map(|n| serde_json::json!({"version": n.version.to_string(), "commit": n.commit.as_str()}))
            .collect();
        app.ui.data_json(&serde_json::json!({"versions": versions, "said": said}));
    } else {
        app.ui.status(&said);
    }
    Ok(Outcome::Done)
}

fn needed(project: &Project, revs: &[String]) -> Result<Vec<Needed>, Error> {
    if revs.is_empty() {
        let include = project.repo.find_commit_id("HEAD")?.into_iter().collect();
        return Ok(project.all_needed(&Range {
            include,
            exclude: Vec::new(),
            exclude_refs: vec!["refs/remotes/*".into()],
        })?);
    }
    let mut needed = Vec::new();
    for rev in revs {
        match rev.split_once("..") {
            Some((from, to)) => {
                let end = |rev: &str| project.repo.resolve(if rev.is_empty() { "HEAD" } else { rev });
                let range = Range { include: vec![end(to)?], exclude: vec![end(from)?], exclude_refs: Vec::new() };
                needed.extend(project.all_needed(&range)?);
            }
            None => needed.extend(project.needed_by(&project.repo.resolve(rev)?)?),
        }
    }
    needed.sort_by_key(|n| n.version);
    needed.dedup_by_key(|n| n.version);
    Ok(needed)
}
