//! Runs that differ in nothing but their seeds, put together, and the mean of each figure with its 95 % interval.
//!
//! The rule, which the page of a report follows, too:
//!
//! - Runs are of one group if their experiment and their configuration are the same. Keys of the configuration are dotted
//!   ([`flatten_value`]: a list is one value). A key is a seed, and does not count, if its last part is `seed` or `seeds` or
//!   ends in `_seed` or `_seeds`; the last part is what follows the last `.` or `"`, a `"` at the end aside. A key that only
//!   one of two runs has is a difference, and so is `null` against a key that is absent.
//! - Values are the same if [`comparable_text`] of both is: numbers are compared by value (`1`, `1.0` and `1e0` are the
//!   same, so are `0` and `-0.0`, and `NaN` equals itself), texts by their characters, lists item by item, objects in lists
//!   by their members in any order. Beyond 2^53, a whole number is only the same as one with the same digits and no fraction
//!   or exponent.
//! - A run whose configuration is not known is in no group: it is counted as left out. One whose `run.json` has no
//!   configuration has an empty one.
//! - The mean of a figure is over the runs of the group of which it is known and finite; their number stands beside it.
//!   The interval is `mean ± t · s / √n`: `s` is the standard deviation with `n - 1`, `t` the 97.5 % quantile of Student's t
//!   with `n - 1` degrees of freedom, found by bisection on its exact distribution (Abramowitz and Stegun 26.7.3 and 26.7.4).
//!   Of equal values, the mean is that value and the interval is 0 wide. One run has no interval.
//!
//! The order of the groups is that of their first runs in the list given.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::formats::json::JsonValue;
use crate::history::compare::flatten_value;
use crate::history::listed_runs::ListedRun;
use crate::run::RunKey;

/// Runs of one experiment and one configuration, seeds aside.
#[derive(Debug, Clone, PartialEq)]
pub struct RunGroup {
    /// The experiment.
    pub experiment: String,
    /// The configuration without seeds: dotted key and value, sorted by key.
    pub config: BTreeMap<String, JsonValue>,
    /// The runs, in the order of the list.
    pub runs: Vec<RunKey>,
    /// Mean reward of an episode; `None` if no run has rewards.
    pub reward: Option<MeanInterval>,
    /// Share of the episodes that succeeded.
    pub success: Option<MeanInterval>,
    /// Steps of a run.
    pub steps: Option<MeanInterval>,
    /// The metrics that the runs declare, by name in the order of the first run that has them, with their unit.
    pub declared: Vec<GroupMetric>,
}

/// A metric that runs of a group declare.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupMetric {
    /// Its name.
    pub name: String,
    /// Its unit; `None` if it has none, or if the runs do not agree on it.
    pub unit: Option<String>,
    /// Its mean; `None` if no run has a finite value.
    pub mean: Option<MeanInterval>,
}

/// A mean over runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MeanInterval {
    /// How many runs have a finite value: at least 1.
    pub n: usize,
    /// The mean.
    pub mean: f64,
    /// Half the width of the 95 % interval; `None` for one run.
    pub half_width: Option<f64>,
}

/// Groups, and what could not be grouped.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunGroups {
    /// The groups, in the order of their first runs.
    pub groups: Vec<RunGroup>,
    /// The keys of the configuration whose values are not the same in all groups, sorted.
    pub differing: Vec<String>,
    /// The runs whose configuration is not known.
    pub left_out: Vec<RunKey>,
}

/// Puts runs together that differ in nothing but their seeds.
#[must_use]
pub fn group_runs(runs: &[ListedRun]) -> RunGroups {
    let mut found = RunGroups::default();
    let mut members: Vec<Vec<&ListedRun>> = Vec::new();
    let mut configs: Vec<BTreeMap<String, JsonValue>> = Vec::new();
    let mut places: HashMap<(&str, String), usize> = HashMap::new();
    for run in runs {
        let Some(config) = config_without_seeds(run) else {
            found.left_out.push(run.key.clone());
            continue;
        };
        let place = *places.entry((run.key.experiment(), config_text(&config))).or_insert(members.len());
        match members.get_mut(place) {
            Some(group) => group.push(run),
            None => {
                members.push(vec![run]);
                configs.push(config);
            }
        }
    }
    found.groups = members.iter().zip(configs).map(|(runs, config)| summarize_group(runs, config)).collect();
    found.differing = differing_keys(&found.groups);
    found
}

/// A run's configuration by dotted key, without seeds; `None` if it is not known.
fn config_without_seeds(run: &ListedRun) -> Option<BTreeMap<String, JsonValue>> {
    // A run that declares its columns need not have a configuration.
    let env_config = run.env_config.as_ref().or_else(|| run.schema_version.is_some().then_some(&JsonValue::Null))?;
    Some(flatten_value(env_config).into_iter().filter(|(key, _)| !is_seed_key(key)).collect())
}

/// Whether a dotted key of a configuration is a seed, which does not tell groups apart.
#[must_use]
pub fn is_seed_key(key: &str) -> bool {
    let key = key.strip_suffix('"').unwrap_or(key);
    let last = key.rsplit(['.', '"']).next().unwrap_or(key);
    matches!(last, "seed" | "seeds") || last.ends_with("_seed") || last.ends_with("_seeds")
}

/// A text that is the same for two configurations exactly if they differ in nothing but seeds; keys come sorted.
#[must_use]
pub fn config_text<'a>(config: impl IntoIterator<Item = (&'a String, &'a JsonValue)>) -> String {
    let mut out = String::new();
    for (key, value) in config.into_iter().filter(|(key, _)| !is_seed_key(key)) {
        // Quoted, so that no key or value can pose as the end of another.
        out.push_str(&format!("{key:?}:{},", comparable_text(value)));
    }
    out
}

/// A text that is the same for two values of a configuration exactly if they count as the same.
#[must_use]
pub fn comparable_text(value: &JsonValue) -> String {
    /// 2^53: up to here a double holds every whole number.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match value {
        #[allow(clippy::cast_possible_truncation)]
        JsonValue::Float(float) if float.trunc() == *float && float.abs() <= EXACT => (*float as i64).to_string(),
        JsonValue::Array(items) => {
            let items: Vec<String> = items.iter().map(comparable_text).collect();
            format!("[{}]", items.join(","))
        }
        JsonValue::Object(object) => {
            let mut members: Vec<(_, String)> =
                object.iter().map(|(key, value)| (key, comparable_text(value))).collect();
            members.sort();
            let members: Vec<String> = members
                .into_iter()
                .map(|(key, text)| format!("{}:{text}", JsonValue::Text(key.clone()).to_canonical()))
                .collect();
            format!("{{{}}}", members.join(","))
        }
        other => other.to_canonical(),
    }
}

fn differing_keys(groups: &[RunGroup]) -> Vec<String> {
    let keys: BTreeSet<&String> = groups.iter().flat_map(|group| group.config.keys()).collect();
    let differs = |key: &&String| {
        let mut texts = groups.iter().map(|group| group.config.get(*key).map(comparable_text));
        let first = texts.next();
        texts.any(|text| Some(&text) != first.as_ref())
    };
    keys.into_iter().filter(differs).cloned().collect()
}

fn summarize_group(runs: &[&ListedRun], config: BTreeMap<String, JsonValue>) -> RunGroup {
    let figure = |of: fn(&ListedRun) -> Option<f64>| mean_interval(runs.iter().filter_map(|run| of(run)));
    RunGroup {
        experiment: runs.first().map(|run| run.key.experiment().to_owned()).unwrap_or_default(),
        config,
        runs: runs.iter().map(|run| run.key.clone()).collect(),
        reward: figure(|run| run.metrics.as_ref()?.mean_reward),
        success: figure(|run| run.metrics.as_ref()?.success_rate),
        #[allow(clippy::cast_precision_loss)]
        steps: figure(|run| Some(run.steps? as f64)),
        declared: summarize_declared(runs),
    }
}

fn summarize_declared(runs: &[&ListedRun]) -> Vec<GroupMetric> {
    let mut names: Vec<&str> = Vec::new();
    let mut found: HashMap<&str, (Vec<f64>, BTreeSet<Option<&str>>)> = HashMap::new();
    for metric in runs.iter().filter_map(|run| run.metrics.as_ref()?.declared.as_ref()).flatten() {
        let (values, units) = found.entry(&metric.name).or_insert_with(|| {
            names.push(&metric.name);
            Default::default()
        });
        values.extend(metric.value);
        units.insert(metric.unit.as_deref());
    }
    let summarize = |name: &str| {
        let (values, units) = found.remove(name)?;
        let unit = if units.len() == 1 { units.first().copied().flatten().map(str::to_owned) } else { None };
        Some(GroupMetric { name: name.to_owned(), unit, mean: mean_interval(values) })
    };
    names.into_iter().filter_map(summarize).collect()
}

/// The mean of the finite values, and its 95 % interval; `None` if there is no such value.
#[must_use]
#[allow(clippy::cast_precision_loss)]
pub fn mean_interval(values: impl IntoIterator<Item = f64>) -> Option<MeanInterval> {
    let values: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
    let (n, first) = (values.len(), *values.first()?);
    // Equal values have no spread, whatever their sum is rounded to.
    if values.iter().all(|value| *value == first) {
        return Some(MeanInterval { n, mean: first, half_width: (n > 1).then_some(0.0) });
    }
    let mean = values.iter().sum::<f64>() / n as f64;
    // Of huge values, the sum or the squares can be beyond all doubles.
    if !mean.is_finite() {
        return None;
    }
    let half_width = (n > 1).then(|| {
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1) as f64;
        student_quantile(n - 1) * (variance / n as f64).sqrt()
    });
    Some(MeanInterval { n, mean, half_width: half_width.filter(|half| half.is_finite()) })
}

/// The 97.5 % quantile of Student's t with this many degrees of freedom, at least 1.
#[must_use]
pub fn student_quantile(freedom: usize) -> f64 {
    // The quantile is between that of the normal distribution, 1.96, and that of one degree of freedom, 12.71.
    let (mut low, mut high) = (1.9, 13.0);
    // 60 halvings of that span are below a double's precision.
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if student_tails(middle, freedom) > 0.05 { low = middle } else { high = middle }
    }
    high
}

/// The probability of a value farther from 0 than `t`, by the finite sums of Abramowitz and Stegun 26.7.3 and 26.7.4.
#[allow(clippy::cast_precision_loss)]
fn student_tails(t: f64, freedom: usize) -> f64 {
    let angle = (t / (freedom as f64).sqrt()).atan();
    let (sine, cosine) = angle.sin_cos();
    let is_even = freedom.is_multiple_of(2);
    let mut term = if is_even { 1.0 } else { cosine };
    let mut sum = if freedom == 1 { 0.0 } else { term };
    let mut at = if is_even { 2 } else { 3 };
    while at + 2 <= freedom {
        term *= cosine * cosine * (at - 1) as f64 / at as f64;
        sum += term;
        at += 2;
    }
    if is_even { 1.0 - sine * sum } else { 1.0 - std::f64::consts::FRAC_2_PI * (angle + sine * sum) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::formats::json::parse;

    #[test]
    fn seed_keys_are_known_by_their_last_part() {
        for key in
            ["seed", "env.seeds", "agent.random_seed", "a.b.eval_seeds", "\"a.b\".seed", "x.\"my.seed\"", "_seed"]
        {
            assert!(is_seed_key(key), "{key}");
        }
        for key in ["seedling", "seed.value", "proceed", "Seed", "seed_count", "plantseed"] {
            assert!(!is_seed_key(key), "{key}");
        }
    }

    #[test]
    fn values_are_compared_by_what_they_are_not_by_how_they_are_written() {
        let text = |json: &str| comparable_text(&parse(json.as_bytes()).unwrap());
        for (a, b) in [
            ("1", "1.0"),
            ("1", "1e0"),
            ("0", "-0.0"),
            ("NaN", "NaN"),
            ("[1, 2.50]", "[1.0,2.5]"),
            (r#"[{"a": 1, "b": 2}]"#, r#"[{"b": 2.0, "a": 1}]"#),
            ("9007199254740992", "9007199254740992.0"),
            (r#""\u00e9""#, "\"é\""),
        ] {
            assert_eq!(text(a), text(b), "{a} {b}");
        }
        for (a, b) in [
            ("1", "true"),
            ("1", "\"1\""),
            ("null", "\"null\""),
            ("0.1", "0.10000000000000002"),
            ("9007199254740993", "9007199254740992"),
            ("99999999999999999999", "99999999999999999998"),
            ("Infinity", "-Infinity"),
            ("[1,2]", "[2,1]"),
            (r#"["a,b"]"#, r#"["a","b"]"#),
            (r#"[{"a": 1}]"#, r#"[{"a": 1, "b": null}]"#),
            (r#""\ud800""#, r#""\ud801""#),
        ] {
            assert_ne!(text(a), text(b), "{a} {b}");
        }
    }

    /// Values of the table in Abramowitz and Stegun, 26.10, and of R's `qt(0.975, n)`.
    #[test]
    fn the_quantiles_are_students() {
        for (freedom, quantile) in [
            (1, 12.706_204_736_175),
            (2, 4.302_652_729_749),
            (3, 3.182_446_305_284),
            (4, 2.776_445_105_198),
            (9, 2.262_157_162_798),
            (30, 2.042_272_456_301),
            (99, 1.984_216_951_586),
            (1000, 1.962_339_080_826),
        ] {
            let found = student_quantile(freedom);
            assert!((found - quantile).abs() < 1e-9, "{freedom}: {found} {quantile}");
        }
    }

    #[test]
    fn a_mean_is_over_what_is_finite_and_one_value_has_no_interval() {
        assert_eq!(mean_interval([]), None);
        assert_eq!(mean_interval([f64::NAN, f64::INFINITY]), None);
        assert_eq!(mean_interval([f64::NAN, 3.0]), Some(MeanInterval { n: 1, mean: 3.0, half_width: None }));
        let found = mean_interval([1.0, 2.0, 3.0, f64::NAN]).unwrap();
        assert_eq!((found.n, found.mean), (3, 2.0));
        // t(2) / sqrt(3)
        assert!((found.half_width.unwrap() - 4.302_652_729_749 / 3_f64.sqrt()).abs() < 1e-9);
        assert_eq!(mean_interval([f64::MAX, f64::MAX, 0.0]), None);
        // The sum of ten of these is rounded.
        assert_eq!(mean_interval([0.1; 10]), Some(MeanInterval { n: 10, mean: 0.1, half_width: Some(0.0) }));
        assert_eq!(mean_interval([f64::MAX, -f64::MAX]).map(|found| found.half_width), Some(None));
    }
}
