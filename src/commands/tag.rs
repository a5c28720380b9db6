//! `capture-hook tag`: makes missing tags again, from history, and tags of single runs.

use std::collections::BTreeSet;

use super::complete;
use crate::app::{App, CommandOutcome};
use crate::commit::tags::TagOutcome;
use crate::commit::{publish, tags};
use crate::error::Error;
use crate::git::CommitRange;
use crate::history::{catalog, committed, foreign};
use crate::hooks::report_tags;
use crate::output::json::TagJson;
use crate::project::Project;

/// Arguments of `tag`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
For commits without hooks, cherry-picks, and merges on a server. A tag that was never pushed, and whose commit is on no branch
any more, moves to the commit that introduces the same data.

If a commit introduces more runs than `tag.max_runs` (100), one tag stands for all: captures/ and the data version. With
RUN, the run gets its own tag all the same.

Examples:
  capture-hook tag            the history of HEAD
  capture-hook tag --all      every branch
  capture-hook tag nav/r7     a tag for one run of a large commit")]
pub struct Args {
    /// Make the tags of these committed runs only.
    #[arg(value_name = "RUN", conflicts_with = "all", add = complete::run_candidates())]
    pub runs: Vec<String>,
    /// Look through all branches, not only HEAD's history.
    #[arg(long)]
    pub all: bool,
}

/// Runs the command.
pub fn run(app: &App, args: &Args) -> Result<CommandOutcome, Error> {
    let project = app.open_project()?;
    if !args.runs.is_empty() {
        let tagged = tag_runs(app, &project, &args.runs)?;
        return report_made(app, tagged);
    }
    let mut include: Vec<_> = project.repo.head()?.into_iter().collect();
    if args.all {
        include.extend(project.repo.branch_tips()?);
    }
    let mut commits = project.repo.walk_commits(&CommitRange { include, ..CommitRange::default() })?;
    // Another project's commits that a merge added to this repository get no tags of this one.
    let foreign = foreign::find_foreign_commits(&project, &commits)?;
    commits.retain(|id| !foreign.contains(id));
    commits.reverse();
    report_made(app, tags::tag_commits(&project, &commits, &app.ui)?)
}

/// Tags the newest commit of each of these runs.
fn tag_runs(app: &App, project: &Project, queries: &[String]) -> Result<Vec<TagOutcome>, Error> {
    let catalog = catalog::load_catalog(project)?;
    let mut runs = Vec::new();
    for query in queries {
        let found = committed::find_committed_run(project, &catalog, &app.cwd, query, None)?;
        // A run that only a tag names is tagged.
        runs.extend(found.commit.map(|commit| (found.key, commit)));
    }
    Ok(tags::tag_named_runs(project, &runs, &app.ui)?)
}

/// Prints which tags there are now.
fn report_made(app: &App, tagged: Vec<TagOutcome>) -> Result<CommandOutcome, Error> {
    // Sets, because several commits can lead to the same tag: each is reported once.
    let (mut made, mut moved, mut unchanged) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let mut failed = Vec::new();
    for tagged in tagged {
        match tagged {
            // `drop` discards whether the set held the tag already.
            TagOutcome::Made { tag } => drop(made.insert(tag)),
            TagOutcome::CaughtUp { tag } => drop(moved.insert(tag)),
            TagOutcome::Kept { tag } => drop(unchanged.insert(tag)),
            other => failed.push(other),
        }
    }
    if app.ui.json() {
        app.ui.print_json(&TagJson { made: made.clone(), moved: moved.clone(), unchanged: unchanged.clone() });
    } else {
        made.iter().chain(&moved).for_each(|tag| app.ui.print_value(tag));
    }
    // After the tags that were made: one failure does not hide the rest.
    if !failed.is_empty() {
        report_tags(app, failed);
        return Ok(CommandOutcome::CheckFailed);
    }
    if moved.len() + made.len() > 0 {
        for tag in &moved {
            app.ui.status(&format!("moved {tag}: its old commit is on no branch"));
        }
        app.ui.hint("push them: `git push --follow-tags`");
    } else {
        app.ui.status(&format!("no run tag is missing ({} exist)", unchanged.len()));
    }
    Ok(CommandOutcome::Done)
}

/// Moves the tags that were left behind by a rewrite for which git called no hook, to the commits of HEAD that no git
/// remote holds yet.
pub fn move_left_tags(app: &App, project: &Project) -> Result<(), Error> {
    let mut commits = project.repo.walk_commits(&publish::unpushed_range(project)?)?;
    commits.reverse();
    report_tags(app, tags::move_left_tags(project, &commits, &app.ui)?);
    Ok(())
}
