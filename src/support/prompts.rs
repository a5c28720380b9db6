//! Who may ask the user something: a password for a remote, a passphrase for a signing key.
//!
//! A command that somebody typed shares its terminal with the programs that may ask, so that the question is seen and can be
//! answered. A hook's terminal is git's: a program that asks there from the background is stopped by the system without a
//! word. So a hook starts it in a session that has no terminal, where it fails at once (`apart` makes the session).

use crate::support::this_process::running_program;
use std::ffi::OsString;
use std::path::PathBuf;

/// Whether the programs that we call may ask the user something.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum PromptPolicy {
    /// Nobody has said: as in a hook, but that one that asks is stopped, and ended, instead of failing.
    #[default]
    Unspecified,
    /// On the terminal that a command was typed on.
    OnTerminal,
    /// Nowhere: git called us.
    Nowhere {
        /// This program, which starts others without a terminal.
        launcher: PathBuf,
    },
}

impl PromptPolicy {
    /// For a hook.
    #[must_use]
    pub fn for_hook() -> Self {
        // It may have been replaced by a newer one, just now.
        let own_program = running_program().ok().filter(|path| path.is_file());
        own_program.map_or(Self::Unspecified, |launcher| Self::Nowhere { launcher })
    }
}

/// What a program that asked is told to do instead.
pub const ADVICE: &str = "a hook has no terminal to ask for a password or passphrase on: save it where it is looked for \
    (`ssh-add`, an agent, `dvc remote modify --local`), or call the command by hand";

/// Whether a program that had no terminal failed because it wanted to ask something, as far as its words tell.
#[must_use]
pub fn mentions_prompt(output: &str) -> bool {
    let output = output.to_lowercase();
    ["password", "passphrase", "passwd", "/dev/tty", "pinentry", "ioctl for device"]
        .iter()
        .any(|word| output.contains(word))
}

/// The argument that has this program become another one.
pub(super) const EXEC_FLAG: &str = "--without-terminal";

/// The arguments with which this program becomes another one that has no terminal.
pub(super) fn exec_args(program: &OsString, args: &[OsString]) -> Vec<OsString> {
    [&EXEC_FLAG.into(), program].into_iter().chain(args).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_prompt_is_recognized_in_the_output() {
        for output in [
            "getpass.py:91: GetPassWarning: Can not control echo on the terminal.\nEnter a password for host 'None'",
            "Enter passphrase for \"key\": incorrect passphrase supplied to decrypt private key",
            "gpg: signing failed: Inappropriate ioctl for device",
            "gpg: cannot open '/dev/tty': No such device or address",
        ] {
            assert!(mentions_prompt(output), "{output}");
        }
        assert!(!mentions_prompt("ERROR: failed to connect to s3 (bucket) - could not connect"));
    }
}
