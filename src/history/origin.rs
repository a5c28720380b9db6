//! The commit that a run's data comes from: the one that its tag names, else the first whose message tells of these
//! bytes, else the first that holds them.
//!
//! Which file lists are in this clone makes no difference, for a fresh one lacks those of older data versions: all clones
//! that have the same commits and tags give the same answer. What HEAD holds comes first, for a clone can have branches
//! that others lack. A list that no clone or remote has any more is passed over.

use std::cell::RefCell;
use std::collections::HashMap;

use crate::dvc::hash::DataVersion;
use crate::git::Oid;
use crate::history::{self, DatasetCommit, History, RunTrailers};
use crate::project::{Project, ProjectError, Reporter, state};
use crate::run::RunKey;

use super::fetched_lists::FileListFetcher;

/// Where a run's data comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunOrigin {
    /// The commit.
    pub commit: Oid,
    /// Its data version.
    pub version: DataVersion,
    /// The run's tag that names it.
    pub tag: Option<String>,
}

/// What tells the bytes of a run from those of another version of it.
#[derive(Debug, Clone, Copy)]
pub struct RunProof<'a> {
    /// The run.
    pub run: &'a RunKey,
    /// A data version that holds these bytes.
    pub version: DataVersion,
    /// The SHA-256 of its manifest, in hex.
    pub manifest: Option<&'a str>,
    /// The SHA-256 of all its files, in hex: see [`super::run_files`].
    pub files: &'a str,
}

impl RunProof<'_> {
    /// Whether a record is of these bytes; `None` if it does not say.
    fn matches_record(&self, record: &RunTrailers) -> Option<bool> {
        match (&record.files, &record.manifest) {
            (Some(files), _) => Some(files == self.files),
            // An older commit or tag. A recorder's manifest may be the same though other files differ; nothing better is
            // recorded.
            (None, Some(manifest)) => Some(Some(manifest.as_str()) == self.manifest),
            (None, None) => None,
        }
    }
}

/// The origins of all runs of a history.
pub struct OriginIndex<'a> {
    project: &'a Project,
    history: &'a History,
    /// For each run, what messages of commits say of it in their own data version: those of HEAD first, then oldest
    /// first. The number is the commit's place in the history.
    records: HashMap<RunKey, Vec<(usize, RunTrailers)>>,
    /// All commits of the history in that order.
    order: Vec<usize>,
    /// Made when the first list is needed; it remembers those that cannot be fetched.
    lists: RefCell<Option<FileListFetcher<'a>>>,
}

impl<'a> OriginIndex<'a> {
    /// Reads each commit's message once.
    #[must_use]
    pub fn new(project: &'a Project, history: &'a History) -> Self {
        let mut order: Vec<usize> = (0..history.dataset_commits.len()).rev().collect();
        // A clone can have branches that others lack; what HEAD holds, all have.
        order.sort_by_key(|at| !history.dataset_commits.get(*at).is_some_and(|change| change.on_head));
        let mut records: HashMap<RunKey, Vec<(usize, RunTrailers)>> = HashMap::new();
        for at in &order {
            let Some(change) = history.dataset_commits.get(*at) else { continue };
            let own = history::parse_trailers(&change.commit.message).into_iter();
            for record in own.filter(|record| record.data == change.record.version) {
                records.entry(record.run.clone()).or_default().push((*at, record));
            }
        }
        Self { project, history, records, order, lists: RefCell::new(None) }
    }

    /// Where a run's bytes come from; `None` if no commit of this clone says so.
    pub fn find_origin(
        &self,
        proof: RunProof<'_>,
        reporter: &'a dyn Reporter,
    ) -> Result<Option<RunOrigin>, ProjectError> {
        for tag in self.history.tags_of(proof.run) {
            let (Some(record), Some(commit)) = (&tag.record, &tag.tag.commit) else { continue };
            if proof.matches_record(record) != Some(true) || !self.project.repo.has_object(commit) {
                continue;
            }
            // What `dvc.lock` says counts, as for every other reader; a tag's message can be edited.
            if let Some(version) = self.project.data_version_at(commit)? {
                return Ok(Some(RunOrigin { commit: commit.clone(), version, tag: Some(tag.tag.name.clone()) }));
            }
        }
        let records = self.records.get(proof.run).map(Vec::as_slice).unwrap_or_default();
        let matching = records.iter().find(|(_, record)| proof.matches_record(record) == Some(true));
        let found = match matching {
            Some((at, _)) => self.history.dataset_commits.get(*at),
            None => self.find_first_holder(proof, reporter)?,
        };
        Ok(found.map(|change| RunOrigin {
            commit: change.commit.id.clone(),
            version: change.record.version,
            tag: None,
        }))
    }

    /// The first commit whose data version holds these bytes. Whether a list is in this clone makes no difference: it
    /// is fetched. `None` if history is cut off there: then an older commit may hold them.
    fn find_first_holder(
        &self,
        proof: RunProof<'_>,
        reporter: &'a dyn Reporter,
    ) -> Result<Option<&DatasetCommit>, ProjectError> {
        for change in self.order.iter().filter_map(|at| self.history.dataset_commits.get(*at)) {
            // Of a commit whose lists are here it is known what it introduced.
            if !change.partial && change.introduced.binary_search(proof.run).is_err() {
                continue;
            }
            let version = change.record.version;
            if version != proof.version {
                self.fetch_list(version, reporter)?;
            }
            if self.history.has_same_files(version, proof.version, proof.run) {
                let is_first = state::knows_parents(self.project, &change.commit)?;
                return Ok(is_first.then_some(change));
            }
        }
        Ok(None)
    }

    fn fetch_list(&self, version: DataVersion, reporter: &'a dyn Reporter) -> Result<(), ProjectError> {
        let mut lists = self.lists.borrow_mut();
        let lists = match &mut *lists {
            Some(lists) => lists,
            none => none.insert(FileListFetcher::new(self.project, reporter)?),
        };
        if lists.why_missing(version).is_none() {
            lists.fetch_list(version);
            if lists.why_missing(version).is_some() {
                lists.rebuild_missing()?;
            }
        }
        Ok(())
    }
}
