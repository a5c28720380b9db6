//! The command: parse, dispatch, print the error, exit.

use std::process::ExitCode;

fn main() -> ExitCode {
    capture_hook::cli::main()
}
