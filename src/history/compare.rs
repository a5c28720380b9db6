//! Two runs' values side by side: which keys differ.

use std::collections::BTreeMap;

use crate::formats::json::Value;

/// A key whose values differ; `None` where a side has no such key.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// The key, dotted.
    pub key: String,
    /// The first value.
    pub a: Option<Value>,
    /// The second value.
    pub b: Option<Value>,
}

/// A value's leaves by dotted key, in order. A list is a leaf; so is an object without members.
#[must_use]
pub fn flat(value: &Value) -> Vec<(String, Value)> {
    let mut out = Vec::new();
    walk("", value, &mut out);
    out
}

fn walk(prefix: &str, value: &Value, out: &mut Vec<(String, Value)>) {
    match value.as_object() {
        Some(object) if !object.is_empty() => {
            for (key, value) in object.iter() {
                // A key with a dot is told apart from a path.
                let key = key.to_string();
                let key = if key.contains('.') || key.is_empty() { format!("{key:?}") } else { key };
                let name = if prefix.is_empty() { key } else { format!("{prefix}.{key}") };
                walk(&name, value, out);
            }
        }
        _ if prefix.is_empty() => {}
        _ => out.push((prefix.to_owned(), value.clone())),
    }
}

/// The keys whose values differ, sorted. Numbers differ where they are other numbers: `1` and `1.0` do not; `NaN` is itself.
#[must_use]
pub fn differences(a: &Value, b: &Value) -> Vec<Difference> {
    let mut keys: BTreeMap<String, (Option<Value>, Option<Value>)> = BTreeMap::new();
    for (key, value) in flat(a) {
        keys.entry(key).or_default().0 = Some(value);
    }
    for (key, value) in flat(b) {
        keys.entry(key).or_default().1 = Some(value);
    }
    keys.into_iter()
        .filter(|(_, (a, b))| match (a, b) {
            (Some(a), Some(b)) => !same(a, b),
            _ => true,
        })
        .map(|(key, (a, b))| Difference { key, a, b })
        .collect()
}

fn same(a: &Value, b: &Value) -> bool {
    match (a.as_array(), b.as_array()) {
        (Some(a), Some(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        // Integers beyond 53 bits are told apart by their digits.
        _ => match (a.as_f64(), b.as_f64()) {
            (Some(x), Some(y)) if !(is_int(a) && is_int(b)) => x == y || x.total_cmp(&y).is_eq(),
            _ => a.canonical() == b.canonical(),
        },
    }
}

fn is_int(value: &Value) -> bool {
    matches!(value, Value::Int(_) | Value::BigInt(_))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::formats::json::parse;

    #[test]
    fn keys_that_differ_are_told_and_no_others() {
        let a =
            parse(br#"{"n": 1, "p": {"sigma": 2.0, "xy": [1, 2], "only": null}, "nan": NaN, "same": "x"}"#).unwrap();
        let b = parse(br#"{"n": 1.0, "p": {"sigma": 3, "xy": [1, 3]}, "nan": NaN, "same": "x", "a.b": {}}"#).unwrap();
        let found = differences(&a, &b);
        let keys: Vec<&str> = found.iter().map(|d| d.key.as_str()).collect();
        assert_eq!(keys, ["\"a.b\"", "p.only", "p.sigma", "p.xy"]);
        assert_eq!((found[1].a.clone(), found[1].b.clone()), (Some(Value::Null), None));
    }
}
