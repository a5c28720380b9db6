//! The tables of an export, loaded in full by mlcroissant and by datasets, and compared with pyarrow's reading.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::env::{CommandOutput, FIRST, PLUME, TestEnv, run_command, schema_of, write_gzip};
use crate::tools;

const DATASET: &str = r#"engine = "native"

[dataset]
title = "Runs of {all} sorts: 100 %"
description = "What was recorded."
license = "CC-BY-4.0"
creators = [{name = "Ada Ünal"}]
"#;

/// What the settings can say besides.
const MORE: &str = r#"version = "2.1.0-rc.1"
url = "https://example.org/runs?a=1&b=%7Bc%7D#x"
repository = "https://example.org/runs.git"
keywords = ["simulation", "odour plume", "räumlich"]

[dataset.publisher]
name = "Institut für \"Zitate\""
url = "https://example.org/"
ror = "https://ror.org/03f0f6041"

[[dataset.creators]]
given = "Ada"
family = "Example"
orcid = "https://orcid.org/0000-0002-1825-0097"
affiliation = "Example Institute"

[[dataset.creators]]
name = "Salt & {Pepper} and Sons"
"#;

/// A project with settings for exports, all committed.
fn described() -> TestEnv {
    let env = TestEnv::initialized();
    fs::write(env.repo("capture-hook.toml"), DATASET).unwrap();
    env.git(["add", "capture-hook.toml"]).ok();
    env.git(["commit", "-qm", "Describe the dataset"]).ok();
    env
}

/// Publishes all recorded runs and exports them to `export`.
fn export_all(env: &TestEnv) {
    env.hook(["publish", "--no-push", "--all-new"]).ok();
    env.hook(["export", "--all", "-o", "../export"]).ok();
}

fn load(env: &TestEnv, reader: &str) -> CommandOutput {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/export_tables.py");
    let mut command = env.command(tools::table_loaders().join("python"), ".");
    command.arg(script).arg(env.path("export")).arg(reader);
    command.env("HF_HUB_OFFLINE", "1").env("HF_DATASETS_OFFLINE", "1").env("PYTHONUTF8", "1");
    run_command(&mut command)
}

/// Croissant's own validator. It exits with 0 in spite of warnings.
fn validate(env: &TestEnv) -> CommandOutput {
    let mut command = env.command(tools::table_loaders().join("mlcroissant"), "export");
    run_command(command.args(["validate", "--jsonld=croissant.json"]))
}

fn has_warning(output: &CommandOutput) -> bool {
    output.both().to_lowercase().contains("warning")
}

/// Checks that the document is valid without a warning, and that both readers load each table in full.
#[track_caller]
fn assert_tables(env: &TestEnv, counts: &Value) {
    let validated = validate(env).ok();
    assert!(!has_warning(&validated), "{}", validated.both());
    for reader in ["croissant", "datasets"] {
        let loaded: Value = serde_json::from_str(&load(env, reader).ok().stdout).unwrap();
        assert_eq!(&loaded, counts, "{reader}");
    }
}

/// Changes the document in the export.
fn edit_croissant(env: &TestEnv, edit: impl FnOnce(&mut Value)) {
    let path = env.path("export/croissant.json");
    let mut document: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    edit(&mut document);
    fs::write(path, document.to_string()).unwrap();
}

#[track_caller]
fn differs(output: CommandOutput, why: &str) {
    assert!(output.clone().fails(1).stderr.contains(why), "{why}: {}", output.both());
}

#[test]
fn a_single_run_is_loaded_and_its_bytes_are_checked() {
    described().case(|env| {
        assert_eq!(env.record("ok-head01"), FIRST);
        export_all(env);
        assert_tables(env, &json!({"steps": 151, "episodes": 4}));
        // The validator is asked for warnings in a way that finds one.
        let document = fs::read(env.path("export/croissant.json")).unwrap();
        edit_croissant(env, |document| document["version"] = json!("one"));
        assert!(has_warning(&validate(env).ok()));
        // A column in another's place is found.
        fs::write(env.path("export/croissant.json"), &document).unwrap();
        edit_croissant(env, |document| {
            let fields = document["recordSet"][0]["field"].as_array_mut().unwrap();
            let reward = fields.iter_mut().find(|field| field["name"] == "reward").unwrap();
            reward["source"]["extract"]["column"] = json!("distance_to_goal");
        });
        differs(load(env, "croissant"), "row 0, reward");
        fs::write(env.path("export/croissant.json"), &document).unwrap();
        // A changed file is not loaded, though pyarrow reads it.
        let parquet = env.path("export").join(FIRST).join("steps.parquet");
        let script = "import pyarrow.parquet as p, sys; t = p.read_table(sys.argv[1]); p.write_table(t, sys.argv[1])";
        env.run_in(
            ".",
            tools::table_loaders().join("python").to_str().unwrap(),
            ["-c", script, parquet.to_str().unwrap()],
        )
        .ok();
        let refused = load(env, "croissant").fails(1);
        assert!(refused.stderr.contains("is not identical with the reference"), "{}", refused.stderr);
        load(env, "datasets").ok();
    });
}

#[test]
fn the_runs_of_seven_simulators_are_tables_of_one_export() {
    described().case(|env| {
        env.record_simulators();
        for case in ["ok-head01", "ok-orig100", "ok-rotated-pypi010"] {
            env.record(case);
        }
        export_all(env);
        let counts = json!({
            "cartpole-steps": 156, "cartpole-episodes": 6, "hopper-steps": 56, "hopper-episodes": 3,
            "minigrid-steps": 260, "minigrid-episodes": 3, "pendulum-steps": 603, "pendulum-episodes": 3,
            "plume-nav-sim-steps": 10895, "plume-nav-sim-episodes": 67, "spread-steps": 234, "spread-episodes": 9,
            "spring-steps": 600, "spring-episodes": 3,
        });
        assert_tables(env, &counts);
        // Files that are in no table are found, and those of another table.
        edit_croissant(env, |document| {
            let files = document["distribution"].as_array_mut().unwrap();
            let set = files.iter_mut().find(|file| file["@id"] == "plume-nav-sim-steps-files").unwrap();
            let patterns = set["includes"].as_array_mut().unwrap();
            patterns.retain(|pattern| !pattern.as_str().unwrap().contains(PLUME));
        });
        differs(load(env, "croissant"), "in no table");
        let card = fs::read_to_string(env.path("export/README.md")).unwrap();
        let wider = card.replace("spring/c1/steps.parquet", "s*/?1/steps.parquet");
        assert_ne!(wider, card);
        fs::write(env.path("export/README.md"), wider).unwrap();
        let mixed = load(env, "datasets").fails(1);
        assert!(mixed.stderr.contains("Couldn't cast"), "{}", mixed.stderr);
    });
}

/// Names that mean something in an address, a pattern, YAML or JSON-LD are names and no more. In each experiment, runs of
/// two schemas lie side by side.
#[test]
fn any_name_is_found_and_no_other() {
    described().case(|env| {
        let columns = [("x", "\"dtype\": \"float64\"")];
        let others = [("y", "\"dtype\": \"int64\"")];
        let experiments = [
            "a b",
            "c#d",
            "50%",
            "[x]",
            "x",
            "räder 実験",
            "x[1-3]",
            "x2",
            "!y",
            "{z}",
            "a,b",
            "~t",
            "-n",
            "__d",
            "a&'b=;",
            "%41",
            "A",
        ];
        for experiment in experiments {
            for (run, columns, step) in [
                ("r1", &columns, "\"x\": 0.5"),
                ("[x]", &columns, "\"x\": 0.25"),
                ("x", &others, "\"y\": 7"),
                ("__r", &others, "\"y\": 8"),
            ] {
                env.record_declared(&format!("{experiment}/{run}"), Some(&schema_of(columns)), &[step, step]);
            }
        }
        export_all(env);
        let (steps, episodes) = (4 * experiments.len(), 2 * experiments.len());
        let counts = json!({
            "y-and-others-steps": steps, "y-and-others-episodes": episodes,
            "y-and-others-2-steps": steps, "y-and-others-2-episodes": episodes,
        });
        assert_tables(env, &counts);
        // One run with such a name.
        fs::remove_dir_all(env.path("export")).unwrap();
        env.hook(["export", "räder 実験/[x]", "-o", "../export"]).ok();
        assert_tables(env, &json!({"steps": 2, "episodes": 1}));
    });
}

/// Every type, as one value, as a list of fixed and of any length, and null; a file that a pattern would take for a table.
#[test]
fn every_type_is_loaded() {
    described().case(|env| {
        let types = [
            ("bool", "true"),
            ("int8", "-128"),
            ("int16", "-32768"),
            ("int32", "-2147483648"),
            ("int64", "4503599627370497"),
            ("uint8", "255"),
            ("uint16", "65535"),
            ("uint32", "4294967295"),
            ("float32", "0.1"),
            ("float64", "0.1"),
            ("string", "\"ä\\n\""),
        ];
        let mut columns = vec![
            "\"json\": {\"dtype\": \"json\", \"nullable\": true}".to_owned(),
            // Names that mean something to readers.
            "\"index\": {\"dtype\": \"int64\"}, \"filename\": {\"dtype\": \"string\"}".into(),
            "\"nan\": {\"dtype\": \"float64\", \"finite\": false, \"unit\": \"m/s²\"}".into(),
            "\"large\": {\"dtype\": \"int64\"}".into(),
        ];
        let mut values = vec!["\"index\": 3, \"filename\": \"f\", \"nan\": NaN, \"large\": 9223372036854775807".to_owned()];
        let mut nulls = vec!["\"json\": {\"a\": [1, null]}".to_owned()];
        for (name, value) in types {
            columns.push(format!(
                "\"one_{name}\": {{\"dtype\": \"{name}\"}}, \"none_{name}\": {{\"dtype\": \"{name}\", \"nullable\": true}}, \
                 \"pair_{name}\": {{\"dtype\": \"{name}\", \"shape\": [2]}}, \"any_{name}\": {{\"dtype\": \"{name}\", \
                 \"shape\": [-1]}}, \"grid_{name}\": {{\"dtype\": \"{name}\", \"shape\": [2, 3], \"nullable\": true}}"
            ));
            let row = format!("[{value}, {value}, {value}]");
            values.push(format!(
                "\"one_{name}\": {value}, \"pair_{name}\": [{value}, {value}], \"any_{name}\": {row}"
            ));
            nulls.push(format!("\"none_{name}\": {value}, \"grid_{name}\": [{row}, {row}]"));
        }
        let schema = format!(
            "{{\"format\": 1, \"steps\": {{{}}}, \"episodes\": {{\"video\": {{\"dtype\": \"file\"}}}}}}",
            columns.join(", ")
        );
        let (null, full) = (values.join(", "), [values, nulls].concat().join(", "));
        for (key, steps) in [("t/r1", [&null, &full]), ("t/r2", [&full, &full]), ("u/r1", [&null, &null])] {
            env.record_declared(key, Some(&schema), &steps.map(String::as_str));
            let run = env.repo("results").join(key);
            fs::create_dir(run.join("old")).unwrap();
            fs::write(run.join("old/steps.parquet"), "no parquet").unwrap();
            let episode = r#"{"episode_id": "e0", "terminated": true, "truncated": false, "total_steps": 2, "video": "old/steps.parquet"}"#;
            write_gzip(&run.join("episodes.jsonl.gz"), &format!("{episode}\n"));
        }
        export_all(env);
        assert_tables(env, &json!({"steps": 6, "episodes": 3}));
    });
}

#[test]
fn a_hundred_runs_of_a_dataset_with_all_settings_are_loaded() {
    described().case(|env| {
        let settings: String = DATASET.lines().filter(|line| !line.starts_with("creators")).map(|line| format!("{line}\n")).collect();
        fs::write(env.repo("capture-hook.toml"), format!("{settings}{MORE}")).unwrap();
        env.git(["commit", "-qam", "Say all of it"]).ok();
        let schema = schema_of(&[("x", "\"dtype\": \"float32\", \"shape\": [2, 2], \"unit\": \"m\"")]);
        for number in 0..99 {
            let step = format!("\"x\": [[{number}, 0.5], [0, 0]]");
            env.record_declared(&format!("sweep {}/r{number:03}", number % 3), Some(&schema), &[&step, &step]);
        }
        env.record("ok-head01");
        export_all(env);
        let counts =
            json!({"nav-steps": 151, "nav-episodes": 4, "sweep-0-and-others-steps": 198, "sweep-0-and-others-episodes": 99});
        assert_tables(env, &counts);
    });
}
