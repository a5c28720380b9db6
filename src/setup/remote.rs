//! Which of DVC's files names the remote: the tracked one, committed or not, or this clone's own; and adding a
//! remote.

use std::fmt;
use std::path::Path;

use super::SetupChange;
use crate::dvc::settings::DvcRemote;
use crate::error::Error;
use crate::formats::ini;
use crate::project::{GitTree, Project, ProjectError};
use crate::setup::worktree::path_from;
use crate::support::address::without_secret;
use crate::support::limits;
use crate::support::path::normalize_path;
use crate::support::process::shell_quote;

/// DVC's settings that git tracks.
pub(crate) const TRACKED_CONFIG: &str = ".dvc/config";
/// This clone's own.
const LOCAL_CONFIG: &str = ".dvc/config.local";

/// What a step of `init` is about.
const REMOTE_LABEL: &str = "DVC remote";

/// The default remote, as one file of settings names it. DVC writes names in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
struct NamedRemote {
    name: String,
    url: Option<String>,
}

/// What a file says of the default remote; `None` if it names none.
fn parse_default_remote(bytes: &[u8]) -> Option<NamedRemote> {
    // Settings that cannot be parsed name none.
    let settings = ini::parse(bytes).ok()?;
    let name = settings.iter().find(|s| s.section == "core" && s.key == "remote")?.joined_values().to_lowercase();
    let url = settings.iter().find(|s| s.name_in_section("remote") == Some(name.as_str()) && s.key == "url");
    Some(NamedRemote { url: url.map(ini::IniSetting::joined_values), name })
}

/// A default remote that is named in the working tree's `.dvc/config` alone: no clone knows it.
#[derive(Debug)]
pub struct UncommittedRemote {
    name: String,
    /// What to add and to commit.
    path: String,
}

impl UncommittedRemote {
    /// What commits them.
    #[must_use]
    pub fn command(&self) -> String {
        let path = shell_quote(&self.path);
        format!("git add {path} && git commit -m 'Name the DVC remote' -- {path}")
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        format!("`{}`", self.command())
    }
}

impl fmt::Display for UncommittedRemote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name.escape_debug();
        write!(f, "the settings of the DVC remote `{name}` are in no commit, so other clones cannot find the data")
    }
}

/// The default remote, if HEAD's settings do not name it as the working tree's do. A remote
/// of this clone's own settings is left to the user.
pub fn find_uncommitted_remote(project: &Project) -> Result<Option<UncommittedRemote>, ProjectError> {
    let Some(remote) = project.dvc_settings()?.default_remote() else { return Ok(None) };
    let Some(bytes) = project.read_file(&GitTree::WorkTree, TRACKED_CONFIG)? else { return Ok(None) };
    let Some(own_remote) =
        parse_default_remote(&bytes).filter(|named| named.name == remote.name && named.url.is_some())
    else {
        return Ok(None);
    };
    let committed = match project.repo.head()? {
        Some(head) => project.read_file(&GitTree::Commit(head), TRACKED_CONFIG)?,
        None => None,
    };
    if committed.as_deref().and_then(parse_default_remote).as_ref() == Some(&own_remote) {
        return Ok(None);
    }
    // If HEAD has no `.dvc/config`, it has none of DVC's files.
    let path = project.git_path(if committed.is_some() { TRACKED_CONFIG } else { ".dvc" });
    Ok(Some(UncommittedRemote { name: own_remote.name, path }))
}

/// An error if the project has another default remote than the one that is asked for.
pub fn check_remote(project: &Project, url: &str, cwd: &Path) -> Result<(), ProjectError> {
    let settings = project.read_dvc_settings()?;
    match settings.default_remote().filter(|remote| !is_remote_at(project, remote, url, cwd)) {
        None => Ok(()),
        Some(remote) => match find_remote_command(project, url)? {
            // The user's or the system's settings name it: the project's own come before them.
            None => Ok(()),
            Some(command) => Err(ProjectError::OtherRemote {
                name: remote.name.clone(),
                address: without_secret(&remote.url),
                command,
            }),
        },
    }
}

/// Makes an address the default remote.
pub fn set_up_remote(project: &Project, url: &str, cwd: &Path) -> Result<SetupChange, Error> {
    let settings = project.read_dvc_settings()?;
    if let Some(remote) = settings.default_remote().filter(|remote| is_remote_at(project, remote, url, cwd)) {
        return Ok(SetupChange::unchanged(REMOTE_LABEL, format!("the default is {}", remote.name)));
    }
    let is_free = |name: &&str| !settings.remotes.contains_key(*name);
    let name = ["storage", "captures", "capture-hook"].into_iter().find(is_free).unwrap_or("capture-hook-storage");
    project.find_dvc()?.remote_add(name, &format_remote_address(project, url, cwd))?;
    Ok(SetupChange::written(REMOTE_LABEL, format!("{name} is the default: {url}")))
}

/// The message about the default remote if the user named none.
pub fn describe_remote_step(project: &Project) -> Result<SetupChange, ProjectError> {
    Ok(SetupChange::unchanged(
        REMOTE_LABEL,
        match project.read_dvc_settings()?.default_remote() {
            Some(remote) => format!("the default is {}", remote.name),
            None => "none: data stays on this machine".into(),
        },
    ))
}

/// Whether a remote has this address, as it is typed in `cwd`.
fn is_remote_at(project: &Project, remote: &DvcRemote, url: &str, cwd: &Path) -> bool {
    let address = format_remote_address(project, url, cwd);
    let dir = normalize_path(&project.root.join(&address));
    remote.url == url || remote.url == address || remote.dir.as_ref() == Some(&dir)
}

/// The address of a remote as DVC is to be given it in the project's root, where it is called: a relative path, typed
/// in `cwd`, is one from there. DVC writes it relative to its settings, so that a clone beside this one finds the
/// remote.
fn format_remote_address(project: &Project, url: &str, cwd: &Path) -> String {
    // DVC resolves these itself.
    if url.contains("://") || url.starts_with('~') {
        return url.to_owned();
    }
    if Path::new(url).is_absolute() {
        return normalize_path(Path::new(url)).to_string_lossy().into_owned();
    }
    let real = |dir: &Path| dir.canonicalize().unwrap_or_else(|_| dir.to_path_buf());
    path_from(&real(&project.root), &normalize_path(&real(cwd).join(url))).to_string_lossy().into_owned()
}

/// The command that gives the default remote another address, by the file of the project that names it; `None` if
/// none does, but the user's or the system's settings.
fn find_remote_command(project: &Project, url: &str) -> Result<Option<String>, ProjectError> {
    let named = |file| -> Result<Option<NamedRemote>, ProjectError> {
        Ok(project.root_files().read(file, limits::TEXT)?.as_deref().and_then(parse_default_remote))
    };
    let (local, tracked) = (named(LOCAL_CONFIG)?, named(TRACKED_CONFIG)?);
    let (named, flag) = match (local, tracked) {
        (Some(named), _) => (named, "--local "),
        (None, Some(named)) => (named, ""),
        (None, None) => return Ok(None),
    };
    Ok(Some(format!("dvc remote modify {flag}{} url {}", shell_quote(&named.name), shell_quote(url))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_remote_of_one_file_is_read() {
        let text = b"[core]\n    remote = Storage\n['remote \"storage\"']\n    url = ../x\n";
        let named = NamedRemote { name: "storage".into(), url: Some("../x".into()) };
        assert_eq!(parse_default_remote(text), Some(named.clone()));
        assert_eq!(parse_default_remote(b"[core]\n    remote = storage\n"), Some(NamedRemote { url: None, ..named }));
        assert_eq!(parse_default_remote(b"['remote \"storage\"']\n    url = ../x\n"), None);
        assert_eq!(parse_default_remote(b"no settings"), None);
    }
}
