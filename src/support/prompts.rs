//! Whether called programs may ask the user something: a password for a remote, a passphrase for a signing key.
//!
//! A command that was typed shares its terminal with such programs, so that the question is seen and can be answered. A
//! hook's terminal belongs to git: a program that asks there from the background is stopped by the system without a
//! word. So a hook starts it in a session without a terminal, where it fails at once (`apart` makes the session). No
//! password is ever read here.

use crate::support::this_process::running_program;
use std::ffi::OsString;
use std::path::PathBuf;

/// Whether the programs that we call may ask the user something.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum PromptPolicy {
    /// Not decided: the program keeps our session in a group of its own; if it asks, the system stops it, and we end it.
    #[default]
    Unspecified,
    /// On the terminal of the command that was typed.
    OnTerminal,
    /// Nowhere: git called us.
    Nowhere {
        /// This program, which starts others without a terminal.
        launcher: PathBuf,
    },
}

impl PromptPolicy {
    /// Returns the policy of a hook: no prompts.
    #[must_use]
    pub fn for_hook() -> Self {
        // An upgrade can have replaced our file a moment ago: Linux then gives a path ending in ` (deleted)`.
        let own_program = running_program().ok().filter(|path| path.is_file());
        own_program.map_or(Self::Unspecified, |launcher| Self::Nowhere { launcher })
    }
}

/// The hint for a program that could not ask.
pub const ADVICE: &str = "a hook has no terminal to ask for a password or passphrase: save it (`ssh-add`, an agent, `dvc remote modify --local`), \
    or run the command by hand";

/// Whether the output of a failed program without a terminal mentions a prompt. A guess by words of ssh, gpg and
/// getpass; it only adds a hint.
#[must_use]
pub fn mentions_prompt(output: &str) -> bool {
    let output = output.to_lowercase();
    ["password", "passphrase", "passwd", "/dev/tty", "pinentry", "ioctl for device"]
        .iter()
        .any(|word| output.contains(word))
}

/// Our own first argument that asks for [`super::apart`].
pub(super) const EXEC_FLAG: &str = "--without-terminal";

/// Returns the arguments with which this program becomes another one without a terminal.
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
