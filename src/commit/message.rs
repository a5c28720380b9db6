//! The trailers of the commit that is being made: one set for each run that it introduces, however its message came
//! about.

use crate::commit::hashed_runs::RunHasher;
use crate::dvc::lockfile;
use crate::git::{CommitMessage, Oid, Repo};
use crate::history;
use crate::history::run_files::RunEntries;
use crate::history::{RunTrailers, introduced};
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
    if let Some(head) = &head {
        // Whether this amends matters only if HEAD itself added something.
        let own = repo.read_commit(head)?;
        let is_known = state::knows_parents(project, &own)?;
        let mut introduces_data = !is_known || (own.parents.is_empty() && entry_id(head)?.is_some());
        for parent in own.parents.iter().filter(|_| is_known) {
            introduces_data |= entry_id(parent)? != entry_id(head)?;
        }
        if introduces_data && is_amending(repo, words) {
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
    let mut old = history::parse_trailers(&message.body);
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
        // With `--amend -m`, the message is another one.
        old.extend(history::parse_trailers(&amended.message));
    }
    let mut records = read_records(project, &staged_record, &diff.introduced, reporter)?;
    for record in &mut records {
        // What this clone has no data for, an earlier message may know.
        if let Some(old) = old.iter().find(|old| old.run == record.run && old.data == record.data) {
            record.fill_from(old);
        }
    }
    if diff.partial {
        let kept_records =
            old.into_iter().filter(|old| old.data == staged_record.version && !diff.introduced.contains(&old.run));
        records.extend(kept_records);
    }
    Ok(records.iter().flat_map(RunTrailers::trailer_lines).collect())
}

/// What is known here of these runs of a data version.
fn read_records(
    project: &Project,
    dataset_record: &DatasetRecord,
    runs: &[RunKey],
    reporter: &dyn Reporter,
) -> Result<Vec<RunTrailers>, ProjectError> {
    let (version, out_dir) = (dataset_record.version, dataset_record.out_dir.as_str());
    let mut all_entries = Vec::new();
    for run in runs {
        // Without the file list, a record holds the data version alone.
        let entries = project.file_lists()?.run_entries(version, run).unwrap_or_default();
        all_entries.push(RunEntries { run: run.clone(), entries });
    }
    // All runs at once, so that every processor has work.
    let hashed = RunHasher::new(project, reporter).hash_runs(out_dir, &all_entries)?;
    let mut records = Vec::new();
    for (RunEntries { run, entries }, files) in all_entries.iter().zip(hashed) {
        let record = introduced::read_record_of_files(project, run, (version, Some(out_dir)), entries)?;
        records.push(RunTrailers { files, ..record });
    }
    Ok(records)
}

/// Whether HEAD is about to be replaced. Git says so by `commit HEAD`, unless a message was given (`--amend -m`): then
/// its command line shows, and in a rebase the current step.
fn is_amending(repo: &Repo, words: &[&str]) -> bool {
    match repo.find_caller().filter(|call| call.command == "commit") {
        Some(call) => call.is_amend(),
        None => words == ["commit", "HEAD"] || (repo.is_rebasing() && repo.is_squashing()),
    }
}
