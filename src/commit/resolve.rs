//! `capture-hook resolve`: resolves a run that both sides of a merge changed, and merges all others.
//!
//! The sides are read from git's index, so it does not matter what made the conflict: a merge, a rebase, a stash. If
//! several runs are in conflict, each decision is stored until the last one is made; then `dvc.lock` is written and
//! staged.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::{follow, metrics};
use crate::commit::merge::merge_and_store_lists;
use crate::dataset::agreement::ALLOW_SCHEMA_CHANGE;
use crate::dataset::merge::lockfile::{
    LockfileSides, MergeConflict, MergeDecisions, MergeSide, MergedLockfile, RunChoice,
};
use crate::dataset::metrics_files;
use crate::dataset::record::selected_run_dir;
use crate::dvc::hash::DataVersion;
use crate::dvc::lockfile;
use crate::dvc::lockfile::Lockfile;
use crate::error::ExitKind::Setup;
use crate::error::{Explain, Explanation};
use crate::git::{GitEntry, GitError};
use crate::project::removal_note::RemovalNote;
use crate::project::{self, DatasetRecord, GitTree, Project, ProjectError, Reporter, state, workspace};
use crate::run::discover::RunDir;
use crate::run::layout::STEPS_PARQUET;
use crate::run::resolve::{ResolveError, ResolvedRun, RunQuery, resolve_run};
use crate::run::{RunKey, StartTime};
use crate::support::fs::{FsError, PathRefusal};
use crate::support::process::shell_quote;
use crate::support::{fs, limits};
use crate::sync::{self, SyncError};

/// The decisions so far, in the working tree's git directory: the two sides' blobs, then a line a run.
const DECISIONS_FILE: &str = "capture-hook-resolved";

/// A run that cannot be settled.
#[derive(Debug, thiserror::Error)]
pub enum ConflictError {
    /// There is nothing to settle.
    #[error("{} is not in conflict", lockfile::FILE)]
    NoConflict {
        /// Whether it was in conflict, which git can restore.
        was_resolved: bool,
    },
    /// The run is not among those that both sides changed.
    #[error("{}", describe_not_disputed(query, disputed, others))]
    NotDisputed {
        /// As typed.
        query: String,
        /// Those that are.
        disputed: Vec<RunKey>,
        /// What else is in conflict.
        others: Vec<MergeConflict>,
    },
    /// The name that was typed fits no run, or several.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// The sides cannot be merged.
    #[error("cannot merge {}: {why}", lockfile::FILE)]
    NotMerged {
        /// Why not.
        why: String,
    },
    /// The workspace.
    #[error(transparent)]
    Sync(#[from] SyncError),
    /// The project.
    #[error(transparent)]
    Project(#[from] ProjectError),
}

impl From<GitError> for ConflictError {
    fn from(error: GitError) -> Self {
        Self::Project(error.into())
    }
}

impl From<FsError> for ConflictError {
    fn from(error: FsError) -> Self {
        Self::Project(error.into())
    }
}

fn describe_not_disputed(query: &str, disputed: &[RunKey], others: &[MergeConflict]) -> String {
    let query = query.escape_debug();
    let names: Vec<String> = disputed.iter().map(|run| run.to_string().escape_debug().to_string()).collect();
    match others.first().filter(|_| names.is_empty()) {
        Some(conflict) => format!("no run is in conflict in {}, but {conflict}", lockfile::FILE),
        None => format!("`{query}` is not in conflict in {}; in conflict: {}", lockfile::FILE, names.join(", ")),
    }
}

impl Explain for ConflictError {
    fn explain(&self) -> Explanation {
        match self {
            Self::NoConflict { was_resolved: true } => Setup
                .code("no_conflict")
                .hint("it was resolved already; to restore the conflict: `git checkout -m -- dvc.lock`"),
            Self::NoConflict { was_resolved: false } => {
                Setup.code("no_conflict").hint("see what to do: `capture-hook status`")
            }
            Self::NotDisputed { disputed, .. } => Setup.code("run_not_disputed").hint(match disputed.first() {
                Some(run) => resolve_hint(run),
                None => format!("edit {0}, then `git add {0}`", lockfile::FILE),
            }),
            Self::NotMerged { .. } => Setup
                .code("not_merged")
                .hint("fetch missing file lists with `capture-hook check MERGE_HEAD`, then run the same command again"),
            Self::Resolve(error) => error.explain(),
            Self::Sync(error) => error.explain(),
            Self::Project(error) => error.explain(),
        }
    }
}

/// What to type to settle a run.
#[must_use]
pub fn resolve_hint(run: &RunKey) -> String {
    format!("resolve it: `capture-hook resolve {} --ours`, `--theirs` or `--both`", shell_quote(run.to_string()))
}

/// The result of resolving a conflict.
#[derive(Debug)]
pub struct ConflictOutcome {
    /// The run that was settled.
    pub run: RunKey,
    /// The name that the other side's files of it have, if both are kept.
    pub kept_as: Option<RunKey>,
    /// The runs that are in conflict still.
    pub disputed: Vec<RunKey>,
    /// What else in `dvc.lock` both sides changed.
    pub others: Vec<MergeConflict>,
    /// What the merged `dvc.lock` says; `None` while it is in conflict.
    pub record: Option<DatasetRecord>,
}

/// The three sides of `dvc.lock` in conflict, and what was decided of them.
struct LockfileConflict {
    sides: [Vec<u8>; 3],
    /// The blobs of the current side and the other, which identify the conflict.
    name: String,
}

/// Settles one run of a `dvc.lock` in conflict. The last one writes and stages the file, and checks out the result.
pub fn resolve_conflict(
    project: &mut Project,
    cwd: &Path,
    query: &str,
    choice: RunChoice,
    reporter: &dyn Reporter,
) -> Result<ConflictOutcome, ConflictError> {
    let conflict = read_conflict(project)?;
    let run = find_disputed_run(project, cwd, query, &conflict)?;
    let mut decisions = read_decisions(project, &conflict)?;
    decisions.insert(run.clone(), choice);
    let merged = merge_sides(project, &conflict, decisions.clone())?;
    let kept_as = merged.renamed_runs.iter().find(|(of, _)| *of == run).map(|(_, name)| name.clone());
    let (disputed, others) = split_conflicts(&merged.conflicts);
    let mut outcome = ConflictOutcome { run, kept_as, disputed, others, record: None };
    if !merged.conflicts.is_empty() {
        save_decisions(project, &conflict, &decisions)?;
        return Ok(outcome);
    }
    let old_bytes = project.read_file(&GitTree::WorkTree, lockfile::FILE)?;
    project.root_files().write_atomic(lockfile::FILE, &merged.bytes)?;
    if let Err(error) =
        project.repo.stage_files(&[project.git_path(lockfile::FILE)], &|line| reporter.show_status(line))
    {
        // Git still holds the conflict, so the file must show it.
        if let Some(old_bytes) = old_bytes {
            project.root_files().write_atomic(lockfile::FILE, &old_bytes)?;
        }
        return Err(error.into());
    }
    // Only once the file is staged: until then a retry needs the decisions.
    fs::remove_all(&project::mark_path(project, DECISIONS_FILE))?;
    outcome.record = project.dataset_record(&GitTree::WorkTree)?;
    if let Some(record) = &outcome.record {
        note_removed_runs(project, record.version, decisions.into_keys())?;
    }
    sync_after_resolve(project, &outcome, reporter)?;
    Ok(outcome)
}

/// Tells the hooks of the commit to come which runs leave by a decision: the side that removed them was chosen, though the
/// other one changed them.
fn note_removed_runs(
    project: &Project,
    new: DataVersion,
    decided: impl Iterator<Item = RunKey>,
) -> Result<(), ConflictError> {
    let head = project.repo.head()?;
    let Some(old) = head.map(|head| project.data_version_at(&head)).transpose()?.flatten() else { return Ok(()) };
    let mut file_lists = project.file_lists()?;
    let runs: BTreeSet<RunKey> =
        decided.filter(|run| file_lists.run_entries(new, run).is_some_and(|entries| entries.is_empty())).collect();
    if runs.is_empty() {
        return Ok(());
    }
    Ok(RemovalNote { old, new, reason: String::new(), runs }.write_for_commit(project)?)
}

fn read_conflict(project: &Project) -> Result<LockfileConflict, ConflictError> {
    let path = project.git_path(lockfile::FILE);
    let lockfile_entries = |undone| -> Result<Vec<(u8, GitEntry)>, GitError> {
        let all = project.repo.index_conflicts(undone)?.into_iter();
        Ok(all.filter(|(file, ..)| file == Path::new(&path)).map(|(_, stage, entry)| (stage, entry)).collect())
    };
    let stages = lockfile_entries(false)?;
    if stages.is_empty() {
        return Err(ConflictError::NoConflict { was_resolved: !lockfile_entries(true)?.is_empty() });
    }
    // Git's stage numbers: 1 is the common ancestor, 2 ours, 3 theirs.
    let entry = |stage_number: u8| stages.iter().find(|(stage, _)| *stage == stage_number).map(|(_, entry)| entry);
    let bytes = |stage_number: u8| -> Result<Vec<u8>, ConflictError> {
        // A side that lacks the file counts as an empty one.
        let Some(entry) = entry(stage_number) else { return Ok(Vec::new()) };
        // The size is checked first: a blob of a cloned repository can be of any size.
        let refused = match project.repo.blob_size(&entry.id)? {
            _ if !entry.is_file() => PathRefusal::Link(path.clone().into()),
            size if size > limits::LOCKFILE => PathRefusal::TooLarge(limits::LOCKFILE),
            _ => return Ok(project.repo.read_blob(&entry.id)?),
        };
        Err(FsError { action: "read", path: path.clone().into(), source: refused.into() }.into())
    };
    let id = |stage: u8| entry(stage).map_or("-", |entry| entry.id.as_str());
    Ok(LockfileConflict { name: format!("{} {}", id(2), id(3)), sides: [bytes(1)?, bytes(2)?, bytes(3)?] })
}

/// Merges the sides with these decisions.
fn merge_sides(
    project: &Project,
    conflict: &LockfileConflict,
    decisions: BTreeMap<RunKey, RunChoice>,
) -> Result<MergedLockfile, ConflictError> {
    // Git's default length of conflict markers.
    const MARKER: usize = 7;
    let [base, ours, theirs] = &conflict.sides;
    // In a merge the params file can be in conflict, too; then our side is preferred.
    let selected = state::resolve_stage(project, &GitTree::WorkTree).ok().flatten().and_then(|stage| stage.run_dir);
    let selects = |side: &[u8]| {
        selected.is_some() && Lockfile::parse(side).is_ok_and(|l| selected_run_dir(&l) == selected.as_deref())
    };
    let preferred = if selects(theirs) && !selects(ours) { MergeSide::Theirs } else { MergeSide::Ours };
    let allows_schema_change = project.repo.config_bool(ALLOW_SCHEMA_CHANGE)? == Some(true);
    let decided = MergeDecisions { runs: decisions, allows_schema_change, ..MergeDecisions::default() };
    let (ours_name, theirs_name) = ("ours", "theirs");
    let sides = LockfileSides {
        base,
        ours,
        theirs,
        ours_name,
        theirs_name,
        marker_size: MARKER,
        preferred,
        decisions: &decided,
    };
    merge_and_store_lists(project, &sides).map_err(|why| ConflictError::NotMerged { why })
}

/// The run that a name means among those that both sides changed.
fn find_disputed_run(
    project: &Project,
    cwd: &Path,
    query: &str,
    conflict: &LockfileConflict,
) -> Result<RunKey, ConflictError> {
    let (disputed_runs, others) = split_conflicts(&merge_sides(project, conflict, BTreeMap::new())?.conflicts);
    let found = match resolve_run(RunQuery { text: query, cwd }, &disputed_runs, |_| false, |_| StartTime::default()) {
        Ok(ResolvedRun::Run(run) | ResolvedRun::RunAt(run)) => Some(run.clone()),
        Ok(ResolvedRun::Dir(dir)) => RunDir::read(&dir).key.filter(|run| disputed_runs.contains(run)),
        Ok(ResolvedRun::Tag(_)) | Err(ResolveError::NotFound { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    found.ok_or_else(|| ConflictError::NotDisputed { query: query.to_owned(), disputed: disputed_runs, others })
}

/// What was decided of this conflict before.
fn read_decisions(
    project: &Project,
    conflict: &LockfileConflict,
) -> Result<BTreeMap<RunKey, RunChoice>, ConflictError> {
    let bytes = fs::read_optional(&project::mark_path(project, DECISIONS_FILE))?.unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let mut lines = text.lines();
    // Decisions about an earlier conflict do not hold for this one.
    if lines.next() != Some(conflict.name.as_str()) {
        return Ok(BTreeMap::new());
    }
    let decision = |line: &str| {
        let (choice, run) = line.split_once(' ')?;
        let choice = CHOICES.iter().find(|(_, name)| *name == choice)?.0;
        // A line that cannot be read is skipped, and its run is in conflict still.
        Some((run.parse().ok()?, choice))
    };
    Ok(lines.filter_map(decision).collect())
}

fn save_decisions(
    project: &Project,
    conflict: &LockfileConflict,
    decisions: &BTreeMap<RunKey, RunChoice>,
) -> Result<(), ConflictError> {
    let line = |(run, choice): (&RunKey, &RunChoice)| format!("{} {run}\n", choice_name(*choice));
    let text = format!("{}\n{}", conflict.name, decisions.iter().map(line).collect::<String>());
    Ok(fs::write_atomic(&project::mark_path(project, DECISIONS_FILE), text.as_bytes())?)
}

/// The workspace follows, so that `dvc metrics` and `dvc plots` show the selected run as it was settled.
fn sync_after_resolve(
    project: &mut Project,
    outcome: &ConflictOutcome,
    reporter: &dyn Reporter,
) -> Result<(), ConflictError> {
    let Some(dataset_record) = &outcome.record else { return Ok(()) };
    follow::follow_data_version(project, reporter)?;
    let file_list = project.open_cache()?.read_file_list(dataset_record.version).map_err(ProjectError::from)?;
    let shown = sync::find_selected_run(dataset_record, file_list.as_ref()).filter(|run| *run == outcome.run);
    let out_dir = project.root.join(&dataset_record.out_dir);
    if let Some(run) = shown.filter(|run| run.dir_under(&out_dir).join(STEPS_PARQUET).is_file())
        && workspace::is_workspace_at(project, Some(dataset_record.version))?
    {
        metrics_files::write_metrics_files(&project.root, &out_dir, &run).map_err(ProjectError::from)?;
        let paths = metrics::metrics_files_to_stage(project)?;
        project.repo.stage_files(&paths, &|line| reporter.show_status(line))?;
    }
    Ok(())
}

const CHOICES: [(RunChoice, &str); 3] =
    [(RunChoice::Ours, "ours"), (RunChoice::Theirs, "theirs"), (RunChoice::Both, "both")];

/// How a choice is written.
#[must_use]
pub fn choice_name(choice: RunChoice) -> &'static str {
    CHOICES.iter().find(|(known, _)| *known == choice).map_or("ours", |(_, name)| name)
}

/// The runs among what clashed, and the rest.
fn split_conflicts(conflicts: &[MergeConflict]) -> (Vec<RunKey>, Vec<MergeConflict>) {
    let (mut runs, mut others) = (Vec::new(), Vec::new());
    for conflict in conflicts {
        match conflict {
            MergeConflict::Run(run) => runs.push(run.clone()),
            other => others.push(other.clone()),
        }
    }
    (runs, others)
}
