#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;

/// A project with a file `a/f`, a directory beside it with a file `f`, and links from one to the other.
struct TestTree {
    dir: tempfile::TempDir,
}

impl TestTree {
    fn new() -> Self {
        let tree = Self { dir: tempfile::tempdir().unwrap() };
        for name in ["project/a", "elsewhere"] {
            fs::create_dir_all(tree.path(name)).unwrap();
            fs::write(tree.path(name).join("f"), "theirs").unwrap();
        }
        symlink("../elsewhere", tree.path("project/out")).unwrap();
        symlink("a", tree.path("project/in")).unwrap();
        symlink("f", tree.path("project/a/link")).unwrap();
        symlink("/dev/zero", tree.path("project/a/zero")).unwrap();
        rustix::fs::mkfifoat(CWD, tree.path("project/a/pipe"), Mode::RUSR | Mode::WUSR).unwrap();
        tree
    }

    fn path(&self, relative: &str) -> PathBuf {
        self.dir.path().join(relative)
    }

    #[track_caller]
    fn assert_untouched(&self) {
        assert_eq!(fs::read_to_string(self.path("elsewhere/f")).unwrap(), "theirs");
        assert_eq!(fs::read_dir(self.path("elsewhere")).unwrap().count(), 1);
    }
}

#[track_caller]
fn expect_refusal<T: std::fmt::Debug>(result: Result<T, FsError>) -> PathRefusal {
    result.unwrap_err().refusal().unwrap().clone()
}

#[test]
fn what_is_no_file_of_the_project_is_not_read() {
    let tree = TestTree::new();
    let path = tree.path("project");
    let root = RootDir::new(&path);
    assert_eq!(root.read("a/f", 6).unwrap().unwrap(), b"theirs");
    assert_eq!(expect_refusal(root.read("a/f", 5)), PathRefusal::TooLarge(5));
    for absent in ["x", "x/y", "a/f/g"] {
        assert_eq!(root.read(absent, 9).unwrap(), None, "{absent}");
    }
    for (file, link) in [("out/f", "out"), ("in/f", "in"), ("a/link", "a/link"), ("a/zero", "a/zero"), ("in/x", "in")] {
        assert_eq!(expect_refusal(root.read(file, 9)), PathRefusal::Link(path.join(link)), "{file}");
    }
    for odd in ["a/pipe", "a", ""] {
        assert_eq!(expect_refusal(root.read(odd, 9)), PathRefusal::NotRegular, "{odd}");
    }
    for outside in ["../elsewhere/f", "/etc/passwd", "a/../../elsewhere/f"] {
        assert_eq!(expect_refusal(root.read(outside, 9)), PathRefusal::Outside, "{outside}");
    }
}

/// C13: Opening a path with `openat2` and step by step gives the same file or error.
#[test]
fn the_kernel_and_the_steps_agree() {
    let tree = TestTree::new();
    let path = tree.path("project");
    let root = rustix::fs::open(&path, PASS_FLAGS, Mode::empty()).unwrap();
    let names = ["a", "f", "out", "in", "link", "zero", "x", "."];
    let flags = [OFlags::RDONLY | NO_WAIT_FLAGS, PASS_FLAGS, LIST_FLAGS, OFlags::RDWR | NO_WAIT_FLAGS];
    for first in names {
        for second in names {
            for flags in flags {
                let components: Vec<&OsStr> =
                    [first, second].iter().filter(|n| **n != ".").map(|n| OsStr::new(*n)).collect();
                let by_steps = open_by_steps(root.as_fd(), &components, flags, Mode::empty());
                #[cfg(target_os = "linux")]
                match (open_by_kernel(root.as_fd(), &components, flags, Mode::empty()), &by_steps) {
                    (Ok(a), Ok(b)) => {
                        let inode = |fd: &OwnedFd| rustix::fs::fstat(fd).unwrap().st_ino;
                        assert_eq!(inode(&a), inode(b), "{components:?}");
                    }
                    (Err(a), Err(b)) => assert_eq!(a, *b, "{components:?} {flags:?}"),
                    (a, b) => panic!("{components:?} {flags:?}: {a:?}, {b:?}"),
                }
                drop(by_steps);
            }
        }
    }
}

#[test]
fn nothing_is_written_made_locked_or_removed_through_a_link() {
    let tree = TestTree::new();
    let path = tree.path("project");
    let root = RootDir::new(&path);
    let link = || PathRefusal::Link(path.join("out"));
    assert_eq!(expect_refusal(root.write_atomic("out/f", b"ours")), link());
    assert_eq!(expect_refusal(root.create_dir_all("out/new/dir")), link());
    assert_eq!(expect_refusal(root.create_lock_file("out/f")), link());
    assert_eq!(expect_refusal(root.open_lock_file("out/f")), link());
    assert_eq!(expect_refusal(root.remove_all("out/f")), link());
    assert_eq!(expect_refusal(root.check_dir("out/new")), link());
    assert_eq!(expect_refusal(root.list_dir("out")), link());
    assert!(!root.remove_empty_dir("out"));
    symlink("../../elsewhere/f", path.join("a/lock")).unwrap();
    assert_eq!(expect_refusal(root.create_lock_file("a/lock")), PathRefusal::Link(path.join("a/lock")));
    let new_dir = tree.path("made");
    fs::create_dir(&new_dir).unwrap();
    assert_eq!(expect_refusal(root.replace_dir(&new_dir, "out/f")), link());
    assert_eq!(expect_refusal(root.rename_in(&new_dir, "out/f")), link());
    // A link at the end is replaced or removed, and its target is not.
    root.write_atomic("a/lock", b"ours").unwrap();
    root.remove_all("out").unwrap();
    assert_eq!((root.file_kind("a/lock").unwrap(), root.file_kind("out").unwrap()), (FileKind::File, FileKind::Absent));
    symlink("../elsewhere", path.join("out")).unwrap();
    root.replace_dir(&new_dir, "out").unwrap();
    assert_eq!((root.file_kind("out").unwrap(), new_dir.exists()), (FileKind::Directory, false));
    tree.assert_untouched();
}

#[test]
fn files_are_made_changed_and_removed_in_the_project() {
    let dir = tempfile::tempdir().unwrap();
    let root = RootDir::new(dir.path());
    root.create_dir_all("a/b/c").unwrap();
    root.create_dir_all("a/b/c").unwrap();
    root.write_atomic("a/b/f", b"one").unwrap();
    fs::set_permissions(dir.path().join("a/b/f"), fs::Permissions::from_mode(0o640)).unwrap();
    root.write_atomic("a/b/f", b"two").unwrap();
    assert_eq!(fs::metadata(dir.path().join("a/b/f")).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(root.list_dir("a/b").unwrap(), ["c", "f"]);
    assert!(root.open_lock_file("a/lock").unwrap().is_none());
    root.create_lock_file("x/lock").unwrap().lock().unwrap();
    assert!(root.open_lock_file("x/lock").unwrap().is_some());
    root.hard_link("a/b/f", &dir.path().join("g")).unwrap();
    assert!(!root.remove_empty_dir("a"));
    root.remove_all("a").unwrap();
    root.remove_all("a").unwrap();
    assert_eq!((root.file_kind("a").unwrap(), root.file_kind("g").unwrap()), (FileKind::Absent, FileKind::File));
    root.rename_in(&dir.path().join("g"), "h").unwrap();
    assert_eq!(root.read("h", 3).unwrap().unwrap(), b"two");
}
