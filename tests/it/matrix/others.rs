//! Living with others: hooks that were there, worktrees, submodules, odd places.

use std::fs;

use super::{Case, FIRST, SECOND, THIRD, clean, commit_run, runs_at, script, tags};
use crate::hooks::{select, select_in};
use crate::tools;
use crate::world::{VIEWS, World, copy_dir};

pub const CASES: &[Case] = &[
    Case { line: "a shell hook, a binary and a link are chained, and restored to the bit", run: chained },
    Case { line: "a chained hook's failure stops the commit, its arguments arrive", run: chained_fails },
    Case { line: "install twice, after another tool wrote over us, and two hooks in one place", run: reinstall },
    Case { line: "core.hooksPath: local, global, empty", run: hooks_path },
    Case { line: "a linked worktree: its own index, its own rebase", run: worktree },
    Case { line: "a submodule", run: submodule },
    Case { line: "DVC in a subdirectory of the repository", run: subdirectory },
    Case { line: "PATH of /usr/bin:/bin", run: bare_path },
    Case { line: "CAPTURE_HOOK=0 turns the hooks off for one command, chained ones not", run: off },
    Case { line: "without a binary: pre-commit and pre-push stop, the others warn", run: no_binary },
    Case { line: "no dvc program: what it is for is told, unrelated commits pass", run: no_dvc },
    Case { line: "a partial clone: an extension that libgit2 refuses, blobs that are not here", run: partial_clone },
    Case { line: "a repository of another owner: one line, no checkout fails", run: ownership },
    Case { line: "autocrlf", run: autocrlf },
];

fn chained(world: World) {
    world.hook(["uninstall"]).ok();
    let hooks = world.repo(".git/hooks");
    script(&world, "repo/.git/hooks/pre-commit", "#!/bin/sh\necho shell >> log\n");
    fs::copy("/bin/true", hooks.join("prepare-commit-msg")).unwrap();
    script(&world, "repo/tools/hook", "#!/bin/sh\necho link $(basename \"$0\") >> log\n");
    std::os::unix::fs::symlink("../../tools/hook", hooks.join("post-commit")).unwrap();
    let look = || {
        let mut seen = Vec::new();
        for entry in fs::read_dir(&hooks).unwrap() {
            let path = entry.unwrap().path();
            let meta = fs::symlink_metadata(&path).unwrap();
            let what = if meta.is_symlink() {
                fs::read_link(&path).unwrap().to_str().unwrap().into()
            } else {
                fs::read(&path).unwrap()
            };
            seen.push((path, meta.permissions(), what));
        }
        seen.sort_by(|a, b| a.0.cmp(&b.0));
        seen
    };
    let before = look();
    let said = world.hook(["install"]).ok();
    assert!(said.err.contains("they still run: pre-commit, prepare-commit-msg, post-commit"), "{}", said.err);
    commit_run(&world, SECOND);
    let log = fs::read_to_string(world.repo("log")).unwrap();
    assert!(log.contains("shell\n") && log.contains("link "), "{log}");
    assert_eq!(tags(&world).len(), 2);
    world.hook(["uninstall"]).ok();
    assert!(look() == before);
}

fn chained_fails(world: World) {
    world.hook(["uninstall"]).ok();
    script(&world, "repo/.git/hooks/commit-msg", "#!/bin/sh\ngrep -q allowed \"$1\"\n");
    world.hook(["install"]).ok();
    select(&world, SECOND);
    let head = super::id(&world, "HEAD");
    world.git(["commit", "-q", "-am", "no"]).fails(1);
    assert_eq!(super::id(&world, "HEAD"), head);
    world.git(["commit", "-q", "-am", "allowed"]).ok();
    clean(&world);
}

fn reinstall(world: World) {
    let said = world.hook(["install"]).ok();
    assert!(said.err.contains("are in place"), "{}", said.err);
    script(&world, "repo/.git/hooks/pre-commit", "#!/bin/sh\necho other >> log\n");
    world.hook(["install"]).ok();
    commit_run(&world, SECOND);
    assert_eq!(fs::read_to_string(world.repo("log")).unwrap(), "other\n");
    script(&world, "repo/.git/hooks/pre-commit", "#!/bin/sh\necho third >> log\n");
    world.hook(["install"]).fails(3);
    world.hook(["install", "--force"]).ok();
    commit_run(&world, THIRD);
    assert_eq!(fs::read_to_string(world.repo("log")).unwrap(), "other\nthird\n");
}

fn hooks_path(world: World) {
    world.hook(["uninstall"]).ok();
    world.git(["config", "core.hooksPath", "my hooks"]).ok();
    world.hook(["install"]).ok();
    commit_run(&world, SECOND);
    assert!(world.repo("my hooks/pre-commit").exists());
    assert_eq!(tags(&world).len(), 2);
    world.hook(["uninstall"]).ok();
    world.git(["config", "--unset", "core.hooksPath"]).ok();
    let outside = world.path("home/hooks");
    world.git(["config", "--global", "core.hooksPath", outside.to_str().unwrap()]).ok();
    let said = world.hook(["install"]).fails(3);
    assert!(said.err.contains("outside this repository") && said.err.contains("--force"), "{}", said.err);
    assert!(!outside.exists());
    world.hook(["install", "--force"]).ok();
    commit_run(&world, THIRD);
    assert_eq!(tags(&world).len(), 3);
    // A repository without a project is left in peace by hooks of all repositories.
    world.git_in(".", ["init", "-q", "plain"]).ok();
    assert_eq!(world.git_in("plain", ["commit", "-q", "--allow-empty", "-m", "x"]).ok().all(), "");
    world.git(["config", "--global", "core.hooksPath", ""]).ok();
    let said = world.hook(["install"]).fails(3);
    assert!(said.err.contains("set to nothing"), "{}", said.err);
}

fn worktree(mut world: World) {
    world.git(["branch", "other"]).ok();
    world.git(["worktree", "add", "-q", "../tree", "other"]).ok();
    copy_dir(&world.repo("results"), &world.path("tree/results"));
    // A rebase that stands still in the main working tree is none of the worktree's.
    fs::write(world.repo("readme.txt"), "b\n").unwrap();
    world.git(["commit", "-q", "-am", "words"]).ok();
    world.set("GIT_SEQUENCE_EDITOR", "sed -i -e '1s/pick/edit/'");
    world.git(["rebase", "-q", "-i", "HEAD~1"]).ok();
    select_in(&world, "tree", SECOND);
    world.git_in("tree", ["commit", "-q", "-m", "x", "--", "params.yaml"]).ok();
    assert_eq!(world.git_in("tree", ["status", "--porcelain"]).ok().out, "");
    assert!(tags(&world).contains(&format!("capture/{SECOND}")));
    world.git(["rebase", "--continue"]).ok();
    assert_eq!(runs_at(&world, "other"), [SECOND, FIRST]);
}

fn submodule(world: World) {
    world.git_in(".", ["init", "-q", "outer"]).ok();
    world.git(["push", "-q", "--no-verify", "origin", "main"]).ok();
    let url = world.path("origin.git");
    world.git_in("outer", ["submodule", "--quiet", "add", url.to_str().unwrap(), "inner"]).ok();
    fs::copy(world.repo(".dvc/config.local"), world.path("outer/inner/.dvc/config.local")).unwrap();
    world.hook(["push", "HEAD"]).ok();
    world.hook_in("outer/inner", ["install"]).ok();
    assert!(world.path("outer/.git/modules/inner/hooks/pre-commit").exists());
    world.hook_in("outer/inner", ["pull"]).ok();
    copy_dir(&world.repo("results"), &world.path("outer/inner/results"));
    select_in(&world, "outer/inner", SECOND);
    world.git_in("outer/inner", ["commit", "-q", "-am", "x"]).ok();
    assert_eq!(world.git_in("outer/inner", ["status", "--porcelain"]).ok().out, "");
    assert!(world.git_in("outer/inner", ["tag"]).ok().out.contains(SECOND));
}

fn subdirectory(world: World) {
    world.git_in(".", ["init", "-q", "mono"]).ok();
    fs::create_dir_all(world.path("mono/sim/deep")).unwrap();
    world.hook_in("mono/sim", ["init", "--subdir"]).ok();
    copy_dir(&world.repo("results"), &world.path("mono/sim/results"));
    world.git_in("mono", ["add", "-A"]).ok();
    world.git_in("mono", ["commit", "-q", "-m", "Set up"]).ok();
    select_in(&world, "mono/sim", SECOND);
    world.git_in("mono/sim/deep", ["commit", "-q", "-am", "x"]).ok();
    assert_eq!(world.git_in("mono", ["status", "--porcelain"]).ok().out, "");
    let files = world.git_in("mono", ["show", "--format=", "--name-only"]).ok().out;
    assert_eq!(files, format!("sim/dvc.lock\n{}sim/params.yaml\n", VIEWS.replace("metrics/", "sim/metrics/")));
    select_in(&world, "mono/sim", THIRD);
    world.git_in("mono", ["commit", "-q", "-m", "y", "--", "sim/params.yaml"]).ok();
    assert_eq!(world.git_in("mono", ["status", "--porcelain"]).ok().out, "");
    world.git_in("mono", ["checkout", "-q", "HEAD~1"]).ok();
    assert_eq!(super::runs_in(&world, "mono/sim"), [SECOND]);
    assert!(world.dvc_in("mono/sim", ["status"]).ok().out.contains("up to date"));
    world.git_in("mono", ["checkout", "-q", "main"]).ok();
    assert_eq!(super::runs_in(&world, "mono/sim"), [SECOND, THIRD]);
}

fn bare_path(mut world: World) {
    let dvc = tools::dvc_bin().join("dvc");
    world.git(["config", "capture-hook.dvc", dvc.to_str().unwrap()]).ok();
    world.set("PATH", "/usr/bin:/bin");
    let git = fs::canonicalize(crate::world::which("git")).unwrap();
    let run = |args: &[&str]| world.run_in("repo", git.to_str().unwrap(), args).ok();
    select(&world, SECOND);
    run(&["commit", "-q", "-am", "x"]);
    assert_eq!(run(&["status", "--porcelain"]).out, "");
    assert!(run(&["tag"]).out.contains(SECOND));
}

fn off(mut world: World) {
    script(&world, "repo/.git/hooks/pre-commit.capture-hook-chained", "#!/bin/sh\necho ran >> .git/log\n");
    world.set("CAPTURE_HOOK", "0");
    commit_run(&world, SECOND);
    assert_eq!(fs::read_to_string(world.repo(".git/log")).unwrap(), "ran\n");
    assert_eq!(tags(&world).len(), 1);
    assert_eq!(world.git(["show", "--format=", "--name-only"]).ok().out, "params.yaml\n");
    world.set("CAPTURE_HOOK", "1");
    world.git(["commit", "-q", "--allow-empty", "-m", "x"]).ok();
}

fn no_binary(mut world: World) {
    for hook in fs::read_dir(world.repo(".git/hooks")).unwrap() {
        let path = hook.unwrap().path();
        let text = fs::read_to_string(&path).unwrap_or_default();
        if text.contains("capture-hook shim") {
            fs::write(&path, text.replace(crate::world::BIN, "/nothing/capture-hook")).unwrap();
        }
    }
    let path = std::env::join_paths(world.search_path().filter(|dir| !dir.join("capture-hook").exists())).unwrap();
    world.set("PATH", path.to_str().unwrap());
    let said = world.git(["commit", "--allow-empty", "-m", "x"]).fails(1);
    assert!(
        said.err.contains("no capture-hook on PATH, nor at /nothing/capture-hook") && said.err.contains("hint:"),
        "{}",
        said.err
    );
    let said = world.git(["commit", "--no-verify", "--allow-empty", "-m", "x"]).ok();
    assert!(said.err.contains("warning: post-commit"), "{}", said.err);
    world.git(["checkout", "-q", "-b", "new"]).ok();
    world.git(["push", "origin", "new"]).fails(1);
    world.git(["push", "-q", "--no-verify", "origin", "new"]).ok();
}

fn no_dvc(mut world: World) {
    let path = std::env::join_paths(world.search_path().filter(|dir| !dir.join("dvc").exists())).unwrap();
    world.set("PATH", path.to_str().unwrap());
    fs::write(world.repo("readme.txt"), "b\n").unwrap();
    world.git(["commit", "-q", "-am", "words"]).ok();
    select(&world, SECOND);
    let said = world.git(["commit", "-am", "x"]).fails(1);
    assert!(said.err.contains("no `dvc` program found") && said.err.contains("pipx install dvc"), "{}", said.err);
    world.git(["checkout", "-q", "-f", "HEAD~1"]).ok();
}

fn partial_clone(world: World) {
    commit_run(&world, SECOND);
    world.git(["push", "-q", "origin", "main"]).ok();
    world.git_in("origin.git", ["config", "uploadpack.allowFilter", "true"]).ok();
    let url = format!("file://{}", world.path("origin.git").display());
    world.git_in(".", ["clone", "-q", "--filter=blob:none", &url, "odd"]).ok();
    fs::copy(world.repo(".dvc/config.local"), world.path("odd/.dvc/config.local")).unwrap();
    world.hook_in("odd", ["install"]).ok();
    world.hook_in("odd", ["pull"]).ok();
    copy_dir(&world.repo("results"), &world.path("odd/results"));
    select_in(&world, "odd", THIRD);
    world.git_in("odd", ["commit", "-q", "-m", "x", "--", "params.yaml"]).ok();
    assert_eq!(world.git_in("odd", ["status", "--porcelain"]).ok().out, "");
    let format = "--format=%(trailers:key=Capture-Run,valueonly)";
    assert_eq!(world.git_in("odd", ["log", "-1", format]).ok().out.trim(), THIRD);
    world.git_in("odd", ["commit", "-q", "--amend", "-m", "words"]).ok();
    assert_eq!(world.git_in("odd", ["log", "-1", format]).ok().out.trim(), THIRD);
    assert_eq!(world.git_in("odd", ["tag", "--points-at", "HEAD"]).ok().out.trim(), format!("capture/{THIRD}"));
    // With nobody to ask for blobs: what a commit needs is here, and no hook asks for more.
    fs::rename(world.path("origin.git"), world.path("away.git")).unwrap();
    fs::write(world.path("odd/readme.txt"), "b\n").unwrap();
    assert_eq!(world.git_in("odd", ["commit", "-q", "-am", "words"]).ok().err, "");
    world.git_in("odd", ["commit", "-q", "--amend", "-m", "other words"]).ok();
    select_in(&world, "odd", FIRST);
    world.git_in("odd", ["commit", "-q", "-am", "the first again"]).ok();
    fs::rename(world.path("away.git"), world.path("origin.git")).unwrap();
    world.git_in("odd", ["checkout", "-q", "HEAD~3"]).ok();
    assert_eq!(super::runs_in(&world, "odd"), [SECOND, FIRST]);
    world.git_in("odd", ["checkout", "-q", "main"]).ok();
    world.git_in("odd", ["push", "-q", "origin", "main"]).ok();
}

fn ownership(mut world: World) {
    let head = world.git(["rev-parse", "HEAD"]).ok().out.trim().to_owned();
    // libgit2 asks the file system for the owner; git's own tests make git itself distrust it so, and an extension that
    // libgit2 does not know makes us ask git.
    for (key, value) in [("core.repositoryFormatVersion", "1"), ("extensions.partialClone", "origin")] {
        world.git(["config", key, value]).ok();
    }
    world.set("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1");
    world.git(["status"]).fails(128);
    for args in [&["status"][..], &["pull"], &["hook", "pre-commit"]] {
        let said = world.hook(args).fails(3);
        assert!(said.err.contains("another user owns it") && said.err.contains("safe.directory"), "{}", said.err);
    }
    let said = world.hook(["hook", "post-checkout", &head, &head, "1"]).ok();
    assert!(said.err.contains("safe.directory") && !said.err.contains("panicked"), "{}", said.err);
}

fn autocrlf(world: World) {
    world.git(["config", "core.autocrlf", "true"]).ok();
    commit_run(&world, SECOND);
    assert_eq!(world.git(["status", "--porcelain"]).ok().out, "");
    world.git(["checkout", "-q", "HEAD~1"]).ok();
    world.git(["checkout", "-q", "main"]).ok();
    clean(&world);
    commit_run(&world, THIRD);
    assert_eq!(runs_at(&world, "HEAD"), [SECOND, FIRST, THIRD]);
}
