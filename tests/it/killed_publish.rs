//! A publish of many runs that is killed, at many moments.

use std::time::{Duration, Instant};
use std::{fs, thread};

use crate::env::{BIN, TestEnv, tree};
use crate::faults::{kill_all, start};

const RUNS: usize = 12;
const PUBLISH: [&str; 4] = ["publish", "-q", "--all-new", "--no-push"];

fn recorded() -> TestEnv {
    let env = TestEnv::committed_native();
    fs::remove_dir_all(env.repo("results")).unwrap();
    for number in 0..RUNS {
        env.record_as("ok-orig100", &format!("sweep/r{number:02}"));
    }
    env
}

/// Whether it was killed before it had ended.
fn killed_at(made: &TestEnv, moment: Duration, whole: &std::collections::BTreeMap<String, Vec<u8>>) -> bool {
    let env = made.copy();
    let mut child = start(&env, BIN, &PUBLISH);
    thread::sleep(moment);
    let was_killed = child.try_wait().unwrap().is_none();
    kill_all(&env, &mut child);
    // Each run's folder is there whole or not at all.
    for (path, bytes) in tree(&env.repo("data")) {
        assert!(whole.get(&path) == Some(&bytes), "{moment:?}: {path} is another");
    }
    env.git(["restore", "--staged", ":/"]).ok();
    env.hook(PUBLISH).ok();
    env.hook(["tag"]).ok();
    assert!(tree(&env.repo("data")) == *whole, "{moment:?}");
    env.assert_committed();
    env.hook(["verify"]).ok();
    env.hook(["check", "--strict"]).ok();
    was_killed
}

/// E10: A publish of many runs that is killed (-9) at many moments can be repeated.
#[test]
fn a_killed_publish_of_many_runs_can_be_repeated() {
    const MOMENTS: u32 = 40;
    let made = recorded();
    let (whole, time) = {
        let env = made.copy();
        let started = Instant::now();
        assert!(start(&env, BIN, &PUBLISH).wait().unwrap().success());
        (tree(&env.repo("data")), started.elapsed())
    };
    // Two at a time: most of each is waiting.
    let killed = thread::scope(|scope| {
        let half = |first: u32| {
            let (made, whole) = (&made, &whole);
            let moments = (first..MOMENTS).step_by(2).map(move |at| time * at / MOMENTS);
            move || moments.filter(|moment| killed_at(made, *moment, whole)).count()
        };
        let threads = [scope.spawn(half(0)), scope.spawn(half(1))];
        threads.into_iter().map(|thread| thread.join().unwrap()).sum::<usize>()
    });
    assert!(killed > 20, "{killed} were killed in time");
}
