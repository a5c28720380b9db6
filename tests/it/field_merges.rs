//! Merges, rebases and stashes as people do them: what a side added is in the result or is said to be missing, and a selection
//! stays where the user put it.

use std::fs;

use insta::assert_snapshot;
use serde_json::Value;

use crate::env::{CommandOutput, FIRST, SECOND, THIRD, TestEnv, tree};

/// A run that branches record differently.
pub const SAME: &str = "demo/same";
/// How the other side's files of it are called, once both are kept.
const BESIDE: &str = "demo/same-theirs";

/// Records a run anew, and commits it.
pub fn commit_anew(env: &TestEnv, case: &str, key: &str) {
    let _ = fs::remove_dir_all(env.repo("results").join(key));
    env.record_as(case, key);
    env.hook(["select", key]).ok();
    env.git(["commit", "-q", "-am", &format!("{key} of {case}")]).ok();
}

/// `feature` and `main` have both recorded these runs, and each has added one of its own.
pub fn disputed(keys: &[&str]) -> TestEnv {
    let env = TestEnv::committed_native();
    env.git(["checkout", "-q", "-b", "feature"]).ok();
    env.commit_run(SECOND);
    for key in keys {
        commit_anew(&env, "ok-pypi010", key);
    }
    env.git(["checkout", "-q", "main"]).ok();
    env.commit_run(THIRD);
    for key in keys {
        commit_anew(&env, "ok-head01", key);
    }
    env
}

/// `feature` and `main` have each added a run to the first, and selected it.
fn two_sides() -> TestEnv {
    let env = TestEnv::committed_native();
    env.git(["checkout", "-q", "-b", "feature"]).ok();
    env.commit_run(SECOND);
    env.git(["checkout", "-q", "main"]).ok();
    env.commit_run(THIRD);
    env
}

/// What `params.yaml`, `dvc.lock` and the files of DVC's views say is selected, which must be one run.
#[track_caller]
fn selected(env: &TestEnv) -> String {
    let text = fs::read_to_string(env.repo("params.yaml")).unwrap();
    let run = text.lines().find_map(|line| line.trim().strip_prefix("run_dir: results/")).unwrap().to_owned();
    let lock = fs::read_to_string(env.repo("dvc.lock")).unwrap();
    assert!(lock.contains(&format!("run_dir: results/{run}\n")), "{run}: {lock}");
    let shown = fs::read_to_string(env.repo("metrics/capture.json")).unwrap();
    assert!(shown.contains(&format!("\"run\": \"{run}\"")), "{run}: {shown}");
    run
}

pub fn files_of(env: &TestEnv, key: &str) -> std::collections::BTreeMap<String, Vec<u8>> {
    tree(&env.repo("data/captures").join(key))
}

fn json(output: &CommandOutput) -> Value {
    serde_json::from_str(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", output.both()))
}

/// The codes of `check`'s findings, each with its run.
pub fn findings(env: &TestEnv) -> Vec<String> {
    let output = json(&env.hook(["--json", "check"]));
    let finding = |f: &Value| format!("{} {}", f["code"].as_str().unwrap(), f["run"].as_str().unwrap_or("-"));
    output["findings"].as_array().unwrap().iter().map(finding).collect()
}

/// M13: A conflict in `dvc.lock` that is settled by one side's file would drop what the other side alone has added: the
/// commit stops and says how to keep it.
#[test]
fn one_sides_lock_loses_no_run_of_the_other() {
    let env = disputed(&[SAME]);
    env.git(["merge", "feature"]).fails(1);
    let (head, data) = (env.id("HEAD"), tree(&env.repo("data")));
    let mut refusals = Vec::new();
    for side in ["--ours", "--theirs"] {
        env.git(["checkout", side, "dvc.lock"]).ok();
        env.git(["add", "dvc.lock"]).ok();
        let output = env.git(["commit", "-q", "--no-edit"]).fails(1);
        refusals.push(env.screen(&output));
        assert_eq!((env.id("HEAD"), tree(&env.repo("data"))), (head.clone(), data.clone()));
        // As the hint says, the conflict is back.
        env.git(["checkout", "-q", "-m", "--", "dvc.lock"]).ok();
    }
    assert_snapshot!(refusals.join("\n\n"), @"
    error: the merge would lose the run demo/run-20260105-041
    hint: restore the conflict with `git checkout -m -- dvc.lock`, then run `capture-hook resolve RUN --ours` (or `--theirs`, `--both`)
    hint: to drop them on purpose: `git -c capture-hook.allowLoss=true commit`

    error: the merge would lose the run sweep/run-20260106-041
    hint: restore the conflict with `git checkout -m -- dvc.lock`, then run `capture-hook resolve RUN --ours` (or `--theirs`, `--both`)
    hint: to drop them on purpose: `git -c capture-hook.allowLoss=true commit`
    ");
    env.hook(["resolve", SAME, "--ours"]).ok();
    env.git(["commit", "-q", "--no-edit"]).ok();
    assert_eq!(env.runs_in("repo"), [SECOND, SAME, FIRST, THIRD]);
    env.assert_committed();
    assert_eq!(findings(&env), [] as [String; 0]);
}

/// M13: What a merge drops on purpose, or without hooks, is in `check`'s findings, whichever parent held it.
#[test]
fn check_finds_a_run_that_a_merge_dropped() {
    let env = two_sides();
    let output = env.git(["merge", "-q", "-s", "ours", "--no-edit", "feature"]).fails(1);
    assert_snapshot!(env.screen(&output), @"
    error: the merge would lose the run demo/run-20260105-041
    hint: end this merge with `git merge --abort`, then merge again without `-s ours`
    hint: to drop them on purpose: `git -c capture-hook.allowLoss=true commit`
    Not committing merge; use 'git commit' to complete the merge.
    ");
    env.git(["-c", "capture-hook.allowLoss=true", "commit", "-q", "--no-edit"]).ok();
    assert_eq!(env.id("HEAD^2"), env.id("feature"));
    let lost = [format!("run_lost {SECOND}")];
    assert_eq!(findings(&env), lost);
    env.hook(["check", "--strict"]).fails(1);
    // A merge that goes on from there says nothing new, and neither does one that brings the other side's lock.
    env.git(["commit", "-q", "--allow-empty", "-m", "on"]).ok();
    env.git(["checkout", "-q", "-b", "later", "HEAD~1"]).ok();
    fs::write(env.repo("readme.txt"), "b\n").unwrap();
    env.git(["commit", "-q", "-am", "code"]).ok();
    env.git(["merge", "-q", "--no-edit", "main"]).ok();
    assert_eq!(findings(&env), lost);

    // The sibling: no hooks, several branches, and the lock of one of them.
    let env = two_sides();
    env.git(["-c", "core.hooksPath=/dev/null", "merge", "-q", "-s", "ours", "--no-edit", "feature", "HEAD~1"]).ok();
    assert_eq!(findings(&env), lost);
    env.git(["reset", "-q", "--hard", "HEAD~1"]).ok();
    let output = env.git(["merge", "-q", "-s", "ours", "--no-edit", "feature", "HEAD~1"]).fails(1);
    assert_snapshot!(env.screen(&output), @"
    error: the merge would lose the run demo/run-20260105-041
    hint: end this merge with `git merge --abort`, then merge again without `-s ours`
    hint: to drop them on purpose: `git -c capture-hook.allowLoss=true commit`
    Not committing merge; use 'git commit' to complete the merge.
    ");
}

/// M13: A run that one side removed on purpose is gone after a merge with a branch that still held it. The user is asked
/// nothing.
#[test]
fn a_run_that_one_side_removed_on_purpose_is_no_loss() {
    let env = two_sides();
    fs::remove_dir_all(env.repo("data/captures").join(FIRST)).unwrap();
    env.dvc(["commit", "-q", "-f", "capture_ingest"]).ok();
    env.git(["commit", "-q", "-am", "Remove it"]).fails(1);
    env.git(["-c", "capture-hook.allowLoss=true", "commit", "-q", "-am", "Remove it"]).ok();
    let removed = findings(&env);
    assert_eq!(removed, [format!("run_lost {FIRST}")]);
    env.git(["branch", "removed"]).ok();
    env.git(["merge", "-q", "--no-edit", "feature"]).ok();
    assert_eq!(env.runs_at("HEAD"), [SECOND, THIRD]);
    // From the other side, concluded by `git commit`.
    env.git(["checkout", "-q", "feature"]).ok();
    env.git(["merge", "-q", "--no-commit", "removed"]).ok();
    env.git(["commit", "-q", "--no-edit"]).ok();
    assert_eq!(env.runs_at("HEAD"), [SECOND, THIRD]);
    assert_eq!(findings(&env), removed);
}

/// M14: `resolve` settles a run and unites the others; with both kept, the other side's files stand beside it as they
/// are.
#[test]
fn a_disputed_run_is_settled_as_the_user_says() {
    let theirs_are = |env: &TestEnv| {
        env.git(["checkout", "-q", "feature"]).ok();
        let files = files_of(env, SAME);
        env.git(["checkout", "-q", "main"]).ok();
        files
    };
    for (side, left) in
        [("--theirs", &[SECOND, SAME, FIRST, THIRD][..]), ("--both", &[SECOND, SAME, BESIDE, FIRST, THIRD])]
    {
        let env = disputed(&[SAME]);
        let (ours, theirs) = (files_of(&env, SAME), theirs_are(&env));
        assert_ne!(ours, theirs);
        let output = env.git(["merge", "feature"]).fails(1);
        assert!(
            output.both().contains(&format!("`capture-hook resolve {SAME} --ours` (the files of HEAD)")),
            "{}",
            output.both()
        );
        let output = json(&env.hook(["--json", "resolve", "same", side]).ok());
        assert_eq!((&output["run"], &output["settled"]), (&SAME.into(), &true.into()));
        assert_eq!(output["kept_as"], if side == "--both" { BESIDE.into() } else { Value::Null });
        env.git(["commit", "-q", "--no-edit"]).ok();
        env.assert_committed();
        assert_eq!(env.runs_at("HEAD"), left);
        assert_eq!(selected(&env), SAME);
        let (kept, beside) = (files_of(&env, SAME), files_of(&env, BESIDE));
        if side == "--both" {
            assert_eq!((kept, beside), (ours, theirs));
            assert!(env.tags().contains(&format!("capture/{BESIDE}")), "{:?}", env.tags());
            // The folder's name is the run's, here as anywhere in a dataset.
            for typed in [BESIDE, "data/captures/demo/same-theirs"] {
                let output = json(&env.hook(["--json", "show", typed]).ok());
                assert_eq!(output["run"], BESIDE, "{typed}");
            }
        } else {
            assert_eq!((kept, beside.len()), (theirs, 0));
            // DVC's views show what the run holds now.
            assert_eq!(env.git(["diff", "--stat", "feature", "--", "metrics"]).ok().stdout, "");
        }
        env.hook(["verify"]).ok();
        // Ours is what was recorded here.
        let anew = if side == "--theirs" { vec!["recorded_anew -"] } else { Vec::new() };
        assert_eq!(findings(&env), anew, "{side}");
    }
}

/// M14: Of several disputed runs each is settled by itself, in a rebase and a stash as in a merge; what is in no
/// dispute is not settled.
#[test]
fn several_disputed_runs_are_settled_one_by_one() {
    let other = "demo/twice";
    let mut env = disputed(&[SAME, other]);
    let output = env.hook(["resolve", SAME, "--ours"]).fails(3);
    assert_snapshot!(env.screen(&output), @"
    error: dvc.lock is not in conflict
    hint: see what to do: `capture-hook status`
    ");
    env.git(["checkout", "-q", "-b", "replayed", "feature"]).ok();
    env.set("GIT_EDITOR", "true");
    env.git(["merge", "main"]).fails(1);
    let wrong = [FIRST, "nobody"].map(|wrong| env.screen(&env.hook(["resolve", wrong, "--ours"]).fails(3)));
    assert_snapshot!(wrong.join("\n\n"), @"
    error: `nav/run-20261124-021550` is not in conflict in dvc.lock; in conflict: demo/same, demo/twice
    hint: resolve it: `capture-hook resolve demo/same --ours`, `--theirs` or `--both`

    error: `nobody` is not in conflict in dvc.lock; in conflict: demo/same, demo/twice
    hint: resolve it: `capture-hook resolve demo/same --ours`, `--theirs` or `--both`
    ");
    env.hook(["resolve", SAME]).fails(2);
    env.hook(["resolve", SAME, "--ours", "--theirs"]).fails(2);
    let output = env.hook(["resolve", other, "--theirs"]).ok();
    assert_snapshot!(env.screen(&output), @"
    demo/twice: their files stay
    --- stderr
    demo/same is still in conflict
    hint: resolve it: `capture-hook resolve demo/same --ours`, `--theirs` or `--both`
    ");
    assert_eq!(env.git(["diff", "--name-only", "--diff-filter=U"]).ok().stdout, "dvc.lock\n");
    // Another mind, before the last.
    env.hook(["resolve", "results/demo/twice", "--both"]).ok();
    let output = env.hook(["resolve", SAME, "--ours"]).ok();
    assert_snapshot!(env.screen(&output), @"
    demo/same: our files stay
    --- stderr
    dvc.lock holds every other run of both sides: data version [md5].dir
    hint: to finish: `git commit`
    ");
    env.git(["commit", "-q", "--no-edit"]).ok();
    let all = [SECOND, SAME, other, "demo/twice-theirs", FIRST, THIRD];
    assert_eq!(env.runs_at("HEAD"), all);
    env.assert_committed();

    env.git(["checkout", "-q", "-b", "rebased", "feature"]).ok();
    env.git(["rebase", "-q", "main"]).fails(1);
    let output = env.hook(["resolve", SAME, "--theirs"]).ok();
    assert_snapshot!(env.screen(&output), @"
    demo/same: their files stay
    --- stderr
    dvc.lock holds every other run of both sides: data version [md5].dir
    hint: to finish: `git rebase --continue`
    ");
    env.git(["rebase", "--continue"]).fails(1);
    env.hook(["resolve", other, "--ours"]).ok();
    env.git(["rebase", "--continue"]).ok();
    assert_eq!(env.runs_at("HEAD"), [SECOND, SAME, other, FIRST, THIRD]);
    env.assert_committed();
}

/// M14: Where branches have merged each other, and settled a run in different ways, that run alone is disputed again;
/// what git makes of the ancestors is not shown.
#[test]
fn a_criss_cross_disputes_no_more_than_it_must() {
    let other = "demo/other";
    let env = TestEnv::committed_native();
    commit_anew(&env, "ok-pypi010", other);
    for (branch, case) in [("feature", "ok-pypi010"), ("main", "ok-head01")] {
        env.git(["checkout", "-q", "-B", branch, if branch == "main" { "main" } else { "HEAD" }]).ok();
        commit_anew(&env, case, SAME);
        env.git(["branch", &format!("{branch}-before")]).ok();
    }
    for (branch, merged) in [("main", "feature-before"), ("feature", "main-before")] {
        env.git(["checkout", "-q", branch]).ok();
        env.git(["merge", merged]).fails(1);
        env.hook(["resolve", SAME, "--ours"]).ok();
        env.git(["commit", "-q", "--no-edit"]).ok();
    }
    env.git(["checkout", "-q", "main"]).ok();
    commit_anew(&env, "ok-head01", other);
    let files = files_of(&env, other);
    env.git(["checkout", "-q", "feature"]).ok();
    env.commit_run(SECOND);
    let output = env.git(["merge", "main"]).fails(1);
    assert_snapshot!(env.driver_messages(&output), @"
    capture-hook: HEAD's selection stays; main selects results/demo/other (to take it: `capture-hook select results/demo/other`)
    capture-hook: conflict in dvc.lock: both sides changed run demo/same
    capture-hook: resolve it: `capture-hook resolve demo/same --ours` (the files of HEAD), `--theirs` (those of main) or `--both`
    ");
    let disputed = |key: &str| output.both().contains(&format!("both sides changed run {key}"));
    assert!(disputed(SAME) && !disputed(other), "{}", output.both());
    env.hook(["resolve", SAME, "--ours"]).ok();
    env.git(["commit", "-q", "--no-edit"]).ok();
    assert_eq!(env.runs_in("repo"), [other, SECOND, SAME, FIRST]);
    assert_eq!(files_of(&env, other), files);
    env.assert_committed();
}

/// M15: A merge that a rebase makes again keeps what it selected, and nothing calls a branch by the rebase's own names.
#[test]
fn a_merge_that_is_made_again_keeps_what_it_selected() {
    for kept in [THIRD, SECOND] {
        let env = two_sides();
        env.git(["merge", "-q", "--no-edit", "feature"]).ok();
        if kept == SECOND {
            // The merge itself was given the other side's selection.
            env.hook(["select", SECOND]).ok();
            env.git(["commit", "-q", "--amend", "--no-edit", "-a"]).ok();
        }
        assert_eq!(selected(&env), kept);
        env.git(["branch", "old"]).ok();
        env.git(["checkout", "-q", "-b", "up", "HEAD~1^"]).ok();
        fs::write(env.repo("readme.txt"), "b\n").unwrap();
        env.git(["commit", "-q", "-am", "code"]).ok();
        for how in
            [&["--rebase-merges"][..], &["--rebase-merges", "-X", "patience"], &["-r", "-s", "ort", "-X", "theirs"]]
        {
            env.git(["checkout", "-q", "-B", "main", "old"]).ok();
            let output = env.git([&["rebase"], how, &["up"]].concat()).ok();
            assert!(!output.both().contains("rewritten/"), "{}", output.both());
            assert_eq!(env.git(["log", "-1", "--format=%p"]).ok().stdout.split_whitespace().count(), 2);
            assert_eq!(selected(&env), kept, "{how:?}: {}", output.both());
            assert_eq!(env.runs_in("repo"), [SECOND, FIRST, THIRD], "{how:?}");
            env.assert_committed();
        }
    }
}

/// M15: A dispute in a merge that is made again names the branch as its user does, in words and in markers.
#[test]
fn a_dispute_in_a_merge_that_is_made_again_names_the_branch() {
    let mut env = disputed(&[SAME]);
    env.set("GIT_EDITOR", "true");
    env.git(["merge", "feature"]).fails(1);
    env.hook(["resolve", SAME, "--theirs"]).ok();
    env.git(["commit", "-q", "--no-edit"]).ok();
    env.git(["checkout", "-q", "-b", "up", "HEAD~2"]).ok();
    fs::write(env.repo("readme.txt"), "b\n").unwrap();
    env.git(["commit", "-q", "-am", "code"]).ok();
    env.git(["checkout", "-q", "main"]).ok();
    let output = env.git(["rebase", "-q", "-r", "up"]).fails(1);
    let lock = fs::read_to_string(env.repo("dvc.lock")).unwrap();
    let last = lock.lines().find(|line| line.starts_with(">>>>>>>")).unwrap();
    assert!(last.starts_with(">>>>>>> feature (data "), "{last}");
    assert_snapshot!(env.driver_messages(&output), @"
    capture-hook: conflict in dvc.lock: both sides changed run demo/same
    capture-hook: resolve it: `capture-hook resolve demo/same --ours` (the files of HEAD), `--theirs` (those of feature) or `--both`
    ");
    env.hook(["resolve", SAME, "--theirs"]).ok();
    env.git(["rebase", "--continue"]).ok();
    assert_eq!(env.runs_at("HEAD"), [SECOND, SAME, FIRST, THIRD]);
    env.assert_committed();
    assert_eq!(findings(&env), ["recorded_anew -"]);
}

/// M16: A selection that is not committed yet survives what git puts aside and back around a fast-forward or a merge.
#[test]
fn an_uncommitted_selection_survives_autostash() {
    let env = two_sides();
    let ours = "merge.capture-params.driver";
    let line = env.git(["config", ours]).ok().stdout.trim().to_owned();
    // Git before 2.44 tells drivers nothing of what they merge for.
    let unlabelled = line.replace(" %S %X %Y", "");
    assert_ne!(line, unlabelled);
    env.git(["checkout", "-q", "-b", "behind", "main~1"]).ok();
    for driver in [&line, &unlabelled] {
        env.git(["config", ours, driver]).ok();
        for how in [
            &["pull", "--rebase", "--autostash", ".", "main"][..],
            &["merge", "--autostash", "main"],
            &["pull", "--ff-only", "--autostash", ".", "main"],
            &["merge", "--autostash", "--no-ff", "--no-edit", "main"],
        ] {
            env.select(SECOND);
            env.git(how).ok();
            let text = fs::read_to_string(env.repo("params.yaml")).unwrap();
            assert!(text.contains(&format!("run_dir: results/{SECOND}\n")), "{how:?}: {text}");
            assert_eq!(env.git(["status", "--porcelain"]).ok().stdout, " M params.yaml\n", "{how:?}");
            assert_eq!(env.git(["diff", "--stat", "main", "--", "dvc.lock"]).ok().stdout, "", "{how:?}");
            env.git(["reset", "-q", "--hard", "main~1"]).ok();
        }
    }
    // The sibling: a stash by hand, under a variable of a merge that is long over.
    env.select(SECOND);
    env.git(["stash", "-q"]).ok();
    env.git(["merge", "-q", "main"]).ok();
    let mut git = env.command("git", "repo");
    git.args(["stash", "pop", "-q"]).env(format!("GITHEAD_{}", env.id("main")), "main");
    crate::env::run_command(&mut git).ok();
    env.git(["commit", "-q", "-am", "mine"]).ok();
    assert_eq!(selected(&env), SECOND);
    env.assert_committed();
}

/// M17: `-X theirs` and `-X ours` mean the selection, too, and settle a run that both sides changed.
#[test]
fn a_favoured_side_is_taken_in_the_dataset_too() {
    let env = disputed(&[SAME]);
    env.git(["checkout", "-q", "feature"]).ok();
    let theirs = files_of(&env, SAME);
    env.commit_run(SECOND);
    env.git(["checkout", "-q", "main"]).ok();
    let ours = files_of(&env, SAME);
    env.commit_run(THIRD);
    env.git(["branch", "old"]).ok();
    for how in [
        &["merge", "--no-edit", "-X", "theirs", "feature"][..],
        &["merge", "--no-edit", "-Xours", "feature"],
        &["pull", "--no-rebase", "--no-edit", "--strategy-option=theirs", ".", "feature"],
    ] {
        env.git(["reset", "-q", "--hard", "old"]).ok();
        let output = env.git(how).ok();
        let (run, files) =
            if how.iter().any(|arg| arg.contains("theirs")) { (SECOND, &theirs) } else { (THIRD, &ours) };
        assert_eq!((selected(&env).as_str(), &files_of(&env, SAME)), (run, files), "{how:?}");
        assert_eq!(env.runs_in("repo"), [SECOND, SAME, FIRST, THIRD], "{how:?}");
        assert!(output.both().contains(&format!("both sides changed run {SAME}")), "{how:?}: {}", output.both());
        env.assert_committed();
    }
    // The sibling: a replay keeps the other side where git is told so.
    env.git(["checkout", "-q", "-b", "replayed", "feature"]).ok();
    env.git(["rebase", "-q", "-X", "ours", "old"]).ok();
    assert_eq!((selected(&env).as_str(), &files_of(&env, SAME)), (THIRD, &ours));
    env.assert_committed();
}

/// M18: A clone in which git does not know the merge drivers is told the way that works.
#[test]
fn a_merge_without_the_drivers_says_how_to_get_them() {
    for how in [&["merge", "--no-edit", "origin/feature"][..], &["rebase", "origin/feature"]] {
        let env = two_sides();
        env.git(["push", "-q", "--all", "origin"]).ok();
        env.git_in(".", ["clone", "-q", "origin.git", "clone"]).ok();
        fs::copy(env.repo(".dvc/config.local"), env.path("clone/.dvc/config.local")).unwrap();
        env.git_in("clone", how).fails(1);
        let hint = format!("`git {} --abort && capture-hook install`", how[0]);
        for command in [&["status"][..], &["pull"], &["--json", "status"]] {
            let output = env.hook_in("clone", command).fails(3);
            assert!(output.stderr.contains("unresolved merge conflict"), "{command:?}: {}", output.stderr);
            assert!(output.stderr.contains(&hint), "{command:?}: {}", output.stderr);
        }
        env.git_in("clone", [how[0], "--abort"]).ok();
        env.hook_in("clone", ["install"]).ok();
        env.git_in("clone", how).ok();
        env.hook_in("clone", ["pull"]).ok();
        assert_eq!(env.runs_in("clone"), [SECOND, FIRST, THIRD]);
        env.hook_in("clone", ["check"]).ok();
    }
}
