//! A hostile repository, cloned and checked out with capture-hook installed, runs no program of its choosing through us and
//! writes nothing outside itself.

use std::fs;

use super::{Case, FIRST, SECOND, script};
use crate::hooks::select;
use crate::world::{World, tree};

pub const CASES: &[Case] = &[
    Case { line: "a stage with another command runs only where it was trusted", run: stage_command },
    Case { line: "run names that are shell, options or paths stay names", run: run_names },
    Case { line: "a data version that leads out of the dataset is not followed", run: data_paths },
    Case { line: "links in place of the dataset, of params.yaml, of a run", run: links },
    Case { line: "tracked settings name no program; .venv that is tracked is not run", run: settings },
    Case { line: "an out_dir outside the project", run: out_dir },
    Case { line: ".gitattributes and merge drivers of the repository's own", run: attributes },
    Case { line: "trailers and tags of a hostile commit are read as text", run: texts },
];

/// A mark that a hostile program would leave.
fn trap(world: &World) -> String {
    script(world, "trap.sh", &format!("#!/bin/sh\ntouch '{}'\nexit 0\n", world.path("sprung").display()))
}

#[track_caller]
fn not_sprung(world: &World) {
    assert!(!world.path("sprung").exists());
}

fn stage_command(world: World) {
    let trap = trap(&world);
    let path = world.repo("dvc.yaml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("cmd: capture-hook ingest", &format!("cmd: {trap}"))).unwrap();
    select(&world, SECOND);
    let said = world.git(["commit", "-am", "x"]).fails(1);
    assert!(
        said.err.contains("not `capture-hook ingest`") && said.err.contains("capture-hook.stageCmd"),
        "{}",
        said.err
    );
    not_sprung(&world);
    // Only this clone's own settings can trust it.
    world.git(["config", "capture-hook.stageCmd", &trap]).ok();
    world.git(["commit", "-am", "x"]).fails(1);
    assert!(world.path("sprung").exists());
}

fn run_names(world: World) {
    for (at, id) in ["r1; touch x $(touch y)", "-rf", "--version", "`touch z`", "a'b$c", "%41 @{u}", "ünï 🦀"]
        .into_iter()
        .enumerate()
    {
        let key = format!("demo/{id}");
        world.record_as("ok-pypi010", &key);
        world.hook(["select", &format!("results/{key}")]).ok();
        world.git(["commit", "-q", "-am", &format!("run {at}")]).ok();
        super::clean(&world);
        assert!(world.repo("data/captures").join(&key).join("steps.parquet").exists());
        assert_eq!(super::tags(&world).len(), at + 2);
    }
    for name in ["x", "y", "z"] {
        assert!(!world.repo(name).exists());
    }
    let (from, _) = crate::world::corpus_run("bad-traversal-run-id");
    crate::world::copy_dir(&from, &world.repo("results/demo/bad"));
    select(&world, "demo/bad");
    let before = tree(&world.path(""));
    let said = world.git(["commit", "-am", "x"]).fails(1);
    assert!(said.err.contains("unsafe_run_id"), "{}", said.err);
    let after = tree(&world.path(""));
    let new: Vec<_> = after.keys().filter(|path| !before.contains_key(*path) && !path.contains("/.git/")).collect();
    assert!(new.iter().all(|path| path.contains(".dvc/tmp") || path.starts_with("dvc-site")), "{new:?}");
}

/// Commits a `dvc.lock` whose dataset is this directory and holds one file at this path.
fn hostile_version(world: &World, out_dir: &str, relpath: &str) {
    let text = "evil";
    let md5 = |bytes: &str| {
        fs::write(world.path("bytes"), bytes).unwrap();
        world.run_in(".", "md5sum", ["bytes"]).ok().out[..32].to_owned()
    };
    let file = md5(text);
    let list = format!("[{{\"md5\": \"{file}\", \"relpath\": \"{relpath}\"}}]");
    let name = md5(&list);
    let cache = world.repo(".dvc/cache/files/md5");
    for (name, bytes) in [(file.clone(), text), (format!("{name}.dir"), list.as_str())] {
        fs::create_dir_all(cache.join(&name[..2])).unwrap();
        fs::write(cache.join(&name[..2]).join(&name[2..]), bytes).unwrap();
    }
    let lock = fs::read_to_string(world.repo("dvc.lock")).unwrap();
    let old = lock.lines().find_map(|l| l.trim().strip_prefix("md5: ")).unwrap().to_owned();
    fs::write(
        world.repo("dvc.lock"),
        lock.replace(&old, &format!("{name}.dir")).replace("path: data/captures", &format!("path: {out_dir}")),
    )
    .unwrap();
    world.git(["commit", "-q", "--no-verify", "-am", "evil"]).ok();
    world.git(["checkout", "-q", "HEAD~1"]).ok();
}

fn data_paths(world: World) {
    let outside = fs::read_to_string(world.path("home/.gitconfig")).unwrap();
    for relpath in [
        "../../../home/.gitconfig",
        "../../.git/hooks/pre-commit",
        "/tmp/capture-hook-evil",
        "a/../../../x/y",
        "demo/x/.git/config",
    ] {
        world.git(["checkout", "-q", "-B", "evil", "main"]).ok();
        hostile_version(&world, "data/captures", relpath);
        let said = world.git(["checkout", "evil"]).ok();
        assert!(said.err.contains("not checked out: "), "{relpath}: {}", said.err);
        world.git(["checkout", "-q", "main"]).ok();
    }
    // A file in git's own directory can change what git does: `commondir` names another configuration.
    for (out_dir, relpath) in [(".git", "commondir"), (".GIT/worktrees/x", "commondir"), (".dvc", "tmp/x/y")] {
        world.git(["checkout", "-q", "-B", "evil", "main"]).ok();
        hostile_version(&world, out_dir, relpath);
        let said = world.git(["checkout", "evil"]).ok();
        assert!(said.err.contains("warning:") || said.err.contains("error:"), "{out_dir}: {}", said.err);
        assert!(!world.repo(out_dir).join(relpath).exists(), "{out_dir}");
        world.hook(["pull"]).fails(1);
        assert!(!world.repo(out_dir).join(relpath).exists(), "{out_dir}");
        world.git(["checkout", "-q", "main"]).ok();
    }
    assert_eq!(fs::read_to_string(world.path("home/.gitconfig")).unwrap(), outside);
    assert!(fs::read_to_string(world.repo(".git/hooks/pre-commit")).unwrap().contains("capture-hook shim"));
    assert!(!world.repo("x").exists() && !std::path::Path::new("/tmp/capture-hook-evil").exists());
}

fn links(world: World) {
    let outside = world.path("outside");
    fs::create_dir_all(&outside).unwrap();
    // The dataset is a tracked link to a place outside.
    world.git(["checkout", "-q", "-b", "evil"]).ok();
    fs::remove_dir_all(world.repo("data/captures")).unwrap();
    std::os::unix::fs::symlink(&outside, world.repo("data/captures")).unwrap();
    world.git(["add", "-f", "data/captures"]).ok();
    select(&world, SECOND);
    let said = world.git(["commit", "-q", "-am", "x"]).fails(1);
    assert!(said.err.contains("data/captures is a link") && said.err.contains("remove the link"), "{}", said.err);
    assert_eq!(tree(&outside).len(), 0);
    world.git(["commit", "-q", "--no-verify", "-am", "x"]).ok();
    world.git(["checkout", "-q", "main"]).ok();
    world.git(["checkout", "-q", "evil"]).ok();
    assert_eq!(tree(&outside).len(), 0);
    world.git(["checkout", "-q", "-f", "main"]).ok();
    world.hook(["pull"]).ok();
    // A file of the run is a link to somebody's secret.
    let secret = world.path("home/secret");
    fs::write(&secret, "secret").unwrap();
    std::os::unix::fs::symlink(&secret, world.repo("results").join(SECOND).join("notes.txt")).unwrap();
    select(&world, SECOND);
    let said = world.git(["commit", "-am", "x"]).fails(1);
    assert!(said.err.contains("symlink_escape"), "{}", said.err);
    assert!(!tree(&world.repo("data")).values().any(|bytes| bytes == b"secret"));
}

fn settings(world: World) {
    let trap = trap(&world);
    for line in [format!("dvc = \"{trap}\""), format!("[push]\ncommand = \"{trap}\"")] {
        fs::write(world.repo("capture-hook.toml"), line).unwrap();
        select(&world, SECOND);
        world.git(["commit", "-am", "x"]).fails(1);
    }
    fs::remove_file(world.repo("capture-hook.toml")).unwrap();
    script(&world, "repo/.venv/bin/dvc", &fs::read_to_string(&trap).unwrap());
    script(&world, "repo/dvc", &fs::read_to_string(&trap).unwrap());
    script(&world, "repo/capture-hook", &fs::read_to_string(&trap).unwrap());
    world.git(["add", "-f", ".venv", "dvc", "capture-hook"]).ok();
    world.git(["commit", "-q", "-am", "x"]).ok();
    super::clean(&world);
    not_sprung(&world);
    let path = format!(".:{}", std::env::join_paths(world.search_path()).unwrap().to_str().unwrap());
    let mut world = world;
    world.set("PATH", &path);
    select(&world, FIRST);
    world.git(["commit", "-q", "-am", "y"]).ok();
    not_sprung(&world);
}

fn out_dir(world: World) {
    for dir in ["../outside", "/tmp/capture-hook-outside", ".git/hooks", "data/../../outside"] {
        let path = world.repo("params.yaml");
        let text = fs::read_to_string(&path).unwrap();
        select(&world, SECOND);
        let new = fs::read_to_string(&path).unwrap().replace("out_dir: data/captures", &format!("out_dir: {dir}"));
        fs::write(&path, new).unwrap();
        let said = world.git(["commit", "-am", "x"]).fails(1);
        assert!(said.err.contains("cannot be the dataset"), "{dir}: {}", said.err);
        assert!(!world.path("outside").exists() && !std::path::Path::new("/tmp/capture-hook-outside").exists());
        assert!(!world.repo(".git/hooks").join("demo").exists());
        fs::write(&path, text).unwrap();
        world.git(["add", "params.yaml"]).ok();
    }
}

fn attributes(world: World) {
    // A driver that only the repository names is no driver: git takes them from local settings alone.
    let path = world.repo(".gitattributes");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{text}* filter=evil merge=evil diff=evil\n")).unwrap();
    fs::write(world.repo(".gitconfig"), format!("[filter \"evil\"]\n\tsmudge = {}\n", trap(&world))).unwrap();
    world.git(["add", "-A"]).ok();
    world.git(["commit", "-q", "-m", "x"]).ok();
    world.git(["checkout", "-q", "HEAD~1"]).ok();
    world.git(["checkout", "-q", "main"]).ok();
    not_sprung(&world);
}

fn texts(world: World) {
    let trap = trap(&world);
    let message = format!("x\n\nCapture-Run: ../../../evil\nCapture-Run: demo/$({trap})\nCapture-Data: md5:../x.dir\n");
    world.git(["commit", "-q", "--allow-empty", "-m", &message]).ok();
    world.git(["tag", "-a", "-m", &message, "capture/%2E%2E%2Fevil/x"]).ok();
    world.git(["tag", "-a", "-m", &message, "capture/demo/$(x)"]).ok();
    world.hook(["tag", "--all"]).ok();
    let evil = |tag: &&String| !tag.starts_with(&format!("capture/{FIRST}"));
    let made: Vec<_> = super::tags(&world).iter().filter(evil).cloned().collect();
    assert_eq!(made, ["capture/%2E%2E%2Fevil/x", "capture/demo/$(x)"], "only those that the hostile side made");
    world.git(["commit", "-q", "--amend", "--allow-empty", "-m", "y"]).ok();
    let format = "--format=%(trailers:key=Capture-Run)";
    assert_eq!(world.git(["log", "-1", format]).ok().out.trim(), "");
    world.git(["push", "-q", "--tags", "origin", "main"]).ok();
    not_sprung(&world);
}
