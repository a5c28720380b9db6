//! The record of one erased run: a tracked file of JSON, the same in every clone that erases the same files.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::dvc::file_list::FileEntry;
use crate::dvc::hash::{DataVersion, DvcHash};
use crate::git::GitEntry;
use crate::history::run_files::RunEntries;
use crate::project::{Project, ProjectError};
use crate::run::RunKey;
use crate::support::limits;

/// The directory of the records, relative to the project's root.
pub const ERASED_DIR: &str = "capture-erased";

/// The format that is written, and the only one that is read.
const FORMAT: u32 = 1;
/// The digits of the listing's hash in a record's name: as many as git's shortest ids that are never ambiguous.
const NAME_DIGITS: usize = 40;
const EXTENSION: &str = ".json";

/// What was erased of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErasedRecord {
    /// The run.
    pub run: RunKey,
    /// The hash of its files' names and MD5s (`RunEntries::listing_hash`).
    pub listing: String,
    /// Its files.
    pub files: Vec<ErasedFile>,
    /// The data versions in which its files are known to be.
    pub data: Vec<DataVersion>,
    /// Why, in the words of whoever erased it.
    pub reason: Option<String>,
}

/// A file of an erased run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErasedFile {
    /// Its path in the run's folder.
    pub path: String,
    /// Its bytes' name.
    pub md5: DvcHash,
    /// How many they were; `None` if it was not known any more.
    pub bytes: Option<u64>,
    /// Whether they stay, for something that was not erased has them, too.
    pub kept: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordJson {
    format: u32,
    run: String,
    reason: Option<String>,
    listing: String,
    data: Vec<String>,
    files: Vec<FileJson>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileJson {
    path: String,
    md5: String,
    bytes: Option<u64>,
    kept: bool,
}

impl ErasedRecord {
    /// The record of these files of a run.
    #[must_use]
    pub fn new(run: &RunKey, entries: &[FileEntry], data: Vec<DataVersion>, reason: Option<&str>) -> Self {
        let listing = RunEntries { run: run.clone(), entries: entries.to_vec() }.listing_hash();
        let prefix = format!("{run}/");
        let files = entries.iter().map(|entry| ErasedFile {
            path: entry.relpath.strip_prefix(&prefix).unwrap_or(&entry.relpath).to_owned(),
            md5: entry.md5,
            bytes: None,
            kept: false,
        });
        Self { run: run.clone(), listing, files: files.collect(), data, reason: reason.map(str::to_owned) }
    }

    /// Its file, relative to the project's root. By the hash alone: a run's name can be longer than a file's may be.
    #[must_use]
    pub fn path(&self) -> String {
        format!("{ERASED_DIR}/{}", name_of(&self.listing, &self.run))
    }

    /// Its bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let json = RecordJson {
            format: FORMAT,
            run: self.run.to_string(),
            reason: self.reason.clone(),
            listing: self.listing.clone(),
            data: self.data.iter().map(ToString::to_string).collect(),
            files: self
                .files
                .iter()
                .map(|file| FileJson {
                    path: file.path.clone(),
                    md5: file.md5.to_string(),
                    bytes: file.bytes,
                    kept: file.kept,
                })
                .collect(),
        };
        // Text and numbers alone: nothing of this can fail.
        let mut bytes = serde_json::to_vec_pretty(&json).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    /// The record that a file of this name holds; `None` if it is no record, or contradicts itself.
    #[must_use]
    pub fn parse(name: &str, bytes: &[u8]) -> Option<Self> {
        let json: RecordJson = serde_json::from_slice(bytes).ok()?;
        let run: RunKey = json.run.parse().ok()?;
        let file = |file: &FileJson| {
            Some(ErasedFile {
                path: file.path.clone(),
                md5: file.md5.parse().ok()?,
                bytes: file.bytes,
                kept: file.kept,
            })
        };
        let files: Vec<ErasedFile> = json.files.iter().map(file).collect::<Option<_>>()?;
        let data: Vec<DataVersion> = json.data.iter().map(|data| data.parse().ok()).collect::<Option<_>>()?;
        let record = Self { run, listing: json.listing, files, data, reason: json.reason };
        let is_sound = json.format == FORMAT
            && !record.files.is_empty()
            && record.is_of(&record.entries())
            && name == name_of(&record.listing, &record.run);
        is_sound.then_some(record)
    }

    /// Whether these are its files, no more and no less.
    #[must_use]
    pub fn is_of(&self, entries: &[FileEntry]) -> bool {
        !entries.is_empty()
            && RunEntries { run: self.run.clone(), entries: entries.to_vec() }.listing_hash() == self.listing
    }

    /// Its files, as a data version lists them.
    #[must_use]
    pub fn entries(&self) -> Vec<FileEntry> {
        let entry = |file: &ErasedFile| FileEntry { relpath: format!("{}/{}", self.run, file.path), md5: file.md5 };
        self.files.iter().map(entry).collect()
    }

    /// The objects that are gone.
    #[must_use]
    pub fn gone_objects(&self) -> BTreeSet<DvcHash> {
        self.files.iter().filter(|file| !file.kept).map(|file| file.md5).collect()
    }
}

fn name_of(listing: &str, run: &RunKey) -> String {
    use sha2::{Digest, Sha256};
    // Two runs can have the same files, all of them.
    let hash = crate::support::text::to_hex(&Sha256::digest(format!("{run}\n{listing}")));
    format!("{}{EXTENSION}", hash.get(..NAME_DIGITS).unwrap_or(&hash))
}

/// What a file beside the records is.
pub(super) enum ReadRecord {
    /// A record.
    Record(ErasedRecord),
    /// A record that only a newer program can read.
    Newer,
    /// No record.
    Other,
}

/// The record in a file of a commit.
pub(super) fn read_record(project: &Project, name: &str, entry: &GitEntry) -> Result<ReadRecord, ProjectError> {
    // A link, or a file that is too large, is no record.
    if !name.ends_with(EXTENSION) || !entry.is_file() || project.repo.blob_size(&entry.id)? > limits::TEXT {
        return Ok(ReadRecord::Other);
    }
    let bytes = project.repo.read_blob(&entry.id)?;
    Ok(match ErasedRecord::parse(name, &bytes) {
        Some(record) => ReadRecord::Record(record),
        None if is_newer(&bytes) => ReadRecord::Newer,
        None => ReadRecord::Other,
    })
}

fn is_newer(bytes: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Versioned {
        format: u64,
    }
    serde_json::from_slice(bytes).is_ok_and(|Versioned { format }| format > u64::from(FORMAT))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn record() -> ErasedRecord {
        let entries = ["a.json", "b 100%"]
            .map(|name| FileEntry { relpath: format!("demo/r1/{name}"), md5: DvcHash::of_bytes(name.as_bytes()) });
        let data = vec![DataVersion::new(DvcHash::of_bytes(b"list"))];
        let mut record = ErasedRecord::new(&"demo/r1".parse().unwrap(), &entries, data, Some("asked for\nby letter"));
        record.files[0].bytes = Some(7);
        record.files[1].kept = true;
        record
    }

    fn parse(record: &ErasedRecord, bytes: &[u8]) -> Option<ErasedRecord> {
        ErasedRecord::parse(record.path().strip_prefix("capture-erased/").unwrap(), bytes)
    }

    #[test]
    fn what_is_written_is_read() {
        let record = record();
        assert_eq!(parse(&record, &record.to_bytes()), Some(record.clone()));
        assert_eq!(record.gone_objects(), [DvcHash::of_bytes(b"a.json")].into());
        assert!(record.is_of(&record.entries()));
        assert!(!record.is_of(&record.entries()[..1]));
    }

    #[test]
    fn a_record_that_contradicts_itself_is_none() {
        let record = record();
        let text = String::from_utf8(record.to_bytes()).unwrap();
        for (from, to) in [
            ("demo/r1", "demo/r2"),
            ("a.json", "c.json"),
            ("\"format\": 1", "\"format\": 2"),
            ("\"format\": 1", "\"format\": 1, \"more\": 1"),
            (&record.listing, "00"),
        ] {
            assert!(text.contains(from));
            assert_eq!(parse(&record, text.replace(from, to).as_bytes()), None, "{from} {to}");
        }
        assert_eq!(ErasedRecord::parse("other.json", text.as_bytes()), None);
        assert_eq!(parse(&record, b"{}"), None);
        assert_eq!(parse(&record, b""), None);
    }
}
