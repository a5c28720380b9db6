//! A hostile repository, cloned and checked out with capture-hook installed, runs no program of its choosing through
//! us and writes nothing outside itself.

use std::fs;

use insta::assert_snapshot;

use crate::env::{FIRST, SECOND, TestEnv, tree};

/// A mark that a hostile program would leave.
fn trap(env: &TestEnv) -> String {
    env.script("trap.sh", &format!("#!/bin/sh\ntouch '{}'\nexit 0\n", env.path("sprung").display()))
}

#[track_caller]
fn not_sprung(env: &TestEnv) {
    assert!(!env.path("sprung").exists());
}

/// A stage with another command runs only if this clone trusts it.
#[test]
fn another_stage_command_runs_only_if_trusted() {
    TestEnv::committed().case(|env| {
        let trap = trap(env);
        let path = env.repo("dvc.yaml");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace("cmd: capture-hook ingest", &format!("cmd: {trap}"))).unwrap();
        env.select(SECOND);
        let output = env.git(["commit", "-am", "x"]).fails(1);
        assert_snapshot!(env.screen(&output), @"
        error: the stage `capture_ingest` runs `[env]/trap.sh`, which is not `capture-hook ingest`
        hint: hooks run no other command from a repository unless you trust it
        hint: if you trust it here: `git config capture-hook.stageCmd [env]/trap.sh`
        ");
        not_sprung(env);
        // Only this clone's own settings can trust it.
        env.git(["config", "capture-hook.stageCmd", &trap]).ok();
        env.git(["commit", "-am", "x"]).fails(1);
        assert!(env.path("sprung").exists());
    });
}

/// C7: Run names that are shell code, options or paths stay names.
#[test]
fn run_names_are_never_run() {
    TestEnv::committed().case(|env| {
        for (at, id) in ["r1; touch x $(touch y)", "-rf", "--version", "`touch z`", "a'b$c", "%41 @{u}", "ünï 🦀"]
            .into_iter()
            .enumerate()
        {
            let key = format!("demo/{id}");
            env.record_as("ok-pypi010", &key);
            env.hook(["select", &format!("results/{key}")]).ok();
            env.git(["commit", "-q", "-am", &format!("run {at}")]).ok();
            env.assert_committed();
            assert!(env.repo("data/captures").join(&key).join("steps.parquet").exists());
            assert_eq!(env.tags().len(), at + 2);
        }
        for name in ["x", "y", "z"] {
            assert!(!env.repo(name).exists());
        }
        let (from, _) = crate::env::corpus_run("bad-traversal-run-id");
        crate::env::copy_dir(&from, &env.repo("results/demo/bad"));
        env.select("demo/bad");
        let before = tree(&env.path(""));
        let output = env.git(["commit", "-am", "x"]).fails(1);
        assert_snapshot!(env.screen(&output), @"
        error: the selected run results/demo/bad is invalid
            unsafe_run_id: run_id `../../../../tmp/owned` cannot name a directory: it holds a path separator, in run.json
        hint: see all findings: `capture-hook validate results/demo/bad`
        hint: or select another run: `capture-hook select RUN`; nothing was changed
        hint: to commit the rest without it: `git restore --staged --worktree params.yaml`, then commit again
        ");
        let after = tree(&env.path(""));
        let new: Vec<_> = after.keys().filter(|path| !before.contains_key(*path) && !path.contains("/.git/")).collect();
        assert!(new.iter().all(|path| path.contains(".dvc/tmp") || path.starts_with("dvc-site")), "{new:?}");
    });
}

/// Commits a `dvc.lock` whose dataset is this directory and holds one file at this path.
fn hostile_version(env: &TestEnv, out_dir: &str, relpath: &str) {
    let text = "evil";
    let md5 = |bytes: &str| {
        fs::write(env.path("bytes"), bytes).unwrap();
        env.run_in(".", "md5sum", ["bytes"]).ok().stdout[..32].to_owned()
    };
    let file = md5(text);
    let list = format!("[{{\"md5\": \"{file}\", \"relpath\": \"{relpath}\"}}]");
    let name = md5(&list);
    let cache = env.repo(".dvc/cache/files/md5");
    for (name, bytes) in [(file.clone(), text), (format!("{name}.dir"), list.as_str())] {
        fs::create_dir_all(cache.join(&name[..2])).unwrap();
        fs::write(cache.join(&name[..2]).join(&name[2..]), bytes).unwrap();
    }
    let lock = fs::read_to_string(env.repo("dvc.lock")).unwrap();
    let old = lock.lines().find_map(|l| l.trim().strip_prefix("md5: ")).unwrap().to_owned();
    fs::write(
        env.repo("dvc.lock"),
        lock.replace(&old, &format!("{name}.dir")).replace("path: data/captures", &format!("path: {out_dir}")),
    )
    .unwrap();
    env.git(["commit", "-q", "--no-verify", "-am", "evil"]).ok();
    env.git(["checkout", "-q", "HEAD~1"]).ok();
}

/// A data version that leads out of the dataset is not checked out.
#[test]
fn a_data_version_cannot_leave_the_dataset() {
    TestEnv::committed().case(|env| {
        let outside = fs::read_to_string(env.path("home/.gitconfig")).unwrap();
        for relpath in [
            "../../../home/.gitconfig",
            "../../.git/hooks/pre-commit",
            "/tmp/capture-hook-evil",
            "a/../../../x/y",
            "demo/x/.git/config",
        ] {
            env.git(["checkout", "-q", "-B", "evil", "main"]).ok();
            hostile_version(env, "data/captures", relpath);
            let output = env.git(["checkout", "evil"]).ok();
            assert!(output.stderr.contains("not checked out: "), "{relpath}: {}", output.stderr);
            env.git(["checkout", "-q", "main"]).ok();
        }
        // A file in git's own directory can change what git does: `commondir` names another configuration.
        for (out_dir, relpath) in [(".git", "commondir"), (".GIT/worktrees/x", "commondir"), (".dvc", "tmp/x/y")] {
            env.git(["checkout", "-q", "-B", "evil", "main"]).ok();
            hostile_version(env, out_dir, relpath);
            let output = env.git(["checkout", "evil"]).ok();
            assert!(
                output.stderr.contains("warning:") || output.stderr.contains("error:"),
                "{out_dir}: {}",
                output.stderr
            );
            assert!(!env.repo(out_dir).join(relpath).exists(), "{out_dir}");
            env.hook(["pull"]).fails(3);
            assert!(!env.repo(out_dir).join(relpath).exists(), "{out_dir}");
            env.git(["checkout", "-q", "main"]).ok();
        }
        assert_eq!(fs::read_to_string(env.path("home/.gitconfig")).unwrap(), outside);
        assert!(fs::read_to_string(env.repo(".git/hooks/pre-commit")).unwrap().contains("capture-hook shim"));
        assert!(!env.repo("x").exists() && !std::path::Path::new("/tmp/capture-hook-evil").exists());
    });
}

/// C7: Links in place of the dataset, and in a run, are not followed.
#[test]
fn links_are_not_followed() {
    TestEnv::committed().case(|env| {
        let outside = env.path("outside");
        fs::create_dir_all(&outside).unwrap();
        // The dataset is a tracked link to a place outside.
        env.git(["checkout", "-q", "-b", "evil"]).ok();
        fs::remove_dir_all(env.repo("data/captures")).unwrap();
        std::os::unix::fs::symlink(&outside, env.repo("data/captures")).unwrap();
        env.git(["add", "-f", "data/captures"]).ok();
        env.select(SECOND);
        let output = env.git(["commit", "-q", "-am", "x"]).fails(1);
        assert_snapshot!(env.screen(&output), @"
        error: cannot write in [env]/repo/data/captures
        caused by: [env]/repo/data/captures is a link; links in a repository are not followed
        hint: see where the link leads: `ls -ld [env]/repo/data/captures`
        hint: replace the link by a file or directory of the project
        ");
        assert_eq!(tree(&outside).len(), 0);
        env.git(["commit", "-q", "--no-verify", "-am", "x"]).ok();
        env.git(["checkout", "-q", "main"]).ok();
        env.git(["checkout", "-q", "evil"]).ok();
        assert_eq!(tree(&outside).len(), 0);
        env.git(["checkout", "-q", "-f", "main"]).ok();
        env.hook(["pull"]).ok();
        // A file of the run is a link to somebody's secret.
        let secret = env.path("home/secret");
        fs::write(&secret, "secret").unwrap();
        std::os::unix::fs::symlink(&secret, env.repo("results").join(SECOND).join("notes.txt")).unwrap();
        env.select(SECOND);
        let output = env.git(["commit", "-am", "x"]).fails(1);
        assert_snapshot!(env.screen(&output), @"
        error: the selected run results/demo/run-20260105-041 is invalid
            symlink_escape: the link leads out of the run's directory; it was not followed, in notes.txt
        hint: see all findings: `capture-hook validate results/demo/run-20260105-041`
        hint: or select another run: `capture-hook select RUN`; nothing was changed
        hint: to commit the rest without it: `git restore --staged --worktree params.yaml`, then commit again
        ");
        assert!(!tree(&env.repo("data")).values().any(|bytes| bytes == b"secret"));
    });
}

/// Tracked settings name no program, and a `.venv` that is tracked is not run.
#[test]
fn tracked_settings_name_no_program() {
    TestEnv::committed().case(|env| {
        let trap = trap(env);
        for line in [format!("dvc = \"{trap}\""), format!("[push]\ncommand = \"{trap}\"")] {
            fs::write(env.repo("capture-hook.toml"), line).unwrap();
            env.select(SECOND);
            env.git(["commit", "-am", "x"]).fails(1);
        }
        fs::remove_file(env.repo("capture-hook.toml")).unwrap();
        env.script("repo/.venv/bin/dvc", &fs::read_to_string(&trap).unwrap());
        env.script("repo/dvc", &fs::read_to_string(&trap).unwrap());
        env.script("repo/capture-hook", &fs::read_to_string(&trap).unwrap());
        env.git(["add", "-f", ".venv", "dvc", "capture-hook"]).ok();
        env.git(["commit", "-q", "-am", "x"]).ok();
        env.assert_committed();
        not_sprung(env);
        let path = format!(".:{}", std::env::join_paths(env.search_path()).unwrap().to_str().unwrap());
        env.set("PATH", &path);
        env.select(FIRST);
        env.git(["commit", "-q", "-am", "y"]).ok();
        not_sprung(env);
    });
}

/// An `out_dir` outside the project stops the commit.
#[test]
fn the_dataset_stays_in_the_project() {
    TestEnv::committed().case(|env| {
        for dir in ["../outside", "/tmp/capture-hook-outside", ".git/hooks", "data/../../outside"] {
            let path = env.repo("params.yaml");
            let text = fs::read_to_string(&path).unwrap();
            env.select(SECOND);
            let new = fs::read_to_string(&path).unwrap().replace("out_dir: data/captures", &format!("out_dir: {dir}"));
            fs::write(&path, new).unwrap();
            let output = env.git(["commit", "-am", "x"]).fails(1);
            assert!(output.stderr.contains("cannot be the dataset"), "{dir}: {}", output.stderr);
            assert!(!env.path("outside").exists() && !std::path::Path::new("/tmp/capture-hook-outside").exists());
            assert!(!env.repo(".git/hooks").join("demo").exists());
            fs::write(&path, text).unwrap();
            env.git(["add", "params.yaml"]).ok();
        }
    });
}

/// Filters and merge drivers that only the repository names are not run.
#[test]
fn drivers_of_the_repository_are_not_run() {
    TestEnv::committed().case(|env| {
        // A driver that only the repository names is no driver: git takes them from local settings alone.
        let path = env.repo(".gitattributes");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("{text}* filter=evil merge=evil diff=evil\n")).unwrap();
        fs::write(env.repo(".gitconfig"), format!("[filter \"evil\"]\n\tsmudge = {}\n", trap(env))).unwrap();
        env.git(["add", "-A"]).ok();
        env.git(["commit", "-q", "-m", "x"]).ok();
        env.git(["checkout", "-q", "HEAD~1"]).ok();
        env.git(["checkout", "-q", "main"]).ok();
        not_sprung(env);
    });
}

/// Trailers and tags of a hostile commit are read as text.
#[test]
fn trailers_and_tags_are_read_as_text() {
    TestEnv::committed().case(|env| {
        let trap = trap(env);
        let message =
            format!("x\n\nCapture-Run: ../../../evil\nCapture-Run: demo/$({trap})\nCapture-Data: md5:../x.dir\n");
        env.git(["commit", "-q", "--allow-empty", "-m", &message]).ok();
        env.git(["tag", "-a", "-m", &message, "capture/%2E%2E%2Fevil/x"]).ok();
        env.git(["tag", "-a", "-m", &message, "capture/demo/$(x)"]).ok();
        env.hook(["tag", "--all"]).ok();
        let evil = |tag: &&String| !tag.starts_with(&format!("capture/{FIRST}"));
        let made: Vec<_> = env.tags().iter().filter(evil).cloned().collect();
        assert_eq!(made, ["capture/%2E%2E%2Fevil/x", "capture/demo/$(x)"], "only those that the hostile side made");
        env.git(["commit", "-q", "--amend", "--allow-empty", "-m", "y"]).ok();
        let format = "--format=%(trailers:key=Capture-Run)";
        assert_eq!(env.git(["log", "-1", format]).ok().stdout.trim(), "");
        env.git(["push", "-q", "--tags", "origin", "main"]).ok();
        not_sprung(env);
    });
}
