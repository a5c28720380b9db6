//! Measures writing parquet from batches in memory, for a million steps. Reading and validating are in `stages`.

#![allow(clippy::unwrap_used)]

use capture_hook::columnar::StepsFile;
use capture_hook::run::RunKey;
use capture_hook::run::rows::{EpisodeSpan, StepRows, Values, empty_columns};
use capture_hook::run::schema::{RunSchema, SchemaVersion};

// The size of the scan's batches.
const BATCH: usize = 8192;
const STEPS: usize = 1 << 20;
const EPISODE: usize = 1000;

fn main() {
    divan::main();
}

/// Makes the steps of a run like that of `bench/make_run.py`, in batches.
fn batches() -> Vec<StepRows> {
    // A linear congruential generator (Knuth's MMIX constants): the same rows on every machine.
    let mut state = 1u64;
    let mut random = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    let (mut x, mut y, mut ts) = (32i64, 32i64, 1_767_225_600.0);
    let schema = RunSchema::plume();
    let step = |row: usize| row % EPISODE;
    (0..STEPS / BATCH)
        .map(|b| {
            let mut rows = StepRows { columns: empty_columns(&schema.steps), ..StepRows::default() };
            for row in b * BATCH..(b + 1) * BATCH {
                let action = (random() * 4.0) as i64;
                x = (x + i64::from(action == 0) - i64::from(action == 1)).clamp(0, 63);
                y = (y + i64::from(action == 2) - i64::from(action == 3)).clamp(0, 63);
                ts += random() / 1000.0;
                let episode = (row / EPISODE) as i64;
                match rows.episodes.last_mut() {
                    Some(span) if span.episode_index == episode => span.rows += 1,
                    _ => rows.episodes.push(EpisodeSpan {
                        episode_id: format!("ep-{episode:06}"),
                        episode_index: episode,
                        rows: 1,
                    }),
                }
                rows.schema_version.push(SchemaVersion::V0_1);
                rows.step.push(step(row) as i64 + 1);
                rows.terminated.push(false);
                rows.truncated.push(step(row) == EPISODE - 1);
                rows.extra.push("");
                for (column, values) in schema.steps.columns.iter().zip(&mut rows.columns) {
                    match (column.name.as_str(), &mut values.values) {
                        ("ts", Values::Float(values)) => values.push(ts),
                        ("reward", Values::Float(values)) => values.push(-0.01),
                        ("distance_to_goal", Values::Float(values)) => {
                            values.push((((x - 32).pow(2) + (y - 32).pow(2)) as f64).sqrt());
                        }
                        (_, Values::Float(values)) => values.push(random()),
                        ("action", Values::Int(values)) => values.push(action),
                        ("agent_x", Values::Int(values)) => values.push(x),
                        ("agent_y", Values::Int(values)) => values.push(y),
                        (_, Values::Int(values)) => values.push(episode),
                        _ => {}
                    }
                    let end = values.values.len();
                    values.ends.iter_mut().for_each(|ends| ends.push(end));
                }
            }
            rows
        })
        .collect()
}

#[divan::bench(sample_count = 5)]
fn a_million_steps_to_parquet(bencher: divan::Bencher) {
    let batches = batches();
    let key = RunKey::new("big", "run-20260101-000000").unwrap();
    bencher.counter(divan::counter::ItemsCount::new(STEPS)).bench_local(|| {
        let mut file = StepsFile::new(&key, &RunSchema::plume(), Vec::new()).unwrap();
        for batch in &batches {
            file.write(batch).unwrap();
        }
        file.finish().unwrap().len()
    });
}
