//! `capture-hook select`: validates a run and selects it in `params.yaml`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::runs::table::render_table;
use crate::app::{App, CommandOutcome};
use crate::error::{Error, ExitKind, Explain};
use crate::git::Repo;
use crate::history::catalog;
use crate::history::listed_runs::{ListedRun, list_runs};
use crate::history::new_runs::ScanLimit;
use crate::output::json::SelectJson;
use crate::output::table::{ColumnStyle, TextTable};
use crate::output::{PickOutcome, pick_line, validation};
use crate::project::dir::ProjectDir;
use crate::project::held::RunMatch;
use crate::project::include::LooseFiles;
use crate::project::select::SelectionChange;
use crate::project::{Project, held, report_ignored};
use crate::run::RunKey;
use crate::run::discover::RunDir;
use crate::support::process::shell_quote;
use crate::validate::ValidationReport;
use crate::{commit, hooks, validate};

/// Arguments of `select`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Without RUN, on a terminal, you choose from a list: arrow keys, a line's number, or text that filters; Enter
selects, Esc leaves everything as it is.

Only one value in params.yaml changes, ingest_capture.run_dir; comments, quoting,
order and line ends stay. The next `git commit` of params.yaml puts the run into
the dataset.

Examples:
  capture-hook select                      choose from a list
  capture-hook select demo/r1
  capture-hook select results/demo/r1
  capture-hook select latest && git commit -m 'New run' params.yaml")]
pub struct Args {
    /// The run.
    #[arg(value_name = "RUN", add = super::complete::run_candidates())]
    pub run: Option<String>,
    /// Select it even if it is invalid (a commit will still refuse it).
    #[arg(long)]
    pub force: bool,
}

/// Runs the command.
pub fn run(app: &App, args: &Args) -> Result<CommandOutcome, Error> {
    let project_dir = ProjectDir::find(&app.cwd)?;
    let dir = match &args.run {
        Some(run) => project_dir.resolve_run(&app.cwd, run)?,
        None => match pick_run(app, &project_dir)? {
            Some(dir) => dir,
            None => {
                app.ui.status("nothing was changed");
                return Ok(CommandOutcome::CheckFailed);
            }
        },
    };
    let run = args.run.clone().unwrap_or_else(|| project_dir.relative_display(&dir));
    if !dir.is_dir() {
        return Err(Error::new(ExitKind::Setup, "no_such_run", format!("there is no run `{run}`"))
            .hint("see all runs: `capture-hook runs`"));
    }
    // Before anything is written: a refused run leaves `params.yaml` as it is.
    let Some(report) = validate_selected(app, args, &project_dir, &dir)? else {
        return Ok(CommandOutcome::CheckFailed);
    };
    let include = &project_dir.config.ingest.include;
    let mut loose = LooseFiles::default();
    loose.add_run(&dir, &report, include);
    loose.report_to(include, &app.ui);
    let change = project_dir.select_run(&dir)?;
    let (comparison, in_git) = compare_with_dataset(app, &project_dir, &change);
    // Selecting works without git too; then there are no hooks to warn of.
    let repo = Repo::open(&project_dir.root, &app.env).ok();
    let warn_of_hooks = || repo.as_ref().is_some_and(|repo| hooks::warn_unreached(app, repo));
    let recorded_anew = comparison
        .as_ref()
        .and_then(RunMatch::mismatch)
        // If git sees the selection, a run that the dataset lacks is new and gets into the next commit as usual.
        .filter(|_| !in_git || matches!(comparison, Some(RunMatch::Changed { .. })));
    if app.ui.json() {
        app.ui.print_json(&SelectJson {
            file: &change.file,
            old: change.old.as_deref(),
            new: &change.new,
            changed: change.changed,
            valid: report.ok,
            recorded_anew: recorded_anew.is_some(),
            ignored: &report.ignored,
        });
        warn_of_hooks();
        return Ok(CommandOutcome::Done);
    }
    report_ignored(&report, &app.ui);
    let old = change.old.as_deref().unwrap_or("(nothing)");
    if change.changed {
        app.ui.print_line(&format!("{}: {old} -> {}", change.file, change.new));
    } else {
        app.ui.print_line(&format!("{}: {} is already selected", change.file, change.new));
    }
    if let Some(difference) = &recorded_anew {
        app.ui.status(&format!("{} was recorded again: {difference}", change.new));
    }
    // The commit that is hinted at takes the run by them.
    warn_of_hooks();
    // The selection is written already. Without a git repository, no flag of git can hide it.
    let refused = Project::open(&project_dir.root, &app.env)
        .ok()
        .and_then(|project| commit::check_visible_to_git(&project, &change.file).err());
    if !report.ok {
        // What would refuse it is not advised.
        app.ui.hint(&format!("see what is wrong with `capture-hook validate {}`", shell_quote(&change.new)));
    } else if let Some(refusal) = refused {
        app.ui.warn(&refusal.to_string());
        refusal.explain().hints.iter().for_each(|hint| app.ui.hint(hint));
    } else if in_git && change.changed {
        app.ui.hint(&format!("commit it: `git commit {} -m '…'`", shell_quote(&change.file)));
    } else if !in_git && recorded_anew.is_some() {
        // Git sees no change in the params file.
        app.ui.hint(&format!("commit it: `capture-hook publish {}`", shell_quote(&change.new)));
    }
    Ok(CommandOutcome::Done)
}

/// The report of the run that is about to be selected; `None` if it is invalid and must not be.
fn validate_selected(
    app: &App,
    args: &Args,
    project_dir: &ProjectDir,
    dir: &Path,
) -> Result<Option<ValidationReport>, Error> {
    let shown = project_dir.relative_display(dir);
    let progress = app.ui.progress("validating", Some(ProjectDir::dir_size(dir)));
    let report = validate::validate_run(dir, &shown, &project_dir.validate_options()?, &progress)?;
    drop(progress);
    if !report.ok {
        warn_findings(app, &report);
        if !args.force {
            app.ui.hint(&format!(
                "see the whole report with `capture-hook validate {}`, or select the run anyway with `--force`; nothing was changed",
                shell_quote(args.run.as_deref().unwrap_or(&shown))
            ));
            return Ok(None);
        }
        app.ui.warn(&format!("{} is invalid, but selected; a commit will refuse it", report.run_dir));
    }
    Ok(Some(report))
}

/// How the dataset compares with the run that was selected, if that is known, and whether git sees the selection.
fn compare_with_dataset(app: &App, project_dir: &ProjectDir, change: &SelectionChange) -> (Option<RunMatch>, bool) {
    // Without a git repository there is nothing to compare with; the usual hint, to commit, follows.
    let project = Project::open(&project_dir.root, &app.env).ok();
    match project.map(|project| held::note_selection(&project, change)) {
        None => (None, true),
        Some(Ok(selection)) => (selection.run_match, selection.in_git),
        // The selection is written already, so that this is a warning.
        Some(Err(error)) => {
            app.ui.warn(&format!("cannot find out whether the run was recorded again: {error}"));
            (None, true)
        }
    }
}

/// The recorded run that the user picks, newest first; `None` if they leave it.
fn pick_run(app: &App, project_dir: &ProjectDir) -> Result<Option<PathBuf>, Error> {
    let missing = || {
        Error::new(ExitKind::Usage, "usage", "RUN is missing, and there is no terminal to choose a run on")
            .hint("see all runs with `capture-hook runs`, and select one with `capture-hook select RUN`")
    };
    if app.ui.json() {
        // A script gets an error, never a prompt.
        return Err(missing());
    }
    let found = project_dir.discover_runs()?;
    for run in &found.left_out {
        app.ui.warn(&run.to_string());
    }
    let mut runs = found.runs;
    if runs.is_empty() {
        return Err(Error::new(ExitKind::Setup, "no_such_run", "no run to select yet")
            .hint("record one in results/, or see how it works: `capture-hook demo`"));
    }
    runs.sort_by(|a, b| (&b.start, &b.key).cmp(&(&a.start, &a.key)));
    let selected = project_dir.read_selection()?.run_dir;
    let (heading, lines) = pick_lines(app, project_dir, &runs, selected.as_deref());
    let choice = pick_line("Which run? (text filters, Enter selects, Esc leaves)", heading.as_deref(), &lines);
    match choice.map_err(|e| {
        Error::new(ExitKind::Io, "terminal", format!("the terminal cannot be read: {e}"))
            .hint("name the run: `capture-hook select RUN`")
    })? {
        PickOutcome::Line(at) => Ok(runs.into_iter().nth(at).map(|run| run.dir)),
        PickOutcome::Cancelled => Ok(None),
        PickOutcome::NoTerminal => Err(missing()),
    }
}

/// A heading, and a line for each run: as `runs` lists them. If a name does not say which directory it is, or nothing is
/// known of the runs, only what their directories say.
fn pick_lines(
    app: &App,
    project_dir: &ProjectDir,
    runs: &[RunDir],
    selected: Option<&str>,
) -> (Option<String>, Vec<String>) {
    // The number of a line and the mark of the cursor stand before it.
    let width = app.ui.terminal_width().saturating_sub(runs.len().to_string().len() + 5);
    let listed = list_recorded(app, project_dir).unwrap_or_default();
    let known: Option<Vec<ListedRun>> = runs
        .iter()
        .map(|run| {
            let known = listed.get(run.key.as_ref()?)?;
            let dir = project_dir.relative_display(&run.dir);
            let is_named = dir.ends_with(&format!("/{}", run.name()));
            (is_named && known.sources.recorded.as_deref() == Some(dir.as_str())).then(|| known.clone())
        })
        .collect();
    if let Some(known) = known {
        let (text, _) = render_table(&known, width);
        let mut lines = text.to_plain().lines().map(str::to_owned).collect::<Vec<_>>().into_iter();
        return (lines.next(), lines.collect());
    }
    let mut table = TextTable::new([ColumnStyle::Left(""); 3]);
    for run in runs {
        let (name, dir) = (run.name(), project_dir.relative_display(&run.dir));
        // A directory that is not called as its run is named too.
        let name = if dir.ends_with(&format!("/{name}")) { name } else { format!("{name} ({dir})") };
        // 16 characters are `2024-05-01T12:30`: the day and the minute.
        let day = run.start.text().map_or("-", |text| text.get(..16).unwrap_or(text)).replace('T', " ");
        let state = run.key.as_ref().and_then(|key| listed.get(key)).map_or("", |known| known.state().as_str());
        let mark = if selected == Some(dir.as_str()) { " selected" } else { "" };
        table.push_row([name.into(), day.into(), format!("{state}{mark}").trim_start().into()]);
    }
    (None, table.render_text(width).to_plain().lines().map(str::to_owned).collect())
}

/// What is known of the runs by their names; `None` without a repository, or if it cannot be read: then `runs` says why.
fn list_recorded(app: &App, project_dir: &ProjectDir) -> Option<HashMap<RunKey, ListedRun>> {
    let project = Project::open(&project_dir.root, &app.env).ok()?;
    let catalog = catalog::load_catalog(&project).ok()?;
    let recorded: Vec<_> = catalog.runs().filter(|run| run.sources.recorded.is_some()).collect();
    let bar = app.ui.progress("reading runs", None);
    let listed = list_runs(&project, &catalog, &recorded, ScanLimit::Short, &bar).ok()?;
    Some(listed.into_iter().map(|run| (run.key.clone(), run)).collect())
}

fn warn_findings(app: &App, report: &ValidationReport) {
    app.ui.warn(&format!("{} is not a valid run", report.run_dir));
    validation::finding_lines(report, app.ui.terminal_width()).iter().for_each(|line| app.ui.status(line));
}
