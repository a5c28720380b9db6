//! post-commit: the run tags of a new commit; the workspace follows where the commit's data was not made here.

use crate::app::{App, Outcome};
use crate::commit::tags::Tagged;
use crate::dvc::{lockfile, stage};
use crate::error::{Error, Explain};
use crate::git::{Commit, Operation};
use crate::project::{Project, ProjectError, Source};
use crate::support::process::quoted;
use crate::sync::Reach;

/// How DVC's own experiment commits are titled.
const EXPERIMENT: &str = "dvc: commit experiment";

/// What makes up for a tag that could not be made.
const LATER: &str = "the commit is made; `capture-hook tag` makes the tags that are missing";

/// Runs the event.
pub fn run(app: &App) -> Result<Outcome, Error> {
    super::each(app, "post-commit", |project| tag_and_follow(app, project))
}

fn tag_and_follow(app: &App, project: &Project) -> Result<(), Error> {
    let Some(head) = project.repo.head()? else { return Ok(()) };
    let commit = project.repo.commit(&head)?;
    if project.repo.rebasing() || commit.subject().starts_with(EXPERIMENT) {
        return Ok(());
    }
    if !changes(project, &commit, lockfile::FILE)? {
        return left_out(app, project, &commit);
    }
    project.checked_out()?;
    let last = project.repo.last_move();
    let moved = last.as_ref().map(|m| m.message.as_str()).unwrap_or_default();
    let replayed = matches!(project.repo.operation(), Some(Operation::CherryPick | Operation::Revert))
        || ["cherry-pick", "revert", "commit (cherry-pick)"].iter().any(|how| moved.starts_with(how));
    // Where no pre-commit has put the data into the workspace (a pick, a revert, a merge), it follows now.
    if !project.workspace_is_at(project.version_at(&head)?)? {
        super::follow(app, project, Reach::Limited)?;
    }
    if replayed {
        return Ok(());
    }
    let amended = last.as_ref().filter(|m| m.message.starts_with("commit (amend)")).map(|m| m.old.clone());
    let done =
        project.tag_commit(&head, amended.as_slice(), &app.ui).map_err(|error| Error::from(error).hint(LATER))?;
    say(app, done);
    Ok(())
}

/// Whether the commit changes a file of the project over its first parent.
fn changes(project: &Project, commit: &Commit, file: &str) -> Result<bool, ProjectError> {
    let path = project.git_path(file);
    let own = project.repo.entry_at(&commit.id, &path)?;
    match commit.parents.first() {
        Some(parent) if project.repo.knows_file(parent, &path) => Ok(project.repo.entry_at(parent, &path)? != own),
        _ => Ok(own.is_some()),
    }
}

/// Tells of a commit that selects a run and does not hold it: no pre-commit of ours ran.
fn left_out(app: &App, project: &Project, commit: &Commit) -> Result<(), Error> {
    if !changes(project, commit, stage::PARAMS_FILE)? {
        return Ok(());
    }
    let Ok(state) = project.state(&Source::Commit(commit.id.clone())) else { return Ok(()) };
    let Some(run_dir) = state.run_dir().filter(|_| !state.agrees()) else { return Ok(()) };
    app.ui.warn(&format!("the commit selects {run_dir} and does not hold its data: the pre-commit hook did not run"));
    app.ui.hint(&format!("`capture-hook publish {}` commits the data", quoted(run_dir)));
    app.ui.hint("`capture-hook doctor` says what stands in the hook's place");
    Ok(())
}

/// Tells what became of tags.
pub fn say(app: &App, done: Vec<Tagged>) {
    let (mut made, mut failed, mut hints) = (false, false, Vec::new());
    for tagged in done {
        match tagged {
            Tagged::Made { tag } => {
                made = true;
                app.ui.status(&format!("tagged {tag}"));
            }
            Tagged::Moved { tag } => app.ui.status(&format!("moved the tag {tag} to the rewritten commit")),
            Tagged::CaughtUp { tag } => app.ui.status(&format!(
                "moved the tag {tag}, whose commit no branch holds any more, to the commit that brings the same data"
            )),
            Tagged::Kept { tag } => app.ui.detail(&format!("{tag} names this data already")),
            Tagged::Left { tag } => {
                app.ui.warn(&format!("the tag {tag} was pushed already, and stays on the commit before the rewrite"));
            }
            Tagged::Orphaned { tag } => {
                app.ui.warn(&format!("the tag {tag} stays: the rewritten commit does not hold its run"));
            }
            Tagged::Failed { tag, error } => {
                app.ui.warn(&format!("the tag {tag} is not made: {error}"));
                failed = true;
                hints.extend(error.explain().hints);
            }
        }
    }
    if made {
        app.ui.detail("`git push --follow-tags` sends commit, tag and data");
    }
    if failed {
        // One thing in the way of several tags is told once.
        hints.dedup();
        hints.push(LATER.into());
        hints.iter().for_each(|hint| app.ui.hint(hint));
    }
}
