//! The trailers of the commit that is being made: one set for each run that it introduces, or one for all if they are
//! many, however its message came about.

use std::collections::{BTreeSet, HashSet};

use crate::dvc::lockfile;
use crate::git::{CommitMessage, Oid, Repo};
use crate::history;
use crate::history::removed::{RemovedTrailers, removed_trailer_lines};
use crate::history::run_records::{RunRecords, read_run_records};
use crate::history::trailers::{MOST_NAMED, ParsedTrailers};
use crate::history::{AllRunsTrailer, RunTrailers, introduced};
use crate::project::removal_note::RemovalNote;
use crate::project::{self, DatasetRecord, GitTree, Project, ProjectError, Reporter, state};
use crate::run::RunKey;

/// The trailers that are true for the commit in the making.
pub fn build_trailers(
    project: &Project,
    words: &[&str],
    message: &CommitMessage,
    reporter: &dyn Reporter,
) -> Result<Vec<String>, ProjectError> {
    let repo = &project.repo;
    let head = repo.head()?;
    let path = project.git_path(lockfile::FILE);
    let staged = repo.index_entry(&path)?.map(|e| e.id);
    let entry_id = |id: &Oid| -> Result<Option<Oid>, ProjectError> { Ok(repo.entry_at(id, &path)?.map(|e| e.id)) };
    let mut parents: Vec<Oid> = head.iter().cloned().chain(repo.merge_heads()?).collect();
    // The commit that is amended over parents which a shallow or partial clone does not know: its message says what it
    // added.
    let mut amended = None;
    // With `--amend -m`, the message is another one than this.
    let mut amended_message = Vec::new();
    if let Some(head) = &head {
        // Whether this amends matters only if HEAD itself added something.
        let own = repo.read_commit(head)?;
        let is_known = state::knows_parents(project, &own)?;
        let mut introduces_data = !is_known || (own.parents.is_empty() && entry_id(head)?.is_some());
        for parent in own.parents.iter().filter(|_| is_known) {
            introduces_data |= entry_id(parent)? != entry_id(head)?;
        }
        if introduces_data && is_amending(repo, words) {
            amended_message.clone_from(&own.message);
            if is_known {
                parents = own.parents;
            } else {
                // What git amends at a shallow clone's end has no parents any more.
                parents.retain(|_| !own.parents.is_empty());
                amended = Some(own);
            }
        }
    }
    let mut is_unchanged = amended.is_none() && (!parents.is_empty() || staged.is_none());
    for parent in &parents {
        is_unchanged &= state::knows_lockfile(project, parent) && entry_id(parent)? == staged;
    }
    if is_unchanged {
        return Ok(Vec::new());
    }
    let Some(staged_record) = project.dataset_record(&GitTree::Index)? else { return Ok(Vec::new()) };
    project::require_checked_out(project)?;
    let known: Vec<Oid> = parents.into_iter().filter(|id| state::knows_lockfile(project, id)).collect();
    let mut diff = introduced::diff_over_parents(
        project,
        Some(&staged_record),
        &introduced::read_dataset_records(project, &known)?,
    )?;
    let mut old = history::parse_all_trailers(&message.body);
    if let Some(amended) = amended
        && let Some(own) = project.data_version_at(&amended.id)?
    {
        diff.introduced.extend(introduced::list_runs_in_trailers(
            project,
            &amended.message,
            own,
            staged_record.version,
        )?);
        diff.introduced.sort();
        diff.introduced.dedup();
    }
    let removed = diff.removed.iter().cloned().collect();
    let removed_lines = build_removed_lines(project, removed, &staged_record, [&message.body, &amended_message])?;
    let amended = history::parse_all_trailers(&amended_message);
    old.runs.extend(amended.runs);
    old.all_runs.extend(amended.all_runs);
    let records = read_run_records(project, &staged_record, &diff.introduced, reporter)?;
    let mut lines = render_trailers(&staged_record, records, old, diff.partial);
    lines.extend(removed_lines);
    Ok(lines)
}

/// The lines for the runs that are removed on purpose: by `capture-hook remove`, or by what is amended or replayed, whose
/// message names them. What else lacks a run has lost it.
fn build_removed_lines(
    project: &Project,
    removed: BTreeSet<RunKey>,
    staged: &DatasetRecord,
    messages: [&[u8]; 2],
) -> Result<Vec<String>, ProjectError> {
    if removed.is_empty() {
        return Ok(Vec::new());
    }
    let head = project.repo.head()?;
    let (mut named, mut reason) = (BTreeSet::new(), None);
    if let Some(old) = head.map(|head| project.data_version_at(&head)).transpose()?.flatten()
        && let Some(note) = RemovalNote::read_of(project, old, staged.version)?
    {
        named.extend(removed.intersection(&note.runs).cloned());
        reason = Some(note.reason).filter(|reason| !reason.is_empty());
    }
    for trailers in messages.map(RemovedTrailers::parse) {
        let in_message = trailers.find_named(&removed);
        if !in_message.is_empty() {
            named.extend(in_message);
            // What is replayed keeps its reason, also if its conflict was resolved by hand.
            reason = reason.or(trailers.reason);
        }
    }
    Ok(removed_trailer_lines(&named, reason.as_deref()))
}

/// The lines for these runs, with what earlier messages know and this clone has no data for.
fn render_trailers(
    dataset_record: &DatasetRecord,
    mut found: RunRecords,
    old: ParsedTrailers,
    partial: bool,
) -> Vec<String> {
    let of_this_version = |old: &RunTrailers| old.data == dataset_record.version;
    let mut old_all_runs = old.all_runs.into_iter().filter(|old| old.data == dataset_record.version).peekable();
    if found.records.len() > MOST_NAMED {
        let all_runs = found.all_runs_trailer(dataset_record);
        let known = old_all_runs.find(|old| all_runs.sha256.is_none() && old.count == all_runs.count);
        return known.unwrap_or(all_runs).trailer_lines();
    }
    for record in &mut found.records {
        if let Some(old) = old.runs.iter().find(|old| old.run == record.run && old.data == record.data) {
            record.fill_from(old);
        }
    }
    if partial {
        // A trailer for all runs stands for those that are known here too.
        if old_all_runs.peek().is_some() {
            found.records.clear();
        }
        let is_new = |old: &RunTrailers| !found.records.iter().any(|record| record.run == old.run);
        let kept: Vec<RunTrailers> = old.runs.into_iter().filter(|old| of_this_version(old) && is_new(old)).collect();
        found.records.extend(kept);
        // The message that is amended may be the one at hand.
        let mut seen = HashSet::new();
        found.records.retain(|record| seen.insert(record.run.clone()));
    }
    let named = found.records.iter().flat_map(RunTrailers::trailer_lines);
    named.chain(old_all_runs.next().filter(|_| partial).iter().flat_map(AllRunsTrailer::trailer_lines)).collect()
}

/// Whether HEAD is about to be replaced. Git says so by `commit HEAD`, unless a message was given (`--amend -m`): then
/// its command line shows, and in a rebase the current step.
fn is_amending(repo: &Repo, words: &[&str]) -> bool {
    match repo.find_caller().filter(|call| call.command == "commit") {
        Some(call) => call.is_amend(),
        None => words == ["commit", "HEAD"] || (repo.is_rebasing() && repo.is_squashing()),
    }
}
