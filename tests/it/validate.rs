//! Validation: the verdict on every run of the corpus, and on runs damaged in ways that the corpus does not show.

use std::fs;
use std::path::Path;

use capture_hook::support::progress::Silent;
use capture_hook::validate::{self, Options, Report};
use serde_json::Value;

use crate::world::corpus_run;

fn check(run: &Path) -> Report {
    validate::check(run, "run", &Options::default(), &Silent).unwrap()
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
