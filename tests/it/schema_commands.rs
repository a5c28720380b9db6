//! `schema infer`, `show`, `check`, `diff` and `add`, the pin of a schema, and what `validate` teaches.

use std::fs;

use insta::assert_snapshot;
use serde_json::Value;

use crate::env::{FIRST, PLUME, TestEnv, schema_of, tree, write_gzip};

const STEPS: [&str; 3] = [
    r#""action": 1, "reward": 1.0, "obs": {"x": 0.5, "image": [[1, 2], [3, 4]]}, "info": {}"#,
    r#""action": 0, "reward": 0.5, "obs": {"x": null, "image": [[1, 2], [3, 5]]}, "info": {"hit": true}"#,
    r#""action": 0, "reward": 0.0, "obs": {"x": 0.25, "image": [[1, 2], [3, 5]]}, "info": {}"#,
];

/// From a run that anyone writes to a valid one, by what is printed alone.
#[test]
fn a_run_without_a_schema_gets_one_by_what_validate_says() {
    let env = TestEnv::initialized();
    env.record_declared("mine/r1", None, &STEPS);
    let before = tree(&env.repo("results"));
    let invalid = env.hook(["validate", "mine/r1"]).fails(1);
    assert_snapshot!(env.screen(&invalid), @"
    ✗ results/mine/r1 is invalid: rows not read, 1 error
      error missing_schema: schema.json does not exist: a run of schema version 2
        declares its columns there, in schema.json
    --- stderr
    hint: make one out of the rows: `capture-hook schema infer results/mine/r1 > schema.json`, and edit it
    hint: then put it beside the run: `capture-hook schema add results/mine/r1 schema.json`
    ");
    let inferred = env.hook(["schema", "infer", "results/mine/r1"]).ok();
    assert_snapshot!(env.screen(&inferred), @r#"
    {
      "format": 1,
      "steps": {
        "action": {"dtype": "int64"},
        "reward": {"dtype": "float64"},
        "obs_x": {"dtype": "float64", "path": "obs.x", "nullable": true},
        "obs_image": {"dtype": "int64", "shape": [2, 2], "path": "obs.image"},
        "info": {"dtype": "json"}
      },
      "episodes": {}
    }
    --- stderr
    read 3 rows of steps and 0 rows of episodes of results/mine/r1
    check: ranges and units are not in the rows: add `min`, `max` and `unit` where the simulator has them
    check: `info` of steps is an object whose keys vary: declared as `json`, which is kept as text and not checked
    check: every number of `obs.x` of steps fits single precision exactly: `float32` takes half the space
    hint: edit it, then `capture-hook schema check schema.json` and `capture-hook schema add results/mine/r1 schema.json`
    "#);
    assert_eq!(tree(&env.repo("results")), before, "nothing is written into the run");
    fs::write(env.repo("schema.json"), &inferred.stdout).unwrap();
    assert_snapshot!(env.screen(&env.hook(["schema", "check", "schema.json"]).ok()), @"
    schema.json is a valid schema: 5 columns of steps, 1 column of episodes
    ");
    assert_snapshot!(env.screen(&env.hook(["schema", "add", "mine/r1", "schema.json"]).ok()), @"
    results/mine/r1/schema.json
    --- stderr
    hint: check the run: `capture-hook validate results/mine/r1`
    ");
    env.hook(["validate", "mine/r1"]).ok();
    assert_snapshot!(env.screen(&env.hook(["schema", "show", "mine/r1"]).ok()), @"
    mine/r1

    STEPS      TYPE         PATH       RULES
    action     int64
    reward     float64
    obs_x      float64      obs.x      nullable
    obs_image  int64[2, 2]  obs.image
    info       json

    EPISODES      TYPE     RULES
    total_reward  float64  = sum(reward)
    ");
}

#[test]
fn a_schema_is_never_replaced_and_no_bad_one_added() {
    let env = TestEnv::two_runs();
    env.record_declared("mine/r1", None, &STEPS);
    fs::write(env.repo("bad.json"), "{\"format\": 1, \"steps\": {\"x\": {\"dtype\": \"float31\"}}}").unwrap();
    fs::write(env.repo("good.json"), schema_of(&[("x", "\"dtype\": \"float32\", \"path\": \"obs.x\"")])).unwrap();
    let dir = env.repo("results/mine/r1");
    let before = tree(&dir);
    assert_snapshot!(env.screen(&env.hook(["schema", "add", "mine/r1", "bad.json"]).fails(1)), @"
    error: bad.json is not a valid schema: the column `x` of steps has the unknown dtype `float31`; did you mean `float32`?
    hint: docs/schema.md says what it holds; see a valid one: `capture-hook schema show RUN`
    ");
    assert_snapshot!(env.screen(&env.hook(["schema", "add", "mine/r1", "no.json"]).fails(3)), @"
    error: there is no file no.json
    hint: make one out of a run's rows: `capture-hook schema infer RUN`
    ");
    assert_eq!(tree(&dir), before);
    env.hook(["schema", "add", "mine/r1", "good.json"]).ok();
    let added = tree(&dir);
    assert_eq!(added["schema.json"], fs::read(env.repo("good.json")).unwrap());
    assert_snapshot!(env.screen(&env.hook(["schema", "add", "mine/r1", "good.json"]).fails(1)), @"
    error: results/mine/r1 already has a schema.json, which is never replaced
    hint: compare the two: `capture-hook schema diff results/mine/r1/schema.json good.json`
    ");
    // A link that leads nowhere is something, too.
    fs::remove_file(dir.join("schema.json")).unwrap();
    std::os::unix::fs::symlink("nowhere", dir.join("schema.json")).unwrap();
    env.hook(["schema", "add", "mine/r1", "good.json"]).fails(1);
    assert!(fs::symlink_metadata(dir.join("schema.json")).unwrap().is_symlink());
    // A run in the dataset is committed data.
    let dataset = tree(&env.repo("data/captures"));
    let in_dataset = env.hook(["schema", "add", &format!("data/captures/{FIRST}"), "good.json"]).fails(2);
    assert_snapshot!(env.screen(&in_dataset), @"
    error: data/captures/nav/run-20261124-021550 is in the dataset, whose files only a commit changes
    hint: add the schema to the recorded run in results, then commit that again
    ");
    assert_eq!(tree(&env.repo("data/captures")), dataset);
    // Of a run of another version the file does not count yet.
    let other = env.hook(["schema", "add", &format!("results/{PLUME}"), "good.json"]).ok();
    assert!(
        other.stderr.contains("run.json of results/plume/run-20261124-021546 says \"schema_version\": \"1.0.0\""),
        "{}",
        other.stderr
    );
}

#[test]
fn a_file_is_checked_by_itself() {
    let env = TestEnv::empty();
    fs::create_dir_all(env.repo("")).unwrap();
    for (text, code, told) in [
        (
            schema_of(&[("x", "\"dtype\": \"float32\"")]),
            0,
            "x.json is a valid schema: 1 column of steps, 0 columns of episodes",
        ),
        ("{".into(), 1, "x.json is not a valid schema: not JSON"),
        (
            schema_of(&[("x", "\"dtype\": \"float32\", \"unitt\": \"m\"")]),
            1,
            "has an unknown key `unitt`; did you mean `unit`?",
        ),
        (" ".repeat(70_000), 1, "x.json is not a valid schema: larger than 64 KiB"),
    ] {
        fs::write(env.repo("x.json"), &text).unwrap();
        let output = env.hook(["schema", "check", "x.json"]).fails(code);
        assert!(output.both().contains(told), "{}", output.both());
        let json = env.hook(["--json", "schema", "check", "x.json"]).fails(code);
        let json: Value = serde_json::from_str(&json.stdout).unwrap();
        assert_eq!((json["ok"] == true, json["error"].is_null()), (code == 0, code == 0), "{json}");
    }
    env.hook(["schema", "check", "no.json"]).fails(3);
}

#[test]
fn two_schemas_are_compared_column_by_column() {
    let env = TestEnv::two_runs();
    let a = schema_of(&[
        ("x", "\"dtype\": \"float32\", \"path\": \"obs.x\", \"nullable\": true"),
        ("action", "\"dtype\": \"int64\", \"min\": 0, \"max\": 1"),
        ("reward", "\"dtype\": \"float64\""),
        ("old", "\"dtype\": \"bool\", \"nullable\": true"),
    ]);
    env.record_declared("mine/r1", Some(&a), &STEPS);
    let b = a.replace("\"max\": 1", "\"max\": 2").replace("\"old\"", "\"new\"");
    fs::write(env.repo("b.json"), &b).unwrap();
    let agree = env.hook(["schema", "diff", "mine/r1", "b.json"]).ok();
    assert_snapshot!(env.screen(&agree), @"
    A  mine/r1
    B  b.json

    STEPS   A       B       HOW
    action  int64   int64   other range
    old     bool    (none)  only in A
    new     (none)  bool    only in B

    the schemas agree; 3 columns are declared alike
    ");
    fs::write(
        env.repo("c.json"),
        b.replace("float32", "float64").replace("\"int64\", ", "\"int64\", \"unit\": \"m\", "),
    )
    .unwrap();
    let differ = env.hook(["schema", "diff", "results/mine/r1", "c.json"]).fails(1);
    assert_snapshot!(env.screen(&differ), @"
    A  results/mine/r1
    B  c.json

    STEPS   A        B           HOW
    x       float32  float64     does not agree
    action  int64    int64 in m  does not agree
    old     bool     (none)      only in A
    new     (none)   bool        only in B

    the schemas do not agree; 2 columns are declared alike
    ");
    let json = env.hook(["--json", "schema", "diff", "b.json", "c.json"]).fails(1).stdout;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["agree"], &json["steps"][0]["state"]), (&Value::Bool(false), &Value::from("differs")));
    // plume-nav-sim's runs have a schema, too, in the dataset and in the cache.
    env.hook(["schema", "diff", FIRST, &format!("capture/{PLUME}")]).ok();
    let plume = env.hook(["schema", "show", FIRST]).ok();
    assert!(
        plume.stdout.contains("built in: plume-nav-sim") && plume.stdout.contains("agent_position.x"),
        "{}",
        plume.stdout
    );
}

#[test]
fn many_rows_are_read_only_if_asked() {
    let env = TestEnv::empty();
    let row = |n: usize, x: &str| {
        format!("{{\"episode_id\": \"e\", \"step\": {n}, \"terminated\": false, \"truncated\": false, \"x\": {x}}}\n")
    };
    let rows: String = (1..=10_000).map(|n| row(n, "1")).chain([row(10_001, "1.5")]).collect();
    fs::create_dir_all(env.repo("r")).unwrap();
    write_gzip(&env.repo("r/steps.jsonl.gz"), &rows);
    let few = env.hook(["schema", "infer", "./r"]).ok();
    assert!(few.stdout.contains("int64") && few.stderr.contains("`--all` reads every row"), "{}", few.both());
    let all = env.hook(["schema", "infer", "--all", "./r"]).ok();
    assert!(all.stdout.contains("float64") && !all.stderr.contains("--all"), "{}", all.both());
}

/// A pinned schema stops a run that does not satisfy it, and is a clear error if it cannot be used.
#[test]
fn a_pinned_schema_is_checked() {
    let env = TestEnv::committed_native();
    let schema = schema_of(&[
        ("x", "\"dtype\": \"float64\", \"path\": \"obs.x\", \"nullable\": true"),
        ("image", "\"dtype\": \"uint8\", \"shape\": [2, 2], \"path\": \"obs.image\""),
        ("action", "\"dtype\": \"int64\""),
        ("reward", "\"dtype\": \"float64\""),
        ("info", "\"dtype\": \"json\""),
    ]);
    env.record_declared("mine/r1", Some(&schema), &STEPS);
    env.record_declared("other/r1", Some(&schema), &STEPS);
    let key = "experiments.mine.schema";
    // Refused before the file is changed.
    let settings = fs::read_to_string(env.repo("capture-hook.toml")).unwrap();
    assert_snapshot!(env.screen(&env.hook(["config", "set", key, "schemas/mine.json"]).fails(3)), @"
    error: capture-hook.toml: experiments.mine.schema names schemas/mine.json, which does not exist
    hint: see what is wrong: `capture-hook schema check schemas/mine.json`
    hint: or pin no schema: `capture-hook config set experiments.mine.schema ''`
    ");
    env.hook(["config", "set", key, "../mine.json"]).fails(2);
    assert_eq!(fs::read_to_string(env.repo("capture-hook.toml")).unwrap(), settings);
    fs::create_dir(env.repo("schemas")).unwrap();
    fs::write(env.repo("schemas/mine.json"), schema.replace(", \"nullable\": true", "")).unwrap();
    assert_snapshot!(env.screen(&env.hook(["config", "set", key, "schemas/mine.json"]).ok()), @"
    experiments.mine.schema: (none) -> schemas/mine.json
    --- stderr
    hint: share it with your team: `git add capture-hook.toml schemas/mine.json`, then commit
    ");
    assert_snapshot!(env.screen(&env.hook(["validate", "mine/r1", "other/r1"]).fails(1)), @"
    ✗ results/mine/r1 is invalid: 3 steps, 1 episode, 1 error
      error schema_pin: the column `x` of steps is nullable, pinned as never null;
        experiments.mine.schema pins it, in schema.json
    ✓ results/other/r1 is valid: 3 steps, 1 episode
    ");
    env.select("mine/r1");
    let refused = env.git(["commit", "-qam", "x"]).fails(1);
    assert!(
        refused.stderr.contains("schema_pin: the column `x` of steps is nullable, pinned as never null"),
        "{}",
        refused.stderr
    );
    fs::write(env.repo("schemas/mine.json"), "{}").unwrap();
    assert_snapshot!(env.screen(&env.hook(["validate", "mine/r1"]).fails(3)), @r#"
    error: capture-hook.toml: experiments.mine.schema names schemas/mine.json, which is not a valid schema: `format` is missing: write "format": 1
    hint: see what is wrong: `capture-hook schema check schemas/mine.json`
    hint: or pin no schema: `capture-hook config set experiments.mine.schema ''`
    "#);
    fs::remove_file(env.repo("schemas/mine.json")).unwrap();
    std::os::unix::fs::symlink("/etc/hostname", env.repo("schemas/mine.json")).unwrap();
    let linked = env.hook(["validate", "mine/r1"]).fails(3);
    assert!(linked.stderr.contains("experiments.mine.schema names schemas/mine.json"), "{}", linked.stderr);
    env.hook(["config", "set", key, ""]).ok();
    env.hook(["validate", "mine/r1"]).ok();
}
