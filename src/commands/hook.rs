//! `capture-hook hook`: what the shims call.

use std::ffi::OsString;

use crate::app::{App, CommandOutcome};
use crate::error::Error;
use crate::hooks;

/// Arguments of `hook`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The event, as git names it: `pre-commit`, `post-checkout`.
    pub event: String,
    /// What git passes to the hook.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub args: Vec<OsString>,
}

/// Runs the command.
pub fn run(app: &App, args: &Args) -> Result<CommandOutcome, Error> {
    hooks::run(app, &args.event, &args.args)
}
