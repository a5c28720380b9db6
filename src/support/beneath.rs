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
use crate::support::fs::{At, FsError, Refused, remove_all};

/// A project's root, and what lies beneath it. Paths are relative to it, and have no `..`.
#[derive(Debug, Clone, Copy)]
pub struct Root<'a> {
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
const PASSING: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const PASSING: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// How a directory is opened in which names are made, changed or listed.
const WORKING: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// How any file is opened: a pipe is not waited for, a terminal does not become ours.
const UNWAITING: OFlags = OFlags::NONBLOCK.union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

impl<'a> Root<'a> {
    /// A project's root: a directory that the user, or git, has led us to.
    #[must_use]
    pub fn at(path: &'a Path) -> Self {
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
        let opened = self.descend(file, OFlags::RDONLY | UNWAITING, Mode::empty()).and_then(regular);
        self.optional("read", file, opened)
    }

    /// What lies at a path. A link on the way is an error, one at the end is told.
    pub fn kind(&self, path: impl AsRef<Path>) -> Result<FileKind, FsError> {
        let path = path.as_ref();
        let kind = self.parent(path).and_then(|(dir, name)| {
            let stat = rustix::fs::statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW)?;
            Ok(match FileType::from_raw_mode(stat.st_mode) {
                FileType::RegularFile => FileKind::File,
                FileType::Directory => FileKind::Directory,
                FileType::Symlink => FileKind::Link,
                _ => FileKind::Other,
            })
        });
        Ok(self.optional("look at", path, kind)?.unwrap_or(FileKind::Absent))
    }

    /// Whether a directory is one of its own: neither it nor any on the way is a link, or something else. One that is not
    /// there yet is fine.
    pub fn check_dir(&self, dir: impl AsRef<Path>) -> Result<(), FsError> {
        let dir = dir.as_ref();
        let opened = self.descend(dir, PASSING, Mode::empty());
        match opened {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            opened => self.told("write in", dir, opened).map(drop),
        }
    }

    /// The names in a directory, sorted; none where there is no such directory.
    pub fn names(&self, dir: impl AsRef<Path>) -> Result<Vec<OsString>, FsError> {
        let dir = dir.as_ref();
        let names = self.descend(dir, WORKING, Mode::empty()).and_then(|dir| Ok(names_in(dir.as_fd())?));
        Ok(self.optional("list", dir, names)?.unwrap_or_default())
    }

    /// Replaces a file's content whole: a reader sees the old bytes or the new, a crash leaves one of them. The mode of an
    /// existing file is kept; an existing link is replaced.
    pub fn write_atomic(&self, file: impl AsRef<Path>, bytes: &[u8]) -> Result<(), FsError> {
        let file = file.as_ref();
        let (dir, name) = self.told("write", file, self.parent(file))?;
        aside::put(dir.as_fd(), &name, aside::own_dir(self.path).as_deref(), bytes).at("write", &self.path.join(file))
    }

    /// Makes a directory and its parents.
    pub fn create_dir_all(&self, dir: impl AsRef<Path>) -> Result<(), FsError> {
        let dir = dir.as_ref();
        let make = || -> io::Result<()> {
            let mut at = self.open_root()?;
            for name in names_of(dir)? {
                match rustix::fs::mkdirat(&at, name, Mode::from_raw_mode(0o777)) {
                    Ok(()) | Err(Errno::EXIST) => at = step(at.as_fd(), name, PASSING, Mode::empty())?,
                    Err(error) => return Err(error.into()),
                }
            }
            Ok(())
        };
        match self.descend(dir, PASSING, Mode::empty()) {
            Ok(_) => Ok(()),
            Err(_) => self.told("create the directory", dir, make()),
        }
    }

    /// A lock file, open for reading and writing, its content as it was; `None` where there is none.
    pub fn open_lock(&self, file: impl AsRef<Path>) -> Result<Option<File>, FsError> {
        let file = file.as_ref();
        let opened = self.descend(file, OFlags::RDWR | UNWAITING, Mode::empty()).and_then(regular);
        self.optional("open", file, opened)
    }

    /// The same, made where it is missing, with the directories on the way.
    pub fn make_lock(&self, file: impl AsRef<Path>) -> Result<File, FsError> {
        let file = file.as_ref();
        self.create_dir_all(file.parent().unwrap_or(Path::new("")))?;
        let mode = Mode::from_raw_mode(0o666);
        let opened = self.descend(file, OFlags::RDWR | OFlags::CREATE | UNWAITING, mode).and_then(regular);
        self.told("open", file, opened)
    }

    /// Puts a finished file of ours in the place of another, or where nothing was.
    pub fn rename_in(&self, made: &Path, file: impl AsRef<Path>) -> Result<(), FsError> {
        let file = file.as_ref();
        let renamed = self.parent(file).and_then(|(dir, name)| Ok(rustix::fs::renameat(CWD, made, dir, name)?));
        self.told("replace", file, renamed)
    }

    /// Puts a finished directory of ours in the place of `dir`, whole. The old one, if any, is removed afterwards.
    pub fn replace_dir(&self, made: &Path, dir: impl AsRef<Path>) -> Result<(), FsError> {
        let dir = dir.as_ref();
        let (parent, name) = self.told("replace", dir, self.parent(dir))?;
        let replaced = aside::replace_dir_at(made, parent.as_fd(), &name);
        // `made` now names the old directory, or link.
        if replaced.at("replace", &self.path.join(dir))? { remove_all(made) } else { Ok(()) }
    }

    /// Gives a file a second name, in a directory of ours.
    pub fn hard_link(&self, file: impl AsRef<Path>, made: &Path) -> Result<(), FsError> {
        let file = file.as_ref();
        let linked =
            self.parent(file).and_then(|(dir, name)| Ok(rustix::fs::linkat(dir, name, CWD, made, AtFlags::empty())?));
        self.told("link", file, linked)
    }

    /// Removes a file, link or directory tree; one that is not there is fine.
    pub fn remove_all(&self, path: impl AsRef<Path>) -> Result<(), FsError> {
        let path = path.as_ref();
        let removed = self.parent(path).and_then(|(dir, name)| Ok(remove_at(dir.as_fd(), &name)?));
        self.optional("remove", path, removed).map(drop)
    }

    /// Removes a directory if it is empty, and says whether it did.
    pub fn remove_empty_dir(&self, dir: impl AsRef<Path>) -> bool {
        let removed = self.parent(dir.as_ref()).and_then(|(at, name)| {
            rustix::fs::unlinkat(at, name, AtFlags::REMOVEDIR)?;
            Ok(())
        });
        removed.is_ok()
    }

    fn open_root(&self) -> io::Result<OwnedFd> {
        Ok(rustix::fs::open(self.path, PASSING, Mode::empty())?)
    }

    /// Opens what lies at a path, no link followed.
    fn descend(&self, path: &Path, flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
        let names = names_of(path)?;
        Ok(open_beneath(self.open_root()?.as_fd(), &names, flags, mode)?)
    }

    /// The directory that a path's last name lies in, and that name.
    fn parent(&self, path: &Path) -> io::Result<(OwnedFd, OsString)> {
        let names = names_of(path)?;
        let Some((last, above)) = names.split_last() else { return Err(Refused::Outside.into()) };
        let dir = open_beneath(self.open_root()?.as_fd(), above, WORKING, Mode::empty())?;
        Ok((dir, (*last).to_owned()))
    }

    /// `None` for what is not there.
    fn optional<T>(&self, action: &'static str, path: &Path, result: io::Result<T>) -> Result<Option<T>, FsError> {
        match result {
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
            result => self.told(action, path, result).map(Some),
        }
    }

    /// An error that names the path, and the link that is in the way.
    fn told<T>(&self, action: &'static str, path: &Path, result: io::Result<T>) -> Result<T, FsError> {
        let full = self.path.join(path);
        let looped = |error: &io::Error| error.raw_os_error() == Some(Errno::LOOP.raw_os_error());
        let result = result.map_err(|error| match looped(&error) {
            true => Refused::Link(first_link(self.path, path).unwrap_or_else(|| full.clone())).into(),
            false => error,
        });
        result.at(action, &full)
    }
}

/// The names that a path leads through.
fn names_of(path: &Path) -> io::Result<Vec<&OsStr>> {
    let mut names = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => names.push(name),
            Component::CurDir => {}
            _ => return Err(Refused::Outside.into()),
        }
    }
    Ok(names)
}

fn open_beneath(root: BorrowedFd<'_>, names: &[&OsStr], flags: OFlags, mode: Mode) -> rustix::io::Result<OwnedFd> {
    #[cfg(target_os = "linux")]
    match by_kernel(root, names, flags, mode) {
        // Linux before 5.6; a sandbox that does not know it.
        Err(Errno::NOSYS | Errno::PERM | Errno::AGAIN) => {}
        opened => return opened,
    }
    by_steps(root, names, flags, mode)
}

#[cfg(target_os = "linux")]
fn by_kernel(root: BorrowedFd<'_>, names: &[&OsStr], flags: OFlags, mode: Mode) -> rustix::io::Result<OwnedFd> {
    use rustix::fs::ResolveFlags;
    let path: PathBuf = if names.is_empty() { ".".into() } else { names.iter().collect() };
    rustix::fs::openat2(root, path, flags, mode, ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS)
}

fn by_steps(root: BorrowedFd<'_>, names: &[&OsStr], flags: OFlags, mode: Mode) -> rustix::io::Result<OwnedFd> {
    let Some((last, above)) = names.split_last() else { return step(root, OsStr::new("."), flags, mode) };
    let mut at: Option<OwnedFd> = None;
    for name in above {
        at = Some(step(at.as_ref().map_or(root, AsFd::as_fd), name, PASSING, Mode::empty())?);
    }
    step(at.as_ref().map_or(root, AsFd::as_fd), last, flags, mode)
}

/// Opens one name in a directory; a link is the error that `openat2` gives for one.
fn step(at: BorrowedFd<'_>, name: &OsStr, flags: OFlags, mode: Mode) -> rustix::io::Result<OwnedFd> {
    rustix::fs::openat(at, name, flags | OFlags::NOFOLLOW, mode).map_err(|error| {
        let stat = rustix::fs::statat(at, name, AtFlags::SYMLINK_NOFOLLOW);
        let is_link = stat.is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Symlink);
        if is_link { Errno::LOOP } else { error }
    })
}

/// The first link on the way to a path.
fn first_link(root: &Path, path: &Path) -> Option<PathBuf> {
    let mut at = root.to_path_buf();
    path.components().find_map(|name| {
        at.push(name);
        std::fs::symlink_metadata(&at).ok()?.is_symlink().then(|| at.clone())
    })
}

fn regular(file: OwnedFd) -> io::Result<File> {
    let file = File::from(file);
    if file.metadata()?.is_file() { Ok(file) } else { Err(Refused::NotRegular.into()) }
}

/// All bytes of a file that has no more than the limit.
pub(super) fn read_within(file: File, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit { Err(Refused::TooLarge(limit).into()) } else { Ok(bytes) }
}

fn names_in(dir: BorrowedFd<'_>) -> rustix::io::Result<Vec<OsString>> {
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
    let inner = rustix::fs::openat(dir, name, WORKING | OFlags::NOFOLLOW, Mode::empty())?;
    for name in names_in(inner.as_fd())? {
        remove_at(inner.as_fd(), &name)?;
    }
    rustix::fs::unlinkat(dir, name, AtFlags::REMOVEDIR)
}

#[cfg(test)]
mod tests;
