//! What keeps objects besides history: links of a workspace into the cache. Also old copies of runs for readers.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::{GcError, is_recent};
use crate::dvc::stored_objects::ObjectName;
use crate::git::list_entries;
use crate::history::needed::NeededObjects;
use crate::project::{Project, ProjectError};
use crate::support::fs::At;
use crate::support::path::normalize_path;

/// Counts the objects as needed to which links in the working trees lead: without them, files of a workspace that no
/// commit names any more would be lost. Fails if a directory cannot be listed, for there could be links in it.
pub(super) fn add_linked_objects(project: &Project, needed: &mut NeededObjects) -> Result<(), GcError> {
    let cache = project.open_cache()?;
    let resolved = cache.dir().canonicalize();
    let dirs: Vec<PathBuf> = resolved.into_iter().chain([cache.dir().to_path_buf()]).collect();
    for tree in project.repo.find_work_tree_dirs().map_err(ProjectError::from)? {
        let mut todo: Vec<PathBuf> = tree.work_tree.into_iter().collect();
        while let Some(dir) = todo.pop() {
            for (path, kind) in list_entries(&dir).map_err(ProjectError::from)? {
                if kind.is_dir() && path != tree.git_dir && !dirs.contains(&path) {
                    todo.push(path);
                } else if kind.is_symlink() {
                    let target = match std::fs::read_link(&path) {
                        // Another program has replaced it meanwhile.
                        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidInput) => continue,
                        target => target.at("read", &path)?,
                    };
                    // By its text, for it may lead nowhere now; else to wherever other links on its path lead.
                    if !add_target(&normalize_path(&dir.join(target)), &dirs, needed)
                        && let Ok(real) = path.canonicalize()
                    {
                        add_target(&real, &dirs, needed);
                    }
                }
            }
        }
    }
    Ok(())
}

/// Counts an object as needed; whether the path is that of one.
fn add_target(target: &Path, dirs: &[PathBuf], needed: &mut NeededObjects) -> bool {
    let inner = dirs.iter().find_map(|dir| target.strip_prefix(dir).ok()?.to_str());
    let name = inner.and_then(ObjectName::of_path);
    needed.files.extend(name.map(|name| name.hash));
    name.is_some()
}

/// The copies in a directory that nothing changed for so long. They are made again when they are needed.
pub(super) fn find_old_copies(dir: &Path, keep_days: u64) -> Result<Vec<PathBuf>, GcError> {
    let copies = list_entries(dir).map_err(ProjectError::from)?.into_iter().map(|(path, _)| path);
    // One whose time is not known counts as young.
    let changed = |path: &PathBuf| std::fs::symlink_metadata(path).and_then(|meta| meta.modified()).ok();
    Ok(copies.filter(|path| !is_recent(changed(path), keep_days)).collect())
}
