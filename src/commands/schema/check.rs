//! `capture-hook schema check`: whether a file is a valid schema.

use std::path::PathBuf;

use crate::app::{App, CommandOutcome};
use crate::error::Error;
use crate::history::named_schema::{NamedSchemaError, read_schema_file};
use crate::output::json::SchemaCheckJson;
use crate::support::text::format_plural;

/// Arguments of `schema check`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The exit code is 0 for a valid schema and 1 for any other file.

Examples:
  capture-hook schema check schema.json
  capture-hook schema check schemas/cartpole.json")]
pub struct Args {
    /// The file.
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Runs the command.
pub(super) fn run(app: &App, args: &Args) -> Result<CommandOutcome, Error> {
    let shown = args.file.to_string_lossy();
    let result = read_schema_file(&app.cwd.join(&args.file), &shown);
    if app.ui.json() {
        let (error, steps, episodes) = match &result {
            Ok(schema) => (None, schema.steps.columns.len(), schema.episodes.columns.len()),
            Err(NamedSchemaError::Invalid { why, .. }) => (Some(why.to_string()), 0, 0),
            Err(_) => return result.map(|_| CommandOutcome::Done).map_err(Error::from),
        };
        let ok = error.is_none();
        app.ui.print_json(&SchemaCheckJson { file: shown.into_owned(), ok, error, steps, episodes });
        return Ok(if ok { CommandOutcome::Done } else { CommandOutcome::CheckFailed });
    }
    let schema = result?;
    let count = |columns: usize| format_plural(columns as u64, "column");
    app.ui.print_line(&format!(
        "{shown} is a valid schema: {} of steps, {} of episodes",
        count(schema.steps.columns.len()),
        count(schema.episodes.columns.len())
    ));
    Ok(CommandOutcome::Done)
}
