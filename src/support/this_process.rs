//! What the system says of this process: the file that it runs from, and the directory that it was started in.

#![expect(clippy::disallowed_methods, reason = "the door itself")]

use std::io;
use std::path::PathBuf;

/// The file that this program runs from.
pub fn running_program() -> io::Result<PathBuf> {
    std::env::current_exe()
}

/// The directory that the process was started in.
pub fn working_dir() -> io::Result<PathBuf> {
    std::env::current_dir()
}
