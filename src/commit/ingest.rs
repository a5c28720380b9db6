//! Putting runs into the dataset as one data version: by the stage's command and DVC, or by the native engine.

use std::time::Duration;

use super::{CommitRefused, TRUSTED_CMD, Transaction, check_trusted, committed, ignored, kept, staging};
use crate::dataset::native::NativeError;
use crate::dataset::stage::{ResolvedStage, STAGE};
use crate::dataset::{metrics_files, native};
use crate::history::rebuilt;
use crate::project::config::Engine;
use crate::project::data_dir;
use crate::project::include::LooseFiles;
use crate::project::mutex::RepoMutex;
use crate::project::state;
use crate::project::{
    self, DatasetRecord, DatasetState, GitTree, Project, ProjectError, Reporter, include, report_ignored,
};
use crate::run::RunKey;
use crate::validate::ValidationReport;
use crate::{ingest, validate};

/// How long to wait for another DVC.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

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

/// Runs to put into the dataset.
#[derive(Clone, Copy)]
pub(super) struct IngestWork<'a> {
    /// What decides.
    pub(super) staged: &'a DatasetState,
    pub(super) stage: &'a ResolvedStage,
    /// The last one is the selected one.
    pub(super) runs: &'a [ValidRun],
    /// What HEAD holds.
    pub(super) head_record: Option<&'a DatasetRecord>,
    /// Whether committed runs get derived files anew.
    pub(super) force: bool,
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
    let options = project::read_validation_options(project)?;
    let progress = reporter.start_progress(&format!("validating {run_dir}"), None);
    let report = validate::validate_run(&dir, run_dir, &options, progress.as_ref())?;
    if report.ok { Ok(report) } else { Err(CommitRefused::Invalid { report: Box::new(report) }) }
}

pub(super) fn ingest_and_version(
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
    state::check_stage_files(project, stage)?;
    data_dir::check_dataset_dir(project, &stage.out_dir)?;
    let tracked = project.git_path(&stage.out_dir);
    if project.repo.index_holds_below(&tracked)? {
        return Err(CommitRefused::TrackedByGit { out_dir: tracked });
    }
    check_include(project, stage, runs, reporter)?;
    let committed_record = head_record.or(staged.record.as_ref());
    let moves = committed_record.is_some_and(|dataset_record| dataset_record.out_dir != stage.out_dir);
    // On purpose, a dataset may begin anew elsewhere.
    let committed_record = committed_record.filter(|_| !(moves && kept::loss_is_intended(project).unwrap_or(false)));
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
        Some(dataset_record) => {
            committed::check_out_committed_runs(project, dataset_record, stage, &selected.key, reporter)?
        }
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
        kept::check_others_unchanged(project, committed_record.version, dataset_record.version, runs, &dropped)?;
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
    if include::is_include_missing(project, &stage.stage)? {
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
        off_limits: data_dir::find_off_limits(project)?,
        options: project::read_validation_options(project)?,
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
