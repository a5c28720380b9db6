//! What git knows of runs whose data is not in this clone: the hash of the configuration, figures, the size, and the
//! command that fetches the data.
//!
//! The hash is in a commit's trailers; a tag says how many steps and episodes there are. Each commit has the figures of
//! the run that it selects in `metrics/`: they count for the data version of that commit alone. A size follows from those
//! in `dvc.lock`, if a commit did nothing but add one run to its only parent's dataset. What no commit says stays unknown.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use super::{DatasetCommit, History, RunTrailers, parse_trailers};
use crate::columnar::RunMetrics;
use crate::dataset::metrics_files::{METRICS, parse_metrics};
use crate::dvc::hash::DataVersion;
use crate::git::Oid;
use crate::history::catalog::{Catalog, RunTarget};
use crate::history::file_facts::LISTED_RUNS;
use crate::history::summary::RunSummary;
use crate::project::Project;
use crate::run::RunKey;
use crate::support::limits;
use crate::support::notes::{NoteKey, Notes};
use crate::support::packed::{Packer, Unpacker};
use crate::support::text::shell_quote;

/// What commits say of a run. What is not known is absent.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CommitFacts {
    /// The hash of the configuration.
    pub config_hash: Option<String>,
    /// The figures.
    pub metrics: Option<RunMetrics>,
}

type NamedMetrics = Option<Rc<(RunKey, RunMetrics)>>;

/// Reads what commits say of runs, each commit once. What cannot be read is unknown.
pub struct CommitFactsReader<'a> {
    project: &'a Project,
    history: &'a History,
    notes: &'a Notes,
    path: String,
    metrics: RefCell<HashMap<Oid, NamedMetrics>>,
    trailers: RefCell<HashMap<Oid, Rc<HashMap<RunKey, RunTrailers>>>>,
    /// The commits that select a run, by their data version.
    selecting: OnceCell<HashMap<DataVersion, Vec<&'a DatasetCommit>>>,
}

impl<'a> CommitFactsReader<'a> {
    /// For the runs of a history; `notes` are those of listed runs.
    pub fn new(project: &'a Project, history: &'a History, notes: &'a Notes) -> Self {
        Self {
            project,
            history,
            notes,
            path: project.git_path(METRICS),
            metrics: RefCell::default(),
            trailers: RefCell::default(),
            selecting: OnceCell::new(),
        }
    }

    /// What commits say of a run as one of them introduced it.
    #[must_use]
    pub fn read_facts(&self, run: &RunKey, change: &DatasetCommit) -> CommitFacts {
        let config_hash = self.trailers_of(change).get(run).and_then(|trailers| trailers.config.clone());
        let selecting = self.selecting.get_or_init(|| {
            let mut by_version: HashMap<DataVersion, Vec<&DatasetCommit>> = HashMap::new();
            for commit in self.history.dataset_commits.iter().filter(|commit| commit.record.run_dir.is_some()) {
                by_version.entry(commit.record.version).or_default().push(commit);
            }
            by_version
        });
        let others = selecting.get(&change.record.version).into_iter().flatten().copied();
        let of_run = |commit: &DatasetCommit| self.metrics_at(&commit.commit.id).filter(|named| named.0 == *run);
        let metrics = std::iter::once(change).chain(others).find_map(of_run).map(|named| named.1.clone());
        let version = change.record.version;
        CommitFacts { config_hash, metrics: metrics.filter(|metrics| self.agrees_with_tags(run, version, metrics)) }
    }

    /// Whether no tag of the same data says otherwise: `metrics/` can be committed by hand.
    fn agrees_with_tags(&self, run: &RunKey, version: DataVersion, metrics: &RunMetrics) -> bool {
        let tags = self.history.tags_of(run).into_iter();
        let mut records = tags.filter_map(|tag| tag.record.as_ref()).filter(|record| record.data == version);
        let is_same = |count: Option<u64>, other: u64| count.is_none_or(|count| count == other);
        records.all(|record| is_same(record.steps, metrics.steps) && is_same(record.episodes, metrics.episodes))
    }

    /// Fetches at once what a partial clone lacks of these commits, and would fetch one by one.
    pub fn prepare(&self, changes: &[&DatasetCommit]) {
        let ids = changes.iter().map(|change| &change.commit.id);
        let unknown: Vec<Oid> = ids.filter(|id| self.notes.get(&self.note_key(id)).is_none()).cloned().collect();
        // What is still missing afterwards is not known.
        let _ = self.project.repo.fetch_files(&unknown, std::slice::from_ref(&self.path));
    }

    fn trailers_of(&self, change: &DatasetCommit) -> Rc<HashMap<RunKey, RunTrailers>> {
        let mut all = self.trailers.borrow_mut();
        let parsed = all.entry(change.commit.id.clone()).or_insert_with(|| {
            let own = parse_trailers(&change.commit.message).into_iter().filter(|t| t.data == change.record.version);
            Rc::new(own.map(|trailers| (trailers.run.clone(), trailers)).collect())
        });
        Rc::clone(parsed)
    }

    /// The figures in a commit, and whose they are.
    fn metrics_at(&self, commit: &Oid) -> NamedMetrics {
        if let Some(known) = self.metrics.borrow().get(commit) {
            return known.clone();
        }
        let key = self.note_key(commit);
        let found = match self.notes.get(&key).and_then(unpack_metrics) {
            Some(noted) => noted,
            None => self.read_metrics(commit).and_then(|read| {
                self.notes.add(key, pack_metrics(read.as_ref()));
                read
            }),
        };
        let found = found.map(Rc::new);
        self.metrics.borrow_mut().insert(commit.clone(), found.clone());
        found
    }

    /// `None` if the file cannot be read now; the inner `None` if it says nothing.
    fn read_metrics(&self, commit: &Oid) -> Option<Option<(RunKey, RunMetrics)>> {
        let repo = &self.project.repo;
        let Some(entry) = repo.entry_at(commit, &self.path).ok()?.filter(|entry| entry.is_file()) else {
            return Some(None);
        };
        if repo.blob_size(&entry.id).ok()? > limits::TEXT {
            return Some(None);
        }
        Some(parse_metrics(&repo.read_blob(&entry.id).ok()?))
    }

    fn note_key(&self, commit: &Oid) -> NoteKey {
        NoteKey::of_parts([b"commit metrics", self.path.as_bytes(), commit.as_str().as_bytes()])
    }
}

fn pack_metrics(named: Option<&(RunKey, RunMetrics)>) -> Vec<u8> {
    let mut packer = Packer::default();
    packer.add_optional(named, |packer, (run, metrics)| {
        packer.add_text(&run.to_string());
        metrics.pack(packer);
    });
    packer.into_bytes()
}

fn unpack_metrics(bytes: &[u8]) -> Option<Option<(RunKey, RunMetrics)>> {
    let mut unpacker = Unpacker::new(bytes);
    let named = unpacker.optional(|unpacker| Some((unpacker.text()?.parse().ok()?, RunMetrics::unpack(unpacker)?)))?;
    unpacker.is_done().then_some(named)
}

impl History {
    /// How many bytes the data of a run has as a commit introduced it, by the sizes in `dvc.lock`; `None` if they do not
    /// say.
    #[must_use]
    pub fn run_bytes(&self, run: &RunKey, change: &DatasetCommit) -> Option<u64> {
        // First, because a commit can have introduced many thousands.
        let is_alone = matches!(change.introduced.as_slice(), [only] if only == run);
        if is_alone { self.introduced_bytes(change) } else { None }
    }

    /// How many bytes the data of all runs has that a commit introduced, if it did nothing else.
    #[must_use]
    pub fn introduced_bytes(&self, change: &DatasetCommit) -> Option<u64> {
        // A run that was recorded again took the place of older files, whose size is not known.
        let is_new = !change.introduced.iter().any(|run| self.introduced_again.contains(run));
        change.added_bytes.filter(|_| is_new && change.removed.is_empty() && !change.introduced.is_empty())
    }

    /// The command that fetches a run's data; `None` if history does not know it.
    #[must_use]
    pub fn fetch_command(&self, run: &RunKey) -> Option<String> {
        let change = self.latest_commit(run);
        if change.is_none() && self.tags_of(run).is_empty() {
            return None;
        }
        // `pull` is for what HEAD's dataset holds.
        let is_on_head = change.is_some_and(|change| change.on_head) && self.removal_of(run).is_none();
        Some(format!("capture-hook {} {}", if is_on_head { "pull" } else { "get" }, shell_quote(run.to_string())))
    }
}

/// The facts of a run whose data is not in this clone, as far as git knows them.
#[must_use]
pub fn summarize_from_git(project: &Project, catalog: &Catalog, target: &RunTarget) -> RunSummary {
    let history = &catalog.history;
    let change = match &target.commit {
        Some(commit) => history.dataset_commits.iter().find(|change| change.commit.id == *commit),
        None => history.latest_commit(&target.key),
    };
    let tags = history.tags_of(&target.key);
    let version = change.map(|change| change.record.version);
    let is_its_own = |record: &&RunTrailers| version.is_none_or(|version| record.data == version);
    let record = tags.iter().rev().filter_map(|tag| tag.record.as_ref()).find(is_its_own);
    let notes = Notes::load(&project.state_dir(), LISTED_RUNS);
    let facts = change.map(|change| {
        let reader = CommitFactsReader::new(project, history, &notes);
        reader.prepare(&[change]);
        reader.read_facts(&target.key, change)
    });
    notes.save();
    let facts = facts.unwrap_or_default();
    let counts = record.and_then(|record| Some((record.steps?, record.episodes?)));
    let counted = counts.map(|(steps, episodes)| RunMetrics { steps, episodes, ..RunMetrics::default() });
    RunSummary {
        config_hash: facts.config_hash.or_else(|| record.and_then(|record| record.config.clone())),
        metrics: facts.metrics.or(counted),
        bytes: change.and_then(|change| history.run_bytes(&target.key, change)),
        ..RunSummary::default()
    }
}
