//! Only the command that was checked runs.
//!
//! DVC runs a stage's command with the program in `SHELL`: `$SHELL -c COMMAND`, line by line (`dvc/stage/run.py`).
//! While we call `dvc repro`, that program is this one. It receives every command as DVC read it, and passes only the
//! checked one on to the user's own shell. So nothing else starts, however DVC reads `dvc.yaml`, and whoever changes
//! the file in between.

use std::ffi::OsString;
use std::path::Path;

use crate::support::env::Env;
use crate::support::process::Cmd;

/// The commands that may run, a line each.
const COMMANDS_VAR: &str = "CAPTURE_HOOK_STAGE_COMMANDS";
/// The user's own shell, empty if none was named.
const SHELL_VAR: &str = "CAPTURE_HOOK_STAGE_SHELL";

/// The environment for a DVC that may run these commands alone, through `program`, which is this one.
#[must_use]
pub fn guard_env(env: Env, program: &Path, commands: &[String]) -> Env {
    let shell = env.get("SHELL").unwrap_or_default().to_owned();
    env.with_var("SHELL", program).with_var(SHELL_VAR, shell).with_var(COMMANDS_VAR, commands.join("\n"))
}

/// What DVC asks of its shell.
#[derive(Debug)]
pub enum ShellCall {
    /// To run a command that was checked: the user's shell with it, and the environment that is the user's again.
    Allowed(Cmd, Env),
    /// To run another one.
    Other {
        /// The command.
        command: String,
        /// What was checked.
        allowed: String,
    },
}

/// What this call asks, if it is DVC that calls us as its shell; `None` for any other call.
#[must_use]
pub fn parse_shell_call(args: &[OsString], env: &Env) -> Option<ShellCall> {
    let [_, flag, command] = args else { return None };
    let allowed = env.get(COMMANDS_VAR).filter(|_| flag == "-c")?.to_str()?;
    match command.to_str().filter(|command| allowed.lines().any(|line| line == *command)) {
        // The very text that was checked; the user's shell gets it unchanged.
        Some(command) => {
            let shell = env.get(SHELL_VAR).map_or_else(|| OsString::from("/bin/sh"), OsString::from);
            // As DVC calls these: what the user's own files do to a shell must not matter.
            let flags: &[&str] = match Path::new(&shell).file_name().and_then(|name| name.to_str()) {
                Some("bash") => &["--noprofile", "--norc"],
                Some("zsh") => &["--no-rcs"],
                _ => &[],
            };
            let cmd = Cmd::new(shell.clone()).args(flags.iter().copied()).args(["-c", command]);
            Some(ShellCall::Allowed(
                cmd,
                env.clone().without_var(COMMANDS_VAR).without_var(SHELL_VAR).with_var("SHELL", shell),
            ))
        }
        None => Some(ShellCall::Other { command: command.to_string_lossy().into_owned(), allowed: allowed.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell_call(env: &Env, command: &str) -> Option<ShellCall> {
        parse_shell_call(&["capture-hook".into(), "-c".into(), command.into()], env)
    }

    #[test]
    fn only_allowed_commands_are_run() {
        let user = Env::from_vars([("SHELL", "/bin/bash"), ("A", "1")]);
        assert!(shell_call(&user, "capture-hook ingest").is_none());
        let env = guard_env(user, Path::new("/x/capture-hook"), &["one".into(), "two\nthree".into()]);
        assert_eq!(env.get_str("SHELL"), Some("/x/capture-hook"));
        for command in ["one", "two", "three"] {
            let Some(ShellCall::Allowed(cmd, env)) = shell_call(&env, command) else { panic!("{command}") };
            assert_eq!(cmd.command_line(), format!("/bin/bash --noprofile --norc -c {command}"));
            assert_eq!((env.get_str("SHELL"), env.iter().count()), (Some("/bin/bash"), 2));
        }
        for command in ["on", "one ", "one; x", "", "one\ntwo", "two\u{2028}three"] {
            assert!(matches!(shell_call(&env, command), Some(ShellCall::Other { .. })), "{command:?}");
        }
    }
}
