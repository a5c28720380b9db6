//! Local copies of runs that the user drops: only what is on the remote goes, and nothing else of the clone changes.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use crate::env::{BIN, FIRST, SECOND, THIRD, TestEnv, copy_dir, each_cache_type, tree};
use crate::faults::{kill_all, start};
use crate::s3::stored_project;

/// The objects of a run in HEAD's data version.
pub fn objects_of(env: &TestEnv, rev: &str, run: &str) -> BTreeSet<String> {
    let lockfile = env.git(["show", &format!("{rev}:dvc.lock")]).ok().stdout;
    let version = lockfile.lines().find_map(|line| line.trim().strip_prefix("md5: ")?.strip_suffix(".dir")).unwrap();
    let (shard, rest) = version.split_at(2);
    let name = format!("files/md5/{shard}/{rest}.dir");
    let path = [env.repo(".dvc/cache"), env.path("dvc-remote")].map(|dir| dir.join(&name));
    let list = path.iter().find_map(|path| fs::read(path).ok()).unwrap();
    let list: serde_json::Value = serde_json::from_slice(&list).unwrap();
    let entries = list.as_array().unwrap().iter();
    let own = entries.filter(|entry| entry["relpath"].as_str().unwrap().starts_with(&format!("{run}/")));
    own.map(|entry| entry["md5"].as_str().unwrap().to_owned()).collect()
}

/// Where an object lies in a cache or a directory remote.
pub fn object(dir: PathBuf, md5: &str) -> PathBuf {
    dir.join("files/md5").join(&md5[..2]).join(&md5[2..])
}

fn cached(env: &TestEnv, run: &str) -> usize {
    objects_of(env, "main", run).iter().filter(|md5| object(env.repo(".dvc/cache"), md5).exists()).count()
}

fn pushed(cache_type: &str) -> TestEnv {
    let env = TestEnv::two_versions(cache_type);
    env.git(["push", "-q", "--follow-tags", "-u", "origin", "main"]).ok();
    env
}

/// Whether anything of a run lies in the workspace, links that lead nowhere included.
fn is_in_workspace(env: &TestEnv, run: &str) -> bool {
    env.repo("data/captures").join(run).symlink_metadata().is_ok()
}

#[test]
fn a_forgotten_run_is_as_in_a_clone_that_has_not_pulled_it() {
    each_cache_type(pushed, |env| {
        let folder = env.repo("data/captures").join(FIRST);
        let [first, second, results] =
            [&folder, &env.repo("data/captures").join(SECOND), &env.repo("results")].map(|dir| tree(dir));
        let (head, refs) = (env.id("HEAD"), env.git(["for-each-ref"]).ok().stdout);
        let count = cached(env, FIRST);
        let forgotten = env.hook(["forget", FIRST]).ok();
        assert_eq!(forgotten.stdout, format!("{FIRST}\n"));
        assert!(
            forgotten.stderr.contains(&format!("{FIRST}: dropped {count} objects of the cache")),
            "{}",
            forgotten.both()
        );
        assert!(!is_in_workspace(env, FIRST));
        assert_eq!(cached(env, FIRST), 0);
        // The other run, results, commits and tags are untouched.
        assert_eq!(tree(&env.repo("data/captures").join(SECOND)), second);
        assert_eq!(tree(&env.repo("results")), results);
        assert_eq!((env.id("HEAD"), env.git(["for-each-ref"]).ok().stdout), (head, refs));
        let status = env.hook(["status"]).ok();
        assert!(status.stdout.contains("1 of 2 runs are here and match dvc.lock"), "{}", status.both());
        env.hook(["check", "--remote", "--strict"]).ok();
        assert!(env.hook(["runs"]).ok().stdout.contains(FIRST));
        env.hook(["verify", SECOND]).ok();
        let verified = env.hook(["verify"]).fails(1);
        assert!(verified.stdout.contains("the whole run is missing from the workspace"), "{}", verified.both());
        // No hook brings it back unasked.
        env.git(["checkout", "-q", "old"]).ok();
        env.git(["checkout", "-q", "main"]).ok();
        assert!(!is_in_workspace(env, FIRST));
        assert_eq!(cached(env, FIRST), 0);
        assert_eq!(tree(&env.repo("data/captures").join(SECOND)), second);
        // Again: there is nothing to do.
        let again = env.hook(["forget", FIRST]).ok();
        assert!(again.stderr.contains("nothing of it was in this clone"), "{}", again.both());

        env.hook(["get", FIRST, "-o", "../got"]).ok();
        assert_eq!(tree(&env.path("got")), first);
        env.hook(["pull", FIRST]).ok();
        assert_eq!(tree(&folder), first);
        env.assert_committed_but_for_links();
        // From now on hooks check it out as ever.
        env.git(["checkout", "-q", "old"]).ok();
        env.git(["checkout", "-q", "main"]).ok();
        assert_eq!(tree(&folder), first);
    });
}

#[test]
fn the_next_commit_works_without_the_forgotten_run() {
    for engine in ["native", "dvc"] {
        let env = pushed("copy");
        fs::write(env.repo("capture-hook.toml"), format!("engine = \"{engine}\"\n")).unwrap();
        env.git(["add", "-A"]).ok();
        env.git(["commit", "-q", "-m", "engine"]).ok();
        env.hook(["forget", FIRST]).ok();
        env.commit_run(THIRD);
        let mut runs = env.runs_at("HEAD");
        runs.sort();
        let mut all = [FIRST, SECOND, THIRD];
        all.sort_unstable();
        assert_eq!(runs, all);
        // The native engine needs no data; `dvc repro` versions what lies in the workspace, so it is fetched.
        assert_eq!(is_in_workspace(&env, FIRST), engine == "dvc");
        env.hook(["check", "--strict"]).ok();
        env.git(["push", "-q", "--follow-tags", "origin", "main"]).ok();
        env.hook(["pull"]).ok();
        env.assert_committed();
    }
}

#[test]
fn nothing_is_dropped_that_is_not_on_the_remote() {
    let env = TestEnv::two_versions("copy");
    let whole = tree(&env.repo("data"));
    let kept = |env: &TestEnv| {
        assert_eq!(tree(&env.repo("data")), whole);
        assert!(cached(env, FIRST) > 0);
        assert!(!env.repo(".git/capture-hook/forgotten").exists());
    };
    // Not pushed yet.
    let refused = env.hook(["forget", FIRST]).fails(1);
    assert!(refused.stderr.contains(&format!("the remote does not have all of {FIRST}: ")), "{}", refused.both());
    assert!(refused.stderr.contains("send it first: `capture-hook push`"), "{}", refused.both());
    kept(&env);
    env.hook(["push", "--all"]).ok();
    // The list there says that all is well; a single file is not there, or only half of it.
    let lost = objects_of(&env, "HEAD", FIRST).into_iter().next().unwrap();
    let path = object(env.path("dvc-remote"), &lost);
    let bytes = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    env.hook(["forget", FIRST]).fails(1);
    kept(&env);
    fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    env.hook(["forget", FIRST]).fails(1);
    kept(&env);
    fs::write(&path, &bytes).unwrap();
    // Of two runs one is not there: none is dropped.
    env.record_as("ok-orig100", "sweep/new");
    env.commit_run("sweep/new");
    let both = tree(&env.repo("data"));
    env.hook(["forget", FIRST, "sweep/new"]).fails(1);
    assert_eq!(tree(&env.repo("data")), both);
    env.hook(["push"]).ok();
    // The remote is not mounted.
    fs::rename(env.path("dvc-remote"), env.path("away")).unwrap();
    let absent = env.hook(["forget", FIRST]);
    assert!(absent.code != 0 && absent.stderr.contains("mount it"), "{}", absent.both());
    assert_eq!(tree(&env.repo("data")), both);
    fs::rename(env.path("away"), env.path("dvc-remote")).unwrap();
    // Local changes.
    let added = env.repo("data/captures").join(FIRST).join("notes.txt");
    fs::write(&added, "mine\n").unwrap();
    let changed = env.hook(["forget", FIRST]).fails(1);
    assert!(changed.stderr.contains("has local changes, which would be lost: "), "{}", changed.both());
    assert_eq!(fs::read_to_string(&added).unwrap(), "mine\n");
    fs::remove_file(&added).unwrap();
    // Of a run that was never committed, no remote has anything.
    let new = env.hook(["forget", THIRD]);
    assert!(new.stderr.contains("no commit holds"), "{}", new.both());
    env.hook(["forget", FIRST, "sweep/new"]).ok();
    assert!(!is_in_workspace(&env, FIRST) && !is_in_workspace(&env, "sweep/new"));
}

#[test]
fn objects_that_others_use_stay() {
    let env = TestEnv::committed_native();
    let columns = r#"{"format": 1, "steps": {"x": {"dtype": "float32", "shape": [2]}}}"#;
    for run in ["declared/a", "declared/b"] {
        env.record_declared(run, Some(columns), &["\"x\": [0.5, 1]"]);
        env.commit_run(run);
    }
    let [a, b] = ["declared/a", "declared/b"].map(|run| objects_of(&env, "HEAD", run));
    let shared: BTreeSet<&String> = a.intersection(&b).collect();
    assert!(!shared.is_empty(), "the schema is one object");
    // Another output of DVC has the bytes of one file.
    fs::copy(env.repo("data/captures/declared/a/steps.parquet"), env.repo("copy.parquet")).unwrap();
    env.dvc(["add", "-q", "copy.parquet"]).ok();
    env.git(["add", "copy.parquet.dvc", ".gitignore"]).ok();
    env.git(["commit", "-q", "-m", "a copy"]).ok();
    env.hook(["push", "--all"]).ok();
    let copy = fs::read_to_string(env.repo("copy.parquet.dvc")).unwrap();
    let copy = copy.lines().find_map(|line| line.split_once("md5: ")).unwrap().1.trim().to_owned();
    assert!(a.contains(&copy));
    env.hook(["forget", "declared/a"]).ok();
    for md5 in &a {
        let is_needed = shared.contains(md5) || *md5 == copy;
        assert_eq!(object(env.repo(".dvc/cache"), md5).exists(), is_needed, "{md5}");
    }
    assert!(b.iter().all(|md5| object(env.repo(".dvc/cache"), md5).exists()));
    // Both together: the schema is of no use any more.
    env.hook(["forget", "declared/a", "declared/b"]).ok();
    for md5 in a.union(&b) {
        assert_eq!(object(env.repo(".dvc/cache"), md5).exists(), *md5 == copy, "{md5}");
    }
    env.hook(["pull"]).ok();
    env.assert_committed();
}

#[test]
fn every_data_version_and_every_working_tree_of_the_clone_counts() {
    let env = pushed("symlink");
    // The run is recorded anew and removed: two versions of its files, none of them HEAD's.
    env.record_as("ok-orig100", FIRST);
    env.hook(["publish", "--no-push", &format!("results/{FIRST}")]).ok();
    let again = objects_of(&env, "HEAD", FIRST);
    env.hook(["remove", FIRST]).ok();
    env.hook(["push", "--all"]).ok();
    let old = objects_of(&env, "old", FIRST);
    assert!(old.is_disjoint(&again));
    // A linked working tree, whose files are links into the same cache.
    env.git(["worktree", "add", "-q", "../side", "old"]).ok();
    env.hook_in("side", ["pull"]).ok();
    let link = env.path("side/data/captures").join(FIRST).join("run.json");
    assert!(link.is_file());
    env.hook(["forget", FIRST]).ok();
    for md5 in old.union(&again) {
        assert!(!object(env.repo(".dvc/cache"), md5).exists(), "{md5}");
    }
    assert!(link.symlink_metadata().is_err(), "a link that leads nowhere");
    env.hook_in("side", ["pull"]).ok();
    assert!(link.is_file());
}

/// A remote that only DVC can ask is asked for each file: its list proves nothing.
#[test]
fn an_object_store_is_asked_for_each_file() {
    let (env, store) = stored_project();
    let cached = |md5: &str| object(env.repo(".dvc/cache"), md5);
    let refused = env.hook(["forget", FIRST]).fails(1);
    assert!(refused.stderr.contains("the remote does not have all of"), "{}", refused.both());
    env.hook(["push", "--all"]).ok();
    let objects = objects_of(&env, "HEAD", FIRST);
    let md5 = objects.first().unwrap();
    let key = format!("data/files/md5/{}/{}", &md5[..2], &md5[2..]);
    store.run_client(&env, &format!("s3.delete_object(Bucket='captures', Key='{key}')"));
    let refused = env.hook(["forget", FIRST]).fails(1);
    assert!(refused.stderr.contains("the remote does not have all of"), "{}", refused.both());
    assert!(is_in_workspace(&env, FIRST) && objects.iter().all(|md5| cached(md5).exists()));
    store.run_client(&env, &format!("s3.upload_file('{}', 'captures', '{key}')", cached(md5).display()));
    env.hook(["forget", FIRST]).ok();
    assert!(!is_in_workspace(&env, FIRST) && !objects.iter().any(|md5| cached(md5).exists()));
    env.hook(["pull", FIRST]).ok();
    env.assert_committed();
    // A server that does not answer proves nothing either.
    drop(store);
    let unknown = env.hook(["forget", FIRST]);
    assert!(unknown.code != 0 && unknown.stderr.contains("so nothing is dropped"), "{}", unknown.both());
    assert!(is_in_workspace(&env, FIRST) && objects.iter().all(|md5| cached(md5).exists()));
}

/// E10: A `forget` that is killed (-9) at many moments can be repeated, and nothing else is gone.
#[test]
fn a_killed_forget_can_be_repeated() {
    const MOMENTS: u32 = 40;
    let env = pushed("copy");
    let (second, results) = (tree(&env.repo("data/captures").join(SECOND)), tree(&env.repo("results")));
    let whole = {
        let env = env.copy();
        let started = Instant::now();
        env.hook(["forget", FIRST]).ok();
        started.elapsed()
    };
    for moment in 1..=MOMENTS {
        let env = env.copy();
        let mut child = start(&env, BIN, &["forget", FIRST]);
        std::thread::sleep(whole * moment / (MOMENTS - 2));
        kill_all(&env, &mut child);
        assert_eq!(tree(&env.repo("data/captures").join(SECOND)), second, "{moment}");
        assert_eq!(tree(&env.repo("results")), results, "{moment}");
        if moment % 4 == 0 {
            // Or changed one's mind.
            env.hook(["pull"]).ok();
            env.assert_committed();
            continue;
        }
        env.hook(["forget", FIRST]).ok();
        assert!(!is_in_workspace(&env, FIRST), "{moment}");
        assert_eq!(cached(&env, FIRST), 0, "{moment}");
        assert_eq!(tree(&env.repo("data/captures").join(SECOND)), second, "{moment}");
        env.hook(["pull"]).ok();
        env.assert_committed();
    }
}

/// A cache outside of the clone can be that of other clones, whose files are links into it.
#[test]
fn a_cache_that_others_may_use_stays() {
    let env = pushed("copy");
    copy_dir(&env.repo(".dvc/cache"), &env.path("shared-cache"));
    env.dvc(["cache", "dir", "--local", env.path("shared-cache").to_str().unwrap()]).ok();
    let before = tree(&env.path("shared-cache"));
    let forgotten = env.hook(["forget", FIRST]).ok();
    assert!(forgotten.stderr.contains("other clones may use it"), "{}", forgotten.both());
    assert_eq!(tree(&env.path("shared-cache")), before);
    assert!(!is_in_workspace(&env, FIRST));
}
