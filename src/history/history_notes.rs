//! The index of history: what is known of commits, tags and data versions, noted in git's common directory.
//!
//! Each note is under the hash of all that it depends on: a commit by its id, its project's directory and what cuts history
//! short (`shallow`, `info/grafts`); a `dvc.lock` and a tag by their ids; what a data version introduced by the stamps of the
//! file lists that it was compared with. So a rewrite, a collection of garbage, a list that comes later or is damaged, and a
//! second project in the repository each lead to other notes or to none. Only what is known for sure is noted: no commit whose
//! list is missing.

use std::collections::HashMap;
use std::path::PathBuf;

use crate::dataset::diff::RunDiff;
use crate::dataset::file_lists::VersionDiff;
use crate::dvc::cache::Cache;
use crate::dvc::file_list::FileEntry;
use crate::dvc::hash::{DataVersion, DvcHash};
use crate::git::{Commit, GitEntry, Oid, TagObject};
use crate::history::file_facts::stamp_of;
use crate::project::{DatasetRecord, Project, ProjectError};
use crate::run::RunKey;
use crate::support::fs;
use crate::support::notes::{NoteFormat, NoteKey, Notes};
use crate::support::packed::{Packer, Unpacker};
use crate::support::stamp::FileStamp;

/// Room for some 50,000 commits. The version grows with the form, and with what is made of a `dvc.lock`.
const FORMAT: NoteFormat = NoteFormat { file: "history", version: 1, most_bytes: 96 << 20 };
/// The longest message that is noted; a longer one is read again.
const MOST_OF_MESSAGE: usize = 1 << 20;

/// The notes of a project's history.
#[derive(Debug)]
pub struct HistoryNotes {
    notes: Notes,
    /// All on which the parents of a commit and the place of its `dvc.lock` depend, beside the commit.
    scope: Vec<u8>,
}

/// A commit as history is read: where it comes from, and its `dvc.lock`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotedCommit {
    /// Its parents, in order.
    pub parents: Vec<Oid>,
    /// Its `dvc.lock`.
    pub lockfile: Option<GitEntry>,
}

impl HistoryNotes {
    /// What is noted for this project.
    pub fn load(project: &Project) -> Result<Self, ProjectError> {
        let repo = &project.repo;
        let mut scope = vec![u8::from(repo.is_read_by_lib())];
        for text in [
            fs::read_optional(&repo.common_dir().join("shallow"))?,
            fs::read_optional(&repo.common_dir().join("info/grafts"))?,
            Some(project.prefix.clone().into_bytes()),
        ] {
            let text = text.unwrap_or_default();
            scope.extend_from_slice(&(text.len() as u64).to_le_bytes());
            scope.extend_from_slice(&text);
        }
        Ok(Self { notes: Notes::load(&project.state_dir(), FORMAT), scope })
    }

    /// Writes what was noted since.
    pub fn save(&self) {
        self.notes.save();
    }

    /// What is noted of a commit.
    pub fn find_commit(&self, id: &Oid) -> Option<NotedCommit> {
        self.find(&self.commit_key(id), |unpacker| {
            let parents = unpacker.list(unpack_id)?;
            let lockfile = unpacker.optional(|unpacker| {
                let id = unpack_id(unpacker)?;
                Some(GitEntry { id, mode: u32::try_from(unpacker.number()?).ok()? })
            })?;
            Some(NotedCommit { parents, lockfile })
        })
    }

    /// Notes a commit whose parents and `dvc.lock` this clone knows.
    pub fn note_commit(&self, id: &Oid, commit: &NotedCommit) {
        let mut packer = Packer::default();
        packer.add_list(commit.parents.iter(), pack_id);
        packer.add_optional(commit.lockfile.as_ref(), |packer, entry| {
            pack_id(packer, &entry.id);
            packer.add_number(u64::from(entry.mode));
        });
        self.add(self.commit_key(id), packer);
    }

    fn commit_key(&self, id: &Oid) -> NoteKey {
        NoteKey::of_parts([b"commit", self.scope.as_slice(), id.as_str().as_bytes()])
    }

    /// The facts of a commit, with these parents.
    pub fn find_facts(&self, id: &Oid, parents: &[Oid]) -> Option<Commit> {
        self.find(&facts_key(id), |unpacker| {
            Some(Commit {
                id: id.clone(),
                parents: parents.to_vec(),
                message: unpacker.bytes()?.to_vec(),
                time: unpacker.signed()?,
                author: unpacker.text()?.to_owned(),
                author_email: unpacker.text()?.to_owned(),
            })
        })
    }

    /// Notes the facts of a commit.
    pub fn note_facts(&self, commit: &Commit) {
        if commit.message.len() > MOST_OF_MESSAGE {
            return;
        }
        let mut packer = Packer::default();
        packer.add_bytes(&commit.message);
        packer.add_signed(commit.time);
        packer.add_text(&commit.author);
        packer.add_text(&commit.author_email);
        self.add(facts_key(&commit.id), packer);
    }

    /// What a `dvc.lock` says, by the id of its content.
    pub fn find_record(&self, lockfile: &Oid) -> Option<Option<DatasetRecord>> {
        self.find(&record_key(lockfile), |unpacker| {
            unpacker.optional(|unpacker| {
                Some(DatasetRecord {
                    version: unpacker.text()?.parse().ok()?,
                    out_dir: unpacker.text()?.to_owned(),
                    run_dir: unpacker.optional(Unpacker::text)?.map(str::to_owned),
                    size: unpacker.optional(Unpacker::number)?,
                    nfiles: unpacker.optional(Unpacker::number)?,
                    cmd: unpacker.text()?.to_owned(),
                    include: unpacker.optional(|unpacker| unpacker.list(|item| item.text().map(str::to_owned)))?,
                })
            })
        })
    }

    /// Notes what a `dvc.lock` says.
    pub fn note_record(&self, lockfile: &Oid, record: Option<&DatasetRecord>) {
        let mut packer = Packer::default();
        packer.add_optional(record, |packer, record| {
            packer.add_text(&record.version.to_string());
            packer.add_text(&record.out_dir);
            packer.add_optional(record.run_dir.as_deref(), Packer::add_text);
            packer.add_optional(record.size, Packer::add_number);
            packer.add_optional(record.nfiles, Packer::add_number);
            packer.add_text(&record.cmd);
            packer.add_optional(record.include.as_ref(), |packer, patterns| {
                packer.add_list(patterns.iter(), |packer, pattern| packer.add_text(pattern));
            });
        });
        self.add(record_key(lockfile), packer);
    }

    /// A tag object; `with_message` says whether the message is needed.
    pub fn find_tag(&self, id: &Oid, with_message: bool) -> Option<TagObject> {
        self.find(&tag_key(id, with_message), |unpacker| {
            Some(TagObject { commit: unpacker.optional(unpack_id)?, message: unpacker.bytes()?.to_vec() })
        })
    }

    /// Notes a tag object that leads to a commit.
    pub fn note_tag(&self, id: &Oid, tag: &TagObject, with_message: bool) {
        // What leads to nothing now can be complete later.
        if tag.commit.is_none() || tag.message.len() > MOST_OF_MESSAGE {
            return;
        }
        let mut packer = Packer::default();
        packer.add_optional(tag.commit.as_ref(), pack_id);
        // Other people's messages can be long, and are not needed.
        packer.add_bytes(if with_message { &tag.message } else { &[] });
        self.add(tag_key(id, with_message), packer);
    }

    /// What a data version introduced over others, with the file lists as they are in the cache.
    pub fn find_diff(&self, key: &NoteKey) -> Option<RunDiff> {
        let run = |unpacker: &mut Unpacker<'_>| unpacker.text()?.parse::<RunKey>().ok();
        self.find(key, |unpacker| {
            let introduced = unpacker.list(run)?.into_iter().collect();
            Some(RunDiff { introduced, removed: unpacker.list(run)?.into_iter().collect(), ..RunDiff::default() })
        })
    }

    /// Notes what a data version introduced, if that is known.
    pub fn note_diff(&self, key: NoteKey, found: &VersionDiff) {
        let Some(diff) = &found.diff else { return };
        let mut packer = Packer::default();
        for runs in [&diff.introduced, &diff.removed] {
            packer.add_list(runs.iter(), |packer, run| packer.add_text(&run.to_string()));
        }
        self.add(key, packer);
    }

    /// A run's files in the list of a data version that has this stamp.
    pub fn find_entries(&self, version: DataVersion, stamp: &FileStamp, run: &RunKey) -> Option<Vec<FileEntry>> {
        self.find(&entries_key(version, stamp, run), |unpacker| {
            unpacker.list(|unpacker| {
                let md5 = DvcHash::from_digest(unpacker.take(16)?.try_into().ok()?);
                Some(FileEntry { relpath: format!("{run}/{}", unpacker.text()?), md5 })
            })
        })
    }

    /// Notes a run's files.
    pub fn note_entries(&self, version: DataVersion, stamp: &FileStamp, run: &RunKey, entries: &[FileEntry]) {
        let mut packer = Packer::default();
        let prefix = format!("{run}/");
        packer.add_list(entries.iter(), |packer, entry| {
            packer.add_raw(&entry.md5.to_digest());
            packer.add_text(entry.relpath.strip_prefix(&prefix).unwrap_or(&entry.relpath));
        });
        if entries.iter().all(|entry| entry.relpath.starts_with(&prefix)) {
            self.add(entries_key(version, stamp, run), packer);
        }
    }

    fn find<T>(&self, key: &NoteKey, read: impl FnOnce(&mut Unpacker<'_>) -> Option<T>) -> Option<T> {
        let mut unpacker = Unpacker::new(self.notes.get(key)?);
        let found = read(&mut unpacker)?;
        unpacker.is_done().then_some(found)
    }

    fn add(&self, key: NoteKey, packer: Packer) {
        self.notes.add(key, packer.into_bytes());
    }
}

fn pack_id(packer: &mut Packer, id: &Oid) {
    packer.add_bytes(&id.to_bytes());
}

fn unpack_id(unpacker: &mut Unpacker<'_>) -> Option<Oid> {
    Oid::of_bytes(unpacker.bytes()?)
}

fn entries_key(version: DataVersion, stamp: &FileStamp, run: &RunKey) -> NoteKey {
    let (digest, stamp, run) = (version.hash().to_digest(), stamp.to_bytes(), run.to_string());
    NoteKey::of_parts([b"entries".as_slice(), &digest, &stamp, run.as_bytes()])
}

fn facts_key(id: &Oid) -> NoteKey {
    NoteKey::of_parts([b"facts", id.as_str().as_bytes()])
}

fn record_key(lockfile: &Oid) -> NoteKey {
    NoteKey::of_parts([b"record", lockfile.as_str().as_bytes()])
}

fn tag_key(id: &Oid, with_message: bool) -> NoteKey {
    NoteKey::of_parts([if with_message { b"tag".as_slice() } else { b"target" }, id.as_str().as_bytes()])
}

/// The stamps of file lists in the cache, each looked at once.
#[derive(Debug, Default)]
pub struct ListStamps(HashMap<DataVersion, Option<FileStamp>>);

impl ListStamps {
    /// Looks at the lists of these versions.
    pub fn read(cache: &Cache, versions: impl IntoIterator<Item = DataVersion>) -> Self {
        let mut stamps = Self::default();
        for version in versions {
            stamps.0.entry(version).or_insert_with(|| stamp_of(&cache.file_list_path(version)));
        }
        stamps
    }

    /// The stamp of a list; `None` if it is missing, or was just written.
    pub fn get_or_read(&mut self, version: DataVersion, path: impl FnOnce() -> PathBuf) -> Option<FileStamp> {
        let stamp = *self.0.entry(version).or_insert_with(|| stamp_of(&path()));
        stamp.filter(FileStamp::is_settled)
    }

    /// What a comparison of a version with others is noted under; `None` if a list is missing, or was just written.
    pub fn diff_key(&self, new: DataVersion, old_versions: &[DataVersion]) -> Option<NoteKey> {
        let mut bytes = Vec::new();
        for version in std::iter::once(&new).chain(old_versions) {
            let stamp = (*self.0.get(version)?).filter(FileStamp::is_settled)?;
            bytes.extend_from_slice(&version.hash().to_digest());
            bytes.extend_from_slice(&stamp.to_bytes());
        }
        Some(NoteKey::of_parts([b"diff", bytes.as_slice()]))
    }
}
