//! Putting the selected run into the commit that is being made.
//!
//! Everything is judged from the index, the text that the commit will hold; the working tree is where DVC works, so the two
//! must agree about the selection before anything starts. An invalid run stops the commit with nothing changed; when DVC
//! fails or is interrupted, `dvc.lock` and the run's folder are put back. The dataset never loses a run on the way: what
//! HEAD's data version holds is in the workspace before DVC looks at it, and no other run differs afterwards.

mod committed;
mod ignored;
mod kept;
mod metrics;
pub mod publish;
pub mod refused;
pub mod resolve;
mod staging;
mod stale;
pub mod tags;
pub mod transaction;

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

pub use kept::refuse_runs_lost_in_merge;
pub use refused::CommitRefused;
pub use staging::check_visible_to_git;
pub use transaction::Transaction;

use crate::dataset::diff::RunDiff;
use crate::dataset::native::NativeError;
use crate::dataset::runs::{RefusedPath, split_refused};
use crate::dataset::{metrics_files, native};
use crate::dvc::file_list::FileList;
use crate::dvc::hash::DataVersion;
use crate::dvc::lockfile::{Lockfile, LockfileStage};
use crate::dvc::remote::fetch;
use crate::dvc::stage::{ResolvedStage, STAGE};
use crate::dvc::{leftovers, lockfile, stage};
use crate::git::{GitError, GitOperation};
use crate::history::rebuilt;
use crate::project::config::Engine;
use crate::project::include::LooseFiles;
use crate::project::mutex::RepoMutex;
use crate::project::{DatasetRecord, DatasetState, GitTree, Project, ProjectError, Reporter, include, report_ignored};
use crate::run::RunKey;
use crate::setup::worktree;
use crate::support::process::shell_quote;
use crate::sync::{SyncOutcome, SyncScope};
use crate::validate::ValidationReport;
use crate::{ingest, validate};

/// How long to wait for another DVC.
const PATIENCE: Duration = Duration::from_secs(60);
/// The command that hooks run without being told that it is trusted.
pub const TRUSTED_CMD: &str = "capture-hook ingest";
/// The setting, in `.git/config` alone, that trusts another one.
pub const TRUST_SETTING: &str = "capture-hook.stageCmd";
/// The one-off setting for a commit that drops runs from the dataset on purpose.
pub const ALLOW_LOSS: &str = "capture-hook.allowLoss";

/// A recorded run that is valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidRun {
    /// Its directory, relative to the project.
    pub run_dir: String,
    /// Its name in the dataset.
    pub key: RunKey,
    /// What validation found.
    pub report: ValidationReport,
}

/// What is to be done for a commit, after every reason to stop it was looked for.
#[derive(Debug)]
pub enum CommitPlan {
    /// Nothing.
    Nothing,
    /// The selected run is in the dataset: DVC's views are to show it.
    UpdateMetrics(Box<DatasetState>),
    /// The selected run is to be put into the dataset.
    IngestRun(Box<IngestJob>),
}

/// A run that is to be put into a commit.
#[derive(Debug)]
pub struct IngestJob {
    staged: DatasetState,
    stage: ResolvedStage,
    run: ValidRun,
    head_record: Option<DatasetRecord>,
}

/// Runs to put into the dataset.
#[derive(Clone, Copy)]
struct IngestWork<'a> {
    /// What decides.
    staged: &'a DatasetState,
    stage: &'a ResolvedStage,
    /// The last one is the selected one.
    runs: &'a [ValidRun],
    /// What HEAD holds.
    head_record: Option<&'a DatasetRecord>,
    /// Whether committed runs get derived files anew.
    force: bool,
}

/// What became of a commit's selection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PrepareOutcome {
    /// There was nothing to do.
    Nothing,
    /// The run was put into the dataset, and `dvc.lock` into the commit.
    Ingested {
        /// The run.
        run: RunKey,
        /// What `dvc.lock` says now.
        record: DatasetRecord,
    },
}

/// Looks at what is staged: what there is to do for the commit, or why it stops. Changes nothing.
pub fn plan_commit(project: &Project, reporter: &dyn Reporter) -> Result<CommitPlan, CommitRefused> {
    let staged = project.dataset_state(&GitTree::Index)?;
    let head_record = match project.repo.head()? {
        Some(id) => project.dataset_record(&GitTree::Commit(id))?,
        None => None,
    };
    kept::refuse_lost_runs(project)?;
    refuse_unsafe_additions(project, head_record.as_ref(), staged.record.as_ref())?;
    let Some(stage) = staged.stage.clone() else { return Ok(CommitPlan::Nothing) };
    check_work_tree_matches(project, &staged, &stage)?;
    let Some(run_dir) = stage.run_dir.clone() else { return Ok(CommitPlan::Nothing) };
    if staged.is_ingested() && !stale::is_stale(project, &staged, &stage, &run_dir, reporter)? {
        return Ok(CommitPlan::UpdateMetrics(Box::new(staged)));
    }
    staging::check_committable(project, &[lockfile::FILE])?;
    project.repo.await_head(&|line| reporter.show_status(line))?;
    check_trusted(project, &stage)?;
    check_other_stages_staged(project)?;
    let run = load_valid_run(project, &run_dir, reporter)?;
    Ok(CommitPlan::IngestRun(Box::new(IngestJob { staged, stage, run, head_record })))
}

/// Sees to it that the selected run of the index is in the index's data version. What `undo` keeps is to be put back
/// where that, or what the caller does after it, fails.
pub fn prepare_commit(
    project: &mut Project,
    prepared: CommitPlan,
    transaction: &mut Transaction,
    reporter: &dyn Reporter,
) -> Result<PrepareOutcome, CommitRefused> {
    let IngestJob { staged, stage, run, head_record } = match prepared {
        CommitPlan::Nothing => return Ok(PrepareOutcome::Nothing),
        CommitPlan::UpdateMetrics(staged) => {
            metrics::update_metrics_files(project, &staged, transaction, reporter)?;
            return Ok(PrepareOutcome::Nothing);
        }
        CommitPlan::IngestRun(job) => *job,
    };
    let _alone = RepoMutex::acquire(&project.state_dir())?;
    worktree::share_cache(project, reporter)?;
    let runs = [run];
    let work =
        IngestWork { staged: &staged, stage: &stage, runs: &runs, head_record: head_record.as_ref(), force: false };
    let dataset_record = ingest_and_version(project, &work, transaction, reporter)?;
    staging::stage_results(project, &stage, transaction, reporter)?;
    // The data is in the commit: that a note of it cannot be written stops nothing.
    let old_version = head_record.or(staged.record).map(|old_version| old_version.version);
    if let Err(error) =
        project.note_runs_added(old_version, dataset_record.version).and_then(|()| project.clear_reselected())
    {
        reporter.show_warning(&error.to_string());
    }
    let [run] = runs;
    Ok(PrepareOutcome::Ingested { run: run.key, record: dataset_record })
}

/// Puts these runs into the dataset as one data version, without touching the index; also where `dvc.lock` names them
/// already, for their files may have changed since. The last one is the working tree's selected run. Others go with it
/// only where the stage's command is ours ([`can_ingest_many`]). With `force`, committed runs get derived files anew.
pub fn ingest_runs(
    project: &Project,
    runs: &[ValidRun],
    force: bool,
    transaction: &mut Transaction,
    reporter: &dyn Reporter,
) -> Result<DatasetRecord, CommitRefused> {
    let state = project.dataset_state(&GitTree::WorkTree)?;
    let head_record = match project.repo.head()? {
        Some(id) => project.dataset_record(&GitTree::Commit(id))?,
        None => None,
    };
    let stage = state.stage.clone().ok_or(ProjectError::NoStage)?;
    check_trusted(project, &stage)?;
    let _alone = RepoMutex::acquire(&project.state_dir())?;
    let work = IngestWork { staged: &state, stage: &stage, runs, head_record: head_record.as_ref(), force };
    ingest_and_version(project, &work, transaction, reporter)
}

/// Whether several runs can be put into the dataset at once: the stage's command does to one what is done here.
pub fn can_ingest_many(project: &Project) -> Result<bool, CommitRefused> {
    let stage = project.dataset_state(&GitTree::WorkTree)?.stage;
    Ok(stage.is_some_and(|stage| stage.stage.command_text() == TRUSTED_CMD))
}

/// What is staged brings nothing to the dataset that no clone would check out. What a merged branch has, it has.
fn refuse_unsafe_additions(
    project: &Project,
    head: Option<&DatasetRecord>,
    staged: Option<&DatasetRecord>,
) -> Result<(), CommitRefused> {
    let Some(staged) = staged.filter(|staged| head.map(|head| head.version) != Some(staged.version)) else {
        return Ok(());
    };
    let mut old_versions: Vec<DataVersion> = head.into_iter().map(|head| head.version).collect();
    for merged in project.repo.merge_heads()? {
        old_versions.extend(project.data_version_at(&merged)?);
    }
    let refused =
        project.file_lists()?.diff_against(staged.version, old_versions).diff.and_then(|mut diff| diff.refused.pop());
    refused.map_or(Ok(()), |refusal| Err(CommitRefused::Refused { refusal }))
}

/// Whether the user says that runs may go, or undoes a commit.
fn loss_is_intended(project: &Project) -> Result<bool, GitError> {
    Ok(project.repo.config_bool(ALLOW_LOSS)? == Some(true)
        || project.repo.current_operation() == Some(GitOperation::Revert))
}

/// What the new data version holds differently from the old one; a stop where that cannot be known here.
fn diff_versions(project: &Project, old: DataVersion, new: DataVersion) -> Result<RunDiff, CommitRefused> {
    rebuilt::rebuild_file_lists(project, [old, new], None)?;
    let mut file_lists = project.file_lists()?;
    let unknown = [old, new].into_iter().find(|version| file_lists.get(*version).is_none()).unwrap_or(new);
    file_lists.diff_against(new, [old]).diff.ok_or_else(|| CommitRefused::Unknown { version: unknown.to_string() })
}

/// Every run of the old data version but those that were put, or dropped on purpose, is in the new one, with the same
/// files; and nothing has come that no clone checks out.
fn check_others_unchanged(
    project: &Project,
    old: DataVersion,
    new: DataVersion,
    ingested: &[ValidRun],
    dropped: &[RefusedPath],
) -> Result<(), CommitRefused> {
    let mut diff = diff_versions(project, old, new)?;
    if let Some(refusal) = diff.refused.pop() {
        return Err(CommitRefused::Refused { refusal });
    }
    diff.removed.retain(|run| dropped.iter().all(|refusal| refusal.path != run.to_string()));
    let mut file_lists = project.file_lists()?;
    let ingested: HashSet<&RunKey> = ingested.iter().map(|run| &run.key).collect();
    let others =
        |runs: BTreeSet<RunKey>| runs.into_iter().filter(|other| !ingested.contains(other)).collect::<Vec<_>>();
    let (lost, mut changed) = (others(diff.removed), others(diff.introduced));
    // Another run may be new, too: several are put one after the other.
    changed.retain(|run| file_lists.run_entries(old, run).is_none_or(|entries| !entries.is_empty()));
    match (lost.is_empty(), changed.is_empty()) {
        (false, _) => Err(CommitRefused::Lost { runs: lost }),
        (true, false) => Err(CommitRefused::Changed { runs: changed }),
        (true, true) => Ok(()),
    }
}

/// DVC works on the working tree: it must want what is staged.
fn check_work_tree_matches(
    project: &Project,
    staged: &DatasetState,
    stage: &ResolvedStage,
) -> Result<(), CommitRefused> {
    let DatasetState { stage: work_stage, include, .. } = project.dataset_state(&GitTree::WorkTree)?;
    let selected = work_stage.as_ref().and_then(|w| w.run_dir.clone());
    if selected != stage.run_dir {
        check_visible_to_git(project, stage.stage.params_file())?;
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
    let read = |bytes: Option<Vec<u8>>| Lockfile::parse(&bytes.unwrap_or_default()).map_err(ProjectError::from);
    let work = read(project.read_file(&GitTree::WorkTree, lockfile::FILE)?)?;
    let staged = read(project.read_file(&GitTree::Index, lockfile::FILE)?)?;
    let others = |lockfile: &Lockfile| -> Vec<LockfileStage> {
        let others = lockfile.stages.iter().filter(|stage| stage.name != STAGE).cloned();
        let mut others: Vec<LockfileStage> = others.map(|stage| LockfileStage { span: 0..0, ..stage }).collect();
        others.sort_by(|a, b| a.name.cmp(&b.name));
        others
    };
    if others(&work) == others(&staged) { Ok(()) } else { Err(CommitRefused::OtherStages) }
}

/// A recorded run, validated; an invalid one is a reason to stop.
pub fn load_valid_run(project: &Project, run_dir: &str, reporter: &dyn Reporter) -> Result<ValidRun, CommitRefused> {
    let report = validate_run(project, run_dir, reporter)?;
    report_ignored(&report, reporter);
    match RunKey::new(&report.experiment, &report.run_id) {
        Ok(key) => Ok(ValidRun { run_dir: run_dir.to_owned(), key, report }),
        Err(_) => Err(CommitRefused::Invalid { report: Box::new(report) }),
    }
}

/// Validates a run; an invalid one is a reason to stop.
pub fn validate_run(
    project: &Project,
    run_dir: &str,
    reporter: &dyn Reporter,
) -> Result<ValidationReport, CommitRefused> {
    let dir = project.root.join(run_dir);
    if !dir.is_dir() {
        return Err(CommitRefused::NoSuchRun { run_dir: run_dir.to_owned() });
    }
    let options = project.validation_options()?;
    let progress = reporter.start_progress(&format!("validating {run_dir}"), None);
    let report = validate::validate_run(&dir, run_dir, &options, progress.as_ref())?;
    if report.ok { Ok(report) } else { Err(CommitRefused::Invalid { report: Box::new(report) }) }
}

fn ingest_and_version(
    project: &Project,
    work: &IngestWork<'_>,
    transaction: &mut Transaction,
    reporter: &dyn Reporter,
) -> Result<DatasetRecord, CommitRefused> {
    let IngestWork { staged, stage, runs, head_record, force } = *work;
    let Some(selected) = runs.last() else { return Err(CommitRefused::NothingSelected) };
    let not_in_lockfile = || CommitRefused::NotInLockfile { run_dir: selected.run_dir.clone() };
    if let Some(why) = stage.why_unversioned() {
        return Err(why.into());
    }
    project.check_stage_files(stage)?;
    project.check_dataset_dir(&stage.out_dir)?;
    let tracked = project.git_path(&stage.out_dir);
    if project.repo.index_holds_below(&tracked)? {
        return Err(CommitRefused::TrackedByGit { out_dir: tracked });
    }
    check_include(project, stage, runs, reporter)?;
    let committed_record = head_record.or(staged.record.as_ref());
    let moves = committed_record.is_some_and(|dataset_record| dataset_record.out_dir != stage.out_dir);
    // On purpose, a dataset may begin anew elsewhere.
    let committed_record = committed_record.filter(|_| !(moves && loss_is_intended(project).unwrap_or(false)));
    let native = !moves && can_use_native(project, stage, runs, reporter)?;
    if !native {
        staging::check_usable_by_dvc(project)?;
    }
    let dropped = match committed_record {
        // Nothing but the new run's folder is looked at, so nothing else need be in the workspace.
        Some(dataset_record) if native => {
            rebuilt::ensure_file_list(project, project.dvc_settings()?, dataset_record.version)?;
            Vec::new()
        }
        Some(dataset_record) => check_out_committed_runs(project, dataset_record, stage, &selected.key, reporter)?,
        None => Vec::new(),
    };
    transaction.keep_dataset(&stage.out_dir, runs)?;
    for run in runs {
        let committed = committed_record.map_or(Ok(Vec::new()), |dataset_record| {
            committed::committed_files(project, dataset_record.version, run)
        })?;
        let is_our_command = stage.stage.command_text() == TRUSTED_CMD;
        // The stage's command does it, but for what it does not know of: what is committed, and `force`.
        if run == selected && !native && !(is_our_command && (force || !committed.is_empty())) {
            continue;
        }
        ingest_run(project, stage, run, force, reporter)?;
        if let Some(dataset_record) = committed_record.filter(|_| !force && !committed.is_empty()) {
            committed::keep_committed(project, dataset_record.version, &committed, &stage.out_dir, run, reporter)?;
        }
    }
    if native {
        // Before dvc.lock, as in the stage's command: where it names the run, a commit need not do anything more.
        metrics_files::write_metrics_files(&project.root, &project.root.join(&stage.out_dir), &selected.key)?;
        version_natively(project, stage, runs)?;
    } else {
        reporter.show_status("dvc repro -s capture_ingest");
        project.find_dvc()?.repro(STAGE, staged.is_ingested(), &stage.stage.cmd)?;
    }
    let state = project.dataset_state(&GitTree::WorkTree)?;
    let dataset_record = state.record.clone().filter(|_| state.is_ingested());
    let dataset_record = dataset_record.ok_or_else(not_in_lockfile)?;
    for run in runs {
        ignored::check_all_versioned(project, &dataset_record.out_dir, dataset_record.version, run)?;
    }
    if let Some(committed_record) = committed_record {
        check_others_unchanged(project, committed_record.version, dataset_record.version, runs, &dropped)?;
    }
    Ok(dataset_record)
}

/// Tells what lies beside the recorder's files and is not put into the dataset; an error if DVC would miss the setting.
fn check_include(
    project: &Project,
    stage: &ResolvedStage,
    runs: &[ValidRun],
    reporter: &dyn Reporter,
) -> Result<(), CommitRefused> {
    if project.is_include_missing(&stage.stage)? {
        return Err(CommitRefused::IncludeMissing);
    }
    let include = project.read_config()?.ingest.include;
    let mut loose = LooseFiles::default();
    for run in runs {
        loose.add_run(&project.root.join(&run.run_dir), &run.report, &include);
    }
    loose.report_to(&include, reporter);
    if !include.patterns().is_empty() && !include::is_dependency(&stage.stage) {
        reporter.show_warning("the stage does not depend on ingest.include, so DVC does not see when it changes");
        reporter.show_hint("`capture-hook init` adds it to dvc.yaml");
    }
    Ok(())
}

/// Whether the native engine is chosen and can do this project's work as DVC would.
fn can_use_native(
    project: &Project,
    stage: &ResolvedStage,
    runs: &[ValidRun],
    reporter: &dyn Reporter,
) -> Result<bool, CommitRefused> {
    if project.read_config()?.engine != Engine::Native || stage.stage.command_text() != TRUSTED_CMD {
        return Ok(false);
    }
    let runs: Vec<RunKey> = runs.iter().map(|run| run.key.clone()).collect();
    match native::check_supported(&project.root, project.dvc_settings()?, stage, &runs) {
        Ok(()) => Ok(true),
        Err(NativeError::Unsupported(why)) => {
            reporter.show_status(&format!("engine = \"native\" leaves this to DVC: {why}"));
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}

/// Puts a run's folder into the dataset, as the stage's command does.
fn ingest_run(
    project: &Project,
    stage: &ResolvedStage,
    run: &ValidRun,
    force: bool,
    reporter: &dyn Reporter,
) -> Result<(), CommitRefused> {
    let request = ingest::IngestRequest {
        run_dir: project.root.join(&run.run_dir),
        shown_as: run.run_dir.clone(),
        out_dir: project.root.join(&stage.out_dir),
        root: project.root.clone(),
        off_limits: project.off_limits()?,
        options: project.validation_options()?,
        force,
    };
    let progress = reporter.start_progress(&format!("ingesting {}", run.key), None);
    ingest::ingest_run(&request, progress.as_ref())?;
    Ok(())
}

/// Versions runs that lie in the dataset without DVC, as DVC would.
fn version_natively(project: &Project, stage: &ResolvedStage, runs: &[ValidRun]) -> Result<(), CommitRefused> {
    let runs: Vec<RunKey> = runs.iter().map(|run| run.key.clone()).collect();
    native::version_runs(&native::NativeJob {
        root: &project.root,
        settings: project.dvc_settings()?,
        stage,
        runs: &runs,
        patience: PATIENCE,
    })?;
    Ok(())
}

/// Sees to it that the runs of the committed data version, all but `run`, are in the workspace. Gives those that no
/// checkout takes, where the user says that runs may go.
fn check_out_committed_runs(
    project: &Project,
    dataset_record: &DatasetRecord,
    stage: &ResolvedStage,
    run: &RunKey,
    reporter: &dyn Reporter,
) -> Result<Vec<RefusedPath>, CommitRefused> {
    rebuilt::ensure_file_list(project, project.dvc_settings()?, dataset_record.version)?;
    let all =
        fetch::read_file_list(&project.root, project.dvc_settings()?, dataset_record.version, || project.find_dvc())?;
    let (file_list, refused) = split_refused(all.clone());
    let may_go = !refused.is_empty() && loss_is_intended(project)?;
    leftovers::remove_leftovers(&project.root, &stage.out_dir, PATIENCE).map_err(NativeError::from)?;
    let missing = || first_missing(project, &file_list, &stage.out_dir, run);
    // A `git reset` tells nobody: runs of another version would slip into this one.
    let mut synced = None;
    let moves = dataset_record.out_dir != stage.out_dir;
    if !moves && (!project.workspace_is_at(Some(dataset_record.version))? || missing().is_some()) {
        reporter.show_status("bringing the committed runs into the workspace first");
        synced = Some(project.sync_holding_mutex(dataset_record, SyncScope::All, reporter)?);
    }
    let Some(file) = missing() else {
        // Who committed them has them in the workspace.
        let refused_missing = !may_go && first_missing(project, &all, &stage.out_dir, run).is_some();
        return match refused.first().filter(|_| refused_missing) {
            None => Ok(refused),
            Some(refusal) => Err(CommitRefused::NotInWorkspace {
                why: format!("no checkout takes {refusal}"),
                advice: format!("to drop it from the dataset: `git -c {ALLOW_LOSS}=true commit`"),
            }),
        };
    };
    let (why, advice) = match synced {
        _ if moves => (
            format!("{} is to be the dataset, and {file} is not in it", stage.out_dir),
            format!(
                "move the dataset there: `mv {} {}`; to begin anew: `git -c {ALLOW_LOSS}=true commit`",
                shell_quote(&dataset_record.out_dir),
                shell_quote(&stage.out_dir)
            ),
        ),
        Some(SyncOutcome::Missing { why } | SyncOutcome::TooLarge { reason: why }) => {
            (why, "bring them here: `capture-hook pull`, then run the same command again".into())
        }
        _ => (format!("something else is in the place of {file}"), "move it away, then `capture-hook pull`".into()),
    };
    Err(CommitRefused::NotInWorkspace { why, advice })
}

/// The first file of a listing that is not in the workspace, `except` one run's.
fn first_missing(project: &Project, file_list: &FileList, out_dir: &str, except: &RunKey) -> Option<String> {
    let root = project.root.join(out_dir);
    let prefix = format!("{except}/");
    let is_file = |path: &str| std::fs::metadata(root.join(path)).is_ok_and(|meta| meta.is_file());
    let mut files = file_list.entries().iter().map(|entry| entry.relpath.as_str());
    files.find(|path| !path.starts_with(&prefix) && !is_file(path)).map(str::to_owned)
}
