//! Puts the selected run into the commit that is being made.
//!
//! Everything is decided by the index, because the commit will hold it; DVC works on the working tree, so both must
//! agree about the selection before anything starts. An invalid run stops the commit with nothing changed; if DVC
//! fails or is interrupted, `dvc.lock` and the run's folder are restored. The dataset never loses a run: what HEAD's
//! data version holds is in the workspace before DVC reads it, and no other run differs afterwards.

mod committed;
pub mod erase;
mod follow;
pub mod ignored;
mod ingest;
mod ingest_work;
mod kept;
pub mod merge;
pub mod message;
mod metrics;
pub mod publish;
pub mod refused;
mod relayed_lines;
pub mod remove;
pub mod resolve;
mod schemas;
mod staging;
mod stale;
pub mod tag_moves;
pub mod tags;
mod transaction;
mod valid_run;
mod version_tags;

pub use ingest::{can_ingest_many, ingest_runs};
use ingest_work::IngestWork;
pub use refused::CommitRefused;
pub use staging::check_visible_to_git;
pub use transaction::CommitTransaction;
pub use valid_run::{ValidRun, load_valid_run, validate_runs};

use crate::dataset::stage::{ResolvedStage, STAGE, params_file};
use crate::dvc::lockfile::{Lockfile, LockfileStage};
use crate::dvc::{lockfile, stage};
use crate::history::loss;
use crate::project::mutex::RepoMutex;
use crate::project::{DatasetRecord, DatasetState, GitTree, Project, ProjectError, Reporter, config, held, workspace};
use crate::setup::worktree;

/// The command that hooks run although the user did not trust it.
pub const TRUSTED_CMD: &str = "capture-hook ingest";
/// The setting, in `.git/config` alone, that trusts another one.
pub const TRUST_SETTING: &str = "capture-hook.stageCmd";
/// The one-off setting for a commit that drops runs from the dataset on purpose.
pub const ALLOW_LOSS: &str = "capture-hook.allowLoss";
pub use crate::dataset::agreement::ALLOW_SCHEMA_CHANGE;

/// What is to be done for a commit, after every reason to stop it was looked for.
#[derive(Debug)]
enum CommitPlan {
    /// Nothing.
    Nothing,
    /// The selected run is in the dataset: `dvc metrics` and `dvc plots` are to show it.
    UpdateMetrics(Box<DatasetState>),
    /// The selected run is to be put into the dataset.
    IngestRun(Box<IngestJob>),
}

/// A run that is to be put into a commit.
#[derive(Debug)]
struct IngestJob {
    staged: DatasetState,
    stage: ResolvedStage,
    run: ValidRun,
    head_record: Option<DatasetRecord>,
}

/// Looks at what is staged: what there is to do for the commit, or why it stops. Changes nothing.
fn plan_commit(project: &Project, reporter: &dyn Reporter) -> Result<CommitPlan, CommitRefused> {
    let staged = project.dataset_state(&GitTree::Index)?;
    let head_record = match project.repo.head()? {
        Some(id) => project.dataset_record(&GitTree::Commit(id))?,
        None => None,
    };
    // Before anything else: a commit that drops runs is stopped even if it selects none.
    kept::refuse_lost_runs(project)?;
    schemas::refuse_staged_schema_conflicts(project, reporter)?;
    kept::refuse_unsafe_additions(project, head_record.as_ref(), staged.record.as_ref())?;
    let Some(stage) = staged.stage.clone() else { return Ok(CommitPlan::Nothing) };
    check_work_tree_matches(project, &staged, &stage)?;
    let Some(run_dir) = stage.run_dir.clone() else { return Ok(CommitPlan::Nothing) };
    if staged.is_ingested() && !stale::is_stale(project, &staged, &stage, &run_dir, reporter)? {
        return Ok(CommitPlan::UpdateMetrics(Box::new(staged)));
    }
    // All reasons to stop come before validation, which reads the whole run.
    staging::check_committable(project, &[lockfile::FILE])?;
    project.repo.await_head(&|line| reporter.show_status(line))?;
    check_trusted(project, &stage)?;
    check_other_stages_staged(project)?;
    let run = load_valid_run(project, &run_dir, reporter)?;
    Ok(CommitPlan::IngestRun(Box::new(IngestJob { staged, stage, run, head_record })))
}

/// An error if the merge that is being concluded drops runs, or unites runs whose schemas do not agree. Hooks ask if the
/// merge changes nothing else of ours.
pub fn check_merged_data(project: &Project, reporter: &dyn Reporter) -> Result<(), CommitRefused> {
    if loss::merges_data(project)? {
        kept::refuse_lost_runs(project)?;
        schemas::refuse_staged_schema_conflicts(project, reporter)?;
    }
    Ok(())
}

/// Whether the commit changes a file that says what the dataset is, or the selected run was recorded again.
pub fn is_affected(project: &Project) -> Result<bool, ProjectError> {
    if held::read_reselected_dir(project)?.is_some() {
        return Ok(true);
    }
    let head = project.repo.head()?;
    for file in [stage::PARAMS_FILE, stage::FILE, lockfile::FILE, config::FILE] {
        let path = project.git_path(file);
        let staged = project.repo.index_entry(&path)?;
        let committed = match &head {
            Some(head) => project.repo.entry_at(head, &path)?,
            None => None,
        };
        // The mode does not matter: only the content says what the dataset is.
        if staged.map(|e| e.id) != committed.map(|e| e.id) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Puts the selected run of each project's index into that index's data version, or refuses the commit. While one
/// project would stop the commit, none is touched; when one fails, all are put back.
pub fn prepare_commits(projects: &mut [&mut Project], reporter: &dyn Reporter) -> Result<(), CommitRefused> {
    let plans = projects.iter().map(|project| plan_commit(project, reporter));
    let plans: Vec<CommitPlan> = plans.collect::<Result<_, _>>()?;
    // Held until a failure is rolled back: no other process of ours may see the work half done. The projects of a
    // repository share one; other working trees of the clone write to the same cache under it.
    let ingests = projects.iter().zip(&plans).find(|(_, plan)| matches!(plan, CommitPlan::IngestRun(_)));
    let _alone = ingests.map(|(project, _)| RepoMutex::acquire(&project.state_dir())).transpose()?;
    let mut transactions = Vec::new();
    for (project, plan) in projects.iter_mut().zip(plans) {
        let mut transaction = CommitTransaction::new(project);
        let result = prepare_commit(project, plan, &mut transaction, reporter);
        transactions.push(transaction);
        if let Err(refused) = result {
            // Also the project that failed: it can have changed files before.
            for (project, transaction) in projects.iter_mut().zip(transactions) {
                transaction.roll_back(&mut project.repo, reporter);
            }
            return Err(refused);
        }
    }
    transactions.into_iter().for_each(CommitTransaction::finish);
    Ok(())
}

/// Sees to it that the selected run of the index is in the index's data version. The caller holds the mutex, and must
/// put back what the transaction keeps if that, or what it does afterwards, fails.
fn prepare_commit(
    project: &mut Project,
    plan: CommitPlan,
    transaction: &mut CommitTransaction,
    reporter: &dyn Reporter,
) -> Result<(), CommitRefused> {
    let IngestJob { staged, stage, run, head_record } = match plan {
        CommitPlan::Nothing => return Ok(()),
        CommitPlan::UpdateMetrics(staged) => {
            return Ok(metrics::update_metrics_files(project, &staged, transaction, reporter)?);
        }
        CommitPlan::IngestRun(job) => *job,
    };
    worktree::share_cache(project, reporter)?;
    let work = IngestWork {
        project,
        reporter,
        state: &staged,
        stage: &stage,
        runs: std::slice::from_ref(&run),
        head_record: head_record.as_ref(),
        force: false,
    };
    let record = work.ingest_and_version(transaction)?;
    staging::stage_results(project, &stage, transaction, reporter)?;
    // The data is in the commit: that a note of it cannot be written stops nothing.
    let old_version = head_record.or(staged.record).map(|old| old.version);
    if let Err(error) =
        workspace::note_runs_added(project, old_version, record.version).and_then(|()| held::clear_reselected(project))
    {
        reporter.show_warning(&error.to_string());
    }
    // Git is about to take these locks, and calls no hook if it cannot.
    project.repo.await_head(&|line| reporter.show_status(line))?;
    let run = run.key;
    reporter.show_status(&format!("{run} is in {}, version {}", project.git_path(&record.out_dir), record.version));
    Ok(())
}

/// DVC works on the working tree: it must select what is staged.
fn check_work_tree_matches(
    project: &Project,
    staged: &DatasetState,
    stage: &ResolvedStage,
) -> Result<(), CommitRefused> {
    let DatasetState { stage: work_stage, include, .. } = project.dataset_state(&GitTree::WorkTree)?;
    let selected = work_stage.as_ref().and_then(|w| w.run_dir.clone());
    if selected != stage.run_dir {
        check_visible_to_git(project, params_file(&stage.stage))?;
        return Err(CommitRefused::Selection { staged: stage.run_dir.clone(), work: selected });
    }
    if stage.run_dir.is_some() && include != staged.include {
        return Err(CommitRefused::Include);
    }
    match work_stage {
        Some(work_stage) if work_stage.stage == stage.stage && work_stage.out_dir == stage.out_dir => Ok(()),
        _ if stage.run_dir.is_none() => Ok(()),
        _ => check_visible_to_git(project, stage::FILE).and(Err(CommitRefused::Stage)),
    }
}

/// A cloned repository must not choose the command that a hook runs.
fn check_trusted(project: &Project, stage: &ResolvedStage) -> Result<(), CommitRefused> {
    let cmd = stage.stage.command_text();
    if cmd == TRUSTED_CMD || project.repo.local_config(TRUST_SETTING)?.as_deref() == Some(cmd.as_str()) {
        return Ok(());
    }
    Err(CommitRefused::Untrusted { cmd })
}

/// `dvc.lock` is staged whole: what other stages changed in it must be staged already.
fn check_other_stages_staged(project: &Project) -> Result<(), CommitRefused> {
    // A file that does not exist has no stages.
    let read = |bytes: Option<Vec<u8>>| Lockfile::parse(&bytes.unwrap_or_default()).map_err(ProjectError::from);
    let work = read(project.read_file(&GitTree::WorkTree, lockfile::FILE)?)?;
    let staged = read(project.read_file(&GitTree::Index, lockfile::FILE)?)?;
    let others = |lockfile: &Lockfile| -> Vec<LockfileStage> {
        let others = lockfile.stages.iter().filter(|stage| stage.name != STAGE).cloned();
        // The position in the file does not matter here.
        let mut others: Vec<LockfileStage> = others.map(|stage| LockfileStage { span: 0..0, ..stage }).collect();
        // Their order in the file has no meaning to DVC.
        others.sort_by(|a, b| a.name.cmp(&b.name));
        others
    };
    if others(&work) == others(&staged) { Ok(()) } else { Err(CommitRefused::OtherStages) }
}
