//! Files beside a recorder's (videos, arrays, notes): said to be left out, or taken with `ingest.include`, whole, by both
//! engines, and got back by everything that gives data back.

use std::fs;
use std::os::unix::fs::symlink;

use insta::assert_snapshot;
use serde_json::Value;

use crate::env::{FIRST, SECOND, TestEnv, tree};

/// The prepared project, with files beside the recorder's in the second run.
fn project(engine: &str) -> TestEnv {
    let env = TestEnv::committed();
    fs::write(env.repo("capture-hook.toml"), format!("engine = \"{engine}\"\n")).unwrap();
    env.git(["add", "capture-hook.toml"]).ok();
    env.git(["commit", "-q", "-m", "The engine"]).ok();
    let run = env.repo("results").join(SECOND);
    for (path, text) in BESIDE {
        let path = run.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    env
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

fn ingested(env: &TestEnv, path: &str) -> Option<Vec<u8>> {
    fs::read(env.repo("data/captures").join(SECOND).join(path)).ok()
}

fn goes_along(engine: &str) {
    let env = project(engine);
    let before = tree(&env.repo("results"));
    // What is left out is said, once, with the command that takes it.
    let output = env.hook(["validate", SECOND]).ok();
    assert_snapshot!(env.screen(&output), @"
    ✓ results/demo/run-20260105-041 is valid: 240 steps, 4 episodes, 4 warnings
      warning unrecognized_file: no recorder writes such a file: it does not go into
        the dataset unless `ingest.include` names it: field.zarr/, frames/,
        notes, video.mp4
    --- stderr
    hint: to include them: `capture-hook config set ingest.include '*.zarr,frames/**,notes,*.mp4'`
    ");
    let command = hinted(&output.stderr);
    let output = env.hook(["select", SECOND]).ok();
    assert_snapshot!(env.screen(&output), @"
    params.yaml: results/nav/run-20261124-021550 -> results/demo/run-20260105-041
    --- stderr
    warning: not put into the dataset: field.zarr/, frames/, notes, video.mp4 of results/demo/run-20260105-041
    hint: to include them: `capture-hook config set ingest.include '*.zarr,frames/**,notes,*.mp4'`
    hint: commit it: `git commit params.yaml -m '…'`
    ");
    assert_eq!(hinted(&output.stderr), command);
    let output = env.git(["commit", "-q", "-am", "without"]).ok();
    // The native engine runs no DVC.
    let screen = env.screen(&output).replace("dvc repro -s capture_ingest\n", "");
    assert_snapshot!(screen, @"
    warning: not put into the dataset: field.zarr/, frames/, notes, video.mp4 of results/demo/run-20260105-041
    hint: to include them: `capture-hook config set ingest.include '*.zarr,frames/**,notes,*.mp4'`
    demo/run-20260105-041 is in data/captures, version [md5].dir
    tagged capture/demo/run-20260105-041
    ");
    assert_eq!(hinted(&output.stderr), command);
    assert_eq!(ingested(&env, "video.mp4"), None);

    // That command, as it stands, and the commit that it names.
    let output = env.run_in("repo", "sh", ["-c", &command]).ok();
    assert_snapshot!(env.screen(&output), @"
    ingest.include: (none) -> *.zarr,frames/**,notes,*.mp4
    --- stderr
    hint: share it with your team: `git add capture-hook.toml dvc.yaml`, then commit
    ");
    let status = env.ask_dvc(["status"]).ok().stdout;
    assert!(status.contains("capture_ingest") && status.contains("capture-hook.toml"), "{status}");
    env.git(["add", "capture-hook.toml", "dvc.yaml"]).ok();
    let output = env.git(["commit", "-q", "-m", "with"]).ok();
    let screen = env.screen(&output).replace("dvc repro -s capture_ingest\n", "");
    assert_snapshot!(screen, @"
    demo/run-20260105-041 is in data/captures, version [md5].dir
    tagged capture/demo/run-20260105-041@v2
    ");
    for (path, text) in BESIDE {
        assert_eq!(ingested(&env, path).unwrap(), text.as_bytes(), "{path}");
    }
    env.assert_committed_but_for_links();
    assert!(env.dvc(["ls", "-R", "--rev", "HEAD", ".", "data/captures"]).ok().stdout.contains("field.zarr/c/0/0"));
    let manifest: Value = serde_json::from_slice(&ingested(&env, "manifest.json").unwrap()).unwrap();
    let listed = |path: &str| manifest["files"].as_array().unwrap().iter().find(|file| file["path"] == path).cloned();
    assert_eq!(listed("field.zarr/c/0/0").unwrap()["bytes"], 2);
    let output = env.hook(["validate", SECOND]).ok();
    assert_snapshot!(env.screen(&output), @"✓ results/demo/run-20260105-041 is valid: 240 steps, 4 episodes");
    assert!(env.hook(["status"]).ok().stdout.contains("ingested   yes"));
    assert!(env.hook(["check", "HEAD~1..HEAD"]).ok().stdout.starts_with("no problems"));
    assert_eq!(tree(&env.repo("results")), before);

    // Given back like everything else.
    env.hook(["verify"]).ok();
    env.hook(["get", SECOND, "-o", "../got"]).ok();
    assert_eq!(tree(&env.path("got")), tree(&env.repo("data/captures").join(SECOND)));
    let shown: Value = serde_json::from_str(&env.hook(["--json", "show", SECOND]).ok().stdout).unwrap();
    assert!(shown["files"].as_array().unwrap().iter().any(|file| file["path"] == "field.zarr/c/0/0"), "{shown}");
    fs::remove_dir_all(env.repo("data/captures").join(SECOND)).unwrap();
    env.hook(["pull"]).ok();
    assert_eq!(tree(&env.path("got")), tree(&env.repo("data/captures").join(SECOND)));
    // A file of it that changed is another run's content, too.
    fs::write(env.repo("results").join(SECOND).join("notes"), "by foot").unwrap();
    assert!(env.hook(["status"]).ok().stdout.contains("notes differs from the ingested one"));
    fs::write(env.repo("results").join(SECOND).join("notes"), "by hand").unwrap();

    // A change of the settings alone is seen by the commit.
    env.hook(["config", "set", "ingest.include", "*.mp4"]).ok();
    env.git(["commit", "-q", "-am", "videos alone"]).ok();
    assert!(ingested(&env, "video.mp4").is_some() && ingested(&env, "notes").is_none());
    env.assert_committed_but_for_links();
}

/// R8: With the native engine, files that `ingest.include` names are in the dataset byte for byte, directories too.
#[test]
fn included_files_go_along_with_the_native_engine() {
    insta::allow_duplicates! { goes_along("native") }
}

/// R8: The same by `dvc repro`, and DVC sees a change of the setting.
#[test]
fn included_files_go_along_with_dvc() {
    insta::allow_duplicates! { goes_along("dvc") }
}

/// R8: What a pattern cannot mean is refused, and nothing that a dataset may not hold gets in by one.
#[test]
fn patterns_take_nothing_from_elsewhere_and_wait_for_nothing() {
    let env = project("native");
    for pattern in ["../x", "/etc/passwd", "a/../b"] {
        let output = env.hook(["config", "set", "ingest.include", pattern]).fails(2);
        assert!(output.stderr.contains(pattern), "{}", output.stderr);
        fs::write(env.repo("capture-hook.toml"), format!("[ingest]\ninclude = [\"{pattern}\"]\n")).unwrap();
        let output = env.hook(["validate", SECOND]).fails(3);
        assert!(output.stderr.contains("capture-hook.toml:2"), "{}", output.stderr);
        env.git(["checkout", "-q", "capture-hook.toml"]).ok();
    }
    env.hook(["config", "set", "ingest.include", "**"]).ok();
    let run = env.repo("results").join(SECOND);
    fs::create_dir_all(run.join("steps.parquet")).unwrap();
    for odd in [".dvcignore", "steps.parquet/x", "frames/.git"] {
        fs::write(run.join(odd), "*\n").unwrap();
    }
    env.run_in("repo", "mkfifo", [run.join("pipe").to_str().unwrap()]).ok();
    symlink("../video.mp4", run.join("frames/again.mp4")).unwrap();
    symlink("..", run.join("frames/up")).unwrap();
    // No pattern would take these files, so the screen names none.
    let output = env.hook(["validate", SECOND]).ok();
    assert_snapshot!(env.screen(&output), @"
    ✓ results/demo/run-20260105-041 is valid: 240 steps, 4 episodes, 5 warnings
      warning unrecognized_file: no recorder writes such a file, and a dataset
        cannot hold one: .dvcignore, frames/.git, steps.parquet/
      warning unrecognized_file: `ingest.include` names it, but it is not a regular
        file: it does not go into the dataset: frames/up, pipe
    ");
    env.git(["add", "-A"]).ok();
    env.select(SECOND);
    env.git(["commit", "-q", "-am", "all there is"]).ok();
    let folder = tree(&env.repo("data/captures").join(SECOND));
    assert_eq!(folder["frames/again.mp4"], folder["video.mp4"]);
    assert!(folder["steps.parquet"].starts_with(b"PAR1"));
    let names = || folder.keys().map(String::as_str);
    assert!(!names().any(|name| name.contains(".dvcignore") || name.contains(".git") || name.contains("up/")));
    env.assert_committed_but_for_links();
    // A link out of the run is an error, included or not.
    symlink(env.path("home/.gitconfig"), run.join("frames/out.png")).unwrap();
    assert!(env.hook(["validate", SECOND]).fails(1).stdout.contains("symlink_escape"));
}

/// R8: A repository with older settings goes on as it was; `init` adds the dependency where the setting came by hand,
/// and a dependency on a setting that is gone is named before DVC stumbles over it.
#[test]
fn the_dependency_is_added_where_it_lacks_and_its_absence_is_named() {
    let env = project("native");
    let pipeline = || fs::read_to_string(env.repo("dvc.yaml")).unwrap();
    let before = pipeline();
    env.hook(["init"]).ok();
    assert_eq!(pipeline(), before);
    let hand = "engine = \"native\"\n[ingest]\ninclude = [\"*.mp4\"]\n";
    fs::write(env.repo("capture-hook.toml"), hand).unwrap();
    env.git(["add", "-A"]).ok();
    env.select(SECOND);
    let output = env.git(["commit", "-q", "-am", "by hand"]).ok();
    assert_snapshot!(env.screen(&output), @"
    warning: not put into the dataset: field.zarr/, frames/, notes of results/demo/run-20260105-041
    hint: to include them: `capture-hook config set ingest.include '*.mp4,*.zarr,frames/**,notes'`
    warning: the stage does not depend on ingest.include, so DVC does not see when it changes
    hint: `capture-hook init` adds it to dvc.yaml
    demo/run-20260105-041 is in data/captures, version [md5].dir
    tagged capture/demo/run-20260105-041
    ");
    assert!(ingested(&env, "video.mp4").is_some());
    env.hook(["init"]).ok();
    assert!(pipeline().contains("      - capture-hook.toml:\n          - ingest.include\n"), "{}", pipeline());
    let new = pipeline();
    env.hook(["init"]).ok();
    assert_eq!(pipeline(), new);
    env.git(["commit", "-q", "-am", "the dependency"]).ok();
    env.assert_committed_but_for_links();
    // The key goes, the dependency stays.
    fs::write(env.repo("capture-hook.toml"), "engine = \"native\"\n").unwrap();
    let output = env.git(["commit", "-q", "-am", "no more"]).fails(1);
    assert_snapshot!(env.screen(&output), @"
    error: dvc.yaml depends on ingest.include, but capture-hook.toml lacks it, so DVC refuses to run
    hint: set it (to no files): `capture-hook config set ingest.include ''`
    ");
    env.hook(["config", "set", "ingest.include", ""]).ok();
    env.git(["commit", "-q", "-am", "none"]).ok();
    assert!(ingested(&env, "video.mp4").is_none());
    env.assert_committed_but_for_links();
    // Where the run is not recorded, so its data stays as it is, and is said to.
    env.hook(["config", "set", "ingest.include", "notes"]).ok();
    fs::rename(env.repo("results"), env.path("elsewhere")).unwrap();
    let output = env.git(["commit", "-q", "-am", "elsewhere"]).ok();
    assert_snapshot!(env.screen(&output), @"warning: ingest.include has changed, but results/demo/run-20260105-041 is not in this clone, so its data stays as it is");
    assert!(env.hook(["check", "HEAD~1..HEAD"]).ok().stdout.contains("include_not_ingested"));
    assert!(tree(&env.repo("data/captures")).keys().any(|path| path.starts_with(FIRST)));
}
