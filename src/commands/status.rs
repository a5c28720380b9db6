//! `capture-hook status`: how far the selected run is, and the next command.

use anstyle::{AnsiColor, Style};

use crate::app::{App, CommandOutcome};
use crate::error::Error;
use crate::history::listed_runs::{ListedRun, ListedState};
use crate::hooks;
use crate::inspect::status::{self, RunStatus, StepState};
use crate::output::json::{StatusJson, StatusStepJson};
use crate::output::{StyledText, human};
use crate::support::text::{format_bytes, format_plural};

/// Arguments of `status`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  capture-hook status
  capture-hook status --check || echo 'something is pending'
  capture-hook status --json | jq -r .next

The steps of a run: recorded, valid, ingested into the dataset, committed, tagged, pushed (its data to the DVC remote, the
commit to git's). The line `next:` is the next command to run.")]
pub struct Args {
    /// Exit with 1 if something is pending.
    #[arg(long)]
    check: bool,
}

/// Runs the command.
pub fn run(app: &App, args: &Args) -> Result<CommandOutcome, Error> {
    let project = app.open_project()?;
    let bar = app.ui.progress("validating", None);
    let mut status = status::read_status(&project, &bar)?;
    drop(bar);
    let unreached = hooks::describe_unreached(app, &project.repo);
    if unreached.is_some() {
        // What else is to be typed counts on them.
        status.next = Some("capture-hook install".into());
    }
    if app.ui.json() {
        status.notes.extend(unreached);
        app.ui.print_json(&status_json(&status));
    } else {
        app.ui.print_text(&render_text(&status, app.ui.table_width()));
        for note in &status.notes {
            app.ui.hint(note);
        }
        hooks::warn_unreached(app, &project.repo);
    }
    Ok(if args.check && !status.is_done() { CommandOutcome::CheckFailed } else { CommandOutcome::Done })
}

fn status_json(status: &RunStatus) -> StatusJson {
    let known = status.known.as_ref();
    StatusJson {
        run: status.run.as_ref().map(ToString::to_string),
        run_dir: status.run_dir.clone(),
        commit: known.and_then(|run| run.commit.as_ref()).map(|commit| commit.id.to_string()),
        data_version: known.and_then(|run| run.data_version).map(|version| version.to_string()),
        tags: known.map(|run| run.tags.clone()).unwrap_or_default(),
        config_hash: known.and_then(|run| run.config_hash.clone()),
        metrics: known.and_then(|run| run.metrics.clone()),
        bytes: known.and_then(|run| run.bytes),
        fetch: known.and_then(|run| run.fetch.clone()),
        ok: status.is_done(),
        steps: status
            .steps
            .iter()
            .map(|step| StatusStepJson { step: step.name, state: step.state.name(), detail: step.detail.clone() })
            .collect(),
        next: status.next.clone(),
        notes: status.notes.clone(),
    }
}

fn render_text(status: &RunStatus, width: usize) -> StyledText {
    const BOLD: Style = Style::new().bold();
    const DIM: Style = Style::new().dimmed();
    let mut out = StyledText::new();
    match (&status.run, &status.run_dir) {
        (Some(run), _) => out.push_styled(BOLD, run).push_str(" is selected"),
        (None, Some(dir)) => out.push_styled(BOLD, dir).push_str(" is selected"),
        (None, None) => out.push_str("no run is selected"),
    };
    out.end_line();
    let mut push_line = |name: &str, (mark, style): (&str, Style), detail: &str| {
        let mut line = StyledText::from(format!("  {name:<9}  "));
        line.push_styled(style, mark).push_str(format!("{:1$}", "", 5_usize.saturating_sub(mark.len())));
        line.push_styled(DIM, detail);
        // The margin of the details.
        out.push_wrapped(&line, width, 18);
    };
    for step in &status.steps {
        let mark = match step.state {
            StepState::Done => ("yes", AnsiColor::Green.on_default()),
            StepState::Pending => ("no", AnsiColor::Yellow.on_default()),
            StepState::Failed => ("no", AnsiColor::Red.on_default()),
            StepState::Unknown => ("-", DIM),
        };
        push_line(step.name, mark, &step.detail);
    }
    let known = status.known.as_ref().filter(|run| run.state() == ListedState::Remote);
    for (name, text) in known.map(remote_facts).unwrap_or_default() {
        push_line(name, ("", DIM), &text);
    }
    match &status.next {
        Some(next) => out.push_str("next: ").push_styled(BOLD, next).end_line(),
        None if status.is_done() => out.push_str("nothing to do").end_line(),
        // No command of ours does what is to be done: the notes say what it is.
        None => &mut out,
    };
    out
}

/// What git knows of a run whose data is not in this clone, by name.
fn remote_facts(run: &ListedRun) -> Vec<(&'static str, String)> {
    let mut figures = Vec::new();
    if let (Some(steps), Some(episodes)) = (run.steps, run.episodes) {
        figures.extend([format_plural(steps, "step"), format_plural(episodes, "episode")]);
    }
    let metrics = run.metrics.as_ref();
    figures.extend(metrics.and_then(|m| m.success_rate).map(|rate| format!("success {}", human::format_percent(rate))));
    figures
        .extend(metrics.and_then(|m| m.mean_reward).map(|reward| format!("reward {}", human::format_number(reward))));
    // `sha256:` and as many digits as are not confused.
    let config = run.config_hash.as_ref().map(|hash| format!("sha256:{}", hash.get(..12).unwrap_or(hash)));
    let or_unknown = |text: Option<String>| text.unwrap_or_else(|| "unknown".into());
    vec![
        ("figures", or_unknown((!figures.is_empty()).then(|| figures.join(", ")))),
        ("config", or_unknown(config)),
        ("size", or_unknown(run.bytes.map(format_bytes))),
        ("fetch", or_unknown(run.fetch.as_ref().map(|command| format!("`{command}`")))),
    ]
}
