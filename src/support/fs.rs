//! Files, written so that a crash leaves the old state or the new one, and errors that name the path.
//!
//! For paths that no repository names: git's own directory, a folder in the making, DVC's cache, what the user typed.
//! What a repository names goes through [`super::beneath`]. Nothing is written through a link: a file that is a hard
//! link or a symlink into DVC's cache is replaced, its target untouched. Only regular files are read; opening a pipe or
//! a device never blocks.

#![expect(clippy::disallowed_methods, reason = "the door itself")]

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

pub use tempfile::{NamedTempFile, TempDir};

use super::aside;
use crate::error::ExitKind::{Io, Setup};
use crate::error::{Explain, Explanation};
use crate::support::aside::TEMP_PREFIX;
use crate::support::text::shell_quote;

/// A failed operation on a path.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}", path.display())]
pub struct FsError {
    /// What was tried, as a verb: `read`, `write`, `rename`.
    pub action: &'static str,
    /// The path.
    pub path: PathBuf,
    /// Why it failed.
    pub source: io::Error,
}

/// Why a path is not read, written or followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathRefusal {
    /// A link, in a path that a repository names.
    #[error("{} is a link; links in a repository are not followed", .0.display())]
    Link(PathBuf),
    /// A link of a run that leads out of the run's directory.
    #[error("the link leads out of the run's directory")]
    Escape,
    /// A directory, a pipe, a device.
    #[error("not a regular file")]
    NotRegular,
    /// A file with more bytes than are read of its kind.
    #[error("larger than {} MiB", .0 >> 20)]
    TooLarge(u64),
    /// A path that leads out of the project.
    #[error("the path leads out of the project")]
    Outside,
}

impl From<PathRefusal> for io::Error {
    fn from(refused: PathRefusal) -> Self {
        Self::new(io::ErrorKind::InvalidInput, refused)
    }
}

impl FsError {
    /// Why we refused the path; `None` if the system failed.
    #[must_use]
    pub fn refusal(&self) -> Option<&PathRefusal> {
        self.source.get_ref()?.downcast_ref()
    }
}

impl Explain for FsError {
    fn explain(&self) -> Explanation {
        let look = || format!("see what is there: `ls -ld {}`", shell_quote(&self.path));
        match self.refusal() {
            Some(PathRefusal::Link(link)) => Setup
                .code("link_not_followed")
                .hint(format!("see where the link leads: `ls -ld {}`", shell_quote(link)))
                .hint("replace the link by a file or directory of the project"),
            Some(PathRefusal::Escape) => Setup.code("link_not_followed").hint(look()),
            Some(PathRefusal::NotRegular) => Setup.code("not_a_regular_file").hint(look()),
            Some(PathRefusal::TooLarge(_)) => Setup.code("file_too_large"),
            Some(PathRefusal::Outside) => Setup.code("path_outside_project"),
            None => match self.source.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Io
                    .code("disk_full")
                    .hint("free some disk space and run the same command again; nothing was changed"),
                io::ErrorKind::PermissionDenied => Io.code("permission_denied").hints(how_to_get_access(&self.path)),
                io::ErrorKind::ReadOnlyFilesystem => Io.code("permission_denied"),
                _ => Io.code("io"),
            },
        }
    }
}

/// Hints for "permission denied": group rights, if the path is in a directory that git or we made.
fn how_to_get_access(path: &Path) -> Vec<String> {
    match state_dir(path) {
        Some((dir, group)) => {
            let dir = shell_quote(dir);
            vec![
                format!("as its owner or root, run `chgrp -R {group} {dir} && chmod -R g+rwX {dir}`"),
                "run `git config core.sharedRepository group` to keep new files open to the group".into(),
            ]
        }
        None => vec!["see who owns the path: `ls -ld`".into()],
    }
}

/// Returns our own directory in a git directory, if the path is in it, and the group of the git directory.
fn state_dir(path: &Path) -> Option<(&Path, u32)> {
    use std::os::unix::fs::MetadataExt;
    let dir = path.ancestors().find(|dir| dir.file_name().is_some_and(|name| name == "capture-hook"))?;
    let git = dir.parent().filter(|git| git.join("HEAD").exists())?;
    Some((dir, fs::metadata(git).ok()?.gid()))
}

/// Turns an I/O error into one that names the path.
pub trait At<T> {
    /// Adds the verb (`read`, `write`) and the path to an error.
    fn at(self, action: &'static str, path: &Path) -> Result<T, FsError>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, action: &'static str, path: &Path) -> Result<T, FsError> {
        self.map_err(|source| FsError { action, path: path.to_path_buf(), source })
    }
}

/// Opens a regular file for reading. A pipe, a device or a directory is an error, and opening it never blocks.
pub fn open(path: &Path) -> Result<File, FsError> {
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).at("open", path)?;
    if file.metadata().at("look at", path)?.is_file() {
        Ok(file)
    } else {
        Err(PathRefusal::NotRegular.into()).at("open", path)
    }
}

/// Opens a regular file for reading; `None` if there is no such file.
pub fn open_optional(path: &Path) -> Result<Option<File>, FsError> {
    match open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if matches!(error.source.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Returns a file's bytes, however many there are.
pub fn read(path: &Path) -> Result<Vec<u8>, FsError> {
    let mut bytes = Vec::new();
    open(path)?.read_to_end(&mut bytes).at("read", path)?;
    Ok(bytes)
}

/// Returns a file's bytes; `None` if there is no such file.
pub fn read_optional(path: &Path) -> Result<Option<Vec<u8>>, FsError> {
    read_within(path, u64::MAX)
}

/// Returns a file's bytes; `None` if there is no such file. Fails if it has more than `limit` bytes.
pub fn read_within(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, FsError> {
    match open_optional(path)? {
        Some(file) => super::beneath::read_within(file, limit).at("read", path).map(Some),
        None => Ok(None),
    }
}

/// Creates a directory and its parents.
pub fn create_dir_all(path: &Path) -> Result<(), FsError> {
    fs::create_dir_all(path).at("create the directory", path)
}

/// Creates a directory; `false` if something has its name already.
pub fn create_dir(path: &Path) -> Result<bool, FsError> {
    match fs::create_dir(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error).at("create the directory", path),
    }
}

/// Creates a file, open for writing; fails if it exists.
pub fn create_new(path: &Path) -> Result<File, FsError> {
    File::create_new(path).at("create", path)
}

/// Opens a lock file, creates it if missing, and leaves its content alone. Another user's file that we cannot write is
/// opened for reading: that is enough for `flock`.
pub fn open_lock_file(path: &Path) -> Result<File, FsError> {
    match File::options().create(true).truncate(false).read(true).write(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            File::open(path).map_err(|_| error).at("open", path)
        }
        opened => {
            let file = opened.at("open", path)?;
            match_dir_access(path);
            Ok(file)
        }
    }
}

/// Creates a directory inside git's directory with its parent's mode, so that whoever may write there may write here.
/// `false` if something has its name already.
pub fn create_shared_dir(path: &Path) -> Result<bool, FsError> {
    let created = create_dir(path)?;
    if created {
        let parent = parent_dir(path);
        let mode = fs::metadata(parent).at("look at", parent)?.permissions().mode();
        set_dir_mode(path, mode)?;
    }
    Ok(created)
}

/// Replaces a file in such a directory as [`write_atomic`] does, writable by whoever may write in the directory.
pub fn write_shared(path: &Path, bytes: &[u8]) -> Result<(), FsError> {
    write_atomic(path, bytes)?;
    match_dir_access(path);
    Ok(())
}

/// Gives a file the group and world rights of its directory. Another user's file keeps its mode.
fn match_dir_access(path: &Path) {
    let mode = |path: &Path| fs::metadata(path).map(|meta| meta.permissions().mode());
    if let (Ok(dir_mode), Ok(file_mode)) = (mode(parent_dir(path)), mode(path)) {
        let group_bits = if dir_mode & 0o020 == 0 { 0 } else { 0o060 };
        let other_bits = if dir_mode & 0o002 == 0 { 0 } else { 0o006 };
        if file_mode | group_bits | other_bits != file_mode {
            // Only the owner can change the mode; a file of another user works as it is, or its next use reports why
            // not.
            let _ = set_file_mode(path, file_mode | group_bits | other_bits);
        }
    }
}

/// Sets a file's mode, without its set-id and sticky bits.
pub fn set_file_mode(path: &Path, mode: u32) -> Result<(), FsError> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode & 0o777)).at("set the mode of", path)
}

/// Sets a directory's mode, with its set-id and sticky bits: set-group-id passes the group on.
pub fn set_dir_mode(path: &Path, mode: u32) -> Result<(), FsError> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode & 0o7777)).at("set the mode of", path)
}

/// Renames a file or directory; a file that has the name is replaced.
pub fn rename(from: &Path, to: &Path) -> Result<(), FsError> {
    fs::rename(from, to).at("rename", from)
}

/// Copies a regular file to a path that must not exist yet; returns its size in bytes. The mode is that of a new file.
pub fn copy_new(from: &Path, to: &Path) -> Result<u64, FsError> {
    let mut source = open(from)?;
    io::copy(&mut source, &mut create_new(to)?).at("copy", from)
}

/// Makes the same directory tree under another name: hard links if the file system allows it, else copies.
pub fn link_tree(from: &Path, to: &Path) -> Result<(), FsError> {
    create_dir_all(to)?;
    for entry in fs::read_dir(from).at("list", from)? {
        let entry = entry.at("list", from)?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().at("look at", &source)?;
        if kind.is_dir() {
            link_tree(&source, &target)?;
        // Another file system, or one without hard links: copy.
        } else if fs::hard_link(&source, &target).is_err() {
            copy_new(&source, &target)?;
        }
    }
    Ok(())
}

/// Replaces a file's content whole: a reader sees the old bytes or the new, a crash leaves one of them. The mode of an
/// existing file is kept; an existing link is replaced, not followed.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), FsError> {
    let (dir, name) = open_parent(path).at("write", path)?;
    aside::write_atomic_at(dir.as_fd(), name, aside::git_temp_dir(parent_dir(path)).as_deref(), bytes).at("write", path)
}

/// Opens the directory of a path; returns it with the name in it.
fn open_parent(path: &Path) -> io::Result<(OwnedFd, &OsStr)> {
    let name = path.file_name().ok_or(PathRefusal::NotRegular)?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok((rustix::fs::open(parent_dir(path), flags, Mode::empty())?, name))
}

/// A finished, read-only file that has no name yet. It is removed on drop unless it gets one.
pub struct UnnamedFile {
    temp: NamedTempFile,
}

impl UnnamedFile {
    /// Writes the file, synced, into a directory on the file system of its later name.
    pub fn write_read_only(dir: &Path, bytes: &[u8]) -> Result<Self, FsError> {
        let mut temp = create_temp_file(dir, TEMP_PREFIX, "")?;
        temp.write_all(bytes).at("write in", dir)?;
        set_mode(temp.as_file(), 0o444).at("set the mode of a file in", dir)?;
        temp.as_file().sync_all().at("write in", dir)?;
        Ok(Self { temp })
    }

    /// Copies a file into a directory on the file system of its later name, synced. `each` is called with all bytes
    /// that are copied.
    pub fn copy_read_only(dir: &Path, from: &Path, mut each: impl FnMut(&[u8])) -> Result<Self, FsError> {
        let mut source = open(from)?;
        let mut temp = create_temp_file(dir, TEMP_PREFIX, "")?;
        let mut buffer = vec![0; 1 << 17];
        loop {
            let n = source.read(&mut buffer).at("read", from)?;
            if n == 0 {
                break;
            }
            let bytes = buffer.get(..n).unwrap_or_default();
            each(bytes);
            temp.write_all(bytes).at("write in", dir)?;
        }
        set_mode(temp.as_file(), 0o444).at("set the mode of a file in", dir)?;
        // On disk before it gets its name, or a crash could leave the name without the bytes.
        temp.as_file().sync_all().at("write in", dir)?;
        Ok(Self { temp })
    }

    /// Gives the file its name. A file of that name is replaced; in a cache that holds the same bytes, because the name
    /// is their hash.
    pub fn persist_as(self, path: &Path) -> Result<(), FsError> {
        self.temp.persist(path).map_err(|e| e.error).at("replace", path)?;
        Ok(())
    }
}

/// Creates a new directory in another one, with this prefix in its name. It is removed on drop, with all in it.
pub fn create_temp_dir(parent: &Path, prefix: &str) -> Result<TempDir, FsError> {
    tempfile::Builder::new().prefix(prefix).tempdir_in(parent).at("write in", parent)
}

/// Creates a new file in a directory, readable by its owner only, with this prefix and suffix in its name. It is
/// removed on drop.
pub fn create_temp_file(dir: &Path, prefix: &str, suffix: &str) -> Result<NamedTempFile, FsError> {
    tempfile::Builder::new().prefix(prefix).suffix(suffix).tempfile_in(dir).at("write in", dir)
}

/// Creates a file without a name in [`scratch_dir`], for data that memory should not hold.
pub fn create_scratch_file() -> io::Result<File> {
    tempfile::tempfile()
}

/// Returns the system's directory for temporary files.
#[must_use]
pub fn scratch_dir() -> PathBuf {
    std::env::temp_dir()
}

/// Copies a file to a path that tells its content (a cache object): complete or not at all, read-only for everyone.
/// Creates the directory.
pub fn copy_read_only(from: &Path, to: &Path) -> Result<(), FsError> {
    let dir = parent_dir(to);
    create_dir_all(dir)?;
    UnnamedFile::copy_read_only(dir, from, |_| {})?.persist_as(to)
}

fn set_mode(file: &File, mode: u32) -> io::Result<()> {
    file.set_permissions(fs::Permissions::from_mode(mode))
}

/// Makes a file executable, as far as the process's mask allows; always by its owner.
pub fn make_executable(path: &Path) -> Result<(), FsError> {
    let mode = 0o777 & !umask();
    fs::set_permissions(path, fs::Permissions::from_mode(mode | 0o100)).at("make executable", path)
}

/// The process's file mode creation mask.
#[must_use]
pub fn umask() -> u32 {
    use std::sync::OnceLock;
    // POSIX can read the mask only by setting it, for all threads at once; so it is read only once.
    static MASK: OnceLock<u32> = OnceLock::new();
    *MASK.get_or_init(|| {
        let mask = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
        rustix::process::umask(mask);
        mask.as_raw_mode()
    })
}

/// Renames the finished directory `new` to `target`: a reader sees the old directory or the new one. Both must be on
/// one file system. The old directory, if any, is removed afterwards.
pub fn replace_dir(new: &Path, target: &Path) -> Result<(), FsError> {
    let (dir, name) = open_parent(target).at("replace", target)?;
    // After the exchange `new` names the old directory, or link.
    if aside::replace_dir_at(new, dir.as_fd(), name).at("replace", target)? { remove_all(new) } else { Ok(()) }
}

/// Removes a file, link or directory tree; succeeds if there is none.
pub fn remove_all(path: &Path) -> Result<(), FsError> {
    let meta = match fs::symlink_metadata(path) {
        Ok(meta) => meta,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).at("look at", path),
    };
    if meta.is_dir() { fs::remove_dir_all(path).at("remove", path) } else { fs::remove_file(path).at("remove", path) }
}

/// Whether a path is a regular file, links followed, that anybody may execute.
#[must_use]
pub fn is_executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}

fn parent_dir(path: &Path) -> &Path {
    match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    }
}

/// Returns how many bytes an unprivileged user can still write at a path, or will once it exists; `None` if the file
/// system does not say.
#[must_use]
pub fn free_bytes(path: &Path) -> Option<u64> {
    let existing_dir = path.ancestors().find(|dir| dir.is_dir())?;
    let stat = rustix::fs::statvfs(existing_dir).ok()?;
    stat.f_bavail.checked_mul(stat.f_frsize)
}

/// Whether both are regular files with the same bytes.
pub fn has_same_bytes(a: &Path, b: &Path) -> io::Result<bool> {
    let (meta_a, meta_b) = (fs::metadata(a)?, fs::metadata(b)?);
    if !meta_a.is_file() || !meta_b.is_file() || meta_a.len() != meta_b.len() {
        return Ok(false);
    }
    let open_file = |path| open(path).map_err(|error| error.source);
    let (mut a, mut b) = (open_file(a)?, open_file(b)?);
    // 64 KiB at a time: few system calls, little memory.
    let (mut from_a, mut from_b) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    loop {
        let (n, m) = (fill_buffer(&mut a, &mut from_a)?, fill_buffer(&mut b, &mut from_b)?);
        if from_a.get(..n) != from_b.get(..m) {
            return Ok(false);
        }
        if n < from_a.len() {
            return Ok(true);
        }
    }
}

/// Reads until the buffer is full or the file ends.
fn fill_buffer(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read(rest) {
            Ok(0) => break,
            Ok(n) => filled += n,
            // {} => A signal interrupted the call: try again.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_replaced_and_its_target_untouched() {
        let dir = tempfile::tempdir().unwrap();
        let (cache, link) = (dir.path().join("cache"), dir.path().join("link"));
        fs::write(&cache, "old").unwrap();
        fs::hard_link(&cache, &link).unwrap();
        write_atomic(&link, b"new").unwrap();
        assert_eq!((fs::read(&cache).unwrap(), fs::read(&link).unwrap()), (b"old".to_vec(), b"new".to_vec()));
    }

    #[test]
    fn the_mode_of_an_existing_file_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        write_atomic(&path, b"new").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    }

    #[test]
    fn a_directory_is_replaced_whole() {
        let dir = tempfile::tempdir().unwrap();
        let (new, target) = (dir.path().join("new"), dir.path().join("target"));
        for (d, f) in [(&new, "b"), (&target, "a")] {
            fs::create_dir(d).unwrap();
            fs::write(d.join(f), f).unwrap();
        }
        replace_dir(&new, &target).unwrap();
        assert!(target.join("b").exists() && !target.join("a").exists() && !new.exists());
    }
}
