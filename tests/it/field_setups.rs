//! Set-ups that people have: clones without our hooks, pipelines without a selection, detached heads, files that lie about,
//! links, dead environments. The tests of hook managers are in `matrix/managers.rs`.

use std::fs;

use crate::hooks::{select, select_in};
use crate::matrix::{FIRST, SECOND, THIRD, commit_run, committed, committed_natively, id, runs_in, settled, trailer};
use crate::world::{BIN, Said, World, said, tree};

const UNREACHED: &str = "warning: git calls no hook of capture-hook in this clone";
const INSTALL: &str = "hint: `capture-hook install` puts them in place";

/// A world with a run committed and pushed, and a clone of it, `clone`, without hooks.
fn with_bare_clone() -> World {
    let world = committed_natively();
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

/// The command in backticks of a hint, to be typed.
#[track_caller]
fn hinted(said: &Said, before: &str) -> String {
    let line = said.err.lines().find(|line| line.contains(before)).unwrap_or_else(|| panic!("{}", said.all()));
    line.split('`').nth(1).unwrap().to_owned()
}

/// Types a line into a shell.
#[track_caller]
fn typed(world: &World, dir: &str, line: &str) -> Said {
    world.run_in(dir, "sh", ["-c", line]).ok()
}

#[test]
fn the_first_commit_takes_what_init_wrote_and_nothing_else() {
    for (dir, args) in [("repo", vec!["init"]), ("repo/sub dir", vec!["init", "--subdir"])] {
        let world = World::new();
        world.git_in(".", ["init", "-q", "repo"]).ok();
        fs::create_dir_all(world.path(dir)).unwrap();
        for file in [".venv/pyvenv.cfg", "wandb/run.log", "secret.env"] {
            fs::create_dir_all(world.repo(file).parent().unwrap()).unwrap();
            fs::write(world.repo(file), "x").unwrap();
        }
        let said = world.hook_in(dir, args.clone()).ok();
        let line = hinted(&said, "hint: commit it");
        // A second one says it again, for as long as it is not done.
        assert_eq!(hinted(&world.hook_in(dir, args.clone()).ok(), "hint: commit it"), line);
        typed(&world, dir, &line);
        let left = world.git(["status", "--porcelain"]).ok().out;
        assert_eq!(left, "?? .venv/\n?? secret.env\n?? wandb/\n", "{line}");
        assert!(!world.hook_in(dir, args).ok().err.contains("commit it"));
    }
}

#[test]
fn a_run_that_was_got_gets_into_no_commit() {
    let world = committed();
    let (_, id) = FIRST.split_once('/').unwrap();
    let said = world.hook(["get", FIRST]).ok();
    assert!(said.err.contains(&format!("git ignores {id}/ in this clone")), "{}", said.err);
    let said = world.hook(["get", FIRST, "-o", "old [1]/*r"]).ok();
    assert!(said.err.contains("git ignores old [1]/*r/ in this clone"), "{}", said.err);
    // Where git ignores it, or does not look, there is nothing to say.
    for place in ["results/got/r1", "../got", id] {
        let said = world.hook(["get", FIRST, "--force", "-o", place]).ok();
        assert!(!said.err.contains("ignores"), "{place}: {}", said.err);
    }
    world.git(["add", "-A"]).ok();
    assert_eq!(world.git(["status", "--porcelain"]).ok().out, "");
    // The rules mean these directories alone.
    fs::create_dir_all(world.repo("old 1")).unwrap();
    fs::write(world.repo("old 1/r"), "mine").unwrap();
    assert_eq!(world.git(["status", "--porcelain"]).ok().out, "?? \"old 1/\"\n");
}

#[test]
fn another_results_dir_is_ignored_as_init_does_it() {
    let world = committed();
    let said = world.hook(["config", "set", "results_dir", "out/runs"]).ok();
    assert!(said.err.contains(".gitignore: out/runs/ is ignored by git"), "{}", said.err);
    let line = hinted(&said, "and the whole team has it");
    fs::create_dir_all(world.repo("out/runs/demo/r1")).unwrap();
    fs::write(world.repo("out/runs/demo/r1/run.json"), "{}").unwrap();
    typed(&world, "repo", &line);
    assert_eq!(world.git(["status", "--porcelain"]).ok().out, "M  .gitignore\nA  capture-hook.toml\n");
    // One that is ignored already, or lies elsewhere, needs no rule.
    for dir in ["results", "/scratch/runs", "../runs"] {
        let said = world.hook(["config", "set", "results_dir", dir]);
        assert!(!said.err.contains("ignored"), "{}", said.all());
    }
    let rules = fs::read_to_string(world.repo(".gitignore")).unwrap();
    assert_eq!(rules.matches("/out/runs").count(), 1, "{rules}");
}

#[test]
fn results_that_is_a_link_is_ignored_too() {
    let world = World::new();
    world.git_in(".", ["init", "-q", "repo"]).ok();
    fs::create_dir_all(world.path("scratch")).unwrap();
    std::os::unix::fs::symlink("../scratch", world.repo("results")).unwrap();
    let said = world.hook(["init"]).ok();
    assert!(said.err.contains(".gitignore: results is ignored by git"), "{}", said.err);
    typed(&world, "repo", &hinted(&said, "hint: commit it"));
    assert_eq!(world.git(["status", "--porcelain"]).ok().out, "");
    // A directory that becomes a link later; the rule of an older version meant directories alone.
    let rules = fs::read_to_string(world.repo(".gitignore")).unwrap();
    fs::write(world.repo(".gitignore"), rules.replace("/results\n", "/results/\n")).unwrap();
    assert!(world.git(["status", "--porcelain"]).ok().out.contains("?? results"));
    world.hook(["init"]).ok();
    assert!(!world.git(["status", "--porcelain"]).ok().out.contains("results"));
    // Runs are recorded and committed through it.
    let key = world.record("ok-head01");
    world.hook(["select", &key]).ok();
    world.git(["commit", "-q", "-am", "A run"]).ok();
    assert_eq!(trailer(&world, "HEAD", "Capture-Run"), [key]);
    // A results directory behind a link: git does not look there.
    let said = world.hook(["config", "set", "results_dir", "results/more"]).ok();
    assert!(!said.err.contains("ignored"), "{}", said.err);
}

#[test]
fn publish_on_a_detached_head_says_so_before_or_after() {
    let world = committed();
    world.git(["checkout", "-q", "--detach"]).ok();
    let (head, lock) = (id(&world, "HEAD"), fs::read(world.repo("dvc.lock")).unwrap());
    let said = world.hook(["publish", SECOND]).fails(3);
    assert!(said.err.contains("HEAD is detached") && said.err.contains("git switch -c NAME"), "{}", said.err);
    assert_eq!((id(&world, "HEAD"), fs::read(world.repo("dvc.lock")).unwrap()), (head, lock));
    assert_eq!(world.git(["status", "--porcelain"]).ok().out, "");
    // Who wants the commit all the same is told where it is.
    let said = world.hook(["publish", "--no-push", SECOND]).ok();
    assert!(said.err.contains("is on no branch") && said.err.contains("git switch -c NAME"), "{}", said.err);
    world.git(["switch", "-q", "-c", "kept"]).ok();
    let said = world.hook(["publish", SECOND]).ok();
    assert!(!said.err.contains("detached"), "{}", said.err);
    assert!(world.git(["ls-remote", "origin"]).ok().out.contains("refs/heads/kept"));
    // Without a remote to push to, the commit is all that is wanted.
    world.git(["remote", "remove", "origin"]).ok();
    world.git(["checkout", "-q", "--detach"]).ok();
    assert!(world.hook(["publish", THIRD]).ok().err.contains("is on no branch"));
}
