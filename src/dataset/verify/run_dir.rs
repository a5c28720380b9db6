//! The directory of one run, outside of every project: nothing but its manifest says what its bytes were.

use std::path::Path;

use super::{
    HashJob, VerifyFinding, VerifyProblem, VerifyReport, VerifyRequest, VerifySource, verify_data, walk_files,
};
use crate::manifest;
use crate::run::RunKey;
use crate::run::layout::MANIFEST;
use crate::run::open::read_small_file;
use crate::support::progress::Progress;

/// What was found, and what could not be.
#[derive(Debug)]
pub struct RunDirReport {
    /// What was looked at and found.
    pub report: VerifyReport,
    /// The files that the manifest does not name, sorted: what their bytes should be is unknown.
    pub unknown: Vec<String>,
}

/// Verifies a run's directory against its manifest; `None` if it has none, so that nothing can be verified.
#[must_use]
pub fn verify_run_dir(run: &RunKey, dir: &Path, progress: &dyn Progress) -> Option<RunDirReport> {
    let manifest = dir.join(MANIFEST).symlink_metadata().ok()?;
    // Anything else in its place is a finding of the manifest.
    let named = if manifest.is_file() { read_names(dir) } else { Vec::new() };
    let request = VerifyRequest { source: VerifySource::RunDir(run, dir), file_list: None, version: None, only: None };
    let report = verify_data(&request, progress);
    let mut names = Vec::new();
    walk_files(dir, "", &mut names);
    names.retain(|name| name != MANIFEST && !named.contains(name));
    names.sort();
    Some(RunDirReport { report, unknown: names })
}

/// The files that the manifest names and that are compared with it.
fn read_names(dir: &Path) -> Vec<String> {
    // One that cannot be read names none, and is a finding.
    let bytes = read_small_file(dir, MANIFEST).ok().flatten();
    let entries = bytes.as_deref().and_then(manifest::parse_entries).unwrap_or_default();
    entries.into_iter().map(|entry| entry.path).filter(|path| !path.ends_with(".parquet")).collect()
}

/// The files to read. A link is a finding: it leads to what is not of this directory.
pub(super) fn collect_run_dir_jobs(
    run: &RunKey,
    dir: &Path,
    jobs: &mut Vec<HashJob>,
    findings: &mut Vec<VerifyFinding>,
) {
    let mut names = Vec::new();
    walk_files(dir, "", &mut names);
    for name in names {
        let (path, file) = (dir.join(&name), format!("{run}/{name}"));
        if path.symlink_metadata().is_ok_and(|facts| facts.is_symlink()) {
            let message = "it is a link, which is not followed".into();
            findings.push(VerifyFinding { file, problem: VerifyProblem::Unreadable, message });
        } else {
            jobs.push(HashJob { file, path, expected: None, extra: false });
        }
    }
}
