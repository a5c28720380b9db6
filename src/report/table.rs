//! The columns of the table but for the configuration's: where runs come from, their figures and metrics, their seeds.

use std::collections::{BTreeMap, HashMap};

use crate::columnar::RunMetrics;
use crate::report::data::{ColumnData, ColumnValues, Num};
use crate::report::facts::RunFacts;
use crate::report::texts::Texts;
use crate::report::thin::{LeftOutParts, Limits};

/// The largest integer up to which every integer is a float: 2⁵³.
const EXACT: i64 = 1 << 53;

/// A run as the table needs it.
#[derive(Debug)]
pub struct TableRun {
    /// What is known of it.
    pub facts: RunFacts,
    /// The index of its commit.
    pub commit: Option<usize>,
    /// Its newest tag.
    pub tag: Option<String>,
    /// Its data version.
    pub version: Option<String>,
}

/// The columns; one of which no run has a value is left out.
#[must_use]
pub fn list_columns(runs: &[TableRun], cut: &mut LeftOutParts) -> Vec<ColumnData> {
    let column = |id: &str, title: &str, (kind, group): (&'static str, &'static str), values: ColumnValues| {
        ColumnData { id: id.to_owned(), title: title.to_owned(), kind, group, unit: None, shown: true, values }
    };
    let texts =
        |of: fn(&TableRun) -> Option<&String>| Texts::of_runs(runs.iter().map(|run| of(run).cloned())).into_values();
    let numbers = |of: &dyn Fn(&RunFacts) -> Option<f64>| {
        ColumnValues::Numbers(runs.iter().map(|run| Num(of(&run.facts))).collect())
    };
    let counts = |of: fn(&RunFacts) -> Option<u64>| numbers(&|facts| of(facts).and_then(|count| Num::count(count).0));
    let metric = |of: fn(&RunMetrics) -> Option<f64>| numbers(&|facts| facts.metrics.as_ref().and_then(of));
    #[allow(clippy::cast_precision_loss)]
    let commits = runs.iter().map(|run| Num(run.commit.map(|commit| commit as f64))).collect();
    let mut columns = vec![
        column("started", "Started", ("time", "run"), texts(|run| run.facts.start_time.as_ref())),
        column("commit", "Commit", ("commit", "run"), ColumnValues::Numbers(commits)),
        column("tag", "Tag", ("tag", "run"), texts(|run| run.tag.as_ref())),
        ColumnData {
            shown: false,
            ..column("version", "Data version", ("text", "run"), texts(|run| run.version.as_ref()))
        },
        column("steps", "Steps", ("count", "figure"), counts(|facts| facts.steps)),
        column("episodes", "Episodes", ("count", "figure"), counts(|facts| facts.episodes)),
        column("success", "Success", ("share", "figure"), metric(|metrics| metrics.success_rate)),
        column("reward", "Mean reward", ("number", "figure"), metric(|metrics| metrics.mean_reward)),
        column(
            "final_distance",
            "Mean final distance",
            ("number", "figure"),
            metric(|metrics| metrics.mean_final_distance),
        ),
    ];
    columns.extend(metric_columns(runs, cut));
    columns.push(seed_column(runs));
    columns.retain(has_values);
    columns
}

fn has_values(column: &ColumnData) -> bool {
    match &column.values {
        ColumnValues::Numbers(numbers) => numbers.iter().any(|number| *number != Num::UNKNOWN),
        ColumnValues::Texts(texts, _) => !texts.is_empty(),
    }
}

/// A column for each declared metric, in the order in which they come; metrics of one name and several units have several.
fn metric_columns(runs: &[TableRun], cut: &mut LeftOutParts) -> Vec<ColumnData> {
    // A stranger's schema can declare any number.
    const MOST: usize = 200;
    let declared = |run: &TableRun| run.facts.metrics.as_ref().and_then(|metrics| metrics.declared.clone());
    let mut places: BTreeMap<(String, Option<String>), usize> = BTreeMap::new();
    let mut columns: Vec<(String, Option<String>, Vec<Num>)> = Vec::new();
    for (at, run) in runs.iter().enumerate() {
        for metric in declared(run).into_iter().flatten() {
            let key = (metric.name, metric.unit);
            let place = match places.get(&key) {
                Some(place) => *place,
                None if columns.len() == MOST => {
                    cut.metrics = true;
                    continue;
                }
                None => {
                    places.insert(key.clone(), columns.len());
                    columns.push((key.0, key.1, vec![Num::UNKNOWN; runs.len()]));
                    columns.len() - 1
                }
            };
            if let Some(value) = columns.get_mut(place).and_then(|(.., values)| values.get_mut(at)) {
                *value = Num(metric.value);
            }
        }
    }
    let mut names: HashMap<String, usize> = HashMap::new();
    let columns = columns.into_iter().map(|(name, unit, values)| {
        let title = cut.cut_text(&name, Limits::NAME);
        let same_names = names.entry(title.clone()).or_default();
        *same_names += 1;
        let id = if *same_names == 1 { format!("metric:{title}") } else { format!("metric:{title}#{same_names}") };
        // A unit is shown in the heading.
        let unit = unit.map(|unit| cut.cut_text(&unit, 200));
        let values = ColumnValues::Numbers(values);
        ColumnData { id, title, kind: "number", group: "metric", unit, shown: true, values }
    });
    columns.collect()
}

fn seed_column(runs: &[TableRun]) -> ColumnData {
    let seeds = || runs.iter().map(|run| run.facts.base_seed);
    let is_exact = seeds().flatten().all(|seed| (-EXACT..=EXACT).contains(&seed));
    #[allow(clippy::cast_precision_loss)]
    let (kind, values) = if is_exact {
        ("number", ColumnValues::Numbers(seeds().map(|seed| Num(seed.map(|seed| seed as f64))).collect()))
    } else {
        // A float would lose digits.
        ("json", Texts::of_runs(seeds().map(|seed| seed.map(|seed| seed.to_string()))).into_values())
    };
    let (id, title) = ("base_seed".to_owned(), "Base seed".to_owned());
    ColumnData { id, title, kind, group: "seed", unit: None, shown: true, values }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columnar::DeclaredMetric;

    fn run(seed: i64, metrics: &[(&str, Option<f64>, Option<&str>)]) -> TableRun {
        let declared = metrics.iter().map(|(name, value, unit)| DeclaredMetric {
            name: (*name).to_owned(),
            value: *value,
            unit: unit.map(str::to_owned),
        });
        let metrics = RunMetrics { declared: Some(declared.collect()), ..RunMetrics::default() };
        let facts = RunFacts { metrics: Some(metrics), base_seed: Some(seed), ..RunFacts::default() };
        TableRun { facts, commit: None, tag: None, version: None }
    }

    fn shown(runs: &[TableRun]) -> Vec<String> {
        let columns = list_columns(runs, &mut LeftOutParts::default());
        let unit = |column: &ColumnData| column.unit.clone().unwrap_or_default();
        let json = |column: &ColumnData| serde_json::to_string(&column.values).unwrap_or_default();
        columns.iter().map(|column| format!("{} {} {}", column.id, unit(column), json(column))).collect()
    }

    #[test]
    fn metrics_of_another_unit_are_another_column() {
        let runs = [
            run(1, &[("mean_x", Some(1.0), Some("m")), ("max_y", None, None)]),
            run(2, &[("mean_x", Some(2.0), Some("km")), ("max_z", Some(3.0), None)]),
        ];
        assert_eq!(
            shown(&runs),
            [
                r#"metric:mean_x m {"numbers":[1,null]}"#,
                r#"metric:mean_x#2 km {"numbers":[null,2]}"#,
                r#"metric:max_z  {"numbers":[null,3]}"#,
                r#"base_seed  {"numbers":[1,2]}"#,
            ]
        );
    }

    #[test]
    fn a_seed_of_64_bits_keeps_its_digits() {
        assert_eq!(shown(&[run(i64::MAX, &[])]), [r#"base_seed  {"texts":["9223372036854775807"],"codes":[0]}"#]);
    }
}
