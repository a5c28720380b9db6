//! A run's directory with no project around it: a copy that somebody sent, a run of an export.

use std::fs;

use serde_json::Value;

use crate::env::{FIRST, TestEnv};

/// A copy of a recorded run, and of the same run in the dataset.
fn copies() -> TestEnv {
    let env = TestEnv::committed();
    fs::create_dir(env.path("lone")).unwrap();
    let copy = |from: std::path::PathBuf, to: &str| {
        env.run_in(".", "cp", ["-r", from.to_str().unwrap(), env.path("lone").join(to).to_str().unwrap()]).ok();
    };
    copy(env.repo("results").join(FIRST), "recorded");
    copy(env.repo("data/captures").join(FIRST), "ingested");
    env
}

fn shown(env: &TestEnv, dir: &str) -> Value {
    serde_json::from_str(&env.hook_in("lone", ["show", dir, "--json"]).ok().stdout).unwrap()
}

#[test]
fn show_and_plot_take_a_runs_directory_without_a_repository() {
    let env = copies();
    let (recorded, ingested) = (shown(&env, "recorded"), shown(&env, "./ingested"));
    let committed: Value = serde_json::from_str(&env.hook(["show", FIRST, "--json"]).ok().stdout).unwrap();
    for field in ["run", "start_time", "env_config", "config_hash", "figures", "seeds"] {
        assert_eq!(recorded[field], committed[field], "{field}");
        assert_eq!(ingested[field], committed[field], "{field}");
    }
    assert_eq!(recorded["source"], "directory");
    assert!(recorded["history"].is_null() && recorded["validation"]["ok"] == true);
    let text = env.hook_in("lone", ["show", "recorded"]).ok().stdout;
    assert!(text.contains("not known: there is no project around it"), "{text}");
    env.hook_in("lone", ["plot", "recorded"]).ok();
    env.hook_in("lone", ["plot", "ingested", "-o", "again.svg"]).ok();
    let picture = env.path("lone").join(format!("{}.svg", FIRST.replace('/', "-")));
    assert_eq!(fs::read(picture).unwrap(), fs::read(env.path("lone/again.svg")).unwrap());
}

#[test]
fn what_is_no_runs_directory_needs_a_repository() {
    let env = copies();
    fs::create_dir(env.path("lone/empty")).unwrap();
    for command in ["show", "plot"] {
        for run in [&["empty"][..], &["latest"], &["nav/r1"], &[]] {
            let line: Vec<&str> = [command].iter().chain(run).copied().collect();
            let refused = env.hook_in("lone", &line).fails(3);
            assert!(refused.stderr.contains("is not in a git repository"), "{line:?}: {}", refused.both());
        }
    }
}

#[test]
fn a_repository_that_is_not_set_up_yet_shows_a_run_by_its_path() {
    let env = copies();
    env.git_in("lone", ["init", "-q"]).ok();
    assert_eq!(shown(&env, "recorded")["run"], FIRST);
    env.hook_in("lone", ["show"]).fails(3);
}

/// S7: The name of a directory is a stranger's: no terminal obeys it, and no picture runs it.
#[test]
fn the_name_of_a_directory_is_shown_harmlessly() {
    let env = copies();
    let odd = env.path("lone/\u{1b}[31m<script>");
    fs::rename(env.path("lone/ingested"), &odd).unwrap();
    // A name in `run.json` that cannot be used: then the directories' names stand in for it.
    let run_json = fs::read_to_string(odd.join("run.json")).unwrap();
    fs::write(odd.join("run.json"), run_json.replace("\"run_id\"", "\"other\"")).unwrap();
    let dir = odd.to_str().unwrap();
    for line in [&["show", dir][..], &["show", dir, "--json"], &["plot", dir, "-o", "odd.svg"]] {
        let output = env.hook_in("lone", line);
        assert!(!output.both().contains('\u{1b}'), "{line:?}: {}", output.both());
    }
    let picture = fs::read_to_string(env.path("lone/odd.svg")).unwrap();
    assert!(!picture.contains("<script") && !picture.contains('\u{1b}'), "{picture}");
}
