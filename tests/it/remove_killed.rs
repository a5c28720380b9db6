//! `remove` and `restore` killed (-9) at many moments: afterwards the old state or the new one, and it goes on from there.

use std::collections::BTreeSet;
use std::fs;
use std::time::Instant;

use crate::env::{BIN, FIRST, SECOND, THIRD, TestEnv};
use crate::faults::{kill_all, start};

/// How many moments of a command are tried.
const MOMENTS: u32 = 40;

/// The dataset's runs in HEAD, sorted.
fn committed(env: &TestEnv) -> BTreeSet<String> {
    env.runs_at("HEAD").into_iter().collect()
}

fn keys(runs: &[&str]) -> BTreeSet<String> {
    runs.iter().map(|run| (*run).to_owned()).collect()
}

/// The files of a change of runs that differ from HEAD's.
fn half_done(env: &TestEnv) -> String {
    env.git(["status", "--porcelain", "--", "dvc.lock", "params.yaml", "metrics"]).ok().stdout
}

/// Runs a command, kills it with all that it started at each moment of its time, and looks at what it left.
fn at_many_moments(env: &TestEnv, args: &[&str], look: impl Fn(&TestEnv, u32)) {
    let whole = {
        let env = env.copy();
        let started = Instant::now();
        env.hook(args).ok();
        started.elapsed()
    };
    for moment in 1..=MOMENTS {
        let env = env.copy();
        let mut child = start(&env, BIN, args);
        // The last ones are behind the end of a run that took as long as the first.
        std::thread::sleep(whole * moment / (MOMENTS - 2));
        kill_all(&env, &mut child);
        look(&env, moment);
    }
}

/// No commit but that of the removal may lose a run, whatever note a killed one left.
fn no_other_loss(env: &TestEnv, before: &str) {
    let env = env.copy();
    env.git(["reset", "-q", "--hard", before]).ok();
    // A data version without the other run.
    env.git(["checkout", "-q", "loss", "--", "dvc.lock"]).ok();
    let stopped = env.git(["commit", "-q", "-m", "by hand"]).fails(1);
    assert!(stopped.stderr.contains("would lose"), "{}", stopped.both());
}

fn killed_remove(engine: &str, run: &str, rest: &str) {
    let env = TestEnv::two_versions("copy");
    fs::write(env.repo("capture-hook.toml"), format!("engine = \"{engine}\"\n")).unwrap();
    env.git(["add", "capture-hook.toml"]).ok();
    env.git(["commit", "-q", "-m", "engine"]).ok();
    env.git(["switch", "-q", "-c", "loss"]).ok();
    env.hook(["remove", rest]).ok();
    env.git(["switch", "-q", "main"]).ok();
    let head = env.id("HEAD");
    at_many_moments(&env, &["remove", run, "--reason", "no use"], |env, moment| {
        if env.id("HEAD") == head {
            assert_eq!(committed(env), keys(&[FIRST, SECOND]), "{moment}");
            // What is half done is named.
            let status = env.hook(["status"]);
            assert!(half_done(env).is_empty() || status.both().contains("not committed"), "{}", status.both());
            if moment % 8 == 0 {
                no_other_loss(env, &head);
            }
            // The same command again, or the commit that it was about to make.
            if moment % 2 == 0 || half_done(env).is_empty() {
                env.hook(["remove", run, "--reason", "no use"]).ok();
            } else {
                env.git(["commit", "-q", "-a", "-m", "by hand"]).ok();
                if committed(env) == keys(&[FIRST, SECOND]) {
                    env.hook(["remove", run, "--reason", "no use"]).ok();
                }
            }
        } else {
            env.git(["restore", "--staged", ":/"]).ok();
        }
        assert_eq!(committed(env), keys(&[rest]), "{moment}");
        assert_eq!(env.trailer("HEAD", "Capture-Removed"), [run], "{moment}");
        assert_eq!(env.trailer("HEAD", "Capture-Reason"), ["no use"], "{moment}");
        // The next run does not put it back, whatever the workspace held.
        env.commit_run(THIRD);
        assert_eq!(committed(env), keys(&[rest, THIRD]), "{moment}");
        env.assert_committed();
        env.hook(["check", "--strict"]).ok();
    });
}

/// E10: A removal that is killed (-9) at many moments is made or not, and goes on.
#[test]
fn a_killed_removal_can_be_repeated() {
    killed_remove("native", FIRST, SECOND);
}

/// E10: The same of the selected run, whose selection is cleared, with `dvc repro` in the commits after it.
#[test]
fn a_killed_removal_of_the_selected_run_can_be_repeated() {
    killed_remove("dvc", SECOND, FIRST);
}

/// E10: A restore that is killed (-9) at many moments is made or not, and goes on.
#[test]
fn a_killed_restore_can_be_repeated() {
    let env = TestEnv::two_versions("copy");
    env.hook(["remove", FIRST]).ok();
    let head = env.id("HEAD");
    at_many_moments(&env, &["restore", FIRST], |env, moment| {
        if env.id("HEAD") == head {
            assert_eq!(committed(env), keys(&[SECOND]), "{moment}");
            let status = env.hook(["status"]);
            assert!(half_done(env).is_empty() || status.both().contains("not committed"), "{}", status.both());
            if moment % 2 == 0 || half_done(env).is_empty() {
                env.hook(["restore", FIRST]).ok();
            } else {
                env.git(["commit", "-q", "-a", "-m", "by hand"]).ok();
            }
        } else {
            env.git(["restore", "--staged", ":/"]).ok();
        }
        assert_eq!(committed(env), keys(&[FIRST, SECOND]), "{moment}");
        assert_eq!(env.trailer("HEAD", "Capture-Run"), [FIRST], "{moment}");
        env.hook(["pull"]).ok();
        env.hook(["tag"]).ok();
        env.assert_committed();
        env.hook(["check", "--strict"]).ok();
    });
}
