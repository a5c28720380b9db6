//! Runs that are removed from the dataset on purpose, and restored.

use std::fs;

use serde_json::Value;

use crate::env::{CommandOutput, FIRST, SECOND, TestEnv, tree};

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
fn the_latest_run_is_one_that_was_not_removed() {
    let env = two_committed();
    // Without the recorders' directories, history alone knows the runs.
    fs::remove_dir_all(env.repo("results")).unwrap();
    let latest = || {
        let shown: Value = serde_json::from_str(&env.hook(["show", "latest", "--json"]).ok().stdout).unwrap();
        shown["run"].as_str().unwrap().to_owned()
    };
    let first = latest();
    env.hook(["remove", &first]).ok();
    let second = latest();
    assert_ne!(first, second);
    // If all were removed, the newest of them is meant.
    env.hook(["remove", &second]).ok();
    assert_eq!(latest(), first);
}

#[test]
fn the_reason_of_a_removal_makes_no_column_wider() {
    let env = two_committed();
    let before = env.hook(["log"]).ok().stdout;
    env.hook(["remove", FIRST, "--reason", "a reason that is longer than the name of any run in this list"]).ok();
    let log = env.hook(["log"]).ok().stdout;
    assert!(log.contains("  (reason: a reason that is longer than the name of any run in thi"), "{log}");
    // As far as the column that says `removed` of the other run.
    let introduced = |log: &str| {
        let line = log.lines().find(|line| line.contains(SECOND)).unwrap();
        line.split(" here").next().unwrap().to_owned()
    };
    assert_eq!(introduced(&log), introduced(&before));
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
    let merged = env.git(["merge", "-q", "--no-edit", "other"]).ok();
    let stays = format!("capture-hook: dvc.lock: {FIRST} stays removed, though other has it\n");
    assert!(merged.stderr.contains(&stays), "{}", merged.both());
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
    // Empty, for DVC warns of declared files that do not exist.
    assert_eq!(fs::read_to_string(env.repo("metrics/capture.json")).unwrap(), "{}\n");
    assert!(!fs::read_to_string(env.repo("metrics/capture-steps.csv")).unwrap().contains(SECOND));
    let shown = env.dvc(["metrics", "show"]).ok();
    assert!(!shown.stderr.contains("WARNING"), "{}", shown.both());
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

fn json(output: &CommandOutput) -> Value {
    serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", output.both()))
}

#[test]
fn a_removed_run_is_shown_with_when_by_whom_and_why() {
    let env = two_committed();
    env.git(["branch", "other"]).ok();
    env.hook(["remove", FIRST, "--reason", "wrong seed"]).ok();
    let removal = env.id("HEAD");
    // A merge with a branch that has the run repeats the removal, and is not the commit that removed it.
    env.git(["switch", "-q", "other"]).ok();
    env.record_as("ok-orig100", "sweep/new");
    env.commit_run("sweep/new");
    env.git(["switch", "-q", "main"]).ok();
    env.git(["merge", "-q", "--no-edit", "other"]).ok();

    let shown = json(&env.hook(["--json", "show", FIRST]).ok());
    assert_eq!(shown["removed"]["commit"], removal.as_str());
    assert_eq!(shown["removed"]["author"], "Ada");
    assert_eq!(shown["removed"]["reason"], "wrong seed");
    assert!(shown["removed"]["committed_at"].as_str().unwrap().ends_with('Z'));
    assert_eq!(json(&env.hook(["--json", "show", SECOND]).ok())["removed"], Value::Null);
    let text = env.hook(["show", FIRST]).ok().stdout;
    let line = text.lines().find(|line| line.trim_start().starts_with("removed ")).unwrap();
    assert!(line.contains(&format!("{}  wrong seed  (Ada, ", &removal[..9])), "{line}");

    let state_of = |run: &str| {
        let filter = format!("run == {run} and state == removed");
        json(&env.hook(["--json", "runs", "--where", &filter]).ok())["runs"].clone()
    };
    assert_eq!(state_of(FIRST)[0]["removed"]["commit"], removal.as_str());
    assert_eq!(state_of(SECOND), Value::Array(Vec::new()));

    let log = json(&env.hook(["--json", "log", FIRST]).ok());
    let versions = log["versions"].as_array().unwrap();
    assert_eq!(versions.len(), 2, "{log:#}");
    assert_eq!(versions[0]["commit"], removal.as_str());
    assert_eq!(versions[0]["gone"], serde_json::json!([FIRST]));
    assert_eq!(versions[0]["reason"], "wrong seed");
    let text = env.hook(["log", FIRST]).ok().stdout;
    assert!(text.contains("(reason: wrong seed)"), "{text}");

    // Where it was not removed, and where it was restored, nothing says so.
    env.git(["switch", "-q", "other"]).ok();
    assert_eq!(json(&env.hook(["--json", "show", FIRST]).ok())["removed"], Value::Null);
    env.git(["switch", "-q", "main"]).ok();
    env.hook(["restore", FIRST]).ok();
    assert_eq!(json(&env.hook(["--json", "show", FIRST]).ok())["removed"], Value::Null);
    assert_eq!(json(&env.hook(["--json", "log", FIRST]).ok())["versions"].as_array().unwrap().len(), 3);
}

#[test]
fn a_clone_without_file_lists_knows_what_was_removed() {
    let env = two_committed();
    env.hook(["remove", FIRST, "--reason", "wrong seed"]).ok();
    env.git(["push", "-q", "--follow-tags", "-u", "origin", "main"]).ok();
    let url = format!("file://{}", env.path("origin.git").display());
    env.git_in(".", ["clone", "-q", &url, "clone"]).ok();
    let listed = json(&env.hook_in("clone", ["--json", "runs"]).ok());
    let of = |run: &str| listed["runs"].as_array().unwrap().iter().find(|one| one["run"] == run).unwrap().clone();
    assert_eq!(of(FIRST)["removed"]["reason"], "wrong seed");
    assert_eq!(of(SECOND)["removed"], Value::Null);
}

#[test]
fn a_removal_that_the_message_claims_and_the_data_denies_is_found() {
    let env = two_committed();
    let message = format!("code\n\nCapture-Removed: {FIRST}\n");
    fs::write(env.repo("code.py"), "x = 1\n").unwrap();
    env.git(["add", "code.py"]).ok();
    // The message hooks would take the line away.
    env.run_in("repo", "env", ["CAPTURE_HOOK=0", "git", "commit", "-q", "-m", &message]).ok();
    let found = json(&env.hook(["--json", "check", "HEAD~1..HEAD"]));
    assert_eq!(found["findings"][0]["code"], "trailer_false", "{found:#}");
    assert_eq!(found["findings"][0]["run"], FIRST);
}

#[test]
fn publishing_all_new_runs_puts_no_removed_one_back() {
    let env = two_committed();
    env.hook(["remove", FIRST]).ok();
    env.record_as("ok-orig100", "sweep/new");
    let published = env.hook(["publish", "--no-push", "--all-new"]).ok();
    let left_out = format!("left out: results/{FIRST} was removed by {}", &env.id("HEAD~1")[..9]);
    assert!(published.stderr.contains(&left_out), "{}", published.both());
    assert!(!env.runs_at("HEAD").contains(&FIRST.to_owned()));
    // If it is asked for, it comes back.
    env.hook(["publish", "--no-push", &format!("results/{FIRST}")]).ok();
    assert!(env.runs_at("HEAD").contains(&FIRST.to_owned()));
}

#[test]
fn a_conflict_can_be_resolved_for_the_side_that_removed_the_run() {
    let env = two_committed();
    env.git(["switch", "-q", "-c", "other"]).ok();
    env.record_as("ok-orig100", FIRST);
    env.hook(["publish", "--no-push", &format!("results/{FIRST}")]).ok();
    env.git(["switch", "-q", "main"]).ok();
    env.hook(["remove", FIRST, "--reason", "a trial"]).ok();
    let removed = env.id("HEAD");
    // In a merge, on either side, and where the removal is replayed.
    for (branch, command, side) in [
        ("main", ["merge", "other"], "--ours"),
        ("other", ["merge", &removed], "--theirs"),
        ("other", ["cherry-pick", &removed], "--theirs"),
    ] {
        env.git(["switch", "-q", "-c", &format!("{branch}-{}{side}", command[0]), branch]).ok();
        env.git(command).fails(1);
        env.hook(["resolve", FIRST, side]).ok();
        env.git(["commit", "-q", "--no-edit"]).ok();
        assert_eq!(env.runs_at("HEAD"), [SECOND], "{command:?}");
        assert_eq!(env.trailer("HEAD", "Capture-Removed"), [FIRST], "{command:?}");
        if command[0] == "cherry-pick" {
            assert_eq!(env.trailer("HEAD", "Capture-Reason"), ["a trial"]);
        }
        checked(&env);
    }
}

/// A merge keeps its own side's selection, also of a run that the other side removed.
#[test]
fn a_selected_run_that_a_merge_removed_stays_removed() {
    for engine in ["native", "dvc"] {
        let env = two_committed();
        fs::write(env.repo("capture-hook.toml"), format!("engine = \"{engine}\"\n")).unwrap();
        env.git(["add", "capture-hook.toml"]).ok();
        env.git(["commit", "-q", "-m", "engine"]).ok();
        env.git(["switch", "-q", "-c", "other"]).ok();
        env.select(FIRST);
        env.git(["commit", "-q", "-am", "the first one again"]).ok();
        env.git(["switch", "-q", "main"]).ok();
        env.hook(["remove", FIRST]).ok();
        let removal = env.id("HEAD");
        env.git(["switch", "-q", "other"]).ok();
        env.git(["merge", "-q", "--no-edit", "main"]).ok();
        let params = fs::read_to_string(env.repo("params.yaml")).unwrap();
        assert!(params.contains(FIRST), "{params}");
        checked(&env);
        let status = env.hook(["status"]).both();
        assert!(status.contains(&format!("removed from the dataset by {}", &removal[..9])), "{status}");
        // A commit of another parameter does not select it anew.
        fs::write(env.repo("params.yaml"), format!("{params}other: 1\n")).unwrap();
        env.git(["commit", "-q", "-am", "a parameter"]).ok();
        assert_eq!(env.runs_at("HEAD"), [SECOND], "{engine}");
        checked(&env);
    }
}
