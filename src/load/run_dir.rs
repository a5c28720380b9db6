//! A directory with exactly a data version's files of a run: the workspace's folder, else a copy.
//!
//! A copy in the state directory is read-only and disposable: one that is not whole any more is made again. Nothing is linked
//! to DVC's cache, for what is written through a link would change the cache.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use md5::{Digest, Md5};

use crate::dataset::get::{GetRequest, RunFiles, get_run};
use crate::dataset::verified::{CheckedFile, VerifiedFiles};
use crate::dataset::verify::walk_files;
use crate::dvc::file_list::FileList;
use crate::dvc::hash::DvcHash;
use crate::load::files::NeededFile;
use crate::load::{LoadContext, LoadError, LoadedVersion};
use crate::project::Project;
use crate::support::fs;
use crate::support::progress::NoProgress;

/// The directory of copies, in the state directory.
const COPIES: &str = "runs";
/// The mode of a copied file: read-only, as DVC's objects.
const READ_ONLY: u32 = 0o444;

impl LoadedVersion {
    /// Puts a run's files into a directory, which must not exist or be empty.
    pub fn copy_run(&self, run: &RunFiles, to: &Path, context: &LoadContext<'_>) -> Result<(), LoadError> {
        let project = self.open_project(context.env)?;
        self.fetch_run(&project, run, context)?;
        // Of the run alone: what else the version holds makes no difference.
        let file_list = FileList::new(run.entries.clone()).unwrap_or_default();
        let progress = context.reporter.start_progress("getting the run", None);
        let request = GetRequest { run: &run.key, version: self.version, to, replace: false };
        get_run(&project.dvc()?, &file_list, request, progress.as_ref())?;
        Ok(())
    }

    /// A directory with exactly the run's files, which the caller only reads.
    pub fn find_run_dir(&self, run: &RunFiles, context: &LoadContext<'_>) -> Result<PathBuf, LoadError> {
        let project = self.open_project(context.env)?;
        let known = VerifiedFiles::load(&project.state_dir());
        let own = run.key.dir_under(&self.root.join(&self.out_dir));
        let is_own = holds_exactly(&known, run, &own);
        known.save();
        if is_own {
            return Ok(own);
        }
        // Named by its content, so that a version of the run that differs is another directory.
        let copies = project.state_dir().join(COPIES).join(content_hash(run).to_string());
        let copy = run.key.dir_under(&copies);
        if holds_exactly(&known, run, &copy) {
            known.save();
            return Ok(copy);
        }
        context.check_cancelled()?;
        fs::create_shared_dir(&project.state_dir())?;
        self.fetch_run(&project, run, context)?;
        let file_list = FileList::new(run.entries.clone()).unwrap_or_default();
        let progress = context.reporter.start_progress("getting the run", None);
        // One that is there is not whole.
        let request = GetRequest { run: &run.key, version: self.version, to: &copy, replace: true };
        get_run(&project.dvc()?, &file_list, request, progress.as_ref())?;
        for name in names_of(run) {
            fs::set_file_mode(&copy.join(name), READ_ONLY)?;
        }
        Ok(copy)
    }

    /// Sees to it that this clone has all files of a run, as they were committed.
    fn fetch_run(&self, project: &Project, run: &RunFiles, context: &LoadContext<'_>) -> Result<(), LoadError> {
        let cache = project.open_cache()?;
        let files = run.entries.iter().map(|entry| NeededFile { run: &run.key, entry });
        let absent: Vec<NeededFile<'_>> = files.clone().filter(|file| !cache.has_object(file.entry.md5)).collect();
        if !absent.is_empty() {
            self.fetch_files(project, &absent, context)?;
        }
        self.find_files(project, &files.collect::<Vec<_>>(), context).map(drop)
    }
}

/// Whether a directory holds the run's files with their bytes, and no others.
fn holds_exactly(known: &VerifiedFiles, run: &RunFiles, dir: &Path) -> bool {
    let mut names = Vec::new();
    walk_files(dir, "", &mut names);
    let present: BTreeSet<&str> = names.iter().map(String::as_str).collect();
    if present != names_of(run).collect() {
        return false;
    }
    run.entries.iter().zip(names_of(run)).all(|(entry, name)| {
        // A file that cannot be read is not the run's.
        entry.is_safe() && matches!(known.check(&dir.join(name), entry.md5, &NoProgress), Ok(CheckedFile::Right(_)))
    })
}

/// The names of the run's files in its folder.
fn names_of(run: &RunFiles) -> impl Iterator<Item = &str> {
    let prefix = run.key.to_string().len() + 1;
    run.entries.iter().map(move |entry| entry.relpath.get(prefix..).unwrap_or_default())
}

fn content_hash(run: &RunFiles) -> DvcHash {
    let mut hash = Md5::new();
    for entry in &run.entries {
        hash.update(entry.relpath.as_bytes());
        hash.update([0]);
        hash.update(entry.md5.to_digest());
    }
    DvcHash::from_digest(hash.finalize().into())
}
