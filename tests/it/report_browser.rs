//! The report's page in Chromium: what a person does with it, what axe-core says of it, and that no run's text does anything.
//!
//! Each test runs one check of `report_browser/check.py`. On a machine without Chromium a line says that none was run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::{Value, json};

use crate::env::{CommandOutput, PLUME, TestEnv, run_command};
use crate::tools;

mod hostile;

/// A report, and what a check of it is told.
struct Report {
    env: TestEnv,
    facts: Value,
}

impl Report {
    fn path(&self) -> PathBuf {
        self.env.path("report.html")
    }

    /// Fails unless a check finds that all is as it should be.
    #[track_caller]
    fn passes(&self, name: &str) -> String {
        run_check(name, &self.path(), &self.facts).ok().stdout
    }
}

/// Runs a check of a report, which gets `facts`.
#[track_caller]
fn run_check(name: &str, report: &Path, facts: &Value) -> CommandOutput {
    let chromium = tools::chromium().expect("asked for by each test");
    let mut python = Command::new(tools::browser_driver().join("python"));
    python.env("PYTHONDONTWRITEBYTECODE", "1").env("PYTHONUTF8", "1");
    run_command(python.arg(script("check.py")).arg(name).arg(chromium).arg(report).arg(facts.to_string()))
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/report_browser").join(name)
}

/// Records runs with a maker of runs, and gives what it prints.
fn record(env: &TestEnv, maker: &str, args: &[&str]) -> String {
    let mut python = env.command("python3", "repo");
    run_command(python.arg(script(maker)).arg(env.repo("results")).args(args)).ok().stdout
}

fn ask_json(env: &TestEnv, args: &[&str]) -> Value {
    serde_json::from_str(&env.hook([&["--json"], args].concat()).ok().stdout).unwrap()
}

/// A study of several simulators on two branches that were merged, one run's data not here; `None` without a browser.
fn study() -> Option<&'static Report> {
    static MADE: OnceLock<Report> = OnceLock::new();
    tools::chromium().map(|_| MADE.get_or_init(make_study))
}

fn make_study() -> Report {
    let env = TestEnv::two_runs().kept();
    let title = "A study of arms & <b>plumes</b>";
    let settings = format!("engine = \"native\"\n\n[dataset]\ntitle = \"{title}\"\n");
    fs::write(env.repo("capture-hook.toml"), settings).unwrap();
    env.git(["add", "capture-hook.toml"]).ok();
    env.git(["commit", "-q", "-m", "Describe the study"]).ok();
    env.git(["checkout", "-q", "-b", "topic"]).ok();
    record(&env, "study_runs.py", &["first"]);
    env.hook(["publish", "--all-new", "--no-push"]).ok();
    env.git(["checkout", "-q", "main"]).ok();
    fs::remove_dir_all(env.repo("results")).unwrap();
    record(&env, "study_runs.py", &["second"]);
    env.hook(["publish", "--all-new", "--no-push"]).ok();
    env.git(["merge", "-q", "-m", "Merge the other arms", "topic"]).ok();
    env.git(["tag", "v1.0"]).ok();
    forget_data(&env, PLUME);
    env.hook(["report", "-o", "../report.html"]).ok();
    let mut runs = ask_json(&env, &["runs"])["runs"].take();
    // What commits say of a run without data is not in the page, which shows what the data says.
    for run in runs.as_array_mut().unwrap().iter_mut().filter(|run| run["run"] == PLUME) {
        run["figures"] = Value::Null;
    }
    let facts = json!({
        "title": title,
        "missing": PLUME,
        "runs": runs,
        "groups": ask_json(&env, &["runs", "--group"])["groups"],
        "versions": ask_json(&env, &["log"])["versions"],
        "shown": ask_json(&env, &["show", "arm/gain-0.2-seed-1"]),
    });
    Report { env, facts }
}

/// Removes a run's data from this clone: its files in the workspace, and in DVC's cache all that no other run has.
fn forget_data(env: &TestEnv, key: &str) {
    let lock = fs::read_to_string(env.repo("dvc.lock")).unwrap();
    let version = lock.lines().find_map(|line| line.trim().strip_suffix(".dir")?.strip_prefix("md5: ")).unwrap();
    let object = |hash: &str| env.repo(".dvc/cache/files/md5").join(&hash[..2]).join(&hash[2..]);
    let list: Value = serde_json::from_slice(&fs::read(object(&format!("{version}.dir"))).unwrap()).unwrap();
    let (own, others): (Vec<&Value>, Vec<&Value>) =
        list.as_array().unwrap().iter().partition(|entry| entry["relpath"].as_str().unwrap().starts_with(key));
    assert!(!own.is_empty());
    for entry in own.iter().filter(|entry| others.iter().all(|other| other["md5"] != entry["md5"])) {
        fs::remove_file(object(entry["md5"].as_str().unwrap())).unwrap();
    }
    fs::remove_dir_all(env.repo("data/captures").join(key)).unwrap();
}

#[test]
fn faults_of_every_kind_are_found_in_pages_that_have_them() {
    if tools::chromium().is_some() {
        run_check("controls", Path::new("none"), &json!({})).ok();
    }
}

/// Tests that each run one check of the study's report.
macro_rules! checks_of_the_study {
    ($($test:ident: $check:literal,)*) => {$(
        #[test]
        fn $test() {
            if let Some(report) = study() {
                report.passes($check);
            }
        }
    )*};
}

checks_of_the_study! {
    runs_are_sorted_by_any_column: "sorting",
    runs_are_found_by_text: "text_filter",
    runs_are_found_by_ranges_of_numbers: "ranges",
    columns_are_chosen: "columns",
    many_runs_are_shown_in_pages: "many_runs",
    groups_are_those_of_the_command: "grouping",
    a_view_is_sent_by_its_address: "addresses",
    back_and_forward_lead_through_the_views: "back_and_forward",
    an_address_of_garbage_shows_what_is_understood: "garbage_addresses",
    every_view_is_accessible: "accessible",
    every_panel_is_accessible: "panels_accessible",
    a_run_is_shown_as_the_command_shows_it: "one_run",
    a_run_without_data_says_how_to_fetch_it: "run_without_data",
    a_command_is_copied_as_it_stands: "copying",
    history_is_that_of_the_log: "history",
    runs_are_compared_over_steps: "comparing_runs",
    groups_are_compared_by_their_medians: "comparing_groups",
    trajectories_have_equal_axes: "trajectories",
    what_differs_is_listed: "differences",
    any_column_is_drawn_against_any_other: "scatter",
    parallel_coordinates_have_the_chosen_axes: "parallel_coordinates",
    each_check_finds_a_page_that_is_wrong: "altered",
    the_page_follows_the_systems_colours: "dark_mode",
    the_page_is_printed_for_paper: "print",
    the_page_is_used_with_the_keyboard_alone: "keyboard",
    without_scripts_the_page_says_so: "without_scripts",
    the_policy_allows_what_is_in_the_file_alone: "embedded_data",
}
