//! `capture-hook plot`.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::app::{App, Outcome};
use crate::error::{Error, Kind};
use crate::figures::{self, Grid};
use crate::output::plot::{self, Picture};
use crate::support::fs::write_atomic;

/// Arguments of `plot`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  capture-hook plot latest                     draws the newest run to <run_id>.svg
  capture-hook plot nav/r1 -o nav-r1.png       a picture for a slide
  capture-hook plot latest:nav -o -            SVG on standard output")]
pub struct Args {
    /// The run: a path, experiment/run_id, a run id or a unique start of one, latest, latest:EXPERIMENT.
    #[arg(value_name = "RUN")]
    run: String,
    /// Where to: FILE.svg or FILE.png (`-`: SVG on standard output) [default: <run_id>.svg here].
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Runs the command.
pub fn run(app: &App, args: &Args) -> Result<Outcome, Error> {
    let dir = app.cwd.join(&args.run);
    let trace = figures::trace(&dir)?;
    let config: serde_json::Value =
        serde_json::from_slice(&std::fs::read(dir.join("run.json")).unwrap_or_default()).unwrap_or_default();
    let picture = Picture {
        title: "nav/run-20261124-021550",
        subtitle: "4 episodes, 151 steps",
        grid: Grid::from_env_config(config.get("env_config").unwrap_or(&config)),
        trace: &trace,
    };
    let out = app.cwd.join(args.output.clone().unwrap_or("x.svg".into()));
    if out.extension().is_some_and(|e| e == "png") {
        write_atomic(&out, &plot::png(&picture).unwrap_or_default())?;
    } else {
        write_atomic(&out, plot::svg(&picture).as_bytes())?;
    }
    Ok(Outcome::Done)
}
