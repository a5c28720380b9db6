//! The hooks in a repository: what stands there, what to write, and the way back.
//!
//! A hook that was there before is renamed, whatever it is (a script, a binary, a link), and put back by [`uninstall`]
//! exactly as it was. A hooks directory outside the repository is written to only when forced: other repositories would
//! share it. Beside the shims, the merge drivers are named in the repository's own git settings.

use std::path::{Path, PathBuf};

use super::shim;
use crate::error::ExitKind::Setup;
use crate::error::{Explain, Explanation};
use crate::git::{GitError, HooksDirSource, Repo};
use crate::setup::shim::CHAINED;
use crate::setup::survey::{Hook, Standing, survey, written_by};
use crate::support::fs;
use crate::support::fs::FsError;
use crate::support::process::quoted;

/// Why hooks could not be installed.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// `core.hooksPath` names a place that other repositories share.
    #[error("git's hooks directory lies outside this repository: {}", dir.display())]
    Outside {
        /// The directory.
        dir: PathBuf,
        /// Who named it.
        source_of: HooksDirSource,
    },
    /// `core.hooksPath` is set to nothing.
    #[error("git runs no hooks in this repository: core.hooksPath is set to nothing")]
    Disabled,
    /// A foreign hook, where we keep one aside already.
    #[error("there are two hooks to keep: {} and the one moved aside earlier, {}", hook.display(), kept.display())]
    Two {
        /// The foreign hook in place.
        hook: PathBuf,
        /// The one moved aside.
        kept: PathBuf,
    },
    /// Git.
    #[error(transparent)]
    Git(#[from] GitError),
    /// A file.
    #[error(transparent)]
    Fs(#[from] FsError),
}

impl Explain for InstallError {
    fn explain(&self) -> Explanation {
        match self {
            Self::Outside { source_of, .. } => {
                let whose = match source_of {
                    HooksDirSource::Outside => "your own or the system's git settings name it",
                    _ => "this repository's settings, or a link, name it",
                };
                Setup
                    .code("hooks_dir_outside")
                    .hint(format!("{whose}; every repository that uses it would run our hooks"))
                    .hint("for hooks of this repository alone: `git config --local core.hooksPath .git/hooks`")
                    .hint("to write there all the same: `capture-hook install --force`")
            }
            Self::Disabled => Setup
                .code("hooks_disabled")
                .hint("`git config --show-origin core.hooksPath` shows who set it; unset it there"),
            Self::Two { kept, .. } => Setup
                .code("two_hooks")
                .hint(format!("remove one of them, or put the older back: `mv {0} {0}.old`", quoted(kept)))
                .hint("`capture-hook install --force` keeps the newer one and renames the older"),
            Self::Git(error) => error.explain(),
            Self::Fs(error) => error.explain(),
        }
    }
}

/// What [`install`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Installed {
    /// Where.
    pub dir: PathBuf,
    /// The hooks that were written.
    pub written: Vec<&'static str>,
    /// Those of them that had a foreign hook, which is kept and still runs.
    pub chained: Vec<&'static str>,
    /// Whether the merge drivers' settings were written.
    pub drivers: bool,
}

/// Puts the shims in place, and names the merge drivers. What holds already is left alone.
pub fn install(repo: &Repo, binary: &Path, force: bool) -> Result<Installed, InstallError> {
    let dir = repo.hooks_dir()?;
    if dir.disabled {
        return Err(InstallError::Disabled);
    }
    if !dir.inside && !force {
        return Err(InstallError::Outside { dir: dir.path, source_of: dir.source });
    }
    let hooks = survey(repo, &dir, binary)?;
    for hook in hooks.iter().filter(|hook| is_others(hook)) {
        if let Some(kept) = &hook.chained
            && !force
            && !hook.calls_aside()
            && !same(&hook.path, kept)?
        {
            return Err(InstallError::Two { hook: hook.path.clone(), kept: kept.clone() });
        }
    }
    fs::create_dir_all(&dir.path)?;
    let mut done = Installed { dir: dir.path.clone(), ..Installed::default() };
    for hook in hooks {
        if let Some(aside) = stays_behind(&hook)? {
            if write_shim(aside, hook.event, binary)? {
                done.written.push(hook.event);
            }
            continue;
        }
        if is_others(&hook) {
            keep(&dir.path, &hook)?;
            done.chained.push(hook.event);
        } else if let Some(aside) = &hook.aside {
            // A manager put it there and would call us through it, behind ourselves.
            fs::remove_all(aside)?;
        }
        if write_shim(&hook.path, hook.event, binary)? {
            done.written.push(hook.event);
        }
    }
    done.drivers = set_drivers(repo, binary)? | set_octopus(repo)?;
    Ok(done)
}

/// Whether a hook in place is somebody else's, to be kept.
fn is_others(hook: &Hook) -> bool {
    matches!(hook.standing, Standing::Foreign | Standing::Through(_) | Standing::Loop(_))
}

/// Our shim, if it stays where a hook manager moved it to: the manager calls it there, and it calls the hook that we keep. In
/// front it would have two hooks to call; and a hook in the manager's own place is lost when that is installed again.
fn stays_behind(hook: &Hook) -> Result<Option<&Path>, FsError> {
    let (Some(aside), Some(kept), true) = (&hook.aside, &hook.chained, hook.calls_aside()) else { return Ok(None) };
    Ok(if same(&hook.path, kept)? { None } else { Some(aside) })
}

/// Writes our shim. Says whether something changed.
fn write_shim(path: &Path, event: &str, binary: &Path) -> Result<bool, FsError> {
    let text = shim::text(event, binary);
    if fs::is_executable(path) && fs::read_optional(path)?.as_deref() == Some(text.as_bytes()) {
        return Ok(false);
    }
    fs::write_atomic(path, text.as_bytes())?;
    fs::make_executable(path)?;
    Ok(true)
}

/// Moves a foreign hook aside, where our shim calls it. Another one that we kept is renamed.
fn keep(dir: &Path, hook: &Hook) -> Result<(), FsError> {
    let place = dir.join(format!("{}{CHAINED}", hook.event));
    if let Some(kept) = &hook.chained
        && !same(&hook.path, kept)?
    {
        fs::rename(kept, &dir.join(format!("{}{CHAINED}.old", hook.event)))?;
    }
    if let Some(aside) = &hook.aside {
        fs::remove_all(aside)?;
    }
    fs::rename(&hook.path, &place)
}

/// Whether a hook is the one that was moved aside, or a newer one of the same hook manager.
fn same(hook: &Path, kept: &Path) -> Result<bool, FsError> {
    let file = |path: &Path| std::fs::symlink_metadata(path).is_ok_and(|meta| meta.is_file());
    if !file(hook) || !file(kept) {
        return Ok(false);
    }
    let manager = written_by(hook)?;
    Ok(manager.is_some() && manager == written_by(kept)? || fs::read(hook)? == fs::read(kept)?)
}

/// What [`uninstall`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Uninstalled {
    /// The hooks that were taken away.
    pub removed: Vec<&'static str>,
    /// Those that were here before and are back.
    pub restored: Vec<&'static str>,
    /// Whether the merge drivers' settings were there.
    pub drivers: bool,
}

/// Takes the shims away and puts back what was there before them. Hooks of others are not touched.
pub fn uninstall(repo: &Repo, binary: &Path) -> Result<Uninstalled, InstallError> {
    let dir = repo.hooks_dir()?;
    let mut done = Uninstalled::default();
    for hook in survey(repo, &dir, binary)? {
        if matches!(hook.standing, Standing::Current | Standing::Outdated) {
            fs::remove_all(&hook.path)?;
            done.removed.push(hook.event);
        }
        if let Some(aside) = &hook.aside {
            fs::remove_all(aside)?;
        }
        let Some(kept) = &hook.chained else { continue };
        if !is_others(&hook) {
            fs::rename(kept, &hook.path)?;
        } else if same(&hook.path, kept)? {
            fs::remove_all(kept)?;
            continue;
        } else if let Some(aside) = &hook.aside {
            fs::rename(kept, aside)?;
        } else {
            continue;
        }
        done.restored.push(hook.event);
    }
    for driver in DRIVERS {
        done.drivers |= repo.remove_local_section(&format!("merge.{}", driver.name))?;
    }
    if repo.local_config(OCTOPUS)?.as_deref() == Some(STRATEGY) {
        repo.unset_local_config(OCTOPUS)?;
    }
    Ok(done)
}

struct Driver {
    name: &'static str,
    title: &'static str,
    kind: &'static str,
}

/// The merge drivers, as `.gitattributes` names them.
const DRIVERS: &[Driver] = &[
    Driver { name: "capture-lock", title: "dvc.lock, run by run", kind: "lock" },
    Driver { name: "capture-params", title: "params.yaml, value by value", kind: "params" },
    Driver { name: "capture-views", title: "what DVC's views show, the selected run's", kind: "views" },
];

/// Names the merge drivers in the repository's own settings. Says whether something was written.
fn set_drivers(repo: &Repo, binary: &Path) -> Result<bool, GitError> {
    let mut wrote = false;
    for driver in DRIVERS {
        let line = driver_line(binary, driver.kind);
        wrote |= repo.set_local_config(&format!("merge.{}.name", driver.name), driver.title)?;
        wrote |= repo.set_local_config(&format!("merge.{}.driver", driver.name), &line)?;
    }
    Ok(wrote)
}

/// The setting that names the strategy for merges of several branches, and ours: see `hooks/git-merge-capture-hook`.
const OCTOPUS: &str = "pull.octopus";
const STRATEGY: &str = "capture-hook";

/// How merges of several branches at once are made here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Octopus {
    /// By our strategy, which asks the merge drivers.
    Ours,
    /// By our strategy, which git would not find: it stops such merges.
    Lost,
    /// By another, git's own or the user's choice.
    Other,
}

/// How merges of several branches at once are made here.
pub fn octopus(repo: &Repo) -> Result<Octopus, GitError> {
    let ours = repo.config(OCTOPUS)?.as_deref() == Some(STRATEGY);
    let there = repo.env().which(&format!("git-merge-{STRATEGY}")).is_some();
    Ok(match (ours, there) {
        (true, true) => Octopus::Ours,
        (true, false) => Octopus::Lost,
        (false, _) => Octopus::Other,
    })
}

/// Git's own strategy for several branches asks no merge driver. Ours is named where git finds it on `PATH` and the user
/// has not chosen one; where it is gone, it is not left to stop merges.
fn set_octopus(repo: &Repo) -> Result<bool, GitError> {
    let there = repo.env().which(&format!("git-merge-{STRATEGY}")).is_some();
    match (repo.config(OCTOPUS)?.as_deref(), there) {
        (None, true) => repo.set_local_config(OCTOPUS, STRATEGY),
        (Some(STRATEGY), false) if repo.local_config(OCTOPUS)?.as_deref() == Some(STRATEGY) => {
            repo.unset_local_config(OCTOPUS).map(|()| true)
        }
        _ => Ok(false),
    }
}

/// Git hands the line to `sh`, with the file names put in quoted.
fn driver_line(binary: &Path, kind: &str) -> String {
    format!("{} merge-driver {kind} %O %A %B %L %P %S %X %Y", quoted(binary).replace('%', "%%"))
}

/// Whether the merge drivers are named as this binary would name them.
pub fn drivers_set(repo: &Repo, binary: &Path) -> Result<bool, GitError> {
    for driver in DRIVERS {
        let have = repo.local_config(&format!("merge.{}.driver", driver.name))?;
        if have.as_deref() != Some(driver_line(binary, driver.kind).as_str()) {
            return Ok(false);
        }
    }
    Ok(true)
}
