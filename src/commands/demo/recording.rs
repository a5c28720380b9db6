//! Records the demo's run with the library's own recorder, as a simulation would.

use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::commands::demo::plume::Plume;
use crate::error::{Error, ExitKind};
use crate::formats::json::{Object, Value};
use crate::record::{Episode, Meta, Options, Position, RunRecorder, Step};

const EPISODES: u32 = 12;
const PLUME: Plume = Plume { grid: (64, 64), source: (46, 40), sigma: 14.0, goal_radius: 1.0, max_steps: 150 };

/// Records the run of this seed below `root`, and gives its `<experiment>/<run_id>`.
pub fn record(root: &Path, seed: u32) -> Result<PathBuf, Error> {
    let mut options = Options::new(root);
    options.experiment = Some("demo".into());
    options.run_id = Some(format!("run-{seed:04}"));
    let target = root.join("demo").join(format!("run-{seed:04}"));
    if target.exists() {
        return Err(Error::new(ExitKind::Usage, "run_exists", format!("{} is there already", target.display()))
            .hint("a recorded run is never changed: choose another --seed"));
    }
    let recorder = RunRecorder::create(options)?;
    let seeds: Vec<i64> = (0..EPISODES).map(|n| i64::from(seed) * 1000 + i64::from(n)).collect();
    recorder.write_run_meta(&Meta {
        env_config: configuration(),
        base_seed: seeds.first().copied(),
        episode_seeds: Some(seeds.clone()),
        package_version: Some(env!("CARGO_PKG_VERSION").into()),
        ..Meta::default()
    })?;
    for (number, seed) in seeds.iter().enumerate() {
        episode(&recorder, &format!("ep-{:06}", number + 1), *seed)?;
    }
    let key = PathBuf::from(recorder.key().to_string());
    recorder.finalize(false)?;
    Ok(key)
}

fn configuration() -> Object {
    let cells = |(x, y): (i64, i64)| Value::Array(vec![x.into(), y.into()]);
    let plume = Object::new().with("source_location", cells(PLUME.source)).with("sigma", PLUME.sigma);
    Object::new()
        .with("grid_size", cells(PLUME.grid))
        .with("source_location", cells(PLUME.source))
        .with("max_steps", PLUME.max_steps)
        .with("goal_radius", PLUME.goal_radius)
        .with("enable_rendering", false)
        .with("plume_params", Value::Object(plume))
}

fn episode(recorder: &RunRecorder, id: &str, seed: i64) -> Result<(), Error> {
    let started = Instant::now();
    let steps = PLUME.episode(u64::try_from(seed).unwrap_or(0));
    let (mut number, mut total_reward) = (0, 0.0);
    for step in &steps {
        number += 1;
        total_reward += step.reward;
        recorder.append_step(&Step {
            ts: seconds_since_epoch(),
            episode_id: id,
            step: number,
            action: step.action,
            reward: step.reward,
            terminated: step.terminated,
            truncated: step.truncated,
            agent_position: Position { x: step.position.0, y: step.position.1 },
            distance_to_goal: step.distance,
            observation_summary: Some(&[step.odor]),
            seed: Some(seed),
        })?;
    }
    let Some(last) = steps.last() else { return Ok(()) };
    let duration_ms = started.elapsed().as_secs_f64() * 1e3;
    recorder.append_episode(&Episode {
        episode_id: id,
        terminated: last.terminated,
        truncated: last.truncated,
        total_steps: number,
        total_reward,
        final_position: Position { x: last.position.0, y: last.position.1 },
        final_distance_to_goal: Some(last.distance),
        duration_ms: Some(duration_ms),
        #[allow(clippy::cast_precision_loss)] // at most `max_steps`
        avg_step_time_ms: Some(duration_ms / number as f64),
    })?;
    Ok(())
}

fn seconds_since_epoch() -> f64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64())
}
