//! A store whose objects can be listed and removed: a cache, a remote that is a directory, or any other remote, through DVC.
//!
//! What DVC's command line does not offer runs in the session's process (`session.py`), with DVC's own client and the
//! project's credentials. Lists of directories are removed before files.

use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

use serde::Deserialize;

use crate::dvc::cache::Cache;
use crate::dvc::program::ProgramError;
use crate::dvc::project::DvcProject;
use crate::dvc::remote::missing::RemoteError;
use crate::dvc::stored_objects::{ObjectName, StoredObject};
use crate::dvc::temp_project::TempDvcProject;
use crate::support::progress::Progress;
use crate::support::{fs, limits};

/// The command of `session.py` that DVC does not have.
const OBJECTS: &str = "capture-hook:objects";
/// The most bytes of a remote's list of files: some four million files.
const MOST_LISTED: u64 = 512 << 20;
/// How many objects are removed by one request: an interruption loses no more than the notice of these.
const REMOVED_AT_ONCE: usize = 1000;

/// A store.
pub enum ObjectStore<'p> {
    /// A cache, or a remote that is a directory.
    Dir(Cache),
    /// Another remote.
    Remote {
        /// The project whose settings reach it.
        project: DvcProject<'p>,
        /// Its name.
        name: String,
    },
}

impl ObjectStore<'_> {
    /// Every object.
    pub fn list_objects(&self) -> Result<Vec<StoredObject>, RemoteError> {
        match self {
            Self::Dir(cache) => Ok(cache.list_objects()?),
            Self::Remote { project, name } => list_remote(project, name),
        }
    }

    /// Removes objects: lists first. One that is not there is no failure.
    pub fn remove_objects(&self, names: &[ObjectName], progress: &dyn Progress) -> Result<(), RemoteError> {
        match self {
            Self::Dir(cache) => Ok(cache.remove_objects(names, progress)?),
            Self::Remote { project, name } => remove_from_remote(project, name, names, progress),
        }
    }

    /// The bytes of a list; `None` if it is not there. Of a remote that is no directory, the list is fetched into the cache.
    pub fn read_list(&self, list: ObjectName) -> Result<Option<Vec<u8>>, RemoteError> {
        match self {
            Self::Dir(cache) => Ok(fs::read_within(&cache.stored_path(list), limits::FILE_LIST)?),
            Self::Remote { project, name } => {
                let in_cache = project.cache().stored_path(list);
                if let Some(bytes) = fs::read_within(&in_cache, limits::FILE_LIST)? {
                    return Ok(Some(bytes));
                }
                let temp_project = TempDvcProject::new(project.root(), project.settings())?;
                let to = temp_project.root().join("list");
                let url = format!("remote://{name}/{}", list.to_path());
                let dvc = project.find_program()?;
                dvc.run_command(["get-url", "--", url.as_str(), &to.to_string_lossy()])?;
                Ok(fs::read_within(&to, limits::FILE_LIST)?)
            }
        }
    }
}

/// A line of the list of a remote's files.
#[derive(Deserialize)]
struct RemoteFile {
    path: String,
    size: u64,
    time: Option<f64>,
}

fn list_remote(project: &DvcProject<'_>, remote: &str) -> Result<Vec<StoredObject>, RemoteError> {
    let temp_project = TempDvcProject::new(project.root(), project.settings())?;
    let to = temp_project.root().join("listed.jsonl");
    request_objects(project, &temp_project, &["list", remote, &to.to_string_lossy()])?;
    let bytes = fs::read_within(&to, MOST_LISTED)?.unwrap_or_default();
    let mut objects = BTreeMap::new();
    for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let file: RemoteFile =
            serde_json::from_slice(line).map_err(|error| RemoteError::UnexpectedAnswer(error.to_string()))?;
        // Other files than objects: the run cache, what other programs keep there.
        let Some(name) = ObjectName::of_path(&file.path) else { continue };
        let since = file.time.and_then(|time| Duration::try_from_secs_f64(time).ok()).map(|time| UNIX_EPOCH + time);
        objects.insert(name, StoredObject { name, size: file.size, since });
    }
    Ok(objects.into_values().collect())
}

fn remove_from_remote(
    project: &DvcProject<'_>,
    remote: &str,
    names: &[ObjectName],
    progress: &dyn Progress,
) -> Result<(), RemoteError> {
    let temp_project = TempDvcProject::new(project.root(), project.settings())?;
    let from = temp_project.root().join("removed.jsonl");
    for is_list in [true, false] {
        let names: Vec<ObjectName> = names.iter().filter(|name| name.is_list == is_list).copied().collect();
        for names in names.chunks(REMOVED_AT_ONCE) {
            let lines: String = names.iter().map(|name| format!("\"{}\"\n", name.to_path())).collect();
            fs::write_atomic(&from, lines.as_bytes())?;
            request_objects(project, &temp_project, &["remove", remote, &from.to_string_lossy()])?;
            names.iter().for_each(|_| progress.count_item());
        }
    }
    Ok(())
}

fn request_objects(project: &DvcProject<'_>, temp: &TempDvcProject, args: &[&str]) -> Result<(), RemoteError> {
    let dvc = project.find_program()?.in_project(temp.root());
    if !dvc.has_session() {
        return Err(ProgramError::NoSession { path: dvc.path().to_path_buf() }.into());
    }
    dvc.run_command([OBJECTS].iter().chain(args).copied()).map(drop).map_err(RemoteError::from)
}
