//! DVC's ignore rules: whether there are any, and what they match according to DVC.
//!
//! DVC silently leaves ignored files out of a directory. Rules are never interpreted here: DVC is asked.

use std::path::{Path, PathBuf};

use crate::dvc::program::{Dvc, ProgramError};
use crate::support::beneath::RootDir;
use crate::support::fs::FsError;
use crate::support::limits;
use crate::support::process::ProcessError;

/// The file that holds rules, in any directory.
const FILE: &str = ".dvcignore";

/// The files with rules that apply to a directory of the project: its own, and those above it. Relative to the project.
pub fn rule_files(files: RootDir<'_>, dir: &str) -> Result<Vec<String>, FsError> {
    let mut found = Vec::new();
    let mut at = PathBuf::new();
    for part in std::iter::once("").chain(dir.split('/')) {
        at.push(part);
        let file = at.join(FILE);
        let rules = files.read(&file, limits::TEXT)?.unwrap_or_default();
        let is_rule = |line: &str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
        if String::from_utf8_lossy(&rules).lines().any(is_rule) {
            found.push(file.display().to_string());
        }
    }
    Ok(found)
}

/// A path that DVC ignores.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DvcIgnored {
    /// Relative to the project.
    pub path: String,
    /// The file, line and rule that say so: `.dvcignore:3:*.gz`.
    pub rule: String,
}

/// Which of these paths, relative to the project, DVC ignores: for themselves, or for a directory above them.
pub fn find_ignored(dvc: &Dvc, paths: &[String]) -> Result<Vec<DvcIgnored>, ProgramError> {
    let parents = |path: &'_ String| -> Vec<String> {
        let ancestors = Path::new(path).ancestors().filter(|above| !above.as_os_str().is_empty());
        ancestors.map(|above| above.display().to_string()).collect()
    };
    let mut candidates: Vec<String> = paths.iter().flat_map(parents).collect();
    candidates.sort();
    candidates.dedup();
    let args = ["check-ignore", "--details", "--"].into_iter().chain(candidates.iter().map(String::as_str));
    let stdout = match dvc.run_command(args) {
        Ok(output) => output.stdout_text(),
        // None of them.
        Err(ProgramError::Process(ProcessError::Failed { exit: Some(1), .. })) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let rules: Vec<(&str, &str)> = stdout.lines().filter_map(|line| line.rsplit_once('\t')).collect();
    let rule = |path: &String| {
        let find_rule =
            |path: String| rules.iter().find(|(_, target)| *target == path).map(|(rule, _)| (*rule).to_owned());
        parents(path).into_iter().find_map(find_rule)
    };
    // A rule that begins with `!` takes a path out of the ignored ones.
    let is_exception = |rule: &str| rule.splitn(3, ':').nth(2).is_some_and(|pattern| pattern.starts_with('!'));
    let found = paths.iter().filter_map(|path| Some(DvcIgnored { path: path.clone(), rule: rule(path)? }));
    Ok(found.filter(|ignored| !is_exception(&ignored.rule)).collect())
}
