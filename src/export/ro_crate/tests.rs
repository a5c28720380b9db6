#![allow(clippy::unwrap_used)]

use serde_json::Value;

use super::*;
use crate::export::metadata::Creator;
use crate::export::set::sample::{sample_metadata, sample_run, sample_set};

const ODD: &str = "a b/r#1 ü%?&x";

fn graph_of(set: &ExportSet) -> Vec<Value> {
    let bytes = build_ro_crate(set, &[document("provenance/run.intoto.json"), document("README.md")]);
    let document: Value = serde_json::from_slice(&bytes).unwrap();
    document["@graph"].as_array().unwrap().clone()
}

fn document(path: &str) -> DocumentFile {
    DocumentFile {
        path: path.into(),
        description: "A document".into(),
        media_type: "text/plain",
        bytes: b"abc".to_vec(),
    }
}

fn entity<'a>(graph: &'a [Value], id: &str) -> &'a Value {
    graph.iter().find(|entity| entity["@id"] == id).unwrap_or_else(|| panic!("no {id} in {graph:#?}"))
}

fn ids_of(graph: &[Value]) -> Vec<&str> {
    graph.iter().map(|entity| entity["@id"].as_str().unwrap()).collect()
}

#[test]
fn entities_are_in_order_and_each_once() {
    let set = sample_set(&["demo/r1", "demo/r2"]);
    let graph = graph_of(&set);
    let ids = ids_of(&graph);
    assert_eq!(ids[..2], ["ro-crate-metadata.json", "./"]);
    assert!(ids[2..].is_sorted_by(|a, b| a < b), "{ids:#?}");
    assert_eq!(build_ro_crate(&set, &[]), build_ro_crate(&set, &[]));
}

#[test]
fn every_reference_leads_to_an_entity_and_no_list_has_one_item() {
    fn check(value: &Value, ids: &BTreeSet<&str>) {
        match value {
            Value::Array(items) => {
                assert!(items.len() > 1, "{value}");
                items.iter().for_each(|item| check(item, ids));
            }
            Value::Object(members) => match members.get("@id") {
                Some(id) if members.len() == 1 => assert!(ids.contains(id.as_str().unwrap()), "no entity {id}"),
                _ => members.values().for_each(|member| check(member, ids)),
            },
            _ => {}
        }
    }
    let mut runs = vec![sample_run("demo/r1"), sample_run("demo/r2"), sample_run(ODD)];
    runs[1].simulator.version = Some("0.2.0".into());
    runs[1].commit.id = crate::git::Oid::parse(&"7".repeat(40)).unwrap();
    runs[2].simulator.git_sha = Some("c".repeat(40));
    runs[2].checked_by = "0.2.0".into();
    runs[2].commit.author = "Bo".into();
    runs[2].commit.author_email = "bo@example.org".into();
    let set = ExportSet { runs, ..sample_set(&["demo/r1"]) };
    for graph in [graph_of(&set), graph_of(&sample_set(&[ODD]))] {
        let mut ids: BTreeSet<&str> = ids_of(&graph).into_iter().collect();
        assert_eq!(ids.len(), graph.len());
        // The specification is no entity: only its address is named.
        ids.insert(RO_CRATE);
        graph.iter().for_each(|entity| check(entity, &ids));
        assert!(!format!("{graph:?}").contains("@example.org"));
    }
}

#[test]
fn ids_are_escaped_and_names_are_not() {
    let graph = graph_of(&sample_set(&[ODD]));
    let file = entity(&graph, "a%20b/r%231%20%C3%BC%25%3F%26x/run.json");
    assert_eq!(file["name"], "run.json");
    assert_eq!(file["contentSize"], "5");
    let folder = entity(&graph, "a%20b/r%231%20%C3%BC%25%3F%26x/");
    assert_eq!((&folder["name"], folder["hasPart"].as_array().unwrap().len()), (&json!(ODD), 7));
    assert_eq!(entity(&graph, "./")["name"], format!("Plume navigation runs: {ODD}"));
}

#[test]
fn times_are_in_utc_with_milliseconds() {
    let graph = graph_of(&sample_set(&["demo/r1"]));
    let run = graph.iter().find(|entity| entity["name"] == "Simulation demo/r1").unwrap();
    assert_eq!(run["startTime"], "2026-11-24T02:15:57.123+00:00");
    assert_eq!(run["endTime"], "2026-11-24T02:15:57.523+00:00");
    assert_eq!(entity(&graph, "#ingest")["endTime"], "2026-11-27T00:24:12.000+00:00");
    assert_eq!(entity(&graph, "./")["dateCreated"], run["startTime"]);
}

#[test]
fn an_end_that_nobody_recorded_is_said_to_be_the_commit() {
    let mut set = sample_set(&["demo/r1"]);
    (set.runs[0].started, set.runs[0].ended) = (None, None);
    let graph = graph_of(&set);
    let run = graph.iter().find(|entity| entity["name"] == "Simulation demo/r1").unwrap();
    assert_eq!((run.get("startTime"), &run["endTime"]), (None, &entity(&graph, "#ingest")["endTime"]));
    assert!(run["description"].as_str().unwrap().contains("Its end is not recorded"));
    assert_eq!(entity(&graph, "./").get("dateCreated"), None);
}

#[test]
fn a_committer_is_a_creator_of_the_same_address_or_name_else_a_person() {
    let agent_of = |author: &str, email: &str| {
        let mut set = sample_set(&["demo/r1"]);
        set.runs[0].commit.author = author.into();
        set.runs[0].commit.author_email = email.into();
        let graph = graph_of(&set);
        let agent = entity(&graph, "#ingest")["agent"]["@id"].as_str().unwrap().to_owned();
        (entity(&graph, &agent)["name"].as_str().unwrap().to_owned(), agent)
    };
    let ada = ("Ada Example".to_owned(), "https://orcid.org/0000-0002-1825-0097".to_owned());
    assert_eq!(agent_of("someone", "ADA@example.org"), ada);
    assert_eq!(agent_of("ada example", "other@example.org"), ada);
    assert_eq!(agent_of("Bo", "bo@example.org"), ("Bo".to_owned(), "#committer".to_owned()));
    assert_eq!(agent_of("", ""), ("unknown".to_owned(), "#committer".to_owned()));
}

#[test]
fn persons_without_an_orcid_are_numbered() {
    let mut set = sample_set(&["demo/r1"]);
    let bo = Creator { name: "Bo".into(), orcid: None, affiliation: None, ..sample_metadata().creators.remove(0) };
    set.metadata.creators.insert(0, Creator { email: None, ..bo });
    let graph = graph_of(&set);
    assert_eq!(entity(&graph, "#creator-1")["name"], "Bo");
    let authors = &entity(&graph, "./")["author"];
    assert_eq!(*authors, json!([{ "@id": "#creator-1" }, { "@id": "https://orcid.org/0000-0002-1825-0097" }]));
    // An affiliation that is only named is the publisher of that name.
    let ada = entity(&graph, "https://orcid.org/0000-0002-1825-0097");
    assert_eq!(ada["affiliation"]["@id"], "https://ror.org/03f0f6041");
}

#[test]
fn releases_of_a_simulator_are_programs_of_their_own() {
    let mut set = sample_set(&["demo/r1", "demo/r2", "demo/r3"]);
    set.runs[1].simulator.version = Some("0.2 β".into());
    set.runs[2].simulator.name = Some("other sim".into());
    set.runs[2].simulator.version = None;
    let graph = graph_of(&set);
    let instruments: BTreeSet<&str> = graph
        .iter()
        .filter_map(|entity| entity["instrument"]["@id"].as_str())
        .filter(|id| !id.contains("crates.io"))
        .collect();
    let page = "https://pypi.org/project/plume-nav-sim/";
    let expected = [
        "https://example.org/plume-runs#simulator-other%20sim".to_owned(),
        format!("{page}#0.1.0"),
        format!("{page}#0.2%20%CE%B2"),
    ];
    assert_eq!(instruments, expected.iter().map(String::as_str).collect());
    assert_eq!(entity(&graph, &expected[0])["version"], "unknown");
    assert_eq!(entity(&graph, &expected[2])["url"], page);
}

#[test]
fn a_run_of_no_named_simulator_is_of_the_settings_only_one() {
    let name_of = |other: &str| {
        let mut set = sample_set(&["demo/r1", "demo/r2"]);
        set.runs[0].simulator.name = None;
        set.runs[1].simulator.name = Some(other.into());
        let graph = graph_of(&set);
        let run = graph.iter().find(|entity| entity["name"] == "Simulation demo/r1").unwrap();
        entity(&graph, run["instrument"]["@id"].as_str().unwrap())["name"].clone()
    };
    assert_eq!(name_of("Plume-Nav-Sim"), "plume-nav-sim");
    assert_eq!(name_of("other"), "unknown simulator");
}

#[test]
fn commits_and_data_versions_are_named_apart_only_if_there_are_several() {
    let identifiers = |set: &ExportSet| entity(&graph_of(set), "./")["identifier"].clone();
    let mut set = sample_set(&["demo/r1", "demo/r2"]);
    assert_eq!(identifiers(&set), json!([{ "@id": "#data-version" }, { "@id": "#git-commit" }]));
    set.runs[1].commit.id = crate::git::Oid::parse(&"7".repeat(40)).unwrap();
    set.runs[1].version = "b39899ca078c8e67c0326f71fa1ffdf6.dir".parse().unwrap();
    assert_eq!(identifiers(&set).as_array().unwrap().len(), 4);
    assert_eq!(entity(&graph_of(&set), &format!("#git-commit-{}", "7".repeat(40)))["value"], "7".repeat(40));
}

#[test]
fn runs_of_equal_manifests_stay_apart() {
    let mut set = sample_set(&["demo/r1", "other/r1"]);
    for run in &mut set.runs {
        run.files.retain(|file| file.name != "manifest.json");
    }
    let graph = graph_of(&set);
    let count = graph.iter().filter(|entity| entity["@type"] == "CreateAction").count();
    assert_eq!((count, entity(&graph, "./")["mentions"].as_array().unwrap().len()), (4, 4));
}

#[test]
fn beyond_two_hundred_runs_files_are_no_entities() {
    let keys: Vec<String> = (0..201).map(|index| format!("demo/r{index:03}")).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let count_files =
        |keys: &[&str]| graph_of(&sample_set(keys)).iter().filter(|entity| entity["@type"] == "File").count();
    assert_eq!(count_files(&keys[..200]), 200 * 7 + 2);
    assert_eq!(count_files(&keys), 2);
    let graph = graph_of(&sample_set(&keys));
    let folder = entity(&graph, "demo/r200/");
    assert!(folder["description"].as_str().unwrap().contains("SHA256SUMS list them"));
    let run = graph.iter().find(|entity| entity["name"] == "Simulation demo/r200").unwrap();
    assert_eq!(run["result"]["@id"], "demo/r200/");
}

#[test]
fn a_seed_beyond_exact_doubles_is_text() {
    let mut set = sample_set(&["demo/r1"]);
    assert_eq!(entity(&graph_of(&set), "#seed")["value"], 97);
    set.runs[0].base_seed = Some(i64::MIN);
    assert_eq!(entity(&graph_of(&set), "#seed")["value"], "-9223372036854775808");
}
