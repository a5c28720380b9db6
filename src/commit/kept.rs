//! That a commit drops no run of its parents' datasets, unless the user says that it is on purpose.

use std::path::Path;

use super::CommitRefused;
use crate::dvc::lockfile;
use crate::dvc::remote::fetch;
use crate::history::loss;
use crate::project::{GitTree, Project};

impl Project {
    /// An error if the merge that is being concluded drops runs. Hooks ask where the merge changes nothing else of ours.
    pub fn refuse_runs_lost_in_merge(&self) -> Result<(), CommitRefused> {
        if loss::merges_data(self)? { self.refuse_lost_runs() } else { Ok(()) }
    }

    /// No run of HEAD's data version, or of a branch that is being merged, is missing from the staged one.
    pub(crate) fn refuse_lost_runs(&self) -> Result<(), CommitRefused> {
        let merge_heads = self.repo.merge_heads()?;
        let parents: Vec<_> = self.repo.head()?.into_iter().chain(merge_heads.iter().cloned()).collect();
        // Nobody asked to fetch.
        let mut fetch_list = |version| {
            if let Ok(settings) = self.dvc_settings() {
                // Without it, what would be lost is unknown.
                let _ = fetch::read_file_list_unasked(&self.root, settings, version, || self.find_dvc());
            }
        };
        let loss = loss::find_run_loss(self, &GitTree::Index, &parents, &mut fetch_list)?;
        if (loss.runs.is_empty() && loss.unknown.is_empty()) || self.loss_is_intended()? {
            return Ok(());
        }
        self.require_checked_out()?;
        if !loss.runs.is_empty() {
            let runs = loss.runs.into_iter().collect();
            return Err(match merge_heads.is_empty() {
                true => CommitRefused::Lost { runs },
                false => CommitRefused::LostInMerge { runs, was_in_conflict: self.was_in_conflict()? },
            });
        }
        let version = loss.unknown.first().map(ToString::to_string).unwrap_or_default();
        Err(if merge_heads.is_empty() {
            CommitRefused::Unknown { version }
        } else {
            CommitRefused::UnknownInMerge { version }
        })
    }

    /// Whether `dvc.lock` was in conflict, which `git checkout -m` brings back.
    fn was_in_conflict(&self) -> Result<bool, CommitRefused> {
        let path = self.git_path(lockfile::FILE);
        Ok(self.repo.index_conflicts(true)?.iter().any(|(file, ..)| file == Path::new(&path)))
    }
}
