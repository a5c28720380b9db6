//! `gc` compared with a reference that walks every revision with DVC's own code (`gc_reference.py`), in random histories with
//! other stages, `.dvc` files, projects, stashes, working trees, and objects of older releases.
//!
//! `CAPTURE_HOOK_TEST_STEPS` makes the histories longer, `CAPTURE_HOOK_TEST_SEED` others, `CAPTURE_HOOK_TEST_COUNT` more.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use crate::env::{TestEnv, files};
use crate::tools;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// Objects of both layouts, as paths from the cache's top.
fn objects(env: &TestEnv) -> BTreeSet<String> {
    let cache = env.repo(".dvc/cache");
    let inner = |path: &Path| path.strip_prefix(&cache).unwrap().to_str().unwrap().to_owned();
    files(&cache).iter().map(|path| inner(path)).filter(|path| !path.starts_with("runs/")).collect()
}

fn texts(value: &Value) -> BTreeSet<String> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

fn compare_history(base: &TestEnv, seed: u64, steps: u64) {
    let env = base.copy();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/gc_reference.py");
    let (repo, seed_text, steps) = (env.repo(""), seed.to_string(), steps.to_string());
    let args = [script.to_str().unwrap(), repo.to_str().unwrap(), &seed_text, &steps];
    let output = env.run_in(".", tools::dvc_bin().join("python").to_str().unwrap(), args).ok();
    let reference: Value = serde_json::from_str(output.stdout.lines().last().unwrap()).unwrap();
    let story = || {
        let lines = reference["story"].as_array().unwrap().iter().map(|line| line.as_str().unwrap());
        lines.collect::<Vec<_>>().join("\n")
    };
    assert_eq!(texts(&reference["all"]), objects(&env));
    for days in ["90", "30", "0"] {
        let needed = texts(&reference["needed"][days]);
        let bytes: u64 = needed.iter().map(|path| env.repo(".dvc/cache").join(path).metadata().unwrap().len()).sum();
        let plan = env.hook(["--json", "gc", "--keep", days]).ok();
        let plan: Value = serde_json::from_str(&plan.stdout).unwrap();
        let own = (plan["needed"]["objects"].as_u64().unwrap(), plan["needed"]["bytes"].as_u64().unwrap());
        assert_eq!(own, (needed.len() as u64, bytes), "seed {seed}, {days} days\n{}", story());
    }
    let needed = texts(&reference["needed"]["0"]);
    env.hook(["gc", "--keep", "0", "--yes"]).ok();
    let kept = objects(&env);
    let (lost, left): (Vec<_>, Vec<_>) = (needed.difference(&kept).collect(), kept.difference(&needed).collect());
    assert!(lost.is_empty() && left.is_empty(), "seed {seed}: lost {lost:?}, left {left:?}\n{}", story());
}

#[test]
fn what_is_kept_is_what_dvc_finds_at_every_revision() {
    let base = TestEnv::two_versions("copy");
    let first = number("CAPTURE_HOOK_TEST_SEED", 1);
    let steps = number("CAPTURE_HOOK_TEST_STEPS", 14);
    let seeds: Vec<u64> = (first..first + number("CAPTURE_HOOK_TEST_COUNT", 6)).collect();
    // Two at a time: each starts Python.
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..2)
            .map(|worker| {
                let (base, seeds) = (&base, &seeds);
                scope.spawn(move || {
                    seeds
                        .iter()
                        .filter(|seed| **seed % 2 == worker)
                        .for_each(|seed| compare_history(base, *seed, steps));
                })
            })
            .collect();
        workers.into_iter().for_each(|worker| worker.join().unwrap());
    });
}
