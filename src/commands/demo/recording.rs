//! Records the demo's run with the library's own recorder, as a simulation would.

use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::commands::demo::plume::Plume;
use crate::error::{Error, ExitKind};
use crate::formats::json::{JsonObject, JsonValue};
use crate::record::{EpisodeRow, GridPosition, RecordMeta, RecordOptions, RunRecorder, StepRow};

const EPISODES: u32 = 12;
const PLUME: Plume = Plume { grid: (64, 64), source: (46, 40), sigma: 14.0, goal_radius: 1.0, max_steps: 150 };

/// Records the run of this seed below `root`, and gives its `<experiment>/<run_id>`.
pub fn record_run(root: &Path, seed: u32) -> Result<PathBuf, Error> {
    let mut options = RecordOptions::new(root);
    options.experiment = Some("demo".into());
    options.run_id = Some(format!("run-{seed:04}"));
    let target = root.join("demo").join(format!("run-{seed:04}"));
    if target.exists() {
        return Err(Error::new(ExitKind::Usage, "run_exists", format!("{} already exists", target.display()))
            .hint("choose another --seed: a recorded run is never changed"));
    }
    let recorder = RunRecorder::create(options)?;
    // A thousand apart, so that no episode of one run is in another.
    let seeds: Vec<i64> = (0..EPISODES).map(|n| i64::from(seed) * 1000 + i64::from(n)).collect();
    recorder.write_run_meta(&RecordMeta {
        env_config: env_config(),
        base_seed: seeds.first().copied(),
        episode_seeds: Some(seeds.clone()),
        package_version: Some(env!("CARGO_PKG_VERSION").into()),
        ..RecordMeta::default()
    })?;
    for (number, seed) in seeds.iter().enumerate() {
        record_episode(&recorder, &format!("ep-{:06}", number + 1), *seed)?;
    }
    let key = PathBuf::from(recorder.key().to_string());
    recorder.finalize_run(false)?;
    Ok(key)
}

fn env_config() -> JsonObject {
    let cells = |(x, y): (i64, i64)| JsonValue::Array(vec![x.into(), y.into()]);
    let plume = JsonObject::new().with_member("source_location", cells(PLUME.source)).with_member("sigma", PLUME.sigma);
    JsonObject::new()
        .with_member("grid_size", cells(PLUME.grid))
        .with_member("source_location", cells(PLUME.source))
        .with_member("max_steps", PLUME.max_steps)
        .with_member("goal_radius", PLUME.goal_radius)
        .with_member("enable_rendering", false)
        .with_member("plume_params", JsonValue::Object(plume))
}

fn record_episode(recorder: &RunRecorder, id: &str, seed: i64) -> Result<(), Error> {
    let started = Instant::now();
    // The seed comes from a `u32`, so it is never negative.
    let steps = PLUME.walk_episode(u64::try_from(seed).unwrap_or(0));
    let (mut number, mut total_reward) = (0, 0.0);
    for step in &steps {
        number += 1;
        total_reward += step.reward;
        recorder.append_step(&StepRow {
            ts: seconds_since_epoch(),
            episode_id: id,
            step: number,
            action: step.action,
            reward: step.reward,
            terminated: step.terminated,
            truncated: step.truncated,
            agent_position: GridPosition { x: step.position.0, y: step.position.1 },
            distance_to_goal: step.distance,
            observation_summary: Some(&[step.odor]),
            seed: Some(seed),
        })?;
    }
    // `max_steps` is above 0, so there always is a last step.
    let Some(last) = steps.last() else { return Ok(()) };
    let duration_ms = started.elapsed().as_secs_f64() * 1e3;
    recorder.append_episode(&EpisodeRow {
        episode_id: id,
        terminated: last.terminated,
        truncated: last.truncated,
        total_steps: number,
        total_reward,
        final_position: GridPosition { x: last.position.0, y: last.position.1 },
        final_distance_to_goal: Some(last.distance),
        duration_ms: Some(duration_ms),
        #[allow(clippy::cast_precision_loss)] // at most `max_steps`
        avg_step_time_ms: Some(duration_ms / number as f64),
    })?;
    Ok(())
}

fn seconds_since_epoch() -> f64 {
    // A clock that is set to before 1970 gives 0: the demo need not fail for it.
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64())
}
