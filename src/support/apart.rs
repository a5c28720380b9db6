//! Becoming another program, one that has no terminal.
//!
//! A session without a terminal is for the program itself to make before it begins, which takes `unsafe` where another one
//! starts it. So a hook starts this program in its place ([`super::prompts`]), which makes the session and becomes it: the
//! same process, with the same streams, directory and environment.

use std::ffi::OsString;

use crate::support::env::Env;
use crate::support::process::{Cmd, ProcessError};
use crate::support::prompts::EXEC_FLAG;

/// Becomes the program that the command line names where it asks for that. Comes back only with the reason why not.
#[must_use]
pub fn exec_if_requested(command_line: impl IntoIterator<Item = OsString>) -> Option<ProcessError> {
    let mut args = command_line.into_iter().skip(1);
    args.next().filter(|first| first == EXEC_FLAG)?;
    let cmd = Cmd::new(args.next().unwrap_or_default()).args(args);
    Some(match rustix::process::setsid() {
        Ok(_) => cmd.exec_program(&Env::snapshot()),
        Err(error) => ProcessError::Start { command: cmd.command_line(), source: error.into() },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_argument_starts_another_program() {
        let line = |args: &[&str]| args.iter().map(OsString::from).collect::<Vec<_>>();
        assert!(exec_if_requested(line(&["capture-hook", "status", "--without-terminal"])).is_none());
        assert!(exec_if_requested(line(&["capture-hook"])).is_none());
    }
}
