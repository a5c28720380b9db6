//! Measures the stages of reading a run, each alone, with a hundred thousand steps: inflating, parsing rows,
//! validating; and what a call of the recorder costs. Whole commands are measured in `bench/`.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::path::PathBuf;
use std::sync::OnceLock;

use capture_hook::formats::json;
use capture_hook::formats::json::{JsonObject, JsonValue};
use capture_hook::record::{EpisodeRow, GridPosition, RecordMeta, RecordOptions, RunRecorder, StepRow};
use capture_hook::run::fast::FastParser;
use capture_hook::run::layout::{RunStream, STEPS};
use capture_hook::run::reader::{LineSource, StreamEvent};
use capture_hook::run::row::ParsedRow;
use capture_hook::run::schema::RunSchema;
use capture_hook::support::progress::NoProgress;
use capture_hook::validate;
use divan::counter::ItemsCount;

const EPISODES: u32 = 100;
const STEPS_EACH: i64 = 1000;
const ROWS: usize = 100_000;

fn main() {
    divan::main();
}

fn record(recorder: &RunRecorder) {
    // A linear congruential generator (Knuth's MMIX constants): the same rows on every machine.
    let mut state = 1u64;
    let mut random = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    for episode in 0..EPISODES {
        let id = format!("ep-{episode:06}");
        let (mut total, mut position) = (0.0, GridPosition::default());
        for step in 1..=STEPS_EACH {
            position = GridPosition { x: (random() * 64.0) as i64, y: (random() * 64.0) as i64 };
            total += -0.01;
            recorder
                .append_step(&StepRow {
                    ts: 1_767_225_600.0 + f64::from(episode) + step as f64 / 1000.0 + random() / 1e4,
                    episode_id: &id,
                    step,
                    action: step % 4,
                    reward: -0.01,
                    terminated: false,
                    truncated: step == STEPS_EACH,
                    agent_position: position,
                    distance_to_goal: random() * 50.0,
                    observation_summary: Some(&[random()]),
                    seed: Some(i64::from(episode)),
                })
                .unwrap();
        }
        recorder
            .append_episode(&EpisodeRow {
                episode_id: &id,
                terminated: false,
                truncated: true,
                total_steps: STEPS_EACH,
                total_reward: total,
                final_position: position,
                final_distance_to_goal: None,
                duration_ms: None,
                avg_step_time_ms: None,
            })
            .unwrap();
    }
}

/// Records the run that the stages are measured on, once.
fn run() -> PathBuf {
    // Recorded once: several stages read it.
    static RUN: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = RUN.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let recorder = RunRecorder::create(RecordOptions::new(dir.path())).unwrap();
        recorder.write_run_meta(&RecordMeta::default()).unwrap();
        record(&recorder);
        recorder.finalize_run(false).unwrap();
        let path = recorder.root().to_path_buf();
        (dir, path)
    });
    path.clone()
}

#[divan::bench(sample_count = 5)]
fn inflate_and_split(bencher: divan::Bencher) {
    let run = run();
    bencher.counter(ItemsCount::new(ROWS)).bench_local(|| {
        let mut source = LineSource::new(&run, [STEPS], false, &NoProgress);
        // The block is used again, like in the scan.
        let mut spare = Vec::new();
        let mut bytes = 0;
        while let Some(event) = source.next(std::mem::take(&mut spare)).unwrap() {
            if let StreamEvent::Lines(block) = event {
                bytes += block.len();
                spare = block;
            }
        }
        bytes
    });
}

#[divan::bench(sample_count = 5)]
fn read_rows(bencher: divan::Bencher) {
    let mut source = LineSource::new(&run(), [STEPS], false, &NoProgress);
    let mut text = Vec::new();
    while let Some(event) = source.next(Vec::new()).unwrap() {
        if let StreamEvent::Lines(block) = event {
            // All lines in memory, so that only parsing is measured.
            text.extend(block);
        }
    }
    bencher.counter(ItemsCount::new(ROWS)).bench_local(|| {
        let (mut parser, mut row) = (FastParser::new(RunSchema::plume(), RunStream::Steps), ParsedRow::default());
        text.split_inclusive(|b| *b == b'\n').filter(|line| parser.parse(line, &mut row).is_ok()).count()
    });
}

#[divan::bench(sample_count = 5)]
fn validate_run(bencher: divan::Bencher) {
    let run = run();
    bencher.counter(ItemsCount::new(ROWS)).bench_local(|| {
        validate::validate_run(&run, "run", &validate::ValidateOptions::default(), &NoProgress).unwrap().ok
    });
}

#[divan::bench(sample_count = 5)]
fn record_steps(bencher: divan::Bencher) {
    bencher.counter(ItemsCount::new(ROWS)).with_inputs(|| tempfile::tempdir().unwrap()).bench_local_values(|dir| {
        let recorder = RunRecorder::create(RecordOptions::new(dir.path())).unwrap();
        record(&recorder);
        // Includes compressing and writing all rows.
        recorder.flush().unwrap();
        dir
    });
}

/// The cost of `append_step` for its caller while the compressor keeps up: formatting the row.
#[divan::bench(sample_count = 20)]
fn append_step(bencher: divan::Bencher) {
    let dir = tempfile::tempdir().unwrap();
    let recorder = RunRecorder::create(RecordOptions::new(dir.path())).unwrap();
    let step = StepRow {
        ts: 1_767_225_600.123_456,
        episode_id: "ep-000001",
        step: 17,
        action: 2,
        reward: -0.01,
        terminated: false,
        truncated: false,
        agent_position: GridPosition { x: 14, y: 19 },
        distance_to_goal: 18.439_088_914_585_774,
        observation_summary: Some(&[0.653_769_791_126_251_2]),
        seed: Some(42),
    };
    bencher.counter(ItemsCount::new(1000usize)).bench_local(|| {
        for _ in 0..1000 {
            recorder.append_step(&step).unwrap();
        }
    });
}

#[divan::bench]
fn config_hash(bencher: divan::Bencher) {
    let mut config = JsonObject::new();
    for i in 0..200i64 {
        let inner = JsonObject::new()
            .with_member("sigma", i as f64 * 1e-7)
            .with_member("grid", vec![i, i])
            .with_member("näme", "é😀");
        config.insert(format!("key{}", i * 7919 % 200), inner);
    }
    let text = JsonValue::Object(config).to_canonical();
    bencher.bench_local(|| json::parse(text.as_bytes()).unwrap().config_hash());
}
