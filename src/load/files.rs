//! Where the bytes of files of a data version are, each verified: in DVC's cache, in the workspace, or fetched.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::columnar::{RunTable, TOTAL_REWARD, TableError, TableFile, read_numbers};
use crate::dataset::get::{RunFiles, fetch_files};
use crate::dataset::verified::{CheckedFile, VerifiedFiles};
use crate::dvc::cache::Cache;
use crate::dvc::file_list::FileEntry;
use crate::history::erased::find_erasures;
use crate::load::{LoadError, LoadedVersion};
use crate::project::{Project, Reporter};
use crate::run::RunKey;
use crate::run::layout::RunStream;
use crate::support::env::Env;
use crate::support::parallel;
use crate::support::process::shell_quote;
use crate::support::progress::Progress;
use crate::support::stamp::FileStamp;

/// What a piece of work needs from its caller.
pub struct LoadContext<'a> {
    /// The environment.
    pub env: &'a Env,
    /// Receives messages and progress.
    pub reporter: &'a dyn Reporter,
    /// Set when the caller does not wait any more.
    pub is_cancelled: &'a AtomicBool,
}

impl LoadContext<'_> {
    /// An error if the caller does not wait any more.
    pub(super) fn check_cancelled(&self) -> Result<(), LoadError> {
        if self.is_cancelled.load(Ordering::Relaxed) { Err(LoadError::Interrupted) } else { Ok(()) }
    }
}

/// A file of a run that is to be read.
#[derive(Debug, Clone, Copy)]
pub(super) struct NeededFile<'a> {
    pub run: &'a RunKey,
    pub entry: &'a FileEntry,
}

/// A file whose bytes are the committed ones.
#[derive(Debug, Clone)]
pub(super) struct FoundFile {
    pub path: PathBuf,
    pub stamp: FileStamp,
}

impl LoadedVersion {
    /// The rows of these runs as one table.
    pub fn open_table(
        &self,
        runs: &[RunKey],
        stream: RunStream,
        columns: Option<&[String]>,
        context: &LoadContext<'_>,
    ) -> Result<RunTable, LoadError> {
        let name = format!("{}.parquet", stream.stem());
        let mut needed = Vec::with_capacity(runs.len());
        for run in runs {
            let entry = self.find_run(run).and_then(|files| find_entry(files, &name));
            let entry = entry.ok_or_else(|| LoadError::NoFile { run: run.clone(), file: name.clone() })?;
            needed.push(NeededFile { run, entry });
        }
        let project = self.open_project(context.env)?;
        let found = self.find_files(&project, &needed, context)?;
        let files = needed.iter().zip(found).map(|(needed, found)| TableFile {
            run: needed.run.clone(),
            path: found.path,
            stamp: found.stamp,
        });
        Ok(RunTable::open(files.collect(), columns)?)
    }

    /// The total reward of each episode of a run; nothing if it has none.
    pub fn read_rewards(&self, run: &RunKey, context: &LoadContext<'_>) -> Result<Vec<Option<f64>>, LoadError> {
        let columns = [TOTAL_REWARD.to_owned()];
        match self.open_table(std::slice::from_ref(run), RunStream::Episodes, Some(&columns), context) {
            Ok(table) => Ok(read_numbers(&Arc::new(table), TOTAL_REWARD)?),
            Err(LoadError::Table(TableError::NoColumn { .. })) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Where these files are; what this clone lacks is fetched. In the order of `needed`.
    pub(super) fn find_files(
        &self,
        project: &Project,
        needed: &[NeededFile<'_>],
        context: &LoadContext<'_>,
    ) -> Result<Vec<FoundFile>, LoadError> {
        let known = VerifiedFiles::load(&project.state_dir());
        let cache = project.open_cache()?;
        let progress = context.reporter.start_progress("verifying", None);
        let look = |needed: &NeededFile<'_>| {
            context.check_cancelled()?;
            self.find_here(&cache, &known, *needed, progress.as_ref())
        };
        let looked = parallel::map(needed, look);
        known.save();
        let mut found = looked.into_iter().collect::<Result<Vec<_>, _>>()?;
        drop(progress);
        let absent: Vec<usize> = (0..found.len()).filter(|at| found.get(*at).is_some_and(Option::is_none)).collect();
        if !absent.is_empty() {
            let files: Vec<NeededFile<'_>> = absent.iter().filter_map(|at| needed.get(*at)).copied().collect();
            self.fetch_files(project, &files, context)?;
            let progress = context.reporter.start_progress("verifying", None);
            let fetched = parallel::map(&files, |file| {
                context.check_cancelled()?;
                self.find_here(&cache, &known, *file, progress.as_ref())
            });
            known.save();
            for (at, fetched) in absent.into_iter().zip(fetched) {
                if let Some(place) = found.get_mut(at) {
                    *place = fetched?;
                }
            }
        }
        // One that another process removed in the meantime.
        let all = found.into_iter().zip(needed).map(|(found, needed)| {
            found.ok_or_else(|| LoadError::NoFile { run: needed.run.clone(), file: needed.entry.relpath.clone() })
        });
        all.collect()
    }

    /// A file in the cache, else in the workspace, if its bytes are right.
    fn find_here(
        &self,
        cache: &Cache,
        known: &VerifiedFiles,
        needed: NeededFile<'_>,
        progress: &dyn Progress,
    ) -> Result<Option<FoundFile>, LoadError> {
        let object = cache.object_path(needed.entry.md5);
        match known.check(&object, needed.entry.md5, progress)? {
            CheckedFile::Right(stamp) => return Ok(Some(FoundFile { path: object, stamp })),
            CheckedFile::Damaged(found) => {
                return Err(LoadError::Damaged {
                    file: needed.entry.relpath.clone(),
                    path: object,
                    found: found.to_string(),
                    expected: needed.entry.md5.to_string(),
                });
            }
            CheckedFile::Absent => {}
        }
        // The workspace's file may be of another version, or a local change: then it is not the one.
        let Some(path) = self.workspace_path(needed.entry) else { return Ok(None) };
        match known.check(&path, needed.entry.md5, progress) {
            Ok(CheckedFile::Right(stamp)) => Ok(Some(FoundFile { path, stamp })),
            _ => Ok(None),
        }
    }

    /// Fetches files into the cache.
    pub(super) fn fetch_files(
        &self,
        project: &Project,
        files: &[NeededFile<'_>],
        context: &LoadContext<'_>,
    ) -> Result<(), LoadError> {
        context.check_cancelled()?;
        let mut by_run: BTreeMap<&RunKey, Vec<FileEntry>> = BTreeMap::new();
        for file in files {
            by_run.entry(file.run).or_default().push(file.entry.clone());
        }
        self.refuse_erased(project, by_run.keys().filter_map(|key| self.find_run(key)))?;
        let runs: Vec<RunFiles> =
            by_run.into_iter().map(|(key, entries)| RunFiles { key: key.clone(), entries }).collect();
        let progress = context.reporter.start_progress("fetching", None);
        let fetched = fetch_files(&project.dvc()?, self.version, &runs, progress.as_ref());
        fetched.map(drop).map_err(|source| LoadError::NotFetched {
            files: files.len(),
            runs: runs.len(),
            command: self.fetch_command(project, &runs),
            source: Box::new(source),
        })
    }

    /// Whether a file is in this clone, under the name of its bytes or in the workspace.
    pub(super) fn is_here(&self, cache: &Cache, entry: &FileEntry) -> bool {
        cache.has_object(entry.md5) || self.workspace_path(entry).is_some_and(|path| path.is_file())
    }

    /// Those of some runs whose data is gone because it was erased, each with the reason.
    pub(super) fn find_erased<'a>(
        &self,
        project: &Project,
        runs: impl IntoIterator<Item = &'a RunFiles>,
    ) -> Result<BTreeMap<RunKey, String>, LoadError> {
        let cache = project.open_cache()?;
        let runs = runs.into_iter().map(|run| (&run.key, run.entries.as_slice()));
        let found = find_erasures(project, runs, |entry| self.is_here(&cache, entry))?;
        Ok(found.into_iter().map(|(run, found)| (run, found.describe())).collect())
    }

    /// An error if one of these runs was erased.
    pub(super) fn refuse_erased<'a>(
        &self,
        project: &Project,
        runs: impl IntoIterator<Item = &'a RunFiles>,
    ) -> Result<(), LoadError> {
        let mut erased = self.find_erased(project, runs)?;
        match erased.pop_first() {
            Some((run, why)) => Err(LoadError::Erased { run, why, others: erased.len() }),
            None => Ok(()),
        }
    }

    /// What a user types to fetch these runs.
    fn fetch_command(&self, project: &Project, runs: &[RunFiles]) -> String {
        let is_head = project.repo.head().ok().flatten().is_some_and(|head| head == self.commit);
        let names: BTreeSet<String> = runs.iter().map(|run| shell_quote(run.key.to_string())).collect();
        match (is_head, names.first()) {
            (true, Some(name)) if names.len() == 1 => format!("capture-hook pull {name}"),
            (false, Some(name)) => format!("capture-hook get {name} --rev {}", shell_quote(&self.rev)),
            _ => "capture-hook pull".into(),
        }
    }
}

/// A file of a run by its name.
pub(super) fn find_entry<'a>(run: &'a RunFiles, name: &str) -> Option<&'a FileEntry> {
    let path = format!("{}/{name}", run.key);
    run.entries.iter().find(|entry| entry.relpath == path)
}
