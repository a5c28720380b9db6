//! The workspace follows git: the dataset that `dvc.lock` names is brought to where `dvc.lock` lies.
//!
//! What the cache has is checked out; the rest is fetched, up to `pull.max_bytes`, else the selected run alone is. Edits in
//! the dataset that DVC has not saved win: then the dataset stays as it is. Nothing here fails a git command.

use super::lock::WorkLock;
use super::{Hear, Locked, Project, ProjectError, Source};
use crate::dvc::cache::Cache;
use crate::dvc::listing::Listing;
use crate::dvc::program::{Dvc, ProgramError};
use crate::dvc::stage::STAGE;
use crate::dvc::version::DataVersion;
use crate::run::RunKey;
use crate::support::fs;
use crate::support::process::ProcessError;

/// How far a sync may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Everything, whatever its size: the user asked.
    All,
    /// Within the settings' limit.
    Limited,
    /// The selected run alone, within the limit.
    SelectedRun,
}

/// What became of a sync.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Synced {
    /// There is no dataset here, or following is switched off.
    Nothing,
    /// The workspace is as `dvc.lock` says.
    Done {
        /// Whether something was fetched.
        fetched: bool,
    },
    /// Only the selected run was brought: the rest is too much to fetch unasked.
    Partly {
        /// About how many bytes are missing.
        missing: u64,
    },
    /// Nothing was changed: there are edits that DVC has not saved.
    Unsaved,
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

impl Project {
    /// Notes that the workspace is to follow later: a rebase is under way.
    pub fn note_sync_due(&self) -> Result<(), ProjectError> {
        Ok(fs::write_atomic(&self.repo.git_dir().join(DUE), b"")?)
    }

    /// Whether a sync was put off.
    #[must_use]
    pub fn sync_due(&self) -> bool {
        self.repo.git_dir().join(DUE).exists()
    }

    /// Whether the workspace was last brought to this data version. Nothing tells what was done to it since.
    pub fn workspace_is_at(&self, version: Option<DataVersion>) -> Result<bool, ProjectError> {
        let Some(version) = version else { return Ok(true) };
        let text = fs::read_optional(&self.repo.git_dir().join(AT))?.unwrap_or_default();
        Ok(String::from_utf8_lossy(&text).trim() == version.to_string())
    }

    /// Notes the data version that the workspace is at.
    pub fn note_workspace_at(&self, version: DataVersion) -> Result<(), ProjectError> {
        Ok(fs::write_atomic(&self.repo.git_dir().join(AT), format!("{version}\n").as_bytes())?)
    }

    /// Brings the workspace to the data version of the working tree's `dvc.lock`.
    pub fn sync(&self, reach: Reach, hear: &dyn Hear) -> Result<Synced, SyncError> {
        let Some(locked) = self.locked(&Source::WorkTree)? else { return Ok(Synced::Nothing) };
        let config = self.config()?;
        let asked = reach == Reach::All;
        let _alone = WorkLock::take(&self.state_dir()).map_err(ProjectError::from)?;
        let outcome = self.follow(&locked, reach, config.pull.max_bytes, config.pull.auto || asked, hear)?;
        if matches!(outcome, Synced::Done { .. }) {
            self.note_workspace_at(locked.version)?;
        }
        if matches!(outcome, Synced::Done { .. } | Synced::Partly { .. }) {
            let _ = fs::remove_all(&self.repo.git_dir().join(DUE));
        }
        Ok(outcome)
    }

    fn follow(
        &self,
        locked: &Locked,
        reach: Reach,
        limit: u64,
        fetch: bool,
        hear: &dyn Hear,
    ) -> Result<Synced, SyncError> {
        let cache = self.cache()?;
        let listing = cache.listing(locked.version).map_err(ProjectError::from)?;
        let missing = missing_bytes(&cache, listing.as_ref(), locked);
        let dvc = self.dvc()?;
        if missing == 0 {
            hear.status(&format!("bringing {} to {}", locked.out_dir, locked.version));
            return outcome(dvc.checkout(&[STAGE]).map(|_| Synced::Done { fetched: false }));
        }
        if !fetch {
            return Ok(Synced::Missing { why: "pull.auto is off".into() });
        }
        if reach == Reach::All || (reach == Reach::Limited && missing <= limit) {
            hear.status(&format!("bringing {} to {}: {} to fetch", locked.out_dir, locked.version, size(missing)));
            return outcome(dvc.pull(&[STAGE]).map(|_| Synced::Done { fetched: true }));
        }
        let Some(run) = self.selected_run(locked, listing.as_ref()) else {
            return Ok(Synced::Missing { why: format!("{} to fetch, and no run is selected", size(missing)) });
        };
        hear.status(&format!("bringing {run} of {}; the rest ({}) is left", locked.version, size(missing)));
        outcome(self.pull_run(&dvc, locked, &run).map(|()| Synced::Partly { missing }))
    }

    /// Brings one run of the checked-out data version into the workspace.
    pub fn pull_run(&self, dvc: &Dvc, locked: &Locked, run: &RunKey) -> Result<(), ProgramError> {
        dvc.pull(&[&format!("{}/{run}", locked.out_dir)]).map(drop)
    }

    /// The run that `dvc.lock` was made from, by its name in the dataset.
    #[must_use]
    pub fn selected_run(&self, locked: &Locked, listing: Option<&Listing>) -> Option<RunKey> {
        let run_dir = locked.run_dir.as_deref()?;
        match listing {
            Some(listing) => {
                let runs: Vec<RunKey> = listing.runs().map(|run| run.key).collect();
                super::selection::run_of(run_dir, &runs)
            }
            None => {
                let mut parts = run_dir.trim_end_matches('/').rsplit('/');
                let (run_id, experiment) = (parts.next()?, parts.next()?);
                RunKey::new(experiment, run_id).ok()
            }
        }
    }
}

/// Why a sync could not be done.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// The project.
    #[error(transparent)]
    Project(#[from] ProjectError),
    /// DVC.
    #[error(transparent)]
    Dvc(#[from] ProgramError),
}

impl crate::error::Explain for SyncError {
    fn kind(&self) -> crate::error::Kind {
        match self {
            Self::Project(error) => error.kind(),
            Self::Dvc(error) => error.kind(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Project(error) => error.code(),
            Self::Dvc(error) => error.code(),
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Project(error) => error.hints(),
            Self::Dvc(error) => error.hints(),
        }
    }
}

/// DVC's failures that are no faults: unsaved edits, data that cannot be had.
fn outcome(result: Result<Synced, ProgramError>) -> Result<Synced, SyncError> {
    match result {
        Ok(synced) => Ok(synced),
        Err(ProgramError::Process(ProcessError::Failed { said, .. })) => {
            if said.contains("without confirmation") || said.contains("unsaved") {
                return Ok(Synced::Unsaved);
            }
            let line = said.lines().find(|line| line.starts_with("ERROR")).or_else(|| said.lines().last());
            let why = line.unwrap_or_default().trim_start_matches("ERROR: ").to_owned();
            Ok(Synced::Missing { why })
        }
        Err(error) => Err(error.into()),
    }
}

/// About how many bytes of a data version the cache lacks. Sizes of single files are not known before they are here: the
/// whole is, from `dvc.lock`.
fn missing_bytes(cache: &Cache, listing: Option<&Listing>, locked: &Locked) -> u64 {
    let whole = locked.size.unwrap_or(u64::MAX);
    let Some(listing) = listing else { return whole.max(1) };
    let mut have = 0u64;
    let mut all = true;
    for entry in listing.entries() {
        match std::fs::metadata(cache.path(entry.md5)) {
            Ok(meta) => have = have.saturating_add(meta.len()),
            Err(_) => all = false,
        }
    }
    if all { 0 } else { whole.saturating_sub(have).max(1) }
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
}
