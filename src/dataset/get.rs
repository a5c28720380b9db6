//! Copies one run of any data version into any directory: from the cache, else from the remote, verified first.
//!
//! The workspace, `dvc.lock` and the index stay as they are. What is fetched stays in the cache, as with DVC.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::dataset::runs::entries_of_run;
use crate::dataset::verify::{VerifyFinding, VerifyRequest, VerifySource, verify_data};
use crate::dvc::absent::AbsentRemote;
use crate::dvc::cache::Cache;
use crate::dvc::file_list::{FileEntry, FileList};
use crate::dvc::hash::DataVersion;
use crate::dvc::program::ProgramError;
use crate::dvc::project::DvcProject;
use crate::dvc::remote::fetch::FetchError;
use crate::error::ExitKind::{CheckFailed, Io, Setup, Usage};
use crate::error::{Explain, Explanation};
use crate::run::RunKey;
use crate::support::fs::FsError;
use crate::support::progress::Progress;
use crate::support::{fs, names};

/// Why a run could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum GetError {
    /// The data version does not hold it.
    #[error("data version {version} does not hold {run}")]
    NotInVersion {
        /// The run.
        run: RunKey,
        /// The data version.
        version: DataVersion,
    },
    /// A file of it is neither here nor on the remote.
    #[error("{} of {run}'s files are neither in the cache nor on the remote: {}", files.len(), files.join(", "))]
    Missing {
        /// The run.
        run: RunKey,
        /// The files, relative to the dataset.
        files: Vec<String>,
    },
    /// The bytes that came are not those that were committed.
    #[error("the fetched files of {run} differ from the committed ones: {}", findings.iter().map(|f| format!("{} ({}: {})", f.file, f.problem.name(), f.message)).collect::<Vec<_>>().join("; "))]
    Damaged {
        /// The run.
        run: RunKey,
        /// What is wrong.
        findings: Vec<VerifyFinding>,
    },
    /// There is no room for it.
    #[error("cannot fetch {run}: {why}")]
    NoRoom {
        /// The run.
        run: RunKey,
        /// How much it needs, and how much there is.
        why: String,
    },
    /// The destination is taken.
    #[error("{} already exists", path.display())]
    DestinationTaken {
        /// The destination.
        path: PathBuf,
    },
    /// The remote's directory does not exist.
    #[error(transparent)]
    Absent(AbsentRemote),
    /// The file list could not be fetched.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// DVC.
    #[error(transparent)]
    Dvc(#[from] ProgramError),
    /// A file.
    #[error(transparent)]
    Fs(#[from] FsError),
}

impl Explain for GetError {
    fn explain(&self) -> Explanation {
        match self {
            Self::NotInVersion { run, .. } => {
                let run = crate::support::process::shell_quote(run.to_string());
                Setup.code("no_such_run").hint(format!("see which commits introduced it: `capture-hook log {run}`"))
            }
            Self::Missing { .. } => CheckFailed
                .code("data_missing")
                .hint("push it from the clone that has it: `capture-hook push`"),
            Self::Damaged { .. } => CheckFailed.code("data_damaged").hint(
                "find damaged objects of the cache with `capture-hook verify --rev REV`, remove them, then get the run again",
            ),
            Self::NoRoom { .. } => Io
                .code("no_room")
                .hint("free space with `capture-hook gc`, or move the cache with `dvc cache dir`"),
            Self::DestinationTaken { .. } => {
                Usage.code("destination_taken").hint("name another directory with `-o DIR`, or replace it with `--force`")
            }
            Self::Absent(absent) => Setup.code("remote_absent").hints(absent.hints()),
            Self::Fetch(error) => error.explain(),
            Self::Dvc(error) => error.explain(),
            Self::Fs(error) => error.explain(),
        }
    }
}

/// What to get, and where to.
#[derive(Debug, Clone, Copy)]
pub struct GetRequest<'a> {
    /// The run.
    pub run: &'a RunKey,
    /// The data version that holds it.
    pub version: DataVersion,
    /// The directory that becomes the run's folder.
    pub to: &'a Path,
    /// Whether one that is there is replaced.
    pub replace: bool,
}

/// What was got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetOutcome {
    /// How many files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Whether something came from the remote.
    pub fetched: bool,
}

impl GetRequest<'_> {
    /// An error if something is at the destination that is not to be replaced. Asked before anything is fetched.
    pub fn check_destination(&self) -> Result<(), GetError> {
        if is_occupied(self.to) && !self.replace {
            return Err(GetError::DestinationTaken { path: self.to.to_path_buf() });
        }
        Ok(())
    }
}

/// Puts one run of a data version into a directory, whole or not at all.
pub fn get_run(
    dvc: &DvcProject<'_>,
    file_list: &FileList,
    request: GetRequest<'_>,
    progress: &dyn Progress,
) -> Result<GetOutcome, GetError> {
    request.check_destination()?;
    let files = find_files(file_list, request.run, request.version)?;
    let cache = dvc.cache();
    let fetched = fetch_runs(dvc, request.version, std::slice::from_ref(&files), progress)?;
    let entries = files.entries;
    let (parent, run_prefix) = (request.to.parent().unwrap_or(Path::new(".")), format!("{}/", request.run));
    fs::create_dir_all(parent)?;
    let staging = fs::create_temp_dir(parent, ".capture-hook-get-")?;
    // Laid out as in the dataset, so that the proof is the same.
    let folder = request.run.dir_under(staging.path());
    let mut bytes = 0;
    for entry in &entries {
        let name = entry.relpath.strip_prefix(&run_prefix).unwrap_or(&entry.relpath);
        // Refused for safety before the file is written: its name could lead out of the directory.
        if let Some(refused) = names::find_refused(&entry.relpath) {
            let problem = super::verify::VerifyProblem::Unreadable;
            let message = format!("cannot check it out: {refused}");
            let findings = vec![VerifyFinding { file: entry.relpath.clone(), problem, message }];
            return Err(GetError::Damaged { run: request.run.clone(), findings });
        }
        bytes += copy_file(&cache.object_path(entry.md5), &folder.join(name))?;
    }
    let only = BTreeSet::from([request.run.clone()]);
    let source = VerifySource::Workspace(staging.path());
    let verify_request = VerifyRequest { source, file_list: Some(file_list), version: None, only: Some(&only) };
    let report = verify_data(&verify_request, progress);
    if !report.findings.is_empty() {
        return Err(GetError::Damaged { run: request.run.clone(), findings: report.findings });
    }
    // The only change that can be seen: before it, an error leaves nothing behind.
    fs::replace_dir(&folder, request.to)?;
    Ok(GetOutcome { files: entries.len() as u64, bytes, fetched })
}

/// The files of a run in a data version, by the version's list.
pub fn find_files(file_list: &FileList, run: &RunKey, version: DataVersion) -> Result<RunFiles, GetError> {
    let entries = entries_of_run(file_list, run).to_vec();
    if entries.is_empty() {
        return Err(GetError::NotInVersion { run: run.clone(), version });
    }
    Ok(RunFiles { key: run.clone(), entries })
}

/// The files of a run in a data version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFiles {
    /// The run.
    pub key: RunKey,
    /// Its files, sorted; paths relative to the dataset.
    pub entries: Vec<FileEntry>,
}

/// Fetches what the cache lacks of runs of one data version; returns whether anything was lacking.
pub fn fetch_runs(
    dvc: &DvcProject<'_>,
    version: DataVersion,
    runs: &[RunFiles],
    progress: &dyn Progress,
) -> Result<bool, GetError> {
    // A command line with more folders than this can be longer than the system allows.
    const MOST_FOLDERS: usize = 500;
    fetch_missing(dvc, version, runs, |incomplete, _| {
        let is_few = incomplete.len() <= MOST_FOLDERS;
        let folders: Vec<String> = incomplete.iter().filter(|_| is_few).map(|run| run.key.to_string()).collect();
        dvc.fetch_objects(version, &folders, progress)
    })
}

/// The same of these files of the runs alone.
pub fn fetch_files(
    dvc: &DvcProject<'_>,
    version: DataVersion,
    runs: &[RunFiles],
    progress: &dyn Progress,
) -> Result<bool, GetError> {
    // A path has 4096 bytes at most, and a command line some two million.
    const MOST_FILES: usize = 400;
    fetch_missing(dvc, version, runs, |_, missing| {
        let paths: Vec<String> = missing.iter().map(|entry| entry.relpath.clone()).collect();
        paths.chunks(MOST_FILES).try_for_each(|paths| dvc.fetch_objects(version, paths, progress))
    })
}

/// Fetches what the cache lacks: from a directory natively, else by `fetch_by_dvc`, which gets the runs that lack a file, and
/// these files.
fn fetch_missing(
    dvc: &DvcProject<'_>,
    version: DataVersion,
    runs: &[RunFiles],
    fetch_by_dvc: impl FnOnce(&[&RunFiles], &[FileEntry]) -> Result<(), ProgramError>,
) -> Result<bool, GetError> {
    let cache = dvc.cache();
    let lacks = |entry: &&FileEntry| !cache.has_object(entry.md5);
    let incomplete: Vec<&RunFiles> = runs.iter().filter(|run| run.entries.iter().any(|entry| lacks(&entry))).collect();
    let Some(first) = incomplete.first() else { return Ok(false) };
    let missing_first: Vec<FileEntry> =
        incomplete.iter().flat_map(|run| run.entries.iter().filter(lacks).cloned()).collect();
    let settings = dvc.settings();
    let remote = settings.default_remote().ok_or(FetchError::NoRemote(version))?;
    if let Some(absent) = AbsentRemote::from_settings(settings) {
        return Err(GetError::Absent(absent));
    }
    if let Some(dir) = &remote.dir {
        // An unknown size does not stop the fetch; only a known lack of room does.
        if let Some(why) = cache.why_no_room(dvc.size_on_remote(&missing_first).unwrap_or(0)) {
            return Err(GetError::NoRoom { run: first.key.clone(), why });
        }
        let remote = Cache::in_dir(dir);
        for entry in missing_first.iter().filter(|entry| remote.has_object(entry.md5)) {
            // One that is damaged there is found missing below.
            cache.insert_verified(entry.md5, &remote.object_path(entry.md5))?;
        }
    } else {
        fetch_by_dvc(&incomplete, &missing_first)?;
    }
    for run in incomplete {
        let files: Vec<String> = run.entries.iter().filter(lacks).map(|entry| entry.relpath.clone()).collect();
        if !files.is_empty() {
            return Err(GetError::Missing { run: run.key.clone(), files });
        }
    }
    Ok(true)
}

/// Whether something that should not be lost is there. An empty directory does not count.
fn is_occupied(path: &Path) -> bool {
    match std::fs::read_dir(path) {
        Ok(mut entries) => entries.next().is_some(),
        Err(_) => std::fs::symlink_metadata(path).is_ok(),
    }
}

fn copy_file(from: &Path, to: &Path) -> Result<u64, FsError> {
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::copy_new(from, to)
}
