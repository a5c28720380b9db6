//! Where a branch and its tags are pushed to.

use crate::project::{Project, ProjectError};
use crate::support::process::shell_quote;

/// Where a branch is pushed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PushTarget {
    /// Git knows by itself.
    Upstream,
    /// To this remote, which becomes the branch's upstream.
    Remote(String),
    /// There is no remote.
    None,
}

impl PushTarget {
    /// The command that pushes there; `None` if there is no remote.
    #[must_use]
    pub fn command(&self) -> Option<String> {
        match self {
            Self::Upstream => Some("git push --follow-tags".into()),
            Self::Remote(remote) => Some(format!("git push --follow-tags -u {} HEAD", shell_quote(remote))),
            Self::None => None,
        }
    }
}

/// Where `git push` would send the checked-out branch.
pub fn push_target(project: &Project) -> Result<PushTarget, ProjectError> {
    if project.repo.query_git(["rev-parse", "--verify", "--quiet", "@{upstream}"])?.success() {
        return Ok(PushTarget::Upstream);
    }
    if let Some(remote) = project.repo.config_value("remote.pushDefault")? {
        return Ok(PushTarget::Remote(remote));
    }
    let text = project.repo.query_git(["remote"])?.stdout_text();
    let remotes: Vec<&str> = text.lines().collect();
    let chosen =
        remotes.iter().find(|name| **name == "origin").or(if remotes.len() == 1 { remotes.first() } else { None });
    Ok(chosen.map_or(PushTarget::None, |name| PushTarget::Remote((*name).to_owned())))
}
