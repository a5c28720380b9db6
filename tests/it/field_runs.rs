//! Runs as they lie on the disks of people who share machines, copy directories and use one output directory again: none is
//! lost, taken for another, or left out in silence.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;

use serde_json::Value;

use crate::hooks::select;
use crate::matrix::{FIRST, SECOND, THIRD, committed, id, runs_in, settled, tags};
use crate::world::{Said, World, copy_dir, tree};

/// The prepared project with the native engine: no test here is about how DVC versions a run.
fn world() -> World {
    let world = committed();
    fs::write(world.repo("capture-hook.toml"), "engine = \"native\"\n").unwrap();
    world
}

/// Records a run in a directory that need not be called as the run is.
fn record_at(world: &World, case: &str, key: &str, dir: &str) {
    let aside = world.path("aside");
    let there = world.repo("results").join(key);
    let moved = there.exists();
    if moved {
        fs::rename(&there, &aside).unwrap();
    }
    world.record_as(case, key);
    if key != dir {
        let to = world.repo("results").join(dir);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::rename(&there, to).unwrap();
    }
    if moved {
        fs::rename(&aside, &there).unwrap();
    }
}

/// Changes one field of a run's `run.json`.
fn set_field(world: &World, dir: &str, field: &str, value: &str) {
    let path = world.repo("results").join(dir).join("run.json");
    let mut meta: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    meta[field] = value.into();
    fs::write(&path, meta.to_string()).unwrap();
}

fn json(said: &Said) -> Value {
    serde_json::from_str(&said.out).unwrap_or_else(|e| panic!("{e}: {}", said.all()))
}

/// What `params.yaml` selects.
fn selected(world: &World) -> String {
    let text = fs::read_to_string(world.repo("params.yaml")).unwrap();
    text.lines().find_map(|line| line.trim().strip_prefix("run_dir: ")).unwrap().to_owned()
}

/// 12-B2: two directories whose runs have one name and differ stop every command that takes several runs, both named.
#[test]
fn two_directories_with_one_key_stop_with_both_named() {
    let world = world();
    record_at(&world, "ok-head01", "demo/r1", "demo/r1");
    record_at(&world, "ok-pypi010", "demo/r1", "demo/r1-nodeB");
    let (head, data, params) = (id(&world, "HEAD"), tree(&world.repo("data")), selected(&world));
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
        let said = world.hook([&["--json"], command].concat()).fails(3);
        assert!(said.err.contains("\"duplicate_run\""), "{command:?}: {}", said.err);
        assert!(both.iter().all(|dir| said.err.contains(dir)), "{command:?}: {}", said.err);
    }
    assert_eq!((id(&world, "HEAD"), tree(&world.repo("data")), selected(&world)), (head, data, params));
    assert_eq!(json(&world.hook(["--json", "validate", "--all"]))["ok"], false);
    for command in ["runs", "status"] {
        let said = world.hook([command]).ok();
        assert!(both.iter().all(|dir| said.err.contains(dir)), "{command}: {}", said.all());
    }
    let runs = json(&world.hook(["--json", "runs"]).ok());
    let row = runs["runs"].as_array().unwrap().iter().find(|row| row["run"] == "demo/r1").unwrap();
    assert_eq!(row["duplicates"].as_array().unwrap().len(), 2, "{row}");
    // A path is one of them, and no other.
    world.hook(["select", both[1]]).ok();
    assert_eq!(selected(&world), both[1]);
    // The sibling: other experiments' directories, one experiment in `run.json`.
    fs::remove_dir_all(world.repo("results/demo/r1")).unwrap();
    record_at(&world, "ok-head01", "demo/r1", "a/r1");
    let said = world.hook(["ingest", "--all"]).fails(3);
    assert!(said.err.contains("results/a/r1") && said.err.contains(both[1]), "{}", said.err);
}

/// 12-B2: of two directories with one run and the same bytes one counts.
#[test]
fn a_copied_run_directory_counts_once() {
    let world = world();
    record_at(&world, "ok-head01", "demo/r1", "demo/r1");
    copy_dir(&world.repo("results/demo/r1"), &world.repo("results/backup/r1"));
    world.hook(["validate", "--all"]).ok();
    assert!(!world.hook(["runs"]).ok().err.contains("differ"));
    let said = world.hook(["publish", "--all-new", "--no-push"]).ok();
    let published: Vec<&str> = said.out.lines().collect();
    assert_eq!(published.len(), 3, "{}", said.out);
    assert!(published.contains(&"demo/r1"), "{}", said.out);
    assert_eq!(runs_in(&world, "repo"), ["demo/r1", SECOND, FIRST, THIRD].map(String::from));
}

/// 12-B3: a link to a run is no run, and selecting it selects the run that it leads to now.
#[test]
fn a_moved_link_selects_the_run_that_it_leads_to() {
    let world = world();
    for (case, key) in [("ok-head01", "demo/r1"), ("ok-pypi010", "demo/r2")] {
        record_at(&world, case, key, key);
    }
    let link = world.repo("results/demo/latest");
    for (run, typed) in [("r1", "results/demo/latest"), ("r2", "./results/demo/latest/")] {
        let _ = fs::remove_file(&link);
        symlink(run, &link).unwrap();
        world.hook(["select", typed]).ok();
        assert_eq!(selected(&world), format!("results/demo/{run}"));
        world.git(["commit", "-q", "-am", run]).ok();
        assert!(runs_in(&world, "repo").contains(&format!("demo/{run}")));
    }
    // From beside it, and by the run's own path.
    world.hook_in("repo/results/demo", ["select", "latest"]).ok();
    assert_eq!(selected(&world), "results/demo/r2");
    world.hook(["select", "results/demo/r2"]).ok();
    assert_eq!(selected(&world), "results/demo/r2");
    // The sibling: a linked experiment, and a link to a run elsewhere in the project, which is one.
    symlink("demo", world.repo("results/current")).unwrap();
    fs::create_dir_all(world.repo("old/demo")).unwrap();
    record_at(&world, "ok-head01", "demo/r3", "demo/r3");
    fs::rename(world.repo("results/demo/r3"), world.repo("old/demo/r3")).unwrap();
    symlink("../../old/demo/r3", world.repo("results/demo/moved")).unwrap();
    let said = world.hook(["publish", "--all-new", "--no-push"]).ok();
    let mut published: Vec<&str> = said.out.lines().collect();
    published.sort_unstable();
    assert_eq!(published, ["demo/r3", SECOND, THIRD], "{}", said.all());
    world.hook(["select", "results/demo/moved"]).ok();
    assert_eq!(selected(&world), "old/demo/r3");
}

/// 12-B3: one output directory is used again, with another run id or the same: `select`, `status` and `check` say so, and a
/// commit takes the run that lies there now.
#[test]
fn a_directory_used_again_is_committed_with_the_run_that_is_in_it() {
    let world = world();
    let again = |case: &str, key: &str| {
        let _ = fs::remove_dir_all(world.repo("results/demo/out"));
        record_at(&world, case, key, "demo/out");
    };
    let holds = |run: &str| runs_in(&world, "repo").contains(&run.to_owned());
    again("ok-head01", "demo/r1");
    world.hook(["select", "results/demo/out"]).ok();
    world.git(["commit", "-q", "-am", "r1"]).ok();
    assert!(holds("demo/r1"));
    world.hook(["status"]).ok();

    again("ok-pypi010", "demo/r2");
    let said = world.hook(["status", "--check"]).fails(1);
    assert!(said.out.contains("demo/r2 is not in the data version"), "{}", said.out);
    assert!(said.out.contains("next: capture-hook publish demo/r2\n"), "{}", said.out);
    assert!(world.hook(["check", "HEAD~1..HEAD"]).ok().out.contains("recorded_anew"));
    world.hook(["check", "--strict", "HEAD~1..HEAD"]).fails(1);
    // Git sees no change: select says how to go on, and so does a commit of nothing.
    let publish = "`capture-hook publish results/demo/out` commits it";
    let said = world.hook(["select", "results/demo/out"]).ok();
    assert!(said.out.contains("selected already") && said.err.contains("recorded anew"), "{}", said.all());
    assert!(said.err.contains(publish) && !said.err.contains("git commit"), "{}", said.err);
    assert_eq!(json(&world.hook(["--json", "select", "results/demo/out"]).ok())["recorded_anew"], true);
    let said = world.git(["commit", "-q", "-am", "nothing"]).fails(1);
    assert!(said.err.contains(publish), "{}", said.all());
    assert_eq!(world.git(["status", "--porcelain", "-uno"]).ok().out, "");
    // A commit of something else takes it.
    fs::write(world.repo("readme.txt"), "b\n").unwrap();
    world.git(["commit", "-q", "-am", "r2"]).ok();
    assert!(holds("demo/r1") && holds("demo/r2"));
    assert!(tags(&world).contains(&"capture/demo/r2".to_owned()));
    let checked = world.hook(["check", "HEAD~1..HEAD"]).ok();
    assert!(checked.out.starts_with("all true"), "{}", checked.out);
    assert!(!world.hook(["select", "results/demo/out"]).ok().err.contains("anew"));

    // Recorded anew under its own id; another parameter changes with it, and nobody selects anything.
    set_field(&world, "demo/out", "start_time", "2027-01-01T00:00:00Z");
    let said = world.hook(["status"]).ok();
    assert!(said.out.contains("run.json is not as it was ingested"), "{}", said.out);
    let params = fs::read_to_string(world.repo("params.yaml")).unwrap();
    fs::write(world.repo("params.yaml"), format!("{params}rate: 0.1\n")).unwrap();
    let said = world.git(["commit", "-q", "-am", "r2 again"]).ok();
    assert!(said.err.contains("results/demo/out was recorded anew"), "{}", said.err);
    assert!(tags(&world).contains(&"capture/demo/r2@v2".to_owned()));
    let ingested = || fs::read(world.repo("data/captures/demo/r2/run.json")).unwrap();
    assert_eq!(ingested(), fs::read(world.repo("results/demo/out/run.json")).unwrap());
    // Who goes back to the first recording on purpose is not overruled.
    world.git(["checkout", "-q", "HEAD~1", "--", "dvc.lock"]).ok();
    world.git(["commit", "-q", "-m", "The first was better"]).ok();
    assert_eq!(world.git(["diff", "HEAD~2", "HEAD", "--", "dvc.lock"]).ok().out, "");

    // The sibling: DVC does the work.
    fs::remove_file(world.repo("capture-hook.toml")).unwrap();
    world.hook(["pull"]).ok();
    again("ok-head01", "demo/r3");
    world.hook(["select", "results/demo/out"]).ok();
    fs::write(world.repo("readme.txt"), "c\n").unwrap();
    world.git(["commit", "-q", "-am", "r3"]).ok();
    assert!(holds("demo/r1") && holds("demo/r2") && holds("demo/r3"));
    settled(&world);
}

/// 12-B3: a selection that names a link (an older one, or one by hand) is looked at as the run that it leads to.
#[test]
fn a_selected_link_that_moved_is_seen_by_status_and_commit() {
    let world = world();
    for (case, key) in [("ok-head01", "demo/r1"), ("ok-pypi010", "demo/r2")] {
        record_at(&world, case, key, key);
    }
    let link = world.repo("results/demo/latest");
    symlink("r1", &link).unwrap();
    select(&world, "demo/latest");
    world.git(["commit", "-q", "-am", "by hand"]).ok();
    assert!(world.hook(["status"]).ok().out.starts_with("demo/r1 is selected"));
    fs::remove_file(&link).unwrap();
    symlink("r2", &link).unwrap();
    let said = world.hook(["status"]).ok();
    assert!(
        said.out.starts_with("demo/r2 is selected") && said.out.contains("demo/r2 is not in the data version"),
        "{}",
        said.out
    );
    fs::write(world.repo("params.yaml"), fs::read_to_string(world.repo("params.yaml")).unwrap() + "rate: 1\n").unwrap();
    world.git(["commit", "-q", "-am", "moved"]).ok();
    assert_eq!(runs_in(&world, "repo"), ["demo/r1", "demo/r2", FIRST].map(String::from));
}

/// 12-B3: a committed run that was recorded anew under its id is no new run, and is not passed over in silence either.
#[test]
fn publishing_all_new_runs_replaces_no_committed_one() {
    let world = world();
    set_field(&world, FIRST, "start_time", "2027-01-01T00:00:00Z");
    let committed = fs::read(world.repo("data/captures").join(FIRST).join("run.json")).unwrap();
    let said = world.hook(["publish", "--all-new", "--no-push"]).fails(1);
    assert!(said.err.contains(&format!("results/{FIRST} is not the {FIRST} that is committed")), "{}", said.err);
    assert_eq!(said.out.lines().count(), 2, "{}", said.out);
    assert_eq!(fs::read(world.repo("data/captures").join(FIRST).join("run.json")).unwrap(), committed);
    world.hook(["publish", "--no-push", FIRST]).ok();
    assert!(tags(&world).contains(&format!("capture/{FIRST}@v2")));
}

/// 12-G39: `latest` is the run that began last by the clock, for every command that knows the word.
#[test]
fn latest_is_one_run_by_instant() {
    let world = world();
    let times = [
        ("time/by-text", "2026-01-02T01:00:00Z"),
        // 04:30 UTC of the same day.
        ("time/by-instant", "2026-01-01T23:30:00-05:00"),
        ("time/by-nothing", "yesterday"),
    ];
    for (key, start) in times {
        record_at(&world, "ok-pypi010", key, key);
        set_field(&world, key, "start_time", start);
    }
    let shown = json(&world.hook(["--json", "show", "latest:time"]).ok());
    assert_eq!(shown["run"], "time/by-instant");
    let runs = json(&world.hook(["--json", "runs", "-e", "time"]).ok());
    let order: Vec<&str> = runs["runs"].as_array().unwrap().iter().map(|row| row["run"].as_str().unwrap()).collect();
    assert_eq!(order, ["time/by-instant", "time/by-text", "time/by-nothing"]);
    world.hook(["select", "latest:time"]).ok();
    assert_eq!(selected(&world), "results/time/by-instant");
    // What is published in time's order leaves the last one selected.
    for key in [SECOND, THIRD] {
        fs::remove_dir_all(world.repo("results").join(key)).unwrap();
    }
    let said = world.hook(["publish", "--all-new", "--no-push"]).ok();
    let published: Vec<&str> = said.out.lines().collect();
    assert_eq!(published, ["time/by-nothing", "time/by-text", "time/by-instant"]);
    assert_eq!(selected(&world), "results/time/by-instant");
    let said = world.hook(["pull", "latest:time"]).ok();
    assert!(said.out.contains("time/by-instant"), "{}", said.out);
}

/// 12-G40: a run whose path reads as a placeholder is refused when it is selected; others are published without it.
#[test]
fn a_run_id_that_reads_as_a_placeholder_is_refused_at_once() {
    let world = world();
    let before = selected(&world);
    // The runs' own names are none: those would be unsafe.
    for (odd, key) in [("demo/a<b>c", "demo/abc"), ("<old>/r1", "old/r1")] {
        record_at(&world, "ok-pypi010", key, odd);
        let path = format!("results/{odd}");
        for command in [&["select", &path][..], &["select", "--force", key], &["publish", "--no-push", key]] {
            let said = world.hook(command).fails(2);
            assert!(said.err.contains(&path) && said.err.contains("placeholder"), "{command:?}: {}", said.err);
        }
        assert_eq!(selected(&world), before);
    }
    let said = world.hook(["publish", "--all-new", "--no-push"]).fails(1);
    assert_eq!(said.out.lines().collect::<Vec<_>>().len(), 2, "{}", said.all());
    assert!(said.err.contains("results/demo/a<b>c") && said.err.contains("results/<old>/r1"), "{}", said.err);
    assert_eq!(runs_in(&world, "repo"), [SECOND, FIRST, THIRD].map(String::from));
    // In a directory without such a name the run is one like others.
    fs::rename(world.repo("results/demo/a<b>c"), world.repo("results/demo/abc")).unwrap();
    world.hook(["publish", "--no-push", "results/demo/abc"]).ok();
    assert!(runs_in(&world, "repo").contains(&"demo/abc".to_owned()));
}

/// 12-G41: a run directory whose name is not UTF-8 is left out and named, escaped; the others go on.
#[test]
fn a_directory_that_is_not_utf8_holds_nobody_up() {
    let world = world();
    record_at(&world, "ok-pypi010", "demo/odd", "demo/odd");
    record_at(&world, "ok-pypi010", "odd/r1", "odd/r1");
    let name = OsStr::from_bytes(b"caf\xe9");
    fs::rename(world.repo("results/demo/odd"), world.repo("results/demo").join(name)).unwrap();
    fs::rename(world.repo("results/odd"), world.repo("results").join(name)).unwrap();
    for command in [&["validate", "--all"][..], &["ingest", "--all"], &["publish", "--all-new", "--no-push"]] {
        let said = world.hook(command).fails(1);
        for odd in ["results/demo/caf\\xe9", "results/caf\\xe9/r1"] {
            assert!(said.err.contains(odd), "{command:?}: {}", said.err);
        }
    }
    assert_eq!(runs_in(&world, "repo"), [SECOND, FIRST, THIRD].map(String::from));
    for command in ["runs", "status"] {
        let said = world.hook([command]).ok();
        assert!(said.err.contains("caf\\xe9"), "{command}: {}", said.all());
    }
}

/// 12-49: a RUN is read in one order, an ambiguous one is one error, and a near miss has one hint, in every command.
#[test]
fn every_command_reads_a_run_alike() {
    let world = world();
    world.git(["tag", "-a", "-m", "another of the name", "capture/demo/nothing"]).ok();
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
        let said = world.hook([&["--json"], command, &[query]].concat()).fails(3);
        let text = said.err.trim().lines().last().unwrap().to_owned();
        let error: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{command:?}: {e}: {}", said.err));
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
        let said = world.hook(["pull", query]).ok();
        assert_eq!(said.out, format!("data/captures/{FIRST}\n"), "{query}");
    }
    // One order: a run's id goes before a beginning and before `latest`, a path before all.
    record_at(&world, "ok-pypi010", "demo/latest", "demo/latest");
    set_field(&world, "demo/latest", "start_time", "2001-01-01T00:00:00Z");
    for query in ["latest", "demo/latest", "results/demo/latest", "lates"] {
        world.hook(["select", query]).ok();
        assert_eq!(selected(&world), "results/demo/latest", "{query}");
        assert_eq!(json(&world.hook(["--json", "show", query]).ok())["run"], "demo/latest", "{query}");
    }
    let tag = format!("capture/{FIRST}");
    world.hook(["select", &tag]).ok();
    assert_eq!(selected(&world), format!("results/{FIRST}"));
}
