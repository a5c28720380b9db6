//! Many runs at once: filtered with `runs --where`, put in groups with `runs --group`, side by side in `diff`.

use std::fs;

use insta::assert_snapshot;
use serde_json::Value;

use crate::env::{CommandOutput, TestEnv};

fn json(output: &CommandOutput) -> Value {
    serde_json::from_str(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}\n{}", output.stdout, output.stderr))
}

/// Runs of an experiment: name, configuration, and the reward of each step.
const RUNS: [(&str, &str, &[f64]); 6] = [
    ("s1", r#"{"env": {"sigma": 10, "grid": [32, 32]}, "seed": 1, "agent": "greedy"}"#, &[1.0, 2.0]),
    ("s2", r#"{"env": {"sigma": 10.0, "grid": [32, 32]}, "seed": 2, "agent": "greedy"}"#, &[2.0, 3.0]),
    ("s3", r#"{"agent": "greedy", "env": {"grid": [32.0, 32], "sigma": 1e1}, "eval_seeds": [3]}"#, &[4.0, 5.0]),
    ("w1", r#"{"env": {"sigma": 20, "grid": [32, 32]}, "seed": 1, "agent": "greedy"}"#, &[0.5]),
    ("w2", r#"{"env": {"sigma": 20, "grid": [32, 32]}, "seed": 2, "agent": "greedy"}"#, &[-0.5]),
    ("x1", r#"{"env": {"grid": [64, 64], "sigma": "wide"}, "seed": 1, "agent": "random"}"#, &[-1.0]),
];

fn record_sweep(env: &TestEnv) {
    let schema = r#"{"format": 1, "steps": {"reward": {"dtype": "float64"}},
        "episodes": {"peak": {"dtype": "float64", "unit": "m", "equals": "max(reward)", "metrics": ["max"]}}}"#;
    for (at, (name, config, rewards)) in RUNS.iter().enumerate() {
        let steps: Vec<String> = rewards.iter().map(|reward| format!("\"reward\": {reward:?}")).collect();
        let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
        env.record_declared(&format!("sweep/{name}"), Some(schema), &steps);
        let run_json = format!(
            r#"{{"schema_version": "2", "run_id": "{name}", "experiment": "sweep", "start_time": "2026-11-2{at}T00:00:00Z",
                "env_config": {config}, "base_seed": {at}}}"#
        );
        fs::write(env.repo(format!("results/sweep/{name}/run.json")), run_json).unwrap();
    }
}

fn committed_sweep() -> TestEnv {
    let env = TestEnv::initialized();
    fs::write(env.repo("capture-hook.toml"), "engine = \"native\"\n").unwrap();
    record_sweep(&env);
    env.hook(["publish", "--all-new", "--no-push"]).ok();
    env
}

fn names(output: &CommandOutput) -> String {
    let runs = json(output)["runs"].as_array().unwrap().clone();
    runs.iter().map(|run| run["run_id"].as_str().unwrap().to_owned()).collect::<Vec<_>>().join(" ")
}

#[test]
fn runs_are_filtered_and_what_is_not_known_is_counted() {
    let env = committed_sweep();
    env.record("ok-pypi010");
    let filter = |text: &str| env.hook(["--json", "runs", "--sort", "name", "--where", text]).ok();
    assert_eq!(names(&filter("env.sigma > 10")), "w1 w2");
    assert_eq!(names(&filter("env_config.env.sigma == 10 and not reward < 4")), "s2 s3");
    assert_eq!(names(&filter("state == new")), "run-20260105-041");
    assert_eq!(names(&filter("experiment == sweep and started >= 2026-11-24 and tag != null")), "w2 x1");
    // A recorder of another kind has no such key; the text is no number; its reward is not known before it is ingested.
    let found = filter("env_config.env.sigma < 15 and reward > -9");
    assert_snapshot!(json(&found)["left_out"].to_string(), @r#"[{"run":"demo/run-20260105-041","key":"env_config.env.sigma","reason":"not_known"},{"run":"sweep/x1","key":"env_config.env.sigma","reason":"not_comparable"}]"#);
    assert_snapshot!(env.screen(&env.hook(["runs", "--where", "env_config.env.sigma < 15 and reward > -9"]).ok()), @"
    RUN       STARTED     STEPS  EPISODES  REWARD  MAX_PEAK  STATE
    sweep/s3  2026-11-22      2         1       9         5  committed
    sweep/s2  2026-11-21      2         1       5         3  committed
    sweep/s1  2026-11-20      2         1       3         2  committed

    3 runs: 3 committed
    --- stderr
    warning: 1 run is left out: its `env_config.env.sigma` is not known
    warning: 1 run is left out: its `env_config.env.sigma` is a text, not comparable with `< 15`
    ");
    assert_snapshot!(env.screen(&env.hook(["runs", "--where", "steps > 99999"]).ok()), @"
    no run matches
    ");
}

#[test]
fn a_mistake_in_a_filter_is_shown_with_what_to_type() {
    let env = committed_sweep();
    let mistake = |text: &str| env.screen(&env.hook(["runs", "--where", text]).fails(2));
    assert_snapshot!(mistake("env_config.env.sgima > 10"), @"
    error: no run has a key `env_config.env.sgima`
        env_config.env.sgima > 10
        ^^^^^^^^^^^^^^^^^^^^
    hint: did you mean `env_config.env.sigma`?
    ");
    assert_snapshot!(mistake("reward > 0 and"), @"
    error: expected a comparison
        reward > 0 and
                      ^
    hint: write a comparison such as `reward > 0` or `env_config.sigma == 12`
    ");
    assert_snapshot!(mistake("seed == 1 && reward > 0"), @"
    error: expected `and`, `or` or the end
        seed == 1 && reward > 0
                  ^
    hint: join comparisons as in `reward > 0 and steps < 1000`
    ");
    let error = env.hook(["--json", "runs", "--where", "rewrad > 0"]).fails(2);
    let error: Value = serde_json::from_str(&error.stderr).unwrap();
    assert_eq!(
        (&error["error"]["code"], &error["error"]["hint"]),
        (&"run_filter".into(), &"did you mean `reward`?".into())
    );
}

#[test]
fn runs_that_differ_in_their_seeds_are_one_group() {
    let env = committed_sweep();
    assert_snapshot!(env.screen(&env.hook(["runs", "--group", "--sort", "reward"]).ok()), @"
    agent   grid     sigma  RUNS  STEPS         REWARD       MAX_PEAK
    greedy  [32,32]  10        3  2 ± 0  5.667 ± 7.589  3.333 ± 3.795
    greedy  [32,32]  20        2  1 ± 0      0 ± 6.353      0 ± 6.353
    random  [64,64]  wide      1      1             -1             -1
    ");
    let found = json(&env.hook(["--json", "runs", "--group", "--sort", "name", "--where", "seed >= 0"]).ok());
    let groups = found["groups"].as_array().unwrap();
    assert_eq!(groups.len(), 3);
    assert_eq!(groups[0]["runs"], serde_json::json!(["sweep/s1", "sweep/s2", "sweep/s3"]));
    // Episodes' rewards are 3, 5 and 9; t(2) = 4.3027.
    let reward = &groups[0]["reward"];
    let half = 4.302_652_729_749 * (28.0_f64 / 3.0 / 3.0).sqrt();
    let number = |value: &Value| value.as_f64().unwrap();
    assert_eq!(reward["n"], 3);
    assert!((number(&reward["mean"]) - 17.0 / 3.0).abs() < 1e-12, "{reward}");
    assert!((number(&reward["high"]) - 17.0 / 3.0 - half).abs() < 1e-9, "{reward} {half}");
    assert!((number(&reward["low"]) - 17.0 / 3.0 + half).abs() < 1e-9, "{reward} {half}");
    // One run has no interval.
    assert_eq!((&groups[2]["reward"]["low"], &groups[2]["reward"]["mean"]), (&Value::Null, &(-1.0).into()));
    assert_eq!(groups[1]["config"][2], serde_json::json!({"key": "env.sigma", "value": 20}));
}

#[test]
fn groups_say_which_runs_and_columns_they_leave_out() {
    let env = committed_sweep();
    // Another clone has no data at all.
    env.git(["clone", "-q", ".", "../clone"]).ok();
    let clone = |args: &[&str]| env.hook_in("clone", args).ok();
    assert_snapshot!(env.screen(&clone(&["runs", "--group"])), @"
    warning: 6 runs are in no group: their configuration is not in this clone
    hint: fetch data that is not in this clone with `capture-hook pull RUN`
    warning: git calls no hook of capture-hook in this clone, so commits ingest no run and pushes send no data
    hint: install them: `capture-hook install`
    ");
    assert_snapshot!(env.screen(&clone(&["runs", "--where", "reward > 0"])), @"
    no run matches
    warning: 5 runs are left out: their `reward` is not known
    hint: fetch data that is not in this clone with `capture-hook pull RUN`
    warning: git calls no hook of capture-hook in this clone, so commits ingest no run and pushes send no data
    hint: install them: `capture-hook install`
    ");
}

#[test]
fn more_than_two_runs_have_a_column_each() {
    let env = committed_sweep();
    assert_snapshot!(env.screen(&env.hook(["diff", "s1", "s2", "w1", "x1"]).ok()), @"
    A  sweep/s1
    B  sweep/s2
    C  sweep/w1
    D  sweep/x1

                           A         B        C        D
    config    agent        greedy    greedy   greedy   random
              env.grid     [32,32]   [32,32]  [32,32]  [64,64]
              env.sigma    10        10.0     20       wide
              seed         1         2        1        1
    metadata  base_seed    0         1        3        5
    schema                 the same
    seeds                  -         -        -        -
    metrics   episodes     1         1        1        1
              steps        2         2        1        1
              mean reward  3         5        0.5      -1
              best reward  3         5        0.5      -1
              mean steps   2         2        1        1
              max_peak     2 m       3 m      0.5 m    -1 m
    ");
    let found = json(&env.hook(["--json", "diff", "s1", "s3", "x1"]).ok());
    assert_eq!(found["runs"], serde_json::json!(["sweep/s1", "sweep/s3", "sweep/x1"]));
    let keys: Vec<&str> = found["config"].as_array().unwrap().iter().map(|key| key["key"].as_str().unwrap()).collect();
    assert_eq!(keys, ["agent", "env.grid", "env.sigma", "eval_seeds", "seed"]);
    assert_eq!(found["config"][4]["values"], serde_json::json!([1, null, 1]));
    assert_eq!(found["config"][4]["present"], serde_json::json!([true, false, true]));
    // Two runs keep the JSON that they had.
    let two = json(&env.hook(["--json", "diff", "s1", "s3"]).ok());
    assert_eq!(two["a"], "sweep/s1");
    // A run with long values, of another recorder: what is cut is said so.
    let other = env.record("ok-pypi010");
    let cut = env.hook(["diff", "s1", "s2", "s3", "w1", "x1", &other]).ok();
    let lines: Vec<&str> = cut.stdout.lines().collect();
    let headings: Vec<&str> = lines.iter().filter(|line| line.starts_with("      ")).map(|line| line.trim()).collect();
    assert_eq!(
        headings.iter().filter(|line| line.len() < 20 && line.starts_with(['A', 'C', 'E'])).count(),
        3,
        "{headings:?}"
    );
    let is_cut = |line: &&str| line.contains("Linux-6.18.44-") && line.ends_with('…');
    assert!(lines.iter().any(is_cut), "{}", cut.stdout);
    assert!(lines.contains(&"what ends in … is cut: --json has all of it"), "{}", cut.stdout);
    // What says nothing about runs is counted, and shown if asked for.
    assert_eq!(lines.last(), Some(&"2 fields left out as noise (system.hostname, system.pid): --all shows them"));
    assert!(!cut.stdout.contains("system.pid  ") && found["metadata"].to_string().contains("base_seed"));
    let all = env.hook(["diff", "--all", "s1", "s2", "s3", "w1", "x1", &other]).ok().stdout;
    assert!(all.contains("system.pid  ") && !all.contains("left out"), "{all}");
    assert!(cut.stdout.lines().all(|line| line.chars().count() <= 80), "{}", cut.stdout);
    env.hook(["diff", "s1", "s2", "no-such-run"]).fails(3);
}
