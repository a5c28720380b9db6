//! DVC's own views of runs: `dvc metrics diff`, `dvc plots diff`, `dvc exp show`, and what merges make of their files.

use std::fs;

use serde_json::Value;

use crate::world::{VIEWS, World, copy_dir, tree};

const NAV: &str = "nav/run-20261124-021550";
const PLUME: &str = "plume/run-20261124-021546";

fn commit(world: &World, case: &str) {
    let key = world.record(case);
    world.hook(["select", &key]).ok();
    world.git(["commit", "-qam", &format!("Add {key}")]).ok();
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

fn shown_run(world: &World) -> String {
    let text = fs::read_to_string(world.repo("metrics/capture.json")).unwrap();
    json(&text)["run"].as_str().unwrap().to_owned()
}

#[test]
fn dvc_shows_a_runs_figures_between_commits() {
    let world = World::with_project();
    commit(&world, "ok-head01");
    assert_eq!(world.git(["status", "--porcelain"]).ok().out, "");
    commit(&world, "ok-orig100");
    assert_eq!(world.git(["status", "--porcelain"]).ok().out, "");
    let tracked = world.git(["ls-files", "metrics"]).ok().out;
    assert_eq!(tracked, "metrics/capture-episodes.csv\nmetrics/capture-steps.csv\nmetrics/capture.json\n");
    // The dataset and its version know nothing of them.
    assert!(!fs::read_to_string(world.repo("dvc.lock")).unwrap().contains("metrics"));
    let diff = json(&world.dvc(["metrics", "diff", "--json", "HEAD~1"]).ok().out);
    let figures = &diff["metrics/capture.json"];
    let ends = |key: &str| (figures[key]["old"].as_f64().unwrap(), figures[key]["new"].as_f64().unwrap());
    assert_eq!((ends("steps"), ends("episodes")), ((151.0, 208.0), (4.0, 3.0)));
    assert!((ends("mean_reward").0 + 0.125).abs() < 1e-9, "{figures}");
    let plots = json(&world.dvc(["plots", "diff", "--json", "HEAD~1"]).ok().out).to_string();
    for title in ["Distance to goal", "Reward so far", "Episode lengths"] {
        assert!(plots.contains(title), "{title} in {plots}");
    }
    let table = world.dvc(["exp", "show", "--csv", "--num", "2", "--no-pager"]).ok().out;
    assert!(table.contains("mean_reward") && table.contains("success_rate"), "{table}");
    // The same run gives the same bytes.
    let before = fs::read(world.repo("metrics/capture-steps.csv")).unwrap();
    fs::remove_dir_all(world.repo("metrics")).unwrap();
    world.hook(["ingest"]).ok();
    assert_eq!(fs::read(world.repo("metrics/capture-steps.csv")).unwrap(), before);
    assert_eq!(world.git(["status", "--porcelain"]).ok().out, "");
}

#[test]
fn branches_with_different_runs_merge_and_the_selected_run_is_shown() {
    let world = World::with_project();
    commit(&world, "ok-rotated-pypi010");
    world.git(["checkout", "-q", "-b", "other"]).ok();
    commit(&world, "ok-orig100");
    world.git(["checkout", "-q", "main"]).ok();
    commit(&world, "ok-head01");
    world.git(["branch", "-q", "before"]).ok();
    world.git(["merge", "-q", "--no-edit", "other"]).ok();
    in_step(&world, NAV);
    assert_eq!(world.dvc(["status"]).ok().out, "Data and pipelines are up to date.\n");
    // A replay takes the replayed commit's selection, and its figures.
    world.git(["checkout", "-q", "before"]).ok();
    world.git(["cherry-pick", "other"]).ok();
    in_step(&world, PLUME);
    world.git(["checkout", "-q", "-B", "moved", "other"]).ok();
    in_step(&world, PLUME);
    world.git(["rebase", "-q", "before"]).ok();
    in_step(&world, PLUME);
    world.git(["revert", "--no-edit", "HEAD"]).ok();
    in_step(&world, NAV);
}

/// All files show this run, the one that is selected, and nothing is left uncommitted.
fn in_step(world: &World, run: &str) {
    assert!(fs::read_to_string(world.repo("params.yaml")).unwrap().contains(run));
    assert_eq!(shown_run(world), run);
    for file in ["metrics/capture-steps.csv", "metrics/capture-episodes.csv"] {
        let text = fs::read_to_string(world.repo(file)).unwrap();
        assert!(
            text.lines().count() > 1 && text.lines().skip(1).all(|row| row.starts_with(&format!("{run},"))),
            "{text}"
        );
    }
    assert_eq!(world.git(["status", "--porcelain"]).ok().out, "");
}

#[test]
fn what_only_one_side_selects_is_shown_though_both_changed_the_files() {
    let world = World::with_project();
    commit(&world, "ok-head01");
    // One side records the run anew, with one episode less; the other selects another run.
    world.git(["checkout", "-q", "-b", "again"]).ok();
    let script = "import gzip, json, pathlib, sys\n\
        run = pathlib.Path(sys.argv[1])\n\
        for name in ('steps', 'episodes'):\n\
        \x20   path = run / f'{name}.jsonl.gz'\n\
        \x20   rows = [json.loads(l) for l in gzip.decompress(path.read_bytes()).splitlines()]\n\
        \x20   rows = [r for r in rows if r['episode_id'] != rows[-1]['episode_id']]\n\
        \x20   path.write_bytes(gzip.compress(''.join(json.dumps(r) + chr(10) for r in rows).encode(), mtime=0))\n";
    let run = world.repo("results").join(NAV);
    let recorded = world.path("recorded");
    copy_dir(&run, &recorded);
    world.run_in(".", "python3", ["-c", script, run.to_str().unwrap()]).ok();
    world.dvc(["repro", "-q", "-f"]).ok();
    world.git(["-c", "capture-hook.allowLoss=true", "commit", "-qam", "Recorded anew"]).ok();
    let anew = fs::read(world.repo("metrics/capture.json")).unwrap();
    fs::remove_dir_all(&run).unwrap();
    copy_dir(&recorded, &run);
    world.git(["checkout", "-q", "main"]).ok();
    assert_ne!(fs::read(world.repo("metrics/capture.json")).unwrap(), anew);
    commit(&world, "ok-orig100");
    world.git(["cherry-pick", "again"]).ok();
    in_step(&world, PLUME);
}

#[test]
fn both_engines_and_dvc_by_hand_write_the_same() {
    let worlds = ["dvc", "native", "by hand"].map(|how| {
        let world = World::with_project();
        if how == "native" {
            world.hook(["config", "set", "engine", "native"]).ok();
            world.git(["add", "capture-hook.toml"]).ok();
            world.git(["commit", "-qm", "Engine"]).ok();
        }
        for case in ["ok-head01", "ok-rotated-pypi010"] {
            let key = world.record(case);
            world.hook(["select", &key]).ok();
            if how == "by hand" {
                // The files are new to git, which the commit does not name.
                world.dvc(["repro", "-q"]).ok();
            }
            world.git(["commit", "-qam", &key]).ok();
            in_step(&world, &key);
        }
        tree(&world.repo("metrics"))
    });
    assert_eq!(worlds[0].len(), 3);
    assert!(worlds[0] == worlds[1] && worlds[0] == worlds[2]);
}

#[test]
fn a_pipeline_that_comes_to_declare_them_gets_them() {
    let world = World::with_project();
    let with = fs::read_to_string(world.repo("dvc.yaml")).unwrap();
    fs::write(world.repo("dvc.yaml"), &with[..with.find("\nmetrics:").unwrap() + 1]).unwrap();
    world.git(["commit", "-qam", "no views"]).ok();
    commit(&world, "ok-head01");
    assert!(!world.repo("metrics").exists());
    assert_eq!(world.git(["status", "--porcelain"]).ok().out, "");
    fs::write(world.repo("dvc.yaml"), with).unwrap();
    world.git(["commit", "-qam", "views"]).ok();
    in_step(&world, NAV);
}

#[test]
fn ignored_files_stop_no_commit() {
    let world = World::with_project();
    fs::write(world.repo(".git/info/exclude"), "*.csv\n").unwrap();
    commit(&world, "ok-head01");
    assert_eq!(world.git(["ls-files", "metrics"]).ok().out, "metrics/capture.json\n");
    assert_eq!(world.git(["status", "--porcelain"]).ok().out, "");
}

#[test]
fn several_runs_published_at_once_leave_the_selected_one_shown() {
    for engine in ["dvc", "native"] {
        let world = World::with_project();
        world.hook(["config", "set", "engine", engine]).ok();
        world.git(["add", "-A"]).ok();
        world.git(["commit", "-qm", "Engine", "--allow-empty"]).ok();
        let (first, last) = (world.record("ok-orig100"), world.record("ok-head01"));
        world.hook(["publish", "--no-push", &first, &last]).ok();
        in_step(&world, &last);
        assert_eq!(world.git(["ls-files", "metrics"]).ok().out, VIEWS);
    }
}
