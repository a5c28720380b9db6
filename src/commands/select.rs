//! `capture-hook select`: validates a run and points params.yaml at it.

use serde::Serialize;

use crate::app::{App, Outcome};
use crate::error::{Error, Kind};
use crate::project::workspace::Workspace;
use crate::validate::{self, Report};

/// Arguments of `select`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
RUN is a path, EXPERIMENT/RUN_ID, a run id, or a unique beginning of one;
`latest` and `latest:EXPERIMENT` name the newest run.

One value in params.yaml changes, ingest_capture.run_dir, and nothing else:
comments, quoting, order and line ends stay. The next `git commit` that holds
params.yaml puts the run into the dataset.

Examples:
  capture-hook select demo/r1
  capture-hook select results/demo/r1
  capture-hook select latest && git commit -m 'New run' params.yaml")]
pub struct Args {
    /// The run.
    #[arg(value_name = "RUN", add = super::complete::runs())]
    pub run: String,
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
}

/// Runs the command.
pub fn run(app: &App, args: &Args) -> Result<Outcome, Error> {
    let workspace = Workspace::find(&app.cwd)?;
    let dir = workspace.run(&app.cwd, &args.run)?;
    if !dir.is_dir() {
        return Err(Error::new(Kind::Setup, "no_such_run", format!("there is no run `{}`", args.run))
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
                args.run
            ));
            return Ok(Outcome::Wanting);
        }
        app.ui.warn(&format!("{} is invalid and selected all the same; a commit will refuse it", report.run_dir));
    }
    let pointed = workspace.select(&dir)?;
    if app.ui.json() {
        app.ui.data_json(&Shown {
            file: &pointed.file,
            old: pointed.old.as_deref(),
            new: &pointed.new,
            changed: pointed.changed,
            valid: report.ok,
        });
        return Ok(Outcome::Done);
    }
    let old = pointed.old.as_deref().unwrap_or("(nothing)");
    if pointed.changed {
        app.ui.data(&format!("{}: {old} -> {}\n", pointed.file, pointed.new));
        app.ui.hint(&format!("`git commit {} -m '…'` puts it into the dataset", pointed.file));
    } else {
        app.ui.data(&format!("{}: {} is selected already\n", pointed.file, pointed.new));
    }
    Ok(Outcome::Done)
}

fn show_faults(app: &App, report: &Report) {
    app.ui.warn(&format!("{} is not a valid run", report.run_dir));
    for finding in &report.findings {
        let line = finding.line.map(|n| format!(":{n}")).unwrap_or_default();
        let file = finding.file.as_deref().unwrap_or_default();
        app.ui.status(&format!("  {file}{line}: {} ({})", finding.message, finding.code));
    }
}
