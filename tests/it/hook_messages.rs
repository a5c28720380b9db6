//! What hooks, and commands that commit, say when they refuse or warn: the screens that the tests of a subject do not show.

use std::fs;

use insta::assert_snapshot;

use crate::env::{FIRST, SECOND, THIRD, TestEnv};

fn append(env: &TestEnv, file: &str, text: &str) {
    let before = fs::read_to_string(env.repo(file)).unwrap();
    fs::write(env.repo(file), before + text).unwrap();
}

#[test]
fn an_unstaged_stage_stops_the_commit() {
    let env = TestEnv::committed_native();
    env.select(SECOND);
    let pipeline = fs::read_to_string(env.repo("dvc.yaml")).unwrap();
    let changed = pipeline.replace("    cmd: capture-hook ingest\n", "    cmd: capture-hook ingest --force\n");
    assert_ne!(changed, pipeline);
    fs::write(env.repo("dvc.yaml"), changed).unwrap();
    env.git(["add", "params.yaml"]).ok();
    assert_snapshot!(env.screen(&env.git(["commit", "-q", "-m", "x"]).fails(1)), @"
    error: the stage `capture_ingest` in the working tree differs from the staged one
    hint: stage it with `git add dvc.yaml`, or restore it with `git restore dvc.yaml`
    ");
}

#[test]
fn unstaged_settings_stop_the_commit() {
    let env = TestEnv::committed_native();
    env.select(SECOND);
    env.hook(["config", "set", "ingest.include", "*.mp4"]).ok();
    env.git(["add", "params.yaml", "dvc.yaml"]).ok();
    assert_snapshot!(env.screen(&env.git(["commit", "-q", "-m", "x"]).fails(1)), @"
    error: ingest.include in capture-hook.toml in the working tree differs from the staged one
    hint: stage it with `git add capture-hook.toml`, or restore it with `git restore capture-hook.toml`
    ");
}

#[test]
fn a_selected_run_that_does_not_exist_stops_the_commit() {
    let env = TestEnv::committed_native();
    env.select(SECOND);
    fs::remove_dir_all(env.repo("results").join(SECOND)).unwrap();
    assert_snapshot!(env.screen(&env.git(["commit", "-q", "-am", "x"]).fails(1)), @"
    error: the selected run results/demo/run-20260105-041 does not exist
    hint: select an existing run: `capture-hook select RUN` (`capture-hook runs` lists them)
    ");
}

#[test]
fn a_stage_that_ingests_nothing_stops_the_commit() {
    let env = TestEnv::committed();
    let pipeline = fs::read_to_string(env.repo("dvc.yaml")).unwrap();
    fs::write(env.repo("dvc.yaml"), pipeline.replace("cmd: capture-hook ingest", "cmd: 'true'")).unwrap();
    env.git(["config", "capture-hook.stageCmd", "true"]).ok();
    env.select(SECOND);
    assert_snapshot!(env.screen(&env.git(["commit", "-q", "-am", "x"]).fails(1)), @"
    dvc repro -s capture_ingest
    error: the run demo/run-20260105-041 is not in the dataset
    hint: see whether the stage calls `capture-hook ingest`: `capture-hook doctor`
    ");
}

#[test]
fn what_is_in_the_place_of_a_committed_file_stops_the_commit() {
    let env = TestEnv::committed();
    let file = env.repo("data/captures").join(FIRST).join("run.json");
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    env.select(SECOND);
    assert_snapshot!(env.screen(&env.git(["commit", "-q", "-am", "x"]).fails(1)), @"
    checking out the committed runs first
    error: cannot check out all committed runs, so the commit would lose runs: something else is at the path of nav/run-20261124-021550/run.json
    hint: move it away, then run `capture-hook pull`
    ");
}

#[test]
fn a_path_that_no_clone_checks_out_stops_the_commit() {
    let env = TestEnv::committed();
    let other = env.repo("data/captures/demo/other");
    fs::create_dir_all(&other).unwrap();
    fs::write(other.join("pyvenv.cfg"), "").unwrap();
    env.select(SECOND);
    assert_snapshot!(env.screen(&env.git(["commit", "-q", "-am", "x"]).fails(1)), @"
    dvc repro -s capture_ingest
    error: the dataset would hold a path that cannot be checked out: demo/other/pyvenv.cfg: `pyvenv.cfg` belongs to a Python environment
    hint: rename it, or move it out of the dataset's directory, then run `dvc commit` and commit again
    ");
}

#[test]
fn a_merge_whose_sides_are_not_known_stops() {
    let env = TestEnv::branches("copy");
    fs::remove_dir_all(env.repo(".dvc/cache")).unwrap();
    fs::remove_dir_all(env.path("dvc-remote")).unwrap();
    env.git(["merge", "-q", "topic"]).fails(1);
    env.git(["checkout", "-q", "--ours", "dvc.lock", "params.yaml"]).ok();
    env.git(["add", "dvc.lock", "params.yaml"]).ok();
    assert_snapshot!(env.screen(&env.git(["commit", "-q", "-m", "x"]).fails(1)), @"
    error: this clone lacks data version [md5].dir of a side of the merge, so a lost run cannot be noticed
    hint: fetch the file lists with `capture-hook check MERGE_HEAD`, then run the same command again
    hint: to commit anyway: `git -c capture-hook.allowLoss=true commit`
    ");
}

#[test]
fn tags_follow_a_rewrite_that_holds_their_run_and_no_other() {
    let env = TestEnv::committed_native();
    env.commit_run(SECOND);
    assert_snapshot!(env.screen(&env.git(["commit", "-q", "--amend", "-m", "y"]).ok()), @"moved the tag capture/demo/run-20260105-041 to the rewritten commit");
    // Amended so that it brings no run any more.
    env.git(["checkout", "-q", "HEAD~1", "--", "."]).ok();
    let amend = ["-c", "capture-hook.allowLoss=true", "commit", "-q", "--amend", "--allow-empty", "-m", "z"];
    assert_snapshot!(env.screen(&env.git(amend).ok()), @"warning: the tag capture/demo/run-20260105-041 is not moved: the rewritten commit does not hold its run");
}

#[test]
fn publish_waits_for_no_merge() {
    let env = TestEnv::committed_native();
    env.git(["checkout", "-q", "-b", "topic"]).ok();
    fs::write(env.repo("readme.txt"), "topic\n").unwrap();
    env.git(["commit", "-q", "-am", "words"]).ok();
    env.git(["checkout", "-q", "main"]).ok();
    append(&env, "readme.txt", "main\n");
    env.git(["commit", "-q", "-am", "other words"]).ok();
    env.git(["merge", "-q", "topic"]).fails(1);
    assert_snapshot!(env.screen(&env.hook(["publish", "--no-push", SECOND]).fails(3)), @"
    error: git is in the middle of a merge
    hint: finish or abort it first (see `git status`)
    ");
}

#[test]
fn publish_says_what_is_safe_if_the_push_fails() {
    let env = TestEnv::committed_native();
    env.script("origin.git/hooks/pre-receive", "#!/bin/sh\nexit 1\n");
    assert_snapshot!(env.screen(&env.hook(["publish", SECOND]).fails(4)), @"
    tagged capture/demo/run-20260105-041
    committed demo/run-20260105-041 as [commit]
    sending data of commit [commit] (results/nav/run-20261124-021550), commit [commit] (results/demo/run-20260105-041) to the DVC remote
    data: sent 16 objects, [size]
    To ../origin.git
     ! [remote rejected] HEAD -> main (pre-receive hook declined)
     ! [remote rejected] capture/demo/run-20260105-041 -> capture/demo/run-20260105-041 (pre-receive hook declined)
     ! [remote rejected] capture/nav/run-20261124-021550 -> capture/nav/run-20261124-021550 (pre-receive hook declined)
    error: failed to push some refs to '../origin.git'
    error: `git push --follow-tags -u -- origin HEAD` failed with exit code 1
    hint: fix the cause, then run `git push --follow-tags`; commit and data are safe
    ");
    assert_eq!(env.trailer("HEAD", "Capture-Run"), [SECOND]);
}

#[test]
fn without_pull_auto_a_checkout_fetches_nothing() {
    let env = TestEnv::two_versions("copy");
    env.hook(["push", "--all"]).ok();
    env.git(["checkout", "-q", "old"]).ok();
    fs::remove_dir_all(env.repo(".dvc/cache")).unwrap();
    env.hook(["config", "set", "pull.auto", "false"]).ok();
    assert_snapshot!(env.screen(&env.git(["checkout", "-q", "main"]).ok()), @"
    warning: the dataset of this commit is not checked out: pull.auto is off
    hint: run `capture-hook pull` when the DVC remote can be reached
    ");
}

#[test]
fn hooks_are_called_by_their_names() {
    let env = TestEnv::committed_native();
    assert_snapshot!(env.screen(&env.hook(["hook", "pre-lunch"]).fails(2)), @"
    error: no hook `pre-lunch`
    hint: known hooks: pre-commit, prepare-commit-msg, commit-msg, post-commit, post-rewrite, post-checkout, post-merge, pre-push
    ");
    assert_snapshot!(env.screen(&env.hook(["hook", "prepare-commit-msg"]).ok()), @"warning: prepare-commit-msg: prepare-commit-msg needs the path of the message file");
}

#[test]
fn status_says_what_a_commit_without_hooks_left_out() {
    let env = TestEnv::committed_native();
    env.select(THIRD);
    env.git(["commit", "-q", "--no-verify", "-am", "by hand"]).ok();
    assert_snapshot!(env.screen(&env.hook(["status"]).ok()), @"
    sweep/run-20260106-041 is selected
      recorded   yes  results/sweep/run-20260106-041
      valid      yes  10536 steps, 60 episodes
      ingested   no   dvc.lock holds another selection ([md5].dir)
      committed  no   HEAD holds another selection or data version
      tagged     no   it is tagged when it is committed
      pushed     no   not committed yet
      workspace  yes  matches dvc.lock, files: 7
    next: capture-hook publish sweep/run-20260106-041
    --- stderr
    hint: demo/run-20260105-041 is recorded, but in no commit; to commit it: `capture-hook publish demo/run-20260105-041`
    ");
}

#[test]
fn what_only_dvc_can_do_is_left_to_dvc() {
    let env = TestEnv::committed_native();
    fs::write(env.repo(".dvcignore"), "*.tmp\n").unwrap();
    env.select(SECOND);
    assert_snapshot!(env.screen(&env.git(["commit", "-q", "-am", "x"]).ok()), @r#"
    leaving this to DVC, although engine is "native": .dvcignore has rules
    dvc repro -s capture_ingest
    demo/run-20260105-041 is in data/captures, version [md5].dir
    tagged capture/demo/run-20260105-041
    "#);
}

#[test]
fn a_push_of_nothing_says_so() {
    let env = TestEnv::initialized();
    assert_snapshot!(env.screen(&env.hook(["push"]).ok()), @"nothing to send");
}

#[test]
fn details_are_shown_if_asked_for() {
    let env = TestEnv::committed_native();
    env.select(SECOND);
    env.git(["commit", "-q", "--no-verify", "-am", "by hand"]).ok();
    env.hook(["publish", "--no-push", SECOND]).ok();
    let output = env.hook(["-v", "hook", "post-commit"]).ok();
    let details: Vec<&str> = output.stderr.lines().filter(|line| !line.contains(" ms")).collect();
    assert_snapshot!(env.mask(&details.join("\n")), @"capture/demo/run-20260105-041 already names this data");
}

#[test]
fn a_selection_that_cannot_be_compared_is_committed_with_a_warning() {
    let env = TestEnv::committed_native();
    fs::remove_dir_all(env.repo(".dvc/cache")).unwrap();
    append(&env, "params.yaml", "# a comment\n");
    assert_snapshot!(env.screen(&env.git(["commit", "-q", "-am", "x"]).ok()), @"
    warning: cannot find out whether results/nav/run-20261124-021550 is in data version [md5].dir: its file list is not in this clone
    hint: fetch it: `capture-hook pull`
    ");
}

#[test]
fn a_checkout_names_the_file_that_the_remote_lost() {
    let env = TestEnv::two_versions("copy");
    env.hook(["push", "--all"]).ok();
    let rows = env.repo("data/captures").join(SECOND).join("steps.jsonl.gz");
    let md5 = env.run_in(".", "md5sum", [rows.to_str().unwrap()]).ok().stdout[..32].to_owned();
    env.git(["checkout", "-q", "old"]).ok();
    fs::remove_dir_all(env.repo(".dvc/cache")).unwrap();
    fs::remove_file(env.path("dvc-remote/files/md5").join(&md5[..2]).join(&md5[2..])).unwrap();
    assert_snapshot!(env.screen(&env.git(["checkout", "-q", "main"]).ok()), @"
    fetching data of [md5].dir: 25.5 KiB
    warning: the dataset of this commit is not checked out: the DVC remote does not have demo/run-20260105-041/steps.jsonl.gz
    hint: run `capture-hook pull` when the DVC remote can be reached
    ");
}

/// D2: What DVC 2 recorded stops a commit of the native engine, and its folder is removed again.
#[test]
fn what_dvc_2_recorded_stops_a_native_commit() {
    let env = TestEnv::committed_native();
    let lockfile = fs::read_to_string(env.repo("dvc.lock")).unwrap();
    let old = lockfile.replace("      hash: md5\n", "");
    assert_ne!(old, lockfile);
    fs::write(env.repo("dvc.lock"), old).unwrap();
    env.git(["commit", "-q", "--no-verify", "-am", "as DVC 2 writes it"]).ok();
    env.select(SECOND);
    assert_snapshot!(env.screen(&env.git(["commit", "-q", "-am", "x"]).fails(1)), @r#"
    error: only DVC can do this: dvc.lock holds objects of DVC 2
    hint: set engine = "dvc" in capture-hook.toml
    "#);
    assert_eq!(env.runs_in("repo"), [FIRST]);
}

#[test]
fn a_commit_of_another_version_needs_the_list_of_the_committed_one() {
    let env = TestEnv::two_versions("copy");
    fs::remove_dir_all(env.repo(".dvc/cache")).unwrap();
    fs::remove_dir_all(env.path("dvc-remote")).unwrap();
    env.git(["checkout", "-q", "old", "--", "dvc.lock", "params.yaml"]).ok();
    assert_snapshot!(env.screen(&env.git(["commit", "-q", "-m", "x"]).fails(1)), @"
    error: this clone lacks the committed data version [md5].dir, so a lost run cannot be noticed
    hint: run `capture-hook pull`, then run the same command again
    ");
}

#[test]
fn a_conflict_without_merge_drivers_says_how_to_get_them() {
    let env = TestEnv::branches("copy");
    env.git(["config", "--remove-section", "merge.capture-lock"]).ok();
    env.git(["merge", "-q", "topic"]).fails(1);
    assert_snapshot!(env.screen(&env.hook(["status"]).fails(3)), @"
    error: dvc.lock:8: unresolved merge conflict
    hint: this clone has no merge drivers: run `git merge --abort && capture-hook install`, then repeat the command
    ");
}
