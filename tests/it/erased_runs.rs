//! What commands say of a run whose data was erased: that it was, and why; never that a file is missing.

use std::fs;

use serde_json::Value;

use crate::env::{FIRST, SECOND, TestEnv};

const WHY: &str = "was erased on purpose: asked by letter (capture-erased/";

/// The run is attested, pushed, and erased.
fn erased() -> TestEnv {
    let env = TestEnv::two_versions("copy");
    let metadata = "title = \"Runs\"\ndescription = \"Some.\"\nlicense = \"CC-BY-4.0\"\n";
    let creator = "[[dataset.creators]]\ngiven = \"Ada\"\nfamily = \"Example\"\n";
    fs::write(env.repo("capture-hook.toml"), format!("[dataset]\n{metadata}{creator}")).unwrap();
    env.git(["add", "capture-hook.toml"]).ok();
    env.git(["commit", "-q", "-m", "Describe"]).ok();
    env.attested_by_ssh();
    env.git(["add", "attestations"]).ok();
    env.git(["commit", "-q", "-m", "Attest"]).ok();
    env.git(["tag", "before"]).ok();
    env.git(["push", "-q", "--follow-tags", "-u", "origin", "main", "before"]).ok();
    env.hook(["push", "--all"]).ok();
    env.hook(["erase", FIRST, "--everywhere", "--yes", "--reason", "asked by letter"]).ok();
    env.git(["push", "-q", "origin", "main"]).ok();
    env.git_in(".", ["clone", "-q", "origin.git", "clone"]).ok();
    fs::copy(env.repo(".dvc/config.local"), env.path("clone/.dvc/config.local")).unwrap();
    env
}

/// The code and the message of the error.
#[track_caller]
fn is_called_erased(env: &TestEnv, dir: &str, args: &[&str]) {
    let output = env.hook_in(dir, [&["--json"], args].concat()).fails(1);
    let last = output.stderr.lines().last().unwrap_or_default();
    let error: Value = serde_json::from_str(last).unwrap_or_else(|_| panic!("{args:?}: {}", output.both()));
    let message = error["error"]["message"].as_str().unwrap();
    assert!(error["error"]["code"] == "erased" && message.contains(WHY), "{args:?}: {}", output.both());
    assert!(error["error"]["hint"].as_str().unwrap().contains(&format!("capture-hook show {FIRST}")), "{last}");
}

#[test]
fn no_command_takes_an_erased_run_for_a_missing_one() {
    let env = erased();
    for dir in ["repo", "clone"] {
        for args in [
            &["export", FIRST, "-o", "../out"][..],
            &["export", FIRST, "--rev", "before", "-o", "../out"],
            &["attest", FIRST],
            &["verify", FIRST],
            &["verify", "--attestation", FIRST],
            &["get", FIRST, "-o", "../out"],
            &["get", FIRST, "--rev", "before", "-o", "../out"],
        ] {
            is_called_erased(&env, dir, args);
        }
        assert!(!env.path("out").exists());
        let report = env.hook_in(dir, ["report", "-o", "../report.html"]).ok();
        let page = fs::read_to_string(env.path("report.html")).unwrap();
        assert!(page.contains("It was erased on purpose: asked by letter"), "{}", report.both());
        env.hook_in(dir, ["export", SECOND, "-o", "../out"]).ok();
        fs::remove_dir_all(env.path("out")).unwrap();
    }
    let verified = env.hook(["verify", "--rev", "before"]).ok();
    assert!(verified.stderr.contains(&format!("{FIRST} {WHY}")), "{}", verified.both());
    // Where the recorder's directory is not.
    for args in [&["plot", FIRST, "-o", "../out.svg"][..], &["diff", FIRST, SECOND], &["schema", "show", FIRST]] {
        is_called_erased(&env, "clone", args);
    }
    let shown = env.hook_in("clone", ["show", FIRST]).ok();
    assert!(shown.stdout.contains("erased          asked by letter  (capture-erased/"), "{}", shown.both());
    assert_eq!(shown.stderr, "");
}

/// Two branches that each hold an erased run, and another run both: what the merged data version has in bytes only the records
/// of the erasure know.
#[test]
fn a_merge_of_versions_with_erased_runs_knows_the_size() {
    let env = TestEnv::initialized();
    env.add_origin();
    fs::write(env.repo("capture-hook.toml"), "engine = \"native\"\n").unwrap();
    env.git(["add", "capture-hook.toml"]).ok();
    env.git(["commit", "-qm", "Use the native engine"]).ok();
    for (case, run) in [("ok-head01", "e/one"), ("ok-orig100", "e/two"), ("ok-pypi010", "e/both")] {
        env.record_as(case, run);
    }
    for branch in ["one", "two"] {
        env.git(["checkout", "-q", "-b", branch, "main"]).ok();
        for run in [&format!("e/{branch}"), "e/both"] {
            env.hook(["select", "-q", run]).ok();
            env.git(["commit", "-qam", run]).ok();
        }
    }
    let size = |rev: &str| {
        let lock = env.git(["show", &format!("{rev}:dvc.lock")]).ok().stdout;
        lock.lines().find_map(|line| line.trim().strip_prefix("size: ")?.parse::<u64>().ok())
    };
    env.git(["checkout", "-q", "main"]).ok();
    env.git(["merge", "-q", "--no-edit", "one"]).ok();
    env.git(["merge", "-q", "--no-edit", "two"]).ok();
    let before = size("HEAD");
    assert!(before.is_some());
    env.git(["push", "-q", "-u", "origin", "main", "one", "two"]).ok();
    env.hook(["erase", "e/one", "e/two", "--everywhere", "--yes"]).ok();
    env.git(["checkout", "-q", "one"]).ok();
    env.git(["merge", "-q", "--no-edit", "two"]).ok();
    assert_eq!(size("HEAD"), before);
}

/// To take an erased run out of an old branch's dataset, its size must be known.
#[test]
fn an_erased_run_is_removed_from_an_old_branch_with_its_size() {
    let env = erased();
    env.git(["checkout", "-q", "-b", "past", "before"]).ok();
    let size =
        || fs::read_to_string(env.repo("dvc.lock")).unwrap().lines().any(|line| line.trim().starts_with("size: "));
    assert!(size());
    env.hook(["remove", FIRST]).ok();
    assert!(size());
}
