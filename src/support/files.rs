//! Opens, reads, creates and removes files and directories, and sets their modes.
//!
//! The lower half of [`super::fs`], which passes all of it on. Only regular files are read; opening a pipe or a device
//! never blocks.

#![expect(clippy::disallowed_methods, reason = "the door itself")]

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use rustix::fs::{Mode, OFlags};

use crate::support::fs_error::{At, FsError, PathRefusal};

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
        Some(file) => read_file_within(file, limit).at("read", path).map(Some),
        None => Ok(None),
    }
}

/// Creates a directory and its parents.
pub fn create_dir_all(path: &Path) -> Result<(), FsError> {
    fs::create_dir_all(path).at("create the directory", path)
}

/// Removes a directory if it is empty; whether it did.
pub fn remove_empty_dir(path: &Path) -> bool {
    fs::remove_dir(path).is_ok()
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

/// Writes a new file; fails if it exists.
pub fn write_new(path: &Path, bytes: &[u8]) -> Result<(), FsError> {
    create_new(path)?.write_all(bytes).at("write", path)
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

/// Creates a directory inside git's directory with its parent's mode, so that everyone who may write there may write
/// here. `false` if something has its name already.
pub fn create_shared_dir(path: &Path) -> Result<bool, FsError> {
    let created = create_dir(path)?;
    if created {
        let parent = parent_dir(path);
        let mode = fs::metadata(parent).at("look at", parent)?.permissions().mode();
        set_dir_mode(path, mode)?;
    }
    Ok(created)
}

/// Gives a file the group and world rights of its directory. Another user's file keeps its mode.
pub(super) fn match_dir_access(path: &Path) {
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

/// Removes a file, link or directory tree; succeeds if there is none.
pub fn remove_all(path: &Path) -> Result<(), FsError> {
    let meta = match fs::symlink_metadata(path) {
        Ok(meta) => meta,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).at("look at", path),
    };
    if meta.is_dir() { fs::remove_dir_all(path).at("remove", path) } else { fs::remove_file(path).at("remove", path) }
}

/// The process's file mode creation mask.
#[must_use]
pub fn umask() -> u32 {
    use std::sync::OnceLock;
    // POSIX can read the mask only by setting it, for all threads at once; so it is read only once.
    static MASK: OnceLock<u32> = OnceLock::new();
    *MASK.get_or_init(|| {
        let mask = rustix::process::umask(Mode::from_raw_mode(0o022));
        rustix::process::umask(mask);
        mask.as_raw_mode()
    })
}

pub(super) fn parent_dir(path: &Path) -> &Path {
    match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    }
}

/// Reads a file to its end; fails if it has more than `limit` bytes.
pub(super) fn read_file_within(file: File, limit: u64) -> io::Result<Vec<u8>> {
    // With room for one byte more than it has, its end shows without growing once more. What is no file has no size.
    let size = file.metadata().map_or(0, |meta| meta.len()).min(limit).saturating_add(1);
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
    // One byte more than the limit shows that the file is too large, however it grows meanwhile.
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit { Err(PathRefusal::TooLarge(limit).into()) } else { Ok(bytes) }
}
