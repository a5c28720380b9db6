//! The report's page in Chromium: what a person does with it, what axe-core says of it, and that no run's text does anything.
//!
//! Each test runs one check of `report_browser/check.py`. On a machine without Chromium a line says that none was run.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::env::run_command;
use crate::tools;

/// Runs a check of a report, which gets `facts`. Its output, if it succeeds; `None` without a browser.
#[track_caller]
fn check_report(name: &str, report: &Path, facts: &Value) -> Option<String> {
    let chromium = tools::chromium()?;
    let script = scripts().join("check.py");
    let mut python = Command::new(tools::browser_driver().join("python"));
    python.env("PYTHONDONTWRITEBYTECODE", "1").env("PYTHONUTF8", "1");
    Some(run_command(python.arg(script).arg(name).arg(chromium).arg(report).arg(facts.to_string())).ok().stdout)
}

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/report_browser")
}

#[test]
fn faults_of_every_kind_are_found_in_pages_that_have_them() {
    check_report("controls", Path::new("none"), &json!({}));
}
