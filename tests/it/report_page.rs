//! The sources of the report's page: the types of its scripts, checked by TypeScript, and the chart library that others wrote.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

use crate::env::{CommandOutput, TestEnv, copy_dir, run_command};
use crate::tools;

fn page() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/report/page")
}

/// TypeScript's verdict on the scripts of a page's directory.
fn check_types(page: &Path) -> CommandOutput {
    let node = tools::node_bin().join("node");
    run_command(Command::new(node).arg(tools::typescript_compiler()).args(["--pretty", "false", "--project"]).arg(page))
}

#[test]
fn types_of_the_scripts_are_right() {
    check_types(&page()).ok();
    let settings = fs::read_to_string(page().join("tsconfig.json")).unwrap();
    for setting in ["\"checkJs\": true", "\"strict\": true", "\"noEmit\": true"] {
        assert!(settings.contains(setting), "tsconfig.json does not say {setting}");
    }
}

#[test]
fn a_wrong_type_is_found_in_each_script() {
    let dir = tempfile::tempdir().unwrap();
    copy_dir(&page(), dir.path());
    let mut scripts: Vec<PathBuf> =
        fs::read_dir(dir.path().join("js")).unwrap().map(|entry| entry.unwrap().path()).collect();
    scripts.sort();
    assert!(scripts.len() > 10, "{scripts:?}");
    for script in &scripts {
        let text = fs::read_to_string(script).unwrap();
        fs::write(script, format!("{text}\n/** @type {{number}} */\nexport const wrongType = \"a text\";\n")).unwrap();
        assert!(!text.contains("@ts-ignore") && !text.contains("@ts-nocheck"), "{}", script.display());
    }
    let found = check_types(dir.path()).fails(2).stdout;
    for script in &scripts {
        let name = script.file_name().unwrap().to_str().unwrap();
        assert!(found.contains(&format!("js/{name}(")), "{name} is not checked:\n{found}");
    }
    assert_eq!(found.matches("TS2322").count(), scripts.len(), "{found}");
}

#[test]
fn the_joined_script_of_a_report_can_be_parsed() {
    let env = TestEnv::two_runs();
    env.hook(["report", "-o", "../report.html"]).ok();
    let report = fs::read_to_string(env.path("report.html")).unwrap();
    let scripts: Vec<&str> =
        report.split("<script>").skip(1).map(|rest| rest.split_once("</script>").unwrap().0).collect();
    assert_eq!(scripts.len(), 2);
    for (at, script) in scripts.iter().enumerate() {
        let path = env.path(format!("script-{at}.js"));
        fs::write(&path, script).unwrap();
        run_command(Command::new(tools::node_bin().join("node")).arg("--check").arg(&path)).ok();
    }
}

/// The files of a library are those that its authors published: the hashes are of the package on npm.
#[test]
fn vendored_files_have_their_hashes() {
    let vendor = page().join("vendor");
    for library in fs::read_dir(&vendor).unwrap().map(|entry| entry.unwrap().path()) {
        let sums = fs::read_to_string(library.join("SHA256SUMS")).unwrap();
        let mut listed = BTreeSet::from(["SHA256SUMS".to_owned()]);
        for line in sums.lines() {
            let (hash, name) = line.split_once("  ").unwrap();
            let bytes = fs::read(library.join(name)).unwrap();
            let found: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(found, hash, "{name} was changed");
            listed.insert(name.to_owned());
        }
        let names = fs::read_dir(&library).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        assert_eq!(names.collect::<BTreeSet<_>>(), listed, "{}", library.display());
        assert!(listed.contains("LICENSE"), "{}", library.display());
    }
}
