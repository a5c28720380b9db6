//! A dataset that several share never shrinks: clones that never pulled, offline, runs removed or changed in the
//! workspace.

use std::fs;
use std::path::PathBuf;

use insta::assert_snapshot;

use crate::env::{FIRST, SECOND, THIRD, TestEnv, copy_dir, each_cache_type, tree};

/// Commits the second run with this engine, pushes, and clones into `clone`, with hooks, settings and recorded runs,
/// but without data.
fn fresh_clone(env: &TestEnv, engine: &str) {
    fs::write(env.repo("capture-hook.toml"), format!("engine = \"{engine}\"\n")).unwrap();
    env.git(["add", "capture-hook.toml"]).ok();
    env.commit_run(SECOND);
    env.git(["push", "-q", "origin", "main"]).ok();
    env.git_in(".", ["clone", "-q", "origin.git", "clone"]).ok();
    fs::copy(env.repo(".dvc/config.local"), env.path("clone/.dvc/config.local")).unwrap();
    env.hook_in("clone", ["install"]).ok();
    copy_dir(&env.repo("results"), &env.path("clone/results"));
    assert!(env.runs_in("clone").is_empty());
}

/// The files that a revision's data version lists, with their hashes; from the cache of a directory.
fn entries(env: &TestEnv, dir: &str) -> Vec<(String, String)> {
    let lock = fs::read_to_string(env.path(dir).join("dvc.lock")).unwrap();
    let version = lock.lines().find_map(|l| l.trim().strip_prefix("md5: ")).unwrap().to_owned();
    let path: PathBuf = env.path(dir).join(".dvc/cache/files/md5").join(&version[..2]).join(&version[2..]);
    let list: serde_json::Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let text = |entry: &serde_json::Value, key: &str| entry[key].as_str().unwrap().to_owned();
    list.as_array().unwrap().iter().map(|e| (text(e, "relpath"), text(e, "md5"))).collect()
}

fn commits_in_clone(env: &TestEnv) {
    let before = entries(env, "repo");
    env.select_in("clone", THIRD);
    env.git_in("clone", ["commit", "-q", "-am", "x"]).ok();
    let after = entries(env, "clone");
    assert!(before.iter().all(|entry| after.contains(entry)), "{after:?}");
    let new = after.iter().filter(|entry| !before.contains(entry));
    assert!(new.clone().count() > 0 && new.clone().all(|(path, _)| path.starts_with(THIRD)), "{after:?}");
    assert_eq!(env.git_in("clone", ["status", "--porcelain"]).ok().stdout, "");
    env.git_in("clone", ["push", "-q", "origin", "main"]).ok();
    env.git(["pull", "-q"]).fails(1);
    env.git(["pull", "-q", "origin", "main"]).ok();
    assert_eq!(env.runs_in("repo"), [SECOND, FIRST, THIRD]);
    assert_eq!(env.runs_at("HEAD"), [SECOND, FIRST, THIRD]);
    env.assert_committed();
}

/// M2: A clone that never pulled commits a run, and loses none.
#[test]
fn a_clone_that_never_pulled_loses_no_run() {
    each_cache_type(TestEnv::committed_with, |env| {
        fresh_clone(env, "dvc");
        commits_in_clone(env);
        // DVC looks at the whole workspace, so all runs are in it.
        assert_eq!(env.runs_in("clone"), [SECOND, FIRST, THIRD]);
    });
}

/// M2: A clone that never pulled commits a run with the native engine, and loses none.
#[test]
fn a_clone_that_never_pulled_loses_no_run_natively() {
    TestEnv::committed().case(|env| {
        fresh_clone(env, "native");
        commits_in_clone(env);
        env.hook_in("clone", ["pull"]).ok();
        assert_eq!(env.runs_in("clone"), [SECOND, FIRST, THIRD]);
        assert!(env.ask_dvc_in("clone", ["status"]).ok().stdout.contains("up to date"));
    });
}

/// M2: Offline, a commit in a clone that never pulled stops, with either engine.
#[test]
fn an_offline_clone_without_data_cannot_commit() {
    TestEnv::committed().case(|env| {
        fresh_clone(env, "dvc");
        let mut refusals = Vec::new();
        for engine in ["dvc", "native"] {
            fs::write(env.path("clone/capture-hook.toml"), format!("engine = \"{engine}\"\n")).unwrap();
            let before =
                (env.git_in("clone", ["rev-parse", "HEAD"]).ok().stdout, fs::read(env.path("clone/dvc.lock")).unwrap());
            fs::rename(env.path("dvc-remote"), env.path("away")).unwrap();
            env.select_in("clone", THIRD);
            let output = env.git_in("clone", ["commit", "-am", "x"]).fails(1);
            refusals.push(env.screen(&output));
            let after =
                (env.git_in("clone", ["rev-parse", "HEAD"]).ok().stdout, fs::read(env.path("clone/dvc.lock")).unwrap());
            assert!(before == after && env.runs_in("clone").is_empty(), "{engine}");
            fs::rename(env.path("away"), env.path("dvc-remote")).unwrap();
        }
        assert_snapshot!(refusals.join("\n\n"), @"
        error: the cache lacks files of data version [md5].dir, and the directory [env]/dvc-remote of the DVC remote `storage` does not exist
        hint: mount it, or correct its address: `dvc remote modify storage url URL`

        error: the cache lacks files of data version [md5].dir, and the directory [env]/dvc-remote of the DVC remote `storage` does not exist
        hint: mount it, or correct its address: `dvc remote modify storage url URL`
        ");
        // The list of files is here, the files are not.
        env.git_in("clone", ["checkout", "-q", "capture-hook.toml"]).ok();
        copy_dir(&env.repo(".dvc/cache"), &env.path("clone/.dvc/cache"));
        for file in crate::env::files(&env.path("clone/.dvc/cache")) {
            if file.extension().is_none_or(|extension| extension != "dir") {
                fs::remove_file(file).unwrap();
            }
        }
        fs::rename(env.path("dvc-remote"), env.path("away")).unwrap();
        let output = env.git_in("clone", ["commit", "-am", "x"]).fails(1);
        assert_snapshot!(env.screen(&output), @"
        checking out the committed runs first
        fetching data of [md5].dir: 25.5 KiB
        error: cannot check out all committed runs, so the commit would lose runs: the cache lacks files of data version [md5].dir, and the directory [env]/dvc-remote of the DVC remote `storage` does not exist
        hint: run `capture-hook pull`, then run the same command again
        ");
        fs::rename(env.path("away"), env.path("dvc-remote")).unwrap();
        commits_in_clone(env);
    });
}

/// M2: A dvc.lock without a run of HEAD is refused, unless `capture-hook.allowLoss` is set.
#[test]
fn a_lock_that_loses_a_run_is_refused() {
    TestEnv::committed().case(|env| {
        env.commit_run(SECOND);
        // A lock that DVC made from a workspace without a run does not get in.
        fs::remove_dir_all(env.repo("data/captures").join(FIRST)).unwrap();
        let reselect = |env: &TestEnv| {
            env.select(THIRD);
            env.dvc(["repro", "-q", "-s", "capture_ingest"]).ok();
        };
        reselect(env);
        let head = env.id("HEAD");
        let output = env.git(["commit", "-am", "x"]).fails(1);
        assert_snapshot!(env.screen(&output), @"
        error: the dataset would lose the run nav/run-20261124-021550
        hint: restore them: `git restore --source=HEAD --staged --worktree dvc.lock`, then `capture-hook pull`
        hint: to remove them on purpose, after that: `capture-hook remove nav/run-20261124-021550`
        ");
        assert_eq!(env.id("HEAD"), head);
        // One hint restores the run, the other drops it on purpose.
        env.git(["restore", "--source=HEAD", "--staged", "--worktree", "dvc.lock"]).ok();
        env.hook(["pull"]).ok();
        env.git(["commit", "-q", "-am", "x"]).ok();
        assert_eq!(env.runs_at("HEAD"), [SECOND, FIRST, THIRD]);
        env.assert_committed();
        env.git(["reset", "-q", "--hard", "HEAD~1"]).ok();
        env.hook(["pull"]).ok();
        fs::remove_dir_all(env.repo("data/captures").join(FIRST)).unwrap();
        reselect(env);
        env.git(["-c", "capture-hook.allowLoss=true", "commit", "-q", "-am", "x"]).ok();
        assert_eq!(env.runs_at("HEAD"), [SECOND, THIRD]);
        env.assert_committed();
    });
}

/// M2: A run that was removed in the workspace comes back before the commit.
#[test]
fn a_removed_run_comes_back_before_the_commit() {
    TestEnv::committed().case(|env| {
        env.commit_run(SECOND);
        fs::remove_dir_all(env.repo("data/captures").join(FIRST)).unwrap();
        fs::remove_file(env.repo("data/captures").join(SECOND).join("run.json")).unwrap();
        env.commit_run(THIRD);
        assert_eq!(env.runs_at("HEAD"), [SECOND, FIRST, THIRD]);
        env.assert_committed();
    });
}

/// M2: Another run's files that were changed in the workspace stop a commit.
#[test]
fn a_changed_file_of_another_run_stops_the_commit() {
    each_cache_type(TestEnv::committed_with, |env| {
        let file = env.repo("data/captures").join(FIRST).join("run.json");
        fs::remove_file(&file).unwrap();
        fs::write(&file, "{}").unwrap();
        env.select(SECOND);
        let lock = fs::read(env.repo("dvc.lock")).unwrap();
        let output = env.git(["commit", "-am", "x"]).fails(1);
        assert_snapshot!(env.screen(&output), @"
        dvc repro -s capture_ingest
        error: the dataset in the workspace differs from the committed one in the run nav/run-20261124-021550
        hint: restore them: remove their folders from the dataset, then run `capture-hook pull`
        hint: or record the changed run again under another id
        hint: to commit the change on purpose: `dvc commit`, then `git -c capture-hook.allowLoss=true commit`
        ");
        assert_eq!(fs::read(env.repo("dvc.lock")).unwrap(), lock);
        // The edit is the user's: it stays until they decide.
        assert_eq!(fs::read(&file).unwrap(), b"{}");
        // One file alone comes back, too.
        fs::remove_file(&file).unwrap();
        env.hook(["pull"]).ok();
        env.git(["commit", "-q", "-am", "x"]).ok();
        env.assert_committed();
    });
}

/// D4: A run that is recorded anew replaces its directory, and no object of the cache.
#[test]
fn a_run_recorded_anew_replaces_no_object() {
    each_cache_type(TestEnv::committed_with, |env| {
        env.commit_run(SECOND);
        let objects = tree(&env.repo(".dvc/cache/files"));
        let meta = env.repo("results").join(SECOND).join("run.json");
        fs::write(&meta, format!("{}\n", fs::read_to_string(&meta).unwrap())).unwrap();
        env.hook(["publish", SECOND, "--no-push"]).ok();
        env.assert_committed();
        let now = tree(&env.repo(".dvc/cache/files"));
        assert!(now.len() > objects.len() && objects.iter().all(|(name, bytes)| now.get(name) == Some(bytes)));
    });
}
