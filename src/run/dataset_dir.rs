//! Checks where the dataset lies: in a directory of the project that is for data, not one whose files programs obey.
//!
//! A cloned repository chooses the dataset's directory and the paths in it. Files in a virtual environment, among git's
//! hooks or in DVC's cache would be run by the user's programs. `support::names` refuses such places by name; here the
//! disk is asked, links resolved, because a virtual environment can have any name. Nothing is created or removed.

use std::path::{Component, Path, PathBuf};

use crate::error::ExitKind::Setup;
use crate::error::{Explain, Explanation};
use crate::support::names;
use crate::support::off_limits::{OffLimits, PythonEnvs};

/// A directory that is refused as the dataset.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} cannot be the dataset: it {why}", dir.display())]
pub struct MisplacedDataset {
    /// The directory.
    pub dir: PathBuf,
    /// Why, to be read after the path.
    pub why: String,
}

impl Explain for MisplacedDataset {
    fn explain(&self) -> Explanation {
        Setup
            .code("dataset_misplaced")
            .hint("set `ingest_capture.out_dir` in params.yaml to a directory of the project, such as data/captures")
            .hint("if the branch is not yours, do not check its data out, and ask its author")
    }
}

/// Checks the dataset's directory (absolute) of the project at `root`, and returns its canonical path. Fails if it
/// leads out of the project, has a reserved name in it, lies in a virtual environment, or is, holds or lies in one of
/// `off_limits`.
pub fn check_dataset_dir(root: &Path, dir: &Path, off_limits: &[OffLimits]) -> Result<PathBuf, MisplacedDataset> {
    let misplaced = |why: String| Err(MisplacedDataset { dir: dir.to_path_buf(), why });
    let outside = || Err(outside_project(root, dir));
    let (Some(real_root), Some(real_dir)) = (real_path(root), real_path(dir)) else { return outside() };
    let Some(inner) = real_dir.strip_prefix(&real_root).ok().filter(|inner| !inner.as_os_str().is_empty()) else {
        return outside();
    };
    for part in inner {
        if let Some(refused) = names::find_refused(&part.to_string_lossy()) {
            return misplaced(format!("lies where {refused}"));
        }
    }
    for forbidden in off_limits {
        // A cache that contains the whole project does not forbid the project.
        let is_inside = |dir: &PathBuf| *dir != real_root && dir.starts_with(&real_root);
        let Some(forbidden_dir) = real_path(&forbidden.dir).filter(is_inside) else { continue };
        if real_dir.starts_with(&forbidden_dir) || forbidden_dir.starts_with(&real_dir) {
            return misplaced(format!("is, holds or lies in {}, {}", forbidden.what, forbidden.dir.display()));
        }
    }
    match PythonEnvs::default().find_around(&real_root, &real_dir) {
        Some(env) => misplaced(format!("lies in the Python environment {}", env.display())),
        None => Ok(real_dir),
    }
}

/// Makes the error for a directory outside of the project.
#[must_use]
pub fn outside_project(root: &Path, dir: &Path) -> MisplacedDataset {
    MisplacedDataset { dir: dir.to_path_buf(), why: format!("leads out of the project {}", root.display()) }
}

/// Returns the canonical path: links resolved as far as the path exists, the rest by its names. `None` if the rest
/// holds a `..` or follows a dangling link.
#[must_use]
pub fn real_path(path: &Path) -> Option<PathBuf> {
    let mut rest = Vec::new();
    let mut at = path;
    loop {
        if let Ok(real) = at.canonicalize() {
            return Some(rest.iter().rev().fold(real, |path, name| path.join(name)));
        }
        if at.symlink_metadata().is_ok() {
            return None;
        }
        match at.components().next_back()? {
            Component::Normal(name) => rest.push(name.to_owned()),
            Component::CurDir => {}
            _ => return None,
        }
        at = at.parent()?;
    }
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// S2: A dataset in a virtual environment, in git's or DVC's directories or among hooks is refused.
    #[test]
    fn the_dataset_lies_apart_from_what_programs_obey() {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path().join("repo");
        for dir in ["tools/env/lib", "conda/conda-meta", "store/files", ".git", "hooks", "data"] {
            std::fs::create_dir_all(root.join(dir)).unwrap();
        }
        std::fs::write(root.join("tools/env/pyvenv.cfg"), "").unwrap();
        std::os::unix::fs::symlink(".git", root.join("link")).unwrap();
        std::os::unix::fs::symlink("tools/env", root.join("alias")).unwrap();
        let off_limits = [
            OffLimits { dir: root.join("store"), what: "DVC's cache" },
            OffLimits { dir: root.join("hooks"), what: "git's hooks" },
        ];
        let reason =
            |dir: &str| check_dataset_dir(&root, &root.join(dir), &off_limits).err().map(|misplaced| misplaced.why);
        for allowed in ["data/captures", "tools", "tools/envy", "captures", "storey"] {
            assert_eq!(reason(allowed), None, "{allowed}");
        }
        for (bad, why) in [
            ("..", "leads out"),
            (".", "leads out"),
            ("x/../../y", "leads out"),
            ("link", "git's own"),
            ("link/x", "git's own"),
            (".venv/x", "Python environment"),
            ("tools/env", "tools/env"),
            ("tools/env/data/captures", "tools/env"),
            ("alias/x", "tools/env"),
            ("conda/x", "conda"),
            ("store", "DVC's cache"),
            ("store/files/x", "DVC's cache"),
            ("hooks/x", "git's hooks"),
            ("a/node_modules", "Node.js"),
        ] {
            assert!(reason(bad).is_some_and(|reason| reason.contains(why)), "{bad}: {:?}", reason(bad));
        }
        // What holds one of them is refused as well; one that holds the project is not one of its places.
        let off_limits = |dir: &str| [OffLimits { dir: root.join(dir), what: "DVC's cache" }];
        assert!(check_dataset_dir(&root, &root.join("data"), &off_limits("data/store")).is_err());
        assert!(check_dataset_dir(&root, &root.join("data"), &off_limits("..")).is_ok());
    }

    /// S2: In a project that is a virtual environment itself, a dataset among its packages is refused.
    #[test]
    fn a_project_that_is_an_environment_keeps_its_data_out_of_the_packages() {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path();
        std::fs::write(root.join("pyvenv.cfg"), "").unwrap();
        assert!(check_dataset_dir(root, &root.join("data/captures"), &[]).is_ok());
        for bad in ["lib/x", "Lib", "bin"] {
            assert!(check_dataset_dir(root, &root.join(bad), &[]).is_err(), "{bad}");
        }
    }
}
