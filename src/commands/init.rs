//! `capture-hook init`: sets a repository up.

use std::path::PathBuf;

use crate::app::{App, CommandOutcome};
use crate::error::Error;
use crate::output::json::{InitJson, InitStepJson};
use crate::project::Project;
use crate::setup;
use crate::setup::init::{InitOutcome, InitRequest};
use crate::setup::{SetupChange, init, survey};
use crate::support::process::shell_quote;

/// Arguments of `init`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Existing files and settings are kept; running it again changes nothing.

Examples:
  capture-hook init
  capture-hook init --remote /mnt/storage/captures
  capture-hook init --remote s3://bucket/captures
  capture-hook init --no-hooks && capture-hook install    in two steps")]
pub struct Args {
    /// The DVC remote for the data: a directory, or an address that DVC accepts (s3://…, gs://…, ssh://…).
    #[arg(long, value_name = "URL")]
    pub remote: Option<String>,
    /// Do not install git hooks.
    #[arg(long)]
    pub no_hooks: bool,
    /// Make the DVC project in this directory instead of the repository's top directory.
    #[arg(long)]
    pub subdir: bool,
}

/// Runs the command.
pub fn run(app: &App, args: &Args) -> Result<CommandOutcome, Error> {
    // Before any change: without the path of this program, no hook can be written.
    let binary = if args.no_hooks { None } else { Some(app.binary_path()?) };
    let request = InitRequest {
        cwd: &app.cwd,
        env: &app.env,
        remote: args.remote.as_deref(),
        in_cwd: args.subdir,
        hooks_for: binary.as_deref(),
    };
    let InitOutcome { project, changes } = init::init_project(&request, &app.ui)?;
    print_changes(app, &project, &changes);
    warn_missing_plugin(app, &project)?;
    Ok(CommandOutcome::Done)
}

/// Warns if DVC lacks a package for the remote, because otherwise only the first push would show it.
fn warn_missing_plugin(app: &App, project: &Project) -> Result<(), Error> {
    let settings = project.read_dvc_settings()?;
    let Some(remote) = settings.default_remote() else { return Ok(()) };
    // If DVC cannot be asked, `doctor` reports it.
    if let Ok(Some(plugin)) = project.find_dvc().and_then(|dvc| dvc.missing_plugin(remote)) {
        app.ui.warn(&format!(
            "DVC lacks {}, so it can neither push to {} nor fetch from it",
            plugin.package, remote.name
        ));
        app.ui.hint(&format!("install it: `{}`", plugin.install));
    }
    Ok(())
}

/// The path of a file of the project from the directory in which the command was called.
fn from_cwd(app: &App, project: &Project, file: &str) -> PathBuf {
    match app.cwd.strip_prefix(&project.root) {
        Ok(inner) => inner.components().map(|_| "..").collect::<PathBuf>().join(file),
        // If the root is not above the working directory, the full path is right too.
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
        app.ui.status("everything is set up: nothing was changed");
    }
    // By name: whatever else is in the working tree is not to get into this commit.
    // If the files cannot be listed, only this hint is left out.
    let files = setup::list_files_to_commit(project).unwrap_or_default();
    if !files.is_empty() {
        let names: Vec<String> = files.iter().map(|file| shell_quote(from_cwd(app, project, file))).collect();
        app.ui.hint(&format!("commit the files: `git add {} && git commit -m 'Set up capture-hook'`", names.join(" ")));
    }
    // Settings that cannot be read are an error in `warn_missing_plugin`, which follows.
    if project.read_dvc_settings().is_ok_and(|settings| settings.default_remote().is_none()) {
        app.ui.hint("set a remote to share the data: `capture-hook init --remote URL`");
    }
    app.ui.hint("then record a run in results/, and commit it: `capture-hook select latest && git commit -am 'A run'`");
}
