//! The hooks in a repository: what stands there, what to write, and the way back.
//!
//! A hook that was there before is renamed, whatever it is (a script, a binary, a link), and put back by [`uninstall`]
//! exactly as it was. A hooks directory outside the repository is written to only when forced: other repositories would
//! share it. Beside the shims, the merge drivers are named in the repository's own git settings.

use std::io;
use std::path::{Path, PathBuf};

use super::shim::{self, CHAINED, EVENTS};
use crate::error::{Explain, Kind};
use crate::git::{GitError, HooksDir, HooksDirSource, Repo};
use crate::support::fs::{self, FsError};
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
    fn kind(&self) -> Kind {
        match self {
            Self::Outside { .. } | Self::Disabled | Self::Two { .. } => Kind::Setup,
            Self::Git(error) => error.kind(),
            Self::Fs(error) => error.kind(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Outside { .. } => "hooks_dir_outside",
            Self::Disabled => "hooks_disabled",
            Self::Two { .. } => "two_hooks",
            Self::Git(error) => error.code(),
            Self::Fs(error) => error.code(),
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Outside { source_of, .. } => {
                let whose = match source_of {
                    HooksDirSource::Outside => "your own or the system's git settings name it",
                    _ => "this repository's settings, or a link, name it",
                };
                vec![
                    format!("{whose}; every repository that uses it would run our hooks"),
                    "for hooks of this repository alone: `git config --local core.hooksPath .git/hooks`".into(),
                    "to write there all the same: `capture-hook install --force`".into(),
                ]
            }
            Self::Disabled => vec!["`git config --show-origin core.hooksPath` shows who set it; unset it there".into()],
            Self::Two { kept, .. } => vec![
                format!("remove one of them, or put the older back: `mv {0} {0}.old`", quoted(kept)),
                "`capture-hook install --force` keeps the newer one and renames the older".into(),
            ],
            Self::Git(error) => error.hints(),
            Self::Fs(error) => error.hints(),
        }
    }
}

/// What stands in the place of one hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nothing.
    Nothing,
    /// Our shim, as this version writes it.
    Current,
    /// Our shim, written by another version or for another binary.
    Outdated,
    /// Somebody else's.
    Foreign,
}

/// One hook of the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// The event's name.
    pub event: &'static str,
    /// Where git looks for it.
    pub path: PathBuf,
    /// What stands there.
    pub standing: Standing,
    /// The hook that we moved aside and still run, where there is one.
    pub chained: Option<PathBuf>,
}

/// Tools that manage hooks themselves and could write over ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manager {
    /// pre-commit or prek.
    PreCommit,
    /// husky.
    Husky,
    /// lefthook.
    Lefthook,
}

impl Manager {
    /// What to know about living with it.
    #[must_use]
    pub fn advice(self) -> &'static str {
        match self {
            Self::PreCommit => {
                "pre-commit manages hooks here: run `capture-hook install` again after `pre-commit install`, or list our \
                 hooks in .pre-commit-config.yaml"
            }
            Self::Husky => {
                "husky manages hooks here: run `capture-hook install` again after husky, or add `capture-hook hook NAME \
                 \"$@\"` to .husky/NAME"
            }
            Self::Lefthook => {
                "lefthook manages hooks here: run `capture-hook install` again after `lefthook install`, or list \
                 `capture-hook hook NAME {0}` in lefthook.yml"
            }
        }
    }
}

/// The hook managers that this working tree is set up for.
#[must_use]
pub fn managers(top: &Path) -> Vec<Manager> {
    let marks: &[(&str, Manager)] = &[
        (".pre-commit-config.yaml", Manager::PreCommit),
        (".husky", Manager::Husky),
        ("lefthook.yml", Manager::Lefthook),
        (".lefthook.yml", Manager::Lefthook),
        ("lefthook.toml", Manager::Lefthook),
    ];
    let mut found: Vec<Manager> =
        marks.iter().filter(|(name, _)| top.join(name).exists()).map(|(_, manager)| *manager).collect();
    found.dedup();
    found
}

/// What stands in the hooks directory, event by event.
pub fn survey(dir: &HooksDir, binary: &Path) -> Result<Vec<Hook>, InstallError> {
    EVENTS
        .iter()
        .map(|&event| {
            let path = dir.path.join(event);
            let kept = dir.path.join(format!("{event}{CHAINED}"));
            let standing = match std::fs::symlink_metadata(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Standing::Nothing,
                Err(error) => return Err(FsError { action: "look at", path, source: error }.into()),
                Ok(meta) if meta.is_file() => {
                    let bytes = fs::read(&path)?;
                    if bytes == shim::text(event, binary).as_bytes() && fs::is_executable(&path) {
                        Standing::Current
                    } else if shim::is_ours(&bytes) {
                        Standing::Outdated
                    } else {
                        Standing::Foreign
                    }
                }
                Ok(_) => Standing::Foreign,
            };
            let chained = std::fs::symlink_metadata(&kept).is_ok().then_some(kept);
            Ok(Hook { event, path, standing, chained })
        })
        .collect()
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
    let hooks = survey(&dir, binary)?;
    for hook in &hooks {
        if let (Standing::Foreign, Some(kept), false) = (hook.standing, &hook.chained, force)
            && !same(&hook.path, kept)?
        {
            return Err(InstallError::Two { hook: hook.path.clone(), kept: kept.clone() });
        }
    }
    fs::create_dir_all(&dir.path)?;
    let mut done = Installed { dir: dir.path.clone(), ..Installed::default() };
    for hook in hooks {
        if hook.standing == Standing::Current {
            continue;
        }
        if hook.standing == Standing::Foreign {
            let kept = dir.path.join(format!("{}{CHAINED}", hook.event));
            if let Some(kept) = &hook.chained
                && !same(&hook.path, kept)?
            {
                let older = dir.path.join(format!("{}{CHAINED}.old", hook.event));
                fs::rename(kept, &older)?;
            }
            fs::rename(&hook.path, &kept)?;
            done.chained.push(hook.event);
        }
        fs::write_atomic(&hook.path, shim::text(hook.event, binary).as_bytes())?;
        fs::make_executable(&hook.path)?;
        done.written.push(hook.event);
    }
    done.drivers = set_drivers(repo, binary)? | set_octopus(repo)?;
    Ok(done)
}

/// Whether a hook is the one that was moved aside: a hook manager has written it again.
fn same(hook: &Path, kept: &Path) -> Result<bool, FsError> {
    let file = |path: &Path| std::fs::symlink_metadata(path).is_ok_and(|meta| meta.is_file());
    Ok(file(hook) && file(kept) && fs::read(hook)? == fs::read(kept)?)
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
    for hook in survey(&dir, binary)? {
        if matches!(hook.standing, Standing::Current | Standing::Outdated) {
            fs::remove_all(&hook.path)?;
            done.removed.push(hook.event);
        }
        if let (Some(kept), true) = (&hook.chained, hook.standing != Standing::Foreign) {
            fs::rename(kept, &hook.path)?;
            done.restored.push(hook.event);
        }
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
