//! Runs that are removed from the dataset on purpose, and restored.

use std::fs;

use serde_json::Value;

use crate::env::{FIRST, SECOND, TestEnv, tree};

/// Two committed runs, the second one selected.
fn two_committed() -> TestEnv {
    let env = TestEnv::two_versions("copy");
    assert_eq!(env.runs_at("HEAD"), sorted([FIRST, SECOND]));
    env
}

fn sorted(mut runs: [&str; 2]) -> [&str; 2] {
    runs.sort_unstable();
    runs
}

fn checked(env: &TestEnv) {
    let check = env.hook(["check", "--strict"]).ok();
    assert!(check.stdout.starts_with("no problems"), "{}", check.both());
}

fn message(env: &TestEnv, rev: &str) -> String {
    env.git(["log", "-1", "--format=%B", rev]).ok().stdout.trim_end().to_owned()
}

#[test]
fn a_removed_run_leaves_by_one_commit_and_comes_back_byte_for_byte() {
    let env = two_committed();
    let (first, second) = (tree(&env.repo("data/captures").join(FIRST)), tree(&env.repo("data/captures").join(SECOND)));
    let head = env.id("HEAD");
    env.hook(["remove", FIRST, "--reason", "wrong seed: 100%"]).ok();
    assert_eq!(env.id("HEAD~1"), head);
    assert_eq!(
        message(&env, "HEAD"),
        format!("Remove {FIRST}\n\nCapture-Removed: {FIRST}\nCapture-Reason: wrong seed: 100%25")
    );
    assert_eq!(env.runs_at("HEAD"), [SECOND]);
    // The workspace follows; the other run and the selection are untouched.
    assert!(!env.repo("data/captures").join(FIRST).exists());
    assert_eq!(tree(&env.repo("data/captures").join(SECOND)), second);
    env.assert_committed();
    checked(&env);
    // The record is DVC's own: it finds nothing to do.
    let status = env.dvc(["status", "-q"]);
    assert_eq!(status.code, 0, "{}", status.both());
    // The next run of somebody else's does not put it back.
    env.record_as("ok-orig100", "sweep/new");
    env.commit_run("sweep/new");
    assert_eq!(env.runs_at("HEAD"), sorted([SECOND, "sweep/new"]));

    env.hook(["restore", FIRST]).ok();
    assert!(env.runs_at("HEAD").contains(&FIRST.to_owned()));
    assert_eq!(tree(&env.repo("data/captures").join(FIRST)), first);
    assert!(message(&env, "HEAD").contains(&format!("Restore {FIRST}\n\nCapture-Run: {FIRST}\n")));
    env.assert_committed();
    checked(&env);
}

#[test]
fn no_other_commit_may_lose_a_run() {
    let env = two_committed();
    env.git(["branch", "before"]).ok();
    env.hook(["remove", FIRST]).ok();
    env.git(["switch", "-q", "before"]).ok();
    // The very data version of the removal, by hand.
    env.git(["checkout", "-q", "main", "--", "dvc.lock"]).ok();
    let stopped = env.git(["commit", "-q", "-m", "by hand"]).fails(1);
    assert!(
        stopped.stderr.contains(&format!("to remove them on purpose, after that: `capture-hook remove {FIRST}`")),
        "{}",
        stopped.both()
    );
    // Past the hook, it is a loss and not a removal: no trailer says otherwise, and `check` finds it.
    env.git(["commit", "-q", "--no-verify", "-m", "by hand"]).ok();
    assert_eq!(message(&env, "HEAD"), "by hand");
    let found = env.hook(["check", "--json", "HEAD~1..HEAD"]);
    let findings: Value = serde_json::from_str(&found.stdout).unwrap();
    let codes: Vec<&str> =
        findings["findings"].as_array().unwrap().iter().map(|f| f["code"].as_str().unwrap()).collect();
    assert!(codes.contains(&"run_lost"), "{}", found.both());
}

#[test]
fn a_removal_survives_amend_rebase_and_merge() {
    let env = two_committed();
    env.git(["branch", "other"]).ok();
    env.hook(["remove", FIRST, "--reason", "a trial"]).ok();
    env.git(["commit", "-q", "--amend", "-m", "Remove a trial run"]).ok();
    let removed = format!("Remove a trial run\n\nCapture-Removed: {FIRST}\nCapture-Reason: a trial");
    assert_eq!(message(&env, "HEAD"), removed);

    // A branch that still has the run, and a new one.
    env.git(["switch", "-q", "other"]).ok();
    env.record_as("ok-orig100", "sweep/new");
    env.commit_run("sweep/new");
    env.git(["switch", "-q", "main"]).ok();
    env.git(["merge", "-q", "--no-edit", "other"]).ok();
    assert_eq!(env.runs_at("HEAD"), sorted([SECOND, "sweep/new"]));
    assert!(!env.repo("data/captures").join(FIRST).exists());
    checked(&env);

    // Replayed on the other branch, the removal says the same.
    env.git(["switch", "-q", "other"]).ok();
    env.git(["cherry-pick", "main~1"]).ok();
    assert_eq!(message(&env, "HEAD"), removed);
    assert_eq!(env.runs_at("HEAD"), sorted([SECOND, "sweep/new"]));
    checked(&env);
}

#[test]
fn without_the_selected_run_none_is_selected() {
    let env = two_committed();
    let removed = env.hook(["remove", SECOND]).ok();
    assert!(removed.stderr.contains("no run is selected now"), "{}", removed.both());
    assert_eq!(env.runs_at("HEAD"), [FIRST]);
    assert!(!env.repo("metrics/capture.json").exists());
    env.assert_committed();
    checked(&env);
    // It comes back neither by itself nor with a commit of code; the next selection works as ever.
    fs::write(env.repo("code.py"), "x = 1\n").unwrap();
    env.git(["add", "code.py"]).ok();
    env.git(["commit", "-q", "-m", "code"]).ok();
    assert_eq!(env.runs_at("HEAD"), [FIRST]);
    env.record_as("ok-orig100", "sweep/new");
    env.commit_run("sweep/new");
    assert_eq!(env.runs_at("HEAD"), sorted([FIRST, "sweep/new"]));
    checked(&env);
}

#[test]
fn a_clone_without_data_can_remove_a_run() {
    let env = two_committed();
    env.git(["push", "-q", "--follow-tags", "-u", "origin", "main"]).ok();
    let url = format!("file://{}", env.path("origin.git").display());
    env.git_in(".", ["clone", "-q", &url, "clone"]).ok();
    fs::copy(env.repo(".dvc/config.local"), env.path("clone/.dvc/config.local")).unwrap();
    env.hook_in("clone", ["install", "-q"]).ok();
    env.hook_in("clone", ["remove", FIRST]).ok();
    assert!(!env.runs_in("clone").contains(&FIRST.to_owned()));
    env.git_in("clone", ["push", "-q", "origin", "main"]).ok();
    env.git(["pull", "-q"]).ok();
    assert_eq!(env.runs_at("HEAD"), [SECOND]);
    assert!(!env.repo("data/captures").join(FIRST).exists());
    assert!(env.repo("data/captures").join(SECOND).exists());
}

#[test]
fn what_cannot_be_removed_changes_nothing() {
    let env = two_committed();
    let head = env.id("HEAD");
    let status = || env.git(["status", "--porcelain"]).ok().stdout;
    let before = status();
    env.hook(["remove", "no/such"]).fails(3);
    env.hook(["restore", FIRST]).fails(3);
    // A selection that is not committed yet.
    env.record_as("ok-orig100", "sweep/new");
    env.hook(["select", "-q", "sweep/new"]).ok();
    let refused = env.hook(["remove", FIRST]).fails(3);
    assert!(refused.stderr.contains("params.yaml differs from HEAD's"), "{}", refused.both());
    env.git(["checkout", "-q", "--", "params.yaml"]).ok();
    // A hook of the user's that stops the commit.
    env.script("repo/.git/hooks/pre-commit.capture-hook-chained", "#!/bin/sh\nexit 1\n");
    env.hook(["remove", FIRST]).fails(4);
    fs::remove_file(env.repo(".git/hooks/pre-commit.capture-hook-chained")).unwrap();
    assert_eq!((env.id("HEAD"), status()), (head, before));
    assert!(env.repo("data/captures").join(FIRST).exists());
    assert!(
        fs::read_dir(env.repo(".git"))
            .unwrap()
            .all(|entry| { !entry.unwrap().file_name().to_string_lossy().contains("removing") })
    );
    checked(&env);
}
