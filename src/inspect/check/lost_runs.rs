//! The runs that a commit drops from the dataset, and says that it drops.

use std::collections::BTreeSet;

use super::{CheckFinding, CheckSeverity};
use crate::dvc::lockfile;
use crate::git::Commit;
use crate::history::fetched_lists::FileListFetcher;
use crate::history::removed::RemovedTrailers;
use crate::history::{self, DatasetCommit, History, loss};
use crate::project::{DatasetRecord, GitTree, Project, ProjectError};
use crate::run::RunKey;

/// The runs of a parent's dataset that a commit's does not hold: of a merge, whichever side they were on.
pub(super) fn check_lost_runs(
    project: &Project,
    commit: &Commit,
    change: Option<&DatasetCommit>,
    file_lists: &mut FileListFetcher<'_>,
    findings: &mut Vec<CheckFinding>,
) -> Result<(), ProjectError> {
    let mut warn = |code, run: Option<RunKey>, message: String| {
        let (commit, severity) = (Some(commit.id.clone()), CheckSeverity::Warning);
        findings.push(CheckFinding { severity, code, commit, tag: None, run, message });
    };
    let removed: BTreeSet<RunKey> = match change {
        _ if commit.parents.len() > 1 => {
            // A merge can drop runs without changing the dataset compared with one parent, and so may have no `change`.
            let source = GitTree::Commit(commit.id.clone());
            let loss =
                loss::find_run_loss(project, &source, &commit.parents, &mut |version| file_lists.fetch_list(version))?;
            // For a commit that changes the dataset, this was reported already.
            for version in loss.unknown.iter().filter(|_| change.is_none()) {
                let why = file_lists.why_missing(*version).unwrap_or("it is not in this clone");
                let message =
                    format!("cannot find out which runs the merge drops without the file list of {version}: {why}");
                warn("not_in_clone", None, message);
            }
            loss.runs
        }
        Some(change) => change.removed.iter().cloned().collect(),
        None => BTreeSet::new(),
    };
    let named = RemovedTrailers::parse(&commit.message);
    let on_purpose = named.find_named(&removed);
    for run in removed.into_iter().filter(|run| !on_purpose.contains(run)) {
        let message = "a parent of the commit holds the run, but the commit does not".into();
        warn("run_lost", Some(run), message);
    }
    Ok(())
}

/// The runs that a commit's message says it removes, and that its dataset holds.
pub(super) fn check_removed_trailers(
    project: &Project,
    history: &History,
    commit: &Commit,
    record: &DatasetRecord,
    findings: &mut Vec<CheckFinding>,
) -> Result<(), ProjectError> {
    let mut named = RemovedTrailers::parse(&commit.message).runs;
    // A squashed commit carries the trailers of what went into it: a run can have been restored after it was removed.
    for restored in history::parse_trailers(&commit.message) {
        named.remove(&restored.run);
    }
    named.retain(|run| history.holds_run(record.version, run) == Some(true));
    // A repository can hold several projects: the commit may have removed another one's run of that name.
    if named.is_empty() || changes_other_project(project, commit)? {
        return Ok(());
    }
    findings.extend(named.into_iter().map(|run| CheckFinding {
        severity: CheckSeverity::Error,
        code: "trailer_false",
        commit: Some(commit.id.clone()),
        tag: None,
        run: Some(run),
        message: "the message says that the commit removes the run, but its data version holds it".into(),
    }));
    Ok(())
}

/// Whether a commit changed the dataset of another project in the repository.
fn changes_other_project(project: &Project, commit: &Commit) -> Result<bool, ProjectError> {
    for prefix in project.other_prefixes()? {
        let path = format!("{prefix}{}", lockfile::FILE);
        let own = project.repo.entry_at(&commit.id, &path)?;
        for parent in &commit.parents {
            if project.repo.entry_at(parent, &path)? != own {
                return Ok(true);
            }
        }
    }
    Ok(false)
}
