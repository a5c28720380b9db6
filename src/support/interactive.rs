//! Programs that use the terminal for a while: the user's pager.
//!
//! Unlike `process::Cmd` they share our terminal and our process group, so that keys and Ctrl-C reach them. Never with
//! a command line from a repository: only the user's own settings name a pager.

#![expect(clippy::disallowed_methods, reason = "the door to the user's own pager and editor")]

use std::io::{IsTerminal, Write};
use std::process::{Command, Stdio};

use crate::support::env::Env;

/// Shows text through a pager, a command line as in `GIT_PAGER`. Returns whether it was shown; if not (standard output
/// is no terminal, the pager does not start), the caller prints the text.
#[must_use]
pub fn show_in_pager(pager: &str, text: &str, env: &Env) -> bool {
    if pager.trim().is_empty() || pager.trim() == "cat" || !std::io::stdout().is_terminal() {
        return false;
    }
    let mut command = Command::new("sh");
    // As git's `setup_pager` does: through a shell, the text on standard input.
    command.args(["-c", pager]).env_clear().envs(env.iter()).stdin(Stdio::piped());
    // Git's own defaults, if the user has not set the variables: quit on one screen, keep colours, leave the screen.
    for (name, value) in [("LESS", "FRX"), ("LV", "-c")] {
        if env.get(name).is_none() {
            command.env(name, value);
        }
    }
    let Ok(mut child) = command.spawn() else { return false };
    if let Some(mut stdin) = child.stdin.take() {
        // The user can quit the pager before the end, which breaks the pipe: not an error.
        let _ = stdin.write_all(text.as_bytes());
    }
    // The exit code of a pager says nothing about us.
    let _ = child.wait();
    true
}

/// Returns the pager in git's order: `GIT_PAGER`, git's setting `core_pager`, `PAGER`, else `less`.
#[must_use]
pub fn choose_pager(env: &Env, core_pager: Option<&str>) -> String {
    let get_named = |name: &str| env.get_str(name).map(str::to_owned);
    get_named("GIT_PAGER")
        .or_else(|| core_pager.map(str::to_owned))
        .or_else(|| get_named("PAGER"))
        .unwrap_or("less".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gits_order_of_pagers_holds() {
        let env = Env::from_vars([("PAGER", "more"), ("GIT_PAGER", "bat")]);
        assert_eq!(choose_pager(&env, Some("delta")), "bat");
        assert_eq!(choose_pager(&env.without_var("GIT_PAGER"), Some("delta")), "delta");
        assert_eq!(choose_pager(&Env::from_vars([("PAGER", "more")]), None), "more");
        assert_eq!(choose_pager(&Env::default(), None), "less");
    }
}
