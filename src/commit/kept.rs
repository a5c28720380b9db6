//! That a commit drops no run of its parents' datasets, unless the user says that it is on purpose.

use std::path::Path;

use super::Stop;
use crate::dvc::lockfile;
use crate::dvc::remote::fetch;
use crate::project::{Project, Source};

impl Project {
    /// An error if the merge that is being concluded drops runs. Hooks ask where the merge changes nothing else of ours.
    pub fn merge_keeps_runs(&self) -> Result<(), Stop> {
        if self.merges_data()? { self.keeps_runs() } else { Ok(()) }
    }

    /// No run of HEAD's data version, or of a branch that is being merged, is missing from the staged one.
    pub(crate) fn keeps_runs(&self) -> Result<(), Stop> {
        let merged = self.repo.merge_heads()?;
        let parents: Vec<_> = self.repo.head()?.into_iter().chain(merged.iter().cloned()).collect();
        // Nobody asked to fetch.
        let mut bring = |version| {
            if let Ok(settings) = self.dvc_settings() {
                // Without it, what would be lost is unknown.
                let _ = fetch::listing_unasked(&self.root, settings, version, || self.dvc());
            }
        };
        let loss = self.loss(&Source::Index, &parents, &mut bring)?;
        if (loss.runs.is_empty() && loss.unknown.is_empty()) || self.on_purpose()? {
            return Ok(());
        }
        self.checked_out()?;
        if !loss.runs.is_empty() {
            let runs = loss.runs.into_iter().collect();
            return Err(match merged.is_empty() {
                true => Stop::Lost { runs },
                false => Stop::LostInMerge { runs, was_in_conflict: self.was_in_conflict()? },
            });
        }
        let version = loss.unknown.first().map(ToString::to_string).unwrap_or_default();
        Err(if merged.is_empty() { Stop::Unknown { version } } else { Stop::UnknownInMerge { version } })
    }

    /// Whether `dvc.lock` was in conflict, which `git checkout -m` brings back.
    fn was_in_conflict(&self) -> Result<bool, Stop> {
        let path = self.git_path(lockfile::FILE);
        Ok(self.repo.conflicts(true)?.iter().any(|(file, ..)| file == Path::new(&path)))
    }
}
