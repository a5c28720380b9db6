//! Commits, data versions over time, and where each run comes from.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;

use crate::git::{Commit, Oid};
use crate::history::{DatasetCommit, RunTrailers, parse_trailers};
use crate::project::{Project, ProjectError};
use crate::report::data::{CommitData, HistoryData};
use crate::report::rev_history::{NewestVersion, RevHistory};
use crate::report::thin::{LeftOutParts, Limits};
use crate::run::RunKey;
use crate::support::process::shell_quote;

/// The most data versions that are listed.
const MOST_VERSIONS: usize = 2_000;
/// The most names of removed runs, and of tags, that are listed of one data version.
const MOST_NAMES: usize = 100;

/// Commits, each once, in the order in which they are asked for.
#[derive(Debug, Default)]
pub struct CommitTable {
    places: HashMap<Oid, usize>,
    /// The commits.
    pub commits: Vec<CommitData>,
}

impl CommitTable {
    /// The place of a commit.
    pub fn place_of(&mut self, commit: &Commit, limits: &Limits, cut: &mut LeftOutParts) -> usize {
        if let Some(place) = self.places.get(&commit.id) {
            return *place;
        }
        let place = self.commits.len();
        self.places.insert(commit.id.clone(), place);
        self.commits.push(CommitData {
            id: commit.id.to_string(),
            // A date that no calendar has is not worth failing for: git shows it as the epoch, too.
            time: Timestamp::from_second(commit.time).unwrap_or(Timestamp::UNIX_EPOCH).to_string(),
            // Some give git their address as their name: no address is published.
            author: if commit.author.contains('@') { String::new() } else { cut.cut_text(&commit.author, limits.text) },
            subject: cut.cut_text(&commit.subject(), limits.text),
        });
        place
    }
}

/// What git says of one run.
#[derive(Debug, Default)]
pub struct RunLineage {
    /// The place of its commit.
    pub commit: Option<usize>,
    /// Its data version.
    pub version: Option<String>,
    /// Its tags, lowest version first.
    pub tags: Vec<String>,
    /// The newest tag of this version.
    pub tag: Option<String>,
    /// What its newest tag of this version says, else its commit.
    pub record: Option<RunTrailers>,
    /// What fetches its data.
    pub fetch_command: Option<String>,
}

/// Reads what git says of runs.
pub struct LineageReader<'a> {
    project: &'a Project,
    rev_history: &'a RevHistory,
    limits: Limits,
    /// The messages of commits, parsed once: one can name a thousand runs.
    trailers: HashMap<usize, BTreeMap<RunKey, RunTrailers>>,
    /// Whether this clone knows what each change changed.
    known: HashMap<usize, bool>,
    /// The commits.
    pub table: CommitTable,
    /// What was cut.
    pub cut: LeftOutParts,
    /// Of how many data versions the list of files is missing.
    pub lists_missing: usize,
}

impl<'a> LineageReader<'a> {
    /// For the runs of a history.
    #[must_use]
    pub fn new(project: &'a Project, rev_history: &'a RevHistory, limits: Limits) -> Self {
        let (trailers, known) = (HashMap::new(), HashMap::new());
        let (table, cut) = (CommitTable::default(), LeftOutParts::default());
        let lists_missing = rev_history.count_missing_lists();
        Self { project, rev_history, limits, trailers, known, table, cut, lists_missing }
    }

    /// What git says of a version of a run.
    pub fn read_run(&mut self, run: &RunKey, newest: NewestVersion) -> Result<RunLineage, ProjectError> {
        let NewestVersion { change: at, version } = newest;
        let change = at.and_then(|at| Some((at, self.rev_history.history.dataset_commits.get(at)?)));
        let mut lineage = RunLineage { version: Some(version.to_string()), ..RunLineage::default() };
        if let Some((at, change)) = change
            && self.knows_change(at, change)?
        {
            lineage.commit = Some(self.table.place_of(&change.commit, &self.limits, &mut self.cut));
        }
        let tags = self.rev_history.tags_of(run);
        // A tag's record may be gone: then its commit says which version it names.
        let is_of_version = |record: &RunTrailers| {
            record.data == version || self.rev_history.history.has_same_files(record.data, version, run)
        };
        let own = tags.iter().rev().find(|tag| match &tag.record {
            Some(record) => is_of_version(record),
            None => tag.tag.commit.is_some() && tag.tag.commit.as_ref() == change.map(|(_, change)| &change.commit.id),
        });
        // Of a commit of many runs, one tag stands for all.
        let of_all = change.and_then(|(_, change)| self.rev_history.history.version_tag_at(&change.commit.id));
        let of_all = of_all.map(|tag| &tag.tag.name);
        let shown = own.map(|tag| &tag.tag.name).or(of_all);
        lineage.tag = shown.map(|name| self.cut.cut_text(name, Limits::NAME));
        let names: Vec<&String> = of_all.into_iter().chain(tags.iter().map(|tag| &tag.tag.name)).collect();
        let first = names.len().saturating_sub(MOST_NAMES);
        lineage.tags = names.into_iter().skip(first).map(|name| self.cut.cut_text(name, Limits::NAME)).collect();
        lineage.record = own.and_then(|tag| tag.record.clone());
        let own_tag = own.map(|tag| tag.tag.name.clone());
        if let Some((at, change)) = change
            && let Some(said) = self.trailers_of(at, change).get(run).cloned()
        {
            match &mut lineage.record {
                Some(record) => record.fill_from(&said),
                none => *none = Some(said),
            }
        }
        lineage.fetch_command = Some(self.fetch_command(run, newest, own_tag, change.map(|(_, change)| change)));
        Ok(lineage)
    }

    /// What fetches a run's data into a clone. It is the same in every clone.
    fn fetch_command(
        &self,
        run: &RunKey,
        newest: NewestVersion,
        tag: Option<String>,
        change: Option<&DatasetCommit>,
    ) -> String {
        if self.rev_history.is_checked_out(run, newest.version) {
            return format!("capture-hook pull {}", shell_quote(run.to_string()));
        }
        // It was removed, or changed since: a checkout does not have it.
        match (tag, change) {
            (Some(tag), _) => format!("capture-hook get {}", shell_quote(tag)),
            (None, Some(change)) => {
                format!("capture-hook get {} --rev {}", shell_quote(run.to_string()), change.commit.id)
            }
            (None, None) => format!("capture-hook get {}", shell_quote(run.to_string())),
        }
    }

    fn trailers_of(&mut self, at: usize, change: &DatasetCommit) -> &BTreeMap<RunKey, RunTrailers> {
        self.trailers.entry(at).or_insert_with(|| {
            let records = parse_trailers(&change.commit.message).into_iter();
            let own = records.filter(|record| record.data == change.record.version);
            own.map(|record| (record.run.clone(), record)).collect()
        })
    }

    fn knows_change(&mut self, at: usize, change: &DatasetCommit) -> Result<bool, ProjectError> {
        if let Some(known) = self.known.get(&at) {
            return Ok(*known);
        }
        // One whose message names the run introduced it, whatever lists are here.
        let is_known = if change.partial { true } else { self.rev_history.knows_change(self.project, change)? };
        self.known.insert(at, is_known);
        Ok(is_known)
    }

    /// The data versions that hold these runs (all, if `is_all`), and what was left out.
    pub fn list_versions(
        &mut self,
        places: &BTreeMap<&RunKey, usize>,
        is_all: bool,
        notes: &mut Vec<String>,
    ) -> Result<Vec<HistoryData>, ProjectError> {
        let changes = &self.rev_history.history.dataset_commits;
        let concerns = |change: &&DatasetCommit| {
            is_all || change.introduced.iter().chain(&change.removed).any(|run| places.contains_key(run))
        };
        let listed: Vec<&DatasetCommit> = changes.iter().filter(concerns).collect();
        if listed.len() > MOST_VERSIONS {
            notes.push(format!("The newest {MOST_VERSIONS} of {} data versions are listed.", listed.len()));
        }
        let mut versions = Vec::new();
        let tags_by_commit = self.rev_history.index_tags();
        let (mut has_more_tags, mut unknown) = (false, 0_usize);
        for change in listed.into_iter().take(MOST_VERSIONS) {
            let introduced: BTreeSet<usize> =
                change.introduced.iter().filter_map(|run| places.get(run).copied()).collect();
            let is_known = self.rev_history.knows_change(self.project, change)?;
            unknown += usize::from(!is_known);
            let removed = change.removed.iter().filter(|run| is_all || places.contains_key(run));
            let mut tags: Vec<&str> = tags_by_commit.get(&change.commit.id).cloned().unwrap_or_default();
            has_more_tags |= tags.len() > MOST_NAMES;
            tags.truncate(MOST_NAMES);
            versions.push(HistoryData {
                commit: self.table.place_of(&change.commit, &self.limits, &mut self.cut),
                version: change.record.version.to_string(),
                introduced: introduced.into_iter().collect(),
                introduced_count: is_known.then_some(change.introduced.len()),
                removed: removed.take(MOST_NAMES).map(ToString::to_string).collect(),
                removed_count: change.removed.len(),
                removal_reason: change.removal_reason().map(|reason| self.cut.cut_text(&reason, Limits::NAME)),
                is_merge: change.commit.parents.len() > 1,
                tags: tags.into_iter().map(|tag| self.cut.cut_text(tag, Limits::NAME)).collect(),
            });
        }
        if has_more_tags {
            notes.push(format!("Of a commit with many run tags the first {MOST_NAMES} are listed in the history."));
        }
        if unknown > 0 {
            let versions = if unknown == 1 { "1 data version".to_owned() } else { format!("{unknown} data versions") };
            notes.push(format!("What {versions} introduced is not known in full to the clone that made this report."));
        }
        Ok(versions)
    }
}
