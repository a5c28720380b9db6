//! `ingest` as the stage calls it: what it writes, what it refuses, and what it leaves alone.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use insta::assert_snapshot;

use crate::env::{TestEnv, corpus_run, run_command, tree};
use crate::tools;

/// The corpus runs that are valid.
const GOOD: &[&str] = &[
    "ok-head01",
    "ok-interrupted",
    "ok-multi-member",
    "ok-orig100",
    "ok-parquet-head01",
    "ok-pypi010",
    "ok-rotated-orig100",
    "ok-rotated-pypi010",
    "ok-unknown-field",
];

/// A project without git and DVC, which `ingest` does not need: `params.yaml` and runs.
pub fn project() -> TestEnv {
    let env = TestEnv::empty();
    fs::create_dir_all(env.repo(".dvc")).unwrap();
    fs::write(env.repo(".dvc/config"), "").unwrap();
    env
}

fn select(env: &TestEnv, key: &str) {
    let text = format!("ingest_capture:\n  run_dir: 'results/{key}'\n  out_dir: data/captures\n");
    fs::write(env.repo("params.yaml"), text).unwrap();
}

pub fn ingest_dir(env: &TestEnv, run_dir: &str) -> PathBuf {
    let out = env.hook(["ingest", "--run-dir", run_dir, "--out-dir", "data/captures"]).ok().stdout;
    env.repo(out.trim())
}

/// Nothing is left of the making.
pub fn assert_no_leftovers(env: &TestEnv) {
    for dir in [env.repo("data"), env.repo(".dvc/tmp")] {
        let names: Vec<_> = fs::read_dir(dir).into_iter().flatten().map(|e| e.unwrap().file_name()).collect();
        assert!(names.iter().all(|n| !n.to_string_lossy().contains("capture-hook")), "{names:?}");
    }
}

/// C11: The run's gzip files are in the dataset byte for byte, never compressed again.
#[test]
fn the_selected_run_is_put_into_the_dataset_and_its_place_is_printed() {
    let env = project();
    let key = env.record("ok-head01");
    select(&env, &key);
    let run = tree(&env.repo(format!("results/{key}")));
    assert_eq!(env.hook(["ingest"]).ok().stdout, format!("data/captures/{key}\n"));

    let made = tree(&env.repo(format!("data/captures/{key}")));
    let names: Vec<&str> = made.keys().map(String::as_str).collect();
    let expected = [
        "DATASET_INDEX.json",
        "episodes.jsonl.gz",
        "episodes.parquet",
        "manifest.json",
        "run.json",
        "steps.jsonl.gz",
        "steps.parquet",
    ];
    assert_eq!(names, expected);
    for (name, bytes) in &run {
        assert_eq!(&made[name], bytes, "{name}");
    }
    assert_eq!(tree(&env.repo(format!("results/{key}"))), run, "the run was written to");

    let index: serde_json::Value = serde_json::from_slice(&made["DATASET_INDEX.json"]).unwrap();
    let hash = "10482995e40081d9d17ef888421ea49cc68e9146d59074860d1afe9aa9600f84";
    let expected = serde_json::json!({
        "experiment": "nav", "run_id": "run-20261124-021550", "schema_version": "0.1", "source": format!("results/{key}"),
        "config_hash": hash, "steps": 151, "episodes": 4
    });
    assert_eq!(index, expected);

    let manifest: serde_json::Value = serde_json::from_slice(&made["manifest.json"]).unwrap();
    assert_eq!(manifest["created_at"], "2026-11-24T02:15:50Z");
    assert_eq!(manifest["config_hash"], hash);
    assert_eq!(manifest["seed_summary"], serde_json::json!({"unique_count": 4, "min": 41, "max": 44}));
    assert_eq!(manifest["validation"]["steps"], serde_json::json!({"ok": true, "rows": 151}));
    assert!(manifest["validation"].get("findings").is_none());
    assert_eq!(manifest["generator"]["name"], "capture-hook");
    let files = manifest["files"].as_array().unwrap();
    let paths: Vec<&str> = files.iter().map(|f| f["path"].as_str().unwrap()).collect();
    assert_eq!(
        paths,
        ["DATASET_INDEX.json", "episodes.jsonl.gz", "episodes.parquet", "run.json", "steps.jsonl.gz", "steps.parquet"]
    );
    for file in files {
        let path = env.repo(format!("data/captures/{key}")).join(file["path"].as_str().unwrap());
        let sum = run_command(Command::new("sha256sum").arg(&path)).ok().stdout;
        assert_eq!(file["sha256"].as_str(), sum.split(' ').next());
        assert_eq!(file["bytes"].as_u64(), Some(fs::metadata(&path).unwrap().len()));
    }
    assert_eq!(files[4]["rows"], 151);
    assert_no_leftovers(&env);
}

/// What every valid run of the corpus becomes in the dataset: each case's files. Made once for all tests.
pub fn ingested_corpus() -> &'static BTreeMap<&'static str, BTreeMap<String, Vec<u8>>> {
    static MADE: OnceLock<BTreeMap<&str, BTreeMap<String, Vec<u8>>>> = OnceLock::new();
    MADE.get_or_init(|| {
        let env = project();
        GOOD.iter().map(|case| (*case, ingest_alone(&env, case))).collect()
    })
}

/// The files of a corpus run in the dataset. Nothing is left of an earlier case, which may have the same name.
fn ingest_alone(env: &TestEnv, case: &str) -> BTreeMap<String, Vec<u8>> {
    for dir in ["results", "data"] {
        let _ = fs::remove_dir_all(env.repo(dir));
    }
    let key = env.record(case);
    tree(&ingest_dir(env, &format!("results/{key}")))
}

#[test]
fn the_same_run_gives_the_same_bytes_elsewhere_and_later() {
    let earlier = ingested_corpus();
    std::thread::sleep(Duration::from_millis(20));
    let env = project();
    for case in GOOD {
        let made = ingest_alone(&env, case);
        assert_eq!(made, earlier[case], "{case}");
        let text = String::from_utf8_lossy(&made["manifest.json"]).into_owned();
        assert!(!text.contains("/tmp") && !text.contains("capture-hook-it"), "{text}");
    }
}

#[test]
fn one_thread_gives_the_bytes_and_the_report_that_several_give() {
    use capture_hook::ingest::{IngestRequest, ingest_run};
    use capture_hook::support::progress::NoProgress;
    use capture_hook::validate;
    use capture_hook::validate::ValidateOptions;

    let temp = tempfile::tempdir().unwrap();
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let cases = fs::read_dir(corpus).unwrap().map(|e| e.unwrap()).filter(|e| e.path().is_dir());
    for case in cases.map(|e| e.file_name().into_string().unwrap()) {
        let (run_dir, _) = corpus_run(&case);
        let reports = [false, true].map(|one_thread| {
            let mut options = ValidateOptions::default();
            options.one_thread = one_thread;
            validate::validate_run(&run_dir, "results/x", &options, &NoProgress)
                .map(|report| serde_json::to_value(report).unwrap())
        });
        assert_eq!(reports[0].as_ref().unwrap(), reports[1].as_ref().unwrap(), "{case}");
    }
    for case in GOOD {
        let trees = [false, true].map(|one_thread| {
            let out_dir = temp.path().join(one_thread.to_string());
            let mut options = ValidateOptions::default();
            options.one_thread = one_thread;
            let (root, shown_as) = (temp.path().to_path_buf(), "results/x".to_owned());
            let (run_dir, off_limits) = (corpus_run(case).0, Vec::new());
            let request = IngestRequest { run_dir, shown_as, out_dir, root, off_limits, options, force: false };
            let done = ingest_run(&request, &NoProgress).unwrap();
            tree(&done.destination)
        });
        assert_eq!(trees[0], trees[1], "{case}");
    }
}

#[test]
fn pyarrow_duckdb_and_polars_read_what_the_json_lines_say() {
    let env = project();
    for case in GOOD {
        let key = env.record(case);
        ingest_dir(&env, &format!("results/{key}"));
    }
    // And a run with everything that a row may hold.
    let odd = env.repo("results/odd/r 'ü'");
    fs::create_dir_all(&odd).unwrap();
    fs::write(
        odd.join("run.json"),
        r#"{"schema_version": "0.1", "run_id": "r 'ü'", "start_time": "2026-01-01T00:00:00Z", "env_config": {}}"#,
    )
    .unwrap();
    let mut steps = String::new();
    for (i, (id, step, last)) in
        [("é\\n", 1, false), ("é\\n", 2, true), ("b", 1, true), ("b", 1, true), ("c", 1, false)].into_iter().enumerate()
    {
        let summary = ["null", "[]", "[NaN, Infinity, -Infinity, -0.0, 1e-320]", "[1, 2.5]", "[0.1]"][i];
        let rest = [
            "",
            r#", "seed": null, "note": {"a": [1, NaN, "\ud83d\ude00"]}"#,
            r#", "seed": -9223372036854775808"#,
            "",
            r#", "x": 1"#,
        ][i];
        steps.push_str(&format!(
            r#"{{"ts": {i}, "run_id": "r 'ü'", "episode_id": "{id}", "step": {step}, "action": 2.0, "reward": -1e-300, "terminated": {last}, "truncated": false, "agent_position": {{"x": -3, "y": 4.0}}, "distance_to_goal": 1e300, "observation_summary": {summary}{rest}}}"#
        ));
        steps.push_str("\r\n\n");
    }
    let mut episodes = String::new();
    for (id, n) in [("b", 1), ("é\\n", 2), ("b", 1)] {
        episodes.push_str(&format!(
            r#"{{"run_id": "r 'ü'", "episode_id": "{id}", "terminated": true, "truncated": false, "total_steps": {n}, "total_reward": {}e-300, "final_position": {{"x": -3, "y": 4}}, "final_distance_to_goal": null, "why": "{id}"}}"#,
            -n
        ));
        episodes.push('\n');
    }
    for (name, text) in [("steps", steps), ("episodes", episodes)] {
        let file = fs::File::create(odd.join(format!("{name}.jsonl.gz"))).unwrap();
        let mut gzip = flate2::write::GzEncoder::new(file, flate2::Compression::default());
        std::io::Write::write_all(&mut gzip, text.as_bytes()).unwrap();
        gzip.finish().unwrap();
    }
    ingest_dir(&env, "results/odd/r 'ü'");
    read_back(&env.repo("data/captures"), 20_000);
}

/// Compares a dataset's parquet with its JSON lines through pyarrow, DuckDB and Polars.
fn read_back(dataset: &Path, at_least: u64) {
    let bin = tools::newest_readers();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/read_back.py");
    let out = run_command(Command::new(bin.join("python")).arg(script).arg(dataset)).ok().stdout;
    assert!(out.trim().parse::<u64>().unwrap() >= at_least, "{out}");
}

#[test]
fn an_invalid_run_is_refused_with_file_line_code_and_reason_and_nothing_changes() {
    let env = project();
    let good = env.record("ok-head01");
    ingest_dir(&env, &format!("results/{good}"));
    let before = tree(&env.repo("data"));
    let key = env.record("bad-step-gap");
    let refused = env.hook(["ingest", "--run-dir", &format!("results/{key}")]).fails(1);
    assert_snapshot!(env.screen(&refused), @"
    error: results/nav/run-20261124-021550 is not valid, so it is not ingested
        step_sequence: step 7 follows step 5, at steps.jsonl.gz:7 (ep-000002)
    hint: see all findings with `capture-hook validate results/nav/run-20261124-021550`
    ");
    assert_eq!(refused.stdout, "");
    assert_eq!(tree(&env.repo("data")), before);
    assert_no_leftovers(&env);
}

#[test]
fn an_unsafe_name_never_leaves_the_dataset() {
    let env = project();
    let (run, _) = corpus_run("bad-traversal-run-id");
    crate::env::copy_dir(&run, &env.repo("results/x/y"));
    let refused = env.hook(["ingest", "--run-dir", "results/x/y"]).fails(1);
    assert_snapshot!(env.screen(&refused), @"
    error: results/x/y is not valid, so it is not ingested
        unsafe_run_id: run_id `../../../../tmp/owned` cannot name a directory: it holds a path separator, in run.json
    hint: see all findings with `capture-hook validate results/x/y`
    ");
    assert!(!env.repo("data/captures").exists() || tree(&env.repo("data/captures")).is_empty());
}

#[test]
fn a_dataset_outside_the_project_or_behind_a_link_is_refused() {
    let env = project();
    let key = env.record("ok-head01");
    let run = format!("results/{key}");
    fs::create_dir_all(env.path("elsewhere")).unwrap();
    fs::create_dir_all(env.repo("data")).unwrap();
    for out in ["../elsewhere", "data/../../elsewhere", env.path("elsewhere").to_str().unwrap(), "."] {
        let refused = env.hook(["ingest", "--run-dir", &run, "--out-dir", out]).fails(3);
        assert!(refused.stderr.contains("leads out of the project"), "{out}: {}", refused.stderr);
    }
    std::os::unix::fs::symlink(env.path("elsewhere"), env.repo("data/captures")).unwrap();
    env.hook(["ingest", "--run-dir", &run]).fails(2);
    fs::remove_file(env.repo("data/captures")).unwrap();
    fs::create_dir_all(env.repo("data/captures")).unwrap();
    std::os::unix::fs::symlink(env.path("elsewhere"), env.repo("data/captures/nav")).unwrap();
    let refused = env.hook(["ingest", "--run-dir", &run]).fails(2);
    assert_snapshot!(env.screen(&refused), @"
    error: [env]/repo/data/captures/nav is not a directory of its own, so nothing is written there
    hint: see what is there: `ls -ld [env]/repo/data/captures/nav`
    ");
    assert!(tree(&env.path("elsewhere")).is_empty());
    env.hook(["ingest", "--run-dir", "results", "--out-dir", "results/out"]).fails(2);
}

/// D4: Ingest replaces files that are links into the cache, and never writes into them.
#[test]
fn a_linked_cache_is_never_written_through() {
    for symbolic in [false, true] {
        let env = project();
        let key = env.record("ok-head01");
        let run = format!("results/{key}");
        let folder = ingest_dir(&env, &run);
        // As DVC leaves it with `cache.type = hardlink` or `symlink`: links to read-only files.
        let cache = env.path("cache");
        fs::create_dir_all(&cache).unwrap();
        for name in tree(&folder).keys() {
            let (file, cached) = (folder.join(name), cache.join(name));
            fs::rename(&file, &cached).unwrap();
            let mut mode = fs::metadata(&cached).unwrap().permissions();
            mode.set_readonly(true);
            fs::set_permissions(&cached, mode).unwrap();
            if symbolic {
                std::os::unix::fs::symlink(&cached, &file).unwrap();
            } else {
                fs::hard_link(&cached, &file).unwrap();
            }
        }
        let before = tree(&cache);
        // The same run again: the links stay as they are.
        let id = |path: &Path| std::os::unix::fs::MetadataExt::ino(&fs::symlink_metadata(path).unwrap());
        let ids: Vec<u64> = before.keys().map(|name| id(&folder.join(name))).collect();
        ingest_dir(&env, &run);
        assert_eq!(before.keys().map(|name| id(&folder.join(name))).collect::<Vec<u64>>(), ids);
        // A changed run: the folder is new, the cache as it was.
        let meta = fs::read_to_string(env.repo(&run).join("run.json")).unwrap();
        fs::write(env.repo(&run).join("run.json"), meta.replace("\"max_steps\": 50", "\"max_steps\": 51")).unwrap();
        ingest_dir(&env, &run);
        assert!(fs::read_to_string(folder.join("run.json")).unwrap().contains("\"max_steps\": 51"));
        assert_eq!(tree(&cache), before);
        assert!(!fs::symlink_metadata(folder.join("run.json")).unwrap().is_symlink());
        assert_no_leftovers(&env);
    }
}

#[test]
fn a_recorders_manifest_is_copied_as_it_is_and_its_parquet_is_not() {
    let env = project();
    let key = env.record("ok-orig100");
    let run = env.repo(format!("results/{key}"));
    let folder = ingest_dir(&env, &format!("results/{key}"));
    let same = |name: &str| fs::read(run.join(name)).unwrap() == fs::read(folder.join(name)).unwrap();
    assert!(same("manifest.json"));
    assert!(!same("steps.parquet") && !same("episodes.parquet"));
}

#[test]
fn other_runs_stay_untouched_and_several_runs_go_in_together() {
    let env = project();
    let keys: Vec<String> = GOOD.iter().map(|case| env.record(case)).collect();
    let first = ingest_dir(&env, &format!("results/{}", keys[0]));
    let before = tree(&first);
    let all = env.hook(["ingest", "--all", "--jobs", "3"]).ok().stdout;
    let mut expected: Vec<String> = keys.iter().map(|key| format!("data/captures/{key}")).collect();
    expected.sort();
    expected.dedup();
    assert_eq!(all.lines().collect::<Vec<_>>(), expected);
    assert_eq!(tree(&first), before);
    // One by one gives the same dataset.
    let serial = project();
    for case in GOOD {
        let key = serial.record(case);
        ingest_dir(&serial, &format!("results/{key}"));
    }
    assert_eq!(tree(&env.repo("data/captures")), tree(&serial.repo("data/captures")));
}

#[test]
fn one_bad_run_among_several_is_told_and_the_others_go_in() {
    let env = project();
    let good = env.record("ok-pypi010");
    env.record("bad-step-gap");
    let output = env.hook(["ingest", "--all"]).fails(1);
    assert_eq!(output.stdout, format!("data/captures/{good}\n"));
    assert_snapshot!(env.screen(&output), @"
    data/captures/demo/run-20260105-041
    --- stderr
    error: results/nav/run-20261124-021550 is not valid, so it is not ingested
        step_sequence: step 7 follows step 5, at steps.jsonl.gz:7 (ep-000002)
    hint: see all findings with `capture-hook validate results/nav/run-20261124-021550`
    ");
}

/// H3: Ingest without a selection succeeds for DVC and names the next step.
#[test]
fn without_a_selection_the_next_step_is_named() {
    let env = project();
    fs::write(env.repo("params.yaml"), "ingest_capture:\n  run_dir: results/<experiment>/<run_id>\n").unwrap();
    fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/dvc.yaml"), env.repo("dvc.yaml")).unwrap();
    let output = env.hook(["ingest"]).ok();
    assert_snapshot!(env.screen(&output), @"
    no run is selected in params.yaml, so data/captures stays as it is
    hint: select one: `capture-hook select RUN`
    ");
    assert!(env.repo("data/captures").is_dir(), "DVC wants it");
    // Where there is no such stage, nothing is made.
    fs::remove_file(env.repo("dvc.yaml")).unwrap();
    let refused = env.hook(["ingest"]).fails(3);
    assert_snapshot!(env.screen(&refused), @"
    error: no run is selected: ingest_capture.run_dir in params.yaml names no run
    hint: select a run: `capture-hook select RUN` (`capture-hook runs` lists them)
    hint: or name one: `capture-hook ingest RUN`
    ");
    let refused = env.hook(["ingest", "--run-dir", "results/no/such"]).fails(3);
    assert_snapshot!(env.screen(&refused), @"
    error: there is no run at results/no/such
    hint: list the runs with `capture-hook runs`
    ");
}

#[test]
fn manifest_writes_a_missing_one_and_never_another() {
    let env = project();
    let key = env.record("ok-head01");
    let run = env.repo(format!("results/{key}"));
    assert_eq!(env.hook(["manifest", &key]).ok().stdout, format!("results/{key}/manifest.json\n"));
    let text = fs::read_to_string(run.join("manifest.json")).unwrap();
    assert!(text.contains("\"rows\": 151") && text.contains("\"ok\": true"), "{text}");
    let again = env.hook(["manifest", &key]).fails(1);
    assert_snapshot!(env.screen(&again), @"
    error: results/nav/run-20261124-021550 already has a manifest.json, which is never rewritten
    hint: check it against the files with `capture-hook validate results/nav/run-20261124-021550`, or delete it to make a new one
    ");
    assert_eq!(fs::read_to_string(run.join("manifest.json")).unwrap(), text);
    // It agrees with the files.
    let folder = ingest_dir(&env, &format!("results/{key}"));
    assert_eq!(fs::read_to_string(folder.join("manifest.json")).unwrap(), text);
}
