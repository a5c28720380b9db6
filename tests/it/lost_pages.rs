//! Loss of power: what a machine may lose of what was written and not synced is taken away, after a command has ended and
//! after it was stopped at many moments.
//!
//! `watch.c` writes down what our processes do to files and when they sync. Git's own files are git's to sync.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use md5::{Digest, Md5};

use crate::env::{BIN, TestEnv, files, run_command, tree};

mod loss;

use loss::{Loss, LostPart};

/// The exit code of the watcher when it has stopped everything.
const STOPPED: i32 = 86;
/// The command that is stopped.
const PUBLISH: [&str; 4] = ["publish", "-q", "--all-new", "--no-push"];
const DATASET: &str = "data/captures";

fn watcher() -> &'static Path {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    MADE.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/lost_pages/watch.c");
        let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("watch-{}", std::process::id()));
        run_command(Command::new("cc").args(["-O1", "-o"]).arg(&program).arg(source)).ok();
        program
    })
}

/// A project of the native engine in which so many runs are recorded and not committed.
fn recorded(runs: usize) -> TestEnv {
    let env = TestEnv::committed_native();
    fs::remove_dir_all(env.repo("results")).unwrap();
    for number in 0..runs {
        env.record_as("ok-orig100", &format!("sweep/r{number:02}"));
    }
    env
}

/// Runs a command under the watcher, which stops everything at this moment; never if it is 0.
fn watch(env: &TestEnv, stop_at: usize, args: &[&str]) -> (i32, Loss) {
    let (log, program) = (env.path("watch.log"), fs::canonicalize(BIN).unwrap());
    let (log_path, program) = (log.to_str().unwrap(), program.to_str().unwrap());
    let moment = stop_at.to_string();
    let all = [&[log_path, &moment, program, BIN], args].concat();
    let output = env.run_in("repo", watcher().to_str().unwrap(), all);
    assert!(output.code == 0 || output.code == STOPPED, "{}", output.both());
    (output.code, Loss::read(&log))
}

/// The files of the project, but for git's, temporary ones and what was recorded.
fn project_files(env: &TestEnv) -> BTreeMap<String, Vec<u8>> {
    let mut all = tree(&env.repo(""));
    all.retain(|path, _| [".git/", "results/", ".dvc/tmp/"].iter().all(|dir| !path.starts_with(dir)));
    all
}

/// Whatever has the name of an object has its bytes, and a run's folder in the dataset is there whole or not at all.
#[track_caller]
fn assert_nothing_is_wrong(env: &TestEnv, whole: &BTreeMap<String, Vec<u8>>, when: &str) {
    let cache = env.repo(".dvc/cache/files/md5");
    for path in files(&cache) {
        let inner = path.strip_prefix(&cache).unwrap().to_str().unwrap();
        if inner.contains(".capture-hook-") {
            continue;
        }
        let md5: String = Md5::digest(fs::read(&path).unwrap()).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(inner.replace('/', "").trim_end_matches(".dir"), md5, "{when}: {inner} is another object");
    }
    let now = tree(&env.repo(DATASET));
    let run_of = |path: &str| path.rsplit_once('/').unwrap().0.to_owned();
    for path in now.keys() {
        let of_run = |all: &BTreeMap<String, Vec<u8>>| {
            let own = all.iter().filter(|(other, _)| run_of(other) == run_of(path));
            own.map(|(path, bytes)| (path.clone(), bytes.clone())).collect::<BTreeMap<_, _>>()
        };
        assert!(of_run(&now) == of_run(whole), "{when}: {} is not whole", run_of(path));
    }
}

/// What was reported is there and right.
#[track_caller]
fn assert_all_is_there(env: &TestEnv, runs: usize, whole: &BTreeMap<String, Vec<u8>>, when: &str) {
    let found = env.runs_at("HEAD");
    assert_eq!(found.iter().filter(|run| run.starts_with("sweep/")).count(), runs, "{when}");
    assert!(tree(&env.repo(DATASET)) == *whole, "{when}: the dataset is another");
    assert_nothing_is_wrong(env, whole, when);
    env.hook(["verify"]).ok();
    env.hook(["check", "--strict"]).ok();
}

fn nothing_reported_is_lost(runs: usize) {
    let env = recorded(runs);
    for part in [LostPart::Content, LostPart::ContentAndNames] {
        let env = env.copy();
        let (code, loss) = watch(&env, 0, &PUBLISH);
        assert_eq!(code, 0);
        let before = project_files(&env);
        let whole = tree(&env.repo(DATASET));
        assert!(whole.keys().filter(|path| path.ends_with("/run.json")).count() > runs);
        loss.happen(&env.path(""), part);
        let after = project_files(&env);
        let lost: Vec<&String> =
            before.iter().filter(|(path, old)| after.get(*path) != Some(old)).map(|(path, _)| path).collect();
        assert!(lost.is_empty(), "{part:?}: lost {lost:?}");
        assert_all_is_there(&env, runs, &whole, &format!("{part:?}"));
    }
}

/// E14: After a publish of many runs has ended, a loss of power takes nothing of it.
#[test]
fn nothing_of_many_runs_is_lost_with_the_power() {
    // Enough for one sync of the file system.
    nothing_reported_is_lost(12);
}

/// E14: The same of few runs, whose files are synced one by one.
#[test]
fn nothing_of_few_runs_is_lost_with_the_power() {
    nothing_reported_is_lost(2);
}

/// E14: `ingest` of many runs.
#[test]
fn ingested_runs_are_not_lost_with_the_power() {
    let env = recorded(12);
    let (code, loss) = watch(&env, 0, &["ingest", "-q", "--all"]);
    assert_eq!(code, 0);
    let before = tree(&env.repo(DATASET));
    assert_eq!(before.keys().filter(|path| path.contains("sweep/") && path.ends_with("/run.json")).count(), 12);
    loss.happen(&env.path(""), LostPart::ContentAndNames);
    assert!(tree(&env.repo(DATASET)) == before);
}

/// The test finds what is lost: without syncs, nothing of the above holds.
#[test]
fn without_syncs_everything_would_be_lost() {
    let mut env = recorded(12);
    env.set("WATCH_NO_SYNC", "1");
    let (code, loss) = watch(&env, 0, &PUBLISH);
    assert_eq!(code, 0);
    let before = project_files(&env);
    loss.happen(&env.path(""), LostPart::Content);
    let after = project_files(&env);
    let is_lost = |path: &String| after.get(path).is_some_and(Vec::is_empty);
    for part in [DATASET, ".dvc/cache/", "dvc.lock"] {
        let mut written = before.keys().filter(|path| path.starts_with(part) && !before[*path].is_empty());
        assert!(written.any(is_lost), "nothing of {part} was lost");
    }
    assert_ne!(env.hook(["verify"]).code, 0);
}

/// Stops a publish at moments from its beginning to its end, takes what is not synced, and repeats it.
fn stopped_at_many_moments(runs: usize, part: LostPart, moments: usize) {
    let env = recorded(runs);
    let (whole, count) = {
        let env = env.copy();
        let (_, loss) = watch(&env, 0, &PUBLISH);
        (tree(&env.repo(DATASET)), loss.count())
    };
    let mut stopped = 0;
    for moment in (1..=moments).map(|at| count * at / (moments + 1)) {
        let env = env.copy();
        let (code, loss) = watch(&env, moment, &PUBLISH);
        stopped += usize::from(code == STOPPED);
        loss.happen(&env.path(""), part);
        let when = format!("{part:?}, stopped at {moment} of {count}");
        assert_nothing_is_wrong(&env, &whole, &when);
        // What a stopped git leaves is for the user to remove, as git itself says.
        for lock in files(&env.repo(".git")).iter().filter(|path| path.extension().is_some_and(|e| e == "lock")) {
            if !lock.starts_with(env.repo(".git/capture-hook")) {
                fs::remove_file(lock).unwrap();
            }
        }
        env.git(["restore", "--staged", ":/"]).ok();
        env.hook(PUBLISH).ok();
        env.hook(["tag"]).ok();
        assert_all_is_there(&env, runs, &whole, &when);
        // A single file aside may stay; what is made in great number is removed, and the dataset has none.
        let is_left = |path: &PathBuf| {
            let inner = path.strip_prefix(env.repo("")).unwrap().to_str().unwrap();
            let is_temporary = inner.contains("/.capture-hook-");
            inner.contains("-ingest-") || inner.contains("-store-") || (is_temporary && inner.starts_with("data/"))
        };
        let left: Vec<PathBuf> = files(&env.repo("")).into_iter().filter(is_left).collect();
        assert!(left.is_empty(), "{when}: temporary files are left: {left:?}");
    }
    assert!(stopped > moments / 2, "{stopped} of {moments} were stopped");
}

/// E10, E14: A publish of many runs that ends with the power, at many moments, can be repeated, and nothing wrong is trusted.
#[test]
fn a_publish_that_ends_with_the_power_can_be_repeated() {
    stopped_at_many_moments(10, LostPart::Content, 14);
}

/// E10, E14: The same if names are lost, too, whose directories were not synced.
#[test]
fn a_publish_that_ends_with_the_power_and_loses_names_can_be_repeated() {
    stopped_at_many_moments(10, LostPart::ContentAndNames, 14);
}

/// E10, E14: The same of few runs.
#[test]
fn a_publish_of_few_runs_that_ends_with_the_power_can_be_repeated() {
    stopped_at_many_moments(2, LostPart::ContentAndNames, 10);
}
