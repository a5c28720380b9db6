//! The atomic replacement of files and directories, in a directory that is open already.
//!
//! A new file is written under a temporary name, then renamed into place. A process that is killed leaves nothing but
//! files of such names.

#![expect(clippy::disallowed_methods, reason = "the door itself")]

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::support::files;

/// The prefix of the names of unfinished files.
pub const TEMP_PREFIX: &str = ".capture-hook-";

/// Replaces the file `name` in `dir` with these bytes, synced to disk. The file is written in `temp_dir` if that is on
/// the same file system and writable, else in `dir`. The mode of an existing regular file is kept.
pub(super) fn write_atomic_at(
    dir: BorrowedFd<'_>,
    name: &OsStr,
    temp_dir: Option<&Path>,
    bytes: &[u8],
) -> io::Result<()> {
    let new = NewFile { bytes, mode: mode_of_existing(dir, name), is_synced: true };
    write_aside(dir, temp_dir, &new, |file| file.rename_into(dir, name))
}

/// Replaces the file `name` in `dir` as [`write_atomic_at`] does, without waiting for the disk: a crash of the machine can
/// leave a file of other bytes.
pub(super) fn write_unsynced_at(
    dir: BorrowedFd<'_>,
    name: &OsStr,
    temp_dir: Option<&Path>,
    bytes: &[u8],
) -> io::Result<()> {
    let new = NewFile { bytes, mode: mode_of_existing(dir, name), is_synced: false };
    write_aside(dir, temp_dir, &new, |file| file.rename_into(dir, name))
}

/// The mode of a regular file, else that of a new one.
fn mode_of_existing(dir: BorrowedFd<'_>, name: &OsStr) -> Mode {
    // A failed `stat` counts as "no such file": the file then gets the mode of a new one.
    let existing = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).ok();
    match existing.filter(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile) {
        Some(stat) => Mode::from_raw_mode(stat.st_mode),
        None => new_file_mode(),
    }
}

/// Creates the file `name` in `dir` with these bytes, as [`write_atomic_at`] does; `false` if something has its name
/// already, which then stays as it is.
pub(super) fn write_new_at(
    dir: BorrowedFd<'_>,
    name: &OsStr,
    temp_dir: Option<&Path>,
    bytes: &[u8],
) -> io::Result<bool> {
    let new = NewFile { bytes, mode: new_file_mode(), is_synced: true };
    write_aside(dir, temp_dir, &new, |file| file.link_into(dir, name))
}

fn new_file_mode() -> Mode {
    Mode::from_raw_mode(0o666) & !Mode::from_raw_mode(files::umask())
}

/// A file that is about to be written.
struct NewFile<'a> {
    bytes: &'a [u8],
    mode: Mode,
    is_synced: bool,
}

/// Writes a temporary file, and lets `finish` give it its name in `dir`.
fn write_aside<T>(
    dir: BorrowedFd<'_>,
    temp_dir: Option<&Path>,
    new: &NewFile<'_>,
    finish: impl FnOnce(&mut TempFile<'_>) -> io::Result<T>,
) -> io::Result<T> {
    let temp_dir = temp_dir.and_then(|temp_dir| open_temp_dir(temp_dir, dir));
    let mut temp_file = match temp_dir.as_ref().map(|temp_dir| TempFile::new(temp_dir.as_fd())) {
        Some(Ok(temp_file)) => temp_file,
        // The directory can belong to another user; then the file is made beside its target.
        _ => TempFile::new(dir)?,
    };
    temp_file.file.write_all(new.bytes)?;
    rustix::fs::fchmod(&temp_file.file, new.mode)?;
    // Mode and bytes are on disk before the rename, or a crash could leave an empty file under the name.
    if new.is_synced {
        temp_file.file.sync_all()?;
    }
    let finished = finish(&mut temp_file)?;
    if new.is_synced {
        sync_dir(dir)?;
    }
    Ok(finished)
}

/// Opens the directory for temporary files; `None` if it is on another file system than `dir`, or cannot be opened.
fn open_temp_dir(temp_dir: &Path, dir: BorrowedFd<'_>) -> Option<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let temp_dir = rustix::fs::open(temp_dir, flags, Mode::empty()).ok()?;
    (rustix::fs::fstat(&temp_dir).ok()?.st_dev == rustix::fs::fstat(dir).ok()?.st_dev).then_some(temp_dir)
}

/// A file under a temporary name, removed on drop unless it was renamed.
struct TempFile<'d> {
    dir: BorrowedFd<'d>,
    name: String,
    file: File,
    renamed: bool,
}

impl<'d> TempFile<'d> {
    fn new(dir: BorrowedFd<'d>) -> io::Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        loop {
            // Time and counter keep two processes with one id (in two containers) and two threads apart; `O_EXCL`
            // decides.
            let time = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().subsec_nanos();
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let name = format!("{TEMP_PREFIX}{:x}-{time:x}-{count:x}", std::process::id());
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
            match rustix::fs::openat(dir, name.as_str(), flags, Mode::RUSR | Mode::WUSR) {
                Ok(file) => return Ok(Self { dir, name, file: file.into(), renamed: false }),
                Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl TempFile<'_> {
    fn rename_into(&mut self, dir: BorrowedFd<'_>, name: &OsStr) -> io::Result<()> {
        rustix::fs::renameat(self.dir, self.name.as_str(), dir, name)?;
        self.renamed = true;
        Ok(())
    }

    /// Gives the file a second name, unless that is taken. The first is removed on drop.
    fn link_into(&mut self, dir: BorrowedFd<'_>, name: &OsStr) -> io::Result<bool> {
        match rustix::fs::linkat(self.dir, self.name.as_str(), dir, name, AtFlags::empty()) {
            Ok(()) => Ok(true),
            Err(Errno::EXIST) => Ok(false),
            // File systems without hard links: nothing better than to look first.
            Err(Errno::PERM | Errno::NOTSUP | Errno::NOSYS | Errno::MLINK) => {
                let is_free = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).is_err();
                if is_free {
                    self.rename_into(dir, name)?;
                }
                Ok(is_free)
            }
            Err(error) => Err(error.into()),
        }
    }
}

impl Drop for TempFile<'_> {
    fn drop(&mut self) {
        if !self.renamed {
            // A drop cannot report a failure; the file then stays in the temporary directory.
            let _ = rustix::fs::unlinkat(self.dir, self.name.as_str(), AtFlags::empty());
        }
    }
}

/// Renames the finished directory `new` to `name` in `dir`, durably. If the name was taken, the two are exchanged: what had
/// the name is called `new` afterwards, and the result is `true`.
pub(super) fn replace_dir_at(new: &Path, dir: BorrowedFd<'_>, name: &OsStr) -> io::Result<bool> {
    let existed = place_dir_at(new, dir, name)?;
    sync_dir(dir).map(|()| existed)
}

/// The same, and the caller makes it durable.
pub(super) fn place_dir_at(new: &Path, dir: BorrowedFd<'_>, name: &OsStr) -> io::Result<bool> {
    let existed = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).is_ok();
    if existed {
        exchange_dirs(new, dir, name)?;
    } else {
        rustix::fs::renameat(CWD, new, dir, name)?;
    }
    Ok(existed)
}

#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn exchange_dirs(new: &Path, dir: BorrowedFd<'_>, name: &OsStr) -> io::Result<()> {
    use rustix::fs::{RenameFlags, renameat_with};
    match renameat_with(CWD, new, dir, name, RenameFlags::EXCHANGE) {
        Ok(()) => Ok(()),
        // File systems without RENAME_EXCHANGE, such as some network file systems.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => exchange_dirs_by_steps(new, dir, name),
        Err(error) => Err(error.into()),
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
fn exchange_dirs(new: &Path, dir: BorrowedFd<'_>, name: &OsStr) -> io::Result<()> {
    exchange_dirs_by_steps(new, dir, name)
}

/// Exchanges two directories with three renames. For a moment there is nothing under the name; if the second rename
/// fails, the old directory is put back.
fn exchange_dirs_by_steps(new: &Path, dir: BorrowedFd<'_>, name: &OsStr) -> io::Result<()> {
    let temp_dir = tempfile::Builder::new().prefix(TEMP_PREFIX).tempdir_in(new.parent().unwrap_or(Path::new(".")))?;
    let old = temp_dir.path().join("old");
    rustix::fs::renameat(dir, name, CWD, &old)?;
    if let Err(error) = rustix::fs::renameat(CWD, new, dir, name) {
        rustix::fs::renameat(CWD, &old, dir, name)?;
        return Err(error.into());
    }
    std::fs::rename(&old, new)
}

/// Syncs a directory, so that a rename in it survives a crash.
fn sync_dir(dir: BorrowedFd<'_>) -> io::Result<()> {
    match rustix::fs::fsync(dir) {
        // Not every file system can sync a directory.
        Ok(()) | Err(Errno::INVAL | Errno::NOTSUP) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
