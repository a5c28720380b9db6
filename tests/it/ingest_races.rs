//! `ingest` while something else goes on: another ingest, its own end, a run that still changes.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use crate::env::{BIN, tree};
use crate::ingest::{assert_no_leftovers, ingest_dir, project};

/// P8: Eight processes that ingest one run leave the same files as one.
#[test]
fn many_at_once_on_the_same_run_do_no_harm() {
    let env = project();
    let key = env.record("ok-rotated-orig100");
    let run = format!("results/{key}");
    let mut children: Vec<_> = (0..8)
        .map(|_| env.command(BIN, "repo").args(["ingest", "--run-dir", &run]).stdout(Stdio::null()).spawn().unwrap())
        .collect();
    for child in &mut children {
        assert!(child.wait().unwrap().success());
    }
    let made = tree(&env.repo(format!("data/captures/{key}")));
    assert_eq!(made, tree(&ingest_dir(&env, &run)));
    assert_no_leftovers(&env);
}

#[test]
fn killed_midway_leaves_the_old_folder_or_the_new_one() {
    let env = project();
    let key = env.record("ok-rotated-orig100");
    let run = format!("results/{key}");
    let folder = ingest_dir(&env, &run);
    let old = tree(&folder);
    let meta = fs::read_to_string(env.repo(&run).join("run.json")).unwrap();
    fs::write(env.repo(&run).join("run.json"), meta.replace("\"max_steps\": 1000", "\"max_steps\": 1001")).unwrap();
    let other = project();
    crate::env::copy_dir(&env.repo("results"), &other.repo("results"));
    let new = tree(&ingest_dir(&other, &run));
    assert_ne!(old["run.json"], new["run.json"]);
    let mut seen_old = 0;
    for round in 0..40 {
        let mut child =
            env.command(BIN, "repo").args(["ingest", "--run-dir", &run]).stdout(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(round * 3));
        let _ = child.kill();
        let _ = child.wait();
        let now = tree(&folder);
        assert!(now == old || now == new, "round {round}: {:?}", now.keys());
        seen_old += usize::from(now == old);
        let names: Vec<_> = fs::read_dir(env.repo("data/captures/plume")).unwrap().collect();
        assert_eq!(names.len(), 1, "{names:?}");
    }
    assert!(seen_old > 0, "every round was too late");
    assert_eq!(tree(&ingest_dir(&env, &run)), new);
    assert_no_leftovers(&env);
}

#[test]
fn a_run_that_changes_while_it_is_read_is_refused() {
    let env = project();
    let key = env.record("ok-rotated-orig100");
    let run = env.repo(format!("results/{key}"));
    let part = run.join("steps.part0006.jsonl.gz");
    let bytes = fs::read(&part).unwrap();
    let mut refused = 0;
    for _ in 0..30 {
        let mut child = env
            .command(BIN, "repo")
            .args(["ingest", "--run-dir", &format!("results/{key}")])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A recorder at work: the last shard is written again and again.
        while child.try_wait().unwrap().is_none() {
            fs::write(&part, &bytes).unwrap();
        }
        let output = child.wait_with_output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        match output.status.code() {
            Some(5) if err.contains("changed while the run was read") => refused += 1,
            // Caught between truncation and writing: cut off, and said so.
            Some(1) => {}
            Some(0) => {}
            code => panic!("{code:?}: {err}"),
        }
    }
    assert!(refused > 0);
    let folder = ingest_dir(&env, &format!("results/{key}"));
    assert_eq!(fs::read(folder.join("steps.part0006.jsonl.gz")).unwrap(), bytes);
}
