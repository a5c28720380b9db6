//! The ordinary way, as a user goes it: a run is selected, committed, tagged, pushed, cloned, pulled, and found again.

use std::fs;

use insta::assert_snapshot;

use crate::env::{TestEnv, VIEWS, tree};

/// An environment with one run committed.
fn with_run() -> (TestEnv, String) {
    let env = TestEnv::initialized();
    let key = env.record("ok-head01");
    env.select(&key);
    env.git(["commit", "-q", "-am", "A run"]).ok();
    (env, key)
}

/// M8: A commit of a run has its data, its trailers and an annotated tag.
#[test]
fn a_commit_with_a_selected_run_holds_its_data() {
    let env = TestEnv::initialized();
    let key = env.record("ok-head01");
    env.select(&key);
    let output = env.git(["commit", "-q", "-am", "A run"]).ok();

    assert_eq!(env.git(["status", "--porcelain"]).ok().stdout, "", "{}", output.both());
    let files = env.git(["show", "--format=", "--name-only", "HEAD"]).ok().stdout;
    assert_eq!(files, format!("dvc.lock\n{VIEWS}params.yaml\n"));
    let status = env.dvc(["status"]).ok().stdout;
    assert!(status.contains("up to date"), "{status}");

    let lock = fs::read_to_string(env.repo("dvc.lock")).unwrap();
    let data = lock.lines().find_map(|l| l.trim().strip_prefix("md5: ")).unwrap().to_owned();
    let trailers = env.git(["log", "-1", "--format=%(trailers:only)"]).ok().stdout;
    let lines: Vec<&str> = trailers.trim().lines().collect();
    assert_eq!(lines.len(), 5, "{trailers}");
    assert_eq!(lines[0], format!("Capture-Run: {key}"));
    assert!(lines[1].starts_with("Capture-Config: sha256:"));
    assert_eq!(lines[2], format!("Capture-Data: md5:{data}"));
    let manifest = env.repo("data/captures").join(&key).join("manifest.json");
    let sha = env.run_in("repo", "sha256sum", [manifest.to_str().unwrap()]).ok().stdout;
    assert_eq!(lines[3], format!("Capture-Manifest: sha256:{}", &sha[..64]));
    // What it stands for is in `run_files`.
    assert!(lines[4].starts_with("Capture-Files: sha256:"));

    let tag = format!("capture/{key}");
    assert_eq!(env.git(["cat-file", "-t", &tag]).ok().stdout, "tag\n");
    let head = env.git(["rev-parse", "HEAD"]).ok().stdout;
    assert_eq!(env.git(["rev-parse", &format!("{tag}^{{}}")]).ok().stdout, head);
    let message = env.git(["cat-file", "tag", &tag]).ok().stdout;
    assert!(message.contains("Capture-Steps: ") && message.contains(lines[2]), "{message}");
}

#[test]
fn an_invalid_run_stops_the_commit_and_nothing_changes() {
    let (env, _) = with_run();
    env.record_as("bad-step-gap", "demo/bad");
    env.select("demo/bad");
    let params = fs::read(env.repo("params.yaml")).unwrap();
    let before =
        (env.git(["rev-parse", "HEAD"]).ok().stdout, tree(&env.repo("data")), fs::read(env.repo("dvc.lock")).unwrap());
    let output = env.git(["commit", "-am", "A bad run"]).fails(1);
    assert_snapshot!(env.screen(&output), @"
    error: the selected run results/demo/bad is invalid
        step_sequence: step 7 follows step 5, at steps.jsonl.gz:7 (ep-000002)
    hint: see all findings: `capture-hook validate results/demo/bad`
    hint: or select another run: `capture-hook select RUN`; nothing was changed
    hint: to commit the rest without it: `git restore --staged --worktree params.yaml`, then commit again
    ");
    let after =
        (env.git(["rev-parse", "HEAD"]).ok().stdout, tree(&env.repo("data")), fs::read(env.repo("dvc.lock")).unwrap());
    assert!(before == after);
    assert_eq!(fs::read(env.repo("params.yaml")).unwrap(), params);
}

/// M8: A push uploads data and annotated tags; a clone and a checkout of an old tag fetch it.
#[test]
fn push_clone_pull_and_an_old_tag_bring_the_data_back() {
    let (env, first) = with_run();
    env.git_in(".", ["init", "-q", "--bare", "origin.git"]).ok();
    env.git(["remote", "add", "origin", env.path("origin.git").to_str().unwrap()]).ok();
    let old = tree(&env.repo("data/captures"));
    let second = env.record("ok-pypi010");
    env.select(&second);
    env.git(["commit", "-q", "-am", "Another run"]).ok();
    let new = tree(&env.repo("data/captures"));
    assert!(new.keys().any(|k| k.starts_with(&first)) && new.keys().any(|k| k.starts_with(&second)));
    env.git(["push", "-q", "--follow-tags", "-u", "origin", "main"]).ok();
    assert!(env.git_in("origin.git", ["tag"]).ok().stdout.contains(&format!("capture/{first}")));

    env.git_in(".", ["clone", "-q", "origin.git", "clone"]).ok();
    assert!(
        env.dvc_in("clone", ["status"]).ok().stdout.contains("not in cache")
            || !env.path("clone/data/captures").exists()
    );
    env.hook_in("clone", ["install"]).ok();
    env.hook_in("clone", ["pull"]).ok();
    assert!(tree(&env.path("clone/data/captures")) == new);

    // The data of the old tag is in the cache: the workspace follows at once.
    env.git_in("clone", ["checkout", "-q", &format!("capture/{first}")]).ok();
    assert!(tree(&env.path("clone/data/captures")) == old);
    env.git_in("clone", ["checkout", "-q", "main"]).ok();
    assert!(tree(&env.path("clone/data/captures")) == new);
    assert_eq!(env.git_in("clone", ["status", "--porcelain"]).ok().stdout, "");
}

/// D7: `init` keeps what is there, makes git ignore the dataset, and changes nothing the second time.
#[test]
fn init_twice_changes_nothing_the_second_time() {
    let env = TestEnv::empty();
    env.git_in(".", ["init", "-q", "repo"]).ok();
    fs::write(env.repo("params.yaml"), "# mine\nlr: 0.1   # keep\n").unwrap();
    fs::write(env.repo("dvc.yaml"), "# mine\nstages:\n    train:\n        cmd: 'true'   # keep\n").unwrap();
    env.hook(["init", "--remote", "../remote"]).ok();
    let tracked = |env: &TestEnv| {
        let mut files = tree(&env.repo(""));
        files.retain(|name, _| !name.starts_with(".dvc/tmp") && !name.starts_with(".git/index"));
        files
    };
    let before = tracked(&env);
    assert!(String::from_utf8_lossy(&before["params.yaml"]).starts_with("# mine\nlr: 0.1   # keep\n"));
    assert!(
        String::from_utf8_lossy(&before["dvc.yaml"])
            .starts_with("# mine\nstages:\n    train:\n        cmd: 'true'   # keep\n")
    );
    let output = env.hook(["init", "--remote", "../remote"]).ok();
    let after = tracked(&env);
    let differing: Vec<_> =
        after.iter().filter(|(name, bytes)| before.get(*name) != Some(bytes)).map(|(n, _)| n).collect();
    assert!(differing.is_empty() && before.len() == after.len(), "{differing:?}\n{}", output.both());
    assert!(env.dvc(["stage", "list"]).ok().stdout.contains("capture_ingest"));
    assert!(env.dvc(["remote", "list"]).ok().stdout.contains(env.path("remote").to_str().unwrap()));
}

#[test]
fn an_unrelated_commit_starts_no_dvc() {
    let (mut env, _) = with_run();
    let trap = env.path("trap");
    fs::create_dir_all(&trap).unwrap();
    let program = trap.join("dvc");
    fs::write(&program, format!("#!/bin/sh\ntouch {}/called\nexit 1\n", trap.display())).unwrap();
    env.run_in(".", "chmod", ["+x", program.to_str().unwrap()]).ok();
    env.set("CAPTURE_HOOK_DVC", program.to_str().unwrap());
    fs::write(env.repo("notes.txt"), "x").unwrap();
    env.git(["add", "notes.txt"]).ok();
    env.git(["commit", "-q", "-m", "Notes"]).ok();
    env.git(["checkout", "-q", "-b", "topic"]).ok();
    env.git(["commit", "-q", "--amend", "-m", "Notes again"]).ok();
    env.git(["checkout", "-q", "main"]).ok();
    env.git(["merge", "-q", "--no-edit", "topic"]).ok();
    assert!(!trap.join("called").exists());
}

#[test]
fn publish_commits_sends_and_pushes() {
    let (env, first) = with_run();
    env.git_in(".", ["init", "-q", "--bare", "origin.git"]).ok();
    env.git(["remote", "add", "origin", env.path("origin.git").to_str().unwrap()]).ok();
    let second = env.record("ok-pypi010");
    let third = env.record("ok-rotated-pypi010");
    env.record_as("bad-step-gap", "demo/bad");
    fs::write(env.repo("other.txt"), "x").unwrap();
    env.git(["add", "other.txt"]).ok();

    // Two runs, one commit; what else is staged stays staged; the invalid run is told and left out.
    let output = env.hook(["publish", "--all-new", "-m", "Two runs"]).fails(1);
    assert_snapshot!(env.screen(&output), @"
    demo/run-20260105-041
    sweep/run-20260106-041
    --- stderr
    warning: left out: the selected run results/demo/bad is invalid
        step_sequence: step 7 follows step 5, at steps.jsonl.gz:7 (ep-000002)
    dvc repro -s capture_ingest
    tagged capture/demo/run-20260105-041
    tagged capture/sweep/run-20260106-041
    committed 2 runs as [commit]
    sending data of commit [commit] (results/nav/run-20261124-021550), commit [commit] (results/sweep/run-20260106-041) to the DVC remote
    data: sent 29 objects, [size]
    To [env]/origin.git
     * [new branch]      HEAD -> main
     * [new tag]         capture/demo/run-20260105-041 -> capture/demo/run-20260105-041
     * [new tag]         capture/nav/run-20261124-021550 -> capture/nav/run-20261124-021550
     * [new tag]         capture/sweep/run-20260106-041 -> capture/sweep/run-20260106-041
    ");
    assert_eq!(output.stdout, format!("{second}\n{third}\n"));
    assert_eq!(output.stderr.matches("dvc repro").count(), 1, "{}", output.stderr);
    assert_eq!(env.git(["log", "--format=%s", "-2"]).ok().stdout, "Two runs\nA run\n");
    assert_eq!(env.git(["status", "--porcelain"]).ok().stdout, "A  other.txt\n");
    let trailers = env.git(["log", "-1", "--format=%(trailers:key=Capture-Run,valueonly)"]).ok().stdout;
    assert_eq!(trailers.split_whitespace().collect::<Vec<_>>(), [&second, &third]);
    let tags = env.git_in("origin.git", ["tag"]).ok().stdout;
    for key in [&first, &second, &third] {
        assert!(tags.contains(&format!("capture/{key}\n")), "{tags}");
    }
    assert!(env.dvc(["status", "--cloud"]).ok().stdout.contains("in sync"));

    // Again: nothing is left to do, and that is fine.
    env.hook(["publish", &third]).ok();
    assert_eq!(env.git(["log", "--format=%s", "-1"]).ok().stdout, "Two runs\n");
    // An invalid one changes nothing.
    let before = (fs::read(env.repo("params.yaml")).unwrap(), fs::read(env.repo("dvc.lock")).unwrap());
    env.hook(["publish", "demo/bad"]).fails(1);
    assert!(before == (fs::read(env.repo("params.yaml")).unwrap(), fs::read(env.repo("dvc.lock")).unwrap()));
}

#[test]
fn publish_of_many_is_one_version_with_either_engine_or_nothing() {
    let (env, _) = with_run();
    let runs = |env: &TestEnv| tree(&env.repo("data/captures")).into_keys().collect::<Vec<_>>();
    let (before, lock) = (runs(&env), fs::read(env.repo("dvc.lock")).unwrap());
    for n in 0..3 {
        env.record_as("ok-pypi010", &format!("many/a{n}"));
    }
    // DVC refuses: everything is as it was.
    let stage = fs::read_to_string(env.repo("dvc.yaml")).unwrap();
    let broken =
        stage.replace("    cmd: capture-hook ingest\n", "    cmd: capture-hook ingest\n    deps:\n    - gone.txt\n");
    assert_ne!(broken, stage);
    fs::write(env.repo("dvc.yaml"), broken).unwrap();
    let output = env.hook(["publish", "--all-new"]);
    assert!(output.code != 0 && output.stderr.contains("gone.txt"), "{}", output.both());
    assert!(before == runs(&env) && lock == fs::read(env.repo("dvc.lock")).unwrap(), "{}", output.both());
    fs::write(env.repo("dvc.yaml"), stage).unwrap();
    assert_eq!(env.git(["status", "--porcelain"]).ok().stdout, "");

    // By DVC, by the native engine: the same dataset, as DVC itself writes it.
    for (engine, experiment) in [("dvc", "many"), ("native", "more")] {
        fs::write(env.repo("capture-hook.toml"), format!("engine = \"{engine}\"\n")).unwrap();
        for n in 0..3 {
            env.record_as("ok-pypi010", &format!("{experiment}/a{n}"));
        }
        let output = env.hook(["publish", "--all-new"]).ok();
        assert_eq!(output.stdout, format!("{experiment}/a0\n{experiment}/a1\n{experiment}/a2\n"));
        let lock = fs::read(env.repo("dvc.lock")).unwrap();
        env.dvc(["commit", "-f", "-q"]).ok();
        assert_eq!(lock, fs::read(env.repo("dvc.lock")).unwrap(), "{engine}");
        let tags = env.git(["tag", "--points-at", "HEAD"]).ok().stdout;
        assert_eq!(tags.lines().count(), 3, "{tags}");
    }
}
