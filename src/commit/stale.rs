//! Whether a run that `dvc.lock` names must be ingested again: its directory holds another recording now, or other files go
//! with the recorder's.

use super::Stop;
use crate::dvc::stage::Resolved;
use crate::git::Operation;
use crate::project::held::Held;
use crate::project::{Hear, Project, State};
use crate::run::include::SETTING;
use crate::run::layout::RUN_JSON;
use crate::support::process::quoted;

impl Project {
    /// Whether the commit must ingest the selected run again. What git itself brings (a merge, a revert) is history's, and
    /// is not.
    pub(crate) fn is_stale(
        &self,
        staged: &State,
        wanted: &Resolved,
        run_dir: &str,
        hear: &dyn Hear,
    ) -> Result<bool, Stop> {
        if self.repo.operation().is_some_and(|operation| operation != Operation::Bisect) {
            return Ok(false);
        }
        if staged.include_agrees() {
            return self.recorded_anew(staged, wanted, run_dir, hear);
        }
        let here = self.root.join(run_dir).join(RUN_JSON).is_file();
        if !here {
            hear.warn(&format!("{SETTING} has changed, and {run_dir} is not in this clone: its data stays as it is"));
        }
        Ok(here)
    }

    /// Whether the selected directory holds another run than the one that was ingested from it, and this commit takes it:
    /// it holds the params file, or `select` was asked.
    fn recorded_anew(&self, staged: &State, wanted: &Resolved, run_dir: &str, hear: &dyn Hear) -> Result<bool, Stop> {
        let asked = self.selected_anew()?.is_some_and(|dir| dir == run_dir);
        let params = self.git_path(wanted.stage.params_file());
        let committed = match self.repo.head()? {
            Some(head) => self.repo.entry_at(&head, &params)?,
            None => None,
        };
        let in_commit = self.repo.index_entry(&params)?.map(|entry| entry.id) != committed.map(|entry| entry.id);
        let Some(locked) = staged.locked.as_ref().filter(|_| asked || in_commit) else { return Ok(false) };
        let held = self.held(locked.version, run_dir)?;
        let Some(lack) = held.lack() else {
            if held == Held::Unknown {
                hear.warn(&format!(
                    "whether {run_dir} is in data version {} cannot be told: its list of files is not in this clone",
                    locked.version
                ));
                hear.hint("`capture-hook pull` fetches it");
            }
            self.forget_selected_anew()?;
            return Ok(false);
        };
        // Git looks at the index before the hook does: what is staged here alone makes no commit.
        if !in_commit && self.repo.query(["diff", "--cached", "--quiet"])?.success() {
            hear.warn(&format!("{run_dir} was recorded anew and is in no commit: {lack}"));
            hear.hint(&format!("`capture-hook publish {}` commits it", quoted(run_dir)));
            return Ok(false);
        }
        hear.status(&format!("{run_dir} was recorded anew: {lack}"));
        Ok(true)
    }
}
