//! Which of DVC's files names the remote: the tracked one, as it is committed or not, or this clone's own; and naming one.

use std::fmt;
use std::path::Path;

use super::Step;
use crate::dvc::settings::Remote;
use crate::error::Error;
use crate::formats::ini;
use crate::project::{Project, ProjectError, Source};
use crate::setup::worktree::path_from;
use crate::support::address::without_secret;
use crate::support::fs::without_dots;
use crate::support::limits;
use crate::support::process::quoted;

/// DVC's settings that git tracks.
pub(crate) const CONFIG: &str = ".dvc/config";
/// This clone's own.
const LOCAL: &str = ".dvc/config.local";

/// What a step of `init` is about.
const REMOTE: &str = "DVC remote";

/// The default remote, as one file of settings names it. DVC writes names in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Named {
    name: String,
    url: Option<String>,
}

/// What a file says of the default remote; `None` where it names none.
fn named_in(bytes: &[u8]) -> Option<Named> {
    let settings = ini::parse(bytes).ok()?;
    let name = settings.iter().find(|s| s.section == "core" && s.key == "remote")?.text().to_lowercase();
    let url = settings.iter().find(|s| s.named("remote") == Some(name.as_str()) && s.key == "url");
    Some(Named { url: url.map(ini::Setting::text), name })
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
        let path = quoted(&self.path);
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
        write!(f, "no commit holds the settings of the DVC remote `{name}`, so that nobody else finds the data")
    }
}

impl Project {
    /// The default remote, if HEAD's settings do not name it as the working tree's do. One of this clone's own settings is
    /// the user's affair.
    pub fn uncommitted_remote(&self) -> Result<Option<UncommittedRemote>, ProjectError> {
        let Some(remote) = self.dvc_settings()?.remote() else { return Ok(None) };
        let Some(bytes) = self.file(&Source::WorkTree, CONFIG)? else { return Ok(None) };
        let Some(here) = named_in(&bytes).filter(|named| named.name == remote.name && named.url.is_some()) else {
            return Ok(None);
        };
        let committed = match self.repo.head()? {
            Some(head) => self.file(&Source::Commit(head), CONFIG)?,
            None => None,
        };
        if committed.as_deref().and_then(named_in).as_ref() == Some(&here) {
            return Ok(None);
        }
        let path = self.git_path(if committed.is_some() { CONFIG } else { ".dvc" });
        Ok(Some(UncommittedRemote { name: here.name, path }))
    }

    /// An error if the project has another default remote than the one that is asked for.
    pub fn check_remote(&self, url: &str, cwd: &Path) -> Result<(), ProjectError> {
        let settings = self.read_dvc_settings()?;
        match settings.remote().filter(|have| !self.is_at(have, url, cwd)) {
            None => Ok(()),
            Some(have) => match self.remote_command(url)? {
                // The user's or the system's settings name it: the project's own go before them.
                None => Ok(()),
                Some(command) => Err(ProjectError::OtherRemote {
                    name: have.name.clone(),
                    address: without_secret(&have.url),
                    command,
                }),
            },
        }
    }

    /// Makes an address the default remote.
    pub fn set_up_remote(&self, url: &str, cwd: &Path) -> Result<Step, Error> {
        let settings = self.read_dvc_settings()?;
        if let Some(have) = settings.remote().filter(|have| self.is_at(have, url, cwd)) {
            return Ok(Step::kept(REMOTE, format!("the default is {}", have.name)));
        }
        let taken = |name: &&str| !settings.remotes.contains_key(*name);
        let name = ["storage", "captures", "capture-hook"].into_iter().find(taken).unwrap_or("capture-hook-storage");
        self.dvc()?.remote_add(name, &self.remote_address(url, cwd))?;
        Ok(Step::changed(REMOTE, format!("{name} is the default: {url}")))
    }

    /// What is said of the default remote where none was asked for.
    pub fn remote_step(&self) -> Result<Step, ProjectError> {
        Ok(Step::kept(
            REMOTE,
            match self.read_dvc_settings()?.remote() {
                Some(have) => format!("the default is {}", have.name),
                None => "none: data stays on this machine".into(),
            },
        ))
    }

    /// Whether a remote has this address, as it is typed in `cwd`.
    fn is_at(&self, have: &Remote, url: &str, cwd: &Path) -> bool {
        let address = self.remote_address(url, cwd);
        let dir = without_dots(&self.root.join(&address));
        have.url == url || have.url == address || have.dir.as_ref() == Some(&dir)
    }

    /// The address of a remote as DVC is to be given it in the project's root, where it is called: a relative path, typed in
    /// `cwd`, is one from there. DVC writes it relative to its settings, so that a clone beside this one finds the remote.
    fn remote_address(&self, url: &str, cwd: &Path) -> String {
        if url.contains("://") || url.starts_with('~') {
            return url.to_owned();
        }
        if Path::new(url).is_absolute() {
            return without_dots(Path::new(url)).to_string_lossy().into_owned();
        }
        let real = |dir: &Path| dir.canonicalize().unwrap_or_else(|_| dir.to_path_buf());
        path_from(&real(&self.root), &without_dots(&real(cwd).join(url))).to_string_lossy().into_owned()
    }

    /// The command that gives the default remote another address, by the file of the project that names it; `None` where
    /// none does, but the user's or the system's settings.
    fn remote_command(&self, url: &str) -> Result<Option<String>, ProjectError> {
        let named = |file| -> Result<Option<Named>, ProjectError> {
            Ok(self.files().read(file, limits::TEXT)?.as_deref().and_then(named_in))
        };
        let (local, tracked) = (named(LOCAL)?, named(CONFIG)?);
        let (named, flag) = match (local, tracked) {
            (Some(named), _) => (named, "--local "),
            (None, Some(named)) => (named, ""),
            (None, None) => return Ok(None),
        };
        Ok(Some(format!("dvc remote modify {flag}{} url {}", quoted(&named.name), quoted(url))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_remote_of_one_file_is_read() {
        let text = b"[core]\n    remote = Storage\n['remote \"storage\"']\n    url = ../x\n";
        let named = Named { name: "storage".into(), url: Some("../x".into()) };
        assert_eq!(named_in(text), Some(named.clone()));
        assert_eq!(named_in(b"[core]\n    remote = storage\n"), Some(Named { url: None, ..named }));
        assert_eq!(named_in(b"['remote \"storage\"']\n    url = ../x\n"), None);
        assert_eq!(named_in(b"no settings"), None);
    }
}
