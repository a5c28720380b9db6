//! The document of sets of one run, of many and of several schemas.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::*;
use crate::export::set::sample::sample_set;
use crate::run::schema::RunSchema;

fn document(set: &ExportSet) -> Value {
    serde_json::from_slice(&build_croissant(set)).unwrap()
}

fn declare(run: &mut ExportedRun, schema: &str) {
    run.schema = Arc::new(RunSchema::parse(schema.as_bytes()).unwrap());
}

fn ids(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|item| item["@id"].as_str().unwrap()).collect()
}

fn field<'a>(document: &'a Value, id: &str) -> &'a Value {
    let records = document["recordSet"].as_array().unwrap().iter();
    records.flat_map(|set| set["field"].as_array().unwrap()).find(|field| field["@id"] == id).unwrap()
}

#[test]
fn a_run_alone_is_read_from_files_with_hashes() {
    let set = sample_set(&["demo/r1"]);
    let document = document(&set);
    assert_eq!(ids(&document["distribution"]), ["demo/r1/steps.parquet", "demo/r1/episodes.parquet"]);
    assert_eq!(ids(&document["recordSet"]), ["steps", "episodes"]);
    let step = field(&document, "steps/step");
    assert_eq!(step["source"]["fileObject"]["@id"], "demo/r1/steps.parquet");
    assert_eq!(step["source"]["extract"]["column"], "step");
    assert_eq!(document["version"], "1.0.0+a39899ca078c8e67c0326f71fa1ffdf6");
    assert_eq!((&document["datePublished"], &document["dateCreated"]), (&json!("2026-11-27"), &json!("2026-11-24")));
    assert_eq!(document["prov:wasGeneratedBy"][0]["prov:endedAtTime"], "2026-11-24T02:15:57.523+00:00");
    assert_eq!(
        document["recordSet"][0]["description"],
        "One record for each step: 151 of 1 run of the experiment demo"
    );
}

#[test]
fn many_runs_are_read_from_sets_of_files() {
    let document = document(&sample_set(&["a b/r#1 ü%?&x", "demo/r1"]));
    assert_eq!(
        ids(&document["distribution"]),
        [
            "a%20b/r%231%20%C3%BC%25%3F%26x/steps.parquet",
            "a%20b/r%231%20%C3%BC%25%3F%26x/episodes.parquet",
            "demo/r1/steps.parquet",
            "demo/r1/episodes.parquet",
            "steps-files",
            "episodes-files"
        ]
    );
    let (file, set) = (&document["distribution"][0], &document["distribution"][4]);
    assert_eq!(file["contentUrl"], "a b/r#1 ü%?&x/steps.parquet");
    assert_eq!(set["includes"], "*/*/steps.parquet");
    assert_eq!(set["description"], "The steps of 2 runs of the experiments a b, demo");
    assert_eq!(field(&document, "episodes/total_steps")["source"]["fileSet"]["@id"], "episodes-files");
}

#[test]
fn each_schema_has_record_sets_of_its_own() {
    let mut set = sample_set(&["demo/r1", "spring [2]/r1", "spring [2]/r2"]);
    for run in &mut set.runs[1..] {
        declare(run, r#"{"format": 1, "steps": {"x": {"dtype": "float64", "unit": "m"}}}"#);
    }
    let document = document(&set);
    assert_eq!(ids(&document["recordSet"]), ["demo-steps", "demo-episodes", "spring-2-steps", "spring-2-episodes"]);
    assert_eq!(ids(&document["distribution"])[6..], ["spring-2-steps-files", "spring-2-episodes-files"]);
    assert_eq!(document["distribution"][6]["includes"], "spring [[]2]/*/steps.parquet");
    assert!(field(&document, "demo-steps/step")["source"]["fileObject"].is_object());
}

#[test]
fn fields_say_what_the_schema_says() {
    let mut set = sample_set(&["lab/r1", "lab/r2"]);
    let schema = |range: &str| {
        format!(
            r#"{{"format": 1, "reset_rows": true, "steps": {{
            "theta": {{"dtype": "float32", "unit": "rad", "path": "state.theta", "min": -0.1, {range}}},
            "image": {{"dtype": "uint8", "shape": [7, 7, 3], "description": "What is seen."}},
            "tail": {{"dtype": "float64", "shape": [-1], "nullable": true}},
            "mode": {{"dtype": "string", "enum": ["in", "out"]}},
            "left": {{"dtype": "int8", "min": 0}},
            "info": {{"dtype": "json"}}}},
            "episodes": {{"end": {{"dtype": "float32", "equals": "last(theta)"}}, "video": {{"dtype": "file"}}}}}}"#
        )
    };
    declare(&mut set.runs[0], &schema(r#""max": 0.1"#));
    declare(&mut set.runs[1], &schema(r#""max": 0.1"#));
    let text = |document: &Value, id: &str| field(document, id)["description"].as_str().unwrap().to_owned();
    let both = document(&set);
    assert_eq!(text(&both, "steps/theta"), "Recorded as state.theta. Unit: rad. Range: -0.1 to 0.1. Can be null.");
    assert_eq!(field(&both, "steps/theta")["unitText"], "rad");
    assert_eq!(field(&both, "steps/theta")["dataType"], "cr:Float32");
    let image = field(&both, "steps/image");
    assert_eq!((&image["isArray"], &image["arrayShape"]), (&json!(true), &json!("147")));
    assert_eq!(text(&both, "steps/image"), "What is seen. An array of 7 × 7 × 3, row by row in one list. Can be null.");
    assert_eq!(field(&both, "steps/tail")["arrayShape"], "-1");
    assert_eq!(text(&both, "steps/mode"), "Recorded as mode. One of: in, out. Can be null.");
    assert_eq!(text(&both, "steps/left"), "Recorded as left. Range: from 0. Can be null.");
    assert_eq!(text(&both, "steps/info"), "Recorded as info. The text of a JSON value. Can be null.");
    assert_eq!(
        text(&both, "steps/ts"),
        "Time of the step by the clock on the wall, since 1970. Not recorded, so always null."
    );
    assert!(text(&both, "steps/step").ends_with("from 1; 0 is the state after the reset."));
    assert_eq!(text(&both, "episodes/end"), "Recorded as end. Equals last(theta) of the episode's steps.");
    assert_eq!(text(&both, "episodes/video"), "Recorded as video. The path of a file in the run's folder.");
    // A range that only some runs have is none of the table.
    declare(&mut set.runs[1], &schema(r#""max": 0.2, "description": "Angle of the pole""#));
    assert_eq!(text(&document(&set), "steps/theta"), "Angle of the pole. Unit: rad. Can be null.");
}

#[test]
fn every_column_of_plume_nav_sim_is_described() {
    let document = document(&sample_set(&["demo/r1"]));
    for set in document["recordSet"].as_array().unwrap() {
        for field in set["field"].as_array().unwrap() {
            let text = field["description"].as_str().unwrap();
            assert!(!text.is_empty() && !text.starts_with("Recorded as"), "{field}");
        }
    }
    assert_eq!(field(&document, "steps/agent_x")["unitText"], "cell");
}

#[test]
fn what_is_unknown_is_absent() {
    let mut set = sample_set(&["demo/r1"]);
    set.metadata.url = None;
    assert_eq!(document(&set)["url"], "https://example.org/plume-runs.git");
    set.metadata.repository = Some("git@example.org:plume".into());
    set.metadata.publisher = None;
    set.metadata.keywords.clear();
    set.runs[0].started = None;
    set.runs[0].ended = None;
    let document = document(&set);
    for key in ["url", "publisher", "keywords", "dateCreated"] {
        assert!(document.get(key).is_none(), "{key}");
    }
    assert!(!String::from_utf8(build_croissant(&set)).unwrap().contains("ada@example.org"));
}

#[test]
fn ids_are_unique_and_bytes_are_the_same_each_time() {
    let keys: Vec<String> = (0..100).map(|number| format!("x{}/r {number:03}", number % 7)).collect();
    let mut keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    keys.sort_unstable();
    let set = sample_set(&keys);
    let bytes = build_croissant(&set);
    assert_eq!(bytes, build_croissant(&sample_set(&keys)));
    assert!(bytes.ends_with(b"}\n"));
    let document = document(&set);
    let fields = document["recordSet"].as_array().unwrap().iter().flat_map(|set| ids(&set["field"]));
    let all: Vec<&str> = fields.chain(ids(&document["distribution"])).chain(ids(&document["recordSet"])).collect();
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
}

#[test]
fn a_set_without_tables_has_no_record_sets() {
    let mut set = sample_set(&["demo/r1"]);
    set.runs[0].files.retain(|file| !file.name.ends_with(".parquet"));
    let document = document(&set);
    assert_eq!((&document["recordSet"], &document["distribution"]), (&json!([]), &json!([])));
}
