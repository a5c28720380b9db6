//! Which data this clone has sent to which remote: a note in `.git/capture-hook`.
//!
//! Asking a remote that is not a directory needs the network, so only the note says what was sent to it. A directory
//! that does not exist is a new remote or one that is not mounted; the note, and what git's remotes hold, distinguish
//! the two.

use std::path::PathBuf;

use crate::dvc::absent::AbsentRemote;
use crate::dvc::hash::{DataVersion, DvcHash};
use crate::dvc::settings::DvcRemote;
use crate::git;
use crate::project::{Project, ProjectError};
use crate::support::{fs, limits};

/// The file in the state directory: a line for each remote and data version.
const UPLOADS_FILE: &str = "sent-data";
/// The most lines that are kept, the last ones.
const MAX_LINES: usize = 5000;

/// A remote as the note names it. Its address may hold a secret.
fn remote_id(remote: &DvcRemote) -> DvcHash {
    // A directory by its path: one relative address can name several, in several projects of a clone.
    let dir = remote.dir.as_ref().map(|dir| dir.to_string_lossy().into_owned());
    DvcHash::of_bytes(dir.unwrap_or_else(|| remote.url.clone()).as_bytes())
}

fn uploads_path(project: &Project) -> PathBuf {
    project.state_dir().join(UPLOADS_FILE)
}

fn read_uploaded_lines(project: &Project) -> Vec<String> {
    // A note that cannot be read counts as empty: only a warning about an absent remote depends on it.
    let bytes = fs::read_within(&uploads_path(project), limits::TEXT).ok().flatten().unwrap_or_default();
    String::from_utf8_lossy(&bytes).lines().map(str::to_owned).collect()
}

/// Notes that a remote has these data versions. Little depends on it, so a failure is ignored.
pub(crate) fn note_uploaded(project: &Project, remote: &DvcRemote, versions: &[DataVersion]) {
    let id = remote_id(remote);
    let mut lines = read_uploaded_lines(project);
    let new: Vec<String> = versions.iter().map(|version| format!("{id} {version}")).collect();
    let new: Vec<String> = new.into_iter().filter(|line| !lines.contains(line)).collect();
    if new.is_empty() {
        return;
    }
    lines.extend(new);
    let text: String =
        lines.iter().skip(lines.len().saturating_sub(MAX_LINES)).map(|line| format!("{line}\n")).collect();
    // The data is on the remote, whether this can be noted or not.
    let _ = fs::create_shared_dir(&project.state_dir());
    let _ = fs::write_shared(&uploads_path(project), text.as_bytes());
}

/// Whether a data version was sent to a remote from this clone.
pub(crate) fn was_uploaded(project: &Project, remote: &DvcRemote, version: DataVersion) -> bool {
    let line = format!("{} {version}", remote_id(remote));
    read_uploaded_lines(project).contains(&line)
}

/// The default remote, if it is a directory that does not exist. It may be a new one.
pub fn find_missing_remote_dir(project: &Project) -> Result<Option<AbsentRemote>, ProjectError> {
    Ok(AbsentRemote::from_settings(project.dvc_settings()?))
}

/// The default remote, if it is a directory that held data and does not exist, or is empty. One that is new does not
/// count.
pub fn find_absent_remote(project: &Project) -> Result<Option<AbsentRemote>, ProjectError> {
    match project.dvc_settings()?.default_remote() {
        Some(remote) => find_absent(project, remote),
        None => Ok(None),
    }
}

/// The same of any remote.
pub(super) fn find_absent(project: &Project, remote: &DvcRemote) -> Result<Option<AbsentRemote>, ProjectError> {
    let Some(absent) = AbsentRemote::without_data(remote) else { return Ok(None) };
    let id = format!("{} ", remote_id(remote));
    if read_uploaded_lines(project).iter().any(|line| line.starts_with(&id)) {
        return Ok(Some(absent));
    }
    // The data of pushed commits lies somewhere: in a directory that does not exist, more likely than nowhere.
    Ok(if !absent.emptied && pushed_commits_hold_data(project)? { Some(absent) } else { None })
}

/// Whether a branch of one of git's remotes holds a data version.
fn pushed_commits_hold_data(project: &Project) -> Result<bool, ProjectError> {
    let tips = project.repo.query_git(["for-each-ref", "--format=%(objectname)", "refs/remotes"])?.stdout_text();
    // What a clone without these objects does not know counts as nothing.
    let holds = |tip: git::Oid| project.data_version_at(&tip).is_ok_and(|version| version.is_some());
    Ok(tips.lines().filter_map(git::Oid::parse).any(holds))
}
