//! Ingests runs and versions the dataset: by the stage's command and DVC, or by the native engine.

use std::collections::HashMap;

use super::ingest_work::{IngestWork, PATIENCE};
use super::{
    CommitRefused, CommitTransaction, TRUSTED_CMD, ValidRun, check_trusted, committed, ignored, kept, schemas, staging,
};
use crate::dataset::native::{HashedFile, NativeError};
use crate::dataset::stage::STAGE;
use crate::dataset::{metrics_files, native};
use crate::history::hashed_runs::{self, HashedRun};
use crate::history::rebuilt;
use crate::ingest;
use crate::project::config::Engine;
use crate::project::include::LooseFiles;
use crate::project::{self, DatasetRecord, GitTree, Project, ProjectError, Reporter, data_dir, include, state};
use crate::run::RunKey;
use crate::support::parallel;

/// Puts these runs into the dataset as one data version, without touching the index; even if `dvc.lock` names them
/// already, for their files may have changed since. The last one is the working tree's selected run. Others are added
/// with it only if the stage's command is ours ([`can_ingest_many`]). With `force`, committed runs get derived files
/// again. The caller holds the mutex of the repository.
pub fn ingest_runs(
    project: &Project,
    runs: &[ValidRun],
    force: bool,
    transaction: &mut CommitTransaction,
    reporter: &dyn Reporter,
) -> Result<DatasetRecord, CommitRefused> {
    let state = project.dataset_state(&GitTree::WorkTree)?;
    let head_record = match project.repo.head()? {
        Some(id) => project.dataset_record(&GitTree::Commit(id))?,
        None => None,
    };
    let stage = state.stage.clone().ok_or(ProjectError::NoStage)?;
    check_trusted(project, &stage)?;
    let head_record = head_record.as_ref();
    let work = IngestWork { project, reporter, state: &state, stage: &stage, runs, head_record, force };
    work.ingest_and_version(transaction)
}

/// Whether several runs can be put into the dataset at once: the stage's command does to one what is done here.
pub fn can_ingest_many(project: &Project) -> Result<bool, CommitRefused> {
    let stage = project.dataset_state(&GitTree::WorkTree)?.stage;
    Ok(stage.is_some_and(|stage| stage.stage.command_text() == TRUSTED_CMD))
}

impl IngestWork<'_> {
    /// Puts the runs into the dataset and versions it; the new version holds them whole, and all others as they were.
    pub(super) fn ingest_and_version(
        &self,
        transaction: &mut CommitTransaction,
    ) -> Result<DatasetRecord, CommitRefused> {
        let Self { project, stage, runs, .. } = *self;
        let Some(selected) = runs.last() else { return Err(CommitRefused::NothingSelected) };
        self.check_dataset()?;
        self.check_include()?;
        let committed_record = self.head_record.or(self.state.record.as_ref());
        let moves = committed_record.is_some_and(|record| record.out_dir != stage.out_dir);
        // On purpose, a dataset may begin again elsewhere.
        let committed_record =
            // If that cannot be read, the stricter answer holds: the runs are kept.
            committed_record.filter(|_| !(moves && kept::loss_is_intended(project).unwrap_or(false)));
        let committed_version = committed_record.map(|committed_record| committed_record.version);
        schemas::refuse_recorded_schema_conflicts(project, runs, committed_version)?;
        let native = !moves && self.can_use_native()?;
        if !native {
            staging::check_usable_by_dvc(project)?;
        }
        let dropped = match committed_record {
            // Nothing but the new run's folder is looked at, so nothing else need be in the workspace.
            Some(record) if native => {
                rebuilt::ensure_file_list(project, &project.dvc()?, record.version)?;
                Vec::new()
            }
            Some(record) => committed::check_out_committed_runs(self, record, &selected.key)?,
            None => Vec::new(),
        };
        // After the checkout: what is restored is the committed state, not a workspace without it.
        transaction.keep_dataset(&stage.out_dir, runs)?;
        self.ingest_run_dirs(committed_record, native)?;
        let stored = if native {
            // Before dvc.lock, as in the stage's command: once it names the run, a commit does nothing more.
            metrics_files::write_metrics_files(&project.root, &project.root.join(&stage.out_dir), &selected.key)
                .map_err(ProjectError::from)?;
            Some(self.version_natively()?)
        } else {
            self.reporter.show_status("dvc repro -s capture_ingest");
            project.find_dvc()?.repro(STAGE, self.state.is_ingested(), &stage.stage.cmd)?;
            None
        };
        let state = project.dataset_state(&GitTree::WorkTree)?;
        let record = state.record.clone().filter(|_| state.is_ingested());
        let record = record.ok_or_else(|| CommitRefused::NotInLockfile { run_dir: selected.run_dir.clone() })?;
        hashed_runs::note_runs(project, self.check_versioned(&record, stored.as_deref())?);
        // Checked after the fact as well, because DVC versions whatever is in the workspace at that moment.
        if let Some(committed_record) = committed_record {
            kept::check_others_unchanged(project, committed_record.version, record.version, runs, &dropped)?;
        }
        schemas::refuse_ingested_schema_conflicts(project, record.version, committed_version, runs, self.reporter)?;
        Ok(record)
    }

    /// The dataset's directory is DVC's to version: not git's, nor one that the stage's settings keep out.
    fn check_dataset(&self) -> Result<(), CommitRefused> {
        let Self { project, stage, .. } = *self;
        if let Some(why) = stage.why_unversioned() {
            return Err(why.into());
        }
        state::check_stage_files(project, stage)?;
        data_dir::check_dataset_dir(project, &stage.out_dir)?;
        let tracked = project.git_path(&stage.out_dir);
        // DVC would fail at the end of `dvc repro`, after the work.
        if project.repo.index_holds_below(&tracked)? {
            return Err(CommitRefused::TrackedByGit { out_dir: tracked });
        }
        Ok(())
    }

    /// Every file of the runs is in the new data version. DVC may have left some out, so they are read for it; what the native
    /// engine stored, it read itself.
    fn check_versioned(
        &self,
        record: &DatasetRecord,
        stored: Option<&[HashedFile]>,
    ) -> Result<Vec<HashedRun>, CommitRefused> {
        let (project, out_dir) = (self.project, record.out_dir.as_str());
        let Some(stored) = stored else {
            let check = |run| ignored::check_all_versioned(project, out_dir, record.version, run);
            return self.runs.iter().map(check).collect();
        };
        let mut files = stored;
        let mut check = |run: &ValidRun| {
            // They are in the order of the runs.
            let prefix = format!("{}/", run.key);
            let count = files.iter().take_while(|file| file.relpath.starts_with(&prefix)).count();
            let (own, rest) = files.split_at(count);
            files = rest;
            ignored::check_files_versioned(project, out_dir, record.version, run, own)
        };
        self.runs.iter().map(&mut check).collect()
    }

    /// Makes the runs' folders in the dataset. The stage's command makes the selected one's, unless the native engine
    /// works, or there is something that the command does not know of: a committed run, or `force`.
    fn ingest_run_dirs(&self, committed_record: Option<&DatasetRecord>, native: bool) -> Result<(), CommitRefused> {
        let is_our_command = self.stage.stage.command_text() == TRUSTED_CMD;
        let mut committed_files = HashMap::new();
        if let Some(record) = committed_record {
            for run in self.runs {
                let files = committed::committed_files(self.project, record.version, run)?;
                if !files.is_empty() {
                    committed_files.insert(&run.key, (record.version, files));
                }
            }
        }
        let made_by_stage = |run: &&ValidRun| {
            let is_selected = self.runs.last() == Some(*run);
            is_selected && !native && !(is_our_command && (self.force || committed_files.contains_key(&run.key)))
        };
        let runs: Vec<&ValidRun> = self.runs.iter().filter(|run| !made_by_stage(run)).collect();
        self.ingest_folders(&runs)?;
        for run in runs.into_iter().filter(|_| !self.force) {
            if let Some((version, files)) = committed_files.get(&run.key) {
                committed::keep_committed(self, run, *version, files)?;
            }
        }
        Ok(())
    }

    /// Reports what is beside the recorder's files and is not put into the dataset; an error if DVC would miss the
    /// setting.
    fn check_include(&self) -> Result<(), CommitRefused> {
        if include::is_include_missing(self.project, &self.stage.stage)? {
            return Err(CommitRefused::IncludeMissing);
        }
        let include = self.project.read_config()?.ingest.include;
        let mut loose = LooseFiles::default();
        for run in self.runs {
            loose.add_run(&self.project.root.join(&run.run_dir), &run.report, &include);
        }
        loose.report_to(&include, self.reporter);
        if !include.patterns().is_empty() && !include::is_dependency(&self.stage.stage) {
            self.reporter
                .show_warning("the stage does not depend on ingest.include, so DVC does not see when it changes");
            self.reporter.show_hint("`capture-hook init` adds it to dvc.yaml");
        }
        Ok(())
    }

    /// Whether the native engine is chosen and can do this project's work as DVC would.
    fn can_use_native(&self) -> Result<bool, CommitRefused> {
        if self.project.read_config()?.engine != Engine::Native || self.stage.stage.command_text() != TRUSTED_CMD {
            return Ok(false);
        }
        let runs: Vec<RunKey> = self.runs.iter().map(|run| run.key.clone()).collect();
        match native::check_supported(&self.project.root, self.project.dvc_settings()?, self.stage, &runs) {
            Ok(()) => Ok(true),
            Err(NativeError::Unsupported(why)) => {
                self.reporter.show_status(&format!("leaving this to DVC, although engine is \"native\": {why}"));
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Puts runs' folders into the dataset, as the stage's command does.
    fn ingest_folders(&self, runs: &[&ValidRun]) -> Result<(), CommitRefused> {
        let (project, jobs) = (self.project, parallel::processors());
        // Once for all runs: git is asked for its directories, and files of settings are read.
        let off_limits = data_dir::find_off_limits(project)?;
        let mut options = project::read_validation_options(project)?;
        // With a run for each processor, threads for each run's parts would only wait for each other.
        options.one_thread |= runs.len() > 1 && runs.len() >= jobs;
        let request = |run: &&ValidRun| ingest::IngestRequest {
            run_dir: project.root.join(&run.run_dir),
            shown_as: run.run_dir.clone(),
            out_dir: project.root.join(&self.stage.out_dir),
            root: project.root.clone(),
            off_limits: off_limits.clone(),
            options: options.clone(),
            force: self.force,
        };
        let requests: Vec<ingest::IngestRequest> = runs.iter().map(request).collect();
        let progress = match runs {
            [run] => self.reporter.start_progress(&format!("ingesting {}", run.key), None),
            runs => self.reporter.start_counting("ingesting", runs.len() as u64, "run"),
        };
        ingest::ingest_runs(&requests, jobs, progress.as_ref()).into_iter().collect::<Result<Vec<_>, _>>()?;
        Ok(())
    }

    /// Versions runs that are in the dataset without DVC, as DVC would. Returns their files.
    fn version_natively(&self) -> Result<Vec<HashedFile>, CommitRefused> {
        let runs: Vec<RunKey> = self.runs.iter().map(|run| run.key.clone()).collect();
        let outcome = native::version_runs(&native::NativeJob {
            root: &self.project.root,
            settings: self.project.dvc_settings()?,
            stage: self.stage,
            runs: &runs,
            patience: PATIENCE,
            count_files: &|count| self.reporter.start_counting("storing", count, "file"),
        })?;
        Ok(outcome.files)
    }
}
