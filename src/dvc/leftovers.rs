//! What a killed DVC left unfinished in the dataset: beside a file, a copy of it under a name of `.`, 22 characters, `.tmp`.
//!
//! DVC writes so where it unties a linked file (`_unprotect_file` in `dvc_data/hashfile/db/local.py`, `tmp_fname` in
//! `dvc_objects/fs/utils.py`), as before it runs a stage. The next DVC would take the copy for a file of the run.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::dvc::mutex::{LockedError, ProjectLock};
use crate::support::beneath::Root;

/// Removes such files of a dataset, whose directory is relative to the project's root; how many there were. Waits for a DVC
/// that is at work, whose files they are.
pub fn remove(root: &Path, out_dir: &str, patience: Duration) -> Result<usize, LockedError> {
    let files = Root::at(root);
    files.check_dir(out_dir)?;
    if find(files, out_dir).is_empty() {
        return Ok(0);
    }
    let _lock = ProjectLock::take(root, patience)?;
    // One that cannot be removed is told by whoever finds the run changed.
    Ok(find(files, out_dir).iter().filter(|path| files.remove_all(path).is_ok()).count())
}

fn find(files: Root<'_>, out_dir: &str) -> Vec<PathBuf> {
    let (mut found, mut todo) = (Vec::new(), vec![PathBuf::from(out_dir)]);
    while let Some(dir) = todo.pop() {
        for entry in std::fs::read_dir(files.path().join(&dir)).into_iter().flatten().flatten() {
            let path = dir.join(entry.file_name());
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => todo.push(path),
                Ok(kind) if kind.is_file() && is_unfinished(&entry.file_name().to_string_lossy()) => found.push(path),
                _ => {}
            }
        }
    }
    found
}

fn is_unfinished(name: &str) -> bool {
    let token = name.strip_prefix('.').and_then(|name| name.strip_suffix(".tmp"));
    token.is_some_and(|t| t.len() == 22 && t.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_as_dvc_makes_them() {
        assert!(is_unfinished(".Zk3_9-aBcDeFgHiJkLmNoP.tmp"));
        for other in
            ["steps.jsonl.gz", ".tmp", "Zk3_9-aBcDeFgHiJkLmNoP.tmp", ".short.tmp", ".Zk3 9-aBcDeFgHiJkLmNoP.tmp"]
        {
            assert!(!is_unfinished(other), "{other}");
        }
    }
}
