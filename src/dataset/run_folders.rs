//! What lies in the folder of a run, beside what a file list says of it: one look at each folder, by its descriptor.
//!
//! Nothing is read but names and what the file system says of a file. Links are followed, as a reader would.

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};

use crate::dataset::known_files::FileStat;
use crate::dataset::runs::RunEntries;
use crate::dataset::verify::walk_files;
use crate::dvc::file_list::FileEntry;

/// What the file system says of a listed file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FoundFile {
    /// Of what it leads to.
    pub stat: FileStat,
    /// Whether that is a regular file.
    pub is_file: bool,
}

impl FoundFile {
    /// The file at a path; `None` if there is no such file, or a link that leads nowhere.
    pub fn at(path: &Path) -> Option<Self> {
        rustix::fs::stat(path).ok().map(|stat| Self::of_stat(&stat))
    }

    fn of_stat(stat: &Stat) -> Self {
        let is_file = FileType::from_raw_mode(stat.st_mode).is_file();
        Self { stat: FileStat::of_stat(stat), is_file }
    }
}

/// What was found of a run.
#[derive(Debug)]
pub(crate) struct RunFolder {
    /// For each listed file, in the list's order.
    pub files: Vec<Option<FoundFile>>,
    /// Files that the list does not hold, relative to the dataset.
    pub unlisted: Vec<String>,
    /// Whether anything is there, and be it a link that leads nowhere.
    pub is_there: bool,
}

impl RunFolder {
    /// Looks at a run's folder in a dataset. Unlisted files are only looked for if they are asked for.
    pub fn look_at(dataset: &Path, run: &RunEntries<'_>, finds_unlisted: bool) -> Self {
        let path = run.key.dir_under(dataset);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let Ok(dir) = rustix::fs::open(&path, flags, Mode::empty()) else {
            // What a link leads to, and a folder that may be entered and not listed, holds its files all the same.
            let files: Vec<_> = run.entries.iter().map(|entry| FoundFile::at(&dataset.join(&entry.relpath))).collect();
            let is_there = files.iter().any(Option::is_some) || std::fs::symlink_metadata(&path).is_ok();
            return Self { files, unlisted: Vec::new(), is_there };
        };
        let prefix = format!("{}/", run.key);
        let files = run.entries.iter().map(|entry| {
            let name = entry.relpath.strip_prefix(&prefix)?;
            rustix::fs::statat(&dir, name, AtFlags::empty()).ok().map(|stat| FoundFile::of_stat(&stat))
        });
        let files = files.collect();
        let unlisted = if finds_unlisted { find_unlisted(dir, &path, &prefix, run.entries) } else { Vec::new() };
        Self { files, unlisted, is_there: true }
    }
}

/// The files below a run's folder that are not among its entries. What cannot be listed holds no names.
fn find_unlisted(dir: OwnedFd, path: &Path, prefix: &str, entries: &[FileEntry]) -> Vec<String> {
    let (mut unlisted, mut dirs) = (Vec::new(), Vec::new());
    let is_listed = |file: &str| entries.binary_search_by(|entry| entry.relpath.as_str().cmp(file)).is_ok();
    let mut file = String::from(prefix);
    for found in Dir::new(dir).into_iter().flatten().flatten() {
        let Some(name) = found.file_name().to_str().ok().filter(|name| !matches!(*name, "." | "..")) else { continue };
        file.truncate(prefix.len());
        file.push_str(name);
        match found.file_type() {
            FileType::RegularFile | FileType::Symlink if is_listed(&file) => {}
            FileType::RegularFile | FileType::Symlink => unlisted.push(file.clone()),
            // Directories, and what this file system does not say the kind of.
            FileType::Directory | FileType::Unknown => dirs.push(name.to_owned()),
            _ => {}
        }
    }
    for name in dirs {
        let (inner, file) = (path.join(&name), format!("{prefix}{name}"));
        match std::fs::symlink_metadata(&inner) {
            Ok(meta) if meta.is_dir() && matches!(name.as_str(), ".git" | ".dvc") => {}
            Ok(meta) if meta.is_dir() => {
                let mut files = Vec::new();
                walk_files(&inner, &file, &mut files);
                unlisted.extend(files.into_iter().filter(|file| !is_listed(file)));
            }
            Ok(meta) if (meta.is_file() || meta.is_symlink()) && !is_listed(&file) => unlisted.push(file),
            _ => {}
        }
    }
    unlisted
}
