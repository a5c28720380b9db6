//! Programs of the user's own that outlive a call: the pager and the manual on the terminal, the browser on the desktop.
//!
//! Unlike with `process::Cmd`, the pager shares our terminal and our process group, so that keys and Ctrl-C reach it, and the
//! browser is not waited for. Never with a command line from a repository: only the user's own settings name a pager, and the
//! desktop its browser.

#![expect(clippy::disallowed_methods, reason = "the door to the user's own pager and browser")]

use std::io::{IsTerminal, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

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

/// What became of a manual page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageOutcome {
    /// The system's `man` showed it.
    Shown,
    /// Standard output is no terminal: whoever reads it gets the page's source.
    NoTerminal,
    /// There is no such program, or it failed.
    NotShown,
}

/// Shows a manual page with the system's `man`, on a terminal.
#[must_use]
pub fn show_manual_page(page: &[u8], env: &Env) -> PageOutcome {
    if !std::io::stdout().is_terminal() {
        return PageOutcome::NoTerminal;
    }
    let Some(man) = env.find_program("man") else { return PageOutcome::NotShown };
    let written = || -> std::io::Result<tempfile::NamedTempFile> {
        let mut file = tempfile::Builder::new().suffix(".1").tempfile()?;
        file.write_all(page)?;
        file.flush()?;
        Ok(file)
    };
    let Ok(file) = written() else { return PageOutcome::NotShown };
    // A name with a slash is a file for every `man`.
    match Command::new(man).arg(file.path()).env_clear().envs(env.iter()).status() {
        Ok(status) if status.success() => PageOutcome::Shown,
        _ => PageOutcome::NotShown,
    }
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

/// Why a file was not opened on the desktop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpenFailure {
    /// There is no display.
    NoDesktop,
    /// The desktop's program that opens files is not on `PATH`.
    NoOpener {
        /// Its name.
        program: &'static str,
    },
    /// It cannot be started, or failed at once.
    Failed {
        /// Its name.
        program: &'static str,
        /// Why.
        why: String,
    },
}

/// Opens a file (absolute) with what the desktop has for its kind: `xdg-open`, on macOS `open`. It is not waited for longer
/// than it takes to fail.
pub fn open_on_desktop(path: &Path, env: &Env) -> Result<(), OpenFailure> {
    // As long as such a program takes to find out that it has nothing to open a file with.
    const PATIENCE: Duration = Duration::from_secs(2);
    let is_mac = cfg!(target_os = "macos");
    let program = if is_mac { "open" } else { "xdg-open" };
    let has_display =
        ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| env.get(name).is_some_and(|value| !value.is_empty()));
    if !is_mac && !has_display {
        return Err(OpenFailure::NoDesktop);
    }
    let found = env.find_program(program).ok_or(OpenFailure::NoOpener { program })?;
    let failed = |why: String| OpenFailure::Failed { program, why };
    let mut command = Command::new(found);
    command.arg(path).env_clear().envs(env.iter());
    // A group of its own: a browser that it starts stays when our terminal closes.
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    let mut child = command.spawn().map_err(|error| failed(error.to_string()))?;
    let started = Instant::now();
    while started.elapsed() < PATIENCE {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(status)) => return Err(failed(status.to_string())),
            Ok(None) => std::thread::sleep(Duration::from_millis(20)),
            Err(error) => return Err(failed(error.to_string())),
        }
    }
    Ok(())
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
