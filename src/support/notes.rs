//! Facts that can be worked out again, noted in the state directory so that they need not be.
//!
//! A key is a hash over all that a fact depends on: an object's id, a file's stamp, the format. So a note is never out of date,
//! only unused. The file is replaced as a whole and holds a checksum for each note: what another version wrote, what is cut off
//! or damaged counts as missing. Two processes at once lose at most what one of them noted. The oldest notes make room for new
//! ones. That nothing can be noted (a read-only directory, a full disk) is no failure.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use md5::{Digest, Md5};

use crate::support::fs;
use crate::support::stamp::FileStamp;

/// Which notes a file holds.
#[derive(Debug, Clone, Copy)]
pub struct NoteFormat {
    /// The file's name in the state directory.
    pub file: &'static str,
    /// Grows with the form of the notes, and with what is made of that from which they come.
    pub version: u32,
    /// The most bytes that the file has.
    pub most_bytes: usize,
}

impl NoteFormat {
    fn header(&self) -> Vec<u8> {
        format!("capture-hook notes {} {}\n", self.file, self.version).into_bytes()
    }
}

/// What a note is found by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NoteKey([u8; 16]);

impl NoteKey {
    /// The key for all of these parts, in this order.
    #[must_use]
    pub fn of_parts<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut hash = Md5::new();
        for part in parts {
            // With its length, so that no two lists of parts are one text.
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        Self(hash.finalize().into())
    }

    /// The key for a kind of fact about files with these stamps; `None` stands for a file that is not there. `None` if one of
    /// them was written so short a time ago that the next write could leave its stamp as it is.
    #[must_use]
    pub fn of_stamps(kind: &str, stamps: &[Option<FileStamp>]) -> Option<Self> {
        let mut bytes = Vec::with_capacity(stamps.len() * (FileStamp::BYTES + 1));
        for stamp in stamps {
            match stamp {
                Some(stamp) if stamp.is_settled() => {
                    bytes.push(1);
                    bytes.extend_from_slice(&stamp.to_bytes());
                }
                Some(_) => return None,
                None => bytes.push(0),
            }
        }
        Some(Self::of_parts([kind.as_bytes(), &bytes]))
    }
}

/// A key is a hash already: some of its bytes are as good as another one.
#[derive(Debug, Default)]
struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word.iter_mut().zip(chunk).for_each(|(to, from)| *to = *from);
            self.0 ^= u64::from_le_bytes(word);
        }
    }
}

type Places = HashMap<NoteKey, Range<usize>, BuildHasherDefault<KeyHasher>>;

/// A key, a checksum, a length.
const RECORD_HEAD: usize = 16 + 4 + 4;

/// The notes of one file.
#[derive(Debug)]
pub struct Notes {
    path: PathBuf,
    format: NoteFormat,
    bytes: Vec<u8>,
    /// Where the record of each key is.
    places: Places,
    added: Mutex<Vec<(NoteKey, Vec<u8>)>>,
}

impl Notes {
    /// What is noted in this state directory.
    #[must_use]
    pub fn load(state_dir: &Path, format: NoteFormat) -> Self {
        let path = state_dir.join(format.file);
        let header = format.header();
        // A file that cannot be read, or is larger than any that is written, holds nothing.
        let bytes =
            fs::read_within(&path, (header.len() + format.most_bytes) as u64).ok().flatten().unwrap_or_default();
        let bytes = if bytes.starts_with(&header) { bytes } else { Vec::new() };
        let mut places = Places::default();
        let mut at = header.len();
        while let Some((key, length)) = parse_head(&bytes, at) {
            let end = at + RECORD_HEAD + length;
            if end > bytes.len() {
                break;
            }
            places.insert(key, at..end);
            at = end;
        }
        Self { path, format, bytes, places, added: Mutex::default() }
    }

    /// What is noted under a key; not what was added since.
    #[must_use]
    pub fn get(&self, key: &NoteKey) -> Option<&[u8]> {
        let record = self.bytes.get(self.places.get(key)?.clone())?;
        let (head, value) = record.split_at_checked(RECORD_HEAD)?;
        (head.get(16..20)? == checksum(key, value)).then_some(value)
    }

    /// Notes something, once [`Self::save`] is called.
    pub fn add(&self, key: NoteKey, value: Vec<u8>) {
        // What leaves no room for others is not worth it.
        if value.len() <= self.format.most_bytes / 4 {
            self.added().push((key, value));
        }
    }

    /// Writes what was added, and keeps what other processes noted.
    pub fn save(&self) {
        let added = std::mem::take(&mut *self.added());
        let Some(dir) = self.path.parent().filter(|_| !added.is_empty()) else { return };
        let known = Self::load(dir, self.format);
        let mut new = Vec::new();
        for (key, value) in &added {
            // A note that is there and damaged is written again.
            if known.get(key).is_none()
                && let Ok(length) = u32::try_from(value.len())
                && new.len() + RECORD_HEAD + value.len() <= self.format.most_bytes
            {
                new.extend_from_slice(&key.0);
                new.extend_from_slice(&checksum(key, value));
                new.extend_from_slice(&length.to_le_bytes());
                new.extend_from_slice(value);
            }
        }
        if new.is_empty() {
            return;
        }
        let header = self.format.header();
        let mut old: Vec<&Range<usize>> = known.places.values().collect();
        old.sort_by_key(|place| place.start);
        let room = self.format.most_bytes.saturating_sub(new.len());
        let mut excess = old.iter().map(|place| place.len()).sum::<usize>().saturating_sub(room);
        let mut bytes = header;
        for place in old {
            if excess > 0 {
                excess = excess.saturating_sub(place.len());
            } else {
                bytes.extend_from_slice(known.bytes.get(place.clone()).unwrap_or_default());
            }
        }
        bytes.extend_from_slice(&new);
        let _ = fs::create_shared_dir(dir).and_then(|_| fs::write_shared_unsynced(&self.path, &bytes));
    }

    fn added(&self) -> MutexGuard<'_, Vec<(NoteKey, Vec<u8>)>> {
        // A note is pushed whole.
        self.added.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn parse_head(bytes: &[u8], at: usize) -> Option<(NoteKey, usize)> {
    let head = bytes.get(at..at.checked_add(RECORD_HEAD)?)?;
    let (key, rest) = head.split_at_checked(16)?;
    let length = u32::from_le_bytes(rest.get(4..8)?.try_into().ok()?);
    Some((NoteKey(key.try_into().ok()?), usize::try_from(length).ok()?))
}

fn checksum(key: &NoteKey, value: &[u8]) -> [u8; 4] {
    let mut hash = crc32fast::Hasher::new();
    hash.update(&key.0);
    hash.update(value);
    hash.finalize().to_le_bytes()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    const FORMAT: NoteFormat = NoteFormat { file: "notes", version: 3, most_bytes: 400 };

    fn key(text: &str) -> NoteKey {
        NoteKey::of_parts([text.as_bytes()])
    }

    fn note(dir: &Path, text: &str, value: &str) {
        let notes = Notes::load(dir, FORMAT);
        notes.add(key(text), value.into());
        notes.save();
    }

    fn noted(dir: &Path, text: &str) -> Option<String> {
        Notes::load(dir, FORMAT).get(&key(text)).map(|value| String::from_utf8(value.to_vec()).unwrap())
    }

    #[test]
    fn what_two_processes_note_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let first = Notes::load(dir.path(), FORMAT);
        note(dir.path(), "b", "2");
        first.add(key("a"), b"1".to_vec());
        first.save();
        assert_eq!((noted(dir.path(), "a"), noted(dir.path(), "b")), (Some("1".into()), Some("2".into())));
        assert_eq!(noted(dir.path(), "c"), None);
    }

    #[test]
    fn a_file_that_is_cut_or_damaged_anywhere_gives_the_right_notes_or_none() {
        let dir = tempfile::tempdir().unwrap();
        note(dir.path(), "a", "first value");
        note(dir.path(), "b", "second");
        let path = dir.path().join(FORMAT.file);
        let whole = std::fs::read(&path).unwrap();
        let mut damaged: Vec<Vec<u8>> = (0..whole.len()).map(|end| whole[..end].to_vec()).collect();
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x41;
            damaged.push(bytes);
        }
        damaged.push(b"capture-hook notes notes 3\n".iter().copied().chain([0xff; 99]).collect());
        for bytes in damaged {
            std::fs::write(&path, &bytes).unwrap();
            assert!(noted(dir.path(), "a").is_none_or(|value| value == "first value"));
            assert!(noted(dir.path(), "b").is_none_or(|value| value == "second"));
            // What is missing can be noted again.
            note(dir.path(), "a", "first value");
            assert_eq!(noted(dir.path(), "a").as_deref(), Some("first value"));
        }
    }

    #[test]
    fn another_version_counts_as_no_file_and_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let newer = NoteFormat { version: 4, ..FORMAT };
        let notes = Notes::load(dir.path(), newer);
        notes.add(key("a"), b"of another form".to_vec());
        notes.save();
        assert_eq!(noted(dir.path(), "a"), None);
        note(dir.path(), "a", "1");
        assert_eq!(noted(dir.path(), "a").as_deref(), Some("1"));
    }

    #[test]
    fn the_oldest_notes_make_room() {
        let dir = tempfile::tempdir().unwrap();
        for at in 0..20 {
            note(dir.path(), &at.to_string(), &"x".repeat(50));
        }
        assert!(std::fs::metadata(dir.path().join(FORMAT.file)).unwrap().len() <= 400 + 40);
        assert!(noted(dir.path(), "19").is_some() && noted(dir.path(), "17").is_some());
        assert!(noted(dir.path(), "0").is_none());
        note(dir.path(), "large", &"x".repeat(101));
        assert!(noted(dir.path(), "large").is_none() && noted(dir.path(), "19").is_some());
    }

    #[test]
    fn a_directory_that_cannot_be_written_is_no_failure() {
        note(Path::new("/proc/self"), "a", "1");
        assert_eq!(noted(Path::new("/proc/self"), "a"), None);
    }

    #[test]
    fn a_file_that_was_just_written_has_no_key() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, "1").unwrap();
        let stamp = FileStamp::new(&std::fs::metadata(&path).unwrap());
        assert_eq!(NoteKey::of_stamps("x", &[Some(stamp)]), None);
        let absent = NoteKey::of_stamps("x", &[None]);
        assert!(absent.is_some() && absent != NoteKey::of_stamps("y", &[None]));
        assert_ne!(absent, NoteKey::of_stamps("x", &[None, None]));
        std::thread::sleep(Duration::from_millis(2100));
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        let old = SystemTime::now() - Duration::from_secs(9);
        file.set_modified(old).unwrap();
        // Its status has just changed.
        let stamp = FileStamp::new(&std::fs::metadata(&path).unwrap());
        assert_eq!(NoteKey::of_stamps("x", &[Some(stamp)]), None);
    }
}
