//! `capture-hook tag`: makes missing run tags again, from history.

use std::collections::BTreeSet;

use crate::app::{App, Outcome};
use crate::commit::tags::Tagged;
use crate::error::Error;
use crate::git::Range;
use crate::hooks::say_tags;
use crate::project::Project;

/// Arguments of `tag`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
After commits that ran without hooks, a cherry-pick, or a merge on a server. A tag that was never pushed, and whose commit no
branch holds any more, moves to the commit that brings the same data.

Examples:
  capture-hook tag            the history of HEAD
  capture-hook tag --all      every branch")]
pub struct Args {
    /// Look through all branches, not through HEAD's history alone.
    #[arg(long)]
    pub all: bool,
}

/// Runs the command.
pub fn run(app: &App, args: &Args) -> Result<Outcome, Error> {
    let project = app.project()?;
    let mut include: Vec<_> = project.repo.head()?.into_iter().collect();
    if args.all {
        include.extend(project.repo.branches()?);
    }
    let mut commits = project.repo.walk(&Range { include, ..Range::default() })?;
    let foreign = project.foreign(&commits)?;
    commits.retain(|id| !foreign.contains(id));
    commits.reverse();
    let (mut made, mut moved, mut kept) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let mut failed = Vec::new();
    for tagged in project.tag_commits(&commits, &app.ui)? {
        match tagged {
            Tagged::Made { tag } => drop(made.insert(tag)),
            Tagged::CaughtUp { tag } => drop(moved.insert(tag)),
            Tagged::Kept { tag } => drop(kept.insert(tag)),
            other => failed.push(other),
        }
    }
    if app.ui.json() {
        app.ui.data_json(&serde_json::json!({"made": made, "moved": moved, "there": kept}));
    } else {
        made.iter().chain(&moved).for_each(|tag| app.ui.value(tag));
    }
    if !failed.is_empty() {
        say_tags(app, failed);
        return Ok(Outcome::CheckFailed);
    }
    if moved.len() + made.len() > 0 {
        for tag in &moved {
            app.ui.status(&format!("moved {tag}: no branch held the commit that it named"));
        }
        app.ui.hint("`git push --follow-tags` sends them");
    } else {
        app.ui.status(&format!("no run tag is missing ({} there)", kept.len()));
    }
    Ok(Outcome::Done)
}

/// Moves the tags that were left behind by a rewrite that no hook was told of to what HEAD has and no git remote yet.
pub fn catch_up(app: &App, project: &Project) -> Result<(), Error> {
    let mut commits = project.repo.walk(&project.unpushed()?)?;
    commits.reverse();
    say_tags(app, project.move_left_tags(&commits, &app.ui)?);
    Ok(())
}
