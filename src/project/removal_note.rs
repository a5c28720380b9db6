//! The note of runs that leave the dataset on purpose, from the decision to the commit: a removal, or a conflict that is
//! resolved for the side that removed a run. By it the hooks know that these runs may be lost, and `remove` and `restore`
//! know the next time what a killed one left half done.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::dvc::hash::DataVersion;
use crate::project::{self, DatasetRecord, DatasetState, Project, ProjectError};
use crate::run::RunKey;
use crate::support::fs;
use crate::support::percent::{percent_decode, percent_encode};
use crate::support::visible::is_hidden;

/// Its file, in the working tree's git directory.
const REMOVAL_NOTE: &str = "capture-hook-removing";

/// A change of the dataset's runs that is under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RemovalNote {
    /// The data version that HEAD has.
    pub old: DataVersion,
    /// The one that is being committed.
    pub new: DataVersion,
    /// Why, in the user's words; empty if they gave no reason.
    pub reason: String,
    /// The runs that leave; none if runs are restored.
    pub runs: BTreeSet<RunKey>,
}

/// A note that is there until this is dropped.
#[must_use]
pub(crate) struct WrittenNote(PathBuf);

impl Drop for WrittenNote {
    fn drop(&mut self) {
        // A note that stays says nothing about any other change.
        let _ = fs::remove_all(&self.0);
    }
}

impl RemovalNote {
    /// Writes the note, for as long as what is returned lives, or for good if the process is killed before.
    pub(crate) fn write(&self, project: &Project) -> Result<WrittenNote, ProjectError> {
        self.write_for_commit(project)?;
        Ok(WrittenNote(project::mark_path(project, REMOVAL_NOTE)))
    }

    /// Writes the note, for the commit that the user makes next.
    pub(crate) fn write_for_commit(&self, project: &Project) -> Result<(), ProjectError> {
        let Self { old, new, reason, runs } = self;
        let escape = |text: &str| percent_encode(text, |_, c| c == '%' || is_hidden(c));
        let runs: String = runs.iter().map(|run| format!("{}\n", escape(&run.to_string()))).collect();
        let text = format!("{old}\n{new}\n{}\n{runs}", escape(reason));
        Ok(fs::write_atomic(&project::mark_path(project, REMOVAL_NOTE), text.as_bytes())?)
    }

    /// The note that is there; one that cannot be parsed counts as absent.
    pub(crate) fn read(project: &Project) -> Result<Option<Self>, ProjectError> {
        let text = fs::read_optional(&project::mark_path(project, REMOVAL_NOTE))?.unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let mut lines = text.lines();
        let mut version = || lines.next()?.parse().ok();
        let (Some(old), Some(new)) = (version(), version()) else { return Ok(None) };
        let reason = lines.next().and_then(percent_decode).unwrap_or_default();
        let runs = lines.filter_map(|line| percent_decode(line)?.parse().ok()).collect();
        Ok(Some(Self { old, new, reason, runs }))
    }

    /// The note of a change that was begun from HEAD's dataset.
    pub(crate) fn read_over(project: &Project, head: &DatasetRecord) -> Result<Option<Self>, ProjectError> {
        Ok(Self::read(project)?.filter(|note| note.old == head.version))
    }

    /// The note of exactly this change of the data version. One that a killed removal left says nothing about any other.
    pub(crate) fn read_of(project: &Project, old: DataVersion, new: DataVersion) -> Result<Option<Self>, ProjectError> {
        Ok(Self::read(project)?.filter(|note| note.old == old && note.new == new))
    }

    /// Whether index or working tree are what this change leaves if it is killed: `dvc.lock` as it was or with the new data
    /// version, the selection as it was or cleared.
    pub(crate) fn explains(&self, state: &DatasetState, head: &DatasetRecord) -> bool {
        let is_selected = state.run_dir().is_none() || state.run_dir() == head.run_dir.as_deref();
        is_selected && state.record.as_ref().is_some_and(|record| record == head || record.version == self.new)
    }
}
