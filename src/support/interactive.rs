//! Programs that take over the terminal for a while: the user's pager.
//!
//! Unlike `process::Cmd` they share our terminal and our process group, so that keys and Ctrl-C reach them.

#![expect(clippy::disallowed_methods, reason = "the door to the user's own pager and editor")]

use std::io::{IsTerminal, Write};
use std::process::{Command, Stdio};

use crate::support::env::Env;

/// Shows text through a pager: a command line as `GIT_PAGER` holds it, which only the user's own settings may name. Says
/// whether it was shown; where not (standard output is no terminal, the pager does not start), the caller prints it.
#[must_use]
pub fn show_in_pager(pager: &str, text: &str, env: &Env) -> bool {
    if pager.trim().is_empty() || pager.trim() == "cat" || !std::io::stdout().is_terminal() {
        return false;
    }
    let mut command = Command::new("sh");
    // As git does it: the line is the user's own, the text goes to its standard input.
    command.args(["-c", pager]).env_clear().envs(env.iter()).stdin(Stdio::piped());
    for (name, value) in [("LESS", "FRX"), ("LV", "-c")] {
        if env.get(name).is_none() {
            command.env(name, value);
        }
    }
    let Ok(mut child) = command.spawn() else { return false };
    if let Some(mut stdin) = child.stdin.take() {
        // The user may quit before the end.
        let _ = stdin.write_all(text.as_bytes());
    }
    let _ = child.wait();
    true
}

/// The pager that the user's environment names, `less` where it names none; `core_pager` is git's setting.
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
