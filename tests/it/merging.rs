//! Branches that each added runs merge: real git calls the drivers, real DVC looks at the result.

use std::fs;
use std::path::Path;

use crate::world::World;

/// The corpus runs that branches add, one each.
const CASES: [&str; 5] = ["ok-head01", "ok-orig100", "ok-pypi010", "ok-rotated-orig100", "ok-rotated-pypi010"];

/// Puts a run into the dataset and commits it; gives its key. Does by hand what the hooks do.
fn add(world: &World, case: &str) -> String {
    let key = world.record(case);
    set_params(&world.repo("params.yaml"), &key);
    world.dvc(["repro", "-q", "-s", "capture_ingest"]).ok();
    world.git(["add", "params.yaml", "dvc.lock", "data/.gitignore", "metrics"]).ok();
    world.git(["commit", "-q", "-m", &key]).ok();
    key
}

fn set_params(path: &Path, key: &str) {
    let text = fs::read_to_string(path).unwrap();
    let line = text.lines().find(|l| l.trim_start().starts_with("run_dir:")).unwrap();
    fs::write(path, text.replace(line, &format!("  run_dir: results/{key}"))).unwrap();
}

/// A project without hooks, so that each step is seen by itself, and one run on main.
fn project() -> (World, String) {
    let mut world = World::with_project();
    world.set("CAPTURE_HOOK", "0");
    let key = add(&world, CASES[0]);
    (world, key)
}

fn switch(world: &World, args: &[&str]) {
    world.git(["checkout", "-q"].iter().chain(args)).ok();
    world.dvc(["checkout", "-q"]).ok();
}

/// The runs in the dataset as `dvc.lock` has it, after DVC has brought it into the workspace and found it clean.
#[track_caller]
fn runs(world: &World) -> Vec<String> {
    world.dvc(["checkout", "-q"]).ok();
    let status = world.dvc(["status"]).ok();
    assert!(status.out.contains("up to date"), "{}", status.out);
    let mut keys = Vec::new();
    for experiment in fs::read_dir(world.repo("data/captures")).unwrap() {
        let experiment = experiment.unwrap();
        for run in fs::read_dir(experiment.path()).unwrap() {
            let name = |n: std::ffi::OsString| n.into_string().unwrap();
            keys.push(format!("{}/{}", name(experiment.file_name()), name(run.unwrap().file_name())));
        }
    }
    keys.sort();
    keys
}

fn selected(world: &World) -> String {
    let read = |file: &str| fs::read_to_string(world.repo(file)).unwrap();
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
fn with_strategy(world: &mut World) {
    let hooks = Path::new(env!("CARGO_MANIFEST_DIR")).join("hooks");
    let path = world.get("PATH");
    world.set("PATH", &format!("{}:{path}", hooks.display()));
}

#[test]
fn several_branches_merge_at_once() {
    let (mut world, a) = project();
    with_strategy(&mut world);
    world.hook(["install"]).ok();
    let mut keys = vec![a];
    for (branch, case) in [("b", CASES[1]), ("c", CASES[2]), ("d", CASES[3])] {
        switch(&world, &["-b", branch, "main"]);
        keys.push(add(&world, case));
    }
    let b = keys[1].clone();
    keys.sort();
    switch(&world, &["main"]);
    world.git(["commit", "-q", "--allow-empty", "-m", "main goes on"]).ok();
    world.set("CAPTURE_HOOK", "1");
    fs::write(world.repo("note.txt"), "not committed\n").unwrap();
    world.git(["merge", "-q", "-m", "all", "b", "c", "d"]).ok();
    let parents = world.git(["log", "-1", "--format=%P"]).ok().out;
    assert_eq!(parents.split_whitespace().count(), 4, "{parents}");
    // As after merges one by one: main selected nothing new, b did, and then kept it.
    assert_eq!(selected(&world), b);
    assert_eq!(world.git(["status", "--porcelain"]).ok().out, "?? note.txt\n");
    assert!(world.dvc(["status"]).ok().out.contains("up to date"), "the workspace does not hold the merged dataset");
    assert_eq!(runs(&world), keys);

    // What conflicts is left to merges of one branch each, with nothing changed.
    for (branch, text) in [("e", "1"), ("f", "2")] {
        world.git(["checkout", "-q", "-b", branch, "main"]).ok();
        fs::write(world.repo("clash.txt"), text).unwrap();
        world.git(["add", "clash.txt"]).ok();
        world.git(["commit", "-q", "-m", branch]).ok();
    }
    world.git(["checkout", "-q", "main"]).ok();
    let said = world.git(["merge", "e", "f"]).fails(2);
    assert!(said.err.contains("`git merge f` shows the conflict"), "{}", said.err);
    assert_eq!(world.git(["status", "--porcelain"]).ok().out, "?? note.txt\n");

    // Without the strategy on PATH nothing is left to stop such merges, and uninstall takes the setting away.
    let ours = |world: &World| world.git(["config", "--local", "pull.octopus"]).out;
    assert_eq!(ours(&world), "capture-hook\n");
    let path = world.get("PATH");
    world.set("PATH", path.split_once(':').unwrap().1);
    assert!(world.hook(["doctor"]).all().contains("no git-merge-capture-hook on PATH"));
    world.hook(["install"]).ok();
    assert_eq!(ours(&world), "");
    world.set("PATH", &path);
    world.hook(["install"]).ok();
    world.hook(["uninstall"]).ok();
    assert_eq!(ours(&world), "");
}

#[test]
fn a_merge_unites_the_runs_and_keeps_the_current_selection() {
    let (world, a) = project();
    switch(&world, &["-b", "feature"]);
    let b = add(&world, CASES[1]);
    switch(&world, &["main"]);
    let c = add(&world, CASES[2]);
    let said = world.git(["merge", "-q", "--no-edit", "feature"]).ok();
    assert!(
        said.err.contains("united the dataset") && said.err.contains(&format!("feature had selected results/{b}")),
        "{}",
        said.err
    );
    assert_eq!(runs(&world), sorted([&a, &b, &c]));
    assert_eq!(selected(&world), c);
    assert_eq!(world.git(["status", "--porcelain"]).ok().out, "");
    // The merged version goes to the remote and comes back from it.
    world.dvc(["push", "-q"]).ok();
    fs::remove_dir_all(world.repo(".dvc/cache")).unwrap();
    fs::remove_dir_all(world.repo("data/captures")).unwrap();
    world.dvc(["pull", "-q"]).ok();
    assert_eq!(runs(&world), sorted([&a, &b, &c]));
}

#[test]
fn a_rebase_and_a_cherry_pick_take_the_replayed_selection() {
    let (world, a) = project();
    switch(&world, &["-b", "feature"]);
    let b = add(&world, CASES[1]);
    let c = add(&world, CASES[2]);
    switch(&world, &["main"]);
    let d = add(&world, CASES[3]);
    for backend in ["--merge", "--apply"] {
        switch(&world, &["-B", "work", "feature"]);
        world.git(["rebase", "-q", backend, "main"]).ok();
        assert_eq!(runs(&world), sorted([&a, &b, &c, &d]), "{backend}");
        assert_eq!(selected(&world), c);
        switch(&world, &["-q", "--detach", "HEAD~1"]);
        assert_eq!(runs(&world), sorted([&a, &b, &d]), "{backend}");
        assert_eq!(selected(&world), b);
    }
    switch(&world, &["main"]);
    world.git(["cherry-pick", "feature"]).ok();
    assert_eq!(runs(&world), sorted([&a, &c, &d]));
    assert_eq!(selected(&world), c);
}

#[test]
fn a_criss_cross_merges() {
    let (world, a) = project();
    switch(&world, &["-b", "feature"]);
    let b = add(&world, CASES[1]);
    switch(&world, &["main"]);
    let c = add(&world, CASES[2]);
    world.git(["branch", "old-main"]).ok();
    world.git(["merge", "-q", "--no-edit", "feature"]).ok();
    runs(&world);
    let d = add(&world, CASES[3]);
    switch(&world, &["feature"]);
    world.git(["merge", "-q", "--no-edit", "old-main"]).ok();
    runs(&world);
    let e = add(&world, CASES[4]);
    world.git(["merge", "-q", "--no-edit", "main"]).ok();
    assert_eq!(runs(&world), sorted([&a, &b, &c, &d, &e]));
    assert_eq!(selected(&world), e);
}

#[test]
fn a_list_of_files_that_is_missing_is_fetched() {
    let (world, a) = project();
    switch(&world, &["-b", "feature"]);
    let b = add(&world, CASES[1]);
    world.dvc(["push", "-q"]).ok();
    switch(&world, &["main"]);
    let c = add(&world, CASES[2]);
    world.dvc(["push", "-q"]).ok();
    world.git_in(".", ["clone", "-q", "repo", "clone"]).ok();
    world.git_in("clone", ["checkout", "-q", "feature"]).ok();
    world.git_in("clone", ["checkout", "-q", "main"]).ok();
    for kind in ["lock", "params", "views"] {
        let name = format!("merge.capture-{kind}.driver");
        let line = world.git(["config", &name]).ok().out;
        world.git_in("clone", ["config", &name, line.trim()]).ok();
    }
    world.git_in("clone", ["merge", "-q", "--no-edit", "feature"]).ok();
    world.run_in("clone", "dvc", ["pull", "-q"]).ok();
    for key in [&a, &b, &c] {
        assert!(world.path("clone/data/captures").join(key).join("steps.parquet").exists(), "{key}");
    }
    // Nowhere to be had: a conflict with markers and the reason, never a stopped git.
    fs::remove_dir_all(world.path("clone/.dvc/cache")).unwrap();
    fs::remove_dir_all(world.path("dvc-remote")).unwrap();
    world.git_in("clone", ["reset", "-q", "--hard", "HEAD~1"]).ok();
    let said = world.git_in("clone", ["merge", "--no-edit", "feature"]).fails(1);
    assert!(said.all().contains("merged as text") && !said.all().contains("strategy ort failed"), "{}", said.all());
    assert!(fs::read_to_string(world.path("clone/dvc.lock")).unwrap().contains("<<<<<<< HEAD"));
}

#[test]
fn both_changed_the_same_run_is_an_ordinary_conflict() {
    let (world, _) = project();
    switch(&world, &["-b", "feature"]);
    let key = add(&world, CASES[1]);
    switch(&world, &["main"]);
    world.record(CASES[1]);
    fs::write(world.repo("results").join(&key).join("notes.txt"), "x").unwrap();
    let run = world.repo("results").join(&key).join("run.json");
    let text = fs::read_to_string(&run).unwrap();
    fs::write(&run, format!("{text}\n")).unwrap();
    set_params(&world.repo("params.yaml"), &key);
    world.dvc(["repro", "-q", "-s", "capture_ingest"]).ok();
    world.git(["commit", "-qam", "the same run, otherwise"]).ok();
    let said = world.git(["merge", "--no-edit", "feature"]).fails(1);
    assert!(said.all().contains(&format!("both sides have other files in run {key}")), "{}", said.all());
    let lock = fs::read_to_string(world.repo("dvc.lock")).unwrap();
    let marker = |mark: &str| lock.lines().find(|l| l.starts_with(mark)).unwrap().to_owned();
    assert!(marker("<<<<<<< ").contains("HEAD (data ") && marker(">>>>>>> ").contains("feature (data "), "{lock}");
    assert_eq!(world.git(["diff", "--name-only", "--diff-filter=U"]).ok().out, "dvc.lock\n");
    // Resolved as any conflict is.
    world.git(["checkout", "--theirs", "dvc.lock"]).ok();
    world.git(["add", "dvc.lock"]).ok();
    world.git(["commit", "-q", "--no-edit"]).ok();
    runs(&world);
}
