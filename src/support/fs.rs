//! Files, written so that a crash leaves the old state or the new one, and errors that name the path.
//!
//! For paths that no repository names: git's own directory, a folder in the making, DVC's cache, what the user typed.
//! What a repository names goes through [`super::beneath`]. Nothing is written through a link: a file that is a hard
//! link or a symlink into DVC's cache is replaced, its target untouched. Only regular files are read; opening a pipe or
//! a device never blocks.

#![expect(clippy::disallowed_methods, reason = "the door itself")]

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

pub use tempfile::{NamedTempFile, TempDir};

use crate::support::blocks::read_blocks;
pub use crate::support::files::umask;
pub use crate::support::files::{
    create_dir, create_dir_all, create_new, create_shared_dir, open, open_lock_file, open_optional, read,
    read_optional, read_within, remove_all, remove_empty_dir, set_dir_mode, set_file_mode, write_new,
};
use crate::support::files::{match_dir_access, parent_dir};
pub use crate::support::fs_error::{At, FsError, PathRefusal};
use crate::support::git_dir::git_temp_dir;
use crate::support::replace::{TEMP_PREFIX, replace_dir_at, write_atomic_at, write_unsynced_at};

/// Replaces a file in a directory of [`create_shared_dir`] as [`write_atomic`] does, writable by everyone who may write
/// in the directory.
pub fn write_shared(path: &Path, bytes: &[u8]) -> Result<(), FsError> {
    write_atomic(path, bytes)?;
    match_dir_access(path);
    Ok(())
}

/// The same without waiting for the disk, for what can be worked out again: a crash of the machine can leave other bytes.
pub fn write_shared_unsynced(path: &Path, bytes: &[u8]) -> Result<(), FsError> {
    let (dir, name) = open_parent(path).at("write", path)?;
    write_unsynced_at(dir.as_fd(), name, git_temp_dir(parent_dir(path)).as_deref(), bytes).at("write", path)?;
    match_dir_access(path);
    Ok(())
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
    write_atomic_at(dir.as_fd(), name, git_temp_dir(parent_dir(path)).as_deref(), bytes).at("write", path)
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
        let copied = read_blocks(&mut source, |block| {
            each(block);
            temp.write_all(block)
        });
        copied.at("copy", from)?;
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

/// Copies a file to a path that depends on its content (a cache object): complete or not at all, read-only for
/// everyone. Creates the directory.
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

/// Renames the finished directory `new` to `target`: a reader sees the old directory or the new one. Both must be on
/// one file system. The old directory, if any, is removed afterwards.
pub fn replace_dir(new: &Path, target: &Path) -> Result<(), FsError> {
    let (dir, name) = open_parent(target).at("replace", target)?;
    // After the exchange `new` names the old directory, or link.
    if replace_dir_at(new, dir.as_fd(), name).at("replace", target)? { remove_all(new) } else { Ok(()) }
}

/// Whether a path is a regular file, links followed, that anybody may execute.
#[must_use]
pub fn is_executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
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
