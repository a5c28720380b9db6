//! What working trees and users share: a cache, remotes, git's directory.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use insta::assert_snapshot;

use crate::env::{FIRST, SECOND, THIRD, TestEnv, copy_dir, files};

/// The mode of a file or directory.
fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// G5: Worktrees of a bare clone share one cache in its git directory, which no `git worktree remove` takes along.
#[test]
fn worktrees_of_a_bare_clone_share_one_cache() {
    let mut env = TestEnv::committed_native();
    env.git(["push", "-q", "--follow-tags", "origin", "main"]).ok();
    env.git_in(".", ["clone", "-q", "--bare", "origin.git", "team.git"]).ok();
    env.git_in("team.git", ["worktree", "add", "-q", "../one", "main"]).ok();
    fs::copy(env.repo(".dvc/config.local"), env.path("one/.dvc/config.local")).unwrap();
    assert!(env.hook_in("one", ["doctor"]).fails(1).stdout.contains("this working tree's own"));
    env.hook_in("one", ["install"]).ok();
    env.hook_in("one", ["pull"]).ok();
    assert!(!files(&env.path("team.git/capture-hook/cache")).is_empty());
    // Git's own hook of a new worktree does the same; a run of it is in nobody's cache but the shared one.
    env.git_in("team.git", ["worktree", "add", "-q", "-b", "other", "../two", "main"]).ok();
    copy_dir(&env.repo("results"), &env.path("two/results"));
    env.select_in("two", SECOND);
    env.git_in("two", ["commit", "-q", "-am", "x"]).ok();
    assert!(!env.path("two/.dvc/cache").exists());
    env.git_in("team.git", ["worktree", "remove", "../two"]).ok();
    env.git_in("one", ["merge", "-q", "other"]).ok();
    assert_eq!(env.runs_in("one"), [SECOND, FIRST]);
    // The sibling: one that has worked with a cache of its own brings it along.
    env.set("CAPTURE_HOOK", "0");
    env.git_in("team.git", ["worktree", "add", "-q", "-b", "third", "../three", "main"]).ok();
    env.unset("CAPTURE_HOOK");
    let own = Path::new("three/.dvc/cache");
    copy_dir(&env.path("team.git/capture-hook/cache"), &env.path(own));
    fs::remove_dir_all(env.path("team.git/capture-hook/cache")).unwrap();
    env.hook_in("three", ["install"]).ok();
    env.git_in("team.git", ["worktree", "remove", "../three"]).ok();
    fs::remove_dir_all(env.path("one/data/captures")).unwrap();
    env.hook_in("one", ["pull"]).ok();
    assert_eq!(env.runs_in("one"), [SECOND, FIRST]);
}

/// G6: A linked worktree finds the clone's cache and its remotes, also after both were moved, and where the tracked
/// settings name a cache relative to the main one.
#[test]
fn a_linked_worktree_finds_cache_and_remotes_wherever_it_lies() {
    let env = TestEnv::committed_native();
    env.git(["worktree", "add", "-q", "-b", "other", "../trees/deep/one"]).ok();
    let local = |tree: &str| fs::read_to_string(env.path(tree).join(".dvc/config.local")).unwrap();
    assert!(local("trees/deep/one").contains("dir = \"../../../../repo/.dvc/cache\""), "{}", local("trees/deep/one"));
    let doctor = env.hook_in("trees/deep/one", ["doctor"]).ok();
    assert!(doctor.stdout.contains("storage: "), "{}", doctor.stdout);
    fs::create_dir(env.path("moved")).unwrap();
    fs::rename(env.path("repo"), env.path("moved/repo")).unwrap();
    fs::rename(env.path("trees"), env.path("moved/trees")).unwrap();
    let tree = "moved/trees/deep/one";
    env.git_in("moved/repo", ["worktree", "repair", "../trees/deep/one"]).ok();
    let commit = |key: &str| {
        copy_dir(&env.path("moved/repo/results"), &env.path(tree).join("results"));
        env.select_in(tree, key);
        env.git_in(tree, ["commit", "-q", "-am", key]).ok();
        assert!(!env.path(tree).join(".dvc/cache").exists());
    };
    commit(SECOND);
    // As an earlier release wrote it: the old place, absolute. It is named, and mended before anything is written there.
    let gone = env.path("repo/.dvc/cache");
    fs::write(env.path(tree).join(".dvc/config.local"), format!("[cache]\n    dir = {}\n", gone.display())).unwrap();
    let doctor = env.hook_in(tree, ["doctor"]).fails(1);
    assert!(
        doctor.stdout.contains(gone.to_str().unwrap()) && doctor.stdout.contains("capture-hook install"),
        "{}",
        doctor.stdout
    );
    commit(THIRD);
    assert!(!gone.exists());
    assert!(
        local(tree).contains("../../../../repo/.dvc/cache") && local(tree).contains("dvc-remote"),
        "{}",
        local(tree)
    );
    assert_eq!(env.runs_in(tree).len(), 3);

    // The sibling: a tracked path relative to the main working tree, seen from another depth; a file that only its owner reads.
    fs::rename(env.path("moved/repo/.dvc/cache"), env.path("moved/shared")).unwrap();
    env.dvc_in("moved/repo", ["config", "cache.dir", "../shared"]).ok();
    env.git_in("moved/repo", ["commit", "-q", "-am", "A cache beside the clone"]).ok();
    let main_local = env.path("moved/repo/.dvc/config.local");
    fs::set_permissions(&main_local, fs::Permissions::from_mode(0o600)).unwrap();
    env.git_in("moved/repo", ["worktree", "add", "-q", "-b", "third", "../trees/two"]).ok();
    let two = env.hook_in("moved/trees/two", ["doctor"]).ok();
    assert!(two.stdout.contains(env.path("moved/shared").to_str().unwrap()), "{}", two.stdout);
    assert_eq!(env.runs_in("moved/trees/two"), [FIRST]);
    assert_eq!(mode(&env.path("moved/trees/two/.dvc/config.local")), 0o600);
    // A cache that the user named himself stays.
    let named = format!("[cache]\n    dir = {}\n", env.path("mine").display());
    fs::create_dir(env.path("mine")).unwrap();
    fs::write(env.path("moved/trees/two/.dvc/config.local"), &named).unwrap();
    env.hook_in("moved/trees/two", ["install"]).ok();
    assert_eq!(local("moved/trees/two"), named);
}

/// G8: With `cache.shared = group`, every directory that comes to be in the cache is open to the group.
#[test]
fn a_shared_cache_stays_open_to_the_group() {
    let env = TestEnv::committed_native();
    env.git(["push", "-q", "origin", "main"]).ok();
    let cache = env.path("fresh/deep/cache");
    env.dvc(["config", "--local", "cache.dir", cache.to_str().unwrap()]).ok();
    env.dvc(["config", "--local", "cache.shared", "group"]).ok();
    env.select(SECOND);
    env.git(["commit", "-q", "-am", "x"]).ok();
    // One more, of a run that is fetched.
    env.hook(["get", FIRST, "-o", "../got"]).ok();
    let mut dirs = vec![env.path("fresh")];
    for file in files(&cache) {
        dirs.extend(file.ancestors().skip(1).take_while(|dir| *dir != env.path("")).map(Path::to_path_buf));
        assert_eq!(mode(&file), 0o444, "{}", file.display());
    }
    assert!(dirs.len() > 10);
    for dir in dirs {
        assert_eq!(mode(&dir), 0o2775, "{}", dir.display());
    }
}

/// G8: What is kept in git's directory follows git's own modes; a lock that another user holds open to read serves; one
/// that is closed is told with the command that opens it; a note that cannot be written stops no push.
#[test]
fn users_who_share_a_repository_do_not_lock_each_other_out() {
    let env = TestEnv::committed_native();
    env.git(["config", "core.sharedRepository", "group"]).ok();
    let state = env.repo(".git/capture-hook");
    fs::remove_dir_all(&state).unwrap();
    fs::set_permissions(env.repo(".git"), fs::Permissions::from_mode(0o2775)).unwrap();
    env.select(SECOND);
    env.git(["commit", "-q", "-am", "x"]).ok();
    env.git(["push", "-q", "--follow-tags", "origin", "main"]).ok();
    assert_eq!((mode(&state), mode(&state.join("tmp"))), (0o2775, 0o2775));
    for name in ["lock", "pushed-tags"] {
        assert_eq!(mode(&state.join(name)), 0o664, "{name}");
    }
    // As the first user's in a repository that is open to others: readable, not writable. Root heeds no mode, so the other
    // user is a real one there.
    let all = |path: &Path, mode: &str| env.run_in(".", "chmod", ["-R", mode, path.to_str().unwrap()]).ok();
    all(&env.path(""), "a+rwX");
    all(&state, "a-w,a+rX");
    let git = crate::env::which("git");
    let wrapped = env.script("bin/git",
        &format!(
            "#!/bin/sh\n[ \"$(id -u)\" = 0 ] || exec {0} \"$@\"\nexec setpriv --reuid=65534 --regid=65534 --clear-groups {0} \"$@\"\n",
            git.display()
        ),
    );
    env.git(["config", "--global", "safe.directory", "*"]).ok();
    let git = |args: &[&str]| env.run_in("repo", &wrapped, args);
    env.select(THIRD);
    git(&["commit", "-q", "-am", "y"]).ok();
    let output = git(&["push", "-q", "--follow-tags", "origin", "main"]).ok();
    assert_snapshot!(env.screen(&output), @"
    sending data of commit [commit] (results/sweep/run-20260106-041) to the DVC remote
    warning: pre-push: cannot write [env]/repo/.git/capture-hook/pushed-tags
    warning: Permission denied (os error 13)
    hint: as its owner or root, run `chgrp -R [gid] [env]/repo/.git/capture-hook && chmod -R g+rwX [env]/repo/.git/capture-hook`
    hint: run `git config core.sharedRepository group` to keep new files open to the group
    ");
    assert_eq!(env.id("origin/main"), env.id("HEAD"));
    env.select(FIRST);
    all(&state.join("lock"), "a-rwx");
    let output = git(&["commit", "-q", "-am", "z"]).fails(1);
    assert_snapshot!(env.screen(&output), @"
    error: cannot open [env]/repo/.git/capture-hook/lock
    caused by: Permission denied (os error 13)
    hint: as its owner or root, run `chgrp -R [gid] [env]/repo/.git/capture-hook && chmod -R g+rwX [env]/repo/.git/capture-hook`
    hint: run `git config core.sharedRepository group` to keep new files open to the group
    ");
}
