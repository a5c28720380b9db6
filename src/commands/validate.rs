//! `capture-hook validate`: every byte of every shard, every rule.

use std::path::PathBuf;

use serde::Serialize;

use crate::app::{App, Outcome};
use crate::error::{Error, ExitKind};
use crate::output::{human, validation};
use crate::project::ProjectError;
use crate::project::dir::{Workspace, normal};
use crate::project::include::LooseFiles;
use crate::run::discover::{LeftOut, RunDir};
use crate::run::resolve::ResolveError;
use crate::validate;
use crate::validate::Report;

const AFTER_HELP: &str = "\
Examples:
  capture-hook validate                    the selected run (params.yaml)
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
    /// Which runs: a path, EXPERIMENT/RUN_ID, a run id or a unique beginning of one, `latest`, `latest:EXPERIMENT`.
    #[arg(value_name = "RUN", add = super::complete::runs())]
    pub runs: Vec<String>,
    /// Every run under the results directory.
    #[arg(long, conflicts_with = "runs")]
    pub all: bool,
}

fn long_help() -> String {
    let mut out = format!("{AFTER_HELP}Codes (* cannot be ignored):\n");
    for severity in [validate::Severity::Error, validate::Severity::Warning] {
        for code in validate::Code::ALL.iter().filter(|c| c.severity() == severity) {
            let mark = if code.ignorable() { ' ' } else { '*' };
            let kind = if severity == validate::Severity::Error { "error" } else { "warning" };
            out += &format!("  {mark} {:<28} {kind}\n", code.as_str());
        }
    }
    out
}

#[derive(Serialize)]
struct Output<'a> {
    ok: bool,
    runs: &'a [Report],
}

/// Runs the command.
pub fn run(app: &App, args: &Args) -> Result<Outcome, Error> {
    let workspace = Workspace::find(&app.cwd)?;
    let options = workspace.validation()?;
    let Wanted { dirs, missing, left_out } = wanted(app, args, &workspace)?;
    let mut reports = Vec::with_capacity(dirs.len());
    for dir in &dirs {
        let shown = workspace.shown(dir);
        let bar = app.ui.progress(&format!("validating {shown}"), Some(Workspace::bytes(dir)));
        let report = validate::check(dir, &shown, &options, &bar)?;
        drop(bar);
        if !(app.ui.json() || app.ui.quiet() && report.ok) {
            app.ui.data(&validation::report(&report));
        }
        reports.push(report);
    }
    // The reports name what is left out; how to take it is said once.
    let include = &workspace.config.ingest.include;
    let mut loose = LooseFiles::default();
    dirs.iter().zip(&reports).for_each(|(dir, report)| loose.add(dir, report, include));
    // Valid runs of one name that differ cannot all get into the dataset.
    let valid = dirs.iter().zip(&reports).filter(|(_, report)| report.ok).map(|(dir, _)| RunDir::read(dir));
    let duplicates = workspace.duplicates(&valid.collect::<Vec<_>>());
    let ok = reports.iter().all(|report| report.ok) && left_out.is_empty() && duplicates.0.is_empty();
    if app.ui.json() {
        app.ui.data_json(&Output { ok, runs: &reports });
    } else if args.all {
        let bad = reports.iter().filter(|report| !report.ok).count();
        app.ui.status(&format!("{} of {} valid", reports.len() - bad, human::plural(reports.len() as u64, "run")));
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
        None if !duplicates.0.is_empty() => Err(duplicates.into()),
        None if ok => Ok(Outcome::Done),
        None => Ok(Outcome::CheckFailed),
    }
}

/// What to look at.
#[derive(Default)]
struct Wanted {
    dirs: Vec<PathBuf>,
    /// Why the first that is not there is not.
    missing: Option<ProjectError>,
    left_out: Vec<LeftOut>,
}

fn wanted(app: &App, args: &Args, workspace: &Workspace) -> Result<Wanted, Error> {
    if args.all {
        let found = workspace.discover()?;
        if found.runs.is_empty() {
            found.left_out.iter().for_each(|run| app.ui.warn(&run.to_string()));
            let results = workspace.shown(&workspace.results());
            return Err(Error::new(ExitKind::Setup, "no_such_run", format!("there is no run in {results}")).hint(
                "recorders write <results_dir>/<experiment>/<run_id>/; `capture-hook config get results_dir` says where",
            ));
        }
        let dirs = found.runs.into_iter().map(|run| run.dir).collect();
        return Ok(Wanted { dirs, left_out: found.left_out, ..Wanted::default() });
    }
    if args.runs.is_empty() {
        let selection = workspace.selection()?;
        let Some(run_dir) = selection.run_dir else {
            return Err(Error::new(
                ExitKind::Setup,
                "no_run_selected",
                format!("no run is selected in {}", selection.file),
            )
            .hint("`capture-hook select RUN` selects one; `capture-hook validate RUN` checks one without"));
        };
        return Ok(Wanted { dirs: vec![workspace.root.join(run_dir)], ..Wanted::default() });
    }
    let mut wanted = Wanted::default();
    for query in &args.runs {
        match workspace.run(&app.cwd, query) {
            Ok(dir) => wanted.dirs.push(dir),
            Err(error @ ProjectError::Resolve(ResolveError::NotFound { .. })) if query.contains('/') => {
                wanted.dirs.push(normal(&app.cwd.join(query)));
                wanted.missing.get_or_insert(error);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(wanted)
}
