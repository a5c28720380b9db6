//! Turns this process into another program that has no terminal.
//!
//! A hook must start some programs without a terminal ([`super::prompts`]). Making a session in a child of ours would
//! take `unsafe` code between fork and exec. So the hook starts this program again, which calls `setsid` and then
//! becomes the other program: the same process, with the same streams, directory and environment.

use std::ffi::OsString;

use crate::support::env::Env;
use crate::support::process::{Cmd, ProcessError};
use crate::support::prompts::EXEC_FLAG;

/// Becomes the program that the command line names, if its first argument is [`EXEC_FLAG`]. Returns only if not asked
/// to (`None`), or with the reason why the program did not start.
#[must_use]
pub fn exec_if_requested(command_line: impl IntoIterator<Item = OsString>) -> Option<ProcessError> {
    let mut args = command_line.into_iter().skip(1);
    args.next().filter(|first| first == EXEC_FLAG)?;
    let cmd = Cmd::new(args.next().unwrap_or_default()).args(args);
    // `setsid` fails for the leader of a process group; the caller starts us without a group of our own.
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
