//! Which commit each run of a data version comes from, and which tags name it: by the messages of commits and tags, else by
//! what each commit of the history introduced.
//!
//! A message counts only if the commit's `dvc.lock` records the data version that it names, and if the hash of the run's
//! manifest in it is that of these bytes. Nothing is fetched.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::dataset::get::RunFiles;
use crate::dvc::lockfile;
use crate::git::{CommitRange, Oid};
use crate::history::tags::{run_tags, version_tags};
use crate::history::{self, RunTrailers};
use crate::load::facts::{RunFacts, RunSource, SourceCommit};
use crate::load::{LoadError, LoadedVersion};
use crate::project::{Project, ProjectError, state};
use crate::run::RunKey;
use crate::support::limits;

impl LoadedVersion {
    /// Where these runs come from; `facts` are theirs, in order.
    pub(super) fn find_sources(
        &self,
        project: &Project,
        runs: &[&RunFiles],
        facts: &[RunFacts],
    ) -> Result<Vec<RunSource>, LoadError> {
        let manifests: HashMap<&RunKey, Option<&str>> =
            runs.iter().zip(facts).map(|(run, facts)| (&run.key, facts.manifest_sha256.as_deref())).collect();
        let is_of_run = |record: &RunTrailers| match (manifests.get(&record.run), &record.manifest) {
            (Some(Some(manifest)), Some(recorded)) => manifest == recorded,
            // Of older messages, only those of this data version are of these bytes for sure.
            (Some(_), _) => record.data == self.version,
            (None, _) => false,
        };
        let mut commits = self.read_claims(project, runs.len(), &is_of_run)?;
        let open: HashSet<&RunKey> =
            runs.iter().map(|run| &run.key).filter(|key| !commits.contains_key(*key)).collect();
        if !open.is_empty() {
            let range = CommitRange { include: vec![self.commit.clone()], ..CommitRange::default() };
            let history = history::load_history_in(project, &range)?;
            for run in open {
                if let Some(change) = history.latest_commit(run) {
                    commits.insert(run.clone(), SourceCommit::of_commit(&change.commit));
                }
            }
        }
        let mut tags: HashMap<RunKey, BTreeMap<u64, String>> = HashMap::new();
        for tag in run_tags(project)? {
            let is_source = || {
                let source = commits.get(&tag.name.run).map(|source| &source.id);
                source.is_some() && source == tag.tag.commit.as_ref()
            };
            if tag.record.as_ref().map_or_else(is_source, is_of_run) {
                let version = u64::from(tag.name.version);
                tags.entry(tag.name.run).or_default().insert(version, tag.tag.name);
            }
        }
        // One tag can stand for all runs of a commit.
        let of_commits: HashMap<Oid, String> =
            version_tags(project)?.into_iter().filter_map(|tag| Some((tag.tag.commit?, tag.tag.name))).collect();
        let source = |key: &RunKey| {
            let commit = commits.remove(key);
            let mut tags: Vec<String> = tags.remove(key).into_iter().flat_map(BTreeMap::into_values).collect();
            tags.extend(commit.as_ref().and_then(|commit| of_commits.get(&commit.id)).cloned());
            RunSource { commit, tags }
        };
        Ok(runs.iter().map(|run| &run.key).map(source).collect())
    }

    /// The newest commit whose message says that it introduced each of so many runs.
    fn read_claims(
        &self,
        project: &Project,
        count: usize,
        is_of_run: &impl Fn(&RunTrailers) -> bool,
    ) -> Result<HashMap<RunKey, SourceCommit>, ProjectError> {
        let lockfile = project.git_path(lockfile::FILE);
        let range = CommitRange { include: vec![self.commit.clone()], ..CommitRange::default() };
        let mut commits: HashMap<RunKey, SourceCommit> = HashMap::new();
        for id in project.repo.walk_commits(&range)? {
            if commits.len() == count {
                break;
            }
            let commit = project.repo.read_commit(&id)?;
            let mut records = history::parse_trailers(&commit.message);
            records.retain(|record| is_of_run(record) && !commits.contains_key(&record.run));
            if records.is_empty() || !state::knows_lockfile(project, &id) {
                continue;
            }
            // The file need not be understood: it holds the hash of the data version as text.
            let Some(entry) = project.repo.entry_at(&id, &lockfile)?.filter(|entry| entry.is_file()) else { continue };
            if project.repo.blob_size(&entry.id)? > limits::LOCKFILE {
                continue;
            }
            let lock = project.repo.read_blob(&entry.id)?;
            for record in records {
                if memchr::memmem::find(&lock, record.data.to_string().as_bytes()).is_some() {
                    commits.insert(record.run, SourceCommit::of_commit(&commit));
                }
            }
        }
        Ok(commits)
    }
}
