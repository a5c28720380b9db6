//! `capture-hook tag`: makes missing run tags again, from history.

use std::collections::BTreeSet;

use crate::app::{App, Outcome};
use crate::error::Error;
use crate::git::Range;
use crate::project::tags::Tagged;

/// Arguments of `tag`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
After commits that ran without hooks, a cherry-pick, or a merge on a server.

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
    commits.reverse();
    let (mut made, mut kept) = (BTreeSet::new(), BTreeSet::new());
    for tagged in project.tag_commits(&commits)? {
        match tagged {
            Tagged::Made { tag } => made.insert(tag),
            Tagged::Kept { tag } => kept.insert(tag),
            _ => false,
        };
    }
    if app.ui.json() {
        app.ui.data_json(&serde_json::json!({"made": made, "there": kept}));
        return Ok(Outcome::Done);
    }
    for tag in &made {
        app.ui.value(tag);
    }
    if made.is_empty() {
        app.ui.status(&format!("no run tag is missing ({} there)", kept.len()));
    } else {
        app.ui.hint("`git push --follow-tags` sends them");
    }
    Ok(Outcome::Done)
}
