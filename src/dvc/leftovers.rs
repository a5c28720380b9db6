//! What a killed DVC leaves in the dataset: a copy of a file beside it, named `.`, 22 characters, `.tmp`.
//!
//! DVC writes it when it replaces a link by a copy (`_unprotect_file` in `dvc_data/hashfile/db/local.py`, `tmp_fname`
//! in `dvc_objects/fs/utils.py`), for example before it runs a stage. The next DVC would take the copy for a file of
//! the run.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::dvc::mutex::{DvcBusy, DvcMutex};
use crate::support::beneath::RootDir;

/// Removes such files of a dataset, whose directory is relative to the project's root; how many there were. Waits for a
/// DVC that is at work, whose files they are.
pub fn remove_leftovers(root: &Path, out_dir: &str, patience: Duration) -> Result<usize, DvcBusy> {
    let files = RootDir::new(root);
    files.check_dir(out_dir)?;
    if find_leftovers(files, out_dir).is_empty() {
        return Ok(0);
    }
    let _mutex = DvcMutex::acquire(root, patience)?;
    // One that cannot be removed is reported when the run is found changed.
    Ok(find_leftovers(files, out_dir).iter().filter(|path| files.remove_all(path).is_ok()).count())
}

fn find_leftovers(files: RootDir<'_>, out_dir: &str) -> Vec<PathBuf> {
    let (mut found, mut pending) = (Vec::new(), vec![PathBuf::from(out_dir)]);
    while let Some(dir) = pending.pop() {
        for entry in std::fs::read_dir(files.path().join(&dir)).into_iter().flatten().flatten() {
            let path = dir.join(entry.file_name());
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => pending.push(path),
                Ok(kind) if kind.is_file() && is_leftover(&entry.file_name().to_string_lossy()) => found.push(path),
                // Links are not followed: they can lead out of the dataset.
                _ => {}
            }
        }
    }
    found
}

fn is_leftover(name: &str) -> bool {
    let token = name.strip_prefix('.').and_then(|name| name.strip_suffix(".tmp"));
    // The length of `token_urlsafe(16)`: 16 bytes in URL-safe base64 without padding.
    token.is_some_and(|t| t.len() == 22 && t.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_dvc_temp_names_are_leftovers() {
        assert!(is_leftover(".Zk3_9-aBcDeFgHiJkLmNoP.tmp"));
        for other in
            ["steps.jsonl.gz", ".tmp", "Zk3_9-aBcDeFgHiJkLmNoP.tmp", ".short.tmp", ".Zk3 9-aBcDeFgHiJkLmNoP.tmp"]
        {
            assert!(!is_leftover(other), "{other}");
        }
    }
}
