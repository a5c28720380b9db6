//! What is written into git's settings of a repository: the merge drivers and the strategy for merges of several
//! branches.
//!
//! The only place that knows the drivers' names, beside the `.gitattributes` line of each.

use std::path::Path;

use crate::git::{GitError, Repo};
use crate::support::process::shell_quote;

struct MergeDriver {
    name: &'static str,
    title: &'static str,
    driver_type: &'static str,
    /// The line of `.gitattributes` that names it.
    attributes: &'static str,
}

/// The merge drivers, as `.gitattributes` names them.
const DRIVERS: &[MergeDriver] = &[
    MergeDriver {
        name: "capture-lock",
        title: "dvc.lock, run by run",
        driver_type: "lock",
        attributes: "/dvc.lock merge=capture-lock -text",
    },
    MergeDriver {
        name: "capture-params",
        title: "params.yaml, value by value",
        driver_type: "params",
        attributes: "/params.yaml merge=capture-params",
    },
    MergeDriver {
        name: "capture-views",
        title: "metrics files, those of the selected run",
        driver_type: "views",
        attributes: "/metrics/capture* merge=capture-views -text",
    },
];

/// The lines of `.gitattributes` that name the drivers, a file each.
pub(super) fn attribute_lines() -> impl Iterator<Item = &'static str> {
    DRIVERS.iter().map(|driver| driver.attributes)
}

/// Names the merge drivers in the repository's own settings. Says whether something was written.
pub(super) fn set_drivers(repo: &Repo, binary: &Path) -> Result<bool, GitError> {
    let mut wrote = false;
    for driver in DRIVERS {
        let line = driver_line(binary, driver.driver_type);
        wrote |= repo.set_local_config(&format!("merge.{}.name", driver.name), driver.title)?;
        wrote |= repo.set_local_config(&format!("merge.{}.driver", driver.name), &line)?;
    }
    Ok(wrote)
}

/// Takes the merge drivers and our strategy out of the repository's own settings. Says whether there were drivers.
pub(super) fn remove_drivers(repo: &Repo) -> Result<bool, GitError> {
    let mut removed = false;
    for driver in DRIVERS {
        removed |= repo.remove_local_section(&format!("merge.{}", driver.name))?;
    }
    // Any other value is the user's choice, and stays.
    if repo.local_config(OCTOPUS_KEY)?.as_deref() == Some(STRATEGY_NAME) {
        repo.unset_local_config(OCTOPUS_KEY)?;
    }
    Ok(removed)
}

/// The setting that names the strategy for merges of several branches, and ours: see `hooks/git-merge-capture-hook`.
const OCTOPUS_KEY: &str = "pull.octopus";
const STRATEGY_NAME: &str = "capture-hook";

/// How merges of several branches at once are made here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OctopusStrategy {
    /// By our strategy, which asks the merge drivers.
    Ours,
    /// By our strategy, which git would not find: it stops such merges.
    Lost,
    /// By another, git's own or the user's choice.
    Other,
}

/// How merges of several branches at once are made here.
pub fn octopus_strategy(repo: &Repo) -> Result<OctopusStrategy, GitError> {
    let is_configured = repo.config_value(OCTOPUS_KEY)?.as_deref() == Some(STRATEGY_NAME);
    let is_on_path = repo.env().find_program(&format!("git-merge-{STRATEGY_NAME}")).is_some();
    Ok(match (is_configured, is_on_path) {
        (true, true) => OctopusStrategy::Ours,
        (true, false) => OctopusStrategy::Lost,
        (false, _) => OctopusStrategy::Other,
    })
}

/// Git's own strategy for several branches asks no merge driver. Ours is named if git finds it on `PATH` and the user
/// has not chosen one; if it is gone, the setting is removed, because it would stop merges.
pub(super) fn set_octopus_strategy(repo: &Repo) -> Result<bool, GitError> {
    let is_on_path = repo.env().find_program(&format!("git-merge-{STRATEGY_NAME}")).is_some();
    match (repo.config_value(OCTOPUS_KEY)?.as_deref(), is_on_path) {
        (None, true) => repo.set_local_config(OCTOPUS_KEY, STRATEGY_NAME),
        // Only if this repository sets it: the user's own settings are not changed.
        (Some(STRATEGY_NAME), false) if repo.local_config(OCTOPUS_KEY)?.as_deref() == Some(STRATEGY_NAME) => {
            repo.unset_local_config(OCTOPUS_KEY).map(|()| true)
        }
        _ => Ok(false),
    }
}

/// Git hands the line to `sh`, with the file names put in quoted.
fn driver_line(binary: &Path, kind: &str) -> String {
    // Git expands `%` in the whole line, also in the path of the program.
    format!("{} merge-driver {kind} %O %A %B %L %P %S %X %Y", shell_quote(binary).replace('%', "%%"))
}

/// Whether the merge drivers are named as this binary would name them.
pub fn are_drivers_set(repo: &Repo, binary: &Path) -> Result<bool, GitError> {
    for driver in DRIVERS {
        let configured = repo.local_config(&format!("merge.{}.driver", driver.name))?;
        if configured.as_deref() != Some(driver_line(binary, driver.driver_type).as_str()) {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_attributes_name_the_drivers() {
        for driver in DRIVERS {
            assert!(driver.attributes.split(' ').any(|word| word == format!("merge={}", driver.name)));
        }
    }

    #[test]
    fn the_first_driver_tells_whether_they_are_set() {
        assert_eq!(crate::project::state::DRIVER_KEY, format!("merge.{}.driver", DRIVERS[0].name));
    }
}
