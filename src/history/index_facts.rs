//! What the index of a run in the dataset (`DATASET_INDEX.json`) says of its size and its configuration.

use std::path::Path;

use crate::dvc::cache::Cache;
use crate::dvc::file_list::FileEntry;
use crate::dvc::hash::DvcHash;
use crate::formats::json;
use crate::formats::json::JsonValue;
use crate::history::file_facts::{LISTED_RUNS, stamp_of};
use crate::project::{Project, ProjectError};
use crate::run::RunKey;
use crate::run::layout::DATASET_INDEX;
use crate::support::beneath::RootDir;
use crate::support::names::is_safe_path;
use crate::support::notes::{NoteKey, Notes};
use crate::support::packed::{Packer, Unpacker};
use crate::support::{fs, limits};

/// What the index of a run in the dataset says. What is not known is absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IndexFacts {
    /// The hash of the configuration.
    pub config: Option<String>,
    /// Steps.
    pub steps: Option<u64>,
    /// Episodes.
    pub episodes: Option<u64>,
}

impl IndexFacts {
    /// An index that cannot be parsed leaves all out, like one that is not in this clone.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Self {
        let Ok(index) = json::parse(bytes) else { return Self::default() };
        Self {
            config: index.get("config_hash").and_then(JsonValue::as_str).map(str::to_owned),
            steps: index.get("steps").and_then(parse_row_count),
            episodes: index.get("episodes").and_then(parse_row_count),
        }
    }
}

/// A row count of DATASET_INDEX.json: a number, or an object with `rows`.
fn parse_row_count(value: &JsonValue) -> Option<u64> {
    let number = value.as_i64().or_else(|| value.get("rows")?.as_i64())?;
    u64::try_from(number).ok()
}

/// Reads indexes of many runs, in several threads. One that is in the cache is not read again until it changes.
pub struct IndexReader<'p> {
    cache: Cache,
    root: RootDir<'p>,
    notes: Notes,
}

impl<'p> IndexReader<'p> {
    /// For the runs of a project.
    pub fn for_project(project: &'p Project) -> Result<Self, ProjectError> {
        Ok(Self {
            cache: project.open_cache()?,
            root: project.root_files(),
            notes: Notes::load(&project.state_dir(), LISTED_RUNS),
        })
    }

    /// What the index of a run that has these files says; with the dataset's directory, what the cache lacks is read there.
    pub fn read_index(
        &self,
        run: &RunKey,
        out_dir: Option<&str>,
        entries: &[FileEntry],
    ) -> Result<IndexFacts, ProjectError> {
        let relpath = format!("{run}/{DATASET_INDEX}");
        let Some(entry) = entries.iter().find(|entry| entry.relpath == relpath) else {
            return Ok(IndexFacts::default());
        };
        // Before the file is read, so that a write in the meantime is noticed.
        let stamp = stamp_of(&self.cache.object_path(entry.md5));
        let key = stamp.and_then(|stamp| NoteKey::of_stamps("run index", &[Some(stamp)]));
        if let Some(noted) = key.and_then(|key| IndexFacts::unpack(self.notes.get(&key)?)) {
            return Ok(noted);
        }
        let bytes = read_object_of(&self.cache, self.root, entry.md5, (out_dir, &relpath))?;
        let facts = bytes.map(|bytes| IndexFacts::parse(&bytes)).unwrap_or_default();
        if let Some(key) = key {
            self.notes.add(key, facts.pack());
        }
        Ok(facts)
    }

    /// Writes what was read, for the next time.
    pub fn save_notes(&self) {
        self.notes.save();
    }
}

impl IndexFacts {
    fn pack(&self) -> Vec<u8> {
        let mut packer = Packer::default();
        packer.add_optional(self.config.as_deref(), Packer::add_text);
        packer.add_optional(self.steps, Packer::add_number);
        packer.add_optional(self.episodes, Packer::add_number);
        packer.into_bytes()
    }

    fn unpack(bytes: &[u8]) -> Option<Self> {
        let mut unpacker = Unpacker::new(bytes);
        let facts = Self {
            config: unpacker.optional(Unpacker::text)?.map(str::to_owned),
            steps: unpacker.optional(Unpacker::number)?,
            episodes: unpacker.optional(Unpacker::number)?,
        };
        unpacker.is_done().then_some(facts)
    }
}

/// An object's bytes: from the cache, else from the project's files if the same bytes lie there.
pub(super) fn read_object_of(
    cache: &Cache,
    root: RootDir<'_>,
    id: DvcHash,
    (out_dir, relpath): (Option<&str>, &str),
) -> Result<Option<Vec<u8>>, ProjectError> {
    if let Some(bytes) = fs::read_within(&cache.object_path(id), limits::RUN_FILE)? {
        return Ok(Some(bytes));
    }
    // The path is from `dvc.lock`, which others can write: nothing outside the project is read.
    let Some(out_dir) = out_dir.filter(|out_dir| is_safe_path(out_dir) && is_safe_path(relpath)) else {
        return Ok(None);
    };
    let file = Path::new(out_dir).join(relpath);
    // What is no file of the project's own (a link into a cache that lacks the object) counts as missing.
    let bytes = root.read(file, limits::RUN_FILE).ok().flatten();
    // The file may have changed since: only bytes with the MD5 of the version count.
    Ok(bytes.filter(|bytes| DvcHash::of_bytes(bytes) == id))
}
