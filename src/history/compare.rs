//! Two runs side by side: which keys of their configuration differ, and which of their columns.

use std::collections::BTreeMap;

use crate::formats::json::JsonValue;
use crate::run::layout::RunStream;
use crate::run::schema::{RunSchema, describe_type};

/// A key whose values differ; `None` if a side has no such key.
#[derive(Debug, Clone, PartialEq)]
pub struct ValueDifference {
    /// The key, dotted.
    pub key: String,
    /// The first value.
    pub a: Option<JsonValue>,
    /// The second value.
    pub b: Option<JsonValue>,
}

/// A value's leaves by dotted key, in order. A list is a leaf; so is an object without members.
#[must_use]
pub fn flatten_value(value: &JsonValue) -> Vec<(String, JsonValue)> {
    let mut out = Vec::new();
    flatten_into("", value, &mut out);
    out
}

/// One part of a dotted key: one with a dot is quoted, to differ from a path.
#[must_use]
pub fn quote_key(key: &str) -> String {
    if key.contains('.') || key.is_empty() { format!("{key:?}") } else { key.to_owned() }
}

fn flatten_into(prefix: &str, value: &JsonValue, out: &mut Vec<(String, JsonValue)>) {
    match value.as_object() {
        Some(object) if !object.is_empty() => {
            for (key, value) in object.iter() {
                let key = quote_key(&key.to_string());
                let name = if prefix.is_empty() { key } else { format!("{prefix}.{key}") };
                flatten_into(&name, value, out);
            }
        }
        // A value at the top that is no object, or an empty object, has no key.
        _ if prefix.is_empty() => {}
        _ => out.push((prefix.to_owned(), value.clone())),
    }
}

/// The keys whose values differ, sorted. Numbers are compared by value: `1` equals `1.0`, and `NaN` itself.
#[must_use]
pub fn compare_values(a: &JsonValue, b: &JsonValue) -> Vec<ValueDifference> {
    let mut keys: BTreeMap<String, (Option<JsonValue>, Option<JsonValue>)> = BTreeMap::new();
    for (key, value) in flatten_value(a) {
        keys.entry(key).or_default().0 = Some(value);
    }
    for (key, value) in flatten_value(b) {
        keys.entry(key).or_default().1 = Some(value);
    }
    keys.into_iter()
        .filter(|(_, (a, b))| match (a, b) {
            (Some(a), Some(b)) => !values_equal(a, b),
            _ => true,
        })
        .map(|(key, (a, b))| ValueDifference { key, a, b })
        .collect()
}

/// A key whose values are not the same in all of several objects; `None` for one that has no such key.
#[derive(Debug, Clone, PartialEq)]
pub struct ValuesDifference {
    /// The key, dotted.
    pub key: String,
    /// The values, in the order of the objects.
    pub values: Vec<Option<JsonValue>>,
}

/// The keys whose values are not the same in all of these, sorted; values are compared as by [`compare_values`].
#[must_use]
pub fn compare_many(objects: &[JsonValue]) -> Vec<ValuesDifference> {
    let mut keys: BTreeMap<String, Vec<Option<JsonValue>>> = BTreeMap::new();
    for (at, object) in objects.iter().enumerate() {
        for (key, value) in flatten_value(object) {
            let values = keys.entry(key).or_insert_with(|| vec![None; objects.len()]);
            if let Some(place) = values.get_mut(at) {
                *place = Some(value);
            }
        }
    }
    let is_same = |pair: &[Option<JsonValue>]| match pair {
        [Some(a), Some(b)] => values_equal(a, b),
        [a, b] => a.is_none() && b.is_none(),
        _ => true,
    };
    keys.into_iter()
        .filter(|(_, values)| !values.windows(2).all(is_same))
        .map(|(key, values)| ValuesDifference { key, values })
        .collect()
}

/// A column that only one of two schemas has, or whose type differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnDifference {
    /// The stream.
    pub stream: RunStream,
    /// The column's name.
    pub column: String,
    /// Its type in the first schema, as `float32[4] in m`; `None` if it has no such column.
    pub a: Option<String>,
    /// Its type in the second schema.
    pub b: Option<String>,
}

/// The columns in which two schemas differ: those of the first in its order, then those that only the second has. The
/// type of a column is its dtype, shape and unit; a range or a place in the row can change without another type.
#[must_use]
pub fn compare_schemas(a: &RunSchema, b: &RunSchema) -> Vec<ColumnDifference> {
    let mut out = Vec::new();
    for stream in [RunStream::Steps, RunStream::Episodes] {
        let type_in = |schema: &RunSchema, name: &str| {
            let own = schema.stream(stream);
            own.find(name).and_then(|index| own.column(index)).map(describe_type)
        };
        let only_in_b = b.stream(stream).columns.iter().filter(|column| a.stream(stream).find(&column.name).is_none());
        for column in a.stream(stream).columns.iter().chain(only_in_b) {
            let (in_a, in_b) = (type_in(a, &column.name), type_in(b, &column.name));
            if in_a != in_b {
                out.push(ColumnDifference { stream, column: column.name.clone(), a: in_a, b: in_b });
            }
        }
    }
    out
}

/// Whether two values are equal: numbers by value, `NaN` with itself.
#[must_use]
pub fn values_equal(a: &JsonValue, b: &JsonValue) -> bool {
    match (a.as_array(), b.as_array()) {
        (Some(a), Some(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| values_equal(a, b)),
        // Integers are compared by their digits: beyond 53 bits a float is not exact.
        _ => match (a.as_f64(), b.as_f64()) {
            // `total_cmp` is for NaN, which `==` finds unequal to itself; `==` is for `0.0` and `-0.0`.
            (Some(x), Some(y)) if !(is_int(a) && is_int(b)) => x == y || x.total_cmp(&y).is_eq(),
            _ => a.to_canonical() == b.to_canonical(),
        },
    }
}

fn is_int(value: &JsonValue) -> bool {
    matches!(value, JsonValue::Int(_) | JsonValue::BigInt(_))
}

/// The columns in which several schemas differ: stream, name, and the type in each schema.
#[must_use]
pub fn compare_many_schemas(schemas: &[&RunSchema]) -> Vec<(RunStream, String, Vec<Option<String>>)> {
    let mut out = Vec::new();
    for stream in [RunStream::Steps, RunStream::Episodes] {
        let mut names: Vec<&str> = Vec::new();
        for column in schemas.iter().flat_map(|schema| &schema.stream(stream).columns) {
            if !names.contains(&column.name.as_str()) {
                names.push(&column.name);
            }
        }
        for name in names {
            let type_in = |schema: &&RunSchema| {
                let own = schema.stream(stream);
                own.find(name).and_then(|index| own.column(index)).map(describe_type)
            };
            let types: Vec<Option<String>> = schemas.iter().map(type_in).collect();
            if types.windows(2).any(|pair| matches!(pair, [a, b] if a != b)) {
                out.push((stream, name.to_owned(), types));
            }
        }
    }
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::formats::json::parse;

    #[test]
    fn only_differing_keys_are_listed() {
        let a =
            parse(br#"{"n": 1, "p": {"sigma": 2.0, "xy": [1, 2], "only": null}, "nan": NaN, "same": "x"}"#).unwrap();
        let b = parse(br#"{"n": 1.0, "p": {"sigma": 3, "xy": [1, 3]}, "nan": NaN, "same": "x", "a.b": {}}"#).unwrap();
        let found = compare_values(&a, &b);
        let keys: Vec<&str> = found.iter().map(|d| d.key.as_str()).collect();
        assert_eq!(keys, ["\"a.b\"", "p.only", "p.sigma", "p.xy"]);
        assert_eq!((found[1].a.clone(), found[1].b.clone()), (Some(JsonValue::Null), None));
    }

    #[test]
    fn of_many_a_key_is_listed_if_any_two_differ() {
        let objects = [
            r#"{"n": 1, "x": 1, "same": [1, 2], "nan": NaN}"#,
            r#"{"n": 1.0, "x": 1, "same": [1, 2.0], "nan": NaN}"#,
            r#"{"n": 2, "x": 1, "same": [1, 2], "nan": NaN, "only": null}"#,
        ];
        let objects = objects.map(|text| parse(text.as_bytes()).unwrap());
        let found = compare_many(&objects);
        let keys: Vec<&str> = found.iter().map(|d| d.key.as_str()).collect();
        assert_eq!(keys, ["n", "only"]);
        assert_eq!(found[1].values, [None, None, Some(JsonValue::Null)]);
        assert_eq!(compare_many(&[]), []);
    }

    #[test]
    fn columns_that_come_go_or_change_their_type_are_listed() {
        let schema = |steps: &str| RunSchema::parse(format!("{{\"format\": 1, \"steps\": {{{steps}}}}}").as_bytes());
        let a = schema(
            r#""x": {"dtype": "float32", "unit": "m"}, "v": {"dtype": "int32", "max": 3}, "gone": {"dtype": "bool"}"#,
        )
        .unwrap();
        let b = schema(
            r#""new": {"dtype": "uint8", "shape": [7, 7, 3]}, "v": {"dtype": "int32", "path": "s.v"},
               "x": {"dtype": "float64", "unit": "m"}, "reward": {"dtype": "float64"}"#,
        )
        .unwrap();
        let found: Vec<String> = compare_schemas(&a, &b)
            .into_iter()
            .map(|ColumnDifference { stream, column, a, b }| format!("{}.{column} {a:?} {b:?}", stream.stem()))
            .collect();
        assert_eq!(
            found,
            [
                r#"steps.x Some("float32 in m") Some("float64 in m")"#,
                r#"steps.gone Some("bool") None"#,
                r#"steps.new None Some("uint8[7, 7, 3]")"#,
                r#"steps.reward None Some("float64")"#,
                r#"episodes.total_reward None Some("float64")"#,
            ]
        );
        assert_eq!(compare_schemas(&a, &a), []);
    }
}
