//! `capture-hook validate`: every byte of every shard, every rule.

use std::path::PathBuf;

use crate::app::{App, CommandOutcome};
use crate::error::{Error, ExitKind};
use crate::output::json::ValidateJson;
use crate::output::validation;
use crate::project::ProjectError;
use crate::project::dir::ProjectDir;
use crate::project::include::LooseFiles;
use crate::run::discover::{LeftOut, RunDir};
use crate::run::infer::infer_hints;
use crate::run::resolve::{LATEST, ResolveError};
use crate::support::path::normalize_path;
use crate::support::text::format_plural;
use crate::validate;

const AFTER_HELP: &str = "\
Examples:
  capture-hook validate                    the selected run, else the newest
  capture-hook validate results/demo/r1    a run by its path
  capture-hook validate r1 nav/r7          by run id, by experiment and run id
  capture-hook validate latest:demo        the newest run of an experiment
  capture-hook --json validate --all       every run under results/, as JSON

Errors make a run invalid (exit code 1), warnings do not. Codes can be dropped or
made errors in capture-hook.toml:

  [validate]
  ignore = [\"time_goes_back\"]
  deny = [\"incomplete_episode\"]

";

/// Arguments of `validate`.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP, after_long_help = long_help())]
pub struct Args {
    /// The runs [default: the selected run, else the newest].
    #[arg(value_name = "RUN", add = super::complete::run_candidates())]
    pub runs: Vec<String>,
    /// Validate every run in the results directory.
    #[arg(long, conflicts_with = "runs")]
    pub all: bool,
}

fn long_help() -> String {
    let mut out = format!("{AFTER_HELP}Codes (* cannot be ignored):\n");
    for severity in [validate::Severity::Error, validate::Severity::Warning] {
        for code in validate::Code::ALL.iter().filter(|c| c.severity() == severity) {
            let mark = if code.is_ignorable() { ' ' } else { '*' };
            let kind = if severity == validate::Severity::Error { "error" } else { "warning" };
            // 28 columns hold the longest code, `unsupported_schema_version`.
            out += &format!("  {mark} {:<28} {kind}\n", code.as_str());
        }
    }
    out
}

/// Runs the command.
pub fn run(app: &App, args: &Args) -> Result<CommandOutcome, Error> {
    let project_dir = ProjectDir::find(&app.cwd)?;
    let options = project_dir.validate_options()?;
    let SelectedDirs { dirs, missing, left_out } = select_dirs(app, args, &project_dir)?;
    let mut reports = Vec::with_capacity(dirs.len());
    for dir in &dirs {
        let shown_dir = project_dir.relative_display(dir);
        let bar = app.ui.progress(&format!("validating {shown_dir}"), Some(ProjectDir::dir_size(dir)));
        let report = validate::validate_run(dir, &shown_dir, &options, &bar)?;
        drop(bar);
        if !(app.ui.json() || app.ui.quiet() && report.ok) {
            app.ui.print_sentences(&validation::render_report(&report, app.ui.terminal_width()));
        }
        reports.push(report);
    }
    let undeclared = reports.iter().find(|report| report.errors.contains(&validate::Code::MissingSchema));
    if let Some(report) = undeclared.filter(|_| !app.ui.json()) {
        infer_hints(&report.run_dir).iter().for_each(|hint| app.ui.hint(hint));
    }
    // The reports name what is left out; how to take it is said once.
    let include = &project_dir.config.ingest.include;
    let mut loose = LooseFiles::default();
    dirs.iter().zip(&reports).for_each(|(dir, report)| loose.add_run(dir, report, include));
    // Valid runs of one name that differ cannot all get into the dataset.
    let valid = dirs.iter().zip(&reports).filter(|(_, report)| report.ok).map(|(dir, _)| RunDir::read(dir));
    let duplicates = project_dir.duplicate_runs(&valid.collect::<Vec<_>>());
    let ok = reports.iter().all(|report| report.ok) && left_out.is_empty() && duplicates.0.is_empty();
    if app.ui.json() {
        app.ui.print_json(&ValidateJson { ok, runs: &reports });
    } else if args.all {
        let invalid_count = reports.iter().filter(|report| !report.ok).count();
        app.ui.status(&format!(
            "{} of {} valid",
            reports.len() - invalid_count,
            format_plural(reports.len() as u64, "run")
        ));
    }
    if let Some(hint) = loose.hint(include).filter(|_| !app.ui.json()) {
        app.ui.hint(&hint);
    }
    for run in &left_out {
        app.ui.warn(&run.to_string());
    }
    match missing {
        // The report says so too, for scripts that read it.
        Some(error) => Err(error.into()),
        // After the reports: which directories share a name is an error of its own.
        None if !duplicates.0.is_empty() => Err(duplicates.into()),
        None if ok => Ok(CommandOutcome::Done),
        None => Ok(CommandOutcome::CheckFailed),
    }
}

/// What to look at.
#[derive(Default)]
struct SelectedDirs {
    dirs: Vec<PathBuf>,
    /// Why the first that does not exist is not.
    missing: Option<ProjectError>,
    left_out: Vec<LeftOut>,
}

fn select_dirs(app: &App, args: &Args, project_dir: &ProjectDir) -> Result<SelectedDirs, Error> {
    if args.all {
        let found = project_dir.discover_runs()?;
        if found.runs.is_empty() {
            found.left_out.iter().for_each(|run| app.ui.warn(&run.to_string()));
            let results = project_dir.relative_display(&project_dir.results_dir());
            return Err(Error::new(ExitKind::Setup, "no_such_run", format!("no run in {results}")).hint(
                "record one to <results_dir>/<experiment>/<run_id>/; see the directory with `capture-hook config get results_dir`",
            ));
        }
        let dirs = found.runs.into_iter().map(|run| run.dir).collect();
        return Ok(SelectedDirs { dirs, left_out: found.left_out, ..SelectedDirs::default() });
    }
    if args.runs.is_empty() {
        let dir = match project_dir.read_selection()?.run_dir {
            Some(run_dir) => project_dir.root.join(run_dir),
            None => project_dir.resolve_run(&app.cwd, LATEST)?,
        };
        return Ok(SelectedDirs { dirs: vec![dir], ..SelectedDirs::default() });
    }
    let mut selected = SelectedDirs::default();
    for query in &args.runs {
        match project_dir.resolve_run(&app.cwd, query) {
            Ok(dir) => selected.dirs.push(dir),
            Err(error @ ProjectError::Resolve(ResolveError::NotFound { .. })) if query.contains('/') => {
                // A path that does not exist is validated too: the report says so, and the other runs are validated.
                selected.dirs.push(normalize_path(&app.cwd.join(query)));
                selected.missing.get_or_insert(error);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(selected)
}
