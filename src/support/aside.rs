//! The directory for temporary files, which git, DVC and readers do not look into.
//!
//! It is `capture-hook/tmp` in git's own directory, because no commit can put a link there first. Only a project
//! without one (the copy that a DVC experiment runs in) uses DVC's `.dvc/tmp`.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::support::beneath::RootDir;
use crate::support::fs_error::FsError;
use crate::support::git_dir::{create_git_temp_dir, dvc_root_above, git_dir_above};
pub use crate::support::replace::TEMP_PREFIX;

/// DVC's own directory for temporary files, relative to a project's root.
const DVC_TMP: &str = ".dvc/tmp";

/// Returns the directory for temporary files of the DVC project at `root`, and creates it if it is missing.
pub fn project_temp_dir(root: &Path) -> Result<PathBuf, FsError> {
    match git_dir_above(root) {
        Some(git) => create_git_temp_dir(&git),
        None => RootDir::new(root).create_dir_all(DVC_TMP).map(|()| root.join(DVC_TMP)),
    }
}

/// Returns a directory for a file that is then renamed into `dir`: the one for temporary files if it is on the same
/// file system and writable, else `dir` itself.
#[must_use]
pub fn temp_dir_for(dir: &Path) -> PathBuf {
    let tmp = dvc_root_above(dir).and_then(|root| project_temp_dir(root).ok());
    // A rename works within one file system only.
    let device = |path: &Path| std::fs::metadata(path).ok().as_ref().map(Metadata::dev);
    let access = rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK;
    let is_usable = |tmp: &PathBuf| device(tmp) == device(dir) && rustix::fs::access(tmp, access).is_ok();
    tmp.filter(is_usable).unwrap_or_else(|| dir.to_path_buf())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::support::git_dir::git_temp_dir;

    #[test]
    fn temp_files_lie_in_gits_directory() {
        let dir = tempfile::tempdir().unwrap();
        let (root, data) = (dir.path().join("a"), dir.path().join("a/data"));
        std::fs::create_dir_all(&data).unwrap();
        assert_eq!((git_temp_dir(&data), temp_dir_for(&data)), (None, data.clone()));
        // An experiment's copy, without git.
        std::fs::create_dir(root.join(".dvc")).unwrap();
        assert_eq!((git_temp_dir(&data), temp_dir_for(&data)), (None, root.join(".dvc/tmp")));
        // A linked working tree.
        let git = dir.path().join("main/.git/worktrees/a");
        std::fs::create_dir_all(&git).unwrap();
        std::fs::set_permissions(&git, std::fs::Permissions::from_mode(0o2775)).unwrap();
        std::fs::write(root.join(".git"), format!("gitdir: {}\n", git.display())).unwrap();
        assert_eq!(temp_dir_for(&data), git.join("capture-hook/tmp"));
        assert_eq!(std::fs::metadata(temp_dir_for(&data)).unwrap().permissions().mode() & 0o7777, 0o2775);
        std::fs::remove_file(root.join(".git")).unwrap();
        // A project in a repository.
        std::fs::create_dir(dir.path().join(".git")).unwrap();
        assert_eq!(temp_dir_for(&data), dir.path().join(".git/capture-hook/tmp"));
    }

    /// C13: `.dvc/tmp` is not used if it is a link.
    #[test]
    fn a_link_in_place_of_dvcs_temp_dir_is_not_used() {
        let dir = tempfile::tempdir().unwrap();
        let (root, elsewhere) = (dir.path().join("a"), dir.path().join("elsewhere"));
        std::fs::create_dir_all(root.join(".dvc")).unwrap();
        std::fs::create_dir(&elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, root.join(".dvc/tmp")).unwrap();
        assert_eq!(temp_dir_for(&root), root);
        assert!(project_temp_dir(&root).is_err());
    }
}
