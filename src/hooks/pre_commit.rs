//! pre-commit: the selected run of the index gets into the index's data version, or the commit stops.
//!
//! A commit that changes none of `params.yaml`, `dvc.yaml`, `dvc.lock` and `capture-hook.toml` is let through after four
//! comparisons of object ids, unless `select` noted that the selected directory holds another run now. A merge must hold
//! the runs of every side; one that git commits by itself calls commit-msg, not pre-commit, so that this is looked at there.

use crate::app::{App, CommandOutcome};
use crate::commit::{self, CommitPlan, PrepareOutcome, Transaction};
use crate::dvc::{lockfile, stage};
use crate::error::Error;
use crate::git::merged_branches;
use crate::project::held;
use crate::project::{self, Project, ProjectError, config};

/// Runs the event.
pub fn run(app: &App) -> Result<CommandOutcome, Error> {
    let mut affected = Vec::new();
    for project in app.open_projects()? {
        if is_affected(&project)? {
            project::require_checked_out(&project)?;
            affected.push(project);
        } else {
            commit::refuse_runs_lost_in_merge(&project)?;
        }
    }
    // Of several projects, none is touched while one of them would stop the commit.
    let mut prepared_commits = Vec::new();
    for project in &affected {
        prepared_commits.push(commit::plan_commit(project, &app.ui)?);
    }
    let mut transactions = Vec::new();
    for (project, prepared) in affected.iter_mut().zip(prepared_commits) {
        let mut transaction = Transaction::new(project);
        let result = ingest_prepared(app, project, prepared, &mut transaction);
        transactions.push(transaction);
        if let Err(error) = result {
            // What another project has put into the commit goes with it.
            for (project, transaction) in affected.iter_mut().zip(transactions) {
                transaction.roll_back(&mut project.repo, &app.ui);
            }
            return Err(error);
        }
    }
    Ok(CommandOutcome::Done)
}

fn ingest_prepared(
    app: &App,
    project: &mut Project,
    prepared: CommitPlan,
    transaction: &mut Transaction,
) -> Result<(), Error> {
    if let PrepareOutcome::Ingested { run, record: locked } =
        commit::prepare_commit(project, prepared, transaction, &app.ui)?
    {
        // Git is about to take these locks, and no hook is told where it cannot.
        project.repo.await_head(&|line| app.ui.status(line)).map_err(ProjectError::from)?;
        app.ui.status(&format!("{run} is in {}, version {}", project.git_path(&locked.out_dir), locked.version));
    }
    Ok(())
}

/// commit-msg, of a merge that `git merge` commits: it names the branches in the environment.
pub fn check_merge(app: &App) -> Result<(), Error> {
    if merged_branches(&app.env).next().is_some() {
        for project in app.open_projects()? {
            commit::refuse_runs_lost_in_merge(&project)?;
        }
    }
    Ok(())
}

/// Whether the commit changes a file that says what the dataset is, or the selected run was recorded anew.
fn is_affected(project: &Project) -> Result<bool, ProjectError> {
    if held::read_reselected_dir(project)?.is_some() {
        return Ok(true);
    }
    let head = project.repo.head()?;
    for file in [stage::PARAMS_FILE, stage::FILE, lockfile::FILE, config::FILE] {
        let path = project.git_path(file);
        let staged = project.repo.index_entry(&path)?;
        let committed = match &head {
            Some(head) => project.repo.entry_at(head, &path)?,
            None => None,
        };
        if staged.map(|e| e.id) != committed.map(|e| e.id) {
            return Ok(true);
        }
    }
    Ok(false)
}
