//! The facts of runs that were read before, noted under the hashes of the files that they come from.
//!
//! Disposable: what is missing is read again. A line is a hash and a JSON text.

use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::columnar::{DeclaredMetric, FigureSet, RunMetrics};
use crate::dvc::hash::DvcHash;
use crate::formats::json::{self, JsonObject, JsonValue};
use crate::history::summary::ValidationVerdict;
use crate::load::facts::RunFacts;
use crate::support::fs;
use crate::validate::SeedSummary;

/// The file in the state directory.
const FILE: &str = "known-runs";
/// Its first line; the number grows with the format, and with what is made of the files.
const HEADER: &str = "capture-hook known runs 1\n";
/// The most bytes that are noted: some 50,000 runs.
const MOST_BYTES: usize = 64 << 20;
/// The most bytes of one run: one with a larger configuration is read each time.
const MOST_OF_RUN: usize = 256 << 10;

/// What is noted.
pub(super) struct KnownFacts {
    path: PathBuf,
    text: String,
    lines: HashMap<DvcHash, Range<usize>>,
}

impl KnownFacts {
    /// What is noted in this state directory; nothing if the file is missing, or another version wrote it.
    pub fn load(state_dir: &Path) -> Self {
        let path = state_dir.join(FILE);
        let bytes = fs::read_within(&path, (2 * MOST_BYTES) as u64).ok().flatten().unwrap_or_default();
        let text = String::from_utf8(bytes).ok().filter(|text| text.starts_with(HEADER)).unwrap_or_default();
        let mut lines = HashMap::new();
        let mut start = HEADER.len().min(text.len());
        for line in text.get(start..).unwrap_or_default().split_inclusive('\n') {
            let end = start + line.len();
            // A line that was cut off has no end.
            if let Some(key) = line.get(..32).and_then(|hex| DvcHash::from_hex(hex.as_bytes()))
                && line.ends_with('\n')
            {
                lines.insert(key, start + 33..end - 1);
            }
            start = end;
        }
        Self { path, text, lines }
    }

    /// The facts that are noted under a key.
    pub fn get(&self, key: DvcHash) -> Option<RunFacts> {
        let text = self.text.get(self.lines.get(&key)?.clone())?;
        facts_of_json(&json::parse(text.as_bytes()).ok()?)
    }

    /// Notes more. That it cannot be noted is no failure.
    pub fn save(&self, new: &HashMap<DvcHash, RunFacts>) {
        let Some(dir) = self.path.parent().filter(|_| !new.is_empty()) else { return };
        let mut added = String::new();
        // The findings that a validation ignored are not noted, so such a run is read each time.
        let has_ignored = |facts: &RunFacts| facts.verdict.as_ref().is_some_and(|verdict| !verdict.ignored.is_empty());
        for (key, facts) in new.iter().filter(|(_, facts)| !has_ignored(facts)) {
            let text = json_of_facts(facts).to_canonical();
            if text.len() <= MOST_OF_RUN && added.len() + text.len() <= MOST_BYTES {
                added.push_str(&format!("{key} {text}\n"));
            }
        }
        // What another process noted since is kept; the oldest is dropped.
        let now = Self::load(dir);
        // Up to its last whole line.
        let whole = now.text.rfind('\n').map_or(0, |at| at + 1);
        let old = now.text.get(HEADER.len()..whole).unwrap_or_default();
        let room = MOST_BYTES.saturating_sub(added.len());
        let cut = old.len().saturating_sub(room);
        let old = old.as_bytes().get(cut..).unwrap_or_default();
        let first = if cut == 0 { Some(0) } else { old.iter().position(|byte| *byte == b'\n').map(|at| at + 1) };
        let old = first.and_then(|first| old.get(first..)).unwrap_or_default();
        let bytes = [HEADER.as_bytes(), old, added.as_bytes()].concat();
        let _ = fs::create_shared_dir(dir).and_then(|_| fs::write_shared(&self.path, &bytes));
    }
}

fn json_of_facts(facts: &RunFacts) -> JsonValue {
    let mut object = JsonObject::new();
    let texts = [
        ("start_time", &facts.start_time),
        ("schema_version", &facts.schema_version),
        ("simulator", &facts.simulator),
        ("simulator_version", &facts.simulator_version),
        ("code_version", &facts.code_version),
        ("config_hash", &facts.config_hash),
        ("manifest_sha256", &facts.manifest_sha256),
    ];
    for (name, text) in texts {
        if let Some(text) = text {
            object.insert(name, text_value(text));
        }
    }
    if let Some(seed) = facts.base_seed {
        object.insert("base_seed", JsonValue::Int(seed));
    }
    if let Some(seeds) = &facts.seeds {
        let numbers = [count_value(seeds.unique_count), JsonValue::Int(seeds.min), JsonValue::Int(seeds.max)];
        object.insert("seeds", JsonValue::Array(numbers.to_vec()));
    }
    if let Some(config) = &facts.env_config {
        object.insert("env_config", config.clone());
    }
    if let Some(steps) = facts.steps {
        object.insert("steps", count_value(steps));
    }
    if let Some(metrics) = &facts.metrics {
        object.insert("metrics", json_of_metrics(metrics));
    }
    if let Some(verdict) = &facts.verdict {
        let names = |names: &[String]| JsonValue::Array(names.iter().map(|name| text_value(name)).collect());
        let list = [JsonValue::Bool(verdict.ok), names(&verdict.errors), names(&verdict.warnings)];
        object.insert("verdict", JsonValue::Array(list.to_vec()));
    }
    JsonValue::Object(object)
}

fn json_of_metrics(metrics: &RunMetrics) -> JsonValue {
    let count = |count: Option<u64>| count.map_or(JsonValue::Null, count_value);
    let float = |float: Option<f64>| float.map_or(JsonValue::Null, JsonValue::Float);
    let declared = metrics.declared.as_ref().map_or(JsonValue::Null, |declared| {
        let metric = |metric: &DeclaredMetric| {
            let unit = metric.unit.as_deref().map_or(JsonValue::Null, text_value);
            JsonValue::Array(vec![text_value(&metric.name), float(metric.value), unit])
        };
        JsonValue::Array(declared.iter().map(metric).collect())
    });
    let figures = metrics.figures;
    JsonValue::Array(vec![
        count_value(metrics.episodes),
        count_value(metrics.steps),
        count(metrics.successes),
        float(metrics.success_rate),
        float(metrics.mean_reward),
        float(metrics.max_reward),
        float(metrics.mean_steps),
        float(metrics.mean_final_distance),
        float(metrics.min_final_distance),
        declared,
        JsonValue::Array([figures.success, figures.reward, figures.final_distance].map(JsonValue::Bool).to_vec()),
        count_value(metrics.judged),
    ])
}

fn facts_of_json(value: &JsonValue) -> Option<RunFacts> {
    value.as_object()?;
    let text = |name: &str| value.get(name).and_then(JsonValue::as_str).map(str::to_owned);
    let seeds = match value.get("seeds").and_then(JsonValue::as_array) {
        Some([count, min, max]) => {
            Some(SeedSummary { unique_count: count_of(count)?, min: min.as_i64()?, max: max.as_i64()? })
        }
        _ => None,
    };
    let metrics = match value.get("metrics") {
        Some(metrics) => Some(metrics_of_json(metrics)?),
        None => None,
    };
    let verdict = match value.get("verdict").and_then(JsonValue::as_array) {
        Some([ok, errors, warnings]) => {
            let names = |value: &JsonValue| -> Option<Vec<String>> {
                value.as_array()?.iter().map(|name| name.as_str().map(str::to_owned)).collect()
            };
            let (errors, warnings) = (names(errors)?, names(warnings)?);
            Some(ValidationVerdict { ok: ok.as_bool()?, errors, warnings, ..ValidationVerdict::default() })
        }
        _ => None,
    };
    Some(RunFacts {
        start_time: text("start_time"),
        schema_version: text("schema_version"),
        simulator: text("simulator"),
        simulator_version: text("simulator_version"),
        code_version: text("code_version"),
        base_seed: value.get("base_seed").and_then(JsonValue::as_i64),
        seeds,
        env_config: value.get("env_config").cloned(),
        config_hash: text("config_hash"),
        steps: value.get("steps").and_then(count_of),
        metrics,
        verdict,
        manifest_sha256: text("manifest_sha256"),
    })
}

fn metrics_of_json(value: &JsonValue) -> Option<RunMetrics> {
    let [
        episodes,
        steps,
        successes,
        success_rate,
        mean_reward,
        max_reward,
        mean_steps,
        mean_final_distance,
        min_final_distance,
        declared,
        figures,
        judged,
    ] = value.as_array()?
    else {
        return None;
    };
    let declared = match declared.as_array() {
        Some(metrics) => {
            let metric = |metric: &JsonValue| match metric.as_array()? {
                [name, value, unit] => Some(DeclaredMetric {
                    name: name.as_str()?.to_owned(),
                    value: value.as_f64(),
                    unit: unit.as_str().map(str::to_owned),
                }),
                _ => None,
            };
            Some(metrics.iter().map(metric).collect::<Option<Vec<_>>>()?)
        }
        None => None,
    };
    let [success, reward, final_distance] = figures.as_array()? else { return None };
    Some(RunMetrics {
        episodes: count_of(episodes)?,
        steps: count_of(steps)?,
        successes: count_of(successes),
        success_rate: success_rate.as_f64(),
        mean_reward: mean_reward.as_f64(),
        max_reward: max_reward.as_f64(),
        mean_steps: mean_steps.as_f64(),
        mean_final_distance: mean_final_distance.as_f64(),
        min_final_distance: min_final_distance.as_f64(),
        declared,
        figures: FigureSet {
            success: success.as_bool()?,
            reward: reward.as_bool()?,
            final_distance: final_distance.as_bool()?,
        },
        judged: count_of(judged)?,
    })
}

fn text_value(text: &str) -> JsonValue {
    JsonValue::Text(text.into())
}

fn count_value(count: u64) -> JsonValue {
    // No run has more than 2^63 of anything.
    JsonValue::Int(i64::try_from(count).unwrap_or(i64::MAX))
}

fn count_of(value: &JsonValue) -> Option<u64> {
    u64::try_from(value.as_i64()?).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn sample_facts() -> RunFacts {
        RunFacts {
            start_time: Some("2026-01-01T00:00:00Z".into()),
            simulator: Some("a\u{202e}\n\"b\"".into()),
            base_seed: Some(-7),
            seeds: Some(SeedSummary { unique_count: 2, min: i64::MIN, max: i64::MAX }),
            env_config: Some(json::parse(br#"{"a": NaN, "b": [1e-05, -Infinity], "c": "\ud800", "d": 1.0}"#).unwrap()),
            steps: Some(10),
            metrics: Some(RunMetrics {
                episodes: 3,
                mean_reward: Some(0.1 + 0.2),
                declared: Some(vec![DeclaredMetric { name: "mean_x".into(), value: None, unit: Some("m".into()) }]),
                figures: FigureSet { success: true, ..FigureSet::default() },
                ..RunMetrics::default()
            }),
            verdict: Some(ValidationVerdict { ok: true, warnings: vec!["w".into()], ..ValidationVerdict::default() }),
            ..RunFacts::default()
        }
    }

    /// Compared as text: `NaN` is not equal to itself.
    fn text_of(facts: &RunFacts) -> String {
        format!("{facts:?}")
    }

    #[test]
    fn what_is_noted_comes_back_to_the_bit() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (DvcHash::of_bytes(b"a"), DvcHash::of_bytes(b"b"));
        KnownFacts::load(dir.path()).save(&HashMap::from([(a, sample_facts())]));
        KnownFacts::load(dir.path()).save(&HashMap::from([(b, RunFacts::default())]));
        let known = KnownFacts::load(dir.path());
        assert_eq!(text_of(&known.get(a).unwrap()), text_of(&sample_facts()));
        assert_eq!(text_of(&known.get(b).unwrap()), text_of(&RunFacts::default()));
        assert!(known.get(DvcHash::of_bytes(b"c")).is_none());
    }

    #[test]
    fn a_file_of_anything_is_no_failure() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        let key = DvcHash::of_bytes(b"a");
        let texts = [
            String::new(),
            "nonsense".into(),
            HEADER.into(),
            format!("{HEADER}{key}"),
            format!("{HEADER}{key} {{"),
            format!("{HEADER}{key} []\n\n\nx\n{key} {{\"metrics\": 3}}\n"),
            format!("{HEADER}ä{key} {{}}\n"),
        ];
        for text in texts {
            std::fs::write(&path, &text).unwrap();
            let known = KnownFacts::load(dir.path());
            assert!(known.get(key).is_none_or(|facts| facts == RunFacts::default()), "{text}");
            known.save(&HashMap::from([(key, sample_facts())]));
            assert!(KnownFacts::load(dir.path()).get(key).is_some(), "{text}");
        }
    }
}
