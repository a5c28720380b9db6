//! What stops an export, how it is told, and that nothing is left behind.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use insta::assert_snapshot;

use crate::env::{CommandOutput, FIRST, PLUME, THIRD, TestEnv, tree};

const LEAST: &str = "engine = \"native\"\n[dataset]\ntitle = \"Runs\"\ndescription = \"Runs of a simulator\"\n\
    license = \"CC0-1.0\"\ncreators = [{ name = \"Ada\" }]\n";

/// Two committed runs with the least that an export needs to know.
fn project() -> TestEnv {
    let env = TestEnv::two_runs();
    describe(&env, LEAST);
    env
}

fn describe(env: &TestEnv, settings: &str) {
    fs::write(env.repo("capture-hook.toml"), settings).unwrap();
    env.git(["add", "capture-hook.toml"]).ok();
    env.git(["commit", "-qm", "Describe the dataset"]).ok();
}

/// Exports to `out` beside the repository, which must fail and leave nothing there.
#[track_caller]
fn refused(env: &TestEnv, code: i32, args: &[&str]) -> CommandOutput {
    let before = names(&env.path(""));
    let output = env.hook([&["export", "-o", "../new/er/out"], args].concat()).fails(code);
    assert_eq!(names(&env.path("")), before, "{}", output.both());
    output
}

/// The names in a directory.
fn names(dir: &Path) -> Vec<PathBuf> {
    let mut names: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    names
}

/// Commits a changed file of a run, as somebody without our hooks can.
fn commit_changed(env: &TestEnv, file: &str, change: impl Fn(&str) -> String) {
    let path = env.repo("data/captures").join(file);
    let text = fs::read_to_string(&path).unwrap();
    let changed = change(&text);
    assert_ne!(changed, text);
    fs::remove_file(&path).unwrap();
    fs::write(&path, changed).unwrap();
    env.ask_dvc(["commit", "-q", "-f"]).ok();
    env.git(["-c", "core.hooksPath=/dev/null", "commit", "-qam", "change a file of a run"]).ok();
}

/// The object of a run's file in DVC's cache.
fn object_of(env: &TestEnv, file: &str) -> PathBuf {
    let bytes = fs::read(env.repo("data/captures").join(file)).unwrap();
    let is_it = |path: &PathBuf| fs::read(path).unwrap() == bytes;
    crate::env::files(&env.repo(".dvc/cache/files/md5")).into_iter().find(is_it).unwrap()
}

/// Each missing setting is named with the command that sets it, before anything is fetched.
#[test]
fn every_missing_setting_is_named() {
    let env = project();
    fs::remove_dir_all(env.repo(".dvc/cache")).unwrap();
    for (line, left) in [("license = \"CC0-1.0\"\n", "dataset.license"), ("title = \"Runs\"\n", "dataset.title")] {
        describe(&env, &LEAST.replace(line, ""));
        let output = refused(&env, 3, &["--all"]);
        assert!(output.stderr.starts_with(&format!("error: not set: {left}\n")), "{}", output.stderr);
        assert!(output.stderr.contains(&format!("`capture-hook config set {left} ")), "{}", output.stderr);
    }
    describe(&env, "engine = \"native\"\n");
    let output = refused(&env, 3, &["--all"]);
    for key in ["title", "description", "license", "creators"] {
        assert!(output.stderr.contains(&format!("`capture-hook config set dataset.{key} ")), "{}", output.stderr);
    }
    assert!(!env.repo(".dvc/cache/files").exists());
}

/// What is at the destination stays, unless it is an earlier export and `--force` is given.
#[test]
fn a_destination_that_is_taken_stays() {
    let env = project();
    let out = env.path("out");
    fs::create_dir(&out).unwrap();
    // An empty directory is not taken.
    env.hook(["export", FIRST, "-o", "../out"]).ok();
    let before = tree(&out);
    let output = env.hook(["export", PLUME, "-o", "../out"]).fails(2);
    assert_snapshot!(env.screen(&output), @r"
    error: [env]/repo/../out already exists
    hint: name another one with `-o DIR`, or replace it with `--force`
    ");
    assert_eq!(tree(&out), before);
    env.hook(["export", PLUME, "-o", "../out/", "--force"]).ok();
    assert!(!out.join(FIRST).exists() && out.join(PLUME).is_dir());
    // A link is replaced, not what it leads to; a file and a directory of something else are not replaced.
    fs::create_dir(env.path("theirs")).unwrap();
    fs::write(env.path("theirs/file"), "theirs\n").unwrap();
    std::os::unix::fs::symlink(env.path("theirs"), env.path("link")).unwrap();
    env.hook(["export", FIRST, "-o", "../link"]).fails(2);
    for taken in ["../theirs", "../theirs/file", ".", "..", "../repo", "data"] {
        let output = env.hook(["export", FIRST, "-o", taken, "--force"]).fails(2);
        assert!(output.stderr.contains("is not an export"), "{taken}: {}", output.stderr);
    }
    assert_eq!(fs::read_to_string(env.path("theirs/file")).unwrap(), "theirs\n");
    // Not even if it looks like one.
    fs::write(env.repo("SHA256SUMS"), "").unwrap();
    env.hook(["export", FIRST, "-o", ".", "--force"]).fails(2);
    assert!(env.repo(".git/HEAD").is_file());
}

/// What git, DVC and we look through holds no export, whether the name is free or not.
#[test]
fn an_export_is_not_put_where_other_files_are_expected() {
    let env = project();
    let free = [".git/out", ".git", ".dvc/out", ".dvc/cache/files/out", "data/captures/out", "results/deep/er/out"];
    for taken in free {
        let output = env.hook(["export", FIRST, "-o", taken, "--force"]).fails(2);
        assert!(output.stderr.contains(" is inside "), "{taken}: {}", output.stderr);
    }
    assert!(!env.repo("results/deep").exists() && !env.repo(".git/out").exists());
    env.hook(["export", FIRST, "-o", "data/out"]).ok();
}

/// An experiment with the name of a file that every export has.
#[test]
fn an_experiment_with_the_name_of_an_own_file_is_refused() {
    let env = project();
    let runs = ["provenance/r1", "README.md/r1", "Croissant.JSON/r1"];
    for run in runs.iter().chain(&["dvc.lock/r1", "dvc.lock/r2"]) {
        env.record_as("ok-pypi010", run);
    }
    env.hook(["publish", "--no-push", "--all-new"]).ok();
    for run in runs {
        let output = refused(&env, 2, &[run]);
        let experiment = run.strip_suffix("/r1").unwrap();
        assert!(
            output.stderr.contains(&format!("the experiment {experiment} has the name of a file")),
            "{}",
            output.stderr
        );
    }
    refused(&env, 2, &["--all"]);
    // The statements of several runs of a commit lie in folders beside this file.
    let output = refused(&env, 2, &["--experiment", "dvc.lock"]);
    assert!(output.stderr.contains("the experiment dvc.lock has the name of a file"), "{}", output.stderr);
    env.hook(["export", "-o", "../out", FIRST, PLUME]).ok();
}

/// A run that is not committed, one that does not exist, an experiment and a revision without any.
#[test]
fn what_is_not_committed_is_not_exported() {
    let env = project();
    let said: Vec<String> = [
        &[THIRD][..],
        &["no/such"],
        &["--experiment", "no"],
        &["--all", "--rev", "HEAD~3"],
        &["--all", "--rev", "nothing"],
        &[PLUME, "--rev", "HEAD~2"],
    ]
    .into_iter()
    .map(|args| format!("{args:?}\n{}\n", env.screen(&refused(&env, 3, args))))
    .collect();
    assert_snapshot!(said.concat(), @r#"
    ["sweep/run-20260106-041"]
    error: no commit holds sweep/run-20260106-041
    hint: it is only in the workspace; commit it: `capture-hook publish sweep/run-20260106-041`
    ["no/such"]
    error: there is no run `no/such`
    hint: list the runs with `capture-hook runs`
    ["--experiment", "no"]
    error: `HEAD` holds no run of the experiment no
    hint: see the runs: `capture-hook runs`
    ["--all", "--rev", "HEAD~3"]
    error: `HEAD~3` holds no data version
    hint: see the commits that hold one: `capture-hook log`
    ["--all", "--rev", "nothing"]
    error: `nothing` is not a commit
    hint: list commits with `git log --oneline`, runs with `git tag -l 'capture/*'`
    ["plume/run-20261124-021546", "--rev", "HEAD~2"]
    error: data version [md5].dir does not hold plume/run-20261124-021546
    hint: see which commits introduced it: `capture-hook log plume/run-20261124-021546`
    "#);
}

/// A damaged object, and data that is neither here nor on the remote.
#[test]
fn damaged_and_missing_data_is_named() {
    let env = project();
    let object = object_of(&env, &format!("{FIRST}/steps.parquet"));
    let whole = fs::read(&object).unwrap();
    fs::remove_file(&object).unwrap();
    fs::write(&object, "damaged").unwrap();
    let output = refused(&env, 1, &["--all"]);
    assert!(output.stderr.contains(&format!("{FIRST}/steps.parquet is damaged in DVC's cache")), "{}", output.stderr);
    let hint = format!("rm -f {}", object.canonicalize().unwrap().display());
    assert!(output.stderr.contains(&hint), "no `{hint}` in {}", output.stderr);
    env.hook(["export", PLUME, "-o", "../plume"]).ok();
    fs::remove_file(&object).unwrap();
    let output = refused(&env, 1, &[FIRST]);
    assert!(output.stderr.contains(&format!("{FIRST}/steps.parquet")), "{}", output.stderr);
    fs::write(&object, whole).unwrap();
    env.hook(["export", "--all", "-o", "../out"]).ok();
}

/// A run whose files contradict each other is not published.
#[test]
fn a_run_that_contradicts_itself_is_refused() {
    let env = project();
    let hash_of = |text: &str, key: &str| {
        let value: serde_json::Value = serde_json::from_str(text).unwrap();
        value[key].as_str().unwrap().to_owned()
    };
    let index = format!("{PLUME}/DATASET_INDEX.json");
    commit_changed(&env, &index, |text| text.replace(&hash_of(text, "config_hash"), &"0".repeat(64)));
    let output = refused(&env, 1, &[PLUME]);
    assert!(output.stderr.contains("DATASET_INDEX.json says that its configuration hash is 0000"), "{}", output.stderr);
    let manifest = format!("{FIRST}/manifest.json");
    let wrong = |text: &str| {
        let mut manifest: serde_json::Value = serde_json::from_str(text).unwrap();
        manifest["files"].as_array_mut().unwrap()[0]["sha256"] = "0".repeat(64).into();
        manifest.to_string()
    };
    commit_changed(&env, &manifest, wrong);
    let output = refused(&env, 1, &[FIRST]);
    assert!(output.stderr.contains("manifest.json says that the SHA-256 of"), "{}", output.stderr);
    commit_changed(&env, &manifest, |_| "[]".into());
    refused(&env, 1, &[FIRST]);
    // As it was before.
    env.hook(["export", "-o", "../out", "--all", "--rev", "HEAD~3"]).ok();
}

/// A full disk, a parent that cannot be written, a program that is killed: whole or not at all.
#[test]
fn an_export_that_is_stopped_leaves_nothing() {
    let env = project();
    let before = names(&env.path(""));
    // A file size limit stands in for a full disk: every write beyond it fails, whoever writes.
    let line = "ulimit -f 8; trap '' XFSZ; exec capture-hook export --all -o ../out";
    let output = env.run_in("repo", "sh", ["-c", line]).fails(5);
    assert!(
        output.stderr.contains(&format!("cannot write {}", env.repo("../.capture-hook-export-").display())),
        "{}",
        output.stderr
    );
    for unwritable in ["/proc/out", "params.yaml/out", "params.yaml/new/out"] {
        let output = env.hook(["export", "--all", "-o", unwritable]).fails(5);
        assert!(output.stderr.contains(unwritable.split("/out").next().unwrap()), "{}", output.stderr);
    }
    assert_eq!(names(&env.path("")), before);
    for wait in 0..4 {
        let mut command = env.command(crate::env::BIN, "repo");
        let mut export = command.args(["export", "--all", "-o", "../kill/out"]).stderr(Stdio::null()).spawn().unwrap();
        // Killed once it writes, at a later moment each time.
        while export.try_wait().unwrap().is_none() && names_or_none(&env.path("kill")).is_empty() {
            std::thread::yield_now();
        }
        std::thread::sleep(Duration::from_millis(2 * wait));
        export.kill().unwrap();
        let killed = export.wait().unwrap().signal().is_some();
        let out = env.path("kill/out");
        assert!(out.exists() != killed || env.hook(["verify", "../kill/out"]).code == 0, "half an export");
        let _ = fs::remove_dir_all(env.path("kill"));
    }
    env.hook(["export", "--all", "-o", "../kill/out"]).ok();
    env.assert_committed();
}

fn names_or_none(dir: &Path) -> Vec<PathBuf> {
    if dir.exists() { names(dir) } else { Vec::new() }
}
