//! A stranger's repository holds a link, a pipe or a device where a file of the project belongs: nothing is read for ever,
//! and nothing is written, made, locked or removed elsewhere.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::env::{BIN, CommandOutput, FIRST, SECOND, TestEnv, tree};

/// The committed project with the native engine, and a directory `outside` with a file in it.
fn project() -> TestEnv {
    let env = TestEnv::committed_native();
    fs::create_dir_all(env.path("outside")).unwrap();
    fs::write(env.path("outside/theirs"), "theirs\n").unwrap();
    env
}

/// Puts a link into the place of whatever lies at a path of the repository, and has git track it.
fn track_link(env: &TestEnv, path: &str, target: impl AsRef<Path>) {
    let link = env.repo(path);
    if fs::symlink_metadata(&link).is_ok_and(|meta| meta.is_dir()) {
        fs::remove_dir_all(&link).unwrap();
    } else {
        let _ = fs::remove_file(&link);
    }
    fs::create_dir_all(link.parent().unwrap()).unwrap();
    symlink(target, &link).unwrap();
    env.git(["add", "-f", "--", path]).ok();
}

/// A branch `evil` with another data version and this link, and `main` checked out.
fn evil_branch(env: &TestEnv, path: &str, target: impl AsRef<Path>) {
    env.git(["checkout", "-q", "-b", "evil"]).ok();
    env.commit_run(SECOND);
    track_link(env, path, target);
    env.git(["commit", "-q", "--no-verify", "-m", "evil"]).ok();
    env.git(["checkout", "-q", "-f", "main"]).ok();
    env.hook(["pull"]).ok();
}

#[track_caller]
fn untouched(env: &TestEnv) {
    let names: Vec<String> = tree(&env.path("outside")).into_keys().collect();
    assert_eq!(names, ["theirs"]);
    assert_eq!(fs::read_to_string(env.path("outside/theirs")).unwrap(), "theirs\n");
}

#[track_caller]
fn says(output: &CommandOutput, words: &str) {
    assert!(output.stderr.contains(words), "no `{words}` in\n{}", output.stderr);
}

/// A command with limits on memory and time, having checked that it kept them.
#[track_caller]
fn bounded(env: &TestEnv, command: &[&str]) -> CommandOutput {
    let line = "ulimit -v 4000000; exec timeout -k 5 60 \"$@\"";
    let output = env.run_in("repo", "sh", ["-c", line, "sh"].iter().chain(command));
    assert!((0..=5).contains(&output.code), "{command:?} ended with {}\n{}", output.code, output.both());
    output
}

/// D9, C13: `.dvc/tmp` a tracked link: `git checkout`, which fetches, removed old `capture-hook-*` directories where it
/// points.
#[test]
fn old_passing_files_are_removed_in_gits_directory_alone() {
    let env = project();
    evil_branch(&env, ".dvc/tmp", "../../outside");
    env.hook(["push", "main", "evil"]).ok();
    fs::remove_dir_all(env.repo(".dvc/cache")).unwrap();
    let aged = |dir: &Path| {
        fs::create_dir_all(dir).unwrap();
        fs::write(dir.join("file"), "").unwrap();
        let time = SystemTime::now() - Duration::from_secs(3 * 24 * 60 * 60);
        fs::File::open(dir).unwrap().set_modified(time).unwrap();
    };
    let (theirs, ours) = (env.path("outside/capture-hook-x"), env.repo(".git/capture-hook/tmp/capture-hook-x"));
    aged(&theirs);
    aged(&ours);
    let output = env.git(["checkout", "evil"]).ok();
    assert!(theirs.join("file").exists() && !ours.exists());
    says(&output, ".dvc/tmp is a link");
    // What a killed DVC left in a dataset is looked for in the project's own alone.
    env.git(["checkout", "-q", "-f", "main"]).ok();
    env.hook(["pull"]).ok();
    fs::remove_dir_all(&theirs).unwrap();
    let leftover = env.path("outside/captures/demo/r1/.Zk3_9-aBcDeFgHiJkLmNoP.tmp");
    fs::create_dir_all(leftover.parent().unwrap()).unwrap();
    fs::write(&leftover, "").unwrap();
    fs::write(env.repo("capture-hook.toml"), "").unwrap();
    track_link(&env, "data", "../outside");
    env.select(SECOND);
    let output = env.git(["commit", "-q", "-am", "x"]).fails(1);
    assert!(leftover.exists());
    says(&output, "data is a link");
}

/// D9, C13: `.dvc/tmp/lock` a tracked link: `git checkout`, and a clone with our hooks in git's template, truncated its
/// target.
#[test]
fn a_lock_that_is_a_link_is_not_taken() {
    let env = project();
    evil_branch(&env, ".dvc/tmp/lock", "../../../outside/theirs");
    let output = env.git(["checkout", "evil"]).ok();
    untouched(&env);
    says(&output, ".dvc/tmp/lock is a link");
    // DVC would follow it, and is not started.
    fs::write(env.repo("capture-hook.toml"), "").unwrap();
    env.select(FIRST);
    let output = env.git(["commit", "-q", "-am", "x"]).fails(1);
    says(&output, ".dvc/tmp/lock is a link");
    untouched(&env);
    env.git(["checkout", "-q", "-f", "evil"]).ok();
    env.git(["push", "-q", "--no-verify", "origin", "evil"]).ok();
    env.hook(["push", "evil"]).ok();
    let template = env.path("template/hooks");
    crate::env::copy_dir(&env.repo(".git/hooks"), &template);
    let template = format!("--template={}", env.path("template").display());
    let clone = ["clone", "-b", "evil", &template, "origin.git", "clone"];
    env.git_in(".", clone).ok();
    assert!(fs::symlink_metadata(env.path("clone/.dvc/tmp/lock")).unwrap().is_symlink());
    untouched(&env);
}

/// C13: `metrics` a tracked link: a commit and `ingest` wrote there, as `init` did into a directory with ignore rules.
#[test]
fn metrics_and_ignore_rules_behind_a_link_are_not_written() {
    let env = project();
    track_link(&env, "metrics", "../outside");
    env.git(["commit", "-q", "--no-verify", "-m", "evil"]).ok();
    env.select(SECOND);
    let lock = fs::read(env.repo("dvc.lock")).unwrap();
    let output = env.git(["commit", "-q", "-am", "x"]).fails(1);
    untouched(&env);
    says(&output, "metrics is a link");
    let output = env.hook(["ingest"]).fails(3);
    untouched(&env);
    says(&output, "metrics is a link");
    assert!(fs::read(env.repo("dvc.lock")).unwrap() == lock);
    env.git(["checkout", "-q", "-f", "main"]).ok();
    // Where `dvc.yaml` does not declare the files, a directory of this name is the user's.
    let pipeline = fs::read_to_string(env.repo("dvc.yaml")).unwrap();
    fs::write(env.repo("dvc.yaml"), &pipeline[..pipeline.find("\nmetrics:").unwrap() + 1]).unwrap();
    env.select(SECOND);
    env.git(["commit", "-q", "-am", "Without views"]).ok();
    untouched(&env);
    track_link(&env, "data", "../outside");
    let output = env.hook(["init", "--no-hooks"]).fails(3);
    says(&output, "data is a link");
    untouched(&env);
}

/// C13: A params file behind a tracked link was edited by `select`; so was one that is a link into git's directory.
#[test]
fn a_params_file_behind_a_link_is_not_edited() {
    let env = project();
    let pipeline = fs::read_to_string(env.repo("dvc.yaml")).unwrap();
    let names = |file: &str| {
        let keys = "      - ingest_capture.run_dir\n      - ingest_capture.out_dir\n";
        let named =
            format!("      - {file}:\n          - ingest_capture.run_dir\n          - ingest_capture.out_dir\n");
        assert!(pipeline.contains(keys), "{pipeline}");
        fs::write(env.repo("dvc.yaml"), pipeline.replace(keys, &named)).unwrap();
    };
    let text = "[ingest_capture]\nrun_dir = \"x\"\nout_dir = \"data/captures\"\n";
    fs::write(env.path("outside/theirs"), text).unwrap();
    track_link(&env, "conf", "../outside");
    names("conf/theirs.toml");
    fs::rename(env.path("outside/theirs"), env.path("outside/theirs.toml")).unwrap();
    let output = env.hook(["select", SECOND]).fails(3);
    says(&output, "conf is a link");
    assert_eq!(fs::read_to_string(env.path("outside/theirs.toml")).unwrap(), text);
    let config = fs::read_to_string(env.repo(".git/config")).unwrap();
    track_link(&env, "p.toml", ".git/config");
    names("p.toml");
    let output = env.hook(["select", SECOND]).fails(3);
    says(&output, "p.toml is a link");
    assert_eq!(fs::read_to_string(env.repo(".git/config")).unwrap(), config);
    // What is staged is a link, too: its target's name is nobody's parameters.
    let output = env.git(["commit", "-q", "-am", "x"]).fails(1);
    says(&output, "p.toml is a link");
    env.git(["commit", "-q", "--no-verify", "-am", "x"]).ok();
    let output = env.hook(["check", "HEAD~1..HEAD"]).fails(1);
    assert!(output.both().contains("p.toml is a link"), "{}", output.both());
    // A file in its place is all it takes.
    fs::remove_file(env.repo("p.toml")).unwrap();
    fs::write(env.repo("p.toml"), text).unwrap();
    env.hook(["select", SECOND]).ok();
    env.git(["commit", "-q", "-am", "y"]).ok();
    assert_eq!(fs::read_to_string(env.repo(".git/config")).unwrap(), config);
}

/// C13, S12: `data -> .git`: `ingest` made `.git/captures`; where the dataset itself is a link, it filled what that
/// points at.
#[test]
fn a_dataset_behind_a_link_in_the_project_is_refused() {
    let env = project();
    let git = |name: &str| env.repo(".git").join(name);
    for (link, target, made) in [("data", ".git", "captures"), ("data/captures", "../.git/info", "info/nav")] {
        track_link(&env, link, target);
        let run = format!("results/{SECOND}");
        for command in [vec!["ingest"], vec!["ingest", "--run-dir", &run], vec!["ingest", "--all"]] {
            env.select(SECOND);
            let output = env.hook(&command);
            assert_eq!(output.code, 2, "{}", output.both());
            says(&output, &format!("{link} is not a directory of its own"));
        }
        let output = env.git(["commit", "-q", "-am", "x"]).fails(1);
        says(&output, &format!("{link} is a link"));
        assert!(!git(made).exists() && !git("info/demo").exists(), "{link}");
        env.git(["checkout", "-q", "-f", "HEAD", "--", "."]).ok();
        env.git(["reset", "-q", "--hard"]).ok();
    }
    // Another output of the stage: DVC removes what lies there before it runs the stage, so it is not called.
    fs::write(env.repo("capture-hook.toml"), "").unwrap();
    let pipeline = fs::read_to_string(env.repo("dvc.yaml")).unwrap();
    fs::write(env.repo("dvc.yaml"), pipeline.replace("    outs:\n", "    outs:\n      - more/theirs\n")).unwrap();
    track_link(&env, "more", "../outside");
    env.select(SECOND);
    let output = env.git(["commit", "-q", "-am", "x"]).fails(1);
    says(&output, "more is a link");
    untouched(&env);
    // What the stage depends on: DVC would read it to its end.
    fs::write(env.repo("dvc.yaml"), pipeline.replace("    outs:\n", "    deps:\n      - zero\n    outs:\n")).unwrap();
    track_link(&env, "zero", "/dev/zero");
    let output = bounded(&env, &["git", "commit", "-q", "-am", "x"]);
    assert_eq!(output.code, 1, "{}", output.both());
    says(&output, "not a regular file");
}

/// D9, C13: A shared cache is a link of the user's own; one that a repository brings is not written to.
#[test]
fn a_cache_behind_a_tracked_link_is_refused_and_the_users_own_is_not() {
    let env = project();
    let (cache, shared) = (env.repo(".dvc/cache"), env.path("shared"));
    fs::rename(&cache, &shared).unwrap();
    symlink(&shared, &cache).unwrap();
    env.commit_run(SECOND);
    fs::remove_file(&cache).unwrap();
    let before = tree(&shared);
    for link in [".dvc/cache", ".dvc/cache/files"] {
        let target = if link.ends_with("files") { shared.join("files") } else { shared.clone() };
        track_link(&env, link, target);
        env.select(crate::env::THIRD);
        let output = env.git(["commit", "-q", "-am", "x"]).fails(1);
        says(&output, &format!("{link} is a link"));
        assert!(tree(&shared) == before);
        env.git(["reset", "-q", "--hard"]).ok();
        let _ = fs::remove_file(&cache);
    }
}

/// The files that every command reads.
const READ: &[&str] = &["capture-hook.toml", "params.yaml", "dvc.yaml", "dvc.lock", ".dvc/config", ".dvc/config.local"];

/// C13: A tracked link to `/dev/zero` was read until memory ended: by `status`, by the hooks, by `init`.
#[test]
fn a_device_in_the_place_of_a_file_is_not_read() {
    let env = project();
    env.git(["checkout", "-q", "-b", "other"]).ok();
    env.commit_run(SECOND);
    for file in READ.iter().chain(&[".gitignore"]) {
        let before = fs::read(env.repo(file)).unwrap();
        env.git(["checkout", "-q", "-B", "evil", "other"]).ok();
        track_link(&env, file, "/dev/zero");
        bounded(&env, &["git", "commit", "-q", "-m", "x"]);
        env.git(["commit", "-q", "--allow-empty", "--no-verify", "-m", "evil"]).ok();
        for command in ["status", "runs", "doctor", "init"] {
            bounded(&env, &[BIN, command]);
        }
        let output = bounded(&env, &[BIN, "status"]);
        assert_eq!(output.code, if *file == ".gitignore" { 0 } else { 3 }, "{file}: {}", output.both());
        for branch in ["main", "evil", "main"] {
            assert_eq!(bounded(&env, &["git", "checkout", "-q", "-f", branch]).code, 0);
        }
        fs::write(env.repo(file), before).unwrap();
        env.hook(["pull"]).ok();
    }
}

/// C13: A pipe in the place of a file was waited for.
#[test]
fn a_pipe_in_the_place_of_a_file_is_not_waited_for() {
    let env = project();
    for file in READ {
        let before = fs::read(env.repo(file)).unwrap();
        fs::remove_file(env.repo(file)).unwrap();
        env.run_in("repo", "mkfifo", [file]).ok();
        for command in ["status", "runs", "doctor", "ingest", "validate", "init"] {
            bounded(&env, &[BIN, command]);
        }
        let output = bounded(&env, &[BIN, "status"]);
        assert_eq!(output.code, 3, "{file}: {}", output.both());
        fs::remove_file(env.repo(file)).unwrap();
        fs::write(env.repo(file), before).unwrap();
    }
}

/// C13: `run.json` a pipe, or a link to `/dev/zero`, in any run: every command that lists runs waited, or read until
/// memory ended.
#[test]
fn a_run_whose_metadata_is_no_file_holds_nothing_up() {
    let env = project();
    let run = env.repo("results/demo/odd");
    crate::env::copy_dir(&crate::env::corpus_run("ok-pypi010").0, &run);
    let meta = run.join("run.json");
    let secret = fs::read_to_string(&meta).unwrap().replace("\"start_time\"", "\"x\": \"secret\", \"start_time\"");
    fs::write(env.path("outside/run.json"), secret).unwrap();
    for kind in ["pipe", "/dev/zero", "escape"] {
        fs::remove_file(&meta).unwrap();
        match kind {
            "pipe" => drop(env.run_in("repo", "mkfifo", [meta.to_str().unwrap()]).ok()),
            "escape" => symlink(env.path("outside/run.json"), &meta).unwrap(),
            device => symlink(device, &meta).unwrap(),
        }
        for command in [
            vec!["status"],
            vec!["runs"],
            vec!["show", "latest"],
            vec!["show", "demo/odd"],
            vec!["plot", "demo/odd", "-o", "-"],
            vec!["get", "demo/odd"],
            vec!["diff", "demo/odd", FIRST],
            vec!["validate", "results/demo/odd"],
            vec!["validate", "--all"],
            vec!["select", "results/demo/odd"],
            vec!["publish", "--all-new", "--no-push"],
            vec!["manifest", "results/demo/odd"],
        ] {
            let output = bounded(&env, &[&[BIN], command.as_slice()].concat());
            assert!(!output.both().contains("secret"), "{kind}, {command:?}: {}", output.both());
        }
        // It is a run all the same, and not left out.
        let output = env.hook(["--json", "runs"]).ok();
        assert!(output.stdout.contains("demo/odd"), "{kind}: {}", output.stdout);
        let output = env.hook(["validate", "results/demo/odd"]).fails(1);
        let code = if kind == "pipe" { "missing_run_json" } else { "symlink_escape" };
        assert!(output.stdout.contains(code), "{kind}: {}", output.stdout);
    }
}

/// C13: Of the dataset, too, a link to a device or a pipe is neither read nor waited for.
#[test]
fn verify_reads_regular_files_alone() {
    let env = project();
    let folder = env.repo("data/captures").join(FIRST);
    symlink("/dev/zero", folder.join("zero.bin")).unwrap();
    env.run_in("repo", "mkfifo", [env.path("outside/pipe").to_str().unwrap()]).ok();
    symlink(env.path("outside/pipe"), folder.join("pipe.bin")).unwrap();
    let output = bounded(&env, &[BIN, "verify"]);
    assert_eq!(output.code, 1);
    assert!(output.both().contains("zero.bin") && output.both().contains("pipe.bin"), "{}", output.both());
}
