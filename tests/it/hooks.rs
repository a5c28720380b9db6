//! The ordinary way, as a user goes it: a run is selected, committed, tagged, pushed, cloned, pulled, and found again.

use std::fs;

use crate::world::{VIEWS, World, tree};

/// Points `params.yaml` at a run.
pub fn select(world: &World, key: &str) {
    select_in(world, "repo", key);
}

/// The same in another clone.
pub fn select_in(world: &World, dir: &str, key: &str) {
    let path = world.path(dir).join("params.yaml");
    let text = fs::read_to_string(&path).unwrap();
    let at = text.lines().find(|line| line.trim_start().starts_with("run_dir:")).unwrap().to_owned();
    let indent = &at[..at.len() - at.trim_start().len()];
    fs::write(&path, text.replace(&at, &format!("{indent}run_dir: results/{key}"))).unwrap();
}

/// A world with one run committed.
fn with_run() -> (World, String) {
    let world = World::with_project();
    let key = world.record("ok-head01");
    select(&world, &key);
    world.git(["commit", "-q", "-am", "A run"]).ok();
    (world, key)
}

#[test]
fn a_commit_with_a_selected_run_holds_its_data() {
    let world = World::with_project();
    let key = world.record("ok-head01");
    select(&world, &key);
    let said = world.git(["commit", "-q", "-am", "A run"]).ok();

    assert_eq!(world.git(["status", "--porcelain"]).ok().out, "", "{}", said.all());
    let files = world.git(["show", "--format=", "--name-only", "HEAD"]).ok().out;
    assert_eq!(files, format!("dvc.lock\n{VIEWS}params.yaml\n"));
    let status = world.dvc(["status"]).ok().out;
    assert!(status.contains("up to date"), "{status}");

    let lock = fs::read_to_string(world.repo("dvc.lock")).unwrap();
    let data = lock.lines().find_map(|l| l.trim().strip_prefix("md5: ")).unwrap().to_owned();
    let trailers = world.git(["log", "-1", "--format=%(trailers:only)"]).ok().out;
    let lines: Vec<&str> = trailers.trim().lines().collect();
    assert_eq!(lines.len(), 4, "{trailers}");
    assert_eq!(lines[0], format!("Capture-Run: {key}"));
    assert!(lines[1].starts_with("Capture-Config: sha256:"));
    assert_eq!(lines[2], format!("Capture-Data: md5:{data}"));
    let manifest = world.repo("data/captures").join(&key).join("manifest.json");
    let sha = world.run_in("repo", "sha256sum", [manifest.to_str().unwrap()]).ok().out;
    assert_eq!(lines[3], format!("Capture-Manifest: sha256:{}", &sha[..64]));

    let tag = format!("capture/{key}");
    assert_eq!(world.git(["cat-file", "-t", &tag]).ok().out, "tag\n");
    let head = world.git(["rev-parse", "HEAD"]).ok().out;
    assert_eq!(world.git(["rev-parse", &format!("{tag}^{{}}")]).ok().out, head);
    let message = world.git(["cat-file", "tag", &tag]).ok().out;
    assert!(message.contains("Capture-Steps: ") && message.contains(lines[2]), "{message}");
}

#[test]
fn an_invalid_run_stops_the_commit_and_nothing_changes() {
    let (world, _) = with_run();
    world.record_as("bad-step-gap", "demo/bad");
    select(&world, "demo/bad");
    let params = fs::read(world.repo("params.yaml")).unwrap();
    let before = (
        world.git(["rev-parse", "HEAD"]).ok().out,
        tree(&world.repo("data")),
        fs::read(world.repo("dvc.lock")).unwrap(),
    );
    let said = world.git(["commit", "-am", "A bad run"]).fails(1);
    assert!(said.err.contains("steps.jsonl.gz:") && said.err.contains("step_sequence"), "{}", said.err);
    let after = (
        world.git(["rev-parse", "HEAD"]).ok().out,
        tree(&world.repo("data")),
        fs::read(world.repo("dvc.lock")).unwrap(),
    );
    assert!(before == after);
    assert_eq!(fs::read(world.repo("params.yaml")).unwrap(), params);
}

#[test]
fn push_clone_pull_and_an_old_tag_bring_the_data_back() {
    let (world, first) = with_run();
    world.git_in(".", ["init", "-q", "--bare", "origin.git"]).ok();
    world.git(["remote", "add", "origin", world.path("origin.git").to_str().unwrap()]).ok();
    let old = tree(&world.repo("data/captures"));
    let second = world.record("ok-pypi010");
    select(&world, &second);
    world.git(["commit", "-q", "-am", "Another run"]).ok();
    let new = tree(&world.repo("data/captures"));
    assert!(new.keys().any(|k| k.starts_with(&first)) && new.keys().any(|k| k.starts_with(&second)));
    world.git(["push", "-q", "--follow-tags", "-u", "origin", "main"]).ok();
    assert!(world.git_in("origin.git", ["tag"]).ok().out.contains(&format!("capture/{first}")));

    world.git_in(".", ["clone", "-q", "origin.git", "clone"]).ok();
    assert!(
        world.dvc_in("clone", ["status"]).ok().out.contains("not in cache")
            || !world.path("clone/data/captures").exists()
    );
    world.hook_in("clone", ["install"]).ok();
    world.hook_in("clone", ["pull"]).ok();
    assert!(tree(&world.path("clone/data/captures")) == new);

    // The data of the old tag is in the cache: the workspace follows at once.
    world.git_in("clone", ["checkout", "-q", &format!("capture/{first}")]).ok();
    assert!(tree(&world.path("clone/data/captures")) == old);
    world.git_in("clone", ["checkout", "-q", "main"]).ok();
    assert!(tree(&world.path("clone/data/captures")) == new);
    assert_eq!(world.git_in("clone", ["status", "--porcelain"]).ok().out, "");
}

#[test]
fn init_twice_changes_nothing_the_second_time() {
    let world = World::new();
    world.git_in(".", ["init", "-q", "repo"]).ok();
    fs::write(world.repo("params.yaml"), "# mine\nlr: 0.1   # keep\n").unwrap();
    fs::write(world.repo("dvc.yaml"), "# mine\nstages:\n    train:\n        cmd: 'true'   # keep\n").unwrap();
    world.hook(["init", "--remote", "../remote"]).ok();
    let tracked = |world: &World| {
        let mut files = tree(&world.repo(""));
        files.retain(|name, _| !name.starts_with(".dvc/tmp") && !name.starts_with(".git/index"));
        files
    };
    let before = tracked(&world);
    assert!(String::from_utf8_lossy(&before["params.yaml"]).starts_with("# mine\nlr: 0.1   # keep\n"));
    assert!(
        String::from_utf8_lossy(&before["dvc.yaml"])
            .starts_with("# mine\nstages:\n    train:\n        cmd: 'true'   # keep\n")
    );
    let said = world.hook(["init", "--remote", "../remote"]).ok();
    let after = tracked(&world);
    let differing: Vec<_> =
        after.iter().filter(|(name, bytes)| before.get(*name) != Some(bytes)).map(|(n, _)| n).collect();
    assert!(differing.is_empty() && before.len() == after.len(), "{differing:?}\n{}", said.all());
    assert!(world.dvc(["stage", "list"]).ok().out.contains("capture_ingest"));
    assert!(world.dvc(["remote", "list"]).ok().out.contains(world.path("remote").to_str().unwrap()));
}

#[test]
fn an_unrelated_commit_starts_no_dvc() {
    let (mut world, _) = with_run();
    let trap = world.path("trap");
    fs::create_dir_all(&trap).unwrap();
    let program = trap.join("dvc");
    fs::write(&program, format!("#!/bin/sh\ntouch {}/called\nexit 1\n", trap.display())).unwrap();
    world.run_in(".", "chmod", ["+x", program.to_str().unwrap()]).ok();
    world.set("CAPTURE_HOOK_DVC", program.to_str().unwrap());
    fs::write(world.repo("notes.txt"), "x").unwrap();
    world.git(["add", "notes.txt"]).ok();
    world.git(["commit", "-q", "-m", "Notes"]).ok();
    world.git(["checkout", "-q", "-b", "topic"]).ok();
    world.git(["commit", "-q", "--amend", "-m", "Notes again"]).ok();
    world.git(["checkout", "-q", "main"]).ok();
    world.git(["merge", "-q", "--no-edit", "topic"]).ok();
    assert!(!trap.join("called").exists());
}

#[test]
fn publish_commits_sends_and_pushes() {
    let (world, first) = with_run();
    world.git_in(".", ["init", "-q", "--bare", "origin.git"]).ok();
    world.git(["remote", "add", "origin", world.path("origin.git").to_str().unwrap()]).ok();
    let second = world.record("ok-pypi010");
    let third = world.record("ok-rotated-pypi010");
    world.record_as("bad-step-gap", "demo/bad");
    fs::write(world.repo("other.txt"), "x").unwrap();
    world.git(["add", "other.txt"]).ok();

    // Two runs, one commit; what else is staged stays staged; the invalid run is told and left out.
    let said = world.hook(["publish", "--all-new", "-m", "Two runs"]).fails(1);
    assert!(said.err.contains("demo/bad") && said.err.contains("step_sequence"), "{}", said.err);
    assert_eq!(said.out, format!("{second}\n{third}\n"));
    assert_eq!(said.err.matches("dvc repro").count(), 1, "{}", said.err);
    assert_eq!(world.git(["log", "--format=%s", "-2"]).ok().out, "Two runs\nA run\n");
    assert_eq!(world.git(["status", "--porcelain"]).ok().out, "A  other.txt\n");
    let trailers = world.git(["log", "-1", "--format=%(trailers:key=Capture-Run,valueonly)"]).ok().out;
    assert_eq!(trailers.split_whitespace().collect::<Vec<_>>(), [&second, &third]);
    let tags = world.git_in("origin.git", ["tag"]).ok().out;
    for key in [&first, &second, &third] {
        assert!(tags.contains(&format!("capture/{key}\n")), "{tags}");
    }
    assert!(world.dvc(["status", "--cloud"]).ok().out.contains("in sync"));

    // Again: nothing is left to do, and that is fine.
    world.hook(["publish", &third]).ok();
    assert_eq!(world.git(["log", "--format=%s", "-1"]).ok().out, "Two runs\n");
    // An invalid one changes nothing.
    let before = (fs::read(world.repo("params.yaml")).unwrap(), fs::read(world.repo("dvc.lock")).unwrap());
    world.hook(["publish", "demo/bad"]).fails(1);
    assert!(before == (fs::read(world.repo("params.yaml")).unwrap(), fs::read(world.repo("dvc.lock")).unwrap()));
}

#[test]
fn publish_of_many_is_one_version_with_either_engine_or_nothing() {
    let (world, _) = with_run();
    let runs = |world: &World| tree(&world.repo("data/captures")).into_keys().collect::<Vec<_>>();
    let (before, lock) = (runs(&world), fs::read(world.repo("dvc.lock")).unwrap());
    for n in 0..3 {
        world.record_as("ok-pypi010", &format!("many/a{n}"));
    }
    // DVC refuses: everything is as it was.
    let stage = fs::read_to_string(world.repo("dvc.yaml")).unwrap();
    let broken =
        stage.replace("    cmd: capture-hook ingest\n", "    cmd: capture-hook ingest\n    deps:\n    - gone.txt\n");
    assert_ne!(broken, stage);
    fs::write(world.repo("dvc.yaml"), broken).unwrap();
    let said = world.hook(["publish", "--all-new"]);
    assert!(said.code != 0 && said.err.contains("gone.txt"), "{}", said.all());
    assert!(before == runs(&world) && lock == fs::read(world.repo("dvc.lock")).unwrap(), "{}", said.all());
    fs::write(world.repo("dvc.yaml"), stage).unwrap();
    assert_eq!(world.git(["status", "--porcelain"]).ok().out, "");

    // By DVC, by the native engine: the same dataset, as DVC itself writes it.
    for (engine, experiment) in [("dvc", "many"), ("native", "more")] {
        fs::write(world.repo("capture-hook.toml"), format!("engine = \"{engine}\"\n")).unwrap();
        for n in 0..3 {
            world.record_as("ok-pypi010", &format!("{experiment}/a{n}"));
        }
        let said = world.hook(["publish", "--all-new"]).ok();
        assert_eq!(said.out, format!("{experiment}/a0\n{experiment}/a1\n{experiment}/a2\n"));
        let lock = fs::read(world.repo("dvc.lock")).unwrap();
        world.dvc(["commit", "-f", "-q"]).ok();
        assert_eq!(lock, fs::read(world.repo("dvc.lock")).unwrap(), "{engine}");
        let tags = world.git(["tag", "--points-at", "HEAD"]).ok().out;
        assert_eq!(tags.lines().count(), 3, "{tags}");
    }
}
