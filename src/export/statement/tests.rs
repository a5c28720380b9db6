use super::*;
use crate::export::set::sample::{sample_run, sample_set};

fn statement_of(run: &ExportedRun, repository: Option<&str>) -> Value {
    let set = sample_set(&["demo/r1"]);
    let provenance: Vec<&ProvenanceFile> = set.provenance.iter().collect();
    serde_json::from_slice(&build_statement(run, &provenance, repository)).unwrap()
}

fn dependency<'a>(statement: &'a Value, name: &str) -> Option<&'a Value> {
    let all = statement.pointer("/predicate/buildDefinition/resolvedDependencies").unwrap().as_array().unwrap();
    all.iter().find(|resource| resource["name"] == name)
}

fn hashes_of(run: &ExportedRun) -> BTreeMap<String, String> {
    run.files.iter().map(|file| (file.name.clone(), file.sha256.clone())).collect()
}

#[test]
fn a_statement_is_canonical_and_read_back() {
    let mut run = sample_run("demo ü/a%b #1");
    run.base_seed = Some(i64::MAX);
    let bytes = build_statement(&run, &[], None);
    let text = String::from_utf8(bytes.clone()).unwrap();
    assert!(
        text.starts_with(r#"{"_type":"https://in-toto.io/Statement/v1","predicate":{"buildDefinition":{"#),
        "{text}"
    );
    assert!(text.ends_with("}]}") && text.contains("demo ü/a%b #1/run.json"), "{text}");
    assert!(text.contains(r#""base_seed":"9223372036854775807""#), "{text}");
    let parsed = parse_statement(&bytes).unwrap();
    assert_eq!(parsed.run, "demo ü/a%b #1");
    assert_eq!(parsed.subjects.len(), run.files.len());
    assert_eq!(check_statement(&parsed, "s", &run.key, &hashes_of(&run)), []);
}

#[test]
fn the_configuration_hashes_to_its_digest() {
    let run = sample_run("demo/r1");
    let statement = statement_of(&run, None);
    let config = dependency(&statement, "env_config").unwrap();
    let content = STANDARD.decode(config["content"].as_str().unwrap()).unwrap();
    assert_eq!(to_hex(&Sha256::digest(content)), config["digest"]["sha256"].as_str().unwrap());
}

#[test]
fn a_repository_is_named_by_its_tag_where_others_can_clone_it() {
    let mut run = sample_run("demo/r1");
    let uri =
        |run: &ExportedRun, address| dependency(&statement_of(run, address), "repository").unwrap()["uri"].clone();
    let commit = format!("swh:1:rev:{}", "6".repeat(40));
    assert_eq!(uri(&run, None), json!(commit));
    assert_eq!(uri(&run, Some("https://example.org/x.git")), json!(commit));
    run.tag = Some("capture/demo/r1".into());
    assert_eq!(
        uri(&run, Some("https://example.org/x.git")),
        json!("git+https://example.org/x.git@refs/tags/capture/demo/r1")
    );
    run.commit.id = Oid::parse(&"6".repeat(64)).unwrap();
    assert_eq!(uri(&run, None), Value::Null);
}

#[test]
fn what_was_not_recorded_is_absent() {
    let mut run = sample_run("demo/r1");
    run.simulator = crate::run::simulator::RunSimulator::default();
    run.started = Some("-000001-01-01T00:00:00Z".parse().unwrap());
    (run.ended, run.base_seed) = (None, None);
    let statement = statement_of(&run, None);
    let names: Vec<&str> = statement
        .pointer("/predicate/buildDefinition/resolvedDependencies")
        .unwrap()
        .as_array()
        .unwrap()
        .iter()
        .map(|resource| resource["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["repository", "dvc.yaml", "env_config"]);
    assert_eq!(statement.pointer("/predicate/runDetails/metadata").unwrap(), &json!({"invocationId": "demo/r1"}));
    assert_eq!(statement.pointer("/predicate/buildDefinition/externalParameters/base_seed"), None);
}

#[test]
fn what_was_recorded_is_named() {
    let mut run = sample_run("demo/r1");
    run.simulator.git_sha = Some("1".repeat(40));
    run.container_sha256 = Some("2".repeat(64));
    let statement = statement_of(&run, None);
    assert_eq!(dependency(&statement, "simulator-source").unwrap()["digest"], json!({"gitCommit": "1".repeat(40)}));
    assert_eq!(dependency(&statement, "plume-nav-sim").unwrap()["annotations"], json!({"version": "0.1.0"}));
    assert_eq!(dependency(&statement, "container").unwrap()["digest"], json!({"sha256": "2".repeat(64)}));
    let metadata = statement.pointer("/predicate/runDetails/metadata").unwrap();
    assert_eq!(metadata["startedOn"], "2026-11-24T02:15:57.123Z");
    let byproducts = statement.pointer("/predicate/runDetails/byproducts").unwrap().as_array().unwrap();
    let names: Vec<&Value> = byproducts.iter().map(|resource| &resource["name"]).collect();
    assert_eq!(names, ["dvc.lock", "data version"]);
}

#[test]
fn other_json_is_no_statement() {
    let run = sample_run("demo/r1");
    let good = String::from_utf8(build_statement(&run, &[], None)).unwrap();
    let sha256 = &run.files[0].sha256;
    let broken = [
        "".into(),
        "{}".into(),
        "[".repeat(100_000),
        format!("{good}\n"),
        good.replacen("{\"_type\"", "{ \"_type\"", 1),
        good.replacen("\"predicateType\"", "\"predicateType\":\"x\",\"predicateType\"", 1),
        good.replacen("\"invocationId\":\"demo/r1\"", "\"invocationId\":1", 1),
        good.replacen(sha256.as_str(), &sha256.to_uppercase(), 1),
        good.replacen(sha256.as_str(), "00", 1),
        good.replacen("episodes.jsonl.gz", "DATASET_INDEX.json", 1),
        format!("{}[]}}", &good[..good.find("[{\"digest\":{\"sha256\":\"").unwrap()]),
    ];
    for text in broken {
        assert_ne!(text, good);
        parse_statement(text.as_bytes()).unwrap_err();
    }
    parse_statement(good.as_bytes()).unwrap();
}

#[test]
fn every_difference_is_named() {
    let run = sample_run("demo/r1");
    let statement = parse_statement(&build_statement(&run, &[], None)).unwrap();
    let mut files = hashes_of(&run);
    files.remove("run.json");
    files.insert("added".into(), "0".repeat(64));
    files.insert("steps.parquet".into(), "1".repeat(64));
    let found: Vec<(String, &str)> = check_statement(&statement, "s", &run.key, &files)
        .into_iter()
        .map(|finding| (finding.file, finding.problem.name()))
        .collect();
    let expected = [("demo/r1/added", "extra"), ("demo/r1/run.json", "missing"), ("demo/r1/steps.parquet", "changed")];
    assert_eq!(found, expected.map(|(file, problem)| (file.to_owned(), problem)));
    let other = "demo/r2".parse().unwrap();
    let found = check_statement(&statement, "s", &other, &hashes_of(&run));
    assert_eq!((found.len(), found[0].problem), (1, AttestationProblem::OtherRun));
    let mut typed = statement.clone();
    typed.predicate_type = "https://slsa.dev/provenance/v0.2".into();
    let found = check_statement(&typed, "s", &run.key, &hashes_of(&run));
    assert_eq!((found.len(), found[0].problem), (1, AttestationProblem::OtherType));
}
