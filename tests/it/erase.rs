//! Runs whose bytes are erased for good: gone from workspace, cache and remote, and history stays readable.

use std::collections::BTreeSet;
use std::fs;
use std::time::Instant;

use serde_json::Value;

use crate::env::{BIN, CommandOutput, FIRST, SECOND, THIRD, TestEnv, each_cache_type, tree};
use crate::faults::{kill_all, start};
use crate::forget::{object, objects_of};
use crate::s3::stored_project;

const ERASE: [&str; 5] = ["erase", FIRST, "--everywhere", "--reason", "asked by letter: 100%"];

fn pushed(cache_type: &str) -> TestEnv {
    let env = TestEnv::two_versions(cache_type);
    env.git(["push", "-q", "--follow-tags", "-u", "origin", "main", "old"]).ok();
    env
}

fn erase(env: &TestEnv) -> CommandOutput {
    env.hook(ERASE.iter().copied().chain(["--yes"])).ok()
}

/// Those of some objects that are in a cache, or on a directory remote.
fn present(env: &TestEnv, dir: &str, objects: &BTreeSet<String>) -> usize {
    objects.iter().filter(|md5| object(env.path(dir), md5).exists()).count()
}

fn findings(env: &TestEnv, dir: &str) -> Vec<String> {
    let output = env.hook_in(dir, ["check", "--remote", "--json"]);
    let shown: Value = serde_json::from_str(&output.stdout).unwrap_or_else(|_| panic!("{}", output.both()));
    let findings = shown["findings"].as_array().unwrap().iter();
    findings.map(|finding| format!("{}: {}", finding["code"].as_str().unwrap(), finding["message"])).collect()
}

/// `check` accepts that the run's data is gone, and says so.
#[track_caller]
fn checked(env: &TestEnv, dir: &str) {
    env.hook_in(dir, ["-q", "push"]).ok();
    let check = env.hook_in(dir, ["check", "--remote", "--strict"]).ok();
    assert!(
        check.stdout.contains(&format!("erased: {FIRST}: asked by letter: 100% (capture-erased/")),
        "{}",
        check.both()
    );
    assert!(check.stdout.contains("no problems"), "{}", check.both());
}

fn clone_of(env: &TestEnv, name: &str) {
    env.git_in(".", ["clone", "-q", "origin.git", name]).ok();
    fs::copy(env.repo(".dvc/config.local"), env.path(name).join(".dvc/config.local")).unwrap();
    env.hook_in(name, ["install", "-q"]).ok();
}

#[test]
fn an_erased_run_is_gone_everywhere_and_its_history_stays_readable() {
    each_cache_type(pushed, |env| {
        let second = tree(&env.repo("data/captures").join(SECOND));
        let results = tree(&env.repo("results"));
        let objects = objects_of(env, "HEAD", FIRST);
        let head = env.id("HEAD");
        // Who has the data already.
        clone_of(env, "other");
        env.hook_in("other", ["pull"]).ok();

        let refused = env.hook(["erase", FIRST]).fails(2);
        assert!(refused.stderr.contains("needs `--everywhere`"), "{}", refused.both());
        let plan = env.hook(ERASE.iter().copied().chain(["--dry-run"])).ok();
        assert!(
            plan.stderr.contains("nothing was erased yet") && plan.stderr.contains("not reached: other clones"),
            "{}",
            plan.both()
        );
        assert!(plan.stderr.contains(&format!("`rm -r results/{FIRST}`")), "{}", plan.both());
        assert_eq!((env.id("HEAD"), present(env, "repo/.dvc/cache", &objects)), (head.clone(), objects.len()));

        let erased = erase(env);
        assert_eq!(erased.stdout, format!("{FIRST}\n"));
        assert_eq!(env.id("HEAD~1"), head);
        assert_eq!(env.runs_at("HEAD"), [SECOND]);
        assert_eq!(env.trailer("HEAD", "Capture-Removed"), [FIRST]);
        for dir in ["repo/.dvc/cache", "dvc-remote"] {
            assert_eq!(present(env, dir, &objects), 0, "{dir}");
        }
        assert!(env.repo("data/captures").join(FIRST).symlink_metadata().is_err());
        assert_eq!(tree(&env.repo("data/captures").join(SECOND)), second);
        assert_eq!(tree(&env.repo("results")), results);
        env.assert_committed();
        checked(env, "repo");

        // History is readable.
        let shown = env.hook(["show", FIRST]).ok();
        assert!(shown.stdout.contains("erased          asked by letter: 100%"), "{}", shown.both());
        let runs = env.hook(["runs"]).ok();
        assert!(runs.stdout.lines().any(|line| line.contains(FIRST) && line.contains("erased")), "{}", runs.both());
        let log = env.hook(["log", FIRST]).ok();
        assert_eq!(log.stdout.lines().filter(|line| line.contains("erased")).count(), 2, "{}", log.both());
        env.hook(["status"]).ok();
        for args in [&["get", FIRST, "-o", "../got"][..], &["restore", FIRST]] {
            let refused = env.hook(args).fails(1);
            assert!(
                refused.stderr.contains(&format!("the data of {FIRST} was erased on purpose: asked by letter: 100%")),
                "{}",
                refused.both()
            );
        }
        let verified = env.hook(["verify", "--rev", "old"]).ok();
        assert!(verified.stderr.contains(&format!("{FIRST} was erased on purpose")), "{}", verified.both());
        env.hook(["report", "-o", "../report.html"]).ok();
        assert!(
            fs::read_to_string(env.path("report.html")).unwrap().contains("It was erased on purpose: asked by letter")
        );
        let checkout = env.git(["checkout", "-q", "old"]).ok();
        assert!(checkout.stderr.contains(&format!("left out, for it was erased: {FIRST}: ")), "{}", checkout.both());
        let pulled = env.hook(["pull"]).ok();
        assert!(pulled.stderr.contains("left out, for it was erased"), "{}", pulled.both());
        checked(env, "repo");
        env.git(["checkout", "-q", "main"]).ok();
        env.assert_committed();
        // A run is committed and pushed as ever.
        env.commit_run(THIRD);
        env.git(["push", "-q", "--follow-tags", "origin", "main"]).ok();
        env.hook(["push", "--all"]).ok();
        let again = erase(env);
        assert!(again.stderr.contains("nothing is left to erase"), "{}", again.both());

        // A new clone.
        clone_of(env, "new");
        env.hook_in("new", ["pull"]).ok();
        checked(env, "new");
        env.git_in("new", ["checkout", "-q", "origin/old"]).ok();
        env.hook_in("new", ["pull"]).ok();
        checked(env, "new");

        // The clone that still has the data is told, sends nothing, and can erase it.
        env.git_in("other", ["pull", "-q"]).ok();
        let told = env.hook_in("other", ["pull"]).ok();
        assert!(
            told.stderr.contains(&format!("{FIRST} was erased, but the cache of this clone still has")),
            "{}",
            told.both()
        );
        let sent = env.hook_in("other", ["push", "--all"]).ok();
        assert!(sent.stderr.contains("the DVC remote has all data"), "{}", sent.both());
        assert_eq!(present(env, "dvc-remote", &objects), 0);
        let head = env.git_in("other", ["rev-parse", "HEAD"]).ok().stdout;
        env.hook_in("other", ["erase", FIRST, "--everywhere", "--yes"]).ok();
        assert_eq!(present(env, "other/.dvc/cache", &objects), 0);
        assert_eq!(env.git_in("other", ["rev-parse", "HEAD"]).ok().stdout, head, "the record is there already");
        env.git_in("other", ["checkout", "-q", "origin/old"]).ok();
        checked(env, "other");
    });
}

#[test]
fn a_branch_that_still_has_the_run_sends_nothing_and_is_told() {
    let env = pushed("copy");
    let objects = objects_of(&env, "HEAD", FIRST);
    clone_of(&env, "other");
    env.hook_in("other", ["pull"]).ok();
    erase(&env);
    env.git(["push", "-q", "origin", "main"]).ok();
    // A branch from before, with a run of its own.
    env.git_in("other", ["switch", "-q", "-c", "work"]).ok();
    env.git_in("other", ["fetch", "-q"]).ok();
    let results = env.path("other/results").join(THIRD);
    crate::env::copy_dir(&env.repo("results").join(THIRD), &results);
    env.select_in("other", THIRD);
    env.git_in("other", ["commit", "-q", "-a", "-m", "third"]).ok();
    let push = env.git_in("other", ["push", "-q", "--follow-tags", "origin", "work"]).ok();
    assert!(push.stderr.contains(&format!("{FIRST} is not sent: it was erased")), "{}", push.both());
    assert_eq!(present(&env, "dvc-remote", &objects), 0);
    // HEAD's dataset holds the run: a record elsewhere accepts no loss.
    let found = findings(&env, "other");
    assert!(found.iter().any(|finding| finding.starts_with("erased_elsewhere")), "{found:?}");
    assert!(found.iter().any(|finding| finding.starts_with("data_missing")), "{found:?}");
    // The merge keeps it erased.
    env.git_in("other", ["merge", "-q", "--no-edit", "origin/main"]).ok();
    assert!(!env.runs_in("other").contains(&FIRST.to_owned()));
    checked(&env, "other");
    env.git_in("other", ["push", "-q", "--follow-tags", "origin", "work"]).ok();
    assert_eq!(present(&env, "dvc-remote", &objects), 0);
}

#[test]
fn nothing_is_erased_while_the_remote_cannot_be_asked() {
    let env = pushed("copy");
    let objects = objects_of(&env, "HEAD", FIRST);
    let (head, data) = (env.id("HEAD"), tree(&env.repo("data")));
    fs::rename(env.path("dvc-remote"), env.path("away")).unwrap();
    let absent = env.hook(ERASE.iter().copied().chain(["--yes"]));
    assert!(absent.code != 0 && absent.stderr.contains("mount it"), "{}", absent.both());
    assert_eq!((env.id("HEAD"), tree(&env.repo("data"))), (head, data));
    assert_eq!(present(&env, "repo/.dvc/cache", &objects), objects.len());
    fs::rename(env.path("away"), env.path("dvc-remote")).unwrap();
    erase(&env);
    checked(&env, "repo");
}

#[test]
fn objects_that_others_have_stay_and_every_version_of_the_run_goes() {
    let env = TestEnv::committed_native();
    let columns = r#"{"format": 1, "steps": {"x": {"dtype": "float32", "shape": [2]}}}"#;
    for run in ["declared/a", "declared/b"] {
        env.record_declared(run, Some(columns), &["\"x\": [0.5, 1]"]);
        env.commit_run(run);
    }
    let first = objects_of(&env, "HEAD", "declared/a");
    // Recorded anew, then removed.
    fs::remove_dir_all(env.repo("results/declared/a")).unwrap();
    env.record_declared("declared/a", Some(columns), &["\"x\": [0.25, 1]"]);
    env.hook(["publish", "--no-push", "results/declared/a"]).ok();
    let again = objects_of(&env, "HEAD", "declared/a");
    let other = objects_of(&env, "HEAD", "declared/b");
    env.hook(["remove", "declared/a"]).ok();
    env.hook(["push", "--all"]).ok();
    let all: BTreeSet<String> = first.union(&again).cloned().collect();
    let shared: BTreeSet<String> = all.intersection(&other).cloned().collect();
    assert!(!shared.is_empty() && first != again);

    let erased = env.hook(["--json", "erase", "declared/a", "--everywhere", "--yes"]).ok();
    let erased: Value = serde_json::from_str(&erased.stdout).unwrap();
    let run = &erased["runs"][0];
    assert_eq!((&erased["done"], &run["in_dataset"]), (&Value::Bool(true), &Value::Bool(false)));
    assert_eq!(run["records"].as_array().unwrap().len(), 2);
    let kept: Vec<&str> = run["shared"].as_array().unwrap().iter().map(|one| one["md5"].as_str().unwrap()).collect();
    assert_eq!(kept, shared.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(run["shared"][0]["used_by"], "declared/b");
    for dir in ["repo/.dvc/cache", "dvc-remote"] {
        assert_eq!(present(&env, dir, &all), shared.len(), "{dir}");
        assert_eq!(present(&env, dir, &other), other.len(), "{dir}");
    }
    assert!(findings(&env, "repo").is_empty(), "{:?}", findings(&env, "repo"));
    // Without the other one, nothing has the schema any more.
    env.hook(["erase", "declared/b", "--everywhere", "--yes"]).ok();
    for dir in ["repo/.dvc/cache", "dvc-remote"] {
        assert_eq!(present(&env, dir, &other), 0, "{dir}");
    }
    assert!(findings(&env, "repo").is_empty(), "{:?}", findings(&env, "repo"));
    // A later run that declares it sends it again.
    env.record_declared("declared/c", Some(columns), &["\"x\": [0.75, 1]"]);
    env.commit_run("declared/c");
    env.git(["push", "-q", "--follow-tags", "origin", "main"]).ok();
    let third = objects_of(&env, "HEAD", "declared/c");
    assert_eq!(present(&env, "dvc-remote", &third), third.len());
    assert!(findings(&env, "repo").is_empty(), "{:?}", findings(&env, "repo"));
}

/// What only a reflog or an older commit knows counts, too.
#[test]
fn amended_commits_and_older_outputs_count() {
    let env = TestEnv::committed_native();
    let first = objects_of(&env, "HEAD", FIRST);
    // Another output had the bytes of a file once.
    let parquet = format!("data/captures/{FIRST}/steps.parquet");
    fs::copy(env.repo(&parquet), env.repo("copy.parquet")).unwrap();
    env.dvc(["add", "-q", "copy.parquet"]).ok();
    env.git(["add", "copy.parquet.dvc", ".gitignore"]).ok();
    env.git(["commit", "-q", "-m", "a copy"]).ok();
    let copy = fs::read_to_string(env.repo("copy.parquet.dvc")).unwrap();
    let copy = copy.lines().find_map(|line| line.split_once("md5: ")).unwrap().1.trim().to_owned();
    env.git(["rm", "-q", "copy.parquet.dvc"]).ok();
    env.git(["commit", "-q", "-m", "no copy"]).ok();
    // A version of the run that no ref reaches any more.
    fs::remove_dir_all(env.repo("results").join(FIRST)).unwrap();
    env.record_as("ok-orig100", FIRST);
    env.hook(["publish", "--no-push", &format!("results/{FIRST}")]).ok();
    let amended = objects_of(&env, "HEAD", FIRST);
    env.hook(["push", "--all"]).ok();
    for tag in env.tags().iter().filter(|tag| tag.contains('@')) {
        env.git(["tag", "-d", tag]).ok();
    }
    env.git(["reset", "-q", "--hard", "HEAD~1"]).ok();
    env.hook(["pull", "--force"]).ok();
    erase(&env);
    let all: BTreeSet<String> = first.union(&amended).cloned().collect();
    for dir in ["repo/.dvc/cache", "dvc-remote"] {
        let left: Vec<&String> = all.iter().filter(|md5| object(env.path(dir), md5).exists()).collect();
        assert_eq!(
            left,
            [&copy].into_iter().filter(|md5| object(env.path(dir), md5).exists()).collect::<Vec<_>>(),
            "{dir}"
        );
    }
    assert!(object(env.repo(".dvc/cache"), &copy).exists());
    assert_eq!(fs::read_dir(env.repo("capture-erased")).unwrap().count(), 2);
}

/// The record of an erasure, copied to where it is not so.
#[test]
fn a_record_hides_no_loss() {
    let env = pushed("copy");
    let objects = objects_of(&env, "HEAD", FIRST);
    let stranger = env.copy();
    erase(&stranger);
    let records = stranger.repo("capture-erased");
    // In HEAD, whose dataset holds the run: whether its files are on the remote or not.
    crate::env::copy_dir(&records, &env.repo("capture-erased"));
    env.git(["add", "capture-erased"]).ok();
    env.git(["commit", "-q", "-m", "a record"]).ok();
    assert!(findings(&env, "repo").is_empty());
    let lost = object(env.path("dvc-remote"), objects.first().unwrap());
    let bytes = fs::read(&lost).unwrap();
    fs::remove_file(&lost).unwrap();
    assert!(findings(&env, "repo").iter().any(|finding| finding.starts_with("data_missing")));
    // A push sends it again.
    env.hook(["push", "--all"]).ok();
    assert_eq!(fs::read(&lost).unwrap(), bytes);
    // On a branch of the remote that goes on from HEAD.
    env.git(["update-ref", "refs/remotes/origin/stranger", "HEAD"]).ok();
    env.git(["reset", "-q", "--hard", "HEAD~1"]).ok();
    fs::remove_file(&lost).unwrap();
    let found = findings(&env, "repo");
    assert!(found.iter().any(|finding| finding.starts_with("data_missing")), "{found:?}");
    assert!(found.iter().any(|finding| finding.starts_with("erased_elsewhere")), "{found:?}");
    fs::write(&lost, &bytes).unwrap();
    // Of a run that was removed, and whose files are still there: it says what is not so.
    env.git(["update-ref", "-d", "refs/remotes/origin/stranger"]).ok();
    env.hook(["remove", FIRST]).ok();
    crate::env::copy_dir(&records, &env.repo("capture-erased"));
    env.git(["add", "capture-erased"]).ok();
    env.git(["commit", "-q", "-m", "a record"]).ok();
    let found = findings(&env, "repo");
    assert!(found.iter().any(|finding| finding.starts_with("not_erased")), "{found:?}");
    // A record of other files of the run proves nothing.
    let record = fs::read_dir(env.repo("capture-erased")).unwrap().next().unwrap().unwrap().path();
    let text = fs::read_to_string(&record).unwrap();
    fs::write(&record, text.replacen(objects.first().unwrap(), &"0".repeat(32), 1)).unwrap();
    env.git(["commit", "-q", "-a", "-m", "a forged record"]).ok();
    fs::remove_file(&lost).unwrap();
    let found = findings(&env, "repo");
    assert!(found.iter().any(|finding| finding.starts_with("data_missing")), "{found:?}");
}

/// An object store: DVC's own client removes the objects, and is asked whether they are gone.
#[test]
fn a_run_is_erased_from_an_object_store() {
    let (env, store) = stored_project();
    env.hook(["push", "--all"]).ok();
    let objects = objects_of(&env, "HEAD", FIRST);
    let list = "print(' '.join(o['Key'] for o in s3.list_objects_v2(Bucket='captures').get('Contents', [])))";
    let keys = || store.run_client(&env, list).stdout;
    let is_there = |md5: &String| keys().contains(&format!("{}/{}", &md5[..2], &md5[2..]));
    assert!(objects.iter().all(is_there));
    erase(&env);
    assert!(!objects.iter().any(is_there));
    assert!(keys().contains(".dir"), "lists stay");
    checked(&env, "repo");
    env.hook(["push", "--all"]).ok();
    env.commit_run(SECOND);
    env.git(["push", "-q", "--follow-tags", "origin", "main"]).ok();
    env.git(["checkout", "-q", "HEAD~2"]).ok();
    env.hook(["pull"]).ok();
}

/// E10: An erasure that is killed (-9) at many moments can be repeated and ends, and nothing else is gone.
#[test]
fn a_killed_erasure_can_be_repeated() {
    const MOMENTS: u32 = 40;
    let env = pushed("copy");
    let second = tree(&env.repo("data/captures").join(SECOND));
    let (objects, others) = (objects_of(&env, "HEAD", FIRST), objects_of(&env, "HEAD", SECOND));
    let head = env.id("HEAD");
    let args: Vec<&str> = ERASE.iter().copied().chain(["--yes"]).collect();
    let whole = {
        let env = env.copy();
        let started = Instant::now();
        env.hook(&args).ok();
        started.elapsed()
    };
    for moment in 1..=MOMENTS {
        let env = env.copy();
        let mut child = start(&env, BIN, &args);
        std::thread::sleep(whole * moment / (MOMENTS - 2));
        kill_all(&env, &mut child);
        if env.id("HEAD") == head {
            // Before the commit nothing is gone.
            for dir in ["repo/.dvc/cache", "dvc-remote"] {
                assert_eq!(present(&env, dir, &objects), objects.len(), "{moment}");
            }
        } else {
            env.git(["restore", "--staged", ":/"]).ok();
        }
        env.hook(&args).ok();
        for dir in ["repo/.dvc/cache", "dvc-remote"] {
            assert_eq!(present(&env, dir, &objects), 0, "{moment} {dir}");
            assert_eq!(present(&env, dir, &others), others.len(), "{moment} {dir}");
        }
        assert_eq!(env.id("HEAD~1"), head, "{moment}: one commit");
        assert_eq!(tree(&env.repo("data/captures").join(SECOND)), second, "{moment}");
        env.assert_committed();
        checked(&env, "repo");
    }
}
