//! Prints lines on standard error, for messages and for progress without a terminal.

use std::io::Write;

/// Prints an escaped line on stderr. A closed stream is ignored: there is no other place to report it.
pub(super) fn print_to_stderr(line: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{line}");
}
