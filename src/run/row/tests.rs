#![allow(clippy::unwrap_used)]

use super::*;
use crate::formats::json::ParseReason;
use crate::run::layout::RunStream;
use crate::run::schema::RunSchema;

const STEP: &str = r#"{"ts": 1.5, "run_id": "r", "episode_id": "e", "step": 2, "action": 0, "reward": -0.01, "terminated": false, "truncated": true, "agent_position": {"x": 3, "y": 4}, "distance_to_goal": 5.0, "observation_summary": [0.5, NaN, 2], "seed": 7, "schema_version": "0.1"}"#;

fn parse_step(line: &str) -> Result<ParsedRow, BadLine> {
    let mut row = ParsedRow::default();
    RowParser::new(RunSchema::plume(), RunStream::Steps).parse(line.as_bytes(), &mut row).map(|()| row)
}

#[test]
fn a_row_is_read_whole() {
    let row = parse_step(&format!(" {STEP} \r\n")).unwrap();
    assert_eq!((row.faults.as_slice(), row.lossy), (&[][..], false));
    assert_eq!((row.run_id.as_str(), row.episode_id.as_str(), row.schema), ("r", "e", Some(SchemaVersion::V0_1)));
    // ts, action, reward, x, y, distance, seed: in the order of the declaration.
    let ints = [1, 3, 4, 6].map(|at| row.int(at));
    assert_eq!((row.count, ints), (2, [0, 3, 4, 7]));
    assert_eq!([0, 2, 5].map(|at| row.float(at)), [1.5, -0.01, 5.0]);
    assert_eq!((row.terminated, row.truncated), (false, true));
    let Values::Float(observation) = &row.lists[0] else { panic!("no list of floats") };
    assert!(observation.len() == 3 && observation[1].is_nan());
    assert_eq!(row.extra, "");
}

/// The row with one text replaced; its faults.
fn faults_of(from: &str, to: &str) -> Vec<RowFault> {
    assert!(STEP.contains(from));
    parse_step(&STEP.replace(from, to)).unwrap().faults
}

#[test]
fn integral_floats_are_ints_and_bools_are_not() {
    for (from, to) in [
        ("\"step\": 2", "\"step\": 2.0"),
        ("\"step\": 2", "\"step\": 2e0"),
        ("\"seed\": 7", "\"seed\": null"),
        ("\"reward\": -0.01", "\"reward\": 3"),
        ("[0.5, NaN, 2]", "null"),
        ("[0.5, NaN, 2]", "[ ]"),
        ("[0.5, NaN, 2]", "[0.5, null]"),
        ("\"action\": 0", "\"action\": -0"),
        ("\"seed\": 7", "\"seed\": -9223372036854775808"),
        ("\"step\": 2", "\"step\": true, \"step\": 2"),
        ("\"step\"", "\"\\u0073tep\""),
    ] {
        assert_eq!(faults_of(from, to), [], "{to}");
    }
    for (from, to) in [
        ("\"step\": 2", "\"step\": true"),
        ("\"step\": 2", "\"step\": 2.5"),
        ("\"step\": 2", "\"step\": \"2\""),
        ("\"step\": 2", "\"step\": null"),
        ("\"terminated\": false", "\"terminated\": 0"),
        ("\"run_id\": \"r\"", "\"run_id\": 5"),
        ("[0.5, NaN, 2]", "[[null]]"),
        ("\"reward\": -0.01", "\"reward\": null"),
        ("[0.5, NaN, 2]", "[true]"),
        ("[0.5, NaN, 2]", "3"),
        ("{\"x\": 3, \"y\": 4}", "[3, 4]"),
        ("\"x\": 3", "\"x\": 3.5"),
        ("\"reward\": -0.01", "\"reward\": true"),
        ("\"0.1\"", "0.1"),
    ] {
        assert!(matches!(faults_of(from, to)[..], [RowFault::WrongType(..)]), "{to}: {:?}", faults_of(from, to));
    }
}

#[test]
fn numbers_out_of_range_or_not_finite_are_faults() {
    for (from, to) in [
        ("\"step\": 2", "\"step\": 0"),
        ("\"step\": 2", "\"step\": -1.0"),
        ("\"seed\": 7", "\"seed\": 9223372036854775808"),
        ("\"seed\": 7", "\"seed\": 1e19"),
        ("5.0", "-0.5"),
    ] {
        assert!(matches!(faults_of(from, to)[..], [RowFault::OutOfRange(..)]), "{to}: {:?}", faults_of(from, to));
    }
    let huge = format!("\"reward\": {}", "9".repeat(400));
    assert!(matches!(faults_of("\"reward\": -0.01", &huge)[..], [RowFault::OutOfRange(..)]));
    for (from, to) in [("1.5", "NaN"), ("-0.01", "-Infinity"), ("5.0", "1e999"), ("\"step\": 2", "\"step\": Infinity")]
    {
        assert!(matches!(faults_of(from, to)[..], [RowFault::NonFinite(..)]), "{to}: {:?}", faults_of(from, to));
    }
    assert_eq!(faults_of("5.0", "-0.0"), []);
}

#[test]
fn what_is_missing_or_strange_is_one_fault() {
    assert_eq!(faults_of("\"ts\": 1.5, ", ""), [RowFault::Missing("ts".into())]);
    assert_eq!(faults_of("\"x\": 3, ", ""), [RowFault::Missing("agent_position.x".into())]);
    assert_eq!(faults_of("\"0.1\"", "\"9\""), [RowFault::Schema("\"9\"".into())]);
    assert_eq!(faults_of("\"e\"", "\"\\ud800\""), [RowFault::Surrogate("episode_id".into())]);
    assert_eq!(faults_of("\"seed\": 7, ", ""), []);
}

#[test]
fn unknown_fields_are_kept() {
    let extra = |to: &str| parse_step(&STEP.replace("\"seed\": 7", to)).unwrap().extra;
    assert_eq!(extra(r#""wind": {"u": NaN}, "n":1"#), r#"{"wind": {"u": "NaN"}, "n": 1}"#);
    assert_eq!(extra(r#""a": 1, "b": 2, "a": 3"#), r#"{"b": 2, "a": 3}"#);
    let nested = parse_step(&STEP.replace("\"x\": 3", "\"x\": 3, \"z\": [NaN], \"n\": 0")).unwrap();
    assert_eq!(nested.extra, r#"{"agent_position": {"z": ["NaN"], "n": 0}}"#);
    let unknown_inside = |name: &str| RowFault::UnknownInside(format!("\"agent_position.{name}\""));
    assert_eq!(nested.faults, [unknown_inside("z"), unknown_inside("n")]);
}

#[test]
fn lines_that_are_no_rows_are_refused() {
    assert_eq!(parse_step("[1]"), Err(BadLine::NotAnObject("a list")));
    assert_eq!(parse_step(" NaN "), Err(BadLine::NotAnObject("a float")));
    for bad in [
        "{",
        "",
        "{\"a\": 1} x",
        "{\"a\": 1}{}",
        "[1",
        "nope",
        "{\"agent_position\": {\"x\": 1,}}",
        "{\"agent_position\": {",
    ] {
        assert!(matches!(parse_step(bad), Err(BadLine::Json(_))), "{bad}");
    }
    let mut row = ParsedRow::default();
    assert_eq!(
        RowParser::new(RunSchema::plume(), RunStream::Steps).parse(b"{\"a\": \"\xff\"}", &mut row),
        Err(BadLine::Utf8(7))
    );
    let deep = format!("{{\"a\": {}1{}}}", "[".repeat(5000), "]".repeat(5000));
    assert!(matches!(parse_step(&deep), Err(BadLine::Json(ParseError { reason: ParseReason::Depth, .. }))));
    let expected = Err(BadLine::Json(ParseError { offset: 0, reason: ParseReason::Bom }));
    assert_eq!(parse_step(&format!("\u{feff}{STEP}")), expected);
}
