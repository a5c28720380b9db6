//! `pull`: the dataset, or one run of it, as `dvc.lock` says, because the user asked.
//!
//! Beyond what a sync does, every file that was there before is held against the data version: local changes are told, and
//! kept unless the user asks to replace them.

use super::{Reach, SyncError, Synced, by_dvc, finish, no_room, outcome};
use crate::dataset::differences::{Comparison, Differences};
use crate::dvc::cache::Cache;
use crate::dvc::checkout;
use crate::dvc::checkout::{CheckoutError, Switch};
use crate::dvc::file_list::{Entry, Listing};
use crate::dvc::hash::Oid;
use crate::dvc::link::hash;
use crate::dvc::remote::fetch;
use crate::dvc::settings::Settings;
use crate::project::mutex::WorkLock;
use crate::project::{Hear, Locked, Project, ProjectError};
use crate::run::RunKey;
use crate::support::fs;
use crate::support::names::safe_path;

/// What became of a pull.
#[derive(Debug)]
pub struct Pulled {
    /// What became of the sync.
    pub synced: Synced,
    /// Local changes that were left as they are; relative to the dataset.
    pub kept: Vec<String>,
    /// How many files with local changes were replaced or removed.
    pub replaced: usize,
}

impl Project {
    /// Pulls the dataset of the checked-out data version, or one run of it. With `force`, local changes are replaced.
    pub fn pull(
        &self,
        locked: &Locked,
        run: Option<&RunKey>,
        force: bool,
        hear: &dyn Hear,
    ) -> Result<Pulled, SyncError> {
        let before = self.files_before(&locked.out_dir);
        let synced = match run {
            None => self.sync(Reach::All, hear)?,
            Some(run) => self.pull_run(locked, run, hear)?,
        };
        let mut pulled = Pulled { synced, kept: Vec::new(), replaced: 0 };
        if !matches!(pulled.synced, Synced::Done { .. } | Synced::Unsaved { .. } | Synced::Refused { .. }) {
            return Ok(pulled);
        }
        let Some(listing) = self.listing(locked.version)? else { return Ok(pulled) };
        let (listing, _) = listing.without_refused();
        let compare = |before| {
            let progress = hear.progress("comparing", None);
            let comparison =
                Comparison { out_dir: &locked.out_dir, listing: &listing, only: run, before, max_bytes: u64::MAX };
            self.differences(&comparison, progress.as_ref())
        };
        let mut found = compare(Some(&before))?;
        // Missing is, after a sync, only what a link of DVC's leads to.
        if !found.missing.is_empty() || (force && found.local().next().is_some()) {
            let local = if force { found.clone() } else { Differences::default() };
            let wanting = Differences { missing: found.missing.clone(), ..local };
            let _alone = WorkLock::take(&self.state_dir())?;
            match self.replace(locked, run, &listing, &wanting, hear)? {
                Synced::Done { changed } => pulled.replaced = changed,
                Synced::Unsaved { .. } => {}
                other => {
                    pulled.synced = other;
                    return Ok(pulled);
                }
            }
            found = compare(None)?;
        }
        // Where something is in the way, what is missing stays so.
        pulled.kept = found.local().chain(&found.missing).cloned().collect();
        if let Synced::Unsaved { kept } = &pulled.synced {
            // Of runs that the data version does not hold.
            let there = |file: &&String| std::fs::symlink_metadata(self.root.join(&locked.out_dir).join(file)).is_ok();
            let others = kept.iter().filter(|file| listing.get(file).is_none() && !found.added.contains(file));
            pulled.kept.extend(others.filter(there).cloned());
            // DVC does not tell which files it left.
            if !kept.is_empty() || !pulled.kept.is_empty() {
                pulled.synced = Synced::Done { changed: 0 };
            }
        }
        Ok(pulled)
    }

    /// Brings one run of the checked-out data version into the workspace.
    fn pull_run(&self, locked: &Locked, run: &RunKey, hear: &dyn Hear) -> Result<Synced, SyncError> {
        self.check_dataset_dir(&locked.out_dir)?;
        let settings = self.dvc_settings()?;
        let _alone = WorkLock::take(&self.state_dir())?;
        let only = |listing: &Listing| Listing::new(listing.run(run).to_vec()).unwrap_or_default();
        let to = only(&fetch::listing(&self.root, settings, locked.version, || self.dvc())?);
        let from = match self.workspace_version()? {
            Some(version) => self.listing(version)?.map(|listing| only(&listing)).unwrap_or_default(),
            None => Listing::default(),
        };
        let from = self.still_there(from, &locked.out_dir);
        let switch = || self.switch(settings, &locked.out_dir, &from, &to, usize::MAX);
        let done = switch()?;
        if done.missing.is_empty() {
            return Ok(outcome(done));
        }
        let missing = settings.remote().and_then(|remote| remote.bytes(&done.missing)).unwrap_or(0);
        if let Some(why) = no_room(&settings.cache_dir, missing) {
            return Ok(Synced::Missing { why });
        }
        hear.status(&format!("fetching {run} of {}", locked.version));
        match self.fetch(locked, Some(run), hear) {
            Ok(()) => finish(switch()?),
            Err(SyncError::Dvc(error)) => by_dvc(Err(error)),
            Err(error) => Err(error),
        }
    }

    /// Puts the committed files in the place of those with local changes and of missing ones, and removes what was added.
    fn replace(
        &self,
        locked: &Locked,
        run: Option<&RunKey>,
        listing: &Listing,
        found: &Differences,
        hear: &dyn Hear,
    ) -> Result<Synced, SyncError> {
        let settings = self.dvc_settings()?;
        let files = found.changed.iter().chain(&found.missing);
        let to: Vec<Entry> = files.filter_map(|file| listing.get(file)).cloned().collect();
        let to = Listing::new(to).unwrap_or_default();
        let added = found.added.iter().filter(|file| safe_path(file));
        let from = added.map(|file| Entry { relpath: file.clone(), md5: Oid::of(b"") }).collect();
        let from = Listing::new(from).unwrap_or_default();
        if let Some(why) = remove_damaged(settings, &to)? {
            return Ok(Synced::Missing { why });
        }
        let (root, out_dir) = (&self.root, locked.out_dir.as_str());
        let patience = super::PATIENCE;
        let switch = || {
            let (most, force) = (usize::MAX, true);
            let switch = Switch { root, settings, out_dir, from: &from, to: &to, most, patience, force };
            checkout::switch(&switch).map_err(|error| match error {
                CheckoutError::Unsupported(why) => {
                    CheckoutError::UnsupportedByForce { why, out_dir: out_dir.to_owned() }
                }
                error => error,
            })
        };
        let done = switch()?;
        if done.missing.is_empty() {
            return Ok(outcome(done));
        }
        hear.status(&format!("fetching data of {}", locked.version));
        match self.fetch(locked, run, hear) {
            Ok(()) => finish(switch()?),
            Err(SyncError::Dvc(error)) => by_dvc(Err(error)),
            Err(error) => Err(error),
        }
    }
}

/// Takes objects out of the cache that are not what their names say: they were written through a link, and would be put in
/// place again. Why not, where one of them could not be had again.
fn remove_damaged(settings: &Settings, of: &Listing) -> Result<Option<String>, ProjectError> {
    let cache = Cache::of(settings);
    for md5 in of.entries().iter().map(|entry| entry.md5).filter(|md5| cache.has(*md5)) {
        let object = cache.path(md5);
        if hash(&object)?.0 == md5 {
            continue;
        }
        let again =
            settings.remote().is_some_and(|remote| remote.dir.as_deref().is_none_or(|dir| Cache::at(dir).has(md5)));
        if !again {
            return Ok(Some(format!("{} was changed, and no remote has the committed bytes", object.display())));
        }
        fs::remove_all(&object)?;
    }
    Ok(None)
}
