//! A data version with other runs than the one that `dvc.lock` names: runs are taken out, or put back from an earlier one.
//!
//! Only the file list and the dataset's record in `dvc.lock` change. No file of a run is read, so none need be in this
//! clone, and what only DVC can do (its ignore rules, other commands) does not matter.

use std::path::Path;
use std::time::Duration;

use super::diff;
use super::native::NativeError;
use crate::dataset::list_bytes::{ListBytes, ListFile};
use crate::dataset::record::{ingest_stage, set_version};
use crate::dataset::stage::{RUN_DIR, STAGE};
use crate::dvc::cache::Cache;
use crate::dvc::file_list::FileEntry;
use crate::dvc::hash::{DataVersion, DvcHash};
use crate::dvc::lockfile::{self, Lockfile};
use crate::dvc::lockfile_text;
use crate::dvc::mutex::DvcMutex;
use crate::formats::ParamsValue;
use crate::run::RunKey;
use crate::support::beneath::RootDir;
use crate::support::limits;

/// Which runs a data version is to have.
pub struct RunEdit<'a> {
    /// The project's root, absolute.
    pub root: &'a Path,
    /// The dataset's directory, relative to the root.
    pub out_dir: &'a str,
    /// DVC's cache.
    pub cache: &'a Cache,
    /// The remote, if it is a directory: the sizes of files that the cache lacks are known there.
    pub remote: Option<Cache>,
    /// The size of a file that is nowhere any more, if that is known.
    pub erased_size: &'a dyn Fn(DvcHash) -> Option<u64>,
    /// `dvc.lock` as the commit before has it, whose runs are edited. Other stages stay as the file has them.
    pub committed: &'a Lockfile,
    /// The runs whose files are replaced.
    pub runs: &'a [RunKey],
    /// Their files; of a run that is taken out, none.
    pub files: Vec<FileEntry>,
    /// The selection to record, if it changes.
    pub run_dir: Option<&'a str>,
    /// How long to wait for another DVC.
    pub patience: Duration,
}

/// A data version that `dvc.lock` does not name yet. No DVC can change the file in the meantime.
#[must_use]
pub struct EditedRuns {
    /// The new data version, whose file list is in the cache.
    pub version: DataVersion,
    lockfile: Vec<u8>,
    _mutex: DvcMutex,
}

impl EditedRuns {
    /// Has `dvc.lock` name it.
    pub fn write_lockfile(self, root: &Path) -> Result<(), NativeError> {
        Ok(RootDir::new(root).write_atomic(lockfile::FILE, &self.lockfile)?)
    }
}

/// Writes the new file list to the cache.
pub fn edit_runs(edit: RunEdit<'_>) -> Result<EditedRuns, NativeError> {
    // Held from reading `dvc.lock` to writing it, so that no DVC changes it in between.
    let mutex = DvcMutex::acquire(edit.root, edit.patience)?;
    let project = RootDir::new(edit.root);
    let bytes = project.read(lockfile::FILE, limits::LOCKFILE)?.unwrap_or_default();
    let lockfile = Lockfile::parse(&bytes)?;
    let unsupported = |why: &str| NativeError::Unsupported(why.into());
    let stage = ingest_stage(edit.committed).ok_or_else(|| unsupported("dvc.lock has no dataset"))?;
    let item = stage.out(edit.out_dir).ok_or_else(|| unsupported("dvc.lock has no dataset"))?;
    let old_version = item.data_version().ok_or_else(|| unsupported("dvc.lock holds objects of DVC 2"))?;
    let list_file = ListFile::of_version(edit.cache, old_version)?.ok_or(NativeError::NoFileList(old_version))?;
    let old = list_file.read_whole()?;
    // The old list, which the new one is made from, must be what its name says.
    edit.cache.check_list_hash(old_version, DataVersion::of_list(&old))?;
    let mut replaced = Vec::new();
    for run in edit.runs {
        replaced.extend(diff::run_entries(&*old, run)?);
    }
    let caches = [Some(edit.cache), edit.remote.as_ref()];
    let size_of = |hash| {
        let stored = caches.into_iter().flatten().find_map(|cache| cache.object_size(hash));
        stored.or_else(|| (edit.erased_size)(hash))
    };
    let total = item.size.and_then(|size| adjust_size(size_of, size, &replaced, &edit.files));
    let nfiles = item.nfiles.map(|nfiles| nfiles.saturating_sub(replaced.len() as u64) + edit.files.len() as u64);
    let list = diff::replace_runs(&old, edit.runs, edit.files)?;
    let version = edit.cache.insert_list_bytes(&list)?;
    let mut value = stage.to_value();
    set_version(&mut value, edit.out_dir, version, total, nfiles);
    if let Some(run_dir) = edit.run_dir {
        set_selection(&mut value, run_dir);
    }
    let lines = lockfile_text::write_stage(STAGE, &value)
        .ok_or_else(|| unsupported("a parameter holds a value that only DVC writes"))?;
    let new = lockfile_text::replace_stage(&bytes, &lockfile, STAGE, &lines)
        .ok_or_else(|| unsupported("dvc.lock has other sections but no stages"))?;
    Ok(EditedRuns { version, lockfile: new, _mutex: mutex })
}

/// The dataset's bytes after the edit; `None` if the size of a file is not known here: no size rather than a wrong one.
fn adjust_size(
    size_of: impl Fn(DvcHash) -> Option<u64>,
    size: u64,
    old: &[FileEntry],
    new: &[FileEntry],
) -> Option<u64> {
    let sum = |entries: &[FileEntry]| entries.iter().try_fold(0_u64, |sum, entry| sum.checked_add(size_of(entry.md5)?));
    size.checked_sub(sum(old)?)?.checked_add(sum(new)?)
}

/// Changes the recorded selection of a stage.
fn set_selection(stage: &mut ParamsValue, run_dir: &str) {
    let ParamsValue::Map(entries) = stage else { return };
    for (_, files) in entries.iter_mut().filter(|(key, _)| key == "params") {
        let ParamsValue::Map(files) = files else { continue };
        for (_, values) in files {
            let ParamsValue::Map(values) = values else { continue };
            for (_, value) in values.iter_mut().filter(|(key, _)| key == RUN_DIR) {
                *value = ParamsValue::Str(run_dir.to_owned());
            }
        }
    }
}
