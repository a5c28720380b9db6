//! `-X ours` and `-X theirs` where they decide less, or more, than it seems: a removed run, a criss-cross, a whole side.

use insta::assert_snapshot;

use crate::env::{FIRST, SECOND, THIRD, TestEnv};
use crate::field_merges::{SAME, commit_anew, disputed, files_of, findings};

/// `main` has recorded a run anew that `feature` has removed; each has added a run of its own.
fn removed_and_changed() -> TestEnv {
    let env = TestEnv::committed_native();
    commit_anew(&env, "ok-pypi010", SAME);
    env.git(["checkout", "-q", "-b", "feature"]).ok();
    env.commit_run(SECOND);
    env.hook(["remove", SAME]).ok();
    env.git(["checkout", "-q", "main"]).ok();
    env.commit_run(THIRD);
    commit_anew(&env, "ok-head01", SAME);
    env
}

/// M17: A run that one side removed and the other changed stays a conflict with `-X`, as git leaves such a file, and the message
/// names the command for each side; what it does is committed without a word about loss.
#[test]
fn a_removed_run_is_left_to_the_user_with_the_next_command() {
    for (into, merged, option, command, is_there) in [
        ("main", "feature", "-Xtheirs", "--theirs", false),
        ("main", "feature", "-Xours", "--ours", true),
        ("feature", "main", "-Xtheirs", "--theirs", true),
        ("feature", "main", "-Xours", "--ours", false),
    ] {
        let env = removed_and_changed();
        env.git(["checkout", "-q", into]).ok();
        let output = env.git(["merge", "--no-edit", option, merged]).fails(1);
        let next = format!("for the side that it names: `capture-hook resolve {SAME} {command}`, then `git commit`");
        assert!(output.both().contains(&next), "{}", output.both());
        if (into, option) == ("main", "-Xtheirs") {
            assert_snapshot!(env.driver_messages(&output), @"
            capture-hook: conflict in dvc.lock: both sides changed run demo/same
            capture-hook: resolve it: `capture-hook resolve demo/same --ours` (the files of HEAD), `--theirs` (those of feature) or `--both`
            capture-hook: -X leaves a run that one side removed to you; for the side that it names: `capture-hook resolve demo/same --theirs`, then `git commit`
            ");
        }
        env.hook(["resolve", SAME, command]).ok();
        env.git(["commit", "-q", "--no-edit"]).ok();
        let mut expected = vec![SECOND, FIRST, THIRD];
        if is_there {
            expected.push(SAME);
        }
        expected.sort_unstable();
        let mut runs = env.runs_in("repo");
        runs.sort();
        assert_eq!(runs, expected, "{into} {option}");
        env.assert_committed();
        assert_eq!(findings(&env), [] as [String; 0], "{into} {option}");
    }
}

/// M17: Several common ancestors: git merges them without `-X`, so that it favours a side of the two branches, and not of their past.
#[test]
fn a_favoured_side_is_that_of_the_branches_and_not_of_their_ancestors() {
    for option in ["theirs", "ours"] {
        let env = disputed(&[SAME]);
        for (branch, merged) in [("one", "feature"), ("two", "main")] {
            env.git(["checkout", "-q", "-b", branch, if branch == "one" { "main" } else { "feature" }]).ok();
            env.git(["merge", merged]).fails(1);
            env.hook(["resolve", SAME, "--ours"]).ok();
            env.git(["commit", "-q", "--no-edit"]).ok();
        }
        for (into, merged) in [("one", "two"), ("two", "one")] {
            let favored = if option == "theirs" { merged } else { into };
            env.git(["checkout", "-q", favored]).ok();
            let expected = files_of(&env, SAME);
            env.git(["checkout", "-q", "-B", "result", into]).ok();
            env.git(["merge", "-q", "--no-edit", "-X", option, merged]).ok();
            assert!(files_of(&env, SAME) == expected, "-X {option} of {merged} into {into}");
            assert_eq!(env.runs_in("repo"), [SECOND, SAME, FIRST, THIRD]);
            env.assert_committed();
        }
    }
}

/// M13: A strategy that takes one whole side says which run it would lose, and how to merge instead.
#[test]
fn a_strategy_that_takes_one_side_is_refused_and_the_hint_merges() {
    let env = disputed(&[SAME]);
    let head = env.id("HEAD");
    let output = env.git(["merge", "-q", "--no-edit", "-s", "ours", "feature"]).fails(1);
    assert_snapshot!(env.screen(&output), @"
    error: the merge would lose the run demo/run-20260105-041
    hint: end this merge with `git merge --abort`, then merge again without `-s ours`
    hint: to drop them on purpose: `git -c capture-hook.allowLoss=true commit`
    Not committing merge; use 'git commit' to complete the merge.
    ");
    assert_eq!(env.id("HEAD"), head);
    env.git(["merge", "--abort"]).ok();
    env.git(["merge", "-q", "--no-edit", "-X", "ours", "feature"]).ok();
    assert_eq!(env.runs_in("repo"), [SECOND, SAME, FIRST, THIRD]);
    assert_eq!(findings(&env), [] as [String; 0]);
}
