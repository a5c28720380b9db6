//! The objects that this clone's working trees need now.

use std::collections::BTreeSet;

use crate::dataset::runs::run_of_path;
use crate::dvc::hash::{DataVersion, DvcHash};
use crate::dvc::lockfile;
use crate::project::{GitTree, Project, ProjectError};
use crate::run::RunKey;
use crate::support::fs::PathRefusal;
use crate::support::limits;

/// The ending of DVC's own files about single outputs.
const DVC_FILE: &str = ".dvc";

/// Those of some objects that another run than these, or another output of DVC, uses: as the working tree, the index or
/// HEAD of some working tree of the clone has it. What older commits need is not among them.
pub fn find_objects_in_use(
    project: &Project,
    runs: &BTreeSet<RunKey>,
    objects: &BTreeSet<DvcHash>,
) -> Result<BTreeSet<DvcHash>, ProjectError> {
    let mut versions: BTreeSet<DataVersion> = BTreeSet::new();
    for tree in [GitTree::Index, GitTree::WorkTree] {
        versions.extend(project.dataset_record(&tree)?.map(|record| record.version));
    }
    for head in project.repo.list_work_trees()?.into_iter().filter_map(|tree| tree.head) {
        versions.extend(project.data_version_at(&head)?);
    }
    let (mut used, lists) = find_named_objects(project)?;
    used.retain(|hash| objects.contains(hash));
    let cache = project.open_cache()?;
    for version in lists.union(&versions) {
        // Of a list that is not here, no file was fetched for it either.
        let Some(list) = cache.read_file_list(*version)? else { continue };
        let is_own = versions.contains(version);
        for entry in list.entries().iter().filter(|entry| objects.contains(&entry.md5)) {
            let is_theirs = is_own && run_of_path(&entry.relpath).is_some_and(|run| runs.contains(&run));
            if !is_theirs {
                used.insert(entry.md5);
            }
        }
    }
    Ok(used)
}

/// The objects and file lists that DVC's tracked files name, as they are in the working tree: found in their text, so
/// that a file which DVC reads otherwise than we do keeps its data, too. What our own dataset is recorded as is left out.
fn find_named_objects(project: &Project) -> Result<(BTreeSet<DvcHash>, BTreeSet<DataVersion>), ProjectError> {
    let (mut files, mut lists) = (BTreeSet::new(), BTreeSet::new());
    let own = project.dataset_record(&GitTree::WorkTree)?.map(|record| record.version);
    let names = project.repo.list_tracked_files()?;
    let top = project.repo.top()?.to_path_buf();
    let root = crate::support::beneath::RootDir::new(&top);
    for name in names.iter().filter(|name| name.ends_with(DVC_FILE) || name.ends_with(lockfile::FILE)) {
        let bytes = match root.read(name, limits::LOCKFILE) {
            Ok(Some(bytes)) => bytes,
            // What is not checked out, or is no file, names nothing that is in use here.
            Ok(None) => continue,
            Err(error) if matches!(error.refusal(), Some(PathRefusal::Link(_) | PathRefusal::NotRegular)) => continue,
            Err(error) => return Err(error.into()),
        };
        for word in String::from_utf8_lossy(&bytes).split(|c: char| !c.is_ascii_alphanumeric() && c != '.') {
            if let Ok(version) = word.parse::<DataVersion>() {
                lists.extend((Some(version) != own).then_some(version));
            } else if let Ok(hash) = word.parse::<DvcHash>() {
                files.insert(hash);
            }
        }
    }
    Ok((files, lists))
}
