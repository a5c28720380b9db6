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

fn verified(env: &TestEnv, dirs: &[&str], code: i32) -> Value {
    let output = env.hook_in("lone", [&["verify", "--json"], dirs].concat()).fails(code);
    serde_json::from_str(&output.stdout).unwrap()
}

#[test]
fn verify_holds_a_directory_against_its_manifest() {
    let env = copies();
    let whole = verified(&env, &["ingested"], 0);
    assert_eq!((&whole["ok"], &whole["source"], &whole["runs"]), (&true.into(), &"directory".into(), &1.into()));
    // A manifest names no parquet: what those bytes should be is called unknown.
    let unknown = whole["unknown"].as_array().unwrap();
    assert!(unknown.contains(&format!("{FIRST}/steps.parquet").into()), "{unknown:?}");
    let text = env.hook_in("lone", ["verify", "ingested"]).ok();
    assert!(
        text.stdout.contains("all as recorded") && text.stdout.contains("against its manifest only"),
        "{}",
        text.both()
    );
    assert!(text.stderr.contains("no manifest names"), "{}", text.both());

    let dir = env.path("lone/ingested");
    fs::write(dir.join("run.json"), "{}").unwrap();
    fs::remove_file(dir.join("episodes.jsonl.gz")).unwrap();
    let broken = verified(&env, &["ingested"], 1);
    let problems: Vec<&Value> = broken["findings"].as_array().unwrap().iter().map(|f| &f["problem"]).collect();
    assert!(problems.len() >= 2 && problems.iter().all(|problem| *problem == "manifest"), "{broken}");

    fs::remove_file(dir.join("manifest.json")).unwrap();
    let refused = env.hook_in("lone", ["verify", "ingested"]).fails(3);
    assert!(
        refused.stderr.contains("no manifest.json") && refused.stderr.contains("capture-hook validate"),
        "{}",
        refused.both()
    );
}

/// S7: A directory is a stranger's: a link in it is not followed.
#[cfg(unix)]
#[test]
fn a_link_in_a_directory_is_a_finding() {
    let env = copies();
    let notes = env.path("lone/ingested/notes.txt");
    std::os::unix::fs::symlink("/dev/zero", notes).unwrap();
    let found = verified(&env, &["ingested"], 1);
    assert_eq!(found["findings"][0]["problem"], "unreadable");
    assert_eq!(shown(&env, "ingested")["run"], FIRST);
}

#[test]
fn a_directory_elsewhere_is_not_taken_for_the_projects_run() {
    let env = copies();
    fs::write(env.path("lone/ingested/run.json"), "{}").unwrap();
    let dir = env.path("lone/ingested");
    let output = env.hook(["verify", dir.to_str().unwrap()]).fails(1);
    assert!(output.stdout.contains("no project around it"), "{}", output.both());
    env.hook(["verify", FIRST]).ok();
}

#[test]
fn report_shows_directories_and_says_what_is_unknown() {
    let env = copies();
    env.hook_in("lone", ["report", "recorded", "-o", "one.html"]).ok();
    env.hook_in("lone", ["report", "ingested", "-o", "two.html"]).ok();
    for name in ["one.html", "two.html"] {
        let page = fs::read_to_string(env.path("lone").join(name)).unwrap();
        assert!(page.contains(FIRST) && page.contains("which commits introduced them is not known"), "{name}");
    }
    let twice = env.hook_in("lone", ["report", "recorded", "ingested", "-o", "three.html"]).fails(2);
    assert!(twice.stderr.contains(FIRST), "{}", twice.both());
    let page = env.path("lone/one.html");
    let unknown = env.hook(["report", "--check", "-o", page.to_str().unwrap()]).fails(3);
    assert!(unknown.stderr.contains("unknown whether"), "{}", unknown.both());
    env.hook_in("lone", ["report", "recorded", "--rev", "v1"]).fails(2);
    env.hook_in("lone", ["report"]).fails(3);
}

#[test]
fn an_export_is_a_directory_of_runs() {
    const RUN: &str = "nav/first";
    let env = TestEnv::exported_history();
    fs::create_dir(env.path("lone")).unwrap();
    let export = env.path("lone/export");
    env.hook(["export", RUN, "-o", export.to_str().unwrap()]).ok();
    for path in ["export", &format!("export/{RUN}")] {
        assert_eq!(shown(&env, path)["run"], RUN);
        env.hook_in("lone", ["plot", path, "-o", "run.svg"]).ok();
        env.hook_in("lone", ["report", path, "-o", "report.html"]).ok();
    }
    // In a project, too.
    let here: Value = serde_json::from_str(&env.hook(["show", "../lone/export", "--json"]).ok().stdout).unwrap();
    assert_eq!(here["run"], RUN);
    // Of two runs, one is to be named.
    let (experiment, _) = RUN.split_once('/').unwrap();
    let from = export.join(RUN);
    env.run_in(".", "cp", ["-r", from.to_str().unwrap(), export.join(experiment).join("other").to_str().unwrap()]).ok();
    for output in [env.hook_in("lone", ["show", "export"]), env.hook(["show", "../lone/export"])] {
        let refused = output.fails(3);
        assert!(
            refused.stderr.contains("holds 2 runs") && refused.stderr.contains("by its path, such as"),
            "{}",
            refused.both()
        );
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
