//! The fast and the general parser agree for any declaration.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::tests::is_same_row;
use super::*;

/// A generator of numbers from a seed (Knuth's MMIX constants): a failing case is one number.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }

    fn one_of<'a>(&mut self, items: &[&'a str]) -> &'a str {
        items[self.roll(items.len())]
    }
}

const TYPES: [&str; 12] =
    ["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "float32", "float64", "string", "json"];

/// One column of a declaration: its text, and a template of where its value stands.
struct RandomColumn {
    name: String,
    kind: &'static str,
    shape: Option<Vec<usize>>,
    nullable: bool,
    declared: String,
}

fn random_column(dice: &mut Dice, index: usize) -> RandomColumn {
    let kind = TYPES[dice.roll(TYPES.len())];
    let name = format!("c{index}");
    let mut keys = vec![format!("\"dtype\": \"{kind}\"")];
    let shape = match dice.roll(5) {
        _ if kind == "json" => None,
        0 => Some(vec![]),
        1 => Some(vec![dice.roll(3) + 1]),
        2 => Some(vec![2, dice.roll(2) + 1]),
        _ => None,
    };
    if let Some(shape) = &shape {
        let sizes: Vec<String> = shape.iter().map(ToString::to_string).collect();
        keys.push(format!("\"shape\": [{}]", if sizes.is_empty() { "-1".into() } else { sizes.join(", ") }));
    }
    let nullable = dice.roll(3) == 0;
    if nullable {
        keys.push("\"nullable\": true".into());
    }
    if kind.contains("int") && dice.roll(2) == 0 {
        keys.push("\"min\": 0, \"max\": 9".into());
    }
    if kind.starts_with("float") {
        match dice.roll(4) {
            0 => keys.push("\"min\": -1.5".into()),
            1 => keys.push("\"finite\": false".into()),
            2 => keys.push("\"max\": 0.1".into()),
            _ => {}
        }
    }
    if kind == "string" && dice.roll(3) == 0 {
        keys.push("\"enum\": [\"a\", \"é\", \"in\"]".into());
    }
    // In groups of three, some columns lie in an object and some in an array.
    match index % 6 {
        1 => keys.push(format!("\"path\": \"state.{name}\"")),
        2 => keys.push(format!("\"path\": [\"state\", \"in.ner\", \"{name}\"]")),
        3 => keys.push("\"path\": \"values[0]\"".into()),
        4 => keys.push("\"path\": \"values[1]\"".into()),
        _ => {}
    }
    RandomColumn { declared: format!("\"{name}\": {{{}}}", keys.join(", ")), name, kind, shape, nullable }
}

const ODD: [&str; 18] = [
    "null",
    "true",
    "NaN",
    "-Infinity",
    "1e999",
    "-0",
    "0.1",
    "1e39",
    "300",
    "70000",
    "5000000000",
    "123456789012345678901234567890",
    "\"\\ud800\"",
    "\"a\\u0062\"",
    "[]",
    "[[1, 2], [3]]",
    "{}",
    "3.0",
];

fn scalar_text(dice: &mut Dice, kind: &str) -> String {
    match kind {
        "bool" => dice.one_of(&["true", "false"]).into(),
        "float32" | "float64" => {
            dice.one_of(&["0.5", "-0.25", "1.5e-07", "0.013696169", "-1.0", "7", "0.0", "-0.0", "NaN"]).into()
        }
        "string" => dice.one_of(&["\"a\"", "\"é\"", "\"in\"", "\"out\"", "\"\"", "\"q\\\"\""]).into(),
        "json" => dice.one_of(&["{}", "[NaN, 1]", "null", "{\"a\": {\"b\": [\"x\"]}}", "1.50", "\"t\""]).into(),
        _ => (dice.roll(12)).to_string(),
    }
}

fn list_text(dice: &mut Dice, kind: &str, sizes: &[usize]) -> String {
    let items: Vec<String> = match sizes.split_first() {
        None => (0..dice.roll(4)).map(|_| scalar_text(dice, kind)).collect(),
        Some((size, [])) => (0..*size).map(|_| scalar_text(dice, kind)).collect(),
        Some((size, inner)) => (0..*size).map(|_| list_text(dice, kind, inner)).collect(),
    };
    format!("[{}]", items.join(dice.one_of(&[", ", ", ", ",", " , "])))
}

fn value_text(dice: &mut Dice, column: &RandomColumn) -> Option<String> {
    match dice.roll(24) {
        0 => return Some(ODD[dice.roll(ODD.len())].into()),
        1 => return None,
        2 | 3 if column.nullable => return Some("null".into()),
        _ => {}
    }
    Some(match &column.shape {
        Some(sizes) => list_text(dice, column.kind, sizes),
        None => scalar_text(dice, column.kind),
    })
}

/// One line of a run of these columns, mostly right.
fn row_text(dice: &mut Dice, columns: &[RandomColumn], step: usize) -> String {
    let mut members = vec![format!("\"episode_id\": \"e{}\"", dice.roll(3)), format!("\"step\": {step}")];
    members.push(format!("\"terminated\": {}, \"truncated\": false", dice.one_of(&["true", "false"])));
    let (mut state, mut inner, mut values) = (Vec::new(), Vec::new(), Vec::new());
    for (index, column) in columns.iter().enumerate() {
        let Some(text) = value_text(dice, column) else { continue };
        match index % 6 {
            1 => state.push(format!("\"{}\": {text}", column.name)),
            2 => inner.push(format!("\"{}\": {text}", column.name)),
            3 | 4 => values.push(text),
            _ => members.push(format!("\"{}\": {text}", column.name)),
        }
    }
    if !inner.is_empty() || dice.roll(4) == 0 {
        state.push(format!("\"in.ner\": {{{}}}", inner.join(", ")));
    }
    if dice.roll(12) == 0 {
        state.push("\"more\": {\"a\": [NaN]}".into());
    }
    if dice.roll(12) == 0 {
        members.push("\"unknown\": {\"x\": NaN}".into());
    }
    members.push(format!("\"state\": {{{}}}", state.join(", ")));
    if dice.roll(20) > 0 {
        members.push(format!("\"values\": [{}]", values.join(", ")));
    }
    if dice.roll(30) == 0 {
        members.push("\"state\": null".into());
    }
    format!("{{{}}}\n", members.join(", "))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    /// Both parsers give one outcome, whatever a run declares.
    #[test]
    fn both_parsers_agree_for_any_declaration(seed in any::<u64>(), count in 0..9_usize, reset_rows in any::<bool>()) {
        let mut dice = Dice(seed);
        let columns: Vec<RandomColumn> = (0..count).map(|index| random_column(&mut dice, index)).collect();
        let declared: Vec<&str> = columns.iter().map(|column| column.declared.as_str()).collect();
        let text = format!("{{\"format\": 1, \"reset_rows\": {reset_rows}, \"steps\": {{{}}}}}", declared.join(", "));
        let schema = RunSchema::parse(text.as_bytes()).map_err(|error| TestCaseError::fail(format!("{text}: {error}")))?;
        let schema = Arc::new(schema);
        let mut fast = FastParser::new(Arc::clone(&schema), RunStream::Steps);
        let mut general = RowParser::new(Arc::clone(&schema), RunStream::Steps);
        let (mut a, mut b) = (ParsedRow::default(), ParsedRow::default());
        for row in 0..40 {
            let step = if dice.roll(9) == 0 { 0 } else { row + 1 };
            let line = row_text(&mut dice, &columns, step);
            let result = fast.parse(line.as_bytes(), &mut a);
            prop_assert_eq!(&result, &general.parse(line.as_bytes(), &mut b), "{}\n{}", text, line);
            prop_assert!(result.is_err() || is_same_row(&a, &b, &schema.steps), "{text}\n{line}\n{a:?}\n{b:?}");
        }
    }
}
