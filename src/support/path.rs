//! Paths by their text alone: nothing is looked up on disk, and no link is followed.

use std::path::{Component, Path, PathBuf};

/// Returns the path without `.` and, by its text alone, without `..`. An absolute path becomes what Python's
/// `os.path.abspath` makes of it; a relative one keeps a `..` at its beginning.
#[must_use]
pub fn normalize_path(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match (part, out.components().next_back()) {
            // Above the root is the root, as for the system.
            (Component::CurDir, _) | (Component::ParentDir, Some(Component::RootDir | Component::Prefix(_))) => {}
            (Component::ParentDir, Some(Component::Normal(_))) => {
                out.pop();
            }
            (other, _) => out.push(other),
        }
    }
    out
}

/// Returns a path relative to a directory that contains it. `None` if it is elsewhere, is that directory, or has a `..`
/// after it.
#[must_use]
pub fn path_below(dir: &Path, path: &Path) -> Option<PathBuf> {
    let inside = path.strip_prefix(dir).ok()?;
    let is_normal = inside.components().all(|part| matches!(part, Component::Normal(_)));
    (is_normal && inside.components().next().is_some()).then(|| inside.components().collect())
}

/// Writes a relative path with `/` between its names.
#[must_use]
pub fn to_slashes(path: &Path) -> String {
    path.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_loses_what_its_text_takes_back() {
        let cases = [
            ("/a/./b/../c", "/a/c"),
            ("/../a", "/a"),
            ("/a/../..", "/"),
            ("a/../../b/.", "../b"),
            ("../../a", "../../a"),
            (".", ""),
        ];
        for (path, expected) in cases {
            assert_eq!(normalize_path(Path::new(path)), Path::new(expected), "{path}");
        }
    }

    #[test]
    fn a_path_is_below_its_directory_alone() {
        let below = |path: &str| path_below(Path::new("/a"), Path::new(path)).map(|path| to_slashes(&path));
        assert_eq!(below("/a/b/./c").as_deref(), Some("b/c"));
        for path in ["/a", "/ab/c", "/a/../c", "c"] {
            assert_eq!(below(path), None, "{path}");
        }
    }
}
