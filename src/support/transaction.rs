//! Keeps files and directories that are about to change, and puts them back if the work fails.
//!
//! Begin a [`Transaction`], keep each path before it is written, and end with [`Transaction::finish`]. A transaction
//! that is dropped before that puts everything back. It does not survive a killed process.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::aside::temp_dir_for;
use super::beneath::{FileKind, RootDir};
use super::fs::FsError;
use super::{fs, limits};

/// The state before the work. Paths are relative to a root.
#[must_use]
pub struct Transaction {
    root: PathBuf,
    files: Vec<(PathBuf, Option<Vec<u8>>)>,
    /// Each directory with its copy, made of hard links; `None` if it did not exist.
    dirs: Vec<(PathBuf, Option<fs::TempDir>)>,
    /// The directories in `dirs`: there can be thousands.
    known_dirs: HashSet<PathBuf>,
    is_open: bool,
}

impl Transaction {
    /// Begins a transaction that keeps nothing yet.
    pub fn new(root: &Path) -> Self {
        Self {
            root: root.to_path_buf(),
            files: Vec::new(),
            dirs: Vec::new(),
            known_dirs: HashSet::new(),
            is_open: true,
        }
    }

    /// The directory that paths are relative to.
    #[must_use]
    pub fn root(&self) -> RootDir<'_> {
        RootDir::new(&self.root)
    }

    /// Keeps a file, or that it does not exist. Only the first time counts.
    pub fn keep_file(&mut self, file: impl Into<PathBuf>) -> Result<(), FsError> {
        let file = file.into();
        if self.files.iter().all(|(known, _)| *known != file) {
            let bytes = self.root().read(&file, limits::LOCKFILE)?;
            self.files.push((file, bytes));
        }
        Ok(())
    }

    /// Keeps a directory. Its copy is on the file system of `near`, outside of it if possible.
    pub fn keep_dir(&mut self, dir: PathBuf, near: &Path) -> Result<(), FsError> {
        if self.known_dirs.contains(&dir) {
            return Ok(());
        }
        let backup = match self.root().file_kind(&dir)? {
            FileKind::Directory => {
                let parent = temp_dir_for(&self.root.join(near));
                let backup = fs::create_temp_dir(&parent, "capture-hook-undo-")?;
                fs::link_tree(&self.root.join(&dir), &backup.path().join(BACKUP))?;
                Some(backup)
            }
            _ => None,
        };
        self.known_dirs.insert(dir.clone());
        self.dirs.push((dir, backup));
        Ok(())
    }

    /// Ends the transaction after success: nothing is put back.
    pub fn finish(mut self) {
        self.is_open = false;
    }

    /// Puts back all that it can, and reports the first failure.
    pub fn roll_back(mut self) -> Result<(), FsError> {
        self.is_open = false;
        self.restore()
    }

    /// Every path is tried: one that cannot be restored must not leave the others changed.
    fn restore(&self) -> Result<(), FsError> {
        let dirs = self.dirs.iter().map(|(dir, backup)| self.restore_dir(dir, backup.as_ref()));
        let files = self.files.iter().map(|(file, bytes)| self.restore_file(file, bytes.as_deref()));
        let mut outcome = Ok(());
        for result in dirs.chain(files) {
            outcome = outcome.and(result);
        }
        outcome
    }

    fn restore_dir(&self, dir: &Path, backup: Option<&fs::TempDir>) -> Result<(), FsError> {
        if let Some(backup) = backup {
            return self.root().replace_dir(&backup.path().join(BACKUP), dir);
        }
        self.root().remove_all(dir)?;
        // The two directories above it (experiment and dataset) can have been created for it.
        for above in dir.ancestors().skip(1).take(2) {
            if !self.root().remove_empty_dir(above) {
                break;
            }
        }
        Ok(())
    }

    fn restore_file(&self, file: &Path, bytes: Option<&[u8]>) -> Result<(), FsError> {
        let Some(bytes) = bytes else {
            self.root().remove_all(file)?;
            // Its directory can have been created for it; the root itself is never empty.
            file.parent().map(|dir| self.root().remove_empty_dir(dir));
            return Ok(());
        };
        if self.root().read(file, limits::LOCKFILE)?.as_deref() == Some(bytes) {
            return Ok(());
        }
        self.root().write_atomic(file, bytes)
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        if self.is_open {
            // A drop cannot report a failure; `roll_back` does.
            let _ = self.restore();
        }
    }
}

/// The copy's name in its temporary directory.
const BACKUP: &str = "backup";

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// A root with a file `kept` and a directory `data/e/old`, both in a transaction, as are the missing `made/file` and
    /// `data/f/new`; then all four are written.
    fn changed(root: &Path) -> Transaction {
        let write = |path: &str, text: &str| {
            let path = root.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("kept", "before");
        write("data/e/old/rows", "before");
        let mut transaction = Transaction::new(root);
        transaction.keep_file("kept").unwrap();
        transaction.keep_file("made/file").unwrap();
        transaction.keep_dir("data/e/old".into(), Path::new("")).unwrap();
        transaction.keep_dir("data/f/new".into(), Path::new("")).unwrap();
        write("kept", "after");
        write("made/file", "after");
        std::fs::remove_file(root.join("data/e/old/rows")).unwrap();
        write("data/e/old/others", "after");
        write("data/f/new/rows", "after");
        // What is kept a second time has changed by now.
        transaction.keep_file("kept").unwrap();
        transaction.keep_dir("data/e/old".into(), Path::new("")).unwrap();
        transaction
    }

    fn tree(root: &Path) -> Vec<String> {
        let mut found = Vec::new();
        let mut dirs = vec![root.to_path_buf()];
        while let Some(dir) = dirs.pop() {
            for entry in std::fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    dirs.push(path);
                } else {
                    let name = path.strip_prefix(root).unwrap().display().to_string();
                    found.push(format!("{name}: {}", std::fs::read_to_string(&path).unwrap()));
                }
            }
        }
        found.sort();
        found
    }

    #[test]
    fn what_is_dropped_or_rolled_back_is_as_it_was() {
        for end in [drop as fn(Transaction), |transaction| transaction.roll_back().unwrap()] {
            let root = tempfile::tempdir().unwrap();
            end(changed(root.path()));
            assert_eq!(tree(root.path()), ["data/e/old/rows: before", "kept: before"]);
            assert!(!root.path().join("made").exists() && !root.path().join("data/f").exists());
        }
    }

    #[test]
    fn what_cannot_be_restored_leaves_nothing_else_changed() {
        let root = tempfile::tempdir().unwrap();
        let transaction = changed(root.path());
        let backup = transaction.dirs.iter().find_map(|(_, backup)| backup.as_ref()).unwrap();
        std::fs::remove_dir_all(backup.path()).unwrap();
        transaction.roll_back().unwrap_err();
        let left = tree(root.path());
        assert!(left.contains(&"kept: before".to_owned()), "{left:?}");
        assert!(!root.path().join("made").exists() && !root.path().join("data/f").exists());
    }

    #[test]
    fn what_is_finished_stays() {
        let root = tempfile::tempdir().unwrap();
        changed(root.path()).finish();
        assert_eq!(
            tree(root.path()),
            ["data/e/old/others: after", "data/f/new/rows: after", "kept: after", "made/file: after"]
        );
    }
}
