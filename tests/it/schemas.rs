//! Every JSON output against its schema in `docs/schemas/`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::env::{FIRST, PLUME, THIRD, TestEnv};
use crate::tools;

/// Checks JSON texts against schemas: pairs of a schema's name and a text.
pub fn fits(env: &TestEnv, pairs: &[(&str, String)]) {
    let bin = tools::venv("jsonschema", &["jsonschema==4.26.0"]);
    let dir = env.path("json");
    fs::create_dir_all(&dir).unwrap();
    for (at, (schema, text)) in pairs.iter().enumerate() {
        fs::write(dir.join(format!("{at:03}.{schema}.json")), text).unwrap();
    }
    let script = "
import json, pathlib, sys
from jsonschema import Draft202012Validator
schemas, texts = map(pathlib.Path, sys.argv[1:])
bad = 0
for path in sorted(schemas.glob('*.json')):
    Draft202012Validator.check_schema(json.loads(path.read_text()))
for path in sorted(texts.iterdir()):
    schema = json.loads((schemas / (path.name.split('.')[1] + '.json')).read_text())
    for error in Draft202012Validator(schema).iter_errors(json.loads(path.read_text())):
        bad += 1
        print(path.name, error.json_path, error.message)
sys.exit(bad > 0)
";
    let schemas = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schemas");
    let python = bin.join("python");
    let args = ["-c", script, schemas.to_str().unwrap(), dir.to_str().unwrap()];
    env.run_in(".", python.to_str().unwrap(), args).ok();
}

#[test]
fn every_json_output_fits_its_schema() {
    let env = TestEnv::two_runs();
    env.attested_by_ssh();
    let mut pairs = Vec::new();
    let mut ask = |schema: &'static str, args: &[&str]| {
        let output = env.hook([&["--json"], args].concat());
        let text = if schema == "error" { output.stderr.clone() } else { output.stdout.clone() };
        assert!(!text.trim().is_empty(), "{args:?}: nothing printed\n{}", output.stderr);
        pairs.push((schema, text));
    };
    ask("runs", &["runs"]);
    ask("runs", &["runs", "-e", "nav", "--sort", "reward"]);
    ask("runs", &["runs", "--group"]);
    ask("runs", &["runs", "--group", "--where", "success > 0.3 or env_config.sigma == 1"]);
    ask("log", &["log"]);
    ask("log", &["log", FIRST]);
    ask("show", &["show", FIRST]);
    ask("show", &["show", THIRD]);
    ask("show", &["show", &format!("capture/{PLUME}")]);
    ask("diff", &["diff", FIRST, PLUME]);
    ask("diff", &["diff", FIRST, THIRD]);
    ask("diff", &["diff", FIRST, PLUME, THIRD]);
    ask("status", &["status"]);
    ask("check", &["check"]);
    ask("check", &["check", "--remote"]);
    ask("verify", &["verify"]);
    ask("verify", &["verify", "--rev", "HEAD~1"]);
    ask("attest", &["attest", FIRST]);
    ask("attest", &["attest", FIRST, "--dsse"]);
    ask("verify-attestation", &["verify", "--attestation", FIRST]);
    ask("get", &["get", FIRST, "-o", "../got"]);
    let described = ["--title", "T", "--description", "D", "--license", "CC0-1.0", "--creator", "Ada Example"];
    ask("export", &[&["export", FIRST, "-o", "../export"][..], &described].concat());
    ask("verify-export", &["verify", "../export"]);
    ask("report", &["report", "-o", "../report.html"]);
    ask("report", &["report", "-o", "../report.html", "--check"]);
    ask("plot", &["plot", FIRST, "-o", "../nav.png"]);
    ask("config", &["config", "list"]);
    ask("config", &["config", "set", "push.policy", "warn"]);
    ask("validate", &["validate", "--all"]);
    ask("select", &["select", THIRD]);
    ask("status", &["status"]);
    ask("tag", &["tag", "--all"]);
    ask("push", &["push"]);
    ask("init", &["init"]);
    ask("install", &["install"]);
    ask("uninstall", &["uninstall"]);
    ask("manifest", &["manifest", THIRD]);
    ask("ingest", &["ingest"]);
    ask("publish", &["publish", "--no-push", THIRD]);
    ask("publish", &["publish", THIRD]);
    ask("remove", &["remove", THIRD]);
    ask("restore", &["restore", THIRD]);
    env.hook(["push", "--all"]).ok();
    ask("forget", &["forget", FIRST]);
    ask("gc", &["gc", "--keep", "0"]);
    ask("gc", &["gc", "--keep", "0", "--yes"]);
    ask("erase", &["erase", FIRST, "--everywhere", "--dry-run"]);
    ask("doctor", &["doctor"]);
    ask("doctor-report", &["doctor", "--report"]);
    ask("pull", &["pull"]);
    ask("pull", &["pull", FIRST, "latest:plume"]);
    ask("demo", &["demo", "../demo"]);
    let columns = r#"{"format": 1, "steps": {"x": {"dtype": "float32", "shape": [2], "min": 0, "unit": "m"}},
        "episodes": {"n": {"dtype": "string", "enum": ["a"]}}, "plot": {"lines": []}}"#;
    fs::write(env.repo("schema.json"), columns).unwrap();
    env.record_declared("declared/r1", None, &["\"x\": [0.5, 1]"]);
    ask("schema-infer", &["schema", "infer", "declared/r1"]);
    ask("schema-check", &["schema", "check", "schema.json"]);
    ask("schema-check", &["schema", "check", "params.yaml"]);
    ask("schema-add", &["schema", "add", "declared/r1", "schema.json"]);
    ask("schema-show", &["schema", "show", "results/declared/r1"]);
    ask("schema-show", &["schema", "show", FIRST]);
    ask("schema-diff", &["schema", "diff", "schema.json", FIRST]);
    fs::remove_dir_all(env.repo("results/declared")).unwrap();
    fs::remove_file(env.repo("schema.json")).unwrap();
    ask("config", &["config", "get", "push.policy"]);
    ask("error", &["resolve", FIRST, "--ours"]);
    fs::write(env.repo("capture-hook.toml"), "engine = \"native\"\n").unwrap();
    for (branch, case) in [("other", "ok-pypi010"), ("main", "ok-rotated-pypi010")] {
        env.git(["checkout", "-q", "-B", branch, "main"]).ok();
        fs::remove_dir_all(env.repo("results").join(FIRST)).unwrap();
        env.record_as(case, FIRST);
        env.hook(["publish", "--no-push", FIRST]).ok();
        env.git(["checkout", "-q", "-B", "main", "HEAD"]).ok();
        env.git(["reset", "-q", "--hard", if branch == "other" { "main~1" } else { "main" }]).ok();
    }
    env.git(["merge", "other"]).fails(1);
    ask("resolve", &["resolve", FIRST, "--both"]);
    ask("error", &["show", "unknown"]);
    ask("error", &["show", "run-2026"]);
    ask("error", &["no-such-command"]);
    ask("error", &["config", "get", "push.polcy"]);
    ask("error", &["pull", "no-such-run"]);
    ask("error", &["publish", "no-such-run"]);
    fs::remove_file(env.repo("data/captures").join(FIRST).join("run.json")).unwrap();
    ask("verify", &["verify"]);
    ask("verify-attestation", &["verify", "--attestation", FIRST]);
    fits(&env, &pairs);
    // None is left out: every schema was asked for, and every command has one but those that print no result.
    let asked: BTreeSet<String> = pairs.iter().map(|(schema, _)| (*schema).to_owned()).collect();
    let schemas: BTreeSet<String> = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schemas"))
        .unwrap()
        .map(|file| file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    assert_eq!(asked, schemas);
    env.hook(["man", "--dir", "../man"]).ok();
    for page in fs::read_dir(env.path("man")).unwrap() {
        let name = page.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned();
        let Some(command) = name.strip_prefix("capture-hook-") else { continue };
        let first = command.split('-').next().unwrap();
        let silent = ["completions", "man", "hook", "merge", "help"].contains(&first);
        // A command of several has a schema for each.
        let has_schema =
            |name: &str| schemas.iter().any(|schema| schema == name || schema.starts_with(&format!("{name}-")));
        assert!(silent || has_schema(first) && (first != "schema" || has_schema(command)), "{command} has no schema");
    }
}
