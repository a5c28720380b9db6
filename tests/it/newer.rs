//! What a newer version of the program could have written: it is refused with a line that says so, or left as it is.

use std::collections::BTreeMap;
use std::fs;

use insta::assert_snapshot;

use crate::env::{FIRST, NOTE_FILES, SECOND, TestEnv, tree};

/// Refs, dataset, cache, remote, and what is staged or changed but for `params.yaml` and `capture-hook.toml`.
fn snapshot(env: &TestEnv) -> (String, BTreeMap<String, Vec<u8>>, String) {
    let refs = env.git(["for-each-ref"]).ok().stdout;
    let status = env.git(["status", "--porcelain", "--", ":!params.yaml", ":!capture-hook.toml"]).ok().stdout;
    let dirs = ["repo/data", "repo/.dvc/cache", "repo/metrics", "dvc-remote", "origin.git"];
    let trees = dirs
        .into_iter()
        .flat_map(|dir| tree(&env.path(dir)).into_iter().map(move |(name, bytes)| (format!("{dir}/{name}"), bytes)));
    (refs, trees.collect(), status)
}

/// Each command that would change something fails with this code, and so does a commit of the run that is selected.
fn refused(env: &TestEnv, code: i32, commands: &[&[&str]]) {
    let before = snapshot(env);
    for command in commands {
        env.hook(*command).fails(code);
        assert!(snapshot(env) == before, "{command:?} changed something");
    }
    env.git(["commit", "-q", "-am", "A run"]).fails(1);
    assert!(snapshot(env) == before, "the stopped commit changed something");
}

/// Commands that read the settings.
const COMMANDS: [&[&str]; 10] = [
    &["status"],
    &["runs"],
    &["validate", SECOND],
    &["select", SECOND],
    &["publish", SECOND, "--no-push"],
    &["remove", FIRST],
    &["show", FIRST],
    &["pull"],
    &["check"],
    &["config", "list"],
];

#[test]
fn a_project_that_needs_a_newer_program_is_left_alone() {
    let env = TestEnv::committed();
    env.select(SECOND);
    fs::write(env.repo("capture-hook.toml"), "minimum_version = \"99.0.0\"\nnew_setting = 1\n").unwrap();
    env.git(["add", "capture-hook.toml"]).ok();
    refused(&env, 3, &COMMANDS);
    assert_snapshot!(env.screen(&env.hook(["status"])), @"
    error: capture-hook.toml: this project needs capture-hook 99.0.0 or newer, and this is 0.1.0
    hint: install a newer capture-hook
    ");
    assert_snapshot!(env.screen(&env.git(["commit", "-q", "-am", "A run"])), @"
    error: capture-hook.toml: this project needs capture-hook 99.0.0 or newer, and this is 0.1.0
    hint: install a newer capture-hook
    ");
    // What the project's own version wrote is read by `doctor`, which says what is wrong.
    let doctor = env.hook(["doctor"]).fails(1);
    assert!(doctor.stdout.contains("this project needs capture-hook 99.0.0 or newer"), "{}", doctor.both());
}

#[test]
fn a_setting_of_a_newer_program_is_refused() {
    let env = TestEnv::committed();
    env.select(SECOND);
    fs::write(env.repo("capture-hook.toml"), "[gc]\nkeep_all = true\n[new.table]\nx = 1\n").unwrap();
    env.git(["add", "capture-hook.toml"]).ok();
    refused(&env, 3, &COMMANDS);
    fs::write(env.repo("capture-hook.toml"), "new_setting = 1\n").unwrap();
    let refused = env.screen(&env.hook(["runs"]));
    // The keys that there are follow; they grow.
    assert!(
        refused.starts_with("error: capture-hook.toml:1: unknown field `new_setting`, expected one of "),
        "{refused}"
    );
    assert_snapshot!(refused.lines().skip(1).collect::<Vec<_>>().join("\n"), @"
    hint: see every setting with its default: `capture-hook config list`
    hint: if a newer capture-hook wrote it, install that version; this is 0.1.0
    ");
}

#[test]
fn a_run_of_a_newer_format_is_not_ingested() {
    for (case, from, to) in [
        ("demo/run-20260105-041", "\"schema_version\": \"0.1\"", "\"schema_version\": \"3\""),
        ("minigrid/r1", "\"schema_version\": \"2\"", "\"schema_version\": \"3.1\""),
    ] {
        let env = TestEnv::committed_native();
        env.record_simulators();
        let path = env.repo("results").join(case).join("run.json");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{text}");
        fs::write(&path, text.replace(from, to)).unwrap();
        env.select(case);
        refused(&env, 1, &[&["validate", case], &["select", case], &["publish", case, "--no-push"]]);
        let found = env.hook(["--json", "validate", case]);
        assert!(found.both().contains("a newer capture-hook can read it"), "{}", found.both());
    }
}

#[test]
fn a_schema_of_a_newer_format_is_not_read() {
    let env = TestEnv::committed_native();
    env.record_simulators();
    let path = env.repo("results/minigrid/r1/schema.json");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains("\"format\": 1"), "{text}");
    fs::write(&path, text.replace("\"format\": 1", "\"format\": 2")).unwrap();
    env.select("minigrid/r1");
    refused(&env, 1, &[&["validate", "minigrid/r1"], &["select", "minigrid/r1"]]);
    assert_snapshot!(env.screen(&env.hook(["schema", "check", "results/minigrid/r1/schema.json"])), @"
    error: results/minigrid/r1/schema.json is not a valid schema: `format` is 2; a newer capture-hook can read it
    hint: docs/schema.md says what it holds; see a valid one: `capture-hook schema show RUN`
    ");
}

#[test]
fn a_lockfile_of_a_newer_format_is_left_alone() {
    let env = TestEnv::committed_native();
    let lock = fs::read_to_string(env.repo("dvc.lock")).unwrap();
    for (from, to) in [("schema: '2.0'", "schema: '3.0'"), ("hash: md5", "hash: blake3")] {
        assert!(lock.contains(from));
        let newer = lock.replace(from, to);
        fs::write(env.repo("dvc.lock"), &newer).unwrap();
        env.git(["add", "dvc.lock"]).ok();
        env.select(SECOND);
        refused(&env, 3, &[&["publish", SECOND, "--no-push"], &["remove", FIRST], &["pull"]]);
        assert_eq!(fs::read_to_string(env.repo("dvc.lock")).unwrap(), newer);
    }
}

#[test]
fn no_data_is_sent_past_a_record_of_a_newer_erasure() {
    let env = TestEnv::committed_native();
    fs::create_dir(env.repo("capture-erased")).unwrap();
    let record = env.repo("capture-erased").join(format!("{}.json", "0".repeat(40)));
    fs::write(&record, "{\"format\": 2, \"people\": [\"all runs of one\"]}\n").unwrap();
    env.git(["add", "capture-erased"]).ok();
    env.git(["commit", "-q", "-m", "Erased"]).ok();
    let before = snapshot(&env);
    assert_snapshot!(env.screen(&env.hook(["-q", "push", "--all"]).fails(3)), @"
    error: a newer capture-hook wrote capture-erased/[commit].json, which says what data must not be sent
    hint: install a newer capture-hook
    ");
    env.git(["push", "-q", "origin", "main"]).fails(1);
    env.hook(["check", "--remote"]).fails(3);
    assert!(snapshot(&env) == before, "something was sent");
    // What is no record stops nothing.
    fs::write(&record, "{\"format\": \"2\"}\n").unwrap();
    env.git(["commit", "-q", "-am", "No record"]).ok();
    env.hook(["push", "--all"]).ok();
}

#[test]
fn notes_and_hooks_of_a_newer_program_stop_nothing() {
    let env = TestEnv::committed_native();
    let runs = env.hook(["runs", "--json"]).ok().stdout;
    for name in NOTE_FILES {
        fs::write(env.repo(".git/capture-hook").join(name), format!("capture-hook notes {name} 999\nnew\n")).unwrap();
    }
    fs::write(env.repo(".git/capture-hook-removing"), "version 2\nnew\n").unwrap();
    let shim = env.repo(".git/hooks/pre-commit");
    let text = fs::read_to_string(&shim).unwrap();
    fs::write(&shim, text.replacen("shim, version ", "shim, version 9", 1)).unwrap();
    assert_eq!(env.hook(["runs", "--json"]).ok().stdout, runs);
    let doctor = env.hook(["doctor"]).ok().stdout;
    let hook: Vec<&str> = doctor.lines().skip_while(|line| !line.contains("pre-commit ")).take(2).collect();
    assert_snapshot!(hook.join("\n"), @"
    note    pre-commit         capture-hook, written by a newer version
                               fix: install a newer capture-hook, or write the hooks of this one: capture-hook install
    ");
    env.commit_run(SECOND);
    env.hook(["remove", FIRST]).ok();
    env.hook(["check", "--strict"]).ok();
}

#[test]
fn trailers_of_a_newer_program_are_kept() {
    let env = TestEnv::committed_native();
    env.select(SECOND);
    env.git(["commit", "-q", "-am", "A run\n\nCapture-Colour: blue"]).ok();
    env.git(["commit", "-q", "--amend", "-m", "The run\n\nCapture-Colour: blue"]).ok();
    assert_eq!(env.trailer("HEAD", "Capture-Colour"), ["blue"]);
    assert_eq!(env.trailer("HEAD", "Capture-Run"), [SECOND]);
    env.hook(["check", "--strict"]).ok();
}

#[test]
fn a_report_of_a_newer_program_is_not_compared() {
    let env = TestEnv::committed_native();
    env.hook(["report", "-q", "-o", "../report.html"]).ok();
    let page = fs::read_to_string(env.path("report.html")).unwrap();
    assert_eq!(page.matches("\"format\":1,").count(), 1);
    fs::write(env.path("report.html"), page.replace("\"format\":1,", "\"format\":2,")).unwrap();
    assert_snapshot!(env.screen(&env.hook(["report", "--check", "-o", "../report.html"]).fails(1)), @"
    error: ../report.html is not a report of capture-hook: its data is of format 2; a newer capture-hook can read it
    hint: name the report's file with `-o FILE`, or make it again
    ");
}
