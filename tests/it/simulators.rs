//! Runs of any simulator: our validator and a second one, written apart from ours in Python, give each run one verdict,
//! also runs with a fault of any sort.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::env::{BIN, copy_dir, run_command};

/// How many runs one call of a validator gets.
const AT_ONCE: usize = 100;

/// What a validator says of a run: whether it is valid, errors, warnings.
type Verdict = (bool, Vec<String>, Vec<String>);

fn tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

/// Each run directory of `tests/simulators`.
fn simulator_runs() -> Vec<PathBuf> {
    let folders = |dir: PathBuf| fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).filter(|p| p.is_dir());
    let mut runs: Vec<PathBuf> = folders(tests().join("simulators")).flat_map(folders).collect();
    runs.sort();
    assert!(runs.len() >= 7, "{runs:?}");
    runs
}

fn python(script: &str, args: &[&str]) -> String {
    run_command(Command::new("python3").arg(tests().join("it").join(script)).args(args)).ok().stdout
}

fn verdict(report: &Value) -> Verdict {
    let codes = |key: &str| {
        let mut codes: Vec<String> =
            report[key].as_array().unwrap().iter().map(|c| c.as_str().unwrap().to_owned()).collect();
        codes.sort();
        codes
    };
    (report["ok"].as_bool().unwrap(), codes("errors"), codes("warnings"))
}

/// What `capture-hook validate` says, by run.
fn our_verdicts(root: &Path, runs: &[String]) -> BTreeMap<String, Verdict> {
    let mut verdicts = BTreeMap::new();
    for some in runs.chunks(AT_ONCE) {
        let output = run_command(Command::new(BIN).current_dir(root).args(["--json", "validate"]).args(some));
        // 3 says that runs of one key differ, as mutants of one run do; all are reported.
        assert!([0, 1, 3].contains(&output.code), "{output:?}");
        let said: Value = serde_json::from_str(&output.stdout).unwrap();
        let reports = said["runs"].as_array().unwrap();
        verdicts.extend(reports.iter().map(|r| (r["run_dir"].as_str().unwrap().to_owned(), verdict(r))));
    }
    verdicts
}

/// What the reference says, by run.
fn reference_verdicts(root: &Path, runs: &[String]) -> BTreeMap<String, Verdict> {
    let mut verdicts = BTreeMap::new();
    for some in runs.chunks(AT_ONCE) {
        let paths: Vec<PathBuf> = some.iter().map(|run| root.join(run)).collect();
        let paths: Vec<&str> = paths.iter().map(|path| path.to_str().unwrap()).collect();
        let said = python("schema_reference.py", &paths);
        assert_eq!(said.lines().count(), some.len());
        for (run, line) in some.iter().zip(said.lines()) {
            verdicts.insert(run.clone(), verdict(&serde_json::from_str(line).unwrap()));
        }
    }
    verdicts
}

#[test]
fn the_runs_of_six_simulators_are_valid() {
    let simulators = tests().join("simulators");
    let root = tempfile::tempdir().unwrap();
    copy_dir(&simulators, root.path());
    let name = |run: &PathBuf| run.strip_prefix(&simulators).unwrap().to_str().unwrap().to_owned();
    let runs: Vec<String> = simulator_runs().iter().map(name).collect();
    let valid: BTreeMap<String, Verdict> = runs.iter().map(|run| (run.clone(), (true, vec![], vec![]))).collect();
    assert_eq!(reference_verdicts(root.path(), &runs), valid);
    assert_eq!(our_verdicts(root.path(), &runs), valid);
}

/// Whether two verdicts say the same. Which files an invalid run names can depend on how far it was read.
fn agree(ours: &Verdict, theirs: &Verdict) -> bool {
    let warnings = |verdict: &Verdict| -> Vec<String> {
        verdict.2.iter().filter(|code| verdict.0 || *code != "unrecognized_file").cloned().collect()
    };
    (ours.0, &ours.1) == (theirs.0, &theirs.1) && warnings(ours) == warnings(theirs)
}

/// C12: Each of many runs with one fault gets the verdict that the reference gives it; and where the fault leaves no
/// doubt, that is its own code and no other. `CAPTURE_HOOK_TEST_MUTANTS` makes more runs, `CAPTURE_HOOK_TEST_SEED` others.
#[test]
fn a_second_validator_agrees_on_faulty_runs() {
    let given = |name: &str, usual: usize| std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(usual);
    let (count, seed) = (given("CAPTURE_HOOK_TEST_MUTANTS", 300), given("CAPTURE_HOOK_TEST_SEED", 1).to_string());
    let bases = simulator_runs();
    let each = count.div_ceil(bases.len()).to_string();
    let mut differ = Vec::new();
    let mut verdicts = [0; 2];
    for base in &bases {
        let root = tempfile::tempdir().unwrap();
        python("mutate_runs.py", &[base.to_str().unwrap(), root.path().to_str().unwrap(), &each, &seed]);
        let mutants: Vec<Value> = serde_json::from_slice(&fs::read(root.path().join("mutants.json")).unwrap()).unwrap();
        let runs: Vec<String> = mutants.iter().map(|m| m["run"].as_str().unwrap().to_owned()).collect();
        let ours = our_verdicts(root.path(), &runs);
        let theirs = reference_verdicts(root.path(), &runs);
        for mutant in &mutants {
            let run = mutant["run"].as_str().unwrap();
            let (our, their) = (&ours[run], &theirs[run]);
            verdicts[usize::from(our.0)] += 1;
            let expected: Option<Vec<String>> = serde_json::from_value(mutant["errors"].clone()).unwrap();
            if !agree(our, their) || expected.is_some_and(|errors| errors != our.1) {
                let of = base.strip_prefix(tests()).unwrap().display();
                differ.push(format!("{of} {run}: {mutant}\n    ours      {our:?}\n    reference {their:?}"));
            }
        }
    }
    let again = "python3 tests/it/mutate_runs.py tests/RUN OUT_DIR 0 SEED NUMBER makes one again";
    assert!(differ.is_empty(), "{} differ ({again}):\n{}", differ.len(), differ.join("\n"));
    assert!(verdicts[0] > count / 3 && verdicts[1] > count / 6, "{verdicts:?}");
}
