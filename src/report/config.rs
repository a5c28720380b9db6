//! The configuration of runs, side by side: what all have in common, what differs as columns of the table, and the rest by
//! run. A stranger's configuration can have any number of keys: what there is no room for is counted.

use std::collections::{BTreeMap, BTreeSet};

use crate::formats::json::JsonValue;
use crate::history::run_groups::{comparable_text, is_seed_key};
use crate::report::data::{ColumnData, ColumnValues, Num};
use crate::report::texts::Texts;
use crate::report::thin::{LeftOutParts, Limits};

/// How many configuration columns are shown at first.
const SHOWN: usize = 12;
/// How many there are at most.
const MOST_COLUMNS: usize = 200;
/// How many keys of common configuration are listed.
const MOST_COMMON: usize = 1_000;
/// The largest integer up to which every integer is a float: 2⁵³.
const EXACT: i64 = 1 << 53;

/// The configuration of all runs.
#[derive(Debug, Default)]
pub struct ConfigData {
    /// What all have in common.
    pub common: Vec<(String, String)>,
    /// What differs.
    pub columns: Vec<ColumnData>,
    /// By run: what is neither.
    pub rest: Vec<Vec<(String, String)>>,
    /// How many values there was no room for.
    pub left_out: usize,
    /// What was cut.
    pub cut: LeftOutParts,
}

/// A key's values: the run and the value.
type KeyValues<'a> = Vec<(usize, &'a JsonValue)>;

/// Lays out the configuration of runs, `None` for one whose configuration is not known. `room` is how many bytes columns and
/// rest may take, each.
#[must_use]
pub fn lay_out_config(configs: &[Option<Vec<(String, JsonValue)>>], limits: &Limits, room: usize) -> ConfigData {
    let known = configs.iter().filter(|config| config.is_some()).count();
    let mut by_key: BTreeMap<&str, KeyValues<'_>> = BTreeMap::new();
    for (run, config) in configs.iter().enumerate() {
        for (key, value) in config.iter().flatten() {
            by_key.entry(key).or_default().push((run, value));
        }
    }
    let mut data = ConfigData { rest: vec![Vec::new(); configs.len()], ..ConfigData::default() };
    let mut differing: Vec<(&str, KeyValues<'_>)> = Vec::new();
    for (key, values) in by_key {
        let mut texts = values.iter().map(|(_, value)| comparable_text(value));
        let first = texts.next();
        let is_common = values.len() == known && texts.all(|text| Some(text) == first);
        match values.first() {
            Some((_, value)) if is_common => {
                if data.common.len() < MOST_COMMON {
                    let pair = (data.cut.cut_text(key, Limits::NAME), write_json(value, limits.text, &mut data.cut));
                    data.common.push(pair);
                } else {
                    data.left_out += 1;
                }
            }
            _ => differing.push((key, values)),
        }
    }
    // What most runs have comes first; keys are sorted already.
    differing.sort_by_key(|(_, values)| std::cmp::Reverse(values.len()));
    let mut columns: Vec<(&str, ColumnData)> = Vec::new();
    let (mut left_of_columns, mut left_of_rest) = (room, room);
    for (key, values) in &differing {
        if columns.len() < MOST_COLUMNS {
            let mut cut = LeftOutParts::default();
            let column = make_column(key, values, configs.len(), limits, &mut cut);
            let size = serde_json::to_string(&column).map_or(0, |text| text.len());
            if size <= left_of_columns {
                left_of_columns -= size;
                data.cut.add(cut);
                columns.push((key, column));
                continue;
            }
        }
        for (run, value) in values {
            let pair = (data.cut.cut_text(key, Limits::NAME), write_json(value, limits.text, &mut data.cut));
            // The marks of a pair in JSON.
            let size = pair.0.len() + pair.1.len() + 8;
            match data.rest.get_mut(*run) {
                Some(rest) if size <= left_of_rest => {
                    left_of_rest -= size;
                    rest.push(pair);
                }
                _ => data.left_out += 1,
            }
        }
    }
    for (_, column) in columns.iter_mut().filter(|(_, column)| column.group == "config").take(SHOWN) {
        column.shown = true;
    }
    columns.sort_by(|a, b| a.0.cmp(b.0));
    data.columns = columns.into_iter().map(|(_, column)| column).collect();
    make_ids_unique(&mut data.columns);
    data
}

/// Long keys that were cut can have become the same.
fn make_ids_unique(columns: &mut [ColumnData]) {
    let mut seen = BTreeSet::new();
    for (at, column) in columns.iter_mut().enumerate() {
        if !seen.insert(column.id.clone()) {
            column.id = format!("{}#{at}", column.id);
        }
    }
}

fn make_column(key: &str, values: &KeyValues<'_>, runs: usize, limits: &Limits, cut: &mut LeftOutParts) -> ColumnData {
    let title = cut.cut_text(key, Limits::NAME);
    let (kind, values) = if let Some(numbers) = exact_numbers(values) {
        let mut by_run = vec![Num::UNKNOWN; runs];
        for (run, number) in numbers {
            if let Some(place) = by_run.get_mut(run) {
                *place = Num(Some(number));
            }
        }
        ("number", ColumnValues::Numbers(by_run))
    } else {
        let is_text = values.iter().all(|(_, value)| matches!(value, JsonValue::Text(_)));
        let mut by_run = vec![None; runs];
        for (run, value) in values {
            let text = match value {
                JsonValue::Text(text) if is_text => cut.cut_text(&text.to_string(), limits.text),
                value => write_json(value, limits.text, cut),
            };
            if let Some(place) = by_run.get_mut(*run) {
                // `1` and `1.0` are one value, and one text.
                *place = Some((comparable_text(value), text));
            }
        }
        (if is_text { "text" } else { "json" }, Texts::by_key(by_run).into_values())
    };
    let group = if is_seed_key(key) { "seed" } else { "config" };
    ColumnData { id: format!("config:{title}"), title, kind, group, unit: None, shown: false, values }
}

/// The values as floats, if each is a number and no digit is lost.
fn exact_numbers(values: &KeyValues<'_>) -> Option<Vec<(usize, f64)>> {
    let number = |value: &JsonValue| match value {
        JsonValue::Int(int) if !(-EXACT..=EXACT).contains(int) => None,
        JsonValue::Int(_) | JsonValue::Float(_) => value.as_f64(),
        _ => None,
    };
    values.iter().map(|(run, value)| Some((*run, number(value)?))).collect()
}

/// A value as JSON, as recorders mean it (`NaN` is a number); of one that is longer than `most` characters the beginning, as a
/// text.
#[must_use]
pub fn write_json(value: &JsonValue, most: usize, cut: &mut LeftOutParts) -> String {
    let mut out = String::new();
    // Enough for `most` characters of any kind: a value of megabytes is not written out.
    push_json(&mut out, value, most.saturating_mul(4).saturating_add(16));
    if out.chars().nth(most).is_none() {
        return out;
    }
    let start = match value {
        JsonValue::Text(text) => cut.cut_text(&text.to_string(), most),
        _ => cut.cut_text(&out, most),
    };
    quote_json(&start)
}

fn quote_json(text: &str) -> String {
    // A text always serialises.
    serde_json::to_string(text).unwrap_or_default()
}

fn push_json(out: &mut String, value: &JsonValue, enough: usize) {
    if out.len() > enough {
        return;
    }
    match value {
        JsonValue::Text(text) => out.push_str(&quote_json(&text.to_string())),
        JsonValue::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate().take_while(|(at, _)| *at <= enough) {
                out.push_str(if at > 0 { ", " } else { "" });
                push_json(out, item, enough);
            }
            out.push(']');
        }
        JsonValue::Object(object) => {
            out.push('{');
            for (at, (key, value)) in object.iter().enumerate().take_while(|(at, _)| *at <= enough) {
                out.push_str(if at > 0 { ", " } else { "" });
                out.push_str(&quote_json(&key.to_string()));
                out.push_str(": ");
                push_json(out, value, enough);
            }
            out.push('}');
        }
        // Digits, `true`, `false`, `null`, `NaN`: all of it ASCII.
        scalar => out.push_str(&scalar.to_canonical()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::formats::json::parse;
    use crate::history::compare::flatten_value;

    fn lay_out(texts: &[&str], room: usize) -> ConfigData {
        let configs: Vec<_> = texts.iter().map(|text| Some(flatten_value(&parse(text.as_bytes()).unwrap()))).collect();
        lay_out_config(&configs, &Limits::for_runs(texts.len()), room)
    }

    fn column<'a>(data: &'a ConfigData, id: &str) -> (&'a str, &'a str, bool, String) {
        let column = data.columns.iter().find(|column| column.id == id).unwrap();
        (column.kind, column.group, column.shown, serde_json::to_string(&column.values).unwrap())
    }

    #[test]
    fn what_differs_is_a_column() {
        let data = lay_out(
            &[
                r#"{"same": 1, "p": {"sigma": 2, "nan": NaN, "seed": 3}, "name": "é", "mixed": "1", "list": [1, 2], "big": 9007199254740993}"#,
                r#"{"same": 1.0, "p": {"sigma": 2.5, "seed": 4}, "name": "b", "mixed": 1, "list": [1.0, 2], "big": 1}"#,
                r#"{"same": 1, "list": [2], "mixed": 1e0}"#,
            ],
            10_000,
        );
        assert_eq!(data.common, [("same".to_owned(), "1".to_owned())]);
        assert_eq!(column(&data, "config:p.sigma"), ("number", "config", true, r#"{"numbers":[2,2.5,null]}"#.into()));
        assert_eq!(
            column(&data, "config:p.nan"),
            ("number", "config", true, r#"{"numbers":["NaN",null,null]}"#.into())
        );
        assert_eq!(column(&data, "config:p.seed"), ("number", "seed", false, r#"{"numbers":[3,4,null]}"#.into()));
        let text = r#"{"texts":["é","b"],"codes":[0,1,-1]}"#;
        assert_eq!(column(&data, "config:name"), ("text", "config", true, text.into()));
        let json = r#"{"texts":["\"1\"","1"],"codes":[0,1,1]}"#;
        assert_eq!(column(&data, "config:mixed"), ("json", "config", true, json.into()));
        let list = r#"{"texts":["[1, 2]","[2]"],"codes":[0,0,1]}"#;
        assert_eq!(column(&data, "config:list"), ("json", "config", true, list.into()));
        // A float would lose the last digit.
        let big = r#"{"texts":["9007199254740993","1"],"codes":[0,1,-1]}"#;
        assert_eq!(column(&data, "config:big"), ("json", "config", true, big.into()));
        assert!(data.rest.iter().all(Vec::is_empty) && data.left_out == 0);
    }

    #[test]
    fn any_number_of_keys_is_limited_and_counted() {
        let many = |value: u32| {
            let members: Vec<String> = (0..5_000).map(|at| format!("\"k{at:05}\": {value}")).collect();
            format!("{{{}}}", members.join(", "))
        };
        let data = lay_out(&[&many(1), &many(2), "{}"], 30_000);
        assert_eq!(data.columns.len(), MOST_COLUMNS);
        assert_eq!(data.columns.iter().filter(|column| column.shown).count(), SHOWN);
        let rest: usize = data.rest.iter().map(Vec::len).sum();
        assert!(rest > 1_000 && rest + data.left_out + 2 * MOST_COLUMNS == 10_000, "{rest} {}", data.left_out);
        let common = lay_out(&[&many(1), &many(1)], 1_000);
        assert_eq!((common.common.len(), common.left_out), (MOST_COMMON, 5_000 - MOST_COMMON));
    }

    #[test]
    fn a_long_value_is_cut_and_still_json() {
        let mut cut = LeftOutParts::default();
        let list = parse(format!("[{}NaN]", "1.5, ".repeat(1_000_000)).as_bytes()).unwrap();
        assert_eq!(write_json(&list, 12, &mut cut), "\"[1.5, 1.5, 1…\"");
        assert!(cut.texts);
        assert_eq!(write_json(&parse(b"\"a\\\"bcd\"").unwrap(), 4, &mut cut), "\"a\\\"bc…\"");
        let mut whole = LeftOutParts::default();
        let value = parse("{\"é\": [NaN, null, \"\\ud800\"], \"x\": {}}".as_bytes()).unwrap();
        assert_eq!(write_json(&value, 100, &mut whole), "{\"é\": [NaN, null, \"\u{fffd}\"], \"x\": {}}");
        assert!(!whole.texts);
    }

    #[test]
    fn keys_that_are_cut_keep_ids_of_their_own() {
        let key = "k".repeat(Limits::NAME + 5);
        let text = |value: u32| format!("{{\"{key}a\": {value}, \"{key}b\": {value}}}");
        let data = lay_out(&[&text(1), &text(2)], 100_000);
        assert_eq!(data.columns.len(), 2);
        assert_ne!(data.columns[0].id, data.columns[1].id);
        assert!(data.cut.texts);
    }
}
