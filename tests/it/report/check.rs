//! `report --check`: current, outdated with what differs, or not to be known here.

use std::fs;

use insta::assert_snapshot;

use crate::env::{FIRST, PLUME, THIRD, TestEnv};
use crate::report::other_clone;

fn committed_report(args: &[&str]) -> TestEnv {
    let env = TestEnv::two_runs();
    env.hook([&["report", "-q"], args].concat()).ok();
    env.git(["add", "report.html"]).ok();
    env.git(["commit", "-q", "-m", "Add the report"]).ok();
    env
}

/// What `--check` says of an outdated report, without the first words and the hint.
fn differences(env: &TestEnv) -> String {
    let output = env.hook(["report", "--check", "--json"]).fails(1);
    let error: serde_json::Value = serde_json::from_str(output.stderr.trim()).unwrap();
    assert_eq!(error["error"]["code"], "report_outdated");
    let message = error["error"]["message"].as_str().unwrap();
    message.strip_prefix("report.html is outdated: ").unwrap().to_owned()
}

/// A committed report does not make itself outdated, nor does any commit without runs; a new run does.
#[test]
fn a_committed_report_is_current_until_runs_change() {
    let env = committed_report(&[]);
    assert_eq!(env.hook(["report", "--check"]).ok().stdout, "report.html is current\n");
    fs::write(env.repo("notes.txt"), "a\n").unwrap();
    env.git(["add", "notes.txt"]).ok();
    env.git(["commit", "-q", "-m", "No run"]).ok();
    env.hook(["report", "--check"]).ok();
    env.hook(["publish", "--no-push", THIRD]).ok();
    assert_snapshot!(env.hook(["report", "--check"]).fails(1).stderr, @r"
    error: report.html is outdated: 1 run is new since
    hint: make it again: `capture-hook report`
    ");
    env.hook(["report", "-q"]).ok();
    env.hook(["report", "--check"]).ok();
    let page = fs::read(env.repo("report.html")).unwrap();
    env.git(["reset", "-q", "--hard", "HEAD~1"]).ok();
    fs::write(env.repo("report.html"), page).unwrap();
    assert_eq!(differences(&env), "1 run is not in it any more");
}

/// The request is in the file: what it leaves out does not make it outdated.
#[test]
fn a_report_of_one_experiment_is_outdated_by_its_runs_alone() {
    let env = committed_report(&["-e", "nav"]);
    env.hook(["publish", "--no-push", THIRD]).ok();
    env.hook(["report", "--check"]).ok();
    env.record_as("ok-pypi010", "nav/another");
    env.hook(["publish", "--no-push", "nav/another"]).ok();
    let output = env.hook(["report", "--check"]).fails(1);
    assert!(output.stderr.contains("`capture-hook report -e nav`"), "{}", output.stderr);
    // And from any directory.
    fs::create_dir_all(env.repo("deep/er")).unwrap();
    let output = env.hook_in("repo/deep/er", ["report", "--check", "-o", "../../report.html"]).fails(1);
    assert!(output.stderr.contains("1 run is new since"), "{}", output.stderr);
}

#[test]
fn what_differs_is_said() {
    let env = committed_report(&[FIRST, PLUME]);
    env.record_again(PLUME);
    env.git(["commit", "-q", "-am", "Again"]).ok();
    assert_eq!(differences(&env), "1 run has changed");
    env.hook(["report", "-q", FIRST, PLUME]).ok();
    env.hook(["report", "--check"]).ok();
    let page = fs::read_to_string(env.repo("report.html")).unwrap();
    fs::write(env.repo("report.html"), page.replace("\"capture-hook 0.", "\"capture-hook 9.0.")).unwrap();
    assert!(differences(&env).starts_with("made by another version of capture-hook (capture-hook 9.0."));
    fs::write(env.repo("report.html"), page.replace("<h1", "<h1 hidden")).unwrap();
    assert_eq!(differences(&env), "the page is another, made or edited otherwise");
    fs::write(env.repo("report.html"), &page).unwrap();
    fs::write(env.repo("capture-hook.toml"), "[dataset]\ntitle = \"Runs of mine\"\n").unwrap();
    env.hook(["report", "--check"]).ok();
    env.git(["add", "capture-hook.toml"]).ok();
    env.git(["commit", "-q", "-m", "A title"]).ok();
    assert_eq!(differences(&env), "the title is another");
}

/// Without the data it cannot be known, unless other runs are new: never a wrong answer.
#[test]
fn a_clone_without_data_does_not_guess() {
    let env = committed_report(&[]);
    env.git(["push", "-q", "--follow-tags", "origin", "main"]).ok();
    let other = other_clone(&env, false);
    assert_snapshot!(other.hook_in("clone", ["report", "--check"]).fails(3).stderr, @r"
    error: cannot tell whether report.html is current: the data of 2 runs is not in this clone
    hint: get what is missing: `capture-hook pull`
    ");
    other.hook_in("clone", ["pull", "-q"]).ok();
    other.hook_in("clone", ["report", "--check"]).ok();
    env.hook(["publish", THIRD]).ok();
    let other = other_clone(&env, false);
    let output = other.hook_in("clone", ["report", "--check"]).fails(1);
    assert!(output.stderr.contains("1 run is new since"), "{}", output.stderr);
    // What continuous integration checks out by default.
    let origin = format!("file://{}", env.path("origin.git").display());
    env.hook(["report", "-q"]).ok();
    env.git(["commit", "-q", "-am", "Renew the report"]).ok();
    env.git(["push", "-q", "origin", "main"]).ok();
    env.git_in(".", ["clone", "-q", "--depth", "1", &origin, "shallow"]).ok();
    env.hook_in("shallow", ["pull", "-q"]).ok();
    let output = env.hook_in("shallow", ["report", "--check"]).fails(3);
    assert!(output.stderr.contains("`git fetch --unshallow --tags`"), "{}", output.stderr);
    env.git_in("shallow", ["fetch", "-q", "--unshallow", "--tags"]).ok();
    env.hook_in("shallow", ["report", "--check"]).ok();
}

/// A file of a stranger's is read with care.
#[test]
fn a_file_that_is_no_report_is_refused() {
    let env = committed_report(&[]);
    let page = fs::read_to_string(env.repo("report.html")).unwrap();
    let say = |text: &str| {
        fs::write(env.repo("report.html"), text).unwrap();
        let output = env.hook(["report", "--check", "--json"]).fails(1);
        let error: serde_json::Value = serde_json::from_str(output.stderr.trim()).unwrap();
        assert_eq!(error["error"]["code"], "not_a_report", "{}", output.stderr);
        let message = error["error"]["message"].as_str().unwrap().to_owned();
        message.strip_prefix("report.html is not a report of capture-hook: ").unwrap().to_owned()
    };
    assert_eq!(say("<html>"), "it does not say that it is one");
    assert_eq!(say(&page.replace("id=\"report-data\"", "id=\"other\"")), "it holds no data");
    assert!(say(&page.replace("{\"format\":1,", "{\"format\":1,,")).starts_with("its data is damaged: "));
    assert_eq!(
        say(&page.replace("{\"format\":1,", "{\"format\":2,")),
        "its data is of format 2; a newer capture-hook can read it"
    );
    assert!(say(&page.replace("\"rev\":null", "\"rev\":null,\"more\":1")).contains("unknown field `more`"));
    // Its request is a stranger's, too.
    fs::write(env.repo("report.html"), page.replace("\"rev\":null", "\"rev\":\"--output=x\"")).unwrap();
    env.hook(["report", "--check"]).fails(3);
    fs::write(env.repo("report.html"), page.replace("\"runs\":[],", "\"runs\":[\"../../x\"],")).unwrap();
    env.hook(["report", "--check"]).fails(3);
    fs::remove_file(env.repo("report.html")).unwrap();
    let output = env.hook(["report", "--check"]).fails(3);
    assert!(output.stderr.contains("there is no report report.html"), "{}", output.stderr);
    fs::write(env.repo("report.html"), vec![b' '; (64 << 20) + 1]).unwrap();
    env.hook(["report", "--check"]).fails(3);
}
