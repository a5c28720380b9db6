//! Lists of files that are gone from the cache, made again from a neighbouring data version's.
//!
//! `dvc gc -w` keeps what the workspace's data version names: the files of older versions are among these, their lists are
//! not. A dataset grows by runs, so an older list is a newer one without the runs that came in between. Which these are, the
//! commits say; that the guess is right, the list's MD5 proves, which is its name. What it does not prove is not written.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::dvc::cache::Cache;
use crate::dvc::file_list::{Entry, Listing};
use crate::dvc::hash::DataVersion;
use crate::dvc::remote::fetch;
use crate::dvc::remote::fetch::FetchError;
use crate::dvc::settings::Settings;
use crate::git::{Oid, Range};
use crate::history;
use crate::project::{Hear, Project, ProjectError};
use crate::run::RunKey;

/// How many lists to try for one that is gone.
const TRIED: usize = 8;

/// The data versions of history and the runs that its commits name.
struct Neighbours {
    /// Each data version with the newest commit that has it, the newest first.
    versions: Vec<(DataVersion, Oid)>,
    /// The runs that a commit names: in its trailers, and as its selection.
    named: HashMap<Oid, Vec<RunKey>>,
}

impl Project {
    /// Makes the lists of files that are gone from the cache again, as far as it can be proved what was in them.
    pub fn rebuild_lists(
        &self,
        versions: impl IntoIterator<Item = DataVersion>,
        hear: Option<&dyn Hear>,
    ) -> Result<(), ProjectError> {
        let cache = self.cache()?;
        let gone: HashSet<DataVersion> = versions.into_iter().filter(|version| !cache.has_listing(*version)).collect();
        // A clone without a cache has nothing to make one from.
        if gone.is_empty() || !cache.dir().is_dir() {
            return Ok(());
        }
        let neighbours = self.neighbours()?;
        let mut here: Vec<(DataVersion, Oid)> =
            neighbours.versions.iter().filter(|(version, _)| cache.has_listing(*version)).cloned().collect();
        for (version, commit) in neighbours.versions.iter().filter(|(version, _)| gone.contains(version)) {
            for (near, at) in here.iter().take(TRIED) {
                let Some(list) = cache.listing(*near).ok().flatten() else { continue };
                let Some(bytes) = self.proved(&neighbours, &list, (*version, commit), at)? else { continue };
                cache.put_listing_bytes(*version, &bytes)?;
                if let Some(hear) = hear {
                    hear.status(&format!("made the list of files of {version} again, which was not here, from {near}"));
                }
                here.insert(0, (*version, commit.clone()));
                break;
            }
        }
        Ok(())
    }

    /// Sees to it that this clone has the list of files of a data version: it is in the cache, on the remote, or can be made
    /// again.
    pub fn bring_list(&self, settings: &Settings, version: DataVersion) -> Result<(), FetchError> {
        let fetched = fetch::bring(&self.root, settings, version, || self.dvc());
        if fetched.is_err() && self.rebuild_lists([version], None).is_ok() && Cache::of(settings).has_listing(version) {
            return Ok(());
        }
        fetched
    }

    /// What history tells of data versions.
    fn neighbours(&self) -> Result<Neighbours, ProjectError> {
        let mut neighbours = Neighbours { versions: Vec::new(), named: HashMap::new() };
        let mut seen = HashSet::new();
        for id in self.repo.walk(&Range { include: self.repo.tips()?, ..Range::default() })? {
            if !self.knows(&id) {
                continue;
            }
            let Some(locked) = self.lenient(&id)? else { continue };
            if seen.insert(locked.version) {
                neighbours.versions.push((locked.version, id.clone()));
            }
            let told = history::parse(&self.repo.commit(&id)?.message).into_iter().map(|record| record.run);
            let selected = locked.run_dir.as_deref().and_then(key_of);
            neighbours.named.insert(id, told.chain(selected).collect());
        }
        Ok(neighbours)
    }

    /// The bytes of a list that is gone, out of one that is here, where they can be proved.
    fn proved(
        &self,
        neighbours: &Neighbours,
        list: &Listing,
        (version, commit): (DataVersion, &Oid),
        at: &Oid,
    ) -> Result<Option<Vec<u8>>, ProjectError> {
        let named = |include: &Oid, exclude: &[Oid]| -> Result<BTreeSet<RunKey>, ProjectError> {
            let range = Range { include: vec![include.clone()], exclude: exclude.to_vec(), ..Range::default() };
            let commits = self.repo.walk(&range)?;
            Ok(commits.iter().filter_map(|id| neighbours.named.get(id)).flatten().cloned().collect())
        };
        let (before, since) = (named(commit, &[])?, named(at, std::slice::from_ref(commit))?);
        let only = |keeps: &dyn Fn(&RunKey) -> bool| -> Option<Vec<u8>> {
            let kept = |entry: &&Entry| entry.run().is_none_or(|run| keeps(&run));
            let bytes = Listing::new(list.entries().iter().filter(kept).cloned().collect()).ok()?.to_bytes();
            (DataVersion::of(&bytes) == version).then_some(bytes)
        };
        Ok(only(&|run| !since.contains(run) || before.contains(run))
            .or_else(|| only(&|run| before.contains(run)))
            .or_else(|| only(&|run| !since.contains(run))))
    }
}

/// The run that a selection names by its path.
fn key_of(run_dir: &str) -> Option<RunKey> {
    let mut parts = run_dir.trim_end_matches('/').rsplit('/');
    let (run_id, experiment) = (parts.next()?, parts.next()?);
    RunKey::new(experiment, run_id).ok()
}
