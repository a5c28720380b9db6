//! What a clone shows that has git's history and none of the data: all that git knows, and how the rest is fetched.

use std::fs;
use std::path::Path;

use insta::assert_snapshot;
use serde_json::Value;

use crate::env::{CommandOutput, FIRST, PLUME, TestEnv, files};

/// [`TestEnv::two_runs`], pushed, and a clone of it: `fresh`.
fn cloned() -> TestEnv {
    let env = TestEnv::two_runs();
    clone_into(&env, "fresh");
    env
}

fn clone_into(env: &TestEnv, dir: &str) {
    env.git(["push", "-q", "--follow-tags", "-u", "origin", "main"]).ok();
    env.git_in(".", ["clone", "-q", "origin.git", dir]).ok();
    assert!(!env.path(dir).join(".dvc/cache").exists());
}

fn json(output: &CommandOutput) -> Value {
    serde_json::from_str(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", output.both()))
}

fn size_of(dir: &Path) -> u64 {
    files(dir).iter().map(|path| fs::metadata(path).unwrap().len()).sum()
}

fn row(env: &TestEnv, dir: &str, run: &str) -> Value {
    let all = json(&env.hook_in(dir, ["runs", "--json"]).ok());
    all["runs"].as_array().unwrap().iter().find(|row| row["run"] == run).unwrap().clone()
}

/// What the figures are without what only the data says.
fn without_data(mut figures: Value) -> Value {
    for metric in figures.get_mut("declared").and_then(Value::as_array_mut).into_iter().flatten() {
        metric["unit"] = Value::Null;
    }
    figures
}

#[test]
fn runs_have_figures_size_and_the_command_that_fetches_them() {
    let env = cloned();
    for run in [FIRST, PLUME] {
        let (known, fresh) = (row(&env, "repo", run), row(&env, "fresh", run));
        for field in ["commit", "tags", "config_hash", "data_version", "steps", "episodes", "bytes"] {
            assert_eq!(fresh[field], known[field], "{field} of {run}");
        }
        assert_eq!(fresh["figures"], without_data(known["figures"].clone()), "{run}");
        assert_eq!(fresh["bytes"], size_of(&env.repo("data/captures").join(run)), "{run}");
        assert_eq!(
            (&fresh["state"], &fresh["here"], &known["fetch"]),
            (&"remote".into(), &"none".into(), &Value::Null)
        );
        assert!(fresh["start_time"].is_null(), "{fresh}");
    }
    // The command is exact: it is enough to run it.
    let fetch = row(&env, "fresh", FIRST)["fetch"].as_str().unwrap().to_owned();
    assert_eq!(fetch, format!("capture-hook pull {FIRST}"));
    env.run_in("fresh", "sh", ["-c", &fetch]).ok();
    let fetched = row(&env, "fresh", FIRST);
    assert_eq!((&fetched["state"], &fetched["fetch"]), (&"committed".into(), &Value::Null));
    assert_eq!(row(&env, "fresh", PLUME)["state"], "remote");
    // The second time nothing but notes is read, and the answer is the same.
    let ask = || env.hook_in("fresh", ["runs", "--json"]).ok().stdout;
    assert_eq!(ask(), ask());
}

#[test]
fn one_run_is_shown_as_far_as_git_knows_it() {
    let env = cloned();
    let (known, fresh) =
        (json(&env.hook(["show", FIRST, "--json"]).ok()), json(&env.hook_in("fresh", ["show", FIRST, "--json"]).ok()));
    for field in ["run", "config_hash", "history", "bytes"] {
        assert_eq!(fresh[field], known[field], "{field}");
    }
    assert_eq!(fresh["figures"], without_data(known["figures"].clone()));
    assert_eq!((&fresh["state"], &fresh["source"]), (&"remote".into(), &"remote".into()));
    for field in ["env_config", "seeds", "validation", "start_time", "path"] {
        assert!(fresh[field].is_null(), "{field}: {fresh}");
    }
    assert_snapshot!(env.screen(&env.hook_in("fresh", ["show", FIRST]).ok()), @"
    nav/run-20261124-021550
      location        remote: its data is not in this clone
      commit          [commit]  Add nav/run-20261124-021550  (Ada, [date])
      tags            capture/nav/run-20261124-021550
      data version    [md5].dir
      configuration   sha256:10482995e40081d9d17ef888421ea49cc68e9146d5907486…
      episodes        4 episodes, 151 steps, 37.75 an episode
      success         25% (1 reached the goal)
      reward          -0.125 mean, 1 best
      final distance  13.94 mean, 5 nearest
      size            12.2 KiB
      unknown         start, recorder, validation, keys of the configuration, seeds
    --- stderr
    hint: fetch its data with `capture-hook pull nav/run-20261124-021550`
    ");
    // The data of a tag is fetched by the tag.
    let tag = format!("capture/{FIRST}");
    let fetch = json(&env.hook_in("fresh", ["show", &tag, "--json"]).ok())["fetch"].as_str().unwrap().to_owned();
    env.run_in("fresh", "sh", ["-c", &format!("{fetch} -o ../got")]).ok();
    assert_eq!(size_of(&env.path("got")), known["bytes"].as_u64().unwrap());
    // Without a remote, no command is promised to fetch it.
    env.run_in("fresh", "dvc", ["remote", "remove", "-q", "storage"]).ok();
    let shown = env.hook_in("fresh", ["show", PLUME]).ok();
    assert!(shown.stderr.contains("no DVC remote is set") && !shown.stderr.contains("pull"), "{}", shown.stderr);
}

#[test]
fn two_runs_are_compared_as_far_as_git_knows_them() {
    let env = cloned();
    let compared = |dir: &str| json(&env.hook_in(dir, ["diff", FIRST, PLUME, "--json"]).ok());
    let (known, fresh) = (compared("repo"), compared("fresh"));
    assert_eq!((&fresh["same_config"], &fresh["figures"]["a"]), (&known["same_config"], &known["figures"]["a"]));
    for field in [&fresh["config"], &fresh["metadata"], &fresh["seeds"]["same"]] {
        assert!(field.is_null(), "unknown, not the same: {fresh}");
    }
    let screen = env.screen(&env.hook_in("fresh", ["diff", FIRST, PLUME]).ok());
    assert!(screen.contains("differs, by its hash") && screen.contains("-0.357"), "{screen}");
    assert!(screen.contains(&format!("`capture-hook pull {PLUME}`")), "{screen}");
    let many = json(&env.hook_in("fresh", ["diff", FIRST, PLUME, FIRST, "--json"]).ok());
    assert_eq!((&many["same_config"], &many["config"]), (&false.into(), &Value::Null));
    // One of them fetched: its side is whole, and nothing is called the same.
    env.hook_in("fresh", ["pull", FIRST]).ok();
    let half = compared("fresh");
    assert!(half["config"].is_null() && half["seeds"]["a"]["min"] == 41 && half["seeds"]["same"].is_null(), "{half}");
    env.hook_in("fresh", ["pull", PLUME]).ok();
    assert_eq!(compared("fresh"), known);
}

#[test]
fn status_has_the_selected_runs_figures_and_where_its_data_is() {
    let env = cloned();
    let fresh = json(&env.hook_in("fresh", ["status", "--json"]).ok());
    let known = row(&env, "repo", PLUME);
    for field in ["commit", "tags", "config_hash", "data_version", "bytes", "figures"] {
        assert_eq!(fresh[field], known[field], "{field}");
    }
    assert_eq!(fresh["fetch"], format!("capture-hook pull {PLUME}"));
    env.hook_in("fresh", ["install"]).ok();
    assert_snapshot!(env.screen(&env.hook_in("fresh", ["status"]).ok()), @"
    plume/run-20261124-021546 is selected
      recorded   -    results/plume/run-20261124-021546 is not in this clone; its data is committed
      valid      -    no data to validate in this clone
      ingested   yes  data version [md5].dir
      committed  yes  HEAD is at [commit]
      tagged     yes  capture/plume/run-20261124-021546
      pushed     yes  data: on the DVC remote; git: pushed
      workspace  -    the dataset is not in this clone: 24.4 KiB, 14 files
      figures         208 steps, 3 episodes, success 33%, reward -0.357
      config          sha256:9c043945f41e
      size            12.2 KiB
      fetch           `capture-hook pull plume/run-20261124-021546`
    next: capture-hook pull
    ");
}

/// `metrics/` can be committed by hand, and a commit can add several runs.
#[test]
fn what_git_does_not_know_for_sure_is_called_unknown() {
    let env = TestEnv::initialized();
    env.add_origin();
    for (case, key) in [("ok-head01", FIRST), ("ok-orig100", PLUME)] {
        assert_eq!(env.record(case), key);
    }
    env.hook(["publish", "--all-new", "--no-push"]).ok();
    clone_into(&env, "fresh");
    for run in [FIRST, PLUME] {
        assert!(row(&env, "fresh", run)["bytes"].is_null(), "both were added by one commit");
    }
    let selected = json(&env.hook_in("fresh", ["status", "--json"]).ok())["run"].as_str().unwrap().to_owned();
    let other = if selected == FIRST { PLUME } else { FIRST };
    let (with, without) = (row(&env, "fresh", &selected), row(&env, "fresh", other));
    assert!(with["figures"]["mean_reward"].is_number() && without["figures"].is_null(), "{with} {without}");
    assert!(without["steps"].is_number(), "the tag says it: {without}");
    let shown = json(&env.hook_in("fresh", ["show", other, "--json"]).ok());
    assert_eq!(shown["figures"]["steps"], without["steps"]);
    assert!(shown["figures"]["mean_reward"].is_null() && shown["bytes"].is_null(), "{shown}");
    // Another run's name in it, or other counts than the tag's.
    let path = env.repo("metrics/capture.json");
    let text = fs::read_to_string(&path).unwrap();
    let steps = format!("\"steps\": {}", with["steps"]);
    assert!(text.contains(&steps));
    for (at, changed) in
        [text.replace(&steps, "\"steps\": 7"), text.replace(&selected, "../x"), "{".into()].iter().enumerate()
    {
        fs::write(&path, changed).unwrap();
        let hooks_off = ["-c", "core.hooksPath=/dev/null"];
        env.git([&hooks_off[..], &["commit", "-q", "--amend", "--no-edit", "-a"]].concat()).ok();
        let tag = format!("capture/{selected}");
        let message = env.git(["tag", "-l", "--format=%(contents)", &tag]).ok().stdout;
        env.git(["tag", "-f", "-a", "-m", &message, &tag]).ok();
        // It leads to the commit before, whose figures are right.
        let _ = env.git(["tag", "-d", &format!("capture/{other}")]);
        let dir = format!("fresh{at}");
        let url = format!("file://{}", env.repo("").display());
        env.git_in(".", ["clone", "-q", &url, &dir]).ok();
        let row = row(&env, &dir, &selected);
        assert!(row["figures"].is_null() && row["steps"] == with["steps"], "{changed}: {row}");
    }
}

#[test]
fn runs_that_only_a_file_list_names_are_counted() {
    let env = TestEnv::initialized();
    env.add_origin();
    env.hook(["config", "set", "engine", "native"]).ok();
    env.hook(["config", "set", "tag.max_runs", "3"]).ok();
    env.git(["add", "-A"]).ok();
    env.git(["commit", "-qm", "Settings"]).ok();
    let run_count = 21;
    for number in 0..run_count {
        env.record_as("ok-orig100", &format!("many/r{number:02}"));
    }
    env.hook(["publish", "--all-new", "--no-push"]).ok();
    clone_into(&env, "fresh");
    let listed = json(&env.hook_in("fresh", ["runs", "--json"]).ok());
    let (named, unlisted) = (listed["runs"].as_array().unwrap().len(), &listed["unlisted"]);
    assert_eq!(
        (unlisted["commit_count"].as_u64(), unlisted["run_count"].as_u64()),
        (Some(1), Some(run_count - named as u64))
    );
    let screen = env.hook_in("fresh", ["runs"]).ok();
    assert!(screen.stderr.contains("21 runs of 1 commit are not listed"), "{}", screen.both());
    assert!(!screen.both().contains("no runs yet"), "{}", screen.both());
    env.hook_in("fresh", ["check"]).ok();
    let listed = json(&env.hook_in("fresh", ["runs", "--json"]).ok());
    assert_eq!(listed["runs"].as_array().unwrap().len() as u64, run_count);
    assert_eq!((&listed["unlisted"]["commit_count"], &listed["unlisted"]["run_count"]), (&0.into(), &0.into()));
}
