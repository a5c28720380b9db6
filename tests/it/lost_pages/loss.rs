//! Reads what the watcher wrote down, and takes away what is not durable.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::env::files;

/// What is taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LostPart {
    /// The bytes of files that were not synced: the files are empty.
    Content,
    /// The same, and names in directories that were not synced: made, renamed and exchanged ones.
    ContentAndNames,
}

/// A change of names.
#[derive(Debug)]
enum NameChange {
    Made { path: PathBuf },
    Moved { from: PathBuf, to: PathBuf, replaced: Option<PathBuf> },
    Exchanged { a: PathBuf, b: PathBuf },
}

/// What was not durable when everything ended.
#[derive(Debug, Default)]
pub struct Loss {
    /// Files, by device and inode, and when they were last written.
    files: HashMap<String, usize>,
    /// Names, in the order of the changes: the directory, when, and what.
    names: Vec<(String, usize, NameChange)>,
    count: usize,
}

impl Loss {
    pub fn read(log: &Path) -> Self {
        let text = String::from_utf8_lossy(&fs::read(log).unwrap()).into_owned();
        let (mut loss, mut syncs) = (Self::default(), BTreeMap::new());
        for (now, line) in text.lines().enumerate() {
            let is_ours = line.starts_with('+');
            loss.count += usize::from(is_ours);
            let words: Vec<&str> = line[1..].split('\t').collect();
            match words.as_slice() {
                ["W", file, ..] if is_ours => drop(loss.files.insert((*file).to_owned(), now)),
                // Git's file now, or none any more: the inode is used again.
                ["W" | "U", file, ..] => drop(loss.files.remove(*file)),
                ["B", thread, target] => drop(syncs.insert(*thread, (now, (*target).to_owned()))),
                ["E", thread, ..] => {
                    if let Some((begun, target)) = syncs.remove(thread) {
                        loss.forget_synced(begun, &target);
                    }
                }
                ["T", dir, from, to, saved] if is_ours => {
                    let replaced = (!saved.is_empty()).then(|| saved.into());
                    loss.add_name(dir, now, NameChange::Moved { from: from.into(), to: to.into(), replaced });
                }
                ["X", dir, a, b, ..] if is_ours => {
                    loss.add_name(dir, now, NameChange::Exchanged { a: a.into(), b: b.into() });
                }
                ["N", dir, path, ..] if is_ours => loss.add_name(dir, now, NameChange::Made { path: path.into() }),
                _ => {}
            }
        }
        loss
    }

    /// How many things our program did.
    pub fn count(&self) -> usize {
        self.count
    }

    fn add_name(&mut self, dir: &str, now: usize, change: NameChange) {
        self.names.push((dir.to_owned(), now, change));
    }

    /// What was there before a sync began is durable when it has ended.
    fn forget_synced(&mut self, begun: usize, target: &str) {
        let is_covered = |id: &str| match target.strip_suffix('*') {
            Some(device) => id.starts_with(device),
            None => id == target,
        };
        self.files.retain(|file, written| *written > begun || !is_covered(file));
        self.names.retain(|(dir, changed, _)| *changed > begun || !is_covered(dir));
    }

    /// Takes away what is not durable below a directory.
    pub fn happen(&self, root: &Path, part: LostPart) {
        for path in files(root) {
            let meta = fs::symlink_metadata(&path).unwrap();
            let id = format!("{}.{}:{}", rustix::fs::major(meta.dev()), rustix::fs::minor(meta.dev()), meta.ino());
            if meta.is_file() && self.files.contains_key(&id) {
                fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
                fs::write(&path, "").unwrap();
                fs::set_permissions(&path, meta.permissions()).unwrap();
            }
        }
        if part == LostPart::ContentAndNames {
            self.names.iter().rev().for_each(|(.., change)| change.undo());
        }
    }
}

impl NameChange {
    /// As far as what it is about is still where it was put. What was there before a rename comes back: renames are atomic.
    fn undo(&self) {
        match self {
            Self::Made { path } => match fs::symlink_metadata(path) {
                Ok(meta) if meta.is_dir() => fs::remove_dir_all(path).unwrap(),
                Ok(_) => fs::remove_file(path).unwrap(),
                Err(_) => {}
            },
            Self::Moved { from, to, replaced } => {
                if fs::symlink_metadata(to).is_ok() && fs::rename(to, from).is_err() {
                    // The directory that it came from is gone.
                    let _ = fs::remove_dir_all(to).or_else(|_| fs::remove_file(to));
                }
                if let Some(saved) = replaced {
                    let _ = fs::rename(saved, to);
                }
            }
            Self::Exchanged { a, b } => {
                let aside = a.with_extension("aside");
                if fs::rename(a, &aside).is_ok() {
                    let _ = fs::rename(b, a);
                    let _ = fs::rename(&aside, b);
                }
            }
        }
    }
}
