//! `capture-hook ingest`: the stage's command.

use std::path::{Path, PathBuf};

use crate::app::{App, CommandOutcome};
use crate::dataset::metrics_files;
use crate::dataset::stage::DEFAULT_OUT_DIR;
use crate::error::{Error, ExitKind};
use crate::ingest;
use crate::ingest::{IngestOutcome, IngestRequest, ingest_runs};
use crate::output::json::{IngestJson, IngestedRunJson};
use crate::project::dir::{ProjectDir, RunSelection};
use crate::project::{PARAMS_FILE, Project, ProjectError, data_dir, report_ignored};
use crate::run::dataset_dir;
use crate::run::discover::{DuplicateRuns, RunDir};
use crate::support::beneath::RootDir;
use crate::support::parallel;
use crate::support::path::normalize_path;

/// Arguments of `ingest`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Validates a run and puts it into the dataset: <out_dir>/<experiment>/<run_id>/ gets every file of the recorder byte for byte,
a manifest, steps.parquet, episodes.parquet and DATASET_INDEX.json. The folder appears complete or not at all. An invalid run
is refused, and nothing changes. The same run gives the same bytes on any machine at any time. A run that is already in the
dataset stays as it is, even if an older version of capture-hook ingested it.

Without arguments it ingests the run that params.yaml selects; the stage capture_ingest in dvc.yaml calls it like this.
If no run is selected, the dataset stays as it is.
Only the files of the dataset change; commit params.yaml, or use `capture-hook publish`, to version them with DVC and git.

Examples:
  capture-hook ingest
  capture-hook ingest demo/r1 demo/r2
  capture-hook ingest --all --jobs 8
  capture-hook ingest --run-dir /scratch/demo/r1 --out-dir data/captures")]
pub struct Args {
    /// The runs; without any, the selected one.
    #[arg(value_name = "RUN", conflicts_with_all = ["all", "run_dir"], add = super::complete::run_candidates())]
    pub runs: Vec<String>,
    /// Ingest every run in the results directory.
    #[arg(long, conflicts_with = "run_dir")]
    pub all: bool,
    /// The run's directory, instead of what params.yaml selects.
    #[arg(long, value_name = "P")]
    pub run_dir: Option<PathBuf>,
    /// The dataset's directory, instead of what params.yaml says.
    #[arg(long, value_name = "P")]
    pub out_dir: Option<PathBuf>,
    /// Write parquet, manifest and index again if the run is already in the dataset.
    #[arg(long)]
    pub force: bool,
    /// How many runs to ingest at once (default: the number of processors).
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: Option<u16>,
}

/// Runs the command.
pub fn run(app: &App, args: &Args) -> Result<CommandOutcome, Error> {
    let project_dir = ProjectDir::find(&app.cwd)?;
    let is_named = args.all || args.run_dir.is_some() || !args.runs.is_empty();
    // If both the runs and the dataset are named, params.yaml is not needed, so it may be absent or broken.
    let selection = if is_named && args.out_dir.is_some() { None } else { Some(project_dir.read_selection()?) };
    let out_dir = match (&args.out_dir, &selection) {
        (Some(dir), _) => normalize_path(&app.cwd.join(dir)),
        (None, selection) => project_dir.root.join(selection.as_ref().map_or(DEFAULT_OUT_DIR, |s| &s.out_dir)),
    };
    let mut left_out = Vec::new();
    let runs: Vec<PathBuf> = if args.all {
        let found = project_dir.discover_runs()?;
        left_out = found.left_out;
        distinct_dirs(&project_dir, found.runs)?
    } else if let Some(dir) = &args.run_dir {
        vec![app.cwd.join(dir)]
    } else if !args.runs.is_empty() {
        let dirs = args.runs.iter().map(|run| project_dir.resolve_run(&app.cwd, run)).collect::<Result<Vec<_>, _>>()?;
        distinct_dirs(&project_dir, dirs.iter().map(|dir| RunDir::read(dir)).collect())?
    } else {
        match selection {
            Some(RunSelection { run_dir: Some(dir), .. }) => vec![project_dir.root.join(dir)],
            Some(selection) if project_dir.read_stage()?.is_some() => {
                return leave_dataset(app, &project_dir, &selection.file, &out_dir);
            }
            selection => {
                let file = selection.map_or_else(|| PARAMS_FILE.into(), |selection| selection.file);
                return Err(ProjectError::NothingSelected { file }.into());
            }
        }
    };
    let options = project_dir.validate_options()?;
    // Without a project of git and DVC, the names of directories alone show what is not for data.
    let off_limits = match Project::open(&project_dir.root, &app.env) {
        Ok(project) => data_dir::find_off_limits(&project)?,
        Err(_) => Vec::new(),
    };
    let mut requests: Vec<IngestRequest> = runs
        .iter()
        .map(|run_dir| IngestRequest {
            run_dir: normalize_path(run_dir),
            shown_as: project_dir.relative_display(&normalize_path(run_dir)),
            out_dir: out_dir.clone(),
            root: project_dir.root.clone(),
            off_limits: off_limits.clone(),
            options: options.clone(),
            force: args.force,
        })
        .collect();
    let done = ingest_all(app, &mut requests, args.jobs);
    // As the stage's command it also writes what DVC's own views show of the selected run.
    if !is_named && let [Ok(ingested)] = done.as_slice() {
        metrics_files::write_metrics_files(&project_dir.root, &out_dir, &ingested.key)?;
    }
    for run in &left_out {
        app.ui.warn(&run.to_string());
    }
    // Runs that were left out make the exit code 1, although all others are in the dataset.
    match report_results(app, &project_dir, done)? {
        CommandOutcome::Done if !left_out.is_empty() => Ok(CommandOutcome::CheckFailed),
        outcome => Ok(outcome),
    }
}

/// Without a selection there is nothing to put into the dataset. DVC takes what is there for the whole of it, and needs
/// the directory itself.
fn leave_dataset(app: &App, project_dir: &ProjectDir, file: &str, out_dir: &Path) -> Result<CommandOutcome, Error> {
    let shown = project_dir.relative_display(out_dir);
    match Project::open(&project_dir.root, &app.env) {
        Ok(project) => {
            data_dir::check_dataset_dir(&project, &shown)?;
            data_dir::require_complete_dataset(&project, &shown)?;
        }
        Err(_) => drop(dataset_dir::check_dataset_dir(&project_dir.root, out_dir, &[]).map_err(ProjectError::from)?),
    }
    RootDir::new(&project_dir.root).create_dir_all(&shown).map_err(ProjectError::from)?;
    app.ui.status(&format!("no run is selected in {file}, so {shown} stays as it is"));
    app.ui.hint("select one: `capture-hook select RUN`");
    if app.ui.json() {
        app.ui.print_json(&IngestJson { runs: Vec::new() });
    }
    Ok(CommandOutcome::Done)
}

/// The directories of these runs, each name once; several runs of one name that differ stop everything.
fn distinct_dirs(project_dir: &ProjectDir, runs: Vec<RunDir>) -> Result<Vec<PathBuf>, DuplicateRuns> {
    Ok(project_dir.distinct_runs(runs)?.into_iter().map(|run| run.dir).collect())
}

/// Ingests all, several at once. Results in the order of the requests.
fn ingest_all(
    app: &App,
    requests: &mut [IngestRequest],
    jobs: Option<u16>,
) -> Vec<Result<IngestOutcome, ingest::IngestError>> {
    let jobs = jobs.map_or_else(parallel::processors, usize::from).min(requests.len());
    if let [request] = requests {
        let bar = app.ui.progress("ingesting", Some(ProjectDir::dir_size(&request.run_dir)));
        return ingest_runs(requests, jobs, &bar);
    }
    // With a run for each thread, threads for each run's parts would only wait for each other.
    if jobs > 1 && jobs >= parallel::processors() {
        requests.iter_mut().for_each(|request| request.options.one_thread = true);
    }
    let progress = app.ui.progress_of_items("ingesting", requests.len() as u64, "run");
    ingest_runs(requests, jobs, &progress)
}

fn report_results(
    app: &App,
    project_dir: &ProjectDir,
    done: Vec<Result<IngestOutcome, ingest::IngestError>>,
) -> Result<CommandOutcome, Error> {
    let is_single = done.len() == 1;
    let mut worst: Option<Error> = None;
    let mut rows = Vec::new();
    for result in done {
        match result {
            Ok(ingested) => {
                let destination = project_dir.relative_display(&ingested.destination);
                for code in &ingested.report.warnings {
                    app.ui.detail(&format!("{}: warning: {code}", ingested.key));
                }
                if app.ui.json() {
                    rows.push(IngestedRunJson {
                        run: ingested.key.to_string(),
                        destination,
                        changed: ingested.changed,
                        report: ingested.report,
                    });
                } else {
                    report_ignored(&ingested.report, &app.ui);
                    app.ui.print_value(&destination);
                }
            }
            // The error of a single run is the error of the command, with its hints.
            Err(error) if is_single => return Err(error.into()),
            Err(error) => {
                let error = Error::from(error);
                app.ui.error(&error);
                // The gravest decides the exit code.
                if worst.as_ref().is_none_or(|worst| error.exit_kind().exit_code() > worst.exit_kind().exit_code()) {
                    worst = Some(error);
                }
            }
        }
    }
    if app.ui.json() {
        app.ui.print_json(&IngestJson { runs: rows });
    }
    match worst {
        None => Ok(CommandOutcome::Done),
        // Each error is printed above already.
        Some(error) if error.exit_kind() == ExitKind::CheckFailed => Ok(CommandOutcome::CheckFailed),
        Some(error) => Err(Error::new(error.exit_kind(), error.code(), "not every run was ingested")),
    }
}
