//! The project around a run: its settings, and the names of paths in it, as in the command. Nothing is written here.

use std::path::{Component, Path, PathBuf};

use capture_hook::dvc::settings::DvcSettings;
use capture_hook::error::Error;
use capture_hook::git::Repo;
use capture_hook::project::config;
use capture_hook::project::config::Config;
use capture_hook::project::pins::read_pinned_schemas;
use capture_hook::support::beneath::RootDir;
use capture_hook::support::env::Env;
use capture_hook::support::limits;
use capture_hook::support::off_limits::OffLimits;
use capture_hook::validate::ValidateOptions;

/// The lists of codes given by a caller, instead of the project's settings.
#[derive(Debug, Default)]
pub struct CodeArgs {
    /// Codes that do not count.
    pub ignore: Option<Vec<String>>,
    /// Warnings that count as errors.
    pub deny: Option<Vec<String>>,
}

/// Returns an absolute path without `.` and, by its text alone, without `..`.
pub fn absolute_path(path: &Path) -> std::io::Result<PathBuf> {
    let mut out = PathBuf::new();
    for component in std::path::absolute(path)?.components() {
        match component {
            Component::ParentDir if matches!(out.components().next_back(), Some(Component::Normal(_))) => {
                out.pop();
            }
            other => out.push(other),
        }
    }
    Ok(out)
}

/// Returns the project's directories that are not for data, from the settings of DVC and git; none without them.
pub fn off_limits(root: &Path) -> Result<Vec<OffLimits>, Error> {
    let env = Env::snapshot();
    let mut found = DvcSettings::read(root, &env)?.off_limits();
    // Without a repository there are no hooks or git directories to protect.
    if let Ok(repo) = Repo::open(root, &env) {
        found.extend(repo.off_limits()?);
    }
    Ok(found)
}

/// Returns a path as reports and the dataset name it: relative to the project, with `/`, if it is inside.
pub fn display_path(path: &Path, root: Option<&Path>) -> String {
    let inside = root.and_then(|root| path.strip_prefix(root).ok()).filter(|rest| !rest.as_os_str().is_empty());
    match inside {
        Some(rest) => rest.components().map(|c| c.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/"),
        None => path.to_string_lossy().into_owned(),
    }
}

/// Returns which findings count, by the caller or else the project's `capture-hook.toml`; and which files belong to a
/// run and which schemas are pinned, by that file.
pub fn validate_options(root: Option<&Path>, codes: CodeArgs) -> Result<ValidateOptions, Error> {
    let read = |root| RootDir::new(root).read(config::FILE, limits::TEXT);
    let settings = match root.map(read).transpose()?.flatten() {
        Some(bytes) => Config::parse(&String::from_utf8_lossy(&bytes))?,
        None => Config::default(),
    };
    let pins = root.map(|root| read_pinned_schemas(root, &settings)).transpose()?.unwrap_or_default();
    let by = if codes.ignore.is_some() { "the caller" } else { config::FILE };
    let ignore = codes.ignore.unwrap_or(settings.validate.ignore);
    let deny = codes.deny.unwrap_or(settings.validate.deny);
    let mut options = ValidateOptions::new(&ignore, &deny, by)?;
    options.include = settings.ingest.include;
    options.pins = pins;
    Ok(options)
}
