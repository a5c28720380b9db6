//! `capture-hook schema infer`: a schema to start from, made out of a run's rows. Prints it; writes nothing.

use crate::app::{App, CommandOutcome};
use crate::error::{Error, ExitKind};
use crate::formats::json;
use crate::output::json::SchemaInferJson;
use crate::project::dir::ProjectDir;
use crate::run::infer::{NoteKind, infer_schema};
use crate::run::schema::SCHEMA_JSON;
use crate::support::process::shell_quote;
use crate::support::text::format_plural;

/// Arguments of `schema infer`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Whole numbers become int64, other numbers float64; lists of one size get that shape, others [-1];
objects become columns by path, unless their keys vary; what was null or absent is nullable. Ranges,
units, float32 and what a summary must equal are not in the rows: the messages say what to look at.
At most 10,000 rows of each file are read without --all.

Examples:
  capture-hook schema infer results/cartpole/r1 > schema.json
  capture-hook schema infer --all latest > schema.json")]
pub struct Args {
    /// The run.
    #[arg(value_name = "RUN", add = crate::commands::complete::run_candidates())]
    run: String,
    /// Read every row.
    #[arg(long)]
    all: bool,
}

/// Runs the command.
pub(super) fn run(app: &App, args: &Args) -> Result<CommandOutcome, Error> {
    let project_dir = ProjectDir::find(&app.cwd)?;
    let dir = project_dir.resolve_run(&app.cwd, &args.run)?;
    let shown = project_dir.relative_display(&dir);
    let bar = app.ui.progress("reading", Some(ProjectDir::dir_size(&dir)));
    let inferred = infer_schema(&dir, &shown, args.all, &bar)?;
    drop(bar);
    if app.ui.json() {
        let value = json::parse(inferred.text.as_bytes())
            .map_err(|_| Error::new(ExitKind::Io, "io", "cannot read the inferred schema"))?;
        app.ui.print_json(&SchemaInferJson::new(&value, inferred.rows, inferred.is_complete, &inferred.notes));
        return Ok(CommandOutcome::Done);
    }
    app.ui.print_bytes(inferred.text.as_bytes());
    let (steps, episodes) = inferred.rows;
    app.ui.status(&format!(
        "read {} and {} of {shown}",
        format_plural(steps, "row") + " of steps",
        format_plural(episodes, "row") + " of episodes"
    ));
    for note in &inferred.notes {
        match note.kind {
            NoteKind::Fault => app.ui.warn(&note.text),
            NoteKind::Check => app.ui.status(&format!("check: {}", note.text)),
        }
    }
    let typed = shell_quote(&args.run);
    app.ui.hint(&format!(
        "edit it, then `capture-hook schema check {SCHEMA_JSON}` and `capture-hook schema add {typed} {SCHEMA_JSON}`"
    ));
    Ok(CommandOutcome::Done)
}
