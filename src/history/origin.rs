//! The commit that a run's data comes from: the one that its tag names, else the first that introduced these bytes.
//!
//! Decided by what commits and tags say of the run's files (their trailers), not by file lists, which a fresh clone
//! lacks for older data versions: all clones that have the same commits and tags give the same answer.

use std::collections::{BTreeSet, HashMap};

use crate::dvc::hash::DataVersion;
use crate::git::{Commit, Oid};
use crate::history::{self, History, RunTrailers};
use crate::project::{Project, ProjectError, Reporter};
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
    fn is_told_by(&self, record: &RunTrailers) -> Option<bool> {
        match (&record.files, &record.manifest) {
            (Some(files), _) => Some(files == self.files),
            // An older commit or tag. A recorder's manifest may be the same though other files differ; nothing better is
            // recorded.
            (None, Some(manifest)) => Some(Some(manifest.as_str()) == self.manifest),
            (None, None) => None,
        }
    }
}

/// A commit that introduced a run, and what its message says of the run.
#[derive(Debug)]
struct Candidate {
    commit: usize,
    record: Option<RunTrailers>,
}

/// The origins of all runs of a history.
pub struct OriginIndex<'a> {
    project: &'a Project,
    history: &'a History,
    /// For each run, the commits that introduced it, oldest first.
    candidates: HashMap<RunKey, Vec<Candidate>>,
}

impl<'a> OriginIndex<'a> {
    /// Reads each commit's message once.
    #[must_use]
    pub fn new(project: &'a Project, history: &'a History) -> Self {
        let mut candidates: HashMap<RunKey, Vec<Candidate>> = HashMap::new();
        for (at, change) in history.dataset_commits.iter().enumerate().rev() {
            let mut records: HashMap<RunKey, RunTrailers> = own_records(&change.commit, change.record.version);
            // A commit whose file list is not in this clone may introduce what its message names.
            let named: BTreeSet<RunKey> =
                if change.partial { records.keys().cloned().collect() } else { BTreeSet::new() };
            for run in change.introduced.iter().chain(named.iter().filter(|run| !change.introduced.contains(run))) {
                let record = records.remove(run);
                candidates.entry(run.clone()).or_default().push(Candidate { commit: at, record });
            }
        }
        Self { project, history, candidates }
    }

    /// Where a run's bytes come from; `None` if no commit of this clone tells.
    pub fn find_origin(&self, proof: RunProof<'_>, reporter: &dyn Reporter) -> Result<Option<RunOrigin>, ProjectError> {
        for tag in self.history.tags_of(proof.run) {
            let (Some(record), Some(commit)) = (&tag.record, &tag.tag.commit) else { continue };
            if proof.is_told_by(record) != Some(true) || !self.project.repo.has_object(commit) {
                continue;
            }
            // What `dvc.lock` says counts, as for every other reader; a tag's message can be edited.
            if let Some(version) = self.project.data_version_at(commit)? {
                return Ok(Some(RunOrigin { commit: commit.clone(), version, tag: Some(tag.tag.name.clone()) }));
            }
        }
        for candidate in self.candidates.get(proof.run).into_iter().flatten() {
            let Some(change) = self.history.dataset_commits.get(candidate.commit) else { continue };
            let version = change.record.version;
            let is_same = match candidate.record.as_ref().and_then(|record| proof.is_told_by(record)) {
                Some(told) => told,
                None => self.has_same_files(version, proof, reporter)?,
            };
            if is_same {
                return Ok(Some(RunOrigin { commit: change.commit.id.clone(), version, tag: None }));
            }
        }
        // Its commit is not in this clone, or a merge brought it: the first commit that has the data version.
        let mut changes = self.history.dataset_commits.iter().rev();
        let first = changes.find(|change| change.record.version == proof.version);
        Ok(first.map(|change| RunOrigin { commit: change.commit.id.clone(), version: proof.version, tag: None }))
    }

    fn has_same_files(
        &self,
        version: DataVersion,
        proof: RunProof<'_>,
        reporter: &dyn Reporter,
    ) -> Result<bool, ProjectError> {
        if version != proof.version {
            let mut lists = FileListFetcher::new(self.project, reporter)?;
            lists.fetch_list(version);
            lists.rebuild_missing()?;
        }
        Ok(self.history.has_same_files(version, proof.version, proof.run))
    }
}

/// What a commit's message says of the runs of its own data version.
fn own_records(commit: &Commit, version: DataVersion) -> HashMap<RunKey, RunTrailers> {
    let records = history::parse_trailers(&commit.message).into_iter();
    records.filter(|record| record.data == version).map(|record| (record.run.clone(), record)).collect()
}
