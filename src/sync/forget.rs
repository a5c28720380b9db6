//! `forget`: drops the local copies of runs whose bytes are on the remote, each file of them. No commit and no tag changes.

use std::collections::BTreeSet;

use super::forgotten::note_forgotten;
use super::local_copies::{
    RunCopies, RunFolder, find_objects_in_use, find_run_folders, is_own_cache, remove_folders, remove_objects,
};
use super::{SyncError, sent};
use crate::dvc::absent::AbsentRemote;
use crate::dvc::hash::{DataVersion, DvcHash};
use crate::dvc::remote::look_up::ObjectSet;
use crate::dvc::remote::missing::RemoteError;
use crate::error::ExitKind::{CheckFailed, Setup};
use crate::error::{Explain, Explanation};
use crate::history::History;
use crate::history::{catalog, new_runs};
use crate::project::mutex::RepoMutex;
use crate::project::{Project, ProjectError, Reporter};
use crate::run::RunKey;
use crate::support::fs::FsError;
use crate::support::process::shell_quote;
use crate::support::text::format_plural;

/// Why the local copies of runs are not dropped.
#[derive(Debug, thiserror::Error)]
pub enum ForgetError {
    /// No data version that this clone knows holds the run.
    #[error("no commit holds {run}, so its bytes are nowhere but here")]
    NotCommitted {
        /// The run.
        run: RunKey,
        /// Whether it is known to be invalid.
        is_invalid: bool,
    },
    /// The list of a data version that holds the run is not in this clone.
    #[error("cannot find out which files {run} has in data version {version}: its file list is not in this clone")]
    NoFileList {
        /// The run.
        run: RunKey,
        /// The data version.
        version: DataVersion,
    },
    /// The remote lacks something of the run.
    #[error("the remote does not have all of {run}: {}", list_few(missing))]
    NotOnRemote {
        /// The run.
        run: RunKey,
        /// What is missing there: files, relative to the dataset, or a file list.
        missing: Vec<String>,
    },
    /// The run's folder holds what no data version holds.
    #[error("{run} has local changes, which would be lost: {}", list_few(files))]
    LocalChanges {
        /// The run.
        run: RunKey,
        /// Files, relative to the dataset.
        files: Vec<String>,
    },
    /// The remote's directory does not exist any more, or is empty.
    #[error(transparent)]
    Absent(AbsentRemote),
    /// The remote could not be asked.
    #[error("cannot find out whether the remote has the runs, so nothing is dropped")]
    Remote(#[from] RemoteError),
    /// The workspace.
    #[error(transparent)]
    Sync(#[from] SyncError),
    /// The project.
    #[error(transparent)]
    Project(#[from] ProjectError),
    /// A file.
    #[error(transparent)]
    Fs(#[from] FsError),
}

impl Explain for ForgetError {
    fn explain(&self) -> Explanation {
        match self {
            Self::NotCommitted { run, is_invalid } => {
                Setup.code("not_committed").hint(new_runs::advise(*is_invalid, &run.to_string()))
            }
            Self::NoFileList { .. } => {
                Setup.code("data_not_fetched").hint("fetch the lists of all data versions with `capture-hook check`")
            }
            Self::NotOnRemote { .. } => CheckFailed
                .code("data_not_on_remote")
                .hint("send it first: `capture-hook push`")
                .hint("if an older commit holds it: `capture-hook push --all`"),
            Self::LocalChanges { run, .. } => CheckFailed.code("local_changes").hint(format!(
                "move these files away, or replace them by the committed ones: `capture-hook pull --force {}`",
                shell_quote(run.to_string())
            )),
            Self::Absent(absent) => Setup.code("remote_absent").hints(absent.hints()),
            Self::Remote(error) => error.explain(),
            Self::Sync(error) => error.explain(),
            Self::Project(error) => error.explain(),
            Self::Fs(error) => error.explain(),
        }
    }
}

/// The first few of some names.
fn list_few(names: &[String]) -> String {
    const SHOWN: usize = 3;
    let first: Vec<String> = names.iter().take(SHOWN).map(|name| name.escape_debug().to_string()).collect();
    match names.len().saturating_sub(SHOWN) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

/// What was dropped of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForgottenRun {
    /// The run.
    pub run: RunKey,
    /// How many folders were removed: one for each working tree that had the run checked out.
    pub folders: usize,
    /// How many objects were removed from the cache.
    pub objects: usize,
    /// Their bytes.
    pub bytes: u64,
    /// How many objects stay in the cache, for others use them.
    pub kept: usize,
}

/// What was dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForgetOutcome {
    /// Each run.
    pub runs: Vec<ForgottenRun>,
    /// Whether the cache was left alone, because other clones may use it, too.
    pub is_shared_cache: bool,
}

/// Drops the local copies of runs, all or none of them.
pub fn forget_runs(
    project: &Project,
    history: &History,
    runs: &BTreeSet<RunKey>,
    reporter: &dyn Reporter,
) -> Result<ForgetOutcome, ForgetError> {
    let mut found = Vec::new();
    for run in runs {
        let copies = RunCopies::find(project, history, run)?;
        if let Some(version) = copies.unknown.first() {
            return Err(ForgetError::NoFileList { run: run.clone(), version: *version });
        }
        if copies.variants.is_empty() {
            let is_invalid = new_runs::is_run_invalid(project, &catalog::load_catalog(project)?, run);
            return Err(ForgetError::NotCommitted { run: run.clone(), is_invalid });
        }
        found.push(copies);
    }
    refuse_unless_on_remote(project, &found, reporter)?;
    let out_dir = catalog::find_dataset_dir(project)?;
    // From here on nothing else of ours works in the clone, so that no folder is made that was not looked at.
    let _alone = RepoMutex::acquire(&project.state_dir())?;
    let mut folders: Vec<Vec<RunFolder>> = Vec::new();
    for copies in &found {
        let of_run = find_run_folders(project, &out_dir, copies)?;
        if let Some(changed) = of_run.iter().find(|folder| !folder.local_changes.is_empty()) {
            let files = changed.local_changes.clone();
            return Err(ForgetError::LocalChanges { run: copies.run.clone(), files });
        }
        folders.push(of_run);
    }
    let all: BTreeSet<DvcHash> = found.iter().flat_map(RunCopies::objects).collect();
    let in_use = find_objects_in_use(project, runs, &all)?;
    let cache = project.open_cache()?;
    let is_shared_cache = !is_own_cache(project, &cache)?;
    // First of all: a hook that comes in between fetches nothing of what is about to go.
    note_forgotten(project, runs)?;
    let mut outcome = ForgetOutcome { runs: Vec::new(), is_shared_cache };
    for (copies, of_run) in found.iter().zip(&folders) {
        remove_folders(of_run, &out_dir)?;
        let (stay, go): (Vec<DvcHash>, Vec<DvcHash>) =
            copies.objects().into_iter().partition(|hash| is_shared_cache || in_use.contains(hash));
        let removed = remove_objects(&cache, go)?;
        outcome.runs.push(ForgottenRun {
            run: copies.run.clone(),
            folders: of_run.len(),
            objects: removed.objects,
            bytes: removed.bytes,
            kept: stay.iter().filter(|hash| cache.has_object(**hash)).count(),
        });
    }
    Ok(outcome)
}

/// An error unless the remote has every file of the runs, and a list that names them.
fn refuse_unless_on_remote(project: &Project, found: &[RunCopies], reporter: &dyn Reporter) -> Result<(), ForgetError> {
    if let Some(absent) = sent::find_absent_remote(project)? {
        return Err(ForgetError::Absent(absent));
    }
    let variants = || found.iter().flat_map(|copies| &copies.variants);
    let objects = ObjectSet {
        files: variants().flat_map(|variant| &variant.entries).map(|entry| entry.md5).collect(),
        lists: variants().flat_map(|variant| &variant.versions).copied().collect(),
    };
    let count = format_plural(objects.files.len() as u64, "file");
    reporter.show_status(&format!("looking up {count} on the remote"));
    let absent = project.dvc()?.find_absent_on_remote(&objects)?;
    for copies in found {
        for variant in &copies.variants {
            let files = variant.entries.iter().filter(|entry| absent.files.contains(&entry.md5));
            let mut missing: Vec<String> = files.map(|entry| entry.relpath.clone()).collect();
            // One list is enough to find the files again.
            if variant.versions.iter().all(|version| absent.lists.contains(version)) {
                missing.extend(variant.versions.first().map(|version| format!("the file list {version}")));
            }
            if !missing.is_empty() {
                return Err(ForgetError::NotOnRemote { run: copies.run.clone(), missing });
            }
        }
    }
    Ok(())
}
