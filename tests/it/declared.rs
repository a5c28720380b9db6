//! Runs that declare their columns: interleaved episodes, resets, derived summaries, files that episodes name, and what is
//! wrong with runs that are not what they declare.

use std::fs;
use std::path::Path;

use capture_hook::support::progress::NoProgress;
use capture_hook::validate;
use capture_hook::validate::{Code, ValidateOptions, ValidationReport};
use insta::assert_snapshot;

use crate::env::{TestEnv, run_command, write_gzip};

const RUN: &str =
    r#"{"schema_version": "2", "run_id": "r1", "experiment": "mine", "start_time": "2026-11-27T00:00:00Z"}"#;

const SCHEMA: &str = r#"{"format": 1, "reset_rows": true,
    "steps": {
        "agent": {"dtype": "string"},
        "reward": {"dtype": "float64"},
        "x": {"dtype": "float32", "path": "observation[0]", "min": -2},
        "v": {"dtype": "float32", "path": "observation[1]"},
        "mode": {"dtype": "string", "enum": ["walk", "run"], "path": "info.mode", "nullable": true}
    },
    "episodes": {
        "peak": {"dtype": "float32", "equals": "max(v)"},
        "start": {"dtype": "float32", "equals": "first(x)"},
        "end": {"dtype": "float32", "equals": "last(x)"}
    }}"#;

/// A run in the making.
#[derive(Clone)]
struct Draft {
    run: String,
    schema: Option<String>,
    steps: Vec<String>,
    episodes: Option<Vec<String>>,
}

impl Draft {
    /// Two agents, whose rows alternate: a reset and three steps each.
    fn new() -> Self {
        let mut steps = Vec::new();
        for step in 0..4 {
            for agent in ["a", "b"] {
                let (reward, mode) = if step == 0 { ("", "{}") } else { (", \"reward\": 0.5", "{\"mode\": \"run\"}") };
                steps.push(format!(
                    "{{\"episode_id\": \"e\", \"agent\": \"{agent}\", \"step\": {step}, \"terminated\": {}, \"truncated\": \
                     false{reward}, \"observation\": [{step}.1, -{step}.5], \"info\": {mode}}}",
                    step == 3
                ));
            }
        }
        let summary = |agent: &str| {
            format!(
                "{{\"episode_id\": \"e\", \"agent\": \"{agent}\", \"terminated\": true, \"truncated\": false, \"total_steps\": \
                 3, \"total_reward\": 1.5, \"peak\": -1.5, \"start\": 0.1, \"end\": 3.1}}"
            )
        };
        let episodes = Some(vec![summary("b"), summary("a")]);
        Self { run: RUN.into(), schema: Some(SCHEMA.into()), steps, episodes }
    }

    fn schema(mut self, from: &str, to: &str) -> Self {
        self.schema = self.schema.map(|schema| {
            assert!(schema.contains(from), "{from}");
            schema.replacen(from, to, 1)
        });
        self
    }

    fn step(mut self, at: usize, from: &str, to: &str) -> Self {
        assert!(self.steps[at].contains(from), "{}", self.steps[at]);
        self.steps[at] = self.steps[at].replacen(from, to, 1);
        self
    }

    fn episode(mut self, from: &str, to: &str) -> Self {
        for episode in self.episodes.iter_mut().flatten().take(1) {
            assert!(episode.contains(from), "{episode}");
            *episode = episode.replacen(from, to, 1);
        }
        self
    }

    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn write(&self, dir: &Path) {
        fs::create_dir_all(dir).unwrap();
        fs::write(dir.join("run.json"), &self.run).unwrap();
        if let Some(schema) = &self.schema {
            fs::write(dir.join("schema.json"), schema).unwrap();
        }
        write_gzip(&dir.join("steps.jsonl.gz"), &(self.steps.join("\n") + "\n"));
        if let Some(episodes) = &self.episodes {
            write_gzip(&dir.join("episodes.jsonl.gz"), &(episodes.join("\n") + "\n"));
        }
    }

    fn report(&self) -> ValidationReport {
        let dir = tempfile::tempdir().unwrap();
        self.write(&dir.path().join("mine/r1"));
        report_of(&dir.path().join("mine/r1"))
    }

    fn codes(&self) -> Vec<&'static str> {
        let report = self.report();
        report.errors.iter().chain(&report.warnings).map(|code| code.as_str()).collect()
    }
}

fn report_of(dir: &Path) -> ValidationReport {
    validate::validate_run(dir, "results/mine/r1", &ValidateOptions::default(), &NoProgress).unwrap()
}

#[test]
fn interleaved_episodes_of_several_agents_are_valid() {
    let report = Draft::new().report();
    assert_eq!((report.ok, report.findings), (true, vec![]));
    assert_eq!((report.steps.rows, report.episodes.rows), (8, 2));
}

/// One fault gives one code.
#[test]
fn each_fault_has_its_code() {
    let draft = Draft::new;
    let cases: Vec<(Draft, &[&str])> = vec![
        (draft().with(|run| run.schema = None), &["missing_schema"]),
        (draft().schema("\"format\": 1", "\"format\": 3"), &["invalid_schema"]),
        (draft().schema("float32", "float33"), &["invalid_schema"]),
        (draft().with(|run| run.run = RUN.replace("\"2\"", "\"3\"")), &["unsupported_schema_version"]),
        (draft().step(2, "\"step\": 1", "\"step\": 1, \"schema_version\": \"0.1\""), &["unsupported_schema_version"]),
        (draft().step(2, "\"step\": 1", "\"step\": 1, \"run_id\": \"other\""), &["run_id_mismatch"]),
        (draft().step(2, "[1.1, -1.5]", "[1.1]"), &["wrong_shape"]),
        (draft().step(2, "[1.1, -1.5]", "[1.1, -1.5, 2]"), &["wrong_shape"]),
        (draft().step(2, "[1.1, -1.5]", "{}"), &["wrong_type"]),
        (draft().step(2, "[1.1, -1.5]", "null"), &["wrong_type"]),
        (draft().step(2, "\"observation\": [1.1, -1.5], ", ""), &["missing_field"]),
        (draft().step(4, "[2.1", "[-2.1"), &["out_of_range"]),
        (draft().step(4, "2.1", "1e39"), &["out_of_range"]),
        (draft().step(4, "2.1", "NaN"), &["non_finite"]),
        (draft().step(4, "\"run\"", "\"fly\""), &["out_of_range"]),
        (draft().step(4, "\"mode\"", "\"mood\""), &["unknown_field"]),
        (draft().step(4, "\"info\": {\"mode\": \"run\"}", "\"info\": null"), &[]),
        (draft().step(4, ", \"info\": {\"mode\": \"run\"}", ""), &[]),
        (draft().step(2, ", \"reward\": 0.5", ""), &["missing_field"]),
        (draft().schema("\"reset_rows\": true", "\"reset_rows\": false"), &["out_of_range"]),
        (draft().with(|run| drop(run.steps.drain(..2))), &["step_sequence"]),
        (draft().with(|run| drop(run.steps.remove(3))), &["step_sequence"]),
        (draft().with(|run| run.steps.swap(2, 4)), &["step_sequence"]),
        (draft().with(|run| run.steps.push(run.steps[0].clone())), &["duplicate_episode"]),
        (draft().with(|run| run.steps.push(run.steps[7].replace("\"step\": 3", "\"step\": 4"))), &["steps_after_end"]),
        (draft().with(|run| run.episodes.iter_mut().for_each(|all| all.push(all[0].clone()))), &["duplicate_episode"]),
        (draft().episode("\"total_steps\": 3", "\"total_steps\": 4"), &["episode_steps_mismatch"]),
        (draft().episode("1.5", "2.5"), &["episode_reward_mismatch"]),
        (draft().episode("\"peak\": -1.5", "\"peak\": -0.5"), &["episode_summary_mismatch"]),
        (draft().episode("\"start\": 0.1", "\"start\": 1.1"), &["episode_summary_mismatch"]),
        (draft().episode("\"end\": 3.1", "\"end\": 2.1"), &["episode_final_mismatch"]),
        (draft().episode("\"terminated\": true", "\"terminated\": false"), &["episode_final_mismatch"]),
        (draft().episode("\"agent\": \"b\"", "\"agent\": \"c\""), &["episode_without_steps", "steps_without_episode"]),
        (draft().with(|run| run.episodes.iter_mut().for_each(|all| all.truncate(1))), &["steps_without_episode"]),
        (draft().with(|run| run.steps.truncate(7)), &["episode_steps_mismatch"]),
        (draft().with(|run| run.run = "{".into()), &["invalid_run_json"]),
        (draft().schema("observation[1]", "terminated"), &["invalid_schema"]),
        (draft().schema("observation[1]", "observation[1]]"), &["invalid_schema"]),
        (draft().step(0, "\"step\": 0", "\"step\": -1"), &["out_of_range"]),
        (draft().step(0, "[0.1,", "[\"bad\","), &["wrong_type"]),
        (draft().step(0, "\"agent\": \"a\", ", ""), &["missing_field"]),
        (draft().step(0, "0.1", "18446744073709551616"), &["episode_summary_mismatch"]),
        (
            draft().with(|run| {
                run.steps.clear();
                run.episodes = None;
            }),
            &["no_steps"],
        ),
    ];
    for (draft, expected) in cases {
        let findings = draft.report().findings;
        let messages: Vec<&str> = findings.iter().map(|finding| finding.message.as_str()).collect();
        assert_eq!(draft.codes(), expected, "{messages:#?}\n{:?}\n{:?}", draft.steps, draft.episodes);
    }
}

/// plume-nav-sim's runs do not declare their columns: a `schema.json` beside them is no file of the run.
#[test]
fn a_schema_beside_a_run_of_another_version_is_left_out() {
    let env = TestEnv::empty();
    env.record_as("ok-head01", "demo/r1");
    let dir = env.repo("results/demo/r1");
    fs::write(dir.join("schema.json"), "no JSON").unwrap();
    let report = validate::validate_run(&dir, "results/demo/r1", &ValidateOptions::default(), &NoProgress).unwrap();
    assert_eq!((report.errors, report.warnings), (vec![], vec![Code::UnrecognizedFile]));
}

/// Without episodes the summaries are made of the steps; a column that nothing makes is said.
#[test]
fn summaries_are_made_of_the_steps() {
    let env = TestEnv::committed_native();
    let draft = Draft::new().with(|run| run.episodes = None);
    draft.write(&env.repo("results/mine/r1"));
    env.commit_run("mine/r1");
    let query = |file: &str, columns: &str| {
        let script = format!(
            "import pyarrow.parquet as pq\nfor row in pq.read_table('{file}', columns='{columns}'.split()).to_pylist(): \
             print(*row.values())"
        );
        let python = crate::tools::newest_readers().join("python");
        let mut command = env.command(python, "repo");
        run_command(command.args(["-c", &script])).ok().stdout
    };
    let folder = "data/captures/mine/r1";
    assert_snapshot!(
        query(&format!("{folder}/episodes.parquet"), "episode_id agent episode_index total_steps total_reward peak start end"),
        @r"
    e a 0 3 1.5 -1.5 0.10000000149011612 3.0999999046325684
    e b 1 3 1.5 -1.5 0.10000000149011612 3.0999999046325684
    "
    );
    assert_snapshot!(query(&format!("{folder}/steps.parquet"), "agent episode_index step reward x mode"), @r"
    a 0 0 None 0.10000000149011612 None
    b 1 0 None 0.10000000149011612 None
    a 0 1 0.5 1.100000023841858 run
    b 1 1 0.5 1.100000023841858 run
    a 0 2 0.5 2.0999999046325684 run
    b 1 2 0.5 2.0999999046325684 run
    a 0 3 0.5 3.0999999046325684 run
    b 1 3 0.5 3.0999999046325684 run
    ");
    let needed = draft.schema("\"end\"", "\"note\": {\"dtype\": \"string\"}, \"end\"");
    assert_eq!(needed.codes(), ["missing_episodes_jsonl_gz"]);
    assert!(needed.report().findings[0].message.contains("`note` cannot be made of the steps"));
}

#[test]
fn a_committed_run_without_summaries_is_verified() {
    let env = TestEnv::committed_native();
    let schema = "{\"format\": 1, \"steps\": {\"x\": {\"dtype\": \"float64\"}}}\n";
    env.record_declared("sweep/r1", Some(schema), &["\"x\": 0.5", "\"x\": 1.5"]);
    env.commit_run("sweep/r1");
    env.hook(["verify"]).ok();
}

/// A file that an episode names goes into the dataset with the run; one that is not there, or is elsewhere, is an error.
#[test]
fn files_that_episodes_name_go_with_the_run() {
    let env = TestEnv::committed_native();
    let dir = env.repo("results/mine/r1");
    let draft = Draft::new().schema("\"peak\"", "\"video\": {\"dtype\": \"file\", \"nullable\": true}, \"peak\"");
    draft.clone().episode("\"peak\"", "\"video\": \"videos/e b.mp4\", \"peak\"").write(&dir);
    let report = report_of(&dir);
    assert_eq!(report.errors, [Code::MissingFile]);
    assert_snapshot!(report.findings[0].message, @"`video` names `videos/e b.mp4`, which is not a file in the run's directory");
    fs::create_dir(dir.join("videos")).unwrap();
    fs::write(dir.join("videos/e b.mp4"), "film").unwrap();
    fs::write(dir.join("videos/other.mp4"), "film").unwrap();
    let report = report_of(&dir);
    assert_eq!((report.errors, report.warnings), (vec![], vec![Code::UnrecognizedFile]));
    env.commit_run("mine/r1");
    assert_eq!(fs::read(env.repo("data/captures/mine/r1/videos/e b.mp4")).unwrap(), b"film");
    assert!(!env.repo("data/captures/mine/r1/videos/other.mp4").exists());
    assert!(env.repo("data/captures/mine/r1/schema.json").exists());
    env.assert_committed();
    for path in ["../r2/run.json", "/etc/passwd", "run.json", "videos", "steps.jsonl.gz"] {
        let dir = tempfile::tempdir().unwrap();
        let run = draft.clone().episode("\"peak\"", &format!("\"video\": \"{path}\", \"peak\""));
        run.write(dir.path());
        assert_eq!(report_of(dir.path()).errors, [Code::MissingFile], "{path}");
    }
}

/// A run cannot name so many files that their names fill the memory.
#[test]
fn a_run_names_no_more_files_than_can_be_listed() {
    const MOST: usize = 65_536;
    let end = "\"terminated\": true, \"truncated\": false";
    let steps = (0..=MOST).map(|n| format!("{{\"episode_id\": \"e{n}\", \"step\": 1, {end}}}")).collect();
    let summary = |n| format!("{{\"episode_id\": \"e{n}\", {end}, \"total_steps\": 1, \"video\": \"v/{n}.mp4\"}}");
    let schema = r#"{"format": 1, "steps": {}, "episodes": {"video": {"dtype": "file"}}}"#;
    let draft = Draft {
        run: RUN.into(),
        schema: Some(schema.into()),
        steps,
        episodes: Some((0..=MOST).map(summary).collect()),
    };
    let report = draft.report();
    assert_eq!(report.errors, [Code::MissingFile, Code::OutOfRange]);
    let counts = |code| report.findings.iter().find(|finding| finding.code == code).unwrap().count;
    assert_eq!((counts(Code::MissingFile), counts(Code::OutOfRange)), (MOST as u64, 1));
}
