//! `capture-hook init`: sets a repository up.

use std::path::PathBuf;

use crate::app::{App, CommandOutcome};
use crate::error::{Error, ExitKind};
use crate::git::Repo;
use crate::output::json::{InitJson, InitStepJson};
use crate::project::{Project, programs};
use crate::setup::{SetupChange, hooks, remote, survey, worktree};
use crate::support::address::holds_secret;
use crate::support::process::shell_quote;
use crate::{project, setup};

/// Arguments of `init`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
What is there is kept; a second run changes nothing.

Examples:
  capture-hook init
  capture-hook init --remote /mnt/storage/captures
  capture-hook init --remote s3://bucket/captures
  capture-hook init --no-hooks && capture-hook install    in two steps")]
pub struct Args {
    /// Where the data goes: a directory, or an address that DVC knows (s3://…, gs://…, ssh://…).
    #[arg(long, value_name = "URL")]
    pub remote: Option<String>,
    /// Leave git's hooks alone.
    #[arg(long)]
    pub no_hooks: bool,
    /// Make the DVC project in this directory, not at the top of the repository.
    #[arg(long)]
    pub subdir: bool,
}

/// Runs the command.
pub fn run(app: &App, args: &Args) -> Result<CommandOutcome, Error> {
    if let Some(url) = args.remote.as_deref().filter(|url| holds_secret(url)) {
        let host = url.rsplit('@').next().unwrap_or_default();
        let message = format!("the address of the remote ({host}) holds a password, and .dvc/config is tracked");
        return Err(Error::new(ExitKind::Usage, "secret_in_address", message)
            .hint("name it without: credentials belong in `dvc remote modify --local`, or where the cloud's own tools keep them"));
    }
    let mut steps = Vec::new();
    let mut project = dvc_project(app, args, &mut steps)?;
    worktree::share_cache(&mut project, &app.ui)?;
    steps.extend(setup::set_up_files(&project)?);
    steps.push(match &args.remote {
        Some(url) => remote::set_up_remote(&project, url, &app.cwd)?,
        None => remote::describe_remote_step(&project)?,
    });
    if !args.no_hooks {
        steps.extend(install_hooks(app, &project)?);
    }
    print_changes(app, &project, &steps);
    warn_missing_plugin(app, &project)?;
    Ok(CommandOutcome::Done)
}

/// The DVC project that is there, or a new one.
fn dvc_project(app: &App, args: &Args, steps: &mut Vec<SetupChange>) -> Result<Project, Error> {
    let repo = Repo::open(&app.cwd, &app.env)?;
    let top = repo.top()?.to_path_buf();
    if let Some(project) = Project::find(Repo::open(&app.cwd, &app.env)?, &app.cwd, &app.env)?
        && (!args.subdir || project.root == app.cwd)
    {
        project::require_checked_out(&project)?;
        if let Some(url) = &args.remote {
            remote::check_remote(&project, url, &app.cwd)?;
        }
        steps.push(SetupChange::unchanged(".dvc", "a DVC project is there"));
        steps.extend(trust_venv(&project)?);
        return Ok(project);
    }
    let root = if args.subdir { app.cwd.clone() } else { top.clone() };
    let project = Project::at(repo, root.clone(), &app.env);
    steps.extend(trust_venv(&project)?);
    project.find_dvc()?.init(root != top)?;
    steps.push(SetupChange::written(".dvc", "dvc init"));
    Ok(project)
}

/// The owner is at the keyboard: a `.venv` of theirs may be called from now on.
fn trust_venv(project: &Project) -> Result<Option<SetupChange>, Error> {
    let named = programs::trust_own_venv(project)?;
    Ok(named.map(|dvc| SetupChange::written(".git/config", format!("names the `dvc` to call, {}", dvc.display()))))
}

/// Tells what DVC lacks to reach the remote: not before the first push.
fn warn_missing_plugin(app: &App, project: &Project) -> Result<(), Error> {
    let settings = project.read_dvc_settings()?;
    let Some(remote) = settings.default_remote() else { return Ok(()) };
    // What cannot be asked, `doctor` tells.
    if let Ok(Some(plugin)) = project.find_dvc().and_then(|dvc| dvc.missing_plugin(remote)) {
        app.ui.warn(&format!("DVC lacks {}: no data goes to {} or comes from it", plugin.package, remote.name));
        app.ui.hint(&format!("`{}` installs it", plugin.install));
    }
    Ok(())
}

fn install_hooks(app: &App, project: &Project) -> Result<Vec<SetupChange>, Error> {
    let done = hooks::install_hooks(&project.repo, &app.binary_path()?, false)?;
    let dir = done.dir.strip_prefix(&project.root).unwrap_or(&done.dir).display().to_string();
    let mut steps = Vec::new();
    steps.push(if done.written.is_empty() {
        SetupChange::unchanged(dir.clone(), "the hooks are in place")
    } else {
        SetupChange::written(dir.clone(), done.written.join(", "))
    });
    if !done.chained.is_empty() {
        let note = format!("kept what was there, it still runs: {}", done.chained.join(", "));
        steps.push(SetupChange::written(dir, note));
    }
    let note = "the merge drivers";
    steps.push(if done.drivers {
        SetupChange::written(".git/config", note)
    } else {
        SetupChange::unchanged(".git/config", note)
    });
    Ok(steps)
}

/// A file of the project as it is named in the directory where the command was called.
fn from_cwd(app: &App, project: &Project, file: &str) -> PathBuf {
    match app.cwd.strip_prefix(&project.root) {
        Ok(inner) => inner.components().map(|_| "..").collect::<PathBuf>().join(file),
        Err(_) => project.root.join(file),
    }
}

fn print_changes(app: &App, project: &Project, steps: &[SetupChange]) {
    let changed = steps.iter().any(|step| step.changed);
    if app.ui.json() {
        let steps = steps.iter().map(|s| InitStepJson { what: &s.what, changed: s.changed, note: &s.note }).collect();
        app.ui.print_json(&InitJson { root: project.root.display().to_string(), changed, steps });
        return;
    }
    for step in steps {
        let mark = if step.changed { "wrote" } else { "kept " };
        app.ui.status(&format!("{mark}  {}: {}", step.what, step.note));
    }
    if let Ok(top) = project.repo.top() {
        for manager in survey::find_managers(top) {
            app.ui.hint(manager.advice());
        }
    }
    if !changed {
        app.ui.status("everything is in place: nothing was changed");
    }
    // By name: whatever else lies in the working tree is not to get into this commit.
    let files = setup::list_files_to_commit(project).unwrap_or_default();
    if !files.is_empty() {
        let names: Vec<String> = files.iter().map(|file| shell_quote(from_cwd(app, project, file))).collect();
        app.ui.hint(&format!("commit it: `git add {} && git commit -m 'Set up capture-hook'`", names.join(" ")));
    }
    if project.read_dvc_settings().is_ok_and(|settings| settings.default_remote().is_none()) {
        app.ui.hint("`capture-hook init --remote URL` names where data goes, so that others find it");
    }
    app.ui.hint("then record a run under results/, and `capture-hook select latest && git commit -am 'A run'`");
}
