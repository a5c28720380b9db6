//! Runs as the recorders in the field leave them, and the readers that people have: issue 12, rows 1, 34 to 38 and 42.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use capture_hook::support::progress::NoProgress;
use capture_hook::validate;
use capture_hook::validate::{ValidateOptions, ValidationReport};
use insta::assert_snapshot;

use crate::env::{BIN, CommandOutput, FIRST, SECOND, TestEnv, run_command};
use crate::tools;

/// A run in the making: lines of JSON as a recorder would write them.
#[derive(Clone)]
struct Made {
    meta: String,
    steps: Vec<String>,
    episodes: Vec<String>,
}

impl Made {
    /// One episode of so many steps, cut off at its end, with its summary.
    fn new(steps: usize) -> Self {
        let meta = r#"{"schema_version": "0.1", "run_id": "r1", "experiment": "demo", "start_time": "2026-01-01T00:00:00Z", "env_config": {}}"#;
        let step = |n: usize| {
            format!(
                r#"{{"ts": {n}.5, "run_id": "r1", "episode_id": "ep-1", "step": {n}, "action": 0, "reward": -0.01, "terminated": false, "truncated": {}, "agent_position": {{"x": {n}, "y": 7}}, "distance_to_goal": 3.5, "observation_summary": [0.5, 0.25]}}"#,
                n == steps
            )
        };
        let episode = format!(
            r#"{{"run_id": "r1", "episode_id": "ep-1", "terminated": false, "truncated": true, "total_steps": {steps}, "total_reward": {}, "final_position": {{"x": {steps}, "y": 7}}, "duration_ms": 12.5, "avg_step_time_ms": 1.25}}"#,
            -0.01 * steps as f64
        );
        Self { meta: meta.into(), steps: (1..=steps).map(step).collect(), episodes: vec![episode] }
    }

    /// The same with a text of a step replaced; the step's number counts from 1.
    fn step(mut self, number: usize, from: &str, to: &str) -> Self {
        let line = &mut self.steps[number - 1];
        assert!(line.contains(from), "{line}");
        *line = line.replace(from, to);
        self
    }

    /// The same with a text of the first summary replaced.
    fn episode(mut self, from: &str, to: &str) -> Self {
        assert!(self.episodes[0].contains(from), "{}", self.episodes[0]);
        self.episodes[0] = self.episodes[0].replace(from, to);
        self
    }

    /// The same, but stopped before its episode came to an end.
    fn unfinished(mut self) -> Self {
        self.episodes.clear();
        let last = self.steps.len();
        self.step(last, "\"truncated\": true", "\"truncated\": false")
    }

    /// The same without the episodes' summaries.
    fn without_summaries(mut self) -> Self {
        self.episodes.clear();
        self
    }

    /// The same under another name.
    fn named(self, run_id: &str) -> Self {
        let rename = |line: &String| line.replace("\"run_id\": \"r1\"", &format!("\"run_id\": \"{run_id}\""));
        Self {
            meta: rename(&self.meta),
            steps: self.steps.iter().map(rename).collect(),
            episodes: self.episodes.iter().map(rename).collect(),
        }
    }

    /// Writes it into a directory.
    fn write(&self, dir: &Path) {
        fs::create_dir_all(dir).unwrap();
        fs::write(dir.join("run.json"), &self.meta).unwrap();
        for (stem, lines) in [("steps", &self.steps), ("episodes", &self.episodes)] {
            let file = fs::File::create(dir.join(format!("{stem}.jsonl.gz"))).unwrap();
            let mut gzip = flate2::write::GzEncoder::new(file, flate2::Compression::default());
            for line in lines {
                writeln!(gzip, "{line}").unwrap();
            }
            gzip.finish().unwrap();
        }
    }

    /// What validation says.
    fn report(&self) -> ValidationReport {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("demo/r1");
        self.write(&dir);
        validate::validate_run(&dir, "results/demo/r1", &ValidateOptions::default(), &NoProgress).unwrap()
    }
}

/// Codes and messages of a report's findings.
fn told(report: &ValidationReport) -> Vec<(&'static str, String)> {
    report.findings.iter().map(|f| (f.code.as_str(), f.message.clone())).collect()
}

/// The codes that make it invalid, and how often all together.
fn errors(report: &ValidationReport) -> Vec<&'static str> {
    report.errors.iter().map(|code| code.as_str()).collect()
}

/// A directory with settings of a project in it, but neither git nor DVC.
pub fn bare() -> TestEnv {
    let env = TestEnv::empty();
    fs::create_dir_all(env.repo(".dvc")).unwrap();
    fs::write(env.repo(".dvc/config"), "").unwrap();
    env
}

/// Reads a dataset with all readers of a Python environment; gives their releases.
fn read_with(bin: &Path, dataset: &Path) -> Vec<String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/readers.py");
    let mut command = Command::new(bin.join("python"));
    command.arg(script).arg(dataset).env("PYTHONDONTWRITEBYTECODE", "1");
    run_command(&mut command).ok().stdout.lines().map(str::to_owned).collect()
}

/// F1, F9: What ingest writes opens, with true statistics, in the oldest and the newest of each reader; so do a list
/// with a null and a `NaN` in it, unknown fields with a bare `NaN`, a file without rows, and what six simulators declare.
#[test]
fn every_reader_opens_a_dataset_of_all_recorders_with_true_statistics() {
    let env = bare();
    for case in ["ok-head01", "ok-orig100", "ok-pypi010"] {
        env.record(case);
    }
    env.record_simulators();
    let odd = Made::new(4)
        .step(2, "[0.5, 0.25]", "[null, NaN, -0.0, 1e-320]")
        .step(3, "[0.5, 0.25]", "[null]")
        .step(1, "\"action\": 0", "\"action\": 0, \"note\": {\"a\": NaN}")
        .step(4, "\"action\": 0", "\"action\": 0, \"note\": {\"a\": -Infinity}");
    odd.write(&env.repo("results/demo/r1"));
    Made::new(3).unfinished().named("r2").write(&env.repo("results/demo/r2"));
    env.hook(["ingest", "--all"]).ok();
    let dataset = env.repo("data/captures");
    let wanted = ["pyarrow==14.0.2", "polars==0.20.31", "duckdb==0.10.3", "pandas==2.1.4", "fastparquet==2024.2.0"];
    assert_eq!(read_with(&tools::oldest_readers(), &dataset), wanted);
    assert_eq!(read_with(&tools::polars_between(), &dataset), ["polars==1.30.0"]);
    assert_eq!(read_with(&tools::newest_readers(), &dataset).len(), 5);
}

/// F3: The first recorder writes a `NaN` as null where orjson is installed: taken in an observation, kept null in
/// parquet, and an error where a number must be.
#[test]
fn a_null_element_of_an_observation_is_read() {
    let compact = r#"{"schema_version":"1.0.0","ts":2.5,"run_id":"r1","episode_id":"ep-1","step":2,"action":0,"reward":-0.01,"terminated":false,"truncated":false,"agent_position":{"x":2,"y":7},"distance_to_goal":3.5,"observation_summary":[null,0.25]}"#;
    let mut run = Made::new(4).step(3, "[0.5, 0.25]", "[0.5, null, NaN]");
    run.steps[1] = compact.into();
    let report = run.report();
    assert!(report.ok && report.warnings.is_empty(), "{report:?}");
    for (from, to, code) in [
        ("\"reward\": -0.01", "\"reward\": null", "wrong_type"),
        ("\"distance_to_goal\": 3.5", "\"distance_to_goal\": null", "wrong_type"),
        ("[0.5, 0.25]", "[0.5, [null]]", "wrong_type"),
        ("{\"x\": 1, \"y\": 7}", "{\"x\": null, \"y\": 7}", "wrong_type"),
    ] {
        let report = run.clone().step(1, from, to).report();
        assert_eq!(errors(&report), [code], "{to}: {report:?}");
    }
    assert_eq!(errors(&run.episode("\"total_reward\": -0.04", "\"total_reward\": null").report()), ["wrong_type"]);
}

/// F4: A clock that was set back inside an episode gives a negative duration, which warns as such a `ts` does.
#[test]
fn a_clock_that_was_set_back_warns() {
    let back = Made::new(3)
        .step(3, "\"ts\": 3.5", "\"ts\": -1989.5")
        .episode("\"duration_ms\": 12.5", "\"duration_ms\": -1993")
        .episode("\"avg_step_time_ms\": 1.25", "\"avg_step_time_ms\": -664.3");
    let report = back.report();
    assert!(report.ok, "{report:?}");
    let messages: Vec<String> = told(&report).into_iter().map(|(code, message)| format!("{code}: {message}")).collect();
    assert_eq!(
        messages,
        [
            "time_goes_back: ts is -1989.5, 1992 s earlier than the step before",
            "time_goes_back: `duration_ms` is -1993: the clock was set back",
            "time_goes_back: `avg_step_time_ms` is -664.3: the clock was set back",
        ]
    );
    // No clock does this.
    for (from, to, code) in [
        ("\"duration_ms\": 12.5", "\"duration_ms\": -Infinity", "non_finite"),
        ("\"duration_ms\": 12.5", "\"final_distance_to_goal\": -3.5, \"duration_ms\": 12.5", "out_of_range"),
    ] {
        assert_eq!(errors(&Made::new(3).episode(from, to).report()), [code], "{to}");
    }
}

/// F5: A run that was stopped in its first episode is valid and goes into the dataset, with an empty table of episodes;
/// one whose finished episodes have no summary is not.
#[test]
fn a_run_that_was_stopped_in_its_first_episode_is_valid() {
    let report = Made::new(5).unfinished().report();
    assert!(report.ok, "{report:?}");
    assert_eq!(
        told(&report),
        [("incomplete_episode", "the episode breaks off after 5 steps, without a summary".into())]
    );
    assert!(report.episodes.ok && report.episodes.rows == 0);
    // A limit outside of what records: no episode ever ends.
    let mut limit = Made::new(3).unfinished();
    let again: Vec<String> = limit.steps.iter().map(|line| line.replace("ep-1", "ep-2")).collect();
    limit.steps.extend(again);
    let report = limit.report();
    assert!(report.ok && report.findings.iter().filter(|f| f.code.as_str() == "incomplete_episode").count() == 2);
    // Finished episodes without summaries, no steps at all, and a file that is no gzip.
    assert_eq!(errors(&Made::new(5).without_summaries().report()), ["no_episodes"]);
    let mut half = Made::new(3).unfinished();
    half.steps.extend(Made::new(2).steps.iter().map(|line| line.replace("ep-1", "ep-2")));
    assert_eq!(errors(&half.report()), ["no_episodes"]);
    let mut nothing = Made::new(1).without_summaries();
    nothing.steps.clear();
    assert_eq!(errors(&nothing.report()), ["no_steps", "no_episodes"]);
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("demo/r1");
    Made::new(5).unfinished().write(&dir);
    fs::write(dir.join("episodes.jsonl.gz"), b"").unwrap();
    let cut = validate::validate_run(&dir, "r", &ValidateOptions::default(), &NoProgress).unwrap();
    assert_eq!(errors(&cut), ["truncated_gzip", "no_episodes"]);

    let env = TestEnv::committed();
    fs::write(env.repo("capture-hook.toml"), "engine = \"native\"\n").unwrap();
    Made::new(5).unfinished().write(&env.repo("results/demo/r1"));
    env.commit_run("demo/r1");
    assert_eq!(env.trailer("HEAD", "Capture-Run"), ["demo/r1"]);
    let show: serde_json::Value = serde_json::from_str(&env.hook(["--json", "show", "demo/r1"]).ok().stdout).unwrap();
    assert_eq!((&show["figures"]["episodes"], &show["figures"]["steps"]), (&0.into(), &5.into()), "{show}");
    for args in [&["diff", "demo/r1", FIRST][..], &["plot", "demo/r1"], &["runs"], &["verify", "demo/r1"], &["log"]] {
        env.hook(args).ok();
    }
}

/// F6: A total that a simulation added up in 32-bit floats is its rewards' total; another is not, and the message says
/// both sums.
#[test]
fn a_total_in_32_bit_floats_is_right() {
    let sum = |reward: f32, n: usize| (0..n).fold(0.0f32, |sum, _| sum + reward);
    let total = |run: Made, total: f64| {
        let steps = run.steps.len();
        run.episode(&format!("\"total_reward\": {}", -0.01 * steps as f64), &format!("\"total_reward\": {total:?}"))
    };
    let single = f64::from(sum(-0.01, 1000));
    assert!((single + 10.0).abs() > 1e-6 * 10.0, "the two sums are too near: {single}");
    assert!(total(Made::new(1000), single).report().ok);
    // The rewards were rounded as well, and the sum printed with fewer digits.
    let mut rounded = Made::new(1000);
    let reward = format!("\"reward\": {}", f64::from(-0.01f32));
    rounded.steps = rounded.steps.iter().map(|line| line.replace("\"reward\": -0.01", &reward)).collect();
    assert!(total(rounded, (single * 1e5).round() / 1e5).report().ok);
    let report = total(Made::new(1000), -10.01).report();
    assert_eq!(errors(&report), ["episode_reward_mismatch"]);
    let message = &told(&report)[0].1;
    assert!(message.contains("add up to -9.99999") && message.contains("(-10.0001335 in 32-bit floats)"), "{message}");
    // A sum that no 32-bit float holds allows nothing.
    let huge = Made::new(3).step(1, "-0.01", "1e300").step(2, "-0.01", "1e300");
    assert_eq!(errors(&total(huge, 7.0).report()), ["episode_reward_mismatch"]);
}

/// What the command says in a directory that holds this run, selected.
fn command(run: &Made, args: &[&str]) -> CommandOutput {
    let root = tempfile::tempdir().unwrap();
    run.write(&root.path().join("results/demo/r1"));
    fs::write(root.path().join("params.yaml"), "ingest_capture:\n  run_dir: results/demo/r1\n").unwrap();
    run_command(Command::new(BIN).current_dir(root.path()).args(args).env("NO_COLOR", "1"))
}

/// F8: What is wrong is called by its name: a field inside a position, a byte order mark.
#[test]
fn a_field_of_a_position_and_a_byte_order_mark_are_named() {
    let nested = Made::new(2).step(1, "\"y\": 7", "\"y\": 7, \"z\": 1, \"heading\": NaN");
    let report = nested.episode("\"y\": 7", "\"y\": 7, \"z\": 1").report();
    let named = |name: &str| ("unknown_field", format!("the field \"{name}\" is in no schema; it is kept"));
    assert_eq!(told(&report), [named("agent_position.z"), named("agent_position.heading"), named("final_position.z")]);
    let mut marked = Made::new(2);
    marked.steps[1].insert(0, '\u{feff}');
    let report = marked.report();
    assert_eq!(errors(&report), ["invalid_json"]);
    assert!(told(&report)[0].1.contains("byte order mark (BOM)"), "{report:?}");
    assert!(command(&marked, &["validate"]).fails(1).stdout.contains("byte order mark (BOM)"));
}

/// F8: Steps that are counted from 0 are one fault, once an episode, with the hint.
#[test]
fn steps_counted_from_0_are_one_code_with_a_hint() {
    let mut run = Made::new(4);
    let from_zero = |line: &String| {
        let (before, step) = line.split_once("\"step\": ").unwrap();
        let (number, behind) = step.split_once(',').unwrap();
        format!("{before}\"step\": {},{behind}", number.parse::<u64>().unwrap() - 1)
    };
    let mut more = Made::new(1);
    let rename = |line: &String| line.replace("ep-1", "ep-2");
    more.steps = more.steps.iter().map(rename).collect();
    more.episodes = more.episodes.iter().map(rename).collect();
    run.steps.extend(more.steps);
    run.episodes.extend(more.episodes);
    run.steps = run.steps.iter().map(from_zero).collect();
    let report = run.report();
    assert_eq!(errors(&report), ["out_of_range"]);
    let hint = "`step` is 0, below 1: the steps of an episode are counted from 1";
    assert_eq!(told(&report).iter().filter(|(_, message)| message == hint).count(), 2, "{report:?}");
    assert!(told(&report).iter().all(|(code, _)| ["out_of_range", "time_goes_back"].contains(code)), "{report:?}");
    // A step that is missing behind it is a fault of its own.
    run.steps.remove(1);
    assert_eq!(errors(&run.report()), ["out_of_range", "step_sequence"]);
}

/// F8: run.json's faults have their line and column, and an article that fits.
#[test]
fn faults_of_run_json_have_line_and_column() {
    let mut run = Made::new(2);
    run.meta = "{\n  \"schema_version\": \"0.1\",\n  \"run_id\": 7,\n  \"env_config\": {}\n}".into();
    let finding = &run.report().findings[0];
    assert_eq!(finding.code.as_str(), "invalid_run_json");
    assert_eq!(finding.message, "`run_id` is an int instead of a text (line 3, column 13)");
    assert_eq!(finding.line, Some(3));
    run.meta = "{\n  \"é\": 1,\n  \"run_id\": \"r1\" \"x\"}".into();
    let finding = &run.report().findings[0];
    assert_eq!(finding.message, "not JSON: unexpected character (line 3, column 18)");
    run.meta = "[]".into();
    assert_eq!(run.report().findings[0].message, "a list instead of an object");
}

/// F8: A path with backslashes gets what to type instead, wherever it is met.
#[test]
fn backslashes_get_a_hint() {
    let env = TestEnv::committed();
    let hint = format!("write it with `/`: results/{SECOND}");
    let windows = format!("results\\{}", SECOND.replace('/', "\\"));
    for args in [["select", &windows], ["validate", &windows], ["ingest", &windows]] {
        let refused = env.hook(args).fails(3);
        assert!(refused.stderr.contains(&hint), "{args:?}: {}", refused.stderr);
    }
    let params = fs::read_to_string(env.repo("params.yaml")).unwrap();
    fs::write(env.repo("params.yaml"), params.replace(&format!("results/{FIRST}"), &format!("'{windows}'"))).unwrap();
    assert!(env.hook(["validate"]).fails(1).stdout.replace("\n      ", " ").contains(&hint));
    assert!(env.hook(["ingest"]).fails(3).stderr.contains(&hint));
    assert!(env.hook(["status"]).both().contains(&hint));
    let stopped = env.git(["commit", "-qam", "Backslashes"]).fails(1);
    assert_snapshot!(env.screen(&stopped), @r"
    error: the selected run results\demo\run-20260105-041 does not exist
    hint: write it with `/`: results/demo/run-20260105-041
    ");
}

/// F8: To validate all runs where there is none is no success.
#[test]
fn validate_all_without_a_run_says_so() {
    let env = bare();
    let none = env.hook(["validate", "--all"]).fails(3);
    assert_snapshot!(env.screen(&none), @"
    error: no run in results
    hint: record one to <results_dir>/<experiment>/<run_id>/; see the directory with `capture-hook config get results_dir`
    ");
    let json: serde_json::Value =
        serde_json::from_str(&env.hook(["--json", "validate", "--all"]).fails(3).stderr).unwrap();
    assert_eq!(json["error"]["code"], "no_such_run");
    fs::write(env.repo("capture-hook.toml"), "results_dir = \"runs\"\n").unwrap();
    env.record("ok-head01");
    assert!(env.hook(["validate", "--all"]).fails(3).stderr.contains("no run in runs"));
}
