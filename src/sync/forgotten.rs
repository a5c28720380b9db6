//! The runs whose local copies the user dropped: no hook fetches them unasked. A note in git's common directory.
//!
//! Only a convenience depends on it. What the cache holds is checked out, noted or not; a pull of a run ends its note.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::dataset::runs::{entries_of_run, run_of_path};
use crate::dvc::cache::Cache;
use crate::dvc::file_list::FileList;
use crate::project::{Project, ProjectError};
use crate::run::RunKey;
use crate::support::percent::{percent_decode, percent_encode};
use crate::support::visible::is_hidden;
use crate::support::{fs, limits};

/// The file in the state directory: a line for each run.
const FORGOTTEN_FILE: &str = "forgotten";

fn note_path(project: &Project) -> PathBuf {
    // Several projects of a repository can hold runs of one name.
    let dir = percent_encode(project.prefix.trim_end_matches('/'), |_, c| c == '%' || c == '/');
    let end = if dir.is_empty() { dir } else { format!("-{dir}") };
    project.state_dir().join(format!("{FORGOTTEN_FILE}{end}"))
}

/// The noted runs; a note that cannot be read counts as empty.
pub(super) fn read_forgotten(project: &Project) -> BTreeSet<RunKey> {
    let bytes = fs::read_within(&note_path(project), limits::TEXT).ok().flatten().unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    text.lines().filter_map(|line| percent_decode(line)?.parse().ok()).collect()
}

fn write_forgotten(project: &Project, runs: &BTreeSet<RunKey>) -> Result<(), ProjectError> {
    if runs.is_empty() {
        return Ok(fs::remove_all(&note_path(project))?);
    }
    let escape = |run: &RunKey| percent_encode(&run.to_string(), |_, c| c == '%' || is_hidden(c));
    let text: String = runs.iter().map(|run| format!("{}\n", escape(run))).collect();
    fs::create_shared_dir(&project.state_dir())?;
    Ok(fs::write_shared(&note_path(project), text.as_bytes())?)
}

/// Notes that these runs are forgotten.
pub(super) fn note_forgotten(project: &Project, runs: &BTreeSet<RunKey>) -> Result<(), ProjectError> {
    let mut all = read_forgotten(project);
    all.extend(runs.iter().cloned());
    write_forgotten(project, &all)
}

/// Ends the note of a run, or of all runs: the user asked for them.
pub(super) fn clear_forgotten(project: &Project, run: Option<&RunKey>) -> Result<(), ProjectError> {
    let mut runs = read_forgotten(project);
    if runs.is_empty() {
        return Ok(());
    }
    match run {
        Some(run) => drop(runs.remove(run)),
        None => runs.clear(),
    }
    write_forgotten(project, &runs)
}

/// A file list without the forgotten runs that are not here: nothing of them is in the workspace, and the cache lacks some.
pub(super) fn without_forgotten(project: &Project, cache: &Cache, dataset: &Path, list: FileList) -> FileList {
    let mut absent = read_forgotten(project);
    absent.retain(|run| {
        let entries = entries_of_run(&list, run);
        let is_here = std::fs::symlink_metadata(run.dir_under(dataset)).is_ok();
        !is_here && entries.iter().any(|entry| !cache.has_object(entry.md5))
    });
    if absent.is_empty() {
        return list;
    }
    let is_kept = |relpath: &str| run_of_path(relpath).is_none_or(|run| !absent.contains(&run));
    let entries = list.entries().iter().filter(|entry| is_kept(&entry.relpath)).cloned().collect();
    // A part of a valid list is valid.
    FileList::new(entries).unwrap_or_default()
}
