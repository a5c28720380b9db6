#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;

/// A project with a file `a/f`, a directory beside it with a file `f`, and links from one to the other.
struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self { dir: tempfile::tempdir().unwrap() };
        for name in ["project/a", "elsewhere"] {
            fs::create_dir_all(place.path(name)).unwrap();
            fs::write(place.path(name).join("f"), "theirs").unwrap();
        }
        symlink("../elsewhere", place.path("project/out")).unwrap();
        symlink("a", place.path("project/in")).unwrap();
        symlink("f", place.path("project/a/link")).unwrap();
        symlink("/dev/zero", place.path("project/a/zero")).unwrap();
        rustix::fs::mkfifoat(CWD, place.path("project/a/pipe"), Mode::RUSR | Mode::WUSR).unwrap();
        place
    }

    fn path(&self, relative: &str) -> PathBuf {
        self.dir.path().join(relative)
    }

    #[track_caller]
    fn untouched(&self) {
        assert_eq!(fs::read_to_string(self.path("elsewhere/f")).unwrap(), "theirs");
        assert_eq!(fs::read_dir(self.path("elsewhere")).unwrap().count(), 1);
    }
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, FsError>) -> Refused {
    result.unwrap_err().refused().unwrap().clone()
}

#[test]
fn what_is_no_file_of_the_project_is_not_read() {
    let place = Place::new();
    let path = place.path("project");
    let root = Root::at(&path);
    assert_eq!(root.read("a/f", 6).unwrap().unwrap(), b"theirs");
    assert_eq!(refused(root.read("a/f", 5)), Refused::TooLarge(5));
    for absent in ["x", "x/y", "a/f/g"] {
        assert_eq!(root.read(absent, 9).unwrap(), None, "{absent}");
    }
    for (file, link) in [("out/f", "out"), ("in/f", "in"), ("a/link", "a/link"), ("a/zero", "a/zero"), ("in/x", "in")] {
        assert_eq!(refused(root.read(file, 9)), Refused::Link(path.join(link)), "{file}");
    }
    for odd in ["a/pipe", "a", ""] {
        assert_eq!(refused(root.read(odd, 9)), Refused::NotRegular, "{odd}");
    }
    for outside in ["../elsewhere/f", "/etc/passwd", "a/../../elsewhere/f"] {
        assert_eq!(refused(root.read(outside, 9)), Refused::Outside, "{outside}");
    }
}

/// C13: Opening a path with `openat2` and step by step gives the same file or error.
#[test]
fn the_kernel_and_the_steps_agree() {
    let place = Place::new();
    let path = place.path("project");
    let root = rustix::fs::open(&path, PASSING, Mode::empty()).unwrap();
    let names = ["a", "f", "out", "in", "link", "zero", "x", "."];
    let flags = [OFlags::RDONLY | UNWAITING, PASSING, WORKING, OFlags::RDWR | UNWAITING];
    for first in names {
        for second in names {
            for flags in flags {
                let way: Vec<&OsStr> = [first, second].iter().filter(|n| **n != ".").map(|n| OsStr::new(*n)).collect();
                let one = by_steps(root.as_fd(), &way, flags, Mode::empty());
                #[cfg(target_os = "linux")]
                match (by_kernel(root.as_fd(), &way, flags, Mode::empty()), &one) {
                    (Ok(a), Ok(b)) => {
                        let inode = |fd: &OwnedFd| rustix::fs::fstat(fd).unwrap().st_ino;
                        assert_eq!(inode(&a), inode(b), "{way:?}");
                    }
                    (Err(a), Err(b)) => assert_eq!(a, *b, "{way:?} {flags:?}"),
                    (a, b) => panic!("{way:?} {flags:?}: {a:?}, {b:?}"),
                }
                drop(one);
            }
        }
    }
}

#[test]
fn nothing_is_written_made_locked_or_removed_through_a_link() {
    let place = Place::new();
    let path = place.path("project");
    let root = Root::at(&path);
    let link = || Refused::Link(path.join("out"));
    assert_eq!(refused(root.write_atomic("out/f", b"ours")), link());
    assert_eq!(refused(root.create_dir_all("out/new/dir")), link());
    assert_eq!(refused(root.make_lock("out/f")), link());
    assert_eq!(refused(root.open_lock("out/f")), link());
    assert_eq!(refused(root.remove_all("out/f")), link());
    assert_eq!(refused(root.check_dir("out/new")), link());
    assert_eq!(refused(root.names("out")), link());
    assert!(!root.remove_empty_dir("out"));
    symlink("../../elsewhere/f", path.join("a/lock")).unwrap();
    assert_eq!(refused(root.make_lock("a/lock")), Refused::Link(path.join("a/lock")));
    let made = place.path("made");
    fs::create_dir(&made).unwrap();
    assert_eq!(refused(root.replace_dir(&made, "out/f")), link());
    assert_eq!(refused(root.rename_in(&made, "out/f")), link());
    // A link at the end is replaced or removed, and its target is not.
    root.write_atomic("a/lock", b"ours").unwrap();
    root.remove_all("out").unwrap();
    assert_eq!((root.kind("a/lock").unwrap(), root.kind("out").unwrap()), (FileKind::File, FileKind::Absent));
    symlink("../elsewhere", path.join("out")).unwrap();
    root.replace_dir(&made, "out").unwrap();
    assert_eq!((root.kind("out").unwrap(), made.exists()), (FileKind::Directory, false));
    place.untouched();
}

#[test]
fn files_are_made_changed_and_removed_in_the_project() {
    let dir = tempfile::tempdir().unwrap();
    let root = Root::at(dir.path());
    root.create_dir_all("a/b/c").unwrap();
    root.create_dir_all("a/b/c").unwrap();
    root.write_atomic("a/b/f", b"one").unwrap();
    fs::set_permissions(dir.path().join("a/b/f"), fs::Permissions::from_mode(0o640)).unwrap();
    root.write_atomic("a/b/f", b"two").unwrap();
    assert_eq!(fs::metadata(dir.path().join("a/b/f")).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(root.names("a/b").unwrap(), ["c", "f"]);
    assert!(root.open_lock("a/lock").unwrap().is_none());
    root.make_lock("x/lock").unwrap().lock().unwrap();
    assert!(root.open_lock("x/lock").unwrap().is_some());
    root.hard_link("a/b/f", &dir.path().join("g")).unwrap();
    assert!(!root.remove_empty_dir("a"));
    root.remove_all("a").unwrap();
    root.remove_all("a").unwrap();
    assert_eq!((root.kind("a").unwrap(), root.kind("g").unwrap()), (FileKind::Absent, FileKind::File));
    root.rename_in(&dir.path().join("g"), "h").unwrap();
    assert_eq!(root.read("h", 3).unwrap().unwrap(), b"two");
}
