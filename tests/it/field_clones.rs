//! Clones that lack a part of their history: treeless, blobless and shallow ones. Hooks go by what is here and fetch nothing;
//! commands have git fetch what they need.

use std::fs;

use crate::hooks::select_in;
use crate::matrix::{FIRST, SECOND, THIRD, commit_run, committed};
use crate::world::{World, copy_dir};

/// A project with two runs and a commit of code pushed, and a clone of it with the hooks and the recorder's files.
fn cloned(filter: &[&str]) -> World {
    let world = committed();
    fs::write(world.repo("capture-hook.toml"), "engine = \"native\"\n").unwrap();
    world.git(["add", "capture-hook.toml"]).ok();
    commit_run(&world, SECOND);
    fs::write(world.repo("readme.txt"), "b\n").unwrap();
    world.git(["commit", "-q", "-am", "code"]).ok();
    world.git(["push", "-q", "--follow-tags", "origin", "main"]).ok();
    for key in ["uploadpack.allowFilter", "uploadpack.allowAnySHA1InWant"] {
        world.git_in("origin.git", ["config", key, "true"]).ok();
    }
    let url = format!("file://{}", world.path("origin.git").display());
    world.git_in(".", [&["clone", "-q"], filter, &[&url, "clone"]].concat()).ok();
    fs::copy(world.repo(".dvc/config.local"), world.path("clone/.dvc/config.local")).unwrap();
    world.hook_in("clone", ["install"]).ok();
    copy_dir(&world.repo("results"), &world.path("clone/results"));
    world
}

fn git(world: &World, args: &[&str]) -> String {
    world.git_in("clone", args).ok().out
}

/// What the trailers of the clone's HEAD say.
fn trailers(world: &World, key: &str) -> Vec<String> {
    let format = format!("--format=%(trailers:key={key},valueonly)");
    git(world, &["log", "-1", &format]).lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

/// Whether an object is in the clone, nothing fetched for the answer.
fn here(world: &World, object: &str) -> bool {
    world.run_in("clone", "env", ["GIT_NO_LAZY_FETCH=1", "git", "cat-file", "-e", object]).code == 0
}

/// 12-E22: in clones without old trees, or without old files, a commit and an amended one get the right trailers, hooks fetch
/// nothing, and commands have git fetch what they read.
#[test]
fn partial_clones_get_right_trailers_and_commands_fetch() {
    for filter in ["--filter=tree:0", "--filter=blob:none"] {
        let world = cloned(&[filter]);
        let old_lock = world.git(["rev-parse", "HEAD~2:dvc.lock"]).ok().out.trim().to_owned();
        let old_tree = world.git(["rev-parse", "HEAD~2^{tree}"]).ok().out.trim().to_owned();
        assert!(!here(&world, &old_lock) && here(&world, &old_tree) == (filter != "--filter=tree:0"));
        let commit = |args: &[&str], runs: &[&str]| {
            let said = world.git_in("clone", [&["commit", "-q"], args].concat()).ok();
            assert!(!said.err.contains("cannot"), "{filter}: {}", said.err);
            assert_eq!(trailers(&world, "Capture-Run"), runs, "{filter} {args:?}: {}", said.err);
            assert_eq!(trailers(&world, "Capture-Config").len(), runs.len());
        };
        // An amended commit over a parent that is only known by name; code alone.
        commit(&["--amend", "--allow-empty", "-m", "other words"], &[]);
        select_in(&world, "clone", THIRD);
        commit(&["-am", "third"], &[THIRD]);
        commit(&["--amend", "-m", "other words"], &[THIRD]);
        assert_eq!(git(&world, &["tag", "--points-at", "HEAD"]), format!("capture/{THIRD}\n"));
        // Back at a commit that brought a run, whose parent's lock is not here.
        git(&world, &["checkout", "-q", "--detach", "HEAD~2"]);
        commit(&["--amend", "-m", "again"], &[SECOND]);
        select_in(&world, "clone", THIRD);
        commit(&["--amend", "-am", "and another"], &[SECOND, THIRD]);
        git(&world, &["checkout", "-q", "main"]);
        assert!(!here(&world, &old_lock), "{filter}: a hook has fetched");
        let pushed = world.git_in("clone", ["push", "-q", "--follow-tags", "--force", "origin", "main"]).ok();
        assert!(!pushed.err.contains("cannot"), "{}", pushed.err);
        for command in ["status", "runs", "check", "log"] {
            let said = world.hook_in("clone", [command]).ok();
            assert!(!said.err.contains("error"), "{filter} {command}: {}", said.all());
        }
        assert!(here(&world, &old_lock));
        let logged = world.hook_in("clone", ["log"]).ok().out;
        assert!([FIRST, SECOND, THIRD].iter().all(|run| logged.contains(run)), "{logged}");
        let checked = world.hook_in("clone", ["check", "origin/main"]).ok().out;
        assert!(checked.starts_with("all true"), "{checked}");
    }
}

/// 12-E22, sibling: a clone whose history ends right behind HEAD.
#[test]
fn an_amended_commit_of_a_shallow_clone_keeps_its_trailers() {
    let world = cloned(&[]);
    world.git(["branch", "second", "HEAD~1"]).ok();
    world.git(["push", "-q", "origin", "second"]).ok();
    fs::remove_dir_all(world.path("clone")).unwrap();
    let url = format!("file://{}", world.path("origin.git").display());
    world.git_in(".", ["clone", "-q", "--depth", "1", "--branch", "second", &url, "clone"]).ok();
    fs::copy(world.repo(".dvc/config.local"), world.path("clone/.dvc/config.local")).unwrap();
    world.hook_in("clone", ["install"]).ok();
    // Its data is not here: what it says of itself is what is known.
    world.git_in("clone", ["commit", "-q", "--amend", "-m", "other words"]).ok();
    assert_eq!(trailers(&world, "Capture-Run"), [SECOND]);
    assert_eq!(trailers(&world, "Capture-Config").len(), 1);
    // It has no parents any more, and with the data here it is seen to bring all.
    world.hook_in("clone", ["pull"]).ok();
    copy_dir(&world.repo("results"), &world.path("clone/results"));
    select_in(&world, "clone", THIRD);
    world.git_in("clone", ["commit", "-q", "--amend", "-am", "and another"]).ok();
    assert_eq!(trailers(&world, "Capture-Run"), [SECOND, FIRST, THIRD]);
}
