//! `capture-hook ingest`.

use crate::app::{App, Outcome};
use crate::error::{Error, Kind};

/// Arguments of `ingest`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command.
pub fn run(_app: &App, _args: &Args) -> Result<Outcome, Error> {
    Err(Error::new(Kind::Usage, "not_built", "`ingest` is not built yet"))
}
