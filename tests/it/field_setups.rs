//! Set-ups that people have: clones without our hooks, pipelines without a selection, detached heads, files that lie about,
//! links, dead environments. The tests of hook managers are in `matrix/managers.rs`.

use std::fs;

use crate::hooks::{select, select_in};
use crate::matrix::{FIRST, SECOND, THIRD, commit_run, committed, runs_in, settled, trailer};
use crate::world::{BIN, Said, World, said, tree};

const UNREACHED: &str = "warning: git calls no hook of capture-hook in this clone";
const INSTALL: &str = "hint: `capture-hook install` puts them in place";

/// A world with a run committed and pushed, and a clone of it, `clone`, without hooks.
fn with_bare_clone() -> World {
    let world = committed();
    fs::write(world.repo("capture-hook.toml"), "engine = \"native\"\n").unwrap();
    world.git(["add", "-A"]).ok();
    world.git(["commit", "-q", "-m", "settings"]).ok();
    world.git(["push", "-q", "--follow-tags", "origin", "main"]).ok();
    world.git_in(".", ["clone", "-q", "origin.git", "clone"]).ok();
    fs::copy(world.repo(".dvc/config.local"), world.path("clone/.dvc/config.local")).unwrap();
    crate::world::copy_dir(&world.repo("results"), &world.path("clone/results"));
    world
}

#[track_caller]
fn warns_of_hooks(said: Said) -> Said {
    assert!(said.err.contains(UNREACHED) && said.err.contains(INSTALL), "{}", said.all());
    said
}

#[test]
fn a_clone_without_hooks_is_told_so_by_each_command() {
    let world = with_bare_clone();
    let hook = |args: &[&str]| world.hook_in("clone", args);
    warns_of_hooks(hook(&["pull"]).ok());
    // As in CI, where they are not wanted.
    let mut quiet = world.command(BIN, "clone");
    let said = said(quiet.arg("pull").env("CAPTURE_HOOK", "0")).ok();
    assert!(!said.err.contains("hook"), "{}", said.err);
    let said = warns_of_hooks(hook(&["status"]).ok());
    assert!(said.out.contains("next: capture-hook install"), "{}", said.out);
    let json = hook(&["status", "--json"]).ok().out;
    assert!(json.contains("git calls no hook of capture-hook"), "{json}");
    warns_of_hooks(hook(&["runs"]).ok());
    let said = warns_of_hooks(hook(&["select", SECOND]).ok());
    assert!(said.err.find(INSTALL) < said.err.find("puts it into the dataset"), "in the order to type: {}", said.err);
    warns_of_hooks(hook(&["publish", "--no-push", THIRD]).ok());
    // What it says to type is all it takes.
    hook(&["install"]).ok();
    for args in [&["status"][..], &["runs"], &["pull"], &["select", SECOND]] {
        let said = hook(args).ok();
        assert!(!said.err.contains(UNREACHED) && !said.err.contains(INSTALL), "{args:?}: {}", said.err);
    }
    world.git_in("clone", ["commit", "-q", "-am", "with hooks"]).ok();
    let said = world.hook_in("clone", ["check", "HEAD~1..HEAD"]).ok();
    assert!(said.out.contains("all true"), "{}", said.out);
}

#[test]
fn hooks_that_are_missing_in_part_are_named() {
    let world = committed();
    fs::remove_file(world.repo(".git/hooks/pre-push")).unwrap();
    fs::write(world.repo(".git/hooks/pre-commit"), "#!/bin/sh\n").unwrap();
    let said = world.hook(["status"]).ok();
    let line = "warning: git does not call these hooks of capture-hook in this clone: pre-commit, pre-push\n";
    assert!(said.err.contains(line), "{}", said.err);
    world.git(["config", "core.hooksPath", ""]).ok();
    assert!(world.hook(["runs"]).ok().err.contains(UNREACHED));
}

#[test]
fn a_selection_that_a_later_commit_ingested_is_a_warning_with_its_name() {
    let world = with_bare_clone();
    select_in(&world, "clone", SECOND);
    world.git_in("clone", ["commit", "-q", "-am", "no hook ran"]).ok();
    let said = world.hook_in("clone", ["check"]).fails(1);
    assert!(said.out.contains("error selection_not_ingested"), "{}", said.out);
    world.git_in("clone", ["commit", "-q", "--allow-empty", "-m", "something else"]).ok();
    world.hook_in("clone", ["install"]).ok();
    world.hook_in("clone", ["publish", "--no-push", SECOND]).ok();
    let later = world.git_in("clone", ["rev-parse", "HEAD"]).ok().out;
    let said = world.hook_in("clone", ["check"]).ok();
    let named = format!("{} ingested the run later", &later[..9]);
    assert!(said.out.contains("warning selection_not_ingested") && said.out.contains(&named), "{}", said.out);
    world.hook_in("clone", ["check", "--strict"]).fails(1);
}

#[test]
fn a_selection_that_no_later_commit_ingested_stays_an_error() {
    let world = with_bare_clone();
    select_in(&world, "clone", SECOND);
    world.git_in("clone", ["commit", "-q", "-am", "no hook ran"]).ok();
    world.hook_in("clone", ["install"]).ok();
    select_in(&world, "clone", THIRD);
    world.git_in("clone", ["commit", "-q", "-am", "another run"]).ok();
    let said = world.hook_in("clone", ["check"]).fails(1);
    assert!(said.out.contains("error selection_not_ingested") && !said.out.contains("later"), "{}", said.out);
    // One of several runs that a later commit brings closes it, too.
    world.hook_in("clone", ["publish", "--no-push", SECOND, THIRD]).ok();
    assert!(world.hook_in("clone", ["check"]).ok().out.contains("ingested the run later"));
}

/// Puts the placeholder back: no run is selected.
fn unselect(world: &World) {
    select(world, "<experiment>/<run_id>");
}

#[test]
fn dvc_repro_goes_well_before_a_run_is_selected() {
    for engine in ["dvc", "native"] {
        let world = World::with_project();
        world.dvc(["repro"]).ok();
        let status = world.dvc(["status"]).ok().out;
        assert!(status.contains("up to date"), "{engine}: {status}");
        world.hook(["config", "set", "engine", engine]).ok();
        world.git(["add", "-A"]).ok();
        world.git(["commit", "-q", "-m", "an empty dataset"]).ok();
        // The first run goes into it as ever.
        let key = world.record("ok-head01");
        select(&world, &key);
        world.git(["commit", "-q", "-am", "A run"]).ok();
        assert_eq!(runs_in(&world, "repo"), [key.as_str()], "{engine}");
        assert_eq!(trailer(&world, "HEAD", "Capture-Run"), [key], "{engine}");
        settled(&world);
        let said = world.hook(["check"]).ok();
        assert!(said.out.contains("all true"), "{engine}: {}", said.out);
        world.hook(["push"]).ok();
    }
}

#[test]
fn without_a_selection_dvc_repro_leaves_the_dataset_as_it_is() {
    let world = committed();
    let version = |world: &World| {
        let lock = fs::read_to_string(world.repo("dvc.lock")).unwrap();
        lock.lines().find_map(|line| line.trim().strip_prefix("md5: ").map(str::to_owned)).unwrap()
    };
    let (before, held) = (version(&world), tree(&world.repo("data/captures")));
    unselect(&world);
    world.dvc(["repro"]).ok();
    assert_eq!((version(&world), tree(&world.repo("data/captures"))), (before.clone(), held));
    world.git(["commit", "-q", "-am", "no selection"]).ok();
    settled(&world);
    // A dataset that is here in part, or not at all, is not recorded as the whole.
    let lock = fs::read(world.repo("dvc.lock")).unwrap();
    fs::remove_file(world.repo("data/captures").join(FIRST).join("run.json")).unwrap();
    for part in ["run.json is missing", "is missing"] {
        let said = world.dvc(["repro", "-f"]).fails(255);
        assert!(said.err.contains(part) && said.err.contains("`capture-hook pull` brings it"), "{}", said.all());
        assert_eq!(fs::read(world.repo("dvc.lock")).unwrap(), lock);
        let _ = fs::remove_dir_all(world.repo("data/captures"));
    }
    world.hook(["pull"]).ok();
    commit_run(&world, SECOND);
    assert_eq!(runs_in(&world, "repo"), [SECOND, FIRST]);
}
