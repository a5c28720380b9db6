//! What DVC's own views show of the selected run: `dvc metrics diff`, `dvc plots diff`, `dvc exp show`.
//!
//! Three small files at fixed paths, tracked by git and declared at the top level of `dvc.yaml`, so that `dvc.lock` and the
//! dataset know nothing of them. They are written only where `dvc.yaml` declares them, and are a pure function of the run.
//! Each says whose figures it holds: by that a merge takes the one that the merged `params.yaml` selects.

use std::fmt::Write;
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::columnar;
use crate::columnar::{Band, KeyFigures, Trace};
use crate::commit::Undo;
use crate::dvc::stage;
use crate::formats::yaml;
use crate::project::{Hear, Project, ProjectError, Source, State};
use crate::run::RunKey;
use crate::run::layout::{EPISODES_PARQUET, STEPS_PARQUET};
use crate::support::beneath::Root;
use crate::support::fs::FsError;
use crate::support::limits;

/// The directory that they lie in.
pub const DIR: &str = "metrics";
/// The run's key figures.
pub const METRICS: &str = "metrics/capture.json";
/// Distance and reward over steps.
pub const STEPS: &str = "metrics/capture-steps.csv";
/// How long episodes were.
pub const EPISODES: &str = "metrics/capture-episodes.csv";
/// All of them.
pub const FILES: &[&str] = &[METRICS, STEPS, EPISODES];

/// The most rows of a file: a plot of more says no more, and git keeps every version.
const ROWS: usize = 200;

/// Whether a `dvc.yaml` declares these files.
pub(crate) fn declared(dvc_yaml: &[u8]) -> bool {
    let Ok(Some(root)) = yaml::document(dvc_yaml) else { return false };
    let metrics = root.get("metrics").and_then(|node| node.items()).unwrap_or_default();
    metrics.iter().any(|item| item.text() == Some(METRICS))
}

/// The files that may be written: all where the `dvc.yaml` of the working tree declares them, else none.
pub fn to_write(files: Root<'_>) -> Result<&'static [&'static str], FsError> {
    let dvc_yaml = files.read(stage::FILE, limits::TEXT)?.unwrap_or_default();
    Ok(if declared(&dvc_yaml) { FILES } else { &[] })
}

/// Writes the files for a run in the dataset, where the `dvc.yaml` at `root` declares them.
pub fn write(root: &Path, out_dir: &Path, run: &RunKey) -> Result<(), ProjectError> {
    let files = Root::at(root);
    if to_write(files)?.is_empty() {
        return Ok(());
    }
    let folder = run.under(out_dir);
    let (steps, episodes) = (folder.join(STEPS_PARQUET), folder.join(EPISODES_PARQUET));
    let (key, trace) = (columnar::key_figures(&steps, &episodes)?, columnar::trace(&steps)?);
    let texts = [metrics(run, &key), step_rows(run, &trace), episode_rows(run, &trace)];
    for (name, text) in FILES.iter().zip(texts) {
        files.create_dir_all(Path::new(name).parent().unwrap_or(Path::new("")))?;
        if files.read(name, limits::TEXT)?.as_deref() != Some(text.as_bytes()) {
            files.write_atomic(name, text.as_bytes())?;
        }
    }
    Ok(())
}

/// Whose figures a file holds, as the file writes it: to be compared with another version of the same file.
#[must_use]
pub fn shows(file: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(file).ok()?;
    if text.starts_with('{') {
        return Some(serde_json::from_str::<Value>(text).ok()?.get("run")?.as_str()?.to_owned());
    }
    let mut lines = text.lines();
    let (columns, row) = (lines.next()?.split(',').count(), lines.next()?);
    // The first column, which alone may hold commas, in quotes.
    row.rsplitn(columns, ',').nth(columns.checked_sub(1)?).map(str::to_owned)
}

impl Project {
    /// The files that a commit of an ingested run holds beside `dvc.lock`, as git names them: those that the index's
    /// `dvc.yaml` declares, that are there, and that no rule ignores.
    pub fn views_to_stage(&self) -> Result<Vec<String>, ProjectError> {
        let dvc_yaml = self.file(&Source::Index, stage::FILE)?.unwrap_or_default();
        if !declared(&dvc_yaml) {
            return Ok(Vec::new());
        }
        let mut out = Vec::new();
        for file in FILES.iter().filter(|file| self.root.join(file).is_file()) {
            let path = self.git_path(file);
            // Most are tracked already, and no rule concerns them then.
            if self.repo.why_ignored(&path)?.is_none() {
                out.push(path);
            }
        }
        Ok(out)
    }

    /// Sees to it that a commit whose selection is in the dataset already shows that run: where DVC was called by hand, or
    /// `dvc.yaml` has just come to declare the files.
    pub fn views_follow(&mut self, staged: &State, undo: &mut Undo, hear: &dyn Hear) -> Result<(), ProjectError> {
        let (Some(run_dir), Some(locked)) = (staged.run_dir(), &staged.locked) else { return Ok(()) };
        let paths = self.views_to_stage()?;
        let shown = self.file(&Source::WorkTree, METRICS)?.and_then(|file| shows(&file));
        let mut names = run_dir.trim_end_matches('/').rsplit('/');
        let (Some(run_id), Some(experiment)) = (names.next(), names.next()) else { return Ok(()) };
        // A recorder may have named the experiment otherwise; the id is the directory's name.
        if shown.is_some_and(|run| run.rsplit('/').next() == Some(run_id)) {
            return undo.stage(&mut self.repo, &paths, hear);
        }
        let out_dir = self.root.join(&locked.out_dir);
        let Ok(run) = RunKey::new(experiment, run_id) else { return Ok(()) };
        if !run.under(&out_dir).join(STEPS_PARQUET).is_file() || !self.workspace_is_at(Some(locked.version))? {
            return Ok(());
        }
        undo.keep_views()?;
        write(&self.root, &out_dir, &run)?;
        let paths = self.views_to_stage()?;
        undo.stage(&mut self.repo, &paths, hear)
    }
}

/// DVC shows a metric a leaf; one that is not known is left out.
fn metrics(run: &RunKey, figures: &KeyFigures) -> String {
    let mut all = Map::new();
    all.insert("run".into(), json!(run.to_string()));
    if let Ok(Value::Object(figures)) = serde_json::to_value(figures) {
        all.extend(figures.into_iter().filter(|(_, value)| !value.is_null()));
    }
    let mut text = serde_json::to_string_pretty(&all).unwrap_or_default();
    text.push('\n');
    text
}

fn step_rows(run: &RunKey, trace: &Trace) -> String {
    let run = field(run);
    let mut out = String::from("run,step,distance,distance_q1,distance_q3,reward,reward_q1,reward_q3\n");
    let every = trace.reward.len().div_ceil(ROWS).max(1);
    for reward in trace.reward.iter().step_by(every) {
        // A run without a finite distance has no distance curve.
        let distance = trace.distance.iter().find(|band| band.step == reward.step);
        let band =
            |band: Option<&Band>| band.map_or_else(|| ",,".to_owned(), |b| format!("{},{},{}", b.mid, b.low, b.high));
        let _ = writeln!(out, "{run},{},{},{}", reward.step, band(distance), band(Some(reward)));
    }
    out
}

fn episode_rows(run: &RunKey, trace: &Trace) -> String {
    let run = field(run);
    let mut out = String::from("run,episode,steps,reward,reached\n");
    let every = trace.episodes.len().div_ceil(ROWS).max(1);
    for episode in trace.episodes.iter().step_by(every) {
        let reached = u8::from(episode.terminated);
        let _ =
            writeln!(out, "{run},{},{},{},{reached}", episode.index.saturating_add(1), episode.steps, episode.reward);
    }
    out
}

/// A run's name as a field of a CSV row.
fn field(run: &RunKey) -> String {
    let name = run.to_string();
    if name.contains([',', '"']) { format!("\"{}\"", name.replace('"', "\"\"")) } else { name }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_pipeline_declares_the_files_and_others_do_not() {
        assert!(declared(crate::setup::DVC_YAML.as_bytes()));
        assert!(!declared(b"stages: {}\nmetrics:\n  - other.json\n"));
        assert!(!declared(b""));
    }

    #[test]
    fn what_is_not_known_is_no_metric() {
        let figures = KeyFigures { episodes: 1, mean_reward: Some(-0.5), ..KeyFigures::default() };
        let text = metrics(&RunKey::new("nav", "r1").unwrap(), &figures);
        assert!(text.contains("\"mean_reward\": -0.5") && !text.contains("null"), "{text}");
    }

    #[test]
    fn every_file_says_whose_figures_it_holds() {
        let band = Band { step: 1, low: 0.0, mid: 0.5, high: 1.0 };
        let trace = Trace { reward: vec![band], ..Trace::default() };
        for (run_id, in_csv) in [("r1", "nav/r1"), ("a,\"b\",1", "\"nav/a,\"\"b\"\",1\"")] {
            let run = RunKey::new("nav", run_id).unwrap();
            assert_eq!(shows(metrics(&run, &KeyFigures::default()).as_bytes()), Some(run.to_string()));
            assert_eq!(shows(step_rows(&run, &trace).as_bytes()).as_deref(), Some(in_csv));
        }
        assert_eq!(shows(b""), None);
        assert_eq!(shows(b"run,step\n"), None);
    }
}
