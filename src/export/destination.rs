//! Where an export goes: what is there stays, unless it is an earlier export that the user wants replaced.

use std::path::{Path, PathBuf};

use crate::export::error::ExportError;
use crate::export::layout::is_export;
use crate::support::fs;

/// An error if something is at the destination that is not to be replaced. `keep` are directories that must not be lost,
/// whatever they look like.
pub fn check_destination(to: &Path, is_zip: bool, replace: bool, keep: &[&Path]) -> Result<(), ExportError> {
    // What cannot be looked at blocks what is written there, which then fails.
    let Ok(found) = std::fs::symlink_metadata(to) else { return Ok(()) };
    let is_empty = || std::fs::read_dir(to).is_ok_and(|mut entries| entries.next().is_none());
    if found.is_dir() && !is_zip && is_empty() {
        return Ok(());
    }
    let path = to.to_path_buf();
    if !replace {
        return Err(ExportError::DestinationTaken { path });
    }
    // A link itself is replaced, not what it leads to.
    let is_replaceable = found.is_symlink()
        || if is_zip { found.is_file() } else { found.is_dir() && is_export(to) && !holds_any(to, keep) };
    if is_replaceable { Ok(()) } else { Err(ExportError::NotReplaced { path }) }
}

/// An error if the destination is inside a directory whose files mean something to git, DVC or us. Each comes with what
/// it is.
pub fn check_place(to: &Path, taken: &[(PathBuf, &'static str)]) -> Result<(), ExportError> {
    // The destination need not exist: what counts is where its nearest directory leads.
    let Some(dir) = to.ancestors().find_map(|dir| dir.canonicalize().ok()) else { return Ok(()) };
    let is_inside = |taken: &Path| taken.canonicalize().is_ok_and(|taken| dir.starts_with(taken));
    match taken.iter().find(|(taken, _)| is_inside(taken)) {
        Some((_, what)) => Err(ExportError::Misplaced { path: to.to_path_buf(), what }),
        None => Ok(()),
    }
}

fn holds_any(dir: &Path, kept: &[&Path]) -> bool {
    // A path that cannot be resolved is not replaced.
    let Ok(dir) = dir.canonicalize() else { return true };
    kept.iter().any(|kept| kept.canonicalize().is_ok_and(|kept| kept.starts_with(&dir)))
}

/// Directories that were made for an export. Those that are still empty are removed on drop.
#[derive(Debug)]
pub struct MadeDirs {
    /// The deepest first.
    made: Vec<PathBuf>,
}

impl MadeDirs {
    /// Makes a directory and its parents.
    pub fn make(dir: &Path) -> Result<Self, ExportError> {
        let missing = dir.ancestors().take_while(|dir| std::fs::symlink_metadata(dir).is_err());
        let made = Self { made: missing.map(Path::to_path_buf).collect() };
        fs::create_dir_all(dir)?;
        Ok(made)
    }
}

impl Drop for MadeDirs {
    fn drop(&mut self) {
        for dir in &self.made {
            if !fs::remove_empty_dir(dir) {
                break;
            }
        }
    }
}
