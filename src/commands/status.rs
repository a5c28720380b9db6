//! `capture-hook status`: how far the selected run is, and what to type next.

use anstyle::{AnsiColor, Style};

use crate::app::{App, Outcome};
use crate::error::Error;
use crate::history::status::{Journey, Standing};
use crate::hooks;
use crate::output::Text;
use crate::output::json::{Status, StatusStep};
use crate::output::table::{Column, Table, styled};

/// Arguments of `status`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  capture-hook status
  capture-hook status --check || echo 'something is pending'
  capture-hook status --json | jq -r .next

A run's way: recorded, valid, ingested into the dataset, committed, tagged, pushed (its data to the DVC remote, the commit
to git's). The last line is the next command to type.")]
pub struct Args {
    /// Exit with 1 where something is pending.
    #[arg(long)]
    check: bool,
}

/// Runs the command.
pub fn run(app: &App, args: &Args) -> Result<Outcome, Error> {
    let project = app.project()?;
    let catalog = project.catalog()?;
    let bar = app.ui.progress("validating", None);
    let mut way = project.journey(&catalog, &bar)?;
    drop(bar);
    let unreached = hooks::unreached(app, &project.repo);
    if unreached.is_some() {
        // What else is to be typed counts on them.
        way.next = Some("capture-hook install".into());
    }
    if app.ui.json() {
        way.notes.extend(unreached);
        app.ui.data_json(&json(&way));
    } else {
        app.ui.data(&text(&way, app.ui.width()));
        for note in &way.notes {
            app.ui.hint(note);
        }
        hooks::warn_unreached(app, &project.repo);
    }
    Ok(if args.check && !way.done() { Outcome::CheckFailed } else { Outcome::Done })
}

fn json(way: &Journey) -> Status {
    Status {
        run: way.run.as_ref().map(ToString::to_string),
        run_dir: way.run_dir.clone(),
        ok: way.done(),
        steps: way
            .steps
            .iter()
            .map(|step| StatusStep { step: step.name, state: step.standing.name(), detail: step.detail.clone() })
            .collect(),
        next: way.next.clone(),
        notes: way.notes.clone(),
    }
}

fn text(way: &Journey, width: usize) -> Text {
    const BOLD: Style = Style::new().bold();
    const DIM: Style = Style::new().dimmed();
    let mut out = Text::new();
    match (&way.run, &way.run_dir) {
        (Some(run), _) => out.styled(BOLD, run).add(" is selected"),
        (None, Some(dir)) => out.styled(BOLD, dir).add(" is selected"),
        (None, None) => out.add("no run is selected"),
    };
    out.end_line();
    let mut table = Table::new([Column::Left(""), Column::Left(""), Column::Shrink("")]);
    for step in &way.steps {
        let mark = match step.standing {
            Standing::Done => styled("yes", AnsiColor::Green.on_default()),
            Standing::Pending => styled("no", AnsiColor::Yellow.on_default()),
            Standing::Failed => styled("no", AnsiColor::Red.on_default()),
            Standing::Unknown => styled("-", DIM),
        };
        table.row([format!("  {}", step.name).into(), mark, styled(&step.detail, DIM)]);
    }
    out.append(&table.render(width));
    match &way.next {
        Some(next) => out.add("next: ").styled(BOLD, next).end_line(),
        None if way.done() => out.add("nothing to do").end_line(),
        // What is to be done, no command here does: the notes tell.
        None => &mut out,
    };
    out
}
