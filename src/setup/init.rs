//! Setting a repository up from nothing: the DVC project, its files, the remote, the hooks.

use std::path::Path;

use super::{SetupChange, hooks, remote, set_up_files, worktree};
use crate::error::{Error, ExitKind};
use crate::git::Repo;
use crate::project::{self, Project, Reporter, programs};
use crate::support::address::holds_secret;
use crate::support::env::Env;

/// What to set up.
#[derive(Clone, Copy)]
pub struct InitRequest<'a> {
    /// The user's current directory.
    pub cwd: &'a Path,
    /// The environment.
    pub env: &'a Env,
    /// The remote for the data; without one, what is configured stays.
    pub remote: Option<&'a str>,
    /// Whether a new project is made in `cwd`, and not at the top of the repository.
    pub in_cwd: bool,
    /// The program that git's hooks call; without, the hooks are left alone.
    pub hooks_for: Option<&'a Path>,
}

/// The outcome of the init.
pub struct InitOutcome {
    /// The project.
    pub project: Project,
    /// Each part, in order.
    pub changes: Vec<SetupChange>,
}

/// Sets a repository up. Existing files and settings are kept; running it again changes nothing.
pub fn init_project(request: &InitRequest<'_>, reporter: &dyn Reporter) -> Result<InitOutcome, Error> {
    if let Some(url) = request.remote.filter(|url| holds_secret(url)) {
        let host = url.rsplit('@').next().unwrap_or_default();
        let message = format!("the address of the remote ({host}) holds a password, and .dvc/config is tracked");
        return Err(Error::new(ExitKind::Usage, "secret_in_address", message).hint(
            "leave the password out; set credentials with `dvc remote modify --local`, or as the cloud's own tools do",
        ));
    }
    let mut changes = Vec::new();
    let mut project = find_or_create_project(request, &mut changes)?;
    worktree::share_cache(&mut project, reporter)?;
    changes.extend(set_up_files(&project)?);
    changes.push(match request.remote {
        Some(url) => remote::set_up_remote(&project, url, request.cwd)?,
        None => remote::describe_remote_step(&project)?,
    });
    if let Some(binary) = request.hooks_for {
        changes.extend(install_hooks(&project, binary)?);
    }
    Ok(InitOutcome { project, changes })
}

/// The DVC project that is there, or a new one.
fn find_or_create_project(request: &InitRequest<'_>, changes: &mut Vec<SetupChange>) -> Result<Project, Error> {
    let InitRequest { cwd, env, .. } = *request;
    let repo = Repo::open(cwd, env)?;
    let top = repo.top()?.to_path_buf();
    if let Some(project) = Project::find(Repo::open(cwd, env)?, cwd, env)?
        && (!request.in_cwd || project.root == cwd)
    {
        project::require_checked_out(&project)?;
        if let Some(url) = request.remote {
            remote::check_remote(&project, url, cwd)?;
        }
        changes.push(SetupChange::unchanged(".dvc", "this is a DVC project already"));
        changes.extend(trust_venv(&project)?);
        return Ok(project);
    }
    let root = if request.in_cwd { cwd.to_path_buf() } else { top.clone() };
    let project = Project::at(repo, root.clone(), env);
    changes.extend(trust_venv(&project)?);
    project.find_dvc()?.init(root != top)?;
    changes.push(SetupChange::written(".dvc", "dvc init"));
    Ok(project)
}

/// The owner is at the keyboard: a `.venv` of theirs may be called from now on.
fn trust_venv(project: &Project) -> Result<Option<SetupChange>, Error> {
    let named = programs::trust_own_venv(project)?;
    Ok(named.map(|dvc| SetupChange::written(".git/config", format!("set the `dvc` program: {}", dvc.display()))))
}

fn install_hooks(project: &Project, binary: &Path) -> Result<Vec<SetupChange>, Error> {
    let done = hooks::install_hooks(&project.repo, binary, false)?;
    let dir = done.dir.strip_prefix(&project.root).unwrap_or(&done.dir).display().to_string();
    let mut changes = Vec::new();
    changes.push(if done.written.is_empty() {
        SetupChange::unchanged(dir.clone(), "the hooks are in place")
    } else {
        SetupChange::written(dir.clone(), done.written.join(", "))
    });
    if !done.chained.is_empty() {
        let note = format!("kept the existing hooks, which still run: {}", done.chained.join(", "));
        changes.push(SetupChange::written(dir, note));
    }
    let note = "the merge drivers";
    changes.push(if done.drivers {
        SetupChange::written(".git/config", note)
    } else {
        SetupChange::unchanged(".git/config", note)
    });
    Ok(changes)
}
