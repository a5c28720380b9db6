//! DVC's own views of runs: `dvc metrics diff`, `dvc plots diff`, `dvc exp show`, and what merges make of their files.

use std::fs;

use serde_json::Value;

use crate::env::{TestEnv, VIEWS, copy_dir, tree};

const NAV: &str = "nav/run-20261124-021550";
const PLUME: &str = "plume/run-20261124-021546";

fn commit(env: &TestEnv, case: &str) {
    let key = env.record(case);
    env.hook(["select", &key]).ok();
    env.git(["commit", "-qam", &format!("Add {key}")]).ok();
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

fn shown_run(env: &TestEnv) -> String {
    let text = fs::read_to_string(env.repo("metrics/capture.json")).unwrap();
    json(&text)["run"].as_str().unwrap().to_owned()
}

#[test]
fn dvc_shows_a_runs_figures_between_commits() {
    let env = TestEnv::initialized();
    commit(&env, "ok-head01");
    assert_eq!(env.git(["status", "--porcelain"]).ok().stdout, "");
    commit(&env, "ok-orig100");
    assert_eq!(env.git(["status", "--porcelain"]).ok().stdout, "");
    let tracked = env.git(["ls-files", "metrics"]).ok().stdout;
    assert_eq!(tracked, "metrics/capture-episodes.csv\nmetrics/capture-steps.csv\nmetrics/capture.json\n");
    // The dataset and its version know nothing of them.
    assert!(!fs::read_to_string(env.repo("dvc.lock")).unwrap().contains("metrics"));
    let diff = json(&env.dvc(["metrics", "diff", "--json", "HEAD~1"]).ok().stdout);
    let figures = &diff["metrics/capture.json"];
    let ends = |key: &str| (figures[key]["old"].as_f64().unwrap(), figures[key]["new"].as_f64().unwrap());
    assert_eq!((ends("steps"), ends("episodes")), ((151.0, 208.0), (4.0, 3.0)));
    assert!((ends("mean_reward").0 + 0.125).abs() < 1e-9, "{figures}");
    let plots = json(&env.dvc(["plots", "diff", "--json", "HEAD~1"]).ok().stdout).to_string();
    for title in ["Distance to goal", "Reward so far", "Episode lengths"] {
        assert!(plots.contains(title), "{title} in {plots}");
    }
    let table = env.dvc(["exp", "show", "--csv", "--num", "2", "--no-pager"]).ok().stdout;
    assert!(table.contains("mean_reward") && table.contains("success_rate"), "{table}");
    // The same run gives the same bytes.
    let before = fs::read(env.repo("metrics/capture-steps.csv")).unwrap();
    fs::remove_dir_all(env.repo("metrics")).unwrap();
    env.hook(["ingest"]).ok();
    assert_eq!(fs::read(env.repo("metrics/capture-steps.csv")).unwrap(), before);
    assert_eq!(env.git(["status", "--porcelain"]).ok().stdout, "");
}

/// M12: Branches with different runs merge, and the metrics files show the selected run.
#[test]
fn branches_with_different_runs_merge_and_the_selected_run_is_shown() {
    let env = TestEnv::initialized();
    commit(&env, "ok-rotated-pypi010");
    env.git(["checkout", "-q", "-b", "other"]).ok();
    commit(&env, "ok-orig100");
    env.git(["checkout", "-q", "main"]).ok();
    commit(&env, "ok-head01");
    env.git(["branch", "-q", "before"]).ok();
    env.git(["merge", "-q", "--no-edit", "other"]).ok();
    in_step(&env, NAV);
    assert_eq!(env.ask_dvc(["status"]).ok().stdout, "Data and pipelines are up to date.\n");
    // A replay takes the replayed commit's selection, and its figures.
    env.git(["checkout", "-q", "before"]).ok();
    env.git(["cherry-pick", "other"]).ok();
    in_step(&env, PLUME);
    env.git(["checkout", "-q", "-B", "moved", "other"]).ok();
    in_step(&env, PLUME);
    env.git(["rebase", "-q", "before"]).ok();
    in_step(&env, PLUME);
    env.git(["revert", "--no-edit", "HEAD"]).ok();
    in_step(&env, NAV);
}

/// All files show this run, the one that is selected, and nothing is left uncommitted.
fn in_step(env: &TestEnv, run: &str) {
    assert!(fs::read_to_string(env.repo("params.yaml")).unwrap().contains(run));
    assert_eq!(shown_run(env), run);
    for file in ["metrics/capture-steps.csv", "metrics/capture-episodes.csv"] {
        let text = fs::read_to_string(env.repo(file)).unwrap();
        assert!(
            text.lines().count() > 1 && text.lines().skip(1).all(|row| row.starts_with(&format!("{run},"))),
            "{text}"
        );
    }
    assert_eq!(env.git(["status", "--porcelain"]).ok().stdout, "");
}

/// M12: A run that one side alone selects is shown, though both sides changed the metrics files.
#[test]
fn what_only_one_side_selects_is_shown_though_both_changed_the_files() {
    let env = TestEnv::initialized();
    commit(&env, "ok-head01");
    // One side records the run anew, with one episode less; the other selects another run.
    env.git(["checkout", "-q", "-b", "again"]).ok();
    let script = "import gzip, json, pathlib, sys\n\
        run = pathlib.Path(sys.argv[1])\n\
        for name in ('steps', 'episodes'):\n\
        \x20   path = run / f'{name}.jsonl.gz'\n\
        \x20   rows = [json.loads(l) for l in gzip.decompress(path.read_bytes()).splitlines()]\n\
        \x20   rows = [r for r in rows if r['episode_id'] != rows[-1]['episode_id']]\n\
        \x20   path.write_bytes(gzip.compress(''.join(json.dumps(r) + chr(10) for r in rows).encode(), mtime=0))\n";
    let run = env.repo("results").join(NAV);
    let recorded = env.path("recorded");
    copy_dir(&run, &recorded);
    env.run_in(".", "python3", ["-c", script, run.to_str().unwrap()]).ok();
    env.dvc(["repro", "-q", "-f"]).ok();
    env.git(["-c", "capture-hook.allowLoss=true", "commit", "-qam", "Recorded anew"]).ok();
    let anew = fs::read(env.repo("metrics/capture.json")).unwrap();
    fs::remove_dir_all(&run).unwrap();
    copy_dir(&recorded, &run);
    env.git(["checkout", "-q", "main"]).ok();
    assert_ne!(fs::read(env.repo("metrics/capture.json")).unwrap(), anew);
    commit(&env, "ok-orig100");
    env.git(["cherry-pick", "again"]).ok();
    in_step(&env, PLUME);
}

#[test]
fn both_engines_and_dvc_by_hand_write_the_same() {
    let envs = ["dvc", "native", "by hand"].map(|how| {
        let env = TestEnv::initialized();
        if how == "native" {
            env.hook(["config", "set", "engine", "native"]).ok();
            env.git(["add", "capture-hook.toml"]).ok();
            env.git(["commit", "-qm", "Engine"]).ok();
        }
        for case in ["ok-head01", "ok-rotated-pypi010"] {
            let key = env.record(case);
            env.hook(["select", &key]).ok();
            if how == "by hand" {
                // The files are new to git, which the commit does not name.
                env.dvc(["repro", "-q"]).ok();
            }
            env.git(["commit", "-qam", &key]).ok();
            in_step(&env, &key);
        }
        tree(&env.repo("metrics"))
    });
    assert_eq!(envs[0].len(), 3);
    assert!(envs[0] == envs[1] && envs[0] == envs[2]);
}

#[test]
fn a_pipeline_that_comes_to_declare_them_gets_them() {
    let env = TestEnv::initialized();
    let with = fs::read_to_string(env.repo("dvc.yaml")).unwrap();
    fs::write(env.repo("dvc.yaml"), &with[..with.find("\nmetrics:").unwrap() + 1]).unwrap();
    env.git(["commit", "-qam", "no views"]).ok();
    commit(&env, "ok-head01");
    assert!(!env.repo("metrics").exists());
    assert_eq!(env.git(["status", "--porcelain"]).ok().stdout, "");
    fs::write(env.repo("dvc.yaml"), with).unwrap();
    env.git(["commit", "-qam", "views"]).ok();
    in_step(&env, NAV);
}

#[test]
fn ignored_files_stop_no_commit() {
    let env = TestEnv::initialized();
    fs::write(env.repo(".git/info/exclude"), "*.csv\n").unwrap();
    commit(&env, "ok-head01");
    assert_eq!(env.git(["ls-files", "metrics"]).ok().stdout, "metrics/capture.json\n");
    assert_eq!(env.git(["status", "--porcelain"]).ok().stdout, "");
}

#[test]
fn several_runs_published_at_once_leave_the_selected_one_shown() {
    for engine in ["dvc", "native"] {
        let env = TestEnv::initialized();
        env.hook(["config", "set", "engine", engine]).ok();
        env.git(["add", "-A"]).ok();
        env.git(["commit", "-qm", "Engine", "--allow-empty"]).ok();
        let (first, last) = (env.record("ok-orig100"), env.record("ok-head01"));
        env.hook(["publish", "--no-push", &first, &last]).ok();
        in_step(&env, &last);
        assert_eq!(env.git(["ls-files", "metrics"]).ok().stdout, VIEWS);
    }
}
