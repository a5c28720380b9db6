//! The metrics files of the selected run, for `dvc metrics diff`, `dvc plots diff` and `dvc exp show`.
//!
//! Three small files at fixed paths, tracked by git and declared at the top level of `dvc.yaml`, so `dvc.lock` and
//! the dataset do not contain them. They are written only if `dvc.yaml` declares them, and depend only on the run.
//! Each names its run, so that a merge can take those of the run that the merged `params.yaml` selects.

use std::fmt::Write;
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::columnar;
use crate::columnar::{
    BandCurve, ColumnarError, DeclaredMetric, FigureSet, LineCurve, PlotData, QuartileBand, RunMetrics,
};
use crate::dvc::stage;
use crate::formats::json::{self, JsonValue};
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
/// Distance and reward over steps, and the lines that a schema declares.
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
    let (run_metrics, plot_data) =
        (columnar::read_run_metrics(&steps, &episodes)?, columnar::read_plot_data(&steps, &episodes)?);
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

/// Empties the files that exist, for a dataset in which no run is selected. They stay: git would leave a file that one
/// branch deletes and the other writes in conflict, and DVC warns of a declared one that does not exist.
pub fn empty_metrics_files(root: &Path) -> Result<(), FsError> {
    let files = RootDir::new(root);
    for name in writable_files(files)? {
        let Some(bytes) = files.read(name, limits::TEXT)? else { continue };
        let empty = match *name {
            METRICS => b"{}\n".to_vec(),
            // The names of its columns.
            _ => bytes.split_inclusive(|byte| *byte == b'\n').next().unwrap_or_default().to_vec(),
        };
        files.write_atomic(name, &empty)?;
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

/// The run and the metrics that the bytes of [`METRICS`] hold; `None` if they have another form. Units are not in the file, nor
/// of how many episodes it is known whether they succeeded.
#[must_use]
pub fn parse_metrics(file: &[u8]) -> Option<(RunKey, RunMetrics)> {
    let value = json::parse(file).ok()?;
    let members = value.as_object()?;
    let run = members.get("run")?.as_str()?.parse().ok()?;
    let count = |name: &str| members.get(name).and_then(JsonValue::as_i64).and_then(|count| u64::try_from(count).ok());
    let number = |value: &JsonValue| value.as_f64().filter(|number| number.is_finite());
    let figure = |name: &str| members.get(name).and_then(number);
    let mut metrics = RunMetrics {
        episodes: count("episodes")?,
        steps: count("steps")?,
        successes: count("successes"),
        success_rate: figure("success_rate").filter(|rate| (0.0..=1.0).contains(rate)),
        mean_reward: figure("mean_reward"),
        max_reward: figure("max_reward"),
        mean_steps: figure("mean_steps"),
        mean_final_distance: figure("mean_final_distance"),
        min_final_distance: figure("min_final_distance"),
        ..RunMetrics::default()
    };
    metrics.figures = FigureSet {
        success: metrics.successes.is_some(),
        reward: metrics.mean_reward.or(metrics.max_reward).is_some(),
        final_distance: metrics.mean_final_distance.or(metrics.min_final_distance).is_some(),
    };
    let declared = members.iter().filter_map(|(name, value)| {
        let name = name.as_str().filter(|name| !OWN_MEMBERS.contains(name))?;
        Some(DeclaredMetric { name: name.to_owned(), value: Some(number(value)?), unit: None })
    });
    let declared: Vec<DeclaredMetric> = declared.collect();
    metrics.declared = (!declared.is_empty()).then_some(declared);
    Some((run, metrics))
}

/// The members of the file that are not a metric of the run's own.
const OWN_MEMBERS: [&str; 10] = [
    "run",
    "episodes",
    "steps",
    "successes",
    "success_rate",
    "mean_reward",
    "max_reward",
    "mean_steps",
    "mean_final_distance",
    "min_final_distance",
];

/// DVC shows a metric a leaf; one that is not known is left out.
fn render_metrics(run: &RunKey, run_metrics: &RunMetrics) -> String {
    let mut all = Map::new();
    all.insert("run".into(), json!(run.to_string()));
    if let Ok(Value::Object(mut run_metrics)) = serde_json::to_value(run_metrics) {
        // A leaf each, with the others.
        run_metrics.remove("declared");
        all.extend(run_metrics.into_iter().filter(|(_, value)| !value.is_null()));
    }
    for metric in run_metrics.declared.iter().flatten() {
        if let Some(value) = metric.value {
            // A declared metric does not take the place of one that every run has, such as `mean_steps`.
            all.entry(metric.name.as_str()).or_insert(json!(value));
        }
    }
    // A map of plain values with text keys always serialises.
    let mut text = serde_json::to_string_pretty(&all).unwrap_or_default();
    text.push('\n');
    text
}

/// The column of plume-nav-sim's only line, which has another name there.
const DISTANCE: &str = "distance";
/// The columns of a CSV of steps that every run has, because `dvc.yaml` names them.
const STEP_COLUMNS: [&str; 3] = ["step", DISTANCE, "reward"];

/// Every run has the columns that `dvc.yaml` names, empty if it lacks such values; a line of its own is a further column.
fn render_step_rows(run: &RunKey, plot_data: &PlotData) -> String {
    let run = csv_field(run);
    let none = Vec::new();
    let is_distance = |line: &&LineCurve| plot_data.is_plume || line.name == DISTANCE;
    let distance = plot_data.lines.iter().find(is_distance).map_or(&none, |line| &line.curve);
    let reward = plot_data.reward.as_ref().map_or(&none, |line| &line.curve);
    let is_own = |line: &&LineCurve| !plot_data.is_plume && !STEP_COLUMNS.contains(&line.name.as_str());
    let own: Vec<&LineCurve> = plot_data.lines.iter().filter(is_own).collect();

    let mut head: Vec<String> =
        ["run", "step", "distance", "distance_q1", "distance_q3", "reward", "reward_q1", "reward_q3"]
            .map(str::to_owned)
            .to_vec();
    for LineCurve { name, .. } in &own {
        head.extend(column_names(name, &head));
    }
    let mut out = head.join(",") + "\n";
    let curves: Vec<&BandCurve> = [distance, reward].into_iter().chain(own.iter().map(|line| &line.curve)).collect();
    let mut steps: Vec<u64> = if plot_data.is_plume {
        // A run without a finite distance has no distance curve, but one of rewards.
        reward.iter().map(|band| band.step).collect()
    } else {
        curves.iter().flat_map(|curve| curve.iter().map(|band| band.step)).collect()
    };
    steps.sort_unstable();
    steps.dedup();
    // At least 1, because `step_by(0)` panics: a run can be without steps.
    let every = steps.len().div_ceil(ROWS).max(1);
    for step in steps.into_iter().step_by(every) {
        // Writing to a `String` cannot fail, here and below.
        let _ = write!(out, "{run},{step}");
        for curve in &curves {
            match curve.iter().find(|band| band.step == step) {
                Some(QuartileBand { low, mid, high, .. }) => {
                    let _ = write!(out, ",{mid},{low},{high}");
                }
                None => out.push_str(",,,"),
            }
        }
        out.push('\n');
    }
    out
}

/// The names of a line's median and quartiles. A name that is in use already, such as `run`, gets a `_`: readers take the
/// columns of a CSV by their names.
fn column_names(line: &str, used: &[String]) -> [String; 3] {
    let mut name = line.to_owned();
    loop {
        let names = [name.clone(), format!("{name}_q1"), format!("{name}_q3")];
        if !names.iter().any(|name| used.contains(name)) {
            return names;
        }
        name.push('_');
    }
}

fn render_episode_rows(run: &RunKey, plot_data: &PlotData) -> String {
    let run = csv_field(run);
    let mut out = String::from("run,episode,steps,reward,reached\n");
    // At least 1, because `step_by(0)` panics.
    let every = plot_data.episodes.len().div_ceil(ROWS).max(1);
    for episode in plot_data.episodes.iter().step_by(every) {
        let reward = plot_data.reward.as_ref().map(|_| episode.reward.to_string()).unwrap_or_default();
        let reached = episode.success.map(|success| u8::from(success).to_string()).unwrap_or_default();
        // Writing to a `String` cannot fail.
        let _ = writeln!(out, "{run},{},{},{reward},{reached}", episode.index.saturating_add(1), episode.steps);
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
    use crate::columnar::PlotEpisode;

    #[test]
    fn the_reference_pipeline_declares_the_files_and_others_do_not() {
        assert!(declares_metrics_files(crate::dataset::stage::DVC_YAML.as_bytes()));
        assert!(!declares_metrics_files(b"stages: {}\nmetrics:\n  - other.json\n"));
        assert!(!declares_metrics_files(b""));
    }

    #[test]
    fn what_is_written_is_read_back_but_for_units() {
        let metric = |name: &str, value, unit: Option<&str>| DeclaredMetric {
            name: name.into(),
            value,
            unit: unit.map(str::to_owned),
        };
        let run = RunKey::new("nav", "r1").unwrap();
        let run_metrics = RunMetrics {
            episodes: 4,
            steps: 151,
            successes: Some(1),
            success_rate: Some(0.25),
            mean_reward: Some(0.1 + 0.2),
            declared: Some(vec![metric("max_peak", Some(2.5), Some("m")), metric("min_x", None, None)]),
            judged: 4,
            ..RunMetrics::default()
        };
        let figures = FigureSet { success: true, reward: true, final_distance: false };
        let expected = RunMetrics {
            declared: Some(vec![metric("max_peak", Some(2.5), None)]),
            judged: 0,
            figures,
            ..run_metrics.clone()
        };
        assert_eq!(parse_metrics(render_metrics(&run, &run_metrics).as_bytes()), Some((run, expected)));
        for other in ["", "[]", "{}", r#"{"run": "nav/r1"}"#, r#"{"run": "../x", "episodes": 1, "steps": 1}"#] {
            assert_eq!(parse_metrics(other.as_bytes()), None, "{other}");
        }
        let odd = br#"{"run": "nav/r1", "episodes": 1, "steps": 2, "success_rate": 7, "mean_reward": "x", "a": NaN}"#;
        let expected = RunMetrics { episodes: 1, steps: 2, ..RunMetrics::default() };
        assert_eq!(parse_metrics(odd).unwrap().1, expected);
    }

    #[test]
    fn what_is_not_known_is_no_metric() {
        let run_metrics = RunMetrics { episodes: 1, mean_reward: Some(-0.5), ..RunMetrics::default() };
        let text = render_metrics(&RunKey::new("nav", "r1").unwrap(), &run_metrics);
        assert!(text.contains("\"mean_reward\": -0.5") && !text.contains("null"), "{text}");
    }

    #[test]
    fn a_declared_run_has_its_own_metrics_and_lines() {
        let metric = |name: &str, value| DeclaredMetric { name: name.into(), value, unit: None };
        let declared = vec![metric("max_peak", Some(2.5)), metric("mean_steps", Some(7.0)), metric("min_x", None)];
        let run_metrics = RunMetrics { mean_steps: Some(3.0), declared: Some(declared), ..RunMetrics::default() };
        let run = RunKey::new("spring", "c1").unwrap();
        let text = render_metrics(&run, &run_metrics);
        let shown: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(shown, json!({"run": "spring/c1", "episodes": 0, "steps": 0, "mean_steps": 3.0, "max_peak": 2.5}));

        let band = |step, mid| QuartileBand { step, low: mid, mid, high: mid };
        let line = |name: &str, curve| LineCurve { name: name.into(), unit: None, curve };
        let lines = vec![line("x", vec![band(0, 1.0), band(1, 2.0)]), line("step", vec![band(1, 9.0)])];
        let episode = PlotEpisode {
            index: 0,
            steps: 1,
            terminated: true,
            truncated: false,
            success: None,
            reward: 0.0,
            line_end: None,
        };
        let plot_data = PlotData { lines, episodes: vec![episode], ..PlotData::default() };
        let text = render_step_rows(&run, &plot_data);
        assert_eq!(
            text,
            "run,step,distance,distance_q1,distance_q3,reward,reward_q1,reward_q3,x,x_q1,x_q3\n\
             spring/c1,0,,,,,,,1,1,1\nspring/c1,1,,,,,,,2,2,2\n"
        );
        assert_eq!(run_shown_in(text.as_bytes()).as_deref(), Some("spring/c1"));
        // Terminated is not reached.
        assert_eq!(render_episode_rows(&run, &plot_data), "run,episode,steps,reward,reached\nspring/c1,1,1,,\n");
    }

    #[test]
    fn every_file_names_its_run() {
        let band = QuartileBand { step: 1, low: 0.0, mid: 0.5, high: 1.0 };
        let reward = Some(LineCurve { curve: vec![band], ..LineCurve::default() });
        let plot_data = PlotData { is_plume: true, reward, ..PlotData::default() };
        for (run_id, in_csv) in [("r1", "nav/r1"), ("a,\"b\",1", "\"nav/a,\"\"b\"\",1\"")] {
            let run = RunKey::new("nav", run_id).unwrap();
            assert_eq!(run_shown_in(render_metrics(&run, &RunMetrics::default()).as_bytes()), Some(run.to_string()));
            assert_eq!(run_shown_in(render_step_rows(&run, &plot_data).as_bytes()).as_deref(), Some(in_csv));
        }
        assert_eq!(run_shown_in(b""), None);
        assert_eq!(run_shown_in(b"run,step\n"), None);
    }

    #[test]
    fn no_name_stands_twice_in_the_head_of_a_csv() {
        let line = |name: &str| {
            let curve = vec![QuartileBand { step: 1, low: 1.0, mid: 2.0, high: 3.0 }];
            LineCurve { name: name.into(), unit: None, curve }
        };
        let lines = ["x", "x_q1", "run", "distance_q3", "distance"].map(line).to_vec();
        let csv = render_step_rows(&RunKey::new("e", "r").unwrap(), &PlotData { lines, ..PlotData::default() });
        let (head, row) = csv.trim_end().split_once('\n').unwrap();
        let mut names: Vec<&str> = head.split(',').collect();
        assert_eq!(
            names.get(8..),
            Some(
                [
                    "x",
                    "x_q1",
                    "x_q3",
                    "x_q1_",
                    "x_q1__q1",
                    "x_q1__q3",
                    "run_",
                    "run__q1",
                    "run__q3",
                    "distance_q3_",
                    "distance_q3__q1",
                    "distance_q3__q3"
                ]
                .as_slice()
            )
        );
        assert_eq!(row.split(',').count(), names.len());
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), row.split(',').count());
    }
}
