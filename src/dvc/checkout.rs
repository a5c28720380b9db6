//! Checks out the dataset: changes the workspace from one version to another, and touches only what differs.
//!
//! If the cache lacks an object, nothing is touched and the missing objects are returned. A file that is neither as
//! in the old version nor as in the new one has local changes: it is kept and returned. Paths come from a cloned
//! repository: one that leaves the dataset, or leads through a link, is never followed. Each file appears complete or
//! not at all.

use std::collections::HashSet;
use std::fs::Metadata;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::dvc::file_list::{FileEntry, FileList};
use crate::dvc::hash::DvcHash;
use crate::dvc::link::{Linker, hash_file, same_file};
use crate::dvc::mutex::{DvcBusy, DvcMutex};
use crate::dvc::settings::DvcSettings;
use crate::error::ExitKind::{CheckFailed, Setup};
use crate::error::{Explain, Explanation};
use crate::support::beneath::{FileKind, RootDir};
use crate::support::fs::{At, FsError};
use crate::support::names;
use crate::support::off_limits::PythonEnvs;
use crate::support::process::shell_quote;

/// Which change to make.
pub struct CheckoutRequest<'a> {
    /// The project's root, absolute.
    pub root: &'a Path,
    /// DVC's settings.
    pub settings: &'a DvcSettings,
    /// The dataset, relative to the root.
    pub out_dir: &'a str,
    /// What the workspace holds. A file that does not exist counts as removed by hand, and stays away if `to` holds it
    /// alike.
    pub from: &'a FileList,
    /// What it must hold.
    pub to: &'a FileList,
    /// The most files to write or remove; if there are more, nothing is touched.
    pub max_files: usize,
    /// How long to wait for another DVC.
    pub patience: Duration,
    /// Whether files with local changes are replaced and removed, too. What is no file stays.
    pub force: bool,
}

/// The outcome of a change.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CheckoutOutcome {
    /// How many files were written.
    pub written: usize,
    /// How many files were removed.
    pub removed: usize,
    /// Files with local changes, left as they are; relative to the dataset.
    pub local_changes: Vec<String>,
    /// Objects that the cache does not have; then nothing was touched.
    pub missing: Vec<FileEntry>,
}

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
pub enum CheckoutError {
    /// A path leads out of the dataset, or to a place where programs look.
    #[error("cannot check out `{}` of the data version: {why}", path.escape_debug())]
    Unsafe {
        /// The path, relative to the dataset, or the dataset's own.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// The settings hold what only DVC does.
    #[error("only DVC can do this: {0}")]
    Unsupported(String),
    /// The same, and local changes are to be replaced: DVC would remove runs that no data version holds, too.
    #[error("only DVC can replace the local changes: {why}")]
    UnsupportedByForce {
        /// The settings.
        why: String,
        /// The dataset, relative to the root.
        out_dir: String,
    },
    /// More files than may be touched.
    #[error("{0} files have to be written or removed")]
    TooMany(usize),
    /// Another DVC is at work.
    #[error(transparent)]
    DvcBusy(#[from] DvcBusy),
    /// Input or output.
    #[error(transparent)]
    Fs(#[from] FsError),
}

impl Explain for CheckoutError {
    fn explain(&self) -> Explanation {
        match self {
            Self::Unsafe { .. } => {
                CheckFailed.code("unsafe_path").hint("do not check out this commit's data; inform its author")
            }
            Self::Unsupported(_) => Setup.code("beyond_native_checkout").hint("run `dvc checkout`"),
            Self::UnsupportedByForce { out_dir, .. } => Setup.code("beyond_native_checkout").hint(format!(
                "run `dvc checkout --force {}`; it also removes runs that are in no commit",
                shell_quote(out_dir)
            )),
            Self::TooMany(_) => Setup.code("too_many_files").hint("run `capture-hook pull`"),
            Self::DvcBusy(error) => error.explain(),
            Self::Fs(error) => error.explain(),
        }
    }
}

/// Makes the change.
pub fn checkout(request: &CheckoutRequest<'_>) -> Result<CheckoutOutcome, CheckoutError> {
    if let Some(why) = request.settings.unsupported.first() {
        return Err(CheckoutError::Unsupported(why.clone()));
    }
    // With this setting DVC does not use the lock file that we take, so both could write at the same time.
    if request.settings.hardlink_lock {
        return Err(CheckoutError::Unsupported("core.hardlink_lock is set".into()));
    }
    let (write, remove) = diff_file_lists(request.from, request.to);
    let paths = write.iter().chain(&remove).map(|change| change.relpath);
    refuse_unsafe(request.root, request.out_dir, paths)?;
    let linker = Linker::from_settings(request.settings);
    let missing: Vec<FileEntry> = write
        .iter()
        .filter_map(|change| Some((change, change.to?)))
        .filter(|(_, hash)| !linker.cache().has_object(*hash))
        .map(|(change, md5)| FileEntry { relpath: change.relpath.to_owned(), md5 })
        .collect();
    if !missing.is_empty() || (write.is_empty() && remove.is_empty()) {
        return Ok(CheckoutOutcome { missing, ..CheckoutOutcome::default() });
    }
    let count = write.len() + remove.len();
    if count > request.max_files {
        return Err(CheckoutError::TooMany(count));
    }
    // Taken only now: a checkout with nothing to do must not wait for another DVC.
    let _mutex = DvcMutex::acquire(request.root, request.patience)?;
    let files = RootDir::new(request.root);
    let mut job =
        CheckoutJob { request, files, linker, real_dirs: HashSet::new(), outcome: CheckoutOutcome::default() };
    let mut emptied: Vec<PathBuf> = Vec::new();
    // Removals come first: a directory can have to make room for a file of the same name.
    for change in &remove {
        job.remove_file(change, &mut emptied)?;
    }
    for change in &write {
        job.write_file(change)?;
    }
    let dataset = Path::new(request.out_dir);
    for dir in emptied {
        // Up to the dataset itself, as long as nothing is left in it.
        for dir in dir.ancestors().take_while(|dir| *dir != dataset && dir.starts_with(dataset)) {
            if !files.remove_empty_dir(dir) {
                break;
            }
        }
    }
    Ok(job.outcome)
}

/// An error if the dataset, or a path in it, leads out, to a place where programs look, or into a virtual environment.
pub fn refuse_unsafe<'a>(
    root: &Path,
    out_dir: &str,
    paths: impl IntoIterator<Item = &'a str>,
) -> Result<(), CheckoutError> {
    let refuse = |path: &str, why: String| Err(CheckoutError::Unsafe { path: path.to_owned(), why });
    if let Some(why) = names::find_refused(out_dir) {
        return refuse(out_dir, why.to_string());
    }
    let dataset = root.join(out_dir);
    let (mut environments, mut last_dir) = (PythonEnvs::default(), None);
    for path in paths {
        if let Some(why) = names::find_refused(path) {
            return refuse(path, why.to_string());
        }
        let dir = path.rsplit_once('/').map_or("", |(dir, _)| dir);
        // The list is sorted, so the files of a directory follow each other and it is looked up once.
        if last_dir.replace(dir) != Some(dir)
            && let Some(env) = environments.find_around(root, &dataset.join(dir))
        {
            return refuse(path, format!("it is in the Python environment {}", env.display()));
        }
    }
    Ok(())
}

/// One path's change.
struct FileChange<'a> {
    relpath: &'a str,
    from: Option<DvcHash>,
    to: Option<DvcHash>,
}

/// What to write and what to remove. Both listings are sorted.
fn diff_file_lists<'a>(from: &'a FileList, to: &'a FileList) -> (Vec<FileChange<'a>>, Vec<FileChange<'a>>) {
    let (mut write, mut remove) = (Vec::new(), Vec::new());
    let (mut old, mut new) = (from.entries().iter().peekable(), to.entries().iter().peekable());
    loop {
        let order = match (old.peek(), new.peek()) {
            (None, None) => return (write, remove),
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some(a), Some(b)) => a.relpath.cmp(&b.relpath),
        };
        let a = if order.is_le() { old.next() } else { None };
        let b = if order.is_ge() { new.next() } else { None };
        match (a, b) {
            (Some(a), Some(b)) if a.md5 == b.md5 => {}
            (a, Some(b)) => write.push(FileChange { relpath: &b.relpath, from: a.map(|a| a.md5), to: Some(b.md5) }),
            (Some(a), None) => remove.push(FileChange { relpath: &a.relpath, from: Some(a.md5), to: None }),
            // Not reached: the loop returns when both lists are at their end.
            (None, None) => {}
        }
    }
}

struct CheckoutJob<'a> {
    request: &'a CheckoutRequest<'a>,
    files: RootDir<'a>,
    linker: Linker,
    /// Paths of which every part, from the root on, was found to be a directory.
    real_dirs: HashSet<PathBuf>,
    outcome: CheckoutOutcome,
}

/// What is at a path.
enum PathState {
    Absent,
    /// A file that a version holds: it may be removed.
    Object(DvcHash),
    /// Local changes, or something that blocks the path.
    LocalChange,
}

impl CheckoutJob<'_> {
    fn remove_file(&mut self, change: &FileChange<'_>, emptied: &mut Vec<PathBuf>) -> Result<(), CheckoutError> {
        let path = self.file_path(change);
        if !self.ensure_real_parent(&path, false)? {
            return Ok(());
        }
        match self.inspect_path(&path, change)? {
            PathState::Absent => {}
            PathState::LocalChange if !self.may_replace(&path) => {
                self.outcome.local_changes.push(change.relpath.to_owned())
            }
            PathState::LocalChange | PathState::Object(_) => {
                self.files.remove_all(&path)?;
                self.outcome.removed += 1;
                // The removals are sorted, so the files of a directory follow each other.
                if let Some(dir) = path.parent()
                    && emptied.last().map(PathBuf::as_path) != Some(dir)
                {
                    emptied.push(dir.to_path_buf());
                }
            }
        }
        Ok(())
    }

    fn write_file(&mut self, change: &FileChange<'_>) -> Result<(), CheckoutError> {
        let Some(to) = change.to else { return Ok(()) };
        let path = self.file_path(change);
        if !self.ensure_real_parent(&path, true)? {
            self.outcome.local_changes.push(change.relpath.to_owned());
            return Ok(());
        }
        match self.inspect_path(&path, change)? {
            PathState::LocalChange if !self.may_replace(&path) => {
                self.outcome.local_changes.push(change.relpath.to_owned())
            }
            // Written already, for example by a checkout that was interrupted.
            PathState::Object(hash) if hash == to => {}
            PathState::LocalChange | PathState::Object(_) | PathState::Absent => {
                self.linker.link_object(to, self.files, &path)?;
                self.outcome.written += 1;
            }
        }
        Ok(())
    }

    /// Whether local changes may be removed: only if that was asked for, and never a directory.
    fn may_replace(&self, path: &Path) -> bool {
        self.request.force && self.files.file_kind(path).is_ok_and(|kind| kind != FileKind::Directory)
    }

    /// Relative to the project's root.
    fn file_path(&self, change: &FileChange<'_>) -> PathBuf {
        Path::new(self.request.out_dir).join(change.relpath)
    }

    /// Whether every part of a path above its last is a directory, and no link. With `create`, missing ones are made.
    fn ensure_real_parent(&mut self, path: &Path, create: bool) -> Result<bool, FsError> {
        let Some(dir) = path.parent() else { return Ok(false) };
        // For speed: a directory is examined once, however many files are in it.
        if self.real_dirs.contains(dir) {
            return Ok(true);
        }
        let is_real_dir = match create {
            true => self.files.create_dir_all(dir).map(|()| true),
            false => self.files.file_kind(dir).map(|kind| kind == FileKind::Directory),
        };
        match is_real_dir {
            Ok(true) => {
                self.real_dirs.insert(dir.to_path_buf());
                Ok(true)
            }
            Ok(false) => Ok(false),
            // A link or a file on the path is the user's work: the file below it stays as it is.
            Err(error) if error.refusal().is_some() || error.source.kind() == ErrorKind::NotADirectory => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn inspect_path(&self, path: &Path, change: &FileChange<'_>) -> Result<PathState, FsError> {
        let full = self.request.root.join(path);
        let meta = match std::fs::symlink_metadata(&full) {
            Ok(meta) => meta,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(PathState::Absent),
            Err(error) => return Err(error).at("look at", &full),
        };
        let versioned = [change.from, change.to];
        if meta.is_dir() {
            // An empty directory holds no work; one that is not empty stays.
            return Ok(if self.files.remove_empty_dir(path) { PathState::Absent } else { PathState::LocalChange });
        }
        // By inode or link target first, which reads no bytes.
        for hash in versioned.into_iter().flatten() {
            if self.is_cache_object(&full, &meta, hash) {
                return Ok(PathState::Object(hash));
            }
        }
        if !meta.is_file() {
            return Ok(PathState::LocalChange);
        }
        // A copy: its bytes decide. A size that no version has spares reading it.
        let size = |hash: DvcHash| self.linker.cache().object_size(hash);
        if versioned.into_iter().flatten().all(|hash| size(hash).is_some_and(|n| n != meta.len())) {
            return Ok(PathState::LocalChange);
        }
        let (hash, _) = hash_file(&full)?;
        Ok(if versioned.contains(&Some(hash)) { PathState::Object(hash) } else { PathState::LocalChange })
    }

    /// Whether a file is an object of the cache under another name.
    fn is_cache_object(&self, path: &Path, meta: &Metadata, hash: DvcHash) -> bool {
        let object = self.linker.cache().object_path(hash);
        if meta.is_symlink() {
            // DVC's own link, dangling or not.
            return std::fs::read_link(path).is_ok_and(|to| to == object);
        }
        std::fs::symlink_metadata(&object)
            .is_ok_and(|object_meta| object_meta.is_file() && same_file(&object_meta, meta))
    }
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used)]
mod tests;
