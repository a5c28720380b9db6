//! `gc` while another DVC is at work in the project: it waits, and removes nothing if that takes too long.

use crate::env::{SECOND, TestEnv};
use crate::faults::hold_lock;
use crate::gc::objects;

/// D1: A lock that DVC itself holds keeps `gc` out, of the cache and of the remote.
#[test]
fn gc_waits_for_another_dvc_and_then_gives_up() {
    let env = TestEnv::two_versions("copy");
    env.hook(["push", "--all"]).ok();
    env.git(["tag", "-d", &format!("capture/{SECOND}")]).ok();
    env.git(["reset", "-q", "--hard", "HEAD~1"]).ok();
    env.hook(["pull"]).ok();
    let cases = [
        (".dvc/cache", &["gc", "--keep", "0", "--yes"][..]),
        ("../dvc-remote", &["gc", "--keep", "0", "--yes", "--remote"]),
    ];
    std::thread::scope(|scope| {
        for (store, args) in cases {
            let env = env.copy();
            scope.spawn(move || {
                let before = objects(&env.repo(store));
                let mut holder = hold_lock(&env, "300");
                // What can go is known at any time.
                let plan = env.hook(args.iter().filter(|arg| **arg != "--yes")).ok();
                assert!(plan.stdout.contains(SECOND), "{}", plan.both());
                let refused = env.hook(args).fails(4);
                let held =
                    format!("another DVC (process {}) is running in this project; waited 60 s for it", holder.id());
                let is_named = refused.stderr.contains(&held) && refused.stderr.contains("hint: wait for it");
                assert!(is_named, "{}", refused.both());
                assert_eq!(objects(&env.repo(store)), before);
                holder.kill().unwrap();
                holder.wait().unwrap();
                // One that ends in time is waited for.
                let mut holder = hold_lock(&env, "8");
                let done = env.hook(args).ok();
                assert!(
                    done.stdout.contains(SECOND) && objects(&env.repo(store)).len() < before.len(),
                    "{}",
                    done.both()
                );
                holder.wait().unwrap();
                env.assert_committed();
            });
        }
    });
}
