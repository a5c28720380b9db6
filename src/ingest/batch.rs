//! Puts many runs into the dataset: their folders are made by several threads, become durable together, and only then get
//! their names. A killed process leaves each folder as it was, or new and whole.
//!
//! So many at a time that a process that is stopped has lost little work, and that waiting for the disk is rare.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::place::{Destination, list_files};
use super::{
    Durability, IngestError, IngestOutcome, IngestRequest, STAGING_KIND, StagedRun, ingest_run, require_run, stage_run,
};
use crate::support::durable::{DurableBatch, SyncedBy};
use crate::support::fs::FsError;
use crate::support::progress::Progress;
use crate::support::staging::StagingDir;
use crate::support::{fs, parallel};

/// The most runs that get their names together.
const MAX_RUNS: usize = 1000;
/// The recorders' bytes after which a batch ends, too: waiting for the disk is then a small part of the work.
const MAX_BYTES: u64 = 1 << 30;

/// Ingests runs into one dataset, that of the first request, `jobs` at once. Results in the order of the requests; a run
/// that is not ingested keeps back no other. Progress counts runs, or bytes if there is only one.
pub fn ingest_runs(
    requests: &[IngestRequest],
    jobs: usize,
    progress: &dyn Progress,
) -> Vec<Result<IngestOutcome, IngestError>> {
    if let [request] = requests {
        return vec![ingest_run(request, progress)];
    }
    let Some(destination) = requests.first().map(Destination::open) else { return Vec::new() };
    let Ok(destination) = destination else {
        // Whatever is wrong with the dataset, each run gets an error of its own.
        return requests.iter().map(|request| ingest_run(request, progress)).collect();
    };
    let batch = IngestBatch { destination, jobs, progress };
    let mut results = Vec::with_capacity(requests.len());
    let mut rest = requests;
    while !rest.is_empty() {
        let (next, later) = rest.split_at(next_batch(rest));
        results.extend(batch.ingest(next));
        rest = later;
    }
    results
}

/// How many of these runs the next batch has.
fn next_batch(requests: &[IngestRequest]) -> usize {
    let mut bytes = 0u64;
    let fits = |request: &&IngestRequest| {
        let first = bytes == 0;
        bytes = bytes.saturating_add(recorded_bytes(&request.run_dir));
        first || bytes <= MAX_BYTES
    };
    requests.iter().take(MAX_RUNS).take_while(fits).count().max(1)
}

/// The bytes of a run's files, without those of included directories.
fn recorded_bytes(run_dir: &Path) -> u64 {
    // What cannot be looked at adds nothing; reading the run reports it.
    let files = std::fs::read_dir(run_dir).into_iter().flatten().flatten();
    files.filter_map(|file| file.metadata().ok()).map(|meta| meta.len()).sum()
}

struct IngestBatch<'a> {
    destination: Destination,
    jobs: usize,
    progress: &'a dyn Progress,
}

/// A run of a batch.
struct BatchRun<'a> {
    request: &'a IngestRequest,
    run: StagedRun,
    /// Its new folder; `None` if the dataset holds the run already.
    folder: Option<NewFolder>,
}

/// A finished folder that has no name in the dataset yet.
struct NewFolder {
    path: PathBuf,
    files: Vec<PathBuf>,
    /// The directories with these files.
    dirs: BTreeSet<PathBuf>,
}

impl NewFolder {
    fn list(path: PathBuf) -> Self {
        // Every folder has files: one that cannot be listed is not one that we made.
        let names = list_files(&path).unwrap_or_default();
        let files: Vec<PathBuf> = names.into_iter().map(|name| path.join(name)).collect();
        let dirs = files.iter().flat_map(|file| file.ancestors().skip(1)).filter(|dir| dir.starts_with(&path));
        Self { dirs: dirs.map(Path::to_path_buf).collect(), path, files }
    }
}

impl IngestBatch<'_> {
    fn ingest(&self, requests: &[IngestRequest]) -> Vec<Result<IngestOutcome, IngestError>> {
        let staging = self.destination.staging_parent().and_then(|parent| StagingDir::create(&parent, STAGING_KIND));
        let Ok(staging) = staging else {
            // Whatever is wrong with the disk, each run gets an error of its own.
            return requests.iter().map(|request| ingest_run(request, self.progress)).collect();
        };
        let dir = staging.path();
        let durable = DurableBatch::begin(&dir);
        let numbered: Vec<(usize, &IngestRequest)> = requests.iter().enumerate().collect();
        let staged = parallel::map_with(self.jobs, &numbered, |(number, request)| {
            let staged = self.stage(dir.join(number.to_string()), request);
            self.progress.count_item();
            staged
        });
        let all_synced = sync_folders(&durable, &staged).is_ok();
        let placed = parallel::map_with(self.jobs, &staged, |staged| match staged {
            Ok(BatchRun { run, folder: Some(folder), .. }) => {
                if !all_synced {
                    // The error is that of the run whose file it is.
                    sync_folder(&durable, folder)?;
                }
                self.destination.place_run(&folder.path, &run.key, Durability::Later)
            }
            _ => Ok(()),
        });
        let placed: Vec<Result<BatchRun<'_>, IngestError>> =
            staged.into_iter().zip(placed).map(|(run, placed)| run.and_then(|run| placed.map(|()| run))).collect();
        let new = placed.iter().flatten().filter(|run| run.folder.is_some());
        let dirs: BTreeSet<PathBuf> = new.flat_map(|run| self.destination.dirs_above(&run.run.key)).collect();
        let all_named = durable.sync_dirs(&Vec::from_iter(dirs)).is_ok();
        let finish = |run: BatchRun<'_>| {
            let BatchRun { request, run, folder } = run;
            if folder.is_some() && !all_named {
                durable.sync_dirs(&self.destination.dirs_above(&run.key))?;
            }
            let destination = run.key.dir_under(&request.out_dir);
            Ok(IngestOutcome { destination, key: run.key, report: run.report, changed: folder.is_some() })
        };
        placed.into_iter().map(|run| run.and_then(finish)).collect()
    }

    fn stage<'r>(&self, folder: PathBuf, request: &'r IngestRequest) -> Result<BatchRun<'r>, IngestError> {
        require_run(request)?;
        self.destination.refuse_nested(request)?;
        fs::create_dir(&folder)?;
        let run = stage_run(&folder, request, self.progress)?;
        let is_known = self.destination.holds_run(&folder, &run.key, request)?;
        Ok(BatchRun { request, run, folder: (!is_known).then(|| NewFolder::list(folder)) })
    }
}

/// Makes all new folders durable.
fn sync_folders(durable: &DurableBatch, runs: &[Result<BatchRun<'_>, IngestError>]) -> Result<(), FsError> {
    let (mut files, mut dirs, mut bytes) = (Vec::new(), Vec::new(), 0u64);
    for BatchRun { run, folder, .. } in runs.iter().flatten() {
        if let Some(folder) = folder {
            files.extend(&folder.files);
            dirs.extend(&folder.dirs);
            bytes = bytes.saturating_add(run.bytes);
        }
    }
    // One sync of the file system holds for both.
    if durable.sync_files(&files, bytes)? == SyncedBy::FileSystem { Ok(()) } else { durable.sync_dirs(&dirs) }
}

fn sync_folder(durable: &DurableBatch, folder: &NewFolder) -> Result<(), FsError> {
    durable.sync_files(&folder.files, 0)?;
    durable.sync_dirs(&Vec::from_iter(&folder.dirs))
}
