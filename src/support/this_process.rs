//! What the system says about this process: the file that it runs from, and its working directory. Read only; the
//! environment is in [`super::env`].

#![expect(clippy::disallowed_methods, reason = "the door itself")]

use std::io;
use std::path::PathBuf;

/// Returns the file that this program runs from.
pub fn running_program() -> io::Result<PathBuf> {
    std::env::current_exe()
}

/// Returns the process's working directory.
pub fn working_dir() -> io::Result<PathBuf> {
    std::env::current_dir()
}
