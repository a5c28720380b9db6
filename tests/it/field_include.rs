//! Files beside a recorder's (videos, arrays, notes): said to be left out, or taken with `ingest.include`, whole, by both
//! engines, and got back by everything that gives data back.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::Value;

use crate::hooks::select;
use crate::matrix::{FIRST, SECOND, committed, settled};
use crate::world::{World, tree};

/// The prepared project, with files beside the recorder's in the second run.
fn world(engine: &str) -> World {
    let world = committed();
    fs::write(world.repo("capture-hook.toml"), format!("engine = \"{engine}\"\n")).unwrap();
    world.git(["add", "capture-hook.toml"]).ok();
    world.git(["commit", "-q", "-m", "The engine"]).ok();
    let run = world.repo("results").join(SECOND);
    for (path, text) in BESIDE {
        let path = run.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    world
}

const BESIDE: [(&str, &str); 5] = [
    ("video.mp4", "not a video\n"),
    ("field.zarr/.zattrs", "{}"),
    ("field.zarr/c/0/0", "\u{0}1"),
    ("frames/left/1.png", "png"),
    ("notes", "by hand"),
];

/// The command in a hint, between its backticks.
fn hinted(text: &str) -> String {
    let commands: Vec<&str> = text.split('`').filter(|part| part.starts_with("capture-hook config set")).collect();
    assert_eq!(commands.len(), 1, "not said once: {text}");
    commands[0].to_owned()
}

fn ingested(world: &World, path: &str) -> Option<Vec<u8>> {
    fs::read(world.repo("data/captures").join(SECOND).join(path)).ok()
}

fn goes_along(engine: &str) {
    let world = world(engine);
    let before = tree(&world.repo("results"));
    // What is left out is said, once, with the command that takes it.
    let said = world.hook(["validate", SECOND]).ok();
    assert!(said.out.contains("unrecognized_file") && said.out.contains("ingest.include"), "{}", said.out);
    let command = hinted(&said.err);
    let said = world.hook(["select", SECOND]).ok();
    assert!(said.err.contains("not put into the dataset") && said.err.contains("video.mp4"), "{}", said.err);
    assert_eq!(hinted(&said.err), command);
    let said = world.git(["commit", "-q", "-am", "without"]).ok();
    assert!(said.err.contains("not put into the dataset"), "{}", said.err);
    assert_eq!(hinted(&said.err), command);
    assert_eq!(ingested(&world, "video.mp4"), None);

    // That command, as it stands, and the commit that it names.
    let said = world.run_in("repo", "sh", ["-c", &command]).ok();
    assert!(said.err.contains("`git add capture-hook.toml dvc.yaml`"), "{}", said.err);
    let status = world.dvc(["status"]).ok().out;
    assert!(status.contains("capture_ingest") && status.contains("capture-hook.toml"), "{status}");
    world.git(["add", "capture-hook.toml", "dvc.yaml"]).ok();
    let said = world.git(["commit", "-q", "-m", "with"]).ok();
    assert!(!said.err.contains("not put into"), "{}", said.err);
    for (path, text) in BESIDE {
        assert_eq!(ingested(&world, path).unwrap(), text.as_bytes(), "{path}");
    }
    settled(&world);
    assert!(world.dvc(["ls", "-R", "--rev", "HEAD", ".", "data/captures"]).ok().out.contains("field.zarr/c/0/0"));
    let manifest: Value = serde_json::from_slice(&ingested(&world, "manifest.json").unwrap()).unwrap();
    let listed = |path: &str| manifest["files"].as_array().unwrap().iter().find(|file| file["path"] == path).cloned();
    assert_eq!(listed("field.zarr/c/0/0").unwrap()["bytes"], 2);
    let said = world.hook(["validate", SECOND]).ok();
    assert!(!said.out.contains("unrecognized_file"), "{}", said.out);
    assert!(world.hook(["status"]).ok().out.contains("ingested   yes"));
    assert!(world.hook(["check", "HEAD~1..HEAD"]).ok().out.starts_with("all true"));
    assert_eq!(tree(&world.repo("results")), before);

    // Given back like everything else.
    world.hook(["verify"]).ok();
    world.hook(["get", SECOND, "-o", "../got"]).ok();
    assert_eq!(tree(&world.path("got")), tree(&world.repo("data/captures").join(SECOND)));
    let shown: Value = serde_json::from_str(&world.hook(["--json", "show", SECOND]).ok().out).unwrap();
    assert!(shown["files"].as_array().unwrap().iter().any(|file| file["path"] == "field.zarr/c/0/0"), "{shown}");
    fs::remove_dir_all(world.repo("data/captures").join(SECOND)).unwrap();
    world.hook(["pull"]).ok();
    assert_eq!(tree(&world.path("got")), tree(&world.repo("data/captures").join(SECOND)));
    // A file of it that changed is another run's content, too.
    fs::write(world.repo("results").join(SECOND).join("notes"), "by foot").unwrap();
    assert!(world.hook(["status"]).ok().out.contains("notes is not as it was ingested"));
    fs::write(world.repo("results").join(SECOND).join("notes"), "by hand").unwrap();

    // A change of the settings alone is seen by the commit.
    world.hook(["config", "set", "ingest.include", "*.mp4"]).ok();
    world.git(["commit", "-q", "-am", "videos alone"]).ok();
    assert!(ingested(&world, "video.mp4").is_some() && ingested(&world, "notes").is_none());
    settled(&world);
}

/// 12-B12: with the native engine, files that `ingest.include` names are in the dataset byte for byte, directories too.
#[test]
fn included_files_go_along_with_the_native_engine() {
    goes_along("native");
}

/// 12-B12: the same by `dvc repro`, and DVC sees a change of the setting.
#[test]
fn included_files_go_along_with_dvc() {
    goes_along("dvc");
}

/// 12-B12: what a pattern cannot mean is refused, and nothing that a dataset may not hold gets in by one.
#[test]
fn patterns_take_nothing_from_elsewhere_and_wait_for_nothing() {
    let world = world("native");
    for pattern in ["../x", "/etc/passwd", "a/../b"] {
        let said = world.hook(["config", "set", "ingest.include", pattern]).fails(2);
        assert!(said.err.contains(pattern), "{}", said.err);
        fs::write(world.repo("capture-hook.toml"), format!("[ingest]\ninclude = [\"{pattern}\"]\n")).unwrap();
        let said = world.hook(["validate", SECOND]).fails(3);
        assert!(said.err.contains("capture-hook.toml:2"), "{}", said.err);
        world.git(["checkout", "-q", "capture-hook.toml"]).ok();
    }
    world.hook(["config", "set", "ingest.include", "**"]).ok();
    let run = world.repo("results").join(SECOND);
    fs::create_dir_all(run.join("steps.parquet")).unwrap();
    for odd in [".dvcignore", "steps.parquet/x", "frames/.git"] {
        fs::write(run.join(odd), "*\n").unwrap();
    }
    world.run_in("repo", "mkfifo", [run.join("pipe").to_str().unwrap()]).ok();
    symlink("../video.mp4", run.join("frames/again.mp4")).unwrap();
    symlink("..", run.join("frames/up")).unwrap();
    let said = world.hook(["validate", SECOND]).ok();
    for odd in [".dvcignore", "steps.parquet/", "frames/.git", "pipe", "frames/up"] {
        assert!(said.out.contains(odd), "{odd}: {}", said.out);
    }
    // No pattern would take these, so none is named.
    assert!(!said.err.contains("config set"), "{}", said.err);
    world.git(["add", "-A"]).ok();
    select(&world, SECOND);
    world.git(["commit", "-q", "-am", "all there is"]).ok();
    let folder = tree(&world.repo("data/captures").join(SECOND));
    assert_eq!(folder["frames/again.mp4"], folder["video.mp4"]);
    assert!(folder["steps.parquet"].starts_with(b"PAR1"));
    let names = || folder.keys().map(String::as_str);
    assert!(!names().any(|name| name.contains(".dvcignore") || name.contains(".git") || name.contains("up/")));
    settled(&world);
    // A link out of the run is an error, included or not.
    symlink(world.path("home/.gitconfig"), run.join("frames/out.png")).unwrap();
    assert!(world.hook(["validate", SECOND]).fails(1).out.contains("symlink_escape"));
}

/// 12-B12: a repository with older settings goes on as it was; `init` adds the dependency where the setting came by hand, and a
/// dependency on a setting that is gone is named before DVC stumbles over it.
#[test]
fn the_dependency_is_added_where_it_lacks_and_its_absence_is_named() {
    let world = world("native");
    let pipeline = || fs::read_to_string(world.repo("dvc.yaml")).unwrap();
    let before = pipeline();
    world.hook(["init"]).ok();
    assert_eq!(pipeline(), before);
    let hand = "engine = \"native\"\n[ingest]\ninclude = [\"*.mp4\"]\n";
    fs::write(world.repo("capture-hook.toml"), hand).unwrap();
    world.git(["add", "-A"]).ok();
    select(&world, SECOND);
    let said = world.git(["commit", "-q", "-am", "by hand"]).ok();
    assert!(said.err.contains("`capture-hook init` adds it"), "{}", said.err);
    assert!(ingested(&world, "video.mp4").is_some());
    world.hook(["init"]).ok();
    assert!(pipeline().contains("      - capture-hook.toml:\n          - ingest.include\n"), "{}", pipeline());
    let new = pipeline();
    world.hook(["init"]).ok();
    assert_eq!(pipeline(), new);
    world.git(["commit", "-q", "-am", "the dependency"]).ok();
    settled(&world);
    // The key goes, the dependency stays.
    fs::write(world.repo("capture-hook.toml"), "engine = \"native\"\n").unwrap();
    let said = world.git(["commit", "-q", "-am", "no more"]).fails(1);
    assert!(said.err.contains("`capture-hook config set ingest.include ''`"), "{}", said.err);
    world.hook(["config", "set", "ingest.include", ""]).ok();
    world.git(["commit", "-q", "-am", "none"]).ok();
    assert!(ingested(&world, "video.mp4").is_none());
    settled(&world);
    // Where the run is not recorded, its data stays as it is, and is said to.
    world.hook(["config", "set", "ingest.include", "notes"]).ok();
    fs::rename(world.repo("results"), world.path("elsewhere")).unwrap();
    let said = world.git(["commit", "-q", "-am", "elsewhere"]).ok();
    assert!(said.err.contains("its data stays as it is"), "{}", said.err);
    assert!(world.hook(["check", "HEAD~1..HEAD"]).ok().out.contains("include_not_ingested"));
    assert!(tree(&world.repo("data/captures")).keys().any(|path| path.starts_with(FIRST)));
}
