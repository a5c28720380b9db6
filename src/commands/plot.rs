//! `capture-hook plot`: a run as a picture.

use std::path::{Path, PathBuf};

use super::complete;
use super::lone_run::{FoundRuns, find_named_run};
use crate::app::{App, CommandOutcome};
use crate::columnar::{PlotData, PlumeGrid, RunMetrics};
use crate::error::{Error, ExitKind};
use crate::history::catalog;
use crate::history::summary::{self, RunSummary, SummaryDepth};
use crate::output::json::PlotJson;
use crate::output::plot::RunPlot;
use crate::output::{human, plot};
use crate::project::dir::ProjectDir;
use crate::support::fs::write_atomic;
use crate::support::process::shell_quote;
use crate::support::text::format_plural;
use crate::validate::Code;

/// Arguments of `plot`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  capture-hook plot                      to EXPERIMENT-RUN_ID.svg
  capture-hook plot nav/r1 -o r1.png     a picture for a slide
  capture-hook plot latest:nav -o - > nav.svg

The picture shows what the run has: the agents' paths, the columns that its schema.json names under `plot`, and the reward over
steps (median and quartiles over episodes; an episode that has ended keeps its last value), the lengths of episodes, and which
share of them took each discrete action. A run of plume-nav-sim has its paths on the plume's grid, and the distance to the goal.")]
pub struct Args {
    /// The run or its tag [default: the selected run, else the newest].
    #[arg(value_name = "RUN|TAG", add = complete::run_and_tag_candidates())]
    run: Option<String>,
    /// The file to write: FILE.svg or FILE.png; `-` is SVG on standard output [default: <experiment>-<run_id>.svg].
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Runs the command.
pub fn run(app: &App, args: &Args) -> Result<CommandOutcome, Error> {
    let source = find_named_run(app, args.run.as_deref())?;
    // The run's name, and how to read it.
    let (title, read): (String, Box<dyn Fn() -> Result<RunSummary, Error>>) = match &source {
        FoundRuns::InProject(project) => {
            let wait = app.ui.wait("reading the history");
            let catalog = catalog::load_catalog(project)?;
            drop(wait);
            let target = catalog::resolve_or_default(project, &catalog, &app.cwd, args.run.as_deref())?;
            let name = target.key.to_string();
            let read = move || {
                let location = catalog::locate_run(project, &catalog, &target)?;
                let bar = app.ui.progress("reading the run", None);
                let project_dir = ProjectDir::of_project(project)?;
                Ok(summary::summarize_run(&project_dir, &location, SummaryDepth::PlotData, &bar)?)
            };
            (name, Box::new(read))
        }
        FoundRuns::Lone(run) => (run.name.clone(), Box::new(|| run.summarize(app, SummaryDepth::PlotData))),
    };
    let output = args.output.clone().unwrap_or_else(|| PathBuf::from(format!("{}.svg", title.replace('/', "-"))));
    // Before the run is read: a wrong file name fails at once.
    let format = picture_format(&output)?;
    let summary = read()?;
    let plot_data = summary.plot_data.as_ref().ok_or_else(|| unreadable_run(&title))?;
    let subtitle = plot_subtitle(&summary, plot_data);
    // Without a readable `run.json`, no size, source or goal of the grid is known.
    let grid = summary.meta.as_ref().map(|meta| PlumeGrid::from_env_config(&meta.env_config)).unwrap_or_default();
    let mark = describe_mark(&summary);
    let picture = RunPlot { title: &title, subtitle: &subtitle, mark: mark.as_deref(), grid, plot_data };
    let to_stdout = output == Path::new("-");
    let bytes = if format == "png" {
        let out_of_memory = || Error::new(ExitKind::Io, "io", "not enough memory for the picture");
        plot::render_png(&picture).ok_or_else(out_of_memory)?
    } else {
        plot::render_svg(&picture).into_bytes()
    };
    // A run without a project is found by its path alone.
    let typed = match &source {
        FoundRuns::InProject(_) => &title,
        FoundRuns::Lone(_) => args.run.as_ref().unwrap_or(&title),
    };
    report_picture(app, (&title, typed), &picture);
    if to_stdout {
        app.ui.print_bytes(&bytes);
        return Ok(CommandOutcome::Done);
    }
    write_atomic(&app.cwd.join(&output), &bytes)?;
    if app.ui.json() {
        app.ui.print_json(&PlotJson {
            run: title,
            path: output.to_string_lossy().into_owned(),
            format,
            episodes: plot_data.episodes.len() as u64,
            steps: plot_data.episodes.iter().map(|e| e.steps).sum(),
        });
    } else {
        app.ui.print_value(&output);
    }
    Ok(CommandOutcome::Done)
}

fn picture_format(output: &Path) -> Result<&'static str, Error> {
    if output == Path::new("-") {
        // `-` has no extension that decides the format; SVG is text, and so a terminal can show it.
        return Ok("svg");
    }
    match output.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase).as_deref() {
        Some("svg") => Ok("svg"),
        Some("png") => Ok("png"),
        _ => {
            let message = format!("`{}` ends neither in .svg nor in .png", output.display());
            Err(Error::new(ExitKind::Usage, "unknown_format", message).hint("use a name such as FILE.svg or FILE.png"))
        }
    }
}

fn unreadable_run(run: &str) -> Error {
    Error::new(ExitKind::CheckFailed, "unreadable_run", format!("cannot read the rows of {run}"))
        .hint(format!("see what is wrong: `capture-hook validate {}`", shell_quote(run)))
}

/// Says what a reader of the picture must know, and what it does not show. Of the run: its name, and how to name it to a command.
fn report_picture(app: &App, (run, typed): (&str, &str), picture: &RunPlot<'_>) {
    if let Some(mark) = picture.mark {
        app.ui.warn(&format!("{run}: {mark}; the picture shows what can be read of it"));
        app.ui.hint(&format!("see what was found: `capture-hook validate {}`", shell_quote(typed)));
    }
    let left_out = plot::describe_left_out(picture);
    if !left_out.is_empty() {
        app.ui.status(&format!("not drawn: {}", left_out.join(", ")));
    }
}

/// That a run is invalid, or ended within an episode; `None` if it is whole, or not known.
fn describe_mark(summary: &RunSummary) -> Option<String> {
    let verdict = summary.verdict.as_ref()?;
    let is_cut_off = verdict.errors.iter().any(|code| code == Code::TruncatedGzip.as_str())
        || verdict.warnings.iter().any(|code| code == Code::IncompleteEpisode.as_str());
    match verdict.errors.as_slice() {
        [only] if !verdict.ok => Some(format!("invalid: {only}")),
        [first, rest @ ..] if !verdict.ok => Some(format!("invalid: {first} and {} more", rest.len())),
        [] if !verdict.ok => Some("invalid".into()),
        _ if is_cut_off => Some("interrupted: it ended within an episode".into()),
        _ => None,
    }
}

fn plot_subtitle(summary: &RunSummary, plot_data: &PlotData) -> String {
    let steps: u64 = plot_data.episodes.iter().map(|e| e.steps).sum();
    let mut parts = vec![format_plural(plot_data.episodes.len() as u64, "episode"), format_plural(steps, "step")];
    if let Some(RunMetrics { success_rate, mean_reward, .. }) = &summary.metrics {
        let what = if plot_data.is_plume { "reached the goal" } else { "succeeded" };
        parts.extend(success_rate.map(|rate| format!("{} {what}", human::format_percent(rate))));
        // Without an episode there is neither.
        let number = |reward| plot::with_minus(&human::format_number(plot::clean_reward(reward)));
        parts.extend(mean_reward.map(|reward| format!("mean reward {}", number(reward))));
    }
    if let Some(meta) = &summary.meta {
        parts.push(meta.start_time.clone());
    }
    parts.join("  ·  ")
}
