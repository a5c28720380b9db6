//! The values of a known run by name, as people type them in a filter: `reward`, `tag`, `env_config.sigma`.

use std::collections::BTreeSet;

use crate::columnar::RunMetrics;
use crate::formats::json::JsonValue;
use crate::history::compare::quote_key;
use crate::history::listed_runs::{ListedRun, ListedState};
use crate::support::text::find_near;

/// What precedes keys of a run's configuration.
const CONFIG_PREFIX: &str = "env_config";

/// How a field's values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldKind {
    /// As the JSON value that it is.
    Plain,
    /// As an instant.
    Time,
    /// As a hash, of which the first digits are enough.
    Hash,
    /// As one of few words.
    State,
    /// As a list of names, of which one is enough.
    Tags,
}

/// A field of a run.
#[derive(Debug, Clone)]
pub enum RunField {
    /// One that every run can have.
    BuiltIn(&'static BuiltInField),
    /// A metric that a run's schema declares.
    Metric(String),
    /// A key of its configuration, part by part.
    Config(Vec<String>),
}

/// A field that every run can have.
#[derive(Debug)]
pub struct BuiltInField {
    /// Its name, and other names for it.
    names: &'static [&'static str],
    kind: FieldKind,
    value_of: fn(&ListedRun) -> Option<JsonValue>,
}

/// Why a name stands for no field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldError {
    /// No run has it; similar names.
    Unknown(Vec<String>),
    /// It is the end of several keys.
    Ambiguous(Vec<String>),
}

impl RunField {
    /// The field that a dotted name stands for among these runs: one that every run can have, else a declared metric, else
    /// a key of the configuration, with `env_config.` before it or not. The end of a key is enough if no other key has it.
    pub fn find(parts: &[String], runs: &[ListedRun]) -> Result<Self, FieldError> {
        if let [name] = parts {
            if let Some(field) = BUILT_IN_FIELDS.iter().find(|field| field.names.contains(&name.as_str())) {
                return Ok(Self::BuiltIn(field));
            }
            if runs.iter().any(|run| has_metric(run, name)) {
                return Ok(Self::Metric(name.clone()));
            }
        }
        let path = match parts {
            [first, rest @ ..] if first == CONFIG_PREFIX && !rest.is_empty() => rest,
            _ => parts,
        };
        if runs.iter().any(|run| config_value(run, path).is_some()) {
            return Ok(Self::Config(path.to_vec()));
        }
        let paths: BTreeSet<Vec<String>> =
            runs.iter().filter_map(|run| run.env_config.as_ref()).flat_map(list_paths).collect();
        let mut ending = paths.iter().filter(|full| full.ends_with(path));
        match (ending.next(), ending.next()) {
            (Some(full), None) => Ok(Self::Config(full.clone())),
            (Some(first), Some(second)) => {
                let all = [first, second].into_iter().chain(ending);
                Err(FieldError::Ambiguous(all.map(|full| config_name(full)).collect()))
            }
            (None, _) => Err(FieldError::Unknown(near_names(parts, &paths, runs))),
        }
    }

    /// The field's full name.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::BuiltIn(field) => field.names.first().copied().unwrap_or_default().to_owned(),
            Self::Metric(name) => name.clone(),
            Self::Config(path) => config_name(path),
        }
    }

    /// How its values are compared.
    #[must_use]
    pub fn kind(&self) -> FieldKind {
        match self {
            Self::BuiltIn(field) => field.kind,
            Self::Metric(_) | Self::Config(_) => FieldKind::Plain,
        }
    }

    /// A run's value; `None` if it is not known, or the run has no such key.
    #[must_use]
    pub fn value_of(&self, run: &ListedRun) -> Option<JsonValue> {
        match self {
            Self::BuiltIn(field) => (field.value_of)(run),
            Self::Metric(name) => {
                let mut declared = run.metrics.as_ref()?.declared.iter().flatten();
                declared.find(|metric| metric.name == *name)?.value.map(JsonValue::from)
            }
            Self::Config(path) => config_value(run, path).cloned(),
        }
    }
}

fn has_metric(run: &ListedRun, name: &str) -> bool {
    let declared = run.metrics.as_ref().and_then(|metrics| metrics.declared.as_ref());
    declared.is_some_and(|declared| declared.iter().any(|metric| metric.name == name))
}

/// A value of a configuration; an object with members is none.
fn config_value<'a>(run: &'a ListedRun, path: &[String]) -> Option<&'a JsonValue> {
    let mut value = run.env_config.as_ref()?;
    for part in path {
        value = value.get(part)?;
    }
    (!path.is_empty() && value.as_object().is_none_or(|object| object.is_empty())).then_some(value)
}

/// The paths of a configuration's values.
fn list_paths(config: &JsonValue) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut rest: Vec<(Vec<String>, &JsonValue)> = vec![(Vec::new(), config)];
    while let Some((path, value)) = rest.pop() {
        match value.as_object() {
            Some(object) if !object.is_empty() => rest.extend(object.iter().map(|(key, value)| {
                let mut path = path.clone();
                path.push(key.to_string());
                (path, value)
            })),
            _ if path.is_empty() => {}
            _ => found.push(path),
        }
    }
    found
}

/// A key of the configuration as people type it.
fn config_name(path: &[String]) -> String {
    let parts: Vec<String> = path.iter().map(|part| quote_part(part)).collect();
    format!("{CONFIG_PREFIX}.{}", parts.join("."))
}

/// A part of a key as a filter needs it: more than dots must be in quotes.
fn quote_part(part: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '/' | ':' | '+' | '@' | '%');
    if part.chars().all(is_plain) { quote_key(part) } else { format!("{part:?}") }
}

fn near_names(parts: &[String], paths: &BTreeSet<Vec<String>>, runs: &[ListedRun]) -> Vec<String> {
    /// Longer names are no typing errors, and comparing them takes long.
    const MOST: usize = 200;
    let typed = parts.join(".");
    if typed.len() > MOST {
        return Vec::new();
    }
    let mut spellings: Vec<(String, String)> = Vec::new();
    spellings.extend(
        BUILT_IN_FIELDS.iter().flat_map(|field| field.names).map(|name| ((*name).to_owned(), (*name).to_owned())),
    );
    for path in paths {
        let name = config_name(path);
        let last = path.last().cloned().unwrap_or_default();
        spellings.extend(
            [path.join("."), last, format!("{CONFIG_PREFIX}.{}", path.join("."))]
                .map(|spelling| (spelling, name.clone())),
        );
    }
    let metrics = runs.iter().filter_map(|run| run.metrics.as_ref()?.declared.as_ref()).flatten();
    let metrics: BTreeSet<&String> = metrics.map(|metric| &metric.name).collect();
    spellings.extend(metrics.into_iter().map(|name| (name.clone(), name.clone())));
    let short = spellings.iter().filter(|(spelling, _)| spelling.len() <= MOST);
    find_near(&typed, short.map(|(spelling, name)| (spelling.as_str(), name.as_str())))
        .into_iter()
        .map(str::to_owned)
        .collect()
}

const fn field(
    names: &'static [&'static str],
    kind: FieldKind,
    value_of: fn(&ListedRun) -> Option<JsonValue>,
) -> BuiltInField {
    BuiltInField { names, kind, value_of }
}

/// The fields that every run can have: names as the table and `--json` have them.
static BUILT_IN_FIELDS: &[BuiltInField] = &[
    field(&["run"], FieldKind::Plain, |run| text(run.key.to_string())),
    field(&["experiment"], FieldKind::Plain, |run| text(run.key.experiment())),
    field(&["run_id"], FieldKind::Plain, |run| text(run.key.run_id())),
    field(&["state"], FieldKind::State, |run| text(run.state().as_str())),
    field(&["selected"], FieldKind::Plain, |run| Some(run.is_selected.into())),
    field(&["started", "start_time"], FieldKind::Time, |run| text(run.start_time.as_deref()?)),
    field(&["committed", "committed_at"], FieldKind::Time, |run| {
        let time = run.commit.as_ref().map(|commit| jiff::Timestamp::from_second(commit.time));
        committed_value(run, time.and_then(Result::ok).map(|time| time.to_string()))
    }),
    field(&["commit"], FieldKind::Hash, |run| {
        committed_value(run, run.commit.as_ref().map(|commit| commit.id.to_string()))
    }),
    field(&["author"], FieldKind::Plain, |run| {
        committed_value(run, run.commit.as_ref().map(|commit| commit.author.clone()))
    }),
    field(&["data_version"], FieldKind::Hash, |run| {
        committed_value(run, run.data_version.map(|version| version.to_string()))
    }),
    field(&["tag", "tags"], FieldKind::Tags, |run| {
        let tags: Vec<&str> = run.tags.iter().map(String::as_str).collect();
        Some(if tags.is_empty() { JsonValue::Null } else { tags.into() })
    }),
    field(&["config_hash"], FieldKind::Hash, |run| text(run.config_hash.as_deref()?)),
    field(&["schema_version"], FieldKind::Plain, |run| text(run.schema_version.as_deref()?)),
    field(&["package_version"], FieldKind::Plain, |run| text(run.package_version.as_deref()?)),
    field(&["git_sha"], FieldKind::Hash, |run| text(run.git_sha.as_deref()?)),
    field(&["seed", "base_seed"], FieldKind::Plain, |run| {
        let only = || run.seeds.filter(|seeds| seeds.unique_count == 1).map(|seeds| seeds.min);
        run.base_seed.or_else(only).map(JsonValue::from)
    }),
    field(&["seeds"], FieldKind::Plain, |run| Some(run.seeds?.unique_count.into())),
    field(&["seed_min"], FieldKind::Plain, |run| Some(run.seeds?.min.into())),
    field(&["seed_max"], FieldKind::Plain, |run| Some(run.seeds?.max.into())),
    field(&["steps"], FieldKind::Plain, |run| run.steps.map(JsonValue::from)),
    field(&["episodes"], FieldKind::Plain, |run| run.episodes.map(JsonValue::from)),
    field(&["successes"], FieldKind::Plain, |run| run.metrics.as_ref()?.successes.map(JsonValue::from)),
    field(&["success", "success_rate"], FieldKind::Plain, |run| figure(run, |metrics| metrics.success_rate)),
    field(&["reward", "mean_reward"], FieldKind::Plain, |run| figure(run, |metrics| metrics.mean_reward)),
    field(&["max_reward"], FieldKind::Plain, |run| figure(run, |metrics| metrics.max_reward)),
    field(&["mean_steps"], FieldKind::Plain, |run| figure(run, |metrics| metrics.mean_steps)),
    field(&["mean_final_distance"], FieldKind::Plain, |run| figure(run, |metrics| metrics.mean_final_distance)),
    field(&["min_final_distance"], FieldKind::Plain, |run| figure(run, |metrics| metrics.min_final_distance)),
];

fn text(text: impl Into<JsonValue>) -> Option<JsonValue> {
    Some(text.into())
}

fn figure(run: &ListedRun, of: fn(&RunMetrics) -> Option<f64>) -> Option<JsonValue> {
    run.metrics.as_ref().and_then(of).map(JsonValue::from)
}

/// What only a committed run has: of another one it is known that there is none.
fn committed_value(run: &ListedRun, value: Option<String>) -> Option<JsonValue> {
    let is_committed = !matches!(run.state(), ListedState::New | ListedState::Invalid | ListedState::Ingested);
    value.map(JsonValue::from).or_else(|| (!is_committed).then_some(JsonValue::Null))
}
