//! The runs whose bytes were erased for good, as the tracked records in `capture-erased/` say.
//!
//! A record names one run, its files with their MD5s and sizes, and why they are gone. It counts for exactly these files:
//! a run of that name with other files is not erased. A stranger's record cannot hide a loss: of a run that HEAD's
//! dataset holds it explains why data is missing, and no more ([`Standing`]). Records are read from HEAD and from all
//! branches, so that an old commit that is checked out knows what was erased after it.

mod record;

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet, HashSet};

use record::ReadRecord;
pub use record::{ERASED_DIR, ErasedFile, ErasedRecord};

use crate::dataset::runs::{entries_of_run, run_of_path};
use crate::dvc::cache::Cache;
use crate::dvc::file_list::{FileEntry, FileList};
use crate::dvc::hash::{DataVersion, DvcHash};
use crate::git::Oid;
use crate::history::run_files::RunEntries;
use crate::project::{Project, ProjectError};
use crate::run::RunKey;
use crate::support::visible::escape_control;

/// The name of the first source.
const HEAD: &str = "HEAD";

/// Refs whose records count.
const BRANCHES: [&str; 2] = ["refs/heads/", "refs/remotes/"];

/// The most records that are read: a person's data rarely lies in more runs.
const MOST_RECORDS: usize = 20_000;

/// What a record proves about a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// HEAD's dataset does not hold the files: they are of older data versions.
    Past,
    /// HEAD is a commit of the past, and a branch that goes on from it has the record: one of this clone, or, if HEAD is on
    /// no branch, one of a remote.
    Later,
    /// HEAD's dataset holds the files, and the record is on another branch.
    Elsewhere,
    /// HEAD has both the files and the record: somebody put the run back.
    PutBack,
}

impl Standing {
    /// Whether the loss of the files is accepted.
    #[must_use]
    pub fn is_settled(self) -> bool {
        matches!(self, Self::Past | Self::Later)
    }
}

/// A record, and where it is.
#[derive(Debug, Clone)]
pub struct FoundRecord {
    /// The record.
    pub record: ErasedRecord,
    /// Whether HEAD has it.
    pub in_head: bool,
    /// The name of the first ref that has it.
    pub source: String,
    /// The commits at which refs have it, and whether it is a branch of this clone.
    tips: Vec<(Oid, bool)>,
}

impl FoundRecord {
    /// Why the run was erased, and where that is written down.
    #[must_use]
    pub fn describe(&self) -> String {
        let path = self.record.path();
        let source = BRANCHES.iter().find_map(|prefix| self.source.strip_prefix(prefix)).unwrap_or(&self.source);
        let place = if self.in_head { path } else { format!("{path} of {}", escape_control(source)) };
        match &self.record.reason {
            Some(reason) => format!("{} ({place})", escape_control(reason)),
            None => format!("no reason given ({place})"),
        }
    }
}

/// All records.
#[derive(Debug, Default)]
pub struct ErasedRuns {
    /// By run and by the hash of its listing.
    records: BTreeMap<(RunKey, String), FoundRecord>,
    /// The objects that are gone, for all records.
    gone: HashSet<DvcHash>,
    /// A record of HEAD that only a newer program can read.
    newer: Option<String>,
}

impl ErasedRuns {
    /// Reads the records.
    pub fn load(project: &Project) -> Result<Self, ProjectError> {
        let dir = project.git_path(ERASED_DIR);
        let mut sources: Vec<(String, Oid)> = Vec::new();
        sources.extend(project.repo.head()?.map(|head| (HEAD.to_owned(), head)));
        for listed in project.repo.list_refs(&BRANCHES)? {
            let commit = listed.commit.clone().unwrap_or_else(|| listed.peeled.clone().or(Some(listed.target.clone())));
            sources.extend(commit.map(|commit| (listed.name, commit)));
        }
        let mut erased = Self::default();
        // Most branches have the same records: each tree and each file is read once.
        let mut trees: BTreeMap<Oid, Vec<(RunKey, String)>> = BTreeMap::new();
        for (source, commit) in sources {
            let Some(found) = project.repo.list_dir_at(&commit, &dir)? else { continue };
            if !trees.contains_key(&found.id) {
                let mut keys = Vec::new();
                for (name, entry) in found.files.iter().take(MOST_RECORDS) {
                    let record = match record::read_record(project, name, entry)? {
                        ReadRecord::Record(record) => record,
                        // On another branch it is a stranger's, who could stop every push by it.
                        ReadRecord::Newer if source == HEAD => {
                            erased.newer = Some(format!("{ERASED_DIR}/{name}"));
                            continue;
                        }
                        // A file that is no record says nothing.
                        ReadRecord::Newer | ReadRecord::Other => continue,
                    };
                    let key = (record.run.clone(), record.listing.clone());
                    keys.push(key.clone());
                    erased.gone.extend(record.gone_objects());
                    erased.records.entry(key).or_insert_with(|| FoundRecord {
                        record,
                        in_head: source == HEAD,
                        source: source.clone(),
                        tips: Vec::new(),
                    });
                }
                trees.insert(found.id.clone(), keys);
            }
            for key in trees.get(&found.id).into_iter().flatten() {
                if let Some(found) = erased.records.get_mut(key) {
                    found.tips.push((commit.clone(), source.starts_with("refs/heads/")));
                }
            }
        }
        erased.leave_out_used(project)?;
        Ok(erased)
    }

    /// Fails if there is a record that cannot be read: then it is not known which data must not be sent.
    pub fn refuse_newer(&self) -> Result<(), ProjectError> {
        match &self.newer {
            Some(path) => Err(ProjectError::NewerErasure { path: path.clone() }),
            None => Ok(()),
        }
    }

    /// What a run of HEAD's dataset has again, such as a schema that a later run declares, is not gone.
    fn leave_out_used(&mut self, project: &Project) -> Result<(), ProjectError> {
        if self.gone.is_empty() {
            return Ok(());
        }
        let head = project.repo.head()?;
        let version = head.map(|head| project.data_version_at(&head)).transpose()?.flatten();
        let list = version.map(|version| project.open_cache()?.read_file_list(version).map_err(ProjectError::from));
        // Without the list nothing is known to be used: then too much counts as gone, and is not sent from here.
        let Some(list) = list.transpose()?.flatten() else { return Ok(()) };
        let runs: HashSet<RunKey> = self.runs().into_iter().cloned().collect();
        for entry in list.entries().iter().filter(|entry| self.gone.contains(&entry.md5)).cloned().collect::<Vec<_>>() {
            if run_of_path(&entry.relpath).is_none_or(|run| !runs.contains(&run)) {
                self.gone.remove(&entry.md5);
            }
        }
        Ok(())
    }

    /// Whether nothing was erased.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The records, by run.
    pub fn records(&self) -> impl Iterator<Item = &FoundRecord> {
        self.records.values()
    }

    /// The records of a run, one for each version of its files.
    pub fn of_run<'a>(&'a self, run: &'a RunKey) -> impl Iterator<Item = &'a FoundRecord> + 'a {
        self.records.iter().filter(move |((key, _), _)| key == run).map(|(_, found)| found)
    }

    /// The record of exactly these files of a run.
    #[must_use]
    pub fn find(&self, run: &RunKey, entries: &[FileEntry]) -> Option<&FoundRecord> {
        if self.is_empty() || entries.is_empty() {
            return None;
        }
        let listing = RunEntries { run: run.clone(), entries: entries.to_vec() }.listing_hash();
        self.records.get(&(run.clone(), listing))
    }

    /// Whether an object is gone on purpose, if it is one of an erased run's.
    #[must_use]
    pub fn is_gone(&self, hash: DvcHash) -> bool {
        self.gone.contains(&hash)
    }

    /// The size of an erased file, as its record says it.
    #[must_use]
    pub fn size_of(&self, hash: DvcHash) -> Option<u64> {
        self.records.values().flat_map(|found| &found.record.files).find(|file| file.md5 == hash)?.bytes
    }

    /// The runs that have a record.
    pub fn runs(&self) -> BTreeSet<&RunKey> {
        self.records.keys().map(|(run, _)| run).collect()
    }

    /// The paths of a data version's files that were erased, by the records that count for the caller.
    pub fn erased_paths(&self, list: &FileList, mut counts: impl FnMut(&FoundRecord) -> bool) -> HashSet<String> {
        let mut paths = HashSet::new();
        for run in self.runs() {
            let entries = entries_of_run(list, run);
            if self.find(run, entries).is_some_and(&mut counts) {
                let gone = entries.iter().filter(|entry| self.is_gone(entry.md5));
                paths.extend(gone.map(|entry| entry.relpath.clone()));
            }
        }
        paths
    }

    /// The erased objects that a cache still has, by run.
    #[must_use]
    pub fn still_in(&self, cache: &Cache) -> BTreeMap<&RunKey, usize> {
        let mut still = BTreeMap::new();
        for FoundRecord { record, .. } in self.records.values() {
            let gone = record.gone_objects().into_iter().filter(|hash| self.is_gone(*hash));
            let count = gone.filter(|hash| cache.has_object(*hash)).count();
            if count > 0 {
                *still.entry(&record.run).or_insert(0) += count;
            }
        }
        still
    }
}

/// What records prove here and now.
pub struct StandingJudge<'a> {
    project: &'a Project,
    head: Option<(Oid, Option<DataVersion>)>,
    is_detached: OnceCell<bool>,
}

impl<'a> StandingJudge<'a> {
    /// For a project's HEAD.
    pub fn new(project: &'a Project) -> Result<Self, ProjectError> {
        let head = match project.repo.head()? {
            Some(head) => {
                let version = project.data_version_at(&head)?;
                Some((head, version))
            }
            None => None,
        };
        Ok(Self { project, head, is_detached: OnceCell::new() })
    }

    /// What a record proves.
    pub fn judge(&self, found: &FoundRecord) -> Result<Standing, ProjectError> {
        let Some((head, Some(version))) = &self.head else { return Ok(Standing::Past) };
        let entries = self.project.file_lists()?.run_entries(*version, &found.record.run).unwrap_or_default();
        if !found.record.is_of(&entries) {
            return Ok(Standing::Past);
        }
        if found.in_head {
            return Ok(Standing::PutBack);
        }
        for (tip, is_own) in &found.tips {
            // Whoever can push could put a record on a branch of the remote that goes on from this one.
            if tip != head && (*is_own || self.is_detached()?) && self.project.repo.has_ancestor(tip, head)? {
                return Ok(Standing::Later);
            }
        }
        Ok(Standing::Elsewhere)
    }

    fn is_detached(&self) -> Result<bool, ProjectError> {
        if let Some(known) = self.is_detached.get() {
            return Ok(*known);
        }
        let is_detached = !self.project.repo.query_git(["symbolic-ref", "-q", "HEAD"])?.success();
        Ok(*self.is_detached.get_or_init(|| is_detached))
    }
}

/// Why the cache lacks files of a run, if they were erased.
pub fn find_erasure(
    project: &Project,
    run: &RunKey,
    entries: &[FileEntry],
) -> Result<Option<FoundRecord>, ProjectError> {
    let cache = project.open_cache()?;
    if entries.iter().all(|entry| cache.has_object(entry.md5)) {
        return Ok(None);
    }
    let mut found = find_erasures(project, [(run, entries)], |entry| cache.has_object(entry.md5))?;
    Ok(found.remove(run))
}

/// Those of some runs that were erased, if files are not here for that reason; `is_here` says whether a file is.
pub fn find_erasures<'a>(
    project: &Project,
    runs: impl IntoIterator<Item = (&'a RunKey, &'a [FileEntry])>,
    is_here: impl Fn(&FileEntry) -> bool,
) -> Result<BTreeMap<RunKey, FoundRecord>, ProjectError> {
    let (erased, mut erasures) = (ErasedRuns::load(project)?, BTreeMap::new());
    if erased.is_empty() {
        return Ok(erasures);
    }
    let judge = StandingJudge::new(project)?;
    for (run, entries) in runs {
        let Some(found) = erased.find(run, entries) else { continue };
        let lacks = entries.iter().any(|entry| erased.is_gone(entry.md5) && !is_here(entry));
        if lacks && judge.judge(found)? != Standing::PutBack {
            erasures.insert(run.clone(), found.clone());
        }
    }
    Ok(erasures)
}

/// The record of exactly these files of a run, whether their bytes are still here or not.
pub fn find_record(
    project: &Project,
    run: &RunKey,
    entries: &[FileEntry],
) -> Result<Option<FoundRecord>, ProjectError> {
    Ok(ErasedRuns::load(project)?.find(run, entries).cloned())
}

/// The error of a run whose files were erased.
#[must_use]
pub fn erased_error(found: &FoundRecord) -> ProjectError {
    let FoundRecord { record, .. } = found;
    ProjectError::RunErased { run: record.run.to_string(), why: found.describe() }
}

/// Of a data version's files, those that can be there: without the erased runs of which the cache lacks something, which
/// are returned, too.
pub fn split_erased(
    project: &Project,
    cache: &Cache,
    list: FileList,
) -> Result<(FileList, Vec<FoundRecord>), ProjectError> {
    let erased = ErasedRuns::load(project)?;
    if erased.is_empty() {
        return Ok((list, Vec::new()));
    }
    let judge = StandingJudge::new(project)?;
    let mut left_out: BTreeMap<RunKey, FoundRecord> = BTreeMap::new();
    for run in erased.runs() {
        let entries = entries_of_run(&list, run);
        let Some(found) = erased.find(run, entries) else { continue };
        let lacks = entries.iter().any(|entry| erased.is_gone(entry.md5) && !cache.has_object(entry.md5));
        if lacks && judge.judge(found)? != Standing::PutBack {
            left_out.insert(run.clone(), found.clone());
        }
    }
    if left_out.is_empty() {
        return Ok((list, Vec::new()));
    }
    let is_there = |relpath: &str| run_of_path(relpath).is_none_or(|run| !left_out.contains_key(&run));
    let entries = list.entries().iter().filter(|entry| is_there(&entry.relpath)).cloned().collect();
    // A part of a valid list is valid.
    Ok((FileList::new(entries).unwrap_or_default(), left_out.into_values().collect()))
}
