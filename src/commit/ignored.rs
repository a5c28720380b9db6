//! Whether a data version holds everything that ingest wrote of a run: DVC silently leaves out files that its ignore
//! rules match, and a clone would get a broken run.

use std::collections::HashMap;

use super::{CommitRefused, ValidRun};
use crate::dataset::native;
use crate::dataset::native::HashedFile;
use crate::dvc::file_list::FileEntry;
use crate::dvc::hash::{DataVersion, DvcHash};
use crate::dvc::ignore::{self, DvcIgnored};
use crate::dvc::program::ProgramError;
use crate::history::hashed_runs::HashedRun;
use crate::history::run_files::RunEntries;
use crate::project::Project;
use crate::support::fs::FsError;

/// The files with ignore rules of DVC for a directory of the project.
pub fn list_rule_files(project: &Project, dir: &str) -> Result<Vec<String>, FsError> {
    ignore::rule_files(project.root_files(), dir)
}

/// Which of these files DVC ignores, and by which rules.
pub fn ask_ignored(project: &Project, files: &[String]) -> Result<Vec<DvcIgnored>, ProgramError> {
    project.find_dvc().and_then(|dvc| ignore::find_ignored(&dvc, files))
}

/// An error if a run's entries in a data version are not the files in its folder of the dataset. All of them are read, so
/// the hash of all is worked out along with it.
pub(super) fn check_all_versioned(
    project: &Project,
    out_dir: &str,
    version: DataVersion,
    run: &ValidRun,
) -> Result<HashedRun, CommitRefused> {
    let files = native::hash_run_files(&project.root.join(out_dir), std::slice::from_ref(&run.key))?;
    check_files_versioned(project, out_dir, version, run, &files)
}

/// The same of files that were hashed when they were versioned.
pub(super) fn check_files_versioned(
    project: &Project,
    out_dir: &str,
    version: DataVersion,
    run: &ValidRun,
    files: &[HashedFile],
) -> Result<HashedRun, CommitRefused> {
    let not_in_lockfile = || CommitRefused::NotInLockfile { run_dir: run.run_dir.clone() };
    let listed = project.file_lists()?.run_entries(version, &run.key).ok_or_else(not_in_lockfile)?;
    let entry = |file: &HashedFile| FileEntry { relpath: file.relpath.clone(), md5: file.hash };
    let written: Vec<FileEntry> = files.iter().map(entry).collect();
    if listed == written {
        let sha256_of: HashMap<DvcHash, String> = files.iter().map(|file| (file.hash, file.sha256.clone())).collect();
        let run = RunEntries { run: run.key.clone(), entries: written };
        return HashedRun::by_objects(&run, &sha256_of).ok_or_else(not_in_lockfile);
    }
    let left_out = written.iter().filter(|file| !listed.iter().any(|entry| entry.relpath == file.relpath));
    let left_out: Vec<String> = left_out.map(|file| format!("{out_dir}/{}", file.relpath)).collect();
    // Without DVC's word for it, the rule is not known; the files are.
    let rules = ask_ignored(project, &left_out).unwrap_or_default();
    let mut rules: Vec<String> = rules.into_iter().map(|DvcIgnored { rule, .. }| rule).collect();
    rules.sort();
    rules.dedup();
    if left_out.is_empty() || (rules.is_empty() && listed.is_empty()) {
        return Err(not_in_lockfile());
    }
    Err(CommitRefused::LeftOut { run: run.key.clone(), files: left_out, rules })
}
