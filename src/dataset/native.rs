//! The native engine: versions a freshly ingested run as `dvc repro` would, at a cost that does not grow with the dataset.
//!
//! Only the new run is hashed and linked into the cache; the directory object is derived from the old one, and the stage's
//! lines in `dvc.lock` are written anew. Source: `dvc/output.py` (`save`, `commit`), `dvc/stage/serialize.py`. What DVC would do
//! otherwise (ignore rules, settings and stages beyond this) is [`EngineError::Unsupported`]: nothing has changed then, and the
//! caller runs DVC.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::diff;
use crate::dataset::diff::DeltaError;
use crate::dataset::list_bytes::Text;
use crate::dvc::cache::{Cache, CacheError};
use crate::dvc::file_list::{Entry, Listing, ListingError};
use crate::dvc::hash::{DataVersion, Oid};
use crate::dvc::ignore::rule_files;
use crate::dvc::link::{Linker, hash};
use crate::dvc::lockfile::{Lock, LockError};
use crate::dvc::mutex::{LockedError, ProjectLock};
use crate::dvc::settings::Settings;
use crate::dvc::stage::{PARAMS_FILE, Resolved, STAGE};
use crate::dvc::{lockfile, lockfile_text};
use crate::error::ExitKind::{CheckFailed, Setup};
use crate::error::{Explain, Explanation};
use crate::formats;
use crate::formats::Value;
use crate::run::RunKey;
use crate::support::beneath::Root;
use crate::support::fs::{At, FsError};
use crate::support::limits;
use crate::support::names::safe_path;

/// Why the engine did not version a run. `dvc.lock` is as it was.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// DVC does here what the engine does not; DVC must be called.
    #[error("only DVC can do this: {0}")]
    Unsupported(String),
    /// The list of files of the data version that `dvc.lock` names is not in the cache.
    #[error("the list of files of data version {0} is not in the cache")]
    NoListing(DataVersion),
    /// The run's folder is not in the dataset.
    #[error("the run {0} is not in the dataset")]
    NoRun(RunKey),
    /// Another DVC is at work.
    #[error(transparent)]
    Locked(#[from] LockedError),
    /// `dvc.lock`.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The cache.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// The new listing.
    #[error(transparent)]
    Listing(#[from] ListingError),
    /// Input or output.
    #[error(transparent)]
    Fs(#[from] FsError),
}

impl From<DeltaError> for EngineError {
    fn from(error: DeltaError) -> Self {
        match error {
            DeltaError::Listing(error) => error.into(),
            DeltaError::Fs(error) => error.into(),
            DeltaError::TooMuch(_) => Self::Unsupported(error.to_string()),
        }
    }
}

impl Explain for EngineError {
    fn explain(&self) -> Explanation {
        match self {
            Self::Unsupported(_) => {
                Setup.code("beyond_native_engine").hint("set engine = \"dvc\" in capture-hook.toml")
            }
            Self::NoListing(_) => CheckFailed.code("data_not_in_cache").hint("`capture-hook pull` gets it"),
            Self::NoRun(_) => Setup.code("run_not_in_dataset"),
            Self::Locked(error) => error.explain(),
            Self::Lock(error) => error.explain(),
            Self::Cache(error) => error.explain(),
            Self::Listing(_) => CheckFailed.code("invalid_listing"),
            Self::Fs(error) => error.explain(),
        }
    }
}

/// What to version.
pub struct Work<'a> {
    /// The project's root, absolute.
    pub root: &'a Path,
    /// DVC's settings.
    pub settings: &'a Settings,
    /// The stage, resolved from the params file as it lies in the workspace.
    pub stage: &'a Resolved,
    /// The runs whose folders in the dataset are new or changed.
    pub runs: &'a [RunKey],
    /// How long to wait for another DVC.
    pub patience: Duration,
}

/// The dataset after the work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versioned {
    /// The data version.
    pub version: DataVersion,
    /// The dataset's bytes.
    pub size: u64,
    /// How many files it holds.
    pub nfiles: u64,
    /// Whether `dvc.lock` was written.
    pub changed: bool,
}

/// Whether the engine can do this project's work for these runs; `Err` names what only DVC does.
pub fn is_within(root: &Path, settings: &Settings, stage: &Resolved, runs: &[RunKey]) -> Result<(), EngineError> {
    let beyond = |why: String| Err(EngineError::Unsupported(why));
    if let Some(why) = settings.unsupported.first() {
        return beyond(why.clone());
    }
    if settings.hardlink_lock {
        return beyond("core.hardlink_lock is set".into());
    }
    if stage.stage.frozen {
        return beyond("the stage is frozen".into());
    }
    let data = stage.stage.outs.iter().filter(|out| out.path.trim_end_matches('/') == stage.out_dir);
    if data.clone().count() != 1 || data.clone().any(|out| !out.cache) {
        return beyond("the dataset is not one output in DVC's cache".into());
    }
    if let Some(dep) = stage.stage.deps.iter().find(|dep| !safe_path(dep) || root.join(dep).is_dir()) {
        return beyond(format!("the stage depends on `{dep}`, which is no file of the project"));
    }
    if let Some(out) = stage.stage.outs.iter().find(|out| !safe_path(out.path.trim_end_matches('/'))) {
        return beyond(format!("the output `{}` is no path in the project", out.path));
    }
    // DVC leaves ignored files out of a directory.
    let files = Root::at(root);
    let experiments = runs.iter().map(|run| format!("{}/{}", stage.out_dir, run.experiment()));
    for dir in experiments.chain([stage.out_dir.clone()]) {
        if let Some(file) = rule_files(files, &dir)?.first() {
            return beyond(format!("there are rules in {file}"));
        }
    }
    Ok(())
}

/// Versions runs that lie in the dataset's folder.
pub fn version(work: &Work<'_>) -> Result<Versioned, EngineError> {
    is_within(work.root, work.settings, work.stage, work.runs)?;
    let _lock = ProjectLock::take(work.root, work.patience)?;
    let project = Root::at(work.root);
    let bytes = project.read(lockfile::FILE, limits::LOCK)?.unwrap_or_default();
    let lock = Lock::parse(&bytes)?;
    let out_dir = &work.stage.out_dir;
    let mut linker = Linker::of(work.settings);
    let before = lock.capture().and_then(|stage| stage.out(out_dir));
    let old = match before.map(|item| item.version()) {
        Some(Some(version)) => Some((version, linker.cache().list(version)?.ok_or(EngineError::NoListing(version))?)),
        Some(None) => return Err(EngineError::Unsupported("dvc.lock holds objects of DVC 2".into())),
        None => None,
    };
    let old_list = match &old {
        Some((_, list)) => list.whole()?,
        None => b"[]".into(),
    };
    project.check_dir(out_dir)?;
    let dataset = work.root.join(out_dir);
    let (mut files, mut replaced) = (Vec::new(), Vec::new());
    for run in work.runs {
        files.extend(run_files(&dataset, run)?);
        replaced.extend(diff::entries(&*old_list, run)?);
    }
    let entry = |file: &RunFile| Entry { relpath: file.relpath.clone(), md5: file.oid };
    let list = diff::with_runs(&old_list, work.runs, files.iter().map(entry).collect())?;
    // The old list, which the new one is made from, must be what its name says; hashing it takes as long as the rest.
    let version = std::thread::scope(|scope| {
        let hashed = scope.spawn(|| DataVersion::of(&old_list));
        for file in &files {
            linker.take(file.oid, project, &Path::new(out_dir).join(&file.relpath))?;
        }
        let version = linker.cache().put_list(&list)?;
        if let Some((named, _)) = &old {
            // A thread that panicked has found nothing.
            linker.cache().whole(*named, hashed.join().map_err(|_| EngineError::NoListing(*named))?)?;
        }
        Ok::<_, EngineError>(version)
    })?;
    let total = before.map_or(Some((0, 0)), |item| item.size.zip(item.nfiles));
    let (size, nfiles) = match total.and_then(|total| moved(linker.cache(), total, &replaced, &files)) {
        Some(total) => total,
        None => sum(linker.cache(), &dataset, &Listing::parse(&list)?)?,
    };
    let value = record(work, &mut linker, (version, size, nfiles))?;
    let lines = lockfile_text::stage(STAGE, &value)
        .ok_or_else(|| EngineError::Unsupported("a parameter holds a value that only DVC writes".into()))?;
    let new = lockfile_text::with_stage(&bytes, &lock, STAGE, &lines)
        .ok_or_else(|| EngineError::Unsupported("dvc.lock has no stages and more than stages".into()))?;
    let changed = lock.capture().is_none_or(|stage| stage.to_value() != value);
    if changed {
        project.write_atomic(lockfile::FILE, &new)?;
    }
    Ok(Versioned { version, size, nfiles, changed })
}

/// A run's files as they lie in the dataset's folder, hashed, sorted by path.
pub fn files(dataset: &Path, run: &RunKey) -> Result<Vec<Entry>, EngineError> {
    let files = run_files(dataset, run)?;
    Ok(files.into_iter().map(|file| Entry { relpath: file.relpath, md5: file.oid }).collect())
}

struct RunFile {
    relpath: String,
    oid: Oid,
    size: u64,
}

/// A run's files, hashed; their paths relative to the dataset.
fn run_files(dataset: &Path, key: &RunKey) -> Result<Vec<RunFile>, EngineError> {
    let mut found = Vec::new();
    let mut todo = vec![(key.under(dataset), format!("{key}/"))];
    while let Some((dir, prefix)) = todo.pop() {
        let entries = match std::fs::read_dir(&dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(EngineError::NoRun(key.clone())),
            Err(error) => Err(error).at("read the directory", &dir)?,
        };
        for entry in entries {
            let entry = entry.at("read the directory", &dir)?;
            let path = entry.path();
            let name = entry.file_name().into_string();
            let Ok(name) = name else {
                return Err(EngineError::Unsupported(format!("{} is not UTF-8", path.display())));
            };
            if name == ".dvcignore" {
                return Err(EngineError::Unsupported(format!("{} may hold rules", path.display())));
            }
            // A link to a file, into the cache, stands for the file, as for DVC.
            let meta = std::fs::metadata(&path).at("look at", &path)?;
            let relpath = format!("{prefix}{name}");
            if meta.is_dir() {
                todo.push((path, format!("{relpath}/")));
            } else if meta.is_file() {
                found.push((relpath, path));
            } else {
                return Err(EngineError::Unsupported(format!("{} is no file", path.display())));
            }
        }
    }
    if found.is_empty() {
        return Err(EngineError::NoRun(key.clone()));
    }
    found.sort();
    let file = |(relpath, path): (String, PathBuf)| {
        let (oid, size) = hash(&path)?;
        Ok(RunFile { relpath, oid, size })
    };
    found.into_iter().map(file).collect()
}

/// The dataset's bytes and number of files, by what comes and goes; `None` where that is not known.
fn moved(cache: &Cache, (size, nfiles): (u64, u64), old: &[Entry], new: &[RunFile]) -> Option<(u64, u64)> {
    let gone = old.iter().try_fold(0_u64, |sum, entry| sum.checked_add(cache.size(entry.md5)?))?;
    let come = new.iter().try_fold(0_u64, |sum, file| sum.checked_add(file.size))?;
    let size = size.checked_sub(gone)?.checked_add(come)?;
    let nfiles = nfiles.checked_sub(old.len() as u64)?.checked_add(new.len() as u64)?;
    Some((size, nfiles))
}

/// The bytes of every file of a listing, from the cache or the workspace, and their number.
fn sum(cache: &Cache, dataset: &Path, listing: &Listing) -> Result<(u64, u64), EngineError> {
    let size = listing.entries().iter().filter(|entry| entry.is_safe()).try_fold(0_u64, |sum, entry| {
        let here = || std::fs::metadata(dataset.join(&entry.relpath)).ok().map(|meta| meta.len());
        let size = cache.size(entry.md5).or_else(here);
        let size =
            size.ok_or_else(|| EngineError::Unsupported(format!("the size of {} is not known", entry.relpath)))?;
        Ok::<_, EngineError>(sum.saturating_add(size))
    })?;
    Ok((size, listing.len() as u64))
}

/// The stage as DVC records it.
fn record(work: &Work<'_>, linker: &mut Linker, data: (DataVersion, u64, u64)) -> Result<Value, EngineError> {
    let stage = &work.stage.stage;
    let text = |text: &str| Value::Str(text.to_owned());
    let number = |n: u64| Value::Int(n.into());
    let file = |path: &str, oid: Oid, size: u64| {
        Value::Map(vec![
            ("path".into(), text(path)),
            ("hash".into(), text("md5")),
            ("md5".into(), text(&oid.to_string())),
            ("size".into(), number(size)),
        ])
    };
    let cmd = match stage.cmd.as_slice() {
        [line] if !stage.cmd_is_list => text(line),
        lines => Value::List(lines.iter().map(|line| text(line)).collect()),
    };
    let mut entries = vec![("cmd".to_owned(), cmd)];
    let mut deps = Vec::new();
    let mut paths: Vec<&String> = stage.deps.iter().collect();
    paths.sort();
    for dep in paths {
        let path = work.root.join(dep);
        if !path.is_file() {
            return Err(EngineError::Unsupported(format!("the stage depends on `{dep}`, which is not there")));
        }
        let (oid, size) = hash(&path)?;
        deps.push(file(dep, oid, size));
    }
    let params = params(work)?;
    let mut outs = Vec::new();
    let mut sorted: Vec<_> = stage.outs.iter().collect();
    sorted.sort_by(|a, b| a.path.cmp(&b.path));
    for out in sorted {
        if out.path.trim_end_matches('/') == work.stage.out_dir {
            let (version, size, nfiles) = data;
            outs.push(Value::Map(vec![
                ("path".into(), text(&out.path)),
                ("hash".into(), text("md5")),
                ("md5".into(), text(&version.to_string())),
                ("size".into(), number(size)),
                ("nfiles".into(), number(nfiles)),
            ]));
            continue;
        }
        let path = work.root.join(&out.path);
        if !std::fs::symlink_metadata(&path).is_ok_and(|meta| meta.is_file() || meta.is_symlink()) || !path.is_file() {
            return Err(EngineError::Unsupported(format!("the output `{}` is no file", out.path)));
        }
        let (oid, size) = hash(&path)?;
        if out.cache {
            linker.take(oid, Root::at(work.root), Path::new(&out.path))?;
        }
        outs.push(file(&out.path, oid, size));
    }
    for (key, items) in [("deps", deps), ("params", Vec::new()), ("outs", outs)] {
        if key == "params" {
            if let Value::Map(files) = &params
                && !files.is_empty()
            {
                entries.push(("params".into(), params.clone()));
            }
        } else if !items.is_empty() {
            entries.push((key.into(), Value::List(items)));
        }
    }
    Ok(Value::Map(entries))
}

/// The parameters that the stage depends on, with their values, in DVC's order.
fn params(work: &Work<'_>) -> Result<Value, EngineError> {
    let mut deps: Vec<_> = work.stage.stage.params.iter().collect();
    deps.sort_by_key(|dep| (dep.file != PARAMS_FILE, dep.file.clone()));
    let mut files = Vec::new();
    for dep in deps {
        if !safe_path(&dep.file) {
            return Err(EngineError::Unsupported(format!("the params file `{}` is outside the project", dep.file)));
        }
        let bytes = Root::at(work.root).read(&dep.file, limits::TEXT)?;
        let bytes = bytes.ok_or_else(|| EngineError::Unsupported(format!("there is no {}", dep.file)))?;
        let values = formats::load(&dep.file, &bytes).map_err(|e| EngineError::Unsupported(e.to_string()))?;
        let mut keys: Vec<String> = match (&values, dep.keys.is_empty()) {
            (Value::Map(entries), true) => entries.iter().map(|(key, _)| key.clone()).collect(),
            _ => dep.keys.clone(),
        };
        keys.sort();
        keys.dedup();
        let mut entries = Vec::new();
        for key in keys {
            let value = values.at(&key).cloned();
            let value = value.ok_or_else(|| EngineError::Unsupported(format!("{} has no {key}", dep.file)))?;
            entries.push((key, value));
        }
        files.push((dep.file.clone(), Value::Map(entries)));
    }
    Ok(Value::Map(files))
}
