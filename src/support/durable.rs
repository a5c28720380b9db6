//! Makes many new files durable together, instead of one after the other.
//!
//! All are written first, under names that are never read; then their content is made durable; only then do they get their
//! names; then the directories are made durable. Many files are one `syncfs` of their file system: 21,000 small files took
//! 0.15 s on ext4, and 3.7 s synced one after the other. Files are synced by themselves, several at once (0.8 s), if there
//! are few, if `syncfs` does not promise enough (network and user-space file systems, Linux before 5.8, other systems), if
//! it fails, or if far more waits to be written on this machine than is ours: `syncfs` would wait for all of it.

#![expect(clippy::disallowed_methods, reason = "opens what this process wrote, and what the kernel says of itself")]

use std::fs::File;
use std::path::Path;

use rustix::io::Errno;

use crate::support::fs_error::{At, FsError};
use crate::support::parallel;

/// Up to so many files are synced by themselves: for a single run, that is as fast.
const FEW_FILES: usize = 64;

/// What others may have to write in addition to ours, before each of our files is synced by itself.
const MAX_OTHER_BYTES: u64 = 256 << 20;

/// How files were made durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncedBy {
    /// With everything else on the file system, directories included.
    FileSystem,
    /// Each by itself.
    Each,
}

/// New files on one file system that become durable together.
#[derive(Debug)]
pub struct DurableBatch {
    /// A directory of the file system, opened before the first file was written; `None` if each file is synced.
    whole: Option<File>,
}

impl DurableBatch {
    /// Begins a batch on the file system of `dir`. To be called before its first file is written: a failure of the disk is
    /// reported only to whoever had opened something there before.
    #[must_use]
    pub fn begin(dir: &Path) -> Self {
        // A directory that cannot be opened leaves the slower method, which reports what is wrong.
        Self { whole: File::open(dir).ok().filter(syncs_as_a_whole) }
    }

    /// How many threads are to write the files: on a network, one for each processor would only wait.
    #[must_use]
    pub fn writers(&self) -> usize {
        if self.whole.is_some() { parallel::processors() } else { parallel::WAITING_THREADS }
    }

    /// Makes the content of these files durable, `bytes` in all.
    pub fn sync_files<P: AsRef<Path> + Sync>(&self, files: &[P], bytes: u64) -> Result<SyncedBy, FsError> {
        if self.sync_whole(files.len(), bytes) {
            return Ok(SyncedBy::FileSystem);
        }
        parallel::try_each_waiting(files, |file| {
            let path = file.as_ref();
            File::open(path).and_then(|file| file.sync_data()).at("write", path)
        })?;
        Ok(SyncedBy::Each)
    }

    /// Makes the names in these directories durable.
    pub fn sync_dirs<P: AsRef<Path> + Sync>(&self, dirs: &[P]) -> Result<(), FsError> {
        if self.sync_whole(dirs.len(), 0) {
            return Ok(());
        }
        parallel::try_each_waiting(dirs, |dir| {
            let path = dir.as_ref();
            let opened = File::open(path).at("open", path)?;
            match rustix::fs::fsync(&opened) {
                // Not every file system can sync a directory.
                Ok(()) | Err(Errno::INVAL | Errno::NOTSUP) => Ok(()),
                Err(error) => Err(error.into()).at("write", path),
            }
        })
    }

    /// Syncs the whole file system if that is quick; whether it did.
    fn sync_whole(&self, count: usize, bytes: u64) -> bool {
        let Some(whole) = self.whole.as_ref().filter(|_| count > FEW_FILES) else { return false };
        // Blocks are larger than small files, and each file has an inode.
        const PER_FILE: u64 = 8 << 10;
        let ours = bytes.saturating_add(PER_FILE.saturating_mul(count as u64));
        // A failure can be one of other files; syncing each of ours tells.
        unwritten_bytes().is_some_and(|all| all <= ours.saturating_add(MAX_OTHER_BYTES)) && sync_file_system(whole)
    }
}

#[cfg(target_os = "linux")]
fn sync_file_system(dir: &File) -> bool {
    rustix::fs::syncfs(dir).is_ok()
}

#[cfg(not(target_os = "linux"))]
fn sync_file_system(_: &File) -> bool {
    false
}

/// Whether `syncfs` makes all of this file system durable, and reports if it could not.
#[cfg(target_os = "linux")]
fn syncs_as_a_whole(dir: &File) -> bool {
    /// As in `linux/magic.h`: ext2 to ext4, XFS, btrfs, F2FS, bcachefs, ZFS, overlayfs, tmpfs.
    const LOCAL: [u64; 8] =
        [0xef53, 0x5846_5342, 0x9123_683e, 0xf2f5_2010, 0xca45_1a4e, 0x2fc1_2fc1, 0x794c_7630, 0x0102_1994];
    /// Before this version it reported no failed write.
    const REPORTS_FAILURES: (u32, u32) = (5, 8);
    let kind = rustix::fs::fstatfs(dir).map(|facts| u64::try_from(facts.f_type).unwrap_or_default());
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    kind.is_ok_and(|kind| LOCAL.contains(&(kind & 0xffff_ffff)))
        && parse_release(&release).is_some_and(|version| version >= REPORTS_FAILURES)
}

#[cfg(not(target_os = "linux"))]
fn syncs_as_a_whole(_: &File) -> bool {
    false
}

/// The first two numbers of a kernel's release: `6.1.0-13-amd64`.
#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
fn parse_release(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// How many bytes of this machine's memory wait to be written, to whichever disk; `None` if the system does not say.
fn unwritten_bytes() -> Option<u64> {
    sum_unwritten(&std::fs::read_to_string("/proc/meminfo").ok()?)
}

/// The bytes in the lines `Dirty` and `Writeback` of `/proc/meminfo`.
fn sum_unwritten(meminfo: &str) -> Option<u64> {
    let line = |name: &str| {
        let value = meminfo.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        value.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
    };
    line("Dirty")?.checked_add(line("Writeback")?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn few_and_many_files_are_synced_and_a_missing_one_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let mut files = Vec::new();
        let batch = DurableBatch::begin(dir.path());
        for at in 0..2 * FEW_FILES {
            files.push(dir.path().join(at.to_string()));
            std::fs::write(files.last().unwrap(), "text").unwrap();
            batch.sync_files(&files, 4 * files.len() as u64).unwrap();
        }
        batch.sync_dirs(&[dir.path()]).unwrap();
        // Without a file system that is synced as a whole, each file is opened.
        let each = DurableBatch { whole: None };
        each.sync_files(&files, 0).unwrap();
        std::fs::remove_file(&files[7]).unwrap();
        assert_eq!(each.sync_files(&files, 0).unwrap_err().path, files[7]);
        assert_eq!(each.sync_dirs(&[dir.path().join("none")]).unwrap_err().path, dir.path().join("none"));
    }

    #[test]
    fn what_the_kernel_says_is_read() {
        assert_eq!(parse_release("6.1.0-13-amd64"), Some((6, 1)));
        assert_eq!(parse_release("5.10"), Some((5, 10)));
        assert_eq!((parse_release("5"), parse_release("")), (None, None));
        let text = "MemTotal: 9 kB\nDirty:              12 kB\nWriteback:             3 kB\nWritebackTmp: 7 kB\n";
        assert_eq!(sum_unwritten(text), Some(15 << 10));
        assert_eq!(sum_unwritten("Dirty: many\nWriteback: 3 kB\n"), None);
    }
}
