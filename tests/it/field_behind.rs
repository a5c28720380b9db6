//! A workspace that stays behind because git calls no hook: the next commit of a run brings it along.

use crate::env::{FIRST, SECOND, THIRD, TestEnv};

/// M19: Git ends a rebase that has nothing to replay without a word to any hook; the next commit of a run brings the
/// workspace along.
#[test]
fn a_commit_behind_a_rebase_that_replayed_nothing_brings_the_workspace_along() {
    let env = TestEnv::committed_native();
    env.git(["branch", "other"]).ok();
    env.commit_run(SECOND);
    env.git(["checkout", "-q", "other"]).ok();
    env.git(["cherry-pick", "-x", "main"]).ok();
    env.commit_run(THIRD);
    env.git(["checkout", "-q", "main"]).ok();
    env.git(["rebase", "-q", "other"]).ok();
    assert_eq!(env.id("main"), env.id("other"));
    env.record_as("ok-orig100", "demo/next");
    env.commit_run("demo/next");
    follows(&env, &[FIRST, SECOND, THIRD, "demo/next"]);
}

/// M19: `git reset` calls no hook either.
#[test]
fn a_commit_behind_a_reset_takes_the_dropped_run_out_of_the_workspace() {
    let env = TestEnv::committed_native();
    env.commit_run(SECOND);
    env.git(["reset", "-q", "--hard", "HEAD~1"]).ok();
    env.commit_run(THIRD);
    follows(&env, &[FIRST, THIRD]);
}

/// The workspace holds these runs and no others, as `dvc.lock` says.
#[track_caller]
fn follows(env: &TestEnv, runs: &[&str]) {
    let mut runs: Vec<&str> = runs.to_vec();
    runs.sort_unstable();
    assert_eq!(env.runs_in("repo"), runs);
    env.assert_committed();
}
