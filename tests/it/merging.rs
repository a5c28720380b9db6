//! Branches that each added runs merge: real git calls the drivers, real DVC looks at the result.

use std::fs;
use std::path::Path;

use insta::assert_snapshot;

use crate::env::TestEnv;

/// The corpus runs that branches add, one each.
const CASES: [&str; 5] = ["ok-head01", "ok-orig100", "ok-pypi010", "ok-rotated-orig100", "ok-rotated-pypi010"];

/// Puts a run into the dataset and commits it; gives its key. Does by hand what the hooks do.
fn add(env: &TestEnv, case: &str) -> String {
    let key = env.record(case);
    set_params(&env.repo("params.yaml"), &key);
    env.dvc(["repro", "-q", "-s", "capture_ingest"]).ok();
    env.git(["add", "params.yaml", "dvc.lock", "data/.gitignore", "metrics"]).ok();
    env.git(["commit", "-q", "-m", &key]).ok();
    key
}

fn set_params(path: &Path, key: &str) {
    let text = fs::read_to_string(path).unwrap();
    let line = text.lines().find(|l| l.trim_start().starts_with("run_dir:")).unwrap();
    fs::write(path, text.replace(line, &format!("  run_dir: results/{key}"))).unwrap();
}

/// A project without hooks, so that each step is seen by itself, and one run on main.
fn project() -> (TestEnv, String) {
    let mut env = TestEnv::initialized();
    env.set("CAPTURE_HOOK", "0");
    let key = add(&env, CASES[0]);
    (env, key)
}

fn switch(env: &TestEnv, args: &[&str]) {
    env.git(["checkout", "-q"].iter().chain(args)).ok();
    env.dvc(["checkout", "-q"]).ok();
}

/// The runs in the dataset as `dvc.lock` has it, after DVC has brought it into the workspace and found it clean.
#[track_caller]
fn runs(env: &TestEnv) -> Vec<String> {
    env.dvc(["checkout", "-q"]).ok();
    let status = env.ask_dvc(["status"]).ok();
    assert!(status.stdout.contains("up to date"), "{}", status.stdout);
    let mut keys = Vec::new();
    for experiment in fs::read_dir(env.repo("data/captures")).unwrap() {
        let experiment = experiment.unwrap();
        for run in fs::read_dir(experiment.path()).unwrap() {
            let name = |n: std::ffi::OsString| n.into_string().unwrap();
            keys.push(format!("{}/{}", name(experiment.file_name()), name(run.unwrap().file_name())));
        }
    }
    keys.sort();
    keys
}

fn selected(env: &TestEnv) -> String {
    let read = |file: &str| fs::read_to_string(env.repo(file)).unwrap();
    let value = |text: &str| {
        let line = text.lines().find(|l| l.trim_start().contains("run_dir:")).unwrap();
        line.split_once("run_dir: ").unwrap().1.trim_start_matches("results/").to_owned()
    };
    let (params, lock) = (value(&read("params.yaml")), value(&read("dvc.lock")));
    assert_eq!(params, lock, "params.yaml and dvc.lock name different runs");
    assert!(read("metrics/capture.json").contains(&format!("\"run\": \"{params}\"")), "the metrics are another run's");
    params
}

fn sorted<const N: usize>(keys: [&String; N]) -> Vec<String> {
    let mut keys: Vec<String> = keys.into_iter().cloned().collect();
    keys.sort();
    keys
}

/// The directory of the merge strategy, which `install.sh` puts beside the command.
fn with_strategy(env: &mut TestEnv) {
    let hooks = Path::new(env!("CARGO_MANIFEST_DIR")).join("hooks");
    let path = env.get("PATH");
    env.set("PATH", &format!("{}:{path}", hooks.display()));
}

#[test]
fn several_branches_merge_at_once() {
    let (mut env, a) = project();
    with_strategy(&mut env);
    env.hook(["install"]).ok();
    let mut keys = vec![a];
    for (branch, case) in [("b", CASES[1]), ("c", CASES[2]), ("d", CASES[3])] {
        switch(&env, &["-b", branch, "main"]);
        keys.push(add(&env, case));
    }
    let b = keys[1].clone();
    keys.sort();
    switch(&env, &["main"]);
    env.git(["commit", "-q", "--allow-empty", "-m", "main goes on"]).ok();
    env.set("CAPTURE_HOOK", "1");
    fs::write(env.repo("note.txt"), "not committed\n").unwrap();
    env.git(["merge", "-q", "-m", "all", "b", "c", "d"]).ok();
    let parents = env.git(["log", "-1", "--format=%P"]).ok().stdout;
    assert_eq!(parents.split_whitespace().count(), 4, "{parents}");
    // As after merges one by one: main selected nothing new, b did, and then kept it.
    assert_eq!(selected(&env), b);
    assert_eq!(env.git(["status", "--porcelain"]).ok().stdout, "?? note.txt\n");
    assert!(
        env.ask_dvc(["status"]).ok().stdout.contains("up to date"),
        "the workspace does not hold the merged dataset"
    );
    assert_eq!(runs(&env), keys);

    // What conflicts is left to merges of one branch each, with nothing changed.
    for (branch, text) in [("e", "1"), ("f", "2")] {
        env.git(["checkout", "-q", "-b", branch, "main"]).ok();
        fs::write(env.repo("clash.txt"), text).unwrap();
        env.git(["add", "clash.txt"]).ok();
        env.git(["commit", "-q", "-m", branch]).ok();
    }
    env.git(["checkout", "-q", "main"]).ok();
    let output = env.git(["merge", "e", "f"]).fails(2);
    assert_snapshot!(env.screen(&output), @"
    capture-hook: f conflicts with HEAD or with a branch before it
    capture-hook: merge the branches one at a time: `git merge f` shows the conflict
    Merge with strategy capture-hook failed.
    ");
    assert_eq!(env.git(["status", "--porcelain"]).ok().stdout, "?? note.txt\n");

    // Without the strategy on PATH nothing is left to stop such merges, and uninstall takes the setting away.
    let ours = |env: &TestEnv| env.git(["config", "--local", "pull.octopus"]).stdout;
    assert_eq!(ours(&env), "capture-hook\n");
    let path = env.get("PATH");
    env.set("PATH", path.split_once(':').unwrap().1);
    assert!(env.hook(["doctor"]).both().contains("git-merge-capture-hook is not on PATH"));
    env.hook(["install"]).ok();
    assert_eq!(ours(&env), "");
    env.set("PATH", &path);
    env.hook(["install"]).ok();
    env.hook(["uninstall"]).ok();
    assert_eq!(ours(&env), "");
}

/// M4: A merge unites the runs and keeps the selection of the current branch.
#[test]
fn a_merge_unites_the_runs_and_keeps_the_current_selection() {
    let (env, a) = project();
    switch(&env, &["-b", "feature"]);
    let b = add(&env, CASES[1]);
    switch(&env, &["main"]);
    let c = add(&env, CASES[2]);
    let output = env.git(["merge", "-q", "--no-edit", "feature"]).ok();
    assert_snapshot!(env.driver_messages(&output), @"
    capture-hook: HEAD's selection stays; feature selects results/plume/run-20261124-021546 (to take it: `capture-hook select results/plume/run-20261124-021546`)
    capture-hook: dvc.lock: merged the dataset: 1 run of HEAD, 1 run of feature
    ");
    assert_eq!(runs(&env), sorted([&a, &b, &c]));
    assert_eq!(selected(&env), c);
    assert_eq!(env.git(["status", "--porcelain"]).ok().stdout, "");
    // The merged version goes to the remote and comes back from it.
    env.dvc(["push", "-q"]).ok();
    fs::remove_dir_all(env.repo(".dvc/cache")).unwrap();
    fs::remove_dir_all(env.repo("data/captures")).unwrap();
    env.dvc(["pull", "-q"]).ok();
    assert_eq!(runs(&env), sorted([&a, &b, &c]));
}

/// E4, M4: A rebase, with both backends, and a cherry-pick keep the selection of the replayed commit.
#[test]
fn a_rebase_and_a_cherry_pick_take_the_replayed_selection() {
    let (env, a) = project();
    switch(&env, &["-b", "feature"]);
    let b = add(&env, CASES[1]);
    let c = add(&env, CASES[2]);
    switch(&env, &["main"]);
    let d = add(&env, CASES[3]);
    for backend in ["--merge", "--apply"] {
        switch(&env, &["-B", "work", "feature"]);
        env.git(["rebase", "-q", backend, "main"]).ok();
        assert_eq!(runs(&env), sorted([&a, &b, &c, &d]), "{backend}");
        assert_eq!(selected(&env), c);
        switch(&env, &["-q", "--detach", "HEAD~1"]);
        assert_eq!(runs(&env), sorted([&a, &b, &d]), "{backend}");
        assert_eq!(selected(&env), b);
    }
    switch(&env, &["main"]);
    env.git(["cherry-pick", "feature"]).ok();
    assert_eq!(runs(&env), sorted([&a, &c, &d]));
    assert_eq!(selected(&env), c);
}

#[test]
fn a_criss_cross_merges() {
    let (env, a) = project();
    switch(&env, &["-b", "feature"]);
    let b = add(&env, CASES[1]);
    switch(&env, &["main"]);
    let c = add(&env, CASES[2]);
    env.git(["branch", "old-main"]).ok();
    env.git(["merge", "-q", "--no-edit", "feature"]).ok();
    runs(&env);
    let d = add(&env, CASES[3]);
    switch(&env, &["feature"]);
    env.git(["merge", "-q", "--no-edit", "old-main"]).ok();
    runs(&env);
    let e = add(&env, CASES[4]);
    env.git(["merge", "-q", "--no-edit", "main"]).ok();
    assert_eq!(runs(&env), sorted([&a, &b, &c, &d, &e]));
    assert_eq!(selected(&env), e);
}

/// M1: The drivers fetch a file list that is missing; if they cannot, the merge is a conflict.
#[test]
fn a_list_of_files_that_is_missing_is_fetched() {
    let (env, a) = project();
    switch(&env, &["-b", "feature"]);
    let b = add(&env, CASES[1]);
    env.dvc(["push", "-q"]).ok();
    switch(&env, &["main"]);
    let c = add(&env, CASES[2]);
    env.dvc(["push", "-q"]).ok();
    env.git_in(".", ["clone", "-q", "repo", "clone"]).ok();
    env.git_in("clone", ["checkout", "-q", "feature"]).ok();
    env.git_in("clone", ["checkout", "-q", "main"]).ok();
    for kind in ["lock", "params", "views"] {
        let name = format!("merge.capture-{kind}.driver");
        let line = env.git(["config", &name]).ok().stdout;
        env.git_in("clone", ["config", &name, line.trim()]).ok();
    }
    env.git_in("clone", ["merge", "-q", "--no-edit", "feature"]).ok();
    env.run_in("clone", "dvc", ["pull", "-q"]).ok();
    for key in [&a, &b, &c] {
        assert!(env.path("clone/data/captures").join(key).join("steps.parquet").exists(), "{key}");
    }
    // Nowhere to be had: a conflict with markers and the reason, never a stopped git.
    fs::remove_dir_all(env.path("clone/.dvc/cache")).unwrap();
    fs::remove_dir_all(env.path("dvc-remote")).unwrap();
    env.git_in("clone", ["reset", "-q", "--hard", "HEAD~1"]).ok();
    let output = env.git_in("clone", ["merge", "--no-edit", "feature"]).fails(1);
    assert_snapshot!(env.driver_messages(&output), @"
    capture-hook: HEAD's selection stays; feature selects results/plume/run-20261124-021546 (to take it: `capture-hook select results/plume/run-20261124-021546`)
    capture-hook: merging dvc.lock as text: cannot fetch the file list of data version [md5].dir: the cache lacks files of data version [md5].dir, and the directory [env]/dvc-remote of the DVC remote `storage` does not exist
    ");
    assert!(fs::read_to_string(env.path("clone/dvc.lock")).unwrap().contains("<<<<<<< HEAD"));
}

/// M5: One run with other bytes on both sides is a conflict that names the run.
#[test]
fn both_changed_the_same_run_is_an_ordinary_conflict() {
    let (env, _) = project();
    switch(&env, &["-b", "feature"]);
    let key = add(&env, CASES[1]);
    switch(&env, &["main"]);
    env.record(CASES[1]);
    fs::write(env.repo("results").join(&key).join("notes.txt"), "x").unwrap();
    let run = env.repo("results").join(&key).join("run.json");
    let text = fs::read_to_string(&run).unwrap();
    fs::write(&run, format!("{text}\n")).unwrap();
    set_params(&env.repo("params.yaml"), &key);
    env.dvc(["repro", "-q", "-s", "capture_ingest"]).ok();
    env.git(["commit", "-qam", "the same run, otherwise"]).ok();
    let output = env.git(["merge", "--no-edit", "feature"]).fails(1);
    assert_snapshot!(env.driver_messages(&output), @"
    capture-hook: conflict in dvc.lock: both sides changed run plume/run-20261124-021546
    capture-hook: resolve it: `capture-hook resolve plume/run-20261124-021546 --ours` (the files of HEAD), `--theirs` (those of feature) or `--both`
    ");
    let lock = fs::read_to_string(env.repo("dvc.lock")).unwrap();
    let marker = |mark: &str| lock.lines().find(|l| l.starts_with(mark)).unwrap().to_owned();
    assert!(marker("<<<<<<< ").contains("HEAD (data ") && marker(">>>>>>> ").contains("feature (data "), "{lock}");
    assert_eq!(env.git(["diff", "--name-only", "--diff-filter=U"]).ok().stdout, "dvc.lock\n");
    // Resolved as any conflict is.
    env.git(["checkout", "--theirs", "dvc.lock"]).ok();
    env.git(["add", "dvc.lock"]).ok();
    env.git(["commit", "-q", "--no-edit"]).ok();
    runs(&env);
}
