//! What else has the bytes of runs that are to be erased: other runs, and other outputs of DVC.

use std::collections::{BTreeMap, BTreeSet};

use super::EraseError;
use crate::dataset::runs::run_of_path;
use crate::dvc::hash::{DataVersion, DvcHash};
use crate::error::Error;
use crate::history::History;
use crate::history::erased::ErasedRuns;
use crate::history::rebuilt;
use crate::project::{GitTree, Project, Reporter};
use crate::run::RunKey;
use crate::sync::local_copies::find_objects_in_use;

/// Those of some objects that something has which is not erased, each with what that is.
pub(super) fn find_sharers(
    project: &Project,
    history: &History,
    runs: &BTreeSet<RunKey>,
    erased: &ErasedRuns,
    candidates: &BTreeSet<DvcHash>,
    reporter: &dyn Reporter,
) -> Result<BTreeMap<DvcHash, String>, Error> {
    let mut versions: BTreeSet<DataVersion> =
        history.dataset_commits.iter().map(|change| change.record.version).collect();
    for tree in [GitTree::Index, GitTree::WorkTree] {
        versions.extend(project.dataset_record(&tree)?.map(|record| record.version));
    }
    let dvc = project.dvc()?;
    let cache = project.open_cache()?;
    let progress = reporter.start_counting("reading file lists", versions.len() as u64, "list");
    let mut shared = BTreeMap::new();
    for version in &versions {
        if let Err(error) = rebuilt::ensure_file_list(project, &dvc, *version) {
            let run = runs.first().cloned();
            let why = error.describe_with_cause();
            return Err(run.map_or_else(|| error.into(), |run| EraseError::UnknownFiles { run, why }.into()));
        }
        let list = cache.read_file_list(*version)?.unwrap_or_default();
        for entry in list.entries().iter().filter(|entry| candidates.contains(&entry.md5)) {
            match run_of_path(&entry.relpath) {
                Some(run) if runs.contains(&run) => {}
                // What was erased before is gone, whatever shared it then.
                Some(run) if is_erased(history, erased, *version, &run) => {}
                Some(run) => drop(shared.entry(entry.md5).or_insert_with(|| run.to_string())),
                None => drop(shared.entry(entry.md5).or_insert_with(|| entry.relpath.clone())),
            }
        }
        progress.count_item();
    }
    for hash in find_objects_in_use(project, runs, candidates)? {
        shared.entry(hash).or_insert_with(|| "another output of DVC".to_owned());
    }
    Ok(shared)
}

fn is_erased(history: &History, erased: &ErasedRuns, version: DataVersion, run: &RunKey) -> bool {
    let entries = history.run_entries(version, run).unwrap_or_default();
    erased.find(run, &entries).is_some()
}
