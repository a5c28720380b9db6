//! Living with others: hooks that were there, worktrees, submodules, odd places.

use std::fs;

use insta::assert_snapshot;

use crate::env::{FIRST, SECOND, THIRD, TestEnv, VIEWS, copy_dir};
use crate::tools;

/// E11: A shell hook, a binary and a link are chained, and restored to the bit.
#[test]
fn chained_hooks_run_and_are_restored() {
    TestEnv::committed().case(|env| {
        env.hook(["uninstall"]).ok();
        let hooks = env.repo(".git/hooks");
        env.script("repo/.git/hooks/pre-commit", "#!/bin/sh\necho shell >> log\n");
        fs::copy("/bin/true", hooks.join("prepare-commit-msg")).unwrap();
        env.script("repo/tools/hook", "#!/bin/sh\necho link $(basename \"$0\") >> log\n");
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
        let output = env.hook(["install"]).ok();
        assert_snapshot!(env.screen(&output), @"
        wrote to [env]/repo/.git/hooks: pre-commit, prepare-commit-msg, commit-msg, post-commit, post-rewrite, post-checkout, post-merge, pre-push
        kept the existing hooks, which still run: pre-commit, prepare-commit-msg, post-commit
        set up the merge drivers in .git/config
        ");
        env.commit_run(SECOND);
        let log = fs::read_to_string(env.repo("log")).unwrap();
        assert!(log.contains("shell\n") && log.contains("link "), "{log}");
        assert_eq!(env.tags().len(), 2);
        env.hook(["uninstall"]).ok();
        assert!(look() == before);
    });
}

/// E11: The failure of a chained hook stops the commit, and its arguments arrive.
#[test]
fn a_chained_hook_can_stop_the_commit() {
    TestEnv::committed().case(|env| {
        env.hook(["uninstall"]).ok();
        env.script("repo/.git/hooks/commit-msg", "#!/bin/sh\ngrep -q allowed \"$1\"\n");
        env.hook(["install"]).ok();
        env.select(SECOND);
        let head = env.id("HEAD");
        env.git(["commit", "-q", "-am", "no"]).fails(1);
        assert_eq!(env.id("HEAD"), head);
        env.git(["commit", "-q", "-am", "allowed"]).ok();
        env.assert_committed();
    });
}

/// E11: `install` twice, after another tool replaced our hook, and with two hooks in one place.
#[test]
fn install_again_chains_what_took_its_place() {
    TestEnv::committed().case(|env| {
        let output = env.hook(["install"]).ok();
        assert_snapshot!(env.screen(&output), @"the hooks in [env]/repo/.git/hooks are in place");
        env.script("repo/.git/hooks/pre-commit", "#!/bin/sh\necho other >> log\n");
        env.hook(["install"]).ok();
        env.commit_run(SECOND);
        assert_eq!(fs::read_to_string(env.repo("log")).unwrap(), "other\n");
        env.script("repo/.git/hooks/pre-commit", "#!/bin/sh\necho third >> log\n");
        assert_snapshot!(env.screen(&env.hook(["install"]).fails(3)), @"
        error: cannot keep two hooks: [env]/repo/.git/hooks/pre-commit and the one kept earlier, [env]/repo/.git/hooks/pre-commit.capture-hook-chained
        hint: remove one of them, or rename the older one: `mv [env]/repo/.git/hooks/pre-commit.capture-hook-chained [env]/repo/.git/hooks/pre-commit.capture-hook-chained.old`
        hint: or keep the newer one and rename the older: `capture-hook install --force`
        ");
        env.hook(["install", "--force"]).ok();
        env.commit_run(THIRD);
        assert_eq!(fs::read_to_string(env.repo("log")).unwrap(), "other\nthird\n");
    });
}

/// E11: `core.hooksPath`: local, global, empty.
#[test]
fn hooks_path_is_respected() {
    TestEnv::committed().case(|env| {
        env.hook(["uninstall"]).ok();
        env.git(["config", "core.hooksPath", "my hooks"]).ok();
        env.hook(["install"]).ok();
        env.commit_run(SECOND);
        assert!(env.repo("my hooks/pre-commit").exists());
        assert_eq!(env.tags().len(), 2);
        env.hook(["uninstall"]).ok();
        env.git(["config", "--unset", "core.hooksPath"]).ok();
        let outside = env.path("home/hooks");
        env.git(["config", "--global", "core.hooksPath", outside.to_str().unwrap()]).ok();
        let output = env.hook(["install"]).fails(3);
        assert_snapshot!(env.screen(&output), @"
        error: git's hooks directory lies outside this repository: [env]/home/hooks
        hint: it is set in your own or the system's git settings; every repository that uses it would run our hooks
        hint: for hooks of this repository only: `git config --local core.hooksPath .git/hooks`
        hint: to write there anyway: `capture-hook install --force`
        ");
        assert!(!outside.exists());
        env.hook(["install", "--force"]).ok();
        env.commit_run(THIRD);
        assert_eq!(env.tags().len(), 3);
        // A repository without a project is left in peace by hooks of all repositories.
        env.git_in(".", ["init", "-q", "plain"]).ok();
        assert_eq!(env.git_in("plain", ["commit", "-q", "--allow-empty", "-m", "x"]).ok().both(), "");
        env.git(["config", "--global", "core.hooksPath", ""]).ok();
        let output = env.hook(["install"]).fails(3);
        assert_snapshot!(env.screen(&output), @"
        error: git runs no hooks in this repository: core.hooksPath is empty
        hint: find out where it is set: `git config --show-origin core.hooksPath`; unset it there
        ");
    });
}

/// E1, E3, E4, C2: A linked working tree has its own index and its own rebase.
#[test]
fn a_linked_worktree_has_its_own_index() {
    TestEnv::committed().case(|env| {
        env.git(["branch", "other"]).ok();
        env.git(["worktree", "add", "-q", "../tree", "other"]).ok();
        copy_dir(&env.repo("results"), &env.path("tree/results"));
        // A rebase that stands still in the main working tree is none of the worktree's.
        fs::write(env.repo("readme.txt"), "b\n").unwrap();
        env.git(["commit", "-q", "-am", "words"]).ok();
        env.set("GIT_SEQUENCE_EDITOR", "sed -i -e '1s/pick/edit/'");
        env.git(["rebase", "-q", "-i", "HEAD~1"]).ok();
        env.select_in("tree", SECOND);
        env.git_in("tree", ["commit", "-q", "-m", "x", "--", "params.yaml"]).ok();
        assert_eq!(env.git_in("tree", ["status", "--porcelain"]).ok().stdout, "");
        assert!(env.tags().contains(&format!("capture/{SECOND}")));
        env.git(["rebase", "--continue"]).ok();
        assert_eq!(env.runs_at("other"), [SECOND, FIRST]);
    });
}

/// A submodule commits its runs.
#[test]
fn a_submodule_commits_its_runs() {
    TestEnv::committed().case(|env| {
        env.git_in(".", ["init", "-q", "outer"]).ok();
        env.git(["push", "-q", "--no-verify", "origin", "main"]).ok();
        let url = env.path("origin.git");
        env.git_in("outer", ["submodule", "--quiet", "add", url.to_str().unwrap(), "inner"]).ok();
        fs::copy(env.repo(".dvc/config.local"), env.path("outer/inner/.dvc/config.local")).unwrap();
        env.hook(["push", "HEAD"]).ok();
        env.hook_in("outer/inner", ["install"]).ok();
        assert!(env.path("outer/.git/modules/inner/hooks/pre-commit").exists());
        env.hook_in("outer/inner", ["pull"]).ok();
        copy_dir(&env.repo("results"), &env.path("outer/inner/results"));
        env.select_in("outer/inner", SECOND);
        env.git_in("outer/inner", ["commit", "-q", "-am", "x"]).ok();
        assert_eq!(env.git_in("outer/inner", ["status", "--porcelain"]).ok().stdout, "");
        assert!(env.git_in("outer/inner", ["tag"]).ok().stdout.contains(SECOND));
    });
}

/// DVC in a subdirectory of the repository commits its runs.
#[test]
fn dvc_in_a_subdirectory_commits_its_runs() {
    TestEnv::committed().case(|env| {
        env.git_in(".", ["init", "-q", "mono"]).ok();
        fs::create_dir_all(env.path("mono/sim/deep")).unwrap();
        env.hook_in("mono/sim", ["init", "--subdir"]).ok();
        copy_dir(&env.repo("results"), &env.path("mono/sim/results"));
        env.git_in("mono", ["add", "-A"]).ok();
        env.git_in("mono", ["commit", "-q", "-m", "Set up"]).ok();
        env.select_in("mono/sim", SECOND);
        env.git_in("mono/sim/deep", ["commit", "-q", "-am", "x"]).ok();
        assert_eq!(env.git_in("mono", ["status", "--porcelain"]).ok().stdout, "");
        let files = env.git_in("mono", ["show", "--format=", "--name-only"]).ok().stdout;
        assert_eq!(files, format!("sim/dvc.lock\n{}sim/params.yaml\n", VIEWS.replace("metrics/", "sim/metrics/")));
        env.select_in("mono/sim", THIRD);
        env.git_in("mono", ["commit", "-q", "-m", "y", "--", "sim/params.yaml"]).ok();
        assert_eq!(env.git_in("mono", ["status", "--porcelain"]).ok().stdout, "");
        env.git_in("mono", ["checkout", "-q", "HEAD~1"]).ok();
        assert_eq!(env.runs_in("mono/sim"), [SECOND]);
        assert!(env.ask_dvc_in("mono/sim", ["status"]).ok().stdout.contains("up to date"));
        env.git_in("mono", ["checkout", "-q", "main"]).ok();
        assert_eq!(env.runs_in("mono/sim"), [SECOND, THIRD]);
    });
}

/// E5: A `PATH` of /usr/bin:/bin is enough if git knows where DVC is.
#[test]
fn a_bare_path_is_enough() {
    TestEnv::committed().case(|env| {
        let dvc = tools::dvc_bin().join("dvc");
        env.git(["config", "capture-hook.dvc", dvc.to_str().unwrap()]).ok();
        env.set("PATH", "/usr/bin:/bin");
        let git = fs::canonicalize(crate::env::which("git")).unwrap();
        let run = |args: &[&str]| env.run_in("repo", git.to_str().unwrap(), args).ok();
        env.select(SECOND);
        run(&["commit", "-q", "-am", "x"]);
        assert_eq!(run(&["status", "--porcelain"]).stdout, "");
        assert!(run(&["tag"]).stdout.contains(SECOND));
    });
}

/// `CAPTURE_HOOK=0` turns our hooks off for one command, and leaves chained ones on.
#[test]
fn the_switch_turns_off_our_hooks_alone() {
    TestEnv::committed().case(|env| {
        env.script("repo/.git/hooks/pre-commit.capture-hook-chained", "#!/bin/sh\necho ran >> .git/log\n");
        env.set("CAPTURE_HOOK", "0");
        env.commit_run(SECOND);
        assert_eq!(fs::read_to_string(env.repo(".git/log")).unwrap(), "ran\n");
        assert_eq!(env.tags().len(), 1);
        assert_eq!(env.git(["show", "--format=", "--name-only"]).ok().stdout, "params.yaml\n");
        env.set("CAPTURE_HOOK", "1");
        env.git(["commit", "-q", "--allow-empty", "-m", "x"]).ok();
    });
}

/// Without our program, pre-commit and pre-push stop, and the other hooks warn.
#[test]
fn without_the_program_commits_and_pushes_stop() {
    TestEnv::committed().case(|env| {
        for hook in fs::read_dir(env.repo(".git/hooks")).unwrap() {
            let path = hook.unwrap().path();
            let text = fs::read_to_string(&path).unwrap_or_default();
            if text.contains("capture-hook shim") {
                fs::write(&path, text.replace(crate::env::BIN, "/nothing/capture-hook")).unwrap();
            }
        }
        let path = std::env::join_paths(env.search_path().filter(|dir| !dir.join("capture-hook").exists())).unwrap();
        env.set("PATH", path.to_str().unwrap());
        let output = env.git(["commit", "--allow-empty", "-m", "x"]).fails(1);
        assert_snapshot!(env.screen(&output), @"
        error: pre-commit: there is no capture-hook on PATH, nor at /nothing/capture-hook
        hint: install it again, or turn the hooks off for one command: CAPTURE_HOOK=0 git ...
        ");
        let output = env.git(["commit", "--no-verify", "--allow-empty", "-m", "x"]).ok();
        assert_snapshot!(env.screen(&output), @"
        [main [commit]] x
        --- stderr
        warning: prepare-commit-msg: not run: there is no capture-hook on PATH, nor at /nothing/capture-hook
        warning: post-commit: not run: there is no capture-hook on PATH, nor at /nothing/capture-hook
        ");
        env.git(["checkout", "-q", "-b", "new"]).ok();
        env.git(["push", "origin", "new"]).fails(1);
        env.git(["push", "-q", "--no-verify", "origin", "new"]).ok();
    });
}

/// E5, D2: Without a `dvc` program, unrelated commits pass, and one of a run says what is missing.
#[test]
fn without_dvc_unrelated_commits_pass() {
    TestEnv::committed().case(|env| {
        let path = std::env::join_paths(env.search_path().filter(|dir| !dir.join("dvc").exists())).unwrap();
        env.set("PATH", path.to_str().unwrap());
        fs::write(env.repo("readme.txt"), "b\n").unwrap();
        env.git(["commit", "-q", "-am", "words"]).ok();
        env.select(SECOND);
        let output = env.git(["commit", "-am", "x"]).fails(1);
        assert_snapshot!(env.screen(&output), @"
        dvc repro -s capture_ingest
        error: no `dvc` program found
        hint: install it: `pipx install dvc` (add `[s3]`, `[gs]`, `[ssh]`… for such a remote)
        hint: or set its path: `git config capture-hook.dvc /path/to/dvc`
        ");
        env.git(["checkout", "-q", "-f", "HEAD~1"]).ok();
    });
}

/// D2: `doctor` says that a DVC is too old.
#[test]
fn doctor_says_that_a_dvc_is_too_old() {
    TestEnv::committed().case(|env| {
        let old = env.script("old/dvc", "#!/bin/sh\necho 2.58.2\n");
        env.set("CAPTURE_HOOK_DVC", &old);
        let output = env.hook(["doctor"]).fails(1);
        let at = output.stdout.find(" DVC ").unwrap();
        let lines: Vec<&str> = output.stdout[at..].lines().take(2).collect();
        assert_snapshot!(env.mask(&lines.join("\n")), @"
        DVC                DVC 2.58.2 at [env]/old/dvc is too old; 3.0 or newer is needed
                                  fix: upgrade it in its environment: `pip install --upgrade dvc`
        ");
    });
}

/// Some programs start others with SIGCHLD ignored; the exit codes of what we start are known all the same.
#[test]
fn exit_codes_are_known_if_sigchld_is_ignored() {
    let env = TestEnv::initialized();
    let script = "import os, signal\n\
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n\
        os.execvp('capture-hook', ['capture-hook', '-v', 'runs'])\n";
    // Whether git ends before it is waited for is a matter of chance.
    for _ in 0..20 {
        let output = env.run_in("repo", "python3", ["-c", script]).ok();
        assert!(output.stderr.contains("git config") && !output.stderr.contains("not "), "{}", output.stderr);
    }
}

/// C6: A partial clone: an extension that libgit2 refuses, and blobs that are not here.
#[test]
fn a_partial_clone_commits_its_runs() {
    TestEnv::committed().case(|env| {
        env.commit_run(SECOND);
        env.git(["push", "-q", "origin", "main"]).ok();
        env.git_in("origin.git", ["config", "uploadpack.allowFilter", "true"]).ok();
        let url = format!("file://{}", env.path("origin.git").display());
        env.git_in(".", ["clone", "-q", "--filter=blob:none", &url, "odd"]).ok();
        fs::copy(env.repo(".dvc/config.local"), env.path("odd/.dvc/config.local")).unwrap();
        env.hook_in("odd", ["install"]).ok();
        env.hook_in("odd", ["pull"]).ok();
        copy_dir(&env.repo("results"), &env.path("odd/results"));
        env.select_in("odd", THIRD);
        env.git_in("odd", ["commit", "-q", "-m", "x", "--", "params.yaml"]).ok();
        assert_eq!(env.git_in("odd", ["status", "--porcelain"]).ok().stdout, "");
        let format = "--format=%(trailers:key=Capture-Run,valueonly)";
        assert_eq!(env.git_in("odd", ["log", "-1", format]).ok().stdout.trim(), THIRD);
        env.git_in("odd", ["commit", "-q", "--amend", "-m", "words"]).ok();
        assert_eq!(env.git_in("odd", ["log", "-1", format]).ok().stdout.trim(), THIRD);
        assert_eq!(env.git_in("odd", ["tag", "--points-at", "HEAD"]).ok().stdout.trim(), format!("capture/{THIRD}"));
        // Without a remote for blobs: what a commit needs is here, and no hook asks for more.
        fs::rename(env.path("origin.git"), env.path("away.git")).unwrap();
        fs::write(env.path("odd/readme.txt"), "b\n").unwrap();
        assert_eq!(env.git_in("odd", ["commit", "-q", "-am", "words"]).ok().stderr, "");
        env.git_in("odd", ["commit", "-q", "--amend", "-m", "other words"]).ok();
        env.select_in("odd", FIRST);
        env.git_in("odd", ["commit", "-q", "-am", "the first again"]).ok();
        fs::rename(env.path("away.git"), env.path("origin.git")).unwrap();
        env.git_in("odd", ["checkout", "-q", "HEAD~3"]).ok();
        assert_eq!(env.runs_in("odd"), [SECOND, FIRST]);
        env.git_in("odd", ["checkout", "-q", "main"]).ok();
        env.git_in("odd", ["push", "-q", "origin", "main"]).ok();
    });
}

/// E7: A repository of another owner: one line says so, and no checkout fails.
#[test]
fn a_repository_of_another_owner_fails_no_checkout() {
    TestEnv::committed().case(|env| {
        let head = env.git(["rev-parse", "HEAD"]).ok().stdout.trim().to_owned();
        // libgit2 asks the file system for the owner; git's own tests make git itself distrust it so, and an extension
        // that libgit2 does not know makes us ask git.
        for (key, value) in [("core.repositoryFormatVersion", "1"), ("extensions.partialClone", "origin")] {
            env.git(["config", key, value]).ok();
        }
        env.set("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1");
        env.git(["status"]).fails(128);
        for args in [&["status"][..], &["pull"], &["hook", "pre-commit"]] {
            let output = env.hook(args).fails(3);
            assert!(
                output.stderr.contains("another user owns it") && output.stderr.contains("safe.directory"),
                "{}",
                output.stderr
            );
        }
        let output = env.hook(["hook", "post-checkout", &head, &head, "1"]).ok();
        assert_snapshot!(env.screen(&output), @"
        warning: post-checkout: git does not trust the repository [env]/repo: another user owns it
        hint: if you trust it, run `git config --global --add safe.directory [env]/repo`
        ");
    });
}

/// E8: With `core.autocrlf` the data stays as it was.
#[test]
fn autocrlf_changes_no_data() {
    TestEnv::committed().case(|env| {
        env.git(["config", "core.autocrlf", "true"]).ok();
        env.commit_run(SECOND);
        assert_eq!(env.git(["status", "--porcelain"]).ok().stdout, "");
        env.git(["checkout", "-q", "HEAD~1"]).ok();
        env.git(["checkout", "-q", "main"]).ok();
        env.assert_committed();
        env.commit_run(THIRD);
        assert_eq!(env.runs_at("HEAD"), [SECOND, FIRST, THIRD]);
    });
}
