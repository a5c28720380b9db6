//! Git's own directory above a path, and our directory for temporary files in it.

use std::path::{Path, PathBuf};

use crate::support::files;
use crate::support::fs_error::FsError;

/// Returns the directory for temporary files in git's own directory, for the DVC project around `dir`. `None` if there
/// is no such project, or no git directory beside it or above.
pub(super) fn git_temp_dir(dir: &Path) -> Option<PathBuf> {
    // A failure only costs the better place: the caller writes next to the target instead.
    create_git_temp_dir(&git_dir_above(dvc_root_above(dir)?)?).ok()
}

/// Creates the directory with the group rights of git's directory, so that a shared repository works for every member.
pub(super) fn create_git_temp_dir(git: &Path) -> Result<PathBuf, FsError> {
    let mut dir = git.to_path_buf();
    for name in ["capture-hook", "tmp"] {
        dir.push(name);
        files::create_shared_dir(&dir)?;
    }
    Ok(dir)
}

/// Returns the git directory of the repository that contains `dir`.
pub(super) fn git_dir_above(dir: &Path) -> Option<PathBuf> {
    dir.ancestors().find_map(|dir| git_dir(&dir.join(".git")))
}

/// Returns the root of the DVC project that contains `dir`.
pub(super) fn dvc_root_above(dir: &Path) -> Option<&Path> {
    dir.ancestors().find(|dir| std::fs::symlink_metadata(dir.join(".dvc")).is_ok())
}

/// Returns the git directory for a path ending in `.git`: itself, or what the file says (a linked working tree or a
/// submodule has a file `gitdir: PATH`). The path is safe to follow, because git lets no commit hold the name `.git`.
fn git_dir(dot_git: &Path) -> Option<PathBuf> {
    /// 64 KiB: Linux opens no path longer than 4 KiB.
    const LONGEST: u64 = 64 << 10;
    if std::fs::metadata(dot_git).ok()?.is_dir() {
        return Some(dot_git.to_path_buf());
    }
    let text = String::from_utf8(files::read_within(dot_git, LONGEST).ok()??).ok()?;
    let dir = dot_git.parent()?.join(text.strip_prefix("gitdir:")?.trim());
    dir.is_dir().then_some(dir)
}
