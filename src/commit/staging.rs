//! Stages what a commit of runs needs besides the selection, and finds out beforehand whether git would refuse it.

use super::{CommitRefused, CommitTransaction, metrics};
use crate::dataset::metrics_files;
use crate::dataset::stage::{ResolvedStage, params_file};
use crate::dvc::{lockfile, stage};
use crate::project::{GitTree, Project, ProjectError, Reporter};
use crate::support::names::is_safe_path;

/// The files that a commit of the selection consists of, staged; relative to the top of the working tree.
pub fn stage_selection(
    project: &mut Project,
    transaction: &mut CommitTransaction,
    reporter: &dyn Reporter,
) -> Result<Vec<String>, CommitRefused> {
    let stage = project.dataset_state(&GitTree::WorkTree)?.stage.ok_or(ProjectError::NoStage)?;
    let mut paths = results_to_stage(project, &stage)?;
    paths.push(project.git_path(params_file(&stage.stage)));
    transaction.stage_files(&mut project.repo, &paths, reporter)?;
    Ok(paths)
}

/// Stages what DVC wrote.
pub(crate) fn stage_results(
    project: &mut Project,
    stage: &ResolvedStage,
    transaction: &mut CommitTransaction,
    reporter: &dyn Reporter,
) -> Result<(), CommitRefused> {
    let paths = results_to_stage(project, stage)?;
    Ok(transaction.stage_files(&mut project.repo, &paths, reporter)?)
}

/// What DVC wrote: `dvc.lock`, the dataset's `.gitignore`, and outputs that git is to keep.
fn results_to_stage(project: &Project, stage: &ResolvedStage) -> Result<Vec<String>, CommitRefused> {
    let mut paths = vec![project.git_path(lockfile::FILE)];
    let (parent, name) = stage.out_dir.rsplit_once('/').unwrap_or(("", &stage.out_dir));
    let ignore = if parent.is_empty() { ".gitignore".to_owned() } else { format!("{parent}/.gitignore") };
    if let Some(work) = project.read_file(&GitTree::WorkTree, &ignore)? {
        let names = |bytes: &[u8]| String::from_utf8_lossy(bytes).lines().any(|line| line == format!("/{name}"));
        let staged = project.read_file(&GitTree::Index, &ignore)?;
        // If a rule ignores its whole directory, the dataset needs no rule of its own.
        if names(&work)
            && !staged.is_some_and(|bytes| names(&bytes))
            && project.repo.why_ignored(&project.git_path(&ignore))?.is_none()
        {
            paths.push(project.git_path(&ignore));
        }
    }
    paths.extend(metrics::metrics_files_to_stage(project)?);
    for out in stage.stage.outs.iter().filter(|out| !out.cache && is_safe_path(&out.path)) {
        if project.root.join(&out.path).exists() {
            paths.push(project.git_path(&out.path));
        }
    }
    Ok(paths)
}

/// An error if git would not take one of these files, or one of `dvc metrics` and `dvc plots`, into a commit: a rule
/// ignores it, or a flag hides it.
pub fn check_committable(project: &Project, files: &[&str]) -> Result<(), CommitRefused> {
    for file in files {
        let path = project.git_path(file);
        if let Some(rule) = project.repo.why_ignored(&path)? {
            return Err(CommitRefused::Ignored { file: path, rule, tracked: false });
        }
    }
    let metrics_files = metrics_files::writable_files(project.root_files())?;
    files.iter().chain(metrics_files).try_for_each(|file| check_visible_to_git(project, file))
}

/// An error if DVC would refuse its own files because a rule ignores them: it does not ask whether git tracks them.
pub(crate) fn check_usable_by_dvc(project: &Project) -> Result<(), CommitRefused> {
    for file in [lockfile::FILE, stage::FILE] {
        let path = project.git_path(file);
        if let Some(rule) = project.repo.ignoring_rule(&path)? {
            return Err(CommitRefused::Ignored { file: path, rule, tracked: true });
        }
    }
    Ok(())
}

/// An error if a flag hides from git how a file differs.
pub fn check_visible_to_git(project: &Project, file: &str) -> Result<(), CommitRefused> {
    let path = project.git_path(file);
    let Some(flag) = project.repo.hiding_flag(&path)? else { return Ok(()) };
    let sparse = project.repo.config_bool("core.sparseCheckout")? == Some(true);
    Err(CommitRefused::Hidden { file: path, flag, sparse })
}
