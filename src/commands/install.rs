//! `capture-hook install`.

use crate::app::{App, Outcome};
use crate::error::{Error, Kind};

/// Arguments of `install`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command.
pub fn run(_app: &App, _args: &Args) -> Result<Outcome, Error> {
    Err(Error::new(Kind::Usage, "not_built", "`install` is not built yet"))
}
