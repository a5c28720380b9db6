#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::run::rows::Values;

const STEP: &str = r#"{"action": 0, "agent_position": {"x": 14, "y": 19}, "distance_to_goal": 5.0, "episode_id": "ep-000001", "observation_summary": [0.9692331552505493], "reward": 1.0, "run_id": "r", "schema_version": "0.1", "seed": 41, "step": 1, "terminated": true, "truncated": false, "ts": 1795486550.153067}
"#;
const COMPACT: &str = r#"{"schema_version":"1.0.0","ts":1795486546.191627,"run_id":"r","episode_id":"ep-000000","step":1,"action":2,"reward":-0.01,"terminated":false,"truncated":false,"agent_position":{"x":15,"y":22},"distance_to_goal":10.44030650891055,"observation_summary":[0.6849070191383362],"seed":41,"wind":{"u":[1]},"wind2":"é"}
"#;
const EPISODE: &str = r#"{"avg_step_time_ms": 0.20947265625, "duration_ms": 0.20947265625, "episode_id": "ep-000001", "final_distance_to_goal": 5.0, "final_position": {"x": 14, "y": 19}, "run_id": "r", "terminated": true, "total_reward": 1.0, "total_steps": 1, "truncated": false}
"#;

/// The same row, `NaN` and the sign of zero included. A column that is absent, null or faulty has no value.
pub(super) fn is_same_row(a: &ParsedRow, b: &ParsedRow, own: &StreamSchema) -> bool {
    let bits = |list: &Values| match list {
        Values::Float(floats) => format!("{:?}", floats.iter().map(|f| f.to_bits()).collect::<Vec<_>>()),
        other => format!("{other:?}"),
    };
    let value = |row: &ParsedRow, index: usize| match own.place(index).unwrap() {
        _ if !row.present.contains(FieldSlot::of_column(index)) => String::new(),
        CellPlace::Scalar(at) => row.scalar(at).to_string(),
        CellPlace::Text(at) => format!("{:?}", row.texts[at]),
        CellPlace::List(at) => bits(&row.lists[at]),
    };
    let values = |row: &ParsedRow| (0..own.columns.len()).map(|index| value(row, index)).collect::<Vec<_>>();
    let core = |row: &ParsedRow| {
        let row = row.clone();
        ParsedRow { scalars: Vec::new(), texts: Vec::new(), lists: Vec::new(), ..row }
    };
    core(a) == core(b) && values(a) == values(b)
}

/// Both ways agree on a line that follows another.
fn assert_agree(stream: RunStream, first: &str, then: &[u8]) {
    let schema = RunSchema::plume();
    let (mut fast, mut general) =
        (FastParser::new(Arc::clone(&schema), stream), RowParser::new(Arc::clone(&schema), stream));
    let (mut a, mut b) = (ParsedRow::default(), ParsedRow::default());
    fast.parse(first.as_bytes(), &mut a).unwrap();
    let result = fast.parse(then, &mut a);
    assert_eq!(result, general.parse(then, &mut b), "{}", String::from_utf8_lossy(then));
    if result.is_ok() {
        assert!(is_same_row(&a, &b, schema.stream(stream)), "{}\n{a:?}\n{b:?}", String::from_utf8_lossy(then));
    }
}

#[test]
fn a_line_like_the_one_before_is_read_fast() {
    for (stream, line) in [(RunStream::Steps, STEP), (RunStream::Steps, COMPACT), (RunStream::Episodes, EPISODE)] {
        assert_agree(stream, line, line.as_bytes());
        let schema = RunSchema::plume();
        let own = schema.stream(stream);
        let mut parser = RowParser::new(Arc::clone(&schema), stream);
        let mut row = ParsedRow::default();
        parser.parse(line.as_bytes(), &mut row).unwrap();
        let model = LineModel::from_line(line.as_bytes(), &parser, &row, own, stream);
        assert_eq!(model.match_line(line.as_bytes(), &mut row, own), Some(()));
        let next = line.replace("ep-00000", "ep-1").replace("14", "-7").replace("5.0", "2.5e-07").replace("41", "null");
        let next = next.replace("[0.9692331552505493]", "[null, 0.5,null]");
        assert_eq!(model.match_line(next.as_bytes(), &mut row, own), Some(()), "{next}");
    }
}

#[test]
fn numbers_are_read_as_by_the_general_parser() {
    for number in [
        "0",
        "-0",
        "0.0",
        "-0.0",
        "1",
        "-1",
        "01",
        "1.",
        ".5",
        "1.5e",
        "1.5e5",
        "1.5E+05",
        "1.5e-400",
        "1.5e400",
        "1e5",
        "1.0e5",
        "123456789012345678",
        "1234567890123456789",
        "12345678901234567890",
        "9223372036854775808",
        "18446744073709551616",
        "-36893488147419103232",
        "10000000000000000000000000000000000000000000000000000000000000000",
        "18446744073709551616.0",
        "0.1234567890123456789",
        "0.12345678901234567890",
        "1795486550.153067",
        "0.30000000000000004",
        "5e-324",
        "2.2250738585072014e-308",
        "179769313486231570000.0",
        "9007199254740993.0",
        "0.00000000000000000000000001",
        "NaN",
        "Infinity",
        "-Infinity",
        "-NaN",
        "true",
        "null",
        "\"1\"",
        "1.5e005",
        "1.0e00",
        "1.0e0",
        "1.5e+-5",
        "1.5e--5",
        "99999999.99999999",
        "12345678.12345678",
        "1234567:.0",
        "0.1234567/",
        "1 ",
        "[1]",
    ] {
        for (line, from) in [
            (STEP, "5.0"),
            (STEP, "41"),
            (STEP, "0.9692331552505493"),
            (COMPACT, "[1]"),
            (STEP, "1795486550.153067"),
            (STEP, "\"step\": 1"),
        ] {
            let to = if from.starts_with('"') { format!("\"step\": {number}") } else { number.to_owned() };
            assert_agree(RunStream::Steps, line, line.replace(from, &to).as_bytes());
        }
        assert_agree(RunStream::Episodes, EPISODE, EPISODE.replace("5.0", number).as_bytes());
    }
}

fn any_number() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<f64>().prop_map(|f| format!("{f:?}")),
        (-100.0..100.0).prop_map(|f: f64| format!("{f:?}")),
        any::<i64>().prop_map(|i| i.to_string()),
        "-?[0-9]{1,20}(\\.[0-9]{1,25})?([eE][+-]?[0-9]{1,3})?",
        "[-0-9.eE+]{1,8}",
        Just("NaN".to_owned()),
        Just("null".to_owned()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    /// F3: The fast reader and the exact one agree on any number in any field.
    #[test]
    fn any_number_in_any_place(number in any_number(), place in 0..7_usize) {
        let from = ["5.0", "41", "0.9692331552505493", "1795486550.153067", "14", "\"reward\": 1.0", "\"step\": 1,"][place];
        let to = match place {
            5 => format!("\"reward\": {number}"),
            6 => format!("\"step\": {number},"),
            _ => number.clone(),
        };
        assert_agree(RunStream::Steps, STEP, STEP.replace(from, &to).as_bytes());
    }

    #[test]
    fn any_damage(at in 0..400_usize, byte in any::<u8>(), cut in 0..5_usize, which in 0..3_usize, often in any::<bool>()) {
        let (stream, line) = [(RunStream::Steps, STEP), (RunStream::Steps, COMPACT), (RunStream::Episodes, EPISODE)][which];
        let mut bad = line.as_bytes().to_vec();
        let at = at % bad.len();
        let byte = if often { b"0123456789.,:{}[]\"e-\\n "[usize::from(byte) % 23] } else { byte };
        let end = (at + cut).min(bad.len());
        bad.splice(at..end, [byte]);
        assert_agree(stream, line, &bad);
    }
}
