//! Sorts what lies beside a recorder's files in a run's directory: files that go into the dataset, files that do not,
//! and links that lead out of the directory.
//!
//! Names and file types are read, never contents. Links to directories are not followed.

use std::fs::{self, FileType};
use std::path::{Component, Path, PathBuf};

use crate::run::include::IncludePatterns;

/// The result; all paths use `/` and are relative to the run's directory.
#[derive(Debug, Default)]
pub(super) struct ExtraFiles {
    /// Files that go into the dataset.
    pub included: Vec<String>,
    /// Files that do not, and directories none of whose files do, with a `/` at the end.
    pub unrecognized: Vec<String>,
    /// Links that lead out of the directory. Their targets are not touched.
    pub escapes: Vec<String>,
}

impl ExtraFiles {
    /// Sorts an entry of the run's directory that no recorder writes. If the name is not UTF-8 (`utf8`), `name` is
    /// lossy, and the entry cannot be included. `root` is the run's directory, canonical.
    pub fn inspect_entry(
        &mut self,
        path: &Path,
        name: String,
        utf8: bool,
        kind: FileType,
        root: &Path,
        include: &IncludePatterns,
    ) {
        if kind.is_dir() {
            self.inspect_dir(path, &name, utf8, root, include);
        } else if utf8 && is_file(path, kind) && include.matches_file(&name) {
            self.included.push(name);
        } else {
            self.unrecognized.push(name);
        }
    }

    /// Sorts what lies in a directory of the run, at any depth.
    pub fn inspect_dir(&mut self, dir: &Path, name: &str, utf8: bool, root: &Path, include: &IncludePatterns) {
        let (mut included, mut unrecognized) = (Vec::new(), Vec::new());
        let mut open_dirs = vec![(dir.to_path_buf(), name.to_owned(), utf8)];
        while let Some((dir, name, utf8)) = open_dirs.pop() {
            // A directory that cannot be listed is reported as unrecognized, with its name.
            let Ok(entries) = fs::read_dir(&dir) else {
                unrecognized.push(format!("{name}/"));
                continue;
            };
            for entry in entries.flatten() {
                let (path, file_name) = (entry.path(), entry.file_name());
                let utf8 = utf8 && file_name.to_str().is_some();
                let name = format!("{name}/{}", file_name.to_string_lossy());
                match entry.file_type() {
                    // Links first: the target of one that leads out is never touched.
                    Ok(kind) if kind.is_symlink() && leads_out(&path, root) => self.escapes.push(name),
                    Ok(kind) if kind.is_dir() => open_dirs.push((path, name, utf8)),
                    Ok(kind) if utf8 && is_file(&path, kind) && include.matches_file(&name) => included.push(name),
                    _ => unrecognized.push(name),
                }
            }
        }
        if included.is_empty() {
            self.unrecognized.push(format!("{name}/"));
        } else {
            self.unrecognized.append(&mut unrecognized);
        }
        self.included.append(&mut included);
    }
}

/// Whether a path of this kind is a regular file, or a link to one.
pub(super) fn is_file(path: &Path, kind: FileType) -> bool {
    if kind.is_symlink() { fs::metadata(path).is_ok_and(|meta| meta.is_file()) } else { kind.is_file() }
}

/// Whether a link leads out of `root`, which is canonical. If that is not certain, it does.
pub(super) fn leads_out(link: &Path, root: &Path) -> bool {
    match link.canonicalize() {
        Ok(target) => !target.starts_with(root),
        Err(_) => !dangling_target(link).is_some_and(|target| target.starts_with(root)),
    }
}

/// Returns where a dangling link would lead: the canonical part that exists, and the rest by its names.
fn dangling_target(link: &Path) -> Option<PathBuf> {
    let dir = link.parent()?.canonicalize().ok()?;
    let mut target = dir;
    for component in fs::read_link(link).ok()?.components() {
        match component {
            Component::Prefix(_) | Component::RootDir => target = PathBuf::from(component.as_os_str()),
            Component::CurDir => {}
            Component::ParentDir => {
                target.pop();
            }
            Component::Normal(name) => {
                let next = target.join(name);
                target = match next.canonicalize() {
                    Ok(real) => real,
                    // A dangling link within a dangling link: its end is not known.
                    Err(_) if fs::symlink_metadata(&next).is_ok() => return None,
                    Err(_) => next,
                };
            }
        }
    }
    Some(target)
}
