//! The native engine: versions an ingested run as `dvc repro` would, at a cost that does not grow with the dataset.
//!
//! Only the new run is hashed and linked into the cache; the directory object is derived from the old one, and the
//! stage's lines in `dvc.lock` are written. Source: `dvc/output.py` (`save`, `commit`), `dvc/stage/serialize.py`.
//! What DVC would do differently (ignore rules, other settings and stages) is [`NativeError::Unsupported`]: then
//! nothing has changed, and the caller runs DVC.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::diff;
use crate::dataset::diff::RunDiffError;
use crate::dataset::list_bytes::{ListBytes, ListFile};
use crate::dataset::record::ingest_stage;
use crate::dataset::stage::{ResolvedStage, STAGE};
use crate::dvc::cache::{Cache, CacheError};
use crate::dvc::file_list::{FileEntry, FileList, FileListError};
use crate::dvc::hash::{DataVersion, DvcHash};
use crate::dvc::ignore::rule_files;
use crate::dvc::link::{Linker, hash_file, hash_file_with};
use crate::dvc::lockfile::{Lockfile, LockfileError};
use crate::dvc::mutex::{DvcBusy, DvcMutex};
use crate::dvc::settings::DvcSettings;
use crate::dvc::stage::PARAMS_FILE;
use crate::dvc::store::FileToStore;
use crate::dvc::{lockfile, lockfile_text};
use crate::error::ExitKind::{CheckFailed, Setup};
use crate::error::{Explain, Explanation};
use crate::formats;
use crate::formats::ParamsValue;
use crate::run::RunKey;
use crate::support::beneath::RootDir;
use crate::support::fs::{At, FsError};
use crate::support::names::is_safe_path;
use crate::support::progress::{NoProgress, Progress};
use crate::support::text::to_hex;
use crate::support::{limits, parallel};

/// Why the engine did not version a run. `dvc.lock` is as it was.
#[derive(Debug, thiserror::Error)]
pub enum NativeError {
    /// DVC does here what the engine does not; DVC must be called.
    #[error("only DVC can do this: {0}")]
    Unsupported(String),
    /// The file list of the data version that `dvc.lock` names is not in the cache.
    #[error("the file list of data version {0} is not in the cache")]
    NoFileList(DataVersion),
    /// The run's folder is not in the dataset.
    #[error("the run {0} is not in the dataset")]
    NoRun(RunKey),
    /// Another DVC is at work.
    #[error(transparent)]
    DvcBusy(#[from] DvcBusy),
    /// `dvc.lock`.
    #[error(transparent)]
    Lockfile(#[from] LockfileError),
    /// The cache.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// The new listing.
    #[error(transparent)]
    FileList(#[from] FileListError),
    /// Input or output.
    #[error(transparent)]
    Fs(#[from] FsError),
}

impl From<RunDiffError> for NativeError {
    fn from(error: RunDiffError) -> Self {
        match error {
            RunDiffError::FileList(error) => error.into(),
            RunDiffError::Fs(error) => error.into(),
            RunDiffError::TooLarge(_) => Self::Unsupported(error.to_string()),
        }
    }
}

impl Explain for NativeError {
    fn explain(&self) -> Explanation {
        match self {
            Self::Unsupported(_) => {
                Setup.code("beyond_native_engine").hint("set engine = \"dvc\" in capture-hook.toml")
            }
            Self::NoFileList(_) => CheckFailed.code("data_not_in_cache").hint("run `capture-hook pull`"),
            Self::NoRun(_) => Setup
                .code("run_not_in_dataset")
                .hint("see whether the stage calls `capture-hook ingest`: `capture-hook doctor`"),
            Self::DvcBusy(error) => error.explain(),
            Self::Lockfile(error) => error.explain(),
            Self::Cache(error) => error.explain(),
            Self::FileList(_) => {
                CheckFailed.code("invalid_listing").hint("see what is wrong with the data: `capture-hook verify`")
            }
            Self::Fs(error) => error.explain(),
        }
    }
}

/// What to version.
pub struct NativeJob<'a> {
    /// The project's root, absolute.
    pub root: &'a Path,
    /// DVC's settings.
    pub settings: &'a DvcSettings,
    /// The stage, resolved from the params file as it is in the workspace.
    pub stage: &'a ResolvedStage,
    /// The runs whose folders in the dataset are new or changed.
    pub runs: &'a [RunKey],
    /// How long to wait for another DVC.
    pub patience: Duration,
    /// Begins the progress of storing this many files.
    pub count_files: &'a dyn Fn(u64) -> Box<dyn Progress>,
}

/// The dataset after the work.
#[derive(Debug)]
pub struct NativeOutcome {
    /// The data version.
    pub version: DataVersion,
    /// The dataset's bytes.
    pub size: u64,
    /// How many files it holds.
    pub nfiles: u64,
    /// Whether `dvc.lock` was written.
    pub changed: bool,
    /// The files of the job's runs, as they were stored.
    pub files: Vec<HashedFile>,
}

/// Whether the engine can do this project's work for these runs; `Err` names what only DVC does.
pub fn check_supported(
    root: &Path,
    settings: &DvcSettings,
    stage: &ResolvedStage,
    runs: &[RunKey],
) -> Result<(), NativeError> {
    let unsupported = |why: String| Err(NativeError::Unsupported(why));
    if let Some(why) = settings.unsupported.first() {
        return unsupported(why.clone());
    }
    if settings.hardlink_lock {
        return unsupported("core.hardlink_lock is set".into());
    }
    if stage.stage.frozen {
        return unsupported("the stage is frozen".into());
    }
    // dvc.yaml may write the directory with a `/` at its end.
    let dataset_outs = stage.stage.outs.iter().filter(|out| out.path.trim_end_matches('/') == stage.out_dir);
    if dataset_outs.clone().count() != 1 || dataset_outs.clone().any(|out| !out.cache) {
        return unsupported("the dataset is not a single output in DVC's cache".into());
    }
    // Refused for safety: what lies outside the project is not hashed.
    if let Some(dep) = stage.stage.deps.iter().find(|dep| !is_safe_path(dep) || root.join(dep).is_dir()) {
        return unsupported(format!("the stage depends on `{dep}`, which is not a file of the project"));
    }
    if let Some(out) = stage.stage.outs.iter().find(|out| !is_safe_path(out.path.trim_end_matches('/'))) {
        return unsupported(format!("the output `{}` is not a path in the project", out.path));
    }
    // DVC leaves ignored files out of a directory.
    let files = RootDir::new(root);
    let experiments: BTreeSet<&str> = runs.iter().map(RunKey::experiment).collect();
    let dirs = experiments.into_iter().map(|experiment| format!("{}/{experiment}", stage.out_dir));
    for dir in dirs.chain([stage.out_dir.clone()]) {
        if let Some(file) = rule_files(files, &dir)?.first() {
            return unsupported(format!("{file} has rules"));
        }
    }
    Ok(())
}

/// Versions runs that are in the dataset's folder.
pub fn version_runs(job: &NativeJob<'_>) -> Result<NativeOutcome, NativeError> {
    // First of all, so that what only DVC can do leaves everything as it was.
    check_supported(job.root, job.settings, job.stage, job.runs)?;
    // Held from reading `dvc.lock` to writing it, so that no DVC changes it in between.
    let _mutex = DvcMutex::acquire(job.root, job.patience)?;
    let project = RootDir::new(job.root);
    // No `dvc.lock` yet reads as an empty one.
    let bytes = project.read(lockfile::FILE, limits::LOCKFILE)?.unwrap_or_default();
    let lockfile = Lockfile::parse(&bytes)?;
    let out_dir = &job.stage.out_dir;
    let mut linker = Linker::from_settings(job.settings);
    let before = ingest_stage(&lockfile).and_then(|stage| stage.out(out_dir));
    let old = match before.map(|item| item.data_version()) {
        Some(Some(version)) => {
            Some((version, ListFile::of_version(linker.cache(), version)?.ok_or(NativeError::NoFileList(version))?))
        }
        Some(None) => return Err(NativeError::Unsupported("dvc.lock holds objects of DVC 2".into())),
        None => None,
    };
    let old_list = match &old {
        Some((_, list)) => list.read_whole()?,
        None => b"[]".into(),
    };
    project.check_dir(out_dir)?;
    let dataset = job.root.join(out_dir);
    let files = hash_run_files(&dataset, job.runs)?;
    let mut replaced = Vec::new();
    for run in job.runs {
        replaced.extend(diff::run_entries(&*old_list, run)?);
    }
    let entry = |file: &HashedFile| FileEntry { relpath: file.relpath.clone(), md5: file.hash };
    let list = diff::replace_runs(&old_list, job.runs, files.iter().map(entry).collect())?;
    // The old list, which the new one is made from, must be what its name says; hashing it takes as long as the rest.
    let version = std::thread::scope(|scope| {
        let hashing = scope.spawn(|| DataVersion::of_list(&old_list));
        // Objects before the list, the list before `dvc.lock`: a record never names what is not stored.
        let stored = files.iter().map(|file| FileToStore {
            hash: file.hash,
            file: Path::new(out_dir).join(&file.relpath),
            size: file.size,
        });
        let stored: Vec<FileToStore> = stored.collect();
        let progress = (job.count_files)(stored.len() as u64);
        let objects = linker.store_files(project, &stored, progress.as_ref())?;
        drop(progress);
        let version = linker.cache().insert_list_bytes(&list)?;
        objects.sync_names(Some(&linker.cache().file_list_path(version)))?;
        if let Some((old_version, _)) = &old {
            // A thread that panicked has found nothing.
            linker
                .cache()
                .check_list_hash(*old_version, hashing.join().map_err(|_| NativeError::NoFileList(*old_version))?)?;
        }
        Ok::<_, NativeError>(version)
    })?;
    // An old record without sizes gives `None`; then every file of the list is looked at.
    let total = before.map_or(Some((0, 0)), |item| item.size.zip(item.nfiles));
    let (size, nfiles) = match total.and_then(|total| adjust_totals(linker.cache(), total, &replaced, &files)) {
        Some(total) => total,
        None => sum_totals(linker.cache(), &dataset, &FileList::parse(&list)?)?,
    };
    let value = stage_record(job, &mut linker, (version, size, nfiles))?;
    let lines = lockfile_text::write_stage(STAGE, &value)
        .ok_or_else(|| NativeError::Unsupported("a parameter holds a value that only DVC writes".into()))?;
    let new = lockfile_text::replace_stage(&bytes, &lockfile, STAGE, &lines)
        .ok_or_else(|| NativeError::Unsupported("dvc.lock has other sections but no stages".into()))?;
    let changed = ingest_stage(&lockfile).is_none_or(|stage| stage.to_value() != value);
    // An equal file is not written, so that git and DVC see no new time.
    if changed {
        project.write_atomic(lockfile::FILE, &new)?;
    }
    Ok(NativeOutcome { version, size, nfiles, changed, files })
}

/// A run's files as they are in the dataset's folder, hashed, sorted by path.
pub fn list_run_entries(dataset: &Path, run: &RunKey) -> Result<Vec<FileEntry>, NativeError> {
    let files = hash_files(&list_run_paths(dataset, run)?, |path| Ok((hash_file(path)?, ())))?;
    Ok(files.into_iter().map(|(relpath, (md5, _), ())| FileEntry { relpath, md5 }).collect())
}

/// A file of a run in the dataset's folder, hashed in one reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HashedFile {
    /// Its path, relative to the dataset.
    pub relpath: String,
    /// The name of its bytes.
    pub hash: DvcHash,
    /// Their SHA-256, in hex.
    pub sha256: String,
    /// How many there are.
    pub size: u64,
}

/// The files of these runs in the dataset's folder, hashed; the runs in their order, each one's files sorted by path.
pub fn hash_run_files(dataset: &Path, runs: &[RunKey]) -> Result<Vec<HashedFile>, NativeError> {
    let paths = parallel::map(runs, |run| list_run_paths(dataset, run));
    let paths: Vec<Vec<(String, PathBuf)>> = paths.into_iter().collect::<Result<_, _>>()?;
    let hashed = hash_files(&paths.concat(), |path| {
        let mut sha256 = Sha256::new();
        let hashed = hash_file_with(path, |block| sha256.update(block))?;
        Ok((hashed, to_hex(&sha256.finalize())))
    })?;
    let file = |(relpath, (hash, size), sha256)| HashedFile { relpath, hash, sha256, size };
    Ok(hashed.into_iter().map(file).collect())
}

/// A file's path in the dataset, the name of its bytes with their number, and what else was worked out.
type HashedPath<T> = (String, (DvcHash, u64), T);

fn hash_files<T: Send>(
    paths: &[(String, PathBuf)],
    hash: impl Fn(&Path) -> Result<((DvcHash, u64), T), FsError> + Sync,
) -> Result<Vec<HashedPath<T>>, NativeError> {
    let hashed = parallel::map(paths, |(relpath, path)| {
        let (md5, also) = hash(path)?;
        Ok((relpath.clone(), md5, also))
    });
    hashed.into_iter().collect()
}

/// A run's files: their paths relative to the dataset, sorted, and on disk. At least one.
fn list_run_paths(dataset: &Path, key: &RunKey) -> Result<Vec<(String, PathBuf)>, NativeError> {
    let mut paths = Vec::new();
    let mut pending = vec![(key.dir_under(dataset), format!("{key}/"))];
    while let Some((dir, prefix)) = pending.pop() {
        let entries = match std::fs::read_dir(&dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(NativeError::NoRun(key.clone())),
            Err(error) => Err(error).at("read the directory", &dir)?,
        };
        for entry in entries {
            let entry = entry.at("read the directory", &dir)?;
            let path = entry.path();
            let name = entry.file_name().into_string();
            let Ok(name) = name else {
                return Err(NativeError::Unsupported(format!("{} is not UTF-8", path.display())));
            };
            if name == ".dvcignore" {
                return Err(NativeError::Unsupported(format!("{} can hold rules", path.display())));
            }
            // A link to a file, into the cache, stands for the file, as for DVC.
            let meta = std::fs::metadata(&path).at("look at", &path)?;
            let relpath = format!("{prefix}{name}");
            if meta.is_dir() {
                pending.push((path, format!("{relpath}/")));
            } else if meta.is_file() {
                paths.push((relpath, path));
            } else {
                return Err(NativeError::Unsupported(format!("{} is not a file", path.display())));
            }
        }
    }
    if paths.is_empty() {
        return Err(NativeError::NoRun(key.clone()));
    }
    // `read_dir` lists in no fixed order.
    paths.sort();
    Ok(paths)
}

/// The dataset's bytes and number of files, computed from what is replaced and added; `None` if a size is not known.
fn adjust_totals(
    cache: &Cache,
    (size, nfiles): (u64, u64),
    old: &[FileEntry],
    new: &[HashedFile],
) -> Option<(u64, u64)> {
    // One object without a known size makes the old sum useless; the caller then adds up all files.
    let removed = old.iter().try_fold(0_u64, |sum, entry| sum.checked_add(cache.object_size(entry.md5)?))?;
    let added = new.iter().try_fold(0_u64, |sum, file| sum.checked_add(file.size))?;
    let size = size.checked_sub(removed)?.checked_add(added)?;
    let nfiles = nfiles.checked_sub(old.len() as u64)?.checked_add(new.len() as u64)?;
    Some((size, nfiles))
}

/// The bytes of every file of a listing, from the cache or the workspace, and their number.
fn sum_totals(cache: &Cache, dataset: &Path, file_list: &FileList) -> Result<(u64, u64), NativeError> {
    // Refused for safety: a path that leads out of the dataset is not looked at.
    let size = file_list.entries().iter().filter(|entry| entry.is_safe()).try_fold(0_u64, |sum, entry| {
        let workspace_size = || std::fs::metadata(dataset.join(&entry.relpath)).ok().map(|meta| meta.len());
        let size = cache.object_size(entry.md5).or_else(workspace_size);
        let size =
            size.ok_or_else(|| NativeError::Unsupported(format!("the size of {} is not known", entry.relpath)))?;
        Ok::<_, NativeError>(sum.saturating_add(size))
    })?;
    Ok((size, file_list.len() as u64))
}

/// The stage as DVC records it.
fn stage_record(
    job: &NativeJob<'_>,
    linker: &mut Linker,
    dataset: (DataVersion, u64, u64),
) -> Result<ParamsValue, NativeError> {
    let stage = &job.stage.stage;
    let text = |text: &str| ParamsValue::Str(text.to_owned());
    let number = |n: u64| ParamsValue::Int(n.into());
    let file = |path: &str, hash: DvcHash, size: u64| {
        ParamsValue::Map(vec![
            ("path".into(), text(path)),
            ("hash".into(), text("md5")),
            ("md5".into(), text(&hash.to_string())),
            ("size".into(), number(size)),
        ])
    };
    let cmd = match stage.cmd.as_slice() {
        [line] if !stage.cmd_is_list => text(line),
        lines => ParamsValue::List(lines.iter().map(|line| text(line)).collect()),
    };
    let mut entries = vec![("cmd".to_owned(), cmd)];
    let mut deps = Vec::new();
    let mut paths: Vec<&String> = stage.deps.iter().collect();
    // DVC sorts dependencies and outputs by path (`dvc/stage/serialize.py`).
    paths.sort();
    for dep in paths {
        let path = job.root.join(dep);
        if !path.is_file() {
            return Err(NativeError::Unsupported(format!("the stage depends on `{dep}`, which does not exist")));
        }
        let (hash, size) = hash_file(&path)?;
        deps.push(file(dep, hash, size));
    }
    let params = params_record(job)?;
    let mut outs = Vec::new();
    let mut sorted: Vec<_> = stage.outs.iter().collect();
    sorted.sort_by(|a, b| a.path.cmp(&b.path));
    for out in sorted {
        if out.path.trim_end_matches('/') == job.stage.out_dir {
            let (version, size, nfiles) = dataset;
            outs.push(ParamsValue::Map(vec![
                ("path".into(), text(&out.path)),
                ("hash".into(), text("md5")),
                ("md5".into(), text(&version.to_string())),
                ("size".into(), number(size)),
                ("nfiles".into(), number(nfiles)),
            ]));
            continue;
        }
        let path = job.root.join(&out.path);
        if !std::fs::symlink_metadata(&path).is_ok_and(|meta| meta.is_file() || meta.is_symlink()) || !path.is_file() {
            return Err(NativeError::Unsupported(format!("the output `{}` is not a file", out.path)));
        }
        let (hash, size) = hash_file(&path)?;
        if out.cache {
            let stored = [FileToStore { hash, file: out.path.clone().into(), size }];
            linker.store_files(RootDir::new(job.root), &stored, &NoProgress)?.sync_names(None)?;
        }
        outs.push(file(&out.path, hash, size));
    }
    // The order in which DVC writes the keys; it leaves an empty one out (`dvc/stage/serialize.py`).
    for (key, items) in [("deps", deps), ("params", Vec::new()), ("outs", outs)] {
        if key == "params" {
            if let ParamsValue::Map(files) = &params
                && !files.is_empty()
            {
                entries.push(("params".into(), params.clone()));
            }
        } else if !items.is_empty() {
            entries.push((key.into(), ParamsValue::List(items)));
        }
    }
    Ok(ParamsValue::Map(entries))
}

/// The parameters that the stage depends on, with their values, in DVC's order.
fn params_record(job: &NativeJob<'_>) -> Result<ParamsValue, NativeError> {
    let mut deps: Vec<_> = job.stage.stage.params.iter().collect();
    // DVC writes the parameters of `params.yaml` first.
    deps.sort_by_key(|dep| (dep.file != PARAMS_FILE, dep.file.clone()));
    let mut files = Vec::new();
    for dep in deps {
        // Refused for safety: nothing outside the project is read.
        if !is_safe_path(&dep.file) {
            return Err(NativeError::Unsupported(format!("the params file `{}` is outside the project", dep.file)));
        }
        let bytes = RootDir::new(job.root).read(&dep.file, limits::TEXT)?;
        let bytes = bytes.ok_or_else(|| NativeError::Unsupported(format!("{} does not exist", dep.file)))?;
        let values = formats::load_params(&dep.file, &bytes).map_err(|e| NativeError::Unsupported(e.to_string()))?;
        let mut keys: Vec<String> = match (&values, dep.keys.is_empty()) {
            (ParamsValue::Map(entries), true) => entries.iter().map(|(key, _)| key.clone()).collect(),
            _ => dep.keys.clone(),
        };
        keys.sort();
        keys.dedup();
        let mut entries = Vec::new();
        for key in keys {
            let value = values.at_path(&key).cloned();
            let value = value.ok_or_else(|| NativeError::Unsupported(format!("{} has no {key}", dep.file)))?;
            entries.push((key, value));
        }
        files.push((dep.file.clone(), ParamsValue::Map(entries)));
    }
    Ok(ParamsValue::Map(files))
}
