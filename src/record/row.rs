//! Rows as the current recorder writes them, byte for byte: `json.dumps(row, sort_keys=True)`, one line each. Values
//! are not checked here.

use std::io::Write;

use crate::formats::json::{JsonLayout, JsonObject, JsonValue, write_f64, write_str};

/// One step of an episode.
#[derive(Debug, Clone, Copy)]
pub struct StepRow<'a> {
    /// The time of the step, in seconds since the Unix epoch.
    pub ts: f64,
    /// The episode's id, by convention `ep-000001` and on.
    pub episode_id: &'a str,
    /// The number in the episode, from 1.
    pub step: i64,
    /// The action taken.
    pub action: i64,
    /// The reward.
    pub reward: f64,
    /// The episode reached its end with this step.
    pub terminated: bool,
    /// The episode was cut off with this step.
    pub truncated: bool,
    /// The agent's position, in cells.
    pub agent_position: GridPosition,
    /// The distance to the goal, in cells.
    pub distance_to_goal: f64,
    /// What the agent observed; NaN and infinities are allowed.
    pub observation_summary: Option<&'a [f64]>,
    /// The episode's seed.
    pub seed: Option<i64>,
}

/// A finished episode.
#[derive(Debug, Clone, Copy)]
pub struct EpisodeRow<'a> {
    /// The episode's id.
    pub episode_id: &'a str,
    /// It reached its end.
    pub terminated: bool,
    /// It was cut off.
    pub truncated: bool,
    /// The number of its steps.
    pub total_steps: i64,
    /// Sum of the rewards.
    pub total_reward: f64,
    /// The agent's last position, in cells.
    pub final_position: GridPosition,
    /// The last distance to the goal, in cells.
    pub final_distance_to_goal: Option<f64>,
    /// The duration of the episode, in milliseconds.
    pub duration_ms: Option<f64>,
    /// The mean duration of a step, in milliseconds.
    pub avg_step_time_ms: Option<f64>,
}

/// A cell of the grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GridPosition {
    /// Column.
    pub x: i64,
    /// Row.
    pub y: i64,
}

/// The fields that every row of a run shares, ready to be copied.
pub(super) struct CommonFields {
    /// `"run_id": "…", "schema_version": "…"`, as JSON.
    ids: Vec<u8>,
    pub(super) run_id: String,
    pub(super) schema_version: String,
}

impl CommonFields {
    pub(super) fn new(run_id: &str, schema_version: &str) -> Self {
        let mut ids = b"\"run_id\": ".to_vec();
        write_str(&mut ids, run_id);
        ids.extend_from_slice(b", \"schema_version\": ");
        write_str(&mut ids, schema_version);
        Self { ids, run_id: run_id.into(), schema_version: schema_version.into() }
    }

    pub(super) fn write_step(&self, out: &mut Vec<u8>, row: &StepRow<'_>) {
        // For speed the keys are written in sorted order by hand, without building an object.
        out.extend_from_slice(b"{\"action\": ");
        write_int(out, row.action);
        out.extend_from_slice(b", \"agent_position\": ");
        write_position(out, row.agent_position);
        out.extend_from_slice(b", \"distance_to_goal\": ");
        write_f64(out, row.distance_to_goal);
        out.extend_from_slice(b", \"episode_id\": ");
        write_str(out, row.episode_id);
        out.extend_from_slice(b", \"observation_summary\": ");
        match row.observation_summary {
            Some(values) => {
                out.push(b'[');
                for (i, value) in values.iter().enumerate() {
                    out.extend_from_slice(if i > 0 { b", " } else { b"" });
                    write_f64(out, *value);
                }
                out.push(b']');
            }
            None => out.extend_from_slice(b"null"),
        }
        out.extend_from_slice(b", \"reward\": ");
        write_f64(out, row.reward);
        out.extend_from_slice(b", ");
        out.extend_from_slice(&self.ids);
        out.extend_from_slice(b", \"seed\": ");
        match row.seed {
            Some(seed) => write_int(out, seed),
            None => out.extend_from_slice(b"null"),
        }
        out.extend_from_slice(b", \"step\": ");
        write_int(out, row.step);
        out.extend_from_slice(b", \"terminated\": ");
        write_bool(out, row.terminated);
        out.extend_from_slice(b", \"truncated\": ");
        write_bool(out, row.truncated);
        out.extend_from_slice(b", \"ts\": ");
        write_f64(out, row.ts);
        out.extend_from_slice(b"}\n");
    }

    pub(super) fn write_episode(&self, out: &mut Vec<u8>, row: &EpisodeRow<'_>) {
        out.extend_from_slice(b"{\"avg_step_time_ms\": ");
        write_optional(out, row.avg_step_time_ms);
        out.extend_from_slice(b", \"duration_ms\": ");
        write_optional(out, row.duration_ms);
        out.extend_from_slice(b", \"episode_id\": ");
        write_str(out, row.episode_id);
        out.extend_from_slice(b", \"final_distance_to_goal\": ");
        write_optional(out, row.final_distance_to_goal);
        out.extend_from_slice(b", \"final_position\": ");
        write_position(out, row.final_position);
        out.extend_from_slice(b", ");
        out.extend_from_slice(&self.ids);
        out.extend_from_slice(b", \"terminated\": ");
        write_bool(out, row.terminated);
        out.extend_from_slice(b", \"total_reward\": ");
        write_f64(out, row.total_reward);
        out.extend_from_slice(b", \"total_steps\": ");
        write_int(out, row.total_steps);
        out.extend_from_slice(b", \"truncated\": ");
        write_bool(out, row.truncated);
        out.extend_from_slice(b"}\n");
    }

    /// Writes a row with any fields; a missing `run_id` or `schema_version` is added.
    pub(super) fn write_object(&self, out: &mut Vec<u8>, row: &JsonObject) {
        let mut row = row.clone();
        for (key, value) in [("run_id", &self.run_id), ("schema_version", &self.schema_version)] {
            if row.get(key).is_none() {
                row.insert(key, value.as_str());
            }
        }
        out.extend_from_slice(JsonValue::Object(row).dump_with(JsonLayout::LINE).as_bytes());
        out.push(b'\n');
    }
}

fn write_position(out: &mut Vec<u8>, position: GridPosition) {
    out.extend_from_slice(b"{\"x\": ");
    write_int(out, position.x);
    out.extend_from_slice(b", \"y\": ");
    write_int(out, position.y);
    out.push(b'}');
}

fn write_optional(out: &mut Vec<u8>, value: Option<f64>) {
    match value {
        Some(value) => write_f64(out, value),
        None => out.extend_from_slice(b"null"),
    }
}

fn write_int(out: &mut Vec<u8>, value: i64) {
    // Writing to memory cannot fail.
    let _ = write!(out, "{value}");
}

fn write_bool(out: &mut Vec<u8>, value: bool) {
    out.extend_from_slice(if value { b"true" } else { b"false" });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_those_of_the_current_recorder() {
        let common = CommonFields::new("run-20261124-021550", "0.1");
        let mut out = Vec::new();
        common.write_step(
            &mut out,
            &StepRow {
                ts: 1_795_486_550.153_258,
                episode_id: "ep-000002",
                step: 1,
                action: 2,
                reward: -0.01,
                terminated: false,
                truncated: false,
                agent_position: GridPosition { x: 1, y: 15 },
                distance_to_goal: 18.439_088_914_585_774,
                observation_summary: Some(&[0.653_769_791_126_251_2, f64::NAN]),
                seed: Some(42),
            },
        );
        let expected = r#"{"action": 2, "agent_position": {"x": 1, "y": 15}, "distance_to_goal": 18.439088914585774, "episode_id": "ep-000002", "observation_summary": [0.6537697911262512, NaN], "reward": -0.01, "run_id": "run-20261124-021550", "schema_version": "0.1", "seed": 42, "step": 1, "terminated": false, "truncated": false, "ts": 1795486550.153258}"#;
        assert_eq!(String::from_utf8_lossy(&out), format!("{expected}\n"));
        let mut again = Vec::new();
        if let Ok(JsonValue::Object(object)) = crate::formats::json::parse(expected.as_bytes()) {
            common.write_object(&mut again, &object);
        }
        assert_eq!(again, out);
    }

    #[test]
    fn an_episode_is_that_of_the_current_recorder() {
        let mut out = Vec::new();
        CommonFields::new("run-20261124-021550", "0.1").write_episode(
            &mut out,
            &EpisodeRow {
                episode_id: "ep-000001",
                terminated: true,
                truncated: false,
                total_steps: 1,
                total_reward: 1.0,
                final_position: GridPosition { x: 14, y: 19 },
                final_distance_to_goal: Some(5.0),
                duration_ms: Some(0.209_472_656_25),
                avg_step_time_ms: None,
            },
        );
        let expected = r#"{"avg_step_time_ms": null, "duration_ms": 0.20947265625, "episode_id": "ep-000001", "final_distance_to_goal": 5.0, "final_position": {"x": 14, "y": 19}, "run_id": "run-20261124-021550", "schema_version": "0.1", "terminated": true, "total_reward": 1.0, "total_steps": 1, "truncated": false}"#;
        assert_eq!(String::from_utf8_lossy(&out), format!("{expected}\n"));
    }
}
