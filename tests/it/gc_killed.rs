//! `gc --yes` killed (-9) at many moments: nothing that is needed is gone, no list stays without its files, and a second `gc`
//! finishes.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use md5::{Digest, Md5};
use serde_json::Value;

use crate::env::{BIN, SECOND, TestEnv};
use crate::faults::{kill_all, start};
use crate::gc::{objects, plan};

/// How many moments are tried, half of them while objects are being removed.
const MOMENTS: u32 = 40;
/// How many files of old runs there are, so that their removal takes a while.
const OLD_FILES: usize = 1500;
const GC: [&str; 4] = ["gc", "--keep", "0", "--yes"];

fn store(dir: &Path, bytes: &[u8], suffix: &str) -> String {
    let hash: String = Md5::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    let path = dir.join("files/md5").join(&hash[..2]).join(format!("{}{suffix}", &hash[2..]));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
    hash
}

/// Puts an old data version of many runs into a cache or a remote, and its lockfile into a commit that nothing reaches.
fn add_old_version(env: &TestEnv, dir: &Path) {
    let mut rows = Vec::new();
    for number in 0..OLD_FILES {
        let (run, file) = (number / 5, ["DATASET_INDEX.json", "a", "b", "c", "d"][number % 5]);
        let hash = store(dir, format!("{number}").as_bytes(), "");
        rows.push(format!(r#"{{"md5": "{hash}", "relpath": "old/r{run:04}/{file}"}}"#));
    }
    let list = store(dir, format!("[{}]", rows.join(", ")).as_bytes(), ".dir");
    let text = format!(
        "schema: '2.0'\nstages:\n  s:\n    cmd: x\n    outs:\n    - path: d\n      hash: md5\n      md5: {list}.dir\n"
    );
    fs::write(env.path("dvc.lock"), text).unwrap();
    let blob = env.git(["hash-object", "-w", "../dvc.lock"]).ok().stdout;
    let tree = env.script("mktree", "#!/bin/sh\nprintf '100644 blob %s\\tdvc.lock\\n' \"$1\" | git mktree\n");
    let tree = env.run_in("repo", &tree, [blob.trim()]).ok().stdout;
    env.git(["commit-tree", "-m", "old", tree.trim()]).ok();
}

/// That every list in a store has all its files.
fn assert_lists_are_whole(store: &Path, moment: u32) {
    let present = objects(store);
    for list in present.iter().filter(|path| path.ends_with(".dir")) {
        let rows: Value = serde_json::from_slice(&fs::read(store.join(list)).unwrap()).unwrap();
        for row in rows.as_array().unwrap() {
            let hash = row["md5"].as_str().unwrap();
            let path = format!("files/md5/{}/{}", &hash[..2], &hash[2..]);
            assert!(present.contains(&path), "{moment}: {list} has lost {}", row["relpath"]);
        }
    }
}

/// Whether it was killed while objects were being removed.
fn killed_at(made: &TestEnv, args: &[&str], dir: &str, moment: u32, whole: Duration, after: &BTreeSet<String>) -> bool {
    let env = made.copy();
    let store = env.path(dir);
    let before = objects(&store).len();
    let mut child = start(&env, BIN, args);
    if moment.is_multiple_of(2) {
        thread::sleep(whole * moment / MOMENTS);
    } else {
        // From the first removed object on: lists go first.
        let lists = || objects(&store).iter().filter(|path| path.ends_with(".dir")).count();
        let (all, begun) = (lists(), Instant::now());
        while lists() == all && begun.elapsed() < Duration::from_secs(60) {}
        thread::sleep(Duration::from_micros(u64::from(moment) * 100));
    }
    kill_all(&env, &mut child);
    let left = objects(&store);
    assert!(after.is_subset(&left), "{moment}: lost {:?}", after.difference(&left).collect::<Vec<_>>());
    assert_lists_are_whole(&store, moment);
    env.hook(["verify"]).ok();
    env.hook(args).ok();
    assert_eq!(objects(&store), *after, "{moment}");
    env.hook(["pull"]).ok();
    env.assert_committed();
    left.len() < before && left.len() > after.len()
}

fn kill_at_many_moments(made: &TestEnv, args: &[&str], dir: &str) {
    let (after, whole) = {
        let env = made.copy();
        let started = Instant::now();
        env.hook(args).ok();
        (objects(&env.path(dir)), started.elapsed())
    };
    assert!(after.len() + OLD_FILES < objects(&made.path(dir)).len());
    let in_the_middle = thread::scope(|scope| {
        let half = |first: u32| {
            let after = &after;
            move || (first..MOMENTS).step_by(2).filter(|at| killed_at(made, args, dir, *at, whole, after)).count()
        };
        let threads = [scope.spawn(half(0)), scope.spawn(half(1))];
        threads.into_iter().map(|thread| thread.join().unwrap()).sum::<usize>()
    });
    assert!(in_the_middle > 0, "none was killed while objects were removed");
}

/// Two versions, the second of which was taken back.
fn with_an_old_version() -> TestEnv {
    let env = TestEnv::two_versions("copy").kept();
    env.hook(["push", "--all"]).ok();
    for tag in env.git(["tag", "--points-at", "HEAD"]).ok().stdout.lines() {
        env.git(["tag", "-d", tag]).ok();
    }
    env.git(["reset", "-q", "--hard", "HEAD~1"]).ok();
    env.hook(["pull"]).ok();
    env
}

/// E10: A `gc` that is killed (-9) at many moments leaves all that is needed, and is finished by the next one.
#[test]
fn a_killed_gc_of_the_cache_loses_nothing() {
    let env = with_an_old_version();
    add_old_version(&env, &env.repo(".dvc/cache"));
    let planned = plan(&env, &["--keep", "0"]);
    assert!(planned["runs"].as_array().unwrap().iter().any(|run| run["run"] == SECOND), "{planned:#}");
    kill_at_many_moments(&env, &GC, "repo/.dvc/cache");
}

/// E10: The same of a remote that is a directory.
#[test]
fn a_killed_gc_of_the_remote_loses_nothing() {
    let env = with_an_old_version();
    env.git(["push", "-q", "-f", "origin", "main", "old"]).ok();
    add_old_version(&env, &env.path("dvc-remote"));
    kill_at_many_moments(&env, &["gc", "--keep", "0", "--yes", "--remote"], "dvc-remote");
}
