//! `capture-hook select`: validates a run and points params.yaml at it.

use std::path::PathBuf;

use serde::Serialize;

use crate::app::{App, Outcome};
use crate::error::{Error, ExitKind, Explain};
use crate::git::Repo;
use crate::output::{Choice, pick};
use crate::project::dir::Workspace;
use crate::project::held::Held;
use crate::project::include::LooseFiles;
use crate::project::select::Pointed;
use crate::project::{Project, tell_ignored};
use crate::run::discover::RunDir;
use crate::support::process::quoted;
use crate::validate::{Ignored, Report};
use crate::{hooks, validate};

/// Arguments of `select`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
RUN is a path, EXPERIMENT/RUN_ID, a run id, a tag, or a unique beginning of one;
`latest` and `latest:EXPERIMENT` name the newest run. Without RUN, on a
terminal, you pick from a list: arrows, a line's number, or text that filters;
Enter selects, Esc leaves everything as it is.

One value in params.yaml changes, ingest_capture.run_dir, and nothing else:
comments, quoting, order and line ends stay. The next `git commit` that holds
params.yaml puts the run into the dataset.

Examples:
  capture-hook select                      pick from a list
  capture-hook select demo/r1
  capture-hook select results/demo/r1
  capture-hook select latest && git commit -m 'New run' params.yaml")]
pub struct Args {
    /// The run.
    #[arg(value_name = "RUN", add = super::complete::runs())]
    pub run: Option<String>,
    /// Select it even if it is invalid (a commit will still refuse it).
    #[arg(long)]
    pub force: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Shown<'a> {
    file: &'a str,
    old: Option<&'a str>,
    new: &'a str,
    changed: bool,
    valid: bool,
    recorded_anew: bool,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    ignored: &'a [Ignored],
}

/// Runs the command.
pub fn run(app: &App, args: &Args) -> Result<Outcome, Error> {
    let workspace = Workspace::find(&app.cwd)?;
    let dir = match &args.run {
        Some(run) => workspace.run(&app.cwd, run)?,
        None => match picked(app, &workspace)? {
            Some(dir) => dir,
            None => {
                app.ui.status("nothing was changed");
                return Ok(Outcome::CheckFailed);
            }
        },
    };
    let run = args.run.clone().unwrap_or_else(|| workspace.shown(&dir));
    if !dir.is_dir() {
        return Err(Error::new(ExitKind::Setup, "no_such_run", format!("there is no run `{run}`"))
            .hint("`capture-hook runs` lists the runs there are"));
    }
    let progress = app.ui.progress("validating", Some(Workspace::bytes(&dir)));
    let report = validate::check(&dir, &workspace.shown(&dir), &workspace.validation()?, &progress)?;
    drop(progress);
    if !report.ok {
        show_faults(app, &report);
        if !args.force {
            app.ui.hint(&format!(
                "nothing was changed; `capture-hook validate {}` shows the whole report, `--force` selects the run anyway",
                quoted(&run)
            ));
            return Ok(Outcome::CheckFailed);
        }
        app.ui.warn(&format!("{} is invalid and selected all the same; a commit will refuse it", report.run_dir));
    }
    let include = &workspace.config.ingest.include;
    let mut loose = LooseFiles::default();
    loose.add(&dir, &report, include);
    loose.tell(include, &app.ui);
    let pointed = workspace.select(&dir)?;
    let (held, in_git) = compared(app, &workspace, &pointed);
    let repo = Repo::open(&workspace.root, &app.env).ok();
    let warn_of_hooks = || repo.as_ref().is_some_and(|repo| hooks::warn_unreached(app, repo));
    let anew = held.as_ref().and_then(Held::lack).filter(|_| !in_git || matches!(held, Some(Held::Changed { .. })));
    if app.ui.json() {
        app.ui.data_json(&Shown {
            file: &pointed.file,
            old: pointed.old.as_deref(),
            new: &pointed.new,
            changed: pointed.changed,
            valid: report.ok,
            recorded_anew: anew.is_some(),
            ignored: &report.ignored,
        });
        warn_of_hooks();
        return Ok(Outcome::Done);
    }
    tell_ignored(&report, &app.ui);
    let old = pointed.old.as_deref().unwrap_or("(nothing)");
    if pointed.changed {
        app.ui.line(&format!("{}: {old} -> {}", pointed.file, pointed.new));
    } else {
        app.ui.line(&format!("{}: {} is selected already", pointed.file, pointed.new));
    }
    if let Some(lack) = &anew {
        app.ui.status(&format!("{} was recorded anew: {lack}", pointed.new));
    }
    // The commit that is hinted at takes the run by them.
    warn_of_hooks();
    let hidden = Project::open(&workspace.root, &app.env).ok().and_then(|project| project.sees(&pointed.file).err());
    if let Some(stop) = hidden {
        app.ui.warn(&stop.to_string());
        stop.explain().hints.iter().for_each(|hint| app.ui.hint(hint));
    } else if in_git && pointed.changed {
        app.ui.hint(&format!("`git commit {} -m '…'` puts it into the dataset", quoted(&pointed.file)));
    } else if !in_git && anew.is_some() {
        // Git sees no change in the params file.
        app.ui.hint(&format!("`capture-hook publish {}` commits it", quoted(&pointed.new)));
    }
    Ok(Outcome::Done)
}

/// How the dataset compares with the run that was selected, if that can be told, and whether git sees the selection.
fn compared(app: &App, workspace: &Workspace, pointed: &Pointed) -> (Option<Held>, bool) {
    let project = Project::open(&workspace.root, &app.env).ok();
    match project.map(|project| project.note_selection(pointed)) {
        None => (None, true),
        Some(Ok(selection)) => (selection.held, selection.in_git),
        Some(Err(error)) => {
            app.ui.warn(&format!("whether the run was recorded anew cannot be told: {error}"));
            (None, true)
        }
    }
}

/// The recorded run that the user picks, newest first; `None` where they leave it.
fn picked(app: &App, workspace: &Workspace) -> Result<Option<PathBuf>, Error> {
    let missing = || {
        Error::new(ExitKind::Usage, "usage", "which run? RUN is missing, and there is no terminal to ask on")
            .hint("`capture-hook runs` lists the runs there are; `capture-hook select latest` takes the newest")
    };
    if app.ui.json() {
        return Err(missing());
    }
    let found = workspace.discover()?;
    for run in &found.left_out {
        app.ui.warn(&run.to_string());
    }
    let mut runs = found.runs;
    if runs.is_empty() {
        return Err(Error::new(ExitKind::Setup, "no_such_run", "there is no run to select yet")
            .hint("record one under results/, or see how it goes: `capture-hook demo`"));
    }
    runs.sort_by(|a, b| (&b.start, &b.key).cmp(&(&a.start, &a.key)));
    let selected = workspace.selection()?.run_dir;
    let name = |run: &RunDir| {
        // A directory that is not called as its run is named too.
        let (name, dir) = (run.name(), workspace.shown(&run.dir));
        if dir.ends_with(&format!("/{name}")) { name } else { format!("{name} ({dir})") }
    };
    let width = runs.iter().map(|run| name(run).chars().count()).max().unwrap_or_default();
    let lines: Vec<String> = runs
        .iter()
        .map(|run| {
            let day = run.start.text().map_or("-", |text| text.get(..16).unwrap_or(text)).replace('T', " ");
            let mark = if selected.as_deref() == Some(&workspace.shown(&run.dir)) { "  selected" } else { "" };
            format!("{:width$}  {day}{mark}", name(run))
        })
        .collect();
    let asked = pick("Which run? (text filters, Enter selects, Esc leaves)", &lines);
    match asked.map_err(|e| Error::new(ExitKind::Io, "terminal", format!("the terminal cannot be read: {e}")))? {
        Choice::Line(at) => Ok(runs.into_iter().nth(at).map(|run| run.dir)),
        Choice::Nothing => Ok(None),
        Choice::NoTerminal => Err(missing()),
    }
}

fn show_faults(app: &App, report: &Report) {
    app.ui.warn(&format!("{} is not a valid run", report.run_dir));
    for finding in &report.findings {
        let line = finding.line.map(|n| format!(":{n}")).unwrap_or_default();
        let file = finding.file.as_deref().unwrap_or_default();
        app.ui.status(&format!("  {file}{line}: {} ({})", finding.message, finding.code));
    }
}
