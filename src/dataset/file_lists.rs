//! The lists of files that data versions name, as they lie in this clone's cache: one run's files in one, and what one
//! brings over others.
//!
//! Lists are compared as bytes, in their files (see `dataset::diff`), so that what every commit asks costs little however
//! many runs there are. They are not checked against their names here: whoever writes from one, or hands data out, does that.

use std::cell::RefMut;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

use super::diff;
use crate::dataset::diff::Delta;
use crate::dataset::list_bytes::TextFile;
use crate::dvc::cache::Cache;
use crate::dvc::file_list::Entry;
use crate::dvc::hash::DataVersion;
use crate::dvc::remote::fetch;
use crate::git::Oid;
use crate::project::state::run_of;
use crate::project::{Hear, Project, ProjectError};
use crate::run::RunKey;
use crate::sync::with_cause;

/// The last few lists of files that were looked at.
#[derive(Debug)]
pub struct Lists {
    cache: Cache,
    recent: VecDeque<(DataVersion, Rc<TextFile>)>,
}

/// What one data version holds differently from others.
#[derive(Debug, Default)]
pub struct Found {
    /// What it brought; `None` where a list is not in this clone, or not to be read.
    pub delta: Option<Delta>,
    /// The runs it holds, where it is not known which of them it brought.
    pub held: Vec<RunKey>,
    /// Why its list is left out, where it is here and cannot be looked through.
    pub left_out: Option<String>,
}

impl Lists {
    /// Those of a cache.
    #[must_use]
    pub fn new(cache: Cache) -> Self {
        Self { cache, recent: VecDeque::new() }
    }

    /// A list; `None` where this clone does not have it.
    pub fn get(&mut self, version: DataVersion) -> Option<Rc<TextFile>> {
        const KEPT: usize = 6;
        if let Some((_, list)) = self.recent.iter().find(|(have, _)| *have == version) {
            return Some(list.clone());
        }
        let list = Rc::new(self.cache.list(version).ok().flatten()?);
        self.recent.push_front((version, list.clone()));
        self.recent.truncate(KEPT);
        Some(list)
    }

    /// A run's files in a data version, empty where it does not hold the run; `None` where this clone does not have the
    /// version's list of files, or it is damaged.
    pub fn entries(&mut self, version: DataVersion, run: &RunKey) -> Option<Vec<Entry>> {
        diff::entries(&*self.get(version)?, run).ok()
    }

    /// What a data version brings over all of these. Gone is what any of them held.
    pub fn change(&mut self, new: DataVersion, olds: impl IntoIterator<Item = DataVersion>) -> Found {
        let Some(list) = self.get(new) else { return Found::default() };
        let mut delta: Option<Delta> = None;
        let mut known = true;
        for old in olds {
            let one = self.get(old).and_then(|old| diff::between(&*old, &*list).ok());
            match (one, &mut delta) {
                (None, _) => known = false,
                (Some(one), Some(all)) => {
                    all.brought.retain(|run| one.brought.contains(run));
                    all.gone.extend(one.gone);
                    all.refused.retain(|refusal| one.refused.contains(refusal));
                }
                (Some(one), none) => *none = Some(one),
            }
        }
        if known && delta.is_some() {
            return Found { delta, ..Found::default() };
        }
        // The first data version, or one whose parents' are not here.
        let (held, refused) = match diff::runs_in(&*list) {
            Ok(found) => found,
            Err(error) => return Found { left_out: Some(error.to_string()), ..Found::default() },
        };
        if known {
            let delta = Delta { brought: held.into_iter().collect(), gone: BTreeSet::new(), refused };
            return Found { delta: Some(delta), ..Found::default() };
        }
        Found { held, ..Found::default() }
    }

    /// The run of a data version that a `run_dir` names (see [`run_of`]).
    pub fn named(&mut self, version: DataVersion, run_dir: &str) -> Option<RunKey> {
        let mut parts = run_dir.trim_end_matches('/').rsplit('/');
        if let (Some(run_id), Some(experiment)) = (parts.next(), parts.next())
            && let Ok(run) = RunKey::new(experiment, run_id)
            && self.entries(version, &run).is_some_and(|entries| !entries.is_empty())
        {
            return Some(run);
        }
        let (runs, _) = diff::runs_in(&*self.get(version)?).ok()?;
        run_of(run_dir, &runs)
    }
}

/// The lists that commits need, fetched where this clone does not have them.
pub struct FetchedLists<'p> {
    project: &'p Project,
    cache: Cache,
    hear: &'p dyn Hear,
    /// Those that could not be had, and why not.
    missing: BTreeMap<DataVersion, String>,
}

impl<'p> FetchedLists<'p> {
    /// For the commits of a project.
    pub fn new(project: &'p Project, hear: &'p dyn Hear) -> Result<Self, ProjectError> {
        Ok(Self { project, cache: project.cache()?, hear, missing: BTreeMap::new() })
    }

    /// Fetches what is needed to tell what a commit brings: its own list and its parents'.
    pub fn fetch_for(&mut self, commit: &Oid) -> Result<(), ProjectError> {
        for version in self.versions_for(commit)? {
            self.fetch(version);
        }
        Ok(())
    }

    /// Makes again what could not be fetched, as far as that can be proved.
    pub fn rebuild(&mut self) -> Result<(), ProjectError> {
        self.project.rebuild_lists(self.missing.keys().copied(), Some(self.hear))?;
        self.missing.retain(|version, _| !self.cache.has_listing(*version));
        Ok(())
    }

    /// Fetches the list of one commit.
    pub fn fetch_at(&mut self, commit: Option<&Oid>) -> Result<(), ProjectError> {
        if let Some(commit) = commit.filter(|commit| self.project.knows(commit))
            && let Some(version) = self.project.version_at(commit)?
        {
            self.fetch(version);
        }
        Ok(())
    }

    /// The lists that were needed for a commit and could not be had, and why not.
    pub fn missing_for(&self, commit: &Oid) -> Result<Vec<(DataVersion, &str)>, ProjectError> {
        let versions = self.versions_for(commit)?.into_iter();
        Ok(versions.filter_map(|version| Some((version, self.missing.get(&version)?.as_str()))).collect())
    }

    /// Why a list could not be had.
    #[must_use]
    pub fn why_missing(&self, version: DataVersion) -> Option<&str> {
        self.missing.get(&version).map(String::as_str)
    }

    fn versions_for(&self, commit: &Oid) -> Result<Vec<DataVersion>, ProjectError> {
        let Some(own) = self.project.version_at(commit)? else { return Ok(Vec::new()) };
        let mut versions = Vec::new();
        for parent in self.project.repo.commit(commit)?.parents.iter().filter(|id| self.project.knows(id)) {
            versions.extend(self.project.version_at(parent)?);
        }
        if versions.contains(&own) {
            return Ok(Vec::new());
        }
        versions.push(own);
        Ok(versions)
    }

    /// Fetches one list.
    pub fn fetch(&mut self, version: DataVersion) {
        if self.cache.has_listing(version) || self.missing.contains_key(&version) {
            return;
        }
        let fetched = self.project.dvc_settings().map_err(|error| error.to_string()).and_then(|settings| {
            self.hear.status(&format!("fetching the list of files of {version}"));
            let dvc = || self.project.dvc();
            fetch::bring(&self.project.root, settings, version, dvc).map_err(|error| with_cause(&error))
        });
        if let Err(why) = fetched {
            self.missing.insert(version, why);
        }
    }
}

impl Project {
    /// The lists of files in this clone.
    pub fn lists(&self) -> Result<RefMut<'_, Lists>, ProjectError> {
        let cache = self.cache()?;
        Ok(RefMut::map(self.lists.borrow_mut(), |lists| lists.get_or_insert_with(|| Lists::new(cache))))
    }
}
