//! Which hooks are in the hooks directory, and whether ours are called: by git, or by a hook manager.
//!
//! pre-commit and prek rename an existing hook (`NAME.legacy`) and call it; lefthook renames it (`NAME.old`) and does
//! not call it; husky overwrites it. Each can also be configured to call ours. Nothing is changed here.

use std::io;
use std::path::{Path, PathBuf};

use super::shim;
use crate::git::{ConfiguredHook, HooksDir, Repo};
use crate::setup::install_error::InstallError;
use crate::setup::shim::{CHAINED_SUFFIX, EVENTS};
use crate::support::beneath::RootDir;
use crate::support::fs::FsError;
use crate::support::{fs, limits};

/// What is in the place of one hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookState {
    /// Nothing.
    Nothing,
    /// Our shim, as this version writes it.
    Current,
    /// Our shim, written by another version or for another binary.
    Outdated,
    /// Our shim, written by a newer version.
    Newer,
    /// A hook manager's script, which calls ours: the shim that it moved aside, or what its configuration says.
    Through(HookManager),
    /// A hook manager's script and an older shim of ours, which call each other: git's command fails each time.
    Loop(HookManager),
    /// A foreign hook, which does not call ours as far as can be seen.
    Foreign,
}

/// One hook of the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitHook {
    /// The event's name.
    pub event: &'static str,
    /// Where git looks for it.
    pub path: PathBuf,
    /// What stands there.
    pub state: HookState,
    /// The hook that we moved aside and still run, if there is one.
    pub chained: Option<PathBuf>,
    /// Our shim, if a hook manager moved it aside.
    pub moved_shim: Option<PathBuf>,
    /// The program that a hook manager's script here starts, if that is gone: the script fails each time.
    pub missing_program: Option<PathBuf>,
}

impl GitHook {
    /// Whether the hook in place calls our shim, which its manager moved aside.
    #[must_use]
    pub fn calls_moved_shim(&self) -> bool {
        let is_called_by = |manager| manager == HookManager::PreCommit && self.moved_shim.is_some();
        matches!(self.state, HookState::Through(manager) | HookState::Loop(manager) if is_called_by(manager))
    }

    /// Whether git's event comes to us, by the hooks directory or by git's settings.
    #[must_use]
    pub fn reaches_us(&self, configured: &[ConfiguredHook]) -> bool {
        let is_configured = || {
            configured.iter().any(|hook| hook.event == self.event && hook.command.contains(&hook_command(self.event)))
        };
        match self.state {
            HookState::Current | HookState::Outdated | HookState::Newer | HookState::Through(_) => true,
            HookState::Loop(_) => false,
            HookState::Nothing | HookState::Foreign => is_configured(),
        }
    }
}

/// How an event of ours is called by name.
fn hook_command(event: &str) -> String {
    format!("capture-hook hook {event}")
}

/// Tools that manage hooks themselves and could write over ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookManager {
    /// pre-commit or prek.
    PreCommit,
    /// husky.
    Husky,
    /// lefthook.
    Lefthook,
}

/// The files by which a working tree is set up for a manager.
const CONFIG_FILES: &[(&str, HookManager)] = &[
    (".pre-commit-config.yaml", HookManager::PreCommit),
    (".pre-commit-config.yml", HookManager::PreCommit),
    ("prek.toml", HookManager::PreCommit),
    (".husky", HookManager::Husky),
    ("lefthook.yml", HookManager::Lefthook),
    (".lefthook.yml", HookManager::Lefthook),
    ("lefthook.toml", HookManager::Lefthook),
];

impl HookManager {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::PreCommit => "pre-commit",
            Self::Husky => "husky",
            Self::Lefthook => "lefthook",
        }
    }

    /// What to know about living with it.
    #[must_use]
    pub fn advice(self) -> &'static str {
        match self {
            Self::PreCommit => {
                "pre-commit manages hooks here: it calls ours if you run `pre-commit install` (without -f) later"
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

    /// The manager that wrote a hook.
    #[must_use]
    pub fn from_script(hook: &Path, bytes: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(bytes);
        // pre-commit and prek write this line directly after `#!`.
        let second = text.lines().nth(1).unwrap_or_default();
        let is_generated_by = |name: &str| second.starts_with(&format!("# File generated by {name}:"));
        if is_generated_by("pre-commit") || is_generated_by("prek") {
            Some(Self::PreCommit)
        } else if text.contains("call_lefthook") {
            Some(Self::Lefthook)
        } else {
            hook.parent().is_some_and(|dir| dir.ends_with(".husky/_")).then_some(Self::Husky)
        }
    }

    /// Where it moves a hook that it finds, by what it adds to the name.
    fn suffix(self) -> Option<&'static str> {
        match self {
            Self::PreCommit => Some(".legacy"),
            Self::Lefthook => Some(".old"),
            Self::Husky => None,
        }
    }

    /// Whether its configuration in the working tree has it call our event.
    fn is_configured_to_call(self, top: RootDir<'_>, event: &str) -> bool {
        let husky = format!(".husky/{event}");
        let files: Vec<&str> = match self {
            Self::Husky => vec![&husky],
            _ => CONFIG_FILES.iter().filter(|(_, manager)| *manager == self).map(|(name, _)| *name).collect(),
        };
        let commands = [hook_command(event), format!("capture-hook-{event}")];
        let is_named = |bytes: Vec<u8>| {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            // A line that is commented out calls nothing.
            let mut lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
            lines.any(|line| commands.iter().any(|command| line.contains(command)))
        };
        // A file that cannot be read counts as one that does not call us: at worst the advice is superfluous.
        files.iter().any(|file| top.read(file, limits::TEXT).ok().flatten().is_some_and(is_named))
    }
}

/// The hook managers that this working tree is set up for.
#[must_use]
pub fn find_managers(top: &Path) -> Vec<HookManager> {
    let mut found: Vec<HookManager> =
        CONFIG_FILES.iter().filter(|(name, _)| top.join(name).exists()).map(|(_, manager)| *manager).collect();
    // The files of a manager are neighbours in `CONFIG_FILES`.
    found.dedup();
    found
}

/// What is in the hooks directory, event by event.
pub fn inspect_hooks(repo: &Repo, dir: &HooksDir, binary: &Path) -> Result<Vec<GitHook>, InstallError> {
    EVENTS.iter().map(|&event| inspect_hook(repo, dir, binary, event)).collect()
}

fn inspect_hook(repo: &Repo, dir: &HooksDir, binary: &Path, event: &'static str) -> Result<GitHook, InstallError> {
    let path = dir.path.join(event);
    let chained = dir.path.join(format!("{event}{CHAINED_SUFFIX}"));
    let mut hook = GitHook {
        event,
        state: HookState::Nothing,
        chained: std::fs::symlink_metadata(&chained).is_ok().then_some(chained),
        moved_shim: find_moved_shim(&path)?,
        missing_program: None,
        path,
    };
    // The hook that we keep is looked at first: our shim runs it.
    for script in hook.chained.iter().chain([&hook.path]) {
        if std::fs::symlink_metadata(script).is_ok_and(|meta| meta.is_file()) {
            hook.missing_program = hook.missing_program.or(missing_program(repo, &fs::read(script)?));
        }
    }
    hook.state = match std::fs::symlink_metadata(&hook.path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => HookState::Nothing,
        Err(source) => return Err(FsError { action: "look at", path: hook.path, source }.into()),
        Ok(meta) if meta.is_file() => {
            let bytes = fs::read(&hook.path)?;
            if bytes == shim::render_shim(event, binary).as_bytes() && fs::is_executable(&hook.path) {
                HookState::Current
            } else if shim::is_ours(&bytes) && shim::is_newer(&bytes) {
                HookState::Newer
            } else if shim::is_ours(&bytes) {
                HookState::Outdated
            } else {
                foreign_hook_state(repo, &hook, &bytes)?
            }
        }
        // A link, even to our shim, counts as foreign: what it leads to can change.
        Ok(_) => HookState::Foreign,
    };
    Ok(hook)
}

/// Our shim beside a hook, if a manager has moved it there.
fn find_moved_shim(hook: &Path) -> Result<Option<PathBuf>, FsError> {
    for manager in [HookManager::PreCommit, HookManager::Lefthook] {
        let Some(suffix) = manager.suffix() else { continue };
        let path = with_suffix(hook, suffix);
        if std::fs::symlink_metadata(&path).is_ok_and(|meta| meta.is_file()) && shim::is_ours(&fs::read(&path)?) {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Whether a hook that is not ours calls ours.
fn foreign_hook_state(repo: &Repo, hook: &GitHook, bytes: &[u8]) -> Result<HookState, FsError> {
    let Some(manager) = HookManager::from_script(&hook.path, bytes) else { return Ok(HookState::Foreign) };
    if manager == HookManager::PreCommit
        && let Some(moved_shim) = hook.moved_shim.as_ref().filter(|path| fs::is_executable(path))
    {
        let calls_back = match &hook.chained {
            Some(chained) => manager_of(chained)? == Some(manager) && !shim::knows_legacy_calls(&fs::read(moved_shim)?),
            None => false,
        };
        return Ok(if calls_back { HookState::Loop(manager) } else { HookState::Through(manager) });
    }
    let is_configured = repo.top().is_ok_and(|top| manager.is_configured_to_call(RootDir::new(top), hook.event));
    Ok(if is_configured { HookState::Through(manager) } else { HookState::Foreign })
}

/// The program that a script of pre-commit's or prek's starts, if neither that nor one on `PATH` is there.
fn missing_program(repo: &Repo, script: &[u8]) -> Option<PathBuf> {
    let text = String::from_utf8_lossy(script);
    // The variables by which pre-commit's and prek's scripts name their program.
    let programs = [("INSTALL_PYTHON=", "pre-commit"), ("PREK=", "prek")];
    let mut paths = programs.iter().filter_map(|(key, name)| {
        let path = text.lines().find_map(|line| line.strip_prefix(key))?.trim_matches(['"', '\'']);
        Some((PathBuf::from(path), *name))
    });
    let (path, name) = paths.next()?;
    (path.is_absolute() && !fs::is_executable(&path) && repo.env().find_program(name).is_none()).then_some(path)
}

/// The manager that wrote the hook at a path, if it is a file and one did.
pub(crate) fn manager_of(hook: &Path) -> Result<Option<HookManager>, FsError> {
    if !std::fs::symlink_metadata(hook).is_ok_and(|meta| meta.is_file()) {
        return Ok(None);
    }
    Ok(HookManager::from_script(hook, &fs::read(hook)?))
}

/// The events that do not come to us in this clone; empty if all do.
pub fn unreached_events(repo: &Repo, binary: &Path) -> Result<Vec<&'static str>, InstallError> {
    let dir = repo.hooks_dir()?;
    let hooks = if dir.disabled { None } else { Some(inspect_hooks(repo, &dir, binary)?) };
    let Some(hooks) = hooks else { return Ok(EVENTS.to_vec()) };
    if hooks.iter().all(|hook| hook.reaches_us(&[])) {
        return Ok(Vec::new());
    }
    // Starts git, so it is asked only if the directory does not suffice.
    let configured = repo.configured_hooks()?;
    Ok(hooks.iter().filter(|hook| !hook.reaches_us(&configured)).map(|hook| hook.event).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// E13: A hook manager's script is recognised by its own words or its directory.
    #[test]
    fn a_manager_is_known_by_its_script() {
        let of = |text: &str| HookManager::from_script(Path::new("/r/.git/hooks/pre-commit"), text.as_bytes());
        let header = "# File generated by pre-commit: https://pre-commit.com";
        assert_eq!(of(&format!("#!/usr/bin/env bash\n{header}\n")), Some(HookManager::PreCommit));
        assert_eq!(
            of("#!/bin/sh\n# File generated by prek: https://github.com/j178/prek\n"),
            Some(HookManager::PreCommit)
        );
        assert_eq!(of("#!/bin/sh\ncall_lefthook run \"pre-commit\" \"$@\"\n"), Some(HookManager::Lefthook));
        assert_eq!(of("#!/bin/sh\npre-commit run\n"), None);
        assert_eq!(HookManager::from_script(Path::new("/r/.husky/_/pre-commit"), b"x"), Some(HookManager::Husky));
    }
}
