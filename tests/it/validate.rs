//! Validation: the verdict on every run of the corpus, and on runs damaged in ways that the corpus does not show.

use std::fs;
use std::path::Path;

use capture_hook::support::progress::NoProgress;
use capture_hook::validate;
use capture_hook::validate::{ValidateOptions, ValidationReport};
use serde_json::Value;

use crate::env::corpus_run;

fn check(run: &Path) -> ValidationReport {
    validate::validate_run(run, "run", &ValidateOptions::default(), &NoProgress).unwrap()
}

fn names(codes: &[validate::Code]) -> Vec<&'static str> {
    codes.iter().map(|c| c.as_str()).collect()
}

#[test]
fn every_corpus_run_gets_its_verdict() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let mut cases = 0;
    for entry in fs::read_dir(corpus).unwrap() {
        let path = entry.unwrap().path();
        let Ok(expected) = fs::read(path.join("expect.json")) else { continue };
        cases += 1;
        let expected: Value = serde_json::from_slice(&expected).unwrap();
        let case = path.file_name().unwrap().to_str().unwrap();
        let report = check(&corpus_run(case).0);
        let list = |key: &str| -> Vec<&str> {
            expected[key].as_array().unwrap().iter().map(|v| v.as_str().unwrap()).collect()
        };
        let told = format!("{case}: {report:#?}");
        // One fault, one code: nothing beyond what must be told. (A recorder that crashed at its start wrote nothing.)
        let mut errors = list("errors");
        if case == "bad-crashed-at-start" {
            errors.extend(["no_steps", "no_episodes"]);
        }
        assert_eq!(names(&report.errors), errors, "{told}");
        assert_eq!(expected["ok"], report.ok, "{told}");
        for warning in list("warnings") {
            assert!(names(&report.warnings).contains(&warning), "{told}");
        }
        if report.ok {
            assert_eq!(names(&report.warnings), list("warnings"), "{told}");
            assert_eq!(expected["steps_rows"], report.steps.rows, "{told}");
            assert_eq!(expected["episodes_rows"], report.episodes.rows, "{told}");
            assert!(report.steps.ok && report.episodes.ok, "{told}");
        }
    }
    assert!(cases >= 22, "only {cases} cases");
}

#[test]
fn a_run_recorded_with_the_package_on_pypi_raises_no_alarm() {
    let python = crate::tools::venv("plume", &["plume-nav-sim==0.1.0"]).join("python");
    let root = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/record_pypi.py");
    let out = std::process::Command::new(python).arg(script).arg(root.path()).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let run = root.path().join("demo/r1");
    assert!(run.join("steps.jsonl.part1.gz").is_file(), "the recorder did not rotate");
    let report = check(&run);
    // The script breaks one episode off.
    assert!(report.ok && names(&report.warnings) == ["incomplete_episode"], "{report:#?}");
    assert_eq!((report.episodes.rows, report.findings.len()), (59, 1), "{report:#?}");
    assert!(report.steps.rows > 3000, "{report:#?}");
}

/// What the command says of runs of the corpus, called in `dir`.
fn command(dir: &Path, args: &[&str]) -> crate::env::CommandOutput {
    crate::env::run_command(
        std::process::Command::new(crate::env::BIN).current_dir(dir).args(args).env("NO_COLOR", "1"),
    )
}

#[test]
fn the_command_reports_for_people_and_for_scripts() {
    let root = tempfile::tempdir().unwrap();
    let results = root.path().join("results");
    for (case, name) in [("ok-head01", "nav/good"), ("bad-step-gap", "nav/gap"), ("ok-orig100", "plume/good")] {
        crate::env::copy_dir(&corpus_run(case).0, &results.join(name));
    }
    fs::write(root.path().join("params.yaml"), "ingest_capture:\n  run_dir: results/nav/gap\n").unwrap();
    let here = |args: &[&str]| command(root.path(), args);
    let good = here(&["validate", "results/nav/good"]).ok();
    assert_eq!(good.stdout, "✓ results/nav/good is valid: 151 steps, 4 episodes\n");
    // The selected run.
    let bad = here(&["validate"]).fails(1);
    assert_eq!(
        bad.stdout,
        "✗ results/nav/gap is invalid: 150 steps, 4 episodes, 1 error\n  error step_sequence: step 7 follows step 5, at steps.jsonl.gz:7 (ep-000002)\n"
    );
    let json: Value = serde_json::from_str(&here(&["--json", "validate", "gap"]).fails(1).stdout).unwrap();
    assert_eq!(
        json,
        serde_json::json!({"ok": false, "runs": [{
            "run_dir": "results/nav/gap", "experiment": "nav", "run_id": "run-20261124-021550", "ok": false,
            "errors": ["step_sequence"], "warnings": [],
            "steps": {"ok": false, "rows": 150}, "episodes": {"ok": true, "rows": 4},
            "findings": [{"severity": "error", "code": "step_sequence", "file": "steps.jsonl.gz", "line": 7,
                          "episode_id": "ep-000002", "message": "step 7 follows step 5", "count": 1}],
        }]})
    );
    let all: Value = serde_json::from_str(&here(&["validate", "--all", "--json"]).fails(1).stdout).unwrap();
    let verdicts: Vec<_> =
        all["runs"].as_array().unwrap().iter().map(|r| (r["run_dir"].as_str(), r["ok"].as_bool())).collect();
    assert_eq!(
        verdicts,
        [("results/nav/gap", false), ("results/nav/good", true), ("results/plume/good", true)]
            .map(|(d, ok)| (Some(d), Some(ok)))
    );
    // What is not there, and what could be either.
    let missing = here(&["validate", "--json", "results/nav/none"]).fails(3);
    assert!(missing.stdout.contains("run_dir_not_found") && missing.stderr.contains("no_such_run"), "{missing:?}");
    let either = here(&["validate", "good"]).fails(3);
    assert!(either.stderr.contains("nav/good") && either.stderr.contains("plume/good"), "{either:?}");
    fs::write(root.path().join("capture-hook.toml"), "[validate]\nignore = [\"step_sequence\"]\n").unwrap();
    here(&["validate"]).ok();
    fs::write(root.path().join("capture-hook.toml"), "[validate]\nignore = [\"step_sequenze\"]\n").unwrap();
    assert!(here(&["validate"]).fails(3).stderr.contains("did you mean `step_sequence`?"));
}
