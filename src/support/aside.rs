//! Temporary files, and the atomic replacement of files and directories.
//!
//! A new file is written in a directory that git, DVC and readers do not look into, then renamed into place. A process
//! that is killed leaves nothing but files in that directory.
//!
//! The directory is `capture-hook/tmp` in git's own directory, because no commit can put a link there first. Only a
//! project without one (the copy that a DVC experiment runs in) uses DVC's `.dvc/tmp`.

#![expect(clippy::disallowed_methods, reason = "the door itself")]

use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::fs;
use crate::support::beneath::RootDir;
use crate::support::fs::FsError;

/// The prefix of the names of unfinished files.
pub const TEMP_PREFIX: &str = ".capture-hook-";

/// DVC's own directory for temporary files, relative to a project's root.
const DVC_TMP: &str = ".dvc/tmp";

/// Returns the directory for temporary files of the DVC project at `root`, and creates it if it is missing.
pub fn project_temp_dir(root: &Path) -> Result<PathBuf, FsError> {
    match git_dir_above(root) {
        Some(git) => create_git_temp_dir(&git),
        None => RootDir::new(root).create_dir_all(DVC_TMP).map(|()| root.join(DVC_TMP)),
    }
}

/// Returns the directory for temporary files in git's own directory, for the DVC project around `dir`. `None` if there
/// is no such project, or no git directory beside it or above.
pub(super) fn git_temp_dir(dir: &Path) -> Option<PathBuf> {
    // A failure only costs the better place: the caller writes next to the target instead.
    create_git_temp_dir(&git_dir_above(dvc_root_above(dir)?)?).ok()
}

/// Creates the directory with the group rights of git's directory, so that a shared repository works for every member.
fn create_git_temp_dir(git: &Path) -> Result<PathBuf, FsError> {
    let mut dir = git.to_path_buf();
    for name in ["capture-hook", "tmp"] {
        dir.push(name);
        fs::create_shared_dir(&dir)?;
    }
    Ok(dir)
}

/// Returns a directory for a file that is then renamed into `dir`: the one for temporary files if it is on the same
/// file system and writable, else `dir` itself.
#[must_use]
pub fn temp_dir_for(dir: &Path) -> PathBuf {
    let tmp = dvc_root_above(dir).and_then(|root| project_temp_dir(root).ok());
    // A rename works within one file system only.
    let device = |path: &Path| std::fs::metadata(path).ok().as_ref().map(Metadata::dev);
    let access = rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK;
    let is_usable = |tmp: &PathBuf| device(tmp) == device(dir) && rustix::fs::access(tmp, access).is_ok();
    tmp.filter(is_usable).unwrap_or_else(|| dir.to_path_buf())
}

/// Returns the git directory of the repository that contains `dir`.
fn git_dir_above(dir: &Path) -> Option<PathBuf> {
    dir.ancestors().find_map(|dir| git_dir(&dir.join(".git")))
}

/// Returns the root of the DVC project that contains `dir`.
fn dvc_root_above(dir: &Path) -> Option<&Path> {
    dir.ancestors().find(|dir| std::fs::symlink_metadata(dir.join(".dvc")).is_ok())
}

/// Returns the git directory for a path ending in `.git`: itself, or what the file says (a linked working tree or a
/// submodule has a file `gitdir: PATH`). The path is safe to follow, because git lets no commit hold the name `.git`.
fn git_dir(dot_git: &Path) -> Option<PathBuf> {
    /// 64 KiB: Linux opens no path longer than 4 KiB.
    const LONGEST: u64 = 64 << 10;
    if std::fs::metadata(dot_git).ok()?.is_dir() {
        return Some(dot_git.to_path_buf());
    }
    let text = String::from_utf8(fs::read_within(dot_git, LONGEST).ok()??).ok()?;
    let dir = dot_git.parent()?.join(text.strip_prefix("gitdir:")?.trim());
    dir.is_dir().then_some(dir)
}

/// Replaces the file `name` in `dir` with these bytes, synced to disk. The file is written in `temp_dir` if that is on
/// the same file system and writable, else in `dir`. The mode of an existing regular file is kept.
pub(super) fn write_atomic_at(
    dir: BorrowedFd<'_>,
    name: &OsStr,
    temp_dir: Option<&Path>,
    bytes: &[u8],
) -> io::Result<()> {
    // A failed `stat` counts as "no such file": the file then gets the mode of a new one.
    let existing = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).ok();
    let mode = match existing.filter(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile) {
        Some(stat) => Mode::from_raw_mode(stat.st_mode),
        None => Mode::from_raw_mode(0o666) & !Mode::from_raw_mode(fs::umask()),
    };
    let temp_dir = temp_dir.and_then(|temp_dir| open_temp_dir(temp_dir, dir));
    let mut temp_file = match temp_dir.as_ref().map(|temp_dir| TempFile::new(temp_dir.as_fd())) {
        Some(Ok(temp_file)) => temp_file,
        // The directory can belong to another user; then the file is made beside its target.
        _ => TempFile::new(dir)?,
    };
    temp_file.file.write_all(bytes)?;
    // Mode and bytes are on disk before the rename, or a crash could leave an empty file under the name.
    rustix::fs::fchmod(&temp_file.file, mode)?;
    temp_file.file.sync_all()?;
    temp_file.rename_into(dir, name)?;
    sync_dir(dir)
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
}

impl Drop for TempFile<'_> {
    fn drop(&mut self) {
        if !self.renamed {
            // A drop cannot report a failure; the file then stays in the temporary directory.
            let _ = rustix::fs::unlinkat(self.dir, self.name.as_str(), AtFlags::empty());
        }
    }
}

/// Renames the finished directory `new` to `name` in `dir`. If the name was taken, the two are exchanged: what had the
/// name is called `new` afterwards, and the result is `true`.
pub(super) fn replace_dir_at(new: &Path, dir: BorrowedFd<'_>, name: &OsStr) -> io::Result<bool> {
    let existed = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).is_ok();
    if existed {
        exchange_dirs(new, dir, name)?;
    } else {
        rustix::fs::renameat(CWD, new, dir, name)?;
    }
    sync_dir(dir).map(|()| existed)
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn temp_files_lie_in_gits_directory() {
        let dir = tempfile::tempdir().unwrap();
        let (root, data) = (dir.path().join("a"), dir.path().join("a/data"));
        std::fs::create_dir_all(&data).unwrap();
        assert_eq!((git_temp_dir(&data), temp_dir_for(&data)), (None, data.clone()));
        // An experiment's copy, without git.
        std::fs::create_dir(root.join(".dvc")).unwrap();
        assert_eq!((git_temp_dir(&data), temp_dir_for(&data)), (None, root.join(".dvc/tmp")));
        // A linked working tree.
        let git = dir.path().join("main/.git/worktrees/a");
        std::fs::create_dir_all(&git).unwrap();
        std::fs::set_permissions(&git, std::fs::Permissions::from_mode(0o2775)).unwrap();
        std::fs::write(root.join(".git"), format!("gitdir: {}\n", git.display())).unwrap();
        assert_eq!(temp_dir_for(&data), git.join("capture-hook/tmp"));
        assert_eq!(std::fs::metadata(temp_dir_for(&data)).unwrap().permissions().mode() & 0o7777, 0o2775);
        std::fs::remove_file(root.join(".git")).unwrap();
        // A project in a repository.
        std::fs::create_dir(dir.path().join(".git")).unwrap();
        assert_eq!(temp_dir_for(&data), dir.path().join(".git/capture-hook/tmp"));
    }

    /// C13: `.dvc/tmp` is not used if it is a link.
    #[test]
    fn a_link_in_place_of_dvcs_temp_dir_is_not_used() {
        let dir = tempfile::tempdir().unwrap();
        let (root, elsewhere) = (dir.path().join("a"), dir.path().join("elsewhere"));
        std::fs::create_dir_all(root.join(".dvc")).unwrap();
        std::fs::create_dir(&elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, root.join(".dvc/tmp")).unwrap();
        assert_eq!(temp_dir_for(&root), root);
        assert!(project_temp_dir(&root).is_err());
    }
}
