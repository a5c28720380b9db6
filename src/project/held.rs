//! Whether a data version holds the run that a directory holds now, by the run's name and files, never by its path.
//!
//! A directory can be recorded into again, or be a link that changes. The recorder's files are compared with the
//! version's file list; what ingest makes of them (parquet, the index, a missing manifest) is not. Files are hashed
//! only if their sizes are equal.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use super::{GitTree, Project, ProjectError};
use crate::dvc::file_list::FileEntry;
use crate::dvc::hash::{DataVersion, DvcHash};
use crate::dvc::link::hash_file;
use crate::project;
use crate::project::select::SelectionChange;
use crate::run::RunKey;
use crate::run::discover::RunDir;
use crate::run::layout::{DATASET_INDEX, EPISODES_PARQUET, MANIFEST, RUN_JSON, RunLayout, STEPS_PARQUET};
use crate::support::fs;
use crate::support::fs::{At, read_optional};

/// Notes, in the working tree's git directory, that `select` named a directory which was selected already and holds
/// another run now: git sees no change, but the next commit checks it.
const RESELECTED_MARK: &str = "capture-hook-selected-anew";

/// How the run in a directory compares with a data version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunMatch {
    /// The data version holds it as it is.
    Same,
    /// The data version holds no such run.
    NotInVersion(RunKey),
    /// The data version holds other files of it.
    Changed {
        /// The first file that differs.
        file: String,
    },
    /// The directory holds no run to compare: a clone lacks the recorder's files.
    NoRun,
    /// This clone lacks the data version's file list.
    Unknown,
}

impl RunMatch {
    /// What the data version lacks, in words; `None` if nothing, as far as is known.
    #[must_use]
    pub fn mismatch(&self) -> Option<String> {
        match self {
            Self::NotInVersion(run) => Some(format!("{run} is not in the data version")),
            Self::Changed { file } => Some(format!("{file} differs from the ingested one")),
            Self::Same | Self::NoRun | Self::Unknown => None,
        }
    }
}

/// A selection, compared with git and with the dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelectionCheck {
    /// How the data version compares with the run; `None` if there is no data version yet.
    pub run_match: Option<RunMatch>,
    /// Whether the params file differs from HEAD's, so that git sees something to commit.
    pub in_git: bool,
}

/// Compares the run in a directory, relative to the project, with a data version.
pub fn match_recorded_run(project: &Project, version: DataVersion, run_dir: &str) -> Result<RunMatch, ProjectError> {
    let dir = project.root.join(run_dir);
    if std::fs::symlink_metadata(dir.join(RUN_JSON)).is_err() {
        return Ok(RunMatch::NoRun);
    }
    // A name that is not safe is in no data version; validation says what is wrong with it.
    let Some(run) = RunDir::read(&dir).key else { return Ok(RunMatch::NoRun) };
    Ok(match project.file_lists()?.run_entries(version, &run) {
        None => RunMatch::Unknown,
        Some(entries) if entries.is_empty() => RunMatch::NotInVersion(run),
        Some(entries) => match first_difference(project, &dir, &run, &entries)? {
            Some(file) => RunMatch::Changed { file },
            None => RunMatch::Same,
        },
    })
}

/// Looks at what was just selected: if it was recorded again under the path that was selected and committed already,
/// notes it for the next commit.
pub fn note_selection(project: &Project, pointed: &SelectionChange) -> Result<SelectionCheck, ProjectError> {
    let head = project.repo.head()?;
    let committed = match head {
        Some(head) => match project.read_file(&GitTree::Commit(head), &pointed.file) {
            // A link, perhaps, which the file that was just written replaces.
            Err(ProjectError::Fs(error)) if error.refusal().is_some() => None,
            committed => committed?,
        },
        None => None,
    };
    let in_git = committed != project.read_file(&GitTree::WorkTree, &pointed.file)?;
    let run_match = match project.dataset_record(&GitTree::WorkTree)? {
        Some(record) => Some(match_recorded_run(project, record.version, &pointed.new)?),
        None => None,
    };
    let reselected = !in_git && run_match.as_ref().is_some_and(|run_match| run_match.mismatch().is_some());
    // A note of an earlier selection must not outlive this one.
    if reselected {
        fs::write_atomic(&project::mark_path(project, RESELECTED_MARK), pointed.new.as_bytes())?;
    } else {
        clear_reselected(project)?;
    }
    Ok(SelectionCheck { run_match, in_git })
}

/// The directory that was selected already, and that `select` found recorded again.
pub fn read_reselected_dir(project: &Project) -> Result<Option<String>, ProjectError> {
    let bytes = read_optional(&project::mark_path(project, RESELECTED_MARK))?;
    Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

/// The selection was looked at, or is another one.
pub fn clear_reselected(project: &Project) -> Result<(), ProjectError> {
    Ok(fs::remove_all(&project::mark_path(project, RESELECTED_MARK))?)
}

/// The first file, `run.json` before all, that differs between a run's directory and a data version.
fn first_difference(
    project: &Project,
    dir: &Path,
    run: &RunKey,
    entries: &[FileEntry],
) -> Result<Option<String>, ProjectError> {
    let cache = project.open_cache()?;
    let prefix = format!("{run}/");
    let versioned: HashMap<&str, DvcHash> =
        entries.iter().filter_map(|entry| Some((entry.relpath.strip_prefix(&prefix)?, entry.md5))).collect();
    let mut names = RunLayout::open_declared(dir, &project.read_config()?.ingest.include)?.dataset_files();
    // Ingest makes its own parquet.
    names.retain(|name| !matches!(name.as_str(), STEPS_PARQUET | EPISODES_PARQUET));
    // First, for it names the run. The sort is stable: the other names keep their order.
    names.sort_by_key(|name| name != RUN_JSON);
    for name in &names {
        let path = dir.join(name);
        // Sizes before hashes: most changed files are found without being read.
        let size = std::fs::metadata(&path).at("look at", &path)?.len();
        match versioned.get(name.as_str()) {
            // The size of an object that the cache lacks is unknown: then the hash below decides.
            Some(md5) if cache.object_size(*md5).is_none_or(|cached_size| cached_size == size) => {}
            _ => return Ok(Some(name.clone())),
        }
    }
    // Ingest adds these, the manifest if the recorder wrote none.
    let mut known: BTreeSet<&str> = names.iter().map(String::as_str).collect();
    known.extend([STEPS_PARQUET, EPISODES_PARQUET, DATASET_INDEX, MANIFEST]);
    if let Some(removed) = versioned.keys().filter(|name| !known.contains(*name)).min() {
        return Ok(Some((*removed).to_owned()));
    }
    for name in names {
        let (md5, _) = hash_file(&dir.join(&name))?;
        if versioned.get(name.as_str()) != Some(&md5) {
            return Ok(Some(name));
        }
    }
    Ok(None)
}
