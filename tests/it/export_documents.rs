//! The documents of an export, each by the validator that its standard has: RO-Crate, CITATION.cff, DataCite, and the
//! front-matter of the Hugging Face card.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::env::{CommandOutput, FIRST, TestEnv, copy_dir};
use crate::tools;

/// What the settings say of the dataset: everything that any document can hold.
const DATASET: &str = r##"
[dataset]
title = "Räder & <b>Plumes</b>: \"50 %\" `x` ](y) 🦀"
description = "Runs of several simulators.\n\n# No title\n\n- no list"
license = "CC-BY-4.0"
url = "https://example.org/runs"
repository = "https://example.org/runs.git"
keywords = ["yes", "simulation: runs", "# x"]
publisher = { name = "Example Institute", url = "https://example.org/", ror = "https://ror.org/03f0f6041" }
simulator = { name = "plume-nav-sim", url = "https://pypi.org/project/plume-nav-sim/" }

[[dataset.creators]]
given = "Ada"
family = "Example: the 1st"
orcid = "0000-0002-1825-0097"
affiliation = "Example Institute"
email = "ada@example.org"

[[dataset.creators]]
name = "Bo"
affiliation = "Example Institute"
"##;

/// What the settings have to say at least.
const LEAST: &str = "
[dataset]
title = 'Runs'
description = 'Runs of a simulator'
license = 'CDLA-Permissive-2.0'

[[dataset.creators]]
name = 'Ada'
";

const PROFILES: [&str; 2] = ["process-run-crate-0.5", "ro-crate-1.1"];

/// A project with these runs committed at once, and these settings.
fn project(settings: &str, record: impl Fn(&TestEnv)) -> TestEnv {
    let env = TestEnv::initialized();
    fs::write(env.repo("capture-hook.toml"), format!("engine = \"native\"\n{settings}")).unwrap();
    env.git(["add", "capture-hook.toml"]).ok();
    env.git(["commit", "-q", "-m", "Settings"]).ok();
    record(&env);
    env.hook(["publish", "--all-new", "--no-push"]).ok();
    env
}

/// Exports to `out` beside the repository.
fn export(env: &TestEnv, args: &[&str]) -> PathBuf {
    env.hook([&["export", "-o", "../out"], args].concat()).ok();
    env.path("out")
}

/// Runs `rocrate-validator` at RECOMMENDED, without a network.
fn run_validator(env: &TestEnv, profile: &str, path: &Path, report: &[&str]) -> CommandOutput {
    let bin = tools::venv("rocrate", &["roc-validator==0.13.0", "rocrate==0.15.0"]);
    let cache = env.path("contexts");
    if !env.path("contexts.sqlite").exists() {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/seed_crate_context.py");
        env.run_in(".", bin.join("python").to_str().unwrap(), [script.as_path(), &cache]).ok();
    }
    let options = ["-y", "validate", "--offline", "--no-paging", "-l", "recommended", "-p", profile, "--cache-path"];
    let args = [&options[..], &[cache.to_str().unwrap()], report, &[path.to_str().unwrap()]].concat();
    env.run_in(".", bin.join("rocrate-validator").to_str().unwrap(), args)
}

/// What the validator finds in a crate, as `SEVERITY check: message`, sorted.
fn crate_issues(env: &TestEnv, profile: &str, path: &Path) -> Vec<String> {
    let report = env.path("report.json");
    let _ = fs::remove_file(&report);
    let output = run_validator(env, profile, path, &["-f", "json", "-o", report.to_str().unwrap()]);
    // 2 is an error of the validator itself, such as a context that it cannot get.
    assert!([0, 1].contains(&output.code), "{output:?}");
    let report: Value = serde_json::from_slice(&fs::read(&report).unwrap()).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut issues: Vec<String> = report["issues"]
        .as_array()
        .unwrap()
        .iter()
        .map(|issue| {
            let check = text(&issue["check"]["identifier"]);
            format!("{} {check}: {}", text(&issue["severity"]), text(&issue["message"]))
        })
        .collect();
    issues.sort();
    assert_eq!(report["passed"], issues.is_empty(), "{issues:#?}");
    assert_eq!(output.code, i32::from(!issues.is_empty()));
    issues
}

#[track_caller]
fn assert_valid_crate(env: &TestEnv, path: &Path) {
    for profile in PROFILES {
        assert_eq!(crate_issues(env, profile, path), [""; 0], "{profile}");
    }
}

/// What `cffconvert` says of a citation file; `None` if it is valid.
fn citation_fault(env: &TestEnv, file: &Path) -> Option<String> {
    let bin = tools::venv("cffconvert", &["cffconvert==2.0.0"]);
    let program = bin.join("cffconvert");
    let output = env.run_in(".", program.to_str().unwrap(), ["--validate", "-i", file.to_str().unwrap()]);
    (output.code != 0).then(|| output.both())
}

/// What `datacite` says of a document, with a DOI as the deposit gives it; none if it is valid.
fn datacite_faults(env: &TestEnv, file: &Path) -> Vec<String> {
    let python = tools::venv("datacite", &["datacite==1.4.1"]).join("python");
    let script = "import json, sys\nfrom datacite import schema45\ndocument = json.load(open(sys.argv[1]))\n\
        assert 'doi' not in document\ndocument['doi'] = '10.1234/example'\n\
        print(json.dumps([error.message for error in schema45.validator.iter_errors(document)]))";
    let said = env.run_in(".", python.to_str().unwrap(), ["-c", script, file.to_str().unwrap()]).ok().stdout;
    serde_json::from_str(&said).unwrap()
}

/// The front-matter of a card as PyYAML reads it, with both of its parsers.
fn front_matter(env: &TestEnv, card: &Path) -> Value {
    let python = tools::venv("yaml", &["pyyaml==6.0.2", "ruamel.yaml==0.18.10"]).join("python");
    let script = "import json, sys, yaml\ntext = open(sys.argv[1], encoding='utf-8').read()\n\
        first, front, body = text.split('---\\n', 2)\nassert first == ''\nread = yaml.safe_load(front)\n\
        assert yaml.load(front, Loader=yaml.CSafeLoader) == read\nprint(json.dumps(read))";
    let said = env.run_in(".", python.to_str().unwrap(), ["-c", script, card.to_str().unwrap()]).ok().stdout;
    serde_json::from_str(&said).unwrap()
}

#[track_caller]
fn assert_valid_documents(env: &TestEnv, out: &Path) {
    assert_eq!(citation_fault(env, &out.join("CITATION.cff")), None);
    assert_eq!(datacite_faults(env, &out.join("datacite.json")), [""; 0]);
    assert!(front_matter(env, &out.join("README.md"))["pretty_name"].is_string());
}

/// The entities of a crate.
fn graph_of(out: &Path) -> Vec<Value> {
    let document: Value = serde_json::from_slice(&fs::read(out.join("ro-crate-metadata.json")).unwrap()).unwrap();
    document["@graph"].as_array().unwrap().clone()
}

fn count_of(graph: &[Value], kind: &str) -> usize {
    graph.iter().filter(|entity| entity["@type"] == kind).count()
}

#[test]
fn one_run_passes_every_validator() {
    let env = project(DATASET, |env| drop(env.record("ok-head01")));
    let out = export(&env, &[FIRST]);
    assert_valid_crate(&env, &out);
    assert_valid_documents(&env, &out);
    let card = front_matter(&env, &out.join("README.md"));
    let files = |name: &str| json!([{ "split": "train", "path": [format!("*/*/{name}.parquet")] }]);
    let expected = json!({
        "pretty_name": "Räder & <b>Plumes</b>: \"50 %\" `x` ](y) 🦀",
        "license": "cc-by-4.0",
        "tags": ["yes", "simulation: runs", "# x"],
        "configs": [
            { "config_name": "steps", "default": true, "data_files": files("steps") },
            { "config_name": "episodes", "data_files": files("episodes") },
        ],
    });
    assert_eq!(card, expected);
}

#[test]
fn the_same_run_as_a_zip_file_is_a_valid_crate() {
    let env = project(DATASET, |env| drop(env.record("ok-head01")));
    env.hook(["export", "-o", "../out.zip", "--zip", FIRST]).ok();
    for profile in PROFILES {
        // In text: of a zip file, this release of the validator cannot write its report as JSON.
        let output = run_validator(&env, profile, &env.path("out.zip"), &["-f", "text"]).ok();
        assert!(output.stdout.contains("[OK]"), "{}", output.both());
    }
}

#[test]
fn a_validator_that_needs_a_property_says_so_if_it_is_gone() {
    let env = project(DATASET, |env| drop(env.record("ok-head01")));
    let out = export(&env, &[FIRST]);
    let crate_path = out.join("ro-crate-metadata.json");
    let text = fs::read_to_string(&crate_path).unwrap();
    let without = |change: &dyn Fn(&mut Value)| {
        let mut document: Value = serde_json::from_str(&text).unwrap();
        document["@graph"].as_array_mut().unwrap().iter_mut().for_each(change);
        fs::write(&crate_path, document.to_string()).unwrap();
        let issues = crate_issues(&env, PROFILES[0], &out);
        fs::write(&crate_path, &text).unwrap();
        issues
    };
    let remove = |entity: &mut Value, kind: &str, key: &str| {
        if entity["@type"] == kind && entity["@id"] != "ro-crate-metadata.json" {
            entity.as_object_mut().unwrap().remove(key);
        }
    };
    let cases: [(&str, &str, &str); 5] = [
        ("CreateAction", "instrument", "MUST have an instrument"),
        ("Dataset", "license", "MUST have a `license`"),
        ("CreateAction", "endTime", "SHOULD have an endTime"),
        ("File", "encodingFormat", "`encodingFormat`"),
        ("SoftwareApplication", "version", "SHOULD have a version"),
    ];
    for (kind, key, expected) in cases {
        let issues = without(&|entity| remove(entity, kind, key));
        assert!(issues.iter().any(|issue| issue.contains(expected)), "{kind} without {key}: {issues:#?}");
    }
    fs::remove_file(out.join(FIRST).join("run.json")).unwrap();
    let issues = crate_issues(&env, PROFILES[0], &out);
    assert!(issues.iter().any(|issue| issue.contains("run.json")), "{issues:#?}");

    let cff = fs::read_to_string(out.join("CITATION.cff")).unwrap();
    let untitled: String = cff.split_inclusive('\n').filter(|line| !line.starts_with("title:")).collect();
    fs::write(out.join("CITATION.cff"), untitled).unwrap();
    assert!(citation_fault(&env, &out.join("CITATION.cff")).unwrap().contains("title"));
    let mut datacite: Value = serde_json::from_slice(&fs::read(out.join("datacite.json")).unwrap()).unwrap();
    datacite.as_object_mut().unwrap().remove("publisher");
    fs::write(out.join("datacite.json"), datacite.to_string()).unwrap();
    assert_eq!(datacite_faults(&env, &out.join("datacite.json")), ["'publisher' is a required property"]);
}

#[test]
fn runs_of_several_simulators_with_odd_names_pass_every_validator() {
    let odd = ["a b/r#1 ü%&x", "räder 実験/100 % [x] 'y'"];
    let env = project(&format!("{DATASET}\n[ingest]\ninclude = [\"*.mp4\", \"notes/**\"]\n"), |env| {
        env.record_simulators();
        for case in ["ok-orig100", "ok-head01", "ok-rotated-orig100"] {
            env.record(case);
        }
        odd.iter().for_each(|key| env.record_as("ok-pypi010", key));
        let run = env.repo("results").join(odd[0]);
        fs::create_dir_all(run.join("notes")).unwrap();
        fs::write(run.join("Episode 1.mp4"), "not a video\n").unwrap();
        fs::write(run.join("notes/#1.txt"), "a note\n").unwrap();
    });
    // A second commit and data version.
    env.record("ok-rotated-pypi010");
    env.hook(["publish", "--all-new", "--no-push"]).ok();
    let out = export(&env, &["--all"]);
    assert_valid_crate(&env, &out);
    assert_valid_documents(&env, &out);
    let graph = graph_of(&out);
    let runs = fs::read_to_string(out.join("SHA256SUMS")).unwrap().lines().filter(|l| l.ends_with("/run.json")).count();
    assert_eq!((runs, count_of(&graph, "CreateAction")), (13, 26));
    let find = |id: &str| graph.iter().find(|entity| entity["@id"] == id).unwrap_or_else(|| panic!("no {id}"));
    assert_eq!(find("a%20b/r%231%20%C3%BC%25%26x/Episode%201.mp4")["encodingFormat"], "video/mp4");
    assert_eq!(find("a%20b/r%231%20%C3%BC%25%26x/notes/%231.txt")["name"], "notes/#1.txt");
    // Two commits and two data versions.
    let identifiers = find("./")["identifier"].as_array().unwrap();
    let values: BTreeSet<&str> =
        identifiers.iter().map(|id| find(id["@id"].as_str().unwrap())["value"].as_str().unwrap()).collect();
    assert_eq!(values.len(), 4);
    // Every file of the tree is an entity, but for what says the hashes of all.
    let files: BTreeSet<&str> =
        graph.iter().filter(|e| e["@type"] == "File").map(|e| e["@id"].as_str().unwrap()).collect();
    let listed = fs::read_to_string(out.join("SHA256SUMS")).unwrap();
    assert_eq!(files.len(), listed.lines().filter(|line| !line.ends_with("  ro-crate-metadata.json")).count());
    let card = front_matter(&env, &out.join("README.md"));
    let tables = card["configs"].as_array().unwrap();
    assert!(tables.len() >= 14, "{tables:#?}");
    assert_eq!(tables.iter().filter(|table| table["default"] == true).count(), 1);
}

#[test]
fn what_nobody_said_of_a_dataset_is_left_out_and_the_rest_is_valid() {
    let env = project(LEAST, |env| {
        env.record("ok-head01");
        // A program without a page, and rows without a clock.
        env.record_declared(
            "quiet/r1",
            Some("{\"format\": 1, \"steps\": {\"x\": {\"dtype\": \"int8\"}}, \"episodes\": {}}"),
            &["\"x\": 1"],
        );
    });
    let out = export(&env, &["--all"]);
    assert_valid_documents(&env, &out);
    let expected = [
        "RECOMMENDED ro-crate-1.1_22.3: The `publisher` property of a `Root Data Entity` SHOULD be an `Organization`",
        "RECOMMENDED ro-crate-1.1_30.2: The author SHOULD have an organizational affiliation.",
        "RECOMMENDED ro-crate-1.1_30.3: The author SHOULD have a Contextual Entity which specifies the organizational `affiliation`.",
    ];
    for profile in PROFILES {
        assert_eq!(crate_issues(&env, profile, &out), expected, "{profile}");
    }
    let text = fs::read_to_string(out.join("CITATION.cff")).unwrap();
    assert!(text.contains("license-url: 'https://cdla.dev/permissive-2-0'"), "{text}");
    for document in ["ro-crate-metadata.json", "CITATION.cff", "datacite.json", "README.md", "croissant.json"] {
        let text = fs::read_to_string(out.join(document)).unwrap();
        assert!(!text.contains("ada@example.org") && !text.contains(env.path("").to_str().unwrap()), "{document}");
    }
}

#[test]
fn a_hundred_runs_are_one_crate() {
    let env = project(DATASET, |env| {
        env.record_declared(
            "swarm/r000",
            Some("{\"format\": 1, \"steps\": {\"x\": {\"dtype\": \"int8\"}}, \"episodes\": {}}"),
            &["\"x\": 1"],
        );
        let first = env.repo("results/swarm/r000");
        for index in 1..100 {
            let run = env.repo(format!("results/swarm/r{index:03}"));
            copy_dir(&first, &run);
            let meta = fs::read_to_string(run.join("run.json")).unwrap().replace("r000", &format!("r{index:03}"));
            fs::write(run.join("run.json"), meta).unwrap();
        }
    });
    let out = export(&env, &["--experiment", "swarm"]);
    assert_eq!(crate_issues(&env, PROFILES[0], &out), [""; 0]);
    assert_eq!(count_of(&graph_of(&out), "CreateAction"), 200);
    assert_valid_documents(&env, &out);
}

/// The citation format refuses a licence that its list does not have. Which of ours it lacks is written down, and no other.
#[test]
fn every_known_licence_can_be_cited() {
    let bin = tools::venv("cffconvert", &["cffconvert==2.0.0"]);
    let script = "import json, pathlib, cffconvert\n\
        schema = pathlib.Path(cffconvert.__file__).parent / 'schemas/1.2.0/schema.json'\n\
        print(json.dumps(json.loads(schema.read_text())['definitions']['license-enum']['enum']))";
    let env = TestEnv::empty();
    let said = env.run_in(".", bin.join("python").to_str().unwrap(), ["-c", script]).ok().stdout;
    let allowed: BTreeSet<String> = serde_json::from_str(&said).unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/project/config/licenses.rs");
    let source = fs::read_to_string(source).unwrap();
    let table = source.split_once("const LICENSES").unwrap().1.split_once("];").unwrap().0;
    let is_id = |text: &&str| capture_hook::project::config::licenses::find_license(text).is_some();
    let ids: Vec<&str> = table.split('"').filter(is_id).collect();
    assert!(ids.len() > 40, "{ids:?}");
    let refused: Vec<&str> = ids.into_iter().filter(|id| !allowed.contains(*id)).collect();
    assert_eq!(refused, capture_hook::export::cff::NEWER_LICENSES);
}
