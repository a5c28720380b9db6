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
