//! The workspace follows git's commands, and never stops one.

use std::fs;

use insta::assert_snapshot;

use crate::env::{FIRST, SECOND, THIRD, TestEnv, each_cache_type, tree};

/// A checkout of another data version takes it from the cache.
#[test]
fn checkout_takes_the_data_version_from_the_cache() {
    each_cache_type(TestEnv::committed_with, |env| {
        let old = tree(&env.repo("data/captures"));
        env.git(["branch", "old"]).ok();
        env.commit_run(SECOND);
        let new = tree(&env.repo("data/captures"));
        env.git(["checkout", "-q", "old"]).ok();
        assert!(tree(&env.repo("data/captures")) == old);
        env.assert_committed();
        env.git(["switch", "-q", "main"]).ok();
        assert!(tree(&env.repo("data/captures")) == new);
        env.assert_committed();
    });
}

/// A checkout of a data version that only the remote has fetches it.
#[test]
fn checkout_fetches_what_only_the_remote_has() {
    each_cache_type(TestEnv::two_versions, |env| {
        let new = tree(&env.repo("data/captures"));
        env.git(["checkout", "-q", "old"]).ok();
        only_remote_all(env);
        env.git(["checkout", "-q", "main"]).ok();
        assert!(tree(&env.repo("data/captures")) == new);
        env.assert_committed_but_for_links();
    });
}

/// Empties DVC's cache, having sent all data to the remote.
fn only_remote_all(env: &TestEnv) {
    env.hook(["push", "main", "old"]).ok();
    fs::remove_dir_all(env.repo(".dvc/cache")).unwrap();
}

/// P1, P5: While the remote is away, a checkout goes on, and the message says what to do.
#[test]
fn checkout_goes_on_without_the_remote() {
    each_cache_type(TestEnv::two_versions, |env| {
        env.git(["checkout", "-q", "old"]).ok();
        only_remote_all(env);
        fs::rename(env.path("dvc-remote"), env.path("away")).unwrap();
        let output = env.git(["checkout", "main"]).ok();
        assert_snapshot!(env.screen(&output), @"
        Switched to branch 'main'
        warning: the dataset of this commit is not checked out: the cache lacks files of data version [md5].dir, and the directory [env]/dvc-remote of the DVC remote `storage` does not exist
        hint: run `capture-hook pull` when the DVC remote can be reached
        ");
        assert_eq!(env.git(["rev-parse", "--abbrev-ref", "HEAD"]).ok().stdout, "main\n");
        let last = fs::read_to_string(env.repo(".git/capture-hook/last.json")).unwrap();
        assert!(last.contains("\"event\""), "{last}");
        env.hook(["pull"]).fails(3);
        fs::rename(env.path("away"), env.path("dvc-remote")).unwrap();
        env.hook(["pull"]).ok();
        env.assert_committed_but_for_links();
        assert_eq!(env.runs_in("repo"), [SECOND, FIRST]);
    });
}

/// P5: What `pull` fails with says whether the data is nowhere, or the remote could not be asked.
#[test]
fn pull_tells_lost_data_from_a_failed_fetch() {
    let env = TestEnv::committed();
    env.hook(["push", "main"]).ok();
    let code = |expected: i32| {
        let output = env.hook(["--json", "pull"]).fails(expected);
        let error: serde_json::Value = serde_json::from_str(output.stderr.lines().last().unwrap()).unwrap();
        error["error"]["code"].as_str().unwrap().to_owned()
    };
    let run = format!("data/captures/{FIRST}/run.json");
    let hash = env.dvc(["ls", "--json", ".", &run]).ok().stdout;
    let hash: serde_json::Value = serde_json::from_str(&hash).unwrap();
    let hash = hash[0]["md5"].as_str().unwrap();
    let object = format!("files/md5/{}/{}", &hash[..2], &hash[2..]);
    fs::remove_file(env.path("dvc-remote").join(&object)).unwrap();
    fs::remove_file(env.repo(".dvc/cache").join(&object)).unwrap();
    fs::remove_file(env.repo(&run)).unwrap();
    assert_eq!(code(1), "data_missing");
    fs::remove_dir_all(env.repo(".dvc/cache")).unwrap();
    env.dvc(["remote", "add", "-d", "--local", "-f", "storage", "s3://bucket/none"]).ok();
    env.dvc(["remote", "modify", "--local", "storage", "endpointurl", "http://127.0.0.1:9"]).ok();
    assert_eq!(code(4), "fetch_failed");
}

/// P6: Local changes in the dataset are not overwritten.
#[test]
fn local_changes_are_not_overwritten() {
    each_cache_type(TestEnv::two_versions, |env| {
        let edited = env.repo("data/captures").join(SECOND).join("run.json");
        fs::remove_file(&edited).unwrap();
        fs::write(&edited, "{\"mine\": true}").unwrap();
        let output = env.git(["checkout", "old"]).ok();
        assert_snapshot!(env.screen(&output), @"
        Switched to branch 'old'
        warning: local changes are kept: demo/run-20260105-041/run.json
        hint: keep them with `dvc commit`, or discard them with `capture-hook pull --force`
        ");
        assert_eq!(fs::read_to_string(&edited).unwrap(), "{\"mine\": true}");
    });
}

/// P6: A run that DVC does not know of is not removed.
#[test]
fn a_run_unknown_to_dvc_is_not_removed() {
    each_cache_type(TestEnv::two_versions, |env| {
        let extra = env.repo("data/captures/mine/notes/x.txt");
        fs::create_dir_all(extra.parent().unwrap()).unwrap();
        fs::write(&extra, "x").unwrap();
        env.git(["checkout", "-q", "old"]).ok();
        assert_eq!(fs::read_to_string(&extra).unwrap(), "x");
    });
}

/// P2: A checkout of files and `git checkout -b` move nothing and start no DVC.
#[test]
fn checkout_of_files_starts_no_dvc() {
    TestEnv::two_versions("copy").case(|env| {
        let none = env.script("bin/no-dvc", "#!/bin/sh\necho called >&2\nexit 9\n");
        env.set("CAPTURE_HOOK_DVC", &none);
        for args in [
            &["checkout", "-q", "-b", "new"][..],
            &["checkout", "old", "--", "readme.txt"],
            &["checkout", "-q", "main"],
        ] {
            let output = env.git(args).ok();
            assert!(
                !output.stderr.contains("called") && !output.stderr.contains("warning"),
                "{args:?} {}",
                output.stderr
            );
        }
    });
}

/// A data version larger than `pull.max_bytes` checks out the selected run, and names the command for the rest.
#[test]
fn a_large_version_checks_out_the_selected_run() {
    each_cache_type(TestEnv::committed_with, |env| {
        fs::write(env.repo("capture-hook.toml"), "[pull]\nmax_bytes = 10\n").unwrap();
        env.git(["add", "capture-hook.toml"]).ok();
        env.git(["commit", "-q", "-m", "little"]).ok();
        env.git(["branch", "old"]).ok();
        env.commit_run(SECOND);
        only_remote_all(env);
        env.git(["checkout", "-q", "old"]).ok();
        fs::remove_dir_all(env.repo("data/captures")).unwrap();
        fs::remove_dir_all(env.repo(".dvc/cache")).ok();
        let output = env.git(["checkout", "main"]).ok();
        assert_eq!(env.runs_in("repo"), [SECOND], "{}", output.stderr);
        assert_snapshot!(env.screen(&output), @"
        Switched to branch 'main'
        fetching demo/run-20260105-041 of [md5].dir
        7 files of the dataset are missing (12.2 KiB); run `capture-hook pull`
        ");
        env.hook(["pull"]).ok();
        assert_eq!(env.runs_in("repo"), [SECOND, FIRST]);
        env.assert_committed();
    });
}

/// A fast-forward merge checks out the new runs.
#[test]
fn fast_forward_checks_out_the_new_runs() {
    each_cache_type(TestEnv::two_versions, |env| {
        env.git(["checkout", "-q", "old"]).ok();
        env.git(["merge", "-q", "main"]).ok();
        assert_eq!(env.runs_in("repo"), [SECOND, FIRST]);
        env.assert_committed();
    });
}

/// M2, M4: A merge of two branches that each added a run has no conflict, and both runs.
#[test]
fn merge_unites_the_runs_of_both_branches() {
    each_cache_type(TestEnv::branches, |env| {
        let output = env.git(["merge", "--no-edit", "topic"]).ok();
        assert_eq!(env.runs_at("HEAD"), [SECOND, FIRST, THIRD], "{}", output.both());
        assert_eq!(env.runs_in("repo"), [SECOND, FIRST, THIRD]);
        env.assert_committed();
        // In a merge the current branch's selection stays, and the output names the other.
        assert!(fs::read_to_string(env.repo("params.yaml")).unwrap().contains(THIRD));
        assert_snapshot!(env.driver_messages(&output), @"
        capture-hook: HEAD's selection stays; topic selects results/demo/run-20260105-041 (to take it: `capture-hook select results/demo/run-20260105-041`)
        capture-hook: dvc.lock: merged the dataset: 1 run of HEAD, 1 run of topic
        ");
    });
}

/// `git merge --squash` checks out the new runs.
#[test]
fn merge_squash_checks_out_the_new_runs() {
    each_cache_type(TestEnv::two_versions, |env| {
        env.git(["checkout", "-q", "old"]).ok();
        env.git(["merge", "-q", "--squash", "main"]).ok();
        assert_eq!(env.runs_in("repo"), [SECOND, FIRST]);
        env.git(["commit", "-q", "-m", "squashed"]).ok();
        env.assert_committed();
        assert_eq!(env.trailer("HEAD", "Capture-Run"), [SECOND]);
    });
}

/// `git pull` and `git pull --rebase` check out the new runs.
#[test]
fn git_pull_checks_out_the_new_runs() {
    each_cache_type(TestEnv::committed_with, |env| {
        env.git(["push", "-q", "-u", "origin", "main"]).ok();
        env.git(["branch", "-q", "here"]).ok();
        env.commit_run(SECOND);
        env.git(["push", "-q", "origin", "main"]).ok();
        env.git(["checkout", "-q", "here"]).ok();
        env.git(["branch", "-q", "--set-upstream-to", "origin/main"]).ok();
        env.git(["pull", "-q"]).ok();
        assert_eq!(env.runs_in("repo"), [SECOND, FIRST]);
        env.git(["reset", "-q", "--hard", "HEAD~1"]).ok();
        env.hook(["pull"]).ok();
        assert_eq!(env.runs_in("repo"), [FIRST]);
        env.commit_run(THIRD);
        env.git(["pull", "-q", "--rebase"]).ok();
        assert_eq!(env.runs_in("repo"), [SECOND, FIRST, THIRD]);
        assert_eq!(env.runs_at("HEAD"), [SECOND, FIRST, THIRD]);
        env.assert_committed();
    });
}

/// P1, P3: Each step of a bisect has its data, from the remote too.
#[test]
fn bisect_has_the_data_of_each_step() {
    TestEnv::committed().case(|env| {
        let good = env.id("HEAD");
        env.commit_run(SECOND);
        env.commit_run(THIRD);
        env.git(["bisect", "start", "HEAD", &good]).ok();
        assert_eq!(env.runs_in("repo"), [SECOND, FIRST]);
        clean_but_untracked(env);
        env.git(["bisect", "reset"]).ok();
        assert_eq!(env.runs_in("repo"), [SECOND, FIRST, THIRD]);
        env.assert_committed();
        // A program that judges each step needs its data: it is fetched within pull.max_bytes, as in any checkout.
        env.hook(["push", &format!("{good}..HEAD")]).ok();
        env.git(["checkout", "-q", &good]).ok();
        fs::remove_dir_all(env.repo(".dvc/cache")).unwrap();
        env.git(["bisect", "start", "main", &good]).ok();
        assert_eq!(env.runs_in("repo"), [SECOND, FIRST]);
        let judge = format!("test ! -e data/captures/{THIRD}/run.json");
        let output = env.git(["bisect", "run", "sh", "-c", &judge]).ok();
        assert!(output.stdout.contains(&format!("{} is the first bad commit", env.id("main"))), "{}", output.stdout);
        env.git(["bisect", "reset"]).ok();
    });
}

fn clean_but_untracked(env: &TestEnv) {
    assert_eq!(env.git(["status", "--porcelain"]).ok().stdout, "");
}

/// P1, P4: A working tree that `git worktree add` makes shares the cache, and has the data.
#[test]
fn worktree_add_shares_the_cache() {
    each_cache_type(TestEnv::two_versions, |env| {
        env.git(["worktree", "add", "-q", "../tree", "old"]).ok();
        assert_eq!(env.runs_in("tree"), [FIRST]);
        // And a commit there works as in the main one.
        let run = env.path("tree/results").join(THIRD);
        crate::env::copy_dir(&env.repo("results").join(THIRD), &run);
        env.select_in("tree", THIRD);
        env.git_in("tree", ["commit", "-q", "-am", "x"]).ok();
        assert_eq!(env.git_in("tree", ["status", "--porcelain"]).ok().stdout, "");
        assert_eq!(env.runs_at("old"), [FIRST, THIRD]);
        assert_eq!(env.runs_in("repo"), [SECOND, FIRST]);
    });
}

/// P4, M2: A clone with the hooks from a template has the selected run, and loses none at its next commit.
#[test]
fn clone_with_template_hooks_has_the_selected_run() {
    each_cache_type(TestEnv::committed_with, |env| {
        env.commit_run(SECOND);
        let remote = env.path("dvc-remote");
        env.dvc(["remote", "add", "-q", "-d", "-f", "shared", remote.to_str().unwrap()]).ok();
        env.git(["commit", "-q", "-am", "a remote for all"]).ok();
        env.git(["push", "-q", "origin", "main"]).ok();
        let template = env.path("template/hooks");
        fs::create_dir_all(&template).unwrap();
        for hook in fs::read_dir(env.repo(".git/hooks")).unwrap() {
            let hook = hook.unwrap();
            if !hook.file_name().to_str().unwrap().ends_with(".sample") {
                fs::copy(hook.path(), template.join(hook.file_name())).unwrap();
            }
        }
        let template = format!("--template={}", env.path("template").display());
        env.git_in(".", ["clone", "-q", &template, "origin.git", "clone"]).ok();
        assert_eq!(env.runs_in("clone"), [SECOND]);
        // A clone that has one run of two loses none at its next commit.
        crate::env::copy_dir(&env.repo("results").join(THIRD), &env.path("clone/results").join(THIRD));
        env.select_in("clone", THIRD);
        env.git_in("clone", ["commit", "-q", "-am", "x"]).ok();
        assert_eq!(env.runs_in("clone"), [SECOND, FIRST, THIRD]);
    });
}

/// P3: In the middle of a rebase nothing is fetched; at its end the workspace is right.
#[test]
fn a_stopped_rebase_fetches_nothing() {
    TestEnv::committed().case(|env| {
        env.git(["checkout", "-q", "-b", "topic"]).ok();
        fs::write(env.repo("readme.txt"), "topic\n").unwrap();
        env.git(["commit", "-q", "-am", "words"]).ok();
        env.git(["checkout", "-q", "main"]).ok();
        fs::write(env.repo("readme.txt"), "main\n").unwrap();
        env.commit_run(SECOND);
        env.git(["checkout", "-q", "topic"]).ok();
        let none = env.script("bin/no-dvc", "#!/bin/sh\necho called >&2\nexit 9\n");
        env.set("CAPTURE_HOOK_DVC", &none);
        let output = env.git(["rebase", "main"]).fails(1);
        assert!(!output.stderr.contains("called"), "{}", output.stderr);
        env.unset("CAPTURE_HOOK_DVC");
        fs::write(env.repo("readme.txt"), "both\n").unwrap();
        env.git(["add", "readme.txt"]).ok();
        env.set("GIT_EDITOR", "true");
        env.git(["rebase", "--continue"]).ok();
        assert_eq!(env.runs_in("repo"), [SECOND, FIRST]);
        env.assert_committed();
    });
}

/// P7, M2: `git reset --hard` calls no hook; the next commit is right all the same.
#[test]
fn a_commit_after_reset_hard_is_right() {
    each_cache_type(TestEnv::two_versions, |env| {
        env.git(["reset", "-q", "--hard", "old"]).ok();
        // The workspace still holds the second run; the commit of a third must neither lose nor smuggle.
        assert_eq!(env.runs_in("repo"), [SECOND, FIRST]);
        env.commit_run(THIRD);
        assert_eq!(env.runs_at("HEAD"), [FIRST, THIRD]);
        env.assert_committed();
    });
}

/// P1, P9: A broken .dvc/config, dvc.lock or capture-hook.toml fails no checkout.
#[test]
fn broken_settings_fail_no_checkout() {
    TestEnv::two_versions("copy").case(|env| {
        env.git(["checkout", "-q", "old"]).ok();
        for (file, text) in [("capture-hook.toml", "[nothing]\n"), (".dvc/config", "]]]\n")] {
            let path = env.repo(file);
            let before = fs::read(&path).ok();
            fs::write(&path, text).unwrap();
            env.git(["checkout", "-q", "main"]).ok();
            env.git(["checkout", "-q", "old"]).ok();
            match before {
                Some(bytes) => fs::write(&path, bytes).unwrap(),
                None => fs::remove_file(&path).unwrap(),
            }
        }
        env.git(["checkout", "-q", "-b", "bad", "main"]).ok();
        fs::write(env.repo("dvc.lock"), "]]]\n").unwrap();
        env.git(["commit", "-q", "--no-verify", "-am", "bad lock"]).ok();
        env.git(["checkout", "-q", "old"]).ok();
        env.git(["checkout", "-q", "bad"]).ok();
    });
}

/// P9: A branch without DVC is left alone, both when it is checked out and when it is left.
#[test]
fn a_branch_without_dvc_is_left_alone() {
    TestEnv::committed().case(|env| {
        env.git(["checkout", "-q", "--orphan", "empty"]).ok();
        env.git(["rm", "-rfq", "--cached", "."]).ok();
        fs::write(env.repo("only.txt"), "x").unwrap();
        env.git(["add", "only.txt"]).ok();
        env.git(["commit", "-q", "-m", "no DVC here"]).ok();
        env.git(["checkout", "-q", "-f", "main"]).ok();
        env.assert_committed();
    });
}
