//! Installs and uninstalls the hooks.
//!
//! An existing hook is renamed, whatever it is (a script, a binary, a link), and [`uninstall_hooks`] restores it
//! exactly. A hooks directory outside the repository is written to only when forced, because other repositories could
//! use it. The merge drivers are set in the repository's own git configuration.

use std::path::{Path, PathBuf};

use super::{git_config, shim};
use crate::git::Repo;
pub use crate::setup::install_error::InstallError;
use crate::setup::shim::CHAINED_SUFFIX;
use crate::setup::survey::{GitHook, HookState, inspect_hooks, manager_of};
use crate::support::fs;
use crate::support::fs::FsError;

/// What [`install_hooks`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InstallOutcome {
    /// The hooks directory.
    pub dir: PathBuf,
    /// The hooks that were written.
    pub written: Vec<&'static str>,
    /// Those of them that replace a foreign hook, which is kept and still runs.
    pub chained: Vec<&'static str>,
    /// Whether the merge drivers' settings were written.
    pub drivers: bool,
}

/// Puts the shims in place, and names the merge drivers. What holds already is left alone.
pub fn install_hooks(repo: &Repo, binary: &Path, force: bool) -> Result<InstallOutcome, InstallError> {
    let dir = repo.hooks_dir()?;
    if dir.disabled {
        return Err(InstallError::Disabled);
    }
    if !dir.inside && !force {
        return Err(InstallError::Outside { dir: dir.path, named_by: dir.source });
    }
    let hooks = inspect_hooks(repo, &dir, binary)?;
    // All refusals come before the first write.
    for hook in hooks.iter().filter(|hook| is_foreign(hook)) {
        if let Some(chained) = &hook.chained
            && !force
            && !hook.calls_moved_shim()
            && !is_same_hook(&hook.path, chained)?
        {
            return Err(InstallError::TwoHooks { hook: hook.path.clone(), chained: chained.clone() });
        }
    }
    fs::create_dir_all(&dir.path)?;
    let mut outcome = InstallOutcome { dir: dir.path.clone(), ..InstallOutcome::default() };
    for hook in hooks {
        if let Some(moved_shim) = moved_shim_to_keep(&hook)? {
            if write_shim(moved_shim, hook.event, binary)? {
                outcome.written.push(hook.event);
            }
            continue;
        }
        if is_foreign(&hook) {
            move_hook_aside(&dir.path, &hook)?;
            outcome.chained.push(hook.event);
        } else if let Some(moved_shim) = &hook.moved_shim {
            // A manager put it there and would call us through it, behind ourselves.
            fs::remove_all(moved_shim)?;
        }
        if write_shim(&hook.path, hook.event, binary)? {
            outcome.written.push(hook.event);
        }
    }
    // `|`, not `||`: the second is set even if the first has changed something.
    outcome.drivers = git_config::set_drivers(repo, binary)? | git_config::set_octopus_strategy(repo)?;
    Ok(outcome)
}

/// Whether a hook in place is foreign, to be kept.
fn is_foreign(hook: &GitHook) -> bool {
    matches!(hook.state, HookState::Foreign | HookState::Through(_) | HookState::Loop(_))
}

/// Our shim, if it stays where a hook manager moved it to: the manager calls it there, and it calls the hook that we
/// keep. In front there would be two hooks to call; and a hook in the manager's own place is lost when that is
/// installed again.
fn moved_shim_to_keep(hook: &GitHook) -> Result<Option<&Path>, FsError> {
    let (Some(moved_shim), Some(chained), true) = (&hook.moved_shim, &hook.chained, hook.calls_moved_shim()) else {
        return Ok(None);
    };
    Ok(if is_same_hook(&hook.path, chained)? { None } else { Some(moved_shim) })
}

/// Writes our shim. Says whether something changed.
fn write_shim(path: &Path, event: &str, binary: &Path) -> Result<bool, FsError> {
    let text = shim::render_shim(event, binary);
    // An equal file is not written, so that `install` reports only changes.
    if fs::is_executable(path) && fs::read_optional(path)?.as_deref() == Some(text.as_bytes()) {
        return Ok(false);
    }
    fs::write_atomic(path, text.as_bytes())?;
    // git silently skips a hook that is not executable.
    fs::make_executable(path)?;
    Ok(true)
}

/// Moves a foreign hook aside, where our shim calls it. Another one that we kept is renamed.
fn move_hook_aside(dir: &Path, hook: &GitHook) -> Result<(), FsError> {
    let target = dir.join(format!("{}{CHAINED_SUFFIX}", hook.event));
    if let Some(chained) = &hook.chained
        && !is_same_hook(&hook.path, chained)?
    {
        // Never removed: it can be the user's own work.
        fs::rename(chained, &dir.join(format!("{}{CHAINED_SUFFIX}.old", hook.event)))?;
    }
    if let Some(moved_shim) = &hook.moved_shim {
        fs::remove_all(moved_shim)?;
    }
    fs::rename(&hook.path, &target)
}

/// Whether a hook is the one that was moved aside, or a newer one of the same hook manager.
fn is_same_hook(hook: &Path, chained: &Path) -> Result<bool, FsError> {
    let is_file = |path: &Path| std::fs::symlink_metadata(path).is_ok_and(|meta| meta.is_file());
    // A link is compared by nothing: what it leads to can change.
    if !is_file(hook) || !is_file(chained) {
        return Ok(false);
    }
    let manager = manager_of(hook)?;
    Ok(manager.is_some() && manager == manager_of(chained)? || fs::read(hook)? == fs::read(chained)?)
}

/// What [`uninstall_hooks`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UninstallOutcome {
    /// The hooks that were taken away.
    pub removed: Vec<&'static str>,
    /// Those that were here before and are back.
    pub restored: Vec<&'static str>,
    /// Whether the merge drivers' settings were there.
    pub drivers: bool,
}

/// Takes the shims away and puts back what was there before them. Hooks of others are not touched.
pub fn uninstall_hooks(repo: &Repo, binary: &Path) -> Result<UninstallOutcome, InstallError> {
    let dir = repo.hooks_dir()?;
    let mut outcome = UninstallOutcome::default();
    // Each hook is removed before the kept one is renamed to its path.
    for hook in inspect_hooks(repo, &dir, binary)? {
        if matches!(hook.state, HookState::Current | HookState::Outdated | HookState::Newer) {
            fs::remove_all(&hook.path)?;
            outcome.removed.push(hook.event);
        }
        if let Some(moved_shim) = &hook.moved_shim {
            fs::remove_all(moved_shim)?;
        }
        let Some(chained) = &hook.chained else { continue };
        if !is_foreign(&hook) {
            fs::rename(chained, &hook.path)?;
        } else if is_same_hook(&hook.path, chained)? {
            // The manager has put a newer one, or the same, in the place: this copy has no use.
            fs::remove_all(chained)?;
            continue;
        } else if let Some(moved_shim) = &hook.moved_shim {
            // The manager calls what is there, as it called our shim.
            fs::rename(chained, moved_shim)?;
        } else {
            continue;
        }
        outcome.restored.push(hook.event);
    }
    outcome.drivers = git_config::remove_drivers(repo)?;
    Ok(outcome)
}
