#![allow(clippy::unwrap_used)]

use super::*;

const CARTPOLE: &str = r#"{
    "format": 1, "reset_rows": true,
    "steps": {
        "reward": {"dtype": "float64"},
        "agent": {"dtype": "string"},
        "x": {"dtype": "float32", "path": "observation[0]", "min": -4.8, "max": 4.8},
        "v": {"dtype": "float32", "path": "observation[1]"},
        "pose": {"dtype": "uint8", "shape": [7, 7, 3], "path": ["info", "a.b"], "nullable": true}
    },
    "episodes": {
        "success": {"dtype": "bool", "metrics": ["mean"]},
        "peak": {"dtype": "float32", "equals": "max(v)", "unit": "m/s"}
    },
    "plot": {"path": ["x", "v"], "lines": ["v"]}
}"#;

#[test]
fn a_declaration_is_read_with_what_follows_from_it() {
    let schema = RunSchema::parse(CARTPOLE.as_bytes()).unwrap();
    let names: Vec<&str> = schema.episodes.columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(names, ["total_reward", "agent", "success", "peak"]);
    assert_eq!(schema.plot, PlotColumns { path: Some((2, 3)), lines: vec![3] });
    assert_eq!((schema.agent(), schema.reset_rows), (Some(1), true));
    let x = schema.steps.column(2).unwrap();
    // Compared in single precision.
    assert_eq!(x.float_bounds(), (f64::from(-4.8_f32), f64::from(4.8_f32)));
    assert_eq!(schema.steps.column(4).unwrap().shape_text().as_deref(), Some("[7, 7, 3]"));
    let containers: Vec<(&str, bool)> =
        schema.steps.containers.iter().map(|c| (c.name.as_str(), c.is_optional)).collect();
    assert_eq!(containers, [("", true), ("observation", false), ("info", true)]);
    assert_eq!(schema.steps.counts(), CellCounts { scalars: 3, texts: 1, lists: 1 });
}

#[test]
fn plume_is_a_declaration_like_any_other() {
    let plume = RunSchema::plume();
    assert_eq!((plume.steps.columns.len(), plume.episodes.columns.len()), (8, 6));
    assert_eq!((plume.steps.order.len(), plume.episodes.order.len()), (14, 12));
    let reward = plume.episodes.column(0).unwrap().equals.unwrap();
    assert_eq!(plume.steps.column(reward.column).unwrap().name, "reward");
}

/// The declaration with one text replaced; what is wrong with it.
fn error_of(from: &str, to: &str) -> String {
    assert!(CARTPOLE.contains(from), "{from}");
    RunSchema::parse(CARTPOLE.replacen(from, to, 1).as_bytes()).map(|_| ()).unwrap_err().to_string()
}

#[test]
fn every_mistake_is_named() {
    for (from, to, why) in [
        ("\"format\": 1", "\"format\": 2", "`format` is 2; a newer capture-hook can read it"),
        ("\"format\": 1, ", "", "`format` is missing"),
        ("\"steps\"", "\"stepz\"", "unknown key `stepz`; did you mean `steps`?"),
        ("\"lines\"", "\"line\"", "`plot` has an unknown key `line`; did you mean `lines`?"),
        ("\"float32\"", "\"float31\"", "unknown dtype `float31`; did you mean `float32`?"),
        ("\"float32\"", "\"quaternion\"", "the types are bool, int8"),
        ("\"x\": {\"dtype\": \"float32\", ", "\"x\": {", "the column `x` of steps has no `dtype`"),
        ("\"unit\"", "\"units\"", "did you mean `unit`?"),
        ("observation[1]", "observation[2]", "no column names `observation[1]`"),
        ("observation[1]", "observation", "is another column's"),
        ("observation[1]", "observation.v", "both an object and a list"),
        ("observation[1]", "step", "begins at `step`"),
        ("observation[1]", "a..b", "has an empty name"),
        ("observation[1]", "a[x]", "is no index"),
        ("\"v\": {\"dtype\"", "\"X\": {\"dtype\"", "upper and lower case alone"),
        ("\"reward\": {\"dtype\": \"float64\"}", "\"reward\": {\"dtype\": \"int64\"}", "fixed meaning"),
        ("\"reward\"", "\"extra\"", "a field that every row has"),
        ("\"success\": {\"dtype\": \"bool\"", "\"success\": {\"dtype\": \"string\"", "has `metrics`"),
        ("max(v)", "max(w)", "names `w`, which is no column of steps"),
        ("max(v)", "most(v)", "write one of sum, mean"),
        ("max(v)", "max(agent)", "max of string is no float32"),
        ("max(v)", "last(pose)", "not for lists"),
        ("\"min\": -4.8", "\"min\": 4.9", "has a `min` above its `max`"),
        ("\"min\": -4.8", "\"min\": NaN", "is not a number that float32 holds"),
        ("\"min\": -4.8", "\"finite\": 1", "is an int instead of true or false"),
        ("[7, 7, 3]", "[7, -1]", "not a list of sizes"),
        ("[7, 7, 3]", "[70, 70]", "more than 4096 elements"),
        ("\"mean\"", "\"median\"", "not a list of mean, min and max"),
        ("[\"x\", \"v\"]", "[\"x\", \"agent\"]", "names `agent`, which is no column of numbers"),
        ("\"nullable\": true", "\"nullable\": null", "is null instead of true or false"),
    ] {
        let error = error_of(from, to);
        assert!(error.contains(why), "{to}: {error}");
    }
    assert!(matches!(RunSchema::parse(b"{"), Err(SchemaError::Parse { .. })));
    assert!(matches!(RunSchema::parse(&[b' '; MAX_SCHEMA_BYTES + 1]), Err(SchemaError::TooLarge)));
    assert!(RunSchema::parse(b"[]").unwrap_err().to_string().contains("is a list instead of an object"));
}
