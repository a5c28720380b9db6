//! The metrics files of a commit: which of them are staged, so that they show the selected run.

use super::CommitTransaction;
use crate::dataset::metrics_files::{FILES, METRICS, declares_metrics_files, run_shown_in, write_metrics_files};
use crate::dvc::stage;
use crate::project::{DatasetState, GitTree, Project, ProjectError, Reporter, workspace};
use crate::run::RunKey;
use crate::run::layout::STEPS_PARQUET;

/// The files that a commit of an ingested run holds beside `dvc.lock`, as git names them: those that the index's
/// `dvc.yaml` declares, that are there, and that no rule ignores.
pub fn metrics_files_to_stage(project: &Project) -> Result<Vec<String>, ProjectError> {
    // A `dvc.yaml` that does not exist declares nothing.
    let dvc_yaml = project.read_file(&GitTree::Index, stage::FILE)?.unwrap_or_default();
    if !declares_metrics_files(&dvc_yaml) {
        return Ok(Vec::new());
    }
    let mut out = Vec::new();
    for file in FILES.iter().filter(|file| project.root.join(file).is_file()) {
        let path = project.git_path(file);
        // Most are tracked already, and no rule applies to them then.
        if project.repo.why_ignored(&path)?.is_none() {
            out.push(path);
        }
    }
    Ok(out)
}

/// Sees to it that a commit whose selection is in the dataset already shows that run: if DVC was called by hand, or
/// `dvc.yaml` has just come to declare the files.
pub fn update_metrics_files(
    project: &mut Project,
    staged: &DatasetState,
    transaction: &mut CommitTransaction,
    reporter: &dyn Reporter,
) -> Result<(), ProjectError> {
    let (Some(run_dir), Some(dataset_record)) = (staged.run_dir(), &staged.record) else { return Ok(()) };
    let paths = metrics_files_to_stage(project)?;
    let shown_run = project.read_file(&GitTree::WorkTree, METRICS)?.and_then(|file| run_shown_in(&file));
    let mut names = run_dir.trim_end_matches('/').rsplit('/');
    let (Some(run_id), Some(experiment)) = (names.next(), names.next()) else { return Ok(()) };
    // A recorder may have named the experiment otherwise; the id is the directory's name.
    if shown_run.is_some_and(|run| run.rsplit('/').next() == Some(run_id)) {
        return transaction.stage_files(&mut project.repo, &paths, reporter);
    }
    let out_dir = project.root.join(&dataset_record.out_dir);
    let Ok(run) = RunKey::new(experiment, run_id) else { return Ok(()) };
    if !run.dir_under(&out_dir).join(STEPS_PARQUET).is_file()
        || !workspace::is_workspace_at(project, Some(dataset_record.version))?
    {
        return Ok(());
    }
    transaction.keep_metrics_files()?;
    write_metrics_files(&project.root, &out_dir, &run)?;
    let paths = metrics_files_to_stage(project)?;
    transaction.stage_files(&mut project.repo, &paths, reporter)
}
