//! What a commit says about runs: which runs it brings, and the record of each.
//!
//! A commit brings every run whose files differ from those in all its parents' data versions, and the selected run where
//! the selection of `dvc.lock` changed. Everything is derived from `dvc.lock` and DVC's `.dir` objects; where this clone
//! does not have those objects, only what `dvc.lock` itself says is known.

use std::path::Path;

use sha2::{Digest, Sha256};

use super::Record;
use crate::dvc::file_list::{Entry, Listing};
use crate::dvc::hash::{DataVersion, Oid as ObjectId};
use crate::formats::json;
use crate::formats::json::Value;
use crate::git::Oid;
use crate::project::state::Locked;
use crate::project::{Project, ProjectError, Source};
use crate::run::RunKey;
use crate::run::layout::DATASET_INDEX;
use crate::support::{fs, limits};
use crate::validate::Ignored;
use crate::{history, manifest};

/// What one state brings over others.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Brought {
    /// The runs, in the dataset's order.
    pub runs: Vec<RunKey>,
    /// Runs of a parent that are not there any more.
    pub gone: Vec<RunKey>,
    /// Whether a listing that was needed is not in this clone, so that this may not be all.
    pub partial: bool,
}

impl Project {
    /// The listing of a data version, where this clone has it.
    pub fn listing(&self, version: DataVersion) -> Result<Option<Listing>, ProjectError> {
        Ok(self.cache()?.listing(version)?)
    }

    /// What `new` brings over its parents.
    pub fn brought(&self, new: Option<&Locked>, parents: &[Option<Locked>]) -> Result<Brought, ProjectError> {
        let mut brought = Brought::default();
        let Some(new) = new else { return Ok(brought) };
        let same = |parent: &Option<Locked>| {
            parent.as_ref().is_some_and(|p| p.version == new.version && p.run_dir == new.run_dir)
        };
        if !parents.is_empty() && parents.iter().all(same) {
            return Ok(brought);
        }
        let mut lists = self.lists()?;
        match lists.change(new.version, parents.iter().flatten().map(|parent| parent.version)).delta {
            Some(delta) => {
                brought.runs = delta.brought.into_iter().collect();
                brought.gone = delta.gone.into_iter().collect();
            }
            None => brought.partial = true,
        }
        let selection_changed =
            parents.iter().all(|p| p.as_ref().and_then(|p| p.run_dir.as_ref()) != new.run_dir.as_ref());
        if selection_changed
            && let Some(key) = new.run_dir.as_deref().and_then(|dir| lists.named(new.version, dir))
            && !brought.runs.contains(&key)
        {
            brought.runs.push(key);
        }
        brought.runs.sort();
        Ok(brought)
    }

    /// What a commit brings over its parents; where that cannot be told here, what it says it brings.
    pub fn brought_by(&self, commit: &Oid) -> Result<Brought, ProjectError> {
        let new = self.locked(&Source::Commit(commit.clone()))?;
        if new.is_none() {
            return Ok(Brought::default());
        }
        let commit = self.repo.commit(commit)?;
        if !self.knows_parents(&commit)? {
            let told = new.as_ref().map(|new| self.told_runs(&commit.message, new.version, new.version)).transpose()?;
            return Ok(Brought { runs: told.unwrap_or_default(), partial: true, ..Brought::default() });
        }
        let parents = self.locked_at_all(&commit.parents)?;
        let mut brought = self.brought(new.as_ref(), &parents)?;
        if let Some(new) = new.filter(|_| brought.partial) {
            brought.runs.extend(self.told_runs(&commit.message, new.version, new.version)?);
            brought.runs.sort();
            brought.runs.dedup();
        }
        Ok(brought)
    }

    /// The runs that a commit's message says it brings with its own data version, without those that `new` is known not to
    /// hold.
    pub fn told_runs(&self, message: &[u8], own: DataVersion, new: DataVersion) -> Result<Vec<RunKey>, ProjectError> {
        let mut lists = self.lists()?;
        let told = history::parse(message).into_iter().filter(|record| record.data == own);
        let mut runs: Vec<RunKey> = told.map(|record| record.run).collect();
        runs.retain(|run| lists.entries(new, run).is_none_or(|entries| !entries.is_empty()));
        runs.sort();
        runs.dedup();
        Ok(runs)
    }

    /// What `dvc.lock` says in each of these commits. Locks that cannot be understood say nothing.
    pub fn locked_at_all(&self, commits: &[Oid]) -> Result<Vec<Option<Locked>>, ProjectError> {
        commits
            .iter()
            .map(|id| match self.locked(&Source::Commit(id.clone())) {
                Err(ProjectError::Lock(_)) => Ok(None),
                other => other,
            })
            .collect()
    }

    /// The record of a run that a commit brings; what this clone has no data for is as the commit says.
    pub fn record_at(&self, run: &RunKey, locked: &Locked, commit: &Oid) -> Result<Record, ProjectError> {
        let mut record = self.record(run, locked)?;
        if record.config.is_none() || record.manifest.is_none() {
            let mut told = history::parse(&self.repo.commit(commit)?.message).into_iter();
            if let Some(told) = told.rfind(|told| told.run == *run && told.data == locked.version) {
                record.config = record.config.or(told.config);
                record.manifest = record.manifest.or(told.manifest);
            }
        }
        Ok(record)
    }

    /// The record of a run in a data version; what this clone has no data for is left out.
    pub fn record(&self, run: &RunKey, locked: &Locked) -> Result<Record, ProjectError> {
        let entries = self.lists()?.entries(locked.version, run).unwrap_or_default();
        self.record_of(run, locked, &entries)
    }

    /// The record of a run that has these files in a data version.
    pub fn record_of(&self, run: &RunKey, locked: &Locked, entries: &[Entry]) -> Result<Record, ProjectError> {
        let mut record = Record {
            run: run.clone(),
            config: None,
            data: locked.version,
            manifest: None,
            steps: None,
            episodes: None,
        };
        let read = |name: &str| -> Result<Option<Vec<u8>>, ProjectError> {
            let relpath = format!("{run}/{name}");
            let Some(entry) = entries.iter().find(|entry| entry.relpath == relpath) else { return Ok(None) };
            self.object(entry.md5, locked, &relpath)
        };
        if let Some(bytes) = read("manifest.json")? {
            record.manifest = Some(hex(&Sha256::digest(&bytes)));
        }
        if let Some(index) = read(DATASET_INDEX)?.and_then(|bytes| json::parse(&bytes).ok()) {
            record.config = index.get("config_hash").and_then(Value::as_str).map(str::to_owned);
            record.steps = index.get("steps").and_then(count);
            record.episodes = index.get("episodes").and_then(count);
        }
        Ok(record)
    }

    /// What the validation of a run that has these files ignored; `None` where this clone does not have what tells it.
    pub fn ignored_in(
        &self,
        run: &RunKey,
        locked: &Locked,
        entries: &[Entry],
    ) -> Result<Option<Vec<Ignored>>, ProjectError> {
        let relpath = format!("{run}/{DATASET_INDEX}");
        let Some(entry) = entries.iter().find(|entry| entry.relpath == relpath) else { return Ok(None) };
        let index = self.object(entry.md5, locked, &relpath)?.and_then(|bytes| json::parse(&bytes).ok());
        Ok(index.map(|index| manifest::ignored(&index)))
    }

    /// An object's bytes: from the cache, else from the workspace where the same bytes lie there.
    fn object(&self, id: ObjectId, locked: &Locked, relpath: &str) -> Result<Option<Vec<u8>>, ProjectError> {
        if let Some(bytes) = fs::read_within(&self.cache()?.path(id), limits::RUN_FILE)? {
            return Ok(Some(bytes));
        }
        if !crate::support::names::safe_path(relpath) || !crate::support::names::safe_path(&locked.out_dir) {
            return Ok(None);
        }
        let file = Path::new(&locked.out_dir).join(relpath);
        // Where it is no file of the project's own (a link into a cache that lacks the object), it tells nothing.
        let bytes = self.files().read(file, limits::RUN_FILE).ok().flatten();
        Ok(bytes.filter(|bytes| ObjectId::of(bytes) == id))
    }
}

/// A row count of DATASET_INDEX.json: a number, or an object with `rows`.
fn count(value: &Value) -> Option<u64> {
    let number = value.as_i64().or_else(|| value.get("rows")?.as_i64())?;
    u64::try_from(number).ok()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
