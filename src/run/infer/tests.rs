#![allow(clippy::unwrap_used)]

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;

use super::*;
use crate::support::progress::NoProgress;

/// A run of these rows.
fn run_of(run_json: &str, steps: &str, episodes: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("run.json"), run_json).unwrap();
    for (name, rows) in [("steps.jsonl.gz", steps), ("episodes.jsonl.gz", episodes)] {
        let mut gz = GzEncoder::new(std::fs::File::create(dir.path().join(name)).unwrap(), Compression::fast());
        gz.write_all(rows.as_bytes()).unwrap();
        gz.finish().unwrap();
    }
    dir
}

fn infer(steps: &str, episodes: &str) -> InferredSchema {
    let dir = run_of(r#"{"schema_version": "2"}"#, steps, episodes);
    infer_schema(dir.path(), "r", false, &NoProgress).unwrap()
}

/// Steps with these members beside the format's own.
fn steps_of(members: &[&str]) -> String {
    let row = |(at, members): (usize, &&str)| {
        format!(
            "{{\"episode_id\": \"e\", \"step\": {}, \"terminated\": false, \"truncated\": false, {members}}}\n",
            at + 1
        )
    };
    members.iter().enumerate().map(row).collect()
}

/// The declaration of a column of steps.
fn column_of(members: &[&str], name: &str) -> String {
    let inferred = infer(&steps_of(members), "");
    let start = format!("    \"{name}\": ");
    let line = inferred.text.lines().find_map(|line| line.strip_prefix(&start));
    line.unwrap_or_else(|| panic!("no {name} in {}", inferred.text)).trim_end_matches(',').to_owned()
}

#[test]
fn each_value_gets_its_type() {
    for (members, expected) in [
        (&[r#""x": 1"#, r#""x": -3"#][..], r#"{"dtype": "int64"}"#),
        (&[r#""x": 1"#, r#""x": 1.5"#], r#"{"dtype": "float64"}"#),
        (&[r#""x": 1.0"#, r#""x": NaN"#], r#"{"dtype": "float64", "finite": false}"#),
        (&[r#""x": 1"#, r#""x": null"#], r#"{"dtype": "int64", "nullable": true}"#),
        (&[r#""x": true"#, r#""y": 1"#], r#"{"dtype": "bool", "nullable": true}"#),
        (&[r#""x": "a""#], r#"{"dtype": "string"}"#),
        (&[r#""x": [1, 2]"#, r#""x": [3, 4]"#], r#"{"dtype": "int64", "shape": [2]}"#),
        (&[r#""x": [1, 2]"#, r#""x": []"#], r#"{"dtype": "int64", "shape": [-1]}"#),
        (&[r#""x": [[1, 2.5], [3, null]]"#], r#"{"dtype": "float64", "shape": [2, 2], "finite": false}"#),
        (&[r#""x": ["a", "b"]"#], r#"{"dtype": "string", "shape": [2]}"#),
        // What no column holds.
        (&[r#""x": 1"#, r#""x": "a""#], r#"{"dtype": "json"}"#),
        (&[r#""x": [[1], [2, 3]]"#, r#""x": [[1, 2], [3]]"#], r#"{"dtype": "json"}"#),
        (&[r#""x": []"#], r#"{"dtype": "json"}"#),
        (&[r#""x": null"#], r#"{"dtype": "json", "nullable": true}"#),
        (&[r#""x": 99999999999999999999"#], r#"{"dtype": "json"}"#),
        (&[r#""x": {"a": 1}"#, r#""x": {"b": 1}"#], r#"{"dtype": "json"}"#),
        (&[r#""x": [{"a": 1}]"#, r#""x": []"#], r#"{"dtype": "json"}"#),
    ] {
        assert_eq!(column_of(members, "x"), expected, "{members:?}");
    }
}

#[test]
fn objects_and_tuples_become_columns_by_path() {
    let rows = [r#""obs": {"pos": [1.5, 2.5], "n.a": 3, "Z": {"b": true}}, "t": [1, "a", [0.5]]"#; 2];
    let text = infer(&steps_of(&rows), "").text;
    for line in [
        r#""obs_pos": {"dtype": "float64", "shape": [2], "path": "obs.pos"}"#,
        r#""obs_n_a": {"dtype": "int64", "path": ["obs", "n.a"]}"#,
        r#""obs_Z_b": {"dtype": "bool", "path": "obs.Z.b"}"#,
        r#""t_0": {"dtype": "int64", "path": "t[0]"}"#,
        r#""t_2": {"dtype": "float64", "shape": [1], "path": "t[2]"}"#,
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    // An object that is sometimes absent: so is what is in it.
    let optional = [r#""info": {"a": 1}"#, r#""x": 1"#];
    assert_eq!(column_of(&optional, "info_a"), r#"{"dtype": "int64", "path": "info.a", "nullable": true}"#);
}

#[test]
fn names_are_unique_and_none_is_taken_from_the_format() {
    let rows = [r#""a.b": 1, "a_b": 2, "A_b": 3, "é": 4, "extra": 5, "seed": "x", "Reward": 1.5, "reward": 1"#];
    let inferred = infer(&steps_of(&rows), "");
    for line in [
        r#""a_b": {"dtype": "int64", "path": ["a.b"]}"#,
        r#""a_b_2": {"dtype": "int64", "path": "a_b"}"#,
        r#""A_b_3": {"dtype": "int64", "path": "A_b"}"#,
        r#""column": {"dtype": "int64", "path": "\u00e9"}"#,
        r#""extra_value": {"dtype": "int64", "path": "extra"}"#,
        r#""seed_value": {"dtype": "string", "path": "seed"}"#,
        r#""Reward_value": {"dtype": "float64", "path": "Reward"}"#,
    ] {
        assert!(inferred.text.contains(line), "{line}: {}", inferred.text);
    }
    let told = inferred.notes.iter().any(|note| note.text.contains("`seed` as `seed_value` (`seed` is one int64)"));
    assert!(told, "{:?}", inferred.notes);
}

#[test]
fn plume_fields_keep_their_meaning() {
    let steps = steps_of(&[
        r#""ts": 1, "reward": 0, "agent_position": {"x": 1, "y": 2}, "distance_to_goal": 3, "observation_summary": [1]"#,
    ]);
    let episodes = r#"{"episode_id": "e", "terminated": true, "truncated": false, "total_steps": 1, "total_reward": 0.0,
        "final_position": {"x": 1, "y": 2}, "final_distance_to_goal": 3, "duration_ms": 2, "success": true}"#;
    let text = infer(&steps, &episodes.replace('\n', "")).text;
    for line in [
        r#""ts": {"dtype": "float64"}"#,
        r#""reward": {"dtype": "float64"}"#,
        r#""agent_x": {"dtype": "int64", "path": "agent_position.x"}"#,
        r#""distance_to_goal": {"dtype": "float64", "min": 0}"#,
        r#""observation_summary": {"dtype": "float64", "shape": [-1], "nullable": true, "finite": false}"#,
        r#""final_y": {"dtype": "int64", "path": "final_position.y", "equals": "last(agent_y)"}"#,
        r#""final_distance_to_goal": {"dtype": "float64", "equals": "last(distance_to_goal)", "metrics": ["mean", "min"]}"#,
        r#""success": {"dtype": "bool"}"#,
        r#""plot": {"path": ["agent_x", "agent_y"], "lines": ["distance_to_goal"]}"#,
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert!(!text.contains("total_reward"), "it follows from reward: {text}");
}

#[test]
fn a_first_row_without_an_action_is_the_state_after_reset() {
    let row = |step: u32, rest: &str| {
        format!("{{\"episode_id\": \"e\", \"step\": {step}, \"terminated\": false, \"truncated\": false{rest}}}\n")
    };
    let reset = row(0, ", \"obs\": [1], \"seed\": 7") + &row(1, ", \"obs\": [2], \"action\": 1");
    let inferred = infer(&reset, "");
    assert!(inferred.text.contains("\"reset_rows\": true"), "{}", inferred.text);
    assert!(inferred.text.contains("\"action\": {\"dtype\": \"int64\"}"), "{}", inferred.text);
    assert!(inferred.text.contains("\"seed\": {\"dtype\": \"int64\", \"nullable\": true}"), "{}", inferred.text);
    let from_zero = row(0, ", \"action\": 0") + &row(1, ", \"action\": 1");
    let inferred = infer(&from_zero, "");
    assert!(!inferred.text.contains("reset_rows"), "{}", inferred.text);
    assert!(inferred.notes[0].text.contains("`step` begins at 0"), "{:?}", inferred.notes);
}

#[test]
fn what_the_recorder_must_change_comes_first() {
    let steps =
        r#"{"episode_id": 1, "step": 1, "terminated": {"a": true}, "reward": {"a": 1.0}, "schema_version": "1.0"}"#;
    let dir = run_of(r#"{"schema_version": "1.0"}"#, &format!("{steps}\nnonsense\n"), "");
    let notes = infer_schema(dir.path(), "r", false, &NoProgress).unwrap().notes;
    let faults: Vec<&str> =
        notes.iter().take_while(|note| note.kind == NoteKind::Fault).map(|note| note.text.as_str()).collect();
    for told in [
        "run.json says \"schema_version\": \"1.0\"",
        "steps.jsonl.gz: 1 line left out",
        "`episode_id` of steps is an int in every row instead of a text",
        "`terminated` of steps is an object in every row instead of true or false",
        "`truncated` of steps is missing in every row",
        "write a row for each, named in a field `agent`",
        "`schema_version` of steps is not \"2\" in every row",
    ] {
        assert!(faults.iter().any(|fault| fault.contains(told)), "{told}: {faults:?}");
    }
}

#[test]
fn few_rows_are_read_unless_all_are_asked_for() {
    let mut rows = steps_of(&["\"x\": 1"]).repeat(usize::try_from(ROWS_PER_FILE).unwrap());
    rows += &steps_of(&["\"x\": 1.5"]);
    let dir = run_of("{}", &rows, "");
    let few = infer_schema(dir.path(), "r", false, &NoProgress).unwrap();
    assert_eq!((few.rows.0, few.is_complete), (ROWS_PER_FILE, false));
    assert!(few.text.contains("int64") && few.notes.iter().any(|note| note.text.contains("`--all`")));
    let all = infer_schema(dir.path(), "r", true, &NoProgress).unwrap();
    assert_eq!((all.rows.0, all.is_complete), (ROWS_PER_FILE + 1, true));
    assert!(all.text.contains("float64"), "{}", all.text);
}

#[test]
fn too_many_columns_become_json() {
    let keys: Vec<String> = (0..200).map(|n| format!("\"k{n}\": {n}")).collect();
    let rows = steps_of(&[&format!("\"a\": {{{0}}}, \"b\": {{{0}}}, \"c\": 1", keys.join(", "))]);
    let inferred = infer(&rows, "");
    let schema = RunSchema::parse(inferred.text.as_bytes()).unwrap();
    assert_eq!(schema.steps.columns.len(), 202);
    let wide: Vec<String> = (0..400).map(|n| format!("\"k{n}\": {n}")).collect();
    let schema = RunSchema::parse(infer(&steps_of(&[&wide.join(", ")]), "").text.as_bytes()).unwrap();
    assert!(schema.steps.columns.len() <= MAX_COLUMNS);
}

#[test]
fn a_run_without_rows_is_an_error() {
    let dir = run_of("{}", "", "");
    std::fs::write(dir.path().join("steps.jsonl"), "{}").unwrap();
    let error = infer_schema(dir.path(), "results/r", false, &NoProgress).unwrap_err();
    assert_eq!(error.to_string(), "cannot infer a schema: results/r has no row of steps");
    assert_eq!(error.explain().hints, ["compress the rows: `gzip steps.jsonl`"]);
}

/// Any JSON, nested a little, with names that the format knows and names that it does not.
fn any_value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|b| b.to_string()),
        any::<i32>().prop_map(|n| n.to_string()),
        Just("1.5".to_owned()),
        Just("NaN".to_owned()),
        Just("123456789012345678901234567890".to_owned()),
        Just(r#""\ud800""#.to_owned()),
    ];
    let keys =
        ["x", "X", "reward", "agent", "seed", "step", "a.b", "a[0]", "", "\\ud800", "success", "extra", "total_reward"];
    leaf.prop_recursive(4, 24, 5, move |inner| {
        let key = proptest::sample::select(keys.to_vec());
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(", "))),
            proptest::collection::vec((key, inner), 0..5).prop_map(|members| {
                let members: Vec<String> = members.iter().map(|(key, value)| format!("\"{key}\": {value}")).collect();
                format!("{{{}}}", members.join(", "))
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever the rows hold, what is printed is a valid schema.
    #[test]
    fn any_rows_give_a_valid_schema(rows in proptest::collection::vec(any_value(), 1..4)) {
        let rows: Vec<String> = rows.iter().map(|value| format!("\"f\": {value}, \"success\": {value}, \"reward\": {value}")).collect();
        let steps = steps_of(&rows.iter().map(String::as_str).collect::<Vec<_>>());
        let inferred = infer(&steps, &steps);
        prop_assert!(RunSchema::parse(inferred.text.as_bytes()).is_ok(), "{}", inferred.text);
    }
}
