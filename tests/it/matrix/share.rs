//! A dataset that several share never shrinks: clones that never pulled, offline, runs removed or changed in the workspace.

use std::fs;
use std::path::PathBuf;

use super::{Case, FIRST, SECOND, THIRD, clean, commit_run, runs_at, runs_in};
use crate::hooks::{select, select_in};
use crate::world::{World, copy_dir, tree};

pub const CASES: &[Case] = &[
    Case { line: "never shrink: a clone that never pulled commits a run, native engine", run: never_pulled_native },
    Case { line: "never shrink: offline, a clone that never pulled stops, with either engine", run: offline },
    Case { line: "never shrink: a lock without a run is refused, but for allowLoss", run: refused },
    Case { line: "never shrink: a run removed in the workspace comes back first", run: removed },
];

/// With each type of links to DVC's cache.
pub const DATA: &[Case] = &[
    Case { line: "never shrink: a clone that never pulled commits a run", run: never_pulled },
    Case { line: "never shrink: another run's files changed in the workspace stop a commit", run: changed },
    Case { line: "a run recorded anew replaces its folder, and no object of the cache", run: anew },
];

/// Commits the second run with this engine, pushes, and clones into `clone`, with hooks, settings and recorded runs, but
/// without data.
fn fresh_clone(world: &World, engine: &str) {
    fs::write(world.repo("capture-hook.toml"), format!("engine = \"{engine}\"\n")).unwrap();
    world.git(["add", "capture-hook.toml"]).ok();
    commit_run(world, SECOND);
    world.git(["push", "-q", "origin", "main"]).ok();
    world.git_in(".", ["clone", "-q", "origin.git", "clone"]).ok();
    fs::copy(world.repo(".dvc/config.local"), world.path("clone/.dvc/config.local")).unwrap();
    world.hook_in("clone", ["install"]).ok();
    copy_dir(&world.repo("results"), &world.path("clone/results"));
    assert!(runs_in(world, "clone").is_empty());
}

/// The files that a revision's data version lists, with their hashes; from the cache of a directory.
fn entries(world: &World, dir: &str) -> Vec<(String, String)> {
    let lock = fs::read_to_string(world.path(dir).join("dvc.lock")).unwrap();
    let version = lock.lines().find_map(|l| l.trim().strip_prefix("md5: ")).unwrap().to_owned();
    let path: PathBuf = world.path(dir).join(".dvc/cache/files/md5").join(&version[..2]).join(&version[2..]);
    let list: serde_json::Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let text = |entry: &serde_json::Value, key: &str| entry[key].as_str().unwrap().to_owned();
    list.as_array().unwrap().iter().map(|e| (text(e, "relpath"), text(e, "md5"))).collect()
}

fn commits_in_clone(world: &World) {
    let before = entries(world, "repo");
    select_in(world, "clone", THIRD);
    world.git_in("clone", ["commit", "-q", "-am", "x"]).ok();
    let after = entries(world, "clone");
    assert!(before.iter().all(|entry| after.contains(entry)), "{after:?}");
    let new = after.iter().filter(|entry| !before.contains(entry));
    assert!(new.clone().count() > 0 && new.clone().all(|(path, _)| path.starts_with(THIRD)), "{after:?}");
    assert_eq!(world.git_in("clone", ["status", "--porcelain"]).ok().out, "");
    world.git_in("clone", ["push", "-q", "origin", "main"]).ok();
    world.git(["pull", "-q"]).fails(1);
    world.git(["pull", "-q", "origin", "main"]).ok();
    assert_eq!(runs_in(world, "repo"), [SECOND, FIRST, THIRD]);
    assert_eq!(runs_at(world, "HEAD"), [SECOND, FIRST, THIRD]);
    clean(world);
}

fn never_pulled(world: World) {
    fresh_clone(&world, "dvc");
    commits_in_clone(&world);
    // DVC looks at the whole workspace, so all runs are in it.
    assert_eq!(runs_in(&world, "clone"), [SECOND, FIRST, THIRD]);
}

fn never_pulled_native(world: World) {
    fresh_clone(&world, "native");
    commits_in_clone(&world);
    world.hook_in("clone", ["pull"]).ok();
    assert_eq!(runs_in(&world, "clone"), [SECOND, FIRST, THIRD]);
    assert!(world.dvc_in("clone", ["status"]).ok().out.contains("up to date"));
}

fn offline(world: World) {
    fresh_clone(&world, "dvc");
    for engine in ["dvc", "native"] {
        fs::write(world.path("clone/capture-hook.toml"), format!("engine = \"{engine}\"\n")).unwrap();
        let before =
            (world.git_in("clone", ["rev-parse", "HEAD"]).ok().out, fs::read(world.path("clone/dvc.lock")).unwrap());
        fs::rename(world.path("dvc-remote"), world.path("away")).unwrap();
        select_in(&world, "clone", THIRD);
        let said = world.git_in("clone", ["commit", "-am", "x"]).fails(1);
        assert!(
            said.err.contains("is not all in the cache") && said.err.contains("is not there"),
            "{engine}: {}",
            said.err
        );
        assert!(said.err.contains("hint:"), "{engine}: {}", said.err);
        let after =
            (world.git_in("clone", ["rev-parse", "HEAD"]).ok().out, fs::read(world.path("clone/dvc.lock")).unwrap());
        assert!(before == after && runs_in(&world, "clone").is_empty(), "{engine}");
        fs::rename(world.path("away"), world.path("dvc-remote")).unwrap();
    }
    // The list of files is here, the files are not.
    world.git_in("clone", ["checkout", "-q", "capture-hook.toml"]).ok();
    copy_dir(&world.repo(".dvc/cache"), &world.path("clone/.dvc/cache"));
    for file in crate::world::files(&world.path("clone/.dvc/cache")) {
        if file.extension().is_none_or(|extension| extension != "dir") {
            fs::remove_file(file).unwrap();
        }
    }
    fs::rename(world.path("dvc-remote"), world.path("away")).unwrap();
    let said = world.git_in("clone", ["commit", "-am", "x"]).fails(1);
    assert!(said.err.contains("so runs could get lost: ") && said.err.contains("capture-hook pull"), "{}", said.err);
    fs::rename(world.path("away"), world.path("dvc-remote")).unwrap();
    commits_in_clone(&world);
}

fn refused(world: World) {
    commit_run(&world, SECOND);
    // A lock that DVC made from a workspace without a run does not get in.
    fs::remove_dir_all(world.repo("data/captures").join(FIRST)).unwrap();
    let reselect = |world: &World| {
        select(world, THIRD);
        world.dvc(["repro", "-q", "-s", "capture_ingest"]).ok();
    };
    reselect(&world);
    let head = super::id(&world, "HEAD");
    let said = world.git(["commit", "-am", "x"]).fails(1);
    assert!(said.err.contains(&format!("the dataset would lose the run {FIRST}")), "{}", said.err);
    assert!(said.err.contains("capture-hook.allowLoss=true"), "{}", said.err);
    assert_eq!(super::id(&world, "HEAD"), head);
    // As the hint says it is brought back, and as it says it is dropped on purpose.
    world.git(["restore", "--source=HEAD", "--staged", "--worktree", "dvc.lock"]).ok();
    world.hook(["pull"]).ok();
    world.git(["commit", "-q", "-am", "x"]).ok();
    assert_eq!(runs_at(&world, "HEAD"), [SECOND, FIRST, THIRD]);
    clean(&world);
    world.git(["reset", "-q", "--hard", "HEAD~1"]).ok();
    world.hook(["pull"]).ok();
    fs::remove_dir_all(world.repo("data/captures").join(FIRST)).unwrap();
    reselect(&world);
    world.git(["-c", "capture-hook.allowLoss=true", "commit", "-q", "-am", "x"]).ok();
    assert_eq!(runs_at(&world, "HEAD"), [SECOND, THIRD]);
    clean(&world);
}

fn removed(world: World) {
    commit_run(&world, SECOND);
    fs::remove_dir_all(world.repo("data/captures").join(FIRST)).unwrap();
    fs::remove_file(world.repo("data/captures").join(SECOND).join("run.json")).unwrap();
    commit_run(&world, THIRD);
    assert_eq!(runs_at(&world, "HEAD"), [SECOND, FIRST, THIRD]);
    clean(&world);
}

fn changed(world: World) {
    let file = world.repo("data/captures").join(FIRST).join("run.json");
    fs::remove_file(&file).unwrap();
    fs::write(&file, "{}").unwrap();
    select(&world, SECOND);
    let lock = fs::read(world.repo("dvc.lock")).unwrap();
    let said = world.git(["commit", "-am", "x"]).fails(1);
    assert!(said.err.contains(&format!("differs from the committed one in the run {FIRST}")), "{}", said.err);
    assert_eq!(fs::read(world.repo("dvc.lock")).unwrap(), lock);
    // The edit is the user's: it stays until they decide.
    assert_eq!(fs::read(&file).unwrap(), b"{}");
    // One file alone comes back, too.
    fs::remove_file(&file).unwrap();
    world.hook(["pull"]).ok();
    world.git(["commit", "-q", "-am", "x"]).ok();
    clean(&world);
}

fn anew(world: World) {
    commit_run(&world, SECOND);
    let objects = tree(&world.repo(".dvc/cache/files"));
    let meta = world.repo("results").join(SECOND).join("run.json");
    fs::write(&meta, format!("{}\n", fs::read_to_string(&meta).unwrap())).unwrap();
    world.hook(["publish", SECOND, "--no-push"]).ok();
    clean(&world);
    let now = tree(&world.repo(".dvc/cache/files"));
    assert!(now.len() > objects.len() && objects.iter().all(|(name, bytes)| now.get(name) == Some(bytes)));
}
