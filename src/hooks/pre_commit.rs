//! pre-commit: the selected run of the index gets into the index's data version, or the commit stops.
//!
//! A commit that changes none of `params.yaml`, `dvc.yaml`, `dvc.lock` and `capture-hook.toml` is let through after four
//! comparisons of object ids, unless `select` noted that the selected directory holds another run now. A merge must hold
//! the runs of every side; one that git commits by itself calls commit-msg, not pre-commit, so that this is looked at there.

use crate::app::{App, Outcome};
use crate::commit::{Prepared, Promoted, Undo};
use crate::dvc::{lockfile, stage};
use crate::error::Error;
use crate::git::merged_branches;
use crate::project::{Project, ProjectError, config};

/// Runs the event.
pub fn run(app: &App) -> Result<Outcome, Error> {
    let mut concerned = Vec::new();
    for project in app.projects()? {
        if is_concerned(&project)? {
            project.checked_out()?;
            concerned.push(project);
        } else {
            project.merge_keeps_runs()?;
        }
    }
    // Of several projects, none is touched while one of them would stop the commit.
    let mut work = Vec::new();
    for project in &concerned {
        work.push(project.prepare(&app.ui)?);
    }
    let mut undos = Vec::new();
    for (project, prepared) in concerned.iter_mut().zip(work) {
        let mut undo = Undo::new(project);
        let done = promote(app, project, prepared, &mut undo);
        undos.push(undo);
        if let Err(error) = done {
            // What another project has put into the commit goes with it.
            for (project, undo) in concerned.iter_mut().zip(undos) {
                undo.undo(&mut project.repo, &app.ui);
            }
            return Err(error);
        }
    }
    Ok(Outcome::Done)
}

fn promote(app: &App, project: &mut Project, prepared: Prepared, undo: &mut Undo) -> Result<(), Error> {
    if let Promoted::Ingested { run, locked } = project.promote(prepared, undo, &app.ui)? {
        // Git is about to take these locks, and no hook is told where it cannot.
        project.repo.await_head(&|line| app.ui.status(line)).map_err(ProjectError::from)?;
        app.ui.status(&format!("{run} is in {}, version {}", project.git_path(&locked.out_dir), locked.version));
    }
    Ok(())
}

/// commit-msg, of a merge that `git merge` commits: it names the branches in the environment.
pub fn merged(app: &App) -> Result<(), Error> {
    if merged_branches(&app.env).next().is_some() {
        for project in app.projects()? {
            project.merge_keeps_runs()?;
        }
    }
    Ok(())
}

/// Whether the commit changes a file that says what the dataset is, or the selected run was recorded anew.
fn is_concerned(project: &Project) -> Result<bool, ProjectError> {
    if project.selected_anew()?.is_some() {
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
