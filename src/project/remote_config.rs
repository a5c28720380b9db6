//! Which of DVC's files names the remote: the tracked one, as it is committed or not, or this clone's own.

use std::fmt;

use super::{Project, ProjectError, Source};
use crate::dvc::ini;
use crate::support::process::quoted;

/// DVC's settings that git tracks.
pub(super) const CONFIG: &str = ".dvc/config";
/// This clone's own.
const LOCAL: &str = ".dvc/config.local";

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
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        let path = quoted(&self.path);
        format!("`git add {path} && git commit -m 'Name the DVC remote' -- {path}`")
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

    /// The command that gives the default remote another address, by the file of the project that names it; `None` where
    /// none does, but the user's or the system's settings.
    pub fn remote_command(&self, url: &str) -> Result<Option<String>, ProjectError> {
        let named = |file| -> Result<Option<Named>, ProjectError> {
            Ok(self.files().read(file, crate::support::limits::TEXT)?.as_deref().and_then(named_in))
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
