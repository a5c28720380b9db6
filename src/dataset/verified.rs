//! Which files were verified by their MD5 already, so that a file is read for that only once until it is written.
//!
//! What is noted is disposable: without it, or on another machine, files are verified anew. A file that was written a moment
//! ago is never noted: the next write could leave its times as they are.

use std::collections::HashSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use md5::{Digest, Md5};

use crate::dvc::hash::DvcHash;
use crate::support::blocks::read_blocks;
use crate::support::fs::{self, At, FsError};
use crate::support::progress::Progress;
use crate::support::stamp::FileStamp;

/// The file in the state directory.
const FILE: &str = "verified-files";
/// Its first line; the number grows with the format.
const HEADER: &[u8] = b"capture-hook verified files 1\n";
/// An MD5 and a stamp.
const RECORD: usize = 16 + FileStamp::BYTES;
/// The most files that are noted: 14 MB.
const MOST: usize = 200_000;

type Record = [u8; RECORD];

/// The files that were verified.
#[derive(Debug)]
pub struct VerifiedFiles {
    path: PathBuf,
    known: HashSet<Record>,
    added: Mutex<Vec<Record>>,
}

/// A file and what its bytes are.
#[derive(Debug)]
pub enum CheckedFile {
    /// The right ones.
    Right(FileStamp),
    /// Others, whose MD5 is this.
    Damaged(DvcHash),
    /// There is no such file.
    Absent,
}

impl VerifiedFiles {
    /// What is noted in this state directory.
    #[must_use]
    pub fn load(state_dir: &Path) -> Self {
        let path = state_dir.join(FILE);
        Self { known: read_records(&path).into_iter().collect(), path, added: Mutex::default() }
    }

    /// Looks at a file whose bytes should have this MD5. Reads it if it is not known to have them.
    pub fn check(&self, path: &Path, md5: DvcHash, progress: &dyn Progress) -> Result<CheckedFile, FsError> {
        match fs::open_optional(path)? {
            Some(mut file) => self.check_open(&mut file, path, md5, progress),
            None => Ok(CheckedFile::Absent),
        }
    }

    fn check_open(
        &self,
        file: &mut File,
        path: &Path,
        md5: DvcHash,
        progress: &dyn Progress,
    ) -> Result<CheckedFile, FsError> {
        let stamp = FileStamp::of_file(file).at("look at", path)?;
        let record = record_of(md5, &stamp);
        if self.known.contains(&record) {
            progress.advance_by(stamp.size());
            return Ok(CheckedFile::Right(stamp));
        }
        // Before it is read: a write in the meantime makes it a file of another stamp, or of one that is not settled.
        let is_settled = stamp.is_settled();
        let mut hash = Md5::new();
        read_blocks(file, |block| {
            hash.update(block);
            progress.advance_by(block.len() as u64);
            Ok(())
        })
        .at("read", path)?;
        let found = DvcHash::from_digest(hash.finalize().into());
        if found != md5 {
            return Ok(CheckedFile::Damaged(found));
        }
        if is_settled {
            self.added().push(record);
        }
        Ok(CheckedFile::Right(stamp))
    }

    /// Notes what was verified, for other processes. That it cannot be noted is no failure.
    pub fn save(&self) {
        let added = std::mem::take(&mut *self.added());
        let Some(dir) = self.path.parent().filter(|_| !added.is_empty()) else { return };
        // Another process may have noted something since.
        let known = read_records(&self.path);
        let new: HashSet<&Record> = added.iter().collect();
        let kept: Vec<&Record> = known.iter().filter(|record| !new.contains(record)).collect();
        let first = (kept.len() + added.len()).saturating_sub(MOST).min(kept.len());
        let records = kept.get(first..).unwrap_or_default().iter().copied().chain(&added);
        let mut bytes = HEADER.to_vec();
        records.take(MOST).for_each(|record| bytes.extend_from_slice(record));
        let _ = fs::create_shared_dir(dir).and_then(|_| fs::write_shared(&self.path, &bytes));
    }

    fn added(&self) -> MutexGuard<'_, Vec<Record>> {
        // A record is pushed whole.
        self.added.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn record_of(md5: DvcHash, stamp: &FileStamp) -> Record {
    let mut record = [0; RECORD];
    let (hash, rest) = record.split_at_mut(16);
    hash.copy_from_slice(&md5.to_digest());
    rest.copy_from_slice(&stamp.to_bytes());
    record
}

/// What is noted; nothing if the file is missing, or another version wrote it.
fn read_records(path: &Path) -> Vec<Record> {
    let most = (HEADER.len() + MOST * RECORD) as u64;
    let bytes = fs::read_within(path, most).ok().flatten().unwrap_or_default();
    let records = bytes.strip_prefix(HEADER).unwrap_or_default();
    records.chunks_exact(RECORD).filter_map(|record| record.try_into().ok()).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::support::progress::NoProgress;

    /// Writes a file as if that had been long ago, as far as a program can.
    fn write_old(path: &Path, text: &str) {
        std::fs::write(path, text).unwrap();
        let file = File::options().write(true).open(path).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(3600)).unwrap();
    }

    #[test]
    fn a_file_is_right_or_damaged_or_absent() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("object");
        let files = VerifiedFiles::load(dir.path());
        let md5 = DvcHash::of_bytes(b"right");
        assert!(matches!(files.check(&path, md5, &NoProgress).unwrap(), CheckedFile::Absent));
        write_old(&path, "right");
        assert!(matches!(files.check(&path, md5, &NoProgress).unwrap(), CheckedFile::Right(_)));
        write_old(&path, "wrong");
        let damaged = files.check(&path, md5, &NoProgress).unwrap();
        assert!(matches!(damaged, CheckedFile::Damaged(found) if found == DvcHash::of_bytes(b"wrong")));
    }

    #[test]
    fn what_was_just_written_is_not_noted_and_what_is_settled_is() {
        let dir = tempfile::tempdir().unwrap();
        let (path, state) = (dir.path().join("object"), dir.path().join("state"));
        write_old(&path, "right");
        let md5 = DvcHash::of_bytes(b"right");
        let files = VerifiedFiles::load(&state);
        files.check(&path, md5, &NoProgress).unwrap();
        files.save();
        assert!(read_records(&state.join(FILE)).is_empty(), "its status has just changed");
        std::thread::sleep(Duration::from_millis(3100));
        files.check(&path, md5, &NoProgress).unwrap();
        files.save();
        assert_eq!(read_records(&state.join(FILE)).len(), 1);
        // Known now, so that nothing is read: the progress would get each block.
        let again = VerifiedFiles::load(&state);
        assert!(matches!(again.check(&path, md5, &NoProgress).unwrap(), CheckedFile::Right(_)));
        assert!(again.added().is_empty());
        // Other bytes, of the same length and time, are found out.
        write_old(&path, "wrong");
        assert!(matches!(again.check(&path, md5, &NoProgress).unwrap(), CheckedFile::Damaged(_)));
        // Of another file that is as large.
        let other = DvcHash::of_bytes(b"wrong");
        assert!(matches!(again.check(&path, other, &NoProgress).unwrap(), CheckedFile::Right(_)));
    }

    #[test]
    fn a_file_that_another_version_wrote_counts_as_missing() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(FILE), b"capture-hook verified files 2\nanything at all").unwrap();
        assert!(VerifiedFiles::load(dir.path()).known.is_empty());
    }
}
