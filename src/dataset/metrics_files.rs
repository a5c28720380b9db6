//! The metrics files of the selected run, for `dvc metrics diff`, `dvc plots diff` and `dvc exp show`.
//!
//! Three small files at fixed paths, tracked by git and declared at the top level of `dvc.yaml`, so `dvc.lock` and
//! the dataset do not contain them. They are written only if `dvc.yaml` declares them, and depend only on the run.
//! Each names its run, so that a merge can take those of the run that the merged `params.yaml` selects.

use std::fmt::Write;
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::columnar;
use crate::columnar::{ColumnarError, PlotData, QuartileBand, RunMetrics};
use crate::dvc::stage;
use crate::formats::yaml;
use crate::run::RunKey;
use crate::run::layout::{EPISODES_PARQUET, STEPS_PARQUET};
use crate::support::beneath::RootDir;
use crate::support::fs::FsError;
use crate::support::limits;

/// The directory that they are in.
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
pub(crate) fn declares_metrics_files(dvc_yaml: &[u8]) -> bool {
    let Ok(Some(root)) = yaml::parse_document(dvc_yaml) else { return false };
    let metrics = root.get("metrics").and_then(|node| node.items()).unwrap_or_default();
    metrics.iter().any(|item| item.text() == Some(METRICS))
}

/// The files that may be written: all if the `dvc.yaml` of the working tree declares them, else none.
pub fn writable_files(files: RootDir<'_>) -> Result<&'static [&'static str], FsError> {
    // Without a `dvc.yaml` nothing is declared.
    let dvc_yaml = files.read(stage::FILE, limits::TEXT)?.unwrap_or_default();
    Ok(if declares_metrics_files(&dvc_yaml) { FILES } else { &[] })
}

/// Writes the files for a run in the dataset, if the `dvc.yaml` at `root` declares them.
pub fn write_metrics_files(root: &Path, out_dir: &Path, run: &RunKey) -> Result<(), ColumnarError> {
    let files = RootDir::new(root);
    if writable_files(files)?.is_empty() {
        return Ok(());
    }
    let folder = run.dir_under(out_dir);
    let (steps, episodes) = (folder.join(STEPS_PARQUET), folder.join(EPISODES_PARQUET));
    let (run_metrics, plot_data) = (columnar::read_run_metrics(&steps, &episodes)?, columnar::read_plot_data(&steps)?);
    let texts =
        [render_metrics(run, &run_metrics), render_step_rows(run, &plot_data), render_episode_rows(run, &plot_data)];
    for (name, text) in FILES.iter().zip(texts) {
        files.create_dir_all(Path::new(name).parent().unwrap_or(Path::new("")))?;
        // An equal file is not written, so that git sees no new time.
        if files.read(name, limits::TEXT)?.as_deref() != Some(text.as_bytes()) {
            files.write_atomic(name, text.as_bytes())?;
        }
    }
    Ok(())
}

/// Whose figures a file holds, as the file writes it: to be compared with another version of the same file.
#[must_use]
pub fn run_shown_in(file: &[u8]) -> Option<String> {
    // A file in any other form shows no run: git may hold anything at this path.
    let text = std::str::from_utf8(file).ok()?;
    if text.starts_with('{') {
        return Some(serde_json::from_str::<Value>(text).ok()?.get("run")?.as_str()?.to_owned());
    }
    let mut lines = text.lines();
    let (columns, row) = (lines.next()?.split(',').count(), lines.next()?);
    // The first column, which alone may hold commas, in quotes.
    row.rsplitn(columns, ',').nth(columns.checked_sub(1)?).map(str::to_owned)
}

/// DVC shows a metric a leaf; one that is not known is left out.
fn render_metrics(run: &RunKey, run_metrics: &RunMetrics) -> String {
    let mut all = Map::new();
    all.insert("run".into(), json!(run.to_string()));
    if let Ok(Value::Object(run_metrics)) = serde_json::to_value(run_metrics) {
        all.extend(run_metrics.into_iter().filter(|(_, value)| !value.is_null()));
    }
    // A map of plain values with text keys always serialises.
    let mut text = serde_json::to_string_pretty(&all).unwrap_or_default();
    text.push('\n');
    text
}

fn render_step_rows(run: &RunKey, plot_data: &PlotData) -> String {
    let run = csv_field(run);
    let mut out = String::from("run,step,distance,distance_q1,distance_q3,reward,reward_q1,reward_q3\n");
    // At least 1, because `step_by(0)` panics: a run can be without steps.
    let every = plot_data.reward.len().div_ceil(ROWS).max(1);
    for reward in plot_data.reward.iter().step_by(every) {
        // A run without a finite distance has no distance curve.
        let distance = plot_data.distance.iter().find(|band| band.step == reward.step);
        let band = |band: Option<&QuartileBand>| {
            band.map_or_else(|| ",,".to_owned(), |b| format!("{},{},{}", b.mid, b.low, b.high))
        };
        // Writing to a `String` cannot fail.
        let _ = writeln!(out, "{run},{},{},{}", reward.step, band(distance), band(Some(reward)));
    }
    out
}

fn render_episode_rows(run: &RunKey, plot_data: &PlotData) -> String {
    let run = csv_field(run);
    let mut out = String::from("run,episode,steps,reward,reached\n");
    // At least 1, because `step_by(0)` panics.
    let every = plot_data.episodes.len().div_ceil(ROWS).max(1);
    for episode in plot_data.episodes.iter().step_by(every) {
        let reached = u8::from(episode.terminated);
        // Writing to a `String` cannot fail.
        let _ =
            writeln!(out, "{run},{},{},{},{reached}", episode.index.saturating_add(1), episode.steps, episode.reward);
    }
    out
}

/// A run's name as a field of a CSV row.
fn csv_field(run: &RunKey) -> String {
    let name = run.to_string();
    if name.contains([',', '"']) { format!("\"{}\"", name.replace('"', "\"\"")) } else { name }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_pipeline_declares_the_files_and_others_do_not() {
        assert!(declares_metrics_files(crate::dataset::stage::DVC_YAML.as_bytes()));
        assert!(!declares_metrics_files(b"stages: {}\nmetrics:\n  - other.json\n"));
        assert!(!declares_metrics_files(b""));
    }

    #[test]
    fn what_is_not_known_is_no_metric() {
        let run_metrics = RunMetrics { episodes: 1, mean_reward: Some(-0.5), ..RunMetrics::default() };
        let text = render_metrics(&RunKey::new("nav", "r1").unwrap(), &run_metrics);
        assert!(text.contains("\"mean_reward\": -0.5") && !text.contains("null"), "{text}");
    }

    #[test]
    fn every_file_names_its_run() {
        let band = QuartileBand { step: 1, low: 0.0, mid: 0.5, high: 1.0 };
        let plot_data = PlotData { reward: vec![band], ..PlotData::default() };
        for (run_id, in_csv) in [("r1", "nav/r1"), ("a,\"b\",1", "\"nav/a,\"\"b\"\",1\"")] {
            let run = RunKey::new("nav", run_id).unwrap();
            assert_eq!(run_shown_in(render_metrics(&run, &RunMetrics::default()).as_bytes()), Some(run.to_string()));
            assert_eq!(run_shown_in(render_step_rows(&run, &plot_data).as_bytes()).as_deref(), Some(in_csv));
        }
        assert_eq!(run_shown_in(b""), None);
        assert_eq!(run_shown_in(b"run,step\n"), None);
    }
}
