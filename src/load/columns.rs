//! The runs of a data version as columns: a row for each run, each column of one type.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::columnar::RunMetrics;
use crate::dataset::get::RunFiles;
use crate::formats::json::{JsonObject, JsonValue};
use crate::history::compare::flatten_value;
use crate::load::facts::{RunFacts, RunSource};
use crate::load::{LoadContext, LoadError, LoadedVersion};
use crate::run::{RunKey, StartTime};

/// A column, named. All columns of a table have as many values as there are runs.
#[derive(Debug, Clone, PartialEq)]
pub struct RunColumn {
    /// Its name.
    pub name: String,
    /// Its values.
    pub values: RunValues,
}

/// Values, by run; `None` if one is not known, or the run has none.
#[derive(Debug, Clone, PartialEq)]
pub enum RunValues {
    /// Bools.
    Bools(Vec<Option<bool>>),
    /// 64-bit integers.
    Ints(Vec<Option<i64>>),
    /// Doubles.
    Floats(Vec<Option<f64>>),
    /// Texts.
    Texts(Vec<Option<String>>),
    /// Times, in microseconds since the Unix epoch.
    Times(Vec<Option<i64>>),
    /// Lists of texts.
    TextLists(Vec<Vec<String>>),
}

impl RunValues {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Bools(values) => values.len(),
            Self::Ints(values) | Self::Times(values) => values.len(),
            Self::Floats(values) => values.len(),
            Self::Texts(values) => values.len(),
            Self::TextLists(values) => values.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl LoadedVersion {
    /// A row for each run of the data version, in the order of [`LoadedVersion::runs`].
    pub fn list_columns(&self, context: &LoadContext<'_>) -> Result<Vec<RunColumn>, LoadError> {
        let project = self.open_project(context.env)?;
        let erased = self.find_erased(&project, &self.runs)?;
        let runs: Vec<&RunFiles> = self.runs.iter().collect();
        let is_erased = |run: &RunFiles| erased.contains_key(&run.key);
        let there: Vec<&RunFiles> = runs.iter().copied().filter(|run| !is_erased(run)).collect();
        let mut read = self.read_facts(&project, &there, context)?.into_iter();
        // Of an erased run nothing is known but what history says.
        let facts_of = |run: &RunFiles| if is_erased(run) { None } else { read.next() };
        let facts: Vec<RunFacts> = runs.iter().copied().map(facts_of).map(Option::unwrap_or_default).collect();
        context.check_cancelled()?;
        let sources = self.find_sources(&project, &runs, &facts)?;
        Ok(self.make_columns(&facts, &sources, &erased))
    }

    fn make_columns(
        &self,
        facts: &[RunFacts],
        sources: &[RunSource],
        erased: &BTreeMap<RunKey, String>,
    ) -> Vec<RunColumn> {
        let mut columns = Vec::new();
        let mut push = |name: &str, values: RunValues| columns.push(RunColumn { name: name.to_owned(), values });
        let names =
            |of: fn(&RunKey) -> String| RunValues::Texts(self.runs.iter().map(|run| Some(of(&run.key))).collect());
        push("run", names(ToString::to_string));
        push("experiment", names(|key| key.experiment().to_owned()));
        push("run_id", names(|key| key.run_id().to_owned()));
        let started =
            |facts: &RunFacts| StartTime::new(facts.start_time.as_deref()?).instant().map(Timestamp::as_microsecond);
        push("started", RunValues::Times(facts.iter().map(started).collect()));
        push("steps", ints(facts, |facts| int(facts.steps?)));
        push("episodes", ints(facts, |facts| int(facts.metrics.as_ref()?.episodes)));
        push_figures(facts, &mut push);
        push("base_seed", ints(facts, |facts| facts.base_seed));
        push("seeds", ints(facts, |facts| int(facts.seeds.as_ref()?.unique_count)));
        push("seed_min", ints(facts, |facts| Some(facts.seeds.as_ref()?.min)));
        push("seed_max", ints(facts, |facts| Some(facts.seeds.as_ref()?.max)));
        push("config_hash", texts(facts, |facts| facts.config_hash.clone()));
        let committed = |of: fn(&RunSource) -> Option<String>| RunValues::Texts(sources.iter().map(of).collect());
        push("commit", committed(|source| Some(source.commit.as_ref()?.id.to_string())));
        let time = |source: &RunSource| Timestamp::from_second(source.commit.as_ref()?.time).ok();
        let times = sources.iter().map(|source| time(source).map(Timestamp::as_microsecond)).collect();
        push("committed_at", RunValues::Times(times));
        push("author", committed(|source| Some(source.commit.as_ref()?.author.clone())));
        push("tags", RunValues::TextLists(sources.iter().map(|source| source.tags.clone()).collect()));
        let version = self.version.to_string();
        push("data_version", RunValues::Texts(vec![Some(version); self.runs.len()]));
        push("valid", RunValues::Bools(facts.iter().map(|facts| Some(facts.verdict.as_ref()?.ok)).collect()));
        push("erased", RunValues::Texts(self.runs.iter().map(|run| erased.get(&run.key).cloned()).collect()));
        push("schema_version", texts(facts, |facts| facts.schema_version.clone()));
        push("simulator", texts(facts, |facts| facts.simulator.clone()));
        push("simulator_version", texts(facts, |facts| facts.simulator_version.clone()));
        push("code_version", texts(facts, |facts| facts.code_version.clone()));
        columns.extend(metric_columns(facts));
        columns.extend(config_columns(facts));
        columns
    }
}

/// How a figure is read from metrics.
pub type FigureOf = fn(&RunMetrics) -> Option<f64>;

/// The figures that runs of any kind can have, and their names.
pub const FIGURES: [(&str, FigureOf); 6] = [
    ("success", |metrics| metrics.success_rate),
    ("reward", |metrics| metrics.mean_reward),
    ("max_reward", |metrics| metrics.max_reward),
    ("mean_steps", |metrics| metrics.mean_steps),
    ("final_distance", |metrics| metrics.mean_final_distance),
    ("min_final_distance", |metrics| metrics.min_final_distance),
];

fn push_figures(facts: &[RunFacts], push: &mut impl FnMut(&str, RunValues)) {
    for (name, figure) in FIGURES {
        push(name, RunValues::Floats(facts.iter().map(|facts| figure(facts.metrics.as_ref()?)).collect()));
    }
}

fn int(count: u64) -> Option<i64> {
    i64::try_from(count).ok()
}

fn ints(facts: &[RunFacts], of: impl Fn(&RunFacts) -> Option<i64>) -> RunValues {
    RunValues::Ints(facts.iter().map(of).collect())
}

fn texts(facts: &[RunFacts], of: impl Fn(&RunFacts) -> Option<String>) -> RunValues {
    RunValues::Texts(facts.iter().map(of).collect())
}

/// The most values of the columns that runs name themselves: a stranger's run can name a million.
const MOST_VALUES: usize = 20_000_000;

/// Values that runs name themselves: by name, each with the run's place.
type NamedValues = BTreeMap<String, Vec<(usize, JsonValue)>>;

/// The metrics that runs declare, each as `metric.<name>`, by name.
fn metric_columns(facts: &[RunFacts]) -> Vec<RunColumn> {
    let mut named = NamedValues::new();
    for (at, facts_of_run) in facts.iter().enumerate() {
        let declared = facts_of_run.metrics.iter().filter_map(|metrics| metrics.declared.as_ref()).flatten();
        for metric in declared {
            let value = metric.value.map_or(JsonValue::Null, JsonValue::Float);
            named.entry(metric.name.clone()).or_default().push((at, value));
        }
    }
    let floats =
        |values: Vec<Option<JsonValue>>| RunValues::Floats(values.into_iter().map(|value| value?.as_f64()).collect());
    let text = |at: usize| {
        let declared = facts.get(at)?.metrics.as_ref()?.declared.as_ref()?;
        let members = declared.iter().map(|m| (m.name.as_str(), m.value.map_or(JsonValue::Null, JsonValue::Float)));
        Some(JsonValue::Object(members.collect::<JsonObject>()).to_canonical())
    };
    spread_columns("metric", named, facts.len(), floats, text)
}

/// The configuration, each key as `env_config.<dotted key>`, by key.
fn config_columns(facts: &[RunFacts]) -> Vec<RunColumn> {
    let mut named = NamedValues::new();
    for (at, facts_of_run) in facts.iter().enumerate() {
        for (key, value) in facts_of_run.env_config.iter().flat_map(flatten_value) {
            named.entry(key).or_default().push((at, value));
        }
    }
    let text = |at: usize| Some(facts.get(at)?.env_config.as_ref()?.to_canonical());
    spread_columns("env_config", named, facts.len(), type_values, text)
}

/// A column for each name; one of JSON texts, by run, if these would be too many values.
fn spread_columns(
    prefix: &str,
    named: NamedValues,
    runs: usize,
    type_values: impl Fn(Vec<Option<JsonValue>>) -> RunValues,
    text_of: impl Fn(usize) -> Option<String>,
) -> Vec<RunColumn> {
    if named.len().saturating_mul(runs) > MOST_VALUES {
        return vec![RunColumn { name: prefix.to_owned(), values: RunValues::Texts((0..runs).map(text_of).collect()) }];
    }
    let column = |(name, values): (String, Vec<(usize, JsonValue)>)| {
        let mut dense = vec![None; runs];
        // A null is a value that is not known.
        for (at, value) in values.into_iter().filter(|(_, value)| !value.is_null()) {
            if let Some(place) = dense.get_mut(at) {
                *place = Some(value);
            }
        }
        RunColumn { name: format!("{prefix}.{name}"), values: type_values(dense) }
    };
    named.into_iter().map(column).collect()
}

/// Values as the narrowest type that holds all of them: bools, integers, numbers, texts; else each as its JSON text.
fn type_values(values: Vec<Option<JsonValue>>) -> RunValues {
    // A float holds every integer up to here exactly.
    const EXACT: i64 = 1 << 53;
    let all = |is: fn(&JsonValue) -> bool| values.iter().flatten().all(is);
    if all(|value| matches!(value, JsonValue::Bool(_))) && values.iter().any(Option::is_some) {
        return RunValues::Bools(values.iter().map(|value| value.as_ref()?.as_bool()).collect());
    }
    if all(|value| matches!(value, JsonValue::Int(_))) && values.iter().any(Option::is_some) {
        return RunValues::Ints(values.iter().map(|value| value.as_ref()?.as_i64()).collect());
    }
    let is_number = |value: &JsonValue| match value {
        JsonValue::Int(int) => (-EXACT..=EXACT).contains(int),
        JsonValue::Float(_) => true,
        _ => false,
    };
    if all(is_number) && values.iter().any(Option::is_some) {
        return RunValues::Floats(values.iter().map(|value| value.as_ref()?.as_f64()).collect());
    }
    let is_text = all(|value| matches!(value, JsonValue::Text(_)));
    let text = |value: JsonValue| match value {
        JsonValue::Text(text) if is_text => text.to_string(),
        other => other.to_canonical(),
    };
    RunValues::Texts(values.into_iter().map(|value| value.map(text)).collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::formats::json::parse;

    fn typed(texts: &[&str]) -> RunValues {
        type_values(texts.iter().map(|text| Some(parse(text.as_bytes()).unwrap()).filter(|v| !v.is_null())).collect())
    }

    #[test]
    fn values_have_the_narrowest_type_that_holds_all() {
        assert_eq!(typed(&["true", "null"]), RunValues::Bools(vec![Some(true), None]));
        assert_eq!(typed(&["1", "-2"]), RunValues::Ints(vec![Some(1), Some(-2)]));
        assert_eq!(typed(&["1", "2.5", "null"]), RunValues::Floats(vec![Some(1.0), Some(2.5), None]));
        assert_eq!(typed(&["\"a\"", "null"]), RunValues::Texts(vec![Some("a".into()), None]));
        let texts = |texts: &[&str]| RunValues::Texts(texts.iter().map(|text| Some((*text).to_owned())).collect());
        // Mixed, so that a text keeps its quotes and differs from the number.
        assert_eq!(typed(&["\"1\"", "1"]), texts(&["\"1\"", "1"]));
        assert_eq!(typed(&["[1, 2]", "true"]), texts(&["[1,2]", "true"]));
        assert_eq!(typed(&["9007199254740993", "0.5"]), texts(&["9007199254740993", "0.5"]));
        assert_eq!(typed(&["123456789012345678901234567890"]), texts(&["123456789012345678901234567890"]));
        assert_eq!(typed(&["null"]), RunValues::Texts(vec![None]));
    }

    #[test]
    fn a_key_that_only_some_runs_have_is_null_in_the_others() {
        let facts =
            |config: &str| RunFacts { env_config: Some(parse(config.as_bytes()).unwrap()), ..RunFacts::default() };
        let columns =
            config_columns(&[facts(r#"{"a": {"b": 1}, "a.b": "x"}"#), facts(r#"{"c": NaN}"#), RunFacts::default()]);
        let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        assert_eq!(names, ["env_config.\"a.b\"", "env_config.a.b", "env_config.c"]);
        assert_eq!(columns[1].values, RunValues::Ints(vec![Some(1), None, None]));
        let RunValues::Floats(nan) = &columns[2].values else { panic!("{columns:?}") };
        assert!(nan[0].is_none() && nan[1].unwrap().is_nan());
    }
}
