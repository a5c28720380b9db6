//! Datasets that an older version of capture-hook wrote.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use insta::assert_snapshot;

use crate::env::{FIRST, SECOND, TestEnv, tree};
use crate::field_recorders::bare;

/// What an older version made of the first run: its four derived files.
fn older() -> BTreeMap<String, Vec<u8>> {
    let files = tree(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/older"));
    assert!(String::from_utf8_lossy(&files["steps.parquet"]).contains("capture-hook version 1.0.0"));
    files
}

/// F2: A run that an older version put into the dataset stays as it is; what is damaged there, or was recorded again,
/// does not, and `--force` writes all anew.
#[test]
fn a_run_that_an_older_version_ingested_is_left_alone() {
    let env = bare();
    let key = env.record("ok-head01");
    let run = format!("results/{key}");
    let ingest = |more: &[&str]| {
        let output = env.hook(["--json", "ingest", "--run-dir", &run].iter().chain(more).copied()).ok();
        let json: serde_json::Value = serde_json::from_str(&output.stdout).unwrap();
        (json["runs"][0]["changed"].as_bool().unwrap(), tree(&env.repo(format!("data/captures/{key}"))))
    };
    let (_, new) = ingest(&[]);
    let folder = env.repo(format!("data/captures/{key}"));
    let put = |files: &BTreeMap<String, Vec<u8>>| {
        for (name, bytes) in files {
            fs::write(folder.join(name), bytes).unwrap();
        }
    };
    put(&older());
    let old = tree(&folder);
    assert!(old["steps.parquet"] != new["steps.parquet"] && old["manifest.json"] != new["manifest.json"]);
    assert_eq!(ingest(&[]), (false, old.clone()));
    // Moved, it is the same run.
    fs::rename(env.repo(&run), env.repo("results/moved")).unwrap();
    let moved = env.hook(["--json", "ingest", "--run-dir", "results/moved"]).ok().stdout;
    assert!(moved.contains("\"changed\": false") && tree(&folder) == old, "{moved}");
    fs::rename(env.repo("results/moved"), env.repo(&run)).unwrap();
    // Its manifest lies, a table is another run's, or is cut: then it is made anew.
    let lying = String::from_utf8(old["manifest.json"].clone()).unwrap().replace("\"bytes\": 3960", "\"bytes\": 3961");
    let other = tree(&ingest_other(&env));
    for (name, bytes) in [
        ("manifest.json", lying.into_bytes()),
        ("episodes.parquet", other["episodes.parquet"].clone()),
        ("steps.parquet", old["steps.parquet"][..2000].to_vec()),
        ("DATASET_INDEX.json", b"{}".to_vec()),
    ] {
        put(&BTreeMap::from([(name.to_owned(), bytes)]));
        assert_eq!(ingest(&[]), (true, new.clone()), "{name}");
        put(&older());
    }
    assert_eq!(ingest(&["--force"]), (true, new.clone()));
    assert_eq!(ingest(&["--force"]), (false, new));
    // The recorder's own file differs: another recording.
    put(&older());
    let meta = fs::read_to_string(env.repo(&run).join("run.json")).unwrap();
    fs::write(env.repo(&run).join("run.json"), meta.replace("\"max_steps\": 50", "\"max_steps\": 51")).unwrap();
    let (changed, again) = ingest(&[]);
    assert!(changed && String::from_utf8_lossy(&again["run.json"]).contains("\"max_steps\": 51"));
}

/// The folder of another run, ingested.
fn ingest_other(env: &TestEnv) -> PathBuf {
    let key = env.record("ok-pypi010");
    env.hook(["ingest", "--run-dir", &format!("results/{key}")]).ok();
    env.repo(format!("data/captures/{key}"))
}

/// A run's entries in the list of files that HEAD's dvc.lock names.
fn entries(env: &TestEnv, key: &str) -> Vec<(String, String)> {
    let lock = env.git(["show", "HEAD:dvc.lock"]).ok().stdout;
    let version = lock.split("md5: ").filter_map(|rest| rest.get(..36)).find(|md5| md5.ends_with(".dir")).unwrap();
    let path = env.repo(".dvc/cache/files/md5").join(&version[..2]).join(&version[2..]);
    let list: Vec<BTreeMap<String, String>> = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let of_run = list.into_iter().filter(|entry| entry["relpath"].starts_with(&format!("{key}/")));
    of_run.map(|entry| (entry["relpath"].clone(), entry["md5"].clone())).collect()
}

/// F2: A committed run of an older version that is selected again keeps its committed bytes, in the workspace or not,
/// with either engine; `publish --force` writes them anew.
#[test]
fn a_committed_run_of_an_older_version_keeps_its_bytes() {
    for engine in ["native", "dvc"] {
        let env = TestEnv::committed();
        fs::write(env.repo("capture-hook.toml"), format!("engine = \"{engine}\"\n")).unwrap();
        let folder = env.repo(format!("data/captures/{FIRST}"));
        let new = tree(&folder);
        for (name, bytes) in older() {
            fs::write(folder.join(name), bytes).unwrap();
        }
        let old = tree(&folder);
        env.dvc(["commit", "-q", "-f", "capture_ingest"]).ok();
        env.git(["add", "capture-hook.toml"]).ok();
        env.git(["commit", "-q", "-am", "As an older version did it"]).ok();
        let committed = entries(&env, FIRST);
        env.commit_run(SECOND);
        let tagged = env.tags();
        assert_eq!(entries(&env, FIRST), committed, "{engine}: another run came");
        // Selected again, while its folder is there, and while it is not.
        env.commit_run(FIRST);
        assert_eq!(entries(&env, FIRST), committed, "{engine}: the folder was there");
        env.commit_run(SECOND);
        fs::remove_dir_all(&folder).unwrap();
        env.commit_run(FIRST);
        assert_eq!(entries(&env, FIRST), committed, "{engine}: the folder was gone");
        assert_eq!(tree(&folder), old);
        assert_eq!(env.trailer("HEAD", "Capture-Data"), env.trailer("HEAD~1", "Capture-Data"), "{engine}");
        // The same data of the run makes no other tag of it.
        assert_eq!(env.tags(), tagged);
        // By its name it is the same, and nothing is left to commit.
        let again = env.hook(["publish", FIRST, "--no-push"]).ok();
        assert!(again.stderr.contains("is already committed"), "{}", again.stderr);
        if engine == "native" {
            without_its_files(&env, &committed);
        }
        // On purpose it is written anew.
        env.hook(["publish", "--force", FIRST, "--no-push"]).ok();
        assert_ne!(entries(&env, FIRST), committed);
        assert_eq!(tree(&folder), new, "{engine}");
    }
}

/// Where the committed files cannot be had, the commit stops, and nothing has changed.
fn without_its_files(env: &TestEnv, committed: &[(String, String)]) {
    env.commit_run(SECOND);
    fs::remove_dir_all(env.repo(format!("data/captures/{FIRST}"))).unwrap();
    let (_, md5) = committed.iter().find(|(path, _)| path.ends_with("/steps.parquet")).unwrap();
    let object = env.repo(".dvc/cache/files/md5").join(&md5[..2]).join(&md5[2..]);
    let aside = env.path("aside");
    fs::rename(&object, &aside).unwrap();
    env.select(FIRST);
    let lock = fs::read(env.repo("dvc.lock")).unwrap();
    let stopped = env.git(["commit", "-qam", "Again"]).fails(1);
    assert_snapshot!(env.screen(&stopped), @"
    nav/run-20261124-021550 is already committed; its files are kept
    error: nav/run-20261124-021550 is already committed, but its committed files cannot be fetched
    caused by: 1 of nav/run-20261124-021550's files are neither in the cache nor on the remote: nav/run-20261124-021550/steps.parquet
    hint: push it from the clone that has it: `capture-hook push`
    hint: to ingest it again instead: `capture-hook publish --force nav/run-20261124-021550`
    ");
    assert_eq!(fs::read(env.repo("dvc.lock")).unwrap(), lock);
    assert!(!env.repo(format!("data/captures/{FIRST}")).exists());
    fs::rename(&aside, &object).unwrap();
}
