//! The one door to files that a repository names: settings, parameters, pipeline, lockfiles, ignore rules, the dataset.
//!
//! A cloned repository is untrusted. It can hold a link in place of any file or parent directory, and a program that
//! follows the link reads, writes or deletes somewhere else. Here no link is followed: a path is opened relative to the
//! project's root, by `openat2` if the system has it, else name by name, and a link is an error that names it. Only
//! regular files are read, up to a limit; opening a pipe or a device never blocks.
//!
//! Paths that git or the user chose go through [`super::fs`].

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::support::files::{read_file_within, remove_all};
use crate::support::fs_error::{At, FsError, PathRefusal};
use crate::support::git_dir::git_temp_dir;
use crate::support::replace::{place_dir_at, replace_dir_at, write_atomic_at, write_new_at};

/// A project's root. Paths are relative to it; one with `..` is refused.
#[derive(Debug, Clone, Copy)]
pub struct RootDir<'a> {
    path: &'a Path,
}

/// The kind of thing at a path, links not followed.
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
    /// A pipe, a socket or a device
    Other,
}

/// Flags for a directory that is only passed through. With `O_PATH` it need not be readable.
#[cfg(any(target_os = "linux", target_os = "android"))]
const PASS_FLAGS: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const PASS_FLAGS: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Flags for a directory in which names are made, changed or listed.
const LIST_FLAGS: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Flags for any file: opening a pipe does not block, a terminal does not become our controlling terminal.
const NO_WAIT_FLAGS: OFlags = OFlags::NONBLOCK.union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

impl<'a> RootDir<'a> {
    /// A project's root. The path itself may lead through links: the user or git chose it, not the repository.
    #[must_use]
    pub fn new(path: &'a Path) -> Self {
        Self { path }
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &'a Path {
        self.path
    }

    /// Returns a file's bytes, at most `limit`; `None` if there is no such file.
    pub fn read(&self, file: impl AsRef<Path>, limit: u64) -> Result<Option<Vec<u8>>, FsError> {
        let file = file.as_ref();
        match self.open(file)? {
            Some(open) => read_file_within(open, limit).at("read", &self.path.join(file)).map(Some),
            None => Ok(None),
        }
    }

    /// Opens a regular file for reading; `None` if there is no such file.
    pub fn open(&self, file: impl AsRef<Path>) -> Result<Option<File>, FsError> {
        let file = file.as_ref();
        let opened = self.open_path(file, OFlags::RDONLY | NO_WAIT_FLAGS, Mode::empty()).and_then(require_regular);
        self.none_if_missing("read", file, opened)
    }

    /// Returns the kind of thing at a path. A link among its parents is an error, one at the end is [`FileKind::Link`].
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

    /// Checks that neither a directory nor any of its parents is a link or another kind of file. One that does not
    /// exist yet passes.
    pub fn check_dir(&self, dir: impl AsRef<Path>) -> Result<(), FsError> {
        let dir = dir.as_ref();
        let opened = self.open_path(dir, PASS_FLAGS, Mode::empty());
        match opened {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            opened => self.with_path("write in", dir, opened).map(drop),
        }
    }

    /// Returns the names in a directory, sorted; none if there is no such directory.
    pub fn list_dir(&self, dir: impl AsRef<Path>) -> Result<Vec<OsString>, FsError> {
        let dir = dir.as_ref();
        let names = self.open_path(dir, LIST_FLAGS, Mode::empty()).and_then(|dir| Ok(dir_names(dir.as_fd())?));
        Ok(self.none_if_missing("list", dir, names)?.unwrap_or_default())
    }

    /// Replaces a file's content whole: a reader sees the old bytes or the new, a crash leaves one of them. The mode of
    /// an existing file is kept; an existing link is replaced.
    pub fn write_atomic(&self, file: impl AsRef<Path>, bytes: &[u8]) -> Result<(), FsError> {
        let file = file.as_ref();
        let (dir, name) = self.with_path("write", file, self.open_parent(file))?;
        write_atomic_at(dir.as_fd(), &name, git_temp_dir(self.path).as_deref(), bytes)
            .at("write", &self.path.join(file))
    }

    /// Creates a file, whole or not at all; `false` if something has its name already, a link included.
    pub fn write_new(&self, file: impl AsRef<Path>, bytes: &[u8]) -> Result<bool, FsError> {
        let file = file.as_ref();
        let (dir, name) = self.with_path("write", file, self.open_parent(file))?;
        write_new_at(dir.as_fd(), &name, git_temp_dir(self.path).as_deref(), bytes).at("write", &self.path.join(file))
    }

    /// Creates a directory and its parents.
    pub fn create_dir_all(&self, dir: impl AsRef<Path>) -> Result<(), FsError> {
        let dir = dir.as_ref();
        // Name by name, each opened without following links before the next is made in it.
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

    /// Opens a lock file for reading and writing, and leaves its content alone; `None` if there is no such file.
    pub fn open_lock_file(&self, file: impl AsRef<Path>) -> Result<Option<File>, FsError> {
        let file = file.as_ref();
        let opened = self.open_path(file, OFlags::RDWR | NO_WAIT_FLAGS, Mode::empty()).and_then(require_regular);
        self.none_if_missing("open", file, opened)
    }

    /// Opens a lock file as [`Self::open_lock_file`] does; creates it, and its directories, if missing.
    pub fn create_lock_file(&self, file: impl AsRef<Path>) -> Result<File, FsError> {
        let file = file.as_ref();
        self.create_dir_all(file.parent().unwrap_or(Path::new("")))?;
        let mode = Mode::from_raw_mode(0o666);
        let opened =
            self.open_path(file, OFlags::RDWR | OFlags::CREATE | NO_WAIT_FLAGS, mode).and_then(require_regular);
        self.with_path("open", file, opened)
    }

    /// Renames a finished file of ours to `file`, and replaces what was there.
    pub fn rename_in(&self, new_file: &Path, file: impl AsRef<Path>) -> Result<(), FsError> {
        let file = file.as_ref();
        let renamed =
            self.open_parent(file).and_then(|(dir, name)| Ok(rustix::fs::renameat(CWD, new_file, dir, name)?));
        self.with_path("replace", file, renamed)
    }

    /// Renames a finished directory of ours to `dir` in one step. The old one, if any, is removed afterwards.
    pub fn replace_dir(&self, new_dir: &Path, dir: impl AsRef<Path>) -> Result<(), FsError> {
        let dir = dir.as_ref();
        let (parent, name) = self.with_path("replace", dir, self.open_parent(dir))?;
        let replaced = replace_dir_at(new_dir, parent.as_fd(), &name);
        // After the exchange `new_dir` names the old directory, or link.
        if replaced.at("replace", &self.path.join(dir))? { remove_all(new_dir) } else { Ok(()) }
    }

    /// The same, for a caller that makes it durable with others: the names in the directory above are not synced.
    pub fn place_dir(&self, new_dir: &Path, dir: impl AsRef<Path>) -> Result<(), FsError> {
        let dir = dir.as_ref();
        let (parent, name) = self.with_path("replace", dir, self.open_parent(dir))?;
        let replaced = place_dir_at(new_dir, parent.as_fd(), &name);
        if replaced.at("replace", &self.path.join(dir))? { remove_all(new_dir) } else { Ok(()) }
    }

    /// Gives a file a second name: a hard link at `link`, a path of ours.
    pub fn hard_link(&self, file: impl AsRef<Path>, link: &Path) -> Result<(), FsError> {
        let file = file.as_ref();
        let linked = self
            .open_parent(file)
            .and_then(|(dir, name)| Ok(rustix::fs::linkat(dir, name, CWD, link, AtFlags::empty())?));
        self.with_path("link", file, linked)
    }

    /// Removes a file, link or directory tree; succeeds if there is none.
    pub fn remove_all(&self, path: impl AsRef<Path>) -> Result<(), FsError> {
        let path = path.as_ref();
        let removed = self.open_parent(path).and_then(|(dir, name)| Ok(remove_at(dir.as_fd(), &name)?));
        self.none_if_missing("remove", path, removed).map(drop)
    }

    /// Removes a directory if it is empty; returns whether it did. No failure matters: the directory then stays.
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

    /// Opens a path without following a link anywhere in it.
    fn open_path(&self, path: &Path, flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
        let names = path_names(path)?;
        Ok(open_beneath(self.open_root()?.as_fd(), &names, flags, mode)?)
    }

    /// Opens a path's parent directory; returns it with the path's last name.
    fn open_parent(&self, path: &Path) -> io::Result<(OwnedFd, OsString)> {
        let names = path_names(path)?;
        let Some((last, above)) = names.split_last() else { return Err(PathRefusal::Outside.into()) };
        let dir = open_beneath(self.open_root()?.as_fd(), above, LIST_FLAGS, Mode::empty())?;
        Ok((dir, (*last).to_owned()))
    }

    /// Turns "not found" into `None`; any other error names the path.
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

    /// Adds the path to an error; for a refused link, the path of the link.
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

/// Returns the names of a path; fails on `..` and on an absolute path.
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
        // ENOSYS: Linux before 5.6. EPERM: a sandbox that refuses unknown calls. EAGAIN: a rename raced with the
        // look-up.
        Err(Errno::NOSYS | Errno::PERM | Errno::AGAIN) => {}
        opened => return opened,
    }
    open_by_steps(root, names, flags, mode)
}

/// The fast door: one system call, and the kernel itself refuses links and paths that lead out.
#[cfg(target_os = "linux")]
fn open_by_kernel(root: BorrowedFd<'_>, names: &[&OsStr], flags: OFlags, mode: Mode) -> rustix::io::Result<OwnedFd> {
    use rustix::fs::ResolveFlags;
    let path: PathBuf = if names.is_empty() { ".".into() } else { names.iter().collect() };
    rustix::fs::openat2(root, path, flags, mode, ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS)
}

/// The same promise without `openat2`: one `openat` with `O_NOFOLLOW` for each name.
fn open_by_steps(root: BorrowedFd<'_>, names: &[&OsStr], flags: OFlags, mode: Mode) -> rustix::io::Result<OwnedFd> {
    let Some((last, above)) = names.split_last() else { return open_name(root, OsStr::new("."), flags, mode) };
    let mut parent: Option<OwnedFd> = None;
    for name in above {
        parent = Some(open_name(parent.as_ref().map_or(root, AsFd::as_fd), name, PASS_FLAGS, Mode::empty())?);
    }
    open_name(parent.as_ref().map_or(root, AsFd::as_fd), last, flags, mode)
}

/// Opens one name in a directory. A link gives ELOOP, the error of `openat2`.
fn open_name(dir: BorrowedFd<'_>, name: &OsStr, flags: OFlags, mode: Mode) -> rustix::io::Result<OwnedFd> {
    rustix::fs::openat(dir, name, flags | OFlags::NOFOLLOW, mode).map_err(|error| {
        // Linux says ENOTDIR for a link if O_DIRECTORY is set, so the kind of error does not tell; look.
        let stat = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW);
        let is_link = stat.is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Symlink);
        if is_link { Errno::LOOP } else { error }
    })
}

/// Returns the first link among a path's names.
fn first_link(root: &Path, path: &Path) -> Option<PathBuf> {
    let mut prefix = root.to_path_buf();
    path.components().find_map(|name| {
        prefix.push(name);
        std::fs::symlink_metadata(&prefix).ok()?.is_symlink().then(|| prefix.clone())
    })
}

/// Fails unless the open file is a regular one. It is checked after opening, so it cannot be swapped in between.
fn require_regular(file: OwnedFd) -> io::Result<File> {
    let file = File::from(file);
    if file.metadata()?.is_file() { Ok(file) } else { Err(PathRefusal::NotRegular.into()) }
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

/// Removes a name in a directory, with all below it. A link is removed, not followed.
fn remove_at(dir: BorrowedFd<'_>, name: &OsStr) -> rustix::io::Result<()> {
    let stat = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
        return rustix::fs::unlinkat(dir, name, AtFlags::empty());
    }
    // Opened before it is listed: if the directory became a link meanwhile, this fails.
    let inner = rustix::fs::openat(dir, name, LIST_FLAGS | OFlags::NOFOLLOW, Mode::empty())?;
    for name in dir_names(inner.as_fd())? {
        remove_at(inner.as_fd(), &name)?;
    }
    rustix::fs::unlinkat(dir, name, AtFlags::REMOVEDIR)
}

#[cfg(test)]
mod tests;
