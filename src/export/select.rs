//! Which runs an export holds, and which data versions their files are read from.

use std::collections::BTreeMap;
use std::path::Path;

use crate::dataset::get::{RunFiles, find_files};
use crate::dataset::runs::group_by_run;
use crate::dvc::hash::DataVersion;
use crate::export::error::ExportError;
use crate::export::layout::is_own_name;
use crate::history::catalog::Catalog;
use crate::history::committed::{find_current_run, find_version_at};
use crate::history::rebuilt;
use crate::project::Project;
use crate::run::RunKey;
use crate::support::names::find_refused;

/// Runs that are read from one data version.
#[derive(Debug, Clone)]
pub struct VersionRuns {
    /// The data version.
    pub version: DataVersion,
    /// The runs, sorted by key.
    pub runs: Vec<RunFiles>,
}

/// All runs of a revision's dataset, HEAD's without one, or those of an experiment. A file list that this clone lacks is
/// fetched.
pub fn select_all(
    project: &Project,
    experiment: Option<&str>,
    rev: Option<&str>,
) -> Result<Vec<VersionRuns>, ExportError> {
    let rev = rev.unwrap_or("HEAD");
    let (_, version) = find_version_at(project, rev)?;
    let file_list = rebuilt::read_file_list(project, &project.dvc()?, version)?;
    let is_asked = |run: &RunKey| experiment.is_none_or(|experiment| run.experiment() == experiment);
    let runs: Vec<RunFiles> = group_by_run(&file_list)
        .filter(|run| is_asked(&run.key))
        .map(|run| RunFiles { key: run.key, entries: run.entries.to_vec() })
        .collect();
    if runs.is_empty() {
        let what = match experiment {
            Some(experiment) => format!("`{rev}` holds no run of the experiment {}", experiment.escape_debug()),
            None => format!("`{rev}` holds no run"),
        };
        return Err(ExportError::NoRuns { what });
    }
    runs.iter().try_for_each(check_names)?;
    Ok(vec![VersionRuns { version, runs }])
}

/// The runs that the user names: of a revision, of the tags that were typed, else the newest that are committed.
pub fn select_named(
    project: &Project,
    catalog: &Catalog,
    cwd: &Path,
    queries: &[String],
    rev: Option<&str>,
) -> Result<Vec<VersionRuns>, ExportError> {
    let dvc = project.dvc()?;
    let mut versions: BTreeMap<RunKey, DataVersion> = BTreeMap::new();
    for query in queries {
        let found = find_current_run(project, catalog, cwd, query, rev)?;
        if versions.insert(found.key.clone(), found.version).is_some_and(|other| other != found.version) {
            return Err(ExportError::TwoVersions { run: found.key });
        }
    }
    let mut by_version: BTreeMap<DataVersion, Vec<RunKey>> = BTreeMap::new();
    for (run, version) in versions {
        by_version.entry(version).or_default().push(run);
    }
    let mut selected = Vec::new();
    for (version, keys) in by_version {
        let file_list = rebuilt::read_file_list(project, &dvc, version)?;
        let runs: Vec<RunFiles> =
            keys.iter().map(|run| find_files(&file_list, run, version)).collect::<Result<_, _>>()?;
        runs.iter().try_for_each(check_names)?;
        selected.push(VersionRuns { version, runs });
    }
    Ok(selected)
}

/// Refuses what could lead out of the export, or be taken for one of its own files.
fn check_names(run: &RunFiles) -> Result<(), ExportError> {
    if is_own_name(run.key.experiment()) {
        return Err(ExportError::NameTaken { experiment: run.key.experiment().to_owned() });
    }
    match run.entries.iter().find_map(|entry| Some((&entry.relpath, find_refused(&entry.relpath)?))) {
        Some((path, refused)) => {
            Err(ExportError::Refused { run: run.key.clone(), why: format!("{}: {refused}", path.escape_debug()) })
        }
        None => Ok(()),
    }
}
