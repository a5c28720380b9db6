//! The rows of a recorded environment, for `capture_hook.record` and its like.
//!
//! An environment's wrapper says what happened; the numbers, times, sums and summaries of episodes are kept here. A call
//! adds a step with all that follows from it, or nothing: an interrupt between two calls leaves a valid run. An
//! episode gets its id, and its first row is written, with its first step, so that a reset without steps leaves nothing.

use std::io::Write;
use std::time::{Duration, Instant, SystemTime};

use capture_hook::formats::json::{write_f64, write_str};
use capture_hook::record::EncodedLine;
use pyo3::exceptions::{PyIndexError, PyTypeError};
use pyo3::prelude::*;

use crate::encode::{FieldSelection, FloatWidth, JsonEncoder};
use crate::errors::usage_error;
use crate::recorder::RunRecorder;

/// Writes the rows of one environment. For the package's own wrappers.
#[pyclass(module = "capture_hook._native", name = "_EpisodeWriter")]
pub struct EpisodeWriter {
    recorder: Py<RunRecorder>,
    encoder: JsonEncoder,
    observation: Option<FieldSelection>,
    action: Option<FieldSelection>,
    info: Option<FieldSelection>,
    groups: Vec<EpisodeGroup>,
    slots: Vec<EpisodeSlot>,
    /// The seeds of the episodes that have steps.
    seeds: Vec<Option<i64>>,
    /// The time of all rows of a batch, in seconds since the Unix epoch; `None` without batches.
    batch_time: Option<f64>,
    /// For speed: the memory of the line that is written, used again for every row.
    line: Vec<u8>,
}

/// An episode, which several agents can share.
#[derive(Default)]
struct EpisodeGroup {
    seed: Option<i64>,
    /// The id as JSON; `None` before the first step.
    id: Option<Vec<u8>>,
}

/// The episode of one sub-environment or agent.
#[derive(Default)]
struct EpisodeSlot {
    group: usize,
    /// The agent's name as JSON; empty without agents.
    agent: Vec<u8>,
    is_open: bool,
    /// The row of the state after the reset, until the first step.
    reset: Option<ResetRow>,
    /// The action of the next step as JSON.
    action: Option<Vec<u8>>,
    started: Option<Instant>,
    steps: i64,
    total_reward: f64,
}

/// The state after a reset.
struct ResetRow {
    ts: f64,
    observation: Vec<u8>,
    info: Vec<u8>,
}

/// One row; the fields that the environment gave as JSON, empty if they are not recorded.
struct RowValues<'a> {
    step: i64,
    ts: f64,
    action: &'a [u8],
    info: &'a [u8],
    observation: &'a [u8],
    reward: Option<f64>,
    terminated: bool,
    truncated: bool,
}

#[pymethods]
impl EpisodeWriter {
    #[new]
    #[pyo3(signature = (recorder, *, observation=None, action=None, info=None))]
    fn new(
        recorder: Py<RunRecorder>,
        observation: Option<&Bound<'_, PyAny>>,
        action: Option<&Bound<'_, PyAny>>,
        info: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let selection = |given: Option<&Bound<'_, PyAny>>| match given {
            None => Ok(Some(FieldSelection::Whole)),
            Some(given) => FieldSelection::of_python(given),
        };
        Ok(Self {
            recorder,
            encoder: JsonEncoder::with_sorted_keys(),
            observation: selection(observation)?,
            action: selection(action)?,
            info: selection(info)?,
            groups: Vec::new(),
            slots: Vec::new(),
            seeds: Vec::new(),
            batch_time: None,
            line: Vec::new(),
        })
    }

    /// The seeds of the episodes that have steps.
    #[getter]
    fn seeds(&self) -> Vec<Option<i64>> {
        self.seeds.clone()
    }

    /// Gives all rows that follow the present time, up to the next call: rows of a batch are written one after another, and
    /// time must not go back from one to the next.
    fn start_batch(&mut self) {
        self.batch_time = Some(seconds_now());
    }

    /// Writes the states after resets that wait for the first steps, which all come now.
    fn write_resets(&mut self, py: Python<'_>) -> PyResult<()> {
        for slot in 0..self.slots.len() {
            if self.is_open(slot) {
                let id = self.episode_id(slot)?;
                self.write_reset(py, slot, &id)?;
            }
        }
        Ok(())
    }

    /// Begins an episode. What its slots had open stays unfinished.
    #[pyo3(signature = (group, seed=None))]
    fn start_episode(&mut self, group: usize, seed: Option<&Bound<'_, PyAny>>) {
        if self.groups.len() <= group {
            self.groups.resize_with(group + 1, EpisodeGroup::default);
        }
        // A seed of more than 64 bits is one for a generator, but none for a column.
        let seed = seed.and_then(|seed| seed.extract().ok());
        if let Some(started) = self.groups.get_mut(group) {
            *started = EpisodeGroup { seed, id: None };
        }
        for slot in self.slots.iter_mut().filter(|slot| slot.group == group) {
            slot.is_open = false;
        }
    }

    /// Takes the state after a reset, which was `age` seconds ago. The group is the slot's own unless it is given.
    #[pyo3(signature = (slot, observation, info, age=0.0, group=None, agent=None))]
    #[allow(clippy::too_many_arguments)]
    fn take_reset(
        &mut self,
        slot: usize,
        observation: &Bound<'_, PyAny>,
        info: &Bound<'_, PyAny>,
        age: f64,
        group: Option<usize>,
        agent: Option<&str>,
    ) -> PyResult<()> {
        let observation = self.encode(RowField::Observation, observation)?;
        let info = self.encode(RowField::Info, info)?;
        let age = Duration::try_from_secs_f64(age).unwrap_or_default();
        let mut agent_json = Vec::new();
        if let Some(name) = agent {
            write_str(&mut agent_json, name);
        }
        let made = EpisodeSlot {
            group: group.unwrap_or(slot),
            agent: agent_json,
            is_open: true,
            reset: Some(ResetRow { ts: self.time() - age.as_secs_f64(), observation, info }),
            started: Instant::now().checked_sub(age),
            ..EpisodeSlot::default()
        };
        if self.slots.len() <= slot {
            self.slots.resize_with(slot + 1, EpisodeSlot::default);
        }
        if let Some(slot) = self.slots.get_mut(slot) {
            *slot = made;
        }
        Ok(())
    }

    /// Whether a slot is in an episode that has not ended.
    fn is_open(&self, slot: usize) -> bool {
        self.slots.get(slot).is_some_and(|slot| slot.is_open)
    }

    /// Takes an action before it is done: the environment can change the object.
    fn take_action(&mut self, py: Python<'_>, slot: usize, action: &Bound<'_, PyAny>) -> PyResult<()> {
        self.check_open(py, slot)?;
        let json = self.encode(RowField::Action, action)?;
        self.slot_mut(slot)?.action = Some(json);
        Ok(())
    }

    /// Adds a step, before the first one the state after the reset, and after the last one the summary.
    #[pyo3(signature = (slot, reward, observation, terminated, truncated, info, success=None))]
    #[allow(clippy::too_many_arguments)]
    fn take_step(
        &mut self,
        py: Python<'_>,
        slot: usize,
        reward: f64,
        observation: &Bound<'_, PyAny>,
        terminated: &Bound<'_, PyAny>,
        truncated: &Bound<'_, PyAny>,
        info: &Bound<'_, PyAny>,
        success: Option<bool>,
    ) -> PyResult<()> {
        self.check_open(py, slot)?;
        let (terminated, truncated) = (terminated.is_truthy()?, truncated.is_truthy()?);
        let observation = self.encode(RowField::Observation, observation)?;
        let info = self.encode(RowField::Info, info)?;
        let id = self.episode_id(slot)?;
        self.write_reset(py, slot, &id)?;
        let at = self.slot_mut(slot)?;
        let (step, action) = (at.steps + 1, at.action.take());
        let values = RowValues {
            step,
            ts: self.time(),
            action: action.as_deref().unwrap_or_default(),
            info: &info,
            observation: &observation,
            reward: Some(reward),
            terminated,
            truncated,
        };
        self.write_row(py, slot, &id, &values)?;
        let at = self.slot_mut(slot)?;
        at.steps = step;
        at.total_reward += reward;
        if terminated || truncated {
            at.is_open = false;
            self.write_summary(py, slot, &id, &values, success)?;
        }
        Ok(())
    }
}

impl EpisodeWriter {
    fn time(&self) -> f64 {
        self.batch_time.unwrap_or_else(seconds_now)
    }

    fn slot(&self, slot: usize) -> PyResult<&EpisodeSlot> {
        self.slots.get(slot).ok_or_else(|| PyIndexError::new_err("no such slot"))
    }

    fn slot_mut(&mut self, slot: usize) -> PyResult<&mut EpisodeSlot> {
        self.slots.get_mut(slot).ok_or_else(|| PyIndexError::new_err("no such slot"))
    }

    fn check_open(&self, py: Python<'_>, slot: usize) -> PyResult<()> {
        if self.is_open(slot) {
            return Ok(());
        }
        Err(usage_error(py, "the episode has ended: call reset() before the next step", "episode_ended"))
    }

    /// Returns a field as JSON; empty if it is not recorded.
    fn encode(&self, field: RowField, value: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
        let (selection, name) = match field {
            RowField::Observation => (&self.observation, "observation"),
            RowField::Action => (&self.action, "action"),
            RowField::Info => (&self.info, "info"),
        };
        let mut json = Vec::new();
        if let Some(selection) = selection {
            let floats = FloatWidth::of_row(self.recorder.get().step_floats()).of_member(name);
            self.encoder
                .write_field(&mut json, value, selection, floats)
                .map_err(|error| name_field(error, name, value))?;
        }
        Ok(json)
    }

    /// Returns the id of a slot's episode as JSON: its own, or the next one before its first row.
    fn episode_id(&self, slot: usize) -> PyResult<Vec<u8>> {
        let group = self.slot(slot)?.group;
        let id = self.groups.get(group).and_then(|group| group.id.clone());
        Ok(id.unwrap_or_else(|| format!("\"ep-{:06}\"", self.seeds.len()).into_bytes()))
    }

    /// Writes the row of the state after the reset, if there is one still to write.
    fn write_reset(&mut self, py: Python<'_>, slot: usize, id: &[u8]) -> PyResult<()> {
        let Some(reset) = self.slot_mut(slot)?.reset.take() else { return Ok(()) };
        let values = RowValues {
            step: 0,
            ts: reset.ts,
            action: &[],
            info: &reset.info,
            observation: &reset.observation,
            reward: None,
            terminated: false,
            truncated: false,
        };
        if let Err(error) = self.write_row(py, slot, id, &values) {
            // A step without it would not be valid either.
            self.slot_mut(slot)?.reset = Some(reset);
            return Err(error);
        }
        let group = self.slot(slot)?.group;
        if let Some(group) = self.groups.get_mut(group)
            && group.id.is_none()
        {
            group.id = Some(id.to_vec());
            self.seeds.push(group.seed);
        }
        Ok(())
    }

    /// Writes a row of the steps, its members sorted as in every recorder's rows.
    fn write_row(&mut self, py: Python<'_>, slot: usize, id: &[u8], values: &RowValues<'_>) -> PyResult<()> {
        let mut line = std::mem::take(&mut self.line);
        line.clear();
        let at = self.slot(slot)?;
        let seed = self.groups.get(at.group).and_then(|group| group.seed);
        let mut members = MemberWriter::new(&mut line);
        members.write_json("action", values.action);
        members.write_json("agent", &at.agent);
        members.write_json("episode_id", id);
        members.write_json("info", values.info);
        members.write_json("observation", values.observation);
        if let Some(reward) = values.reward {
            members.write_float("reward", reward);
        }
        match seed {
            Some(seed) => members.write_int("seed", seed),
            None => members.write_json("seed", b"null"),
        }
        members.write_int("step", values.step);
        members.write_bool("terminated", values.terminated);
        members.write_bool("truncated", values.truncated);
        members.write_float("ts", values.ts);
        members.end();
        let ends_episode = values.terminated || values.truncated;
        let written = self.recorder.get().append_encoded(py, EncodedLine::Step { json: &line, ends_episode });
        self.line = line;
        written
    }

    /// Writes an episode's summary.
    fn write_summary(
        &mut self,
        py: Python<'_>,
        slot: usize,
        id: &[u8],
        last: &RowValues<'_>,
        success: Option<bool>,
    ) -> PyResult<()> {
        let mut line = std::mem::take(&mut self.line);
        line.clear();
        let at = self.slot(slot)?;
        let mut members = MemberWriter::new(&mut line);
        members.write_json("agent", &at.agent);
        members.write_float("duration_ms", at.started.map_or(0.0, |started| started.elapsed().as_secs_f64() * 1e3));
        members.write_json("episode_id", id);
        if let Some(success) = success {
            members.write_bool("success", success);
        }
        members.write_bool("terminated", last.terminated);
        members.write_float("total_reward", at.total_reward);
        members.write_int("total_steps", at.steps);
        members.write_bool("truncated", last.truncated);
        members.end();
        let written = self.recorder.get().append_encoded(py, EncodedLine::Episode { json: &line });
        self.line = line;
        written
    }
}

/// A field of a row whose value the environment gives.
#[derive(Clone, Copy)]
enum RowField {
    Observation,
    Action,
    Info,
}

/// Says which field it is that JSON cannot hold.
fn name_field(error: PyErr, name: &str, value: &Bound<'_, PyAny>) -> PyErr {
    let py = value.py();
    if error.is_instance_of::<PyTypeError>(py) {
        PyTypeError::new_err(format!("the {name} is not recorded: {}", error.value(py)))
    } else {
        error
    }
}

/// Writes the members of one object.
struct MemberWriter<'a> {
    out: &'a mut Vec<u8>,
}

impl<'a> MemberWriter<'a> {
    fn new(out: &'a mut Vec<u8>) -> Self {
        Self { out }
    }

    fn write_key(&mut self, key: &str) {
        self.out.extend_from_slice(if self.out.is_empty() { b"{\"" } else { b", \"" });
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\": ");
    }

    /// Writes a member that is JSON already; nothing if it is empty.
    fn write_json(&mut self, key: &str, json: &[u8]) {
        if !json.is_empty() {
            self.write_key(key);
            self.out.extend_from_slice(json);
        }
    }

    fn write_float(&mut self, key: &str, value: f64) {
        self.write_key(key);
        write_f64(self.out, value);
    }

    fn write_int(&mut self, key: &str, value: i64) {
        self.write_key(key);
        // Writing to memory cannot fail.
        let _ = write!(self.out, "{value}");
    }

    fn write_bool(&mut self, key: &str, value: bool) {
        self.write_json(key, if value { b"true" } else { b"false" });
    }

    fn end(self) {
        self.out.extend_from_slice(b"}\n");
    }
}

/// The time in seconds since the Unix epoch.
fn seconds_now() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
