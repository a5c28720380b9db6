#![allow(clippy::unwrap_used)]

use super::*;
use crate::formats::json::Reason;
use crate::run::layout::Stream;

const STEP: &str = r#"{"ts": 1.5, "run_id": "r", "episode_id": "e", "step": 2, "action": 0, "reward": -0.01, "terminated": false, "truncated": true, "agent_position": {"x": 3, "y": 4}, "distance_to_goal": 5.0, "observation_summary": [0.5, NaN, 2], "seed": 7, "schema_version": "0.1"}"#;

fn parse(line: &str) -> Result<Row, BadLine> {
    let mut row = Row::default();
    RowParser::new(Stream::Steps).parse(line.as_bytes(), &mut row).map(|()| row)
}

#[test]
fn a_row_is_read_whole() {
    let row = parse(&format!(" {STEP} \r\n")).unwrap();
    assert_eq!((row.faults.as_slice(), row.lossy), (&[][..], false));
    assert_eq!((row.run_id.as_str(), row.episode_id.as_str(), row.schema), ("r", "e", Some(SchemaVersion::V0_1)));
    let ints = [Slot::Count, Slot::Action, Slot::X, Slot::Y, Slot::Seed].map(|s| row.int(s));
    assert_eq!(ints, [2, 0, 3, 4, 7]);
    assert_eq!([Slot::Ts, Slot::Reward, Slot::Distance].map(|s| row.float(s)), [1.5, -0.01, 5.0]);
    assert_eq!((row.bool(Slot::Terminated), row.bool(Slot::Truncated)), (false, true));
    assert!(row.observation.len() == 3 && row.observation[1].is_nan());
    assert_eq!(row.extra, "");
}

/// The row with one text replaced; its faults.
fn faults(from: &str, to: &str) -> Vec<Fault> {
    assert!(STEP.contains(from));
    parse(&STEP.replace(from, to)).unwrap().faults
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
        assert_eq!(faults(from, to), [], "{to}");
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
        assert!(matches!(faults(from, to)[..], [Fault::WrongType(..)]), "{to}: {:?}", faults(from, to));
    }
}

#[test]
fn ranges_and_finiteness() {
    for (from, to) in [
        ("\"step\": 2", "\"step\": 0"),
        ("\"step\": 2", "\"step\": -1.0"),
        ("\"seed\": 7", "\"seed\": 9223372036854775808"),
        ("\"seed\": 7", "\"seed\": 1e19"),
        ("5.0", "-0.5"),
    ] {
        assert!(matches!(faults(from, to)[..], [Fault::OutOfRange(..)]), "{to}: {:?}", faults(from, to));
    }
    let huge = format!("\"reward\": {}", "9".repeat(400));
    assert!(matches!(faults("\"reward\": -0.01", &huge)[..], [Fault::OutOfRange(..)]));
    for (from, to) in [("1.5", "NaN"), ("-0.01", "-Infinity"), ("5.0", "1e999"), ("\"step\": 2", "\"step\": Infinity")]
    {
        assert!(matches!(faults(from, to)[..], [Fault::NonFinite(..)]), "{to}: {:?}", faults(from, to));
    }
    assert_eq!(faults("5.0", "-0.0"), []);
}

#[test]
fn what_is_missing_or_strange_is_told_once() {
    assert_eq!(faults("\"ts\": 1.5, ", ""), [Fault::Missing("ts".into())]);
    assert_eq!(faults("\"x\": 3, ", ""), [Fault::Missing("agent_position.x".into())]);
    assert_eq!(faults("\"0.1\"", "\"9\""), [Fault::Schema("\"9\"".into())]);
    assert_eq!(faults("\"e\"", "\"\\ud800\""), [Fault::Surrogate("episode_id".into())]);
    assert_eq!(faults("\"seed\": 7, ", ""), []);
}

#[test]
fn unknown_fields_are_kept() {
    let extra = |to: &str| parse(&STEP.replace("\"seed\": 7", to)).unwrap().extra;
    assert_eq!(extra(r#""wind": {"u": NaN}, "n":1"#), r#"{"wind": {"u": "NaN"}, "n": 1}"#);
    assert_eq!(extra(r#""a": 1, "b": 2, "a": 3"#), r#"{"b": 2, "a": 3}"#);
    let nested = parse(&STEP.replace("\"x\": 3", "\"x\": 3, \"z\": [NaN], \"n\": 0")).unwrap();
    assert_eq!(nested.extra, r#"{"agent_position": {"z": ["NaN"], "n": 0}}"#);
    let named = |name: &str| Fault::UnknownInside(format!("\"agent_position.{name}\""));
    assert_eq!(nested.faults, [named("z"), named("n")]);
}

#[test]
fn lines_that_are_no_rows() {
    assert_eq!(parse("[1]"), Err(BadLine::NotAnObject("a list")));
    assert_eq!(parse(" NaN "), Err(BadLine::NotAnObject("a float")));
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
        assert!(matches!(parse(bad), Err(BadLine::Json(_))), "{bad}");
    }
    let mut row = Row::default();
    assert_eq!(RowParser::new(Stream::Steps).parse(b"{\"a\": \"\xff\"}", &mut row), Err(BadLine::Utf8(7)));
    let deep = format!("{{\"a\": {}1{}}}", "[".repeat(5000), "]".repeat(5000));
    assert!(matches!(parse(&deep), Err(BadLine::Json(ParseError { reason: Reason::Depth, .. }))));
    let marked = Err(BadLine::Json(ParseError { offset: 0, reason: Reason::Bom }));
    assert_eq!(parse(&format!("\u{feff}{STEP}")), marked);
}
