//! What keeps objects besides history: links of a workspace into the cache. Also old copies of runs for readers.

use std::path::{Path, PathBuf};

use super::{GcError, is_recent};
use crate::dvc::stored_objects::ObjectName;
use crate::history::needed::NeededObjects;
use crate::project::{Project, ProjectError};
use crate::support::path::normalize_path;

/// Counts the objects as needed to which links in the working trees lead: without them, files of a workspace that no
/// commit names any more would be lost.
pub(super) fn add_linked_objects(project: &Project, needed: &mut NeededObjects) -> Result<(), GcError> {
    let cache = project.open_cache()?;
    let resolved = cache.dir().canonicalize();
    let dirs: Vec<PathBuf> = resolved.into_iter().chain([cache.dir().to_path_buf()]).collect();
    for tree in project.repo.find_work_tree_dirs().map_err(ProjectError::from)? {
        let mut todo: Vec<PathBuf> = tree.work_tree.into_iter().collect();
        while let Some(dir) = todo.pop() {
            // A directory that cannot be listed by its user holds no links that they use.
            for entry in std::fs::read_dir(&dir).into_iter().flatten().flatten() {
                let (path, kind) = (entry.path(), entry.file_type());
                if kind.as_ref().is_ok_and(std::fs::FileType::is_dir) {
                    if path != tree.git_dir && !dirs.contains(&path) {
                        todo.push(path);
                    }
                } else if kind.is_ok_and(|kind| kind.is_symlink())
                    && let Ok(target) = std::fs::read_link(&path)
                {
                    add_target(&normalize_path(&dir.join(target)), &dirs, needed);
                }
            }
        }
    }
    Ok(())
}

fn add_target(target: &Path, dirs: &[PathBuf], needed: &mut NeededObjects) {
    let inner = dirs.iter().find_map(|dir| target.strip_prefix(dir).ok()?.to_str());
    if let Some(name) = inner.and_then(ObjectName::of_path) {
        needed.files.insert(name.hash);
    }
}

/// The copies in a directory that nothing changed for so long. They are made again when they are needed.
pub(super) fn find_old_copies(dir: &Path, keep_days: u64) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let is_old = |entry: &std::fs::DirEntry| {
        let time = entry.metadata().and_then(|meta| meta.modified()).ok();
        !is_recent(time, keep_days)
    };
    entries.filter(is_old).map(|entry| entry.path()).collect()
}
