//! The interpreter that a script names in its first line, and that the system starts for it.
//!
//! The scripts of a Python environment that was moved, or whose Python was upgraded, name an interpreter that does
//! not exist. The system then reports that the script does not exist, which misleads.

use std::io::Read;
use std::path::{Path, PathBuf};

use crate::support::fs;

/// What the system starts for a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptInterpreter {
    /// The interpreter.
    pub program: PathBuf,
    /// What it gets before the script's path.
    pub args: Vec<String>,
}

/// The interpreter of a script that does nothing but call DVC's command line, as every installer of Python packages writes
/// it; `None` for any other program.
#[must_use]
pub fn find_dvc_interpreter(script: &Path) -> Option<ScriptInterpreter> {
    let head = read_head(script)?;
    // A longer script may do more than that.
    const MOST_LINES: usize = 16;
    let lines: Vec<&str> = head.lines().collect();
    if lines.len() > MOST_LINES || !lines.iter().any(|line| line.trim() == "from dvc.cli import main") {
        return None;
    }
    let program = parse_shebang(&head)?;
    let is_by_shell = lines.get(1).is_some_and(|line| line.starts_with(BY_SHELL));
    // The system passes all that follows the interpreter as one argument.
    let first = lines.first()?.strip_prefix("#!")?.trim();
    let argument = first.strip_prefix(program.to_str()?).filter(|_| !is_by_shell).map(str::trim);
    Some(ScriptInterpreter {
        program,
        args: argument.filter(|arg| !arg.is_empty()).map(str::to_owned).into_iter().collect(),
    })
}

/// The interpreter that a script needs and that does not exist; `None` if the script can be started, as far as can be
/// seen.
#[must_use]
pub fn missing_interpreter(script: &Path) -> Option<PathBuf> {
    let interpreter = parse_shebang(&read_head(script)?)?;
    (interpreter.is_absolute() && !interpreter.exists()).then_some(interpreter)
}

fn read_head(script: &Path) -> Option<String> {
    let mut head = Vec::new();
    fs::open(script).ok()?.take(4096).read_to_end(&mut head).ok()?;
    Some(String::from_utf8_lossy(&head).into_owned())
}

/// How pip's line for `sh` begins.
const BY_SHELL: &str = "'''exec' ";

/// pip writes a line for `sh` if the path is too long for the system, or holds blanks:
/// `'''exec' "/path/to/python" "$0" "$@"`.
fn parse_shebang(head: &str) -> Option<PathBuf> {
    let mut lines = head.lines();
    let first = lines.next()?.strip_prefix("#!")?.trim();
    let by_shell = lines.next().and_then(|line| line.strip_prefix(BY_SHELL));
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
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_a_script_that_calls_dvc_alone_has_its_interpreter_used() {
        let dir = tempfile::tempdir().unwrap();
        let script = dir.path().join("dvc");
        let find = |text: &str| {
            std::fs::write(&script, text).unwrap();
            find_dvc_interpreter(&script).map(|found| (found.program.display().to_string(), found.args))
        };
        let body = "import sys\nfrom dvc.cli import main\nsys.exit(main())\n";
        let flags = |flags: &[&str]| flags.iter().map(|flag| (*flag).to_owned()).collect::<Vec<_>>();
        assert_eq!(find(&format!("#!/v/bin/python\n{body}")), Some(("/v/bin/python".into(), flags(&[]))));
        assert_eq!(find(&format!("#!/v/bin/python -E\n{body}")), Some(("/v/bin/python".into(), flags(&["-E"]))));
        assert_eq!(
            find(&format!("#!/usr/bin/env python3\n{body}")),
            Some(("/usr/bin/env".into(), flags(&["python3"])))
        );
        let by_shell = format!("#!/bin/sh\n'''exec' \"/a b/python\" \"$0\" \"$@\"\n' '''\n{body}");
        assert_eq!(find(&by_shell), Some(("/a b/python".into(), flags(&[]))));
        for other in ["#!/bin/sh\nexec /v/bin/dvc \"$@\"\n", "\u{7f}ELF", "", "#!/v/bin/python\nimport dvc.cli\n"] {
            assert_eq!(find(other), None, "{other}");
        }
        assert_eq!(find(&format!("#!/v/bin/python\n{}{body}", "import os\n".repeat(20))), None);
    }

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
