//! Brings the dataset in the workspace from one version to another, touching only what differs.
//!
//! All that is needed must be in the cache, else nothing is touched and the missing objects are told. A file that is neither
//! what the old version says nor what the new one says holds unsaved work: it is left, and told. Paths come from a cloned
//! repository: one that leaves the dataset, or leads through a link, is never followed. Each file appears whole.

use std::collections::HashSet;
use std::fs::Metadata;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::dvc::file_list::{Entry, Listing};
use crate::dvc::hash::Oid;
use crate::dvc::link::{Linker, hash, same_file};
use crate::dvc::mutex::{LockedError, ProjectLock};
use crate::dvc::settings::Settings;
use crate::error::ExitKind::{CheckFailed, Setup};
use crate::error::{Explain, Explanation};
use crate::run::RunKey;
use crate::run::dataset_dir::Environments;
use crate::support::beneath::{FileKind, Root};
use crate::support::fs::{At, FsError};
use crate::support::names;
use crate::support::process::quoted;

/// Which change to make.
pub struct Switch<'a> {
    /// The project's root, absolute.
    pub root: &'a Path,
    /// DVC's settings.
    pub settings: &'a Settings,
    /// The dataset, relative to the root.
    pub out_dir: &'a str,
    /// What the workspace holds; runs whose folders are not there count as not held.
    pub from: &'a Listing,
    /// What it shall hold.
    pub to: &'a Listing,
    /// The most files to write or remove; where there are more, nothing is touched.
    pub most: usize,
    /// How long to wait for another DVC.
    pub patience: Duration,
    /// Whether files with unsaved work are replaced and removed, too. What is no file stays.
    pub force: bool,
}

/// What became of a change.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Switched {
    /// How many files were written.
    pub written: usize,
    /// How many files were removed.
    pub removed: usize,
    /// Files with unsaved work, left as they are; relative to the dataset.
    pub kept: Vec<String>,
    /// Objects that the cache does not have; then nothing was touched.
    pub missing: Vec<Entry>,
}

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
pub enum CheckoutError {
    /// A path leads out of the dataset, or to where programs look.
    #[error("the data version names `{}`, which is not checked out: {why}", path.escape_debug())]
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
    #[error("only DVC can replace local changes here: {why}")]
    UnsupportedByForce {
        /// The settings.
        why: String,
        /// The dataset, relative to the root.
        out_dir: String,
    },
    /// More files than may be touched.
    #[error("{0} files are to be written or removed")]
    TooMany(usize),
    /// Another DVC is at work.
    #[error(transparent)]
    Locked(#[from] LockedError),
    /// Input or output.
    #[error(transparent)]
    Fs(#[from] FsError),
}

impl Explain for CheckoutError {
    fn explain(&self) -> Explanation {
        match self {
            Self::Unsafe { .. } => {
                CheckFailed.code("unsafe_path").hint("do not check this commit's data out; tell who made it")
            }
            Self::Unsupported(_) => Setup.code("beyond_native_checkout").hint("`dvc checkout` does it"),
            Self::UnsupportedByForce { out_dir, .. } => Setup.code("beyond_native_checkout").hint(format!(
                "`dvc checkout --force {}` does it; it removes runs that are in no commit, too",
                quoted(out_dir)
            )),
            Self::TooMany(_) => Setup.code("too_many_files").hint("`capture-hook pull` does it"),
            Self::Locked(error) => error.explain(),
            Self::Fs(error) => error.explain(),
        }
    }
}

/// Makes the change.
pub fn switch(switch: &Switch<'_>) -> Result<Switched, CheckoutError> {
    if let Some(why) = switch.settings.unsupported.first() {
        return Err(CheckoutError::Unsupported(why.clone()));
    }
    if switch.settings.hardlink_lock {
        return Err(CheckoutError::Unsupported("core.hardlink_lock is set".into()));
    }
    let held = held(switch);
    let (write, remove) = difference(&held, switch.to);
    let paths = write.iter().chain(&remove).map(|change| change.relpath);
    refuse_unsafe(switch.root, switch.out_dir, paths)?;
    let linker = Linker::of(switch.settings);
    let missing: Vec<Entry> = write
        .iter()
        .filter_map(|change| Some((change, change.to?)))
        .filter(|(_, oid)| !linker.cache().has(*oid))
        .map(|(change, md5)| Entry { relpath: change.relpath.to_owned(), md5 })
        .collect();
    if !missing.is_empty() || (write.is_empty() && remove.is_empty()) {
        return Ok(Switched { missing, ..Switched::default() });
    }
    let count = write.len() + remove.len();
    if count > switch.most {
        return Err(CheckoutError::TooMany(count));
    }
    let _lock = ProjectLock::take(switch.root, switch.patience)?;
    let files = Root::at(switch.root);
    let mut work = Work { switch, files, linker, real: HashSet::new(), done: Switched::default() };
    let mut emptied: Vec<PathBuf> = Vec::new();
    for change in &remove {
        work.remove(change, &mut emptied)?;
    }
    for change in &write {
        work.write(change)?;
    }
    let dataset = Path::new(switch.out_dir);
    for dir in emptied {
        // Up to the dataset itself, as long as nothing is left in it.
        for dir in dir.ancestors().take_while(|dir| *dir != dataset && dir.starts_with(dataset)) {
            if !files.remove_empty_dir(dir) {
                break;
            }
        }
    }
    Ok(work.done)
}

/// An error where the dataset, or a path in it, leads out, to where programs look, or into a virtual environment.
pub fn refuse_unsafe<'a>(
    root: &Path,
    out_dir: &str,
    paths: impl IntoIterator<Item = &'a str>,
) -> Result<(), CheckoutError> {
    let refuse = |path: &str, why: String| Err(CheckoutError::Unsafe { path: path.to_owned(), why });
    if let Some(why) = names::refused(out_dir) {
        return refuse(out_dir, why.to_string());
    }
    let dataset = root.join(out_dir);
    let (mut environments, mut last) = (Environments::default(), None);
    for path in paths {
        if let Some(why) = names::refused(path) {
            return refuse(path, why.to_string());
        }
        let dir = path.rsplit_once('/').map_or("", |(dir, _)| dir);
        if last.replace(dir) != Some(dir)
            && let Some(env) = environments.around(root, &dataset.join(dir))
        {
            return refuse(path, format!("it lies in the Python environment {}", env.display()));
        }
    }
    Ok(())
}

/// The old listing without the runs whose folders are not there: pulled in part, or deleted by hand.
fn held(switch: &Switch<'_>) -> Listing {
    let dataset = switch.root.join(switch.out_dir);
    let mut there: HashSet<RunKey> = HashSet::new();
    for experiment in std::fs::read_dir(&dataset).into_iter().flatten().flatten() {
        for run in std::fs::read_dir(experiment.path()).into_iter().flatten().flatten() {
            let name = (experiment.file_name(), run.file_name());
            if let (Some(experiment), Some(run)) = (name.0.to_str(), name.1.to_str())
                && let Ok(key) = RunKey::new(experiment, run)
            {
                there.insert(key);
            }
        }
    }
    let gone: Vec<RunKey> = switch.from.runs().map(|run| run.key).filter(|key| !there.contains(key)).collect();
    if gone.is_empty() {
        return switch.from.clone();
    }
    let gone: HashSet<RunKey> = gone.into_iter().collect();
    let kept = switch.from.entries().iter().filter(|entry| entry.run().is_none_or(|key| !gone.contains(&key)));
    Listing::new(kept.cloned().collect()).unwrap_or_default()
}

/// One path's change.
struct Change<'a> {
    relpath: &'a str,
    from: Option<Oid>,
    to: Option<Oid>,
}

/// What to write and what to remove. Both listings are sorted.
fn difference<'a>(from: &'a Listing, to: &'a Listing) -> (Vec<Change<'a>>, Vec<Change<'a>>) {
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
            (a, Some(b)) => write.push(Change { relpath: &b.relpath, from: a.map(|a| a.md5), to: Some(b.md5) }),
            (Some(a), None) => remove.push(Change { relpath: &a.relpath, from: Some(a.md5), to: None }),
            (None, None) => {}
        }
    }
}

struct Work<'a> {
    switch: &'a Switch<'a>,
    files: Root<'a>,
    linker: Linker,
    /// Directories that were seen to be none but directories, from the root on.
    real: HashSet<PathBuf>,
    done: Switched,
}

/// What lies at a path.
enum There {
    Nothing,
    /// A file that a version holds: it may go.
    Saved(Oid),
    /// Unsaved work, or something in the way.
    Unsaved,
}

impl Work<'_> {
    fn remove(&mut self, change: &Change<'_>, emptied: &mut Vec<PathBuf>) -> Result<(), CheckoutError> {
        let path = self.path(change);
        if !self.leads_straight(&path, false)? {
            return Ok(());
        }
        match self.there(&path, change)? {
            There::Nothing => {}
            There::Unsaved if !self.may_replace(&path) => self.done.kept.push(change.relpath.to_owned()),
            There::Unsaved | There::Saved(_) => {
                self.files.remove_all(&path)?;
                self.done.removed += 1;
                if let Some(dir) = path.parent()
                    && emptied.last().map(PathBuf::as_path) != Some(dir)
                {
                    emptied.push(dir.to_path_buf());
                }
            }
        }
        Ok(())
    }

    fn write(&mut self, change: &Change<'_>) -> Result<(), CheckoutError> {
        let Some(to) = change.to else { return Ok(()) };
        let path = self.path(change);
        if !self.leads_straight(&path, true)? {
            self.done.kept.push(change.relpath.to_owned());
            return Ok(());
        }
        match self.there(&path, change)? {
            There::Unsaved if !self.may_replace(&path) => self.done.kept.push(change.relpath.to_owned()),
            There::Saved(oid) if oid == to => {}
            There::Unsaved | There::Saved(_) | There::Nothing => {
                self.linker.place(to, self.files, &path)?;
                self.done.written += 1;
            }
        }
        Ok(())
    }

    /// Whether unsaved work may go: only where that was asked for, and never a directory.
    fn may_replace(&self, path: &Path) -> bool {
        self.switch.force && self.files.kind(path).is_ok_and(|kind| kind != FileKind::Directory)
    }

    /// Relative to the project's root.
    fn path(&self, change: &Change<'_>) -> PathBuf {
        Path::new(self.switch.out_dir).join(change.relpath)
    }

    /// Whether every directory on the way to a path is one, and no link. Missing ones are made where `make` says so.
    fn leads_straight(&mut self, path: &Path, make: bool) -> Result<bool, FsError> {
        let Some(dir) = path.parent() else { return Ok(false) };
        if self.real.contains(dir) {
            return Ok(true);
        }
        let made = match make {
            true => self.files.create_dir_all(dir).map(|()| true),
            false => self.files.kind(dir).map(|kind| kind == FileKind::Directory),
        };
        match made {
            Ok(true) => {
                self.real.insert(dir.to_path_buf());
                Ok(true)
            }
            Ok(false) => Ok(false),
            Err(error) if error.refused().is_some() || error.source.kind() == ErrorKind::NotADirectory => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn there(&self, path: &Path, change: &Change<'_>) -> Result<There, FsError> {
        let full = self.switch.root.join(path);
        let meta = match std::fs::symlink_metadata(&full) {
            Ok(meta) => meta,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(There::Nothing),
            Err(error) => return Err(error).at("look at", &full),
        };
        let known = [change.from, change.to];
        if meta.is_dir() {
            // An empty directory holds no work; one that is not empty stays.
            return Ok(if self.files.remove_empty_dir(path) { There::Nothing } else { There::Unsaved });
        }
        for oid in known.into_iter().flatten() {
            if self.is_object(&full, &meta, oid) {
                return Ok(There::Saved(oid));
            }
        }
        if !meta.is_file() {
            return Ok(There::Unsaved);
        }
        // A copy: its bytes tell. A size that no version has spares reading it.
        let size = |oid: Oid| self.linker.cache().size(oid);
        if known.into_iter().flatten().all(|oid| size(oid).is_some_and(|n| n != meta.len())) {
            return Ok(There::Unsaved);
        }
        let (oid, _) = hash(&full)?;
        Ok(if known.contains(&Some(oid)) { There::Saved(oid) } else { There::Unsaved })
    }

    /// Whether a file is an object of the cache under another name.
    fn is_object(&self, path: &Path, meta: &Metadata, oid: Oid) -> bool {
        let object = self.linker.cache().path(oid);
        if meta.is_symlink() {
            // DVC's own link, dangling or not.
            return std::fs::read_link(path).is_ok_and(|to| to == object);
        }
        std::fs::symlink_metadata(&object).is_ok_and(|o| o.is_file() && same_file(&o, meta))
    }
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used)]
mod tests;
