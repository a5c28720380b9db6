//! The file lists of data versions in this clone's cache: one run's files in a list, and what one list introduces
//! over others.
//!
//! Lists are compared as bytes, in their files (see `dataset::diff`), so that what every commit asks costs little
//! with any number of runs. They are not checked against their names here: the code that writes from one, or returns
//! data, does that.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::path::PathBuf;
use std::rc::Rc;

use super::agreement::{SchemaAgreement, SchemaRuns, compare_schemas, list_schemas, read_cached_schema};
use super::diff;
use crate::dataset::diff::RunDiff;
use crate::dataset::list_bytes::{ListBytes, ListFile};
use crate::dataset::runs::{entries_of_run, find_run_of_dir};
use crate::dvc::cache::Cache;
use crate::dvc::file_list::{FileEntry, FileList};
use crate::dvc::hash::{DataVersion, DvcHash};
use crate::run::RunKey;
use crate::run::schema::{RunSchema, SCHEMA_JSON};
use crate::support::limits;

/// The last few file lists that were looked at.
#[derive(Debug)]
pub struct FileListCache {
    cache: Cache,
    recent: VecDeque<RecentList>,
}

/// A file list that was looked at.
#[derive(Debug)]
struct RecentList {
    version: DataVersion,
    list: Rc<ListFile>,
    /// How often a run's entries were asked for.
    asked: u32,
    /// All of it, once that costs less than looking for each run.
    whole: Option<FileList>,
}

/// What one data version holds differently from others.
#[derive(Debug, Default)]
pub struct VersionDiff {
    /// What it introduced; `None` if a list is not in this clone or cannot be read.
    pub diff: Option<RunDiff>,
    /// The runs it holds, if it is not known which of them it introduced.
    pub unattributed_runs: Vec<RunKey>,
    /// Why its list is left out, if it is here but cannot be looked through.
    pub left_out: Option<String>,
}

impl FileListCache {
    /// Those of a cache.
    #[must_use]
    pub fn new(cache: Cache) -> Self {
        Self { cache, recent: VecDeque::new() }
    }

    /// A list; `None` if it is not in this clone.
    pub fn get(&mut self, version: DataVersion) -> Option<Rc<ListFile>> {
        // Each kept list holds a file open; a merge asks for few versions at a time.
        const KEPT: usize = 6;
        if let Some(recent) = self.recent.iter().find(|recent| recent.version == version) {
            return Some(recent.list.clone());
        }
        // A list that cannot be opened is treated like one that is not in the cache.
        let list = Rc::new(ListFile::of_version(&self.cache, version).ok().flatten()?);
        self.recent.push_front(RecentList { version, list: list.clone(), asked: 0, whole: None });
        self.recent.truncate(KEPT);
        Some(list)
    }

    /// A run's files in a data version, empty if it does not hold the run; `None` if this clone lacks the
    /// version's file list, or it is damaged.
    pub fn run_entries(&mut self, version: DataVersion, run: &RunKey) -> Option<Vec<FileEntry>> {
        /// Looking for so many runs takes as long as parsing the list.
        const MANY: u32 = 256;
        let list = self.get(version)?;
        if let Some(recent) = self.recent.iter_mut().find(|recent| recent.version == version) {
            recent.asked = recent.asked.saturating_add(1);
            if recent.asked == MANY && list.size() as u64 <= limits::FILE_LIST {
                // What cannot be parsed as a whole is looked through as before.
                recent.whole = list.read_whole().ok().and_then(|bytes| FileList::parse(&bytes).ok());
            }
            if let Some(whole) = &recent.whole {
                return Some(entries_of_run(whole, run).to_vec());
            }
        }
        // A damaged list gives no entries, as documented.
        diff::run_entries(&*list, run).ok()
    }

    /// Where a data version's list is in the cache.
    #[must_use]
    pub fn list_path(&self, version: DataVersion) -> PathBuf {
        self.cache.file_list_path(version)
    }

    /// What a data version holds and none of these does; what any of these holds and it does not is removed.
    pub fn diff_against(
        &mut self,
        new: DataVersion,
        old_versions: impl IntoIterator<Item = DataVersion>,
    ) -> VersionDiff {
        let Some(list) = self.get(new) else { return VersionDiff::default() };
        let mut diff: Option<RunDiff> = None;
        let mut all_known = true;
        for old in old_versions {
            // A damaged list is treated like one that is not here.
            let one = self.get(old).and_then(|old| diff::diff_runs(&*old, &*list).ok());
            match (one, &mut diff) {
                (None, _) => all_known = false,
                (Some(one), Some(all)) => {
                    all.introduced.retain(|run| one.introduced.contains(run));
                    all.removed.extend(one.removed);
                    all.refused.retain(|refusal| one.refused.contains(refusal));
                }
                (Some(one), none) => *none = Some(one),
            }
        }
        if all_known && diff.is_some() {
            return VersionDiff { diff, ..VersionDiff::default() };
        }
        // The first data version, or one whose parents' are not here.
        let (runs, refused) = match diff::list_runs(&*list) {
            Ok(found) => found,
            Err(error) => return VersionDiff { left_out: Some(error.to_string()), ..VersionDiff::default() },
        };
        if all_known {
            let diff = RunDiff { introduced: runs.into_iter().collect(), removed: BTreeSet::new(), refused };
            return VersionDiff { diff: Some(diff), ..VersionDiff::default() };
        }
        VersionDiff { unattributed_runs: runs, ..VersionDiff::default() }
    }

    /// Whether the schemas of a data version's runs agree within each experiment, but for what one of these old versions holds
    /// already. `None` if a list is not in this clone or cannot be read.
    pub fn check_agreement(&mut self, new: DataVersion, old_versions: &[DataVersion]) -> Option<SchemaAgreement> {
        // Of an experiment that is as it was in every old version, there is nothing to compare.
        let mut introduced: BTreeSet<RunKey> = BTreeSet::new();
        if old_versions.is_empty() {
            introduced.extend(self.diff_against(new, []).diff?.introduced);
        }
        for old in old_versions {
            introduced.extend(self.diff_against(new, [*old]).diff?.introduced);
        }
        self.compare_introduced(new, old_versions, introduced)
    }

    /// The same, if it is known which runs the new version introduces.
    pub fn compare_introduced(
        &mut self,
        new: DataVersion,
        old_versions: &[DataVersion],
        mut introduced: BTreeSet<RunKey>,
    ) -> Option<SchemaAgreement> {
        // Each of a few runs is found by bisection; of many, the list is read as a whole.
        const FEW: usize = 32;
        if introduced.len() <= FEW {
            let has_schema = |run: &RunKey| {
                let path = format!("{run}/{SCHEMA_JSON}");
                self.run_entries(new, run).is_some_and(|files| files.iter().any(|file| file.relpath == path))
            };
            introduced = introduced.into_iter().filter(has_schema).collect();
        }
        let experiments: BTreeSet<String> = introduced.iter().map(|run| run.experiment().to_owned()).collect();
        let schemas = list_schemas(&*self.get(new)?, &experiments).ok()?;
        if schemas.values().all(|schemas| schemas.len() < 2) {
            return Some(SchemaAgreement::default());
        }
        let mut accepted: Vec<SchemaRuns> = Vec::new();
        for old in old_versions {
            accepted.push(list_schemas(&*self.get(*old)?, &experiments).ok()?);
        }
        Some(compare_schemas(&schemas, &accepted, &mut |hash| read_cached_schema(&self.cache, hash)))
    }

    /// Whether recorded runs, each with the bytes of its schema, would agree with the runs of a data version. Those that it
    /// holds already are left out: whether their files change is not known yet.
    pub fn check_recorded_agreement(
        &mut self,
        recorded: &[(RunKey, Vec<u8>)],
        committed: Option<DataVersion>,
    ) -> Option<SchemaAgreement> {
        let experiments: BTreeSet<String> = recorded.iter().map(|(run, _)| run.experiment().to_owned()).collect();
        let accepted = match committed {
            Some(version) => list_schemas(&*self.get(version)?, &experiments).ok()?,
            None => SchemaRuns::new(),
        };
        let mut schemas = accepted.clone();
        let mut texts: HashMap<DvcHash, &[u8]> = HashMap::new();
        for (run, text) in recorded {
            if committed.is_some_and(|version| self.run_entries(version, run).is_none_or(|held| !held.is_empty())) {
                continue;
            }
            let hash = DvcHash::of_bytes(text);
            schemas.entry(run.experiment().to_owned()).or_default().entry(hash).or_insert_with(|| run.clone());
            texts.insert(hash, text);
        }
        Some(compare_schemas(&schemas, &[accepted], &mut |hash| match texts.get(&hash) {
            Some(text) => RunSchema::parse(text).map_err(|error| error.to_string()),
            None => read_cached_schema(&self.cache, hash),
        }))
    }

    /// The run of a data version that a `run_dir` names (see [`find_run_of_dir`]).
    pub fn find_run(&mut self, version: DataVersion, run_dir: &str) -> Option<RunKey> {
        let mut parts = run_dir.trim_end_matches('/').rsplit('/');
        // For speed: one bisection instead of reading the whole list.
        if let (Some(run_id), Some(experiment)) = (parts.next(), parts.next())
            && let Ok(run) = RunKey::new(experiment, run_id)
            && self.run_entries(version, &run).is_some_and(|entries| !entries.is_empty())
        {
            return Some(run);
        }
        let (runs, _) = diff::list_runs(&*self.get(version)?).ok()?;
        find_run_of_dir(run_dir, &runs)
    }
}
