//! The interpreter that a script names in its first line, and that the system starts for it.
//!
//! The scripts of a Python environment that was moved, or whose Python was upgraded, name an interpreter that does
//! not exist. The system then reports that the script does not exist, which misleads.

use std::io::Read;
use std::path::{Path, PathBuf};

use crate::support::fs;

/// The interpreter that a script needs and that does not exist; `None` if the script can be started, as far as can be
/// seen.
#[must_use]
pub fn missing_interpreter(script: &Path) -> Option<PathBuf> {
    let mut head = Vec::new();
    fs::open(script).ok()?.take(4096).read_to_end(&mut head).ok()?;
    let interpreter = parse_shebang(&String::from_utf8_lossy(&head))?;
    (interpreter.is_absolute() && !interpreter.exists()).then_some(interpreter)
}

/// pip writes a line for `sh` if the path is too long for the system, or holds blanks:
/// `'''exec' "/path/to/python" "$0" "$@"`.
fn parse_shebang(head: &str) -> Option<PathBuf> {
    let mut lines = head.lines();
    let first = lines.next()?.strip_prefix("#!")?.trim();
    let by_shell = lines.next().and_then(|line| line.strip_prefix("'''exec' "));
    let path = match by_shell {
        Some(rest) => match rest.strip_prefix('"') {
            Some(quoted) => quoted.split('"').next()?,
            None => rest.split(' ').next()?,
        },
        None => first.split([' ', '\t']).next()?,
    };
    Some(path.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// H10: A script's interpreter is read from `#!`, and from the shell line that pip writes for long paths.
    #[test]
    fn the_interpreter_is_read_from_a_shebang_or_pips_exec_line() {
        let named = |head: &str| parse_shebang(head).map(|path| path.display().to_string());
        assert_eq!(named("#! /v/bin/python -E\nimport x\n").as_deref(), Some("/v/bin/python"));
        assert_eq!(named("#!/bin/sh\n'''exec' \"/a b/python\" \"$0\" \"$@\"\n' '''\n").as_deref(), Some("/a b/python"));
        assert_eq!(named("#!/bin/sh\n'''exec' /long/python \"$0\" \"$@\"\n").as_deref(), Some("/long/python"));
        assert_eq!(named("\u{7f}ELF"), None);
    }
}
