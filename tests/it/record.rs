//! The recorder: what it writes is what the current recorder writes, and a run is whole whenever its process ends.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use capture_hook::formats::json;
use capture_hook::formats::json::{JsonLayout, JsonObject, JsonValue};
use capture_hook::record::{EpisodeRow, GridPosition, RecordError, RecordMeta, RecordOptions, RunRecorder, StepRow};
use capture_hook::support::progress::NoProgress;
use capture_hook::validate;
use capture_hook::validate::ValidationReport;

use crate::env::{copy_dir, tree};

fn options(root: &Path) -> RecordOptions {
    let mut options = RecordOptions::new(root);
    options.experiment = Some("demo".into());
    options.run_id = Some("r1".into());
    options
}

/// One episode of a run.
struct Walk {
    number: u32,
    steps: i64,
    rewards: f64,
}

impl Walk {
    fn id(&self) -> String {
        format!("ep-{:06}", self.number)
    }

    fn step(&mut self, recorder: &RunRecorder, last: bool) -> Result<(), RecordError> {
        self.steps += 1;
        self.rewards += 0.1;
        let seen = [f64::from(self.number), if self.steps % 7 == 0 { f64::NAN } else { 1e-7 * self.steps as f64 }];
        recorder.append_step(&StepRow {
            ts: 1_767_225_600.0 + f64::from(self.number) * 100.0 + self.steps as f64 / 3.0,
            episode_id: &self.id(),
            step: self.steps,
            action: self.steps % 4,
            reward: 0.1,
            terminated: last,
            truncated: false,
            agent_position: GridPosition { x: self.steps, y: -self.steps },
            distance_to_goal: self.steps as f64 * 2f64.sqrt(),
            observation_summary: Some(&seen),
            seed: Some(i64::from(self.number)),
        })
    }

    fn end(&self, recorder: &RunRecorder) -> Result<(), RecordError> {
        recorder.append_episode(&EpisodeRow {
            episode_id: &self.id(),
            terminated: true,
            truncated: false,
            total_steps: self.steps,
            total_reward: self.rewards,
            final_position: GridPosition { x: self.steps, y: -self.steps },
            final_distance_to_goal: Some(self.steps as f64 * 2f64.sqrt()),
            duration_ms: Some(1.5),
            avg_step_time_ms: None,
        })
    }
}

fn walk(recorder: &RunRecorder, number: u32, steps: i64) {
    let mut walk = Walk { number, steps: 0, rewards: 0.0 };
    for step in 1..=steps {
        walk.step(recorder, step == steps).unwrap();
    }
    walk.end(recorder).unwrap();
}

fn meta() -> RecordMeta {
    RecordMeta {
        env_config: JsonObject::new().with_member("sigma", 12.0).with_member("grid", vec![64i64, 64]),
        ..RecordMeta::default()
    }
}

fn report(run: &Path) -> ValidationReport {
    validate::validate_run(run, "results/demo/r1", &validate::ValidateOptions::default(), &NoProgress).unwrap()
}

/// The lines of a stream, all shards in order.
fn lines(run: &Path, stem: &str) -> Vec<String> {
    let mut text = String::new();
    for name in tree(run).keys().filter(|name| name.starts_with(stem) && name.ends_with(".jsonl.gz")) {
        flate2::read::GzDecoder::new(File::open(run.join(name)).unwrap()).read_to_string(&mut text).unwrap();
    }
    text.lines().map(str::to_owned).collect()
}

#[test]
fn a_recorded_run_is_valid_complete_and_written_as_python_would() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = options(dir.path());
    options.rotate_size_bytes = Some(3000);
    let recorder = RunRecorder::create(options).unwrap();
    recorder.write_run_meta(&meta()).unwrap();
    for number in 1..=30 {
        walk(&recorder, number, 100);
    }
    let done = recorder.finalize_run(true).unwrap();
    assert_eq!(done.warnings, Vec::<String>::new());
    let run = recorder.root().to_path_buf();
    assert_eq!(run, dir.path().join("demo/r1"));
    let found = done.report.unwrap();
    assert!(found.ok && found.warnings.is_empty(), "{found:?}");
    assert_eq!((found.steps.rows, found.episodes.rows), (3000, 30));

    let names: Vec<String> = tree(&run).into_keys().collect();
    let shards = names.iter().filter(|name| name.starts_with("steps.part")).count();
    assert!(shards > 3 && names.contains(&"steps.part0001.jsonl.gz".to_owned()), "{names:?}");
    for name in
        ["episodes.jsonl.gz", "episodes.parquet", "manifest.json", "run.json", "steps.jsonl.gz", "steps.parquet"]
    {
        assert!(names.iter().any(|n| n == name), "{names:?}");
    }
    // The manifest agrees with the files, parquet included.
    let again = report(&run);
    assert!(again.ok && again.warnings.is_empty(), "{again:?}");
    let manifest = json::parse(&std::fs::read(run.join("manifest.json")).unwrap()).unwrap();
    let listed = manifest.get("files").and_then(JsonValue::as_array).unwrap();
    assert_eq!(listed.len(), names.len() - 1);

    // Each line is what Python's json.dumps(row, sort_keys=True) gives.
    let python = "import json, sys
for line in sys.stdin:
    assert json.dumps(json.loads(line), sort_keys=True) == line.rstrip('\\n'), line
    print(line, end='')";
    for stem in ["steps", "episodes"] {
        let text = lines(&run, stem).join("\n") + "\n";
        let mut child =
            Command::new("python3").args(["-c", python]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = text.clone();
        let feed = std::thread::spawn(move || std::io::Write::write_all(&mut stdin, input.as_bytes()));
        let output = child.wait_with_output().unwrap();
        feed.join().unwrap().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), text);
    }
    assert!(matches!(Walk { number: 99, steps: 0, rewards: 0.0 }.step(&recorder, false), Err(RecordError::Closed)));
}

#[test]
fn a_copy_taken_at_any_moment_is_a_whole_run() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = options(dir.path());
    options.flush_every = Duration::from_millis(2);
    options.rotate_size_bytes = Some(20_000);
    let recorder = RunRecorder::create(options).unwrap();
    recorder.write_run_meta(&meta()).unwrap();
    walk(&recorder, 1, 5);
    recorder.flush().unwrap();
    let stop = AtomicBool::new(false);
    let mut copies: BTreeMap<u64, u32> = BTreeMap::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 2..5000 {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                walk(&recorder, number, 1 + i64::from(number * 7 % 50));
                std::thread::sleep(Duration::from_micros(1000 + u64::from(number % 40) * 50));
            }
        });
        for round in 0..15 {
            std::thread::sleep(Duration::from_millis(3 + round % 5));
            let copy = tempfile::tempdir().unwrap();
            let run = copy.path().join("demo/r1");
            std::fs::create_dir_all(&run).unwrap();
            copy_dir(recorder.root(), &run);
            for (name, _) in tree(&run) {
                if name.ends_with(".gz") {
                    let mut all = Vec::new();
                    flate2::read::GzDecoder::new(File::open(run.join(&name)).unwrap())
                        .read_to_end(&mut all)
                        .unwrap_or_else(|e| panic!("{name}: {e}"));
                    assert!(all.is_empty() || all.ends_with(b"\n"), "{name}");
                }
            }
            *copies.entry(report(&run).steps.rows).or_default() += 1;
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(copies.len() > 4, "hardly anything was flushed meanwhile: {copies:?}");
    recorder.finalize_run(false).unwrap();
    assert!(report(recorder.root()).ok);
}

#[test]
fn a_recorder_opened_again_goes_on_and_touches_nothing_that_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let first = RunRecorder::create(options(dir.path())).unwrap();
    first.write_run_meta(&meta()).unwrap();
    walk(&first, 1, 10);
    first.finalize_run(false).unwrap();
    let before = tree(first.root());

    let second = RunRecorder::create(options(dir.path())).unwrap();
    walk(&second, 2, 20);
    let done = second.finalize_run(true).unwrap();
    let found = done.report.unwrap();
    assert!(found.ok && found.warnings.is_empty(), "{found:?}");
    assert_eq!((found.steps.rows, found.episodes.rows), (30, 2));
    let after = tree(second.root());
    for name in ["run.json", "steps.jsonl.gz", "episodes.jsonl.gz"] {
        assert_eq!(before[name], after[name], "{name}");
    }
    assert!(after.contains_key("steps.part0001.jsonl.gz"));
}

#[test]
fn rows_of_several_threads_are_all_there() {
    let dir = tempfile::tempdir().unwrap();
    let recorder = RunRecorder::create(options(dir.path())).unwrap();
    std::thread::scope(|scope| {
        for number in 0..4 {
            let recorder = &recorder;
            scope.spawn(move || walk(recorder, number, 5000));
        }
    });
    recorder.finalize_run(false).unwrap();
    let mut seen: BTreeMap<String, i64> = BTreeMap::new();
    for line in lines(recorder.root(), "steps") {
        let row = json::parse(line.as_bytes()).unwrap();
        let next = seen.entry(row.get("episode_id").and_then(JsonValue::as_str).unwrap().to_owned()).or_default();
        *next += 1;
        assert_eq!(row.get("step").and_then(JsonValue::as_i64), Some(*next));
    }
    assert_eq!(seen.into_values().collect::<Vec<_>>(), [5000; 4]);
}

#[test]
fn without_a_run_id_every_recorder_begins_a_run_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let recorders: Vec<RunRecorder> =
        (0..3).map(|_| RunRecorder::create(RecordOptions::new(dir.path())).unwrap()).collect();
    let mut roots: Vec<PathBuf> = recorders.iter().map(|r| r.root().to_path_buf()).collect();
    roots.dedup();
    assert_eq!(roots.len(), 3);
    assert!(roots.iter().all(|root| root.starts_with(dir.path().join("default"))));
    let mut unsafe_one = RecordOptions::new(dir.path());
    unsafe_one.run_id = Some("../x".into());
    assert!(matches!(RunRecorder::create(unsafe_one), Err(RecordError::Unsafe(_))));
}

#[test]
fn a_manifest_that_cannot_be_made_does_not_fail_the_capture() {
    let dir = tempfile::tempdir().unwrap();
    let recorder = RunRecorder::create(options(dir.path())).unwrap();
    walk(&recorder, 1, 10);
    // No run.json was written.
    let done = recorder.finalize_run(true).unwrap();
    assert!(done.manifest.is_none() && done.warnings.len() == 1, "{done:?}");
    assert_eq!(lines(recorder.root(), "steps").len(), 10);
}

#[test]
fn rows_with_fields_of_their_own_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let recorder = RunRecorder::create(options(dir.path())).unwrap();
    let at = JsonValue::Object(JsonObject::new().with_member("x", 1i64).with_member("y", 2i64));
    let common = || {
        JsonObject::new().with_member("episode_id", "e").with_member("terminated", true).with_member("truncated", false)
    };
    let step = common()
        .with_member("step", 1i64)
        .with_member("ts", 0.5)
        .with_member("action", 0i64)
        .with_member("reward", 0.25);
    let step = step.with_member("agent_position", at.clone()).with_member("distance_to_goal", 1.5);
    recorder.append_step_object(&step.with_member("ü", "\u{1f600}").with_member("a", f64::INFINITY)).unwrap();
    let episode =
        common().with_member("total_steps", 1i64).with_member("total_reward", 0.25).with_member("final_position", at);
    recorder.append_episode_object(&episode.with_member("schema_version", "1.0.0")).unwrap();
    recorder.finalize_run(false).unwrap();
    let expected = r#"{"a": Infinity, "action": 0, "agent_position": {"x": 1, "y": 2}, "distance_to_goal": 1.5, "episode_id": "e", "reward": 0.25, "run_id": "r1", "schema_version": "0.1", "step": 1, "terminated": true, "truncated": false, "ts": 0.5, "\u00fc": "\ud83d\ude00"}"#;
    assert_eq!(lines(recorder.root(), "steps"), [expected]);
    let row = json::parse(expected.as_bytes()).unwrap();
    assert_eq!(row.dump_with(JsonLayout::LINE), expected);
    let expected = r#"{"episode_id": "e", "final_position": {"x": 1, "y": 2}, "run_id": "r1", "schema_version": "1.0.0", "terminated": true, "total_reward": 0.25, "total_steps": 1, "truncated": false}"#;
    assert_eq!(lines(recorder.root(), "episodes"), [expected]);
}

/// The steps' file grew alone once 256 KiB were compressed: a process killed then left episodes without summaries.
#[test]
fn rows_that_come_fast_reach_the_disk_with_their_summaries() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = options(dir.path());
    options.flush_every = Duration::from_secs(3600);
    let recorder = RunRecorder::create(options).unwrap();
    recorder.write_run_meta(&meta()).unwrap();
    let mut seen = 0;
    for number in 1..=6000 {
        walk(&recorder, number, 7);
        if number % 1000 == 0 {
            // The thread has nothing left to do: what a kill would leave now.
            std::thread::sleep(Duration::from_millis(300));
            let found = report(recorder.root());
            if found.steps.rows > 0 {
                assert!(found.ok, "{found:?}");
            }
            seen = found.steps.rows;
        }
    }
    assert!(seen > 1000, "{seen}");
}

/// A row of declared columns is written as it is, and a missing value is refused by its rule.
#[test]
fn rows_of_declared_columns_get_nothing_added() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = options(dir.path());
    let declared = r#"{"format": 1, "steps": {"x": {"dtype": "float64"}}}"#;
    options.schema = json::parse(declared.as_bytes()).unwrap().as_object().cloned();
    let recorder = RunRecorder::create(options.clone()).unwrap();
    recorder.write_run_meta(&RecordMeta::default()).unwrap();
    let step = JsonObject::new()
        .with_member("episode_id", "e")
        .with_member("step", 1i64)
        .with_member("terminated", false)
        .with_member("truncated", true);
    let refused = recorder.append_step_object(&step).unwrap_err();
    assert!(
        matches!(&refused, RecordError::Refused { rule, .. } if rule.code.as_str() == "missing_field"),
        "{refused}"
    );
    recorder.append_step_object(&step.with_member("x", 0.5)).unwrap();
    let episode = r#"{"episode_id": "e", "terminated": false, "truncated": true, "total_steps": 1}"#;
    recorder.append_episode_object(json::parse(episode.as_bytes()).unwrap().as_object().unwrap()).unwrap();
    recorder.finalize_run(false).unwrap();
    let expected = r#"{"episode_id": "e", "step": 1, "terminated": false, "truncated": true, "x": 0.5}"#;
    assert_eq!(lines(recorder.root(), "steps"), [expected]);
    assert!(report(recorder.root()).ok);

    let declared = options.schema.take();
    let conflict = RunRecorder::create(options.clone()).err().unwrap();
    assert_eq!(conflict.to_string(), "cannot continue the run demo/r1: it has a schema, and none is given");
    // Beside rows of plume-nav-sim's format the file means nothing.
    options.run_id = Some("plume".into());
    let plume = RunRecorder::create(options.clone()).unwrap();
    plume.write_run_meta(&meta()).unwrap();
    std::fs::copy(recorder.root().join("schema.json"), plume.root().join("schema.json")).unwrap();
    drop(plume);
    assert!(RunRecorder::create(options.clone()).is_ok());
    options.schema = declared;
    let conflict = RunRecorder::create(options).err().unwrap();
    assert_eq!(conflict.to_string(), "cannot continue the run demo/plume: it was recorded without a schema");
}

/// What [`a_killed_recorder_leaves_a_valid_run`] runs in a process of its own: records until it is killed.
#[test]
fn the_recorder_that_gets_killed() {
    let Some(root) = std::env::var_os("CAPTURE_HOOK_TEST_KILLED_ROOT") else { return };
    let mut options = options(Path::new(&root));
    options.flush_every = Duration::from_millis(5);
    let recorder = RunRecorder::create(options).unwrap();
    recorder.write_run_meta(&meta()).unwrap();
    for number in 1..20_000 {
        walk(&recorder, number, 1 + i64::from(number * 13 % 90));
        std::thread::sleep(Duration::from_micros(u64::from(number % 10) * 100));
    }
}

#[test]
fn a_killed_recorder_leaves_a_valid_run() {
    let mut rows = 0;
    for round in 0..8u64 {
        let dir = tempfile::tempdir().unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "record::the_recorder_that_gets_killed"])
            .env("CAPTURE_HOOK_TEST_KILLED_ROOT", dir.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let run = dir.path().join("demo/r1");
        while std::fs::metadata(run.join("episodes.jsonl.gz")).map_or(0, |m| m.len()) < 100 {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(round * 7));
        child.kill().unwrap();
        child.wait().unwrap();
        let found = report(&run);
        assert!(found.ok, "{found:?}");
        rows += found.steps.rows;
    }
    assert!(rows > 500, "{rows}");
}
