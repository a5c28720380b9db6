//! A committed run that is ingested again keeps the files that are committed.
//!
//! A newer capture-hook may derive other bytes from the same rows. That makes no other run of it, and no data version of
//! its own: where the recorder's files are the committed ones, the committed folder is what goes into the workspace.

use super::{CommitRefused, ValidRun};
use crate::dataset::get::GetRequest;
use crate::dataset::native;
use crate::dvc::file_list::FileEntry;
use crate::dvc::hash::DataVersion;
use crate::ingest::is_derived;
use crate::project::{Project, Reporter};

/// The files that a data version has of a run; empty where it does not hold the run.
pub(crate) fn committed_files(
    project: &Project,
    version: DataVersion,
    run: &ValidRun,
) -> Result<Vec<FileEntry>, CommitRefused> {
    Ok(project.file_lists()?.run_entries(version, &run.key).unwrap_or_default())
}

/// Puts a run's committed folder back, where the one that was just made differs from it in derived files alone.
pub(crate) fn keep_committed(
    project: &Project,
    version: DataVersion,
    committed: &[FileEntry],
    out_dir: &str,
    run: &ValidRun,
    reporter: &dyn Reporter,
) -> Result<(), CommitRefused> {
    let dataset = project.root.join(out_dir);
    let made = native::list_run_entries(&dataset, &run.key)?;
    let (prefix, run_dir) = (format!("{}/", run.key), project.root.join(&run.run_dir));
    let derived =
        |entry: &FileEntry| entry.relpath.strip_prefix(&prefix).is_some_and(|name| is_derived(name, &run_dir));
    // Of what the recorder, or the user, put there.
    let given = |files: &[FileEntry]| files.iter().filter(|file| !derived(file)).cloned().collect::<Vec<_>>();
    if made == committed || given(&made) != given(committed) {
        return Ok(());
    }
    reporter.show_status(&format!("{} is committed already: its files stay as they are", run.key));
    let to = run.key.dir_under(&dataset);
    let progress = reporter.start_progress(&format!("getting {}", run.key), None);
    project
        .get_run(GetRequest { run: &run.key, version, to: &to, replace: true }, progress.as_ref())
        .map(drop)
        .map_err(|source| CommitRefused::Committed { run: run.key.clone(), source: Box::new(source) })
}
