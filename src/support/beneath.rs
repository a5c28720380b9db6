//! The one door to files that a repository names: settings, parameters, pipeline, locks, ignore rules, the dataset.
//!
//! A repository is a stranger's. It can hold a link in the place of any file, or of a directory on the way to it, and who
//! follows the link reads, writes, locks or deletes somewhere else. Nothing is followed here: a path is opened relative to
//! the project's root, by `openat2` where the system has it, else name by name, and a link is an error that names it. Only
//! regular files are read, up to a limit; a pipe or a device is never waited for.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::aside;
use crate::support::fs::{At, FsError, PathRefusal, remove_all};

/// A project's root, and what lies beneath it. Paths are relative to it, and have no `..`.
#[derive(Debug, Clone, Copy)]
pub struct RootDir<'a> {
    path: &'a Path,
}

/// What lies at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// Nothing.
    Absent,
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link, wherever it leads.
    Link,
    /// A pipe, a socket or a device.
    Other,
}

/// How a directory is opened that is only passed through: the right to list it is not needed, where the system allows that.
#[cfg(any(target_os = "linux", target_os = "android"))]
const PASS_FLAGS: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const PASS_FLAGS: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// How a directory is opened in which names are made, changed or listed.
const LIST_FLAGS: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// How any file is opened: a pipe is not waited for, a terminal does not become ours.
const NO_WAIT_FLAGS: OFlags = OFlags::NONBLOCK.union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

impl<'a> RootDir<'a> {
    /// A project's root: a directory that the user, or git, has led us to.
    #[must_use]
    pub fn new(path: &'a Path) -> Self {
        Self { path }
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &'a Path {
        self.path
    }

    /// A file's bytes, `None` where there is no such file.
    pub fn read(&self, file: impl AsRef<Path>, limit: u64) -> Result<Option<Vec<u8>>, FsError> {
        let file = file.as_ref();
        match self.open(file)? {
            Some(open) => read_within(open, limit).at("read", &self.path.join(file)).map(Some),
            None => Ok(None),
        }
    }

    /// A regular file, open for reading; `None` where there is no such file.
    pub fn open(&self, file: impl AsRef<Path>) -> Result<Option<File>, FsError> {
        let file = file.as_ref();
        let opened = self.open_path(file, OFlags::RDONLY | NO_WAIT_FLAGS, Mode::empty()).and_then(require_regular);
        self.none_if_missing("read", file, opened)
    }

    /// What lies at a path. A link on the way is an error, one at the end is told.
    pub fn file_kind(&self, path: impl AsRef<Path>) -> Result<FileKind, FsError> {
        let path = path.as_ref();
        let kind = self.open_parent(path).and_then(|(dir, name)| {
            let stat = rustix::fs::statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW)?;
            Ok(match FileType::from_raw_mode(stat.st_mode) {
                FileType::RegularFile => FileKind::File,
                FileType::Directory => FileKind::Directory,
                FileType::Symlink => FileKind::Link,
                _ => FileKind::Other,
            })
        });
        Ok(self.none_if_missing("look at", path, kind)?.unwrap_or(FileKind::Absent))
    }

    /// Whether a directory is one of its own: neither it nor any on the way is a link, or something else. One that is not
    /// there yet is fine.
    pub fn check_dir(&self, dir: impl AsRef<Path>) -> Result<(), FsError> {
        let dir = dir.as_ref();
        let opened = self.open_path(dir, PASS_FLAGS, Mode::empty());
        match opened {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            opened => self.with_path("write in", dir, opened).map(drop),
        }
    }

    /// The names in a directory, sorted; none where there is no such directory.
    pub fn list_dir(&self, dir: impl AsRef<Path>) -> Result<Vec<OsString>, FsError> {
        let dir = dir.as_ref();
        let names = self.open_path(dir, LIST_FLAGS, Mode::empty()).and_then(|dir| Ok(dir_names(dir.as_fd())?));
        Ok(self.none_if_missing("list", dir, names)?.unwrap_or_default())
    }

    /// Replaces a file's content whole: a reader sees the old bytes or the new, a crash leaves one of them. The mode of an
    /// existing file is kept; an existing link is replaced.
    pub fn write_atomic(&self, file: impl AsRef<Path>, bytes: &[u8]) -> Result<(), FsError> {
        let file = file.as_ref();
        let (dir, name) = self.with_path("write", file, self.open_parent(file))?;
        aside::write_atomic_at(dir.as_fd(), &name, aside::git_temp_dir(self.path).as_deref(), bytes)
            .at("write", &self.path.join(file))
    }

    /// Makes a directory and its parents.
    pub fn create_dir_all(&self, dir: impl AsRef<Path>) -> Result<(), FsError> {
        let dir = dir.as_ref();
        let create = || -> io::Result<()> {
            let mut parent = self.open_root()?;
            for name in path_names(dir)? {
                match rustix::fs::mkdirat(&parent, name, Mode::from_raw_mode(0o777)) {
                    Ok(()) | Err(Errno::EXIST) => parent = open_name(parent.as_fd(), name, PASS_FLAGS, Mode::empty())?,
                    Err(error) => return Err(error.into()),
                }
            }
            Ok(())
        };
        match self.open_path(dir, PASS_FLAGS, Mode::empty()) {
            Ok(_) => Ok(()),
            Err(_) => self.with_path("create the directory", dir, create()),
        }
    }

    /// A lock file, open for reading and writing, its content as it was; `None` where there is none.
    pub fn open_lock_file(&self, file: impl AsRef<Path>) -> Result<Option<File>, FsError> {
        let file = file.as_ref();
        let opened = self.open_path(file, OFlags::RDWR | NO_WAIT_FLAGS, Mode::empty()).and_then(require_regular);
        self.none_if_missing("open", file, opened)
    }

    /// The same, made where it is missing, with the directories on the way.
    pub fn create_lock_file(&self, file: impl AsRef<Path>) -> Result<File, FsError> {
        let file = file.as_ref();
        self.create_dir_all(file.parent().unwrap_or(Path::new("")))?;
        let mode = Mode::from_raw_mode(0o666);
        let opened =
            self.open_path(file, OFlags::RDWR | OFlags::CREATE | NO_WAIT_FLAGS, mode).and_then(require_regular);
        self.with_path("open", file, opened)
    }

    /// Puts a finished file of ours in the place of another, or where nothing was.
    pub fn rename_in(&self, new_file: &Path, file: impl AsRef<Path>) -> Result<(), FsError> {
        let file = file.as_ref();
        let renamed =
            self.open_parent(file).and_then(|(dir, name)| Ok(rustix::fs::renameat(CWD, new_file, dir, name)?));
        self.with_path("replace", file, renamed)
    }

    /// Puts a finished directory of ours in the place of `dir`, whole. The old one, if any, is removed afterwards.
    pub fn replace_dir(&self, new_dir: &Path, dir: impl AsRef<Path>) -> Result<(), FsError> {
        let dir = dir.as_ref();
        let (parent, name) = self.with_path("replace", dir, self.open_parent(dir))?;
        let replaced = aside::replace_dir_at(new_dir, parent.as_fd(), &name);
        // `made` now names the old directory, or link.
        if replaced.at("replace", &self.path.join(dir))? { remove_all(new_dir) } else { Ok(()) }
    }

    /// Gives a file a second name, in a directory of ours.
    pub fn hard_link(&self, file: impl AsRef<Path>, link: &Path) -> Result<(), FsError> {
        let file = file.as_ref();
        let linked = self
            .open_parent(file)
            .and_then(|(dir, name)| Ok(rustix::fs::linkat(dir, name, CWD, link, AtFlags::empty())?));
        self.with_path("link", file, linked)
    }

    /// Removes a file, link or directory tree; one that is not there is fine.
    pub fn remove_all(&self, path: impl AsRef<Path>) -> Result<(), FsError> {
        let path = path.as_ref();
        let removed = self.open_parent(path).and_then(|(dir, name)| Ok(remove_at(dir.as_fd(), &name)?));
        self.none_if_missing("remove", path, removed).map(drop)
    }

    /// Removes a directory if it is empty, and says whether it did.
    pub fn remove_empty_dir(&self, dir: impl AsRef<Path>) -> bool {
        let removed = self.open_parent(dir.as_ref()).and_then(|(parent, name)| {
            rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR)?;
            Ok(())
        });
        removed.is_ok()
    }

    fn open_root(&self) -> io::Result<OwnedFd> {
        Ok(rustix::fs::open(self.path, PASS_FLAGS, Mode::empty())?)
    }

    /// Opens what lies at a path, no link followed.
    fn open_path(&self, path: &Path, flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
        let names = path_names(path)?;
        Ok(open_beneath(self.open_root()?.as_fd(), &names, flags, mode)?)
    }

    /// The directory that a path's last name lies in, and that name.
    fn open_parent(&self, path: &Path) -> io::Result<(OwnedFd, OsString)> {
        let names = path_names(path)?;
        let Some((last, above)) = names.split_last() else { return Err(PathRefusal::Outside.into()) };
        let dir = open_beneath(self.open_root()?.as_fd(), above, LIST_FLAGS, Mode::empty())?;
        Ok((dir, (*last).to_owned()))
    }

    /// `None` for what is not there.
    fn none_if_missing<T>(
        &self,
        action: &'static str,
        path: &Path,
        result: io::Result<T>,
    ) -> Result<Option<T>, FsError> {
        match result {
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
            result => self.with_path(action, path, result).map(Some),
        }
    }

    /// An error that names the path, and the link that is in the way.
    fn with_path<T>(&self, action: &'static str, path: &Path, result: io::Result<T>) -> Result<T, FsError> {
        let full_path = self.path.join(path);
        let is_link = |error: &io::Error| error.raw_os_error() == Some(Errno::LOOP.raw_os_error());
        let result = result.map_err(|error| match is_link(&error) {
            true => PathRefusal::Link(first_link(self.path, path).unwrap_or_else(|| full_path.clone())).into(),
            false => error,
        });
        result.at(action, &full_path)
    }
}

/// The names that a path leads through.
fn path_names(path: &Path) -> io::Result<Vec<&OsStr>> {
    let mut names = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => names.push(name),
            Component::CurDir => {}
            _ => return Err(PathRefusal::Outside.into()),
        }
    }
    Ok(names)
}

fn open_beneath(root: BorrowedFd<'_>, names: &[&OsStr], flags: OFlags, mode: Mode) -> rustix::io::Result<OwnedFd> {
    #[cfg(target_os = "linux")]
    match open_by_kernel(root, names, flags, mode) {
        // Linux before 5.6; a sandbox that does not know it.
        Err(Errno::NOSYS | Errno::PERM | Errno::AGAIN) => {}
        opened => return opened,
    }
    open_by_steps(root, names, flags, mode)
}

#[cfg(target_os = "linux")]
fn open_by_kernel(root: BorrowedFd<'_>, names: &[&OsStr], flags: OFlags, mode: Mode) -> rustix::io::Result<OwnedFd> {
    use rustix::fs::ResolveFlags;
    let path: PathBuf = if names.is_empty() { ".".into() } else { names.iter().collect() };
    rustix::fs::openat2(root, path, flags, mode, ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS)
}

fn open_by_steps(root: BorrowedFd<'_>, names: &[&OsStr], flags: OFlags, mode: Mode) -> rustix::io::Result<OwnedFd> {
    let Some((last, above)) = names.split_last() else { return open_name(root, OsStr::new("."), flags, mode) };
    let mut parent: Option<OwnedFd> = None;
    for name in above {
        parent = Some(open_name(parent.as_ref().map_or(root, AsFd::as_fd), name, PASS_FLAGS, Mode::empty())?);
    }
    open_name(parent.as_ref().map_or(root, AsFd::as_fd), last, flags, mode)
}

/// Opens one name in a directory; a link is the error that `openat2` gives for one.
fn open_name(dir: BorrowedFd<'_>, name: &OsStr, flags: OFlags, mode: Mode) -> rustix::io::Result<OwnedFd> {
    rustix::fs::openat(dir, name, flags | OFlags::NOFOLLOW, mode).map_err(|error| {
        let stat = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW);
        let is_link = stat.is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Symlink);
        if is_link { Errno::LOOP } else { error }
    })
}

/// The first link on the way to a path.
fn first_link(root: &Path, path: &Path) -> Option<PathBuf> {
    let mut prefix = root.to_path_buf();
    path.components().find_map(|name| {
        prefix.push(name);
        std::fs::symlink_metadata(&prefix).ok()?.is_symlink().then(|| prefix.clone())
    })
}

fn require_regular(file: OwnedFd) -> io::Result<File> {
    let file = File::from(file);
    if file.metadata()?.is_file() { Ok(file) } else { Err(PathRefusal::NotRegular.into()) }
}

/// All bytes of a file that has no more than the limit.
pub(super) fn read_within(file: File, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit { Err(PathRefusal::TooLarge(limit).into()) } else { Ok(bytes) }
}

fn dir_names(dir: BorrowedFd<'_>) -> rustix::io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(dir)? {
        let entry = entry?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if name != "." && name != ".." {
            names.push(name.to_owned());
        }
    }
    names.sort();
    Ok(names)
}

fn remove_at(dir: BorrowedFd<'_>, name: &OsStr) -> rustix::io::Result<()> {
    let stat = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
        return rustix::fs::unlinkat(dir, name, AtFlags::empty());
    }
    let inner = rustix::fs::openat(dir, name, LIST_FLAGS | OFlags::NOFOLLOW, Mode::empty())?;
    for name in dir_names(inner.as_fd())? {
        remove_at(inner.as_fd(), &name)?;
    }
    rustix::fs::unlinkat(dir, name, AtFlags::REMOVEDIR)
}

#[cfg(test)]
mod tests;
