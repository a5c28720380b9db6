//! pre-commit: the selected run of the index gets into the index's data version, or the commit stops.
//!
//! A commit that changes none of `params.yaml`, `dvc.yaml`, `dvc.lock` and `capture-hook.toml` is let through after four
//! comparisons of object ids, unless `select` noted that the selected directory holds another run now.

use crate::app::{App, Outcome};
use crate::config;
use crate::dvc::{lock, stage};
use crate::error::Error;
use crate::git::Repo;
use crate::project::promote::Promoted;
use crate::project::{Project, ProjectError};

/// Runs the event.
pub fn run(app: &App) -> Result<Outcome, Error> {
    let repo = Repo::open(&app.cwd, &app.env)?;
    let Some(mut project) = Project::find(repo, &app.cwd, &app.env)? else { return Ok(Outcome::Done) };
    if !concerned(&project)? {
        return Ok(Outcome::Done);
    }
    match project.promote(&app.ui)? {
        Promoted::Nothing => {}
        Promoted::Ingested { run, locked } => {
            app.ui.status(&format!("{run} is in {}, version {}", locked.out_dir, locked.version));
        }
    }
    Ok(Outcome::Done)
}

/// Whether the commit changes a file that says what the dataset is, or the selected run was recorded anew.
fn concerned(project: &Project) -> Result<bool, ProjectError> {
    if project.selected_anew()?.is_some() {
        return Ok(true);
    }
    let head = project.repo.head()?;
    for file in [stage::PARAMS_FILE, stage::FILE, lock::FILE, config::FILE] {
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
