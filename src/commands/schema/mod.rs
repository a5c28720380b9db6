//! `capture-hook schema`: which columns a run's rows have. One file per command.

mod add;
mod check;
mod diff;
mod infer;
mod show;

use crate::app::{App, CommandOutcome};
use crate::error::Error;

/// Arguments of `schema`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A run of schema version \"2\" declares its columns in schema.json: type, shape, range, unit.
To begin with a simulator:
  capture-hook schema infer results/cartpole/r1 > schema.json     then edit schema.json
  capture-hook schema check schema.json
  capture-hook schema add results/cartpole/r1 schema.json
  capture-hook validate results/cartpole/r1")]
pub struct Args {
    #[command(subcommand)]
    command: SchemaCommand,
}

#[derive(Debug, clap::Subcommand)]
enum SchemaCommand {
    /// Print a schema to start from, made out of a run's rows.
    Infer(infer::Args),
    /// Show the columns of a run.
    Show(show::Args),
    /// Check a schema file by itself.
    Check(check::Args),
    /// Compare two schemas: which columns agree, and which do not.
    Diff(diff::Args),
    /// Put a schema beside a run that has none.
    Add(add::Args),
}

/// Runs the command.
pub fn run(app: &App, args: &Args) -> Result<CommandOutcome, Error> {
    match &args.command {
        SchemaCommand::Infer(args) => infer::run(app, args),
        SchemaCommand::Show(args) => show::run(app, args),
        SchemaCommand::Check(args) => check::run(app, args),
        SchemaCommand::Diff(args) => diff::run(app, args),
        SchemaCommand::Add(args) => add::run(app, args),
    }
}
