//! A stranger's repository holds a link, a pipe or a device where a file of the project belongs: nothing is read for ever,
//! and nothing is written, made, locked or removed elsewhere.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::hooks::select;
use crate::matrix::{FIRST, SECOND, commit_run, committed_natively};
use crate::world::{BIN, Said, World, tree};

/// The project of the matrix with the native engine, and a directory `outside` with a file in it.
fn world() -> World {
    let world = committed_natively();
    fs::create_dir_all(world.path("outside")).unwrap();
    fs::write(world.path("outside/theirs"), "theirs\n").unwrap();
    world
}

/// Puts a link into the place of whatever lies at a path of the repository, and has git track it.
fn track_link(world: &World, path: &str, target: impl AsRef<Path>) {
    let link = world.repo(path);
    if fs::symlink_metadata(&link).is_ok_and(|meta| meta.is_dir()) {
        fs::remove_dir_all(&link).unwrap();
    } else {
        let _ = fs::remove_file(&link);
    }
    fs::create_dir_all(link.parent().unwrap()).unwrap();
    symlink(target, &link).unwrap();
    world.git(["add", "-f", "--", path]).ok();
}

/// A branch `evil` with another data version and this link, and `main` checked out.
fn evil_branch(world: &World, path: &str, target: impl AsRef<Path>) {
    world.git(["checkout", "-q", "-b", "evil"]).ok();
    commit_run(world, SECOND);
    track_link(world, path, target);
    world.git(["commit", "-q", "--no-verify", "-m", "evil"]).ok();
    world.git(["checkout", "-q", "-f", "main"]).ok();
    world.hook(["pull"]).ok();
}

#[track_caller]
fn untouched(world: &World) {
    let names: Vec<String> = tree(&world.path("outside")).into_keys().collect();
    assert_eq!(names, ["theirs"]);
    assert_eq!(fs::read_to_string(world.path("outside/theirs")).unwrap(), "theirs\n");
}

#[track_caller]
fn says(said: &Said, words: &str) {
    assert!(said.err.contains(words), "no `{words}` in\n{}", said.err);
}

/// A command with limits on memory and time, having checked that it kept them.
#[track_caller]
fn bounded(world: &World, command: &[&str]) -> Said {
    let line = "ulimit -v 4000000; exec timeout -k 5 60 \"$@\"";
    let said = world.run_in("repo", "sh", ["-c", line, "sh"].iter().chain(command));
    assert!((0..=5).contains(&said.code), "{command:?} ended with {}\n{}", said.code, said.all());
    said
}

/// 11-8: `.dvc/tmp` a tracked link: `git checkout`, which fetches, removed old `capture-hook-*` directories where it points.
#[test]
fn old_passing_files_are_removed_in_gits_directory_alone() {
    let world = world();
    evil_branch(&world, ".dvc/tmp", "../../outside");
    world.hook(["push", "main", "evil"]).ok();
    fs::remove_dir_all(world.repo(".dvc/cache")).unwrap();
    let aged = |dir: &Path| {
        fs::create_dir_all(dir).unwrap();
        fs::write(dir.join("file"), "").unwrap();
        let time = SystemTime::now() - Duration::from_secs(3 * 24 * 60 * 60);
        fs::File::open(dir).unwrap().set_modified(time).unwrap();
    };
    let (theirs, ours) = (world.path("outside/capture-hook-x"), world.repo(".git/capture-hook/tmp/capture-hook-x"));
    aged(&theirs);
    aged(&ours);
    let said = world.git(["checkout", "evil"]).ok();
    assert!(theirs.join("file").exists() && !ours.exists());
    says(&said, ".dvc/tmp is a link");
    // What a killed DVC left in a dataset is looked for in the project's own alone.
    world.git(["checkout", "-q", "-f", "main"]).ok();
    world.hook(["pull"]).ok();
    fs::remove_dir_all(&theirs).unwrap();
    let leftover = world.path("outside/captures/demo/r1/.Zk3_9-aBcDeFgHiJkLmNoP.tmp");
    fs::create_dir_all(leftover.parent().unwrap()).unwrap();
    fs::write(&leftover, "").unwrap();
    fs::write(world.repo("capture-hook.toml"), "").unwrap();
    track_link(&world, "data", "../outside");
    select(&world, SECOND);
    let said = world.git(["commit", "-q", "-am", "x"]).fails(1);
    assert!(leftover.exists());
    says(&said, "data is a link");
}

/// 11-9: `.dvc/tmp/lock` a tracked link: `git checkout`, and a clone with our hooks in git's template, truncated its target.
#[test]
fn a_lock_that_is_a_link_is_not_taken() {
    let world = world();
    evil_branch(&world, ".dvc/tmp/lock", "../../../outside/theirs");
    let said = world.git(["checkout", "evil"]).ok();
    untouched(&world);
    says(&said, ".dvc/tmp/lock is a link");
    // DVC would follow it, and is not started.
    fs::write(world.repo("capture-hook.toml"), "").unwrap();
    select(&world, FIRST);
    let said = world.git(["commit", "-q", "-am", "x"]).fails(1);
    says(&said, ".dvc/tmp/lock is a link");
    untouched(&world);
    world.git(["checkout", "-q", "-f", "evil"]).ok();
    world.git(["push", "-q", "--no-verify", "origin", "evil"]).ok();
    world.hook(["push", "evil"]).ok();
    let template = world.path("template/hooks");
    crate::world::copy_dir(&world.repo(".git/hooks"), &template);
    let template = format!("--template={}", world.path("template").display());
    let clone = ["clone", "-b", "evil", &template, "origin.git", "clone"];
    world.git_in(".", clone).ok();
    assert!(fs::symlink_metadata(world.path("clone/.dvc/tmp/lock")).unwrap().is_symlink());
    untouched(&world);
}

/// 11-10: `metrics` a tracked link: a commit and `ingest` wrote there, as `init` did into a directory with ignore rules.
#[test]
fn metrics_and_ignore_rules_behind_a_link_are_not_written() {
    let world = world();
    track_link(&world, "metrics", "../outside");
    world.git(["commit", "-q", "--no-verify", "-m", "evil"]).ok();
    select(&world, SECOND);
    let lock = fs::read(world.repo("dvc.lock")).unwrap();
    let said = world.git(["commit", "-q", "-am", "x"]).fails(1);
    untouched(&world);
    says(&said, "metrics is a link");
    let said = world.hook(["ingest"]).fails(3);
    untouched(&world);
    says(&said, "metrics is a link");
    assert!(fs::read(world.repo("dvc.lock")).unwrap() == lock);
    world.git(["checkout", "-q", "-f", "main"]).ok();
    // Where `dvc.yaml` does not declare the files, a directory of this name is the user's.
    let pipeline = fs::read_to_string(world.repo("dvc.yaml")).unwrap();
    fs::write(world.repo("dvc.yaml"), &pipeline[..pipeline.find("\nmetrics:").unwrap() + 1]).unwrap();
    select(&world, SECOND);
    world.git(["commit", "-q", "-am", "Without views"]).ok();
    untouched(&world);
    track_link(&world, "data", "../outside");
    let said = world.hook(["init", "--no-hooks"]).fails(3);
    says(&said, "data is a link");
    untouched(&world);
}

/// 11-11: a params file behind a tracked link was edited by `select`; so was one that is a link into git's directory.
#[test]
fn a_params_file_behind_a_link_is_not_edited() {
    let world = world();
    let pipeline = fs::read_to_string(world.repo("dvc.yaml")).unwrap();
    let names = |file: &str| {
        let keys = "      - ingest_capture.run_dir\n      - ingest_capture.out_dir\n";
        let named =
            format!("      - {file}:\n          - ingest_capture.run_dir\n          - ingest_capture.out_dir\n");
        assert!(pipeline.contains(keys), "{pipeline}");
        fs::write(world.repo("dvc.yaml"), pipeline.replace(keys, &named)).unwrap();
    };
    let text = "[ingest_capture]\nrun_dir = \"x\"\nout_dir = \"data/captures\"\n";
    fs::write(world.path("outside/theirs"), text).unwrap();
    track_link(&world, "conf", "../outside");
    names("conf/theirs.toml");
    fs::rename(world.path("outside/theirs"), world.path("outside/theirs.toml")).unwrap();
    let said = world.hook(["select", SECOND]).fails(3);
    says(&said, "conf is a link");
    assert_eq!(fs::read_to_string(world.path("outside/theirs.toml")).unwrap(), text);
    let config = fs::read_to_string(world.repo(".git/config")).unwrap();
    track_link(&world, "p.toml", ".git/config");
    names("p.toml");
    let said = world.hook(["select", SECOND]).fails(3);
    says(&said, "p.toml is a link");
    assert_eq!(fs::read_to_string(world.repo(".git/config")).unwrap(), config);
    // What is staged is a link, too: its target's name is nobody's parameters.
    let said = world.git(["commit", "-q", "-am", "x"]).fails(1);
    says(&said, "p.toml is a link");
    world.git(["commit", "-q", "--no-verify", "-am", "x"]).ok();
    let said = world.hook(["check", "HEAD~1..HEAD"]).fails(1);
    assert!(said.all().contains("p.toml is a link"), "{}", said.all());
    // A file in its place is all it takes.
    fs::remove_file(world.repo("p.toml")).unwrap();
    fs::write(world.repo("p.toml"), text).unwrap();
    world.hook(["select", SECOND]).ok();
    world.git(["commit", "-q", "-am", "y"]).ok();
    assert_eq!(fs::read_to_string(world.repo(".git/config")).unwrap(), config);
}

/// 11-12: `data -> .git`: `ingest` made `.git/captures`; where the dataset itself is a link, it filled what that points at.
#[test]
fn a_dataset_behind_a_link_in_the_project_is_refused() {
    let world = world();
    let git = |name: &str| world.repo(".git").join(name);
    for (link, target, made) in [("data", ".git", "captures"), ("data/captures", "../.git/info", "info/nav")] {
        track_link(&world, link, target);
        let run = format!("results/{SECOND}");
        for command in [vec!["ingest"], vec!["ingest", "--run-dir", &run], vec!["ingest", "--all"]] {
            select(&world, SECOND);
            let said = world.hook(&command);
            assert_eq!(said.code, 2, "{}", said.all());
            says(&said, &format!("{link} is not a directory of its own"));
        }
        let said = world.git(["commit", "-q", "-am", "x"]).fails(1);
        says(&said, &format!("{link} is a link"));
        assert!(!git(made).exists() && !git("info/demo").exists(), "{link}");
        world.git(["checkout", "-q", "-f", "HEAD", "--", "."]).ok();
        world.git(["reset", "-q", "--hard"]).ok();
    }
    // Another output of the stage: DVC removes what lies there before it runs the stage, so it is not called.
    fs::write(world.repo("capture-hook.toml"), "").unwrap();
    let pipeline = fs::read_to_string(world.repo("dvc.yaml")).unwrap();
    fs::write(world.repo("dvc.yaml"), pipeline.replace("    outs:\n", "    outs:\n      - more/theirs\n")).unwrap();
    track_link(&world, "more", "../outside");
    select(&world, SECOND);
    let said = world.git(["commit", "-q", "-am", "x"]).fails(1);
    says(&said, "more is a link");
    untouched(&world);
    // What the stage depends on: DVC would read it to its end.
    fs::write(world.repo("dvc.yaml"), pipeline.replace("    outs:\n", "    deps:\n      - zero\n    outs:\n")).unwrap();
    track_link(&world, "zero", "/dev/zero");
    let said = bounded(&world, &["git", "commit", "-q", "-am", "x"]);
    assert_eq!(said.code, 1, "{}", said.all());
    says(&said, "not a regular file");
}

/// A shared cache is a link of the user's own; one that a repository brings is not written to.
#[test]
fn a_cache_behind_a_tracked_link_is_refused_and_the_users_own_is_not() {
    let world = world();
    let (cache, shared) = (world.repo(".dvc/cache"), world.path("shared"));
    fs::rename(&cache, &shared).unwrap();
    symlink(&shared, &cache).unwrap();
    commit_run(&world, SECOND);
    fs::remove_file(&cache).unwrap();
    let before = tree(&shared);
    for link in [".dvc/cache", ".dvc/cache/files"] {
        let target = if link.ends_with("files") { shared.join("files") } else { shared.clone() };
        track_link(&world, link, target);
        select(&world, crate::matrix::THIRD);
        let said = world.git(["commit", "-q", "-am", "x"]).fails(1);
        says(&said, &format!("{link} is a link"));
        assert!(tree(&shared) == before);
        world.git(["reset", "-q", "--hard"]).ok();
        let _ = fs::remove_file(&cache);
    }
}

/// The files that every command reads.
const READ: &[&str] = &["capture-hook.toml", "params.yaml", "dvc.yaml", "dvc.lock", ".dvc/config", ".dvc/config.local"];

/// 11-13: a tracked link to `/dev/zero` was read until memory ended: by `status`, by the hooks, by `init`.
#[test]
fn a_device_in_the_place_of_a_file_is_not_read() {
    let world = world();
    world.git(["checkout", "-q", "-b", "other"]).ok();
    commit_run(&world, SECOND);
    for file in READ.iter().chain(&[".gitignore"]) {
        let before = fs::read(world.repo(file)).unwrap();
        world.git(["checkout", "-q", "-B", "evil", "other"]).ok();
        track_link(&world, file, "/dev/zero");
        bounded(&world, &["git", "commit", "-q", "-m", "x"]);
        world.git(["commit", "-q", "--allow-empty", "--no-verify", "-m", "evil"]).ok();
        for command in ["status", "runs", "doctor", "init"] {
            bounded(&world, &[BIN, command]);
        }
        let said = bounded(&world, &[BIN, "status"]);
        assert_eq!(said.code, if *file == ".gitignore" { 0 } else { 3 }, "{file}: {}", said.all());
        for branch in ["main", "evil", "main"] {
            assert_eq!(bounded(&world, &["git", "checkout", "-q", "-f", branch]).code, 0);
        }
        fs::write(world.repo(file), before).unwrap();
        world.hook(["pull"]).ok();
    }
}

/// 11-14, 12-B14: a pipe in the place of a file was waited for.
#[test]
fn a_pipe_in_the_place_of_a_file_is_not_waited_for() {
    let world = world();
    for file in READ {
        let before = fs::read(world.repo(file)).unwrap();
        fs::remove_file(world.repo(file)).unwrap();
        world.run_in("repo", "mkfifo", [file]).ok();
        for command in ["status", "runs", "doctor", "ingest", "validate", "init"] {
            bounded(&world, &[BIN, command]);
        }
        let said = bounded(&world, &[BIN, "status"]);
        assert_eq!(said.code, 3, "{file}: {}", said.all());
        fs::remove_file(world.repo(file)).unwrap();
        fs::write(world.repo(file), before).unwrap();
    }
}

/// 11-13, 11-14, 12-B14: `run.json` a pipe, or a link to `/dev/zero`, in any run: every command that lists runs waited, or
/// read until memory ended.
#[test]
fn a_run_whose_metadata_is_no_file_holds_nothing_up() {
    let world = world();
    let run = world.repo("results/demo/odd");
    crate::world::copy_dir(&crate::world::corpus_run("ok-pypi010").0, &run);
    let meta = run.join("run.json");
    let secret = fs::read_to_string(&meta).unwrap().replace("\"start_time\"", "\"x\": \"secret\", \"start_time\"");
    fs::write(world.path("outside/run.json"), secret).unwrap();
    for kind in ["pipe", "/dev/zero", "escape"] {
        fs::remove_file(&meta).unwrap();
        match kind {
            "pipe" => drop(world.run_in("repo", "mkfifo", [meta.to_str().unwrap()]).ok()),
            "escape" => symlink(world.path("outside/run.json"), &meta).unwrap(),
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
            let said = bounded(&world, &[&[BIN], command.as_slice()].concat());
            assert!(!said.all().contains("secret"), "{kind}, {command:?}: {}", said.all());
        }
        // It is a run all the same, and not left out.
        let said = world.hook(["--json", "runs"]).ok();
        assert!(said.out.contains("demo/odd"), "{kind}: {}", said.out);
        let said = world.hook(["validate", "results/demo/odd"]).fails(1);
        let code = if kind == "pipe" { "missing_run_json" } else { "symlink_escape" };
        assert!(said.out.contains(code), "{kind}: {}", said.out);
    }
}

/// Of the dataset, too, a link to a device or a pipe is neither read nor waited for.
#[test]
fn verify_reads_regular_files_alone() {
    let world = world();
    let folder = world.repo("data/captures").join(FIRST);
    symlink("/dev/zero", folder.join("zero.bin")).unwrap();
    world.run_in("repo", "mkfifo", [world.path("outside/pipe").to_str().unwrap()]).ok();
    symlink(world.path("outside/pipe"), folder.join("pipe.bin")).unwrap();
    let said = bounded(&world, &[BIN, "verify"]);
    assert_eq!(said.code, 1);
    assert!(said.all().contains("zero.bin") && said.all().contains("pipe.bin"), "{}", said.all());
}
