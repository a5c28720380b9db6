//! The workspace follows git: the dataset that `dvc.lock` names is brought to where `dvc.lock` lies.
//!
//! What the cache has is checked out natively, touching only what differs; the rest is fetched by DVC, up to
//! `pull.max_bytes`, else the selected run alone is. Edits in the dataset that DVC has not saved win: those files stay as
//! they are. Nothing here fails a git command.

mod error;
pub mod pull;
pub mod push;
pub mod sent;

use std::path::Path;
use std::time::Duration;

pub use error::SyncError;
pub(crate) use error::{by_dvc, with_cause};

use crate::dataset::list_bytes::Text;
use crate::dvc::absent::AbsentRemote;
use crate::dvc::cache::Cache;
use crate::dvc::checkout;
use crate::dvc::checkout::{CheckoutError, Switch, Switched};
use crate::dvc::file_list::{Entry, Listing, Refusal};
use crate::dvc::hash::DataVersion;
use crate::dvc::remote::fetch;
use crate::dvc::remote::fetch::FetchError;
use crate::dvc::settings::Settings;
use crate::dvc::temp_project::Scratch;
use crate::project::mutex::WorkLock;
use crate::project::{Hear, Locked, Project, ProjectError, Source};
use crate::run::RunKey;
use crate::support::{fs, limits};

/// How far a sync may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Everything, whatever its size: the user asked.
    All,
    /// Within the settings' limit.
    Limited,
    /// The selected run alone, within the limit, and whatever is here anyway.
    SelectedRun,
}

/// Why nothing is fetched unless the user asks, where that is so: a cloned repository must not choose, by way of a remote's
/// client, what runs on this machine.
fn not_unasked(settings: &Settings, reach: Reach) -> Option<String> {
    let stranger = settings.strangers.first().filter(|_| reach != Reach::All)?;
    Some(format!("{stranger}, so data comes when you ask for it"))
}

/// What is told of a cache that git tracks, and the way out.
fn strange_cache(settings: &Settings) -> String {
    let dir = settings.cache_dir.display();
    format!(
        "git tracks files of DVC's cache {dir}, which others put there (`dvc cache dir --local .dvc/cache` takes another one)"
    )
}

/// Says what of a data version is not checked out.
fn say_refused(refused: &[Refusal], hear: &dyn Hear) {
    const SHOWN: usize = 10;
    for refusal in refused.iter().take(SHOWN) {
        hear.warn(&format!("not checked out: {refusal}"));
    }
    if refused.len() > SHOWN {
        hear.warn(&format!("not checked out, for such reasons: {} more", refused.len() - SHOWN));
    }
    if !refused.is_empty() {
        hear.hint("tell who committed it; all else of the dataset is not held back by it");
    }
}

/// What became of a sync.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Synced {
    /// There is no dataset here.
    Nothing,
    /// The workspace is as `dvc.lock` says.
    Done {
        /// How many files were written or removed.
        changed: usize,
    },
    /// Only a part was brought: the rest is too much to fetch unasked.
    Partly {
        /// How many files are missing.
        files: usize,
        /// About how many bytes they have; `u64::MAX` where that is not known.
        missing: u64,
    },
    /// Some files hold work that DVC has not saved, and were left; the rest is as `dvc.lock` says.
    Unsaved {
        /// Relative to the dataset; empty where DVC itself did the work and did not tell.
        kept: Vec<String>,
    },
    /// The workspace is as `dvc.lock` says, but for what no checkout takes; that was said.
    Refused {
        /// How many files were written or removed.
        changed: usize,
        /// Runs, or files that lie in none; relative to the dataset.
        paths: Vec<String>,
    },
    /// Nothing was changed: it is more than a hook does unasked.
    Left {
        /// What is too much.
        what: String,
    },
    /// Nothing was changed: the data is neither here nor to be had.
    Missing {
        /// Why.
        why: String,
    },
}

/// The mark of a sync that is still to be done, in the working tree's git directory.
const DUE: &str = "capture-hook-sync-due";
/// The data version that the workspace was last brought to, in the working tree's git directory.
const AT: &str = "capture-hook-at";
/// How long to wait for another DVC.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

impl Project {
    /// Notes that the workspace is to follow later: a rebase is under way.
    pub fn note_sync_due(&self) -> Result<(), ProjectError> {
        Ok(fs::write_atomic(&self.mark(DUE), b"")?)
    }

    /// Whether a sync was put off.
    #[must_use]
    pub fn sync_due(&self) -> bool {
        self.mark(DUE).exists()
    }

    /// The data version that the workspace was last brought to. Nothing tells what was done to it since.
    pub fn workspace_version(&self) -> Result<Option<DataVersion>, ProjectError> {
        let text = fs::read_optional(&self.mark(AT))?.unwrap_or_default();
        Ok(String::from_utf8_lossy(&text).trim().parse().ok())
    }

    /// Whether the workspace was last brought to this data version.
    pub fn workspace_is_at(&self, version: Option<DataVersion>) -> Result<bool, ProjectError> {
        Ok(version.is_none() || self.workspace_version()? == version)
    }

    /// Notes the data version that the workspace is at.
    pub fn note_workspace_at(&self, version: DataVersion) -> Result<(), ProjectError> {
        if self.workspace_is_at(Some(version))? {
            return Ok(());
        }
        Ok(fs::write_atomic(&self.mark(AT), format!("{version}\n").as_bytes())?)
    }

    /// Notes that runs were added to the workspace, which makes one data version the next. A workspace that was at neither is to
    /// follow yet: a `git reset`, or a rebase that replays nothing, tells nobody.
    pub(crate) fn note_runs_added(&self, before: Option<DataVersion>, now: DataVersion) -> Result<(), ProjectError> {
        match self.workspace_version()? {
            Some(at) if at != now && before.is_some_and(|before| at != before) => self.note_sync_due(),
            _ => self.note_workspace_at(now),
        }
    }

    /// Brings the workspace to the data version of the working tree's `dvc.lock`.
    pub fn sync(&self, reach: Reach, hear: &dyn Hear) -> Result<Synced, SyncError> {
        let Some(locked) = self.locked(&Source::WorkTree)? else { return Ok(Synced::Nothing) };
        let _alone = WorkLock::take(&self.state_dir())?;
        self.follow(&locked, reach, hear)
    }

    /// The same, by whoever holds the lock already.
    pub(crate) fn follow(&self, locked: &Locked, reach: Reach, hear: &dyn Hear) -> Result<Synced, SyncError> {
        self.check_dataset_dir(&locked.out_dir)?;
        let settings = self.dvc_settings()?;
        if settings.cache_is_tracked && reach != Reach::All {
            let why = format!("{}, so data comes when you ask for it", strange_cache(settings));
            return Ok(Synced::Missing { why });
        }
        if let Some(what) = self.long_list(settings, locked, reach)? {
            return Ok(Synced::Left { what });
        }
        let mut refused = Vec::new();
        let synced = match self.follow_natively(settings, locked, reach, hear, &mut refused) {
            Err(SyncError::Checkout(CheckoutError::Unsupported(why))) => match not_unasked(settings, reach) {
                Some(why) => Ok(Synced::Missing { why }),
                None => self.follow_by_dvc(settings, locked, &why, hear),
            },
            Err(SyncError::Checkout(CheckoutError::TooMany(count))) => {
                Ok(Synced::Left { what: format!("{count} files to write or remove") })
            }
            other => other,
        };
        let mut synced = match synced {
            Err(SyncError::Fetch(error)) => Synced::Missing { why: with_cause(&error) },
            other => other?,
        };
        say_refused(&refused, hear);
        if let (Synced::Done { changed }, false) = (&synced, refused.is_empty()) {
            let paths = refused.into_iter().map(|refusal| refusal.path).collect();
            synced = Synced::Refused { changed: *changed, paths };
        }
        if !matches!(synced, Synced::Nothing | Synced::Left { .. } | Synced::Missing { .. }) {
            self.note_workspace_at(locked.version)?;
            fs::remove_all(&self.mark(DUE))?;
        }
        Ok(synced)
    }

    /// What a hook does not look into: the list of the data version, or of what the workspace holds, that is here and long.
    fn long_list(&self, settings: &Settings, locked: &Locked, reach: Reach) -> Result<Option<String>, ProjectError> {
        let cache = Cache::of(settings);
        let versions = [Some(locked.version), self.workspace_version()?];
        for version in versions.into_iter().flatten().filter(|_| reach != Reach::All) {
            let bytes = cache.list(version)?.map_or(0, |list| list.size() as u64);
            if bytes > limits::UNASKED_LIST {
                return Ok(Some(format!("a list of files of {}", size(bytes))));
            }
        }
        Ok(None)
    }

    /// Has DVC fetch and check out the dataset, which only DVC can: all of what we would refuse is refused before it starts.
    fn follow_by_dvc(
        &self,
        settings: &Settings,
        locked: &Locked,
        why: &str,
        hear: &dyn Hear,
    ) -> Result<Synced, SyncError> {
        if settings.cache_is_tracked {
            return Ok(Synced::Missing {
                why: format!("only DVC can do this ({why}), and {}", strange_cache(settings)),
            });
        }
        let listing = fetch::listing(&self.root, settings, locked.version, || self.dvc())?;
        let paths = listing.entries().iter().map(|entry| entry.relpath.as_str());
        checkout::refuse_unsafe(&self.root, &locked.out_dir, paths)?;
        if let Some(wanted) = self.state(&Source::WorkTree)?.wanted {
            self.check_stage_files(&wanted)?;
        }
        self.files().check_dir(&locked.out_dir)?;
        hear.status(&format!("DVC does this: {why}"));
        // The dataset alone: DVC would make any other output of the stage executable where `dvc.lock` says so.
        by_dvc(self.dvc()?.pull(&[&locked.out_dir]).map(drop))
    }

    fn follow_natively(
        &self,
        settings: &Settings,
        locked: &Locked,
        reach: Reach,
        hear: &dyn Hear,
        left_out: &mut Vec<Refusal>,
    ) -> Result<Synced, SyncError> {
        let config = self.config()?;
        let refused = not_unasked(settings, reach);
        let fetch = (config.pull.auto && refused.is_none()) || reach == Reach::All;
        let cache = Cache::of(settings);
        if !cache.has_listing(locked.version) {
            if !fetch {
                self.rebuild_lists([locked.version], Some(hear))?;
            }
            if !fetch && !cache.has_listing(locked.version) {
                return Ok(Synced::Missing { why: refused.unwrap_or_else(|| "pull.auto is off".into()) });
            }
            self.bring_list(settings, locked.version)?;
            if let Some(what) = self.long_list(settings, locked, reach)? {
                return Ok(Synced::Left { what });
            }
        }
        let listing = fetch::listing(&self.root, settings, locked.version, || self.dvc())?;
        let to;
        (to, *left_out) = listing.without_refused();
        let from = match self.workspace_version()? {
            Some(version) => match cache.listing(version).map_err(ProjectError::from)? {
                // Without it, nothing that the old version held could be told from unsaved work.
                None if fetch && self.bring_list(settings, version).is_ok() => {
                    cache.listing(version).ok().flatten().unwrap_or_default()
                }
                listing => listing.unwrap_or_default(),
            },
            None => Listing::default(),
        };
        let (from, _) = from.without_refused();
        let from = if reach == Reach::All { self.still_there(from, &locked.out_dir) } else { from };
        let most = if reach == Reach::All { usize::MAX } else { limits::UNASKED_FILES };
        let switch = |to: &Listing| self.switch(settings, &locked.out_dir, &from, to, most);
        let done = switch(&to)?;
        if done.missing.is_empty() {
            return Ok(outcome(done));
        }
        let missing = missing_bytes(settings, &cache, &to, locked);
        let all = reach == Reach::All || (reach == Reach::Limited && missing <= config.pull.max_bytes);
        if fetch && all {
            if let Some(why) = no_room(&settings.cache_dir, missing) {
                return Ok(Synced::Missing { why });
            }
            hear.status(&format!("fetching data of {}: {}", locked.version, size(missing)));
            return match self.fetch(locked, None, hear) {
                Ok(()) => finish(switch(&to)?),
                Err(SyncError::Dvc(error)) => by_dvc(Err(error)),
                Err(error) => Err(error),
            };
        }
        if let Some(run) = self.selected_run(locked, Some(&to)).filter(|_| fetch)
            && done.missing.iter().any(|entry| entry.run().as_ref() == Some(&run))
        {
            let entries = to.run(&run);
            let share =
                bytes_there(settings, &cache, entries).unwrap_or_else(|| share_of(missing, entries.len(), to.len()));
            if let Some(why) = no_room(&settings.cache_dir, share) {
                return Ok(Synced::Missing { why });
            }
            if share <= config.pull.max_bytes || reach == Reach::Limited {
                hear.status(&format!("fetching {run} of {}", locked.version));
                match self.fetch(locked, Some(&run), hear) {
                    Ok(()) => {}
                    Err(SyncError::Dvc(error)) => return by_dvc(Err(error)),
                    Err(error) => return Err(error),
                }
            }
        }
        // Whole runs only: what the cache has of them now.
        let here = |entries: &[Entry]| entries.iter().all(|entry| cache.has(entry.md5));
        let part = to.runs().filter(|run| here(run.entries)).flat_map(|run| run.entries.to_vec()).collect();
        let part = Listing::new(part).unwrap_or_default();
        if part.is_empty() {
            return Ok(Synced::Missing { why: refused.unwrap_or_else(|| format!("{} to fetch", size(missing))) });
        }
        let done = switch(&part)?;
        let missing = missing_bytes(settings, &cache, &to, locked);
        let files = to.entries().iter().filter(|entry| !cache.has(entry.md5)).count();
        Ok(if done.kept.is_empty() { Synced::Partly { files, missing } } else { Synced::Unsaved { kept: done.kept } })
    }

    /// A listing without the files that were removed by hand: they come back when the user asks.
    pub(crate) fn still_there(&self, listing: Listing, out_dir: &str) -> Listing {
        let dataset = self.root.join(out_dir);
        let there = |entry: &&Entry| std::fs::symlink_metadata(dataset.join(&entry.relpath)).is_ok();
        match listing.entries().iter().all(|entry| there(&entry)) {
            true => listing,
            false => Listing::new(listing.entries().iter().filter(there).cloned().collect()).unwrap_or_default(),
        }
    }

    pub(crate) fn switch(
        &self,
        settings: &Settings,
        out_dir: &str,
        from: &Listing,
        to: &Listing,
        most: usize,
    ) -> Result<Switched, SyncError> {
        let switch = Switch { root: &self.root, settings, out_dir, from, to, most, patience: PATIENCE, force: false };
        Ok(checkout::switch(&switch)?)
    }

    /// Brings the objects of a data version, or of one run in it, into the cache. The workspace is not touched.
    pub(crate) fn fetch(&self, locked: &Locked, run: Option<&RunKey>, hear: &dyn Hear) -> Result<(), SyncError> {
        let settings = self.dvc_settings()?;
        if let Some(absent) = AbsentRemote::of(settings) {
            return Err(FetchError::Absent { version: locked.version, absent }.into());
        }
        let scratch = Scratch::new(&self.root, settings).map_err(ProjectError::from)?;
        let name = scratch.add(locked.version)?;
        let target = match run {
            Some(run) => format!("{name}/{run}"),
            None => name,
        };
        let progress = hear.progress("fetching", None);
        self.dvc()?.in_project(scratch.root()).fetch(&[&target], progress.as_ref())?;
        Ok(())
    }

    /// The run that `dvc.lock` was made from, by its name in the dataset.
    #[must_use]
    pub fn selected_run(&self, locked: &Locked, listing: Option<&Listing>) -> Option<RunKey> {
        let run_dir = locked.run_dir.as_deref()?;
        match listing {
            Some(listing) => {
                let runs: Vec<RunKey> = listing.runs().map(|run| run.key).collect();
                crate::project::state::run_of(run_dir, &runs)
            }
            None => {
                let mut parts = run_dir.trim_end_matches('/').rsplit('/');
                let (run_id, experiment) = (parts.next()?, parts.next()?);
                RunKey::new(experiment, run_id).ok()
            }
        }
    }
}

pub(crate) fn outcome(done: Switched) -> Synced {
    if done.kept.is_empty() {
        Synced::Done { changed: done.written + done.removed }
    } else {
        Synced::Unsaved { kept: done.kept }
    }
}

/// The outcome after a fetch that went well.
pub(crate) fn finish(done: Switched) -> Result<Synced, SyncError> {
    let Some(first) = done.missing.first() else { return Ok(outcome(done)) };
    let more = match done.missing.len() - 1 {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Ok(Synced::Missing { why: format!("the DVC remote does not have {}{more}", first.relpath.escape_debug()) })
}

/// Why so many bytes cannot be fetched, where the disk has no room for them. A full disk stops more than us.
pub(crate) fn no_room(cache: &Path, bytes: u64) -> Option<String> {
    let free = fs::free_bytes(cache).filter(|free| *free < bytes && bytes != u64::MAX)?;
    Some(format!("{} to fetch, and {} are free for {}", size(bytes), size(free), cache.display()))
}

/// How many bytes of these files the cache lacks, if the remote is a directory and has them all.
fn bytes_there(settings: &Settings, cache: &Cache, entries: &[Entry]) -> Option<u64> {
    let there = Cache::at(settings.remote()?.dir.as_ref()?);
    entries.iter().filter(|entry| !cache.has(entry.md5)).map(|entry| there.size(entry.md5)).sum()
}

/// About how many bytes of a data version the cache lacks: a directory remote tells the sizes of files; of any other only the
/// whole is known, from `dvc.lock`. `u64::MAX` where neither tells.
fn missing_bytes(settings: &Settings, cache: &Cache, to: &Listing, locked: &Locked) -> u64 {
    if let Some(bytes) = bytes_there(settings, cache, to.entries()) {
        return bytes;
    }
    let have: u64 = to.entries().iter().filter_map(|entry| cache.size(entry.md5)).sum();
    match locked.size.map_or(u64::MAX, |size| size.saturating_sub(have)) {
        0 if !to.entries().iter().all(|entry| cache.has(entry.md5)) => u64::MAX,
        bytes => bytes,
    }
}

/// What some of a number of files have of all bytes, if they are alike. What is not known stays so.
fn share_of(bytes: u64, some: usize, all: usize) -> u64 {
    if bytes == u64::MAX {
        return bytes;
    }
    let share = u128::from(bytes) * some as u128 / all.max(1) as u128;
    u64::try_from(share).unwrap_or(u64::MAX)
}

/// A size for people.
#[must_use]
pub fn size(bytes: u64) -> String {
    const UNITS: &[(u64, &str)] = &[(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    if bytes == u64::MAX {
        return "an unknown amount".into();
    }
    match UNITS.iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) => {
            let tenths = bytes.saturating_mul(10) / unit;
            format!("{}.{} {name}", tenths / 10, tenths % 10)
        }
        None => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_well() {
        assert_eq!(size(17), "17 bytes");
        assert_eq!(size(1536), "1.5 KiB");
        assert_eq!(size(3 << 30), "3.0 GiB");
    }

    /// W6: The estimated share of a small size is not zero.
    #[test]
    fn a_share_of_little_is_not_nothing() {
        assert_eq!(share_of(100, 7, 300), 2);
        assert_eq!(share_of(u64::MAX, 1, 2), u64::MAX);
        assert_eq!(share_of(5, 1, 0), 5);
    }
}
