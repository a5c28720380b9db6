//! Runs as they lie on the disks of people who share machines, copy directories and use one output directory again: none is
//! lost, taken for another, or left out in silence.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;

use insta::assert_snapshot;
use serde_json::Value;

use crate::env::{CommandOutput, FIRST, SECOND, THIRD, TestEnv, copy_dir, tree};

/// The prepared project with the native engine: no test here is about how DVC versions a run.
fn project() -> TestEnv {
    let env = TestEnv::committed();
    fs::write(env.repo("capture-hook.toml"), "engine = \"native\"\n").unwrap();
    env
}

/// Records a run in a directory that need not be called as the run is.
fn record_at(env: &TestEnv, case: &str, key: &str, dir: &str) {
    let aside = env.path("aside");
    let there = env.repo("results").join(key);
    let moved = there.exists();
    if moved {
        fs::rename(&there, &aside).unwrap();
    }
    env.record_as(case, key);
    if key != dir {
        let to = env.repo("results").join(dir);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::rename(&there, to).unwrap();
    }
    if moved {
        fs::rename(&aside, &there).unwrap();
    }
}

/// Changes one field of a run's `run.json`.
fn set_field(env: &TestEnv, dir: &str, field: &str, value: &str) {
    let path = env.repo("results").join(dir).join("run.json");
    let mut meta: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    meta[field] = value.into();
    fs::write(&path, meta.to_string()).unwrap();
}

fn json(output: &CommandOutput) -> Value {
    serde_json::from_str(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", output.both()))
}

/// What `params.yaml` selects.
fn selected(env: &TestEnv) -> String {
    let text = fs::read_to_string(env.repo("params.yaml")).unwrap();
    text.lines().find_map(|line| line.trim().strip_prefix("run_dir: ")).unwrap().to_owned()
}

/// R1: Two directories whose runs have one name and differ stop every command that takes several runs, both named.
#[test]
fn two_directories_with_one_key_stop_with_both_named() {
    let env = project();
    record_at(&env, "ok-head01", "demo/r1", "demo/r1");
    record_at(&env, "ok-pypi010", "demo/r1", "demo/r1-nodeB");
    let (head, data, params) = (env.id("HEAD"), tree(&env.repo("data")), selected(&env));
    let both = ["results/demo/r1", "results/demo/r1-nodeB"];
    for command in [
        &["publish", "--all-new", "--no-push"][..],
        &["publish", "--no-push", both[0], both[1]],
        &["ingest", "--all"],
        &["ingest", "demo/r1"],
        &["validate", "--all"],
        &["validate", "demo/r1"],
        &["select", "r1"],
        &["show", "demo/r1"],
    ] {
        let output = env.hook([&["--json"], command].concat()).fails(3);
        assert!(output.stderr.contains("\"duplicate_run\""), "{command:?}: {}", output.stderr);
        assert!(both.iter().all(|dir| output.stderr.contains(dir)), "{command:?}: {}", output.stderr);
    }
    assert_eq!((env.id("HEAD"), tree(&env.repo("data")), selected(&env)), (head, data, params));
    assert_eq!(json(&env.hook(["--json", "validate", "--all"]))["ok"], false);
    for command in ["runs", "status"] {
        let output = env.hook([command]).ok();
        assert!(both.iter().all(|dir| output.stderr.contains(dir)), "{command}: {}", output.both());
    }
    let runs = json(&env.hook(["--json", "runs"]).ok());
    let row = runs["runs"].as_array().unwrap().iter().find(|row| row["run"] == "demo/r1").unwrap();
    assert_eq!(row["duplicates"].as_array().unwrap().len(), 2, "{row}");
    // A path is one of them, and no other.
    env.hook(["select", both[1]]).ok();
    assert_eq!(selected(&env), both[1]);
    // The sibling: other experiments' directories, one experiment in `run.json`.
    fs::remove_dir_all(env.repo("results/demo/r1")).unwrap();
    record_at(&env, "ok-head01", "demo/r1", "a/r1");
    let output = env.hook(["ingest", "--all"]).fails(3);
    assert_snapshot!(env.screen(&output), @"
    error: several runs are called demo/r1, and they differ: results/a/r1, results/demo/r1-nodeB
    hint: remove all but one of them, or record the others again, each with its own run_id
    hint: name one of them by its path, to use that one alone
    ");
}

/// R1: Of two directories with one run and the same bytes one counts.
#[test]
fn a_copied_run_directory_counts_once() {
    let env = project();
    record_at(&env, "ok-head01", "demo/r1", "demo/r1");
    copy_dir(&env.repo("results/demo/r1"), &env.repo("results/backup/r1"));
    env.hook(["validate", "--all"]).ok();
    assert!(!env.hook(["runs"]).ok().stderr.contains("differ"));
    let output = env.hook(["publish", "--all-new", "--no-push"]).ok();
    let published: Vec<&str> = output.stdout.lines().collect();
    assert_eq!(published.len(), 3, "{}", output.stdout);
    assert!(published.contains(&"demo/r1"), "{}", output.stdout);
    assert_eq!(env.runs_in("repo"), ["demo/r1", SECOND, FIRST, THIRD].map(String::from));
}

/// R2: A link to a run is no run, and selecting it selects the run that it leads to now.
#[test]
fn a_moved_link_selects_the_run_that_it_leads_to() {
    let env = project();
    for (case, key) in [("ok-head01", "demo/r1"), ("ok-pypi010", "demo/r2")] {
        record_at(&env, case, key, key);
    }
    let link = env.repo("results/demo/latest");
    for (run, typed) in [("r1", "results/demo/latest"), ("r2", "./results/demo/latest/")] {
        let _ = fs::remove_file(&link);
        symlink(run, &link).unwrap();
        env.hook(["select", typed]).ok();
        assert_eq!(selected(&env), format!("results/demo/{run}"));
        env.git(["commit", "-q", "-am", run]).ok();
        assert!(env.runs_in("repo").contains(&format!("demo/{run}")));
    }
    // From beside it, and by the run's own path.
    env.hook_in("repo/results/demo", ["select", "latest"]).ok();
    assert_eq!(selected(&env), "results/demo/r2");
    env.hook(["select", "results/demo/r2"]).ok();
    assert_eq!(selected(&env), "results/demo/r2");
    // The sibling: a linked experiment, and a link to a run elsewhere in the project, which is one.
    symlink("demo", env.repo("results/current")).unwrap();
    fs::create_dir_all(env.repo("old/demo")).unwrap();
    record_at(&env, "ok-head01", "demo/r3", "demo/r3");
    fs::rename(env.repo("results/demo/r3"), env.repo("old/demo/r3")).unwrap();
    symlink("../../old/demo/r3", env.repo("results/demo/moved")).unwrap();
    let output = env.hook(["publish", "--all-new", "--no-push"]).ok();
    let mut published: Vec<&str> = output.stdout.lines().collect();
    published.sort_unstable();
    assert_eq!(published, ["demo/r3", SECOND, THIRD], "{}", output.both());
    env.hook(["select", "results/demo/moved"]).ok();
    assert_eq!(selected(&env), "old/demo/r3");
}

/// R7: One output directory is used again, with another run id or the same: `select`, `status` and `check` say so, and
/// a commit takes the run that lies there now.
#[test]
fn a_directory_used_again_is_committed_with_the_run_that_is_in_it() {
    let env = project();
    let again = |case: &str, key: &str| {
        let _ = fs::remove_dir_all(env.repo("results/demo/out"));
        record_at(&env, case, key, "demo/out");
    };
    let holds = |run: &str| env.runs_in("repo").contains(&run.to_owned());
    again("ok-head01", "demo/r1");
    env.hook(["select", "results/demo/out"]).ok();
    env.git(["commit", "-q", "-am", "r1"]).ok();
    assert!(holds("demo/r1"));
    env.hook(["status"]).ok();

    again("ok-pypi010", "demo/r2");
    let output = env.hook(["status", "--check"]).fails(1);
    assert_snapshot!(env.screen(&output), @"
    demo/r2 is selected
      recorded   yes  results/demo/out
      valid      yes  240 steps, 4 episodes
      ingested   no   demo/r2 is not in the data version
      committed  no   no known commit holds it as it is recorded now
      tagged     no   it is tagged when it is committed
      pushed     no   not committed yet
      workspace  yes  matches dvc.lock, files: 14
    next: capture-hook publish demo/r2
    --- stderr
    hint: 2 recorded runs are in no commit; to list them: `capture-hook runs --new`
    ");
    assert!(env.hook(["check", "HEAD~1..HEAD"]).ok().stdout.contains("recorded_anew"));
    env.hook(["check", "--strict", "HEAD~1..HEAD"]).fails(1);
    // Git sees no change: select says how to go on, and so does a commit of nothing.
    let output = env.hook(["select", "results/demo/out"]).ok();
    assert_snapshot!(env.screen(&output), @"
    params.yaml: results/demo/out is already selected
    --- stderr
    results/demo/out was recorded again: demo/r2 is not in the data version
    hint: commit it: `capture-hook publish results/demo/out`
    ");
    assert_eq!(json(&env.hook(["--json", "select", "results/demo/out"]).ok())["recorded_anew"], true);
    let output = env.git(["commit", "-q", "-am", "nothing"]).fails(1);
    assert_snapshot!(env.mask(&output.stderr), @"
    warning: results/demo/out was recorded again and is in no commit: demo/r2 is not in the data version
    hint: commit it: `capture-hook publish results/demo/out`
    ");
    assert_eq!(env.git(["status", "--porcelain", "-uno"]).ok().stdout, "");
    // A commit of something else takes it.
    fs::write(env.repo("readme.txt"), "b\n").unwrap();
    env.git(["commit", "-q", "-am", "r2"]).ok();
    assert!(holds("demo/r1") && holds("demo/r2"));
    assert!(env.tags().contains(&"capture/demo/r2".to_owned()));
    let checked = env.hook(["check", "HEAD~1..HEAD"]).ok();
    assert_snapshot!(env.screen(&checked), @"no problems: 1 commit, 1 run tag");
    assert!(!env.hook(["select", "results/demo/out"]).ok().stderr.contains("recorded again"));

    // Recorded anew under its own id; another parameter changes with it, and nobody selects anything.
    set_field(&env, "demo/out", "start_time", "2027-01-01T00:00:00Z");
    let output = env.hook(["status"]).ok();
    assert_snapshot!(env.screen(&output), @"
    demo/r2 is selected
      recorded   yes  results/demo/out
      valid      yes  240 steps, 4 episodes
      ingested   no   run.json differs from the ingested one
      committed  no   no known commit holds it as it is recorded now
      tagged     no   it is tagged when it is committed
      pushed     no   not committed yet
      workspace  yes  matches dvc.lock, files: 21
    next: capture-hook publish demo/r2
    --- stderr
    hint: 2 recorded runs are in no commit; to list them: `capture-hook runs --new`
    ");
    let params = fs::read_to_string(env.repo("params.yaml")).unwrap();
    fs::write(env.repo("params.yaml"), format!("{params}rate: 0.1\n")).unwrap();
    let output = env.git(["commit", "-q", "-am", "r2 again"]).ok();
    assert_snapshot!(env.screen(&output), @"
    results/demo/out was recorded again: run.json differs from the ingested one
    demo/r2 is in data/captures, version [md5].dir
    tagged capture/demo/r2@v2
    ");
    assert!(env.tags().contains(&"capture/demo/r2@v2".to_owned()));
    let ingested = || fs::read(env.repo("data/captures/demo/r2/run.json")).unwrap();
    assert_eq!(ingested(), fs::read(env.repo("results/demo/out/run.json")).unwrap());
    // Who goes back to the first recording on purpose is not overruled.
    env.git(["checkout", "-q", "HEAD~1", "--", "dvc.lock"]).ok();
    env.git(["commit", "-q", "-m", "The first was better"]).ok();
    assert_eq!(env.git(["diff", "HEAD~2", "HEAD", "--", "dvc.lock"]).ok().stdout, "");

    // The sibling: DVC does the work.
    fs::remove_file(env.repo("capture-hook.toml")).unwrap();
    env.hook(["pull"]).ok();
    again("ok-head01", "demo/r3");
    env.hook(["select", "results/demo/out"]).ok();
    fs::write(env.repo("readme.txt"), "c\n").unwrap();
    env.git(["commit", "-q", "-am", "r3"]).ok();
    assert!(holds("demo/r1") && holds("demo/r2") && holds("demo/r3"));
    env.assert_committed_but_for_links();
}

/// R2: A selection that names a link (an older one, or one by hand) is looked at as the run that it leads to.
#[test]
fn a_selected_link_that_moved_is_seen_by_status_and_commit() {
    let env = project();
    for (case, key) in [("ok-head01", "demo/r1"), ("ok-pypi010", "demo/r2")] {
        record_at(&env, case, key, key);
    }
    let link = env.repo("results/demo/latest");
    symlink("r1", &link).unwrap();
    env.select("demo/latest");
    env.git(["commit", "-q", "-am", "by hand"]).ok();
    assert!(env.hook(["status"]).ok().stdout.starts_with("demo/r1 is selected"));
    fs::remove_file(&link).unwrap();
    symlink("r2", &link).unwrap();
    let output = env.hook(["status"]).ok();
    assert_snapshot!(env.screen(&output), @"
    demo/r2 is selected
      recorded   yes  results/demo/latest
      valid      yes  240 steps, 4 episodes
      ingested   no   demo/r2 is not in the data version
      committed  no   no known commit holds it as it is recorded now
      tagged     no   it is tagged when it is committed
      pushed     no   not committed yet
      workspace  yes  matches dvc.lock, files: 14
    next: capture-hook publish demo/r2
    --- stderr
    hint: 2 recorded runs are in no commit; to list them: `capture-hook runs --new`
    ");
    fs::write(env.repo("params.yaml"), fs::read_to_string(env.repo("params.yaml")).unwrap() + "rate: 1\n").unwrap();
    env.git(["commit", "-q", "-am", "moved"]).ok();
    assert_eq!(env.runs_in("repo"), ["demo/r1", "demo/r2", FIRST].map(String::from));
}

/// R7: A committed run that was recorded again under its id is no new run, and is not passed over in silence either.
#[test]
fn publishing_all_new_runs_replaces_no_committed_one() {
    let env = project();
    set_field(&env, FIRST, "start_time", "2027-01-01T00:00:00Z");
    let committed = fs::read(env.repo("data/captures").join(FIRST).join("run.json")).unwrap();
    let output = env.hook(["publish", "--all-new", "--no-push"]).fails(1);
    assert_snapshot!(env.screen(&output), @"
    demo/run-20260105-041
    sweep/run-20260106-041
    --- stderr
    warning: left out: results/nav/run-20261124-021550 differs from the committed nav/run-20261124-021550; to replace that: `capture-hook publish results/nav/run-20261124-021550`
    tagged capture/demo/run-20260105-041
    tagged capture/sweep/run-20260106-041
    committed 2 runs as [commit]
    ");
    assert_eq!(output.stdout.lines().count(), 2, "{}", output.stdout);
    assert_eq!(fs::read(env.repo("data/captures").join(FIRST).join("run.json")).unwrap(), committed);
    env.hook(["publish", "--no-push", FIRST]).ok();
    assert!(env.tags().contains(&format!("capture/{FIRST}@v2")));
}

/// R3: `latest` is the run that began last by the clock, for every command that knows the word.
#[test]
fn latest_is_one_run_by_instant() {
    let env = project();
    let times = [
        ("time/by-text", "2026-01-02T01:00:00Z"),
        // 04:30 UTC of the same day.
        ("time/by-instant", "2026-01-01T23:30:00-05:00"),
        ("time/by-nothing", "yesterday"),
    ];
    for (key, start) in times {
        record_at(&env, "ok-pypi010", key, key);
        set_field(&env, key, "start_time", start);
    }
    let shown = json(&env.hook(["--json", "show", "latest:time"]).ok());
    assert_eq!(shown["run"], "time/by-instant");
    let runs = json(&env.hook(["--json", "runs", "-e", "time"]).ok());
    let order: Vec<&str> = runs["runs"].as_array().unwrap().iter().map(|row| row["run"].as_str().unwrap()).collect();
    assert_eq!(order, ["time/by-instant", "time/by-text", "time/by-nothing"]);
    env.hook(["select", "latest:time"]).ok();
    assert_eq!(selected(&env), "results/time/by-instant");
    // What is published in time's order leaves the last one selected.
    for key in [SECOND, THIRD] {
        fs::remove_dir_all(env.repo("results").join(key)).unwrap();
    }
    let output = env.hook(["publish", "--all-new", "--no-push"]).ok();
    let published: Vec<&str> = output.stdout.lines().collect();
    assert_eq!(published, ["time/by-nothing", "time/by-text", "time/by-instant"]);
    assert_eq!(selected(&env), "results/time/by-instant");
    let output = env.hook(["pull", "latest:time"]).ok();
    assert_snapshot!(env.screen(&output), @"
    data/captures/time/by-instant
    --- stderr
    time/by-instant matches dvc.lock
    ");
}

/// R4: A run whose path reads as a placeholder is refused when it is selected; others are published without it.
#[test]
fn a_run_id_that_reads_as_a_placeholder_is_refused_at_once() {
    let env = project();
    let before = selected(&env);
    // The runs' own names are none: those would be unsafe.
    for (odd, key) in [("demo/a<b>c", "demo/abc"), ("<old>/r1", "old/r1")] {
        record_at(&env, "ok-pypi010", key, odd);
        let path = format!("results/{odd}");
        for command in [&["select", &path][..], &["select", "--force", key], &["publish", "--no-push", key]] {
            let output = env.hook(command).fails(2);
            assert!(
                output.stderr.contains(&path) && output.stderr.contains("placeholder"),
                "{command:?}: {}",
                output.stderr
            );
        }
        assert_eq!(selected(&env), before);
    }
    let output = env.hook(["publish", "--all-new", "--no-push"]).fails(1);
    assert_eq!(output.stdout.lines().collect::<Vec<_>>().len(), 2, "{}", output.both());
    assert_snapshot!(env.screen(&output), @"
    demo/run-20260105-041
    sweep/run-20260106-041
    --- stderr
    warning: left out: the path results/demo/a<b>c looks like a placeholder, so a params file that names it selects no run
    warning: left out: the path results/<old>/r1 looks like a placeholder, so a params file that names it selects no run
    tagged capture/demo/run-20260105-041
    tagged capture/sweep/run-20260106-041
    committed 2 runs as [commit]
    ");
    assert_eq!(env.runs_in("repo"), [SECOND, FIRST, THIRD].map(String::from));
    // In a directory without such a name the run is one like others.
    fs::rename(env.repo("results/demo/a<b>c"), env.repo("results/demo/abc")).unwrap();
    env.hook(["publish", "--no-push", "results/demo/abc"]).ok();
    assert!(env.runs_in("repo").contains(&"demo/abc".to_owned()));
}

/// R5: A run directory whose name is not UTF-8 is left out and named, escaped; the others go on.
#[test]
fn a_directory_that_is_not_utf8_holds_nobody_up() {
    let env = project();
    record_at(&env, "ok-pypi010", "demo/odd", "demo/odd");
    record_at(&env, "ok-pypi010", "odd/r1", "odd/r1");
    let name = OsStr::from_bytes(b"caf\xe9");
    fs::rename(env.repo("results/demo/odd"), env.repo("results/demo").join(name)).unwrap();
    fs::rename(env.repo("results/odd"), env.repo("results").join(name)).unwrap();
    for command in [&["validate", "--all"][..], &["ingest", "--all"], &["publish", "--all-new", "--no-push"]] {
        let output = env.hook(command).fails(1);
        for odd in ["results/demo/caf\\xe9", "results/caf\\xe9/r1"] {
            assert!(output.stderr.contains(odd), "{command:?}: {}", output.stderr);
        }
    }
    assert_eq!(env.runs_in("repo"), [SECOND, FIRST, THIRD].map(String::from));
    for command in ["runs", "status"] {
        let output = env.hook([command]).ok();
        assert!(output.stderr.contains("caf\\xe9"), "{command}: {}", output.both());
    }
}

/// R6: A RUN is read in one order, an ambiguous one is one error, and a near miss has one hint, in every command.
#[test]
fn every_command_reads_a_run_alike() {
    let env = project();
    env.git(["tag", "-a", "-m", "another of the name", "capture/demo/nothing"]).ok();
    let commands: [&[&str]; 11] = [
        &["select"],
        &["validate"],
        &["ingest"],
        &["manifest"],
        &["publish", "--no-push"],
        &["show"],
        &["log"],
        &["diff", FIRST],
        &["plot"],
        &["get"],
        &["verify"],
    ];
    let error = |command: &[&str], query: &str| {
        let output = env.hook([&["--json"], command, &[query]].concat()).fails(3);
        let text = output.stderr.trim().lines().last().unwrap().to_owned();
        let error: Value =
            serde_json::from_str(&text).unwrap_or_else(|e| panic!("{command:?}: {e}: {}", output.stderr));
        error["error"].clone()
    };
    for command in commands {
        let ambiguous = error(command, "run-2026");
        assert_eq!(ambiguous["code"], "ambiguous_run", "{command:?}");
        assert!(ambiguous["message"].as_str().unwrap().contains(SECOND), "{command:?}: {ambiguous}");
        let near = error(command, "dmeo/run-20260105-041");
        assert_eq!(near["code"], "no_such_run", "{command:?}");
        assert!(near["hint"].as_str().unwrap().contains(&format!("did you mean `{SECOND}`?")), "{command:?}: {near}");
    }
    // `pull` knows the runs of a data version: one is ambiguous among several of these alone.
    let near = error(&["pull"], "nva/run-20261124-021550");
    assert!(near["hint"].as_str().unwrap().contains(&format!("did you mean `{FIRST}`?")), "{near}");
    assert_eq!(error(&["pull"], SECOND)["code"], "no_such_run");
    for query in ["run-2026", "latest", FIRST, &format!("results/{FIRST}"), &format!("capture/{FIRST}")] {
        let output = env.hook(["pull", query]).ok();
        assert_eq!(output.stdout, format!("data/captures/{FIRST}\n"), "{query}");
    }
    // One order: a run's id goes before a beginning and before `latest`, a path before all.
    record_at(&env, "ok-pypi010", "demo/latest", "demo/latest");
    set_field(&env, "demo/latest", "start_time", "2001-01-01T00:00:00Z");
    for query in ["latest", "demo/latest", "results/demo/latest", "lates"] {
        env.hook(["select", query]).ok();
        assert_eq!(selected(&env), "results/demo/latest", "{query}");
        assert_eq!(json(&env.hook(["--json", "show", query]).ok())["run"], "demo/latest", "{query}");
    }
    let tag = format!("capture/{FIRST}");
    env.hook(["select", &tag]).ok();
    assert_eq!(selected(&env), format!("results/{FIRST}"));
}
