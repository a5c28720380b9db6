//! The decisions that a merge gets: whose selection is kept, and which side wins if both changed a run.

use std::collections::BTreeMap;

use crate::run::RunKey;

/// Whose selection stands if both sides selected another run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MergeSide {
    /// The current branch's (a merge).
    Ours,
    /// The replayed commit's (rebase, cherry-pick).
    Theirs,
}

/// What becomes of a run whose files both sides changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunChoice {
    /// It has the current side's files.
    Ours,
    /// It has the other side's.
    Theirs,
    /// It has the current side's, and the other side's stand under a new run id beside it.
    Both,
}

/// What was decided about what both sides changed in different ways.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MergeDecisions {
    /// Run by run.
    pub runs: BTreeMap<RunKey, RunChoice>,
    /// The side that is to be taken of everything else, as git was asked to (`-X ours`, `-X theirs`).
    pub favored: Option<MergeSide>,
    /// Whether what is made is no commit's but the common ancestor of a criss-cross merge: what is in conflict is left
    /// out of it, so that it does not count for either side.
    pub virtual_ancestor: bool,
    /// Whether the schemas of one experiment's runs may differ, as the user said.
    pub allows_schema_change: bool,
}

impl MergeDecisions {
    /// What becomes of a run. A side that has removed it is taken only if the run was named: git too leaves that to the
    /// user, whatever side it favours.
    pub(crate) fn choice_for(&self, run: &RunKey, removed: bool) -> Option<RunChoice> {
        let favored = self.pick_favored(RunChoice::Ours, RunChoice::Theirs).filter(|_| !removed);
        self.runs.get(run).copied().or(favored)
    }

    /// The favoured side's, of two.
    pub(crate) fn pick_favored<T>(&self, ours: T, theirs: T) -> Option<T> {
        self.favored.map(|side| match side {
            MergeSide::Ours => ours,
            MergeSide::Theirs => theirs,
        })
    }
}
