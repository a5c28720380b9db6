//! `capture-hook report`: all runs in one HTML file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::complete;
use super::lone_run::{FoundRuns, LoneRun, find_named_runs};
use crate::app::{App, CommandOutcome};
use crate::error::{Error, ExitKind};
use crate::output::json::ReportJson;
use crate::project::dir::ProjectDir;
use crate::report::build::{MadeReport, make_lone_report, make_report};
use crate::report::check::{DEFAULT_FILE, check_report};
use crate::report::destination::check_destination;
use crate::report::missing::describe_absent;
use crate::report::select::ReportRequest;
use crate::support::fs::write_atomic;
use crate::support::interactive::{OpenFailure, open_on_desktop};
use crate::support::text::{format_bytes, format_plural};

/// Arguments of `report`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  capture-hook report --open                        every run of the history, in your browser
  capture-hook report -e nav -o nav.html            the runs of one experiment
  capture-hook report nav/r1 nav/r2 latest          some runs; a run that is not committed yet can be one
  capture-hook report --rev v1.0 -o v1.html         as a tag, branch or commit has it
  capture-hook report DIR                           an export, or any directory of runs
  capture-hook report --check                       in CI: is the committed report.html current?

The file needs no network and no server: send it, or open it in ten years. Without RUN it shows every run that the history of
the revision holds or held, each as that history has it last. The same commits, tags and data give the same bytes, so a report
can be committed: that does not make it outdated. Data that is not in this clone is not fetched; the page says so, and so
does this command.

--check makes the file again with the runs, experiment and revision that it was made with. Exit code 0: it is current. 1: it
is outdated, with what is new. 3: it cannot be known, because data or history is not in this clone.")]
pub struct Args {
    /// The runs or their tags [default: all runs of the history].
    #[arg(value_name = "RUN|TAG", add = complete::run_and_tag_candidates())]
    runs: Vec<String>,
    /// Only the runs of this experiment.
    #[arg(short, long, value_name = "EXPERIMENT", conflicts_with = "runs", add = complete::experiment_candidates())]
    experiment: Option<String>,
    /// The commit, branch or tag whose history is shown [default: HEAD].
    #[arg(long, value_name = "REV", add = complete::tag_candidates())]
    rev: Option<String>,
    /// The file to write, or to check; `-` is standard output.
    #[arg(short, long, value_name = "FILE", default_value = DEFAULT_FILE)]
    output: PathBuf,
    /// Open it in the desktop's browser.
    #[arg(long)]
    open: bool,
    /// Say whether the file is current; write nothing.
    #[arg(long, conflicts_with_all = ["runs", "experiment", "rev", "open", "force"])]
    check: bool,
    /// Replace a file that is not a report.
    #[arg(long)]
    force: bool,
}

/// Runs the command.
pub fn run(app: &App, args: &Args) -> Result<CommandOutcome, Error> {
    let is_stdout = args.output == Path::new("-");
    if is_stdout && (args.open || args.check) {
        let option = if args.open { "--open" } else { "--check" };
        return Err(Error::new(ExitKind::Usage, "usage", format!("{option} needs a file, not standard output"))
            .hint("name a file: `-o FILE`"));
    }
    let path = app.cwd.join(&args.output);
    if args.check {
        let project = app.open_project()?;
        let made = check_report(&project, &path, &args.output, &app.ui)?;
        report_made(app, args, &made, Some(true));
        return Ok(CommandOutcome::Done);
    }
    // Before the runs are read: a file that stays in its place is an error at once.
    if !is_stdout && !args.force {
        check_destination(&path, &args.output)?;
    }
    let made = match find_named_runs(app, &args.runs)? {
        FoundRuns::InProject(project) => {
            let request = ReportRequest {
                runs: &args.runs,
                experiment: args.experiment.as_deref(),
                rev: args.rev.as_deref(),
                cwd: &app.cwd,
            };
            make_report(&project, request, &app.ui)?
        }
        FoundRuns::Lone(runs) => report_lone_runs(app, args, &runs)?,
    };
    if is_stdout {
        app.ui.print_bytes(made.page.as_bytes());
        warn_missing(app, &made);
        return Ok(CommandOutcome::Done);
    }
    write_atomic(&path, made.page.as_bytes())?;
    report_made(app, args, &made, None);
    if args.open {
        open_page(app, &path, &args.output);
    }
    Ok(CommandOutcome::Done)
}

/// Reports directories that belong to no project.
fn report_lone_runs(app: &App, args: &Args, lone_runs: &[LoneRun]) -> Result<MadeReport, Error> {
    if let Some(rev) = &args.rev {
        let message = format!("`{}` is not known: the runs are directories of no project", rev.escape_debug());
        return Err(Error::new(ExitKind::Usage, "usage", message).hint("leave `--rev` out, or name runs of a project"));
    }
    let mut runs = BTreeMap::new();
    for run in lone_runs {
        let (key, location) = run.named()?;
        if runs.insert(key.clone(), location.clone()).is_some() {
            let message = format!("two of the directories hold {key}");
            return Err(Error::new(ExitKind::Usage, "several_versions", message)
                .hint("a report holds a run once: make one for each with `-o FILE`"));
        }
    }
    Ok(make_lone_report(&ProjectDir::find(&app.cwd)?, &runs, &app.ui)?)
}

fn report_made(app: &App, args: &Args, made: &MadeReport, current: Option<bool>) {
    if app.ui.json() {
        app.ui.print_json(&ReportJson {
            path: args.output.to_string_lossy().into_owned(),
            runs: made.runs as u64,
            bytes: made.page.len() as u64,
            missing: made.missing.len() as u64,
            current,
        });
    } else if current.is_some() {
        app.ui.print_line(&format!("{} is current", args.output.display()));
    } else {
        app.ui.print_value(&args.output);
        let size = format_bytes(made.page.len() as u64);
        app.ui.status(&format!("{}, {size}", format_plural(made.runs as u64, "run")));
    }
    warn_missing(app, made);
}

fn warn_missing(app: &App, made: &MadeReport) {
    if let Some((what, command)) = describe_absent(&made.missing) {
        app.ui.warn(&what);
        app.ui.hint(&format!("fetch it, then make the report again: `{command}`"));
    }
    let damaged = made.missing.iter().filter(|run| !run.is_absent);
    for run in damaged {
        app.ui.warn(&format!("the rows of {} cannot be read", run.run));
        if let Some(command) = &run.command {
            app.ui.hint(&format!("see what is wrong: `{command}`"));
        }
    }
    if made.is_cut_off {
        app.ui.warn("this clone does not hold all of the history: the commits of older runs are not known");
        app.ui.hint("fetch it, then make the report again: `git fetch --unshallow --tags`");
    } else if made.lists_missing > 0 {
        let versions = format_plural(made.lists_missing as u64, "data version");
        app.ui.warn(&format!("the list of files of {versions} is not in this clone: runs can be missing"));
        app.ui.hint("fetch them, then make the report again: `capture-hook check`");
    }
}

fn open_page(app: &App, path: &Path, shown: &Path) {
    // The report is made: that it cannot be shown is no failure of the command.
    if let Err(failure) = open_on_desktop(path, &app.env) {
        let why = match failure {
            OpenFailure::NoDesktop => "there is no desktop here".to_owned(),
            OpenFailure::NoOpener { program } => format!("there is no program `{program}`"),
            OpenFailure::Failed { program, why } => format!("`{program}` failed: {why}"),
        };
        app.ui.warn(&format!("cannot open {}: {why}", shown.display()));
        app.ui.hint(&format!("open the file in a browser: {}", path.display()));
    }
}
