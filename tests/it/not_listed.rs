//! A directory that cannot be listed may hold whatever needs data: nothing is removed without having looked into it.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use crate::env::{BIN, CommandOutput, FIRST, SECOND, TestEnv};
use crate::forget::{object, objects_of};
use crate::gc::objects;

/// `capture-hook` without root's right to read everything, whoever runs the tests.
fn unprivileged(env: &TestEnv, args: &[&str]) -> CommandOutput {
    // PR_CAPBSET_DROP of CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH; without these rights it fails, and they are not there.
    let code = "import ctypes, os, sys\n\
        drop = getattr(ctypes.CDLL(None), 'prctl', None)\n\
        [drop(24, right, 0, 0, 0) for right in (1, 2) if drop]\n\
        os.execv(sys.argv[1], sys.argv[1:])";
    env.run_in("repo", "python3", [&["-c", code, BIN], args].concat())
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Takes back the last commit, its tag included, and leaves its objects.
fn drop_last_commit(env: &TestEnv) {
    env.git(["tag", "-d", &format!("capture/{SECOND}")]).ok();
    env.git(["reset", "-q", "--hard", "HEAD~1"]).ok();
    env.hook(["pull"]).ok();
}

/// Runs a command that must remove nothing, while a directory of the project cannot be listed.
#[track_caller]
fn refused(env: &TestEnv, dir: &str, args: &[&str]) {
    let dir = env.repo(dir);
    let kept = || [env.repo(".dvc/cache"), env.path("dvc-remote")].map(|store| objects(&store));
    let (before, head) = (kept(), env.id("HEAD"));
    set_mode(&dir, 0);
    let output = unprivileged(env, args);
    set_mode(&dir, 0o755);
    let output = output.fails(5);
    for part in ["cannot list the directory ", "Permission denied", "chmod u+rx", dir.to_str().unwrap()] {
        assert!(output.stderr.contains(part), "{part}: {}", output.both());
    }
    assert!(kept() == before && env.id("HEAD") == head, "{}", output.both());
}

#[test]
fn gc_removes_nothing_that_a_directory_without_access_may_need() {
    let env = TestEnv::two_versions("symlink");
    env.hook(["push", "--all"]).ok();
    let (linked, named) = {
        let first = objects_of(&env, "HEAD", FIRST);
        let mut files = objects_of(&env, "HEAD", SECOND).into_iter().filter(|md5| !first.contains(md5));
        (files.next().unwrap(), files.next().unwrap())
    };
    drop_last_commit(&env);
    // A link into the cache, in a directory that git looks into, and in a repository of its own, which it does not.
    for dir in ["private", "nested/private"] {
        fs::create_dir_all(env.repo(dir)).unwrap();
    }
    env.git_in("repo/nested", ["init", "-q"]).ok();
    symlink(object(env.repo(".dvc/cache"), &linked), env.repo("nested/private/link")).unwrap();
    fs::write(env.repo("private/one.dvc"), format!("outs:\n- md5: {named}\n  hash: md5\n  path: one\n")).unwrap();
    for dir in ["private", "nested/private"] {
        refused(&env, dir, &["gc", "--keep", "0", "--yes"]);
    }
    refused(&env, "private", &["gc", "--keep", "0", "--remote", "--unknown", "--yes"]);
    // With access, what they need is known.
    let before = objects(&env.repo(".dvc/cache")).len();
    unprivileged(&env, &["gc", "--keep", "0", "--yes"]).ok();
    assert!(objects(&env.repo(".dvc/cache")).len() < before);
    assert!([&linked, &named].iter().all(|md5| object(env.repo(".dvc/cache"), md5).exists()));
    // Of the remote, links into the cache need nothing.
    unprivileged(&env, &["gc", "--keep", "0", "--remote", "--unknown", "--yes"]).ok();
    let left = [&linked, &named].map(|md5| object(env.path("dvc-remote"), md5).exists());
    assert_eq!(left, [false, true]);
}

#[test]
fn erase_and_forget_drop_nothing_that_they_cannot_look_at() {
    let env = TestEnv::two_versions("copy");
    env.git(["push", "-q", "--follow-tags", "-u", "origin", "main"]).ok();
    env.hook(["push", "--all"]).ok();
    fs::create_dir(env.repo("private")).unwrap();
    fs::create_dir(env.repo("data/captures").join(FIRST).join("notes")).unwrap();
    let erase = ["erase", FIRST, "--everywhere", "--yes"];
    refused(&env, "private", &erase);
    let notes = format!("data/captures/{FIRST}/notes");
    refused(&env, &notes, &erase);
    refused(&env, &notes, &["forget", FIRST]);
    // A file of DVC's that cannot be read can name the run's objects.
    let md5 = objects_of(&env, "HEAD", FIRST).pop_first().unwrap();
    fs::write(env.repo("one.dvc"), format!("outs:\n- md5: {md5}\n  hash: md5\n  path: one\n")).unwrap();
    env.git(["add", "one.dvc"]).ok();
    set_mode(&env.repo("one.dvc"), 0);
    let refused = unprivileged(&env, &["forget", FIRST]).fails(5);
    assert!(refused.stderr.contains("one.dvc"), "{}", refused.both());
    set_mode(&env.repo("one.dvc"), 0o644);
    unprivileged(&env, &["forget", FIRST]).ok();
    let kept: Vec<PathBuf> = objects_of(&env, "HEAD", FIRST)
        .iter()
        .map(|md5| object(env.repo(".dvc/cache"), md5))
        .filter(|path| path.exists())
        .collect();
    assert_eq!(kept, [object(env.repo(".dvc/cache"), &md5)]);
}

/// A run's folder is removed as a whole, so everything in it counts: files that DVC passes over, pipes, names of any bytes.
#[test]
fn whatever_lies_in_a_folder_of_a_run_is_a_local_change() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let env = TestEnv::two_versions("copy");
    env.git(["push", "-q", "--follow-tags", "-u", "origin", "main"]).ok();
    env.hook(["push", "--all"]).ok();
    let folder = env.repo("data/captures").join(FIRST);
    let mut mine = vec![folder.join(".git/notes"), folder.join(".dvc/tmp/notes")];
    if cfg!(target_os = "linux") {
        mine.push(folder.join(OsStr::from_bytes(b"not\xffes")));
    }
    for path in &mine {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "mine").unwrap();
        for args in [&["forget", FIRST][..], &["erase", FIRST, "--everywhere", "--yes"]] {
            let head = env.id("HEAD");
            let output = env.hook(args).fails(1);
            assert!(output.stderr.contains(&format!("{FIRST}/")), "{}", output.both());
            assert_eq!((fs::read(path).unwrap(), env.id("HEAD")), (b"mine".to_vec(), head));
        }
        fs::remove_file(path).unwrap();
    }
}
