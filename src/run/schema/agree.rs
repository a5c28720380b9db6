//! Whether two schemas agree, and whether one satisfies another that is pinned. Types are compared, never texts.

use std::fmt;

use super::column::{Bounds, Column, Storage};
use super::{RunSchema, StreamSchema};
use crate::run::layout::RunStream;

/// A column that two schemas have with different types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnDisagreement {
    /// The stream.
    pub stream: RunStream,
    /// The column's name.
    pub column: String,
    /// Its type in the first schema, as `float32[4] in m`.
    pub a: String,
    /// Its type in the second schema.
    pub b: String,
}

impl ColumnDisagreement {
    /// Says which schema has which type: `x of steps is float32 in NAME_A and float64 in NAME_B`.
    #[must_use]
    pub fn describe(&self, name_a: &str, name_b: &str) -> String {
        let Self { stream, column, a, b } = self;
        format!("{column} of {} is {a} in {name_a} and {b} in {name_b}", stream.stem())
    }
}

/// Something in which a schema falls short of a pinned one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinFault {
    /// The stream.
    pub stream: RunStream,
    /// The pinned column's name.
    pub column: String,
    /// What is wrong, to be read after the column's name.
    pub why: String,
}

impl fmt::Display for PinFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the column `{}` of {} {}", self.column, self.stream.stem(), self.why)
    }
}

/// Returns the columns that both schemas have and that are not of one dtype, shape and unit. None: the schemas agree.
#[must_use]
pub fn find_disagreements(a: &RunSchema, b: &RunSchema) -> Vec<ColumnDisagreement> {
    let mut found = Vec::new();
    for stream in [RunStream::Steps, RunStream::Episodes] {
        for column in &a.stream(stream).columns {
            let Some(other) = find_column(b.stream(stream), &column.name) else { continue };
            if !has_same_type(column, other) {
                let (a, b) = describe_types(column, other);
                found.push(ColumnDisagreement { stream, column: column.name.clone(), a, b });
            }
        }
    }
    found
}

/// Returns what keeps a schema from satisfying a pinned one: a pinned column that is missing, is of another dtype, shape or
/// unit, or allows more values than the pinned one.
#[must_use]
pub fn find_pin_faults(schema: &RunSchema, pin: &RunSchema) -> Vec<PinFault> {
    let mut faults = Vec::new();
    for stream in [RunStream::Steps, RunStream::Episodes] {
        for pinned in &pin.stream(stream).columns {
            if stream == RunStream::Episodes && follows_from_steps(pin, &pinned.name) {
                continue;
            }
            let column = find_column(schema.stream(stream), &pinned.name);
            let why = match column {
                None => Some("is missing".to_owned()),
                Some(column) => why_looser(column, pinned),
            };
            faults.extend(why.map(|why| PinFault { stream, column: pinned.name.clone(), why }));
        }
    }
    faults
}

/// Whether an episode column is in the schema because of a column of steps, about which the fault is reported.
fn follows_from_steps(pin: &RunSchema, name: &str) -> bool {
    match name {
        "total_reward" => pin.steps.find("reward").is_some(),
        "agent" => pin.steps.find("agent").is_some(),
        _ => false,
    }
}

fn find_column<'a>(stream: &'a StreamSchema, name: &str) -> Option<&'a Column> {
    stream.columns.iter().find(|column| column.name == name)
}

/// Whether two columns are of one dtype, shape and unit.
#[must_use]
pub fn has_same_type(a: &Column, b: &Column) -> bool {
    a.kind == b.kind && a.shape == b.shape && a.unit == b.unit
}

/// The type of a column: `float32[4] in m`.
#[must_use]
pub fn describe_type(column: &Column) -> String {
    let shape = column.shape_text().unwrap_or_default();
    let unit = column.unit.as_ref().map(|unit| format!(" in {unit}")).unwrap_or_default();
    format!("{}{shape}{unit}", column.kind.as_str())
}

/// The types of two columns; if only one has a unit, the other says that it has none.
fn describe_types(a: &Column, b: &Column) -> (String, String) {
    let describe = |column: &Column| match (&column.unit, a.unit == b.unit) {
        (None, false) => format!("{} without a unit", describe_type(column)),
        _ => describe_type(column),
    };
    (describe(a), describe(b))
}

/// Why a column allows what the pinned one does not; `None` if it does not.
fn why_looser(column: &Column, pinned: &Column) -> Option<String> {
    if !has_same_type(column, pinned) {
        let (own, wanted) = describe_types(column, pinned);
        return Some(format!("is {own}, pinned as {wanted}"));
    }
    if column.nullable && !pinned.nullable {
        return Some("is nullable, pinned as never null".into());
    }
    if !column.finite && pinned.finite {
        return Some("allows NaN and infinities, pinned as finite".into());
    }
    if let Some(extra) = extra_text(column, pinned) {
        return Some(extra);
    }
    let (least, most) = looser_bounds(column, pinned);
    match (least, most) {
        (Some(least), _) => Some(format!("has {least}")),
        (None, most) => most.map(|most| format!("has {most}")),
    }
}

/// The first allowed text that the pinned column does not allow, for messages.
fn extra_text(column: &Column, pinned: &Column) -> Option<String> {
    if pinned.allowed.is_empty() {
        return None;
    }
    if column.allowed.is_empty() {
        return Some("allows any text, pinned with an `enum`".into());
    }
    let extra = column.allowed.iter().find(|text| !pinned.allowed.contains(text))?;
    Some(format!("allows `{}`, which the pinned `enum` does not", extra.escape_debug()))
}

/// What is wrong with the smallest and with the largest value.
fn looser_bounds(column: &Column, pinned: &Column) -> (Option<String>, Option<String>) {
    let says = |key: &str, own: String, wanted: String| Some(format!("the `{key}` {own}, pinned with {wanted}"));
    match (column.storage(), pinned.bounds) {
        (Storage::Int, Some(Bounds::Int { min, max })) => {
            let (own_min, own_max) = column.int_bounds();
            (
                if own_min < min { says("min", own_min.to_string(), min.to_string()) } else { None },
                if own_max > max { says("max", own_max.to_string(), max.to_string()) } else { None },
            )
        }
        (Storage::Float, Some(Bounds::Float { min, max })) => {
            let (own_min, own_max) = column.float_bounds();
            let shown = |bound: f64| if bound.is_finite() { bound.to_string() } else { "(none)".into() };
            (
                if own_min < min { says("min", shown(own_min), shown(min)) } else { None },
                if own_max > max { says("max", shown(own_max), shown(max)) } else { None },
            )
        }
        _ => (None, None),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn schema(steps: &str, episodes: &str) -> RunSchema {
        let text = format!("{{\"format\": 1, \"steps\": {{{steps}}}, \"episodes\": {{{episodes}}}}}");
        RunSchema::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn schemas_agree_if_common_columns_have_one_type() {
        let base = schema(r#""x": {"dtype": "float32", "unit": "m"}, "old": {"dtype": "bool"}"#, "");
        // Added, dropped, moved, of another range, nullable: all fine.
        let other = schema(
            r#""new": {"dtype": "int8"}, "x": {"dtype": "float32", "unit": "m", "path": "s.x", "max": 1, "nullable": true}"#,
            r#""n": {"dtype": "int64"}"#,
        );
        assert_eq!((find_disagreements(&base, &other), find_disagreements(&other, &base)), (vec![], vec![]));
        for (steps, told) in [
            (r#""x": {"dtype": "float64", "unit": "m"}"#, "x of steps is float32 in m in A and float64 in m in B"),
            (r#""x": {"dtype": "float32"}"#, "x of steps is float32 in m in A and float32 without a unit in B"),
            (
                r#""x": {"dtype": "float32", "unit": "m", "shape": [1]}"#,
                "x of steps is float32 in m in A and float32[1] in m in B",
            ),
        ] {
            let found = find_disagreements(&base, &schema(steps, ""));
            assert_eq!(found.iter().map(|one| one.describe("A", "B")).collect::<Vec<_>>(), [told]);
        }
        let [a, b] = ["int32", "int64"].map(|kind| schema("", &format!(r#""n": {{"dtype": "{kind}"}}"#)));
        assert_eq!(find_disagreements(&a, &b)[0].describe("A", "B"), "n of episodes is int32 in A and int64 in B");
    }

    #[test]
    fn a_pinned_schema_asks_for_its_columns_and_no_looser_ones() {
        let pin = schema(
            r#""reward": {"dtype": "float64"}, "x": {"dtype": "float32", "min": 0, "max": 4.8},
               "n": {"dtype": "int8", "max": 5}, "s": {"dtype": "string", "enum": ["a", "b"]}"#,
            r#""ok": {"dtype": "bool", "nullable": true}"#,
        );
        let good = r#""reward": {"dtype": "float64"}, "x": {"dtype": "float32", "min": 1, "max": 4.8},
                      "n": {"dtype": "int8", "max": 4}, "s": {"dtype": "string", "enum": ["b"]}, "more": {"dtype": "json"}"#;
        let ok = r#""ok": {"dtype": "bool"}"#;
        assert_eq!(find_pin_faults(&schema(good, ok), &pin), []);
        assert_eq!(find_pin_faults(&pin, &pin), []);
        for (from, to, why) in [
            (r#""reward": {"dtype": "float64"}, "#, "", "the column `reward` of steps is missing"),
            ("\"max\": 4.8", "\"nullable\": true", "`x` of steps is nullable, pinned as never null"),
            ("\"max\": 4.8", "\"finite\": false", "allows NaN and infinities"),
            ("\"max\": 4.8", "\"max\": 5", "has the `max` 5, pinned with 4.800000190734863"),
            ("\"min\": 1, ", "", "has the `min` (none), pinned with 0"),
            ("\"max\": 4}", "\"min\": 0}", "`n` of steps has the `max` 127, pinned with 5"),
            ("[\"b\"]", "[\"b\", \"c\"]", "allows `c`"),
            (", \"enum\": [\"b\"]", "", "allows any text"),
            ("\"int8\"", "\"int16\"", "is int16, pinned as int8"),
        ] {
            assert!(good.contains(from), "{from}");
            let faults = find_pin_faults(&schema(&good.replacen(from, to, 1), ok), &pin);
            let told: Vec<String> = faults.iter().map(ToString::to_string).collect();
            assert!(matches!(told.as_slice(), [one] if one.contains(why)), "{to}: {told:?}");
        }
        assert_eq!(find_pin_faults(&schema(good, ""), &pin)[0].to_string(), "the column `ok` of episodes is missing");
    }
}
