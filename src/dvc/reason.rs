//! DVC's messages about a failure: the reason in them, and what to do if that is known.

use crate::error::Explain;
use crate::support::process::{ProcessError, ProcessOutput};

/// DVC's message about a failure, as it is to be shown: its `ERROR:` lines and what led there, never the footer that
/// asks for a visit to its support page.
pub(super) fn shorten_output(output: ProcessOutput) -> ProcessOutput {
    const FOOTER: &str = "https://dvc.org/support";
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    let lines: Vec<&str> = stderr.lines().filter(|line| !line.contains(FOOTER)).collect();
    let has_reason = lines.iter().any(|line| line.starts_with(REASON));
    // What the stage printed would push the reason out of sight.
    let stdout = if has_reason { Vec::new() } else { output.stdout };
    ProcessOutput { stdout, stderr: lines.join("\n").into_bytes(), ..output }
}

/// How the line begins in which DVC says why it failed.
pub const REASON: &str = "ERROR: ";

/// Set-ups that DVC fails with: what it says then, and what to do.
const KNOWN_FIXES: &[(&str, &str)] = &[
    (
        "extensions.refstorage",
        "DVC cannot read git's reftable (extensions.refStorage): run `git refs migrate --ref-format=files`",
    ),
    (
        "unknown object format 'sha256'",
        "DVC cannot read a SHA-256 repository (extensions.objectFormat): make a new one with `git init --object-format=sha1`",
    ),
    (
        "Checksum mismatch: Expected",
        "DVC cannot read a split index (core.splitIndex): run `git config core.splitIndex false && git update-index --no-split-index`",
    ),
    (
        "is supported, but requires 'dvc-",
        "DVC lacks the package for this kind of remote: run `capture-hook doctor` for the command that installs it",
    ),
    (
        "No module named 'dvc",
        "the environment of this `dvc` was made for another Python: make it again (`python3 -m venv --clear DIR`, then \
         `DIR/bin/pip install dvc`), or name another `dvc`: `git config capture-hook.dvc /path/to/dvc`",
    ),
    (
        "aborted by the user",
        "DVC is set to ask before each step (core.interactive): run `dvc config --local core.interactive false`",
    ),
];

/// The way out of a failure, if it is one that is known.
pub(super) fn known_fix(error: &ProcessError) -> Option<String> {
    let ProcessError::Failed { output: stderr, .. } = error else { return None };
    KNOWN_FIXES.iter().find(|(words, _)| stderr.contains(words)).map(|(_, hint)| (*hint).to_owned())
}

/// Whether DVC gave up because of its own lock. It exits with 255 for everything that fails.
pub(super) fn says_busy(output: &ProcessOutput) -> bool {
    let stderr = String::from_utf8_lossy(&output.stderr);
    stderr.contains("Unable to acquire lock") || stderr.contains("is busy, it is being blocked by")
}

/// What failed with DVC, in a line.
#[must_use]
pub fn describe_failure(error: &ProcessError) -> String {
    let line = match error {
        ProcessError::Failed { output: stderr, .. } if !stderr.is_empty() => error_line(stderr).to_owned(),
        error => error.to_string(),
    };
    error.explain().hints.iter().fold(line, |line, hint| format!("{line}; {hint}"))
}

/// The line that says what failed, of all that DVC printed.
fn error_line(stderr: &str) -> &str {
    let line = stderr.lines().find(|line| line.starts_with(REASON)).or_else(|| stderr.lines().last());
    line.unwrap_or_default().trim_start_matches(REASON)
}
