//! History as other tools leave it: another project's merged into a subdirectory, older lists of files gone from the cache.

use std::fs;

use insta::assert_snapshot;

use crate::env::{FIRST, SECOND, THIRD, TestEnv, copy_dir, corpus_run, files};

/// Records a run in another repository and commits it there.
fn commit_in(env: &TestEnv, dir: &str, case: &str) {
    let (run, key) = corpus_run(case);
    copy_dir(&run, &env.path(dir).join("results").join(&key));
    env.select_in(dir, &key);
    env.git_in(dir, ["commit", "-q", "-am", &key]).ok();
}

/// Another project, a repository of its own with a run in it, whose data is on its own remote.
fn another_project(env: &TestEnv, tracked_remote: bool) {
    let remote = env.path("other-remote");
    fs::create_dir_all(&remote).unwrap();
    env.git_in(".", ["init", "-q", "other"]).ok();
    if tracked_remote {
        env.hook_in("other", ["init", "--remote", remote.to_str().unwrap()]).ok();
    } else {
        env.hook_in("other", ["init"]).ok();
        env.dvc_in("other", ["remote", "add", "--local", "-d", "storage", remote.to_str().unwrap()]).ok();
    }
    fs::write(env.path("other/capture-hook.toml"), "engine = \"native\"\n").unwrap();
    env.git_in("other", ["add", "-A"]).ok();
    env.git_in("other", ["commit", "-q", "-m", "Set up"]).ok();
    commit_in(env, "other", "ok-orig100");
    env.hook_in("other", ["push"]).ok();
    env.git(["remote", "add", "other", "../other"]).ok();
    env.git(["fetch", "-q", "other"]).ok();
}

/// What `git subtree add` does, with all of the history or with one commit for it.
fn add_subtree(env: &TestEnv, squash: bool) {
    let theirs = if squash {
        env.git(["commit-tree", "-m", "Squashed", "other/main^{tree}"]).ok().stdout.trim().to_owned()
    } else {
        "other/main".to_owned()
    };
    env.git(["merge", "-q", "-s", "ours", "--no-commit", "--allow-unrelated-histories", &theirs]).ok();
    env.git(["read-tree", "--prefix=vendor/other/", "-u", &theirs]).ok();
    env.git(["commit", "-q", "-m", "Merge the other project"]).ok();
}

/// G12: Another project's history that comes in by a subtree refuses no push, and is no history of this project's.
#[test]
fn another_projects_history_that_is_merged_in_refuses_no_push() {
    for (tracked_remote, squash) in [(true, false), (false, true)] {
        let env = TestEnv::committed_native();
        let runs = env.hook(["runs"]).ok().stdout;
        another_project(&env, tracked_remote);
        add_subtree(&env, squash);
        env.commit_run(SECOND);
        let output = env.git(["push", "-q", "--follow-tags", "origin", "main"]).ok();
        let pushed = env.id("origin/main");
        assert_eq!(pushed, env.id("main"));
        assert!(output.stderr.contains("not sent: data of another project's history"), "{}", output.stderr);
        let checked = env.hook(["check", "--strict", "--remote"]).ok();
        assert!(checked.stdout.starts_with("no problems"), "{}", checked.stdout);
        assert!(
            checked.stderr.contains("commits of another project's history that was merged in"),
            "{}",
            checked.stderr
        );
        let made = env.hook(["tag", "--all"]).ok();
        assert!(made.stderr.contains("no run tag is missing"), "{}", made.both());
        let (_, theirs) = corpus_run("ok-orig100");
        let now = env.hook(["runs"]).ok().stdout;
        assert!(!now.contains(&theirs) && now.lines().count() == runs.lines().count(), "{now}");
        // Their own project, where it lies now: what `check` misses, `tag` makes.
        let dir = "repo/vendor/other";
        let missing = env.hook_in(dir, ["check"]).ok().stdout.matches("tag_missing").count();
        let made = env.hook_in(dir, ["tag", "--all"]).ok();
        assert_eq!(made.stdout.lines().count(), missing, "{}", made.both());
        assert!(!env.hook_in(dir, ["check"]).ok().stdout.contains("tag_missing"));

        // The sibling: they go on, and what they did comes in again.
        commit_in(&env, "other", "ok-rotated-orig100");
        env.hook_in("other", ["push"]).ok();
        env.git(["fetch", "-q", "other"]).ok();
        if !squash {
            env.git(["merge", "-q", "-Xsubtree=vendor/other", "-m", "Merge it again", "other/main"]).ok();
        }
        env.commit_run(THIRD);
        env.git(["push", "-q", "--follow-tags", "origin", "main"]).ok();
        let checked = env.hook(["check", "--strict"]).ok();
        assert!(checked.stdout.starts_with("no problems"), "{}", checked.stdout);
        assert!(env.hook(["tag", "--all"]).ok().stderr.contains("no run tag is missing"));
    }
}

/// G12: Data that this project's own history needs is missed all the same, beside another one's and in a branch that
/// began by itself.
#[test]
fn own_data_is_missed_beside_another_projects_history() {
    let env = TestEnv::committed_native();
    another_project(&env, false);
    add_subtree(&env, false);
    env.commit_run(SECOND);
    let lock = fs::read_to_string(env.repo("dvc.lock")).unwrap();
    let version = lock.split_whitespace().find(|word| word.ends_with(".dir")).unwrap();
    env.commit_run(THIRD);
    let object = env.repo("data/captures").join(SECOND).join("steps.parquet");
    let md5 = env.run_in(".", "md5sum", [object.to_str().unwrap()]).ok().stdout[..32].to_owned();
    fs::remove_file(env.repo(".dvc/cache/files/md5").join(&md5[..2]).join(&md5[2..])).unwrap();
    let output = env.git(["push", "-q", "origin", "main"]).fails(1);
    assert_snapshot!(env.screen(&output), @"
    sending data of 4 commits to the DVC remote
    not sent: data of another project's history that was merged in: commit [commit] (results/plume/run-20261124-021546)
    error: data of commit [commit] (results/sweep/run-20260106-041), commit [commit] (results/demo/run-20260105-041) is neither in this clone nor on the DVC remote: demo/run-20260105-041/steps.parquet
    hint: send it from a clone in which `dvc gc` removed nothing: `capture-hook push --all`
    hint: to push the commits anyway: `git push --no-verify`
    error: failed to push some refs to '../origin.git'
    ");
    assert!(!output.stderr.contains("vendor") && !version.is_empty(), "{}", output.stderr);
    // Merged at its own place, nothing is another project's: the dataset has the runs of both.
    let env = TestEnv::committed_native();
    env.git(["checkout", "-q", "--orphan", "apart"]).ok();
    env.git(["commit", "-q", "-m", "from here on"]).ok();
    env.commit_run(SECOND);
    env.git(["checkout", "-q", "main"]).ok();
    env.commit_run(THIRD);
    env.git(["merge", "-q", "--no-edit", "--allow-unrelated-histories", "apart"]).ok();
    assert_eq!(env.runs_in("repo"), [SECOND, FIRST, THIRD]);
    assert!(!env.hook(["check"]).ok().stderr.contains("left out"));
    env.git(["push", "-q", "origin", "main"]).ok();
    assert!(env.hook(["check", "--remote"]).ok().stdout.starts_with("no problems"));
}

/// The lists of files in a cache, or on a remote.
fn lists(env: &TestEnv, dir: &str) -> usize {
    files(&env.path(dir)).iter().filter(|file| file.extension().is_some_and(|e| e == "dir")).count()
}

/// G13: `dvc gc -w` before a push removes older lists of files; they are made again from the newest one, and proved.
#[test]
fn lists_that_gc_removed_are_made_again_for_a_push() {
    let env = TestEnv::committed_native();
    // A branch and a merge among them, and a run that only one of the older versions lacks.
    env.git(["checkout", "-q", "-b", "side"]).ok();
    env.commit_run(SECOND);
    env.git(["checkout", "-q", "main"]).ok();
    env.commit_run(THIRD);
    env.git(["merge", "-q", "--no-edit", "side"]).ok();
    let cache = "repo/.dvc/cache";
    assert_eq!(lists(&env, cache), 4);
    env.dvc(["gc", "-w", "-f"]).ok();
    assert_eq!(lists(&env, cache), 1);
    let output = env.git(["push", "-q", "--follow-tags", "origin", "main", "side"]).ok();
    assert_snapshot!(env.screen(&output), @"
    derived the missing file list of [md5].dir from [md5].dir
    derived the missing file list of [md5].dir from [md5].dir
    derived the missing file list of [md5].dir from [md5].dir
    sending data of 4 commits to the DVC remote
    ");
    assert_eq!((lists(&env, cache), lists(&env, "dvc-remote")), (4, 4));
    assert!(env.hook(["check", "--strict", "--remote"]).ok().stdout.starts_with("no problems"));
    let url = format!("file://{}", env.path("origin.git").display());
    for (rev, runs) in [("side", vec![SECOND, FIRST]), ("main~1", vec![FIRST, THIRD])] {
        let rev = env.id(rev);
        env.git_in(".", ["clone", "-q", &url, &rev]).ok();
        fs::copy(env.repo(".dvc/config.local"), env.path(&rev).join(".dvc/config.local")).unwrap();
        env.git_in(&rev, ["checkout", "-q", "--detach", &rev]).ok();
        env.hook_in(&rev, ["pull"]).ok();
        assert_eq!(env.runs_in(&rev), runs);
    }
}

/// G13: A checkout, a merge and a commit on an older state, with no remote at all.
#[test]
fn lists_that_gc_removed_are_made_again_for_other_work() {
    let env = TestEnv::committed_native();
    let local = fs::read_to_string(env.repo(".dvc/config.local")).unwrap();
    fs::write(env.repo(".dvc/config.local"), local.replace("remote = storage", "")).unwrap();
    env.git(["branch", "old"]).ok();
    env.commit_run(SECOND);
    env.dvc(["gc", "-w", "-f"]).ok();
    env.git(["checkout", "-q", "old"]).ok();
    assert_eq!(env.runs_in("repo"), [FIRST]);
    let _ = env.dvc(["gc", "-w", "-f", "--rev", "main", "--num", "1"]);
    env.commit_run(THIRD);
    assert_eq!(env.runs_in("repo"), [FIRST, THIRD]);
    env.git(["merge", "-q", "--no-edit", "main"]).ok();
    assert_eq!(env.runs_in("repo"), [SECOND, FIRST, THIRD]);
    assert!(env.hook(["check", "--strict"]).ok().stdout.starts_with("no problems"));
    env.dvc(["gc", "-w", "-f"]).ok();
    assert!(env.hook(["check", "--strict"]).ok().stdout.starts_with("no problems"));
    assert!(env.hook(["tag", "--all"]).ok().stderr.contains("no run tag is missing"));
}

/// G13: What cannot be proved is not made; what is missing is named.
#[test]
fn a_list_that_cannot_be_proved_is_named() {
    let env = TestEnv::committed_native();
    env.commit_run(SECOND);
    let lock = fs::read_to_string(env.repo("dvc.lock")).unwrap();
    let version = lock.split_whitespace().find(|word| word.ends_with(".dir")).unwrap().to_owned();
    // Recorded anew: the older files are gone with the older list.
    let meta = env.repo("results").join(SECOND).join("run.json");
    let text = fs::read_to_string(&meta).unwrap();
    fs::write(&meta, text.replacen('{', "{\"extra\": {\"note\": \"again\"}, ", 1)).unwrap();
    env.hook(["publish", "--no-push", SECOND]).ok();
    assert_eq!(env.tags().len(), 3);
    env.dvc(["gc", "-w", "-f"]).ok();
    let output = env.git(["push", "-q", "origin", "main"]).fails(1);
    assert_snapshot!(env.screen(&output), @"
    derived the missing file list of [md5].dir from [md5].dir
    sending data of 3 commits to the DVC remote
    error: data of commit [commit] (results/demo/run-20260105-041) is neither in this clone nor on the DVC remote: the file list of [md5].dir
    hint: send it from a clone in which `dvc gc` removed nothing: `capture-hook push --all`
    hint: to push the commits anyway: `git push --no-verify`
    error: failed to push some refs to '../origin.git'
    ");
    assert!(output.stderr.contains(&format!("the file list of {version}")), "{}", output.stderr);
    env.select(FIRST);
}
