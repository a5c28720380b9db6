//! What the system notes of a file's identity and of its last change: two equal stamps are of the same bytes, unless a write
//! happened within the clock's granularity.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long after a change a file's times can still be those of another change: some file systems count in steps of two
/// seconds.
const COARSEST: Duration = Duration::from_secs(2);

/// A file's device, number, size and times. The time of the last change of its status cannot be set by a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileStamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl FileStamp {
    /// How many bytes [`FileStamp::to_bytes`] gives.
    pub const BYTES: usize = 56;

    /// The stamp of an open file.
    pub fn of_file(file: &File) -> io::Result<Self> {
        Ok(Self::new(&file.metadata()?))
    }

    /// The stamp in a file's metadata.
    #[must_use]
    pub fn new(facts: &Metadata) -> Self {
        Self {
            device: facts.dev(),
            inode: facts.ino(),
            size: facts.size(),
            modified: (facts.mtime(), facts.mtime_nsec()),
            changed: (facts.ctime(), facts.ctime_nsec()),
        }
    }

    /// How many bytes the file has.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Whether a change that is made now gives the file another stamp. False for a file that has just been written.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        let changed = |(seconds, _): (i64, i64)| Some(UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).ok()?));
        let is_old = |time| changed(time).is_some_and(|time| time + COARSEST < SystemTime::now());
        is_old(self.changed) && is_old(self.modified)
    }

    /// The stamp as bytes, for a file that only this machine reads.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        let times = [self.modified.0, self.modified.1, self.changed.0, self.changed.1].map(i64::to_le_bytes);
        let numbers = [self.device, self.inode, self.size].map(u64::to_le_bytes);
        for (to, from) in bytes.chunks_exact_mut(8).zip(numbers.iter().chain(&times)) {
            to.copy_from_slice(from);
        }
        bytes
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_change_gives_another_stamp() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, "one").unwrap();
        let first = FileStamp::of_file(&File::open(&path).unwrap()).unwrap();
        assert_eq!(first, FileStamp::of_file(&File::open(&path).unwrap()).unwrap());
        assert!(!first.is_settled(), "it has just been written");
        assert_eq!(first.size(), 3);
        // As long, and with the same time of modification.
        let facts = std::fs::metadata(&path).unwrap();
        std::thread::sleep(Duration::from_millis(20));
        std::fs::write(&path, "two").unwrap();
        let file = File::options().write(true).open(&path).unwrap();
        file.set_modified(facts.modified().unwrap()).unwrap();
        let second = FileStamp::of_file(&file).unwrap();
        assert_ne!(first, second);
        assert_ne!(first.to_bytes(), second.to_bytes());
    }
}
