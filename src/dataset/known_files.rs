//! Which files of the workspace's dataset are known to be right, with their state in the file system then: while that
//! is the same, they are not read again. Kept in the working tree's git directory; without it, all files are read.

use std::collections::HashMap;
use std::fmt::Write;
use std::path::PathBuf;
use std::time::SystemTime;

use rustix::fs::Stat;

use crate::dvc::hash::DvcHash;
use crate::support::{fs, limits};

/// What the file system says of a file's content: it changes with every write. Times in nanoseconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileStat {
    /// In bytes.
    pub size: u64,
    modified: i64,
    changed: i64,
    inode: u64,
}

impl FileStat {
    // The fields' types differ between systems; no size is negative.
    #[allow(clippy::cast_sign_loss, clippy::unnecessary_cast, clippy::cast_possible_wrap)]
    pub fn of_stat(stat: &Stat) -> Self {
        let time = |seconds: i64, nanoseconds: i64| seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds);
        Self {
            size: stat.st_size as u64,
            modified: time(stat.st_mtime as i64, stat.st_mtime_nsec as i64),
            changed: time(stat.st_ctime as i64, stat.st_ctime_nsec as i64),
            inode: stat.st_ino,
        }
    }

    /// Whether a later write shows in the times: clocks of file systems are as coarse as two seconds.
    fn is_older_than_a_tick(&self, now: SystemTime) -> bool {
        // FAT stores times in steps of two seconds; other file systems are finer.
        const COARSE: i64 = 2_000_000_000;
        // A clock before 1970 makes no file old enough, so all are read.
        let now = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_nanos());
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        self.modified.max(self.changed) < now.saturating_sub(COARSE)
    }
}

/// The note.
pub(crate) struct KnownFiles {
    path: PathBuf,
    now: SystemTime,
    files: HashMap<String, (DvcHash, FileStat)>,
    is_new: bool,
}

impl KnownFiles {
    /// What is noted. One that cannot be read holds nothing.
    pub fn read(path: PathBuf) -> Self {
        // A damaged or missing note only costs time.
        let bytes = fs::read_within(&path, limits::FILE_LIST).ok().flatten().unwrap_or_default();
        // As many as there are lines of the usual length: growing step by step takes longer than the rest.
        let mut files = HashMap::with_capacity(bytes.len() / 96);
        files.extend(bytes.split(|byte| *byte == b'\n').filter_map(parse_line));
        Self { path, now: SystemTime::now(), files, is_new: false }
    }

    /// Whether a file was seen to have these bytes, and is the same still.
    pub fn is_known(&self, file: &str, md5: DvcHash, stat: &FileStat) -> bool {
        self.files.get(file).is_some_and(|known| *known == (md5, *stat))
    }

    /// Notes that a file has these bytes. `stat` is from before it was read.
    pub fn note_file(&mut self, file: &str, md5: DvcHash, stat: FileStat) {
        if stat.is_older_than_a_tick(self.now) && !file.contains(['\n', '\r']) && !self.is_known(file, md5, &stat) {
            self.files.insert(file.to_owned(), (md5, stat));
            self.is_new = true;
        }
    }

    /// Writes the note if something was added. A failure is ignored: the files are then read once more.
    pub fn write(self, keep: impl Fn(&str) -> bool) {
        if !self.is_new {
            return;
        }
        let mut text = String::new();
        for (file, (md5, stat)) in self.files.iter().filter(|(file, _)| keep(file)) {
            let FileStat { size, modified, changed, inode } = stat;
            // Writing to a `String` cannot fail.
            let _ = writeln!(text, "{md5} {size} {modified} {changed} {inode} {file}");
        }
        // The note only saves time, so a failure to write it is no failure of the command.
        let _ = fs::write_atomic(&self.path, text.as_bytes());
    }
}

fn parse_line(line: &[u8]) -> Option<(String, (DvcHash, FileStat))> {
    let (md5, rest) = line.split_at_checked(32)?;
    // The path is last, because it can hold blanks.
    let mut words = std::str::from_utf8(rest).ok()?.strip_prefix(' ')?.splitn(5, ' ');
    let size = words.next()?.parse().ok()?;
    let (modified, changed) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let inode = words.next()?.parse().ok()?;
    Some((words.next()?.to_owned(), (DvcHash::from_hex(md5)?, FileStat { size, modified, changed, inode })))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// W1: A noted hash holds until the file changes; one of a file that was just written is not noted.
    #[test]
    fn what_is_noted_holds_until_the_file_changes() {
        let dir = tempfile::tempdir().unwrap();
        let (file, note) = (dir.path().join("f"), dir.path().join("note"));
        std::fs::write(&file, "1").unwrap();
        let (md5, stat) = (DvcHash::of_bytes(b"1"), FileStat::of_stat(&rustix::fs::stat(&file).unwrap()));
        let at = |now: SystemTime| KnownFiles { now, ..KnownFiles::read(note.clone()) };
        // A write in the same tick of the clock would not show.
        let mut known = at(SystemTime::now());
        known.note_file("e/a b", md5, stat);
        known.write(|_| true);
        assert!(!note.exists());
        let mut known = at(SystemTime::now() + Duration::from_secs(60));
        known.note_file("e/a b", md5, stat);
        known.write(|_| true);
        let known = at(SystemTime::now());
        assert!(known.is_known("e/a b", md5, &stat) && !known.is_known("e/a", md5, &stat));
        assert!(
            !known.is_known("e/a b", DvcHash::of_bytes(b"2"), &stat)
                && !known.is_known("e/a b", md5, &FileStat { changed: 0, ..stat })
        );
        std::fs::write(&note, "no note at all\n\n1 2 3\n").unwrap();
        assert!(at(SystemTime::now()).files.is_empty());
    }
}
