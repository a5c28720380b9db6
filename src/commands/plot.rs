//! `capture-hook plot`: a run as a picture.

use std::path::{Path, PathBuf};

use super::complete;
use crate::app::{App, Outcome};
use crate::columnar::{Grid, KeyFigures, Trace};
use crate::error::{Error, ExitKind};
use crate::history::summary::{Depth, Summary};
use crate::output::json::Plotted;
use crate::output::plot::Picture;
use crate::output::{human, plot};
use crate::support::fs::write_atomic;
use crate::support::process::quoted;

/// Arguments of `plot`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  capture-hook plot latest                     the newest run, to <experiment>-<run_id>.svg
  capture-hook plot nav/r1 -o nav-r1.png       a picture for a slide
  capture-hook plot latest:nav -o - > nav.svg

The picture shows where the agents went over the plume's grid, the distance to the goal and the reward over steps (median
and quartiles over episodes; an episode that has ended keeps its last value), and how long episodes were.")]
pub struct Args {
    /// The run or its tag: a path, experiment/run_id, a run id or a unique start of one, latest, latest:EXPERIMENT.
    #[arg(value_name = "RUN|TAG", add = complete::runs_and_tags())]
    run: String,
    /// Where to: FILE.svg or FILE.png; `-` is SVG on standard output [default: <experiment>-<run_id>.svg].
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Runs the command.
pub fn run(app: &App, args: &Args) -> Result<Outcome, Error> {
    let project = app.project()?;
    let catalog = project.catalog()?;
    let target = project.resolve_run(&catalog, &app.cwd, &args.run)?;
    let default = PathBuf::from(format!("{}-{}.svg", target.key.experiment(), target.key.run_id()));
    let output = args.output.clone().unwrap_or(default);
    let format = format(&output)?;
    let place = project.locate(&catalog, &target)?;
    let bar = app.ui.progress("reading the run", None);
    let summary = project.summary(&place, Depth::Trace, &bar)?;
    drop(bar);
    let trace = summary.trace.as_ref().ok_or_else(|| unreadable(&target.key.to_string()))?;
    let title = target.key.to_string();
    let subtitle = subtitle(&summary, trace);
    let grid = summary.meta.as_ref().map(|meta| Grid::from_env_config(&meta.env_config)).unwrap_or_default();
    let picture = Picture { title: &title, subtitle: &subtitle, grid, trace };
    let to_stdout = output == Path::new("-");
    let bytes = if format == "png" {
        let none = || Error::new(ExitKind::Io, "io", "there is not enough memory for the picture");
        plot::png(&picture).ok_or_else(none)?
    } else {
        plot::svg(&picture).into_bytes()
    };
    if to_stdout {
        app.ui.document(&bytes);
        return Ok(Outcome::Done);
    }
    write_atomic(&app.cwd.join(&output), &bytes)?;
    if app.ui.json() {
        app.ui.data_json(&Plotted {
            run: title,
            path: output.to_string_lossy().into_owned(),
            format,
            episodes: trace.episodes.len() as u64,
            steps: trace.episodes.iter().map(|e| e.steps).sum(),
        });
    } else {
        app.ui.value(&output);
    }
    Ok(Outcome::Done)
}

fn format(output: &Path) -> Result<&'static str, Error> {
    if output == Path::new("-") {
        return Ok("svg");
    }
    match output.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase).as_deref() {
        Some("svg") => Ok("svg"),
        Some("png") => Ok("png"),
        _ => {
            let message = format!("`{}` is neither a .svg nor a .png file", output.display());
            Err(Error::new(ExitKind::Usage, "unknown_format", message).hint("name the picture FILE.svg or FILE.png"))
        }
    }
}

fn unreadable(run: &str) -> Error {
    Error::new(ExitKind::CheckFailed, "unreadable_run", format!("the rows of {run} cannot be read"))
        .hint(format!("`capture-hook validate {}` says what is wrong", quoted(run)))
}

fn subtitle(summary: &Summary, trace: &Trace) -> String {
    let steps: u64 = trace.episodes.iter().map(|e| e.steps).sum();
    let mut parts = vec![human::plural(trace.episodes.len() as u64, "episode"), human::plural(steps, "step")];
    if let Some(KeyFigures { success_rate: Some(rate), mean_reward, .. }) = &summary.figures {
        parts.push(format!("{} reached the goal", human::percent(*rate)));
        parts.extend(mean_reward.map(|reward| format!("mean reward {}", human::number(reward))));
    }
    if let Some(meta) = &summary.meta {
        parts.push(meta.start_time.clone());
    }
    parts.join("  ·  ")
}
