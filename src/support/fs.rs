//! Files, written so that a crash leaves the old state or the new, and errors that name the path.
//!
//! Everything that capture-hook writes goes through [`write_atomic`] or [`replace_dir`]. Neither writes through a link:
//! a path that is a hard link or a symlink into DVC's cache is replaced, its target untouched.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use crate::error::{Explain, Kind};

/// An operation on a path that failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}", path.display())]
pub struct FsError {
    /// What was tried, as a verb: `read`, `write`, `rename`.
    pub action: &'static str,
    /// On which path.
    pub path: PathBuf,
    /// Why it failed.
    pub source: io::Error,
}

impl Explain for FsError {
    fn kind(&self) -> Kind {
        Kind::Io
    }

    fn code(&self) -> &'static str {
        match self.source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "disk_full",
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => "permission_denied",
            _ => "io",
        }
    }

    fn hints(&self) -> Vec<String> {
        match self.source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                vec!["free some disk space and run the same command again; nothing was changed".into()]
            }
            io::ErrorKind::PermissionDenied => vec!["check who owns the path: `ls -ld` shows it".into()],
            _ => Vec::new(),
        }
    }
}

/// Adds the path and the verb to an I/O result.
pub trait At<T> {
    /// Says what was tried, on which path.
    fn at(self, action: &'static str, path: &Path) -> Result<T, FsError>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, action: &'static str, path: &Path) -> Result<T, FsError> {
        self.map_err(|source| FsError { action, path: path.to_path_buf(), source })
    }
}

/// A file's bytes.
pub fn read(path: &Path) -> Result<Vec<u8>, FsError> {
    fs::read(path).at("read", path)
}

/// A file's bytes, `None` where there is no such file.
pub fn read_optional(path: &Path) -> Result<Option<Vec<u8>>, FsError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(error).at("read", path),
    }
}

/// Makes a directory and its parents.
pub fn create_dir_all(path: &Path) -> Result<(), FsError> {
    fs::create_dir_all(path).at("create the directory", path)
}

/// What the names of files begin with that are not whole yet.
pub const TEMP: &str = ".capture-hook-";

/// A directory to make a file in that is then renamed into `dir`: the `.dvc/tmp` of the project around it, which neither git
/// nor DVC looks into, so that a process that is killed leaves nothing where it counts; `dir` itself where that is on
/// another file system, or not there. No link is followed.
#[must_use]
pub fn aside(dir: &Path) -> PathBuf {
    let is_root = |dir: &&Path| dir.join(".dvc").exists() || dir.join(".git").exists();
    let Some(dvc) = dir.ancestors().find(is_root).map(|root| root.join(".dvc")) else { return dir.to_path_buf() };
    let tmp = dvc.join("tmp");
    let real = |path: &Path| fs::symlink_metadata(path).ok().filter(fs::Metadata::is_dir);
    match (real(&dvc), real(&tmp), fs::metadata(dir)) {
        (Some(_), Some(tmp_meta), Ok(dir_meta)) if same_device(&tmp_meta, &dir_meta) => tmp,
        _ => dir.to_path_buf(),
    }
}

#[cfg(unix)]
fn same_device(a: &fs::Metadata, b: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    a.dev() == b.dev()
}

#[cfg(not(unix))]
fn same_device(_: &fs::Metadata, _: &fs::Metadata) -> bool {
    false
}

/// Replaces a file's content whole: a reader sees the old bytes or the new, a crash leaves one of them. The mode of an
/// existing file is kept; an existing link is replaced, not followed.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), FsError> {
    let dir = parent(path);
    let mode = fs::symlink_metadata(path).ok().filter(fs::Metadata::is_file).map(|m| m.permissions());
    let aside = aside(dir);
    let mut temp = tempfile::Builder::new().prefix(TEMP).tempfile_in(&aside).at("write in", &aside)?;
    temp.write_all(bytes).at("write", path)?;
    match mode {
        Some(mode) => temp.as_file().set_permissions(mode).at("set the mode of", path)?,
        None => set_default_mode(temp.as_file(), 0o666).at("set the mode of", path)?,
    }
    temp.as_file().sync_all().at("write", path)?;
    temp.persist(path).map_err(|e| e.error).at("replace", path)?;
    sync_dir(dir)
}

/// A file that is to stay as it is, whole, and read-only for everyone, before it has its name: dropped, it is gone.
pub struct Unnamed {
    temp: tempfile::NamedTempFile,
}

impl Unnamed {
    /// Writes it, into a directory of the file system where it will have its name.
    pub fn write_read_only(dir: &Path, bytes: &[u8]) -> Result<Self, FsError> {
        let mut temp = tempfile::Builder::new().prefix(".capture-hook-").tempfile_in(dir).at("write in", dir)?;
        temp.write_all(bytes).at("write in", dir)?;
        set_mode(temp.as_file(), 0o444).at("set the mode of a file in", dir)?;
        temp.as_file().sync_all().at("write in", dir)?;
        Ok(Self { temp })
    }

    /// Gives it its name. A file that has it already is replaced; its bytes must then be the same, as they are where the
    /// name is made from them.
    pub fn name(self, path: &Path) -> Result<(), FsError> {
        self.temp.persist(path).map_err(|e| e.error).at("replace", path)?;
        Ok(())
    }
}

/// Copies a file to where its name says what is in it: whole or not at all, read-only for everyone. The directory is made.
pub fn copy_read_only(from: &Path, to: &Path) -> Result<(), FsError> {
    let dir = parent(to);
    create_dir_all(dir)?;
    let mut source = File::open(from).at("read", from)?;
    let mut temp = tempfile::Builder::new().prefix(".capture-hook-").tempfile_in(dir).at("write in", dir)?;
    io::copy(&mut source, temp.as_file_mut()).at("copy to", to)?;
    set_mode(temp.as_file(), 0o444).at("set the mode of", to)?;
    temp.as_file().sync_data().at("write", to)?;
    temp.persist(to).map_err(|e| e.error).at("replace", to)?;
    Ok(())
}

#[cfg(unix)]
fn set_mode(file: &File, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
fn set_mode(_: &File, _: u32) -> io::Result<()> {
    Ok(())
}

/// Gives a file the mode that a plain `open` would have given it (`tempfile` makes everything private).
#[cfg(unix)]
fn set_default_mode(file: &File, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(fs::Permissions::from_mode(mode & !umask()))
}

#[cfg(not(unix))]
fn set_default_mode(_: &File, _: u32) -> io::Result<()> {
    Ok(())
}

/// The process's file mode creation mask.
#[cfg(unix)]
#[must_use]
pub fn umask() -> u32 {
    use std::sync::OnceLock;
    // Reading the mask means setting it: once, early, before threads that create files.
    static MASK: OnceLock<u32> = OnceLock::new();
    *MASK.get_or_init(|| {
        let mask = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
        rustix::process::umask(mask);
        mask.as_raw_mode()
    })
}

/// Puts the finished directory `new` in the place of `target`, whole: a reader sees the old directory or the new one.
/// Both must be on one file system. The old directory, if any, is removed afterwards.
pub fn replace_dir(new: &Path, target: &Path) -> Result<(), FsError> {
    let dir = parent(target);
    if fs::symlink_metadata(target).is_err() {
        fs::rename(new, target).at("rename into place", target)?;
        return sync_dir(dir);
    }
    exchange(new, target)?;
    sync_dir(dir)?;
    // `new` now names the old directory, or link.
    remove_all(new)
}

#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn exchange(new: &Path, target: &Path) -> Result<(), FsError> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    match renameat_with(CWD, new, CWD, target, RenameFlags::EXCHANGE) {
        Ok(()) => Ok(()),
        // Some network file systems know no exchange.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS | rustix::io::Errno::NOTSUP) => {
            exchange_by_steps(new, target)
        }
        Err(error) => Err(io::Error::from(error)).at("replace", target),
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
fn exchange(new: &Path, target: &Path) -> Result<(), FsError> {
    exchange_by_steps(new, target)
}

fn exchange_by_steps(new: &Path, target: &Path) -> Result<(), FsError> {
    let aside = tempfile::Builder::new().prefix(".capture-hook-").tempdir_in(parent(new)).at("write in", new)?;
    let old = aside.path().join("old");
    fs::rename(target, &old).at("move aside", target)?;
    if let Err(error) = fs::rename(new, target) {
        fs::rename(&old, target).at("move back", target)?;
        return Err(error).at("rename into place", target);
    }
    fs::rename(&old, new).at("move aside", new)
}

/// Removes a file, link or directory tree; one that is not there is fine. Read-only directories inside are opened first.
pub fn remove_all(path: &Path) -> Result<(), FsError> {
    let meta = match fs::symlink_metadata(path) {
        Ok(meta) => meta,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).at("look at", path),
    };
    if meta.is_dir() { fs::remove_dir_all(path).at("remove", path) } else { fs::remove_file(path).at("remove", path) }
}

/// Makes a rename in `dir` last.
pub fn sync_dir(dir: &Path) -> Result<(), FsError> {
    match File::open(dir).and_then(|d| d.sync_all()) {
        Ok(()) => Ok(()),
        // Not every file system can sync a directory.
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Ok(()),
        Err(error) => Err(error).at("sync", dir),
    }
}

/// Whether a path is a file that may be executed.
#[must_use]
pub fn is_executable(path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::metadata(path).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
    }
    #[cfg(not(unix))]
    {
        path.is_file()
    }
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    }
}

/// How many bytes can still be written where a path is, or will be; `None` where the file system does not tell.
#[must_use]
pub fn free_bytes(path: &Path) -> Option<u64> {
    let there = path.ancestors().find(|dir| dir.is_dir())?;
    let stat = rustix::fs::statvfs(there).ok()?;
    stat.f_bavail.checked_mul(stat.f_frsize)
}

/// Whether both are files, with the same bytes.
pub fn same_bytes(a: &Path, b: &Path) -> io::Result<bool> {
    let (of_a, of_b) = (fs::metadata(a)?, fs::metadata(b)?);
    if !of_a.is_file() || !of_b.is_file() || of_a.len() != of_b.len() {
        return Ok(false);
    }
    let (mut a, mut b) = (File::open(a)?, File::open(b)?);
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

    #[cfg(unix)]
    #[test]
    fn the_mode_of_an_existing_file_is_kept() {
        use std::os::unix::fs::PermissionsExt;
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
